//! The parts of an index: each a section file in memory with its reader.

use std::sync::Arc;

use tercet_index::{Bitmap, DenseInput, DenseKind, DenseReader, IndexError, Values, Work, dense_kind};
use tercet_store::{SectionFile, SectionFileWriter};

use super::Spec;
use crate::error::index_error;
use crate::sections::Within;
use crate::wire::{Code, TercetError};

/// The kind of section file that an index is.
pub(super) const KIND: &str = "index";
/// How many parts of a size become one.
const FAN_IN: usize = 8;

/// Vectors that were added together, or merged. A copy costs the bitmap and no vector.
#[derive(Clone)]
pub(super) struct IndexPart {
    /// The first row of the index that is here.
    pub(super) first: u32,
    pub(super) rows: u32,
    /// The rows that live; `None` when all do.
    pub(super) live: Option<Bitmap>,
    pub(super) stored: Arc<Stored>,
}

/// What never changes of a part.
pub(super) struct Stored {
    pub(super) reader: Box<dyn DenseReader>,
    pub(super) file: SectionFile,
}

fn kind(spec: &Spec) -> Result<&'static DenseKind, TercetError> {
    let name = spec.index.kind();
    dense_kind(name).ok_or_else(|| {
        TercetError::new(Code::Unsupported, format!("no dense index kind `{name}` in this build"))
    })
}

fn index_spec(spec: &Spec) -> tercet_index::DenseSpec {
    crate::dense::index_spec(spec.dims, spec.metric, &spec.index)
}

impl IndexPart {
    /// Builds a part over row-major vectors.
    pub(super) fn build(spec: &Spec, first: u32, vectors: &[f32]) -> Result<Self, TercetError> {
        let rows = (vectors.len() / spec.dims as usize) as u32;
        let input = DenseInput { rows, present: None, values: Values::F32(vectors) };
        let sections = (kind(spec)?.build)(&index_spec(spec), &input, &Work::inline())
            .map_err(|e| index_error(e, "(index)"))?;
        let mut writer = SectionFileWriter::new(KIND);
        for (name, bytes) in &sections {
            writer.add(name, bytes.as_slice());
        }
        let file = SectionFile::from_own_bytes(writer.to_bytes()?, "(memory)")?;
        Self::open(spec, first, rows, None, file)
    }

    /// Opens a part over a section file.
    pub(super) fn open(
        spec: &Spec,
        first: u32,
        rows: u32,
        live: Option<Bitmap>,
        file: SectionFile,
    ) -> Result<Self, TercetError> {
        let reader = (kind(spec)?.open)(&index_spec(spec), rows, &Within::whole(&file))
            .map_err(|e| index_error(e, file.label()))?;
        Ok(IndexPart { first, rows, live, stored: Arc::new(Stored { reader, file }) })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.stored.file.file_len() + self.live.as_ref().map_or(0, |live| live.words().len() as u64 * 8)
    }

    pub(super) fn live_rows(&self) -> u32 {
        self.live.as_ref().map_or(self.rows, Bitmap::count)
    }

    pub(super) fn lives(&self, row: u32) -> bool {
        row < self.rows && self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// Removes a row of the index; false when it is not here or gone already.
    pub(super) fn remove(&mut self, row: u32) -> bool {
        let Some(row) = row.checked_sub(self.first).filter(|row| self.lives(*row)) else {
            return false;
        };
        self.live.get_or_insert_with(|| Bitmap::full(self.rows)).clear(row)
    }

    /// The live rows of this part that a filter over the whole index lets through.
    pub(super) fn allowed(&self, filter: &Bitmap) -> Bitmap {
        let mut allowed = Bitmap::new(self.rows);
        for row in 0..self.rows {
            if filter.contains(self.first + row) && self.lives(row) {
                allowed.set(row);
            }
        }
        allowed
    }
}

/// Neighbouring parts as one; removed rows keep their numbers unless `dense`.
pub(super) fn merge(spec: &Spec, parts: &[&IndexPart], dense: bool) -> Result<IndexPart, TercetError> {
    let first = if dense { 0 } else { parts.first().map_or(0, |part| part.first) };
    let rows: usize = parts.iter().map(|p| p.rows as usize).sum();
    let memory = |e: IndexError| index_error(e, "(index)");
    let mut values = tercet_index::reserved(rows.saturating_mul(spec.dims as usize)).map_err(memory)?;
    let mut live = Bitmap::full(rows as u32);
    let mut at = 0;
    for part in parts {
        for row in 0..part.rows {
            if !part.lives(row) {
                live.clear(at);
            }
            at += 1;
            if !dense || part.lives(row) {
                let vector = part.stored.reader.vector(row);
                let vector = vector.map_err(|e| index_error(e, part.stored.file.label()))?;
                let corrupt = || {
                    let file = part.stored.file.label();
                    TercetError::new(Code::Corrupt, format!("{file}: row {row} has no vector")).file(file)
                };
                values.extend_from_slice(&vector.ok_or_else(corrupt)?);
            }
        }
    }
    let mut merged = IndexPart::build(spec, first, &values)?;
    if !dense && live.count() < live.len() {
        merged.live = Some(live);
    }
    Ok(merged)
}

/// What becomes of the parts when one more comes: it joins them, or the last of them and it become one.
pub(super) fn settle(
    spec: &Spec,
    parts: &[IndexPart],
    fresh: IndexPart,
) -> Result<Vec<IndexPart>, TercetError> {
    let level = |rows: u32| u32::BITS - (rows / 1_024).leading_zeros();
    let run = parts.iter().rev().take_while(|part| level(part.rows) <= level(fresh.rows) + 2).count();
    let kept = if run + 1 < FAN_IN { parts.len() } else { parts.len() - run };
    let merged: Vec<&IndexPart> = parts[kept..].iter().chain([&fresh]).collect();
    let last = if merged.len() > 1 { merge(spec, &merged, false)? } else { fresh };
    Ok(parts[..kept].iter().cloned().chain([last]).collect())
}
