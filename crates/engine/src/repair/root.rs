//! What a damaged folder begins with: a manifest, or one made of what the segments say.

use std::collections::{HashMap, HashSet};

use tercet_store::{MANIFEST, MANIFEST_TEMP, SectionFile, join};

use super::Repair;
use crate::collection::TOMBSTONES_OF;
use crate::collection::manifest::{
    LogName, Manifest, SegmentEntry, State, Tombstones, any_file_number, file_number,
};
use crate::collection::restore;
use crate::schema::Schema;
use crate::segment::{Origin, Segment};
use crate::wire::{Code, TercetError};

/// Where the identity stands in a log's header.
const LOG_IDENTITY: std::ops::Range<usize> = 12..20;

/// No collection gets this far: a file with a larger number is not ours.
const NUMBER_MAX: u64 = 1 << 52;

/// A segment file as it was found.
struct Found {
    number: u64,
    entry: SegmentEntry,
    origin: Option<Origin>,
}

impl Repair<'_> {
    /// The manifest to repair by.
    pub(super) fn root(&mut self) -> Result<Manifest, TercetError> {
        let mut read = self.named(MANIFEST);
        if read.as_ref().is_err_and(|error| error.code() == Code::Corrupt) && self.mend(MANIFEST)? {
            read = self.named(MANIFEST);
        }
        let why = match read {
            Ok(Some(manifest)) => return Ok(manifest),
            Ok(None) => String::from("MANIFEST is missing"),
            Err(error) if error.code() == Code::Corrupt => {
                self.damaged.insert(MANIFEST.to_owned());
                format!("MANIFEST is damaged ({})", error.0.message)
            }
            Err(error) => return Err(error),
        };
        if self.env.exists(&self.path(crate::snapshot::UNFINISHED))? {
            let message = format!("there is no collection in {}, only an import that was cut off", self.dir);
            return Err(TercetError::new(Code::NotFound, message).file(self.dir));
        }
        self.changed = true;
        let next = match self.named(MANIFEST_TEMP) {
            Err(error) if error.code() != Code::Corrupt => return Err(error),
            other => other.ok().flatten(),
        };
        if let Some(next) = &next {
            let mut files = next.newest().files().chain(next.log.iter().map(|log| &log.file));
            if files.all(|name| self.env.exists(&self.path(name)).unwrap_or(false)) {
                self.say(format!("{why}: {MANIFEST_TEMP}, which was about to replace it, took its place"));
                return Ok(next.clone());
            }
        }
        self.of_segments(&why, next.as_ref().map(Manifest::newest))
    }

    /// A manifest that can be read and whose newest schema is one.
    fn named(&self, name: &str) -> Result<Option<Manifest>, TercetError> {
        let manifest = Manifest::read_named(self.env(), self.dir, name)?;
        if let Some(manifest) = &manifest {
            manifest.newest().schema(self.dir).map_err(|mut error| {
                error.0.code = Code::Corrupt;
                error
            })?;
        }
        Ok(manifest)
    }

    /// Puts the segments in the order of their documents and takes the newest schema that one of them knows.
    fn of_segments(&mut self, why: &str, known: Option<&State>) -> Result<Manifest, TercetError> {
        let mut names = self.env.list(self.dir)?;
        names.retain(|name| any_file_number(name).is_some_and(|number| number < NUMBER_MAX));
        let (mut found, merged) = self.segments(&names);
        let newest = found.iter().rev().find_map(|segment| segment.origin.as_ref()?.schema().ok());
        let schema = match (known.map(|state| state.schema(self.dir)), newest) {
            (Some(Ok(schema)), _) | (_, Some(schema)) => schema,
            _ => {
                let message = format!("{}: {why}, and no segment can say what the schema is", self.dir);
                return Err(TercetError::new(Code::Corrupt, message)
                    .file(self.dir)
                    .expected("a manifest or a segment that can be read", "neither"));
            }
        };
        let log = self.newest_log(&names, &found)?;
        found.retain(|segment| !merged.contains(&segment.entry.file));
        let order = |segment: &Found| segment.origin.as_ref().map_or(segment.number, |origin| origin.order);
        found.sort_by_key(|segment| (order(segment), segment.number));
        let mut manifest = Manifest::new(&schema, self.env.now_ms())?;
        let last = names.iter().filter_map(|name| any_file_number(name)).max();
        manifest.next_file = last.map_or(1, |number| number + 1);
        // Every version took a number for a file at least, so none was higher.
        manifest.states[0].version = manifest.next_file;
        manifest.states[0].segments = found.into_iter().map(|segment| segment.entry).collect();
        manifest.log = log;
        self.say(format!(
            "{why}: it was made anew of {} segments{}; older versions and tags are gone, and documents that were \
             deleted may be back",
            manifest.states[0].segments.len(),
            manifest.log.as_ref().map_or_else(String::new, |log| format!(" and {}", log.file)),
        ));
        self.back = true;
        Ok(manifest)
    }

    /// All segment files by their numbers, and those that a sound one was merged from.
    fn segments(&self, names: &[String]) -> (Vec<Found>, HashSet<String>) {
        let tombstones = self.tombstones_of(names);
        let none = Schema { fields: Vec::new(), retired: Vec::new() };
        let (mut found, mut merged) = (Vec::new(), HashSet::new());
        for name in names {
            let Some(number) = file_number(name, ".seg") else { continue };
            let path = self.path(name);
            let file = SectionFile::open(self.env(), &path).ok();
            let origin = file.as_ref().and_then(Origin::read);
            if let (Some(file), Some(origin)) = (&file, &origin)
                && file.verify().is_ok()
            {
                merged.extend(origin.from.iter().cloned());
            }
            let rows = Segment::open(&none, self.env(), &path).map_or(0, |segment| segment.rows);
            let of = tombstones.get(name);
            let gone = of
                .as_ref()
                .and_then(|of| restore::tombstones(self.env(), &self.path(&of.file), rows, of.seal).ok());
            let entry = SegmentEntry {
                file: name.clone(),
                seal: file.as_ref().map_or(0, SectionFile::seal),
                rows,
                deleted: gone.as_ref().map_or(0, |gone| gone.count()),
                tombstones: gone.and(of.cloned()),
            };
            found.push(Found { number, entry, origin });
        }
        (found, merged)
    }

    /// The newest tombstones of each segment.
    fn tombstones_of(&self, names: &[String]) -> HashMap<String, Tombstones> {
        let mut newest: HashMap<String, (u64, Tombstones)> = HashMap::new();
        for name in names {
            let Some(number) = file_number(name, ".del") else { continue };
            let Ok(file) = SectionFile::open(self.env(), &join(self.dir, name)) else { continue };
            let segment = file.section(TOMBSTONES_OF).ok().and_then(|b| String::from_utf8(b.to_vec()).ok());
            let Some(segment) = segment else { continue };
            if newest.get(&segment).is_none_or(|(before, _)| *before < number) {
                newest.insert(segment, (number, Tombstones { file: name.clone(), seal: file.seal() }));
            }
        }
        newest.into_iter().map(|(segment, (_, name))| (segment, name)).collect()
    }

    /// The log that continues the segments: the newest, unless documents came into a file after it. Others are set aside.
    fn newest_log(&mut self, names: &[String], found: &[Found]) -> Result<Option<LogName>, TercetError> {
        let mut logs: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((file_number(name, ".log")?, name))).collect();
        logs.sort_unstable();
        let newest = logs.pop();
        self.damaged.extend(logs.into_iter().map(|(_, name)| name.clone()));
        let Some((number, name)) = newest else {
            return Ok(None);
        };
        let later = |segment: &Found| {
            segment.number > number && segment.origin.as_ref().is_none_or(|origin| origin.from.is_empty())
        };
        let header = self.env.read_range(&self.path(name), 0, LOG_IDENTITY.end as u64)?;
        let identity =
            header.get(LOG_IDENTITY).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        match identity.filter(|_| !found.iter().any(later)) {
            Some(identity) => Ok(Some(LogName { file: name.clone(), identity })),
            None => {
                self.damaged.insert(name.clone());
                self.say(format!("{name} is older than the newest segment and was not replayed"));
                Ok(None)
            }
        }
    }
}
