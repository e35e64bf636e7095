//! Linear reductions in front of an index: fewer dimensions to walk with, all of them to re-rank with.
//!
//! - a prefix of the components, which embeddings trained for it allow (Matryoshka representation learning, arXiv
//!   2205.13147); of cosine vectors one of length 1 again;
//! - a projection onto the principal axes of a sample (LeanVec-ID, arXiv 2312.16335);
//! - one projection of data and another of queries, from samples of both (LeanVec-OOD, the same; `leanvec.rs`);
//! - a projection onto random axes (`random.rs`).
//!
//! Invariants:
//! - the same input gives the same bits on every machine, in finding the axes ([`pca`]) and in projecting
//!   ([`Reduction::apply`]): one order of operations, no fused multiply-add, no function but the square root;
//! - principal axes are orthonormal, so that distances of projected vectors never exceed the distances of the vectors
//!   by more than rounding. Where queries have axes of their own only inner products are kept.
//!
//! Sections: `reduction` u32 x 5: layout version, kind, dims, reduced, the bits of the kept share as f32; then by kind
//! - 0 none, 1 prefix: nothing;
//! - 2 principal axes: `mean` f32 x dims and `axes` f32 x dims x reduced, row-major;
//! - 3 axes of data and queries: the same of the data, and `query_mean` and `query_axes` of queries;
//! - 4 prefix of length 1: `mean` f32 x (reduced + 1), the length and what is added before a prefix is scaled;
//! - 5 the same, then turned: `mean` f32 x (first + 1) and `axes` f32 x first x reduced.

mod covariance;
mod eigen;
mod fit;
mod leanvec;
mod pca;
mod random;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use fit::{SAMPLE, first_of, fit, shared_axes};
pub use leanvec::{Pair, leanvec, leanvec_shared};
pub use pca::{PCA_DIMS_MAX, energy_share, pca, pca_keeping, spectrum};
pub(crate) use random::check_axes;
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
    /// One projection of data, another of queries.
    LeanVec(Pair),
    /// The first components, scaled to one length.
    UnitPrefix(UnitPrefix),
}

/// The first components of vectors that lie on a sphere about another point than the origin: they are brought back to the
/// sphere of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitPrefix {
    /// What was taken off the vectors, as far as it is in the prefix.
    pub mean: Vec<f32>,
    /// The length of the vectors before that.
    pub length: f32,
    /// What turns it then, if anything.
    pub turn: Option<Projection>,
}

impl UnitPrefix {
    fn apply(&self, vector: &[f32], out: &mut [f32]) {
        match &self.turn {
            None => self.scaled(vector, out),
            Some(turn) => {
                let mut scaled = vec![0.0; self.mean.len()];
                self.scaled(vector, &mut scaled);
                turn.apply(&scaled, out);
            }
        }
    }

