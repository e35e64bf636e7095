//! Readers of bytes, each with any bytes: the targets of fuzzing. A target may panic only where there is a defect.
//!
//! cargo-fuzz runs them from `fuzz_targets/` (nightly Rust); `crates/engine/tests/fuzz.rs` runs the same functions over the
//! corpus and changes of it with any Rust.
#![allow(unreachable_pub, dead_code)]

pub mod mutate;
pub mod seal;
pub mod words;
pub mod world;

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle, root};
use tercet_store::{Env, LogWriter, MemoryEnv, SectionFile, SectionFileWriter, read_log};

use world::{DIR, Files, ask, typed};

/// A reader of bytes.
pub struct Target {
    /// The name of its corpus and of its program.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "section_file", run: section_file },
    Target { name: "manifest", run: manifest },
    Target { name: "log", run: log },
    Target { name: "record", run: record },
    Target { name: "segment", run: segment },
    Target { name: "tombstones", run: tombstones },
    Target { name: "postings", run: postings },
    Target { name: "documents", run: documents },
    Target { name: "snapshot", run: snapshot },
    Target { name: "index", run: index },
    Target { name: "sparse", run: sparse },
    Target { name: "wire", run: wire },
    Target { name: "words", run: words::words },
];

fn sealed(data: &[u8], seal: fn(&mut [u8])) -> Bytes {
    let mut bytes = data.to_vec();
    seal(&mut bytes);
    bytes.into()
}

/// A section file as it is and with checksums that fit: sections lie inside and are aligned.
pub fn section_file(data: &[u8]) {
    for bytes in [Bytes::copy_from_slice(data), sealed(data, seal::section_file)] {
        let Ok(file) = SectionFile::from_bytes(bytes, "file") else { continue };
        let _ = (file.verify(), file.problems());
        for info in file.sections() {
            if let Ok(section) = file.section(&info.name) {
                assert!(section.len() as u64 == info.len && section.as_ptr().align_offset(64) == 0);
            }
            for (start, len) in [(0, 1), (info.len / 2, info.len / 2), (info.len, 1), (1, u64::MAX)] {
                if let Ok(range) = file.range(&info.name, start, len) {
                    assert!(range.len() as u64 == len && start + len <= info.len);
                }
            }
        }
    }
}

/// A manifest, whole or its payload alone.
pub fn manifest(data: &[u8]) {
    let payload = if data.starts_with(b"TERCETMF") { data.get(32..).unwrap_or_default() } else { data };
    if let Some(named) = world::named_as_they_are(payload) {
        world::folder(|| world::with_manifest(world::files(), &named));
    }
    if data.starts_with(b"TERCETMF") {
        for bytes in [Bytes::copy_from_slice(data), sealed(data, seal::manifest)] {
            world::folder(|| replaced("MANIFEST", &bytes));
        }
    } else {
        world::folder(|| world::with_manifest(world::files(), data));
    }
}

/// The folder with one file's content replaced.
fn replaced(ending: &str, bytes: &Bytes) -> Arc<dyn Env> {
    let mut files = world::files().clone();
    for (name, content) in &mut files {
        if name.ends_with(ending) {
            content.clone_from(bytes);
        }
    }
    world::env(&files)
}

/// A log, alone and in its folder.
pub fn log(data: &[u8]) {
    let mut ours = data.to_vec();
    if let (Some(identity), Some(place)) = (world::file(".log").1.get(12..20), ours.get_mut(12..20)) {
        place.copy_from_slice(identity);
    }
    for bytes in [Bytes::copy_from_slice(data), sealed(&ours, seal::log)] {
        let identity = bytes.get(12..20).and_then(|b| b.first_chunk().copied()).map_or(0, u64::from_le_bytes);
        let env = world::env(&vec![(String::from("log"), bytes.clone())]);
        if let Ok(found) = read_log(env.as_ref(), "log", identity, 0) {
            assert_eq!(found.end + found.dropped, bytes.len() as u64);
            let again = read_log(env.as_ref(), "log", identity, found.end);
            assert!(again.is_ok_and(|again| again.records.is_empty() && again.dropped == found.dropped));
        }
        world::folder(|| replaced(".log", &bytes));
    }
}

