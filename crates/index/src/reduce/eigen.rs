//! Eigenvalues and leading eigenvectors of a symmetric matrix.
//!
//! Householder reflections to tridiagonal form, implicit QR steps with Wilkinson's shift on that, and the reflections
//! again on the chosen vectors (Golub and Van Loan, Matrix Computations, 4th ed., 5.1, 5.2.6, 8.3). All products and sums are f64 in
//! one fixed order; the only function called is the square root, which IEEE 754 rounds correctly.
//!
//! Whatever the matrix, the vectors come from reflections and rotations alone, so that they are orthonormal to
//! rounding: degenerate and rank-deficient matrices need no case of their own. What is smaller than rounding beside
//! the whole matrix is dropped.
//!
//! Three things make it fast at a few hundred to two thousand rows:
//! - the update after one reflection and the product that the next one needs share a pass over the matrix, of which
//!   only the lower half is kept;
//! - rotations are collected and applied many sweeps at a time to [`STRIPE`] columns that fit the second cache; the
//!   row that two rotations share stays in registers;
//! - only the vectors that are asked for go back through the reflections.
//!
//! Stripes are shared out over threads; the form and the rotations are found on one. No element is computed otherwise for it.

use super::covariance::Lower;
use crate::IndexError;
use crate::dense::Work;
use crate::parallel::each_part;
use crate::sections::{reserved, zeros};

/// Columns of a stripe.
const STRIPE: usize = 16;

/// Rows of the reduction to tridiagonal form between two questions whether to go on.
const ROWS_ASKED: usize = 64;

/// Partial sums of a dot product.
const LANES: usize = 8;

/// Off-diagonal elements below this share of the largest are rounding.
const NEGLIGIBLE: f64 = 1.0 / (1u64 << 50) as f64;

/// Squares below this lose digits; what they are squares of is nothing beside a matrix with an element near 1.
const TINY: f64 = 1e-280;

/// Steps without progress after which an element is dropped. Two suffice on average; the bound keeps a run finite.
const STEPS_MAX: usize = 60;

/// What a matrix is made of.
pub(super) struct Eigen {
    /// All eigenvalues, in descending order.
    pub(super) values: Vec<f64>,
    /// The eigenvectors asked for, in the order of the values, one after the other.
    pub(super) vectors: Vec<f64>,
}

/// All eigenvalues, and as many eigenvectors as `leading` says when it sees them. The largest element of the matrix
/// must be near 1. Cost for `n` rows: 4 n^3 operations; memory: another n^2 f64, and one n per vector.
pub(super) fn decompose(
    matrix: &mut Lower,
    size: usize,
    work: &Work<'_>,
    leading: impl FnOnce(&[f64]) -> usize,
) -> Result<Eigen, IndexError> {
    let mut form = tridiagonal(matrix, size, work)?;
    let mut turned = Turned::identity(size)?;
    diagonalise(&mut form, Some(&mut turned), work)?;
    let order = descending(&form.diagonal)?;
    let values = picked(&form.diagonal, &order)?;
    let order = &order[..leading(&values).min(size)];
    let mut chosen: Vec<[f64; STRIPE]> = zeros(order.len().div_ceil(STRIPE) * size)?;
    work.step(0, 1)?;
    let matrix: &Lower = matrix;
    each_part(work.parallel, chosen.chunks_exact_mut(size), &|to, stripe| {
        for (lane, &from) in order.iter().skip(to * STRIPE).take(STRIPE).enumerate() {
            stripe.iter_mut().enumerate().for_each(|(row, lanes)| lanes[lane] = turned.at(from, row));
        }
        reflect(matrix, &form.halves, stripe);
    });
    let mut vectors = reserved(order.len() * size)?;
    for at in 0..order.len() {
        let stripe = &chosen[at / STRIPE * size..][..size];
        vectors.extend(stripe.iter().map(|lanes| lanes[at % STRIPE]));
    }
    Ok(Eigen { values, vectors })
}

