//! The body of every kernel, written once over [`Vector`] and [`Distance`].
//!
//! ```text
//! block(query, R rows):
//!   sums[R][U] = 0
//!   for i in 0, U*LANES, 2*U*LANES, ... while a whole step fits:
//!     for u in 0..U:
//!       q = query[i + u*LANES ..]                      loaded once, used for R rows
//!       for r in 0..R: sums[r][u] += step(q, row[r][i + u*LANES ..])
//!     prefetch the same places of the R rows that come later
//!   the whole registers that are left: into sums[r][0], sums[r][1], ...
//!   the last, partial register, filled with zeros: into sums[r][0]
//!   per row: fold the U sums in halves, add the lanes, finish
//! ```
//!
//! Why several sums a row (U): a fused multiply-add takes 4 cycles and two start per cycle, so eight independent chains
//! are needed to keep the units busy (Fog, Optimizing subroutines in assembly language, 12.13; the same shape as the
//! micro-kernels of Goto and van de Geijn, ACM TOMS 34(3), 2008). Why several rows at a time (R): the query's register
//! is loaded once for all of them, which brings the loads per multiply-add from 2 to 1 + 1/R, and one row's closing
//! sum overlaps the other rows' work. R * U * (sums of the metric) plus the query must fit the register file.
//!
//! U depends on the metric alone. A row therefore gets the same operations in the same order whether it comes by pair,
//! in a block of R or in what is left over, and so the same bits.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::metric::{Distance, Sums};
use crate::vector::Vector;

/// Two vectors of one length.
///
/// # Safety
/// `query.len() == row.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn pair<V: Vector, M: Distance>(query: &[f32], row: &[f32]) -> f32 {
    let mut out = [0.0];
    // SAFETY: one row of `query.len()` floats.
    unsafe { batch::<V, M>(query, row, &mut out) };
    out[0]
}

/// One query against contiguous rows.
///
/// # Safety
/// `rows.len() == query.len() * out.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn batch<V: Vector, M: Distance>(query: &[f32], rows: &[f32], out: &mut [f32]) {
    // SAFETY: `out.len()` rows lie one after another.
    unsafe { shaped::<V, M, _>(query, &Contiguous { first: rows.as_ptr(), dims: query.len() }, out) }
}

/// One query against the rows `ids`.
///
/// # Safety
/// Every id numbers a whole row of `query.len()` floats inside `rows`, `out.len() == ids.len()`, and the instruction
/// set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn gather<V: Vector, M: Distance>(
    query: &[f32],
    rows: &[f32],
    ids: &[u32],
    out: &mut [f32],
) {
    // SAFETY: every id numbers a row.
    unsafe { shaped::<V, M, _>(query, &ById { first: rows.as_ptr(), dims: query.len(), ids }, out) }
}

/// Where the rows are, and which places to prefetch while a row is being read.
trait Rows {
    /// The row at `at`; valid below the number of rows.
    unsafe fn row(&self, at: usize) -> *const f32;
    /// Where to prefetch, at the same offset in the row, while the row at `at` of a block of `block` rows is read;
    /// any address will do. None: nothing.
    unsafe fn ahead(&self, at: usize, block: usize, rows: usize) -> Option<*const f32>;
}

struct Contiguous {
    first: *const f32,
    dims: usize,
}

impl Rows for Contiguous {
    #[inline(always)]
    unsafe fn row(&self, at: usize) -> *const f32 {
        // SAFETY: the caller keeps `at` below the number of rows.
        unsafe { self.first.add(at * self.dims) }
    }

    #[inline(always)]
    unsafe fn ahead(&self, _: usize, _: usize, _: usize) -> Option<*const f32> {
        None
    }
}

struct ById<'a> {
    first: *const f32,
    dims: usize,
    ids: &'a [u32],
}

impl Rows for ById<'_> {
    #[inline(always)]
    unsafe fn row(&self, at: usize) -> *const f32 {
        // SAFETY: the caller keeps `at` below the number of ids, and every id numbers a row.
        unsafe { self.first.add(*self.ids.get_unchecked(at) as usize * self.dims) }
    }

    #[inline(always)]
    unsafe fn ahead(&self, at: usize, block: usize, rows: usize) -> Option<*const f32> {
        // SAFETY: the last row at most.
        Some(unsafe { self.row((at + block).min(rows - 1)) })
    }
}

