//! The checked entries of the kernels on weighted postings.

use super::{CELL, CellSums, SPAN, SparseBackend, Weight};

/// Kernels on weighted postings. They allocate nothing, accept any alignment, and give the same bits on every
/// instruction set. A list is the documents of a span, each as its place in it, and a weight for each; where one is
/// longer than the other, the rest is ignored.
#[derive(Clone, Copy)]
#[allow(clippy::type_complexity, reason = "the signatures are the documentation")]
pub struct SparseKernels {
    /// `add_u8(docs, weights, q, sums)`: adds `weight * q` to the sum of each document, the product rounded first.
    /// Weights are the whole numbers 0 to 255.
    ///
    /// Panics unless there are 65,536 sums.
    pub add_u8: fn(&[u16], &[u8], f32, &mut [f32]),
    /// The same for weights of half precision, as their bits.
    pub add_f16: fn(&[u16], &[u16], f32, &mut [f32]),
    /// The same for weights of f32.
    pub add_f32: fn(&[u16], &[f32], f32, &mut [f32]),
    /// `cell_u8(docs, weights, q, first, sums)`: the same for the documents `first` to `first + 255` of the span; what
    /// is outside goes to the last sum.
    pub cell_u8: fn(&[u16], &[u8], f32, u16, &mut CellSums),
    /// The same for weights of half precision, as their bits.
    pub cell_f16: fn(&[u16], &[u16], f32, u16, &mut CellSums),
    /// The same for weights of f32.
    pub cell_f32: fn(&[u16], &[f32], f32, u16, &mut CellSums),
    /// `above(sums, floor, masks)`: bit `i % 64` of `masks[i / 64]` says whether `sums[i] >= floor`.
    ///
    /// Panics unless there is a mask for every 64 sums.
    pub above: fn(&[f32], f32, &mut [u64]),
    /// `greatest(sums, out)`: `out[i]` becomes the greatest of the 64 sums from `i * 64` on, negative infinity where all are
    /// NaN.
    ///
    /// Panics unless `sums.len() == 64 * out.len()`.
    pub greatest: fn(&[f32], &mut [f32]),
    /// `levels(levels, w, bounds)`: adds a level of 0 to 15 times `w` to each bound, up to 65,535. Two levels a byte:
    /// of 32 bytes, byte `j` holds level `j` in its low nibble and level `32 + j` in its high one.
    ///
    /// Panics unless there are 64 bounds for every 32 bytes and `w * 15` is a u16.
    pub levels: fn(&[u8], u16, &mut [u16]),
    /// `maxima(values, group, out)`: `out[i]` becomes the largest of the values from `i * group` on.
    ///
    /// Panics unless `values.len() == group * out.len()`.
    pub maxima: fn(&[u16], usize, &mut [u16]),
}

impl SparseKernels {
    /// To be handed out only where the instruction set of `B` is available.
    pub(crate) const fn new<B: SparseBackend>() -> SparseKernels {
        SparseKernels {
            add_u8: add::<B, u8>,
            add_f16: add::<B, u16>,
            add_f32: add::<B, f32>,
            cell_u8: cell::<B, u8>,
            cell_f16: cell::<B, u16>,
            cell_f32: cell::<B, f32>,
            above: above::<B>,
            greatest: greatest::<B>,
            levels: levels::<B>,
            maxima: maxima::<B>,
        }
    }
}

fn add<B: SparseBackend, W: Weight>(docs: &[u16], weights: &[W], q: f32, sums: &mut [f32]) {
    assert_eq!(sums.len(), SPAN, "the sums of a span");
    let Some(sums) = sums.first_chunk_mut() else { return };
    // SAFETY: the table this stands in is handed out only where `B` is available.
    unsafe { B::add(docs, weights, q, sums) }
}

fn cell<B: SparseBackend, W: Weight>(docs: &[u16], weights: &[W], q: f32, first: u16, sums: &mut CellSums) {
    // SAFETY: as in `add`.
    unsafe { B::add_cell(docs, weights, q, first, sums) }
}

fn above<B: SparseBackend>(sums: &[f32], floor: f32, masks: &mut [u64]) {
    assert_eq!(sums.len().div_ceil(64), masks.len(), "a mask for every 64 sums");
    // SAFETY: as in `add`.
    unsafe { B::above(sums, floor, masks) }
}

fn greatest<B: SparseBackend>(sums: &[f32], out: &mut [f32]) {
    assert_eq!(out.len().checked_mul(64), Some(sums.len()), "64 sums for each output");
    // SAFETY: as in `add`.
    unsafe { B::greatest(sums, out) }
}

fn levels<B: SparseBackend>(levels: &[u8], w: u16, bounds: &mut [u16]) {
    assert!(levels.len().is_multiple_of(32) && levels.len() * 2 == bounds.len(), "64 bounds for 32 bytes");
    assert!(w <= u16::MAX / 15, "a weight whose products are no u16");
    // SAFETY: as in `add`.
    unsafe { B::levels(levels, w, bounds) }
}

fn maxima<B: SparseBackend>(values: &[u16], group: usize, out: &mut [u16]) {
    assert_eq!(group.checked_mul(out.len()), Some(values.len()), "groups that do not fill the output");
    // SAFETY: as in `add`.
    unsafe { B::maxima(values, group, out) }
}

const _: () = assert!(CELL <= u16::MAX as usize);
