//! What can go wrong between the engine and its bytes. Every variant names the file it is about.

use std::io;

/// A failure of the storage layer. Never a panic: corrupt and hostile bytes end here as well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file or folder is not there.
    #[error("{path}: no such file")]
    NotFound {
        /// The path as it was asked for.
        path: String,
    },
    /// A new file was to be made, but its name is taken. Names are never reused.
    #[error("{path}: already exists")]
    Exists {
        /// The path as it was asked for.
        path: String,
    },
    /// Another handle, in this process or another one, holds the lock.
    #[error("{path}: locked{}", holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: String,
        /// The process that holds it, where the platform lets us read that.
        holder: Option<u32>,
    },
    /// Bytes that are not what their checksums or the format say they must be.
    #[error("{file}: corrupt{}: {what}", section.as_ref().map(|s| format!(", section {s:?}")).unwrap_or_default())]
    Corrupt {
        /// The file, or the label it was opened under.
        file: String,
        /// The section, where the damage can be placed in one.
        section: Option<String>,
        /// What was expected and what was found.
        what: String,
    },
    /// The file was written by a newer version of the format.
    #[error("{file}: format version {found} is newer than {supported}, the newest one this version reads")]
    Version {
        /// The file, or the label it was opened under.
        file: String,
        /// The version in the file's header.
        found: u32,
        /// The newest version that is understood here.
        supported: u32,
    },
    /// An intact file of a known version that lacks the section asked for.
    #[error("{file}: no section {section:?}")]
    NoSection {
        /// The file, or the label it was opened under.
        file: String,
        /// The name asked for.
        section: String,
    },
    /// The caller asked for something the format cannot hold (a bad name, a name twice). Nothing was written.
    #[error("{path}: {what}")]
    Invalid {
        /// The file that was to be written, or the path that was refused.
        path: String,
        /// What is wrong with the request.
        what: String,
    },
    /// The disk, the quota or the file system's size limit is exhausted.
    #[error("{path}: no space left ({op})")]
    NoSpace {
        /// The file that was written to.
        path: String,
        /// The operation that failed.
        op: &'static str,
    },
    /// The memory for a buffer could not be had.
    #[error("{path}: cannot allocate {bytes} bytes")]
    Memory {
        /// The file the buffer was for.
        path: String,
        /// How much was asked for.
        bytes: u64,
    },
    /// A log to which an earlier write or sync failed. What it holds on the disk is not known; nothing more was
    /// written.
    #[error("{path}: the log is abandoned since an earlier failure: {cause}")]
    Abandoned {
        /// The log.
        path: String,
        /// That failure.
        cause: String,
    },
    /// Any other failure that the environment reports.
    #[error("{path}: {op}: {source}")]
    Io {
        /// The path as it was asked for.
        path: String,
        /// The operation that failed: `read`, `create`, `write`, `sync`, `rename`, ...
        op: &'static str,
        /// What the environment said.
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts an error of the environment into the variants that callers tell apart.
    pub fn from_io(path: &str, op: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { path },
            io::ErrorKind::AlreadyExists => StoreError::Exists { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreError::NoSpace { path, op }
            }
            _ => StoreError::Io { path, op, source },
        }
    }

    pub(crate) fn corrupt(file: &str, what: impl Into<String>) -> Self {
        StoreError::Corrupt { file: file.to_owned(), section: None, what: what.into() }
    }
}
