//! Many queries against contiguous rows of codes: blocks of Q queries and four rows, whose sums fill the registers, so
//! that each register loaded meets several others.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use super::coding::Coding;
use super::{Bytes, GRAIN, ROWS};

/// Rows block by block, so that a block stays in the nearest cache while all queries pass.
///
/// # Safety
/// As [`super::CodeBackend::tile`].
#[inline(always)]
pub(crate) unsafe fn tile<B: Bytes, C: Coding>(queries: &[i8], rows: &[u8], stride: usize, out: &mut [i32]) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match B::REGISTERS {
            32.. => tiled::<B, C, 4>(queries, rows, stride, out),
            16.. => tiled::<B, C, 2>(queries, rows, stride, out),
            _ => tiled::<B, C, 1>(queries, rows, stride, out),
        }
    }
}

#[inline(always)]
unsafe fn tiled<B: Bytes, C: Coding, const Q: usize>(
    queries: &[i8],
    rows: &[u8],
    stride: usize,
    out: &mut [i32],
) {
    let (query_count, row_count) = (queries.len() / (C::QUERY_BYTES * stride), rows.len() / stride);
    let mut row = 0;
    while row < row_count {
        // Where fewer than four rows are left, the last stands in for the others and is written once.
        let rows = std::array::from_fn(|r| rows.as_ptr().wrapping_add((row + r).min(row_count - 1) * stride));
        let count = ROWS.min(row_count - row);
        let mut query = 0;
        // SAFETY: the queries and the rows are whole.
        unsafe {
            while query_count - query >= Q {
                let totals = block::<B, C, Q>(queries, query, rows, stride);
                for q in 0..Q {
                    let at = (query + q) * row_count + row;
                    out[at..at + count].copy_from_slice(&totals[q][..count]);
                }
                query += Q;
            }
            while query < query_count {
                let [totals] = block::<B, C, 1>(queries, query, rows, stride);
                let at = query * row_count + row;
                out[at..at + count].copy_from_slice(&totals[..count]);
                query += 1;
            }
        }
        row += ROWS;
    }
}

/// Q queries from `at` on against four rows.
#[inline(always)]
unsafe fn block<B: Bytes, C: Coding, const Q: usize>(
    queries: &[i8],
    at: usize,
    rows: [*const u8; ROWS],
    stride: usize,
) -> [[i32; ROWS]; Q] {
    let first: [*const i8; Q] =
        std::array::from_fn(|q| queries.as_ptr().wrapping_add((at + q) * C::QUERY_BYTES * stride));
    // SAFETY: `i` plus what is loaded from there stays within the stride, and the coding's parts within the query.
    unsafe {
        let mut sums = [[B::zero(); ROWS]; Q];
        let mut i = 0;
        while stride - i >= B::STEP {
            let mut query = [C::query::<B>(first[0], i, stride); Q];
            for q in 1..Q {
                query[q] = C::query::<B>(first[q], i, stride);
            }
            for r in 0..ROWS {
                let codes = B::load(rows[r].add(i));
                for q in 0..Q {
                    sums[q][r] = C::add::<B>(sums[q][r], query[q], codes);
                }
            }
            i += B::STEP;
        }
        if B::STEP > GRAIN && i < stride {
            let mut query = [C::query_half::<B>(first[0], i); Q];
            for q in 1..Q {
                query[q] = C::query_half::<B>(first[q], i);
            }
            for r in 0..ROWS {
                let codes = B::load_half(rows[r].add(i));
                for q in 0..Q {
                    sums[q][r] = C::add::<B>(sums[q][r], query[q], codes);
                }
            }
        }
        let mut totals = [[0; ROWS]; Q];
        for q in 0..Q {
            totals[q] = B::totals(sums[q]);
        }
        totals
    }
}
