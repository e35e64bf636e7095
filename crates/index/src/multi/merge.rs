//! Several segments into one, tokens by their bytes: what is held is an end a document.

use super::InnerSink;
use super::build::head;
use super::reader::{MultiReader, Raw};
use super::spec::{Candidates, MultiSpec, TokenCodec};
use super::tokens::Form;
use crate::dense::{DenseSource, DenseStream, EachVector, Work};
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
    let form = Form { codec: spec.codec, dims: spec.keep };
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
    let sparse = documents.len() < rows as usize;
    head(sink, form, documents.len() as u32, tokens, [sparse, units], 0)?;
    sink.begin("ends")?;
    sink.write(bytemuck::cast_slice(&ends))?;
    if sparse {
        sink.begin("rows")?;
        sink.write(bytemuck::cast_slice(&documents))?;
    }
    let mut done = 0;
    sink.begin("tokens")?;
    each(stream, &mut |_, raw| {
        if done % REPORT == 0 {
            work.step(done, documents.len() as u64)?;
        }
        done += 1;
        sink.write(raw.bytes)
    })?;
    if form.codec == TokenCodec::I8 {
        sink.begin("scales")?;
        each(stream, &mut |_, raw| sink.write(raw.scales))?;
    }
    if units {
        // Documents without units are one.
        let mut out = ArraySink::begin(sink, "units")?;
        each(stream, &mut |_, raw| match raw.units {
            Some(units) => units.iter().try_for_each(|unit| out.push(*unit)),
            None => (0..raw.tokens).try_for_each(|_| out.push(0)),
        })?;
        out.flush()?;
    }
    match &spec.candidates {
        Candidates::None => Ok(()),
        Candidates::Fde { kind, dense, .. } => {
            (kind.merge)(dense, rows, &Encodings(stream), &mut InnerSink(sink), work)
        }
    }
}

/// Every document's bytes.
fn each(
    stream: &dyn MultiStream,
    each: &mut dyn FnMut(u32, Raw<'_>) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    stream.for_each(&mut |row, reader, old| {
        let raw = reader.raw(old)?;
        each(row, raw.ok_or_else(|| IndexError::corrupt("rows", format!("row {old} has no tokens")))?)
    })
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
