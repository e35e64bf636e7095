//! Fixed dimensional encodings of sets of vectors (Dhulipala, Hadian, Jayaram, Lee and Mirrokni, MUVERA, NeurIPS 2024,
//! arXiv 2405.19504): one vector for a query, one for a document, whose inner product is near their MaxSim.
//!
//! ```text
//! for each repetition:
//!   signs of k directions give every token a bucket 0..2^k, numbered so that neighbours differ in one sign (Gray code)
//!   of a query: the sum of each bucket's tokens, 0 where there is none
//!   of a document: their mean; an empty bucket takes the token whose signs differ least from its own, the first of those
//!   each bucket's vector is projected to `projection` components
//! all blocks beside each other, and folded to `final` components where that is asked for
//! ```
//!
//! Choices of ours, where paper and published code differ or are silent:
//! 1. Tokens of a bucket are summed first and projected once: projecting is linear, and there are fewer buckets than tokens.
//! 2. Directions are sums of 16 uniform numbers: near enough to normal for their signs, and the same bits everywhere.
//! 3. All sums are in one order and without fused multiply-add (`project_all`): the same input and seed give the same bits
//!    on every instruction set, natively and on WebAssembly. `test/vectors/fde.json` holds some.
//! 4. The final fold is a count sketch, as in the published code: a dense one costs inputs times outputs.

use super::random::{Stream, normal, word};
use crate::IndexError;
use crate::sections::reserved;
use tercet_kernels::{Kernels, kernels};

/// The most directions of a repetition: 1,024 buckets.
pub const BITS_MAX: u32 = 10;
/// The most repetitions.
pub const REPETITIONS_MAX: u32 = 256;
/// The longest encoding, before and after it is folded.
pub const FDE_DIMS_MAX: usize = 1 << 20;

/// Outputs of a sketch up to which it is faster as a matrix, zeros and all.
const SKETCH_MAX: u32 = 64;

/// Lanes that the directions fill.
const LANES: usize = 16;

/// How bucket vectors are made shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Not at all.
    None,
    /// A dense matrix of plus and minus one over the root of the outputs (the paper's).
    Dense(u32),
    /// Each component goes to one output, with a sign (the published code's).
    Sketch(u32),
}

/// The parameters of an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdeParams {
    /// Components of a token.
    pub dims: usize,
    /// How often everything is done anew: 1 to [`REPETITIONS_MAX`].
    pub repetitions: u32,
    /// Directions of a repetition, 0 to [`BITS_MAX`]; there are `2^bits` buckets.
    pub bits: u32,
    /// What becomes of a bucket's vector.
    pub projection: Projection,
    /// Components at the end; all where `None`.
    pub fold: Option<u32>,
    /// What decides directions and signs.
    pub seed: u64,
}

impl FdeParams {
    /// Components of a block.
    pub fn block(&self) -> usize {
        match self.projection {
            Projection::None => self.dims,
            Projection::Dense(to) | Projection::Sketch(to) => to as usize,
        }
    }

    /// Components of an encoding before it is folded.
    fn whole(&self) -> usize {
        (self.repetitions as usize).saturating_mul(1 << self.bits).saturating_mul(self.block())
    }

    /// Components of an encoding.
    pub fn len(&self) -> usize {
        self.fold.map_or_else(|| self.whole(), |fold| fold as usize)
    }

    /// Whether an encoding has no component; never, for parameters that were checked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self) -> Result<(), IndexError> {
        let range = |what: &str, found: usize, low: usize, high: usize| {
            let bound = if found < low { low } else { high };
            if (low..=high).contains(&found) {
                Ok(())
            } else {
                Err(IndexError::shape(what, bound as u64, found as u64))
            }
        };
        range("components of a token", self.dims, 1, 65_535)?;
        range("repetitions", self.repetitions as usize, 1, REPETITIONS_MAX as usize)?;
        range("bits", self.bits as usize, 0, BITS_MAX as usize)?;
        range("components of a projection", self.block(), 1, self.dims)?;
        range("components of an encoding", self.whole(), 1, FDE_DIMS_MAX)?;
        range("components of a folded encoding", self.len(), 1, FDE_DIMS_MAX)
    }
}

