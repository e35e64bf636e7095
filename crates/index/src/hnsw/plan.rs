//! How the vectors of a segment are coded: the space, the axes, and the two kinds of code.

use super::{WALK_BYTES, WALK_CANDIDATES, WALK_QUERIES, WALK_SAMPLE};
use crate::dense::{Codec, DenseSpec, Reduce, Work};
use crate::parallel::{each_part, in_parallel};
use crate::quant::{CodeQuery, Coder, Space};
use crate::reduce::{PCA_DIMS_MAX, Reduction, SAMPLE, fit, pca};
use crate::sections::{reserved, zeros};
use crate::values::{Dtype, Values};
use crate::{IndexError, hnsw::build::Queries};
use std::ops::Range;
use tercet_kernels::Metric;

/// Vectors that are visited at once, and those that one piece of work takes.
const VISITED: usize = 4_096;
const PIECE: usize = 64;
/// Vectors that are coded between two looks at whether to go on.
const ROUND: usize = 16_384;
/// With fewer vectors axes are not worth their while.
const AXES_FROM: usize = 2_048;

/// How vectors become codes.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) space: Space,
    pub(super) reduction: Reduction,
    /// The codes that are walked.
    pub(super) walk: Coder,
    /// 8 bits of every component: links are chosen by them, and candidates ranked again.
    pub(super) judge: Coder,
    /// What the walk reads.
    pub(super) over: Over,
    /// The axes as rows of 8-bit codes: projecting a query is a scan of them, a quarter of the time of the product with
    /// floats, and its error a tenth of the walk's codes'. Empty without axes.
    axes: Vec<u8>,
    /// What is added to such a projection: that of the way between the origins of data and queries.
    offset: Vec<f32>,
}

/// What a walk reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The judge's codes.
    Judge,
    /// Codes of its own.
    Own,
    /// The vectors themselves. Links are chosen by codes all the same, which are not stored.
    Vectors,
}

/// The codes of a segment.
pub(super) struct Codes {
    /// Empty where the judge's are walked.
    pub(super) walk: Vec<u8>,
    pub(super) judge: Vec<u8>,
}

/// Vectors that can be looked at by place, as f32.
pub(super) trait Rows: Sync {
    fn count(&self) -> usize;
    fn get(&self, at: usize, out: &mut Vec<f32>);
    /// The error of a vector that could not be read and was given as zeros.
    fn sound(&self) -> Result<(), IndexError> {
        Ok(())
    }
    /// Some one after the other, where they lie so.
    fn lying(&self, _range: Range<usize>) -> Option<&[f32]> {
        None
    }
}

/// Calls back with all vectors in order, many at a time.
fn visit(
    rows: &dyn Rows,
    dims: usize,
    work: &Work<'_>,
    each: &mut dyn FnMut(&[f32]),
) -> Result<(), IndexError> {
    let count = rows.count();
    let mut made = Vec::new();
    for from in (0..count).step_by(VISITED) {
        work.step(0, count as u64)?;
        let range = from..(from + VISITED).min(count);
        if let Some(vectors) = rows.lying(range.clone()) {
            each(vectors);
            continue;
        }
        made = if made.is_empty() { zeros(VISITED.min(count).saturating_mul(dims))? } else { made };
        let made = &mut made[..range.len() * dims];
        each_part(work.parallel, made.chunks_mut(dims.max(1) * PIECE), &|piece, part| {
            let mut vector = Vec::new();
            for (at, out) in part.chunks_exact_mut(dims).enumerate() {
                rows.get(from + piece * PIECE + at, &mut vector);
                out.iter_mut().zip(&vector).for_each(|(out, x)| *out = *x);
            }
        });
        each(made);
    }
    Ok(())
}

/// Vectors in one array.
pub(super) struct Given<'a> {
    pub(super) values: Values<'a>,
    pub(super) elements: usize,
}

impl Rows for Given<'_> {
    fn count(&self) -> usize {
        self.values.len() / self.elements.max(1)
    }

    fn get(&self, at: usize, out: &mut Vec<f32>) {
        match self.values.at(at, self.elements) {
            Some(values) => values.write_f32(out),
            None => out.clear(),
        }
    }

    fn lying(&self, range: Range<usize>) -> Option<&[f32]> {
        let Values::F32(values) = self.values else { return None };
        values.get(range.start * self.elements..range.end * self.elements)
    }
}

