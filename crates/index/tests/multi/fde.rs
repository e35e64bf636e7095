//! Encodings: by their definition, the same bits everywhere, and near MaxSim.

use crate::kit::{Random, maxsim};
use tercet_index::IndexError;
use tercet_index::multi::{Fde, FdeParams, Projection, carve};
use tercet_kernels::{available, kernels_for};

fn params(dims: usize, repetitions: u32, bits: u32, projection: Projection, fold: Option<u32>) -> FdeParams {
    FdeParams { dims, repetitions, bits, projection, fold, seed: 7 }
}

const KINDS: [Projection; 3] = [Projection::None, Projection::Dense(4), Projection::Sketch(4)];

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let mut random = Random(3);
    for (kind, fold) in KINDS.into_iter().flat_map(|kind| [(kind, None), (kind, Some(50))]) {
        for (dims, count) in [(7, 1), (24, 40), (33, 90)] {
            let tokens = random.tokens(count, dims);
            let params = params(dims, 5, 3, kind, fold);
            let mut all = available().into_iter().map(|isa| {
                let fde = Fde::with(params, kernels_for(isa).unwrap()).unwrap();
                let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
                (bits(fde.document(&tokens).unwrap()), bits(fde.query(&tokens).unwrap()))
            });
            let first = all.next().unwrap();
            assert_eq!(first.0.len(), params.len());
            assert!(all.all(|other| other == first), "{kind:?} {fold:?}");
        }
    }
}

#[test]
fn a_query_sums_and_a_document_takes_means_and_fills() {
    let mut random = Random(5);
    let (dims, bits) = (6, 3);
    let fde = Fde::new(params(dims, 4, bits, Projection::None, None)).unwrap();
    let tokens = random.tokens(5, dims);
    let block = dims << bits;
    // The bucket of a token is where it stands alone as a query.
    let alone: Vec<Vec<f32>> = tokens.chunks(dims).map(|token| fde.query(token).unwrap()).collect();
    let (query, document) = (fde.query(&tokens).unwrap(), fde.document(&tokens).unwrap());
    for repetition in 0..4 {
        let bucket = |encoding: &[f32]| {
            let at = encoding[repetition * block..][..block].iter().position(|x| *x != 0.0).unwrap();
            at / dims
        };
        let buckets: Vec<usize> = alone.iter().map(|one| bucket(one)).collect();
        for at in 0..1 << bits {
            let range = repetition * block + at * dims..repetition * block + (at + 1) * dims;
            let members: Vec<usize> = (0..5).filter(|token| buckets[*token] == at).collect();
            let mut sum = vec![0.0f32; dims];
            members.iter().for_each(|token| (0..dims).for_each(|i| sum[i] += tokens[token * dims + i]));
            assert_eq!(query[range.clone()], sum[..], "sum of bucket {at}");
            let expected: Vec<f32> = match members.len() {
                0 => {
                    // Gray code: the signs that differ are the bits in which the codes do.
                    let gray = |at: usize| at ^ at >> 1;
                    let far = |token: usize| (gray(buckets[token]) ^ gray(at)).count_ones();
                    let nearest = (0..5).min_by_key(|token| (far(*token), *token)).unwrap();
                    tokens[nearest * dims..(nearest + 1) * dims].to_vec()
                }
                count => sum.iter().map(|x| x / count as f32).collect(),
            };
            assert_eq!(document[range], expected[..], "bucket {at} of a document");
        }
    }
}

#[test]
fn projections_keep_inner_products_on_average() {
    let mut random = Random(9);
    let tokens = random.tokens(2, 32);
    let (a, b) = tokens.split_at(32);
    let near = [a, &[0.3 * b[0]]].concat()[..32].to_vec();
    let truth: f64 = a.iter().zip(&near).map(|(x, y)| f64::from(x * y)).sum();
    for kind in [Projection::Dense(8), Projection::Sketch(8)] {
        let mean: f64 = (0..200)
            .map(|seed| {
                let fde = Fde::new(FdeParams { seed, ..params(32, 1, 0, kind, None) }).unwrap();
                let (q, d) = (fde.query(a).unwrap(), fde.document(&near).unwrap());
                q.iter().zip(&d).map(|(x, y)| f64::from(x * y)).sum::<f64>()
            })
            .sum::<f64>()
            / 200.0;
        assert!((mean - truth).abs() < 0.08, "{kind:?}: {mean}, expected {truth}");
    }
}

