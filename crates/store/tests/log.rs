//! The log gives back what was appended; a torn tail ends it early, and damage before that is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use common::{TempDir, on_each_env, put};
use proptest::prelude::*;
use tercet_store::{
    Env, FileEnv, FileWriter, LockGuard, LogContents, LogWriter, MemoryEnv, StoreError, join, read_log,
};

const IDENTITY: u64 = 0x0123_4567_89ab_cdef;
const HEADER: usize = 64;
const ENTRY: usize = 32;

/// What a writer did: groups of records, each synced or not.
type Groups = Vec<(Vec<Vec<u8>>, bool)>;

/// A log's bytes, and what the test knows about them.
struct Written {
    bytes: Vec<u8>,
    records: Vec<Vec<u8>>,
    /// Begin, end and claim of every entry, by docs/format.md.
    entries: Vec<(usize, usize, u64)>,
    /// How much was durable at the end.
    durable: usize,
    /// How many records were.
    durable_records: usize,
}

fn write(groups: &Groups) -> Written {
    let env = MemoryEnv::new();
    let mut log = LogWriter::create(&env, "log", IDENTITY).unwrap();
    let (mut records, mut durable, mut durable_records) = (Vec::new(), HEADER, 0);
    for (group, sync) in groups {
        let slices: Vec<&[u8]> = group.iter().map(Vec::as_slice).collect();
        log.append(&slices).unwrap();
        records.extend(group.iter().cloned());
        let before = log.len() as usize;
        if *sync {
            log.sync().unwrap();
        }
        if log.len() as usize > before {
            (durable, durable_records) = (before, records.len());
        }
    }
    let bytes = env.read("log").unwrap().to_vec();
    assert_eq!(bytes.len() as u64, log.len());
    let (mut entries, mut at) = (Vec::new(), HEADER);
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let claim = u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap());
        let end = at + ENTRY + len.next_multiple_of(8);
        entries.push((at, end, claim));
        at = end;
    }
    Written { bytes, records, entries, durable, durable_records }
}

fn read(bytes: &[u8]) -> Result<LogContents, StoreError> {
    let env = MemoryEnv::from_files([("log", Bytes::copy_from_slice(bytes))]).unwrap();
    read_log(&env, "log", IDENTITY, 0)
}

/// The records are these, and reading ended with this many bytes left.
fn assert_reads(read: &Result<LogContents, StoreError>, records: &[Vec<u8>], dropped: usize, what: &str) {
    let read = read.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read.records, records, "{what}");
    assert_eq!(read.dropped, dropped as u64, "{what}");
}

fn is_corrupt<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { file, .. }) if file == "log")
}

fn small() -> Written {
    let record = |len: usize, byte: u8| vec![byte; len];
    write(&vec![
        (vec![record(5, 1), record(0, 0), record(8, 2)], true),
        (vec![record(17, 3)], false),
        (vec![record(40, 4), record(3, 5)], true),
        (vec![record(9, 6)], false),
    ])
}

#[test]
fn what_was_appended_is_read_and_reading_goes_on() {
    on_each_env(|env, dir| {
        let path = join(dir, "0000000001.log");
        let mut log = LogWriter::create(&*env, &path, IDENTITY).unwrap();
        assert!(log.is_empty());
        let first = read_log(&*env, &path, IDENTITY, 0).unwrap();
        assert_eq!((first.records.len(), first.end, first.dropped), (0, 64, 0));
        log.append(&[b"one", b"", b"three"]).unwrap();
        let second = read_log(&*env, &path, IDENTITY, first.end).unwrap();
        assert_eq!(second.records, [&b"one"[..], b"", b"three"]);
        log.sync().unwrap();
        log.append(&[]).unwrap();
        let len = log.len();
        log.sync().unwrap();
        assert_eq!(log.len(), len, "nothing was appended, so nothing needs a sync");
        log.append(&[&[7; 100_000]]).unwrap();
        log.append(&[b"five"]).unwrap();
        let third = read_log(&*env, &path, IDENTITY, second.end).unwrap();
        assert_eq!(third.records, [&[7u8; 100_000][..], b"five"]);
        assert_eq!(third.end, log.len());
        assert_eq!(read_log(&*env, &path, IDENTITY, third.end).unwrap().records.len(), 0);
        let all = read_log(&*env, &path, IDENTITY, 0).unwrap();
        assert_eq!((all.records.len(), all.end, all.dropped), (5, log.len(), 0));
        assert!(matches!(LogWriter::create(&*env, &path, 1), Err(StoreError::Exists { .. })));
    });
}

