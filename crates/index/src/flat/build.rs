//! Vectors in, sections out.

use super::layout::{Codes, Form, Meta};
use super::lvq;
use super::query::spare;
use super::vectors::{reciprocal_length, term};
use crate::dense::{DenseInput, DenseSpec, DenseStream, Distance, EachVector, Work};
use crate::sections::reserved;
use crate::values::{Dtype, Values};
use crate::{IndexError, SectionSink, Sections};
use tercet_kernels::f32_to_f16;

/// The largest finite f16.
const HALF_MAX: f32 = 65_504.0;
/// Vectors between two reports of progress.
const REPORT: usize = 1_024;

pub(super) fn build(
    spec: &DenseSpec,
    input: &DenseInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let form = Form::of(spec)?;
    let count = check(spec, input)?;
    let elements = spec.dtype.elements(spec.dims);
    let mut sections = Sections::new();
    let mut beside = Beside::new(spec, form, count as usize)?;
    for slot in 0..count as usize {
        input.values.at(slot, elements).map(|vector| beside.push(vector)).transpose()?;
    }
    let mut halves = Vec::new();
    if form.kept.is_some() {
        sections.begin("values")?;
        sections.write(kept_bytes(form, input.values, &mut halves)?)?;
    }
    match form.codes {
        None => {}
        Some(Codes::Half) => {
            sections.begin("codes")?;
            sections.write(half_bytes(input.values, &mut halves)?)?;
        }
        Some(Codes::Lvq8 | Codes::Reduced) => {
            lvq::write(spec, &Given { input, elements }, count, &mut sections, work)?;
        }
    }
    beside.write(spec, form, (input.rows, count), input.present, &mut sections)?;
    Ok(sections)
}

/// The number of vectors, after checking their rows, their type and their components.
pub(crate) fn check(spec: &DenseSpec, input: &DenseInput<'_>) -> Result<u32, IndexError> {
    let count = check_rows(input)?;
    check_dtype(spec, input.values)?;
    let expected = u64::from(count) * spec.dtype.elements(spec.dims) as u64;
    if input.values.len() as u64 != expected {
        return Err(IndexError::shape("components of all vectors", expected, input.values.len() as u64));
    }
    Ok(count)
}

/// The same from a stream. Holds the rows and what stands beside the vectors.
pub(super) fn merge(
    spec: &DenseSpec,
    rows: u32,
    vectors: &dyn DenseStream,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let form = Form::of(spec)?;
    let mut beside = Beside::new(spec, form, 0)?;
    let (mut slots, mut halves): (Vec<u32>, Vec<u16>) = (Vec::new(), Vec::new());
    let passes = if form.codes.is_some() { 2 } else { 1 };
    let total = u64::from(rows) * passes;
    if form.kept.is_some() {
        sink.begin("values")?;
    }
    vectors.for_each(&mut |row, vector| {
        check_vector(spec, form, vector)?;
        if let Some(&after) = slots.last().filter(|&&after| after >= row) {
            return Err(IndexError::Order { what: "rows with a vector".into(), after, row });
        }
        if row >= rows {
            return Err(IndexError::shape("rows of the segment", rows.into(), u64::from(row) + 1));
        }
        slots.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 4 })?;
        slots.push(row);
        beside.push(vector)?;
        if slots.len().is_multiple_of(REPORT) {
            work.step(slots.len() as u64, total)?;
        }
        if form.kept.is_none() {
            return Ok(());
        }
        sink.write(kept_bytes(form, vector, &mut halves)?)
    })?;
    if form.codes == Some(Codes::Half) {
        let mut coded = 0usize;
        sink.begin("codes")?;
        vectors.for_each(&mut |_, vector| {
            check_vector(spec, form, vector)?;
            coded += 1;
            if coded.is_multiple_of(REPORT) {
                work.step(u64::from(rows) + coded as u64, total)?;
            }
            sink.write(half_bytes(vector, &mut halves)?)
        })?;
        if coded != slots.len() {
            return Err(IndexError::shape("vectors of the same stream", slots.len() as u64, coded as u64));
        }
    }
    if matches!(form.codes, Some(Codes::Lvq8 | Codes::Reduced)) {
        lvq::write(spec, vectors, slots.len() as u32, sink, work)?;
    }
    beside.write(spec, form, (rows, slots.len() as u32), Some(&slots), sink)
}

/// The vectors of a build as a stream.
struct Given<'a> {
    input: &'a DenseInput<'a>,
    /// Elements of a vector.
    elements: usize,
}

impl DenseStream for Given<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        let count = self.input.values.len() / self.elements.max(1);
        (0..count)
            .filter_map(|slot| self.input.values.at(slot, self.elements))
            .try_for_each(|vector| each(0, vector))
    }

    fn queries(&self) -> Option<Values<'_>> {
        self.input.queries
    }
}

