//! The simulated disk loses what was not synced, and nothing else: code that forgets a sync is found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::put;
use tercet_store::{
    Call, Env, Fault, LogWriter, PowerCut, SimulatedEnv, StoreError, read_log, read_manifest, write_manifest,
};

const CUTS: [PowerCut; 5] =
    [PowerCut::Nothing, PowerCut::Everything, PowerCut::Names, PowerCut::Bytes, PowerCut::Random];

fn env() -> SimulatedEnv {
    let env = SimulatedEnv::new(1);
    env.create_dir_all("d").unwrap();
    env
}

fn write(env: &dyn Env, path: &str, bytes: &[u8]) {
    env.create(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn what_was_not_synced_is_lost_and_what_was_is_kept() {
    let env = env();
    put(&env, "d/synced", b"bytes");
    put(&env, "d/unnamed", b"bytes");
    env.sync_dir("d").unwrap();
    env.rename("d/unnamed", "d/renamed").unwrap();
    let mut file = env.create("d/appended").unwrap();
    file.write_all(b"first").unwrap();
    file.sync().unwrap();
    env.sync_dir("d").unwrap();
    file.write_all(b" second").unwrap();
    write(&env, "d/new", b"new");
    env.remove("d/synced").unwrap();
    let shown = |cut| {
        let after = env.power_cycle(3, cut);
        let read =
            |name: &String| String::from_utf8(after.read(&format!("d/{name}")).unwrap().to_vec()).unwrap();
        let names = after.list("d").unwrap();
        names.iter().map(|name| format!("{name}={}", read(name))).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(shown(PowerCut::Nothing), "appended=first, renamed=bytes, synced=bytes");
    assert_eq!(shown(PowerCut::Everything), "appended=first second, new=new, renamed=bytes");
    assert_eq!(shown(PowerCut::Names), "appended=first, new=, renamed=bytes");
    assert_eq!(shown(PowerCut::Bytes), "appended=first second, renamed=bytes, synced=bytes");
    assert_eq!(env.unsynced_names(), 2);
    assert_eq!(shown(PowerCut::AllButName(0)), "appended=first second, renamed=bytes");
}

/// Bytes and names that were synced are there whatever the seed; of the others every combination turns up.
#[test]
fn chance_loses_anything_that_may_be_lost() {
    let env = env();
    let mut file = env.create("d/log").unwrap();
    file.write_all(&[1; 700]).unwrap();
    file.sync().unwrap();
    env.sync_dir("d").unwrap();
    file.write_all(&[2; 1500]).unwrap();
    file.write_all(&[3; 1500]).unwrap();
    env.rename("d/log", "d/moved").unwrap();
    write(&env, "d/other", &[9; 4000]);
    let (mut holes, mut torn, mut whole, mut longer, mut stale) = (0, 0, 0, 0, 0);
    let (mut moved, mut stayed, mut both, mut neither) = (0, 0, 0, 0);
    for seed in 0..2_000 {
        let after = env.power_cycle(seed, PowerCut::Random);
        let names = after.list("d").unwrap();
        let is = |name: &str| names.iter().any(|other| other == name);
        assert!(is("log") != is("moved"), "a rename is atomic: {names:?}");
        let bytes = after.read(if is("log") { "d/log" } else { "d/moved" }).unwrap();
        assert!(bytes.len() >= 700 && bytes.len() <= 3_700);
        assert!(bytes[..700].iter().all(|byte| *byte == 1));
        let second = bytes.get(700..2_200).unwrap_or_default();
        let count = |range: &[u8], wanted| range.iter().filter(|byte| **byte == wanted).count();
        let third = count(&bytes[700..], 3);
        holes += u32::from(third > 100 && count(second, 2) < 1_500);
        torn += u32::from((100..1_400).contains(&count(second, 2)));
        whole += u32::from(bytes.len() == 3_700 && count(second, 2) == 1_500 && third == 1_500);
        longer += u32::from(bytes.len() == 3_700 && third < 100);
        stale += u32::from(count(&bytes[700..], 9) > 100);
        match (is("moved"), is("other")) {
            (true, true) => both += 1,
            (true, false) => moved += 1,
            (false, true) => stayed += 1,
            (false, false) => neither += 1,
        }
    }
    for count in [holes, torn, whole, longer, stale, moved, stayed, both, neither] {
        assert!(count > 20, "{holes} {torn} {whole} {longer} {stale}; {moved} {stayed} {both} {neither}");
    }
}

/// Saves a file by renaming over it, with or without each of the syncs; true if some cut and seed lost the old state
/// and the new one.
fn loses(sync_bytes: bool, sync_names: bool) -> bool {
    let run = |cut: Option<u64>| {
        let env = env();
        put(&env, "d/file", b"old");
        env.sync_dir("d").unwrap();
        let base = env.call_count();
        cut.iter().for_each(|n| env.cut_after(base + n));
        let save = || -> Result<(), StoreError> {
            let mut file = env.create("d/temp")?;
            file.write_all(b"new")?;
            if sync_bytes {
                file.sync()?;
            }
            env.rename("d/temp", "d/file")?;
            if sync_names {
                env.sync_dir("d")?;
            }
            Ok(())
        };
        let saved = save().is_ok();
        (env, saved)
    };
    (0..8).chain([1_000]).any(|cut| {
        let (env, saved) = run(Some(cut));
        CUTS.iter().flat_map(|cut| (0..50).map(move |seed| (*cut, seed))).any(|(cut, seed)| {
            let bytes = env.power_cycle(seed, cut).read("d/file").unwrap();
            let good = if saved { &bytes[..] == b"new" } else { [&b"old"[..], b"new"].contains(&&bytes[..]) };
            !good
        })
    })
}

#[test]
fn a_forgotten_sync_is_found_out() {
    assert!(loses(false, true), "the bytes were not synced");
    assert!(loses(true, false), "the names were not synced");
    assert!(loses(false, false));
    assert!(!loses(true, true));
}

#[test]
fn a_manifest_is_the_old_one_or_the_new_one() {
    for cut in 0..20 {
        let env = env();
        write_manifest(&env, "d", b"old").unwrap();
        let base = env.call_count();
        env.cut_after(base + cut);
        let saved = write_manifest(&env, "d", b"new").is_ok();
        assert_eq!(env.is_cut(), !saved);
        for (mode, seed) in CUTS.iter().flat_map(|mode| (0..20).map(move |seed| (*mode, seed))) {
            let after = env.power_cycle(seed, mode);
            let found = read_manifest(&after, "d").unwrap().unwrap();
            assert!(found == b"new" || (!saved && found == b"old"), "{cut} {mode:?} {seed}");
            write_manifest(&after, "d", b"third").unwrap();
            let after = after.power_cycle(seed, PowerCut::Nothing);
            assert_eq!(read_manifest(&after, "d").unwrap().unwrap(), b"third");
        }
        if saved {
            return;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_sync_after_a_failed_one_promises_nothing() {
    let env = env();
    let mut file = env.create("d/file").unwrap();
    env.sync_dir("d").unwrap();
    file.write_all(b"doubtful").unwrap();
    let next = env.call_count() + 1;
    env.fail(next..=next, Fault::Io);
    file.sync().unwrap_err();
    file.write_all(b" sure").unwrap();
    file.sync().unwrap();
    assert_eq!(&env.read("d/file").unwrap()[..], b"doubtful sure");
    let after = env.power_cycle(0, PowerCut::Nothing);
    assert_eq!(&after.read("d/file").unwrap()[..], b"\0\0\0\0\0\0\0\0 sure");
}

#[test]
fn calls_fail_as_they_are_told() {
    let env = env();
    put(&env, "d/file", b"0123456789");
    env.sync_dir("d").unwrap();
    assert_eq!(env.calls().last(), Some(&Call { op: "sync_dir", path: "d".to_owned() }));
    let next = env.call_count() + 1;
    env.fail(next..=next, Fault::ShortRead);
    assert!(env.read("d/file").unwrap().len() < 10);
    assert_eq!(env.read("d/file").unwrap().len(), 10);
    let next = env.call_count() + 1;
    env.fail(next..=u64::MAX, Fault::NoSpace);
    assert!(matches!(env.create("d/other"), Err(StoreError::NoSpace { op: "create", .. })));
    assert!(matches!(env.rename("d/file", "d/a"), Err(StoreError::NoSpace { .. })));
    assert_eq!(env.read("d/file").unwrap().len(), 10);
    env.remove("d/file").unwrap();
    env.heal();
    let mut file = env.create("d/other").unwrap();
    let next = env.call_count() + 1;
    env.fail(next..=next, Fault::Io);
    assert!(matches!(file.write_all(&[7; 100]), Err(StoreError::Io { op: "write", .. })));
    assert!(env.size("d/other").unwrap() <= 100);
}

#[test]
fn without_power_nothing_answers() {
    let env = env();
    let mut file = env.create("d/file").unwrap();
    let guard = env.lock("d/LOCK").unwrap();
    env.cut_after(env.call_count());
    assert!(!env.is_cut());
    file.write_all(b"late").unwrap_err();
    file.sync().unwrap_err();
    env.sync_dir("d").unwrap_err();
    env.read("d/file").unwrap_err();
    assert!(env.is_cut());
    let after = env.power_cycle(0, PowerCut::Everything);
    assert!(after.read("d/file").unwrap().is_empty());
    // No lock outlives its process.
    drop(after.lock("d/LOCK").unwrap());
    drop(guard);
}

#[test]
fn a_killed_process_loses_nothing_until_the_power_goes() {
    let env = env();
    let mut file = env.create("d/file").unwrap();
    env.sync_dir("d").unwrap();
    file.write_all(b"synced").unwrap();
    file.sync().unwrap();
    file.write_all(b" and not").unwrap();
    write(&env, "d/other", b"bytes");
    let guard = env.lock("d/LOCK").unwrap();
    let next = env.restart(1);
    file.write_all(b"elsewhere").unwrap();
    drop(next.lock("d/LOCK").unwrap());
    drop(guard);
    assert_eq!(&next.read("d/file").unwrap()[..], b"synced and not");
    assert_eq!(&next.read("d/other").unwrap()[..], b"bytes");
    let after = next.power_cycle(0, PowerCut::Nothing);
    assert_eq!(after.list("d").unwrap(), ["file"]);
    assert_eq!(&after.read("d/file").unwrap()[..], b"synced");
}

/// Writes groups of records and syncs after some of them. What was appended and how much of it was synced.
fn write_log(env: &SimulatedEnv, seed: u64, synced: &mut usize) -> Result<(), StoreError> {
    let dice = SimulatedEnv::new(seed);
    let mut log = LogWriter::create(env, "d/log", 7)?;
    let mut appended = 0;
    for _ in 0..12 {
        let group: Vec<Vec<u8>> =
            (0..1 + dice.random_u64() % 3).map(|at| record(appended + at as usize)).collect();
        appended += group.len();
        log.append(&group.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        if !dice.random_u64().is_multiple_of(3) {
            log.sync()?;
            *synced = appended;
        }
    }
    Ok(())
}

fn record(at: usize) -> Vec<u8> {
    let dice = SimulatedEnv::new(at as u64);
    (0..dice.random_u64() % 1500).map(|_| dice.random_u64() as u8).collect()
}

/// What a power cut leaves of a log is its first records, all that were synced among them, and never an error.
#[test]
fn a_log_keeps_what_was_synced_and_a_prefix_of_the_rest() {
    for seed in 0..4 {
        for cut in 0.. {
            let env = env();
            let base = env.call_count();
            env.cut_after(base + cut);
            let mut synced = 0;
            let done = write_log(&env, seed, &mut synced).is_ok();
            for (mode, cycle) in CUTS.iter().flat_map(|mode| (0..12).map(move |cycle| (*mode, cycle))) {
                let after = env.power_cycle(cycle, mode);
                let found = match read_log(&after, "d/log", 7, 0) {
                    Ok(contents) => contents.records,
                    // Not even its beginning was durable.
                    Err(_) if synced == 0 && cut < 5 => continue,
                    Err(error) => panic!("seed {seed}, cut {cut}, {mode:?} {cycle}: {error}"),
                };
                assert!(found.len() >= synced, "seed {seed}, cut {cut}, {mode:?} {cycle}");
                for (at, bytes) in found.iter().enumerate() {
                    assert_eq!(
                        bytes[..],
                        record(at),
                        "seed {seed}, cut {cut}, {mode:?} {cycle}, record {at}"
                    );
                }
            }
            if done {
                break;
            }
        }
    }
}

/// A read that comes short is never taken for the end of the log.
#[test]
fn a_log_that_is_read_short_is_not_a_shorter_log() {
    let env = env();
    write_log(&env, 1, &mut 0).unwrap();
    let whole = read_log(&env, "d/log", 7, 0).unwrap();
    for _ in 0..200 {
        for ahead in 1..6 {
            let next = env.call_count() + ahead;
            env.fail(next..=next, Fault::ShortRead);
            if let Ok(contents) = read_log(&env, "d/log", 7, 0) {
                assert!(contents == whole, "{} records of {}", contents.records.len(), whole.records.len());
            }
            env.heal();
        }
    }
}

#[test]
fn runs_repeat_by_their_seed() {
    let run = |seed| {
        let env = SimulatedEnv::new(seed);
        env.create_dir_all("d/e").unwrap();
        for at in 0..6 {
            write(&env, &format!("d/{at}"), &[at; 900]);
        }
        let after = env.power_cycle(seed, PowerCut::Random);
        let names = after.list("d").unwrap();
        let files: Vec<_> =
            names.iter().filter(|name| *name != "e").map(|n| after.read(&format!("d/{n}"))).collect();
        let files: Vec<_> = files.into_iter().map(Result::unwrap).collect();
        (names, files, env.random_u64(), env.now_ms(), after.random_u64(), after.now_ms())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
    assert!(run(5).5 >= run(5).3);
}
