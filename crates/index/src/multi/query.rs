//! A query's tokens, laid out for the kernels once and compared with any number of documents.

use super::fde::carve;
use super::spec::{Candidates, MultiSpec, QUERY_TOKENS_MAX, TokenCodec};
use super::tokens::{Form, Slice, code, scale};
use crate::IndexError;
use std::ops::Range;
use tercet_kernels::{Kernels, kernels};

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
    /// The encoding, where there are some.
    pub(super) fde: Vec<f32>,
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
            Candidates::None => Vec::new(),
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
        Self::lay(Form { codec: spec.codec, dims: keep }, &tokens, places, factors, encoding)
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
            fde,
        };
        if form.codec == TokenCodec::I8 {
            let stride = form.stride();
            let mut codes = vec![0i8; ready.places.len() * stride];
            for (codes, token) in codes.chunks_mut(stride).zip(tokens.chunks(form.dims)) {
                let (step, inverse) = scale(token);
                codes.iter_mut().zip(token).for_each(|(to, x)| *to = code(*x, inverse) as i8);
                ready.steps.push(step);
            }
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
        self.form == form
    }

    /// The score of a document. `best` is memory to use again.
    pub(super) fn score(&self, tokens: Slice<'_>, best: &mut Vec<f32>) -> f32 {
        best.resize(self.padded, 0.0);
        match tokens {
            Slice::F32(tokens) => (self.kernels.maxsim().f32)(&self.floats, tokens, self.form.dims, best),
            Slice::F16(tokens) => (self.kernels.maxsim().f16)(&self.floats, tokens, self.form.dims, best),
            Slice::I8(codes, scales) => {
                self.kernels.maxsim_codes().score((&self.codes.0, &self.codes.1), codes, scales, best);
            }
        }
        self.total(best)
    }

    /// The maxima weighted and added, in the order of the query.
    fn total(&self, best: &[f32]) -> f32 {
        let each = best.iter().zip(&self.steps).zip(&self.factors);
        each.fold(0.0, |sum, ((best, step), factor)| sum + best * step * factor)
    }

    /// What each token of the query is nearest to among the tokens of a document.
    pub(super) fn align(&self, tokens: Slice<'_>) -> Vec<Aligned> {
        let (mut best, mut at) = (vec![0.0; self.padded], vec![0; self.padded]);
        match tokens {
            Slice::F32(tokens) => {
                (self.kernels.maxsim().f32_at)(&self.floats, tokens, self.form.dims, &mut best, &mut at);
            }
            Slice::F16(tokens) => {
                (self.kernels.maxsim().f16_at)(&self.floats, tokens, self.form.dims, &mut best, &mut at);
            }
            Slice::I8(codes, scales) => {
                let packed = (&self.codes.0[..], &self.codes.1[..]);
                self.kernels.maxsim_codes().score_at(packed, codes, scales, &mut best, &mut at);
            }
        }
        let each = self.places.iter().zip(&at).zip(best.iter().zip(&self.steps));
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
