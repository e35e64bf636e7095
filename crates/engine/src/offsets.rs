//! Where the rows of a batch begin, in one array beside their elements (CSR).

use crate::api::Array;
use crate::wire::{Code, TercetError};
use std::ops::Range;

/// An array of row numbers, offsets or the like.
pub(crate) fn integers<'a>(array: Option<&'a Array>, what: &str) -> Result<&'a [u32], TercetError> {
    match array {
        Some(Array::U32(values)) => Ok(values),
        _ => Err(wrong_array(what, "a Uint32Array")),
    }
}

/// An array of components or weights.
pub(crate) fn floats<'a>(array: Option<&'a Array>, what: &str) -> Result<&'a [f32], TercetError> {
    match array {
        Some(Array::F32(values)) => Ok(values),
        _ => Err(wrong_array(what, "a Float32Array")),
    }
}

fn wrong_array(what: &str, expected: &str) -> TercetError {
    TercetError::new(Code::Type, format!("{what} must come as {expected}"))
        .field(what)
        .expected(expected, "another array or none")
}

/// Where rows begin and end: row `r` has the elements from number `r` to number `r + 1` of these.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets<'a>(&'a [u32]);

impl<'a> Offsets<'a> {
    /// Of no rows.
    pub(crate) const NONE: Self = Offsets(&[0]);

    /// Offsets into so many elements, named by `of`: from 0 on, ascending, to their end.
    pub(crate) fn checked(
        what: &str,
        offsets: &'a [u32],
        elements: usize,
        of: &str,
    ) -> Result<Self, TercetError> {
        check(what, offsets, elements, of).map(|()| Offsets(offsets))
    }

    /// How many rows there are.
    pub(crate) fn rows(self) -> u32 {
        self.0.len().saturating_sub(1) as u32
    }

    /// The elements of a row; none of a row that there is not.
    pub(crate) fn range(self, row: u32) -> Range<usize> {
        let at = |row: usize| self.0.get(row).map(|at| *at as usize);
        let row = row as usize;
        at(row).zip(at(row + 1)).map_or(0..0, |(from, end)| from..end)
    }

    /// The elements of every row.
    pub(crate) fn each(self) -> impl Iterator<Item = Range<usize>> + 'a {
        self.0.windows(2).map(|pair| pair[0] as usize..pair[1] as usize)
    }

    /// Up to `count` rows from `place` on, of the same elements.
    pub(crate) fn part(self, place: u32, count: u32) -> Self {
        let from = place.min(self.rows());
        let end = from.saturating_add(count).min(self.rows());
        Offsets(&self.0[from as usize..=end as usize])
    }

    /// The elements of all rows, and where each row ends among them.
    pub(crate) fn ends(self) -> (Range<usize>, Vec<u64>) {
        let base = self.0.first().copied().unwrap_or(0);
        let end = self.0.last().copied().unwrap_or(base);
        (base as usize..end as usize, self.0.iter().skip(1).map(|end| u64::from(end - base)).collect())
    }
}

fn check(what: &str, offsets: &[u32], elements: usize, of: &str) -> Result<(), TercetError> {
    let wrong = |rule: String, found: String| {
        let message = format!("the offsets of {what} must {rule}, found {found}");
        Err(TercetError::new(Code::Argument, message).field("offsets").expected(rule, found))
    };
    if offsets.first() != Some(&0) {
        let found = offsets.first().map_or_else(|| String::from("none"), u32::to_string);
        return wrong(String::from("begin with 0"), found);
    }
    if let Some(at) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
        return wrong(String::from("ascend"), format!("{} before {}", offsets[at], offsets[at + 1]));
    }
    match offsets.last() {
        Some(&last) if last as usize == elements => Ok(()),
        last => {
            let found = last.map_or_else(String::new, u32::to_string);
            wrong(format!("end with {elements}, the number of {of}"), found)
        }
    }
}

/// The error of a row of a batch.
pub(crate) fn at_row(error: TercetError, row: u32) -> TercetError {
    let mut error = error.position(row.into());
    error.0.message = format!("row {row}: {}", error.0.message);
    error
}
