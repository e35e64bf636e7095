//! The scores of one query against vectors of any type, by place or by slot.
//!
//! Floats go to the kernels as they lie. Integers are multiplied exactly, by kernels that want the query in signed and
//! the rows in unsigned bytes: with `c` a row's byte (of a signed component, `x + 128`), `d` the query's (of an unsigned
//! component, `x - 128`) and `raw` the sum of `d * c`,
//!
//! ```text
//! dot, signed      raw - 128 sum(d)
//! dot, unsigned    raw + 128 sum(c)                                      sum(c) is the row's term
//! l2               sum(d^2) + sum((c - 128)^2) - 2 (raw - 128 sum(d))    the middle one is the row's term
//! ```
//! all modulo 2^32, which no result leaves. They are rounded to f32 once, at the end. A query that is not of such
//! integers is compared with rows widened to f32.

use super::layout::Shape;
use super::query::{Prepared, Stage};
use super::vectors::View;
use crate::dense::Distance;
use crate::values::{Dtype, Values};
use tercet_kernels::{Metric, kernels, prefetch};

/// Sums held at once.
const SUMS: usize = 256;
/// Bytes of rows laid out for a kernel at once: they stay in the nearest cache.
const STAGE_BYTES: usize = 16 << 10;
/// Rows that are asked for ahead of their copying.
const AHEAD: usize = 4;

/// What a scan asks of vectors or codes.
pub(super) trait Scores {
    /// The scores of the slots from `from` on.
    fn range(&mut self, from: usize, out: &mut [f32]);
    /// The scores of slots by number; there are as many as places in `out`.
    fn gather(&mut self, slots: &[u32], out: &mut [f32]);
}

/// A query beside vectors.
pub(super) struct Comparison<'a> {
    view: View<'a>,
    query: Prepared<'a>,
    stage: &'a mut Stage,
}

/// The rows asked for.
#[derive(Clone, Copy)]
enum Which<'s> {
    From(usize),
    Slots(&'s [u32]),
}

impl<'s> Which<'s> {
    #[inline(always)]
    fn slot(self, at: usize) -> usize {
        match self {
            Which::From(from) => from + at,
            Which::Slots(slots) => slots[at] as usize,
        }
    }

    fn skip(self, count: usize) -> Which<'s> {
        match self {
            Which::From(from) => Which::From(from + count),
            Which::Slots(slots) => Which::Slots(&slots[count..]),
        }
    }
}

impl Scores for Comparison<'_> {
    #[inline]
    fn range(&mut self, from: usize, out: &mut [f32]) {
        self.scores(Which::From(from), out);
    }

    #[inline]
    fn gather(&mut self, slots: &[u32], out: &mut [f32]) {
        self.scores(Which::Slots(slots), out);
    }
}

impl<'a> Comparison<'a> {
    /// A query made ready for the vectors' shape.
    pub(super) fn new(view: View<'a>, (query, stage): (Prepared<'a>, &'a mut Stage)) -> Self {
        Comparison { view, query, stage }
    }

    fn scores(&mut self, which: Which<'_>, out: &mut [f32]) {
        match (self.query, self.view.values) {
            (Prepared::Floats(query), Values::F32(values)) => self.floats(query, values, which, out),
            (Prepared::Floats(query), Values::F16(values)) => self.halves(query, values, which, out),
            (Prepared::Floats(query), Values::I8(values)) => self.widened(query, values, which, out),
            (Prepared::Floats(query), Values::U8(values)) => self.widened(query, values, which, out),
            (Prepared::Codes { codes, base, unit }, Values::I8(_) | Values::U8(_)) => {
                self.integers(codes, base, unit, which, out);
            }
            (Prepared::Bits(query), Values::Bits(values)) => self.bits(query, values, which, out),
            // No query is made ready for vectors of another type; NaN is never found.
            _ => out.fill(f32::NAN),
        }
    }

    fn floats(&self, query: &[f32], values: &[f32], which: Which<'_>, out: &mut [f32]) {
        let kernels = kernels().f32(on_floats(self.view.shape));
        match which {
            Which::Slots(slots) => (kernels.gather)(query, values, slots, out),
            Which::From(from) => {
                let dims = query.len();
                (kernels.batch)(query, &values[from * dims..(from + out.len()) * dims], out);
            }
        }
        self.finish(which, out);
    }

    fn halves(&self, query: &[f32], values: &[u16], which: Which<'_>, out: &mut [f32]) {
        let kernels = kernels().f16(on_floats(self.view.shape));
        match which {
            Which::Slots(slots) => (kernels.gather)(query, values, slots, out),
            Which::From(from) => {
                let dims = query.len();
                (kernels.batch)(query, &values[from * dims..(from + out.len()) * dims], out);
            }
        }
        self.finish(which, out);
    }

