//! The instruction sets: a register type each, and the body compiled for it.
//!
//! `backend!` is what would otherwise be copied per instruction set: three functions that carry the target feature
//! and hold the inlined body.

use crate::codes::Codes;
use crate::isa::Isa;
use crate::metric::{Table, kernels_of};

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod simd128;

/// The f32 kernels of an instruction set; none where this is no architecture for it.
pub(crate) fn f32_table(isa: Isa) -> Option<Table> {
    match isa {
        Isa::Scalar => Some(kernels_of::<scalar::Scalar>()),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Some(kernels_of::<avx2::Avx2>()),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Some(kernels_of::<avx512::Avx512>()),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => Some(kernels_of::<neon::Neon>()),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 => Some(kernels_of::<simd128::Simd128>()),
        #[allow(unreachable_patterns, reason = "reachable on every single architecture, not on their union")]
        _ => None,
    }
}

/// The kernels on codes that this machine can run under the name of `isa`, which it has; the best last.
pub(crate) fn code_tables(isa: Isa) -> Vec<Codes> {
    let all = match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => vec![
            (true, Codes::new::<avx2::codes::Madd256>()),
            (is_x86_feature_detected!("avxvnni"), Codes::new::<avx2::codes::Vnni256>()),
        ],
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            let bw = is_x86_feature_detected!("avx512bw");
            let vnni = bw && is_x86_feature_detected!("avx512vnni");
            vec![
                (true, Codes::new::<avx2::codes::Madd256>()),
                (bw, Codes::new::<avx512::codes::Madd512>()),
                (vnni, Codes::new::<avx512::codes::Vnni512>()),
            ]
        }
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => vec![(true, Codes::new::<neon::codes::Widening128>())],
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 => vec![(true, Codes::new::<simd128::codes::Dot128>())],
        _ => vec![(true, Codes::new::<scalar::codes::Plain>())],
    };
    all.into_iter().filter(|(available, _)| *available).map(|(_, codes)| codes).collect()
}

/// Compiles the generic body for a register type under the given target features.
macro_rules! backend {
    ($backend:ident, $vector:ty $(, $features:literal)?) => {
        pub(crate) struct $backend;

        impl crate::table::Backend for $backend {
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
