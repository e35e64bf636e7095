//! Integer codes against a query of signed bytes: the body of the kernels, once, and their checked entries.
//!
//! ```text
//! block(query, 4 rows):
//!   sums[4] = 0
//!   for i in 0, STEP, 2*STEP, ... below the stride:
//!     q = query's part for the bytes i .. i+STEP         loaded and widened once, used for 4 rows
//!     for r in 0..4: sums[r] += q * (row[r][i .. i+STEP])
//!   add the lanes of the 4 sums together, transposed, into 4 numbers beside each other
//! ```
//!
//! The rows of a graph hop are short (64 to 448 bytes, 1 to 7 registers), so the closing sum weighs as much as the
//! products: four rows share it.
//!
//! # Invariants
//! - `out = sum q_i * c_i`, exactly, in wrapping i32: the same on every instruction set, by every form. It does not
//!   wrap for up to 65,793 codes (`65793 * 255 * 128 < 2^31`).
//! - No saturating product is used where it could saturate: `255 * -128` twice leaves i16.
//! - Strides are multiples of 32 bytes: there are no tails.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

pub(crate) mod coding;
mod entries;
pub(crate) mod tile;

pub use entries::CodeKernels;
pub(crate) use entries::Codes;

use coding::Coding;

/// Strides are a multiple of this many bytes.
pub(crate) const GRAIN: usize = 32;

/// Rows summed side by side.
pub(crate) const ROWS: usize = 4;

/// How far ahead of a scan to prefetch, at least, in bytes: as for f32 (`generic.rs`).
const BYTES_AHEAD: usize = 6144;

/// Bytes in a cache line.
pub(crate) const LINE: usize = 64;

/// What the body asks of an instruction set: registers of bytes, and their products summed in lanes of i32.
///
/// # Safety
/// Every method may only be called where the instruction set is available; the loads read what they say and nothing
/// beyond it.
pub(crate) trait Bytes {
    /// Its name, for tests and benchmarks.
    const NAME: &'static str;
    /// Registers that the instruction set names; the tile's shape follows from it.
    const REGISTERS: usize;
    /// Bytes in a register: 16, 32 or 64.
    const STEP: usize;
    /// A register of bytes.
    type Register: Copy;
    /// The query's bytes as [`Bytes::add_products`] wants them.
    type Query: Copy;
    /// One row's sums.
    type Sums: Copy;

    /// Nothing summed yet.
    unsafe fn zero() -> Self::Sums;
    /// Loads `STEP` bytes, at any alignment.
    unsafe fn load(from: *const u8) -> Self::Register;
    /// Loads 32 bytes and fills with zero; called only where `STEP` is 64.
    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> Self::Register {
        // SAFETY: never called where a step is not twice the grain.
        unsafe { Self::load(from) }
    }
    /// The low nibble of each byte.
    unsafe fn low(bytes: Self::Register) -> Self::Register;
    /// The high nibble of each byte.
    unsafe fn high(bytes: Self::Register) -> Self::Register;
    /// The query's bytes, made ready to be multiplied.
    unsafe fn widen(query: Self::Register) -> Self::Query;
    /// Adds the products of signed query bytes and unsigned codes.
    unsafe fn add_products(sums: Self::Sums, query: Self::Query, codes: Self::Register) -> Self::Sums;
    /// The same for the two halves of 4-bit codes, each in 0..16, and query bytes as loaded.
    unsafe fn add_nibbles(
        sums: Self::Sums,
        query: [Self::Register; 2],
        codes: [Self::Register; 2],
    ) -> Self::Sums;
    /// The sum of the lanes of each of four rows.
    unsafe fn totals(sums: [Self::Sums; ROWS]) -> [i32; ROWS];
    /// The sum of the lanes.
    unsafe fn total(sums: Self::Sums) -> i32;
    /// Asks for the cache line at `at`, which need not be a valid address.
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}

/// The body compiled for one instruction set.
pub(crate) trait CodeBackend {
    const NAME: &'static str;
    /// What MaxSim asks of the same instructions.
    type Tokens: crate::maxsim::codes::Tokens;

