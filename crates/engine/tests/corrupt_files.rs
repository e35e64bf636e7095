//! Damaged files, as a disk makes them: each byte of a small folder flipped, every file cut at every length, emptied, lost,
//! exchanged for another; random bytes of a larger one. With `verify: "full"` the answer is a typed error or the right one,
//! whoever opens; otherwise a typed error or any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../fuzz/src/seal.rs"]
mod seal;

use std::sync::Arc;

use bytes::Bytes;
use common::damaged::{Answers, Files, Way, bear, bear_bytes, bear_in, history};
use common::{Client, Dice, damaged, watched};
use serde_json::json;
use tercet_engine::wire::Code;
use tercet_store::{Env, FileEnv, MemoryEnv};

#[global_allocator]
static ALLOCATOR: watched::Watched = watched::Watched;

/// A folder and what is right to answer.
struct World {
    files: Files,
    /// After no, one and two batches of the log, to a writer and to a reader.
    right: [(Answers, Answers); 3],
    /// Of the version under the tag.
    old: Answers,
}

impl World {
    fn new(scale: usize) -> World {
        let states = history(scale);
        let answers = |files: &Files, way| {
            let answers = bear(files, way, &"a whole folder").unwrap();
            assert!(answers.problems.is_empty(), "{:?}", answers.problems);
            answers
        };
        let right = [0, 1, 2].map(|at| {
            let answers = (answers(&states[at], Way::WRITE_FULL), answers(&states[at], Way::READ_FULL));
            assert_eq!(answers.0.recovered, (at as u64, 0));
            answers
        });
        let old = answers(&states[2], Way::OLD_FULL);
        let [_, _, files] = states;
        World { files, right, old }
    }

    fn of(&self, ending: &str) -> Vec<usize> {
        (0..self.files.len()).filter(|at| self.files[*at].0.ends_with(ending)).collect()
    }

    /// The files with one of them changed.
    fn with(&self, at: usize, content: impl Into<Bytes>) -> Files {
        let mut files = self.files.clone();
        files[at].1 = content.into();
        files
    }

    /// Full verification: a typed error, or the right answers. `cut`: a log that ends early is not told from one that
    /// never had more.
    fn full(&self, files: &Files, cut: bool, what: &str) {
        let whole = self.right.len() - 1;
        if let Ok(answers) = bear(files, Way::WRITE_FULL, &what) {
            let (batches, dropped) = answers.recovered;
            assert!(
                batches as usize == whole || dropped > 0 || cut,
                "batches are missing in silence: {what}"
            );
            assert_eq!(answers.found, self.right[batches as usize].0.found, "a wrong answer: {what}");
        }
        if let Ok(answers) = bear(files, Way::READ_FULL, &what) {
            let mut possible = self.right.iter().map(|(_, to_a_reader)| &to_a_reader.found);
            assert!(possible.any(|found| *found == answers.found), "a wrong answer to a reader: {what}");
        }
    }

    fn full_old(&self, files: &Files, what: &str) {
        if let Ok(answers) = bear(files, Way::OLD_FULL, &what) {
            assert_eq!(answers.found, self.old.found, "a wrong answer of an old version: {what}");
        }
    }

    /// One damage, every way to open; of the lazy ones, one that `turn` chooses.
    fn damaged(&self, files: &Files, cut: bool, turn: usize, what: &str) {
        self.full(files, cut, what);
        if turn.is_multiple_of(2) {
            self.full_old(files, what);
        }
        if turn % 5 == 1 {
            damaged::repaired(files, &what);
        }
        let lazy = [Way::WRITE, Way::READ, Way::OLD];
        let _ = bear(files, lazy[turn % lazy.len()], &what);
    }
}

/// How much of what could be tried is tried: everything in the long run, a part of it spread evenly otherwise.
fn step(long: usize, short: usize) -> usize {
    if std::env::var_os("TERCET_LONG").is_some() { long } else { short }
}

