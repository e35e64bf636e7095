//! Scores of single slots, for a graph over the vectors.

use super::FlatReader;
use super::compare::{Comparison, Scores};
use super::lvq::LvqScores;
use super::query::{prepare, with_scratch};
use super::vectors::Vectors;
use crate::values::Values;
use tercet_kernels::prefetch;

/// A query beside the vectors, or their codes where they are not kept, by slot. Nothing is checked against checksums: see
/// `Array::unverified`.
pub(crate) struct SlotScores<'a> {
    scores: Either<'a>,
    bytes: &'a [u8],
    stride: usize,
    count: usize,
}

enum Either<'a> {
    Vectors(Comparison<'a>),
    Codes(LvqScores<'a>),
}

impl SlotScores<'_> {
    /// The scores of slots, which are all below `count`.
    #[inline]
    pub(crate) fn scores(&mut self, slots: &[u32], out: &mut [f32]) {
        match &mut self.scores {
            Either::Vectors(vectors) => vectors.gather(slots, out),
            Either::Codes(codes) => codes.gather(slots, out),
        }
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
    /// Calls `body` with a query made ready; `None` when it has other dimensions.
    pub(crate) fn with_slots<R>(
        &self,
        query: Values<'_>,
        body: impl FnOnce(&mut SlotScores<'_>) -> R,
    ) -> Option<R> {
        self.with_slots_of(self.kept(), query, body)
    }

    /// Whether scores by slot are those of vectors, not of codes.
    pub(crate) fn has_vectors(&self) -> bool {
        self.kept().is_some()
    }

    /// Whether halves stand beside the vectors.
    pub(crate) fn has_halves(&self) -> bool {
        self.kept().is_some() && self.halves().is_some()
    }

    /// The same with the vectors rounded to f16, where they are kept beside the whole ones.
    pub(crate) fn with_halves<R>(
        &self,
        query: Values<'_>,
        body: impl FnOnce(&mut SlotScores<'_>) -> R,
    ) -> Option<R> {
        self.with_slots_of(self.halves().or(self.kept()), query, body)
    }

    fn with_slots_of<R>(
        &self,
        vectors: Option<&Vectors>,
        query: Values<'_>,
        body: impl FnOnce(&mut SlotScores<'_>) -> R,
    ) -> Option<R> {
        with_scratch(|scratch| {
            let mut slots = match (vectors, self.lvq()) {
                (Some(vectors), _) => {
                    let view = vectors.unverified();
                    let stride = vectors.shape.dtype.bytes(vectors.shape.dims);
                    let count = view.values.len() / vectors.shape.elements().max(1);
                    let query = prepare(vectors.shape, query, scratch)?;
                    let scores = Either::Vectors(Comparison::new(view, query));
                    SlotScores { scores, bytes: view.values.as_bytes(), stride, count }
                }
                (None, Some(lvq)) => {
                    let (bytes, stride) = (lvq.unverified(), lvq.stride());
                    let scores = Either::Codes(lvq.compare(query, bytes, scratch)?);
                    SlotScores { scores, bytes, stride, count: bytes.len() / stride }
                }
                (None, None) => return None,
            };
            Some(body(&mut slots))
        })
    }
}
