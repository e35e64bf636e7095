//! Plain Rust in four lanes: the reference, the same bits on every machine.
//!
//! Multiplies and adds are rounded apart and the order is fixed. Four lanes because a single chain of additions is
//! bound by their latency; the compiler may put the lanes in a register, it may not reorder them.

mod bits;
pub(crate) mod codes;
mod lookup;

use super::backend;
use crate::sparse::sparse_backend;
use crate::vector::Vector;

backend!(Scalar, Lanes);
sparse_backend!(PlainLists);

#[derive(Clone, Copy)]
pub(crate) struct Lanes([f32; 4]);

impl Vector for Lanes {
    const LANES: usize = 4;
    /// Half of what there are: the compiler keeps one row's lanes in registers well, two rows' badly (measured).
    const REGISTERS: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Lanes {
        Lanes([0.0; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Lanes {
        // SAFETY: the caller vouches for four floats; an array has the alignment of its elements.
        Lanes(unsafe { from.cast::<[f32; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn load_head(from: *const f32, count: usize) -> Lanes {
        debug_assert!(count < 4);
        let mut lanes = [0.0; 4];
        // SAFETY: the caller vouches for `count` floats, fewer than there are lanes.
        unsafe { from.copy_to_nonoverlapping(lanes.as_mut_ptr(), count) };
        Lanes(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for the room; an array has the alignment of its elements.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Lanes {
        Lanes([value; 4])
    }

    #[inline(always)]
    unsafe fn mul(mut self, other: Lanes) -> Lanes {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane *= other);
        self
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Lanes) -> Lanes {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane += other);
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Lanes) -> Lanes {
        self.0.iter_mut().zip(other.0).for_each(|(lane, other)| *lane -= other);
        self
    }

    #[inline(always)]
    unsafe fn add_product(mut self, a: Lanes, b: Lanes) -> Lanes {
        self.0.iter_mut().zip(a.0.iter().zip(b.0)).for_each(|(lane, (a, b))| *lane += a * b);
        self
    }

    #[inline(always)]
    unsafe fn larger(mut self, other: Lanes) -> Lanes {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(lane, other)| *lane = if other > *lane { other } else { *lane });
        self
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
}
