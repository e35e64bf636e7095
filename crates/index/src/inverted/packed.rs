//! How postings stand on disk since layout 2: blocks of up to 128 postings of one term, all full but the last, in bits.
//!
//! A block of six postings or more:
//! ```text
//! first row  varint (7 bits a byte, low bits first, the high bit says that more follow)
//! widths     u8     bits 0-4: bits of a gap, bits 5-7: bits of a frequency; 255: a byte for each follows
//! gaps       (count - 1) x bits, rounded up to bytes:  row - previous row - 1
//! tfs        count x bits, rounded up to bytes:        tf - 1
//! ```
//! A shorter one, so always a term's last:
//! ```text
//! for each posting   varint: 2 x gap + (1 if tf > 1), where the first gap is the row; then, if tf > 1, varint: tf - 2
//! ```
//! How many postings a block has follows from the term's document frequency. Most terms are rare, and most of a list's
//! bytes are gaps of a few bits: this takes about two thirds of the bytes that layout 1 takes, at the same speed. Every
//! block starts from an absolute row, so that a block whose rows are all filtered out is passed over by its header.

use super::postings::BLOCK;

/// Blocks of fewer postings are written one by one.
const FEW: usize = 6;
/// Stands for widths that do not fit into one byte.
const WIDE: u8 = 255;
/// Bytes that unpacking may read past the packed ones.
const SLACK: usize = 8;
/// Packed values that are copied to where there is slack behind them.
pub(super) type Scratch = [u8; BLOCK * 4 + SLACK];
/// Values are unpacked eight at once.
const LANES: usize = 8;
/// Room for the values of a block, and what unpacking writes behind them.
pub(super) type Slots = [u32; BLOCK + LANES];

/// A block whose header was read; its bytes follow.
pub(super) struct Packed<'a> {
    pub(super) first: u32,
    count: usize,
    body: Body<'a>,
}

enum Body<'a> {
    Bits {
        gaps: &'a [u8],
        gap_bits: u32,
        tfs: &'a [u8],
        tf_bits: u32,
    },
    /// From the first posting on.
    Few(&'a [u8]),
}

impl<'a> Packed<'a> {
    /// The first row of a block of `count` postings.
    pub(super) fn first_row(mut data: &[u8], count: usize) -> Option<u32> {
        let value = varint(&mut data)?;
        u32::try_from(if count < FEW { value >> 1 } else { value }).ok()
    }

