//! An index as one file: a section file of kind `index` with the sections of its kind, `about` (JSON) and, where rows
//! were removed, `live` (a bitmap of u64 words).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tercet_index::array_bytes;
use tercet_store::{Env, SectionFile, SectionFileWriter, parent};

use super::parts::{self, IndexPart, KIND};
use super::{Spec, VectorIndex, check_dims};
use crate::error::index_error;
use crate::sections::{self, Within};
use crate::wire::{Code, DenseIndexSpec, IndexOpenRequest, MetricName, TercetError};

#[derive(Serialize, Deserialize)]
struct About {
    dims: u32,
    metric: MetricName,
    index: DenseIndexSpec,
    rows: u32,
}

impl VectorIndex {
    /// Writes the index to a new file beside the path, then renames it: an older file is replaced at once or not at all.
    pub(super) fn save(&self, path: &str) -> Result<(), TercetError> {
        if path.is_empty() {
            return Err(
                TercetError::new(Code::Argument, "the path is empty").expected("a file", "an empty string")
            );
        }
        let parts = self.parts()?;
        let merged;
        let part = match parts.as_slice() {
            [one] => one,
            many => {
                merged = parts::merge(&self.spec, &many.iter().collect::<Vec<_>>(), false)?;
                &merged
            }
        };
        let Spec { dims, metric, index } = self.spec.clone();
        let about = crate::verb::to_json(&About { dims, metric, index, rows: part.rows })?;
        let mut writer = SectionFileWriter::new(KIND);
        writer.add("about", about.as_bytes());
        let file = &part.stored.file;
        let names: Vec<&str> = file.names().filter(|name| !["about", "live"].contains(name)).collect();
        let sections = names.iter().map(|name| file.section(name)).collect::<Result<Vec<_>, _>>()?;
        for (name, bytes) in names.iter().zip(&sections) {
            writer.add(name, bytes.as_ref());
        }
        if let Some(live) = &part.live {
            writer.add("live", array_bytes(live.words()).map_err(|e| index_error(e, path))?);
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

    /// Opens a saved index.
    pub(crate) fn open(env: Arc<dyn Env>, request: &IndexOpenRequest) -> Result<Self, TercetError> {
        let file = SectionFile::open(env.as_ref(), &request.path)?;
        file.expect_kind(KIND)?;
        let corrupt = |what: String| {
            TercetError::new(Code::Corrupt, format!("{}: {what}", request.path)).file(&request.path)
        };
        let about: About =
            serde_json::from_slice(&file.section("about")?).map_err(|e| corrupt(e.to_string()))?;
        if about.index.kind() != request.index.kind() {
            let (expected, found) = (request.index.kind(), about.index.kind());
            return Err(TercetError::new(
                Code::Type,
                format!("{} holds a {found} index, expected a {expected} index", request.path),
            )
            .file(&request.path)
            .expected(expected, found));
        }
        let spec = Spec { dims: about.dims, metric: about.metric, index: about.index };
        check_dims(&spec).map_err(|e| corrupt(e.0.message))?;
        let source = Within::whole(&file);
        let live = source.has("live").then(|| sections::bitmap(&source, "live", about.rows)).transpose();
        let live = live.map_err(|e| index_error(e, &request.path))?;
        let parts = if about.rows == 0 {
            Vec::new()
        } else {
            vec![IndexPart::open(&spec, 0, about.rows, live, file)?]
        };
        Ok(Self::over(env, spec, parts))
    }
}
