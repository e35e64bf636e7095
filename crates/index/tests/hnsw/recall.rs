//! Recall of every metric, codec, reduction and type.

use crate::common::{Owned, Rng};
use crate::index::{Index, bits, clusters, floats, normal, spec};
use crate::laws;
use tercet_index::{Codec, Distance, Dtype, Reduce, Values};

const COUNT: usize = 1_200;
const DIMS: usize = 24;
const QUERIES: usize = 30;

/// Vectors of a metric and queries like them.
fn vectors(metric: Distance, count: usize, dims: usize, seed: u64) -> (Vec<f32>, Owned) {
    let mut rng = Rng(seed);
    let mut all = clusters(&mut rng, count + QUERIES, dims, 12);
    if metric == Distance::Dot {
        // Lengths from a tenth to ten times.
        for vector in all.chunks_exact_mut(dims) {
            let factor = [0.1, 0.3, 1.0, 1.0, 3.0, 10.0][rng.below(6) as usize];
            vector.iter_mut().for_each(|x| *x *= factor);
        }
    }
    let queries = all.split_off(count * dims);
    (all, Owned::F32(queries))
}

#[test]
fn every_metric_codec_and_reduction() {
    let mut sparse = false;
    for metric in [Distance::Cosine, Distance::Dot, Distance::L2] {
        let (values, queries) = vectors(metric, COUNT, DIMS, 1);
        for codec in [Codec::Auto, Codec::F32, Codec::F16, Codec::Lvq8, Codec::Lvq4x8] {
            for reduce in [Reduce::None, Reduce::Pca(16), Reduce::Prefix(16)] {
                let mut spec = floats(DIMS, metric);
                (spec.options.codec, spec.options.reduce) = (codec, reduce);
                let build = if sparse { Index::sparse } else { Index::dense };
                let index = build(&spec, Owned::F32(values.clone()));
                sparse = !sparse;
                let recall = index.recall(&queries, 64, None);
                let coarse = reduce != Reduce::None || codec == Codec::Lvq4x8;
                let least = match (metric, coarse) {
                    (Distance::Dot, true) => 0.90,
                    (Distance::Dot, false) | (_, true) => 0.95,
                    (_, false) => 0.97,
                };
                assert!(recall >= least, "{metric:?} {codec:?} {reduce:?}: {recall}");
            }
        }
    }
}

#[test]
fn axes_are_found_where_vectors_are_long() {
    for (metric, dims) in [(Distance::Cosine, 128), (Distance::L2, 260)] {
        let (values, queries) = vectors(metric, 2_100, dims, 3);
        let index = Index::dense(&floats(dims, metric), Owned::F32(values));
        assert!(index.section("walk").is_some() && index.section("axes").is_some());
        let recall = index.recall(&queries, 64, None);
        assert!(recall >= 0.97, "{metric:?} {dims}: {recall}");
    }
}

#[test]
fn without_the_vectors() {
    for metric in [Distance::Cosine, Distance::L2] {
        let (values, queries) = vectors(metric, COUNT, DIMS, 4);
        for codec in [Codec::Auto, Codec::Lvq4x8] {
            let mut spec = floats(DIMS, metric);
            (spec.options.codec, spec.options.keep) = (codec, false);
            let index = Index::sparse(&spec, Owned::F32(values.clone()));
            assert!(index.section("values").is_none());
            let (found, wanted) = laws::found_by_codes(&index, &queries, 64);
            assert!(found * 100 >= wanted * 95, "{metric:?} {codec:?}: {found} of {wanted}");
        }
    }
}

#[test]
fn every_type() {
    let (values, queries) = vectors(Distance::L2, COUNT, DIMS, 5);
    let Owned::F32(queries) = queries else { panic!() };
    laws::every_type(&values, &queries, DIMS, (64, 0.95));
}

#[test]
fn bits_by_hamming_and_jaccard() {
    let mut rng = Rng(6);
    let (bytes, count) = (12, 1_500);
    let centres: Vec<u8> = (0..10 * bytes).map(|_| rng.below(256) as u8).collect();
    for metric in [Distance::Hamming, Distance::Jaccard] {
        // The last byte of a vector is not filled.
        let mut made = |count| -> Vec<u8> {
            let mut made = bits(&mut rng, &centres, count, bytes);
            made.chunks_exact_mut(bytes).for_each(|vector| vector[bytes - 1] &= 0x1f);
            made
        };
        let (values, queries) = (made(count), Owned::Bits(made(QUERIES)));
        for build in [Index::dense, Index::sparse] {
            let index = build(&spec(bytes * 8 - 3, metric, Dtype::Bits), Owned::Bits(values.clone()));
            let recall = index.recall(&queries, 64, None);
            assert!(recall >= 0.97, "{metric:?}: {recall}");
        }
    }
}

