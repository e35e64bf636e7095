//! The order of entries on disk: list after list.

use super::layout::BLOCK;
use super::make::Coded;
use crate::cluster::Members;
use crate::sections::{ArraySink, reserved};
use crate::{IndexError, SectionSink};

/// The order of entries on disk.
pub(super) struct Order {
    members: Members,
    /// Where each list ends, in entries and in blocks.
    pub(super) ends: Vec<u32>,
    pub(super) blocks: Vec<u32>,
}

impl Order {
    pub(super) fn new(lists: usize, coded: &Coded) -> Result<Self, IndexError> {
        let members = Members::new(lists, coded.lists.iter().copied())?;
        let (mut ends, mut blocks) = (Vec::with_capacity(lists), Vec::with_capacity(lists));
        let (mut end, mut block) = (0, 0);
        for list in 0..lists {
            let len = members.of(list).len();
            end += len as u32;
            block += len.div_ceil(BLOCK) as u32;
            ends.push(end);
            blocks.push(block);
        }
        Ok(Order { members, ends, blocks })
    }

    /// The entries in this order.
    pub(super) fn entries(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.ends.len()).flat_map(|list| self.members.of(list).iter().copied())
    }

    /// Calls back with the entries of each block.
    pub(super) fn each_block(
        &self,
        mut each: impl FnMut(&[u32]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        (0..self.ends.len()).try_for_each(|list| self.members.of(list).chunks(BLOCK).try_for_each(&mut each))
    }

    /// Writes which entry is which vector, and the judge's codes.
    pub(super) fn write(&self, coded: &Coded, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        let copies = coded.copies as u32;
        let count = coded.lists.len() / coded.copies;
        let primary = |entry: &&u32| (**entry).is_multiple_of(copies);
        let each = |f: &mut dyn FnMut(u32) -> Result<(), IndexError>| {
            self.each_block(|block| block.iter().filter(primary).try_for_each(|entry| f(*entry / copies)))
        };
        let mut places: Vec<u32> = reserved(count)?;
        places.resize(count, 0);
        let mut position = 0;
        let mut ids = ArraySink::<u32>::begin(sink, "ids")?;
        each(&mut |slot| {
            places[slot as usize] = position;
            position += 1;
            ids.push(slot)
        })?;
        ids.flush()?;
        sink.begin("places")?;
        sink.write(bytemuck::cast_slice(&places))?;
        if copies > 1 {
            let mut entries = ArraySink::<u32>::begin(sink, "entries")?;
            self.each_block(|block| {
                block.iter().try_for_each(|entry| entries.push(places[(*entry / copies) as usize]))
            })?;
            entries.flush()?;
        }
        if coded.judge > 0 {
            sink.begin("points")?;
            each(&mut |slot| sink.write(&coded.judges[slot as usize * coded.judge..][..coded.judge]))?;
        }
        Ok(())
    }
}
