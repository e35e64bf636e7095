#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod learnt;

use super::*;
use crate::dense::Work;
use crate::parallel::Threads;
use crate::sections::{MemorySections, array_bytes};
use crate::{SectionSource, Sections};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

fn axes(sample: &[f32], dims: usize, reduced: usize, center: bool) -> Result<Projection, IndexError> {
    pca(sample, dims, reduced, center, &Work::inline())
}

fn energies(sample: &[f32], dims: usize, center: bool) -> Result<Vec<f64>, IndexError> {
    spectrum(sample, dims, center, &Work::inline())
}

fn keeping(
    sample: &[f32],
    dims: usize,
    candidates: &[usize],
    share: f32,
    center: bool,
) -> Result<Projection, IndexError> {
    pca_keeping(sample, dims, candidates, share, center, &Work::inline())
}

/// SplitMix64 as components from -1 to 1: the same on every machine.
struct Rng(u64);

impl Rng {
    fn component(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn components(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.component()).collect()
    }

    /// Rows in a space of `rank` dimensions of falling weight, an offset from the origin, and noise.
    fn rows(&mut self, rows: usize, dims: usize, rank: usize, noise: f32) -> Vec<f32> {
        let (basis, offset) = (self.components(rank * dims), self.components(dims));
        let mut out = Vec::new();
        for _ in 0..rows {
            let weights: Vec<f32> = (0..rank).map(|at| self.component() / (1 + at) as f32).collect();
            out.extend((0..dims).map(|i| {
                let within: f32 = (0..rank).map(|at| weights[at] * basis[at * dims + i]).sum();
                3.0 * offset[i] + within + noise * self.component()
            }));
        }
        out
    }
}

/// The largest difference between the axes' products with each other and the identity.
fn skew(projection: &Projection) -> f64 {
    let Projection { matrix, dims, reduced, .. } = projection;
    let mut worst: f64 = 0.0;
    for a in 0..*reduced {
        for b in 0..=a {
            let each = |i: usize| f64::from(matrix[i * reduced + a]) * f64::from(matrix[i * reduced + b]);
            let product: f64 = (0..*dims).map(each).sum();
            worst = worst.max((product - f64::from(u8::from(a == b))).abs());
        }
    }
    worst
}

/// What an axis that cannot be told from its negative is held to: its largest component is positive.
fn signs_hold(projection: &Projection) -> bool {
    (0..projection.reduced).all(|j| {
        let axis: Vec<f32> = projection.matrix.iter().skip(j).step_by(projection.reduced).copied().collect();
        let largest = axis.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
        axis.iter().find(|x| x.abs() == largest).is_some_and(|x| *x > 0.0)
    })
}

