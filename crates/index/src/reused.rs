//! What a merge builds on: the part of its own kind that brings the most vectors, and where they go.

use crate::IndexError;
use crate::dense::{DenseReader, DenseStream};
use crate::section::Array;
use crate::sections::reserved;

/// No old number.
pub(crate) const NONE: u32 = u32::MAX;

/// What was built for one of the parts of a merge.
pub(crate) struct Largest<'a, S> {
    /// The part's graph or lists.
    pub(crate) stage: &'a S,
    /// Its rows that are kept, ascending, each with its row in the merged segment.
    pub(crate) kept: Vec<(u32, u32)>,
    /// Vectors that all parts bring.
    pub(crate) total: usize,
}

/// The part with the most vectors among those that have what `stage_of` looks for; the first of equals.
pub(crate) fn largest<'a, S>(
    vectors: &'a dyn DenseStream,
    stage_of: impl Fn(&'a dyn DenseReader) -> Option<&'a S>,
) -> Option<Largest<'a, S>> {
    let mut best: Option<(&S, Vec<(u32, u32)>)> = None;
    let mut total = 0;
    for source in vectors.sources() {
        let kept: Vec<(u32, u32)> = source.kept.collect();
        total += kept.len();
        let Some(stage) = stage_of(source.reader) else { continue };
        if best.as_ref().is_none_or(|(_, most)| kept.len() > most.len()) {
            best = Some((stage, kept));
        }
    }
    best.map(|(stage, kept)| Largest { stage, kept, total })
}

/// Of each of `rows` new rows the old number, by `number_of` the old slot; [`NONE`] where the row comes from elsewhere or
/// has none. `slots`: the rows of the old slots; `None` when they are the same.
pub(crate) fn old_numbers(
    rows: u32,
    kept: &[(u32, u32)],
    slots: Option<&Array<u32>>,
    number_of: impl Fn(u32) -> Option<u32>,
) -> Result<Vec<u32>, IndexError> {
    let mut numbers: Vec<u32> = reserved(rows as usize)?;
    numbers.resize(rows as usize, NONE);
    let slots = slots.map(Array::all).transpose()?;
    for &(old, new) in kept {
        let slot = match slots {
            None => Some(old),
            Some(slots) => slots.binary_search(&old).ok().map(|at| at as u32),
        };
        if let (Some(number), Some(place)) = (slot.and_then(&number_of), numbers.get_mut(new as usize)) {
            *place = number;
        }
    }
    Ok(numbers)
}
