//! Codes in plain Rust: the reference.

use crate::arch::scalar::Lanes;
use crate::codes::{Bytes, code_backend};
use crate::maxsim::codes::{DEPTH, Tokens};
use crate::vector::Vector as _;

/// Eight sums, so that the compiler can keep them in registers of whatever width the architecture starts with.
pub(crate) struct Plain;

code_backend!(Plain);

const STEP: usize = 16;
const LANES: usize = 8;

impl Bytes for Plain {
    const NAME: &'static str = "scalar";
    const REGISTERS: usize = 8;
    const STEP: usize = STEP;
    type Register = [u8; STEP];
    type Query = [i8; STEP];
    type Sums = [i32; LANES];

    #[inline(always)]
    unsafe fn zero() -> [i32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> [u8; STEP] {
        // SAFETY: the caller vouches for the bytes; an array of bytes has no alignment.
        unsafe { from.cast::<[u8; STEP]>().read() }
    }

    #[inline(always)]
    unsafe fn low(bytes: [u8; STEP]) -> [u8; STEP] {
        bytes.map(|byte| byte & 15)
    }

    #[inline(always)]
    unsafe fn high(bytes: [u8; STEP]) -> [u8; STEP] {
        bytes.map(|byte| byte >> 4)
    }

    #[inline(always)]
    unsafe fn widen(query: [u8; STEP]) -> [i8; STEP] {
        query.map(|byte| byte as i8)
    }

    #[inline(always)]
    unsafe fn add_products(mut sums: [i32; LANES], query: [i8; STEP], codes: [u8; STEP]) -> [i32; LANES] {
        for i in 0..STEP {
            // A product of the two ranges fits in i16: 255 * -128 = -32640.
            let product = i16::from(query[i]) * i16::from(codes[i]);
            sums[i % LANES] = sums[i % LANES].wrapping_add(i32::from(product));
        }
        sums
    }

    #[inline(always)]
    unsafe fn add_nibbles(
        sums: [i32; LANES],
        query: [[u8; STEP]; 2],
        codes: [[u8; STEP]; 2],
    ) -> [i32; LANES] {
        // SAFETY: nothing is asked of the machine.
        unsafe {
            let low = Self::add_products(sums, Self::widen(query[0]), codes[0]);
            Self::add_products(low, Self::widen(query[1]), codes[1])
        }
    }

    #[inline(always)]
    unsafe fn totals(sums: [[i32; LANES]; 4]) -> [i32; 4] {
        // SAFETY: nothing is asked of the machine.
        sums.map(|sums| unsafe { Self::total(sums) })
    }

    #[inline(always)]
    unsafe fn total(sums: [i32; LANES]) -> i32 {
        sums.into_iter().fold(0, i32::wrapping_add)
    }
}

/// Lanes of the sums of MaxSim.
const TOKENS: usize = 4;

impl Tokens for Plain {
    type Floats = Lanes;
    type Sums = [i32; TOKENS];
    type Query = [i8; TOKENS * DEPTH];
    type Codes = [u8; DEPTH];
    const REGISTERS: usize = 8;

    #[inline(always)]
    unsafe fn begin(from: *const i32) -> [i32; TOKENS] {
        // SAFETY: the caller vouches for the numbers.
        unsafe { from.cast::<[i32; TOKENS]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn query(from: *const i8) -> [i8; TOKENS * DEPTH] {
        // SAFETY: the caller vouches for the bytes; an array of bytes has no alignment.
        unsafe { from.cast::<[i8; TOKENS * DEPTH]>().read() }
    }

    #[inline(always)]
    unsafe fn spread(from: *const u8) -> [u8; DEPTH] {
        // SAFETY: as in `query`.
        unsafe { from.cast::<[u8; DEPTH]>().read() }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [i32; TOKENS], query: [i8; TOKENS * DEPTH], codes: [u8; DEPTH]) -> [i32; TOKENS] {
        for lane in 0..TOKENS {
            for k in 0..DEPTH {
                let product = i16::from(query[lane * DEPTH + k]) * i16::from(codes[k]);
                sums[lane] = sums[lane].wrapping_add(i32::from(product));
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn floats(sums: [i32; TOKENS]) -> Lanes {
        // SAFETY: an array has four lanes.
        unsafe { Lanes::load(sums.map(|sum| sum as f32).as_ptr()) }
    }
}
