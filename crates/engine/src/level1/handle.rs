//! The verbs of a level-1 index.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tercet_index::{Bitmap, Parallel as _, Work};
use tercet_store::Env;

use super::content::{Asked, Content};
use super::dense::Dense;
use super::multi::Multi;
use super::search::{Allowed, Ask, EXCLUDED_FEW, Outcome, Query, Scratch};
use super::sparse::Sparse;
use super::{Index, State, file};
use crate::api::{Array, Control, Executor, Handle, Reply, SearchInto, Threads, setting};
use crate::error::index_error;
use crate::offsets::integers;
use crate::search::{DEPTH_MAX, LIMIT_MAX, bounded};
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{
    Code, IndexAddReply, IndexBuildRequest, IndexCompactReply, IndexEffort, IndexOpenRequest,
    IndexRemoveReply, IndexRemoveRequest, IndexSaveRequest, IndexSearchRequest, IndexTuneRequest,
    IndexUpdateReply, IndexVectorRequest, IndexVerifyRequest, IndexWorkRequest, MultiBuildRequest,
    SparseBuildRequest, TercetError, TermsIndexSpec, TokenReading, TokensIndexSpec,
};

/// The most queries that are measured.
const SAMPLE_MAX: i64 = 100_000;
/// A call that computes: more than any thread of JavaScript should wait for, and not for the pool of waiting calls.
const LONG_US: u64 = u64::MAX - 1;

/// The handle of a level-1 index.
struct IndexHandle<C: Content> {
    index: Index<C>,
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

/// The verbs of the root that build an index; `None`: another verb.
pub(crate) fn build(
    verb: &str,
    env: &Arc<dyn Env>,
    executor: Option<&Arc<dyn Executor>>,
    json: &str,
    arrays: &[Array],
    control: &Control,
) -> Option<Result<Reply, TercetError>> {
    let door = Door { env, executor, control };
    Some(match verb {
        "index.build" => parse(json).and_then(|request| {
            let IndexBuildRequest { dims, metric, dtype, index, queries, threads } = request;
            let spec = Dense::new(dims, metric, dtype, index)?;
            let queries = queries.then(|| spec.queries("queries", arrays.get(1..).unwrap_or_default()));
            door.build(&spec, arrays, queries.transpose()?, threads)
        }),
        "index.buildSparse" => parse(json).and_then(|SparseBuildRequest { index, threads }| {
            door.build(&Sparse::new(index)?, arrays, None, threads)
        }),
        "index.buildMulti" => parse(json).and_then(|MultiBuildRequest { index, threads }| {
            door.build(&Multi::new(index)?, arrays, None, threads)
        }),
        _ => return None,
    })
}

/// `index.open`.
pub(crate) fn open(
    env: &Arc<dyn Env>,
    executor: Option<&Arc<dyn Executor>>,
    json: &str,
) -> Result<Reply, TercetError> {
    let IndexOpenRequest { path, index, spare } = parse(json)?;
    let (file, found) = file::opened(env.as_ref(), &path)?;
    let expected = index.kind;
    if found != expected {
        let message = format!("{path} holds a {found} index, expected a {expected} index");
        return Err(TercetError::new(Code::Type, message).file(&path).expected(expected, found));
    }
    let (env, executor) = (env.clone(), executor.cloned());
    match expected.as_str() {
        TermsIndexSpec::NAME => {
            IndexHandle { index: Index::<Sparse>::open(env, &path, file, spare)?, executor }.into_reply()
        }
        TokensIndexSpec::NAME => {
            IndexHandle { index: Index::<Multi>::open(env, &path, file, spare)?, executor }.into_reply()
        }
        _ => IndexHandle { index: Index::<Dense>::open(env, &path, file, spare)?, executor }.into_reply(),
    }
}

/// What a new index is given beside its values.
struct Door<'a> {
    env: &'a Arc<dyn Env>,
    executor: Option<&'a Arc<dyn Executor>>,
    control: &'a Control,
}

impl Door<'_> {
    fn build<C: Content>(
        &self,
        spec: &C,
        arrays: &[Array],
        queries: Option<C::Values<'_>>,
        threads: Option<u32>,
    ) -> Result<Reply, TercetError> {
        let values = spec.values(C::NAMED, &arrays[..arrays.len().min(C::ARRAYS)])?;
        let index = with_work(self.executor, threads, self.control, |work| {
            Index::build(self.env.clone(), spec.clone(), values, queries, work)
        })?;
        IndexHandle { index, executor: self.executor.cloned() }.into_reply()
    }
}

