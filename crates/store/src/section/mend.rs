//! Flipped bits, found by the checksums that they break.
//!
//! A checksum of 32 bits tells not only that one bit of a page was flipped but which: every place leads to another
//! difference of the checksums. Two flipped bits of a page are never taken for one (over these lengths CRC32C keeps any
//! two sound pages four bits apart); three or more may be, once in some thousands.

use super::contents::Trailer;
use super::{FRAME_BYTES, PAGE_BYTES};

/// The generator of CRC32C, lowest bit first.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A bit to flip back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlippedBit {
    /// The byte's offset.
    pub offset: usize,
    /// The byte's flipped bit, set.
    pub mask: u8,
}

impl FlippedBit {
    fn behind(self, start: usize) -> Self {
        FlippedBit { offset: start + self.offset, ..self }
    }

    fn flip(self, bytes: &mut [u8]) {
        if let Some(byte) = bytes.get_mut(self.offset) {
            *byte ^= self.mask;
        }
    }
}

/// The one bit whose flip gives the bytes this checksum.
pub(crate) fn flipped_bit(bytes: &[u8], crc: u32) -> Option<FlippedBit> {
    let wanted = crc32c::crc32c(bytes) ^ crc;
    // What a flip of each bit of a byte does to the checksum, when no byte is behind it.
    let mut effects = [1u32, 2, 4, 8, 16, 32, 64, 128].map(advanced);
    for offset in (0..bytes.len()).rev() {
        if let Some(bit) = effects.iter().position(|effect| *effect == wanted) {
            return Some(FlippedBit { offset, mask: 1 << bit });
        }
        effects = effects.map(advanced);
    }
    None
}

/// A checksum's difference, one byte later.
fn advanced(mut difference: u32) -> u32 {
    for _ in 0..8 {
        difference = (difference >> 1) ^ if difference & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    difference
}

/// The one bit of a frame, or of the checksum that closes it.
pub(crate) fn flipped_in_frame(frame: &[u8]) -> Option<FlippedBit> {
    let (covered, crc) = frame.split_last_chunk::<4>()?;
    let crc = u32::from_le_bytes(*crc);
    let difference = crc32c::crc32c(covered) ^ crc;
    if difference.is_power_of_two() {
        let bit = difference.trailing_zeros() as usize;
        return Some(FlippedBit { offset: covered.len() + bit / 8, mask: 1 << (bit % 8) });
    }
    flipped_bit(covered, crc)
}

/// The bits that were flipped in a section file, where each page (and each part of the file's end) has one at most.
/// Pages with more damage are left out.
pub fn flipped_bits(file: &[u8]) -> Vec<FlippedBit> {
    parts(file).unwrap_or_default()
}

fn parts(file: &[u8]) -> Option<Vec<FlippedBit>> {
    let mut found = Vec::new();
    let trailer_at = file.len().checked_sub(FRAME_BYTES)?;
    let mut trailer = file[trailer_at..].to_vec();
    let crc = crc32c::crc32c(&trailer[..FRAME_BYTES - 4]).to_le_bytes();
    if trailer[FRAME_BYTES - 4..] != crc {
        let bit = flipped_in_frame(&trailer)?;
        bit.flip(&mut trailer);
        found.push(bit.behind(trailer_at));
    }
    let trailer = Trailer::decode(&trailer, file.len() as u64, "").ok()?;
    let body_len = usize::try_from(trailer.body_len).ok()?;
    let contents_at = usize::try_from(trailer.contents_offset()?).ok()?;
    let contents = file.get(contents_at..trailer_at)?;
    if crc32c::crc32c(contents) != trailer.contents_crc {
        found.extend(flipped_bit(contents, trailer.contents_crc).map(|bit| bit.behind(contents_at)));
    }
    let mut table = file.get(body_len..contents_at)?.to_vec();
    if crc32c::crc32c(&table) != trailer.pages_crc {
        let bit = flipped_bit(&table, trailer.pages_crc)?;
        bit.flip(&mut table);
        found.push(bit.behind(body_len));
    }
    let (crcs, _) = table.as_chunks::<4>();
    for (at, (page, crc)) in file.get(..body_len)?.chunks(PAGE_BYTES).zip(crcs).enumerate() {
        let crc = u32::from_le_bytes(*crc);
        if crc32c::crc32c(page) != crc {
            found.extend(flipped_bit(page, crc).map(|bit| bit.behind(at * PAGE_BYTES)));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{SectionFile, SectionFileWriter};
    use super::*;

    fn file() -> Vec<u8> {
        let mut writer = SectionFileWriter::new("test");
        let bytes: Vec<u8> = (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        writer.add("a", bytes).add("b", vec![7u8; 100]);
        writer.to_bytes().unwrap().to_vec()
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = file();
        let ends = (whole.len() - 300..whole.len()).chain([0, 7, 63, 64, 65_535, 65_536, 70_000]);
        for offset in ends {
            for mask in [1u8, 128] {
                let mut damaged = whole.clone();
                damaged[offset] ^= mask;
                // Zeros between the sections and the page table are covered too.
                assert_eq!(flipped_bits(&damaged), [FlippedBit { offset, mask }], "{offset}");
            }
        }
        assert_eq!(flipped_bits(&whole), []);
    }

    #[test]
    fn more_damage_is_left_alone() {
        let whole = file();
        for distance in [1, 8, 100, 4_000, 30_000] {
            let mut damaged = whole.clone();
            damaged[1_000] ^= 1;
            damaged[1_000 + distance] ^= 16;
            damaged[65_700] ^= 2;
            assert_eq!(flipped_bits(&damaged), [FlippedBit { offset: 65_700, mask: 2 }]);
        }
        for len in [0, 1, 63, 64, 200, whole.len() - 1] {
            let mended = flipped_bits(&whole[..len]);
            assert!(mended.len() <= 1 && SectionFile::from_bytes(whole[..len].to_vec().into(), "").is_err());
        }
    }
}
