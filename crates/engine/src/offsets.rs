//! Where the rows of a batch begin, in one array beside their elements (CSR).

use crate::api::Array;
use crate::wire::{Code, TercetError};

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

/// Offsets into so many elements: from 0 on, ascending, to their end.
pub(crate) fn check_offsets(
    what: &str,
    offsets: &[u32],
    elements: usize,
    of: &str,
) -> Result<(), TercetError> {
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
