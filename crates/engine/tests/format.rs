//! test/format/<version>: a folder and a snapshot as that version wrote them, with the answers that they must give for ever.
//!
//! `cargo test -p tercet-engine --test format -- --ignored write_it` writes test/format/v1. It refuses where that exists:
//! what was written once is never written anew. A new layout gets a new folder beside the old ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::Client;
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Reply, root};
use tercet_engine::wire::TercetError;
use tercet_store::{Env, FileEnv, MemoryEnv};

/// What `write_it` makes.
const NEXT: &str = "v2";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/format")
}

fn schema() -> Value {
    json!({ "fields": {
        "title": { "type": "text", "analyzer": "english", "positions": true, "boost": 2 },
        "body": { "type": "text", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "year": { "type": "integer", "optional": true },
        "rate": { "type": "float", "optional": true },
        "open": { "type": "boolean", "optional": true },
        "day": { "type": "date", "optional": true },
        "near": { "type": "dense", "dims": 3, "metric": "l2", "optional": true },
        "like": { "type": "dense", "dims": 2, "metric": "cosine", "optional": true },
    }})
}

/// The schema that it becomes: `year` is called `published`, `rate` is gone, `lang` is new.
fn evolved() -> Value {
    let mut schema = schema();
    let fields = schema["fields"].as_object_mut().unwrap();
    let year = fields.remove("year").unwrap();
    fields.remove("rate");
    fields.insert(String::from("published"), year);
    fields.insert(String::from("lang"), json!({ "type": "keyword", "optional": true }));
    schema
}

const WORDS: [&str; 8] = ["ants", "bees", "honey", "the river", "Ströme", "北京", "running", "😀 smile"];

/// A document of the first schema, or of the second.
fn document(n: usize, evolved: bool) -> Value {
    let id = if n.is_multiple_of(5) { json!(format!("id-{n}")) } else { json!(n) };
    let title = format!("{} and {}", WORDS[n % 8], WORDS[n * 3 % 7]);
    let mut d = json!({ "id": id, "title": title });
    if !n.is_multiple_of(3) {
        d["body"] = json!(format!("{} ", WORDS[n % 5]).repeat(1 + n % 4) + "number " + &n.to_string());
        d["tags"] = json!([format!("t{}", n % 4), "all"]);
        d["near"] = json!([n % 7, n % 3, 1]);
    }
    if n.is_multiple_of(2) {
        d[if evolved { "published" } else { "year" }] = json!(1900 + n);
        d["open"] = json!(n.is_multiple_of(4));
        d["day"] = json!(format!("2024-02-{:02}T00:00:00.000Z", 1 + n % 28));
        d["like"] = json!([1 + n % 3, 2]);
    }
    if evolved && n.is_multiple_of(3) {
        d["lang"] = json!("en");
    } else if !evolved && n.is_multiple_of(7) {
        d["rate"] = json!(n as f64 / 2.0);
    }
    d
}

fn documents(range: std::ops::Range<usize>, evolved: bool) -> Vec<Value> {
    range.map(|n| document(n, evolved)).collect()
}

/// Files of the folder, as a killed process leaves them, and the snapshot.
fn write_files() -> (Vec<(String, Bytes)>, Vec<u8>) {
    let memory = MemoryEnv::new();
    let env: Arc<dyn Env> = Arc::new(memory.clone());
    let c = Client::open(&env, "folder", &schema());
    c.upsert(&documents(0..30, false)).unwrap();
    c.call("tag", json!({ "name": "first" })).unwrap();
    c.upsert(&documents(22..48, false)).unwrap();
    c.0.close();
    let evolve = json!({ "add": ["lang"], "drop": ["rate"], "rename": { "year": "published" } });
    let request = json!({ "path": "folder", "schema": evolved(), "evolve": evolve });
    let c = Client::try_open(&env, request).unwrap();
    c.upsert(&documents(45..60, true)).unwrap();
    c.call("remove", json!({ "ids": [1, "id-5", 47] })).unwrap();
    c.call("tag", json!({ "name": "second" })).unwrap();
    c.upsert(&documents(58..63, true)).unwrap();
    c.call("remove", json!({ "ids": [2, "id-60"] })).unwrap();
    let files = memory.snapshot();
    let reply = c.raw("export", &json!({}), Vec::new()).unwrap();
    let [Array::U8(snapshot)] = &reply.arrays[..] else { panic!("a snapshot is bytes") };
    (files, snapshot.clone())
}

/// What is asked of each.
fn questions(year: &str) -> Vec<(&'static str, Value)> {
    let words = json!({ "kind": "match", "text": "ant honey river" });
    let both = json!({ "kind": "match", "text": "honey bees", "operator": "and", "fields": ["title"] });
    let near = json!({ "kind": "near", "field": "near", "vector": [3, 1, 1] });
    let like = json!({ "kind": "near", "field": "like", "vector": [1, 1], "k": 5 });
    let fuse = json!({ "kind": "fuse", "method": "rrf", "queries": [words, near] });
    let filter = json!({ "or": [{ year: { "gte": 1920, "lt": 1950 } }, { "tags": { "in": ["t1", "t2"] } }],
        "not": { "open": true } });
    vec![
        (
            "search",
            json!({ "query": { "kind": "all" }, "limit": 100, "select":
            ["title", "body", "tags", year, "open", "day", "near", "like"] }),
        ),
        ("search", json!({ "query": words, "limit": 50, "select": [], "highlight": ["title"] })),
        ("search", json!({ "query": both, "select": ["title"] })),
        ("search", json!({ "query": near, "limit": 8, "where": filter, "select": ["near"] })),
        ("search", json!({ "query": like, "select": [] })),
        (
            "search",
            json!({ "query": fuse, "limit": 12, "where": { "day": { "gte": "2024-02-05" } }, "select": [] }),
        ),
        ("get", json!({ "ids": ["id-5", 3, 47, 59, "id-60", 62] })),
        ("count", json!({ "where": filter })),
        ("count", json!({})),
        ("schema", json!({})),
    ]
}

fn array(array: &Array) -> Value {
    match array {
        Array::F32(values) => json!(values),
        Array::U32(values) => json!(values),
        Array::U8(values) => json!(values),
        Array::U16(values) => json!(values),
        Array::I8(values) => json!(values),
    }
}

fn answer(reply: &Reply) -> Value {
    let json: Value = serde_json::from_str(&reply.json).unwrap();
    json!({ "json": json, "arrays": reply.arrays.iter().map(array).collect::<Vec<_>>() })
}

/// Opens with a request that lacks its path, or with the bytes.
fn open(
    env: &Arc<dyn Env>,
    path: &str,
    request: &Value,
    bytes: Option<&[u8]>,
) -> Result<(Client, Value), TercetError> {
    let mut request = request.clone();
    request["path"] = json!(if bytes.is_some() { "" } else { path });
    let arrays = bytes.map(|bytes| Array::U8(bytes.to_vec())).into_iter().collect();
    let reply = root(env.clone()).call("open", &request.to_string(), arrays, &Control::new())?;
    let opened: Value = serde_json::from_str(&reply.json).unwrap();
    Ok((Client(reply.handle.unwrap()), opened))
}

/// Equal, but for the last bits of numbers that kernels of another width may round otherwise.
fn agree(found: &Value, wanted: &Value, at: &str) {
    match (found, wanted) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| agree(a, b, &format!("{at}/{i}")));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{at}: {found} {wanted}");
            a.iter().for_each(|(key, value)| agree(value, &b[key], &format!("{at}/{key}")));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{at}: {a}, expected {b}");
        }
        _ => assert_eq!(found, wanted, "{at}"),
    }
}

