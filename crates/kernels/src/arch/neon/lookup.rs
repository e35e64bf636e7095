//! The fast scan on Advanced SIMD.

use std::arch::aarch64::*;

use super::codes::Widening128;
use crate::lookup::{Lookup, Query, lookup_backend};

lookup_backend!(Widening128, "neon");

impl Lookup for Widening128 {
    #[inline(always)]
    unsafe fn nothing() -> uint8x16_t {
        // SAFETY: the caller vouches for Advanced SIMD, as in every method here.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn store(bytes: uint8x16_t, to: *mut u8) {
        // SAFETY: the caller vouches for 16 bytes.
        unsafe { vst1q_u8(to, bytes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: uint8x16_t, codes: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vqtbl1q_u8(table, codes) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vaddq_u8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_words(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vreinterpretq_u8_u16(vaddq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b))) }
    }

    #[inline(always)]
    unsafe fn odd(bytes: uint8x16_t) -> uint8x16_t {
        // SAFETY: Advanced SIMD is there.
        unsafe { vreinterpretq_u8_u16(vshrq_n_u16::<8>(vreinterpretq_u16_u8(bytes))) }
    }

    #[inline(always)]
    unsafe fn close(
        words: [[uint8x16_t; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32 {
        let mut hits = 0;
        // SAFETY: Advanced SIMD is there; the caller vouches for 32 words at both places.
        unsafe {
            let bits = vld1q_u16([1, 2, 4, 8, 16, 32, 64, 128].as_ptr());
            for (half, [all, odd]) in words.into_iter().enumerate() {
                let (all, odd) = (vreinterpretq_u16_u8(all), vreinterpretq_u16_u8(odd));
                let even = vsubq_u16(all, vshlq_n_u16::<8>(odd));
                for (part, sums) in [vzip1q_u16(even, odd), vzip2q_u16(even, odd)].into_iter().enumerate() {
                    let at = half * 16 + part * 8;
                    let term = upper_product(vld1q_u16(terms.add(at)), vdupq_n_u16(query.factor));
                    let scaled = match scales {
                        None => sums,
                        Some(scales) => {
                            let scale = vld1q_u16(scales.add(at));
                            let rest = upper_product(vmvnq_u16(scale), vdupq_n_u16(query.offset));
                            vqaddq_u16(upper_product(sums, scale), rest)
                        }
                    };
                    let total = vqaddq_u16(scaled, term);
                    vst1q_u16(totals.add(at), total);
                    let hit = vandq_u16(vcleq_u16(total, vdupq_n_u16(query.limit)), bits);
                    hits |= u32::from(vaddvq_u16(hit)) << at;
                }
            }
        }
        hits
    }
}

/// The upper halves of the products.
#[inline(always)]
unsafe fn upper_product(a: uint16x8_t, b: uint16x8_t) -> uint16x8_t {
    // SAFETY: the caller vouches for Advanced SIMD.
    unsafe {
        let low = vmull_u16(vget_low_u16(a), vget_low_u16(b));
        vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(low), vmull_high_u16(a, b))
    }
}
