//! The ids of a segment: sorted for look-up by id, with the way back from a row.
//!
//! Sections: `ids/bytes` the encoded ids one after the other in byte order; `ids/ends` u32, where each ends;
//! `ids/rows` u32, the row of each; `ids/places` u32, the place of each row in that order.

use bytes::Bytes;
use tercet_index::{Array, IndexError, SectionSource, Sections, array_bytes};

use crate::sections::check_ends;

/// Builds the sections from the encoded id of every row.
pub(crate) fn build(ids: &[&[u8]]) -> Result<Sections, IndexError> {
    let mut rows: Vec<u32> = (0..ids.len() as u32).collect();
    rows.sort_unstable_by_key(|row| ids[*row as usize]);
    let mut bytes = Vec::with_capacity(ids.iter().map(|id| id.len()).sum());
    let mut ends = Vec::with_capacity(ids.len());
    let mut places = vec![0u32; ids.len()];
    for (place, row) in rows.iter().enumerate() {
        bytes.extend_from_slice(ids[*row as usize]);
        ends.push(u32::try_from(bytes.len()).map_err(|_| IndexError::TooLarge {
            what: String::from("ids of a segment"),
            limit: u32::MAX.into(),
        })?);
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
    bytes: Bytes,
    ends: Array<u32>,
    rows: Array<u32>,
    places: Array<u32>,
}

impl Ids {
    /// Opens them; O(rows).
    pub(crate) fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let ids = Ids {
            bytes: source.section("ids/bytes")?,
            ends: Array::open_len(source, "ids/ends", rows.into())?,
            rows: Array::open_len(source, "ids/rows", rows.into())?,
            places: Array::open_len(source, "ids/places", rows.into())?,
        };
        check_ends("ids/ends", &ids.ends, ids.bytes.len())?;
        let inverse = |(row, place): (u32, &u32)| ids.rows.get(*place as usize) == Some(&row);
        if !(0..rows).zip(ids.places.iter()).all(inverse) {
            return Err(IndexError::corrupt("ids/places", "rows and places are not each other's inverse"));
        }
        Ok(ids)
    }

    fn at(&self, place: usize) -> &[u8] {
        let start = if place == 0 { 0 } else { self.ends.get(place - 1).map_or(0, |e| *e as usize) };
        let end = self.ends.get(place).map_or(0, |e| *e as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The row of an id: O(log rows).
    pub(crate) fn row(&self, id: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(middle).cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    return self.rows.get(middle).copied().filter(|r| (*r as usize) < self.rows.len());
                }
            }
        }
        None
    }

    /// The encoded id of a row: O(1).
    pub(crate) fn id(&self, row: u32) -> &[u8] {
        self.places.get(row as usize).map_or(&[], |place| self.at(*place as usize))
    }
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
        for (row, id) in ids.iter().enumerate() {
            assert_eq!(open.row(id), Some(row as u32));
            assert_eq!(open.id(row as u32), id.as_slice());
        }
        for other in [&b""[..], b"no", b"99999999999", b"\xff"] {
            assert_eq!(open.row(other), None);
        }
        assert_eq!(open.id(300), b"");
    }
}
