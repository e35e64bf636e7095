//! Real files. The only place in the project that touches `std::fs`, the system clock and the system's randomness.
//!
//! The lock is the operating system's lock on an open file (`flock` on Unix): it conflicts with every other handle,
//! also one of the same process, and dies with its process, so a lock file left behind by a crash blocks nobody. The
//! holder's pid stands in the file for the error message alone. Lock files are never removed: another process may be
//! about to lock the very file that we would unlink. (Windows keeps others from reading a locked file; there the
//! holder stays unknown.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::aligned::AlignedBuf;
use crate::env::{Env, FileWriter, LockGuard, SPLITMIX_STEP, parent, splitmix64};
use crate::error::StoreError;

/// An [`Env`] on the real file system. Paths are the operating system's, relative to the current folder or absolute.
#[derive(Debug, Default, Clone, Copy)]
pub struct FileEnv;

impl FileEnv {
    /// The real file system; holds nothing.
    pub fn new() -> Self {
        FileEnv
    }
}

impl Env for FileEnv {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        let io = |source| StoreError::from_io(path, "read", source);
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let too_large = |_| StoreError::Memory { path: path.to_owned(), bytes: len };
        let mut buf = AlignedBuf::zeroed(usize::try_from(len).map_err(too_large)?, path)?;
        file.read_exact(buf.as_mut_slice()).map_err(io)?;
        Ok(buf.freeze())
    }

    fn size(&self, path: &str) -> Result<u64, StoreError> {
        Ok(fs::metadata(path).map_err(|source| StoreError::from_io(path, "size", source))?.len())
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|source| StoreError::from_io(path, "create", source))?;
        Ok(Box::new(DiskWriter { path: path.to_owned(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        fs::rename(from, to).map_err(|source| StoreError::from_io(from, "rename", source))
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        fs::remove_file(path).map_err(|source| StoreError::from_io(path, "remove", source))
    }

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        Path::new(path).try_exists().map_err(|source| StoreError::from_io(path, "exists", source))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        let io = |source| StoreError::from_io(dir, "list", source);
        let mut names = Vec::new();
        for entry in fs::read_dir(or_here(dir)).map_err(io)? {
            // A name that is not UTF-8 cannot be one of ours.
            if let Ok(name) = entry.map_err(io)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        let dir = or_here(dir);
        if Path::new(dir).is_dir() {
            return Ok(());
        }
        let above = parent(dir);
        if above != dir {
            self.create_dir_all(above)?;
        }
        match fs::create_dir(dir) {
            // Somebody else may have been faster.
            Err(_) if Path::new(dir).is_dir() => Ok(()),
            Err(source) => Err(StoreError::from_io(dir, "create folder", source)),
            Ok(()) => self.sync_dir(above),
        }
    }

    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        // Elsewhere a folder cannot be opened as a file, and the file system orders names by itself.
        if cfg!(unix) {
            let sync = File::open(or_here(dir)).and_then(|folder| folder.sync_all());
            sync.map_err(|source| StoreError::from_io(dir, "sync folder", source))?;
        }
        Ok(())
    }

    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        let io = |source| StoreError::from_io(path, "lock", source);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_owned(), holder: read_pid(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        write_pid(&mut file).map_err(io)?;
        Ok(Box::new(FileLock { file }))
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random_u64(&self) -> u64 {
        // A hasher's keys are the system's randomness, drawn once per thread; the counter tells calls apart.
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(self.now_ms());
        hasher.write_u32(std::process::id());
        splitmix64(hasher.finish() ^ CALLS.fetch_add(SPLITMIX_STEP, Ordering::Relaxed))
    }
}

fn or_here(dir: &str) -> &str {
    if dir.is_empty() { "." } else { dir }
}

#[derive(Debug)]
struct DiskWriter {
    path: String,
    file: File,
}

impl FileWriter for DiskWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|source| StoreError::from_io(&self.path, "write", source))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|source| StoreError::from_io(&self.path, "sync", source))
    }
}

#[derive(Debug)]
struct FileLock {
    file: File,
}

impl LockGuard for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Best effort, so that the next contender is not told of a process that let go. Closing releases the lock.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// The old content is overwritten before it is cut, so that a reader in between finds a whole first line.
fn write_pid(file: &mut File) -> io::Result<()> {
    let line = format!("{}\n", std::process::id());
    file.seek(SeekFrom::Start(0))?;
    file.write_all(line.as_bytes())?;
    file.set_len(line.len() as u64)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut head = [0u8; 16];
    let mut len = 0;
    while len < head.len() {
        match file.read(&mut head[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    let line = head[..len].split(|&byte| byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}
