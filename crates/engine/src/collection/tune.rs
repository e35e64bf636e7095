//! Measures the recall of dense fields: `tune` keeps a curve from effort to recall, `measure` says what recall a search
//! has. Both search for given queries, or for probes made of stored vectors at even distances (`probe.rs`), and compare with
//! an exact search. A curve is part of the version that it was measured on and of those that follow.

use std::borrow::Cow;
use std::sync::Arc;

use tercet_index::{Counters, Effort, Values};

use super::{Collection, FieldCurves, Snapshot};
use crate::api::{Array, Control};
use crate::dense;
use crate::document::check_vector;
use crate::effort::Steps;
use crate::probe::{self, Probe};
use crate::recall::{self, Climb, Curves};
use crate::search::near::{self, Asked, Near, dense_field, effort};
use crate::search::{Context, allowed, bounded};
use crate::wire::{
    Code, Curve, DenseSpec, MeasureReply, MeasureRequest, MetricName, TercetError, TuneRequest,
};

/// The most neighbours that are measured.
const K_MAX: i64 = 10_000;
/// The most queries.
const QUERIES_MAX: i64 = 100_000;

/// What is searched for.
enum Queries<'a> {
    /// Vectors one after the other, of so many components.
    Given(&'a [f32], usize),
    /// Probes of documents: segment and row, and how far the k-th neighbour lies.
    Stored(Vec<((usize, u32), f64)>),
}

/// A field under measurement.
struct Measured<'a> {
    snapshot: &'a Snapshot,
    field: usize,
    name: &'a str,
    k: usize,
    queries: Queries<'a>,
    clock: &'a (dyn Fn() -> u64 + Sync),
    control: &'a Control,
}

/// Scores of each query, best first, and distances computed in all.
struct Found {
    scores: Vec<Vec<f32>>,
    distances: u64,
}

