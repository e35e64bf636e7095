//! A search: which way to go, the walk, and the ranking of what it found.
//!
//! ```text
//! walk:   the graph over the shortest codes, or these codes of all allowed rows        ef candidates
//! judge:  the candidates by 8-bit codes                                                the best k, and what may be
//! score:  these by the vectors themselves                                              the best k
//! ```
//! With a filter there are four ways, and the cheapest by estimate is taken:
//! - few allowed rows: all of them are compared, by their vectors (exact) or, when they are more, by their codes;
//! - many: the graph is walked as ever for more candidates, of which those that are allowed are kept;
//! - in between: only allowed nodes are walked, and through the others to their neighbours (ACORN, arXiv 2403.04871),
//!   from places all over the allowed rows, because those may lie far from the query.
//!
//! A walk that ends with fewer allowed rows than it was to find gives way to the comparison of all: recall is not lost
//! in silence.

use super::beam::{self, Candidate, Ending, Scratch, candidate, node};
use super::filtered;
use super::graph::NONE;
use super::plan::{Buffers, Over};
use super::reader::{HnswReader, Stage};
use super::walk::{CodeWalk, RawWalk, Walk};
use crate::dense::{Answered, DenseReader, DenseSearch, Effort, Path};
use crate::quant::CodeQuery;
use crate::values::Values;
use crate::{Counters, IndexError, TopK};
use std::cell::RefCell;
use tercet_kernels::prefetch;

/// Candidates of the usual search.
const EF_USUAL: usize = 64;
/// Up to so many allowed rows are compared by their vectors.
const EXACT_ROWS: usize = 256;
/// Standard deviations of the codes' error within which candidates are scored by their vectors.
const DOUBT: f32 = 2.0;
/// Candidates by f16 that are scored by the whole vectors, beside two for each of the k.
const HALVES_MORE: usize = 8;
/// Candidates of a comparison of codes, at least, and for each of the k.
const SCAN_LEAST: usize = 64;
const SCAN_OF_K: usize = 4;
/// Batches of vectors that a scan scores between two looks at whether to stop.
const FLUSHES_BETWEEN_STOPS: usize = 8;

/// Nanoseconds, measured on AVX-512 at 128 and 448 bytes a code: what a vector costs by its codes beside their bytes, a
/// byte of codes, a hop of a walk, and a link that is only looked at.
const NS_PER_CODE: f64 = 3.0;
const NS_PER_CODE_BYTE: f64 = 0.03;
const NS_PER_HOP: f64 = 120.0;
const NS_PER_LOOK: f64 = 2.0;
const NS_PER_SEARCH: f64 = 3_000.0;
/// Vectors that a hop scores, and those that the way down does.
const SCORED_PER_HOP: f64 = 21.0;
const SCORED_BEFORE: f64 = 250.0;
/// A word of 64 rows of a filter.
const NS_PER_WORD: f64 = 1.0;

/// What a thread needs, to be used again and again.
#[derive(Default)]
struct Tools {
    scratch: Scratch,
    buffers: Buffers,
    walk: CodeQuery,
    /// Candidates.
    found: Vec<Candidate>,
    slots: Vec<u32>,
    distances: Vec<f32>,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::default();
}

/// A way to the candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// The vectors of the allowed rows.
    Exact,
    /// The codes of the allowed rows.
    Codes,
    /// The graph, for so many candidates.
    Graph(usize),
    /// The allowed part of the graph.
    Filtered(usize),
}

fn scan_ns(stage: &Stage, rows: f64) -> f64 {
    rows * (NS_PER_CODE + NS_PER_CODE_BYTE * stage.plan.walk.stride() as f64)
}

fn walk_ns(stage: &Stage, ef: f64) -> f64 {
    ef * NS_PER_HOP + scan_ns(stage, SCORED_BEFORE + ef * SCORED_PER_HOP)
}

