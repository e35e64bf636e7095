//! Many threads commit at once: each finds its own writes, all share syncs, and what was acknowledged stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::Duration;

use common::{Client, Folder, Hooked};
use serde_json::{Value, json};
use tercet_engine::wire::Code;
use tercet_store::{Env, FileEnv, MemoryEnv};

const THREADS: usize = 6;

fn disk() -> Arc<dyn Env> {
    Arc::new(FileEnv::new())
}

fn request(path: &str, more: &Value) -> Value {
    let mut request = json!({ "path": path, "schema": { "fields": {
        "n": { "type": "integer" }, "owner": { "type": "keyword" } } } });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

fn numbers(c: &Client, ids: &[String]) -> Vec<Option<i64>> {
    let found = c.call("get", json!({ "ids": ids })).unwrap();
    found["documents"].as_array().unwrap().iter().map(|document| document["n"].as_i64()).collect()
}

/// What one thread's documents must be after its commits: `left` and `right` change together, every round leaves one
/// more document, and every third is removed again.
fn work(c: &Client, thread: usize, rounds: i64, acknowledged: &mut BTreeMap<String, Option<i64>>) -> bool {
    let id = |name: &str| format!("{thread}/{name}");
    for round in 1..=rounds {
        let batch: Vec<Value> = [id("left"), id("right"), id(&round.to_string())]
            .into_iter()
            .map(|id| json!({ "id": id, "n": round, "owner": thread.to_string() }))
            .collect();
        match c.upsert(&batch) {
            Ok(_) => batch.iter().for_each(|document| {
                acknowledged.insert(document["id"].as_str().unwrap().to_owned(), Some(round));
            }),
            Err(error) => {
                assert_eq!(error.code(), Code::Closed, "{error}");
                return false;
            }
        }
        if round % 3 == 0 {
            let gone = id(&(round - 1).to_string());
            match c.call("remove", json!({ "ids": [gone] })) {
                Ok(reply) => assert_eq!(reply["removed"], 1),
                Err(error) => {
                    assert_eq!(error.code(), Code::Closed, "{error}");
                    // Whether the removal came in time is not known.
                    acknowledged.remove(&gone);
                    return false;
                }
            }
            acknowledged.insert(gone, None);
        }
        // Whoever closes the collection may do so between the commit and the look at it.
        let Ok(own) = c.call("get", json!({ "ids": [id("left"), id("right")] })) else { return false };
        let own = own["documents"].as_array().unwrap();
        assert!(own.iter().all(|document| document["n"] == round), "{thread}, {round}: {own:?}");
    }
    true
}

/// Both documents of a pair show one commit, and a later look never shows an older one.
fn watch(c: &Client, over: &AtomicBool) {
    let mut seen = [0i64; THREADS];
    while !over.load(Ordering::Relaxed) {
        for (thread, last) in seen.iter_mut().enumerate() {
            let pair = numbers(c, &[format!("{thread}/left"), format!("{thread}/right")]);
            assert_eq!(pair[0], pair[1]);
            let now = pair[0].unwrap_or(0);
            assert!(now >= *last, "thread {thread}: {now} after {last}");
            *last = now;
        }
        c.call("count", json!({ "where": { "owner": "0" } })).unwrap();
    }
}

fn assert_holds(c: &Client, acknowledged: &BTreeMap<String, Option<i64>>, what: &str) {
    let ids: Vec<String> = acknowledged.keys().cloned().collect();
    for (found, (id, expected)) in numbers(c, &ids).into_iter().zip(acknowledged) {
        assert_eq!(found, *expected, "{what}: {id}");
    }
}

/// Commits on many threads, beside everything that moves files, with a reader that follows.
fn stress(more: &Value, rounds: i64) {
    let folder = Folder::new(&format!("stress-{}", more.to_string().len()));
    let c = &Client::try_open(&disk(), request(folder.path(), more)).unwrap();
    let following = request(folder.path(), &json!({ "readOnly": true, "refreshMs": 0 }));
    let follower = &Client::try_open(&disk(), following).unwrap();
    let over = &AtomicBool::new(false);
    let mut all = BTreeMap::new();
    scope(|threads| {
        let working: Vec<_> = (0..THREADS)
            .map(|thread| {
                threads.spawn(move || {
                    let mut acknowledged = BTreeMap::new();
                    assert!(work(c, thread, rounds, &mut acknowledged));
                    acknowledged
                })
            })
            .collect();
        let watching = [c, follower].map(|client| threads.spawn(move || watch(client, over)));
        let tending = threads.spawn(move || {
            for verb in ["flush", "sync", "compact", "stats", "versions", "verify"].iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let answer = c.call(verb, json!({})).unwrap();
                assert!(answer["problems"].as_array().is_none_or(Vec::is_empty), "{answer}");
                c.call("tag", json!({ "name": "latest" })).unwrap();
            }
        });
        for thread in working {
            all.extend(thread.join().unwrap());
        }
        over.store(true, Ordering::Relaxed);
        watching.into_iter().for_each(|thread| thread.join().unwrap());
        tending.join().unwrap();
    });
    assert_holds(c, &all, "at the end");
    assert_holds(follower, &all, "for the reader");
    follower.0.close();
    c.0.close();
    let again = Client::try_open(&disk(), request(folder.path(), &json!({ "verify": "full" }))).unwrap();
    assert_holds(&again, &all, "after opening again");
    let live = all.values().flatten().count();
    assert_eq!(again.call("stats", json!({})).unwrap()["documents"], live);
}

