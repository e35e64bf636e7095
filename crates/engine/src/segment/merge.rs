//! Neighbouring segments made one, without analysing or parsing anything again; deleted rows are left out.
//!
//! Everything goes to the sink as it is read, so that a merge holds some bytes a row (where each goes, ids' and
//! documents' ends, vectors' lengths), the words and what the distinct keywords become, and nothing of the size of the
//! documents, postings, positions, vectors or columns; only the commit of a batch, whose chunks are in memory, holds what it makes of
//! them too, and merges documents beside fields. A section's list of ends counts in u32 where it divides ids, terms,
//! keywords or ordinals: 4 GiB each, which is more than the inputs of one merge may have.

use tercet_index::{
    ArraySink, Bitmap, DenseSource, DenseStream, EachVector, IndexError, InvertedReader, RowMap, SectionSink,
    Sections, SparseReader, Work, dense_kind, merge_inverted,
};

use std::sync::{Mutex, PoisonError};

use tercet_index::multi::{EachDocument, MultiSource, MultiStream, merge_multi};

use super::build::LAYOUT;
use super::docs::DocsWriter;
use super::present::{Presence, write_presence};
use super::{BlockCache, FieldReader, Job, Numbers, Segment, SegmentField, field_prefix, ids, keywords};
use crate::api::Control;
use crate::dense::field_spec;
use crate::multi;
use crate::schema::{Field, Schema};
use crate::sections::Prefixed;
use crate::wire::{FieldSpec, TercetError};

/// One segment to merge and the rows of it that live (`None`: all).
pub(crate) struct Input<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) live: Option<&'a Bitmap>,
}

impl Input<'_> {
    fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.segment.rows).filter(|row| self.live.is_none_or(|live| live.contains(*row)))
    }
}

