//! How two bit sets are compared.

use super::Bits;
use crate::codes::Bytes;

/// Two counts over the bits, and what is made of them.
pub(crate) trait Measure {
    type Out: Copy;

    /// Takes in a register of the query and of a row.
    ///
    /// # Safety
    /// The instruction set of `B` is available.
    unsafe fn add<B: Bits>(
        counts: [<B::Base as Bytes>::Sums; 2],
        query: <B::Base as Bytes>::Register,
        row: <B::Base as Bytes>::Register,
    ) -> [<B::Base as Bytes>::Sums; 2];
    /// The result from the complete counts.
    fn finish(first: u32, second: u32) -> Self::Out;
}

/// The number of bits that differ.
pub(crate) struct Hamming;

impl Measure for Hamming {
    type Out = u32;

    #[inline(always)]
    unsafe fn add<B: Bits>(
        [differ, none]: [<B::Base as Bytes>::Sums; 2],
        query: <B::Base as Bytes>::Register,
        row: <B::Base as Bytes>::Register,
    ) -> [<B::Base as Bytes>::Sums; 2] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { [B::add_ones(differ, B::xor(query, row)), none] }
    }

    #[inline(always)]
    fn finish(differ: u32, _: u32) -> u32 {
        differ
    }
}

/// The share of the bits set in both among those set in either; 1 where none is set. The second count is that of the
/// bits in one alone, which with those in both make the union.
pub(crate) struct Jaccard;

impl Measure for Jaccard {
    type Out = f32;

    #[inline(always)]
    unsafe fn add<B: Bits>(
        [both, one]: [<B::Base as Bytes>::Sums; 2],
        query: <B::Base as Bytes>::Register,
        row: <B::Base as Bytes>::Register,
    ) -> [<B::Base as Bytes>::Sums; 2] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { [B::add_ones(both, B::and(query, row)), B::add_ones(one, B::xor(query, row))] }
    }

    #[inline(always)]
    fn finish(both: u32, one: u32) -> f32 {
        // Each bit is in one of the counts at most, so the sum stays in range.
        let union = both.wrapping_add(one);
        if union == 0 { 1.0 } else { both as f32 / union as f32 }
    }
}
