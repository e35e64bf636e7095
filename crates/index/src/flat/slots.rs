//! Scores of single slots, for a graph over the vectors.

use super::FlatReader;
use super::compare::{Comparison, Scores};
use super::query::{prepare, with_scratch};
use super::vectors::View;
use crate::values::Values;
use tercet_kernels::prefetch;

/// A query beside the vectors, by slot. Nothing is checked against checksums: see `Array::unverified`.
pub(crate) struct SlotScores<'a> {
    comparison: Comparison<'a>,
    bytes: &'a [u8],
    stride: usize,
    count: usize,
}

impl SlotScores<'_> {
    /// The scores of slots, which are all below `count`.
    #[inline]
    pub(crate) fn scores(&mut self, slots: &[u32], out: &mut [f32]) {
        self.comparison.gather(slots, out);
    }

    /// Asks for a slot's vector.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        prefetch(self.bytes, slot as usize * self.stride, self.stride);
    }

    /// Slots.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

impl FlatReader {
    /// Calls `body` with a query made ready; `None` when it has other dimensions, or no vectors are kept.
    pub(crate) fn with_slots<R>(
        &self,
        query: Values<'_>,
        body: impl FnOnce(&mut SlotScores<'_>) -> R,
    ) -> Option<R> {
        let vectors = self.kept()?;
        let view: View<'_> = vectors.unverified();
        let stride = vectors.shape.dtype.bytes(vectors.shape.dims);
        let bytes = view.values.as_bytes();
        let count = view.values.len() / vectors.shape.elements().max(1);
        with_scratch(|scratch| {
            let query = prepare(vectors.shape, query, scratch)?;
            let comparison = Comparison::new(view, query);
            Some(body(&mut SlotScores { comparison, bytes, stride, count }))
        })
    }
}