impl<C: Content> IndexHandle<C> {
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
        let (queries, beside) = arrays.split_at(arrays.len().min(C::ARRAYS));
        let queries = self.index.spec.queries("queries", queries)?;
        let mut beside = beside.iter();
        let filter = if request.filtered { Some(integers(beside.next(), "filter")?) } else { None };
        let exclude = if request.excluded { integers(beside.next(), "exclude")? } else { &[] };
        let ready: Option<Vec<Bitmap>> =
            filter.map(|words| state.parts.iter().map(|part| part.allowed(words, Vec::new())).collect());
        let asked = Asked {
            effort: request.effort,
            patience: request.patience.map(|patience| patience as u32),
            reading: request.reading,
        };
        let ask = Ask {
            k,
            way: self.index.way(&state, &asked, k)?,
            least: request.least_score.map_or(f32::NEG_INFINITY, |least| least as f32),
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
        let arrays = match state.find(row) {
            None => Vec::new(),
            Some((part, own)) => {
                let stored = self.index.spec.stored(&part.stored.reader, own);
                stored.map_err(|e| index_error(e, part.stored.file.label()))?.unwrap_or_default()
            }
        };
        Ok(Reply { json: String::from("{}"), arrays, handle: None })
    }

    /// Queries to measure with, where some are given.
    fn given<'a>(&self, arrays: &'a [Array]) -> Result<Option<C::Values<'a>>, TercetError> {
        (!arrays.is_empty()).then(|| self.index.spec.queries("queries", arrays)).transpose()
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
            let asked = Asked { effort: request.effort, ..Asked::default() };
            reply(&self.index.verify(k, &asked, given, sample, work)?)
        })
    }
}

/// Many queries, searched side by side.
struct Batch<'a, C: Content> {
    index: &'a Index<C>,
    state: &'a State<C>,
    queries: C::Values<'a>,
    ask: Ask<'a, C>,
    control: &'a Control,
}

/// What a piece of a batch writes to, and how it was answered.
struct Piece<'a> {
    rows: &'a mut [u32],
    scores: &'a mut [f32],
    outcome: Result<Outcome, TercetError>,
}

impl<C: Content> Batch<'_, C> {
    fn run(&self, threads: &Threads<'_>) -> Result<(Vec<u32>, Vec<f32>, Outcome), TercetError> {
        let (count, k) = (C::count(&self.queries) as usize, self.ask.k);
        let memory = |e| index_error(e, "(index)");
        let cells = count.saturating_mul(k);
        let mut rows = tercet_index::reserved(cells).map_err(memory)?;
        let mut scores = tercet_index::reserved(cells).map_err(memory)?;
        rows.resize(cells, u32::MAX);
        scores.resize(cells, f32::NEG_INFINITY);
        self.control.begin(count as u64);
        let at_once = self.index.spec.at_once(count.div_ceil(threads.threads()));
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
        let queries = C::part(&self.queries, first as u32, (piece.rows.len() / k) as u32);
        let count = u64::from(C::count(&queries));
        // The share of the work that is done, as queries; of several parts the furthest.
        let told = AtomicU64::new(0);
        let tell = |done: u64| {
            let before = told.fetch_max(done, Ordering::Relaxed);
            self.control.step(done.saturating_sub(before))
        };
        let progress = |done: u64, total: u64| tell(done.min(total) * count / total.max(1)).is_ok();
        let work = Work { progress: &progress, ..Work::inline() };
        let outcome = self.index.search_many(self.state, &queries, &self.ask, &work, |at, found| {
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
            let query = self.index.spec.query(&self.queries, at as u32, &self.ask.way)?;
            let outcome = self.index.search(self.state, Query::Value(&query), &self.ask, scratch);
            all.join(&outcome.map_err(|e| e.position(at as u64))?);
            for ((row, score), found) in rows.iter_mut().zip(scores).zip(&scratch.found) {
                (*row, *score) = (found.row, found.score);
            }
        }
        self.control.step(piece.rows.len() as u64 / k as u64)?;
        Ok(all)
    }
}

