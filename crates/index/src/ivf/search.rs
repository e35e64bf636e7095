//! A search: the nearest lists, their codes, and the ranking of what they hold.
//!
//! ```text
//! coarse: the query with all centroids, by 8-bit codes                         the nearest lists
//! scan:   the codes of these lists                                             candidates
//! judge:  the candidates by 8-bit codes                                        the best k, and what may be
//! score:  these by the vectors themselves                                      the best k
//! ```
//! With a filter, lists and blocks without an allowed row are skipped, and do not count as searched; where few rows are
//! allowed all of them are compared.

use super::alone::{self, CodeScores};
use super::arrange::near_groups;
use super::entries::Entries;
use super::layout::{BLOCK, Form};
use super::plan::Coding;
use super::pool::{Candidate, Pool, candidate, distance, entry};
use super::raw::Raw;
use super::reader::{IvfReader, Stage};
use super::scan::{Fast, Rows, Scan, Tables, based};
use crate::dense::{Answered, DenseReader, DenseSearch, Effort, Path};
use crate::flat::SlotScores;
use crate::quant::{Asked, CodeQuery, Coder};
use crate::reduce::Reduction;
use crate::section::Access;
use crate::values::Values;
use crate::{Bitmap, Counters, IndexError, TopK};
use std::cell::RefCell;
use std::ops::Range;
use tercet_kernels::prefetch;

/// Candidates of the usual search, and as many for each of the k.
const CANDIDATES_USUAL: usize = 64;
const CANDIDATES_OF_K: usize = 4;
/// Candidates that a search of so many lists has beside a quarter of them, where it is not said how many.
const CANDIDATES_BESIDE: usize = 48;
/// Lists that are looked at for each candidate.
const LISTS_OF_CANDIDATE: f64 = 0.75;
/// Of many lists so many are ranked for each that is scanned, and so many at least.
const LISTS_LOOKED_AT: usize = 16;
const LISTS_LOOKED_AT_LEAST: usize = 512;
/// Candidates with a filter, as a multiple of those without.
const WIDER: usize = 4;
/// Up to so many allowed rows are compared by their vectors.
const EXACT_ROWS: usize = 256;
/// Standard deviations of the codes' error within which candidates are scored by their vectors.
const DOUBT: f32 = 2.0;
/// The same of planes of bits, whose error is about normal because vectors were turned by chance; those of other codes err
/// together where they lie together, and tell of no bound.
const DOUBT_OF_PLANES: f32 = 3.0;

/// Rows that are compared by their codes between two looks at whether to stop.
const LOOKS: u32 = 256;
/// Planes of so many bits are told apart by the scan.
const BITS_OF_TABLES: u32 = 4;

/// Nanoseconds, about, on AVX-512: of a list's centroid, of an entry and a byte of its codes, of a candidate.
const NS_PER_LIST: f64 = 8.0;
const NS_PER_ENTRY: f64 = 0.3;
const NS_PER_CODE_BYTE: f64 = 0.02;
const NS_PER_CANDIDATE: f64 = 60.0;
const NS_PER_SEARCH: f64 = 5_000.0;

/// What a thread needs, to be used again and again.
#[derive(Default)]
struct Tools {
    vector: Vec<f32>,
    point: Vec<f32>,
    reduced: Vec<f32>,
    judge: CodeQuery,
    coarse: CodeQuery,
    codes: CodeQuery,
    distances: Vec<f32>,
    lists: Vec<Candidate>,
    /// Lists that were ranked, and how many.
    groups: Vec<Range<usize>>,
    compared: u64,
    floats: Vec<f32>,
    tables: Vec<u8>,
    masks: Vec<u32>,
    pool: Pool,
    slots: Vec<u32>,
    far: Vec<u32>,
    asked: Asked,
    /// Half the squared length of the query as distances of codes have it, less that of its point.
    less: f32,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::default();
}

/// The lists to look at and the candidates to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extent {
    lists: usize,
    candidates: usize,
}

