//! Weighted postings: the body of the kernels, once, and their checked entries.
//!
//! A collection is cut into spans of 65,536 documents, so that a document in a span is a u16. A list is the documents
//! of one term in a span, ascending, and their weights beside them.
//!
//! ```text
//! add:    for (d, w) of a list: sums[d] += w * q          one load, one addition, one store a posting
//! above:  bit d is set where sums[d] >= floor
//! greatest: the greatest of each 64 sums
//! levels: bounds[b] += level[b] * w                       what a term adds at most in each block of documents
//! ```
//!
//! Plain Rust, compiled for each instruction set. Scattered additions are no work for lanes: a list of 16-lane
//! gathers and scatters was slower than one posting after the other (0.46 against 0.32 ns a posting in cache, Zen 5).
//!
//! # Invariants
//! - The same bits on every instruction set: a product is rounded, then a sum is rounded, in the order of the calls.
//! - No document, level or block makes an access out of bounds, whatever the bytes.

mod entries;

pub use entries::SparseKernels;

use crate::half::f16_to_f32;
use crate::prefetch::line;

/// Documents in a span.
pub const SPAN: usize = 1 << 16;

/// Documents in a cell, the least that is summed by itself.
pub const CELL: usize = 256;

/// Sums of a cell, and a place where everything outside of it goes.
pub type CellSums = [f32; CELL + 1];

/// Postings taken at once.
const STEP: usize = 64;

/// How far ahead of the additions postings are asked for: about as long as memory takes.
const AHEAD: usize = 1024;

/// A stored weight.
pub(crate) trait Weight: Copy {
    fn float(self) -> f32;

    #[inline(always)]
    fn floats(from: &[Self; STEP]) -> [f32; STEP] {
        from.map(Self::float)
    }
}

impl Weight for u8 {
    #[inline(always)]
    fn float(self) -> f32 {
        f32::from(self)
    }
}

/// Half precision.
impl Weight for u16 {
    #[inline(always)]
    fn float(self) -> f32 {
        f16_to_f32(self)
    }
}

impl Weight for f32 {
    #[inline(always)]
    fn float(self) -> f32 {
        self
    }
}

/// The body compiled for one instruction set.
///
/// # Safety
/// Every method may only be called where the instruction set is available.
pub(crate) trait SparseBackend {
    unsafe fn add<W: Weight>(docs: &[u16], weights: &[W], q: f32, sums: &mut [f32; SPAN]);
    unsafe fn add_cell<W: Weight>(docs: &[u16], weights: &[W], q: f32, first: u16, sums: &mut CellSums);
    unsafe fn above(sums: &[f32], floor: f32, masks: &mut [u64]);
    unsafe fn greatest(sums: &[f32], out: &mut [f32]);
    unsafe fn levels(levels: &[u8], w: u16, bounds: &mut [u16]);
    unsafe fn maxima(values: &[u16], group: usize, out: &mut [u16]);
}

