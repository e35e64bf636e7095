//! Plain Rust, one lane: the reference that every other instruction set is held to.
//!
//! Multiplies and adds are rounded apart and the order is fixed, so the bits are the same on every machine.

use super::backend;
use crate::isa::Isa;
use crate::vector::Vector;

backend!(Scalar, Isa::Scalar, f32);

impl Vector for f32 {
    const LANES: usize = 1;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> f32 {
        0.0
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> f32 {
        // SAFETY: the caller vouches for one float.
        unsafe { from.read() }
    }

    #[inline(always)]
    unsafe fn load_head(_: *const f32, _: usize) -> f32 {
        0.0 // the head of less than one lane is empty
    }

    #[inline(always)]
    unsafe fn add(self, other: f32) -> f32 {
        self + other
    }

    #[inline(always)]
    unsafe fn sub(self, other: f32) -> f32 {
        self - other
    }

    #[inline(always)]
    unsafe fn add_product(self, a: f32, b: f32) -> f32 {
        self + a * b
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self
    }
}
