//! What a segment's file says of where it comes from. Nothing needs it as long as the manifest is whole; without one it
//! tells `repair` how the files belong together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tercet_index::SectionSink;
use tercet_store::SectionFile;

use super::merge;
use crate::collection::manifest::file_number;
use crate::error::index_error;
use crate::schema::Schema;
use crate::verb::to_json;
use crate::wire::TercetError;

/// The section that holds it, as JSON.
const SECTION: &str = "origin";

/// Where a segment's file comes from.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Origin {
    schema: Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired_keys: Vec<String>,
    /// The largest number among the files whose documents these were at first: of two segments with the same document
    /// the one of the higher order has the newer.
    pub(crate) order: u64,
    /// The files it was merged from and takes the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) from: Vec<String>,
}

impl Origin {
    /// Of a segment that is written to `path`.
    pub(super) fn of(
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        path: &str,
    ) -> Result<Origin, TercetError> {
        let files: Vec<(&SectionFile, &str)> = inputs
            .iter()
            .map(|input| (&input.segment.file, base(input.segment.file.label())))
            .filter(|(_, name)| file_number(name, ".seg").is_some())
            .collect();
        let order = |(file, name): &(&SectionFile, &str)| {
            Origin::read(file).map(|origin| origin.order).or_else(|| file_number(name, ".seg"))
        };
        let own = file_number(base(path), ".seg").unwrap_or_default();
        Ok(Origin {
            schema: schema.to_json()?,
            keys: schema.keys(),
            retired_keys: schema.retired.clone(),
            order: files.iter().filter_map(order).max().unwrap_or(own),
            from: files.iter().map(|(_, name)| (*name).to_owned()).collect(),
        })
    }

    pub(super) fn write(&self, sink: &mut dyn SectionSink) -> Result<(), TercetError> {
        let json = to_json(self)?;
        sink.begin(SECTION).and_then(|()| sink.write(json.as_bytes())).map_err(|e| index_error(e, SECTION))
    }

    /// What a file says, where it can be read.
    pub(crate) fn read(file: &SectionFile) -> Option<Origin> {
        serde_json::from_slice(&file.section(SECTION).ok()?).ok()
    }

    /// The schema of the time, without vocabularies.
    pub(crate) fn schema(&self) -> Result<Schema, TercetError> {
        Schema::stored(&self.schema, &self.keys, &self.retired_keys, None)
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
