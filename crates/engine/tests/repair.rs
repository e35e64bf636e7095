//! Damaged folders, and what `repair` makes of them: sound collections that hold what can still be read, and nothing
//! that was never written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use common::{Client, Dice, code};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv};

type Files = Vec<(String, Bytes)>;

const DIMS: usize = 32;

fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "analyzer": "whitespace" },
        "number": { "type": "integer" },
        "noise": { "type": "keyword", "optional": true },
        "vector": { "type": "dense", "dims": DIMS, "metric": "dot" },
        "other": { "type": "dense", "dims": 2, "metric": "dot", "optional": true },
    }})
}

/// A folder as a writer left it that never closed, and what was in it.
struct Folder {
    files: Files,
    /// The documents, by id as text.
    kept: BTreeMap<String, Value>,
    /// Every document that ever was.
    ever: BTreeMap<String, Vec<Value>>,
}

fn document(dice: &mut Dice, n: usize, noise: usize) -> Value {
    let words: Vec<&str> = (0..1 + dice.below(9)).map(|_| common::oracle::WORDS[dice.below(12)]).collect();
    let noise: String = (0..noise).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
    let vector: Vec<f64> = (0..DIMS).map(|_| dice.below(64) as f64).collect();
    let mut document = json!({
        "id": if n.is_multiple_of(2) { json!(n) } else { json!(format!("d{n}")) },
        "text": words.join(" "), "number": dice.below(9), "noise": noise, "vector": vector,
    });
    if dice.below(2) == 0 {
        document["other"] = json!([1.0, dice.below(5) as f64]);
    }
    document
}

impl Folder {
    /// `batches` of `size` documents with `noise` bytes each; every second one is flushed, the last ones are in the log.
    fn new(seed: u64, batches: usize, size: usize, noise: usize) -> Folder {
        let env = MemoryEnv::new();
        let shared: Arc<dyn Env> = Arc::new(env.clone());
        let client = Client::open(&shared, "d", &schema());
        let mut folder = Folder { files: Vec::new(), kept: BTreeMap::new(), ever: BTreeMap::new() };
        let mut dice = Dice::new(seed);
        for batch in 0..batches {
            let numbers: std::collections::BTreeSet<usize> =
                (0..size).map(|_| dice.below(size * batches)).collect();
            let documents: Vec<Value> = numbers.into_iter().map(|n| document(&mut dice, n, noise)).collect();
            client.upsert(&documents).unwrap();
            for document in documents {
                let id = document["id"].to_string();
                folder.ever.entry(id.clone()).or_default().push(document.clone());
                folder.kept.insert(id, document);
            }
            let n = dice.below(size * batches);
            client.call("remove", json!({ "ids": [n, format!("d{n}")] })).unwrap();
            folder.kept.remove(&json!(n).to_string());
            folder.kept.remove(&json!(format!("d{n}")).to_string());
            if batch % 2 == 1 {
                client.call("flush", json!({})).unwrap();
            }
            if batch == 1 {
                client.call("tag", json!({ "name": "first" })).unwrap();
            }
        }
        folder.files = env.snapshot();
        folder
    }

    fn names(&self, ending: &str) -> Vec<String> {
        self.files.iter().map(|(path, _)| path.clone()).filter(|path| path.ends_with(ending)).collect()
    }

    /// The folder with some files changed; `None` takes a file away.
    fn with(&self, change: impl Fn(&str, &Bytes) -> Option<Bytes>) -> MemoryEnv {
        let changed =
            self.files.iter().filter_map(|(path, bytes)| Some((path.clone(), change(path, bytes)?)));
        MemoryEnv::from_files(changed).unwrap()
    }

    fn without(&self, name: &str) -> MemoryEnv {
        self.with(|path, bytes| (path != name).then(|| bytes.clone()))
    }

    fn flipped(&self, name: &str, at: usize) -> MemoryEnv {
        self.with(|path, bytes| {
            let mut bytes = bytes.to_vec();
            if path == name {
                bytes[at] ^= 1 + (at % 255) as u8;
            }
            Some(bytes.into())
        })
    }
}

fn repair(env: &Arc<dyn Env>) -> Result<Value, TercetError> {
    let reply =
        root(env.clone()).call("repair", &json!({ "path": "d" }).to_string(), Vec::new(), &Control::new())?;
    Ok(serde_json::from_str(&reply.json).unwrap())
}

