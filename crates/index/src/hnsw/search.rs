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
use super::plan::Buffers;
use super::reader::{HnswReader, Stage};
use super::walk::{CodeWalk, Walk};
use crate::dense::{Answered, DenseSearch, Effort, Path};
use crate::quant::{CodeQuery, Coder};
use crate::{Counters, IndexError, TopK};
use std::cell::RefCell;

/// Candidates of the usual search.
const EF_USUAL: usize = 64;
/// Up to so many allowed rows are compared by their vectors.
const EXACT_ROWS: usize = 256;
/// Standard deviations of the codes' error within which candidates are scored by their vectors.
const DOUBT: f32 = 2.0;
/// Candidates of a comparison of codes, at least, and for each of the k.
const SCAN_LEAST: usize = 64;
const SCAN_OF_K: usize = 4;

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
    judge: CodeQuery,
    slots: Vec<u32>,
    rows: Vec<u32>,
    distances: Vec<f32>,
    scores: Vec<f32>,
    ranked: Vec<Candidate>,
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
        Effort::Usual | Effort::Exact => EF_USUAL,
    };
    let allowed = search.allowed.map(|allowed| allowed.count() as usize);
    let (way, _) = way(stage, ef, k, allowed);
    if way == Way::Exact || k >= stage.count as usize {
        return reader.vectors.search(search, top, counters);
    }
    TOOLS.with_borrow_mut(|tools| Run { reader, stage, search, k, ef }.run(way, top, counters, tools))
}

/// One search on its way.
struct Run<'a> {
    reader: &'a HnswReader,
    stage: &'a Stage,
    search: &'a DenseSearch<'a>,
    k: usize,
    ef: usize,
}

