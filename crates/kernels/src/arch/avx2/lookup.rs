//! The fast scan on AVX2.

use std::arch::x86_64::*;

use super::codes::Madd256;
use crate::lookup::{Lookup, Query, lookup_backend};

lookup_backend!(Madd256, "avx2");

impl Lookup for Madd256 {
    #[inline(always)]
    unsafe fn nothing() -> __m256i {
        // SAFETY: the caller vouches for AVX2, as in every method here.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn store(bytes: __m256i, to: *mut u8) {
        // SAFETY: AVX2 is there; the caller vouches for 32 bytes.
        unsafe { _mm256_storeu_si256(to.cast(), bytes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: __m256i, codes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_shuffle_epi8(table, codes) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_add_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_words(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn odd(bytes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_srli_epi16::<8>(bytes) }
    }

    #[inline(always)]
    unsafe fn close(
        words: [[__m256i; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32 {
        let mut hits = 0;
        for (half, [all, odd]) in words.into_iter().enumerate() {
            // SAFETY: AVX2 is there; the caller vouches for 32 words at both places.
            unsafe {
                let even = _mm256_sub_epi16(all, _mm256_slli_epi16::<8>(odd));
                // The two lanes added: even ones in the lower half, odd ones in the upper.
                let lower = _mm256_permute2x128_si256::<0x20>(even, odd);
                let upper = _mm256_permute2x128_si256::<0x31>(even, odd);
                let both = _mm256_add_epi16(lower, upper);
                let turned = _mm256_permute4x64_epi64::<0b01_00_11_10>(both);
                let first = _mm256_unpacklo_epi16(both, turned);
                let last = _mm256_unpackhi_epi16(both, turned);
                let sums = _mm256_permute2x128_si256::<0x20>(first, last);
                let at = half * 16;
                let term = _mm256_loadu_si256(terms.add(at).cast());
                let term = _mm256_mulhi_epu16(term, _mm256_set1_epi16(query.factor as i16));
                let scaled = match scales {
                    None => sums,
                    Some(scales) => {
                        let scale = _mm256_loadu_si256(scales.add(at).cast());
                        let rest = _mm256_xor_si256(scale, _mm256_set1_epi16(-1));
                        let rest = _mm256_mulhi_epu16(rest, _mm256_set1_epi16(query.offset as i16));
                        _mm256_adds_epu16(_mm256_mulhi_epu16(sums, scale), rest)
                    }
                };
                let total = _mm256_adds_epu16(scaled, term);
                _mm256_storeu_si256(totals.add(at).cast(), total);
                let over = _mm256_subs_epu16(total, _mm256_set1_epi16(query.limit as i16));
                let hit = _mm256_cmpeq_epi16(over, _mm256_setzero_si256());
                let packed = _mm_packs_epi16(_mm256_castsi256_si128(hit), _mm256_extracti128_si256::<1>(hit));
                hits |= (_mm_movemask_epi8(packed) as u32) << at;
            }
        }
        hits
    }
}
