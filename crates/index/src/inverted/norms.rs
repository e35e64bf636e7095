//! Norms of rows: what of BM25 depends on a row's length and not on the word.
//!
//! A search looks norms up, in one of two ways: from the length of the row, in a table of the norms of short rows that stays the
//! same until the collection changes; or, where a reader was asked for as many norms as it has rows, straight from the row. Both
//! give the very bits of the formula.

use std::sync::{Arc, Mutex, PoisonError};

use super::Bm25;
use crate::sections::reserved;

/// Lengths below this have their norm looked up.
const TABLE: usize = 1024;

/// The norms of short rows, computed once.
#[derive(Debug)]
pub(super) struct Norms {
    params: Bm25,
    avg_length: f32,
    table: Box<[f32; TABLE]>,
}

impl Norms {
    pub(super) fn new(params: Bm25, avg_length: f32) -> Self {
        let mut table = Box::new([0.0; TABLE]);
        for (length, norm) in table.iter_mut().enumerate() {
            *norm = params.norm(length as u32, avg_length);
        }
        Norms { params, avg_length, table }
    }

    #[inline]
    pub(super) fn get(&self, length: u32) -> f32 {
        match self.table.get(length as usize) {
            Some(&norm) => norm,
            None => self.params.norm(length, self.avg_length),
        }
    }
}

/// What norms depend on beside the length.
type Key = [u32; 3];

fn key(params: Bm25, avg_length: f32) -> Key {
    [params.k1, params.b, avg_length].map(f32::to_bits)
}

/// Tables that are kept: as many as a search usually has fields.
const TABLES: usize = 8;

/// The norms of the fields that were searched last.
#[derive(Debug, Default)]
pub(super) struct NormsCache(Vec<Arc<Norms>>);

impl NormsCache {
    pub(super) fn get(&mut self, params: Bm25, avg_length: f32) -> Arc<Norms> {
        let wanted = key(params, avg_length);
        if let Some(known) = self.0.iter().find(|known| key(known.params, known.avg_length) == wanted) {
            return Arc::clone(known);
        }
        if self.0.len() == TABLES {
            self.0.remove(0);
        }
        let norms = Arc::new(Norms::new(params, avg_length));
        self.0.push(Arc::clone(&norms));
        norms
    }
}

/// The norms of all rows of a reader, made where they are asked for often. Four bytes a row.
#[derive(Debug, Default)]
pub(super) struct RowCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    key: Key,
    /// Norms looked up since the key is this one.
    asked: u64,
    rows: Option<Arc<[f32]>>,
}

impl RowCache {
    /// The norms of all rows, if it is worth having them: `asked` more will be looked up, of `lengths`.
    pub(super) fn get(&self, norms: &Norms, lengths: &[u32], asked: u64) -> Option<Arc<[f32]>> {
        let wanted = key(norms.params, norms.avg_length);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.key != wanted {
            *kept = Kept { key: wanted, asked: 0, rows: None };
        }
        kept.asked = kept.asked.saturating_add(asked);
        if kept.rows.is_none() && kept.asked > lengths.len() as u64 {
            let mut rows: Vec<f32> = reserved(lengths.len()).ok()?;
            rows.extend(lengths.iter().map(|&length| norms.get(length)));
            kept.rows = Some(rows.into());
        }
        kept.rows.clone()
    }
}

/// How a search looks norms up.
pub(super) struct RowNorms<'a> {
    pub(super) rows: Option<Arc<[f32]>>,
    pub(super) lengths: &'a [u32],
    pub(super) table: Arc<Norms>,
}

impl RowNorms<'_> {
    /// Writes the norm of each row. Every row has a length.
    #[inline]
    pub(super) fn of(&self, rows: &[u32], out: &mut [f32]) {
        match &self.rows {
            Some(norms) => {
                for (norm, &row) in out.iter_mut().zip(rows) {
                    *norm = norms[row as usize];
                }
            }
            None => {
                for (norm, &row) in out.iter_mut().zip(rows) {
                    *norm = self.table.get(self.lengths[row as usize]);
                }
            }
        }
    }

    #[inline]
    pub(super) fn one(&self, row: u32) -> f32 {
        match &self.rows {
            Some(norms) => norms[row as usize],
            None => self.table.get(self.lengths[row as usize]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn both_ways_are_the_formula() {
        let params = Bm25 { k1: 0.9, b: 0.4 };
        let lengths: Vec<u32> = (0..3000).rev().collect();
        let bits = |norms: &[f32]| norms.iter().map(|norm| norm.to_bits()).collect::<Vec<_>>();
        let (mut tables, cache) = (NormsCache::default(), RowCache::default());
        for average in [13.7, 200.0, 13.7] {
            let table = tables.get(params, average);
            let expected: Vec<f32> = lengths.iter().map(|&length| params.norm(length, average)).collect();
            for asked in [2_999, 1, 1] {
                let norms = RowNorms {
                    rows: cache.get(&table, &lengths, asked),
                    lengths: &lengths,
                    table: Arc::clone(&table),
                };
                let rows: Vec<u32> = (0..3000).collect();
                let mut found = vec![0.0; 3000];
                norms.of(&rows, &mut found);
                assert_eq!(bits(&found), bits(&expected));
                assert_eq!(norms.one(7).to_bits(), expected[7].to_bits());
            }
            assert!(cache.get(&table, &lengths, 0).is_some());
        }
        for at in 0..20 {
            assert_eq!(tables.get(params, at as f32).get(9).to_bits(), params.norm(9, at as f32).to_bits());
        }
        assert_eq!(tables.0.len(), TABLES);
    }
}
