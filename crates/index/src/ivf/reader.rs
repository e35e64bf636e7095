//! Opening an inverted file, and what it answers beside searches (`search.rs`).

use super::alone::alone;
use super::far::{Far, Numbers};
use super::layout::{BLOCK, Form, Head, block_bytes};
use super::make::{center, kept, metric};
use super::plan::{Coding, Plan};
use super::{CAPABILITIES, LISTS_FROM, search};
use crate::batch;
use crate::cluster::Centroids;
use crate::dense::{Answered, Capabilities, DenseReader, DenseSearch, DenseSpec, Effort, Stored, Work};
use crate::flat::FlatReader;
use crate::quant::{Codebook, Coder, Planes, Space};
use crate::reduce::Reduction;
use crate::section::{Access, Array};
use crate::values::Values;
use crate::{Counters, IndexError, SectionSource, TopK};
use std::any::Any;
use std::ops::Range;

/// Vectors that are let go of take up to this part of what codes and lists take, or so many bytes.
const SPARED: u64 = 8;
const SPARED_LEAST: u64 = 1 << 20;

/// An inverted file over borrowed sections: the vectors, and lists where there are enough of them.
pub struct IvfReader {
    /// What is kept of the vectors; `None` where codes are all that is.
    pub(super) vectors: Option<FlatReader>,
    pub(super) rows: u32,
    pub(super) stage: Option<Stage>,
}

/// Where groups of lists end, and their centroids as codes.
type Groups = (Array<u32>, Array<u8>);

/// The lists and their codes.
pub(super) struct Stage {
    pub(super) head: Head,
    /// Without its centroids.
    pub(super) plan: Plan,
    pub(super) centroids: Array<f32>,
    pub(super) coarse: Array<u8>,
    /// Of many lists: where groups of them end, and their centroids as codes.
    pub(super) groups: Option<Groups>,
    pub(super) ends: Array<u32>,
    pub(super) blocks: Array<u32>,
    pub(super) ids: Array<u32>,
    pub(super) places: Array<u32>,
    pub(super) entries: Option<Array<u32>>,
    pub(super) codes: Option<Array<u8>>,
    pub(super) terms: Option<Array<u16>>,
    pub(super) scales: Option<Array<u16>>,
    pub(super) far: Option<Far>,
    pub(super) judges: Option<Array<u8>>,
    /// The rows of the slots; `None` when they are the same.
    pub(super) slots: Option<Array<u32>>,
}

pub(super) fn open(
    spec: &DenseSpec,
    rows: u32,
    source: &dyn SectionSource,
) -> Result<Box<dyn DenseReader>, IndexError> {
    let missing = |name| matches!(source.section(name), Err(IndexError::Missing { .. }));
    let plain = missing("ivf");
    if alone(spec) && !plain && missing("meta") {
        let stage = Some(Stage::open(spec, rows, None, source)?);
        return Ok(Box::new(IvfReader { vectors: None, rows, stage }));
    }
    let vectors = FlatReader::open(&kept(spec), rows, source)?;
    let count = vectors.len();
    let stage = match count < LISTS_FROM || plain {
        true => None,
        false => Some(Stage::open(spec, rows, Some(count as u32), source)?),
    };
    Ok(Box::new(IvfReader { vectors: Some(vectors), rows, stage }))
}

/// All numbers of an array that are finite.
fn finite(source: &dyn SectionSource, name: &str, len: u64) -> Result<Vec<f32>, IndexError> {
    let array = Array::<f32>::open_len(source, name, len)?;
    let all = array.all()?;
    if let Some(at) = all.iter().position(|x| !x.is_finite()) {
        return Err(array.corrupt(format!("element {at} is not finite")));
    }
    Ok(all.to_vec())
}

