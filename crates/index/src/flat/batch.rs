//! Many queries at once, on as many threads as there are: a product of two matrices, block by block.
//!
//! ```text
//! for each thread's queries:
//!   codes of all queries
//!   for a block of rows:                                  codes in the nearest cache
//!     codes of the rows
//!     for a few queries:
//!       sums = codes of the queries x codes of the rows   integers, exact
//!       integers: sums -> scores -> collectors
//!       floats: rows whose bound reaches the collector's threshold are compared as in a single search (`rough.rs`)
//! ```
//! What enters a collector is always the score of a single search, so the results are the same bits.

use super::compare::{Comparison, Scores, flip, integer_score};
use super::layout::Shape;
use super::query::{Prepared, Stage, prepare, with_scratch};
use super::reader::FlatReader;
use super::rough::{GROUP, RoughQuery, RoughRows, encode};
use super::scan::{Table, offer};
use super::vectors::{Vectors, View};
use crate::dense::{Answered, DenseReader, DenseSearch, Distance, Path, Work, elements_of_each};
use crate::sections::reserved;
use crate::values::Dtype;
use crate::{Bitmap, Counters, IndexError, TopK, Values};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tercet_kernels::kernels;

/// Fewer queries than this are searched for one by one: making codes of the rows costs as much as some scans.
const QUERIES_MIN: usize = 6;
/// The most components that sums of products of codes are made of without leaving 32 bits.
const DIMS_MAX: usize = 65_535;
/// Bytes of codes of the rows, and of the queries, that are multiplied at once.
const ROW_BYTES: usize = 24 << 10;
const QUERY_BYTES: usize = 12 << 10;

/// What one thread is given and gives back.
struct Task<'t> {
    /// The first query's place.
    first: usize,
    tops: &'t mut [TopK],
    counters: Counters,
    answered: Result<Answered, IndexError>,
}

/// What all tasks share.
struct Shared<'a> {
    reader: &'a FlatReader,
    queries: Values<'a>,
    /// Elements of a query.
    elements: usize,
    search: &'a DenseSearch<'a>,
    /// The allowed slots; `None`: all.
    slots: Option<&'a [u32]>,
    work: &'a Work<'a>,
    /// Pairs of a query and a row that are behind.
    done: AtomicU64,
    total: u64,
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
    let fits = |shape: Shape| shape.dtype != Dtype::Bits && shape.dims <= DIMS_MAX;
    let vectors = reader.alone(search).filter(|vectors| at_once >= QUERIES_MIN && fits(vectors.shape));
    let slots = match search.allowed {
        Some(allowed) if vectors.is_some() => Some(allowed_slots(reader.table()?, allowed)?),
        _ => None,
    };
    let rows = slots.as_ref().map_or(reader.len(), Vec::len);
    let shared = Shared {
        reader,
        queries,
        elements,
        search,
        slots: slots.as_deref(),
        work,
        done: AtomicU64::new(0),
        total: tops.len() as u64 * rows as u64,
    };
    let task = |(at, tops)| Task {
        first: at * at_once,
        tops,
        counters: Counters::default(),
        answered: Ok(Answered::SCAN),
    };
    let tasks: Vec<_> = tops.chunks_mut(at_once).enumerate().map(|part| Mutex::new(task(part))).collect();
    work.parallel.run(tasks.len(), &|at| {
        let Some(Ok(mut task)) = tasks.get(at).map(Mutex::lock) else { return };
        task.answered = match vectors {
            Some(vectors) => shared.tiles(vectors, &mut task),
            None => shared.one_by_one(&mut task, 0..at_once),
        };
    });
    let mut all = Answered::SCAN;
    for task in tasks {
        let task = task.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        counters.vectors_scored += task.counters.vectors_scored;
        all = all.and(task.answered?);
    }
    Ok(all)
}

/// The slots of allowed rows, ascending.
fn allowed_slots(table: Table<'_>, allowed: &Bitmap) -> Result<Vec<u32>, IndexError> {
    let is = |slot: &usize| table.row(*slot).is_some_and(|row| allowed.contains(row));
    let mut slots = reserved((allowed.count() as usize).min(table.count))?;
    match table.slots {
        None => slots.extend(allowed.iter().take_while(|&row| (row as usize) < table.count)),
        Some(_) => slots.extend((0..table.count).filter(is).take(slots.capacity()).map(|slot| slot as u32)),
    }
    Ok(slots)
}

/// A query of a batch.
struct Query {
    /// Its place among the task's.
    at: usize,
    how: How,
}

