//! `repair`: makes a damaged folder a sound collection again, as far as its files allow, and says what it did.
//!
//! 1. The root (`root.rs`): the manifest; where it cannot be read the one that was about to take its place; else what
//!    the segments themselves say.
//! 2. Every file of the newest version is read whole. Single flipped bits are set right (`mend.rs`). What is sound stays as it is. Of a damaged segment every document
//!    that can be read is indexed anew (`salvage.rs`); of a damaged log the intact beginning is replayed.
//! 3. What was kept becomes a new version in one step. Damaged files get another name first, and a repair that was cut
//!    off finds them under it; nothing that is damaged is ever removed.

mod mend;
mod root;
mod salvage;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tercet_index::Bitmap;
use tercet_store::{Env, MANIFEST, MANIFEST_TEMP, SectionFile, StoreError, join, salvage_log};

use crate::api::Control;
use crate::collection::manifest::{LogName, Manifest, SegmentEntry, State, any_file_number};
use crate::collection::restore::{self, Restore};
use crate::collection::{Part, folder, unused};
use crate::schema::Schema;
use crate::segment::Segment;
use crate::wire::{Code, RepairReply, RepairRequest, TercetError};

/// What stands behind the name of a damaged file.
const DAMAGED: &str = ".damaged";

/// A repair on its way.
struct Repair<'a> {
    env: &'a Arc<dyn Env>,
    dir: &'a str,
    control: &'a Control,
    /// What was done, in words.
    actions: Vec<String>,
    /// Documents that could not be read.
    lost: u64,
    /// Names of damaged files, which get another name.
    damaged: BTreeSet<String>,
    /// Whether the version on the disk must be replaced.
    changed: bool,
    /// Whether documents that were deleted may be back.
    back: bool,
}

/// Repairs a folder.
pub(crate) fn repair(
    env: &Arc<dyn Env>,
    request: &RepairRequest,
    control: &Control,
) -> Result<RepairReply, TercetError> {
    let dir = folder(&request.path)?;
    let names = env.list(dir)?;
    let ours = |name: &String| name == MANIFEST || name == MANIFEST_TEMP || any_file_number(name).is_some();
    if !names.iter().any(ours) {
        return Err(TercetError::new(Code::NotFound, format!("there is no collection in {dir}")).file(dir));
    }
    let lock = env.lock(&join(dir, "LOCK"))?;
    let mut repair = Repair {
        env,
        dir,
        control,
        actions: Vec::new(),
        lost: 0,
        damaged: BTreeSet::new(),
        changed: false,
        back: false,
    };
    let manifest = repair.root()?;
    let schema = manifest.newest().schema(dir)?;
    let next_file = unused(env.as_ref(), dir, manifest.next_file)?;
    control.begin(manifest.files().len() as u64);
    let restore = Restore::begin(env, dir, lock, schema.clone(), next_file);
    repair.run(manifest, &schema, next_file, &restore)
}

