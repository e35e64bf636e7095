//! Reading a section file in place.
//!
//! Opening reads the header, the trailer, the page checksums and the contents, and checks all of them; the body is
//! not touched. A page of the body is checked when it is first asked for, and remembered in a bitmap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use crate::aligned::{align, empty};
use crate::decode::unseal;
use crate::env::{Access, Env};
use crate::error::StoreError;

use super::contents::{Contents, SectionInfo, Trailer};
use super::{FRAME_BYTES, HEADER_MAGIC, PAGE_BYTES, SECTION_FILE_VERSION};

/// An open section file. Sections come as slices of the file's own bytes, aligned to 64. A clone is the same open file:
/// what one has checked the other need not check.
#[derive(Clone, Debug)]
pub struct SectionFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    label: String,
    contents: Contents,
    /// Positions in `contents.sections`, ordered by name.
    by_name: Vec<u32>,
    /// The whole file.
    bytes: Bytes,
    /// Header and sections.
    body: Bytes,
    page_crcs: Bytes,
    /// A bit per page that was checked. The bytes never change, so a race costs a second check and nothing else.
    checked: Box<[AtomicU32]>,
    /// Whether every page counts as checked.
    trusted: bool,
}

/// Checks the pages of one section before they are used.
#[derive(Clone, Debug)]
pub struct SectionGuard {
    file: SectionFile,
    /// The section's position in the contents.
    at: usize,
}

impl SectionGuard {
    /// Checks the pages that a range of the section touches: those that were not checked before.
    pub fn check(&self, start: u64, end: u64) -> Result<(), StoreError> {
        let section = &self.file.inner.contents.sections[self.at];
        let inside = |at: u64| section.offset + at.min(section.len);
        self.file.check(inside(start), inside(end), Some(&section.name))
    }

    /// Says how the section will be read, where the file is mapped.
    pub fn advise(&self, access: Access) {
        #[cfg(unix)]
        {
            let section = &self.file.inner.contents.sections[self.at];
            crate::maps::advise(&self.file.slice(section.offset, section.end()), access);
        }
        #[cfg(not(unix))]
        let _ = access;
    }
}

impl SectionFile {
    /// Reads and opens a file.
    pub fn open(env: &dyn Env, path: &str) -> Result<Self, StoreError> {
        Self::from_bytes(env.read(path)?, path)
    }

    /// Opens a file that is in memory already; `label` names it in errors. Copies only where `bytes` does not begin
    /// on a 64-byte boundary.
    pub fn from_bytes(bytes: Bytes, label: &str) -> Result<Self, StoreError> {
        Self::over(bytes, label, false)
    }

    /// The same for bytes that this process has just written itself: no page is checked when it is read.
    pub fn from_own_bytes(bytes: Bytes, label: &str) -> Result<Self, StoreError> {
        Self::over(bytes, label, true)
    }

    fn over(bytes: Bytes, label: &str, trusted: bool) -> Result<Self, StoreError> {
        let bytes = align(bytes, label)?;
        let file_len = bytes.len() as u64;
        let short = || StoreError::corrupt(label, format!("{file_len} bytes are too few for a section file"));
        unseal(
            bytes.get(..FRAME_BYTES).ok_or_else(short)?,
            HEADER_MAGIC,
            SECTION_FILE_VERSION,
            label,
            "header",
        )?;
        if bytes.len() < 2 * FRAME_BYTES {
            return Err(short());
        }
        let trailer_at = bytes.len() - FRAME_BYTES;
        let trailer = Trailer::decode(&bytes[trailer_at..], file_len, label)?;
        // The parts add up to the file's length, which is a usize: no cast below can cut.
        let contents_at = trailer.contents_offset().ok_or_else(short)? as usize;
        let body_len = trailer.body_len as usize;
        let page_crcs = bytes.slice(body_len..contents_at);
        if crc32c::crc32c(&page_crcs) != trailer.pages_crc {
            return Err(StoreError::corrupt(label, "checksum of the page checksums does not match"));
        }
        let contents = &bytes[contents_at..trailer_at];
        if crc32c::crc32c(contents) != trailer.contents_crc {
            return Err(StoreError::corrupt(label, "contents checksum does not match"));
        }
        let contents = Contents::decode(contents, trailer.body_len, label)?;
        let mut by_name: Vec<u32> = (0..contents.sections.len() as u32).collect();
        by_name.sort_unstable_by_key(|&at| contents.sections[at as usize].name.as_str());
        let words = (trailer.pages() as usize).div_ceil(32);
        let inner = Inner {
            label: label.to_owned(),
            contents,
            by_name,
            body: bytes.slice(..body_len),
            bytes,
            page_crcs,
            checked: (0..words).map(|_| AtomicU32::new(0)).collect(),
            trusted,
        };
        Ok(SectionFile { inner: Arc::new(inner) })
    }

    /// The kind the file was written as.
    pub fn kind(&self) -> &str {
        &self.inner.contents.kind
    }

    /// Refuses a file of another kind as corrupt: names are ours, so a swapped file is damage.
    pub fn expect_kind(&self, kind: &str) -> Result<(), StoreError> {
        if self.kind() == kind {
            return Ok(());
        }
        Err(StoreError::corrupt(
            &self.inner.label,
            format!("a file of kind {:?}, expected {kind:?}", self.kind()),
        ))
    }

    /// The path or label it was opened under.
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// The file's length in bytes.
    pub fn file_len(&self) -> u64 {
        self.inner.bytes.len() as u64
    }

    /// The last four bytes: a checksum over all other checksums, so over everything. Who keeps it beside the name tells
    /// this file from any other that is whole.
    pub fn seal(&self) -> u32 {
        self.inner.bytes.last_chunk().map_or(0, |seal| u32::from_le_bytes(*seal))
    }