    fn widened<T>(&mut self, query: &[f32], values: &[T], which: Which<'_>, out: &mut [f32])
    where
        T: Copy + Into<f32>,
    {
        let dims = query.len();
        let at_once = (STAGE_BYTES / (4 * dims)).max(1);
        let kernels = kernels().f32(on_floats(self.view.shape));
        self.stage.floats.resize(at_once * dims, 0.0);
        for (part, out) in out.chunks_mut(at_once).enumerate() {
            let which = which.skip(part * at_once);
            let rows = &mut self.stage.floats[..out.len() * dims];
            for (at, row) in rows.chunks_exact_mut(dims).enumerate() {
                let start = which.slot(at) * dims;
                let vector = &values[start..start + dims];
                row.iter_mut().zip(vector).for_each(|(wide, &x)| *wide = x.into());
            }
            (kernels.batch)(query, rows, out);
        }
        self.finish(which, out);
    }

    /// Turns what a kernel on floats gives into scores.
    #[inline]
    fn finish(&self, which: Which<'_>, out: &mut [f32]) {
        match (self.view.norms, which) {
            (Some(norms), Which::From(from)) => {
                out.iter_mut().zip(&norms[from..]).for_each(|(score, norm)| *score *= norm);
            }
            (Some(norms), Which::Slots(slots)) => {
                out.iter_mut().zip(slots).for_each(|(score, &slot)| *score *= norms[slot as usize]);
            }
            (None, _) if self.view.shape.metric == Distance::L2 => {
                out.iter_mut().for_each(|score| *score = -*score);
            }
            (None, _) => {}
        }
    }

    fn integers(&mut self, query: &[i8], base: u32, unit: f32, which: Which<'_>, out: &mut [f32]) {
        let mut sums = [0; SUMS];
        for (part, out) in out.chunks_mut(SUMS).enumerate() {
            let (which, sums) = (which.skip(part * SUMS), &mut sums[..out.len()]);
            self.sums(query, which, sums);
            for (at, (score, &sum)) in out.iter_mut().zip(&*sums).enumerate() {
                let slot = which.slot(at);
                let term = self.view.terms.map_or(0, |terms| terms[slot]);
                let norm = self.view.norms.map_or(1.0, |norms| norms[slot] * unit);
                *score = integer_score(self.view.shape, sum, base, term) * norm;
            }
        }
    }

    /// The sums of products with the query's codes.
    fn sums(&mut self, query: &[i8], which: Which<'_>, out: &mut [i32]) {
        let (dims, stride) = (self.view.shape.dims, query.len());
        let (bytes, flip) = (self.view.values.as_bytes(), flip(self.view.shape.dtype));
        if flip == 0 && dims == stride {
            match which {
                Which::From(from) => {
                    (kernels().u8().batch)(query, &bytes[from * dims..(from + out.len()) * dims], out);
                }
                Which::Slots(slots) => (kernels().u8().gather)(query, bytes, &slots[..out.len()], out),
            }
            return;
        }
        let at_once = (STAGE_BYTES / stride).max(1);
        self.stage.bytes.resize(at_once * stride, 0);
        for (part, out) in out.chunks_mut(at_once).enumerate() {
            let which = which.skip(part * at_once);
            let rows = &mut self.stage.bytes[..out.len() * stride];
            for (at, row) in rows.chunks_exact_mut(stride).enumerate() {
                if let Which::Slots(slots) = which
                    && let Some(&next) = slots.get(at + AHEAD)
                {
                    prefetch(bytes, next as usize * dims, dims);
                }
                let start = which.slot(at) * dims;
                // What is past the components meets zeros of the query.
                row.iter_mut().zip(&bytes[start..start + dims]).for_each(|(code, byte)| *code = byte ^ flip);
            }
            (kernels().u8().batch)(query, rows, out);
        }
    }

    fn bits(&self, query: &[u8], values: &[u8], which: Which<'_>, out: &mut [f32]) {
        let (kernels, bytes) = (kernels().bits(), query.len());
        let range = |from: usize, count: usize| &values[from * bytes..(from + count) * bytes];
        if self.view.shape.metric == Distance::Jaccard {
            match which {
                Which::From(from) => (kernels.jaccard_batch)(query, range(from, out.len()), out),
                Which::Slots(slots) => (kernels.jaccard_gather)(query, values, slots, out),
            }
            return;
        }
        let mut counts = [0; SUMS];
        for (part, out) in out.chunks_mut(SUMS).enumerate() {
            let counts = &mut counts[..out.len()];
            match which.skip(part * SUMS) {
                Which::From(from) => (kernels.hamming_batch)(query, range(from, out.len()), counts),
                Which::Slots(slots) => (kernels.hamming_gather)(query, values, &slots[..out.len()], counts),
            }
            out.iter_mut().zip(counts).for_each(|(score, count)| *score = -(*count as f32));
        }
    }
}

/// The kernels' metric on floats: cosine is the inner product of unit vectors.
pub(super) fn on_floats(shape: Shape) -> Metric {
    if shape.metric == Distance::L2 { Metric::L2 } else { Metric::Dot }
}

/// What turns a component's byte into a code.
pub(super) fn flip(dtype: Dtype) -> u8 {
    if dtype == Dtype::I8 { 0x80 } else { 0 }
}

/// The score of integers from the sum of products, the query's part and the row's.
#[inline(always)]
pub(super) fn integer_score(shape: Shape, sum: i32, base: u32, term: u32) -> f32 {
    let sum = sum as u32;
    match (shape.metric, shape.dtype) {
        (Distance::L2, _) => -(base.wrapping_add(term).wrapping_sub(sum.wrapping_mul(2)) as f32),
        (_, Dtype::I8) => sum.wrapping_add(base) as i32 as f32,
        _ => sum.wrapping_add(term.wrapping_mul(128)) as f32,
    }
}
