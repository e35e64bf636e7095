//! The other forms, per set of instructions, in cache: tiles of f32 and of codes against as many batches, the
//! projection, rows of half precision, bits, and the conversions.
//!
//! `cargo bench -p tercet-kernels --bench forms`, or a part: `... -- avx512/tile`. Throughput is in pairs, rows or numbers.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tercet_kernels::{Kernels, Metric, available, f16s_to_f32s, f32s_to_f16s, variants_for};

const DIMS: usize = 384;
const ROWS: usize = 1_000;
const QUERIES: usize = 32;
/// Bytes of 1,024 bits.
const BIT_BYTES: usize = 128;
const PROJECTED: usize = 128;

struct Data {
    queries: Vec<f32>,
    rows: Vec<f32>,
    halves: Vec<u16>,
    signed: Vec<i8>,
    bytes: Vec<u8>,
    ids: Vec<u32>,
}

fn data() -> Data {
    // Knuth's multiplicative hash.
    let float = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let floats = |count: usize| (0..count as u32).map(float).collect::<Vec<f32>>();
    let bytes: Vec<u8> =
        (0..(ROWS * DIMS) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (queries, rows) = (floats(QUERIES * DIMS), floats(ROWS * DIMS));
    let mut halves = vec![0; rows.len()];
    f32s_to_f16s(&rows, &mut halves);
    let signed = bytes[..QUERIES * DIMS].iter().map(|&byte| byte as i8).collect();
    let ids = (0..ROWS as u32).map(|i| i * 619 % ROWS as u32).collect();
    Data { queries, rows, halves, signed, bytes, ids }
}

fn tiles(criterion: &mut Criterion, kernels: &Kernels, name: &str, data: &Data) {
    let mut group = criterion.benchmark_group(format!("{name}/tile"));
    group.throughput(Throughput::Elements((QUERIES * ROWS) as u64));
    let mut out = vec![0.0; QUERIES * ROWS];
    for metric in [Metric::Dot, Metric::L2] {
        let kernel = kernels.f32(metric);
        group.bench_function(metric.name(), |b| {
            b.iter(|| (kernel.tile)(black_box(&data.queries), &data.rows, DIMS, &mut out));
        });
        group.bench_function(format!("{}-by-batch", metric.name()), |b| {
            b.iter(|| {
                for (query, out) in data.queries.chunks(DIMS).zip(out.chunks_mut(ROWS)) {
                    (kernel.batch)(black_box(query), &data.rows, out);
                }
            });
        });
    }
    let (mut out, kernel) = (vec![0; QUERIES * ROWS], kernels.u8());
    group.bench_function("u8", |b| {
        b.iter(|| (kernel.tile)(black_box(&data.signed), &data.bytes, DIMS, &mut out));
    });
    group.bench_function("u8-by-batch", |b| {
        b.iter(|| {
            for (query, out) in data.signed.chunks(DIMS).zip(out.chunks_mut(ROWS)) {
                (kernel.batch)(black_box(query), &data.bytes, out);
            }
        });
    });
    group.finish();
}

fn rows(criterion: &mut Criterion, kernels: &Kernels, name: &str, data: &Data) {
    let mut group = criterion.benchmark_group(format!("{name}/rows"));
    group.throughput(Throughput::Elements(ROWS as u64));
    let mut out = vec![0.0; ROWS];
    let query = &data.queries[..DIMS];
    group.bench_function("f16-dot", |b| {
        b.iter(|| (kernels.f16(Metric::Dot).batch)(black_box(query), &data.halves, &mut out));
    });
    let (bits, rows) = (kernels.bits(), &data.bytes[..ROWS * BIT_BYTES]);
    let query = &data.bytes[..BIT_BYTES];
    group.bench_function("jaccard-gather", |b| {
        b.iter(|| (bits.jaccard_gather)(black_box(query), rows, &data.ids, &mut out));
    });
    let mut out = vec![0; ROWS];
    group.bench_function("hamming-gather", |b| {
        b.iter(|| (bits.hamming_gather)(black_box(query), rows, &data.ids, &mut out));
    });
    let mut out = vec![0.0; PROJECTED];
    let matrix = &data.rows[..DIMS * PROJECTED];
    group.throughput(Throughput::Elements(matrix.len() as u64));
    group.bench_function("project", |b| {
        b.iter(|| (kernels.project)(black_box(&data.queries[..DIMS]), matrix, &mut out));
    });
    group.finish();
}

fn benchmarks(criterion: &mut Criterion) {
    let data = data();
    for isa in available() {
        for (at, kernels) in variants_for(isa).iter().enumerate() {
            let name = format!("{isa}-{at}");
            tiles(criterion, kernels, &name, &data);
            rows(criterion, kernels, &name, &data);
        }
    }
    let mut group = criterion.benchmark_group("half");
    group.throughput(Throughput::Elements(data.rows.len() as u64));
    let (mut halves, mut floats) = (data.halves.clone(), data.rows.clone());
    group.bench_function("widen", |b| b.iter(|| f16s_to_f32s(black_box(&data.halves), &mut floats)));
    group.bench_function("narrow", |b| b.iter(|| f32s_to_f16s(black_box(&data.rows), &mut halves)));
    group.finish();
}

criterion_group! {
    name = forms;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(200));
    targets = benchmarks
}
criterion_main!(forms);