/// FNV-1a over the bits.
fn checksum(projection: &Projection) -> u64 {
    let numbers = projection.mean.iter().chain(&projection.matrix).chain([&projection.kept]);
    let bytes = numbers.flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The covariance, straight from its definition.
fn covariance(sample: &[f32], dims: usize, center: bool) -> Vec<f64> {
    let rows = sample.chunks_exact(dims);
    let count = rows.len() as f64;
    let mean = |i: usize| {
        if center { rows.clone().map(|row| f64::from(row[i])).sum::<f64>() / count } else { 0.0 }
    };
    let mean: Vec<f64> = (0..dims).map(mean).collect();
    let at = |i: usize, j: usize| {
        let products = rows.clone().map(|r| (f64::from(r[i]) - mean[i]) * (f64::from(r[j]) - mean[j]));
        products.sum::<f64>() / count
    };
    (0..dims * dims).map(|ij| at(ij / dims, ij % dims)).collect()
}

/// Eigenvalues in descending order, by Jacobi's rotations.
fn jacobi(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    for _ in 0..50 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = if theta < 0.0 { -1.0 } else { 1.0 } / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    values.sort_by(|x, y| y.total_cmp(x));
    values
}

/// The energy that the projections of a sample hold, measured on them.
fn energy(sample: &[f32], projection: &Projection) -> f64 {
    let mut out = vec![0.0; projection.reduced];
    let mut sum = 0.0;
    for row in sample.chunks_exact(projection.dims) {
        projection.apply(row, &mut out);
        sum += out.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    }
    sum / (sample.len() / projection.dims) as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn axes_are_orthonormal_and_hold_the_energy_of_the_oracle(
        seed: u64,
        dims in 1usize..28,
        rows in 1usize..300,
        rank in 0usize..12,
        noise in prop_oneof![Just(0.0f32), Just(1e-3), Just(0.3)],
        center: bool,
        part in 0.0..1.0,
    ) {
        let reduced = 1 + (part * dims as f64) as usize;
        let sample = Rng(seed).rows(rows, dims, rank, noise);
        let oracle = jacobi(covariance(&sample, dims, center), dims);
        let projection = axes(&sample, dims, reduced, center).unwrap();
        prop_assert!(skew(&projection) < 1e-6, "skew {}", skew(&projection));
        prop_assert!(signs_hold(&projection));
        let found = energies(&sample, dims, center).unwrap();
        let scale = oracle[0].abs().max(1e-12);
        for (found, wanted) in found.iter().zip(&oracle) {
            prop_assert!((found - wanted).abs() < 1e-5 * scale, "{found} for {wanted}");
        }
        let kept: f64 = oracle[..reduced].iter().sum();
        prop_assert!((energy(&sample, &projection) - kept).abs() < 1e-4 * scale * dims as f64);
        if oracle[0] > 1e-9 {
            let share = kept / oracle.iter().sum::<f64>();
            prop_assert!((f64::from(projection.kept) - share).abs() < 1e-4);
            prop_assert_eq!(projection.kept, energy_share(&found, reduced));
        }
    }
}

#[test]
fn data_of_low_rank_comes_back() {
    let (rows, dims, rank) = (400, 50, 6);
    let sample = Rng(3).rows(rows, dims, rank, 0.0);
    let projection = axes(&sample, dims, rank, true).unwrap();
    assert!(projection.kept > 0.999_999, "{}", projection.kept);
    let mut out = vec![0.0; rank];
    for row in sample.chunks_exact(dims) {
        projection.apply(row, &mut out);
        for (i, x) in row.iter().enumerate() {
            let axes = &projection.matrix[i * rank..][..rank];
            let back: f32 = projection.mean[i] + axes.iter().zip(&out).map(|(a, b)| a * b).sum::<f32>();
            assert!((back - x).abs() < 1e-4, "{back} for {x}");
        }
    }
    assert!(axes(&sample, dims, rank - 2, true).unwrap().kept < 0.999);
}

const GOLDEN: [u64; 3] = [0xca40_6391_b2a8_9651, 0xb284_bda1_397d_96e3, 0x678c_6581_38f0_c1b7];

/// Another machine, target or level of optimisation that computes anything else fails here.
#[test]
fn the_bits_are_the_same_everywhere() {
    let checksums =
        [(300, 61, 5, 20), (40, 70, 12, 70), (513, 96, 96, 33)].map(|(rows, dims, rank, reduced)| {
            let sample = Rng(dims as u64).rows(rows, dims, rank, 0.01);
            let projection = axes(&sample, dims, reduced, true).unwrap();
            for threads in [2, 7] {
                let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
                assert_eq!(
                    projection,
                    pca(&sample, dims, reduced, true, &work).unwrap(),
                    "{threads} threads"
                );
            }
            assert!(skew(&projection) < 1e-6);
            checksum(&projection)
        });
    assert_eq!(checksums, GOLDEN, "{checksums:#x?}");
}

/// Stopped at every question in turn; each stage asks.
#[test]
fn finding_axes_is_stopped_when_asked() {
    let (rows, dims) = (300, 70);
    let sample = Rng(8).rows(rows, dims, 20, 0.1);
    let asked = AtomicUsize::new(0);
    let stopped_at = |at: usize| {
        asked.store(0, Ordering::Relaxed);
        let progress = |done, total| {
            assert_eq!((done, total), (0, 1));
            asked.fetch_add(1, Ordering::Relaxed) < at
        };
        let work = Work { parallel: &Threads(2), progress: &progress };
        pca(&sample, dims, 9, true, &work).err()
    };
    assert!(stopped_at(usize::MAX).is_none());
    let questions = asked.load(Ordering::Relaxed);
    assert!(questions > 6, "{questions}");
    for at in 0..questions {
        assert!(matches!(stopped_at(at), Some(IndexError::Cancelled)), "at {at} of {questions}");
    }
}

#[test]
fn a_scale_changes_nothing_but_the_mean() {
    let sample = Rng(9).rows(200, 20, 4, 0.1);
    let plain = axes(&sample, 20, 7, true).unwrap();
    for scale in [2f32.powi(120), 2f32.powi(-100)] {
        let scaled: Vec<f32> = sample.iter().map(|x| x * scale).collect();
        let projection = axes(&scaled, 20, 7, true).unwrap();
        assert_eq!((&projection.matrix, projection.kept), (&plain.matrix, plain.kept));
        assert!(projection.mean.iter().zip(&plain.mean).all(|(a, b)| *a == b * scale));
    }
    let ends = [f32::MAX, f32::MIN, f32::MIN, f32::MAX, 1e-45, 0.0];
    let projection = axes(&ends, 2, 2, true).unwrap();
    assert!(projection.matrix.iter().all(|x| x.is_finite()) && skew(&projection) < 1e-6);
    assert!(axes(&[1e-45, 0.0, 0.0, 0.0], 2, 1, true).unwrap().matrix == [1.0, 0.0]);
}

#[test]
fn data_without_directions_still_has_axes() {
    let dims = 9;
    let same: Vec<f32> = Rng(1).components(dims).repeat(50);
    let alone = Rng(2).components(dims);
    for sample in [&same, &alone, &vec![0.0; 3 * dims]] {
        let projection = axes(sample, dims, 4, true).unwrap();
        assert_eq!((projection.kept, skew(&projection)), (1.0, 0.0));
        assert!(projection.mean.iter().zip(sample).all(|(mean, x)| mean == x));
        assert_eq!(energies(sample, dims, true).unwrap(), vec![0.0; dims]);
    }
    // All directions alike: every axis holds the same.
    let alike: Vec<f32> = (0..2 * dims * dims)
        .map(|at| [1.0, -1.0][at / dims % 2] * f32::from(at / dims / 2 == at % dims))
        .collect();
    let projection = axes(&alike, dims, dims, true).unwrap();
    assert!(skew(&projection) < 1e-6 && signs_hold(&projection));
    let spectrum = energies(&alike, dims, true).unwrap();
    assert!(spectrum.iter().all(|value| (value - 1.0 / dims as f64).abs() < 1e-12), "{spectrum:?}");
    // One dimension, and fewer rows than dimensions.
    let one = axes(&[1.0, 2.0, 6.0], 1, 1, true).unwrap();
    assert_eq!((one.mean, one.matrix, one.kept), (vec![3.0], vec![1.0], 1.0));
    let few = axes(&Rng(4).components(3 * 40), 40, 40, true).unwrap();
    assert!(skew(&few) < 1e-6 && few.kept == 1.0);
    assert!(axes(&Rng(4).components(3 * 40), 40, 2, true).unwrap().kept > 0.9999);
}

#[test]
fn the_smallest_candidate_that_keeps_enough_is_taken() {
    let sample = Rng(5).rows(500, 30, 8, 0.01);
    let found = energies(&sample, 30, true).unwrap();
    for share in [0.5f32, 0.9, 0.95, 0.999, 2.0] {
        let candidates = [16, 2, 4, 8, 1];
        let projection = keeping(&sample, 30, &candidates, share, true).unwrap();
        let enough = [1, 2, 4, 8].into_iter().find(|&reduced| energy_share(&found, reduced) >= share);
        assert_eq!(projection.reduced, enough.unwrap_or(16));
        assert_eq!(projection, axes(&sample, 30, projection.reduced, true).unwrap());
    }
    assert!(matches!(keeping(&sample, 30, &[], 0.5, true), Err(IndexError::Shape { .. })));
}

#[test]
fn bad_samples_are_refused() {
    let fail = |sample: &[f32], dims, reduced| axes(sample, dims, reduced, true).err();
    let shape = |error| matches!(error, Some(IndexError::Shape { .. }));
    assert!(shape(fail(&[], 3, 1)) && shape(fail(&[1.0; 7], 3, 1)) && shape(fail(&[1.0], 0, 0)));
    assert!(shape(fail(&[1.0; 6], 3, 0)) && shape(fail(&[1.0; 6], 3, 4)) && shape(fail(&[], 0, 1)));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(shape(fail(&[1.0, 2.0, bad, 4.0], 2, 1)));
    }
    assert!(shape(energies(&[1.0; 7], 3, true).err()));
    let wide = PCA_DIMS_MAX + 1;
    assert!(matches!(fail(&vec![0.0; wide], wide, 1), Some(IndexError::TooLarge { .. })));
    assert!(matches!(prefix(65_536, 1), Err(IndexError::TooLarge { .. })));
    assert!(prefix(65_535, 65_535).is_ok() && shape(prefix(4, 5).err()) && shape(prefix(4, 0).err()));
}

