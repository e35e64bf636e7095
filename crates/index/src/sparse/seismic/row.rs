//! Rows of the forward index, and how they are scored.

use super::reader::SeismicReader;
use crate::IndexError;
use crate::section::Array;
use crate::sparse::stored::Weights;
use std::ops::Range;
use tercet_kernels::prefetch_items;

/// Places of terms, row after row.
pub(super) enum PlaceArray {
    Narrow(Array<u16>),
    Wide(Array<u32>),
}

impl PlaceArray {
    #[inline]
    fn slice(&self, range: Range<usize>) -> Result<Places<'_>, IndexError> {
        Ok(match self {
            PlaceArray::Narrow(places) => Places::Narrow(places.slice(range)?),
            PlaceArray::Wide(places) => Places::Wide(places.slice(range)?),
        })
    }

    fn prefetch(&self, range: Range<usize>) {
        match self {
            PlaceArray::Narrow(places) => prefetch_items(places.unverified(), range.start, range.len()),
            PlaceArray::Wide(places) => prefetch_items(places.unverified(), range.start, range.len()),
        }
    }
}

/// Places of terms of one row.
#[derive(Clone, Copy)]
enum Places<'a> {
    Narrow(&'a [u16]),
    Wide(&'a [u32]),
}

/// A row: its terms by place, ascending, and their weights.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    places: Places<'a>,
    weights: Weights<'a>,
}

impl Row<'_> {
    pub(super) fn len(&self) -> usize {
        match self.places {
            Places::Narrow(places) => places.len(),
            Places::Wide(places) => places.len(),
        }
    }

    /// The place of a posting's term.
    pub(super) fn place(&self, at: usize) -> usize {
        match self.places {
            Places::Narrow(places) => places.get(at).map_or(0, |&place| usize::from(place)),
            Places::Wide(places) => places.get(at).map_or(0, |&place| place as usize),
        }
    }

    pub(super) fn weight(&self, at: usize) -> f32 {
        self.weights.get(at)
    }

    /// The weight of the term at a place.
    pub(super) fn find(&self, place: usize) -> Option<f32> {
        let at = match self.places {
            Places::Narrow(places) => places.binary_search(&u16::try_from(place).ok()?),
            Places::Wide(places) => places.binary_search(&u32::try_from(place).ok()?),
        };
        at.ok().map(|at| self.weights.get(at))
    }
}

impl SeismicReader {
    /// A row of the segment.
    #[inline]
    pub(super) fn forward(&self, row: u32) -> Result<Row<'_>, IndexError> {
        let range = self.ends.part(row as usize)?;
        Ok(Row { places: self.places.slice(range.clone())?, weights: self.weights.slice(range)? })
    }

    /// Asks for what [`forward`](Self::forward) will read; what is asked for in vain does no harm.
    #[inline]
    pub(super) fn prefetch(&self, row: u32) {
        let ends = self.ends.unverified();
        let start = (row as usize).checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(row as usize).copied().unwrap_or(0);
        let range = start as usize..end.max(start) as usize;
        let range = range.start..range.end.min(range.start.saturating_add(AHEAD_MAX));
        self.places.prefetch(range.clone());
        self.weights.prefetch(range);
    }

    /// Asks for the end of a row.
    #[inline]
    pub(super) fn prefetch_end(&self, row: u32) {
        prefetch_items(self.ends.unverified(), (row as usize).saturating_sub(1), 2);
    }
}

/// Postings of a row that are asked for ahead.
const AHEAD_MAX: usize = 256;

/// The query by place, to score rows by. All zero between searches.
#[derive(Default)]
pub(super) struct Lookup {
    /// 1 where the query has the term.
    marks: Vec<u8>,
    /// The query's weight.
    weights: Vec<f32>,
    /// Postings of a row that the query has.
    found: Vec<u32>,
}

impl Lookup {
    /// Takes in a query: places and weights.
    pub(super) fn set(&mut self, terms: usize, query: impl Iterator<Item = (usize, f32)>) {
        if self.marks.len() < terms {
            self.marks.resize(terms, 0);
            self.weights.resize(terms, 0.0);
        }
        for (place, q) in query {
            if let (Some(mark), Some(weight)) = (self.marks.get_mut(place), self.weights.get_mut(place)) {
                (*mark, *weight) = (1, q);
            }
        }
    }

    /// Forgets it.
    pub(super) fn clear(&mut self, places: impl Iterator<Item = usize>) {
        for place in places {
            if let Some(mark) = self.marks.get_mut(place) {
                *mark = 0;
            }
        }
    }

    /// The score of a row: the sum over the query's terms, ascending, product and sum each rounded. `None` where the row has
    /// none of them.
    #[inline]
    pub(super) fn score(&mut self, row: &Row<'_>) -> Option<f32> {
        let Lookup { marks, weights, found } = self;
        if found.len() <= row.len() {
            found.resize(row.len() + 1, 0);
        }
        let count = match row.places {
            Places::Narrow(places) => mark(places, marks, found),
            Places::Wide(places) => mark(places, marks, found),
        };
        let found = found.get(..count).filter(|found| !found.is_empty())?;
        let mut sum = 0.0;
        for &at in found {
            let q = weights.get(row.place(at as usize)).copied().unwrap_or(0.0);
            sum += row.weights.get(at as usize) * q;
        }
        Some(sum)
    }
}

/// Writes the positions that are marked to the front of `found`, without a branch on them; how many there are.
#[inline(always)]
fn mark<P: Copy + Into<u32>>(places: &[P], marks: &[u8], found: &mut [u32]) -> usize {
    let mut count = 0usize;
    for (at, &place) in (0u32..).zip(places) {
        let place: u32 = place.into();
        if let Some(slot) = found.get_mut(count) {
            *slot = at;
        }
        count += usize::from(marks.get(place as usize).copied().unwrap_or(0) & 1);
    }
    count
}
