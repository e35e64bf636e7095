//! A vector times a matrix, the same bits on every instruction set: each output is one chain of products and sums in
//! the order of the rows, every operation rounded by itself.
//!
//! ```text
//! for a block of N registers of outputs j:
//!   sums[N] = 0.0
//!   for i ascending: sums[n] = sums[n] + x[i] * matrix[i][j + n*LANES ..]
//! ```
//!
//! The lanes are different outputs, so their number changes no order. N hides the latency of the additions: there is
//! one chain per register.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::vector::Vector;

/// Blocks of 8 registers, which with the factor and a product fit in 16, then the halves that are left.
///
/// # Safety
/// `matrix.len() == x.len() * out.len()`, and the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn project<V: Vector>(x: &[f32], matrix: &[f32], out: &mut [f32]) {
    let mut j = 0;
    // SAFETY: each block ends within the outputs, the last partial register is loaded and stored in part.
    unsafe {
        while j < out.len() {
            let registers = (out.len() - j) / V::LANES;
            j += V::LANES
                * match registers {
                    8.. => columns::<V, 8>(x, matrix, out, j),
                    4.. => columns::<V, 4>(x, matrix, out, j),
                    2.. => columns::<V, 2>(x, matrix, out, j),
                    1 => columns::<V, 1>(x, matrix, out, j),
                    0 => break,
                };
        }
        if j < out.len() {
            last_columns::<V>(x, matrix, out, j);
        }
    }
}

/// The outputs of N whole registers from `j` on; gives N.
#[inline(always)]
unsafe fn columns<V: Vector, const N: usize>(x: &[f32], matrix: &[f32], out: &mut [f32], j: usize) -> usize {
    // SAFETY: `j + N * LANES <= out.len()`, and the matrix has `out.len()` columns.
    unsafe {
        let mut sums = [V::zero(); N];
        let mut row = matrix.as_ptr().wrapping_add(j);
        for &factor in x {
            let factor = V::splat(factor);
            for n in 0..N {
                sums[n] = sums[n].add(factor.mul(V::load(row.add(n * V::LANES))));
            }
            row = row.wrapping_add(out.len());
        }
        for n in 0..N {
            sums[n].store(out.as_mut_ptr().add(j + n * V::LANES));
        }
    }
    N
}

/// The outputs from `j` on, fewer than a register.
#[inline(always)]
unsafe fn last_columns<V: Vector>(x: &[f32], matrix: &[f32], out: &mut [f32], j: usize) {
    let count = out.len() - j;
    // SAFETY: `count` columns are left; the buffer has the lanes of the widest register.
    unsafe {
        let mut sums = V::zero();
        let mut row = matrix.as_ptr().wrapping_add(j);
        for &factor in x {
            sums = sums.add(V::splat(factor).mul(V::load_head(row, count)));
            row = row.wrapping_add(out.len());
        }
        let mut lanes = [0.0; crate::vector::LANES_MAX];
        sums.store(lanes.as_mut_ptr());
        out[j..].copy_from_slice(&lanes[..count]);
    }
}
