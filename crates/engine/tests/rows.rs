//! Level-1 indexes of sparse vectors and of token vectors against naive oracles: every change, filters, files, recall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, SearchInto, View, root, setting};
use tercet_engine::wire::Code;
use tercet_store::Env;

struct Rng(u64);

impl Rng {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

/// What a test needs to know of a kind.
trait Kind {
    type Value: Clone;
    const BUILD: &'static str;
    const NAME: &'static str;
    fn settings() -> Value;
    fn value(seed: u32) -> Self::Value;
    fn query(seed: u32) -> Self::Value;
    fn arrays(values: &[Self::Value]) -> Vec<Array>;
    /// A query of a search into arrays.
    fn one(query: &Self::Value) -> Vec<f32>;
    fn score(value: &Self::Value, query: &Self::Value) -> Option<f32>;
    const CLOSE: f32;
}

const TERMS: u32 = 40;

struct Sparse;

impl Kind for Sparse {
    type Value = BTreeMap<u32, f32>;
    const BUILD: &'static str = "index.buildSparse";
    const NAME: &'static str = "sparse";
    const CLOSE: f32 = 0.0;

    fn settings() -> Value {
        json!({ "terms": TERMS })
    }

    fn value(seed: u32) -> Self::Value {
        let mut rng = Rng(seed.into());
        let count = 1 + rng.below(9);
        (0..count)
            .map(|_| (rng.below(TERMS).min(rng.below(TERMS)), 0.25 + rng.below(12) as f32 / 4.0))
            .collect()
    }

    fn query(seed: u32) -> Self::Value {
        Self::value(seed + 1_000_000)
    }

    fn arrays(values: &[Self::Value]) -> Vec<Array> {
        let mut offsets = vec![0];
        let (mut terms, mut weights) = (Vec::new(), Vec::new());
        for value in values {
            terms.extend(value.keys());
            weights.extend(value.values());
            offsets.push(terms.len() as u32);
        }
        vec![Array::U32(offsets), Array::U32(terms), Array::F32(weights)]
    }

    fn one(query: &Self::Value) -> Vec<f32> {
        query.values().copied().chain(query.keys().map(|term| f32::from_bits(*term))).collect()
    }

    fn score(value: &Self::Value, query: &Self::Value) -> Option<f32> {
        let shared = query.iter().filter_map(|(term, weight)| Some(value.get(term)? * weight));
        shared.fold(None, |sum, part| Some(sum.unwrap_or(0.0) + part))
    }
}

/// The same vectors in the approximate kind, its lists pruned.
struct Seismic;

impl Kind for Seismic {
    type Value = BTreeMap<u32, f32>;
    const BUILD: &'static str = Sparse::BUILD;
    const NAME: &'static str = Sparse::NAME;
    const CLOSE: f32 = 0.0;

    fn settings() -> Value {
        json!({ "terms": TERMS, "index": { "kind": "seismic", "postings": 20 } })
    }

    fn value(seed: u32) -> Self::Value {
        Sparse::value(seed)
    }

    fn query(seed: u32) -> Self::Value {
        Sparse::query(seed)
    }

    fn arrays(values: &[Self::Value]) -> Vec<Array> {
        Sparse::arrays(values)
    }

    fn one(query: &Self::Value) -> Vec<f32> {
        Sparse::one(query)
    }

    fn score(value: &Self::Value, query: &Self::Value) -> Option<f32> {
        Sparse::score(value, query)
    }
}

const DIMS: usize = 4;

struct Tokens;

impl Kind for Tokens {
    type Value = Vec<f32>;
    const BUILD: &'static str = "index.buildMulti";
    const NAME: &'static str = "multi";
    const CLOSE: f32 = 1e-3;

    fn settings() -> Value {
        json!({ "dims": DIMS, "metric": "dot", "codec": "f32", "index": { "kind": "muvera", "repetitions": 4, "bits": 2 } })
    }

    fn value(seed: u32) -> Self::Value {
        let mut rng = Rng(u64::from(seed) * 7 + 3);
        let count = 1 + rng.below(6) as usize;
        (0..count * DIMS).map(|_| rng.below(9) as f32 - 4.0 + 0.5).collect()
    }

    fn query(seed: u32) -> Self::Value {
        Self::value(seed + 1_000_000)
    }