/// The openings and questions of `expected.json`, without the answers.
fn plan() -> Value {
    let open = |of: &str, request: Value, year: &str| {
        let ask: Vec<Value> = questions(year)
            .into_iter()
            .map(|(verb, request)| json!({ "verb": verb, "request": request }))
            .collect();
        json!({ "of": of, "open": request, "ask": ask })
    };
    json!([
        open("folder", json!({ "readOnly": true, "verify": "full" }), "published"),
        open("folder", json!({ "readOnly": true }), "published"),
        open("folder", json!({ "version": "first" }), "year"),
        open("folder", json!({ "version": "second", "verify": "full" }), "published"),
        open("folder", json!({ "schema": evolved() }), "published"),
        open("snapshot", json!({}), "published"),
        open("snapshot", json!({ "verify": "full" }), "published"),
    ])
}

#[test]
#[ignore = "writes test/format"]
fn write_it() {
    let dir = folder().join(NEXT);
    assert!(!dir.exists(), "{} is there: what was written once is never written anew", dir.display());
    let (files, snapshot) = write_files();
    let again = write_files();
    assert!(files == again.0 && snapshot == again.1, "two runs write different bytes");
    let mut expected = plan();
    for one in expected.as_array_mut().unwrap() {
        let env: Arc<dyn Env> = Arc::new(MemoryEnv::from_files(files.iter().cloned()).unwrap());
        let bytes = (one["of"] == "snapshot").then_some(&snapshot[..]);
        let (c, opened) = open(&env, "folder", &one["open"], bytes).unwrap();
        one["documents"] = opened["documents"].clone();
        for ask in one["ask"].as_array_mut().unwrap() {
            let reply = c.raw(ask["verb"].as_str().unwrap(), &ask["request"], Vec::new()).unwrap();
            ask["reply"] = answer(&reply);
        }
    }
    fs::create_dir_all(dir.join("folder")).unwrap();
    for (path, bytes) in files {
        fs::write(dir.join(path), bytes).unwrap();
    }
    fs::write(dir.join("snapshot"), snapshot).unwrap();
    let text: Vec<String> = expected.as_array().unwrap().iter().map(Value::to_string).collect();
    fs::write(dir.join("expected.json"), format!("[\n{}\n]\n", text.join(",\n"))).unwrap();
}

