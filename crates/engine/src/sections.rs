//! The sections of a file as the index crate asks for them, and as it writes them.

use std::ops::Range;
use std::sync::Arc;

use tercet_index::{Access, Array, Bitmap, Guard, IndexError, Section, SectionSink, SectionSource};
use tercet_store::{SectionFile, SectionGuard, SectionStream, StoreError};

use crate::api::Control;

/// Bytes written between two looks at the control.
const BYTES_PER_STEP: usize = 1 << 20;

/// The sections of a file whose names start with a prefix.
pub(crate) struct Within<'a> {
    file: &'a SectionFile,
    prefix: String,
}

impl<'a> Within<'a> {
    /// All sections, under their full names.
    pub(crate) fn whole(file: &'a SectionFile) -> Self {
        Self::prefixed(file, String::new())
    }

    /// Those under a prefix, by the rest of their names.
    pub(crate) fn prefixed(file: &'a SectionFile, prefix: String) -> Self {
        Within { file, prefix }
    }

    /// Whether there is such a section.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.has(&format!("{}{name}", self.prefix))
    }

    /// Whether there is any section directly under the prefix.
    pub(crate) fn any(&self) -> bool {
        self.file.names_under(&self.prefix).any(|name| !name[self.prefix.len()..].contains('/'))
    }
}

impl SectionSource for Within<'_> {
    fn section(&self, name: &str) -> Result<Section, IndexError> {
        let name = format!("{}{name}", self.prefix);
        match self.file.section_guarded(&name) {
            Ok((bytes, None)) => Ok(Section::new(&name, bytes, None)),
            Ok((bytes, Some(guard))) => Ok(Section::new(&name, bytes, Some(Arc::new(Pages(guard))))),
            Err(StoreError::NoSection { .. }) => Err(IndexError::Missing { section: name }),
            Err(other) => Err(source(&name, other)),
        }
    }
}

/// The checksums of a section's pages.
struct Pages(SectionGuard);

impl Guard for Pages {
    fn check(&self, range: Range<usize>) -> Result<(), IndexError> {
        // The error of the store names file and section.
        self.0.check(range.start as u64, range.end as u64).map_err(|e| source("", e))
    }

    fn advise(&self, access: Access) {
        self.0.advise(match access {
            Access::Scattered => tercet_store::Access::Scattered,
            Access::Soon => tercet_store::Access::Soon,
            Access::Spare => tercet_store::Access::Spare,
        });
    }
}

fn source(section: &str, error: impl std::error::Error + Send + Sync + 'static) -> IndexError {
    IndexError::Source { section: section.to_owned(), source: Box::new(error) }
}

/// Writes sections to a file (or what stands for one), and looks at the control now and then.
pub(crate) struct FileSink<'a, 'w> {
    stream: SectionStream<'w>,
    control: &'a Control,
    /// Bytes since the last look.
    since: usize,
}

impl<'a, 'w> FileSink<'a, 'w> {
    /// A sink over a stream that was just begun.
    pub(crate) fn new(stream: SectionStream<'w>, control: &'a Control) -> Self {
        FileSink { stream, control, since: 0 }
    }

    /// Ends and syncs the file; returns its length.
    pub(crate) fn finish(self) -> Result<u64, StoreError> {
        self.stream.finish()
    }
}

impl SectionSink for FileSink<'_, '_> {
    fn begin(&mut self, name: &str) -> Result<(), IndexError> {
        self.stream.begin(name).map_err(|e| source(name, e))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.since += bytes.len();
        if self.since >= BYTES_PER_STEP {
            self.since = 0;
            self.control.step(0).map_err(|e| source("", e))?;
        }
        self.stream.write(bytes).map_err(|e| source("", e))
    }
}

/// Puts a prefix before the names of sections.
pub(crate) struct Prefixed<'s> {
    pub(crate) sink: &'s mut dyn SectionSink,
    pub(crate) prefix: String,
}

impl SectionSink for Prefixed<'_> {
    fn begin(&mut self, name: &str) -> Result<(), IndexError> {
        self.sink.begin(&format!("{}{name}", self.prefix))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.sink.write(bytes)
    }
}

/// A section of u64 words as a set over `rows` rows.
pub(crate) fn bitmap(source: &dyn SectionSource, name: &str, rows: u32) -> Result<Bitmap, IndexError> {
    let words = Array::<u64>::open_len(source, name, u64::from(rows).div_ceil(64))?;
    Bitmap::from_words(rows, words.all()?.to_vec())
}