    fn arrays(values: &[Self::Value]) -> Vec<Array> {
        let mut offsets = vec![0];
        let mut tokens = Vec::new();
        for value in values {
            tokens.extend_from_slice(value);
            offsets.push((tokens.len() / DIMS) as u32);
        }
        vec![Array::U32(offsets), Array::F32(tokens), Array::U32(Vec::new())]
    }

    fn one(query: &Self::Value) -> Vec<f32> {
        query.clone()
    }

    fn score(value: &Self::Value, query: &Self::Value) -> Option<f32> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let best = |token: &[f32]| value.chunks(DIMS).map(|other| dot(token, other)).fold(f32::MIN, f32::max);
        Some(query.chunks(DIMS).map(best).sum())
    }
}

fn build<K: Kind>(env: &Arc<dyn Env>, values: &[K::Value]) -> Client {
    let request = json!({ "index": K::settings() });
    let reply = Client(root(env.clone())).raw(K::BUILD, &request, K::arrays(values)).unwrap();
    Client(reply.handle.unwrap())
}

fn open<K: Kind>(env: &Arc<dyn Env>, path: &str) -> Result<Client, tercet_engine::wire::TercetError> {
    let request = json!({ "path": path, "index": { "kind": K::NAME } });
    Ok(Client(Client(root(env.clone())).raw("index.open", &request, Vec::new())?.handle.unwrap()))
}

/// An exact search.
fn search<K: Kind>(
    c: &Client,
    query: &K::Value,
    k: usize,
    filter: Option<&[u32]>,
    exclude: &[u32],
) -> Vec<(u32, f32)> {
    let (mut rows, mut scores) = (vec![0; k], vec![0.0; k]);
    let mut settings = vec![0.0; setting::COUNT];
    settings[setting::EF] = -1.0;
    settings[setting::ROW] = -1.0;
    settings[setting::LEAST_SCORE] = f64::NAN;
    settings[setting::CARVE] = f64::NAN;
    let one = K::one(query);
    let into = SearchInto {
        query: View::F32(&one),
        k,
        rows: &mut rows,
        scores: &mut scores,
        settings: &mut settings,
        filter,
        exclude,
    };
    let found = c.0.search_into(into).unwrap();
    assert_eq!((settings[setting::EXACT], settings[setting::COMPLETE]), (1.0, 1.0));
    rows.into_iter().zip(scores).take(found).collect()
}

