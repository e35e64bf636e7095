//! Clustering: k-means (Lloyd, IEEE Trans. Information Theory 1982) over points of f32.
//!
//! ```text
//! begin with k points chosen by the squares of their distances   k-means++ (Arthur and Vassilvitskii, SODA 2007), on a part
//! repeat: each point to its nearest centroid                      by 8-bit codes: sums of integers
//!         each centroid the mean of its points                    in the order of the points
//!         a centroid without points: half of the largest cluster
//! ```
//! Nothing depends on threads or instruction sets: distances are integer sums with the same few float operations after
//! them, means are summed in one order, and chance is a function of the seed.

mod balance;
mod seeding;
#[cfg(test)]
mod tests;

use crate::IndexError;
use crate::batch::in_parallel;
use crate::dense::Work;
use crate::quant::{CodeQueries, CodeQuery, CodeRows, Coder, least};
use crate::sections::reserved;

pub(crate) use balance::balanced;
pub(crate) use seeding::{chance, sampled, share};

/// Points that one piece of parallel work assigns.
const PIECE: usize = 128;
/// Rounds over a share of the points, and over all of them.
const ROUNDS: (usize, usize) = (6, 4);
/// Points of the early rounds, for each centroid.
const EARLY: usize = 32;

/// Points one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Points<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) dims: usize,
}

impl<'a> Points<'a> {
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dims.max(1)
    }

    pub(crate) fn get(&self, at: usize) -> &'a [f32] {
        self.values.get(at * self.dims..(at + 1) * self.dims).unwrap_or(&[])
    }
}

/// Centroids as numbers and as codes.
#[derive(Clone, Debug)]
pub(crate) struct Centroids {
    pub(crate) dims: usize,
    /// One after the other.
    pub(crate) values: Vec<f32>,
    /// 8-bit rows, by which points are assigned and queries compared.
    pub(crate) codes: Vec<u8>,
    pub(crate) coder: Coder,
}

impl Centroids {
    /// Codes them.
    pub(crate) fn new(values: Vec<f32>, dims: usize) -> Self {
        let coder = Coder::bits8(dims);
        let mut codes = vec![0; values.len() / dims.max(1) * coder.stride()];
        for (row, centroid) in codes.chunks_exact_mut(coder.stride()).zip(values.chunks_exact(dims.max(1))) {
            coder.encode(centroid, Coder::norm(centroid), row);
        }
        Centroids { dims, values, codes, coder }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dims.max(1)
    }

    pub(crate) fn get(&self, at: usize) -> &[f32] {
        self.values.get(at * self.dims..(at + 1) * self.dims).unwrap_or(&[])
    }

    /// Of each point its place, its nearest centroid, half the squared distance to it, and its distances to all centroids.
    pub(crate) fn each_nearest(&self, points: Points<'_>, mut each: impl FnMut(usize, u32, f32, &[f32])) {
        let rows = CodeRows::new(self.coder, &self.codes);
        let (mut queries, mut query) = (CodeQueries::default(), CodeQuery::default());
        for from in (0..points.len()).step_by(PIECE) {
            queries.clear();
            for at in from..points.len().min(from + PIECE) {
                let point = points.get(at);
                self.coder.query(point, Coder::norm(point), &mut query);
                queries.push(&query);
            }
            rows.each(&queries, |at, distances| {
                let (nearest, distance) = least(distances);
                each(from + at, nearest, (distance + queries.half_norms[at]).max(0.0), distances);
            });
        }
    }

    /// The nearest centroid of each point and half the squared distance to it, some points a piece of work.
    fn nearest(&self, points: Points<'_>, work: &Work<'_>) -> Vec<(u32, f32)> {
        let pieces = in_parallel(work.parallel, points.len().div_ceil(PIECE), 1, &|piece| {
            let range = piece * PIECE..points.len().min((piece + 1) * PIECE);
            let values = &points.values[range.start * points.dims..range.end * points.dims];
            let mut found = Vec::with_capacity(range.len());
            self.each_nearest(Points { values, ..points }, |_, nearest, distance, _| {
                found.push((nearest, distance));
            });
            found
        });
        pieces.into_iter().flatten().collect()
    }
}

