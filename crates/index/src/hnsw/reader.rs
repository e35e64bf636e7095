//! Opening a graph, and what it answers beside searches (`search.rs`).

use super::beam::{self, Candidate, candidate, node};
use super::graph::{Base, LEVELS_MAX, NONE, View, used};
use super::make::{kept, lent, metric};
use super::plan::{Over, Plan, raw};
use super::walk::Walk;
use super::{CAPABILITIES, GRAPH_FROM, VERSION, search};
use crate::batch;
use crate::dense::{Answered, Capabilities, DenseReader, DenseSearch, DenseSpec, Effort, Stored, Work};
use crate::flat::FlatReader;
use crate::quant::{Coder, Space};
use crate::reduce::Reduction;
use crate::section::Array;
use crate::values::Values;
use crate::{Counters, IndexError, SectionSource, TopK};
use std::any::Any;

/// Nodes whose links are counted for the mean degree.
const SAMPLED_NODES: usize = 1_024;
/// Elements of the section `graph` before the ends of the levels.
const HEAD: usize = 15;

/// An hnsw index over borrowed sections: the vectors, and a graph where there are enough of them.
pub struct HnswReader {
    pub(super) vectors: FlatReader,
    pub(super) rows: u32,
    pub(super) graph: Option<Stage>,
}

/// The graph and its codes.
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) m: usize,
    pub(super) count: u32,
    /// Vectors when the plan was made.
    pub(super) planned: u32,
    pub(super) entry: u32,
    pub(super) ends: Vec<u32>,
    /// The rows of the slots; `None` when they are the same.
    pub(super) slots: Option<Array<u32>>,
    /// The judge's codes, where they are stored.
    pub(super) points: Option<Array<u8>>,
    pub(super) walk: Option<Array<u8>>,
    pub(super) links: Array<u32>,
    pub(super) level_slots: Array<u32>,
    pub(super) level_below: Array<u32>,
    pub(super) level_links: Array<u32>,
}

pub(super) fn open(
    spec: &DenseSpec,
    rows: u32,
    source: &dyn SectionSource,
) -> Result<Box<dyn DenseReader>, IndexError> {
    let vectors = FlatReader::open(&kept(spec), rows, source)?;
    let count = vectors.len();
    let plain = matches!(source.section("graph"), Err(IndexError::Missing { .. }));
    let graph = match count < GRAPH_FROM || plain {
        true => None,
        false => Some(Stage::open(spec, rows, count as u32, source)?),
    };
    Ok(Box::new(HnswReader { vectors, rows, graph }))
}

/// Holds the numbers of the section `graph` against each other.
fn check_head(head: &Array<u32>, fixed: &[u32; HEAD], ends: &[u32], count: u32) -> Result<(), IndexError> {
    let [_, found, m, _, levels, _, _, _, _, _, _, over, ..] = *fixed;
    let sound = found == count
        && (2..=64).contains(&m)
        && levels as usize == ends.len()
        && ends.len() <= LEVELS_MAX
        && ends.is_sorted()
        && ends.last().is_none_or(|last| u64::from(*last) <= u64::from(count) * LEVELS_MAX as u64)
        && over <= 2;
    if !sound {
        return Err(head.corrupt(format!("{found} vectors of {count}, {m} links, levels {ends:?}")));
    }
    Ok(())
}

