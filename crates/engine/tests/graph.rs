//! Dense fields whose index is a graph, in collections: recall against exact searches, filters, churn, what is written
//! plainly and finished later, damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Client, Dice, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;
use tercet_store::{Env, MemoryEnv};

const DIMS: usize = 16;
/// Clusters that the vectors lie in: neighbours are worth finding.
const CLUSTERS: usize = 24;

/// Vectors around centres; which centre is told by the dice too.
struct Cloud {
    dice: Dice,
    centres: Vec<Vec<f32>>,
}

impl Cloud {
    fn new(seed: u64) -> Cloud {
        let mut dice = Dice::new(seed);
        let mut centre = || -> Vec<f32> { (0..DIMS).map(|_| coordinate(&mut dice)).collect() };
        let centres = (0..CLUSTERS).map(|_| centre()).collect();
        Cloud { dice, centres }
    }

    fn vector(&mut self) -> (usize, Vec<f32>) {
        let cluster = self.dice.below(CLUSTERS);
        let dice = &mut self.dice;
        let vector = self.centres[cluster].iter().map(|x| x + 0.5 * coordinate(dice)).collect();
        (cluster, vector)
    }

    fn documents(&mut self, ids: std::ops::Range<usize>) -> Vec<Value> {
        ids.map(|id| {
            let (cluster, vector) = self.vector();
            json!({ "id": id, "n": id, "cluster": cluster, "v": vector })
        })
        .collect()
    }
}

fn coordinate(dice: &mut Dice) -> f32 {
    dice.below(2_000_001) as f32 / 1e6 - 1.0
}

fn schema(metric: &str) -> Value {
    json!({ "fields": {
        "n": { "type": "integer" },
        "cluster": { "type": "integer" },
        "v": { "type": "dense", "dims": DIMS, "metric": metric,
               "index": { "kind": "hnsw", "m": 8, "efConstruction": 60 }, "optional": true },
    }})
}

fn upsert(client: &Client, documents: &[Value]) {
    client.upsert_chunks(documents, 500).unwrap();
}

/// A page for a vector, with settings of the query and of the request.
fn page(client: &Client, vector: &[f32], settings: &Value, filter: Option<&Value>) -> Value {
    let mut query = settings.clone();
    query["kind"] = json!("near");
    query["field"] = json!("v");
    query["vector"] = json!({ "$vector": 0 });
    let mut request = json!({ "query": query, "limit": 10, "explain": true, "select": [] });
    if let Some(filter) = filter {
        request["where"] = filter.clone();
    }
    let reply = client.raw("search", &request, vec![Array::F32(vector.to_vec())]).unwrap();
    serde_json::from_str(&reply.json).unwrap()
}

fn ids(page: &Value) -> Vec<Value> {
    page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].clone()).collect()
}

fn paths(page: &Value) -> Vec<String> {
    let segments = page["explain"]["plan"][0]["segments"].as_array().unwrap();
    segments.iter().map(|s| s["path"].as_str().unwrap().to_owned()).collect()
}

/// The share of the true ten that the usual search finds, and how often it said that it was exact.
fn recall(client: &Client, queries: &[Vec<f32>], filter: Option<&Value>) -> (f64, usize) {
    let (mut right, mut wanted, mut exact) = (0, 0, 0);
    for query in queries {
        let truth = page(client, query, &json!({ "exact": true }), filter);
        assert_eq!(truth["exact"], true);
        let found = page(client, query, &json!({}), filter);
        let (truth, hits) = (ids(&truth), ids(&found));
        if found["exact"] == true {
            exact += 1;
            assert_eq!(hits, truth, "an answer that is called exact");
        }
        assert_eq!(hits.len(), truth.len(), "as many as there are, up to ten");
        wanted += truth.len();
        right += hits.iter().filter(|id| truth.contains(id)).count();
    }
    (right as f64 / wanted.max(1) as f64, exact)
}

fn queries(cloud: &mut Cloud, count: usize) -> Vec<Vec<f32>> {
    (0..count).map(|_| cloud.vector().1).collect()
}

fn compact(client: &Client) {
    client.call("compact", json!({})).unwrap();
}

