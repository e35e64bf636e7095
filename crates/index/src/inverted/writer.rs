//! Writes the sections of one segment from terms in ascending order. The builder and the merge both end here,
//! which is why a merged segment equals one that was built in one go, byte for byte.
//!
//! Postings and positions go to the sink as they come; dictionary, ends and frequencies are held until the end. The
//! terms pass twice where positions are kept: first their postings, then their positions.

use super::dictionary::DictionaryWriter;
use super::postings::PostingsWriter;
use super::{ABSENT, FLAG_POSITIONS, VERSION, positions};
use crate::sections::ArraySink;
use crate::{IndexError, SectionSink};

/// Bytes that are gathered before they go to the sink.
const BUFFER: usize = 64 << 10;

pub(super) struct SegmentWriter<'s> {
    sink: &'s mut dyn SectionSink,
    dictionary: DictionaryWriter,
    doc_freqs: Vec<u32>,
    posting_ends: Vec<u64>,
    postings: PostingsWriter,
    /// The ends of each term's positions, once their turn has come.
    position_ends: Option<Vec<u64>>,
    positions: Vec<u8>,
    /// Bytes of the present section that went to the sink.
    written: u64,
    /// Postings of the present term.
    doc_freq: u32,
}

impl<'s> SegmentWriter<'s> {
    pub(super) fn new(sink: &'s mut dyn SectionSink) -> Result<Self, IndexError> {
        sink.begin("postings")?;
        Ok(SegmentWriter {
            sink,
            dictionary: DictionaryWriter::default(),
            doc_freqs: Vec::new(),
            posting_ends: Vec::new(),
            postings: PostingsWriter::default(),
            position_ends: None,
            positions: Vec::new(),
            written: 0,
            doc_freq: 0,
        })
    }

    /// Adds a posting of the term to come. Rows ascend strictly.
    pub(super) fn posting(&mut self, row: u32, tf: u32) -> Result<(), IndexError> {
        self.postings.push(row, tf);
        self.doc_freq += 1;
        flush(self.sink, &mut self.postings.bytes, &mut self.written, BUFFER)
    }

    /// Ends the term whose postings were added. A term without postings is left out.
    pub(super) fn end_term(&mut self, term: &[u8]) -> Result<(), IndexError> {
        if self.doc_freq == 0 {
            return Ok(());
        }
        self.dictionary.push(term)?;
        self.postings.flush();
        self.doc_freqs.push(self.doc_freq);
        self.posting_ends.push(self.written + self.postings.bytes.len() as u64);
        self.doc_freq = 0;
        Ok(())
    }

    /// Ends the postings: the same terms come again with their positions.
    pub(super) fn begin_positions(&mut self) -> Result<(), IndexError> {
        self.end_section()?;
        self.sink.begin("positions")?;
        self.position_ends = Some(Vec::with_capacity(self.posting_ends.len()));
        Ok(())
    }

    /// Adds the positions of a posting of the term to come; there are as many as its frequency says.
    pub(super) fn positions(&mut self, positions: &[u32]) -> Result<(), IndexError> {
        positions::put(&mut self.positions, positions);
        self.doc_freq += 1;
        flush(self.sink, &mut self.positions, &mut self.written, BUFFER)
    }

    /// Ends the term whose positions were added.
    pub(super) fn end_term_positions(&mut self) {
        if let (Some(ends), 1..) = (&mut self.position_ends, self.doc_freq) {
            ends.push(self.written + self.positions.len() as u64);
        }
        self.doc_freq = 0;
    }

    /// Writes the rest, given the length of every row.
    pub(super) fn finish(
        mut self,
        lengths: &mut dyn Iterator<Item = Result<u32, IndexError>>,
    ) -> Result<(), IndexError> {
        self.end_section()?;
        let (mut rows, mut count, mut tokens) = (0u32, 0u32, 0u64);
        let mut out = ArraySink::begin(self.sink, "lengths")?;
        for length in lengths {
            let length = length?;
            out.push(length)?;
            rows += 1;
            if length != ABSENT {
                count += 1;
                tokens += u64::from(length);
            }
        }
        out.flush()?;
        let mut section = |name: &str, bytes: &[u8]| {
            self.sink.begin(name)?;
            self.sink.write(bytes)
        };
        section("doc_freqs", bytemuck::cast_slice(&self.doc_freqs))?;
        section("posting_ends", bytemuck::cast_slice(&self.posting_ends))?;
        if let Some(ends) = &self.position_ends {
            section("position_ends", bytemuck::cast_slice(ends))?;
        }
        let flags = if self.position_ends.is_some() { FLAG_POSITIONS } else { 0 };
        let terms = self.dictionary.len() as u32;
        let meta = [VERSION, flags, rows, terms, count, tokens as u32, (tokens >> 32) as u32, 0];
        section("meta", bytemuck::cast_slice(&meta))?;
        self.dictionary.finish(self.sink)
    }

    fn end_section(&mut self) -> Result<(), IndexError> {
        flush(self.sink, &mut self.postings.bytes, &mut self.written, 0)?;
        flush(self.sink, &mut self.positions, &mut self.written, 0)?;
        self.written = 0;
        Ok(())
    }
}

/// Hands the bytes on when there are more than `most`.
#[inline]
fn flush(
    sink: &mut dyn SectionSink,
    bytes: &mut Vec<u8>,
    written: &mut u64,
    most: usize,
) -> Result<(), IndexError> {
    if bytes.len() > most {
        sink.write(bytes)?;
        *written += bytes.len() as u64;
        bytes.clear();
    }
    Ok(())
}
