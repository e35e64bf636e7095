//! A document by itself, for hits that are explained.

use super::{BEST, MultiReader};
use crate::IndexError;
use crate::multi::book::View;
use crate::multi::query::{Aligned, Beside, MultiQuery, Placed};
use crate::multi::spec::NO_UNIT;
use std::ops::Range;

/// A document by itself.
struct Alone<'a> {
    reader: &'a MultiReader,
    /// Its tokens, by their numbers in the segment.
    part: Range<usize>,
    /// For residual codes: a query beside the centroids that they have, and which of those each token has.
    beside: Option<Beside>,
    nearest: Vec<u16>,
}

impl Alone<'_> {
    /// Some of its tokens.
    fn placed(&self, tokens: Range<usize>) -> Result<Placed<'_>, IndexError> {
        let nearest = self.nearest.get(tokens.clone()).unwrap_or(&[]);
        let tokens = self.part.start + tokens.start..self.part.start + tokens.end;
        Ok(Placed { slice: self.reader.column.slice(self.reader.form, tokens)?, nearest })
    }

    fn score(
        &self,
        query: &MultiQuery,
        tokens: Range<usize>,
        best: &mut Vec<f32>,
    ) -> Result<f32, IndexError> {
        Ok(query.score(self.beside.as_ref(), self.placed(tokens)?, best))
    }
}

impl MultiReader {
    /// A document by itself, and a query beside the centroids of its tokens alone. The bits of a search: every product is
    /// made by itself.
    fn alone(&self, query: &MultiQuery, slot: usize) -> Result<Alone<'_>, IndexError> {
        let part = self.part(slot)?;
        let Some((stored, _)) = self.book.as_ref().filter(|_| self.residual()) else {
            return Ok(Alone { reader: self, part, beside: None, nearest: Vec::new() });
        };
        let all = self.nearest(part.clone())?;
        let mut picked = all.to_vec();
        picked.sort_unstable();
        picked.dedup();
        let nearest = all.iter().map(|at| picked.partition_point(|other| other < at) as u16).collect();
        let view = stored.view()?;
        let (codes, scales) = view.picked(&picked);
        let beside = query.beside(View { codes: &codes, scales: &scales, ..view }, false, None)?;
        Ok(Alone { reader: self, part, beside: Some(beside), nearest })
    }

    /// The score of a row; `None` when it has no tokens. The bits that a search gives.
    pub fn score(&self, query: &MultiQuery, row: u32) -> Result<Option<f32>, IndexError> {
        let slot = self.slot(row)?.filter(|_| query.fits(self.form));
        let Some(slot) = slot else { return Ok(None) };
        let alone = self.alone(query, slot)?;
        BEST.with_borrow_mut(|best| alone.score(query, 0..alone.part.len(), best).map(Some))
    }

    /// What each token of a query is nearest to in a row.
    pub fn align(&self, query: &MultiQuery, row: u32) -> Result<Vec<Aligned>, IndexError> {
        match self.slot(row)?.filter(|_| query.fits(self.form)) {
            Some(slot) => {
                let alone = self.alone(query, slot)?;
                Ok(query.align(alone.beside.as_ref(), alone.placed(0..alone.part.len())?))
            }
            None => Ok(Vec::new()),
        }
    }

    /// The unit of a row that scores best by itself, with its score; `None` without units.
    pub fn best_unit(&self, query: &MultiQuery, row: u32) -> Result<Option<(u32, f32)>, IndexError> {
        let (Some(units), Some(slot)) = (&self.units, self.slot(row)?.filter(|_| query.fits(self.form)))
        else {
            return Ok(None);
        };
        let (alone, mut best) = (self.alone(query, slot)?, Vec::new());
        let units = units.slice(alone.part.clone())?;
        let found = query.best_unit(units, |range| alone.score(query, range, &mut best))?;
        Ok(found.filter(|(unit, _)| *unit != NO_UNIT))
    }
}
