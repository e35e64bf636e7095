//! Norms of rows: what of BM25 depends on a row's length and not on the word.
//!
//! A search looks norms up, in one of two ways: from the length of the row, in a table of the norms of short rows that stays the
//! same until the collection changes; or, where a reader was asked for as many norms as it has rows, straight from the row. Both
//! give the very bits of the formula.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// What the norms by row of all readers of the process may take together, in bytes. Without room norms are looked up by length,
/// which is slower and gives the same bits.
const ROOM_MAX: u64 = if cfg!(target_pointer_width = "64") { 256 << 20 } else { 32 << 20 };

static ROOM: Room = Room { held: AtomicU64::new(0), most: ROOM_MAX };

/// Bytes that are shared out.
#[derive(Debug)]
struct Room {
    held: AtomicU64,
    most: u64,
}

impl Room {
    fn take(&self, bytes: u64) -> bool {
        let more = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// A norm for each row, which gives its room back when the last search lets go of it.
#[derive(Debug)]
pub(super) struct RowTable {
    norms: Vec<f32>,
    /// What was taken of the room.
    bytes: u64,
    room: &'static Room,
}

impl RowTable {
    fn new(norms: &Norms, lengths: &[u32], room: &'static Room) -> Option<Self> {
        let bytes = lengths.len() as u64 * 4;
        if !room.take(bytes) {
            return None;
        }
        let mut table = RowTable { norms: Vec::new(), bytes, room };
        table.norms = reserved(lengths.len()).ok()?;
        table.norms.extend(lengths.iter().map(|&length| norms.get(length)));
        Some(table)
    }
}

impl Drop for RowTable {
    fn drop(&mut self) {
        self.room.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The norms of all rows of a reader, made where they are asked for often. Four bytes a row.
#[derive(Debug)]
pub(super) struct RowCache {
    kept: Mutex<Kept>,
    room: &'static Room,
}

#[derive(Debug, Default)]
struct Kept {
    key: Key,
    /// Norms looked up since the key is this one, or since there was no room.
    asked: u64,
    /// Some search is at it.
    making: bool,
    rows: Option<Arc<RowTable>>,
}

impl Default for RowCache {
    fn default() -> Self {
        RowCache { kept: Mutex::default(), room: &ROOM }
    }
}

impl RowCache {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The norms of all rows, if it is worth having them: `asked` more will be looked up, of `lengths`. One search makes them
    /// while the others go on without.
    pub(super) fn get(&self, norms: &Norms, lengths: &[u32], asked: u64) -> Option<Arc<RowTable>> {
        let wanted = key(norms.params, norms.avg_length);
        {
            let mut kept = self.kept();
            if kept.key != wanted {
                *kept = Kept { key: wanted, ..Kept::default() };
            }
            kept.asked = kept.asked.saturating_add(asked);
            if kept.rows.is_some() || kept.making || kept.asked <= lengths.len() as u64 {
                return kept.rows.clone();
            }
            kept.making = true;
        }
        let made = RowTable::new(norms, lengths, self.room).map(Arc::new);
        let mut kept = self.kept();
        if kept.key == wanted {
            (kept.making, kept.asked) = (false, 0);
            kept.rows.clone_from(&made);
        }
        made
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.kept().rows.as_ref().map_or(0, |rows| rows.bytes)
    }
}

/// How a search looks norms up.
pub(super) struct RowNorms<'a> {
    pub(super) rows: Option<Arc<RowTable>>,
    pub(super) lengths: &'a [u32],
    pub(super) table: Arc<Norms>,
}

impl RowNorms<'_> {
    /// Writes the norm of each row. Every row has a length.
    #[inline]
    pub(super) fn of(&self, rows: &[u32], out: &mut [f32]) {
        match &self.rows {
            Some(table) => {
                let norms = table.norms.as_slice();
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
            Some(table) => table.norms[row as usize],
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

    #[test]
    fn rows_have_norms_of_their_own_while_there_is_room() {
        static SMALL: Room = Room { held: AtomicU64::new(0), most: 1_000 };
        let held = || SMALL.held.load(Ordering::Relaxed);
        let cache = || RowCache { room: &SMALL, ..RowCache::default() };
        let norms = |average| Norms::new(Bm25::default(), average);
        let (a, b, lengths) = (cache(), cache(), [3u32; 200]);
        let kept = a.get(&norms(1.0), &lengths, 201);
        assert_eq!((kept.is_some(), a.bytes(), held()), (true, 800, 800));
        assert!(b.get(&norms(1.0), &lengths, 201).is_none(), "800 of 1,000 bytes are taken");
        assert_eq!((b.bytes(), held()), (0, 800));
        assert!(b.get(&norms(1.0), &lengths[..50], 51).is_some(), "200 are left");
        assert_eq!((b.bytes(), held()), (200, 1_000));
        // Other statistics: the room comes back when no search holds the norms any longer.
        assert!(a.get(&norms(2.0), &lengths, 1).is_none());
        assert_eq!((a.bytes(), held()), (0, 1_000));
        drop(kept);
        assert_eq!(held(), 200);
        drop(b);
        assert_eq!(held(), 0);
        // What is too long for the room is asked for again and again, and never had.
        let long = [3u32; 251];
        assert!((0..9).all(|_| a.get(&norms(3.0), &long, 252).is_none()));
    }

    #[test]
    fn searches_go_on_while_one_makes_the_norms() {
        let (cache, norms) = (RowCache::default(), Norms::new(Bm25::default(), 7.0));
        let lengths: Vec<u32> = (0..300_000).collect();
        std::thread::scope(|scope| {
            let ask = || (0..50).map(|_| cache.get(&norms, &lengths, 300_001)).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let tables: Vec<_> =
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).flatten().collect();
            assert!(tables.iter().all(|table| Arc::ptr_eq(table, &tables[0])), "made once");
        });
        assert_eq!(cache.bytes(), 1_200_000);
    }
}
