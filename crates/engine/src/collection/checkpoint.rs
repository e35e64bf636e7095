//! Checkpoints: everything in segment files, named by a new manifest. Each makes a version.
//!
//! Segments and tombstones are written under names never used before and synced, with their folder; then the manifest
//! is replaced in one rename; then what no retained version names is removed. A crash at any moment leaves the old
//! manifest with its log or the new one, and the files of either.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tercet_index::{Bitmap, array_bytes};
use tercet_store::{SectionFile, SectionFileWriter, join};

use super::manifest::{Manifest, SegmentEntry, State, Tombstones, file_name};
use super::merging;
use super::part::Part;
use super::writer::{Log, Writer};
use super::{Collection, FieldCurves, Snapshot};
use crate::api::Control;
use crate::error::index_error;
use crate::schema::Schema;
use crate::segment::{Job, Segment};
use crate::wire::{Code, TercetError};

/// The kind of section file that holds tombstones, and its one section.
pub(super) const TOMBSTONES: &str = "tombstones";
pub(super) const TOMBSTONE_ROWS: &str = "rows";
/// The section of it that names the segment: for repairs, when no manifest tells.
pub(crate) const TOMBSTONES_OF: &str = "segment";

impl Collection {
    /// Makes these parts the newest version. An error has changed nothing that can be seen; the caller holds the writer
    /// and nobody writes to the log.
    pub(super) fn checkpoint(&self, writer: &mut Writer, parts: Vec<Part>) -> Result<(), TercetError> {
        self.checkpoint_as(writer, parts, &self.schema())
    }

    /// Makes what `head` is the newest version.
    pub(super) fn checkpoint_head(&self, writer: &mut Writer) -> Result<(), TercetError> {
        let head = writer.head.clone();
        self.checkpoint(writer, head)
    }

    /// A checkpoint under another schema.
    pub(super) fn checkpoint_as(
        &self,
        writer: &mut Writer,
        parts: Vec<Part>,
        schema: &Arc<Schema>,
    ) -> Result<(), TercetError> {
        let Some(dir) = self.dir.as_deref() else {
            return Err(TercetError::new(Code::Internal, "a collection without a folder has no checkpoints"));
        };
        let before: Vec<u64> = writer.reserved.iter().copied().collect();
        let written = self.write_parts(writer, dir, parts);
        let result = written.and_then(|parts| self.install(writer, dir, parts, schema));
        // What this call reserved is named now, or will be swept.
        writer.reserved.retain(|number| before.contains(number));
        result
    }

    fn install(
        &self,
        writer: &mut Writer,
        dir: &str,
        parts: Vec<Part>,
        schema: &Arc<Schema>,
    ) -> Result<(), TercetError> {
        let missing = || TercetError::new(Code::Internal, "a collection in a folder has a manifest");
        self.env.sync_dir(dir)?;
        let now = self.env.now_ms();
        let mut manifest = writer.manifest.clone().ok_or_else(missing)?;
        // A version whose manifest could not be written may be on the disk all the same: no other gets its number.
        let version = manifest.newest().version.max(writer.tried_version) + 1;
        writer.tried_version = version;
        if let Some(state) = manifest.states.last_mut() {
            state.replaced_ms = Some(now);
        }
        let mut curves = FieldCurves::clone(&self.current().curves);
        curves.retain(|key, _| schema.with_key(key).is_some());
        let curves = Arc::new(curves);
        manifest.states.push(state(version, now, schema, &parts, &curves)?);
        manifest.next_file = writer.next_file;
        manifest.log = None;
        self.retire(writer, &mut manifest, dir, now);
        self.write_manifest(writer, dir, manifest)?;
        writer.head.clone_from(&parts);
        writer.dirty = false;
        self.unflushed.store(false, Ordering::Release);
        self.log_len.store(0, Ordering::Release);
        self.show(Snapshot { schema: schema.clone(), parts, version, curves });
        writer.answer_queue(&Ok(()));
        self.turn.notify_all();
        self.sweep(writer, dir);
        Ok(())
    }