#[test]
fn a_log_that_is_cut_anywhere_gives_its_whole_entries() {
    let log = small();
    for len in 0..=log.bytes.len() {
        let result = read(&log.bytes[..len]);
        if len < HEADER {
            assert!(is_corrupt(&result), "{len}: {result:?}");
            continue;
        }
        let end = log.entries.iter().map(|entry| entry.1).filter(|&end| end <= len).max().unwrap_or(HEADER);
        let whole = read(&log.bytes[..end]).unwrap().records;
        assert_eq!(&log.records[..whole.len()], whole, "{len}");
        assert_reads(&result, &log.records[..whole.len()], len - end, &format!("cut to {len}"));
        // A file may have been made longer before its bytes arrived.
        for filler in [0, 0xff] {
            let mut longer = log.bytes[..len].to_vec();
            longer.resize(log.bytes.len() + 100, filler);
            let result = read(&longer);
            if result.as_ref().unwrap().records.len() > whole.len() {
                continue; // The bytes cut off were zeros.
            }
            assert_reads(&result, &whole_vec(&whole), longer.len() - end, &format!("cut to {len}, {filler}"));
        }
    }
}

fn whole_vec(records: &[Bytes]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.to_vec()).collect()
}

#[test]
fn every_flipped_byte_is_corrupt_where_it_was_durable_and_torn_where_it_was_not() {
    let log = small();
    for at in 0..log.bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bad = log.bytes.clone();
            bad[at] ^= mask;
            let result = read(&bad);
            let what = format!("byte {at}, mask {mask:#x}: {result:?}");
            let Some(hit) = log.entries.iter().position(|entry| (entry.0..entry.1).contains(&at)) else {
                assert!(is_corrupt(&result), "{what}");
                continue;
            };
            let begin = log.entries[hit].0;
            if log.entries[hit + 1..].iter().any(|entry| entry.2 > begin as u64) {
                assert!(is_corrupt(&result), "{what}");
                assert!(result.unwrap_err().to_string().contains(&format!("byte {begin}")), "{what}");
            } else {
                let before = read(&log.bytes[..begin]).unwrap().records;
                assert_reads(&result, &whole_vec(&before), bad.len() - begin, &what);
            }
        }
    }
}

#[test]
fn another_log_an_older_end_and_a_newer_version_are_refused() {
    let env = MemoryEnv::new();
    let mut log = LogWriter::create(&env, "log", IDENTITY).unwrap();
    log.append(&[b"record"]).unwrap();
    let error = read_log(&env, "log", IDENTITY + 1, 0).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }));
    assert!(error.to_string().contains("0123456789abcdef"), "{error}");
    assert!(is_corrupt(&read_log(&env, "log", IDENTITY, log.len() + 8)));
    for odd in [1, 63, 65, u64::MAX] {
        assert!(matches!(read_log(&env, "log", IDENTITY, odd), Err(StoreError::Invalid { .. })));
    }
    assert!(matches!(read_log(&env, "none", IDENTITY, 0), Err(StoreError::NotFound { .. })));

    let header = |version: u32| {
        let mut bytes = env.read("log").unwrap().to_vec();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        read(&bytes)
    };
    assert_eq!(header(1).unwrap().records, [&b"record"[..]]);
    assert!(is_corrupt(&header(0)));
    assert!(matches!(header(2), Err(StoreError::Version { found: 2, supported: 1, .. })));
}

