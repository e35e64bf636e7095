//! A query's tokens, laid out for the kernels once and compared with any number of documents.

use super::book::View;
use super::fde::carve;
use super::lists::Table;
use super::spec::{Candidates, MultiSpec, QUERY_TOKENS_MAX, TokenCodec};
use super::tokens::{Form, Slice, code, scale};
use crate::IndexError;
use crate::sections::zeros;
use std::cell::RefCell;
use std::ops::Range;
use tercet_kernels::{Kernels, UNPACK_SLACK, UnpackTables, f16_to_f32, kernels};

/// Looked at now and then; true stops what is on its way.
pub(super) type Stop<'s> = Option<&'s (dyn Fn() -> bool + Sync)>;

/// Tokens of a query that meet the centroids at once.
const BLOCK: usize = 32;
/// Tokens whose residual codes become bytes at once, to stay in the nearest cache.
const PIECE: usize = 32;

/// The tokens of a query as they are given.
#[derive(Clone, Copy, Debug)]
pub struct QueryTokens<'a> {
    /// Tokens of the field's dims, one after another.
    pub tokens: &'a [f32],
    /// A weight for each, 0 or more: 0 leaves a token out. `None`: all 1.
    pub weights: Option<&'a [f32]>,
    /// The mean over the tokens and not the sum.
    pub mean: bool,
    /// Tokens whose inner product is at least this are summed and compared as one: faster, and a little lower scores.
    pub carve: Option<f32>,
}

impl<'a> QueryTokens<'a> {
    /// All tokens alike, summed.
    pub fn new(tokens: &'a [f32]) -> Self {
        QueryTokens { tokens, weights: None, mean: false, carve: None }
    }
}

/// For each token of a query the token of a document that it is nearest to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aligned {
    /// The query's token, as it was given.
    pub query: u32,
    /// The document's token, as it is kept.
    pub token: u32,
    /// Their inner product, not weighted.
    pub score: f32,
}

/// A query, ready.
#[derive(Debug)]
pub struct MultiQuery {
    form: Form,
    kernels: &'static Kernels,
    /// Tokens that are compared, and the place of each among those that were given (of the first, where some were carved).
    places: Vec<u32>,
    /// What each maximum is multiplied by.
    factors: Vec<f32>,
    /// What each maximum of codes is worth.
    steps: Vec<f32>,
    padded: usize,
    floats: Vec<f32>,
    codes: (Vec<i8>, Vec<i32>),
    /// The tokens that are compared, where segments have centroids.
    tokens: Vec<f32>,
    /// The encoding, where there are some.
    pub(super) fde: Vec<f32>,
}

/// A query beside the centroids of a segment.
#[derive(Debug)]
pub(super) struct Beside {
    /// For candidates.
    pub(super) table: Option<Table>,
    residual: Option<Residual>,
}

/// A query for residual codes: the kernel's codes are levels, and the sums begin with the products of the centroids.
#[derive(Debug)]
struct Residual {
    panel: Vec<i8>,
    begin: Vec<i32>,
    steps: Vec<f32>,
    tables: UnpackTables,
}

/// A document's tokens as they lie, and the centroid of each where there are some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) slice: Slice<'a>,
    pub(super) nearest: &'a [u16],
}