/// The means of `k` clusters of the points, in an order by chance. With fewer points than `k` there are as many centroids as
/// points. Cost: about 10 x points x k x dims products of bytes.
pub(crate) fn kmeans(
    points: Points<'_>,
    k: usize,
    seed: u64,
    work: &Work<'_>,
) -> Result<Centroids, IndexError> {
    let k = k.min(points.len());
    let mut centroids = Centroids::new(seeding::plus_plus(points, k, seed, work)?, points.dims);
    // Unless that is most of them anyway.
    let fewer = EARLY * k * 3 / 2 < points.len();
    let some = if fewer { some_of(points, EARLY * k, seed)? } else { Vec::new() };
    let total = (ROUNDS.0 + ROUNDS.1) as u64;
    for round in 0..ROUNDS.0 + ROUNDS.1 {
        let of = match round < ROUNDS.0 && fewer {
            true => Points { values: &some, ..points },
            false => points,
        };
        let nearest = centroids.nearest(of, work);
        let values = means(of, &nearest, centroids.len(), work)?;
        centroids = Centroids::new(values, points.dims);
        work.step(round as u64 + 1, total)?;
    }
    Ok(centroids)
}

/// Some of the points.
fn some_of(points: Points<'_>, most: usize, seed: u64) -> Result<Vec<f32>, IndexError> {
    let places = sampled(points.len(), most, seed);
    let mut some = reserved(places.len().saturating_mul(points.dims))?;
    places.iter().for_each(|at| some.extend_from_slice(points.get(*at as usize)));
    Ok(some)
}

/// The mean of each cluster's points; an empty one gets half of the largest.
fn means(
    points: Points<'_>,
    nearest: &[(u32, f32)],
    k: usize,
    work: &Work<'_>,
) -> Result<Vec<f32>, IndexError> {
    let dims = points.dims;
    let members = Members::new(k, nearest.iter().map(|(list, _)| *list))?;
    let pieces = in_parallel(work.parallel, k, 8, &|cluster| {
        let members = members.of(cluster);
        let mut sums = vec![0.0f32; dims];
        for &at in members {
            sums.iter_mut().zip(points.get(at as usize)).for_each(|(sum, x)| *sum += x);
        }
        let share = 1.0 / members.len().max(1) as f32;
        sums.iter_mut().for_each(|sum| *sum *= share);
        sums
    });
    let mut values: Vec<f32> = reserved(k.saturating_mul(dims))?;
    pieces.iter().for_each(|mean| values.extend_from_slice(mean));
    let mut sizes: Vec<usize> = (0..k).map(|cluster| members.of(cluster).len()).collect();
    for empty in (0..k).filter(|cluster| members.of(*cluster).is_empty()) {
        let Some(largest) = (0..k).max_by_key(|cluster| (sizes[*cluster], k - cluster)) else { break };
        if sizes[largest] < 2 {
            break;
        }
        sizes[empty] = sizes[largest] / 2;
        sizes[largest] -= sizes[empty];
        // The two are moved apart by a little; the next round does the rest.
        for at in 0..dims {
            let x = values[largest * dims + at];
            let step = x * if at % 2 == 0 { APART } else { -APART };
            values[empty * dims + at] = x + step;
            values[largest * dims + at] = x - step;
        }
    }
    Ok(values)
}

/// How far the halves of a cluster are moved apart, as a share of a component.
const APART: f32 = 1.0 / 1_024.0;

/// The points of each cluster, ascending.
pub(crate) struct Members {
    ends: Vec<u32>,
    points: Vec<u32>,
}

impl Members {
    /// Sorts points by the cluster of each.
    pub(crate) fn new(
        k: usize,
        clusters: impl ExactSizeIterator<Item = u32> + Clone,
    ) -> Result<Self, IndexError> {
        let mut ends: Vec<u32> = reserved(k)?;
        ends.resize(k, 0);
        clusters.clone().for_each(|cluster| ends[cluster as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            // Where the cluster begins; counted up to its end below.
            (*end, sum) = (sum, sum + *end);
        }
        let mut points: Vec<u32> = reserved(clusters.len())?;
        points.resize(clusters.len(), 0);
        for (at, cluster) in clusters.enumerate() {
            let place = &mut ends[cluster as usize];
            points[*place as usize] = at as u32;
            *place += 1;
        }
        Ok(Members { ends, points })
    }

    /// Those of one.
    pub(crate) fn of(&self, cluster: usize) -> &[u32] {
        let start = cluster.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.points[start as usize..self.ends[cluster] as usize]
    }
}
