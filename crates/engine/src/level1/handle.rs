//! The verbs of a level-1 index.

use std::sync::Arc;

use tercet_index::Bitmap;

use super::{Spec, VectorIndex, rows};
use crate::api::{Array, Control, Handle, Reply};
use crate::search::{DEPTH_MAX, bounded};
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{
    Code, IndexAddReply, IndexBuildRequest, IndexCompactReply, IndexOpenRequest, IndexRemoveReply,
    IndexRemoveRequest, IndexSaveRequest, IndexSearchRequest, TercetError,
};

/// Queries between two looks at the control.
const QUERIES_PER_STEP: usize = 16;

/// The handle of a level-1 index.
pub(crate) struct IndexHandle(VectorIndex);

impl IndexHandle {
    /// `index.build`.
    pub(crate) fn build(
        env: &Arc<dyn tercet_store::Env>,
        json: &str,
        arrays: &[Array],
    ) -> Result<Reply, TercetError> {
        let request: IndexBuildRequest = parse(json)?;
        let spec = Spec { dims: request.dims, metric: request.metric, index: request.index };
        Self(VectorIndex::build(env.clone(), spec, floats(arrays, 0, "vectors")?)?).into_reply()
    }

    /// `index.open`.
    pub(crate) fn open(env: &Arc<dyn tercet_store::Env>, json: &str) -> Result<Reply, TercetError> {
        let request: IndexOpenRequest = parse(json)?;
        Self(VectorIndex::open(env.clone(), &request)?).into_reply()
    }

    fn into_reply(self) -> Result<Reply, TercetError> {
        let json = to_json(&self.0.info()?)?;
        Ok(Reply { json, arrays: Vec::new(), handle: Some(Arc::new(self)) })
    }

    fn search_batch(
        &self,
        request: &IndexSearchRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let index = &self.0;
        let k = bounded("k", request.k, 1, DEPTH_MAX)?;
        let queries = floats(arrays, 0, "queries")?;
        let dims = index.spec.dims as usize;
        if !queries.len().is_multiple_of(dims) {
            let expected = format!("a multiple of {dims} numbers");
            return Err(TercetError::new(
                Code::Dimension,
                format!("queries must come as {expected}, found {}", queries.len()),
            )
            .expected(expected, queries.len().to_string()));
        }
        let parts = index.parts()?;
        let allowed: Option<Vec<Bitmap>> = match request.filtered {
            true => {
                let filter = filter(rows(&parts), arrays)?;
                Some(parts.iter().map(|part| part.allowed(&filter)).collect())
            }
            false => None,
        };
        let count = queries.len() / dims;
        let memory = |e| crate::error::index_error(e, "(index)");
        let mut rows = tercet_index::reserved(count.saturating_mul(k)).map_err(memory)?;
        let mut scores = tercet_index::reserved(count.saturating_mul(k)).map_err(memory)?;
        control.begin(count as u64);
        for (at, query) in queries.chunks_exact(dims).enumerate() {
            let found = index.search(&parts, query, k, allowed.as_deref());
            let found = found.map_err(|e| e.position(at as u64))?;
            rows.extend(found.iter().map(|s| s.row));
            scores.extend(found.iter().map(|s| s.score));
            rows.resize((at + 1) * k, u32::MAX);
            scores.resize((at + 1) * k, f32::NEG_INFINITY);
            if (at + 1).is_multiple_of(QUERIES_PER_STEP) {
                control.step(QUERIES_PER_STEP as u64)?;
            }
        }
        Ok(Reply {
            json: String::from("{}"),
            arrays: vec![Array::U32(rows), Array::F32(scores)],
            handle: None,
        })
    }
}

fn floats<'a>(arrays: &'a [Array], at: usize, what: &str) -> Result<&'a [f32], TercetError> {
    match arrays.get(at) {
        Some(Array::F32(values)) => Ok(values),
        _ => Err(TercetError::new(Code::Type, format!("{what} must come as a Float32Array"))
            .field(what)
            .expected("a Float32Array", "another array or none")),
    }
}

fn integers<'a>(arrays: &'a [Array], at: usize, what: &str) -> Result<&'a [u32], TercetError> {
    match arrays.get(at) {
        Some(Array::U32(values)) => Ok(values),
        _ => Err(TercetError::new(Code::Type, format!("{what} must come as a Uint32Array"))
            .field(what)
            .expected("a Uint32Array", "another array or none")),
    }
}

/// The filter's bitmap: as many bits as rows were given out; missing words are zero.
fn filter(rows: u32, arrays: &[Array]) -> Result<Bitmap, TercetError> {
    let given = integers(arrays, 1, "filter")?;
    let mut words = vec![0u64; (rows as usize).div_ceil(64)];
    for (at, word) in given.iter().enumerate().take(words.len() * 2) {
        words[at / 2] |= u64::from(*word) << (32 * (at % 2));
    }
    Bitmap::from_words(rows, words).map_err(|e| TercetError::new(Code::Filter, e.to_string()))
}

impl Handle for IndexHandle {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let index = &self.0;
        match verb {
            "searchBatch" => self.search_batch(&parse(json)?, &arrays, control),
            "add" => {
                let (first, count) = index.add(floats(&arrays, 0, "vectors")?)?;
                reply(&IndexAddReply { first, count })
            }
            "remove" => {
                let _: IndexRemoveRequest = parse(json)?;
                let (removed, missing) = index.remove(integers(&arrays, 0, "rows")?)?;
                reply(&IndexRemoveReply { removed, missing })
            }
            "compact" => {
                let map = index.compact()?;
                let rows = map.iter().filter(|row| **row != u32::MAX).count() as u32;
                Ok(Reply {
                    json: to_json(&IndexCompactReply { rows })?,
                    arrays: vec![Array::U32(map)],
                    handle: None,
                })
            }
            "save" => {
                let request: IndexSaveRequest = parse(json)?;
                index.save(&request.path)?;
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            "stats" => reply(&index.info()?),
            other => Err(unknown_verb(other, "an index")),
        }
    }

    fn estimate_us(&self, verb: &str, _json: &str, _arrays: &[Array]) -> u64 {
        match verb {
            "stats" => 10,
            _ => u64::MAX,
        }
    }

    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        rows: &mut [u32],
        scores: &mut [f32],
    ) -> Result<usize, TercetError> {
        let room = rows.len().min(scores.len());
        if room < k {
            return Err(TercetError::new(
                Code::Argument,
                format!("the result arrays hold {room}, fewer than k = {k}"),
            )
            .expected(format!("at least {k}"), room.to_string()));
        }
        let found = self.0.search(&self.0.parts()?, query, k, None)?;
        for ((row, score), found) in rows.iter_mut().zip(scores.iter_mut()).zip(&found) {
            (*row, *score) = (found.row, found.score);
        }
        Ok(found.len())
    }

    fn close(&self) {
        self.0.close();
    }
}
