//! Postings in blocks of up to 128 of one term, all full but the last: decoded here, walked over and written.
//!
//! Layout 2, which is written, stands in [`packed`]. Layout 1, which is still read:
//! ```text
//! first row  u32
//! count - 1  u8
//! widths     u8     bits 0-1: width of gaps, bits 2-3: width of frequencies; 0, 1, 2 or 4 bytes as 0, 1, 2, 3
//! gaps       (count - 1) x width:  row - previous row - 1
//! tfs        count x width:        tf - 1
//! ```
//! A width of 0 means all zeros: a run of consecutive rows, or a term that occurs once per row (most do), costs nothing.
//!
//! Invariants of a decoded block, whatever the bytes: rows ascend (strictly unless corrupt), none is at or past
//! the segment's end, and blocks of one term ascend. So one term gives at most as many postings as there are
//! rows.

use super::packed::{self, Packed, Scratch, Slots};
use crate::Bitmap;

/// Postings per block.
pub(super) const BLOCK: usize = 128;
const HEADER: usize = 6;
const WIDTHS: [usize; 4] = [0, 1, 2, 4];

/// A decoded block.
pub(super) struct Block {
    rows: Slots,
    tfs: Slots,
    len: usize,
    scratch: Scratch,
}

impl Block {
    pub(super) fn new() -> Self {
        Block {
            rows: [0; size_of::<Slots>() / 4],
            tfs: [1; size_of::<Slots>() / 4],
            len: 0,
            scratch: [0; size_of::<Scratch>()],
        }
    }

    pub(super) fn rows(&self) -> &[u32] {
        &self.rows[..self.len]
    }

    pub(super) fn tfs(&self) -> &[u32] {
        &self.tfs[..self.len]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.rows().iter().copied().zip(self.tfs().iter().copied())
    }

    /// Drops the postings whose rows are not allowed. Written without a branch on the bit: at middling densities
    /// it could not be predicted.
    pub(super) fn retain(&mut self, allowed: &Bitmap) {
        let words = allowed.words();
        let mut kept = 0;
        for at in 0..self.len.min(BLOCK) {
            let row = self.rows[at];
            self.rows[kept] = row;
            self.tfs[kept] = self.tfs[at];
            let word = words.get((row / 64) as usize).copied().unwrap_or(0);
            kept += (word >> (row % 64) & 1) as usize;
        }
        self.len = kept;
    }

    fn decode(&mut self, header: &Header, body: &[u8]) {
        let (gaps, tfs) = body.split_at((header.count - 1) * header.gap_width);
        let rest = &mut self.rows[..header.count];
        rest[0] = header.first;
        match header.gap_width {
            0 => running_sum(rest, std::iter::repeat_n(0, header.count - 1), 0),
            1 => running_sum(rest, gaps.iter().map(|&gap| u32::from(gap)), 0xff),
            2 => running_sum(rest, wide2(gaps), 0xffff),
            _ => running_sum(rest, wide4(gaps), u32::MAX),
        }
        match header.tf_width {
            0 => self.tfs.fill(1),
            1 => plus_one(&mut self.tfs, tfs.iter().map(|&tf| u32::from(tf))),
            2 => plus_one(&mut self.tfs, wide2(tfs)),
            _ => plus_one(&mut self.tfs, wide4(tfs)),
        }
        self.len = header.count;
    }
}

fn wide2(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair).into())
}

fn wide4(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|&quad| u32::from_le_bytes(quad))
}

/// Where the gaps could run past the end of u32, rows saturate: they ascend and the last one bounds all, even if
/// the gaps are nonsense. Elsewhere the sum is one addition per row.
#[inline]
fn running_sum(rows: &mut [u32], gaps: impl Iterator<Item = u32>, widest: u32) {
    let mut row = rows[0];
    if row < u32::MAX - BLOCK as u32 * 0x1_0000 && widest <= 0xffff {
        for (slot, gap) in rows[1..].iter_mut().zip(gaps) {
            row += gap + 1;
            *slot = row;
        }
    } else {
        for (slot, gap) in rows[1..].iter_mut().zip(gaps) {
            row = row.saturating_add(gap).saturating_add(1);
            *slot = row;
        }
    }
}

#[inline]
fn plus_one(out: &mut [u32], values: impl Iterator<Item = u32>) {
    for (slot, value) in out.iter_mut().zip(values) {
        *slot = value.saturating_add(1);
    }
}