#[test]
fn commits_searches_and_upkeep_side_by_side() {
    stress(&json!({}), 40);
}

#[test]
fn a_log_that_is_always_full_loses_nothing() {
    stress(&json!({ "logBytes": 4096, "retainMs": 0 }), 25);
}

#[test]
fn commits_with_an_interval_are_seen_at_once() {
    stress(&json!({ "durability": { "intervalMs": 1 } }), 40);
}

/// Those who wait for the disk share its syncs.
#[test]
fn commits_that_come_together_share_a_sync() {
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = syncs.clone();
    let hook = move |path: &str, op: &'static str| {
        if op == "sync" && path.ends_with(".log") {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    };
    let env: Arc<dyn Env> = Arc::new(Hooked { env: MemoryEnv::new(), hook: Arc::new(hook) });
    let c = &Client::try_open(&env, request("dir", &json!({}))).unwrap();
    let rounds = 30;
    scope(|threads| {
        for thread in 0..THREADS {
            threads.spawn(move || {
                for round in 0..rounds {
                    c.upsert(&[json!({ "id": format!("{thread}/{round}"), "n": round, "owner": "x" })])
                        .unwrap();
                }
            });
        }
    });
    let (syncs, commits) = (syncs.load(Ordering::Relaxed), THREADS * rounds);
    // Alone each would take one; together they take about as many as one thread has rounds.
    assert!(syncs * 2 < commits, "{syncs} syncs for {commits} commits");
    assert_eq!(c.call("stats", json!({})).unwrap()["documents"], commits);
}

/// A commit that is acknowledged while the collection closes is there when it is opened again.
#[test]
fn closing_beside_commits_loses_no_acknowledged_one() {
    for round in 0..12u64 {
        let folder = Folder::new(&format!("close-{round}"));
        let c = &Client::try_open(&disk(), request(folder.path(), &json!({}))).unwrap();
        let mut all = BTreeMap::new();
        scope(|threads| {
            let working: Vec<_> = (0..THREADS)
                .map(|thread| {
                    threads.spawn(move || {
                        let mut acknowledged = BTreeMap::new();
                        work(c, thread, 100_000, &mut acknowledged);
                        // The batch that was refused may have come in time all the same.
                        for shared in ["left", "right"] {
                            acknowledged.remove(&format!("{thread}/{shared}"));
                        }
                        acknowledged
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(3 * round));
            if round % 2 == 0 {
                c.call("close", json!({})).unwrap();
            }
            c.0.close();
            for thread in working {
                all.extend(thread.join().unwrap());
            }
        });
        let again = Client::try_open(&disk(), request(folder.path(), &json!({}))).unwrap();
        assert_holds(&again, &all, &format!("round {round}"));
    }
}