/// All documents, by id, with their vectors.
fn documents(client: &Client) -> BTreeMap<String, Value> {
    let page = client.call("search", json!({ "query": { "kind": "all" }, "limit": 1000 })).unwrap();
    let ids: Vec<&Value> = page["hits"].as_array().unwrap().iter().map(|hit| &hit["id"]).collect();
    let reply = client.raw("get", &json!({ "ids": ids }), Vec::new()).unwrap();
    let mut got: Value = serde_json::from_str(&reply.json).unwrap();
    let list = got["documents"].as_array_mut().unwrap();
    for document in list.iter_mut() {
        for field in ["vector", "other"] {
            if let Some(at) = document[field]["$vector"].as_u64() {
                let Array::F32(vector) = &reply.arrays[at as usize] else { panic!("a vector is f32") };
                document[field] = json!(vector);
            }
        }
        // What indexing made absent.
        document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    let found: BTreeMap<String, Value> = list.iter().map(|d| (d["id"].to_string(), d.clone())).collect();
    assert_eq!(found.len(), ids.len(), "every id once");
    found
}

/// Repairs, and checks what holds after every repair. Gives the reply and the documents.
fn repaired(folder: &Folder, env: &MemoryEnv) -> (Value, BTreeMap<String, Value>) {
    let before = env.snapshot();
    let env: Arc<dyn Env> = Arc::new(env.clone());
    let reply = repair(&env).unwrap();
    assert_eq!(reply["ok"], json!(true), "{reply:#}");
    assert_ne!(reply["actions"], json!([]), "{reply:#}");
    let client =
        Client::try_open(&env, json!({ "path": "d", "verify": "full", "schema": schema() })).unwrap();
    common::oracle::sound(&client);
    let found = documents(&client);
    assert_eq!(reply["documents"], json!(found.len()), "{reply:#}");
    let without = |document: &Value, field: &str| {
        let mut document = document.clone();
        document.as_object_mut().unwrap().remove(field);
        document
    };
    for (id, document) in &found {
        let ever = &folder.ever[id];
        let bare = || ever.iter().any(|old| without(old, "other") == *document);
        assert!(ever.contains(document) || bare(), "{document}\n{ever:?}\n{reply:#}");
    }
    let search = json!({ "query": { "kind": "match", "text": "ant" }, "limit": 1000 });
    let with_word = found.values().filter(|d| d["text"].as_str().unwrap().split(' ').any(|w| w == "ant"));
    assert_eq!(client.search(search).unwrap().len(), with_word.count());
    // Damaged bytes stay in the folder under another name.
    let after: Vec<Bytes> =
        env.list("d").unwrap().iter().map(|n| env.read(&format!("d/{n}")).unwrap()).collect();
    for (path, bytes) in before.iter().filter(|file| !folder.files.contains(file)) {
        assert!(path.ends_with(".tmp") || after.contains(bytes), "{path} is gone\n{reply:#}");
    }
    client.upsert(&[document(&mut Dice::new(1), 2, 3)]).unwrap();
    drop(client);
    let again = repair(&env).unwrap();
    assert_eq!((&again["actions"], &again["lost"]), (&json!([]), &json!(0)), "{again:#}");
    (reply, found)
}

fn said(reply: &Value, what: &str) -> bool {
    reply["actions"].as_array().unwrap().iter().any(|action| action.as_str().unwrap().contains(what))
}

#[test]
fn a_whole_folder_is_left_alone() {
    let folder = Folder::new(1, 5, 12, 10);
    let env = MemoryEnv::from_files(folder.files.clone()).unwrap();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let reply = repair(&shared).unwrap();
    assert_eq!(reply, json!({ "actions": [], "documents": folder.kept.len(), "lost": 0, "ok": true }));
    assert_eq!(env.snapshot(), folder.files);
    let client = Client::open(&shared, "d", &schema());
    assert_eq!(documents(&client), folder.kept);
    assert_eq!(code(repair(&shared)), Code::Locked);
    let nothing: Arc<dyn Env> = Arc::new(MemoryEnv::new());
    assert_eq!(code(repair(&nothing)), Code::NotFound);
}

#[test]
fn rows_of_a_damaged_segment_are_kept_where_they_can_be_read() {
    let folder = Folder::new(7, 2, 700, 900);
    let segment = folder.names(".seg").pop().unwrap();
    let len = folder.files.iter().find(|(path, _)| *path == segment).unwrap().1.len();
    assert!(len > 8 * 65_536, "{len}");
    let (mut partly, mut whole) = (0, 0);
    for seed in 1..=40 {
        let mut dice = Dice::new(seed);
        let env = folder.flipped(&segment, dice.below(len));
        let (reply, found) = repaired(&folder, &env);
        let lost = reply["lost"].as_u64().unwrap() as usize;
        assert_eq!(found.len() + lost, folder.kept.len(), "seed {seed} {reply:#}");
        for (id, document) in &found {
            let kept = &folder.kept[id];
            let mut bare = kept.clone();
            bare.as_object_mut().unwrap().remove("other");
            assert!(kept == document || bare == *document, "seed {seed}");
        }
        partly += usize::from(lost > 0 && !found.is_empty());
        whole += usize::from(lost == 0);
    }
    assert!(partly > 0 && whole > 0, "{partly} {whole}");
}

#[test]
fn a_missing_segment_is_counted() {
    let folder = Folder::new(2, 6, 10, 10);
    for segment in folder.names(".seg") {
        let (reply, found) = repaired(&folder, &folder.without(&segment));
        let lost = reply["lost"].as_u64().unwrap() as usize;
        // What was replaced later may have been counted with it.
        assert!(found.len() + lost >= folder.kept.len(), "{reply:#}");
        found.iter().for_each(|(id, document)| assert_eq!(folder.kept[id], *document));
    }
}

#[test]
fn without_tombstones_deleted_documents_come_back_and_no_id_twice() {
    let folder = Folder::new(3, 7, 10, 10);
    let tombstones = folder.names(".del");
    assert!(!tombstones.is_empty());
    for name in tombstones {
        let len = folder.files.iter().find(|(path, _)| *path == name).unwrap().1.len();
        for env in [folder.without(&name), folder.flipped(&name, len / 2), folder.flipped(&name, 70)] {
            let (reply, found) = repaired(&folder, &env);
            assert_eq!(reply["lost"], json!(0), "{reply:#}");
            for (id, document) in &folder.kept {
                assert_eq!(found.get(id), Some(document), "{reply:#}");
            }
        }
    }
}

#[test]
fn the_intact_beginning_of_a_log_is_kept() {
    let folder = Folder::new(4, 7, 10, 10);
    let log = folder.names(".log").pop().unwrap();
    let len = folder.files.iter().find(|(path, _)| *path == log).unwrap().1.len();
    let (mut kept, mut torn) = (0, 0);
    for seed in 1..30 {
        let env = folder.flipped(&log, Dice::new(seed * 77).below(len));
        let shared: Arc<dyn Env> = Arc::new(env.clone());
        let torn_tail = Client::try_open(&shared, json!({ "path": "d", "readOnly": true })).is_ok();
        if torn_tail {
            // Damage in what the last sync wrote reads as a tail that was never promised.
            torn += 1;
            continue;
        }
        let (reply, _) = repaired(&folder, &env);
        assert!(said(&reply, "is damaged"), "{reply:#}");
        kept += 1;
    }
    assert!(kept > 0, "{kept} {torn}");
    let (reply, _) = repaired(&folder, &folder.without(&log));
    assert!(said(&reply, "is missing"), "{reply:#}");
}

#[test]
fn a_lost_manifest_is_made_anew_of_the_segments() {
    for seed in 1..12 {
        let folder = Folder::new(seed, 4 + seed as usize, 10, 10);
        for env in
            [folder.without("d/MANIFEST"), folder.flipped("d/MANIFEST", 40), folder.flipped("d/MANIFEST", 3)]
        {
            let (reply, found) = repaired(&folder, &env);
            assert_eq!(reply["lost"], json!(0), "{reply:#}");
            for (id, document) in &folder.kept {
                assert_eq!(found.get(id), Some(document), "seed {seed} {reply:#}");
            }
        }
    }
}

#[test]
fn a_manifest_that_was_about_to_be_takes_the_place() {
    let folder = Folder::new(5, 6, 10, 10);
    let manifest = folder.files.iter().find(|(path, _)| path == "d/MANIFEST").unwrap().1.clone();
    let mut files: Files = folder.files.iter().filter(|(path, _)| path != "d/MANIFEST").cloned().collect();
    files.push((String::from("d/MANIFEST.tmp"), manifest));
    let env = MemoryEnv::from_files(files).unwrap();
    let (reply, found) = repaired(&folder, &env);
    assert!(said(&reply, "MANIFEST.tmp"), "{reply:#}");
    assert_eq!(found, folder.kept);
}

#[test]
fn what_a_stopped_writer_left_goes() {
    let folder = Folder::new(6, 4, 10, 10);
    let mut files = folder.files.clone();
    for name in ["MANIFEST.tmp", "0000009999.seg", "0000009998.log", "IMPORT"] {
        files.push((format!("d/{name}"), Bytes::from_static(b"left")));
    }
    let env = MemoryEnv::from_files(files).unwrap();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    shared.lock("d/LEASE.1.0123456789abcdef").map(drop).unwrap();
    let reply = repair(&shared).unwrap();
    assert_eq!(reply["actions"].as_array().unwrap().len(), 5, "{reply:#}");
    assert_eq!(env.snapshot(), folder.files);
}

#[test]
fn a_tag_of_a_damaged_version_stays_where_it_can() {
    let folder = Folder::new(8, 6, 10, 10);
    for segment in folder.names(".seg") {
        let env = folder.without(&segment);
        let (reply, _) = repaired(&folder, &env);
        let shared: Arc<dyn Env> = Arc::new(env.clone());
        let tagged = Client::try_open(&shared, json!({ "path": "d", "version": "first", "verify": "full" }));
        match tagged {
            Ok(client) => assert!(!documents(&client).is_empty()),
            Err(error) => assert!(said(&reply, "(tags first) was dropped"), "{error:?} {reply:#}"),
        }
    }
}

#[test]
fn any_damage_to_any_file_ends_in_a_sound_collection() {
    for seed in 1..80 {
        let mut dice = Dice::new(seed * 1_001);
        let folder = Folder::new(1 + seed % 4, 3 + dice.below(4), 8, 10);
        let mut files: BTreeMap<String, Bytes> = folder.files.iter().cloned().collect();
        for _ in 0..1 + dice.below(3) {
            let names: Vec<String> = files.keys().cloned().collect();
            let name = &names[dice.below(names.len())];
            let mut bytes = files[name].to_vec();
            match dice.below(5) {
                0 => drop(files.remove(name)),
                1 => {
                    bytes.truncate(dice.below(bytes.len().max(1)));
                    files.insert(name.clone(), bytes.into());
                }
                2 => {
                    let other = names[dice.below(names.len())].clone();
                    let (one, two) = (files[name].clone(), files[&other].clone());
                    files.insert(name.clone(), two);
                    files.insert(other, one);
                }
                _ => {
                    for _ in 0..1 + dice.below(4) {
                        let at = dice.below(bytes.len().max(1));
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 + dice.below(255) as u8;
                        }
                    }
                    files.insert(name.clone(), bytes.into());
                }
            }
            if files.is_empty() {
                break;
            }
        }
        let env: Arc<dyn Env> = Arc::new(MemoryEnv::from_files(files).unwrap());
        let reply = match repair(&env) {
            Ok(reply) => reply,
            Err(error) => {
                assert!(matches!(error.code(), Code::Corrupt | Code::NotFound), "seed {seed} {error:?}");
                continue;
            }
        };
        assert_eq!(reply["ok"], json!(true), "seed {seed} {reply:#}");
        let client = Client::try_open(&env, json!({ "path": "d", "verify": "full" })).unwrap();
        common::oracle::sound(&client);
        for (id, document) in documents(&client) {
            assert!(folder.ever[&id].contains(&document), "seed {seed} {document} {reply:#}");
        }
    }
}

