//! Writes the sections of one segment from its rows. Building, merging and the full check all end here, which is why a
//! merged segment equals one that was built in one go, byte for byte.
//!
//! The rows are gone through several times: once to know the terms that are there and what their weights need, once for
//! each section of the forward index, and once for each range of terms whose lists are held at a time. There are at most
//! eight of those, so the time is linear in the postings.

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

/// Postings of lists that are held at a time, or an eighth of all where that is more; a list is held whole. Few in tests, so
/// that these have several ranges too.
const HELD: u64 = if cfg!(test) { 1 << 10 } else { 4 << 20 };
const RANGES: u64 = 8;
/// Bytes of weights that are held at a time.
const HELD_BYTES: usize = 64 << 10;
/// Rows between two looks at whether to go on.
const STEP: u64 = if cfg!(test) { 64 } else { 4_096 };
/// Parts of the work: knowing the terms, the three sections of the forward index, and the lists as much again.
const PARTS: u64 = 8;
const FORWARD: [u64; 3] = [1, 2, 3];
const LISTS: u64 = 4;
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

/// Terms and weights of one row at a time, out of pairs.
#[derive(Default)]
pub(super) struct Split {
    terms: Vec<u32>,
    weights: Vec<f32>,
}

impl Split {
    /// The terms and the weights of a row; `None` where the terms do not ascend, or a weight is not one that `fits`.
    pub(super) fn checked(
        &mut self,
        pairs: &[(u32, f32)],
        fits: impl Fn(f32) -> bool,
    ) -> Option<(&[u32], &[f32])> {
        let ascend = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !ascend || !pairs.iter().all(|&(_, weight)| weight.is_finite() && weight > 0.0 && fits(weight)) {
            return None;
        }
        self.terms.clear();
        self.weights.clear();
        self.terms.extend(pairs.iter().map(|pair| pair.0));
        self.weights.extend(pairs.iter().map(|pair| pair.1));
        Some((&self.terms, &self.weights))
    }
}

/// The rows, looking at whether to go on.
#[derive(Clone, Copy)]
struct Source<'a> {
    rows: &'a dyn Rows,
    count: u32,
    work: &'a Work<'a>,
}

impl Source<'_> {
    /// Goes through all rows: one of `of` passes of the parts of the work from `part` on.
    fn pass(&self, part: u64, (pass, of): (u64, u64), visit: &mut EachRow<'_>) -> Result<(), IndexError> {
        let parts = if part == LISTS { PARTS - LISTS } else { 1 };
        let all = u64::from(self.count).max(1);
        let mut seen = 0;
        self.rows.each(&mut |row, terms, weights| {
            if seen % STEP == 0 {
                let done = part * of * all + parts * (pass * all + seen.min(all));
                self.work.step(done, PARTS * of * all)?;
            }
            seen += 1;
            visit(row, terms, weights)
        })
    }
}

/// The heaviest postings that a list keeps.
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
    work.step(0, PARTS)?;
    let source = Source { rows: source, count: rows, work };
    let known = look(candidates, source)?;
    let bits = terms::write(sink, &known.terms)?;
    write_forward(rows, &known, source, sink)?;
    let most = listed_max(spec, rows);
    let (infos, listed) = write_lists(&known, most, source, sink)?;
    sink.begin("infos")?;
    sink.write(bytemuck::cast_slice(infos.as_flattened()))?;
    let halves = |value: u64| [value as u32, (value >> 32) as u32];
    let ([low, high], [listed_low, listed_high]) = (halves(known.postings), halves(listed));
    let count = known.terms.len() as u32;
    let meta = [VERSION, known.width as u32, rows, count, bits, low, high, listed_low, listed_high, most];
    sink.begin("meta")?;
    sink.write(bytemuck::cast_slice(&meta))
}

