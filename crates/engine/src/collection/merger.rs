//! Merging files while commits and searches go on, and compaction.
//!
//! A merge takes the parts as they are, writes their live rows to a new file without holding the writer, and then takes
//! their place: rows that were deleted meanwhile are deleted in the new segment too. Nothing else can have happened to
//! them, for only one merge runs at a time. A merge that fails (no space) changes nothing and is tried again after the
//! next checkpoint.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use tercet_index::Bitmap;

use super::Collection;
use super::merging::{self, Cap, PARTS_MAX, Plan};
use super::part::Part;
use super::writer::{Log, Writer};
use crate::api::{Control, Threads};
use crate::segment::Job;
use crate::wire::{Code, CompactReply, TercetError};

/// Says that the merge is over, however it ends: others wait for that.
struct Merging<'a>(&'a Collection);

impl Drop for Merging<'_> {
    fn drop(&mut self) {
        self.0.lock_writer().merging = false;
        self.0.turn.notify_all();
    }
}

impl Collection {
    fn cap(&self) -> Cap {
        Cap::of(self.options.memory_bytes, &self.schema())
    }

    /// Threads for a call that works long.
    pub(crate) fn threads(&self) -> Threads<'_> {
        Threads::new(self.executor.as_deref(), None)
    }

    /// Threads for work beside the calls: half of them.
    fn threads_beside(&self) -> Threads<'_> {
        let executor = self.executor.as_deref();
        let half = executor.map_or(1, |executor| executor.threads().div_ceil(2));
        Threads::new(executor, u32::try_from(half).ok())
    }

    /// Whether commits wait for the merger, or soon will. What takes long then has time until they do not.
    fn is_behind(&self) -> bool {
        self.current().parts.len() > PARTS_MAX
    }

    fn next_merge(&self, parts: &[Part]) -> Option<Range<usize>> {
        let in_memory = self.dir.is_none();
        merging::plan(parts, Plan { cap: self.cap(), in_memory, finish: parts.len() <= PARTS_MAX })
    }

    /// Begins merging if there is something to merge and nobody does.
    pub(super) fn merge_if_due(&self, mut writer: MutexGuard<'_, Writer>) {
        if writer.merging || self.next_merge(&writer.head).is_none() {
            return;
        }
        writer.merging = true;
        drop(writer);
        match (&self.executor, self.this.upgrade()) {
            (Some(executor), Some(this)) => executor.spawn(Box::new(move || this.run_merges())),
            _ => self.run_merges(),
        }
    }

    /// Merges until nothing is left to merge.
    fn run_merges(&self) {
        let _end = Merging(self);
        loop {
            let inputs = {
                let writer = self.lock_writer();
                match self.next_merge(&writer.head) {
                    Some(range) if self.writable().is_ok() => writer.head[range].to_vec(),
                    _ => break,
                }
            };
            let (control, parallel) = (&self.merge_control, &self.threads_beside());
            let give_up = || self.is_behind();
            let job = match self.is_behind() {
                true => Job::plain(control),
                false => Job { parallel, give_up: Some(&give_up), ..Job::whole(control) },
            };
            match self.merge_parts(&inputs, &job) {
                Ok(()) => {}
                // It gave up: commits pile up, and are served first.
                Err(error) if error.code() == Code::Aborted && !control.is_cancelled() => {}
                Err(_) => break,
            }
        }
    }

    /// Makes neighbours one file. Commits go on meanwhile.
    fn merge_parts(&self, inputs: &[Part], job: &Job<'_>) -> Result<(), TercetError> {
        let merged = match self.dir {
            Some(_) => self.write_apart(inputs, job)?,
            None => merging::one(&self.schema(), inputs.to_vec(), job)?,
        };
        let number: Vec<u64> = merged.file_number().into_iter().collect();
        let result = self.replace(inputs, merged);
        self.release(&number);
        self.turn.notify_all();
        result
    }

    fn replace(&self, inputs: &[Part], merged: Part) -> Result<(), TercetError> {
        let mut writer = self.idle_writer()?;
        // Parts that lost their last row meanwhile are no longer there.
        let now = |input: &Part| writer.head.iter().find(|part| part.is_of(input)).cloned();
        let mut gone = Bitmap::new(merged.segment.rows);
        let mut next = 0;
        let mut place = None;
        for input in inputs {
            let part = now(input);
            let same = match (&part, &input.live) {
                (Some(part), Some(live)) => part.live.as_ref().is_some_and(|now| Arc::ptr_eq(now, live)),
                (Some(part), None) => part.live.is_none(),
                (None, _) => false,
            };
            if part.is_some() && place.is_none() {
                place = writer.head.iter().position(|part| part.is_of(input));
            }
            if same {
                next += input.documents() as u32;
                continue;
            }
            for row in (0..input.segment.rows).filter(|row| input.lives(*row)) {
                if !part.as_ref().is_some_and(|part| part.lives(row)) {
                    gone.set(next);
                }
                next += 1;
            }
        }
        let Some(place) = place else {
            return Ok(());
        };
        let merged = if gone.count() > 0 { merged.without(&gone) } else { merged };
        let mut parts = writer.head.clone();
        parts.retain(|part| !inputs.iter().any(|input| input.is_of(part)));
        parts.insert(place, merged);
        if self.dir.is_none() {
            writer.head.clone_from(&parts);
            self.publish(parts, 0);
            return Ok(());
        }
        self.checkpoint(&mut writer, parts)
    }

    /// Merges all there is into as few segments as limits allow, without the deleted rows, and frees the disk: versions
    /// without a tag or a reader go.
    pub(crate) fn compact(&self, control: &Control) -> Result<CompactReply, TercetError> {
        control.step(0)?;
        if self.dir.is_none() {
            return self.compact_memory(control);
        }
        let bytes = |parts: &[Part]| -> u64 { parts.iter().map(|part| part.segment.file.file_len()).sum() };
        let mut writer = self.begin_alone()?;
        let (bytes_before, dropped) =
            (bytes(&writer.head), writer.head.iter().map(|part| u64::from(part.deleted)).sum());
        writer.merging = true;
        drop(writer);
        let merging = Merging(self);
        self.compact_files(control)?;
        drop(merging);
        Ok(CompactReply { bytes_before, bytes_after: bytes(&self.current().parts), dropped })
    }

    /// The writer, when neither a merge nor anything else is on its way.
    pub(super) fn begin_alone(&self) -> Result<MutexGuard<'_, Writer>, TercetError> {
        self.merge_control.cancel();
        let mut writer = self.lock_writer();
        while writer.merging || writer.syncing {
            writer = self.wait(writer);
        }
        self.merge_control.renew();
        self.writable()?;
        Ok(writer)
    }

    fn compact_files(&self, control: &Control) -> Result<(), TercetError> {
        self.flush_alone()?;
        let head = self.lock_writer().head.clone();
        let parallel = self.threads();
        for range in merging::groups(&head, &self.cap()) {
            self.merge_parts(&head[range], &Job { parallel: &parallel, ..Job::whole(control) })?;
        }
        let mut writer = self.idle_writer()?;
        self.drop_versions(&mut writer)
    }

    fn flush_alone(&self) -> Result<(), TercetError> {
        let mut writer = self.idle_writer()?;
        if writer.dirty {
            self.checkpoint_head(&mut writer)?;
        }
        Ok(())
    }

    fn compact_memory(&self, control: &Control) -> Result<CompactReply, TercetError> {
        let mut writer = self.begin_alone()?;
        let parts = writer.head.clone();
        let bytes = |parts: &[Part]| parts.iter().map(|part| part.segment.file.file_len()).sum();
        let bytes_before = bytes(&parts);
        let dropped = parts.iter().map(|part| u64::from(part.deleted)).sum();
        let next = match parts.iter().any(|part| part.documents() > 0) {
            true => {
                let parallel = self.threads();
                let job = Job { parallel: &parallel, ..Job::whole(control) };
                vec![merging::one(&self.schema(), parts, &job)?]
            }
            false => Vec::new(),
        };
        let bytes_after = bytes(&next);
        writer.head.clone_from(&next);
        self.publish(next, 0);
        Ok(CompactReply { bytes_before, bytes_after, dropped })
    }

    /// The end of a collection that is open for writing: all is put into segments, and what need not stay goes.
    pub(super) fn finish(&self) -> Result<(), TercetError> {
        if self.read_only || self.dir.is_none() {
            return Ok(());
        }
        let mut writer = self.begin_alone()?;
        if writer.dirty || matches!(writer.log, Log::Lost) || self.log_len.load(Ordering::Acquire) > 0 {
            self.checkpoint_head(&mut writer)?;
        }
        self.drop_versions(&mut writer)
    }

    /// Lets go of the folder. What was not committed is lost; what was, is in the log.
    pub(super) fn close(&self) {
        self.merge_control.cancel();
        self.closed.store(true, Ordering::Release);
        let mut writer = self.lock_writer();
        // Nobody may write to the folder any more when its lock is released.
        while writer.merging || writer.syncing {
            writer = self.wait(writer);
        }
        writer.lock = None;
        drop(writer);
        self.leave();
        self.publish(Vec::new(), 0);
    }
}
