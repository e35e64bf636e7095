//! Parts of points by codebooks (product quantization; Jegou, Douze and Schmid, TPAMI 2011).
//!
//! A point of `dims` components is cut into `m` parts, of `dims / m` components rounded up or down; each part is coded by
//! the nearest of 16 or 256 centroids of its own. A query's products with all of them are tables; the product with a coded
//! point is a sum of look-ups.
//!
//! Training and coding use no fused multiply-add and one order of summation: the same codes on every machine.

use crate::IndexError;
use crate::batch::in_parallel;
use crate::cluster::{sampled, share};
use crate::dense::Work;
use crate::sections::reserved;

/// Points that codebooks are trained on, at most, for each centroid of a part.
const SAMPLE: usize = 512;
/// ... and at least, of all.
const SAMPLE_LEAST: usize = 16_384;
/// Rounds of training.
const ROUNDS: usize = 12;
/// Centroids that are compared at once.
const LANES: usize = 16;

/// The codebooks of all parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Codebook {
    dims: usize,
    m: usize,
    /// 16 or 256.
    centroids: usize,
    /// Part by part, in it component by component, of each component that of all centroids.
    values: Vec<f32>,
    /// Half the squared length of each centroid, part by part.
    half_norms: Vec<f32>,
}

impl Codebook {
    /// From its numbers: `dims * 2^bits` of them. `None` where the shape is none.
    pub(crate) fn new(dims: usize, m: usize, bits: u32, values: Vec<f32>) -> Option<Self> {
        let centroids = 1usize << bits;
        if !(bits == 4 || bits == 8) || m == 0 || m > dims || values.len() != dims * centroids {
            return None;
        }
        let mut book = Codebook { dims, m, centroids, values, half_norms: Vec::new() };
        let mut half_norms = vec![0.0f32; m * centroids];
        for (part, sums) in half_norms.chunks_exact_mut(centroids).enumerate() {
            for components in book.part(part).chunks_exact(centroids) {
                sums.iter_mut().zip(components).for_each(|(sum, x)| *sum += 0.5 * x * x);
            }
        }
        book.half_norms = half_norms;
        Some(book)
    }

    pub(crate) fn m(&self) -> usize {
        self.m
    }

    pub(crate) fn bits(&self) -> u32 {
        self.centroids.trailing_zeros()
    }

    /// The numbers, as [`Codebook::new`] takes them.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The components of a part.
    pub(crate) fn range(&self, part: usize) -> std::ops::Range<usize> {
        range(self.dims, self.m, part)
    }

    fn part(&self, part: usize) -> &[f32] {
        let range = self.range(part);
        &self.values[range.start * self.centroids..range.end * self.centroids]
    }

    /// Trains codebooks on points one after the other, of which there is at least one.
    pub(crate) fn train(
        points: &[f32],
        dims: usize,
        m: usize,
        bits: u32,
        seed: u64,
        work: &Work<'_>,
    ) -> Result<Self, IndexError> {
        let centroids = 1usize << bits;
        let count = points.len() / dims.max(1);
        let places = sampled(count, (SAMPLE * centroids).max(SAMPLE_LEAST), seed);
        work.step(0, m as u64)?;
        let parts = in_parallel(work.parallel, m, 1, &|part| {
            let range = range(dims, m, part);
            let of = |at: &u32| &points[*at as usize * dims..][range.clone()];
            let some: Vec<f32> = places.iter().flat_map(|at| of(at).iter().copied()).collect();
            train_part(&some, range.len(), centroids, seed ^ (part as u64) << 32)
        });
        let mut values: Vec<f32> = reserved(dims.saturating_mul(centroids))?;
        parts.iter().for_each(|part| values.extend_from_slice(part));
        let wrong = || IndexError::shape("parts of a vector", dims as u64, m as u64);
        Self::new(dims, m, bits, values).ok_or_else(wrong)
    }

    /// Codes a point: a byte a part. `decoded` becomes the point that the codes stand for.
    pub(crate) fn encode(&self, point: &[f32], codes: &mut [u8], decoded: &mut [f32]) {
        for (part, code) in codes.iter_mut().enumerate().take(self.m) {
            let range = self.range(part);
            let (components, norms) = (self.part(part), self.norms(part));
            let nearest = nearest(&point[range.clone()], components, norms);
            *code = nearest as u8;
            for (at, out) in decoded[range].iter_mut().enumerate() {
                *out = components[at * self.centroids + nearest];
            }
        }
    }

    /// The point that codes stand for, a byte a part.
    pub(crate) fn decode(&self, codes: &[u8], out: &mut [f32]) {
        for (part, code) in codes.iter().enumerate().take(self.m) {
            let components = self.part(part);
            for (at, out) in out[self.range(part)].iter_mut().enumerate() {
                *out = components.get(at * self.centroids + usize::from(*code)).copied().unwrap_or(0.0);
            }
        }
    }

    fn norms(&self, part: usize) -> &[f32] {
        &self.half_norms[part * self.centroids..(part + 1) * self.centroids]
    }

