//! What a file says about itself, and what a schema asks for.
//!
//! ```text
//! version 1: u32 x 4   1, dims, vectors, flags                               f32 as they are, no codes
//! version 2: u32 x 8   2, dims, vectors, flags, given, kept, codes, 0        everything else
//! ```
//! `given` and `kept` are places in [`Dtype::ALL`], `kept` [`NOTHING`] where only codes are there.

use crate::dense::{Codec, DenseSpec, Distance, Reduce};
use crate::sections::array_bytes;
use crate::values::Dtype;
use crate::{Array, IndexError, SectionSource};

const PLAIN: u32 = 1;
const TYPED: u32 = 2;
const NOTHING: u32 = u32::MAX;

const ROWS: u32 = 1;
const NORMS: u32 = 2;
const TERMS: u32 = 4;

/// The most components of a vector of integers or bits: sums over them stay below 2^32.
const DIMS_INTEGER: u32 = 65_535;

/// The vectors of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Components of a vector.
    pub(super) dims: usize,
    /// Their type where they lie.
    pub(super) dtype: Dtype,
    /// How they are compared.
    pub(super) metric: Distance,
}

impl Shape {
    /// Elements of a vector's array.
    pub(super) fn elements(self) -> usize {
        self.dtype.elements(self.dims)
    }

    /// Whether reciprocal lengths stand beside the vectors.
    pub(super) fn norms(self) -> bool {
        self.metric == Distance::Cosine
    }

    /// Whether a sum over each vector stands beside them: integers are multiplied as codes less a middle.
    pub(super) fn terms(self) -> bool {
        match self.dtype {
            Dtype::U8 => true,
            Dtype::I8 => self.metric == Distance::L2,
            _ => false,
        }
    }
}

/// Codes that are scanned before the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codes {
    /// The vectors as f16.
    Half,
    /// 8 bits a component (`lvq.rs`).
    Lvq8,
    /// 8 bits a component of the reduced vector.
    Reduced,
}

/// What is stored of the vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The type in which they come and go.
    pub(super) given: Dtype,
    /// The type in which they are kept; `None`: they are not.
    pub(super) kept: Option<Dtype>,
    /// The codes in front of them.
    pub(super) codes: Option<Codes>,
}

impl Form {
    /// What a schema asks for. A codec that is no smaller than the vectors leaves them as they are.
    pub(super) fn of(spec: &DenseSpec) -> Result<Form, IndexError> {
        checked_dims(spec)?;
        let given = spec.dtype;
        let plain = Form { given, kept: Some(given), codes: None };
        let reduced = !matches!(spec.options.reduce, Reduce::Auto | Reduce::None);
        Ok(match (spec.options.codec, given) {
            (Codec::Auto | Codec::Lvq8, Dtype::F32 | Dtype::F16) if reduced => {
                if !spec.options.keep {
                    return Err(IndexError::Unsupported { what: "reduced vectors without whole ones" });
                }
                Form { codes: Some(Codes::Reduced), ..plain }
            }
            (Codec::F16, Dtype::F32) if spec.options.keep => Form { codes: Some(Codes::Half), ..plain },
            (Codec::F16, Dtype::F32) => Form { kept: Some(Dtype::F16), ..plain },
            (Codec::Auto | Codec::F32 | Codec::F16, _) => plain,
            (Codec::Lvq8, Dtype::F32 | Dtype::F16) => {
                Form { given, kept: spec.options.keep.then_some(given), codes: Some(Codes::Lvq8) }
            }
            (Codec::Lvq4x8, Dtype::F32 | Dtype::F16) => {
                return Err(IndexError::Unsupported { what: "codes of 4 bits" });
            }
            (Codec::Lvq8 | Codec::Lvq4x8, _) => plain,
            (Codec::Pq { .. } | Codec::RaBitQ { .. } | Codec::Binary, _) => {
                return Err(IndexError::Unsupported { what: "a codec for lists" });
            }
        })
    }

    /// Whether the first version of the layout says it all.
    fn is_plain(self) -> bool {
        self == Form { given: Dtype::F32, kept: Some(Dtype::F32), codes: None }
    }

    /// The vectors that `values` holds.
    pub(super) fn shape(self, spec: &DenseSpec) -> Option<Shape> {
        self.kept.map(|dtype| Shape { dims: spec.dims, dtype, metric: spec.metric })
    }
}

/// The section `meta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) form: Form,
    /// Vectors.
    pub(super) count: u32,
    /// Whether some rows have none.
    pub(super) sparse: bool,
}

