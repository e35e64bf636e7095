//! Commits: how a batch becomes durable and visible.
//!
//! `head` is the newest state, including commits whose sync is on its way. A small commit queues its record and waits;
//! whoever finds nobody writing leads: it takes the whole queue, writes it with one call, syncs once, publishes, and
//! wakes the others (group commit). A large commit, or a full log, is a checkpoint.
//!
//! When the log fails, nobody knows what the disk holds of it. The commits that waited fail, `head` goes back to what is
//! shown, and the log is *lost*: nothing is written to it again, and the next commit is a checkpoint, whose manifest
//! names no log. A checkpoint that fails with its manifest leaves the log lost too, for the manifest on the disk may
//! be either one.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, OnceLock, PoisonError};

use tercet_store::{LockGuard, LogWriter, join};

use super::manifest::{LogName, Manifest, State, file_name};
use super::merging;
use super::part::{Part, without_ids};
use super::{Collection, record};
use crate::api::Control;
use crate::segment::{Job, Segment};
use crate::wire::{CommitReply, TercetError};

/// Batches up to this many bytes go into the log; larger ones are written as a segment at once.
const LOGGED_BYTES_MAX: u64 = 1 << 20;

/// Removals of up to this many documents go into the log, by their ids.
const REMOVED_MAX: u64 = 10_000;

/// What only the writer touches.
pub(super) struct Writer {
    /// Held while the collection is open for writing; a collection in memory has none.
    pub(super) lock: Option<Box<dyn LockGuard>>,
    /// The manifest as it was last written; `None` in memory.
    pub(super) manifest: Option<Manifest>,
    pub(super) next_file: u64,
    /// The newest parts, also those that are not yet durable.
    pub(super) head: Vec<Part>,
    pub(super) log: Log,
    queue: Vec<(Vec<u8>, Arc<Ticket>)>,
    queued_bytes: u64,
    /// Somebody writes to the log without holding the writer.
    pub(super) syncing: bool,
    /// A merge or a compaction is on its way.
    pub(super) merging: bool,
    /// Numbers of files that are being written and that no manifest names yet.
    pub(super) reserved: HashSet<u64>,
    /// States that the manifest dropped and that a reader may still hold.
    pub(super) dropped: Vec<State>,
    /// The highest version that was ever to be written.
    pub(super) tried_version: u64,
    /// Whether `head` differs from what the manifest's files hold.
    pub(super) dirty: bool,
    /// The log has bytes that were not synced.
    unsynced: bool,
    synced_ms: u64,
}

/// The log's state.
pub(super) enum Log {
    /// None yet: the manifest names none.
    None,
    Open(LogWriter),
    /// Somebody has it and writes; its length so far.
    Busy(u64),
    /// Nothing may be written to it any more.
    Lost,
}

impl Log {
    fn after(log: LogWriter) -> Log {
        if log.is_abandoned() { Log::Lost } else { Log::Open(log) }
    }
}

/// How a commit ended.
#[derive(Default)]
struct Ticket(OnceLock<Result<(), TercetError>>);

impl Writer {
    /// The writer of a collection that nobody writes to.
    pub(super) fn none() -> Writer {
        Writer::new(None, None, Vec::new())
    }

    pub(super) fn new(
        lock: Option<Box<dyn LockGuard>>,
        manifest: Option<Manifest>,
        head: Vec<Part>,
    ) -> Writer {
        Writer {
            lock,
            next_file: manifest.as_ref().map_or(1, |m| m.next_file),
            manifest,
            head,
            log: Log::None,
            queue: Vec::new(),
            queued_bytes: 0,
            syncing: false,
            merging: false,
            reserved: HashSet::new(),
            dropped: Vec::new(),
            tried_version: 0,
            dirty: false,
            unsynced: false,
            synced_ms: 0,
        }
    }

    /// A number for a new file, kept from being swept until it is released.
    pub(super) fn reserve(&mut self) -> u64 {
        let number = self.next_file;
        self.next_file += 1;
        self.reserved.insert(number);
        number
    }

