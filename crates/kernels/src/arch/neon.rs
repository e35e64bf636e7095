//! Advanced SIMD: 4 lanes, 32 registers; a tail goes through a small buffer.

mod bits;
pub(crate) mod codes;
mod lookup;

use std::arch::aarch64::*;

use super::backend;
use crate::sparse::sparse_backend;
use crate::vector::Vector;

backend!(Neon, float32x4_t, "neon");
sparse_backend!(Lists128, "neon");

impl Vector for float32x4_t {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the caller vouches for Advanced SIMD, as in every method here.
        unsafe { vdupq_n_f32(0.0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for four floats.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_head(from: *const f32, count: usize) -> float32x4_t {
        debug_assert!(count < 4);
        let mut head = [0.0; 4];
        // SAFETY: the caller vouches for `count` floats, fewer than the buffer has.
        unsafe {
            from.copy_to_nonoverlapping(head.as_mut_ptr(), count);
            vld1q_f32(head.as_ptr())
        }
    }

    /// By name because the intrinsic's types are younger than the oldest compiler supported; the instruction is as
    /// old as the architecture.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> float32x4_t {
        let floats: float32x4_t;
        // SAFETY: the caller vouches for four halves; the instruction touches its two registers alone.
        unsafe {
            std::arch::asm!(
                "fcvtl {floats:v}.4s, {halves:v}.4h",
                floats = out(vreg) floats,
                halves = in(vreg) vld1_u16(from),
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        floats
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the room.
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: float32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vmulq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn add(self, other: float32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: float32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vsubq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vfmaq_f32(self, a, b) }
    }

    #[inline(always)]
    unsafe fn larger(self, other: float32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vbslq_f32(vcgtq_f32(other, self), other, self) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: Advanced SIMD is there.
        unsafe { vaddvq_f32(self) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        crate::prefetch::line(at);
    }
}
