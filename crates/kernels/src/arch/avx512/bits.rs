//! Bits on AVX-512 with VPOPCNTDQ.

use std::arch::x86_64::*;

use super::codes::Madd512;
use crate::bits::{Bits, bit_backend};

bit_backend!(Madd512, "avx512f,avx512bw,avx512vpopcntdq");

impl Bits for Madd512 {
    type Base = Madd512;

    #[inline(always)]
    unsafe fn load_head(from: *const u8, count: usize) -> __m512i {
        debug_assert!(count < 64);
        // SAFETY: the caller vouches for BW; a byte whose mask bit is zero is not read.
        unsafe { _mm512_maskz_loadu_epi8((1u64 << count) - 1, from.cast()) }
    }

    #[inline(always)]
    unsafe fn xor(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller vouches for AVX-512F.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_and_si512(a, b) }
    }

    #[inline(always)]
    unsafe fn add_ones(counts: __m512i, bits: __m512i) -> __m512i {
        // SAFETY: the caller vouches for VPOPCNTDQ.
        unsafe { _mm512_add_epi32(counts, _mm512_popcnt_epi32(bits)) }
    }
}