fn oracle<K: Kind>(live: &BTreeMap<u32, K::Value>, query: &K::Value, k: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> =
        live.iter().filter_map(|(row, value)| Some((*row, K::score(value, query)?))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn same<K: Kind>(found: &[(u32, f32)], wanted: &[(u32, f32)]) {
    assert_eq!(found.len(), wanted.len(), "{found:?} {wanted:?}");
    for (f, w) in found.iter().zip(wanted) {
        assert!((f.1 - w.1).abs() <= K::CLOSE, "{found:?} {wanted:?}");
        assert!(f.0 == w.0 || K::CLOSE > 0.0, "{found:?} {wanted:?}");
    }
}

fn words(rows: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut words = Vec::new();
    for row in rows {
        words.resize(words.len().max(row as usize / 32 + 1), 0);
        words[row as usize / 32] |= 1 << (row % 32);
    }
    words
}

fn numbers(array: &Array) -> &[u32] {
    match array {
        Array::U32(numbers) => numbers,
        other => panic!("numbers, not {other:?}"),
    }
}

/// A batch gives what searches give one by one, with a filter and a row left out.
fn batches<K: Kind>(c: &Client, round: u32, filter: &[u32]) {
    let queries: Vec<K::Value> = (0..5).map(|at| K::query(round + at)).collect();
    let mut arrays = K::arrays(&queries);
    if K::NAME == "multi" {
        arrays[2] = Array::F32(Vec::new());
    }
    arrays.extend([Array::U32(filter.to_vec()), Array::U32(vec![20])]);
    let request = json!({ "k": 4, "filtered": true, "excluded": true, "effort": { "exact": true } });
    let batch = c.raw("searchBatch", &request, arrays).unwrap();
    for (at, query) in queries.iter().enumerate() {
        let rows = &numbers(&batch.arrays[0])[at * 4..at * 4 + 4];
        let single = search::<K>(c, query, 4, Some(filter), &[20]);
        let wanted: Vec<u32> = single.iter().map(|hit| hit.0).collect();
        let found: Vec<u32> = rows.iter().copied().filter(|row| *row != u32::MAX).collect();
        assert_eq!(found, wanted);
    }
}

/// Adds, updates and removes some rows; returns the next row.
fn change<K: Kind>(c: &Client, live: &mut BTreeMap<u32, K::Value>, mut next: u32, round: u32) -> u32 {
    let answer = |verb: &str, arrays| -> Value {
        serde_json::from_str(&c.raw(verb, &json!({}), arrays).unwrap().json).unwrap()
    };
    let fresh: Vec<K::Value> = (0..1 + round % 7).map(|at| K::value(500 + round * 10 + at)).collect();
    let added = answer("add", K::arrays(&fresh));
    assert_eq!((&added["first"], &added["count"]), (&json!(next), &json!(fresh.len())));
    for value in fresh {
        live.insert(next, value);
        next += 1;
    }
    // Rows far apart, so that what is merged lies between one another.
    let changed = [round * 2, next - 1, 90 + round, 9_999];
    let values: Vec<K::Value> = changed.iter().map(|row| K::value(row * 31 + round)).collect();
    let mut arrays = vec![Array::U32(changed.to_vec())];
    arrays.extend(K::arrays(&values));
    answer("update", arrays);
    for (row, value) in changed.into_iter().zip(values) {
        live.entry(row).and_modify(|old| *old = value);
    }
    let gone = [round * 3, round, 9_999];
    let removed = answer("remove", vec![Array::U32(gone.to_vec())]);
    gone.iter().for_each(|row| drop(live.remove(row)));
    assert_eq!(removed["size"], json!(live.len()));
    next
}

/// Rows come, change and go; after each change searches equal the oracle, alone and in a batch.
fn survives<K: Kind>() {
    let env = memory();
    let first: Vec<K::Value> = (0..60).map(K::value).collect();
    let mut c = build::<K>(&env, &first);
    let mut live: BTreeMap<u32, K::Value> = (0..).zip(first).collect();
    let mut next = 60;
    for round in 0..24u32 {
        next = change::<K>(&c, &mut live, next, round);
        let query = K::query(round);
        same::<K>(&search::<K>(&c, &query, 15, None, &[]), &oracle::<K>(&live, &query, 15));
        let even = live.iter().filter(|(row, _)| *row % 2 == 0 && **row != 20);
        let some: BTreeMap<u32, K::Value> = even.map(|(row, value)| (*row, value.clone())).collect();
        let filter = words((0..next).filter(|row| row % 2 == 0));
        same::<K>(&search::<K>(&c, &query, 9, Some(&filter), &[20]), &oracle::<K>(&some, &query, 9));
        batches::<K>(&c, round, &filter);
        if round % 7 == 6 {
            c.call("save", json!({ "path": "x" })).unwrap();
            let again = open::<K>(&env, "x").unwrap();
            let parts = |c: &Client| c.call("stats", json!({})).unwrap()["parts"][0]["facts"].clone();
            assert_eq!(parts(&c), parts(&again));
            c = again;
            same::<K>(&search::<K>(&c, &query, 15, None, &[]), &oracle::<K>(&live, &query, 15));
        }
    }
    let query = K::query(99);
    let before = search::<K>(&c, &query, 20, None, &[]);
    let reply = c.raw("compact", &json!({}), Vec::new()).unwrap();
    let map = numbers(&reply.arrays[0]);
    let renamed: Vec<(u32, f32)> = before.iter().map(|(row, score)| (map[*row as usize], *score)).collect();
    assert_eq!(search::<K>(&c, &query, 20, None, &[]), renamed);
    assert_eq!(map.iter().filter(|row| **row != u32::MAX).count(), live.len());
    c.raw("retrain", &json!({}), Vec::new()).unwrap();
    assert_eq!(search::<K>(&c, &query, 20, None, &[]), renamed);
}

#[test]
fn sparse_rows_survive_every_change() {
    survives::<Sparse>();
}

#[test]
fn seismic_rows_survive_every_change() {
    survives::<Seismic>();
}

#[test]
fn token_rows_survive_every_change() {
    survives::<Tokens>();
}

/// Less than exact: never too few rows, each with its score, whatever was changed, removed and merged.
#[test]
fn seismic_rows_are_found_by_any_effort() {
    let env = memory();
    let first: Vec<_> = (0..2_000).map(Seismic::value).collect();
    let c = build::<Seismic>(&env, &first);
    let mut live: BTreeMap<u32, _> = (0..).zip(first).collect();
    let (mut next, mut right, mut wanted) = (2_000, [0; 4], 0);
    let slack = json!({ "alpha": 0.9, "cells": 200 });
    // The last is more than scoring all of them costs.
    let efforts = [json!({ "ef": 1 }), json!({}), slack, json!({ "ef": 2_000 })];
    for round in 0..20u32 {
        next = change::<Seismic>(&c, &mut live, next, round);
        let query = Seismic::query(round);
        let truth = oracle::<Seismic>(&live, &query, 10);
        wanted += truth.len();
        for (effort, right) in efforts.iter().zip(&mut right) {
            let request = json!({ "k": 10, "effort": effort });
            let batch =
                c.raw("searchBatch", &request, Seismic::arrays(std::slice::from_ref(&query))).unwrap();
            let Array::F32(scores) = &batch.arrays[1] else { panic!("scores") };
            let found: Vec<(u32, f32)> = numbers(&batch.arrays[0])
                .iter()
                .copied()
                .zip(scores.iter().copied())
                .take(truth.len())
                .collect();
            for (row, score) in &found {
                assert_eq!(Seismic::score(&live[row], &query), Some(*score), "round {round}: {effort}");
            }
            let least = truth.last().map_or(0.0, |hit| hit.1);
            *right += found.iter().filter(|hit| hit.1 >= least).count();
        }
    }
    assert!(wanted > 150 && right[3] == wanted && right[0] > wanted / 4, "{right:?} of {wanted}");
    assert!(right[0] < right[1] && right[1] < right[2], "{right:?} of {wanted}");
}

/// Whatever a file holds: an error, or an index that answers.
fn damaged<K: Kind>() {
    let env = memory();
    let values: Vec<K::Value> = (0..300).map(K::value).collect();
    let c = build::<K>(&env, &values);
    c.raw("remove", &json!({}), vec![Array::U32(vec![5, 77])]).unwrap();
    c.call("save", json!({ "path": "x" })).unwrap();
    let bytes = env.read("x").unwrap();
    assert_eq!(code(open::<Sparse>(&env, "nowhere").map(|_| ())), Code::NotFound);
    for (at, end) in [0, 1, 64, bytes.len() / 2, bytes.len() - 1].into_iter().enumerate() {
        let name = format!("cut{at}");
        env.create(&name).unwrap().write_all(&bytes[..end]).unwrap();
        assert_eq!(code(open::<K>(&env, &name).map(|_| ())), Code::Corrupt);
    }
    let mut rng = Rng(5);
    for round in 0..120 {
        let mut broken = bytes.to_vec();
        for _ in 0..3 {
            let at = rng.below(broken.len() as u32) as usize;
            broken[at] ^= 1 << rng.below(8);
        }
        let name = format!("bit{round}");
        env.create(&name).unwrap().write_all(&broken).unwrap();
        let Ok(index) = open::<K>(&env, &name) else { continue };
        let queries: Vec<K::Value> = (0..4).map(K::query).collect();
        let _ = index.raw("searchBatch", &json!({ "k": 5 }), K::arrays(&queries));
        let _ = index.raw("vector", &json!({ "row": 3 }), Vec::new());
        let _ = index.raw("add", &json!({}), K::arrays(&values[..40]));
        let _ = index.raw("compact", &json!({}), Vec::new());
    }
    let other = if K::NAME == "sparse" { open::<Tokens>(&env, "x") } else { open::<Sparse>(&env, "x") };
    assert_eq!(code(other.map(|_| ())), Code::Type);
}

#[test]
fn damaged_files_of_sparse_vectors_do_no_harm() {
    damaged::<Sparse>();
}

#[test]
fn damaged_files_of_seismic_do_no_harm() {
    damaged::<Seismic>();
}

#[test]
fn damaged_files_of_tokens_do_no_harm() {
    damaged::<Tokens>();
}

/// Recall is measured, kept and asked for.
fn tuned<K: Kind>() {
    let env = memory();
    let values: Vec<K::Value> = (0..3_000).map(K::value).collect();
    let c = build::<K>(&env, &values);
    let batch = |c: &Client, effort: Value| {
        let queries: Vec<K::Value> = (0..20).map(K::query).collect();
        c.raw("searchBatch", &json!({ "k": 10, "effort": effort }), K::arrays(&queries))
    };
    assert_eq!(code(batch(&c, json!({ "recall": 0.9 }))), Code::Argument);
    let probes = c.call("tune", json!({ "k": 10, "target": 0.99, "sample": 60 })).unwrap();
    assert_eq!(
        (&probes["probes"], &probes["queries"], &probes["size"]),
        (&json!(true), &json!(60), &json!(3_000))
    );
    assert!(batch(&c, json!({ "recall": 0.9 })).is_ok());
    let queries: Vec<K::Value> = (0..100).map(K::query).collect();
    let mut given = K::arrays(&queries);
    if K::NAME == "multi" {
        given[2] = Array::F32(Vec::new());
    }
    let ask = json!({ "k": 10, "target": 0.999, "sample": 1 });
    let curve: Value = serde_json::from_str(&c.raw("tune", &ask, given.clone()).unwrap().json).unwrap();
    assert_eq!(curve["probes"], json!(false));
    let points = curve["points"].as_array().unwrap();
    assert!(
        points.len() > 1 && points.windows(2).all(|p| p[0]["recall"].as_f64() <= p[1]["recall"].as_f64())
    );
    let verify = |c: &Client, effort: Value| -> Value {
        let ask = json!({ "k": 10, "sample": 1, "effort": effort });
        serde_json::from_str(&c.raw("verify", &ask, given.clone()).unwrap().json).unwrap()
    };
    for wanted in [0.8, 0.95] {
        let found = verify(&c, json!({ "recall": wanted }))["recall"].as_f64().unwrap();
        assert!(found >= wanted - 0.01, "{} {wanted}: {found}", K::NAME);
    }
    assert_eq!(verify(&c, json!({ "exact": true }))["recall"], json!(1.0));
    c.call("save", json!({ "path": "tuned" })).unwrap();
    let again = open::<K>(&env, "tuned").unwrap();
    assert!(batch(&again, json!({ "recall": 0.9 })).is_ok());
    // One query has no spread: only what is scanned can be promised.
    let one = K::arrays(&queries[..1]);
    again.raw("tune", &ask, one).unwrap();
    let reply = batch(&again, json!({ "recall": 0.5 })).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&reply.json).unwrap()["exact"], json!(true));
    // A curve says nothing of more than twice as many.
    let more: Vec<K::Value> = (0..3_001).map(|at| K::value(90_000 + at)).collect();
    c.raw("add", &json!({}), K::arrays(&more)).unwrap();
    let error = batch(&c, json!({ "recall": 0.8 })).err().unwrap();
    assert_eq!((error.code(), error.0.field.as_deref()), (Code::Argument, Some("recall")));
    c.raw("retrain", &json!({}), Vec::new()).unwrap();
    assert_eq!(c.call("stats", json!({})).unwrap()["curves"], json!([]));
}