impl Collection {
    /// Measures a ladder of efforts and keeps the curve.
    pub(super) fn tune(
        &self,
        request: &TuneRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<Curve, TercetError> {
        self.writable()?;
        control.step(0)?;
        let snapshot = self.snapshot()?;
        if !(request.target > 0.0 && request.target <= 1.0) {
            let found = request.target.to_string();
            let message = format!("target must be above 0 and at most 1, found {found}");
            return Err(TercetError::new(Code::Limit, message)
                .field("target")
                .expected("above 0, at most 1", found));
        }
        let clock = || self.env.now_ms();
        let (mut measured, spec) =
            Measured::new(&snapshot, (&request.field, request.k, request.sample), arrays, &clock, control)?;
        let mut climb = Climb::default();
        if !dense::kind(&spec.index)?.capabilities.exact && measured.queries.len() > 0 {
            // The ladder may end early: this is the most there is to do.
            let rungs = recall::ladder(measured.k).count() as u64 + 2;
            control.begin(rungs * measured.queries.len() as u64);
            measured.reach(spec.metric)?;
            let truth = measured.run(Effort::Exact)?;
            for ef in recall::ladder(measured.k) {
                let found = measured.run(Effort::Ef(ef))?;
                let distances = found.distances as f64 / measured.queries.len() as f64;
                if climb.push(ef, &measured.shares(&truth, &found), distances, request.target) {
                    break;
                }
            }
        }
        let curve = Curve {
            k: measured.k as u32,
            queries: measured.queries.len() as u32,
            probes: matches!(measured.queries, Queries::Stored(_)),
            size: size(&snapshot, measured.field)?,
            points: climb.points(),
        };
        self.keep_curve(&snapshot.schema.fields[measured.field].key, &curve)?;
        Ok(curve)
    }

    fn keep_curve(&self, key: &str, curve: &Curve) -> Result<(), TercetError> {
        let mut writer = self.idle_writer()?;
        let before = self.current();
        let mut curves = FieldCurves::clone(&before.curves);
        let of_field = curves.get(key).map_or_else(Curves::default, Curves::clone);
        curves.insert(key.to_owned(), of_field.with(curve.clone()));
        let show = |curves| {
            let now = self.current();
            let (schema, parts, version) = (now.schema.clone(), now.parts.clone(), now.version);
            self.show(Snapshot { schema, parts, version, curves });
        };
        show(Arc::new(curves));
        if self.dir.is_some()
            && let Err(error) = self.checkpoint_head(&mut writer)
        {
            show(before.curves.clone());
            return Err(error);
        }
        Ok(())
    }

    /// The recall of an effort.
    pub(super) fn measure(
        &self,
        request: &MeasureRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<MeasureReply, TercetError> {
        let snapshot = self.snapshot()?;
        let clock = || self.env.now_ms();
        let (mut measured, spec) =
            Measured::new(&snapshot, (&request.field, request.k, request.sample), arrays, &clock, control)?;
        let steps = Steps {
            ef: request.ef.map(|ef| ef as f64),
            nprobe: request.nprobe.map(|lists| lists as f64),
            candidates: request.candidates.map(|candidates| candidates as f64),
            oversample: None,
        };
        let asked = Asked { steps, recall: request.recall, exact: false };
        let effort = effort(&snapshot, measured.field, &asked, measured.k)?;
        control.begin(3 * measured.queries.len() as u64);
        measured.reach(spec.metric)?;
        let truth = measured.run(Effort::Exact)?;
        let found = measured.run(effort)?;
        let shares = measured.shares(&truth, &found);
        let (low, high) = recall::interval(&shares, measured.k);
        Ok(MeasureReply {
            recall: recall::mean(&shares),
            low,
            high,
            queries: measured.queries.len() as u32,
            distances: found.distances as f64 / measured.queries.len().max(1) as f64,
        })
    }
}

impl<'a> Measured<'a> {
    fn new(
        snapshot: &'a Snapshot,
        (name, k, sample): (&'a str, i64, i64),
        arrays: &'a [Array],
        clock: &'a (dyn Fn() -> u64 + Sync),
        control: &'a Control,
    ) -> Result<(Self, &'a DenseSpec), TercetError> {
        let (field, spec) = dense_field(snapshot, name)?;
        let k = bounded("k", k, 1, K_MAX)?;
        let sample = bounded("sample", sample, 1, QUERIES_MAX)?;
        let queries = match arrays {
            [] => stored(snapshot, field, sample)?,
            [Array::F32(values)] => given(name, spec, values)?,
            _ => {
                return Err(TercetError::new(Code::Argument, "queries are one array of f32")
                    .field("queries")
                    .expected("one Float32Array", "other arrays"));
            }
        };
        Ok((Measured { snapshot, field, name, k, queries, clock, control }, spec))
    }

    /// Finds how far the k-th neighbour of each stored vector lies.
    fn reach(&mut self, metric: MetricName) -> Result<(), TercetError> {
        let Queries::Stored(places) = &self.queries else { return Ok(()) };
        let mut context = self.context()?;
        let mut reached = Vec::with_capacity(places.len());
        for &(place, _) in places {
            self.control.step(1)?;
            let Some(vector) = self.vector(place)? else { continue };
            let mut near = Near::usual(self.field, self.name, vector.clone(), self.k);
            near.exclude(place);
            let ranking = near::rank(&near, &mut context, self.k)?;
            let last = ranking.candidates.last().map(|last| (last.place.0 as usize, last.place.1));
            let last = last.map(|place| self.vector(place)).transpose()?.flatten();
            let away = last.map_or(0.0, |last| {
                let (vector, last) = (Values::F32(&vector), Values::F32(&last));
                probe::distance(vector, last, metric == MetricName::Cosine)
            });
            reached.push((place, away));
        }
        self.queries = Queries::Stored(reached);
        Ok(())
    }

    fn context(&self) -> Result<Context<'_>, TercetError> {
        Ok(Context {
            snapshot: self.snapshot,
            allowed: allowed(self.snapshot, None)?,
            counters: Counters::default(),
            clock: self.clock,
            control: self.control,
        })
    }

    /// Searches for every query.
    fn run(&self, effort: Effort) -> Result<Found, TercetError> {
        let mut context = self.context()?;
        let mut scores = Vec::with_capacity(self.queries.len());
        for at in 0..self.queries.len() {
            let Some(mut near) = self.query(at)? else { continue };
            near.effort = effort;
            let ranking = near::rank(&near, &mut context, self.k)?;
            scores.push(ranking.candidates.iter().map(|candidate| candidate.score).collect());
            self.control.step(1)?;
        }
        Ok(Found { scores, distances: context.counters.vectors_scored })
    }

    fn query(&self, at: usize) -> Result<Option<Near<'_>>, TercetError> {
        let vector = match &self.queries {
            Queries::Given(values, dims) => Cow::Borrowed(&values[at * dims..(at + 1) * dims]),
            Queries::Stored(places) => {
                let (place, away) = places[at];
                let Some(vector) = self.vector(place)? else { return Ok(None) };
                let probe = Probe::new(Values::F32(&vector), away, at as u64);
                Cow::Owned(probe.values().to_f32())
            }
        };
        Ok(Some(Near::usual(self.field, self.name, vector, self.k)))
    }

    fn vector(&self, (part, row): (usize, u32)) -> Result<Option<Cow<'a, [f32]>>, TercetError> {
        let segment = &self.snapshot.parts[part].segment;
        let vector = segment.dense(self.field).map(|reader| reader.vector(row)).transpose();
        Ok(vector.map_err(|e| segment.error(e))?.flatten())
    }

