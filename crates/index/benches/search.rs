//! Flat search over 100,000 vectors of 384 components, one by one and in batches, and BM25 over 117,791 short rows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Owned, Rng, subset};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tercet_index::{
    Accumulators, Bm25, Counters, DenseInput, DenseSearch, DenseSpec, Dtype, InvertedBuilder, InvertedReader,
    MemorySections, Metric, Scoring, TopK, Values, WeightedTerm, Work, dense_kind, idf,
};

fn flat(criterion: &mut Criterion) {
    let (rows, dims, mut rng) = (100_000, 384, Rng(1));
    let values: Vec<f32> = (0..rows as usize * dims).map(|_| rng.component()).collect();
    let query: Vec<f32> = (0..dims).map(|_| rng.component()).collect();
    let mut group = criterion.benchmark_group("flat 100000 x 384, k 10");
    group.sample_size(10);
    for metric in [Metric::Dot, Metric::L2, Metric::Cosine] {
        let (spec, kind) = (DenseSpec::new(dims, metric), dense_kind("flat").unwrap());
        let sections = (kind.build)(
            &spec,
            &DenseInput { queries: None, rows, present: None, values: Values::F32(&values) },
            &Work::inline(),
        )
        .unwrap();
        let reader = (kind.open)(&spec, rows, &MemorySections::new(&sections)).unwrap();
        drop(sections);
        for share in [1.0, 0.5, 0.01] {
            let allowed = (share < 1.0).then(|| subset(&mut rng, rows, share));
            group.throughput(Throughput::Bytes((f64::from(rows) * dims as f64 * 4.0 * share) as u64));
            group.bench_function(BenchmarkId::new(metric.name(), share), |bencher| {
                bencher.iter(|| {
                    let mut top = TopK::new(10);
                    reader
                        .search(
                            &DenseSearch {
                                allowed: allowed.as_ref(),
                                ..DenseSearch::new(Values::F32(black_box(&query)))
                            },
                            &mut top,
                            &mut Counters::default(),
                        )
                        .unwrap();
                    top.into_sorted()
                });
            });
        }
    }
}

/// Batches of queries, a thread, per query.
fn batches(criterion: &mut Criterion) {
    let (rows, dims, queries, mut rng) = (50_000, 384, 256, Rng(3));
    let mut group = criterion.benchmark_group(format!("flat {rows} x {dims}, {queries} queries, k 10"));
    group.sample_size(10).throughput(Throughput::Elements(queries as u64));
    for dtype in [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::U8] {
        let values = Owned::random(&mut rng, dtype, dims, rows as usize);
        let asked = Owned::random(&mut rng, dtype, dims, queries);
        let (spec, kind) =
            (DenseSpec { dtype, ..DenseSpec::new(dims, Metric::Cosine) }, dense_kind("flat").unwrap());
        let input = DenseInput { queries: None, rows, present: None, values: values.values() };
        let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
        let reader = (kind.open)(&spec, rows, &MemorySections::new(&sections)).unwrap();
        drop(sections);
        group.bench_function(dtype.name(), |bencher| {
            bencher.iter(|| {
                let mut tops = vec![TopK::new(10); queries];
                let search = DenseSearch::new(asked.values());
                let mut counters = Counters::default();
                reader
                    .search_batch(asked.values(), &search, &mut tops, &mut counters, &Work::inline())
                    .unwrap();
                tops
            });
        });
    }
}

/// Rows of 4 to 19 tokens whose frequencies fall like 1 / rank, as in a dictionary's glosses.
fn rows(rng: &mut Rng, rows: u32) -> Vec<Vec<u32>> {
    let term = |rng: &mut Rng| {
        (f64::from(60_000).powf(f64::from(rng.below(1 << 30)) / f64::from(1 << 30)) - 1.0) as u32
    };
    (0..rows).map(|_| (0..4 + rng.below(16)).map(|_| term(rng)).collect()).collect()
}

fn build(rows: &[Vec<u32>]) -> InvertedReader {
    let mut builder = InvertedBuilder::new(false);
    for (row, tokens) in rows.iter().enumerate() {
        builder.start_row(row as u32);
        tokens.iter().zip(0..).for_each(|(term, position)| builder.push(&format!("t{term}"), position));
    }
    let sections = builder.finish(rows.len() as u32).unwrap();
    InvertedReader::open(rows.len() as u32, &MemorySections::new(&sections)).unwrap()
}

fn inverted(criterion: &mut Criterion) {
    let mut rng = Rng(2);
    let rows = rows(&mut rng, 117_791);
    let mut group = criterion.benchmark_group("inverted 117791 rows");
    group.sample_size(10);
    group.bench_function("build", |bencher| bencher.iter(|| build(&rows)));
    let reader = build(&rows);
    let average = reader.total_length(None).unwrap() as f32 / rows.len() as f32;
    let allowed = subset(&mut rng, rows.len() as u32, 0.01);
    for count in [3, 6, 10] {
        // Terms as they occur in rows: mostly frequent ones, as in questions.
        let mut terms: Vec<_> = rows.iter().flatten().step_by(997).take(count).copied().collect();
        terms.sort_unstable();
        terms.dedup();
        let terms: Vec<_> =
            terms.iter().filter_map(|term| reader.term(&format!("t{term}")).unwrap()).collect();
        let weights: Vec<_> = terms
            .iter()
            .map(|&term| WeightedTerm {
                term,
                weight: idf(rows.len() as u64, reader.doc_freq(term, None).unwrap()),
            })
            .collect();
        let postings: u64 = terms.iter().map(|&term| reader.doc_freq(term, None).unwrap()).sum();
        for (name, allowed) in [("all", None), ("1%", Some(&allowed))] {
            group.throughput(Throughput::Elements(postings));
            group.bench_function(
                BenchmarkId::new(format!("{count} terms, {postings} postings"), name),
                |bencher| {
                    let mut acc = Accumulators::new();
                    bencher.iter(|| {
                        let mut top = TopK::new(10);
                        acc.begin(reader.rows()).unwrap();
                        let params = Bm25::default();
                        let scoring = Scoring { average_length: average, params, allowed, stop: None };
                        reader.score(&weights, scoring, &mut acc, &mut Counters::default()).unwrap();
                        acc.top(allowed, 1, &mut top);
                        top.into_sorted()
                    });
                },
            );
        }
    }
}

criterion_group!(benches, flat, batches, inverted);
criterion_main!(benches);
