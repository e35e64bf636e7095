//! The codec `lvq8`, of whole vectors or of reduced ones: sections `center`, `reduction` and `codes`, written and scanned.

use super::compare::Scores;
use super::query::Scratch;
use crate::dense::{DenseSpec, DenseStream, Reduce, Work};
use crate::quant::{Asked, CodeQuery, Coder, Space};
use crate::reduce::{Reduction, SAMPLE, fit};
use crate::sections::reserved;
use crate::values::Values;
use crate::{Array, IndexError, SectionSink, SectionSource};
use std::ops::Range;
use tercet_kernels::Metric;

/// Vectors between two reports of progress.
const REPORT: u64 = 1_024;
/// Vectors that a space is fitted to at once.
const GATHERED: usize = 256;

/// Codes of 8 bits a component, scaled by vector.
#[derive(Debug)]
pub(super) struct Lvq {
    space: Space,
    reduction: Reduction,
    coder: Coder,
    codes: Array<u8>,
}

fn metric(spec: &DenseSpec) -> Result<Metric, IndexError> {
    spec.metric.on_numbers().ok_or(IndexError::Unsupported { what: "this metric on vectors of this type" })
}

/// Writes the codes of `count` vectors. The stream is asked up to five times.
pub(super) fn write(
    spec: &DenseSpec,
    vectors: &dyn DenseStream,
    count: u32,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let mut floats = Vec::new();
    let mut held: Vec<f32> = Vec::new();
    let mut gather = |each: &mut dyn FnMut(&[f32])| {
        held.clear();
        vectors.for_each(&mut |_, vector| {
            vector.write_f32(&mut floats);
            held.try_reserve(floats.len())
                .map_err(|_| IndexError::Memory { bytes: floats.len() as u64 * 4 })?;
            held.extend_from_slice(&floats);
            if held.len() >= GATHERED * floats.len() {
                each(&held);
                held.clear();
            }
            Ok(())
        })?;
        each(&held);
        Ok(())
    };
    let space = Space::fit_on(metric(spec)?, spec.dims, &mut gather, work.parallel)?;
    space.write(sink)?;
    let reduction = reduction(spec, &space, vectors, count as usize, work)?;
    let coder = Coder::bits8(reduction.as_ref().map_or(space.points(), |one| one.reduced(space.points())));
    let (mut point, mut row): (Vec<f32>, Vec<u8>) = (reserved(space.points())?, reserved(coder.stride())?);
    let mut reduced = vec![0.0; coder.dims()];
    if let Some(reduction) = &reduction {
        reduction.write(space.points(), sink)?;
    }
    point.resize(space.points(), 0.0);
    row.resize(coder.stride(), 0);
    let mut coded = 0;
    sink.begin("codes")?;
    vectors.for_each(&mut |_, vector| {
        vector.write_f32(&mut floats);
        space.point(&floats, &mut point);
        let norm = Coder::norm(&point);
        match &reduction {
            None => coder.encode(&point, norm, &mut row),
            Some(reduction) => {
                reduction.apply(&point, &mut reduced);
                coder.encode(&reduced, reduction.norm(&point, norm, &reduced), &mut row);
            }
        }
        coded += 1;
        if coded % REPORT == 0 {
            work.step(coded, count.into())?;
        }
        sink.write(&row)
    })?;
    if coded != u64::from(count) {
        return Err(IndexError::shape("vectors of the same stream", count.into(), coded));
    }
    Ok(())
}

/// The reduction that is asked for, fitted to the stream; it is asked once more where there is something to fit.
fn reduction(
    spec: &DenseSpec,
    space: &Space,
    vectors: &dyn DenseStream,
    count: usize,
    work: &Work<'_>,
) -> Result<Option<Reduction>, IndexError> {
    let (mut floats, mut point, mut sample) = (Vec::new(), vec![0.0; space.points()], Vec::new());
    if matches!(spec.options.reduce, Reduce::Pca(_) | Reduce::LeanVec(_)) {
        let (wanted, mut at) = (count.min(SAMPLE), 0);
        sample = reserved(wanted.saturating_mul(space.points()))?;
        vectors.for_each(&mut |_, vector| {
            // Even distances, without the last ones of an uneven end.
            if at % (count / wanted.max(1)).max(1) == 0 && sample.len() < wanted * space.points() {
                vector.write_f32(&mut floats);
                space.sample(&floats, &mut point);
                sample.extend_from_slice(&point);
            }
            at += 1;
            Ok(())
        })?;
        if sample.is_empty() {
            // Without a vector any axes will do.
            sample.resize(space.points(), 0.0);
        }
    }
    fit(spec, space, &sample, vectors.queries(), work)
}

