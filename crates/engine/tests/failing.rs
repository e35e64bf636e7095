//! A disk that fails: every call of a history, once or from there on, for want of space, with an I/O error or with a
//! short read. The verb that meets the failure answers with a typed error and has changed nothing that is seen; the
//! collection answers and goes on; what power leaves at any moment holds every acknowledged batch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::known::{self, Known, Setting};
use common::oracle::{self, Kept, Step};
use common::{Client, Hooked, Says, runs};
use serde_json::json;
use tercet_engine::wire::TercetError;
use tercet_store::{Env, Fault, MemoryEnv, PowerCut, SimulatedEnv};

const MODES: [PowerCut; 3] = [PowerCut::Nothing, PowerCut::Everything, PowerCut::Random];

/// The first steps of the workload: batches of each size, removals, every verb that writes, and reopening.
const STEPS: usize = 15;
/// How often is looked at what power would leave.
const LOOKS_MAX: u32 = 5;

/// The codes that a failing disk may bring to light.
fn typed(error: &TercetError, fault: Fault) {
    let code = error.code().as_str();
    // A file that is shorter than it was is what a damaged one looks like.
    let expected =
        code == "ERR_IO" || (fault == Fault::ShortRead && ["ERR_CORRUPT", "ERR_VERSION"].contains(&code));
    assert!(expected, "{error}");
}

/// What power would leave now is among what is known, and takes writes.
fn left(env: &SimulatedEnv, setting: &Setting, known: &Known, seed: u64) {
    let mode = MODES[(seed % 3) as usize];
    let says = || format!("power cut: {mode:?}, seed {seed}");
    let _says = Says(&says);
    let env: Arc<dyn Env> = Arc::new(env.power_cycle(seed, mode));
    let client = setting.open(&env).unwrap();
    known.clone().found(&client);
    oracle::sound(&client);
    client.upsert(&[Kept::new(70, &[1], 1, 200).json()]).unwrap();
}

/// Plays the history with calls `first..=last` failing; false when no call met its failure.
fn play(first: u64, last: u64, fault: Fault, setting: &Setting) -> bool {
    let says = || format!("{fault:?} at {first}..={last}, {setting}");
    let _says = Says(&says);
    let env = SimulatedEnv::new(first);
    env.fail(first..=last, fault);
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    // Opening fails whole or not at all; with the failure gone it succeeds.
    let open = || {
        setting.open(&shared).unwrap_or_else(|error| {
            typed(&error, fault);
            env.heal();
            setting.open(&shared).unwrap()
        })
    };
    let mut client = open();
    let mut known = Known::empty();
    let mut looks = 0;
    for (step, at) in known::small().iter().take(STEPS).zip(0..) {
        match step {
            Some(step) => {
                if let Err(error) = known.step(&client, step, setting.durable) {
                    typed(&error, fault);
                    looks += 1;
                }
                let stored = oracle::stored(&client);
                assert!(oracle::is(&stored, known.present()), "{step:?}: {stored:?}\n{:?}", known.present());
            }
            None => {
                client.0.close();
                client = open();
                known.found(&client);
            }
        }
        // After the failure, and once things went on.
        if (1..=LOOKS_MAX).contains(&looks) {
            looks += 1;
            let says = || format!("after {step:?}, step {at}");
            let _says = Says(&says);
            left(&env, setting, &known, first + at);
        }
    }
    let met = env.call_count() >= first;
    // Space is back: everything works again.
    env.heal();
    oracle::check(&client, known.present());
    for step in [Step::upsert(&[(50, vec![1, 2], 1)], 1, 100), Step::Flush] {
        known.step(&client, &step, setting.durable).unwrap();
    }
    oracle::check(&client, known.present());
    oracle::sound(&client);
    known.check_tags(&shared, &setting.request);
    client.0.close();
    let again = setting.open(&shared).unwrap();
    oracle::check(&again, known.present());
    oracle::sound(&again);
    met
}

/// Fails at every call; where several fail, at every third, with `TERCET_TEST_RUNS` at every one.
fn every_call(fault: Fault, length: u64) {
    let setting = Setting::new(6 << 10, None);
    let stride = if length == 1 || runs(1) > 1 { 1 } else { 3 };
    let mut calls = (1..10_000).step_by(stride);
    let end = calls.find(|first| !play(*first, first.saturating_add(length - 1), fault, &setting)).unwrap();
    assert!(end > 100, "{end} calls are too few to be the history");
}

#[test]
fn no_space_at_one_call() {
    every_call(Fault::NoSpace, 1);
}

#[test]
fn no_space_from_some_call_on() {
    every_call(Fault::NoSpace, u64::MAX);
}

#[test]
fn an_error_at_one_call() {
    every_call(Fault::Io, 1);
}

#[test]
fn an_error_at_some_calls_together() {
    every_call(Fault::Io, 4);
}

#[test]
fn errors_from_some_call_on() {
    every_call(Fault::Io, u64::MAX);
}

#[test]
fn a_short_read() {
    every_call(Fault::ShortRead, 1);
}

/// A writer replaces the files between a reader's look at the manifest and its look at them.
#[test]
fn a_reader_opens_beside_a_writer() {
    let env = MemoryEnv::new();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let writer = Arc::new(Client::open(&shared, "dir", &oracle::schema()));
    let documents =
        |first: u8| (first..first + 6).map(|n| Kept::new(n, &[n % 12], 1, 0).json()).collect::<Vec<_>>();
    for first in [0, 4, 8] {
        writer.upsert(&documents(first)).unwrap();
        writer.call("flush", json!({})).unwrap();
    }
    let (present, left) = (oracle::stored(&writer).len(), AtomicU64::new(3));
    let beside = writer.clone();
    let hook = move |path: &str, op: &str| {
        if op == "read" && path.ends_with(".seg") && left.load(Ordering::Relaxed) > 0 {
            left.fetch_sub(1, Ordering::Relaxed);
            beside.upsert(&documents(0)).unwrap();
            beside.call("compact", json!({})).unwrap();
        }
        Ok(())
    };
    let hooked: Arc<dyn Env> = Arc::new(Hooked { env, hook: Arc::new(hook) });
    let reader = Client::try_open(&hooked, json!({ "path": "dir", "readOnly": true })).unwrap();
    assert_eq!(oracle::stored(&reader).len(), present);
}