    /// The version on the disk.
    pub(super) fn version(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |m| m.newest().version)
    }

    /// Whether the log takes a record of this length.
    fn takes(&self, len: usize, log_bytes: u64) -> bool {
        let used = match &self.log {
            Log::None => 0,
            Log::Open(log) => log.len(),
            Log::Busy(len) => *len,
            Log::Lost => return false,
        };
        used + self.queued_bytes + len as u64 <= log_bytes
    }

    /// Everybody who waits in the queue is told.
    pub(super) fn answer_queue(&mut self, result: &Result<(), TercetError>) {
        self.queued_bytes = 0;
        for (_, ticket) in self.queue.drain(..) {
            let _ = ticket.0.set(result.clone());
        }
    }
}

impl Collection {
    pub(super) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, writer: MutexGuard<'a, Writer>) -> MutexGuard<'a, Writer> {
        self.turn.wait(writer).unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, when nobody writes to the log.
    pub(super) fn idle_writer(&self) -> Result<MutexGuard<'_, Writer>, TercetError> {
        let mut writer = self.lock_writer();
        while writer.syncing {
            writer = self.wait(writer);
        }
        // Looked at under the lock: close() takes it too, so nothing is written after it.
        self.writable()?;
        Ok(writer)
    }

    /// The writer for a commit with a record of this length (`None`: no record), and whether the log takes it. Where
    /// it does not, nobody writes to the log.
    fn writer_for(&self, record: Option<usize>) -> Result<(MutexGuard<'_, Writer>, bool), TercetError> {
        let mut writer = self.lock_writer();
        loop {
            self.writable()?;
            // The merger needs no place in the pool that calls run on, so waiting for it ends.
            let behind = writer.merging && writer.head.len() > merging::PARTS_MAX;
            let logged = record.is_some_and(|len| writer.takes(len, self.options.log_bytes));
            if !behind && (logged || !writer.syncing) {
                return Ok((writer, logged));
            }
            writer = self.wait(writer);
        }
    }

    /// Makes staged segments durable and visible, in one step, in place of older documents with the same ids. `spilled`
    /// are those that have files already and come first.
    pub(crate) fn commit(
        &self,
        spilled: Vec<Part>,
        staged: Vec<Segment>,
        control: &Control,
    ) -> Result<CommitReply, TercetError> {
        let schema = self.schema();
        let mut fresh: Vec<Part> =
            staged.into_iter().filter(|s| s.rows > 0).map(|s| Part::new(s, None)).collect();
        let written = spilled.iter().chain(&fresh).map(Part::documents).sum();
        if written == 0 {
            self.writable()?;
            return Ok(CommitReply { written: 0, replaced: 0 });
        }
        let bytes: u64 = fresh.iter().map(|part| part.segment.file.file_len()).sum();
        let large = !spilled.is_empty() || bytes > LOGGED_BYTES_MAX.min(self.options.log_bytes);
        let mut record = None;
        let threads = self.threads();
        let job = Job { parallel: &threads, side_by_side: true, ..Job::plain(control) };
        if self.dir.is_some() && large {
            if !fresh.is_empty() {
                fresh = vec![self.write_apart(&fresh, &job)?];
            }
            fresh.splice(0..0, spilled);
        } else {
            let part = merging::one(&schema, fresh, &job)?;
            record = self.dir.is_some().then(|| part.segment.bytes());
            fresh = vec![part];
        }
        let record = record.map(|bytes| record::upserted(&bytes));
        let numbers: Vec<u64> = fresh.iter().filter_map(Part::file_number).collect();
        let result = self.commit_parts(&fresh, record, control);
        self.release(&numbers);
        Ok(CommitReply { written, replaced: result? })
    }

    fn commit_parts(
        &self,
        fresh: &[Part],
        record: Option<Vec<u8>>,
        control: &Control,
    ) -> Result<u64, TercetError> {
        let (writer, logged) = self.writer_for(record.as_ref().map(Vec::len))?;
        let ids = || fresh.iter().flat_map(|part| (0..part.segment.rows).map(|row| part.segment.id(row)));
        let (mut parts, replaced) = without_ids(&writer.head, ids)?;
        parts.extend_from_slice(fresh);
        let parts = merging::settle(&self.schema(), parts, control)?;
        self.keep(writer, parts, record.filter(|_| logged))?;
        Ok(replaced)
    }