impl Lvq {
    pub(super) fn open(spec: &DenseSpec, count: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Self::of(Reduction::None, Space::open(metric(spec)?, spec.dims, source)?, count, source)
    }

    /// Codes of reduced vectors.
    pub(super) fn open_reduced(
        spec: &DenseSpec,
        count: u32,
        source: &dyn SectionSource,
    ) -> Result<Self, IndexError> {
        let space = Space::open(metric(spec)?, spec.dims, source)?;
        Self::of(Reduction::open(source, space.points())?, space, count, source)
    }

    fn of(
        reduction: Reduction,
        space: Space,
        count: u32,
        source: &dyn SectionSource,
    ) -> Result<Self, IndexError> {
        let coder = Coder::bits8(reduction.reduced(space.points()));
        let bytes = u64::from(count) * coder.stride() as u64;
        Ok(Lvq { codes: Array::open_len(source, "codes", bytes)?, space, reduction, coder })
    }

    /// Whether vectors were reduced before they were coded.
    pub(super) fn reduced(&self) -> bool {
        self.reduction != Reduction::None
    }

    /// Bytes of a vector's codes.
    pub(super) fn stride(&self) -> usize {
        self.coder.stride()
    }

    /// All codes, checked once.
    pub(super) fn all(&self) -> Result<&[u8], IndexError> {
        self.codes.all()
    }

    /// All codes as they lie.
    pub(super) fn unverified(&self) -> &[u8] {
        self.codes.unverified()
    }

    /// The codes in a slot, checked.
    pub(super) fn codes_of(&self, slot: usize) -> Result<&[u8], IndexError> {
        let start = slot.saturating_mul(self.stride());
        let range: Range<usize> = start..start.saturating_add(self.stride());
        self.codes.slice(range)
    }

    /// The vector that a row of codes stands for.
    pub(super) fn decode(&self, codes: &[u8]) -> Vec<f32> {
        let (mut point, mut vector) = (Vec::new(), Vec::new());
        self.coder.decode(codes, &mut point);
        self.space.vector(&point, &mut vector);
        vector
    }

    /// A query beside codes; `None` when it has another length.
    pub(super) fn compare<'a>(
        &'a self,
        query: Values<'_>,
        codes: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Option<LvqScores<'a>> {
        let Scratch { floats, point, reduced, coded, .. } = scratch;
        query.write_f32(floats);
        if floats.len() != self.space.dims() {
            return None;
        }
        point.resize(self.space.points(), 0.0);
        let asked = self.space.ask(floats, point);
        let norm = Coder::norm(point);
        if self.reduced() {
            reduced.resize(self.coder.dims(), 0.0);
            self.reduction.apply_asked(point, asked.weight, reduced);
            self.coder.query(reduced, norm, coded);
        } else {
            self.coder.query(point, norm, coded);
        }
        coded.weight = asked.weight;
        Some(LvqScores { lvq: self, codes, query: coded, asked })
    }
}

/// A query beside codes.
pub(super) struct LvqScores<'a> {
    lvq: &'a Lvq,
    codes: &'a [u8],
    query: &'a CodeQuery,
    asked: Asked,
}

impl<'a> LvqScores<'a> {
    /// The same query beside other codes.
    pub(super) fn beside(&self, codes: &'a [u8]) -> LvqScores<'a> {
        LvqScores { codes, ..*self }
    }

    fn finish(&self, out: &mut [f32]) {
        for distance in out {
            *distance = self.lvq.space.score(*distance, &self.asked);
        }
    }
}

impl Scores for LvqScores<'_> {
    fn range(&mut self, from: usize, out: &mut [f32]) {
        let stride = self.lvq.stride();
        let codes = &self.codes[from * stride..(from + out.len()) * stride];
        self.lvq.coder.distances_in_order(self.query, codes, out);
        self.finish(out);
    }

    fn gather(&mut self, slots: &[u32], out: &mut [f32]) {
        self.lvq.coder.distances(self.query, self.codes, slots, out);
        self.finish(out);
    }
}
