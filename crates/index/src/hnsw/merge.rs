//! Merging: the largest graph is taken over without its dead nodes, and the other vectors are inserted into it.
//!
//! A node that linked to dead ones is linked anew, from what is left of its links and the links of the dead ones
//! (the consolidation of FreshDiskANN, arXiv 2105.09613). Codes are taken over as they are, so that the plan (center, axes)
//! stays the one of the first graph until there are several times as many vectors, or one that its space has no point for;
//! then everything is made anew.

use super::build::{self, Material, Params, Queries};
use super::graph::{Graph, Layer, used};
use super::make::{kept, lent, make, metric, params, write};
use super::plan::{Codes, Over, Plan, Rows, raw};
use super::prune::Judge;
use super::reach::connect;
use super::reader::{HnswReader, Stage};
use super::{GRAPH_FROM, WALK_BYTES};
use crate::dense::{DenseReader, DenseSpec, DenseStream, Work};
use crate::flat;
use crate::parallel::in_parallel;
use crate::quant::FEW;
use crate::reused::{self, Largest, NONE};
use crate::sections::reserved;
use crate::values::Values;
use crate::{IndexError, SectionSink};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A graph is used again while the merged one has at most so many times the vectors it was planned for.
const GROWTH: usize = 4;
/// ... and it brings at least this share of them.
const SHARE: usize = 3;

/// The vectors that codes are made of, where they lie: in the reader that they come from, or, of those that come from
/// none, here.
struct Fresh<'a> {
    dims: usize,
    readers: Vec<&'a dyn DenseReader>,
    /// The reader of each vector and its row there; [`NONE`] and its number among those that are held.
    places: Vec<(u32, u32)>,
    held: Vec<f32>,
    /// Queries that axes are fitted to.
    queries: Option<Values<'a>>,
    /// What a vector was that could not be read, the first that happened.
    failed: Mutex<Option<IndexError>>,
}

impl Fresh<'_> {
    fn push(&mut self, place: (u32, u32), vector: Values<'_>) -> Result<(), IndexError> {
        let mut place = place;
        if place.0 == NONE {
            place.1 = self.count_held() as u32;
            let before = self.held.len();
            let bytes = self.dims as u64 * 4;
            self.held.try_reserve(self.dims).map_err(|_| IndexError::Memory { bytes })?;
            self.held.resize(before + self.dims, 0.0);
            let floats = vector.to_f32();
            self.held[before..].iter_mut().zip(floats.iter()).for_each(|(held, x)| *held = *x);
        }
        self.places.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 8 })?;
        self.places.push(place);
        Ok(())
    }

    fn count_held(&self) -> usize {
        self.held.len() / self.dims.max(1)
    }

    fn read(&self, (reader, row): (u32, u32), out: &mut Vec<f32>) -> Result<(), IndexError> {
        out.clear();
        let Some(reader) = self.readers.get(reader as usize) else {
            let from = row as usize * self.dims;
            out.extend_from_slice(self.held.get(from..from + self.dims).unwrap_or(&[]));
            return Ok(());
        };
        let missing = || IndexError::corrupt("rows", format!("row {row} has no vector"));
        reader.stored(row)?.ok_or_else(missing)?.values().write_f32(out);
        match out.len() == self.dims {
            true => Ok(()),
            false => Err(missing()),
        }
    }
}

impl Rows for Fresh<'_> {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn get(&self, at: usize, out: &mut Vec<f32>) {
        if let Err(error) = self.read(self.places[at], out) {
            // The caller has no place for an error; `sound` has, before anything is written.
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            out.clear();
            out.resize(self.dims, 0.0);
        }
    }

    fn lying(&self, range: Range<usize>) -> Option<&[f32]> {
        let here = self.count_held() == self.places.len();
        here.then(|| self.held.get(range.start * self.dims..range.end * self.dims)).flatten()
    }

    fn sound(&self) -> Result<(), IndexError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

pub(super) fn merge(
    spec: &DenseSpec,
    rows: u32,
    vectors: &dyn DenseStream,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    (flat::KIND.merge)(&kept(spec), rows, vectors, sink, work)?;
    if vectors.plain() {
        return Ok(());
    }
    let mut base = Reused::largest(spec, rows, vectors)?;
    // Codes that are not stored, or that belong to the vectors as `flat` has them, are made again for all.
    let again = lent(spec) || raw(spec);
    // Otherwise those of the reused graph's rows are there.
    let (mut taken, mut fresh) = gather(spec, rows, vectors, base.as_ref(), again)?;
    if !again && base.as_ref().is_some_and(|base| !base.fits(&fresh, taken.len())) {
        base = None;
        (taken, fresh) = gather(spec, rows, vectors, None, again)?;
    }
    match base {
        Some(base) => base.grow(spec, &taken, &fresh, again, sink, work),
        None if taken.len() >= GRAPH_FROM => make(spec, &fresh, fresh.queries, sink, work),
        None => Ok(()),
    }
}

