//! Several segments into one, tokens by their bytes: what is held is an end a document.

use super::InnerSink;
use super::book::{Book, Coded, Coder, outgrown, sample_of};
use super::build::{head, plain_codec};
use super::lists;
use super::reader::{MultiReader, Raw};
use super::spec::{Candidates, MultiSpec, NO_UNIT, TokenCodec};
use super::tokens::Form;
use crate::cluster::sampled;
use crate::dense::{DenseSource, DenseStream, EachVector, Work};
use crate::sections::reserved;
use crate::{ArraySink, IndexError, SectionSink};

/// A reader whose documents are merged.
pub struct MultiSource<'a> {
    /// The reader.
    pub reader: &'a MultiReader,
    /// Its rows that are kept, ascending, each with its row in the merged segment.
    pub kept: Box<dyn Iterator<Item = (u32, u32)> + 'a>,
}

/// What takes documents one by one: the row in the merged segment, the reader, its row there.
pub type EachDocument<'a> = dyn FnMut(u32, &MultiReader, u32) -> Result<(), IndexError> + 'a;

/// The documents of segments that are merged.
pub trait MultiStream {
    /// Calls back with every document that has tokens, merged rows ascending. May be asked again and gives the same.
    fn for_each(&self, each: &mut EachDocument<'_>) -> Result<(), IndexError>;

    /// The readers they come from.
    fn sources(&self) -> Vec<MultiSource<'_>>;

    /// Whether what only makes searches faster is left to a later merge.
    fn plain(&self) -> bool {
        false
    }
}

/// Documents between two reports of progress.
const REPORT: u64 = 256;

/// Writes the sections of one segment of `rows` rows.
pub fn merge_multi(
    spec: &MultiSpec,
    rows: u32,
    stream: &dyn MultiStream,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let Listed { documents, ends, units } = listed(rows, stream)?;
    let tokens = ends.last().copied().unwrap_or(0);
    let sparse = documents.len() < rows as usize;
    let book = book(spec, tokens, stream, work)?;
    let codec = if book.is_some() { spec.codec } else { plain_codec(spec.codec) };
    let form = Form { codec, dims: spec.keep };
    let centroids = book.as_ref().map_or(0, Book::len);
    head(sink, form, documents.len() as u32, tokens, [sparse, units], centroids as u32)?;
    sink.begin("ends")?;
    sink.write(bytemuck::cast_slice(&ends))?;
    if sparse {
        sink.begin("rows")?;
        sink.write(bytemuck::cast_slice(&documents))?;
    }
    let mut moving = Moving::new(form, book.as_ref(), tokens)?;
    let mut done = 0;
    sink.begin("tokens")?;
    stream.for_each(&mut |_, reader, old| {
        if done % REPORT == 0 {
            work.step(done, documents.len() as u64)?;
        }
        done += 1;
        moving.document(book.as_ref(), reader, old, sink)
    })?;
    let coded = moving.coded;
    match form.codec {
        TokenCodec::I8 => {
            sink.begin("scales")?;
            // Without centroids here there are none anywhere: all tokens are kept alike.
            each(stream, &mut |_, raw| sink.write(raw.scales))?;
        }
        TokenCodec::Residual(_) => {
            sink.begin("scales")?;
            sink.write(bytemuck::cast_slice(&coded.scales))?;
        }
        TokenCodec::F32 | TokenCodec::F16 => {}
    }
    if let Some(book) = &book {
        sink.begin("nearest")?;
        sink.write(bytemuck::cast_slice(&coded.nearest))?;
        book.write(sink)?;
        if matches!(spec.candidates, Candidates::Centroids) {
            lists::write(sink, centroids, &coded.nearest, &ends)?;
        }
    }
    if units {
        let mut out = ArraySink::begin(sink, "units")?;
        each(stream, &mut |_, raw| match raw.units {
            Some(units) => units.iter().try_for_each(|unit| out.push(*unit)),
            None => (0..raw.tokens).try_for_each(|_| out.push(NO_UNIT)),
        })?;
        out.flush()?;
    }
    match &spec.candidates {
        Candidates::None | Candidates::Centroids => Ok(()),
        Candidates::Fde { kind, dense, .. } => {
            (kind.merge)(dense, rows, &Encodings(stream), &mut InnerSink(sink), work)
        }
    }
}

/// The documents of a merged segment.
struct Listed {
    documents: Vec<u32>,
    ends: Vec<u64>,
    /// Whether any has units.
    units: bool,
}

fn listed(rows: u32, stream: &dyn MultiStream) -> Result<Listed, IndexError> {
    let (mut documents, mut tokens): (Vec<u32>, u64) = (Vec::new(), 0);
    let mut ends: Vec<u64> = Vec::new();
    let mut units = false;
    each(stream, &mut |row, raw| {
        if let Some(&after) = documents.last().filter(|after| **after >= row) {
            return Err(IndexError::Order { what: "rows with tokens".into(), after, row });
        }
        if row >= rows {
            return Err(IndexError::shape("rows of the segment", rows.into(), u64::from(row) + 1));
        }
        if documents.try_reserve(1).and_then(|()| ends.try_reserve(1)).is_err() {
            return Err(IndexError::Memory { bytes: 12 });
        }
        documents.push(row);
        tokens += raw.tokens as u64;
        ends.push(tokens);
        units |= raw.units.is_some();
        Ok(())
    })?;
    Ok(Listed { documents, ends, units })
}

/// The centroids of the merged segment: those that most tokens have already, or new ones, of enough tokens that have none
/// or have outgrown them. What was coded by others is coded again.
fn book(
    spec: &MultiSpec,
    tokens: u64,
    stream: &dyn MultiStream,
    work: &Work<'_>,
) -> Result<Option<Book>, IndexError> {
    if !spec.book() || tokens == 0 {
        return Ok(None);
    }
    let mut books: Vec<(u64, Book)> = Vec::new();
    for MultiSource { reader, .. } in stream.sources() {
        let Some(stored) = reader.stored_book() else { continue };
        let mut known = None;
        for (at, (_, book)) in books.iter().enumerate() {
            known = if stored.is(book)? { Some(at) } else { known };
        }
        match known {
            Some(at) => books[at].0 += reader.tokens(),
            None => books.push((reader.tokens(), stored.load()?)),
        }
    }
    // Of equal ones the older.
    let largest = books.iter().map(|(tokens, _)| *tokens).max();
    let count = usize::try_from(tokens).unwrap_or(usize::MAX);
    let kept =
        books.iter().position(|(tokens, _)| Some(*tokens) == largest).map(|at| books.swap_remove(at).1);
    if stream.plain() || !outgrown(kept.as_ref().map_or(0, Book::len), count) {
        return Ok(kept);
    }
    let places = sampled(count, sample_of(count), spec.seed);
    let (mut sample, mut from, mut next) =
        (reserved(places.len() * spec.keep)?, 0u64, places.iter().peekable());
    stream.for_each(&mut |_, reader, old| {
        let end = from + raw(reader, old)?.tokens as u64;
        if next.peek().is_some_and(|place| u64::from(**place) < end) {
            let floats = reader.stored(old)?.unwrap_or_default();
            while let Some(place) = next.next_if(|place| u64::from(**place) < end) {
                let at = (u64::from(*place) - from) as usize * spec.keep;
                sample.extend_from_slice(floats.get(at..at + spec.keep).unwrap_or(&[]));
            }
        }
        from = end;
        Ok(())
    })?;
    Book::train(&sample, spec.keep, spec.bits(), count, spec.seed, work).map(Some)
}

/// Tokens on their way into the merged segment.
struct Moving<'a> {
    form: Form,
    coder: Option<Coder<'a>>,
    /// The centroids of all, and the scales of residual codes.
    coded: Coded,
    /// Whose documents come, and whether it has the same centroids.
    last: Option<(*const MultiReader, bool)>,
}

