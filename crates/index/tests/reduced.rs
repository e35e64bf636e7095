//! Vectors made shorter in front of an index: what it finds, by which queries it was taught, and what a merge makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Rng;
use tercet_index::{
    Codec, Counters, DenseInput, DenseReader, DenseSearch, DenseSpec, DenseStream, Distance, EachVector,
    Effort, IndexError, MemorySections, Metric, Reduce, Sections, TopK, Values, Work, dense_kind,
};

const KINDS: [&str; 3] = ["flat", "hnsw", "ivf"];
const DISTANCES: [Distance; 3] = [Distance::Cosine, Distance::Dot, Distance::L2];

fn spec(dims: usize, metric: Distance, reduce: Reduce) -> DenseSpec {
    let mut spec = DenseSpec { metric, ..DenseSpec::new(dims, Metric::L2) };
    (spec.options.m, spec.options.ef_construction, spec.options.reduce) = (12, 64, reduce);
    spec
}

fn sections(kind: &str, spec: &DenseSpec, values: &[f32], queries: Option<&[f32]>) -> Sections {
    let rows = (values.len() / spec.dims) as u32;
    let queries = queries.map(Values::F32);
    let input = DenseInput { queries, rows, present: None, values: Values::F32(values) };
    (dense_kind(kind).unwrap().build)(spec, &input, &Work::inline()).unwrap()
}

fn open(kind: &str, spec: &DenseSpec, rows: usize, sections: &Sections) -> Box<dyn DenseReader> {
    let reader = (dense_kind(kind).unwrap().open)(spec, rows as u32, &MemorySections::new(sections)).unwrap();
    reader.verify().unwrap();
    reader
}

fn found(reader: &dyn DenseReader, query: &[f32], effort: Effort) -> Vec<(u32, f32)> {
    let search = DenseSearch { effort, ..DenseSearch::new(Values::F32(query)) };
    let mut top = TopK::new(10);
    reader.search(&search, &mut top, &mut Counters::default()).unwrap();
    top.into_sorted().into_iter().map(|hit| (hit.row, hit.score)).collect()
}

/// The share of the true ten that a search finds.
fn recall(reader: &dyn DenseReader, queries: &[f32], dims: usize, effort: Effort) -> f64 {
    let mut right = 0;
    for query in queries.chunks_exact(dims) {
        let truth = found(reader, query, Effort::Exact);
        right += found(reader, query, effort).iter().filter(|hit| truth.contains(hit)).count();
    }
    right as f64 / (queries.len() / dims * 10) as f64
}

/// Components of falling weight.
fn falling(rng: &mut Rng, rows: usize, dims: usize) -> Vec<f32> {
    (0..rows * dims).map(|at| rng.component() / (1.0 + (at % dims) as f32 / 3.0) + 0.1).collect()
}

#[test]
fn every_reduction_finds_most() {
    let (dims, rows) = (48, 1_500);
    let mut rng = Rng(3);
    let values = falling(&mut rng, rows, dims);
    let queries = falling(&mut rng, 30, dims);
    for kind in KINDS {
        for metric in DISTANCES {
            for (reduce, least) in [
                (Reduce::Pca(24), 0.9),
                (Reduce::LeanVec(24), 0.9),
                (Reduce::Prefix(24), 0.9),
                (Reduce::Random(32), 0.6),
                (Reduce::None, 0.9),
            ] {
                let spec = spec(dims, metric, reduce);
                let built = sections(kind, &spec, &values, Some(&queries));
                assert_eq!(built, sections(kind, &spec, &values, Some(&queries)), "the same bytes again");
                let reader = open(kind, &spec, rows, &built);
                let recall = recall(reader.as_ref(), &queries, dims, Effort::Ef(100));
                assert!(recall >= least, "{kind} {metric:?} {reduce:?}: {recall}");
                // Vectors come back bit for bit, and scores are those of whole vectors.
                assert_eq!(*reader.vector(7).unwrap().unwrap(), values[7 * dims..8 * dims]);
                let query = &queries[..dims];
                for (row, score) in found(reader.as_ref(), query, Effort::Usual) {
                    assert_eq!(reader.score(Values::F32(query), row).unwrap(), Some(score));
                }
            }
        }
    }
}

/// Data with most of its energy where no query looks.
fn apart(rng: &mut Rng, rows: usize, dims: usize, (first, last): (f32, f32)) -> Vec<f32> {
    (0..rows * dims).map(|at| rng.component() * if at % dims < dims / 2 { first } else { last }).collect()
}

