//! Which segments are merged, and when.
//!
//! Tiered by size: a segment's level grows with the logarithm of its rows to base [`FAN_IN`]; when the newest
//! [`FAN_IN`] segments are of one level or below it they become one. So a row is rewritten O(log rows) times and a
//! search meets O(log rows) segments. Only neighbours are merged: the order of insertion stays.

use crate::api::Control;
use crate::schema::Schema;
use crate::segment::{Segment, merge};
use crate::wire::TercetError;

use super::Part;

/// How many segments of a level make one of the next.
const FAN_IN: usize = 8;
/// Segments up to this many rows are of the lowest level.
const LEVEL_ROWS: u32 = 1_024;

fn level(part: &Part) -> u32 {
    let mut rows = part.segment.rows / LEVEL_ROWS;
    let mut level = 0;
    while rows > 0 {
        rows /= FAN_IN as u32;
        level += 1;
    }
    level
}

/// All parts as one new part without deleted rows. One part without deletions is itself.
pub(super) fn one(schema: &Schema, mut parts: Vec<Part>, control: &Control) -> Result<Part, TercetError> {
    if parts.len() == 1 && parts[0].deleted == 0 {
        return Ok(parts.swap_remove(0));
    }
    let inputs: Vec<merge::Input<'_>> = parts
        .iter()
        .map(|part| merge::Input { segment: &part.segment, live: part.live.as_deref() })
        .collect();
    let sections = merge::merge(schema, &inputs, control)?;
    Ok(Part::new(Segment::from_sections(schema, &sections)?, None))
}

/// Merges the newest parts while there are enough of a level, and drops parts in which nothing lives.
pub(super) fn settle(
    schema: &Schema,
    mut parts: Vec<Part>,
    control: &Control,
) -> Result<Vec<Part>, TercetError> {
    parts.retain(|part| part.documents() > 0);
    while let Some(top) = parts.last().map(level) {
        let run = parts.iter().rev().take_while(|part| level(part) <= top).count();
        if run < FAN_IN {
            break;
        }
        let merged = one(schema, parts.split_off(parts.len() - run), control)?;
        parts.push(merged);
    }
    Ok(parts)
}

/// Makes one part of the newest parts that have no file yet, so that a flush writes one file.
pub(super) fn gather(
    schema: &Schema,
    mut parts: Vec<Part>,
    control: &Control,
) -> Result<Vec<Part>, TercetError> {
    let unwritten = parts.iter().rev().take_while(|part| part.file.is_none()).count();
    if unwritten > 1 {
        let merged = one(schema, parts.split_off(parts.len() - unwritten), control)?;
        parts.push(merged);
    }
    Ok(parts)
}