impl Meta {
    fn flags(self, spec: &DenseSpec) -> u32 {
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let shape = self.form.shape(spec);
        flag(self.sparse, ROWS)
            | flag(shape.is_some_and(Shape::norms), NORMS)
            | flag(shape.is_some_and(Shape::terms), TERMS)
    }

    pub(super) fn bytes(self, spec: &DenseSpec) -> Result<Vec<u8>, IndexError> {
        let (dims, flags) = (checked_dims(spec)?, self.flags(spec));
        if self.form.is_plain() {
            return array_bytes(&[PLAIN, dims, self.count, flags]);
        }
        let place =
            |dtype: Dtype| Dtype::ALL.iter().position(|&one| one == dtype).map_or(NOTHING, |at| at as u32);
        let codes = match self.form.codes {
            None => 0,
            Some(Codes::Half) => 1,
            Some(Codes::Lvq8) => 2,
            Some(Codes::Reduced) => 3,
        };
        let (given, kept) = (place(self.form.given), self.form.kept.map_or(NOTHING, place));
        array_bytes(&[TYPED, dims, self.count, flags, given, kept, codes, 0])
    }

    /// Reads it and holds it against the schema and the segment. What codes there are the file alone says.
    pub(super) fn open(spec: &DenseSpec, rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let dims = checked_dims(spec)?;
        let meta = Array::<u32>::open(source, "meta")?;
        let plain = Form { given: Dtype::F32, kept: Some(Dtype::F32), codes: None };
        let (stored_dims, count, flags, form) = match *meta.all()? {
            [PLAIN, dims, count, flags] => (dims, count, flags, Some(plain)),
            [TYPED, dims, count, flags, given, kept, codes, 0] => {
                (dims, count, flags, form(given, kept, codes))
            }
            [found, ..] if found != PLAIN && found != TYPED => {
                return Err(IndexError::Version { section: "meta".into(), found, supported: TYPED });
            }
            _ => return Err(meta.corrupt(format!("{} numbers", meta.len()))),
        };
        let form = form.filter(|form| form.given == spec.dtype);
        let form = form.ok_or_else(|| meta.corrupt(format!("not of vectors of {}", spec.dtype.name())))?;
        let this = Meta { form, count, sparse: flags & ROWS != 0 };
        if stored_dims != dims || flags != this.flags(spec) {
            let found =
                format!("dims {stored_dims} and flags {flags} do not fit {dims} dims, {:?}", spec.metric);
            return Err(meta.corrupt(found));
        }
        if count > rows || (!this.sparse && count != rows) {
            return Err(meta.corrupt(format!("{count} vectors in a segment of {rows} rows")));
        }
        Ok(this)
    }
}

/// What is stored, from its numbers; `None` for what no build writes.
fn form(given: u32, kept: u32, codes: u32) -> Option<Form> {
    let given = *Dtype::ALL.get(given as usize)?;
    let kept = if kept == NOTHING { None } else { Some(*Dtype::ALL.get(kept as usize)?) };
    let codes = match codes {
        0 => None,
        1 => Some(Codes::Half),
        2 => Some(Codes::Lvq8),
        3 => Some(Codes::Reduced),
        _ => return None,
    };
    let sound = match codes {
        None => kept == Some(given) || (given == Dtype::F32 && kept == Some(Dtype::F16)),
        Some(Codes::Half) => given == Dtype::F32 && kept == Some(given),
        Some(Codes::Lvq8) => {
            matches!(given, Dtype::F32 | Dtype::F16) && kept.is_none_or(|kept| kept == given)
        }
        Some(Codes::Reduced) => matches!(given, Dtype::F32 | Dtype::F16) && kept == Some(given),
    };
    sound.then_some(Form { given, kept, codes })
}

/// The dimensions of a field whose type and metric fit each other.
fn checked_dims(spec: &DenseSpec) -> Result<u32, IndexError> {
    if (spec.dtype == Dtype::Bits) != spec.metric.on_numbers().is_none() {
        return Err(IndexError::Unsupported { what: "this metric on vectors of this type" });
    }
    if spec.dims == 0 {
        return Err(IndexError::shape("dimensions of a vector", 1, 0));
    }
    let limit = match spec.dtype {
        Dtype::F32 | Dtype::F16 => u32::MAX,
        _ => DIMS_INTEGER,
    };
    let dims = u32::try_from(spec.dims).ok().filter(|&dims| dims <= limit);
    dims.ok_or_else(|| IndexError::too_large("dimensions of a vector", limit.into()))
}
