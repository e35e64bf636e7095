//! Many points against the same rows of codes, by tiles: all distances of a point at a time.

use super::coder::{CodeQuery, Coder, tail};

/// Points whose sums are made at once: those with some thousand rows stay in the nearest caches.
const AT_ONCE: usize = 8;

/// Points made ready for 8-bit codes, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct CodeQueries {
    codes: Vec<i8>,
    scales: Vec<f32>,
    middles: Vec<f32>,
    /// Half the squared length of each.
    pub(crate) half_norms: Vec<f32>,
}

impl CodeQueries {
    /// Adds one.
    pub(crate) fn push(&mut self, query: &CodeQuery) {
        self.codes.extend_from_slice(&query.codes);
        self.scales.push(query.scale);
        self.middles.push(query.middle);
        self.half_norms.push(query.half_norm);
    }

    /// Forgets all and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.codes.clear();
        self.scales.clear();
        self.middles.clear();
        self.half_norms.clear();
    }
}

/// Rows of codes with their constants beside each other.
#[derive(Clone, Debug)]
pub(crate) struct CodeRows<'a> {
    coder: Coder,
    codes: &'a [u8],
    scales: Vec<f32>,
    biases: Vec<f32>,
}

impl<'a> CodeRows<'a> {
    /// Whole rows of 8-bit codes.
    pub(crate) fn new(coder: Coder, codes: &'a [u8]) -> Self {
        let tails = codes.chunks_exact(coder.stride()).map(tail);
        let (scales, biases) = tails.unzip();
        CodeRows { coder, codes, scales, biases }
    }

    /// Calls back with each query's place and its distances to all rows: half the squared distance less half the query's
    /// squared length. The same bits on every machine.
    pub(crate) fn each(&self, queries: &CodeQueries, mut each: impl FnMut(usize, &[f32])) {
        let (stride, rows) = (self.coder.stride(), self.scales.len());
        if rows == 0 {
            return;
        }
        let mut sums = vec![0i32; AT_ONCE * rows];
        let mut distances = vec![0.0f32; rows];
        for (part, codes) in queries.codes.chunks(AT_ONCE * stride).enumerate() {
            let count = codes.len() / stride;
            let sums = &mut sums[..count * rows];
            (self.coder.kernels().tile)(codes, self.codes, stride, sums);
            for (at, sums) in sums.chunks_exact(rows).enumerate() {
                let query = part * AT_ONCE + at;
                let (scale, middle) = (queries.scales[query], queries.middles[query]);
                let constants = self.scales.iter().zip(&self.biases);
                for ((distance, sum), (of_row, bias)) in distances.iter_mut().zip(sums).zip(constants) {
                    *distance = -((*sum as f32 - middle) * (of_row * scale) + bias);
                }
                each(query, &distances);
            }
        }
    }
}

/// The place of the least distance, the first among equals.
pub(crate) fn least(distances: &[f32]) -> (u32, f32) {
    const LANES: usize = 8;
    let (mut best, mut at) = ([f32::INFINITY; LANES], [0u32; LANES]);
    let (eights, rest) = distances.as_chunks::<LANES>();
    for (group, eight) in eights.iter().enumerate() {
        let first = (group * LANES) as u32;
        for lane in 0..LANES {
            let nearer = eight[lane] < best[lane];
            best[lane] = if nearer { eight[lane] } else { best[lane] };
            at[lane] = if nearer { first + lane as u32 } else { at[lane] };
        }
    }
    let mut found = (at[0], best[0]);
    for lane in 1..LANES {
        if best[lane] < found.1 || (best[lane] == found.1 && at[lane] < found.0) {
            found = (at[lane], best[lane]);
        }
    }
    for (place, distance) in (eights.len() * LANES..).zip(rest) {
        if *distance < found.1 {
            found = (place as u32, *distance);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Coder;

    #[test]
    fn the_first_of_the_least_is_found() {
        for len in 1..40usize {
            for at in 0..len {
                let mut distances: Vec<f32> = (0..len).map(|i| (i * 7 % 5) as f32).collect();
                distances[at] = -1.0;
                distances[len - 1 - (len - 1 - at) / 2] = -1.0;
                let first = distances.iter().position(|d| *d == -1.0);
                assert_eq!(Some(least(&distances).0 as usize), first, "{len} {at}");
            }
        }
        assert_eq!(least(&[f32::NAN; 20]).0, 0, "nothing to compare");
    }

    #[test]
    fn tiles_give_the_bits_of_single_queries() {
        let coder = Coder::bits8(40);
        let number = |at: usize| ((at * 2_654_435_761) % 1_000) as f32 / 500.0 - 1.0;
        let points: Vec<Vec<f32>> =
            (0..21).map(|p| (0..40).map(|i| number(p * 40 + i + 1)).collect()).collect();
        let mut rows = vec![0; 13 * coder.stride()];
        for (row, point) in rows.chunks_exact_mut(coder.stride()).zip(&points[3..]) {
            coder.encode(point, Coder::norm(point), row);
        }
        let mut queries = CodeQueries::default();
        let mut query = CodeQuery::default();
        let mut expected = Vec::new();
        for point in &points {
            coder.query(point, Coder::norm(point), &mut query);
            queries.push(&query);
            let mut distances = vec![0.0; 13];
            coder.distances_in_order(&query, &rows, &mut distances);
            expected.push(distances);
        }
        let mut seen = 0;
        CodeRows::new(coder, &rows).each(&queries, |at, distances| {
            assert_eq!(distances, &expected[at][..]);
            seen += 1;
        });
        assert_eq!(seen, 21);
    }
}
