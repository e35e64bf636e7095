//! A segment: an immutable set of documents, rows 0..n in the order of their insertion, every field indexed.
//!
//! In memory and on disk a segment has the same bytes: a section file (`docs/format.md`). It is built from documents
//! ([`SegmentBuilder`]) or from other segments ([`merge`]). Opening costs the same for ten rows and for ten million: it
//! looks at names, lengths and a few headers. Bytes are held against their checksums when they are first touched, and
//! what they say is checked where it is used; [`Segment::verify_structure`] checks everything. Segments are ordered by
//! age and merged with neighbours only, so the pair (segment, row) is the insertion sequence that breaks ties.

mod build;
mod columns;
mod docs;
mod ids;
mod job;
mod keywords;
pub(crate) mod merge;
mod origin;
mod present;
mod snapshot;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use tercet_index::multi::MultiReader;
use tercet_index::{Array, Bitmap, DenseReader, IndexError, InvertedReader, SparseReader};
use tercet_store::{AlignedBuf, Env, SectionFile, SectionFileWriter, SectionStream};

use crate::dense;
use crate::error::index_error;
use crate::multi;
use crate::schema::{Field, Schema};
use crate::sections::{FileSink, Within};
use crate::wire::{FieldSpec, TercetError};

pub(crate) use build::SegmentBuilder;
pub(crate) use columns::{Keywords, Numbers, passing};
pub(crate) use docs::{BlockCache, Docs};
pub(crate) use ids::Ids;
pub(crate) use job::Job;
pub(crate) use origin::Origin;
pub(crate) use present::Presence;
pub(crate) use snapshot::{Export, SNAPSHOT};

/// The kind of section file that a segment is.
pub(crate) const KIND: &str = "segment";

/// One field of an open segment.
pub(crate) struct SegmentField {
    /// Its index or column.
    pub(crate) reader: FieldReader,
    /// The rows that have it.
    pub(crate) present: Presence,
}

/// A field's index or column.
pub(crate) enum FieldReader {
    /// Words.
    Text(Box<InvertedReader>),
    /// Exact strings.
    Keyword(Box<Keywords>),
    /// Integers, floats, booleans, dates.
    Numbers(Numbers),
    /// Vectors.
    Dense(Box<dyn DenseReader>),
    /// Several vectors a document.
    Multi(Box<MultiReader>),
    /// Sparse vectors.
    Sparse(Box<dyn SparseReader>),
    /// The segment is older than the field: no row has it.
    Absent,
}

/// An open segment.
pub(crate) struct Segment {
    /// How many rows, deleted ones included.
    pub(crate) rows: u32,
    /// The ids.
    pub(crate) ids: Ids,
    /// The stored documents.
    pub(crate) docs: Docs,
    /// A reader a field of the schema.
    pub(crate) fields: Vec<SegmentField>,
    /// The bytes behind all this.
    pub(crate) file: SectionFile,
}

/// The prefix of a field's sections.
pub(crate) fn field_prefix(name: &str) -> String {
    format!("field/{name}/")
}

impl Segment {
    /// Opens a segment file.
    pub(crate) fn open(schema: &Schema, env: &dyn Env, path: &str) -> Result<Segment, TercetError> {
        let file = SectionFile::open(env, path)?;
        Self::from_file(schema, file)
    }

    /// Opens a segment that is in memory.
    pub(crate) fn from_sections(
        schema: &Schema,
        sections: &[(String, Vec<u8>)],
    ) -> Result<Segment, TercetError> {
        let mut writer = SectionFileWriter::new(KIND);
        for (name, bytes) in sections {
            writer.add(name, bytes.as_slice());
        }
        Self::from_file(schema, SectionFile::from_own_bytes(writer.to_bytes()?, "(memory)")?)
    }

    /// Opens a whole segment file that is in memory, under a name for errors.
    pub(crate) fn from_bytes(schema: &Schema, bytes: Bytes, label: &str) -> Result<Segment, TercetError> {
        Self::from_file(schema, SectionFile::from_bytes(bytes, label)?)
    }

    /// The bytes of the whole file: what `from_bytes` opens.
    pub(crate) fn bytes(&self) -> Bytes {
        self.file.bytes().clone()
    }

    /// Writes the live rows of neighbouring segments, oldest first, as one segment under a name that is not taken, and
    /// returns the file's length. The file is synced, its folder is not. After an error no file is left where it could
    /// be removed.
    pub(crate) fn merge_to_file(
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        job: &Job<'_>,
        env: &dyn Env,
        path: &str,
    ) -> Result<u64, TercetError> {
        let mut sink = FileSink::new(SectionStream::create(env, path, KIND)?, job.control);
        let written = Origin::of(schema, inputs, path)
            .and_then(|origin| origin.write(&mut sink))
            .and_then(|()| merge::merge(schema, inputs, job, &mut sink))
            .and_then(|()| Ok(sink.finish()?));
        if written.is_err() {
            let _ = env.remove(path);
        }
        written
    }

