//! Writes the sections of one segment from its rows. Building, merging and the full check all end here, which is why a
//! merged segment equals one that was built in one go, byte for byte.
//!
//! The rows are gone through several times: once to know the terms that are there and what their weights need, once for
//! each section of the forward index, and once for each range of terms whose lists are held at a time.

use super::levels::{LEVELS, level};
use super::{INFO, VERSION};
use crate::dense::Work;
use crate::sections::{reserved, zeros};
use crate::sparse::input::Place;
use crate::sparse::seam::SparseSpec;
use crate::sparse::stored::{put_weights, width_of};
use crate::sparse::terms;
use crate::{ArraySink, IndexError, SectionSink};
use std::ops::Range;

/// Postings of lists that are held at a time.
const HELD: u64 = 4 << 20;
/// Bytes of weights that are held at a time.
const HELD_BYTES: usize = 64 << 10;
/// Rows between two looks at whether to go on.
const STEP: u32 = 4_096;
/// The least that a list keeps where nothing is said; more than that by the square root of the rows. Shorter lists take away
/// what frequent terms add, longer ones what rare terms tell: at equal work recall is best about here, at 100,000 rows and at
/// 500,000.
const LISTED_LEAST: u32 = 1_000;
const LISTED_OF_ROOT: u32 = 3;

/// Takes a row, its terms, ascending, and their weights.
pub(super) type EachRow<'a> = dyn FnMut(u32, &[u32], &[f32]) -> Result<(), IndexError> + 'a;

