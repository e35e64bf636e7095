//! Many queries against contiguous rows: the inner loop of a matrix product, with the bits of `pair`.
//!
//! ```text
//! for a block of R rows, for a block of Q queries:
//!   for u in 0..U:
//!     sums[u][Q][R] = 0                                 these fill the registers
//!     for the registers k = u, u + U, u + 2U, ... of the components:
//!       for q, r: sums[u][q][r] += step(query[q][k], row[r][k])
//!   for q, r: fold the U sums in halves, add the lanes, finish
//! ```
//!
//! `pair` keeps U sums for a row, register k of the components going to sum k mod U. Those sums do not meet before the
//! end, so they can be made one after another: a pass for each, over a U-th of the components, with only Q*R sums
//! alive. The loads per multiply-add fall from 1 + 1/R (`generic.rs`) to 1/Q + 1/R, and the bits stay.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::generic::{folded, norm_squared};
use crate::metric::{Distance, Sums};
use crate::vector::Vector;

/// Chooses the block's shape, at compile time; U as `generic.rs` has it.
///
/// # Safety
/// `dims > 0`, `queries` and `rows` hold whole vectors of it, `out` has a place for every pair of them, and the
/// instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn tile<V: Vector, M: Distance>(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    out: &mut [f32],
) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (M::Sums::<V>::COUNT, V::REGISTERS) {
            (1, 32..) => tiled::<V, M, 4, 6, 4>(queries, rows, dims, out),
            (1, 16..) => tiled::<V, M, 2, 4, 4>(queries, rows, dims, out),
            (1, _) => tiled::<V, M, 2, 2, 4>(queries, rows, dims, out),
            (_, 32..) => tiled::<V, M, 2, 6, 2>(queries, rows, dims, out),
            (_, 16..) => tiled::<V, M, 2, 2, 2>(queries, rows, dims, out),
            (_, _) => tiled::<V, M, 2, 1, 2>(queries, rows, dims, out),
        }
    }
}

/// Rows block by block, so that a block stays in the nearest cache while all queries pass.
#[inline(always)]
unsafe fn tiled<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    out: &mut [f32],
) {
    let (query_count, row_count) = (queries.len() / dims, rows.len() / dims);
    let mut row = 0;
    while row < row_count {
        let mut query = 0;
        // SAFETY: both numbers are below the counts; `block` looks at the counts for the rest.
        unsafe {
            while query_count - query >= Q {
                block::<V, M, Q, R, U>(queries, rows, dims, out, [query, row]);
                query += Q;
            }
            while query < query_count {
                block::<V, M, 1, R, U>(queries, rows, dims, out, [query, row]);
                query += 1;
            }
        }
        row += R;
    }
}

/// Q queries from `at[0]` on and R rows from `at[1]` on; where fewer rows are left, the last stands in for the others
/// and is written once.
#[inline(always)]
unsafe fn block<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    out: &mut [f32],
    at: [usize; 2],
) {
    let row_count = rows.len() / dims;
    let query = |q: usize| &queries[(at[0] + q) * dims..(at[0] + q + 1) * dims];
    // SAFETY: the vectors are whole, so every register of the passes lies within them.
    unsafe {
        let query_at: [*const f32; Q] = std::array::from_fn(|q| query(q).as_ptr());
        let row_at = std::array::from_fn(|r| rows.as_ptr().add((at[1] + r).min(row_count - 1) * dims));
        let mut sums = [[[M::Sums::<V>::zero(); R]; Q]; U];
        for u in 0..U {
            sums[u] = pass::<V, M, Q, R, U>(query_at, row_at, dims, u);
        }
        for q in 0..Q {
            let norm = if M::NEEDS_QUERY_NORM { norm_squared::<V, U>(query(q)) } else { 0.0 };
            for r in 0..R.min(row_count - at[1]) {
                let of_pair: [M::Sums<V>; U] = std::array::from_fn(|u| sums[u][q][r]);
                out[(at[0] + q) * row_count + at[1] + r] = M::finish(folded(of_pair), norm);
            }
        }
    }
}

/// The sums over the registers `u`, `u + U`, ... of the components; the partial register at the end counts as one of
/// the first pass's and comes last.
#[inline(always)]
unsafe fn pass<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    queries: [*const f32; Q],
    rows: [*const f32; R],
    dims: usize,
    u: usize,
) -> [[M::Sums<V>; R]; Q] {
    let whole = dims - dims % V::LANES;
    // SAFETY: `i + LANES <= whole` in the loop, and `dims - whole` components are left after it.
    unsafe {
        let mut sums = [[M::Sums::<V>::zero(); R]; Q];
        let mut i = u * V::LANES;
        while i < whole {
            let query = queries.map(|query| V::load(query.add(i)));
            for r in 0..R {
                let row = V::load(rows[r].add(i));
                for q in 0..Q {
                    sums[q][r] = M::step(sums[q][r], query[q], row);
                }
            }
            i += U * V::LANES;
        }
        if u == 0 && whole < dims {
            let query = queries.map(|query| V::load_head(query.add(whole), dims - whole));
            for r in 0..R {
                let row = V::load_head(rows[r].add(whole), dims - whole);
                for q in 0..Q {
                    sums[q][r] = M::step(sums[q][r], query[q], row);
                }
            }
        }
        sums
    }
}
