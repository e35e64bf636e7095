//! Opening a segment's tokens, scores, and the ways of a search.

use super::book::{Stored, View, outgrown};
use super::lists::{self, Lists};
use super::query::{Beside, MultiQuery, Placed, Stop};
use super::spec::{Candidates, MultiSpec, NO_UNIT, TOKENS_MAX, TokenCodec};
use super::tokens::{Column, Form, Picked};
use super::{Inner, VERSION};
use crate::dense::{Answered, DenseReader, DenseSearch, Effort, Path};
use crate::values::Values;
use crate::{Array, Bitmap, Counters, IndexError, SectionSource, TopK};
use std::cell::RefCell;
use std::ops::Range;

mod alone;

/// Candidates for each result where nothing else is asked for, and the fewest.
const CANDIDATES: usize = 16;
const CANDIDATES_MIN: usize = 128;
/// Of candidates by centroids so many for each result are compared by all their tokens: those that are best by the tokens
/// that are at the best centroids.
const COMPARED: usize = 4;
/// Documents between two looks at the clock.
const DOCUMENTS_A_LOOK: u32 = 64;
/// Nanoseconds of a component of a pair of tokens (32 query tokens at once), of a document.
const NS_PER_COMPONENT: f64 = 0.3;
const NS_PER_DOCUMENT: f64 = 100.0;

/// One search.
#[derive(Clone, Copy)]
pub struct MultiSearch<'a> {
    /// How many candidates are compared; [`Effort::Exact`]: all documents.
    pub effort: Effort,
    /// The rows that may be found; `None`: all.
    pub allowed: Option<&'a Bitmap>,
    /// Looked at now and then; true stops the search with what it has.
    pub stop: Stop<'a>,
    /// A document scores what the best of its units does by itself; those without units, as usual.
    pub by_unit: bool,
}

impl MultiSearch<'_> {
    /// A search of all rows.
    pub fn new(effort: Effort) -> Self {
        MultiSearch { effort, allowed: None, stop: None, by_unit: false }
    }
}

/// The tokens of a segment over borrowed sections.
pub struct MultiReader {
    form: Form,
    /// Rows of the segment: no row at or past it is ever reported.
    rows: u32,
    documents: u32,
    tokens: u64,
    slots: Option<Array<u32>>,
    ends: Array<u64>,
    column: Column,
    units: Option<Array<u32>>,
    /// Centroids, and the one of each token.
    book: Option<(Stored, Array<u16>)>,
    lists: Option<Lists>,
    fde: Option<Box<dyn DenseReader>>,
    /// Whether centroids are wanted, could be found, and are not there, or far too few.
    unfinished: bool,
}

/// Candidates where nothing else is asked for.
fn usual_candidates(k: usize) -> usize {
    k.saturating_mul(CANDIDATES).max(CANDIDATES_MIN)
}

/// Memory that one search after the other uses.
#[derive(Default)]
struct Narrow {
    sums: Vec<u8>,
    places: Vec<u32>,
    picked: Picked,
    best: Vec<f32>,
}

thread_local! {
    static NARROW: RefCell<Narrow> = RefCell::default();
    static BEST: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static SCRATCH: RefCell<lists::Scratch> = RefCell::default();
}

