//! Linear reductions in front of an index: fewer dimensions to walk with, all of them to re-rank with.
//!
//! Two mechanisms: a prefix of the components, which embeddings trained for it allow (Matryoshka representation
//! learning, arXiv 2205.13147), and a projection onto the principal axes of a sample (LeanVec-ID, arXiv 2312.16335).
//!
//! Invariants:
//! - the same input gives the same bits on every machine, in finding the axes ([`pca`]) and in projecting
//!   ([`Reduction::apply`]): one order of operations, no fused multiply-add, no function but the square root;
//! - axes are orthonormal, so that distances of projected vectors never exceed the distances of the vectors
//!   by more than rounding.
//!
//! Sections: `reduction` u32 x 5: layout version, kind (0 none, 1 prefix, 2 principal axes), dims, reduced, the bits of
//! the kept share as f32; for principal axes also `mean` f32 x dims and `axes` f32 x dims x reduced, row-major.

mod covariance;
mod eigen;
mod pca;
mod random;
mod stored;
#[cfg(test)]
mod tests;

pub use pca::{PCA_DIMS_MAX, energy_share, pca, pca_keeping, spectrum};
pub use random::random_axes;

use crate::IndexError;
use crate::sections::zeros;
use std::borrow::Cow;

/// The most components of a vector.
pub(crate) const DIMS_MAX: usize = 65_535;

/// An affine map onto a few axes: `matrix^T (x - mean)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// What is taken off first: `dims` components, zeros for none.
    pub mean: Vec<f32>,
    /// The axes as columns: component `i` of axis `j` stands at `i * reduced + j`.
    pub matrix: Vec<f32>,
    /// Components of a vector.
    pub dims: usize,
    /// Components of its projection.
    pub reduced: usize,
    /// The share of the sample's energy that the axes hold, 0 to 1.
    pub kept: f32,
}

/// What is done to a vector before it is indexed, and to a query before it searches.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Reduction {
    /// Nothing.
    #[default]
    None,
    /// The first components alone.
    Prefix {
        /// How many.
        reduced: usize,
    },
    /// A projection onto principal axes.
    Pca(Projection),
}

/// The reduction to the first `reduced` of `dims` components. [`IndexError::Shape`] unless 1 <= reduced <= dims,
/// [`IndexError::TooLarge`] above 65,535 dimensions.
pub fn prefix(dims: usize, reduced: usize) -> Result<Reduction, IndexError> {
    check_reduced(dims, reduced)?;
    Ok(Reduction::Prefix { reduced })
}

impl Reduction {
    /// Components of the reduced form of a vector of `dims` components.
    pub fn reduced(&self, dims: usize) -> usize {
        match self {
            Reduction::None => dims,
            Reduction::Prefix { reduced } => *reduced,
            Reduction::Pca(projection) => projection.reduced,
        }
    }

    /// Writes the reduced form of a vector, [`Reduction::reduced`] components. Nothing is scaled: where lengths count
    /// (cosine), a reduced vector is normalised by whoever needs it. Of slices of other lengths what fits is used.
    /// Cost: dims x reduced multiplications for principal axes.
    pub fn apply(&self, vector: &[f32], out: &mut [f32]) {
        match self {
            Reduction::None | Reduction::Prefix { .. } => {
                out.iter_mut().zip(vector).for_each(|(out, &value)| *out = value);
            }
            Reduction::Pca(projection) => projection.apply(vector, out),
        }
    }

    /// [`Reduction::apply`] of vectors of `dims` components one after the other, with the same bits: several share a pass
    /// over the axes.
    pub(crate) fn apply_all(&self, vectors: &[f32], dims: usize, out: &mut [f32]) {
        let reduced = self.reduced(dims);
        match self {
            Reduction::Pca(projection)
                if dims == projection.dims && projection.mean.iter().all(|mean| *mean == 0.0) =>
            {
                (tercet_kernels::kernels().project_all)(vectors, dims, &projection.matrix, out);
            }
            _ => {
                let pairs = vectors.chunks_exact(dims.max(1)).zip(out.chunks_exact_mut(reduced.max(1)));
                pairs.for_each(|(vector, out)| self.apply(vector, out));
            }
        }
    }

    /// The same without a copy where there is nothing to compute.
    pub fn applied<'v>(&self, vector: &'v [f32]) -> Result<Cow<'v, [f32]>, IndexError> {
        match self {
            Reduction::None => Ok(Cow::Borrowed(vector)),
            Reduction::Prefix { reduced } => Ok(Cow::Borrowed(vector.get(..*reduced).unwrap_or(vector))),
            Reduction::Pca(projection) => {
                let mut out = zeros(projection.reduced)?;
                projection.apply(vector, &mut out);
                Ok(Cow::Owned(out))
            }
        }
    }
}

impl Projection {
    /// `out[j]` = the sum over `i`, ascending, of `matrix[i][j] * (vector[i] - mean[i])`, a multiplication and an
    /// addition each. Lengths and cost as in [`Reduction::apply`].
    pub fn apply(&self, vector: &[f32], out: &mut [f32]) {
        let kernel = tercet_kernels::kernels().project;
        let whole = vector.len() == self.dims && out.len() == self.reduced;
        if whole && self.mean.iter().all(|mean| *mean == 0.0) {
            return kernel(vector, &self.matrix, out);
        }
        let mut centred: Vec<f32> = vector.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        if whole {
            return kernel(&centred, &self.matrix, out);
        }
        centred.resize(self.dims, 0.0);
        let mut all = vec![0.0; self.reduced];
        kernel(&centred, &self.matrix, &mut all);
        out.iter_mut().zip(all).for_each(|(out, value)| *out = value);
    }
}

/// Refuses numbers of dimensions that no reduction has.
fn check_reduced(dims: usize, reduced: usize) -> Result<(), IndexError> {
    if dims > DIMS_MAX {
        return Err(IndexError::too_large("dimensions of a vector", DIMS_MAX as u64));
    }
    if reduced == 0 {
        return Err(IndexError::shape("dimensions to reduce to", 1, 0));
    }
    if reduced > dims {
        return Err(IndexError::shape("dimensions to reduce to", dims as u64, reduced as u64));
    }
    Ok(())
}
