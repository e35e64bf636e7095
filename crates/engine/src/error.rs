//! The errors of the lower crates as codes.

use tercet_index::IndexError;
use tercet_store::StoreError;

use crate::wire::{Code, TercetError};

impl From<StoreError> for TercetError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { path } => TercetError::new(Code::NotFound, message).file(path),
            StoreError::Exists { path } => TercetError::new(Code::Exists, message).file(path),
            StoreError::Locked { path, holder } => {
                let found = holder.map_or_else(
                    || String::from("held by another writer"),
                    |pid| format!("held by process {pid}"),
                );
                TercetError::new(Code::Locked, message).file(path).expected("no other writer", found)
            }
            StoreError::Corrupt { file, .. } | StoreError::NoSection { file, .. } => {
                TercetError::new(Code::Corrupt, message).file(file)
            }
            StoreError::Version { file, found, supported } => TercetError::new(Code::Version, message)
                .file(file)
                .expected(format!("version {supported} or older"), format!("version {found}")),
            StoreError::Memory { path, .. } => TercetError::new(Code::Memory, message).file(path),
            StoreError::Invalid { path, .. } => TercetError::new(Code::Argument, message).file(path),
            StoreError::Io { path, source, .. } if source.kind() == std::io::ErrorKind::Unsupported => {
                TercetError::new(Code::Unsupported, message).file(path)
            }
            StoreError::NoSpace { path, .. } | StoreError::Io { path, .. } => {
                TercetError::new(Code::Io, message).file(path)
            }
            _ => TercetError::new(Code::Io, message),
        }
    }
}

/// An error of the index crate, about a file (or what stands for one).
pub(crate) fn index_error(error: IndexError, file: &str) -> TercetError {
    let message = format!("{file}: {error}");
    match error {
        IndexError::Source { source, .. } => match source.downcast::<StoreError>() {
            Ok(store) => TercetError::from(*store),
            Err(other) => match other.downcast::<TercetError>() {
                Ok(error) => *error,
                Err(other) => TercetError::new(Code::Io, format!("{file}: {other}")).file(file),
            },
        },
        IndexError::Cancelled => {
            TercetError::new(Code::Aborted, "the call was cancelled; nothing was changed")
        }
        IndexError::Unsupported { .. } => TercetError::new(Code::Unsupported, message),
        IndexError::Memory { .. } => TercetError::new(Code::Memory, message),
        IndexError::TooLarge { .. } => TercetError::new(Code::Limit, message),
        IndexError::Version { .. } => TercetError::new(Code::Version, message).file(file),
        IndexError::Corrupt { .. } | IndexError::Missing { .. } => {
            TercetError::new(Code::Corrupt, message).file(file)
        }
        _ => TercetError::new(Code::Internal, message).file(file),
    }
}
