//! Building from rows as they come in, and merging from the rows of other segments.

use super::write::{EachRow, Rows, Split, write};
use crate::dense::Work;
use crate::inverted::RowMap;
use crate::sections::reserved;
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

/// The rows of segments, put in order: rows that were updated lie between older ones.
struct Merged<'a> {
    inputs: &'a [(&'a dyn SparseReader, &'a RowMap)],
    /// The new row, the segment, the row there.
    order: Vec<(u32, u32, u32)>,
}

impl<'a> Merged<'a> {
    fn new(inputs: &'a [(&'a dyn SparseReader, &'a RowMap)], rows: u32) -> Result<Self, IndexError> {
        let mut order = reserved(inputs.iter().map(|(_, map)| map.kept().count()).sum())?;
        for (input, (_, map)) in (0..).zip(inputs) {
            order.extend(map.kept().map(|(old, new)| (new, input, old)));
        }
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let twice = order.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0]);
        if let Some((new, ..)) = twice.or(order.last().copied().filter(|last| last.0 >= rows)) {
            return Err(IndexError::shape("rows of row maps, no two of them one", rows.into(), new.into()));
        }
        Ok(Merged { inputs, order })
    }
}

impl Rows for Merged<'_> {
    fn each(&self, visit: &mut EachRow<'_>) -> Result<(), IndexError> {
        let (mut pairs, mut split) = (Vec::new(), Split::default());
        for &(new, input, old) in &self.order {
            if !self.inputs[input as usize].0.row(old, &mut pairs)? {
                return Err(IndexError::Unsupported { what: "a merge of rows that are not kept" });
            }
            let Some((terms, weights)) = split.checked(&pairs, |_| true) else {
                return Err(IndexError::corrupt("weights", format!("row {old}")));
            };
            visit(new, terms, weights)?;
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
    write(spec, out_rows, terms, &Merged::new(inputs, out_rows)?, sink, work)
}