/// The way, and what it costs by estimate.
fn way(stage: &Stage, ef: usize, k: usize, allowed: Option<usize>) -> (Way, f64) {
    let count = stage.count as f64;
    let ef = ef.max(k).min(stage.count as usize);
    let Some(allowed) = allowed else { return (Way::Graph(ef), walk_ns(stage, ef as f64)) };
    let few = allowed as f64;
    let filter = f64::from(stage.count) / 64.0 * NS_PER_WORD;
    if allowed <= EXACT_ROWS.max(k) {
        return (Way::Exact, filter + few * 4.0 * scan_ns(stage, 1.0));
    }
    let share = (few / count).min(1.0);
    // A fifth more than needed on average, so that chance seldom leaves too few.
    let wide = ((ef as f64 / share) * 1.2).ceil();
    let looks = (stage.m * stage.m * 4) as f64;
    let ways = [
        (Way::Codes, filter + scan_ns(stage, few)),
        (Way::Graph(wide as usize), walk_ns(stage, wide)),
        (
            Way::Filtered(ef),
            ef as f64 * (NS_PER_HOP + looks * NS_PER_LOOK + scan_ns(stage, SCORED_PER_HOP * 2.0)),
        ),
    ];
    ways.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Way::Exact, filter))
}

/// The estimate for the usual effort.
pub(super) fn cost_ns(stage: &Stage, k: usize, allowed: Option<usize>) -> u64 {
    (NS_PER_SEARCH + way(stage, EF_USUAL, k, allowed).1) as u64
}

pub(super) fn search(
    reader: &HnswReader,
    search: &DenseSearch<'_>,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<Answered, IndexError> {
    let k = top.k();
    let Some(stage) = reader.graph.as_ref().filter(|_| search.effort != Effort::Exact && k > 0) else {
        return reader.vectors.search(search, top, counters);
    };
    let ef = match search.effort {
        Effort::Ef(ef) => ef as usize,
        Effort::Probes { candidates, .. } if candidates > 0 => candidates as usize,
        Effort::Usual | Effort::Probes { .. } | Effort::Exact => EF_USUAL,
    };
    let allowed = search.allowed.map(|allowed| allowed.count() as usize);
    let (way, _) = way(stage, ef, k, allowed);
    if k >= stage.count as usize {
        return reader.vectors.search(search, top, counters);
    }
    let most = allowed.unwrap_or(stage.count as usize).min(k);
    let run = Run { reader, stage, search, k, ef, allowed: allowed.unwrap_or(stage.count as usize), most };
    let mut tools = TOOLS.with_borrow_mut(std::mem::take);
    let answered = run.run(way, top, counters, &mut tools);
    TOOLS.set(tools);
    answered
}

/// One search on its way.
struct Run<'a> {
    reader: &'a HnswReader,
    stage: &'a Stage,
    search: &'a DenseSearch<'a>,
    k: usize,
    ef: usize,
    /// Rows that may be found.
    allowed: usize,
    /// The most that can be found.
    most: usize,
}