    fn shares(&self, truth: &Found, found: &Found) -> Vec<f64> {
        let pairs = truth.scores.iter().zip(&found.scores);
        pairs.filter_map(|(truth, found)| recall::share(truth, found.iter().copied())).collect()
    }
}

impl Queries<'_> {
    fn len(&self) -> usize {
        match self {
            Queries::Given(values, dims) => values.len() / dims,
            Queries::Stored(places) => places.len(),
        }
    }
}

/// Live documents that have the field.
fn size(snapshot: &Snapshot, field: usize) -> Result<u64, TercetError> {
    let of_part = |part: &super::Part| part.segment.documents_with(field, part.live.as_deref());
    snapshot.parts.iter().map(of_part).sum()
}

/// Queries from the caller, checked like those of a search.
fn given<'a>(name: &str, spec: &DenseSpec, values: &'a [f32]) -> Result<Queries<'a>, TercetError> {
    let dims = spec.dims as usize;
    if values.is_empty() || !values.len().is_multiple_of(dims) {
        let (rule, found) =
            (format!("a multiple of {dims} components"), format!("{} components", values.len()));
        let message = format!("queries of `{name}` are {rule}, found {found}");
        return Err(TercetError::new(Code::Dimension, message).field("queries").expected(rule, found));
    }
    let count = values.len() / dims;
    bounded("queries", count as i64, 1, QUERIES_MAX)?;
    for (at, vector) in values.chunks_exact(dims).enumerate() {
        check_vector("queries", spec.dims, spec.metric, vector).map_err(|error| error.position(at as u64))?;
    }
    Ok(Queries::Given(values, dims))
}

/// Documents with the field, at even distances.
fn stored(snapshot: &Snapshot, field: usize, sample: usize) -> Result<Queries<'static>, TercetError> {
    let size = size(snapshot, field)?;
    let wanted = size.min(sample as u64);
    let mut places = Vec::with_capacity(wanted as usize);
    let mut seen = 0;
    for (at, part) in snapshot.parts.iter().enumerate() {
        let set = part.segment.fields[field].present.set().map_err(|e| part.segment.error(e))?;
        let there = part.segment.dense(field).is_some();
        let has = |row: u32| there && part.lives(row) && set.is_none_or(|set| set.contains(row));
        for row in (0..part.segment.rows).filter(|row| has(*row)) {
            if seen * wanted / size.max(1) >= places.len() as u64 && (places.len() as u64) < wanted {
                places.push(((at, row), 0.0));
            }
            seen += 1;
        }
    }
    Ok(Queries::Stored(places))
}
