//! Scanning the codes of one list: what a query is made into, and the entries that come near.

use super::layout::{BLOCK, Terms, block_bytes};
use super::plan::Coding;
use super::pool::Pool;
use super::reader::Stage;
use crate::quant::{CodeQuery, Coder};
use std::ops::Range;
use tercet_kernels::{LookupQuery, kernels};

/// The largest entry of a table of the fast scan.
const ENTRY_MOST: f32 = 63.0;
/// The largest sum of entries, about, and the largest term.
const SUM_MOST: f32 = 60_000.0;
const TERM_MOST: f32 = 32_000.0;
/// Blocks that are scanned before the threshold is looked at again.
const AT_ONCE: usize = 8;

/// The codes of entries beside one query.
pub(super) trait Scan {
    /// Offers the entries of a list, `base` added to their distances; of block `b` of the list those in `masks[b]`, all
    /// where there are no masks. Gives how many were compared.
    fn list(
        &mut self,
        entries: Range<usize>,
        block: usize,
        base: f32,
        masks: &[u32],
        pool: &mut Pool,
    ) -> usize;
    /// Asks for the first codes of a list.
    fn prefetch(&self, entries: Range<usize>, block: usize);
}

/// Codes of parts of 4 bits, or of planes: tables of 6 bits, 32 entries at a time.
pub(super) struct Fast<'a> {
    codes: &'a [u8],
    terms: &'a [u16],
    /// Of planes.
    scales: &'a [u16],
    tables: &'a [u8],
    /// What a unit of the tables stands for, and what a total of 0 does.
    step: f32,
    least: f32,
    factor: u16,
    offset: u16,
}

impl<'a> Fast<'a> {
    /// `floats` are the tables as numbers, `weight` what counts of terms; `tables` is room for those of the scan.
    pub(super) fn new(stage: &'a Stage, floats: &[f32], weight: f32, tables: &'a mut Vec<u8>) -> Self {
        const CODES: usize = 16;
        let terms = stage.head.terms.times(weight);
        let planes = matches!(stage.plan.coding, Coding::Planes(_));
        let scale = if planes { stage.head.scale.max(f32::MIN_POSITIVE) } else { 1.0 };
        let (mut least, mut widest, mut all) = (0.0f32, 0.0f32, 0.0f32);
        let (parts, _) = floats.as_chunks::<CODES>();
        for part in parts {
            let (low, high) = bounds(part);
            least += low;
            widest = widest.max(high - low);
            all += high - low;
        }
        // The sums must fit into 16 bits, and beside them the terms in the same unit.
        let range = terms.step * 65_535.0;
        let step = (widest / ENTRY_MOST).max(all / SUM_MOST).max(range / (TERM_MOST * scale));
        let step = step.max(f32::MIN_POSITIVE);
        let inverse = 1.0 / step;
        tables.clear();
        tables.resize(block_bytes(parts.len()), 0);
        for (part, table) in parts.iter().zip(tables.chunks_exact_mut(CODES)) {
            let (low, _) = bounds(part);
            for (entry, x) in table.iter_mut().zip(part) {
                *entry = ((x - low) * inverse + 0.5).min(ENTRY_MOST) as u8;
            }
        }
        Fast {
            codes: stage.codes.as_ref().map_or(&[], |codes| codes.unverified()),
            terms: stage.terms.as_ref().map_or(&[], |terms| terms.unverified()),
            scales: stage.scales.as_ref().map_or(&[], |scales| scales.unverified()),
            tables,
            step: step * scale,
            least: least * scale + terms.least,
            factor: (terms.step * inverse / scale * 65_536.0).min(65_535.0) as u16,
            offset: (-least * inverse).clamp(0.0, 65_535.0) as u16,
        }
    }
}

/// The least and the largest of a part's table.
#[inline]
fn bounds(part: &[f32; 16]) -> (f32, f32) {
    let mut low = [f32::INFINITY; 4];
    let mut high = [f32::NEG_INFINITY; 4];
    let (fours, _) = part.as_chunks::<4>();
    for four in fours {
        for lane in 0..4 {
            low[lane] = if four[lane] < low[lane] { four[lane] } else { low[lane] };
            high[lane] = if four[lane] > high[lane] { four[lane] } else { high[lane] };
        }
    }
    let least = low[0].min(low[1]).min(low[2].min(low[3]));
    (least, high[0].max(high[1]).max(high[2].max(high[3])))
}

