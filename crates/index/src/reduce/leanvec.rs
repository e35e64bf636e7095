//! Axes for queries and axes for data, from samples of both (LeanVec-OOD, arXiv 2312.16335).
//!
//! Wanted are `A` for queries and `B` for data, `reduced` axes each, that lose least of the inner products:
//!
//! ```text
//! E |<A q, B x> - <q, x>|^2 = tr((M - I) X (M - I)' Q)        M = A' B, X = E x x', Q = E q q'
//! ```
//! The paper looks for orthonormal axes by Frank-Wolfe steps or by a search over mixtures of X and Q. Axes need not be
//! orthonormal here, for codes carry the length of the whole vector, and then the best M of a rank has a closed form
//! (Eckart and Young, 1936, in the norm of X and Q): with `X = L L'` and the leading eigenvectors U of `L' Q L`,
//! `M = L U U' L^-1`. It is split so that `A q` and `B x` have the same covariance, the square roots of the eigenvalues;
//! queries like the data give the principal axes again, twice.
//!
//! A sample of queries is never the whole story: few queries span few directions, and while a graph is built the data is
//! searched for as well. So Q is a mixture with X, with a share of the energy at stake that falls with the number of
//! queries.
//!
//! The same samples give the same bits on every machine: sums run in one order, and no function but the square root is
//! called.

use super::covariance::{Lower, Sample, products};
use super::eigen::{decompose, dot};
use super::pca::sign_of;
use super::{PCA_DIMS_MAX, Projection, Reduction, check_reduced, energy_share, pca};
use crate::IndexError;
use crate::dense::Work;
use crate::sections::{reserved, zeros};

/// The share of data among queries is `dims / (dims + queries)`, but no less than this: a graph is built with the data.
const DATA_SHARE_MIN: f64 = 0.1;
/// ... and no more: a few queries say something about queries.
const DATA_SHARE_MAX: f64 = 0.95;

/// The share of data among so many queries.
pub(super) fn data_share(dims: usize, queries: usize) -> f64 {
    (dims as f64 / (dims + queries) as f64).clamp(DATA_SHARE_MIN, DATA_SHARE_MAX)
}
/// Directions in which the data has less than this share of its largest energy are rounding.
const NEGLIGIBLE: f64 = 1e-6;

/// The maps of queries and of data.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// What is done to data.
    pub data: Projection,
    /// What is done to queries. Its mean is the place from which queries look, as seen from where the data was centred;
    /// zero where that is the same.
    pub queries: Projection,
}

impl Pair {
    /// What is to be taken for the squared length of a vector beside its projection. With `c` the way from the queries'
    /// origin to that of the data, `|x|^2 / 2 - <q - c, x> = (|x|^2 + 2 <c, x>) / 2 - <q, x>`: the second is exact in the
    /// part that no query changes, and leaves to the axes the part that queries differ in.
    pub(super) fn norm(&self, vector: &[f32], whole: f32) -> f32 {
        let along = vector.iter().zip(&self.queries.mean).map(|(x, c)| f64::from(*x) * f64::from(*c));
        (f64::from(whole) - 2.0 * along.sum::<f64>()) as f32
    }
}

/// The `reduced` pairs of axes that keep most of the inner products of queries like `queries` with data like `sample`,
/// both rows of `dims` components. With `center` the sample's mean is taken off the data first, which changes all inner
/// products of a query by the same. Every query counts the same, however long it is.
///
/// Errors, bits and order of cost as [`pca`](super::pca), with three products of matrices of dims^2 beside.
pub fn leanvec(
    sample: &[f32],
    queries: &[f32],
    dims: usize,
    reduced: usize,
    center: bool,
    work: &Work<'_>,
) -> Result<Reduction, IndexError> {
    if dims > PCA_DIMS_MAX {
        return Err(IndexError::too_large("dimensions of vectors to find axes of", PCA_DIMS_MAX as u64));
    }
    check_reduced(dims, reduced)?;
    let queries = unit_rows(queries, dims)?;
    let (data, asked) = (Sample::new(sample, dims, center)?, Sample::new(&queries, dims, false)?);
    if data.scale == 0.0 || asked.scale == 0.0 {
        // Nothing to tell apart, or nothing asked for.
        return Ok(Reduction::Pca(pca(sample, dims, reduced, center, work)?));
    }
    let (x, q) = mixed(&data, &asked, work)?;
    let root = cholesky(x, dims)?;
    let mut seen = between(&root, &q, dims)?;
    let mut kept = 0.0;
    let eigen = decompose(&mut seen, dims, work, |values| {
        kept = energy_share(values, reduced);
        reduced
    })?;
    let mean: Vec<f32> = data.mean.iter().map(|&value| value as f32).collect();
    let mut pair = Pair {
        data: Projection { mean, matrix: zeros(dims * reduced)?, dims, reduced, kept },
        queries: Projection { mean: zeros(dims)?, matrix: zeros(dims * reduced)?, dims, reduced, kept },
    };
    // Directions that nothing falls into are given the smallest weight that is still a number.
    let least = eigen.values.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE) * NEGLIGIBLE * NEGLIGIBLE;
    for (j, vector) in eigen.vectors.chunks_exact(dims).enumerate() {
        let weight = eigen.values[j].max(least).sqrt().sqrt();
        let (of_query, of_data) = (times(&root, vector, dims)?, solved(&root, vector, dims)?);
        let sign = sign_of(&of_query);
        for i in 0..dims {
            pair.queries.matrix[i * reduced + j] = (of_query[i] / weight * sign) as f32;
            pair.data.matrix[i * reduced + j] = (of_data[i] * weight * sign) as f32;
        }
    }
    if pair.data.matrix.iter().chain(&pair.queries.matrix).any(|x| !x.is_finite()) {
        return Ok(Reduction::Pca(pca(sample, dims, reduced, center, work)?));
    }
    Ok(Reduction::LeanVec(pair))
}