/// Every version that was ever written.
fn versions() -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn copied(from: &Path, env: &MemoryEnv) {
    env.create_dir_all("folder").unwrap();
    for entry in fs::read_dir(from.join("folder")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut file = env.create(&format!("folder/{name}")).unwrap();
        file.write_all(&fs::read(&path).unwrap()).unwrap();
    }
}

fn asked(c: &Client, one: &Value, what: &str) {
    for ask in one["ask"].as_array().unwrap() {
        let reply = c.raw(ask["verb"].as_str().unwrap(), &ask["request"], Vec::new()).unwrap();
        agree(&answer(&reply), &ask["reply"], &format!("{what} {} {}", ask["verb"], ask["request"]));
    }
}

#[test]
fn every_version_is_read() {
    for dir in versions() {
        let expected: Value = serde_json::from_slice(&fs::read(dir.join("expected.json")).unwrap()).unwrap();
        let snapshot = fs::read(dir.join("snapshot")).unwrap();
        for one in expected.as_array().unwrap() {
            let what = format!("{} {} {}", dir.display(), one["of"], one["open"]);
            let memory = MemoryEnv::new();
            copied(&dir, &memory);
            let env: Arc<dyn Env> = Arc::new(memory);
            let bytes = (one["of"] == "snapshot").then_some(&snapshot[..]);
            let (c, opened) = open(&env, "folder", &one["open"], bytes).unwrap();
            assert_eq!(opened["documents"], one["documents"], "{what}");
            asked(&c, one, &what);
            assert_eq!(c.call("verify", json!({})).unwrap()["problems"], json!([]), "{what}");
            if opened["readOnly"] == json!(false) {
                // And goes on from there.
                c.upsert(&[document(100, true)]).unwrap();
                c.call("compact", json!({})).unwrap();
                let count = c.call("count", json!({})).unwrap()["count"].as_u64().unwrap();
                assert_eq!(count, one["documents"].as_u64().unwrap() + 1);
            }
            c.0.close();
        }
    }
}

/// The snapshot on a disk, mapped where it is large, and made a folder again.
#[test]
fn every_snapshot_is_opened_by_its_path_and_imported() {
    for dir in versions() {
        let expected: Value = serde_json::from_slice(&fs::read(dir.join("expected.json")).unwrap()).unwrap();
        let one = expected.as_array().unwrap().iter().find(|one| one["of"] == "snapshot").unwrap();
        let path = dir.join("snapshot");
        let path = path.to_str().unwrap();
        let files: Arc<dyn Env> = Arc::new(FileEnv::new());
        let (c, _) = open(&files, path, &json!({}), None).unwrap();
        asked(&c, one, path);
        let memory: Arc<dyn Env> = Arc::new(MemoryEnv::new());
        let arrays = vec![Array::U8(fs::read(path).unwrap())];
        let request = json!({ "path": "folder" }).to_string();
        root(memory.clone()).call("import", &request, arrays, &Control::new()).unwrap();
        let (c, _) = open(&memory, "folder", &json!({ "verify": "full" }), None).unwrap();
        asked(&c, one, "imported");
    }
}
