//! Random rows and queries, and the naive oracle, for the tests of all kinds.
#![allow(clippy::unwrap_used)]

use super::seam::{SparseInput, SparseKind, SparseReader, SparseSpec};
use crate::dense::Work;
use crate::inverted::RowMap;
use crate::{Bitmap, IndexError, MemorySections, Scored, Sections};

pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.next() % end.max(1)
    }
}

/// How weights look.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Kind {
    Whole,
    Halves,
    Floats,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Whole, Kind::Halves, Kind::Floats];

pub(crate) fn weight(rng: &mut Rng, kind: Kind) -> f32 {
    match kind {
        Kind::Whole => (1 + rng.below(9)) as f32,
        Kind::Halves => (1 + rng.below(900)) as f32 / 256.0,
        Kind::Floats => (1 + rng.below(1 << 24)) as f32 / 3.1e6,
    }
}

#[derive(Clone, Default)]
pub(crate) struct Rows(pub(crate) Vec<Vec<(u32, f32)>>);

impl Rows {
    /// Rows of up to `terms` of `words`, the low ones frequent; neighbours share terms.
    pub(crate) fn random(rng: &mut Rng, rows: u32, words: u32, terms: u32, kind: Kind) -> Rows {
        Rows(
            (0..rows)
                .map(|row| {
                    let mut found = std::collections::BTreeMap::new();
                    for _ in 0..rng.below(terms + 1) {
                        let common = rng.below(words).min(rng.below(words));
                        let term =
                            if rng.below(3) == 0 { (row / 300 * 7 + rng.below(5)) % words } else { common };
                        found.insert(term, weight(rng, kind));
                    }
                    found.into_iter().collect()
                })
                .collect(),
        )
    }

    pub(crate) fn flat(&self) -> (Vec<u64>, Vec<u32>, Vec<f32>) {
        let mut ends = Vec::new();
        let (terms, weights): (Vec<u32>, Vec<f32>) = self.0.iter().flatten().copied().unzip();
        let mut end = 0;
        self.0.iter().for_each(|row| {
            end += row.len() as u64;
            ends.push(end);
        });
        (ends, terms, weights)
    }

    pub(crate) fn build(&self, kind: &SparseKind, spec: &SparseSpec) -> Result<Sections, IndexError> {
        let (ends, terms, weights) = self.flat();
        let rows = self.0.len() as u32;
        let input = SparseInput { rows, present: None, ends: &ends, terms: &terms, weights: &weights };
        (kind.build)(spec, &input, &Work::inline())
    }

    /// The oracle.
    pub(crate) fn best(&self, query: &[(u32, f32)], k: usize, allowed: Option<&Bitmap>) -> Vec<Scored> {
        let mut all: Vec<Scored> = (0u32..)
            .zip(&self.0)
            .filter(|(row, _)| allowed.is_none_or(|allowed| allowed.contains(*row)))
            .filter_map(|(row, terms)| score(terms, query).map(|score| Scored { score, row }))
            .collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        all.truncate(k);
        all
    }
}

pub(crate) fn score(row: &[(u32, f32)], query: &[(u32, f32)]) -> Option<f32> {
    let mut sum = None;
    for (term, q) in query {
        if let Ok(at) = row.binary_search_by_key(term, |(term, _)| *term) {
            sum = Some(sum.unwrap_or(0.0) + row[at].1 * q);
        }
    }
    sum
}

pub(crate) fn query(rng: &mut Rng, words: u32, kind: Kind) -> Vec<(u32, f32)> {
    let mut found = std::collections::BTreeMap::new();
    for _ in 0..=rng.below(12) {
        found.insert(rng.below(words + 3).min(rng.below(words + 3)), weight(rng, kind));
    }
    found.into_iter().collect()
}

/// A kind's reader over these rows.
pub(crate) fn opened(kind: &SparseKind, rows: &Rows, spec: &SparseSpec) -> Box<dyn SparseReader> {
    let sections = MemorySections::new(&rows.build(kind, spec).unwrap());
    (kind.open)(spec, rows.0.len() as u32, &sections).unwrap()
}

