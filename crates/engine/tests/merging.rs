//! What a merge holds in memory, and what opening costs. The large runs are ignored: `cargo test --release -p tercet-engine
//! --test merging -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::{Client, Dice};
use serde_json::{Value, json};
use tercet_store::{Env, FileEnv};

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALONE: Mutex<()> = Mutex::new(());

/// Counts bytes held. Mapped files are not among them.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was held while something ran, over what was held before.
fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = run();
    (result, PEAK.load(Ordering::Relaxed) - before)
}

fn schema(index: &Value) -> Value {
    json!({ "fields": {
        "text": { "type": "text", "positions": true },
        "tag": { "type": "keyword" },
        "n": { "type": "integer", "optional": true },
        "v": { "type": "dense", "dims": 64, "optional": true, "index": index },
    }})
}

fn document(id: usize, words: usize, dice: &mut Dice) -> Value {
    let text: Vec<String> = (0..words).map(|_| format!("w{}", dice.below(200) * dice.below(100))).collect();
    let mut d = json!({ "id": id, "text": text.join(" "), "tag": format!("tag {}", id % 5000) });
    if !id.is_multiple_of(3) {
        d["n"] = json!(id);
        d["v"] = json!((0..64).map(|i| (id * i % 17) as f32 + 1.0).collect::<Vec<_>>());
    }
    d
}

/// A new folder; removed at the end.
struct Folder(String);

impl Folder {
    fn new(name: &str) -> Folder {
        let at = std::env::temp_dir().join(format!("tercet-merging-{name}-{}", std::process::id()));
        Folder(at.to_str().unwrap().to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes batches, merges them, and returns the bytes of the largest file and the peak of memory while merging.
fn merged(name: &str, batches: usize, documents: usize, words: usize, index: &Value) -> (u64, usize) {
    // What is counted is the whole process.
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Folder::new(name);
    let env: Arc<dyn Env> = Arc::new(FileEnv::new());
    let c = Client::open(&env, &folder.0, &schema(index));
    let mut dice = Dice::new(3);
    for batch in 0..batches {
        let from = batch * documents;
        let all: Vec<Value> = (from..from + documents).map(|id| document(id, words, &mut dice)).collect();
        c.upsert_chunks(&all, 2_000).unwrap();
    }
    c.call("remove", json!({ "ids": (0..batches * documents).step_by(10).collect::<Vec<_>>() })).unwrap();
    let start = Instant::now();
    let (_, peak) = peak(|| c.call("compact", json!({})).unwrap());
    let took = start.elapsed();
    let stats = c.call("stats", json!({})).unwrap();
    assert_eq!(stats["documents"], json!(batches * documents - (batches * documents).div_ceil(10)));
    // Beyond eight million rows the memory budget makes two of them.
    let segments = stats["segments"].as_array().unwrap().len();
    assert_eq!(segments, 1 + batches * documents / 8_000_000);
    assert_eq!(c.call("verify", json!({})).unwrap()["problems"], json!([]));
    let bytes = stats["bytes"].as_u64().unwrap();
    c.0.close();
    let start = Instant::now();
    let (c, held) = self::peak(|| Client::try_open(&env, json!({ "path": folder.0 })).unwrap());
    let (opened, start) = (start.elapsed(), Instant::now());
    c.search(json!({ "query": { "kind": "match", "text": "w100 w2000" }, "where": { "n": { "gte": 5 } } }))
        .unwrap();
    eprintln!(
        "{batches} x {documents} documents of {words} words: {} MB merged in {took:.1?}, at most {} KB held; opened in {opened:.1?}, {} KB held; first search in {:.1?}",
        bytes >> 20,
        peak >> 10,
        held >> 10,
        start.elapsed(),
    );
    c.0.close();
    (bytes, peak)
}

fn flat() -> Value {
    json!({ "kind": "flat" })
}

/// What the memory budget of a merge counts for a graph.
#[test]
fn a_merge_with_a_graph_holds_what_it_is_said_to_hold() {
    let graph = json!({ "kind": "hnsw", "m": 8, "efConstruction": 40 });
    let (documents, (_, peak)) = (12_000, merged("graph", 3, 4_000, 5, &graph));
    // Two documents of three have a vector, and nine of ten live: 64 components of 5 bytes, codes, links, the place.
    let said = documents * 6 / 10 * (64 * 5 + 3 * 128 + 8 * 12 + 64 + 32);
    assert!(peak < said + (1 << 20), "{peak} bytes held, {said} said");
}

#[test]
fn a_merge_holds_little() {
    let (bytes, peak) = merged("small", 4, 4_000, 200, &flat());
    assert!(bytes > 20 << 20, "{bytes}");
    assert!(peak < 6 << 20, "{peak} bytes held for {bytes} merged");
}

#[test]
#[ignore = "minutes, in release"]
fn a_large_merge_holds_little() {
    let (bytes, peak) = merged("large", 8, 50_000, 200, &flat());
    assert!(bytes > 500 << 20, "{bytes}");
    assert!(peak < 16 << 20, "{peak} bytes held for {bytes} merged");
}

/// Ten million documents of a few words: `open` may not look at them.
#[test]
#[ignore = "minutes in release, and 2 GB of disk"]
fn many_documents_open_at_once() {
    let (_, peak) = merged("many", 20, 500_000, 3, &flat());
    assert!(peak < 512 << 20, "{peak}");
}
