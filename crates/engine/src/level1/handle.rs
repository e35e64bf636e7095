//! The verbs of a level-1 index.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tercet_index::{Bitmap, Effort, Parallel as _, Values, Work};

use super::search::{Allowed, Ask, EXCLUDED_FEW, Outcome, Query, Scratch, stored};
use super::spec::Vectors;
use super::{Spec, State, VectorIndex};
use crate::api::{Array, Control, Executor, Handle, Reply, SearchInto, Threads, setting};
use crate::error::index_error;
use crate::search::{DEPTH_MAX, LIMIT_MAX, bounded};
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{
    Code, IndexAddReply, IndexBuildRequest, IndexCompactReply, IndexEffort, IndexOpenRequest,
    IndexRemoveReply, IndexRemoveRequest, IndexSaveRequest, IndexSearchRequest, IndexTuneRequest,
    IndexUpdateReply, IndexVectorRequest, IndexVerifyRequest, IndexWorkRequest, TercetError,
};

/// Queries of a batch that one thread takes at once: few where they take different times, as many as there are for each
/// thread where all take the same and share what is done for them together.
const QUERIES_WALKED: usize = 16;
const QUERIES_SCANNED: usize = 256;
/// The most queries that are measured.
const SAMPLE_MAX: i64 = 100_000;
/// A call that computes: more than any thread of JavaScript should wait for, and not for the pool of waiting calls.
const LONG_US: u64 = u64::MAX - 1;

/// The handle of a level-1 index.
pub(crate) struct IndexHandle {
    index: VectorIndex,
    executor: Option<Arc<dyn Executor>>,
}

/// Threads for a call, its progress and its end.
pub(super) fn with_work<T>(
    executor: Option<&Arc<dyn Executor>>,
    threads: Option<u32>,
    control: &Control,
    body: impl FnOnce(&Work<'_>) -> Result<T, TercetError>,
) -> Result<T, TercetError> {
    let parallel = Threads::new(executor.map(Arc::as_ref), threads);
    // Cancelled before it began: nothing is begun.
    control.step(0)?;
    body(&Work { parallel: &parallel, progress: &|done, total| control.at(done, total) })
}

impl IndexHandle {
    /// `index.build`.
    pub(crate) fn build(
        env: &Arc<dyn tercet_store::Env>,
        executor: Option<&Arc<dyn Executor>>,
        json: &str,
        arrays: &[Array],
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let IndexBuildRequest { dims, metric, dtype, index, queries, threads } = parse(json)?;
        let spec = Spec::new(dims, metric, dtype, index)?;
        let vectors = arrays.first().map(Array::view);
        let queries = arrays.get(1).filter(|_| queries).map(Array::view);
        let index = with_work(executor, threads, control, |work| {
            VectorIndex::build(env.clone(), spec, vectors, queries, work)
        })?;
        IndexHandle { index, executor: executor.cloned() }.into_reply()
    }

    /// `index.open`.
    pub(crate) fn open(
        env: &Arc<dyn tercet_store::Env>,
        executor: Option<&Arc<dyn Executor>>,
        json: &str,
    ) -> Result<Reply, TercetError> {
        let request: IndexOpenRequest = parse(json)?;
        let index = VectorIndex::open(env.clone(), &request)?;
        IndexHandle { index, executor: executor.cloned() }.into_reply()
    }

    fn into_reply(self) -> Result<Reply, TercetError> {
        let json = to_json(&self.index.info(false)?)?;
        Ok(Reply { json, arrays: Vec::new(), handle: Some(Arc::new(self)) })
    }

    fn work<T>(
        &self,
        threads: Option<u32>,
        control: &Control,
        body: impl FnOnce(&Work<'_>) -> Result<T, TercetError>,
    ) -> Result<T, TercetError> {
        with_work(self.executor.as_ref(), threads, control, body)
    }

    fn search_batch(
        &self,
        request: &IndexSearchRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let state = self.index.state()?;
        let k = bounded("k", request.k, 1, DEPTH_MAX)?;
        let queries = self.index.spec.queries("queries", arrays.first().map(Array::view))?;
        let mut beside = arrays.iter().skip(1);
        let filter = if request.filtered { Some(integers(beside.next(), "filter")?) } else { None };
        let exclude = if request.excluded { integers(beside.next(), "exclude")? } else { &[] };
        let ready: Option<Vec<Bitmap>> =
            filter.map(|words| state.parts.iter().map(|part| part.allowed(words, Vec::new())).collect());
        let ask = Ask {
            k,
            effort: self.index.effort(&state, &request.effort, k)?,
            least: request.least_score.map_or(f32::NEG_INFINITY, |least| least as f32),
            patience: request.patience.map(|patience| patience as u32),
            time_limit_ms: request.time_limit_ms.map(|limit| limit as u64),
            allowed: ready.as_deref().map_or(Allowed::All, Allowed::Ready),
            exclude,
        };
        let batch = Batch { index: &self.index, state: &state, queries, ask, control };
        let (rows, scores, outcome) = batch.run(&Threads::new(self.executor.as_deref(), request.threads))?;
        Ok(Reply {
            json: to_json(&outcome.reply())?,
            arrays: vec![Array::U32(rows), Array::F32(scores)],
            handle: None,
        })
    }

    fn vector(&self, row: u32) -> Result<Reply, TercetError> {
        let state = self.index.state()?;
        let arrays = match stored(&state, row)? {
            None => Vec::new(),
            Some(stored) => vec![match stored.values() {
                Values::F32(values) => Array::F32(values.to_vec()),
                Values::F16(values) => Array::U16(values.to_vec()),
                Values::I8(values) => Array::I8(values.to_vec()),
                Values::U8(values) | Values::Bits(values) => Array::U8(values.to_vec()),
            }],
        };
        Ok(Reply { json: String::from("{}"), arrays, handle: None })
    }

    /// Queries to measure with, where some are given.
    fn given<'a>(&self, arrays: &'a [Array]) -> Result<Option<Vectors<'a>>, TercetError> {
        arrays.first().map(|array| self.index.spec.queries("queries", Some(array.view()))).transpose()
    }

    fn tune(&self, json: &str, arrays: &[Array], control: &Control) -> Result<Reply, TercetError> {
        let request: IndexTuneRequest = parse(json)?;
        let k = bounded("k", request.k, 1, LIMIT_MAX)?;
        let sample = bounded("sample", request.sample, 1, SAMPLE_MAX)?;
        let given = self.given(arrays)?;
        self.work(request.threads, control, |work| {
            reply(&self.index.tune(k, request.target, given, sample, work)?)
        })
    }

    fn verify(&self, json: &str, arrays: &[Array], control: &Control) -> Result<Reply, TercetError> {
        let request: IndexVerifyRequest = parse(json)?;
        let k = bounded("k", request.k, 1, LIMIT_MAX)?;
        let sample = bounded("sample", request.sample, 1, SAMPLE_MAX)?;
        let given = self.given(arrays)?;
        self.work(request.threads, control, |work| {
            reply(&self.index.verify(k, &request.effort, given, sample, work)?)
        })
    }
}

