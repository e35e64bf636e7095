//! What a walk through the graph compares: one query with rows by slot.

use crate::flat::SlotScores;
use crate::quant::{CodeQuery, Coder};

/// Distances of one prepared query; smaller is nearer.
pub(super) trait Walk {
    /// `out[i]` becomes the distance to `slots[i]`; every slot is below `len()`.
    fn distances(&mut self, slots: &[u32], out: &mut [f32]);
    /// Asks for what [`distances`](Self::distances) will read of a slot.
    fn prefetch(&self, slot: u32);
    /// Slots.
    fn len(&self) -> usize;
}

/// Codes.
pub(super) struct CodeWalk<'a> {
    pub(super) coder: Coder,
    pub(super) codes: &'a [u8],
    pub(super) query: &'a CodeQuery,
}

impl Walk for CodeWalk<'_> {
    #[inline]
    fn distances(&mut self, slots: &[u32], out: &mut [f32]) {
        self.coder.distances(self.query, self.codes, slots, out);
    }

    #[inline]
    fn prefetch(&self, slot: u32) {
        tercet_kernels::prefetch(self.codes, slot as usize * self.coder.stride(), self.coder.stride());
    }

    #[inline]
    fn len(&self) -> usize {
        self.codes.len() / self.coder.stride()
    }
}

/// The vectors themselves.
pub(super) struct RawWalk<'a, 'b> {
    pub(super) scores: &'a mut SlotScores<'b>,
}

impl Walk for RawWalk<'_, '_> {
    #[inline]
    fn distances(&mut self, slots: &[u32], out: &mut [f32]) {
        self.scores.scores(slots, out);
        out.iter_mut().for_each(|score| *score = -*score);
    }

    #[inline]
    fn prefetch(&self, slot: u32) {
        self.scores.prefetch(slot);
    }

    #[inline]
    fn len(&self) -> usize {
        self.scores.count()
    }
}
