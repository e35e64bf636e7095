//! Codes on AVX2, by 16-bit products, and on AVX-VNNI, by its instruction for just this.
//!
//! The bytes are split into even and odd ones by masks and shifts, not unpacked: shuffles have one port, those have
//! three. The query is split once for four rows.

use std::arch::x86_64::*;

use crate::codes::{Bytes, code_backend};
use crate::maxsim::codes::Tokens;

pub(crate) struct Madd256;
pub(crate) struct Vnni256;

code_backend!(Madd256, "avx2");
code_backend!(Vnni256, "avx2,avxvnni");

impl Bytes for Madd256 {
    const NAME: &'static str = "avx2";
    const REGISTERS: usize = 16;
    const STEP: usize = 32;
    type Register = __m256i;
    /// The even bytes and the odd ones, as i16.
    type Query = [__m256i; 2];
    type Sums = __m256i;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller vouches for AVX2, as in every method here.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn widen(query: __m256i) -> [__m256i; 2] {
        // SAFETY: AVX2 is there.
        unsafe { [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(query)), _mm256_srai_epi16::<8>(query)] }
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m256i, [even, odd]: [__m256i; 2], codes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe {
            let even = _mm256_madd_epi16(even, _mm256_and_si256(codes, _mm256_set1_epi16(255)));
            let odd = _mm256_madd_epi16(odd, _mm256_srli_epi16::<8>(codes));
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }

    /// The saturating product cannot saturate here, nor the sum wrap: `4 * 15 * 128` is far below `2^15`.
    #[inline(always)]
    unsafe fn add_nibbles(sums: __m256i, query: [__m256i; 2], codes: [__m256i; 2]) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe {
            let low = _mm256_maddubs_epi16(codes[0], query[0]);
            let high = _mm256_maddubs_epi16(codes[1], query[1]);
            let pairs = _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1));
            _mm256_add_epi32(sums, pairs)
        }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: AVX2 is there.
        unsafe {
            let (ab, cd) = (_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let lanes = _mm256_hadd_epi32(ab, cd);
            as_array(_mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes)))
        }
    }

    #[inline(always)]
    unsafe fn total(sums: __m256i) -> i32 {
        // SAFETY: AVX2 is there.
        unsafe { total4(_mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums))) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

impl Bytes for Vnni256 {
    const NAME: &'static str = "avxvnni";
    const REGISTERS: usize = 16;
    const STEP: usize = 32;
    type Register = __m256i;
    type Query = __m256i;
    type Sums = __m256i;

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller vouches for AVX-VNNI, which comes with AVX2, as in every method here.
        unsafe { Madd256::zero() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { Madd256::load(from) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { Madd256::low(bytes) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m256i) -> __m256i {
        // SAFETY: AVX2 is there.
        unsafe { Madd256::high(bytes) }
    }

    #[inline(always)]
    unsafe fn widen(query: __m256i) -> __m256i {
        query
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m256i, query: __m256i, codes: __m256i) -> __m256i {
        // SAFETY: AVX-VNNI is there.
        unsafe { _mm256_dpbusd_avx_epi32(sums, codes, query) }
    }

    #[inline(always)]
    unsafe fn add_nibbles(sums: __m256i, query: [__m256i; 2], codes: [__m256i; 2]) -> __m256i {
        // SAFETY: AVX-VNNI is there.
        unsafe {
            _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(sums, codes[0], query[0]), codes[1], query[1])
        }
    }

    #[inline(always)]
    unsafe fn totals(sums: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: AVX2 is there.
        unsafe { Madd256::totals(sums) }
    }

    #[inline(always)]
    unsafe fn total(sums: __m256i) -> i32 {
        // SAFETY: AVX2 is there.
        unsafe { Madd256::total(sums) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { Madd256::prefetch(at) }
    }
}

/// The lanes.
#[inline(always)]
pub(crate) unsafe fn as_array(x: __m128i) -> [i32; 4] {
    let mut lanes = [0; 4];
    // SAFETY: SSE2 is part of x86-64; the array has four lanes.
    unsafe { _mm_storeu_si128(lanes.as_mut_ptr().cast(), x) };
    lanes
}

/// The sum of the lanes.
#[inline(always)]
pub(crate) unsafe fn total4(x: __m128i) -> i32 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        let pairs = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
        _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<1>(pairs)))
    }
}

/// What is the same however products of bytes are summed; `$registers` as the trait says.
macro_rules! tokens {
    ($products:ident, $registers:literal) => {
        impl Tokens for $products {
            type Floats = __m256;
            type Sums = __m256i;
            type Query = <$products as Bytes>::Query;
            type Codes = __m256i;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            unsafe fn begin(from: *const i32) -> __m256i {
                // SAFETY: the caller vouches for the instruction set, as in every method here, and for the numbers.
                unsafe { _mm256_loadu_si256(from.cast()) }
            }

            #[inline(always)]
            unsafe fn query(from: *const i8) -> Self::Query {
                // SAFETY: the caller vouches for the bytes.
                unsafe { Self::widen(Self::load(from.cast())) }
            }

            #[inline(always)]
            unsafe fn spread(from: *const u8) -> __m256i {
                // SAFETY: the caller vouches for four bytes.
                unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            unsafe fn add(sums: __m256i, query: Self::Query, codes: __m256i) -> __m256i {
                // SAFETY: a lane's sum is of the products of its own four bytes.
                unsafe { Self::add_products(sums, query, codes) }
            }

            #[inline(always)]
            unsafe fn floats(sums: __m256i) -> __m256 {
                // SAFETY: the instruction set is there.
                unsafe { _mm256_cvtepi32_ps(sums) }
            }
        }
    };
}

tokens!(Madd256, 12);
tokens!(Vnni256, 16);