/// All eigenvalues in descending order, under the same condition. Cost: 2 n^3 / 3 multiplications.
pub(super) fn values(matrix: &mut Lower, size: usize, work: &Work<'_>) -> Result<Vec<f64>, IndexError> {
    let mut form = tridiagonal(matrix, size, work)?;
    diagonalise(&mut form, None, work)?;
    picked(&form.diagonal, &descending(&form.diagonal)?)
}

/// The places of the values in descending order, equal ones in the order they stand in.
fn descending(values: &[f64]) -> Result<Vec<usize>, IndexError> {
    let mut order = reserved(values.len())?;
    order.extend(0..values.len());
    order.sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    Ok(order)
}

fn picked(values: &[f64], order: &[usize]) -> Result<Vec<f64>, IndexError> {
    let mut out = reserved(order.len())?;
    out.extend(order.iter().map(|&at| values[at]));
    Ok(out)
}

/// A tridiagonal matrix and the reflections that led to it.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Beside the diagonal; one element fewer.
    beside: Vec<f64>,
    /// Half the squared length of the reflector of each row; 0 when there is none. The reflector of row `i` stands
    /// in the matrix, in the first `i` elements of that row.
    halves: Vec<f64>,
}

/// The vectors of a rank-two update `A - v q' - q v'` that is still to be done.
struct Update {
    v: Vec<f64>,
    q: Vec<f64>,
}

/// Reduces to tridiagonal form, from the last row upwards.
fn tridiagonal(matrix: &mut Lower, size: usize, work: &Work<'_>) -> Result<Tridiagonal, IndexError> {
    let mut form =
        Tridiagonal { diagonal: zeros(size)?, beside: zeros(size.saturating_sub(1))?, halves: zeros(size)? };
    let mut before = Update { v: zeros(size)?, q: zeros(size)? };
    let mut next = Update { v: zeros(size)?, q: zeros(size)? };
    for i in (0..size).rev() {
        if i.is_multiple_of(ROWS_ASKED) {
            work.step(0, 1)?;
        }
        let (above, row) = matrix.values.split_at_mut(i * matrix.stride);
        let row = &mut row[..=i];
        let (v, q) = (before.v[i], before.q[i]);
        for ((a, vj), qj) in row.iter_mut().zip(&before.v).zip(&before.q) {
            *a -= v * qj + q * vj;
        }
        form.diagonal[i] = row[i];
        if i == 0 {
            break;
        }
        let reflector = &mut row[..i];
        (form.beside[i - 1], form.halves[i]) = reflector_of(reflector);
        next.v[..i].copy_from_slice(reflector);
        next.q[..i].fill(0.0);
        for (k, row) in above.chunks_exact_mut(matrix.stride).enumerate() {
            update_and_multiply(&mut row[..=k], &before, &next.v, &mut next.q);
        }
        finish_update(&mut next, i, form.halves[i]);
        std::mem::swap(&mut before, &mut next);
    }
    Ok(form)
}

/// Turns a vector into the reflector that maps it to a multiple of its last axis; gives the multiple, and half the
/// reflector's squared length.
fn reflector_of(vector: &mut [f64]) -> (f64, f64) {
    let Some((last, others)) = vector.split_last_mut() else { return (0.0, 0.0) };
    let squared = dot(others, others);
    if squared < TINY {
        let kept = *last;
        vector.fill(0.0);
        return (kept, 0.0);
    }
    let squared = squared + *last * *last;
    let length = squared.sqrt();
    let image = if *last > 0.0 { -length } else { length };
    let half = squared - *last * image;
    *last -= image;
    (image, half)
}

