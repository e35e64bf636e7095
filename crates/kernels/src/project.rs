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

/// [`project`] of each vector of `xs`, several side by side: the same chains, more of them.
///
/// # Safety
/// `dims > 0`, `xs` holds whole vectors of it, the matrix `dims` rows, `out` a row of as many numbers for each vector, and
/// the instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn project_all<V: Vector>(xs: &[f32], dims: usize, matrix: &[f32], out: &mut [f32]) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match V::REGISTERS {
            32.. => rows::<V, 6, 4>(xs, dims, matrix, out),
            16.. => rows::<V, 3, 4>(xs, dims, matrix, out),
            _ => rows::<V, 1, 4>(xs, dims, matrix, out),
        }
    }
}

/// Blocks of R vectors and N registers of outputs; what is left, by the vector.
#[inline(always)]
unsafe fn rows<V: Vector, const R: usize, const N: usize>(
    xs: &[f32],
    dims: usize,
    matrix: &[f32],
    out: &mut [f32],
) {
    let width = matrix.len() / dims;
    if width == 0 {
        return;
    }
    let whole = width - width % V::LANES;
    for (xs, out) in xs.chunks(R * dims).zip(out.chunks_mut(R * width)) {
        // SAFETY: every tile ends within the whole registers of the R rows that are there.
        unsafe {
            let mut j = 0;
            if xs.len() == R * dims {
                while whole - j >= N * V::LANES {
                    tile::<V, R, N>(xs, dims, matrix, out, j);
                    j += N * V::LANES;
                }
                while j < whole {
                    tile::<V, R, 1>(xs, dims, matrix, out, j);
                    j += V::LANES;
                }
            }
            for (x, out) in xs.chunks(dims).zip(out.chunks_mut(width)) {
                if j == 0 {
                    project::<V>(x, matrix, out);
                } else if j < width {
                    last_columns::<V>(x, matrix, out, j);
                }
            }
        }
    }
}

/// The outputs of N registers from `j` on, of R vectors.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const N: usize>(
    xs: &[f32],
    dims: usize,
    matrix: &[f32],
    out: &mut [f32],
    j: usize,
) {
    let width = matrix.len() / dims;
    // SAFETY: `j + N * LANES <= width`, there are R vectors and as many rows of the output.
    unsafe {
        let mut sums = [[V::zero(); N]; R];
        let mut row = matrix.as_ptr().add(j);
        for i in 0..dims {
            let mut columns = [V::zero(); N];
            for n in 0..N {
                columns[n] = V::load(row.add(n * V::LANES));
            }
            for r in 0..R {
                let factor = V::splat(*xs.as_ptr().add(r * dims + i));
                for n in 0..N {
                    sums[r][n] = sums[r][n].add(factor.mul(columns[n]));
                }
            }
            row = row.wrapping_add(width);
        }
        for r in 0..R {
            for n in 0..N {
                sums[r][n].store(out.as_mut_ptr().add(r * width + j + n * V::LANES));
            }
        }
    }
}