/// The rows of a segment that have a vector.
pub(super) trait Rows {
    /// Calls back with every row, rows ascending. May be asked again and gives the same.
    fn each(&self, visit: &mut EachRow<'_>) -> Result<(), IndexError>;
}

/// The postings that a list keeps, at most, when it has none that must stay.
pub(super) fn listed_max(spec: &SparseSpec, rows: u32) -> u32 {
    if spec.listed > 0 { spec.listed } else { LISTED_LEAST.max(rows.isqrt() * LISTED_OF_ROOT) }
}

/// What is known of the terms.
struct Known {
    terms: Vec<u32>,
    place: Place,
    counts: Vec<u32>,
    largest: Vec<f32>,
    width: usize,
    postings: u64,
}

/// `candidates`: terms, ascending, among which are all that the rows have.
pub(super) fn write(
    spec: &SparseSpec,
    rows: u32,
    candidates: Vec<u32>,
    source: &dyn Rows,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let known = look(candidates, source, work)?;
    let bits = terms::write(sink, &known.terms)?;
    write_forward(rows, &known, source, sink)?;
    work.step(1, 3)?;
    let most = listed_max(spec, rows);
    let (infos, listed) = write_lists(&known, most, source, sink, work)?;
    sink.begin("infos")?;
    sink.write(bytemuck::cast_slice(infos.as_flattened()))?;
    let halves = |value: u64| [value as u32, (value >> 32) as u32];
    let ([low, high], [listed_low, listed_high]) = (halves(known.postings), halves(listed));
    let count = known.terms.len() as u32;
    let meta = [VERSION, known.width as u32, rows, count, bits, low, high, listed_low, listed_high, most];
    sink.begin("meta")?;
    sink.write(bytemuck::cast_slice(&meta))
}

fn look(candidates: Vec<u32>, source: &dyn Rows, work: &Work<'_>) -> Result<Known, IndexError> {
    let place = Place::new(&candidates, candidates.len().saturating_mul(8))?;
    let (mut counts, mut largest) = (zeros::<u32>(candidates.len())?, zeros::<f32>(candidates.len())?);
    let (mut width, mut postings) = (1, 0u64);
    source.each(&mut |row, terms, weights| {
        if row.is_multiple_of(STEP) {
            work.step(0, 3)?;
        }
        for (&term, &weight) in terms.iter().zip(weights) {
            let at = place.of(&candidates, term);
            if candidates.get(at) != Some(&term) {
                return Err(IndexError::corrupt(
                    "terms",
                    format!("term {term} of row {row} is not among them"),
                ));
            }
            counts[at] += 1;
            largest[at] = largest[at].max(weight);
            width = width.max(width_of(weight));
        }
        postings += terms.len() as u64;
        Ok(())
    })?;
    if postings > u64::from(u32::MAX) {
        return Err(IndexError::too_large("postings of a segment", u32::MAX.into()));
    }
    let there = |at: &usize| counts[*at] > 0;
    let kept: Vec<usize> = (0..candidates.len()).filter(there).collect();
    let terms: Vec<u32> = kept.iter().map(|&at| candidates[at]).collect();
    let place = Place::new(&terms, terms.len().saturating_mul(8))?;
    let counts = kept.iter().map(|&at| counts[at]).collect();
    let largest = kept.iter().map(|&at| largest[at]).collect();
    Ok(Known { terms, place, counts, largest, width, postings })
}

fn write_forward(
    rows: u32,
    known: &Known,
    source: &dyn Rows,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let mut ends = ArraySink::<u32>::begin(sink, "ends")?;
    let (mut next, mut end) = (0, 0u32);
    source.each(&mut |row, terms, _| {
        (next..row).try_for_each(|_| ends.push(end))?;
        next = row + 1;
        end += terms.len() as u32;
        ends.push(end)
    })?;
    (next..rows).try_for_each(|_| ends.push(end))?;
    ends.flush()?;
    let place = |term: u32| known.place.of(&known.terms, term) as u32;
    if is_narrow(known.terms.len()) {
        let mut places = ArraySink::<u16>::begin(sink, "places")?;
        source.each(&mut |_, terms, _| terms.iter().try_for_each(|&term| places.push(place(term) as u16)))?;
        places.flush()?;
    } else {
        let mut places = ArraySink::<u32>::begin(sink, "places")?;
        source.each(&mut |_, terms, _| terms.iter().try_for_each(|&term| places.push(place(term))))?;
        places.flush()?;
    }
    sink.begin("weights")?;
    let mut held = Vec::new();
    source.each(&mut |_, _, weights| {
        put_weights(known.width, weights, &mut held);
        if held.len() >= HELD_BYTES {
            sink.write(&held)?;
            held.clear();
        }
        Ok(())
    })?;
    sink.write(&held)
}

/// Whether places of so many terms are u16.
pub(super) fn is_narrow(terms: usize) -> bool {
    terms <= 1 << 16
}

/// Writes `listed`; what `infos` says of the lists, and the postings in them.
fn write_lists(
    known: &Known,
    most: u32,
    source: &dyn Rows,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(Vec<[u32; INFO]>, u64), IndexError> {
    let mut infos: Vec<[u32; INFO]> = reserved(known.terms.len())?;
    let mut listed = ArraySink::<u32>::begin(sink, "listed")?;
    let (mut from, mut written) = (0, 0u64);
    let mut lists = Lists::default();
    while from < known.terms.len() {
        let mut postings = 0;
        let fits = |&at: &usize| {
            postings += u64::from(known.counts[at]);
            at == from || postings <= HELD
        };
        let to = (from..known.terms.len()).take_while(fits).last().map_or(from + 1, |last| last + 1);
        work.step((known.terms.len() + 2 * from) as u64, 3 * known.terms.len() as u64)?;
        lists.gather(known, from..to, source)?;
        for at in from..to {
            let ends = lists.levels(at - from, known.largest[at], most);
            for &row in &lists.out {
                listed.push(row)?;
            }
            let mut info = [0; INFO];
            (info[0], info[1]) = (written as u32, (written >> 32) as u32);
            (info[2], info[3]) = (known.counts[at], known.largest[at].to_bits());
            info[4..].copy_from_slice(&ends);
            infos.push(info);
            written += lists.out.len() as u64;
        }
        from = to;
    }
    listed.flush()?;
    Ok((infos, written))
}

/// A posting in the making.
#[derive(Clone, Copy, Default)]
struct Posting {
    row: u32,
    weight: f32,
    /// It is its row's heaviest.
    stays: bool,
}

/// The lists of a range of terms.
#[derive(Default)]
struct Lists {
    ends: Vec<usize>,
    postings: Vec<Posting>,
    kept: Vec<Posting>,
    /// The rows of the list that was cut last.
    out: Vec<u32>,
}

impl Lists {
    fn gather(&mut self, known: &Known, range: Range<usize>, source: &dyn Rows) -> Result<(), IndexError> {
        let mut next: Vec<usize> = reserved(range.len())?;
        self.ends.clear();
        let mut total = 0;
        for &count in &known.counts[range.clone()] {
            next.push(total);
            total += count as usize;
            self.ends.push(total);
        }
        self.postings = zeros(total)?;
        source.each(&mut |row, terms, weights| {
            let mut heaviest = (0.0, usize::MAX);
            for (at, (&term, &weight)) in terms.iter().zip(weights).enumerate() {
                let place = known.place.of(&known.terms, term);
                let share = weight / known.largest[place];
                if share > heaviest.0 {
                    heaviest = (share, at);
                }
            }
            for (at, (&term, &weight)) in terms.iter().zip(weights).enumerate() {
                let place = known.place.of(&known.terms, term);
                let Some(next) = place.checked_sub(range.start).and_then(|at| next.get_mut(at)) else {
                    continue;
                };
                if let Some(posting) = self.postings.get_mut(*next) {
                    *posting = Posting { row, weight, stays: at == heaviest.1 };
                }
                *next += 1;
            }
            Ok(())
        })
    }

    /// Prunes a list and orders it by level; where each level ends.
    fn levels(&mut self, at: usize, largest: f32, most: u32) -> [u32; LEVELS] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.kept.clear();
        self.kept.extend_from_slice(&self.postings[start..self.ends[at]]);
        let keep = self.kept.iter().filter(|posting| posting.stays).count().max(most as usize);
        if keep < self.kept.len() {
            self.kept.select_nth_unstable_by(keep, |a, b| {
                b.stays.cmp(&a.stays).then(b.weight.total_cmp(&a.weight)).then(a.row.cmp(&b.row))
            });
            self.kept.truncate(keep);
            self.kept.sort_unstable_by_key(|posting| posting.row);
        }
        let mut ends = [0u32; LEVELS];
        self.kept.iter().for_each(|posting| ends[level(posting.weight, largest)] += 1);
        let mut next = [0usize; LEVELS];
        let mut total = 0;
        for (end, next) in ends.iter_mut().zip(&mut next) {
            *next = total as usize;
            total += *end;
            *end = total;
        }
        self.out.clear();
        self.out.resize(self.kept.len(), 0);
        for posting in &self.kept {
            let place = &mut next[level(posting.weight, largest)];
            self.out[*place] = posting.row;
            *place += 1;
        }
        ends
    }
}
