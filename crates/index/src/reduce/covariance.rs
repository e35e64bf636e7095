//! Sums of products of a sample's columns: the covariance times the number of rows.
//!
//! Values are centred and scaled by a power of two, so that the largest lies in [0.5, 1) and no product overflows.
//! Products and sums are f32 within [`BLOCK_ROWS`] rows and f64 across them. Every element is summed over the rows
//! in ascending order, a multiplication and an addition each: how the work is tiled, and on how many threads it is done,
//! does not touch the bits.
//!
//! ```text
//! for each block of rows:
//!   pack: strips of 8 columns, one row of a strip after the other    both operands of a tile stay in the first cache
//!   for each strip `left`, side by side, each strip `right` up to it:
//!     sums[4][8] += left[row][4] x right[row][8], rows ascending     the sums stay in registers
//!     lower triangle += sums
//! ```
//! (The micro-kernel of Goto and van de Geijn, ACM TOMS 34(3), 2008.)

use crate::IndexError;
use crate::dense::Work;
use crate::parallel::each_part;
use crate::sections::zeros;
use std::ops::Range;

/// Rows whose products are summed in f32: relative errors of 1e-6, and one addition in f64 per so many in f32.
const BLOCK_ROWS: usize = 128;

/// Columns of a strip.
const STRIP: usize = 8;

/// Strips that are packed in one piece.
const STRIPS_PACKED: usize = 8;

/// Rows of a tile: with eight columns, eight registers of four lanes, half of what every target has.
const TILE: usize = 4;

/// A sample, its mean, and the power of two that brings it below 1.
pub(super) struct Sample<'a> {
    pub(super) values: &'a [f32],
    pub(super) dims: usize,
    /// The mean of every column, or zeros.
    pub(super) mean: Vec<f64>,
    /// What centred values are multiplied with; 0 when all of them are zero.
    pub(super) scale: f64,
}

impl<'a> Sample<'a> {
    /// Checks the shape and that every value is finite. Cost: three passes.
    pub(super) fn new(values: &'a [f32], dims: usize, center: bool) -> Result<Self, IndexError> {
        let Some(rows) = values.len().checked_div(dims) else {
            return Err(IndexError::shape("dimensions of a vector", 1, 0));
        };
        let whole = rows.max(1) * dims;
        if values.len() != whole {
            return Err(IndexError::shape("components of the sample", whole as u64, values.len() as u64));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(IndexError::shape(
                "finite components at the start of the sample",
                values.len() as u64,
                at as u64,
            ));
        }
        let mut mean = zeros(dims)?;
        if center {
            for row in values.chunks_exact(dims) {
                for (sum, &value) in mean.iter_mut().zip(row) {
                    *sum += f64::from(value);
                }
            }
            mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        }
        let mut largest = zeros(dims)?;
        for row in values.chunks_exact(dims) {
            for ((largest, &value), mean) in largest.iter_mut().zip(row).zip(&mean) {
                *largest = (f64::from(value) - mean).abs().max(*largest);
            }
        }
        let largest = largest.into_iter().fold(0.0, f64::max);
        let scale = if largest > 0.0 { below_one(largest) } else { 0.0 };
        Ok(Sample { values, dims, mean, scale })
    }

    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.dims
    }

    /// The centred and scaled values of some columns of a row.
    #[inline]
    fn centred<'v>(&'v self, row: &'v [f32], columns: Range<usize>) -> impl Iterator<Item = f32> + 'v {
        row[columns.clone()]
            .iter()
            .zip(&self.mean[columns])
            .map(|(&value, mean)| ((f64::from(value) - mean) * self.scale) as f32)
    }

    /// What turns a sum of products of scaled values into a covariance.
    pub(super) fn unit(&self) -> f64 {
        if self.scale == 0.0 { 0.0 } else { 1.0 / self.scale / self.scale / self.rows() as f64 }
    }
}

