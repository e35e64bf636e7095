//! Columns for filters: numbers as they are, keywords as a sorted dictionary and ordinals.
//!
//! Sections under `field/<name>/`: numbers `values` (i64 or f64 a row, 0 where absent); keywords `dict` (the strings
//! one after the other, in byte order), `dict_ends` u32, `ords` u32, `ord_ends` u32 a row. Absence is kept beside every
//! kind of field in `present` (a bitmap of u64 words), written only when some row lacks the field.

use std::collections::HashMap;

use bytes::Bytes;
use tercet_index::{Array, Bitmap, IndexError, SectionSource, Sections, array_bytes};

use crate::sections::check_ends;

/// Collects strings: each distinct one once.
#[derive(Default)]
pub(crate) struct KeywordBuilder {
    numbers: HashMap<Box<str>, u32>,
    ords: Vec<u32>,
    ends: Vec<u32>,
}

impl KeywordBuilder {
    /// Adds the next row; no strings where it is absent.
    pub(crate) fn push(&mut self, values: &[&str]) {
        for value in values {
            let next = self.numbers.len() as u32;
            let number = match self.numbers.get(*value) {
                Some(number) => *number,
                None => *self.numbers.entry(Box::from(*value)).or_insert(next),
            };
            self.ords.push(number);
        }
        self.ends.push(self.ords.len() as u32);
    }

    /// The sections.
    pub(crate) fn finish(mut self) -> Result<Sections, IndexError> {
        let too_large =
            || IndexError::TooLarge { what: String::from("keywords of a segment"), limit: u32::MAX.into() };
        u32::try_from(self.ords.len()).map_err(|_| too_large())?;
        let mut sorted: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        sorted.sort_unstable();
        let mut dict = Vec::new();
        let mut dict_ends = Vec::with_capacity(sorted.len());
        let mut renumbered = vec![0u32; sorted.len()];
        for (ord, (text, number)) in sorted.iter().enumerate() {
            dict.extend_from_slice(text.as_bytes());
            dict_ends.push(u32::try_from(dict.len()).map_err(|_| too_large())?);
            renumbered[*number as usize] = ord as u32;
        }
        self.ords.iter_mut().for_each(|ord| *ord = renumbered[*ord as usize]);
        Ok(vec![
            (String::from("dict"), dict),
            (String::from("dict_ends"), array_bytes(&dict_ends)?),
            (String::from("ords"), array_bytes(&self.ords)?),
            (String::from("ord_ends"), array_bytes(&self.ends)?),
        ])
    }
}

/// An open keyword column.
pub(crate) struct Keywords {
    dict: Bytes,
    dict_ends: Array<u32>,
    ords: Array<u32>,
    ends: Array<u32>,
}

impl Keywords {
    /// Opens it; O(rows and distinct strings).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let column = Keywords {
            dict: source.section("dict")?,
            dict_ends: Array::open(source, "dict_ends")?,
            ords: Array::open(source, "ords")?,
            ends: Array::open_len(source, "ord_ends", rows.into())?,
        };
        check_ends("dict_ends", &column.dict_ends, column.dict.len())?;
        check_ends("ord_ends", &column.ends, column.ords.len())?;
        Ok(column)
    }

    /// The string of an ordinal.
    pub(crate) fn text(&self, ord: u32) -> &str {
        let at = ord as usize;
        let start = if at == 0 { 0 } else { self.dict_ends.get(at - 1).map_or(0, |e| *e as usize) };
        let end = self.dict_ends.get(at).map_or(0, |e| *e as usize);
        self.dict.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// How many distinct strings there are.
    pub(crate) fn distinct(&self) -> u32 {
        self.dict_ends.len() as u32
    }

    /// The first ordinal whose string is not below `text` (or not at or below, when `after`).
    pub(crate) fn bound(&self, text: &str, after: bool) -> u32 {
        let (mut low, mut high) = (0, self.distinct());
        while low < high {
            let middle = low + (high - low) / 2;
            let below = if after { self.text(middle) <= text } else { self.text(middle) < text };
            if below { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The ordinals of a row.
    pub(crate) fn ords(&self, row: u32) -> &[u32] {
        let at = row as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).map_or(0, |e| *e as usize) };
        let end = self.ends.get(at).map_or(0, |e| *e as usize);
        self.ords.get(start..end).unwrap_or_default()
    }

    /// The rows that have an ordinal which passes. Each distinct string is tested once.
    pub(crate) fn rows(&self, passes: impl Fn(u32) -> bool) -> Bitmap {
        let table: Vec<bool> = (0..self.distinct()).map(passes).collect();
        let passes = |ord: u32| table.get(ord as usize).copied().unwrap_or(false);
        let rows = self.ends.len() as u32;
        if self.single() {
            return passing(&self.ords, passes);
        }
        let mut found = Bitmap::new(rows);
        for row in 0..rows {
            if self.ords(row).iter().any(|ord| passes(*ord)) {
                found.set(row);
            }
        }
        found
    }

    /// Whether every row has exactly one string: then ordinals and rows are parallel.
    fn single(&self) -> bool {
        // A row without and a row with two could balance, so every end is looked at; the pass is vectorised.
        self.ords.len() == self.ends.len()
            && self.ends.iter().zip(1u32..).fold(true, |all, (end, row)| all & (*end == row))
    }
}

/// An open column of numbers.
pub(crate) enum Numbers {
    /// Integers, booleans and dates.
    Integers(Array<i64>),
    /// Floats.
    Floats(Array<f64>),
}

impl Numbers {
    /// Opens it; O(1).
    pub(crate) fn open(rows: u32, float: bool, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Ok(if float {
            Numbers::Floats(Array::open_len(source, "values", rows.into())?)
        } else {
            Numbers::Integers(Array::open_len(source, "values", rows.into())?)
        })
    }
}

/// The rows whose value passes.
pub(crate) fn passing<T: Copy>(values: &[T], passes: impl Fn(T) -> bool) -> Bitmap {
    let mut words = vec![0u64; values.len().div_ceil(64)];
    for (word, chunk) in words.iter_mut().zip(values.chunks(64)) {
        for (bit, value) in chunk.iter().enumerate() {
            *word |= u64::from(passes(*value)) << bit;
        }
    }
    // As many words as rows need: never refused.
    Bitmap::from_words(values.len() as u32, words).unwrap_or_else(|_| Bitmap::new(values.len() as u32))
}

/// Writes which rows have a field; nothing when all have it.
pub(crate) fn presence(present: &Bitmap) -> Result<Sections, IndexError> {
    if present.count() == present.len() {
        return Ok(Vec::new());
    }
    Ok(vec![(String::from("present"), array_bytes(present.words())?)])
}