    /// # Safety
    /// The instruction set is available, the query fits the coding, and `rows` holds `out.len()` rows.
    unsafe fn batch<C: Coding>(query: &[i8], rows: &[u8], out: &mut [i32]);
    /// Panics where an id numbers no whole row.
    ///
    /// # Safety
    /// The instruction set is available, the query fits the coding, and `out.len() == ids.len()`.
    unsafe fn gather<C: Coding>(query: &[i8], rows: &[u8], ids: &[u32], out: &mut [i32]);
    /// # Safety
    /// The instruction set is available, `stride > 0` fits the coding, `queries` and `rows` are whole, and `out` has a
    /// place for every pair of them.
    unsafe fn tile<C: Coding>(queries: &[i8], rows: &[u8], stride: usize, out: &mut [i32]);
    /// # Safety
    /// As [`crate::maxsim::codes::maxsim`].
    unsafe fn maxsim<const AT: bool>(
        panel: &[i8],
        begin: &[i32],
        tokens: crate::maxsim::codes::Coded<'_>,
        best: &mut [f32],
        at: &mut [u32],
    );
}

/// Compiles the body for one instruction set under the given target features.
macro_rules! code_backend {
    ($bytes:ty $(, $features:literal)?) => {
        impl crate::codes::CodeBackend for $bytes {
            const NAME: &'static str = <$bytes as crate::codes::Bytes>::NAME;
            type Tokens = $bytes;

            $(#[target_feature(enable = $features)])?
            unsafe fn batch<C: crate::codes::coding::Coding>(query: &[i8], rows: &[u8], out: &mut [i32]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::codes::batch::<$bytes, C>(query, rows, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gather<C: crate::codes::coding::Coding>(
                query: &[i8],
                rows: &[u8],
                ids: &[u32],
                out: &mut [i32],
            ) {
                // SAFETY: the caller vouches for the instruction set and the lengths; the ids are checked inside.
                unsafe { crate::codes::gather::<$bytes, C>(query, rows, ids, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn tile<C: crate::codes::coding::Coding>(
                queries: &[i8],
                rows: &[u8],
                stride: usize,
                out: &mut [i32],
            ) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::codes::tile::tile::<$bytes, C>(queries, rows, stride, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn maxsim<const AT: bool>(
                panel: &[i8],
                begin: &[i32],
                tokens: crate::maxsim::codes::Coded<'_>,
                best: &mut [f32],
                at: &mut [u32],
            ) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::maxsim::codes::maxsim::<$bytes, AT>(panel, begin, tokens, best, at) }
            }
        }
    };
}
pub(crate) use code_backend;

/// One query against contiguous rows. Prefetches past them too: a long scan comes in pieces.
///
/// # Safety
/// As [`CodeBackend::batch`].
#[inline(always)]
pub(crate) unsafe fn batch<B: Bytes, C: Coding>(query: &[i8], rows: &[u8], out: &mut [i32]) {
    let (first, stride) = (rows.as_ptr(), query.len() / C::QUERY_BYTES);
    let (whole, rest) = out.as_chunks_mut::<ROWS>();
    let whole_blocks = (ROWS * stride).max(1);
    let ahead = BYTES_AHEAD.div_ceil(whole_blocks) * whole_blocks;
    let mut at = 0;
    for values in whole {
        let row = |r: usize| first.wrapping_add((at + r) * stride);
        let rows = std::array::from_fn(row);
        // SAFETY: `at` and the rows after it are below the number of rows.
        *values = unsafe { block::<B, C>(query, rows, rows.map(|row| row.wrapping_add(ahead))) };
        at += ROWS;
    }
    for value in rest {
        // SAFETY: the row lies within `rows`.
        *value = unsafe { single::<B, C>(query, first.wrapping_add(at * stride)) };
        at += 1;
    }
}

/// One query against the rows `ids`; the next four rows are prefetched.
///
/// # Safety
/// As [`CodeBackend::gather`].
#[inline(always)]
pub(crate) unsafe fn gather<B: Bytes, C: Coding>(query: &[i8], rows: &[u8], ids: &[u32], out: &mut [i32]) {
    let (first, stride) = (rows.as_ptr(), query.len() / C::QUERY_BYTES);
    check_ids(ids, rows.len(), stride);
    let row = |id: u32| first.wrapping_add(id as usize * stride);
    let (whole, rest) = ids.as_chunks::<ROWS>();
    let (values, values_rest) = out.as_chunks_mut::<ROWS>();
    let mut ahead = whole.iter().skip(1);
    for (ids, values) in whole.iter().zip(values) {
        let next = ahead.next().unwrap_or(ids);
        // SAFETY: the largest id numbers a whole row.
        *values = unsafe { block::<B, C>(query, ids.map(row), next.map(row)) };
    }
    for (&id, value) in rest.iter().zip(values_rest) {
        // SAFETY: as above.
        *value = unsafe { single::<B, C>(query, row(id)) };
    }
}

/// Panics unless every id numbers a whole row of `stride` units in `len` units.
#[inline(always)]
pub(crate) fn check_ids(ids: &[u32], len: usize, stride: usize) {
    // Lanes of their own, so that the compiler takes the maximum of eight ids at a time.
    let (eights, rest) = ids.as_chunks::<8>();
    let mut lanes = [0u32; 8];
    for ids in eights {
        for lane in 0..8 {
            lanes[lane] = lanes[lane].max(ids[lane]);
        }
    }
    let last = lanes.iter().chain(rest).fold(0, |last, &id| last.max(id));
    let end = (last as usize).checked_add(1).and_then(|count| count.checked_mul(stride));
    assert!(ids.is_empty() || end.is_some_and(|end| end <= len), "a row id out of bounds");
}

/// Four rows.
///
/// # Safety
/// The instruction set is available, the query fits the coding, every row has a stride of bytes.
#[inline(always)]
unsafe fn block<B: Bytes, C: Coding>(
    query: &[i8],
    rows: [*const u8; ROWS],
    ahead: [*const u8; ROWS],
) -> [i32; ROWS] {
    // SAFETY: the caller's promises are handed on.
    unsafe { B::totals(sums::<B, C, ROWS>(query, rows, Some(ahead))) }
}

/// One row; nothing is prefetched.
///
/// # Safety
/// As [`block`].
#[inline(always)]
unsafe fn single<B: Bytes, C: Coding>(query: &[i8], row: *const u8) -> i32 {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        let [sums] = sums::<B, C, 1>(query, [row], None);
        B::total(sums)
    }
}

#[inline(always)]
unsafe fn sums<B: Bytes, C: Coding, const R: usize>(
    query: &[i8],
    rows: [*const u8; R],
    ahead: Option<[*const u8; R]>,
) -> [B::Sums; R] {
    let (first, stride) = (query.as_ptr(), query.len() / C::QUERY_BYTES);
    // SAFETY: `i` plus what is loaded from there stays within the stride, a multiple of 32 bytes, and the coding's
    // parts of the query within the query.
    unsafe {
        let mut sums = [B::zero(); R];
        let mut i = 0;
        while stride - i >= B::STEP {
            let query = C::query::<B>(first, i, stride);
            for r in 0..R {
                sums[r] = C::add::<B>(sums[r], query, B::load(rows[r].add(i)));
            }
            if let Some(ahead) = ahead
                && i % LINE == 0
            {
                for r in 0..R {
                    B::prefetch(ahead[r].wrapping_add(i));
                }
            }
            i += B::STEP;
        }
        if B::STEP > GRAIN && i < stride {
            let query = C::query_half::<B>(first, i);
            for r in 0..R {
                sums[r] = C::add::<B>(sums[r], query, B::load_half(rows[r].add(i)));
            }
            if let Some(ahead) = ahead {
                for r in 0..R {
                    B::prefetch(ahead[r].wrapping_add(i));
                }
            }
        }
        sums
    }
}
