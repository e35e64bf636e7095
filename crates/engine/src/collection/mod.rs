//! A collection: an ordered list of segments behind one snapshot pointer, and one writer.
//!
//! Readers take the present [`Snapshot`] and are never disturbed: writers publish a new one and change nothing that a
//! snapshot holds. A batch is staged aside ([`crate::batch`]) and becomes visible in one step. Nothing is on disk until
//! `flush`: it writes new segments and tombstones under names never used before, then replaces the manifest, then
//! removes what the manifest no longer names. A crash at any moment leaves the last manifest and its files whole.

mod files;
mod handle;
mod merging;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tercet_index::Bitmap;
use tercet_store::{Env, LockGuard};

use crate::api::Control;
use crate::schema::Schema;
use crate::segment::Segment;
use crate::wire::{Code, CommitReply, CompactReply, TercetError};

pub(crate) use files::open;
pub(crate) use handle::CollectionHandle;

/// A segment as one snapshot sees it.
#[derive(Clone)]
pub(crate) struct Part {
    /// The immutable part.
    pub(crate) segment: Arc<Segment>,
    /// The rows that live; `None` when all do.
    pub(crate) live: Option<Arc<Bitmap>>,
    /// Rows that do not.
    pub(crate) deleted: u32,
    /// The segment's file, once it is written.
    file: Option<String>,
    /// The file of tombstones that says what `live` says, when there is one.
    tombstones: Option<String>,
    /// Lengths of text fields under `live`, counted at first use.
    lengths: Arc<OnceLock<Vec<TextLengths>>>,
}

/// What BM25 needs to know of one text field of one part.
#[derive(Clone, Copy, Default)]
pub(crate) struct TextLengths {
    /// Live documents that have the field.
    pub(crate) documents: u64,
    /// Their words.
    pub(crate) words: u64,
}

impl Part {
    fn new(segment: Segment, file: Option<String>) -> Part {
        Part {
            segment: Arc::new(segment),
            live: None,
            deleted: 0,
            file,
            tombstones: None,
            lengths: Arc::default(),
        }
    }

    /// Live rows.
    pub(crate) fn documents(&self) -> u64 {
        u64::from(self.segment.rows - self.deleted)
    }

    /// Whether a row lives.
    pub(crate) fn lives(&self, row: u32) -> bool {
        self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// The live row of an id.
    pub(crate) fn row(&self, id: &[u8]) -> Option<u32> {
        self.segment.ids.row(id).filter(|row| self.lives(*row))
    }

    /// Document counts and lengths of a text field.
    pub(crate) fn lengths(&self, field: usize) -> TextLengths {
        let all = self.lengths.get_or_init(|| {
            let live = self.live.as_deref();
            (0..self.segment.fields.len())
                .map(|at| match self.segment.text(at) {
                    Some(text) => {
                        TextLengths { documents: text.rows_with_field(live), words: text.total_length(live) }
                    }
                    None => TextLengths::default(),
                })
                .collect()
        });
        all.get(field).copied().unwrap_or_default()
    }

    /// The part without some more rows.
    fn without(&self, gone: &Bitmap) -> Part {
        let mut live = self.live.as_deref().cloned().unwrap_or_else(|| Bitmap::full(self.segment.rows));
        live.and_not(gone);
        Part {
            deleted: self.segment.rows - live.count(),
            live: Some(Arc::new(live)),
            tombstones: None,
            lengths: Arc::default(),
            ..self.clone()
        }
    }
}

/// What a reader sees: it never changes.
pub(crate) struct Snapshot {
    /// The schema.
    pub(crate) schema: Arc<Schema>,
    /// The segments, oldest first.
    pub(crate) parts: Vec<Part>,
}

impl Snapshot {
    /// Live documents.
    pub(crate) fn documents(&self) -> u64 {
        self.parts.iter().map(Part::documents).sum()
    }

