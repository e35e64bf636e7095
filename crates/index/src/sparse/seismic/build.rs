//! Building from rows as they come in, and merging from the rows of other segments.

use super::write::{EachRow, Rows, write};
use crate::dense::Work;
use crate::inverted::RowMap;
use crate::sparse::input::{Kept, distinct};
use crate::sparse::seam::{SparseInput, SparseReader, SparseSpec};
use crate::{IndexError, SectionSink, Sections};

struct Given<'a> {
    kept: Kept<'a>,
    numbers: Option<&'a [u32]>,
}

impl Rows for Given<'_> {
    fn each(&self, visit: &mut EachRow<'_>) -> Result<(), IndexError> {
        let mut start = 0;
        for (at, &end) in self.kept.ends.iter().enumerate() {
            let row = self.numbers.map_or(at as u32, |numbers| numbers[at]);
            visit(row, &self.kept.terms[start..end], &self.kept.weights[start..end])?;
            start = end;
        }
        Ok(())
    }
}

/// Builds the sections of one segment.
pub(super) fn build(
    spec: &SparseSpec,
    input: &SparseInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let given = Given { kept: Kept::sorted(spec, input)?, numbers: input.present };
    let (terms, _) = distinct(&given.kept.terms)?;
    let mut sections = Sections::new();
    write(spec, input.rows, terms, &given, &mut sections, work)?;
    Ok(sections)
}

/// The rows of segments that follow one another.
struct Merged<'a> {
    inputs: &'a [(&'a dyn SparseReader, &'a RowMap)],
    rows: u32,
}

impl Rows for Merged<'_> {
    fn each(&self, visit: &mut EachRow<'_>) -> Result<(), IndexError> {
        let (mut row, mut least) = (Vec::new(), 0);
        let (mut terms, mut weights) = (Vec::new(), Vec::new());
        for (reader, map) in self.inputs {
            for (old, new) in map.kept() {
                if new < least || new >= self.rows {
                    return Err(IndexError::shape(
                        "rows of a row map that ascend",
                        self.rows.into(),
                        new.into(),
                    ));
                }
                least = new + 1;
                if !reader.row(old, &mut row)? {
                    return Err(IndexError::Unsupported { what: "a merge of rows that are not kept" });
                }
                if !row.windows(2).all(|pair| pair[0].0 < pair[1].0)
                    || !row.iter().all(|(_, weight)| weight.is_finite() && *weight > 0.0)
                {
                    return Err(IndexError::corrupt("weights", format!("row {old}")));
                }
                terms.clear();
                weights.clear();
                terms.extend(row.iter().map(|pair| pair.0));
                weights.extend(row.iter().map(|pair| pair.1));
                visit(new, &terms, &weights)?;
            }
        }
        Ok(())
    }
}

/// Merges segments into one of `out_rows` rows.
pub(super) fn merge(
    spec: &SparseSpec,
    inputs: &[(&dyn SparseReader, &RowMap)],
    out_rows: u32,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let mut terms = Vec::new();
    for (reader, map) in inputs {
        if map.0.len() as u64 != u64::from(reader.rows()) {
            return Err(IndexError::shape("rows of a row map", reader.rows().into(), map.0.len() as u64));
        }
        for at in 0..reader.term_count() {
            terms.extend(reader.term(at)?);
        }
        terms.sort_unstable();
        terms.dedup();
    }
    write(spec, out_rows, terms, &Merged { inputs, rows: out_rows }, sink, work)
}
