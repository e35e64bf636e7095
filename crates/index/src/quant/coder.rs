//! Points as codes of 8 or 4 bits a component, scaled by point (LVQ; Aguerrebere et al., arXiv 2304.04759).
//!
//! ```text
//! row = codes .. zeros .. scale f32, bias f32         a multiple of 32 bytes
//! x_i ~ scale * (code_i - middle)                     middle 128 of 8 bits, 7.5 of 4
//! bias = -|x|^2 / 2, of the whole point even where only its leading components are coded
//! ```
//! Codes are symmetric about zero, which suits centred points, and need one constant less than codes between a minimum
//! and a maximum. The scale is then set so that the estimate of x.x from the codes is |x|^2, which takes the bias out of
//! an estimated dot product with a near vector (the correction of RaBitQ, arXiv 2405.12497).
//!
//! The distance is `|x|^2 / 2 - q.x`: half the squared distance less half the query's squared length.

use super::space::squared;
use crate::IndexError;
use tercet_kernels::{CodeKernels, kernels};

/// Bytes at the end of a row: scale and bias.
const TAIL: usize = 8;
/// What fits the largest component, as shares of it, of 4-bit codes: cutting off outliers makes the steps finer.
const CLIPS: [f32; 7] = [0.55, 0.625, 0.7, 0.775, 0.85, 0.925, 1.0];
/// The largest code of a query's component.
const QUERY_TOP: f32 = 127.0;

/// The shape of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coder {
    /// 8 or 4.
    bits: u32,
    /// Components that are coded.
    dims: usize,
    /// Bytes of a row.
    stride: usize,
}

/// A query made ready for codes.
#[derive(Clone, Debug, Default)]
pub struct CodeQuery {
    pub(super) codes: Vec<i8>,
    pub(super) scale: f32,
    /// The middle of the codes times the sum of the query's codes.
    pub(super) middle: f32,
    /// Half its squared length.
    pub half_norm: f32,
    /// How much of a row's bias counts: 1, or what [`Space::ask`](super::Space::ask) says.
    pub weight: f32,
}

impl CodeQuery {
    /// Whether it was never made.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }
}

impl Coder {
    /// Codes of 8 bits, rows a multiple of 32 bytes.
    pub fn bits8(dims: usize) -> Self {
        Coder { bits: 8, dims, stride: (dims + TAIL).next_multiple_of(32) }
    }

    /// Codes of 4 bits, rows a multiple of 32 bytes.
    pub fn bits4(dims: usize) -> Self {
        Coder { bits: 4, dims, stride: (dims.div_ceil(2) + TAIL).next_multiple_of(32) }
    }

    /// The same in rows of whole cache lines, for those that are read one at a time.
    pub fn in_lines(self) -> Self {
        Coder { stride: self.stride.next_multiple_of(64), ..self }
    }

    /// Components of as many bits as fit into rows of `bytes`.
    pub fn dims_in(bytes: usize, bits: u32) -> usize {
        (bytes - TAIL) * 8 / bits as usize
    }

    /// From what a file says.
    pub fn open(bits: u32, dims: usize, stride: usize) -> Result<Self, IndexError> {
        let coder = match bits {
            8 => Self::bits8(dims),
            4 => Self::bits4(dims),
            _ => return Err(IndexError::corrupt("codes", format!("codes of {bits} bits"))),
        };
        let found = if coder.stride == stride { coder } else { coder.in_lines() };
        if found.stride != stride {
            return Err(IndexError::corrupt(
                "codes",
                format!("rows of {stride} bytes for {dims} components"),
            ));
        }
        Ok(found)
    }