    /// The whole file's bytes, unchecked but for what opening checks.
    pub fn bytes(&self) -> &Bytes {
        &self.inner.bytes
    }

    /// Names and places of all sections, in file order.
    pub fn sections(&self) -> &[SectionInfo] {
        &self.inner.contents.sections
    }

    /// The names of all sections, in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.contents.sections.iter().map(|section| section.name.as_str())
    }

    /// The names that begin with a prefix, ascending.
    pub fn names_under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let name = |at: &u32| self.inner.contents.sections[*at as usize].name.as_str();
        let from = self.inner.by_name.partition_point(|at| name(at) < prefix);
        self.inner.by_name[from..].iter().map(name).take_while(move |name| name.starts_with(prefix))
    }

    /// True if there is such a section.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// The length of a section in bytes.
    pub fn section_len(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.find(name)?.len)
    }

    /// A whole section, after its pages were checked (each once). Cost: one pass over pages not yet checked.
    pub fn section(&self, name: &str) -> Result<Bytes, StoreError> {
        let section = self.find(name)?;
        self.check(section.offset, section.end(), Some(name))?;
        Ok(self.slice(section.offset, section.end()))
    }

    /// `len` bytes of a section from `start`, after the pages they touch were checked. Aligned as `start` is.
    /// A range that leaves the section is [`StoreError::Corrupt`]: it was computed from bytes of this file.
    pub fn range(&self, name: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        let section = self.find(name)?;
        let end = start.checked_add(len).filter(|&end| end <= section.len).ok_or_else(|| {
            let what = format!("{len} bytes from {start} leave a section of {} bytes", section.len);
            StoreError::Corrupt { file: self.inner.label.clone(), section: Some(name.to_owned()), what }
        })?;
        self.check(section.offset + start, section.offset + end, Some(name))?;
        Ok(self.slice(section.offset + start, section.offset + end))
    }

    /// A whole section whose pages were not checked: for large arrays that are used here and there. What is read
    /// from it must be bounds-checked like any foreign bytes.
    pub fn section_unchecked(&self, name: &str) -> Result<Bytes, StoreError> {
        let section = self.find(name)?;
        Ok(self.slice(section.offset, section.end()))
    }

    /// A whole section and the guard that checks its pages before they are used; none where nothing needs a check.
    /// Touches no byte of it.
    pub fn section_guarded(&self, name: &str) -> Result<(Bytes, Option<SectionGuard>), StoreError> {
        let at = self.position(name)?;
        let section = &self.inner.contents.sections[at];
        let guard = (!self.inner.trusted).then(|| SectionGuard { file: self.clone(), at });
        Ok((self.slice(section.offset, section.end()), guard))
    }

    /// Checks every page, also those that were checked before.
    pub fn verify(&self) -> Result<(), StoreError> {
        (0..self.inner.body.len().div_ceil(PAGE_BYTES)).try_for_each(|page| self.check_page(page, None))
    }

    /// Checks every page like [`verify`](Self::verify) and goes on after damage: a problem a page.
    pub fn problems(&self) -> Vec<StoreError> {
        (0..self.inner.body.len().div_ceil(PAGE_BYTES))
            .filter_map(|page| self.check_page(page, None).err())
            .collect()
    }

    fn find(&self, name: &str) -> Result<&SectionInfo, StoreError> {
        Ok(&self.inner.contents.sections[self.position(name)?])
    }

    fn position(&self, name: &str) -> Result<usize, StoreError> {
        let Inner { contents, by_name, label, .. } = &*self.inner;
        match by_name.binary_search_by_key(&name, |&at| contents.sections[at as usize].name.as_str()) {
            Ok(found) => Ok(by_name[found] as usize),
            Err(_) => Err(StoreError::NoSection { file: label.clone(), section: name.to_owned() }),
        }
    }

    /// Offsets are of checked sections, so they are inside the body.
    fn slice(&self, start: u64, end: u64) -> Bytes {
        if start == end { empty() } else { self.inner.body.slice(start as usize..end as usize) }
    }

    fn check(&self, start: u64, end: u64, section: Option<&str>) -> Result<(), StoreError> {
        if start >= end || self.inner.trusted {
            return Ok(());
        }
        let pages = start as usize / PAGE_BYTES..=(end as usize - 1) / PAGE_BYTES;
        for page in pages {
            let (word, bit) = (&self.inner.checked[page / 32], 1u32 << (page % 32));
            if word.load(Ordering::Relaxed) & bit == 0 {
                self.check_page(page, section)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn check_page(&self, page: usize, section: Option<&str>) -> Result<(), StoreError> {
        let start = page * PAGE_BYTES;
        let bytes = &self.inner.body[start..self.inner.body.len().min(start.saturating_add(PAGE_BYTES))];
        let expected = &self.inner.page_crcs[page * 4..page * 4 + 4];
        if crc32c::crc32c(bytes).to_le_bytes() == expected {
            return Ok(());
        }
        let section = section.or_else(|| self.section_in(start as u64, bytes.len() as u64));
        Err(StoreError::Corrupt {
            file: self.inner.label.clone(),
            section: section.map(str::to_owned),
            what: format!(
                "checksum of page {page} (bytes {start} to {}) does not match",
                start + bytes.len()
            ),
        })
    }

    /// The first section with bytes in a page.
    fn section_in(&self, start: u64, len: u64) -> Option<&str> {
        let touches = |section: &&SectionInfo| section.offset < start + len && section.end() > start;
        self.inner.contents.sections.iter().find(touches).map(|section| section.name.as_str())
    }
}
