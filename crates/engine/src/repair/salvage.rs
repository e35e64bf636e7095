//! The documents of a damaged segment that can still be read, indexed anew.
//!
//! All that a document is stands in two places: as it was stored, and its vectors. Words, columns and ids are made
//! again from those, so damage to them costs nothing.

use serde_json::{Map, Value, json};
use tercet_index::{Bitmap, IndexError};

use super::Repair;
use crate::api::Array;
use crate::collection::Part;
use crate::collection::manifest::{Manifest, SegmentEntry};
use crate::collection::restore::Restore;
use crate::document;
use crate::error::index_error;
use crate::id;
use crate::schema::{Field, Schema};
use crate::segment::{BlockCache, Segment, SegmentBuilder};
use crate::wire::{FieldSpec, MultiIndexSpec, MultiSpec, TercetError, TokenMetric, shown};

/// Documents that are indexed together.
const DOCUMENTS_PER_PART: u32 = 4_096;
/// Bytes of stored documents that are indexed together.
const BYTES_PER_PART: usize = 16 << 20;
/// Bytes of new segments in memory before they are written aside.
const BYTES_IN_MEMORY: u64 = 64 << 20;
/// Lost documents that are named.
const NAMED_MAX: usize = 20;

/// A damaged segment, as far as it opens.
struct Damaged<'a> {
    schema: &'a Schema,
    /// The schema for vectors as they come out of a segment: tokens are cut, scaled and pooled already.
    kept: Schema,
    /// Ids and documents.
    core: Segment,
    /// The dense and multi fields, by their position, each opened alone; `None` where even that fails.
    vectors: Vec<(usize, Option<Segment>)>,
}

/// What was found.
#[derive(Default)]
struct Found {
    kept: u64,
    lost: u64,
    /// The ids of lost documents, where they can be read.
    named: Vec<String>,
    /// Documents that lost an optional vector.
    bare: u64,
}

impl Repair<'_> {
    /// Keeps what can be kept of a segment.
    pub(super) fn salvage(
        &mut self,
        restore: &Restore,
        manifest: &Manifest,
        schema: &Schema,
        entry: &SegmentEntry,
        path: &str,
        why: &TercetError,
    ) -> Result<Vec<Part>, TercetError> {
        let (file, why) = (&entry.file, &why.0.message);
        self.changed = true;
        self.damaged.insert(file.clone());
        let only = |fields: Vec<_>| Schema { fields, retired: Vec::new() };
        let core = match Segment::open(&only(Vec::new()), self.env(), path) {
            Ok(core) => core,
            Err(error) => {
                let error = super::damage(error)?;
                let documents = u64::from(entry.rows - entry.deleted);
                self.lost += documents;
                self.say(format!(
                    "{file} cannot be opened ({}): its {documents} documents are lost",
                    error.0.message
                ));
                return Ok(Vec::new());
            }
        };
        let vectors = schema.fields.iter().enumerate();
        let vectors =
            vectors.filter(|(_, field)| matches!(field.spec, FieldSpec::Dense(_) | FieldSpec::Multi(_)));
        let vectors = vectors
            .map(|(at, field)| (at, Segment::open(&only(vec![bare(field)]), self.env(), path).ok()))
            .collect();
        let gone = self.tombstones(manifest, entry, core.rows)?;
        let damaged = Damaged { schema, kept: kept(schema), core, vectors };
        let mut found = Found::default();
        let parts = self.rows(restore, &damaged, gone.as_ref(), &mut found)?;
        self.lost += found.lost;
        let mut what = format!("{file} is damaged ({why}): {} of its documents were kept", found.kept);
        if found.lost > 0 {
            what += &format!(", {} are lost", found.lost);
        }
        if !found.named.is_empty() {
            what += &format!(": {}", found.named.join(", "));
            if found.lost > found.named.len() as u64 {
                what += " and others";
            }
        }
        if found.bare > 0 {
            what += &format!("; {} documents were kept without an optional vector", found.bare);
        }
        self.say(what);
        Ok(parts)
    }

    fn rows(
        &self,
        restore: &Restore,
        damaged: &Damaged<'_>,
        gone: Option<&Bitmap>,
        found: &mut Found,
    ) -> Result<Vec<Part>, TercetError> {
        let (mut parts, mut fresh) = (Vec::new(), Vec::new());
        let mut cache = BlockCache::default();
        let mut rows =
            (0..damaged.core.rows).filter(|row| gone.is_none_or(|gone| !gone.contains(*row))).peekable();
        while rows.peek().is_some() {
            let mut builder = SegmentBuilder::new(&damaged.kept);
            let (mut count, mut bytes) = (0, 0);
            while count < DOCUMENTS_PER_PART && bytes < BYTES_PER_PART {
                let Some(row) = rows.next() else { break };
                match damaged.row(row, &mut cache, &mut builder, &mut found.bare) {
                    Some(len) => {
                        count += 1;
                        bytes += len;
                    }
                    None => {
                        found.lost += 1;
                        if found.named.len() < NAMED_MAX {
                            found.named.extend(damaged.name(row));
                        }
                    }
                }
            }
            found.kept += u64::from(count);
            if count > 0 {
                let sections = builder.finish().map_err(|e| index_error(e, "(repair)"))?;
                fresh.push(Part::new(Segment::from_sections(damaged.schema, &sections)?, None));
            }
            self.control.step(0)?;
            if fresh.iter().map(|part: &Part| part.segment.file.file_len()).sum::<u64>() > BYTES_IN_MEMORY {
                parts.push(restore.write_apart(&fresh, self.control)?);
                fresh.clear();
            }
        }
        parts.extend(fresh);
        Ok(parts)
    }
}