#[test]
fn projecting_sums_in_ascending_order() {
    for (dims, reduced) in [(1, 1), (40, 7), (70, 32), (70, 65)] {
        let mut rng = Rng(reduced as u64);
        let (mean, matrix) = (rng.components(dims), rng.components(dims * reduced));
        let projection = Projection { mean, matrix, dims, reduced, kept: 0.5 };
        let vector = rng.components(dims);
        let wanted: Vec<u32> = (0..reduced)
            .map(|j| {
                let mut sum = 0.0;
                for (i, (x, mean)) in vector.iter().zip(&projection.mean).enumerate() {
                    sum += projection.matrix[i * reduced + j] * (x - mean);
                }
                f32::to_bits(sum)
            })
            .collect();
        let mut out = vec![f32::NAN; reduced];
        let reduction = Reduction::Pca(projection);
        reduction.apply(&vector, &mut out);
        assert_eq!(out.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), wanted);
        assert_eq!((&*reduction.applied(&vector).unwrap(), reduction.reduced(dims)), (&out[..], reduced));
        // Slices of the wrong length are no panic.
        reduction.apply(&vector[..dims / 2], &mut out);
        reduction.apply(&vector, &mut vec![0.0; reduced + 40]);
    }
    let mut out = [0.0; 2];
    let prefix = prefix(3, 2).unwrap();
    prefix.apply(&[1.0, 2.0, 3.0], &mut out);
    assert_eq!((out, &*prefix.applied(&[1.0, 2.0, 3.0]).unwrap()), ([1.0, 2.0], &[1.0, 2.0][..]));
    assert_eq!(&*Reduction::None.applied(&[1.0, 2.0]).unwrap(), &[1.0, 2.0]);
}

