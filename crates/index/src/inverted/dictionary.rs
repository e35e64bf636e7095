//! The dictionary of one segment: terms sorted by bytes, found by binary search.
//!
//! Nothing outside this file knows how terms are stored: an automaton with shared prefixes can replace it.

use std::cmp::Ordering;
use std::ops::Range;

use super::TermId;
use crate::section::{Array, Section};
use crate::{IndexError, SectionSink, SectionSource};

/// Terms over borrowed sections.
#[derive(Debug)]
pub(super) struct TermDictionary {
    bytes: Section,
    ends: Array<u32>,
}

impl TermDictionary {
    pub(super) fn open(source: &dyn SectionSource, terms: u32) -> Result<Self, IndexError> {
        let bytes = source.section("terms")?;
        let ends = Array::<u32>::open_len(source, "term_ends", terms.into())?;
        Ok(TermDictionary { bytes, ends })
    }

    pub(super) fn len(&self) -> u32 {
        // Opened with a u32 of terms.
        self.ends.len() as u32
    }

    /// The bytes of a term; `None` past the last.
    pub(super) fn get(&self, id: TermId) -> Result<Option<&[u8]>, IndexError> {
        if id.0 >= self.len() {
            return Ok(None);
        }
        self.bytes.get(self.ends.part(id.0 as usize)?).map(Some)
    }

    pub(super) fn find(&self, term: &[u8]) -> Result<Option<TermId>, IndexError> {
        match (self.bytes.checked(), self.ends.checked()) {
            (Some(bytes), Some(ends)) => {
                let head = head(term, 0..term.len());
                find(self.len(), |at| {
                    let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                    let part = start..ends[at] as usize;
                    match bytes.get(part.clone()) {
                        Some(found) => Ok(self::head(bytes, part).cmp(&head).then_with(|| found.cmp(term))),
                        None => Err(self.ends.corrupt(format!("the bytes of term {at}"))),
                    }
                })
            }
            _ => find(self.len(), |at| Ok(self.bytes.get(self.ends.part(at)?)?.cmp(term))),
        }
    }

    /// The first term, from `from` on, that is not below `bound`; with `past`, that neither is below it nor begins with it.
    /// Cost: O(log of how far that is).
    pub(super) fn above(&self, from: u32, bound: &[u8], past: bool) -> Result<u32, IndexError> {
        let below = |at: u32| {
            let term = self.get(TermId(at))?.unwrap_or_default();
            Ok::<bool, IndexError>(term < bound || (past && term.starts_with(bound)))
        };
        let (mut low, mut step) = (from, 1u32);
        while low < self.len() && below(low.saturating_add(step - 1).min(self.len() - 1))? {
            low = low.saturating_add(step).min(self.len());
            step = step.saturating_mul(2);
        }
        let mut high = low.saturating_add(step - 1).min(self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if below(middle)? { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    pub(super) fn verify(&self) -> Result<(), IndexError> {
        self.bytes.all()?;
        self.ends.verify_ends(self.bytes.len())?;
        let mut before: Option<&[u8]> = None;
        for at in 0..self.len() {
            let term = self.get(TermId(at))?;
            if before.is_some_and(|before| term.is_none_or(|term| before >= term)) {
                return Err(self.bytes.corrupt(format!("term {at} is not above the one before")));
            }
            before = term;
        }
        Ok(())
    }
}

/// The first eight bytes of a term, padded with zeros, as a number of the same order: terms whose numbers differ are ordered by
/// them, without a call.
#[inline]
fn head(bytes: &[u8], term: Range<usize>) -> u64 {
    let (start, len) = (term.start, term.len());
    match bytes.get(start..).and_then(|bytes| bytes.first_chunk()) {
        Some(chunk) if len >= 8 => u64::from_be_bytes(*chunk),
        Some(chunk) => u64::from_be_bytes(*chunk) & !(u64::MAX >> (8 * len)),
        None => bytes
            .get(term)
            .unwrap_or_default()
            .iter()
            .take(8)
            .enumerate()
            .fold(0, |head, (at, &byte)| head | u64::from(byte) << (56 - 8 * at)),
    }
}

/// Binary search over `len` terms, given how each compares to the one looked for.
#[inline]
fn find(len: u32, at: impl Fn(usize) -> Result<Ordering, IndexError>) -> Result<Option<TermId>, IndexError> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        match at(middle as usize)? {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(Some(TermId(middle))),
        }
    }
    Ok(None)
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

    pub(super) fn finish(self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        sink.begin("term_ends")?;
        sink.write(bytemuck::cast_slice(&self.ends))?;
        sink.begin("terms")?;
        sink.write(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::head;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_order_as_terms_do(a in prop::collection::vec(0u8..3, 0..12), b in prop::collection::vec(0u8..3, 0..12), behind in 0usize..9) {
            let mut bytes = a.clone();
            bytes.resize(a.len() + behind, 7);
            let heads = head(&bytes, 0..a.len()).cmp(&head(&b, 0..b.len()));
            prop_assert_eq!(heads.then_with(|| a.cmp(&b)), a.cmp(&b));
        }
    }
}
