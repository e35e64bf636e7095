//! Vectors in, sections out.

use super::{FLAG_NORMS, FLAG_ROWS, VERSION};
use crate::dense::{DenseInput, DenseSpec, DenseStream, Distance, Work};
use crate::sections::{array_bytes, reserved};
use crate::values::Values;
use crate::{IndexError, SectionSink, Sections};

pub(super) fn build(
    spec: &DenseSpec,
    input: &DenseInput<'_>,
    _work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let values = floats(input.values)?;
    let dims = checked_dims(spec)?;
    let count = check_rows(input)?;
    let expected = u64::from(count) * u64::from(dims);
    if values.len() as u64 != expected {
        return Err(IndexError::shape("components of all vectors", expected, values.len() as u64));
    }
    let sparse = input.present.filter(|_| count != input.rows);
    let mut flags = 0;
    let mut sections = vec![("values".to_owned(), array_bytes(values)?)];
    if let Some(rows) = sparse {
        flags |= FLAG_ROWS;
        sections.push(("rows".to_owned(), array_bytes(rows)?));
    }
    if spec.metric == Distance::Cosine {
        flags |= FLAG_NORMS;
        let mut norms = reserved(count as usize)?;
        norms.extend(values.chunks_exact(spec.dims).map(reciprocal_length));
        sections.push(("norms".to_owned(), array_bytes(&norms)?));
    }
    sections.push(("meta".to_owned(), array_bytes(&[VERSION, dims, count, flags])?));
    Ok(sections)
}

/// The same from a stream. Holds the rows and the reciprocal lengths.
pub(super) fn merge(
    spec: &DenseSpec,
    rows: u32,
    vectors: &dyn DenseStream,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let dims = checked_dims(spec)?;
    let cosine = spec.metric == Distance::Cosine;
    let (mut slots, mut norms): (Vec<u32>, Vec<f32>) = (Vec::new(), Vec::new());
    sink.begin("values")?;
    vectors.for_each(&mut |row, vector| {
        let vector = floats(vector)?;
        if vector.len() != spec.dims {
            return Err(IndexError::shape("components of a vector", dims.into(), vector.len() as u64));
        }
        if let Some(&after) = slots.last().filter(|&&after| after >= row) {
            return Err(IndexError::Order { what: "rows with a vector".into(), after, row });
        }
        if row >= rows {
            return Err(IndexError::shape("rows of the segment", rows.into(), u64::from(row) + 1));
        }
        let memory = |_| IndexError::Memory { bytes: 4 };
        slots.try_reserve(1).map_err(memory)?;
        slots.push(row);
        if cosine {
            norms.try_reserve(1).map_err(memory)?;
            norms.push(reciprocal_length(vector));
        }
        if slots.len().is_multiple_of(1_024) {
            work.step(slots.len() as u64, rows.into())?;
        }
        sink.write(bytemuck::cast_slice(vector))
    })?;
    let count = slots.len() as u32;
    let mut flags = 0;
    if count != rows {
        flags |= FLAG_ROWS;
        sink.begin("rows")?;
        sink.write(bytemuck::cast_slice(&slots))?;
    }
    if cosine {
        flags |= FLAG_NORMS;
        sink.begin("norms")?;
        sink.write(bytemuck::cast_slice(&norms))?;
    }
    sink.begin("meta")?;
    sink.write(bytemuck::cast_slice(&[VERSION, dims, count, flags]))
}

/// Vectors of another type are not kept yet.
fn floats(values: Values<'_>) -> Result<&[f32], IndexError> {
    match values {
        Values::F32(values) => Ok(values),
        other => Err(IndexError::Unsupported { what: other.dtype().name() }),
    }
}

pub(super) fn checked_dims(spec: &DenseSpec) -> Result<u32, IndexError> {
    if spec.dims == 0 {
        return Err(IndexError::shape("dimensions of a vector", 1, 0));
    }
    u32::try_from(spec.dims).map_err(|_| IndexError::too_large("dimensions of a vector", u32::MAX.into()))
}

/// The number of vectors, after checking that their rows ascend below the segment's length.
fn check_rows(input: &DenseInput<'_>) -> Result<u32, IndexError> {
    let Some(rows) = input.present else { return Ok(input.rows) };
    for pair in rows.windows(2) {
        if pair[0] >= pair[1] {
            return Err(IndexError::Order {
                what: "rows with a vector".into(),
                after: pair[0],
                row: pair[1],
            });
        }
    }
    match rows.last() {
        Some(&last) if last >= input.rows => {
            Err(IndexError::shape("rows of the segment", input.rows.into(), u64::from(last) + 1))
        }
        // Strictly ascending below a u32: their number is one too.
        _ => Ok(rows.len() as u32),
    }
}

/// 1 / |v|, summed in f64 so that no finite vector overflows or vanishes; 0 for the zero vector. Clamped to
/// the finite, for the sake of vectors of denormal length.
pub(super) fn reciprocal_length(vector: &[f32]) -> f32 {
    let length = length(vector);
    if length > 0.0 { ((1.0 / length) as f32).min(f32::MAX) } else { 0.0 }
}

pub(super) fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}
