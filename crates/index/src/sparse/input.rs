//! Rows as they come in: checked, pruned, turned into lists by term. And queries as they come in.

use super::seam::{QUERY_TERMS_MAX, SparseInput, SparseSpec, StoredWeights};
use crate::IndexError;
use crate::sections::{reserved, zeros};
use std::borrow::Cow;
use tercet_kernels::{f16_to_f32, f32_to_f16};

/// Lists by term: a counting sort of the rows.
pub(crate) struct ByTerm {
    /// The distinct terms, ascending.
    pub(crate) terms: Vec<u32>,
    /// Where each list ends.
    pub(crate) ends: Vec<usize>,
    pub(crate) rows: Vec<u32>,
    pub(crate) weights: Vec<f32>,
}

impl ByTerm {
    /// Checks the input and turns it around. Nothing is kept of a row but what pruning leaves.
    pub(crate) fn gather(spec: &SparseSpec, input: &SparseInput<'_>) -> Result<Self, IndexError> {
        check_shape(input)?;
        let (kept, numbers) = (Kept::of(spec, input, false)?, input.present);
        let (terms, place) = distinct(&kept.terms)?;
        let mut ends = reserved::<usize>(terms.len() + 1)?;
        ends.resize(terms.len() + 1, 0);
        let each = |visit: &mut dyn FnMut(u32, usize, f32)| {
            let mut start = 0;
            for (at, &end) in kept.ends.iter().enumerate() {
                let row = numbers.map_or(at as u32, |rows| rows[at]);
                for posting in start..end {
                    visit(row, place.of(&terms, kept.terms[posting]), kept.weights[posting]);
                }
                start = end;
            }
        };
        each(&mut |_, term, _| ends[term + 1] += 1);
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        let (mut rows, mut weights) = (reserved(kept.terms.len())?, reserved(kept.terms.len())?);
        rows.resize(kept.terms.len(), 0u32);
        weights.resize(kept.terms.len(), 0.0f32);
        let mut next = ends.clone();
        each(&mut |row, term, weight| {
            rows[next[term]] = row;
            weights[next[term]] = weight;
            next[term] += 1;
        });
        ends.remove(0);
        Ok(ByTerm { terms, ends, rows, weights })
    }
}

/// The postings that are kept, row by row.
pub(crate) struct Kept<'a> {
    /// Where each row ends.
    pub(crate) ends: Vec<usize>,
    pub(crate) terms: Cow<'a, [u32]>,
    pub(crate) weights: Cow<'a, [f32]>,
}

impl<'a> Kept<'a> {
    /// Checks the input and prunes it, each row by ascending terms.
    pub(crate) fn sorted(spec: &SparseSpec, input: &SparseInput<'a>) -> Result<Self, IndexError> {
        check_shape(input)?;
        Kept::of(spec, input, true)
    }

    fn of(spec: &SparseSpec, input: &SparseInput<'a>, sorted: bool) -> Result<Self, IndexError> {
        let whole = spec.top == 0
            && spec.mass >= 1.0
            && spec.weights == StoredWeights::Exact
            && (!sorted || rows_ascend(input));
        let mut order: Vec<usize> = Vec::new();
        let (mut ends, mut terms, mut weights) = (reserved(input.ends.len())?, Vec::new(), Vec::new());
        let mut start = 0;
        for &end in input.ends {
            let end = end as usize;
            let (row_terms, row_weights) = (&input.terms[start..end], &input.weights[start..end]);
            check_row(row_terms, row_weights, &mut order, start)?;
            if whole {
                ends.push(end);
            } else {
                prune(spec, row_weights, &mut order);
                terms.extend(order.iter().map(|&at| row_terms[at]));
                for &at in &order {
                    weights.push(stored(spec.weights, row_weights[at])?);
                }
                ends.push(terms.len());
            }
            start = end;
        }
        Ok(if whole {
            Kept { ends, terms: Cow::Borrowed(input.terms), weights: Cow::Borrowed(input.weights) }
        } else {
            Kept { ends, terms: Cow::Owned(terms), weights: Cow::Owned(weights) }
        })
    }
}

/// Whether the terms of every row ascend; the shape was checked.
fn rows_ascend(input: &SparseInput<'_>) -> bool {
    let mut start = 0;
    input.ends.iter().all(|&end| {
        let row = &input.terms[start..end as usize];
        start = end as usize;
        row.is_sorted()
    })
}

/// A weight as it is kept.
fn stored(weights: StoredWeights, weight: f32) -> Result<f32, IndexError> {
    match weights {
        StoredWeights::Exact => Ok(weight),
        StoredWeights::Ones => Ok(1.0),
        StoredWeights::F16 => {
            // What would round to nothing keeps the least weight there is: its term is in the row.
            let half = f16_to_f32(f32_to_f16(weight).max(1));
            if half.is_finite() {
                Ok(half)
            } else {
                Err(IndexError::too_large("a weight kept as f16", 65_504))
            }
        }
    }
}

