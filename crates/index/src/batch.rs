//! Many searches shared out over threads.

use crate::dense::{Answered, Parallel, Work, elements_of_each};
use crate::{Counters, IndexError, TopK, Values};
use std::sync::{Mutex, PoisonError};

/// Queries that one piece of work takes: few enough that threads end at about the same time.
const PIECE: usize = 16;

/// One search: the query, its collector, what is counted.
pub(crate) type One<'a> =
    dyn Fn(Values<'_>, &mut TopK, &mut Counters) -> Result<Answered, IndexError> + Sync + 'a;

/// Some collectors, and what their searches counted and answered.
type Piece<'t> = (usize, &'t mut [TopK], Counters, Result<Answered, IndexError>);

/// Searches for each query by itself.
pub(crate) fn share(
    queries: Values<'_>,
    tops: &mut [TopK],
    counters: &mut Counters,
    work: &Work<'_>,
    one: &One<'_>,
) -> Result<Answered, IndexError> {
    let elements = elements_of_each(queries, tops.len())?;
    let total = tops.len() as u64;
    let piece = |(at, tops)| Mutex::new((at * PIECE, tops, Counters::default(), Ok(Answered::SCAN)));
    let pieces: Vec<Mutex<Piece<'_>>> = tops.chunks_mut(PIECE).enumerate().map(piece).collect();
    work.parallel.run(pieces.len(), &|at| {
        let Some(piece) = pieces.get(at) else { return };
        let mut piece = piece.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, tops, counters, answered) = &mut *piece;
        *answered = work.step(*first as u64, total).and_then(|()| {
            tops.iter_mut().enumerate().try_fold(Answered::SCAN, |all, (at, top)| {
                match queries.at(*first + at, elements) {
                    Some(query) => Ok(all.and(one(query, top, counters)?)),
                    None => Ok(all),
                }
            })
        });
    });
    let mut all = Answered::SCAN;
    for piece in pieces {
        let (_, _, counted, answered) = piece.into_inner().unwrap_or_else(PoisonError::into_inner);
        counters.vectors_scored += counted.vectors_scored;
        counters.hops += counted.hops;
        all = all.and(answered?);
    }
    Ok(all)
}

/// `count` results of `make`, in order, made side by side in pieces.
pub(crate) fn in_parallel<T: Send>(
    parallel: &dyn Parallel,
    count: usize,
    piece: usize,
    make: &(dyn Fn(usize) -> T + Sync),
) -> Vec<T> {
    let pieces = count.div_ceil(piece.max(1));
    let made: Vec<Mutex<Vec<T>>> = (0..pieces).map(|_| Mutex::default()).collect();
    parallel.run(pieces, &|at| {
        let some: Vec<T> = (at * piece..count.min((at + 1) * piece)).map(make).collect();
        *made[at].lock().unwrap_or_else(PoisonError::into_inner) = some;
    });
    made.into_iter().flat_map(|some| some.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}