/// How the sums of products of its codes become scores.
enum How {
    /// By what its sums add and, for cosine, the reciprocal of its length.
    Exactly { base: u32, unit: f32 },
    /// By a bound, then by its numbers.
    Roughly(RoughQuery),
}

/// The queries of a task, made ready.
#[derive(Default)]
struct Queries {
    ready: Vec<Query>,
    /// The codes of those, one after the other.
    codes: Vec<i8>,
    /// Their numbers, where they are compared roughly.
    numbers: Vec<f32>,
    /// The places of those that have no codes.
    alone: Vec<usize>,
}

/// A block of rows.
#[derive(Default)]
struct Block {
    codes: Vec<u8>,
    rough: RoughRows,
    wide: Vec<f32>,
    sums: Vec<i32>,
}

impl Shared<'_> {
    /// The queries in a range of the task's, each by itself.
    fn one_by_one(
        &self,
        task: &mut Task<'_>,
        places: impl IntoIterator<Item = usize>,
    ) -> Result<Answered, IndexError> {
        let mut all = Answered::SCAN;
        let each = self.total.checked_div((self.queries.len() / self.elements.max(1)) as u64).unwrap_or(0);
        for at in places {
            let (Some(top), Some(query)) =
                (task.tops.get_mut(at), self.queries.at(task.first + at, self.elements))
            else {
                continue;
            };
            all = all.and(self.reader.search(
                &DenseSearch { query, ..*self.search },
                top,
                &mut task.counters,
            )?);
            self.step(each)?;
        }
        Ok(all)
    }

    fn step(&self, pairs: u64) -> Result<(), IndexError> {
        self.work.step(self.done.fetch_add(pairs, Ordering::Relaxed) + pairs, self.total)
    }

    /// Makes the task's queries ready.
    fn queries(&self, shape: Shape, task: &Task<'_>) -> Result<Queries, IndexError> {
        let stride = stride(shape);
        let codes = reserved(task.tops.len().saturating_mul(stride))?;
        let mut queries = Queries { codes, ..Queries::default() };
        for at in (0..task.tops.len()).filter(|&at| task.tops[at].k() > 0) {
            let Some(query) = self.queries.at(task.first + at, self.elements) else { continue };
            let how = with_scratch(|scratch| match prepare(shape, query, scratch)?.0 {
                Prepared::Codes { codes, base, unit } => {
                    queries.codes.extend_from_slice(codes);
                    Some(How::Exactly { base, unit })
                }
                Prepared::Floats(numbers) if is_float(shape) => {
                    let start = queries.codes.len();
                    queries.codes.resize(start + stride, 0);
                    let rough =
                        RoughQuery::new(numbers, shape.metric == Distance::L2, &mut queries.codes[start..]);
                    match rough {
                        Some(_) => queries.numbers.extend_from_slice(numbers),
                        None => queries.codes.truncate(start),
                    }
                    rough.map(How::Roughly)
                }
                _ => None,
            });
            match how {
                Some(how) => queries.ready.push(Query { at, how }),
                None => queries.alone.push(at),
            }
        }
        Ok(queries)
    }

    /// All of the task's queries, by tiles.
    fn tiles(&self, vectors: &Vectors, task: &mut Task<'_>) -> Result<Answered, IndexError> {
        let queries = self.queries(vectors.shape, task)?;
        let mut all = self.one_by_one(task, queries.alone.iter().copied())?;
        let (table, view) = (self.reader.table()?, vectors.view()?);
        let stride = stride(view.shape);
        let rows = self.slots.map_or(table.count, <[u32]>::len);
        let rows_at_once = (ROW_BYTES / stride / GROUP * GROUP).clamp(GROUP, 8 * GROUP);
        let queries_at_once = (QUERY_BYTES / stride).max(4);
        let (mut block, mut stage) = (Block::default(), Stage::default());
        block.sums.resize(rows_at_once * queries_at_once, 0);
        for start in (0..rows).step_by(rows_at_once) {
            if self.search.stop.is_some_and(|stop| stop()) {
                all = all.and(Answered { exact: false, complete: false, path: Path::Scan });
                break;
            }
            let count = rows_at_once.min(rows - start);
            let places = Places { table, slots: self.slots, start, count };
            block.lay(view, places);
            let parts =
                queries.ready.chunks(queries_at_once).zip(queries.codes.chunks(queries_at_once * stride));
            for (part, (ready, codes)) in parts.enumerate() {
                let sums = &mut block.sums[..ready.len() * count];
                (kernels().u8().tile)(codes, &block.codes[..count * stride], stride, sums);
                let first = part * queries_at_once;
                for (at, (query, sums)) in ready.iter().zip(sums.chunks_exact(count)).enumerate() {
                    let top = &mut task.tops[query.at];
                    match &query.how {
                        How::Exactly { base, unit } => exactly(view, (*base, *unit), places, sums, top),
                        How::Roughly(rough) => {
                            let dims = view.shape.dims;
                            let numbers = &queries.numbers[(first + at) * dims..(first + at + 1) * dims];
                            let mut comparison =
                                Comparison::new(view, (Prepared::Floats(numbers), &mut stage));
                            roughly(rough, &block.rough, &mut comparison, places, sums, top);
                        }
                    }
                }
            }
            task.counters.vectors_scored += (queries.ready.len() * count) as u64;
            self.step((queries.ready.len() * count) as u64)?;
        }
        Ok(all)
    }
}