fn extent(stage: &Stage, effort: Effort, k: usize) -> Extent {
    let lists = stage.head.lists as usize;
    let usual = CANDIDATES_USUAL.max(k.saturating_mul(CANDIDATES_OF_K));
    let of = |candidates: usize| ((candidates as f64 * LISTS_OF_CANDIDATE).ceil() as usize).clamp(1, lists);
    let candidates = match effort {
        Effort::Ef(ef) => ef as usize,
        Effort::Probes { candidates, .. } if candidates > 0 => candidates as usize,
        // More lists are for more recall, which more candidates serve too.
        Effort::Probes { lists, .. } => usual.max(CANDIDATES_BESIDE + lists as usize / 4),
        _ => usual,
    };
    let lists = match effort {
        Effort::Probes { lists: asked, .. } => (asked as usize).clamp(1, lists),
        _ => of(candidates),
    };
    Extent { lists, candidates: candidates.max(k).min(stage.head.count as usize) }
}

/// The estimate for the usual effort.
pub(super) fn cost_ns(stage: &Stage, k: usize, allowed: Option<usize>) -> u64 {
    let extent = extent(stage, Effort::Usual, k);
    let head = &stage.head;
    let mean = f64::from(head.entries) / f64::from(head.lists);
    let bytes = stage.plan.coding.bytes(head.entries, head.blocks) as f64;
    let entry = NS_PER_ENTRY + NS_PER_CODE_BYTE * bytes / f64::from(head.entries);
    let scanned = extent.lists as f64 * mean * entry;
    let few = allowed.map_or(f64::INFINITY, |allowed| allowed as f64 * NS_PER_CANDIDATE);
    let lists = f64::from(head.lists) * NS_PER_LIST;
    let ranked = extent.candidates as f64 * NS_PER_CANDIDATE;
    (NS_PER_SEARCH + (lists + scanned + ranked).min(few)) as u64
}

pub(super) fn search(
    reader: &IvfReader,
    search: &DenseSearch<'_>,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<Answered, IndexError> {
    let k = top.k();
    let exactly = |stage: &&Stage| {
        let few = search.allowed.is_some_and(|allowed| allowed.count() as usize <= EXACT_ROWS.max(k));
        search.effort == Effort::Exact
            || few
            || top.radius().is_some()
            || k == 0
            || k >= stage.head.count as usize
    };
    let Some(stage) = reader.stage.as_ref().filter(|stage| reader.vectors.is_none() || !exactly(stage))
    else {
        return reader.vectors.as_ref().map_or(Ok(Answered::SCAN), |vectors| {
            let exact = DenseSearch { effort: Effort::Exact, ..*search };
            let all = search.allowed.is_none();
            if all {
                vectors.advise(Access::Soon);
            }
            let answered = vectors.search(&exact, top, counters);
            if all {
                vectors.advise(Access::Spare);
            }
            answered
        });
    };
    let all = exactly(&stage);
    let extent = extent(stage, search.effort, k);
    let mut tools = TOOLS.with_borrow_mut(std::mem::take);
    let run = Run { reader, stage, search, k, extent };
    let answered = match all {
        true => run.all(top, counters, &mut tools),
        false => run.run(top, counters, &mut tools),
    };
    TOOLS.set(tools);
    answered
}

/// Calls back with the score of each row by codes alone, `None` where it has no vector or the query other dimensions.
pub(super) fn code_scores(
    reader: &IvfReader,
    stage: &Stage,
    query: Values<'_>,
    rows: impl IntoIterator<Item = u32>,
    mut each: impl FnMut(Option<f32>),
) -> Result<(), IndexError> {
    let mut tools = TOOLS.with_borrow_mut(std::mem::take);
    let search = DenseSearch::new(query);
    let run = Run { reader, stage, search: &search, k: 1, extent: Extent { lists: 1, candidates: 1 } };
    let scores = if run.prepare(&mut tools) { Some(run.by_codes(&mut tools)) } else { None };
    let mut done = Ok(());
    for row in rows {
        match reader.position_of(stage, row) {
            Ok(position) => each(position.and_then(|at| scores.as_ref()?.score(at))),
            Err(error) => {
                done = Err(error);
                break;
            }
        }
    }
    TOOLS.set(tools);
    done
}