#[test]
fn graphs_find_what_scans_find_and_say_what_they_did() {
    for metric in ["cosine", "l2", "dot"] {
        let mut cloud = Cloud::new(5);
        let client = Client::open(&memory(), "folder", &schema(metric));
        upsert(&client, &cloud.documents(0..4_000));
        compact(&client);
        let queries = queries(&mut cloud, 40);
        let found = page(&client, &queries[0], &json!({ "ef": 100 }), None);
        assert_eq!((paths(&found), &found["exact"]), (vec!["graph".to_owned()], &json!(false)));
        let counters = &found["explain"]["counters"];
        assert!(counters["hops"].as_u64().unwrap() > 10, "{counters}");
        assert!(counters["vectorsScored"].as_u64().unwrap() < 4_000, "{counters}");
        assert!(found["explain"]["plan"][0]["step"].as_str().unwrap().contains("graph of `v`, ef 100"));
        let (recall, exact) = recall(&client, &queries, None);
        assert!(recall >= 0.95 && exact == 0, "{metric}: {recall}, exact {exact} times");
        let measured = client.call("measure", json!({ "field": "v", "sample": 50 })).unwrap();
        let (low, high) = (measured["low"].as_f64().unwrap(), measured["high"].as_f64().unwrap());
        assert!(measured["recall"].as_f64().unwrap() >= 0.95 && low < high && high <= 1.0, "{measured}");
        assert!(measured["distances"].as_f64().unwrap() < 4_000.0, "{measured}");
    }
}

#[test]
fn what_was_tuned_is_searched_by() {
    let mut cloud = Cloud::new(17);
    let client = Client::open(&memory(), "folder", &schema("cosine"));
    upsert(&client, &cloud.documents(0..4_000));
    compact(&client);
    let tuned = client.call("tune", json!({ "field": "v", "sample": 60 })).unwrap();
    let points = tuned["points"].as_array().unwrap();
    let recalls: Vec<f64> = points.iter().map(|p| p["recall"].as_f64().unwrap()).collect();
    assert!(recalls.is_sorted() && *recalls.last().unwrap() > 0.98, "{tuned}");
    for target in [0.8, 0.95, 0.99] {
        let found = page(&client, &cloud.vector().1, &json!({ "recall": target }), None);
        let step = found["explain"]["plan"][0]["step"].as_str().unwrap().to_owned();
        assert!(step.contains(", ef ") || found["exact"] == true, "{step}");
        let measured =
            client.call("measure", json!({ "field": "v", "recall": target, "sample": 200 })).unwrap();
        assert!(measured["high"].as_f64().unwrap() >= target, "{target}: {measured}");
    }
    let (low, high) = (recalls[0] * 0.9, 1.0);
    let cheap = client.call("measure", json!({ "field": "v", "recall": low })).unwrap();
    let whole = client.call("measure", json!({ "field": "v", "recall": high })).unwrap();
    assert_eq!(whole["recall"], 1.0);
    assert!(cheap["distances"].as_f64().unwrap() < whole["distances"].as_f64().unwrap() / 4.0);
}

#[test]
fn filters_that_have_nothing_to_do_with_the_query_and_filters_that_have() {
    let mut cloud = Cloud::new(23);
    let client = Client::open(&memory(), "folder", &schema("cosine"));
    let documents = cloud.documents(0..6_000);
    upsert(&client, &documents);
    compact(&client);
    let queries: Vec<(usize, Vec<f32>)> = (0..25).map(|_| cloud.vector()).collect();
    for (share, most) in [(0.5, 3_000), (0.1, 600), (0.01, 60), (0.001, 6)] {
        // Ids tell nothing of where a vector lies.
        let filter = json!({ "n": { "lt": most } });
        let vectors: Vec<Vec<f32>> = queries.iter().map(|(_, v)| v.clone()).collect();
        let (recall, _) = recall(&client, &vectors, Some(&filter));
        assert!(recall >= 0.95, "{share} at random: {recall}");
    }
    for (cluster, query) in &queries {
        // Only other clusters than the query's own, far away.
        let far = json!({ "cluster": (cluster + CLUSTERS / 2) % CLUSTERS });
        let truth = ids(&page(&client, query, &json!({ "exact": true }), Some(&far)));
        let found = ids(&page(&client, query, &json!({}), Some(&far)));
        let right = found.iter().filter(|id| truth.contains(id)).count();
        assert!(truth.len() == 10 && right >= 9, "{right} of those in a far cluster");
        let none = page(&client, query, &json!({}), Some(&json!({ "cluster": -1 })));
        assert_eq!((ids(&none).len(), &none["exact"]), (0, &json!(true)));
    }
}

