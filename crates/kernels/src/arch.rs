//! The instruction sets: a register type each, and the body compiled for it.
//!
//! `backend!` is what would otherwise be copied per instruction set: three functions that carry the target feature
//! and hold the inlined body.

use crate::bits::{BitBackend, BitKernels};
use crate::codes::{Bytes, CodeBackend, Codes};
use crate::isa::Isa;
use crate::lookup::{LookupBackend, LookupKernels};
use crate::maxsim::{MaxSimCodes, MaxSimKernels};
use crate::metric::{HalfTable, Table, halves_of, kernels_of};
use crate::sparse::{SparseBackend, SparseKernels};
use crate::table::{Backend, Project, ProjectAll, project, project_all};

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod simd128;

/// What this machine can run under the name of an instruction set, which it has: of each kind the plainest first, the
/// best last, at least one.
pub(crate) struct Choices {
    pub(crate) f32: Table,
    pub(crate) project: Project,
    pub(crate) project_all: ProjectAll,
    pub(crate) f16: Vec<HalfTable>,
    pub(crate) codes: Vec<Codes>,
    pub(crate) bits: Vec<BitKernels>,
    pub(crate) lookup: Vec<LookupKernels>,
    pub(crate) maxsim: Vec<MaxSimKernels>,
    pub(crate) maxsim_codes: Vec<MaxSimCodes>,
    pub(crate) sparse: Vec<SparseKernels>,
}

impl Choices {
    /// For an instruction set that implies all that its kernels use.
    fn plain<
        B: Backend,
        H: Backend,
        C: Bytes + CodeBackend + BitBackend + LookupBackend,
        S: SparseBackend,
    >() -> Choices {
        Choices {
            f32: kernels_of::<B>(),
            project: project::<B>,
            project_all: project_all::<B>,
            f16: vec![halves_of::<H>()],
            codes: vec![Codes::new::<C>()],
            bits: vec![BitKernels::new::<C>()],
            lookup: vec![LookupKernels::new::<C>()],
            // Both kinds of row meet one packed query: their lanes are the same.
            maxsim: vec![if B::LANES == H::LANES {
                MaxSimKernels::new::<B, H>()
            } else {
                MaxSimKernels::new::<H, H>()
            }],
            maxsim_codes: vec![MaxSimCodes::new::<C>()],
            sparse: vec![SparseKernels::new::<S>()],
        }
    }

    /// None where this is no architecture for it.
    pub(crate) fn of(isa: Isa) -> Option<Choices> {
        match isa {
            Isa::Scalar => {
                Some(
                    Choices::plain::<scalar::Scalar, scalar::Scalar, scalar::codes::Plain, scalar::PlainLists>(
                    ),
                )
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Some(Choices::avx2()),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Some(Choices::avx512()),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => {
                Some(Choices::plain::<neon::Neon, neon::Neon, neon::codes::Widening128, neon::Lists128>())
            }
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => Some(Choices::plain::<
                simd128::Simd128,
                simd128::Simd128,
                simd128::codes::Dot128,
                simd128::Lists128,
            >()),
            #[allow(
                unreachable_patterns,
                reason = "reachable on every single architecture, not on their union"
            )]
            _ => None,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn avx2() -> Choices {
        let mut all = Choices::plain::<avx2::Avx2, scalar::Scalar, avx2::codes::Madd256, avx2::Lists256>();
        if is_x86_feature_detected!("f16c") {
            all.f16.push(halves_of::<avx2::Avx2F16c>());
            all.maxsim.push(MaxSimKernels::new::<avx2::Avx2, avx2::Avx2F16c>());
        }
        if is_x86_feature_detected!("avxvnni") {
            all.codes.push(Codes::new::<avx2::codes::Vnni256>());
            all.maxsim_codes.push(MaxSimCodes::new::<avx2::codes::Vnni256>());
        }
        all
    }

    #[cfg(target_arch = "x86_64")]
    fn avx512() -> Choices {
        // AVX-512F implies AVX2.
        let mut all =
            Choices::plain::<avx512::Avx512, avx512::Avx512, avx2::codes::Madd256, avx2::Lists256>();
        if is_x86_feature_detected!("avx512bw") {
            all.codes.push(Codes::new::<avx512::codes::Madd512>());
            all.lookup.push(LookupKernels::new::<avx512::codes::Madd512>());
            all.maxsim_codes.push(MaxSimCodes::new::<avx512::codes::Madd512>());
            if is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                all.sparse.push(SparseKernels::new::<avx512::Lists512>());
            }
            if is_x86_feature_detected!("avx512vnni") {
                all.codes.push(Codes::new::<avx512::codes::Vnni512>());
                all.maxsim_codes.push(MaxSimCodes::new::<avx512::codes::Vnni512>());
            }
            if is_x86_feature_detected!("avx512vpopcntdq") {
                all.bits.push(BitKernels::new::<avx512::codes::Madd512>());
            }
        }
        all
    }
}

/// Compiles the generic body for a register type under the given target features.
macro_rules! backend {
    ($backend:ident, $vector:ty $(, $features:literal)?) => {
        pub(crate) struct $backend;

        impl crate::table::Backend for $backend {
            const LANES: usize = <$vector as crate::vector::Vector>::LANES;

            $(#[target_feature(enable = $features)])?
            unsafe fn pair<M: crate::metric::Distance, E: crate::vector::Element>(query: &[f32], row: &[E]) -> f32 {
                // SAFETY: the caller vouches for the instruction set and for equal lengths.
                unsafe { crate::generic::pair::<$vector, M, E>(query, row) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn batch<M: crate::metric::Distance, E: crate::vector::Element>(query: &[f32], rows: &[E], out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set and for `out.len()` whole rows.
                unsafe { crate::generic::batch::<$vector, M, E>(query, rows, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn gather<M: crate::metric::Distance, E: crate::vector::Element>(
 query: &[f32],
 rows: &[E],
 ids: &[u32],
 out: &mut [f32],
) {
                // SAFETY: the caller vouches for the instruction set, for the ids and for `out.len() == ids.len()`.
                unsafe { crate::generic::gather::<$vector, M, E>(query, rows, ids, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn tile<M: crate::metric::Distance>(queries: &[f32], rows: &[f32], dims: usize, out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::tile::tile::<$vector, M>(queries, rows, dims, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn project(x: &[f32], matrix: &[f32], out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::project::project::<$vector>(x, matrix, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn project_all(xs: &[f32], dims: usize, matrix: &[f32], out: &mut [f32]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::project::project_all::<$vector>(xs, dims, matrix, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn maxsim<E: crate::vector::Element, const AT: bool>(
                panel: &[f32],
                tokens: &[E],
                dims: usize,
                best: &mut [f32],
                at: &mut [u32],
            ) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::maxsim::maxsim::<$vector, E, AT>(panel, tokens, dims, best, at) }
            }
        }
    };
}
pub(crate) use backend;
