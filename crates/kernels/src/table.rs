//! The checked entries and the tables of plain function pointers, one per instruction set, resolved once.
//!
//! The entries are the only way to the kernels and their checks the only ones: a wrong length is a programming error
//! and panics. A table is handed out only where the machine has the instructions, which is what makes its entries safe to call.

use std::sync::OnceLock;

use crate::arch::Choices;
use crate::arch::scalar::{PlainLists, Scalar, codes::Plain};
use crate::bits::BitKernels;
use crate::codes::{CodeKernels, Codes, check_ids};
use crate::isa::{Isa, IsaOverrideError};
use crate::lookup::LookupKernels;
use crate::maxsim::{MaxSim, MaxSimCodes, MaxSimKernels};
use crate::metric::{Distance, HalfTable, Metric, Table, halves_of, kernels_of};
use crate::sparse::SparseKernels;
use crate::vector::Element;

/// The generic body compiled for one instruction set.
pub(crate) trait Backend {
    /// Lanes of its registers.
    const LANES: usize;
    /// # Safety
    /// The instruction set is available and `query.len() == row.len()`.
    unsafe fn pair<M: Distance, E: Element>(query: &[f32], row: &[E]) -> f32;
    /// # Safety
    /// The instruction set is available and `rows.len() == query.len() * out.len()`.
    unsafe fn batch<M: Distance, E: Element>(query: &[f32], rows: &[E], out: &mut [f32]);
    /// # Safety
    /// The instruction set is available, every id numbers a whole row of `query.len()` elements in `rows`, and
    /// `out.len() == ids.len()`.
    unsafe fn gather<M: Distance, E: Element>(query: &[f32], rows: &[E], ids: &[u32], out: &mut [f32]);
    /// # Safety
    /// The instruction set is available, `dims > 0`, `queries` and `rows` hold whole vectors of it, and `out` has a
    /// place for every pair of them.
    unsafe fn tile<M: Distance>(queries: &[f32], rows: &[f32], dims: usize, out: &mut [f32]);
    /// # Safety
    /// The instruction set is available and `matrix.len() == x.len() * out.len()`.
    unsafe fn project(x: &[f32], matrix: &[f32], out: &mut [f32]);
    /// # Safety
    /// The instruction set is available, `dims > 0`, `xs` holds whole vectors of it, the matrix `dims` rows, and `out` a
    /// row of as many numbers for each vector.
    unsafe fn project_all(xs: &[f32], dims: usize, matrix: &[f32], out: &mut [f32]);
    /// # Safety
    /// As [`crate::maxsim::maxsim`].
    unsafe fn maxsim<E: Element, const AT: bool>(
        panel: &[f32],
        tokens: &[E],
        dims: usize,
        best: &mut [f32],
        at: &mut [u32],
    );
}

/// One metric's kernels on f32. They read each row once, allocate nothing and accept any alignment.
#[derive(Clone, Copy)]
pub struct MetricKernels {
    /// The distance of two vectors of one length.
    ///
    /// Panics when the lengths differ.
    pub pair: fn(&[f32], &[f32]) -> f32,
    /// `batch(query, rows, out)`: `out[i]` becomes the distance of the query to row `i`; the rows lie one after
    /// another, each as long as the query.
    ///
    /// Panics unless `rows.len() == query.len() * out.len()`.
    pub batch: fn(&[f32], &[f32], &mut [f32]),
    /// `gather(query, rows, ids, out)`: `out[i]` becomes the distance of the query to row `ids[i]`. Ids may repeat and
    /// stand in any order; ascending ones are the kindest to the memory.
    ///
    /// Panics unless `ids.len() == out.len()` and every row asked for lies wholly within `rows`.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub gather: fn(&[f32], &[f32], &[u32], &mut [f32]),
    /// `tile(queries, rows, dims, out)`: `out[q * R + r]` becomes the distance of query `q` to row `r` of R rows, with
    /// the bits of `pair`. Queries and rows lie one after another.
    ///
    /// Panics unless both hold whole vectors of `dims` components (none where `dims` is 0) and `out` has a place for
    /// every pair.
    pub tile: fn(&[f32], &[f32], usize, &mut [f32]),
}

