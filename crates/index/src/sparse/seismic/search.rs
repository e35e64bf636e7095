//! A search in two steps: what the most promising levels add is summed for each row, and the rows with the largest sums are
//! scored from the forward index.
//!
//! ```text
//! levels of all lists, by q * largest weight of the level, down to so many postings
//! for each row of each level: sums[row] += q * weight of the level          u16, in units of the largest possible sum
//! the rows with the largest sums, so many: their scores
//! ```
//! Where that finds fewer than k rows although there may be more, and where few rows are allowed, rows are scored one after
//! the other: an answer is never short.

use super::levels::{EDGES, LEVELS};
use super::reader::{List, SeismicReader};
use super::row::Lookup;
use crate::dense::{Answered, Path};
use crate::sparse::input::check_query;
use crate::sparse::seam::{QUERY_TERMS_MAX, Slack, SparseEffort, SparseSearch};
use crate::{Bitmap, Counters, IndexError, TopK};
use std::cell::RefCell;
use tercet_kernels::prefetch_items;

/// Candidates of a usual search, at least, and for each of the k.
const CANDIDATES: usize = 96;
const CANDIDATES_OF_K: usize = 4;
/// Nanoseconds: a posting that is summed, a row that is scored, what comes on top of both; measured on Zen 4.
const NS_PER_POSTING: f64 = 3.0;
const NS_PER_ROW: f64 = 150.0;
const NS_PER_SEARCH: f64 = 4_000.0;
/// What a level's weights are on average, of the largest it may hold.
const MEAN: f32 = 0.92;
/// The largest sum that is possible, with one for each term to come on top.
const SUM_MAX: f32 = 60_000.0;
/// Buckets of what a level adds: eight an octave.
const BUCKETS: usize = 512;
const BUCKET_SHIFT: u32 = 20;
/// log2 of the sums that are counted together, and tables that are counted in by turns, so that no count waits for the one
/// before.
const COUNT_SHIFT: u32 = 7;
const TABLES: usize = 4;
/// Rows of a list that are asked for ahead.
const LIST_AHEAD: usize = 256;
/// Rows that are asked for before they are scored.
const AHEAD: usize = 4;
/// Rows that are scored, and postings that are summed, between two looks at whether to stop.
const STEP: usize = 512;
const POSTINGS_STEP: usize = 1 << 15;

/// How much a search does.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    /// Rows that are scored.
    candidates: usize,
    /// Postings that are summed, about.
    postings: usize,
    slack: Slack,
}

impl Plan {
    /// `None`: all rows are scored.
    fn of(effort: SparseEffort, rows: u32, k: usize) -> Option<Plan> {
        let usual = CANDIDATES.max(k.saturating_mul(CANDIDATES_OF_K));
        let (candidates, slack) = match effort {
            SparseEffort::Exact => return None,
            SparseEffort::Usual => (usual, Slack::default()),
            SparseEffort::Ef(candidates) => (candidates as usize, Slack::default()),
            SparseEffort::Slack(slack) if slack.cells > 0 => (slack.cells as usize, slack),
            SparseEffort::Slack(slack) => (usual, slack),
        };
        let candidates = candidates.max(k);
        // By measurement the two steps then take about the same time, at 100,000 rows and at 1,000,000.
        let each = (rows.isqrt() as usize * 3 / 8).max(16);
        Some(Plan { candidates, postings: candidates.saturating_mul(each), slack })
    }

    fn cost_ns(&self) -> f64 {
        NS_PER_SEARCH + self.postings as f64 * NS_PER_POSTING + self.candidates as f64 * NS_PER_ROW
    }
}

/// What a thread needs, to be used again and again.
#[derive(Default)]
struct Scratch {
    /// All zero between searches.
    sums: Vec<u16>,
    /// Rows whose sums are not zero.
    touched: Vec<u32>,
    /// The sums of these rows; 0 where one is not allowed.
    values: Vec<u16>,
    /// The sum in the high half, the complement of the row in the low one.
    keys: Vec<u64>,
    lookup: Lookup,
}

