//! Single entries: where each stands, its codes, and what they say of its vector.

use super::far::Numbers;
use super::layout::{BLOCK, block_bytes};
use super::plan::Coding;
use super::reader::Stage;
use crate::IndexError;

/// Codes of a part of 4 bits, and of 8.
const NIBBLES: usize = 16;
const BYTES: usize = 256;

/// The entries of an inverted file. Places are checked, whatever the tables say.
pub(super) struct Entries<'a> {
    stage: &'a Stage,
    codes: &'a [u8],
    terms: &'a [u16],
    scales: &'a [u16],
    judges: &'a [u8],
    ends: &'a [u32],
    far: Numbers<'a>,
}

/// Where an entry stands.
struct Place {
    list: usize,
    block: usize,
    lane: usize,
}

impl<'a> Entries<'a> {
    /// With all sections held against their checksums.
    pub(super) fn verified(stage: &'a Stage) -> Result<Self, IndexError> {
        stage.blocks.all()?;
        Ok(Entries {
            stage,
            codes: stage.codes.as_ref().map_or(Ok(&[][..]), |codes| codes.all())?,
            terms: stage.terms.as_ref().map_or(Ok(&[][..]), |terms| terms.all())?,
            scales: stage.scales.as_ref().map_or(Ok(&[][..]), |scales| scales.all())?,
            judges: stage.judges.as_ref().map_or(Ok(&[][..]), |judges| judges.all())?,
            ends: stage.ends.all()?,
            far: stage.far.as_ref().map_or(Ok(Numbers::default()), |far| far.all())?,
        })
    }

    /// As they lie there: damage makes other distances.
    pub(super) fn unverified(stage: &'a Stage) -> Self {
        Entries {
            stage,
            codes: stage.codes.as_ref().map_or(&[], |codes| codes.unverified()),
            terms: stage.terms.as_ref().map_or(&[], |terms| terms.unverified()),
            scales: stage.scales.as_ref().map_or(&[], |scales| scales.unverified()),
            judges: stage.judges.as_ref().map_or(&[], |judges| judges.unverified()),
            ends: stage.ends.unverified(),
            far: stage.far_numbers(),
        }
    }

    /// `None` where a table is damaged.
    fn place(&self, entry: u32) -> Option<Place> {
        let list = self.ends.partition_point(|end| *end <= entry);
        let (entries, block) = self.stage.list(list);
        let within =
            (entry as usize).checked_sub(entries.start).filter(|_| entries.contains(&(entry as usize)))?;
        Some(Place { list, block: block + within / BLOCK, lane: within % BLOCK })
    }

    /// The list, the term and the scale of an entry, and its codes, a byte a part. `None` where a table is damaged.
    pub(super) fn get(&self, entry: u32, out: &mut [u8]) -> Option<(u32, f32, f32)> {
        let place = self.place(entry)?;
        match &self.stage.plan.coding {
            Coding::Vectors => {}
            coding if coding.nibbles() > 0 => {
                for (code, nibble) in out.iter_mut().zip(self.nibbles(&place)?) {
                    *code = nibble;
                }
            }
            coding => {
                out.copy_from_slice(self.row(entry, coding.loose())?);
            }
        }
        let (term, scale) = self.constants(entry, &place)?;
        Some((place.list as u32, term, scale))
    }

    /// The codes of parts of 4 bits.
    fn nibbles(&self, place: &Place) -> Option<impl Iterator<Item = u8> + '_> {
        let bytes = block_bytes(self.stage.plan.coding.nibbles());
        let codes = self.codes.get(place.block * bytes..(place.block + 1) * bytes)?;
        let half = BLOCK / 2;
        let (at, shift) = (place.lane % half, if place.lane < half { 0 } else { 4 });
        Some(codes.chunks_exact(half).map(move |part| part[at] >> shift & 15))
    }

    /// The term and the scale.
    fn constants(&self, entry: u32, place: &Place) -> Option<(f32, f32)> {
        let (head, at) = (&self.stage.head, place.block * BLOCK + place.lane);
        let term = if head.form.terms() { *self.terms.get(at)? } else { 0 };
        let scale = self.scales.get(at).copied().unwrap_or(0);
        // What does not fit has the largest code.
        if [term, scale].contains(&u16::MAX)
            && let Some(numbers) = self.far.get(entry)
        {
            return Some(numbers);
        }
        let term = if head.form.terms() { head.terms.value(term) } else { 0.0 };
        Some((term, f32::from(scale) * head.scale / 65_535.0))
    }

    /// The list of an entry of parts or planes, and its distance by tables as numbers, without the part of the list's centroid.
    /// So much of the term counts as the query has weight.
    pub(super) fn distance(&self, entry: u32, tables: &[f32], weight: f32) -> Option<(u32, f32)> {
        let place = self.place(entry)?;
        let (term, scale) = self.constants(entry, &place)?;
        let sum = match &self.stage.plan.coding {
            Coding::Parts(book) if book.bits() == 8 => {
                looked_up::<BYTES>(tables, self.row(entry, book.m())?.iter().copied())
            }
            _ => looked_up::<NIBBLES>(tables, self.nibbles(&place)?),
        };
        let planes = matches!(self.stage.plan.coding, Coding::Planes(_));
        Some((place.list as u32, weight * term + if planes { scale * sum } else { sum }))
    }

    /// The codes of an entry that are a row of so many bytes.
    pub(super) fn row(&self, entry: u32, bytes: usize) -> Option<&'a [u8]> {
        self.codes.get(entry as usize * bytes..(entry as usize + 1) * bytes)
    }

    pub(super) fn stage(&self) -> &'a Stage {
        self.stage
    }

    /// The judge's row of a position.
    pub(super) fn judge(&self, position: u32) -> &'a [u8] {
        let bytes = self.stage.head.judge_stride as usize;
        self.judges.get(position as usize * bytes..(position as usize + 1) * bytes).unwrap_or(&[])
    }
}

/// The sum of what tables of `CODES` numbers have for codes: four sums side by side, in one order.
#[inline]
fn looked_up<const CODES: usize>(tables: &[f32], codes: impl Iterator<Item = u8>) -> f32 {
    let (tables, _) = tables.as_chunks::<CODES>();
    let mut sums = [0.0f32; 4];
    for (part, (table, code)) in tables.iter().zip(codes).enumerate() {
        sums[part % 4] += table.get(usize::from(code)).copied().unwrap_or(0.0);
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}
