//! The body of every distance kernel, written once over [`Vector`], [`Distance`] and the rows' [`Element`].
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
//!   per row: fold the U sums in halves, add the lanes (of four rows together), finish
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
use crate::vector::{Element, Vector};

/// How far ahead to prefetch, at least. Beyond the 4 KiB page at which the hardware's own prefetcher stops; measured
/// flat from 4 to 12 KiB.
const BYTES_AHEAD: usize = 6144;

/// Bytes in a cache line.
const LINE: usize = 64;

/// The most rows in a block; every R divides it.
const ROWS_MAX: usize = 4;

/// Two vectors of one length.
///
/// # Safety
/// `query.len() == row.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn pair<V: Vector, M: Distance, E: Element>(query: &[f32], row: &[E]) -> f32 {
    let mut out = [0.0];
    // SAFETY: one row of `query.len()` elements.
    unsafe { shaped::<V, M, E, _>(query, &Alone { row: row.as_ptr() }, &mut out) };
    out[0]
}

/// One query against contiguous rows. Prefetches past them too: a long scan comes in pieces.
///
/// # Safety
/// `rows.len() == query.len() * out.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn batch<V: Vector, M: Distance, E: Element>(query: &[f32], rows: &[E], out: &mut [f32]) {
    let (first, dims) = (rows.as_ptr(), query.len());
    let whole_blocks = (ROWS_MAX * dims).max(1);
    let ahead = (BYTES_AHEAD / size_of::<E>()).div_ceil(whole_blocks) * whole_blocks;
    // SAFETY: `out.len()` rows lie one after another.
    unsafe { shaped::<V, M, E, _>(query, &Contiguous { first, dims, ahead }, out) }
}

/// One query against the rows `ids`.
///
/// # Safety
/// Every id numbers a whole row of `query.len()` elements inside `rows`, `out.len() == ids.len()`, and the instruction
/// set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn gather<V: Vector, M: Distance, E: Element>(
    query: &[f32],
    rows: &[E],
    ids: &[u32],
    out: &mut [f32],
) {
    // SAFETY: every id numbers a row.
    unsafe { shaped::<V, M, E, _>(query, &ById { first: rows.as_ptr(), dims: query.len(), ids }, out) }
}

/// Where the rows are.
trait Rows<E> {
    /// The row at `at`; valid below the number of rows.
    unsafe fn row(&self, at: usize) -> *const E;
    /// What to prefetch while the row at `at`, one of a block of `block`, is read; any address will do.
    unsafe fn ahead(&self, at: usize, block: usize) -> Option<*const E>;
}

/// A single row: nothing to prefetch.
struct Alone<E> {
    row: *const E,
}

impl<E> Rows<E> for Alone<E> {
    #[inline(always)]
    unsafe fn row(&self, _: usize) -> *const E {
        self.row
    }

    #[inline(always)]
    unsafe fn ahead(&self, _: usize, _: usize) -> Option<*const E> {
        None
    }
}

/// One row after another.
struct Contiguous<E> {
    first: *const E,
    dims: usize,
    /// How far ahead to prefetch, in elements.
    ahead: usize,
}

impl<E> Rows<E> for Contiguous<E> {
    #[inline(always)]
    unsafe fn row(&self, at: usize) -> *const E {
        // SAFETY: the caller keeps `at` below the number of rows.
        unsafe { self.first.add(at * self.dims) }
    }

    #[inline(always)]
    unsafe fn ahead(&self, at: usize, _: usize) -> Option<*const E> {
        Some(self.first.wrapping_add(at * self.dims + self.ahead))
    }
}

/// Rows by number; the next block is prefetched.
struct ById<'a, E> {
    first: *const E,
    dims: usize,
    ids: &'a [u32],
}

impl<E> Rows<E> for ById<'_, E> {
    #[inline(always)]
    unsafe fn row(&self, at: usize) -> *const E {
        // SAFETY: the caller keeps `at` below the number of ids, and every id numbers a row.
        unsafe { self.first.add(*self.ids.get_unchecked(at) as usize * self.dims) }
    }

    #[inline(always)]
    unsafe fn ahead(&self, at: usize, block: usize) -> Option<*const E> {
        // SAFETY: the last row at most.
        Some(unsafe { self.row((at + block).min(self.ids.len() - 1)) })
    }
}

/// Chooses the block's shape, at compile time.
#[inline(always)]
unsafe fn shaped<V: Vector, M: Distance, E: Element, S: Rows<E>>(query: &[f32], rows: &S, out: &mut [f32]) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match (M::Sums::<V>::COUNT, V::REGISTERS) {
            (1, 32..) => scan::<V, M, E, S, 4, 4>(query, rows, out),
            (1, 16..) => scan::<V, M, E, S, 2, 4>(query, rows, out),
            (1, _) => scan::<V, M, E, S, 1, 4>(query, rows, out),
            (_, 32..) => scan::<V, M, E, S, 4, 2>(query, rows, out),
            (_, 16..) => scan::<V, M, E, S, 2, 2>(query, rows, out),
            (_, _) => scan::<V, M, E, S, 1, 2>(query, rows, out),
        }
    }
}

