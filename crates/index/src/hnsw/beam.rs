//! The search of a layer: the best candidates in one sorted array, the nearest one that was not followed next
//! (Malkov and Yashunin, arXiv 1603.09320, algorithm 2, with one bounded pool instead of two heaps).
//!
//! A candidate is one u64: the distance, mapped to an integer of the same order, above the node, above a bit that says
//! whether it was followed. Comparing candidates is comparing integers, and ties go to the lower node: what is found does
//! not depend on the order in which links are read.

use super::build::Params;
use super::graph::Layer;
use super::walk::Walk;
use crate::Counters;

/// Links that one hop may score at once: as many as a node of the widest graph has places while it is built.
const HOP: usize = 160;
const _: () = assert!(HOP >= Params::WIDEST.spare_width());
/// Words of marks that are cleared whole: clearing them one by one would cost more.
const CLEARED_WHOLE: usize = 2_048;
/// Pools up to this long are searched from the end.
const WALKED_BACK: usize = 24;
/// Hops between two looks at whether to stop.
const HOPS_BETWEEN_STOPS: u64 = 32;

/// A candidate: distance, node, followed or not.
pub(super) type Candidate = u64;

const FOLLOWED: u64 = 1;

/// The integer of a distance, in the same order. Adding zero makes one zero of the two.
#[inline]
fn ordered(distance: f32) -> u32 {
    let bits = (distance + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// A candidate that was not followed.
#[inline]
pub(super) fn candidate(distance: f32, node: u32) -> Candidate {
    u64::from(ordered(distance)) << 32 | u64::from(node) << 1
}

/// The node of a candidate.
#[inline]
pub(super) fn node(candidate: Candidate) -> u32 {
    (candidate as u32) >> 1
}

/// The distance of a candidate.
#[inline]
pub(super) fn distance(candidate: Candidate) -> f32 {
    let ordered = (candidate >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// Which nodes were seen.
#[derive(Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    /// Words with a mark, where clearing all of them would cost more.
    touched: Vec<u32>,
    sparse: bool,
}

impl Marks {
    /// Forgets everything, and makes room for `nodes`.
    pub(super) fn reset(&mut self, nodes: usize) {
        if self.sparse {
            for word in self.touched.drain(..) {
                self.words[word as usize] = 0;
            }
        } else {
            self.words.fill(0);
        }
        self.words.resize(nodes.div_ceil(64), 0);
        self.sparse = self.words.len() > CLEARED_WHOLE;
    }

    /// Marks a node below the number given to [`reset`](Self::reset); true when it was not marked.
    #[inline(always)]
    pub(super) fn mark(&mut self, node: u32) -> bool {
        let at = (node / 64) as usize;
        let bit = 1u64 << (node % 64);
        let before = self.words[at];
        self.words[at] = before | bit;
        if self.sparse && before == 0 {
            self.touched.push(at as u32);
        }
        before & bit == 0
    }
}

/// The best candidates, nearest first.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) best: Vec<Candidate>,
    most: usize,
    /// No candidate before this one waits to be followed.
    next: usize,
}

impl Pool {
    /// Empties it; from now on it keeps `most`.
    pub(super) fn reset(&mut self, most: usize) {
        self.best.clear();
        self.most = most;
        self.next = 0;
    }

    /// A candidate at or above this one does not enter.
    #[inline]
    pub(super) fn bound(&self) -> Candidate {
        if self.best.len() < self.most { u64::MAX } else { self.best.last().copied().unwrap_or(0) }
    }

    /// Takes a candidate below the bound; its place.
    #[inline]
    pub(super) fn insert(&mut self, candidate: Candidate) -> usize {
        if self.best.len() == self.most {
            self.best.pop();
        }
        // Most candidates that enter a small pool belong near its end; in a large one halving is quicker.
        let mut at = self.best.len();
        if at > WALKED_BACK {
            at = self.best.partition_point(|held| *held < candidate);
        } else {
            while at > 0 && self.best[at - 1] > candidate {
                at -= 1;
            }
        }
        self.best.insert(at, candidate);
        self.next = self.next.min(at);
        at
    }

    /// The nearest candidate that waits, now followed.
    #[inline]
    pub(super) fn follow(&mut self) -> Option<u32> {
        let next = self.best.get_mut(self.next)?;
        let found = node(*next);
        *next |= FOLLOWED;
        while self.best.get(self.next).is_some_and(|c| c & FOLLOWED == FOLLOWED) {
            self.next += 1;
        }
        Some(found)
    }

    /// The candidate that will be followed next, as things stand.
    #[inline]
    fn waiting(&self) -> Option<u32> {
        self.best.get(self.next).map(|c| node(*c))
    }
}

/// What a thread needs for searches, to be used again and again.
pub(super) struct Scratch {
    pub(super) marks: Marks,
    pub(super) pool: Pool,
    pub(super) nodes: [u32; HOP],
    pub(super) slots: [u32; HOP],
    pub(super) distances: [f32; HOP],
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            marks: Marks::default(),
            pool: Pool::default(),
            nodes: [0; HOP],
            slots: [0; HOP],
            distances: [0.0; HOP],
        }
    }
}