/// An entry as docs/format.md describes it, with checksums that fit whatever it claims.
fn entry(place: u64, len: u32, kind: u32, sequence: u64, durable: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&durable.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    let mut covered = IDENTITY.to_le_bytes().to_vec();
    covered.extend_from_slice(&place.to_le_bytes());
    covered.extend_from_slice(&bytes);
    bytes.extend_from_slice(&crc32c::crc32c(&covered).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn hostile_entries_are_refused_or_dropped() {
    let header = write(&Vec::new()).bytes;
    let with = |parts: &[Vec<u8>]| read(&[header.clone(), parts.concat()].concat());
    let good = entry(64, 3, 1, 0, 64, b"abc\0\0\0\0\0");
    assert_reads(&with(std::slice::from_ref(&good)), &[b"abc".to_vec()], 0, "good");
    for len in [9, 16, 1 << 20, u32::MAX - 7, u32::MAX] {
        let bad = entry(64, len, 1, 0, 64, &[0; 8]);
        assert_reads(&with(&[bad]), &[], 40, &format!("length {len}"));
    }
    for (what, bad) in [
        ("kind 0", entry(64, 0, 0, 0, 64, &[])),
        ("kind 3", entry(64, 0, 3, 0, 64, &[])),
        ("durable before the header's end", entry(64, 0, 1, 0, 63, &[])),
        ("durable past itself", entry(64, 0, 1, 0, 65, &[])),
        ("durable far past itself", entry(64, 0, 2, 0, u64::MAX, &[])),
        ("another place", entry(72, 0, 1, 0, 64, &[])),
    ] {
        assert_reads(&with(&[bad]), &[], 32, what);
    }
    assert_reads(&with(&[entry(64, 8, 2, 0, 64, &[0; 8])]), &[], 40, "a mark with a record");
    // Sequences without an end, and with a gap.
    assert!(is_corrupt(&with(&[entry(64, 0, 1, 1, 64, &[])])));
    assert!(is_corrupt(&with(&[good.clone(), entry(104, 0, 1, 2, 64, &[])])));
    assert!(is_corrupt(&with(&[good, entry(104, 0, 1, 0, 64, &[])])));
    assert!(is_corrupt(&with(&[entry(64, 0, 1, u64::MAX, 64, &[])])));
}

#[test]
fn entries_inside_a_record_are_no_witnesses() {
    let inner = small().bytes;
    let log = write(&vec![(vec![vec![1; 3]], true), (vec![inner, vec![2; 3]], false)]);
    let outer = log.entries[2].0;
    let mut torn = log.bytes.clone();
    torn[outer] ^= 1;
    assert_reads(&read(&torn), &log.records[..1], torn.len() - outer, "torn before a log in a log");
}

fn groups() -> impl Strategy<Value = Groups> {
    let record = prop::collection::vec(any::<u8>(), 0..80);
    let group = (prop::collection::vec(record, 0..5), any::<bool>());
    prop::collection::vec(group, 0..12)
}

proptest! {
    #[test]
    fn any_log_round_trips_from_any_entry(groups in groups()) {
        let log = write(&groups);
        assert_reads(&read(&log.bytes), &log.records, 0, "whole");
        let env = MemoryEnv::from_files([("log", Bytes::from(log.bytes.clone()))]).unwrap();
        let mut left = log.records.len();
        for &(begin, end, _) in &log.entries {
            let rest = read_log(&env, "log", IDENTITY, begin as u64).unwrap();
            prop_assert_eq!(&rest.records[..], &log.records[log.records.len() - left..]);
            prop_assert_eq!(rest.end, log.bytes.len() as u64);
            let alone = read(&log.bytes[..end]).unwrap().records.len();
            left = log.records.len() - alone;
        }
    }

    /// After a power cut, what was synced is there; of the rest each block arrived, or did not, or is something else.
    #[test]
    fn a_power_cut_is_never_corruption(
        groups in groups(),
        fates in prop::collection::vec((0u8..4, any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        block in prop::sample::select(vec![1usize, 8, 16, 100]),
    ) {
        let log = write(&groups);
        let mut bytes = log.bytes.clone();
        for (chunk, (fate, byte)) in bytes[log.durable..].chunks_mut(block).zip(fates.iter().cycle()) {
            match fate {
                0 => chunk.fill(0),
                1 => chunk.fill(*byte),
                _ => {}
            }
        }
        bytes.truncate(log.durable + cut.index(bytes.len() - log.durable + 1));
        let result = read(&bytes).unwrap();
        prop_assert!(result.records.len() >= log.durable_records);
        prop_assert_eq!(&result.records[..], &log.records[..result.records.len()]);
        prop_assert_eq!(result.end + result.dropped, bytes.len() as u64);
    }

    #[test]
    fn any_damage_is_told_or_ends_the_log(
        groups in groups(),
        at in any::<prop::sample::Index>(),
        damage in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let log = write(&groups);
        let mut bytes = log.bytes.clone();
        let at = at.index(bytes.len());
        for (byte, damage) in bytes[at..].iter_mut().zip(&damage) {
            *byte = *damage;
        }
        match read(&bytes) {
            Ok(result) => {
                let count = result.records.len();
                prop_assert_eq!(&result.records[..], &log.records[..count]);
                prop_assert!(bytes == log.bytes || count == log.records.len() || result.dropped > 0);
            }
            error => prop_assert!(is_corrupt(&error)),
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = read(&[write(&Vec::new()).bytes, bytes].concat());
    }
}

#[test]
fn a_reader_follows_a_writer() {
    on_each_env(|env, dir| {
        let path = join(dir, "log");
        let mut log = LogWriter::create(&*env, &path, IDENTITY).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for group in 0..300u32 {
                    let record = vec![group as u8; 1 + (group as usize * 37) % 9000];
                    log.append(&[&group.to_le_bytes(), &record]).unwrap();
                    if group % 10 == 0 {
                        log.sync().unwrap();
                    }
                }
            });
            let (mut from, mut records) = (0, Vec::new());
            while records.len() < 600 {
                let more = read_log(&*env, &path, IDENTITY, from).unwrap();
                from = more.end;
                records.extend(more.records);
            }
            for (group, pair) in records.chunks(2).enumerate() {
                assert_eq!(pair[0][..], (group as u32).to_le_bytes());
                assert_eq!(pair[1].len(), 1 + (group * 37) % 9000);
                assert!(pair[1].iter().all(|&byte| byte == group as u8));
            }
        });
    });
}

/// Fails writes and syncs once a count is down to zero.
#[derive(Debug, Clone)]
struct Failing {
    inner: MemoryEnv,
    left: Arc<AtomicI64>,
}

#[derive(Debug)]
struct FailingFile(Box<dyn FileWriter>, Arc<AtomicI64>);

fn spend(left: &AtomicI64, op: &'static str) -> Result<(), StoreError> {
    if left.fetch_sub(1, Ordering::Relaxed) > 0 {
        return Ok(());
    }
    Err(StoreError::from_io("log", op, std::io::ErrorKind::StorageFull.into()))
}

impl FileWriter for FailingFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = spend(&self.1, "write") {
            self.0.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.0.write_all(bytes)
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        spend(&self.1, "sync").and_then(|()| self.0.sync())
    }
}

