//! Where clustering begins: points chosen one after the other, each by the square of its distance to those before.

use super::Points;
use crate::IndexError;
use crate::batch::in_parallel;
use crate::dense::Work;
use crate::quant::{CodeQuery, Coder};
use crate::sections::reserved;

/// Points that are looked at, for each that is chosen.
const OF_EACH: usize = 8;
/// Points whose distances one piece of parallel work computes.
const PIECE: usize = 1_024;

/// SplitMix64 (Steele et al., OOPSLA 2014) as a function of place and seed.
pub(crate) fn chance(seed: u64, at: u64) -> u64 {
    let mut z = seed.wrapping_add((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A number from 0 to below 1.
pub(crate) fn share(seed: u64, at: u64) -> f64 {
    (chance(seed, at) >> 11) as f64 / (1u64 << 53) as f64
}

/// Places of a sample of `most` among `count`, ascending: one by chance of every so many in a row.
pub(crate) fn sampled(count: usize, most: usize, seed: u64) -> Vec<u32> {
    let most = most.min(count);
    let place = |at: usize| at as u64 * count as u64 / most as u64;
    let within = |at: usize| {
        let (start, end) = (place(at), place(at + 1));
        start + ((end - start) as f64 * share(seed, at as u64)) as u64
    };
    (0..most).map(|at| within(at) as u32).collect()
}

/// `k` of the points.
pub(super) fn plus_plus(
    points: Points<'_>,
    k: usize,
    seed: u64,
    work: &Work<'_>,
) -> Result<Vec<f32>, IndexError> {
    let places = sampled(points.len(), k * OF_EACH, seed);
    let count = places.len();
    let coder = Coder::bits8(points.dims);
    let mut rows: Vec<u8> = reserved(count.saturating_mul(coder.stride()))?;
    rows.resize(count * coder.stride(), 0);
    for (at, row) in rows.chunks_exact_mut(coder.stride()).enumerate() {
        let point = points.get(places[at] as usize);
        coder.encode(point, Coder::norm(point), row);
    }
    let mut chosen: Vec<f32> = reserved(k.saturating_mul(points.dims))?;
    let mut nearest = vec![f32::INFINITY; count];
    let mut query = CodeQuery::default();
    let mut next = (chance(seed, 0) % count.max(1) as u64) as usize;
    // Without points there is nothing to choose.
    for at in 0..k.min(count) {
        let point = points.get(places[next] as usize);
        chosen.extend_from_slice(point);
        nearest[next] = 0.0;
        if at + 1 == k {
            break;
        }
        coder.query(point, Coder::norm(point), &mut query);
        let pieces = in_parallel(work.parallel, count.div_ceil(PIECE), 1, &|piece| {
            let range = piece * PIECE..count.min((piece + 1) * PIECE);
            let mut some = vec![0.0; range.len()];
            let rows = &rows[range.start * coder.stride()..range.end * coder.stride()];
            coder.distances_in_order(&query, rows, &mut some);
            some
        });
        for (nearest, distance) in nearest.iter_mut().zip(pieces.iter().flatten()) {
            *nearest = nearest.min((distance + query.half_norm).max(0.0));
        }
        let total: f64 = nearest.iter().map(|distance| f64::from(*distance)).sum();
        next = choose(&nearest, total * share(seed, at as u64 + 1));
        if at % 64 == 0 {
            work.step(0, k as u64)?;
        }
    }
    Ok(chosen)
}

/// The place where the sum passes `target`.
fn choose(weights: &[f32], target: f64) -> usize {
    let mut sum = 0.0;
    for (at, weight) in weights.iter().enumerate() {
        sum += f64::from(*weight);
        if sum > target {
            return at;
        }
    }
    // Rounding, or points that are all the same.
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}