#[test]
fn recall_of_sparse_vectors_is_measured() {
    tuned::<Sparse>();
}

#[test]
fn recall_of_seismic_is_measured() {
    tuned::<Seismic>();
}

#[test]
fn recall_of_tokens_is_measured() {
    tuned::<Tokens>();
}

#[test]
fn bad_sparse_vectors_are_named() {
    let env = memory();
    let c = build::<Sparse>(&env, &[Sparse::value(1)]);
    let add = |offsets: &[u32], terms: &[u32], weights: &[f32]| {
        let arrays =
            vec![Array::U32(offsets.to_vec()), Array::U32(terms.to_vec()), Array::F32(weights.to_vec())];
        let error = c.raw("add", &json!({}), arrays).err().unwrap();
        (error.code(), error.0.position)
    };
    assert_eq!(add(&[0, 1, 3], &[1, 2, 2], &[1.0; 3]), (Code::Argument, Some(1)));
    assert_eq!(add(&[0, 2], &[5, 2], &[1.0; 2]), (Code::Argument, Some(0)));
    assert_eq!(add(&[0, 1], &[1], &[f32::NAN]), (Code::NotFinite, Some(0)));
    assert_eq!(add(&[0, 1], &[1], &[-1.0]), (Code::Limit, Some(0)));
    assert_eq!(add(&[0, 1], &[TERMS], &[1.0]), (Code::Limit, Some(0)));
    assert_eq!(add(&[0, 1, 1], &[1], &[1.0]), (Code::Required, Some(1)));
    assert_eq!(add(&[0, 1], &[1], &[1.0, 2.0]), (Code::Dimension, None));
    assert_eq!(add(&[0, 2], &[1], &[1.0]), (Code::Argument, None));
    assert_eq!(add(&[0, 1, 0], &[], &[]), (Code::Argument, None));
    assert_eq!(add(&[1], &[1], &[1.0]), (Code::Argument, None));
    assert_eq!(add(&[], &[], &[]), (Code::Argument, None));
    assert_eq!(c.call("stats", json!({})).unwrap()["size"], json!(1));
    let batch = |effort: Value| {
        let queries = Sparse::arrays(&[Sparse::query(1)]);
        code(c.raw("searchBatch", &json!({ "k": 1, "effort": effort }), queries))
    };
    assert_eq!(batch(json!({ "nprobe": 3 })), Code::Argument);
    assert_eq!(batch(json!({ "alpha": 0 })), Code::Limit);
    assert_eq!(batch(json!({ "ef": 3, "cells": 4 })), Code::Argument);
    let wrong = json!({ "index": { "terms": 0 } });
    assert_eq!(code(Client(root(env)).raw("index.buildSparse", &wrong, Vec::new())), Code::Limit);
}

