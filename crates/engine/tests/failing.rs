//! An environment that fails: once at every step of a history, or from some step on. After each failure the collection
//! still answers with what it holds, and opening the folder again finds the last state that was flushed or the one that
//! was being written, never an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Client, Hooked};
use serde_json::{Value, json};
use tercet_store::{Env, MemoryEnv, StoreError};

/// Which calls fail, counted from the first.
#[derive(Debug, Default)]
struct Plan {
    calls: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
}

impl Plan {
    fn fail(&self, first: u64, last: u64) {
        self.calls.store(0, Ordering::Relaxed);
        self.first.store(first, Ordering::Relaxed);
        self.last.store(last, Ordering::Relaxed);
    }

    fn check(&self, path: &str, op: &'static str) -> Result<(), StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let failing =
            (self.first.load(Ordering::Relaxed)..=self.last.load(Ordering::Relaxed)).contains(&call);
        match failing {
            true => Err(StoreError::Io { path: path.to_owned(), op, source: io::Error::other("it failed") }),
            false => Ok(()),
        }
    }
}

/// An environment that follows a plan, and the files behind it.
fn failing() -> (MemoryEnv, Arc<Plan>, Arc<dyn Env>) {
    let (env, plan) = (MemoryEnv::new(), Arc::new(Plan::default()));
    let followed = plan.clone();
    let hooked = Hooked { env: env.clone(), hook: Arc::new(move |path, op| followed.check(path, op)) };
    (env, plan, Arc::new(hooked))
}

fn schema() -> Value {
    json!({ "fields": { "a": { "type": "text" }, "n": { "type": "integer" } } })
}

type State = BTreeSet<(i64, i64)>;

fn documents(ids: std::ops::Range<i64>, n: i64) -> Vec<Value> {
    ids.map(|id| json!({ "id": id, "a": "word", "n": n })).collect()
}

/// What a collection holds, asked twice over.
fn state(c: &Client) -> State {
    let page =
        c.call("search", json!({ "query": { "kind": "match", "text": "word" }, "limit": 1000 })).unwrap();
    let hits = page["hits"].as_array().unwrap();
    let found: State = hits
        .iter()
        .map(|hit| (hit["id"].as_i64().unwrap(), hit["document"]["n"].as_i64().unwrap()))
        .collect();
    assert_eq!(found.len(), hits.len());
    assert_eq!(c.call("count", json!({})).unwrap()["count"], json!(found.len()));
    found
}

/// One step of the history on the collection and on the plain set.
fn step(c: &Client, at: usize, present: &mut State) -> bool {
    match at {
        0 | 2 | 5 => {
            let ids = [0..8, 0..0, 4..12, 0..0, 0..0, 6..7][at].clone();
            c.upsert(&documents(ids.clone(), at as i64)).unwrap();
            present.retain(|(id, _)| !ids.contains(id));
            present.extend(ids.map(|id| (id, at as i64)));
            true
        }
        3 => {
            c.call("remove", json!({ "ids": [0, 5, 99] })).unwrap();
            present.retain(|(id, _)| ![0, 5].contains(id));
            true
        }
        6 => c.call("compact", json!({})).is_ok(),
        _ => c.call("flush", json!({})).is_ok(),
    }
}

