//! WebAssembly simd128: 4 lanes; 16 registers is what engines have on x86-64. A tail goes through a small buffer.
//!
//! Plain multiply and add: relaxed-simd's fused form rounds as the host likes, so results would differ between visitors.

mod bits;
pub(crate) mod codes;
mod lookup;

use std::arch::wasm32::*;

use super::backend;
use crate::half::SCALE;
use crate::sparse::sparse_backend;
use crate::vector::Vector;

backend!(Simd128, v128);
sparse_backend!(Lists128, "simd128");

impl Vector for v128 {
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> v128 {
        f32x4_splat(0.0)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> v128 {
        // SAFETY: the caller vouches for four floats; v128_load takes any alignment.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const f32, count: usize) -> v128 {
        debug_assert!(count < 4);
        let mut head = [0.0f32; 4];
        // SAFETY: the caller vouches for `count` floats, fewer than the buffer has.
        unsafe {
            from.copy_to_nonoverlapping(head.as_mut_ptr(), count);
            v128_load(head.as_ptr().cast())
        }
    }

    /// As `f16_to_f32`, in lanes.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> v128 {
        // SAFETY: the caller vouches for four halves; the load takes any alignment.
        let halves = unsafe { v128_load64_zero(from.cast()) };
        let halves = u32x4_extend_low_u16x8(halves);
        let magnitude = i32x4_shl(v128_and(halves, i32x4_splat(0x7fff)), 13);
        let finite = f32x4_mul(magnitude, f32x4_splat(SCALE));
        let special = v128_or(magnitude, i32x4_splat(0x7f80_0000));
        let is_special = i32x4_ge(magnitude, i32x4_splat(0x7c00 << 13));
        let sign = i32x4_shl(v128_and(halves, i32x4_splat(0x8000)), 16);
        v128_or(v128_bitselect(special, finite, is_special), sign)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the room; the store takes any alignment.
        unsafe { v128_store(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> v128 {
        f32x4_splat(value)
    }

    #[inline(always)]
    unsafe fn mul(self, other: v128) -> v128 {
        f32x4_mul(self, other)
    }

    #[inline(always)]
    unsafe fn add(self, other: v128) -> v128 {
        f32x4_add(self, other)
    }

    #[inline(always)]
    unsafe fn sub(self, other: v128) -> v128 {
        f32x4_sub(self, other)
    }

    #[inline(always)]
    unsafe fn add_product(self, a: v128, b: v128) -> v128 {
        f32x4_add(self, f32x4_mul(a, b))
    }

    #[inline(always)]
    unsafe fn larger(self, other: v128) -> v128 {
        f32x4_pmax(self, other)
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let pairs = f32x4_add(self, i32x4_shuffle::<2, 3, 0, 1>(self, self));
        f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
    }
}