impl<C: Content> Handle for IndexHandle<C> {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let index = &self.index;
        match verb {
            "searchBatch" => self.search_batch(&parse(json)?, &arrays, control),
            "add" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let values = index.spec.values(C::NAMED, &arrays)?;
                let (first, count, now) = self.work(threads, control, |work| index.add(values, work))?;
                reply(&IndexAddReply { first, count, now })
            }
            "update" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let rows = integers(arrays.first(), "rows")?;
                let values = index.spec.values(C::NAMED, arrays.get(1..).unwrap_or_default())?;
                let (updated, missing, now) =
                    self.work(threads, control, |work| index.update(rows, values, work))?;
                reply(&IndexUpdateReply { updated, missing, now })
            }
            "remove" => {
                let _: IndexRemoveRequest = parse(json)?;
                let (removed, missing, now) = index.remove(integers(arrays.first(), "rows")?)?;
                reply(&IndexRemoveReply { removed, missing, now })
            }
            "vector" => self.vector(parse::<IndexVectorRequest>(json)?.row),
            "compact" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let (map, now) = self.work(threads, control, |work| index.compact(work))?;
                let rows = map.iter().filter(|row| **row != u32::MAX).count() as u32;
                let json = to_json(&IndexCompactReply { rows, now })?;
                Ok(Reply { json, arrays: vec![Array::U32(map)], handle: None })
            }
            "retrain" => {
                let IndexWorkRequest { threads } = parse(json)?;
                let queries = self.given(&arrays)?;
                reply(&self.work(threads, control, |work| index.retrain(queries, work))?)
            }
            "save" => {
                let request: IndexSaveRequest = parse(json)?;
                self.work(None, control, |work| index.save(&request.path, work))?;
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            "tune" => self.tune(json, &arrays, control),
            "verify" => self.verify(json, &arrays, control),
            "stats" => reply(&index.info(true)?),
            other => {
                C::verb(index, other, json, &arrays).unwrap_or_else(|| Err(unknown_verb(other, "an index")))
            }
        }
    }

    fn estimate_us(&self, verb: &str, _json: &str, _arrays: &[Array]) -> u64 {
        match verb {
            "stats" | "vector" => 10,
            "align" => 100,
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
        let way = index.way(&state, &settings_in.asked(), k)?;
        let checked = match settings_in.row() {
            Some(_) => None,
            None => Some(index.spec.query_of(query, &way)?),
        };
        let ask = Ask {
            least: settings_in.least(),
            time_limit_ms: settings_in.whole(setting::TIME_LIMIT_MS).map(|limit| limit as u64),
            allowed: filter.map_or(Allowed::All, Allowed::Words),
            exclude,
            ..Ask::new(k, way)
        };
        let query = match &checked {
            Some(query) => Query::Value(query),
            None => Query::Row(settings_in.row().unwrap_or(u32::MAX)),
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

    fn is(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|value| *value == 1.0)
    }

    #[inline]
    fn asked(&self) -> Asked {
        let ef = self.0.get(setting::EF).copied().unwrap_or(0.0);
        let effort = IndexEffort {
            ef: if ef <= 0.0 { None } else { Some(ef) },
            nprobe: self.given(setting::NPROBE),
            candidates: self.given(setting::CANDIDATES),
            recall: self.given(setting::RECALL),
            alpha: self.given(setting::ALPHA),
            beta: self.given(setting::BETA),
            cells: self.given(setting::CELLS),
            exact: ef < 0.0,
        };
        let reading = TokenReading {
            mean: self.is(setting::MEAN),
            carve: self.0.get(setting::CARVE).copied().filter(|least| !least.is_nan()),
            units: self.is(setting::UNITS),
            weighted: self.is(setting::WEIGHTED),
        };
        Asked { effort, patience: self.whole(setting::PATIENCE).map(|patience| patience as u32), reading }
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
            outcome.counters.postings_scored as f64,
            outcome.counters.blocks_bounded as f64,
            outcome.counters.blocks_scored as f64,
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
            setting::POSTINGS,
            setting::BLOCKS_BOUNDED,
            setting::BLOCKS_SCORED,
            setting::COUNT,
        ];
        assert!(order.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    }
}
