//! MaxSim: for each token of a query the best inner product with the tokens of a document (Khattab and Zaharia, ColBERT,
//! arXiv 2004.12832); the body on f32 and f16, once.
//!
//! ```text
//! panel: the query's tokens by groups of LANES; of a group, component by component, a register of its tokens
//! for a block of R document tokens, for N groups:
//!   sums[R][N] = 0
//!   for i in 0..dims:
//!     q[N] = registers of the panel                     loaded once for R tokens
//!     for r: p = splat(token[r][i]); sums[r][n] += q[n] * p
//!   best[n] = max(best[n], sums[0][n], ..., sums[R-1][n])
//! ```
//!
//! Lanes are query tokens, so that neither sums nor maxima ever cross lanes, and each product is one chain over the
//! components: the same bits whether a document comes alone, in a batch or at the end of a block. The query is padded to
//! the lanes; where fewer than a block of document tokens are left, the last stands in for the others, which changes no
//! maximum. R * N registers of sums leave room for the query's and a token's (Goto and van de Geijn, ACM TOMS 34(3),
//! 2008).

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

pub(crate) mod codes;
mod entries;

pub(crate) use entries::MaxSim;
pub use entries::{MaxSimCodes, MaxSimKernels};

use crate::vector::{Element, LANES_MAX, Vector};

/// Components between two looks ahead: a cache line of f32.
const STEP: usize = 16;
/// Components of a block that are widened at once, to stay in the nearest cache.
const CHUNK: usize = 128;

/// Chooses the block's shape. `best` becomes the maxima, and with `AT` `at` the first token that reaches each.
///
/// # Safety
/// The instruction set is available, `dims > 0`, `tokens` are whole, `best` and (with `AT`) `at` have whole groups, and
/// `panel` has `dims` registers for each.
#[inline(always)]
pub(crate) unsafe fn maxsim<V: Vector, E: Element, const AT: bool>(
    panel: &[f32],
    tokens: &[E],
    dims: usize,
    best: &mut [f32],
    at: &mut [u32],
) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match V::REGISTERS {
            32.. => blocks::<V, E, AT, 2, 12, 4>(panel, tokens, dims, best, at),
            16.. => blocks::<V, E, AT, 2, 6, 2>(panel, tokens, dims, best, at),
            _ => blocks::<V, E, AT, 1, 4, 1>(panel, tokens, dims, best, at),
        }
    }
}

/// Blocks of R tokens, then of H.
#[inline(always)]
unsafe fn blocks<V: Vector, E: Element, const AT: bool, const N: usize, const R: usize, const H: usize>(
    panel: &[f32],
    tokens: &[E],
    dims: usize,
    best: &mut [f32],
    at: &mut [u32],
) {
    best.fill(f32::NEG_INFINITY);
    at.fill(0);
    let count = tokens.len() / dims;
    let mut token = 0;
    // SAFETY: the caller's promises are handed on; `token` is below `count`.
    unsafe {
        while token < count {
            if count - token >= R {
                groups::<V, E, AT, N, R>(panel, tokens, dims, best, at, token);
                token += R;
            } else {
                groups::<V, E, AT, N, H>(panel, tokens, dims, best, at, token);
                token += H;
            }
        }
    }
}

/// All groups of the query against R tokens.
#[inline(always)]
unsafe fn groups<V: Vector, E: Element, const AT: bool, const N: usize, const R: usize>(
    panel: &[f32],
    tokens: &[E],
    dims: usize,
    best: &mut [f32],
    at: &mut [u32],
    token: usize,
) {
    let (count, groups) = (tokens.len() / dims, best.len() / V::LANES);
    let row: [*const E; R] =
        std::array::from_fn(|r| tokens.as_ptr().wrapping_add((token + r).min(count - 1) * dims));
    let mut group = 0;
    // SAFETY: the groups' registers of the panel and of `best` are there, the rows are whole.
    unsafe {
        while groups - group >= N {
            let sums = block::<V, E, N, R>(panel.as_ptr().add(group * dims * V::LANES), row, dims);
            fold::<V, AT, N, R>(sums, best, at, [group, token]);
            group += N;
        }
        while group < groups {
            let sums = block::<V, E, 1, R>(panel.as_ptr().add(group * dims * V::LANES), row, dims);
            fold::<V, AT, 1, R>(sums, best, at, [group, token]);
            group += 1;
        }
    }
}

