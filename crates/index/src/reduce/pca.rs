//! Principal axes of a sample.

use super::covariance::{Sample, products};
use super::eigen::{decompose, values};
use super::{Projection, check_reduced};
use crate::IndexError;
use crate::dense::Work;
use crate::sections::{reserved, zeros};

/// The most dimensions whose covariance is decomposed: 32 MiB of it and, at 2,048, some 10 s.
pub const PCA_DIMS_MAX: usize = 2_048;

/// The `reduced` principal axes of a sample of rows of `dims` components, by descending energy (LeanVec-ID,
/// arXiv 2312.16335). An axis' component of largest magnitude, the first among equals, is positive. With `center` the
/// sample's mean is taken off, and energy is variance; without, it is the mean square.
///
/// The same sample gives the same bits on every machine and for any number of threads. `work.progress` is asked now and
/// then whether to go on, always with 0 of 1 done. Axes beyond the sample's rank are orthonormal and otherwise
/// arbitrary. Errors: [`IndexError::Shape`] for `dims` 0, `reduced` outside 1..=`dims`, an empty sample or one of
/// partial rows, or a component that is not finite; [`IndexError::TooLarge`] above [`PCA_DIMS_MAX`];
/// [`IndexError::Cancelled`]. Cost: rows x dims^2 / 2 multiplications and 4 dims^3 operations, of which 4 dims^3 / 3 on one
/// thread; memory: 16 dims^2 bytes.
pub fn pca(
    sample: &[f32],
    dims: usize,
    reduced: usize,
    center: bool,
    work: &Work<'_>,
) -> Result<Projection, IndexError> {
    pca_keeping(sample, dims, &[reduced], 0.0, center, work)
}

/// The same, of as many axes as the smallest of `candidates` whose axes keep `share` (0..1) of the energy; the largest
/// candidate when none does.
pub fn pca_keeping(
    sample: &[f32],
    dims: usize,
    candidates: &[usize],
    share: f32,
    center: bool,
    work: &Work<'_>,
) -> Result<Projection, IndexError> {
    let sample = checked(sample, dims, center)?;
    for &reduced in candidates {
        check_reduced(dims, reduced)?;
    }
    let Some(&largest) = candidates.iter().max() else {
        return Err(IndexError::shape("numbers of axes to choose from", 1, 0));
    };
    let choose = |values: &[f64]| {
        let enough = |&reduced: &usize| energy_share(values, reduced) >= share;
        candidates.iter().copied().filter(enough).min().unwrap_or(largest)
    };
    if sample.scale == 0.0 {
        return identity(&sample, choose(&[]));
    }
    let mut products = products(&sample, work)?;
    let mut reduced = 0;
    let eigen = decompose(&mut products, dims, work, |values| {
        reduced = choose(values);
        reduced
    })?;
    let kept = energy_share(&eigen.values, reduced);
    let mut matrix = zeros(dims * reduced)?;
    for (j, vector) in eigen.vectors.chunks_exact(dims).enumerate() {
        let sign = sign_of(vector);
        for (i, &component) in vector.iter().enumerate() {
            matrix[i * reduced + j] = (component * sign) as f32;
        }
    }
    Ok(Projection { mean: rounded(&sample.mean)?, matrix, dims, reduced, kept })
}

/// The energy along each principal axis (the eigenvalues of the covariance), in descending order: what
/// [`pca`] would keep. [`energy_share`] sums it up. Errors, bits and order of cost as [`pca`].
pub fn spectrum(sample: &[f32], dims: usize, center: bool, work: &Work<'_>) -> Result<Vec<f64>, IndexError> {
    let sample = checked(sample, dims, center)?;
    if sample.scale == 0.0 {
        return zeros(dims);
    }
    let mut spectrum = values(&mut products(&sample, work)?, dims, work)?;
    let unit = sample.unit();
    spectrum.iter_mut().for_each(|value| *value = value.max(0.0) * unit);
    Ok(spectrum)
}

/// The share of a spectrum's energy that its first `reduced` axes hold, 0 to 1; 1 when there is no energy to lose.
pub fn energy_share(spectrum: &[f64], reduced: usize) -> f32 {
    let (mut all, mut kept) = (0.0, 0.0);
    for (at, value) in spectrum.iter().enumerate() {
        // Rounding may leave a value below zero where the energy is none.
        all += value.max(0.0);
        if at < reduced {
            kept = all;
        }
    }
    if all > 0.0 { (kept / all) as f32 } else { 1.0 }
}

fn checked(sample: &[f32], dims: usize, center: bool) -> Result<Sample<'_>, IndexError> {
    if dims > PCA_DIMS_MAX {
        return Err(IndexError::too_large(
            "dimensions of vectors to find principal axes of",
            PCA_DIMS_MAX as u64,
        ));
    }
    Sample::new(sample, dims, center)
}

/// Rows that are all the same have no axes; the coordinate axes keep everything there is.
fn identity(sample: &Sample<'_>, reduced: usize) -> Result<Projection, IndexError> {
    let mut matrix = zeros(sample.dims * reduced)?;
    for at in 0..reduced {
        matrix[at * reduced + at] = 1.0;
    }
    Ok(Projection { mean: rounded(&sample.mean)?, matrix, dims: sample.dims, reduced, kept: 1.0 })
}

/// 1 or -1, whichever makes the component of largest magnitude positive, as it is stored.
pub(super) fn sign_of(vector: &[f64]) -> f64 {
    let (mut largest, mut sign) = (0.0, 1.0);
    for &component in vector {
        let stored = component as f32;
        if stored.abs() > largest {
            (largest, sign) = (stored.abs(), if stored < 0.0 { -1.0 } else { 1.0 });
        }
    }
    sign
}

fn rounded(values: &[f64]) -> Result<Vec<f32>, IndexError> {
    let mut out = reserved(values.len())?;
    out.extend(values.iter().map(|&value| value as f32));
    Ok(out)
}
