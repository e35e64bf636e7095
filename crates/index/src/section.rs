//! A section at use: bytes that are checked when they are first touched, and arrays over them.
//!
//! Opening an index takes its sections without reading them, so that it costs the same for ten rows and for ten
//! million. Whoever touches bytes goes through [`Section::get`] or [`Section::all`]: they ask the [`Guard`] that
//! came with the section, which remembers what it has checked. Scans take the whole section once and then run
//! over plain slices.

use crate::IndexError;
use crate::sections::SectionSource;
use bytemuck::{AnyBitPattern, NoUninit};
use bytes::Bytes;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sections up to this many bytes are checked whole.
const SMALL: usize = 256 << 10;

/// Checks bytes of one section before they are used: the checksums of a file.
pub trait Guard: Send + Sync {
    /// Checks the bytes of a range, which lies within the section. Cheap when they were checked before.
    fn check(&self, range: Range<usize>) -> Result<(), IndexError>;

    /// Hears how the section will be read.
    fn advise(&self, _: Access) {}
}

/// How a section will be read: advice, which changes no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A few bytes here and there.
    Scattered,
    /// All of it, soon.
    Soon,
    /// Not soon: the memory that it is mapped into may go to others.
    Spare,
}

/// The bytes of a section, borrowed (a mapped file, a buffer) and aligned to 64 bytes.
pub struct Section {
    name: Box<str>,
    bytes: Bytes,
    guard: Option<Arc<dyn Guard>>,
    /// Whether nothing needs to be checked any more.
    checked: AtomicBool,
}

impl Section {
    /// A section under the name that errors give it. Without a guard its bytes are taken as checked.
    pub fn new(name: &str, bytes: Bytes, guard: Option<Arc<dyn Guard>>) -> Self {
        let checked = AtomicBool::new(guard.is_none());
        Section { name: name.into(), bytes, guard, checked }
    }

    /// The name that errors give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All bytes, if nothing of them needs a check any more: for loops that would ask again and again.
    #[inline]
    pub(crate) fn checked(&self) -> Option<&[u8]> {
        self.checked.load(Ordering::Relaxed).then_some(&self.bytes)
    }

    /// The bytes of a range, checked. A range that leaves the section is corrupt: it was read from a file.
    #[inline]
    pub fn get(&self, range: Range<usize>) -> Result<&[u8], IndexError> {
        match self.bytes.get(range.clone()) {
            Some(bytes) => {
                if !self.checked.load(Ordering::Relaxed) {
                    self.check(range)?;
                }
                Ok(bytes)
            }
            None => Err(self.out_of_bounds(range)),
        }
    }

