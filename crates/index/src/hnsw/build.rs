//! Building the graph: batches of nodes are inserted side by side into the graph as it was before the batch, then their
//! links back are added in a sorted pass (ParlayANN, arXiv 2305.04359).
//!
//! ```text
//! order: nodes of the highest level first, then by chance, so that upper levels are whole before most nodes come
//! while nodes are left:
//!   batch = the next nodes, a share of those inserted
//!   for each node, in parallel: descend; on each of its levels search, judge, choose links       (graph is read only)
//!   write the chosen links
//!   in parallel, sort the links back by target; for each target: append, or choose again when there are too many
//! cut the spare places; reach what was not reached
//! ```
//! Nothing depends on the number of threads: batches, orders and ties are fixed, and distances are integer sums of codes
//! with the same few float operations after them, so that the same input and seed give the same bytes on every machine.

use super::beam::{self, Candidate, Ending, Scratch, candidate, node};
use super::graph::{Graph, LEVELS_MAX, Layer};
use super::plan::{Over, Plan};
use super::prune::{Judge, Near, PruneScratch};
use super::walk::{CodeWalk, Walk};
use crate::dense::Work;
use crate::parallel::in_parallel;
use crate::quant::CodeQuery;
use crate::sections::reserved;
use crate::{Counters, IndexError};
use std::cell::RefCell;

/// A batch is at most this share of the nodes inserted before it ...
const BATCH_OF_INSERTED: usize = 8;
/// ... and of all nodes.
const BATCH_OF_ALL: usize = 50;
/// Nodes of a batch that one piece of parallel work takes.
const PIECE: usize = 8;
/// Pieces of work that links back are cut into, by their target.
const BUCKETS: usize = 16;

/// Shape and chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Params {
    pub(super) m: usize,
    pub(super) ef_construction: usize,
    pub(super) seed: u64,
}

impl Params {
    /// Those of the widest graph.
    pub(super) const WIDEST: Params = Params { m: 64, ef_construction: 0, seed: 0 };

    /// Links on the lowest level.
    pub(super) fn base_width(&self) -> usize {
        self.m * 2
    }

    /// Places for them while building: links are chosen again when these are full, not at every link.
    pub(super) const fn spare_width(&self) -> usize {
        self.m * 2 + self.m / 2
    }

    /// The level of a node: P(level >= l) = m^-l.
    pub(super) fn level(&self, slot: u32) -> u8 {
        let chance = mix(self.seed ^ mix(u64::from(slot)));
        let mut threshold = u64::MAX / self.m as u64;
        let mut level = 0;
        while chance < threshold && usize::from(level) < LEVELS_MAX {
            level += 1;
            threshold /= self.m as u64;
        }
        level
    }

    fn chance(&self, slot: u32) -> u64 {
        mix(mix(self.seed.wrapping_add(1)) ^ u64::from(slot))
    }
}

/// A bijection that leaves no pattern (splitmix64; Steele et al., OOPSLA 2014).
fn mix(value: u64) -> u64 {
    let mut x = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Queries of the vectors that are inserted, for codes that are no queries themselves.
pub(super) enum Queries {
    /// Rows of 8-bit codes are.
    Rows,
    /// One a slot; an empty one is made from the judge's codes when it is wanted.
    Made(Vec<CodeQuery>),
}

/// What is built from.
pub(super) struct Material<'a> {
    pub(super) params: Params,
    pub(super) plan: &'a Plan,
    /// The codes that are walked.
    pub(super) walk_codes: &'a [u8],
    pub(super) queries: &'a Queries,
    /// The codes by which links are chosen: 8 bits of every component.
    pub(super) judge: Judge<'a>,
}

impl Material<'_> {
    fn query(&self, slot: u32, out: &mut CodeQuery) {
        let walk = self.plan.walk;
        match self.queries {
            Queries::Made(made) => match made.get(slot as usize).filter(|query| !query.is_empty()) {
                Some(query) => out.clone_from(query),
                None => self.plan.walk_query_of_row(self.judge.row(slot), out),
            },
            Queries::Rows => {
                let start = slot as usize * walk.stride();
                walk.query_of_row(&self.walk_codes[start..start + walk.stride()], out);
            }
        }
    }
}

/// What a thread needs.
#[derive(Default)]
struct Tools {
    search: Scratch,
    prune: PruneScratch,
    query: CodeQuery,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::default();
}

/// The links of a new node on one level.
struct Chosen {
    level: usize,
    node: u32,
    links: Vec<u32>,
}

/// A link back: level, target node, source node.
type Back = (usize, u32, u32);

