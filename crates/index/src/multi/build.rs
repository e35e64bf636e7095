//! Documents' tokens in, sections out.

use super::book::{Book, Coded, TRAIN_TOKENS, sample_of};
use super::lists;
use super::pool::pool;
use super::spec::{Candidates, MultiSpec, TOKENS_MAX, TokenCodec};
use super::tokens::Form;
use super::{InnerSink, VERSION, inner};
use crate::batch::in_parallel;
use crate::cluster::sampled;
use crate::dense::{DenseInput, DenseStream, EachVector, Work};
use crate::sections::{array_bytes, reserved};
use crate::values::Values;
use crate::{IndexError, SectionSink, Sections};
use std::sync::{Mutex, PoisonError};

/// Documents whose tokens are made ready as one piece of work.
const PIECE: usize = 64;
/// Tokens that are coded as one piece of work.
const CODED: usize = 4_096;

/// The tokens of the documents of one segment.
#[derive(Clone, Copy, Debug)]
pub struct MultiInput<'a> {
    /// Rows of the segment.
    pub rows: u32,
    /// The ascending rows that have tokens; `None` when all have.
    pub present: Option<&'a [u32]>,
    /// Where the tokens of each of those rows end.
    pub ends: &'a [u64],
    /// The tokens one after another, of the field's dims.
    pub tokens: &'a [f32],
    /// The unit of each token, [`NO_UNIT`](super::NO_UNIT) for none; `None`: no units.
    pub units: Option<&'a [u32]>,
    /// Whether what only makes searches faster (a graph over encodings) is left to a merge.
    pub plain: bool,
}

/// The documents of a piece, ready.
#[derive(Default)]
struct Ready {
    ends: Vec<u64>,
    /// Where centroids are to be found, else bytes and scales.
    floats: Vec<f32>,
    bytes: Vec<u8>,
    scales: Vec<f32>,
    units: Vec<u32>,
    encodings: Vec<f32>,
}

/// Builds the sections of one segment.
pub fn build_multi(
    spec: &MultiSpec,
    input: &MultiInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let documents = check(spec, input)?;
    let plain = Form { codec: plain_codec(spec.codec), dims: spec.keep };
    let mut all = ready(spec, plain, input, work)?;
    let mut sections = Sections::new();
    let sparse = input.present.filter(|_| documents < input.rows as usize);
    let tokens = all.ends.last().copied().unwrap_or(0);
    let (mut form, mut coded, mut book) = (plain, Coded::default(), None);
    if tokens >= TRAIN_TOKENS as u64 && !all.floats.is_empty() {
        let trained = train(spec, &all.floats, work)?;
        form = Form { codec: spec.codec, ..plain };
        coded = code(&trained, form, &all.floats, work);
        book = Some(trained);
    }
    if !matches!(form.codec, TokenCodec::Residual(_)) {
        // Pooling may leave too few tokens for centroids.
        let Ready { floats, bytes, scales, .. } = &mut all;
        floats.chunks(spec.keep).for_each(|token| form.write(token, bytes, scales));
    }
    let flags = [sparse.is_some(), input.units.is_some()];
    head(&mut sections, form, documents as u32, tokens, flags, book.as_ref().map_or(0, Book::len) as u32)?;
    section(&mut sections, "ends", array_bytes(&all.ends)?)?;
    if let Some(rows) = sparse {
        section(&mut sections, "rows", array_bytes(rows)?)?;
    }
    if matches!(form.codec, TokenCodec::Residual(_)) {
        section(&mut sections, "tokens", coded.bytes)?;
        section(&mut sections, "scales", array_bytes(&coded.scales)?)?;
    } else {
        section(&mut sections, "tokens", all.bytes)?;
    }
    if form.codec == TokenCodec::I8 {
        section(&mut sections, "scales", array_bytes(&all.scales)?)?;
    }
    if let Some(book) = &book {
        section(&mut sections, "nearest", array_bytes(&coded.nearest)?)?;
        book.write(&mut sections)?;
        if matches!(spec.candidates, Candidates::Centroids) {
            lists::write(&mut sections, book.len(), &coded.nearest, &all.ends)?;
        }
    }
    if input.units.is_some() {
        section(&mut sections, "units", array_bytes(&all.units)?)?;
    }
    encodings(spec, input, &all.encodings, &mut sections, work)?;
    Ok(sections)
}