/// Many queries, searched side by side.
struct Batch<'a> {
    index: &'a VectorIndex,
    state: &'a State,
    queries: Vectors<'a>,
    ask: Ask<'a>,
    control: &'a Control,
}

/// What a piece of a batch writes to, and how it was answered.
struct Piece<'a> {
    rows: &'a mut [u32],
    scores: &'a mut [f32],
    outcome: Result<Outcome, TercetError>,
}

impl Batch<'_> {
    fn run(&self, threads: &Threads<'_>) -> Result<(Vec<u32>, Vec<f32>, Outcome), TercetError> {
        let (count, k) = (self.queries.count as usize, self.ask.k);
        let memory = |e| index_error(e, "(index)");
        let cells = count.saturating_mul(k);
        let mut rows = tercet_index::reserved(cells).map_err(memory)?;
        let mut scores = tercet_index::reserved(cells).map_err(memory)?;
        rows.resize(cells, u32::MAX);
        scores.resize(cells, f32::NEG_INFINITY);
        self.control.begin(count as u64);
        let at_once = match self.index.spec.kind.capabilities.exact {
            true => count.div_ceil(threads.threads()).clamp(1, QUERIES_SCANNED),
            false => QUERIES_WALKED,
        };
        let pieces = rows.chunks_mut(at_once * k).zip(scores.chunks_mut(at_once * k));
        let pieces: Vec<Mutex<Piece<'_>>> = pieces
            .map(|(rows, scores)| Mutex::new(Piece { rows, scores, outcome: Ok(Outcome::NONE) }))
            .collect();
        threads.run(pieces.len(), &|at| {
            let mut piece = pieces[at].lock().unwrap_or_else(PoisonError::into_inner);
            piece.outcome = if self.ask.time_limit_ms.is_none() && self.ask.exclude.len() <= EXCLUDED_FEW {
                self.together(at * at_once, &mut piece)
            } else {
                Scratch::with(|scratch| self.one_by_one(at * at_once, &mut piece, scratch))
            };
        });
        let mut all = Outcome::NONE;
        for piece in pieces {
            // The first failure in order of the queries, however many threads there were.
            all.join(&piece.into_inner().unwrap_or_else(PoisonError::into_inner).outcome?);
        }
        Ok((rows, scores, all))
    }

    /// The queries of a piece at once: what they share is done once.
    fn together(&self, first: usize, piece: &mut Piece<'_>) -> Result<Outcome, TercetError> {
        let k = self.ask.k;
        let queries = self.queries.part(first as u32, (piece.rows.len() / k) as u32);
        let count = u64::from(queries.count);
        // The share of the work that is done, as queries; of several parts the furthest.
        let told = AtomicU64::new(0);
        let tell = |done: u64| {
            let before = told.fetch_max(done, Ordering::Relaxed);
            self.control.step(done.saturating_sub(before))
        };
        let progress = |done: u64, total: u64| tell(done.min(total) * count / total.max(1)).is_ok();
        let work = Work { progress: &progress, ..Work::inline() };
        let outcome = self.index.search_many(self.state, queries, &self.ask, &work, |at, found| {
            let (rows, scores) = (piece.rows[at * k..].iter_mut(), piece.scores[at * k..].iter_mut());
            for ((row, score), found) in rows.zip(scores).zip(found) {
                (*row, *score) = (found.row, found.score);
            }
        })?;
        tell(count)?;
        Ok(outcome)
    }

    fn one_by_one(
        &self,
        first: usize,
        piece: &mut Piece<'_>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, TercetError> {
        let k = self.ask.k;
        let mut all = Outcome::NONE;
        let outputs = piece.rows.chunks_exact_mut(k).zip(piece.scores.chunks_exact_mut(k));
        for (at, (rows, scores)) in (first..).zip(outputs) {
            let Some(query) = self.queries.at(at as u32) else { break };
            let outcome = self.index.search(self.state, Query::Vector(query), &self.ask, scratch);
            all.join(&outcome.map_err(|e| e.position(at as u64))?);
            for ((row, score), found) in rows.iter_mut().zip(scores).zip(&scratch.found) {
                (*row, *score) = (found.row, found.score);
            }
        }
        self.control.step(piece.rows.len() as u64 / k as u64)?;
        Ok(all)
    }
}