/// Chooses the shape of the block, at compile time: R * U * sums accumulators, U of the query, one row in flight.
#[inline(always)]
unsafe fn shaped<V: Vector, M: Distance, S: Rows>(query: &[f32], rows: &S, out: &mut [f32]) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (M::Sums::<V>::COUNT, V::REGISTERS) {
            (1, 32..) => scan::<V, M, S, 4, 4>(query, rows, out),
            (1, _) => scan::<V, M, S, 2, 4>(query, rows, out),
            (_, 32..) => scan::<V, M, S, 4, 2>(query, rows, out),
            (_, _) => scan::<V, M, S, 2, 2>(query, rows, out),
        }
    }
}

#[inline(always)]
unsafe fn scan<V: Vector, M: Distance, S: Rows, const R: usize, const U: usize>(
    query: &[f32],
    rows: &S,
    out: &mut [f32],
) {
    // SAFETY: `out.len()` rows of `query.len()` floats can be read, and `at` stays below that number.
    unsafe {
        let norm = if M::NEEDS_QUERY_NORM { norm_squared::<V, U>(query) } else { 0.0 };
        let (whole, rest) = out.as_chunks_mut::<R>();
        let (count, mut at) = (whole.len() * R + rest.len(), 0);
        for values in whole {
            *values = block::<V, M, S, R, U>(query, norm, rows, at, count);
            at += R;
        }
        for value in rest {
            [*value] = block::<V, M, S, 1, U>(query, norm, rows, at, count);
            at += 1;
        }
    }
}

/// The query's squared norm.
#[inline(always)]
unsafe fn norm_squared<V: Vector, const U: usize>(query: &[f32]) -> f32 {
    let row = Contiguous { first: query.as_ptr(), dims: query.len() };
    // SAFETY: the query is one row of its own length.
    unsafe { block::<V, crate::metric::Dot, _, 1, U>(query, 0.0, &row, 0, 1)[0] }
}

/// The rows `at .. at + R` of `count`.
#[inline(always)]
unsafe fn block<V: Vector, M: Distance, S: Rows, const R: usize, const U: usize>(
    query: &[f32],
    query_norm_squared: f32,
    rows: &S,
    at: usize,
    count: usize,
) -> [f32; R] {
    let (first, dims) = (query.as_ptr(), query.len());
    // SAFETY: `at + R <= count` and every row has `dims` floats; `i` plus what is loaded stays within `dims`.
    unsafe {
        let mut sums = [[M::Sums::<V>::zero(); U]; R];
        let (mut row, mut ahead) = ([first; R], [None; R]);
        for r in 0..R {
            row[r] = rows.row(at + r);
            ahead[r] = rows.ahead(at + r, R, count);
        }
        let mut i = 0;
        while dims - i >= U * V::LANES {
            for u in 0..U {
                let q = V::load(first.add(i + u * V::LANES));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, V::load(row[r].add(i + u * V::LANES)));
                }
            }
            prefetch::<V, R>(&ahead, i, U * V::LANES);
            i += U * V::LANES;
        }
        for u in 0..U - 1 {
            if dims - i >= V::LANES {
                let q = V::load(first.add(i));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, V::load(row[r].add(i)));
                }
                prefetch::<V, R>(&ahead, i, V::LANES);
                i += V::LANES;
            }
        }
        if i < dims {
            let q = V::load_head(first.add(i), dims - i);
            for r in 0..R {
                sums[r][0] = M::step(sums[r][0], q, V::load_head(row[r].add(i), dims - i));
            }
        }
        let mut out = [0.0; R];
        for r in 0..R {
            out[r] = M::finish(folded(sums[r]), query_norm_squared);
        }
        out
    }
}

/// Adds U sums in halves: with four, `(0 + 2) + (1 + 3)`.
#[inline(always)]
unsafe fn folded<V: Vector, T: Sums<V>, const U: usize>(mut sums: [T; U]) -> T {
    let mut width = U;
    while width > 1 {
        width /= 2;
        for u in 0..width {
            // SAFETY: the caller vouches for the instruction set.
            sums[u] = unsafe { sums[u].add(sums[u + width]) };
        }
    }
    sums[0]
}

/// Asks for the lines that hold `floats` floats from `i` on.
#[inline(always)]
unsafe fn prefetch<V: Vector, const R: usize>(ahead: &[Option<*const f32>; R], i: usize, floats: usize) {
    const FLOATS_PER_LINE: usize = 16;
    for row in ahead.iter().flatten() {
        let mut line = 0;
        while line < floats {
            // SAFETY: a prefetch may name any address.
            unsafe { V::prefetch(row.wrapping_add(i + line)) };
            line += FLOATS_PER_LINE;
        }
    }
}
