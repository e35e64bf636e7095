//! Reading little-endian fields from bytes that may end anywhere, and the frame that headers and trailers share.
//!
//! The frame is the part of the format that no version may change: eight bytes of magic, the version (u32), the
//! fields of that version, and in the last four bytes a CRC32C over everything before it. So any version can tell a
//! damaged file from one that is merely newer.

use crate::error::StoreError;

/// A cursor over bytes; `None` where they end too early.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Decoder { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Builds a frame of `N` bytes. The fields must leave room for magic, version and checksum; zeros fill the rest.
pub(crate) fn seal<const N: usize>(magic: &[u8; 8], version: u32, fields: &[u8]) -> [u8; N] {
    let mut frame = [0u8; N];
    frame[..8].copy_from_slice(magic);
    frame[8..12].copy_from_slice(&version.to_le_bytes());
    frame[12..12 + fields.len()].copy_from_slice(fields);
    let crc = crc32c::crc32c(&frame[..N - 4]);
    frame[N - 4..].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// Checks a frame and gives its fields. `part` names it in messages: "header" or "trailer".
pub(crate) fn unseal<'a>(
    frame: &'a [u8],
    magic: &[u8; 8],
    supported: u32,
    file: &str,
    part: &str,
) -> Result<Decoder<'a>, StoreError> {
    let short = || StoreError::corrupt(file, format!("{part} is cut short"));
    let (body, crc) = frame.split_last_chunk::<4>().ok_or_else(short)?;
    let mut fields = Decoder::new(body);
    let found_magic = fields.bytes(8).ok_or_else(short)?;
    let found = fields.u32().ok_or_else(short)?;
    if found_magic != magic {
        return Err(StoreError::corrupt(
            file,
            format!("{part} does not begin with the magic bytes of this format"),
        ));
    }
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(StoreError::corrupt(file, format!("{part} checksum does not match")));
    }
    match found {
        0 => Err(StoreError::corrupt(file, format!("{part} says format version 0"))),
        found if found > supported => Err(StoreError::Version { file: file.to_owned(), found, supported }),
        _ => Ok(fields),
    }
}