impl Plan {
    /// Fits codes to vectors.
    pub(super) fn fit(
        spec: &DenseSpec,
        metric: Metric,
        rows: &dyn Rows,
        queries: Option<Values<'_>>,
        work: &Work<'_>,
    ) -> Result<Self, IndexError> {
        if matches!(spec.options.codec, Codec::Pq { .. } | Codec::RaBitQ { .. } | Codec::Binary) {
            return Err(IndexError::Unsupported { what: "a codec for lists" });
        }
        let space =
            Space::fit_on(metric, spec.dims, &mut |each| visit(rows, spec.dims, work, each), work.parallel)?;
        let points = space.points();
        let judge = Coder::bits8(points);
        let over = if raw(spec) { Over::Vectors } else { Over::Judge };
        let whole = |space| Plan::new(space, Reduction::None, judge, over);
        let two = |space, reduction, walk: Coder| Plan::new(space, reduction, walk.in_lines(), Over::Own);
        if raw(spec) {
            return Ok(whole(space));
        }
        let learnt = matches!(spec.options.reduce, Reduce::Pca(_) | Reduce::LeanVec(_));
        let sample = if learnt { sample_of(&space, rows, work)? } else { Vec::new() };
        let reduction = fit(
            spec,
            &space,
            &sample,
            queries,
            &Work { parallel: work.parallel, progress: &go_on(rows, work) },
        )?;
        Ok(match (spec.options.codec, reduction) {
            (Codec::Lvq4x8, Some(reduction)) => {
                let walk = Coder::bits4(reduction.reduced(points));
                two(space, reduction, walk)
            }
            (Codec::Lvq4x8, None) => two(space, Reduction::None, Coder::bits4(points)),
            (_, Some(reduction)) => {
                let walk = Coder::bits8(reduction.reduced(points));
                two(space, reduction, walk)
            }
            (Codec::Auto, None) if spec.options.reduce == Reduce::Auto => {
                let axes = points > Coder::dims_in(WALK_BYTES, 8)
                    && points <= PCA_DIMS_MAX
                    && rows.count() >= AXES_FROM;
                if axes { Self::best(space, rows, work)? } else { whole(space) }
            }
            _ => whole(space),
        })
    }

    /// The better of few axes in 8 bits and many in 4, both of [`WALK_BYTES`]: the one whose candidates hold more of the
    /// true neighbours. Which is better depends on how fast the variance of the axes falls.
    fn best(space: Space, rows: &dyn Rows, work: &Work<'_>) -> Result<Self, IndexError> {
        let points = space.points();
        let many = Coder::dims_in(WALK_BYTES, 4).min(points);
        let few = Coder::dims_in(WALK_BYTES, 8).min(points);
        let axes = pca(
            &sample_of(&space, rows, work)?,
            points,
            many,
            false,
            &Work { parallel: work.parallel, progress: &go_on(rows, work) },
        )?;
        let plan = |reduction, walk: Coder| Plan::new(space.clone(), reduction, walk.in_lines(), Over::Own);
        // The first axes of many are the few.
        let mut leading = axes.clone();
        leading.reduced = few;
        leading.matrix = axes.matrix.chunks_exact(many).flat_map(|row| row[..few].iter().copied()).collect();
        let plans = [
            plan(Reduction::Pca(axes), Coder::bits4(many)),
            plan(Reduction::Pca(leading), Coder::bits8(few)),
        ];
        let [with_many, with_few] = [plans[0].agreement(rows, work)?, plans[1].agreement(rows, work)?];
        let [many, few] = plans;
        Ok(if with_few >= with_many { few } else { many })
    }

