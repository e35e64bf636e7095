//! Tokens in, sections out.
//!
//! While rows come, the builder keeps a forward index: per row its distinct terms with their frequencies, in one
//! flat array, beside a table from term bytes to term number. At the end a counting sort turns that into lists
//! per term. No list ever grows on its own, so that a million rare terms cost no million allocations.

use super::ABSENT;
use super::writer::SegmentWriter;
use crate::sections::reserved;
use crate::{IndexError, Sections};

/// Builds the inverted index of one segment.
///
/// Mistakes in the order of calls are kept and reported by [`finish`](Self::finish).
pub struct InvertedBuilder {
    terms: TermTable,
    /// Tokens of the present row: term number in the high half, position in the low half. Only with positions.
    tokens: Vec<u64>,
    /// Of each term the row that held it last, counted from 1 among those begun, and its place among the row's entries. Only
    /// without positions.
    seen: Vec<(u32, u32)>,
    /// Tokens of the present row, and where its entries begin.
    length: u64,
    begin: usize,
    rows: Vec<Row>,
    entries: Vec<Entry>,
    positions: Option<Vec<u32>>,
    open: Option<u32>,
    error: Option<IndexError>,
}

/// A row that has the field.
struct Row {
    row: u32,
    length: u32,
    /// Where its entries end.
    end: usize,
}

/// A term in a row.
struct Entry {
    term: u32,
    tf: u32,
}

impl InvertedBuilder {
    /// An empty builder; with `positions`, token positions are kept.
    pub fn new(positions: bool) -> Self {
        InvertedBuilder {
            terms: TermTable::new(),
            tokens: Vec::new(),
            seen: Vec::new(),
            length: 0,
            begin: 0,
            rows: Vec::new(),
            entries: Vec::new(),
            positions: positions.then(Vec::new),
            open: None,
            error: None,
        }
    }

    /// Begins a row. Rows ascend; the field is absent in rows that are passed over.
    pub fn start_row(&mut self, row: u32) {
        if let Some(after) = self.open.filter(|&open| open >= row) {
            self.fail(IndexError::Order { what: "rows of a text field".into(), after, row });
            return;
        }
        self.end_row();
        self.open = Some(row);
    }

    /// Adds a token to the present row.
    pub fn push(&mut self, term: &str, position: u32) {
        if self.open.is_none() {
            self.fail(IndexError::shape("rows begun before the first token", 1, 0));
            return;
        }
        let number = match self.terms.number(term.as_bytes()) {
            Ok(number) => number,
            Err(error) => return self.fail(error),
        };
        self.length += 1;
        if self.positions.is_some() {
            self.tokens.push(u64::from(number) << 32 | u64::from(position));
            return;
        }
        // Rows are numbers of 32 bits, so their count but for the last is too.
        let row = self.rows.len() as u32 + 1;
        if number as usize >= self.seen.len() {
            self.seen.resize(number as usize + 1, (0, 0));
        }
        let (seen, at) = &mut self.seen[number as usize];
        if *seen == row {
            let tf = &mut self.entries[self.begin + *at as usize].tf;
            *tf = tf.saturating_add(1);
        } else {
            (*seen, *at) = (row, (self.entries.len() - self.begin) as u32);
            self.entries.push(Entry { term: number, tf: 1 });
        }
    }

    /// Bytes of memory held: what a writer compares with its budget.
    pub fn memory_bytes(&self) -> u64 {
        let positions = self.positions.as_ref().map_or(0, Vec::capacity) * size_of::<u32>();
        let own = (self.tokens.capacity() + self.seen.capacity()) * size_of::<u64>()
            + self.rows.capacity() * size_of::<Row>()
            + self.entries.capacity() * size_of::<Entry>()
            + positions;
        own as u64 + self.terms.memory_bytes()
    }

    /// The sections of a segment of `rows` rows.
    pub fn finish(mut self, rows: u32) -> Result<Sections, IndexError> {
        self.end_row();
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(last) = self.rows.last().filter(|last| last.row >= rows) {
            return Err(IndexError::shape("rows of the segment", rows.into(), u64::from(last.row) + 1));
        }
        self.seen = Vec::new();
        let lists = Lists::gather(&self)?;
        let mut order: Vec<u32> = (0..self.terms.len()).collect();
        order.sort_unstable_by_key(|&term| self.terms.get(term));
        let mut sections = Sections::new();
        let mut writer = SegmentWriter::new(&mut sections)?;
        for &term in &order {
            for posting in lists.of(term) {
                writer.posting(posting.row, posting.tf)?;
            }
            writer.end_term(self.terms.get(term))?;
        }
        if let Some(all) = &self.positions {
            writer.begin_positions()?;
            for &term in &order {
                for posting in lists.of(term) {
                    writer.positions(&all[posting.position..posting.position + posting.tf as usize])?;
                }
                writer.end_term_positions();
            }
        }
        let mut lengths: Vec<u32> = reserved(rows as usize)?;
        lengths.resize(rows as usize, ABSENT);
        for row in &self.rows {
            lengths[row.row as usize] = row.length;
        }
        writer.finish(&mut lengths.into_iter().map(Ok))?;
        Ok(sections)
    }