#[test]
fn churn_costs_no_recall() {
    let mut cloud = Cloud::new(31);
    let client = Client::open(&memory(), "folder", &schema("cosine"));
    upsert(&client, &cloud.documents(0..3_000));
    compact(&client);
    let mut dice = Dice::new(77);
    // A fifth replaced, and then everything, several times over, with merges in between and at the end.
    for round in 0..5 {
        let (from, count) = if round == 0 { (dice.below(2_400), 600) } else { (0, 3_000) };
        let documents = cloud.documents(from..from + count);
        for batch in documents.chunks(700) {
            upsert(&client, batch);
            client.call("flush", json!({})).unwrap();
        }
        let queries = queries(&mut cloud, 30);
        let (before, _) = recall(&client, &queries, None);
        compact(&client);
        let (after, _) = recall(&client, &queries, None);
        assert!(before >= 0.95 && after >= 0.95, "round {round}: {before}, compacted {after}");
        let stats = client.call("stats", json!({})).unwrap();
        assert_eq!((&stats["documents"], &stats["segments"].as_array().unwrap().len()), (&json!(3_000), &1));
    }
    let fresh = Client::open(&memory(), "folder", &schema("cosine"));
    let mut all: Vec<Value> = (0..3_000).map(|id| json!(id)).collect();
    let got = client.raw("get", &json!({ "ids": std::mem::take(&mut all) }), Vec::new()).unwrap();
    let documents: Value = serde_json::from_str(&got.json).unwrap();
    let documents = documents["documents"].as_array().unwrap();
    let batch = Client(fresh.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
    batch.raw("stage", &json!({ "chunk": 0, "first": 0, "documents": documents }), got.arrays).unwrap();
    batch.call("commit", json!({})).unwrap();
    compact(&fresh);
    let bytes =
        |client: &Client| client.call("stats", json!({})).unwrap()["fields"]["v"]["bytes"].as_f64().unwrap();
    assert!(bytes(&client) <= 1.2 * bytes(&fresh), "{} and {}", bytes(&client), bytes(&fresh));
    let queries = queries(&mut cloud, 60);
    let ((churned, _), (made, _)) = (recall(&client, &queries, None), recall(&fresh, &queries, None));
    assert!(churned >= made - 0.01, "{churned}, made anew {made}");
}

#[test]
fn a_merge_builds_on_the_largest_graph() {
    let mut cloud = Cloud::new(37);
    let client = Client::open(&memory(), "folder", &schema("l2"));
    upsert(&client, &cloud.documents(0..4_000));
    compact(&client);
    upsert(&client, &cloud.documents(4_000..4_400));
    client.call("remove", json!({ "ids": (0..400).collect::<Vec<u32>>() })).unwrap();
    compact(&client);
    let queries = queries(&mut cloud, 40);
    let (recall, _) = recall(&client, &queries, None);
    assert!(recall >= 0.95, "{recall}");
    let removed = page(&client, &queries[0], &json!({ "ef": 2_000 }), Some(&json!({ "n": { "lt": 400 } })));
    assert_eq!(ids(&removed).len(), 0);
    assert_eq!(client.call("verify", json!({})).unwrap()["problems"], json!([]));
}

#[test]
fn a_commit_waits_for_no_graph_and_what_was_plain_is_finished_after_it() {
    let mut cloud = Cloud::new(41);
    let documents = cloud.documents(0..2_000);
    let query = cloud.vector().1;
    for path in ["folder", ":memory:"] {
        // Without threads beside the calls the graph is made at the end of the commit.
        let client = Client::open(&memory(), path, &schema("cosine"));
        upsert(&client, &documents);
        if path == "folder" {
            client.call("flush", json!({})).unwrap();
        }
        assert_eq!(paths(&page(&client, &query, &json!({}), None)), ["graph"], "{path}");
        // With them the commit is there before the graph.
        let held = Arc::new(Held::default());
        let env = memory();
        let request = json!({ "path": path, "schema": schema("cosine") }).to_string();
        let root = tercet_engine::api::root_with(env, held.clone());
        let client =
            Client(root.call("open", &request, Vec::new(), &Control::new()).unwrap().handle.unwrap());
        upsert(&client, &documents);
        if path == "folder" {
            client.call("flush", json!({})).unwrap();
        }
        let found = page(&client, &query, &json!({}), None);
        assert!(paths(&found).iter().all(|path| path == "scan") && found["exact"] == true, "{path}");
        assert!(held.run() > 0, "{path}: something is left to do");
        let found = page(&client, &query, &json!({}), None);
        assert_eq!(paths(&found), ["graph"], "{path}");
        assert_eq!(client.call("stats", json!({})).unwrap()["documents"], 2_000);
        assert_eq!(client.call("verify", json!({})).unwrap()["problems"], json!([]));
    }
}

#[test]
fn commits_that_pile_up_come_before_a_graph() {
    /// Every piece of work has a thread.
    struct Beside;
    impl tercet_engine::api::Executor for Beside {
        fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
            std::thread::spawn(work);
        }
    }
    let mut cloud = Cloud::new(53);
    let mut slow = schema("cosine");
    slow["fields"]["v"]["index"]["efConstruction"] = json!(2_000);
    let root = tercet_engine::api::root_with(memory(), Arc::new(Beside));
    let request = json!({ "path": "folder", "schema": slow, "retainMs": 0 }).to_string();
    let client = Client(root.call("open", &request, Vec::new(), &Control::new()).unwrap().handle.unwrap());
    upsert(&client, &cloud.documents(0..5_000));
    client.call("flush", json!({})).unwrap();
    // More segments than a commit lets stand while a merge is on its way: it waits for the merger, which lets its graph go.
    for id in 5_000..5_100 {
        client.upsert(&cloud.documents(id..id + 1)).unwrap();
        client.call("flush", json!({})).unwrap();
    }
    let found = page(&client, &cloud.vector().1, &json!({}), None);
    assert!(paths(&found).contains(&"scan".to_owned()), "the graph is not waited for");
    let stats = client.call("stats", json!({})).unwrap();
    assert_eq!(stats["documents"], 5_100);
    assert!(stats["segments"].as_array().unwrap().len() <= 66, "{}", stats["segments"]);
    client.call("close", json!({})).unwrap();
    client.0.close();
}