impl Repair<'_> {
    fn run(
        mut self,
        manifest: Manifest,
        schema: &Schema,
        next_file: u64,
        restore: &Restore,
    ) -> Result<RepairReply, TercetError> {
        let mut sound = HashSet::new();
        let mut parts = Vec::new();
        for entry in &manifest.newest().segments {
            parts.extend(self.part(restore, &manifest, schema, entry, &mut sound)?);
            self.control.step(1)?;
        }
        if self.back {
            let (kept, removed) = restore::newest_of_each(parts)?;
            parts = kept;
            if removed > 0 {
                self.say(format!("{removed} documents that had been replaced by newer ones were left out"));
            }
        }
        if let Some(log) = &manifest.log {
            parts = self.log(schema, log, parts)?;
        }
        let older = self.older(&manifest, &sound)?;
        if !self.changed {
            self.tidy(&manifest);
            let documents = parts.iter().map(Part::documents).sum();
            return Ok(RepairReply { actions: self.actions, documents, lost: 0, ok: true });
        }
        // The last look: from here on files are renamed.
        self.control.step(0)?;
        let next = self.next(manifest, older, next_file);
        self.rename_damaged()?;
        let before = self.env.list(self.dir)?;
        restore.finish(next, parts)?;
        let after = self.env.list(self.dir)?;
        for name in before.iter().filter(|name| !after.contains(name)) {
            self.say(format!("{name} was removed: no version names it"));
        }
        let found = restore.verify(&Control::new())?;
        for problem in &found.problems {
            self.say(format!("{} is damaged still: {}", problem.file, problem.what));
        }
        let (documents, ok) = (restore.documents(), found.problems.is_empty());
        Ok(RepairReply { actions: self.actions, documents, lost: self.lost, ok })
    }

    fn say(&mut self, what: String) {
        self.actions.push(what);
    }

    fn env(&self) -> &dyn Env {
        self.env.as_ref()
    }

    fn path(&self, name: &str) -> String {
        join(self.dir, name)
    }

    /// Where the file stands that has a seal: under its name; under the one that a repair which was cut off gave it; or
    /// under that of another file. Where none has it, the one under its name if that cannot be opened. A whole file that
    /// is another one is not taken for it.
    fn locate(&mut self, name: &str, seal: u32) -> Result<Option<String>, TercetError> {
        let mut broken = None;
        for name in [name.to_owned(), format!("{name}{DAMAGED}")] {
            let path = self.path(&name);
            match SectionFile::open(self.env(), &path) {
                Ok(file) if file.seal() == seal => return Ok(Some(path)),
                Ok(_) => {
                    if !name.ends_with(DAMAGED) {
                        self.damaged.insert(name);
                    }
                }
                Err(StoreError::NotFound { .. }) => {}
                Err(StoreError::Corrupt { .. }) => broken = broken.or(Some(path)),
                Err(error) => return Err(error.into()),
            }
        }
        for other in self.env.list(self.dir)? {
            let path = self.path(&other);
            if any_file_number(other.split(DAMAGED).next().unwrap_or_default()).is_some()
                && SectionFile::open(self.env(), &path).is_ok_and(|file| file.seal() == seal)
            {
                return Ok(Some(path));
            }
        }
        Ok(broken)
    }

    /// A segment of the newest version, or what can be kept of it.
    fn part(
        &mut self,
        restore: &Restore,
        manifest: &Manifest,
        schema: &Schema,
        entry: &SegmentEntry,
        sound: &mut HashSet<String>,
    ) -> Result<Vec<Part>, TercetError> {
        let state = manifest.newest();
        let mut why = None;
        for last in [false, true] {
            match restore::read_part(self.env(), self.dir, schema, state, entry) {
                Ok(parts) => {
                    sound.insert(entry.file.clone());
                    sound.extend(entry.tombstones.as_ref().map(|named| named.file.clone()));
                    return Ok(parts);
                }
                Err(error) => why = Some(damage(error)?),
            }
            let mut files = files_of(entry);
            if last || !files.try_fold(false, |any, name| Ok::<_, TercetError>(self.mend(name)? | any))? {
                break;
            }
        }
        let why = why.map_or_else(String::new, |error| error.0.message.clone());
        self.changed = true;
        let Some(path) = self.locate(&entry.file, entry.seal)? else {
            let documents = u64::from(entry.rows - entry.deleted);
            self.lost += documents;
            let what = if self.damaged.contains(&entry.file) { "is another file" } else { "is missing" };
            self.say(format!("{} {what}: its {documents} documents are lost", entry.file));
            return Ok(Vec::new());
        };
        let opened = Segment::open(schema, self.env(), &path)
            .and_then(|segment| segment.verify_structure().map(|()| segment));
        let segment = match opened {
            Ok(segment) => segment,
            Err(error) => {
                let error = damage(error)?;
                return self.salvage(restore, manifest, schema, entry, &path, &error);
            }
        };
        // Under another name than its own it is written anew.
        let mut file = None;
        if path == self.path(&entry.file) {
            sound.insert(entry.file.clone());
            file = Some(entry.file.clone());
        } else {
            self.say(format!("{} was found as {path}", entry.file));
        }
        if segment.rows != entry.rows {
            self.say(format!("{why}; what the file holds was taken"));
        }
        let gone = self.tombstones(manifest, entry, segment.rows)?;
        Ok(vec![restore::part_without(segment, file, gone.as_ref())])
    }

    /// The deleted rows of a segment: as its own tombstones say, or else those of an older version.
    fn tombstones(
        &mut self,
        manifest: &Manifest,
        entry: &SegmentEntry,
        rows: u32,
    ) -> Result<Option<Bitmap>, TercetError> {
        let Some(named) = &entry.tombstones else {
            return Ok(None);
        };
        let name = &named.file;
        let mut why = None;
        if let Some(path) = self.locate(name, named.seal)? {
            match restore::tombstones(self.env(), &path, rows, named.seal) {
                Ok(gone) => return Ok(Some(gone)),
                Err(error) => why = Some(damage(error)?),
            }
            self.damaged.insert(name.clone());
        }
        self.changed = true;
        self.back = true;
        let what = match &why {
            Some(error) => format!("{name} is damaged ({})", error.0.message),
            None => format!("{name} is missing"),
        };
        for state in manifest.states.iter().rev().skip(1) {
            let older = state.segments.iter().find(|other| other.file == entry.file);
            let Some(older) = older.and_then(|other| other.tombstones.as_ref()) else {
                continue;
            };
            if let Ok(gone) = restore::tombstones(self.env(), &self.path(&older.file), rows, older.seal) {
                let back = entry.deleted.saturating_sub(gone.count());
                self.say(format!(
                    "{what}: {} of version {} took its place; up to {back} documents of {} that were deleted \
                     or replaced since are back",
                    older.file, state.version, entry.file
                ));
                return Ok(Some(gone));
            }
        }
        self.say(format!(
            "{what}: up to {} deleted documents of {} are back, but for those that were replaced",
            entry.deleted, entry.file
        ));
        Ok(None)
    }

    /// What the intact beginning of the log makes of the parts.
    fn log(&mut self, schema: &Schema, log: &LogName, parts: Vec<Part>) -> Result<Vec<Part>, TercetError> {
        let places = [self.path(&log.file), self.path(&format!("{}{DAMAGED}", log.file))];
        let Some(path) = places.into_iter().find(|path| self.env.exists(path).unwrap_or(false)) else {
            self.changed = true;
            self.say(format!("{} is missing: what was committed to it is lost", log.file));
            return Ok(parts);
        };
        let (found, damaged) = salvage_log(self.env(), &path, log.identity)?;
        let mut why = damaged.map(|error| error.to_string());
        let (mut parts, mut kept) = (parts, 0);
        for record in &found.records {
            match restore::replay(schema, &parts, record, &path) {
                Ok(next) => parts = next,
                Err(error) => {
                    why = Some(damage(error)?.0.message.clone());
                    break;
                }
            }
            kept += 1;
        }
        if let Some(why) = why {
            self.changed = true;
            self.damaged.insert(log.file.clone());
            self.say(format!(
                "{} is damaged ({why}): its first {kept} batches were kept, what was committed after them is lost",
                log.file
            ));
        }
        Ok(parts)
    }

    /// The older versions whose files are sound.
    fn older(&mut self, manifest: &Manifest, sound: &HashSet<String>) -> Result<Vec<State>, TercetError> {
        let mut kept = Vec::new();
        let (_, older) = manifest.states.split_last().unwrap_or((manifest.newest(), &[]));
        for state in older {
            match self.check_older(state, sound)? {
                None => kept.push(state.clone()),
                Some(why) => {
                    self.changed = true;
                    let tags = manifest.tags_of(state.version).join(", ");
                    let tags = if tags.is_empty() { tags } else { format!(" (tags {tags})") };
                    self.say(format!("version {}{tags} was dropped: {why}", state.version));
                }
            }
        }
        Ok(kept)
    }

    /// What is wrong with a version.
    fn check_older(&mut self, state: &State, sound: &HashSet<String>) -> Result<Option<String>, TercetError> {
        let schema = match state.schema(self.dir) {
            Ok(schema) => schema,
            Err(error) => return Ok(Some(error.0.message.clone())),
        };
        for entry in &state.segments {
            if files_of(entry).all(|name| sound.contains(name)) {
                continue;
            }
            if restore::read_part(self.env(), self.dir, &schema, state, entry).is_ok() {
                continue;
            }
            for name in files_of(entry) {
                if !sound.contains(name) {
                    self.mend(name)?;
                }
            }
            let Err(error) = restore::read_part(self.env(), self.dir, &schema, state, entry) else {
                continue;
            };
            let error = damage(error)?;
            let segment = Segment::open(&schema, self.env(), &self.path(&entry.file));
            let bad = match segment.and_then(|segment| segment.verify_structure()) {
                Ok(()) => entry.tombstones.as_ref().map(|named| named.file.clone()),
                Err(_) => Some(entry.file.clone()),
            };
            self.damaged.extend(bad);
            return Ok(Some(error.0.message.clone()));
        }
        Ok(None)
    }

    /// The manifest whose last version the repaired one is to replace.
    fn next(&mut self, manifest: Manifest, older: Vec<State>, next_file: u64) -> Manifest {
        let newest = manifest.newest().clone();
        // The version between stands for the damaged one and is never seen; so no lease can be on it.
        let between = newest.version + 1;
        let mut tags = BTreeMap::new();
        for (tag, version) in &manifest.tags {
            if *version == newest.version {
                tags.insert(tag.clone(), between + 1);
                self.say(format!("tag {tag} of version {version} is that of version {} now", between + 1));
            } else if older.iter().any(|state| state.version == *version) {
                tags.insert(tag.clone(), *version);
            }
        }
        let mut next = manifest;
        next.states = older;
        next.states.push(State { version: between, segments: Vec::new(), ..newest });
        next.tags = tags;
        next.log = None;
        next.next_file = next_file;
        next
    }

    /// Gives damaged files another name.
    fn rename_damaged(&mut self) -> Result<(), TercetError> {
        for name in std::mem::take(&mut self.damaged) {
            if self.env.exists(&self.path(&name))? {
                self.set_aside(&name)?;
            }
        }
        Ok(self.env.sync_dir(self.dir)?)
    }

    /// What a damaged file can be called.
    fn free_name(&self, name: &str) -> Result<String, TercetError> {
        let mut free = format!("{name}{DAMAGED}");
        let mut number = 2;
        while self.env.exists(&self.path(&free))? {
            free = format!("{name}{DAMAGED}.{number}");
            number += 1;
        }
        Ok(free)
    }

    fn set_aside(&mut self, name: &str) -> Result<(), TercetError> {
        let kept = self.free_name(name)?;
        self.env.rename(&self.path(name), &self.path(&kept))?;
        self.say(format!("{name} is kept as {kept}"));
        Ok(())
    }

    /// Removes what a writer or readers that are gone left beside a sound collection.
    fn tidy(&mut self, manifest: &Manifest) {
        let leases = |names: &[String]| names.iter().filter(|name| name.starts_with("LEASE.")).count();
        let before = self.env.list(self.dir).unwrap_or_default();
        let leased = restore::leased(self.env(), self.dir);
        let after = self.env.list(self.dir).unwrap_or_default();
        let gone = leases(&before) - leases(&after).min(leases(&before));
        if gone > 0 {
            self.say(format!("{gone} leases of readers that are gone were removed"));
        }
        // A reader may hold a version that the manifest has dropped already: its files stay.
        let known = leased.iter().all(|version| manifest.states.iter().any(|s| s.version == *version));
        let named = manifest.files();
        let stale = |name: &&String| {
            *name == MANIFEST_TEMP
                || *name == crate::snapshot::UNFINISHED
                || name.ends_with(mend::MENDED)
                || known && any_file_number(name).is_some() && !named.contains(name)
        };
        for name in after.iter().filter(stale) {
            if self.env.remove(&self.path(name)).is_ok() {
                self.say(format!("{name} was removed: a writer that was stopped left it"));
            }
        }
    }
}

/// Damage goes on; any other failure ends the repair before anything is changed.
fn damage(error: TercetError) -> Result<TercetError, TercetError> {
    match error.code() {
        Code::Corrupt => Ok(error),
        _ => Err(error),
    }
}

/// The files of a segment.
fn files_of(entry: &SegmentEntry) -> impl Iterator<Item = &String> {
    std::iter::once(&entry.file).chain(entry.tombstones.iter().map(|named| &named.file))
}
