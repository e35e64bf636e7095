//! Writing a section file, front to back, in bounded memory.

use std::borrow::Cow;

use bytes::Bytes;

use crate::aligned::{ALIGNMENT, AlignedBuf};
use crate::decode::seal;
use crate::env::{Env, FileWriter, parent};
use crate::error::StoreError;

use super::contents::{Contents, SectionInfo, Trailer, name};
use super::{FRAME_BYTES, HEADER_MAGIC, PAGE_BYTES, SECTION_FILE_VERSION};

/// Collects whole sections, then writes them in the order they were added. Sections may be borrowed or owned; they
/// are not copied before they are written.
#[derive(Debug)]
pub struct SectionFileWriter<'a> {
    kind: String,
    sections: Vec<(String, Cow<'a, [u8]>)>,
}

impl<'a> SectionFileWriter<'a> {
    /// A file of this kind (a name that readers check, like `segment`), without sections.
    pub fn new(kind: &str) -> Self {
        SectionFileWriter { kind: kind.to_owned(), sections: Vec::new() }
    }

    /// Adds a section; `bytes` is a slice or a `Vec`. A bad name or one that is there already is reported at the end.
    pub fn add(&mut self, name: &str, bytes: impl Into<Cow<'a, [u8]>>) -> &mut Self {
        self.sections.push((name.to_owned(), bytes.into()));
        self
    }

    /// Writes the file under a new name, durably (file and folder are synced), and returns its length in bytes.
    /// After a failure nothing needs to be undone: a file that was begun is removed if that is still possible.
    pub fn finish(&self, env: &dyn Env, path: &str) -> Result<u64, StoreError> {
        self.check(path)?;
        let stream = SectionStream::create(env, path, &self.kind)?;
        let written = self.write(stream).and_then(|len| env.sync_dir(parent(path)).map(|()| len));
        if written.is_err() {
            // The caller needs the first error, not that of the broom.
            let _ = env.remove(path);
        }
        written
    }

    /// The file's bytes in an aligned buffer.
    pub fn to_bytes(&self) -> Result<Bytes, StoreError> {
        self.check(&self.kind)?;
        let mut buf = AlignedBuf::new();
        self.write(SectionStream::in_buffer(&mut buf, &self.kind)?)?;
        Ok(buf.freeze())
    }

    fn write(&self, mut stream: SectionStream<'_>) -> Result<u64, StoreError> {
        for (name, bytes) in &self.sections {
            stream.begin(name)?;
            stream.write(bytes)?;
        }
        stream.finish()
    }

    /// Before a file is begun: what the stream would refuse half-way.
    fn check(&self, path: &str) -> Result<(), StoreError> {
        name(self.kind.as_bytes()).map_err(|what| invalid(path, what))?;
        let mut names: Vec<&str> = self.sections.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(invalid(path, format!("section {:?} was added twice", pair[0])));
        }
        names.iter().try_for_each(|n| name(n.as_bytes()).map(|_| ()).map_err(|what| invalid(path, what)))
    }
}

/// Writes sections piece by piece, so that a file may be larger than memory.
#[derive(Debug)]
pub struct SectionStream<'w> {
    sink: Box<dyn FileWriter + 'w>,
    contents: Contents,
    position: u64,
    page_crc: u32,
    page_crcs: Vec<u8>,
    /// Bytes that the sink has not seen yet; small pieces go to it together.
    held: Vec<u8>,
}

/// How many bytes go to the sink at once, at least.
const BUFFER_BYTES: usize = 4 * PAGE_BYTES;

impl SectionStream<'static> {
    /// Starts a new file. Until [`finish`](SectionStream::finish) returns, what stands at `path` is not a section file.
    pub fn create(env: &dyn Env, path: &str, kind: &str) -> Result<Self, StoreError> {
        name(kind.as_bytes()).map_err(|what| invalid(path, what))?;
        let started = SectionStream::new(env.create(path)?, kind);
        if started.is_err() {
            let _ = env.remove(path);
        }
        started
    }
}

