//! The body of every kernel, written once over [`Vector`] and [`Distance`].
//!
//! ```text
//! block(query, R rows):
//!   sums[R][U] = 0
//!   for i in 0, U*LANES, 2*U*LANES, ... while a whole step fits:
//!     for u in 0..U:
//!       q = query[i + u*LANES ..]                      loaded once, used for R rows
//!       for r in 0..R: sums[r][u] += step(q, row[r][i + u*LANES ..])
//!     prefetch the same places of R rows that come later
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
//! Why software prefetch, in the batch too: the hardware follows a stream up to the end of a page and starts over.
//!
//! U depends on the metric alone. A row therefore gets the same operations in the same order whether it comes by pair,
//! in a block of R or in what is left over, and so the same bits.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::metric::{Distance, Dot, Sums};
use crate::vector::Vector;

/// How far ahead to prefetch, at least, in floats: 6 KiB. Beyond the 4 KiB page at which the hardware's own prefetcher
/// stops; measured flat from 4 to 12 KiB.
const FLOATS_AHEAD: usize = 1536;

/// Floats in a cache line of 64 bytes.
const FLOATS_PER_LINE: usize = 16;

/// The most rows in a block; every R divides it.
const ROWS_MAX: usize = 4;

/// Two vectors of one length.
///
/// # Safety
/// `query.len() == row.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn pair<V: Vector, M: Distance>(query: &[f32], row: &[f32]) -> f32 {
    let mut out = [0.0];
    // SAFETY: one row of `query.len()` floats.
    unsafe { shaped::<V, M, _>(query, &Alone { row: row.as_ptr() }, &mut out) };
    out[0]
}

/// One query against contiguous rows. Prefetches past them too: a long scan comes in pieces.
///
/// # Safety
/// `rows.len() == query.len() * out.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn batch<V: Vector, M: Distance>(query: &[f32], rows: &[f32], out: &mut [f32]) {
    let (first, dims) = (rows.as_ptr(), query.len());
    let whole_blocks = (ROWS_MAX * dims).max(1);
    let ahead = FLOATS_AHEAD.div_ceil(whole_blocks) * whole_blocks;
    // SAFETY: `out.len()` rows lie one after another.
    unsafe { shaped::<V, M, _>(query, &Contiguous { first, dims, ahead }, out) }
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

/// Where the rows are.
trait Rows {
    /// The row at `at`; valid below the number of rows.
    unsafe fn row(&self, at: usize) -> *const f32;
    /// What to prefetch while the row at `at`, one of a block of `block`, is read; any address will do.
    unsafe fn ahead(&self, at: usize, block: usize) -> Option<*const f32>;
}

/// A single row: nothing to prefetch.
struct Alone {
    row: *const f32,
}

impl Rows for Alone {
    #[inline(always)]
    unsafe fn row(&self, _: usize) -> *const f32 {
        self.row
    }

    #[inline(always)]
    unsafe fn ahead(&self, _: usize, _: usize) -> Option<*const f32> {
        None
    }
}

/// One row after another.
struct Contiguous {
    first: *const f32,
    dims: usize,
    /// How far ahead to prefetch, in floats.
    ahead: usize,
}

impl Rows for Contiguous {
    #[inline(always)]
    unsafe fn row(&self, at: usize) -> *const f32 {
        // SAFETY: the caller keeps `at` below the number of rows.
        unsafe { self.first.add(at * self.dims) }
    }

    #[inline(always)]
    unsafe fn ahead(&self, at: usize, _: usize) -> Option<*const f32> {
        Some(self.first.wrapping_add(at * self.dims + self.ahead))
    }
}

/// Rows by number; the next block is prefetched.
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
    unsafe fn ahead(&self, at: usize, block: usize) -> Option<*const f32> {
        // SAFETY: the last row at most.
        Some(unsafe { self.row((at + block).min(self.ids.len() - 1)) })
    }
}

/// Chooses the block's shape, at compile time.
#[inline(always)]
unsafe fn shaped<V: Vector, M: Distance, S: Rows>(query: &[f32], rows: &S, out: &mut [f32]) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (M::Sums::<V>::COUNT, V::REGISTERS) {
            (1, 32..) => scan::<V, M, S, 4, 4>(query, rows, out),
            (1, 16..) => scan::<V, M, S, 2, 4>(query, rows, out),
            (1, _) => scan::<V, M, S, 1, 4>(query, rows, out),
            (_, 32..) => scan::<V, M, S, 4, 2>(query, rows, out),
            (_, 16..) => scan::<V, M, S, 2, 2>(query, rows, out),
            (_, _) => scan::<V, M, S, 1, 2>(query, rows, out),
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
        let mut at = 0;
        for values in whole {
            let (mut row, mut ahead) = ([query.as_ptr(); R], [None; R]);
            for r in 0..R {
                row[r] = rows.row(at + r);
                ahead[r] = rows.ahead(at + r, R);
            }
            *values = block::<V, M, R, U>(query, norm, row, ahead);
            at += R;
        }
        for value in rest {
            [*value] = block::<V, M, 1, U>(query, norm, [rows.row(at)], [rows.ahead(at, 1)]);
            at += 1;
        }
    }
}

/// The query's squared norm.
#[inline(always)]
unsafe fn norm_squared<V: Vector, const U: usize>(query: &[f32]) -> f32 {
    // SAFETY: the query is one row of its own length.
    unsafe { block::<V, Dot, 1, U>(query, 0.0, [query.as_ptr()], [None])[0] }
}

/// R rows of `query.len()` floats; the rows `ahead` are prefetched at the offsets being read.
#[inline(always)]
unsafe fn block<V: Vector, M: Distance, const R: usize, const U: usize>(
    query: &[f32],
    query_norm_squared: f32,
    rows: [*const f32; R],
    ahead: [Option<*const f32>; R],
) -> [f32; R] {
    let (first, dims) = (query.as_ptr(), query.len());
    // SAFETY: every row has `dims` floats; `i` plus what is loaded from there stays within `dims`.
    unsafe {
        let mut sums = [[M::Sums::<V>::zero(); U]; R];
        let mut i = 0;
        while dims - i >= U * V::LANES {
            for u in 0..U {
                let q = V::load(first.add(i + u * V::LANES));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, V::load(rows[r].add(i + u * V::LANES)));
                }
            }
            prefetch::<V, R>(&ahead, i, U * V::LANES);
            i += U * V::LANES;
        }
        for u in 0..U - 1 {
            if dims - i >= V::LANES {
                let q = V::load(first.add(i));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, V::load(rows[r].add(i)));
                }
                prefetch::<V, R>(&ahead, i, V::LANES);
                i += V::LANES;
            }
        }
        if i < dims {
            let q = V::load_head(first.add(i), dims - i);
            for r in 0..R {
                sums[r][0] = M::step(sums[r][0], q, V::load_head(rows[r].add(i), dims - i));
            }
            prefetch::<V, R>(&ahead, i, 1);
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

/// Asks for the lines that hold `floats` floats from `i` on, in each row.
#[inline(always)]
unsafe fn prefetch<V: Vector, const R: usize>(rows: &[Option<*const f32>; R], i: usize, floats: usize) {
    for row in rows.iter().flatten() {
        let mut line = 0;
        while line < floats {
            // SAFETY: a prefetch may name any address.
            unsafe { V::prefetch(row.wrapping_add(i + line)) };
            line += FLOATS_PER_LINE;
        }
    }
}