struct Header {
    first: u32,
    count: usize,
    gap_width: usize,
    tf_width: usize,
}

impl Header {
    fn read(data: &[u8]) -> Option<Header> {
        let header = data.first_chunk::<HEADER>()?;
        let [a, b, c, d, count, widths] = *header;
        if usize::from(count) >= BLOCK || widths > 0b1111 {
            return None;
        }
        Some(Header {
            first: u32::from_le_bytes([a, b, c, d]),
            count: usize::from(count) + 1,
            gap_width: WIDTHS[usize::from(widths & 3)],
            tf_width: WIDTHS[usize::from(widths >> 2 & 3)],
        })
    }

    fn body(&self) -> usize {
        (self.count - 1) * self.gap_width + self.count * self.tf_width
    }
}

/// Whether a search should end: looked at now and then.
pub(crate) type Stop<'a> = &'a dyn Fn() -> bool;

/// Blocks between two looks at whether to stop: at most 8,192 postings.
const LOOK: u32 = 64;

/// Walks over the blocks of one term.
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    /// Postings still to come by the term's document frequency.
    left: u32,
    /// Rows of the segment.
    rows: u32,
    /// No row of the blocks to come may be below this.
    least: u32,
    corrupt: bool,
    /// Layout 2.
    packed: bool,
    stop: Option<Stop<'a>>,
    /// Blocks since the last look at `stop`.
    walked: u32,
    stopped: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(data: &'a [u8], doc_freq: u32, rows: u32, packed: bool) -> Self {
        let (stop, walked) = (None, 0);
        Cursor { data, left: doc_freq, rows, least: 0, corrupt: false, packed, stop, walked, stopped: false }
    }

    /// The same walk, which ends where `stop` says true: looked at before the first block and every [`LOOK`] blocks, those that
    /// are passed over among them.
    pub(super) fn stopping(self, stop: Option<Stop<'a>>) -> Self {
        Cursor { stop, ..self }
    }

    /// Whether the walk ended early because it was told to.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Counts a block. False where the walk is to end.
    #[inline]
    fn goes_on(&mut self) -> bool {
        if self.walked.is_multiple_of(LOOK) && self.stop.is_some_and(|stop| stop()) {
            self.stopped = true;
            self.left = 0;
            return false;
        }
        self.walked = self.walked.wrapping_add(1);
        true
    }

    /// Whether the walk ended early because the bytes make no sense.
    pub(super) fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    /// Decodes the next block. False at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> bool {
        self.step(block, |_, _| true)
    }

    /// Decodes the next block that has an allowed row and keeps only its allowed rows. False at the end.
    pub(super) fn next_allowed(&mut self, allowed: &Bitmap, block: &mut Block) -> bool {
        let found = self.step(block, |from, to| allowed.any_in(from, to));
        if found {
            block.retain(allowed);
        }
        found
    }

    /// Decodes the next block for which `wanted` says yes, given bounds of its rows; passes over the others.
    pub(super) fn step(&mut self, block: &mut Block, wanted: impl Fn(u32, u32) -> bool) -> bool {
        if self.packed {
            return self.step_packed(block, wanted, |block, taken| {
                block.len = taken.rows(&mut block.rows, &mut block.tfs, &mut block.scratch);
                taken.tfs(&mut block.tfs, &mut block.scratch);
            });
        }
        while self.left > 0 {
            if !self.goes_on() {
                return false;
            }
            let Some((header, body)) = self.take_block() else {
                self.corrupt = true;
                self.left = 0;
                return false;
            };
            self.least = header.first;
            // The next block starts above this one's last row.
            let to = if self.left == 0 { None } else { Header::read(self.data).map(|next| next.first) };
            if !wanted(header.first, to.unwrap_or(self.rows)) {
                continue;
            }
            block.decode(&header, body);
            self.settle(block);
            return true;
        }
        self.corrupt |= !self.data.is_empty();
        false
    }

    /// The postings of the ascending rows `among` that the term has, from the blocks that may hold one. Cost: the rows of
    /// these blocks, and a search in them for each of `among`.
    pub(super) fn find(&mut self, block: &mut Block, among: &[u32], each: &mut impl FnMut(u32, u32)) {
        let at = std::cell::Cell::new(0);
        let wanted = |from: u32, to: u32| {
            let next = at.get() + among[at.get()..].partition_point(|&row| row < from);
            at.set(next);
            among.get(next).is_some_and(|&row| row < to)
        };
        let mut held = None;
        loop {
            let more = match self.packed {
                true => self.step_packed(block, wanted, |block, taken| {
                    block.len = taken.rows(&mut block.rows, &mut block.tfs, &mut block.scratch);
                    held = Some(taken);
                }),
                false => self.step(block, wanted),
            };
            let (true, Some(&last)) = (more, block.rows().last()) else { return };
            let mut slot = 0;
            while let Some(&row) = among.get(at.get()).filter(|&&row| row <= last) {
                at.set(at.get() + 1);
                slot += block.rows()[slot..].partition_point(|&held| held < row);
                if block.rows()[slot] == row {
                    let tf = held.as_ref().map_or(block.tfs[slot], |taken| taken.tf(slot, &block.tfs));
                    each(row, tf);
                }
            }
        }
    }

    fn step_packed(
        &mut self,
        block: &mut Block,
        wanted: impl Fn(u32, u32) -> bool,
        decode: impl FnOnce(&mut Block, Packed<'a>),
    ) -> bool {
        let ahead = |left: u32| (left as usize).min(BLOCK);
        while self.left > 0 {
            if !self.goes_on() {
                return false;
            }
            let taken = Packed::take(&mut self.data, ahead(self.left));
            let Some(taken) = taken.filter(|taken| (self.least..self.rows).contains(&taken.first)) else {
                self.corrupt = true;
                self.left = 0;
                return false;
            };
            self.left -= ahead(self.left) as u32;
            self.least = taken.first;
            let next = (self.left > 0).then(|| Packed::first_row(self.data, ahead(self.left))).flatten();
            if !wanted(taken.first, next.unwrap_or(self.rows)) {
                continue;
            }
            decode(block, taken);
            self.settle(block);
            return true;
        }
        self.corrupt |= !self.data.is_empty();
        false
    }

    /// Holds a decoded block against the end of the segment.
    #[inline]
    fn settle(&mut self, block: &mut Block) {
        let last = block.rows[block.len - 1];
        if last < self.rows {
            self.least = last + 1;
            return;
        }
        block.len = block.rows().partition_point(|&row| row < self.rows);
        self.corrupt = true;
        self.left = 0;
    }

    fn take_block(&mut self) -> Option<(Header, &'a [u8])> {
        let header = Header::read(self.data)?;
        let (body, rest) = self.data[HEADER..].split_at_checked(header.body())?;
        self.left = self.left.checked_sub(header.count as u32)?;
        if header.first < self.least || header.first >= self.rows {
            return None;
        }
        self.data = rest;
        Some((header, body))
    }
}

