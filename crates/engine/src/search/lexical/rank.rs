//! The best documents of a query by words, term at a time, segment by segment.
//!
//! Words alone go straight from the lists into an array of scores by row. A boolean narrows the allowed rows by its filters,
//! by what must not match and by what must, in this order, so that each clause looks at what the ones before left, and then
//! sums the scores of its clauses in the order of the query.

use std::borrow::Cow;
use std::cell::RefCell;

use tercet_index::{
    Accumulators, Bitmap, Counters, FieldWords, Frequencies, IndexError, Scoring, TopK, WeightedTerm,
    best_rows,
};

use super::{Boolean, Clause, Words, WordsField};
use crate::api::Control;
use crate::collection::Part;
use crate::error::index_error;
use crate::search::rank::best;
use crate::search::{Candidate, Context};
use crate::wire::TercetError;

/// With weights from here on no part of a score is 0, so that a score tells whether a row matched.
const WEIGHT_MIN: f32 = 1e-20;

thread_local! {
    /// Kept between searches: a search by words allocates nothing that grows with the collection.
    static SCRATCH: RefCell<Vec<Accumulators>> = RefCell::default();
}

/// The best `k` documents.
pub(in crate::search) fn rank(
    query: &Clause,
    context: &mut Context<'_>,
    k: usize,
) -> Result<Vec<Candidate>, TercetError> {
    let snapshot = context.snapshot;
    let mut found = Vec::with_capacity(snapshot.parts.len());
    let mut scratch = SCRATCH.take();
    for (at, part) in snapshot.parts.iter().enumerate() {
        let mut top = TopK::new(k);
        let allowed = context.allowed[at].as_deref();
        let (counters, control) = (&mut context.counters, context.control);
        let mut search = Search { part, at, scratch: &mut scratch, counters, control };
        let done = search.top(query, allowed, &mut top);
        done.map_err(|e| index_error(e, part.segment.file.label()))?;
        context.control.step(0)?;
        found.push((at as u32, top));
    }
    SCRATCH.set(scratch);
    best(found, k)
}

/// The words of a field that a segment has in live documents.
fn known(field: &WordsField, at: usize) -> Vec<WeightedTerm> {
    let live = field.terms.iter().filter(|term| term.idf > 0.0);
    let known = live.filter_map(|t| Some(WeightedTerm { term: (*t.ids.get(at)?)?, weight: t.weight }));
    known.collect()
}

/// Whether a row's score alone tells that it matched.
fn is_uncounted(query: &Words) -> bool {
    let positive = |field: &WordsField| {
        field.least <= 1 && field.terms.iter().all(|t| t.idf == 0.0 || t.weight >= WEIGHT_MIN)
    };
    query.fields.iter().all(positive)
}

/// Whether the scores are sums over words of the index.
fn is_sum(query: &Words) -> bool {
    is_uncounted(query) && query.fields.iter().flat_map(|f| &f.terms).all(|t| t.computed.is_none())
}

/// A search of one segment.
struct Search<'a> {
    part: &'a Part,
    /// The segment's position.
    at: usize,
    scratch: &'a mut Vec<Accumulators>,
    counters: &'a mut Counters,
    /// Ends the search.
    control: &'a Control,
}

