//! Damaged folders: bytes flipped, cut and exchanged in every file, under the old checksums and under new ones. Opening
//! and everything after it gives a typed error or an answer; never a panic, a hang or memory that the files do not
//! justify.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use common::{Client, Dice, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv, SectionFile, SectionFileWriter, read_manifest, write_manifest};

/// The largest single piece of memory that was asked for.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Files here are some kilobytes; a block of documents may honestly claim 16 MiB.
const MEMORY_MAX: usize = 64 << 20;

fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "positions": true, "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "n": { "type": "integer", "optional": true },
        "f": { "type": "float" },
        "v": { "type": "dense", "dims": 2, "optional": true },
    }})
}

/// Two segments, one of them with tombstones.
fn folder() -> MemoryEnv {
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let c = Client::open(&shared, "dir", &schema());
    let document = |id: usize| {
        let mut d = json!({ "id": id, "f": id, "text": "ant bee ant ".repeat(id % 5), "tags": ["a", id.to_string()] });
        if !id.is_multiple_of(3) {
            d["n"] = json!(id);
            d["v"] = json!([id, 1]);
        } else {
            d["tags"] = Value::Null;
        }
        d
    };
    c.upsert(&(0..40).map(document).collect::<Vec<_>>()).unwrap();
    c.call("flush", json!({})).unwrap();
    c.upsert(&(30..60).map(document).collect::<Vec<_>>()).unwrap();
    c.call("flush", json!({})).unwrap();
    assert_eq!(env.list("dir").unwrap().len(), 5);
    env
}

fn copy(files: &[(String, Bytes)]) -> MemoryEnv {
    MemoryEnv::from_files(files.iter().cloned()).unwrap()
}

/// Everything that reads, and then everything that reads all.
fn use_all(env: &MemoryEnv) -> Result<Vec<Value>, TercetError> {
    let env: Arc<dyn Env> = Arc::new(env.clone());
    let c = Client::try_open(&env, json!({ "path": "dir" }))?;
    let near = json!({ "kind": "near", "field": "v", "vector": [1, 0.5] });
    let words = json!({ "kind": "match", "text": "ant bee", "operator": "and" });
    let fuse = json!({ "kind": "fuse", "method": "rrf", "queries": [near, words] });
    let filter = json!({ "or": [{ "tags": { "gte": "1" } }, { "n": { "lt": 9 } }, { "f": 6 }] });
    let mut found = Vec::new();
    let mut first = None;
    let mut run = |verb: &str, request: Value| match c.call(verb, request) {
        Ok(answer) => found.push(answer),
        Err(error) => drop(first.get_or_insert(error)),
    };
    run("search", json!({ "query": { "kind": "all" }, "limit": 100 }));
    run(
        "search",
        json!({ "query": fuse, "where": filter, "limit": 100, "highlight": ["text"], "explain": true }),
    );
    run("get", json!({ "ids": [1, 2, 35, 59, "x"] }));
    run("count", json!({ "where": filter }));
    run("stats", json!({}));
    run("verify", json!({}));
    run("remove", json!({ "ids": [1] }));
    run("compact", json!({}));
    run("search", json!({ "query": words, "limit": 100 }));
    c.0.close();
    first.map_or(Ok(found), Err)
}

/// A typed error, or answers; in little time and memory.
fn bear(env: &MemoryEnv, what: &str) -> Result<Vec<Value>, TercetError> {
    LARGEST.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| use_all(env)));
    let result = result.unwrap_or_else(|_| panic!("a panic: {what}"));
    assert!(start.elapsed().as_secs() < 5, "slow: {what}");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < MEMORY_MAX, "{largest} bytes at once: {what}");
    if let Err(error) = &result {
        let fitting = [Code::Corrupt, Code::Version, Code::Schema];
        assert!(fitting.contains(&error.code()), "{error}: {what}");
        assert!(error.0.file.is_some(), "no file is named: {error}: {what}");
    }
    result
}

#[test]
fn flipped_and_cut_files_are_refused() {
    let env = folder();
    let files = env.snapshot();
    let whole = use_all(&copy(&files)).unwrap();
    let mut dice = Dice::new(5);
    for at in 0..files.len() {
        for round in 0..150 {
            let mut damaged = files.clone();
            let (name, bytes) = &mut damaged[at];
            let mut content = bytes.to_vec();
            if content.is_empty() {
                continue;
            }
            let place = dice.below(content.len());
            match round % 3 {
                0 => content.truncate(place),
                1 => content[place] ^= 1 << dice.below(8),
                _ => content.extend_from_slice(&vec![0; 1 + place % 130]),
            }
            *bytes = content.into();
            let what = format!("{name}: change {} at {place}", round % 3);
            if let Ok(found) = bear(&copy(&damaged), &what) {
                assert_eq!(found, whole, "a wrong answer: {what}");
            }
        }
    }
}

