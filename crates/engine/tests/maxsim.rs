//! `multi` fields and `maxsim`: the order of the definition through deletes, merges, filters and fusion, explained; what is
//! refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Client, Dice, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;

const DIMS: usize = 8;

fn tokens(dice: &mut Dice, count: usize) -> Vec<Vec<f64>> {
    (0..count).map(|_| (0..DIMS).map(|_| dice.below(2_000_001) as f64 / 1e6 - 1.0).collect()).collect()
}

fn schema(codec: &str, index: Value) -> Value {
    json!({ "fields": {
        "n": { "type": "integer" },
        "t": { "type": "multi", "dims": DIMS, "codec": codec, "index": index, "optional": true },
    }})
}

fn muvera() -> Value {
    json!({ "kind": "muvera", "repetitions": 6, "bits": 3, "projection": 4 })
}

/// MaxSim of unit vectors, by the definition.
fn maxsim(query: &[Vec<f64>], document: &Value) -> f64 {
    let unit = |v: &[f64]| {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    let document: Vec<Vec<f64>> = serde_json::from_value(document.clone()).unwrap();
    let dot = |a: &[f64], b: &[f64]| unit(a).iter().zip(unit(b)).map(|(a, b)| a * b).sum::<f64>();
    query.iter().map(|q| document.iter().map(|d| dot(q, d)).fold(f64::MIN, f64::max)).sum()
}

fn documents(count: usize, seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    (0..count)
        .map(|n| {
            let count = 1 + dice.below(9);
            let t = if n % 6 == 5 { Value::Null } else { json!(tokens(&mut dice, count)) };
            json!({ "id": n, "n": n, "t": t })
        })
        .collect()
}

/// Two segments, every seventh document gone.
fn collection(codec: &str, index: Value, count: usize) -> (Client, Vec<Value>) {
    let client = Client::open(&memory(), ":memory:", &schema(codec, index));
    let mut all = documents(count, 5);
    let (first, second) = all.split_at(count / 2);
    client.upsert(first).unwrap();
    client.upsert(second).unwrap();
    let gone: Vec<usize> = (0..count).step_by(7).collect();
    client.call("remove", json!({ "ids": gone })).unwrap();
    all.retain(|d| !gone.contains(&(d["id"].as_u64().unwrap() as usize)) && !d["t"].is_null());
    (client, all)
}

fn ranked(all: &[Value], query: &[Vec<f64>]) -> Vec<(Value, f64)> {
    let mut scored: Vec<(Value, f64)> =
        all.iter().map(|d| (d["id"].clone(), maxsim(query, &d["t"]))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored
}

fn query(tokens: &[Vec<f64>], more: Value) -> Value {
    let mut query = json!({ "kind": "maxsim", "field": "t", "tokens": tokens });
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

#[test]
fn the_order_is_that_of_the_definition_before_and_after_merges() {
    for (codec, index) in [("f32", json!({ "kind": "scan" })), ("f32", muvera()), ("f16", muvera())] {
        let (client, all) = collection(codec, index, 120);
        let mut dice = Dice::new(99);
        for round in 0..3 {
            for filter in [Value::Null, json!({ "n": { "gte": 50 } })] {
                let tokens = tokens(&mut dice, 4);
                let wanted: Vec<_> = ranked(&all, &tokens)
                    .into_iter()
                    .filter(|(id, _)| filter.is_null() || id.as_u64().unwrap() >= 50)
                    .take(10)
                    .collect();
                let mut request = json!({ "query": query(&tokens, json!({ "exact": true })), "limit": 10 });
                if !filter.is_null() {
                    request["where"] = filter;
                }
                let ids = client.ids(request);
                let wanted_ids: Vec<Value> = wanted.iter().map(|(id, _)| id.clone()).collect();
                if codec == "f32" {
                    assert_eq!(ids, wanted_ids, "round {round}");
                } else {
                    let shared = ids.iter().filter(|id| wanted_ids.contains(id)).count();
                    assert!(shared >= 9, "{shared} of 10 by f16");
                }
            }
            if round == 1 {
                client.call("compact", json!({})).unwrap();
            }
        }
    }
}

#[test]
fn candidates_weights_means_and_fusion() {
    let (client, all) = collection("i8", muvera(), 400);
    let tokens = tokens(&mut Dice::new(3), 5);
    let ids = |query: Value| client.ids(json!({ "query": query, "limit": 10 }));
    let exact = ids(query(&tokens, json!({ "exact": true })));
    assert_eq!(ids(query(&tokens, json!({ "candidates": 100_000 }))), exact);
    let some = ids(query(&tokens, json!({ "candidates": 60 })));
    let shared = some.iter().filter(|id| exact.contains(id)).count();
    assert!(shared >= 5, "{shared} of 10 among 60 candidates a segment");
    assert_eq!(ids(query(&tokens, json!({ "exact": true, "mean": true }))), exact);
    let first = ids(query(&tokens, json!({ "exact": true, "weights": [1, 0, 0, 0, 0] })));
    assert_eq!(first, ids(query(&tokens[..1], json!({ "exact": true }))));
    assert_eq!(ids(query(&tokens, json!({ "exact": true, "carve": 2.0 }))), exact);
    let fused = json!({ "kind": "fuse", "method": "rrf", "queries": [
        query(&tokens, json!({ "exact": true })), { "kind": "all" },
    ], "weights": [1, 0] });
    assert_eq!(ids(fused)[..10], exact[..]);
    assert!(exact.iter().all(|id| all.iter().any(|d| d["id"] == *id)));
}

#[test]
fn a_hit_is_explained_by_its_alignment_and_its_units() {
    let client = Client::open(&memory(), ":memory:", &schema("i8", muvera()));
    let (a, b, c) = (
        vec![1.0, 0., 0., 0., 0., 0., 0., 0.],
        [0., 1.0, 0., 0., 0., 0., 0., 0.],
        [0., 0., 1.0, 0., 0., 0., 0., 0.],
    );
    let flat: Vec<f64> = [&b[..], &a[..], &c[..]].concat();
    client
        .upsert(&[json!({ "id": "x", "n": 1, "t": { "data": flat, "dims": 8, "units": [4, 7, 7] } })])
        .unwrap();
    client.upsert(&[json!({ "id": "y", "n": 1, "t": [c] })]).unwrap();
    let tokens = [a, c.to_vec()];
    let page = client.call("search", json!({ "query": query(&tokens, json!({})), "explain": true })).unwrap();
    let hit = &page["hits"][0];
    assert_eq!(hit["id"], "x");
    let explain = &hit["explain"];
    assert_eq!(
        (&explain["part"], &explain["about"], &explain["details"]["bestUnit"]),
        (&json!("maxsim"), &json!("t"), &json!(7.0))
    );
    let parts: Vec<(f64, f64, f64)> = explain["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            let of = |name: &str| part["details"][name].as_f64().unwrap();
            (of("query"), of("token"), of("unit"))
        })
        .collect();
    assert_eq!(parts, [(0.0, 1.0, 7.0), (1.0, 2.0, 7.0)]);
    assert!((explain["score"].as_f64().unwrap() - 2.0).abs() < 0.02);
    assert!(
        page["explain"]["plan"][0]["step"].as_str().unwrap().starts_with("maxsim: 2 tokens, scan of `t`")
    );
    let by_unit = client.ids(json!({ "query": query(&[b.to_vec(), c.to_vec()], json!({ "units": true })) }));
    assert_eq!(by_unit, ["x", "y"]);
    let got = client.call("get", json!({ "ids": ["x"] })).unwrap();
    assert_eq!(got["documents"][0]["t"]["dims"], 8);
}

#[test]
fn bad_tokens_are_named_and_change_nothing() {
    let client = Client::open(&memory(), ":memory:", &schema("i8", muvera()));
    let good = vec![1.0; DIMS];
    let zero = vec![0.0; DIMS];
    let bad = [
        (json!([]), Code::Required),
        (json!([good, [1.0]]), Code::Dimension),
        (json!([good, zero]), Code::ZeroVector),
        (json!("words"), Code::Type),
        (json!({ "data": good, "dims": 4 }), Code::Dimension),
        (json!({ "data": [1.0, 2.0], "dims": 8 }), Code::Dimension),
        (json!({ "data": good, "dims": 8, "units": [1, 2] }), Code::Dimension),
        (json!({ "data": good, "dims": 8, "unit": [1] }), Code::Type),
        (json!({ "data": [], "dims": 8 }), Code::Required),
    ];
    for (value, expected) in bad {
        let error = client.upsert(&[
            json!({ "id": 1, "n": 1, "t": good_list(&good) }),
            json!({ "id": 2, "n": 1, "t": value }),
        ]);
        assert_eq!(code(error), expected, "{value}");
        assert_eq!(client.call("count", json!({})).unwrap()["count"], 0);
    }
    client.upsert(&[json!({ "id": 1, "n": 1, "t": good_list(&good) })]).unwrap();
    let search = |query: Value| code(client.call("search", json!({ "query": query })));
    for (tokens, more, expected) in [
        (json!([]), json!({}), Code::Required),
        (json!([[1.0]]), json!({}), Code::Dimension),
        (json!([zero]), json!({}), Code::ZeroVector),
        (json!(vec![good.clone(); 4_097]), json!({}), Code::Limit),
        (json!([good]), json!({ "weights": [1, 1] }), Code::Query),
        (json!([good]), json!({ "weights": [-1] }), Code::Limit),
        (json!([good]), json!({ "weights": [0] }), Code::Query),
        (json!([good]), json!({ "candidates": 0 }), Code::Limit),
        (json!([good]), json!({ "candidates": 5, "exact": true }), Code::Query),
        (json!([good]), json!({ "recall": 0.9 }), Code::Argument),
        (json!([good]), json!({ "recall": 2 }), Code::Limit),
        (json!({ "data": good, "dims": 8, "units": [1] }), json!({}), Code::Query),
        (json!({ "data": good, "dims": 8, "weights": [1] }), json!({}), Code::Query),
        (json!([good]), json!({ "field": "n" }), Code::Query),
    ] {
        let mut query = json!({ "kind": "maxsim", "field": "t", "tokens": tokens });
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(search(query), expected, "{more}");
    }
    client
        .call("search", json!({ "query": query(std::slice::from_ref(&good), json!({ "recall": 1 })) }))
        .unwrap();
    client
        .call(
            "search",
            json!({ "query": { "kind": "maxsim", "field": "t", "tokens": { "data": good, "dims": 8 } } }),
        )
        .unwrap();
    for index in [
        json!({ "kind": "muvera", "repetitions": 0 }),
        json!({ "kind": "muvera", "projection": 65_536 }),
        json!({ "kind": "muvera", "bits": 10, "repetitions": 256 }),
    ] {
        let opened = root(memory()).call(
            "open",
            &json!({ "path": ":memory:", "schema": schema("i8", index) }).to_string(),
            Vec::new(),
            &Control::new(),
        );
        assert_eq!(code(opened.map(|_| ())), Code::Schema);
    }
}

#[test]
fn what_f16_cannot_hold_is_refused() {
    let open = |codec: &str, metric: &str| {
        let t = json!({ "type": "multi", "dims": 3, "prefix": 2, "codec": codec, "metric": metric });
        Client::open(&memory(), ":memory:", &json!({ "fields": { "t": t } }))
    };
    let upsert =
        |client: &Client, x: f64| client.upsert(&[json!({ "id": 1, "t": [[1, 1, 1e5], [1, x, 0]] })]);
    let client = open("f16", "dot");
    for x in [65_520.0, -65_520.0, 1e9] {
        assert_eq!(code(upsert(&client, x)), Code::Limit, "{x}");
    }
    upsert(&client, 65_519.0).unwrap();
    upsert(&client, -65_519.0).unwrap();
    upsert(&open("f16", "cosine"), 1e9).unwrap();
    upsert(&open("f32", "dot"), 1e9).unwrap();
    // A query's tokens are f32.
    client.call("search", json!({ "query": query(&[vec![1e9, 1.0, 1.0]], json!({})) })).unwrap();
}

fn good_list(good: &[f64]) -> Value {
    json!([good, good])
}

#[test]
fn encodings_are_plain_functions() {
    let fde = |side: &str, values: Vec<f32>, muvera: Value| {
        let request = json!({ "dims": 4, "side": side, "muvera": muvera }).to_string();
        root(memory()).call("fde", &request, vec![Array::F32(values)], &Control::new())
    };
    let muvera = json!({ "repetitions": 2, "bits": 2, "projection": 0 });
    let Array::F32(query) = &fde("query", vec![1.0, 0.0, 0.0, 0.0], muvera.clone()).unwrap().arrays[0] else {
        panic!()
    };
    assert_eq!((query.len(), query.iter().sum::<f32>()), (32, 2.0));
    let Array::F32(document) = &fde("document", vec![1.0, 0.0, 0.0, 0.0], muvera.clone()).unwrap().arrays[0]
    else {
        panic!()
    };
    assert_eq!(document.iter().sum::<f32>(), 8.0, "every bucket is filled");
    assert_eq!(code(fde("query", vec![], muvera.clone()).map(|_| ())), Code::Required);
    assert_eq!(code(fde("query", vec![1.0], muvera).map(|_| ())), Code::Dimension);
}

/// Numbers that every language can make: a linear congruential generator on 32 bits.
fn numbers(count: usize, mut state: u32) -> Vec<f32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// FNV-1a over the bytes of the components, little-endian.
fn hash(values: &[f32]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    format!(
        "{:08x}",
        bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    )
}

/// `test/vectors/fde.json`, which the suite of every backend reads too; written anew with TERCET_BLESS=1.
#[test]
fn encodings_have_the_bits_of_the_golden_ones() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors/fde.json");
    let cases = [
        json!({ "dims": 4, "tokens": 1, "muvera": { "repetitions": 1, "bits": 1, "projection": 0 } }),
        json!({ "dims": 24, "tokens": 17, "muvera": { "repetitions": 5, "bits": 3, "projection": 8, "seed": 7 } }),
        json!({ "dims": 24, "tokens": 17, "muvera": { "repetitions": 5, "bits": 3, "projection": 8, "matrix": "sketch" } }),
        json!({ "dims": 24, "tokens": 40, "muvera": { "repetitions": 5, "bits": 3, "projection": 0, "final": 100 } }),
        json!({ "dims": 128, "tokens": 90, "muvera": {} }),
    ];
    let made: Vec<Value> = cases
        .into_iter()
        .enumerate()
        .map(|(at, mut case)| {
            let (dims, count) =
                (case["dims"].as_u64().unwrap() as usize, case["tokens"].as_u64().unwrap() as usize);
            case["state"] = json!(at + 1);
            for side in ["query", "document"] {
                let request = json!({ "dims": dims, "side": side, "muvera": case["muvera"] }).to_string();
                let values = Array::F32(numbers(dims * count, at as u32 + 1));
                let reply = root(memory()).call("fde", &request, vec![values], &Control::new()).unwrap();
                let Array::F32(values) = &reply.arrays[0] else { panic!("an array of f32") };
                case[side] = json!({ "length": values.len(), "fnv": hash(values), "first": values[..4] });
            }
            case
        })
        .collect();
    if std::env::var_os("TERCET_BLESS").is_some() {
        let lines: Vec<String> = made.iter().map(Value::to_string).collect();
        std::fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    let golden: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(made, golden);
}

/// Enough tokens for centroids, in two segments that are merged.
#[test]
fn residual_codes_and_centroids_through_commits_and_merges() {
    for (codec, index) in
        [("residual4", json!({ "kind": "centroids" })), ("i8", json!({ "kind": "centroids" }))]
    {
        let (client, all) = collection(codec, index, 3_000);
        let mut dice = Dice::new(41);
        for round in 0..2 {
            for _ in 0..4 {
                let tokens = tokens(&mut dice, 3);
                let wanted: Vec<Value> =
                    ranked(&all, &tokens).into_iter().take(10).map(|(id, _)| id).collect();
                let ids = |more: Value| client.ids(json!({ "query": query(&tokens, more), "limit": 10 }));
                let exact = ids(json!({ "exact": true }));
                let shared = exact.iter().filter(|id| wanted.contains(id)).count();
                assert!(shared >= 7, "{codec}, round {round}: {shared} of 10");
                assert_eq!(ids(json!({ "candidates": 100_000 })), exact);
                let some = ids(json!({ "candidates": 300 }));
                let shared = some.iter().filter(|id| exact.contains(id)).count();
                assert!(shared >= 7, "{codec}, round {round}: {shared} of 10 among candidates");
            }
            client.call("compact", json!({})).unwrap();
        }
    }
}

#[test]
fn a_document_without_units_has_none_beside_others_that_have() {
    let client = Client::open(&memory(), ":memory:", &schema("f32", json!({ "kind": "scan" })));
    let flat = |units: Value| {
        let mut one: Vec<f64> = vec![0.0; 2 * DIMS];
        (one[0], one[DIMS + 1]) = (1.0, 1.0);
        json!({ "data": one, "dims": DIMS, "units": units })
    };
    client.upsert(&[json!({ "id": "a", "n": 1, "t": flat(json!([3, 4])) })]).unwrap();
    client.upsert(&[json!({ "id": "b", "n": 2, "t": flat(Value::Null) })]).unwrap();
    client.call("compact", json!({})).unwrap();
    let token = vec![1.0; DIMS];
    let request = json!({ "query": query(&[token], json!({ "exact": true })), "explain": true });
    let page = client.call("search", request).unwrap();
    for hit in page["hits"].as_array().unwrap() {
        let text = hit["explain"].to_string();
        assert_eq!(text.contains("bestUnit"), hit["id"] == "a", "{text}");
    }
    let last = client.upsert(&[json!({ "id": "c", "n": 3, "t": flat(json!([1, u32::MAX])) })]);
    assert_eq!(code(last), Code::Type);
}

#[test]
fn candidates_are_found_by_centroids_unless_another_way_is_named() {
    let spec: tercet_engine::wire::MultiSpec = serde_json::from_value(json!({ "dims": 3 })).unwrap();
    assert_eq!(spec.index, tercet_engine::wire::MultiIndexSpec::Centroids {});
    let kept = serde_json::to_value(&spec).unwrap();
    assert_eq!(kept["index"], json!({ "kind": "centroids" }), "a stored schema says it");
}
