//! Stored documents, in blocks of about 16 KiB compressed with LZ4, fetched by row without reading the rest.
//!
//! Sections: `docs/data` the compressed blocks; `docs/blocks` 16 bytes a block (first row u32, raw length u32, offset
//! in the data u64); `docs/ends` u32 a row, where it ends inside its raw block. A row never crosses a block.

use std::sync::OnceLock;

use bytemuck::{Pod, Zeroable};
use tercet_index::{Array, IndexError, Section, SectionSink, SectionSource};

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

/// Writes documents row by row to a sink, always the same one: what is held is a block, and some bytes a row.
#[derive(Default)]
pub(crate) struct DocsWriter {
    blocks: Vec<Block>,
    ends: Vec<u32>,
    raw: Vec<u8>,
    packed: Vec<u8>,
    first_row: u32,
    /// Where the next block begins.
    offset: u64,
    /// Whether the section of the blocks was begun.
    begun: bool,
}

impl DocsWriter {
    /// Adds the next row.
    pub(crate) fn push(&mut self, document: &[u8], sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        self.raw.extend_from_slice(document);
        self.ends.push(self.raw.len() as u32);
        if self.raw.len() >= BLOCK_BYTES { self.close_block(sink) } else { Ok(()) }
    }

    fn close_block(&mut self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        if self.ends.len() as u32 == self.first_row {
            return Ok(());
        }
        self.begin(sink)?;
        let raw_len = self.raw.len() as u32;
        self.blocks.push(Block { first_row: self.first_row, raw_len, offset: self.offset });
        self.packed.resize(lz4_flex::block::get_maximum_output_size(self.raw.len()), 0);
        // The buffer has the documented maximum size, so compression cannot fail; 0 would be caught when read.
        let written = lz4_flex::block::compress_into(&self.raw, &mut self.packed).unwrap_or(0);
        sink.write(&self.packed[..written])?;
        self.offset += written as u64;
        self.first_row = self.ends.len() as u32;
        self.raw.clear();
        Ok(())
    }

    fn begin(&mut self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        if std::mem::replace(&mut self.begun, true) { Ok(()) } else { sink.begin("docs/data") }
    }

    /// Writes the rest.
    pub(crate) fn finish(mut self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        self.close_block(sink)?;
        self.begin(sink)?;
        sink.begin("docs/blocks")?;
        sink.write(bytemuck::cast_slice(&self.blocks))?;
        sink.begin("docs/ends")?;
        sink.write(bytemuck::cast_slice(&self.ends))
    }
}

/// The documents of an open segment.
pub(crate) struct Docs {
    data: Section,
    blocks: Array<Block>,
    ends: Array<u32>,
    /// Set once the table of blocks was found to make sense.
    sound: OnceLock<()>,
}

/// The last block that was decompressed: neighbours cost nothing more.
#[derive(Default)]
pub(crate) struct BlockCache {
    block: Option<usize>,
    raw: Vec<u8>,
}

