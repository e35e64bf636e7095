//! What stands in `lists` for one term, from a multiple of 4 bytes on:
//!
//! ```text
//! ends     u32 x (spans - 1)      postings of the spans up to this one; the last span ends at all of them
//! slots    u16 x slots            where a slot's postings begin in its span; a slot is 2^shift rows
//! bounds   one of
//!   dense  u8                     a level of 0 to 15 for each block, 64 blocks in 32 bytes (see the kernel `levels`)
//!   pairs  u16 x (spans + pairs)  pairs of each span; then of each pair the block in its span and the level in one u16
//!   none                          the postings themselves bound
//! docs     u16 x postings         the row in its span
//! weights  postings x 1, 2 or 4   from a multiple of that
//! ```
//! A level `l` of at most `L` stands for a largest weight of at most `l / L` times the term's largest: `L` is 15 for
//! dense bounds and a block's rows less one for pairs (the bits that the block's number leaves free).
//!
//! The shift is that of the smallest slots with four postings on average; a list that is too short for that has none.
//! So all sizes follow from the numbers of rows, postings and pairs.

use super::{CELL_BITS, SPAN_BITS};

/// In place of pairs: bounds are dense.
pub(super) const DENSE: u32 = u32::MAX;
/// In place of pairs: there are no bounds.
pub(super) const NONE: u32 = u32::MAX - 1;
/// The largest dense level.
pub(super) const DENSE_LEVELS: u16 = 15;
/// Postings a span up to which a list has no bounds.
const UNBOUNDED: u32 = 16;
/// Postings of a slot, on average, at least.
const SLOT_POSTINGS: u64 = 4;

/// What all records of a segment share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) rows: u32,
    /// log2 of the rows of a block: 3 to 7.
    pub(super) block_bits: u32,
    /// Bytes of a weight: 1, 2 or 4.
    pub(super) width: usize,
}

/// Where the parts of a record begin, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) slots: usize,
    /// log2 of the rows of a slot; [`SPAN_BITS`] where there are none.
    pub(super) shift: u32,
    pub(super) bounds: usize,
    pub(super) docs: usize,
    pub(super) weights: usize,
    /// The end, a multiple of 4.
    pub(super) end: usize,
}

impl Shape {
    pub(super) fn spans(&self) -> usize {
        self.rows.div_ceil(1 << SPAN_BITS) as usize
    }

    /// Blocks of a span.
    pub(super) fn span_blocks(&self) -> usize {
        1 << (SPAN_BITS - self.block_bits)
    }

    /// Blocks of the segment, to a whole number of dense groups.
    pub(super) fn blocks(&self) -> usize {
        (self.rows.div_ceil(1 << self.block_bits) as usize).next_multiple_of(64)
    }

    /// The largest level of a pair.
    pub(super) fn pair_levels(&self) -> u16 {
        (1 << self.block_bits) - 1
    }

    /// log2 of the rows of a slot for so many postings; [`SPAN_BITS`]: no slots.
    pub(super) fn shift(&self, postings: u32) -> u32 {
        let wanted = |shift: &u32| u64::from(self.rows >> shift) * SLOT_POSTINGS <= u64::from(postings);
        (CELL_BITS..SPAN_BITS).find(wanted).unwrap_or(SPAN_BITS)
    }

    pub(super) fn slots(&self, shift: u32) -> usize {
        if shift == SPAN_BITS { 0 } else { self.rows.div_ceil(1 << shift) as usize }
    }

    /// Whether a list of so many postings is its own bound.
    pub(super) fn is_unbounded(&self, postings: u32) -> bool {
        u64::from(postings) <= u64::from(UNBOUNDED) * self.spans() as u64
    }

    /// How so many pairs are kept: as they are, or as dense levels where that is shorter.
    pub(super) fn kept_pairs(&self, pairs: u32) -> u32 {
        if pairs as usize * 4 > self.blocks() { DENSE } else { pairs }
    }

    /// The parts of a record; `None` where it would be larger than any memory.
    pub(super) fn parts(&self, postings: u32, pairs: u32) -> Option<Parts> {
        let shift = self.shift(postings);
        let slots = self.spans().saturating_sub(1).checked_mul(4)?;
        let bounds = slots.checked_add(self.slots(shift).checked_mul(2)?)?;
        let bytes = match pairs {
            DENSE => self.blocks() / 2,
            NONE => 0,
            pairs => (pairs as usize).checked_add(self.spans())?.checked_mul(2)?,
        };
        let docs = bounds.checked_add(bytes)?;
        let weights = docs.checked_add((postings as usize).checked_mul(2)?)?;
        let weights = if self.width == 4 { weights.checked_next_multiple_of(4)? } else { weights };
        let end = weights.checked_add((postings as usize).checked_mul(self.width)?)?;
        Some(Parts { slots, shift, bounds, docs, weights, end: end.checked_next_multiple_of(4)? })
    }
}
