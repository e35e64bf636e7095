//! The checked entries of MaxSim.

use super::codes::{Coded, DEPTH, Tokens};
use crate::codes::CodeBackend;
use crate::table::Backend;
use crate::vector::{Element, Vector};

/// MaxSim on tokens of f32 and f16. The query is packed once ([`pack`](Self::pack)) and meets any number of documents. A
/// document's maxima are the same bits wherever it stands; across instruction sets they differ as dot products do (the
/// tolerance of the crate's documentation).
///
/// Every kernel takes `(panel, tokens, dims, best)`: `best[q]` becomes the largest inner product of query token `q` with a
/// token of the document, whose tokens lie one after another; minus infinity where there is none. `best` is as long as the
/// padded query; what stands past its tokens means nothing. They panic unless tokens are whole and the lengths fit.
#[derive(Clone, Copy)]
pub struct MaxSimKernels {
    /// A query is padded to a multiple of so many tokens: at most 16.
    pub lanes: usize,
    /// On tokens of f32.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub f32: fn(&[f32], &[f32], usize, &mut [f32]),
    /// On tokens of half precision, widened exactly.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub f16: fn(&[f32], &[u16], usize, &mut [f32]),
    /// As `f32`; the last argument becomes the token that each maximum is of, the first of equal ones.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub f32_at: fn(&[f32], &[f32], usize, &mut [f32], &mut [u32]),
    /// As `f16`; the last argument as that of `f32_at`.
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    pub f16_at: fn(&[f32], &[u16], usize, &mut [f32], &mut [u32]),
}

/// MaxSim on 8-bit codes: a document's token is `scale * (code - 128)`, the query's tokens are signed bytes. The maxima
/// are the same bits on every instruction set.
#[derive(Clone, Copy)]
pub struct MaxSimCodes {
    /// The instructions they use.
    pub name: &'static str,
    /// A query is padded to a multiple of so many tokens: at most 16.
    pub lanes: usize,
    place: fn(usize, usize) -> usize,
    middle: i32,
    score: fn(&[i8], &[i32], Coded<'_>, &mut [f32]),
    #[allow(clippy::type_complexity, reason = "the signature is the documentation")]
    score_at: fn(&[i8], &[i32], Coded<'_>, &mut [f32], &mut [u32]),
}

/// Both.
#[derive(Clone, Copy)]
pub(crate) struct MaxSim {
    pub(crate) floats: MaxSimKernels,
    pub(crate) codes: MaxSimCodes,
}

impl MaxSimKernels {
    /// To be handed out only where the instruction sets of both are available.
    pub(crate) const fn new<B: Backend, H: Backend>() -> MaxSimKernels {
        MaxSimKernels {
            lanes: B::LANES,
            f32: plain::<B, f32>,
            f16: plain::<H, u16>,
            f32_at: aligned::<B, f32>,
            f16_at: aligned::<H, u16>,
        }
    }

    /// Tokens of a query of `count`, padded.
    pub fn padded(&self, count: usize) -> usize {
        count.next_multiple_of(self.lanes)
    }

    /// Lays a query's tokens, one after another, out for the kernels.
    ///
    /// Panics unless `dims` is above 0, tokens are whole, and the panel has `dims` numbers for each of the padded tokens.
    pub fn pack(&self, query: &[f32], dims: usize, panel: &mut [f32]) {
        let count = whole(query.len(), dims);
        assert_eq!(self.padded(count).checked_mul(dims), Some(panel.len()), "a panel of another length");
        panel.fill(0.0);
        for (token, components) in query.chunks(dims).enumerate() {
            let (group, lane) = (token / self.lanes, token % self.lanes);
            for (i, component) in components.iter().enumerate() {
                panel[(group * dims + i) * self.lanes + lane] = *component;
            }
        }
    }
}

impl MaxSimCodes {
    /// To be handed out only where the instruction set is available.
    pub(crate) const fn new<C: CodeBackend>() -> MaxSimCodes {
        MaxSimCodes {
            name: C::NAME,
            lanes: <C::Tokens as Tokens>::Floats::LANES,
            place: <C::Tokens as Tokens>::place,
            middle: C::Tokens::MIDDLE,
            score: coded::<C>,
            score_at: coded_at::<C>,
        }
    }

    /// Tokens of a query of `count`, padded.
    pub fn padded(&self, count: usize) -> usize {
        count.next_multiple_of(self.lanes)
    }

    /// Lays a query's tokens out, and what each begins with.
    ///
    /// Panics unless the stride is a multiple of 4 above 0, tokens are whole, no byte is -128, the panel has a stride for each
    /// of the padded tokens, and `begin` a number.
    pub fn pack(&self, query: &[i8], stride: usize, panel: &mut [i8], begin: &mut [i32]) {
        let padded = self.padded(whole(query.len(), stride));
        assert!(stride.is_multiple_of(DEPTH), "a stride that is no multiple of 4");
        assert_eq!(padded.checked_mul(stride), Some(panel.len()), "a panel of another length");
        assert_eq!(padded, begin.len(), "as many numbers to begin with as tokens");
        panel.fill(0);
        begin.fill(0);
        for (token, bytes) in query.chunks(stride).enumerate() {
            let (group, lane) = (token / self.lanes, token % self.lanes);
            // With it two products would leave i16.
            assert!(!bytes.contains(&i8::MIN), "a byte of -128");
            begin[token] = self.middle * bytes.iter().map(|byte| i32::from(*byte)).sum::<i32>();
            for (i, byte) in bytes.iter().enumerate() {
                let register = (group * stride + i - i % DEPTH) * self.lanes;
                panel[register + (self.place)(lane, i % DEPTH)] = *byte;
            }
        }
    }

    /// `best[q]` becomes the largest of `scales[t] * sum(query[q][i] * (codes[t][i] - 128))` over the tokens `t`; minus
    /// infinity where there is none. Exact up to 65,536 codes a token but for two roundings.
    ///
    /// Panics unless the lengths fit.
    pub fn score(&self, packed: (&[i8], &[i32]), codes: &[u8], scales: &[f32], best: &mut [f32]) {
        self.score_from(packed, codes, scales, &[], best);
    }

    /// The same where each token's sums begin elsewhere: token `t` with the numbers of part `parts[t]` of `packed.1`, which
    /// has one for each padded token of the query in every part.
    ///
    /// Panics unless the lengths fit, and where a part is not there.
    pub fn score_from(
        &self,
        packed: (&[i8], &[i32]),
        codes: &[u8],
        scales: &[f32],
        parts: &[u16],
        best: &mut [f32],
    ) {
        if let Some(tokens) = self.check(packed, codes, scales, parts, best) {
            (self.score)(packed.0, packed.1, tokens, best);
        }
    }

    /// As [`score_from`](Self::score_from), with the token that each maximum is of, the first of equal ones. Without parts
    /// all begin alike.
    ///
    /// Panics unless the lengths fit.
    pub fn score_at(
        &self,
        packed: (&[i8], &[i32]),
        codes: &[u8],
        scales: &[f32],
        parts: &[u16],
        best: &mut [f32],
        at: &mut [u32],
    ) {
        assert_eq!(best.len(), at.len(), "as many places as maxima");
        at.fill(0);
        if let Some(tokens) = self.check(packed, codes, scales, parts, best) {
            (self.score_at)(packed.0, packed.1, tokens, best, at);
        }
    }

    /// The tokens, where the lengths fit and there is something to do.
    fn check<'a>(
        &self,
        (panel, begin): (&[i8], &[i32]),
        codes: &'a [u8],
        scales: &'a [f32],
        parts: &'a [u16],
        best: &mut [f32],
    ) -> Option<Coded<'a>> {
        assert!(best.len().is_multiple_of(self.lanes), "maxima that are no whole groups");
        best.fill(f32::NEG_INFINITY);
        if best.is_empty() {
            assert!(panel.is_empty() && begin.is_empty(), "a panel of no token");
            return None;
        }
        let most = parts.iter().fold(0, |most, part| usize::from(*part).max(most));
        let whole = begin.len() / best.len();
        assert!(most < whole && whole * best.len() == begin.len(), "numbers to begin with, of every part");
        assert!(parts.is_empty() || parts.len() == scales.len(), "as many parts as tokens, or none");
        let stride = panel.len() / best.len();
        assert!(stride > 0 && stride.is_multiple_of(DEPTH), "a stride that is no multiple of 4");
        assert_eq!(stride * best.len(), panel.len(), "a panel of another length");
        assert_eq!(scales.len().checked_mul(stride), Some(codes.len()), "codes that are not whole");
        (!scales.is_empty()).then_some(Coded { codes, scales, stride, parts })
    }
}

