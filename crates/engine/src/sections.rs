//! The sections of a file as the index crate asks for them.

use bytes::Bytes;
use tercet_index::{Array, Bitmap, IndexError, SectionSource};
use tercet_store::{SectionFile, StoreError};

/// The sections of a file whose names start with a prefix.
pub(crate) struct Within<'a> {
    file: &'a SectionFile,
    prefix: String,
}

impl<'a> Within<'a> {
    /// All sections, under their full names.
    pub(crate) fn whole(file: &'a SectionFile) -> Self {
        Self::prefixed(file, String::new())
    }

    /// Those under a prefix, by the rest of their names.
    pub(crate) fn prefixed(file: &'a SectionFile, prefix: String) -> Self {
        Within { file, prefix }
    }

    /// Whether there is such a section.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.has(&format!("{}{name}", self.prefix))
    }
}

impl SectionSource for Within<'_> {
    fn section(&self, name: &str) -> Result<Bytes, IndexError> {
        let name = format!("{}{name}", self.prefix);
        self.file.section(&name).map_err(|source| match source {
            StoreError::NoSection { .. } => IndexError::Missing { section: name },
            other => IndexError::Source { section: name, source: Box::new(other) },
        })
    }
}

/// A section of u64 words as a set over `rows` rows.
pub(crate) fn bitmap(source: &dyn SectionSource, name: &str, rows: u32) -> Result<Bitmap, IndexError> {
    let words = Array::<u64>::open_len(source, name, u64::from(rows).div_ceil(64))?;
    Bitmap::from_words(rows, words.to_vec())
}

/// Checks where things end that stand one after the other: never before they begin, and the last at `total`. What
/// passes can be sliced in order, and all slices together are no larger than the whole.
pub(crate) fn check_ends(name: &str, ends: &[u32], total: usize) -> Result<(), IndexError> {
    let last = ends.last().copied().unwrap_or(0);
    if !ends.is_sorted() || u64::from(last) != total as u64 {
        return Err(IndexError::corrupt(name, format!("ends do not ascend to {total}")));
    }
    Ok(())
}
