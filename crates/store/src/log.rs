//! The log: records appended to one file, so that a small commit costs one write and one sync.
//!
//! ```text
//! header    64 bytes    magic, version, identity                      (a frame as in decode.rs)
//! entry     32 bytes    length, kind, sequence, durable, two CRCs
//!           length      the record, then zeros up to a multiple of 8
//! entry     ...
//! ```
//!
//! A log is written by one process and, once that is gone, never appended to again. What a power cut leaves of it is
//! told from damage like this: every entry says how many bytes of the file were durable when it was written, and after
//! each sync an entry without a record (a *mark*) says it anew. Where an entry is not intact, and any intact entry
//! behind it knows that bytes past that place had become durable, those bytes were lost later: the log is corrupt. Else
//! nobody was ever told that they would last: the tail is torn, and reading ends before it.
//!
//! The price of never calling a torn tail corrupt: damage in the bytes of the last sync, whose mark did not reach the
//! disk either, reads as a torn tail.
//!
//! Invariants: an entry's checksums cover each of its bytes, and with them the log's identity and the entry's own
//! place, so that no entry is mistaken for one of another log, and none that a record happens to contain for one of
//! this log. Sequences count from 0 without gaps. `durable` is never past the entry that says it.

use std::io;

use bytes::Bytes;

use crate::decode::{Decoder, seal, unseal};
use crate::env::{Env, FileWriter, parent};
use crate::error::StoreError;

/// The newest version of the log that is read, and the one that is written.
pub const LOG_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"TERCETLG";
const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 32;
const ALIGN: usize = 8;
const RECORD: u32 = 1;
const MARK: u32 = 2;
/// How often a log that looks damaged is read: another process may write to it meanwhile.
const READS_MAX: usize = 3;

/// The writing end of a log. After the first failure it takes nothing more: what is on the disk is not known then.
#[derive(Debug)]
pub struct LogWriter {
    path: String,
    identity: u64,
    file: Box<dyn FileWriter>,
    buffer: Vec<u8>,
    len: u64,
    durable: u64,
    sequence: u64,
    /// Records were appended since the last sync.
    dirty: bool,
    failed: Option<String>,
}

impl LogWriter {
    /// Starts an empty log under a new name, durably (file and folder are synced). `identity` is any number that no
    /// other log of this folder has.
    pub fn create(env: &dyn Env, path: &str, identity: u64) -> Result<Self, StoreError> {
        let file = env.create(path)?;
        let mut log = LogWriter {
            path: path.to_owned(),
            identity,
            file,
            buffer: Vec::new(),
            len: HEADER_BYTES as u64,
            durable: HEADER_BYTES as u64,
            sequence: 0,
            dirty: false,
            failed: None,
        };
        let header = seal::<HEADER_BYTES>(MAGIC, LOG_VERSION, &identity.to_le_bytes());
        let started = log.file.write_all(&header).and_then(|()| log.file.sync());
        match started.and_then(|()| env.sync_dir(parent(path))) {
            Ok(()) => Ok(log),
            Err(error) => {
                // The caller needs the first error, not that of the broom.
                let _ = env.remove(path);
                Err(error)
            }
        }
    }

    /// Appends records with one write. They outlive the process when this returns, and the power after
    /// [`sync`](LogWriter::sync). A record of 4 GiB or more is [`StoreError::Invalid`], and nothing is written.
    pub fn append(&mut self, records: &[&[u8]]) -> Result<(), StoreError> {
        self.check()?;
        let mut bytes = 0usize;
        for record in records {
            if u32::try_from(record.len()).is_err() {
                let what = format!("a record of {} bytes is too long for a log", record.len());
                return Err(StoreError::Invalid { path: self.path.clone(), what });
            }
            bytes = bytes.saturating_add(ENTRY_BYTES + ALIGN).saturating_add(record.len());
        }
        if bytes == 0 {
            return Ok(());
        }
        self.buffer.clear();
        let memory = |_| StoreError::Memory { path: self.path.clone(), bytes: bytes as u64 };
        self.buffer.try_reserve(bytes).map_err(memory)?;
        for (at, record) in records.iter().enumerate() {
            self.encode(RECORD, self.sequence + at as u64, record);
        }
        self.dirty = true;
        self.write(records.len() as u64)?;
        // One large group is no reason to hold its memory for good.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Makes everything appended so far durable, and then leaves a mark that says so (itself not durable yet).
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        if !self.dirty {
            return Ok(());
        }
        if let Err(error) = self.file.sync() {
            return Err(self.fail(error));
        }
        self.dirty = false;
        self.durable = self.len;
        self.buffer.clear();
        self.encode(MARK, self.sequence, &[]);
        // The records are safe whatever becomes of the mark; if it fails, the next call is told.
        let _ = self.write(1);
        Ok(())
    }