thread_local! {
    static BYTES: RefCell<(Vec<u8>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl MultiQuery {
    /// Checks and lays out a query for documents of a field.
    pub fn new(spec: &MultiSpec, query: QueryTokens<'_>) -> Result<Self, IndexError> {
        let (dims, keep) = (spec.dims, spec.keep);
        let given = query.tokens.len() / dims.max(1);
        if query.tokens.len() != given * dims {
            let whole = query.tokens.len().next_multiple_of(dims.max(1)) as u64;
            return Err(IndexError::shape(
                "components of a query's tokens",
                whole,
                query.tokens.len() as u64,
            ));
        }
        if given > QUERY_TOKENS_MAX {
            return Err(IndexError::too_large("tokens of a query", QUERY_TOKENS_MAX as u64));
        }
        if let Some(weights) = query.weights.filter(|weights| weights.len() != given) {
            return Err(IndexError::shape("weights of a query", given as u64, weights.len() as u64));
        }
        let weight = |at: usize| query.weights.map_or(1.0, |weights| weights[at]);
        let (mut tokens, mut places, mut factors) = (Vec::new(), Vec::new(), Vec::new());
        for at in (0..given).filter(|at| weight(*at) > 0.0) {
            if !spec.prepare(&query.tokens[at * dims..(at + 1) * dims], &mut tokens) {
                return Err(IndexError::shape("vectors with a direction", given as u64, at as u64));
            }
            places.push(at as u32);
            factors.push(weight(at));
        }
        let encoding = match &spec.candidates {
            Candidates::None | Candidates::Centroids => Vec::new(),
            Candidates::Fde { fde, .. } => {
                let weighted = tokens
                    .chunks(keep)
                    .zip(&factors)
                    .flat_map(|(token, by)| token.iter().map(move |x| x * by));
                fde.query(&weighted.collect::<Vec<f32>>())?
            }
        };
        if query.mean {
            let all: f32 = factors.iter().sum();
            factors.iter_mut().for_each(|factor| *factor /= all);
        }
        if let Some(least) = query.carve {
            // Weights go into the sums, and not into what is near.
            let (sums, firsts) = carve(&tokens, &factors, keep, least);
            places = firsts.into_iter().filter_map(|first| places.get(first).copied()).collect();
            (tokens, factors) = (sums, vec![1.0; places.len()]);
        }
        let mut ready =
            Self::lay(Form { codec: spec.codec, dims: keep }, &tokens, places, factors, encoding)?;
        if spec.book() {
            ready.tokens = tokens;
        }
        Ok(ready)
    }

    fn lay(
        form: Form,
        tokens: &[f32],
        places: Vec<u32>,
        factors: Vec<f32>,
        fde: Vec<f32>,
    ) -> Result<Self, IndexError> {
        let kernels = kernels();
        let mut ready = MultiQuery {
            form,
            kernels,
            places,
            factors,
            steps: Vec::new(),
            padded: 0,
            floats: Vec::new(),
            codes: (Vec::new(), Vec::new()),
            tokens: Vec::new(),
            fde,
        };
        // Segments of few tokens keep 8-bit codes where residual codes are asked for.
        if matches!(form.codec, TokenCodec::I8 | TokenCodec::Residual(_)) {
            let stride = Form { codec: TokenCodec::I8, ..form }.stride();
            let (codes, steps) = coded(tokens, form.dims, stride);
            ready.steps = steps;
            ready.padded = kernels.maxsim_codes().padded(ready.places.len());
            ready.codes = (vec![0; ready.padded * stride], vec![0; ready.padded]);
            kernels.maxsim_codes().pack(&codes, stride, &mut ready.codes.0, &mut ready.codes.1);
        } else {
            ready.steps.resize(ready.places.len(), 1.0);
            ready.padded = kernels.maxsim().padded(ready.places.len());
            ready.floats = vec![0.0; ready.padded * form.dims];
            kernels.maxsim().pack(tokens, form.dims, &mut ready.floats);
        }
        Ok(ready)
    }

    /// Tokens that are compared.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no token is compared: every score is then 0.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether it was made for tokens of this form.
    pub(super) fn fits(&self, form: Form) -> bool {
        let few = matches!(self.form.codec, TokenCodec::Residual(_)) && form.codec == TokenCodec::I8;
        self.form.dims == form.dims && (self.form.codec == form.codec || few)
    }

    /// Beside centroids; with `lists`, for candidates too. A stop is an error: half of it is of no use.
    pub(super) fn beside(&self, view: View<'_>, lists: bool, stop: Stop<'_>) -> Result<Beside, IndexError> {
        let (count, centroids, stride) = (self.len(), view.len(), view.stride());
        let mut table = lists.then(|| Table::new(centroids, &self.factors)).transpose()?;
        let mut residual = (view.bits > 0).then(|| Laid::new(self, view)).transpose()?;
        let mut sums: Vec<i32> = zeros(BLOCK.min(count) * centroids)?;
        let mut products: Vec<f32> = zeros(centroids)?;
        let mut from = 0;
        for some in self.tokens.chunks(BLOCK * view.dims.max(1)) {
            if stop.is_some_and(|stop| stop()) {
                return Err(IndexError::Cancelled);
            }
            let (codes, steps) = coded(some, view.dims, stride);
            let sums = &mut sums[..steps.len() * centroids];
            (self.kernels.u8().tile)(&codes, view.codes, stride, sums);
            let tokens =
                steps.iter().zip(codes.chunks_exact(stride)).zip(sums.chunks_exact(centroids.max(1)));
            for (at, ((step, bytes), sums)) in (from..).zip(tokens) {
                let middle = 128 * bytes.iter().map(|byte| i32::from(*byte)).sum::<i32>();
                for ((product, sum), scale) in products.iter_mut().zip(sums).zip(view.scales) {
                    *product = sum.wrapping_sub(middle) as f32 * (step * scale);
                }
                table.iter_mut().for_each(|table| table.set(at, &products));
                let token = &some[(at - from) * view.dims..][..view.dims];
                residual.iter_mut().for_each(|residual| residual.set(at, token, &products));
            }
            from += steps.len();
        }
        Ok(Beside { table, residual: residual.map(|laid| laid.ready(view)).transpose()? })
    }

    /// The score of a document. `best` is memory to use again.
    pub(super) fn score(&self, beside: Option<&Beside>, tokens: Placed<'_>, best: &mut Vec<f32>) -> f32 {
        best.resize(self.padded, 0.0);
        match tokens.slice {
            Slice::F32(tokens) => (self.kernels.maxsim().f32)(&self.floats, tokens, self.form.dims, best),
            Slice::F16(tokens) => (self.kernels.maxsim().f16)(&self.floats, tokens, self.form.dims, best),
            Slice::I8(codes, scales) => {
                self.kernels.maxsim_codes().score((&self.codes.0, &self.codes.1), codes, scales, best);
            }
            Slice::Residual(codes, scales) => {
                let Some(Beside { residual: Some(query), .. }) = beside else { return f32::NEG_INFINITY };
                self.pieces(query, codes, scales, tokens.nearest, best, None);
                return self.total(best, &query.steps);
            }
        }
        self.total(best, &self.steps)
    }

    /// The maxima over residual codes, some tokens at a time, and the token of each.
    fn pieces(
        &self,
        query: &Residual,
        codes: &[u8],
        scales: &[u16],
        nearest: &[u16],
        best: &mut [f32],
        mut at: Option<&mut [u32]>,
    ) {
        let (kernel, bytes_each) = (self.kernels.maxsim_codes(), codes.len() / scales.len().max(1));
        let packed = (&query.panel[..], &query.begin[..]);
        best.fill(f32::NEG_INFINITY);
        BYTES.with_borrow_mut(|(bytes, some)| {
            let pieces = codes.chunks(PIECE * bytes_each.max(1)).zip(scales.chunks(PIECE));
            for (piece, ((codes, scales), nearest)) in pieces.zip(nearest.chunks(PIECE)).enumerate() {
                let wide: [f32; PIECE] =
                    std::array::from_fn(|i| scales.get(i).map_or(0.0, |x| f16_to_f32(*x)));
                let wide = &wide[..scales.len()];
                let len = codes.len() * query.tables.planes();
                bytes.resize(len + UNPACK_SLACK, 0);
                (self.kernels.lookup().unpack)(&query.tables, codes, bytes_each, bytes);
                some.resize(best.len(), 0.0);
                let Some(at) = &mut at else {
                    kernel.score_from(packed, &bytes[..len], wide, nearest, some);
                    best.iter_mut()
                        .zip(some.iter())
                        .for_each(|(best, x)| *best = if *x > *best { *x } else { *best });
                    continue;
                };
                let mut places = vec![0; best.len()];
                kernel.score_at(packed, &bytes[..len], wide, nearest, some, &mut places);
                let each = best.iter_mut().zip(at.iter_mut()).zip(some.iter().zip(&places));
                for ((best, at), (x, place)) in each.filter(|((best, _), (x, _))| *x > *best) {
                    (*best, *at) = (*x, (piece * PIECE) as u32 + place);
                }
            }
        });
    }

    /// The maxima weighted and added, in the order of the query.
    fn total(&self, best: &[f32], steps: &[f32]) -> f32 {
        let each = best.iter().zip(steps).zip(&self.factors);
        each.fold(0.0, |sum, ((best, step), factor)| sum + best * step * factor)
    }

    /// What each token of the query is nearest to among the tokens of a document.
    pub(super) fn align(&self, beside: Option<&Beside>, tokens: Placed<'_>) -> Vec<Aligned> {
        let (mut best, mut at) = (vec![0.0; self.padded], vec![0; self.padded]);
        let mut steps = &self.steps;
        match tokens.slice {
            Slice::F32(tokens) => {
                (self.kernels.maxsim().f32_at)(&self.floats, tokens, self.form.dims, &mut best, &mut at);
            }
            Slice::F16(tokens) => {
                (self.kernels.maxsim().f16_at)(&self.floats, tokens, self.form.dims, &mut best, &mut at);
            }
            Slice::I8(codes, scales) => {
                let packed = (&self.codes.0[..], &self.codes.1[..]);
                self.kernels.maxsim_codes().score_at(packed, codes, scales, &[], &mut best, &mut at);
            }
            Slice::Residual(codes, scales) => {
                let Some(Beside { residual: Some(query), .. }) = beside else { return Vec::new() };
                self.pieces(query, codes, scales, tokens.nearest, &mut best, Some(&mut at));
                steps = &query.steps;
            }
        }
        let each = self.places.iter().zip(&at).zip(best.iter().zip(steps));
        each.map(|((query, token), (best, step))| Aligned {
            query: *query,
            token: *token,
            score: best * step,
        })
        .collect()
    }

    /// The best run of tokens of one unit, and its score; the first of equal ones. `units` has one for each token.
    pub(super) fn best_unit(
        &self,
        units: &[u32],
        mut slice: impl FnMut(Range<usize>) -> Result<f32, IndexError>,
    ) -> Result<Option<(u32, f32)>, IndexError> {
        let mut found: Option<(u32, f32)> = None;
        let mut from = 0;
        while from < units.len() {
            let end = from + units[from..].iter().take_while(|unit| **unit == units[from]).count();
            let score = slice(from..end)?;
            if found.is_none_or(|(_, best)| score > best) {
                found = Some((units[from], score));
            }
            from = end;
        }
        Ok(found)
    }
}

/// What the products of a centroid may come to: with those of levels that stays within i32.
const BEGIN_MAX: f32 = (1 << 29) as f32;

/// A query for residual codes, token by token.
struct Laid<'q> {
    query: &'q MultiQuery,
    /// What a level is worth, deviations.
    levels: (f32, &'q [f32]),
    stride: usize,
    codes: Vec<i8>,
    begin: Vec<i32>,
    steps: Vec<f32>,
}

impl<'q> Laid<'q> {
    fn new(query: &'q MultiQuery, view: View<'q>) -> Result<Self, IndexError> {
        let (step, _, deviations) = view.levels();
        let form = Form { codec: TokenCodec::Residual(view.bits as u8), dims: view.dims };
        let stride = form.stride() * 8 / view.bits as usize;
        let padded = query.kernels.maxsim_codes().padded(query.len());
        Ok(Laid {
            query,
            levels: (step, deviations),
            stride,
            codes: zeros(query.len() * stride)?,
            begin: zeros(padded * view.len())?,
            steps: zeros(query.len())?,
        })
    }

    /// A token and its products with all centroids.
    fn set(&mut self, at: usize, token: &[f32], products: &[f32]) {
        let (level, deviations) = self.levels;
        let turned: Vec<f32> = token.iter().zip(deviations).map(|(x, deviation)| x * deviation).collect();
        let largest =
            products.iter().fold(0.0f32, |largest, x| if x.abs() > largest { x.abs() } else { largest });
        // Where little is left beside centroids, its steps are as wide as the products need them: finer ones than f32 has.
        let (own, needed) = (scale(&turned).0, largest / BEGIN_MAX / level);
        let step = if needed.is_finite() && needed > own { needed } else { own };
        let inverse = if step > f32::MIN_POSITIVE { 1.0 / step } else { 0.0 };
        let codes = self.codes[at * self.stride..].iter_mut().zip(&turned);
        codes.for_each(|(to, x)| *to = code(*x, inverse) as i8);
        let worth = step * level;
        let inverse = if worth > f32::MIN_POSITIVE { 1.0 / worth } else { 0.0 };
        let padded = self.query.kernels.maxsim_codes().padded(self.query.len());
        for (begin, product) in self.begin.chunks_exact_mut(padded.max(1)).zip(products) {
            begin[at] = (product * inverse).round().clamp(-BEGIN_MAX, BEGIN_MAX) as i32;
        }
        self.steps[at] = worth;
    }

    fn ready(mut self, view: View<'_>) -> Result<Residual, IndexError> {
        let kernel = self.query.kernels.maxsim_codes();
        let padded = kernel.padded(self.query.len());
        let (mut panel, mut first) = (zeros(padded * self.stride)?, vec![0; padded]);
        kernel.pack(&self.codes, self.stride, &mut panel, &mut first);
        for begin in self.begin.chunks_exact_mut(padded.max(1)) {
            begin.iter_mut().zip(&first).for_each(|(begin, first)| *begin += first);
        }
        Ok(Residual { panel, begin: self.begin, steps: self.steps, tables: view.tables() })
    }
}

/// Tokens as signed bytes, `stride` each, and what a step of each is worth.
fn coded(tokens: &[f32], dims: usize, stride: usize) -> (Vec<i8>, Vec<f32>) {
    let count = tokens.len() / dims.max(1);
    let (mut codes, mut steps) = (vec![0i8; count * stride], Vec::with_capacity(count));
    for (codes, token) in codes.chunks_mut(stride.max(1)).zip(tokens.chunks(dims.max(1))) {
        let (step, inverse) = scale(token);
        codes.iter_mut().zip(token).for_each(|(to, x)| *to = code(*x, inverse) as i8);
        steps.push(step);
    }
    (codes, steps)
}
