//! The targets of fuzz/ without a fuzzer: every input of the corpus, then changes of it for some seconds. What fails is
//! named by a target and a number; `TERCET_FUZZ_FROM=<number>` begins with it, `TERCET_FUZZ_SECONDS` says how long each
//! target goes on.
//!
//! `cargo test -p tercet-engine --test fuzz -- --ignored write_the_corpus` writes fuzz/corpus anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../../../fuzz/src/lib.rs"]
mod targets;
#[path = "common/watched.rs"]
mod watched;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use targets::mutate::{Chance, mutated};
use targets::{TARGETS, Target, VERBS, world};
use tercet_engine::api::{Array, Control, root};
use tercet_store::{Env, MemoryEnv, SectionFile, SectionFileWriter, read_log, read_manifest};

#[global_allocator]
static ALLOCATOR: watched::Watched = watched::Watched;

const SECONDS: u64 = 2;
/// One input may take so long on a machine that has much else to do.
const INPUT_MAX: Duration = Duration::from_secs(20);

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> =
        fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Says which input it was when the target panics.
struct Running<'a>(&'a str, &'a str);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: target {} with {}", self.0, self.1);
        }
    }
}

fn once(target: &Target, what: &str, input: &[u8]) {
    let _running = Running(target.name, what);
    watched::reset();
    let start = Instant::now();
    (target.run)(input);
    assert!(start.elapsed() < INPUT_MAX, "slow: {:?}", start.elapsed());
    watched::check(&what);
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus(name);
    for (file, input) in &files {
        once(target, file, input);
    }
    let inputs: Vec<Vec<u8>> = files.into_iter().map(|(_, input)| input).collect();
    let end = Instant::now() + Duration::from_secs(number("TERCET_FUZZ_SECONDS", SECONDS));
    let mut at = number("TERCET_FUZZ_FROM", 0);
    while Instant::now() < end {
        let input = mutated(&mut Chance::new(at), &inputs);
        once(target, &format!("TERCET_FUZZ_FROM={at}"), &input);
        at += 1;
    }
    println!("{name}: up to {at}");
}

