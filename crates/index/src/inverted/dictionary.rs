//! The dictionary of one segment: terms sorted by bytes, found by binary search.
//!
//! Nothing outside this file knows how terms are stored: an automaton with shared prefixes can replace it.

use super::TermId;
use crate::sections::{Array, array_bytes};
use crate::{IndexError, SectionSource, Sections};
use bytes::Bytes;

/// Terms over borrowed sections.
#[derive(Debug)]
pub(super) struct TermDictionary {
    bytes: Bytes,
    ends: Array<u32>,
}

impl TermDictionary {
    pub(super) fn open(source: &dyn SectionSource, terms: u32) -> Result<Self, IndexError> {
        let bytes = source.section("terms")?;
        let ends = Array::<u32>::open_len(source, "term_ends", terms.into())?;
        let used = u64::from(ends.last().copied().unwrap_or(0));
        if used != bytes.len() as u64 {
            return Err(IndexError::corrupt("terms", format!("{} bytes, {used} used", bytes.len())));
        }
        Ok(TermDictionary { bytes, ends })
    }

    pub(super) fn len(&self) -> u32 {
        // Opened with a u32 of terms.
        self.ends.len() as u32
    }

    /// The bytes of a term; empty when the dictionary's ends make no sense.
    pub(super) fn get(&self, id: TermId) -> Option<&[u8]> {
        term_at(&self.bytes, &self.ends, id.0 as usize)
    }

    pub(super) fn find(&self, term: &[u8]) -> Option<TermId> {
        let (bytes, ends): (&[u8], &[u32]) = (&self.bytes, &self.ends);
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match term_at(bytes, ends, middle)?.cmp(term) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(TermId(middle as u32)),
            }
        }
        None
    }

    pub(super) fn verify(&self) -> Result<(), IndexError> {
        let (bytes, ends): (&[u8], &[u32]) = (&self.bytes, &self.ends);
        let mut before: Option<&[u8]> = None;
        for at in 0..ends.len() {
            let start = if at == 0 { 0 } else { ends[at - 1] };
            let term = term_at(bytes, ends, at).filter(|_| start <= ends[at]);
            let sorted = term.is_some_and(|term| before.is_none_or(|before| before < term));
            if !sorted {
                return Err(IndexError::corrupt("terms", format!("term {at} is not above the one before")));
            }
            before = term;
        }
        Ok(())
    }
}

fn term_at<'a>(bytes: &'a [u8], ends: &[u32], at: usize) -> Option<&'a [u8]> {
    let end = *ends.get(at)? as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] as usize };
    Some(bytes.get(start..end).unwrap_or(&[]))
}

/// Collects terms in ascending order.
#[derive(Default)]
pub(super) struct DictionaryWriter {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl DictionaryWriter {
    pub(super) fn push(&mut self, term: &[u8]) -> Result<(), IndexError> {
        let end = u32::try_from(self.bytes.len() as u64 + term.len() as u64)
            .map_err(|_| IndexError::too_large("bytes of all terms of a segment", u32::MAX.into()))?;
        self.bytes.extend_from_slice(term);
        self.ends.push(end);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn finish(self, sections: &mut Sections) -> Result<(), IndexError> {
        sections.push(("term_ends".into(), array_bytes(&self.ends)?));
        sections.push(("terms".into(), self.bytes));
        Ok(())
    }
}