#[test]
fn tokens_are_aligned_weighted_and_counted() {
    let env = memory();
    let values: Vec<Vec<f32>> = (0..50).map(Tokens::value).collect();
    let mut arrays = Tokens::arrays(&values);
    let count = numbers(&arrays[0])[50];
    let units: Vec<u32> = (0..count).map(|token| token / 2).collect();
    arrays[2] = Array::U32(units);
    let request = json!({ "index": Tokens::settings() });
    let c = Client(Client(root(env)).raw("index.buildMulti", &request, arrays).unwrap().handle.unwrap());
    let part = &c.call("stats", json!({})).unwrap()["parts"][0];
    assert_eq!(part["facts"]["bytesPerToken"], json!(16.0));
    assert_eq!(part["facts"]["tokens"], json!(f64::from(count)));
    let query = Tokens::query(3);
    let tokens = query.len() / DIMS;
    let align = |weights: Vec<f32>| {
        let arrays = vec![Array::U32(vec![0, tokens as u32]), Array::F32(query.clone()), Array::F32(weights)];
        c.raw("align", &json!({ "row": 7 }), arrays)
    };
    let reply = align(Vec::new()).unwrap();
    let said: Value = serde_json::from_str(&reply.json).unwrap();
    let score = said["score"].as_f64().unwrap() as f32;
    assert!((score - Tokens::score(&values[7], &query).unwrap()).abs() < 1e-3);
    assert!(said["bestUnit"]["unit"].is_u64());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    for (query_token, token) in numbers(&reply.arrays[0]).iter().zip(numbers(&reply.arrays[1])) {
        let asked = &query[*query_token as usize * DIMS..][..DIMS];
        let best = values[7].chunks(DIMS).map(|other| dot(asked, other)).fold(f32::MIN, f32::max);
        assert!((dot(asked, &values[7][*token as usize * DIMS..][..DIMS]) - best).abs() < 1e-3);
    }
    let mut weights = vec![1.0; tokens];
    weights[0] = 0.0;
    let without = align(weights.clone()).unwrap();
    assert_eq!(numbers(&without.arrays[0]).len(), tokens - 1);
    weights.push(1.0);
    assert_eq!(code(align(weights)), Code::Query);
    assert_eq!(code(align(vec![-1.0; tokens])), Code::Limit);
    let gone = c.raw(
        "align",
        &json!({ "row": 50 }),
        vec![Array::U32(vec![0, tokens as u32]), Array::F32(query.clone()), Array::F32(Vec::new())],
    );
    assert_eq!(code(gone), Code::Argument);
    let add = |offsets: &[u32], tokens: Vec<f32>| {
        let error =
            c.raw("add", &json!({}), vec![Array::U32(offsets.to_vec()), Array::F32(tokens)]).err().unwrap();
        (error.code(), error.0.position)
    };
    assert_eq!(add(&[0, 1, 1], vec![1.0; DIMS]), (Code::Required, Some(1)));
    assert_eq!(add(&[0, 1], vec![1.0; DIMS + 1]), (Code::Dimension, None));
    assert_eq!(add(&[0, 1], vec![f32::NAN; DIMS]), (Code::NotFinite, Some(0)));
    assert_eq!(add(&[0, 2], vec![1.0; DIMS]), (Code::Argument, None));
}
