//! Requests that nobody would send: valid ones, changed at random in their values, their shape and their text. Whatever
//! comes, the answer is a reply or a typed error, never a panic, and never the error that stands for a defect of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use common::{Client, Dice, memory};
use serde_json::{Map, Value, json};
use tercet_engine::api::{Array, Control, Handle, root};
use tercet_engine::wire::Code;

const ROUNDS: usize = 12_000;

fn schema() -> Value {
    json!({ "fields": {
        "title": { "type": "text", "analyzer": "english", "positions": true },
        "body": { "type": "text", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "year": { "type": "integer", "optional": true },
        "rate": { "type": "float", "optional": true },
        "open": { "type": "boolean", "optional": true },
        "day": { "type": "date", "optional": true },
        "vector": { "type": "dense", "dims": 2, "metric": "cosine", "optional": true },
    }})
}

fn document() -> Value {
    json!({ "id": 7, "title": "Ants and bees", "body": "of the sea", "tags": ["a", "b", "a"], "year": 1e3,
        "rate": -0.0, "open": true, "day": "1969-12-31T23:59:59.999Z", "vector": { "$vector": 0 } })
}

/// Verbs with requests that are right; what is opened by one is used by the others.
fn requests() -> Vec<(&'static str, &'static str, Value)> {
    let near = json!({ "kind": "near", "field": "vector", "vector": { "$vector": 0 }, "k": 5 });
    let words = json!({ "kind": "match", "text": "ants sea", "fields": { "title": 2, "body": 1 }, "operator": "and" });
    let fuse = json!({ "kind": "fuse", "method": "rrf", "k": 60, "weights": [1, 0.5, 0], "depth": 50,
        "queries": [near, words, { "kind": "all" }] });
    let filter = json!({ "and": [{ "year": { "gte": 1, "lt": 3000 } }, { "tags": { "in": ["a", "z"] } }],
        "not": { "day": { "exists": false } }, "or": [{ "rate": 0 }, { "open": { "eq": true } }] });
    let page = json!({ "query": fuse, "where": filter, "limit": 5, "offset": 1, "select": ["title", "vector"],
        "highlight": ["title"], "explain": true });
    vec![
        ("root", "info", json!({})),
        ("root", "open", json!({ "path": "folder", "schema": schema(), "create": true, "readOnly": false })),
        (
            "root",
            "open",
            json!({ "path": "there", "version": "id", "refreshMs": 0, "retainMs": 1, "verify": "full" }),
        ),
        (
            "root",
            "open",
            json!({ "path": "folder", "schema": schema(), "durability": { "intervalMs": 1 }, "logBytes": 4096,
                "memoryBytes": 33_554_432, "evolve": { "add": ["year"], "drop": ["open"], "rename": { "rate": "r" } } }),
        ),
        ("root", "open", json!({ "path": "" })),
        ("root", "import", json!({ "from": "exported", "path": "imported" })),
        ("root", "repair", json!({ "path": "folder" })),
        (
            "root",
            "evaluate",
            json!({ "run": { "q": [["a", 1.5], ["b", 1]] }, "qrels": { "q": { "a": 1, "b": -1 } },
            "metrics": ["ndcg@10", "map", "bpref"], "trecTies": true }),
        ),
        ("root", "index.build", json!({ "dims": 2, "metric": "l2", "index": { "kind": "flat" } })),
        ("root", "index.open", json!({ "path": "saved", "index": { "kind": "flat" } })),
        ("collection", "search", page.clone()),
        ("collection", "search", json!({ "query": near, "where": { "year": 1000 } })),
        ("collection", "search", json!({ "query": words, "highlight": ["title", "body"] })),
        ("collection", "search", page),
        ("collection", "get", json!({ "ids": [7, "x"], "select": ["title", "vector"] })),
        ("collection", "count", json!({ "where": filter })),
        ("collection", "remove", json!({ "ids": [7, "x"] })),
        ("collection", "removeWhere", json!({ "where": filter })),
        ("collection", "stats", json!({})),
        ("collection", "schema", json!({})),
        ("collection", "flush", json!({})),
        ("collection", "compact", json!({})),
        ("collection", "verify", json!({})),
        ("collection", "sync", json!({})),
        ("collection", "refresh", json!({})),
        ("collection", "versions", json!({})),
        ("collection", "tag", json!({ "name": "id" })),
        ("collection", "untag", json!({ "name": "id" })),
        ("collection", "export", json!({ "path": "exported" })),
        ("collection", "export", json!({})),
        (
            "batch",
            "stage",
            json!({ "chunk": 0, "first": 0, "documents": [document(), { "id": "x", "title": "" }] }),
        ),
        ("batch", "commit", json!({})),
        ("batch", "abort", json!({})),
        ("index", "searchBatch", json!({ "k": 3, "filtered": true })),
        ("index", "add", json!({})),
        ("index", "remove", json!({})),
        ("index", "compact", json!({})),
        ("index", "save", json!({ "path": "saved" })),
        ("index", "stats", json!({})),
    ]
}

/// The same about dense fields.
fn dense_requests() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "collection",
            "search",
            json!({ "query": { "kind": "near", "field": "vector", "vector": { "id": 7 }, "ef": 20, "radius": 0.5,
                "patience": 10, "timeLimitMs": 1000, "exclude": ["x", 8] }, "explain": true }),
        ),
        (
            "collection",
            "search",
            json!({ "query": { "kind": "near", "field": "vector", "vector": [1, 2], "recall": 0.9 } }),
        ),
        ("collection", "tune", json!({ "field": "vector", "k": 3, "target": 0.9, "sample": 10 })),
        ("collection", "measure", json!({ "field": "vector", "k": 3, "sample": 10, "ef": 5 })),
        ("collection", "measure", json!({ "field": "vector", "recall": 0.9 })),
    ]
}

