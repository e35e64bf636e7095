//! The checked entries and the tables of plain function pointers, one per instruction set, resolved once.
//!
//! The entries are the only way to the kernels and their checks the only ones: a wrong length is a programming error
//! and panics. A table is handed out only where [`Isa::is_available`], which is what makes its entries safe to call.

use std::sync::OnceLock;

use crate::arch;
use crate::isa::{Isa, IsaOverrideError};
use crate::metric::{Distance, Metric, Table, kernels_of};

/// The generic body compiled for one instruction set.
pub(crate) trait Backend {
    const ISA: Isa;

    /// # Safety
    /// `ISA` is available and `query.len() == row.len()`.
    unsafe fn pair<M: Distance>(query: &[f32], row: &[f32]) -> f32;
    /// # Safety
    /// `ISA` is available and `rows.len() == query.len() * out.len()`.
    unsafe fn batch<M: Distance>(query: &[f32], rows: &[f32], out: &mut [f32]);
    /// # Safety
    /// `ISA` is available, every id numbers a whole row of `query.len()` floats in `rows`, and
    /// `out.len() == ids.len()`.
    unsafe fn gather<M: Distance>(query: &[f32], rows: &[f32], ids: &[u32], out: &mut [f32]);
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
}

/// The kernels of one instruction set.
pub struct Kernels {
    /// The instruction set they use.
    pub isa: Isa,
    f32: Table,
}

impl Kernels {
    const fn new<B: Backend>() -> Kernels {
        Kernels { isa: B::ISA, f32: kernels_of::<B>() }
    }

    /// The kernels of a metric on f32 vectors.
    #[inline]
    pub fn f32(&self, metric: Metric) -> &MetricKernels {
        &self.f32[metric as usize]
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels").field("isa", &self.isa).finish_non_exhaustive()
    }
}

/// The checked entries of one metric on one instruction set.
pub(crate) const fn entry<B: Backend, M: Distance>() -> MetricKernels {
    MetricKernels { pair: pair::<B, M>, batch: batch::<B, M>, gather: gather::<B, M> }
}

fn pair<B: Backend, M: Distance>(query: &[f32], row: &[f32]) -> f32 {
    assert_eq!(query.len(), row.len(), "vectors of different lengths");
    // SAFETY: the lengths are equal; the table this stands in is handed out only where `B::ISA` is available.
    unsafe { B::pair::<M>(query, row) }
}

fn batch<B: Backend, M: Distance>(query: &[f32], rows: &[f32], out: &mut [f32]) {
    assert_eq!(query.len().checked_mul(out.len()), Some(rows.len()), "rows that do not fill the output");
    // SAFETY: there are `out.len()` whole rows; the instruction set is as in `pair`.
    unsafe { B::batch::<M>(query, rows, out) }
}

fn gather<B: Backend, M: Distance>(query: &[f32], rows: &[f32], ids: &[u32], out: &mut [f32]) {
    assert_eq!(ids.len(), out.len(), "as many ids as outputs");
    if let Some(last) = ids.iter().copied().max() {
        let end = (last as usize).checked_add(1).and_then(|count| count.checked_mul(query.len()));
        assert!(end.is_some_and(|end| end <= rows.len()), "a row id out of bounds");
    }
    // SAFETY: the last of the rows asked for ends within `rows`; the instruction set is as in `pair`.
    unsafe { B::gather::<M>(query, rows, ids, out) }
}

/// The kernels of `isa`, where this machine has it.
pub fn kernels_for(isa: Isa) -> Option<&'static Kernels> {
    if !isa.is_available() {
        return None;
    }
    match isa {
        Isa::Scalar => {
            static KERNELS: Kernels = Kernels::new::<arch::scalar::Scalar>();
            Some(&KERNELS)
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            static KERNELS: Kernels = Kernels::new::<arch::avx2::Avx2>();
            Some(&KERNELS)
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            static KERNELS: Kernels = Kernels::new::<arch::avx512::Avx512>();
            Some(&KERNELS)
        }
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => {
            static KERNELS: Kernels = Kernels::new::<arch::neon::Neon>();
            Some(&KERNELS)
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 => {
            static KERNELS: Kernels = Kernels::new::<arch::simd128::Simd128>();
            Some(&KERNELS)
        }
        #[allow(unreachable_patterns, reason = "reachable on every single architecture, not on their union")]
        _ => None,
    }
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
    static SCALAR: Kernels = Kernels::new::<arch::scalar::Scalar>();
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
