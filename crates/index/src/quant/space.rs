//! One space for all metrics: points whose squared Euclidean distance orders vectors as the metric does.
//!
//! - cosine: the vector scaled to length 1;
//! - inner product: one more component before the others, sqrt(B - |x|^2) with B the largest |x|^2, 0 in a query
//!   (Bachrach et al., RecSys 2014): then |q - x|^2 = |q|^2 + B - 2 q.x. It is the first one, so that a prefix has it;
//! - squared Euclidean distance: the vector itself.
//!
//! From each point the mean of the data is taken, and a power of two scales all of them to lengths of at most 1, so
//! that no square of a finite vector overflows or vanishes. A few vectors much longer than the others have no say in
//! either: codes are as fine as the others need. What then lies very far out is taken to lie nearer ([`EDGE`], [`SPHERE`]).
//!
//! A query of the inner product need not be a point. With `c` the mean and `x` on the sphere of radius sqrt(B),
//!
//! ```text
//! q.x = (q - w c).(x - c) - w |x - c|^2 / 2 + what no x changes                         for every number w
//! ```
//! and the shorter `q - w c` is, the less its codes lose. The best w, q.c / |c|^2, is about 1 where queries are like the
//! data, and small where they are much shorter, or where one long vector makes the sphere large. Codes of `x` that are coarser
//! than those of the query lose `(q - w x).e` with their error `e`: they want a `w` that makes this short ([`NEAR`]).

use crate::dense::{Inline, Parallel};
use crate::parallel::{each_part, in_parallel};
use crate::sections::{reserved, zeros};
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
    /// A power of two that brings the components of vectors into a safe range before anything is squared.
    unit: f32,
}

/// A query of a space: what turns distances between its codes and those of points into scores.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The share of a point's squared length that counts beside the product with the query (`w` above).
    pub weight: f32,
    /// What no point changes.
    rest: f64,
    /// From products of points to those of vectors.
    back: f64,
}