fn check_shape(input: &SparseInput<'_>) -> Result<(), IndexError> {
    let count = input.present.map_or(input.rows as usize, <[u32]>::len);
    if input.ends.len() != count {
        return Err(IndexError::shape("ends of sparse rows", count as u64, input.ends.len() as u64));
    }
    if input.terms.len() != input.weights.len() {
        return Err(IndexError::shape("weights", input.terms.len() as u64, input.weights.len() as u64));
    }
    let last = input.ends.last().copied().unwrap_or(0);
    if last != input.terms.len() as u64 || !input.ends.is_sorted() {
        return Err(IndexError::shape("ends that ascend to", input.terms.len() as u64, last));
    }
    if u32::try_from(input.terms.len()).is_err() {
        return Err(IndexError::too_large("postings of a segment", u32::MAX.into()));
    }
    let rows = input.present.unwrap_or(&[]);
    if let Some(pair) = rows.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(IndexError::Order {
            what: "rows of a sparse field".into(),
            after: pair[0],
            row: pair[1],
        });
    }
    if let Some(&last) = rows.last().filter(|&&last| last >= input.rows) {
        return Err(IndexError::shape("rows of the segment", input.rows.into(), u64::from(last) + 1));
    }
    Ok(())
}

/// Each term once, each weight finite and above zero. Leaves in `order` the places of the row by ascending term.
fn check_row(terms: &[u32], weights: &[f32], order: &mut Vec<usize>, first: usize) -> Result<(), IndexError> {
    let wrong = |what: &str, at: usize| IndexError::Shape {
        what: format!("{what} at element {}", first + at),
        expected: 1,
        found: 0,
    };
    if let Some(at) = weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
        return Err(wrong("a weight that is finite and above zero", at));
    }
    order.clear();
    order.extend(0..terms.len());
    if !terms.is_sorted() {
        order.sort_unstable_by_key(|&at| terms[at]);
    }
    match order.windows(2).find(|pair| terms[pair[0]] == terms[pair[1]]) {
        Some(pair) => Err(wrong("a term that stands once in its row", pair[1])),
        None => Ok(()),
    }
}

/// Keeps the heaviest places, in their order; of equal weights the lower term.
fn prune(spec: &SparseSpec, weights: &[f32], order: &mut Vec<usize>) {
    let all = spec.top == 0 && spec.mass >= 1.0;
    if all || order.is_empty() {
        return;
    }
    let mut heaviest: Vec<usize> = (0..order.len()).collect();
    heaviest.sort_by(|&a, &b| weights[order[b]].total_cmp(&weights[order[a]]));
    let mut keep = if spec.top == 0 { heaviest.len() } else { heaviest.len().min(spec.top as usize) };
    if spec.mass < 1.0 {
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let (mut sum, goal) = (0.0, total * f64::from(spec.mass));
        let enough = heaviest.iter().position(|&at| {
            sum += f64::from(weights[order[at]]);
            sum >= goal
        });
        keep = keep.min(enough.map_or(heaviest.len(), |at| at + 1));
    }
    heaviest.truncate(keep);
    heaviest.sort_unstable();
    *order = heaviest.into_iter().map(|at| order[at]).collect();
}

/// Finds a term's place among the distinct ones.
pub(crate) enum Place {
    /// By the term itself, where the terms are not spread too far.
    Table(Vec<u32>),
    /// By search.
    Search,
}

impl Place {
    /// For terms that ascend, to be looked up about so many times.
    pub(crate) fn new(terms: &[u32], uses: usize) -> Result<Self, IndexError> {
        let most = terms.last().copied().unwrap_or(0) as usize;
        if is_spread(most, uses) {
            return Ok(Place::Search);
        }
        let mut table: Vec<u32> = zeros(most + 1)?;
        (0u32..).zip(terms).for_each(|(place, &term)| table[term as usize] = place);
        Ok(Place::Table(table))
    }

    /// The place of a term that is among them.
    #[inline]
    pub(crate) fn of(&self, terms: &[u32], term: u32) -> usize {
        match self {
            Place::Table(table) => table.get(term as usize).map_or(0, |&place| place as usize),
            Place::Search => terms.binary_search(&term).unwrap_or(0),
        }
    }
}

/// Whether a table of all terms would be larger than its use.
fn is_spread(most: usize, uses: usize) -> bool {
    most > 65_536 && most / 8 > uses
}

/// The distinct terms among these, ascending, and where each stands.
pub(crate) fn distinct(all: &[u32]) -> Result<(Vec<u32>, Place), IndexError> {
    let most = all.iter().copied().max().unwrap_or(0) as usize;
    if is_spread(most, all.len()) {
        let mut terms: Vec<u32> = reserved(all.len())?;
        terms.extend_from_slice(all);
        terms.sort_unstable();
        terms.dedup();
        return Ok((terms, Place::Search));
    }
    let mut table: Vec<u32> = zeros(most + 1)?;
    all.iter().for_each(|&term| table[term as usize] = 1);
    let mut terms = Vec::new();
    for (term, place) in table.iter_mut().enumerate().filter(|(_, place)| **place == 1) {
        *place = terms.len() as u32;
        terms.push(term as u32);
    }
    Ok((terms, Place::Table(table)))
}

/// Terms ascending, each once, not too many; weights finite and above zero.
pub(crate) fn check_query(terms: &[(u32, f32)]) -> Result<(), IndexError> {
    if terms.len() > QUERY_TERMS_MAX {
        return Err(IndexError::too_large("terms of a query", QUERY_TERMS_MAX as u64));
    }
    if let Some(pair) = terms.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        let (after, row) = (pair[0].0, pair[1].0);
        return Err(IndexError::Order { what: "terms of a query".into(), after, row });
    }
    match terms.iter().position(|(_, weight)| !(weight.is_finite() && *weight > 0.0)) {
        Some(at) => {
            let what = format!("weights above zero at term {at} of a query");
            Err(IndexError::Shape { what, expected: 1, found: 0 })
        }
        None => Ok(()),
    }
}
