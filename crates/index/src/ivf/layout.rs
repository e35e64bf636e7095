//! What an inverted file says about itself.
//!
//! ```text
//! ivf = version, vectors, entries, lists, blocks, coding, parts, components of what is coded, components of points,
//!       bytes of a judge's row, flags, vectors when it was trained, the bits of: least term, step of terms, mean error
//!       when it was trained, mean error of what was added since; vectors added since, seed (2), the bits of: largest
//!       scale, mean squared length
//! ```
//! `coding` is 0 for none (the vectors), 1 for parts of 4 bits, 2 for parts of 8, 3 and 4 for rows of 8 and 4 bits a
//! component (`quant::Coder`), 5 for planes of bits (`parts` is how many). Parts of 4 bits and planes lie in blocks of 32 entries: 16 bytes for each part, parts filled up to a
//! multiple of 4, entry j in the low nibble of byte j and entry 16 + j in the high one. Parts of 8 bits are rows of a byte a
//! part. Terms, and the scales of planes, lie in blocks of 32 entries; what fills up a block has the largest.

use crate::{Array, IndexError, SectionSource};

pub(super) const VERSION: u32 = 1;
/// Entries of a block.
pub(super) const BLOCK: usize = 32;
/// Numbers of the head.
const HEAD: usize = 21;

const RESIDUAL: u32 = 1;
const SPILL: u32 = 2;
const JUDGED: u32 = 4;

/// How entries are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Not at all: the vectors are compared.
    Vectors,
    /// Parts of so many bits.
    Parts { m: usize, bits: u32 },
    /// Components of so many bits.
    Rows { bits: u32 },
    /// So many planes of bits.
    Planes { bits: u32 },
}

/// The section `ivf`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) count: u32,
    pub(super) entries: u32,
    pub(super) lists: u32,
    pub(super) blocks: u32,
    pub(super) form: Form,
    pub(super) reduced: u32,
    pub(super) points: u32,
    pub(super) judge_stride: u32,
    pub(super) residual: bool,
    pub(super) spill: bool,
    /// Whether there are the judge's codes.
    pub(super) judged: bool,
    /// Vectors when it was trained.
    pub(super) planned: u32,
    pub(super) terms: Terms,
    /// The mean squared error of codes when they were trained, as a share of the mean squared length.
    pub(super) error: f32,
    /// The same of what was added since.
    pub(super) added_error: f32,
    pub(super) added: u32,
    pub(super) seed: u64,
    /// The largest scale of planes.
    pub(super) scale: f32,
    /// The mean squared length of a vector, as a point.
    pub(super) length: f32,
}

/// How 16 bits stand for a term.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Terms {
    pub(super) least: f32,
    pub(super) step: f32,
}

impl Terms {
    /// For terms from `least` to `most`.
    pub(super) fn between(least: f32, most: f32) -> Self {
        let step = (most - least) / 65_535.0;
        Terms { least, step: if step > f32::MIN_POSITIVE { step } else { 0.0 } }
    }

    pub(super) fn code(self, term: f32) -> u16 {
        if self.step > 0.0 { ((term - self.least) / self.step + 0.5) as u16 } else { 0 }
    }

    /// So much of every term; `weight` is not negative.
    pub(super) fn times(self, weight: f32) -> Self {
        Terms { least: self.least * weight, step: self.step * weight }
    }

    /// Whether a term lies above all codes.
    pub(super) fn beyond(self, term: f32) -> bool {
        self.step > 0.0 && (term - self.least) / self.step >= 65_536.0
    }

    pub(super) fn value(self, code: u16) -> f32 {
        self.least + f32::from(code) * self.step
    }
}

impl Form {
    fn numbers(self) -> [u32; 2] {
        match self {
            Form::Vectors => [0, 0],
            Form::Parts { m, bits: 4 } => [1, m as u32],
            Form::Parts { m, .. } => [2, m as u32],
            Form::Rows { bits: 8 } => [3, 0],
            Form::Rows { .. } => [4, 0],
            Form::Planes { bits } => [5, bits],
        }
    }

    /// Whether entries have terms.
    pub(super) fn terms(self) -> bool {
        matches!(self, Form::Parts { .. } | Form::Planes { .. })
    }
}

