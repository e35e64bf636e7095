//! What the one body asks of an instruction set: a register of f32 lanes and the operations on it.
//!
//! Every method is `inline(always)` and without a target feature of its own: it takes on the features of the function
//! that it is inlined into (`arch.rs`), which is what lets one body serve every instruction set. Called from a
//! function without the features it would compile to calls, correct but slow; only `arch.rs` calls the body. A closure is
//! such a function until it is inlined itself: none takes or gives a register here.

use crate::half::f16_to_f32;

/// Lanes in the widest register.
pub(crate) const LANES_MAX: usize = 16;

/// A register of f32 lanes.
///
/// # Safety
/// Every method may only be called where the instruction set is available; the loads read what they say and nothing
/// beyond it.
pub(crate) trait Vector: Copy {
    /// Lanes in a register.
    const LANES: usize;
    /// Registers that the instruction set names; the block's shape follows from it.
    const REGISTERS: usize;

    /// All lanes zero.
    unsafe fn zero() -> Self;
    /// Loads `LANES` floats, at any alignment.
    unsafe fn load(from: *const f32) -> Self;
    /// Loads the first `count < LANES` floats, reads nothing beyond them, and fills with zero.
    unsafe fn load_head(from: *const f32, count: usize) -> Self;
    /// Loads `LANES` half-precision floats, at any alignment, and converts them: exactly.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        let mut lanes = [0.0; LANES_MAX];
        for (i, lane) in lanes.iter_mut().take(Self::LANES).enumerate() {
            // SAFETY: the caller vouches for `LANES` halves.
            *lane = f16_to_f32(unsafe { from.add(i).read() });
        }
        // SAFETY: the buffer has the lanes of the widest register.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// Loads the first `count < LANES` halves, reads nothing beyond them, and fills with zero.
    #[inline(always)]
    unsafe fn load_f16_head(from: *const u16, count: usize) -> Self {
        debug_assert!(count < Self::LANES);
        let mut head = [0; LANES_MAX];
        // SAFETY: the caller vouches for `count` halves, fewer than the buffer has.
        unsafe {
            from.copy_to_nonoverlapping(head.as_mut_ptr(), count);
            Self::load_f16(head.as_ptr())
        }
    }
    /// Stores the lanes, at any alignment.
    unsafe fn store(self, to: *mut f32);
    /// All lanes `value`.
    unsafe fn splat(value: f32) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self + a * b`, rounded once where the instruction set can.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// In each lane `other` where it is larger, else `self`: not-a-number in `other` is never taken.
    unsafe fn larger(self, other: Self) -> Self;
    /// The sum of the lanes, in an order of its own, always the same.
    unsafe fn sum(self) -> f32;
    /// The sums of four, each with the bits of [`Vector::sum`].
    #[inline(always)]
    unsafe fn sum_of_four([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { [a.sum(), b.sum(), c.sum(), d.sum()] }
    }
    /// Asks for the cache line at `at`, which need not be a valid address.
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}

/// What a row is made of; the query and the sums are f32.
///
/// # Safety
/// As for [`Vector`].
pub(crate) trait Element: Copy {
    /// Loads `LANES` elements, at any alignment.
    unsafe fn load<V: Vector>(from: *const Self) -> V;
    /// Loads the first `count < LANES` elements, reads nothing beyond them, and fills with zero.
    unsafe fn load_head<V: Vector>(from: *const Self, count: usize) -> V;
    /// The same places as f32, where that is what they hold.
    fn as_f32<const R: usize>(rows: [*const Self; R]) -> Option<[*const f32; R]>;
}

impl Element for f32 {
    #[inline(always)]
    fn as_f32<const R: usize>(rows: [*const f32; R]) -> Option<[*const f32; R]> {
        Some(rows)
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32) -> V {
        // SAFETY: the caller vouches for the floats and the instruction set.
        unsafe { V::load(from) }
    }

    #[inline(always)]
    unsafe fn load_head<V: Vector>(from: *const f32, count: usize) -> V {
        // SAFETY: as in `load`.
        unsafe { V::load_head(from, count) }
    }
}

/// Half precision.
impl Element for u16 {
    #[inline(always)]
    fn as_f32<const R: usize>(_: [*const u16; R]) -> Option<[*const f32; R]> {
        None
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const u16) -> V {
        // SAFETY: the caller vouches for the halves and the instruction set.
        unsafe { V::load_f16(from) }
    }

    #[inline(always)]
    unsafe fn load_head<V: Vector>(from: *const u16, count: usize) -> V {
        // SAFETY: as in `load`.
        unsafe { V::load_f16_head(from, count) }
    }
}
