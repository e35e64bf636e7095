//! Vectors in, sections out: building and merging.

use super::build::{self, Material, Params};
use super::graph::Graph;
use super::plan::{Codes, Given, Over, Plan, Rows, raw};
use super::prune::Judge;
use super::reach::connect;
use super::{GRAPH_FROM, VERSION};
use crate::dense::{Codec, DenseInput, DenseSpec, Work};
use crate::flat;
use crate::sections::reserved;
use crate::values::{Dtype, Values};
use crate::{IndexError, SectionSink, Sections};
use tercet_kernels::Metric;

pub(super) fn metric(spec: &DenseSpec) -> Metric {
    // Of components 0 and 1 the squared distance is the number of bits that differ, which orders by Jaccard nearly too.
    spec.metric.on_numbers().unwrap_or(Metric::L2)
}

/// What is kept of the vectors: codes are the graph's business, but where they stand for the vectors.
pub(super) fn kept(spec: &DenseSpec) -> DenseSpec {
    let mut kept = spec.uncoded();
    if spec.options.codec == Codec::F16 {
        (kept.options.codec, kept.options.keep) = (Codec::F16, spec.options.keep);
    } else if lent(spec) {
        (kept.options.codec, kept.options.keep) = (Codec::Lvq8, false);
    }
    kept
}

/// Whether 8-bit codes stand for the vectors: the judge's codes are then those of `flat`, in the same space. Vectors of
/// integers and bits are no larger than their codes, and kept.
pub(super) fn lent(spec: &DenseSpec) -> bool {
    !spec.options.keep && !raw(spec) && matches!(spec.dtype, Dtype::F32 | Dtype::F16)
}

pub(super) fn params(spec: &DenseSpec) -> Params {
    let options = &spec.options;
    Params {
        m: usize::from(options.m).clamp(2, Params::WIDEST.m),
        ef_construction: usize::from(options.ef_construction.max(options.m)),
        seed: options.seed,
    }
}

pub(super) fn build(
    spec: &DenseSpec,
    input: &DenseInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    let mut sections = (flat::KIND.build)(&kept(spec), input, work)?;
    let rows = Given { values: input.values, elements: spec.dtype.elements(spec.dims) };
    if rows.count() >= GRAPH_FROM {
        make(spec, &rows, input.queries, &mut sections, work)?;
    }
    Ok(sections)
}

/// Makes codes and graph over vectors, and writes them.
pub(super) fn make(
    spec: &DenseSpec,
    rows: &dyn Rows,
    queries: Option<Values<'_>>,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let count = rows.count();
    if count >= 1 << 31 {
        return Err(IndexError::too_large("vectors of a graph", (1 << 31) - 1));
    }
    let params = params(spec);
    let plan = Plan::fit(spec, metric(spec), rows, queries, work)?;
    let codes = plan.encode(rows, work)?;
    work.step(0, count as u64)?;
    let queries = plan.queries(rows, work)?;
    rows.sound()?;
    let mut levels: Vec<u8> = reserved(count)?;
    levels.extend((0..count as u32).map(|slot| params.level(slot)));
    let material = Material {
        params,
        plan: &plan,
        walk_codes: if plan.over == Over::Own { &codes.walk } else { &codes.judge },
        queries: &queries,
        judge: Judge { coder: plan.judge, codes: &codes.judge },
    };
    let graph = build::bare(params, &levels)?;
    let mut graph = build::grow(&material, graph, &vec![false; count], &levels, work)?;
    connect(&material, &mut graph, work)?;
    write(spec, &plan, &codes, &graph, count, count, sink)
}

/// Writes codes and graph.
pub(super) fn write(
    spec: &DenseSpec,
    plan: &Plan,
    codes: &Codes,
    graph: &Graph,
    count: usize,
    planned: usize,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let params = params(spec);
    sink.begin("graph")?;
    let mut head = vec![
        VERSION,
        count as u32,
        params.m as u32,
        params.ef_construction as u32,
        graph.levels.len() as u32,
        graph.entry,
        plan.walk.bits(),
        plan.walk.dims() as u32,
        plan.walk.stride() as u32,
        plan.judge.dims() as u32,
        plan.judge.stride() as u32,
        match plan.over {
            Over::Own => 0,
            Over::Judge => 1,
            Over::Vectors => 2,
        },
        planned as u32,
        params.seed as u32,
        (params.seed >> 32) as u32,
    ];
    let mut end = 0;
    for level in &graph.levels {
        end += level.slots.len() as u32;
        head.push(end);
    }
    sink.write(bytemuck::cast_slice(&head))?;
    if !lent(spec) {
        plan.space.write(sink)?;
    }
    plan.reduction.write(plan.space.points(), sink)?;
    if plan.over != Over::Vectors && !lent(spec) {
        sink.begin("points")?;
        sink.write(&codes.judge)?;
    }
    if plan.over == Over::Own {
        sink.begin("walk")?;
        sink.write(&codes.walk)?;
    }
    sink.begin("links")?;
    sink.write(bytemuck::cast_slice(&graph.base))?;
    sink.begin("level_slots")?;
    graph.levels.iter().try_for_each(|level| sink.write(bytemuck::cast_slice(&level.slots)))?;
    sink.begin("level_below")?;
    graph.levels.iter().try_for_each(|level| sink.write(bytemuck::cast_slice(&level.below)))?;
    sink.begin("level_links")?;
    graph.levels.iter().try_for_each(|level| sink.write(bytemuck::cast_slice(&level.links)))
}