/// Orthonormal axes for data and queries alike, which lose least of their inner products among the leading eigenvectors of
/// five mixtures of the moments of both (the eigenvector search of the paper): for codes of points that are to lie near each other.
/// Errors and order of cost as [`leanvec`], five times.
pub fn leanvec_shared(
    sample: &[f32],
    queries: &[f32],
    dims: usize,
    reduced: usize,
    work: &Work<'_>,
) -> Result<Projection, IndexError> {
    if dims > PCA_DIMS_MAX {
        return Err(IndexError::too_large("dimensions of vectors to find axes of", PCA_DIMS_MAX as u64));
    }
    check_reduced(dims, reduced)?;
    let queries = unit_rows(queries, dims)?;
    let (data, asked) = (Sample::new(sample, dims, false)?, Sample::new(&queries, dims, false)?);
    let plain = pca(sample, dims, reduced, false, work)?;
    if data.scale == 0.0 || asked.scale == 0.0 {
        return Ok(plain);
    }
    let (x, q) = mixed(&data, &asked, work)?;
    let trace = |m: &[f64]| (0..dims).map(|i| m[i * dims + i]).sum::<f64>();
    let (of_x, of_q) = (trace(&x), trace(&q));
    let axes_of = |projection: &Projection| -> Vec<f64> {
        let column = |j: usize| projection.matrix.iter().skip(j).step_by(reduced).map(|x| f64::from(*x));
        (0..reduced).flat_map(column).collect()
    };
    let mut best = (lost(&axes_of(&plain), &x, &q, dims), plain);
    for part in [0.25, 0.5, 0.75, 1.0] {
        let mut mixture =
            Lower { values: zeros(dims * dims.next_multiple_of(8))?, stride: dims.next_multiple_of(8) };
        for (at, row) in mixture.values.chunks_exact_mut(mixture.stride).enumerate() {
            let (x, q) = (&x[at * dims..][..dims], &q[at * dims..][..dims]);
            for ((out, x), q) in row.iter_mut().zip(x).zip(q) {
                *out = (1.0 - part) * x / of_x + part * q / of_q;
            }
        }
        let eigen = decompose(&mut mixture, dims, work, |_| reduced)?;
        let loss = lost(&eigen.vectors, &x, &q, dims);
        if loss < best.0 {
            let mut matrix: Vec<f32> = zeros(dims * reduced)?;
            for (j, axis) in eigen.vectors.chunks_exact(dims).enumerate() {
                let sign = sign_of(axis);
                axis.iter().enumerate().for_each(|(i, x)| matrix[i * reduced + j] = (x * sign) as f32);
            }
            best = (loss, Projection { mean: zeros(dims)?, matrix, dims, reduced, kept: best.1.kept });
        }
    }
    Ok(best.1)
}

/// `tr((I - P) X (I - P) Q)` but for `tr(X Q)`, where P projects onto axes that stand one after the other.
fn lost(axes: &[f64], x: &[f64], q: &[f64], dims: usize) -> f64 {
    let times =
        |m: &[f64], axis: &[f64]| m.chunks_exact(dims).map(|row| dot(row, axis)).collect::<Vec<f64>>();
    let of: Vec<(Vec<f64>, Vec<f64>)> =
        axes.chunks_exact(dims).map(|axis| (times(x, axis), times(q, axis))).collect();
    let mut sum = 0.0;
    for (axis, (of_x, of_q)) in axes.chunks_exact(dims).zip(&of) {
        sum -= 2.0 * dot(of_x, of_q);
        for (other_x, other_q) in &of {
            sum += dot(axis, other_x) * dot(axis, other_q);
        }
    }
    sum
}

