//! A collection in one file: what it answers, what its bytes are, and what damage to them leads to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Client, Dice, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv};

fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "analyzer": "whitespace" },
        "title": { "type": "text", "analyzer": "whitespace", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "number": { "type": "integer" },
        "weight": { "type": "float", "optional": true },
        "vector": { "type": "dense", "dims": 3, "metric": "cosine", "optional": true },
    }})
}

fn document(dice: &mut Dice, n: usize) -> Value {
    let words: Vec<&str> = (0..1 + dice.below(9)).map(|_| common::oracle::WORDS[dice.below(12)]).collect();
    let id = if n.is_multiple_of(2) { json!(n) } else { json!(format!("d{n}")) };
    let mut document = json!({ "id": id, "text": words.join(" "), "number": dice.below(9) });
    if dice.below(2) == 0 {
        document["title"] = json!(common::oracle::WORDS[dice.below(12)]);
        document["tags"] = json!([common::oracle::WORDS[dice.below(4)], "all"]);
    }
    if dice.below(3) > 0 {
        document["vector"] = json!([dice.below(9) as f32 - 4.5, dice.below(5) as f32, 1.0]);
        document["weight"] = json!(dice.below(100) as f64 / 7.0);
    }
    document
}

/// A few segments, a log, replaced and removed documents.
fn filled(env: &Arc<dyn Env>, path: &str, seed: u64) -> Client {
    let client = Client::open(env, path, &schema());
    let mut dice = Dice::new(seed);
    for batch in 0..6 {
        let documents: Vec<Value> = (0..20)
            .map(|_| dice.below(90))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|n| document(&mut dice, n))
            .collect();
        client.upsert(&documents).unwrap();
        client.call("remove", json!({ "ids": [dice.below(90), format!("d{}", dice.below(90))] })).unwrap();
        if batch % 2 == 1 {
            client.call("flush", json!({})).unwrap();
        }
    }
    client
}

/// What a caller can ask, with every bit of every score and vector.
fn answers(client: &Client, text: &str) -> Vec<(Value, Vec<u32>)> {
    let ids: Vec<Value> = (0..90).flat_map(|n| [json!(n), json!(format!("d{n}"))]).collect();
    let filters = [json!({}), json!({ "number": { "gte": 4 } }), json!({ "tags": "all" })];
    let queries = [
        json!({ "kind": "all" }),
        json!({ "kind": "match", "text": "ant bee fox", "fields": [text] }),
        json!({ "kind": "match", "text": "kiwi lynx", "fields": [text, "title"] }),
        json!({ "kind": "near", "field": "vector", "vector": [0.5, 1.5, 1.0] }),
    ];
    let mut requests = vec![("get", json!({ "ids": ids })), ("count", json!({}))];
    for filter in &filters {
        requests.push(("count", json!({ "where": filter })));
        for query in &queries {
            requests.push(("search", json!({ "query": query, "where": filter, "limit": 1000 })));
        }
    }
    let bits = |array: &Array| match array {
        Array::F32(values) => values.iter().map(|x| x.to_bits()).collect(),
        Array::U32(values) => values.clone(),
        Array::U8(values) => values.iter().map(|x| u32::from(*x)).collect::<Vec<_>>(),
        Array::U16(_) | Array::I8(_) => panic!("no array of a search"),
    };
    let answer = |(verb, request): (&str, Value)| {
        let reply = client.raw(verb, &request, Vec::new()).unwrap();
        let mut json: Value = serde_json::from_str(&reply.json).unwrap();
        if let Some(page) = json.as_object_mut() {
            page.remove("tookUs");
        }
        (json, reply.arrays.iter().flat_map(bits).collect())
    };
    requests.into_iter().map(answer).collect()
}

fn bytes_of(client: &Client) -> Vec<u8> {
    let mut reply = client.raw("export", &json!({}), Vec::new()).unwrap();
    let Some(Array::U8(bytes)) = reply.arrays.pop() else { panic!("no bytes") };
    let said: Value = serde_json::from_str(&reply.json).unwrap();
    assert_eq!(said["bytes"], json!(bytes.len()));
    bytes
}

