//! The instruction sets: a register type each, and the body compiled for it.
//!
//! `backend!` is what would otherwise be copied per instruction set: three functions that carry the target feature
//! and hold the inlined body.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod simd128;

/// Compiles the generic body for a register type under the given target features.
macro_rules! backend {
    ($backend:ident, $isa:expr, $vector:ty $(, $features:literal)?) => {
        pub(crate) struct $backend;

        impl crate::table::Backend for $backend {
            const ISA: crate::isa::Isa = $isa;

            $(#[target_feature(enable = $features)])?
            unsafe fn pair<M: crate::metric::Distance>(query: &[f32], row: &[f32]) -> f32 {
                // SAFETY: the caller vouches for the instruction set and for equal lengths.
                unsafe { crate::generic::pair::<$vector, M>(query, row) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn batch<M: crate::metric::Distance>(query: &[f32], rows: &[f32], out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set and for `out.len()` whole rows.
                unsafe { crate::generic::batch::<$vector, M>(query, rows, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gather<M: crate::metric::Distance>(query: &[f32], rows: &[f32], ids: &[u32], out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set, for the ids and for `out.len() == ids.len()`.
                unsafe { crate::generic::gather::<$vector, M>(query, rows, ids, out) }
            }
        }
    };
}
pub(crate) use backend;
