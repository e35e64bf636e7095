//! Parts and new values become one part; the kind decides what of the old it can use again.
//!
//! Parts stand in falling size: a new one is merged with those before it while they are not much larger, so that there
//! are O(log n) of them and a vector is copied O(log n) times. What a graph is inserted into is always the largest of
//! them, so a vector is inserted once a level. A part of which a fifth was removed is written again with whatever
//! comes next: neither memory nor recall wears off.

use std::iter::Peekable;

use tercet_index::{Bitmap, IndexError, RowMap, Work};
use tercet_store::{AlignedBuf, SectionFile, SectionStream};

use super::content::Content;
use super::parts::{IndexPart, KIND};
use super::samples::Samples;
use crate::api::Control;
use crate::error::index_error;
use crate::sections::FileSink;
use crate::wire::TercetError;

/// A part is merged with the one before it while that is at most so many times as large.
const RATIO: u64 = 8;

/// Values that are new, each with its row.
pub(crate) struct Fresh<'a, C: Content> {
    pub(super) values: C::Values<'a>,
    /// Ascending rows, each with the place of its value.
    pub(super) rows: FreshRows,
}

/// The rows of new values.
pub(super) enum FreshRows {
    /// In order, from this one on.
    From(u32),
    /// Ascending, each with the place of its value.
    Listed(Vec<(u32, u32)>),
}

impl<C: Content> Fresh<'_, C> {
    fn len(&self) -> u32 {
        match &self.rows {
            FreshRows::From(_) => C::count(&self.values),
            FreshRows::Listed(rows) => rows.len() as u32,
        }
    }

    fn rows(&self) -> Box<dyn Iterator<Item = (u32, u32)> + '_> {
        match &self.rows {
            FreshRows::From(first) => Box::new((0..self.len()).map(move |at| (first + at, at))),
            FreshRows::Listed(rows) => Box::new(rows.iter().copied()),
        }
    }

    fn bounds(&self) -> Option<(u32, u32)> {
        match &self.rows {
            FreshRows::From(first) => self.len().checked_sub(1).map(|last| (*first, first + last)),
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

/// What is merged, as the values' kind sees it.
pub(crate) struct Merging<'a, 'v, C: Content> {
    teaching: Teaching<'a>,
    pub(super) parts: Vec<&'a IndexPart<C>>,
    pub(super) fresh: Option<&'a Fresh<'v, C>>,
    /// The merged part's first row.
    base: u32,
    /// New numbers of rows, where they change.
    renumbered: Option<&'a [u32]>,
}

impl<'a, C: Content> Merging<'a, '_, C> {
    pub(super) fn samples(&self) -> &'a Samples {
        self.teaching.samples
    }

    /// Whether nothing that was trained before is used again.
    pub(super) fn is_anew(&self) -> bool {
        self.teaching.anew
    }

    /// The merged part's own row for a row of the index.
    fn target(&self, row: u32) -> u32 {
        match self.renumbered {
            Some(map) => map.get(row as usize).copied().unwrap_or(u32::MAX),
            None => row - self.base,
        }
    }

    /// The rows of a part that are kept, ascending, each with its row in the merged part.
    pub(super) fn kept(&self, part: &'a IndexPart<C>) -> impl Iterator<Item = (u32, u32)> + '_ {
        part.rows().map(move |row| (row - part.first, self.target(row)))
    }

    /// The same as a map.
    pub(super) fn map(&self, part: &'a IndexPart<C>) -> Result<RowMap, IndexError> {
        let mut map = tercet_index::reserved(part.span as usize)?;
        map.resize(part.span as usize, RowMap::DROPPED);
        self.kept(part).for_each(|(row, to)| map[row as usize] = to);
        Ok(RowMap(map))
    }

    /// Where the new values go, by their places.
    pub(super) fn fresh_map(&self) -> RowMap {
        let fresh = self.fresh;
        let mut map = vec![RowMap::DROPPED; fresh.map_or(0, |fresh| C::count(&fresh.values) as usize)];
        for (row, at) in fresh.into_iter().flat_map(Fresh::rows) {
            map[at as usize] = self.target(row);
        }
        RowMap(map)
    }

    /// Every value by ascending row: its row in the merged part, and where it lies.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, Lies)> + '_ {
        let mut sources = rows_of(&self.parts);
        if let Some(fresh) = self.fresh {
            let rows = fresh.rows().map(|(row, at)| (row, Lies::Fresh(at)));
            sources.push((Box::new(rows) as Box<dyn Iterator<Item = (u32, Lies)> + '_>).peekable());
        }
        ascending(sources).map(|(row, lies)| (self.target(row), lies))
    }
}

/// Where a row's value lies.
#[derive(Clone, Copy)]
pub(super) enum Lies {
    /// In a part, under the part's own row.
    Part(usize, u32),
    /// Among the new ones, at a place.
    Fresh(u32),
}

/// Ascending rows of one source.
type Rows<'i> = Peekable<Box<dyn Iterator<Item = (u32, Lies)> + 'i>>;

/// The rows of several sources in ascending order. There are few sources: looking at each costs less than a heap.
fn ascending<'i>(mut sources: Vec<Rows<'i>>) -> impl Iterator<Item = (u32, Lies)> + 'i {
    std::iter::from_fn(move || {
        let heads = sources.iter_mut().enumerate();
        let (_, at) = heads.filter_map(|(at, source)| source.peek().map(|(row, _)| (*row, at))).min()?;
        sources[at].next()
    })
}

