//! Codes on WebAssembly's simd128, by 16-bit products.

use std::arch::wasm32::*;

use crate::codes::{Bytes, code_backend};
use crate::maxsim::codes::Tokens;

pub(crate) struct Dot128;

code_backend!(Dot128);

impl Bytes for Dot128 {
    const NAME: &'static str = "simd128";
    const REGISTERS: usize = 16;
    const STEP: usize = 16;
    type Register = v128;
    /// The lower bytes and the upper ones, as i16.
    type Query = [v128; 2];
    type Sums = v128;

    #[inline(always)]
    unsafe fn zero() -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> v128 {
        // SAFETY: the caller vouches for 16 bytes; v128_load takes any alignment.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: v128) -> v128 {
        v128_and(bytes, u8x16_splat(15))
    }

    #[inline(always)]
    unsafe fn high(bytes: v128) -> v128 {
        u8x16_shr(bytes, 4)
    }

    #[inline(always)]
    unsafe fn widen(query: v128) -> [v128; 2] {
        [i16x8_extend_low_i8x16(query), i16x8_extend_high_i8x16(query)]
    }

    #[inline(always)]
    unsafe fn add_products(sums: v128, [low, high]: [v128; 2], codes: v128) -> v128 {
        let low = i32x4_dot_i16x8(low, u16x8_extend_low_u8x16(codes));
        let high = i32x4_dot_i16x8(high, u16x8_extend_high_u8x16(codes));
        i32x4_add(sums, i32x4_add(low, high))
    }

    /// The four products that meet in an i16 cannot wrap: `4 * 15 * 128` is far below `2^15`.
    #[inline(always)]
    unsafe fn add_nibbles(sums: v128, query: [v128; 2], codes: [v128; 2]) -> v128 {
        let product = |half: usize| {
            let low = i16x8_extmul_low_i8x16(query[half], codes[half]);
            i16x8_add(low, i16x8_extmul_high_i8x16(query[half], codes[half]))
        };
        i32x4_add(sums, i32x4_extadd_pairwise_i16x8(i16x8_add(product(0), product(1))))
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [v128; 4]) -> [i32; 4] {
        // Lanes 0, 2 of both rows plus lanes 1, 3 of both; then the same once more.
        let even = |x, y| i32x4_shuffle::<0, 2, 4, 6>(x, y);
        let odd = |x, y| i32x4_shuffle::<1, 3, 5, 7>(x, y);
        let (ab, cd) = (i32x4_add(even(a, b), odd(a, b)), i32x4_add(even(c, d), odd(c, d)));
        let all = i32x4_add(even(ab, cd), odd(ab, cd));
        [
            i32x4_extract_lane::<0>(all),
            i32x4_extract_lane::<1>(all),
            i32x4_extract_lane::<2>(all),
            i32x4_extract_lane::<3>(all),
        ]
    }

    #[inline(always)]
    unsafe fn total(sums: v128) -> i32 {
        let pairs = i32x4_add(sums, i32x4_shuffle::<2, 3, 0, 1>(sums, sums));
        i32x4_extract_lane::<0>(pairs).wrapping_add(i32x4_extract_lane::<1>(pairs))
    }
}

/// Codes are centred here, so that two products fit in i16.
impl Tokens for Dot128 {
    type Floats = v128;
    type Sums = v128;
    type Query = v128;
    type Codes = v128;
    const REGISTERS: usize = 12;

    /// Two bytes of each lane, then the other two.
    #[inline(always)]
    fn place(lane: usize, k: usize) -> usize {
        k / 2 * 8 + lane * 2 + k % 2
    }

    const MIDDLE: i32 = 0;

    #[inline(always)]
    unsafe fn begin(from: *const i32) -> v128 {
        // SAFETY: the caller vouches for the numbers of all lanes.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn query(from: *const i8) -> v128 {
        // SAFETY: the caller vouches for 16 bytes; v128_load takes any alignment.
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const u8) -> v128 {
        // SAFETY: the caller vouches for four bytes; the load takes any alignment.
        let codes = unsafe { v128_load32_splat(from.cast()) };
        v128_xor(i16x8_shuffle::<0, 0, 0, 0, 1, 1, 1, 1>(codes, codes), u8x16_splat(128))
    }

    #[inline(always)]
    unsafe fn add(sums: v128, query: v128, codes: v128) -> v128 {
        let low = i16x8_extmul_low_i8x16(query, codes);
        let both = i16x8_add(low, i16x8_extmul_high_i8x16(query, codes));
        i32x4_add(sums, i32x4_extadd_pairwise_i16x8(both))
    }

    #[inline(always)]
    unsafe fn floats(sums: v128) -> v128 {
        f32x4_convert_i32x4(sums)
    }
}