impl Scratch {
    /// Scores the first `count` of `slots`, nodes of the lowest level, and keeps the best.
    pub(super) fn score<W: Walk>(&mut self, walk: &mut W, count: usize) {
        let found = &mut self.distances[..count];
        walk.distances(&self.slots[..count], found);
        let mut bound = self.pool.bound();
        for (distance, slot) in found.iter().zip(&self.slots) {
            let candidate = candidate(*distance, *slot);
            if candidate < bound {
                self.pool.insert(candidate);
                bound = self.pool.bound();
            }
        }
    }
}

/// When a search ends before its pool is done.
#[derive(Clone, Copy, Default)]
pub(super) struct Ending<'a> {
    /// After so many nodes that did not change the best `of`.
    pub(super) patience: Option<(u32, usize)>,
    /// Looked at now and then.
    pub(super) stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

/// Searches a layer from `entries` and leaves the best `most` in `scratch.pool`. False when it was stopped.
pub(super) fn search<L: Layer, W: Walk>(
    layer: &L,
    walk: &mut W,
    entries: &[Candidate],
    most: usize,
    ending: Ending<'_>,
    scratch: &mut Scratch,
    counters: &mut Counters,
) -> bool {
    scratch.marks.reset(layer.len());
    scratch.pool.reset(most);
    for entry in entries {
        let entry = entry & !FOLLOWED;
        if (node(entry) as usize) < layer.len()
            && scratch.marks.mark(node(entry))
            && entry < scratch.pool.bound()
        {
            scratch.pool.insert(entry);
        }
    }
    let mut unchanged = 0;
    let mut hops = 0u64;
    while let Some(current) = scratch.pool.follow() {
        let count = unseen(layer, &*walk, current, scratch);
        if let Some(next) = scratch.pool.waiting() {
            layer.prefetch(next);
        }
        let found = &mut scratch.distances[..count];
        walk.distances(&scratch.slots[..count], found);
        counters.vectors_scored += count as u64;
        let mut highest = usize::MAX;
        let mut bound = scratch.pool.bound();
        for (distance, node) in found.iter().zip(&scratch.nodes) {
            let candidate = candidate(*distance, *node);
            if candidate < bound {
                let at = scratch.pool.insert(candidate);
                if at <= scratch.pool.next + 1 {
                    layer.prefetch(*node);
                }
                highest = highest.min(at);
                bound = scratch.pool.bound();
            }
        }
        hops += 1;
        if let Some((patience, of)) = ending.patience {
            unchanged = if highest < of { 0 } else { unchanged + 1 };
            if unchanged >= patience {
                break;
            }
        }
        if hops.is_multiple_of(HOPS_BETWEEN_STOPS) && ending.stop.is_some_and(|stop| stop()) {
            counters.hops += hops;
            return false;
        }
    }
    counters.hops += hops;
    true
}

/// Gathers the links of a node that were not seen, and asks for their codes.
#[inline]
fn unseen<L: Layer, W: Walk>(layer: &L, walk: &W, current: u32, scratch: &mut Scratch) -> usize {
    let (nodes, slots) = (layer.len() as u32, walk.len() as u32);
    let mut count = 0;
    for &link in layer.links(current) {
        if link >= nodes {
            break;
        }
        let slot = layer.slot(link);
        if slot >= slots || count == HOP {
            break;
        }
        scratch.nodes[count] = link;
        scratch.slots[count] = slot;
        if scratch.marks.mark(link) {
            walk.prefetch(slot);
            count += 1;
        }
    }
    count
}

/// Walks a layer to the nearest node that single steps lead to.
pub(super) fn greedy<L: Layer, W: Walk>(
    layer: &L,
    walk: &mut W,
    mut nearest: Candidate,
    scratch: &mut Scratch,
    counters: &mut Counters,
) -> Candidate {
    scratch.marks.reset(layer.len());
    // Every step comes nearer, so that there are at most as many as nodes.
    for _ in 0..layer.len() {
        let count = unseen(layer, &*walk, node(nearest), scratch);
        let found = &mut scratch.distances[..count];
        walk.distances(&scratch.slots[..count], found);
        counters.vectors_scored += count as u64;
        counters.hops += 1;
        let links = found.iter().zip(&scratch.nodes).map(|(distance, node)| candidate(*distance, *node));
        match links.min() {
            Some(best) if best >> 32 < nearest >> 32 => nearest = best,
            _ => break,
        }
    }
    nearest
}
