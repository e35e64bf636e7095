//! `near` and what belongs to it: search by a document, what is left out, radius, effort, limits, `tune` and `measure`.
//! Every test runs over all dense index kinds that there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Client, Dice, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;

/// The kinds, each with the fields of its settings; those with a graph get one that is small.
fn kinds() -> Vec<Value> {
    let info = root(memory()).call("info", "{}", Vec::new(), &Control::new()).unwrap().json;
    let info: Value = serde_json::from_str(&info).unwrap();
    info["denseKinds"].as_array().unwrap().iter().map(|kind| json!({ "kind": kind })).collect()
}

fn schema(metric: &str, dims: usize, index: &Value) -> Value {
    json!({ "fields": {
        "n": { "type": "integer" },
        "v": { "type": "dense", "dims": dims, "metric": metric, "index": index, "optional": true },
    }})
}

fn documents(count: usize, dims: usize, seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let mut vector = || -> Vec<f64> { (0..dims).map(|_| dice.below(2_000_001) as f64 / 1e6 - 1.0).collect() };
    (0..count).map(|n| json!({ "id": n, "n": n, "v": vector() })).collect()
}

/// A collection of two segments in which every seventh document of the first is gone.
fn collection(metric: &str, index: &Value, count: usize) -> (Client, Vec<Value>) {
    let client = Client::open(&memory(), ":memory:", &schema(metric, 3, index));
    let mut all = documents(count, 3, 7);
    let (first, second) = all.split_at(count / 2);
    client.upsert(first).unwrap();
    client.upsert(second).unwrap();
    let gone: Vec<usize> = (0..count / 2).step_by(7).collect();
    client.call("remove", json!({ "ids": gone })).unwrap();
    all.retain(|d| !gone.contains(&(d["id"].as_u64().unwrap() as usize)));
    (client, all)
}