    fn scaled(&self, vector: &[f32], out: &mut [f32]) {
        let whole = || vector.iter().zip(&self.mean).map(|(x, mean)| x + mean);
        let length = whole().map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let factor = if length > 0.0 { (f64::from(self.length) / length) as f32 } else { 0.0 };
        for ((out, x), mean) in out.iter_mut().zip(whole()).zip(&self.mean) {
            *out = x * factor - mean;
        }
    }
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
            Reduction::Pca(projection) | Reduction::LeanVec(Pair { data: projection, .. }) => {
                projection.reduced
            }
            Reduction::UnitPrefix(prefix) => {
                prefix.turn.as_ref().map_or(prefix.mean.len(), |turn| turn.reduced)
            }
        }
    }

    /// The squared length that counts beside the reduced form of a vector of the squared length `whole`: that one, where
    /// only inner products are taken from the reduced form, or its own.
    pub fn norm(&self, vector: &[f32], whole: f32, reduced: &[f32]) -> f32 {
        match self {
            Reduction::LeanVec(pair) => pair.norm(vector, whole),
            Reduction::UnitPrefix(_) => {
                reduced.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32
            }
            _ => whole,
        }
    }

    /// Writes the reduced form of a vector, [`Reduction::reduced`] components. Nothing is scaled: where lengths count
    /// (cosine), a reduced vector is normalised by whoever needs it, but for [`Reduction::UnitPrefix`]. Of slices of other
    /// lengths what fits is used. Cost: dims x reduced multiplications for axes.
    pub fn apply(&self, vector: &[f32], out: &mut [f32]) {
        match self {
            Reduction::None | Reduction::Prefix { .. } => {
                out.iter_mut().zip(vector).for_each(|(out, &value)| *out = value);
            }
            Reduction::Pca(projection) | Reduction::LeanVec(Pair { data: projection, .. }) => {
                projection.apply(vector, out);
            }
            Reduction::UnitPrefix(prefix) => prefix.apply(vector, out),
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

    /// A vector whose reduced form is the given one: of orthonormal axes the nearest to all that have it. `out` has the
    /// components of a vector; those that nothing is known of become 0.
    pub(crate) fn back(&self, reduced: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        let copied = |from: &[f32], out: &mut [f32]| out.iter_mut().zip(from).for_each(|(out, x)| *out = *x);
        match self {
            Reduction::None | Reduction::Prefix { .. } => copied(reduced, out),
            Reduction::Pca(projection) | Reduction::LeanVec(Pair { data: projection, .. }) => {
                projection.back(reduced, out);
            }
            Reduction::UnitPrefix(UnitPrefix { turn: Some(turn), .. }) => turn.back(reduced, out),
            Reduction::UnitPrefix(_) => copied(reduced, out),
        }
    }

    /// The same of a query.
    pub fn apply_query(&self, query: &[f32], out: &mut [f32]) {
        match self {
            Reduction::LeanVec(pair) => pair.queries.apply(query, out),
            _ => self.apply(query, out),
        }
    }

    /// The same of a query from which the share `weight` of its origin was taken ([`Asked`](crate::quant::Asked)).
    pub(crate) fn apply_asked(&self, query: &[f32], weight: f32, out: &mut [f32]) {
        match self {
            Reduction::LeanVec(pair) if weight != 1.0 => {
                let back = query.iter().zip(&pair.queries.mean).map(|(x, mean)| x + (1.0 - weight) * mean);
                pair.queries.apply(&back.collect::<Vec<f32>>(), out);
            }
            _ => self.apply_query(query, out),
        }
    }

    /// The axes of queries, where they are projected.
    pub fn query_axes(&self) -> Option<&Projection> {
        match self {
            Reduction::Pca(projection) | Reduction::LeanVec(Pair { queries: projection, .. }) => {
                Some(projection)
            }
            _ => None,
        }
    }

    /// [`apply`](Reduction::apply) without a copy where there is nothing to compute.
    pub fn applied<'v>(&self, vector: &'v [f32]) -> Result<Cow<'v, [f32]>, IndexError> {
        match self {
            Reduction::None => Ok(Cow::Borrowed(vector)),
            Reduction::Prefix { reduced } => Ok(Cow::Borrowed(vector.get(..*reduced).unwrap_or(vector))),
            Reduction::Pca(_) | Reduction::LeanVec(_) | Reduction::UnitPrefix(_) => {
                let mut out = zeros(self.reduced(vector.len()))?;
                self.apply(vector, &mut out);
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

impl Projection {
    /// The sum of the axes, each times its component, and the mean.
    fn back(&self, reduced: &[f32], out: &mut [f32]) {
        const LANES: usize = 8;
        let rows = self.matrix.chunks_exact(self.reduced.max(1));
        for ((out, row), mean) in out.iter_mut().zip(rows).zip(&self.mean) {
            let mut sums = [0.0f32; LANES];
            for (axes, xs) in row.chunks(LANES).zip(reduced.chunks(LANES)) {
                for ((sum, axis), x) in sums.iter_mut().zip(axes).zip(xs) {
                    *sum += axis * x;
                }
            }
            *out = sums.iter().sum::<f32>() + mean;
        }
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
