//! Random orthonormal axes: signs turned by chance and Walsh-Hadamard transforms, three rounds, the transform over the
//! leading and the trailing power of two in turn, so that any number of dimensions is mixed.

use super::{Projection, check_reduced};
use crate::IndexError;
use crate::cluster::chance;
use crate::dense::Work;
use crate::sections::reserved;

/// Rounds of signs and transforms: one mixes what is evenly spread, three any vector.
const ROUNDS: usize = 3;
/// Components of all axes together, at most.
const AXES_MOST: usize = 1 << 26;
/// Axes between two looks at whether to go on.
const REPORT: usize = 16;

/// A projection of `dims` components onto the first `reduced` of randomly turned axes: a rotation where they are as many.
/// The same bits on every machine. Errors as [`super::prefix`], [`IndexError::TooLarge`] where the axes have more than 2^26
/// components together (8,192 dimensions, turned), and [`IndexError::Cancelled`]. Cost: dims^2 x log2(dims) additions.
pub fn random_axes(
    dims: usize,
    reduced: usize,
    seed: u64,
    work: &Work<'_>,
) -> Result<Projection, IndexError> {
    check_reduced(dims, reduced)?;
    check_axes(dims, reduced)?;
    let width = (dims / 2 + 1).next_power_of_two();
    let scale = 1.0 / (width as f64).sqrt();
    let sign = |round: usize, at: usize| {
        if chance(seed, (round * dims + at) as u64) & 1 == 0 { 1.0 } else { -1.0 }
    };
    let mut matrix: Vec<f32> = reserved(dims.saturating_mul(reduced))?;
    let mut row = vec![0.0f64; dims];
    for axis in 0..dims {
        if axis.is_multiple_of(REPORT) {
            work.step(axis as u64, dims as u64)?;
        }
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

/// Refuses axes that would take more memory than any collection is worth: 256 MiB.
pub(crate) fn check_axes(dims: usize, reduced: usize) -> Result<(), IndexError> {
    if dims.saturating_mul(reduced) > AXES_MOST {
        return Err(IndexError::too_large("components of all axes, dimensions times axes", AXES_MOST as u64));
    }
    Ok(())
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
            let turned = random_axes(dims, dims, 9, &Work::inline()).unwrap();
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
        let axes = |dims, reduced, seed| random_axes(dims, reduced, seed, &Work::inline());
        let few = axes(20, 6, 1).unwrap();
        assert_eq!((few.matrix.len(), few.reduced), (120, 6));
        assert_ne!(few.matrix, axes(20, 6, 2).unwrap().matrix);
        assert!(axes(4, 5, 0).is_err() && axes(4, 0, 0).is_err());
    }

    #[test]
    fn axes_of_too_many_components_are_refused_and_others_can_be_cancelled() {
        for (dims, reduced) in [(8_193, 8_192), (65_535, 65_535)] {
            let refused = random_axes(dims, reduced, 0, &Work::inline());
            assert!(matches!(refused, Err(IndexError::TooLarge { .. })), "{dims} {reduced}");
        }
        let stop = Work { progress: &|done, _| done < 64, ..Work::inline() };
        assert!(matches!(random_axes(8_192, 64, 0, &stop), Err(IndexError::Cancelled)));
    }
}