impl<'a> Moving<'a> {
    fn new(form: Form, book: Option<&'a Book>, tokens: u64) -> Result<Self, IndexError> {
        let count = if book.is_some() { usize::try_from(tokens).unwrap_or(usize::MAX) } else { 0 };
        let scales = if matches!(form.codec, TokenCodec::Residual(_)) { count } else { 0 };
        let coded = Coded { nearest: reserved(count)?, scales: reserved(scales)?, bytes: Vec::new() };
        Ok(Moving { form, coder: book.map(Book::coder), coded, last: None })
    }

    /// Writes the tokens of a document: as they lie where that is how they are kept here.
    fn document(
        &mut self,
        book: Option<&Book>,
        reader: &MultiReader,
        old: u32,
        sink: &mut dyn SectionSink,
    ) -> Result<(), IndexError> {
        let raw = raw(reader, old)?;
        // Documents come reader by reader.
        let same = match self.last {
            Some((last, same)) if std::ptr::eq(last, reader) => same,
            _ => match (book, reader.stored_book()) {
                (Some(book), Some(stored)) => stored.is(book)?,
                _ => false,
            },
        };
        self.last = Some((reader, same));
        let residual = matches!(self.form.codec, TokenCodec::Residual(_));
        let keeps = reader.form() == self.form && (!residual || same);
        if same {
            self.coded.nearest.extend_from_slice(raw.nearest);
            if residual {
                let scales = raw.scales.as_chunks::<2>().0;
                self.coded.scales.extend(scales.iter().map(|bytes| u16::from_le_bytes(*bytes)));
            }
        }
        if keeps && (same || self.coder.is_none()) {
            return sink.write(raw.bytes);
        }
        let floats = reader.stored(old)?.unwrap_or_default();
        if let Some(coder) = &self.coder {
            coder.encode(&floats, self.form.stride(), &mut self.coded);
        }
        if keeps {
            return sink.write(raw.bytes);
        }
        let mut bytes = std::mem::take(&mut self.coded.bytes);
        if !residual {
            floats
                .chunks(self.form.dims)
                .for_each(|token| self.form.write(token, &mut bytes, &mut Vec::new()));
        }
        sink.write(&bytes)?;
        bytes.clear();
        self.coded.bytes = bytes;
        Ok(())
    }
}

fn raw<'a>(reader: &'a MultiReader, old: u32) -> Result<Raw<'a>, IndexError> {
    reader.raw(old)?.ok_or_else(|| IndexError::corrupt("rows", format!("row {old} has no tokens")))
}

/// Every document's bytes.
fn each(
    stream: &dyn MultiStream,
    each: &mut dyn FnMut(u32, Raw<'_>) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    stream.for_each(&mut |row, reader, old| each(row, raw(reader, old)?))
}

/// The encodings of the documents.
struct Encodings<'a>(&'a dyn MultiStream);

impl DenseStream for Encodings<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        self.0.for_each(&mut |row, reader, old| {
            let missing = || IndexError::corrupt("fde", format!("row {old} has no encoding"));
            let stored = reader.encodings().ok_or_else(missing)?.stored(old)?.ok_or_else(missing)?;
            each(row, stored.values())
        })
    }

    fn plain(&self) -> bool {
        self.0.plain()
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        let mut all = Vec::new();
        for MultiSource { reader, kept } in self.0.sources() {
            if let Some(reader) = reader.encodings() {
                all.push(DenseSource { reader, kept });
            }
        }
        all
    }
}