/// Keeps work until it is told to run it.
#[derive(Default)]
struct Held(std::sync::Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Held {
    fn run(&self) -> usize {
        let work: Vec<_> = std::mem::take(&mut *self.0.lock().unwrap());
        let count = work.len();
        work.into_iter().for_each(|work| work());
        count
    }
}

impl tercet_engine::api::Executor for Held {
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        self.0.lock().unwrap().push(work);
    }
}

#[test]
fn a_graph_goes_with_snapshots_renames_and_imports() {
    let mut cloud = Cloud::new(43);
    let env = memory();
    let client = Client::open(&env, "folder", &schema("cosine"));
    upsert(&client, &cloud.documents(0..1_500));
    compact(&client);
    let queries = queries(&mut cloud, 10);
    let answers = |client: &Client| -> Vec<Vec<Value>> {
        queries.iter().map(|query| ids(&page(client, query, &json!({}), None))).collect()
    };
    let before = answers(&client);
    client.call("export", json!({ "path": "snapshot" })).unwrap();
    drop(client);
    let snapshot = Client::try_open(&env, json!({ "path": "snapshot", "verify": "full" })).unwrap();
    assert_eq!(answers(&snapshot), before);
    assert_eq!(paths(&page(&snapshot, &queries[0], &json!({}), None)), ["graph"]);
    let import = json!({ "path": "imported", "from": "snapshot" }).to_string();
    root(env.clone()).call("import", &import, Vec::new(), &Control::new()).unwrap();
    let imported = Client::try_open(&env, json!({ "path": "imported", "verify": "full" })).unwrap();
    assert_eq!(answers(&imported), before);
    // The schema without an index is the stored one; another index is another schema.
    let mut given = schema("cosine");
    given["fields"]["v"].as_object_mut().unwrap().remove("index");
    drop(imported);
    let open = |schema: &Value| Client::try_open(&env, json!({ "path": "imported", "schema": schema }));
    assert_eq!(answers(&open(&given).unwrap()), before);
    given["fields"]["v"]["index"] = json!({ "kind": "flat" });
    assert_eq!(code(open(&given)), Code::Schema);
    given["fields"]["v"]["index"] = json!({ "kind": "hnsw", "m": 9, "efConstruction": 60 });
    assert_eq!(code(open(&given)), Code::Schema);
}

#[test]
fn a_damaged_graph_is_found_and_never_a_crash() {
    let mut cloud = Cloud::new(47);
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let client = Client::open(&shared, "folder", &schema("cosine"));
    upsert(&client, &cloud.documents(0..1_200));
    compact(&client);
    let queries = queries(&mut cloud, 3);
    drop(client);
    let files = env.snapshot();
    let place = files.iter().rposition(|(name, _)| name.ends_with(".seg")).unwrap();
    let whole = files[place].1.clone();
    let mut dice = Dice::new(3);
    let mut refused = 0;
    for round in 0..common::runs(40) {
        let mut bytes = whole.to_vec();
        let at = if round % 4 == 0 {
            dice.below(bytes.len())
        } else {
            bytes.len() / 2 + dice.below(bytes.len() / 2)
        };
        for byte in bytes.iter_mut().skip(at).take(1 + dice.below(200)) {
            *byte = dice.next() as u8;
        }
        let mut files = files.clone();
        files[place].1 = bytes.into();
        let patched: Arc<dyn Env> = Arc::new(MemoryEnv::from_files(files).unwrap());
        let opened = Client::try_open(&patched, json!({ "path": "folder", "readOnly": true }));
        if let Ok(client) = &opened {
            for query in &queries {
                let request =
                    json!({ "query": { "kind": "near", "field": "v", "vector": query }, "select": [] });
                match client.raw("search", &request, Vec::new()) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), Code::Corrupt, "{error}"),
                }
            }
        }
        let full = json!({ "path": "folder", "readOnly": true, "verify": "full" });
        match Client::try_open(&patched, full) {
            Ok(_) => assert!(opened.is_ok()),
            Err(error) => {
                assert_eq!(error.code(), Code::Corrupt, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "{refused} refused");
}
