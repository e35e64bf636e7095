//! MaxSim, encodings and an index of token vectors behind a C ABI, so that Python times them in one process with its own
//! libraries. Every pointer is to as many elements as the numbers beside it say.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]


use tercet_index::multi::{
    Candidates, Fde, FdeParams, MultiInput, MultiQuery, MultiReader, MultiSearch, MultiSpec, Projection, QueryTokens, TokenCodec,
    build_multi,
};
use tercet_index::{Codec, Counters, DenseSpec, Effort, IndexError, MemorySections, Metric, TopK, Work, dense_kind};
use tercet_kernels::{f32s_to_f16s, kernels};

/// Scores all documents by MaxSim: `kind` 0 f32, 1 f16, 2 codes. `halves`, `codes`, `scales` are what `narrow` made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_maxsim(
    kind: u32, query: *const f32, nq: usize, dims: usize, tokens: *const f32, halves: *const u16, codes: *const u8,
    scales: *const f32, ends: *const i64, docs: usize, out: *mut f32,
) {
    let ends = slice(ends, docs + 1);
    let count = ends[docs] as usize;
    let (query, out) = (slice(query, nq * dims), slice_mut(out, docs));
    let table = kernels();
    let floats = table.maxsim();
    let mut best = vec![0.0; floats.padded(nq).max(table.maxsim_codes().padded(nq))];
    if kind == 2 {
        let kernel = table.maxsim_codes();
        let (codes, scales) = (slice(codes, count * dims), slice(scales, count));
        let steps: Vec<f32> = query.chunks(dims).map(|q| q.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0).collect();
        let bytes: Vec<i8> = query.chunks(dims).zip(&steps).flat_map(|(q, s)| q.iter().map(move |x| (x / s).round() as i8)).collect();
        let padded = kernel.padded(nq);
        let (mut panel, mut begin) = (vec![0; padded * dims], vec![0; padded]);
        kernel.pack(&bytes, dims, &mut panel, &mut begin);
        for (doc, out) in out.iter_mut().enumerate() {
            let (from, end) = (ends[doc] as usize, ends[doc + 1] as usize);
            kernel.score((&panel, &begin), &codes[from * dims..end * dims], &scales[from..end], &mut best[..padded]);
            *out = best.iter().zip(&steps).map(|(b, s)| b * s).sum();
        }
        return;
    }
    let padded = floats.padded(nq);
    let mut panel = vec![0.0; padded * dims];
    floats.pack(query, dims, &mut panel);
    for (doc, out) in out.iter_mut().enumerate() {
        let (from, end) = (ends[doc] as usize * dims, ends[doc + 1] as usize * dims);
        if kind == 0 {
            (floats.f32)(&panel, slice(tokens.wrapping_add(from), end - from), dims, &mut best[..padded]);
        } else {
            (floats.f16)(&panel, slice(halves.wrapping_add(from), end - from), dims, &mut best[..padded]);
        }
        *out = best[..nq].iter().sum();
    }
}

/// Halves, codes and scales of tokens whose dims are a multiple of 4.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_narrow(tokens: *const f32, count: usize, dims: usize, halves: *mut u16, codes: *mut u8, scales: *mut f32) {
    let tokens = slice(tokens, count * dims);
    f32s_to_f16s(tokens, slice_mut(halves, count * dims));
    let codes = slice_mut(codes, count * dims);
    let scales = slice_mut(scales, count);
    for ((token, codes), scale) in tokens.chunks(dims).zip(codes.chunks_mut(dims)).zip(scales) {
        *scale = token.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        token.iter().zip(codes).for_each(|(x, code)| *code = ((x / *scale).round() as i32 + 128) as u8);
    }
}

fn params(dims: usize, r: u32, k: u32, kind: u32, to: u32, fold: u32, seed: u64) -> FdeParams {
    let projection = match kind {
        0 => Projection::None,
        1 => Projection::Dense(to),
        _ => Projection::Sketch(to),
    };
    FdeParams { dims, repetitions: r, bits: k, projection, fold: (fold > 0).then_some(fold), seed }
}

/// Encodings of sets of vectors, of documents or queries; false where something does not fit. Without sets, what is drawn
/// for the parameters is drawn, and nothing else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_fde(
    query: bool, dims: usize, r: u32, k: u32, kind: u32, to: u32, fold: u32, seed: u64, tokens: *const f32,
    ends: *const i64, sets: usize, out: *mut f32,
) -> bool {
    let Ok(fde) = Fde::new(params(dims, r, k, kind, to, fold, seed)) else { return false };
    let ends = slice(ends, sets + 1);
    let tokens = slice(tokens, ends[sets] as usize * dims);
    let out = slice_mut(out, sets * fde.params().len());
    for (set, out) in out.chunks_mut(fde.params().len()).enumerate() {
        let tokens = &tokens[ends[set] as usize * dims..ends[set + 1] as usize * dims];
        let Ok(values) = (if query { fde.query(tokens) } else { fde.document(tokens) }) else { return false };
        out.copy_from_slice(&values);
    }
    true
}

