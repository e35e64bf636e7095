//! The fast scan on WebAssembly's simd128.

use std::arch::wasm32::*;

use super::codes::Dot128;
use crate::lookup::{Lookup, Query, lookup_backend};

lookup_backend!(Dot128);

impl Lookup for Dot128 {
    #[inline(always)]
    unsafe fn nothing() -> v128 {
        u8x16_splat(0)
    }

    #[inline(always)]
    unsafe fn store(bytes: v128, to: *mut u8) {
        // SAFETY: the caller vouches for 16 bytes; v128_store takes any alignment.
        unsafe { v128_store(to.cast(), bytes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: v128, codes: v128) -> v128 {
        u8x16_swizzle(table, codes)
    }

    #[inline(always)]
    unsafe fn add_bytes(a: v128, b: v128) -> v128 {
        u8x16_add(a, b)
    }

    #[inline(always)]
    unsafe fn add_words(a: v128, b: v128) -> v128 {
        u16x8_add(a, b)
    }

    #[inline(always)]
    unsafe fn odd(bytes: v128) -> v128 {
        u16x8_shr(bytes, 8)
    }

    #[inline(always)]
    unsafe fn close(
        words: [[v128; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32 {
        let mut hits = 0;
        let factor = u16x8_splat(query.factor);
        for (half, [all, odd]) in words.into_iter().enumerate() {
            let even = u16x8_sub(all, u16x8_shl(odd, 8));
            let parts = [
                u16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(even, odd),
                u16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(even, odd),
            ];
            for (part, sums) in parts.into_iter().enumerate() {
                let at = half * 16 + part * 8;
                // SAFETY: the caller vouches for 32 words at both places; loads and stores take any alignment.
                unsafe {
                    let term = upper_product(v128_load(terms.add(at).cast()), factor);
                    let scaled = match scales {
                        None => sums,
                        Some(scales) => {
                            let scale = v128_load(scales.add(at).cast());
                            let rest = upper_product(v128_not(scale), u16x8_splat(query.offset));
                            u16x8_add_sat(upper_product(sums, scale), rest)
                        }
                    };
                    let total = u16x8_add_sat(scaled, term);
                    v128_store(totals.add(at).cast(), total);
                    hits |= u32::from(u16x8_bitmask(u16x8_le(total, u16x8_splat(query.limit)))) << at;
                }
            }
        }
        hits
    }
}

/// The upper halves of the products.
#[inline(always)]
fn upper_product(a: v128, b: v128) -> v128 {
    let (low, high) = (u32x4_extmul_low_u16x8(a, b), u32x4_extmul_high_u16x8(a, b));
    u16x8_shuffle::<1, 3, 5, 7, 9, 11, 13, 15>(low, high)
}
