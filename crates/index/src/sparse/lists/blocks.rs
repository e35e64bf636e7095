//! Block-Max Pruning (Mallia, Suel, Tonellotto, SIGIR 2024): what a row of each block can score at most is summed from
//! the blocks' largest weights, then cells are scored in falling order of their best block until none can better what
//! was found.
//!
//! ```text
//! bounds[b] = sum over terms of ceil(scale * q * largest weight in block b)          u16, saturating
//! first the 16 cells of the highest bounds, then as far as the 64th, then those of the others that can still enter, in falling
//! order; each time only where no more than some can
//! ```
//! Bounds are integers that were rounded up, scaled so that the largest sum is just below 65,536. A cell is passed over
//! only when its bound is below the threshold by more than all roundings together: ties are never lost.

use super::query::List;
use super::record::{DENSE, DENSE_LEVELS, NONE, Shape};
use super::search::Scratch;
use super::sum::push_marked;
use super::{CELL_BITS, SPAN_BITS};
use crate::sparse::seam::{Slack, SparseSearch};
use crate::{Counters, IndexError};
use std::ops::Range;
use tercet_kernels::{CELL, SparseKernels};

/// The most lists whose bounds are summed.
pub(super) const LISTS_MAX: usize = 256;
/// What rounding up may add to a bound, for each list.
const ROUNDED: f64 = 128.0;
/// Cells that are scored before the rest is looked at, and before the first look.
const FIRST: usize = 64;
const FEW: usize = 16;
/// Postings of a list that are asked for ahead in a cell.
const POSTINGS_AHEAD: usize = 64;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ending {
    /// Nothing better is left, or nothing but what was to be skipped.
    Done,
    /// Stopped from outside.
    Stopped,
    /// So many cells could still enter that all rows had better be summed.
    Many,
}

/// Bounds in integers.
pub(super) struct Scale {
    scale: f64,
    /// What a threshold is multiplied by before it is compared with a bound.
    limit: f64,
}

impl Scale {
    /// `None` where the sums are out of range.
    pub(super) fn new(lists: &[List<'_>], slack: &Slack) -> Option<Scale> {
        let total: f64 = lists.iter().map(List::most).sum();
        let range = f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX / 2.0);
        if lists.len() > LISTS_MAX || !range.contains(&total) {
            return None;
        }
        let scale = (f64::from(u16::MAX) - ROUNDED * lists.len() as f64) / total;
        // f32 sums of 256 products err by less than 257 * 2^-24.
        Some(Scale { scale, limit: scale * (1.0 - 1e-4) / f64::from(slack.alpha) })
    }

    /// A bound below this is out.
    fn limit(&self, floor: f32) -> u64 {
        (f64::from(floor) * self.limit) as u64
    }
}

