//! Parts and new vectors become one part; the kind decides what of the old it can use again.
//!
//! Parts stand in falling size: a new one is merged with those before it while they are not much larger, so that there
//! are O(log n) of them and a vector is copied O(log n) times. What a graph is inserted into is always the largest of
//! them, so a vector is inserted once a level. A part of which a fifth was removed is written again with whatever
//! comes next: neither memory nor recall wears off.

use std::iter::Peekable;

use tercet_index::{Bitmap, DenseSource, DenseStream, EachVector, IndexError, Values, Work};
use tercet_store::{AlignedBuf, SectionFile, SectionStream};

use super::parts::{IndexPart, KIND};
use super::samples::Samples;
use super::spec::{Spec, Vectors};
use crate::api::Control;
use crate::error::index_error;
use crate::sections::FileSink;
use crate::wire::TercetError;

/// A part is merged with the one before it while that is at most so many times as large.
const RATIO: u64 = 8;

/// Vectors that are new, each with its row.
pub(super) struct Fresh<'a> {
    pub(super) vectors: Vectors<'a>,
    /// Ascending rows, each with the place of its vector.
    pub(super) rows: FreshRows,
}

/// The rows of new vectors.
pub(super) enum FreshRows {
    /// In order, from this one on.
    From(u32),
    /// Ascending, each with the place of its vector.
    Listed(Vec<(u32, u32)>),
}

impl Fresh<'_> {
    fn len(&self) -> u32 {
        match &self.rows {
            FreshRows::From(_) => self.vectors.count,
            FreshRows::Listed(rows) => rows.len() as u32,
        }
    }

    fn rows(&self) -> Box<dyn Iterator<Item = (u32, u32)> + '_> {
        match &self.rows {
            FreshRows::From(first) => Box::new((0..self.vectors.count).map(move |at| (first + at, at))),
            FreshRows::Listed(rows) => Box::new(rows.iter().copied()),
        }
    }

    fn bounds(&self) -> Option<(u32, u32)> {
        match &self.rows {
            FreshRows::From(first) => self.vectors.count.checked_sub(1).map(|last| (*first, first + last)),
            FreshRows::Listed(rows) => Some((rows.first()?.0, rows.last()?.0)),
        }
    }
}

/// What a merge is taught by.
#[derive(Clone, Copy)]
pub(super) struct Teaching<'a> {
    samples: &'a Samples,
    /// Nothing that was trained before is used again.
    anew: bool,
}

impl<'a> Teaching<'a> {
    pub(super) fn as_before(samples: &'a Samples) -> Self {
        Teaching { samples, anew: false }
    }

    pub(super) fn anew(samples: &'a Samples) -> Self {
        Teaching { samples, anew: true }
    }
}

/// What is merged, as the kind sees it.
struct Merging<'a> {
    teaching: Teaching<'a>,
    parts: Vec<&'a IndexPart>,
    fresh: Option<&'a Fresh<'a>>,
    /// The merged part's first row.
    base: u32,
    /// New numbers of rows, where they change.
    renumbered: Option<&'a [u32]>,
}

impl Merging<'_> {
    /// The merged part's own row for a row of the index.
    fn target(&self, row: u32) -> u32 {
        match self.renumbered {
            Some(map) => map.get(row as usize).copied().unwrap_or(u32::MAX),
            None => row - self.base,
        }
    }

    fn source<'s>(&'s self, part: &'s IndexPart) -> DenseSource<'s> {
        let kept = part.rows().map(move |row| (row - part.first, self.target(row)));
        DenseSource { reader: part.stored.reader.as_ref(), kept: Box::new(kept) }
    }
}

/// Where a row's vector lies.
type Place = (usize, u32);
/// Ascending rows of one source.
type Rows<'i> = Peekable<Box<dyn Iterator<Item = (u32, Place)> + 'i>>;

/// The rows of several sources in ascending order. There are few sources: looking at each costs less than a heap.
fn ascending<'i>(mut sources: Vec<Rows<'i>>) -> impl Iterator<Item = (u32, Place)> + 'i {
    std::iter::from_fn(move || {
        let heads = sources.iter_mut().enumerate();
        let (_, at) = heads.filter_map(|(at, source)| source.peek().map(|(row, _)| (*row, at))).min()?;
        sources[at].next()
    })
}

/// Every row of the parts in ascending order, with its part and its own row there.
fn rows_of<'i>(parts: &[&'i IndexPart]) -> Vec<Rows<'i>> {
    let placed = |(at, part): (usize, &&'i IndexPart)| {
        let part: &'i IndexPart = part;
        let rows = part.rows().map(move |row| (row, (at, row - part.first)));
        (Box::new(rows) as Box<dyn Iterator<Item = (u32, Place)> + 'i>).peekable()
    };
    parts.iter().enumerate().map(placed).collect()
}