thread_local! {
    static IDLE: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

/// An estimate of one search.
pub(super) fn cost_ns(reader: &SeismicReader, terms: &[(u32, f32)], k: usize) -> u64 {
    let scan = f64::from(reader.rows) * NS_PER_ROW;
    let plan = Plan::of(SparseEffort::Usual, reader.rows, k);
    plan.map_or(scan, |plan| plan.cost_ns().min(scan)) as u64 + terms.len() as u64 * 100
}

/// Searches, by scoring all allowed rows where that is less.
pub(super) fn search(
    reader: &SeismicReader,
    search: &SparseSearch<'_>,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<Answered, IndexError> {
    check_query(search.terms)?;
    let mut lists = Vec::with_capacity(search.terms.len());
    let mut places = Vec::with_capacity(search.terms.len());
    for &(term, q) in search.terms {
        if let Some(place) = reader.terms.place(term)? {
            reader.prefetch_info(place);
            places.push((place, q));
        }
    }
    for (place, q) in places {
        let list = reader.list_at(place, q)?;
        prefetch_items(list.rows, 0, LIST_AHEAD);
        lists.push(list);
    }
    if lists.is_empty() || top.k() == 0 {
        return Ok(Answered { exact: true, complete: true, path: Path::Impacts });
    }
    // What a failed search leaves behind is dropped: only what is all zero again is kept.
    let mut scratch = IDLE.with(|idle| idle.borrow_mut().pop()).unwrap_or_default();
    let query = || lists.iter().map(|list| (list.place, list.q));
    scratch.lookup.set(reader.terms.len() as usize, query());
    let mut visit = Visit { reader, search, lists: &lists, scratch: &mut scratch, counters };
    let answered = visit.run(top)?;
    scratch.lookup.clear(query().map(|(place, _)| place));
    IDLE.with(|idle| idle.borrow_mut().push(scratch));
    Ok(answered)
}

struct Visit<'a> {
    reader: &'a SeismicReader,
    search: &'a SparseSearch<'a>,
    lists: &'a [List<'a>],
    scratch: &'a mut Scratch,
    counters: &'a mut Counters,
}

/// What the first step did.
struct Summed {
    /// All postings of all lists were summed.
    all: bool,
    bound: Bound,
}

/// What the sum of a row says its score is at most, where no list was left out.
///
/// The score is a sum over terms. A term whose posting was summed adds c, at most e = q * largest weight * edge of the level,
/// and to the sum max(1, floor(e * MEAN / unit)), above e * MEAN / unit - 1: so c is below (what it added + 1) * unit / MEAN.
/// A term whose posting was not summed is in a level that was not, and adds at most the edge of the first of those; or it was
/// pruned, and adds at most the edge of the level where the postings of the list reach the number that is kept, for it is no
/// heavier than any of so many. Sums of a row do not saturate: they are at most SUM_MAX * MEAN and one for each term.
/// `slop` is for roundings: each term's product, edge and part, and each addition, are off by one part in 2^24 at most.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    /// A step of a sum, in scores.
    unit: f64,
    /// What all terms together lose to whole steps, and what was not summed.
    rest: f64,
    slop: f64,
}

impl Bound {
    fn of(&self, sum: u64) -> f64 {
        (sum as f64 * self.unit + self.rest) * self.slop
    }
}

const _: () = assert!(SUM_MAX * MEAN + (QUERY_TERMS_MAX as f32) < u16::MAX as f32);

