//! MaxSim on 8-bit codes: the same blocks, a register of the panel having some bytes of each lane's query token.
//!
//! A document's token is `scale * (code - 128)`, code by code; a query's is signed bytes. The sums are exact, their
//! conversion and the product with the scale round once each, the same everywhere: so do the scores.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::vector::{LANES_MAX, Vector};

/// Codes that a lane takes in a step; strides are a multiple.
pub(crate) const DEPTH: usize = 4;

/// What the body asks of an instruction set.
///
/// # Safety
/// Every method may only be called where the instruction set is available; the loads read what they say and nothing
/// beyond it.
pub(crate) trait Tokens {
    /// As many lanes as there are sums.
    type Floats: Vector;
    /// The sums of a register of query tokens with one token.
    type Sums: Copy;
    /// `DEPTH` bytes of each of `LANES` query tokens, ready to be multiplied.
    type Query: Copy;
    /// `DEPTH` codes of one token, for every lane.
    type Codes: Copy;
    /// Registers that the instruction set names, less what a product takes beside its operands.
    const REGISTERS: usize;

    /// Where the byte `k` of `lane` stands in a register of the panel.
    #[inline(always)]
    fn place(lane: usize, k: usize) -> usize {
        lane * DEPTH + k
    }
    /// What the sum of a lane's bytes is multiplied by to begin with: -128 where codes are taken as they are, which adds so
    /// much that is not centred; 0 where they are centred as they are loaded.
    const MIDDLE: i32 = -128;
    /// The sums to begin with.
    unsafe fn begin(from: *const i32) -> Self::Sums;
    /// Loads a register of the panel.
    unsafe fn query(from: *const i8) -> Self::Query;
    /// Loads `DEPTH` codes.
    unsafe fn spread(from: *const u8) -> Self::Codes;
    /// Adds the products.
    unsafe fn add(sums: Self::Sums, query: Self::Query, codes: Self::Codes) -> Self::Sums;
    /// The sums as numbers, to the nearest.
    unsafe fn floats(sums: Self::Sums) -> Self::Floats;
}

/// The tokens of a document.
#[derive(Clone, Copy)]
pub(crate) struct Coded<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) scales: &'a [f32],
    pub(crate) stride: usize,
    /// Of each token the part of `begin` that its sums begin with; without any, all begin alike.
    pub(crate) parts: &'a [u16],
}

/// As [`super::maxsim`].
///
/// # Safety
/// The instruction set is available, the stride is a multiple of `DEPTH` above 0, there are codes for every scale, `best`
/// and (with `AT`) `at` have whole groups, `begin` as many numbers for each part, the tokens' parts are there, and `panel` `stride / DEPTH` registers for each group.
#[inline(always)]
pub(crate) unsafe fn maxsim<T: Tokens, const AT: bool>(
    panel: &[i8],
    begin: &[i32],
    tokens: Coded<'_>,
    best: &mut [f32],
    at: &mut [u32],
) {
    // SAFETY: the caller's promises are handed on.
    unsafe {
        match T::REGISTERS {
            32.. => blocks::<T, AT, 2, 12, 4>(panel, begin, tokens, best, at),
            24.. => blocks::<T, AT, 2, 8, 4>(panel, begin, tokens, best, at),
            16.. => blocks::<T, AT, 2, 6, 2>(panel, begin, tokens, best, at),
            12.. => blocks::<T, AT, 2, 4, 2>(panel, begin, tokens, best, at),
            _ => blocks::<T, AT, 1, 2, 1>(panel, begin, tokens, best, at),
        }
    }
}

#[inline(always)]
unsafe fn blocks<T: Tokens, const AT: bool, const N: usize, const R: usize, const H: usize>(
    panel: &[i8],
    begin: &[i32],
    tokens: Coded<'_>,
    best: &mut [f32],
    at: &mut [u32],
) {
    best.fill(f32::NEG_INFINITY);
    at.fill(0);
    let count = tokens.scales.len();
    let mut token = 0;
    // SAFETY: the caller's promises are handed on; `token` is below `count`.
    unsafe {
        while token < count {
            if count - token >= R {
                groups::<T, AT, N, R>(panel, begin, tokens, best, at, token);
                token += R;
            } else {
                groups::<T, AT, N, H>(panel, begin, tokens, best, at, token);
                token += H;
            }
        }
    }
}

