//! Opening; terms, rows and the full check.

use super::levels::LEVELS;
use super::row::{PlaceArray, Row};
use super::write::{EachRow, Rows, Split, is_narrow, write};
use super::{CAPABILITIES, INFO, VERSION, search};
use crate::dense::{Answered, Capabilities, Work};
use crate::section::Array;
use crate::sparse::seam::{SparseReader, SparseSearch, SparseSpec};
use crate::sparse::stored::{WeightArray, width_of};
use crate::sparse::terms::Terms;
use crate::{Counters, IndexError, SectionSink, SectionSource, TopK};
use tercet_kernels::prefetch_items;

/// Pruned lists and a forward index over borrowed sections.
pub struct SeismicReader {
    pub(super) rows: u32,
    pub(super) postings: u64,
    /// The heaviest postings that a list keeps.
    listed_max: u32,
    width: usize,
    pub(super) terms: Terms,
    pub(super) ends: Array<u32>,
    pub(super) places: PlaceArray,
    pub(super) weights: WeightArray,
    infos: Array<u32>,
    listed: Array<u32>,
    /// The sections again, for the full check.
    meta: Array<u32>,
}

/// A list that a query looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    /// The place of its term.
    pub(super) place: usize,
    /// The term's weight in the query.
    pub(super) q: f32,
    /// The most that the term adds to a score.
    pub(super) most: f32,
    /// Rows that hold the term.
    pub(super) count: u32,
    /// Where each level ends among `rows`; they do not fall, and end within it.
    pub(super) ends: [u32; LEVELS],
    pub(super) rows: &'a [u32],
}

impl List<'_> {
    /// Whether rows that hold the term are not in the list.
    pub(super) fn is_pruned(&self) -> bool {
        (self.rows.len() as u64) < u64::from(self.count)
    }
}

/// The registry's way in.
pub(super) fn open(
    _: &SparseSpec,
    rows: u32,
    source: &dyn SectionSource,
) -> Result<Box<dyn SparseReader>, IndexError> {
    Ok(Box::new(SeismicReader::open(rows, source)?))
}

impl SeismicReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let array = Array::<u32>::open_len(source, "meta", 10)?;
        let &[version, width, stored_rows, terms, bits, low, high, listed_low, listed_high, listed_max] =
            array.all()?
        else {
            return Err(array.corrupt("expected 10 elements"));
        };
        if version != VERSION {
            return Err(IndexError::Version { section: "meta".into(), found: version, supported: VERSION });
        }
        if !matches!(width, 1 | 2 | 4) || stored_rows != rows || listed_max == 0 {
            let what =
                format!("weights of {width} bytes, lists of {listed_max}, {stored_rows} rows of {rows}");
            return Err(array.corrupt(what));
        }
        let whole = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let (postings, listed) = (whole(low, high), whole(listed_low, listed_high));
        Ok(SeismicReader {
            rows,
            postings,
            listed_max,
            width: width as usize,
            terms: Terms::open(source, terms, bits)?,
            ends: Array::open_len(source, "ends", rows.into())?,
            places: if is_narrow(terms as usize) {
                PlaceArray::Narrow(Array::open_len(source, "places", postings)?)
            } else {
                PlaceArray::Wide(Array::open_len(source, "places", postings)?)
            },
            weights: WeightArray::open(source, "weights", width as usize, postings)?,
            infos: Array::open_len(source, "infos", u64::from(terms) * INFO as u64)?,
            listed: Array::open_len(source, "listed", listed)?,
            meta: array,
        })
    }

    /// The list of a term with its weight in a query; `None` when no row has it.
    pub(super) fn list(&self, term: u32, q: f32) -> Result<Option<List<'_>>, IndexError> {
        self.terms.place(term)?.map(|place| self.list_at(place, q)).transpose()
    }

    /// Asks for what [`list_at`](Self::list_at) will read first.
    #[inline]
    pub(super) fn prefetch_info(&self, place: usize) {
        prefetch_items(self.infos.unverified(), place.saturating_mul(INFO), INFO);
    }

    /// The list of the term at a place.
    pub(super) fn list_at(&self, place: usize, q: f32) -> Result<List<'_>, IndexError> {
        let info = self.infos.slice(place * INFO..(place + 1) * INFO)?;
        let (&[low, high, count, largest], levels) = (info.first_chunk().unwrap_or(&[0; 4]), &info[4..]);
        let mut ends = [0; LEVELS];
        ends.iter_mut().zip(levels).for_each(|(end, &level)| *end = level);
        let largest = f32::from_bits(largest);
        if !(ends.is_sorted() && largest.is_finite() && largest > 0.0) {
            return Err(self.infos.corrupt(format!("the levels of list {place}")));
        }
        let start = (u64::from(high) << 32 | u64::from(low)).min(self.listed.len() as u64 + 1) as usize;
        let rows = self.listed.slice(start..start.saturating_add(ends[LEVELS - 1] as usize))?;
        Ok(List { place, q, most: q * largest, count, ends, rows })
    }

    /// The level that holds the heaviest of what was pruned from a list, or one before it: where the list has as many postings
    /// as are kept whatever they are.
    pub(super) fn pruned_level(&self, list: &List<'_>) -> usize {
        list.ends.iter().position(|&end| end >= self.listed_max).unwrap_or(0)
    }

    /// The terms of a row and their weights; `row` is below the rows of the segment.
    fn read(&self, row: u32, out: &mut Vec<(u32, f32)>) -> Result<(), IndexError> {
        let row = self.forward(row)?;
        out.clear();
        for at in 0..row.len() {
            let Some(term) = self.terms.get(row.place(at) as u32)? else {
                return Err(self.ends.corrupt(format!("term {} of {}", row.place(at), self.terms.len())));
            };
            out.push((term, row.weight(at)));
        }
        Ok(())
    }

    /// The posting of a term in a row.
    fn find(&self, row: &Row<'_>, term: u32) -> Result<Option<f32>, IndexError> {
        Ok(self.terms.place(term)?.and_then(|place| row.find(place)))
    }
}

