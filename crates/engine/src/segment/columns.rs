//! Columns for filters: numbers as they are, keywords as a sorted dictionary and ordinals.
//!
//! Sections under `field/<name>/`: numbers `values` (i64 or f64 a row, 0 where absent); keywords `dict` (the strings
//! one after the other, in byte order), `dict_ends` u32, `ords` u32, `ord_ends` u32 a row. Absence is kept beside every
//! kind of field in `present` (a bitmap of u64 words), written only when some row lacks the field.

use std::collections::HashMap;

use tercet_index::{Array, Bitmap, IndexError, Section, SectionSource, Sections, array_bytes};

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
    dict: Section,
    dict_ends: Array<u32>,
    ords: Array<u32>,
    ends: Array<u32>,
}

impl Keywords {
    /// Opens it; O(1).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Ok(Keywords {
            dict: source.section("dict")?,
            dict_ends: Array::open(source, "dict_ends")?,
            ords: Array::open(source, "ords")?,
            ends: Array::open_len(source, "ord_ends", rows.into())?,
        })
    }

    /// Checks that all parts divide the whole. O(rows and distinct strings).
    pub(super) fn verify_ends(&self) -> Result<(), IndexError> {
        self.dict_ends.verify_ends(self.dict.len())?;
        self.ends.verify_ends(self.ords.len())
    }

    /// Checks all that opening does not.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        self.verify_ends()?;
        if self.ords.all()?.iter().any(|ord| *ord >= self.distinct()) {
            return Err(self.ords.corrupt(format!("an ordinal above {}", self.distinct())));
        }
        let mut before = None;
        for ord in 0..self.distinct() {
            let text = self.text(ord)?;
            if before.is_some_and(|before| before >= text) {
                return Err(self.dict.corrupt(format!("string {ord} is not above the one before")));
            }
            before = Some(text);
        }
        Ok(())
    }

    /// The string of an ordinal.
    pub(crate) fn text(&self, ord: u32) -> Result<&str, IndexError> {
        let bytes = self.dict.get(self.dict_ends.part(ord as usize)?)?;
        std::str::from_utf8(bytes).map_err(|e| self.dict.corrupt(format!("string {ord}: {e}")))
    }

    /// How many distinct strings there are.
    pub(crate) fn distinct(&self) -> u32 {
        self.dict_ends.len() as u32
    }

    /// The first ordinal whose string is not below `text` (or not at or below, when `after`).
    pub(crate) fn bound(&self, text: &str, after: bool) -> Result<u32, IndexError> {
        let (mut low, mut high) = (0, self.distinct());
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.text(middle)?;
            let below = if after { found <= text } else { found < text };
            if below { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// All ordinals, and where those of each row end.
    pub(super) fn parts(&self) -> Result<(&[u32], &[u32]), IndexError> {
        Ok((self.ords.all()?, self.ends.all()?))
    }

    /// An error about the ordinals of a row.
    pub(super) fn bad_row(&self, row: u32) -> IndexError {
        self.ends.corrupt(format!("the ordinals of row {row}"))
    }

    /// The rows that have an ordinal which passes. Each distinct string is tested once.
    pub(crate) fn rows(&self, passes: impl Fn(u32) -> bool) -> Result<Bitmap, IndexError> {
        let table: Vec<bool> = (0..self.distinct()).map(passes).collect();
        let passes = |ord: u32| table.get(ord as usize).copied().unwrap_or(false);
        let (ords, ends) = self.parts()?;
        if single(ords, ends) {
            return Ok(passing(ords, passes));
        }
        let mut found = Bitmap::new(ends.len() as u32);
        let mut start = 0;
        for (row, end) in (0u32..).zip(ends) {
            let of_row = ords.get(start as usize..*end as usize).ok_or_else(|| self.bad_row(row))?;
            if of_row.iter().any(|ord| passes(*ord)) {
                found.set(row);
            }
            start = *end;
        }
        Ok(found)
    }
}

/// Whether every row has exactly one string: then ordinals and rows are parallel.
fn single(ords: &[u32], ends: &[u32]) -> bool {
    // A row without and a row with two could balance, so every end is looked at; the pass is vectorised.
    ords.len() == ends.len() && ends.iter().zip(1u32..).fold(true, |all, (end, row)| all & (*end == row))
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

impl Numbers {
    /// Checks all that opening does not.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        match self {
            Numbers::Integers(values) => values.all().map(drop),
            Numbers::Floats(values) => values.all().map(drop),
        }
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