/// Bytes of a block of parts of 4 bits.
pub(super) fn block_bytes(m: usize) -> usize {
    m.next_multiple_of(4) * BLOCK / 2
}

impl Head {
    pub(super) fn numbers(&self) -> [u32; HEAD] {
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let [coding, m] = self.form.numbers();
        let flags = flag(self.residual, RESIDUAL) | flag(self.spill, SPILL) | flag(self.judged, JUDGED);
        [
            VERSION,
            self.count,
            self.entries,
            self.lists,
            self.blocks,
            coding,
            m,
            self.reduced,
            self.points,
            self.judge_stride,
            flags,
            self.planned,
            self.terms.least.to_bits(),
            self.terms.step.to_bits(),
            self.error.to_bits(),
            self.added_error.to_bits(),
            self.added,
            self.seed as u32,
            (self.seed >> 32) as u32,
            self.scale.to_bits(),
            self.length.to_bits(),
        ]
    }

    /// Reads it, and holds its numbers against each other.
    /// `count`: vectors that are kept; `None` where codes are all that is.
    pub(super) fn open(
        source: &dyn SectionSource,
        count: Option<u32>,
        rows: u32,
    ) -> Result<Self, IndexError> {
        let array = Array::<u32>::open(source, "ivf")?;
        let all = array.all()?;
        let Some((&[version, ..], _)) = all.split_first_chunk::<1>() else {
            return Err(array.corrupt("empty"));
        };
        if version != VERSION {
            return Err(IndexError::Version { section: "ivf".into(), found: version, supported: VERSION });
        }
        let Ok(&numbers) = <&[u32; HEAD]>::try_from(all) else {
            return Err(array.corrupt(format!("{} elements", all.len())));
        };
        let said = numbers[1];
        let count = count.unwrap_or(said);
        let head = Self::of(numbers).filter(|head| head.sound(count) && count <= rows);
        head.ok_or_else(|| array.corrupt(format!("numbers of {count} vectors that contradict each other")))
    }

    fn of(numbers: [u32; HEAD]) -> Option<Self> {
        let [_, count, entries, lists, blocks, coding, m, reduced, points, stride, flags, planned, rest @ ..] =
            numbers;
        let [least, step, error, added_error, added, seed_low, seed_high, scale, length] = rest;
        let m = m as usize;
        let form = match coding {
            0 => Form::Vectors,
            1 | 2 if m >= 1 && m <= reduced as usize => Form::Parts { m, bits: coding * 4 },
            3 => Form::Rows { bits: 8 },
            4 => Form::Rows { bits: 4 },
            5 if (1..=8).contains(&m) => Form::Planes { bits: m as u32 },
            _ => return None,
        };
        Some(Head {
            count,
            entries,
            lists,
            blocks,
            form,
            reduced,
            points,
            judge_stride: stride,
            residual: flags & RESIDUAL != 0,
            spill: flags & SPILL != 0,
            judged: flags & JUDGED != 0,
            planned,
            terms: Terms { least: f32::from_bits(least), step: f32::from_bits(step) },
            error: f32::from_bits(error),
            added_error: f32::from_bits(added_error),
            added,
            seed: u64::from(seed_low) | u64::from(seed_high) << 32,
            scale: f32::from_bits(scale),
            length: f32::from_bits(length),
        })
    }

    fn sound(&self, count: u32) -> bool {
        let entries = if self.spill { count.checked_mul(2) } else { Some(count) };
        let (least, most) =
            (self.entries.div_ceil(BLOCK as u32), u64::from(self.lists) + u64::from(self.entries));
        self.count == count
            && entries.is_some_and(|most| (count..=most).contains(&self.entries))
            && (1..=count).contains(&self.lists)
            && self.blocks >= least
            && u64::from(self.blocks) <= most
            && (1..=self.points).contains(&self.reduced)
            && self.terms.least.is_finite()
            && self.terms.step.is_finite()
            && self.terms.step >= 0.0
            && (0.0..=f32::MAX).contains(&self.scale)
            && (0.0..=f32::MAX).contains(&self.length)
            && (0.0..=f32::MAX).contains(&self.error)
    }
}
