//! Named sections of bytes: what a builder returns, where a reader gets them from, and how they become arrays.
//!
//! A section is borrowed: the bytes may be a mapped file. [`Array`] is such a section seen as numbers, checked
//! once for alignment and length when it is taken and then read in place.

use bytemuck::AnyBitPattern;
use bytes::Bytes;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::Deref;
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
    /// The bytes of a section, borrowed and aligned to 64 bytes. [`IndexError::Missing`] when there is none.
    fn section(&self, name: &str) -> Result<Bytes, IndexError>;
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
    fn section(&self, name: &str) -> Result<Bytes, IndexError> {
        self.sections.get(name).cloned().ok_or_else(|| IndexError::Missing { section: name.to_owned() })
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

/// A section seen as an array of numbers.
#[derive(Clone, Debug)]
pub struct Array<T> {
    bytes: Bytes,
    kind: PhantomData<fn() -> T>,
}

impl<T: AnyBitPattern + bytemuck::NoUninit> Array<T> {
    /// Takes a section that must hold whole, aligned elements.
    pub fn open(source: &dyn SectionSource, name: &str) -> Result<Self, IndexError> {
        let mut bytes = source.section(name)?;
        if bytes.is_empty() {
            // Without elements there is nothing to align; a slice of no bytes may point anywhere.
            bytes = Bytes::new();
        } else if let Err(error) = bytemuck::try_cast_slice::<u8, T>(&bytes) {
            return Err(IndexError::corrupt(name, format!("{} bytes are no array: {error}", bytes.len())));
        }
        Ok(Array { bytes, kind: PhantomData })
    }

    /// Takes a section that must hold exactly `len` elements.
    pub fn open_len(source: &dyn SectionSource, name: &str, len: u64) -> Result<Self, IndexError> {
        let array = Self::open(source, name)?;
        if array.len() as u64 != len {
            return Err(IndexError::corrupt(name, format!("expected {len} elements, found {}", array.len())));
        }
        Ok(array)
    }
}

impl<T: AnyBitPattern + bytemuck::NoUninit> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Checked in `open`; the bytes of a `Bytes` do not move.
        bytemuck::try_cast_slice(&self.bytes).unwrap_or(&[])
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    struct One(Bytes);
    impl SectionSource for One {
        fn section(&self, _: &str) -> Result<Bytes, IndexError> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn arrays_are_read_in_place_or_refused() {
        let source = MemorySections::new(&vec![("a".into(), array_bytes(&[1u32, 2, 3]).unwrap())]);
        assert_eq!(source.section("a").unwrap().as_ptr().align_offset(ALIGNMENT), 0);
        assert_eq!(&*Array::<u32>::open_len(&source, "a", 3).unwrap(), &[1, 2, 3]);
        assert!(matches!(Array::<u32>::open_len(&source, "a", 4), Err(IndexError::Corrupt { .. })));
        assert!(matches!(Array::<u64>::open(&source, "a"), Err(IndexError::Corrupt { .. })));
        assert!(matches!(Array::<u32>::open(&source, "b"), Err(IndexError::Missing { .. })));
        let shifted = One(source.section("a").unwrap().slice(1..9));
        assert!(matches!(Array::<u32>::open(&shifted, "a"), Err(IndexError::Corrupt { .. })));
        assert!(Array::<u32>::open(&One(Bytes::new()), "a").unwrap().is_empty());
    }
}