impl Visit<'_> {
    fn run(&mut self, top: &mut TopK) -> Result<Answered, IndexError> {
        let allowed = self.search.allowed.map_or(self.reader.rows, Bitmap::count);
        let plan = Plan::of(self.search.effort, self.reader.rows, top.k());
        let scan = f64::from(allowed) * NS_PER_ROW;
        let total: f32 = self.lists.iter().map(|list| list.most).sum();
        let Some(mut plan) = plan.filter(|plan| plan.cost_ns() < scan && is_fine(total)) else {
            return self.scan(top);
        };
        // Of what is summed only the allowed share can be a candidate.
        let share = f64::from(allowed) / f64::from(self.reader.rows.max(1));
        plan.postings = (plan.postings as f64 / share.max(1e-9)).min(1e15) as usize;
        let stopped = Answered { exact: false, complete: false, path: Path::Impacts };
        let Some(mut summed) = self.sum(&plan, total)? else { return Ok(stopped) };
        self.choose(&plan);
        if self.scratch.keys.len() < top.k() && !summed.all {
            let all = Plan { postings: usize::MAX, slack: Slack { beta: 0.0, ..plan.slack }, ..plan };
            let Some(again) = self.sum(&all, total)? else { return Ok(stopped) };
            summed = again;
            self.choose(&all);
        }
        let whole = summed.all && !self.lists.iter().any(List::is_pruned);
        if self.scratch.keys.len() < top.k() && !whole {
            return self.scan(top);
        }
        let exact = whole && self.scratch.keys.len() < plan.candidates && plan.slack.alpha >= 1.0;
        let complete = self.score(&plan, &summed, top)?;
        Ok(Answered { exact: exact && complete, complete, path: Path::Impacts })
    }

    /// Sums what the most promising levels add; `None` when it was stopped.
    fn sum(&mut self, plan: &Plan, total: f32) -> Result<Option<Summed>, IndexError> {
        let largest = self.lists.iter().fold(f32::MIN_POSITIVE, |largest, list| largest.max(list.most));
        let bucket = |adds: f32| (largest.to_bits().saturating_sub(adds.to_bits()) >> BUCKET_SHIFT) as usize;
        let bucket = |adds: f32| bucket(adds).min(BUCKETS - 1);
        let least = lightest(self.lists, plan.slack.beta);
        let lists = || self.lists.iter().filter(|list| list.most >= least);
        let (taken, enough) = taken(lists(), bucket, plan.postings);
        let last = enough.unwrap_or(BUCKETS - 1);
        let Scratch { sums, touched, .. } = &mut *self.scratch;
        grow(sums, self.reader.rows as usize)?;
        // A row is touched once. One more, for what is written before it is counted.
        let most = taken.min(self.reader.rows as usize) + 1;
        touched.clear();
        grow(touched, most)?;
        let (unit, mut count, mut rest) = (total / SUM_MAX, 0, 0.0);
        let mut unseen = 0;
        let mut following = lists().skip(1);
        for list in lists() {
            if let Some(list) = following.next() {
                prefetch_items(list.rows, 0, LIST_AHEAD * 4);
            }
            let levels = EDGES.iter().position(|edge| bucket(list.most * edge) > last).unwrap_or(LEVELS);
            let mut start = 0;
            for (&end, edge) in list.ends.iter().zip(EDGES).take(levels) {
                let adds = ((list.most * edge * MEAN / unit) as u16).max(1);
                let rows = list.rows.get(start as usize..end as usize).unwrap_or(&[]);
                for rows in rows.chunks(POSTINGS_STEP) {
                    for &row in rows {
                        let Some(sum) = sums.get_mut(row as usize) else { continue };
                        if let Some(place) = touched.get_mut(count) {
                            *place = row;
                        }
                        count += usize::from(*sum == 0);
                        *sum = sum.saturating_add(adds);
                    }
                    unseen += rows.len();
                    if unseen < POSTINGS_STEP {
                        continue;
                    }
                    unseen = 0;
                    if self.search.stop.is_some_and(|stop| stop()) {
                        touched.iter().take(count).for_each(|&row| sums[row as usize] = 0);
                        return Ok(None);
                    }
                }
                start = end;
            }
            let edge = |level: usize| EDGES.get(level).copied().unwrap_or(0.0);
            let unread = if (start as usize) < list.rows.len() { edge(levels) } else { 0.0 };
            let pruned = if list.is_pruned() { edge(self.reader.pruned_level(list)) } else { 0.0 };
            rest += f64::from(list.most) * f64::from(pruned.max(unread));
        }
        touched.truncate(count);
        self.counters.postings_scored += taken as u64;
        let (unit, terms) = (f64::from(unit) / f64::from(MEAN), self.lists.len() as f64);
        let bound = Bound {
            unit,
            rest: rest + terms * unit,
            slop: 1.0 + (2.0 * terms + 8.0) * f64::from(f32::EPSILON),
        };
        Ok(Some(Summed { all: enough.is_none() && least == 0.0, bound }))
    }

    /// Takes the allowed rows with the largest sums; of equal ones the lower row. Leaves all sums zero.
    fn choose(&mut self, plan: &Plan) {
        let rows = self.reader.rows;
        let Scratch { sums, touched, values, keys, .. } = &mut *self.scratch;
        let mut counts = [[0u32; (u16::MAX as usize >> COUNT_SHIFT) + 1]; TABLES];
        keys.clear();
        values.clear();
        values.extend(touched.iter().enumerate().map(|(at, &row)| {
            let sum = sums.get_mut(row as usize).map_or(0, std::mem::take);
            let fits = row < rows && self.search.allowed.is_none_or(|allowed| allowed.contains(row));
            let sum = if fits { sum } else { 0 };
            counts[at % TABLES][usize::from(sum >> COUNT_SHIFT)] += 1;
            sum
        }));
        let mut above = 0;
        let least = (0..counts[0].len()).rev().find(|&at| {
            above += counts.iter().map(|counts| counts[at] as usize).sum::<usize>();
            above >= plan.candidates
        });
        let least = ((least.unwrap_or(0) << COUNT_SHIFT) as u16).max(1);
        for (&sum, &row) in values.iter().zip(touched.iter()) {
            if sum >= least {
                keys.push(u64::from(sum) << 32 | u64::from(!row));
            }
        }
        if keys.len() > plan.candidates {
            keys.select_nth_unstable_by(plan.candidates, |a, b| b.cmp(a));
            keys.truncate(plan.candidates);
        }
    }

    /// Scores the candidates; false when it was stopped.
    fn score(&mut self, plan: &Plan, summed: &Summed, top: &mut TopK) -> Result<bool, IndexError> {
        let Scratch { keys, lookup, .. } = &mut *self.scratch;
        let bounded = plan.slack.alpha < 1.0;
        if bounded {
            keys.sort_unstable_by(|a, b| b.cmp(a));
        }
        let row_at = |at: usize| keys.get(at).map(|key| !(*key as u32));
        for at in 0..AHEAD * 2 {
            row_at(at).into_iter().for_each(|row| self.reader.prefetch_end(row));
        }
        for at in 0..AHEAD {
            row_at(at).into_iter().for_each(|row| self.reader.prefetch(row));
        }
        for (at, key) in keys.iter().enumerate() {
            row_at(at + AHEAD * 2).into_iter().for_each(|row| self.reader.prefetch_end(row));
            row_at(at + AHEAD).into_iter().for_each(|row| self.reader.prefetch(row));
            if at % STEP == STEP - 1 && self.search.stop.is_some_and(|stop| stop()) {
                return Ok(false);
            }
            let most = summed.bound.of(key >> 32) * f64::from(plan.slack.alpha);
            if bounded && top.threshold().is_some_and(|least| most < f64::from(least)) {
                break;
            }
            let row = !(*key as u32);
            self.counters.vectors_scored += 1;
            if let Some(score) = lookup.score(&self.reader.forward(row)?).filter(|score| *score > 0.0) {
                top.push(score, row);
            }
        }
        Ok(true)
    }

    /// Scores every allowed row.
    fn scan(&mut self, top: &mut TopK) -> Result<Answered, IndexError> {
        let (mut answered, mut scored) = (Answered::SCAN, 0usize);
        let (reader, lookup) = (self.reader, &mut self.scratch.lookup);
        let allowed = self.search.allowed.map(Bitmap::iter);
        let all = if allowed.is_none() { 0..reader.rows } else { 0..0 };
        for row in allowed.into_iter().flatten().chain(all).take_while(|row| *row < reader.rows) {
            scored += 1;
            if let Some(score) = lookup.score(&reader.forward(row)?).filter(|score| *score > 0.0) {
                top.push(score, row);
            }
            if scored.is_multiple_of(STEP) && self.search.stop.is_some_and(|stop| stop()) {
                (answered.exact, answered.complete) = (false, false);
                break;
            }
        }
        self.counters.vectors_scored += scored as u64;
        Ok(answered)
    }
}