/// The elements at a pointer that came through the C ABI.
fn slice<'a, T>(from: *const T, count: usize) -> &'a [T] {
    // SAFETY: whoever calls a function of this library vouches for its pointers.
    unsafe { std::slice::from_raw_parts(from, count) }
}

/// The same, to write to.
fn slice_mut<'a, T>(from: *mut T, count: usize) -> &'a mut [T] {
    // SAFETY: as in `slice`, and nobody else uses them meanwhile.
    unsafe { std::slice::from_raw_parts_mut(from, count) }
}

pub struct Index {
    spec: MultiSpec,
    reader: MultiReader,
}

/// An index: `codec` 1, 2, 4 residual bits, 8, 16 or 32; r = 0: without encodings, and `dense` 9: with candidates by
/// centroids. `dense`: 0 flat, 1 flat with 8-bit codes, 2 hnsw, 3 one list of 1-bit RaBitQ codes, 4 one of 4-bit PQ codes.
/// Null where something does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_build(
    dims: usize, codec: u32, pool: u32, r: u32, k: u32, kind: u32, to: u32, fold: u32, dense: u32, tokens: *const f32,
    ends: *const i64, docs: usize, bytes: *mut u64,
) -> *mut Index {
    let ends: Vec<u64> = slice(ends, docs + 1)[1..].iter().map(|end| *end as u64).collect();
    let tokens = slice(tokens, ends[docs - 1] as usize * dims);
    let parameters = (r > 0).then(|| params(dims, r, k, kind, to, fold, 0));
    match made(dims, codec, pool, parameters, dense, tokens, &ends) {
        Ok((index, size)) => {
            slice_mut(bytes, 1)[0] = size;
            Box::into_raw(Box::new(index))
        }
        Err(_) => std::ptr::null_mut(),
    }
}

fn made(
    dims: usize, codec: u32, pool: u32, parameters: Option<FdeParams>, dense: u32, tokens: &[f32], ends: &[u64],
) -> Result<(Index, u64), IndexError> {
    let codec = match codec {
        32 => TokenCodec::F32,
        16 => TokenCodec::F16,
        8 => TokenCodec::I8,
        bits => TokenCodec::Residual(bits as u8),
    };
    let mut spec = MultiSpec { pool, ..MultiSpec::new(dims, codec) };
    if dense == 9 {
        spec.candidates = Candidates::Centroids;
    }
    if let Some(parameters) = parameters {
        let mut of = DenseSpec::new(parameters.len(), Metric::Dot);
        if dense > 0 {
            (of.options.codec, of.options.keep) = (Codec::Lvq8, false);
        }
        if dense > 2 {
            of.options.codec =
                if dense == 3 { Codec::RaBitQ { bits: 1 } } else { Codec::Pq { m: (of.dims / 16) as u16, bits: 4 } };
            of.options.ivf.lists = 1;
        }
        let kind = dense_kind(["flat", "flat", "hnsw", "ivf", "ivf"][(dense as usize).min(4)]);
        spec = spec.with_fde(parameters, kind.ok_or(IndexError::Unsupported { what: "the kind" })?, of)?;
    }
    let rows = ends.len() as u32;
    let input = MultiInput { rows, present: None, ends, tokens, units: None, plain: false };
    let sections = build_multi(&spec, &input, &Work::inline())?;
    let size = sections.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let reader = MultiReader::open(&spec, rows, &MemorySections::new(&sections))?;
    Ok((Index { spec, reader }, size))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_free(index: *mut Index) {
    // SAFETY: `multi_build` made it, and nobody uses it any more.
    drop(unsafe { Box::from_raw(index) });
}

/// The best k rows of a query among so many candidates (0: all documents).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn multi_search(
    index: *const Index, query: *const f32, nq: usize, k: usize, candidates: u32, carve: f32, rows: *mut u32, scores: *mut f32,
) -> bool {
    let Index { spec, reader } = &slice(index, 1)[0];
    let (rows, scores) = (slice_mut(rows, k), slice_mut(scores, k));
    let carve = (carve > 0.0).then_some(carve);
    let query = QueryTokens { carve, ..QueryTokens::new(slice(query, nq * spec.dims)) };
    let Ok(query) = MultiQuery::new(spec, query) else { return false };
    let effort = if candidates == 0 { Effort::Exact } else { Effort::Ef(candidates) };
    let mut top = TopK::new(k);
    let search = MultiSearch::new(effort);
    let found = reader.search(&query, &search, &mut top, &mut Counters::default());
    for ((row, score), hit) in rows.iter_mut().zip(scores).zip(top.into_sorted()) {
        (*row, *score) = (hit.row, hit.score);
    }
    found.is_ok()
}
