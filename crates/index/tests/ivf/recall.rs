//! Recall of every metric, codec, reduction, rotation, rerank and type.

use crate::CODECS;
use crate::common::{Owned, Rng};
use crate::index::{Index, clusters, floats, normal, spec};
use crate::laws;
use tercet_index::{
    Codec, DenseSearch, DenseSpec, Distance, Dtype, Effort, IndexError, Reduce, Rerank, Rotate, TopK, Values,
    Work,
};

const COUNT: usize = 1_200;
const DIMS: usize = 24;
const QUERIES: usize = 30;

/// Vectors of a metric and queries like them.
fn vectors(metric: Distance, count: usize, dims: usize, seed: u64) -> (Vec<f32>, Owned) {
    let mut rng = Rng(seed);
    let mut all = clusters(&mut rng, count + QUERIES, dims, 12);
    if metric == Distance::Dot {
        // Lengths from a third to three times.
        for vector in all.chunks_exact_mut(dims) {
            let factor = [0.3, 0.5, 1.0, 1.0, 2.0, 3.0][rng.below(6) as usize];
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
        for (at, codec) in CODECS.into_iter().enumerate() {
            // What comes before the codes is the same for all of them.
            let reductions = [Reduce::None, Reduce::Pca(16), Reduce::Prefix(16), Reduce::Random(20)];
            for reduce in reductions.into_iter().take(if at == 0 { 4 } else { 1 }) {
                let mut spec = floats(DIMS, metric);
                (spec.options.codec, spec.options.reduce) = (codec, reduce);
                let build = if sparse { Index::sparse } else { Index::dense };
                let index = build(&spec, Owned::F32(values.clone()));
                sparse = !sparse;
                let recall = index.recall(&queries, 128, None);
                // Random axes keep distances less well than those of the data.
                let random = matches!(reduce, Reduce::Random(_));
                let bits = matches!(codec, Codec::RaBitQ { bits: 1 } | Codec::Binary);
                let least = if bits {
                    0.6
                } else if random {
                    0.7
                } else if metric == Distance::Dot {
                    0.9
                } else {
                    0.94
                };
                assert!(recall >= least, "{metric:?} {codec:?} {reduce:?}: {recall}");
            }
        }
    }
}

#[test]
fn every_option() {
    let (values, queries) = vectors(Distance::Cosine, COUNT, DIMS, 2);
    for rotate in [Rotate::Auto, Rotate::None, Rotate::Random, Rotate::Opq] {
        for (residual, spill) in [(Some(false), true), (Some(true), true), (None, false)] {
            for rerank in [Rerank::Auto, Rerank::None, Rerank::Lvq8, Rerank::F16, Rerank::Vectors] {
                let mut spec = floats(DIMS, Distance::Cosine);
                let ivf = &mut spec.options.ivf;
                (ivf.rotate, ivf.residual, ivf.spill, ivf.rerank) = (rotate, residual, spill, rerank);
                ivf.balance = spill;
                let index = Index::sparse(&spec, Owned::F32(values.clone()));
                assert_eq!(index.section("entries").is_some(), spill);
                assert_eq!(index.section("points").is_some(), matches!(rerank, Rerank::Auto | Rerank::Lvq8));
                let recall = index.recall(&queries, 128, None);
                let least = if rerank == Rerank::None { 0.5 } else { 0.95 };
                assert!(recall >= least, "{:?}: {recall}", spec.options.ivf);
            }
        }
    }
}

#[test]
fn lists_are_as_many_as_vectors_allow() {
    let (values, _) = vectors(Distance::L2, 1_000, 4, 7);
    for (asked, made) in [(0, 125.0), (1, 1.0), (20, 20.0), (125, 125.0), (5_000, 125.0)] {
        let mut spec = floats(4, Distance::L2);
        spec.options.ivf.lists = asked;
        let index = Index::dense(&spec, Owned::F32(values.clone()));
        assert!(index.reader.facts().contains(&("lists", made)), "{asked}: {:?}", index.reader.facts());
    }
}

/// Parts that do not divide the dimensions, more than there are, and one alone.
#[test]
fn any_number_of_parts() {
    let (values, queries) = vectors(Distance::Dot, COUNT, 13, 8);
    for bits in [4, 8] {
        for m in [1, 2, 5, 12, 13, 40, 999] {
            let mut spec = floats(13, Distance::Dot);
            spec.options.codec = Codec::Pq { m, bits };
            let index = Index::dense(&spec, Owned::F32(values.clone()));
            let recall = index.recall(&queries, 400, None);
            assert!(recall >= if m < 3 { 0.6 } else { 0.9 }, "m {m} x {bits}: {recall}");
        }
    }
}

#[test]
fn of_long_vectors_the_axes_that_matter_are_kept() {
    let (values, queries) = vectors(Distance::L2, COUNT, 300, 9);
    let index = Index::dense(&floats(300, Distance::L2), Owned::F32(values));
    let lists = index.section("list_ends").unwrap().len() / 4;
    let axes = index.section("centroids").unwrap().len() / 4 / lists;
    assert!((76..260).contains(&axes), "{axes}");
    let recall = index.recall(&queries, 128, None);
    assert!(recall >= 0.95, "{recall}");
}

#[test]
fn without_the_vectors() {
    for metric in [Distance::Cosine, Distance::L2] {
        let (values, queries) = vectors(metric, COUNT, DIMS, 4);
        for (codec, rerank) in
            [(Codec::Auto, Rerank::Auto), (Codec::Lvq8, Rerank::Lvq8), (Codec::Auto, Rerank::F16)]
        {
            let mut spec = floats(DIMS, metric);
            (spec.options.codec, spec.options.keep, spec.options.ivf.rerank) = (codec, false, rerank);
            let index = Index::sparse(&spec, Owned::F32(values.clone()));
            let (found, wanted) = laws::found_by_codes(&index, &queries, 128);
            assert!(found * 100 >= wanted * 93, "{metric:?} {codec:?}: {found} of {wanted}");
        }
    }
}

#[test]
fn every_type() {
    let (values, queries) = vectors(Distance::L2, COUNT, DIMS, 5);
    let Owned::F32(queries) = queries else { panic!() };
    laws::every_type(&values, &queries, DIMS, (128, 0.94));
}

#[test]
fn bits_are_refused() {
    let spec: DenseSpec = spec(64, Distance::Hamming, Dtype::Bits);
    let input =
        tercet_index::DenseInput { queries: None, rows: 1, present: None, values: Values::Bits(&[7; 8]) };
    let built = (crate::index::kind().build)(&spec, &input, &Work::inline());
    assert!(matches!(built, Err(IndexError::Unsupported { .. })));
}

#[test]
fn scores_are_those_of_the_vectors() {
    let mut rng = Rng(8);
    let (values, _) = vectors(Distance::Cosine, COUNT, DIMS, 8);
    for codec in CODECS {
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

#[test]
fn one_long_vector_takes_no_recall_from_the_others() {
    for times in [30.0f32, 300.0] {
        let mut rng = Rng(9);
        let mut values: Vec<f32> = (0..5_000 * DIMS).map(|_| normal(&mut rng)).collect();
        let queries = Owned::F32((0..QUERIES * DIMS).map(|_| normal(&mut rng)).collect());
        values[..DIMS].iter_mut().for_each(|x| *x *= times);
        let mut spec = floats(DIMS, Distance::L2);
        spec.options.codec = Codec::Pq { m: 12, bits: 4 };
        // Ranked by the vectors, so that nothing but the lists' own codes is measured.
        spec.options.ivf.rerank = Rerank::Vectors;
        // Few lists are trained on a part of the vectors, which the long one is not in: it gets no list of its own.
        spec.options.ivf.lists = 4;
        let recall = Index::dense(&spec, Owned::F32(values)).recall(&queries, 64, None);
        assert!(recall >= 0.9, "{times}: {recall}");
    }
}

/// The share of the ten that the codes of all lists rank first which `best` gives for a query too.
fn ranked_as(index: &Index, queries: &Owned, best: impl Fn(&[f32]) -> Vec<u32>) -> f64 {
    let (mut same, mut all) = (0, 0);
    for query in index.each_query(queries) {
        let effort = Effort::Probes { lists: 10_000, candidates: 10 };
        let (hits, _, _) = index.find(&DenseSearch { effort, ..DenseSearch::new(query) }, TopK::new(10));
        let best = best(&query.to_f32());
        same += hits.iter().filter(|hit| best.contains(&hit.row)).count();
        all += 10;
    }
    f64::from(same as u32) / f64::from(all)
}

/// Rows by a distance, the ten nearest.
fn nearest(values: &[f32], dims: usize, distance: impl Fn(&[f32]) -> f64) -> Vec<u32> {
    let mut rows: Vec<(f64, u32)> =
        (0..).zip(values.chunks_exact(dims)).map(|(row, x)| (distance(x), row)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows[..10].iter().map(|(_, row)| *row).collect()
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
}

#[test]
fn every_bit_of_rabitq_reaches_the_ranking() {
    let (mut rng, dims) = (Rng(21), 64);
    let values: Vec<f32> = (0..1_500 * dims).map(|_| normal(&mut rng)).collect();
    let queries = Owned::F32((0..QUERIES * dims).map(|_| normal(&mut rng)).collect());
    let mut last = 0.0;
    for (bits, least) in [(2, 0.6), (4, 0.85), (6, 0.94), (8, 0.98)] {
        let mut spec = floats(dims, Distance::L2);
        spec.options.codec = Codec::RaBitQ { bits };
        spec.options.ivf.rerank = Rerank::Vectors;
        let index = Index::dense(&spec, Owned::F32(values.clone()));
        let found = ranked_as(&index, &queries, |query| nearest(&values, dims, |x| squared(x, query)));
        assert!(found >= least && found > last, "{bits} bits: {found} after {last}");
        last = found;
    }
}

#[test]
fn one_long_vector_takes_no_recall_from_planes() {
    let mut rng = Rng(22);
    let mut values: Vec<f32> = (0..3_000 * DIMS).map(|_| normal(&mut rng)).collect();
    let queries = Owned::F32((0..QUERIES * DIMS).map(|_| normal(&mut rng)).collect());
    let found = |values: &Vec<f32>, bits| {
        let mut spec = floats(DIMS, Distance::L2);
        spec.options.codec = Codec::RaBitQ { bits };
        (spec.options.ivf.rerank, spec.options.ivf.lists) = (Rerank::Vectors, 4);
        let index = Index::dense(&spec, Owned::F32(values.clone()));
        ranked_as(&index, &queries, |query| nearest(values, DIMS, |x| squared(x, query)))
    };
    for bits in [1, 4, 8] {
        let without = found(&values, bits);
        let mut one_long = values.clone();
        one_long[..DIMS].iter_mut().for_each(|x| *x *= 1_000.0);
        let with = found(&one_long, bits);
        assert!(with >= without - 0.05, "{bits} bits: {with}, {without} without the long one");
    }
    // It is found itself.
    values[..DIMS].iter_mut().for_each(|x| *x *= 1_000.0);
    let mut spec = floats(DIMS, Distance::L2);
    spec.options.codec = Codec::RaBitQ { bits: 4 };
    let index = Index::dense(&spec, Owned::F32(values.clone()));
    assert_eq!(index.ten(Values::F32(&values[..DIMS]), 64, None).0[0].row, 0);
}

/// A prefix counts by its direction: lengths of prefixes of cosine vectors say nothing.
#[test]
fn a_prefix_of_cosine_vectors_is_of_one_length() {
    let (mut rng, first) = (Rng(23), 12);
    let mut vector = || -> Vec<f32> {
        let rest = 3.0 * normal(&mut rng).abs();
        (0..DIMS).map(|at| normal(&mut rng) * if at < first { 1.0 } else { rest }).collect()
    };
    let values: Vec<f32> = (0..2_000).flat_map(|_| vector()).collect();
    let queries = Owned::F32((0..QUERIES).flat_map(|_| vector()).collect());
    let cosine = |x: &[f32], query: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let (x, query) = (&x[..first], &query[..first]);
        -dot(x, query) / (dot(x, x) * dot(query, query)).sqrt()
    };
    for (codec, rotate) in [
        (Codec::Lvq8, Rotate::None),
        (Codec::RaBitQ { bits: 8 }, Rotate::Auto),
        (Codec::Pq { m: 12, bits: 8 }, Rotate::Opq),
    ] {
        let mut spec = floats(DIMS, Distance::Cosine);
        (spec.options.codec, spec.options.reduce) = (codec, Reduce::Prefix(first as u32));
        (spec.options.ivf.rerank, spec.options.ivf.rotate) = (Rerank::Vectors, rotate);
        let index = Index::dense(&spec, Owned::F32(values.clone()));
        let found = ranked_as(&index, &queries, |query| nearest(&values, DIMS, |x| cosine(x, query)));
        assert!(found >= 0.9, "{codec:?}: {found}");
    }
}

/// What would turn so many dimensions is refused before anything is allocated.
#[test]
fn turns_of_very_many_dimensions_are_refused() {
    let (dims, count) = (9_000, 1_000);
    let values: Vec<f32> = (0..count * dims).map(|at| (at * 2_654_435_761 % 1_000) as f32).collect();
    let mut spec = floats(dims, Distance::L2);
    (spec.options.codec, spec.options.ivf.lists) = (Codec::RaBitQ { bits: 1 }, 1);
    let input = tercet_index::DenseInput {
        queries: None,
        rows: count as u32,
        present: None,
        values: Values::F32(&values),
    };
    let built = (crate::index::kind().build)(&spec, &input, &Work::inline());
    assert!(matches!(built, Err(IndexError::TooLarge { .. })));
}
