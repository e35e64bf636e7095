//! Codes on Advanced SIMD, by 16-bit products.

use std::arch::aarch64::*;

use crate::codes::{Bytes, code_backend};
use crate::maxsim::codes::Tokens;

pub(crate) struct Widening128;

code_backend!(Widening128, "neon");

impl Bytes for Widening128 {
    const NAME: &'static str = "neon";
    const REGISTERS: usize = 32;
    const STEP: usize = 16;
    type Register = uint8x16_t;
    /// The lower bytes and the upper ones.
    type Query = [int16x8_t; 2];
    type Sums = int32x4_t;

    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller vouches for Advanced SIMD, as in every method here.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> uint8x16_t {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn low(bytes: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vandq_u8(bytes, vdupq_n_u8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vshrq_n_u8::<4>(bytes) }
    }

    #[inline(always)]
    unsafe fn widen(query: uint8x16_t) -> [int16x8_t; 2] {
        // SAFETY: Advanced SIMD is there.
        unsafe {
            let query = vreinterpretq_s8_u8(query);
            [vmovl_s8(vget_low_s8(query)), vmovl_high_s8(query)]
        }
    }

    /// A product of the two ranges fits in i16: `255 * -128 = -32640`.
    #[inline(always)]
    unsafe fn add_products(sums: int32x4_t, [low, high]: [int16x8_t; 2], codes: uint8x16_t) -> int32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe {
            let low = vmulq_s16(low, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes))));
            let high = vmulq_s16(high, vreinterpretq_s16_u16(vmovl_high_u8(codes)));
            vpadalq_s16(vpadalq_s16(sums, low), high)
        }
    }

    /// The four products that meet in an i16 cannot wrap: `4 * 15 * 128` is far below `2^15`.
    #[inline(always)]
    unsafe fn add_nibbles(sums: int32x4_t, query: [uint8x16_t; 2], codes: [uint8x16_t; 2]) -> int32x4_t {
        // SAFETY: Advanced SIMD is there; a nibble is the same signed or not.
        unsafe {
            let first = nibble_products(query[0], codes[0]);
            vpadalq_s16(sums, vaddq_s16(first, nibble_products(query[1], codes[1])))
        }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
        let mut out = [0; 4];
        // SAFETY: Advanced SIMD is there; the array has four lanes.
        unsafe { vst1q_s32(out.as_mut_ptr(), vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))) };
        out
    }

    #[inline(always)]
    unsafe fn total(sums: int32x4_t) -> i32 {
        // SAFETY: Advanced SIMD is there.
        unsafe { vaddvq_s32(sums) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        crate::prefetch::line(at);
    }
}

/// The products of the lower bytes plus those of the upper ones.
#[inline(always)]
unsafe fn nibble_products(query: uint8x16_t, codes: uint8x16_t) -> int16x8_t {
    // SAFETY: the caller vouches for Advanced SIMD.
    unsafe {
        let (query, codes) = (vreinterpretq_s8_u8(query), vreinterpretq_s8_u8(codes));
        vmlal_high_s8(vmull_s8(vget_low_s8(query), vget_low_s8(codes)), query, codes)
    }
}

/// Codes are centred here, so that two products fit in i16: `2 * 128 * 127 < 2^15`.
impl Tokens for Widening128 {
    type Floats = float32x4_t;
    type Sums = int32x4_t;
    type Query = int8x16_t;
    /// The first two bytes for each lane, and the other two.
    type Codes = [int8x8_t; 2];
    const REGISTERS: usize = 32;

    /// Two bytes of each lane, then the other two.
    #[inline(always)]
    fn place(lane: usize, k: usize) -> usize {
        k / 2 * 8 + lane * 2 + k % 2
    }

    const MIDDLE: i32 = 0;

    #[inline(always)]
    unsafe fn begin(from: *const i32) -> int32x4_t {
        // SAFETY: the caller vouches for the numbers of all lanes.
        unsafe { vld1q_s32(from) }
    }

    #[inline(always)]
    unsafe fn query(from: *const i8) -> int8x16_t {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vld1q_s8(from) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const u8) -> [int8x8_t; 2] {
        // SAFETY: the caller vouches for four bytes.
        unsafe {
            let centred = |from: *const u8| {
                let codes = vreinterpret_u8_u16(vdup_n_u16(from.cast::<u16>().read_unaligned()));
                vreinterpret_s8_u8(veor_u8(codes, vdup_n_u8(128)))
            };
            [centred(from), centred(from.add(2))]
        }
    }

    #[inline(always)]
    unsafe fn add(sums: int32x4_t, query: int8x16_t, codes: [int8x8_t; 2]) -> int32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe {
            let products = vmull_s8(vget_low_s8(query), codes[0]);
            vpadalq_s16(sums, vmlal_s8(products, vget_high_s8(query), codes[1]))
        }
    }

    #[inline(always)]
    unsafe fn floats(sums: int32x4_t) -> float32x4_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vcvtq_f32_s32(sums) }
    }
}