fn look(candidates: Vec<u32>, source: Source<'_>) -> Result<Known, IndexError> {
    let place = Place::new(&candidates, candidates.len().saturating_mul(8))?;
    let (mut counts, mut largest) = (zeros::<u32>(candidates.len())?, zeros::<f32>(candidates.len())?);
    let (mut width, mut postings) = (1, 0u64);
    source.pass(0, (0, 1), &mut |row, terms, weights| {
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
    source: Source<'_>,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let mut ends = ArraySink::<u32>::begin(sink, "ends")?;
    let (mut next, mut end) = (0, 0u32);
    let [first, second, third] = FORWARD;
    source.pass(first, (0, 1), &mut |row, terms, _| {
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
        source.pass(second, (0, 1), &mut |_, terms, _| {
            terms.iter().try_for_each(|&term| places.push(place(term) as u16))
        })?;
        places.flush()?;
    } else {
        let mut places = ArraySink::<u32>::begin(sink, "places")?;
        source.pass(second, (0, 1), &mut |_, terms, _| {
            terms.iter().try_for_each(|&term| places.push(place(term)))
        })?;
        places.flush()?;
    }
    sink.begin("weights")?;
    let mut held = Vec::new();
    source.pass(third, (0, 1), &mut |_, _, weights| {
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

/// Ranges of terms whose lists are held at a time: each but the last reaches what may be held by its last list.
fn ranges(counts: &[u32], postings: u64) -> Vec<Range<usize>> {
    let held = HELD.max(postings.div_ceil(RANGES));
    let (mut ranges, mut from, mut sum) = (Vec::new(), 0, 0);
    for (at, &count) in counts.iter().enumerate() {
        sum += u64::from(count);
        if sum >= held || at + 1 == counts.len() {
            ranges.push(from..at + 1);
            (from, sum) = (at + 1, 0);
        }
    }
    ranges
}

/// Writes `listed`; what `infos` says of the lists, and the postings in them.
fn write_lists(
    known: &Known,
    most: u32,
    source: Source<'_>,
    sink: &mut dyn SectionSink,
) -> Result<(Vec<[u32; INFO]>, u64), IndexError> {
    let mut infos: Vec<[u32; INFO]> = reserved(known.terms.len())?;
    let mut listed = ArraySink::<u32>::begin(sink, "listed")?;
    let mut written = 0u64;
    let mut lists = Lists::default();
    let ranges = ranges(&known.counts, known.postings);
    for (pass, range) in ranges.iter().enumerate() {
        lists.gather(known, range.clone(), source, (pass as u64, ranges.len() as u64))?;
        for at in range.clone() {
            let ends = lists.levels(at - range.start, known.largest[at], most)?;
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
    fn gather(
        &mut self,
        known: &Known,
        range: Range<usize>,
        source: Source<'_>,
        pass: (u64, u64),
    ) -> Result<(), IndexError> {
        let mut next: Vec<usize> = reserved(range.len())?;
        self.ends.clear();
        let mut total = 0;
        for &count in &known.counts[range.clone()] {
            next.push(total);
            total += count as usize;
            self.ends.push(total);
        }
        self.postings = Vec::new();
        self.postings = zeros(total)?;
        source.pass(LISTS, pass, &mut |row, terms, weights| {
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
    fn levels(&mut self, at: usize, largest: f32, most: u32) -> Result<[u32; LEVELS], IndexError> {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let all = self.postings.get_mut(start..self.ends[at]).unwrap_or_default();
        let heavy = (most as usize).min(all.len());
        if heavy < all.len() {
            all.select_nth_unstable_by(heavy, |a, b| b.weight.total_cmp(&a.weight).then(a.row.cmp(&b.row)));
        }
        let (heavy, light) = all.split_at(heavy);
        let stay = light.iter().filter(|posting| posting.stays);
        self.kept = reserved(heavy.len() + stay.clone().count())?;
        self.kept.extend(heavy.iter().chain(stay));
        if !light.is_empty() {
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
        self.out = zeros(self.kept.len())?;
        for posting in &self.kept {
            let place = &mut next[level(posting.weight, largest)];
            self.out[*place] = posting.row;
            *place += 1;
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_gathered_in_a_few_ranges_of_all_terms() {
        for counts in [vec![], vec![5], vec![3; 40_000], vec![100_000; 40], (0..3_000u32).rev().collect()] {
            let postings = counts.iter().map(|&count| u64::from(count)).sum();
            let ranges = ranges(&counts, postings);
            assert!(ranges.len() as u64 <= RANGES, "{}", ranges.len());
            let all: Vec<usize> = ranges.iter().cloned().flatten().collect();
            assert_eq!(all, (0..counts.len()).collect::<Vec<_>>());
        }
        assert_eq!(ranges(&[1_000, 24, 1_000, 24, 1], 2_049), [0..2, 2..4, 4..5]);
    }
}
