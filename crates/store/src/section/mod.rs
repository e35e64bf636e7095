//! A file of named sections: written once, checked page by page, used in place.
//!
//! ```text
//! header    64 bytes    magic, version, CRC                          (a frame, see decode.rs)
//! sections              each begins at a multiple of 64, zeros between
//! pages     4 x pages   CRC32C of each 64 KiB page of everything above
//! contents              kind of file; name, offset and length of each section
//! trailer   64 bytes    magic, version, lengths and CRCs of all of the above, CRC
//! ```
//!
//! The body ends at a multiple of 64; pages are counted from the start of the file and the last one may be short.
//! Contents stand at the end so that a writer streams any number of sections in bounded memory and never seeks, and
//! so that a reader of ranges finds everything it needs to plan with in the last bytes of the file.
//!
//! Invariants after opening: lengths of all parts add up to the file's length exactly (so a file cut short anywhere
//! is refused); sections are in ascending order, aligned, inside the body and do not overlap; names are unique UTF-8
//! of 1 to 255 bytes; every byte of the file is covered by one checksum.

mod contents;
mod mend;
mod reader;
mod writer;

pub use contents::SectionInfo;
pub use mend::{FlippedBit, flipped_bits};
pub(crate) use mend::{flipped_bit, flipped_in_frame};
pub use reader::{SectionFile, SectionGuard};
pub use writer::{SectionFileWriter, SectionStream};

/// The newest version of the container that is read, and the one that is written.
pub const SECTION_FILE_VERSION: u32 = 1;
/// The bytes that one checksum covers.
pub const PAGE_BYTES: usize = 64 * 1024;

const HEADER_MAGIC: &[u8; 8] = b"TERCETSF";
const TRAILER_MAGIC: &[u8; 8] = b"TERCETSE";
const FRAME_BYTES: usize = 64;
const NAME_BYTES_MAX: usize = 255;