/// One record, in a log that is whole.
pub fn record(data: &[u8]) {
    let (name, before) = world::file(".log");
    let identity = before.get(12..20).and_then(|b| b.first_chunk().copied()).map_or(0, u64::from_le_bytes);
    let whole = sealed(data, seal::record);
    world::folder(|| {
        let env = world::env(&world::files().iter().filter(|(other, _)| *other != name).cloned().collect());
        let written = LogWriter::create(env.as_ref(), &name, identity)
            .and_then(|mut log| log.append(&[whole.as_ref()]).and_then(|()| log.sync()));
        assert!(written.is_ok());
        env
    });
}

/// A number of a section of u32.
fn element(file: &SectionFile, section: &str, at: usize) -> Option<u32> {
    let bytes = file.section(section).ok()?;
    bytes.get(at * 4..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

/// A folder of one segment and perhaps its tombstones, under a manifest that agrees with them.
fn one_segment(segment: Bytes, gone: Option<Bytes>) {
    let end = |bytes: &Bytes| bytes.last_chunk().map_or(0, |seal| u32::from_le_bytes(*seal));
    let opened = SectionFile::from_bytes(segment.clone(), "file").ok();
    let rows = opened.and_then(|file| element(&file, "meta", 1)).unwrap_or(0);
    let mut entry = json!({ "file": "0000000001.seg", "seal": end(&segment), "rows": rows });
    let mut files: Files = vec![(format!("{DIR}/0000000001.seg"), segment)];
    if let Some(gone) = gone {
        let opened = SectionFile::from_bytes(gone.clone(), "file").ok();
        let bits = opened.and_then(|file| file.section("rows").ok()).unwrap_or_default();
        let deleted: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
        entry["deleted"] = json!(deleted);
        entry["tombstones"] = json!({ "file": "0000000002.del", "seal": end(&gone) });
        files.push((format!("{DIR}/0000000002.del"), gone));
    }
    let state = json!({ "version": 1, "createdMs": 0, "schema": world::schema(), "segments": [entry] });
    let manifest = json!({ "layout": 1, "nextFile": 3, "states": [state], "tags": { "old": 1 } });
    world::folder(|| world::with_manifest(&files, manifest.to_string().as_bytes()));
}

/// A whole segment.
pub fn segment(data: &[u8]) {
    one_segment(sealed(data, seal::section_file), None);
}

/// Tombstones of a segment that is whole.
pub fn tombstones(data: &[u8]) {
    one_segment(world::file(".seg").1, Some(sealed(data, seal::section_file)));
}

/// Sections that take the place of those of the same name in a segment that is whole.
fn some_sections(data: &[u8]) {
    let Ok(given) = SectionFile::from_bytes(sealed(data, seal::section_file), "file") else { return };
    let Ok(whole) = SectionFile::from_bytes(world::file(".seg").1, "file") else { return };
    let mut writer = SectionFileWriter::new(whole.kind());
    let mut sections = Vec::new();
    for name in whole.names() {
        let from = if given.has(name) { &given } else { &whole };
        sections.extend(from.section(name).map(|bytes| (name, bytes)));
    }
    for (name, bytes) in &sections {
        writer.add(name, bytes.as_ref());
    }
    if let Ok(segment) = writer.to_bytes() {
        one_segment(segment, None);
    }
}

/// The sections of a text field.
pub fn postings(data: &[u8]) {
    some_sections(data);
}

/// The sections of ids and stored documents.
pub fn documents(data: &[u8]) {
    some_sections(data);
}

/// A snapshot in one file.
pub fn snapshot(data: &[u8]) {
    world::snapshot(data);
    world::snapshot(&sealed(data, seal::section_file));
}

/// A saved index of vectors.
pub fn index(data: &[u8]) {
    let env = world::env(&vec![(String::from("saved"), sealed(data, seal::section_file))]);
    let request = json!({ "path": "saved", "index": { "kind": "flat" } });
    let Some(reply) = typed(ask(&root(env), "index.open", &request)) else { return };
    let Some(index) = reply.handle else { return };
    let query = || vec![Array::F32(vec![1.0, 0.5])];
    let call = |verb: &str, request: Value, arrays| {
        typed(index.call(verb, &request.to_string(), arrays, &Control::new()));
    };
    call("searchBatch", json!({ "k": 5 }), query());
    call("add", json!({}), query());
    call("remove", json!({}), vec![Array::U32(vec![0, 7])]);
    call("compact", json!({}), Vec::new());
    call("stats", json!({}), Vec::new());
}

/// A saved index of sparse vectors, of either kind: opened, searched by several efforts, changed and merged.
pub fn sparse(data: &[u8]) {
    let env = world::env(&vec![(String::from("saved"), sealed(data, seal::section_file))]);
    let request = json!({ "path": "saved", "index": { "kind": "sparse" } });
    let Some(reply) = typed(ask(&root(env), "index.open", &request)) else { return };
    let Some(index) = reply.handle else { return };
    world::USED.fetch_add(1, Ordering::Relaxed);
    let rows = || {
        let terms = Array::U32(vec![0, 3, 5, 1, 7]);
        vec![Array::U32(vec![0, 3, 5]), terms, Array::F32(vec![1.0, 0.5, 2.0, 3.0, 0.25])]
    };
    let call = |verb: &str, request: Value, arrays| {
        typed(index.call(verb, &request.to_string(), arrays, &Control::new()));
    };
    for effort in
        [json!({}), json!({ "ef": 1 }), json!({ "alpha": 0.8, "beta": 0.3 }), json!({ "exact": true })]
    {
        call("searchBatch", json!({ "k": 5, "effort": effort }), rows());
    }
    call("vector", json!({ "row": 2 }), Vec::new());
    call("tune", json!({ "k": 2, "sample": 3 }), Vec::new());
    call("update", json!({}), [vec![Array::U32(vec![9, 1])], rows()].concat());
    call("add", json!({}), rows());
    call("remove", json!({}), vec![Array::U32(vec![0, 7])]);
    call("compact", json!({}), Vec::new());
    call("stats", json!({}), Vec::new());
}

/// The verbs that `wire` calls; the first byte of its input chooses one.
pub const VERBS: [&str; 12] = [
    "open",
    "search",
    "stage",
    "get",
    "count",
    "removeWhere",
    "remove",
    "evaluate",
    "index.build",
    "tag",
    "import",
    "repair",
];

/// A request as text. Readers are asked on a collection that stays; writers on one that is made for them.
pub fn wire(data: &[u8]) {
    static STAYS: OnceLock<Option<Arc<dyn Handle>>> = OnceLock::new();
    let Some((verb, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let verb = VERBS[usize::from(*verb) % VERBS.len()];
    let arrays = || vec![Array::F32(vec![1.0, 0.5]), Array::U32(vec![0])];
    let call = |handle: &Arc<dyn Handle>| {
        let _ = handle.estimate_us(verb, text, &arrays());
        typed(handle.call(verb, text, arrays(), &Control::new()))
    };
    match verb {
        "search" | "get" | "count" => {
            let stays = STAYS.get_or_init(|| {
                world::open(&world::env(world::files()), &json!({ "path": DIR, "readOnly": true })).ok()
            });
            stays.as_ref().map(call);
        }
        "open" | "evaluate" | "index.build" | "import" | "repair" => {
            let reply = call(&root(world::env(world::files())));
            if let ("open", Some(handle)) = (verb, reply.and_then(|reply| reply.handle)) {
                world::exercise(&handle);
            }
        }
        _ => {
            let request = json!({ "path": ":memory:", "schema": world::schema() });
            let env: Arc<dyn Env> = Arc::new(MemoryEnv::new());
            let Some(c) = typed(world::open(&env, &request)) else { return };
            typed(world::upsert(&c, &[world::document(1), world::document(3)]));
            if verb == "stage" {
                if let Some(batch) = typed(ask(&c, "begin", &json!({}))).and_then(|reply| reply.handle) {
                    call(&batch);
                    typed(ask(&batch, "commit", &json!({})));
                }
            } else {
                call(&c);
            }
            world::exercise(&c);
        }
    }
}
