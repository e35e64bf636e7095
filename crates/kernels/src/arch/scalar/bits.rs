//! Bits in plain Rust: the reference.

use super::codes::Plain;
use crate::bits::{Bits, bit_backend};

bit_backend!(Plain);

impl Bits for Plain {
    type Base = Plain;

    #[inline(always)]
    unsafe fn xor(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
        (u128::from_ne_bytes(a) ^ u128::from_ne_bytes(b)).to_ne_bytes()
    }

    #[inline(always)]
    unsafe fn and(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
        (u128::from_ne_bytes(a) & u128::from_ne_bytes(b)).to_ne_bytes()
    }

    #[inline(always)]
    unsafe fn add_ones(mut counts: [i32; 8], bits: [u8; 16]) -> [i32; 8] {
        counts[0] = counts[0].wrapping_add(u128::from_ne_bytes(bits).count_ones().cast_signed());
        counts
    }
}
