//! Random orthonormal axes: signs turned by chance and Walsh-Hadamard transforms, three rounds, the transform over the
//! leading and the trailing power of two in turn, so that any number of dimensions is mixed.

use super::{Projection, check_reduced};
use crate::IndexError;
use crate::cluster::chance;
use crate::sections::reserved;

/// Rounds of signs and transforms: one mixes what is evenly spread, three any vector.
const ROUNDS: usize = 3;

/// A projection of `dims` components onto the first `reduced` of randomly turned axes: a rotation where they are as many.
/// The same bits on every machine. Errors as [`super::prefix`]. Cost: dims^2 x log2(dims) additions.
pub fn random_axes(dims: usize, reduced: usize, seed: u64) -> Result<Projection, IndexError> {
    check_reduced(dims, reduced)?;
    let width = (dims / 2 + 1).next_power_of_two();
    let scale = 1.0 / (width as f64).sqrt();
    let sign = |round: usize, at: usize| {
        if chance(seed, (round * dims + at) as u64) & 1 == 0 { 1.0 } else { -1.0 }
    };
    let mut matrix: Vec<f32> = reserved(dims.saturating_mul(reduced))?;
    let mut row = vec![0.0f64; dims];
    for axis in 0..dims {
        row.fill(0.0);
        row[axis] = 1.0;
        for round in 0..ROUNDS {
            row.iter_mut().enumerate().for_each(|(at, x)| *x *= sign(round, at));
            let start = if round % 2 == 0 { 0 } else { dims - width };
            transform(&mut row[start..start + width]);
            row[start..start + width].iter_mut().for_each(|x| *x *= scale);
        }
        matrix.extend(row[..reduced].iter().map(|x| *x as f32));
    }
    Ok(Projection { mean: vec![0.0; dims], matrix, dims, reduced, kept: reduced as f32 / dims as f32 })
}

/// The Walsh-Hadamard transform in place, of a power of two.
fn transform(row: &mut [f64]) {
    let mut half = 1;
    while half < row.len() {
        for block in row.chunks_exact_mut(half * 2) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn axes_are_orthonormal_and_mix() {
        for dims in [1, 2, 3, 7, 16, 33, 100] {
            let turned = random_axes(dims, dims, 9).unwrap();
            let column = |j: usize| (0..dims).map(move |i| i * dims + j);
            for a in 0..dims {
                for b in 0..=a {
                    let pairs = column(a).zip(column(b));
                    let dot: f32 = pairs.map(|(x, y)| turned.matrix[x] * turned.matrix[y]).sum();
                    assert!((dot - f32::from(u8::from(a == b))).abs() < 1e-4, "{dims}: {a} {b} {dot}");
                }
            }
            let largest = turned.matrix.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            assert!(dims < 16 || largest < 0.9, "{dims}: {largest}");
        }
        let few = random_axes(20, 6, 1).unwrap();
        assert_eq!((few.matrix.len(), few.reduced), (120, 6));
        assert_ne!(few.matrix, random_axes(20, 6, 2).unwrap().matrix);
        assert!(random_axes(4, 5, 0).is_err() && random_axes(4, 0, 0).is_err());
    }
}