    /// Takes a block of `count` postings, 1 to 128, from the front of `data`.
    pub(super) fn take(data: &mut &'a [u8], count: usize) -> Option<Packed<'a>> {
        let first = Packed::first_row(data, count)?;
        if count < FEW {
            let all = *data;
            for _ in 0..count {
                if varint(data)? & 1 == 1 {
                    varint(data)?;
                }
            }
            let body = Body::Few(&all[..all.len() - data.len()]);
            return Some(Packed { first, count, body });
        }
        varint(data)?;
        let (&widths, rest) = data.split_first()?;
        *data = rest;
        let (gap_bits, tf_bits) = if widths == WIDE {
            let (&[gap_bits, tf_bits], rest) = data.split_first_chunk()?;
            *data = rest;
            (u32::from(gap_bits), u32::from(tf_bits))
        } else {
            (u32::from(widths & 31), u32::from(widths >> 5))
        };
        if gap_bits > 32 || tf_bits > 32 {
            return None;
        }
        let (gaps, rest) = data.split_at_checked(packed_bytes(count - 1, gap_bits))?;
        let (tfs, rest) = rest.split_at_checked(packed_bytes(count, tf_bits))?;
        *data = rest;
        Some(Packed { first, count, body: Body::Bits { gaps, gap_bits, tfs, tf_bits } })
    }

    /// Writes the rows and returns how many there are; of a few postings the frequencies too, which no one can look up
    /// without reading them all. Rows ascend, strictly unless they saturate.
    pub(super) fn rows(&self, rows: &mut Slots, tfs: &mut Slots, scratch: &mut Scratch) -> usize {
        match self.body {
            Body::Bits { gaps, gap_bits, .. } => {
                rows[0] = self.first;
                let narrow = gap_bits <= NARROW && self.first < 1 << 31;
                if narrow {
                    scratch[..gaps.len()].copy_from_slice(gaps);
                    running_sum(gap_bits, scratch, rows, self.count - 1);
                } else {
                    unpack(gaps, gap_bits, &mut rows[1..self.count], scratch);
                    let mut row = self.first;
                    for slot in &mut rows[1..self.count] {
                        row = row.saturating_add(*slot).saturating_add(1);
                        *slot = row;
                    }
                }
            }
            Body::Few(mut data) => {
                let mut next = 0u64;
                for (row, tf) in rows.iter_mut().zip(tfs.iter_mut()).take(self.count) {
                    let value = varint(&mut data).unwrap_or(0);
                    let at = next + (value >> 1);
                    next = at + 1;
                    *row = at.min(u64::from(u32::MAX)) as u32;
                    *tf = 1;
                    if value & 1 == 1 {
                        let more = varint(&mut data).unwrap_or(0).min(u64::from(u32::MAX)) as u32;
                        *tf = more.saturating_add(2);
                    }
                }
            }
        }
        self.count
    }

    /// Writes the frequencies that [`rows`](Self::rows) did not.
    pub(super) fn tfs(&self, tfs: &mut Slots, scratch: &mut Scratch) {
        let Body::Bits { tfs: packed, tf_bits, .. } = self.body else { return };
        match tf_bits {
            0 => tfs[..self.count].fill(1),
            1..=NARROW => {
                scratch[..packed.len()].copy_from_slice(packed);
                plus_one(tf_bits, scratch, tfs, self.count);
            }
            _ => {
                unpack(packed, tf_bits, &mut tfs[..self.count], scratch);
                tfs[..self.count].iter_mut().for_each(|tf| *tf = tf.saturating_add(1));
            }
        }
    }

    /// The frequency of one posting, out of `tfs` where [`rows`](Self::rows) wrote it.
    #[inline]
    pub(super) fn tf(&self, at: usize, tfs: &Slots) -> u32 {
        let Body::Bits { tfs: packed, tf_bits, .. } = self.body else {
            return tfs.get(at).copied().unwrap_or(1);
        };
        let (from, mut word) = (at * tf_bits as usize, [0; 8]);
        for (to, byte) in word.iter_mut().zip(packed.get(from / 8..).unwrap_or_default()) {
            *to = *byte;
        }
        let value = u64::from_le_bytes(word) >> (from % 8) & ((1 << tf_bits) - 1);
        (value as u32).saturating_add(1)
    }
}

/// Values of up to so many bits are unpacked by code of their own width: every shift is a constant.
const NARROW: u32 = 16;

/// Calls `$run::<BITS>` for a width of 0 to [`NARROW`] bits.
macro_rules! by_width {
    ($bits:expr, $run:ident($($argument:expr),*)) => {
        match $bits {
            0 => $run::<0>($($argument),*),
            1 => $run::<1>($($argument),*),
            2 => $run::<2>($($argument),*),
            3 => $run::<3>($($argument),*),
            4 => $run::<4>($($argument),*),
            5 => $run::<5>($($argument),*),
            6 => $run::<6>($($argument),*),
            7 => $run::<7>($($argument),*),
            8 => $run::<8>($($argument),*),
            9 => $run::<9>($($argument),*),
            10 => $run::<10>($($argument),*),
            11 => $run::<11>($($argument),*),
            12 => $run::<12>($($argument),*),
            13 => $run::<13>($($argument),*),
            14 => $run::<14>($($argument),*),
            15 => $run::<15>($($argument),*),
            _ => $run::<16>($($argument),*),
        }
    };
}

/// Eight values of `BITS` bits that begin at a byte.
#[inline(always)]
fn eight<const BITS: usize>(scratch: &Scratch, from: usize) -> [u32; LANES] {
    let word = |at: usize| u64::from_le_bytes(scratch[at..at + 8].first_chunk().copied().unwrap_or_default());
    let mask = (1u64 << BITS) - 1;
    if BITS <= 8 {
        let word = word(from);
        return std::array::from_fn(|lane| (word >> (BITS * lane) & mask) as u32);
    }
    // Four values and the half byte before them are 64 bits at most.
    let (low, high, half) = (word(from), word(from + BITS / 2), BITS * 4 % 8);
    std::array::from_fn(|lane| match lane {
        0..4 => (low >> (BITS * lane) & mask) as u32,
        _ => (high >> (half + BITS * (lane - 4)) & mask) as u32,
    })
}

fn gaps_summed<const BITS: usize>(scratch: &Scratch, rows: &mut Slots, count: usize) {
    let mut row = rows[0];
    for (at, slots) in rows[1..].as_chunks_mut::<LANES>().0.iter_mut().take(count.div_ceil(LANES)).enumerate()
    {
        for (slot, gap) in slots.iter_mut().zip(eight::<BITS>(scratch, at * BITS)) {
            // Behind the last there may be anything.
            row = row.wrapping_add(gap + 1);
            *slot = row;
        }
    }
}

/// Rows behind the first, which stands there, from `count` gaps of up to [`NARROW`] bits.
fn running_sum(bits: u32, scratch: &Scratch, rows: &mut Slots, count: usize) {
    by_width!(bits, gaps_summed(scratch, rows, count));
}

fn values_plus_one<const BITS: usize>(scratch: &Scratch, out: &mut Slots, count: usize) {
    for (at, slots) in out.as_chunks_mut::<LANES>().0.iter_mut().take(count.div_ceil(LANES)).enumerate() {
        *slots = eight::<BITS>(scratch, at * BITS).map(|value| value + 1);
    }
}

fn plus_one(bits: u32, scratch: &Scratch, out: &mut Slots, count: usize) {
    by_width!(bits, values_plus_one(scratch, out, count));
}

fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

fn varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    // Five bytes hold 35 bits: a row and a flag need 33.
    for at in 0..5 {
        let byte = *data.get(at)?;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *data = &data[at + 1..];
            return Some(value);
        }
    }
    None
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Values of any width, loaded one by one.
fn unpack(packed: &[u8], bits: u32, out: &mut [u32], scratch: &mut Scratch) {
    if bits == 0 {
        out.fill(0);
        return;
    }
    scratch[..packed.len()].copy_from_slice(packed);
    let width = bits as usize;
    let mask = u64::MAX >> (64 - bits);
    for (at, slot) in out.iter_mut().enumerate() {
        let bit = at * width;
        let bytes = scratch.get(bit / 8..bit / 8 + 8).and_then(|bytes| bytes.first_chunk()).copied();
        *slot = (u64::from_le_bytes(bytes.unwrap_or_default()) >> (bit % 8) & mask) as u32;
    }
}

