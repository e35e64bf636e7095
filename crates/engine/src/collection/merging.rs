//! Which segments are merged, and when.
//!
//! Tiered by size: a segment's level grows with the logarithm of its rows to base [`FAN_IN`]; [`FAN_IN`] neighbours of
//! one level or below become one. So a row is rewritten O(log rows) times and a search meets O(log rows) segments.
//! Only neighbours are merged: the order of insertion stays. Segments in memory are few and small (they are in the log
//! too) and are merged on the spot; files are merged in the background, streamed, while commits and searches go on.

use std::ops::Range;

use tercet_index::multi::MultiSpec;

use super::part::Part;
use crate::api::Control;
use crate::dense;
use crate::schema::{Field, Schema};
use crate::segment::{Job, Segment, merge};
use crate::wire::{FieldSpec, TercetError};

/// How many segments of a level make one of the next.
const FAN_IN: usize = 8;
/// Files of up to this many rows are of the lowest level.
const LEVEL_ROWS: u32 = 1_024;
/// No merge makes a larger file: inside a segment, some offsets are u32.
const MERGED_BYTES_MAX: u64 = 4 << 30;
/// What a merge holds in memory for each row: old places to new ones, sorted ids.
const BYTES_PER_ROW: u64 = 32;
/// Segments above which a commit waits for the merger.
pub(super) const PARTS_MAX: usize = 64;
/// A segment of some size that has lost this part of its rows is rewritten, so that its bytes come free.
const DELETED_SHARE: u32 = 3;

fn level(part: &Part) -> u32 {
    digits(part.segment.rows / LEVEL_ROWS)
}

/// Levels in memory, where no file is saved by keeping the smallest together: a batch of one document is merged as often
/// as any other, and not once for every few that follow it.
fn level_in_memory(part: &Part) -> u32 {
    digits(part.segment.rows)
}

/// How many digits a number has to base [`FAN_IN`]; 0 has none.
fn digits(mut number: u32) -> u32 {
    let mut digits = 0;
    while number > 0 {
        number /= FAN_IN as u32;
        digits += 1;
    }
    digits
}

/// What one merge may take in.
pub(super) struct Cap {
    bytes: u64,
    fields: Vec<Held>,
}

/// What the merge of a field holds.
struct Held {
    bytes_of_row: u64,
    /// The field, and what each of its tokens takes.
    tokens: Option<(usize, u64)>,
}

impl Held {
    fn of(at: usize, field: &Field) -> Held {
        let bytes_of_row = match &field.spec {
            FieldSpec::Dense(spec) => {
                dense::kind(&spec.index).map_or(0, |kind| (kind.merge_bytes)(&dense::field_spec(spec)))
            }
            FieldSpec::Multi(spec) => {
                let spec = crate::multi::index_spec(spec).ok();
                return Held {
                    bytes_of_row: BYTES_PER_ROW + spec.as_ref().map_or(0, MultiSpec::merge_bytes),
                    tokens: spec.map(|spec| (at, spec.merge_bytes_of_token())),
                };
            }
            // A term's postings are held, which may be in every row.
            FieldSpec::Sparse(_) => 24,
            _ => 0,
        };
        Held { bytes_of_row: BYTES_PER_ROW + bytes_of_row, tokens: None }
    }

    fn bytes(&self, part: &Part) -> u64 {
        let of_tokens = |(field, bytes): (usize, u64)| {
            part.segment.multi(field).map_or(0, |reader| reader.tokens().saturating_mul(bytes))
        };
        part.documents().saturating_mul(self.bytes_of_row).saturating_add(self.tokens.map_or(0, of_tokens))
    }
}

impl Cap {
    /// Within half of a memory budget. Fields are merged one after the other: the largest counts.
    pub(super) fn of(memory_bytes: u64, schema: &Schema) -> Cap {
        let mut fields: Vec<Held> =
            schema.fields.iter().enumerate().map(|(at, field)| Held::of(at, field)).collect();
        fields.push(Held { bytes_of_row: BYTES_PER_ROW, tokens: None });
        Cap { bytes: memory_bytes / 2, fields }
    }

    /// The longest beginning of `parts` that one merge may take in.
    fn first(&self, parts: &[Part]) -> usize {
        let (mut rows, mut bytes) = (0u64, 0);
        let mut held = vec![0u64; self.fields.len()];
        let fits = |part: &&Part| {
            rows += part.documents();
            bytes += part.segment.file.file_len();
            let mut fits = rows < u64::from(u32::MAX) && bytes <= MERGED_BYTES_MAX;
            for (held, field) in held.iter_mut().zip(&self.fields) {
                *held = held.saturating_add(field.bytes(part));
                fits &= *held <= self.bytes;
            }
            fits
        };
        parts.iter().take_while(fits).count()
    }

    /// Whether a part is too large to meet others.
    fn is_full(&self, part: &Part) -> bool {
        self.fields.iter().any(|field| field.bytes(part) > self.bytes / 2)
            || part.segment.file.file_len() > MERGED_BYTES_MAX / 2
    }
}

/// All parts as one new part in memory, without deleted rows. One part without deletions is itself.
pub(super) fn one(schema: &Schema, mut parts: Vec<Part>, job: &Job<'_>) -> Result<Part, TercetError> {
    if parts.len() == 1 && parts[0].deleted == 0 && (job.plain || !parts[0].segment.unfinished()) {
        return Ok(parts.swap_remove(0));
    }
    Ok(Part::new(Segment::merge_in_memory(schema, &inputs(&parts), job)?, None))
}