impl Damaged<'_> {
    /// Indexes a row; gives the length of its document, and `None` where it is lost.
    fn row(
        &self,
        row: u32,
        cache: &mut BlockCache,
        builder: &mut SegmentBuilder<'_>,
        bare: &mut u64,
    ) -> Option<usize> {
        let bytes = self.core.docs.read(row, cache).ok()?;
        let stored: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let len = bytes.len();
        // Stored names are keys; those of dropped fields go.
        let present = |(key, value): (String, Value)| match self.schema.with_key(&key) {
            Some(at) => Some((self.schema.fields[at].name.clone(), value)),
            None => (key == "id").then_some((key, value)),
        };
        let mut value: Map<String, Value> = stored.into_iter().filter_map(present).collect();
        let mut arrays = Vec::new();
        let mut lacks = false;
        for (at, segment) in &self.vectors {
            match segment.as_ref().map(|segment| vector(segment, row, arrays.len())) {
                Some(Ok(Some((reference, vector)))) => {
                    value.insert(self.schema.fields[*at].name.clone(), reference);
                    arrays.push(Array::F32(vector));
                }
                Some(Ok(None)) => {}
                Some(Err(_)) | None => lacks = true,
            }
        }
        let value = Value::Object(value);
        builder.push(document::check(&self.kept, &value, &arrays).ok()?);
        *bare += u64::from(lacks);
        Some(len)
    }

    /// The id of a row, for a message.
    fn name(&self, row: u32) -> Option<String> {
        Some(shown(&id::decode(self.core.id(row).ok()?)?.into()))
    }
}

/// A field as little as has to be read of it: tokens without the index of their encodings, which is made again.
fn bare(field: &Field) -> Field {
    let mut field = field.clone();
    if let FieldSpec::Multi(spec) = &mut field.spec {
        spec.index = MultiIndexSpec::Scan {};
    }
    field
}

/// A schema whose multi fields take tokens as they are kept, so that they are kept so again.
fn kept(schema: &Schema) -> Schema {
    let mut schema = schema.clone();
    for field in &mut schema.fields {
        if let FieldSpec::Multi(spec) = &mut field.spec {
            let dims = spec.prefix.unwrap_or(spec.dims);
            *spec = MultiSpec { dims, prefix: None, pool: 1, metric: TokenMetric::Dot, ..spec.clone() };
        }
    }
    schema
}

/// The vector or the tokens of a row in a segment of that field alone, and what refers to them as the array `array`.
fn vector(segment: &Segment, row: u32, array: usize) -> Result<Option<(Value, Vec<f32>)>, IndexError> {
    let reference = json!({ "$vector": array });
    if let Some(reader) = segment.dense(0) {
        return Ok(reader.vector(row)?.map(|vector| (reference, vector.into_owned())));
    }
    let Some(reader) = segment.multi(0) else { return Ok(None) };
    let Some(tokens) = reader.stored(row)? else { return Ok(None) };
    Ok(Some((json!({ "data": reference, "dims": reader.dims(), "units": reader.units(row)? }), tokens)))
}