/// Builds a graph over all slots, or adds to one those that it does not have: `inserted` says which it has.
pub(super) fn grow(
    material: &Material<'_>,
    mut graph: Graph,
    inserted: &[bool],
    node_levels: &[u8],
    work: &Work<'_>,
) -> Result<Graph, IndexError> {
    let mut order: Vec<u32> = reserved(node_levels.len())?;
    order.extend((0..node_levels.len() as u32).filter(|slot| !inserted[*slot as usize]));
    let chance = |slot: u32| material.params.chance(slot);
    order.sort_unstable_by_key(|slot| (u8::MAX - node_levels[*slot as usize], chance(*slot), *slot));
    let total = node_levels.len();
    let mut done = total - order.len();
    let mut rest = order.as_slice();
    if done == 0
        && let [first, others @ ..] = rest
    {
        graph.entry = graph.node(graph.levels.len(), *first);
        (done, rest) = (1, others);
    }
    while !rest.is_empty() {
        work.step(done as u64, total as u64)?;
        let size = (done / BATCH_OF_INSERTED).min(total / BATCH_OF_ALL).clamp(1, rest.len());
        let (batch, others) = rest.split_at(size);
        insert(material, &mut graph, batch, node_levels, work);
        (done, rest) = (done + size, others);
    }
    cut(material, &mut graph, work);
    work.step(total as u64, total as u64)?;
    Ok(graph)
}

/// A graph without links, with spare places.
pub(super) fn bare(params: Params, node_levels: &[u8]) -> Result<Graph, IndexError> {
    Graph::new(node_levels, params.m, params.spare_width())
}

/// Inserts a batch.
fn insert(material: &Material<'_>, graph: &mut Graph, batch: &[u32], node_levels: &[u8], work: &Work<'_>) {
    let view: &Graph = graph;
    let found = in_parallel(work.parallel, batch.len(), PIECE, &|at| {
        let slot = batch[at];
        TOOLS.with_borrow_mut(|tools| {
            links_of(material, view, slot, usize::from(node_levels[slot as usize]), tools)
        })
    });
    for chosen in found.iter().flatten() {
        graph.set(chosen.level, chosen.node, &chosen.links);
    }
    let view: &Graph = graph;
    let lists = in_parallel(work.parallel, BUCKETS, 1, &|bucket| {
        let links = found
            .iter()
            .flatten()
            .flat_map(|chosen| chosen.links.iter().map(|target| (chosen.level, *target, chosen.node)));
        let mut back: Vec<Back> =
            links.filter(|(_, target, _)| *target as usize % BUCKETS == bucket).collect();
        back.sort_unstable();
        TOOLS.with_borrow_mut(|tools| {
            let groups = back.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
            groups.filter_map(|group| link_back(material, view, group, &mut tools.prune)).collect::<Vec<_>>()
        })
    });
    for (level, target, links) in lists.iter().flatten() {
        graph.set(*level, *target, links);
    }
}

/// Finds the links of a new node on all its levels.
fn links_of(
    material: &Material<'_>,
    graph: &Graph,
    slot: u32,
    level: usize,
    tools: &mut Tools,
) -> Vec<Chosen> {
    let Tools { search, prune, query } = tools;
    material.query(slot, query);
    let mut walk = CodeWalk { coder: material.plan.walk, codes: material.walk_codes, query };
    let mut counters = Counters::default();
    let top = graph.levels.len();
    let mut entries = vec![enter(graph, &mut walk)];
    for above in (level + 1..=top).rev() {
        let layer = graph.level(above);
        let nearest = beam::greedy(&layer, &mut walk, entries[0], search, &mut counters);
        entries[0] = below(&layer, nearest);
    }
    let mut chosen = Vec::with_capacity(level.min(top) + 1);
    for at in (0..=level.min(top)).rev() {
        let most = material.params.ef_construction;
        let width = if at == 0 { material.params.base_width() } else { material.params.m };
        let own = graph.node(at, slot);
        prune.near.clear();
        if at == 0 {
            let layer = graph.base();
            beam::search(&layer, &mut walk, &entries, most, Ending::default(), search, &mut counters);
            gather(&layer, own, search, &mut prune.near);
        } else {
            let layer = graph.level(at);
            beam::search(&layer, &mut walk, &entries, most, Ending::default(), search, &mut counters);
            gather(&layer, own, search, &mut prune.near);
            entries.clear();
            entries.extend(search.pool.best.iter().map(|found| below(&layer, *found)));
        }
        let mut near = std::mem::take(&mut prune.near);
        if material.plan.over != Over::Own {
            near.iter_mut().for_each(|near| near.distance += walk.query.half_norm);
        } else {
            material.judge.measure(slot, &mut near, prune);
        }
        material.judge.choose(&near, width, &mut prune.chosen, &mut prune.query);
        prune.near = near;
        chosen.push(Chosen { level: at, node: own, links: prune.chosen.clone() });
    }
    chosen
}