/// Encodes the postings of one term after the other.
#[derive(Default)]
pub(super) struct PostingsWriter {
    pub(super) bytes: Vec<u8>,
    rows: Vec<u32>,
    tfs: Vec<u32>,
}

impl PostingsWriter {
    /// Adds a posting of the present term. Rows ascend strictly, tf is at least 1.
    pub(super) fn push(&mut self, row: u32, tf: u32) {
        self.rows.push(row);
        self.tfs.push(tf);
        if self.rows.len() == BLOCK {
            self.flush();
        }
    }

    /// Ends the present term.
    pub(super) fn flush(&mut self) {
        packed::put(&mut self.bytes, &self.rows, &self.tfs);
        self.rows.clear();
        self.tfs.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn encode(postings: &[(u32, u32)], packed: bool) -> Vec<u8> {
        let mut writer = PostingsWriter::default();
        if !packed {
            return encode_1(postings);
        }
        for &(row, tf) in postings {
            writer.push(row, tf);
        }
        writer.flush();
        writer.bytes
    }

    /// Layout 1, as it was written.
    fn encode_1(postings: &[(u32, u32)]) -> Vec<u8> {
        let code = |most: u32| match most {
            0 => 0,
            1..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 3,
        };
        let mut bytes = vec![];
        for block in postings.chunks(BLOCK) {
            let gaps: Vec<u32> = block.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).collect();
            let tfs: Vec<u32> = block.iter().map(|posting| posting.1 - 1).collect();
            let codes = [&gaps, &tfs].map(|list| code(list.iter().copied().max().unwrap_or(0)));
            bytes.extend_from_slice(&block[0].0.to_le_bytes());
            bytes.extend_from_slice(&[(block.len() - 1) as u8, codes[0] | codes[1] << 2]);
            for (list, code) in [gaps, tfs].iter().zip(codes) {
                list.iter().for_each(|value| {
                    bytes.extend_from_slice(&value.to_le_bytes()[..WIDTHS[usize::from(code)]]);
                });
            }
        }
        bytes
    }

