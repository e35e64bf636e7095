//! Opening the lists; terms, postings and the full check.

use super::query::List;
use super::record::{Parts, Shape};
use super::writer::Writer;
use super::{CAPABILITIES, SPAN_BITS, VERSION, search};
use crate::dense::{Answered, Capabilities};
use crate::section::{Array, Section};
use crate::sparse::seam::{SparseReader, SparseSearch, SparseSpec};
use crate::sparse::stored::{Weights, width_of};
use crate::sparse::terms::Terms;
use crate::{Counters, IndexError, SectionSource, TopK};

/// Inverted lists over borrowed sections.
pub struct ListsReader {
    pub(super) shape: Shape,
    postings: u64,
    terms: Terms,
    infos: Array<u32>,
    lists: Section,
}

/// The registry's way in.
pub(super) fn open(
    _: &SparseSpec,
    rows: u32,
    source: &dyn SectionSource,
) -> Result<Box<dyn SparseReader>, IndexError> {
    Ok(Box::new(ListsReader::open(rows, source)?))
}

impl ListsReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let meta = Array::<u32>::open_len(source, "meta", 8)?;
        let &[version, width, block_bits, stored_rows, terms, low, high, head_bits] = meta.all()? else {
            return Err(meta.corrupt("expected 8 elements"));
        };
        if version != VERSION {
            return Err(IndexError::Version { section: "meta".into(), found: version, supported: VERSION });
        }
        if !matches!(width, 1 | 2 | 4) || !(3..=7).contains(&block_bits) || stored_rows != rows {
            let what =
                format!("weights of {width} bytes, blocks of 2^{block_bits}, {stored_rows} rows of {rows}");
            return Err(meta.corrupt(what));
        }
        Ok(ListsReader {
            shape: Shape { rows, block_bits, width: width as usize },
            postings: u64::from(high) << 32 | u64::from(low),
            terms: Terms::open(source, terms, head_bits)?,
            infos: Array::open_len(source, "infos", u64::from(terms) * 8)?,
            lists: source.section("lists")?,
        })
    }

    /// Where a record's parts are, and its bytes.
    fn record(&self, at: usize) -> Result<(&[u32], Parts, &[u8]), IndexError> {
        let info = self.infos.slice(at * 8..at * 8 + 8)?;
        let (postings, pairs) = (info[1], info[2]);
        let parts = (postings <= self.shape.rows).then(|| self.shape.parts(postings, pairs)).flatten();
        let parts = parts.ok_or_else(|| self.infos.corrupt(format!("term {at} has {postings} postings")))?;
        let start = (info[0] as usize).checked_mul(4);
        let range = start.and_then(|start| Some(start..start.checked_add(parts.end)?));
        let range = range.ok_or_else(|| self.infos.corrupt("a list without end"))?;
        Ok((info, parts, self.lists.get(range)?))
    }

    /// The list of a term, with its weight in a query; `None` when no row has it.
    pub(super) fn list(&self, term: u32, q: f32) -> Result<Option<List<'_>>, IndexError> {
        match self.terms.place(term)? {
            Some(at) => self.list_at(at, q).map(Some),
            None => Ok(None),
        }
    }

    fn list_at(&self, at: usize, q: f32) -> Result<List<'_>, IndexError> {
        let (info, parts, bytes) = self.record(at)?;
        let (pairs, tops) = (info[2], [4, 5, 6, 7].map(|at| f32::from_bits(info[at])));
        let postings = info[1] as usize;
        let weights = &bytes[parts.weights..];
        let weights = match self.shape.width {
            1 => weights.get(..postings).map(Weights::Bytes),
            2 => words(weights).get(..postings).map(Weights::Halves),
            _ => bytemuck::try_cast_slice(&weights[..postings * 4]).ok().map(Weights::Floats),
        };
        let ends = bytemuck::try_cast_slice(&bytes[..parts.slots]).ok();
        let (Some(weights), Some(ends)) = (weights, ends) else {
            return Err(self.lists.corrupt(format!("list {at} is not aligned")));
        };
        Ok(List {
            q,
            postings: postings as u32,
            tops,
            ends,
            slots: words(&bytes[parts.slots..parts.bounds]),
            shift: parts.shift,
            bounds: &bytes[parts.bounds..parts.docs],
            pairs,
            docs: words(&bytes[parts.docs..parts.docs + postings * 2]),
            weights,
        })
    }

    /// The lists of a query's terms that are there, in their order.
    pub(super) fn lists<'a>(
        &'a self,
        terms: &[(u32, f32)],
        out: &mut Vec<List<'a>>,
    ) -> Result<(), IndexError> {
        for &(term, q) in terms {
            out.extend(self.list(term, q)?);
        }
        Ok(())
    }

    fn verify_list(&self, at: usize, start: usize) -> Result<(usize, u64), IndexError> {
        let wrong = |what: &str| self.lists.corrupt(format!("list {at}: {what}"));
        let (info, parts, _) = self.record(at)?;
        if u64::from(info[0]) * 4 != start as u64 || info[1] == 0 || info[3] != 0 {
            return Err(wrong("does not follow the one before"));
        }
        let list = self.list_at(at, 1.0)?;
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        for span in 0..self.shape.spans() {
            let range = list.span(span);
            if range.start != rows.len() {
                return Err(wrong("spans do not follow one another"));
            }
            for posting in range {
                rows.push((span as u32) << SPAN_BITS | u32::from(list.docs[posting]));
                weights.push(list.weights.get(posting));
            }
        }
        let strict = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if rows.len() != info[1] as usize || !strict || rows.last().is_some_and(|&row| row >= self.shape.rows)
        {
            return Err(wrong("rows do not ascend below the segment's"));
        }
        let fits =
            |weight: &f32| *weight > 0.0 && weight.is_finite() && width_of(*weight) <= self.shape.width;
        if !weights.iter().all(fits) {
            return Err(wrong("a weight that is not above zero"));
        }
        // What stands beside the postings follows from them: they are written once more and compared.
        let mut again = crate::Sections::new();
        let mut writer = Writer::new(&mut again, self.shape)?;
        writer.term(0, &rows, &weights)?;
        writer.finish()?;
        let same = again.first().is_some_and(|(_, bytes)| {
            self.lists.get(start..start + parts.end).is_ok_and(|stored| stored == &bytes[..])
        });
        let infos = again.iter().find(|(name, _)| name == "infos").map(|(_, bytes)| &bytes[4..]);
        let info_bytes: &[u8] = bytemuck::cast_slice(&info[1..]);
        if !same || infos != Some(info_bytes) {
            return Err(wrong("bounds are not those of the postings"));
        }
        Ok((start + parts.end, u64::from(info[1])))
    }
}

