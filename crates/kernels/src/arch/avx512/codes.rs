//! Codes on AVX-512: by VNNI's instruction for just this, or by 16-bit products where there is only BW.

use std::arch::x86_64::*;

use crate::arch::avx2::codes::{as_array, total4};
use crate::codes::{Bytes, code_backend};
use crate::maxsim::codes::Tokens;

pub(crate) struct Madd512;
pub(crate) struct Vnni512;

code_backend!(Madd512, "avx512f,avx512bw");
code_backend!(Vnni512, "avx512f,avx512bw,avx512vnni");

impl Bytes for Madd512 {
    const NAME: &'static str = "avx512bw";
    const REGISTERS: usize = 32;
    const STEP: usize = 64;
    type Register = __m512i;
    /// The even bytes and the odd ones, as i16 (`avx2/codes.rs` says why).
    type Query = [__m512i; 2];
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller vouches for AVX-512F and BW, as in every method here.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { _mm512_zextsi256_si512(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        // SAFETY: AVX-512F is there.
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(15)) }
    }

    #[inline(always)]
    unsafe fn widen(query: __m512i) -> [__m512i; 2] {
        // SAFETY: BW is there.
        unsafe { [_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(query)), _mm512_srai_epi16::<8>(query)] }
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m512i, [even, odd]: [__m512i; 2], codes: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe {
            let even = _mm512_madd_epi16(even, _mm512_and_si512(codes, _mm512_set1_epi16(255)));
            let odd = _mm512_madd_epi16(odd, _mm512_srli_epi16::<8>(codes));
            _mm512_add_epi32(sums, _mm512_add_epi32(even, odd))
        }
    }

    /// The saturating product cannot saturate here, nor the sum wrap: `4 * 15 * 128` is far below `2^15`.
    #[inline(always)]
    unsafe fn add_nibbles(sums: __m512i, query: [__m512i; 2], codes: [__m512i; 2]) -> __m512i {
        // SAFETY: BW is there.
        unsafe {
            let low = _mm512_maddubs_epi16(codes[0], query[0]);
            let high = _mm512_maddubs_epi16(codes[1], query[1]);
            let pairs = _mm512_madd_epi16(_mm512_add_epi16(low, high), _mm512_set1_epi16(1));
            _mm512_add_epi32(sums, pairs)
        }
    }

    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [__m512i; 4]) -> [i32; 4] {
        // SAFETY: AVX-512F is there.
        unsafe {
            // In each quarter: a0+a2, b0+b2, a1+a3, b1+b3; then the four rows' sums side by side.
            let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
            as_array(folded(quarters))
        }
    }

    #[inline(always)]
    unsafe fn total(sums: __m512i) -> i32 {
        // SAFETY: AVX-512F is there.
        unsafe { total4(folded(sums)) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
}

/// The sum of the four quarters.
#[inline(always)]
unsafe fn folded(x: __m512i) -> __m128i {
    // SAFETY: AVX-512F is there.
    unsafe {
        let halves = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x));
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
    }
}

impl Bytes for Vnni512 {
    const NAME: &'static str = "avx512vnni";
    const REGISTERS: usize = 32;
    const STEP: usize = 64;
    type Register = __m512i;
    type Query = __m512i;
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller vouches for AVX-512F, BW and VNNI, as in every method here.
        unsafe { Madd512::zero() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { Madd512::load(from) }
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { Madd512::load_half(from) }
    }

    #[inline(always)]
    unsafe fn low(bytes: __m512i) -> __m512i {
        // SAFETY: AVX-512F is there.
        unsafe { Madd512::low(bytes) }
    }

    #[inline(always)]
    unsafe fn high(bytes: __m512i) -> __m512i {
        // SAFETY: BW is there.
        unsafe { Madd512::high(bytes) }
    }

    #[inline(always)]
    unsafe fn widen(query: __m512i) -> __m512i {
        query
    }

    #[inline(always)]
    unsafe fn add_products(sums: __m512i, query: __m512i, codes: __m512i) -> __m512i {
        // SAFETY: VNNI is there.
        unsafe { _mm512_dpbusd_epi32(sums, codes, query) }
    }

    #[inline(always)]
    unsafe fn add_nibbles(sums: __m512i, query: [__m512i; 2], codes: [__m512i; 2]) -> __m512i {
        // SAFETY: VNNI is there.
        unsafe { _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, codes[0], query[0]), codes[1], query[1]) }
    }

    #[inline(always)]
    unsafe fn totals(sums: [__m512i; 4]) -> [i32; 4] {
        // SAFETY: AVX-512F is there.
        unsafe { Madd512::totals(sums) }
    }

    #[inline(always)]
    unsafe fn total(sums: __m512i) -> i32 {
        // SAFETY: AVX-512F is there.
        unsafe { Madd512::total(sums) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { Madd512::prefetch(at) }
    }
}

/// What is the same however products of bytes are summed; `$registers` as the trait says.
macro_rules! tokens {
    ($products:ident, $registers:literal) => {
        impl Tokens for $products {
            type Floats = __m512;
            type Sums = __m512i;
            type Query = <$products as Bytes>::Query;
            type Codes = __m512i;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            unsafe fn begin(from: *const i32) -> __m512i {
                // SAFETY: the caller vouches for the instruction set, as in every method here, and for the numbers.
                unsafe { _mm512_loadu_si512(from.cast()) }
            }

            #[inline(always)]
            unsafe fn query(from: *const i8) -> Self::Query {
                // SAFETY: the caller vouches for the bytes.
                unsafe { Self::widen(Self::load(from.cast())) }
            }

            #[inline(always)]
            unsafe fn spread(from: *const u8) -> __m512i {
                // SAFETY: the caller vouches for four bytes.
                unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            unsafe fn add(sums: __m512i, query: Self::Query, codes: __m512i) -> __m512i {
                // SAFETY: a lane's sum is of the products of its own four bytes.
                unsafe { Self::add_products(sums, query, codes) }
            }

            #[inline(always)]
            unsafe fn floats(sums: __m512i) -> __m512 {
                // SAFETY: the instruction set is there.
                unsafe { _mm512_cvtepi32_ps(sums) }
            }
        }
    };
}

tokens!(Madd512, 24);
tokens!(Vnni512, 32);
