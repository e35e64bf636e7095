//! Power is cut after every single call of a workload, and at random in thousands of random ones. Whatever of the unsynced
//! bytes and names is lost, the folder opens again with exactly the batches that were acknowledged, or with one whole
//! batch more that was under way; every answer is the oracle's; and writing goes on.
//!
//! `TERCET_TEST_RUNS` multiplies the random workloads, `TERCET_POWER_SEED` plays one of them alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod common;

use std::sync::Arc;

use common::known::{self, Known, Setting};
use common::oracle::{self, State, Step};
use common::{Client, Dice, Says, runs};
use serde_json::json;
use tercet_store::{Env, PowerCut, SimulatedEnv};

/// Seeds of random workloads that failed once.
const REGRESSIONS: &[u64] = &[];
/// Calls and seeds of random cuts that failed once: a stale sector with a checksum of its own, inside a record.
const CUT_REGRESSIONS: &[(usize, u64)] = &[(211, 12_718)];

/// Every way to lose what may be lost after a call, the random one by several seeds.
fn cuts(call: usize) -> impl Iterator<Item = (PowerCut, u64)> {
    let fixed = [PowerCut::Nothing, PowerCut::Everything, PowerCut::Names, PowerCut::Bytes];
    let seeds = runs(3);
    let random = (0..seeds).map(move |at| (PowerCut::Random, call as u64 * seeds + at));
    let failed = CUT_REGRESSIONS.iter().filter(move |(of, _)| *of == call);
    let random = random.chain(failed.map(|(_, seed)| (PowerCut::Random, *seed)));
    fixed.into_iter().map(|cut| (cut, 0)).chain(random)
}

/// Opens after a cut, compares, goes on, and opens again.
fn recover(env: &SimulatedEnv, setting: &Setting, known: &mut Known, stamp: u32) {
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    // A reader sees what a writer will, and changes nothing.
    let seen = setting.open_to_read(&shared).map(|reader| oracle::stored(&reader));
    let client = setting.open(&shared).unwrap();
    known.found(&client);
    match seen {
        Ok(seen) => assert!(oracle::is(&seen, known.present()), "{seen:?}\n{:?}", known.present()),
        Err(error) => {
            assert_eq!(error.code().as_str(), "ERR_NOT_FOUND", "{error}");
            assert!(known.present().is_empty());
        }
    }
    oracle::check(&client, known.present());
    oracle::sound(&client);
    known.check_tags(&shared, &setting.request);
    // What was shown is not lost again.
    let env = env.power_cycle(stamp.into(), PowerCut::Nothing);
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let client = setting.open(&shared).unwrap();
    known.found(&client);
    for step in
        [Step::upsert(&[(1, vec![0, 3], 1), (60, vec![1, 1, 2], 0)], 9, stamp), Step::Remove(vec![0, 1])]
    {
        known.step(&client, &step, setting.durable).unwrap();
    }
    oracle::check(&client, known.present());
    client.call("flush", json!({})).unwrap();
    known.settle();
    client.0.close();
    let again = setting.open(&shared).unwrap();
    oracle::check(&again, known.present());
    oracle::sound(&again);
    again.0.close();
}

/// Plays a step; false when the power went during it, the one reason to fail.
fn played(known: &mut Known, client: &Client, env: &SimulatedEnv, step: &Step, setting: &Setting) -> bool {
    let result = known.step(client, step, setting.durable);
    if let Err(error) = &result {
        assert!(env.is_cut(), "{step:?}: {error}");
    }
    result.is_ok()
}

/// Plays the steps until the power goes; what is known then.
fn play(env: &SimulatedEnv, setting: &Setting, steps: &[Option<Step>]) -> Known {
    let mut known = Known::empty();
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let open = |known: &Known| match setting.open(&shared) {
        Ok(client) => {
            let stored = oracle::stored(&client);
            assert!(oracle::is(&stored, known.present()));
            Some(client)
        }
        Err(error) => {
            assert!(env.is_cut(), "{error}");
            None
        }
    };
    let Some(mut client) = open(&known) else {
        return known;
    };
    for step in steps {
        match step {
            Some(step) => {
                if !played(&mut known, &client, env, step, setting) {
                    return known;
                }
            }
            None => {
                if !played(&mut known, &client, env, &Step::Flush, setting) {
                    return known;
                }
                client.0.close();
                match open(&known) {
                    Some(again) => client = again,
                    None => return known,
                }
            }
        }
    }
    client.0.close();
    known
}

fn every_cut(setting: &Setting) {
    let steps = known::small();
    let whole = SimulatedEnv::new(1);
    play(&whole, setting, &steps);
    let calls = whole.calls();
    for cut in 0..=calls.len() {
        // A call that only looks leaves the disk as it was.
        if cut > 0 && !calls[cut - 1].changes() {
            continue;
        }
        let env = SimulatedEnv::new(1);
        env.cut_after(cut as u64);
        let known = play(&env, setting, &steps);
        // What was synced is lost or kept in the same ways with every setting.
        let usual = cuts(cut).filter(|(mode, _)| setting.durable || *mode == PowerCut::Random);
        // A manifest that is found names files that are found, whichever name was lost.
        let is_renamed = cut > 0 && calls[cut - 1].op == "rename";
        let names = if is_renamed { env.unsynced_names() } else { 0 };
        for (mode, seed) in usual.chain((0..names).map(|at| (PowerCut::AllButName(at), 0))) {
            let last = cut.checked_sub(1).map(|at| calls[at].to_string());
            let says = || format!("cut after call {cut} ({last:?}), {mode:?} by seed {seed}, {setting}");
            let _says = Says(&says);
            recover(&env.power_cycle(seed, mode), setting, &mut known.clone(), 100);
        }
    }
    assert!(calls.len() > 100, "{} calls are too few to be the workload", calls.len());
}