/// The groups of lists, where there are some.
fn open_groups(source: &dyn SectionSource, lists: u32, stride: u64) -> Result<Option<Groups>, IndexError> {
    let ends = match Array::<u32>::open(source, "group_ends") {
        Err(IndexError::Missing { .. }) => return Ok(None),
        ends => ends?,
    };
    ends.verify_ends(lists as usize)?;
    let codes = Array::open_len(source, "group_coarse", ends.len() as u64 * stride)?;
    Ok(Some((ends, codes)))
}

impl Stage {
    fn open(
        spec: &DenseSpec,
        rows: u32,
        count: Option<u32>,
        source: &dyn SectionSource,
    ) -> Result<Self, IndexError> {
        let head = Head::open(source, count, rows)?;
        let count = head.count;
        let corrupt = |what: &str| IndexError::corrupt("ivf", what);
        let space = Space::open_as(center(spec), metric(spec)?, spec.dims, source)?;
        let points = space.points();
        let reduction = Reduction::open(source, points)?;
        let reduced = reduction.reduced(points);
        let judge = head.judged.then(|| Coder::bits8(points));
        if head.points as usize != points
            || head.reduced as usize != reduced
            || judge.map_or(0, |coder| coder.stride()) != head.judge_stride as usize
        {
            return Err(corrupt("codes of other dimensions than the points"));
        }
        let (lists, entries) = (u64::from(head.lists), u64::from(head.entries));
        let coder = Coder::bits8(reduced);
        // What searches do not need stays where it is.
        let centroids = Centroids { dims: reduced, values: Vec::new(), codes: Vec::new(), coder };
        let coding = match head.form {
            Form::Vectors => Coding::Vectors,
            Form::Rows { bits: 8 } => Coding::Rows(Coder::bits8(reduced)),
            Form::Rows { .. } => Coding::Rows(Coder::bits4(reduced)),
            Form::Planes { bits } => Coding::Planes(Planes::new(reduced, bits)),
            Form::Parts { m, bits } => {
                let values = finite(source, "codebook", (reduced as u64) << bits)?;
                let book = Codebook::new(reduced, m, bits, values);
                Coding::Parts(book.ok_or_else(|| corrupt("parts that are none"))?)
            }
        };
        let coded = coding.bytes(head.entries, head.blocks);
        let plan = Plan::new(space, reduction, centroids, coding, head.residual, head.spill, judge);
        let has_codes = head.form != Form::Vectors;
        let terms = u64::from(head.blocks) * BLOCK as u64;
        let judged = u64::from(count) * u64::from(head.judge_stride);
        Ok(Stage {
            centroids: Array::open_len(source, "centroids", lists * reduced as u64)?,
            coarse: Array::open_len(source, "coarse", lists * coder.stride() as u64)?,
            groups: open_groups(source, head.lists, coder.stride() as u64)?,
            ends: Array::open_len(source, "list_ends", lists)?,
            blocks: Array::open_len(source, "list_blocks", lists)?,
            ids: Array::open_len(source, "ids", count.into())?,
            places: Array::open_len(source, "places", count.into())?,
            entries: head.spill.then(|| Array::open_len(source, "entries", entries)).transpose()?,
            codes: has_codes.then(|| Array::open_len(source, "list_codes", coded)).transpose()?,
            terms: head.form.terms().then(|| Array::open_len(source, "list_terms", terms)).transpose()?,
            scales: matches!(head.form, Form::Planes { .. })
                .then(|| Array::open_len(source, "list_scales", terms))
                .transpose()?,
            far: if head.form.terms() { Far::open(source, head.entries)? } else { None },
            judges: head.judged.then(|| Array::open_len(source, "points", judged)).transpose()?,
            slots: (count != rows).then(|| Array::open_len(source, "rows", count.into())).transpose()?,
            head,
            plan,
        })
    }