    /// The same in memory.
    pub(crate) fn merge_in_memory(
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        job: &Job<'_>,
    ) -> Result<Segment, TercetError> {
        let mut buf = AlignedBuf::new();
        let mut sink = FileSink::new(SectionStream::in_buffer(&mut buf, KIND)?, job.control);
        merge::merge(schema, inputs, job, &mut sink)?;
        sink.finish()?;
        Self::from_file(schema, SectionFile::from_own_bytes(buf.freeze(), "(memory)")?)
    }

    /// Checks all that opening does not: every checksum, every list of ends, order and statistics. Cost: a pass over the
    /// whole file, and 8 bytes a row.
    pub(crate) fn verify_structure(&self) -> Result<(), TercetError> {
        self.file.verify()?;
        self.verify_parts().map_err(|e| self.error(e))
    }

    fn verify_parts(&self) -> Result<(), IndexError> {
        self.ids.verify()?;
        self.docs.verify()?;
        for field in &self.fields {
            let count = field.present.count(self.rows, None)?;
            let held = match &field.reader {
                FieldReader::Text(reader) => reader.verify().and_then(|()| reader.rows_with_field(None))?,
                FieldReader::Dense(reader) => reader.verify().map(|()| reader.len() as u64)?,
                FieldReader::Multi(reader) => reader.verify().map(|()| reader.len() as u64)?,
                FieldReader::Sparse(reader) => reader.verify().map(|()| count)?,
                FieldReader::Keyword(column) => column.verify().map(|()| count)?,
                FieldReader::Numbers(column) => column.verify().map(|()| count)?,
                FieldReader::Absent => 0,
            };
            if held != count {
                let what = format!("{count} rows have a field, its index has {held}");
                return Err(IndexError::corrupt("present", what));
            }
        }
        Ok(())
    }

    /// The row of an encoded id, deleted or not. O(log rows).
    pub(crate) fn row(&self, id: &[u8]) -> Result<Option<u32>, TercetError> {
        self.ids.find(id).map_err(|e| self.error(e))
    }

    /// The encoded id of a row.
    pub(crate) fn id(&self, row: u32) -> Result<&[u8], TercetError> {
        self.ids.of(row).map_err(|e| self.error(e))
    }

    /// How many rows, or live rows, have a field.
    pub(crate) fn documents_with(&self, field: usize, live: Option<&Bitmap>) -> Result<u64, TercetError> {
        let present = self.fields.get(field).map_or(&Presence::Nowhere, |field| &field.present);
        present.count(self.rows, live).map_err(|e| self.error(e))
    }

    /// Rows that have a text field, and the words in them: all, or the live ones.
    pub(crate) fn text_lengths(
        &self,
        field: usize,
        live: Option<&Bitmap>,
    ) -> Result<(u64, u64), TercetError> {
        let Some(text) = self.text(field) else { return Ok((0, 0)) };
        let count = |text: &InvertedReader| Ok((text.rows_with_field(live)?, text.total_length(live)?));
        count(text).map_err(|e| self.error(e))
    }

    /// An error of the index crate as one about this file.
    pub(crate) fn error(&self, error: IndexError) -> TercetError {
        index_error(error, self.file.label())
    }

    fn from_file(schema: &Schema, file: SectionFile) -> Result<Segment, TercetError> {
        Self::of_kind(schema, file, KIND)
    }

    fn of_kind(schema: &Schema, file: SectionFile, kind: &str) -> Result<Segment, TercetError> {
        file.expect_kind(kind)?;
        let label = file.label().to_owned();
        Self::open_parts(schema, file).map_err(|e| match e {
            PartError::Index(e) => index_error(e, &label),
            PartError::Tercet(e) => e,
        })
    }

    fn open_parts(schema: &Schema, file: SectionFile) -> Result<Segment, PartError> {
        let whole = Within::whole(&file);
        let meta = Array::<u32>::open_len(&whole, "meta", 2)?;
        let (version, rows) = (meta.get(0)?, meta.get(1)?);
        if version != build::LAYOUT {
            return Err(IndexError::Version {
                section: String::from("meta"),
                found: version,
                supported: build::LAYOUT,
            }
            .into());
        }
        let ids = Ids::open(rows, &whole)?;
        let docs = Docs::open(rows, &whole)?;
        let fields =
            schema.fields.iter().map(|field| open_field(field, rows, &file)).collect::<Result<_, _>>()?;
        Ok(Segment { rows, ids, docs, fields, file })
    }