impl Scan for Fast<'_> {
    fn list(
        &mut self,
        entries: Range<usize>,
        block: usize,
        base: f32,
        masks: &[u32],
        pool: &mut Pool,
    ) -> usize {
        let blocks = entries.len().div_ceil(BLOCK);
        let bytes = self.tables.len();
        let least = self.least + base;
        let (mut totals, mut hits) = ([0u16; AT_ONCE * BLOCK], [0u32; AT_ONCE]);
        let (mut at, mut compared) = (0, 0);
        while at < blocks {
            let limit = (pool.threshold() - least) / self.step;
            if limit < 0.0 {
                break;
            }
            if masks.get(at) == Some(&0) {
                at += 1;
                continue;
            }
            let some = if masks.is_empty() { AT_ONCE.min(blocks - at) } else { 1 };
            let query = LookupQuery { factor: self.factor, limit: limit as u16, offset: self.offset };
            let first = block + at;
            let (Some(codes), Some(terms)) = (
                self.codes.get(first * bytes..(first + some) * bytes),
                self.terms.get(first * BLOCK..(first + some) * BLOCK),
            ) else {
                break;
            };
            let scales = match self.scales.is_empty() {
                true => &[],
                false => self.scales.get(first * BLOCK..(first + some) * BLOCK).unwrap_or(&[]),
            };
            let (totals, hits) = (&mut totals[..some * BLOCK], &mut hits[..some]);
            (kernels().lookup().scan)(self.tables, codes, terms, scales, query, totals, hits);
            for (within, hit) in hits.iter().enumerate() {
                let from = (at + within) * BLOCK;
                let there = entries.len() - from;
                let mut rest = if there < BLOCK { hit & ((1 << there) - 1) } else { *hit };
                rest &= masks.get(at + within).copied().unwrap_or(u32::MAX);
                while rest != 0 {
                    let lane = rest.trailing_zeros() as usize;
                    let total = f32::from(totals[within * BLOCK + lane]);
                    pool.push(least + total * self.step, (entries.start + from + lane) as u32);
                    rest &= rest - 1;
                }
            }
            compared += some * BLOCK;
            at += some;
        }
        compared.min(entries.len())
    }

    fn prefetch(&self, _: Range<usize>, block: usize) {
        let bytes = self.tables.len();
        tercet_kernels::prefetch(self.codes, block * bytes, bytes.min(1_024));
    }
}

/// Codes of parts of 8 bits: tables of numbers, one entry after the other.
pub(super) struct Tables<'a> {
    pub(super) codes: &'a [u8],
    pub(super) terms: &'a [u16],
    pub(super) scale: Terms,
    pub(super) m: usize,
    pub(super) tables: &'a [f32],
}

impl Scan for Tables<'_> {
    fn list(
        &mut self,
        entries: Range<usize>,
        block: usize,
        base: f32,
        masks: &[u32],
        pool: &mut Pool,
    ) -> usize {
        const CODES: usize = 256;
        let (tables, _) = self.tables.as_chunks::<CODES>();
        let start = entries.start;
        let rows = self.codes.get(start * self.m..entries.end * self.m).unwrap_or(&[]);
        let terms = self.terms.get(block * BLOCK..).unwrap_or(&[]);
        let mut compared = 0;
        for (at, (row, term)) in rows.chunks_exact(self.m).zip(terms).enumerate() {
            if masks.get(at / BLOCK).is_some_and(|mask| mask >> (at % BLOCK) & 1 == 0) {
                continue;
            }
            let mut sums = [0.0f32; 4];
            for (part, (table, code)) in tables.iter().zip(row).enumerate() {
                sums[part % 4] += table[usize::from(*code)];
            }
            let sum = (sums[0] + sums[2]) + (sums[1] + sums[3]);
            pool.push(base + self.scale.value(*term) + sum, (start + at) as u32);
            compared += 1;
        }
        compared
    }

    fn prefetch(&self, entries: Range<usize>, _: usize) {
        tercet_kernels::prefetch(self.codes, entries.start * self.m, 512);
    }
}

/// Rows of codes of components.
pub(super) struct Rows<'a> {
    pub(super) codes: &'a [u8],
    pub(super) coder: Coder,
    pub(super) query: &'a CodeQuery,
}

impl Scan for Rows<'_> {
    fn list(&mut self, entries: Range<usize>, _: usize, _: f32, masks: &[u32], pool: &mut Pool) -> usize {
        let stride = self.coder.stride();
        let mut distances = [0.0f32; BLOCK];
        let mut compared = 0;
        for (at, from) in entries.clone().step_by(BLOCK).enumerate() {
            let mask = masks.get(at).copied().unwrap_or(u32::MAX);
            let to = entries.end.min(from + BLOCK);
            let Some(rows) = self.codes.get(from * stride..to * stride).filter(|_| mask != 0) else {
                continue;
            };
            let distances = &mut distances[..to - from];
            self.coder.distances_in_order(self.query, rows, distances);
            compared += distances.len();
            for (lane, distance) in distances.iter().enumerate() {
                if mask >> lane & 1 == 1 {
                    pool.push(*distance, (from + lane) as u32);
                }
            }
        }
        compared
    }

    fn prefetch(&self, entries: Range<usize>, _: usize) {
        tercet_kernels::prefetch(self.codes, entries.start * self.coder.stride(), 512);
    }
}

/// Whether distances of a coding are measured from the centroid: then the list's distance is added.
pub(super) fn based(stage: &Stage) -> bool {
    stage.plan.residual && matches!(stage.plan.coding, Coding::Parts(_) | Coding::Planes(_))
}
