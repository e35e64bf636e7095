//! What indexes are taught and chosen by: sample queries, training anew, and recommendations measured on a sample.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;
use tercet_index::dense_kind;
use tercet_store::Env;

const DIMS: usize = 16;

fn components(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count * DIMS).map(|_| next()).collect()
}

/// Data with most of its energy in the first half, and queries that look at the second.
fn apart(seed: u64, count: usize, weights: (f32, f32)) -> Vec<f32> {
    let weigh = |(at, x): (usize, f32)| x * if at % DIMS < DIMS / 2 { weights.0 } else { weights.1 };
    components(seed, count).into_iter().enumerate().map(weigh).collect()
}

fn build(env: &Arc<dyn Env>, index: Value, queries: Option<Vec<f32>>) -> Client {
    let request = json!({ "dims": DIMS, "metric": "dot", "index": index, "queries": queries.is_some() });
    let arrays = [Some(apart(1, 1_500, (3.0, 1.0))), queries].into_iter().flatten().map(Array::F32).collect();
    Client(Client(root(env.clone())).raw("index.build", &request, arrays).unwrap().handle.unwrap())
}

fn recall(client: &Client, effort: Value) -> f64 {
    let queries = Array::F32(apart(9, 40, (0.01, 1.0)));
    let request = json!({ "k": 10, "sample": 1, "effort": effort });
    let reply = client.raw("verify", &request, vec![queries]).unwrap();
    serde_json::from_str::<Value>(&reply.json).unwrap()["recall"].as_f64().unwrap()
}

#[test]
fn queries_teach_and_are_remembered() {
    let env = memory();
    env.create_dir_all("dir").unwrap();
    let leanvec = json!({ "kind": "flat", "reduce": { "kind": "leanvec", "dims": 8 } });
    let sample = || Some(apart(5, 300, (0.01, 1.0)));
    let effort = json!({ "ef": 30 });
    let blind = build(&env, leanvec.clone(), None);
    let taught = build(&env, leanvec.clone(), sample());
    let reached = recall(&taught, effort.clone());
    assert!(recall(&blind, effort.clone()) < 0.3 && reached > 0.8, "{reached}");
    // By a merge, by a file, and by training anew.
    taught.raw("add", &json!({}), vec![Array::F32(apart(2, 400, (3.0, 1.0)))]).unwrap();
    assert!(recall(&taught, effort.clone()) > 0.8);
    taught.call("save", json!({ "path": "dir/a" })).unwrap();
    let open = json!({ "path": "dir/a", "index": { "kind": "flat" } });
    let opened =
        Client(Client(root(env.clone())).raw("index.open", &open, Vec::new()).unwrap().handle.unwrap());
    opened.raw("add", &json!({}), vec![Array::F32(apart(3, 1_500, (3.0, 1.0)))]).unwrap();
    assert!(recall(&opened, effort.clone()) > 0.8);
    blind.raw("retrain", &json!({}), vec![Array::F32(sample().unwrap())]).unwrap();
    assert!(recall(&blind, effort) > 0.8);
}

#[test]
fn queries_that_teach_nothing_are_refused() {
    let env = memory();
    let root = Client(root(env.clone()));
    let fail = |index: Value, queries: Vec<f32>| {
        let request = json!({ "dims": DIMS, "metric": "dot", "index": index, "queries": true });
        let arrays = vec![Array::F32(components(1, 20)), Array::F32(queries)];
        let error = root.raw("index.build", &request, arrays).err().unwrap();
        (error.code(), error.0.field.unwrap())
    };
    let leanvec = json!({ "kind": "hnsw", "reduce": { "kind": "leanvec", "dims": 8 } });
    assert_eq!(fail(json!({ "kind": "hnsw" }), components(2, 3)), (Code::Argument, "queries".into()));
    assert_eq!(fail(leanvec.clone(), vec![0.0; DIMS + 1]), (Code::Dimension, "queries".into()));
    assert_eq!(fail(leanvec, vec![f32::NAN; DIMS]), (Code::NotFinite, "queries".into()));
}

#[test]
fn training_anew_keeps_rows_and_forgets_curves() {
    let env = memory();
    let client = build(&env, json!({ "kind": "hnsw", "m": 8, "efConstruction": 40 }), None);
    client.raw("remove", &json!({}), vec![Array::U32(vec![3, 1_499])]).unwrap();
    client.call("tune", json!({ "k": 10, "target": 0.9, "sample": 20 })).unwrap();
    assert_eq!(client.call("stats", json!({})).unwrap()["curves"].as_array().unwrap().len(), 1);
    client.call("retrain", json!({})).unwrap();
    let stats = client.call("stats", json!({})).unwrap();
    assert_eq!(
        (&stats["size"], &stats["rows"], &stats["curves"]),
        (&json!(1_498), &json!(1_500), &json!([]))
    );
    assert_eq!(stats["parts"][0]["vectors"], 1_498);
    let vector = |row: u32| client.raw("vector", &json!({ "row": row }), Vec::new()).unwrap().arrays;
    assert_eq!(vector(3), []);
    assert_eq!(vector(1_498), [Array::F32(apart(1, 1_500, (3.0, 1.0))[1_498 * DIMS..1_499 * DIMS].to_vec())]);
    let cancelled = Control::new();
    cancelled.cancel();
    assert!(client.0.call("retrain", "{}", Vec::new(), &cancelled).is_err());
}

fn recommended(request: Value, arrays: Vec<Array>) -> Result<Value, tercet_engine::wire::TercetError> {
    let reply = Client(root(memory())).raw("recommend", &request, arrays)?;
    Ok(serde_json::from_str(&reply.json).unwrap())
}