impl DenseStream for Merging<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        let mut sources = rows_of(&self.parts);
        if let Some(fresh) = self.fresh {
            let rows = fresh.rows().map(|(row, at)| (row, (usize::MAX, at)));
            sources.push((Box::new(rows) as Box<dyn Iterator<Item = (u32, Place)> + '_>).peekable());
        }
        for (row, (source, at)) in ascending(sources) {
            let to = self.target(row);
            let missing = || IndexError::corrupt("rows", format!("row {row} has no vector"));
            match (self.parts.get(source), self.fresh) {
                (Some(part), _) => {
                    let vector = part.stored.reader.stored(at)?.ok_or_else(missing)?;
                    each(to, vector.values())?;
                }
                (None, Some(fresh)) => each(to, fresh.vectors.at(at).ok_or_else(missing)?)?,
                (None, None) => return Err(missing()),
            }
        }
        Ok(())
    }

    fn queries(&self) -> Option<Values<'_>> {
        self.teaching.samples.values()
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        if self.teaching.anew {
            return Vec::new();
        }
        self.parts.iter().copied().map(|part| self.source(part)).collect()
    }
}

/// Parts and new vectors as one part. Removed rows are dropped; the others keep their numbers, unless `renumbered` says
/// new ones, which ascend from 0 without gaps.
pub(super) fn merge(
    spec: &Spec,
    parts: &[&IndexPart],
    fresh: Option<&Fresh<'_>>,
    renumbered: Option<&[u32]>,
    teaching: Teaching<'_>,
    work: &Work<'_>,
) -> Result<Option<IndexPart>, TercetError> {
    let bounds = parts.iter().filter_map(|part| part.bounds()).chain(fresh.and_then(Fresh::bounds));
    let Some((low, high)) = bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { return Ok(None) };
    let count: u32 = parts.iter().map(|part| part.size).sum::<u32>() + fresh.map_or(0, Fresh::len);
    let (base, span) = if renumbered.is_some() { (0, count) } else { (low, high - low + 1) };
    let merging = Merging { teaching, parts: parts.to_vec(), fresh, base, renumbered };
    let mut buffer = AlignedBuf::new();
    let control = Control::new();
    let mut sink = FileSink::new(SectionStream::in_buffer(&mut buffer, KIND)?, &control);
    (spec.kind.merge)(&spec.dense, span, &merging, &mut sink, work).map_err(|e| index_error(e, "(index)"))?;
    sink.finish()?;
    let file = SectionFile::from_own_bytes(buffer.freeze(), "(memory)")?;
    let live = (count < span).then(|| live(&merging, span));
    Ok(Some(IndexPart::open(spec, base, span, live, file)?))
}

fn live(merging: &Merging<'_>, span: u32) -> Bitmap {
    let mut live = Bitmap::new(span);
    let parts = merging.parts.iter().flat_map(|part| part.rows());
    let fresh = merging.fresh.into_iter().flat_map(|fresh| fresh.rows().map(|(row, _)| row));
    for row in parts.chain(fresh) {
        live.set(merging.target(row));
    }
    live
}

/// What becomes of the parts when new vectors come: these make a part of their own, or the last parts and they become
/// one.
pub(super) fn settle(
    spec: &Spec,
    parts: &[IndexPart],
    fresh: &Fresh<'_>,
    samples: &Samples,
    work: &Work<'_>,
) -> Result<Vec<IndexPart>, TercetError> {
    let mut from = parts.len();
    let mut size = u64::from(fresh.len());
    while let Some(before) = from.checked_sub(1)
        && u64::from(parts[before].size) <= size * RATIO
    {
        size += u64::from(parts[before].size);
        from = before;
    }
    if let Some(worn) = parts[..from].iter().position(IndexPart::is_worn) {
        from = worn;
    }
    let last = match (&fresh.rows, from == parts.len()) {
        (FreshRows::From(first), true) => {
            let Vectors { values, count, .. } = fresh.vectors;
            Some(IndexPart::build(spec, (*first, count), values, samples, work)?)
        }
        _ => {
            let parts: Vec<&IndexPart> = parts[from..].iter().collect();
            merge(spec, &parts, Some(fresh), None, Teaching::as_before(samples), work)?
        }
    };
    Ok(parts[..from].iter().cloned().chain(last).collect())
}

/// The new number of every row below `rows` when the live ones are numbered without gaps, `u32::MAX` for the others; and
/// how many live.
pub(super) fn renumbering(parts: &[IndexPart], rows: u32) -> Result<(Vec<u32>, u32), TercetError> {
    let mut map = tercet_index::reserved(rows as usize).map_err(|e| index_error(e, "(index)"))?;
    map.resize(rows as usize, u32::MAX);
    let mut next = 0;
    for (row, _) in ascending(rows_of(&parts.iter().collect::<Vec<_>>())) {
        if let Some(to) = map.get_mut(row as usize) {
            *to = next;
            next += 1;
        }
    }
    Ok((map, next))
}