/// What is kept of vectors, as bytes.
fn kept_bytes<'v>(form: Form, values: Values<'v>, halves: &'v mut Vec<u16>) -> Result<&'v [u8], IndexError> {
    if form.kept == Some(form.given) { Ok(values.as_bytes()) } else { half_bytes(values, halves) }
}

/// Floats rounded to f16. One that is finite must stay so.
fn half_bytes<'v>(values: Values<'v>, halves: &'v mut Vec<u16>) -> Result<&'v [u8], IndexError> {
    let Values::F32(values) = values else { return Ok(values.as_bytes()) };
    halves.clear();
    halves.try_reserve(values.len()).map_err(|_| IndexError::Memory { bytes: values.len() as u64 * 2 })?;
    halves.extend(values.iter().map(|&x| f32_to_f16(x)));
    let overflows = |(&x, &half): (&f32, &u16)| x.is_finite() && half & 0x7fff == 0x7c00;
    if values.iter().zip(&*halves).any(overflows) {
        return Err(IndexError::too_large("the size of a component as f16", HALF_MAX as u64));
    }
    Ok(bytemuck::cast_slice(halves))
}

/// What stands beside the vectors.
struct Beside {
    metric: Distance,
    norms: Option<Vec<f32>>,
    terms: Option<Vec<u32>>,
    /// The bits of a vector's last byte that must not be set.
    spare: u8,
    /// Whether lengths are those of the vectors rounded to f16.
    rounded: bool,
    half: Vec<u16>,
}

impl Beside {
    fn new(spec: &DenseSpec, form: Form, count: usize) -> Result<Self, IndexError> {
        let shape = form.shape(spec);
        let norms = shape.is_some_and(|shape| shape.norms());
        let terms = shape.is_some_and(|shape| shape.terms());
        Ok(Beside {
            metric: spec.metric,
            norms: norms.then(|| reserved(count)).transpose()?,
            terms: terms.then(|| reserved(count)).transpose()?,
            spare: if spec.dtype == Dtype::Bits { spare(spec.dims) } else { 0 },
            rounded: form.kept.is_some_and(|kept| kept != form.given),
            half: Vec::new(),
        })
    }

    fn push(&mut self, vector: Values<'_>) -> Result<(), IndexError> {
        let memory = |_| IndexError::Memory { bytes: 4 };
        if let Some(norms) = &mut self.norms {
            norms.try_reserve(1).map_err(memory)?;
            norms.push(match vector {
                Values::F32(values) if self.rounded => {
                    self.half.clear();
                    self.half.extend(values.iter().map(|&x| f32_to_f16(x)));
                    reciprocal_length(Values::F16(&self.half))
                }
                vector => reciprocal_length(vector),
            });
        }
        if let Some(terms) = &mut self.terms {
            terms.try_reserve(1).map_err(memory)?;
            terms.push(term(self.metric, vector));
        }
        if let Values::Bits(bytes) = vector
            && let Some(last) = bytes.last().filter(|&last| last & self.spare != 0)
        {
            return Err(IndexError::shape("bits past the last dimension", 0, u64::from(last & self.spare)));
        }
        Ok(())
    }

    /// Writes the sections after the vectors. `slots` are the rows of the vectors, if they are not all rows.
    fn write(
        self,
        spec: &DenseSpec,
        form: Form,
        (rows, count): (u32, u32),
        slots: Option<&[u32]>,
        sink: &mut dyn SectionSink,
    ) -> Result<(), IndexError> {
        let slots = slots.filter(|_| count != rows);
        if let Some(slots) = slots {
            sink.begin("rows")?;
            sink.write(bytemuck::cast_slice(slots))?;
        }
        if let Some(norms) = self.norms {
            sink.begin("norms")?;
            sink.write(bytemuck::cast_slice(&norms))?;
        }
        if let Some(terms) = self.terms {
            sink.begin("terms")?;
            sink.write(bytemuck::cast_slice(&terms))?;
        }
        sink.begin("meta")?;
        sink.write(&Meta { form, count, sparse: slots.is_some() }.bytes(spec)?)
    }
}

fn check_dtype(spec: &DenseSpec, values: Values<'_>) -> Result<(), IndexError> {
    if values.dtype() != spec.dtype {
        return Err(IndexError::Unsupported { what: "a vector of another type than its field's" });
    }
    Ok(())
}

fn check_vector(spec: &DenseSpec, form: Form, vector: Values<'_>) -> Result<(), IndexError> {
    // Vectors that were not kept come back from their codes as f32.
    if form.kept.is_some() || vector.dtype() != Dtype::F32 {
        check_dtype(spec, vector)?;
    }
    let elements = spec.dtype.elements(spec.dims);
    if vector.len() != elements {
        return Err(IndexError::shape("components of a vector", elements as u64, vector.len() as u64));
    }
    Ok(())
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
