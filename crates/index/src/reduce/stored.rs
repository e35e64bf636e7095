//! A reduction as sections, and back.

use super::{DIMS_MAX, Pair, Projection, Reduction, UnitPrefix};
use crate::sections::reserved;
use crate::{Array, IndexError, SectionSink, SectionSource, Sections};

const VERSION: u32 = 1;
const NONE: u32 = 0;
const PREFIX: u32 = 1;
const PCA: u32 = 2;
const LEANVEC: u32 = 3;
const UNIT_PREFIX: u32 = 4;
const TURNED_PREFIX: u32 = 5;

const HEADER: &str = "reduction";
const MEAN: &str = "mean";
const AXES: &str = "axes";
const QUERY_MEAN: &str = "query_mean";
const QUERY_AXES: &str = "query_axes";

impl Reduction {
    /// Its sections, for vectors of `dims` components.
    pub fn sections(&self, dims: usize) -> Result<Sections, IndexError> {
        let mut sections = Sections::new();
        self.write(dims, &mut sections)?;
        Ok(sections)
    }

    /// Writes them to a sink.
    pub fn write(&self, dims: usize, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        let mut section = |name: &str, bytes: &[u8]| {
            sink.begin(name)?;
            sink.write(bytes)
        };
        section(HEADER, bytemuck::cast_slice(&self.header(dims)))?;
        match self {
            Reduction::None | Reduction::Prefix { .. } => {}
            Reduction::Pca(projection) | Reduction::LeanVec(Pair { data: projection, .. }) => {
                section(MEAN, bytemuck::cast_slice(&projection.mean))?;
                section(AXES, bytemuck::cast_slice(&projection.matrix))?;
            }
            Reduction::UnitPrefix(prefix) => {
                section(MEAN, bytemuck::cast_slice(&[&[prefix.length], &*prefix.mean].concat()))?;
                if let Some(turn) = &prefix.turn {
                    section(AXES, bytemuck::cast_slice(&turn.matrix))?;
                }
            }
        }
        if let Reduction::LeanVec(pair) = self {
            section(QUERY_MEAN, bytemuck::cast_slice(&pair.queries.mean))?;
            section(QUERY_AXES, bytemuck::cast_slice(&pair.queries.matrix))?;
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
            PCA | LEANVEC => {
                let components = u64::from(of) * u64::from(reduced);
                let reduced = reduced as usize;
                let mean = finite(source, MEAN, of.into())?;
                let data =
                    Projection { mean, matrix: finite(source, AXES, components)?, dims, reduced, kept };
                if kind == PCA {
                    return Ok(Reduction::Pca(data));
                }
                let matrix = finite(source, QUERY_AXES, components)?;
                let mean = finite(source, QUERY_MEAN, of.into())?;
                let queries = Projection { mean, matrix, dims, reduced, kept };
                Ok(Reduction::LeanVec(Pair { data, queries }))
            }
            UNIT_PREFIX => {
                let mut mean = finite(source, MEAN, u64::from(reduced) + 1)?;
                let length = mean.remove(0);
                Ok(Reduction::UnitPrefix(UnitPrefix { mean, length, turn: None }))
            }
            TURNED_PREFIX => Self::open_turned(source, dims, reduced as usize),
            _ => Err(header.corrupt(format!("unknown kind {kind}"))),
        }
    }

    /// A prefix of length 1 of as many components as its section says, turned.
    fn open_turned(source: &dyn SectionSource, dims: usize, reduced: usize) -> Result<Self, IndexError> {
        let array = Array::<f32>::open(source, MEAN)?;
        let first = array.len().saturating_sub(1);
        if first < reduced || first > dims {
            return Err(
                array.corrupt(format!("a prefix of {first} of {dims} components, turned to {reduced}"))
            );
        }
        let mut mean = finite(source, MEAN, first as u64 + 1)?;
        let length = mean.remove(0);
        let matrix = finite(source, AXES, first as u64 * reduced as u64)?;
        let turn = Projection { mean: vec![0.0; first], matrix, dims: first, reduced, kept: 1.0 };
        Ok(Reduction::UnitPrefix(UnitPrefix { mean, length, turn: Some(turn) }))
    }

    fn header(&self, dims: usize) -> [u32; 5] {
        let (kind, kept) = match self {
            Reduction::None => (NONE, 1.0),
            // How much a prefix keeps depends on how the embedding was trained, not on a sample.
            Reduction::Prefix { .. } => (PREFIX, 1.0),
            Reduction::UnitPrefix(prefix) if prefix.turn.is_some() => (TURNED_PREFIX, 1.0),
            Reduction::UnitPrefix(_) => (UNIT_PREFIX, 1.0),
            Reduction::Pca(projection) => (PCA, projection.kept),
            Reduction::LeanVec(pair) => (LEANVEC, pair.data.kept),
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
