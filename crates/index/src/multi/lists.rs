//! Candidates by centroids (Santhanam et al., PLAID, arXiv 2205.09707; Scheerer et al., WARP, arXiv 2501.17788): tokens are
//! compared as their centroids are, a byte each, and of most documents only those near a token of the query.
//!
//! ```text
//! table: the products of the query's tokens and the centroids, a byte each between a token's least and largest
//! for each token of the query: the lists of its best centroids, best first
//!   each document that this token met in no better list gains what the list's centroid is above the best one not looked at
//! the best of these by all their centroids: the sum over the query's tokens of the largest byte
//! the best of these by MaxSim over those of their tokens that are at such a largest byte: mostly the score, never more
//! the best of these by MaxSim
//! ```
//! A document that a token meets in no list is taken to be at the best centroid that is left: the others are compared with
//! that. All sums are of whole bytes times a token's range, in one order: the same on every machine.
//!
//! Sections: `list_ends` u64, where the list of each centroid ends in `list_slots`, u32: the documents that have a token
//! there, ascending, by their place among those that have tokens.

use super::query::Stop;
use crate::sections::{reserved, zeros};
use crate::{Array, Counters, IndexError, SectionSink, SectionSource, TopK};

/// Bytes of a row of the table are a multiple of this.
const LANES: usize = 16;
/// Lists of a token of the query.
const LISTS: usize = 8;
/// Candidates by lists, for each by all centroids.
const WIDER: usize = 2;
/// Documents between two looks at the clock.
const DOCUMENTS_A_LOOK: usize = 256;

/// The documents at each centroid.
#[derive(Debug)]
pub(super) struct Lists {
    ends: Array<u64>,
    slots: Array<u32>,
}

/// A query beside the centroids of a segment.
#[derive(Debug)]
pub(super) struct Table {
    /// Bytes of a row.
    width: usize,
    rows: Vec<u8>,
    /// What a byte is worth, of each token of the query.
    worth: Vec<f32>,
}

impl Table {
    /// For so many centroids; `factors` says what each token's score is multiplied by.
    pub(super) fn new(centroids: usize, factors: &[f32]) -> Result<Self, IndexError> {
        let width = factors.len().next_multiple_of(LANES).max(LANES);
        Ok(Table { width, rows: zeros(centroids * width)?, worth: factors.to_vec() })
    }

    /// The products of a token of the query with all centroids. Once each.
    pub(super) fn set(&mut self, lane: usize, products: &[f32]) {
        let least = products.iter().fold(f32::INFINITY, |least, x| if *x < least { *x } else { least });
        let most = products.iter().fold(f32::NEG_INFINITY, |most, x| if *x > most { *x } else { most });
        let step = (most - least) / 255.0;
        let inverse = if step > f32::MIN_POSITIVE && step.is_finite() { 1.0 / step } else { 0.0 };
        for (row, x) in self.rows.chunks_exact_mut(self.width).zip(products) {
            row[lane] = ((x - least) * inverse + 0.5) as u8;
        }
        self.worth[lane] *= if inverse > 0.0 { step } else { 0.0 };
    }

    /// Of each token of the query the least byte of its best centroids, and those with their bytes, best first.
    fn best(&self) -> Vec<(u8, Vec<(u8, u16)>)> {
        let mut counts = vec![[0u32; 256]; self.worth.len()];
        for row in self.rows.chunks_exact(self.width) {
            counts.iter_mut().zip(row).for_each(|(counts, byte)| counts[usize::from(*byte)] += 1);
        }
        // Down to a byte that fewer than enough are above; where all of these are equal, to the next below them.
        let least = counts.iter().map(|counts| {
            let mut above = 0;
            let found = (0..=255u8).rev().find(|byte| {
                let before = above;
                above += counts[usize::from(*byte)];
                before > 0 && above >= LISTS as u32
            });
            found.unwrap_or(0)
        });
        let mut best: Vec<(u8, Vec<(u8, u16)>)> = least.map(|least| (least, Vec::new())).collect();
        let mut floors = vec![255; self.width];
        floors.iter_mut().zip(&best).for_each(|(floor, (least, _))| *floor = *least);
        for (centroid, row) in self.rows.chunks_exact(self.width).enumerate() {
            let above = |(byte, floor): (&u8, &u8)| u8::from(byte > floor);
            if row.iter().zip(&floors).map(above).fold(0, |any, one| any | one) == 0 {
                continue;
            }
            for ((_, list), (byte, floor)) in best.iter_mut().zip(row.iter().zip(&floors)) {
                if byte > floor {
                    list.push((*byte, centroid as u16));
                }
            }
        }
        best.iter_mut().for_each(|(_, list)| list.sort_unstable_by_key(|(byte, at)| (255 - byte, *at)));
        best
    }

    /// The places of the tokens that are at the best centroid of the document for any token of the query; `None` where a
    /// centroid is not there.
    pub(super) fn best_places(
        &self,
        nearest: &[u16],
        sums: &mut Vec<u8>,
        places: &mut Vec<u32>,
    ) -> Option<()> {
        self.score(nearest, sums)?;
        places.clear();
        // What counts for nothing asks for no place, but where its byte is the largest.
        for (lane, best) in sums.iter_mut().enumerate() {
            if self.worth.get(lane).is_none_or(|worth| *worth <= 0.0) {
                *best = u8::MAX;
            }
        }
        for (place, at) in (0..).zip(nearest) {
            let row = self.rows.get(usize::from(*at) * self.width..)?.get(..self.width)?;
            let mut any = [0u8; LANES];
            for (row, best) in row.as_chunks::<LANES>().0.iter().zip(sums.as_chunks::<LANES>().0) {
                for lane in 0..LANES {
                    any[lane] |= u8::from(row[lane] >= best[lane]);
                }
            }
            if any != [0; LANES] {
                places.push(place);
            }
        }
        Some(())
    }

