//! Which rows have a field: a bitmap of u64 words in `present`, left out where all rows have it.
//!
//! A segment that is older than a field has no section of it at all: then no row has it, and nothing is kept.

use std::sync::OnceLock;

use tercet_index::{Array, Bitmap, IndexError, SectionSink};

use crate::sections::Within;

/// The rows of a segment that have a field.
pub(crate) enum Presence {
    /// All of them.
    All,
    /// None of them.
    Nowhere,
    /// Those in a set.
    Some(PresentRows),
}

/// A set that is read when it is first asked for.
pub(crate) struct PresentRows {
    rows: u32,
    words: Array<u64>,
    bitmap: OnceLock<Bitmap>,
}

impl PresentRows {
    fn get(&self) -> Result<&Bitmap, IndexError> {
        if let Some(bitmap) = self.bitmap.get() {
            return Ok(bitmap);
        }
        let bitmap = Bitmap::from_words(self.rows, self.words.all()?.to_vec())?;
        Ok(self.bitmap.get_or_init(|| bitmap))
    }
}

impl Presence {
    /// What the sections of a field say. O(1).
    pub(super) fn open(rows: u32, source: &Within<'_>) -> Result<Self, IndexError> {
        if !source.has("present") {
            return Ok(Presence::All);
        }
        let words = Array::open_len(source, "present", u64::from(rows).div_ceil(64))?;
        Ok(Presence::Some(PresentRows { rows, words, bitmap: OnceLock::new() }))
    }

    /// The set, where neither all nor no rows have the field.
    pub(crate) fn set(&self) -> Result<Option<&Bitmap>, IndexError> {
        match self {
            Presence::All | Presence::Nowhere => Ok(None),
            Presence::Some(rows) => rows.get().map(Some),
        }
    }

    /// Leaves those rows of a set that have the field.
    pub(crate) fn keep(&self, rows: &mut Bitmap) -> Result<(), IndexError> {
        match self {
            Presence::All => {}
            Presence::Nowhere => *rows = Bitmap::new(rows.len()),
            Presence::Some(present) => rows.and(present.get()?),
        }
        Ok(())
    }

    /// How many of `rows` rows, or of the live ones, have the field.
    pub(crate) fn count(&self, rows: u32, live: Option<&Bitmap>) -> Result<u64, IndexError> {
        Ok(match (self, live) {
            (Presence::Nowhere, _) => 0,
            (Presence::All, None) => rows.into(),
            (Presence::All, Some(live)) => live.count().into(),
            (Presence::Some(present), None) => present.get()?.count().into(),
            (Presence::Some(present), Some(live)) => {
                let words = present.get()?.words().iter().zip(live.words());
                words.map(|(a, b)| u64::from((a & b).count_ones())).sum()
            }
        })
    }
}

/// Writes which rows have a field; nothing when all have it.
pub(super) fn write_presence(present: &Bitmap, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
    if present.count() == present.len() {
        return Ok(());
    }
    sink.begin("present")?;
    sink.write(bytemuck::cast_slice(present.words()))
}
