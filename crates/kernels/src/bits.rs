//! Bit sets against bit sets: the body of the kernels, once, over the registers of `codes.rs`.
//!
//! ```text
//! block(query, R rows):
//!   counts[R] = 0
//!   for each register of the rows, the last one filled with zeros:
//!     for r: counts[r] += popcount(query xor row[r])      hamming
//!            counts[r] += popcount(query and row[r]), popcount(query or row[r])      jaccard
//!   add the lanes of the counts, four rows together
//! ```
//!
//! # Invariants
//! - Counts are exact and the one division is correctly rounded: the same bits on every instruction set.
//! - Rows have fewer than 2^32 bits.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

mod entries;
mod measure;

pub use entries::BitKernels;
pub(crate) use measure::Measure;

use crate::codes::{Bytes, LINE, ROWS, check_ids};

/// What the body asks of an instruction set beside [`Bytes`].
///
/// # Safety
/// As for [`Bytes`].
pub(crate) trait Bits {
    /// The registers and the sums of their lanes.
    type Base: Bytes;

    /// Loads the first `count < STEP` bytes, reads nothing beyond them, and fills with zero.
    #[inline(always)]
    unsafe fn load_head(from: *const u8, count: usize) -> <Self::Base as Bytes>::Register {
        debug_assert!(count < Self::Base::STEP);
        let mut head = [0; 64];
        // SAFETY: the caller vouches for `count` bytes, fewer than the buffer has.
        unsafe {
            from.copy_to_nonoverlapping(head.as_mut_ptr(), count);
            Self::Base::load(head.as_ptr())
        }
    }
    /// The bits in one alone.
    unsafe fn xor(
        a: <Self::Base as Bytes>::Register,
        b: <Self::Base as Bytes>::Register,
    ) -> <Self::Base as Bytes>::Register;
    /// The bits in both.
    unsafe fn and(
        a: <Self::Base as Bytes>::Register,
        b: <Self::Base as Bytes>::Register,
    ) -> <Self::Base as Bytes>::Register;
    /// Adds the number of ones.
    unsafe fn add_ones(
        counts: <Self::Base as Bytes>::Sums,
        bits: <Self::Base as Bytes>::Register,
    ) -> <Self::Base as Bytes>::Sums;
}

/// The body compiled for one instruction set.
pub(crate) trait BitBackend {
    /// # Safety
    /// The instruction set is available and `rows.len() == query.len() * out.len()`.
    unsafe fn batch<M: Measure>(query: &[u8], rows: &[u8], out: &mut [M::Out]);
    /// Panics where an id numbers no whole row.
    ///
    /// # Safety
    /// The instruction set is available and `out.len() == ids.len()`.
    unsafe fn gather<M: Measure>(query: &[u8], rows: &[u8], ids: &[u32], out: &mut [M::Out]);
}

