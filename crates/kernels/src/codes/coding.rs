//! How codes lie in a row's bytes, and the query's numbers beside them.

use super::{Bytes, GRAIN};

/// Bytes whose nibbles make a block of 4-bit codes; the last block of a row may have half.
const NIBBLE_BLOCK: usize = 64;

/// A layout of codes.
pub(crate) trait Coding {
    /// The query's bytes for each byte of a row.
    const QUERY_BYTES: usize;
    /// The query's part for a register of codes.
    type Query<B: Bytes>: Copy;

    /// The query's part for the `STEP` bytes at `i` of rows of `stride` bytes.
    ///
    /// # Safety
    /// The query has `QUERY_BYTES * stride` bytes, `i` is a multiple of `STEP`, and `i + STEP <= stride`.
    unsafe fn query<B: Bytes>(query: *const i8, i: usize, stride: usize) -> Self::Query<B>;
    /// The query's part for the last 32 bytes at `i`, where `STEP` is 64.
    ///
    /// # Safety
    /// The query has `QUERY_BYTES * (i + 32)` bytes, and `i` is a multiple of 64.
    unsafe fn query_half<B: Bytes>(query: *const i8, i: usize) -> Self::Query<B>;
    /// Adds the products.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn add<B: Bytes>(sums: B::Sums, query: Self::Query<B>, codes: B::Register) -> B::Sums;
}

/// A byte a code.
pub(crate) struct U8;

impl Coding for U8 {
    const QUERY_BYTES: usize = 1;
    type Query<B: Bytes> = B::Query;

    #[inline(always)]
    unsafe fn query<B: Bytes>(query: *const i8, i: usize, _: usize) -> B::Query {
        // SAFETY: the caller vouches for the bytes and the instruction set.
        unsafe { B::widen(B::load(query.add(i).cast())) }
    }

    #[inline(always)]
    unsafe fn query_half<B: Bytes>(query: *const i8, i: usize) -> B::Query {
        // SAFETY: as in `query`.
        unsafe { B::widen(B::load_half(query.add(i).cast())) }
    }

    #[inline(always)]
    unsafe fn add<B: Bytes>(sums: B::Sums, query: B::Query, codes: B::Register) -> B::Sums {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { B::add_products(sums, query, codes) }
    }
}

/// Two codes a byte. A row is cut into blocks of 64 bytes, the last of which may have 32; in a block of `n` bytes,
/// byte `j` holds code `j` in its low nibble and code `n + j` in its high one.
pub(crate) struct U4;

impl Coding for U4 {
    const QUERY_BYTES: usize = 2;
    type Query<B: Bytes> = [B::Register; 2];

    #[inline(always)]
    unsafe fn query<B: Bytes>(query: *const i8, i: usize, stride: usize) -> [B::Register; 2] {
        let (block, within) = (i - i % NIBBLE_BLOCK, i % NIBBLE_BLOCK);
        let bytes = (stride - block).min(NIBBLE_BLOCK);
        // SAFETY: the block's codes start at `2 * block` and are `2 * bytes`; `within + STEP <= bytes`, because a step
        // divides both sizes of block or, being 64, is only asked for where a whole block is.
        unsafe {
            let low = query.add(2 * block + within).cast::<u8>();
            [B::load(low), B::load(low.add(bytes))]
        }
    }

    #[inline(always)]
    unsafe fn query_half<B: Bytes>(query: *const i8, i: usize) -> [B::Register; 2] {
        // SAFETY: the last block has 32 bytes and 64 codes, which start at `2 * i`.
        unsafe {
            let low = query.add(2 * i).cast::<u8>();
            [B::load_half(low), B::load_half(low.add(GRAIN))]
        }
    }

    #[inline(always)]
    unsafe fn add<B: Bytes>(sums: B::Sums, query: [B::Register; 2], codes: B::Register) -> B::Sums {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { B::add_nibbles(sums, query, [B::low(codes), B::high(codes)]) }
    }
}