/// Does the update before to one row of the lower triangle and adds the row's share, and that of the column it
/// mirrors, to the product of the matrix with `x`.
#[inline(always)]
fn update_and_multiply(row: &mut [f64], before: &Update, x: &[f64], product: &mut [f64]) {
    let Some((diagonal, row)) = row.split_last_mut() else { return };
    let k = row.len();
    let (vk, qk, xk) = (before.v[k], before.q[k], x[k]);
    let (row, row_rest) = row.as_chunks_mut::<LANES>();
    let whole = row.len() * LANES;
    let (v, q, x) = (&before.v[..k], &before.q[..k], &x[..k]);
    let (v, q, x) = (v.as_chunks::<LANES>(), q.as_chunks::<LANES>(), x.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    let lines = row.iter_mut().zip(v.0).zip(q.0).zip(x.0).zip(product.as_chunks_mut::<LANES>().0);
    for ((((row, v), q), x), product) in lines {
        for lane in 0..LANES {
            let a = row[lane] - (vk * q[lane] + qk * v[lane]);
            row[lane] = a;
            product[lane] += xk * a;
            sums[lane] += x[lane] * a;
        }
    }
    let mut sum = folded(sums);
    let rest = row_rest.iter_mut().zip(v.1).zip(q.1).zip(x.1).zip(&mut product[whole..]);
    for ((((row, v), q), x), product) in rest {
        let a = *row - (vk * q + qk * v);
        *row = a;
        *product += xk * a;
        sum += x * a;
    }
    *diagonal -= vk * qk + qk * vk;
    product[k] += sum + xk * *diagonal;
}

/// From the product `A v` to the `q` of the update: `p = A v / h`, `q = p - v (v'p / 2h)`.
fn finish_update(update: &mut Update, len: usize, half: f64) {
    let (v, q) = (&update.v[..len], &mut update.q[..len]);
    if half == 0.0 {
        return q.fill(0.0);
    }
    q.iter_mut().for_each(|q| *q /= half);
    let share = dot(v, q) / (2.0 * half);
    for (q, v) in q.iter_mut().zip(v) {
        *q -= share * v;
    }
}

#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut sum = folded(sums);
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum += a * b;
    }
    sum
}