    /// Bytes of one field's sections.
    pub(crate) fn field_bytes(&self, name: &str) -> u64 {
        let prefix = field_prefix(name);
        let own = |section: &str| section.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        self.file.sections().iter().filter(|s| own(&s.name)).map(|s| s.len).sum()
    }

    /// The words of a text field.
    pub(crate) fn text(&self, field: usize) -> Option<&InvertedReader> {
        match self.fields.get(field).map(|f| &f.reader) {
            Some(FieldReader::Text(reader)) => Some(reader),
            _ => None,
        }
    }

    /// Bytes of memory that readers of words hold beside the file.
    pub(crate) fn kept_bytes(&self) -> u64 {
        (0..self.fields.len()).filter_map(|at| self.text(at)).map(InvertedReader::memory_bytes).sum()
    }

    /// Whether a merge of it alone would make what it was written without.
    pub(crate) fn unfinished(&self) -> bool {
        self.readers().any(|reader| reader.unfinished()) || self.multis().any(MultiReader::unfinished)
    }

    /// Whether it has what took long to build.
    pub(crate) fn built(&self) -> bool {
        self.readers().any(|reader| !reader.capabilities().exact)
            || self.multis().any(MultiReader::has_centroids)
    }

    fn multis(&self) -> impl Iterator<Item = &MultiReader> {
        (0..self.fields.len()).filter_map(|at| self.multi(at))
    }

    fn readers(&self) -> impl Iterator<Item = &dyn DenseReader> {
        let encodings = |at| self.multi(at).and_then(MultiReader::encodings);
        (0..self.fields.len()).filter_map(move |at| self.dense(at).or_else(|| encodings(at)))
    }

    /// The tokens of a multi field.
    pub(crate) fn multi(&self, field: usize) -> Option<&MultiReader> {
        match self.fields.get(field).map(|f| &f.reader) {
            Some(FieldReader::Multi(reader)) => Some(reader),
            _ => None,
        }
    }

    /// The lists of a sparse field.
    pub(crate) fn sparse(&self, field: usize) -> Option<&dyn SparseReader> {
        match self.fields.get(field).map(|f| &f.reader) {
            Some(FieldReader::Sparse(reader)) => Some(reader.as_ref()),
            _ => None,
        }
    }

    /// The vectors of a dense field.
    pub(crate) fn dense(&self, field: usize) -> Option<&dyn DenseReader> {
        match self.fields.get(field).map(|f| &f.reader) {
            Some(FieldReader::Dense(reader)) => Some(reader.as_ref()),
            _ => None,
        }
    }
}

enum PartError {
    Index(IndexError),
    Tercet(TercetError),
}

impl From<IndexError> for PartError {
    fn from(error: IndexError) -> Self {
        PartError::Index(error)
    }
}

fn open_field(field: &Field, rows: u32, file: &SectionFile) -> Result<SegmentField, PartError> {
    let source = Within::prefixed(file, field_prefix(&field.key));
    if field.spec.optional() && !source.any() {
        return Ok(SegmentField { reader: FieldReader::Absent, present: Presence::Nowhere });
    }
    let present = Presence::open(rows, &source)?;
    let reader = match &field.spec {
        FieldSpec::Text(_) => FieldReader::Text(Box::new(InvertedReader::open(rows, &source)?)),
        FieldSpec::Keyword(_) => FieldReader::Keyword(Box::new(Keywords::open(rows, &source)?)),
        FieldSpec::Integer(_) | FieldSpec::Boolean(_) | FieldSpec::Date(_) => {
            FieldReader::Numbers(Numbers::open(rows, false, &source)?)
        }
        FieldSpec::Float(_) => FieldReader::Numbers(Numbers::open(rows, true, &source)?),
        FieldSpec::Sparse(spec) => {
            let kind = crate::sparse::kind(&spec.index)?;
            FieldReader::Sparse((kind.open)(&crate::sparse::field_spec(spec), rows, &source)?)
        }
        FieldSpec::Dense(spec) => {
            let kind = dense::kind(&spec.index).map_err(PartError::Tercet)?;
            FieldReader::Dense((kind.open)(&dense::field_spec(spec), rows, &source)?)
        }
        FieldSpec::Multi(spec) => {
            FieldReader::Multi(Box::new(MultiReader::open(&multi::index_spec(spec)?, rows, &source)?))
        }
    };
    Ok(SegmentField { reader, present })
}
