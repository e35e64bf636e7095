//! The fast scan on AVX-512 with BW: four tables a look-up.

use std::arch::x86_64::*;

use super::codes::Madd512;
use crate::lookup::{Lookup, Query, lookup_backend};

lookup_backend!(Madd512, "avx512f,avx512bw");

/// The words of vectors 0 to 31, where the lanes are: even and odd ones of the first half, even and odd ones of the second.
static ORDER: [u16; 32] = order();

const fn order() -> [u16; 32] {
    let mut order = [0; 32];
    let mut v = 0;
    while v < 32 {
        let lane = v / 16 * 2 + v % 2;
        order[v] = (lane * 8 + v % 16 / 2) as u16;
        v += 1;
    }
    order
}

impl Lookup for Madd512 {
    #[inline(always)]
    unsafe fn nothing() -> __m512i {
        // SAFETY: the caller vouches for AVX-512F and BW, as in every method here.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn store(bytes: __m512i, to: *mut u8) {
        // SAFETY: AVX-512F is there; the caller vouches for 64 bytes.
        unsafe { _mm512_storeu_si512(to.cast(), bytes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: __m512i, codes: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { _mm512_shuffle_epi8(table, codes) }
    }

    #[inline(always)]
    unsafe fn add_bytes(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { _mm512_add_epi8(a, b) }
    }

    #[inline(always)]
    unsafe fn add_words(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { _mm512_add_epi16(a, b) }
    }

    #[inline(always)]
    unsafe fn odd(bytes: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { _mm512_srli_epi16::<8>(bytes) }
    }

    #[inline(always)]
    unsafe fn close(
        words: [[__m512i; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32 {
        // SAFETY: AVX-512F and BW are there; the caller vouches for 32 words at both places.
        unsafe {
            let even = |[all, odd]: [__m512i; 2]| _mm512_sub_epi16(all, _mm512_slli_epi16::<8>(odd));
            let first = halved(even(words[0]), words[0][1]);
            let second = halved(even(words[1]), words[1][1]);
            let lanes = halved(first, second);
            let sums = _mm512_permutexvar_epi16(_mm512_loadu_si512(ORDER.as_ptr().cast()), lanes);
            let term = _mm512_loadu_si512(terms.cast());
            let term = _mm512_mulhi_epu16(term, _mm512_set1_epi16(query.factor as i16));
            let scaled = match scales {
                None => sums,
                Some(scales) => {
                    let scale = _mm512_loadu_si512(scales.cast());
                    let rest = _mm512_xor_si512(scale, _mm512_set1_epi16(-1));
                    let rest = _mm512_mulhi_epu16(rest, _mm512_set1_epi16(query.offset as i16));
                    _mm512_adds_epu16(_mm512_mulhi_epu16(sums, scale), rest)
                }
            };
            let total = _mm512_adds_epu16(scaled, term);
            _mm512_storeu_si512(totals.cast(), total);
            _mm512_cmple_epu16_mask(total, _mm512_set1_epi16(query.limit as i16))
        }
    }
}

/// Lanes 0 + 1 and 2 + 3 of `a`, then the same of `b`.
#[inline(always)]
unsafe fn halved(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: the caller vouches for AVX-512F and BW.
    unsafe {
        let even = _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b);
        let odd = _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b);
        _mm512_add_epi16(even, odd)
    }
}