fn odd_value(dice: &mut Dice) -> Value {
    match dice.below(30) {
        0 => json!(null),
        1 => json!(dice.below(2) == 0),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(i64::MIN),
        5 => json!(i64::MAX),
        6 => json!(u64::MAX),
        7 => json!(1e300),
        8 => json!(-0.0),
        9 => json!(1e-45),
        10 => json!(4_294_967_296u64),
        11 => json!(9_007_199_254_740_993i64),
        12 => json!(1.5),
        13 => json!(""),
        14 => json!("id"),
        15 => json!("\u{0}\u{feff}\u{202e}e\u{301}👩‍👩‍👧 ß İ ﬀ"),
        16 => json!("x".repeat(600)),
        17 => json!("2024-02-30"),
        18 => json!("-009999-01-02T01:59:59.9999Z"),
        19 => json!([]),
        20 => json!({}),
        21 => json!({ "$vector": dice.below(3) }),
        22 => json!({ "$vector": 4_294_967_296u64 }),
        23 => json!({ "$f32": "AAAAAAAAgD8=" }),
        24 => json!({ "$f32": "AAA" }),
        25 => json!([1, 0]),
        26 => json!([1e39, -1e39]),
        27 => json!(["title", "vector", "vector", "id", "nope"]),
        28 => (0..dice.below(100)).fold(json!({ "year": 1 }), |inner, _| json!({ "not": inner })),
        _ => (0..dice.below(12)).fold(
            json!({ "kind": "all" }),
            |inner, _| json!({ "kind": "fuse", "method": "rrf", "queries": [inner] }),
        ),
    }
}

/// Changes one place of a value.
fn change(dice: &mut Dice, value: &mut Value) {
    let inside = dice.below(4) > 0;
    match value {
        Value::Object(map) if inside && !map.is_empty() => {
            let key = map.keys().nth(dice.below(map.len())).unwrap().clone();
            match dice.below(8) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(String::from("odd"), odd_value(dice))),
                2 => {
                    let other =
                        ["id", "and", "or", "not", "eq", "in", "exists", "title", "vector", "$vector"];
                    let value = map.remove(&key).unwrap();
                    map.insert(other[dice.below(other.len())].to_owned(), value);
                }
                _ => change(dice, &mut map[&key]),
            }
        }
        Value::Array(list) if inside && !list.is_empty() => {
            let at = dice.below(list.len());
            match dice.below(6) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => change(dice, &mut list[at]),
            }
        }
        other => *other = odd_value(dice),
    }
}