/// One search on its way.
struct Run<'a> {
    reader: &'a IvfReader,
    stage: &'a Stage,
    search: &'a DenseSearch<'a>,
    k: usize,
    extent: Extent,
}

impl Run<'_> {
    fn run(
        &self,
        top: &mut TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<Answered, IndexError> {
        if !self.prepare(tools) {
            return Ok(Answered::SCAN);
        }
        let mut pool = std::mem::take(&mut tools.pool);
        let most = self.search.allowed.map_or(self.stage.head.count, Bitmap::count) as usize;
        let all = self.stage.head.lists as usize;
        let mut lists = self.extent.lists;
        let complete = loop {
            counters.vectors_scored += tools.compared;
            let complete = self.candidates(lists, &mut pool, counters, tools);
            // Lists may hold fewer than k.
            if !complete || lists >= all || pool.held().len() >= self.k.min(most) {
                break complete;
            }
            lists = lists.saturating_mul(4).min(all);
            self.order(lists, tools);
        };
        self.rank(pool.held(), top, counters, tools);
        tools.pool = pool;
        Ok(Answered { exact: false, complete, path: Path::Lists })
    }

    /// Fills the pool with candidates, by position. False when it was stopped.
    fn candidates(&self, lists: usize, pool: &mut Pool, counters: &mut Counters, tools: &mut Tools) -> bool {
        let stage = self.stage;
        // A vector in two lists may take two places; and codes tell what is far away less well apart.
        let copies = if stage.entries.is_some() { 2 } else { 1 };
        let wide = if self.search.allowed.is_some() { WIDER } else { 1 };
        let finely = matches!(&stage.plan.coding, Coding::Planes(planes) if planes.bits() > BITS_OF_TABLES);
        let kept = self.extent.candidates.saturating_mul(copies * wide);
        pool.reset(if finely { kept.saturating_mul(2).saturating_add(BLOCK) } else { kept });
        self.tables(tools);
        let Tools { lists: near, slots, masks, far, floats, tables, codes: query, distances, asked, .. } =
            tools;
        let weight = asked.weight;
        far.clear();
        let bytes = || stage.codes.as_ref().map_or(&[][..], |codes| codes.unverified());
        let complete = match &stage.plan.coding {
            Coding::Vectors => {
                let scan = |scores: &mut SlotScores<'_>| {
                    self.scan(near, lists, &mut Raw { stage, scores, slots }, (masks, far), pool, counters)
                };
                let vectors = self.reader.vectors.as_ref();
                vectors.and_then(|vectors| vectors.with_slots(self.search.query, scan)).unwrap_or(true)
            }
            Coding::Parts(book) if book.bits() == 8 => {
                let terms = stage.terms.as_ref().map_or(&[][..], |terms| terms.unverified());
                let (scale, m) = (stage.head.terms, book.m());
                let scale = scale.times(weight);
                let mut scan = Tables { codes: bytes(), terms, scale, m, tables: floats };
                self.scan(near, lists, &mut scan, (masks, far), pool, counters)
            }
            Coding::Parts(_) | Coding::Planes(_) => self.scan(
                near,
                lists,
                &mut Fast::new(stage, floats, weight, tables),
                (masks, far),
                pool,
                counters,
            ),
            Coding::Rows(coder) => {
                let mut scan = Rows { codes: bytes(), coder: *coder, query };
                self.scan(near, lists, &mut scan, (masks, far), pool, counters)
            }
        };
        pool.cut();
        let found = pool.held();
        if finely {
            self.ranked_finely(found, (floats, weight), distances);
            if kept < found.len() {
                found.select_nth_unstable(kept - 1);
                found.truncate(kept);
            }
        }
        if !far.is_empty() {
            // The scan took them for nearer or shorter than they are.
            far.sort_unstable();
            found.retain(|c| far.binary_search(&entry(*c)).is_err());
            let start = found.len();
            found.extend(far.iter().map(|entry| candidate(f32::INFINITY, *entry)));
            self.ranked_finely(&mut found[start..], (floats, weight), distances);
        }
        if stage.entries.is_some() {
            // Both entries of a vector may have been found.
            found.iter_mut().for_each(|c| *c = candidate(distance(*c), stage.position(entry(*c))));
            found.sort_unstable_by_key(|c| (entry(*c), *c));
            found.dedup_by_key(|c| entry(*c));
        }
        found.retain(|c| entry(*c) < stage.head.count);
        complete
    }

    /// Makes what codes are compared with.
    fn tables(&self, tools: &mut Tools) {
        let Tools { floats, codes, reduced, asked, .. } = tools;
        match &self.stage.plan.coding {
            Coding::Vectors => {}
            Coding::Parts(book) => book.tables(reduced, floats),
            Coding::Planes(planes) => planes.tables(reduced, floats),
            Coding::Rows(coder) => {
                coder.query(reduced, Coder::norm(reduced), codes);
                codes.weight = asked.weight;
            }
        }
    }

    /// The query beside single codes; it was made ready.
    fn by_codes<'t>(&'t self, tools: &'t mut Tools) -> CodeScores<'t> {
        self.tables(tools);
        CodeScores {
            stage: self.stage,
            entries: Entries::unverified(self.stage),
            reduced: &tools.reduced,
            tables: &tools.floats,
            query: &tools.codes,
            less: tools.less,
            asked: &tools.asked,
        }
    }

    /// All rows that are allowed, by codes alone.
    fn all(
        &self,
        top: &mut TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<Answered, IndexError> {
        let mut answered = Answered { exact: false, ..Answered::SCAN };
        if self.k == 0 || !self.prepare(tools) {
            return Ok(answered);
        }
        let scores = self.by_codes(tools);
        let mut offer = |position: u32, row: u32| {
            counters.vectors_scored += 1;
            if let Some(score) = scores.score(position).filter(|_| row < self.reader.rows) {
                top.push(score, row);
            }
            !position.is_multiple_of(LOOKS) || !self.search.stop.is_some_and(|stop| stop())
        };
        let stage = self.stage;
        match self.search.allowed {
            Some(allowed) => {
                for row in allowed.iter() {
                    let position = self.reader.position_of(stage, row)?;
                    if !position.is_none_or(|position| offer(position, row)) {
                        answered.complete = false;
                        break;
                    }
                }
            }
            None => {
                let offered = |at: u32| stage.row(stage.slot(at)).is_none_or(|row| offer(at, row));
                answered.complete = (0..stage.head.count).all(offered);
            }
        }
        Ok(answered)
    }

    /// Distances by tables as numbers: those of the scan have entries of 6 bits, in which planes of little weight vanish.
    fn ranked_finely(&self, found: &mut [Candidate], (tables, weight): (&[f32], f32), lists: &[f32]) {
        let (entries, based) = (Entries::unverified(self.stage), based(self.stage));
        for c in found {
            if let Some((list, distance)) = entries.distance(entry(*c), tables, weight) {
                let base = lists.get(list as usize).copied().filter(|_| based).unwrap_or(0.0);
                *c = candidate(base + distance, entry(*c));
            }
        }
    }

    /// Makes the query ready and finds the nearest lists. False where the query has other dimensions.
    fn prepare(&self, tools: &mut Tools) -> bool {
        let plan = &self.stage.plan;
        let floats = match self.search.query {
            Values::F32(floats) => floats,
            other => {
                other.write_f32(&mut tools.vector);
                tools.vector.as_slice()
            }
        };
        if floats.len() != plan.space.dims() {
            return false;
        }
        let Tools { point, reduced, judge, coarse, distances, asked, less, .. } = tools;
        point.resize(plan.space.points(), 0.0);
        // A prefix at length 1 is made of the point of a query.
        *asked = match plan.reduction {
            Reduction::UnitPrefix(_) => plan.space.ask(floats, point),
            _ => plan.space.ask_near(floats, point),
        };
        Coder::bits8(point.len()).query(point, Coder::norm(point), judge);
        judge.weight = asked.weight;
        let width = plan.centroids.dims;
        reduced.clear();
        match &plan.reduction {
            Reduction::Pca(_) => {
                reduced.resize(width, 0.0);
                Coder::bits8(point.len()).distances_in_order(judge, &plan.axes, reduced);
                // The axes were coded as of no length: what is left is minus the product.
                reduced.iter_mut().for_each(|x| *x = -*x);
            }
            Reduction::None | Reduction::Prefix { .. } => reduced.extend_from_slice(&point[..width]),
            // Of these `LeanVec` is not built, but a file may say so.
            Reduction::LeanVec(_) | Reduction::UnitPrefix(_) => {
                reduced.resize(width, 0.0);
                plan.reduction.apply_query(point, reduced);
            }
        }
        *less = alone::less(self.stage, judge, reduced);
        plan.centroids.coder.query(reduced, 0.0, coarse);
        coarse.weight = asked.weight;
        distances.resize(self.stage.head.lists as usize, 0.0);
        self.order(self.extent.lists, tools);
        true
    }

    /// The nearest lists, nearest first: so many, or all where it is not known which of them have allowed rows.
    fn order(&self, most: usize, tools: &mut Tools) {
        let Tools { lists, distances, coarse, groups, compared, .. } = tools;
        let some = self.search.allowed.is_none();
        let wanted = most.saturating_mul(LISTS_LOOKED_AT).max(LISTS_LOOKED_AT_LEAST);
        lists.clear();
        near_groups(self.stage, if some { wanted } else { usize::MAX }, coarse, groups);
        *compared = 0;
        let (coder, codes) = (&self.stage.plan.centroids.coder, self.stage.coarse.unverified());
        for range in &*groups {
            let rows = codes.get(range.start * coder.stride()..range.end * coder.stride());
            let (Some(rows), Some(distances)) = (rows, distances.get_mut(range.clone())) else { continue };
            coder.distances_in_order(coarse, rows, distances);
            let numbered = distances.iter().zip(range.clone());
            lists.extend(numbered.map(|(distance, list)| candidate(*distance, list as u32)));
            *compared += range.len() as u64;
        }
        if most < lists.len() && some {
            lists.select_nth_unstable(most - 1);
            lists.truncate(most);
        }
        lists.sort_unstable();
    }

    /// Scans the first `most` lists, and adds to `far` what they have of entries that are to be looked at by themselves. False
    /// when it was stopped.
    fn scan(
        &self,
        lists: &[Candidate],
        most: usize,
        scan: &mut impl Scan,
        (masks, far): (&mut Vec<u32>, &mut Vec<u32>),
        pool: &mut Pool,
        counters: &mut Counters,
    ) -> bool {
        let based = based(self.stage);
        let beyond = self.stage.far_numbers();
        let mut left = self.lists(most);
        for (at, list) in lists.iter().enumerate() {
            let (entries, block) = self.stage.list(entry(*list) as usize);
            if let Some(next) = lists.get(at + 1) {
                let (entries, block) = self.stage.list(entry(*next) as usize);
                scan.prefetch(entries, block);
            }
            masks.clear();
            if let Some(allowed) = self.search.allowed
                && !self.allowed_of(allowed, entries.clone(), masks)
            {
                // The allowed rows are elsewhere: what lies far from a query lies in many lists.
                left += 2;
                continue;
            }
            let base = if based { distance(*list) } else { 0.0 };
            far.extend(beyond.within(&entries).iter().filter(|entry| {
                let at = **entry as usize - entries.start;
                masks.get(at / BLOCK).is_none_or(|mask| mask >> (at % BLOCK) & 1 == 1)
            }));
            counters.vectors_scored += scan.list(entries, block, base, masks, pool) as u64;
            counters.hops += 1;
            left -= 1;
            if left == 0 {
                break;
            }
            if self.search.stop.is_some_and(|stop| stop()) {
                return false;
            }
        }
        true
    }

    /// Lists with allowed rows to look at: of few rows more, for the nearest of them lie farther away.
    fn lists(&self, lists: usize) -> usize {
        let Some(allowed) = self.search.allowed else { return lists };
        let share = f64::from(allowed.count().max(1)) / f64::from(self.stage.head.count);
        let wider = lists as f64 / share.min(1.0).sqrt();
        (wider.ceil() as usize).clamp(lists, self.stage.head.lists as usize).max(1)
    }

    /// The allowed entries of a list, a mask a block; false where there are none.
    fn allowed_of(&self, allowed: &Bitmap, entries: Range<usize>, masks: &mut Vec<u32>) -> bool {
        let stage = self.stage;
        let permitted = |at: usize| {
            let row = stage.row(stage.slot(stage.position(at as u32)));
            row.is_some_and(|row| allowed.contains(row))
        };
        for from in entries.clone().step_by(BLOCK) {
            let to = entries.end.min(from + BLOCK);
            masks.push((from..to).fold(0, |mask, at| mask | u32::from(permitted(at)) << (at - from)));
        }
        masks.iter().any(|mask| *mask != 0)
    }

    /// Leaves the candidates that the error of the codes could have put behind the k-th.
    fn within_doubt(&self, found: &mut Vec<Candidate>, half_norm: f32, weight: f32) {
        let head = &self.stage.head;
        if found.len() <= self.k || !matches!(head.form, Form::Planes { .. }) {
            return;
        }
        let (_, last, _) = found.select_nth_unstable(self.k - 1);
        let last = distance(*last);
        // The error of a distance is (q - w x^).e, w what counts of the term: of a vector as far as the k-th, with an error in no
        // direction of its own.
        let error = head.error.max(head.added_error) * head.length;
        let far = (2.0 * (weight * last + half_norm)).max(0.0) + weight * weight * error;
        let doubt = (far * error / head.reduced as f32).sqrt();
        let limit = candidate(last + DOUBT_OF_PLANES * doubt, u32::MAX);
        found.retain(|c| *c <= limit);
    }

    /// Ranks the candidates by the judge's codes, and offers those that may be among the best by their vectors.
    fn rank(&self, found: &mut Vec<Candidate>, top: &mut TopK, counters: &mut Counters, tools: &mut Tools) {
        let stage = self.stage;
        self.within_doubt(found, tools.judge.half_norm + tools.less, tools.asked.weight);
        let Some(vectors) = &self.reader.vectors else {
            let scores = self.by_codes(tools);
            counters.vectors_scored += found.len() as u64;
            for position in found.iter().map(|c| entry(*c)) {
                let row = stage.row(stage.slot(position)).filter(|row| *row < self.reader.rows);
                if let (Some(row), Some(score)) = (row, scores.score(position)) {
                    top.push(score, row);
                }
            }
            return;
        };
        let Tools { slots, distances, judge, .. } = tools;
        if let (Some(coder), Some(judges)) = (stage.plan.judge, &stage.judges) {
            let codes = judges.unverified();
            slots.clear();
            slots.extend(found.iter().map(|c| entry(*c)));
            slots.iter().for_each(|at| prefetch(codes, *at as usize * coder.stride(), coder.stride()));
            distances.clear();
            distances.resize(slots.len(), 0.0);
            coder.distances(judge, codes, slots, distances);
            counters.vectors_scored += slots.len() as u64;
            found.clear();
            found.extend(slots.iter().zip(&*distances).map(|(at, d)| candidate(*d, *at)));
            if found.len() > self.k {
                let (_, last, _) = found.select_nth_unstable(self.k - 1);
                // Whatever the error of the codes could have put behind the last of the k.
                let doubt = DOUBT * coder.deviation(judge, codes, entry(*last));
                let limit = candidate(distance(*last) + doubt, u32::MAX);
                found.retain(|c| *c <= limit);
            }
        }
        slots.clear();
        slots.extend(found.iter().map(|c| stage.slot(entry(*c))).filter(|slot| *slot < stage.head.count));
        distances.clear();
        distances.resize(slots.len(), 0.0);
        let scored = vectors.with_slots(self.search.query, |scores| {
            slots.iter().for_each(|slot| scores.prefetch(*slot));
            scores.scores(slots, distances);
        });
        vectors.looked_at(slots.len());
        if scored.is_some() {
            counters.vectors_scored += slots.len() as u64;
            for (slot, score) in slots.iter().zip(&*distances) {
                if let Some(row) = stage.row(*slot).filter(|row| *row < self.reader.rows) {
                    top.push(*score, row);
                }
            }
        }
    }
}