    /// Removes rows chosen part by part; returns how many.
    pub(super) fn remove_by(
        &self,
        choose: impl Fn(&Part) -> Result<Vec<u32>, TercetError>,
    ) -> Result<u64, TercetError> {
        loop {
            let (mut writer, _) = self.writer_for(Some(0))?;
            let mut removed = 0;
            let mut gone = Vec::with_capacity(writer.head.len());
            let mut parts = Vec::with_capacity(writer.head.len());
            for part in &writer.head {
                let rows = choose(part)?;
                let (next, count) = part.without_rows(rows.iter().copied());
                removed += count;
                parts.push(next);
                gone.push(rows);
            }
            if removed == 0 {
                return Ok(0);
            }
            let record = match self.dir {
                Some(_) if removed <= REMOVED_MAX => {
                    let ids = writer.head.iter().zip(&gone).flat_map(|(part, rows)| {
                        rows.iter().filter(|row| part.lives(**row)).map(|row| part.segment.id(*row))
                    });
                    Some(record::removed(ids)?)
                }
                _ => None,
            };
            let record = record.filter(|record| writer.takes(record.len(), self.options.log_bytes));
            if self.dir.is_some() && record.is_none() && writer.syncing {
                // A checkpoint must wait for the log; what lives may be different then.
                writer = self.wait(writer);
                drop(writer);
                continue;
            }
            parts.retain(|part| part.documents() > 0);
            self.keep(writer, parts, record)?;
            return Ok(removed);
        }
    }

