//! An index as one file: a section file of kind `index` with the sections of its kind, `about` (JSON), where rows were
//! removed `live` (a bitmap of u64 words), and where axes were taught by queries `samples` (f32).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tercet_index::{Work, array_bytes};
use tercet_store::{Env, SectionFile, SectionFileWriter, parent};

use super::content::Content;
use super::merge::{self, Teaching};
use super::parts::{IndexPart, KIND};
use super::samples::{self, Samples};
use super::{Index, State};
use crate::error::index_error;
use crate::recall::Curves;
use crate::sections::{self, Within};
use crate::wire::{Code, TercetError};

/// The JSON of a file.
#[derive(Serialize, Deserialize)]
struct About<A> {
    /// What the index is.
    #[serde(flatten)]
    about: A,
    /// Rows of the one part, and the first of them.
    rows: u32,
    #[serde(default)]
    first: u32,
    /// Rows given out so far, where that is not the end of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<u32>,
    /// Values that are stored, where the sections do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    curves: Option<Curves>,
}

/// Of that JSON what says which kind it is of.
#[derive(Deserialize)]
struct Kind {
    index: Named,
}

#[derive(Deserialize)]
struct Named {
    kind: String,
}

/// A file that an index was saved to, and the name of its kind.
pub(super) fn opened(env: &dyn Env, path: &str) -> Result<(SectionFile, String), TercetError> {
    let file = SectionFile::open(env, path)?;
    file.expect_kind(KIND)?;
    let kind: Kind = serde_json::from_slice(&file.section("about")?).map_err(|e| corrupt(path, &e))?;
    Ok((file, kind.index.kind))
}

fn corrupt(path: &str, what: &dyn std::fmt::Display) -> TercetError {
    TercetError::new(Code::Corrupt, format!("{path}: {what}")).file(path)
}

impl<C: Content> Index<C> {
    /// Writes the index to a new file beside the path, then renames it: an older file is replaced at once or not at all.
    /// Several parts become one first, and stay so.
    pub(super) fn save(&self, path: &str, work: &Work<'_>) -> Result<(), TercetError> {
        if path.is_empty() {
            return Err(
                TercetError::new(Code::Argument, "the path is empty").expected("a file", "an empty string")
            );
        }
        let state = self.whole(work)?;
        let part = state.parts.first();
        let (first, rows) = part.map_or((0, 0), |part| (part.first, part.span));
        let given = Some(state.rows).filter(|given| *given != first + rows);
        let curves = Some(Curves::clone(&state.curves)).filter(|curves| !curves.all().is_empty());
        let values = part.filter(|part| C::len(&part.stored.reader).is_none()).map(|part| part.stored.values);
        let about = self.spec.about();
        let about = crate::verb::to_json(&About { about, rows, first, given, values, curves })?;
        let mut writer = SectionFileWriter::new(KIND);
        writer.add("about", about.as_bytes());
        let mut bodies = Vec::new();
        if let Some(part) = part {
            let file = &part.stored.file;
            for name in file.names().filter(|name| !["about", "live", samples::SECTION].contains(name)) {
                bodies.push((name, file.section(name)?));
            }
        }
        for (name, bytes) in &bodies {
            writer.add(name, bytes.as_ref());
        }
        if let Some(live) = part.and_then(|part| part.live.as_ref()) {
            writer.add("live", array_bytes(live.words()).map_err(|e| index_error(e, path))?);
        }
        if let Some(samples) = state.samples.bytes() {
            writer.add(samples::SECTION, samples);
        }
        let fresh = format!("{path}.{:016x}.new", self.env.random_u64());
        let written = writer.finish(self.env.as_ref(), &fresh).and_then(|_| self.env.rename(&fresh, path));
        if let Err(error) = written {
            // The first failure is the one to report; the leftover is only rubbish.
            let _ = self.env.remove(&fresh);
            return Err(error.into());
        }
        Ok(self.env.sync_dir(parent(path))?)
    }

    /// The index in at most one part.
    fn whole(&self, work: &Work<'_>) -> Result<State<C>, TercetError> {
        let (_writer, mut state) = self.write()?;
        if state.parts.len() > 1 {
            let parts: Vec<&IndexPart<C>> = state.parts.iter().collect();
            let teaching = Teaching::as_before(&state.samples);
            state.parts = merge::merge(&self.spec, &parts, None, None, teaching, work)?.into_iter().collect();
            self.publish(state.clone())?;
        }
        Ok(state)
    }

    /// Opens a saved index. Cost: its contents and the bitmap of its rows; no value is read.
    /// `spare`: what only ranks candidates again is let go of after it was looked at.
    pub(super) fn open(
        env: Arc<dyn Env>,
        path: &str,
        file: SectionFile,
        spare: bool,
    ) -> Result<Self, TercetError> {
        let about: About<C::About> =
            serde_json::from_slice(&file.section("about")?).map_err(|e| corrupt(path, &e))?;
        let end = about.first.checked_add(about.rows).filter(|end| *end < u32::MAX);
        let rows = about.given.or(end).filter(|given| end.is_some_and(|end| end <= *given));
        let rows = rows.ok_or_else(|| corrupt(path, &"its rows are not rows of an index"))?;
        let spec = C::from_about(about.about)
            .map_err(|e| if e.code() == Code::Unsupported { e } else { corrupt(path, &e.0.message) })?;
        let source = Within::whole(&file);
        let live = source.has("live").then(|| sections::bitmap(&source, "live", about.rows)).transpose();
        let live = live.map_err(|e| index_error(e, path))?;
        let samples = match source.has(samples::SECTION) {
            true => spec
                .open_samples(&source)
                .map_err(|e| index_error(e, path))?
                .ok_or_else(|| corrupt(path, &"its sample queries are none of such an index"))?,
            false => Samples::default(),
        };
        let parts = match about.rows {
            0 => Vec::new(),
            span => vec![IndexPart::open(&spec, (about.first, span), live, about.values, file)?],
        };
        if spare {
            parts.iter().for_each(|part: &IndexPart<C>| C::spare(&part.stored.reader));
        }
        let curves = Arc::new(about.curves.unwrap_or_default());
        let state = State { parts, rows, curves, samples, ..State::default() };
        Ok(Self::over(env, spec, state.swept()))
    }
}
