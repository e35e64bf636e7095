//! Merging segments: the dictionaries are merged term by term and the postings renumbered; no text is analysed
//! again.

use super::postings::Block;
use super::writer::SegmentWriter;
use super::{ABSENT, InvertedReader, TermId};
use crate::sections::reserved;
use crate::{IndexError, Sections};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// For every row of an old segment its row in the new one, or [`RowMap::DROPPED`]. Kept rows ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowMap(pub Vec<u32>);

impl RowMap {
    /// Marks a row that the new segment does not have.
    pub const DROPPED: u32 = u32::MAX;

    /// The new row of an old one; `None` when it was dropped.
    #[inline]
    pub fn get(&self, row: u32) -> Option<u32> {
        self.0.get(row as usize).copied().filter(|&new| new != Self::DROPPED)
    }
}

/// Merges segments into one of `out_rows` rows. Rows of different segments may interleave. The result equals,
/// byte for byte, a segment built from the kept rows in one go. All segments must agree on keeping positions.
pub fn merge_inverted(inputs: &[(&InvertedReader, &RowMap)], out_rows: u32) -> Result<Sections, IndexError> {
    let positions = inputs.first().is_some_and(|(reader, _)| reader.has_positions());
    if inputs.iter().any(|(reader, _)| reader.has_positions() != positions) {
        return Err(IndexError::shape(
            "segments that keep positions, all or none of",
            inputs.len() as u64,
            1,
        ));
    }
    let lengths = merge_lengths(inputs, out_rows)?;
    let mut writer = SegmentWriter::new(positions);
    let mut scratch = Scratch::default();
    let mut heads: BinaryHeap<_> = (0..inputs.len()).filter_map(|input| head(inputs, input, 0)).collect();
    let mut sources = Vec::new();
    let mut before: Option<&[u8]> = None;
    while let Some(Reverse((term, input, at))) = heads.pop() {
        if before.is_some_and(|before| before >= term) {
            return Err(IndexError::corrupt("terms", "terms do not ascend"));
        }
        before = Some(term);
        sources.clear();
        sources.push((input, TermId(at)));
        heads.extend(head(inputs, input, at + 1));
        while let Some(&Reverse((same, input, at))) = heads.peek()
            && same == term
        {
            heads.pop();
            sources.push((input, TermId(at)));
            heads.extend(head(inputs, input, at + 1));
        }
        scratch.merge(inputs, &sources, &lengths)?;
        for posting in &scratch.postings {
            let end = if positions { posting.position + posting.tf as usize } else { posting.position };
            writer.posting(posting.row, posting.tf, &scratch.positions[posting.position..end]);
        }
        writer.end_term(term)?;
    }
    writer.finish(&lengths)
}

/// A term, the input it is from and its number there: the least comes first.
type Head<'a> = Reverse<(&'a [u8], usize, u32)>;

fn head<'a>(inputs: &[(&'a InvertedReader, &RowMap)], input: usize, at: u32) -> Option<Head<'a>> {
    let term = inputs[input].0.dictionary.get(TermId(at))?;
    Some(Reverse((term, input, at)))
}

/// The lengths of the new rows, after checking the inputs: no terms share bytes, every map has its segment's rows, kept rows ascend and
/// no two segments claim the same one.
fn merge_lengths(inputs: &[(&InvertedReader, &RowMap)], out_rows: u32) -> Result<Vec<u32>, IndexError> {
    let mut lengths = reserved(out_rows as usize)?;
    lengths.resize(out_rows as usize, ABSENT);
    let mut taken = crate::Bitmap::new(out_rows);
    for (reader, map) in inputs {
        reader.verify_ends()?;
        if map.0.len() as u64 != u64::from(reader.rows()) {
            return Err(IndexError::shape("rows of a row map", reader.rows().into(), map.0.len() as u64));
        }
        let mut before = None;
        for (old, &new) in map.0.iter().enumerate().filter(|&(_, &new)| new != RowMap::DROPPED) {
            if new >= out_rows {
                return Err(IndexError::shape(
                    "rows of the new segment",
                    out_rows.into(),
                    u64::from(new) + 1,
                ));
            }
            if let Some(after) = before.filter(|&before| before >= new) {
                return Err(IndexError::Order { what: "kept rows of a row map".into(), after, row: new });
            }
            if !taken.set(new) {
                return Err(IndexError::Order { what: "rows of two segments".into(), after: new, row: new });
            }
            before = Some(new);
            lengths[new as usize] = reader.lengths[old];
        }
    }
    Ok(lengths)
}

/// The postings of one term, from all segments.
#[derive(Default)]
struct Scratch {
    postings: Vec<Posting>,
    positions: Vec<u32>,
}

struct Posting {
    row: u32,
    tf: u32,
    position: usize,
}

impl Scratch {
    fn merge(
        &mut self,
        inputs: &[(&InvertedReader, &RowMap)],
        sources: &[(usize, TermId)],
        lengths: &[u32],
    ) -> Result<(), IndexError> {
        self.postings.clear();
        self.positions.clear();
        for &(input, term) in sources {
            let (reader, map) = inputs[input];
            self.append(reader, map, term)?;
        }
        // Segments that follow one another need no sort.
        if !self.postings.is_sorted_by_key(|posting| posting.row) {
            self.postings.sort_unstable_by_key(|posting| posting.row);
        }
        if !self.postings.is_sorted_by(|a, b| a.row < b.row) {
            return Err(IndexError::corrupt("terms", "a term stands twice in one segment"));
        }
        let out_of_length = |posting: &Posting| lengths[posting.row as usize] == ABSENT;
        if self.postings.iter().any(out_of_length) {
            return Err(IndexError::corrupt("postings", "a posting in a row that does not have the field"));
        }
        Ok(())
    }

    fn append(&mut self, reader: &InvertedReader, map: &RowMap, term: TermId) -> Result<(), IndexError> {
        let (mut cursor, mut block) = (reader.cursor(term), Block::new());
        let mut positions = reader.positions_cursor(term);
        while cursor.next(&mut block) {
            for (row, tf) in block.iter() {
                let position = self.positions.len();
                if positions.as_mut().is_some_and(|cursor| cursor.next(tf, &mut self.positions).is_none()) {
                    return Err(IndexError::corrupt("positions", format!("term {} has too few", term.0)));
                }
                match map.get(row) {
                    Some(row) => self.postings.push(Posting { row, tf, position }),
                    None => self.positions.truncate(position),
                }
            }
        }
        if cursor.is_corrupt() {
            return Err(IndexError::corrupt("postings", format!("postings of term {}", term.0)));
        }
        Ok(())
    }
}