    /// What few entries have instead of their term and scale.
    pub(super) fn far_numbers(&self) -> Numbers<'_> {
        self.far.as_ref().map_or(Numbers::default(), Far::unverified)
    }

    /// The plan with its centroids, to code by.
    pub(super) fn whole_plan(&self) -> Result<Plan, IndexError> {
        let values = self.centroids.all()?.to_vec();
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(self.centroids.corrupt(format!("element {at} is not finite")));
        }
        let centroids = Centroids { values, codes: self.coarse.all()?.to_vec(), ..self.plan.centroids };
        Ok(Plan { centroids, ..self.plan.clone() })
    }

    /// The entries of a list and its first block; none where the ends are damaged.
    #[inline]
    pub(super) fn list(&self, list: usize) -> (Range<usize>, usize) {
        let of = |ends: &[u32]| {
            let start = list.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied());
            (start.unwrap_or(0) as usize, ends.get(list).copied().unwrap_or(0) as usize)
        };
        let ((start, end), (first, last)) = (of(self.ends.unverified()), of(self.blocks.unverified()));
        let sound = start <= end
            && end <= self.head.entries as usize
            && last <= self.head.blocks as usize
            && first.checked_add((end - start).div_ceil(BLOCK)) == Some(last);
        if sound { (start..end, first) } else { (0..0, 0) }
    }

    /// The position of an entry; one past the last where the table is damaged.
    #[inline]
    pub(super) fn position(&self, entry: u32) -> u32 {
        match &self.entries {
            None => entry,
            Some(entries) => entries.unverified().get(entry as usize).copied().unwrap_or(self.head.count),
        }
    }

    /// The slot of a position; one past the last where the table is damaged.
    #[inline]
    pub(super) fn slot(&self, position: u32) -> u32 {
        let slot = self.ids.unverified().get(position as usize).copied();
        slot.filter(|slot| *slot < self.head.count).unwrap_or(self.head.count)
    }

    /// The row of a slot; none where a table is damaged.
    #[inline]
    pub(super) fn row(&self, slot: u32) -> Option<u32> {
        match &self.slots {
            None => (slot < self.head.count).then_some(slot),
            Some(rows) => rows.unverified().get(slot as usize).copied(),
        }
    }

    fn verify(&self) -> Result<(), IndexError> {
        let count = self.head.count;
        self.ends.verify_ends(self.head.entries as usize)?;
        self.blocks.verify_ends(self.head.blocks as usize)?;
        for list in 0..self.head.lists as usize {
            if self.list(list).0.is_empty() && !self.ends.part(list)?.is_empty() {
                return Err(self.blocks.corrupt(format!("list {list} has other blocks than entries")));
            }
        }
        let (ids, places) = (self.ids.all()?, self.places.all()?);
        if let Some(at) = (0..ids.len()).find(|at| places.get(ids[*at] as usize).copied() != Some(*at as u32))
        {
            return Err(self.ids.corrupt(format!("position {at} is not the place of its slot")));
        }
        if let Some(entries) = &self.entries
            && entries.all()?.iter().any(|position| *position >= count)
        {
            return Err(entries.corrupt("an entry of no vector"));
        }
        self.whole_plan()?;
        if let Some((_, codes)) = &self.groups {
            codes.all()?;
        }
        for bytes in [&self.codes, &self.judges].into_iter().flatten() {
            bytes.all()?;
        }
        for numbers in [&self.terms, &self.scales].into_iter().flatten() {
            numbers.all()?;
        }
        self.far.as_ref().map_or(Ok(()), Far::verify)
    }

    /// Bytes of codes and lists, about.
    fn bytes(&self) -> u64 {
        let head = &self.head;
        let entry = self.entry_bytes() as u64 + 4;
        u64::from(head.entries) * entry + u64::from(head.count) * (u64::from(head.judge_stride) + 4)
    }

    /// Bytes of an entry's codes, its term and its places.
    fn entry_bytes(&self) -> f64 {
        let coded = match self.head.form {
            Form::Parts { m, bits: 8 } => m + 2,
            Form::Parts { .. } => block_bytes(self.plan.coding.nibbles()) / BLOCK + 2,
            Form::Planes { .. } => block_bytes(self.plan.coding.nibbles()) / BLOCK + 4,
            Form::Vectors | Form::Rows { .. } => self.plan.coding.loose(),
        };
        coded as f64
    }
}

