//! `recommend`: indexes are built over a sample, tried with rising effort until they find enough, and timed with that.
//!
//! The truth is a flat index over the same vectors. Bytes are those of the sections that a search goes through. Times come from the
//! environment's clock, in milliseconds: queries are repeated until there are enough of them. Nothing here asks which kind
//! an index is of; what a build does not have is left out, and said.

use std::sync::Arc;

use tercet_index::{Effort, Values, Work};
use tercet_store::Env;

use super::candidates::{Candidate, candidates};
use super::content::Content as _;
use super::dense::{Dense, DenseWay};
use super::handle::with_work;
use super::recall::{Found, Queries, shares};
use super::search::{Ask, Query, Scratch};
use super::spec::Vectors;
use super::{Index, State};
use crate::api::{Array, Control, Executor, Reply};
use crate::recall;
use crate::search::bounded;
use crate::verb::{parse, reply};
use crate::wire::{
    Code, DenseIndexSpec, DtypeName, FlatSpec, RecommendReply, RecommendRequest, RecommendRow,
    RecommendSkipped, TercetError,
};

/// The most neighbours, and queries that are used: of more, some at even distances.
const K_MAX: i64 = 1_000;
const QUERIES_MAX: usize = 500;
/// Vectors that are taken out of the sample and searched for, a share of it at most.
const HELD_OUT: usize = 200;
const HELD_OUT_SHARE: usize = 10;
/// With fewer vectors nothing is measured but noise.
const VECTORS_MIN: u32 = 100;
/// What is expected to be so many times the budget is not built.
const HOPELESS: f64 = 1.3;
/// Speed is measured for so long, or so many rounds.
const TIMED_MS: u64 = 150;
const ROUNDS_MAX: u64 = 50;
/// Of those that fit, one that is this share as fast as the fastest is as good where it is smaller.
const AS_FAST: f64 = 0.9;
/// Sections that all vectors share: beside those of a whole collection they are nothing, beside a sample they would be much.
const SHARED: [&str; 11] = [
    "axes",
    "center",
    "centroids",
    "coarse",
    "codebook",
    "list_blocks",
    "list_center",
    "list_ends",
    "mean",
    "query_axes",
    "query_mean",
];
/// Steps of progress a candidate.
const STEPS: u64 = 100;

/// Vectors of a sample, and what is searched for among them.
struct Sample {
    base: Array,
    queries: Array,
    held_out: bool,
}

/// A recommendation under way.
struct Bench<'a> {
    env: &'a Arc<dyn Env>,
    request: &'a RecommendRequest,
    k: usize,
    base: &'a Array,
    queries: Vectors<'a>,
    /// The true scores of each query, best first.
    truth: Vec<Found>,
    vectors: u32,
}

/// `recommend`.
pub(crate) fn recommend(
    env: &Arc<dyn Env>,
    executor: Option<&Arc<dyn Executor>>,
    json: &str,
    arrays: &[Array],
    control: &Control,
) -> Result<Reply, TercetError> {
    let request: RecommendRequest = parse(json)?;
    let k = bounded("k", request.k, 1, K_MAX)?;
    check(&request)?;
    let exact = spec(&request, DenseIndexSpec::Flat(FlatSpec::default()))?;
    let vectors = exact.vectors("vectors", arrays.first().map(Array::view))?;
    if vectors.count < VECTORS_MIN {
        let message = format!("{} vectors say little: a sample has at least {VECTORS_MIN}", vectors.count);
        return Err(TercetError::new(Code::Limit, message)
            .field("vectors")
            .expected(format!("at least {VECTORS_MIN} vectors"), vectors.count.to_string()));
    }
    let queries = arrays.get(1).filter(|_| request.queries).map(Array::view);
    let queries = queries.map(|queries| exact.asked("queries", Some(queries))).transpose()?;
    let sample = sampled(vectors, queries.filter(|queries| queries.count > 0));
    let found = with_work(executor, request.threads, control, |work| {
        let base = std::slice::from_ref(&sample.base);
        let index = Index::build(env.clone(), exact.clone(), exact.values("vectors", base)?, None, work)?;
        let state = index.state()?;
        let asked = exact.asked("queries", Some(sample.queries.view()))?;
        let truth =
            index.measure(&state, &Queries::Given(asked), k, &way(&exact, Effort::Exact), work, (0, 1))?;
        let bench = Bench {
            env,
            request: &request,
            k,
            base: &sample.base,
            queries: asked,
            truth,
            vectors: state.size() as u32,
        };
        bench.run(work, control)
    })?;
    reply(&RecommendReply { held_out: sample.held_out, ..found })
}