    /// The length of the file in bytes: the header, records and marks.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True if nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.sequence == 0
    }

    /// True after a failure, also after one that no call had to report: nothing more can be appended.
    pub fn is_abandoned(&self) -> bool {
        self.failed.is_some()
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.failed {
            None => Ok(()),
            Some(cause) => Err(StoreError::Abandoned { path: self.path.clone(), cause: cause.clone() }),
        }
    }

    fn fail(&mut self, error: StoreError) -> StoreError {
        self.failed = Some(error.to_string());
        error
    }

    /// Appends an entry to the buffer. The record is shorter than 4 GiB.
    fn encode(&mut self, kind: u32, sequence: u64, record: &[u8]) {
        let at = self.len + self.buffer.len() as u64;
        let head = self.buffer.len();
        self.buffer.resize(head + ENTRY_BYTES, 0);
        self.buffer.extend_from_slice(record);
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGN), 0);
        let payload_crc = crc32c::crc32c(&self.buffer[head + ENTRY_BYTES..]);
        let (entry, _) = self.buffer[head..].split_at_mut(ENTRY_BYTES);
        entry[0..4].copy_from_slice(&(record.len() as u32).to_le_bytes());
        entry[4..8].copy_from_slice(&kind.to_le_bytes());
        entry[8..16].copy_from_slice(&sequence.to_le_bytes());
        entry[16..24].copy_from_slice(&self.durable.to_le_bytes());
        entry[24..28].copy_from_slice(&payload_crc.to_le_bytes());
        let crc = entry_crc(self.identity, at, &entry[..28]);
        entry[28..32].copy_from_slice(&crc.to_le_bytes());
    }

    /// Writes the buffer, which holds this many entries.
    fn write(&mut self, entries: u64) -> Result<(), StoreError> {
        if let Err(error) = self.file.write_all(&self.buffer) {
            return Err(self.fail(error));
        }
        self.len += self.buffer.len() as u64;
        self.sequence += entries;
        Ok(())
    }
}

/// What a log holds from some place on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogContents {
    /// The records, oldest first. They share one buffer and begin at multiples of 8 in it.
    pub records: Vec<Bytes>,
    /// Where each record's entry begins.
    pub starts: Vec<u64>,
    /// How many bytes of the file the entries that were read say were durable.
    pub durable: u64,
    /// Where the next entry begins or would begin: what to pass as `from` to go on.
    pub end: u64,
    /// Bytes of a torn tail behind `end`; where a log is still being written, of an entry that is not complete yet.
    pub dropped: u64,
}

impl LogContents {
    fn empty(start: u64) -> Self {
        LogContents { records: Vec::new(), starts: Vec::new(), durable: 0, end: start, dropped: 0 }
    }
}

/// Reads the log at `path` from byte `from` on: 0, or the `end` of an earlier reading. The file may be growing.
/// Memory: about the bytes from there to the end of the file, once.
///
/// Damage in bytes that were durable is [`StoreError::Corrupt`] and so are another `identity` and a file that ends
/// before `from`.
pub fn read_log(env: &dyn Env, path: &str, identity: u64, from: u64) -> Result<LogContents, StoreError> {
    let start = from.max(HEADER_BYTES as u64);
    if from != 0 && (from < start || !from.is_multiple_of(ALIGN as u64)) {
        let what = format!("no entry of a log begins at byte {from}");
        return Err(StoreError::Invalid { path: path.to_owned(), what });
    }
    check_header(&env.read_range(path, 0, HEADER_BYTES as u64)?, path, identity)?;
    let mut before = None;
    for _ in 1..READS_MAX {
        let tail = read_tail(env, path, start)?;
        match parse(&tail, path, identity, start) {
            // What was written while we read may have holes. Damage is what a second look finds unchanged.
            Err(_) if before.as_ref() != Some(&tail) => before = Some(tail),
            done => return done,
        }
    }
    parse(&read_tail(env, path, start)?, path, identity, start)
}

/// Reads a log that nobody writes to any more as far as it is intact; says beside it what damage ends it, if any does.
pub fn salvage_log(
    env: &dyn Env,
    path: &str,
    identity: u64,
) -> Result<(LogContents, Option<StoreError>), StoreError> {
    let start = HEADER_BYTES as u64;
    // Every entry says by itself which log it is of, so a damaged header costs nothing.
    let header = match check_header(&env.read_range(path, 0, start)?, path, identity) {
        Err(damage @ StoreError::Corrupt { .. }) => Some(damage),
        other => other.map(|()| None)?,
    };
    if env.size(path)? < start {
        return Ok((LogContents::empty(start), header));
    }
    let (contents, damage) = scan(&read_tail(env, path, start)?, path, identity, start);
    Ok((contents, damage.or(header)))
}