macro_rules! tests {
    ($($name:ident)+) => {
        $(#[test] fn $name() { run(stringify!($name)); })+

        #[test]
        fn every_target_is_here_and_has_a_program() {
            let names = [$(stringify!($name)),+];
            assert_eq!(names.map(String::from).to_vec(), TARGETS.map(|target| target.name.to_owned()).to_vec());
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
            let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in names {
                assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

tests!(section_file manifest log record segment tombstones postings documents snapshot index sparse wire words);

#[test]
fn what_is_whole_is_used() {
    for target in &TARGETS {
        if ["section_file", "index"].contains(&target.name) {
            continue;
        }
        // Targets beside this one count too; but what opens nothing at all is seen when this test runs alone.
        let before = world::USED.load(Ordering::Relaxed);
        corpus(target.name).iter().for_each(|(file, input)| once(target, file, input));
        assert!(world::USED.load(Ordering::Relaxed) > before, "{} opens nothing", target.name);
    }
}

/// The sections of a segment whose names fit, as a section file.
fn part(segment: &[u8], fits: &dyn Fn(&str) -> bool) -> Vec<u8> {
    let file = SectionFile::from_bytes(segment.to_vec().into(), "segment").unwrap();
    let mut writer = SectionFileWriter::new("part");
    let sections: Vec<_> = file.names().filter(|name| fits(name)).collect();
    for name in sections {
        writer.add(name, file.section(name).unwrap().to_vec());
    }
    writer.to_bytes().unwrap().to_vec()
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder(target)).unwrap();
    fs::write(folder(target).join(name), bytes).unwrap();
}

fn requests() -> Vec<(&'static str, serde_json::Value)> {
    let near = json!({ "kind": "near", "field": "v", "vector": { "$vector": 0 }, "k": 5 });
    let words = json!({ "kind": "match", "text": "ant bee", "fields": { "text": 2 }, "operator": "and" });
    let fuse =
        json!({ "kind": "fuse", "method": "rrf", "k": 60, "weights": [1, 0.5], "queries": [near, words] });
    let filter = json!({ "and": [{ "n": { "gte": 1, "lt": 30 } }, { "tags": { "in": ["a", "z"] } }],
        "not": { "day": { "exists": false } }, "or": [{ "f": 0 }, { "yes": { "eq": true } }] });
    vec![
        (
            "open",
            json!({ "path": "new", "schema": world::schema(), "durability": { "intervalMs": 9 }, "logBytes": 4096 }),
        ),
        ("open", json!({ "path": "dir", "readOnly": true, "version": 2, "refreshMs": 0, "verify": "full" })),
        (
            "open",
            json!({ "path": "dir", "schema": { "fields": { "f": { "type": "float" }, "t": { "type": "text" } } },
            "evolve": { "add": ["g"], "drop": ["n"], "rename": { "text": "t" } } }),
        ),
        (
            "search",
            json!({ "query": fuse, "where": filter, "limit": 5, "offset": 1, "select": ["text", "v"],
            "highlight": ["text"], "explain": true }),
        ),
        ("search", json!({ "query": { "kind": "all" }, "where": { "tags": { "gte": "1" } } })),
        (
            "stage",
            json!({ "chunk": 0, "first": 0, "documents": [world::document(1), { "id": "x", "f": 1e3 }] }),
        ),
        (
            "stage",
            json!({ "chunk": 0, "first": 7, "documents": [{ "id": 1, "f": 0, "v": { "$vector": 0 } },
            { "id": 2, "f": -0.0, "v": { "$f32": "AAAAAAAAgD8=" }, "day": "1969-12-31T23:59:59.999Z" }] }),
        ),
        ("get", json!({ "ids": [1, "8", 99], "select": ["text", "v"] })),
        ("count", json!({ "where": filter })),
        ("removeWhere", json!({ "where": filter })),
        ("remove", json!({ "ids": [1, "x"] })),
        (
            "evaluate",
            json!({ "run": { "q": [["a", 1.5], ["b", 1]] }, "qrels": { "q": { "a": 1, "b": -1 } },
            "metrics": ["ndcg@10", "map"], "trecTies": true }),
        ),
        ("index.build", json!({ "dims": 2, "metric": "l2", "index": { "kind": "flat" } })),
        ("tag", json!({ "name": "x" })),
        ("import", json!({ "from": "dir/0000000002.seg", "path": "there" })),
        ("repair", json!({ "path": "dir" })),
    ]
}

/// Saved indexes of sparse vectors.
fn write_sparse() {
    let memory = MemoryEnv::new();
    let root = root(std::sync::Arc::new(memory.clone()));
    // 40 rows of three terms each: lists of two are pruned.
    let terms: Vec<u32> = (0..40).flat_map(|row| [row % 5, 5 + row % 7, 12 + row % 3]).collect();
    let weights = (0..120).map(|at| 0.5 + (at % 11) as f32).collect();
    let arrays =
        vec![Array::U32((0..=40).map(|row| row * 3).collect()), Array::U32(terms), Array::F32(weights)];
    for kind in [json!({ "kind": "lists" }), json!({ "kind": "seismic", "postings": 2 })] {
        let build = json!({ "index": { "terms": 20, "index": kind } }).to_string();
        let index =
            root.call("index.buildSparse", &build, arrays.clone(), &Control::new()).unwrap().handle.unwrap();
        index.call("remove", "{}", vec![Array::U32(vec![3])], &Control::new()).unwrap();
        index.call("save", &json!({ "path": "sparse" }).to_string(), Vec::new(), &Control::new()).unwrap();
        write("sparse", kind["kind"].as_str().unwrap(), &memory.read("sparse").unwrap());
    }
}

#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_corpus() {
    let files = world::files();
    let env: std::sync::Arc<dyn Env> = world::env(files);
    for (path, bytes) in files {
        let name = path.strip_prefix("dir/").unwrap();
        let ending = name.split('.').next_back().unwrap();
        let targets: &[&str] = match ending {
            "seg" => &["section_file", "segment"],
            "del" => &["section_file", "tombstones"],
            "log" => &["log"],
            _ => &["manifest"],
        };
        targets.iter().for_each(|target| write(target, name, bytes));
        if ending == "seg" {
            write("postings", name, &part(bytes, &|name| name.starts_with("field/text/")));
            write(
                "documents",
                name,
                &part(bytes, &|name| name.starts_with("docs/") || name.starts_with("ids/")),
            );
        }
        if ending == "log" {
            let identity = u64::from_le_bytes(bytes[12..20].try_into().unwrap());
            for (at, record) in read_log(env.as_ref(), path, identity, 0).unwrap().records.iter().enumerate()
            {
                write("record", &at.to_string(), record);
            }
        }
    }
    write("manifest", "payload.json", &read_manifest(env.as_ref(), "dir").unwrap().unwrap());
    for (at, (verb, request)) in requests().iter().enumerate() {
        let verb = VERBS.iter().position(|name| name == verb).unwrap() as u8;
        write("wire", &format!("{at:02}"), &[&[verb], request.to_string().as_bytes()].concat());
    }
    // Choices, one a byte: the limit, the filter, the query.
    let queries: [&[u8]; 8] = [
        &[5, 1, 0, 0, 2, 0, 1, 0],
        &[5, 0, 1, 0, 3, 0, 1, 3, 1],
        &[9, 1, 0, 2, 0, 1, 0],
        &[9, 1, 0, 3, 0, 2, 0, 1, 3],
        &[3, 1, 0, 4, 0, 9],
        &[3, 1, 0, 5, 2, 0, 0, 1, 2, 0, 1, 30],
        &[4, 1, 0, 7, 1, 0, 0, 2, 0, 1, 0, 1, 0, 4, 1, 0, 0, 0],
        &[4, 1, 0, 7, 0, 2, 0, 4, 0, 0, 0, 6, 1, 0, 0, 1, 3, 0, 0],
    ];
    for (at, query) in queries.iter().enumerate() {
        write("words", &format!("{at:02}"), query);
    }
    let memory = MemoryEnv::new();
    let root = root(std::sync::Arc::new(memory.clone()));
    let vectors = vec![Array::F32((0..20u8).flat_map(|n| [f32::from(n) + 1.0, 1.0]).collect())];
    let build = json!({ "dims": 2, "metric": "cosine", "index": { "kind": "flat" } }).to_string();
    let index = root.call("index.build", &build, vectors, &Control::new()).unwrap().handle.unwrap();
    index.call("remove", "{}", vec![Array::U32(vec![3])], &Control::new()).unwrap();
    index.call("save", &json!({ "path": "saved" }).to_string(), Vec::new(), &Control::new()).unwrap();
    write("index", "saved", &memory.read("saved").unwrap());
    write_sparse();
    let c = world::open(&env, &json!({ "path": "dir" })).unwrap();
    let snapshot = world::ask(&c, "export", &json!({})).map(|reply| reply.arrays);
    match snapshot.as_deref() {
        Ok([Array::U8(bytes)]) => write("snapshot", "exported", bytes),
        other => panic!("{other:?}"),
    }
}
