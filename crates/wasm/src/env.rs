//! [`Env`] over what the host lends: on Node its file system, elsewhere nothing.

use std::io;

use bytes::Bytes;
use tercet_store::{AlignedBuf, Env, FileWriter, LockGuard, StoreError};

use crate::host;

/// Files, clock and chance of the host.
#[derive(Debug)]
pub(crate) struct HostEnv {
    /// Whether the host lends files at all.
    storage: bool,
}

impl HostEnv {
    pub(crate) fn new(storage: bool) -> Self {
        HostEnv { storage }
    }

    fn check(&self, path: &str, op: &'static str) -> Result<(), StoreError> {
        if self.storage {
            return Ok(());
        }
        let message = "no storage was handed to the WebAssembly core; only \":memory:\" can be opened";
        let source = io::Error::new(io::ErrorKind::Unsupported, message);
        Err(StoreError::Io { path: path.to_owned(), op, source })
    }
}

impl Env for HostEnv {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        let len = self.size(path)?;
        let bytes = self.read_range(path, 0, len)?;
        if bytes.len() as u64 != len {
            let source =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read");
            return Err(StoreError::Io { path: path.to_owned(), op: "read", source });
        }
        Ok(bytes)
    }

    fn read_range(&self, path: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        let len = self.size(path)?.saturating_sub(start).min(len);
        let size =
            usize::try_from(len).map_err(|_| StoreError::Memory { path: path.to_owned(), bytes: len })?;
        let mut buf = AlignedBuf::zeroed(size, path)?;
        let done = if size == 0 { 0 } else { host::read(path, start, buf.as_mut_slice())? };
        Ok(buf.freeze().slice(..done.min(size)))
    }

    fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.check(path, "size")?;
        host::size(path)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        self.check(path, "create")?;
        Ok(Box::new(HostWriter { file: host::create(path)?, path: path.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        self.check(from, "rename")?;
        host::rename(from, to)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.check(path, "remove")?;
        host::remove(path)
    }

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.check(path, "exists")?;
        host::exists(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        self.check(dir, "list")?;
        let mut names = host::list(dir)?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        self.check(dir, "create folder")?;
        host::make_dirs(dir)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        self.check(dir, "sync folder")?;
        host::sync_dir(dir)
    }

    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        self.check(path, "lock")?;
        Ok(Box::new(HostLock { lock: host::lock(path)? }))
    }

    fn now_ms(&self) -> u64 {
        host::now_ms()
    }

    fn random_u64(&self) -> u64 {
        host::random_u64()
    }
}

#[derive(Debug)]
struct HostWriter {
    file: u32,
    path: String,
}

impl FileWriter for HostWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        host::write(self.file, &self.path, bytes)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        host::sync(self.file, &self.path)
    }
}

impl Drop for HostWriter {
    fn drop(&mut self) {
        host::close(self.file);
    }
}

#[derive(Debug)]
struct HostLock {
    lock: u32,
}

impl LockGuard for HostLock {}

impl Drop for HostLock {
    fn drop(&mut self) {
        host::unlock(self.lock);
    }
}
