//! The f32 kernels at 384 dimensions, per instruction set and metric: pair, batch in cache (1,000 rows), batch out of
//! cache (100,000 rows, 154 MB), gather of 32 rows a call from those, and the same rows only read, as the floor.
//!
//! `cargo bench -p tercet-kernels`, or a part: `cargo bench -p tercet-kernels -- avx512/dot`. Throughput is in rows.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tercet_kernels::{Kernels, METRICS, available, kernels_for};

const DIMS: usize = 384;
const CACHED: usize = 1_000;
const LARGE: usize = 100_000;
/// Rows a graph hop scores in one call.
const HOP: usize = 32;

/// Numbers in -1..1 from a linear congruential generator (Knuth's MMIX constants).
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

struct Data {
    query: Vec<f32>,
    rows: Vec<f32>,
    /// Every row once, scattered.
    ids: Vec<u32>,
}

fn one_isa(criterion: &mut Criterion, kernels: &Kernels, data: &Data) {
    let query = &data.query;
    for metric in METRICS {
        let chosen = kernels.f32(metric);
        let mut group = criterion.benchmark_group(format!("{}/{}", kernels.isa, metric.name()));
        group.throughput(Throughput::Elements(1));
        group.bench_function("pair", |b| {
            b.iter(|| (chosen.pair)(black_box(query), black_box(&data.rows[..DIMS])));
        });
        for count in [CACHED, LARGE] {
            let mut out = vec![0.0; count];
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new("batch", count), |b| {
                b.iter(|| (chosen.batch)(black_box(query), &data.rows[..count * DIMS], &mut out));
            });
        }
        let (mut out, mut at) = ([0.0; HOP], 0);
        group.throughput(Throughput::Elements(HOP as u64));
        group.bench_function(BenchmarkId::new("gather", LARGE), |b| {
            b.iter(|| {
                at = if at + 2 * HOP <= LARGE { at + HOP } else { 0 };
                (chosen.gather)(black_box(query), &data.rows, &data.ids[at..at + HOP], &mut out);
            });
        });
        group.finish();
    }
}

/// Reads every cache line and adds one number of each: what the memory gives.
fn read_only(criterion: &mut Criterion, data: &Data) {
    let mut group = criterion.benchmark_group("memory");
    for count in [CACHED, LARGE] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("read", count), |b| {
            b.iter(|| {
                black_box(&data.rows[..count * DIMS])
                    .iter()
                    .step_by(16)
                    .map(|x| x.to_bits())
                    .fold(0, u32::wrapping_add)
            });
        });
    }
    group.finish();
}

fn benchmarks(criterion: &mut Criterion) {
    // 40,503 and 100,000 have no common factor, so every row comes once.
    let ids = (0..LARGE as u64).map(|i| (i * 40_503 % LARGE as u64) as u32).collect();
    let data = Data { query: numbers(1, DIMS), rows: numbers(2, LARGE * DIMS), ids };
    read_only(criterion, &data);
    for isa in available() {
        one_isa(criterion, kernels_for(isa).unwrap(), &data);
    }
}

criterion_group! {
    name = f32;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = benchmarks
}
criterion_main!(f32);