#[test]
fn a_flipped_bit_costs_nothing() {
    let folder = Folder::new(11, 6, 12, 10);
    let mut dice = Dice::new(5);
    for (name, bytes) in folder.files.iter().filter(|(name, _)| !name.ends_with(".log")) {
        for _ in 0..6 {
            let (at, bit) = (dice.below(bytes.len()), dice.below(8));
            let env = folder.with(|path, bytes| {
                let mut bytes = bytes.to_vec();
                if path == name {
                    bytes[at] ^= 1 << bit;
                }
                Some(bytes.into())
            });
            let (reply, found) = repaired(&folder, &env);
            assert!(said(&reply, "set right"), "{name} {at} {reply:#}");
            assert_eq!(found, folder.kept, "{name} {at} {reply:#}");
            let mended = env.snapshot().into_iter().find(|(path, _)| path == name).unwrap().1;
            // The manifest was written to since.
            assert!(mended == *bytes || name.ends_with("MANIFEST"), "{name} {at}");
            let env: Arc<dyn Env> = Arc::new(env);
            Client::try_open(&env, json!({ "path": "d", "version": "first", "verify": "full" })).unwrap();
        }
    }
}

#[test]
fn files_that_changed_their_names_are_found() {
    let folder = Folder::new(12, 8, 10, 10);
    let segments = folder.names(".seg");
    let (one, two) = (&segments[0], &segments[segments.len() - 1]);
    assert_ne!(one, two);
    let bytes_of = |name: &str| folder.files.iter().find(|(path, _)| path == name).unwrap().1.clone();
    let swapped = folder.with(|path, bytes| match path {
        path if path == one => Some(bytes_of(two)),
        path if path == two => Some(bytes_of(one)),
        _ => Some(bytes.clone()),
    });
    let shared: Arc<dyn Env> = Arc::new(swapped);
    let reply = repair(&shared).unwrap();
    assert_eq!((&reply["ok"], &reply["lost"]), (&json!(true), &json!(0)), "{reply:#}");
    let client = Client::try_open(&shared, json!({ "path": "d", "verify": "full" })).unwrap();
    assert_eq!(documents(&client), folder.kept, "{reply:#}");
}

