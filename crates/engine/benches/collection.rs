//! A collection's own time: staging, committing, searching, without a binding. `cargo bench -p tercet-engine`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Client, memory};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use tercet_engine::api::Array;

const DOCUMENTS: u32 = 20_000;
const WORDS: u32 = 60;
const DIMS: usize = 384;

/// A repeatable stream of numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A word number with Zipf-like frequency among 20,000.
    fn word(&mut self) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (20_000f64.powf(unit) - 1.0) as u64
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMS).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}

fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "analyzer": "english" },
        "year": { "type": "integer" },
        "kind": { "type": "keyword" },
    }})
}

fn documents(count: u32) -> Vec<Value> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|id| {
            let words: Vec<String> = (0..WORDS).map(|_| format!("word{}", numbers.word())).collect();
            json!({ "id": id, "text": words.join(" "), "year": numbers.next() % 100, "kind": format!("k{}", numbers.next() % 10) })
        })
        .collect()
}

fn write(c: &mut Criterion) {
    let documents = documents(2_000);
    let mut group = c.benchmark_group("write");
    group.sample_size(10).throughput(Throughput::Elements(documents.len() as u64));
    group.bench_function("upsert 2,000 documents of 60 words", |b| {
        b.iter(|| Client::open(&memory(), ":memory:", &schema()).upsert_chunks(&documents, 512).unwrap());
    });
}

fn search(c: &mut Criterion) {
    let client = Client::open(&memory(), ":memory:", &schema());
    client.upsert_chunks(&documents(DOCUMENTS), 512).unwrap();
    searches(c, "search 20,000", &client);
    // The same from a file, whose pages are checked when they are first touched.
    let env = memory();
    let writer = Client::open(&env, "dir", &schema());
    writer.upsert_chunks(&documents(DOCUMENTS), 512).unwrap();
    writer.call("compact", json!({})).unwrap();
    writer.0.close();
    let client = Client::try_open(&env, json!({ "path": "dir", "readOnly": true })).unwrap();
    searches(c, "search 20,000 in a file", &client);
}

fn searches(c: &mut Criterion, name: &str, client: &Client) {
    let mut group = c.benchmark_group(name);
    let all = json!({ "query": { "kind": "all" } });
    let words = json!({ "kind": "match", "text": "word12 word345 word6789 word77" });
    let filter = json!({ "year": { "gte": 90 }, "kind": "k1" });
    let mut bench = |name: &str, request: &Value| {
        group.bench_function(name, |b| {
            b.iter(|| client.raw("search", black_box(request), Vec::new()).unwrap())
        });
    };
    bench("all, ten documents", &all);
    bench("four words, ids only", &json!({ "query": words, "select": [] }));
    bench("four words, ten documents", &json!({ "query": words }));
    bench("four words, filtered to 1 %", &json!({ "query": words, "where": filter, "select": [] }));
    bench("four words, highlighted", &json!({ "query": words, "highlight": ["text"] }));
}

fn vectors(c: &mut Criterion) {
    let mut numbers = Numbers(7);
    let client = Client(tercet_engine::api::root(memory()));
    let values: Vec<f32> = (0..10_000).flat_map(|_| numbers.vector()).collect();
    let request = json!({ "dims": DIMS, "metric": "cosine", "index": { "kind": "flat" } });
    let reply = client.raw("index.build", &request, vec![Array::F32(values)]).unwrap();
    let index = Client(reply.handle.unwrap());
    let query = numbers.vector();
    let (mut rows, mut scores) = (vec![0; 10], vec![0.0; 10]);
    let mut group = c.benchmark_group("flat 10,000 x 384");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("search_into, ten", |b| {
        b.iter(|| index.search_into(black_box(&query), 10, &mut rows, &mut scores).unwrap());
    });
}

criterion_group!(benches, write, search, vectors);
criterion_main!(benches);