fn try_open(bytes: &[u8], request: &Value) -> Result<Client, TercetError> {
    let mut request = request.clone();
    request["path"] = json!("");
    let reply = root(memory()).call(
        "open",
        &request.to_string(),
        vec![Array::U8(bytes.to_vec())],
        &Control::new(),
    )?;
    Ok(Client(reply.handle.unwrap()))
}

fn at_root(env: &Arc<dyn Env>, verb: &str, request: Value, arrays: Vec<Array>) -> Result<Value, TercetError> {
    let reply = root(env.clone()).call(verb, &request.to_string(), arrays, &Control::new())?;
    Ok(serde_json::from_str(&reply.json).unwrap())
}

#[test]
fn a_snapshot_answers_like_its_source() {
    for seed in 1..6 {
        let env = memory();
        for path in ["d", ":memory:"] {
            let source = filled(&env, path, seed);
            let wanted = answers(&source, "text");
            let documents = source.call("count", json!({})).unwrap()["count"].clone();
            let file = format!("{}.tercet", path.trim_matches(':'));
            let said = source.call("export", json!({ "path": file })).unwrap();
            assert_eq!(said["documents"], documents);
            assert_eq!(said["bytes"], json!(env_size(&env, &source, path, &file)));
            if path == "d" {
                let opened = Client::try_open(&env, json!({ "path": file })).unwrap();
                assert_eq!(answers(&opened, "text"), wanted);
                refuses_writes(&opened);
                let stats = opened.call("stats", json!({})).unwrap();
                assert_eq!(stats["version"], said["version"]);
                assert_eq!(stats["documents"], documents);
                // A reader that was opened for the folder exports as well.
                let reader = Client::try_open(&env, json!({ "path": path, "readOnly": true })).unwrap();
                assert_eq!(bytes_of(&reader), env.read(&file).unwrap());
            }
            let bytes = bytes_of(&source);
            let opened = try_open(&bytes, &json!({ "verify": "full", "schema": schema() })).unwrap();
            assert_eq!(answers(&opened, "text"), wanted);
            common::oracle::sound(&opened);
            assert_eq!(bytes_of(&opened), bytes);
        }
    }
}

/// The file of a collection in memory is in that collection's own environment.
fn env_size(env: &Arc<dyn Env>, source: &Client, path: &str, file: &str) -> u64 {
    if path == "d" { env.size(file).unwrap() } else { bytes_of(source).len() as u64 }
}

fn refuses_writes(client: &Client) {
    for (verb, request) in [
        ("begin", json!({})),
        ("remove", json!({ "ids": [1] })),
        ("flush", json!({})),
        ("compact", json!({})),
        ("tag", json!({ "name": "a" })),
    ] {
        assert_eq!(code(client.call(verb, request)), Code::Unsupported, "{verb}");
    }
    assert_eq!(client.call("refresh", json!({})).unwrap()["changed"], json!(false));
    assert_eq!(client.call("versions", json!({})).unwrap()["versions"], json!([]));
}

