//! Building from rows, and merging from lists.

use super::record::Shape;
use super::writer::Writer;
use crate::dense::Work;
use crate::inverted::RowMap;
use crate::sparse::input::ByTerm;
use crate::sparse::seam::{SparseInput, SparseReader, SparseSpec, StoredWeights};
use crate::sparse::stored::width_of;
use crate::{IndexError, SectionSink, Sections};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Terms between two looks at whether to go on.
const STEP: usize = 256;

fn shape(spec: &SparseSpec, rows: u32, width: usize) -> Result<Shape, IndexError> {
    match spec.block {
        8 | 16 | 32 | 64 | 128 => Ok(Shape { rows, block_bits: spec.block.trailing_zeros(), width }),
        other => Err(IndexError::shape("rows of a block (8, 16, 32, 64 or 128)", 32, other.into())),
    }
}

/// Builds the sections of one segment.
pub(super) fn build(
    spec: &SparseSpec,
    input: &SparseInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let lists = ByTerm::gather(spec, input)?;
    let width = lists.weights.iter().map(|&weight| width_of(weight)).max().unwrap_or(1);
    let mut sections = Sections::new();
    let mut writer = Writer::new(&mut sections, shape(spec, input.rows, width)?)?;
    let mut start = 0;
    for (at, (&term, &end)) in lists.terms.iter().zip(&lists.ends).enumerate() {
        if at % STEP == 0 {
            work.step(at as u64, lists.terms.len() as u64)?;
        }
        writer.term(term, &lists.rows[start..end], &lists.weights[start..end])?;
        start = end;
    }
    writer.finish()?;
    Ok(sections)
}

/// Merges segments into one of `out_rows` rows.
pub(super) fn merge(
    spec: &SparseSpec,
    inputs: &[(&dyn SparseReader, &RowMap)],
    out_rows: u32,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    for (reader, map) in inputs {
        if map.0.len() as u64 != u64::from(reader.rows()) {
            return Err(IndexError::shape("rows of a row map", reader.rows().into(), map.0.len() as u64));
        }
    }
    // What the weights need is known only when all that are kept have been seen.
    let mut width = 1;
    if spec.weights != StoredWeights::Ones {
        each_term(inputs, out_rows, &|done, total| work.step(done, total * 2), &mut |_, _, weights| {
            width = weights.iter().fold(width, |width, &weight| width.max(width_of(weight)));
            Ok(())
        })?;
    }
    let mut writer = Writer::new(sink, shape(spec, out_rows, width)?)?;
    let step = |done, total| work.step(total + done, total * 2);
    each_term(inputs, out_rows, &step, &mut |term, rows, weights| writer.term(term, rows, weights))?;
    writer.finish()
}

/// Takes a term and its postings.
type EachTerm<'a> = dyn FnMut(u32, &[u32], &[f32]) -> Result<(), IndexError> + 'a;

/// Calls back with every term, ascending, and its postings in the new segment.
fn each_term(
    inputs: &[(&dyn SparseReader, &RowMap)],
    out_rows: u32,
    step: &dyn Fn(u64, u64) -> Result<(), IndexError>,
    each: &mut EachTerm<'_>,
) -> Result<(), IndexError> {
    let total: u64 = inputs.iter().map(|(reader, _)| u64::from(reader.term_count())).sum();
    let head = |input: usize, at: u32| -> Result<_, IndexError> {
        Ok(inputs[input].0.term(at)?.map(|term| Reverse((term, input, at))))
    };
    let mut heads = BinaryHeap::new();
    for input in 0..inputs.len() {
        heads.extend(head(input, 0)?);
    }
    let (mut rows, mut weights, mut done, mut looked) = (Vec::new(), Vec::new(), 0, 0);
    let mut pairs: Vec<(u32, f32)> = Vec::new();
    step(0, total)?;
    let mut before = None;
    while let Some(&Reverse((term, ..))) = heads.peek() {
        if before.is_some_and(|before| before >= term) {
            return Err(IndexError::corrupt("terms", "terms do not ascend"));
        }
        before = Some(term);
        pairs.clear();
        while let Some(&Reverse((same, input, at))) = heads.peek()
            && same == term
        {
            heads.pop();
            heads.extend(head(input, at + 1)?);
            let (reader, map) = inputs[input];
            reader.for_each_posting(term, &mut |row, weight| {
                let Some(new) = map.get(row) else { return Ok(()) };
                if new >= out_rows || !(weight.is_finite() && weight > 0.0) {
                    return Err(IndexError::corrupt("lists", format!("postings of term {term}")));
                }
                pairs.push((new, weight));
                Ok(())
            })?;
            done += 1;
        }
        // Segments that follow one another give ascending rows already; those of updated rows lie between others.
        if !pairs.is_sorted_by_key(|pair| pair.0) {
            pairs.sort_unstable_by_key(|pair| pair.0);
        }
        if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(IndexError::corrupt("lists", format!("postings of term {term}")));
        }
        rows.clear();
        weights.clear();
        rows.extend(pairs.iter().map(|pair| pair.0));
        weights.extend(pairs.iter().map(|pair| pair.1));
        each(term, &rows, &weights)?;
        if done - looked >= STEP as u64 {
            looked = done;
            step(done, total)?;
        }
    }
    Ok(())
}
