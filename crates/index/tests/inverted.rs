//! The inverted index against BM25 computed from token lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Rng, subset};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tercet_index::{
    Accumulators, Bitmap, Bm25, Counters, FieldWords, IndexError, InvertedBuilder, InvertedReader,
    MemorySections, RowMap, Scored, Scoring, Sections, TermId, TopK, WeightedTerm, best_rows, idf,
    merge_inverted,
};

/// A row's tokens with their positions; `None` where the field is absent.
type Row = Option<Vec<(String, u32)>>;

fn corpus(rng: &mut Rng, rows: u32, terms: u32, absent: f64) -> Vec<Row> {
    (0..rows)
        .map(|_| {
            let length = if rng.chance(0.02) { 300 + rng.below(300) } else { rng.below(14) };
            let token = |position| {
                // The product of two uniform numbers: few frequent terms, many rare ones.
                let term = rng.below(terms) as u64 * rng.below(terms) as u64 / u64::from(terms);
                (format!("t{term}"), position + rng.below(2))
            };
            let tokens = (0..length).map(token).collect();
            (!rng.chance(absent)).then_some(tokens)
        })
        .collect()
}

fn build(rows: &[Row], positions: bool) -> Sections {
    let mut builder = InvertedBuilder::new(positions);
    for (row, tokens) in rows.iter().enumerate() {
        let Some(tokens) = tokens else { continue };
        builder.start_row(row as u32);
        tokens.iter().for_each(|(term, position)| builder.push(term, *position));
    }
    assert!(builder.memory_bytes() > 0);
    builder.finish(rows.len() as u32).unwrap()
}

fn open(rows: u32, sections: &Sections) -> InvertedReader {
    let reader = InvertedReader::open(rows, &MemorySections::new(sections)).unwrap();
    reader.verify().unwrap();
    reader
}

/// What the formula says, from the token lists, in f64.
struct Oracle<'a> {
    rows: &'a [Row],
    live: Option<&'a Bitmap>,
}

impl Oracle<'_> {
    fn live_rows(&self) -> impl Iterator<Item = (u32, &Vec<(String, u32)>)> {
        let rows = self.rows.iter().enumerate().map(|(row, tokens)| (row as u32, tokens.as_ref()));
        rows.filter_map(|(row, tokens)| Some((row, tokens?)))
            .filter(|&(row, _)| self.live.is_none_or(|live| live.contains(row)))
    }

    fn tf(tokens: &[(String, u32)], term: &str) -> f64 {
        tokens.iter().filter(|(token, _)| token == term).count() as f64
    }

    fn doc_freq(&self, term: &str) -> u64 {
        self.live_rows().filter(|(_, tokens)| Self::tf(tokens, term) > 0.0).count() as u64
    }

    fn total_length(&self) -> u64 {
        self.live_rows().map(|(_, tokens)| tokens.len() as u64).sum()
    }

    fn scores(&self, query: &[(&str, f64)], k1: f64, b: f64) -> BTreeMap<u32, (f64, u16)> {
        let count = self.live_rows().count() as f64;
        let average = self.total_length() as f64 / count;
        let mut scores = BTreeMap::new();
        for &(term, boost) in query {
            let df = self.doc_freq(term) as f64;
            let idf = (1.0 + (count - df + 0.5) / (df + 0.5)).ln();
            for (row, tokens) in self.live_rows() {
                let tf = Self::tf(tokens, term);
                if tf > 0.0 {
                    let norm = k1 * (1.0 - b + b * tokens.len() as f64 / average);
                    let (score, matched) = scores.entry(row).or_insert((0.0, 0));
                    *score += boost * idf * tf * (k1 + 1.0) / (tf + norm);
                    *matched += 1;
                }
            }
        }
        scores
    }
}

struct Search<'a> {
    query: &'a [(&'a str, f64)],
    params: Bm25,
    live: Option<&'a Bitmap>,
    allowed: Option<&'a Bitmap>,
}

