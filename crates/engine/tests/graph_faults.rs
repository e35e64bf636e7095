//! Power cuts and failing calls in a workload whose segments have graphs: they are made beside and after the commits, so
//! that a cut finds files half made, and a collection that opens again may be without a graph but never without a document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Client, Dice, Says};
use serde_json::{Value, json};
use tercet_engine::wire::TercetError;
use tercet_store::{Env, Fault, PowerCut, SimulatedEnv};

/// Enough for a graph.
const MANY: u64 = 1_040;

fn open(env: &SimulatedEnv) -> Result<Client, TercetError> {
    let schema = json!({ "fields": { "v": { "type": "dense", "dims": 3, "metric": "l2",
        "index": { "kind": "hnsw", "m": 4, "efConstruction": 8, "codec": "lvq8" } } } });
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    Client::try_open(&shared, json!({ "path": "folder", "schema": schema, "retainMs": 0 }))
}

fn documents(ids: std::ops::Range<u64>, seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let mut vector = || -> Vec<f64> { (0..3).map(|_| dice.below(1_000) as f64 / 500.0 - 1.0).collect() };
    ids.map(|id| json!({ "id": id, "v": vector() })).collect()
}

type Ids = BTreeSet<u64>;

/// The workload: what each step does, and the ids that are there after it.
fn steps() -> Vec<(&'static str, Ids)> {
    let all: Ids = (0..MANY).collect();
    let more: Ids = (0..MANY + 20).collect();
    let fewer: Ids = more.iter().copied().filter(|id| !(10..40).contains(id)).collect();
    vec![
        ("many", all.clone()),
        ("flush", all),
        ("more", more.clone()),
        ("flush", more),
        ("remove", fewer.clone()),
        ("compact", fewer),
    ]
}

fn step(client: &Client, what: &str) -> Result<(), TercetError> {
    match what {
        "many" => client.upsert_chunks(&documents(0..MANY, 3), 300).map(drop),
        "more" => client.upsert(&documents(MANY - 5..MANY + 20, 5)).map(drop),
        "remove" => client.call("remove", json!({ "ids": (10..40).collect::<Vec<u32>>() })).map(drop),
        verb => client.call(verb, json!({})).map(drop),
    }
}

fn ids(client: &Client, query: Value) -> Vec<u64> {
    let found = client.ids(json!({ "query": query, "limit": 2_000, "select": [] }));
    found.iter().map(|id| id.as_u64().unwrap()).collect()
}

/// What is there is one of the states, and is searched: all that a wide search finds is there, and once.
fn check(client: &Client, states: &[&Ids]) {
    let there: Ids = ids(client, json!({ "kind": "all" })).into_iter().collect();
    assert!(states.iter().any(|state| **state == there), "{} documents", there.len());
    let near = json!({ "kind": "near", "field": "v", "vector": [0.1, 0.2, -0.3], "k": 50, "ef": 400 });
    let found = ids(client, near);
    let distinct: Ids = found.iter().copied().collect();
    assert_eq!((found.len(), distinct.len()), (there.len().min(50), found.len()));
    assert!(distinct.is_subset(&there));
}

/// Runs the workload; the number of the step that failed.
fn play(env: &SimulatedEnv) -> Result<(), usize> {
    let client = open(env).map_err(|_| 0usize)?;
    for (at, (what, _)) in steps().iter().enumerate() {
        step(&client, what).map_err(|_| at)?;
    }
    Ok(())
}

/// The states that may be found when a step has failed.
fn possible(states: &[(&'static str, Ids)], failed: usize) -> Vec<Ids> {
    let before = failed.checked_sub(1).map_or_else(Ids::new, |at| states[at].1.clone());
    vec![before, states[failed].1.clone()]
}

#[test]
fn a_power_cut_at_any_call_loses_no_document_and_no_answer() {
    let whole = SimulatedEnv::new(1);
    play(&whole).unwrap();
    let client = open(&whole).unwrap();
    let page = json!({ "query": { "kind": "near", "field": "v", "vector": [0, 0, 0] }, "explain": true });
    let page = client.call("search", page).unwrap();
    assert_eq!(page["explain"]["plan"][0]["segments"][0]["path"], "graph", "the workload makes graphs");
    let (calls, states) = (whole.calls(), steps());
    for cut in (0..calls.len()).filter(|cut| *cut == 0 || calls[cut - 1].changes()) {
        let env = SimulatedEnv::new(1);
        env.cut_after(cut as u64);
        let ended = play(&env);
        for (mode, seed) in [(PowerCut::Nothing, 0), (PowerCut::Random, cut as u64)] {
            let says = || format!("cut after call {cut}, {mode:?} by seed {seed}, in step {ended:?}");
            let _says = Says(&says);
            let env = env.power_cycle(seed, mode);
            let client = open(&env).unwrap();
            let possible = match ended {
                Ok(()) => vec![states[states.len() - 1].1.clone()],
                Err(failed) => possible(&states, failed),
            };
            check(&client, &possible.iter().collect::<Vec<_>>());
            assert_eq!(client.call("verify", json!({})).unwrap()["problems"], json!([]));
            client.upsert(&documents(5_000..5_002, 9)).unwrap();
        }
    }
}

#[test]
fn a_call_that_fails_is_an_error_and_the_collection_goes_on() {
    let whole = SimulatedEnv::new(1);
    play(&whole).unwrap();
    let calls = whole.calls().len() as u64;
    for fault in [Fault::Io, Fault::NoSpace] {
        for call in (0..calls).step_by(3) {
            let says = || format!("{fault:?} at call {call}");
            let _says = Says(&says);
            let env = SimulatedEnv::new(1);
            env.fail(call..=call, fault);
            let states = steps();
            let Ok(client) = open(&env) else { continue };
            let mut there = Ids::new();
            for (what, state) in &states {
                match step(&client, what) {
                    Ok(()) => there.clone_from(state),
                    Err(error) => {
                        assert_eq!(error.code().as_str(), "ERR_IO", "{error}");
                        check(&client, &[&there]);
                        env.heal();
                        step(&client, what).unwrap();
                        there.clone_from(state);
                    }
                }
            }
            check(&client, &[&there]);
        }
    }
}