    /// Where a document is: the part's position and the row.
    pub(crate) fn find(&self, id: &[u8]) -> Option<(usize, u32)> {
        self.parts.iter().enumerate().rev().find_map(|(at, part)| Some((at, part.row(id)?)))
    }
}

/// What only the writer touches.
struct Writer {
    /// Held while the collection is open for writing; a collection in memory has none.
    lock: Option<Box<dyn LockGuard>>,
    next_file: u64,
}

/// An open collection.
pub(crate) struct Collection {
    env: Arc<dyn Env>,
    /// The folder; `None` in memory.
    dir: Option<String>,
    read_only: bool,
    schema: Arc<Schema>,
    snapshot: RwLock<Arc<Snapshot>>,
    writer: Mutex<Writer>,
    /// Whether the snapshot differs from the manifest. Changed under the writer's lock, read without it.
    changed: AtomicBool,
    closed: AtomicBool,
}

impl Collection {
    /// The schema.
    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What is there now.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, TercetError> {
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

    fn current(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writer(&self) -> Result<MutexGuard<'_, Writer>, TercetError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: close() takes it too, so nothing is written after it.
        self.writable()?;
        Ok(writer)
    }

    /// Shows new parts that no manifest names yet.
    fn publish_changed(&self, parts: Vec<Part>) {
        self.changed.store(true, Ordering::Release);
        self.publish(parts);
    }

    fn publish(&self, parts: Vec<Part>) {
        let next = Arc::new(Snapshot { schema: self.schema.clone(), parts });
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *snapshot, next);
        // What nobody uses any more is freed after the lock, so that no reader waits for it.
        drop(snapshot);
        drop(before);
    }

    /// Makes staged segments visible, in one step, in place of older documents with the same ids.
    pub(crate) fn commit(&self, staged: Vec<Segment>, control: &Control) -> Result<CommitReply, TercetError> {
        let _writer = self.writer()?;
        let snapshot = self.current();
        let new_ids = || staged.iter().flat_map(|segment| (0..segment.rows).map(|row| segment.ids.id(row)));
        let mut replaced = 0;
        let mut parts = Vec::with_capacity(snapshot.parts.len() + 1);
        for part in &snapshot.parts {
            let (next, gone) = remove_rows(part, new_ids().filter_map(|id| part.row(id)));
            replaced += gone;
            parts.push(next);
        }
        let written = staged.iter().map(|segment| u64::from(segment.rows)).sum();
        if written == 0 {
            return Ok(CommitReply { written: 0, replaced: 0 });
        }
        let fresh: Vec<Part> =
            staged.into_iter().filter(|s| s.rows > 0).map(|s| Part::new(s, None)).collect();
        parts.push(merging::one(&self.schema, fresh, control)?);
        self.publish_changed(merging::settle(&self.schema, parts, control)?);
        Ok(CommitReply { written, replaced })
    }

    /// Removes rows chosen part by part; returns how many.
    fn remove_by(&self, choose: impl Fn(&Part) -> Vec<u32>) -> Result<u64, TercetError> {
        let _writer = self.writer()?;
        let snapshot = self.current();
        let mut removed = 0;
        let mut parts = Vec::with_capacity(snapshot.parts.len());
        for part in &snapshot.parts {
            let (next, gone) = remove_rows(part, choose(part).into_iter());
            removed += gone;
            parts.push(next);
        }
        if removed > 0 {
            parts.retain(|part| part.documents() > 0);
            self.publish_changed(parts);
        }
        Ok(removed)
    }

    /// Writes everything to disk; in memory it does nothing.
    pub(crate) fn flush(&self, control: &Control) -> Result<(), TercetError> {
        let mut writer = self.writer()?;
        if self.changed.load(Ordering::Acquire) {
            let parts = merging::gather(&self.schema, self.current().parts.clone(), control)?;
            self.write(&mut writer, parts)?;
        }
        Ok(())
    }

    /// Makes one segment of all, without the deleted rows, and writes it.
    pub(crate) fn compact(&self, control: &Control) -> Result<CompactReply, TercetError> {
        let mut writer = self.writer()?;
        let parts = self.current().parts.clone();
        let bytes = |parts: &[Part]| parts.iter().map(|part| part.segment.file.file_len()).sum();
        let bytes_before = bytes(&parts);
        let dropped = parts.iter().map(|part| u64::from(part.deleted)).sum();
        let merged = parts.len() > 1 || dropped > 0;
        let next = match parts.iter().any(|part| part.documents() > 0) {
            true if merged => vec![merging::one(&self.schema, parts, control)?],
            true => parts,
            false => Vec::new(),
        };
        let bytes_after = bytes(&next);
        if merged || self.changed.load(Ordering::Acquire) {
            self.write(&mut writer, next)?;
        }
        Ok(CompactReply { bytes_before, bytes_after, dropped })
    }

    /// Lets go of the folder. Changes not flushed are lost.
    fn close(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        writer.lock = None;
        self.publish(Vec::new());
    }
}

/// The part without some of its rows, and how many of them had lived.
fn remove_rows(part: &Part, rows: impl Iterator<Item = u32>) -> (Part, u64) {
    let mut gone: Option<Bitmap> = None;
    let mut count = 0;
    for row in rows {
        if part.lives(row) && gone.get_or_insert_with(|| Bitmap::new(part.segment.rows)).set(row) {
            count += 1;
        }
    }
    match gone {
        Some(gone) => (part.without(&gone), count),
        None => (part.clone(), 0),
    }
}
