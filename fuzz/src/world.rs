//! A small collection of every type of field, and everything that can be asked of one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle, Reply, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv, write_manifest};

/// How many collections were opened and used: a target that never comes so far finds nothing.
pub static USED: AtomicUsize = AtomicUsize::new(0);

/// Names and contents of files.
pub type Files = Vec<(String, Bytes)>;

/// The folder of every collection here.
pub const DIR: &str = "dir";

/// A field of every type.
pub fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "positions": true, "optional": true },
        "words": { "type": "text", "analyzer": "whitespace", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "n": { "type": "integer", "optional": true },
        "f": { "type": "float" },
        "yes": { "type": "boolean", "optional": true },
        "day": { "type": "date", "optional": true },
        "v": { "type": "dense", "dims": 2, "optional": true },
    }})
}

/// A document; many lack some fields.
pub fn document(n: usize) -> Value {
    let id = if n.is_multiple_of(4) { json!(n.to_string()) } else { json!(n) };
    let mut document = json!({ "id": id, "f": n, "text": "ant bee ant ".repeat(n % 5) });
    if !n.is_multiple_of(3) {
        document["n"] = json!(n);
        document["v"] = json!([n, 1]);
        document["tags"] = json!(["a", n.to_string()]);
        document["words"] = json!(format!("w{n} cat"));
    } else {
        document["yes"] = json!(n.is_multiple_of(2));
        document["day"] = json!("2024-02-29");
    }
    document
}

/// Calls a verb.
pub fn ask(handle: &Arc<dyn Handle>, verb: &str, request: &Value) -> Result<Reply, TercetError> {
    handle.call(verb, &request.to_string(), Vec::new(), &Control::new())
}

/// Opens a collection.
pub fn open(env: &Arc<dyn Env>, request: &Value) -> Result<Arc<dyn Handle>, TercetError> {
    let reply = ask(&root(env.clone()), "open", request)?;
    reply.handle.ok_or_else(|| TercetError::new(Code::Internal, "no handle"))
}

/// Commits documents as one batch.
pub fn upsert(handle: &Arc<dyn Handle>, documents: &[Value]) -> Result<(), TercetError> {
    let Some(batch) = ask(handle, "begin", &json!({}))?.handle else { return Ok(()) };
    ask(&batch, "stage", &json!({ "chunk": 0, "first": 0, "documents": documents }))?;
    ask(&batch, "commit", &json!({})).map(drop)
}

/// Two segments, one with tombstones, under a tag; then a log with a batch and a removal.
fn make() -> Result<Files, TercetError> {
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let c = open(&shared, &json!({ "path": DIR, "schema": schema() }))?;
    upsert(&c, &(0..9).map(document).collect::<Vec<_>>())?;
    ask(&c, "tag", &json!({ "name": "old" }))?;
    upsert(&c, &(7..14).map(document).collect::<Vec<_>>())?;
    ask(&c, "flush", &json!({}))?;
    upsert(&c, &(12..15).map(document).collect::<Vec<_>>())?;
    ask(&c, "remove", &json!({ "ids": [1, "4"] }))?;
    Ok(env.snapshot())
}

/// The files of that collection, with its log, as a killed process leaves them.
pub fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| make().unwrap_or_else(|e| panic!("the collection could not be made: {e}")))
}

/// The first of its files with an ending.
pub fn file(ending: &str) -> (String, Bytes) {
    let found = files().iter().find(|(name, _)| name.ends_with(ending)).cloned();
    found.unwrap_or_else(|| panic!("there is no {ending}"))
}

/// A manifest's payload with the seals of the files that are there, where it can be read: a corpus outlives changes of
/// what segments are made of.
pub fn named_as_they_are(payload: &[u8]) -> Option<Vec<u8>> {
    let mut manifest: Value = serde_json::from_slice(payload).ok()?;
    for state in manifest.get_mut("states")?.as_array_mut()? {
        for entry in state.get_mut("segments")?.as_array_mut()? {
            set_seal(entry);
            entry.get_mut("tombstones").map(set_seal);
        }
    }
    Some(manifest.to_string().into_bytes())
}

fn set_seal(entry: &mut Value) {
    let name = entry.get("file").and_then(Value::as_str).map(|name| format!("{DIR}/{name}"));
    let found = files().iter().find(|(other, _)| Some(other) == name.as_ref());
    if let (Some((_, bytes)), Some(seal)) = (found, entry.get_mut("seal")) {
        *seal = bytes.last_chunk().map_or(0, |seal| u32::from_le_bytes(*seal)).into();
    }
}

/// An environment that holds copies of files.
pub fn env(files: &Files) -> Arc<dyn Env> {
    Arc::new(MemoryEnv::from_files(files.iter().cloned()).unwrap_or_default())
}