#[test]
fn fields_keep_their_documents_through_changes_of_the_schema() {
    let env = memory();
    filled(&env, "d", 3).call("close", json!({})).unwrap();
    let next = json!({ "fields": {
        "body": { "type": "text", "analyzer": "whitespace" },
        "title": { "type": "text", "analyzer": "whitespace", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "number": { "type": "integer" },
        "vector": { "type": "dense", "dims": 3, "metric": "cosine", "optional": true },
        "weight": { "type": "keyword", "optional": true },
        "text": { "type": "integer", "optional": true },
    }});
    let evolve = json!({ "drop": ["weight"], "rename": { "text": "body" }, "add": [] });
    let between = json!({ "fields": {
        "body": next["fields"]["body"], "title": next["fields"]["title"], "tags": next["fields"]["tags"],
        "number": next["fields"]["number"], "vector": next["fields"]["vector"],
    }});
    drop(Client::try_open(&env, json!({ "path": "d", "schema": between, "evolve": evolve })).unwrap());
    let evolve = json!({ "add": ["weight", "text"] });
    let source = Client::try_open(&env, json!({ "path": "d", "schema": next, "evolve": evolve })).unwrap();
    source.upsert(&[json!({ "id": 7, "body": "ant ant", "number": 5, "weight": "w", "text": 9 })]).unwrap();
    let wanted = answers(&source, "body");
    let bytes = bytes_of(&source);
    let opened = try_open(&bytes, &json!({ "schema": next, "verify": "full" })).unwrap();
    assert_eq!(answers(&opened, "body"), wanted);
    at_root(&env, "import", json!({ "path": "e" }), vec![Array::U8(bytes)]).unwrap();
    let imported = Client::try_open(&env, json!({ "path": "e", "schema": next })).unwrap();
    assert_eq!(answers(&imported, "body"), wanted);
    assert_eq!(imported.call("count", json!({ "where": { "weight": "w" } })).unwrap()["count"], json!(1));
}

#[test]
fn an_empty_collection_is_a_snapshot_too() {
    let env = memory();
    let source = Client::open(&env, "d", &schema());
    let said = source.call("export", json!({ "path": "empty" })).unwrap();
    assert_eq!(said["documents"], json!(0));
    let opened = Client::try_open(&env, json!({ "path": "empty", "verify": "full" })).unwrap();
    assert_eq!(answers(&opened, "text"), answers(&source, "text"));
    assert_eq!(opened.call("verify", json!({})).unwrap()["files"], json!(1));
    assert_eq!(bytes_of(&opened), env.read("empty").unwrap());
    assert_eq!(
        at_root(&env, "import", json!({ "from": "empty", "path": "e" }), Vec::new()).unwrap(),
        json!({ "documents": 0, "bytes": 0 })
    );
    let imported = Client::try_open(&env, json!({ "path": "e" })).unwrap();
    imported.upsert(&[json!({ "id": 1, "text": "ant", "number": 1 })]).unwrap();
}

#[test]
fn equal_content_gives_equal_bytes() {
    let env = memory();
    let source = filled(&env, "d", 9);
    let version = source.call("flush", json!({})).unwrap()["version"].clone();
    let bytes = bytes_of(&source);
    assert_eq!(bytes_of(&source), bytes);
    drop(source);
    let again = Client::try_open(&env, json!({ "path": "d" })).unwrap();
    assert_eq!(again.call("stats", json!({})).unwrap()["version"], version);
    assert_eq!(bytes_of(&again), bytes);
    let pinned = Client::try_open(&env, json!({ "path": "d", "version": version })).unwrap();
    assert_eq!(bytes_of(&pinned), bytes);
    // However its segments are cut, only the number of the version tells them apart.
    again.call("compact", json!({})).unwrap();
    let compacted = bytes_of(&again);
    assert_eq!(compacted.len(), bytes.len());
}

#[test]
fn an_import_is_a_collection_to_write_to() {
    let env = memory();
    let source = filled(&env, "d", 5);
    let wanted = answers(&source, "text");
    source.call("export", json!({ "path": "snapshot" })).unwrap();
    let said = at_root(&env, "import", json!({ "from": "snapshot", "path": "e/f/" }), Vec::new()).unwrap();
    let imported = Client::try_open(&env, json!({ "path": "e/f", "verify": "full" })).unwrap();
    assert_eq!(answers(&imported, "text"), wanted);
    assert_eq!(imported.call("stats", json!({})).unwrap()["bytes"], said["bytes"]);
    common::oracle::sound(&imported);
    imported.upsert(&[json!({ "id": 2, "text": "ant", "number": 1 })]).unwrap();
    assert_eq!(imported.call("get", json!({ "ids": [2] })).unwrap()["documents"][0]["text"], json!("ant"));
    let import =
        |path: &str| at_root(&env, "import", json!({ "from": "snapshot", "path": path }), Vec::new());
    assert_eq!(code(import("e/f")), Code::Exists);
    assert_eq!(code(import("d")), Code::Exists);
    assert_eq!(
        code(at_root(&env, "import", json!({ "from": "nothing", "path": "g" }), Vec::new())),
        Code::NotFound
    );
    assert_eq!(code(at_root(&env, "import", json!({ "path": "g" }), Vec::new())), Code::Argument);
    assert!(!env.exists("g").unwrap());
    let names = env.list("e/f").unwrap();
    assert!(!names.iter().any(|name| name == "IMPORT"), "{names:?}");
}

#[test]
fn a_snapshot_that_cannot_be_made_leaves_nothing() {
    let env = memory();
    let source = filled(&env, "d", 2);
    source.call("export", json!({ "path": "taken" })).unwrap();
    let before = env.read("taken").unwrap();
    assert_eq!(code(source.call("export", json!({ "path": "taken" }))), Code::Exists);
    assert_eq!(env.read("taken").unwrap(), before);
    assert_eq!(code(source.call("export", json!({ "path": "d" }))), Code::Exists);
    assert_eq!(code(source.call("export", json!({ "path": "" }))), Code::Argument);
    let cancelled = Control::new();
    cancelled.cancel();
    let export = source.0.call("export", &json!({ "path": "new" }).to_string(), Vec::new(), &cancelled);
    assert_eq!(code(export), Code::Aborted);
    assert!(!env.exists("new").unwrap());
    let import = json!({ "from": "taken", "path": "e" }).to_string();
    assert_eq!(code(root(env.clone()).call("import", &import, Vec::new(), &cancelled)), Code::Aborted);
    assert_eq!(code(Client::try_open(&env, json!({ "path": "e", "create": false }))), Code::NotFound);
    assert_eq!(code(source.call("export", json!({ "path": "no/folder" }))), Code::NotFound);
}

#[test]
fn what_is_no_snapshot_is_not_opened_as_one() {
    let env = memory();
    let source = filled(&env, "d", 2);
    source.call("export", json!({ "path": "s" })).unwrap();
    let segment = env.list("d").unwrap().into_iter().find(|name| name.ends_with(".seg")).unwrap();
    for path in ["d/MANIFEST".to_owned(), format!("d/{segment}")] {
        assert_eq!(code(Client::try_open(&env, json!({ "path": path }))), Code::Corrupt, "{path}");
    }
    let other = json!({ "fields": { "text": { "type": "text", "analyzer": "whitespace" } } });
    assert_eq!(code(Client::try_open(&env, json!({ "path": "s", "schema": other }))), Code::Schema);
    assert_eq!(code(Client::try_open(&env, json!({ "path": "s", "version": 999 }))), Code::NotFound);
    assert_eq!(code(Client::try_open(&env, json!({ "path": "s", "version": "tag" }))), Code::NotFound);
    assert_eq!(code(try_open(&[], &json!({}))), Code::Corrupt);
    let bytes = Array::U8(env.read("s").unwrap().to_vec());
    let request = json!({ "path": "s" }).to_string();
    assert_eq!(code(root(env).call("open", &request, vec![bytes], &Control::new())), Code::Argument);
}

/// Small enough for every byte.
fn small() -> (Vec<u8>, Vec<(Value, Vec<u32>)>) {
    let client = Client::open(&memory(), ":memory:", &schema());
    let mut dice = Dice::new(4);
    let documents: Vec<Value> = (0..6).map(|n| document(&mut dice, n)).collect();
    client.upsert(&documents).unwrap();
    (bytes_of(&client), answers(&client, "text"))
}

fn typed(error: &TercetError) {
    let known = [Code::Corrupt, Code::Version, Code::Memory, Code::Unsupported];
    assert!(known.contains(&error.code()), "{error:?}");
}

#[test]
fn a_snapshot_cut_anywhere_is_refused() {
    let (bytes, _) = small();
    for len in 0..bytes.len() {
        typed(&try_open(&bytes[..len], &json!({})).map(|_| len).unwrap_err());
    }
    let mut longer = bytes;
    longer.push(0);
    typed(&try_open(&longer, &json!({})).map(|_| ()).unwrap_err());
}

#[test]
fn a_snapshot_with_any_byte_flipped_is_refused_or_right() {
    let (bytes, wanted) = small();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match try_open(&damaged, &json!({ "verify": "full" })) {
            Err(error) => typed(&error),
            Ok(client) => assert_eq!(answers(&client, "text"), wanted, "byte {at}"),
        }
        let env: Arc<dyn Env> = Arc::new(MemoryEnv::new());
        let import = at_root(&env, "import", json!({ "path": "d" }), vec![Array::U8(damaged.clone())]);
        if let Err(error) = import {
            typed(&error);
            assert!(!env.exists("d").unwrap());
        }
        // By default what is damaged shows when it is met, as an error or not at all.
        let Ok(client) = try_open(&damaged, &json!({})) else { continue };
        for (verb, request) in [
            ("search", json!({ "query": { "kind": "match", "text": "ant bee fox" }, "limit": 10 })),
            ("search", json!({ "query": { "kind": "all" }, "where": { "tags": "all" } })),
            ("search", json!({ "query": { "kind": "near", "field": "vector", "vector": [0.5, 1.5, 1.0] } })),
            ("get", json!({ "ids": [0, 2, "d1", "d3"] })),
            ("export", json!({})),
        ] {
            if let Err(error) = client.call(verb, request) {
                typed(&error);
            }
        }
    }
}