fn check(request: &RecommendRequest) -> Result<(), TercetError> {
    let wrong = |what: &str, rule: &str, found: f64| {
        TercetError::new(Code::Limit, format!("{what} must be {rule}, found {found}"))
            .field(what)
            .expected(rule, found.to_string())
    };
    if !(request.recall > 0.0 && request.recall <= 1.0) {
        return Err(wrong("recall", "above 0 and at most 1", request.recall));
    }
    if let Some(bytes) = request.bytes_per_vector.filter(|bytes| !(*bytes >= 1.0 && bytes.is_finite())) {
        return Err(wrong("bytesPerVector", "1 or more", bytes));
    }
    if request.dtype == DtypeName::Bits {
        let message = "vectors of bits are as small as they get: there is nothing to choose from";
        return Err(TercetError::new(Code::Unsupported, message).field("dtype"));
    }
    Ok(())
}

fn spec(request: &RecommendRequest, index: DenseIndexSpec) -> Result<Dense, TercetError> {
    Dense::new(request.dims, request.metric, request.dtype, index)
}

fn way(spec: &Dense, effort: Effort) -> DenseWay {
    spec.by_effort(DenseWay::default(), effort)
}

/// Queries that were given, or vectors out of the sample at even distances.
fn sampled(vectors: Vectors<'_>, queries: Option<Vectors<'_>>) -> Sample {
    let all = vectors.count as usize;
    if let Some(queries) = queries {
        let asked = even(queries.count as usize, QUERIES_MAX);
        let every: Vec<usize> = (0..all).collect();
        return Sample { base: picked(vectors, &every), queries: picked(queries, &asked), held_out: false };
    }
    let asked = even(all, HELD_OUT.min(all / HELD_OUT_SHARE));
    let rest: Vec<usize> = (0..all).filter(|place| asked.binary_search(place).is_err()).collect();
    Sample { base: picked(vectors, &rest), queries: picked(vectors, &asked), held_out: true }
}

/// At most so many places of `count`, ascending.
fn even(count: usize, most: usize) -> Vec<usize> {
    let kept = count.min(most);
    (0..kept).map(|at| at * count / kept).collect()
}

/// Some vectors in an array of their own.
fn picked(vectors: Vectors<'_>, places: &[usize]) -> Array {
    fn some<T: Copy>(all: &[T], elements: usize, places: &[usize]) -> Vec<T> {
        places
            .iter()
            .flat_map(|place| all[place * elements..(place + 1) * elements].iter().copied())
            .collect()
    }
    let elements = vectors.elements;
    match vectors.values {
        Values::F32(all) => Array::F32(some(all, elements, places)),
        Values::F16(all) => Array::U16(some(all, elements, places)),
        Values::I8(all) => Array::I8(some(all, elements, places)),
        Values::U8(all) | Values::Bits(all) => Array::U8(some(all, elements, places)),
    }
}