/// A merge of random rows, of which a third were deleted, writes what building the rest in one go writes.
pub(crate) fn check_merge(kind: &SparseKind, spec: &SparseSpec) {
    let mut rng = Rng(4);
    for weights in KINDS {
        let parts: Vec<Rows> =
            [300, 0, 700].map(|rows| Rows::random(&mut rng, rows, 50, 9, weights)).into_iter().collect();
        let readers: Vec<_> = parts.iter().map(|rows| opened(kind, rows, spec)).collect();
        let (mut whole, mut maps) = (Rows::default(), Vec::new());
        for rows in &parts {
            let kept = rows.0.iter().map(|row| {
                if rng.below(3) == 0 {
                    return RowMap::DROPPED;
                }
                whole.0.push(row.clone());
                whole.0.len() as u32 - 1
            });
            maps.push(RowMap(kept.collect()));
        }
        let inputs: Vec<(&dyn SparseReader, &RowMap)> =
            readers.iter().map(|reader| reader.as_ref()).zip(&maps).collect();
        let mut merged = Sections::new();
        (kind.merge)(spec, &inputs, whole.0.len() as u32, &mut merged, &Work::inline()).unwrap();
        assert!(merged == whole.build(kind, spec).unwrap());
        let work = Work { progress: &|_, _| false, ..Work::inline() };
        let stopped = (kind.merge)(spec, &inputs, whole.0.len() as u32, &mut Sections::new(), &work);
        assert!(matches!(stopped, Err(IndexError::Cancelled)));
    }
}

/// The rows of segments may lie between one another, as those of updated rows do; no two may be one.
pub(crate) fn check_interleaved(kind: &SparseKind, spec: &SparseSpec) {
    let mut rng = Rng(11);
    for weights in KINDS {
        let whole = Rows::random(&mut rng, 900, 50, 9, weights);
        let (mut parts, mut maps) = ([(); 3].map(|()| Rows::default()), [(); 3].map(|()| RowMap::default()));
        for (row, terms) in whole.0.iter().enumerate() {
            let at = rng.below(3) as usize;
            if rng.below(5) == 0 {
                parts[at].0.push(vec![(3, 1.0)]);
                maps[at].0.push(RowMap::DROPPED);
            }
            parts[at].0.push(terms.clone());
            maps[at].0.push(row as u32);
        }
        // New values of an update come in any order.
        for at in (1..parts[2].0.len()).rev() {
            let other = rng.below(at as u32 + 1) as usize;
            parts[2].0.swap(at, other);
            maps[2].0.swap(at, other);
        }
        let readers: Vec<_> = parts.iter().map(|rows| opened(kind, rows, spec)).collect();
        let merge = |maps: &[RowMap; 3], merged: &mut Sections| {
            let inputs: Vec<(&dyn SparseReader, &RowMap)> =
                readers.iter().map(|reader| reader.as_ref()).zip(maps).collect();
            (kind.merge)(spec, &inputs, 900, merged, &Work::inline())
        };
        let mut merged = Sections::new();
        merge(&maps, &mut merged).unwrap();
        assert!(merged == whole.build(kind, spec).unwrap());
        // Rows with a term they share, which both go to one.
        let holds = |at: usize| {
            let rows = parts[at].0.iter().zip(&maps[at].0).enumerate();
            let mut rows =
                rows.filter(|(_, (terms, to))| **to != RowMap::DROPPED && terms.iter().any(|t| t.0 == 0));
            rows.next().unwrap().0
        };
        let (from, to) = (holds(0), holds(1));
        let mut twice = maps.clone();
        twice[1].0[to] = maps[0].0[from];
        assert!(merge(&twice, &mut Sections::new()).is_err());
    }
}

/// The sections with a random piece of one of them cut off, added or overwritten; which one.
pub(crate) fn damage(rng: &mut Rng, sections: &Sections, round: u32) -> (Sections, usize) {
    let mut damaged = sections.clone();
    let at = rng.below(damaged.len() as u32) as usize;
    let bytes = &mut damaged[at].1;
    match round % 4 {
        0 if !bytes.is_empty() => bytes.truncate(rng.below(bytes.len() as u32) as usize),
        1 => bytes.extend_from_slice(&[255; 64]),
        _ => {
            for _ in 0..1 + rng.below(40) {
                let place = rng.below(bytes.len() as u32) as usize;
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = if rng.below(3) == 0 { 255 } else { rng.next() as u8 };
                }
            }
        }
    }
    (damaged, at)
}
