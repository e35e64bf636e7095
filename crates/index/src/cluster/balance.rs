//! Lists of bounded length: clusters that are too large are cut in two until none is.

use super::{Centroids, Members, Points, kmeans};
use crate::IndexError;
use crate::dense::Work;
use crate::sections::reserved;

/// The longest cluster, as a multiple of the mean.
const LONGEST: usize = 2;
/// Passes at most.
const PASSES: usize = 8;

/// Moves centroids until no cluster of `points` has more than twice the mean: the centroids of the smallest clusters are
/// given up for halves of the largest.
pub(crate) fn balanced(
    centroids: Centroids,
    points: Points<'_>,
    seed: u64,
    work: &Work<'_>,
) -> Result<Centroids, IndexError> {
    let (k, dims) = (centroids.len(), centroids.dims);
    let bound = (points.len() * LONGEST).div_ceil(k.max(1)).max(2);
    let mut centroids = centroids;
    for pass in 0..PASSES {
        let nearest = centroids.nearest(points, work);
        let members = Members::new(k, nearest.iter().map(|(list, _)| *list))?;
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by_key(|cluster| (members.of(*cluster).len(), *cluster));
        let large = order.iter().rev().take_while(|cluster| members.of(**cluster).len() > bound).count();
        let cut = large.min(k / 2);
        if cut == 0 {
            break;
        }
        let mut values = centroids.values;
        for (small, large) in order[..cut].iter().zip(order[k - cut..].iter().rev()) {
            let mut some: Vec<f32> = reserved(members.of(*large).len().saturating_mul(dims))?;
            members.of(*large).iter().for_each(|at| some.extend_from_slice(points.get(*at as usize)));
            let halves = kmeans(Points { values: &some, dims }, 2, seed ^ pass as u64, work)?;
            if halves.len() == 2 {
                values[large * dims..(large + 1) * dims].copy_from_slice(halves.get(0));
                values[small * dims..(small + 1) * dims].copy_from_slice(halves.get(1));
            }
        }
        centroids = Centroids::new(values, dims);
    }
    Ok(centroids)
}
