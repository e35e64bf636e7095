//! The seam to the world: files, locks, the clock and chance stand behind [`Env`] and nowhere else.
//!
//! The trait is as small as the storage needs. Files are written once, front to back, and never changed afterwards:
//! there is no seek and no overwrite, a log grows only as long as its first writer lives, and what must be replaced
//! (the manifest) is replaced by [`Env::rename`]. So an implementation that simulates a failing disk has few things to get right:
//!
//! - bytes given to [`FileWriter::write_all`] may be lost, wholly or in part, until [`FileWriter::sync`] returns;
//! - a file's *name* (created, renamed, removed) may be lost until [`Env::sync_dir`] of its folder returns;
//! - a rename is atomic: afterwards, also after a power cut, the new name shows the old file or the new one;
//! - a folder made by [`Env::create_dir_all`] is durable when the call returns;
//! - any call may fail, and a failed sync says nothing about which bytes arrived: the file is abandoned, not retried.
//!
//! Paths are UTF-8, joined with `/` on every platform.

use std::fmt::Debug;

use bytes::Bytes;

use crate::aligned::AlignedBuf;
use crate::error::StoreError;

/// An environment to keep files in. Object safe; shared between threads as `Arc<dyn Env>`.
pub trait Env: Send + Sync + Debug {
    /// The whole of a file that is finished, starting on a 64-byte boundary; perhaps a map of it, so that nothing is
    /// read yet. The bytes stay readable after the file is renamed or removed. A file that is still growing is read
    /// with [`read_range`](Env::read_range).
    fn read(&self, path: &str) -> Result<Bytes, StoreError>;

    /// A copy of `len` bytes from `start`, starting on a 64-byte boundary: fewer where the file ends sooner, none from
    /// its end on. The file may be growing.
    fn read_range(&self, path: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        let bytes = self.read(path)?;
        let end = start.saturating_add(len).min(bytes.len() as u64);
        // Both are at most the length, which is a usize.
        let (start, end) = (start.min(end) as usize, end as usize);
        Ok(AlignedBuf::copy_of(&bytes[start..end], path)?.freeze())
    }

    /// The file's length in bytes.
    fn size(&self, path: &str) -> Result<u64, StoreError> {
        Ok(self.read(path)?.len() as u64)
    }

    /// Starts a new file in a folder that exists; [`StoreError::Exists`] if the name is taken.
    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError>;

    /// Moves a file within its folder, replacing what stands at `to`, atomically.
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Removes a file; [`StoreError::NotFound`] if it is not there.
    fn remove(&self, path: &str) -> Result<(), StoreError>;

    /// True if a file or folder stands at `path`.
    fn exists(&self, path: &str) -> Result<bool, StoreError>;

    /// The names (not paths) of the files and folders in `dir`, sorted.
    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError>;

    /// Makes a folder and the folders above it, durably; fine if it exists.
    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError>;

    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &str) -> Result<(), StoreError>;

    /// Takes the exclusive lock that `path` stands for, without waiting; it dies with the guard or the process.
    /// [`StoreError::Locked`] if another handle has it, in this process or another one; with the holder's process
    /// where that can be known.
    ///
    /// While it is held a file stands at `path`, which [`list`](Env::list) shows, and it stays when the lock is gone.
    /// What it contains decides nothing. Only who holds the lock may remove the file; from then on the name is free,
    /// and a lock on it is another lock.
    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError>;

    /// Milliseconds since 1970-01-01 UTC. May jump; for labels, never for order.
    fn now_ms(&self) -> u64;

    /// A number to make names unique. Not for secrets.
    fn random_u64(&self) -> u64;
}

/// How bytes of a file will be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A few here and there: what lies around them is not read ahead.
    Scattered,
    /// All of them, soon.
    Soon,
    /// Not soon: their memory may go to others. They are read again when they are touched.
    Spare,
}

/// A file being written. Dropping it closes the file and promises nothing about bytes that were not synced.
pub trait FileWriter: Send + Debug {
    /// Appends all of `bytes`. They are with the operating system when this returns: they outlive the process, not
    /// the power.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes every byte written so far durable. The file's name needs [`Env::sync_dir`] as well.
    fn sync(&mut self) -> Result<(), StoreError>;
}

/// A lock that is held. Dropping it releases the lock.
pub trait LockGuard: Send + Sync + Debug {}

/// `name` inside `dir`; an empty `dir` is the current folder.
pub fn join(dir: &str, name: &str) -> String {
    match dir {
        "" => name.to_owned(),
        dir if dir.ends_with('/') => format!("{dir}{name}"),
        dir => format!("{dir}/{name}"),
    }
}

/// The folder that `path` stands in: `"."` where the path names none, `"/"` directly under the root.
pub fn parent(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.rfind('/') {
        None => ".",
        Some(0) => "/",
        Some(at) => match path[..at].trim_end_matches('/') {
            "" => "/",
            dir => dir,
        },
    }
}

/// SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): one step.
pub(crate) fn splitmix64(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The increment between two states of [`splitmix64`].
pub(crate) const SPLITMIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_and_part() {
        assert_eq!(join("", "a"), "a");
        assert_eq!(join("d", "a"), "d/a");
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(parent("d/e/a"), "d/e");
        assert_eq!(parent("d/e/"), "d");
        assert_eq!(parent("a"), ".");
        assert_eq!(parent("/a"), "/");
        assert_eq!(parent("//a"), "/");
        assert_eq!(parent("d//a"), "d");
    }
}
