//! One handle on several threads: searches, batches, flushes, compactions and closing side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::scope;
use std::time::{Duration, Instant};

use common::{Client, Dice, Hooked, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;
use tercet_store::{Env, MemoryEnv};

fn schema() -> Value {
    json!({ "fields": { "a": { "type": "text" }, "n": { "type": "integer" },
        "v": { "type": "dense", "dims": 2, "metric": "l2" } } })
}

fn documents(round: i64) -> Vec<Value> {
    (0..10)
        .map(|id| json!({ "id": id, "a": format!("word{round} word"), "n": round, "v": [round, 0] }))
        .collect()
}

/// Every page shows one batch, whole, whatever is done beside it.
#[test]
fn searches_see_whole_batches() {
    let env = memory();
    let c = Client::open(&env, "dir", &schema());
    c.upsert(&documents(0)).unwrap();
    let (c, over) = (&c, &AtomicBool::new(false));
    scope(|threads| {
        for seed in 0..2 {
            threads.spawn(move || {
                let mut dice = Dice::new(seed + 1);
                let near = json!({ "kind": "near", "field": "v", "vector": [0, 0] });
                let kinds = [json!({ "kind": "all" }), json!({ "kind": "match", "text": "word" }), near];
                while !over.load(Ordering::Relaxed) {
                    let query = &kinds[dice.below(kinds.len())];
                    let page =
                        c.call("search", json!({ "query": query, "limit": 100, "explain": true })).unwrap();
                    let hits = page["hits"].as_array().unwrap();
                    assert_eq!(hits.len(), 10);
                    let round = &hits[0]["document"]["n"];
                    assert!(hits.iter().all(|hit| hit["document"]["n"] == *round), "{page}");
                }
            });
        }
        threads.spawn(move || {
            for verb in ["flush", "verify", "compact", "stats", "flush"].iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let answer = c.call(verb, json!({})).unwrap();
                assert!(answer["problems"].as_array().is_none_or(Vec::is_empty), "{answer}");
            }
        });
        let end = Instant::now() + Duration::from_millis(1_200);
        let rounds = (1..).take_while(|_| Instant::now() < end);
        rounds.for_each(|round| drop(c.upsert_chunks(&documents(round), 3).unwrap()));
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn closing_is_never_an_empty_answer() {
    for round in 0..60 {
        let c = Client::open(&memory(), ":memory:", &schema());
        c.upsert(&documents(0)).unwrap();
        let build = json!({ "dims": 2, "metric": "l2", "index": { "kind": "flat" } });
        let vectors = vec![Array::F32(vec![1.0; 200])];
        let index =
            Client(Client(root(memory())).raw("index.build", &build, vectors).unwrap().handle.unwrap());
        let (c, index) = (&c, &index);
        scope(|threads| {
            for _ in 0..2 {
                threads.spawn(move || {
                    loop {
                        match c.call("search", json!({ "query": { "kind": "all" } })) {
                            Ok(page) => assert_eq!(page["hits"].as_array().unwrap().len(), 10),
                            Err(error) => return assert_eq!(error.code(), Code::Closed),
                        }
                    }
                });
            }
            threads.spawn(move || {
                loop {
                    let (mut rows, mut scores) = ([0; 5], [0.0; 5]);
                    match index.search_into(&[1.0, 1.0], 5, &mut rows, &mut scores) {
                        Ok(found) => assert_eq!(found, 5),
                        Err(error) => return assert_eq!(error.code(), Code::Closed),
                    }
                }
            });
            std::thread::sleep(Duration::from_micros(round * 20));
            c.0.close();
            index.0.close();
        });
    }
}

/// A chunk is in the batch or is refused: it never vanishes between.
#[test]
fn a_commit_takes_every_chunk_that_was_accepted() {
    let c = Client::open(&memory(), ":memory:", &schema());
    for round in 0..300u32 {
        let batch = Client(c.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap());
        let id = |chunk: u32| format!("{round}/{chunk}");
        let stage = |chunk: u32| {
            let document = json!({ "id": id(chunk), "a": "x", "n": 1, "v": [0, 0] });
            batch.call("stage", json!({ "chunk": chunk, "first": chunk, "documents": [document] }))
        };
        let commit = || batch.call("commit", json!({}));
        let (accepted, commits) = scope(|threads| {
            let staging =
                threads.spawn(|| (0..4).filter(|chunk| stage(*chunk).is_ok()).collect::<Vec<u32>>());
            let committing = threads.spawn(commit);
            let second = commit();
            (staging.join().unwrap(), [committing.join().unwrap(), second])
        });
        let written: u64 = commits.iter().flatten().map(|reply| reply["written"].as_u64().unwrap()).sum();
        assert_eq!(commits.iter().flatten().count(), 1, "{commits:?}");
        assert_eq!(written, accepted.len() as u64, "{accepted:?}");
        let ids: Vec<String> = accepted.into_iter().map(id).collect();
        let found = c.call("get", json!({ "ids": ids })).unwrap();
        assert!(found["documents"].as_array().unwrap().iter().all(|d| !d.is_null()));
    }
}

/// What answers at once must not wait for a writer: a binding calls it on the thread that runs JavaScript.
#[test]
fn quick_verbs_wait_for_nobody() {
    let disk = Arc::new(Mutex::new(()));
    let busy = disk.clone();
    let hook = move |_: &str, _| {
        drop(busy.lock().unwrap());
        Ok(())
    };
    let env: Arc<dyn Env> = Arc::new(Hooked { env: MemoryEnv::new(), hook: Arc::new(hook) });
    let c = Client::open(&env, "dir", &schema());
    c.upsert(&documents(0)).unwrap();
    let c = &c;
    scope(|threads| {
        // The disk answers nothing, so the flush holds the writer's place until the end.
        let stuck = disk.lock().unwrap();
        threads.spawn(move || c.call("flush", json!({})).unwrap());
        std::thread::sleep(Duration::from_millis(30));
        let (done, is_done) = channel();
        threads.spawn(move || {
            for verb in ["begin", "schema", "count"] {
                assert!(c.0.estimate_us(verb, "{}", &[]) < 200);
                c.raw(verb, &json!({}), Vec::new()).unwrap();
            }
            c.call("search", json!({ "query": { "kind": "all" } })).unwrap();
            done.send(()).unwrap();
        });
        let answered = is_done.recv_timeout(Duration::from_secs(20));
        drop(stuck);
        answered.expect("a quick verb waited for the disk");
    });
}

#[test]
fn an_index_is_searched_while_it_grows() {
    let build = json!({ "dims": 2, "metric": "l2", "index": { "kind": "flat" } });
    let vectors = vec![Array::F32(vec![1.0; 20])];
    let index = Client(Client(root(memory())).raw("index.build", &build, vectors).unwrap().handle.unwrap());
    let (index, over) = (&index, &AtomicBool::new(false));
    scope(|threads| {
        for _ in 0..2 {
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let query = vec![Array::F32(vec![1.0; 64])];
                    let reply = index.raw("searchBatch", &json!({ "k": 10 }), query).unwrap();
                    let Array::U32(rows) = &reply.arrays[0] else { panic!("rows first") };
                    // One view for the whole batch.
                    assert!(rows.chunks(10).all(|page| page == &rows[..10]), "{rows:?}");
                }
            });
        }
        for round in 0..400u32 {
            let added = index.raw("add", &json!({}), vec![Array::F32(vec![1.0; 30])]).unwrap();
            let first: Value = serde_json::from_str(&added.json).unwrap();
            let row = first["first"].as_u64().unwrap() as u32;
            index.raw("remove", &json!({}), vec![Array::U32(vec![row, row + 3, round % 10])]).unwrap();
            if round % 50 == 49 {
                index.raw("compact", &json!({}), Vec::new()).unwrap();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let control = Arc::new(Control::new());
    control.cancel();
    let many = vec![Array::F32(vec![1.0; 2_000])];
    let error = index.0.call("searchBatch", "{\"k\":1}", many, &control).err().unwrap();
    assert_eq!(error.code(), Code::Aborted);
}