impl Search<'_> {
    fn terms(&self, reader: &InvertedReader) -> (Vec<WeightedTerm>, f32) {
        let count = reader.rows_with_field(self.live).unwrap();
        let terms = self.query.iter().filter_map(|&(term, boost)| {
            let term = reader.term(term).unwrap()?;
            let weight = boost as f32 * idf(count, reader.doc_freq(term, self.live).unwrap());
            Some(WeightedTerm { term, weight })
        });
        let average = reader.total_length(self.live).unwrap() as f64 / count as f64;
        (terms.collect(), average as f32)
    }

    /// Looked at no longer than needed, and the postings added.
    fn best(&self, reader: &InvertedReader, terms: &[WeightedTerm], k: usize) -> (Vec<Scored>, u64) {
        let average_length = self.terms(reader).1;
        let field = FieldWords { reader, terms, average_length, params: self.params };
        let (mut top, mut counters) = (TopK::new(k), Counters::default());
        let mut acc = Accumulators::new();
        best_rows(reader.rows(), &[field], self.allowed, None, &mut acc, &mut top, &mut counters).unwrap();
        (top.into_sorted(), counters.postings_scored)
    }

    fn scoring(&self, average_length: f32) -> Scoring<'_> {
        Scoring { average_length, params: self.params, allowed: self.allowed, stop: None }
    }

    fn run(&self, reader: &InvertedReader, acc: &mut Accumulators, least: u16, k: usize) -> Vec<Scored> {
        let (terms, average) = self.terms(reader);
        let (mut top, mut counters) = (TopK::new(k), Counters::default());
        let mut uncounted = TopK::new(k);
        acc.begin_uncounted(reader.rows()).unwrap();
        reader.score(&terms, self.scoring(average), acc, &mut Counters::default()).unwrap();
        acc.top(self.allowed, 1, &mut uncounted);
        acc.begin(reader.rows()).unwrap();
        reader.score(&terms, self.scoring(average), acc, &mut counters).unwrap();
        acc.top(self.allowed, least, &mut top);
        assert!(least > 1 || uncounted.clone().into_sorted() == top.clone().into_sorted());
        assert!(least > 1 || self.best(reader, &terms, k).0 == uncounted.into_sorted());
        let postings =
            terms.iter().map(|term| reader.doc_freq(term.term, self.allowed).unwrap()).sum::<u64>();
        assert_eq!(counters.postings_scored, postings);
        top.into_sorted()
    }
}

const QUERY: [(&str, f64); 7] =
    [("t0", 1.0), ("t1", 2.0), ("t7", 0.5), ("t30", 1.0), ("nowhere", 1.0), ("t200", 1.5), ("t2", 3.0)];

#[test]
fn agrees_with_the_formula() {
    let mut rng = Rng(11);
    let mut acc = Accumulators::new();
    for (rows, absent) in [(1, 0.0), (40, 0.0), (130, 0.3), (3000, 0.0), (2500, 0.2)] {
        let corpus = corpus(&mut rng, rows, 400, absent);
        let reader = open(rows, &build(&corpus, false));
        for (live_share, allowed_share) in
            [(1.0, 1.0), (0.8, 1.0), (0.8, 0.5), (1.0, 0.01), (0.5, 0.002), (1.0, 0.0)]
        {
            let live = (live_share < 1.0).then(|| subset(&mut rng, rows, live_share));
            let mut allowed = (allowed_share < 1.0).then(|| subset(&mut rng, rows, allowed_share));
            match (&mut allowed, &live) {
                (Some(allowed), Some(live)) => allowed.and(live),
                (None, live) => allowed = live.clone(),
                _ => {}
            }
            let oracle = Oracle { rows: &corpus, live: live.as_ref() };
            assert_eq!(reader.rows_with_field(live.as_ref()).unwrap(), oracle.live_rows().count() as u64);
            assert_eq!(reader.total_length(live.as_ref()).unwrap(), oracle.total_length());
            let search = Search {
                query: &QUERY,
                params: Bm25 { k1: 0.9, b: 0.4 },
                live: live.as_ref(),
                allowed: allowed.as_ref(),
            };
            for least in [0, 1, 2, 4] {
                check(&search, &oracle, &reader, &mut acc, least);
            }
        }
    }
}