/// A repair that fails at any call can be made again, and loses no more for it.
#[test]
fn a_repair_that_is_cut_off_is_made_again() {
    let folder = Folder::new(13, 6, 10, 10);
    let segment = folder.names(".seg").pop().unwrap();
    let bit = |name: &str| folder.flipped(name, 255).snapshot();
    let salvaged = folder.flipped(&segment, 200).snapshot();
    let salvaged = salvaged.into_iter().filter(|(path, _)| !path.ends_with(".del")).collect();
    for damaged in [salvaged, bit(&segment), bit("d/MANIFEST")] {
        cut_off(&damaged);
    }
}

fn cut_off(damaged: &Files) {
    let whole: Arc<dyn Env> = Arc::new(MemoryEnv::from_files(damaged.clone()).unwrap());
    repair(&whole).unwrap();
    let wanted = documents(&Client::try_open(&whole, json!({ "path": "d" })).unwrap());
    for allowed in 0.. {
        let env = MemoryEnv::from_files(damaged.clone()).unwrap();
        let calls = std::sync::atomic::AtomicU64::new(0);
        let hook = move |path: &str, op: &'static str| {
            if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < allowed {
                return Ok(());
            }
            Err(tercet_store::StoreError::from_io(path, op, std::io::Error::other("cut")))
        };
        let cut: Arc<dyn Env> = Arc::new(common::Hooked { env: env.clone(), hook: Arc::new(hook) });
        let first = repair(&cut);
        let shared: Arc<dyn Env> = Arc::new(env);
        let again = repair(&shared).unwrap();
        assert_eq!(again["ok"], json!(true), "{allowed} {again:#}");
        let client = Client::try_open(&shared, json!({ "path": "d", "verify": "full" })).unwrap();
        assert_eq!(documents(&client), wanted, "{allowed} {again:#}");
        if first.is_ok_and(|reply| reply["ok"] == json!(true)) {
            break;
        }
    }
}

