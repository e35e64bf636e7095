//! One space for all metrics: points whose squared Euclidean distance orders vectors as the metric does.
//!
//! - cosine: the vector scaled to length 1;
//! - inner product: one more component before the others, sqrt(B - |x|^2) with B the largest |x|^2, 0 in a query
//!   (Bachrach et al., RecSys 2014): then |q - x|^2 = |q|^2 + B - 2 q.x. It is the first one, so that a prefix has it;
//! - squared Euclidean distance: the vector itself.
//!
//! From each point the mean of the data is taken, and a power of two scales all of them to lengths of at most 1, so
//! that no square of a finite vector overflows or vanishes.

use crate::dense::{Inline, Parallel};
use crate::parallel::{each_part, in_parallel};
use crate::sections::zeros;
use crate::{Array, IndexError, SectionSink, SectionSource};
use tercet_kernels::Metric;

const CENTER: &str = "center";

/// How vectors become points.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    metric: Metric,
    dims: usize,
    /// Taken from each point; `points()` components.
    center: Vec<f32>,
    /// A power of two.
    scale: f32,
    /// The largest squared length of a vector, after `unit`; only for the inner product.
    bound: f64,
    /// A power of two that brings every component of a vector into a safe range before anything is squared.
    unit: f32,
}

/// A vector may be longer than those that a space of the inner product was fitted to by this share of the squared length:
/// what its score then lacks is less than what codes lose.
const LONGER: f64 = 1.0 / 64.0;
/// Squared lengths of points whose sums of products are far from the end of f32.
const FAR: f64 = (1u64 << 40) as f64;

/// Vectors whose points are held at once while a space is fitted ...
const BLOCK: usize = 1_024;
/// ... those that one piece of work takes, and the components of which one sums the points.
const PIECE: usize = 64;
const STRIP: usize = 64;

/// What calls back with all vectors in order, whole ones, one or many at a time.
pub type Visit<'a> = dyn FnMut(&mut dyn FnMut(&[f32])) -> Result<(), IndexError> + 'a;

/// The power of two that brings numbers up to `largest` to 1 or a little below.
fn power_of_two(largest: f32) -> f32 {
    if largest.is_nan() || largest <= 0.0 {
        return 1.0;
    }
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    // Exponents at the ends of the range would give a scale that is no normal number.
    let inverse = (-exponent - 1).clamp(-126, 126);
    f32::from_bits(((inverse + 127) as u32) << 23)
}

impl Space {
    /// Fits a space to vectors of `dims` components; `visit` is asked up to four times.
    pub fn fit(metric: Metric, dims: usize, visit: &mut Visit<'_>) -> Result<Self, IndexError> {
        Self::fit_on(metric, dims, visit, &Inline)
    }

    /// The same on some threads, bit for bit: every sum is taken in the order of the vectors.
    pub fn fit_on(
        metric: Metric,
        dims: usize,
        visit: &mut Visit<'_>,
        parallel: &dyn Parallel,
    ) -> Result<Self, IndexError> {
        let points = dims + usize::from(metric == Metric::Dot);
        let center = zeros(points)?;
        let mut space = Space { metric, dims, center, scale: 1.0, bound: 0.0, unit: 1.0 };
        if metric != Metric::Cosine {
            let of = |vector: &[f32]| vector.iter().fold(0.0f32, |a, x| a.max(x.abs())).into();
            space.unit = power_of_two(largest(dims, visit, parallel, &|| of)? as f32);
        }
        if metric == Metric::Dot {
            let unit = space.unit;
            let of = |vector: &[f32]| squared(vector.iter().map(|x| x * unit));
            space.bound = largest(dims, visit, parallel, &|| of)?;
        }
        space.center = space.mean(visit, parallel)?;
        let fitted = &space;
        let length = || {
            let mut point = vec![0.0; points];
            move |vector: &[f32]| {
                fitted.point(vector, &mut point);
                f64::from(squared(point.iter().copied()) as f32)
            }
        };
        space.scale = power_of_two((largest(dims, visit, parallel, &length)? as f32).sqrt());
        Ok(space)
    }

    /// The mean of the points, in f64 as they come.
    fn mean(&self, visit: &mut Visit<'_>, parallel: &dyn Parallel) -> Result<Vec<f32>, IndexError> {
        let (dims, points) = (self.dims.max(1), self.points());
        let mut sums: Vec<f64> = zeros(points)?;
        let mut held: Vec<f32> = zeros(points.saturating_mul(BLOCK))?;
        let mut count = 0u64;
        visit(&mut |vectors| {
            for block in vectors.chunks(BLOCK * dims) {
                let rows = block.len() / dims;
                let held = &mut held[..rows * points];
                each_part(parallel, held.chunks_mut(PIECE * points), &|piece, made| {
                    let vectors = block.chunks_exact(dims).skip(piece * PIECE);
                    vectors
                        .zip(made.chunks_exact_mut(points))
                        .for_each(|(vector, out)| self.point(vector, out));
                });
                let held = &*held;
                each_part(parallel, sums.chunks_mut(STRIP), &|strip, sums| {
                    let from = strip * STRIP;
                    for point in held.chunks_exact(points) {
                        let some = &point[from..from + sums.len()];
                        sums.iter_mut().zip(some).for_each(|(sum, x)| *sum += f64::from(*x));
                    }
                });
                count += rows as u64;
            }
        })?;
        Ok(sums.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect())
    }

    /// Components of a vector.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Components of a point.
    pub fn points(&self) -> usize {
        self.center.len()
    }

    /// Components of a point that stand before those of the vector.
    pub fn added(&self) -> usize {
        self.points() - self.dims
    }