/// Makes encodings. Directions and signs are drawn once: megabytes at most.
pub struct Fde {
    params: FdeParams,
    kernels: &'static Kernels,
    /// `dims` rows of a column a direction, padded to the lanes.
    directions: Vec<f32>,
    /// Columns of the directions.
    columns: usize,
    /// A matrix of `dims` rows a repetition: of the dense projection, and of a sketch of few outputs.
    dense: Vec<f32>,
    /// Sketch: the output and the sign of each component, a repetition after the other.
    sketch: Vec<(u32, f32)>,
    /// The same of the final fold.
    fold: Vec<(u32, f32)>,
}

impl std::fmt::Debug for Fde {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fde").field("params", &self.params).finish_non_exhaustive()
    }
}

/// Memory that one encoding after the other uses.
#[derive(Default)]
struct Scratch {
    sums: Vec<f32>,
    signs: Vec<u32>,
    buckets: Vec<f32>,
    counts: Vec<u32>,
    rows: Vec<f32>,
    projected: Vec<f32>,
    whole: Vec<f32>,
}

impl Fde {
    /// Draws directions and signs.
    pub fn new(params: FdeParams) -> Result<Self, IndexError> {
        Self::with(params, kernels())
    }

    /// The same by the kernels of a chosen instruction set, which change no bit.
    pub fn with(params: FdeParams, kernels: &'static Kernels) -> Result<Self, IndexError> {
        params.check()?;
        let (dims, repetitions, seed) = (params.dims, params.repetitions, params.seed);
        let directions_count = (repetitions * params.bits) as usize;
        let columns = directions_count.next_multiple_of(LANES);
        let mut directions = reserved(dims * columns)?;
        directions.resize(dims * columns, 0.0);
        for column in 0..directions_count {
            for i in 0..dims {
                directions[i * columns + column] = normal(seed, Stream::Directions, column as u32, i as u32);
            }
        }
        let (mut dense, mut sketch) = (Vec::new(), Vec::new());
        match params.projection {
            Projection::None => {}
            Projection::Dense(to) => {
                let scale = 1.0 / (to as f32).sqrt();
                dense = reserved(repetitions as usize * dims * to as usize)?;
                for repetition in 0..repetitions {
                    for at in 0..dims as u32 * to {
                        let bit = word(seed, Stream::Projection, repetition, at / 32) >> (at % 32) & 1;
                        dense.push(if bit == 1 { scale } else { -scale });
                    }
                }
            }
            Projection::Sketch(to) => {
                sketch = reserved(repetitions as usize * dims)?;
                for repetition in 0..repetitions {
                    let places =
                        (0..dims as u32).map(|at| place(word(seed, Stream::Projection, repetition, at), to));
                    sketch.extend(places);
                }
                if to <= SKETCH_MAX {
                    // What a component adds elsewhere is zero, which changes no sum: the same bits.
                    dense = reserved(sketch.len() * to as usize)?;
                    dense.resize(sketch.len() * to as usize, 0.0);
                    for (row, (output, sign)) in dense.chunks_exact_mut(to as usize).zip(&sketch) {
                        row[*output as usize] = *sign;
                    }
                }
            }
        }
        let mut fold = Vec::new();
        if let Some(to) = params.fold {
            fold = reserved(params.whole())?;
            fold.extend((0..params.whole() as u32).map(|at| place(word(seed, Stream::Final, 0, at), to)));
        }
        Ok(Fde { params, kernels, directions, columns, dense, sketch, fold })
    }

    /// What it was made with.
    pub fn params(&self) -> &FdeParams {
        &self.params
    }

