//! Many queries at once, on as many threads as there are.

use super::reader::FlatReader;
use crate::dense::{Answered, DenseReader, DenseSearch, Work, elements_of_each};
use crate::{Counters, IndexError, TopK, Values};
use std::sync::Mutex;

/// What one task is given and gives back.
struct Task<'t> {
    /// The first query's place.
    first: usize,
    tops: &'t mut [TopK],
    counters: Counters,
    answered: Result<Answered, IndexError>,
}

pub(super) fn search(
    reader: &FlatReader,
    queries: Values<'_>,
    search: &DenseSearch<'_>,
    tops: &mut [TopK],
    counters: &mut Counters,
    work: &Work<'_>,
) -> Result<Answered, IndexError> {
    let elements = elements_of_each(queries, tops.len())?;
    let at_once = tops.len().div_ceil(work.parallel.threads().max(1)).max(1);
    let tasks: Vec<Mutex<Task<'_>>> = tops
        .chunks_mut(at_once)
        .enumerate()
        .map(|(at, tops)| Task {
            first: at * at_once,
            tops,
            counters: Counters::default(),
            answered: Ok(Answered::SCAN),
        })
        .map(Mutex::new)
        .collect();
    work.parallel.run(tasks.len(), &|at| {
        let Some(Ok(mut task)) = tasks.get(at).map(Mutex::lock) else { return };
        let task = &mut *task;
        task.answered =
            one_by_one(reader, queries, elements, search, (task.first, task.tops), &mut task.counters, work);
    });
    let mut all = Answered::SCAN;
    for task in tasks {
        let task = task.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        counters.vectors_scored += task.counters.vectors_scored;
        all = all.and(task.answered?);
    }
    Ok(all)
}

/// Each query by itself.
fn one_by_one(
    reader: &FlatReader,
    queries: Values<'_>,
    elements: usize,
    search: &DenseSearch<'_>,
    (first, tops): (usize, &mut [TopK]),
    counters: &mut Counters,
    work: &Work<'_>,
) -> Result<Answered, IndexError> {
    let mut all = Answered::SCAN;
    let total = queries.len().checked_div(elements).unwrap_or(0) as u64;
    for (at, top) in tops.iter_mut().enumerate() {
        let Some(query) = queries.at(first + at, elements) else { continue };
        all = all.and(reader.search(&DenseSearch { query, ..*search }, top, counters)?);
        work.step((first + at) as u64, total)?;
    }
    Ok(all)
}
