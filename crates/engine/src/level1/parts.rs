//! The parts of an index: each a section file in memory, or a mapped one, with its reader.
//!
//! A part holds the values of rows `first..first + span`, not necessarily of all of them: the ranges of parts may overlap
//! where rows were updated. A row lives in at most one part.

use std::sync::Arc;

use tercet_index::{Bitmap, Work};
use tercet_store::{SectionFile, SectionFileWriter};

use super::content::Content;
use super::samples::Samples;
use crate::error::index_error;
use crate::sections::Within;
use crate::wire::TercetError;

/// The kind of section file that an index is.
pub(super) const KIND: &str = "index";

/// Values that were added together, or merged. A copy costs nothing.
pub(super) struct IndexPart<C: Content> {
    /// The first row of the index that may be here.
    pub(super) first: u32,
    /// Rows of the part: the length of its bitmaps.
    pub(super) span: u32,
    /// Rows that live.
    pub(super) size: u32,
    /// The rows that live; `None` when all of the span do.
    pub(super) live: Option<Arc<Bitmap>>,
    pub(super) stored: Arc<Stored<C>>,
}

/// What never changes of a part.
pub(super) struct Stored<C: Content> {
    pub(super) reader: C::Reader,
    pub(super) file: SectionFile,
    /// The values here, removed ones included.
    pub(super) values: u64,
}

impl<C: Content> Clone for IndexPart<C> {
    fn clone(&self) -> Self {
        IndexPart { live: self.live.clone(), stored: self.stored.clone(), ..*self }
    }
}

impl<C: Content> IndexPart<C> {
    /// Builds a part over values, whose rows are those from `first` on.
    pub(super) fn build(
        spec: &C,
        first: u32,
        values: &C::Values<'_>,
        samples: &Samples,
        work: &Work<'_>,
    ) -> Result<Self, TercetError> {
        let sections = spec.build(values, samples, work).map_err(|e| index_error(e, "(index)"))?;
        let mut writer = SectionFileWriter::new(KIND);
        for (name, bytes) in &sections {
            writer.add(name, bytes.as_slice());
        }
        let file = SectionFile::from_own_bytes(writer.to_bytes()?, "(memory)")?;
        drop(writer);
        drop(sections);
        Self::open(spec, (first, C::count(values)), None, None, file)
    }

    /// Opens a part over a section file: of rows from the first on, so many. `values`: how many were stored, where it is
    /// known.
    pub(super) fn open(
        spec: &C,
        (first, span): (u32, u32),
        live: Option<Bitmap>,
        values: Option<u64>,
        file: SectionFile,
    ) -> Result<Self, TercetError> {
        let reader = spec.open(span, &Within::whole(&file)).map_err(|e| index_error(e, file.label()))?;
        let size = live.as_ref().map_or(span, Bitmap::count);
        // What a file says is no more than it has rows.
        let values = C::len(&reader).or(values).unwrap_or(u64::from(size)).min(span.into());
        Ok(IndexPart {
            first,
            span,
            size,
            live: live.map(Arc::new),
            stored: Arc::new(Stored { reader, file, values }),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.stored.file.file_len() + self.live.as_ref().map_or(0, |live| live.words().len() as u64 * 8)
    }

    /// The row past the last that may be here.
    pub(super) fn end(&self) -> u32 {
        self.first + self.span
    }

    /// Values that are here and belong to no row any more.
    pub(super) fn removed(&self) -> u64 {
        self.stored.values.saturating_sub(self.size.into())
    }

    /// Whether so much was removed that the part should be written again.
    pub(super) fn is_worn(&self) -> bool {
        self.removed() * 5 > self.stored.values
    }

    /// Whether the part's own row lives.
    pub(super) fn lives(&self, row: u32) -> bool {
        row < self.span && self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// The part's own row for a row of the index that lives here.
    pub(super) fn own(&self, row: u32) -> Option<u32> {
        row.checked_sub(self.first).filter(|row| self.lives(*row))
    }

    /// Removes a row of the index; false when it is not here or gone already.
    pub(super) fn remove(&mut self, row: u32) -> bool {
        let Some(row) = self.own(row) else { return false };
        let live = self.live.get_or_insert_with(|| Arc::new(Bitmap::full(self.span)));
        let gone = Arc::make_mut(live).clear(row);
        self.size -= u32::from(gone);
        gone
    }

    /// The rows of the index that live here, ascending.
    pub(super) fn rows(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        let first = self.first;
        match &self.live {
            None => Box::new(first..self.end()),
            Some(live) => Box::new(live.iter().map(move |row| first + row)),
        }
    }

    /// The first and the last row of the index that live here.
    pub(super) fn bounds(&self) -> Option<(u32, u32)> {
        let Some(live) = &self.live else {
            return (self.span > 0).then(|| (self.first, self.end() - 1));
        };
        let first = live.iter().next()?;
        let (at, word) = live.words().iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some((self.first + first, self.first + at as u32 * 64 + 63 - word.leading_zeros()))
    }

    /// The live rows of this part that a filter over the whole index lets through, by whole words. `words` is memory
    /// to use again.
    pub(super) fn allowed(&self, filter: &[u32], mut words: Vec<u64>) -> Bitmap {
        let (skip, shift) = ((self.first / 32) as usize, self.first % 32);
        let given = filter.get(skip..).unwrap_or_default();
        let count = self.span.div_ceil(64) as usize;
        words.clear();
        words.reserve(count);
        if shift == 0 {
            let (pairs, rest) = given[..given.len().min(count * 2)].as_chunks::<2>();
            words.extend(pairs.iter().map(|[low, high]| u64::from(*low) | u64::from(*high) << 32));
            words.extend(rest.iter().map(|low| u64::from(*low)));
        } else {
            let at = |place: usize| u128::from(given.get(place).copied().unwrap_or_default());
            let here = given.len().div_ceil(2).min(count);
            words.extend((0..here).map(|word| {
                let three = at(word * 2) | at(word * 2 + 1) << 32 | at(word * 2 + 2) << 64;
                (three >> shift) as u64
            }));
        }
        words.resize(count, 0);
        if let Some(live) = &self.live {
            words.iter_mut().zip(live.words()).for_each(|(word, live)| *word &= live);
        }
        // The number of words is right by construction.
        Bitmap::from_words(self.span, words).unwrap_or_else(|_| Bitmap::new(self.span))
    }
}