/// Writes the merged segment. Rows keep their order: first input first. Every field is a part of the job. A field of which
/// no input has a section is not written; one that the schema does not have is dropped.
pub(super) fn merge(
    schema: &Schema,
    inputs: &[Input<'_>],
    job: &Job<'_>,
    sink: &mut dyn SectionSink,
) -> Result<(), TercetError> {
    let failed = |e: IndexError| merge_error(e, inputs);
    let total: u64 = inputs.iter().map(|input| u64::from(input.segment.rows)).sum();
    let too_many = || IndexError::TooLarge { what: String::from("rows of a segment"), limit: ROWS_MAX };
    if total > ROWS_MAX {
        return Err(failed(too_many()));
    }
    let (maps, rows) = row_maps(inputs).map_err(failed)?;
    job.begin(schema.fields.len() as u64 + 2);
    let part = |part: usize, sink: &mut dyn SectionSink| match part {
        IDS => merge_ids(inputs, &maps, rows, sink).map_err(failed).and_then(|()| job.end(0)),
        DOCS => merge_docs(inputs, job.control, sink).and_then(|()| job.end(0)),
        _ => merge_fields(schema, inputs, &maps, rows, job, sink),
    };
    if !job.side_by_side || job.parallel.threads() == 1 {
        return (0..PARTS).try_for_each(|at| part(at, sink));
    }
    let made = [const { Mutex::new(None) }; PARTS];
    // What takes longest comes first.
    job.parallel.run(PARTS, &|task| {
        let (at, mut sections) = (PARTS - 1 - task, Sections::new());
        let result = part(at, &mut sections).map(|()| sections);
        *made[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    });
    for part in made {
        let sections = part.into_inner().unwrap_or_else(PoisonError::into_inner);
        let missing = || Err(failed(IndexError::Unsupported { what: "a merge of which a part was not run" }));
        for (name, bytes) in sections.unwrap_or_else(missing)? {
            sink.begin(&name).and_then(|()| sink.write(&bytes)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Parts of a merge in the order of their sections: ids, documents, fields.
const PARTS: usize = 3;
const IDS: usize = 0;
const DOCS: usize = 1;

fn merge_fields(
    schema: &Schema,
    inputs: &[Input<'_>],
    maps: &[RowMap],
    rows: u32,
    job: &Job<'_>,
    sink: &mut dyn SectionSink,
) -> Result<(), TercetError> {
    for (at, field) in schema.fields.iter().enumerate() {
        let mut sink = Prefixed { sink: &mut *sink, prefix: field_prefix(&field.key) };
        let merging = Merging { field, at, inputs, maps, rows, plain: job.plain };
        let merged = job.run(|work| merging.run(&mut sink, work));
        job.end(merged.map_err(|e| merge_error(e, inputs))?)?;
    }
    Ok(())
}

/// A row's number is a u32, and the last stands for none.
const ROWS_MAX: u64 = u32::MAX as u64 - 1;

/// Shapes that do not fit come from the files alone: what is merged was checked when it was built. The file that is
/// damaged is looked for, so that the error names it.
fn merge_error(error: IndexError, inputs: &[Input<'_>]) -> TercetError {
    let damage = match error {
        IndexError::Shape { .. } | IndexError::Order { .. } => {
            IndexError::corrupt("(all)", error.to_string())
        }
        other => other,
    };
    if let IndexError::Corrupt { .. } = damage
        && let Some(found) = inputs.iter().find_map(|input| input.segment.verify_structure().err())
    {
        return found;
    }
    crate::error::index_error(damage, inputs.first().map_or("", |i| i.segment.file.label()))
}

fn row_maps(inputs: &[Input<'_>]) -> Result<(Vec<RowMap>, u32), IndexError> {
    let mut next = 0u32;
    let mut maps = Vec::with_capacity(inputs.len());
    for input in inputs {
        let mut map = tercet_index::reserved(input.segment.rows as usize)?;
        map.resize(input.segment.rows as usize, RowMap::DROPPED);
        for row in input.rows() {
            map[row as usize] = next;
            next += 1;
        }
        maps.push(RowMap(map));
    }
    Ok((maps, next))
}

fn merge_ids(
    inputs: &[Input<'_>],
    maps: &[RowMap],
    rows: u32,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    sink.begin("meta")?;
    sink.write(bytemuck::cast_slice(&[LAYOUT, rows]))?;
    let sources: Vec<_> = inputs.iter().zip(maps).map(|(input, map)| (&input.segment.ids, map)).collect();
    ids::merge(&sources, rows, sink)
}

fn merge_docs(
    inputs: &[Input<'_>],
    control: &Control,
    sink: &mut dyn SectionSink,
) -> Result<(), TercetError> {
    let mut docs = DocsWriter::default();
    for input in inputs {
        let mut cache = BlockCache::default();
        for row in input.rows() {
            let copied = input.segment.docs.read(row, &mut cache).and_then(|bytes| docs.push(bytes, sink));
            copied.map_err(|e| input.segment.error(e))?;
        }
        control.step(0)?;
    }
    docs.finish(sink).map_err(|e| merge_error(e, inputs))
}

/// One field of all inputs.
pub(super) struct Merging<'a> {
    field: &'a Field,
    at: usize,
    pub(super) inputs: &'a [Input<'a>],
    maps: &'a [RowMap],
    rows: u32,
    plain: bool,
}

impl Merging<'_> {
    fn run(&self, sink: &mut dyn SectionSink, work: &Work<'_>) -> Result<(), IndexError> {
        let absent = |input: &Input<'_>| matches!(self.of(input).reader, FieldReader::Absent);
        if !self.inputs.is_empty() && self.inputs.iter().all(absent) {
            return Ok(());
        }
        match &self.field.spec {
            FieldSpec::Text(spec) => {
                let readers = self.inputs.iter().zip(self.maps);
                let readers: Vec<(&InvertedReader, &RowMap)> =
                    readers.filter_map(|(input, map)| Some((input.segment.text(self.at)?, map))).collect();
                merge_inverted(&readers, self.rows, spec.positions, sink)?;
            }
            FieldSpec::Keyword(_) => keywords::merge(&self.keywords()?, sink)?,
            FieldSpec::Integer(_) | FieldSpec::Boolean(_) | FieldSpec::Date(_) => self.integers(sink)?,
            FieldSpec::Float(_) => self.floats(sink)?,
            FieldSpec::Multi(spec) => {
                merge_multi(&multi::index_spec(spec)?, self.rows, self, sink, work)?;
            }
            FieldSpec::Sparse(spec) => {
                let kind = crate::sparse::kind(&spec.index)?;
                let readers = self.inputs.iter().zip(self.maps);
                let readers: Vec<(&dyn SparseReader, &RowMap)> =
                    readers.filter_map(|(input, map)| Some((input.segment.sparse(self.at)?, map))).collect();
                (kind.merge)(&crate::sparse::field_spec(spec), &readers, self.rows, sink, work)?;
            }
            FieldSpec::Dense(spec) => {
                let kind = dense_kind(spec.index.kind())
                    .ok_or_else(|| IndexError::Missing { section: spec.index.kind().to_owned() })?;
                (kind.merge)(&field_spec(spec), self.rows, self, sink, work)?;
            }
        }
        write_presence(&self.present()?, sink)
    }

    fn of<'i>(&self, input: &Input<'i>) -> &'i SegmentField {
        &input.segment.fields[self.at]
    }

    /// The vectors of one input. A set that cannot be read fails where the vectors are read.
    fn source(&self, at: usize) -> Option<DenseSource<'_>> {
        let (input, map) = (&self.inputs[at], &self.maps[at]);
        let reader = input.segment.dense(self.at)?;
        let set = self.of(input).present.set().ok()?;
        let kept = map.kept().filter(move |(old, _)| set.is_none_or(|set| set.contains(*old)));
        Some(DenseSource { reader, kept: Box::new(kept) })
    }

    fn disagree(&self) -> IndexError {
        IndexError::corrupt(&self.field.name, "the segments disagree on the kind of the field")
    }

    /// The new rows that have the field.
    fn present(&self) -> Result<Bitmap, IndexError> {
        let mut present = Bitmap::new(self.rows);
        for (input, map) in self.inputs.iter().zip(self.maps) {
            let presence = &self.of(input).present;
            let set = presence.set()?;
            if !matches!(presence, Presence::Nowhere) {
                for (_, new) in map.kept().filter(|(old, _)| set.is_none_or(|set| set.contains(*old))) {
                    present.set(new);
                }
            }
        }
        Ok(present)
    }

    fn integers(&self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        let mut out = ArraySink::begin(sink, "values")?;
        for input in self.inputs {
            match &self.of(input).reader {
                FieldReader::Numbers(Numbers::Integers(column)) => {
                    let values = column.all()?;
                    input.rows().try_for_each(|row| out.push(values[row as usize]))?;
                }
                FieldReader::Absent => input.rows().try_for_each(|_| out.push(0))?,
                _ => return Err(self.disagree()),
            }
        }
        out.flush()
    }

    fn floats(&self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        let mut out = ArraySink::begin(sink, "values")?;
        for input in self.inputs {
            match &self.of(input).reader {
                FieldReader::Numbers(Numbers::Floats(column)) => {
                    let values = column.all()?;
                    input.rows().try_for_each(|row| out.push(values[row as usize]))?;
                }
                FieldReader::Absent => input.rows().try_for_each(|_| out.push(0.0))?,
                _ => return Err(self.disagree()),
            }
        }
        out.flush()
    }

    fn keywords(&self) -> Result<Vec<keywords::Source<'_>>, IndexError> {
        let sources = self.inputs.iter().zip(self.maps).map(|(input, map)| match &self.of(input).reader {
            FieldReader::Keyword(column) => Ok((Some(column.as_ref()), map)),
            FieldReader::Absent => Ok((None, map)),
            _ => Err(self.disagree()),
        });
        sources.collect()
    }
}

impl DenseStream for Merging<'_> {
    fn plain(&self) -> bool {
        self.plain
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        (0..self.inputs.len()).filter_map(|at| self.source(at)).collect()
    }

    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        for (input, map) in self.inputs.iter().zip(self.maps) {
            let field = self.of(input);
            let reader = match &field.reader {
                FieldReader::Dense(reader) => reader,
                FieldReader::Absent => continue,
                _ => return Err(self.disagree()),
            };
            let set = field.present.set()?;
            for (old, new) in map.kept().filter(|(old, _)| set.is_none_or(|set| set.contains(*old))) {
                match reader.stored(old)? {
                    Some(vector) => each(new, vector.values())?,
                    None => {
                        return Err(IndexError::corrupt(
                            &self.field.name,
                            format!("row {old} has no vector"),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

impl MultiStream for Merging<'_> {
    fn plain(&self) -> bool {
        self.plain
    }

    fn sources(&self) -> Vec<MultiSource<'_>> {
        let mut sources = Vec::new();
        for (input, map) in self.inputs.iter().zip(self.maps) {
            let Some(reader) = input.segment.multi(self.at) else { continue };
            let Ok(set) = self.of(input).present.set() else { continue };
            let kept = map.kept().filter(move |(old, _)| set.is_none_or(|set| set.contains(*old)));
            sources.push(MultiSource { reader, kept: Box::new(kept) });
        }
        sources
    }

    fn for_each(&self, each: &mut EachDocument<'_>) -> Result<(), IndexError> {
        for (input, map) in self.inputs.iter().zip(self.maps) {
            let field = self.of(input);
            let reader = match &field.reader {
                FieldReader::Multi(reader) => reader,
                FieldReader::Absent => continue,
                _ => return Err(self.disagree()),
            };
            let set = field.present.set()?;
            for (old, new) in map.kept().filter(|(old, _)| set.is_none_or(|set| set.contains(*old))) {
                each(new, reader, old)?;
            }
        }
        Ok(())
    }
}
