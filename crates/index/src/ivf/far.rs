//! Entries whose term or scale lies beyond what 16 bits were dealt out over: few, with what they have as whole numbers.
//!
//! A scan takes such an entry for nearer, or for shorter, than it is. It is not left to that: what a scanned list has of them
//! is compared by its whole numbers, and so are scores of codes.
//!
//! ```text
//! far u32 = entries, rising; the bits of their terms; the bits of their scales
//! ```

use super::make::Coded;
use crate::section::Array;
use crate::sections::reserved;
use crate::{IndexError, SectionSink, SectionSource};
use std::ops::Range;

const NAME: &str = "far";
/// Numbers of an entry.
const EACH: usize = 3;

/// The section, as it lies there.
pub(super) struct Far {
    array: Array<u32>,
    entries: u32,
}

impl Far {
    /// `None` where there are no such entries.
    pub(super) fn open(source: &dyn SectionSource, entries: u32) -> Result<Option<Self>, IndexError> {
        let array = match Array::<u32>::open(source, NAME) {
            Err(IndexError::Missing { .. }) => return Ok(None),
            array => array?,
        };
        if array.is_empty() || array.len() % EACH != 0 || array.len() / EACH > entries as usize {
            return Err(array.corrupt(format!("{} numbers for {entries} entries", array.len())));
        }
        Ok(Some(Far { array, entries }))
    }

    pub(super) fn verify(&self) -> Result<(), IndexError> {
        let all = self.array.all()?;
        let (entries, numbers) = all.split_at(all.len() / EACH);
        if let Some(at) = entries.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(self.array.corrupt(format!("element {} does not rise", at + 1)));
        }
        if entries.last().is_some_and(|last| *last >= self.entries) {
            return Err(self.array.corrupt("an entry of no list"));
        }
        match numbers.iter().position(|bits| !f32::from_bits(*bits).is_finite()) {
            Some(at) => Err(self.array.corrupt(format!("number {at} is not finite"))),
            None => Ok(()),
        }
    }

    /// Held against its checksum.
    pub(super) fn all(&self) -> Result<Numbers<'_>, IndexError> {
        Ok(Numbers(self.array.all()?))
    }

    /// As it lies there.
    pub(super) fn unverified(&self) -> Numbers<'_> {
        Numbers(self.array.unverified())
    }
}

/// Entries and what they have; none by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Numbers<'a>(&'a [u32]);

impl<'a> Numbers<'a> {
    /// Those of a range of entries.
    pub(super) fn within(self, range: &Range<usize>) -> &'a [u32] {
        let entries = &self.0[..self.0.len() / EACH];
        let from = entries.partition_point(|entry| (*entry as usize) < range.start);
        let to = entries.partition_point(|entry| (*entry as usize) < range.end);
        entries.get(from..to).unwrap_or(&[])
    }

    /// The term and the scale of an entry, if it is one of them.
    pub(super) fn get(self, entry: u32) -> Option<(f32, f32)> {
        let count = self.0.len() / EACH;
        let at = self.0[..count].binary_search(&entry).ok()?;
        let number =
            |of: usize| Some(f32::from_bits(*self.0.get(of * count + at)?)).filter(|x| x.is_finite());
        Some((number(1)?, number(2)?))
    }
}

/// Writes those of the coded entries for which `beyond` holds, if any; `order` has the old number of each entry.
pub(super) fn write(
    coded: &Coded,
    order: impl Iterator<Item = u32>,
    beyond: impl Fn(f32, f32) -> bool,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let numbers = |old: u32| {
        let scale = coded.scales.get(old as usize).copied().unwrap_or(0.0);
        (coded.terms[old as usize], scale)
    };
    let is = |(term, scale): (f32, f32)| term.is_finite() && scale.is_finite() && beyond(term, scale);
    let mut far: Vec<(u32, u32)> = Vec::new();
    for (entry, old) in order.enumerate().filter(|(_, old)| is(numbers(*old))) {
        far.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 8 })?;
        far.push((entry as u32, old));
    }
    if far.is_empty() {
        return Ok(());
    }
    let mut all: Vec<u32> = reserved(far.len() * EACH)?;
    all.extend(far.iter().map(|(entry, _)| *entry));
    all.extend(far.iter().map(|(_, old)| numbers(*old).0.to_bits()));
    all.extend(far.iter().map(|(_, old)| numbers(*old).1.to_bits()));
    sink.begin(NAME)?;
    sink.write(bytemuck::cast_slice(&all))
}
