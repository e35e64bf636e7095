//! A small folder to damage, and what must hold when it is opened and used: a typed error that names a file or an answer,
//! in little time and memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, unreachable_pub)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv, SectionFile, SectionFileWriter, read_manifest, write_manifest};

use super::{Client, watched};

pub type Files = Vec<(String, Bytes)>;

pub fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "positions": true, "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "n": { "type": "integer", "optional": true },
        "f": { "type": "float" },
        "v": { "type": "dense", "dims": 2, "optional": true },
    }})
}

pub fn document(n: usize) -> Value {
    let mut d =
        json!({ "id": n, "f": n, "text": "ant bee ant ".repeat(n % 5), "tags": ["a", n.to_string()] });
    if !n.is_multiple_of(3) {
        d["n"] = json!(n);
        d["v"] = json!([n, 1]);
    } else {
        d["tags"] = Value::Null;
    }
    d
}

fn documents(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(document).collect()
}

/// Two segments, the first with tombstones and alone under a tag, and a log with two batches. The folder as it stood
/// before the first of them, after it, and after the second. `scale` times ten documents a segment.
pub fn history(scale: usize) -> [Files; 3] {
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let c = Client::open(&shared, "dir", &schema());
    c.upsert(&documents(0..10 * scale)).unwrap();
    c.call("tag", json!({ "name": "old" })).unwrap();
    c.upsert(&documents(10 * scale - 3..20 * scale)).unwrap();
    c.call("flush", json!({})).unwrap();
    let flushed = env.snapshot();
    c.upsert(&documents(20 * scale - 2..20 * scale + 3)).unwrap();
    let once = env.snapshot();
    c.call("remove", json!({ "ids": [1, 20 * scale] })).unwrap();
    [flushed, once, env.snapshot()]
}

/// The whole history of a folder of 40 and more documents a segment.
pub fn folder() -> Files {
    let [_, _, files] = history(4);
    files
}

pub fn env(files: &Files) -> MemoryEnv {
    MemoryEnv::from_files(files.iter().cloned()).unwrap()
}

/// How a folder is opened.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub full: bool,
    pub read_only: bool,
    /// The version under the tag.
    pub old: bool,
}

impl Way {
    pub const WRITE: Way = Way { full: false, read_only: false, old: false };
    pub const WRITE_FULL: Way = Way { full: true, read_only: false, old: false };
    pub const READ: Way = Way { full: false, read_only: true, old: false };
    pub const READ_FULL: Way = Way { full: true, read_only: true, old: false };
    pub const OLD: Way = Way { full: false, read_only: true, old: true };
    pub const OLD_FULL: Way = Way { full: true, read_only: true, old: true };

    fn request(self, path: &str) -> Value {
        let mut request = json!({ "path": path, "verify": if self.full { "full" } else { "lazy" } });
        request["readOnly"] = json!(self.read_only);
        if self.old {
            request["version"] = json!("old");
        }
        request
    }
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    pub found: Vec<Value>,
    /// Batches and dropped bytes that opening told of.
    pub recovered: (u64, u64),
    /// What `verify` complained about.
    pub problems: Vec<Value>,
}

/// Everything that reads, and then everything that reads all. The first error, where there was one.
pub fn use_all(env: &Arc<dyn Env>, path: &str, way: Way) -> Result<Answers, TercetError> {
    use_opened(env, &way.request(path), Vec::new(), way)
}

/// The same for a snapshot that is given as bytes.
fn use_bytes(bytes: &Bytes, way: Way) -> Result<Answers, TercetError> {
    let env: Arc<dyn Env> = Arc::new(MemoryEnv::new());
    use_opened(&env, &way.request(""), vec![Array::U8(bytes.to_vec())], way)
}