/// Which slots a block holds.
#[derive(Clone, Copy)]
struct Places<'a> {
    table: Table<'a>,
    slots: Option<&'a [u32]>,
    start: usize,
    count: usize,
}

impl Places<'_> {
    #[inline]
    fn slot(self, at: usize) -> usize {
        self.slots.map_or(self.start + at, |slots| slots[self.start + at] as usize)
    }
}

impl Block {
    /// Lays out the codes of the block's rows, and for floats what bounds their scores.
    fn lay(&mut self, view: View<'_>, places: Places<'_>) {
        let stride = stride(view.shape);
        let dims = view.shape.dims;
        let l2 = view.shape.metric == Distance::L2;
        let flip = flip(view.shape.dtype);
        self.codes.resize(places.count * stride, 0);
        self.rough.clear();
        for (at, codes) in self.codes.chunks_exact_mut(stride).enumerate() {
            let slot = places.slot(at);
            let row = match view.vectors(slot, 1) {
                Values::F32(row) => row,
                Values::F16(row) => {
                    self.wide.resize(dims, 0.0);
                    tercet_kernels::f16s_to_f32s(row, &mut self.wide);
                    &self.wide
                }
                integers => {
                    let bytes = integers.as_bytes();
                    codes.iter_mut().zip(bytes).for_each(|(code, byte)| *code = byte ^ flip);
                    continue;
                }
            };
            let norm = view.norms.map_or(1.0, |norms| norms[slot]);
            self.rough.push(row, encode(row, codes), norm, l2);
        }
    }
}

/// Offers the scores of integers.
fn exactly(view: View<'_>, (base, unit): (u32, f32), places: Places<'_>, sums: &[i32], top: &mut TopK) {
    let mut scores = [0.0; GROUP];
    for (group, sums) in sums.chunks(GROUP).enumerate() {
        let scores = &mut scores[..sums.len()];
        for (at, (score, &sum)) in scores.iter_mut().zip(sums).enumerate() {
            let slot = places.slot(group * GROUP + at);
            let term = view.terms.map_or(0, |terms| terms[slot]);
            let norm = view.norms.map_or(1.0, |norms| norms[slot] * unit);
            *score = integer_score(view.shape, sum, base, term) * norm;
        }
        offer(top, scores, |at| places.table.row(places.slot(group * GROUP + at)));
    }
}

/// Offers the scores of the rows that may enter.
fn roughly(
    query: &RoughQuery,
    rows: &RoughRows,
    comparison: &mut Comparison<'_>,
    places: Places<'_>,
    sums: &[i32],
    top: &mut TopK,
) {
    let (mut slots, mut scores) = ([0; GROUP], [0.0; GROUP]);
    let mut floor = top.floor();
    for (group, part) in sums.chunks(GROUP).enumerate() {
        let mut mask = match part.first_chunk() {
            Some(sums) => query.candidates(rows, group, sums, floor),
            None => {
                let mut sums = [0; GROUP];
                sums[..part.len()].copy_from_slice(part);
                query.candidates(rows, group, &sums, floor) & ((1 << part.len()) - 1)
            }
        };
        if mask == 0 {
            continue;
        }
        let mut held = 0;
        while mask != 0 {
            slots[held] = places.slot(group * GROUP + mask.trailing_zeros() as usize) as u32;
            held += 1;
            mask &= mask - 1;
        }
        comparison.gather(&slots[..held], &mut scores[..held]);
        offer(top, &scores[..held], |at| places.table.row(slots[at] as usize));
        floor = top.floor();
    }
}

fn is_float(shape: Shape) -> bool {
    matches!(shape.dtype, Dtype::F32 | Dtype::F16)
}

/// Bytes of a row of codes.
fn stride(shape: Shape) -> usize {
    shape.dims.next_multiple_of(32)
}