/// One metric's kernels on rows of half precision (the bits of IEEE 754 binary16) against a query of f32. The rows are
/// widened exactly, so everything else is as in [`MetricKernels`].
#[derive(Clone, Copy)]
pub struct HalfKernels {
    /// As [`MetricKernels::pair`].
    pub pair: fn(&[f32], &[u16]) -> f32,
    /// As [`MetricKernels::batch`].
    pub batch: fn(&[f32], &[u16], &mut [f32]),
    /// As [`MetricKernels::gather`].
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub gather: fn(&[f32], &[u16], &[u32], &mut [f32]),
}

/// A vector times a matrix, and many.
pub(crate) type Project = fn(&[f32], &[f32], &mut [f32]);
pub(crate) type ProjectAll = fn(&[f32], usize, &[f32], &mut [f32]);

/// The kernels of one instruction set, and of what this CPU has beside it (VNNI and the like).
pub struct Kernels {
    /// The instruction set they use.
    pub isa: Isa,
    /// `project(x, matrix, out)`: `out` becomes `x` times the matrix, which has a row of `out.len()` numbers for each
    /// of `x`. The same bits on every instruction set: `out[j]` starts at 0, then `x[i] * matrix[i][j]` is added for
    /// `i` ascending, product and sum each rounded.
    ///
    /// Panics unless `matrix.len() == x.len() * out.len()`.
    pub project: fn(&[f32], &[f32], &mut [f32]),
    /// `project_all(xs, dims, matrix, out)`: `project` of each vector of `xs`, which lie one after another, into the rows
    /// of `out`; with its bits.
    ///
    /// Panics unless `dims` is above 0, vectors and the matrix's `dims` rows are whole, and `out` has a row for each vector.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub project_all: fn(&[f32], usize, &[f32], &mut [f32]),
    f32: Table,
    f16: HalfTable,
    codes: Codes,
    bits: BitKernels,
    lookup: LookupKernels,
    maxsim: MaxSim,
    sparse: SparseKernels,
}

impl Kernels {
    /// MaxSim on tokens of f32 and f16.
    #[inline]
    pub fn maxsim(&self) -> &MaxSimKernels {
        &self.maxsim.floats
    }

    /// MaxSim on 8-bit codes.
    #[inline]
    pub fn maxsim_codes(&self) -> &MaxSimCodes {
        &self.maxsim.codes
    }

    /// The kernels of a metric on f32 vectors.
    #[inline]
    pub fn f32(&self, metric: Metric) -> &MetricKernels {
        &self.f32[metric as usize]
    }

    /// The kernels of a metric on rows of half precision against a query of f32.
    #[inline]
    pub fn f16(&self, metric: Metric) -> &HalfKernels {
        &self.f16[metric as usize]
    }

    /// The kernels on bit sets.
    #[inline]
    pub fn bits(&self) -> &BitKernels {
        &self.bits
    }

    /// The fast scan of 4-bit codes by tables.
    #[inline]
    pub fn lookup(&self) -> &LookupKernels {
        &self.lookup
    }

    /// The kernels on weighted postings.
    #[inline]
    pub fn sparse(&self) -> &SparseKernels {
        &self.sparse
    }

    /// The kernels on codes of a byte each: the query has a signed byte for each.
    #[inline]
    pub fn u8(&self) -> &CodeKernels {
        &self.codes.u8
    }

    /// The kernels on codes of 4 bits, packed two a byte. A row is cut into blocks of 64 bytes, the last of which may
    /// have 32; in a block of `n` bytes, byte `j` holds code `j` in its low nibble and code `n + j` in its high one.
    /// The query has a signed byte for each code, in the order of the codes: twice the stride.
    #[inline]
    pub fn u4(&self) -> &CodeKernels {
        &self.codes.u4
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels").field("isa", &self.isa).finish_non_exhaustive()
    }
}

/// The checked entries of one metric on one instruction set.
pub(crate) const fn entry<B: Backend, M: Distance>() -> MetricKernels {
    MetricKernels {
        pair: pair::<B, M, f32>,
        batch: batch::<B, M, f32>,
        gather: gather::<B, M, f32>,
        tile: tile::<B, M>,
    }
}