/// The part is even and starts at an even place, so this is all of it.
fn words(bytes: &[u8]) -> &[u16] {
    let even = bytes.len() & !1;
    bytemuck::try_cast_slice(&bytes[..even]).unwrap_or(&[])
}

impl SparseReader for ListsReader {
    fn rows(&self) -> u32 {
        self.shape.rows
    }

    fn postings(&self) -> u64 {
        self.postings
    }

    fn term_count(&self) -> u32 {
        self.terms.len()
    }

    fn term(&self, at: u32) -> Result<Option<u32>, IndexError> {
        self.terms.get(at)
    }

    fn doc_freq(&self, term: u32) -> Result<u32, IndexError> {
        match self.terms.place(term)? {
            Some(at) => Ok(self.infos.get(at * 8 + 1)?.min(self.shape.rows)),
            None => Ok(0),
        }
    }

    fn for_each_posting(
        &self,
        term: u32,
        each: &mut dyn FnMut(u32, f32) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let Some(list) = self.list(term, 1.0)? else { return Ok(()) };
        for span in 0..self.shape.spans() {
            for posting in list.span(span) {
                each((span as u32) << SPAN_BITS | u32::from(list.docs[posting]), list.weights.get(posting))?;
            }
        }
        Ok(())
    }

    fn weight(&self, term: u32, row: u32) -> Result<Option<f32>, IndexError> {
        let list = (row < self.shape.rows).then(|| self.list(term, 1.0)).transpose()?.flatten();
        Ok(list.and_then(|list| list.find(row)))
    }

    fn search(
        &self,
        search: &SparseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        search::search(self, search, top, counters)
    }

    fn score(&self, terms: &[(u32, f32)], row: u32) -> Result<Option<f32>, IndexError> {
        if row >= self.shape.rows {
            return Ok(None);
        }
        let mut lists = Vec::new();
        self.lists(terms, &mut lists)?;
        Ok(search::score(&lists, row))
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn cost_ns(&self, terms: &[(u32, f32)], k: usize) -> u64 {
        search::cost_ns(self, terms, k)
    }

    fn verify(&self) -> Result<(), IndexError> {
        self.terms.verify()?;
        let (mut start, mut postings) = (0, 0);
        for at in 0..self.terms.len() as usize {
            let (end, count) = self.verify_list(at, start)?;
            (start, postings) = (end, postings + count);
        }
        if start != self.lists.all()?.len() || postings != self.postings {
            return Err(self.lists.corrupt(format!("{postings} postings of {}", self.postings)));
        }
        Ok(())
    }
}
