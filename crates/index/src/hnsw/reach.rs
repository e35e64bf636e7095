//! After building: every node can be reached. A search that begins at the entry follows links one way only, and where
//! data falls into islands, or many vectors are equal, some nodes may have no way to them.

use super::build::{Material, nearest};
use super::graph::{Graph, Layer, NONE, used};
use super::prune::{Near, PruneScratch};
use crate::IndexError;
use crate::dense::Work;
use crate::sections::reserved;

/// Rounds of repair: taking a link away to make room may cut off another node, which the next round reaches.
const ROUNDS: usize = 8;
/// Reached nodes that are compared where a search finds none.
const SAMPLED: usize = 256;
/// Candidates for the other end of a new link.
const CANDIDATES: usize = 64;

/// The nodes of the lowest level that can be reached from where searches enter it.
fn reached(graph: &Graph, seen: &mut [bool]) -> u32 {
    let mut entry = graph.entry;
    for level in (1..=graph.levels.len()).rev() {
        entry = graph.level(level).below.get(entry as usize).copied().unwrap_or(0);
    }
    spread(graph, entry, seen)
}

/// Marks what can be reached from a node; returns how many nodes are new.
fn spread(graph: &Graph, from: u32, seen: &mut [bool]) -> u32 {
    let mut waiting = vec![from];
    let mut count = 0;
    while let Some(node) = waiting.pop() {
        let Some(mark) = seen.get_mut(node as usize).filter(|mark| !**mark) else { continue };
        *mark = true;
        count += 1;
        waiting.extend(used(graph.base().links(node)).iter().filter(|link| !seen[**link as usize]));
    }
    count
}

/// Links what cannot be reached to its nearest reached node with room; without any, in the place of that node's
/// farthest link, which the new node takes over.
pub(super) fn connect(material: &Material<'_>, graph: &mut Graph, work: &Work<'_>) -> Result<(), IndexError> {
    let nodes = graph.base().len();
    let width = graph.base_width;
    let mut seen: Vec<bool> = reserved(nodes)?;
    for _ in 0..ROUNDS {
        seen.clear();
        seen.resize(nodes, false);
        if reached(graph, &mut seen) as usize == nodes {
            break;
        }
        // Where nodes were attached last: without it, many equal vectors would look for room in vain again and again.
        let mut last = None;
        for node in 0..nodes as u32 {
            if seen[node as usize] {
                continue;
            }
            // All but everything is done; what is left may still take a while.
            work.step(nodes as u64, nodes as u64)?;
            let room = |at: &u32| seen[*at as usize] && used(graph.base().links(*at)).len() < width;
            let found = nearest(material, graph, node, CANDIDATES);
            // A search that ends among unreached nodes, in an island, says nothing about the way there.
            let spread_out = || nearest_of(material, graph, node, &seen);
            let to = found.iter().copied().find(room).or_else(|| last.filter(room));
            let to = to.or_else(|| found.iter().copied().find(|at| seen[*at as usize])).or_else(spread_out);
            let Some(to) = to else { continue };
            attach(graph, to, node, width);
            spread(graph, node, &mut seen);
            last = Some(node);
        }
    }
    Ok(())
}

/// The nearest of some reached nodes, one with room if there is one.
fn nearest_of(material: &Material<'_>, graph: &Graph, node: u32, seen: &[bool]) -> Option<u32> {
    let reached: Vec<u32> = (0..seen.len() as u32).filter(|at| seen[*at as usize]).collect();
    let step = reached.len().div_ceil(SAMPLED).max(1);
    let near = reached.iter().step_by(step).map(|at| Near { distance: 0.0, node: *at, slot: *at });
    let mut near: Vec<Near> = near.collect();
    material.judge.measure(node, &mut near, &mut PruneScratch::default());
    let room = |near: &&Near| used(graph.base().links(near.node)).len() < graph.base_width;
    near.iter().find(room).or(near.first()).map(|near| near.node)
}

/// Adds the link from `to` to `node`.
fn attach(graph: &mut Graph, to: u32, node: u32, width: usize) {
    let mut links = used(graph.base().links(to)).to_vec();
    if links.len() == width {
        let dropped = links.pop().unwrap_or(NONE);
        let mut own = used(graph.base().links(node)).to_vec();
        if dropped != NONE && dropped != node && !own.contains(&dropped) {
            own.truncate(width - 1);
            own.push(dropped);
            graph.set(0, node, &own);
        }
    }
    links.push(node);
    graph.set(0, to, &links);
}
