//! The checked entries of the kernels on bits.

use super::BitBackend;
use super::measure::{Hamming, Jaccard, Measure};

/// Kernels on bit sets: rows of as many bytes as the query has, any number of them. They allocate nothing, accept any
/// alignment, and give the same numbers on every instruction set.
///
/// In all of them the rows lie one after another. `batch(query, rows, out)` fills `out[i]` from row `i` and panics
/// unless `rows.len() == query.len() * out.len()`; `gather(query, rows, ids, out)` fills `out[i]` from row `ids[i]`
/// and panics unless `ids.len() == out.len()` and every row asked for lies wholly within `rows`.
#[derive(Clone, Copy)]
#[allow(clippy::type_complexity, reason = "the signatures are the documentation")]
pub struct BitKernels {
    /// The number of bits that differ, over contiguous rows.
    pub hamming_batch: fn(&[u8], &[u8], &mut [u32]),
    /// The number of bits that differ, over rows by number.
    pub hamming_gather: fn(&[u8], &[u8], &[u32], &mut [u32]),
    /// Bits set in both over bits set in either, 1 where none is, over contiguous rows.
    pub jaccard_batch: fn(&[u8], &[u8], &mut [f32]),
    /// Bits set in both over bits set in either, 1 where none is, over rows by number.
    pub jaccard_gather: fn(&[u8], &[u8], &[u32], &mut [f32]),
}

impl BitKernels {
    /// To be handed out only where the instruction set of `B` is available.
    pub(crate) const fn new<B: BitBackend>() -> BitKernels {
        BitKernels {
            hamming_batch: batch::<B, Hamming>,
            hamming_gather: gather::<B, Hamming>,
            jaccard_batch: batch::<B, Jaccard>,
            jaccard_gather: gather::<B, Jaccard>,
        }
    }
}

fn batch<B: BitBackend, M: Measure>(query: &[u8], rows: &[u8], out: &mut [M::Out]) {
    assert_eq!(query.len().checked_mul(out.len()), Some(rows.len()), "rows that do not fill the output");
    // SAFETY: there are `out.len()` whole rows; the table this stands in is handed out only where `B` is available.
    unsafe { B::batch::<M>(query, rows, out) }
}

fn gather<B: BitBackend, M: Measure>(query: &[u8], rows: &[u8], ids: &[u32], out: &mut [M::Out]) {
    assert_eq!(ids.len(), out.len(), "as many ids as outputs");
    // SAFETY: the lengths are as asked, the body checks the ids; the instruction set is as in `batch`.
    unsafe { B::gather::<M>(query, rows, ids, out) }
}