impl Env for Failing {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        self.inner.read(path)
    }
    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        Ok(Box::new(FailingFile(self.inner.create(path)?, Arc::clone(&self.left))))
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.inner.remove(path)
    }
    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.inner.exists(path)
    }
    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(dir)
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        self.inner.create_dir_all(dir)
    }
    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        spend(&self.left, "sync folder").and_then(|()| self.inner.sync_dir(dir))
    }
    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        self.inner.lock(path)
    }
    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }
    fn random_u64(&self) -> u64 {
        self.inner.random_u64()
    }
}

#[test]
fn after_a_failure_a_log_takes_nothing_more() {
    // Header, sync, folder; then write, sync, mark, write, sync, mark.
    for calls in 0..10 {
        let env = Failing { inner: MemoryEnv::new(), left: Arc::new(AtomicI64::new(calls)) };
        let mut log = match LogWriter::create(&env, "log", IDENTITY) {
            Ok(log) => log,
            Err(error) => {
                assert!(calls < 3 && matches!(error, StoreError::NoSpace { .. }), "{calls}: {error}");
                assert!(!env.exists("log").unwrap());
                continue;
            }
        };
        let (mut acknowledged, mut failures) = (0, Vec::new());
        for record in [[1u8], [2]] {
            match log.append(&[&record]).and_then(|()| log.sync()) {
                Ok(()) => acknowledged += 1,
                Err(error) => failures.push(error),
            }
        }
        let steps = calls - 3;
        assert_eq!(acknowledged, i64::from(steps >= 2) + i64::from(steps >= 5), "{calls}");
        // There is space again, but what the file holds is not known.
        env.left.store(1000, Ordering::Relaxed);
        let later = log.append(&[b"x"]);
        assert_eq!(later.is_ok(), steps >= 6, "{calls}");
        if steps < 6 {
            assert!(matches!(later, Err(StoreError::Abandoned { .. })), "{calls}: {later:?}");
            let error = log.sync().unwrap_err();
            assert!(error.to_string().contains("no space left"), "{error}");
        }
        let read = read_log(&env, "log", IDENTITY, 0).unwrap();
        assert!(read.records.len() >= acknowledged as usize, "{calls}");
    }
}

