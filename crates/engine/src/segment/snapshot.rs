//! Segments under another kind of file: snapshots, which hold one section more.

use bytes::Bytes;
use tercet_index::SectionSink;
use tercet_store::{AlignedBuf, Env, SectionFile, SectionStream};

use super::{Job, KIND, Segment, merge};
use crate::api::Control;
use crate::error::index_error;
use crate::schema::Schema;
use crate::sections::FileSink;
use crate::wire::TercetError;

/// The kind of section file that a snapshot is.
pub(crate) const SNAPSHOT: &str = "snapshot";
/// Bytes between two looks at the control.
const COPIED_PER_STEP: usize = 1 << 20;

/// Where a snapshot goes, and the section that it has beside those of a segment.
pub(crate) struct Export<'a> {
    /// The section's name.
    pub(crate) name: &'a str,
    /// What it holds.
    pub(crate) bytes: &'a [u8],
}

impl Export<'_> {
    /// Writes the live rows of segments as a snapshot under a name that is not taken, and returns the file's length. The
    /// file is synced, its folder is not. After an error no file is left where it could be removed.
    pub(crate) fn to_file(
        &self,
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        job: &Job<'_>,
        env: &dyn Env,
        path: &str,
    ) -> Result<u64, TercetError> {
        let mut sink = FileSink::new(SectionStream::create(env, path, SNAPSHOT)?, job.control);
        let written = self.write(schema, inputs, job, &mut sink).and_then(|()| Ok(sink.finish()?));
        if written.is_err() {
            let _ = env.remove(path);
        }
        written
    }

    /// The same in memory.
    pub(crate) fn to_bytes(
        &self,
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        job: &Job<'_>,
    ) -> Result<Bytes, TercetError> {
        let mut buf = AlignedBuf::new();
        let mut sink = FileSink::new(SectionStream::in_buffer(&mut buf, SNAPSHOT)?, job.control);
        self.write(schema, inputs, job, &mut sink)?;
        sink.finish()?;
        Ok(buf.freeze())
    }

    fn write(
        &self,
        schema: &Schema,
        inputs: &[merge::Input<'_>],
        job: &Job<'_>,
        sink: &mut dyn SectionSink,
    ) -> Result<(), TercetError> {
        let own = sink.begin(self.name).and_then(|()| sink.write(self.bytes));
        own.map_err(|e| index_error(e, self.name))?;
        merge::merge(schema, inputs, job, sink)
    }
}

impl Segment {
    /// Opens a snapshot's file as the segment that it is.
    pub(crate) fn of_snapshot(schema: &Schema, file: SectionFile) -> Result<Segment, TercetError> {
        Self::of_kind(schema, file, SNAPSHOT)
    }

    /// Writes the segment as a segment file under a name that is not taken, but for one section, and returns the file's
    /// length. Counts the bytes as steps of work. The file is synced, its folder is not; after an error no file is left
    /// where it could be removed.
    pub(crate) fn copy_to_file(
        &self,
        without: &str,
        control: &Control,
        env: &dyn Env,
        path: &str,
    ) -> Result<u64, TercetError> {
        control.begin(self.file.file_len());
        let mut stream = SectionStream::create(env, path, KIND)?;
        let written = self.copy(without, control, &mut stream).and_then(|()| Ok(stream.finish()?));
        if written.is_err() {
            let _ = env.remove(path);
        }
        written
    }

    fn copy(
        &self,
        without: &str,
        control: &Control,
        stream: &mut SectionStream<'_>,
    ) -> Result<(), TercetError> {
        for name in self.file.names().filter(|name| *name != without) {
            stream.begin(name)?;
            for chunk in self.file.section(name)?.chunks(COPIED_PER_STEP) {
                stream.write(chunk)?;
                control.step(chunk.len() as u64)?;
            }
        }
        control.step(0)
    }
}