#[test]
fn a_recommendation_is_measured_on_the_sample() {
    let sample = || Array::F32(components(1, 1_300));
    let request = json!({ "dims": DIMS, "metric": "cosine", "recall": 0.9 });
    let found = recommended(request, vec![sample()]).unwrap();
    assert_eq!(
        (&found["vectors"], &found["queries"], &found["heldOut"]),
        (&json!(1_170), &json!(130), &json!(true))
    );
    let rows = found["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let exact = row("flat f32");
    assert_eq!((exact["recall"].as_f64(), exact["ef"].as_u64()), (Some(1.0), None));
    assert!((exact["bytes"].as_f64().unwrap() - 68.0).abs() < 1.0, "{exact}");
    assert!(
        row("flat lvq8, ranked again")["bytes"].as_f64()
            < row("flat lvq8, ranked again")["fileBytes"].as_f64()
    );
    for row in rows {
        assert!(row["qps"].as_f64().unwrap() > 0.0 && row["recall"].as_f64().unwrap() <= 1.0, "{row}");
        assert_eq!(row["fits"], row["recall"].as_f64().unwrap() >= 0.9, "{row}");
    }
    let chosen = &rows[found["choice"].as_u64().unwrap() as usize];
    assert_eq!(chosen["fits"], true);
    // What was chosen is an index as a schema takes it.
    let field = json!({ "type": "dense", "dims": DIMS, "index": chosen["index"] });
    Client::open(&memory(), ":memory:", &json!({ "fields": { "v": field } }));
    let lists = rows.iter().any(|row| row["index"]["kind"] == "ivf");
    assert_eq!(lists, dense_kind("ivf").is_some());
}

#[test]
fn a_budget_keeps_what_is_too_large_from_being_built() {
    let arrays = vec![Array::F32(components(1, 400)), Array::F32(components(2, 20))];
    let request = json!({ "dims": DIMS, "metric": "l2", "bytesPerVector": 30, "queries": true, "k": 5 });
    let found = recommended(request, arrays).unwrap();
    assert_eq!(
        (&found["vectors"], &found["queries"], &found["heldOut"]),
        (&json!(400), &json!(20), &json!(false))
    );
    let skipped = found["skipped"].as_array().unwrap();
    assert!(
        skipped
            .iter()
            .any(|one| one["name"] == "flat f32" && one["why"].as_str().unwrap().contains("64 bytes"))
    );
    let rows = found["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["name"] == "flat lvq8 alone"));
    // So few vectors have no lists: a scan is not sold as them.
    assert!(rows.iter().all(|row| row["index"]["kind"] != "ivf"));
    let few = |one: &Value| one["why"].as_str().unwrap().contains("too few for lists");
    assert!(skipped.iter().any(|one| one["name"].as_str().unwrap().starts_with("ivf pq") && few(one)));
    for row in rows.iter().filter(|row| row["fits"] == true) {
        assert!(row["bytes"].as_f64().unwrap() <= 30.0);
    }
}

#[test]
fn what_cannot_be_recommended_for_is_refused() {
    let few = || vec![Array::F32(components(1, 50))];
    let usual = |more: Value| {
        let mut request = json!({ "dims": DIMS, "metric": "cosine" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    for (more, wanted, field) in [
        (json!({}), Code::Limit, "vectors"),
        (json!({ "recall": 0.0 }), Code::Limit, "recall"),
        (json!({ "recall": 1.5 }), Code::Limit, "recall"),
        (json!({ "bytesPerVector": 0.5 }), Code::Limit, "bytesPerVector"),
        (json!({ "k": 0 }), Code::Limit, "k"),
        (json!({ "dims": 0 }), Code::Limit, "dims"),
        (json!({ "dims": 15 }), Code::Dimension, "vectors"),
        (json!({ "dtype": "bits", "metric": "hamming" }), Code::Unsupported, "dtype"),
        (json!({ "queries": true }), Code::Limit, "vectors"),
    ] {
        let error = recommended(usual(more.clone()), few()).unwrap_err();
        assert_eq!((error.code(), error.0.field.as_deref()), (wanted, Some(field)), "{more}");
    }
    let bad = vec![Array::F32(vec![f32::NAN; DIMS])];
    assert_eq!(code(recommended(usual(json!({})), bad)), Code::NotFinite);
    let cancelled = Control::new();
    cancelled.cancel();
    let sample = vec![Array::F32(components(1, 200))];
    let stopped = root(memory()).call("recommend", &usual(json!({})).to_string(), sample, &cancelled);
    assert_eq!(stopped.err().unwrap().code(), Code::Aborted);
}

#[test]
fn efforts_of_lists_are_read_by_every_kind() {
    let env = memory();
    let client = build(&env, json!({ "kind": "hnsw", "m": 8, "efConstruction": 40 }), None);
    let by_candidates = recall(&client, json!({ "nprobe": 4, "candidates": 200 }));
    assert_eq!(by_candidates, recall(&client, json!({ "ef": 200 })));
    let fail = |effort: Value| {
        let request = json!({ "k": 10, "sample": 5, "effort": effort });
        let error = client.raw("verify", &request, Vec::new()).err().unwrap();
        (error.code(), error.0.field.unwrap())
    };
    assert_eq!(fail(json!({ "nprobe": 0 })), (Code::Limit, "nprobe".into()));
    assert_eq!(fail(json!({ "candidates": 1e9 })), (Code::Limit, "candidates".into()));
    assert_eq!(fail(json!({ "ef": 5, "nprobe": 3 })), (Code::Argument, "ef".into()));
}