    /// Replaces the manifest. When that fails nobody knows which one the disk shows: the log it may not name is lost.
    pub(super) fn write_manifest(
        &self,
        writer: &mut Writer,
        dir: &str,
        manifest: Manifest,
    ) -> Result<(), TercetError> {
        let log = std::mem::replace(&mut writer.log, Log::Lost);
        manifest.write(self.env.as_ref(), dir)?;
        writer.log = if manifest.log.is_some() { log } else { Log::None };
        writer.manifest = Some(manifest);
        Ok(())
    }

    /// The parts with a file each, and one of tombstones where rows are deleted. Neighbours in memory become one file.
    fn write_parts(
        &self,
        writer: &mut Writer,
        dir: &str,
        parts: Vec<Part>,
    ) -> Result<Vec<Part>, TercetError> {
        let mut out: Vec<Part> = Vec::with_capacity(parts.len());
        let mut run: Vec<Part> = Vec::new();
        for part in parts.into_iter().filter(|part| part.documents() > 0) {
            if part.file.is_none() {
                run.push(part);
                continue;
            }
            out.extend(self.write_run(writer, dir, std::mem::take(&mut run))?);
            out.push(part);
        }
        out.extend(self.write_run(writer, dir, run)?);
        for part in &mut out {
            self.write_tombstones(writer, dir, part)?;
        }
        Ok(out)
    }

    fn write_run(&self, writer: &mut Writer, dir: &str, run: Vec<Part>) -> Result<Option<Part>, TercetError> {
        if run.is_empty() {
            return Ok(None);
        }
        let name = file_name(writer.reserve(), ".seg");
        let path = join(dir, &name);
        let (schema, env) = (self.schema(), self.env.as_ref());
        let control = Control::new();
        Segment::merge_to_file(&schema, &merging::inputs(&run), &Job::plain(&control), env, &path)?;
        Ok(Some(Part::new(Segment::open(&schema, env, &path)?, Some(name))))
    }

    fn write_tombstones(&self, writer: &mut Writer, dir: &str, part: &mut Part) -> Result<(), TercetError> {
        let (Some(live), None) = (&part.live, &part.tombstones) else {
            return Ok(());
        };
        let mut gone = Bitmap::clone(live);
        gone.not();
        let name = file_name(writer.reserve(), ".del");
        let mut file = SectionFileWriter::new(TOMBSTONES);
        file.add(TOMBSTONE_ROWS, array_bytes(gone.words()).map_err(|e| index_error(e, &name))?);
        file.add(TOMBSTONES_OF, part.file.clone().unwrap_or_default().into_bytes());
        let bytes = file.to_bytes()?;
        let seal = SectionFile::from_bytes(bytes, &name)?.seal();
        file.finish(self.env.as_ref(), &join(dir, &name))?;
        part.tombstones = Some(Tombstones { file: name, seal });
        Ok(())
    }

    /// Puts what only the log holds into segments; gives the version that holds everything.
    pub(crate) fn flush(&self) -> Result<u64, TercetError> {
        if self.dir.is_none() {
            self.writable()?;
            return Ok(0);
        }
        let mut writer = self.idle_writer()?;
        if writer.dirty || matches!(writer.log, Log::Lost) {
            self.checkpoint_head(&mut writer)?;
        }
        let version = writer.version();
        self.merge_if_due(writer);
        Ok(version)
    }
}

/// The state that these parts are.
fn state(
    version: u64,
    now: u64,
    schema: &Schema,
    parts: &[Part],
    curves: &FieldCurves,
) -> Result<State, TercetError> {
    let segments = parts
        .iter()
        .filter_map(|part| {
            Some(SegmentEntry {
                file: part.file.clone()?,
                seal: part.segment.file.seal(),
                rows: part.segment.rows,
                deleted: part.deleted,
                tombstones: part.tombstones.clone(),
            })
        })
        .collect();
    Ok(State {
        version,
        created_ms: now,
        replaced_ms: None,
        schema: schema.to_json()?,
        keys: schema.keys(),
        retired_keys: schema.retired.clone(),
        vocabularies: schema.vocabularies(),
        curves: curves.clone(),
        segments,
    })
}