fn check(
    search: &Search<'_>,
    oracle: &Oracle<'_>,
    reader: &InvertedReader,
    acc: &mut Accumulators,
    least: u16,
) {
    let hits = search.run(reader, acc, least, usize::MAX);
    let mut expected = oracle.scores(&QUERY, search.params.k1.into(), search.params.b.into());
    let allows = |row| search.allowed.is_none_or(|allowed| allowed.contains(row));
    expected.retain(|&row, &mut (_, matched)| matched >= least && allows(row));
    assert_eq!(hits.len(), expected.len());
    for hit in &hits {
        let (score, matched) = expected[&hit.row];
        assert!((f64::from(hit.score) - score).abs() < 1e-4, "{hit:?} {score}");
        assert_eq!((acc.matched(hit.row), acc.score(hit.row)), (matched, Some(hit.score)));
    }
    assert!(hits.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.row < b.row));
    for k in [0, 1, 10] {
        assert_eq!(search.run(reader, acc, least, k), hits[..k.min(hits.len())]);
    }
    explain(search, reader, &hits);
}

/// The parts that explain gives add up to the score, bit for bit.
fn explain(search: &Search<'_>, reader: &InvertedReader, hits: &[Scored]) {
    let (terms, average) = search.terms(reader);
    for hit in hits.iter().take(20) {
        let mut score = 0.0;
        for term in &terms {
            if let Some((tf, length)) = reader.explain(term.term, hit.row).unwrap() {
                score += search.params.contribution(term.weight, tf, length, average);
            }
        }
        assert_eq!(score.to_bits(), hit.score.to_bits());
    }
}

/// Heavy words first, most postings are never added; what is found is the same, bit for bit, ties among it.
#[test]
fn the_best_are_found_without_the_rest() {
    let mut rng = Rng(15);
    let (mut all, mut added) = (0, 0);
    for (rows, absent) in [(700, 0.1), (6_000, 0.0), (20_000, 0.2)] {
        let corpus = corpus(&mut rng, rows, 300, absent);
        let reader = open(rows, &build(&corpus, false));
        for round in 0..40 {
            let words: Vec<_> = (0..1 + rng.below(12)).map(|_| format!("t{}", rng.below(300))).collect();
            // Equal weights make ties.
            let query: Vec<_> =
                words.iter().map(|word| (word.as_str(), 1.0 + f64::from(round % 3))).collect();
            let allowed =
                (round % 2 == 1).then(|| subset(&mut rng, rows, [0.5, 0.01][round as usize / 2 % 2]));
            let params =
                Bm25 { k1: [1.2, 0.0, 0.9][round as usize % 3], b: [0.75, 0.0, 1.0][round as usize / 3 % 3] };
            let search = Search { query: &query, params, live: None, allowed: allowed.as_ref() };
            let (mut terms, average) = search.terms(&reader);
            terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
            let mut acc = Accumulators::new();
            acc.begin_uncounted(rows).unwrap();
            let mut counters = Counters::default();
            reader.score(&terms, search.scoring(average), &mut acc, &mut counters).unwrap();
            for k in [0, 1, 3, 10, 100, 5_000] {
                let mut top = TopK::new(k);
                acc.top(search.allowed, 1, &mut top);
                let (found, postings) = search.best(&reader, &terms, k);
                assert_eq!(found, top.into_sorted(), "{rows} rows, {words:?}, {k}");
                assert!(postings <= counters.postings_scored);
                if k == 10 && allowed.is_none() {
                    (all, added) = (all + counters.postings_scored, added + postings);
                }
            }
        }
    }
    assert!(added < all, "{added} of {all} postings");
}

type Run<'a> = &'a dyn Fn() -> Result<Vec<Scored>, IndexError>;