#[test]
fn each_flipped_byte() {
    let world = World::new(1);
    damaged::repaired(&world.files, &"a whole folder");
    for (at, (name, bytes)) in world.files.iter().enumerate() {
        for place in (0..bytes.len()).step_by(step(1, 3)) {
            let masks: &[u8] = if step(1, 0) == 1 { &[0x01, 0x80, 0xff] } else { &[1 << (place % 8)] };
            for mask in masks {
                let mut bad = bytes.to_vec();
                bad[place] ^= mask;
                world.damaged(&world.with(at, bad), false, place, &format!("{name}: byte {place} ^ {mask}"));
            }
        }
    }
}

#[test]
fn every_length() {
    let world = World::new(1);
    for (at, (name, bytes)) in world.files.iter().enumerate() {
        for len in (0..bytes.len()).step_by(step(1, 5)) {
            let cut = name.ends_with("log");
            let what = format!("{name}: cut to {len}");
            world.damaged(&world.with(at, bytes.slice(..len)), cut, len, &what);
        }
        for more in [1, 8, 64, 4096, 65_536] {
            let long = [bytes.as_ref(), &vec![0; more]].concat();
            world.damaged(&world.with(at, long), false, more, &format!("{name}: {more} zeros more"));
            let twice = [bytes.as_ref(), &bytes[bytes.len().saturating_sub(more)..]].concat();
            world.damaged(&world.with(at, twice), false, more, &format!("{name}: {more} bytes twice"));
        }
    }
}

#[test]
fn empty_lost_and_newer_files() {
    let world = World::new(1);
    for (at, (name, bytes)) in world.files.iter().enumerate() {
        let files = world.with(at, Bytes::new());
        for turn in 0..6 {
            world.damaged(&files, name.ends_with("log"), turn, &format!("{name} is empty"));
        }
        let mut files = world.files.clone();
        files.remove(at);
        if name.ends_with("MANIFEST") {
            continue;
        }
        for way in [Way::READ, Way::OLD, Way::WRITE, Way::WRITE_FULL] {
            let result = bear(&files, way, &format!("{name} is lost"));
            match result {
                Ok(_) => assert!(way.old, "{name} {way:?}"),
                Err(error) => assert_eq!(error.code(), Code::Corrupt, "{name} {way:?}"),
            }
        }
        for frame in [0, bytes.len().saturating_sub(64)] {
            let mut newer = bytes.to_vec();
            newer[frame + 8] = 9;
            seal::any(&mut newer);
            let files = damaged::named_anew(&world.with(at, newer));
            if frame > 0 && name.ends_with("log") {
                continue;
            }
            let error = bear(&files, Way::WRITE, &format!("{name} is newer")).unwrap_err();
            assert_eq!(error.code(), Code::Version, "{name}: {error}");
        }
    }
    let at = world.of("MANIFEST")[0];
    let mut manifest = world.files[at].1.to_vec();
    manifest[8] = 9;
    seal::any(&mut manifest);
    let error = bear(&world.with(at, manifest), Way::READ, &"a newer manifest").unwrap_err();
    assert_eq!(error.code(), Code::Version);
}

/// A folder that lost its manifest is not taken for an empty one.
#[test]
fn what_has_no_manifest_is_not_begun_anew() {
    let world = World::new(1);
    let files: Files = world.files.iter().filter(|(name, _)| !name.ends_with("MANIFEST")).cloned().collect();
    let memory = MemoryEnv::from_files(files.clone()).unwrap();
    let env: Arc<dyn Env> = Arc::new(memory.clone());
    let error = Client::try_open(&env, json!({ "path": "dir", "schema": damaged::schema() })).err().unwrap();
    assert_eq!(error.code(), Code::Corrupt, "{error}");
    assert_eq!(memory.snapshot(), files);
}

