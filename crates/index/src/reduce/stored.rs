//! A reduction as sections, and back.

use super::{DIMS_MAX, Projection, Reduction};
use crate::sections::{array_bytes, reserved};
use crate::{Array, IndexError, SectionSink, SectionSource, Sections};

const VERSION: u32 = 1;
const NONE: u32 = 0;
const PREFIX: u32 = 1;
const PCA: u32 = 2;

const HEADER: &str = "reduction";
const MEAN: &str = "mean";
const AXES: &str = "axes";

impl Reduction {
    /// Its sections, for vectors of `dims` components.
    pub fn sections(&self, dims: usize) -> Result<Sections, IndexError> {
        let mut sections = vec![(HEADER.to_owned(), array_bytes(&self.header(dims))?)];
        if let Reduction::Pca(projection) = self {
            sections.push((MEAN.to_owned(), array_bytes(&projection.mean)?));
            sections.push((AXES.to_owned(), array_bytes(&projection.matrix)?));
        }
        Ok(sections)
    }

    /// Writes the same to a sink.
    pub fn write(&self, dims: usize, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        sink.begin(HEADER)?;
        sink.write(bytemuck::cast_slice(&self.header(dims)))?;
        if let Reduction::Pca(projection) = self {
            sink.begin(MEAN)?;
            sink.write(bytemuck::cast_slice(&projection.mean))?;
            sink.begin(AXES)?;
            sink.write(bytemuck::cast_slice(&projection.matrix))?;
        }
        Ok(())
    }

    /// Reads the sections back, for vectors of `dims` components; every byte is checked and copied. Cost: a pass over
    /// them.
    pub fn open(source: &dyn SectionSource, dims: usize) -> Result<Self, IndexError> {
        let header = Array::<u32>::open(source, HEADER)?;
        let &[version, kind, of, reduced, kept] = header.all()? else {
            return Err(header.corrupt(format!("expected 5 elements, found {}", header.len())));
        };
        if version != VERSION {
            return Err(IndexError::Version { section: HEADER.into(), found: version, supported: VERSION });
        }
        if of as usize != dims || dims > DIMS_MAX {
            return Err(header.corrupt(format!("reduces {of} dimensions of {dims}")));
        }
        if reduced == 0 || reduced > of || (kind == NONE && reduced != of) {
            return Err(header.corrupt(format!("{of} dimensions reduced to {reduced}")));
        }
        let kept = f32::from_bits(kept);
        if !(0.0..=1.0).contains(&kept) {
            return Err(header.corrupt(format!("a share of {kept}")));
        }
        match kind {
            NONE => Ok(Reduction::None),
            PREFIX => Ok(Reduction::Prefix { reduced: reduced as usize }),
            PCA => {
                let mean = finite(source, MEAN, of.into())?;
                let matrix = finite(source, AXES, u64::from(of) * u64::from(reduced))?;
                Ok(Reduction::Pca(Projection { mean, matrix, dims, reduced: reduced as usize, kept }))
            }
            _ => Err(header.corrupt(format!("unknown kind {kind}"))),
        }
    }

    fn header(&self, dims: usize) -> [u32; 5] {
        let (kind, kept) = match self {
            Reduction::None => (NONE, 1.0),
            // How much a prefix keeps depends on how the embedding was trained, not on a sample.
            Reduction::Prefix { .. } => (PREFIX, 1.0),
            Reduction::Pca(projection) => (PCA, projection.kept),
        };
        [VERSION, kind, dims as u32, self.reduced(dims) as u32, f32::to_bits(kept)]
    }
}

/// All elements of an array that must hold `len` finite ones.
fn finite(source: &dyn SectionSource, name: &str, len: u64) -> Result<Vec<f32>, IndexError> {
    let array = Array::<f32>::open_len(source, name, len)?;
    let elements = array.all()?;
    if let Some(at) = elements.iter().position(|element| !element.is_finite()) {
        return Err(array.corrupt(format!("element {at} is not finite")));
    }
    let mut held = reserved(elements.len())?;
    held.extend_from_slice(elements);
    Ok(held)
}