fn use_opened(
    env: &Arc<dyn Env>,
    request: &Value,
    arrays: Vec<Array>,
    way: Way,
) -> Result<Answers, TercetError> {
    let reply = root(env.clone()).call("open", &request.to_string(), arrays, &Control::new())?;
    let opened: Value = serde_json::from_str(&reply.json).unwrap();
    let c = Client(reply.handle.unwrap());
    let near = json!({ "kind": "near", "field": "v", "vector": [1, 0.5] });
    let words = json!({ "kind": "match", "text": "ant bee", "operator": "and" });
    let fuse = json!({ "kind": "fuse", "method": "rrf", "queries": [near, words] });
    let filter = json!({ "or": [{ "tags": { "gte": "1" } }, { "n": { "lt": 9 } }, { "f": 6 }] });
    let mut answers = Answers {
        found: vec![opened["documents"].clone()],
        recovered: (
            opened["recovered"]["batches"].as_u64().unwrap_or(0),
            opened["recovered"]["droppedBytes"].as_u64().unwrap_or(0),
        ),
        problems: Vec::new(),
    };
    let mut first = None;
    let mut run = |verb: &str, request: Value, keep: bool| match c.raw(verb, &request, Vec::new()) {
        Ok(reply) if keep => {
            answers.found.push(serde_json::from_str(&reply.json).unwrap());
            for array in reply.arrays {
                answers.found.push(match array {
                    Array::F32(values) => json!(values),
                    Array::U32(values) => json!(values),
                    Array::U8(values) => json!(values),
                    Array::U16(values) => json!(values),
                    Array::I8(values) => json!(values),
                });
            }
        }
        Ok(reply) if verb == "verify" => {
            let reply: Value = serde_json::from_str(&reply.json).unwrap();
            answers.problems = reply["problems"].as_array().unwrap().clone();
        }
        Ok(_) => {}
        Err(error) => drop(first.get_or_insert(error)),
    };
    let full =
        json!({ "query": fuse, "where": filter, "limit": 100, "highlight": ["text"], "explain": false });
    run("search", json!({ "query": { "kind": "all" }, "limit": 10_000 }), true);
    run("search", full, true);
    run("search", json!({ "query": near, "limit": 7, "explain": true }), false);
    run("search", json!({ "query": words, "limit": 100, "select": ["v", "tags"] }), true);
    run("get", json!({ "ids": [1, 2, 35, 59, "x"] }), true);
    run("count", json!({ "where": filter }), true);
    run("stats", json!({}), false);
    run("refresh", json!({}), false);
    run("versions", json!({}), false);
    run("verify", json!({}), false);
    if !way.read_only {
        run("remove", json!({ "ids": [2] }), true);
        run("compact", json!({}), false);
        run("search", json!({ "query": words, "limit": 100 }), true);
    }
    c.0.close();
    first.map_or(Ok(answers), Err)
}

/// A typed error, or answers; in little time and memory.
pub fn bear_in(
    env: &Arc<dyn Env>,
    path: &str,
    way: Way,
    what: &dyn std::fmt::Display,
) -> Result<Answers, TercetError> {
    borne(|| use_all(env, path, way), way, what)
}

/// The same for a snapshot that is given as bytes.
pub fn bear_bytes(bytes: &Bytes, way: Way, what: &dyn std::fmt::Display) -> Result<Answers, TercetError> {
    borne(|| use_bytes(bytes, way), way, what)
}

fn borne(
    work: impl FnOnce() -> Result<Answers, TercetError>,
    way: Way,
    what: &dyn std::fmt::Display,
) -> Result<Answers, TercetError> {
    watched::reset();
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(work));
    let result = result.unwrap_or_else(|_| panic!("a panic: {what}, {way:?}"));
    assert!(start.elapsed().as_secs() < 20, "slow: {what}, {way:?}");
    watched::check(what);
    if let Err(error) = &result {
        let fitting = [Code::Corrupt, Code::Version, Code::Schema, Code::NotFound];
        assert!(fitting.contains(&error.code()), "{error}: {what}, {way:?}");
        assert!(error.0.file.is_some(), "no file is named: {error}: {what}, {way:?}");
    }
    result
}

pub fn bear(files: &Files, way: Way, what: &dyn std::fmt::Display) -> Result<Answers, TercetError> {
    let env: Arc<dyn Env> = Arc::new(env(files));
    bear_in(&env, "dir", way, what)
}

