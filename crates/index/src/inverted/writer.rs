//! Writes the sections of one segment from terms in ascending order. The builder and the merge both end here,
//! which is why a merged segment equals one that was built in one go, byte for byte.

use super::dictionary::DictionaryWriter;
use super::postings::PostingsWriter;
use super::{ABSENT, FLAG_POSITIONS, VERSION, positions};
use crate::sections::array_bytes;
use crate::{IndexError, Sections};

pub(super) struct SegmentWriter {
    dictionary: DictionaryWriter,
    doc_freqs: Vec<u32>,
    posting_ends: Vec<u64>,
    postings: PostingsWriter,
    positions: Option<Positions>,
    doc_freq: u32,
}

#[derive(Default)]
struct Positions {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl SegmentWriter {
    pub(super) fn new(positions: bool) -> Self {
        SegmentWriter {
            dictionary: DictionaryWriter::default(),
            doc_freqs: Vec::new(),
            posting_ends: Vec::new(),
            postings: PostingsWriter::default(),
            positions: positions.then(Positions::default),
            doc_freq: 0,
        }
    }

    /// Adds a posting of the term to come. Rows ascend strictly; `positions` has `tf` elements, or any number
    /// when the segment keeps none.
    pub(super) fn posting(&mut self, row: u32, tf: u32, positions: &[u32]) {
        self.postings.push(row, tf);
        if let Some(kept) = &mut self.positions {
            positions::put(&mut kept.bytes, positions);
        }
        self.doc_freq += 1;
    }

    /// Ends the term whose postings were added. A term without postings is left out.
    pub(super) fn end_term(&mut self, term: &[u8]) -> Result<(), IndexError> {
        if self.doc_freq == 0 {
            return Ok(());
        }
        self.dictionary.push(term)?;
        self.postings.flush();
        self.doc_freqs.push(self.doc_freq);
        self.posting_ends.push(self.postings.bytes.len() as u64);
        if let Some(kept) = &mut self.positions {
            kept.ends.push(kept.bytes.len() as u64);
        }
        self.doc_freq = 0;
        Ok(())
    }

    /// The sections, given the length of every row.
    pub(super) fn finish(self, lengths: &[u32]) -> Result<Sections, IndexError> {
        let present = lengths.iter().filter(|&&length| length != ABSENT);
        let (count, tokens) =
            present.fold((0u32, 0u64), |(n, sum), &length| (n + 1, sum + u64::from(length)));
        let terms = self.dictionary.len() as u32;
        let flags = if self.positions.is_some() { FLAG_POSITIONS } else { 0 };
        let rows = lengths.len() as u32;
        let meta = [VERSION, flags, rows, terms, count, tokens as u32, (tokens >> 32) as u32, 0];
        let mut sections = vec![
            ("meta".to_owned(), array_bytes(&meta)?),
            ("doc_freqs".to_owned(), array_bytes(&self.doc_freqs)?),
            ("posting_ends".to_owned(), array_bytes(&self.posting_ends)?),
            ("postings".to_owned(), self.postings.bytes),
            ("lengths".to_owned(), array_bytes(lengths)?),
        ];
        self.dictionary.finish(&mut sections)?;
        if let Some(kept) = self.positions {
            sections.push(("position_ends".to_owned(), array_bytes(&kept.ends)?));
            sections.push(("positions".to_owned(), kept.bytes));
        }
        Ok(sections)
    }
}