#[inline(always)]
unsafe fn groups<T: Tokens, const AT: bool, const N: usize, const R: usize>(
    panel: &[i8],
    begin: &[i32],
    tokens: Coded<'_>,
    best: &mut [f32],
    at: &mut [u32],
    token: usize,
) {
    let lanes = T::Floats::LANES;
    let (count, groups, stride) = (tokens.scales.len(), best.len() / lanes, tokens.stride);
    let row: [*const u8; R] =
        std::array::from_fn(|r| tokens.codes.as_ptr().wrapping_add((token + r).min(count - 1) * stride));
    let scale: [f32; R] = std::array::from_fn(|r| tokens.scales[(token + r).min(count - 1)]);
    let begin: [*const i32; R] = std::array::from_fn(|r| {
        let part = tokens.parts.get((token + r).min(count - 1)).map_or(0, |part| usize::from(*part));
        begin.as_ptr().wrapping_add(part * best.len())
    });
    let mut group = 0;
    // SAFETY: the groups' registers of the panel, of `begin` and of `best` are there, the rows are whole.
    unsafe {
        while groups - group >= N {
            let panel = panel.as_ptr().add(group * stride * lanes);
            let sums =
                block::<T, N, R>(panel, begin.map(|begin| begin.wrapping_add(group * lanes)), row, stride);
            fold::<T, AT, N, R>(sums, scale, best, at, [group, token]);
            group += N;
        }
        while group < groups {
            let panel = panel.as_ptr().add(group * stride * lanes);
            let sums =
                block::<T, 1, R>(panel, begin.map(|begin| begin.wrapping_add(group * lanes)), row, stride);
            fold::<T, AT, 1, R>(sums, scale, best, at, [group, token]);
            group += 1;
        }
    }
}

#[inline(always)]
unsafe fn block<T: Tokens, const N: usize, const R: usize>(
    panel: *const i8,
    begin: [*const i32; R],
    rows: [*const u8; R],
    stride: usize,
) -> [[T::Sums; N]; R] {
    let lanes = T::Floats::LANES;
    // SAFETY: `i + DEPTH <= stride` in the loop; the groups' registers are `stride * lanes` bytes apart.
    unsafe {
        let mut sums = [[T::begin(begin[0]); N]; R];
        for r in 0..R {
            for n in 0..N {
                sums[r][n] = T::begin(begin[r].add(n * lanes));
            }
        }
        let mut i = 0;
        while i < stride {
            if i % 64 == 0 {
                for r in 0..R {
                    T::Floats::prefetch(rows[r].wrapping_add(R * stride + i));
                }
            }
            let mut query = [T::query(panel.add(i * lanes)); N];
            for n in 1..N {
                query[n] = T::query(panel.add((n * stride + i) * lanes));
            }
            for r in 0..R {
                let codes = T::spread(rows[r].add(i));
                for n in 0..N {
                    sums[r][n] = T::add(sums[r][n], query[n], codes);
                }
            }
            i += DEPTH;
        }
        sums
    }
}

#[inline(always)]
unsafe fn fold<T: Tokens, const AT: bool, const N: usize, const R: usize>(
    sums: [[T::Sums; N]; R],
    scale: [f32; R],
    best: &mut [f32],
    at: &mut [u32],
    [group, token]: [usize; 2],
) {
    let lanes = T::Floats::LANES;
    for n in 0..N {
        let range = (group + n) * lanes..(group + n + 1) * lanes;
        // SAFETY: a group of `best` has as many places as there are lanes, and so has the buffer at least.
        unsafe {
            let product = |r: usize| T::floats(sums[r][n]).mul(T::Floats::splat(scale[r]));
            if AT {
                let (best, at) = (&mut best[range.clone()], &mut at[range]);
                for r in 0..R {
                    let mut values = [0.0; LANES_MAX];
                    product(r).store(values.as_mut_ptr());
                    for lane in 0..lanes {
                        let better = values[lane] > best[lane];
                        best[lane] = if better { values[lane] } else { best[lane] };
                        at[lane] = if better { (token + r) as u32 } else { at[lane] };
                    }
                }
            } else {
                let best = &mut best[range];
                let mut all = T::Floats::load(best.as_ptr());
                for r in 0..R {
                    all = all.larger(product(r));
                }
                all.store(best.as_mut_ptr());
            }
        }
    }
}