    /// Of a sample, how many of the nearest by the judge's codes are among the nearest by the walk's.
    fn agreement(&self, rows: &dyn Rows, work: &Work<'_>) -> Result<u64, IndexError> {
        let count = rows.count().min(WALK_SAMPLE);
        let step = rows.count() / count.max(1);
        let sample = Sampled { rows, step, count };
        let codes = self.encode(&sample, work)?;
        let queries = self.queries(&sample, work)?;
        let agreed = in_parallel(work.parallel, WALK_QUERIES.min(count), 8, &|at| {
            let slot = at * (count / WALK_QUERIES.min(count).max(1));
            let (mut walked, mut judged) = (vec![0.0; count], vec![0.0; count]);
            if let Queries::Made(queries) = &queries {
                self.walk.distances_in_order(&queries[slot], &codes.walk, &mut walked);
            }
            let mut query = CodeQuery::default();
            let stride = self.judge.stride();
            self.judge.query_of_row(&codes.judge[slot * stride..(slot + 1) * stride], &mut query);
            self.judge.distances_in_order(&query, &codes.judge, &mut judged);
            let nearest = |distances: &[f32], most: usize| {
                let mut order: Vec<u32> = (0..count as u32).filter(|at| *at as usize != slot).collect();
                order.sort_unstable_by(|a, b| {
                    distances[*a as usize].total_cmp(&distances[*b as usize]).then(a.cmp(b))
                });
                order.truncate(most);
                order
            };
            let truth = nearest(&judged, WALK_CANDIDATES / 2);
            let found = nearest(&walked, WALK_CANDIDATES);
            truth.iter().filter(|row| found.contains(row)).count() as u64
        });
        Ok(agreed.iter().sum())
    }

    /// Codes all vectors.
    pub(super) fn encode(&self, rows: &dyn Rows, work: &Work<'_>) -> Result<Codes, IndexError> {
        let (count, judge, walk) = (rows.count(), self.judge.stride(), self.walk.stride());
        let mut codes = Codes { walk: Vec::new(), judge: reserved(count.saturating_mul(judge))? };
        if self.over == Over::Own {
            codes.walk = reserved(count.saturating_mul(walk))?;
        }
        for from in (0..count).step_by(ROUND) {
            work.step(0, count as u64)?;
            let pieces = (count - from).min(ROUND).div_ceil(PIECE);
            let coded = in_parallel(work.parallel, pieces, 1, &|piece| {
                let first = from + piece * PIECE;
                self.encode_some(rows, first, (first + PIECE).min(count))
            });
            for (some_judge, some_walk) in coded {
                codes.judge.extend_from_slice(&some_judge);
                codes.walk.extend_from_slice(&some_walk);
            }
        }
        Ok(codes)
    }

    fn encode_some(&self, rows: &dyn Rows, from: usize, to: usize) -> (Vec<u8>, Vec<u8>) {
        let (judge, walk) =
            (self.judge.stride(), if self.over == Over::Own { self.walk.stride() } else { 0 });
        let mut coded = (vec![0; (to - from) * judge], vec![0; (to - from) * walk]);
        let (mut vector, mut point) = (Vec::new(), vec![0.0; self.space.points()]);
        let mut reduced = vec![0.0; self.reduction.reduced(point.len())];
        for at in from..to {
            rows.get(at, &mut vector);
            self.space.point(&vector, &mut point);
            let norm = Coder::norm(&point);
            let place = at - from;
            self.judge.encode(&point, norm, &mut coded.0[place * judge..(place + 1) * judge]);
            if self.over == Over::Own {
                self.reduction.apply(&point, &mut reduced);
                let norm = self.reduction.norm(&point, norm, &reduced);
                self.walk.encode(&reduced, norm, &mut coded.1[place * walk..(place + 1) * walk]);
            }
        }
        coded
    }

    /// The queries with which vectors are inserted.
    pub(super) fn queries(&self, rows: &dyn Rows, work: &Work<'_>) -> Result<Queries, IndexError> {
        if self.over != Over::Own {
            return Ok(Queries::Rows);
        }
        let count = rows.count();
        let mut made = reserved(count)?;
        for from in (0..count).step_by(ROUND) {
            work.step(0, count as u64)?;
            made.extend(in_parallel(work.parallel, (count - from).min(ROUND), PIECE, &|at| {
                let (mut vector, mut query) = (Vec::new(), CodeQuery::default());
                rows.get(from + at, &mut vector);
                self.walk_query(&vector, false, &mut Buffers::default(), &mut query);
                query
            }));
        }
        Ok(Queries::Made(made))
    }

    /// The walk's query of a vector, and beside it the judge's: of one that is stored, or of a query.
    pub(super) fn walk_query(&self, vector: &[f32], query: bool, buffers: &mut Buffers, out: &mut CodeQuery) {
        let Buffers { point, reduced, judge, .. } = buffers;
        point.resize(self.space.points(), 0.0);
        let weight = if query {
            self.space.ask(vector, point).weight
        } else {
            self.space.point(vector, point);
            1.0
        };
        let norm = Coder::norm(point);
        self.judge.query(point, norm, judge);
        judge.weight = weight;
        self.reduce(judge, norm, reduced, out);
    }

