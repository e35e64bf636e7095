//! What the one body asks of an instruction set: a register of f32 lanes and eight operations on it.
//!
//! Every method is `inline(always)` and without a target feature of its own: it takes on the features of the function
//! that it is inlined into (`arch.rs`), which is what lets one body serve every instruction set. Called from a
//! function without the features it would compile to calls, correct but slow; only `arch.rs` calls the body.

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
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self + a * b`, rounded once where the instruction set can.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// The sum of the lanes, in an order of its own, always the same.
    unsafe fn sum(self) -> f32;
    /// Asks for the cache line at `at`, which need not be a valid address.
    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}
}