    /// `out[part * centroids + c]` becomes minus the product of the query's part and centroid c.
    pub(crate) fn tables(&self, query: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.m * self.centroids, 0.0);
        for (part, sums) in out.chunks_exact_mut(self.centroids).enumerate() {
            let range = self.range(part);
            for (x, components) in query[range].iter().zip(self.part(part).chunks_exact(self.centroids)) {
                let (sums, _) = sums.as_chunks_mut::<LANES>();
                let (components, _) = components.as_chunks::<LANES>();
                for (sums, components) in sums.iter_mut().zip(components) {
                    for lane in 0..LANES {
                        sums[lane] -= x * components[lane];
                    }
                }
            }
        }
    }
}

/// The components of a part: sizes differ by one where m does not divide.
pub(crate) fn range(dims: usize, m: usize, part: usize) -> std::ops::Range<usize> {
    part * dims / m..(part + 1) * dims / m
}

/// The nearest centroid, the first among equals.
fn nearest(point: &[f32], components: &[f32], norms: &[f32]) -> usize {
    let centroids = norms.len();
    let mut best = (f32::INFINITY, 0);
    for from in (0..centroids).step_by(LANES) {
        let mut distances = [0.0f32; LANES];
        distances.copy_from_slice(&norms[from..from + LANES]);
        for (at, x) in point.iter().enumerate() {
            let some = &components[at * centroids + from..at * centroids + from + LANES];
            for lane in 0..LANES {
                distances[lane] -= x * some[lane];
            }
        }
        for (lane, distance) in distances.iter().enumerate() {
            if *distance < best.0 {
                best = (*distance, from + lane);
            }
        }
    }
    best.1
}

/// k-means of one part; the centroids component by component.
fn train_part(points: &[f32], dims: usize, centroids: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0f32; dims * centroids];
    let put = |values: &mut [f32], c: usize, point: &[f32]| {
        point.iter().enumerate().for_each(|(at, x)| values[at * centroids + c] = *x);
    };
    let begun = begin(points, dims, centroids, seed);
    begun.iter().enumerate().for_each(|(c, at)| put(&mut values, c, &points[at * dims..(at + 1) * dims]));
    for _ in 0..ROUNDS {
        let norms = norms_of(&values, centroids);
        let (mut sums, mut counts) = (vec![0.0f32; dims * centroids], vec![0u32; centroids]);
        for point in points.chunks_exact(dims) {
            let c = nearest(point, &values, &norms);
            counts[c] += 1;
            point.iter().enumerate().for_each(|(at, x)| sums[at * centroids + c] += x);
        }
        for c in 0..centroids {
            // Centroids that nothing is nearest to stay where they are.
            if counts[c] > 0 {
                let share = 1.0 / counts[c] as f32;
                (0..dims).for_each(|at| values[at * centroids + c] = sums[at * centroids + c] * share);
            }
        }
        split_empty(&mut values, &mut counts, dims, centroids);
    }
    values
}

fn norms_of(values: &[f32], centroids: usize) -> Vec<f32> {
    let mut norms = vec![0.0f32; centroids];
    for components in values.chunks_exact(centroids) {
        norms.iter_mut().zip(components).for_each(|(norm, x)| *norm += 0.5 * x * x);
    }
    norms
}

/// An empty cluster becomes half of the largest.
fn split_empty(values: &mut [f32], counts: &mut [u32], dims: usize, centroids: usize) {
    for empty in 0..centroids {
        if counts[empty] > 0 {
            continue;
        }
        let largest = (0..centroids).max_by_key(|c| (counts[*c], centroids - c)).unwrap_or(0);
        if counts[largest] < 2 {
            break;
        }
        counts[empty] = counts[largest] / 2;
        counts[largest] -= counts[empty];
        for at in 0..dims {
            let x = values[at * centroids + largest];
            values[at * centroids + empty] = x * (1.0 + 1.0 / 1_024.0);
            values[at * centroids + largest] = x * (1.0 - 1.0 / 1_024.0);
        }
    }
}

/// Places of points to begin with, by the squares of their distances (k-means++) among the first of them.
fn begin(points: &[f32], dims: usize, centroids: usize, seed: u64) -> Vec<usize> {
    let count = (points.len() / dims).min(centroids * 16);
    let point = |at: usize| &points[at * dims..(at + 1) * dims];
    let mut nearest = vec![f32::INFINITY; count];
    let mut chosen = Vec::with_capacity(centroids);
    let mut next = 0;
    for at in 0..centroids {
        chosen.push(next);
        let from = point(next);
        let mut total = 0.0f64;
        for (other, nearest) in nearest.iter_mut().enumerate() {
            let distance: f32 = point(other).iter().zip(from).map(|(a, b)| (a - b) * (a - b)).sum();
            *nearest = nearest.min(distance);
            total += f64::from(*nearest);
        }
        let (target, mut sum) = (total * share(seed, at as u64), 0.0f64);
        next = nearest
            .iter()
            .position(|distance| {
                sum += f64::from(*distance);
                sum > target
            })
            .unwrap_or(0);
    }
    chosen
}