/// Inside one large segment, summed, looked up, or passed over by a filter: a search ends where it is told to.
#[test]
fn a_search_stops_inside_a_segment() {
    let mut rng = Rng(16);
    let corpus = corpus(&mut rng, 30_000, 12, 0.0);
    let reader = open(30_000, &build(&corpus, true));
    let query = [("t0", 1.0), ("t1", 1.0), ("t9", 3.0), ("t10", 4.0)];
    let few = subset(&mut rng, 30_000, 0.0001);
    let looked = std::cell::Cell::new(0);
    let stop_at = std::cell::Cell::new(u32::MAX);
    let stop = || {
        looked.set(looked.get() + 1);
        looked.get() > stop_at.get()
    };
    for allowed in [None, Some(&few)] {
        let search = Search { query: &query, params: Bm25::default(), live: None, allowed };
        let (mut terms, average_length) = search.terms(&reader);
        terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let list: Vec<(u32, f32)> = (0..30_000).map(|row| (row, 1.0)).collect();
        let best = || {
            let field = FieldWords { reader: &reader, terms: &terms, average_length, params: search.params };
            let (mut acc, mut top) = (Accumulators::new(), TopK::new(3));
            let counters = &mut Counters::default();
            best_rows(30_000, &[field], allowed, Some(&stop), &mut acc, &mut top, counters)
                .map(|()| top.into_sorted())
        };
        let sum = |computed: bool| {
            let scoring = Scoring { stop: Some(&stop), ..search.scoring(average_length) };
            let mut acc = Accumulators::new();
            acc.begin(30_000).unwrap();
            match computed {
                true => reader.score_list((&list, 1.0), scoring, &mut acc, &mut Counters::default())?,
                false => reader.score(&terms, scoring, &mut acc, &mut Counters::default())?,
            }
            let mut top = TopK::new(3);
            acc.top(allowed, 1, &mut top);
            Ok(top.into_sorted())
        };
        let ids: Vec<(TermId, u32)> = terms
            .iter()
            .map(|term| (term.term, 0))
            .filter(|(term, _)| reader.doc_freq(*term, None).unwrap() > 9_000)
            .collect();
        let phrase = || reader.phrase(&ids, 0, allowed, &stop).map(|_| Vec::new());
        let runs: [(Run<'_>, u32); 4] = [(&best, 5), (&|| sum(false), 8), (&|| sum(true), 4), (&phrase, 4)];
        for (at, (run, least)) in runs.into_iter().enumerate() {
            looked.set(0);
            stop_at.set(u32::MAX);
            let found = run().unwrap();
            let looks = looked.get();
            assert!(looks >= least, "run {at} looked {looks} times");
            for stop in 0..looks {
                looked.set(0);
                stop_at.set(stop);
                assert!(matches!(run(), Err(IndexError::Cancelled)), "run {at}, look {stop} of {looks}");
            }
            looked.set(0);
            stop_at.set(looks);
            assert_eq!(run().unwrap(), found);
        }
    }
}

#[test]
fn terms_postings_and_positions_come_back() {
    let mut rng = Rng(12);
    let corpus = corpus(&mut rng, 900, 200, 0.1);
    let reader = open(900, &build(&corpus, true));
    let plain = open(900, &build(&corpus, false));
    assert!(reader.has_positions() && !plain.has_positions());
    let mut lists: BTreeMap<&str, BTreeMap<u32, Vec<u32>>> = BTreeMap::new();
    for (row, tokens) in corpus.iter().enumerate() {
        for (term, position) in tokens.iter().flatten() {
            lists.entry(term).or_default().entry(row as u32).or_default().push(*position);
        }
        assert_eq!(reader.length(row as u32).unwrap(), tokens.as_ref().map(|tokens| tokens.len() as u32));
    }
    assert_eq!(reader.term_count() as usize, lists.len());
    for (number, (term, list)) in lists.iter_mut().enumerate() {
        let id = reader.term(term).unwrap().unwrap();
        assert_eq!(id.0 as usize, number, "terms are sorted");
        assert_eq!(reader.term_bytes(id).unwrap(), Some(term.as_bytes()));
        assert_eq!(reader.doc_freq(id, None).unwrap(), list.len() as u64);
        list.values_mut().for_each(|positions| positions.sort_unstable());
        let mut found = BTreeMap::new();
        reader
            .for_each_positions(id, &mut |row, positions| _ = found.insert(row, positions.to_vec()))
            .unwrap();
        assert_eq!(&found, list);
        let mut found = vec![];
        plain.for_each_posting(id, &mut |row, tf| found.push((row, tf))).unwrap();
        assert_eq!(
            found,
            list.iter().map(|(&row, positions)| (row, positions.len() as u32)).collect::<Vec<_>>()
        );
        let mut rows = Bitmap::new(900);
        plain.mark_rows(id, &mut rows).unwrap();
        assert!(rows.iter().eq(list.keys().copied()));
        for row in (0..900).step_by(37) {
            let expected = list
                .get(&row)
                .map(|positions| (positions.len() as u32, reader.length(row).unwrap().unwrap()));
            assert_eq!(reader.explain(id, row).unwrap(), expected);
        }
        plain.for_each_positions(id, &mut |_, _| panic!("none are kept")).unwrap();
    }
    assert_eq!(reader.term("nowhere").unwrap(), None);
    assert_eq!(reader.term("").unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_merge_equals_building_in_one_go(seed in any::<u64>(), rows in 0u32..600, segments in 1u32..6, keep in 0.0..1.2f64,
                                         positions in any::<bool>()) {
        let mut rng = Rng(seed);
        let corpus = corpus(&mut rng, rows, 150, 0.1);
        let (mut parts, mut maps) = (vec![vec![]; segments as usize], vec![RowMap::default(); segments as usize]);
        let mut whole = vec![];
        for (row, tokens) in corpus.into_iter().enumerate() {
            let segment = (row as u32 * segments / rows) as usize;
            let kept = rng.chance(keep);
            maps[segment].0.push(if kept { whole.len() as u32 } else { RowMap::DROPPED });
            if kept {
                whole.push(tokens.clone());
            }
            parts[segment].push(tokens);
        }
        let readers: Vec<_> = parts.iter().map(|part| open(part.len() as u32, &build(part, positions))).collect();
        let inputs: Vec<_> = readers.iter().zip(&maps).collect();
        let mut merged = Sections::new();
        merge_inverted(&inputs, whole.len() as u32, positions, &mut merged).unwrap();
        prop_assert_eq!(merged, build(&whole, positions));
    }
}

#[test]
fn scores_do_not_depend_on_segments() {
    let mut rng = Rng(13);
    let corpus = corpus(&mut rng, 2000, 300, 0.0);
    let whole = open(2000, &build(&corpus, false));
    let search = Search { query: &QUERY, params: Bm25::default(), live: None, allowed: None };
    let expected = search.run(&whole, &mut Accumulators::new(), 1, usize::MAX);
    let (terms, average) = search.terms(&whole);
    let weights: Vec<_> =
        terms.iter().map(|term| (whole.term_bytes(term.term).unwrap().unwrap(), term.weight)).collect();
    let (mut acc, mut found, mut base) = (Accumulators::new(), vec![], 0);
    for part in corpus.chunks(700) {
        let reader = open(part.len() as u32, &build(part, false));
        let terms: Vec<_> = weights
            .iter()
            .filter_map(|&(term, weight)| {
                Some(WeightedTerm { term: reader.term(std::str::from_utf8(term).unwrap()).unwrap()?, weight })
            })
            .collect();
        acc.begin(reader.rows()).unwrap();
        let scoring = Scoring { allowed: None, ..search.scoring(average) };
        reader.score(&terms, scoring, &mut acc, &mut Counters::default()).unwrap();
        let mut top = TopK::new(usize::MAX);
        acc.top(None, 1, &mut top);
        found.extend(top.into_sorted().into_iter().map(|hit| (hit.row + base, hit.score.to_bits())));
        base += part.len() as u32;
    }
    found.sort_unstable();
    let mut expected: Vec<_> = expected.into_iter().map(|hit| (hit.row, hit.score.to_bits())).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn empty_texts_count_and_absent_fields_do_not() {
    let rows = vec![Some(vec![]), None, Some(vec![("a".to_owned(), 0)])];
    let reader = open(3, &build(&rows, false));
    let counts = |live| (reader.rows_with_field(live).unwrap(), reader.total_length(live).unwrap());
    let length = |row| reader.length(row).unwrap();
    assert_eq!(counts(None), (2, 1));
    assert_eq!((length(0), length(1), length(3)), (Some(0), None, None));
    let live = Bitmap::from_words(3, vec![0b011]).unwrap();
    assert_eq!(counts(Some(&live)), (1, 0));
    assert_eq!(counts(Some(&Bitmap::new(0))), (0, 0), "rows past the set are not in it");
    let empty = open(0, &build(&[], true));
    assert_eq!((empty.term("a").unwrap(), empty.rows_with_field(None).unwrap()), (None, 0));
}

#[test]
fn wrong_order_is_refused() {
    let finish = |rows: u32, steps: &[Result<u32, &str>]| {
        let mut builder = InvertedBuilder::new(false);
        for step in steps {
            match step {
                Ok(row) => builder.start_row(*row),
                Err(term) => builder.push(term, 0),
            }
        }
        builder.finish(rows).err()
    };
    assert!(finish(3, &[Ok(0), Err("a"), Ok(2)]).is_none());
    assert!(matches!(finish(3, &[Ok(1), Ok(1)]), Some(IndexError::Order { after: 1, row: 1, .. })));
    assert!(matches!(finish(3, &[Err("a")]), Some(IndexError::Shape { .. })));
    assert!(matches!(finish(3, &[Ok(3)]), Some(IndexError::Shape { expected: 3, found: 4, .. })));
}

#[test]
fn wrong_maps_are_refused() {
    let rows = vec![Some(vec![("a".to_owned(), 0)]); 2];
    let reader = open(2, &build(&rows, false));
    let merge = |maps: &[&[u32]], out_rows| {
        let maps: Vec<_> = maps.iter().map(|map| RowMap(map.to_vec())).collect();
        let inputs = maps.iter().map(|map| (&reader, map)).collect::<Vec<_>>();
        merge_inverted(&inputs, out_rows, false, &mut Sections::new()).err()
    };
    assert!(merge(&[&[0, 1], &[3, 4]], 9).is_none());
    assert!(matches!(merge(&[&[0, 2], &[1, 3]], 4), Some(IndexError::Order { .. })));
    assert!(matches!(merge(&[&[0]], 4), Some(IndexError::Shape { .. })));
    assert!(matches!(merge(&[&[0, 4]], 4), Some(IndexError::Shape { .. })));
    assert!(matches!(merge(&[&[1, 0]], 4), Some(IndexError::Order { .. })));
    assert!(matches!(merge(&[&[0, 1], &[1, 2]], 4), Some(IndexError::Order { .. })));
    let other = open(2, &build(&rows, true));
    let (a, b) = (RowMap(vec![0, 1]), RowMap(vec![2, 3]));
    let mixed = merge_inverted(&[(&reader, &a), (&other, &b)], 4, false, &mut Sections::new());
    assert!(matches!(mixed, Err(IndexError::Shape { .. })));
}

#[test]
fn and_over_fields_adds_the_fields_that_match() {
    let mut rng = Rng(14);
    let fields = [corpus(&mut rng, 500, 20, 0.1), corpus(&mut rng, 500, 20, 0.1)];
    let readers = fields.each_ref().map(|rows| open(500, &build(rows, false)));
    let query = [("t0", 1.0), ("t1", 1.0)];
    let search = Search { query: &query, params: Bm25::default(), live: None, allowed: None };
    let (mut sum, mut one) = (Accumulators::new(), Accumulators::new());
    sum.begin(500).unwrap();
    let mut expected = BTreeMap::new();
    for reader in &readers {
        for hit in search.run(reader, &mut one, 2, usize::MAX) {
            *expected.entry(hit.row).or_insert(0.0) += hit.score;
        }
        sum.add_matching(&one, 2);
    }
    let mut top = TopK::new(usize::MAX);
    sum.top(None, 1, &mut top);
    let found: BTreeMap<_, _> = top.into_sorted().into_iter().map(|hit| (hit.row, hit.score)).collect();
    assert_eq!(found, expected);
    assert!(!found.is_empty() && found.len() < 500);
}