/// The old slot of each vector, and those that have none, or all of them.
fn gather<'a>(
    spec: &DenseSpec,
    rows: u32,
    vectors: &'a dyn DenseStream,
    base: Option<&Reused<'_>>,
    all: bool,
) -> Result<(Vec<u32>, Fresh<'a>), IndexError> {
    let sources = vectors.sources();
    let mut fresh = Fresh {
        dims: spec.dims,
        readers: sources.iter().map(|source| source.reader).collect(),
        places: Vec::new(),
        held: Vec::new(),
        queries: vectors.queries(),
        failed: Mutex::default(),
    };
    let mut places: Vec<(u32, u32)> = reserved(if sources.is_empty() { 0 } else { rows as usize })?;
    places.resize(places.capacity().min(rows as usize), (NONE, NONE));
    for (reader, source) in sources.into_iter().enumerate() {
        for (old, new) in source.kept {
            if let Some(place) = places.get_mut(new as usize) {
                *place = (reader as u32, old);
            }
        }
    }
    let mut taken: Vec<u32> = Vec::new();
    vectors.for_each(&mut |row, vector| {
        let from = base.map_or(NONE, |base| base.rows[row as usize]);
        taken.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 4 })?;
        taken.push(from);
        if from == NONE || all {
            fresh.push(places.get(row as usize).copied().unwrap_or((NONE, NONE)), vector)?;
        }
        Ok(())
    })?;
    Ok((taken, fresh))
}

/// What a merge holds of a vector: 8-bit codes, the codes and the query of the walk, links with their spare places, and some
/// words. The vectors stay where they are.
pub(super) fn bytes(spec: &DenseSpec) -> u64 {
    let links = params(spec).m as u64 * 4 * 3;
    (spec.dims as u64) + 3 * WALK_BYTES as u64 + links + 96
}

/// A graph that is used again.
struct Reused<'a> {
    stage: &'a Stage,
    /// The old slot of each new row, [`NONE`] where the row comes from elsewhere.
    rows: Vec<u32>,
}

impl<'a> Reused<'a> {
    /// The graph with the most vectors, if it is worth it.
    fn largest(
        spec: &DenseSpec,
        rows: u32,
        vectors: &'a dyn DenseStream,
    ) -> Result<Option<Self>, IndexError> {
        let Some(Largest { stage, kept, total }) = reused::largest(vectors, |reader| {
            let graph = reader.as_any().downcast_ref::<HnswReader>()?.graph.as_ref();
            graph.filter(|stage| stage.m == params(spec).m)
        }) else {
            return Ok(None);
        };
        let worth = kept.len() >= GRAPH_FROM
            && kept.len() * SHARE >= total
            && total <= stage.planned as usize * GROWTH
            && kept.len() * 2 >= stage.count as usize;
        if !worth {
            return Ok(None);
        }
        let there = |slot| (slot < stage.count).then_some(slot);
        let rows = reused::old_numbers(rows, &kept, stage.slots.as_ref(), there)?;
        Ok(Some(Reused { stage, rows }))
    }

    /// Whether the space of the plan has a point for every vector, but for as few of all as a new space would not be fitted
    /// to either.
    fn fits(&self, fresh: &Fresh<'_>, total: usize) -> bool {
        let space = &self.stage.plan.space;
        let (mut vector, mut point) = (Vec::new(), vec![0.0; space.points()]);
        let beside = (0..fresh.count()).filter(|at| {
            fresh.get(*at, &mut vector);
            !space.fits(&vector, &mut point)
        });
        beside.take(total / FEW + 1).count() <= total / FEW
    }

    /// `taken`: the old slot of each new slot, [`NONE`] for the vectors in `fresh`, in their order; `fresh` has all of them
    /// where codes are made `again`.
    fn grow(
        &self,
        spec: &DenseSpec,
        taken: &[u32],
        fresh: &Fresh<'_>,
        again: bool,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        let stage = self.stage;
        let params = params(spec);
        let made;
        let (plan, planned) = if again {
            made = Plan::fit(spec, metric(spec), fresh, fresh.queries, work)?;
            (&made, taken.len())
        } else {
            (&stage.plan, stage.planned as usize)
        };
        let (codes, queries) = if again {
            (plan.encode(fresh, work)?, plan.queries(fresh, work)?)
        } else {
            self.codes(taken, fresh, work)?
        };
        fresh.sound()?;
        let levels = self.levels(taken, params)?;
        let material = Material {
            params,
            plan,
            walk_codes: if plan.over == Over::Own { &codes.walk } else { &codes.judge },
            queries: &queries,
            judge: Judge { coder: plan.judge, codes: &codes.judge },
        };
        let mut graph = build::bare(params, &levels)?;
        self.take_over(&material, &mut graph, taken, &levels, work)?;
        let inserted: Vec<bool> = taken.iter().map(|from| *from != NONE).collect();
        let mut graph = build::grow(&material, graph, &inserted, &levels, work)?;
        connect(&material, &mut graph, work)?;
        write(spec, plan, &codes, &graph, taken.len(), planned, sink)
    }

