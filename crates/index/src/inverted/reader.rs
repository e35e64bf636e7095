//! Opening an inverted index; its statistics, terms and postings.

use super::dictionary::TermDictionary;
use super::norms::RowCache;
use super::positions::PositionsCursor;
use super::postings::{Block, Cursor, Stop};
use super::{ABSENT, FLAG_POSITIONS, TermId, VERSION};
use crate::section::{Array, Section};
use crate::{Bitmap, IndexError, SectionSource};

/// Takes a row and its positions.
type EachPositions<'a> = dyn FnMut(u32, &[u32]) -> Result<(), IndexError> + 'a;

/// An inverted index over borrowed sections.
pub struct InvertedReader {
    /// Layout 2: postings stand in bits.
    packed: bool,
    rows: u32,
    rows_with_field: u32,
    tokens: u64,
    pub(super) dictionary: TermDictionary,
    doc_freqs: Array<u32>,
    posting_ends: Array<u64>,
    postings: Section,
    pub(super) lengths: Array<u32>,
    positions: Option<(Array<u64>, Section)>,
    pub(super) norms: RowCache,
}

impl InvertedReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let meta = Array::<u32>::open_len(source, "meta", 8)?;
        let &[version, flags, stored_rows, terms, rows_with_field, low, high, _] = meta.all()? else {
            return Err(meta.corrupt("expected 8 elements"));
        };
        if version == 0 || version > VERSION {
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
        Ok(InvertedReader {
            packed: version >= 2,
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
            norms: RowCache::default(),
        })
    }

    /// Rows of the segment.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Distinct terms.
    pub fn term_count(&self) -> u32 {
        self.dictionary.len()
    }

    /// Bytes held in memory beside the sections: norms of rows that were asked for often.
    pub fn memory_bytes(&self) -> u64 {
        self.norms.bytes()
    }

    /// Whether token positions are kept.
    pub fn has_positions(&self) -> bool {
        self.positions.is_some()
    }

    /// Rows that have the field, empty texts among them: all, or the live ones. Cost with `live`: O(rows / 64 + dead
    /// rows).
    pub fn rows_with_field(&self, live: Option<&Bitmap>) -> Result<u64, IndexError> {
        let mut rows = u64::from(self.rows_with_field);
        for row in live.into_iter().flat_map(|live| dead(live, self.rows)) {
            rows = rows.saturating_sub(self.length(row)?.is_some().into());
        }
        Ok(rows)
    }

    /// Tokens of all rows, or of the live ones. Cost with `live`: O(rows / 64 + dead rows).
    pub fn total_length(&self, live: Option<&Bitmap>) -> Result<u64, IndexError> {
        let mut tokens = self.tokens;
        for row in live.into_iter().flat_map(|live| dead(live, self.rows)) {
            tokens = tokens.saturating_sub(self.length(row)?.unwrap_or(0).into());
        }
        Ok(tokens)
    }

    /// Tokens of a row; `None` when it does not have the field.
    pub fn length(&self, row: u32) -> Result<Option<u32>, IndexError> {
        if row >= self.rows {
            return Ok(None);
        }
        Ok(Some(self.lengths.get(row as usize)?).filter(|&length| length != ABSENT))
    }

    /// Finds a term by its bytes. Cost: O(log terms).
    pub fn term(&self, term: &str) -> Result<Option<TermId>, IndexError> {
        self.dictionary.find(term.as_bytes())
    }

    /// The bytes of a term.
    pub fn term_bytes(&self, term: TermId) -> Result<Option<&[u8]>, IndexError> {
        self.dictionary.get(term)
    }

    /// Rows that hold a term: all, or exactly the live ones. Cost with `live`: a pass over the postings.
    pub fn doc_freq(&self, term: TermId, live: Option<&Bitmap>) -> Result<u64, IndexError> {
        let Some(live) = live else {
            let known = (term.0 < self.term_count()).then_some(term.0 as usize);
            return Ok(known
                .map(|at| self.doc_freqs.get(at))
                .transpose()?
                .unwrap_or(0)
                .min(self.rows)
                .into());
        };
        let mut count = 0;
        self.each_block(term, None, &mut |block| {
            count += block.rows().iter().filter(|&&row| live.contains(row)).count() as u64;
        })?;
        Ok(count)
    }

    /// How often a row holds a term, and the row's length; `None` when it does not hold it.
    pub fn explain(&self, term: TermId, row: u32) -> Result<Option<(u32, u32)>, IndexError> {
        let (mut cursor, mut block) = (self.cursor(term)?, Block::new());
        let found = cursor.step(&mut block, |from, to| from <= row && row < to);
        self.check_end(&cursor, term)?;
        match block.rows().binary_search(&row) {
            Ok(at) if found => Ok(self.length(row)?.map(|length| (block.tfs()[at], length))),
            _ => Ok(None),
        }
    }

    /// Calls back with row and frequency of every posting, rows ascending.
    pub fn for_each_posting(&self, term: TermId, each: &mut dyn FnMut(u32, u32)) -> Result<(), IndexError> {
        self.each_posting(term, None, each)
    }

    /// The same until `stop` says true, which is [`IndexError::Cancelled`].
    pub(super) fn each_posting(
        &self,
        term: TermId,
        stop: Option<Stop<'_>>,
        each: &mut dyn FnMut(u32, u32),
    ) -> Result<(), IndexError> {
        self.each_block(term, stop, &mut |block| block.iter().for_each(|(row, tf)| each(row, tf)))
    }

    /// Adds the rows that hold a term to a set: the intersection of such sets is what "and" queries score.
    pub fn mark_rows(&self, term: TermId, rows: &mut Bitmap) -> Result<(), IndexError> {
        self.mark_rows_until(term, None, rows)
    }

    /// The same until `stop` says true, which is [`IndexError::Cancelled`].
    pub(super) fn mark_rows_until(
        &self,
        term: TermId,
        stop: Option<Stop<'_>>,
        rows: &mut Bitmap,
    ) -> Result<(), IndexError> {
        self.each_block(term, stop, &mut |block| {
            for &row in block.rows() {
                rows.set(row);
            }
        })
    }

    /// Calls back with row and ascending positions of every posting; not at all when positions are not kept.
    pub fn for_each_positions(
        &self,
        term: TermId,
        each: &mut dyn FnMut(u32, &[u32]),
    ) -> Result<(), IndexError> {
        let each = &mut |row: u32, positions: &[u32]| {
            each(row, positions);
            Ok(())
        };
        self.each_positions(term, &mut Block::new(), &mut Vec::new(), each)
    }

    /// The same with scratch of the caller's, for many terms.
    pub(super) fn each_positions(
        &self,
        term: TermId,
        block: &mut Block,
        found: &mut Vec<u32>,
        each: &mut EachPositions<'_>,
    ) -> Result<(), IndexError> {
        let Some(mut positions) = self.positions_cursor(term)? else { return Ok(()) };
        let mut cursor = self.cursor(term)?;
        while cursor.next(block) {
            for (row, tf) in block.iter() {
                found.clear();
                if positions.next(tf, found).is_none() {
                    return Err(IndexError::corrupt("positions", format!("term {} has too few", term.0)));
                }
                each(row, found)?;
            }
        }
        self.check_end(&cursor, term)
    }

    /// Checks all that opening did not: order, bounds, and that the statistics are those of the postings. Cost:
    /// a pass over every section, and 8 bytes a row.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.dictionary.verify()?;
        self.posting_ends.verify_ends(self.postings.all()?.len())?;
        if let Some((ends, bytes)) = &self.positions {
            ends.verify_ends(bytes.all()?.len())?;
        }
        let lengths = self.lengths.all()?;
        let mut sums = crate::sections::reserved(self.rows as usize)?;
        sums.resize(self.rows as usize, 0u64);
        for term in (0..self.term_count()).map(TermId) {
            self.verify_term(term, &mut sums)?;
        }
        let lengths_agree = lengths.iter().zip(&sums).all(|(&length, &sum)| match length {
            ABSENT => sum == 0,
            length => u64::from(length) == sum,
        });
        let present = lengths.iter().filter(|&&length| length != ABSENT).count();
        if !lengths_agree
            || present != self.rows_with_field as usize
            || sums.iter().sum::<u64>() != self.tokens
        {
            return Err(self.lengths.corrupt("lengths are not those of the postings"));
        }
        Ok(())
    }

    fn verify_term(&self, term: TermId, sums: &mut [u64]) -> Result<(), IndexError> {
        let (mut cursor, mut block) = (self.cursor(term)?, Block::new());
        let mut positions = self.positions_cursor(term)?;
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
        self.check_end(&cursor, term)?;
        if positions.is_some_and(|positions| !positions.is_at_end()) {
            return Err(IndexError::corrupt("positions", format!("term {} has too many", term.0)));
        }
        Ok(())
    }

    fn each_block(
        &self,
        term: TermId,
        stop: Option<Stop<'_>>,
        each: &mut dyn FnMut(&Block),
    ) -> Result<(), IndexError> {
        let (mut cursor, mut block) = (self.cursor(term)?.stopping(stop), Block::new());
        while cursor.next(&mut block) {
            each(&block);
        }
        self.check_end(&cursor, term)
    }

    /// Walks over a term's postings; over none when there is no such term. Checks all their bytes.
    pub(super) fn cursor(&self, term: TermId) -> Result<Cursor<'_>, IndexError> {
        let at = term.0 as usize;
        if term.0 >= self.term_count() {
            return Ok(Cursor::new(&[], 0, self.rows, self.packed));
        }
        let data = self.postings.get(self.posting_ends.part(at)?)?;
        Ok(Cursor::new(data, self.doc_freqs.get(at)?, self.rows, self.packed))
    }

    /// An error when a walk ended because it was told to, or because the bytes make no sense.
    pub(super) fn check_end(&self, cursor: &Cursor<'_>, term: TermId) -> Result<(), IndexError> {
        if cursor.is_stopped() {
            return Err(IndexError::Cancelled);
        }
        if cursor.is_corrupt() {
            return Err(self.postings.corrupt(format!("postings of term {}", term.0)));
        }
        Ok(())
    }

    /// Reads a term's positions; `None` when they are not kept.
    pub(super) fn positions_cursor(&self, term: TermId) -> Result<Option<PositionsCursor<'_>>, IndexError> {
        let Some((ends, bytes)) = &self.positions else { return Ok(None) };
        if term.0 >= self.term_count() {
            return Ok(Some(PositionsCursor::new(&[])));
        }
        Ok(Some(PositionsCursor::new(bytes.get(ends.part(term.0 as usize)?)?)))
    }
}

/// The rows below `rows` that are not in a set.
fn dead(live: &Bitmap, rows: u32) -> impl Iterator<Item = u32> + '_ {
    (0..rows.div_ceil(64)).flat_map(move |index| {
        let word = !live.words().get(index as usize).copied().unwrap_or(0);
        std::iter::successors((word != 0).then_some(word), |rest| {
            let rest = rest & (rest - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |rest| index * 64 + rest.trailing_zeros())
        .take_while(move |&row| row < rows)
    })
}
