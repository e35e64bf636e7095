//! Readers of changed bytes: a typed error or a wrong answer, never a panic, a hang or a huge allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Rng, subset};
use tercet_index::{
    Accumulators, Bitmap, Bm25, Counters, DENSE_KINDS, DenseInput, DenseReader, DenseSearch, DenseSpec,
    IndexError, InvertedBuilder, InvertedReader, MemorySections, Metric, RowMap, Scoring, Sections, TermId,
    TopK, Values, WeightedTerm, Work, merge_inverted,
};

const ROUNDS: u32 = 3000;

/// Changes one section: bits flipped, bytes overwritten by telling values, cut short, lengthened or left out.
fn damage(rng: &mut Rng, sections: &Sections) -> Sections {
    let mut sections = sections.clone();
    let at = rng.below(sections.len() as u32) as usize;
    let bytes = &mut sections[at].1;
    let place = rng.below(bytes.len().max(1) as u32) as usize;
    match rng.below(8) {
        0 => bytes.truncate(place),
        1 => bytes.truncate(place / 8 * 8),
        2 => bytes.extend_from_slice(&[0; 8]),
        3 => _ = sections.swap_remove(at),
        4 | 5 if !bytes.is_empty() => bytes[place] ^= 1 << rng.below(8),
        _ => {
            let value = [0u64, 1, u64::MAX, 1 << 31, u64::from(u32::MAX), 0x7fff_ffff_ffff_ffff]
                [rng.below(6) as usize];
            let width = [1, 4, 8][rng.below(3) as usize];
            let place = place / width * width;
            for (byte, value) in bytes[place..].iter_mut().zip(&value.to_le_bytes()[..width]) {
                *byte = *value;
            }
        }
    }
    sections
}

fn use_dense(reader: &dyn DenseReader, dims: usize, rows: u32, filters: &[Bitmap]) {
    let query = vec![0.5; dims];
    for allowed in std::iter::once(None).chain(filters.iter().map(Some)) {
        let mut top = TopK::new(20);
        let _ = reader.search(
            &DenseSearch { allowed, ..DenseSearch::new(Values::F32(&query)) },
            &mut top,
            &mut Counters::default(),
        );
        for hit in top.into_sorted() {
            assert!(hit.row < rows && !hit.score.is_nan());
            assert!(allowed.is_none_or(|allowed| allowed.contains(hit.row)));
        }
    }
    for row in 0..rows + 2 {
        let _ = (reader.vector(row), reader.score(Values::F32(&query), row));
    }
    let _ = (reader.verify(), reader.len(), reader.cost_ns(10, None));
}

#[test]
fn dense_kinds_survive() {
    let mut rng = Rng(21);
    let (rows, dims) = (150, 6);
    let filters = [subset(&mut rng, rows, 0.02), subset(&mut rng, rows, 0.5), Bitmap::full(rows)];
    for kind in DENSE_KINDS {
        for (metric, share) in [(Metric::Cosine, 0.6), (Metric::L2, 1.0), (Metric::Dot, 0.1)] {
            let present = (share < 1.0).then(|| subset(&mut rng, rows, share).iter().collect::<Vec<_>>());
            let count = present.as_ref().map_or(rows as usize, Vec::len);
            let values: Vec<f32> = (0..count * dims).map(|_| rng.component()).collect();
            let spec = DenseSpec::new(dims, metric);
            let input =
                DenseInput { queries: None, rows, present: present.as_deref(), values: Values::F32(&values) };
            let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
            for _ in 0..ROUNDS / 3 {
                let changed = damage(&mut rng, &sections);
                match (kind.open)(&spec, rows, &MemorySections::new(&changed)) {
                    Ok(reader) => use_dense(reader.as_ref(), dims, rows, &filters),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}

fn use_inverted(reader: &InvertedReader, filter: &Bitmap, acc: &mut Accumulators) {
    let rows = reader.rows();
    let ids: Vec<_> = (0..reader.term_count().min(80) + 2).map(TermId).collect();
    let terms: Vec<_> = ids.iter().map(|&term| WeightedTerm { term, weight: 1.0 }).collect();
    for allowed in [None, Some(filter)] {
        acc.begin(rows).unwrap();
        let scoring = Scoring { average_length: 3.0, params: Bm25::default(), allowed, stop: None };
        let _ = reader.score(&terms, scoring, acc, &mut Counters::default());
        let mut top = TopK::new(10);
        acc.top(allowed, 1, &mut top);
        for hit in top.into_sorted() {
            assert!(hit.row < rows && allowed.is_none_or(|allowed| allowed.contains(hit.row)));
        }
    }
    for &term in &ids {
        let mut postings = 0;
        let _ = reader.for_each_posting(term, &mut |row, _| {
            assert!(row < rows);
            postings += 1;
        });
        assert!(postings <= rows);
        let _ = reader.for_each_positions(term, &mut |row, _| assert!(row < rows));
        let _ = (reader.explain(term, 7), reader.doc_freq(term, Some(filter)), reader.term_bytes(term));
    }
    let _ = (
        reader.term("t3"),
        reader.term(""),
        reader.total_length(Some(filter)),
        reader.rows_with_field(Some(filter)),
    );
    assert!(reader.total_length(None).unwrap() <= u64::from(rows) << 32);
}

fn inverted(rng: &mut Rng, rows: u32, positions: bool) -> Sections {
    let mut builder = InvertedBuilder::new(positions);
    for row in 0..rows {
        builder.start_row(row);
        for position in 0..rng.below(12) {
            builder.push(&format!("t{}", rng.below(8) * rng.below(8)), position);
        }
    }
    builder.finish(rows).unwrap()
}

#[test]
fn inverted_lists_survive() {
    let mut rng = Rng(22);
    let rows = 400;
    let filter = subset(&mut rng, rows, 0.1);
    let mut acc = Accumulators::new();
    for positions in [false, true] {
        let sections = inverted(&mut rng, rows, positions);
        let whole = InvertedReader::open(rows, &MemorySections::new(&sections)).unwrap();
        let first = RowMap((0..rows).collect());
        let second = RowMap((rows..2 * rows).collect());
        let mut detected = 0;
        for _ in 0..ROUNDS / 2 {
            let changed = damage(&mut rng, &sections);
            let Ok(reader) = InvertedReader::open(rows, &MemorySections::new(&changed)) else {
                detected += 1;
                continue;
            };
            use_inverted(&reader, &filter, &mut acc);
            detected += u32::from(reader.verify().is_err());
            let (inputs, mut merged) = ([(&whole, &first), (&reader, &second)], Sections::new());
            if merge_inverted(&inputs, 2 * rows, positions, &mut merged).is_ok() {
                // What was merged from bytes that make no sense is at least a segment.
                let merged = InvertedReader::open(2 * rows, &MemorySections::new(&merged)).unwrap();
                use_inverted(&merged, &filter, &mut acc);
            }
        }
        assert!(detected > ROUNDS / 4, "{detected}");
    }
}

#[test]
fn other_versions_are_named() {
    let sections: Sections = inverted(&mut Rng(23), 3, false);
    let newer = sections
        .into_iter()
        .map(|(name, mut bytes)| {
            if name == "meta" {
                bytes[0] = 9;
            }
            (name, bytes)
        })
        .collect();
    let error = InvertedReader::open(3, &MemorySections::new(&newer)).err();
    assert!(matches!(error, Some(IndexError::Version { found: 9, supported: 2, .. })));
}