    /// The codes of all, and the queries of the fresh ones.
    fn codes(
        &self,
        taken: &[u32],
        fresh: &Fresh<'_>,
        work: &Work<'_>,
    ) -> Result<(Codes, Queries), IndexError> {
        let plan = &self.stage.plan;
        let made = plan.encode(fresh, work)?;
        let mut fresh_queries = match plan.queries(fresh, work)? {
            Queries::Made(queries) => Some(queries.into_iter()),
            Queries::Rows => None,
        };
        let join = |old: &[u8], fresh: &[u8], stride: usize| {
            let mut all: Vec<u8> = reserved(taken.len().saturating_mul(stride))?;
            let mut fresh = fresh.chunks_exact(stride);
            for from in taken {
                let start = *from as usize * stride;
                let row = if *from == NONE { fresh.next() } else { old.get(start..start + stride) };
                all.extend_from_slice(row.unwrap_or(&[]));
            }
            Ok::<_, IndexError>(all)
        };
        let points = self.stage.points.as_ref().map_or(Ok(&[][..]), |points| points.all())?;
        let judge = join(points, &made.judge, plan.judge.stride())?;
        let walk = match &self.stage.walk {
            None => Vec::new(),
            Some(walk) => join(walk.all()?, &made.walk, plan.walk.stride())?,
        };
        let queries =
            match &mut fresh_queries {
                None => Queries::Rows,
                Some(fresh) => Queries::Made(
                    taken
                        .iter()
                        .map(|from| {
                            if *from == NONE { fresh.next().unwrap_or_default() } else { Default::default() }
                        })
                        .collect(),
                ),
            };
        Ok((Codes { walk, judge }, queries))
    }

    /// The levels of all nodes: those of the old graph as they were, the others by chance, but not above them: searches
    /// enter at a node that has links.
    fn levels(&self, taken: &[u32], params: Params) -> Result<Vec<u8>, IndexError> {
        let mut old: Vec<u8> = reserved(self.stage.count as usize)?;
        old.resize(self.stage.count as usize, 0);
        let view = self.stage.view();
        for level in 1..=view.levels() {
            for slot in view.level(level).slots {
                if let Some(highest) = old.get_mut(*slot as usize) {
                    *highest = level as u8;
                }
            }
        }
        let of_old = |from: u32| old.get(from as usize).copied();
        let top = taken.iter().filter_map(|from| of_old(*from)).max().unwrap_or(0);
        let level =
            |(slot, from): (usize, &u32)| of_old(*from).unwrap_or_else(|| params.level(slot as u32).min(top));
        Ok(taken.iter().enumerate().map(level).collect())
    }

    /// Takes the links over, on every level.
    fn take_over(
        &self,
        material: &Material<'_>,
        graph: &mut Graph,
        taken: &[u32],
        levels: &[u8],
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        let mut new_slots: Vec<u32> = reserved(self.stage.count as usize)?;
        new_slots.resize(self.stage.count as usize, NONE);
        for (slot, from) in taken.iter().enumerate() {
            if let Some(place) = new_slots.get_mut(*from as usize) {
                *place = slot as u32;
            }
        }
        let view = self.stage.view();
        self.take_level(material, graph, 0, &view.base, &new_slots, work);
        for level in 1..=graph.levels.len() {
            self.take_level(material, graph, level, &view.level(level), &new_slots, work);
        }
        let top = graph.levels.len();
        let entry = view.level(top.max(1)).slots.get(self.stage.entry as usize).copied();
        let entry = if view.levels() == 0 { Some(self.stage.entry) } else { entry };
        let entry = entry
            .and_then(|slot| new_slots.get(slot as usize))
            .copied()
            .filter(|slot| levels.get(*slot as usize).is_some_and(|level| usize::from(*level) == top));
        let any = || {
            let highest = |slot: &usize| taken[*slot] != NONE && usize::from(levels[*slot]) == top;
            (0..taken.len()).find(highest).unwrap_or(0) as u32
        };
        graph.entry = graph.node(top, entry.unwrap_or_else(any));
        Ok(())
    }

    fn take_level<L: Layer>(
        &self,
        material: &Material<'_>,
        graph: &mut Graph,
        level: usize,
        old: &L,
        new_slots: &[u32],
        work: &Work<'_>,
    ) {
        let view: &Graph = graph;
        let renamed = |node: u32| {
            let slot = new_slots.get(old.slot(node) as usize).copied().unwrap_or(NONE);
            (slot != NONE).then(|| view.node(level, slot))
        };
        let lists = in_parallel(work.parallel, old.len(), 256, &|node| {
            let own = renamed(node as u32)?;
            let links = used(old.links(node as u32));
            let mut kept: BTreeSet<u32> = BTreeSet::new();
            let mut dead = false;
            for link in links {
                match renamed(*link) {
                    Some(link) => {
                        kept.insert(link);
                    }
                    None => {
                        dead = true;
                        kept.extend(used(old.links(*link)).iter().filter_map(|second| renamed(*second)));
                    }
                }
            }
            kept.remove(&own);
            let links: Vec<u32> = if dead {
                build::relink(material, view, level, own, kept.into_iter().collect())
            } else {
                links.iter().filter_map(|link| renamed(*link)).collect()
            };
            Some((own, links))
        });
        for (node, links) in lists.into_iter().flatten() {
            graph.set(level, node, &links);
        }
    }
}