/// Changes the text, mostly into something that is no JSON.
fn damage(dice: &mut Dice, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = dice.below(chars.len() + 1);
    match dice.below(5) {
        0 => chars.truncate(at),
        1 => {
            let odd = ['"', '{', ']', '\\', '\u{0}', '9', '-', 'e', '𝔘'];
            chars.insert(at, odd[dice.below(odd.len())]);
        }
        2 => {
            let lone = ["\\ud800", "\\udc00x", "\\ud800\\ud800", "\\u"];
            return text.replacen("ants", lone[dice.below(lone.len())], 1);
        }
        3 => return "[".repeat(dice.below(5_000)) + text,
        _ => drop(chars.drain(at..(at + dice.below(9)).min(text.chars().count()))),
    }
    chars.into_iter().collect()
}

fn arrays(dice: &mut Dice) -> Vec<Array> {
    let one = |dice: &mut Dice| match dice.below(9) {
        0 => Array::F32(Vec::new()),
        1 => Array::F32(vec![f32::NAN, 1.0]),
        2 => Array::F32(vec![f32::MAX, f32::MAX]),
        3 => Array::F32(vec![0.0, -0.0]),
        4 => Array::F32(vec![1.0; dice.below(9)]),
        5 => Array::U32(vec![u32::MAX, 0, 1, 1]),
        6 => Array::U8(vec![1; 3]),
        _ => Array::F32(vec![0.5, -1.0]),
    };
    (0..dice.below(4)).map(|_| one(dice)).collect()
}

/// Every `$vector` of a reply must name an array of it.
fn check_vectors(value: &Value, arrays: usize) {
    match value {
        Value::Object(map) => {
            if let Some(at) = map.get("$vector").and_then(Value::as_u64) {
                assert!(at < arrays as u64, "a reply refers to array {at} of {arrays}");
            }
            map.values().for_each(|value| check_vectors(value, arrays));
        }
        Value::Array(list) => list.iter().for_each(|value| check_vectors(value, arrays)),
        _ => {}
    }
}

/// What is open at the moment.
struct Open {
    root: Arc<dyn Handle>,
    collection: Client,
    batch: Client,
    index: Client,
}

