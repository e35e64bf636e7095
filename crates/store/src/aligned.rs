//! Byte buffers that start on a 64-byte boundary.
//!
//! Sections are 64-byte aligned inside their file, so a file that is held in an aligned buffer gives sections that
//! can be viewed as `f32`, `u32` or whole cache lines without a copy. Memory maps are page-aligned and keep the same
//! promise by themselves.
//!
//! Invariants: the buffer's first byte is 64-byte aligned; bytes past `len` in the last block are zero.

use bytes::Bytes;

use crate::error::StoreError;

/// Where every section and every buffer starts: a multiple of this many bytes.
pub const ALIGNMENT: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Block([u8; ALIGNMENT]);

/// A growable byte buffer whose first byte is 64-byte aligned.
#[derive(Default)]
pub struct AlignedBuf {
    blocks: Vec<Block>,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// `len` zero bytes, or [`StoreError::Memory`] in the name of `path`.
    pub fn zeroed(len: usize, path: &str) -> Result<Self, StoreError> {
        let mut buf = Self::new();
        buf.grow_to(len, true, path)?;
        Ok(buf)
    }

    /// A copy of `bytes`, or [`StoreError::Memory`] in the name of `path`.
    pub fn copy_of(bytes: &[u8], path: &str) -> Result<Self, StoreError> {
        let mut buf = Self::zeroed(bytes.len(), path)?;
        buf.as_mut_slice().copy_from_slice(bytes);
        Ok(buf)
    }

    /// Appends `bytes`; on [`StoreError::Memory`] the buffer is as it was.
    pub fn extend(&mut self, bytes: &[u8], path: &str) -> Result<(), StoreError> {
        let start = self.len;
        let len = start.checked_add(bytes.len()).ok_or_else(|| memory(path, u64::MAX))?;
        self.grow_to(len, false, path)?;
        self.as_mut_slice()[start..].copy_from_slice(bytes);
        Ok(())
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `Block` is `repr(C)` over `[u8; 64]` without padding, all `blocks.len() * 64` bytes are
        // initialised, and `grow_to` keeps `len` within them.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast::<u8>(), self.len) }
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast::<u8>(), self.len) }
    }

    /// Hands the buffer over without a copy, unless more than a quarter of it is slack from growing.
    pub fn freeze(mut self) -> Bytes {
        if self.len == 0 {
            return empty();
        }
        if self.blocks.capacity() - self.blocks.len() > self.blocks.len() / 4 {
            self.blocks.shrink_to_fit();
        }
        Bytes::from_owner(self)
    }

    fn grow_to(&mut self, len: usize, exact: bool, path: &str) -> Result<(), StoreError> {
        let blocks = len.div_ceil(ALIGNMENT);
        let more = blocks.saturating_sub(self.blocks.len());
        let reserved =
            if exact { self.blocks.try_reserve_exact(more) } else { self.blocks.try_reserve(more) };
        reserved.map_err(|_| memory(path, len as u64))?;
        self.blocks.resize(blocks, Block([0; ALIGNMENT]));
        self.len = len;
        Ok(())
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlignedBuf").field("len", &self.len).finish()
    }
}

fn memory(path: &str, bytes: u64) -> StoreError {
    StoreError::Memory { path: path.to_owned(), bytes }
}

static EMPTY: Block = Block([0; ALIGNMENT]);

/// No bytes, at an aligned address: a cast of an empty slice checks its pointer like any other.
pub(crate) fn empty() -> Bytes {
    Bytes::from_static(&EMPTY.0[..0])
}

/// True if the first byte of `bytes` is 64-byte aligned.
pub fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT)
}

/// `bytes` itself where it is aligned already, else an aligned copy.
pub(crate) fn align(bytes: Bytes, path: &str) -> Result<Bytes, StoreError> {
    if is_aligned(&bytes) { Ok(bytes) } else { Ok(AlignedBuf::copy_of(&bytes, path)?.freeze()) }
}