/// Plays the history with failing calls; true when every one was passed without meeting a failure.
fn play(first: u64, last: u64) -> bool {
    let (env, plan, shared) = failing();
    plan.fail(first, last);
    let request = json!({ "path": "dir", "schema": schema() });
    let c = match Client::try_open(&shared, request.clone()) {
        Ok(c) => c,
        Err(error) => {
            assert_eq!(error.0.code.as_str(), "ERR_IO", "{error}");
            plan.fail(0, 0);
            Client::try_open(&shared, request.clone()).unwrap()
        }
    };
    let (mut present, mut flushed) = (State::new(), State::new());
    for at in 0..8 {
        let durable = ![0, 2, 3, 5].contains(&at);
        let done = step(&c, at, &mut present);
        assert_eq!(state(&c), present, "step {at} with failures {first}..={last}");
        // Readers open beside it, whatever happened.
        let beside: Arc<dyn Env> = Arc::new(env.clone());
        let reader = Client::try_open(&beside, json!({ "path": "dir", "readOnly": true }));
        let stored =
            state(&reader.unwrap_or_else(|e| panic!("{e}: step {at} with failures {first}..={last}")));
        match durable {
            true if done => assert_eq!(stored, present),
            true => assert!(stored == present || stored == flushed),
            false => assert_eq!(stored, flushed),
        }
        flushed = stored;
    }
    let met = plan.calls.load(Ordering::Relaxed) >= first && first > 0;
    plan.fail(0, 0);
    c.call("flush", json!({})).unwrap();
    assert_eq!(c.call("verify", json!({})).unwrap()["problems"], json!([]), "failures {first}..={last}");
    c.0.close();
    let again = Client::try_open(&shared, request).unwrap();
    assert_eq!(state(&again), present);
    assert_eq!(again.call("verify", json!({})).unwrap()["problems"], json!([]));
    // What failures left behind is gone.
    let names = env.list("dir").unwrap();
    let stats = again.call("stats", json!({})).unwrap();
    let segments = names.iter().filter(|name| name.ends_with(".seg")).count();
    assert_eq!(segments, stats["segments"].as_array().unwrap().len(), "{names:?}");
    !met
}

#[test]
fn one_failure_anywhere() {
    let passed = (1..1_000).find(|at| play(*at, *at)).unwrap();
    assert!(passed > 30, "{passed} calls are too few to be the history");
}

#[test]
fn failures_from_somewhere_on() {
    (1..1_000).find(|at| play(*at, u64::MAX)).unwrap();
    (1..1_000).find(|at| play(*at, *at + 3)).unwrap();
}

/// A flush that fails and then a crash: what opens afterwards is whole, and what it leaves out is removed.
#[test]
fn a_crash_after_a_failure() {
    for first in 1..200 {
        let (env, plan, shared) = failing();
        let c = Client::open(&shared, "dir", &schema());
        c.upsert(&documents(0..5, 1)).unwrap();
        c.call("flush", json!({})).unwrap();
        c.upsert(&documents(3..9, 2)).unwrap();
        plan.fail(first, u64::MAX);
        let done = c.call("compact", json!({})).is_ok();
        let present = state(&c);
        // The machine stops: only the files are left.
        let files: Arc<dyn Env> = Arc::new(MemoryEnv::from_files(env.snapshot()).unwrap());
        let again = Client::open(&files, "dir", &schema());
        let found = state(&again);
        assert!(found == present || (!done && found.len() == 5), "failures from {first}");
        again.upsert(&documents(20..21, 3)).unwrap();
        again.call("flush", json!({})).unwrap();
        assert_eq!(again.call("verify", json!({})).unwrap()["problems"], json!([]));
        if plan.calls.load(Ordering::Relaxed) < first {
            return;
        }
    }
    panic!("the history never ends");
}

/// A writer replaces the files between a reader's look at the manifest and its look at them.
#[test]
fn a_reader_opens_beside_a_writer() {
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let writer = Arc::new(Client::open(&shared, "dir", &schema()));
    for at in 0..3 {
        writer.upsert(&documents(at * 4..at * 4 + 6, at)).unwrap();
        writer.call("flush", json!({})).unwrap();
    }
    let (present, left) = (state(&writer), AtomicU64::new(3));
    let beside = writer.clone();
    let hook = move |path: &str, op: &str| {
        if op == "read" && path.ends_with(".seg") && left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
            beside.upsert(&documents(0..1, 0)).unwrap();
            beside.call("compact", json!({})).unwrap();
        }
        Ok(())
    };
    let hooked: Arc<dyn Env> = Arc::new(Hooked { env, hook: Arc::new(hook) });
    let reader = Client::try_open(&hooked, json!({ "path": "dir", "readOnly": true })).unwrap();
    assert_eq!(state(&reader), present);
}