impl Search<'_> {
    fn top(&mut self, query: &Clause, allowed: Option<&Bitmap>, top: &mut TopK) -> Result<(), IndexError> {
        if let Clause::Words(words) = query {
            if is_sum(words) {
                return self.best(words, allowed, top);
            }
            let mut sum = self.words(words, allowed)?;
            sum.top(allowed, 1, top);
            self.scratch.push(sum);
            return Ok(());
        }
        self.scores(query, allowed)?.into_iter().for_each(|(row, score)| top.push(score, row));
        Ok(())
    }

    /// The allowed rows that match, ascending, with their scores.
    fn scores(&mut self, query: &Clause, allowed: Option<&Bitmap>) -> Result<Frequencies, IndexError> {
        if self.control.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        match query {
            Clause::Words(words) => {
                let sum = self.words(words, allowed)?;
                let mut found = Frequencies::new();
                sum.each(allowed, 1, &mut |row, score| found.push((row, score)));
                self.scratch.push(sum);
                Ok(found)
            }
            Clause::Boolean(query) => self.boolean(query, allowed),
            Clause::All => Ok(match allowed {
                Some(allowed) => allowed.iter().map(|row| (row, 0.0)).collect(),
                None => (0..self.part.segment.rows).map(|row| (row, 0.0)).collect(),
            }),
        }
    }

    fn begin(&mut self) -> Result<Accumulators, IndexError> {
        let mut sum = self.scratch.pop().unwrap_or_default();
        sum.begin(self.part.segment.rows)?;
        Ok(sum)
    }

    /// The best rows by a sum over words of the index.
    fn best(&mut self, query: &Words, allowed: Option<&Bitmap>, top: &mut TopK) -> Result<(), IndexError> {
        let segment = &self.part.segment;
        let readers = query.fields.iter().filter_map(|field| Some((segment.text(field.field)?, field)));
        let known: Vec<_> = readers.map(|(reader, field)| (reader, field, known(field, self.at))).collect();
        let fields: Vec<FieldWords<'_>> = known
            .iter()
            .map(|(reader, field, terms)| FieldWords {
                reader,
                terms,
                average_length: field.average_length,
                params: field.bm25,
            })
            .collect();
        let mut sum = self.scratch.pop().unwrap_or_default();
        let stop = || self.control.is_cancelled();
        best_rows(segment.rows, &fields, allowed, Some(&stop), &mut sum, top, self.counters)?;
        self.scratch.push(sum);
        Ok(())
    }

    /// The scores of a list of words, summed over its fields.
    fn words(&mut self, query: &Words, allowed: Option<&Bitmap>) -> Result<Accumulators, IndexError> {
        let mut sum = self.begin()?;
        if is_uncounted(query) {
            sum.begin_uncounted(self.part.segment.rows)?;
        }
        for field in &query.fields {
            if field.least <= 1 {
                self.field(field, allowed, &mut sum)?;
            } else {
                // The field counts only where so many words were met in it.
                let mut one = self.begin()?;
                self.field(field, allowed, &mut one)?;
                sum.add_matching(&one, field.least as u16);
                self.scratch.push(one);
            }
        }
        Ok(sum)
    }

    fn field(
        &mut self,
        field: &WordsField,
        allowed: Option<&Bitmap>,
        sum: &mut Accumulators,
    ) -> Result<(), IndexError> {
        let Some(reader) = self.part.segment.text(field.field) else { return Ok(()) };
        let stop = || self.control.is_cancelled();
        let (average_length, params) = (field.average_length, field.bm25);
        let scoring = Scoring { average_length, params, allowed, stop: Some(&stop) };
        let known = known(field, self.at);
        let computed = field.terms.iter().filter_map(|term| Some((term.computed.as_ref()?, term.weight)));
        // All words of a field are of one sort, so the sum runs in the order of the query.
        if known.len() == field.terms.len() || field.terms.iter().all(|term| term.computed.is_none()) {
            if known.len() >= field.least {
                reader.score(&known, scoring, sum, self.counters)?;
            }
            return Ok(());
        }
        for (word, weight) in computed {
            let Some(list) = word.lists.get(self.at) else { continue };
            reader.score_list((list.as_slice(), weight), scoring, sum, self.counters)?;
        }
        Ok(())
    }

    fn boolean(&mut self, query: &Boolean, allowed: Option<&Bitmap>) -> Result<Frequencies, IndexError> {
        let mut within: Option<Cow<'_, Bitmap>> = allowed.map(Cow::Borrowed);
        for clause in &query.filter {
            let found = self.scores(clause, within.as_deref())?;
            within = Some(Cow::Owned(self.rows(&found)));
        }
        for clause in &query.must_not {
            let found = self.scores(clause, within.as_deref())?;
            let all = || Cow::Owned(Bitmap::full(self.part.segment.rows));
            let left = within.get_or_insert_with(all).to_mut();
            for (row, _) in found {
                left.clear(row);
            }
        }
        let mut sum = self.begin()?;
        // One list at a time. What a later clause throws out is passed over at the end.
        for clause in &query.must {
            let found = self.scores(clause, within.as_deref())?;
            within = Some(Cow::Owned(self.rows(&found)));
            found.iter().for_each(|&(row, score)| sum.add_one(row, score));
        }
        for clause in &query.should {
            let found = self.scores(clause, within.as_deref())?;
            found.iter().for_each(|&(row, score)| sum.add_one(row, score));
        }
        let least = (query.must.len() + query.least) as u16;
        let mut found = Frequencies::new();
        match (&within, least) {
            (within, 1..) => sum.each(within.as_deref(), least, &mut |row, score| found.push((row, score))),
            (Some(within), 0) => {
                found.extend(within.iter().map(|row| (row, sum.score(row).unwrap_or(0.0))));
            }
            (None, 0) => {
                let rows = 0..self.part.segment.rows;
                found.extend(rows.map(|row| (row, sum.score(row).unwrap_or(0.0))));
            }
        }
        self.scratch.push(sum);
        Ok(found)
    }

    fn rows(&self, found: &[(u32, f32)]) -> Bitmap {
        let mut rows = Bitmap::new(self.part.segment.rows);
        for &(row, _) in found {
            rows.set(row);
        }
        rows
    }
}