impl Stage {
    fn open(spec: &DenseSpec, rows: u32, count: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let head = Array::<u32>::open(source, "graph")?;
        let all = head.all()?;
        let Some((fixed, ends)) = all.split_first_chunk::<HEAD>() else {
            return Err(head.corrupt(format!("{} elements", all.len())));
        };
        let [version, _, m, _, _, entry, bits, dims, stride, judge_dims, judge_stride, over, planned, ..] =
            *fixed;
        if version != VERSION {
            return Err(IndexError::Version { section: "graph".into(), found: version, supported: VERSION });
        }
        check_head(&head, fixed, ends, count)?;
        let space = Space::open(metric(spec), spec.dims, source)?;
        let points = space.points();
        let reduction = Reduction::open(source, points)?;
        let walk = Coder::open(bits, dims as usize, stride as usize)?;
        let over = [Over::Own, Over::Judge, Over::Vectors][over as usize];
        let plan = Plan::new(space, reduction, walk, over);
        let sound = judge_dims as usize == points
            && judge_stride as usize == plan.judge.stride()
            && walk.dims() == plan.reduction.reduced(points)
            && (over == Over::Own || walk == plan.judge)
            && (over == Over::Vectors) == raw(spec);
        if !sound {
            return Err(head.corrupt("codes of other dimensions than the points, or of other vectors"));
        }
        let points_name = if lent(spec) { "codes" } else { "points" };
        let total = ends.last().copied().unwrap_or(0);
        let (count64, width, levels) = (u64::from(count), u64::from(m), u64::from(total));
        Ok(Stage {
            m: m as usize,
            count,
            planned,
            entry,
            ends: ends.to_vec(),
            slots: (count != rows).then(|| Array::open_len(source, "rows", count64)).transpose()?,
            points: (over != Over::Vectors)
                .then(|| Array::open_len(source, points_name, count64 * plan.judge.stride() as u64))
                .transpose()?,
            walk: (over == Over::Own)
                .then(|| Array::open_len(source, "walk", count64 * walk.stride() as u64))
                .transpose()?,
            links: Array::open_len(source, "links", count64 * width * 2)?,
            level_slots: Array::open_len(source, "level_slots", levels)?,
            level_below: Array::open_len(source, "level_below", levels)?,
            level_links: Array::open_len(source, "level_links", levels * width)?,
            plan,
        })
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            base: Base { links: self.links.unverified(), width: self.m * 2 },
            slots: self.level_slots.unverified(),
            below: self.level_below.unverified(),
            links: self.level_links.unverified(),
            ends: &self.ends,
            width: self.m,
        }
    }

    pub(super) fn walk_codes(&self) -> &[u8] {
        self.walk.as_ref().or(self.points.as_ref()).map_or(&[], Array::unverified)
    }

    /// The row of a slot; one past the segment where the table is damaged.
    #[inline]
    pub(super) fn row(&self, slot: u32) -> u32 {
        match &self.slots {
            None => slot,
            Some(rows) => rows.unverified().get(slot as usize).copied().unwrap_or(NONE),
        }
    }

    /// Walks down to the lowest level.
    pub(super) fn descend<W: Walk>(
        &self,
        view: &View<'_>,
        walk: &mut W,
        scratch: &mut beam::Scratch,
        counters: &mut Counters,
    ) -> Candidate {
        let top = view.levels();
        let slot = match top {
            0 => self.entry,
            _ => view.level(top).slots.get(self.entry as usize).copied().unwrap_or(NONE),
        };
        if slot >= self.count {
            return candidate(f32::INFINITY, 0);
        }
        let mut distance = [0.0];
        walk.distances(&[slot], &mut distance);
        let mut at = candidate(distance[0], self.entry);
        for level in (1..=top).rev() {
            let layer = view.level(level);
            at = beam::greedy(&layer, walk, at, scratch, counters);
            let below = layer.below.get(node(at) as usize).copied().unwrap_or(0);
            at = candidate(beam::distance(at), below);
        }
        at
    }

    fn verify(&self) -> Result<(), IndexError> {
        let count = self.count;
        for codes in [&self.points, &self.walk].into_iter().flatten() {
            codes.all()?;
        }
        let within = |links: &[u32], width: usize, nodes: u32| {
            links.chunks_exact(width).all(|links| {
                let (there, spare) = links.split_at(used(links).len());
                there.iter().all(|link| *link < nodes) && spare.iter().all(|link| *link == NONE)
            })
        };
        if !within(self.links.all()?, self.m * 2, count) {
            return Err(self.links.corrupt("a link to no vector"));
        }
        self.level_slots.all()?;
        self.level_below.all()?;
        self.level_links.all()?;
        let view = self.view();
        let mut lower = count;
        for level in 1..=view.levels() {
            let layer = view.level(level);
            let nodes = layer.slots.len() as u32;
            if !layer.slots.windows(2).all(|pair| pair[0] < pair[1])
                || layer.slots.last().is_some_and(|last| *last >= count)
            {
                return Err(self.level_slots.corrupt(format!("level {level} does not ascend")));
            }
            if layer.below.iter().any(|node| *node >= lower) {
                return Err(self.level_below.corrupt(format!("level {level} leads to no node")));
            }
            if !within(layer.links, self.m, nodes) {
                return Err(self.level_links.corrupt(format!("level {level} links to no node")));
            }
            lower = nodes;
        }
        if self.entry >= lower {
            return Err(self.links.corrupt(format!("the entry {} is no node", self.entry)));
        }
        Ok(())
    }
}

impl DenseReader for HnswReader {
    fn len(&self) -> usize {
        self.vectors.len()
    }

    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError> {
        self.vectors.stored(row)
    }

    fn search(
        &self,
        search: &DenseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        search::search(self, search, top, counters)
    }

    fn score(&self, query: Values<'_>, row: u32) -> Result<Option<f32>, IndexError> {
        self.vectors.score(query, row)
    }

    fn scores(&self, query: Values<'_>, rows: &[u32], out: &mut Vec<f32>) -> Result<(), IndexError> {
        self.vectors.scores(query, rows, out)
    }

    fn search_batch(
        &self,
        queries: Values<'_>,
        search: &DenseSearch<'_>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        if self.graph.is_none() || search.effort == Effort::Exact {
            return self.vectors.search_batch(queries, search, tops, counters, work);
        }
        batch::share(queries, tops, counters, work, &|query, top, counters| {
            self.search(&DenseSearch { query, ..*search }, top, counters)
        })
    }

    fn capabilities(&self) -> Capabilities {
        let of_vectors = self.vectors.capabilities();
        Capabilities {
            exact: of_vectors.exact && self.graph.is_none(),
            originals: of_vectors.originals,
            ..CAPABILITIES
        }
    }

    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64 {
        match &self.graph {
            None => self.vectors.cost_ns(k, allowed),
            Some(stage) => search::cost_ns(stage, k, allowed),
        }
    }

    fn unfinished(&self) -> bool {
        self.graph.is_none() && self.len() >= GRAPH_FROM
    }

    fn verify(&self) -> Result<(), IndexError> {
        self.vectors.verify()?;
        self.graph.as_ref().map_or(Ok(()), Stage::verify)
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let Some(stage) = &self.graph else { return Vec::new() };
        let plan = &stage.plan;
        // Of some nodes at even distances: the links of all may lie on disk.
        let links = stage.links.unverified();
        let step = (stage.count as usize).div_ceil(SAMPLED_NODES).max(1);
        let some = links.chunks_exact(stage.m * 2).step_by(step);
        let (nodes, degree) = some.fold((0usize, 0usize), |(nodes, sum), l| (nodes + 1, sum + used(l).len()));
        vec![
            ("levels", stage.ends.len() as f64 + 1.0),
            ("degree", degree as f64 / nodes.max(1) as f64),
            ("walkBits", f64::from(if plan.over == Over::Vectors { 0 } else { plan.walk.bits() })),
            ("walkDims", plan.walk.dims() as f64),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