fn integers<'a>(array: Option<&'a Array>, what: &str) -> Result<&'a [u32], TercetError> {
    match array {
        Some(Array::U32(values)) => Ok(values),
        _ => Err(TercetError::new(Code::Type, format!("{what} must come as a Uint32Array"))
            .field(what)
            .expected("a Uint32Array", "another array or none")),
    }
}

impl Handle for IndexHandle {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let index = &self.index;
        let vectors = arrays.first().map(Array::view);
        match verb {
            "searchBatch" => self.search_batch(&parse(json)?, &arrays, control),
            "add" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let (first, count) = self.work(threads, control, |work| index.add(vectors, work))?;
                reply(&IndexAddReply { first, count })
            }
            "update" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let rows = integers(arrays.first(), "rows")?;
                let vectors = arrays.get(1).map(Array::view);
                let (updated, missing) =
                    self.work(threads, control, |work| index.update(rows, vectors, work))?;
                reply(&IndexUpdateReply { updated, missing })
            }
            "remove" => {
                let _: IndexRemoveRequest = parse(json)?;
                let (removed, missing) = index.remove(integers(arrays.first(), "rows")?)?;
                reply(&IndexRemoveReply { removed, missing })
            }
            "vector" => self.vector(parse::<IndexVectorRequest>(json)?.row),
            "compact" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let map = self.work(threads, control, |work| index.compact(work))?;
                let rows = map.iter().filter(|row| **row != u32::MAX).count() as u32;
                let json = to_json(&IndexCompactReply { rows })?;
                Ok(Reply { json, arrays: vec![Array::U32(map)], handle: None })
            }
            "retrain" => {
                let IndexWorkRequest { threads } = parse(json)?;
                self.work(threads, control, |work| index.retrain(vectors, work))?;
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            "save" => {
                let request: IndexSaveRequest = parse(json)?;
                self.work(None, control, |work| index.save(&request.path, work))?;
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            "tune" => self.tune(json, &arrays, control),
            "verify" => self.verify(json, &arrays, control),
            "stats" => reply(&index.info(true)?),
            other => Err(unknown_verb(other, "an index")),
        }
    }

    fn estimate_us(&self, verb: &str, _json: &str, _arrays: &[Array]) -> u64 {
        match verb {
            "stats" | "vector" => 10,
            "searchBatch" | "tune" | "verify" => LONG_US,
            // They may wait for each other, or for the disk.
            _ => u64::MAX,
        }
    }

    fn search_into(&self, search: SearchInto<'_>) -> Result<usize, TercetError> {
        let SearchInto { query, k, rows, scores, settings, filter, exclude } = search;
        let room = rows.len().min(scores.len());
        if room < k {
            let message = format!("the result arrays hold {room}, fewer than k = {k}");
            return Err(
                TercetError::new(Code::Argument, message).expected(format!("at least {k}"), room.to_string())
            );
        }
        let index = &self.index;
        let state = index.state()?;
        let settings_in = Settings(settings);
        let ask = Ask {
            effort: settings_in.effort(index, &state, k)?,
            least: settings_in.least(),
            patience: settings_in.whole(setting::PATIENCE).map(|patience| patience as u32),
            time_limit_ms: settings_in.whole(setting::TIME_LIMIT_MS).map(|limit| limit as u64),
            allowed: filter.map_or(Allowed::All, Allowed::Words),
            exclude,
            ..Ask::new(k, Effort::Usual)
        };
        let query = match settings_in.row() {
            Some(row) => Query::Row(row),
            None => Query::Vector(index.spec.query(query)?),
        };
        Scratch::with(|scratch| {
            let outcome = index.search(&state, query, &ask, scratch)?;
            for ((row, score), found) in rows.iter_mut().zip(scores.iter_mut()).zip(&scratch.found) {
                (*row, *score) = (found.row, found.score);
            }
            answer(settings, &outcome);
            Ok(scratch.found.len())
        })
    }

    fn close(&self) {
        self.index.close();
    }
}

