//! The checked entries of the kernels on codes.

use super::coding::{Coding, U4, U8};
use super::{CodeBackend, GRAIN};
use crate::table::check_tile;

/// Kernels on integer codes. They read each row once, allocate nothing, accept any alignment, and give the same
/// numbers on every instruction set.
#[derive(Clone, Copy)]
pub struct CodeKernels {
    /// The instructions they use.
    pub name: &'static str,
    /// `batch(query, rows, out)`: `out[i]` becomes the sum of the products of the query and row `i`; the rows lie one
    /// after another.
    ///
    /// Panics unless the stride is a multiple of 32 bytes and `rows.len()` is the stride times `out.len()`.
    pub batch: fn(&[i8], &[u8], &mut [i32]),
    /// `gather(query, rows, ids, out)`: `out[i]` becomes the sum of the products of the query and row `ids[i]`. Ids
    /// may repeat and stand in any order.
    ///
    /// Panics unless the stride is a multiple of 32 bytes, `ids.len() == out.len()`, and every row asked for lies
    /// wholly within `rows`.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub gather: fn(&[i8], &[u8], &[u32], &mut [i32]),
    /// `tile(queries, rows, stride, out)`: `out[q * R + r]` becomes the sum of the products of query `q` and row `r` of
    /// R rows of `stride` bytes. Queries and rows lie one after another.
    ///
    /// Panics unless the stride is a multiple of 32 bytes, both hold whole vectors (none where the stride is 0) and
    /// `out` has a place for every pair.
    pub tile: fn(&[i8], &[u8], usize, &mut [i32]),
}

/// The kernels of both codings.
#[derive(Clone, Copy)]
pub(crate) struct Codes {
    pub(crate) u8: CodeKernels,
    pub(crate) u4: CodeKernels,
}

impl Codes {
    /// To be handed out only where the instruction set of `B` is available.
    pub(crate) const fn new<B: CodeBackend>() -> Codes {
        Codes { u8: entry::<B, U8>(), u4: entry::<B, U4>() }
    }
}

const fn entry<B: CodeBackend, C: Coding>() -> CodeKernels {
    CodeKernels { name: B::NAME, batch: batch::<B, C>, gather: gather::<B, C>, tile: tile::<B, C> }
}

/// The bytes of a row for a query.
#[inline]
fn stride<C: Coding>(query: &[i8]) -> usize {
    assert!(query.len().is_multiple_of(C::QUERY_BYTES * GRAIN), "a stride that is no multiple of 32 bytes");
    query.len() / C::QUERY_BYTES
}

fn batch<B: CodeBackend, C: Coding>(query: &[i8], rows: &[u8], out: &mut [i32]) {
    let whole = stride::<C>(query).checked_mul(out.len());
    assert_eq!(whole, Some(rows.len()), "rows that do not fill the output");
    // SAFETY: there are `out.len()` whole rows; the table this stands in is handed out only where `B` is available.
    unsafe { B::batch::<C>(query, rows, out) }
}

fn gather<B: CodeBackend, C: Coding>(query: &[i8], rows: &[u8], ids: &[u32], out: &mut [i32]) {
    stride::<C>(query);
    assert_eq!(ids.len(), out.len(), "as many ids as outputs");
    // SAFETY: the lengths are as asked, the body checks the ids; the instruction set is as in `batch`.
    unsafe { B::gather::<C>(query, rows, ids, out) }
}

fn tile<B: CodeBackend, C: Coding>(queries: &[i8], rows: &[u8], stride: usize, out: &mut [i32]) {
    assert!(stride.is_multiple_of(GRAIN), "a stride that is no multiple of 32 bytes");
    assert!(queries.len().is_multiple_of(C::QUERY_BYTES), "queries that are not whole");
    if check_tile(queries.len() / C::QUERY_BYTES, rows.len(), stride, out.len()) {
        // SAFETY: whole vectors and a place for every pair; the instruction set is as in `batch`.
        unsafe { B::tile::<C>(queries, rows, stride, out) }
    }
}
