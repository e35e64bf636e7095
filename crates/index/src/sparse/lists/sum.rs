//! Term at a time: the lists of a span are added into its sums, and the sums are compared with what a row must reach.
//!
//! Before k rows are known nothing says what that is. A sample of the sums gives a guess that is below the k-th best of
//! the span almost always; where it was not, the span is compared once more.

use super::SPAN_BITS;
use super::best::Best;
use super::query::List;
use super::record::Shape;
use super::search::Scratch;
use crate::sparse::seam::SparseSearch;
use crate::{Bitmap, Counters, IndexError};
use tercet_kernels::{SPAN, SparseKernels};

/// Lists that are asked for ahead of the one that is added, and postings of each.
const LISTS_AHEAD: usize = 3;
const POSTINGS_AHEAD: usize = 1_024;

/// Sums of a sample, by how many rows are asked for.
const SAMPLE_SMALL: usize = 512;
const SAMPLE_LARGE: usize = 2_048;

/// Scores all rows; false when it was stopped.
pub(super) fn sum(
    shape: &Shape,
    lists: &[List<'_>],
    search: &SparseSearch<'_>,
    kernels: &SparseKernels,
    scratch: &mut Scratch,
    counters: &mut Counters,
) -> Result<bool, IndexError> {
    let spans = shape.spans();
    let ahead = |span: usize, at: usize| {
        let (span, at) = if at < lists.len() { (span, at) } else { (span + 1, at - lists.len()) };
        if let Some(list) = lists.get(at).filter(|_| span < spans) {
            list.prefetch(&list.span(span), POSTINGS_AHEAD);
        }
    };
    (0..LISTS_AHEAD).for_each(|at| ahead(0, at));
    for span in 0..spans {
        if search.stop.is_some_and(|stop| stop()) {
            return Ok(false);
        }
        let first = (span as u32) << SPAN_BITS;
        let len = (shape.rows - first).min(SPAN as u32);
        if search.allowed.is_some_and(|allowed| !allowed.any_in(first, first + len)) {
            continue;
        }
        scratch.sums()[..len as usize].fill(0.0);
        for (at, list) in lists.iter().enumerate() {
            ahead(span, at + LISTS_AHEAD);
            let range = list.span(span);
            counters.postings_scored += range.len() as u64;
            list.add(kernels, range, scratch.sums());
        }
        collect(kernels, scratch, first, len as usize, search.allowed)?;
    }
    Ok(true)
}

/// Takes the rows of a span that may be among the best.
fn collect(
    kernels: &SparseKernels,
    scratch: &mut Scratch,
    first: u32,
    len: usize,
    allowed: Option<&Bitmap>,
) -> Result<(), IndexError> {
    let Scratch { sums, masks, best, sample, .. } = scratch;
    let sums = &sums[..len];
    masks.resize(len.div_ceil(64), 0);
    let mut marked = |floor: f32| {
        (kernels.above)(sums, floor, masks);
        if let Some(allowed) = allowed {
            let words = allowed.words().get((first / 64) as usize..).unwrap_or(&[]);
            let words = words.iter().copied().chain(std::iter::repeat(0));
            masks.iter_mut().zip(words).for_each(|(mask, word)| *mask &= word);
        }
        masks.iter().map(|mask| mask.count_ones() as usize).sum::<usize>()
    };
    let guess = if best.is_full() { 0.0 } else { guess(sums, best.k(), sample) };
    if guess <= best.floor() || marked(guess) < best.k() {
        marked(best.floor());
    }
    push_marked(best, masks, sums, first)?;
    if !best.is_full() {
        best.cut();
    }
    Ok(())
}

/// Offers the rows whose bits are set.
pub(super) fn push_marked(
    best: &mut Best,
    masks: &[u64],
    sums: &[f32],
    first: u32,
) -> Result<(), IndexError> {
    for (group, &mask) in masks.iter().enumerate().filter(|(_, mask)| **mask != 0) {
        let mut rest = mask;
        while rest != 0 {
            let at = group * 64 + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(&sum) = sums.get(at) {
                best.push(sum, first + at as u32)?;
            }
        }
    }
    Ok(())
}

/// A score that somewhat more than k of the sums reach, by a sample; 0 where none can be told.
fn guess(sums: &[f32], k: usize, sample: &mut Vec<u32>) -> f32 {
    let wanted = if k <= 64 { SAMPLE_SMALL } else { SAMPLE_LARGE };
    let stride = sums.len() / wanted;
    if stride < 2 || k > sums.len() / 4 {
        return 0.0;
    }
    sample.clear();
    sample.extend(sums.iter().step_by(stride).map(|sum| sum.to_bits()));
    // A third more than k, and three of the sample for its chance.
    let rank = k.saturating_mul(4) / (3 * stride) + 3;
    if rank >= sample.len() {
        return 0.0;
    }
    let (_, value, _) = sample.select_nth_unstable_by(rank, |a, b| b.cmp(a));
    f32::from_bits(*value)
}