/// The index of the encodings.
fn encodings(
    spec: &MultiSpec,
    input: &MultiInput<'_>,
    made: &[f32],
    sections: &mut Sections,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    if let Candidates::Fde { kind, dense, .. } = &spec.candidates {
        let (values, present) = (Values::F32(made), input.present);
        if input.plain {
            let plain = Plain { present, values: made, dims: dense.dims };
            (kind.merge)(dense, input.rows, &plain, &mut InnerSink(sections), work)?;
        } else {
            let encodings = DenseInput { rows: input.rows, present, values, queries: None };
            sections.extend(inner((kind.build)(dense, &encodings, work)?));
        }
    }
    Ok(())
}

/// All documents, as floats where centroids are to be found.
fn ready(
    spec: &MultiSpec,
    plain: Form,
    input: &MultiInput<'_>,
    work: &Work<'_>,
) -> Result<Ready, IndexError> {
    let documents = input.ends.len();
    let given = input.ends.last().copied().unwrap_or(0);
    let form = (!spec.book() || input.plain || given < TRAIN_TOKENS as u64).then_some(plain);
    let pieces: Vec<Mutex<Result<Ready, IndexError>>> =
        (0..documents.div_ceil(PIECE)).map(|_| Mutex::new(Ok(Ready::default()))).collect();
    work.parallel.run(pieces.len(), &|at| {
        let (from, end) = (at * PIECE, documents.min((at + 1) * PIECE));
        let ready =
            work.step(from as u64, documents as u64).and_then(|()| piece(spec, form, input, from..end));
        *pieces[at].lock().unwrap_or_else(PoisonError::into_inner) = ready;
    });
    let mut all = Ready::default();
    for piece in pieces {
        let piece = piece.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        let before = all.ends.last().copied().unwrap_or(0);
        all.ends.extend(piece.ends.iter().map(|end| before + end));
        append(&mut all.floats, &piece.floats)?;
        append(&mut all.bytes, &piece.bytes)?;
        append(&mut all.scales, &piece.scales)?;
        append(&mut all.units, &piece.units)?;
        append(&mut all.encodings, &piece.encodings)?;
    }
    Ok(all)
}

/// How tokens are kept where there are no centroids.
pub(super) fn plain_codec(codec: TokenCodec) -> TokenCodec {
    if matches!(codec, TokenCodec::Residual(_)) { TokenCodec::I8 } else { codec }
}

/// Centroids of tokens.
fn train(spec: &MultiSpec, tokens: &[f32], work: &Work<'_>) -> Result<Book, IndexError> {
    let count = tokens.len() / spec.keep;
    let places = sampled(count, sample_of(count), spec.seed);
    let mut sample = reserved(places.len() * spec.keep)?;
    for at in places {
        sample.extend_from_slice(&tokens[at as usize * spec.keep..][..spec.keep]);
    }
    Book::train(&sample, spec.keep, spec.bits(), count, spec.seed, work)
}

/// Tokens by a book, some a piece of work.
fn code(book: &Book, form: Form, tokens: &[f32], work: &Work<'_>) -> Coded {
    let coder = book.coder();
    let pieces: Vec<&[f32]> = tokens.chunks(form.dims * CODED).collect();
    let parts = in_parallel(work.parallel, pieces.len(), 1, &|at| {
        let mut some = Coded::default();
        coder.encode(pieces[at], form.stride(), &mut some);
        some
    });
    parts.into_iter().fold(Coded::default(), |mut all, part| {
        all.nearest.extend(part.nearest);
        all.bytes.extend(part.bytes);
        all.scales.extend(part.scales);
        all
    })
}

fn append<T: Copy>(all: &mut Vec<T>, more: &[T]) -> Result<(), IndexError> {
    all.try_reserve(more.len()).map_err(|_| IndexError::Memory { bytes: size_of_val(more) as u64 })?;
    all.extend_from_slice(more);
    Ok(())
}

fn section(sections: &mut Sections, name: &str, bytes: Vec<u8>) -> Result<(), IndexError> {
    sections.begin(name)?;
    if let Some((_, section)) = sections.last_mut() {
        *section = bytes;
    }
    Ok(())
}

/// Writes `meta`.
pub(super) fn head(
    sink: &mut dyn SectionSink,
    form: Form,
    documents: u32,
    tokens: u64,
    [sparse, units]: [bool; 2],
    centroids: u32,
) -> Result<(), IndexError> {
    let (codec, bits) = match form.codec {
        TokenCodec::F32 => (0, 32),
        TokenCodec::F16 => (1, 16),
        TokenCodec::I8 => (2, 8),
        TokenCodec::Residual(bits) => (3, bits.into()),
    };
    let flags = u32::from(sparse) | u32::from(units) << 1;
    let (low, high) = (tokens as u32, (tokens >> 32) as u32);
    let head = [VERSION, form.dims as u32, documents, flags, codec, bits, low, high, centroids];
    sink.begin("meta")?;
    sink.write(bytemuck::cast_slice(&head))
}

