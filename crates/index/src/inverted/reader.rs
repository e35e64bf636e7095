//! Opening an inverted index; its statistics, terms and postings.

use super::dictionary::TermDictionary;
use super::positions::PositionsCursor;
use super::postings::{Block, Cursor};
use super::{ABSENT, FLAG_POSITIONS, TermId, VERSION};
use crate::sections::Array;
use crate::{Bitmap, IndexError, SectionSource};
use bytes::Bytes;

/// An inverted index over borrowed sections.
pub struct InvertedReader {
    rows: u32,
    rows_with_field: u32,
    tokens: u64,
    pub(super) dictionary: TermDictionary,
    doc_freqs: Array<u32>,
    posting_ends: Array<u64>,
    postings: Bytes,
    pub(super) lengths: Array<u32>,
    positions: Option<(Array<u64>, Bytes)>,
}

impl InvertedReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let meta = Array::<u32>::open_len(source, "meta", 8)?;
        let [version, flags, stored_rows, terms, rows_with_field, low, high] =
            [meta[0], meta[1], meta[2], meta[3], meta[4], meta[5], meta[6]];
        if version != VERSION {
            return Err(IndexError::Version { section: "meta".into(), found: version, supported: VERSION });
        }
        if flags & !FLAG_POSITIONS != 0 || stored_rows != rows || rows_with_field > rows {
            let what =
                format!("flags {flags}, {stored_rows} rows, {rows_with_field} with the field, of {rows}");
            return Err(IndexError::corrupt("meta", what));
        }
        let positions = if flags & FLAG_POSITIONS != 0 {
            let ends = Array::<u64>::open_len(source, "position_ends", terms.into())?;
            Some((ends, source.section("positions")?))
        } else {
            None
        };
        let reader = InvertedReader {
            rows,
            rows_with_field,
            // No more than the rows can hold, so that sums over segments stay within bounds.
            tokens: (u64::from(high) << 32 | u64::from(low)).min(u64::from(rows) << 32),
            dictionary: TermDictionary::open(source, terms)?,
            doc_freqs: Array::open_len(source, "doc_freqs", terms.into())?,
            posting_ends: Array::open_len(source, "posting_ends", terms.into())?,
            postings: source.section("postings")?,
            lengths: Array::open_len(source, "lengths", rows.into())?,
            positions,
        };
        for (name, ends, bytes) in reader.parts() {
            let used = ends.last().copied().unwrap_or(0);
            if used != bytes.len() as u64 {
                return Err(IndexError::corrupt(name, format!("{} bytes, {used} used", bytes.len())));
            }
        }
        Ok(reader)
    }

    /// Rows of the segment.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Distinct terms.
    pub fn term_count(&self) -> u32 {
        self.dictionary.len()
    }

    /// Whether token positions are kept.
    pub fn has_positions(&self) -> bool {
        self.positions.is_some()
    }

    /// Rows that have the field, empty texts among them: all, or the live ones. Cost with `live`: O(rows).
    pub fn rows_with_field(&self, live: Option<&Bitmap>) -> u64 {
        match live {
            None => self.rows_with_field.into(),
            Some(live) if self.rows_with_field == self.rows && live.len() == self.rows => live.count().into(),
            Some(live) => live.iter().filter(|&row| self.length(row).is_some()).count() as u64,
        }
    }

    /// Tokens of all rows, or of the live ones. Cost with `live`: O(rows).
    pub fn total_length(&self, live: Option<&Bitmap>) -> u64 {
        match live {
            None => self.tokens,
            Some(live) => live.iter().filter_map(|row| self.length(row)).map(u64::from).sum(),
        }
    }

    /// Tokens of a row; `None` when it does not have the field.
    pub fn length(&self, row: u32) -> Option<u32> {
        self.lengths.get(row as usize).copied().filter(|&length| length != ABSENT)
    }

    /// Finds a term by its bytes. Cost: O(log terms).
    pub fn term(&self, term: &str) -> Option<TermId> {
        self.dictionary.find(term.as_bytes())
    }

    /// The bytes of a term.
    pub fn term_bytes(&self, term: TermId) -> Option<&[u8]> {
        self.dictionary.get(term)
    }

    /// Rows that hold a term: all, or exactly the live ones. Cost with `live`: a pass over the postings.
    pub fn doc_freq(&self, term: TermId, live: Option<&Bitmap>) -> u64 {
        let Some(live) = live else {
            return self.doc_freqs.get(term.0 as usize).map_or(0, |&df| df.min(self.rows).into());
        };
        let (mut cursor, mut block, mut count) = (self.cursor(term), Block::new(), 0);
        while cursor.next(&mut block) {
            count += block.rows().iter().filter(|&&row| live.contains(row)).count() as u64;
        }
        count
    }

    /// How often a row holds a term, and the row's length; `None` when it does not hold it.
    pub fn explain(&self, term: TermId, row: u32) -> Option<(u32, u32)> {
        let (mut cursor, mut block) = (self.cursor(term), Block::new());
        if !cursor.step(&mut block, |from, to| from <= row && row < to) {
            return None;
        }
        let at = block.rows().binary_search(&row).ok()?;
        Some((block.tfs()[at], self.length(row)?))
    }

    /// Calls back with row and frequency of every posting, rows ascending.
    pub fn for_each_posting(&self, term: TermId, each: &mut dyn FnMut(u32, u32)) {
        let (mut cursor, mut block) = (self.cursor(term), Block::new());
        while cursor.next(&mut block) {
            block.iter().for_each(|(row, tf)| each(row, tf));
        }
    }

    /// Adds the rows that hold a term to a set: the intersection of such sets is what "and" queries score.
    pub fn mark_rows(&self, term: TermId, rows: &mut Bitmap) {
        let (mut cursor, mut block) = (self.cursor(term), Block::new());
        while cursor.next(&mut block) {
            for &row in block.rows() {
                rows.set(row);
            }
        }
    }

    /// Calls back with row and ascending positions of every posting; not at all when positions are not kept.
    pub fn for_each_positions(&self, term: TermId, each: &mut dyn FnMut(u32, &[u32])) {
        let Some(mut positions) = self.positions_cursor(term) else { return };
        let (mut cursor, mut block, mut found) = (self.cursor(term), Block::new(), Vec::new());
        while cursor.next(&mut block) {
            for (row, tf) in block.iter() {
                found.clear();
                if positions.next(tf, &mut found).is_none() {
                    return;
                }
                each(row, &found);
            }
        }
    }

    /// Checks all that opening did not: order, bounds, and that the statistics are those of the postings. Cost:
    /// a pass over every section, and a u32 per row.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.dictionary.verify()?;
        let mut sums = crate::sections::reserved(self.rows as usize)?;
        sums.resize(self.rows as usize, 0u64);
        let mut at = 0;
        for term in (0..self.term_count()).map(TermId) {
            let end = self.posting_ends[term.0 as usize];
            if end < at {
                return Err(IndexError::corrupt(
                    "posting_ends",
                    format!("term {} ends before it begins", term.0),
                ));
            }
            at = end;
            self.verify_term(term, &mut sums)?;
        }
        if at != self.postings.len() as u64 {
            return Err(IndexError::corrupt("postings", "bytes are left over after the last term"));
        }
        let lengths_agree = self.lengths.iter().zip(&sums).all(|(&length, &sum)| match length {
            ABSENT => sum == 0,
            length => u64::from(length) == sum,
        });
        let present = self.lengths.iter().filter(|&&length| length != ABSENT).count();
        if !lengths_agree
            || present != self.rows_with_field as usize
            || sums.iter().sum::<u64>() != self.tokens
        {
            return Err(IndexError::corrupt("lengths", "lengths are not those of the postings"));
        }
        Ok(())
    }

    /// Checks that no two terms share bytes. Whoever walks over all terms needs it: otherwise a small file could
    /// make every term as long as the section. Cost: O(terms).
    pub(super) fn verify_ends(&self) -> Result<(), IndexError> {
        match self.parts().find(|(_, ends, _)| !ends.is_sorted()) {
            Some((name, ..)) => Err(IndexError::corrupt(name, "a term ends before it begins")),
            None => Ok(()),
        }
    }

    /// The sections that hold all terms' parts one after the other: name, ends, bytes.
    fn parts(&self) -> impl Iterator<Item = (&'static str, &[u64], &Bytes)> {
        let positions = self.positions.iter().map(|(ends, bytes)| ("positions", &**ends, bytes));
        std::iter::once(("postings", &*self.posting_ends, &self.postings)).chain(positions)
    }

    fn verify_term(&self, term: TermId, sums: &mut [u64]) -> Result<(), IndexError> {
        let (mut cursor, mut block) = (self.cursor(term), Block::new());
        let mut positions = self.positions_cursor(term);
        let mut found = Vec::new();
        while cursor.next(&mut block) {
            for (row, tf) in block.iter() {
                sums[row as usize] += u64::from(tf);
                found.clear();
                if positions.as_mut().is_some_and(|positions| positions.next(tf, &mut found).is_none()) {
                    return Err(IndexError::corrupt("positions", format!("term {} has too few", term.0)));
                }
                if !found.is_sorted() {
                    return Err(IndexError::corrupt("positions", format!("term {} does not ascend", term.0)));
                }
            }
        }
        if cursor.is_corrupt() {
            return Err(IndexError::corrupt("postings", format!("postings of term {}", term.0)));
        }
        if positions.is_some_and(|positions| !positions.is_at_end()) {
            return Err(IndexError::corrupt("positions", format!("term {} has too many", term.0)));
        }
        Ok(())
    }

    /// Walks over a term's postings; over none when the term or its place makes no sense.
    pub(super) fn cursor(&self, term: TermId) -> Cursor<'_> {
        let doc_freq = self.doc_freqs.get(term.0 as usize);
        match (doc_freq, slice_of(&self.posting_ends, &self.postings, term)) {
            (Some(&doc_freq), Some(data)) => Cursor::new(data, doc_freq, self.rows),
            _ => Cursor::broken(),
        }
    }

    /// Reads a term's positions; `None` when they are not kept.
    pub(super) fn positions_cursor(&self, term: TermId) -> Option<PositionsCursor<'_>> {
        let (ends, bytes) = self.positions.as_ref()?;
        Some(PositionsCursor::new(slice_of(ends, bytes, term).unwrap_or(&[])))
    }
}

/// A term's part of a section that holds all terms' parts one after the other.
fn slice_of<'a>(ends: &[u64], bytes: &'a [u8], term: TermId) -> Option<&'a [u8]> {
    let at = term.0 as usize;
    let end = usize::try_from(*ends.get(at)?).ok()?;
    let start = if at == 0 { 0 } else { usize::try_from(ends[at - 1]).ok()? };
    bytes.get(start..end)
}