impl<'w> SectionStream<'w> {
    /// Starts a file that is kept in memory; it is whole when [`finish`](SectionStream::finish) has returned. `kind` names
    /// it in errors, too.
    pub fn in_buffer(buf: &'w mut AlignedBuf, kind: &'w str) -> Result<Self, StoreError> {
        name(kind.as_bytes()).map_err(|what| invalid(kind, what))?;
        Self::new(Box::new(BufferWriter { buf, label: kind }), kind)
    }

    fn new(sink: Box<dyn FileWriter + 'w>, kind: &str) -> Result<Self, StoreError> {
        let contents = Contents { kind: kind.to_owned(), sections: Vec::new() };
        let (page_crcs, held) = (Vec::new(), Vec::new());
        let mut stream = SectionStream { sink, contents, position: 0, page_crc: 0, page_crcs, held };
        stream.put(&seal::<FRAME_BYTES>(HEADER_MAGIC, SECTION_FILE_VERSION, &[]))?;
        Ok(stream)
    }

    /// Ends the section before and begins this one.
    pub fn begin(&mut self, section: &str) -> Result<(), StoreError> {
        let name = name(section.as_bytes()).map_err(|what| invalid(section, what))?;
        if self.contents.sections.iter().any(|other| other.name == name) {
            return Err(invalid(section, format!("section {name:?} was begun twice")));
        }
        self.pad()?;
        self.contents.sections.push(SectionInfo { name, offset: self.position, len: 0 });
        Ok(())
    }

    /// Appends to the section that was begun last.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self.contents.sections.last_mut() {
            None => return Err(invalid("", "bytes before the first section".to_owned())),
            Some(section) => section.len += bytes.len() as u64,
        }
        self.put(bytes)
    }

    /// Writes contents and trailer, syncs the file and returns its length. The folder is the caller's to sync.
    pub fn finish(mut self) -> Result<u64, StoreError> {
        self.pad()?;
        let body_len = self.position;
        if !body_len.is_multiple_of(PAGE_BYTES as u64) {
            self.page_crcs.extend_from_slice(&self.page_crc.to_le_bytes());
        }
        let contents = self.contents.encode();
        let trailer = Trailer {
            body_len,
            contents_len: contents.len() as u64,
            pages_crc: crc32c::crc32c(&self.page_crcs),
            contents_crc: crc32c::crc32c(&contents),
        };
        let file_len = body_len + (self.page_crcs.len() + contents.len() + FRAME_BYTES) as u64;
        let mut tail = self.page_crcs;
        tail.extend_from_slice(&contents);
        tail.extend_from_slice(&trailer.encode(file_len));
        self.held.extend_from_slice(&tail);
        self.sink.write_all(&self.held)?;
        self.sink.sync()?;
        Ok(file_len)
    }

    fn pad(&mut self) -> Result<(), StoreError> {
        let odd = (self.position % ALIGNMENT as u64) as usize;
        if odd == 0 { Ok(()) } else { self.put(&[0u8; ALIGNMENT][odd..]) }
    }

    /// Writes bytes of the body and takes them into the checksums of their pages.
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.held.len() + bytes.len() <= BUFFER_BYTES {
            self.held.extend_from_slice(bytes);
        } else {
            if !self.held.is_empty() {
                self.sink.write_all(&self.held)?;
                self.held.clear();
            }
            // A piece as large as the buffer gains nothing by passing through it.
            if bytes.len() >= BUFFER_BYTES {
                self.sink.write_all(bytes)?;
            } else {
                self.held.extend_from_slice(bytes);
            }
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PAGE_BYTES - (self.position % PAGE_BYTES as u64) as usize;
            let (head, tail) = rest.split_at(room.min(rest.len()));
            self.page_crc = crc32c::crc32c_append(self.page_crc, head);
            self.position += head.len() as u64;
            if head.len() == room {
                self.page_crcs.extend_from_slice(&self.page_crc.to_le_bytes());
                self.page_crc = 0;
            }
            rest = tail;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct BufferWriter<'b> {
    buf: &'b mut AlignedBuf,
    label: &'b str,
}

impl FileWriter for BufferWriter<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.buf.extend(bytes, self.label)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn invalid(path: &str, what: String) -> StoreError {
    StoreError::Invalid { path: path.to_owned(), what }
}
