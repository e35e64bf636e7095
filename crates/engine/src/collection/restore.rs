//! What `repair` does to a collection: it opens parts one by one, and makes a version of what it could keep.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tercet_index::Bitmap;
use tercet_store::{Env, LockGuard};

use super::manifest::{Manifest, SegmentEntry, State};
use super::open::{read_parts, read_tombstones, verify_parts};
use super::part::without_ids;
use super::writer::Writer;
use super::{Collection, Options, Part, Parts, Snapshot, record, versions};
use crate::api::Control;
use crate::schema::Schema;
use crate::segment::Job;
use crate::segment::Segment;
use crate::wire::{TercetError, VerifyReply};

/// A collection that is being put together. Nothing of it is seen before [`Restore::finish`].
pub(crate) struct Restore {
    collection: Arc<Collection>,
}

impl Restore {
    /// Begins under the writer's lock; files get numbers from `next_file` on.
    pub(crate) fn begin(
        env: &Arc<dyn Env>,
        dir: &str,
        lock: Box<dyn LockGuard>,
        schema: Schema,
        next_file: u64,
    ) -> Restore {
        let mut writer = Writer::new(Some(lock), None, Vec::new());
        writer.next_file = next_file;
        let collection = Collection::assemble(Parts {
            env: env.clone(),
            dir: Some(dir.to_owned()),
            read_only: false,
            // Only what is tagged or leased stays of older versions.
            options: Options {
                interval_ms: None,
                retain_ms: 0,
                memory_bytes: 512 << 20,
                log_bytes: 16 << 20,
                refresh_ms: None,
            },
            executor: None,
            snapshot: Snapshot::empty(schema, 0),
            writer,
            reader: None,
        });
        Restore { collection }
    }

    /// Merges parts in memory into a file that nothing names yet.
    pub(crate) fn write_apart(&self, parts: &[Part], control: &Control) -> Result<Part, TercetError> {
        self.collection.write_apart(parts, &Job::plain(control))
    }

    /// Makes these parts the newest version, in place of the manifest's last.
    pub(crate) fn finish(&self, manifest: Manifest, parts: Vec<Part>) -> Result<(), TercetError> {
        let mut writer = self.collection.lock_writer();
        writer.manifest = Some(manifest);
        self.collection.checkpoint(&mut writer, parts)
    }

    /// Documents, once it is finished.
    pub(crate) fn documents(&self) -> u64 {
        self.collection.current().documents()
    }

    /// Reads everything again, once it is finished.
    pub(crate) fn verify(&self, control: &Control) -> Result<VerifyReply, TercetError> {
        self.collection.verify(control)
    }
}

/// One segment of a state with its tombstones, after every check there is.
pub(crate) fn read_part(
    env: &dyn Env,
    dir: &str,
    schema: &Schema,
    state: &State,
    entry: &SegmentEntry,
) -> Result<Vec<Part>, TercetError> {
    let one = State { segments: vec![entry.clone()], ..state.clone() };
    let parts = read_parts(env, dir, schema, &one, &[])?;
    verify_parts(&parts)?;
    Ok(parts)
}

/// A whole segment, without some of its rows.
pub(crate) fn part_without(segment: Segment, file: Option<String>, gone: Option<&Bitmap>) -> Part {
    let part = Part::new(segment, file);
    match gone {
        Some(gone) => part.without(gone),
        None => part,
    }
}

/// The deleted rows that a file of tombstones names.
pub(crate) fn tombstones(env: &dyn Env, path: &str, rows: u32, seal: u32) -> Result<Bitmap, TercetError> {
    read_tombstones(env, path, rows, seal)
}

/// Takes a record of a log into parts, after every check there is.
pub(crate) fn replay(
    schema: &Schema,
    parts: &[Part],
    record: &Bytes,
    label: &str,
) -> Result<Vec<Part>, TercetError> {
    let before = parts.len();
    let after = record::replay(schema, parts.to_vec(), record, label)?;
    verify_parts(&after[before.min(after.len())..])?;
    Ok(after)
}

/// Of documents with the same id the last stays; also how many went.
pub(crate) fn newest_of_each(mut parts: Vec<Part>) -> Result<(Vec<Part>, u64), TercetError> {
    let mut removed = 0;
    for at in (1..parts.len()).rev() {
        let later = parts[at].clone();
        let rows = || (0..later.segment.rows).filter(|row| later.lives(*row));
        let (earlier, gone) = without_ids(&parts[..at], || rows().map(|row| later.segment.id(row)))?;
        parts.splice(..at, earlier);
        removed += gone;
    }
    Ok((parts, removed))
}

/// The versions that readers hold. Leases of dead readers are removed.
pub(crate) fn leased(env: &dyn Env, dir: &str) -> HashSet<u64> {
    versions::leased(env, dir)
}