/// Changes the bytes of one section, as elements of four or eight bytes or as they are.
fn damage(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let odd = [0u64, 1, 7, 255, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 40, u64::MAX];
    let number = odd[dice.below(odd.len())];
    let at = dice.below(bytes.len().max(1));
    match dice.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.truncate(at / 8 * 8),
        2 => bytes.extend_from_slice(&number.to_le_bytes()),
        3 if bytes.len() >= 8 => {
            let (a, b) = (at / 8 * 8, dice.below(bytes.len()) / 8 * 8);
            if a + 8 <= bytes.len() && b + 8 <= bytes.len() {
                (0..8).for_each(|i| bytes.swap(a + i, b + i));
            }
        }
        4 if bytes.len() >= 4 => {
            let at = at.min(bytes.len() - 4) / 4 * 4;
            bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        5 if bytes.len() >= 8 => {
            let at = at.min(bytes.len() - 8) / 8 * 8;
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        _ if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        _ => {}
    }
}

fn sections(bytes: &Bytes) -> (String, Vec<(String, Vec<u8>)>) {
    let file = SectionFile::from_bytes(bytes.clone(), "file").unwrap();
    let sections = file.names().map(|name| (name.to_owned(), file.section(name).unwrap().to_vec()));
    (file.kind().to_owned(), sections.collect())
}

fn sealed(kind: &str, sections: &[(String, Vec<u8>)]) -> Bytes {
    let mut writer = SectionFileWriter::new(kind);
    for (name, bytes) in sections {
        writer.add(name, bytes.as_slice());
    }
    writer.to_bytes().unwrap()
}

#[test]
fn damage_under_good_checksums_is_borne() {
    let files = folder().snapshot();
    let mut dice = Dice::new(77);
    let (mut borne, mut refused) = (0, 0);
    for at in (0..files.len()).filter(|at| files[*at].0.ends_with("seg") || files[*at].0.ends_with("del")) {
        let (kind, good) = sections(&files[at].1);
        for which in 0..good.len() {
            for round in 0..60 {
                let mut bad = good.clone();
                (0..=round / 30).for_each(|_| damage(&mut dice, &mut bad[which].1));
                let mut damaged = files.clone();
                damaged[at].1 = sealed(&kind, &bad);
                let what = format!("{} {} round {round}", files[at].0, good[which].0);
                match bear(&copy(&damaged), &what) {
                    Ok(_) => borne += 1,
                    Err(_) => refused += 1,
                }
            }
            let mut damaged = files.clone();
            let mut bad = good.clone();
            bad.remove(which);
            damaged[at].1 = sealed(&kind, &bad);
            let _ = bear(&copy(&damaged), &format!("{} without {}", files[at].0, good[which].0));
        }
    }
    assert!(borne > 100 && refused > 100, "{borne} borne, {refused} refused");
}

/// Every list of ends made as greedy as it can be: each element claims everything.
#[test]
fn elements_that_claim_everything_take_no_memory() {
    let env: Arc<dyn Env> = memory();
    let c = Client::open(&env, "dir", &schema());
    let documents: Vec<Value> = (0..20_000)
        .map(|id| json!({ "id": format!("document-{id}"), "f": 1, "tags": [id.to_string()], "text": "x" }))
        .collect();
    c.upsert_chunks(&documents, 20_000).unwrap();
    c.call("remove", json!({ "ids": ["document-7"] })).unwrap();
    c.call("flush", json!({})).unwrap();
    c.0.close();
    let names = env.list("dir").unwrap();
    let files: Vec<(String, Bytes)> = names
        .iter()
        .filter(|name| *name != "LOCK")
        .map(|name| (format!("dir/{name}"), env.read(&format!("dir/{name}")).unwrap()))
        .collect();
    let at = files.iter().position(|(name, _)| name.ends_with("seg")).unwrap();
    let (kind, good) = sections(&files[at].1);
    for which in 0..good.len() {
        if !good[which].0.contains("ends") {
            continue;
        }
        let mut bad = good.clone();
        let ends = &mut bad[which].1;
        let last = ends.len() - 4;
        let (every, total) = (4, ends[last..].to_vec());
        for element in (0..last).step_by(2 * every) {
            ends[element..element + every].copy_from_slice(&[0; 4]);
            if element + every < last {
                ends[element + every..element + 2 * every].copy_from_slice(&total);
            }
        }
        let mut damaged = files.clone();
        damaged[at].1 = sealed(&kind, &bad);
        let _ = bear(&copy(&damaged), &format!("greedy {}", good[which].0));
    }
}

#[test]
fn manifests_that_lead_elsewhere_are_refused() {
    let env = folder();
    let good: Value = serde_json::from_slice(&read_manifest(&env, "dir").unwrap().unwrap()).unwrap();
    let files = env.snapshot();
    let refused = |change: &dyn Fn(&mut Value)| {
        let env = copy(&files);
        let mut manifest = good.clone();
        change(&mut manifest);
        write_manifest(&env, "dir", manifest.to_string().as_bytes()).unwrap();
        // A copy where a wrong path would lead.
        for name in ["other.seg", "0000000001.txt", "00000000x1.seg"] {
            let mut file = env.create(&format!("dir/{name}")).unwrap();
            file.write_all(&files[0].1).unwrap();
        }
        let error = bear(&env, &manifest.to_string()).map(drop).unwrap_err();
        (error.code(), env.list("dir").unwrap().len())
    };
    let corrupt = (Code::Corrupt, files.len() + 3);
    let first = |name: &str| {
        let name = name.to_owned();
        move |m: &mut Value| m["segments"][0]["file"] = json!(name)
    };
    for name in [
        "../dir/0000000001.seg",
        "/etc/passwd",
        "",
        "other.seg",
        "MANIFEST",
        "0000000001.txt",
        "00000000x1.seg",
    ] {
        assert_eq!(refused(&first(name)), corrupt, "{name}");
    }
    assert_eq!(refused(&|m| m["segments"][1] = m["segments"][0].clone()), corrupt);
    assert_eq!(refused(&|m| m["segments"][0]["tombstones"] = m["segments"][1]["file"].clone()), corrupt);
    assert_eq!(refused(&|m| m["segments"][0]["rows"] = json!(39)), corrupt);
    assert_eq!(refused(&|m| m["segments"][0]["rows"] = json!(-1)), corrupt);
    assert_eq!(refused(&|m| m["segments"][0]["file"] = json!("0000000099.seg")), corrupt);
    assert_eq!(refused(&|m| m["nextFile"] = json!(u64::MAX)), corrupt);
    assert_eq!(refused(&|m| m["nextFile"] = json!(1)), corrupt);
    assert_eq!(refused(&|m| m["layout"] = json!(0)), corrupt);
    assert_eq!(refused(&|m| m["layout"] = json!(2)).0, Code::Version);
    assert_eq!(refused(&|m| m["schema"]["fields"]["f"] = json!({ "type": "text" })).0, Code::Corrupt);
    assert_eq!(refused(&|m| m["schema"] = json!([])).0, Code::Corrupt);
    assert_eq!(refused(&|m| *m = json!("x")).0, Code::Corrupt);
}

#[test]
fn saved_indexes_are_borne_too() {
    let env: Arc<dyn Env> = memory();
    let root = Client(root(env.clone()));
    let build = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" } });
    let vectors = (0..100u16).flat_map(|n| [f32::from(n) + 1.0, 1.0]).collect();
    let index = Client(root.raw("index.build", &build, vec![Array::F32(vectors)]).unwrap().handle.unwrap());
    index.raw("remove", &json!({}), vec![Array::U32(vec![3, 4])]).unwrap();
    index.call("save", json!({ "path": "saved" })).unwrap();
    let (kind, good) = sections(&env.read("saved").unwrap());
    let mut dice = Dice::new(9);
    let mut abouts: Vec<Value> = Vec::new();
    for (key, value) in
        [("dims", json!(0)), ("dims", json!(3)), ("dims", json!(u32::MAX)), ("rows", json!(0))]
    {
        let mut about = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" }, "rows": 100 });
        about[key] = value;
        if about["dims"] == json!(0) {
            let mut empty = about.clone();
            empty["rows"] = json!(0);
            abouts.push(empty);
        }
        abouts.push(about);
    }
    for round in 0..600 {
        let mut bad = good.clone();
        match abouts.get(round) {
            Some(about) => {
                let at = bad.iter().position(|(name, _)| name == "about").unwrap();
                bad[at].1 = about.to_string().into_bytes();
            }
            None => {
                let which = dice.below(bad.len());
                damage(&mut dice, &mut bad[which].1);
            }
        }
        let path = format!("bad-{round}");
        env.create(&path).unwrap().write_all(&sealed(&kind, &bad)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let open = json!({ "path": path, "index": { "kind": "flat" } });
        match root.raw("index.open", &open, Vec::new()) {
            Err(error) => {
                assert!([Code::Corrupt, Code::Type, Code::Version].contains(&error.code()), "{error}")
            }
            Ok(reply) => {
                let index = Client(reply.handle.unwrap());
                let query = vec![Array::F32(vec![1.0, 0.5])];
                let _ = index.raw("searchBatch", &json!({ "k": 5 }), query.clone());
                let _ = index.raw("add", &json!({}), query);
                let _ = index.raw("add", &json!({}), vec![Array::F32(Vec::new())]);
                let _ = index.raw("compact", &json!({}), Vec::new());
                let _ = index.call("stats", json!({}));
            }
        }
        assert!(LARGEST.load(Ordering::Relaxed) < MEMORY_MAX);
    }
}
