//! Bits on AVX2: the ones of a nibble looked up in a register (Mula, Kurz and Lemire, Faster population counts using
//! AVX2 instructions, 2018).

use std::arch::x86_64::*;

use super::codes::Madd256;
use crate::bits::{Bits, bit_backend};
use crate::codes::Bytes;

bit_backend!(Madd256, "avx2");

/// The ones of each nibble, twice.
static ONES: [u8; 32] =
    [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];

impl Bits for Madd256 {
    type Base = Madd256;

    #[inline(always)]
    unsafe fn xor(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller vouches for AVX2, as in every method here.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_and_si256(a, b) }
    }

    #[inline(always)]
    unsafe fn add_ones(counts: __m256i, bits: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe {
            let ones = Self::load(ONES.as_ptr());
            let low = _mm256_shuffle_epi8(ones, Self::low(bits));
            let high = _mm256_shuffle_epi8(ones, Self::high(bits));
            let eights = _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
            _mm256_add_epi32(counts, eights)
        }
    }
}