/// Repairs the folder. What it calls repaired opens under full verification, has nothing to complain about, and holds no
/// document that was never written.
pub fn repaired(files: &Files, what: &dyn std::fmt::Display) {
    let env: Arc<dyn Env> = Arc::new(env(files));
    watched::reset();
    let request = json!({ "path": "dir" }).to_string();
    let repair = || root(env.clone()).call("repair", &request, Vec::new(), &Control::new());
    let result = catch_unwind(AssertUnwindSafe(repair)).unwrap_or_else(|_| panic!("a panic: {what}"));
    watched::check(what);
    let Ok(reply) = result else { return };
    let reply: Value = serde_json::from_str(&reply.json).unwrap();
    if reply["ok"] != json!(true) {
        return;
    }
    let answers =
        bear_in(&env, "dir", Way::READ_FULL, what).unwrap_or_else(|e| panic!("{e} after {reply}: {what}"));
    assert!(answers.problems.is_empty(), "{:?} after {reply}: {what}", answers.problems);
    assert_eq!(answers.found[0], reply["documents"], "{what}");
    for hit in answers.found[1]["hits"].as_array().unwrap() {
        let mut wanted = document(hit["id"].as_u64().unwrap() as usize);
        let wanted = wanted.as_object_mut().unwrap();
        wanted.retain(|name, value| name != "v" && !value.is_null());
        let found = hit["document"].as_object().unwrap();
        let same = |name: &String| match (&found[name], &wanted[name]) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (a, b) => a == b,
        };
        assert!(
            found.len() == wanted.len() && found.keys().all(same),
            "{found:?} {wanted:?} after {reply}: {what}"
        );
    }
}

/// The snapshot of a folder.
pub fn snapshot(files: &Files) -> Bytes {
    let env: Arc<dyn Env> = Arc::new(env(files));
    let c = Client::try_open(&env, json!({ "path": "dir", "readOnly": true })).unwrap();
    let reply = c.raw("export", &json!({}), Vec::new()).unwrap();
    match &reply.arrays[..] {
        [Array::U8(bytes)] => Bytes::copy_from_slice(bytes),
        other => panic!("{other:?}"),
    }
}

pub fn manifest(files: &Files) -> Value {
    serde_json::from_slice(&read_manifest(&env(files), "dir").unwrap().unwrap()).unwrap()
}

/// The files under another manifest.
pub fn with_manifest(files: &Files, manifest: &Value) -> Files {
    let env = env(files);
    write_manifest(&env, "dir", manifest.to_string().as_bytes()).unwrap();
    env.snapshot()
}

/// The files with the manifest that names them as they are: for damage under good checksums.
pub fn named_anew(files: &Files) -> Files {
    let seal = |entry: &mut Value| {
        let name = format!("dir/{}", entry["file"].as_str().unwrap());
        let found = files.iter().find(|(other, _)| *other == name);
        let seal =
            found.and_then(|(_, bytes)| bytes.last_chunk()).map_or(0, |seal| u32::from_le_bytes(*seal));
        entry["seal"] = json!(seal);
    };
    let mut manifest = manifest(files);
    for state in manifest["states"].as_array_mut().unwrap() {
        for entry in state["segments"].as_array_mut().unwrap() {
            seal(entry);
            if let Some(tombstones) = entry.get_mut("tombstones") {
                seal(tombstones);
            }
        }
    }
    with_manifest(files, &manifest)
}

/// Kind and sections of a section file.
pub fn sections(bytes: &Bytes) -> (String, Vec<(String, Vec<u8>)>) {
    let file = SectionFile::from_bytes(bytes.clone(), "file").unwrap();
    let sections = file.names().map(|name| (name.to_owned(), file.section(name).unwrap().to_vec()));
    (file.kind().to_owned(), sections.collect())
}

/// A section file of these sections.
pub fn sealed(kind: &str, sections: &[(String, Vec<u8>)]) -> Bytes {
    let mut writer = SectionFileWriter::new(kind);
    for (name, bytes) in sections {
        writer.add(name, bytes.as_slice());
    }
    writer.to_bytes().unwrap()
}
