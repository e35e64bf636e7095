//! Writes the sections of one segment from terms in ascending order. Building and merging both end here, which is why a
//! merged segment equals one that was built in one go, byte for byte.

use super::record::{DENSE, DENSE_LEVELS, NONE, Shape};
use super::{RANKS, SPAN_BITS, VERSION};
use crate::sparse::stored::put_weights;
use crate::sparse::terms;
use crate::{IndexError, SectionSink};

pub(super) struct Writer<'s> {
    sink: &'s mut dyn SectionSink,
    shape: Shape,
    terms: Vec<u32>,
    infos: Vec<[u32; 8]>,
    /// In units of 4 bytes.
    written: u64,
    postings: u64,
    record: Vec<u8>,
    /// Largest weight of each block that has one: the block, the weight.
    maxima: Vec<(u32, f32)>,
    heaviest: Vec<f32>,
}

impl<'s> Writer<'s> {
    pub(super) fn new(sink: &'s mut dyn SectionSink, shape: Shape) -> Result<Self, IndexError> {
        sink.begin("lists")?;
        Ok(Writer {
            sink,
            shape,
            terms: Vec::new(),
            infos: Vec::new(),
            written: 0,
            postings: 0,
            record: Vec::new(),
            maxima: Vec::new(),
            heaviest: Vec::new(),
        })
    }

    /// Adds a term and its postings, rows ascending strictly. One without postings is left out.
    pub(super) fn term(&mut self, term: u32, rows: &[u32], weights: &[f32]) -> Result<(), IndexError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (postings, shape) = (rows.len() as u32, self.shape);
        self.heaviest.clear();
        self.heaviest.extend_from_slice(weights);
        self.heaviest.sort_unstable_by(|a, b| b.total_cmp(a));
        let ranked = RANKS.map(|rank| self.heaviest.get(rank - 1).copied().unwrap_or(0.0));
        self.record.clear();
        self.put_ends(rows);
        self.put_slots(rows, shape.shift(postings));
        let pairs = self.put_bounds(rows, weights, ranked[0]);
        rows.iter().for_each(|&row| self.record.extend_from_slice(&(row as u16).to_le_bytes()));
        if shape.width == 4 {
            self.record.resize(self.record.len().next_multiple_of(4), 0);
        }
        put_weights(shape.width, weights, &mut self.record);
        self.record.resize(self.record.len().next_multiple_of(4), 0);
        let Ok(start) = u32::try_from(self.written) else {
            return Err(IndexError::too_large("bytes of sparse lists", u64::from(u32::MAX) * 4));
        };
        let [a, b, c, d] = ranked.map(f32::to_bits);
        self.terms.push(term);
        self.infos.push([start, postings, pairs, 0, a, b, c, d]);
        self.sink.write(&self.record)?;
        self.written += self.record.len() as u64 / 4;
        self.postings += u64::from(postings);
        Ok(())
    }

    fn put_ends(&mut self, rows: &[u32]) {
        for span in 1..self.shape.spans() as u32 {
            let end = rows.partition_point(|row| row >> SPAN_BITS < span) as u32;
            self.record.extend_from_slice(&end.to_le_bytes());
        }
    }

    fn put_slots(&mut self, rows: &[u32], shift: u32) {
        let (mut at, mut span_start) = (0, 0);
        for slot in 0..self.shape.slots(shift) as u32 {
            let first = slot << shift;
            while rows.get(at).is_some_and(|&row| row < first) {
                at += 1;
            }
            if first.trailing_zeros() >= SPAN_BITS {
                span_start = at;
            }
            // Before the last slot of a span there is room for fewer than 65,536 postings.
            self.record.extend_from_slice(&((at - span_start) as u16).to_le_bytes());
        }
    }

    /// Writes what bounds the blocks; how many pairs that are, or the mark of another form.
    fn put_bounds(&mut self, rows: &[u32], weights: &[f32], most: f32) -> u32 {
        let shape = self.shape;
        if shape.is_unbounded(rows.len() as u32) {
            return NONE;
        }
        self.maxima.clear();
        for (&row, &weight) in rows.iter().zip(weights) {
            let block = row >> shape.block_bits;
            match self.maxima.last_mut() {
                Some((last, max)) if *last == block => *max = max.max(weight),
                _ => self.maxima.push((block, weight)),
            }
        }
        let level = |max: f32, levels: u16| {
            let level = (f64::from(max) / f64::from(most) * f64::from(levels)).ceil();
            (level as u16).clamp(1, levels)
        };
        let pairs = shape.kept_pairs(self.maxima.len() as u32);
        if pairs == DENSE {
            let start = self.record.len();
            self.record.resize(start + shape.blocks() / 2, 0);
            for &(block, max) in &self.maxima {
                let (group, at) = (block as usize / 64, block as usize % 64);
                let level = level(max, DENSE_LEVELS) as u8;
                self.record[start + group * 32 + at % 32] |= if at < 32 { level } else { level << 4 };
            }
            return DENSE;
        }
        let span_bits = SPAN_BITS - shape.block_bits;
        // Blocks ascend, so each span's are the next ones.
        let mut left = self.maxima.as_slice();
        for span in 0..shape.spans() as u32 {
            let count = left.partition_point(|(block, _)| block >> span_bits <= span);
            self.record.extend_from_slice(&(count as u16).to_le_bytes());
            left = &left[count..];
        }
        for &(block, max) in &self.maxima {
            let block = (block as u16 & ((1 << span_bits) - 1)) << shape.block_bits;
            let pair = block | level(max, shape.pair_levels());
            self.record.extend_from_slice(&pair.to_le_bytes());
        }
        pairs
    }

    /// Writes the rest.
    pub(super) fn finish(self) -> Result<(), IndexError> {
        let Writer { sink, shape, terms, infos, postings, .. } = self;
        let bits = terms::write(sink, &terms)?;
        sink.begin("infos")?;
        sink.write(bytemuck::cast_slice(infos.as_flattened()))?;
        let meta = [
            VERSION,
            shape.width as u32,
            shape.block_bits,
            shape.rows,
            terms.len() as u32,
            postings as u32,
            (postings >> 32) as u32,
            bits,
        ];
        sink.begin("meta")?;
        sink.write(bytemuck::cast_slice(&meta))
    }
}