/// The products of N groups and R tokens.
#[inline(always)]
unsafe fn block<V: Vector, E: Element, const N: usize, const R: usize>(
    panel: *const f32,
    rows: [*const E; R],
    dims: usize,
) -> [[V; N]; R] {
    // SAFETY: every row has `dims` elements, every group as many registers.
    unsafe {
        let mut sums = [[V::zero(); N]; R];
        if let Some(rows) = E::as_f32(rows) {
            steps::<V, N, R>(&mut sums, panel, dims * V::LANES, rows, dims, true);
            return sums;
        }
        let mut from = 0;
        while from < dims {
            let count = CHUNK.min(dims - from);
            let mut wide = [[0.0f32; CHUNK]; R];
            for r in 0..R {
                widen::<V, E>(rows[r].add(from), count, &mut wide[r]);
            }
            let wide = std::array::from_fn(|r| wide[r].as_ptr());
            steps::<V, N, R>(&mut sums, panel.add(from * V::LANES), dims * V::LANES, wide, count, false);
            from += count;
        }
        sums
    }
}

/// The first `count` elements as f32.
#[inline(always)]
unsafe fn widen<V: Vector, E: Element>(from: *const E, count: usize, to: &mut [f32; CHUNK]) {
    // SAFETY: whole registers while they fit in `count`, which fits the buffer; then what is left, through one.
    unsafe {
        let mut i = 0;
        while count - i >= V::LANES {
            E::load::<V>(from.add(i)).store(to.as_mut_ptr().add(i));
            i += V::LANES;
        }
        if i < count {
            let mut lanes = [0.0; LANES_MAX];
            E::load_head::<V>(from.add(i), count - i).store(lanes.as_mut_ptr());
            to[i..count].copy_from_slice(&lanes[..count - i]);
        }
    }
}

/// Adds the products of `count` components; `apart` is how far the groups' registers are from each other.
#[inline(always)]
unsafe fn steps<V: Vector, const N: usize, const R: usize>(
    sums: &mut [[V; N]; R],
    panel: *const f32,
    apart: usize,
    rows: [*const f32; R],
    count: usize,
    ahead: bool,
) {
    let mut i = 0;
    // SAFETY: `i` is below `count`, which the rows and the panel have; a prefetch may name any address.
    unsafe {
        while i < count {
            if ahead {
                for r in 0..R {
                    V::prefetch(rows[r].wrapping_add(R * count + i).cast());
                }
            }
            let end = count.min(i + STEP);
            while i < end {
                let mut query = [V::zero(); N];
                for n in 0..N {
                    query[n] = V::load(panel.add(n * apart + i * V::LANES));
                }
                for r in 0..R {
                    let component = V::splat(*rows[r].add(i));
                    for n in 0..N {
                        sums[r][n] = sums[r][n].add_product(query[n], component);
                    }
                }
                i += 1;
            }
        }
    }
}

/// Takes the products of R tokens into the maxima; of equal ones the first token stays.
#[inline(always)]
unsafe fn fold<V: Vector, const AT: bool, const N: usize, const R: usize>(
    sums: [[V; N]; R],
    best: &mut [f32],
    at: &mut [u32],
    [group, token]: [usize; 2],
) {
    for n in 0..N {
        let range = (group + n) * V::LANES..(group + n + 1) * V::LANES;
        // SAFETY: a group of `best` has `LANES` places, and so has the buffer at least.
        unsafe {
            if AT {
                let (best, at) = (&mut best[range.clone()], &mut at[range]);
                for r in 0..R {
                    let mut lanes = [0.0; LANES_MAX];
                    sums[r][n].store(lanes.as_mut_ptr());
                    for lane in 0..V::LANES {
                        let better = lanes[lane] > best[lane];
                        best[lane] = if better { lanes[lane] } else { best[lane] };
                        // A token that stands in for one beyond the end is no better than itself.
                        at[lane] = if better { (token + r) as u32 } else { at[lane] };
                    }
                }
            } else {
                let best = &mut best[range];
                let mut all = V::load(best.as_ptr());
                for r in 0..R {
                    all = all.larger(sums[r][n]);
                }
                all.store(best.as_mut_ptr());
            }
        }
    }
}