/// Scores cells until nothing better is left. `cells_max`: with more than so many left, all rows are better summed.
#[allow(clippy::too_many_arguments, reason = "the parts of one search")]
pub(super) fn blocks(
    shape: &Shape,
    lists: &[List<'_>],
    search: &SparseSearch<'_>,
    slack: &Slack,
    cells_max: usize,
    kernels: &SparseKernels,
    scratch: &mut Scratch,
    counters: &mut Counters,
) -> Result<Ending, IndexError> {
    let Some(scale) = Scale::new(lists, slack) else { return Ok(Ending::Many) };
    bound(shape, lists, slack, &scale, kernels, scratch);
    counters.blocks_bounded += u64::from(shape.rows.div_ceil(1 << shape.block_bits));
    let mut order = std::mem::take(&mut scratch.order);
    let limit = scale.limit(scratch.best.floor()).max(1);
    let allowed = |cell: u32| {
        let (from, to) = (cell << CELL_BITS, (cell << CELL_BITS).saturating_add(CELL as u32));
        search.allowed.is_none_or(|allowed| allowed.any_in(from, to))
    };
    order.clear();
    let cells = scratch.cells.iter().zip(0u32..).filter(|(bound, _)| u64::from(**bound) >= limit);
    order.extend(
        cells
            .filter(|(_, cell)| allowed(*cell))
            .map(|(&bound, cell)| u64::from(bound) << 32 | u64::from(cell)),
    );
    if slack.cells > 0 && order.len() > slack.cells as usize {
        order.select_nth_unstable_by(slack.cells as usize, |a, b| b.cmp(a));
        order.truncate(slack.cells as usize);
    }
    let mut rest = Vec::new();
    if order.len() > FIRST {
        order.select_nth_unstable_by(FIRST, |a, b| b.cmp(a));
        rest = order.split_off(FIRST);
    }
    let visit = Visit { shape, lists, search, scale: &scale, kernels };
    order.sort_unstable_by(|a, b| b.cmp(a));
    let (few, more) = order.split_at(order.len().min(FEW));
    let cells_max = if slack.cells == 0 { cells_max } else { usize::MAX };
    let mut ending = visit.run(few, scratch, counters)?;
    if ending == Ending::Done && !more.is_empty() {
        let limit = scale.limit(scratch.best.floor());
        let left = more.iter().chain(&rest).filter(|bound| *bound >> 32 >= limit).count();
        ending = if left > cells_max { Ending::Many } else { visit.run(more, scratch, counters)? };
    }
    if ending == Ending::Done && !rest.is_empty() {
        let limit = scale.limit(scratch.best.floor());
        rest.retain(|bound| bound >> 32 >= limit);
        if rest.len() > cells_max {
            ending = Ending::Many;
        } else {
            rest.sort_unstable_by(|a, b| b.cmp(a));
            ending = visit.run(&rest, scratch, counters)?;
        }
    }
    scratch.order = order;
    Ok(ending)
}

/// Sums the bounds of all blocks, and takes the largest of each cell.
fn bound(
    shape: &Shape,
    lists: &[List<'_>],
    slack: &Slack,
    scale: &Scale,
    kernels: &SparseKernels,
    scratch: &mut Scratch,
) {
    let Scratch { bounds, cells, .. } = scratch;
    bounds.clear();
    bounds.resize(shape.spans() * shape.span_blocks(), 0);
    let least = lightest(lists, slack.beta);
    for (at, list) in lists.iter().enumerate().filter(|(_, list)| list.most() >= least) {
        if let Some(next) = lists.get(at + 1) {
            tercet_kernels::prefetch(next.bounds, 0, 1_024);
        }
        let most = list.most() * scale.scale;
        match list.pairs {
            DENSE => {
                let w =
                    (most / f64::from(DENSE_LEVELS) + 1e-9).ceil().min(f64::from(u16::MAX / DENSE_LEVELS));
                if let Some(bounds) = bounds.get_mut(..list.bounds.len() * 2) {
                    (kernels.levels)(list.bounds, w as u16, bounds);
                }
            }
            NONE => bound_postings(shape, list, scale.scale, bounds),
            _ => bound_pairs(shape, list, most, bounds),
        }
    }
    let group = CELL >> shape.block_bits;
    cells.resize(shape.rows.div_ceil(CELL as u32) as usize, 0);
    (kernels.maxima)(&bounds[..cells.len() * group], group, cells);
}

/// What a term must add at most to be among the heaviest, when a share of them is left out.
fn lightest(lists: &[List<'_>], beta: f32) -> f64 {
    let dropped = (lists.len() as f64 * f64::from(beta.clamp(0.0, 1.0))) as usize;
    if dropped == 0 {
        return 0.0;
    }
    let mut most: Vec<f64> = lists.iter().map(List::most).collect();
    most.sort_unstable_by(f64::total_cmp);
    most.get(dropped).or(most.last()).copied().unwrap_or(0.0)
}

/// A short list: each posting bounds its block. Two in one block add up, which bounds it too.
fn bound_postings(shape: &Shape, list: &List<'_>, scale: f64, bounds: &mut [u16]) {
    let q = (f64::from(list.q) * scale * (1.0 + 1e-6)) as f32;
    for (span, bounds) in bounds.chunks_mut(shape.span_blocks()).enumerate() {
        for posting in list.span(span) {
            let doc = list.docs.get(posting).copied().unwrap_or(0);
            if let Some(bound) = bounds.get_mut(usize::from(doc) >> shape.block_bits) {
                let most = (list.weights.get(posting) * q + 1.0).min(f32::from(u16::MAX));
                *bound = bound.saturating_add(most as u16);
            }
        }
    }
}

fn bound_pairs(shape: &Shape, list: &List<'_>, most: f64, bounds: &mut [u16]) {
    let levels = shape.pair_levels();
    let mut table = [0u16; 128];
    for (level, bound) in table.iter_mut().enumerate().take(usize::from(levels) + 1) {
        *bound = (most * level as f64 / f64::from(levels) + 1e-9).ceil().min(f64::from(u16::MAX)) as u16;
    }
    let words: &[u16] = bytemuck::try_cast_slice(list.bounds).unwrap_or(&[]);
    let Some((counts, mut pairs)) = words.split_at_checked(shape.spans()) else { return };
    for (&count, bounds) in counts.iter().zip(bounds.chunks_mut(shape.span_blocks())) {
        let (these, after) = pairs.split_at(usize::from(count).min(pairs.len()));
        for &pair in these {
            if let Some(bound) = bounds.get_mut(usize::from(pair >> shape.block_bits)) {
                *bound = bound.saturating_add(table[usize::from(pair & levels) & 127]);
            }
        }
        pairs = after;
    }
}

/// Scores cells in a given order.
struct Visit<'a> {
    shape: &'a Shape,
    lists: &'a [List<'a>],
    search: &'a SparseSearch<'a>,
    scale: &'a Scale,
    kernels: &'a SparseKernels,
}

impl Visit<'_> {
    /// While a cell is scored, the postings of the next are on their way, and the slots of the one after.
    fn run(
        &self,
        order: &[u64],
        scratch: &mut Scratch,
        counters: &mut Counters,
    ) -> Result<Ending, IndexError> {
        let cell_at = |at: usize| order.get(at).map(|key| *key as u32);
        let (mut now, mut next) = (std::mem::take(&mut scratch.ranges), Vec::new());
        if let Some(cell) = cell_at(1) {
            self.lists.iter().for_each(|list| list.prefetch_slot(cell));
        }
        if let Some(cell) = cell_at(0) {
            self.find(cell, &mut now);
        }
        let mut ending = Ending::Done;
        for (at, key) in order.iter().enumerate() {
            if key >> 32 < self.scale.limit(scratch.best.floor()) {
                break;
            }
            if at % 64 == 63 && self.search.stop.is_some_and(|stop| stop()) {
                ending = Ending::Stopped;
                break;
            }
            if let Some(cell) = cell_at(at + 2) {
                self.lists.iter().for_each(|list| list.prefetch_slot(cell));
            }
            if let Some(cell) = cell_at(at + 1) {
                self.find(cell, &mut next);
            }
            self.score(*key as u32, &now, scratch, counters)?;
            std::mem::swap(&mut now, &mut next);
        }
        scratch.ranges = now;
        Ok(ending)
    }

    /// Where the postings of a cell are; asks for them.
    fn find(&self, cell: u32, ranges: &mut Vec<Range<usize>>) {
        ranges.clear();
        ranges.extend(self.lists.iter().map(|list| {
            let (_, range) = list.cell(cell);
            list.prefetch(&range, POSTINGS_AHEAD);
            range
        }));
    }

    fn score(
        &self,
        cell: u32,
        ranges: &[Range<usize>],
        scratch: &mut Scratch,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let mut sums = [0.0f32; CELL + 1];
        let first = cell << CELL_BITS;
        for (list, range) in self.lists.iter().zip(ranges).filter(|(_, range)| !range.is_empty()) {
            let range = list.narrow(cell, range.clone());
            counters.postings_scored += range.len() as u64;
            list.add_cell(self.kernels, range, first as u16, &mut sums);
        }
        counters.blocks_scored += (CELL >> self.shape.block_bits) as u64;
        let len = (self.shape.rows - first).min(CELL as u32) as usize;
        let mut masks = [0u64; CELL / 64];
        let masks = &mut masks[..len.div_ceil(64)];
        (self.kernels.above)(&sums[..len], scratch.best.floor(), masks);
        if let Some(allowed) = self.search.allowed {
            let word = |at: usize| allowed.words().get((first / 64) as usize + at).copied().unwrap_or(0);
            masks.iter_mut().enumerate().for_each(|(at, mask)| *mask &= word(at));
        }
        push_marked(&mut scratch.best, masks, &sums[..len], first)?;
        if !scratch.best.is_full() {
            scratch.best.cut();
        }
        Ok(())
    }
}

const _: () = assert!(CELL_BITS < SPAN_BITS);
