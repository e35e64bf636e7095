//! Where the vectors of lists come from.

use crate::IndexError;
use crate::values::Values;

/// Calls back with vectors.
pub(super) type Each<'e> = dyn FnMut(usize, &[f32]) -> Result<(), IndexError> + 'e;

/// Vectors that come one after the other, as often as they are asked for.
pub(super) trait Source {
    fn count(&self) -> usize;
    /// Calls back with the slot and the components of each.
    fn visit(&self, each: &mut Each<'_>) -> Result<(), IndexError>;
    /// Sample queries, one after the other, for what is fitted to them as well.
    fn queries(&self) -> Option<Values<'_>>;
}

/// Vectors in one array.
pub(super) struct Given<'a> {
    pub(super) values: Values<'a>,
    pub(super) elements: usize,
    pub(super) queries: Option<Values<'a>>,
}

impl Source for Given<'_> {
    fn queries(&self) -> Option<Values<'_>> {
        self.queries
    }

    fn count(&self) -> usize {
        self.values.len() / self.elements.max(1)
    }

    fn visit(&self, each: &mut Each<'_>) -> Result<(), IndexError> {
        let mut vector = Vec::new();
        for at in 0..self.count() {
            match self.values.at(at, self.elements) {
                Some(Values::F32(values)) => each(at, values)?,
                Some(values) => {
                    values.write_f32(&mut vector);
                    each(at, &vector)?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Refuses more vectors than entries can be numbered.
pub(super) fn check_count(count: usize) -> Result<(), IndexError> {
    const MOST: usize = 1 << 30;
    if count >= MOST {
        return Err(IndexError::too_large("vectors of an inverted file", MOST as u64 - 1));
    }
    Ok(())
}