/// Parts as a merge takes them.
pub(super) fn inputs(parts: &[Part]) -> Vec<merge::Input<'_>> {
    parts.iter().map(|p| merge::Input { segment: &p.segment, live: p.live.as_deref() }).collect()
}

/// Merges the newest parts while they are in memory and there are enough of a level; drops parts in which nothing lives.
pub(super) fn settle(
    schema: &Schema,
    mut parts: Vec<Part>,
    control: &Control,
) -> Result<Vec<Part>, TercetError> {
    parts.retain(|part| part.documents() > 0);
    while let Some(top) = parts.last().map(level_in_memory) {
        // What took long to build is for the merger, which builds on it.
        let small =
            |part: &&Part| part.file.is_none() && level_in_memory(part) <= top && !part.segment.built();
        let run = parts.iter().rev().take_while(small).count();
        if run < FAN_IN {
            break;
        }
        let merged = one(schema, parts.split_off(parts.len() - run), &Job::plain(control))?;
        parts.push(merged);
    }
    Ok(parts)
}

/// What may be merged.
pub(super) struct Plan {
    pub(super) cap: Cap,
    /// A collection without files.
    pub(super) in_memory: bool,
    /// Also a part alone that was written plainly.
    pub(super) finish: bool,
}

/// The neighbours with files that should become one next.
pub(super) fn plan(parts: &[Part], how: Plan) -> Option<Range<usize>> {
    let cap = &how.cap;
    let wasteful = |part: &Part| {
        part.file.is_some()
            && part.segment.rows >= LEVEL_ROWS
            && part.deleted >= part.segment.rows / DELETED_SHARE
            && part.documents() > 0
            && cap.first(std::slice::from_ref(part)) == 1
    };
    if let Some(at) = parts.iter().position(wasteful) {
        return Some(at..at + 1);
    }
    let highest = parts.iter().map(level).max()?;
    let tier = (0..=highest).find_map(|top| {
        let ours = |part: &Part| part.file.is_some() || (how.in_memory && part.segment.built());
        let mergeable = |part: &Part| ours(part) && level(part) <= top && !cap.is_full(part);
        let mut start = 0;
        while start < parts.len() {
            let run = parts[start..].iter().take_while(|part| mergeable(part)).count();
            // Smaller ones in between come along, but do not count: else a large one is rewritten for every few of them.
            let of_level = parts[start..start + run].iter().filter(|part| level(part) == top).count();
            if of_level >= FAN_IN {
                let taken = cap.first(&parts[start..start + run]);
                if taken >= 2 {
                    return Some(start..start + taken);
                }
            }
            start += run + 1;
        }
        None
    });
    // Last, for what is merged anyway need not be finished before.
    tier.or_else(|| {
        let unfinished = |part: &Part| {
            part.segment.unfinished()
                && (part.file.is_some() || how.in_memory)
                && cap.first(std::slice::from_ref(part)) == 1
        };
        let at = parts.iter().position(|part| how.finish && unfinished(part))?;
        Some(at..at + 1)
    })
}

/// Neighbours that a compaction makes one, group by group; what is as small as it can be is left alone.
pub(super) fn groups(parts: &[Part], cap: &Cap) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < parts.len() {
        // A part beyond the cap is rewritten alone.
        let taken = cap.first(&parts[start..]).max(1);
        if taken > 1 || parts[start].deleted > 0 || parts[start].segment.unfinished() {
            groups.push(start..start + taken);
        }
        start += taken;
    }
    groups
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::{Cap, groups};
    use crate::collection::part::Part;
    use crate::document;
    use crate::schema::Schema;
    use crate::segment::{Segment, SegmentBuilder};

    /// A part of documents of so many tokens.
    fn part(schema: &Schema, documents: u32, tokens: usize) -> Part {
        let mut builder = SegmentBuilder::new(schema);
        let tokens: Vec<_> = (0..tokens).map(|at| json!([1, at % 7])).collect();
        for id in 0..documents {
            builder.push(document::check(schema, &json!({ "id": id, "t": tokens }), &[]).unwrap());
        }
        Part::new(Segment::from_sections(schema, &builder.finish().unwrap()).unwrap(), None)
    }

    #[test]
    fn what_a_merge_holds_is_counted_by_tokens() {
        let of =
            |index| json!({ "type": "multi", "dims": 2, "codec": "residual2", "index": { "kind": index } });
        let bytes_of_token = [("scan", 4), ("centroids", 8)];
        for (index, bytes) in bytes_of_token {
            let schema = Schema::parse(&json!({ "fields": { "t": of(index) } })).unwrap();
            let parts: Vec<Part> = (0..4).map(|_| part(&schema, 3, 900)).collect();
            let all = |memory| -> Vec<usize> {
                groups(&parts, &Cap::of(memory, &schema)).into_iter().map(|group| group.len()).collect()
            };
            let (tokens, rows) = (4 * 3 * 900 * bytes, 4 * 3 * 44);
            assert_eq!(all(2 * (tokens + rows)), [4], "{index}");
            assert_eq!(all(2 * (tokens + rows) - 2), [3], "{index}");
            assert_eq!(all(tokens + rows), [2, 2], "{index}");
        }
    }
}
