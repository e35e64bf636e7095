//! Bytes that last: checksummed section files, the manifest, and the Env seam to disk, clock and chance.
//!
//! - [`Env`] is all the engine knows of the world; [`FileEnv`] is the real one, [`MemoryEnv`] one in memory,
//!   [`SimulatedEnv`] one for tests, whose disk fails and whose power is cut.
//! - [`SectionFile`] is a file of named, 64-byte aligned sections under page checksums, written once by
//!   [`SectionFileWriter`] (sections at hand) or [`SectionStream`] (sections piece by piece).
//! - [`LogWriter`] appends records to a log, and [`read_log`] tells what of it lasted from what was torn or damaged.
//! - [`write_manifest`] and [`read_manifest`] replace and read a folder's one mutable file, atomically.
//!
//! The bytes themselves are described in docs/format.md. Whatever a file contains, reading it ends in a value or a
//! [`StoreError`]: counts, offsets and lengths are checked before they are used and before anything is allocated.

mod aligned;
mod decode;
mod env;
mod error;
#[cfg(not(target_arch = "wasm32"))]
mod file;
mod log;
mod manifest;
#[cfg(unix)]
mod maps;
mod memory;
mod section;
mod simulated;

pub use aligned::{ALIGNMENT, AlignedBuf, is_aligned};
pub use env::{Access, Env, FileWriter, LockGuard, join, parent};
pub use error::StoreError;
#[cfg(not(target_arch = "wasm32"))]
pub use file::FileEnv;
pub use log::{LOG_VERSION, LogContents, LogWriter, read_log, salvage_log};
pub use manifest::{
    MANIFEST, MANIFEST_TEMP, MANIFEST_VERSION, flipped_bits_of_manifest, read_manifest, read_manifest_named,
    write_manifest,
};
pub use memory::MemoryEnv;
pub use section::{
    FlippedBit, PAGE_BYTES, SECTION_FILE_VERSION, SectionFile, SectionFileWriter, SectionGuard, SectionInfo,
    SectionStream, flipped_bits,
};
pub use simulated::{Call, Fault, PowerCut, SimulatedEnv};
