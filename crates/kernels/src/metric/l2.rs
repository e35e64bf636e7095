//! The squared Euclidean distance, `sum (q_i - r_i)^2`.
//!
//! From the differences and not from `|q|^2 - 2 q.r + |r|^2`, which cancels for close vectors: exactly where it counts.

use super::Distance;
use crate::vector::Vector;

pub(crate) struct L2;

impl Distance for L2 {
    type Sums<V: Vector> = [V; 1];
    type Totals = [f32; 1];
    const NEEDS_QUERY_NORM: bool = false;

    #[inline(always)]
    unsafe fn step<V: Vector>([squares]: [V; 1], query: V, row: V) -> [V; 1] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let difference = query.sub(row);
            [squares.add_product(difference, difference)]
        }
    }

    #[inline(always)]
    fn finish([total]: [f32; 1], _: f32) -> f32 {
        total
    }
}
