//! The graph: layers of nodes and their links.
//!
//! Level 0 holds every vector; its nodes are slots, places in the order of rows. A level above holds a sample of
//! the one below; its nodes are places in its own ascending list of slots, so that a level costs as many bytes as it has
//! nodes. Links of a node lie in a fixed number of places, the unused ones at the end hold [`NONE`].
//!
//! A view borrows everything, from a file as well: ids are compared with the number of nodes where they are used, and
//! a node that is not there has no links.

use crate::IndexError;
use crate::sections::reserved;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The most levels above the lowest.
pub(super) const LEVELS_MAX: usize = 16;

/// A level above the lowest.
#[derive(Clone, Copy)]
pub(super) struct Level<'a> {
    /// The slot of each node, ascending.
    pub(super) slots: &'a [u32],
    /// The place of each node on the level below; on level 1 its slot.
    pub(super) below: &'a [u32],
    /// `width` links a node.
    pub(super) links: &'a [u32],
    pub(super) width: usize,
}

/// The lowest level.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    pub(super) links: &'a [u32],
    pub(super) width: usize,
}

/// A level as a search sees it.
pub(super) trait Layer: Copy + Sync {
    /// The links of a node, with [`NONE`] at the end where there are fewer.
    fn links(&self, node: u32) -> &[u32];
    /// The slot of a node.
    fn slot(&self, node: u32) -> u32;
    /// Nodes.
    fn len(&self) -> usize;
    /// Asks for the links of a node.
    fn prefetch(&self, node: u32);
}

#[inline]
fn links_of(links: &[u32], width: usize, node: u32) -> &[u32] {
    let start = node as usize * width;
    links.get(start..start + width).unwrap_or(&[])
}

impl Layer for Base<'_> {
    #[inline]
    fn links(&self, node: u32) -> &[u32] {
        links_of(self.links, self.width, node)
    }

    #[inline]
    fn slot(&self, node: u32) -> u32 {
        node
    }

    #[inline]
    fn len(&self) -> usize {
        self.links.len() / self.width.max(1)
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        tercet_kernels::prefetch(
            bytemuck::cast_slice(self.links),
            node as usize * self.width * 4,
            self.width * 4,
        );
    }
}

impl Layer for Level<'_> {
    #[inline]
    fn links(&self, node: u32) -> &[u32] {
        links_of(self.links, self.width, node)
    }

    #[inline]
    fn slot(&self, node: u32) -> u32 {
        self.slots.get(node as usize).copied().unwrap_or(NONE)
    }

    #[inline]
    fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn prefetch(&self, _: u32) {}
}

/// A whole graph, borrowed.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) base: Base<'a>,
    /// All levels above the lowest, one after the other, the lowest first.
    pub(super) slots: &'a [u32],
    pub(super) below: &'a [u32],
    pub(super) links: &'a [u32],
    /// Where each of these levels ends.
    pub(super) ends: &'a [u32],
    /// Links of a node above the lowest level.
    pub(super) width: usize,
}

impl<'a> View<'a> {
    /// Levels above the lowest.
    pub(super) fn levels(&self) -> usize {
        self.ends.len()
    }

    /// A level, 1 to `levels()`. Out of range: without nodes.
    pub(super) fn level(&self, level: usize) -> Level<'a> {
        let end = |level: usize| match level.checked_sub(1) {
            None => 0,
            Some(at) => self.ends.get(at).copied().unwrap_or(0) as usize,
        };
        let range = end(level - 1)..end(level);
        let links = range.start * self.width..range.end * self.width;
        Level {
            slots: self.slots.get(range.clone()).unwrap_or(&[]),
            below: self.below.get(range).unwrap_or(&[]),
            links: self.links.get(links).unwrap_or(&[]),
            width: self.width,
        }
    }
}

/// A level in the making.
pub(super) struct OwnedLevel {
    pub(super) slots: Vec<u32>,
    pub(super) below: Vec<u32>,
    pub(super) links: Vec<u32>,
}

/// A graph in the making: all its nodes have their places, links come as nodes are inserted.
pub(super) struct Graph {
    /// Links above the lowest level.
    pub(super) m: usize,
    pub(super) base: Vec<u32>,
    pub(super) base_width: usize,
    pub(super) levels: Vec<OwnedLevel>,
    /// A node of the highest level, where searches begin.
    pub(super) entry: u32,
}

impl Graph {
    /// A graph without links, for nodes of these levels.
    pub(super) fn new(node_levels: &[u8], m: usize, base_width: usize) -> Result<Self, IndexError> {
        let mut base = reserved(node_levels.len().saturating_mul(base_width))?;
        base.resize(node_levels.len() * base_width, NONE);
        let mut levels: Vec<OwnedLevel> = Vec::new();
        for level in 1..=LEVELS_MAX {
            let slots: Vec<u32> = (0..node_levels.len() as u32)
                .filter(|slot| usize::from(node_levels[*slot as usize]) >= level)
                .collect();
            if slots.is_empty() {
                break;
            }
            let below = match levels.last() {
                None => slots.clone(),
                Some(last) => {
                    slots.iter().map(|slot| last.slots.partition_point(|s| s < slot) as u32).collect()
                }
            };
            let links = vec![NONE; slots.len() * m];
            levels.push(OwnedLevel { slots, below, links });
        }
        Ok(Graph { m, base, base_width, levels, entry: 0 })
    }

    /// The lowest level.
    pub(super) fn base(&self) -> Base<'_> {
        Base { links: &self.base, width: self.base_width }
    }

    /// A level above it, from 1.
    pub(super) fn level(&self, level: usize) -> Level<'_> {
        let owned = &self.levels[level - 1];
        Level { slots: &owned.slots, below: &owned.below, links: &owned.links, width: self.m }
    }

    /// The node of a slot on a level where it stands.
    pub(super) fn node(&self, level: usize, slot: u32) -> u32 {
        match level {
            0 => slot,
            _ => self.levels[level - 1].slots.partition_point(|s| *s < slot) as u32,
        }
    }

    /// Replaces the links of a node.
    pub(super) fn set(&mut self, level: usize, node: u32, links: &[u32]) {
        let (all, width) = match level {
            0 => (&mut self.base, self.base_width),
            _ => (&mut self.levels[level - 1].links, self.m),
        };
        let places = &mut all[node as usize * width..][..width];
        let count = links.len().min(width);
        places[..count].copy_from_slice(&links[..count]);
        places[count..].fill(NONE);
    }

    /// The links of a node, without the unused places.
    pub(super) fn links(&self, level: usize, node: u32) -> &[u32] {
        let links = match level {
            0 => links_of(&self.base, self.base_width, node),
            _ => links_of(&self.levels[level - 1].links, self.m, node),
        };
        used(links)
    }
}

/// The links before the first unused place.
pub(super) fn used(links: &[u32]) -> &[u32] {
    &links[..links.iter().position(|link| *link == NONE).unwrap_or(links.len())]
}
