//! The kernels on codes, per set of instructions: gather of 16 rows a call, scattered, in cache (1,000 rows) and out
//! of it (256 MB of rows), and batch in cache, at the strides of 8-bit and 4-bit codes of usual dimensions.
//!
//! `cargo bench -p tercet-kernels --bench codes`, or a part: `... -- avx512vnni/u8/gather`. Throughput is in rows.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tercet_kernels::{CodeKernels, available, variants_for};

const STRIDES: [usize; 4] = [64, 128, 384, 768];
const CACHED: usize = 1_000;
const LARGE_BYTES: usize = 256 << 20;
/// Rows a graph hop scores in one call.
const HOP: usize = 16;

struct Data {
    query: Vec<i8>,
    rows: Vec<u8>,
}

/// Every number below `count` once, scattered.
fn scattered(count: usize) -> Vec<u32> {
    let step = (count as u64 * 618 / 1000) | 1;
    (0..count as u64).map(|i| (i * step % count as u64) as u32).collect()
}

fn one(criterion: &mut Criterion, kernels: &CodeKernels, width: &str, query_bytes: usize, data: &Data) {
    let mut group = criterion.benchmark_group(format!("{}/{width}", kernels.name));
    for stride in STRIDES {
        let query = &data.query[..stride * query_bytes];
        for (place, count) in [("cached", CACHED), ("large", LARGE_BYTES / stride)] {
            let (ids, mut out, mut at) = (scattered(count), [0; HOP], 0);
            group.throughput(Throughput::Elements(HOP as u64));
            group.bench_function(BenchmarkId::new(format!("gather-{place}"), stride), |b| {
                b.iter(|| {
                    at = if at + 2 * HOP <= count { at + HOP } else { 0 };
                    (kernels.gather)(black_box(query), &data.rows, &ids[at..at + HOP], &mut out);
                });
            });
        }
        let mut out = vec![0; CACHED];
        group.throughput(Throughput::Elements(CACHED as u64));
        group.bench_function(BenchmarkId::new("batch-cached", stride), |b| {
            b.iter(|| (kernels.batch)(black_box(query), &data.rows[..CACHED * stride], &mut out));
        });
    }
    group.finish();
}

fn benchmarks(criterion: &mut Criterion) {
    let bytes = |count: usize| (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
    let data =
        Data { query: bytes(1536).map(|byte| byte as i8).collect(), rows: bytes(LARGE_BYTES).collect() };
    let mut seen = Vec::new();
    for kernels in available().into_iter().flat_map(variants_for) {
        if !seen.contains(&kernels.u8().name) {
            seen.push(kernels.u8().name);
            one(criterion, kernels.u8(), "u8", 1, &data);
            one(criterion, kernels.u4(), "u4", 2, &data);
        }
    }
}

criterion_group! {
    name = codes;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300));
    targets = benchmarks
}
criterion_main!(codes);