/// The number of documents, where the arrays fit each other.
fn check(spec: &MultiSpec, input: &MultiInput<'_>) -> Result<usize, IndexError> {
    let documents = input.present.map_or(input.rows as usize, <[u32]>::len);
    if input.ends.len() != documents {
        return Err(IndexError::shape("ends of documents", documents as u64, input.ends.len() as u64));
    }
    if let Some(pair) = input.present.and_then(|rows| rows.windows(2).find(|pair| pair[0] >= pair[1])) {
        return Err(IndexError::Order { what: "rows with tokens".into(), after: pair[0], row: pair[1] });
    }
    if let Some(&last) = input.present.and_then(<[u32]>::last).filter(|last| **last >= input.rows) {
        return Err(IndexError::shape("rows of the segment", input.rows.into(), u64::from(last) + 1));
    }
    let mut before = 0;
    for end in input.ends {
        let tokens = end.checked_sub(before).unwrap_or(0);
        if tokens == 0 || tokens > TOKENS_MAX as u64 {
            let bound = if tokens == 0 { 1 } else { TOKENS_MAX as u64 };
            return Err(IndexError::shape("tokens of a document", bound, tokens));
        }
        before = *end;
    }
    let expected = before.saturating_mul(spec.dims as u64);
    if input.tokens.len() as u64 != expected {
        return Err(IndexError::shape("components of all tokens", expected, input.tokens.len() as u64));
    }
    if let Some(units) = input.units.filter(|units| units.len() as u64 != before) {
        return Err(IndexError::shape("units of all tokens", before, units.len() as u64));
    }
    Ok(documents)
}

/// Prepares, pools, codes and encodes some documents.
fn piece(
    spec: &MultiSpec,
    form: Option<Form>,
    input: &MultiInput<'_>,
    documents: std::ops::Range<usize>,
) -> Result<Ready, IndexError> {
    let mut ready = Ready::default();
    let (mut kept, mut pooled) = (Vec::new(), Vec::new());
    let mut total = 0;
    for document in documents {
        let from = document.checked_sub(1).map_or(0, |before| input.ends[before]) as usize;
        let end = input.ends[document] as usize;
        kept.clear();
        for (at, token) in input.tokens[from * spec.dims..end * spec.dims].chunks(spec.dims).enumerate() {
            if !spec.prepare(token, &mut kept) {
                return Err(IndexError::shape("vectors with a direction", (end - from) as u64, at as u64));
            }
        }
        let units = input.units.map_or(&[][..], |units| &units[from..end]);
        let tokens = if spec.pool > 1 {
            pooled.clear();
            let firsts = pool(&kept, spec.keep, units, spec.pool, &mut pooled);
            ready.units.extend(firsts.iter().filter_map(|first| units.get(*first)));
            kept.clear();
            for mean in pooled.chunks(spec.keep) {
                // A mean of opposite tokens may have no direction: it is kept as it is.
                let from = kept.len();
                if !spec.scaled(mean, &mut kept) {
                    kept.truncate(from);
                    kept.extend_from_slice(mean);
                }
            }
            &kept
        } else {
            ready.units.extend_from_slice(units);
            &kept
        };
        total += (tokens.len() / spec.keep) as u64;
        ready.ends.push(total);
        match form {
            None => append(&mut ready.floats, tokens)?,
            Some(form) => {
                let bytes = form.bytes() * tokens.len() / spec.keep;
                ready.bytes.try_reserve(bytes).map_err(|_| IndexError::Memory { bytes: bytes as u64 })?;
                tokens
                    .chunks(spec.keep)
                    .for_each(|token| form.write(token, &mut ready.bytes, &mut ready.scales));
            }
        }
        if let Candidates::Fde { fde, .. } = &spec.candidates {
            ready.encodings.extend(fde.document(tokens)?);
        }
    }
    Ok(ready)
}

/// Encodings of a segment that is soon merged with others.
struct Plain<'a> {
    present: Option<&'a [u32]>,
    values: &'a [f32],
    dims: usize,
}

impl DenseStream for Plain<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        for (at, vector) in (0..).zip(self.values.chunks_exact(self.dims)) {
            let row = self.present.map_or(Some(at as u32), |rows| rows.get(at as usize).copied());
            row.map_or(Ok(()), |row| each(row, Values::F32(vector)))?;
        }
        Ok(())
    }

    fn plain(&self) -> bool {
        true
    }
}
