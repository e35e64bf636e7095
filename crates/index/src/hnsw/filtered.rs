//! The walk through the allowed part of the lowest level: allowed nodes are followed, and of a neighbour that is not
//! allowed its own neighbours are looked at in its place (ACORN, arXiv 2403.04871).

use super::beam::{Candidate, Ending, Scratch, node};
use super::graph::{Layer, used};
use super::reader::Stage;
use super::walk::Walk;
use crate::{Bitmap, Counters};

/// Allowed nodes, spread over all of them, from which the walk begins beside its entry.
const SEEDS: usize = 48;
/// The most allowed nodes that one hop scores.
const MOST: usize = 96;

/// Leaves the best `most` allowed nodes in the pool. False when it was stopped.
#[allow(clippy::too_many_arguments, reason = "one call")]
pub(super) fn search<W: Walk>(
    stage: &Stage,
    allowed: &Bitmap,
    walk: &mut W,
    entry: Candidate,
    most: usize,
    ending: Ending<'_>,
    scratch: &mut Scratch,
    counters: &mut Counters,
) -> bool {
    let view = stage.view();
    let layer = view.base;
    let permitted = |node: u32| node < stage.count && allowed.contains(stage.row(node));
    scratch.marks.reset(layer.len());
    scratch.pool.reset(most);
    let count = seeds(stage, allowed, scratch);
    counters.vectors_scored += count as u64;
    scratch.score(walk, count);
    let first = look(&layer, node(entry), &permitted, &*walk, scratch);
    counters.vectors_scored += first as u64;
    scratch.score(walk, first);
    let (mut hops, mut unchanged) = (0u64, 0);
    while let Some(current) = scratch.pool.follow() {
        let before = ending.patience.and_then(|(_, of)| scratch.pool.best.get(of.saturating_sub(1)).copied());
        let count = look(&layer, current, &permitted, &*walk, scratch);
        counters.vectors_scored += count as u64;
        scratch.score(walk, count);
        hops += 1;
        if let Some((patience, of)) = ending.patience {
            let now = scratch.pool.best.get(of.saturating_sub(1)).copied();
            unchanged = if now.map(|c| c >> 1) == before.map(|c| c >> 1) { unchanged + 1 } else { 0 };
            if unchanged >= patience {
                break;
            }
        }
        if hops.is_multiple_of(16) && ending.stop.is_some_and(|stop| stop()) {
            counters.hops += hops;
            return false;
        }
    }
    counters.hops += hops;
    true
}

/// Gathers allowed nodes from all over the allowed rows.
fn seeds(stage: &Stage, allowed: &Bitmap, scratch: &mut Scratch) -> usize {
    let mut count = 0;
    let words = allowed.words();
    let step = (words.len() / SEEDS).max(1);
    for from in (0..words.len()).step_by(step) {
        let some = words.iter().enumerate().skip(from).take(step).find(|(_, word)| **word != 0);
        let Some((at, word)) = some else { continue };
        let row = at as u32 * 64 + word.trailing_zeros();
        let slot = match &stage.slots {
            None => Some(row),
            Some(rows) => rows.unverified().binary_search(&row).ok().map(|at| at as u32),
        };
        if let Some(slot) = slot.filter(|slot| *slot < stage.count)
            && count < MOST
            && scratch.marks.mark(slot)
        {
            scratch.slots[count] = slot;
            count += 1;
        }
    }
    count
}

/// Gathers the allowed nodes around one that were not seen.
fn look<L: Layer, W: Walk>(
    layer: &L,
    current: u32,
    permitted: &dyn Fn(u32) -> bool,
    walk: &W,
    scratch: &mut Scratch,
) -> usize {
    let mut count = 0;
    let nodes = layer.len() as u32;
    let mut take = |node: u32, scratch: &mut Scratch| {
        if count < MOST && scratch.marks.mark(node) {
            walk.prefetch(node);
            scratch.slots[count] = node;
            count += 1;
        }
    };
    for &link in used(layer.links(current)) {
        if link >= nodes {
            break;
        }
        if permitted(link) {
            take(link, scratch);
        } else if scratch.marks.mark(link) {
            for &second in used(layer.links(link)) {
                if second < nodes && permitted(second) {
                    take(second, scratch);
                }
            }
        }
    }
    count
}