/// Folders whose files could be taken for those of `World`: the same documents in another order, others of the same
/// number, and the same history at another time.
fn others() -> Vec<Files> {
    let make = |first: usize, back: bool| {
        let memory = MemoryEnv::with_host(first as u64 + u64::from(back), || 5);
        let env: Arc<dyn Env> = Arc::new(memory.clone());
        let c = Client::open(&env, "dir", &damaged::schema());
        let batch = |range: std::ops::Range<usize>| {
            let mut documents: Vec<_> = range.map(|n| damaged::document(first + n)).collect();
            if back {
                documents.reverse();
            }
            c.upsert(&documents).unwrap();
        };
        batch(0..10);
        c.call("tag", json!({ "name": "old" })).unwrap();
        batch(7..20);
        c.call("flush", json!({})).unwrap();
        batch(18..23);
        c.call("remove", json!({ "ids": [first + 1, first + 20] })).unwrap();
        memory.snapshot()
    };
    vec![make(0, true), make(100, false), make(0, false)]
}

#[test]
fn exchanged_files() {
    let world = World::new(1);
    let files = &world.files;
    for (a, (from, _)) in files.iter().enumerate() {
        for (b, (to, bytes)) in files.iter().enumerate() {
            if a != b {
                world.damaged(
                    &world.with(a, bytes.clone()),
                    false,
                    a + b,
                    &format!("{to} in place of {from}"),
                );
                let mut both = world.with(a, bytes.clone());
                both[b].1 = files[a].1.clone();
                world.damaged(&both, false, a + b, &format!("{to} and {from} exchanged"));
            }
        }
    }
    for other in others() {
        for (name, bytes) in other.iter().filter(|(name, _)| !name.ends_with("MANIFEST")) {
            let at = files.iter().position(|(mine, _)| mine == name).expect("the same files");
            for turn in 0..6 {
                world.damaged(&world.with(at, bytes.clone()), false, turn, &format!("another's {name}"));
            }
        }
    }
    // A log of another time: of the same folder, before and after.
    let log = world.of("log")[0];
    let mut dice = Dice::new(3);
    for _ in 0..20 {
        let mut bytes = files[log].1.to_vec();
        let identity = dice.next().to_le_bytes();
        bytes[12..20].copy_from_slice(&identity);
        seal::log(&mut bytes);
        let error = bear(&world.with(log, bytes), Way::WRITE, &"another log").unwrap_err();
        assert_eq!(error.code(), Code::Corrupt);
    }
}

#[test]
fn a_damaged_snapshot() {
    let world = World::new(1);
    let good = damaged::snapshot(&world.files);
    let right = bear_bytes(&good, Way::READ_FULL, &"a whole snapshot").unwrap();
    // A snapshot has the same documents in one segment: all that is found is found in the same order.
    assert_eq!(right.found, world.right[2].1.found);
    let damaged = |bytes: Vec<u8>, what: &str| {
        let bytes = Bytes::from(bytes);
        if let Ok(answers) = bear_bytes(&bytes, Way::READ_FULL, &what) {
            assert_eq!(answers.found, right.found, "a wrong answer: {what}");
        }
        let _ = bear_bytes(&bytes, Way::READ, &what);
    };
    for place in (0..good.len()).step_by(step(1, 2)) {
        let mut bad = good.to_vec();
        bad[place] ^= 1 << (place % 8);
        damaged(bad, &format!("byte {place}"));
        damaged(good[..place].to_vec(), &format!("cut to {place}"));
    }
    for (name, bytes) in &world.files {
        let error = bear_bytes(bytes, Way::READ, name).unwrap_err();
        assert_eq!(error.code(), Code::Corrupt, "{name}: {error}");
    }
    for frame in [0, good.len() - 64] {
        let mut newer = good.to_vec();
        newer[frame + 8] = 9;
        seal::any(&mut newer);
        let error = bear_bytes(&newer.into(), Way::READ, &"a newer snapshot").unwrap_err();
        assert_eq!(error.code(), Code::Version);
    }
}