    /// The encoding of a query: tokens of `dims` components, one after another. Without tokens it is zero.
    pub fn query(&self, tokens: &[f32]) -> Result<Vec<f32>, IndexError> {
        self.encode::<false>(tokens)
    }

    /// The encoding of a document of at least one token.
    pub fn document(&self, tokens: &[f32]) -> Result<Vec<f32>, IndexError> {
        if tokens.is_empty() {
            return Err(IndexError::shape("tokens of a document", 1, 0));
        }
        self.encode::<true>(tokens)
    }

    fn encode<const DOCUMENT: bool>(&self, tokens: &[f32]) -> Result<Vec<f32>, IndexError> {
        let dims = self.params.dims;
        if !tokens.len().is_multiple_of(dims) {
            return Err(IndexError::shape(
                "components of whole tokens",
                tokens.len().next_multiple_of(dims) as u64,
                tokens.len() as u64,
            ));
        }
        let mut out: Vec<f32> = reserved(self.params.len())?;
        out.resize(self.params.len(), 0.0);
        SCRATCH.with_borrow_mut(|scratch| {
            let mut whole = std::mem::take(&mut scratch.whole);
            if self.fold.is_empty() {
                self.blocks::<DOCUMENT>(tokens, scratch, &mut out);
            } else {
                whole.clear();
                whole.resize(self.params.whole(), 0.0);
                self.blocks::<DOCUMENT>(tokens, scratch, &mut whole);
                for (value, (to, sign)) in whole.iter().zip(&self.fold).filter(|(value, _)| **value != 0.0) {
                    out[*to as usize] += sign * value;
                }
            }
            scratch.whole = whole;
        });
        Ok(out)
    }

    /// All blocks of all repetitions.
    fn blocks<const DOCUMENT: bool>(&self, tokens: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let FdeParams { dims, bits, repetitions, .. } = self.params;
        let count = tokens.len() / dims;
        scratch.sums.clear();
        scratch.sums.resize(count * self.columns, 0.0);
        (self.kernels.project_all)(tokens, dims, &self.directions, &mut scratch.sums);
        let block = self.params.block() << bits;
        for (repetition, out) in (0..repetitions as usize).zip(out.chunks_mut(block)) {
            let Scratch { sums, signs, .. } = scratch;
            signs.clear();
            for token in 0..count {
                let from = token * self.columns + repetition * bits as usize;
                let signs_of = |signs, sum: &f32| signs << 1 | u32::from(*sum > 0.0);
                signs.push(sums[from..from + bits as usize].iter().fold(0, signs_of));
            }
            self.buckets::<DOCUMENT>(tokens, scratch);
            self.project(repetition, scratch, out);
        }
    }

    /// The vectors of the buckets that have one, into `rows`, and their numbers into `counts`.
    fn buckets<const DOCUMENT: bool>(&self, tokens: &[f32], scratch: &mut Scratch) {
        let FdeParams { dims, bits, .. } = self.params;
        let Scratch { signs, buckets, counts, rows, .. } = scratch;
        counts.clear();
        counts.resize(1 << bits, 0);
        buckets.resize(dims << bits, 0.0);
        for (token, signs) in tokens.chunks(dims).zip(signs.iter()) {
            let (at, count) = (bucket(*signs) as usize, &mut counts[bucket(*signs) as usize]);
            let sum = &mut buckets[at * dims..(at + 1) * dims];
            if *count == 0 {
                sum.copy_from_slice(token);
            } else {
                sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
            }
            *count += 1;
        }
        rows.clear();
        // `counts` becomes the bucket of each row.
        let mut filled = 0;
        for at in 0..counts.len() {
            let sum = &mut buckets[at * dims..(at + 1) * dims];
            match counts[at] {
                0 if DOCUMENT => {
                    let own = at as u32 ^ at as u32 >> 1;
                    let nearest = (0..)
                        .zip(signs.iter())
                        .min_by_key(|(token, signs)| ((*signs ^ own).count_ones(), *token));
                    let token = nearest.map_or(0, |(token, _): (usize, _)| token);
                    rows.extend_from_slice(&tokens[token * dims..(token + 1) * dims]);
                }
                0 => continue,
                count => {
                    if DOCUMENT && count > 1 {
                        sum.iter_mut().for_each(|x| *x /= count as f32);
                    }
                    rows.extend_from_slice(sum);
                }
            }
            counts[filled] = at as u32;
            filled += 1;
        }
        counts.truncate(filled);
    }