#[inline(always)]
fn folded(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// Brings vectors of the tridiagonal matrix back to the matrix it came from: the reflections of rows 1, 2, ... in turn.
fn reflect(matrix: &Lower, halves: &[f64], stripe: &mut [[f64; STRIPE]]) {
    for (i, &half) in halves.iter().enumerate() {
        if half == 0.0 {
            continue;
        }
        let reflector = &matrix.values[i * matrix.stride..][..i];
        let mut shares = [0.0; STRIPE];
        for (v, row) in reflector.iter().zip(&*stripe) {
            for (share, x) in shares.iter_mut().zip(row) {
                *share += v * x;
            }
        }
        shares.iter_mut().for_each(|share| *share /= half);
        for (v, row) in reflector.iter().zip(&mut *stripe) {
            for (x, share) in row.iter_mut().zip(&shares) {
                *x -= v * share;
            }
        }
    }
}

/// Diagonalises a tridiagonal matrix in place; `turned` takes every rotation on the way.
fn diagonalise(
    form: &mut Tridiagonal,
    mut turned: Option<&mut Turned>,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let (d, e) = (&mut form.diagonal, &mut form.beside);
    let largest = d.iter().chain(&*e).fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let negligible = largest * NEGLIGIBLE;
    let (mut end, mut steps) = (d.len().saturating_sub(1), 0);
    while end > 0 {
        if e[end - 1].abs() <= negligible || steps == STEPS_MAX {
            e[end - 1] = 0.0;
            (end, steps) = (end - 1, 0);
            continue;
        }
        let mut start = end - 1;
        while start > 0 && e[start - 1].abs() > negligible {
            start -= 1;
        }
        steps += 1;
        let each = |rotation| turned.as_mut().map_or(Ok(()), |turned| turned.push(rotation));
        step(d, e, start..end, each)?;
        if let Some(turned) = turned.as_mut() {
            turned.end_sweep(start, work)?;
        }
    }
    turned.map_or(Ok(()), |turned| turned.apply(work))
}

/// One implicit QR step on the rows `block.start..=block.end`, none of whose elements beside the diagonal is
/// negligible.
fn step(
    d: &mut [f64],
    e: &mut [f64],
    block: std::ops::Range<usize>,
    mut each: impl FnMut(Rotation) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let (start, end) = (block.start, block.end);
    let b = e[end - 1];
    let t = (d[end - 1] - d[end]) / 2.0;
    let root = (t * t + b * b).sqrt();
    let shift = d[end] - b * b / if t < 0.0 { t - root } else { t + root };
    let (mut x, mut z) = (d[start] - shift, e[start]);
    for k in start..end {
        let squared = x * x + z * z;
        let (r, c, s) = if squared < TINY {
            (x, 1.0, 0.0)
        } else {
            let r = squared.sqrt();
            (r, x / r, z / r)
        };
        if k > start {
            e[k - 1] = r;
        }
        let w = s * (d[k + 1] - d[k]) + 2.0 * c * e[k];
        d[k] += s * w;
        d[k + 1] -= s * w;
        e[k] = c * w - e[k];
        if k + 1 < end {
            (x, z) = (e[k], s * e[k + 1]);
            e[k + 1] *= c;
        }
        each(Rotation { c, s })?;
    }
    Ok(())
}

/// `(a, b)` becomes `(c a + s b, c b - s a)`.
#[derive(Clone, Copy)]
struct Rotation {
    c: f64,
    s: f64,
}

/// Rows that follow the rotations: the eigenvectors of the tridiagonal matrix, in stripes of columns.
struct Turned {
    size: usize,
    /// Stripe after stripe, each with all rows.
    stripes: Vec<[f64; STRIPE]>,
    /// What has not been applied: sweeps of rotations, each of two neighbouring rows, ...
    waiting: Vec<Rotation>,
    /// ... with the first row of each, and where its rotations end.
    sweeps: Vec<(usize, usize)>,
}

impl Turned {
    fn identity(size: usize) -> Result<Self, IndexError> {
        let mut stripes: Vec<[f64; STRIPE]> = zeros(size.div_ceil(STRIPE) * size)?;
        for at in 0..size {
            stripes[at / STRIPE * size + at][at % STRIPE] = 1.0;
        }
        Ok(Turned { size, stripes, waiting: Vec::new(), sweeps: Vec::new() })
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.stripes[column / STRIPE * self.size + row][column % STRIPE]
    }

    #[inline]
    fn push(&mut self, rotation: Rotation) -> Result<(), IndexError> {
        let memory = |_| IndexError::Memory { bytes: size_of::<Rotation>() as u64 };
        self.waiting.try_reserve(1).map_err(memory)?;
        self.waiting.push(rotation);
        Ok(())
    }

    /// The rotations since the sweep before began at row `start`. Applies them once there are enough to be worth a
    /// pass over the stripes.
    fn end_sweep(&mut self, start: usize, work: &Work<'_>) -> Result<(), IndexError> {
        let memory = |_| IndexError::Memory { bytes: size_of::<(usize, usize)>() as u64 };
        self.sweeps.try_reserve(1).map_err(memory)?;
        self.sweeps.push((start, self.waiting.len()));
        if self.waiting.len() < 32 * self.size { Ok(()) } else { self.apply(work) }
    }

    fn apply(&mut self, work: &Work<'_>) -> Result<(), IndexError> {
        work.step(0, 1)?;
        let (sweeps, waiting) = (&self.sweeps, &self.waiting);
        each_part(work.parallel, self.stripes.chunks_exact_mut(self.size), &|_, stripe| {
            let mut from = 0;
            for &(start, to) in sweeps {
                rotate(&mut stripe[start..], &waiting[from..to]);
                from = to;
            }
        });
        self.waiting.clear();
        self.sweeps.clear();
        Ok(())
    }
}

/// One sweep on one stripe; the row that two rotations share is carried along.
#[inline(always)]
fn rotate(rows: &mut [[f64; STRIPE]], rotations: &[Rotation]) {
    let Some(&first) = rows.first() else { return };
    let mut carried = first;
    for (at, &Rotation { c, s }) in rotations.iter().enumerate() {
        let below = rows[at + 1];
        let mut out = [0.0; STRIPE];
        for lane in 0..STRIPE {
            out[lane] = c * carried[lane] + s * below[lane];
            carried[lane] = c * below[lane] - s * carried[lane];
        }
        rows[at] = out;
    }
    rows[rotations.len()] = carried;
}