/// The mean distance from MaxSim, over pairs, of encodings scaled by their repetitions.
fn error(repetitions: u32, kind: Projection) -> f64 {
    let mut random = Random(11);
    let fde = Fde::new(params(16, repetitions, 4, kind, None)).unwrap();
    let documents: Vec<Vec<f32>> = (0..20).map(|_| random.tokens(24, 16)).collect();
    let encoded: Vec<Vec<f32>> = documents.iter().map(|document| fde.document(document).unwrap()).collect();
    let (mut sum, mut count) = (0.0, 0.0);
    for _ in 0..10 {
        // Tokens near those of a document, as a query's are.
        let of = &documents[random.below(20)];
        let query: Vec<f32> = of[..8 * 16].iter().map(|x| x + 0.1 * random.number()).collect();
        let q = fde.query(&query).unwrap();
        let pairs: Vec<(f64, f64)> = documents
            .iter()
            .zip(&encoded)
            .map(|(document, d)| {
                let dot: f64 = q.iter().zip(d).map(|(x, y)| f64::from(x * y)).sum();
                (dot / f64::from(repetitions), maxsim(&query, document, 16))
            })
            .collect();
        // The encoding is low by about the same for all: what matters for an order is the spread.
        let shift = pairs.iter().map(|(a, b)| b - a).sum::<f64>() / 20.0;
        sum += pairs.iter().map(|(a, b)| (a + shift - b).abs()).sum::<f64>();
        count += 20.0;
    }
    sum / count
}

#[test]
fn the_error_falls_as_repetitions_grow() {
    for kind in [Projection::None, Projection::Dense(8), Projection::Sketch(8)] {
        let errors = [1, 4, 16, 64].map(|repetitions| error(repetitions, kind));
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{kind:?}: {errors:?}");
        assert!(errors[3] < 0.6 * errors[0], "{kind:?}: {errors:?}");
    }
}

#[test]
fn bad_parameters_and_sets_are_refused() {
    let usual = params(8, 2, 2, Projection::None, None);
    let bad = [
        FdeParams { dims: 0, ..usual },
        FdeParams { repetitions: 0, ..usual },
        FdeParams { repetitions: 257, ..usual },
        FdeParams { bits: 11, ..usual },
        FdeParams { projection: Projection::Dense(0), ..usual },
        FdeParams { projection: Projection::Sketch(9), ..usual },
        FdeParams { fold: Some(0), ..usual },
        FdeParams { dims: 60_000, repetitions: 200, bits: 10, ..usual },
    ];
    for params in bad {
        assert!(matches!(Fde::new(params), Err(IndexError::Shape { .. })), "{params:?}");
    }
    let fde = Fde::new(usual).unwrap();
    assert!(matches!(fde.document(&[]), Err(IndexError::Shape { .. })));
    assert!(matches!(fde.document(&[1.0; 9]), Err(IndexError::Shape { .. })));
    assert_eq!(fde.query(&[]).unwrap(), vec![0.0; usual.len()]);
}

#[test]
fn carving_sums_what_is_near() {
    let tokens = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.8, 0.0];
    let (sums, firsts) = carve(&tokens, &[], 2, 0.7);
    assert_eq!((firsts, sums[2..].to_vec()), (vec![0, 2], vec![0.0, 1.0]));
    assert!((sums[0] - 2.7).abs() < 1e-6 && (sums[1] - 0.1).abs() < 1e-6);
    assert_eq!(carve(&tokens, &[], 2, 2.0).0, tokens);
    // Factors scale what is summed and change no group.
    let (scaled, firsts) = carve(&tokens, &[0.25, 0.25, 0.25, 0.25], 2, 0.7);
    assert_eq!((firsts, scaled), (vec![0, 2], sums.iter().map(|x| x * 0.25).collect()));
}

#[test]
fn the_operating_point_of_the_paper_is_the_same_everywhere() {
    let tokens = Random(13).tokens(50, 128);
    for kind in [Projection::Dense(16), Projection::Sketch(16)] {
        let params = params(128, 20, 5, kind, None);
        let mut all = available().into_iter().map(|isa| {
            let fde = Fde::with(params, kernels_for(isa).unwrap()).unwrap();
            fde.document(&tokens).unwrap().into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        });
        let first = all.next().unwrap();
        assert!(first.len() == 10_240 && all.all(|other| other == first), "{kind:?}");
    }
}
