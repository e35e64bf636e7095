//! A collection: an ordered list of segments behind one snapshot pointer, one writer, and a folder that lasts.
//!
//! - Readers take the present [`Snapshot`] and are never disturbed: writers publish a new one and change nothing that a
//!   snapshot holds. A batch is staged aside ([`crate::batch`]) and becomes visible in one step.
//! - `writer.rs`: commits. A small batch is a record in the log, many commits share one sync; a large one is a
//!   checkpoint. What is shown is durable (or will be, with an interval).
//! - `checkpoint.rs`: everything in segment files under a new manifest, the log begun anew: a new version.
//! - `versions.rs`: which older versions stay, tags, leases of readers, and removing files that nothing names.
//! - `merging.rs`, `merger.rs`: which segments become one, and doing it while commits and searches go on.
//! - `reader.rs`: a collection open for reading, which follows the writer of another process.
//! - `tune.rs`: measures the recall of dense fields.
//! - `restore.rs`: what a repair needs of a collection.
//! - `open.rs`, `manifest.rs`, `record.rs`: from bytes to a collection.

mod checkpoint;
mod handle;
pub(crate) mod manifest;
mod measured;
mod merger;
mod merging;
mod open;
mod part;
mod reader;
mod record;
pub(crate) mod restore;
mod stats;
mod tune;
mod versions;
mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};

use tercet_store::Env;

use crate::api::{Control, Executor};
use crate::recall::Curves;
use crate::schema::Schema;
use crate::wire::{Code, Durability, OpenRequest, TercetError, VersionName};

pub(crate) use checkpoint::TOMBSTONES_OF;
pub(crate) use handle::CollectionHandle;
pub(crate) use open::{Opened, agree, folder, open, opened, unused};
pub(crate) use part::Part;

use reader::Reader;
use writer::Writer;

/// What a reader sees: it never changes.
pub(crate) struct Snapshot {
    /// The schema.
    pub(crate) schema: Arc<Schema>,
    /// The segments, oldest first.
    pub(crate) parts: Vec<Part>,
    /// The version that these parts are or continue; 0 without a folder.
    pub(crate) version: u64,
    /// What `tune` measured, by the keys of fields.
    pub(crate) curves: Arc<FieldCurves>,
}

/// Measured curves by the keys of fields.
pub(crate) type FieldCurves = BTreeMap<String, Curves>;

impl Snapshot {
    /// Without documents.
    pub(crate) fn empty(schema: Schema, version: u64) -> Snapshot {
        Snapshot { schema: Arc::new(schema), parts: Vec::new(), version, curves: Arc::default() }
    }

    /// Live documents.
    pub(crate) fn documents(&self) -> u64 {
        self.parts.iter().map(Part::documents).sum()
    }

    /// Live documents that have a field.
    pub(crate) fn documents_with(&self, field: usize) -> Result<u64, TercetError> {
        let of_part = |part: &Part| part.segment.documents_with(field, part.live.as_deref());
        self.parts.iter().map(of_part).sum()
    }

    /// All of it, as a merge takes it.
    pub(crate) fn inputs(&self) -> Vec<crate::segment::merge::Input<'_>> {
        merging::inputs(&self.parts)
    }

    /// Where a document is: the part's position and the row.
    pub(crate) fn find(&self, id: &[u8]) -> Result<Option<(usize, u32)>, TercetError> {
        for (at, part) in self.parts.iter().enumerate().rev() {
            if let Some(row) = part.row(id)? {
                return Ok(Some((at, row)));
            }
        }
        Ok(None)
    }
}

/// What the caller chose at opening.
#[derive(Clone)]
pub(super) struct Options {
    /// Milliseconds that a commit may wait for its sync; `None`: it is synced before it is shown.
    interval_ms: Option<u64>,
    retain_ms: u64,
    memory_bytes: u64,
    log_bytes: u64,
    refresh_ms: Option<u64>,
}

impl Options {
    pub(super) fn of(request: &OpenRequest) -> Result<Options, TercetError> {
        let within = |name: &str, value: u64, low: u64, high: u64| match (low..=high).contains(&value) {
            true => Ok(value),
            false => {
                Err(TercetError::new(Code::Limit, format!("{name} must be {low} to {high}, found {value}"))
                    .field(name)
                    .expected(format!("{low} to {high}"), value.to_string()))
            }
        };
        let interval_ms = match &request.durability {
            Durability::Commit(_) => None,
            Durability::Interval(every) => Some(within("intervalMs", every.interval_ms, 1, (1 << 31) - 1)?),
        };
        Ok(Options {
            interval_ms,
            retain_ms: within("retainMs", request.retain_ms, 0, 1 << 53)?,
            memory_bytes: within("memoryBytes", request.memory_bytes, 32 << 20, 1 << 53)?,
            log_bytes: within("logBytes", request.log_bytes, 4 << 10, 1 << 30)?,
            refresh_ms: request.refresh_ms.map(|ms| within("refreshMs", ms, 0, 1 << 53)).transpose()?,
        })
    }
}