impl Bench<'_> {
    fn run(&self, work: &Work<'_>, control: &Control) -> Result<RecommendReply, TercetError> {
        let component = match self.request.dtype {
            DtypeName::F32 => 4.0,
            DtypeName::F16 => 2.0,
            DtypeName::I8 | DtypeName::U8 | DtypeName::Bits => 1.0,
        };
        let budget = self.request.bytes_per_vector;
        let candidates = candidates(self.request.dims, component, budget);
        let total = candidates.len() as u64 * STEPS;
        let (mut rows, mut skipped) = (Vec::new(), Vec::new());
        for (at, candidate) in (0u64..).zip(candidates) {
            let progress = |done: u64, of: u64| {
                let within = (done.min(of) * STEPS).checked_div(of).unwrap_or(0);
                control.at(at * STEPS + within, total)
            };
            let work = Work { progress: &progress, ..*work };
            let mut skip = |why: String| skipped.push(RecommendSkipped { name: candidate.name.clone(), why });
            if budget.is_some_and(|budget| candidate.bytes > budget * HOPELESS) {
                skip(format!("takes about {:.0} bytes a vector", candidate.bytes));
                continue;
            }
            match self.measure(&candidate, &work) {
                Ok(row) => rows.push(row),
                // What this build does not have, or what these vectors are too many or too wide for.
                Err(error) if matches!(error.code(), Code::Unsupported | Code::Limit) => {
                    skip(error.0.message.clone());
                }
                Err(error) => return Err(error),
            }
            control.step(0)?;
        }
        control.at(total, total);
        let choice = self.choice(&rows);
        let queries = self.queries.count;
        Ok(RecommendReply { choice, rows, skipped, vectors: self.vectors, queries, held_out: false })
    }

    fn measure(&self, candidate: &Candidate, work: &Work<'_>) -> Result<RecommendRow, TercetError> {
        let spec = spec(self.request, candidate.index.clone())?;
        let begun = self.env.now_ms();
        let base = spec.values("vectors", std::slice::from_ref(self.base))?;
        let index = Index::build(self.env.clone(), spec.clone(), base, None, work)?;
        let build_ms = self.env.now_ms().saturating_sub(begun);
        let state = index.state()?;
        let said =
            |fact| state.parts.iter().any(|p| p.stored.reader.facts().iter().any(|(name, _)| *name == fact));
        if let Some(fact) = candidate.made.filter(|fact| !said(*fact)) {
            let message = format!("{} vectors are too few for {fact}: they would be scanned", self.vectors);
            return Err(TercetError::new(Code::Unsupported, message).field("vectors"));
        }
        let (recall, effort) = self.climb(&index, &state, work)?;
        let qps = self.speed(&index, &state, effort)?;
        let (file_bytes, bytes) = bytes(&state, candidate.behind)?;
        let each = |bytes: u64| bytes as f64 / f64::from(self.vectors.max(1));
        let bytes = each(bytes);
        let within = self.request.bytes_per_vector.is_none_or(|budget| bytes <= budget);
        Ok(RecommendRow {
            name: candidate.name.clone(),
            index: candidate.index.clone(),
            bytes,
            file_bytes: each(file_bytes),
            recall,
            ef: if let Effort::Ef(ef) = effort { Some(ef) } else { None },
            qps,
            build_ms,
            fits: within && recall >= self.request.recall,
        })
    }

    /// The recall reached, and the least effort that reached it; the best there is where none was enough.
    fn climb(
        &self,
        index: &Index<Dense>,
        state: &State<Dense>,
        work: &Work<'_>,
    ) -> Result<(f64, Effort), TercetError> {
        let queries = Queries::Given(self.queries);
        let recall = |effort| -> Result<f64, TercetError> {
            let found = index.measure(state, &queries, self.k, &way(&index.spec, effort), work, (0, 1))?;
            Ok(recall::mean(&shares(&self.truth, &found)))
        };
        let usual = recall(Effort::Usual)?;
        if index.spec.kind.capabilities.exact {
            return Ok((usual, Effort::Usual));
        }
        let (mut best, mut flat) = ((0.0, Effort::Usual), 0);
        for ef in recall::ladder(self.k) {
            let found = recall(Effort::Ef(ef))?;
            flat = if found > best.0 + 1e-4 { 0 } else { flat + 1 };
            if found > best.0 {
                best = (found, Effort::Ef(ef));
            }
            if best.0 >= self.request.recall || flat == recall::FLAT_RUNGS {
                break;
            }
        }
        Ok(best)
    }

    /// Queries a second, one after the other on this thread.
    fn speed(&self, index: &Index<Dense>, state: &State<Dense>, effort: Effort) -> Result<f64, TercetError> {
        let ask = Ask::new(self.k, way(&index.spec, effort));
        let (mut rounds, begun) = (0, self.env.now_ms());
        loop {
            for at in 0..self.queries.count {
                let Some(query) = self.queries.at(at) else { break };
                Scratch::with(|scratch| index.search(state, Query::Value(&query), &ask, scratch))?;
            }
            rounds += 1;
            let taken = self.env.now_ms().saturating_sub(begun);
            if taken >= TIMED_MS || rounds == ROUNDS_MAX {
                let searched = rounds * u64::from(self.queries.count);
                return Ok(searched as f64 * 1_000.0 / taken.max(1) as f64);
            }
        }
    }

    /// What to take: a place among the rows.
    fn choice(&self, rows: &[RecommendRow]) -> Option<u32> {
        choose(rows, self.request.bytes_per_vector)
    }
}