/// Whole vectors of `dims` in `len`.
fn whole(len: usize, dims: usize) -> usize {
    assert!(dims > 0 && len.is_multiple_of(dims), "vectors that are not whole");
    len / dims
}

/// Whether the lengths fit (else it panics) and there is anything to do.
fn check(lanes: usize, panel: usize, tokens: usize, dims: usize, best: &mut [f32]) -> bool {
    assert!(best.len().is_multiple_of(lanes), "maxima that are no whole groups");
    assert_eq!(best.len().checked_mul(dims), Some(panel), "a panel of another length");
    let any = whole(tokens, dims) > 0 && !best.is_empty();
    best.fill(f32::NEG_INFINITY);
    any
}

fn plain<B: Backend, E: Element>(panel: &[f32], tokens: &[E], dims: usize, best: &mut [f32]) {
    if check(B::LANES, panel.len(), tokens.len(), dims, best) {
        // SAFETY: whole tokens and groups; the table this stands in is handed out only where `B` is available.
        unsafe { B::maxsim::<E, false>(panel, tokens, dims, best, &mut []) }
    }
}

fn aligned<B: Backend, E: Element>(
    panel: &[f32],
    tokens: &[E],
    dims: usize,
    best: &mut [f32],
    at: &mut [u32],
) {
    assert_eq!(best.len(), at.len(), "as many places as maxima");
    at.fill(0);
    if check(B::LANES, panel.len(), tokens.len(), dims, best) {
        // SAFETY: as in `plain`, and `at` is as long as `best`.
        unsafe { B::maxsim::<E, true>(panel, tokens, dims, best, at) }
    }
}

fn coded<C: CodeBackend>(panel: &[i8], begin: &[i32], tokens: Coded<'_>, best: &mut [f32]) {
    // SAFETY: `MaxSimCodes` checked the lengths; the table this stands in is handed out only where `C` is available.
    unsafe { C::maxsim::<false>(panel, begin, tokens, best, &mut []) }
}

fn coded_at<C: CodeBackend>(
    panel: &[i8],
    begin: &[i32],
    tokens: Coded<'_>,
    best: &mut [f32],
    at: &mut [u32],
) {
    // SAFETY: as in `coded`, and `at` is as long as `best`.
    unsafe { C::maxsim::<true>(panel, begin, tokens, best, at) }
}