fn floats(document: &Value) -> Vec<f64> {
    document["v"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Scores in full precision, best first, ties by insertion.
fn brute(metric: &str, all: &[Value], query: &[f64]) -> Vec<(Value, f64)> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let score = |v: &[f64]| match metric {
        "l2" => -v.iter().zip(query).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(),
        "dot" => dot(v, query),
        _ => dot(v, query) / (dot(v, v).sqrt() * dot(query, query).sqrt()),
    };
    let mut scored: Vec<(Value, f64)> = all.iter().map(|d| (d["id"].clone(), score(&floats(d)))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored
}

fn near(query: Value) -> Value {
    let mut query = query;
    query["kind"] = json!("near");
    query["field"] = json!("v");
    json!({ "query": query, "limit": 10 })
}

#[test]
fn a_document_is_a_query_and_is_not_found_itself() {
    for index in kinds() {
        let (client, all) = collection("cosine", &index, 300);
        for at in [1, 40, 200] {
            let id = all[at]["id"].clone();
            let found = client.ids(near(json!({ "vector": { "id": id } })));
            let wanted: Vec<Value> = brute("cosine", &all, &floats(&all[at]))
                .into_iter()
                .map(|(id, _)| id)
                .filter(|x| *x != id)
                .collect();
            assert_eq!(found, wanted[..10], "{index}");
        }
        let missing = client.raw("search", &near(json!({ "vector": { "id": "none" } })), Vec::new());
        assert_eq!(code(missing), Code::NotFound);
        client.upsert(&[json!({ "id": "bare", "n": 1 })]).unwrap();
        let bare = client.raw("search", &near(json!({ "vector": { "id": "bare" } })), Vec::new());
        assert_eq!(code(bare), Code::Required);
        let wrong = client.raw("search", &near(json!({ "vector": { "id": 1.5 } })), Vec::new());
        assert_eq!(code(wrong), Code::Id);
    }
}

#[test]
fn what_is_left_out_is_not_found_however_much_it_is() {
    for index in kinds() {
        let (client, all) = collection("l2", &index, 400);
        let query = [0.1, -0.2, 0.3];
        let order: Vec<Value> = brute("l2", &all, &query).into_iter().map(|(id, _)| id).collect();
        // Few are dropped from the answer, many from the rows that may be found; ids that are not there are nothing.
        for count in [0, 1, 5, 64, 130, 300] {
            let mut out = order[..count].to_vec();
            out.push(json!("not there"));
            out.push(order[0].clone());
            let left: Vec<Value> = order.iter().filter(|id| !out.contains(id)).take(10).cloned().collect();
            let found = client.ids(near(json!({ "vector": query, "exclude": out })));
            assert_eq!(found, left, "{count} of {index}");
            let both = json!({ "query": near(json!({ "vector": query, "exclude": out }))["query"],
                "where": { "n": { "lt": 150 } }, "limit": 10 });
            let left: Vec<Value> = order
                .iter()
                .filter(|id| !out.contains(id) && id.as_u64().unwrap() < 150)
                .take(10)
                .cloned()
                .collect();
            assert_eq!(client.ids(both), left, "{count} of {index}, filtered");
        }
    }
}

#[test]
fn a_radius_is_a_similarity_or_a_distance() {
    for index in kinds() {
        for (metric, radius) in [("l2", 0.8), ("cosine", 0.7), ("dot", 0.5), ("dot", -0.1)] {
            let (client, all) = collection(metric, &index, 200);
            let query = [0.4, 0.1, -0.6];
            let within =
                |score: f64| if metric == "l2" { (-score).sqrt() <= radius } else { score >= radius };
            let wanted: Vec<Value> = brute(metric, &all, &query)
                .into_iter()
                .filter(|(_, s)| within(*s))
                .map(|(id, _)| id)
                .collect();
            assert!(wanted.len() > 3 && wanted.len() < all.len(), "{metric} {}", wanted.len());
            let mut request = near(json!({ "vector": query, "radius": radius }));
            request["limit"] = json!(1_000);
            assert_eq!(client.ids(request), wanted, "{metric} of {index}");
        }
        let (client, all) = collection("l2", &index, 60);
        let own = floats(&all[3]);
        let found = client.ids(near(json!({ "vector": own, "radius": 0 })));
        assert_eq!(found, [all[3]["id"].clone()], "a radius of nothing finds what is there");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for index in kinds() {
        let (client, _) = collection("l2", &index, 50);
        let vector = [0.0, 0.0, 1.0];
        let refuse = |settings: Value| {
            let mut query = near(settings);
            query["query"]["vector"] = json!(vector);
            code(client.raw("search", &query, Vec::new()))
        };
        for (settings, expected) in [
            (json!({ "k": 0 }), Code::Limit),
            (json!({ "k": -1 }), Code::Limit),
            (json!({ "ef": 0 }), Code::Limit),
            (json!({ "ef": 100_001 }), Code::Limit),
            (json!({ "ef": 1.5 }), Code::Query),
            (json!({ "recall": 0 }), Code::Limit),
            (json!({ "recall": 1.01 }), Code::Limit),
            (json!({ "recall": -1 }), Code::Limit),
            (json!({ "ef": 10, "recall": 0.9 }), Code::Query),
            (json!({ "ef": 10, "exact": true }), Code::Query),
            (json!({ "recall": 0.9, "exact": true }), Code::Query),
            (json!({ "radius": -1 }), Code::Limit),
            (json!({ "patience": 0 }), Code::Limit),
            (json!({ "timeLimitMs": 0 }), Code::Limit),
            (json!({ "exclude": [true] }), Code::Id),
            (json!({ "exclude": vec![1; 100_001] }), Code::Limit),
            (json!({ "efSearch": 10 }), Code::Query),
        ] {
            let shown: String = settings.to_string().chars().take(60).collect();
            assert_eq!(refuse(settings), expected, "{shown}");
        }
    }
}

#[test]
fn effort_is_taken_and_explained() {
    for index in kinds() {
        let (client, all) = collection("cosine", &index, 300);
        let query = [0.3, 0.5, -0.2];
        let wanted: Vec<Value> =
            brute("cosine", &all, &query).into_iter().take(10).map(|(id, _)| id).collect();
        for settings in [
            json!({ "exact": true }),
            json!({ "ef": 300 }),
            json!({ "patience": 5_000 }),
            json!({ "recall": 1 }),
        ] {
            let mut request = near(settings.clone());
            request["query"]["vector"] = json!(query);
            request["explain"] = json!(true);
            let page = client.call("search", request).unwrap();
            let ids: Vec<Value> =
                page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()).collect();
            assert_eq!(ids, wanted, "{settings}");
            assert_eq!((&page["exact"], page.get("complete")), (&json!(true), None), "{settings}");
            let step = &page["explain"]["plan"][0];
            let segments = step["segments"].as_array().unwrap();
            let scored: u64 = segments.iter().map(|s| s["vectorsScored"].as_u64().unwrap()).sum();
            // So few vectors have no graph.
            assert!(segments.iter().all(|s| s["path"] == "scan" && s["hops"] == 0), "{step}");
            assert_eq!(page["explain"]["counters"]["vectorsScored"], scored);
            assert_eq!(scored, all.len() as u64);
        }
    }
}

#[test]
fn a_time_limit_that_is_over_leaves_an_answer_that_is_not_complete() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Every look at the clock takes a second.
    #[derive(Debug, Default)]
    struct Slow(tercet_store::MemoryEnv, AtomicU64);
    impl tercet_store::Env for Slow {
        fn read(&self, path: &str) -> Result<bytes::Bytes, tercet_store::StoreError> {
            self.0.read(path)
        }
        fn create(&self, path: &str) -> Result<Box<dyn tercet_store::FileWriter>, tercet_store::StoreError> {
            self.0.create(path)
        }
        fn rename(&self, from: &str, to: &str) -> Result<(), tercet_store::StoreError> {
            self.0.rename(from, to)
        }
        fn remove(&self, path: &str) -> Result<(), tercet_store::StoreError> {
            self.0.remove(path)
        }
        fn exists(&self, path: &str) -> Result<bool, tercet_store::StoreError> {
            self.0.exists(path)
        }
        fn list(&self, dir: &str) -> Result<Vec<String>, tercet_store::StoreError> {
            self.0.list(dir)
        }
        fn create_dir_all(&self, dir: &str) -> Result<(), tercet_store::StoreError> {
            self.0.create_dir_all(dir)
        }
        fn sync_dir(&self, dir: &str) -> Result<(), tercet_store::StoreError> {
            self.0.sync_dir(dir)
        }
        fn lock(&self, path: &str) -> Result<Box<dyn tercet_store::LockGuard>, tercet_store::StoreError> {
            self.0.lock(path)
        }
        fn now_ms(&self) -> u64 {
            self.1.fetch_add(1_000, Ordering::Relaxed)
        }
        fn random_u64(&self) -> u64 {
            self.0.random_u64()
        }
    }

    for index in kinds() {
        let env: Arc<dyn tercet_store::Env> = Arc::new(Slow::default());
        let client = Client::open(&env, "folder", &schema("l2", 3, &index));
        for chunk in documents(40, 3, 3).chunks(10) {
            client.upsert(chunk).unwrap();
        }
        let limited = near(json!({ "vector": [0.0, 0.0, 0.0], "timeLimitMs": 500 }));
        let page = client.call("search", limited).unwrap();
        assert_eq!((&page["exact"], &page["complete"]), (&json!(false), &json!(false)));
        let free = near(json!({ "vector": [0.0, 0.0, 0.0], "timeLimitMs": 2_000_000 }));
        let page = client.call("search", free).unwrap();
        assert_eq!((&page["exact"], page.get("complete")), (&json!(true), None));
    }
}

#[test]
fn what_was_tuned_stays_with_the_collection() {
    for index in kinds() {
        let env = memory();
        let client = Client::open(&env, "folder", &schema("cosine", 3, &index));
        client.upsert(&documents(500, 3, 11)).unwrap();
        let request = json!({ "field": "v", "k": 5, "sample": 20 });
        let curve = client.call("tune", request).unwrap();
        assert_eq!((&curve["k"], &curve["queries"], &curve["size"]), (&json!(5), &json!(20), &json!(500)));
        assert_eq!(curve["probes"], true);
        let kept = |client: &Client, field: &str| {
            client.call("stats", json!({})).unwrap()["fields"][field]["curves"].clone()
        };
        assert_eq!(kept(&client, "v"), json!([curve]));
        client.upsert(&documents(10, 3, 5)).unwrap();
        client.call("compact", json!({})).unwrap();
        assert_eq!(kept(&client, "v"), json!([curve]));
        // By recall, and once more by given queries.
        let by_recall = near(json!({ "vector": [1.0, 0.5, 0.2], "recall": 0.95 }));
        assert_eq!(client.ids(by_recall).len(), 10);
        let queries = vec![Array::F32(vec![0.5, 0.5, 0.5, -1.0, 0.0, 0.25])];
        let reply = client.raw("tune", &json!({ "field": "v" }), queries).unwrap();
        let ten: Value = serde_json::from_str(&reply.json).unwrap();
        assert_eq!((&ten["queries"], &ten["probes"], &ten["k"]), (&json!(2), &json!(false), &json!(10)));
        client.call("export", json!({ "path": "snapshot" })).unwrap();
        drop(client);
        // Over a new opening, a new name, a snapshot and what is made of it.
        let mut renamed = schema("cosine", 3, &index);
        let field = renamed["fields"].as_object_mut().unwrap().remove("v").unwrap();
        renamed["fields"]["w"] = field;
        let evolve = json!({ "path": "folder", "schema": renamed, "evolve": { "rename": { "v": "w" } } });
        let client = Client::try_open(&env, evolve).unwrap();
        assert_eq!(kept(&client, "w"), json!([curve, ten]));
        drop(client);
        let client = Client::try_open(&env, json!({ "path": "snapshot" })).unwrap();
        assert_eq!(kept(&client, "v"), json!([curve, ten]));
        assert_eq!(code(client.call("tune", json!({ "field": "v" }))), Code::Unsupported);
        let measured = client.call("measure", json!({ "field": "v", "sample": 30 })).unwrap();
        assert_eq!((&measured["recall"], &measured["queries"]), (&json!(1.0), &json!(30)));
        assert!(measured["low"].as_f64().unwrap() < 1.0);
        let import = json!({ "path": "imported", "from": "snapshot" }).to_string();
        root(env.clone()).call("import", &import, Vec::new(), &Control::new()).unwrap();
        let client = Client::try_open(&env, json!({ "path": "imported" })).unwrap();
        assert_eq!(kept(&client, "v"), json!([curve, ten]));
        // A dropped field takes its curves with it.
        let only = json!({ "fields": { "n": { "type": "integer" } } });
        drop(client);
        let evolve = json!({ "path": "imported", "schema": only, "evolve": { "drop": ["v"] } });
        drop(Client::try_open(&env, evolve).unwrap());
        let manifest = env.read("imported/MANIFEST").unwrap();
        let newest = String::from_utf8_lossy(&manifest).rsplit("\"version\"").next().unwrap().to_owned();
        assert!(!newest.contains("curves"), "{newest}");
    }
}

#[test]
fn tuning_and_measuring_refuse_what_makes_no_sense() {
    for index in kinds() {
        let (client, _) = collection("cosine", &index, 50);
        for verb in ["tune", "measure"] {
            for (request, expected) in [
                (json!({ "field": "none" }), Code::Field),
                (json!({ "field": "n" }), Code::Query),
                (json!({ "field": "v", "k": 0 }), Code::Limit),
                (json!({ "field": "v", "k": 10_001 }), Code::Limit),
                (json!({ "field": "v", "sample": 0 }), Code::Limit),
                (json!({ "field": "v", "other": 0 }), Code::Argument),
            ] {
                assert_eq!(code(client.call(verb, request.clone())), expected, "{verb} {request}");
            }
            let with = |queries: Vec<f32>| {
                code(client.raw(verb, &json!({ "field": "v" }), vec![Array::F32(queries)]))
            };
            assert_eq!(with(vec![1.0; 4]), Code::Dimension);
            assert_eq!(with(Vec::new()), Code::Dimension);
            assert_eq!(with(vec![1.0, 2.0, f32::NAN]), Code::NotFinite);
            assert_eq!(with(vec![1.0, 2.0, 3.0, 0.0, 0.0, 0.0]), Code::ZeroVector);
        }
        assert_eq!(code(client.call("tune", json!({ "field": "v", "target": 0 }))), Code::Limit);
        let both = json!({ "field": "v", "ef": 10, "recall": 0.5 });
        assert_eq!(code(client.call("measure", both)), Code::Query);
        let control = Control::new();
        control.cancel();
        let cancelled = client.0.call("tune", r#"{"field":"v"}"#, Vec::new(), &control);
        assert_eq!(code(cancelled.map(|_| ())), Code::Aborted);
        assert_eq!(client.call("stats", json!({})).unwrap()["fields"]["v"].get("curves"), None);
        // Nothing to measure is no error.
        let empty = Client::open(&memory(), ":memory:", &schema("cosine", 3, &index));
        assert_eq!(empty.call("tune", json!({ "field": "v" })).unwrap()["queries"], 0);
        assert_eq!(empty.call("measure", json!({ "field": "v" })).unwrap()["recall"], 1.0);
    }
}

#[test]
fn a_recall_that_nobody_measured_names_tune() {
    for index in kinds() {
        let (client, _) = collection("cosine", &index, 50);
        let found =
            client.raw("search", &near(json!({ "vector": [1.0, 0.0, 0.0], "recall": 0.9 })), Vec::new());
        // An exact kind has every recall.
        if index["kind"] == "flat" {
            assert!(found.is_ok());
            continue;
        }
        let Err(error) = found else { panic!("{index} searched by a recall that it cannot know") };
        assert_eq!(error.code(), Code::Argument);
        assert!(error.0.message.contains("tune(\"v\")"), "{error}");
    }
}
