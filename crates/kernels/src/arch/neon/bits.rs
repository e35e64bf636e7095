//! Bits on Advanced SIMD, which counts the ones of bytes.

use std::arch::aarch64::*;

use super::codes::Widening128;
use crate::bits::{Bits, bit_backend};

bit_backend!(Widening128, "neon");

impl Bits for Widening128 {
    type Base = Widening128;

    #[inline(always)]
    unsafe fn xor(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: the caller vouches for Advanced SIMD, as in every method here.
        unsafe { veorq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn and(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vandq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_ones(counts: int32x4_t, bits: uint8x16_t) -> int32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vpadalq_s16(counts, vreinterpretq_s16_u16(vpaddlq_u8(vcntq_u8(bits)))) }
    }
}