/// The power of two that brings a positive number into [0.5, 1). It comes from differences of f32, whose exponents
/// leave room in f64.
fn below_one(largest: f64) -> f64 {
    let exponent = (largest.to_bits() >> 52) & 0x7ff;
    f64::from_bits((2 * 1023 - 1 - exponent) << 52)
}

/// A symmetric matrix in f64; only elements with `column <= row` count.
pub(super) struct Lower {
    pub(super) values: Vec<f64>,
    /// Elements from one row to the next, a multiple of [`STRIP`].
    pub(super) stride: usize,
}

/// Sums of products of the centred, scaled columns. Cost: rows x dims^2 / 2 multiplications; memory: dims^2 f64.
pub(super) fn products(sample: &Sample<'_>, work: &Work<'_>) -> Result<Lower, IndexError> {
    let strips = sample.dims.div_ceil(STRIP);
    let stride = strips * STRIP;
    let mut out = Lower { values: zeros(stride * stride)?, stride };
    let mut packed: Vec<[f32; STRIP]> = zeros(strips * BLOCK_ROWS)?;
    for block in sample.values.chunks(BLOCK_ROWS * sample.dims) {
        work.step(0, 1)?;
        let rows = block.len() / sample.dims;
        let packed = &mut packed[..strips * rows];
        each_part(work.parallel, packed.chunks_mut(rows * STRIPS_PACKED), &|at, strips| {
            pack(sample, block, at * STRIPS_PACKED, strips);
        });
        add_block(packed, rows, &mut out, work);
    }
    Ok(out)
}

/// Packs the strips of a block from the strip `first` on.
fn pack(sample: &Sample<'_>, block: &[f32], first: usize, strips: &mut [[f32; STRIP]]) {
    let rows = block.len() / sample.dims;
    let from = first * STRIP;
    let columns = from..(from + strips.len() / rows.max(1) * STRIP).min(sample.dims);
    for (at, row) in block.chunks_exact(sample.dims).enumerate() {
        for (column, value) in sample.centred(row, columns.clone()).enumerate() {
            strips[column / STRIP * rows + at][column % STRIP] = value;
        }
    }
}

/// Bands of [`STRIP`] rows side by side, the longest first.
fn add_block(packed: &[[f32; STRIP]], rows: usize, out: &mut Lower, work: &Work<'_>) {
    let stride = out.stride;
    let last = (stride / STRIP).saturating_sub(1);
    each_part(work.parallel, out.values.chunks_exact_mut(STRIP * stride).rev(), &|at, band| {
        let at = last - at;
        let left = &packed[at * rows..(at + 1) * rows];
        let (upper, lower) = band.split_at_mut(TILE * stride);
        for (to, right) in packed.chunks_exact(rows).take(at + 1).enumerate() {
            add_tile(&tile::<0>(left, right), upper, stride, to * STRIP);
            add_tile(&tile::<TILE>(left, right), lower, stride, to * STRIP);
        }
    });
}

/// The products of four columns of one strip, from `AT` on, with the eight of another.
#[inline(always)]
fn tile<const AT: usize>(left: &[[f32; STRIP]], right: &[[f32; STRIP]]) -> [[f32; STRIP]; TILE] {
    let mut sums = [[0.0; STRIP]; TILE];
    for (left, right) in left.iter().zip(right) {
        for (at, sums) in sums.iter_mut().enumerate() {
            let factor = left[AT + at];
            for (sum, value) in sums.iter_mut().zip(right) {
                *sum += factor * value;
            }
        }
    }
    sums
}

#[inline(always)]
fn add_tile(sums: &[[f32; STRIP]; TILE], band: &mut [f64], stride: usize, column: usize) {
    for (sums, row) in sums.iter().zip(band.chunks_exact_mut(stride)) {
        for (out, &sum) in row[column..column + STRIP].iter_mut().zip(sums) {
            *out += f64::from(sum);
        }
    }
}