/// The entry of the graph as a candidate.
fn enter(graph: &Graph, walk: &mut CodeWalk<'_>) -> Candidate {
    let slot = match graph.levels.len() {
        0 => graph.entry,
        top => graph.level(top).slot(graph.entry),
    };
    let mut distance = [0.0];
    walk.distances(&[slot], &mut distance);
    candidate(distance[0], graph.entry)
}

/// A candidate of a level as one of the level below.
fn below(layer: &super::graph::Level<'_>, found: Candidate) -> Candidate {
    candidate(beam::distance(found), layer.below.get(node(found) as usize).copied().unwrap_or(0))
}

/// What a search found, except the node itself.
fn gather<L: Layer>(layer: &L, own: u32, search: &Scratch, near: &mut Vec<Near>) {
    let found = search.pool.best.iter().map(|found| {
        let node = node(*found);
        Near { distance: beam::distance(*found), node, slot: layer.slot(node) }
    });
    near.extend(found.filter(|near| near.node != own));
}

/// A target of some level, and its links with those from its new sources.
fn link_back(
    material: &Material<'_>,
    graph: &Graph,
    group: &[Back],
    prune: &mut PruneScratch,
) -> Option<(usize, u32, Vec<u32>)> {
    let &(level, target, _) = group.first()?;
    let mut links = graph.links(level, target).to_vec();
    for (_, _, source) in group {
        if !links.contains(source) {
            links.push(*source);
        }
    }
    let (room, width) = match level {
        0 => (graph.base_width, material.params.base_width()),
        _ => (graph.m, graph.m),
    };
    if links.len() > room {
        choose_again(material, graph, level, target, &mut links, width, prune);
    }
    Some((level, target, links))
}

/// Cuts links down to the best `width`.
fn choose_again(
    material: &Material<'_>,
    graph: &Graph,
    level: usize,
    target: u32,
    links: &mut Vec<u32>,
    width: usize,
    prune: &mut PruneScratch,
) {
    let slot = |node: u32| if level == 0 { node } else { graph.level(level).slot(node) };
    let mut near = std::mem::take(&mut prune.near);
    near.clear();
    near.extend(links.iter().map(|node| Near { distance: 0.0, node: *node, slot: slot(*node) }));
    material.judge.measure(slot(target), &mut near, prune);
    material.judge.choose(&near, width, links, &mut prune.query);
    prune.near = near;
}

/// Takes the spare places away.
fn cut(material: &Material<'_>, graph: &mut Graph, work: &Work<'_>) {
    let width = material.params.base_width();
    let view: &Graph = graph;
    let nodes = view.base().len();
    let lists = in_parallel(work.parallel, nodes, 256, &|node| {
        let links = view.links(0, node as u32);
        if links.len() <= width {
            return None;
        }
        let mut links = links.to_vec();
        TOOLS.with_borrow_mut(|tools| {
            choose_again(material, view, 0, node as u32, &mut links, width, &mut tools.prune);
        });
        Some(links)
    });
    let spare = graph.base_width;
    for (node, list) in lists.iter().enumerate() {
        if let Some(links) = list {
            graph.set(0, node as u32, links);
        }
        graph.base.copy_within(node * spare..node * spare + width, node * width);
    }
    graph.base.truncate(nodes * width);
    graph.base_width = width;
}

/// Replaces the links of a node by the best of `candidates`, nodes of its level.
pub(super) fn relink(
    material: &Material<'_>,
    graph: &Graph,
    level: usize,
    target: u32,
    candidates: Vec<u32>,
) -> Vec<u32> {
    let mut links = candidates;
    let width = if level == 0 { material.params.base_width() } else { graph.m };
    if links.len() > width {
        TOOLS.with_borrow_mut(|tools| {
            choose_again(material, graph, level, target, &mut links, width, &mut tools.prune);
        });
    }
    links
}

/// The nearest nodes of the lowest level to a slot, by a search of `most`, nearest first.
pub(super) fn nearest(material: &Material<'_>, graph: &Graph, slot: u32, most: usize) -> Vec<u32> {
    TOOLS.with_borrow_mut(|tools| {
        let Tools { search, query, .. } = tools;
        material.query(slot, query);
        let mut walk = CodeWalk { coder: material.plan.walk, codes: material.walk_codes, query };
        let mut counters = Counters::default();
        let mut at = enter(graph, &mut walk);
        for above in (1..=graph.levels.len()).rev() {
            let layer = graph.level(above);
            at = below(&layer, beam::greedy(&layer, &mut walk, at, search, &mut counters));
        }
        beam::search(&graph.base(), &mut walk, &[at], most, Ending::default(), search, &mut counters);
        search.pool.best.iter().map(|found| node(*found)).collect()
    })
}