/// A folder on the disk, removed on drop.
struct Disk(std::path::PathBuf);

impl Disk {
    fn new(name: &str) -> Disk {
        let dir = std::env::temp_dir().join(format!("tercet-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("dir")).unwrap();
        Disk(dir)
    }

    /// Writes the files as the folder's only ones.
    fn put(&self, files: &Files) {
        for entry in std::fs::read_dir(self.0.join("dir")).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, bytes) in files {
            std::fs::write(self.0.join(name), bytes).unwrap();
        }
    }

    fn path(&self) -> String {
        self.0.join("dir").to_str().unwrap().to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What lies in the folder beside the collection: it changes no answer, whatever it contains.
#[test]
fn locks_leases_and_strangers_decide_nothing() {
    let world = World::new(1);
    let disk = Disk::new("strangers");
    let env: Arc<dyn Env> = Arc::new(FileEnv::new());
    let names = [
        "LOCK",
        "LEASE.",
        "LEASE.2",
        "LEASE.2.0",
        "LEASE.2.0.0",
        "LEASE.99999999999999999999999999.a",
        "LEASE.-1.a",
        "LEASE.18446744073709551615.a",
        "LEASE..a",
        "MANIFEST.tmp",
        "0000000001.seg",
        "0000000099.log",
        "0000000099.del",
        "99999999999999999999999.seg",
        "9007199254740991.seg",
        "notes.txt",
        "0000000003.seg.damaged",
    ];
    for (turn, content) in
        ["", "1", "99999999999999999999", "-7", "\u{0}\u{1}x", "1 2 3\n"].iter().enumerate()
    {
        for name in names {
            let mut files = world.files.clone();
            files.push((format!("dir/{name}"), Bytes::from_static(content.as_bytes())));
            for (way, right) in [
                (Way::READ_FULL, &world.right[2].1),
                (Way::OLD, &world.old),
                (Way::WRITE_FULL, &world.right[2].0),
            ] {
                disk.put(&files);
                let answers = bear_in(&env, &disk.path(), way, &format!("{name} {turn}")).unwrap();
                assert_eq!(answers.found, right.found, "{name} {turn} {way:?}");
                assert_eq!(answers.problems, Vec::<serde_json::Value>::new(), "{name} {turn} {way:?}");
            }
        }
    }
}

/// Files of some hundred kilobytes, on the disk: those are mapped.
#[test]
fn random_damage_of_mapped_files() {
    let disk = Disk::new("mapped");
    let world = World::new(250);
    assert!(world.files.iter().any(|(_, bytes)| bytes.len() > 2 * 65_536));
    let env: Arc<dyn Env> = Arc::new(FileEnv::new());
    let path = disk.path();
    let mut dice = Dice::new(11);
    for round in 0..step(2_000, 60) {
        let at = dice.below(world.files.len());
        let mut bad = world.files[at].1.to_vec();
        for _ in 0..=dice.below(3) {
            let place = dice.below(bad.len());
            match dice.below(8) {
                0 => bad.truncate(place.max(1)),
                1 => bad[place..].iter_mut().take(4096).for_each(|byte| *byte = 0),
                _ => bad[place] ^= 1 << dice.below(8),
            }
        }
        let files = world.with(at, bad);
        let what = format!("round {round}: {}", files[at].0);
        for way in [Way::READ, Way::OLD, Way::WRITE] {
            disk.put(&files);
            let _ = bear_in(&env, &path, way, &what);
        }
        disk.put(&files);
        if let Ok(answers) = bear_in(&env, &path, Way::WRITE_FULL, &what) {
            let (batches, dropped) = answers.recovered;
            let cut = files[at].0.ends_with("log");
            assert!(batches == 2 || dropped > 0 || cut, "{what}");
            assert_eq!(answers.found, world.right[batches as usize].0.found, "{what}");
        }
    }
}
