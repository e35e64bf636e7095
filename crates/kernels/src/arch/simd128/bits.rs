//! Bits on WebAssembly's simd128, which counts the ones of bytes.

use std::arch::wasm32::*;

use super::codes::Dot128;
use crate::bits::{Bits, bit_backend};

bit_backend!(Dot128);

impl Bits for Dot128 {
    type Base = Dot128;

    #[inline(always)]
    unsafe fn xor(a: v128, b: v128) -> v128 {
        v128_xor(a, b)
    }

    #[inline(always)]
    unsafe fn and(a: v128, b: v128) -> v128 {
        v128_and(a, b)
    }

    #[inline(always)]
    unsafe fn add_ones(counts: v128, bits: v128) -> v128 {
        let pairs = u16x8_extadd_pairwise_u8x16(u8x16_popcnt(bits));
        i32x4_add(counts, u32x4_extadd_pairwise_u16x8(pairs))
    }
}