impl Open {
    fn new() -> Open {
        let env = memory();
        let collection = Client::open(&env, "there", &schema());
        let root = Client(root(env));
        let build = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" } });
        let vectors = vec![Array::F32(vec![1.0, 0.0, 0.5, 0.5, 0.0, 1.0])];
        let index = Client(root.raw("index.build", &build, vectors).unwrap().handle.unwrap());
        index.call("save", json!({ "path": "saved" })).unwrap();
        let batch = Client(collection.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
        Open { root: root.0, collection, batch, index }
    }

    /// A collection with something in it, and a batch that can be staged into.
    fn refresh(&mut self) {
        let mut one = document();
        one["vector"] = json!([1, 0.5]);
        let mut two = Map::from_iter([(String::from("id"), json!("x"))]);
        two.insert(String::from("title"), json!("the sea"));
        self.collection.upsert(&[one, Value::Object(two)]).unwrap();
        self.batch = Client(self.collection.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
    }

    fn handle(&self, name: &str) -> &Arc<dyn Handle> {
        match name {
            "root" => &self.root,
            "collection" => &self.collection.0,
            "batch" => &self.batch.0,
            _ => &self.index.0,
        }
    }
}

#[test]
fn any_request_is_answered_or_refused() {
    let mut dice = Dice::new(0x7e2c_e701);
    let requests: Vec<_> = requests().into_iter().chain(dense_requests()).collect();
    let mut open = Open::new();
    let (mut answered, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        if round % 20 == 0 {
            open.refresh();
        }
        let (handle, verb, request) = &requests[dice.below(requests.len())];
        let mut request = request.clone();
        (0..dice.below(4)).for_each(|_| change(&mut dice, &mut request));
        let mut text = request.to_string();
        if dice.below(6) == 0 {
            text = damage(&mut dice, &text);
        }
        let arrays = arrays(&mut dice);
        let handle = open.handle(handle);
        let call = || {
            handle.estimate_us(verb, &text, &arrays);
            handle.call(verb, &text, arrays.clone(), &Control::new())
        };
        let result = catch_unwind(AssertUnwindSafe(call));
        let shown: String = text.chars().take(2_000).collect();
        match result.unwrap_or_else(|_| panic!("a panic: {verb} {shown} {arrays:?}")) {
            Ok(reply) => {
                answered += 1;
                check_vectors(&serde_json::from_str(&reply.json).unwrap(), reply.arrays.len());
            }
            Err(error) => {
                refused += 1;
                assert_ne!(error.code(), Code::Internal, "{error}: {verb} {shown}");
                let back: Value = serde_json::from_str(&error.to_json()).unwrap();
                assert!(back["message"].as_str().is_some_and(|m| m.len() < 20_000), "{verb} {shown}");
            }
        }
    }
    assert!(answered > ROUNDS / 8 && refused > ROUNDS / 8, "{answered} answered, {refused} refused");
}

#[test]
fn lone_surrogates_are_named() {
    let open = Open::new();
    for lone in ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud83d\\ud83d", "\\udfff\\ud800"] {
        let stage = format!(r#"{{"chunk":0,"first":0,"documents":[{{"id":1,"title":"{lone}"}}]}}"#);
        let batch = Client(open.collection.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
        let search = format!(r#"{{"query":{{"kind":"match","text":"{lone}"}}}}"#);
        for (handle, verb, text) in [(&batch.0, "stage", &stage), (&open.collection.0, "search", &search)] {
            let error = handle.call(verb, text, Vec::new(), &Control::new()).err().unwrap();
            assert_eq!(error.code(), Code::Encoding, "{verb} {lone}: {error}");
        }
    }
}

#[test]
fn numbers_at_the_edge_are_refused() {
    let open = Open::new();
    let get = |id: Value| common::code(open.collection.call("get", json!({ "ids": [id] })));
    assert_eq!(get(json!(i64::MIN)), Code::Id);
    assert_eq!(get(json!(u64::MAX)), Code::Id);
    let count = json!({ "where": { "year": i64::MIN } });
    assert_eq!(common::code(open.collection.call("count", count)), Code::Filter);
    let stage = |first: Value, documents: Value| {
        let batch = Client(open.collection.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
        batch.call("stage", json!({ "chunk": 0, "first": first, "documents": documents }))
    };
    let two = json!([{ "id": 1, "title": "" }, { "id": 1, "title": "" }]);
    assert_eq!(common::code(stage(json!(u64::MAX), two.clone())), Code::Limit);
    assert_eq!(common::code(stage(json!(1u64 << 53), two)), Code::Limit);
    let far = json!([{ "id": 1, "title": "", "vector": { "$vector": 1u64 << 32 } }]);
    assert_eq!(common::code(stage(json!(0), far)), Code::Type);
    let overflowing = [
        json!({ "kind": "match", "text": "ants", "fields": { "title": 3e38 } }),
        json!({ "kind": "fuse", "method": "rrf", "queries": [{ "kind": "all" }], "weights": [3e38] }),
    ];
    for query in overflowing {
        assert_eq!(common::code(open.collection.search(json!({ "query": query }))), Code::Limit, "{query}");
    }
}

/// What is asked for twice comes once: a page costs what its documents hold.
#[test]
fn repeated_names_do_not_multiply_a_page() {
    let mut open = Open::new();
    open.refresh();
    let select: Vec<&str> = ["vector", "title"].repeat(500);
    let highlight: Vec<&str> = ["title"].repeat(500);
    let request =
        json!({ "query": { "kind": "match", "text": "ants" }, "select": select, "highlight": highlight });
    let reply = open.collection.raw("search", &request, Vec::new()).unwrap();
    assert_eq!(reply.arrays.len(), 2);
}