#[test]
fn ranges_are_copies_that_end_where_the_file_does() {
    on_each_env(|env, dir| {
        let path = join(dir, "file");
        let content: Vec<u8> = (0..200u8).collect();
        put(&*env, &path, &content);
        for (start, len, expected) in [
            (0, 200, 0..200),
            (0, 10, 0..10),
            (3, 10, 3..13),
            (190, 100, 190..200),
            (200, 1, 200..200),
            (0, u64::MAX, 0..200),
            (7, u64::MAX, 7..200),
            (u64::MAX, u64::MAX, 200..200),
            (5, 0, 5..5),
        ] {
            let range = env.read_range(&path, start, len).unwrap();
            assert_eq!(&range[..], &content[expected], "{start} {len}");
            assert!(tercet_store::is_aligned(&range));
        }
        assert!(matches!(env.read_range(&join(dir, "none"), 0, 1), Err(StoreError::NotFound { .. })));
        // A file that grows is not disturbed, and neither is what was read of it.
        let mut file = env.create(&join(dir, "grows")).unwrap();
        file.write_all(b"ab").unwrap();
        let before = env.read_range(&join(dir, "grows"), 1, 10).unwrap();
        file.write_all(b"cd").unwrap();
        assert_eq!(&env.read_range(&join(dir, "grows"), 1, 10).unwrap()[..], b"bcd");
        assert_eq!(&before[..], b"b");
    });
}

#[test]
fn large_files_are_mapped_and_outlive_their_name() {
    let temp = TempDir::new();
    let env = FileEnv::new();
    for len in [64 * 1024 - 1, 64 * 1024, 1_000_003] {
        let (path, moved) = (join(&temp.0, "file"), join(&temp.0, "moved"));
        let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        put(&env, &path, &content);
        let bytes = env.read(&path).unwrap();
        assert!(tercet_store::is_aligned(&bytes));
        env.rename(&path, &moved).unwrap();
        put(&env, &path, &[0; 10]);
        env.rename(&path, &moved).unwrap();
        assert_eq!(env.size(&moved).unwrap(), 10);
        env.remove(&moved).unwrap();
        assert!(bytes == content, "{len}");
    }
}