    /// Makes these parts, made of `head`, the newest: durable, then visible.
    fn keep<'a>(
        &'a self,
        mut writer: MutexGuard<'a, Writer>,
        parts: Vec<Part>,
        record: Option<Vec<u8>>,
    ) -> Result<(), TercetError> {
        if self.dir.is_none() {
            writer.head.clone_from(&parts);
            self.publish(parts, 0);
            self.merge_if_due(writer);
            return Ok(());
        }
        let Some(record) = record else {
            self.checkpoint(&mut writer, parts)?;
            self.merge_if_due(writer);
            return Ok(());
        };
        let ticket = Arc::new(Ticket::default());
        writer.queued_bytes += record.len() as u64;
        writer.queue.push((record, ticket.clone()));
        writer.head = parts;
        writer.dirty = true;
        loop {
            if let Some(result) = ticket.0.get() {
                return result.clone();
            }
            writer = if writer.syncing { self.wait(writer) } else { self.lead(writer) };
        }
    }

    /// Writes the whole queue to the log and syncs it, then shows what it made and answers all who waited.
    fn lead<'a>(&'a self, mut writer: MutexGuard<'a, Writer>) -> MutexGuard<'a, Writer> {
        let queue = std::mem::take(&mut writer.queue);
        writer.queued_bytes = 0;
        let head = writer.head.clone();
        let result = match self.take_log(&mut writer) {
            Err(error) => Err(error),
            // It was lost meanwhile.
            Ok(None) => self.checkpoint(&mut writer, head),
            Ok(Some(mut log)) => {
                let now = self.env.now_ms();
                let due = match self.options.interval_ms {
                    None => true,
                    Some(every) => now.abs_diff(writer.synced_ms) >= every,
                };
                writer.log = Log::Busy(log.len());
                writer.syncing = true;
                drop(writer);
                let records: Vec<&[u8]> = queue.iter().map(|(record, _)| record.as_slice()).collect();
                let written = log.append(&records).and_then(|()| if due { log.sync() } else { Ok(()) });
                writer = self.lock_writer();
                writer.syncing = false;
                self.log_len.store(log.len(), Ordering::Release);
                self.unflushed.store(true, Ordering::Release);
                writer.unsynced = !due;
                if due {
                    writer.synced_ms = now;
                }
                match written {
                    Ok(()) => {
                        writer.log = Log::after(log);
                        self.publish(head, writer.version());
                        Ok(())
                    }
                    Err(error) => {
                        writer.log = Log::Lost;
                        Err(error.into())
                    }
                }
            }
        };
        if result.is_err() {
            // Those who came meanwhile built on what failed.
            writer.head.clone_from(&self.current().parts);
            writer.answer_queue(&result);
        }
        for (_, ticket) in queue {
            let _ = ticket.0.set(result.clone());
        }
        self.turn.notify_all();
        writer
    }

    /// The log to write to, made and named by the manifest if there is none; `None` where it is lost.
    fn take_log(&self, writer: &mut Writer) -> Result<Option<LogWriter>, TercetError> {
        match std::mem::replace(&mut writer.log, Log::Lost) {
            Log::Open(log) => return Ok(Some(log)),
            Log::None => {}
            Log::Lost | Log::Busy(_) => return Ok(None),
        }
        let (Some(dir), Some(mut manifest)) = (self.dir.as_deref(), writer.manifest.clone()) else {
            return Ok(None);
        };
        let number = writer.reserve();
        let name = LogName { file: file_name(number, ".log"), identity: self.env.random_u64() };
        let made = LogWriter::create(self.env.as_ref(), &join(dir, &name.file), name.identity);
        if made.is_err() {
            // The manifest still names none: as before.
            writer.log = Log::None;
            writer.reserved.remove(&number);
        }
        let log = made?;
        manifest.log = Some(name);
        manifest.next_file = writer.next_file;
        let named = manifest.write(self.env.as_ref(), dir);
        writer.reserved.remove(&number);
        named?;
        writer.manifest = Some(manifest);
        Ok(Some(log))
    }

    /// Makes every commit that was shown durable: for commits with an interval.
    pub(super) fn sync(&self) -> Result<(), TercetError> {
        let mut writer = self.idle_writer()?;
        if !writer.unsynced {
            return Ok(());
        }
        match std::mem::replace(&mut writer.log, Log::Lost) {
            Log::Open(mut log) => {
                writer.log = Log::Busy(log.len());
                writer.syncing = true;
                drop(writer);
                let synced = log.sync();
                writer = self.lock_writer();
                writer.syncing = false;
                writer.unsynced = false;
                writer.synced_ms = self.env.now_ms();
                let lost = synced.is_err();
                writer.log = Log::after(log);
                self.turn.notify_all();
                if lost {
                    // What the log may have lost is still at hand.
                    self.checkpoint_head(&mut writer)?;
                }
                Ok(())
            }
            other => {
                writer.log = other;
                self.checkpoint_head(&mut writer)
            }
        }
    }

    /// Lets the numbers of files go: a manifest names them, or they will be swept.
    pub(super) fn release(&self, numbers: &[u64]) {
        if !numbers.is_empty() {
            let mut writer = self.lock_writer();
            numbers.iter().for_each(|number| {
                writer.reserved.remove(number);
            });
        }
    }

    /// Merges parts into a file that no manifest names yet; its number stays reserved.
    pub(crate) fn write_apart(&self, parts: &[Part], job: &Job<'_>) -> Result<Part, TercetError> {
        let dir = self.dir.as_deref().unwrap_or_default();
        let number = {
            let mut writer = self.lock_writer();
            self.writable()?;
            writer.reserve()
        };
        let name = file_name(number, ".seg");
        let path = join(dir, &name);
        let schema = self.schema();
        let written = Segment::merge_to_file(&schema, &merging::inputs(parts), job, self.env.as_ref(), &path)
            .and_then(|_| Segment::open(&schema, self.env.as_ref(), &path));
        match written {
            Ok(segment) => Ok(Part::new(segment, Some(name))),
            Err(error) => {
                let _ = self.env.remove(&path);
                self.release(&[number]);
                Err(error)
            }
        }
    }

    /// Removes files that `write_apart` wrote and that nobody will name.
    pub(crate) fn discard(&self, parts: &[Part]) {
        let dir = self.dir.as_deref().unwrap_or_default();
        for name in parts.iter().filter_map(|part| part.file.as_ref()) {
            let _ = self.env.remove(&join(dir, name));
        }
        self.release(&parts.iter().filter_map(Part::file_number).collect::<Vec<_>>());
    }

    /// How many bytes of a batch are staged in memory before they are written aside; `None` without a folder.
    pub(crate) fn spill_bytes(&self) -> Option<u64> {
        self.dir.as_ref().map(|_| self.options.memory_bytes / 8)
    }
}

impl Part {
    pub(super) fn file_number(&self) -> Option<u64> {
        self.file.as_deref().and_then(super::manifest::any_file_number)
    }
}