fn token_schema() -> Value {
    let muvera = json!({ "kind": "muvera", "repetitions": 20, "bits": 2, "projection": 4 });
    json!({ "fields": {
        "text": { "type": "text" },
        "t": { "type": "multi", "dims": 8, "codec": "f16", "index": muvera },
        "p": { "type": "multi", "dims": 8, "prefix": 5, "pool": 2, "codec": "i8", "index": muvera, "optional": true },
    }})
}

/// What is kept of token vectors, by id: both fields, and the units as explanations tell them.
fn kept_tokens(client: &Client) -> BTreeMap<String, Vec<Vec<f32>>> {
    let search = json!({ "query": { "kind": "all" }, "limit": 1000 });
    let ids = client.ids(search);
    let reply = client.raw("get", &json!({ "ids": ids }), Vec::new()).unwrap();
    let got: Value = serde_json::from_str(&reply.json).unwrap();
    let tokens = |value: &Value| match value["data"]["$vector"].as_u64().map(|at| &reply.arrays[at as usize])
    {
        Some(Array::F32(values)) => values.clone(),
        _ => Vec::new(),
    };
    let mut kept: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
    for document in got["documents"].as_array().unwrap() {
        kept.insert(document["id"].to_string(), vec![tokens(&document["t"]), tokens(&document["p"])]);
    }
    let units =
        json!({ "kind": "maxsim", "field": "t", "tokens": [[1, 2, 3, 4, 5, 6, 7, 8]], "exact": true });
    let page = client.call("search", json!({ "query": units, "limit": 1000, "explain": true })).unwrap();
    for hit in page["hits"].as_array().unwrap() {
        let unit = hit["explain"]["parts"][0]["details"]["unit"].as_f64().unwrap() as f32;
        kept.get_mut(&hit["id"].to_string()).unwrap().push(vec![unit]);
    }
    kept
}

