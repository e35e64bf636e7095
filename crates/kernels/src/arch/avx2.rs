//! AVX2 with FMA: 8 lanes, 16 registers; tails by masked load.

mod bits;
pub(crate) mod codes;
mod lookup;

use std::arch::x86_64::*;

use super::backend;
use crate::sparse::sparse_backend;
use crate::vector::Vector;

backend!(Avx2, __m256, "avx2,fma");
sparse_backend!(Lists256, "avx2");
backend!(Avx2F16c, __m256, "avx2,fma,f16c");

/// A window of eight that starts at `8 - count` has `count` lanes set.
static HEAD_MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Vector for __m256 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller vouches for AVX2, as in every method here.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        // SAFETY: the caller vouches for eight floats.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const f32, count: usize) -> __m256 {
        debug_assert!(count < 8);
        // SAFETY: the window stays in the table because count < 8; a lane whose mask is zero is not read.
        unsafe {
            let mask = _mm256_loadu_si256(HEAD_MASKS.as_ptr().add(8 - count).cast());
            _mm256_maskload_ps(from, mask)
        }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256 {
        // SAFETY: the caller vouches for eight halves and for F16C.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: __m256) -> __m256 {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add(self, other: __m256) -> __m256 {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: __m256) -> __m256 {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: FMA is there.
        unsafe { _mm256_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn larger(self, other: __m256) -> __m256 {
        // SAFETY: AVX2 is there; the instruction gives its second operand where neither is larger.
        unsafe { _mm256_max_ps(other, self) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: AVX2 is there.
        unsafe { sum4(_mm_add_ps(_mm256_castps256_ps128(self), _mm256_extractf128_ps::<1>(self))) }
    }

    #[inline(always)]
    unsafe fn sum_of_four([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        // SAFETY: AVX2 is there.
        unsafe {
            let (ab, cd) = (halves_of_two(a, b), halves_of_two(c, d));
            // In each half: 0 + 2 of its row and of the other pair's, then 1 + 3 of the two.
            let sums = _mm256_add_ps(_mm256_unpacklo_ps(ab, cd), _mm256_unpackhi_ps(ab, cd));
            let sums = _mm256_add_ps(sums, _mm256_permute_ps::<0b11_10_11_10>(sums));
            let (ac, bd) = (_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
            as_array(_mm_unpacklo_ps(ac, bd))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// `(x0 + x2) + (x1 + x3)`.
#[inline(always)]
pub(super) unsafe fn sum4(x: __m128) -> f32 {
    // SAFETY: SSE is part of x86-64.
    unsafe {
        let pairs = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)))
    }
}

/// The halves of each added, of `a` in the lower half and of `b` in the upper: for both what `sum` does first for one.
#[inline(always)]
unsafe fn halves_of_two(a: __m256, b: __m256) -> __m256 {
    // SAFETY: the caller vouches for AVX2.
    unsafe { _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)) }
}

/// The lanes.
#[inline(always)]
pub(super) unsafe fn as_array(x: __m128) -> [f32; 4] {
    let mut lanes = [0.0; 4];
    // SAFETY: SSE is part of x86-64; the array has four lanes.
    unsafe { _mm_storeu_ps(lanes.as_mut_ptr(), x) };
    lanes
}