    /// The score of a document of these tokens; `None` where a centroid is not there.
    fn score(&self, nearest: &[u16], sums: &mut Vec<u8>) -> Option<f32> {
        sums.clear();
        sums.resize(self.width, 0);
        for (group, best) in sums.chunks_exact_mut(LANES).enumerate() {
            let mut all = [0u8; LANES];
            for at in nearest {
                let from = usize::from(*at) * self.width + group * LANES;
                let row: &[u8; LANES] = self.rows.get(from..)?.first_chunk()?;
                for lane in 0..LANES {
                    all[lane] = if row[lane] > all[lane] { row[lane] } else { all[lane] };
                }
            }
            best.copy_from_slice(&all);
        }
        Some(
            self.worth.iter().zip(sums.iter()).fold(0.0, |sum, (worth, byte)| sum + worth * f32::from(*byte)),
        )
    }
}

/// Memory that one search after the other uses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    gains: Vec<f32>,
    met: Vec<u16>,
    sums: Vec<u8>,
}

impl Lists {
    pub(super) fn open(source: &dyn SectionSource, centroids: u32) -> Result<Self, IndexError> {
        let ends = Array::open_len(source, "list_ends", centroids.into())?;
        Ok(Lists { ends, slots: Array::open(source, "list_slots")? })
    }

    /// Checks all bytes.
    pub(super) fn verify(&self, documents: u32) -> Result<(), IndexError> {
        self.ends.verify_ends(self.slots.len())?;
        let slots = self.slots.all()?;
        if slots.iter().any(|slot| *slot >= documents) {
            return Err(self.slots.corrupt("a document past the last"));
        }
        Ok(())
    }

    /// The places of so many documents of `documents` that score best by their centroids. `may` says which are allowed, and
    /// `nearest` gives the centroids of a document's tokens. Nothing, and false, when it was stopped.
    pub(super) fn candidates<'n>(
        &self,
        table: &Table,
        (documents, wanted): (u32, usize),
        may: &dyn Fn(u32) -> bool,
        nearest: &dyn Fn(u32) -> Result<&'n [u16], IndexError>,
        (stop, scratch): (Stop<'_>, &mut Scratch),
        counters: &mut Counters,
    ) -> Result<(Vec<u32>, bool), IndexError> {
        let stopped = || stop.is_some_and(|stop| stop());
        let Scratch { gains, met, sums } = scratch;
        gains.clear();
        gains.resize(documents as usize, 0.0);
        met.clear();
        met.resize(documents as usize, 0);
        for (token, ((least, lists), worth)) in (1..).zip(table.best().into_iter().zip(&table.worth)) {
            if stopped() {
                return Ok((Vec::new(), false));
            }
            for (byte, centroid) in lists {
                let gain = f32::from(byte - least) * worth;
                let slots = self.slots.slice(self.ends.part(centroid.into())?)?;
                counters.postings_scored += slots.len() as u64;
                for slot in slots {
                    let slot = *slot as usize;
                    if let (Some(met), Some(sum)) = (met.get_mut(slot), gains.get_mut(slot))
                        && *met != token
                    {
                        *met = token;
                        *sum += gain;
                    }
                }
            }
        }
        let mut wide = TopK::new(wanted.saturating_mul(WIDER).min(documents as usize));
        for (slot, gain) in (0..).zip(gains.iter()) {
            if may(slot) {
                wide.push(*gain, slot);
            }
        }
        let mut slots: Vec<u32> = wide.into_sorted().into_iter().map(|hit| hit.row).collect();
        slots.sort_unstable();
        let mut best = TopK::new(wanted);
        for (at, slot) in slots.into_iter().enumerate() {
            if at % DOCUMENTS_A_LOOK == 0 && stopped() {
                return Ok((Vec::new(), false));
            }
            let missing = || self.slots.corrupt("a token at a centroid that is not there");
            best.push(table.score(nearest(slot)?, sums).ok_or_else(missing)?, slot);
        }
        Ok((best.into_sorted().into_iter().map(|hit| hit.row).collect(), true))
    }
}

/// Writes the lists of documents whose tokens, ending at `ends`, are at these centroids.
pub(super) fn write(
    sink: &mut dyn SectionSink,
    centroids: usize,
    nearest: &[u16],
    ends: &[u64],
) -> Result<(), IndexError> {
    let each = |take: &mut dyn FnMut(u32, usize)| {
        let mut last = vec![u32::MAX; centroids];
        let mut from = 0;
        for (slot, end) in (0..).zip(ends) {
            for centroid in nearest.get(from..*end as usize).unwrap_or(&[]) {
                let last = &mut last[usize::from(*centroid)];
                if std::mem::replace(last, slot) != slot {
                    take(slot, usize::from(*centroid));
                }
            }
            from = *end as usize;
        }
    };
    let mut places = vec![0u64; centroids];
    each(&mut |_, centroid| places[centroid] += 1);
    let mut sum = 0;
    for place in &mut places {
        (*place, sum) = (sum, sum + *place);
    }
    let mut slots: Vec<u32> = reserved(sum as usize)?;
    slots.resize(sum as usize, 0);
    each(&mut |slot, centroid| {
        slots[places[centroid] as usize] = slot;
        places[centroid] += 1;
    });
    sink.begin("list_ends")?;
    sink.write(bytemuck::cast_slice(&places))?;
    sink.begin("list_slots")?;
    sink.write(bytemuck::cast_slice(&slots))
}