/// The most promising buckets of levels, up to so many postings: how many they hold, and the last of them; `None`: all.
fn taken<'a>(
    lists: impl Iterator<Item = &'a List<'a>>,
    bucket: impl Fn(f32) -> usize,
    postings: usize,
) -> (usize, Option<usize>) {
    let mut counts = [0usize; BUCKETS];
    for list in lists {
        let mut start = 0;
        for (&end, edge) in list.ends.iter().zip(EDGES) {
            counts[bucket(list.most * edge)] += (end - start) as usize;
            start = end;
        }
    }
    let mut taken = 0;
    let enough = counts.iter().position(|count| {
        taken += count;
        taken >= postings
    });
    (taken, enough)
}

/// Zeros to the end of a buffer until it has so many elements.
fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> Result<(), IndexError> {
    let more = len.saturating_sub(buffer.len());
    let memory = |_| IndexError::Memory { bytes: (len * size_of::<T>()) as u64 };
    buffer.try_reserve(more).map_err(memory)?;
    buffer.resize(buffer.len() + more, T::default());
    Ok(())
}

/// Whether sums up to this can be counted in units.
fn is_fine(total: f32) -> bool {
    (f32::MIN_POSITIVE * SUM_MAX..f32::MAX / 4.0).contains(&total)
}

/// What a list must add at most to be looked at, when a share of the lists, the lightest, is left out.
fn lightest(lists: &[List<'_>], beta: f32) -> f32 {
    let dropped = (lists.len() as f64 * f64::from(beta.clamp(0.0, 1.0))) as usize;
    if dropped == 0 {
        return 0.0;
    }
    let mut most: Vec<f32> = lists.iter().map(|list| list.most).collect();
    most.sort_unstable_by(f32::total_cmp);
    most.get(dropped).or(most.last()).copied().unwrap_or(0.0)
}

const _: () = assert!(LEVELS == EDGES.len());