#[inline(always)]
unsafe fn scan<V: Vector, M: Distance, E: Element, S: Rows<E>, const R: usize, const U: usize>(
    query: &[f32],
    rows: &S,
    out: &mut [f32],
) {
    // SAFETY: `out.len()` rows of `query.len()` elements can be read, and `at` stays below that number.
    unsafe {
        let norm = if M::NEEDS_QUERY_NORM { norm_squared::<V, U>(query) } else { 0.0 };
        let (whole, rest) = out.as_chunks_mut::<R>();
        let mut at = 0;
        for values in whole {
            let (mut row, mut ahead) = ([rows.row(at); R], [None; R]);
            for r in 0..R {
                row[r] = rows.row(at + r);
                ahead[r] = rows.ahead(at + r, R);
            }
            *values = block::<V, M, E, R, U>(query, norm, row, ahead);
            at += R;
        }
        for value in rest {
            [*value] = block::<V, M, E, 1, U>(query, norm, [rows.row(at)], [rows.ahead(at, 1)]);
            at += 1;
        }
    }
}

/// The query's squared norm.
#[inline(always)]
pub(crate) unsafe fn norm_squared<V: Vector, const U: usize>(query: &[f32]) -> f32 {
    // SAFETY: the query is one row of its own length.
    unsafe { block::<V, Dot, f32, 1, U>(query, 0.0, [query.as_ptr()], [None])[0] }
}

/// R rows of `query.len()` elements; the rows `ahead` are prefetched at the offsets being read.
#[inline(always)]
unsafe fn block<V: Vector, M: Distance, E: Element, const R: usize, const U: usize>(
    query: &[f32],
    query_norm_squared: f32,
    rows: [*const E; R],
    ahead: [Option<*const E>; R],
) -> [f32; R] {
    let (first, dims) = (query.as_ptr(), query.len());
    // SAFETY: every row has `dims` elements; `i` plus what is loaded from there stays within `dims`.
    unsafe {
        let mut sums = [[M::Sums::<V>::zero(); U]; R];
        let mut i = 0;
        while dims - i >= U * V::LANES {
            for u in 0..U {
                let q = V::load(first.add(i + u * V::LANES));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, E::load(rows[r].add(i + u * V::LANES)));
                }
            }
            prefetch::<V, E, R>(&ahead, i, U * V::LANES);
            i += U * V::LANES;
        }
        for u in 0..U - 1 {
            if dims - i >= V::LANES {
                let q = V::load(first.add(i));
                for r in 0..R {
                    sums[r][u] = M::step(sums[r][u], q, E::load(rows[r].add(i)));
                }
                prefetch::<V, E, R>(&ahead, i, V::LANES);
                i += V::LANES;
            }
        }
        if i < dims {
            let q = V::load_head(first.add(i), dims - i);
            for r in 0..R {
                sums[r][0] = M::step(sums[r][0], q, E::load_head(rows[r].add(i), dims - i));
            }
            prefetch::<V, E, R>(&ahead, i, 1);
        }
        let mut whole = [M::Sums::<V>::zero(); R];
        for r in 0..R {
            whole[r] = folded(sums[r]);
        }
        finished::<V, M, R>(whole, query_norm_squared)
    }
}

/// The distances from one query's sums with several rows, four at a time as far as they go.
#[inline(always)]
pub(crate) unsafe fn finished<V: Vector, M: Distance, const R: usize>(
    sums: [M::Sums<V>; R],
    query_norm_squared: f32,
) -> [f32; R] {
    let (fours, rest) = sums.as_chunks::<4>();
    let mut out = [0.0; R];
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let mut at = 0;
        for four in fours {
            let totals = M::Sums::<V>::totals_of_four(*four);
            for i in 0..4 {
                out[at + i] = M::finish(totals[i], query_norm_squared);
            }
            at += 4;
        }
        for one in rest {
            out[at] = M::finish(one.totals(), query_norm_squared);
            at += 1;
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

/// Asks for the lines that hold `count` elements from `i` on, in each row.
#[inline(always)]
unsafe fn prefetch<V: Vector, E: Element, const R: usize>(
    rows: &[Option<*const E>; R],
    i: usize,
    count: usize,
) {
    for row in rows.iter().flatten() {
        let mut line = 0;
        while line < count {
            // SAFETY: a prefetch may name any address.
            unsafe { V::prefetch(row.wrapping_add(i + line).cast()) };
            line += LINE / size_of::<E>();
        }
    }
}