/// The same on rows of half precision.
pub(crate) const fn half_entry<B: Backend, M: Distance>() -> HalfKernels {
    HalfKernels { pair: pair::<B, M, u16>, batch: batch::<B, M, u16>, gather: gather::<B, M, u16> }
}

fn pair<B: Backend, M: Distance, E: Element>(query: &[f32], row: &[E]) -> f32 {
    assert_eq!(query.len(), row.len(), "vectors of different lengths");
    // SAFETY: the lengths are equal; the table this stands in is handed out only where `B`'s instruction set is.
    unsafe { B::pair::<M, E>(query, row) }
}

fn batch<B: Backend, M: Distance, E: Element>(query: &[f32], rows: &[E], out: &mut [f32]) {
    assert_eq!(query.len().checked_mul(out.len()), Some(rows.len()), "rows that do not fill the output");
    // SAFETY: there are `out.len()` whole rows; the instruction set is as in `pair`.
    unsafe { B::batch::<M, E>(query, rows, out) }
}

fn gather<B: Backend, M: Distance, E: Element>(query: &[f32], rows: &[E], ids: &[u32], out: &mut [f32]) {
    assert_eq!(ids.len(), out.len(), "as many ids as outputs");
    check_ids(ids, rows.len(), query.len());
    // SAFETY: the last of the rows asked for ends within `rows`; the instruction set is as in `pair`.
    unsafe { B::gather::<M, E>(query, rows, ids, out) }
}

fn tile<B: Backend, M: Distance>(queries: &[f32], rows: &[f32], dims: usize, out: &mut [f32]) {
    if check_tile(queries.len(), rows.len(), dims, out.len()) {
        // SAFETY: whole vectors and a place for every pair; the instruction set is as in `pair`.
        unsafe { B::tile::<M>(queries, rows, dims, out) }
    }
}

/// Panics unless whole vectors of `dims` fill `queries` and `rows` and their pairs `out`; whether there are any.
pub(crate) fn check_tile(queries: usize, rows: usize, dims: usize, out: usize) -> bool {
    let count = |len: usize| len.checked_div(dims).unwrap_or(0);
    let whole = |len: usize| count(len) * dims == len;
    assert!(whole(queries) && whole(rows), "vectors that are not whole");
    assert_eq!(count(queries).checked_mul(count(rows)), Some(out), "pairs that do not fill the output");
    out > 0
}

pub(crate) fn project<B: Backend>(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    assert_eq!(x.len().checked_mul(out.len()), Some(matrix.len()), "a matrix of another shape");
    // SAFETY: the matrix has a row for each of `x`; the instruction set is as in `pair`.
    unsafe { B::project(x, matrix, out) }
}

pub(crate) fn project_all<B: Backend>(xs: &[f32], dims: usize, matrix: &[f32], out: &mut [f32]) {
    assert!(dims > 0 && xs.len().is_multiple_of(dims), "vectors that are not whole");
    assert!(matrix.len().is_multiple_of(dims), "a matrix of another shape");
    assert_eq!(
        (xs.len() / dims).checked_mul(matrix.len() / dims),
        Some(out.len()),
        "rows that do not fill the output"
    );
    // SAFETY: whole vectors, and a row of the output for each; the instruction set is as in `pair`.
    unsafe { B::project_all(xs, dims, matrix, out) }
}

/// The kernels of `isa`, where this machine has it.
pub fn kernels_for(isa: Isa) -> Option<&'static Kernels> {
    static TABLE: [OnceLock<Option<Kernels>>; Isa::ALL.len()] = [const { OnceLock::new() }; Isa::ALL.len()];
    TABLE[isa as usize].get_or_init(|| variants_for(isa).pop()).as_ref()
}