impl DenseReader for IvfReader {
    fn len(&self) -> usize {
        let coded = self.stage.as_ref().map_or(0, |stage| stage.head.count as usize);
        self.vectors.as_ref().map_or(coded, FlatReader::len)
    }

    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError> {
        match (&self.vectors, &self.stage) {
            (Some(vectors), _) => vectors.stored(row),
            (None, Some(stage)) => Ok(self.decoded(stage, row)?.map(Stored::Decoded)),
            (None, None) => Ok(None),
        }
    }

    fn search(
        &self,
        search: &DenseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        search::search(self, search, top, counters)
    }

    fn score(&self, query: Values<'_>, row: u32) -> Result<Option<f32>, IndexError> {
        match (&self.vectors, &self.stage) {
            (Some(vectors), _) => vectors.score(query, row),
            (None, Some(stage)) => {
                let mut score = None;
                search::code_scores(self, stage, query, [row], |found| score = found)?;
                Ok(score)
            }
            (None, None) => Ok(None),
        }
    }

    fn scores(&self, query: Values<'_>, rows: &[u32], out: &mut Vec<f32>) -> Result<(), IndexError> {
        match (&self.vectors, &self.stage) {
            (None, Some(stage)) => {
                out.clear();
                search::code_scores(self, stage, query, rows.iter().copied(), |score| {
                    out.push(score.unwrap_or(f32::NEG_INFINITY));
                })
            }
            (vectors, _) => vectors.as_ref().map_or(Ok(()), |vectors| vectors.scores(query, rows, out)),
        }
    }

    fn search_batch(
        &self,
        queries: Values<'_>,
        search: &DenseSearch<'_>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        let scanned = self.stage.is_none() || search.effort == Effort::Exact;
        if let Some(vectors) = self.vectors.as_ref().filter(|_| scanned) {
            vectors.advise(Access::Soon);
            let answered = vectors.search_batch(queries, search, tops, counters, work);
            vectors.advise(Access::Spare);
            return answered;
        }
        batch::share(queries, tops, counters, work, &|query, top, counters| {
            self.search(&DenseSearch { query, ..*search }, top, counters)
        })
    }

    fn capabilities(&self) -> Capabilities {
        let vectors = self.vectors.as_ref().map(FlatReader::capabilities);
        Capabilities {
            exact: self.stage.is_none() && vectors.is_some_and(|vectors| vectors.exact),
            originals: vectors.is_some_and(|vectors| vectors.originals),
            ..CAPABILITIES
        }
    }

    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64 {
        match &self.stage {
            None => self.vectors.as_ref().map_or(0, |vectors| vectors.cost_ns(k, allowed)),
            Some(stage) => search::cost_ns(stage, k, allowed),
        }
    }

    fn spare_vectors(&self) {
        let Some(stage) = self.stage.as_ref().filter(|stage| stage.head.form != Form::Vectors) else {
            return;
        };
        if let Some(vectors) = &self.vectors {
            vectors.spare((stage.bytes() / SPARED).max(SPARED_LEAST));
        }
    }

    fn unfinished(&self) -> bool {
        self.stage.is_none() && self.len() >= LISTS_FROM
    }

    fn verify(&self) -> Result<(), IndexError> {
        self.vectors.as_ref().map_or(Ok(()), FlatReader::verify)?;
        self.stage.as_ref().map_or(Ok(()), Stage::verify)
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let Some(stage) = &self.stage else { return Vec::new() };
        let head = &stage.head;
        let longest = (0..head.lists as usize).map(|list| stage.list(list).0.len()).max().unwrap_or(0);
        vec![
            ("lists", f64::from(head.lists)),
            ("longestList", longest as f64),
            ("codeBytes", stage.entry_bytes()),
            ("trainedVectors", f64::from(head.planned)),
            ("trainedError", f64::from(head.error)),
            ("addedVectors", f64::from(head.added)),
            ("addedError", f64::from(head.added_error)),
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
