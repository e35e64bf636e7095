//! `match`: BM25, term at a time, over every segment with the statistics of the whole collection.

use std::cell::RefCell;

use tercet_index::{Accumulators, Bitmap, Counters, IndexError, InvertedReader, TopK, WeightedTerm};

use super::compile::{Lexical, LexicalField, Term};
use super::rank::best;
use super::{Candidate, Context};
use crate::collection::Part;
use crate::error::index_error;
use crate::wire::TercetError;

thread_local! {
    /// Kept between searches: a search allocates nothing that grows with the collection.
    static SCRATCH: RefCell<(Accumulators, Accumulators)> = RefCell::default();
}

/// The best `k` documents.
pub(super) fn rank(
    query: &Lexical,
    context: &mut Context<'_>,
    k: usize,
) -> Result<Vec<Candidate>, TercetError> {
    let snapshot = context.snapshot;
    let mut found = Vec::with_capacity(snapshot.parts.len());
    for (at, part) in snapshot.parts.iter().enumerate() {
        let mut top = TopK::new(k);
        let allowed = context.allowed[at].as_deref();
        SCRATCH
            .with_borrow_mut(|scratch| {
                part_top(query, part, allowed, scratch, &mut top, &mut context.counters)
            })
            .map_err(|e| index_error(e, part.segment.file.label()))?;
        found.push((at as u32, top));
    }
    best(found, k)
}

fn part_top(
    query: &Lexical,
    part: &Part,
    allowed: Option<&Bitmap>,
    scratch: &mut (Accumulators, Accumulators),
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<(), IndexError> {
    let (sum, one) = scratch;
    sum.begin(part.segment.rows)?;
    for field in &query.fields {
        let Some(reader) = part.segment.text(field.field) else { continue };
        let terms = weighted(field, reader)?;
        if !query.all_words {
            reader.score(&terms, field.average_length, field.bm25, allowed, sum, counters)?;
        } else if terms.len() == field.terms.len() && !terms.is_empty() {
            // All words in one field: the field counts only where every word was met.
            one.begin(part.segment.rows)?;
            reader.score(&terms, field.average_length, field.bm25, allowed, one, counters)?;
            sum.add_matching(one, terms.len() as u16);
        }
    }
    sum.top(allowed, 1, top);
    Ok(())
}

/// The words that this segment has, in the order of the query.
fn weighted(field: &LexicalField, reader: &InvertedReader) -> Result<Vec<WeightedTerm>, IndexError> {
    let mut known = Vec::with_capacity(field.terms.len());
    for Term { text, weight, .. } in &field.terms {
        if let Some(term) = reader.term(text)? {
            known.push(WeightedTerm { term, weight: *weight });
        }
    }
    Ok(known)
}