#[test]
fn scores_are_those_of_the_vectors() {
    let mut rng = Rng(8);
    let (values, _) = vectors(Distance::Cosine, COUNT, DIMS, 8);
    for codec in [Codec::Auto, Codec::F32, Codec::Lvq4x8] {
        let mut spec = floats(DIMS, Distance::Cosine);
        spec.options.codec = codec;
        let index = Index::sparse(&spec, Owned::F32(values.clone()));
        let query: Vec<f32> = (0..DIMS).map(|_| normal(&mut rng)).collect();
        let (hits, _) = index.ten(Values::F32(&query), 64, None);
        assert_eq!(hits.len(), 10);
        for hit in hits {
            let score = index.reader.score(Values::F32(&query), hit.row).unwrap().unwrap();
            assert_eq!(score.to_bits(), hit.score.to_bits(), "{codec:?} row {}", hit.row);
        }
    }
}

/// A few vectors that are much longer than the others leave those their codes.
#[test]
fn a_few_long_vectors_take_no_recall() {
    for (metric, factor) in [
        (Distance::L2, 1e3),
        (Distance::L2, 1e12),
        (Distance::L2, 1e37),
        (Distance::Dot, 1e5),
        (Distance::Dot, 1e12),
    ] {
        let (mut values, queries) = vectors(metric, 2_100, 128, 5);
        for row in [7, 700, 1_999] {
            values[row * 128..(row + 1) * 128].iter_mut().for_each(|x| *x *= factor);
        }
        for (codec, keep) in [(Codec::Auto, true), (Codec::Lvq8, true), (Codec::Lvq8, false)] {
            let mut spec = floats(128, metric);
            (spec.options.codec, spec.options.keep) = (codec, keep);
            let index = Index::dense(&spec, Owned::F32(values.clone()));
            let recall = index.recall(&queries, 64, None);
            // Under the inner product all other points lie on nearly one height of the sphere of the longest.
            let least = match (keep, metric) {
                (true, Distance::L2) => 0.95,
                (true, _) => 0.9,
                (false, _) => 0.85,
            };
            assert!(recall >= least, "{metric:?} {factor:e} {codec:?} {keep}: {recall}");
        }
    }
}

/// Of an inner product the length of the query changes no order.
#[test]
fn short_and_long_queries_find_the_same() {
    let (values, queries) = vectors(Distance::Dot, COUNT, DIMS, 6);
    let index = Index::dense(&floats(DIMS, Distance::Dot), Owned::F32(values));
    for factor in [1e-12, 1e-3, 1e3, 1e12] {
        for query in index.each_query(&queries) {
            let other: Vec<f32> = query.to_f32().iter().map(|x| x * factor).collect();
            let rows = |query| index.ten(query, 64, None).0.iter().map(|hit| hit.row).collect::<Vec<u32>>();
            let (rows, others) = (rows(query), rows(Values::F32(&other)));
            let same = rows.iter().filter(|row| others.contains(row)).count();
            assert!(same >= 9, "{factor:e}: {rows:?}, {others:?}");
        }
    }
}

/// With the codec f16 the walk reads rounded vectors; what is kept, given back and scored by are the whole ones.
#[test]
fn halves_stand_beside_the_vectors() {
    let (values, queries) = vectors(Distance::L2, COUNT, DIMS, 8);
    let mut spec = floats(DIMS, Distance::L2);
    spec.options.codec = Codec::F16;
    let index = Index::dense(&spec, Owned::F32(values.clone()));
    assert!(index.reader.capabilities().originals && !index.reader.capabilities().exact);
    assert_eq!(index.reader.vector(3).unwrap().unwrap(), &values[3 * DIMS..4 * DIMS]);
    assert!(index.recall(&queries, 128, None) >= 0.99);
    for query in index.each_query(&queries) {
        let (hits, answered) = index.ten(query, 64, None);
        assert!(!answered.exact);
        for hit in hits {
            assert_eq!(Some(hit.score), index.reader.score(query, hit.row).unwrap());
        }
    }
    spec.options.keep = false;
    let rounded = Index::dense(&spec, Owned::F32(values));
    assert!(!rounded.reader.capabilities().originals && rounded.bytes() < index.bytes());
}

/// What lies far out is told apart by its direction, and by how far it is.
#[test]
fn far_vectors_find_each_other() {
    let mut rng = Rng(9);
    let mut values: Vec<f32> = (0..2 * 9_000).map(|_| normal(&mut rng)).collect();
    let far: Vec<f32> = (0..34)
        .flat_map(|at| {
            let angle = at as f32 * 0.04 + 0.1;
            [angle.cos() * 1e8, angle.sin() * 1e8]
        })
        .collect();
    values[2_000..2_000 + far.len()].copy_from_slice(&far);
    let index = Index::dense(&floats(2, Distance::L2), Owned::F32(values));
    let recall = index.recall(&Owned::F32(far), 16, None);
    assert!(recall >= 0.9, "{recall}");
}

/// A mean that is next to nothing is no origin to look from.
#[test]
fn balanced_vectors_keep_their_products() {
    let values: Vec<f32> = (0..1_500).flat_map(|at| [if at % 2 == 0 { 1.0 } else { -1.0 }, 1e-20]).collect();
    let mut spec = floats(2, Distance::Dot);
    (spec.options.codec, spec.options.keep) = (Codec::Lvq8, false);
    let index = Index::dense(&spec, Owned::F32(values));
    let (hits, _) = index.ten(Values::F32(&[1.0, 1.0]), 64, None);
    assert!(hits.iter().all(|hit| (hit.score - 1.0).abs() < 0.05 && hit.row % 2 == 0), "{hits:?}");
}
