//! Ranking: each kind of query over all segments.

use tercet_index::{DenseSearch, TopK, Values};

use super::compile::Compiled;
use super::{Candidate, Context, by_rank, fuse, lexical};
use crate::wire::{Code, TercetError};

/// The candidates of a query, best first, and the rankings of its parts in the query's shape.
pub(crate) struct Ranking {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) exact: bool,
    pub(crate) parts: Vec<Ranking>,
}

impl Ranking {
    fn leaf(candidates: Vec<Candidate>, exact: bool) -> Self {
        Ranking { candidates, exact, parts: Vec::new() }
    }
}

/// The best `k` documents of a query.
pub(crate) fn rank(
    query: &Compiled<'_>,
    context: &mut Context<'_>,
    k: usize,
) -> Result<Ranking, TercetError> {
    match query {
        Compiled::Match(query) => Ok(Ranking::leaf(lexical::rank(query, context, k)?, true)),
        Compiled::Near { field, vector, k: most, .. } => near(*field, vector, context, k.min(*most)),
        Compiled::All => Ok(Ranking::leaf(all(context, k), true)),
        Compiled::Fuse { k: constant, weights, depth, parts } => {
            let parts =
                parts.iter().map(|part| rank(part, context, *depth)).collect::<Result<Vec<_>, _>>()?;
            let candidates = fuse::reciprocal_rank(&parts, weights, *constant, k);
            Ok(Ranking { candidates, exact: parts.iter().all(|part| part.exact), parts })
        }
    }
}

fn near(field: usize, vector: &[f32], context: &mut Context<'_>, k: usize) -> Result<Ranking, TercetError> {
    let mut exact = true;
    let mut found = Vec::new();
    for (at, part) in context.snapshot.parts.iter().enumerate() {
        let Some(reader) = part.segment.dense(field) else { continue };
        let mut top = TopK::new(k);
        let search =
            DenseSearch { allowed: context.allowed[at].as_ref(), ..DenseSearch::new(Values::F32(vector)) };
        let answered =
            reader.search(&search, &mut top, &mut context.counters).map_err(|e| part.segment.error(e))?;
        exact &= answered.exact;
        found.push((at as u32, top));
    }
    Ok(Ranking::leaf(best(found, k)?, exact))
}

/// The best `k` of the best of every segment.
pub(super) fn best(found: Vec<(u32, TopK)>, k: usize) -> Result<Vec<Candidate>, TercetError> {
    found.iter().try_for_each(|(_, top)| check_whole(top, k))?;
    let several = found.len() > 1;
    let mut all: Vec<Candidate> = found
        .into_iter()
        .flat_map(|(at, top)| {
            top.into_sorted().into_iter().map(move |s| Candidate { place: (at, s.row), score: s.score })
        })
        .collect();
    if several {
        all.sort_by(by_rank);
    }
    all.truncate(k);
    Ok(all)
}

/// A list that memory cut short is no answer.
pub(crate) fn check_whole(top: &TopK, k: usize) -> Result<(), TercetError> {
    if top.is_truncated() {
        let message = format!("not enough memory for the best {k}: {} were held", top.len());
        return Err(TercetError::new(Code::Memory, message));
    }
    Ok(())
}

fn all(context: &Context<'_>, k: usize) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (at, part) in context.snapshot.parts.iter().enumerate() {
        let candidate = |row| Candidate { place: (at as u32, row), score: 0.0 };
        let left = k - found.len();
        match &context.allowed[at] {
            None => found.extend((0..part.segment.rows).take(left).map(candidate)),
            Some(rows) => found.extend(rows.iter().take(left).map(candidate)),
        }
        if found.len() == k {
            break;
        }
    }
    found
}
