//! The inner product, `sum q_i * r_i`.

use super::Distance;
use crate::vector::Vector;

pub(crate) struct Dot;

impl Distance for Dot {
    type Sums<V: Vector> = [V; 1];
    type Totals = [f32; 1];
    const NEEDS_QUERY_NORM: bool = false;

    #[inline(always)]
    unsafe fn step<V: Vector>([dot]: [V; 1], query: V, row: V) -> [V; 1] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { [dot.add_product(query, row)] }
    }

    #[inline(always)]
    fn finish([total]: [f32; 1], _: f32) -> f32 {
        total
    }
}
