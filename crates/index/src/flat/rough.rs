//! Scores from 8-bit codes, with bounds that hold: a vector is compared in floats only where its score may enter.
//!
//! With `q'` and `r'` what the codes of a query and a row stand for,
//!
//! ```text
//! |q.r - q'.r'| <= |q - q'| |r'| + |q| |r - r'|                           (Cauchy-Schwarz)
//! ```
//! and the four lengths are known when the codes are made. To this comes what the kernels round: `(n + 2) u |q| |r|` for
//! a dot product of `n` components, `(n + 4) u` of itself for a squared distance (Higham, Accuracy and Stability of
//! Numerical Algorithms, 2002, section 3.1). A squared distance is `|q|^2 + |r|^2 - 2 q.r`. Codes of all rows against
//! all queries are a product of two matrices of bytes, which costs a quarter of one of floats.
//!
//! Lengths stand for what was computed plus a thousandth, far above the error of computing them. Vectors whose
//! components are so large or small that a product could leave the range of f32 have no codes: such a row is always
//! compared in floats.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side")]

use super::vectors::length;
use crate::values::Values;

/// Rows that share a bound.
pub(super) const GROUP: usize = 16;

/// Half the distance between 1 and the next float.
const U: f64 = 1.0 / 16_777_216.0;
/// The largest component of a vector that has codes lies between these.
const RANGE: std::ops::Range<f32> = 1e-15..1e15;
const TOP: f32 = 127.0;
/// What the lengths that bound an error are raised by.
const RAISE: f64 = 1.001;
/// How far the rounding of a step may move a component, in steps.
const DRIFT: f64 = 1e-4;

/// What the codes of a vector stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rough {
    /// The step between two codes.
    pub(super) step: f32,
    /// No less than the length of the vector and of what its codes stand for.
    pub(super) length: f64,
    /// No less than the distance between both.
    pub(super) error: f64,
}

/// Codes a vector as `128 + x / step` and fills the rest of `codes` with 128; `None` when it is out of range.
pub(super) fn encode(vector: &[f32], codes: &mut [u8]) -> Option<Rough> {
    const LANES: usize = 16;
    // Adding it rounds to a whole number and leaves that number, plus 128, in the lowest byte.
    const ROUND: f32 = 12_582_912.0 + 128.0;
    let mut largest = [0.0f32; LANES];
    for part in vector.chunks(LANES) {
        for (largest, &x) in largest.iter_mut().zip(part) {
            *largest = if x.abs() > *largest { x.abs() } else { *largest };
        }
    }
    let largest = largest.iter().fold(0.0f32, |a, &b| a.max(b));
    if largest != 0.0 && !RANGE.contains(&largest) {
        return None;
    }
    let inverse = if largest > 0.0 { TOP / largest } else { 0.0 };
    let (mut errors, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    let mut code = |at: usize, x: f32| {
        let steps = x * inverse;
        let rounded = steps + ROUND;
        let whole = rounded - ROUND;
        errors[at] += (steps - whole) * (steps - whole);
        squares[at] += whole * whole;
        rounded.to_bits() as u8
    };
    let (parts, rest) = vector.as_chunks::<LANES>();
    let (codes, codes_rest) = codes.split_at_mut(parts.len() * LANES);
    for (part, codes) in parts.iter().zip(codes.as_chunks_mut::<LANES>().0) {
        for at in 0..LANES {
            codes[at] = code(at, part[at]);
        }
    }
    codes_rest.fill(128);
    for (at, (&x, byte)) in rest.iter().zip(codes_rest).enumerate() {
        *byte = code(at, x);
    }
    let root = |sums: [f32; LANES]| sums.iter().map(|&x| f64::from(x)).sum::<f64>().sqrt() * RAISE;
    let step = largest / TOP;
    let error = f64::from(step) * (root(errors) + DRIFT * (vector.len() as f64).sqrt());
    let length = f64::from(step) * root(squares) + error;
    // Not a number among the components makes both so.
    length.is_finite().then_some(Rough { step, length, error })
}

/// A query's part of the bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoughQuery {
    /// 128 times the sum of the codes: what the middle of the rows' codes adds to a sum of products.
    middle: i32,
    rough: Rough,
    /// The squared length; for squared distances.
    square: f64,
    dims: f64,
    l2: bool,
}