/// An import that fails at any call leaves no collection, or the whole one, and can be made again.
#[test]
fn an_import_that_is_cut_off_is_no_collection() {
    let (bytes, wanted) = small();
    for allowed in 0.. {
        let env = MemoryEnv::new();
        let calls = std::sync::atomic::AtomicU64::new(0);
        let hook = move |path: &str, op: &'static str| {
            if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < allowed {
                return Ok(());
            }
            Err(tercet_store::StoreError::from_io(path, op, std::io::Error::other("cut")))
        };
        let cut: Arc<dyn Env> = Arc::new(common::Hooked { env: env.clone(), hook: Arc::new(hook) });
        let import = |env: &Arc<dyn Env>| {
            at_root(env, "import", json!({ "path": "d" }), vec![Array::U8(bytes.clone())])
        };
        let first = import(&cut);
        let env: Arc<dyn Env> = Arc::new(env);
        match Client::try_open(&env, json!({ "path": "d", "create": false })) {
            Ok(client) => assert_eq!(answers(&client, "text"), wanted, "{allowed}"),
            Err(error) => {
                assert_eq!(error.code(), Code::NotFound, "{allowed}");
                assert!(first.is_err());
                if allowed % 2 == 0 {
                    import(&env).unwrap();
                    let client = Client::try_open(&env, json!({ "path": "d" })).unwrap();
                    assert_eq!(answers(&client, "text"), wanted, "{allowed}");
                } else {
                    let client = Client::open(&env, "d", &schema());
                    assert_eq!(client.call("count", json!({})).unwrap()["count"], json!(0));
                    client.upsert(&[json!({ "id": 1, "text": "ant", "number": 1 })]).unwrap();
                    client.call("flush", json!({})).unwrap();
                }
            }
        }
        if first.is_ok() {
            break;
        }
    }
}