impl SparseReader for SeismicReader {
    fn rows(&self) -> u32 {
        self.rows
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
        Ok(self.list(term, 1.0)?.map_or(0, |list| list.count.min(self.rows)))
    }

    fn for_each_posting(
        &self,
        term: u32,
        each: &mut dyn FnMut(u32, f32) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let Some(place) = self.terms.place(term)? else { return Ok(()) };
        for row in 0..self.rows {
            if let Some(weight) = self.forward(row)?.find(place) {
                each(row, weight)?;
            }
        }
        Ok(())
    }

    fn row(&self, row: u32, out: &mut Vec<(u32, f32)>) -> Result<bool, IndexError> {
        out.clear();
        if row < self.rows {
            self.read(row, out)?;
        }
        Ok(true)
    }

    fn weight(&self, term: u32, row: u32) -> Result<Option<f32>, IndexError> {
        if row < self.rows { self.find(&self.forward(row)?, term) } else { Ok(None) }
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
        if row >= self.rows {
            return Ok(None);
        }
        let (row, mut sum) = (self.forward(row)?, None);
        for &(term, q) in terms {
            if let Some(weight) = self.find(&row, term)? {
                sum = Some(sum.unwrap_or(0.0) + weight * q);
            }
        }
        Ok(sum)
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn cost_ns(&self, terms: &[(u32, f32)], k: usize) -> u64 {
        search::cost_ns(self, terms, k)
    }

    /// Everything follows from the rows: it is written once more and compared.
    fn verify(&self) -> Result<(), IndexError> {
        self.terms.verify()?;
        self.ends.verify_ends(self.postings as usize)?;
        let candidates = (0..self.terms.len()).map_while(|at| self.terms.get(at).transpose());
        let candidates = candidates.collect::<Result<Vec<u32>, IndexError>>()?;
        let spec = SparseSpec { listed: self.listed_max, ..SparseSpec::default() };
        let mut same = Same { reader: self, name: "", at: 0 };
        write(&spec, self.rows, candidates, self, &mut same, &Work::inline())?;
        same.end()
    }
}

impl Rows for SeismicReader {
    fn each(&self, visit: &mut EachRow<'_>) -> Result<(), IndexError> {
        let (mut row, mut split) = (Vec::new(), Split::default());
        for at in 0..self.rows {
            self.read(at, &mut row)?;
            let Some((terms, weights)) = split.checked(&row, |weight| width_of(weight) <= self.width) else {
                return Err(self.ends.corrupt(format!("row {at}: terms or weights")));
            };
            visit(at, terms, weights)?;
        }
        Ok(())
    }
}

/// Compares what is written with what stands there.
struct Same<'a> {
    reader: &'a SeismicReader,
    name: &'static str,
    at: usize,
}

impl Same<'_> {
    /// The bytes that stand there; `None` for what was checked before, or is where it is written from.
    fn stored(&self) -> Result<Option<&[u8]>, IndexError> {
        Ok(match self.name {
            "infos" => Some(bytemuck::cast_slice(self.reader.infos.all()?)),
            "listed" => Some(bytemuck::cast_slice(self.reader.listed.all()?)),
            "meta" => Some(bytemuck::cast_slice(self.reader.meta.all()?)),
            _ => None,
        })
    }

    fn end(&self) -> Result<(), IndexError> {
        match self.stored()? {
            Some(stored) if stored.len() != self.at => Err(self.differs()),
            _ => Ok(()),
        }
    }

    fn differs(&self) -> IndexError {
        IndexError::corrupt(self.name, "is not that of the rows")
    }
}

impl SectionSink for Same<'_> {
    fn begin(&mut self, name: &str) -> Result<(), IndexError> {
        self.end()?;
        self.name = ["infos", "listed", "meta"].into_iter().find(|known| *known == name).unwrap_or("");
        self.at = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        if let Some(stored) = self.stored()?
            && stored.get(self.at..).and_then(|rest| rest.get(..bytes.len())) != Some(bytes)
        {
            return Err(self.differs());
        }
        self.at += bytes.len();
        Ok(())
    }
}