/// Compiles the body for one instruction set under the given target features.
macro_rules! sparse_backend {
    ($name:ident $(, $features:literal)?) => {
        pub(crate) struct $name;

        impl crate::sparse::SparseBackend for $name {
            $(#[target_feature(enable = $features)])?
            unsafe fn add<W: crate::sparse::Weight>(
                docs: &[u16],
                weights: &[W],
                q: f32,
                sums: &mut [f32; crate::sparse::SPAN],
            ) {
                crate::sparse::add(docs, weights, q, sums);
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn add_cell<W: crate::sparse::Weight>(
                docs: &[u16],
                weights: &[W],
                q: f32,
                first: u16,
                sums: &mut crate::sparse::CellSums,
            ) {
                crate::sparse::add_cell(docs, weights, q, first, sums);
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn above(sums: &[f32], floor: f32, masks: &mut [u64]) {
                crate::sparse::above(sums, floor, masks);
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn greatest(sums: &[f32], out: &mut [f32]) {
                crate::sparse::greatest(sums, out);
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn levels(levels: &[u8], w: u16, bounds: &mut [u16]) {
                crate::sparse::levels(levels, w, bounds);
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn maxima(values: &[u16], group: usize, out: &mut [u16]) {
                crate::sparse::maxima(values, group, out);
            }
        }
    };
}
pub(crate) use sparse_backend;

#[inline(always)]
pub(crate) fn add<W: Weight>(docs: &[u16], weights: &[W], q: f32, sums: &mut [f32; SPAN]) {
    let ((docs, docs_rest), (weights, weights_rest)) =
        (docs.as_chunks::<STEP>(), weights.as_chunks::<STEP>());
    for (docs, weights) in docs.iter().zip(weights) {
        let ahead = docs.as_ptr().wrapping_add(AHEAD).cast::<u8>();
        line(ahead);
        line(ahead.wrapping_add(64));
        line(weights.as_ptr().wrapping_add(AHEAD).cast());
        let weights = W::floats(weights);
        for (&doc, weight) in docs.iter().zip(weights) {
            sums[usize::from(doc)] += weight * q;
        }
    }
    for (&doc, weight) in docs_rest.iter().zip(weights_rest) {
        sums[usize::from(doc)] += weight.float() * q;
    }
}

#[inline(always)]
pub(crate) fn add_cell<W: Weight>(docs: &[u16], weights: &[W], q: f32, first: u16, sums: &mut CellSums) {
    for (&doc, weight) in docs.iter().zip(weights) {
        let at = doc.wrapping_sub(first).min(CELL as u16);
        sums[usize::from(at)] += weight.float() * q;
    }
}

#[inline(always)]
pub(crate) fn above(sums: &[f32], floor: f32, masks: &mut [u64]) {
    for (sums, mask) in sums.chunks(64).zip(masks) {
        // Few groups hold anything: a look at all lanes at once first. NaN compares false.
        let any = sums.iter().fold(false, |any, &sum| any | (sum >= floor));
        *mask = if any {
            sums.iter().enumerate().fold(0, |mask, (at, &sum)| mask | u64::from(sum >= floor) << at)
        } else {
            0
        };
    }
}

/// Compared as integers of the same order, because those have a greatest that lanes can find in any order.
#[inline(always)]
pub(crate) fn greatest(sums: &[f32], out: &mut [f32]) {
    const LOWEST: i32 = f32::NEG_INFINITY.to_bits() as i32;
    let flip = |bits: i32| bits ^ ((bits >> 31) as u32 >> 1) as i32;
    for (sums, out) in sums.as_chunks::<64>().0.iter().zip(out) {
        let keys =
            sums.iter().map(|sum| if sum.is_nan() { flip(LOWEST) } else { flip(sum.to_bits() as i32) });
        *out = f32::from_bits(flip(keys.fold(flip(LOWEST), i32::max)) as u32);
    }
}

#[inline(always)]
pub(crate) fn levels(levels: &[u8], w: u16, bounds: &mut [u16]) {
    let (groups, bounds) = (levels.as_chunks::<32>().0, bounds.as_chunks_mut::<64>().0);
    for (levels, bounds) in groups.iter().zip(bounds) {
        let (low, high) = bounds.split_at_mut(32);
        for (bound, level) in low.iter_mut().zip(levels) {
            *bound = bound.saturating_add(u16::from(level & 15).wrapping_mul(w));
        }
        for (bound, level) in high.iter_mut().zip(levels) {
            *bound = bound.saturating_add(u16::from(level >> 4).wrapping_mul(w));
        }
    }
}

#[inline(always)]
pub(crate) fn maxima(values: &[u16], group: usize, out: &mut [u16]) {
    match group {
        2 => maxima_of::<2>(values, out),
        4 => maxima_of::<4>(values, out),
        8 => maxima_of::<8>(values, out),
        16 => maxima_of::<16>(values, out),
        _ => {
            for (values, out) in values.chunks(group.max(1)).zip(out) {
                *out = values.iter().fold(0, |most, &value| most.max(value));
            }
        }
    }
}

#[inline(always)]
fn maxima_of<const N: usize>(values: &[u16], out: &mut [u16]) {
    for (values, out) in values.as_chunks::<N>().0.iter().zip(out) {
        *out = values.iter().fold(0, |most, &value| most.max(value));
    }
}