    fn decode(
        data: &[u8],
        doc_freq: u32,
        rows: u32,
        allowed: Option<&Bitmap>,
        packed: bool,
    ) -> (Vec<(u32, u32)>, bool) {
        let (mut cursor, mut block) = (Cursor::new(data, doc_freq, rows, packed), Block::new());
        let mut found = vec![];
        while match allowed {
            Some(allowed) => cursor.next_allowed(allowed, &mut block),
            None => cursor.next(&mut block),
        } {
            found.extend(block.iter());
        }
        (found, cursor.is_corrupt())
    }

    fn postings() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let gap = prop_oneof![4 => 0u32..3, 2 => 0u32..400, 1 => 0u32..200_000];
        let tf = prop_oneof![6 => Just(1u32), 2 => 1u32..300, 1 => 1u32..100_000, 1 => Just(u32::MAX)];
        prop::collection::vec((gap, tf), 0..500).prop_map(|steps| {
            let mut next = 0;
            steps
                .into_iter()
                .map(|(gap, tf)| {
                    let row = next + gap;
                    next = row + 1;
                    (row, tf)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn come_back(postings in postings(), modulus in 1u32..400, packed in any::<bool>()) {
            let rows = postings.last().map_or(0, |last| last.0 + 1);
            let (data, doc_freq) = (encode(&postings, packed), postings.len() as u32);
            prop_assert_eq!(decode(&data, doc_freq, rows, None, packed), (postings.clone(), false));
            let mut allowed = Bitmap::new(rows);
            for row in (0..rows).filter(|row| row / 64 % modulus == 0) {
                allowed.set(row);
            }
            let kept = postings.into_iter().filter(|&(row, _)| allowed.contains(row)).collect::<Vec<_>>();
            prop_assert_eq!(decode(&data, doc_freq, rows, Some(&allowed), packed), (kept, false));
        }

        #[test]
        fn nonsense_is_harmless(mut data in prop::collection::vec(any::<u8>(), 0..400), doc_freq in any::<u32>(), rows in 0u32..100_000, small in any::<bool>(), packed in any::<bool>()) {
            if small && data.len() > 3 {
                data[1..4].fill(0);
            }
            let (found, _) = decode(&data, doc_freq, rows, None, packed);
            prop_assert!(found.iter().all(|&(row, _)| row < rows));
            prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn a_header_past_the_block_is_corrupt() {
        for (count, widths) in [(128, 0), (255, 0b0101), (0, 0b1_0000)] {
            assert_eq!(decode(&[0, 0, 0, 0, count, widths], 300, 1000, None, false), (vec![], true));
        }
        assert_eq!(decode(&[9, 0, 0, 0, 0, 0], 1, 9, None, false), (vec![], true), "a row past the segment");
        assert_eq!(
            decode(&[8, 0, 0, 0, 0, 0, 0], 1, 9, None, false),
            (vec![(8, 1)], true),
            "a byte too many"
        );
    }

    #[test]
    fn a_packed_block_is_held_against_its_bounds() {
        assert_eq!(decode(&[18], 1, 9, None, true), (vec![], true), "a row past the segment");
        assert_eq!(decode(&[16, 0], 1, 9, None, true), (vec![(8, 1)], true), "a byte too many");
        assert_eq!(decode(&[0, 255, 33, 0, 1, 1, 1], 9, 1000, None, true), (vec![], true), "33 bits");
        assert_eq!(decode(&[0x80; 9], 1, 9, None, true), (vec![], true), "a number without an end");
        assert_eq!(decode(&[0, 8, 2], 9, 1000, None, true), (vec![], true), "gaps are cut off");
    }

    #[test]
    fn common_lists_are_small() {
        let run: Vec<_> = (0..256).map(|row| (row, 1)).collect();
        assert_eq!(encode(&run, true).len(), 2 + 3, "first row and widths, twice");
        assert_eq!(encode(&[(7, 1)], true).len(), 1);
    }
}