/// The caller's settings; where the array is too short, what it would say is left as usual.
struct Settings<'a>(&'a [f64]);

impl Settings<'_> {
    /// A setting that is above 0.
    #[inline]
    fn whole(&self, at: usize) -> Option<f64> {
        self.0.get(at).copied().filter(|value| *value > 0.0)
    }

    /// A number that is not 0: NaN and infinity are refused like any other wrong one.
    #[inline]
    fn given(&self, at: usize) -> Option<f64> {
        self.0.get(at).copied().filter(|value| *value != 0.0)
    }

    fn row(&self) -> Option<u32> {
        self.0.get(setting::ROW).filter(|row| **row >= 0.0).map(|row| *row as u32)
    }

    fn least(&self) -> f32 {
        self.0
            .get(setting::LEAST_SCORE)
            .filter(|least| !least.is_nan())
            .map_or(f32::NEG_INFINITY, |least| *least as f32)
    }

    #[inline]
    fn effort(&self, index: &VectorIndex, state: &State, k: usize) -> Result<Effort, TercetError> {
        let ef = self.0.get(setting::EF).copied().unwrap_or(0.0);
        let asked = IndexEffort {
            ef: if ef == 0.0 { None } else { Some(ef) },
            nprobe: self.given(setting::NPROBE),
            candidates: self.given(setting::CANDIDATES),
            recall: self.given(setting::RECALL),
            exact: ef < 0.0,
        };
        index.effort(state, &asked, k)
    }
}

/// Says how a search was answered, where there is room for it.
#[inline]
fn answer(settings: &mut [f64], outcome: &Outcome) {
    if let Some(out) = settings.get_mut(setting::EXACT..setting::COUNT) {
        out.copy_from_slice(&[
            f64::from(u8::from(outcome.exact)),
            f64::from(u8::from(outcome.complete)),
            f64::from(outcome.path as u8),
            outcome.counters.vectors_scored as f64,
            outcome.counters.hops as f64,
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_stand_where_the_settings_say() {
        let order = [
            setting::EXACT,
            setting::COMPLETE,
            setting::PATH,
            setting::DISTANCES,
            setting::HOPS,
            setting::COUNT,
        ];
        assert!(order.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }
}
