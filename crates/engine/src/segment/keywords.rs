//! Keyword columns of several segments made one: the sorted dictionaries are merged, and ordinals renumbered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tercet_index::{ArraySink, Bitmap, IndexError, RowMap, SectionSink, reserved};

use super::Keywords;

/// A segment's column, if it has one, and where its rows go.
pub(super) type Source<'a> = (Option<&'a Keywords>, &'a RowMap);

/// Bytes of strings that are written at once.
const BUFFER: usize = 64 << 10;

fn too_large(what: &str) -> IndexError {
    IndexError::TooLarge { what: format!("{what} of a segment"), limit: u32::MAX.into() }
}

/// Writes what a column built from the kept rows in one go would be. Holds the new ordinal of every string, and the
/// strings' ends.
pub(super) fn merge(sources: &[Source<'_>], sink: &mut dyn SectionSink) -> Result<(), IndexError> {
    let used = sources.iter().map(used).collect::<Result<Vec<_>, _>>()?;
    let renumbered = merge_dictionaries(sources, &used, sink)?;
    drop(used);
    let mut out = ArraySink::begin(sink, "ords")?;
    each_row(sources, &mut |source, ords| {
        ords.iter().try_for_each(|ord| out.push(renumbered[source].get(*ord as usize).copied().unwrap_or(0)))
    })?;
    out.flush()?;
    let mut out = ArraySink::begin(sink, "ord_ends")?;
    let mut end = 0u32;
    each_row(sources, &mut |_, ords| {
        end = end.checked_add(ords.len() as u32).ok_or_else(|| too_large("keywords of all rows"))?;
        out.push(end)
    })?;
    out.flush()
}

/// The ordinals that kept rows have: a string that only deleted rows had is not carried on.
fn used(source: &Source<'_>) -> Result<Bitmap, IndexError> {
    let Some(column) = source.0 else { return Ok(Bitmap::new(0)) };
    column.verify_ends()?;
    let mut used = Bitmap::new(column.distinct());
    let mut bad = false;
    each_row(std::slice::from_ref(source), &mut |_, ords| {
        for ord in ords {
            used.set(*ord);
            bad |= *ord >= column.distinct();
        }
        Ok(())
    })?;
    if bad {
        column.verify()?;
    }
    Ok(used)
}

/// Takes a source and a row's ordinals.
type EachRow<'a> = dyn FnMut(usize, &[u32]) -> Result<(), IndexError> + 'a;

/// Calls back with the source and the ordinals of every kept row.
fn each_row(sources: &[Source<'_>], each: &mut EachRow<'_>) -> Result<(), IndexError> {
    for (source, (column, map)) in sources.iter().enumerate() {
        let Some(column) = column else {
            map.kept().try_for_each(|_| each(source, &[]))?;
            continue;
        };
        let (ords, ends) = column.parts()?;
        for (row, _) in map.kept() {
            let before = (row as usize).checked_sub(1).and_then(|before| ends.get(before));
            let range =
                before.map_or(0, |end| *end as usize)..ends.get(row as usize).map_or(0, |end| *end as usize);
            each(source, ords.get(range).ok_or_else(|| column.bad_row(row))?)?;
        }
    }
    Ok(())
}

/// Writes `dict` and `dict_ends`; returns each source's old ordinals' new ones.
fn merge_dictionaries(
    sources: &[Source<'_>],
    used: &[Bitmap],
    sink: &mut dyn SectionSink,
) -> Result<Vec<Vec<u32>>, IndexError> {
    let mut renumbered = Vec::with_capacity(sources.len());
    let mut heads = BinaryHeap::new();
    let mut ordinals: Vec<_> = used.iter().map(Bitmap::iter).collect();
    for (source, (column, _)) in sources.iter().enumerate() {
        let distinct = column.map_or(0, Keywords::distinct) as usize;
        let mut map: Vec<u32> = reserved(distinct)?;
        map.resize(distinct, 0);
        renumbered.push(map);
        heads.extend(head(sources, &mut ordinals, source)?);
    }
    sink.begin("dict")?;
    let (mut buffer, mut ends, mut end) = (Vec::new(), Vec::new(), 0u32);
    let mut before: Option<&str> = None;
    while let Some(Reverse((text, source, ord))) = heads.pop() {
        match before.map(|before| before.cmp(text)) {
            Some(std::cmp::Ordering::Greater) => {
                return Err(IndexError::corrupt("dict", "strings do not ascend"));
            }
            Some(std::cmp::Ordering::Equal) => {}
            _ => {
                end = u32::try_from(text.len())
                    .ok()
                    .and_then(|len| end.checked_add(len))
                    .ok_or_else(|| too_large("distinct keywords"))?;
                ends.push(end);
                buffer.extend_from_slice(text.as_bytes());
                if buffer.len() >= BUFFER {
                    sink.write(&buffer)?;
                    buffer.clear();
                }
            }
        }
        before = Some(text);
        if let Some(new) = renumbered[source].get_mut(ord as usize) {
            *new = ends.len() as u32 - 1;
        }
        heads.extend(head(sources, &mut ordinals, source)?);
    }
    sink.write(&buffer)?;
    sink.begin("dict_ends")?;
    sink.write(bytemuck::cast_slice(&ends))?;
    Ok(renumbered)
}

/// A string, the source it is from and its ordinal there: the least comes first.
type Head<'a> = Reverse<(&'a str, usize, u32)>;

fn head<'a>(
    sources: &[Source<'a>],
    ordinals: &mut [impl Iterator<Item = u32>],
    source: usize,
) -> Result<Option<Head<'a>>, IndexError> {
    match (sources[source].0, ordinals[source].next()) {
        (Some(column), Some(ord)) => Ok(Some(Reverse((column.text(ord)?, source, ord)))),
        _ => Ok(None),
    }
}