    /// All bytes, checked. Cost: a pass over them the first time, nothing afterwards.
    #[inline]
    pub fn all(&self) -> Result<&[u8], IndexError> {
        if !self.checked.load(Ordering::Relaxed) {
            self.check(0..self.bytes.len())?;
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(&self.bytes)
    }

    /// Says how it will be read.
    pub fn advise(&self, access: Access) {
        if let Some(guard) = &self.guard {
            guard.advise(access);
        }
    }

    /// An error about this section.
    pub fn corrupt(&self, what: impl Into<String>) -> IndexError {
        IndexError::corrupt(&self.name, what)
    }

    #[cold]
    fn out_of_bounds(&self, range: Range<usize>) -> IndexError {
        let Range { start, end } = range;
        self.corrupt(format!("bytes {start} to {end} of a section of {}", self.bytes.len()))
    }

    #[cold]
    fn check(&self, range: Range<usize>) -> Result<(), IndexError> {
        match &self.guard {
            // A small section is checked whole: that costs microseconds, and nothing is asked of it again.
            Some(guard) if self.bytes.len() <= SMALL && !range.is_empty() => {
                guard.check(0..self.bytes.len())?;
                self.checked.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(guard) if !range.is_empty() => guard.check(range),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("name", &self.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A section seen as an array of numbers.
#[derive(Debug)]
pub struct Array<T> {
    section: Section,
    kind: PhantomData<fn() -> T>,
}

impl<T: AnyBitPattern + NoUninit> Array<T> {
    /// Takes a section that must hold whole, aligned elements. Touches no byte of it.
    pub fn open(source: &dyn SectionSource, name: &str) -> Result<Self, IndexError> {
        let mut section = source.section(name)?;
        if section.is_empty() {
            // Without elements there is nothing to align; a slice of no bytes may point anywhere.
            section.bytes = Bytes::new();
        } else if let Err(error) = bytemuck::try_cast_slice::<u8, T>(&section.bytes) {
            return Err(section.corrupt(format!("{} bytes are no array: {error}", section.len())));
        }
        Ok(Array { section, kind: PhantomData })
    }

    /// Takes a section that must hold exactly `len` elements.
    pub fn open_len(source: &dyn SectionSource, name: &str, len: u64) -> Result<Self, IndexError> {
        let array = Self::open(source, name)?;
        if array.len() as u64 != len {
            return Err(array.corrupt(format!("expected {len} elements, found {}", array.len())));
        }
        Ok(array)
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.section.len() / size_of::<T>()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.section.is_empty()
    }

    /// All elements, if nothing of them needs a check any more.
    #[inline]
    pub(crate) fn checked(&self) -> Option<&[T]> {
        self.section.checked().map(cast)
    }

    /// An element, checked. A place past the end is corrupt.
    #[inline]
    pub fn get(&self, at: usize) -> Result<T, IndexError> {
        let slice = self.slice(at..at.saturating_add(1))?;
        slice.first().copied().ok_or_else(|| self.corrupt(format!("no element {at}")))
    }

    /// The elements of a range, checked. A range that leaves the array is corrupt.
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Result<&[T], IndexError> {
        let bytes = |at: usize| at.saturating_mul(size_of::<T>());
        Ok(cast(self.section.get(bytes(range.start)..bytes(range.end))?))
    }

    /// All elements, checked. Cost: a pass over them the first time, nothing afterwards.
    #[inline]
    pub fn all(&self) -> Result<&[T], IndexError> {
        Ok(cast(self.section.all()?))
    }

    /// All elements as they lie there: nothing is checked and nothing remembered, so that a first answer need not wait for
    /// a pass over the section. Only for numbers whose damage makes a wrong score and nothing worse: never for what is
    /// used as a place, a length or a row without a check of its own. `verify` goes through [`all`](Self::all) and
    /// finds the damage.
    #[inline]
    pub fn unverified(&self) -> &[T] {
        cast(&self.section.bytes)
    }

    /// Where the part `at` of something begins and ends, when this holds the ends of all parts one after the
    /// other. A part that ends before it begins is corrupt.
    #[inline]
    pub fn part(&self, at: usize) -> Result<Range<usize>, IndexError>
    where
        T: Into<u64>,
    {
        let (start, end) = match at.checked_sub(1) {
            None => (0, self.get(0)?.into()),
            Some(before) => match self.slice(before..at.saturating_add(1))? {
                [start, end] => ((*start).into(), (*end).into()),
                _ => return Err(self.corrupt(format!("no element {at}"))),
            },
        };
        match (usize::try_from(start), usize::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end => Ok(start..end),
            _ => Err(self.corrupt(format!("part {at} from {start} to {end}"))),
        }
    }

    /// Checks that the ends never fall and that the last one is `total`. Cost: a pass.
    pub fn verify_ends(&self, total: usize) -> Result<(), IndexError>
    where
        T: Into<u64> + PartialOrd,
    {
        let ends = self.all()?;
        let last: u64 = ends.last().map_or(0, |last| (*last).into());
        if !ends.is_sorted() || last != total as u64 {
            return Err(self.corrupt(format!("ends do not ascend to {total}")));
        }
        Ok(())
    }

    /// Says how it will be read.
    pub fn advise(&self, access: Access) {
        self.section.advise(access);
    }

    /// An error about this array's section.
    pub fn corrupt(&self, what: impl Into<String>) -> IndexError {
        self.section.corrupt(what)
    }
}

/// Length and alignment were checked when the array was opened; the bytes of a `Bytes` do not move.
#[inline]
fn cast<T: AnyBitPattern>(bytes: &[u8]) -> &[T] {
    bytemuck::try_cast_slice(bytes).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::sections::{MemorySections, array_bytes};
    use std::sync::Mutex;

    struct Log(Mutex<Vec<Range<usize>>>, usize);

    impl Guard for Log {
        fn check(&self, range: Range<usize>) -> Result<(), IndexError> {
            self.0.lock().unwrap().push(range.clone());
            if range.end > self.1 { Err(IndexError::corrupt("s", "damaged")) } else { Ok(()) }
        }
    }

    struct One(Bytes, Option<Arc<Log>>);

    impl SectionSource for One {
        fn section(&self, name: &str) -> Result<Section, IndexError> {
            let guard = self.1.clone().map(|log| log as Arc<dyn Guard>);
            Ok(Section::new(name, self.0.clone(), guard))
        }
    }

    #[test]
    fn arrays_are_read_in_place_or_refused() {
        let source = MemorySections::new(&vec![("a".into(), array_bytes(&[1u32, 2, 3]).unwrap())]);
        let bytes = source.section("a").unwrap().bytes;
        assert_eq!(bytes.as_ptr().align_offset(64), 0);
        let array = Array::<u32>::open_len(&source, "a", 3).unwrap();
        assert_eq!(array.all().unwrap(), &[1, 2, 3]);
        assert_eq!((array.get(2).unwrap(), array.slice(1..3).unwrap()), (3, &[2, 3][..]));
        assert_eq!((array.part(0).unwrap(), array.part(2).unwrap()), (0..1, 2..3));
        for failed in [array.get(3).err(), array.slice(2..4).err(), array.get(usize::MAX).err()] {
            assert!(matches!(failed, Some(IndexError::Corrupt { .. })));
        }
        assert!(matches!(Array::<u32>::open_len(&source, "a", 4), Err(IndexError::Corrupt { .. })));
        assert!(matches!(Array::<u64>::open(&source, "a"), Err(IndexError::Corrupt { .. })));
        assert!(matches!(Array::<u32>::open(&source, "b"), Err(IndexError::Missing { .. })));
        let shifted = One(bytes.slice(1..9), None);
        assert!(matches!(Array::<u32>::open(&shifted, "a"), Err(IndexError::Corrupt { .. })));
        assert!(Array::<u32>::open(&One(Bytes::new(), None), "a").unwrap().is_empty());
    }

    #[test]
    fn bytes_are_checked_when_they_are_touched() {
        let len = SMALL / 4 + 4;
        let values: Vec<u32> = (0..len as u32).collect();
        let source = MemorySections::new(&vec![("a".into(), array_bytes(&values).unwrap())]);
        let bytes = source.section("a").unwrap().bytes;
        let open = |bytes: Bytes, good: usize| {
            let log = Arc::new(Log(Mutex::default(), good));
            (Array::<u32>::open(&One(bytes, Some(log.clone())), "a").unwrap(), log)
        };
        let (array, log) = open(bytes.clone(), 12);
        assert_eq!(array.unverified(), &values[..], "damaged or not");
        assert!(log.0.lock().unwrap().is_empty(), "opening checks nothing, nor does looking without a check");
        assert_eq!(array.get(1).unwrap(), 1);
        assert!(array.get(3).is_err() && array.all().is_err() && array.get(3).is_err());
        assert_eq!((array.get(0).unwrap(), array.checked()), (0, None));
        assert_eq!(*log.0.lock().unwrap(), [4..8, 12..16, 0..len * 4, 12..16, 0..4]);
        let (small, log) = open(bytes.slice(..16), 16);
        assert_eq!(
            (small.get(3).unwrap(), small.get(0).unwrap(), small.checked()),
            (3, 0, Some(&values[..4]))
        );
        assert_eq!(log.0.lock().unwrap().as_slice(), std::slice::from_ref(&(0..16)));
    }
}