#[test]
fn reductions_are_stored_and_read_back() {
    let sample = Rng(6).rows(60, 12, 3, 0.1);
    let pca = Reduction::Pca(axes(&sample, 12, 5, true).unwrap());
    for reduction in [Reduction::None, prefix(12, 3).unwrap(), pca.clone()] {
        let sections = reduction.sections(12).unwrap();
        let mut sunk = Sections::new();
        reduction.write(12, &mut sunk).unwrap();
        assert_eq!(sunk, sections);
        assert_eq!(Reduction::open(&MemorySections::new(&sections), 12).unwrap(), reduction);
        assert!(matches!(
            Reduction::open(&MemorySections::new(&sections), 11),
            Err(IndexError::Corrupt { .. })
        ));
    }
    assert!(matches!(Reduction::open(&MemorySections::default(), 12), Err(IndexError::Missing { .. })));
    let sections = pca.sections(12).unwrap();
    for at in 0..sections.len() {
        let mut cut = sections.clone();
        let len = cut[at].1.len();
        cut[at].1.truncate(len - 4);
        assert!(matches!(open(&cut), Err(IndexError::Corrupt { .. })));
        cut.remove(at);
        assert!(matches!(open(&cut), Err(IndexError::Missing { .. })));
    }
    let [half, above, nan] = [0.5, 1.5, f32::NAN].map(f32::to_bits);
    assert!(matches!(open_header(&sections, [2, 2, 12, 5, half]), Err(IndexError::Version { .. })));
    assert!(open_header(&sections, [1, 2, 12, 5, half]).is_ok());
    for header in [
        [1, 6, 12, 5, half],
        [1, 2, 12, 0, half],
        [1, 2, 12, 13, half],
        [1, 2, 12, 4, half],
        [1, 0, 12, 5, half],
        [1, 2, 12, 5, above],
        [1, 2, 12, 5, nan],
        [1, 2, 12, u32::MAX, half],
    ] {
        assert!(matches!(open_header(&sections, header), Err(IndexError::Corrupt { .. })), "{header:?}");
    }
    let mut infinite = sections;
    infinite[2].1[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(matches!(open(&infinite), Err(IndexError::Corrupt { .. })));
}

fn open(sections: &Sections) -> Result<Reduction, IndexError> {
    Reduction::open(&MemorySections::new(sections) as &dyn SectionSource, 12)
}

fn open_header(sections: &Sections, header: [u32; 5]) -> Result<Reduction, IndexError> {
    let mut sections = sections.clone();
    sections[0].1 = array_bytes(&header).unwrap();
    open(&sections)
}