    /// What the center took from points, and the length that they had before it did, of vectors of one length (cosine).
    pub(crate) fn sphere(&self) -> (impl Iterator<Item = f32> + '_, f32) {
        (self.center.iter().map(|center| center * self.scale), self.scale)
    }

    /// The point of a stored vector; `out` has `points()` components.
    pub fn point(&self, vector: &[f32], out: &mut [f32]) {
        self.place(vector, false, out);
    }

    /// The point of a query.
    pub fn query(&self, query: &[f32], out: &mut [f32]) {
        self.place(query, true, out);
    }

    fn place(&self, vector: &[f32], query: bool, out: &mut [f32]) {
        let factor = match self.metric {
            Metric::Cosine => reciprocal_length(vector),
            _ => f64::from(self.unit),
        };
        let factor = factor as f32;
        let scaled = vector.iter().map(|x| x * factor);
        let added = self.added();
        if let Some(first) = out.first_mut().filter(|_| added == 1) {
            let rest = if query { 0.0 } else { (self.bound - squared(scaled.clone())).max(0.0) };
            *first = rest.sqrt() as f32;
        }
        out.iter_mut().skip(added).zip(scaled).for_each(|(out, x)| *out = x);
        for (out, center) in out.iter_mut().zip(&self.center) {
            *out = (*out - center) * self.scale;
        }
    }

    /// Whether a vector that the space was not fitted to has a point in it: under the inner product one that is longer
    /// than the longest has none, and would score as if it were not. `out` has `points()` components, and is written.
    pub fn fits(&self, vector: &[f32], out: &mut [f32]) -> bool {
        let unit = f64::from(self.unit);
        let most = self.bound * (1.0 + LONGER);
        if self.metric == Metric::Dot && squared(vector.iter().copied()) * unit * unit > most {
            return false;
        }
        self.point(vector, out);
        squared(out.iter().copied()) <= FAR
    }

    /// The vector of a point, as far as codes know it: for cosine of length 1.
    pub fn vector(&self, point: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let back = 1.0 / self.scale;
        let unit = if self.metric == Metric::Cosine { 1.0 } else { 1.0 / self.unit };
        out.extend(point.iter().zip(&self.center).skip(self.added()).map(|(x, c)| (x * back + c) * unit));
    }

    /// The score of the metric from the squared distance of a query's point and a stored point, where the query has
    /// the squared length `length` (of the vector).
    pub fn score(&self, squared_distance: f32, length: f64) -> f32 {
        let scale = f64::from(self.scale);
        let distance = f64::from(squared_distance).max(0.0) / (scale * scale);
        let unit = f64::from(self.unit);
        let score = match self.metric {
            Metric::Cosine => 1.0 - distance / 2.0,
            Metric::L2 => -distance / (unit * unit),
            Metric::Dot => (length + (self.bound - distance) / (unit * unit)) / 2.0,
        };
        score.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// Writes it as the section `center`: scale, unit and the two halves of the bound, then the center.
    pub fn write(&self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        self.write_as(CENTER, sink)
    }

    /// The same under another name, where `center` is that of other codes.
    pub fn write_as(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        sink.begin(name)?;
        let bound = self.bound.to_bits();
        let head = [
            self.scale,
            self.unit,
            f32::from_bits((bound & 0xffff_ffff) as u32),
            f32::from_bits((bound >> 32) as u32),
        ];
        sink.write(bytemuck::cast_slice(&head))?;
        sink.write(bytemuck::cast_slice(&self.center))
    }

    /// Reads it back. Every byte is checked and copied.
    pub fn open(metric: Metric, dims: usize, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Self::open_as(CENTER, metric, dims, source)
    }

    /// The same under another name.
    pub fn open_as(
        name: &str,
        metric: Metric,
        dims: usize,
        source: &dyn SectionSource,
    ) -> Result<Self, IndexError> {
        let points = dims + usize::from(metric == Metric::Dot);
        let array = Array::<f32>::open_len(source, name, points as u64 + 4)?;
        let &[scale, unit, low, high, ref center @ ..] = array.all()? else {
            return Err(array.corrupt("too short"));
        };
        let bound = f64::from_bits(u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32);
        let sound = |x: f32| x.is_normal() && x > 0.0;
        if !sound(scale) || !sound(unit) || !bound.is_finite() || !center.iter().all(|x| x.is_finite()) {
            return Err(array.corrupt("a scale or a component out of range"));
        }
        Ok(Space { metric, dims, center: center.to_vec(), scale, unit, bound })
    }
}

/// The largest of what each vector comes to, at least 0; every piece of work makes its own way to tell.
fn largest<F: FnMut(&[f32]) -> f64>(
    dims: usize,
    visit: &mut Visit<'_>,
    parallel: &dyn Parallel,
    way: &(dyn Fn() -> F + Sync),
) -> Result<f64, IndexError> {
    let dims = dims.max(1);
    let mut all = 0.0f64;
    visit(&mut |vectors| {
        let most = |piece: &[f32]| piece.chunks_exact(dims).map(way()).fold(0.0, f64::max);
        if vectors.len() <= PIECE * dims {
            all = all.max(most(vectors));
            return;
        }
        let pieces: Vec<&[f32]> = vectors.chunks(PIECE * dims).collect();
        all = in_parallel(parallel, pieces.len(), 1, &|at| most(pieces[at])).into_iter().fold(all, f64::max);
    })?;
    Ok(all)
}

/// The sum of squares in f64, in order.
pub(super) fn squared(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum()
}

/// 1 / |v|; 0 for the zero vector.
fn reciprocal_length(vector: &[f32]) -> f64 {
    let length = squared(vector.iter().copied()).sqrt();
    if length > 0.0 { (1.0 / length).min(f64::from(f32::MAX)) } else { 0.0 }
}
