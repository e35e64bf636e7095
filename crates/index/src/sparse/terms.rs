//! The distinct terms of a segment, and the way to a term's place among them.
//!
//! Sections: `terms` u32, ascending; `heads` u32: for every 2^h term numbers the place in `terms` where they begin, and
//! one more at the end. The `h` stands with the index.

use crate::section::Array;
use crate::{IndexError, SectionSink, SectionSource};

/// Terms over borrowed sections.
pub(crate) struct Terms {
    terms: Array<u32>,
    heads: Array<u32>,
    head_bits: u32,
}

impl Terms {
    /// Opens the sections of so many terms. Cost: constant.
    pub(crate) fn open(source: &dyn SectionSource, count: u32, head_bits: u32) -> Result<Self, IndexError> {
        let terms = Array::open_len(source, "terms", count.into())?;
        if head_bits > 31 {
            return Err(terms.corrupt(format!("heads of 2^{head_bits} terms")));
        }
        Ok(Terms { terms, heads: Array::open(source, "heads")?, head_bits })
    }

    pub(crate) fn len(&self) -> u32 {
        self.terms.len() as u32
    }

    /// A term by its place; `None` past the end.
    pub(crate) fn get(&self, at: u32) -> Result<Option<u32>, IndexError> {
        (at < self.len()).then(|| self.terms.get(at as usize)).transpose()
    }

    /// The place of a term; `None` where it is not there.
    pub(crate) fn place(&self, term: u32) -> Result<Option<usize>, IndexError> {
        let head = (term >> self.head_bits) as usize;
        if head + 1 >= self.heads.len() {
            return Ok(None);
        }
        let &[from, to] = self.heads.slice(head..head + 2)? else { return Ok(None) };
        if from > to {
            return Err(self.heads.corrupt(format!("head {head} from {from} to {to}")));
        }
        let part = self.terms.slice(from as usize..to as usize)?;
        Ok(part.binary_search(&term).ok().map(|at| from as usize + at))
    }

    /// Checks both sections.
    pub(crate) fn verify(&self) -> Result<(), IndexError> {
        let terms = self.terms.all()?;
        if !terms.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(self.terms.corrupt("terms do not ascend"));
        }
        let (bits, all) = heads(terms);
        if bits != self.head_bits || self.heads.all()? != all {
            return Err(self.heads.corrupt("heads are not those of the terms"));
        }
        Ok(())
    }
}

/// Writes the sections of terms that ascend; the bits of their heads.
pub(crate) fn write(sink: &mut dyn SectionSink, terms: &[u32]) -> Result<u32, IndexError> {
    let (bits, heads) = heads(terms);
    sink.begin("terms")?;
    sink.write(bytemuck::cast_slice(terms))?;
    sink.begin("heads")?;
    sink.write(bytemuck::cast_slice(&heads))?;
    Ok(bits)
}

/// Places in `terms` by the high bits of a term: about eight terms a head where they are evenly spread.
fn heads(terms: &[u32]) -> (u32, Vec<u32>) {
    let Some(&last) = terms.last() else { return (0, vec![0]) };
    let most = (terms.len() / 8).max(1) as u32;
    let bits = (0..32).find(|bits| last >> bits < most).unwrap_or(31);
    let count = (last >> bits) + 2;
    let place = |head: u32| terms.partition_point(|&term| term >> bits < head) as u32;
    (bits, (0..count).map(place).collect())
}
