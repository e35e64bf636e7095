//! Stored documents, in blocks of about 16 KiB compressed with LZ4, fetched by row without reading the rest.
//!
//! Sections: `docs/data` the compressed blocks; `docs/blocks` 16 bytes a block (first row u32, raw length u32, offset
//! in the data u64); `docs/ends` u32 a row, where it ends inside its raw block. A row never crosses a block.

use bytemuck::{Pod, Zeroable};
use bytes::Bytes;
use tercet_index::{Array, IndexError, SectionSource, Sections, array_bytes};

use crate::sections::check_ends;

/// A block is closed when it has this many raw bytes: small enough to fetch one document cheaply, large enough to
/// compress.
const BLOCK_BYTES: usize = 16 << 10;
/// The most that a block may claim to hold, against hostile files: one document at its limit and a block beside it.
const BLOCK_BYTES_MAX: usize = crate::document::DOCUMENT_BYTES_MAX + BLOCK_BYTES;

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Block {
    first_row: u32,
    raw_len: u32,
    offset: u64,
}

/// Writes documents row by row.
#[derive(Default)]
pub(crate) struct DocsBuilder {
    data: Vec<u8>,
    blocks: Vec<Block>,
    ends: Vec<u32>,
    raw: Vec<u8>,
    first_row: u32,
}

impl DocsBuilder {
    /// Adds the next row.
    pub(crate) fn push(&mut self, document: &[u8]) {
        self.raw.extend_from_slice(document);
        self.ends.push(self.raw.len() as u32);
        if self.raw.len() >= BLOCK_BYTES {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        if self.raw.is_empty() {
            return;
        }
        self.blocks.push(Block {
            first_row: self.first_row,
            raw_len: self.raw.len() as u32,
            offset: self.data.len() as u64,
        });
        let start = self.data.len();
        self.data.resize(start + lz4_flex::block::get_maximum_output_size(self.raw.len()), 0);
        // The buffer has the documented maximum size, so compression cannot fail; 0 would be caught when read.
        let written = lz4_flex::block::compress_into(&self.raw, &mut self.data[start..]).unwrap_or(0);
        self.data.truncate(start + written);
        self.first_row = self.ends.len() as u32;
        self.raw.clear();
    }

    /// The sections.
    pub(crate) fn finish(mut self) -> Result<Sections, IndexError> {
        self.close_block();
        Ok(vec![
            (String::from("docs/data"), self.data),
            (String::from("docs/blocks"), array_bytes(&self.blocks)?),
            (String::from("docs/ends"), array_bytes(&self.ends)?),
        ])
    }
}

/// The documents of an open segment.
pub(crate) struct Docs {
    data: Bytes,
    blocks: Array<Block>,
    ends: Array<u32>,
}

/// The last block that was decompressed: neighbours cost nothing more.
#[derive(Default)]
pub(crate) struct BlockCache {
    block: Option<usize>,
    raw: Vec<u8>,
}

impl Docs {
    /// Opens them; O(rows).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let docs = Docs {
            data: source.section("docs/data")?,
            blocks: Array::open(source, "docs/blocks")?,
            ends: Array::open_len(source, "docs/ends", rows.into())?,
        };
        docs.check()?;
        Ok(docs)
    }

    /// The blocks hold all rows and all data, in order and without gaps; rows stand one after the other in them.
    fn check(&self) -> Result<(), IndexError> {
        let mut next = (0, 0);
        for (at, block) in self.blocks.iter().enumerate() {
            if (block.first_row, block.offset) != next {
                return Err(IndexError::corrupt(
                    "docs/blocks",
                    format!("block {at} is not where it belongs"),
                ));
            }
            let rows = self.ends.len() as u32;
            next =
                self.blocks.get(at + 1).map_or((rows, self.data.len() as u64), |b| (b.first_row, b.offset));
            let ends = self.ends.get(block.first_row as usize..next.0 as usize).unwrap_or_default();
            let packed = next.1.saturating_sub(block.offset);
            // LZ4 cannot expand more than 255 times: a larger claim is hostile.
            let most = packed.saturating_mul(255).saturating_add(64).min(BLOCK_BYTES_MAX as u64);
            if ends.is_empty() || u64::from(block.raw_len) > most {
                return Err(IndexError::corrupt(
                    "docs/blocks",
                    format!("block {at} has an impossible length"),
                ));
            }
            check_ends("docs/ends", ends, block.raw_len as usize)?;
        }
        if next != (self.ends.len() as u32, self.data.len() as u64) {
            return Err(IndexError::corrupt("docs/blocks", "the blocks do not hold every row"));
        }
        Ok(())
    }

    /// The stored bytes of a row.
    pub(crate) fn read<'c>(&self, row: u32, cache: &'c mut BlockCache) -> Result<&'c [u8], IndexError> {
        let corrupt = |what: &str| IndexError::corrupt("docs/data", format!("row {row}: {what}"));
        let at = self
            .blocks
            .partition_point(|b| b.first_row <= row)
            .checked_sub(1)
            .ok_or_else(|| corrupt("no block"))?;
        let block = self.blocks[at];
        if cache.block != Some(at) {
            cache.block = None;
            let end = self.blocks.get(at + 1).map_or(self.data.len() as u64, |next| next.offset);
            let range = usize::try_from(block.offset).ok().zip(usize::try_from(end).ok());
            let packed = range
                .and_then(|(start, end)| self.data.get(start..end))
                .ok_or_else(|| corrupt("block out of bounds"))?;
            let raw_len = block.raw_len as usize;
            cache.raw.clear();
            cache.raw.resize(raw_len, 0);
            let found = lz4_flex::block::decompress_into(packed, &mut cache.raw)
                .map_err(|e| corrupt(&e.to_string()))?;
            if found != raw_len {
                return Err(corrupt("block shorter than it says"));
            }
            cache.block = Some(at);
        }
        let start = if row == block.first_row {
            0
        } else {
            self.ends.get(row as usize - 1).map_or(0, |e| *e as usize)
        };
        let end = self.ends.get(row as usize).map_or(0, |e| *e as usize);
        cache.raw.get(start..end).ok_or_else(|| corrupt("row out of bounds"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tercet_index::MemorySections;

    #[test]
    fn documents_come_back_in_any_order() {
        let documents: Vec<Vec<u8>> = (0..500usize)
            .map(|i| format!("{{\"id\":{i},\"t\":\"{}\"}}", "ab".repeat(i * 7 % 900)).into_bytes())
            .collect();
        let mut builder = DocsBuilder::default();
        documents.iter().for_each(|d| builder.push(d));
        let docs = Docs::open(500, &MemorySections::new(&builder.finish().unwrap())).unwrap();
        assert!(docs.blocks.len() > 5);
        let mut cache = BlockCache::default();
        for i in (0..500usize).map(|i| i * 211 % 500) {
            assert_eq!(docs.read(i as u32, &mut cache).unwrap(), documents[i]);
        }
        assert!(docs.read(500, &mut cache).is_err());
    }
}
