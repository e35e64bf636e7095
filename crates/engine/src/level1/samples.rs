//! Sample queries: what axes are taught by, kept with the index so that later merges are taught the same.

use std::sync::Arc;

use tercet_index::{SectionSource, Values};

use super::spec::{Dense, Vectors};
use crate::wire::{Code, TercetError};

/// The section of a file that holds them: f32, one after the other.
pub(super) const SECTION: &str = "samples";
/// The most that are kept; of more, some at even distances. They take a mebibyte or two at usual dimensions.
const KEPT_MAX: usize = 1_024;

/// Queries as f32, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Option<Arc<[f32]>>);

impl Samples {
    /// Takes in queries that were given, checked already.
    pub(super) fn new(spec: &Dense, given: Option<Vectors<'_>>) -> Result<Self, TercetError> {
        let Some(given) = given.filter(|given| given.count > 0) else { return Ok(Samples(None)) };
        if !spec.is_taught() {
            let message = "sample queries teach `reduce: { kind: \"leanvec\" }` only, which this index does not ask for";
            return Err(TercetError::new(Code::Argument, message)
                .field("queries")
                .expected("reduce of kind leanvec", "queries without it"));
        }
        let kept = (given.count as usize).min(KEPT_MAX);
        let (mut all, mut one) = (Vec::with_capacity(kept * given.elements), Vec::new());
        for at in 0..kept {
            let place = at * given.count as usize / kept;
            if let Some(values) = given.at(place as u32) {
                values.write_f32(&mut one);
                all.extend_from_slice(&one);
            }
        }
        Ok(Samples(Some(all.into())))
    }

    /// Those of a file; `None` where they are no queries of such an index.
    pub(super) fn open(
        spec: &Dense,
        source: &dyn SectionSource,
    ) -> Result<Option<Self>, tercet_index::IndexError> {
        let array = tercet_index::Array::<f32>::open(source, SECTION)?;
        let values = array.all()?;
        let dims = spec.dims as usize;
        let sound = values.len().is_multiple_of(dims)
            && values.len() <= KEPT_MAX * dims
            && values.iter().all(|x| x.is_finite())
            && spec.is_taught();
        Ok(sound.then(|| Samples(Some(values.into()))))
    }

    /// As the index crate takes them.
    pub(super) fn values(&self) -> Option<Values<'_>> {
        self.0.as_deref().map(Values::F32)
    }

    /// As a section.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref().map(|values| Values::F32(values).as_bytes())
    }
}
