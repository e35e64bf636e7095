//! AVX-512F: 16 lanes, 32 registers; tails by masked load.

mod bits;
pub(crate) mod codes;
mod lookup;

use std::arch::x86_64::*;

use super::avx2::{as_array, sum4};
use super::backend;
use crate::sparse::sparse_backend;
use crate::vector::Vector;

backend!(Avx512, __m512, "avx512f");
sparse_backend!(Lists512, "avx512f,avx512bw,avx512dq,avx512vl");

impl Vector for __m512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller vouches for AVX-512F, as in every method here.
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller vouches for sixteen floats.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const f32, count: usize) -> __m512 {
        debug_assert!(count < 16);
        // SAFETY: a lane whose mask bit is zero is not read.
        unsafe { _mm512_maskz_loadu_ps((1u16 << count) - 1, from) }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512 {
        // SAFETY: the caller vouches for sixteen halves.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: __m512) -> __m512 {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add(self, other: __m512) -> __m512 {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: __m512) -> __m512 {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn larger(self, other: __m512) -> __m512 {
        // SAFETY: AVX-512F is there; the instruction gives its second operand where neither is larger.
        unsafe { _mm512_max_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: AVX-512F is there; the upper half is taken as doubles because the f32 form needs AVX-512DQ.
        unsafe {
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self)));
            let halves = _mm256_add_ps(_mm512_castps512_ps256(self), upper);
            sum4(_mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves)))
        }
    }

    #[inline(always)]
    unsafe fn sum_of_four([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        // SAFETY: AVX-512F is there.
        unsafe {
            // As `sum` does: upper half to lower, upper quarter to lower; the quarters of the four beside each other.
            let (ab, cd) = (halves_of_two(a, b), halves_of_two(c, d));
            let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
            let quarters = _mm512_add_ps(even, _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd));
            // Then as in `sum4`, in each quarter, and the first lane of each.
            let pairs = _mm512_add_ps(quarters, _mm512_permute_ps::<0b11_10_11_10>(quarters));
            let sums = _mm512_add_ps(pairs, _mm512_permute_ps::<0b01_01_01_01>(pairs));
            as_array(_mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, sums)))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// The halves of each added, of `a` in the lower half and of `b` in the upper: for both what `sum` does first for one.
#[inline(always)]
unsafe fn halves_of_two(a: __m512, b: __m512) -> __m512 {
    // SAFETY: the caller vouches for AVX-512F.
    unsafe {
        let lower = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
        _mm512_add_ps(lower, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b))
    }
}
