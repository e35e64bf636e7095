//! A search: the cheapest way by the postings, bounds and rows that each would touch.

use super::best::Best;
use super::blocks::{self, Ending};
use super::query::List;
use super::reader::ListsReader;
use super::record::Shape;
use super::sum::sum;
use super::{CELL_BITS, RANKS};
use crate::dense::{Answered, Path};
use crate::sparse::input::check_query;
use crate::sparse::seam::{Slack, SparseEffort, SparseSearch};
use crate::{Counters, IndexError, TopK};
use std::cell::RefCell;
use std::ops::Range;
use tercet_kernels::{SPAN, kernels};

/// Nanoseconds, measured on Zen 4 and 5 with postings out of cache: a posting that is summed, a row whose sum is looked at, a
/// list in a span.
const NS_PER_POSTING: f64 = 0.65;
const NS_PER_ROW: f64 = 0.05;
const NS_PER_SPAN_LIST: f64 = 40.0;
/// A byte of dense bounds, a pair, a cell, a list in a cell that is scored.
const NS_PER_BOUND_BYTE: f64 = 0.3;
const NS_PER_PAIR: f64 = 0.9;
const NS_PER_CELL: f64 = 2.0;
const NS_PER_CELL_LIST: f64 = 34.0;
/// Looking a term up, and finding a row in a list.
const NS_PER_TERM: f64 = 80.0;
const NS_PER_FIND: f64 = 40.0;
/// Cells that are scored where rows that are alike lie together: so many, and for each of the k.
const CELLS_LEAST: f64 = 25.0;
const CELLS_OF_K: f64 = 3.0;
/// From this scatter on it is more of them, so many times more where rows lie as by chance.
const SCATTER_FROM: f64 = 0.6;
const SCATTERED: f64 = 25.0;
/// The scatter of a query whose lists do not tell theirs.
const SCATTER_UNKNOWN: f64 = 0.8;

/// What a thread needs, to be used again and again.
#[derive(Default)]
pub(super) struct Scratch {
    /// The sums of a span.
    pub(super) sums: Vec<f32>,
    pub(super) masks: Vec<u64>,
    pub(super) best: Best,
    pub(super) sample: Vec<u32>,
    pub(super) bounds: Vec<u16>,
    pub(super) cells: Vec<u16>,
    pub(super) order: Vec<u64>,
    pub(super) ranges: Vec<Range<usize>>,
}

impl Scratch {
    /// The sums of a span, whatever they are.
    pub(super) fn sums(&mut self) -> &mut [f32] {
        self.sums.resize(SPAN, 0.0);
        &mut self.sums
    }
}

thread_local! {
    static IDLE: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

/// A way to the best rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// Each allowed row by itself.
    Rows,
    /// All rows, term at a time.
    Sum,
    /// Blocks in order of their bounds.
    Blocks,
}

/// What the ways would cost.
struct Costs {
    sum: f64,
    blocks: f64,
    rows: f64,
}

impl Costs {
    fn of(reader: &ListsReader, lists: &[List<'_>], k: usize, allowed: Option<u64>, slack: &Slack) -> Costs {
        let (shape, count) = (&reader.shape, lists.len() as f64);
        let postings: f64 = lists.iter().map(|list| f64::from(list.postings)).sum();
        let rows = f64::from(shape.rows);
        let (mut bytes, mut pairs) = (0.0, 0.0);
        let mut scatter = Scatter::new(shape);
        for list in lists {
            scatter.add(list);
            let (more_bytes, more_pairs) = list.bound_work();
            bytes += more_bytes as f64;
            pairs += more_pairs as f64;
        }
        let cells = f64::from(shape.rows.div_ceil(1 << CELL_BITS));
        let most = if slack.cells > 0 { cells.min(f64::from(slack.cells)) } else { cells };
        let scored = ((CELLS_LEAST + CELLS_OF_K * k as f64) * scatter.more()).min(most);
        Costs {
            sum: postings * NS_PER_POSTING
                + rows * NS_PER_ROW
                + count * shape.spans() as f64 * NS_PER_SPAN_LIST,
            blocks: bytes * NS_PER_BOUND_BYTE
                + pairs * NS_PER_PAIR
                + cells * NS_PER_CELL
                + scored * count * NS_PER_CELL_LIST,
            rows: allowed.map_or(f64::INFINITY, |rows| rows as f64 * count * NS_PER_FIND),
        }
    }

    fn best(&self) -> Way {
        if self.rows <= self.sum.min(self.blocks) {
            Way::Rows
        } else if self.blocks < self.sum {
            Way::Blocks
        } else {
            Way::Sum
        }
    }
}

/// How far the rows of terms are scattered: the blocks that have one, as a share of those that would if rows lay by chance. Of
/// documents in the order of their topics it is about a half, of shuffled ones 1: then every block has some of every frequent
/// term, all bounds are alike, and bounding them is in vain.
struct Scatter {
    blocks: f64,
    found: f64,
    by_chance: f64,
}

impl Scatter {
    fn new(shape: &Shape) -> Self {
        Scatter { blocks: f64::from(shape.rows.div_ceil(1 << shape.block_bits)), found: 0.0, by_chance: 0.0 }
    }

