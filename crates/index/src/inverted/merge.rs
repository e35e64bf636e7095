//! Merging segments: the dictionaries are merged term by term and the postings renumbered; no text is analysed
//! again, and what is held is the new dictionary and a block of postings.

use super::postings::Block;
use super::writer::SegmentWriter;
use super::{ABSENT, InvertedReader, TermId};
use crate::{IndexError, SectionSink};
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

    /// The old rows that are kept with their new ones, ascending.
    pub fn kept(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..).zip(self.0.iter().copied()).filter(|&(_, new)| new != Self::DROPPED)
    }
}

/// A segment to merge and where its rows go.
type Input<'a> = (&'a InvertedReader, &'a RowMap);

/// Merges segments that follow one another into one of `out_rows` rows; a row that no segment claims does not have
/// the field. What is written equals, byte for byte, a segment built from the kept rows in one go. All segments must
/// agree on keeping positions.
pub fn merge_inverted(
    inputs: &[Input<'_>],
    out_rows: u32,
    positions: bool,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    if let Some((reader, _)) = inputs.iter().find(|(reader, _)| reader.has_positions() != positions) {
        let found = reader.has_positions().into();
        return Err(IndexError::shape("segments that keep positions", positions.into(), found));
    }
    check_maps(inputs, out_rows)?;
    let mut writer = SegmentWriter::new(sink)?;
    let lengths = inputs.iter().map(|(reader, _)| reader.lengths.all()).collect::<Result<Vec<_>, _>>()?;
    let mut block = Block::new();
    each_term(inputs, &mut |term, sources| {
        let mut least = 0;
        for &(input, id) in sources {
            let (reader, map) = inputs[input];
            let mut cursor = reader.cursor(id)?;
            while cursor.next(&mut block) {
                for (row, tf) in block.iter() {
                    let Some(new) = map.get(row) else { continue };
                    if new < least {
                        return Err(IndexError::corrupt("terms", "a term stands twice in one segment"));
                    }
                    if lengths[input].get(row as usize).is_none_or(|&length| length == ABSENT) {
                        let what = "a posting in a row that does not have the field";
                        return Err(IndexError::corrupt("postings", what));
                    }
                    least = new + 1;
                    writer.posting(new, tf)?;
                }
            }
            reader.check_end(&cursor, id)?;
        }
        writer.end_term(term)
    })?;
    if positions {
        writer.begin_positions()?;
        let mut found = Vec::new();
        each_term(inputs, &mut |_, sources| {
            for &(input, id) in sources {
                let (reader, map) = inputs[input];
                reader.each_positions(
                    id,
                    &mut block,
                    &mut found,
                    &mut |row, positions| match map.get(row) {
                        Some(_) => writer.positions(positions),
                        None => Ok(()),
                    },
                )?;
            }
            writer.end_term_positions();
            Ok(())
        })?;
    }
    writer.finish(&mut merged_lengths(inputs, &lengths, out_rows))
}

/// The lengths of the new rows.
fn merged_lengths<'a>(
    inputs: &'a [Input<'_>],
    lengths: &'a [&[u32]],
    out_rows: u32,
) -> impl Iterator<Item = Result<u32, IndexError>> + 'a {
    let kept = inputs.iter().zip(lengths).flat_map(|((_, map), lengths)| {
        map.kept().map(|(old, new)| (new, lengths.get(old as usize).copied().unwrap_or(ABSENT)))
    });
    let mut kept = kept.peekable();
    (0..out_rows)
        .map(move |row| Ok(kept.next_if(|&(new, _)| new == row).map_or(ABSENT, |(_, length)| length)))
}

/// A term, the input it is from and its number there: the least comes first.
type Head<'a> = Reverse<(&'a [u8], usize, u32)>;

fn head<'a>(inputs: &[Input<'a>], input: usize, at: u32) -> Result<Option<Head<'a>>, IndexError> {
    let term = inputs[input].0.dictionary.get(TermId(at))?;
    Ok(term.map(|term| Reverse((term, input, at))))
}

/// Takes a term and the segments that have it.
type EachTerm<'a> = dyn FnMut(&[u8], &[(usize, TermId)]) -> Result<(), IndexError> + 'a;

/// Calls back with every term, ascending, and the segments that have it, in their order.
fn each_term(inputs: &[Input<'_>], each: &mut EachTerm<'_>) -> Result<(), IndexError> {
    let mut heads = BinaryHeap::new();
    for input in 0..inputs.len() {
        heads.extend(head(inputs, input, 0)?);
    }
    let mut sources = Vec::new();
    let mut before: Option<&[u8]> = None;
    while let Some(Reverse((term, input, at))) = heads.pop() {
        if before.is_some_and(|before| before >= term) {
            return Err(IndexError::corrupt("terms", "terms do not ascend"));
        }
        before = Some(term);
        sources.clear();
        sources.push((input, TermId(at)));
        heads.extend(head(inputs, input, at + 1)?);
        while let Some(&Reverse((same, input, at))) = heads.peek()
            && same == term
        {
            heads.pop();
            sources.push((input, TermId(at)));
            heads.extend(head(inputs, input, at + 1)?);
        }
        each(term, &sources)?;
    }
    Ok(())
}

/// Every map has its segment's rows, and kept rows ascend from the first segment to the last.
fn check_maps(inputs: &[Input<'_>], out_rows: u32) -> Result<(), IndexError> {
    let mut before = None;
    for (reader, map) in inputs {
        if map.0.len() as u64 != u64::from(reader.rows()) {
            return Err(IndexError::shape("rows of a row map", reader.rows().into(), map.0.len() as u64));
        }
        for (_, new) in map.kept() {
            if new >= out_rows {
                let found = u64::from(new) + 1;
                return Err(IndexError::shape("rows of the new segment", out_rows.into(), found));
            }
            if let Some(after) = before.filter(|&before| before >= new) {
                return Err(IndexError::Order { what: "kept rows of all row maps".into(), after, row: new });
            }
            before = Some(new);
        }
    }
    Ok(())
}