/// Appends a block of postings: all but a term's last have [`BLOCK`].
pub(super) fn put(bytes: &mut Vec<u8>, rows: &[u32], tfs: &[u32]) {
    let Some(&first) = rows.first() else { return };
    let gap = |pair: &[u32]| pair[1].wrapping_sub(pair[0]).wrapping_sub(1);
    if rows.len() < FEW {
        let gaps = std::iter::once(first).chain(rows.windows(2).map(gap));
        for (gap, &tf) in gaps.zip(tfs) {
            put_varint(bytes, u64::from(gap) << 1 | u64::from(tf > 1));
            if tf > 1 {
                put_varint(bytes, u64::from(tf - 2));
            }
        }
        return;
    }
    let bits =
        |values: &mut dyn Iterator<Item = u32>| 32 - values.fold(0, |all, value| all | value).leading_zeros();
    let gap_bits = bits(&mut rows.windows(2).map(gap));
    let tf_bits = bits(&mut tfs.iter().map(|tf| tf.saturating_sub(1)));
    put_varint(bytes, first.into());
    if gap_bits < 32 && tf_bits < 7 {
        bytes.push((gap_bits | tf_bits << 5) as u8);
    } else {
        bytes.extend_from_slice(&[WIDE, gap_bits as u8, tf_bits as u8]);
    }
    pack(bytes, rows.windows(2).map(gap), gap_bits);
    pack(bytes, tfs.iter().map(|tf| tf.saturating_sub(1)), tf_bits);
}

fn pack(bytes: &mut Vec<u8>, values: impl Iterator<Item = u32>, bits: u32) {
    let (mut held, mut count) = (0u64, 0);
    for value in values {
        held |= u64::from(value) << count;
        count += bits;
        while count >= 8 {
            bytes.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        bytes.push(held as u8);
    }
}