/// A vector may be longer than those that a space of the inner product was fitted to by this share of the squared length:
/// what its score then lacks is less than what codes lose.
const LONGER: f64 = 1.0 / 64.0;
/// Squared lengths of points whose sums of products are far from the end of f32.
const FAR: f64 = (1u64 << 40) as f64;
/// The largest component of a point: squares of it are still far from the end of f32.
const EDGE: f32 = (1u64 << 50) as f32;
/// The largest share of the origin that is taken off a query: where more would be, the origin is nothing beside the query.
const WEIGHT_MAX: f64 = 16.0;
/// The cosine of a query and a vector that are near each other: .5 to .8 between passages, .9 and more between copies.
const NEAR: f64 = 0.7;
/// A vector more than this many times as long as all but one in [`FEW`] is an outlier.
const OUTLYING: f32 = 8.0;
pub(crate) const FEW: usize = 256;
/// The sphere of the inner product has at most so many times the length of the longest vector that is none: on a larger one
/// the added component would be rounded by more than the others are long. What is longer is taken to lie on it.
const SPHERE: f64 = 4_096.0;

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
    /// Fits a space to vectors of `dims` components; `visit` is asked up to three times.
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
        let mut outliers = Outliers::default();
        if metric != Metric::Cosine {
            outliers = Outliers::find(dims, visit, parallel)?;
            space.unit = power_of_two(outliers.longest_but_them());
            if metric == Metric::Dot {
                let (usual, unit) = (f64::from(outliers.longest_but_them()), f64::from(space.unit));
                space.bound = (outliers.squared * unit * unit).min((usual * SPHERE * unit).powi(2));
            }
        }
        space.center = space.mean(&outliers, visit, parallel)?;
        let (fitted, outliers) = (&space, &outliers);
        let length = || {
            let mut point = vec![0.0; points];
            move |row: usize, vector: &[f32]| {
                if outliers.has(row) {
                    return 0.0;
                }
                fitted.point(vector, &mut point);
                squared(point.iter().copied())
            }
        };
        let mut longest = 0.0f64;
        each_row(dims, visit, parallel, &length, &mut |length| {
            longest = longest.max(length);
            Ok(())
        })?;
        space.scale = power_of_two((longest as f32).sqrt());
        Ok(space)
    }

    /// The mean of the points, in f64 as they come.
    fn mean(
        &self,
        outliers: &Outliers,
        visit: &mut Visit<'_>,
        parallel: &dyn Parallel,
    ) -> Result<Vec<f32>, IndexError> {
        let (dims, points) = (self.dims.max(1), self.points());
        let mut sums: Vec<f64> = zeros(points)?;
        let mut held: Vec<f32> = zeros(points.saturating_mul(BLOCK))?;
        let (mut first, mut count) = (0, 0u64);
        visit(&mut |vectors| {
            for block in vectors.chunks(BLOCK * dims) {
                let rows = block.len() / dims;
                let held = &mut held[..rows * points];
                each_part(parallel, held.chunks_mut(PIECE * points), &|piece, made| {
                    let vectors = block.chunks_exact(dims).enumerate().skip(piece * PIECE);
                    for ((at, vector), out) in vectors.zip(made.chunks_exact_mut(points)) {
                        match outliers.has(first + at) {
                            true => out.fill(0.0),
                            false => self.point(vector, out),
                        }
                    }
                });
                let held = &*held;
                each_part(parallel, sums.chunks_mut(STRIP), &|strip, sums| {
                    let from = strip * STRIP;
                    for point in held.chunks_exact(points) {
                        let some = &point[from..from + sums.len()];
                        sums.iter_mut().zip(some).for_each(|(sum, x)| *sum += f64::from(*x));
                    }
                });
                count += (first..first + rows).filter(|row| !outliers.has(*row)).count() as u64;
                first += rows;
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

    /// What a query is compared with points as, and what its scores are made from. Under the squared distance and for
    /// cosine that is its point.
    pub fn ask(&self, query: &[f32], out: &mut [f32]) -> Asked {
        self.asked(query, false, out)
    }

    /// The same for codes of which something is lost as a product with `q - w x`, and whose terms are never taken away: where
    /// points lie on a sphere `w` makes that short for an `x` that is [`NEAR`] the query.
    pub(crate) fn ask_near(&self, query: &[f32], out: &mut [f32]) -> Asked {
        self.asked(query, self.metric != Metric::L2, out)
    }

    fn asked(&self, query: &[f32], near: bool, out: &mut [f32]) -> Asked {
        let scale = f64::from(self.scale);
        if self.metric != Metric::Dot && !near {
            self.query(query, out);
            let back = match self.metric {
                Metric::Cosine => 1.0 / (scale * scale),
                _ => 2.0 / (scale * f64::from(self.unit)).powi(2),
            };
            let half = 0.5 * squared(out.iter().copied());
            let rest = if self.metric == Metric::Cosine { 1.0 } else { 0.0 } - half * back;
            return Asked { weight: 1.0, rest, back };
        }
        let (own, bound) = match self.metric {
            Metric::Cosine => (reciprocal_length(query), 1.0),
            _ => (f64::from(power_of_two(query.iter().fold(0.0f32, |a, x| a.max(x.abs())))), self.bound),
        };
        let (factor, added) = (own as f32, self.added());
        let (first, center) = self.center.split_at(added);
        let mut length = squared(first.iter().copied());
        let (mut along, mut own_length) = (0.0, 0.0);
        for (x, center) in query.iter().map(|x| f64::from(x * factor)).zip(center) {
            along += x * f64::from(*center);
            own_length += x * x;
            length += f64::from(*center) * f64::from(*center);
        }
        let weight = match near {
            true => NEAR * (own_length / bound.max(f64::MIN_POSITIVE)).sqrt(),
            false if length > 0.0 => along / length,
            false => 0.0,
        };
        let weight = f64::from(weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) as f32);
        // The length of what is compared changes no order: a power of two brings it into range.
        let largest = self.center.iter().fold(1.0f32, |a, x| a.max(x.abs()));
        let range = f64::from(power_of_two(largest * self.scale.max(1.0)));
        let own_query = std::iter::repeat_n(0.0, added).chain(query.iter().map(|x| x * factor));
        for ((out, x), center) in out.iter_mut().zip(own_query).zip(&self.center) {
            *out = ((f64::from(x) - weight * f64::from(*center)) * scale * range) as f32;
        }
        // Products with vectors as they are, and for cosine with those of length 1.
        let back = if self.metric == Metric::Cosine { 1.0 } else { 1.0 / (f64::from(self.unit) * own) };
        let rest = (along - weight * (length - bound) / 2.0) * back;
        Asked { weight: (weight * range) as f32, rest, back: back / (scale * scale * range) }
    }

    fn place(&self, vector: &[f32], query: bool, out: &mut [f32]) {
        let mut factor = match self.metric {
            Metric::Cosine => reciprocal_length(vector),
            _ => f64::from(self.unit),
        };
        let added = self.added();
        if let Some(first) = out.first_mut().filter(|_| added == 1) {
            *first = 0.0;
            if !query {
                let length = squared(vector.iter().copied()) * factor * factor;
                *first = (self.bound - length).max(0.0).sqrt() as f32;
                if length > self.bound * (1.0 + LONGER) {
                    factor *= (self.bound / length).sqrt();
                }
            }
        }
        let first = out.first().copied().filter(|_| added == 1);
        let single = factor as f32;
        out.iter_mut().skip(added).zip(vector).for_each(|(out, x)| *out = x * single);
        let mut largest = 0.0f32;
        for (out, center) in out.iter_mut().zip(&self.center) {
            *out = (*out - center) * self.scale;
            largest = largest.max(out.abs());
        }
        if largest > EDGE {
            // Far out: the way there is kept, as far as EDGE.
            let far = || {
                let scaled = vector.iter().map(|x| f64::from(*x) * factor);
                let all = first.map(f64::from).into_iter().chain(scaled).zip(&self.center);
                all.map(|(x, center)| (x - f64::from(*center)) * f64::from(self.scale))
            };
            let largest = far().fold(0.0f64, |a, x| a.max(x.abs()));
            let back = f64::from(EDGE) / largest;
            out.iter_mut().zip(far()).for_each(|(out, x)| *out = (x * back) as f32);
        }
    }

    /// The point of a vector from which axes are found: one far out would take them for itself.
    pub fn sample(&self, vector: &[f32], out: &mut [f32]) {
        self.point(vector, out);
        let length = squared(out.iter().copied()).sqrt();
        if length > f64::from(OUTLYING) {
            let back = (f64::from(OUTLYING) / length) as f32;
            out.iter_mut().for_each(|x| *x *= back);
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

    /// The score of the metric from a distance of codes, half the squared length of a point (so much of it as the query
    /// has weight) less the product with the query.
    pub fn score(&self, distance: f32, asked: &Asked) -> f32 {
        let score = asked.rest - f64::from(distance) * asked.back;
        let score = match self.metric {
            Metric::Cosine => score.min(1.0),
            Metric::L2 => score.min(0.0),
            Metric::Dot => score,
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

/// Vectors so much longer than the others that these would be nothing beside them.
#[derive(Default)]
struct Outliers {
    /// The lengths of all vectors; empty where none is an outlier by its length (cosine).
    lengths: Vec<f32>,
    /// The length from which on a vector is one.
    from: f32,
    /// The largest squared length of all.
    squared: f64,
}

impl Outliers {
    fn find(dims: usize, visit: &mut Visit<'_>, parallel: &dyn Parallel) -> Result<Self, IndexError> {
        let (mut lengths, mut longest): (Vec<f32>, f64) = (Vec::new(), 0.0);
        let of = |_: usize, vector: &[f32]| squared(vector.iter().copied());
        each_row(dims, visit, parallel, &|| of, &mut |length| {
            lengths.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 4 })?;
            lengths.push(length.sqrt().min(f64::from(f32::MAX)) as f32);
            longest = longest.max(length);
            Ok(())
        })?;
        let few = lengths.len() / FEW;
        let mut ordered = reserved(lengths.len())?;
        ordered.extend_from_slice(&lengths);
        let usual = match ordered.len().checked_sub(few + 1) {
            Some(at) if few > 0 => *ordered.select_nth_unstable_by(at, f32::total_cmp).1,
            // All are needed to say what is usual.
            _ => f32::MAX,
        };
        // Where most have no length at all, the others are what there is.
        let from = if usual > 0.0 { usual * OUTLYING } else { f32::MAX };
        Ok(Outliers { lengths, from, squared: longest })
    }

    fn has(&self, row: usize) -> bool {
        self.lengths.get(row).is_some_and(|length| *length > self.from)
    }

    fn longest_but_them(&self) -> f32 {
        self.lengths.iter().filter(|length| **length <= self.from).fold(0.0, |a, x| a.max(*x))
    }
}

/// Gives to `each`, in order, what every vector comes to, by its number and itself; every piece of work makes its own way
/// to tell.
fn each_row<F: FnMut(usize, &[f32]) -> f64>(
    dims: usize,
    visit: &mut Visit<'_>,
    parallel: &dyn Parallel,
    way: &(dyn Fn() -> F + Sync),
    each: &mut dyn FnMut(f64) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let dims = dims.max(1);
    let mut first = 0;
    let mut told = Ok(());
    visit(&mut |vectors| {
        let pieces: Vec<&[f32]> = vectors.chunks(PIECE * dims).collect();
        let all = in_parallel(parallel, pieces.len(), 1, &|at| {
            let (mut way, from) = (way(), first + at * PIECE);
            let rows = pieces[at].chunks_exact(dims).enumerate();
            rows.map(|(row, vector)| way(from + row, vector)).collect::<Vec<f64>>()
        });
        first += vectors.len() / dims;
        for value in all.into_iter().flatten() {
            if told.is_ok() {
                told = each(value);
            }
        }
    })?;
    told
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