    /// 8 or 4.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Components that are coded.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    fn middle(&self) -> f32 {
        if self.bits == 8 { 128.0 } else { 7.5 }
    }

    /// Codes a point, of which the leading `dims` components are given, and whose squared length is `norm`. `row` has
    /// `stride` bytes.
    pub fn encode(&self, point: &[f32], norm: f32, row: &mut [u8]) {
        row.fill(0);
        let point = point.get(..self.dims).unwrap_or(point);
        let largest = point.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        let step = if self.bits == 8 { largest / 127.0 } else { self.best_step(point, largest) };
        let inverse = if step > f32::MIN_POSITIVE { 1.0 / step } else { 0.0 };
        let (middle, top) = (self.middle(), if self.bits == 8 { 255.0 } else { 15.0 });
        let (mut with_code, mut with_self) = (0.0f64, 0.0f64);
        for (at, &x) in point.iter().enumerate() {
            let code = (x * inverse + middle + 0.5).clamp(0.0, top) as u8;
            with_code += f64::from((f32::from(code) - middle) * x);
            with_self += f64::from(x * x);
            self.put(row, at, code);
        }
        let scale = if with_code > 0.0 && inverse > 0.0 { (with_self / with_code) as f32 } else { 0.0 };
        if let Some(tail) = row.last_chunk_mut::<TAIL>() {
            let [a, b, c, d] = scale.to_le_bytes();
            let [e, f, g, h] = (-0.5 * norm).to_le_bytes();
            *tail = [a, b, c, d, e, f, g, h];
        }
    }

    /// The step between 4-bit codes that loses least.
    fn best_step(&self, point: &[f32], largest: f32) -> f32 {
        let mut best = (f32::INFINITY, 0.0);
        for clip in CLIPS {
            let step = largest * clip / 7.5;
            let inverse = if step > f32::MIN_POSITIVE { 1.0 / step } else { 0.0 };
            // Eight sums side by side: a fixed order that still fills a register.
            let mut lost = [0.0f32; 8];
            for eight in point.chunks(8) {
                for (lost, &x) in lost.iter_mut().zip(eight) {
                    let code = (x * inverse + 8.0).clamp(0.0, 15.0) as i32 as f32;
                    let rest = x - (code - 7.5) * step;
                    *lost += rest * rest;
                }
            }
            let lost = lost.iter().sum();
            if lost < best.0 {
                best = (lost, step);
            }
        }
        best.1
    }

    #[inline]
    fn put(&self, row: &mut [u8], at: usize, code: u8) {
        let (byte, shift) = self.place(at);
        if let Some(byte) = row.get_mut(byte) {
            *byte |= code << shift;
        }
    }

    /// The byte of a component's code and the shift within it.
    #[inline]
    fn place(&self, at: usize) -> (usize, u32) {
        if self.bits == 8 {
            return (at, 0);
        }
        // Blocks of 64 bytes hold 128 codes: the low halves of the bytes first. The last block may have 32 bytes, and
        // its last 8 are the tail, whose partners in a query are zero.
        let last = (self.stride - 1) / 64;
        let block = (at / 128).min(last);
        let within = at - block * 128;
        let bytes = if block == last { self.stride - block * 64 - TAIL } else { 64 };
        if within < bytes { (block * 64 + within, 0) } else { (block * 64 + within - bytes, 4) }
    }

    /// Makes a query ready: a point, of which the leading `dims` components are given, of the squared length `norm`.
    pub fn query(&self, point: &[f32], norm: f32, out: &mut CodeQuery) {
        let point = point.get(..self.dims).unwrap_or(point);
        let largest = point.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        let step = largest / QUERY_TOP;
        let inverse = if step > f32::MIN_POSITIVE { 1.0 / step } else { 0.0 };
        out.codes.clear();
        out.codes.resize(if self.bits == 8 { self.stride } else { self.stride * 2 }, 0);
        let mut sum = 0i32;
        let mut rest = point;
        for range in self.runs() {
            let (some, others) = rest.split_at(range.len().min(rest.len()));
            for (code, x) in out.codes[range].iter_mut().zip(some) {
                // Rounded to the nearest by cutting off, which is only right above zero.
                let rounded = (x * inverse + 128.5) as i32 - 128;
                sum += rounded;
                *code = rounded as i8;
            }
            rest = others;
        }
        out.scale = if inverse > 0.0 { step } else { 0.0 };
        out.middle = self.middle() * sum as f32;
        out.half_norm = 0.5 * norm;
        out.weight = 1.0;
    }

    /// Where runs of components stand in the query: of a block, the partners of the low halves first. All of a row of
    /// 8-bit codes is one run.
    fn runs(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let Coder { bits, stride, .. } = *self;
        let last = (stride - 1) / 64;
        let blocks = if bits == 8 { 1 } else { (last + 1) * 2 };
        (0..blocks).map(move |at| {
            if bits == 8 {
                return 0..stride - TAIL;
            }
            let block = at / 2;
            let bytes = (stride - block * 64).min(64);
            let codes = if block == last { bytes - TAIL } else { bytes };
            let start = block * 128 + if at % 2 == 1 { bytes } else { 0 };
            start..start + codes
        })
    }

    /// The components that the query of 8-bit codes stands for.
    pub fn components(&self, query: &CodeQuery, out: &mut [f32]) {
        for (out, code) in out.iter_mut().zip(&query.codes) {
            *out = f32::from(*code) * query.scale;
        }
    }

    /// The standard deviation of the distance that codes give for a row: of roundings, evenly spread within a step, of the
    /// query's components and of the row's.
    pub fn deviation(&self, query: &CodeQuery, codes: &[u8], id: u32) -> f32 {
        let end = (id as usize + 1) * self.stride;
        let (scale, bias) = tail(codes.get(end - TAIL..end).unwrap_or(&[]));
        let (of_query, of_row) =
            (query.scale * query.scale * (-2.0 * bias), scale * scale * 2.0 * query.half_norm);
        ((of_query + of_row) / 12.0).max(0.0).sqrt()
    }

    /// Makes the query of a stored row of 8-bit codes.
    pub fn query_of_row(&self, row: &[u8], out: &mut CodeQuery) {
        out.codes.clear();
        out.codes.extend(row.iter().map(|&code| (code ^ 0x80) as i8));
        out.codes[self.dims.min(row.len())..].fill(0);
        let sum: i32 = out.codes.iter().map(|&code| i32::from(code)).sum();
        let (scale, bias) = tail(row);
        out.scale = scale;
        out.middle = 128.0 * sum as f32;
        out.half_norm = -bias;
        out.weight = 1.0;
    }

    /// The distances of a query to rows by number. `out` is as long as `ids`.
    #[inline]
    pub fn distances(&self, query: &CodeQuery, codes: &[u8], ids: &[u32], out: &mut [f32]) {
        const AT_ONCE: usize = 64;
        let kernels = self.kernels();
        for (ids, out) in ids.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            let mut sums = [0i32; AT_ONCE];
            let sums = &mut sums[..ids.len()];
            (kernels.gather)(&query.codes, codes, ids, sums);
            for ((out, sum), id) in out.iter_mut().zip(sums).zip(ids) {
                *out = self.finish(query, *sum, codes, *id as usize);
            }
        }
    }

    /// The distances to all of contiguous rows.
    pub fn distances_in_order(&self, query: &CodeQuery, codes: &[u8], out: &mut [f32]) {
        const AT_ONCE: usize = 64;
        let kernels = self.kernels();
        for (rows, out) in codes.chunks(AT_ONCE * self.stride).zip(out.chunks_mut(AT_ONCE)) {
            let mut sums = [0i32; AT_ONCE];
            let sums = &mut sums[..out.len()];
            (kernels.batch)(&query.codes, rows, sums);
            for (at, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
                *out = self.finish(query, *sum, rows, at);
            }
        }
    }

    #[inline(always)]
    fn finish(&self, query: &CodeQuery, sum: i32, codes: &[u8], id: usize) -> f32 {
        let end = (id + 1) * self.stride;
        let (scale, bias) = tail(&codes[end - TAIL..end]);
        -((sum as f32 - query.middle) * (scale * query.scale) + query.weight * bias)
    }

    #[inline]
    pub(super) fn kernels(&self) -> &'static CodeKernels {
        if self.bits == 8 { kernels().u8() } else { kernels().u4() }
    }

    /// The point that a row stands for.
    pub fn decode(&self, row: &[u8], out: &mut Vec<f32>) {
        let (scale, _) = tail(row);
        out.clear();
        out.extend((0..self.dims).map(|at| {
            let (byte, shift) = self.place(at);
            let code = row[byte] >> shift & if self.bits == 8 { 255 } else { 15 };
            (f32::from(code) - self.middle()) * scale
        }));
    }

    /// The squared length in f64, in order, as a row and a query want it.
    pub fn norm(point: &[f32]) -> f32 {
        squared(point.iter().copied()) as f32
    }
}

/// Scale and bias.
#[inline(always)]
pub(super) fn tail(row: &[u8]) -> (f32, f32) {
    match row.last_chunk::<TAIL>() {
        Some(&[a, b, c, d, e, f, g, h]) => {
            (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]))
        }
        None => (0.0, 0.0),
    }
}