    fn end_row(&mut self) {
        let Some(row) = self.open else { return };
        // The greatest u32 marks absence.
        let length = std::mem::take(&mut self.length);
        let Some(length) = u32::try_from(length).ok().filter(|&length| length != ABSENT) else {
            self.fail(IndexError::too_large("tokens of a row", u64::from(ABSENT) - 1));
            return;
        };
        self.tokens.sort_unstable();
        for tokens in self.tokens.chunk_by(|a, b| a >> 32 == b >> 32) {
            self.entries.push(Entry { term: (tokens[0] >> 32) as u32, tf: tokens.len() as u32 });
            if let Some(positions) = &mut self.positions {
                positions.extend(tokens.iter().map(|&token| token as u32));
            }
        }
        self.begin = self.entries.len();
        self.rows.push(Row { row, length, end: self.begin });
        self.tokens.clear();
    }

    fn fail(&mut self, error: IndexError) {
        self.error.get_or_insert(error);
    }
}

/// The forward index turned into lists per term.
struct Lists {
    /// Where each term's list begins; one more than there are terms.
    starts: Vec<usize>,
    postings: Vec<Posting>,
}

#[derive(Clone, Copy)]
struct Posting {
    row: u32,
    tf: u32,
    /// Where its positions begin, when they are kept.
    position: usize,
}

impl Lists {
    fn gather(builder: &InvertedBuilder) -> Result<Lists, IndexError> {
        let mut starts: Vec<usize> = reserved(builder.terms.len() as usize + 1)?;
        starts.resize(builder.terms.len() as usize + 1, 0);
        for entry in &builder.entries {
            starts[entry.term as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut postings = reserved(builder.entries.len())?;
        postings.resize(builder.entries.len(), Posting { row: 0, tf: 0, position: 0 });
        let (mut from, mut position) = (0, 0);
        for row in &builder.rows {
            for entry in &builder.entries[from..row.end] {
                let slot = &mut next[entry.term as usize];
                postings[*slot] = Posting { row: row.row, tf: entry.tf, position };
                *slot += 1;
                position += entry.tf as usize;
            }
            from = row.end;
        }
        Ok(Lists { starts, postings })
    }

    fn of(&self, term: u32) -> &[Posting] {
        let term = term as usize;
        &self.postings[self.starts[term]..self.starts[term + 1]]
    }
}

/// Numbers terms in order of first appearance: a hash table with open addressing over one array of bytes.
struct TermTable {
    /// Term number + 1, or 0 for a free slot. A power of two, at most half full.
    slots: Vec<u32>,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u32>,
}

impl TermTable {
    fn new() -> Self {
        TermTable { slots: vec![0; 1024], bytes: Vec::new(), ends: Vec::new(), hashes: Vec::new() }
    }

    fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[start as usize..self.ends[number] as usize]
    }

    fn memory_bytes(&self) -> u64 {
        let words = self.slots.capacity() + self.ends.capacity() + self.hashes.capacity();
        (words * size_of::<u32>() + self.bytes.capacity()) as u64
    }

    fn number(&mut self, term: &[u8]) -> Result<u32, IndexError> {
        let hash = hash(term);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 {
            let number = self.slots[slot] - 1;
            if self.hashes[number as usize] == hash && self.get(number) == term {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
        let end = u32::try_from(self.bytes.len() as u64 + term.len() as u64)
            .map_err(|_| IndexError::too_large("bytes of all terms of a segment", u32::MAX.into()))?;
        // As many terms as bytes, but for the empty one: the number fits.
        self.slots[slot] = self.ends.len() as u32 + 1;
        self.bytes.extend_from_slice(term);
        self.ends.push(end);
        self.hashes.push(hash);
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        Ok(self.len() - 1)
    }

    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let mut slots = vec![0; self.slots.len() * 2];
        for (number, &hash) in self.hashes.iter().enumerate() {
            let mut slot = hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = number as u32 + 1;
        }
        self.slots = slots;
    }
}

/// Multiply and fold, eight bytes at a time. Only the table's layout depends on it, nothing that is stored.
fn hash(term: &[u8]) -> u32 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(MULTIPLIER);
        product ^ product >> 32
    };
    let (words, rest) = term.as_chunks::<8>();
    let mut hash = term.len() as u64;
    for word in words {
        hash = fold(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(fold(hash, u64::from_le_bytes(last)), MULTIPLIER) as u32
}