fn check_header(header: &[u8], path: &str, identity: u64) -> Result<(), StoreError> {
    if header.len() < HEADER_BYTES {
        let what = format!("{} bytes are too few for a log", header.len());
        return Err(StoreError::corrupt(path, what));
    }
    let mut fields = unseal(header, MAGIC, LOG_VERSION, path, "header")?;
    match fields.u64() {
        Some(found) if found == identity => Ok(()),
        found => {
            let found = found.unwrap_or_default();
            let what = format!("it is log {found:016x}, expected log {identity:016x}");
            Err(StoreError::corrupt(path, what))
        }
    }
}

fn read_tail(env: &dyn Env, path: &str, start: u64) -> Result<Bytes, StoreError> {
    let len = env.size(path)?;
    if len < start {
        let what = format!("the log ends at byte {len}; it was read up to byte {start} before");
        return Err(StoreError::corrupt(path, what));
    }
    let tail = env.read_range(path, start, len - start)?;
    if (tail.len() as u64) < len - start {
        // A log never gets shorter: taking this for a torn tail would forget what was acknowledged.
        let source = io::Error::from(io::ErrorKind::UnexpectedEof);
        return Err(StoreError::Io { path: path.to_owned(), op: "read", source });
    }
    Ok(tail)
}

/// An entry's fixed part, intact and possible where it stands.
struct Entry {
    len: usize,
    kind: u32,
    sequence: u64,
    durable: u64,
    payload_crc: u32,
}

impl Entry {
    /// The entry at `at` of bytes that begin at `start` of the file.
    fn decode(bytes: &[u8], at: usize, start: u64, identity: u64) -> Option<Entry> {
        let fixed = bytes.get(at..)?.get(..ENTRY_BYTES)?;
        let (checked, crc) = fixed.split_last_chunk::<4>()?;
        let place = start + at as u64;
        let mut fields = Decoder::new(checked);
        let entry = Entry {
            len: usize::try_from(fields.u32()?).ok()?,
            kind: fields.u32()?,
            sequence: fields.u64()?,
            durable: fields.u64()?,
            payload_crc: fields.u32()?,
        };
        let possible = (entry.kind == RECORD || entry.kind == MARK && entry.len == 0)
            && (HEADER_BYTES as u64..=place).contains(&entry.durable);
        (possible && entry_crc(identity, place, checked) == u32::from_le_bytes(*crc)).then_some(entry)
    }

    /// Where the record ends and where the next entry begins, if the record is all there and intact.
    fn ends(&self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let begin = at + ENTRY_BYTES;
        let end = begin.checked_add(self.len)?;
        let next = end.checked_next_multiple_of(ALIGN)?;
        (crc32c::crc32c(bytes.get(begin..next)?) == self.payload_crc).then_some((end, next))
    }
}

fn entry_crc(identity: u64, place: u64, fields: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&identity.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &place.to_le_bytes());
    crc32c::crc32c_append(crc, fields)
}

/// Reads entries from bytes that begin at `start` of the file, which is a multiple of 8.
fn parse(bytes: &Bytes, path: &str, identity: u64, start: u64) -> Result<LogContents, StoreError> {
    match scan(bytes, path, identity, start) {
        (contents, None) => Ok(contents),
        (_, Some(damage)) => Err(damage),
    }
}

/// What can be read, and the damage that ends it.
fn scan(bytes: &Bytes, path: &str, identity: u64, start: u64) -> (LogContents, Option<StoreError>) {
    let mut contents = LogContents::empty(start);
    let mut at = 0;
    let mut expected = (start == HEADER_BYTES as u64).then_some(0);
    while let Some(entry) = Entry::decode(bytes, at, start, identity) {
        let Some((end, next)) = entry.ends(bytes, at) else { break };
        if let Some(expected) = expected.filter(|&expected| expected != entry.sequence) {
            let found = entry.sequence;
            let what = format!("entry {found} at byte {}, expected entry {expected}", start + at as u64);
            contents.end = start + at as u64;
            contents.dropped = (bytes.len() - at) as u64;
            return (contents, Some(StoreError::corrupt(path, what)));
        }
        if entry.kind == RECORD {
            contents.records.push(bytes.slice(at + ENTRY_BYTES..end));
            contents.starts.push(start + at as u64);
        }
        contents.durable = contents.durable.max(entry.durable);
        expected = entry.sequence.checked_add(1);
        at = next;
    }
    contents.end = start + at as u64;
    contents.dropped = (bytes.len() - at) as u64;
    let witness = (at..bytes.len()).step_by(ALIGN).skip(1).find_map(|later| {
        let entry = Entry::decode(bytes, later, start, identity)?;
        (entry.durable > contents.end).then_some((later, entry.durable))
    });
    match witness {
        None => (contents, None),
        Some((later, durable)) => {
            let (bad, later) = (contents.end, start + later as u64);
            let what = format!(
                "the entry at byte {bad} is damaged: the one at byte {later} knows that {durable} bytes were durable"
            );
            (contents, Some(StoreError::corrupt(path, what)))
        }
    }
}