/// Compiles the body for one instruction set under the given target features.
macro_rules! bit_backend {
    ($bits:ty $(, $features:literal)?) => {
        impl crate::bits::BitBackend for $bits {
            $(#[target_feature(enable = $features)])?
            unsafe fn batch<M: crate::bits::Measure>(query: &[u8], rows: &[u8], out: &mut [M::Out]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::bits::batch::<$bits, M>(query, rows, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gather<M: crate::bits::Measure>(query: &[u8], rows: &[u8], ids: &[u32], out: &mut [M::Out]) {
                // SAFETY: the caller vouches for the instruction set and the lengths; the ids are checked inside.
                unsafe { crate::bits::gather::<$bits, M>(query, rows, ids, out) }
            }
        }
    };
}
pub(crate) use bit_backend;

/// One query against contiguous rows; the hardware's own prefetcher follows them.
///
/// # Safety
/// As [`BitBackend::batch`].
#[inline(always)]
pub(crate) unsafe fn batch<B: Bits, M: Measure>(query: &[u8], rows: &[u8], out: &mut [M::Out]) {
    let (first, bytes) = (rows.as_ptr(), query.len());
    let (whole, rest) = out.as_chunks_mut::<ROWS>();
    let mut at = 0;
    for values in whole {
        let rows = std::array::from_fn(|r| first.wrapping_add((at + r) * bytes));
        // SAFETY: the four rows lie within `rows`.
        *values = unsafe { block::<B, M>(query, rows, None) };
        at += ROWS;
    }
    for value in rest {
        // SAFETY: the row lies within `rows`.
        *value = unsafe { single::<B, M>(query, first.wrapping_add(at * bytes)) };
        at += 1;
    }
}

/// One query against the rows `ids`; the next four rows are prefetched.
///
/// # Safety
/// As [`BitBackend::gather`].
#[inline(always)]
pub(crate) unsafe fn gather<B: Bits, M: Measure>(query: &[u8], rows: &[u8], ids: &[u32], out: &mut [M::Out]) {
    check_ids(ids, rows.len(), query.len());
    let row = |id: u32| rows.as_ptr().wrapping_add(id as usize * query.len());
    let (whole, rest) = ids.as_chunks::<ROWS>();
    let (values, values_rest) = out.as_chunks_mut::<ROWS>();
    let mut ahead = whole.iter().skip(1);
    for (ids, values) in whole.iter().zip(values) {
        let next = ahead.next().unwrap_or(ids).map(row);
        // SAFETY: the largest id numbers a whole row.
        *values = unsafe { block::<B, M>(query, ids.map(row), Some(next)) };
    }
    for (&id, value) in rest.iter().zip(values_rest) {
        // SAFETY: as above.
        *value = unsafe { single::<B, M>(query, row(id)) };
    }
}

/// Four rows.
///
/// # Safety
/// The instruction set is available and every row is as long as the query.
#[inline(always)]
unsafe fn block<B: Bits, M: Measure>(
    query: &[u8],
    rows: [*const u8; ROWS],
    ahead: Option<[*const u8; ROWS]>,
) -> [M::Out; ROWS] {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        let counts = counts::<B, M, ROWS>(query, rows, ahead);
        let [[a, e], [b, f], [c, g], [d, h]] = counts;
        let (first, second) = (B::Base::totals([a, b, c, d]), B::Base::totals([e, f, g, h]));
        std::array::from_fn(|r| M::finish(first[r].cast_unsigned(), second[r].cast_unsigned()))
    }
}

/// One row; nothing is prefetched.
///
/// # Safety
/// As [`block`].
#[inline(always)]
unsafe fn single<B: Bits, M: Measure>(query: &[u8], row: *const u8) -> M::Out {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        let [[first, second]] = counts::<B, M, 1>(query, [row], None);
        M::finish(B::Base::total(first).cast_unsigned(), B::Base::total(second).cast_unsigned())
    }
}

/// The measure's two counts for each row, in lanes.
#[inline(always)]
unsafe fn counts<B: Bits, M: Measure, const R: usize>(
    query: &[u8],
    rows: [*const u8; R],
    ahead: Option<[*const u8; R]>,
) -> [[<B::Base as Bytes>::Sums; 2]; R] {
    let (first, bytes) = (query.as_ptr(), query.len());
    // SAFETY: `i` plus what is loaded from there stays within the rows' bytes.
    unsafe {
        let mut counts = [[B::Base::zero(); 2]; R];
        let mut i = 0;
        while i < bytes {
            let query = load::<B>(first.add(i), bytes - i);
            for r in 0..R {
                counts[r] = M::add::<B>(counts[r], query, load::<B>(rows[r].add(i), bytes - i));
            }
            if let Some(ahead) = ahead
                && i % LINE == 0
            {
                for r in 0..R {
                    B::Base::prefetch(ahead[r].wrapping_add(i));
                }
            }
            i += B::Base::STEP;
        }
        counts
    }
}

/// A register of `left` bytes, or as many as it has.
#[inline(always)]
unsafe fn load<B: Bits>(from: *const u8, left: usize) -> <B::Base as Bytes>::Register {
    // SAFETY: the caller vouches for `left` bytes and the instruction set.
    unsafe { if left >= B::Base::STEP { B::Base::load(from) } else { B::load_head(from, left) } }
}
