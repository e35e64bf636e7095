//! Named sections of bytes: what a builder returns, where a merge writes to, where a reader gets them from; and the
//! errors of this crate.

use crate::section::Section;
use bytes::Bytes;
use std::collections::HashMap;
use thiserror::Error;

/// What a builder returns: for every section its name, relative to the index, and its bytes.
pub type Sections = Vec<(String, Vec<u8>)>;

/// What goes wrong in this crate.
#[derive(Debug, Error)]
pub enum IndexError {
    /// A section's bytes contradict themselves or each other.
    #[error("section {section} is corrupt: {what}")]
    Corrupt {
        /// The section, relative to the index.
        section: String,
        /// What is wrong with it.
        what: String,
    },
    /// A section that must be there is not.
    #[error("section {section} is missing")]
    Missing {
        /// The section, relative to the index.
        section: String,
    },
    /// Written by a version of the layout that this code does not read.
    #[error("section {section} has layout version {found}, supported is {supported}")]
    Version {
        /// The section that carries the version.
        section: String,
        /// The version found.
        found: u32,
        /// The version this code reads.
        supported: u32,
    },
    /// An input array has the wrong number of elements or an element out of range.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array or number.
        what: String,
        /// The value or bound expected.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// Rows that must ascend do not.
    #[error("{what} must ascend: row {row} comes after row {after}")]
    Order {
        /// Which rows.
        what: String,
        /// The row before.
        after: u32,
        /// The row that is not above it.
        row: u32,
    },
    /// Stopped by the caller; nothing was kept.
    #[error("the work was cancelled")]
    Cancelled,
    /// Not possible with this kind of index.
    #[error("{what} is not supported by this kind of index")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// More than the layout can hold.
    #[error("{what} would exceed {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The most the layout holds.
        limit: u64,
    },
    /// Not enough memory.
    #[error("not enough memory for {bytes} bytes")]
    Memory {
        /// The bytes asked for.
        bytes: u64,
    },
    /// The source of the sections failed.
    #[error("section {section} cannot be read")]
    Source {
        /// The section, relative to the index.
        section: String,
        /// The failure below.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl IndexError {
    /// A section whose bytes contradict themselves.
    pub fn corrupt(section: &str, what: impl Into<String>) -> Self {
        IndexError::Corrupt { section: section.to_owned(), what: what.into() }
    }

    pub(crate) fn shape(what: &str, expected: u64, found: u64) -> Self {
        IndexError::Shape { what: what.to_owned(), expected, found }
    }

    pub(crate) fn too_large(what: &str, limit: u64) -> Self {
        IndexError::TooLarge { what: what.to_owned(), limit }
    }
}

/// Where a reader gets its sections from.
pub trait SectionSource {
    /// A section, borrowed and aligned to 64 bytes; nothing of it is touched. [`IndexError::Missing`] when there
    /// is none.
    fn section(&self, name: &str) -> Result<Section, IndexError>;
}

/// Where a merge writes its sections, one after the other and piece by piece, so that none is held in memory.
pub trait SectionSink {
    /// Ends the section before and begins this one.
    fn begin(&mut self, name: &str) -> Result<(), IndexError>;

    /// Appends to the section that was begun last.
    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError>;
}

impl SectionSink for Sections {
    fn begin(&mut self, name: &str) -> Result<(), IndexError> {
        self.push((name.to_owned(), Vec::new()));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        let Some((_, section)) = self.last_mut() else {
            return Err(IndexError::shape("sections begun before the first byte", 1, 0));
        };
        let memory = |_| IndexError::Memory { bytes: bytes.len() as u64 };
        section.try_reserve(bytes.len()).map_err(memory)?;
        section.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes a section of numbers that come one by one: what is held is one buffer.
pub struct ArraySink<'s, T> {
    sink: &'s mut dyn SectionSink,
    held: Vec<T>,
}

impl<'s, T: bytemuck::NoUninit> ArraySink<'s, T> {
    /// Begins the section.
    pub fn begin(sink: &'s mut dyn SectionSink, name: &str) -> Result<Self, IndexError> {
        sink.begin(name)?;
        Ok(ArraySink { sink, held: reserved(Self::HELD)? })
    }

    const HELD: usize = 8_192;

    /// Appends an element.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), IndexError> {
        if self.held.len() == Self::HELD {
            self.flush()?;
        }
        self.held.push(value);
        Ok(())
    }

    /// Writes what is held; nothing is written without it.
    pub fn flush(&mut self) -> Result<(), IndexError> {
        self.sink.write(bytemuck::cast_slice(&self.held))?;
        self.held.clear();
        Ok(())
    }
}

/// Sections held in memory, as a builder returned them.
#[derive(Clone, Debug, Default)]
pub struct MemorySections {
    sections: HashMap<String, Bytes>,
}

impl MemorySections {
    /// Copies every section into an aligned buffer.
    pub fn new(sections: &Sections) -> Self {
        let sections = sections.iter().map(|(name, bytes)| (name.clone(), aligned(bytes))).collect();
        MemorySections { sections }
    }
}

impl SectionSource for MemorySections {
    fn section(&self, name: &str) -> Result<Section, IndexError> {
        let bytes = self.sections.get(name).cloned();
        let bytes = bytes.ok_or_else(|| IndexError::Missing { section: name.to_owned() })?;
        Ok(Section::new(name, bytes, None))
    }
}

/// The alignment that sections have on disk and in memory.
const ALIGNMENT: usize = 64;

fn aligned(bytes: &[u8]) -> Bytes {
    let mut buffer: Vec<u8> = Vec::with_capacity(bytes.len() + ALIGNMENT);
    let pad = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    buffer.resize(pad, 0);
    buffer.extend_from_slice(bytes);
    Bytes::from(buffer).slice(pad..)
}

/// The bytes of an array as they stand on disk.
pub fn array_bytes<T: bytemuck::NoUninit>(values: &[T]) -> Result<Vec<u8>, IndexError> {
    let source: &[u8] = bytemuck::cast_slice(values);
    let mut bytes = reserved(source.len())?;
    bytes.extend_from_slice(source);
    Ok(bytes)
}

/// An empty vector with room for `len` elements, or a typed error: sizes may come from a caller or a file.
pub fn reserved<T>(len: usize) -> Result<Vec<T>, IndexError> {
    let mut vec = Vec::new();
    let bytes = (len as u64).saturating_mul(size_of::<T>() as u64);
    vec.try_reserve_exact(len).map_err(|_| IndexError::Memory { bytes })?;
    Ok(vec)
}

/// `len` zeros, or a typed error.
pub(crate) fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, IndexError> {
    let mut vec = reserved(len)?;
    vec.resize(len, T::default());
    Ok(vec)
}