impl Run<'_> {
    fn run(
        &self,
        way: Way,
        top: &mut TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<Answered, IndexError> {
        self.search.query.write_f32(&mut tools.buffers.vector);
        if tools.buffers.vector.len() != self.stage.plan.space.dims() {
            return Ok(Answered::SCAN);
        }
        let vector = std::mem::take(&mut tools.buffers.vector);
        self.stage.plan.walk_query(&vector, true, &mut tools.buffers, &mut tools.walk);
        if !self.stage.plan.same {
            let point = &tools.buffers.point;
            self.stage.plan.judge.query(point, Coder::norm(point), &mut tools.judge);
        }
        tools.buffers.vector = vector;
        let query = std::mem::take(&mut tools.walk);
        let walk = CodeWalk { coder: self.stage.plan.walk, codes: self.stage.walk_codes(), query: &query };
        let found = self.found(way, &walk, top, counters, tools);
        tools.walk = query;
        let (path, complete) = found?;
        self.rank(top, counters, tools)?;
        Ok(Answered { exact: false, complete, path })
    }

    /// Fills `slots` with what will be ranked.
    fn found(
        &self,
        way: Way,
        walk: &CodeWalk<'_>,
        top: &TopK,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> Result<(Path, bool), IndexError> {
        let (mut path, mut complete) = self.candidates(way, walk, counters, tools);
        if let Some(radius) = top.radius() {
            // As long as the worst candidate lies within the radius there may be more.
            let mut ef = self.ef.max(EF_USUAL);
            while complete && self.within(tools, radius)? && tools.slots.len() < self.most() {
                ef = ef.saturating_mul(4);
                (path, complete) = if ef >= self.stage.count as usize / 4 {
                    (self.scan(walk, self.k, counters, tools), true)
                } else {
                    let wide = self.way_of(way, ef);
                    self.candidates(wide, walk, counters, tools)
                };
                if path == Path::Scan {
                    break;
                }
            }
        }
        Ok((path, complete))
    }

    fn way_of(&self, way: Way, ef: usize) -> Way {
        match way {
            Way::Graph(_) => Way::Graph(ef),
            Way::Filtered(_) => Way::Filtered(ef),
            other => other,
        }
    }

    /// The most that can be found.
    fn most(&self) -> usize {
        self.search.allowed.map_or(self.stage.count as usize, |allowed| allowed.count() as usize).min(self.k)
    }

    /// Fills `slots` with candidates, nearest first.
    fn candidates(
        &self,
        way: Way,
        walk: &CodeWalk<'_>,
        counters: &mut Counters,
        tools: &mut Tools,
    ) -> (Path, bool) {
        let stage = self.stage;
        let view = stage.view();
        let ending =
            Ending { patience: self.search.patience.map(|hops| (hops, self.k)), stop: self.search.stop };
        let scratch = &mut tools.scratch;
        match way {
            Way::Exact | Way::Codes => (self.scan(walk, 0, counters, tools), true),
            Way::Graph(most) => {
                let entry = stage.descend(&view, walk, scratch, counters);
                let complete = beam::search(&view.base, walk, &[entry], most, ending, scratch, counters);
                self.keep(tools);
                let wanted = self.search.allowed.map_or(0, |_| self.enough());
                if complete && tools.slots.len() < wanted {
                    return (self.scan(walk, 0, counters, tools), true);
                }
                let filtered = self.search.allowed.is_some();
                (if filtered { Path::FilteredGraph } else { Path::Graph }, complete)
            }
            Way::Filtered(most) => {
                let Some(allowed) = self.search.allowed else { return (Path::Graph, true) };
                let entry = stage.descend(&view, walk, scratch, counters);
                let complete = filtered::search(stage, allowed, walk, entry, most, ending, scratch, counters);
                self.keep(tools);
                if complete && tools.slots.len() < self.enough() {
                    return (self.scan(walk, 0, counters, tools), true);
                }
                (Path::FilteredGraph, complete)
            }
        }
    }

    /// Fewer allowed candidates than this say that the walk did not get to where they are.
    fn enough(&self) -> usize {
        let allowed = self.search.allowed.map_or(usize::MAX, |allowed| allowed.count() as usize);
        (self.ef.max(self.k) * 3 / 4).max(self.k).min(allowed)
    }

    /// Takes over what the walk found, as far as it is allowed.
    fn keep(&self, tools: &mut Tools) {
        let Tools { scratch, slots, .. } = tools;
        slots.clear();
        let found = scratch.pool.best.iter().map(|found| node(*found));
        match self.search.allowed {
            None => slots.extend(found),
            Some(allowed) => slots.extend(found.filter(|slot| allowed.contains(self.stage.row(*slot)))),
        }
    }

    /// Compares the codes of all allowed rows.
    fn scan(&self, walk: &CodeWalk<'_>, least: usize, counters: &mut Counters, tools: &mut Tools) -> Path {
        let Tools { scratch, slots, .. } = tools;
        let most = (self.k.saturating_mul(SCAN_OF_K)).max(SCAN_LEAST).max(self.ef).max(least);
        scratch.pool.reset(most.min(self.stage.count as usize));
        let mut held = 0;
        let mut offer = |slot: u32, scratch: &mut Scratch| {
            scratch.slots[held] = slot;
            held += 1;
            if held == scratch.slots.len() {
                counters.vectors_scored += held as u64;
                flush(walk, held, scratch);
                held = 0;
            }
        };
        match (self.search.allowed, &self.stage.slots) {
            (Some(allowed), None) => {
                allowed.iter().take_while(|row| *row < self.stage.count).for_each(|row| offer(row, scratch));
            }
            (allowed, _) => {
                let permitted = |slot: &u32| allowed.is_none_or(|a| a.contains(self.stage.row(*slot)));
                (0..self.stage.count).filter(permitted).for_each(|slot| offer(slot, scratch));
            }
        }
        counters.vectors_scored += held as u64;
        flush(walk, held, scratch);
        slots.clear();
        slots.extend(scratch.pool.best.iter().map(|found| node(*found)));
        Path::Scan
    }

    /// Whether the farthest candidate still scores the radius.
    fn within(&self, tools: &mut Tools, radius: f32) -> Result<bool, IndexError> {
        let Some(last) = tools.slots.last() else { return Ok(false) };
        let score = self.reader.vectors.score(self.search.query, self.stage.row(*last))?;
        Ok(score.is_some_and(|score| score >= radius))
    }

    /// Ranks the candidates again and offers the best.
    fn rank(&self, top: &mut TopK, counters: &mut Counters, tools: &mut Tools) -> Result<(), IndexError> {
        let Tools { slots, rows, distances, scores, ranked, judge, walk, .. } = tools;
        let stage = self.stage;
        if top.radius().is_none() && slots.len() > self.k {
            let (coder, codes) = (stage.plan.judge, stage.codes.unverified());
            for slot in slots.iter() {
                tercet_kernels::prefetch(codes, *slot as usize * coder.stride(), coder.stride());
            }
            let query = if stage.plan.same { &*walk } else { &*judge };
            distances.clear();
            distances.resize(slots.len(), 0.0);
            coder.distances(query, codes, slots, distances);
            counters.vectors_scored += slots.len() as u64;
            ranked.clear();
            ranked.extend(slots.iter().zip(&*distances).map(|(slot, d)| candidate(*d, *slot)));
            let (_, last, _) = ranked.select_nth_unstable(self.k - 1);
            // Whatever the error of the codes could have put behind the last of the k.
            let doubt = DOUBT * coder.deviation(query, codes, node(*last));
            let limit = candidate(beam::distance(*last) + doubt, NONE >> 1);
            slots.clear();
            slots.extend(ranked.iter().filter(|found| **found <= limit).map(|found| node(*found)));
        }
        rows.clear();
        rows.extend(slots.iter().map(|slot| stage.row(*slot)).filter(|row| *row < self.reader.rows));
        self.reader.vectors.scores(self.search.query, rows, scores)?;
        counters.vectors_scored += rows.len() as u64;
        for (row, score) in rows.iter().zip(&*scores) {
            top.push(*score, *row);
        }
        Ok(())
    }
}

/// Scores the slots that were gathered.
fn flush<W: Walk>(walk: &W, held: usize, scratch: &mut Scratch) {
    let found = &mut scratch.distances[..held];
    walk.distances(&scratch.slots[..held], found);
    let mut bound = scratch.pool.bound();
    for (distance, slot) in found.iter().zip(&scratch.slots) {
        let candidate = candidate(*distance, *slot);
        if candidate < bound {
            scratch.pool.insert(candidate);
            bound = scratch.pool.bound();
        }
    }
}