#[test]
fn power_is_cut_after_every_call() {
    every_cut(&Setting::new(8 << 10, None));
}

#[test]
fn power_is_cut_after_every_call_between_syncs() {
    every_cut(&Setting::new(8 << 10, Some(1_000_000_000)));
}

fn random_step(dice: &mut Dice, stamp: u32) -> Step {
    match dice.below(20) {
        0..=10 => Step::random_upsert(dice, stamp, 40),
        11 | 12 => Step::Remove((0..1 + dice.below(4)).map(|_| dice.below(48) as u8).collect()),
        13 => Step::RemoveWhere(dice.below(7) as i8 - 3),
        14 => Step::Flush,
        15 => Step::Compact,
        16 | 17 => Step::Sync,
        18 => Step::Tag(["x", "y"][dice.below(2)]),
        _ => Step::Untag(["x", "y"][dice.below(2)]),
    }
}

/// Several lives of one folder, each ended by a cut somewhere.
fn random_lives(seed: u64) {
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let log_bytes = [4 << 10, 16 << 10, 1 << 20][dice.below(3)];
    let interval = if dice.below(3) == 0 { Some(1_000_000_000) } else { None };
    let setting = Setting::new(log_bytes, interval);
    let mut env = SimulatedEnv::new(seed);
    let mut known = Known::empty();
    let mut stamp = 0;
    for life in 0..4 {
        let (cut, cycle) = (dice.below(120) as u64, dice.next());
        let mode = if dice.below(3) == 0 { cuts(0).nth(dice.below(4)).unwrap().0 } else { PowerCut::Random };
        let says = || format!("TERCET_POWER_SEED={seed}, life {life}: cut after {cut}, {mode:?}, {setting}");
        let _says = Says(&says);
        env.cut_after(cut);
        let shared: Arc<dyn Env> = Arc::new(env.clone());
        match setting.open(&shared) {
            Ok(client) => {
                known.found(&client);
                if setting.durable {
                    oracle::check(&client, known.present());
                }
                live(&client, &env, &setting, &mut known, &mut dice, &mut stamp);
            }
            Err(error) => assert!(env.is_cut(), "{error}"),
        }
        env = env.power_cycle(cycle, mode);
        let shared: Arc<dyn Env> = Arc::new(env.clone());
        if dice.below(2) == 0 {
            let client = setting.open(&shared).unwrap();
            known.found(&client);
            known.check_tags(&shared, &setting.request);
        }
        env = env.restart(cycle);
    }
    let says = || format!("TERCET_POWER_SEED={seed}, at the end, {setting}");
    let _says = Says(&says);
    recover(&env, &setting, &mut known, stamp + 1);
}

/// Random steps until the power goes, or the program ends without a word.
fn live(
    client: &Client,
    env: &SimulatedEnv,
    setting: &Setting,
    known: &mut Known,
    dice: &mut Dice,
    stamp: &mut u32,
) {
    for _ in 0..dice.below(30) {
        *stamp += 1;
        env.advance(dice.below(40_000) as u64);
        if !played(known, client, env, &random_step(dice, *stamp), setting) {
            return;
        }
    }
}

#[test]
fn random_workloads_and_cuts() {
    if let Ok(seed) = std::env::var("TERCET_POWER_SEED") {
        return random_lives(seed.parse().unwrap());
    }
    REGRESSIONS.iter().for_each(|seed| random_lives(*seed));
    (0..runs(300)).for_each(random_lives);
}

/// Threads that commit side by side share writes and syncs; each has its own ids. Whatever the group that the cut hit,
/// every thread finds its acknowledged batches and at most one whole one more.
fn commits_of_threads(seed: u64) {
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let setting = Setting::new([8 << 10, 1 << 20][dice.below(2)], None);
    let env = SimulatedEnv::new(seed);
    let shared: Arc<dyn Env> = Arc::new(env.clone());
    let client = setting.open(&shared).unwrap();
    env.cut_after(env.call_count() + dice.below(150) as u64);
    let batch = |thread: u8, at: u32| {
        let ids =
            (0..1 + at % 3).map(|n| (thread * 50 + ((at * 7 + n) % 50) as u8, vec![(at % 12) as u8], 1));
        Step::upsert(&ids.collect::<Vec<_>>(), 9, at)
    };
    let write = |thread: u8| {
        let mut kept = State::new();
        for at in 0..200 {
            let step = batch(thread, at);
            let mut next = kept.clone();
            step.apply(&mut next);
            if step.run(&client, &kept).is_err() {
                assert!(env.is_cut());
                return (kept, next);
            }
            kept = next;
        }
        (kept.clone(), kept)
    };
    let threads: Vec<(State, State)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn({
                    let write = &write;
                    move || write(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (mode, cycle) in cuts(seed as usize) {
        let says = || format!("threads by seed {seed}, {mode:?} by seed {cycle}, {setting}");
        let _says = Says(&says);
        let env: Arc<dyn Env> = Arc::new(env.power_cycle(cycle, mode));
        let client = setting.open(&env).unwrap();
        let stored = oracle::stored(&client);
        let mut count = 0;
        for (kept, more) in &threads {
            let of = |state: &State| {
                let own: Vec<_> =
                    stored.iter().filter(|d| state.iter().any(|k| k.id == d["id"])).cloned().collect();
                oracle::is(&own, state).then_some(own.len())
            };
            count +=
                of(more).or_else(|| of(kept)).unwrap_or_else(|| panic!("{stored:?}\n{kept:?}\n{more:?}"));
        }
        assert_eq!(count, stored.len());
        oracle::sound(&client);
    }
}

#[test]
fn threads_that_commit_side_by_side() {
    (0..runs(30)).for_each(commits_of_threads);
}
