//! A segment as a snapshot sees it: the immutable file, and which of its rows live.

use std::sync::{Arc, OnceLock};

use tercet_index::Bitmap;

use super::manifest::Tombstones;
use crate::segment::Segment;
use crate::wire::TercetError;

/// A segment as one snapshot sees it.
#[derive(Clone)]
pub(crate) struct Part {
    /// The immutable part.
    pub(crate) segment: Arc<Segment>,
    /// The rows that live; `None` when all do.
    pub(crate) live: Option<Arc<Bitmap>>,
    /// Rows that do not.
    pub(crate) deleted: u32,
    /// The segment's file, once it is written.
    pub(super) file: Option<String>,
    /// The file of tombstones that says what `live` says, when there is one.
    pub(super) tombstones: Option<Tombstones>,
    /// Lengths of text fields under `live`, counted at first use.
    lengths: Arc<OnceLock<Vec<TextLengths>>>,
}

/// What BM25 needs to know of one text field of one part.
#[derive(Clone, Copy, Default)]
pub(crate) struct TextLengths {
    /// Live documents that have the field.
    pub(crate) documents: u64,
    /// Their words.
    pub(crate) words: u64,
}

impl Part {
    pub(crate) fn new(segment: Segment, file: Option<String>) -> Part {
        Part {
            segment: Arc::new(segment),
            live: None,
            deleted: 0,
            file,
            tombstones: None,
            lengths: Arc::default(),
        }
    }

    /// Live rows.
    pub(crate) fn documents(&self) -> u64 {
        u64::from(self.segment.rows - self.deleted)
    }

    /// Whether a row lives.
    pub(crate) fn lives(&self, row: u32) -> bool {
        self.live.as_ref().is_none_or(|live| live.contains(row))
    }

    /// The live row of an id.
    pub(crate) fn row(&self, id: &[u8]) -> Result<Option<u32>, TercetError> {
        Ok(self.segment.row(id)?.filter(|row| self.lives(*row)))
    }

    /// Document counts and lengths of a text field.
    pub(crate) fn lengths(&self, field: usize) -> Result<TextLengths, TercetError> {
        if let Some(all) = self.lengths.get() {
            return Ok(all.get(field).copied().unwrap_or_default());
        }
        let count = |at| {
            let (documents, words) = self.segment.text_lengths(at, self.live.as_deref())?;
            Ok(TextLengths { documents, words })
        };
        let all = (0..self.segment.fields.len()).map(count).collect::<Result<Vec<_>, TercetError>>()?;
        Ok(self.lengths.get_or_init(|| all).get(field).copied().unwrap_or_default())
    }

    /// The same segment with all of its rows alive.
    pub(super) fn whole(&self) -> Part {
        Part { live: None, deleted: 0, tombstones: None, lengths: Arc::default(), ..self.clone() }
    }

    /// The part without some more rows.
    pub(super) fn without(&self, gone: &Bitmap) -> Part {
        let mut live = self.live.as_deref().cloned().unwrap_or_else(|| Bitmap::full(self.segment.rows));
        live.and_not(gone);
        Part {
            deleted: self.segment.rows - live.count(),
            live: Some(Arc::new(live)),
            tombstones: None,
            lengths: Arc::default(),
            ..self.clone()
        }
    }

    /// The part without some of its rows, and how many of them had lived.
    pub(super) fn without_rows(&self, rows: impl Iterator<Item = u32>) -> (Part, u64) {
        let mut gone: Option<Bitmap> = None;
        let mut count = 0;
        for row in rows {
            if self.lives(row) && gone.get_or_insert_with(|| Bitmap::new(self.segment.rows)).set(row) {
                count += 1;
            }
        }
        match gone {
            Some(gone) => (self.without(&gone), count),
            None => (self.clone(), 0),
        }
    }

    /// Whether both are views of one segment.
    pub(super) fn is_of(&self, other: &Part) -> bool {
        Arc::ptr_eq(&self.segment, &other.segment)
    }

    /// Bytes held in memory: the set of live rows, what readers of words keep, and the segment as long as it has no file.
    pub(super) fn memory_bytes(&self) -> u64 {
        let rows = self.live.as_ref().map_or(0, |live| live.words().len() as u64 * 8);
        let segment = if self.file.is_none() { self.segment.file.file_len() } else { 0 };
        rows + segment + self.segment.kept_bytes()
    }
}

/// The parts without the documents that have one of these ids, and how many went.
pub(super) fn without_ids<'a, I: Iterator<Item = Result<&'a [u8], TercetError>>>(
    parts: &[Part],
    ids: impl Fn() -> I,
) -> Result<(Vec<Part>, u64), TercetError> {
    let mut removed = 0;
    let mut left = Vec::with_capacity(parts.len() + 1);
    for part in parts {
        let mut rows = Vec::new();
        for id in ids() {
            rows.extend(part.row(id?)?);
        }
        let (part, gone) = part.without_rows(rows.into_iter());
        removed += gone;
        left.push(part);
    }
    Ok((left, removed))
}