/// The rows' part, for a block of rows.
#[derive(Debug, Default)]
pub(super) struct RoughRows {
    count: usize,
    /// Steps, times the row's reciprocal length for cosine.
    steps: Vec<[f32; GROUP]>,
    /// Squared lengths; for squared distances, else zeros.
    squares: Vec<[f32; GROUP]>,
    /// For each group the largest length and error.
    bounds: Vec<[f64; 2]>,
}

impl RoughQuery {
    /// Codes a query as signed bytes; `None` when it is out of range or zero.
    pub(super) fn new(query: &[f32], l2: bool, codes: &mut [i8]) -> Option<Self> {
        let rough = encode(query, bytemuck::cast_slice_mut(codes)).filter(|rough| rough.step > 0.0)?;
        codes.iter_mut().for_each(|code| *code ^= i8::MIN);
        let middle = codes.iter().map(|&code| i32::from(code)).sum::<i32>().wrapping_mul(128);
        let square = length(Values::F32(query)).powi(2);
        Some(RoughQuery { middle, rough, square, dims: query.len() as f64, l2 })
    }

    /// Marks the rows of a group that may score `floor` or more; `sums` are their sums of products with the query.
    /// Returns a bit for each; places past the last row mean nothing.
    #[inline]
    pub(super) fn candidates(&self, rows: &RoughRows, group: usize, sums: &[i32; GROUP], floor: f32) -> u32 {
        let [length, error] = rows.bounds[group];
        let slack = (self.rough.error + (self.dims + 40.0) * U * self.rough.length) * length
            + self.rough.length * error;
        let step = f64::from(self.rough.step);
        let (scale, least) = if self.l2 {
            let rounding = 16.0 * U * (self.square + length * length);
            let farthest = -f64::from(floor) * (1.0 + 2.0 * (self.dims + 8.0) * U);
            (2.0 * step, self.square - farthest - 2.0 * slack - rounding)
        } else {
            (step, f64::from(floor) - slack)
        };
        // A row without a bound may score anything.
        let least = if slack.is_finite() { ((least / scale) as f32).next_down() } else { f32::NEG_INFINITY };
        let (steps, squares) = (&rows.steps[group], &rows.squares[group]);
        let inverse = (1.0 / scale) as f32;
        let mut scores = [0.0; GROUP];
        for at in 0..GROUP {
            scores[at] = sums[at].wrapping_sub(self.middle) as f32 * steps[at];
        }
        if self.l2 {
            for at in 0..GROUP {
                scores[at] -= squares[at] * inverse;
            }
        }
        if !scores.iter().fold(false, |any, &score| any | (score >= least)) {
            return 0;
        }
        scores.iter().enumerate().fold(0, |mask, (at, &score)| mask | u32::from(score >= least) << at)
    }
}

impl RoughRows {
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.steps.clear();
        self.squares.clear();
        self.bounds.clear();
    }

    /// Takes in the next row: what its codes stand for, its reciprocal length or 1, and whether squared distances are
    /// asked for.
    pub(super) fn push(&mut self, row: &[f32], rough: Option<Rough>, norm: f32, l2: bool) {
        let at = self.count % GROUP;
        if at == 0 {
            self.steps.push([0.0; GROUP]);
            self.squares.push([0.0; GROUP]);
            self.bounds.push([0.0; 2]);
        }
        self.count += 1;
        let last = (self.steps.last_mut(), self.squares.last_mut(), self.bounds.last_mut());
        let (Some(steps), Some(squares), Some([length, error])) = last else { return };
        let Some(rough) = rough else {
            (*length, *error) = (f64::INFINITY, f64::INFINITY);
            return;
        };
        steps[at] = rough.step * norm;
        squares[at] = if l2 { square(row) as f32 } else { 0.0 };
        *length = length.max(rough.length * f64::from(norm));
        *error = error.max(rough.error * f64::from(norm));
    }
}

/// The squared length.
fn square(row: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 8];
    for part in row.chunks(8) {
        lanes.iter_mut().zip(part).for_each(|(lane, &x)| *lane += f64::from(x) * f64::from(x));
    }
    lanes.iter().sum()
}