impl MultiReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(spec: &MultiSpec, rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let meta = Array::<u32>::open(source, "meta")?;
        let version = meta.get(0)?;
        if version != VERSION {
            return Err(IndexError::Version { section: "meta".into(), found: version, supported: VERSION });
        }
        let head = meta.slice(0..9)?;
        let corrupt = |what: String| meta.corrupt(what);
        let (dims, documents, flags) = (head[1], head[2], head[3]);
        let codec = match (head[4], head[5]) {
            (0, 32) => TokenCodec::F32,
            (1, 16) => TokenCodec::F16,
            (2, 8) => TokenCodec::I8,
            (3, bits @ (1 | 2 | 4)) => TokenCodec::Residual(bits as u8),
            (codec, bits) => return Err(corrupt(format!("no codec {codec} of {bits} bits"))),
        };
        let form = Form { codec, dims: spec.keep };
        // A segment of few tokens has no centroids yet.
        let few = spec.bits() > 0 && codec == TokenCodec::I8 && head[8] == 0;
        if dims as usize != spec.keep || (codec != spec.codec && !few) {
            let form = Form { codec: spec.codec, ..form };
            return Err(corrupt(format!("{codec:?} of {dims} dims where the field has {form:?}")));
        }
        let sparse = flags & 1 != 0;
        if flags > 3 || documents > rows || (!sparse && documents != rows) {
            return Err(corrupt(format!("{documents} documents of {rows} rows, flags {flags}")));
        }
        let tokens = u64::from(head[6]) | u64::from(head[7]) << 32;
        let centroids = head[8];
        if centroids == 0 && matches!(codec, TokenCodec::Residual(_)) {
            return Err(corrupt(format!("no centroids for {form:?}")));
        }
        let book = || {
            let stored = Stored::open(source, spec.keep, spec.bits(), centroids)?;
            Ok::<_, IndexError>((stored, Array::open_len(source, "nearest", tokens)?))
        };
        let by_lists = centroids > 0 && matches!(spec.candidates, Candidates::Centroids);
        Ok(MultiReader {
            form,
            rows,
            documents,
            tokens,
            slots: sparse.then(|| Array::open_len(source, "rows", documents.into())).transpose()?,
            ends: Array::open_len(source, "ends", documents.into())?,
            column: Column::open(source, form, tokens)?,
            units: (flags & 2 != 0).then(|| Array::open_len(source, "units", tokens)).transpose()?,
            // Whoever only wants the tokens need not have what finds them.
            book: (centroids > 0 && spec.book()).then(book).transpose()?,
            unfinished: spec.book()
                && outgrown(centroids as usize, usize::try_from(tokens).unwrap_or(usize::MAX)),
            lists: by_lists.then(|| Lists::open(source, centroids)).transpose()?,
            fde: match &spec.candidates {
                Candidates::None | Candidates::Centroids => None,
                Candidates::Fde { kind, dense, .. } => Some((kind.open)(dense, rows, &Inner(source))?),
            },
        })
    }

    /// Documents that have tokens.
    pub fn len(&self) -> usize {
        self.documents as usize
    }

    /// Whether no document has any.
    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Whether a merge of this alone would find centroids: those that it was written without, or new ones of which there
    /// are as many as its tokens ask for by now.
    pub fn unfinished(&self) -> bool {
        self.unfinished
    }

    /// Whether there are centroids, which took long to find.
    pub fn has_centroids(&self) -> bool {
        self.book.is_some()
    }

    /// How many there are.
    pub fn centroids(&self) -> usize {
        self.book.as_ref().map_or(0, |(stored, _)| stored.len())
    }

    /// Tokens of all documents.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Components of a token, as kept.
    pub fn dims(&self) -> usize {
        self.form.dims
    }

    /// Bytes that a token takes, units aside.
    pub fn bytes_per_token(&self) -> usize {
        self.form.bytes() + self.lists.as_ref().map_or(0, |_| if self.residual() { 0 } else { 2 })
    }

    /// Whether tokens have units.
    pub fn has_units(&self) -> bool {
        self.units.is_some()
    }

    /// The index of the encodings.
    pub fn encodings(&self) -> Option<&dyn DenseReader> {
        self.fde.as_deref()
    }

    /// The place of a row's document. O(log documents) where some rows have none.
    fn slot(&self, row: u32) -> Result<Option<usize>, IndexError> {
        let Some(slots) = &self.slots else {
            return Ok((row < self.documents).then_some(row as usize));
        };
        let (mut low, mut high) = (0, slots.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match slots.get(middle)?.cmp(&row) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// The tokens of a document, by their numbers in the segment. At most [`TOKENS_MAX`]: more are damage.
    fn part(&self, slot: usize) -> Result<Range<usize>, IndexError> {
        let part = self.ends.part(slot)?;
        if part.len() > TOKENS_MAX {
            return Err(self.ends.corrupt(format!("document {slot} has {} tokens", part.len())));
        }
        Ok(part)
    }

    /// How tokens are kept.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    fn residual(&self) -> bool {
        matches!(self.form.codec, TokenCodec::Residual(_))
    }

    /// Centroids of a segment that has some; those that lists are for are in `search`.
    pub(super) fn stored_book(&self) -> Option<&Stored> {
        self.book.as_ref().map(|(stored, _)| stored)
    }

    /// A query beside the centroids, where codes need them.
    fn beside(&self, query: &MultiQuery, lists: bool, stop: Stop<'_>) -> Result<Option<Beside>, IndexError> {
        let wanted = self.book.as_ref().filter(|_| lists || self.residual());
        wanted.map(|(stored, _)| query.beside(stored.view()?, lists, stop)).transpose()
    }

    fn slice(&self, slot: usize) -> Result<Placed<'_>, IndexError> {
        self.placed(self.part(slot)?)
    }

    /// Some tokens, and the centroid of each where codes need it.
    fn placed(&self, tokens: Range<usize>) -> Result<Placed<'_>, IndexError> {
        let nearest = if self.residual() { self.nearest(tokens.clone())? } else { &[] };
        Ok(Placed { slice: self.column.slice(self.form, tokens)?, nearest })
    }

    /// The centroids of some tokens, each one that is there.
    fn nearest(&self, tokens: Range<usize>) -> Result<&[u16], IndexError> {
        let Some((stored, nearest)) = &self.book else { return Ok(&[]) };
        let some = nearest.slice(tokens)?;
        if some.iter().fold(0, |most, at| usize::from(*at).max(most)) >= stored.len() {
            return Err(nearest.corrupt("a token at a centroid that is not there"));
        }
        Ok(some)
    }

    fn floats(&self, tokens: Range<usize>) -> Result<Vec<f32>, IndexError> {
        let Placed { slice, nearest } = self.placed(tokens)?;
        let view: Option<View<'_>> = self.book.as_ref().map(|(stored, _)| stored.view()).transpose()?;
        Ok(slice.to_f32(self.form, view.map(|view| (view, nearest))))
    }

    /// How many tokens a row has, their bytes as they lie and those of their scales, and their units: for a merge.
    pub(super) fn raw(&self, row: u32) -> Result<Option<Raw<'_>>, IndexError> {
        let Some(slot) = self.slot(row)? else { return Ok(None) };
        let part = self.part(slot)?;
        let (bytes, scales) = self.column.slice(self.form, part.clone())?.bytes();
        let nearest = self.nearest(part.clone())?;
        let units = self.units.as_ref().map(|units| units.slice(part.clone())).transpose()?;
        Ok(Some(Raw { tokens: part.len(), bytes, scales, nearest, units }))
    }

    /// The tokens of a row as they are kept, as f32; `None` when it has none.
    pub fn stored(&self, row: u32) -> Result<Option<Vec<f32>>, IndexError> {
        self.slot(row)?.map(|slot| self.floats(self.part(slot)?)).transpose()
    }

    /// What a document scores in a search.
    fn scored(
        &self,
        (query, beside): (&MultiQuery, Option<&Beside>),
        slot: usize,
        by_unit: bool,
        best: &mut Vec<f32>,
    ) -> Result<f32, IndexError> {
        let Some(units) = self.units.as_ref().filter(|_| by_unit) else {
            return Ok(query.score(beside, self.slice(slot)?, best));
        };
        let part = self.part(slot)?;
        let found = query.best_unit(units.slice(part.clone())?, |range| {
            let tokens = part.start + range.start..part.start + range.end;
            Ok(query.score(beside, self.placed(tokens)?, best))
        })?;
        Ok(found.map_or(f32::NEG_INFINITY, |(_, score)| score))
    }

    /// The unit of each token of a row, as kept; `None` when it has no tokens, or none of them a unit.
    pub fn units(&self, row: u32) -> Result<Option<&[u32]>, IndexError> {
        let (Some(units), Some(slot)) = (&self.units, self.slot(row)?) else { return Ok(None) };
        let units = units.slice(self.part(slot)?)?;
        Ok(Some(units).filter(|units| units.iter().any(|unit| *unit != NO_UNIT)))
    }

    /// The unit of a token of a row, as kept; `None` for one without.
    pub fn unit(&self, row: u32, token: u32) -> Result<Option<u32>, IndexError> {
        let (Some(units), Some(slot)) = (&self.units, self.slot(row)?) else { return Ok(None) };
        Ok(units.slice(self.part(slot)?)?.get(token as usize).copied().filter(|unit| *unit != NO_UNIT))
    }

    /// Offers rows and their scores to `top`: all of them, or those in `allowed`; or the candidates of both.
    pub fn search(
        &self,
        query: &MultiQuery,
        search: &MultiSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        if self.documents == 0 || top.k() == 0 || !query.fits(self.form) {
            return Ok(Answered::SCAN);
        }
        let wanted = self.candidates(search, top).filter(|_| self.fde.is_some() || self.lists.is_some());
        let beside = match self.beside(query, wanted.is_some() && self.lists.is_some(), search.stop) {
            Err(IndexError::Cancelled) => {
                let path = if wanted.is_some() && self.fde.is_none() { Path::Lists } else { Path::Scan };
                return Ok(Answered { exact: false, complete: false, path });
            }
            beside => beside?,
        };
        let asked = (query, beside.as_ref());
        let Some(wanted) = wanted else {
            let complete = self.scan(asked, search, top, counters)?;
            return Ok(Answered { exact: complete, complete, path: Path::Scan });
        };
        let (mut slots, mut answered) = match (&self.fde, &beside) {
            (Some(fde), _) => self.by_encoding(fde.as_ref(), query, search, wanted, counters)?,
            (None, Some(Beside { table: Some(table), .. })) => {
                let (slots, complete) = self.by_centroids(table, search, wanted, counters)?;
                (slots, Answered { exact: false, complete, path: Path::Lists })
            }
            (None, _) => (Vec::new(), Answered::SCAN),
        };
        let keep = top.k().saturating_mul(COMPARED);
        if let Some(Beside { table: Some(table), .. }) = &beside
            && slots.len() > keep
            && !search.by_unit
        {
            (slots, answered.complete) = self.narrowed(asked, table, (slots, keep), search.stop)?;
        }
        // By place, so that tokens are read in the order in which they lie.
        slots.sort_unstable();
        BEST.with_borrow_mut(|best| {
            for (at, slot) in (0..).zip(slots) {
                if at % DOCUMENTS_A_LOOK == 0 && search.stop.is_some_and(|stop| stop()) {
                    answered.complete = false;
                    break;
                }
                if let Some(row) = self.row(slot)? {
                    counters.vectors_scored += 1;
                    top.push(self.scored(asked, slot as usize, search.by_unit, best)?, row);
                }
            }
            Ok::<_, IndexError>(())
        })?;
        Ok(Answered { exact: false, ..answered })
    }

    /// The best of some places by those of their tokens that are at the best centroids; nothing, and false, when it was
    /// stopped.
    fn narrowed(
        &self,
        (query, beside): (&MultiQuery, Option<&Beside>),
        table: &lists::Table,
        (mut slots, keep): (Vec<u32>, usize),
        stop: Stop<'_>,
    ) -> Result<(Vec<u32>, bool), IndexError> {
        slots.sort_unstable();
        let mut top = TopK::new(keep);
        NARROW.with_borrow_mut(|Narrow { sums, places, picked, best }| {
            for (at, slot) in (0..).zip(slots) {
                if at % DOCUMENTS_A_LOOK == 0 && stop.is_some_and(|stop| stop()) {
                    return Ok((Vec::new(), false));
                }
                let part = self.part(slot as usize)?;
                let nearest = self.nearest(part.clone())?;
                let missing = || IndexError::corrupt("nearest", "a token at a centroid that is not there");
                table.best_places(nearest, sums, places).ok_or_else(missing)?;
                let Placed { slice, nearest } = self.placed(part)?;
                let (slice, nearest) = slice.pick(self.form.stride(), nearest, places, picked);
                top.push(query.score(beside, Placed { slice, nearest }, best), slot);
            }
            Ok((top.into_sorted().into_iter().map(|hit| hit.row).collect(), true))
        })
    }

    /// The row of a place, where there is one.
    fn row(&self, slot: u32) -> Result<Option<u32>, IndexError> {
        let row = self.slots.as_ref().map_or(Ok(slot), |slots| slots.get(slot as usize))?;
        Ok((slot < self.documents && row < self.rows).then_some(row))
    }

    /// The places of the best documents by their encodings.
    fn by_encoding(
        &self,
        fde: &dyn DenseReader,
        query: &MultiQuery,
        search: &MultiSearch<'_>,
        wanted: usize,
        counters: &mut Counters,
    ) -> Result<(Vec<u32>, Answered), IndexError> {
        let mut found = TopK::new(wanted);
        let by_encoding = DenseSearch {
            effort: Effort::Ef(wanted.min(u32::MAX as usize) as u32),
            allowed: search.allowed,
            stop: search.stop,
            ..DenseSearch::new(Values::F32(&query.fde))
        };
        let mut of_encodings = Counters::default();
        let answered = fde.search(&by_encoding, &mut found, &mut of_encodings)?;
        counters.hops += of_encodings.hops;
        let mut slots = Vec::with_capacity(found.len());
        for hit in found.into_sorted() {
            slots.extend(self.slot(hit.row)?.map(|slot| slot as u32));
        }
        Ok((slots, answered))
    }

    /// The places of the best documents by their centroids.
    fn by_centroids(
        &self,
        table: &lists::Table,
        search: &MultiSearch<'_>,
        wanted: usize,
        counters: &mut Counters,
    ) -> Result<(Vec<u32>, bool), IndexError> {
        let Some(lists) = &self.lists else { return Ok((Vec::new(), true)) };
        let rows = self.slots.as_ref().map(|slots| slots.all()).transpose()?;
        let may = |slot: u32| {
            let row = rows.map_or(Some(slot), |rows| rows.get(slot as usize).copied());
            search.allowed.is_none_or(|allowed| row.is_some_and(|row| allowed.contains(row)))
        };
        // Where each is looked up in a table that says what is not there.
        let none = || IndexError::corrupt("nearest", "no centroids");
        let (_, all) = self.book.as_ref().ok_or_else(none)?;
        let nearest = |slot: u32| all.slice(self.part(slot as usize)?);
        SCRATCH.with_borrow_mut(|scratch| {
            let with = (search.stop, scratch);
            lists.candidates(table, (self.documents, wanted), &may, &nearest, with, counters)
        })
    }

    /// How many candidates are compared; `None` where all documents are: when that is asked for, when there is a radius,
    /// and when no more are allowed.
    fn candidates(&self, search: &MultiSearch<'_>, top: &TopK) -> Option<usize> {
        let wanted = match search.effort {
            Effort::Ef(candidates) => (candidates as usize).max(top.k()),
            Effort::Exact => return None,
            _ => usual_candidates(top.k()),
        };
        let allowed = search.allowed.map_or(self.documents, Bitmap::count).min(self.documents);
        (top.radius().is_none() && wanted < allowed as usize).then_some(wanted)
    }

    /// Compares all allowed documents; false when it was stopped.
    fn scan(
        &self,
        asked: (&MultiQuery, Option<&Beside>),
        search: &MultiSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<bool, IndexError> {
        let slots = self.slots.as_ref().map(|slots| slots.all()).transpose()?;
        BEST.with_borrow_mut(|best| {
            for slot in 0..self.documents {
                if slot % DOCUMENTS_A_LOOK == 0 && search.stop.is_some_and(|stop| stop()) {
                    return Ok(false);
                }
                let row = slots.map_or(Some(slot), |slots| slots.get(slot as usize).copied());
                let Some(row) = row.filter(|row| *row < self.rows) else { continue };
                if search.allowed.is_none_or(|allowed| allowed.contains(row)) {
                    top.push(self.scored(asked, slot as usize, search.by_unit, best)?, row);
                    counters.vectors_scored += 1;
                }
            }
            Ok(true)
        })
    }

    /// Estimated nanoseconds of a search for `k` rows of so many allowed ones.
    pub fn cost_ns(&self, k: usize, allowed: Option<usize>, exact: bool) -> u64 {
        let documents = allowed.map_or(self.len(), |allowed| allowed.min(self.len()));
        let each =
            self.tokens as f64 / f64::from(self.documents.max(1)) * self.form.dims as f64 * NS_PER_COMPONENT;
        let (compared, found) = match &self.fde {
            Some(fde) if !exact => {
                let wanted = usual_candidates(k);
                (documents.min(wanted), fde.cost_ns(wanted, allowed))
            }
            // The products with all centroids; of most candidates some of the tokens.
            None if !exact && self.lists.is_some() => {
                let wanted = usual_candidates(k);
                let products = (self.centroids() * self.form.dims) as f64 * NS_PER_COMPONENT;
                (documents.min(wanted / 2), products as u64)
            }
            _ => (documents, 0),
        };
        found.saturating_add((compared as f64 * (each + NS_PER_DOCUMENT)) as u64)
    }

    /// The full check: bytes, ends, rows, the index of the encodings.
    pub fn verify(&self) -> Result<(), IndexError> {
        let tokens = usize::try_from(self.tokens).unwrap_or(usize::MAX);
        self.ends.verify_ends(tokens)?;
        for slot in 0..self.documents as usize {
            if self.part(slot)?.is_empty() {
                return Err(self.ends.corrupt(format!("document {slot} has no token")));
            }
        }
        if let Some(slots) = &self.slots {
            let rows = slots.all()?;
            let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || rows.last().is_some_and(|last| *last >= self.rows) {
                return Err(slots.corrupt("rows do not ascend below the segment's length"));
            }
        }
        self.column.verify()?;
        if let Some((stored, nearest)) = &self.book {
            stored.verify()?;
            if nearest.all()?.iter().any(|at| usize::from(*at) >= stored.len()) {
                return Err(nearest.corrupt("a token at a centroid that is not there"));
            }
        }
        self.lists.as_ref().map_or(Ok(()), |lists| lists.verify(self.documents))?;
        self.units.as_ref().map_or(Ok(()), |units| units.all().map(|_| ()))?;
        self.fde.as_ref().map_or(Ok(()), |fde| fde.verify())
    }
}

/// A document as it lies.
pub(super) struct Raw<'a> {
    pub(super) tokens: usize,
    pub(super) bytes: &'a [u8],
    pub(super) scales: &'a [u8],
    /// The centroid of each token, where there are some.
    pub(super) nearest: &'a [u16],
    pub(super) units: Option<&'a [u32]>,
}
