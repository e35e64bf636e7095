//! Axes of queries and data, and prefixes of one length.

use super::super::*;
use super::Rng;
use crate::dense::Work;
use crate::{IndexError, MemorySections, Sections};
use proptest::prelude::*;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The mean squared error of the inner products of queries with data, both of `dims` components.
fn loss(reduction: &Reduction, queries: &[f32], data: &[f32], dims: usize) -> f64 {
    let reduced = reduction.reduced(dims);
    let (mut of_query, mut of_data) = (vec![0.0; reduced], vec![0.0; reduced]);
    let mut sum = 0.0;
    for query in queries.chunks_exact(dims) {
        reduction.apply_query(query, &mut of_query);
        for x in data.chunks_exact(dims) {
            reduction.apply(x, &mut of_data);
            sum += (dot(&of_query, &of_data) - dot(query, x)).powi(2);
        }
    }
    sum / (queries.len() / dims) as f64 / (data.len() / dims) as f64
}

/// Of the ten rows with the largest inner product, the share among the ten by the reduced ones.
fn recall(reduction: &Reduction, queries: &[f32], data: &[f32], dims: usize) -> f64 {
    let reduced = reduction.reduced(dims);
    let mut short = vec![0.0; data.len() / dims * reduced];
    for (x, out) in data.chunks_exact(dims).zip(short.chunks_exact_mut(reduced)) {
        reduction.apply(x, out);
    }
    let best = |query: &[f32], rows: &[f32]| {
        let scores: Vec<f64> = rows.chunks_exact(query.len()).map(|row| dot(query, row)).collect();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order.truncate(10);
        order
    };
    let mut found = 0;
    for query in queries.chunks_exact(dims) {
        let mut of_query = vec![0.0; reduced];
        reduction.apply_query(query, &mut of_query);
        let truth = best(query, data);
        found += best(&of_query, &short).iter().filter(|row| truth.contains(row)).count();
    }
    found as f64 / (queries.len() / dims * 10) as f64
}

/// Data with most of its energy in the first components, and queries that ask for the last.
fn apart(rng: &mut Rng, dims: usize, rows: usize, queries: usize) -> (Vec<f32>, Vec<f32>) {
    let half = dims / 2;
    let mut part = |rows: usize, first: f32, last: f32| -> Vec<f32> {
        (0..rows * dims).map(|at| rng.component() * if at % dims < half { first } else { last }).collect()
    };
    (part(rows, 3.0, 1.0), part(queries, 0.01, 1.0))
}