impl Run<'_> {
    fn run(
        &self,
        way: Way,
        top: &mut TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<Answered, IndexError> {
        let plan = &self.stage.plan;
        let rounded = plan.over == Over::Vectors && self.reader.vectors.has_halves();
        if rounded && way != Way::Exact {
            return self.by_halves(way, top, counters, tools);
        }
        if plan.over == Over::Vectors || way == Way::Exact {
            let answered = self.reader.vectors.with_slots(self.search.query, |scores| {
                let (path, complete) = self.found(way, &mut RawWalk { scores }, top, counters, tools)?;
                for found in &tools.found {
                    self.offer(top, -beam::distance(*found), node(*found));
                }
                let exact = path == Path::Scan && complete && self.reader.vectors.has_vectors();
                Ok(Answered { exact, complete, path })
            });
            return answered.unwrap_or(Ok(Answered::SCAN));
        }
        let mut buffers = std::mem::take(&mut tools.buffers);
        let mut vector = std::mem::take(&mut buffers.vector);
        let floats = match self.search.query {
            Values::F32(floats) => floats,
            other => {
                other.write_f32(&mut vector);
                vector.as_slice()
            }
        };
        if floats.len() != plan.space.dims() {
            return Ok(Answered::SCAN);
        }
        let mut query = std::mem::take(&mut tools.walk);
        plan.walk_query(floats, true, &mut buffers, &mut query);
        let mut walk = CodeWalk { coder: plan.walk, codes: self.stage.walk_codes(), query: &query };
        let found = self.found(way, &mut walk, top, counters, tools);
        if found.is_ok() {
            self.rank(&buffers.judge, top, counters, tools);
        }
        buffers.vector = vector;
        (tools.walk, tools.buffers) = (query, buffers);
        let (path, complete) = found?;
        Ok(Answered { exact: false, complete, path })
    }

    /// Finds candidates by the vectors rounded to f16, and offers the best of them by the whole ones.
    fn by_halves(
        &self,
        way: Way,
        top: &mut TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<Answered, IndexError> {
        let vectors = &self.reader.vectors;
        let found = vectors.with_halves(self.search.query, |scores| {
            self.found(way, &mut RawWalk { scores }, top, counters, tools)
        });
        let Some(found) = found else { return Ok(Answered::SCAN) };
        let (path, complete) = found?;
        let Tools { found, slots, distances, .. } = tools;
        found.sort_unstable();
        if top.radius().is_none() {
            found.truncate(self.k.saturating_mul(2).saturating_add(HALVES_MORE));
        }
        slots.clear();
        slots.extend(found.iter().map(|found| node(*found)));
        self.score(top, counters, slots, distances);
        Ok(Answered { exact: false, complete, path })
    }

    /// Offers slots to `top` by their vectors.
    fn score(&self, top: &mut TopK, counters: &mut Counters, slots: &[u32], distances: &mut Vec<f32>) {
        distances.clear();
        distances.resize(slots.len(), 0.0);
        let scored = self.reader.vectors.with_slots(self.search.query, |scores| {
            slots.iter().for_each(|slot| scores.prefetch(*slot));
            scores.scores(slots, distances);
        });
        if scored.is_some() {
            counters.vectors_scored += slots.len() as u64;
            for (slot, score) in slots.iter().zip(&*distances) {
                self.offer(top, *score, *slot);
            }
        }
    }

    /// Finds the candidates.
    fn found<W: Walk>(
        &self,
        way: Way,
        walk: &mut W,
        top: &TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<(Path, bool), IndexError> {
        let (mut path, mut complete) = self.candidates(way, walk, counters, tools);
        let Some(radius) = top.radius() else { return Ok((path, complete)) };
        // As long as the worst candidate lies within the radius there may be more.
        let mut ef = self.ef.max(EF_USUAL);
        while complete && path != Path::Scan && tools.found.len() < self.most && self.within(tools, radius)? {
            ef = ef.saturating_mul(4);
            (path, complete) = if ef >= self.stage.count as usize / 4 {
                self.scan(walk, self.most, counters, tools)
            } else {
                let wider = match way {
                    Way::Graph(_) => Way::Graph(ef),
                    _ => Way::Filtered(ef),
                };
                self.candidates(wider, walk, counters, tools)
            };
        }
        if path == Path::Scan && complete && tools.found.len() < self.most && self.within(tools, radius)? {
            (path, complete) = self.scan(walk, self.most, counters, tools);
        }
        Ok((path, complete))
    }

    /// Fills `found` with candidates, nearest first.
    fn candidates<W: Walk>(
        &self,
        way: Way,
        walk: &mut W,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> (Path, bool) {
        let stage = self.stage;
        let view = stage.view();
        let ending =
            Ending { patience: self.search.patience.map(|hops| (hops, self.k)), stop: self.search.stop };
        let scratch = &mut tools.scratch;
        let (path, complete) = match (way, self.search.allowed) {
            (Way::Exact, _) => return self.scan(walk, self.most, counters, tools),
            (Way::Codes, _) => return self.scan(walk, 0, counters, tools),
            (Way::Filtered(most), Some(allowed)) => {
                let entry = stage.descend(&view, walk, scratch, counters);
                let complete = filtered::search(stage, allowed, walk, entry, most, ending, scratch, counters);
                (Path::FilteredGraph, complete)
            }
            (Way::Graph(most) | Way::Filtered(most), allowed) => {
                let entry = stage.descend(&view, walk, scratch, counters);
                let complete = beam::search(&view.base, walk, &[entry], most, ending, scratch, counters);
                (if allowed.is_some() { Path::FilteredGraph } else { Path::Graph }, complete)
            }
        };
        self.keep(tools);
        if complete && self.search.allowed.is_some() && tools.found.len() < self.enough() {
            return self.scan(walk, 0, counters, tools);
        }
        (path, complete)
    }

    /// Fewer allowed candidates than this say that the walk did not get to where they are.
    fn enough(&self) -> usize {
        (self.ef.max(self.k) * 3 / 4).max(self.k).min(self.allowed)
    }

    /// Takes over what the walk found, as far as it is allowed.
    fn keep(&self, tools: &mut Tools) {
        let Tools { scratch, found, .. } = tools;
        found.clear();
        match self.search.allowed {
            None => found.extend_from_slice(&scratch.pool.best),
            Some(allowed) => {
                let permitted = |c: &&Candidate| allowed.contains(self.stage.row(node(**c)));
                found.extend(scratch.pool.best.iter().filter(permitted));
            }
        }
    }

    /// Compares all allowed rows and keeps `most` of them, or as many candidates as a search needs.
    fn scan<W: Walk>(
        &self,
        walk: &mut W,
        most: usize,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> (Path, bool) {
        let Tools { scratch, found, .. } = tools;
        let usual = self.k.saturating_mul(SCAN_OF_K).max(SCAN_LEAST).max(self.ef);
        scratch.pool.reset(if most > 0 { most } else { usual }.min(self.stage.count as usize));
        let mut scan = Gathered { walk, scratch, counters, held: 0, flushes: 0, stop: self.search.stop };
        let count = self.stage.count;
        let complete = match (self.search.allowed, &self.stage.slots) {
            (Some(allowed), None) => allowed.iter().take_while(|row| *row < count).all(|row| scan.take(row)),
            (allowed, _) => {
                let permitted = |slot: &u32| allowed.is_none_or(|a| a.contains(self.stage.row(*slot)));
                (0..count).filter(permitted).all(|slot| scan.take(slot))
            }
        };
        scan.flush();
        found.clear();
        found.extend_from_slice(&scratch.pool.best);
        (Path::Scan, complete)
    }

    /// Offers a slot, unless the table of rows is damaged.
    fn offer(&self, top: &mut TopK, score: f32, slot: u32) {
        let row = self.stage.row(slot);
        if row < self.reader.rows {
            top.push(score, row);
        }
    }

    /// Whether the farthest candidate still scores the radius.
    fn within(&self, tools: &Tools, radius: f32) -> Result<bool, IndexError> {
        let Some(last) = tools.found.last() else { return Ok(false) };
        let score = self.reader.vectors.score(self.search.query, self.stage.row(node(*last)))?;
        Ok(score.is_some_and(|score| score >= radius))
    }

    /// Ranks the candidates by the judge's codes, and offers those to `top` that may be among the best, by their vectors.
    fn rank(&self, judge: &CodeQuery, top: &mut TopK, counters: &mut Counters, tools: &mut Tools) {
        let Tools { found, slots, distances, .. } = tools;
        let stage = self.stage;
        slots.clear();
        slots.extend(found.iter().map(|found| node(*found)));
        if let Some(points) = stage.points.as_ref().filter(|_| top.radius().is_none() && slots.len() > self.k)
        {
            let (coder, codes) = (stage.plan.judge, points.unverified());
            if stage.plan.over == Over::Own {
                slots
                    .iter()
                    .for_each(|slot| prefetch(codes, *slot as usize * coder.stride(), coder.stride()));
                distances.clear();
                distances.resize(slots.len(), 0.0);
                coder.distances(judge, codes, slots, distances);
                counters.vectors_scored += slots.len() as u64;
                found.clear();
                found.extend(slots.iter().zip(&*distances).map(|(slot, d)| candidate(*d, *slot)));
            }
            let (_, last, _) = found.select_nth_unstable(self.k - 1);
            // Whatever the error of the codes could have put behind the last of the k.
            let doubt = DOUBT * coder.deviation(judge, codes, node(*last));
            let limit = candidate(beam::distance(*last) + doubt, NONE >> 1);
            slots.clear();
            slots.extend(found.iter().filter(|found| **found <= limit).map(|found| node(*found)));
        }
        self.score(top, counters, slots, distances);
    }
}

/// Slots that are scored when enough of them are gathered.
struct Gathered<'a, W> {
    walk: &'a mut W,
    scratch: &'a mut Scratch,
    counters: &'a mut Counters,
    held: usize,
    flushes: usize,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<W: Walk> Gathered<'_, W> {
    /// False when the scan was stopped.
    #[inline]
    fn take(&mut self, slot: u32) -> bool {
        self.scratch.slots[self.held] = slot;
        self.walk.prefetch(slot);
        self.held += 1;
        if self.held < self.scratch.slots.len() {
            return true;
        }
        self.flush();
        self.flushes += 1;
        !(self.flushes.is_multiple_of(FLUSHES_BETWEEN_STOPS) && self.stop.is_some_and(|stop| stop()))
    }

    fn flush(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.counters.vectors_scored += held as u64;
        self.scratch.score(self.walk, held);
    }
}