#[test]
fn axes_taught_by_queries_beat_those_of_the_data() {
    let (dims, rows) = (32, 2_000);
    let mut rng = Rng(9);
    let values = apart(&mut rng, rows, dims, (3.0, 1.0));
    let sample = apart(&mut rng, 300, dims, (0.01, 1.0));
    let queries = apart(&mut rng, 40, dims, (0.01, 1.0));
    for kind in KINDS {
        for metric in [Distance::Dot, Distance::Cosine] {
            let of = |reduce, sample: Option<&[f32]>| {
                let spec = spec(dims, metric, reduce);
                let reader = open(kind, &spec, rows, &sections(kind, &spec, &values, sample));
                recall(reader.as_ref(), &queries, dims, Effort::Ef(40))
            };
            let [blind, untaught] = [of(Reduce::Pca(16), Some(&sample)), of(Reduce::LeanVec(16), None)];
            let taught = of(Reduce::LeanVec(16), Some(&sample));
            assert_eq!(blind, untaught, "without queries there are the axes of the data");
            // The few bits of a list's codes lose more than its axes do.
            let least = if kind == "ivf" { 0.15 } else { 0.6 };
            assert!(blind < 0.2 && taught > blind + least, "{kind} {metric:?}: {blind} {taught}");
        }
    }
}

struct Stream<'a> {
    values: &'a [f32],
    dims: usize,
    queries: Option<&'a [f32]>,
}

impl DenseStream for Stream<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        let rows = (0..).zip(self.values.chunks_exact(self.dims));
        rows.into_iter().try_for_each(|(row, vector)| each(row, Values::F32(vector)))
    }

    fn queries(&self) -> Option<Values<'_>> {
        self.queries.map(Values::F32)
    }
}

#[test]
fn a_merge_is_taught_as_a_build_is() {
    let (dims, rows) = (24, 1_300);
    let mut rng = Rng(5);
    let (values, queries) = (falling(&mut rng, rows, dims), falling(&mut rng, 50, dims));
    for kind in KINDS {
        let spec = spec(dims, Distance::Cosine, Reduce::LeanVec(12));
        let mut merged = Sections::new();
        let stream = Stream { values: &values, dims, queries: Some(&queries) };
        (dense_kind(kind).unwrap().merge)(&spec, rows as u32, &stream, &mut merged, &Work::inline()).unwrap();
        let name = if kind == "ivf" { "axes" } else { "query_axes" };
        let axes = |sections: &Sections| sections.iter().find(|(found, _)| found == name).cloned();
        let built = sections(kind, &spec, &values, Some(&queries));
        assert!(axes(&merged).is_some());
        assert_eq!(axes(&merged), axes(&built), "{kind}");
    }
}

#[test]
fn what_cannot_be_reduced_is_refused() {
    let values = falling(&mut Rng(1), 1_100, 8);
    let input = DenseInput { queries: None, rows: 1_100, present: None, values: Values::F32(&values) };
    let fail = |kind: &str, spec: &DenseSpec, input: &DenseInput<'_>| {
        (dense_kind(kind).unwrap().build)(spec, input, &Work::inline()).unwrap_err()
    };
    let mut alone = spec(8, Distance::L2, Reduce::Pca(4));
    alone.options.keep = false;
    assert!(matches!(fail("flat", &alone, &input), IndexError::Unsupported { .. }));
    for kind in KINDS {
        for reduce in [Reduce::Pca(0), Reduce::LeanVec(0), Reduce::Prefix(0), Reduce::Random(0)] {
            let error = fail(kind, &spec(8, Distance::L2, reduce), &input);
            assert!(matches!(error, IndexError::Shape { .. }), "{kind} {reduce:?} {error}");
        }
        let odd = DenseInput { queries: Some(Values::F32(&values[..9])), ..input };
        let error = fail(kind, &spec(8, Distance::L2, Reduce::LeanVec(4)), &odd);
        assert!(matches!(error, IndexError::Shape { .. }), "{error}");
    }
    // No vector at all, all of them alike, and a codec of its own.
    let spec = spec(8, Distance::L2, Reduce::LeanVec(4));
    open("flat", &spec, 0, &sections("flat", &spec, &[], Some(&values)));
    for kind in KINDS {
        let reader = open(kind, &spec, 1_200, &sections(kind, &spec, &[0.5; 9_600], Some(&values)));
        assert_eq!(found(reader.as_ref(), &values[..8], Effort::Exact).len(), 10);
        let mut plain = spec.clone();
        plain.options.codec = Codec::F32;
        open(kind, &plain, 1_100, &sections(kind, &plain, &values, None));
    }
}