/// On the disk a snapshot is mapped, and a folder is told from a file.
#[test]
fn snapshots_and_folders_on_the_disk() {
    let dir = std::env::temp_dir().join(format!("tercet-snapshot-{}", std::process::id()));
    let dir = dir.to_str().unwrap();
    let env: Arc<dyn Env> = Arc::new(tercet_store::FileEnv::new());
    let source = filled(&env, &format!("{dir}/d"), 8);
    let wanted = answers(&source, "text");
    let file = format!("{dir}/d.tercet");
    source.call("export", json!({ "path": file })).unwrap();
    let opened = Client::try_open(&env, json!({ "path": file, "verify": "full" })).unwrap();
    assert_eq!(answers(&opened, "text"), wanted);
    common::oracle::sound(&opened);
    let into = format!("{dir}/e");
    at_root(&env, "import", json!({ "from": file, "path": into }), Vec::new()).unwrap();
    let imported = Client::try_open(&env, json!({ "path": into })).unwrap();
    assert_eq!(answers(&imported, "text"), wanted);
    drop(imported);
    let reply = at_root(&env, "repair", json!({ "path": into }), Vec::new()).unwrap();
    assert_eq!(reply["actions"], json!([]));
    drop((source, opened));
    std::fs::remove_dir_all(dir).unwrap();
}