    fn add(&mut self, list: &List<'_>) {
        let Some(blocks) = list.blocks() else { return };
        self.found += f64::from(blocks);
        self.by_chance += self.blocks * (1.0 - (-f64::from(list.postings) / self.blocks).exp());
    }

    /// How many times more cells are scored.
    fn more(&self) -> f64 {
        let scatter = if self.by_chance > 0.0 { self.found / self.by_chance } else { SCATTER_UNKNOWN };
        let share = ((scatter - SCATTER_FROM) / (1.0 - SCATTER_FROM)).clamp(0.0, 1.0);
        1.0 + (SCATTERED - 1.0) * share * share
    }
}

/// An estimate of one search.
pub(super) fn cost_ns(reader: &ListsReader, terms: &[(u32, f32)], k: usize) -> u64 {
    let mut lists = Vec::new();
    // Damage is for the search to find.
    if reader.lists(terms, &mut lists).is_err() {
        return 0;
    }
    let costs = Costs::of(reader, &lists, k, None, &Slack::default());
    (costs.sum.min(costs.blocks) + terms.len() as f64 * NS_PER_TERM) as u64
}

/// The score of a row: the order and the roundings of the kernels.
pub(super) fn score(lists: &[List<'_>], row: u32) -> Option<f32> {
    lists.iter().fold(None, |sum, list| match list.find(row) {
        Some(weight) => Some(sum.unwrap_or(0.0) + weight * list.q),
        None => sum,
    })
}

/// Searches the cheapest way.
pub(super) fn search(
    reader: &ListsReader,
    search: &SparseSearch<'_>,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<Answered, IndexError> {
    search_by(None, reader, search, top, counters)
}

/// Searches a given way, or the cheapest.
pub(super) fn search_by(
    way: Option<Way>,
    reader: &ListsReader,
    search: &SparseSearch<'_>,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<Answered, IndexError> {
    check_query(search.terms)?;
    let mut lists = Vec::with_capacity(search.terms.len());
    reader.lists(search.terms, &mut lists)?;
    let mut answered = Answered { exact: true, complete: true, path: Path::Terms };
    if lists.is_empty() || top.k() == 0 {
        return Ok(answered);
    }
    let allowed = search.allowed.map(|allowed| u64::from(allowed.count()));
    let slack = match search.effort {
        SparseEffort::Usual | SparseEffort::Exact => Slack::default(),
        SparseEffort::Ef(cells) => Slack { cells: cells.max(1), ..Slack::default() },
        SparseEffort::Slack(slack) => slack,
    };
    let costs = Costs::of(reader, &lists, top.k(), allowed, &slack);
    let mut scratch = IDLE.with(|idle| idle.borrow_mut().pop()).unwrap_or_default();
    let floor = seed(reader, &lists, top, allowed);
    scratch.best.begin(top.k(), floor);
    let kernels = kernels().sparse();
    let mut way = way.unwrap_or(costs.best());
    let mut run = || {
        if way == Way::Blocks {
            let cell = (lists.len() as f64 * NS_PER_CELL_LIST).max(1.0);
            let most = (costs.sum / cell) as usize;
            let (shape, scratch) = (&reader.shape, &mut scratch);
            match blocks::blocks(shape, &lists, search, &slack, most, kernels, scratch, counters)? {
                Ending::Many => {
                    scratch.best.restart();
                    way = Way::Sum;
                }
                ending => {
                    answered.complete = ending == Ending::Done;
                    answered.path = Path::Blocks;
                    answered.exact = answered.complete && slack == Slack::default();
                }
            }
        }
        if way == Way::Sum {
            answered.complete = sum(&reader.shape, &lists, search, kernels, &mut scratch, counters)?;
            answered.exact = answered.complete;
        }
        if way == Way::Rows {
            answered.path = Path::Scan;
            for row in search.allowed.into_iter().flat_map(|allowed| allowed.iter()) {
                counters.vectors_scored += 1;
                if let Some(score) = score(&lists, row).filter(|score| *score > 0.0) {
                    scratch.best.push(score, row)?;
                }
            }
        }
        scratch.best.finish(top);
        Ok(answered)
    };
    let result = run();
    IDLE.with(|idle| idle.borrow_mut().push(scratch));
    result
}

/// A score that at least k allowed rows reach: of one term, what stands at the first rank that is kept for as many rows
/// as are asked for and may not be found. Sums never fall by what is added, roundings included.
fn seed(reader: &ListsReader, lists: &[List<'_>], top: &TopK, allowed: Option<u64>) -> f32 {
    let excluded = allowed.map_or(0, |allowed| u64::from(reader.shape.rows).saturating_sub(allowed));
    let wanted = excluded.saturating_add(top.k() as u64);
    let Some(rank) = RANKS.iter().position(|&rank| rank as u64 >= wanted) else { return top.floor() };
    lists
        .iter()
        .map(|list| list.tops[rank] * list.q)
        .filter(|seed| seed.is_finite())
        .fold(top.floor(), f32::max)
}
