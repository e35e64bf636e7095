//! Many queries against contiguous rows: the inner loop of a matrix product, with the bits of `pair`.
//!
//! ```text
//! for a group of queries, for a block of R rows, for a block of Q queries of the group:
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

use crate::generic::{finished, norm_squared};
use crate::metric::{Distance, Sums};
use crate::vector::Vector;

/// Queries that pass a block of rows together: 96 KiB of them at 384 components.
const GROUP: usize = 64;

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
            (1, 32..) => tiled::<V, M, 3, 8, 4>(queries, rows, dims, out),
            (1, 16..) => tiled::<V, M, 2, 4, 4>(queries, rows, dims, out),
            (1, _) => tiled::<V, M, 2, 2, 4>(queries, rows, dims, out),
            (_, 32..) => tiled::<V, M, 3, 4, 2>(queries, rows, dims, out),
            (_, 16..) => tiled::<V, M, 2, 2, 2>(queries, rows, dims, out),
            (_, _) => tiled::<V, M, 2, 1, 2>(queries, rows, dims, out),
        }
    }
}

/// The queries by groups; in each, the rows block by block, so that a block stays in the nearest cache while the
/// group's queries pass.
#[inline(always)]
unsafe fn tiled<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    queries: &[f32],
    rows: &[f32],
    dims: usize,
    out: &mut [f32],
) {
    let row_count = rows.len() / dims;
    let (of_queries, of_out) = (GROUP.saturating_mul(dims), GROUP.saturating_mul(row_count));
    for (queries, out) in queries.chunks(of_queries).zip(out.chunks_mut(of_out)) {
        let query_count = queries.len() / dims;
        let mut norms = [0.0; GROUP];
        // SAFETY: the numbers stay below the counts; `block` looks at the rows' for the rest.
        unsafe {
            if M::NEEDS_QUERY_NORM {
                for (query, norm) in queries.chunks(dims).zip(&mut norms) {
                    *norm = norm_squared::<V, U>(query);
                }
            }
            let mut row = 0;
            while row < row_count {
                let mut query = 0;
                while query_count - query >= Q {
                    block::<V, M, Q, R, U>([queries, rows], dims, &norms, out, [query, row]);
                    query += Q;
                }
                while query < query_count {
                    block::<V, M, 1, R, U>([queries, rows], dims, &norms, out, [query, row]);
                    query += 1;
                }
                row += R;
            }
        }
    }
}

/// Q queries from `at[0]` on and R rows from `at[1]` on; where fewer rows are left, the last stands in for the others
/// and is written once.
#[inline(always)]
unsafe fn block<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    [queries, rows]: [&[f32]; 2],
    dims: usize,
    norms: &[f32; GROUP],
    out: &mut [f32],
    at: [usize; 2],
) {
    let row_count = rows.len() / dims;
    // SAFETY: the vectors are whole, so every register of the passes lies within them.
    unsafe {
        let query_at = std::array::from_fn(|q| queries.as_ptr().wrapping_add((at[0] + q) * dims));
        let row_at =
            std::array::from_fn(|r| rows.as_ptr().wrapping_add((at[1] + r).min(row_count - 1) * dims));
        let sums = passes::<V, M, Q, R, U>(query_at, row_at, dims);
        let count = R.min(row_count - at[1]);
        for q in 0..Q {
            let values = finished::<V, M, R>(sums[q], norms[at[0] + q]);
            let place = (at[0] + q) * row_count + at[1];
            if count == R {
                out[place..place + R].copy_from_slice(&values);
            } else {
                out[place..place + count].copy_from_slice(&values[..count]);
            }
        }
    }
}

/// The sums of all passes, folded in halves as `folded` does: with four, `(0 + 2) + (1 + 3)`. In this order no more
/// than two of them wait in memory.
#[inline(always)]
unsafe fn passes<V: Vector, M: Distance, const Q: usize, const R: usize, const U: usize>(
    queries: [*const f32; Q],
    rows: [*const f32; R],
    dims: usize,
) -> [[M::Sums<V>; R]; Q] {
    const { assert!(U == 2 || U == 4) };
    // SAFETY: the caller's promises are handed on.
    unsafe {
        let mut even = pass::<V, M, Q, R, U>(queries, rows, dims, 0);
        if U == 4 {
            even = added::<V, M, Q, R>(even, pass::<V, M, Q, R, U>(queries, rows, dims, 2));
        }
        let mut odd = pass::<V, M, Q, R, U>(queries, rows, dims, 1);
        if U == 4 {
            odd = added::<V, M, Q, R>(odd, pass::<V, M, Q, R, U>(queries, rows, dims, 3));
        }
        added::<V, M, Q, R>(even, odd)
    }
}

/// Each pair's sums of both.
#[inline(always)]
unsafe fn added<V: Vector, M: Distance, const Q: usize, const R: usize>(
    mut a: [[M::Sums<V>; R]; Q],
    b: [[M::Sums<V>; R]; Q],
) -> [[M::Sums<V>; R]; Q] {
    for q in 0..Q {
        for r in 0..R {
            // SAFETY: the caller vouches for the instruction set.
            a[q][r] = unsafe { a[q][r].add(b[q][r]) };
        }
    }
    a
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
            let mut query = [V::zero(); Q];
            for q in 0..Q {
                query[q] = V::load(queries[q].add(i));
            }
            for r in 0..R {
                let row = V::load(rows[r].add(i));
                for q in 0..Q {
                    sums[q][r] = M::step(sums[q][r], query[q], row);
                }
            }
            i += U * V::LANES;
        }
        if u == 0 && whole < dims {
            let mut query = [V::zero(); Q];
            for q in 0..Q {
                query[q] = V::load_head(queries[q].add(whole), dims - whole);
            }
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