#[test]
fn token_vectors_go_back_as_they_were_kept() {
    let env = MemoryEnv::new();
    let client = Client::open(&(Arc::new(env.clone()) as Arc<dyn Env>), "d", &token_schema());
    let mut dice = Dice::new(17);
    let documents: Vec<Value> = (0..600)
        .map(|n| {
            let count = 1 + dice.below(6);
            let data: Vec<f64> = (0..8 * count).map(|_| dice.below(2_001) as f64 / 1e3 - 1.0005).collect();
            let units: Vec<usize> = (0..count).map(|at| 3 + at / 2).collect();
            let tokens = json!({ "data": data, "dims": 8, "units": units });
            let text = (0..40).map(|_| format!("w{}", dice.below(5_000))).collect::<Vec<_>>().join(" ");
            json!({ "id": n, "text": text, "t": tokens, "p": if n % 3 == 0 { Value::Null } else { tokens.clone() } })
        })
        .collect();
    client.upsert(&documents).unwrap();
    client.call("flush", json!({})).unwrap();
    let wanted = kept_tokens(&client);
    drop(client);
    let folder = Folder { files: env.snapshot(), kept: BTreeMap::new(), ever: BTreeMap::new() };
    let segment = folder.names(".seg").pop().unwrap();
    let len = folder.files.iter().find(|(path, _)| *path == segment).unwrap().1.len();
    let (mut whole, mut bare) = (0, 0);
    assert!(len > 8 * 65_536, "{len}");
    for step in 0..24 {
        let env: Arc<dyn Env> = Arc::new(folder.flipped(&segment, len * step / 24 + 2));
        let reply = repair(&env).unwrap();
        let client = Client::try_open(&env, json!({ "path": "d", "verify": "full" })).unwrap();
        let found = kept_tokens(&client);
        assert_eq!(found.len() + reply["lost"].as_u64().unwrap() as usize, 600, "{reply:#}");
        let mut lacking = 0;
        for (id, found) in &found {
            let wanted = &wanted[id];
            assert_eq!((&found[0], &found[2]), (&wanted[0], &wanted[2]), "{step} {reply:#}");
            // A scale of codes may differ in its last bit.
            let near = found[1].iter().zip(&wanted[1]).all(|(a, b)| (a - b).abs() < 1e-6);
            lacking += usize::from(found[1].len() != wanted[1].len());
            assert!(found[1].is_empty() || near && found[1].len() == wanted[1].len(), "{step} {reply:#}");
        }
        assert_eq!(lacking > 0, said(&reply, "without an optional vector"), "{step} {reply:#}");
        // Encodings and words are made again.
        whole += usize::from(said(&reply, "is damaged") && found.len() == 600 && lacking == 0);
        bare += usize::from(lacking > 0);
    }
    assert!(whole > 4 && bare > 0, "{whole} {bare}");
}