impl Docs {
    /// Opens them; O(1).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Ok(Docs {
            data: source.section("docs/data")?,
            blocks: Array::open(source, "docs/blocks")?,
            ends: Array::open_len(source, "docs/ends", rows.into())?,
            sound: OnceLock::new(),
        })
    }

    /// The table of blocks, after one check that they hold all rows and all data, in order and without gaps: so all
    /// blocks together are no larger than the file allows. O(blocks) the first time.
    fn blocks(&self) -> Result<&[Block], IndexError> {
        let blocks = self.blocks.all()?;
        if self.sound.get().is_some() {
            return Ok(blocks);
        }
        let mut next = (0, 0);
        for (at, block) in blocks.iter().enumerate() {
            if (block.first_row, block.offset) != next {
                return Err(self.blocks.corrupt(format!("block {at} is not where it belongs")));
            }
            next = self.after(blocks, at);
            let packed = next.1.saturating_sub(block.offset);
            // LZ4 cannot expand more than 255 times: a larger claim is hostile.
            let most = packed.saturating_mul(255).saturating_add(64).min(BLOCK_BYTES_MAX as u64);
            if next.0 <= block.first_row || next.1 < block.offset || u64::from(block.raw_len) > most {
                return Err(self.blocks.corrupt(format!("block {at} has an impossible length")));
            }
        }
        if next != (self.ends.len() as u32, self.data.len() as u64) {
            return Err(self.blocks.corrupt("the blocks do not hold every row"));
        }
        let _ = self.sound.set(());
        Ok(blocks)
    }

    /// The row and the offset behind a block.
    fn after(&self, blocks: &[Block], at: usize) -> (u32, u64) {
        let end = (self.ends.len() as u32, self.data.len() as u64);
        blocks.get(at + 1).map_or(end, |next| (next.first_row, next.offset))
    }

    /// Checks every document's place and every block. Cost: everything is decompressed.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        let mut cache = BlockCache::default();
        self.blocks()?.iter().try_for_each(|block| self.read(block.first_row, &mut cache).map(drop))
    }

    /// The stored bytes of a row.
    pub(crate) fn read<'c>(&self, row: u32, cache: &'c mut BlockCache) -> Result<&'c [u8], IndexError> {
        let corrupt = |what: &str| self.data.corrupt(format!("row {row}: {what}"));
        let blocks = self.blocks()?;
        let found = blocks.partition_point(|b| b.first_row <= row).checked_sub(1);
        let at = found.filter(|_| (row as usize) < self.ends.len()).ok_or_else(|| corrupt("no block"))?;
        let block = blocks[at];
        if cache.block != Some(at) {
            self.load(at, block, self.after(blocks, at), cache)?;
        }
        let before = if row == block.first_row { 0 } else { self.ends.get(row as usize - 1)? };
        let end = self.ends.get(row as usize)?;
        cache.raw.get(before as usize..end as usize).ok_or_else(|| corrupt("row out of bounds"))
    }

    /// Decompresses a block, after a look at the ends of its rows: they divide it, so that no row claims what another has.
    fn load(
        &self,
        at: usize,
        block: Block,
        after: (u32, u64),
        cache: &mut BlockCache,
    ) -> Result<(), IndexError> {
        cache.block = None;
        let ends = self.ends.slice(block.first_row as usize..after.0 as usize)?;
        if !ends.is_sorted() || ends.last() != Some(&block.raw_len) {
            return Err(self.ends.corrupt(format!("ends do not ascend to {} in block {at}", block.raw_len)));
        }
        let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let packed = self.data.get(offset(block.offset)..offset(after.1))?;
        cache.raw.clear();
        cache.raw.resize(block.raw_len as usize, 0);
        let corrupt = |what: String| self.data.corrupt(format!("block {at}: {what}"));
        match lz4_flex::block::decompress_into(packed, &mut cache.raw) {
            Ok(found) if found == cache.raw.len() => {}
            Ok(_) => return Err(corrupt(String::from("shorter than it says"))),
            Err(e) => return Err(corrupt(e.to_string())),
        }
        cache.block = Some(at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tercet_index::{MemorySections, Sections};

    #[test]
    fn documents_come_back_in_any_order() {
        let documents: Vec<Vec<u8>> = (0..500usize)
            .map(|i| format!("{{\"id\":{i},\"t\":\"{}\"}}", "ab".repeat(i * 7 % 900)).into_bytes())
            .collect();
        let mut sections = Sections::new();
        let mut writer = DocsWriter::default();
        documents.iter().for_each(|d| writer.push(d, &mut sections).unwrap());
        writer.finish(&mut sections).unwrap();
        let docs = Docs::open(500, &MemorySections::new(&sections)).unwrap();
        docs.verify().unwrap();
        assert!(docs.blocks.len() > 5);
        let mut cache = BlockCache::default();
        for i in (0..500usize).map(|i| i * 211 % 500) {
            assert_eq!(docs.read(i as u32, &mut cache).unwrap(), documents[i]);
        }
        assert!(docs.read(500, &mut cache).is_err());
    }
}
