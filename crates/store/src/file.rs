//! Real files. The only place in the project that touches `std::fs`, the system clock and the system's randomness.
//!
//! The lock is the operating system's lock on an open file (`flock` on Unix): it conflicts with every other handle,
//! also one of the same process, and dies with its process, so a lock file left behind by a crash blocks nobody. The
//! holder's pid stands in the file for the error message alone. A holder may remove the file while another process is
//! about to lock it: who takes a lock looks whether its file still stands there. (Windows keeps others from reading a
//! locked file; there the holder stays unknown.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::aligned::{AlignedBuf, empty};
use crate::env::{Env, FileWriter, LockGuard, SPLITMIX_STEP, parent, splitmix64};
use crate::error::StoreError;

/// How often the holder of a lock is looked for, a millisecond apart.
const HOLDER_TRIES: u32 = 5;

/// Files from this length on are mapped, not copied: below it a map costs more than it saves.
const MAP_BYTES_MIN: u64 = 64 * 1024;

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
        if len >= MAP_BYTES_MIN && cfg!(unix) {
            return map(&file).map_err(io);
        }
        let mut buf = buffer(len, path)?;
        file.read_exact(buf.as_mut_slice()).map_err(io)?;
        Ok(buf.freeze())
    }

    fn read_range(&self, path: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        let io = |source| StoreError::from_io(path, "read", source);
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len().saturating_sub(start).min(len);
        if len == 0 {
            return Ok(empty());
        }
        let mut buf = buffer(len, path)?;
        file.seek(SeekFrom::Start(start)).map_err(io)?;
        let done = read_up_to(&mut file, buf.as_mut_slice()).map_err(io)?;
        Ok(buf.freeze().slice(..done))
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
        loop {
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let mut file = open.map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { path: path.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
            // Whoever held it before may have removed the file after we opened it.
            if !stands_at(&file, path).map_err(io)? {
                continue;
            }
            if let Some(pid) = foreign::holder(path) {
                return Err(StoreError::Locked { path: path.to_owned(), holder: Some(pid) });
            }
            write_pid(&mut file).map_err(io)?;
            return Ok(Box::new(FileLock { file }));
        }
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

fn buffer(len: u64, path: &str) -> Result<AlignedBuf, StoreError> {
    let too_large = |_| StoreError::Memory { path: path.to_owned(), bytes: len };
    AlignedBuf::zeroed(usize::try_from(len).map_err(too_large)?, path)
}

/// The file's bytes, read from the disk when they are touched.
#[cfg(unix)]
fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: a map must not change or shrink under its readers. Files that are read whole are finished: the project
    // writes a file once under a name of its own, and replaces or removes names, never bytes. Only a foreign process
    // that writes into our files could break this, as it could write into our memory.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(crate::maps::Owner::new(map)))
}

/// Elsewhere a file that is mapped cannot be removed.
#[cfg(not(unix))]
fn map(_: &File) -> io::Result<Bytes> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fills `to` as far as the file goes; how far that was.
fn read_up_to(file: &mut File, to: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < to.len() {
        match file.read(&mut to[done..]) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
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
        // The length counts as data; times do not, and a log is synced for every commit.
        self.file.sync_data().map_err(|source| StoreError::from_io(&self.path, "sync", source))
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

/// True if `path` still names this file.
#[cfg(unix)]
fn stands_at(file: &File, path: &str) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere a name stays taken until the last handle of its file is closed.
#[cfg(not(unix))]
fn stands_at(_: &File, _: &str) -> io::Result<bool> {
    Ok(true)
}

/// The process in a lock file that somebody holds. One that has just taken the lock may not have written it yet.
fn holder(file: &mut File) -> Option<u32> {
    let mut found = None;
    for _ in 0..HOLDER_TRIES {
        found = read_pid(file);
        if found.is_some_and(|pid| !is_gone(pid)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    found
}

/// True if this system knows no such process.
fn is_gone(pid: u32) -> bool {
    cfg!(target_os = "linux")
        && Path::new("/proc/self").exists()
        && !Path::new(&format!("/proc/{pid}")).exists()
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut head = [0u8; 16];
    file.seek(SeekFrom::Start(0)).ok()?;
    let len = read_up_to(file, &mut head).ok()?;
    let line = head[..len].split(|&byte| byte == b'\n').next()?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// The locks that the WebAssembly core takes on Node, which cannot lock a file: `PATH.js` beside the lock file names
/// the process that holds it, on Linux with the moment it was started and the boot since when that counts.
/// (packages/wasm/src/node-storage.ts writes them. It looks for our lock after it has made its file, and we for its
/// file after we have taken our lock, so one of the two sees the other.)
#[cfg(unix)]
mod foreign {
    use std::fs;
    use std::io;

    unsafe extern "C" {
        safe fn kill(pid: i32, signal: i32) -> i32;
    }

    /// The living process that holds `path`. What a dead one left is removed on Linux.
    pub(super) fn holder(path: &str) -> Option<u32> {
        let held = format!("{path}.js");
        let found = fs::read_to_string(&held).ok()?;
        let pid: i32 = found.split(' ').next()?.parse().ok()?;
        if identity(pid).is_some_and(|living| living == found) {
            return u32::try_from(pid).ok();
        }
        if cfg!(target_os = "linux") {
            // Who takes it over in this very moment sees the lock that we hold, and gives up.
            let _ = fs::remove_file(&held);
        }
        None
    }

    fn identity(pid: i32) -> Option<String> {
        // Signal 0 only asks. A process that is another user's may not be asked, but is there.
        let denied = || io::Error::last_os_error().kind() == io::ErrorKind::PermissionDenied;
        if pid <= 0 || kill(pid, 0) != 0 && !denied() {
            return None;
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The process's name may hold spaces and brackets; field 22, the start, is the 20th behind the last bracket.
        let started = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).unwrap_or("");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Some(format!("{pid} {started} {}", boot.trim()).trim().to_owned())
    }
}

/// Elsewhere such a file is not looked for: whether its process lives is not known.
#[cfg(not(unix))]
mod foreign {
    pub(super) fn holder(_: &str) -> Option<u32> {
        None
    }
}
