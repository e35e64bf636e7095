//! Ranking: each kind of query over all segments.

use tercet_index::TopK;

use super::compile::Compiled;
use super::{Candidate, Context, by_rank, expand, fuse, lexical, maxsim, near};
use crate::wire::{Code, SegmentStep, TercetError};

/// The candidates of a query, best first, and the rankings of its parts in the query's shape.
pub(crate) struct Ranking {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) exact: bool,
    /// No search was stopped before its end.
    pub(crate) complete: bool,
    /// How a `near` went, segment by segment.
    pub(crate) segments: Vec<SegmentStep>,
    pub(crate) parts: Vec<Ranking>,
}

impl Ranking {
    /// A ranking that is the true one.
    fn exact(candidates: Vec<Candidate>) -> Self {
        Ranking { candidates, exact: true, complete: true, segments: Vec::new(), parts: Vec::new() }
    }
}

/// The best `k` documents of a query.
pub(crate) fn rank(
    query: &Compiled<'_>,
    context: &mut Context<'_>,
    k: usize,
) -> Result<Ranking, TercetError> {
    match query {
        Compiled::Words(query) => Ok(Ranking::exact(lexical::rank(query, context, k)?)),
        Compiled::Near(query) => near::rank(query, context, k),
        Compiled::MaxSim(query) => maxsim::rank(query, context, k),
        Compiled::Expand(query) => expand::rank(query, context, k),
        Compiled::All => Ok(Ranking::exact(all(context, k))),
        Compiled::Fuse { k: constant, weights, depth, parts } => {
            let parts =
                parts.iter().map(|part| rank(part, context, *depth)).collect::<Result<Vec<_>, _>>()?;
            let candidates = fuse::reciprocal_rank(&parts, weights, *constant, k);
            let (exact, complete) =
                (parts.iter().all(|part| part.exact), parts.iter().all(|part| part.complete));
            Ok(Ranking { candidates, exact, complete, segments: Vec::new(), parts })
        }
    }
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
