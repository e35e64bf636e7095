//! The ids of a segment: sorted for look-up by id, with the way back from a row.
//!
//! Sections: `ids/bytes` the encoded ids one after the other in byte order; `ids/ends` u32, where each ends;
//! `ids/rows` u32, the row of each; `ids/places` u32, the place of each row in that order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tercet_index::{
    Array, IndexError, RowMap, Section, SectionSink, SectionSource, Sections, array_bytes, reserved,
};

/// The longest encoded id: a tag and the text.
const ENCODED_BYTES_MAX: usize = 1 + crate::id::ID_BYTES_MAX;
/// Bytes of ids that are written at once.
const BUFFER: usize = 64 << 10;

fn too_large() -> IndexError {
    IndexError::TooLarge { what: String::from("bytes of all ids of a segment"), limit: u32::MAX.into() }
}

/// Builds the sections from the encoded id of every row.
pub(crate) fn build(ids: &[&[u8]]) -> Result<Sections, IndexError> {
    let mut rows: Vec<u32> = (0..ids.len() as u32).collect();
    rows.sort_unstable_by_key(|row| ids[*row as usize]);
    let mut bytes = Vec::with_capacity(ids.iter().map(|id| id.len()).sum());
    let mut ends = Vec::with_capacity(ids.len());
    let mut places = vec![0u32; ids.len()];
    for (place, row) in rows.iter().enumerate() {
        bytes.extend_from_slice(ids[*row as usize]);
        ends.push(u32::try_from(bytes.len()).map_err(|_| too_large())?);
        places[*row as usize] = place as u32;
    }
    Ok(vec![
        (String::from("ids/bytes"), bytes),
        (String::from("ids/ends"), array_bytes(&ends)?),
        (String::from("ids/rows"), array_bytes(&rows)?),
        (String::from("ids/places"), array_bytes(&places)?),
    ])
}

/// The ids of an open segment.
pub(crate) struct Ids {
    bytes: Section,
    ends: Array<u32>,
    rows: Array<u32>,
    places: Array<u32>,
}

impl Ids {
    /// Opens them; O(1).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        Ok(Ids {
            bytes: source.section("ids/bytes")?,
            ends: Array::open_len(source, "ids/ends", rows.into())?,
            rows: Array::open_len(source, "ids/rows", rows.into())?,
            places: Array::open_len(source, "ids/places", rows.into())?,
        })
    }

    /// Checks what opening does not: that ids ascend, and that rows and places are each other's inverse. O(rows).
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        self.ends.verify_ends(self.bytes.all()?.len())?;
        let rows = self.rows.all()?;
        let inverse = |(row, place): (u32, &u32)| rows.get(*place as usize) == Some(&row);
        if !(0..).zip(self.places.all()?).all(inverse) {
            return Err(self.places.corrupt("rows and places are not each other's inverse"));
        }
        let mut before: &[u8] = &[];
        for place in 0..rows.len() {
            let id = self.at(place)?;
            if id <= before {
                return Err(self.bytes.corrupt(format!("id {place} is not above the one before")));
            }
            before = id;
        }
        Ok(())
    }

    /// The id at a place in the order of ids.
    fn at(&self, place: usize) -> Result<&[u8], IndexError> {
        let range = self.ends.part(place)?;
        // What claims to be longer than an id can be would be copied for every hit.
        if range.len() > ENCODED_BYTES_MAX {
            return Err(self.ends.corrupt(format!("id {place} of {} bytes", range.len())));
        }
        self.bytes.get(range)
    }

    /// The row of an id: O(log rows).
    pub(crate) fn find(&self, id: &[u8]) -> Result<Option<u32>, IndexError> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle)?.cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let row = self.rows.get(middle)?;
                    if row as usize >= self.rows.len() {
                        return Err(self.rows.corrupt(format!("row {row} of {}", self.rows.len())));
                    }
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    /// The encoded id of a row: O(1).
    pub(crate) fn of(&self, row: u32) -> Result<&[u8], IndexError> {
        self.at(self.places.get(row as usize)? as usize)
    }
}

/// Some segments' ids and which new row each old one becomes.
pub(super) type Source<'a> = (&'a Ids, &'a RowMap);

/// Merges the ids of segments that follow one another: `rows` are kept in all.
pub(super) fn merge(sources: &[Source<'_>], rows: u32, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
    let mut ends: Vec<u32> = reserved(rows as usize)?;
    let mut order: Vec<u32> = reserved(rows as usize)?;
    let mut heads = BinaryHeap::new();
    for source in 0..sources.len() {
        heads.extend(next_kept(sources, source, 0)?);
    }
    sink.begin("ids/bytes")?;
    let (mut buffer, mut end, mut before): (_, u32, &[u8]) = (Vec::new(), 0, &[]);
    while let Some(Reverse((id, source, place, row))) = heads.pop() {
        if id < before {
            return Err(IndexError::corrupt("ids/bytes", "ids do not ascend"));
        }
        before = id;
        end = end.checked_add(id.len() as u32).ok_or_else(too_large)?;
        buffer.extend_from_slice(id);
        if buffer.len() >= BUFFER {
            sink.write(&buffer)?;
            buffer.clear();
        }
        ends.push(end);
        order.push(row);
        heads.extend(next_kept(sources, source, place + 1)?);
    }
    sink.write(&buffer)?;
    sink.begin("ids/ends")?;
    sink.write(bytemuck::cast_slice(&ends))?;
    sink.begin("ids/rows")?;
    sink.write(bytemuck::cast_slice(&order))?;
    // The ends are written: their memory serves for the places.
    let mut places = ends;
    places.clear();
    places.resize(rows as usize, u32::MAX);
    for (place, row) in order.iter().enumerate() {
        if let Some(slot) = places.get_mut(*row as usize) {
            *slot = place as u32;
        }
    }
    // A damaged table may name a row twice and another not at all: such a segment is not written.
    if order.len() != rows as usize || places.contains(&u32::MAX) {
        return Err(IndexError::corrupt("ids/rows", "the ids do not have every row once"));
    }
    sink.begin("ids/places")?;
    sink.write(bytemuck::cast_slice(&places))
}

/// An id, the source it is from, its place there and its new row: the least id comes first.
type Head<'a> = Reverse<(&'a [u8], usize, usize, u32)>;

/// The first id from a place on whose row is kept.
fn next_kept<'a>(sources: &[Source<'a>], source: usize, from: usize) -> Result<Option<Head<'a>>, IndexError> {
    let (ids, map) = sources[source];
    let rows = ids.rows.all()?;
    for (place, row) in rows.iter().enumerate().skip(from) {
        if let Some(new) = map.get(*row) {
            return Ok(Some(Reverse((ids.at(place)?, source, place, new))));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tercet_index::MemorySections;

    #[test]
    fn every_id_is_found_and_no_other() {
        let ids: Vec<Vec<u8>> =
            (0..300u32).map(|i| (i.wrapping_mul(2_654_435_761)).to_string().into_bytes()).collect();
        let slices: Vec<&[u8]> = ids.iter().map(Vec::as_slice).collect();
        let open = Ids::open(300, &MemorySections::new(&build(&slices).unwrap())).unwrap();
        open.verify().unwrap();
        for (row, id) in ids.iter().enumerate() {
            assert_eq!(open.find(id).unwrap(), Some(row as u32));
            assert_eq!(open.of(row as u32).unwrap(), id.as_slice());
        }
        for other in [&b""[..], b"no", b"99999999999", b"\xff"] {
            assert_eq!(open.find(other).unwrap(), None);
        }
        assert!(open.of(300).is_err());
    }
}