#[test]
fn queries_in_another_subspace_are_answered() {
    let dims = 32;
    let mut rng = Rng(5);
    let (data, sample) = apart(&mut rng, dims, 1_500, 400);
    let (_, queries) = apart(&mut rng, dims, 0, 50);
    let of_data = Reduction::Pca(pca(&data, dims, 16, false, &Work::inline()).unwrap());
    let of_both = leanvec(&data, &sample, dims, 16, false, &Work::inline()).unwrap();
    let shared = Reduction::Pca(leanvec_shared(&data, &sample, dims, 16, &Work::inline()).unwrap());
    let [blind, taught, shared] =
        [&of_data, &of_both, &shared].map(|reduction| recall(reduction, &queries, &data, dims));
    assert!(blind < 0.3 && taught > 0.8 && shared > 0.8, "{blind} {taught} {shared}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// No other axes of as many lose less: not the principal ones of data, queries or both, nor any nearby.
    #[test]
    fn nothing_loses_less(seed: u64, dims in 2usize..14, part in 0.0..1.0, noise in 0.0f32..0.5) {
        let reduced = 1 + (part * (dims - 1) as f64) as usize;
        let mut rng = Rng(seed);
        let data = rng.rows(60, dims, dims, noise);
        let queries = unit(&rng.rows(50, dims, dims, noise), dims);
        let found = leanvec(&data, &queries, dims, reduced, false, &Work::inline()).unwrap();
        prop_assert_eq!(found.reduced(dims), reduced);
        // What it was made for: the queries, and a share of data among them.
        let zero = Projection { mean: vec![0.0; dims], matrix: vec![0.0; dims], dims, reduced: 1, kept: 0.0 };
        let energy = |rows: &[f32]| loss(&Reduction::Pca(zero.clone()), rows, &data, dims);
        let (of_queries, of_data) = (energy(&queries), energy(&data));
        let share = leanvec::data_share(dims, 50);
        let lost = |reduction: &Reduction| {
            let of_query = loss(reduction, &queries, &data, dims) / of_queries;
            (1.0 - share) * of_query + share * loss(reduction, &data, &data, dims) / of_data
        };
        let best = lost(&found);
        let slack = 1e-5;
        let shared = leanvec_shared(&data, &queries, dims, reduced, &Work::inline()).unwrap();
        let plain = Reduction::Pca(pca(&data, dims, reduced, false, &Work::inline()).unwrap());
        let of_shared = lost(&Reduction::Pca(shared));
        prop_assert!(best <= of_shared * 1.001 + slack && of_shared <= lost(&plain) * 1.001 + slack);
        for sample in [&data, &queries, &[&data[..], &queries].concat()] {
            let other = Reduction::Pca(pca(sample, dims, reduced, false, &Work::inline()).unwrap());
            prop_assert!(best <= lost(&other) * 1.001 + slack, "{} {}", best, lost(&other));
        }
        if let Reduction::LeanVec(pair) = &found {
            for _ in 0..4 {
                let mut other = pair.clone();
                for x in other.data.matrix.iter_mut().chain(&mut other.queries.matrix) {
                    *x *= 1.0 + 0.05 * rng.component();
                }
                let other = lost(&Reduction::LeanVec(other));
                prop_assert!(best <= other * 1.001 + slack, "{} {}", best, other);
            }
        }
    }
}

fn unit(rows: &[f32], dims: usize) -> Vec<f32> {
    let scaled = |row: &[f32]| {
        let length = dot(row, row).sqrt() as f32;
        row.iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    rows.chunks_exact(dims).flat_map(scaled).collect()
}

#[test]
fn queries_like_the_data_have_its_axes() {
    let dims = 20;
    let data = unit(&Rng(3).rows(400, dims, 9, 0.05), dims);
    let plain = pca(&data, dims, 6, false, &Work::inline()).unwrap();
    let Reduction::LeanVec(pair) = leanvec(&data, &data, dims, 6, false, &Work::inline()).unwrap() else {
        panic!("no pair")
    };
    for matrix in [&pair.data.matrix, &pair.queries.matrix] {
        let far =
            matrix.iter().zip(&plain.matrix).map(|(a, b)| (a.abs() - b.abs()).abs()).fold(0.0, f32::max);
        assert!(far < 2e-3, "{far}");
    }
}

#[test]
fn bad_samples_of_queries_are_refused_and_empty_ones_teach_nothing() {
    let data = Rng(4).rows(30, 6, 6, 0.1);
    let shape = |found: Result<Reduction, IndexError>| matches!(found, Err(IndexError::Shape { .. }));
    assert!(shape(leanvec(&data, &[1.0; 7], 6, 2, true, &Work::inline())));
    assert!(shape(leanvec(&data, &[f32::NAN; 6], 6, 2, true, &Work::inline())));
    assert!(shape(leanvec(&data, &[], 6, 2, true, &Work::inline())));
    assert!(
        shape(leanvec(&data, &[1.0; 6], 6, 7, true, &Work::inline()))
            && shape(leanvec(&data, &[1.0; 6], 6, 0, true, &Work::inline()))
    );
    assert!(matches!(leanvec(&[], &[], 4_096, 2, true, &Work::inline()), Err(IndexError::TooLarge { .. })));
    for (data, queries) in [(&vec![2.0; 12], &data), (&data, &vec![0.0; 12])] {
        assert!(matches!(leanvec(data, queries, 6, 2, true, &Work::inline()), Ok(Reduction::Pca(_))));
    }
    // One query, many constant dimensions, huge and tiny components.
    for scale in [1.0, 1e-30, 1e30] {
        let mut wide = vec![0.0; 40 * 64];
        wide.iter_mut().step_by(8).enumerate().for_each(|(at, x)| *x = scale * (1 + at % 7) as f32);
        let mut one = vec![0.0; 64];
        one[8] = 1.0 / scale;
        let found = leanvec(&wide, &one, 64, 5, true, &Work::inline()).unwrap();
        let Reduction::LeanVec(pair) = &found else { continue };
        assert!(pair.data.matrix.iter().chain(&pair.queries.matrix).all(|x| x.is_finite()));
    }
}

/// FNV-1a over the bits.
fn checksum(numbers: &[f32]) -> u64 {
    let bytes = numbers.iter().flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const GOLDEN: [u64; 2] = [0xd8ec_fc67_0265_3bd1, 0xd4dc_27a8_d8ad_ccf8];

/// Another machine, target or level of optimisation that computes anything else fails here.
#[test]
fn the_bits_are_the_same_everywhere() {
    let mut rng = Rng(11);
    let (data, queries) = (rng.rows(300, 61, 20, 0.02), rng.rows(90, 61, 30, 0.02));
    let Reduction::LeanVec(pair) = leanvec(&data, &queries, 61, 17, true, &Work::inline()).unwrap() else {
        panic!("no pair")
    };
    let found = [checksum(&pair.data.matrix), checksum(&pair.queries.matrix)];
    assert_eq!(found, GOLDEN, "{found:#x?}");
}

#[test]
fn prefixes_of_one_length_lie_on_their_sphere() {
    let mut rng = Rng(2);
    let (mean, length) = (rng.components(5), 0.5);
    let reduction = Reduction::UnitPrefix(UnitPrefix { mean: mean.clone(), length, turn: None });
    for _ in 0..20 {
        let vector = rng.components(12);
        let short = reduction.applied(&vector).unwrap();
        let back: Vec<f32> = short.iter().zip(&mean).map(|(x, mean)| x + mean).collect();
        assert!((dot(&back, &back).sqrt() - f64::from(length)).abs() < 1e-6);
        // In the direction of the prefix.
        let whole: Vec<f32> = vector.iter().zip(&mean).map(|(x, mean)| x + mean).collect();
        let cosine = dot(&back, &whole) / dot(&back, &back).sqrt() / dot(&whole, &whole).sqrt();
        assert!(cosine > 0.999_999);
        assert_eq!(reduction.norm(&vector, 7.0, &short), dot(&short, &short) as f32);
    }
    let origin: Vec<f32> = mean.iter().map(|x| -x).collect();
    assert!(reduction.applied(&origin).unwrap().iter().all(|x| x.is_finite()));
    assert_eq!(Reduction::None.norm(&[1.0], 7.0, &[1.0]), 7.0);
}

#[test]
fn they_are_stored_and_read_back() {
    let mut rng = Rng(6);
    let (data, queries) = (rng.rows(60, 12, 6, 0.1), rng.rows(40, 12, 6, 0.1));
    let unit = UnitPrefix { mean: vec![0.5, -0.25, 0.0], length: 0.5, turn: None };
    let turn = Projection { mean: vec![0.0; 3], ..random_axes(3, 2, 5, &Work::inline()).unwrap() };
    let turn = Projection { kept: 1.0, ..turn };
    for (reduction, sections) in [
        (leanvec(&data, &queries, 12, 5, true, &Work::inline()).unwrap(), 5),
        (Reduction::UnitPrefix(unit.clone()), 2),
        (Reduction::UnitPrefix(UnitPrefix { turn: Some(turn), ..unit }), 3),
    ] {
        let stored = reduction.sections(12).unwrap();
        assert_eq!(stored.len(), sections);
        assert_eq!(open(&stored).unwrap(), reduction);
        for at in 0..stored.len() {
            let mut cut = stored.clone();
            let len = cut[at].1.len();
            cut[at].1.truncate(len - 4);
            assert!(matches!(open(&cut), Err(IndexError::Corrupt { .. })));
            cut.remove(at);
            assert!(matches!(open(&cut), Err(IndexError::Missing { .. })));
        }
        if sections == 5 {
            let mut infinite = stored;
            infinite[3].1[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            assert!(matches!(open(&infinite), Err(IndexError::Corrupt { .. })));
        }
    }
}

fn open(sections: &Sections) -> Result<Reduction, IndexError> {
    Reduction::open(&MemorySections::new(sections), 12)
}