/// The moments of data, and those of queries with some data among them.
fn mixed(data: &Sample<'_>, asked: &Sample<'_>, work: &Work<'_>) -> Result<(Vec<f64>, Vec<f64>), IndexError> {
    let dims = data.dims;
    let x = moments(data, dims, work)?;
    let mut q = moments(asked, dims, work)?;
    // The trace of a product is the mean squared inner product of what both are moments of.
    let (of_queries, of_data) = (dot(&q, &x), dot(&x, &x));
    let share = data_share(dims, asked.rows());
    let weights = ((1.0 - share) * of_data / of_queries.max(of_data * NEGLIGIBLE), share);
    for (q, x) in q.iter_mut().zip(&x) {
        *q = weights.0 * *q + weights.1 * *x;
    }
    Ok((x, q))
}

/// Rows scaled to length 1; zeros stay.
fn unit_rows(rows: &[f32], dims: usize) -> Result<Vec<f32>, IndexError> {
    let mut out = reserved(rows.len())?;
    for row in rows.chunks(dims.max(1)) {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        out.extend(row.iter().map(|&x| (f64::from(x) * factor) as f32));
    }
    Ok(out)
}

/// The second moments of a sample, whole and of trace 1.
fn moments(sample: &Sample<'_>, dims: usize, work: &Work<'_>) -> Result<Vec<f64>, IndexError> {
    let Lower { values, stride } = products(sample, work)?;
    let trace: f64 = (0..dims).map(|i| values[i * stride + i]).sum();
    let mut out = zeros(dims * dims)?;
    for i in 0..dims {
        for j in 0..=i {
            let value = values[i * stride + j] / trace;
            out[i * dims + j] = value;
            out[j * dims + i] = value;
        }
    }
    Ok(out)
}

/// The lower triangular `L` with `L L' = matrix`, after a little was added to the diagonal (Golub and Van Loan, 4.2.5).
fn cholesky(mut matrix: Vec<f64>, dims: usize) -> Result<Vec<f64>, IndexError> {
    let largest = (0..dims).map(|i| matrix[i * dims + i]).fold(0.0, f64::max);
    let little = largest * NEGLIGIBLE;
    for i in 0..dims {
        let (above, row) = matrix.split_at_mut(i * dims);
        let row = &mut row[..dims];
        for j in 0..i {
            let earlier = &above[j * dims..(j + 1) * dims];
            row[j] = (row[j] - dot(&row[..j], &earlier[..j])) / earlier[j];
        }
        let left = row[i] + little - dot(&row[..i], &row[..i]);
        row[i] = left.max(little).sqrt();
        row[i + 1..].fill(0.0);
    }
    Ok(matrix)
}

/// `L' Q L`, of which the lower half counts.
fn between(root: &[f64], q: &[f64], dims: usize) -> Result<Lower, IndexError> {
    // T = Q L, row by row: the rows of L are added up.
    let mut t: Vec<f64> = zeros(dims * dims)?;
    for (row, out) in q.chunks_exact(dims).zip(t.chunks_exact_mut(dims)) {
        for (k, &factor) in row.iter().enumerate() {
            add(&mut out[..=k], factor, &root[k * dims..][..=k]);
        }
    }
    let stride = dims.next_multiple_of(8);
    let mut values: Vec<f64> = zeros(stride * stride)?;
    for (k, row) in t.chunks_exact(dims).enumerate() {
        for i in 0..=k {
            add(&mut values[i * stride..][..=i], root[k * dims + i], &row[..=i]);
        }
    }
    Ok(Lower { values, stride })
}

/// `L v`.
fn times(root: &[f64], vector: &[f64], dims: usize) -> Result<Vec<f64>, IndexError> {
    let mut out = zeros(dims)?;
    for (i, out) in out.iter_mut().enumerate() {
        *out = dot(&root[i * dims..][..=i], &vector[..=i]);
    }
    Ok(out)
}

/// `w` with `L' w = v`, from the last component upwards.
fn solved(root: &[f64], vector: &[f64], dims: usize) -> Result<Vec<f64>, IndexError> {
    let mut out = reserved(dims)?;
    out.extend_from_slice(vector);
    for i in (0..dims).rev() {
        let row = &root[i * dims..][..=i];
        let (above, last) = out.split_at_mut(i);
        last[0] /= row[i];
        add(above, -last[0], &row[..i]);
    }
    Ok(out)
}

#[inline(always)]
fn add(out: &mut [f64], factor: f64, values: &[f64]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += factor * value;
    }
}