fn choose(rows: &[RecommendRow], budget: Option<f64>) -> Option<u32> {
    let places = |keep: &dyn Fn(&RecommendRow) -> bool| -> Vec<usize> {
        (0..rows.len()).filter(|at| keep(&rows[*at])).collect()
    };
    let smallest = |places: Vec<usize>| {
        places.into_iter().min_by(|a, b| rows[*a].bytes.total_cmp(&rows[*b].bytes).then(a.cmp(b)))
    };
    let fitting = places(&|row| row.fits);
    let fastest = fitting.iter().map(|at| rows[*at].qps).fold(0.0, f64::max);
    if !fitting.is_empty() {
        return smallest(places(&|row| row.fits && row.qps >= fastest * AS_FAST)).map(|at| at as u32);
    }
    let within = |row: &RecommendRow| budget.is_none_or(|budget| row.bytes <= budget);
    let best = places(&within).into_iter().map(|at| rows[at].recall).fold(f64::NAN, f64::max);
    if best.is_nan() {
        return smallest(places(&|_| true)).map(|at| at as u32);
    }
    smallest(places(&|row| within(row) && row.recall >= best)).map(|at| at as u32)
}

/// Bytes of all sections, and of those that grow with the vectors and that a search goes through.
fn bytes(state: &State<Dense>, behind: &[&str]) -> Result<(u64, u64), TercetError> {
    let (mut all, mut walked) = (0, 0);
    for part in &state.parts {
        let file = &part.stored.file;
        for name in file.names() {
            let len = file.section_len(name)?;
            all += len;
            walked += if behind.contains(&name) || SHARED.contains(&name) { 0 } else { len };
        }
    }
    Ok((all, walked))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    fn row(qps: f64, bytes: f64, recall: f64, fits: bool) -> RecommendRow {
        let index = DenseIndexSpec::default();
        let (name, file_bytes) = (String::new(), bytes);
        RecommendRow { name, index, bytes, file_bytes, recall, ef: None, qps, build_ms: 0, fits }
    }

    #[test]
    fn the_fastest_that_fits_is_taken_and_the_smallest_of_equals() {
        let rows = [row(100.0, 50.0, 0.99, true), row(95.0, 20.0, 0.96, true), row(900.0, 5.0, 0.5, false)];
        assert_eq!(choose(&rows, Some(64.0)), Some(1));
        assert_eq!(choose(&rows[..1], Some(64.0)), Some(0));
        assert_eq!(choose(&[], None), None);
        // Where none fits: the best within the budget, or what is nearest to it.
        let none = [row(9.0, 90.0, 0.99, false), row(9.0, 30.0, 0.7, false), row(9.0, 20.0, 0.6, false)];
        assert_eq!(choose(&none, Some(64.0)), Some(1));
        assert_eq!(choose(&none, Some(10.0)), Some(2));
        assert_eq!(choose(&none, None), Some(0));
    }

    #[test]
    fn queries_are_taken_out_of_the_sample_at_even_distances() {
        assert_eq!(even(10, 3), [0, 3, 6]);
        assert_eq!(even(2, 5), [0, 1]);
        assert!(even(0, 5).is_empty());
        let values: Vec<f32> = (0..80).map(|at| at as f32).collect();
        let vectors = Vectors { values: Values::F32(&values), elements: 2, count: 40 };
        let Sample { base, queries, held_out } = sampled(vectors, None);
        assert!(held_out);
        assert_eq!(queries, Array::F32(vec![0.0, 1.0, 20.0, 21.0, 40.0, 41.0, 60.0, 61.0]));
        let Array::F32(base) = base else { panic!("not f32") };
        assert_eq!((base.len(), &base[..2], base.contains(&20.0)), (72, &[2.0, 3.0][..], false));
        let given = sampled(vectors, Some(vectors.part(3, 1)));
        assert_eq!((given.held_out, given.queries), (false, Array::F32(vec![6.0, 7.0])));
    }
}
