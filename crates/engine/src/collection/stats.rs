//! What a collection holds and costs, and whether its files are whole.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use indexmap::IndexMap;
use tercet_store::{Env, SectionFile, StoreError, join, read_log};

use super::manifest::{Manifest, State};
use super::open::sealed;
use super::versions::gone;
use super::{Collection, Part};
use crate::api::Control;
use crate::schema::Schema;
use crate::segment::Segment;
use crate::wire::{FieldStats, Problem, SegmentStats, StatsReply, TercetError, VerifyReply};

impl Collection {
    pub(super) fn stats(&self) -> Result<StatsReply, TercetError> {
        let snapshot = self.snapshot()?;
        let parts = &snapshot.parts;
        let fields: IndexMap<String, FieldStats> = snapshot
            .schema
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let size = |part: &Part| part.segment.field_bytes(&field.key);
                let with = parts.iter().map(|part| part.segment.documents_with(at, part.live.as_deref()));
                let stats = FieldStats {
                    kind: field.spec.type_name().to_owned(),
                    documents: with.sum::<Result<_, _>>()?,
                    bytes: parts.iter().map(size).sum(),
                    memory_bytes: parts.iter().filter(|part| part.file.is_none()).map(size).sum(),
                    curves: snapshot
                        .curves
                        .get(&field.key)
                        .map_or(Vec::new(), |curves| curves.all().to_vec()),
                };
                Ok((field.name.clone(), stats))
            })
            .collect::<Result<_, TercetError>>()?;
        let segments: Vec<SegmentStats> = parts
            .iter()
            .map(|part| SegmentStats {
                file: part.file.clone().filter(|name| !name.is_empty()),
                rows: part.segment.rows.into(),
                deleted: part.deleted.into(),
                bytes: part.segment.file.file_len(),
            })
            .collect();
        let bytes: u64 = segments.iter().map(|s| s.bytes).sum();
        let of_fields: u64 = fields.values().map(|f| f.bytes).sum();
        Ok(StatsReply {
            documents: snapshot.documents(),
            deleted: parts.iter().map(|part| u64::from(part.deleted)).sum(),
            document_bytes: bytes.saturating_sub(of_fields),
            bytes,
            memory_bytes: parts.iter().map(Part::memory_bytes).sum(),
            disk_bytes: self.disk_bytes(bytes)?,
            log_bytes: self.log_len.load(Ordering::Acquire),
            version: snapshot.version,
            unflushed: self.unflushed.load(Ordering::Acquire),
            fields,
            segments,
        })
    }

    /// Bytes of every file that the manifest names.
    fn disk_bytes(&self, of_segments: u64) -> Result<u64, TercetError> {
        let Some(dir) = self.dir.as_deref() else {
            // In memory nothing is on the disk; a snapshot in one file is all its segment.
            return Ok(if self.read_only { of_segments } else { 0 });
        };
        let manifest = Manifest::read(self.env.as_ref(), dir)?.ok_or_else(|| gone(dir))?;
        // A file that a checkpoint beside us has just removed counts as nothing.
        let size = |name: &String| self.env.size(&join(dir, name)).unwrap_or(0);
        Ok(manifest.files().into_iter().map(size).sum())
    }

    /// Reads the files of every version again, so that what is checked is the disk and not the memory.
    pub(super) fn verify(&self, control: &Control) -> Result<VerifyReply, TercetError> {
        let snapshot = self.snapshot()?;
        let mut out = VerifyReply { files: 0, bytes: 0, problems: Vec::new() };
        let Some(dir) = self.dir.as_deref() else {
            for part in &snapshot.parts {
                out.files += 1;
                out.bytes += part.segment.file.file_len();
                check_segment(&part.segment, part.segment.file.label(), &mut out.problems);
            }
            return Ok(out);
        };
        let manifest = Manifest::read(self.env.as_ref(), dir)?.ok_or_else(|| gone(dir))?;
        control.begin(manifest.files().len() as u64);
        let mut seen = HashSet::new();
        for state in &manifest.states {
            self.verify_state(dir, state, &mut seen, &mut out, control)?;
        }
        if let Some(log) = &manifest.log {
            let path = join(dir, &log.file);
            let checked = read_log(self.env.as_ref(), &path, log.identity, 0).map(|found| found.end);
            self.take(checked.map_err(TercetError::from), dir, &log.file, &mut out);
            control.step(1)?;
        }
        Ok(out)
    }

    fn verify_state(
        &self,
        dir: &str,
        state: &State,
        seen: &mut HashSet<String>,
        out: &mut VerifyReply,
        control: &Control,
    ) -> Result<(), TercetError> {
        let schema = state.schema(dir)?;
        for (name, seal) in state.sealed_files() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let checked = verify_file(self.env.as_ref(), &schema, &join(dir, name), seal, &mut out.problems);
            self.take(checked, dir, name, out);
            control.step(1)?;
        }
        Ok(())
    }

    fn take(&self, checked: Result<u64, TercetError>, dir: &str, name: &str, out: &mut VerifyReply) {
        match checked {
            Ok(bytes) => out.bytes += bytes,
            Err(error) => {
                let now = Manifest::read(self.env.as_ref(), dir).ok().flatten();
                if now.is_some_and(|now| !now.files().contains(&name.to_owned())) {
                    // A checkpoint or a compaction beside us has removed it.
                    return;
                }
                out.problems.push(problem(&join(dir, name), &error));
            }
        }
        out.files += 1;
    }
}

/// Checks a file of a version; gives its length.
fn verify_file(
    env: &dyn Env,
    schema: &Schema,
    path: &str,
    seal: u32,
    problems: &mut Vec<Problem>,
) -> Result<u64, TercetError> {
    if path.ends_with(".del") {
        let file = SectionFile::open(env, path)?;
        sealed(&file, seal)?;
        problems.extend(file.problems().iter().map(|e| store_problem(path, e)));
        return Ok(file.file_len());
    }
    let segment = Segment::open(schema, env, path)?;
    sealed(&segment.file, seal)?;
    check_segment(&segment, path, problems);
    Ok(segment.file.file_len())
}

fn check_segment(segment: &Segment, path: &str, problems: &mut Vec<Problem>) {
    let pages = segment.file.problems();
    problems.extend(pages.iter().map(|e| store_problem(path, e)));
    // What a damaged page says of structure is known already.
    if pages.is_empty()
        && let Err(error) = segment.verify_structure()
    {
        problems.push(problem(path, &error));
    }
}

fn store_problem(path: &str, error: &StoreError) -> Problem {
    match error {
        StoreError::Corrupt { section, what, .. } => {
            Problem { file: path.to_owned(), section: section.clone(), what: what.clone() }
        }
        other => Problem { file: path.to_owned(), section: None, what: other.to_string() },
    }
}

fn problem(path: &str, error: &TercetError) -> Problem {
    Problem { file: path.to_owned(), section: None, what: error.0.message.clone() }
}