/// Every set of kernels that this machine can run under the name of `isa`: the plainest first, what
/// [`kernels_for`] gives last, none where the machine lacks it. They differ in what is optional beside the
/// instruction set; tests run them all.
pub fn variants_for(isa: Isa) -> Vec<Kernels> {
    if !isa.is_available() {
        return Vec::new();
    }
    let Some(all) = Choices::of(isa) else { return Vec::new() };
    let count = [
        all.f16.len(),
        all.codes.len(),
        all.bits.len(),
        all.lookup.len(),
        all.maxsim.len(),
        all.sparse.len(),
    ];
    let count = count.into_iter().fold(all.maxsim_codes.len(), usize::max);
    // Where a kind has fewer choices than another, its best goes with all that follow.
    fn nth<T: Copy>(choices: &[T], at: usize) -> T {
        choices[at.min(choices.len() - 1)]
    }
    let variant = |at: usize| Kernels {
        isa,
        project: all.project,
        project_all: all.project_all,
        f32: all.f32,
        f16: nth(&all.f16, at),
        codes: nth(&all.codes, at),
        bits: nth(&all.bits, at),
        lookup: nth(&all.lookup, at),
        maxsim: MaxSim { floats: nth(&all.maxsim, at), codes: nth(&all.maxsim_codes, at) },
        sparse: nth(&all.sparse, at),
    };
    (0..count).map(variant).collect()
}

/// The instruction sets this machine has, the preferred one last.
pub fn available() -> Vec<Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
}

/// The best kernels of this machine, or those that `TERCET_ISA` names; resolved at the first call.
///
/// A value that names nothing available is not followed; [`isa_override_error`] tells.
pub fn kernels() -> &'static Kernels {
    resolved().kernels
}

/// Why `TERCET_ISA` was not followed, if it was not.
pub fn isa_override_error() -> Option<&'static IsaOverrideError> {
    resolved().error.as_ref()
}

struct Resolved {
    kernels: &'static Kernels,
    error: Option<IsaOverrideError>,
}

fn resolved() -> &'static Resolved {
    static RESOLVED: OnceLock<Resolved> = OnceLock::new();
    RESOLVED.get_or_init(|| {
        let wanted = std::env::var_os("TERCET_ISA");
        resolve(wanted.as_deref().map(|value| value.to_string_lossy()).as_deref())
    })
}

/// An empty value counts as none.
fn resolve(wanted: Option<&str>) -> Resolved {
    let error = match wanted {
        None | Some("") => None,
        Some(value) => match Isa::from_name(value) {
            None => Some(IsaOverrideError::Unknown { value: value.to_owned() }),
            Some(isa) => match kernels_for(isa) {
                Some(kernels) => return Resolved { kernels, error: None },
                None => Some(IsaOverrideError::Unavailable { isa }),
            },
        },
    };
    Resolved { kernels: best(), error }
}

fn best() -> &'static Kernels {
    static SCALAR: Kernels = Kernels {
        isa: Isa::Scalar,
        project: project::<Scalar>,
        project_all: project_all::<Scalar>,
        f32: kernels_of::<Scalar>(),
        f16: halves_of::<Scalar>(),
        codes: Codes::new::<Plain>(),
        bits: BitKernels::new::<Plain>(),
        lookup: LookupKernels::new::<Plain>(),
        maxsim: MaxSim { floats: MaxSimKernels::new::<Scalar, Scalar>(), codes: MaxSimCodes::new::<Plain>() },
        sparse: SparseKernels::new::<PlainLists>(),
    };
    Isa::ALL.into_iter().rev().find_map(kernels_for).unwrap_or(&SCALAR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_override_is_followed_where_it_can_be() {
        for isa in available() {
            let resolved = resolve(Some(isa.name()));
            assert_eq!((resolved.kernels.isa, resolved.error), (isa, None));
        }
        let best = *available().last().unwrap();
        for nothing in [None, Some("")] {
            let resolved = resolve(nothing);
            assert_eq!((resolved.kernels.isa, resolved.error), (best, None));
        }
    }

    #[test]
    fn an_override_that_cannot_be_followed_is_told() {
        let best = *available().last().unwrap();
        let unknown = resolve(Some("avx1024"));
        assert_eq!(unknown.kernels.isa, best);
        assert_eq!(unknown.error, Some(IsaOverrideError::Unknown { value: "avx1024".into() }));
        let missing = Isa::ALL.into_iter().find(|isa| !isa.is_available()).expect("no machine has all");
        let resolved = resolve(Some(missing.name()));
        assert_eq!(resolved.kernels.isa, best);
        assert_eq!(resolved.error, Some(IsaOverrideError::Unavailable { isa: missing }));
    }
}
