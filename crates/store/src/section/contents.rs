//! The table of contents and the trailer: their bytes, and every check that opening a file makes.
//!
//! Nothing here needs the body, so a reader that fetches ranges can open a file by its length and its last bytes.

use crate::aligned::ALIGNMENT;
use crate::decode::{Decoder, seal, unseal};
use crate::error::StoreError;

use super::{FRAME_BYTES, NAME_BYTES_MAX, PAGE_BYTES, SECTION_FILE_VERSION, TRAILER_MAGIC};

/// A section's name and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionInfo {
    /// The name, unique in its file.
    pub name: String,
    /// Where it begins in the file; a multiple of 64.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl SectionInfo {
    /// The first byte after it. Cannot overflow: `check` bounded it.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

/// A name length, an offset and a length: what the smallest entry takes.
const ENTRY_BYTES_MIN: usize = 2 + 1 + 8 + 8;

/// What the contents say, in file order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) kind: String,
    pub(super) sections: Vec<SectionInfo>,
}

impl Contents {
    /// Kind, count, then the entries. Names are within their limits (the writer checked).
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(self.kind.len() as u8);
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        for section in &self.sections {
            out.extend_from_slice(&(section.name.len() as u16).to_le_bytes());
            out.extend_from_slice(section.name.as_bytes());
            out.extend_from_slice(&section.offset.to_le_bytes());
            out.extend_from_slice(&section.len.to_le_bytes());
        }
        out
    }

    /// Decodes and checks everything that the format promises about sections.
    pub(super) fn decode(bytes: &[u8], body_len: u64, file: &str) -> Result<Self, StoreError> {
        let bad = |what: String| StoreError::corrupt(file, format!("contents: {what}"));
        let short = || bad("cut short".to_owned());
        let mut input = Decoder::new(bytes);
        let kind_len = input.u8().ok_or_else(short)?;
        let kind = name(input.bytes(usize::from(kind_len)).ok_or_else(short)?).map_err(&bad)?;
        let count = input.u32().ok_or_else(short)? as usize;
        if count > input.remaining() / ENTRY_BYTES_MIN {
            return Err(bad(format!("{count} sections do not fit into {} bytes", input.remaining())));
        }
        let mut sections: Vec<SectionInfo> = Vec::with_capacity(count);
        let mut end = FRAME_BYTES as u64;
        for _ in 0..count {
            let name_len = input.u16().ok_or_else(short)?;
            let name = name(input.bytes(usize::from(name_len)).ok_or_else(short)?).map_err(&bad)?;
            let (offset, len) = input.u64().zip(input.u64()).ok_or_else(short)?;
            end = check_bounds(&name, offset, len, end, body_len).map_err(&bad)?;
            sections.push(SectionInfo { name, offset, len });
        }
        if input.remaining() != 0 {
            return Err(bad(format!("{} bytes after the last entry", input.remaining())));
        }
        if let Some(twice) = first_duplicate(&sections) {
            return Err(bad(format!("section {twice:?} is there twice")));
        }
        Ok(Contents { kind, sections })
    }
}

/// Checks one section against the end of the one before it; gives its own end.
fn check_bounds(name: &str, offset: u64, len: u64, previous: u64, body_len: u64) -> Result<u64, String> {
    if !offset.is_multiple_of(ALIGNMENT as u64) {
        return Err(format!("section {name:?} at {offset} is not aligned to {ALIGNMENT}"));
    }
    if offset < previous {
        return Err(format!(
            "section {name:?} at {offset} begins before {previous}, where the one before it ends"
        ));
    }
    match offset.checked_add(len) {
        Some(end) if end <= body_len => Ok(end),
        _ => Err(format!(
            "section {name:?} at {offset} of {len} bytes ends after {body_len}, the end of the body"
        )),
    }
}

fn first_duplicate(sections: &[SectionInfo]) -> Option<&str> {
    let mut names: Vec<&str> = sections.iter().map(|section| section.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A name of a section or a kind, with what is wrong with it otherwise.
pub(super) fn name(bytes: &[u8]) -> Result<String, String> {
    if bytes.is_empty() || bytes.len() > NAME_BYTES_MAX {
        return Err(format!("a name of {} bytes, expected 1 to {NAME_BYTES_MAX}", bytes.len()));
    }
    match std::str::from_utf8(bytes) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err("a name that is not UTF-8".to_owned()),
    }
}

/// The trailer's fields: where everything is, and the checksums of what is not under page checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) body_len: u64,
    pub(super) contents_len: u64,
    pub(super) pages_crc: u32,
    pub(super) contents_crc: u32,
}

impl Trailer {
    /// The file's length, or `None` where no such file can be.
    pub(super) fn file_len(&self) -> Option<u64> {
        self.contents_offset()?.checked_add(self.contents_len)?.checked_add(FRAME_BYTES as u64)
    }

    /// How many page checksums there are.
    pub(super) fn pages(&self) -> u64 {
        self.body_len.div_ceil(PAGE_BYTES as u64)
    }

    /// Where the contents begin.
    pub(super) fn contents_offset(&self) -> Option<u64> {
        self.body_len.checked_add(self.pages().checked_mul(4)?)
    }

    /// The trailer's bytes. The file's length is written too, so that a copy pasted elsewhere does not pass.
    pub(super) fn encode(&self, file_len: u64) -> [u8; FRAME_BYTES] {
        let mut fields = [0u8; 36];
        fields[0..8].copy_from_slice(&file_len.to_le_bytes());
        fields[8..16].copy_from_slice(&self.body_len.to_le_bytes());
        fields[16..24].copy_from_slice(&self.contents_len.to_le_bytes());
        fields[24..28].copy_from_slice(&self.pages_crc.to_le_bytes());
        fields[28..32].copy_from_slice(&self.contents_crc.to_le_bytes());
        fields[32..36].copy_from_slice(&(PAGE_BYTES as u32).to_le_bytes());
        seal(TRAILER_MAGIC, SECTION_FILE_VERSION, &fields)
    }

    /// Checks the last bytes of a file of `file_len` bytes.
    pub(super) fn decode(frame: &[u8], file_len: u64, file: &str) -> Result<Self, StoreError> {
        let bad = |what: String| StoreError::corrupt(file, format!("trailer: {what}"));
        let mut fields = unseal(frame, TRAILER_MAGIC, SECTION_FILE_VERSION, file, "trailer")?;
        let mut take = || -> Option<(u64, Trailer, u32)> {
            let stated = fields.u64()?;
            let (body_len, contents_len) = (fields.u64()?, fields.u64()?);
            let (pages_crc, contents_crc) = (fields.u32()?, fields.u32()?);
            Some((stated, Trailer { body_len, contents_len, pages_crc, contents_crc }, fields.u32()?))
        };
        let (stated, trailer, page_bytes) = take().ok_or_else(|| bad("cut short".to_owned()))?;
        if stated != file_len {
            return Err(bad(format!("promises a file of {stated} bytes, it has {file_len}")));
        }
        if page_bytes != PAGE_BYTES as u32 {
            return Err(bad(format!("pages of {page_bytes} bytes, expected {PAGE_BYTES}")));
        }
        if trailer.body_len < FRAME_BYTES as u64 || !trailer.body_len.is_multiple_of(ALIGNMENT as u64) {
            return Err(bad(format!("a body of {} bytes", trailer.body_len)));
        }
        if trailer.file_len() != Some(file_len) {
            return Err(bad("the lengths of the parts do not add up to the file's".to_owned()));
        }
        Ok(trailer)
    }
}