/// The files under another manifest.
pub fn with_manifest(files: &Files, manifest: &[u8]) -> Arc<dyn Env> {
    let env = env(files);
    if let Err(error) = write_manifest(env.as_ref(), DIR, manifest) {
        panic!("the manifest could not be written: {error}");
    }
    env
}

/// Any error but the one that stands for a defect.
pub fn typed<T>(result: Result<T, TercetError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.code() != Code::Internal, "{error}");
            None
        }
    }
}

/// Phrases, beginnings, misspelled words: what walks over the dictionary and the positions.
fn computed_words() -> Value {
    let should = [
        json!({ "kind": "phrase", "field": "text", "text": "ant bee", "slop": 3 }),
        json!({ "kind": "prefix", "field": "text", "prefix": "w" }),
        json!({ "kind": "fuzzy", "field": "text", "text": "cta bea" }),
        json!({ "kind": "terms", "field": "text", "terms": { "ant": 2 } }),
    ];
    json!({ "kind": "boolean", "should": should, "mustNot": [{ "kind": "match", "text": "dog fox", "minimumShouldMatch": 2 }] })
}

/// Everything that reads, then everything that writes.
pub fn exercise(c: &Arc<dyn Handle>) {
    USED.fetch_add(1, Ordering::Relaxed);
    let near = json!({ "kind": "near", "field": "v", "vector": [1, 0.5] });
    let words = json!({ "kind": "match", "text": "ant bee w7 cat", "operator": "or" });
    let both = json!({ "kind": "match", "text": "ant bee", "operator": "and", "fields": ["text"] });
    let fuse = json!({ "kind": "fuse", "method": "rrf", "queries": [near, words] });
    let filter = json!({ "or": [{ "tags": { "gte": "1" } }, { "n": { "lt": 9 } }, { "yes": true },
        { "day": { "gte": "2020-01-01" } }] });
    let reads = [
        ("search", json!({ "query": { "kind": "all" }, "limit": 100 })),
        (
            "search",
            json!({ "query": fuse, "where": filter, "limit": 100, "highlight": ["text"], "explain": true }),
        ),
        ("search", json!({ "query": both, "limit": 5, "select": ["v", "f"] })),
        ("search", json!({ "query": near, "where": { "f": { "gt": 2 } } })),
        (
            "search",
            json!({ "query": computed_words(), "limit": 100, "highlight": ["text"], "explain": true }),
        ),
        ("get", json!({ "ids": [1, 2, 13, "8", "x"] })),
        ("count", json!({ "where": filter })),
        ("stats", json!({})),
        ("versions", json!({})),
        ("refresh", json!({})),
        ("export", json!({})),
        ("verify", json!({})),
    ];
    let writes = [
        ("remove", json!({ "ids": [2, "12"] })),
        ("removeWhere", json!({ "where": { "n": 5 } })),
        ("tag", json!({ "name": "now" })),
        ("compact", json!({})),
        ("search", json!({ "query": words, "limit": 100 })),
        ("untag", json!({ "name": "now" })),
    ];
    for (verb, request) in &reads {
        typed(ask(c, verb, request));
    }
    typed(upsert(c, &[document(3), document(20)]));
    for (verb, request) in &writes {
        typed(ask(c, verb, request));
    }
    typed(ask(c, "close", &json!({})));
    c.close();
}

/// Opens the folder in every way and uses what opens.
pub fn folder(make: impl Fn() -> Arc<dyn Env>) {
    let ways = [
        json!({ "path": DIR, "readOnly": true }),
        json!({ "path": DIR, "version": "old" }),
        json!({ "path": DIR, "verify": "full" }),
        json!({ "path": DIR }),
    ];
    for way in &ways {
        if let Some(c) = typed(open(&make(), way)) {
            exercise(&c);
        }
    }
}

/// Opens a snapshot from its bytes.
pub fn snapshot(bytes: &[u8]) {
    let env: Arc<dyn Env> = Arc::new(MemoryEnv::new());
    for verify in ["lazy", "full"] {
        let request = json!({ "path": "", "verify": verify }).to_string();
        let arrays = vec![Array::U8(bytes.to_vec())];
        let reply = typed(root(env.clone()).call("open", &request, arrays, &Control::new()));
        if let Some(c) = reply.and_then(|reply| reply.handle) {
            exercise(&c);
        }
    }
    let arrays = vec![Array::U8(bytes.to_vec())];
    let request = json!({ "path": DIR }).to_string();
    if typed(root(env.clone()).call("import", &request, arrays, &Control::new())).is_some()
        && let Some(c) = typed(open(&env, &json!({ "path": DIR })))
    {
        exercise(&c);
    }
}
