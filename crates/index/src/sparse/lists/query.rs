//! A term's list as a search sees it: slices over the record, whose lengths were checked when it was taken.

use super::record::{DENSE, NONE};
use super::{CELL_BITS, SPAN_BITS};
use crate::sparse::stored::Weights;
use std::ops::Range;
use tercet_kernels::{CellSums, SparseKernels, prefetch_items};

/// Postings of a slot that are scored without a look at which of them are the cell's.
const NARROW: usize = 48;

/// The list of a query's term.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    /// The term's weight in the query.
    pub(super) q: f32,
    pub(super) postings: u32,
    /// Largest weights by rank.
    pub(super) tops: [f32; 4],
    pub(super) ends: &'a [u32],
    pub(super) slots: &'a [u16],
    pub(super) shift: u32,
    pub(super) bounds: &'a [u8],
    pub(super) pairs: u32,
    pub(super) docs: &'a [u16],
    pub(super) weights: Weights<'a>,
}

impl<'a> List<'a> {
    /// The postings of a span: within the list, whatever its bytes say.
    #[inline]
    pub(super) fn span(&self, span: usize) -> Range<usize> {
        let all = self.docs.len();
        let end = |span: usize| self.ends.get(span).map_or(all, |&end| (end as usize).min(all));
        let start = span.checked_sub(1).map_or(0, end);
        start..end(span).max(start)
    }

    /// The span of a cell, and postings among which those of the cell are.
    #[inline]
    pub(super) fn cell(&self, cell: u32) -> (usize, Range<usize>) {
        let span = (cell >> (SPAN_BITS - CELL_BITS)) as usize;
        let whole = self.span(span);
        if self.shift >= SPAN_BITS {
            return (span, whole);
        }
        let slot = (cell >> (self.shift - CELL_BITS)) as usize;
        let at = |slot: usize| self.slots.get(slot).map_or(whole.end, |&at| whole.start + usize::from(at));
        let start = at(slot).min(whole.end);
        let last = (slot + 1).is_multiple_of(1 << (SPAN_BITS - self.shift));
        let end = if last { whole.end } else { at(slot + 1).clamp(start, whole.end) };
        (span, start..end)
    }

    /// The postings of a cell among those that [`cell`](Self::cell) gave, where these are many: terms cluster, so that a
    /// slot of a list that is short on the whole may hold far more than its share.
    #[inline]
    pub(super) fn narrow(&self, cell: u32, range: Range<usize>) -> Range<usize> {
        if self.shift == CELL_BITS || range.len() <= NARROW {
            return range;
        }
        let docs = self.docs.get(range.clone()).unwrap_or(&[]);
        let place = |cell: u32| docs.partition_point(|&doc| u32::from(doc) >> CELL_BITS < cell);
        let cell = cell & ((1 << (SPAN_BITS - CELL_BITS)) - 1);
        range.start + place(cell)..range.start + place(cell + 1)
    }

    /// Asks for what [`cell`](Self::cell) will read.
    #[inline]
    pub(super) fn prefetch_slot(&self, cell: u32) {
        if self.shift < SPAN_BITS {
            let slot = (cell >> (self.shift - CELL_BITS)) as usize;
            prefetch_items(self.slots, slot, 2);
        }
    }

    /// Asks for the first postings of a range.
    #[inline]
    pub(super) fn prefetch(&self, range: &Range<usize>, most: usize) {
        let len = range.len().min(most);
        prefetch_items(self.docs, range.start, len);
        self.weights.prefetch(range.start, len);
    }

    /// Adds the postings of a range to the sums of their span.
    #[inline]
    pub(super) fn add(&self, kernels: &SparseKernels, range: Range<usize>, sums: &mut [f32]) {
        let docs = self.docs.get(range.clone()).unwrap_or(&[]);
        match self.weights {
            Weights::Bytes(w) => (kernels.add_u8)(docs, w.get(range).unwrap_or(&[]), self.q, sums),
            Weights::Halves(w) => (kernels.add_f16)(docs, w.get(range).unwrap_or(&[]), self.q, sums),
            Weights::Floats(w) => (kernels.add_f32)(docs, w.get(range).unwrap_or(&[]), self.q, sums),
        }
    }

    /// Adds the postings of a range to the sums of the cell that begins at `first`.
    #[inline]
    pub(super) fn add_cell(
        &self,
        kernels: &SparseKernels,
        range: Range<usize>,
        first: u16,
        sums: &mut CellSums,
    ) {
        let docs = self.docs.get(range.clone()).unwrap_or(&[]);
        match self.weights {
            Weights::Bytes(w) => (kernels.cell_u8)(docs, w.get(range).unwrap_or(&[]), self.q, first, sums),
            Weights::Halves(w) => (kernels.cell_f16)(docs, w.get(range).unwrap_or(&[]), self.q, first, sums),
            Weights::Floats(w) => (kernels.cell_f32)(docs, w.get(range).unwrap_or(&[]), self.q, first, sums),
        }
    }

    /// The weight of a row.
    pub(super) fn find(&self, row: u32) -> Option<f32> {
        let (_, range) = self.cell(row >> CELL_BITS);
        let docs = self.docs.get(range.clone())?;
        let at = docs.binary_search(&(row as u16)).ok()?;
        Some(self.weights.get(range.start + at))
    }

    /// The most that the term adds to a score.
    pub(super) fn most(&self) -> f64 {
        f64::from(self.q) * f64::from(self.tops[0])
    }

    /// How many blocks have a posting, where the list says it.
    pub(super) fn blocks(&self) -> Option<u32> {
        (self.pairs < NONE).then_some(self.pairs)
    }

    /// The bytes that summing its bounds reads, and the additions that are no work for lanes.
    pub(super) fn bound_work(&self) -> (usize, usize) {
        match self.pairs {
            DENSE => (self.bounds.len(), 0),
            NONE => (0, self.docs.len()),
            pairs => (0, pairs as usize),
        }
    }
}