    /// Projects the rows into their blocks of a repetition.
    fn project(&self, repetition: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let (dims, block) = (self.params.dims, self.params.block());
        let Scratch { counts, rows, projected, .. } = scratch;
        match self.params.projection {
            Projection::None => {
                for (at, row) in counts.iter().zip(rows.chunks(dims)) {
                    out[*at as usize * dims..][..dims].copy_from_slice(row);
                }
            }
            Projection::Dense(_) | Projection::Sketch(_) if !self.dense.is_empty() => {
                projected.clear();
                projected.resize(counts.len() * block, 0.0);
                let matrix = &self.dense[repetition * dims * block..][..dims * block];
                (self.kernels.project_all)(rows, dims, matrix, projected);
                for (at, values) in counts.iter().zip(projected.chunks(block)) {
                    out[*at as usize * block..][..block].copy_from_slice(values);
                }
            }
            Projection::Dense(_) | Projection::Sketch(_) => {
                let sketch = &self.sketch[repetition * dims..][..dims];
                for (at, row) in counts.iter().zip(rows.chunks(dims)) {
                    let out = &mut out[*at as usize * block..][..block];
                    for (value, (to, sign)) in row.iter().zip(sketch) {
                        out[*to as usize] += sign * value;
                    }
                }
            }
        }
    }
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Scratch> = std::cell::RefCell::default();
}

/// The bucket of some signs, the first direction's highest: the number whose Gray code they are.
fn bucket(mut signs: u32) -> u32 {
    let mut shift = 1;
    while shift < u32::BITS {
        signs ^= signs >> shift;
        shift *= 2;
    }
    signs
}

/// An output below `to` and a sign, from one word.
fn place(word: u32, to: u32) -> (u32, f32) {
    let output = (u64::from(word >> 1) * u64::from(to)) >> 31;
    (output as u32, if word & 1 == 1 { 1.0 } else { -1.0 })
}

/// Groups query tokens that are near each other and sums each group: the paper's ball carving. A token opens a group and
/// takes the later ones whose inner product with it is at least `least`; a group's sum has each token times its factor, 1
/// where `factors` are at an end. Fewer tokens to compare, and scores that are no higher than MaxSim. Gives the sums, and
/// the number of each group's first token.
pub fn carve(tokens: &[f32], factors: &[f32], dims: usize, least: f32) -> (Vec<f32>, Vec<usize>) {
    let all: Vec<&[f32]> = tokens.chunks_exact(dims.max(1)).collect();
    let factor = |at: usize| factors.get(at).copied().unwrap_or(1.0);
    let mut taken = vec![false; all.len()];
    let (mut out, mut firsts) = (Vec::new(), Vec::new());
    for first in 0..all.len() {
        if std::mem::replace(&mut taken[first], true) {
            continue;
        }
        let from = out.len();
        out.extend(all[first].iter().map(|x| x * factor(first)));
        firsts.push(first);
        for later in first + 1..all.len() {
            let dot: f32 = all[first].iter().zip(all[later]).map(|(a, b)| a * b).sum();
            if !taken[later] && dot >= least {
                taken[later] = true;
                let by = factor(later);
                out[from..].iter_mut().zip(all[later]).for_each(|(sum, x)| *sum += x * by);
            }
        }
    }
    (out, firsts)
}
