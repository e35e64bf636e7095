//! Neighbouring segments made one, without analysing or parsing anything again; deleted rows are left out.

use tercet_index::{Bitmap, IndexError, InvertedReader, RowMap, Sections, merge_inverted};

use super::build::{FieldBuilder, SegmentSections};
use super::columns::KeywordBuilder;
use super::docs::DocsBuilder;
use super::{BlockCache, FieldReader, Numbers, Segment, ids};
use crate::api::Control;
use crate::schema::{Field, Schema};
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

/// The sections of the merged segment. Rows keep their order: first input first. Counts a step of work a field.
pub(crate) fn merge(
    schema: &Schema,
    inputs: &[Input<'_>],
    control: &Control,
) -> Result<Sections, TercetError> {
    // Shapes that do not fit come from the files alone: what is merged was checked when it was built.
    let failed = |e: IndexError| {
        let e = match e {
            IndexError::Shape { .. } | IndexError::Order { .. } => {
                IndexError::corrupt("(all)", e.to_string())
            }
            other => other,
        };
        crate::error::index_error(e, inputs.first().map_or("", |i| i.segment.file.label()))
    };
    let (maps, rows) = row_maps(inputs);
    control.begin(schema.fields.len() as u64 + 1);
    let mut parts = merge_rows(inputs, rows).map_err(failed)?;
    control.step(1)?;
    for (at, field) in schema.fields.iter().enumerate() {
        let present = present_rows(inputs, at, &maps);
        let sections = merge_field(field, at, inputs, &maps, rows, &present).map_err(failed)?;
        parts.add(field, &present, sections).map_err(failed)?;
        control.step(1)?;
    }
    Ok(parts.sections)
}

fn row_maps(inputs: &[Input<'_>]) -> (Vec<RowMap>, u32) {
    let mut next = 0u32;
    let maps = inputs
        .iter()
        .map(|input| {
            let mut map = vec![u32::MAX; input.segment.rows as usize];
            for row in input.rows() {
                map[row as usize] = next;
                next += 1;
            }
            RowMap(map)
        })
        .collect();
    (maps, next)
}

fn merge_rows(inputs: &[Input<'_>], rows: u32) -> Result<SegmentSections, IndexError> {
    let mut all_ids = Vec::with_capacity(rows as usize);
    let mut docs = DocsBuilder::default();
    for input in inputs {
        let mut cache = BlockCache::default();
        for row in input.rows() {
            all_ids.push(input.segment.ids.id(row));
            docs.push(input.segment.docs.read(row, &mut cache)?);
        }
    }
    SegmentSections::new(rows, ids::build(&all_ids)?, docs.finish()?)
}

/// The new rows that have a field.
fn present_rows(inputs: &[Input<'_>], at: usize, maps: &[RowMap]) -> Vec<u32> {
    let mut present = Vec::new();
    for (input, map) in inputs.iter().zip(maps) {
        let has = input.segment.fields[at].present.as_ref();
        present.extend(
            input
                .rows()
                .filter(|row| has.is_none_or(|has| has.contains(*row)))
                .map(|row| map.0[row as usize]),
        );
    }
    present
}

fn merge_field(
    field: &Field,
    at: usize,
    inputs: &[Input<'_>],
    maps: &[RowMap],
    rows: u32,
    present: &[u32],
) -> Result<Sections, IndexError> {
    if let FieldSpec::Text(_) = &field.spec {
        let readers: Vec<(&InvertedReader, &RowMap)> =
            inputs.iter().zip(maps).filter_map(|(input, map)| Some((input.segment.text(at)?, map))).collect();
        return merge_inverted(&readers, rows);
    }
    let mut builder = FieldBuilder::new(field);
    for input in inputs {
        match (&mut builder, &input.segment.fields[at].reader) {
            (FieldBuilder::Keyword(builder), FieldReader::Keyword(column)) => {
                copy_keywords(builder, column, input)
            }
            (FieldBuilder::Integers(out), FieldReader::Numbers(Numbers::Integers(column))) => {
                out.extend(input.rows().map(|row| column[row as usize]));
            }
            (FieldBuilder::Floats(out), FieldReader::Numbers(Numbers::Floats(column))) => {
                out.extend(input.rows().map(|row| column[row as usize]));
            }
            (FieldBuilder::Dense { values, .. }, FieldReader::Dense(reader)) => {
                for vector in input.rows().filter_map(|row| reader.vector(row)) {
                    values.extend_from_slice(&vector);
                }
            }
            _ => {
                return Err(IndexError::corrupt(
                    &field.name,
                    "the segments disagree on the kind of the field",
                ));
            }
        }
    }
    builder.finish(rows, present)
}

fn copy_keywords(builder: &mut KeywordBuilder, column: &super::Keywords, input: &Input<'_>) {
    let mut values = Vec::new();
    for row in input.rows() {
        values.clear();
        values.extend(column.ords(row).iter().map(|ord| column.text(*ord)));
        builder.push(&values);
    }
}
