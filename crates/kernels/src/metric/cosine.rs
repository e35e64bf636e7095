//! The cosine of the angle, `q.r / (|q| |r|)`: one pass over the row for the product and its squared norm; the query's
//! is computed once a batch.
//!
//! A squared norm of zero gives 0, also where it only underflows to zero (components below about 1e-23); one that
//! overflows (components above about 1e18) gives 0 or NaN. The two roots are taken apart because the product of the
//! squared norms would leave the range of f32 much earlier.

use super::Distance;
use crate::vector::Vector;

pub(crate) struct Cosine;

impl Distance for Cosine {
    type Sums<V: Vector> = [V; 2];
    type Totals = [f32; 2];
    const NEEDS_QUERY_NORM: bool = true;

    #[inline(always)]
    unsafe fn step<V: Vector>([dot, norm_squared]: [V; 2], query: V, row: V) -> [V; 2] {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { [dot.add_product(query, row), norm_squared.add_product(row, row)] }
    }

    #[inline(always)]
    fn finish([dot, norm_squared]: [f32; 2], query_norm_squared: f32) -> f32 {
        if query_norm_squared == 0.0 || norm_squared == 0.0 {
            return 0.0;
        }
        // Rounding can leave the range by an ulp; NaN stays NaN.
        (dot / (query_norm_squared.sqrt() * norm_squared.sqrt())).clamp(-1.0, 1.0)
    }
}