/// An open collection.
pub(crate) struct Collection {
    env: Arc<dyn Env>,
    /// The folder; `None` in memory and for a snapshot in one file.
    dir: Option<String>,
    read_only: bool,
    options: Options,
    /// Runs merges beside the calls; without one they run at the end of the call that makes them due.
    executor: Option<Arc<dyn Executor>>,
    this: Weak<Collection>,
    snapshot: RwLock<Arc<Snapshot>>,
    writer: Mutex<Writer>,
    /// Signals every change of the writer that somebody may wait for.
    turn: Condvar,
    /// Follows another process's writer.
    reader: Mutex<Option<Reader>>,
    /// Stops the merge that runs in the background.
    merge_control: Control,
    /// Whether the log holds what no segment file does; a mirror for those who do not wait for the writer.
    unflushed: AtomicBool,
    log_len: AtomicU64,
    closed: AtomicBool,
}

/// What a collection begins with.
pub(super) struct Parts {
    env: Arc<dyn Env>,
    dir: Option<String>,
    read_only: bool,
    options: Options,
    executor: Option<Arc<dyn Executor>>,
    snapshot: Snapshot,
    writer: Writer,
    reader: Option<Reader>,
}

impl Collection {
    fn assemble(parts: Parts) -> Arc<Collection> {
        Arc::new_cyclic(|this| Collection {
            env: parts.env,
            dir: parts.dir,
            read_only: parts.read_only,
            options: parts.options,
            executor: parts.executor,
            this: this.clone(),
            snapshot: RwLock::new(Arc::new(parts.snapshot)),
            writer: Mutex::new(parts.writer),
            turn: Condvar::new(),
            reader: Mutex::new(parts.reader),
            merge_control: Control::new(),
            unflushed: false.into(),
            log_len: 0.into(),
            closed: false.into(),
        })
    }

    /// A collection for reading that has no folder: a snapshot in one file.
    pub(crate) fn of_snapshot(
        env: &Arc<dyn Env>,
        schema: Schema,
        segment: crate::segment::Segment,
        version: u64,
        curves: FieldCurves,
        request: &OpenRequest,
    ) -> Result<Arc<Collection>, TercetError> {
        // Also without documents: its bytes can be verified.
        let parts = vec![Part::new(segment, Some(String::new()))];
        Ok(Collection::assemble(Parts {
            env: env.clone(),
            dir: None,
            read_only: true,
            options: Options::of(request)?,
            executor: None,
            snapshot: Snapshot { schema: Arc::new(schema), parts, version, curves: curves.into() },
            writer: Writer::none(),
            reader: None,
        }))
    }

    /// Where its files are.
    pub(crate) fn env(&self) -> &dyn Env {
        self.env.as_ref()
    }

    /// When a version was written; `None` without a folder.
    pub(crate) fn created_ms(&self, version: u64) -> Result<Option<u64>, TercetError> {
        let Some(dir) = self.dir.as_deref() else {
            return Ok(None);
        };
        let manifest =
            manifest::Manifest::read(self.env.as_ref(), dir)?.ok_or_else(|| versions::gone(dir))?;
        Ok(manifest.find(&VersionName::Number(version)).map(|state| state.created_ms))
    }

    /// The schema.
    pub(crate) fn schema(&self) -> Arc<Schema> {
        self.current().schema.clone()
    }

    /// What is there now, for a verb that reads.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, TercetError> {
        if self.read_only && self.options.refresh_ms.is_some() {
            self.check_open()?;
            self.refresh_if_due()?;
        }
        // Taken before the look at `closed`, so that what close() leaves behind is never taken for an answer.
        let snapshot = self.current();
        self.check_open()?;
        Ok(snapshot)
    }

    /// Fails when nothing may be written. Waits for nobody.
    pub(crate) fn writable(&self) -> Result<(), TercetError> {
        if self.read_only {
            return Err(TercetError::new(Code::Unsupported, "the collection is open for reading only"));
        }
        self.check_open()
    }

    fn check_open(&self) -> Result<(), TercetError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TercetError::new(Code::Closed, "the collection is closed"));
        }
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, parts: Vec<Part>, version: u64) {
        let current = self.current();
        let (schema, curves) = (current.schema.clone(), current.curves.clone());
        self.show(Snapshot { schema, parts, version, curves });
    }

    fn show(&self, next: Snapshot) {
        let next = Arc::new(next);
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *snapshot, next);
        // What nobody uses any more is freed after the lock, so that no reader waits for it.
        drop(snapshot);
        drop(before);
    }
}