/// Every row of the parts in ascending order, with its part and its own row there.
fn rows_of<'i, C: Content>(parts: &[&'i IndexPart<C>]) -> Vec<Rows<'i>> {
    let placed = |(at, part): (usize, &&'i IndexPart<C>)| {
        let part: &'i IndexPart<C> = part;
        let rows = part.rows().map(move |row| (row, Lies::Part(at, row - part.first)));
        (Box::new(rows) as Box<dyn Iterator<Item = (u32, Lies)> + 'i>).peekable()
    };
    parts.iter().enumerate().map(placed).collect()
}

/// Parts and new values as one part. Removed rows are dropped; the others keep their numbers, unless `renumbered` says
/// new ones, which ascend from 0 without gaps.
pub(super) fn merge<C: Content>(
    spec: &C,
    parts: &[&IndexPart<C>],
    fresh: Option<&Fresh<'_, C>>,
    renumbered: Option<&[u32]>,
    teaching: Teaching<'_>,
    work: &Work<'_>,
) -> Result<Option<IndexPart<C>>, TercetError> {
    let bounds = parts.iter().filter_map(|part| part.bounds()).chain(fresh.and_then(Fresh::bounds));
    let Some((low, high)) = bounds.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { return Ok(None) };
    let count: u32 = parts.iter().map(|part| part.size).sum::<u32>() + fresh.map_or(0, Fresh::len);
    let (base, span) = if renumbered.is_some() { (0, count) } else { (low, high - low + 1) };
    let merging = Merging { teaching, parts: parts.to_vec(), fresh, base, renumbered };
    let mut buffer = AlignedBuf::new();
    let control = Control::new();
    let mut sink = FileSink::new(SectionStream::in_buffer(&mut buffer, KIND)?, &control);
    spec.merge(span, &merging, &mut sink, work).map_err(|e| index_error(e, "(index)"))?;
    sink.finish()?;
    let file = SectionFile::from_own_bytes(buffer.freeze(), "(memory)")?;
    let live = (count < span).then(|| live(&merging, span));
    Ok(Some(IndexPart::open(spec, (base, span), live, Some(count.into()), file)?))
}

fn live<C: Content>(merging: &Merging<'_, '_, C>, span: u32) -> Bitmap {
    let mut live = Bitmap::new(span);
    merging.rows().for_each(|(row, _)| {
        live.set(row);
    });
    live
}

/// What becomes of the parts when new values come: these make a part of their own, or the last parts and they become
/// one.
pub(super) fn settle<C: Content>(
    spec: &C,
    parts: &[IndexPart<C>],
    fresh: &Fresh<'_, C>,
    samples: &Samples,
    work: &Work<'_>,
) -> Result<Vec<IndexPart<C>>, TercetError> {
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
        (FreshRows::From(first), true) => Some(IndexPart::build(spec, *first, &fresh.values, samples, work)?),
        _ => {
            let parts: Vec<&IndexPart<C>> = parts[from..].iter().collect();
            merge(spec, &parts, Some(fresh), None, Teaching::as_before(samples), work)?
        }
    };
    Ok(parts[..from].iter().cloned().chain(last).collect())
}

/// The new number of every row below `rows` when the live ones are numbered without gaps, `u32::MAX` for the others; and
/// how many live.
pub(super) fn renumbering<C: Content>(
    parts: &[IndexPart<C>],
    rows: u32,
) -> Result<(Vec<u32>, u32), TercetError> {
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