    /// The walk's query from the judge's.
    fn reduce(&self, judge: &CodeQuery, norm: f32, reduced: &mut Vec<f32>, out: &mut CodeQuery) {
        if self.over != Over::Own {
            out.clone_from(judge);
            return;
        }
        let dims = self.walk.dims();
        reduced.clear();
        reduced.resize(dims, 0.0);
        match &self.reduction {
            Reduction::Pca(_) | Reduction::LeanVec(_) => {
                self.judge.distances_in_order(judge, &self.axes, reduced);
                // The axes were coded as of no length: what is left is minus the product.
                let seen = |(x, offset): (&mut f32, &f32)| *x = judge.weight * offset - *x;
                reduced.iter_mut().zip(&self.offset).for_each(seen);
            }
            Reduction::None | Reduction::Prefix { .. } => self.judge.components(judge, reduced),
            Reduction::UnitPrefix(_) => {
                let mut point = vec![0.0; self.judge.dims()];
                self.judge.components(judge, &mut point);
                self.reduction.apply_query(&point, reduced);
            }
        }
        self.walk.query(reduced, norm, out);
        out.weight = judge.weight;
    }

    /// The walk's query of a stored vector, from its 8-bit codes.
    pub(super) fn walk_query_of_row(&self, row: &[u8], out: &mut CodeQuery) {
        let mut judge = CodeQuery::default();
        self.judge.query_of_row(row, &mut judge);
        let norm = judge.half_norm * 2.0;
        self.reduce(&judge, norm, &mut Vec::new(), out);
    }

    /// From its parts.
    pub(super) fn new(space: Space, reduction: Reduction, walk: Coder, over: Over) -> Self {
        let judge = Coder::bits8(space.points());
        let (mut axes, mut offset) = (Vec::new(), Vec::new());
        if let Some(projection) = reduction.query_axes() {
            offset.resize(projection.reduced, 0.0);
            reduction.apply_query(&vec![0.0; space.points()], &mut offset);
            axes.resize(projection.reduced * judge.stride(), 0);
            for (at, row) in axes.chunks_exact_mut(judge.stride()).enumerate() {
                let axis = projection.matrix.iter().skip(at).step_by(projection.reduced.max(1));
                judge.encode(&axis.copied().collect::<Vec<f32>>(), 0.0, row);
            }
        }
        Plan { space, reduction, walk, judge, over, axes, offset }
    }
}

/// Whether a walk reads the vectors themselves.
pub(super) fn raw(spec: &DenseSpec) -> bool {
    matches!(spec.options.codec, Codec::F32 | Codec::F16) || spec.dtype == Dtype::Bits
}

/// What making queries needs.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) vector: Vec<f32>,
    pub(super) point: Vec<f32>,
    pub(super) reduced: Vec<f32>,
    /// The judge's query, which making the walk's leaves.
    pub(super) judge: CodeQuery,
}

/// Some vectors at even distances.
struct Sampled<'a> {
    rows: &'a dyn Rows,
    step: usize,
    count: usize,
}

impl Rows for Sampled<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn get(&self, at: usize, out: &mut Vec<f32>) {
        self.rows.get(at * self.step, out);
    }
}

/// Finding axes is a part of the work that has no measure of its own.
fn go_on<'w>(rows: &dyn Rows, work: &'w Work<'_>) -> impl Fn(u64, u64) -> bool + Sync + 'w {
    let total = rows.count() as u64;
    move |_, _| (work.progress)(0, total)
}

/// Some points, at even distances, from which axes are found.
fn sample_of(space: &Space, rows: &dyn Rows, work: &Work<'_>) -> Result<Vec<f32>, IndexError> {
    let points = space.points();
    let count = rows.count().min(SAMPLE);
    let step = rows.count() / count.max(1);
    let mut sample: Vec<f32> = zeros(count.saturating_mul(points))?;
    each_part(work.parallel, sample.chunks_mut(points * PIECE), &|piece, part| {
        let mut vector = Vec::new();
        for (at, point) in part.chunks_exact_mut(points).enumerate() {
            rows.get((piece * PIECE + at) * step, &mut vector);
            space.sample(&vector, point);
        }
    });
    Ok(sample)
}
