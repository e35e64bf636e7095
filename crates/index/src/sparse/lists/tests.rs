#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::KIND;
use super::query::List;
use super::reader::ListsReader;
use super::record::{DENSE, NONE};
use super::search::{Way, search_by};
use crate::dense::Work;
use crate::inverted::RowMap;
use crate::sparse::seam::{
    Slack, SparseEffort, SparseInput, SparseReader, SparseSearch, SparseSpec, StoredWeights,
};
use crate::sparse::tests::{KINDS, Kind, Rng, Rows, check_interleaved, check_merge, damage, query, score};
use crate::{Bitmap, Counters, IndexError, MemorySections, Scored, Sections, TopK};

impl Rows {
    fn open(&self, spec: &SparseSpec) -> ListsReader {
        let sections = MemorySections::new(&self.build(&KIND, spec).unwrap());
        ListsReader::open(self.0.len() as u32, &sections).unwrap()
    }
}

fn found(
    reader: &ListsReader,
    way: Option<Way>,
    search: &SparseSearch<'_>,
    k: usize,
) -> (Vec<Scored>, Counters) {
    let (mut top, mut counters) = (TopK::new(k), Counters::default());
    let answered = search_by(way, reader, search, &mut top, &mut counters).unwrap();
    assert!(answered.complete);
    (top.into_sorted(), counters)
}

const WAYS: [Option<Way>; 3] = [None, Some(Way::Sum), Some(Way::Blocks)];

fn check(rows: &Rows, reader: &ListsReader, rng: &mut Rng, words: u32, kind: Kind, queries: usize) {
    let count = rows.0.len() as u32;
    for at in 0..queries {
        let query = query(rng, words, kind);
        let mut allowed = Bitmap::new(count);
        let share = 1 + rng.below(12);
        (0..count).filter(|_| rng.below(share) == 0).for_each(|row| _ = allowed.set(row));
        for allowed in [None, Some(&allowed)] {
            for k in [1, 3, 10, 11, 100, 1_000, usize::MAX] {
                let truth = rows.best(&query, k, allowed);
                let search = SparseSearch { allowed, ..SparseSearch::new(&query) };
                for way in WAYS {
                    assert_eq!(found(reader, way, &search, k).0, truth, "{kind:?} query {at} k {k} {way:?}");
                }
                if allowed.is_some() {
                    assert_eq!(found(reader, Some(Way::Rows), &search, k).0, truth);
                }
            }
        }
        for row in (0..count).step_by(17) {
            assert_eq!(reader.score(&query, row).unwrap(), score(&rows.0[row as usize], &query));
        }
    }
}

#[test]
fn every_way_finds_the_best() {
    let mut rng = Rng(1);
    for kind in KINDS {
        for (rows, words, terms) in [(0, 5, 3), (1, 5, 3), (63, 9, 4), (257, 40, 12), (3_000, 300, 20)] {
            for block in [8, 16, 32, 64, 128] {
                let rows = Rows::random(&mut rng, rows, words, terms, kind);
                let spec = SparseSpec { block, ..SparseSpec::default() };
                let reader = rows.open(&spec);
                reader.verify().unwrap();
                check(&rows, &reader, &mut rng, words, kind, 2);
            }
        }
    }
}

#[test]
fn several_spans_are_one_index() {
    let mut rng = Rng(2);
    let rows = Rows::random(&mut rng, 140_000, 900, 5, Kind::Whole);
    let reader = rows.open(&SparseSpec::default());
    reader.verify().unwrap();
    let query = query(&mut rng, 900, Kind::Whole);
    let mut allowed = Bitmap::new(140_000);
    (65_000..66_000).chain(139_000..140_000).for_each(|row| _ = allowed.set(row));
    for allowed in [None, Some(&allowed)] {
        for k in [1, 10, 1_000] {
            let truth = rows.best(&query, k, allowed);
            let search = SparseSearch { allowed, ..SparseSearch::new(&query) };
            for way in WAYS {
                assert_eq!(found(&reader, way, &search, k).0, truth, "k {k} {way:?}");
            }
        }
    }
    let (_, counters) = found(&reader, Some(Way::Blocks), &SparseSearch::new(&query), 1);
    assert!(counters.blocks_bounded == 4_375 && counters.blocks_scored < 4_375, "{counters:?}");
}

/// Rows of a topic beside one another are pruned; the same rows shuffled are summed at once.
#[test]
fn scattered_rows_are_not_bounded_in_vain() {
    let mut rng = Rng(22);
    let (topics, own, common) = (300, 40, 150);
    let row = |rng: &mut Rng, topic: u32| {
        let mut terms = std::collections::BTreeMap::new();
        (0..12)
            .for_each(|_| _ = terms.insert(common + topic * own + rng.below(own), (5 + rng.below(5)) as f32));
        (0..10).for_each(|_| _ = terms.insert(rng.below(common), 1.0));
        terms.into_iter().collect()
    };
    let ordered: Vec<_> = (0..60_000).map(|at| row(&mut rng, at / (60_000 / topics))).collect();
    let mut shuffled = ordered.clone();
    (1..shuffled.len()).for_each(|at| shuffled.swap(at, rng.below(at as u32 + 1) as usize));
    let mut query: Vec<(u32, f32)> = (0..40).map(|at| (at * 3, 0.25)).collect();
    query.extend((0..6).map(|at| (common + 77 * own + at * 5, 1.0)));
    for (rows, clustered) in [(Rows(ordered), true), (Rows(shuffled), false)] {
        let reader = rows.open(&SparseSpec::default());
        let postings: u64 = query.iter().map(|&(term, _)| u64::from(reader.doc_freq(term).unwrap())).sum();
        for k in [1, 3] {
            let truth = rows.best(&query, k, None);
            let (hits, counters) = found(&reader, None, &SparseSearch::new(&query), k);
            assert_eq!(hits, truth);
            if clustered {
                assert!(
                    counters.blocks_bounded > 0 && counters.postings_scored < postings / 3,
                    "{counters:?}"
                );
            } else {
                assert_eq!((counters.blocks_bounded, counters.postings_scored), (0, postings));
            }
        }
        // Common terms alone: all bounds are alike, and after a few cells that is seen.
        let common = &query[..40];
        let (hits, counters) = found(&reader, Some(Way::Blocks), &SparseSearch::new(common), 3);
        assert_eq!(hits, rows.best(common, 3, None));
        let all: u64 = common.iter().map(|&(term, _)| u64::from(reader.doc_freq(term).unwrap())).sum();
        assert!(counters.blocks_scored <= 16 * 8 && counters.postings_scored > all, "{counters:?}");
    }
}

/// What bounds each block is the least level that its largest weight does not exceed, in every form of bounds.
#[test]
fn bounds_are_those_of_the_blocks() {
    let mut rng = Rng(21);
    let (mut dense, mut pairs, mut none) = (0, 0, 0);
    for (count, terms) in [(200_000u32, 3), (70_000, 12), (600, 9)] {
        let mut rows = Rows::random(&mut rng, count, 400, terms, Kind::Floats);
        // A span without a posting lies between others.
        let empty = count.min(65_536)..count.min(131_072);
        empty.for_each(|row| rows.0[row as usize].clear());
        for block_bits in 3..=7 {
            let reader = rows.open(&SparseSpec { block: 1 << block_bits, ..SparseSpec::default() });
            for term in 0..400 {
                let Some(list) = reader.list(term, 1.0).unwrap() else { continue };
                let mut truth = vec![0.0f32; (count as usize).div_ceil(1 << block_bits)];
                reader
                    .for_each_posting(term, &mut |row, weight| {
                        let max = &mut truth[(row >> block_bits) as usize];
                        *max = max.max(weight);
                        Ok(())
                    })
                    .unwrap();
                let most = truth.iter().copied().fold(0.0, f32::max);
                assert_eq!(list.tops[0], most);
                let (levels, scale) = match list.pairs {
                    NONE => {
                        none += 1;
                        assert!(list.bounds.is_empty());
                        continue;
                    }
                    DENSE => {
                        dense += 1;
                        let level = |block: usize| {
                            let byte = list.bounds[block / 64 * 32 + block % 32];
                            u16::from(if block % 64 < 32 { byte & 15 } else { byte >> 4 })
                        };
                        ((0..truth.len()).map(level).collect::<Vec<_>>(), 15)
                    }
                    _ => {
                        pairs += 1;
                        (levels_of_pairs(&list, count, block_bits, truth.len()), (1 << block_bits) - 1)
                    }
                };
                for (block, (&level, &max)) in levels.iter().zip(&truth).enumerate() {
                    let at_most = |level: u16| f64::from(most) * f64::from(level) / f64::from(scale);
                    let about = format!(
                        "term {term}, block {block} of 2^{block_bits}: {level} of {scale}, {max} of {most}"
                    );
                    assert_eq!(level == 0, max == 0.0, "{about}");
                    assert!(at_most(level) * (1.0 + 1e-12) >= f64::from(max), "too low: {about}");
                    assert!(level <= 1 || at_most(level - 1) < f64::from(max), "too high: {about}");
                }
            }
        }
    }
    assert!(dense > 50 && pairs > 50 && none > 50, "{dense} {pairs} {none}");
}

fn levels_of_pairs(list: &List<'_>, rows: u32, block_bits: u32, blocks: usize) -> Vec<u16> {
    let words: Vec<u16> = list.bounds.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let (counts, mut pairs) = words.split_at((rows as usize).div_ceil(65_536));
    let mut levels = vec![0; blocks];
    for (span, &count) in counts.iter().enumerate() {
        let (these, after) = pairs.split_at(count.into());
        let numbers: Vec<u16> = these.iter().map(|pair| pair >> block_bits).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "blocks of span {span}");
        for pair in these {
            levels[span * (65_536 >> block_bits) + usize::from(pair >> block_bits)] =
                pair & ((1 << block_bits) - 1);
        }
        pairs = after;
    }
    assert!(pairs.is_empty());
    levels
}

#[test]
fn ties_go_to_the_lower_row_and_thresholds_lose_none() {
    let rows = Rows((0..5_000).map(|row| vec![(row % 3, 2.0)]).collect());
    let reader = rows.open(&SparseSpec::default());
    for k in [1, 10, 999, 1_000, 1_001, 1_700] {
        let query = [(0, 1.0), (2, 1.0)];
        for way in WAYS {
            assert_eq!(found(&reader, way, &SparseSearch::new(&query), k).0, rows.best(&query, k, None));
        }
    }
}

#[test]
fn odd_weights_are_scored_as_they_are() {
    for value in [f32::MIN_POSITIVE / 8.0, 1e-30, 65_504.0, 1e30, f32::MAX] {
        let rows = Rows((0..600).map(|row| vec![(row % 7, value), (9, 1.0)]).collect());
        let reader = rows.open(&SparseSpec::default());
        reader.verify().unwrap();
        for q in [1e-3f32, 1.0, 1e3, f32::MAX] {
            let query = [(3, q), (9, 0.5)];
            for way in WAYS {
                assert_eq!(
                    found(&reader, way, &SparseSearch::new(&query), 20).0,
                    rows.best(&query, 20, None)
                );
            }
        }
    }
}

#[test]
fn slack_finds_less_and_says_so() {
    let mut rng = Rng(3);
    let rows = Rows::random(&mut rng, 20_000, 200, 20, Kind::Floats);
    let reader = rows.open(&SparseSpec::default());
    let query = query(&mut rng, 200, Kind::Floats);
    let truth = rows.best(&query, 10, None);
    let slack = |slack| SparseSearch { effort: SparseEffort::Slack(slack), ..SparseSearch::new(&query) };
    let all = Slack::default();
    assert_eq!(found(&reader, Some(Way::Blocks), &slack(all), 10).0, truth);
    let exact = found(&reader, Some(Way::Blocks), &slack(all), 10).1;
    let by_ef = SparseSearch { effort: SparseEffort::Ef(2), ..SparseSearch::new(&query) };
    assert_eq!(
        found(&reader, Some(Way::Blocks), &by_ef, 10),
        found(&reader, Some(Way::Blocks), &slack(Slack { cells: 2, ..all }), 10)
    );
    for less in [Slack { alpha: 0.5, ..all }, Slack { cells: 2, ..all }, Slack { beta: 0.6, ..all }] {
        let (some, counters) = found(&reader, Some(Way::Blocks), &slack(less), 10);
        assert!(some.iter().all(|hit| reader.score(&query, hit.row).unwrap() == Some(hit.score)));
        assert!(counters.blocks_scored <= exact.blocks_scored && !some.is_empty(), "{less:?}");
    }
}

#[test]
fn a_merge_equals_building_in_one_go() {
    check_merge(&KIND, &SparseSpec::default());
    check_interleaved(&KIND, &SparseSpec::default());
}

#[test]
fn segments_whose_rows_lie_between_one_another_are_merged() {
    let mut rng = Rng(14);
    let spec = SparseSpec::default();
    let whole = Rows::random(&mut rng, 900, 50, 9, KINDS[0]);
    let part = |odd: usize| {
        let kept = whole.0.iter().enumerate().filter(|(row, _)| row % 2 == odd);
        let map = kept.clone().map(|(row, _)| row as u32).collect();
        (Rows(kept.map(|(_, row)| row.clone()).collect()).open(&spec), RowMap(map))
    };
    let parts = [part(1), part(0)];
    let inputs: Vec<(&dyn SparseReader, &RowMap)> =
        parts.iter().map(|(reader, map)| (reader as &dyn SparseReader, map)).collect();
    let mut merged = Sections::new();
    (KIND.merge)(&spec, &inputs, 900, &mut merged, &Work::inline()).unwrap();
    assert_eq!(merged, whole.build(&KIND, &spec).unwrap());
    // Two rows that would be one are damage.
    let twice: [(&dyn SparseReader, &RowMap); 2] = [inputs[0], (inputs[1].0, inputs[0].1)];
    let clash = (KIND.merge)(&spec, &twice, 900, &mut Sections::new(), &Work::inline());
    assert!(matches!(clash, Err(IndexError::Corrupt { .. })), "{clash:?}");
}

#[test]
fn pruning_keeps_the_heaviest() {
    let rows = Rows(vec![vec![(1, 1.0), (2, 4.0), (3, 3.0), (4, 2.0)], vec![], vec![(3, 0.1)]]);
    let kept = |spec: &SparseSpec| {
        let reader = rows.open(spec);
        reader.verify().unwrap();
        (1..=4).map(|term| reader.weight(term, 0).unwrap()).collect::<Vec<_>>()
    };
    let all = SparseSpec::default();
    assert_eq!(kept(&SparseSpec { top: 2, ..all }), [None, Some(4.0), Some(3.0), None]);
    assert_eq!(kept(&SparseSpec { mass: 0.375, ..all }), [None, Some(4.0), None, None]);
    assert_eq!(kept(&SparseSpec { mass: 0.41, ..all }), [None, Some(4.0), Some(3.0), None]);
    assert_eq!(kept(&SparseSpec { weights: StoredWeights::Ones, ..all }), [Some(1.0); 4]);
    let f16 = rows.open(&SparseSpec { weights: StoredWeights::F16, ..all });
    assert_eq!(f16.weight(3, 2).unwrap(), Some(0.099_975_586));
    assert_eq!(rows.open(&all).weight(3, 2).unwrap(), Some(0.1));
}

#[test]
fn wrong_input_is_refused() {
    let build = |rows: u32, present: Option<&[u32]>, ends: &[u64], terms: &[u32], weights: &[f32]| {
        let input = SparseInput { rows, present, ends, terms, weights };
        (KIND.build)(&SparseSpec::default(), &input, &Work::inline()).map(drop)
    };
    build(3, Some(&[0, 2]), &[2, 3], &[9, 1, 5], &[1.0, 2.0, 3.0]).unwrap();
    assert!(build(1, None, &[2], &[5, 5], &[1.0, 1.0]).is_err(), "a term twice");
    assert!(build(1, None, &[3], &[5, 2, 5], &[1.0; 3]).is_err(), "a term twice, apart");
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(build(1, None, &[1], &[5], &[bad]), Err(IndexError::Shape { .. })));
    }
    assert!(build(2, None, &[1], &[5], &[1.0]).is_err());
    assert!(build(1, None, &[2], &[5], &[1.0]).is_err());
    assert!(build(2, None, &[2, 1], &[5, 6], &[1.0; 2]).is_err());
    assert!(build(1, None, &[1], &[5], &[1.0; 2]).is_err());
    assert!(build(3, Some(&[2, 0]), &[1, 1], &[5], &[1.0]).is_err());
    assert!(build(2, Some(&[2]), &[1], &[5], &[1.0]).is_err());
    let huge = Rows(vec![vec![(1, 65_520.0)]]);
    assert!(huge.build(&KIND, &SparseSpec { weights: StoredWeights::F16, ..SparseSpec::default() }).is_err());
    assert!(huge.build(&KIND, &SparseSpec { block: 48, ..SparseSpec::default() }).is_err());
    let reader = huge.open(&SparseSpec::default());
    let (mut top, mut counters) = (TopK::new(1), Counters::default());
    let many: Vec<(u32, f32)> = (0..5_000).map(|term| (term, 1.0)).collect();
    for bad in [&[(2, 1.0), (1, 1.0)][..], &[(1, 1.0), (1, 1.0)], &[(1, 0.0)], &[(1, f32::NAN)], &many] {
        assert!(reader.search(&SparseSearch::new(bad), &mut top, &mut counters).is_err());
    }
}

#[test]
fn far_terms_are_found() {
    let far = [0, 1, 70_000, 9_000_000, u32::MAX - 1, u32::MAX];
    let rows = Rows(far.iter().map(|&term| vec![(term, 1.5)]).collect());
    let reader = rows.open(&SparseSpec::default());
    reader.verify().unwrap();
    for (row, &term) in far.iter().enumerate() {
        let hits = found(&reader, None, &SparseSearch::new(&[(term, 2.0)]), 5).0;
        assert_eq!(hits, [Scored { score: 3.0, row: row as u32 }]);
        assert_eq!(reader.doc_freq(term).unwrap(), 1);
    }
    assert_eq!((reader.doc_freq(2).unwrap(), reader.doc_freq(80_000).unwrap()), (0, 0));
}

#[test]
fn hostile_bytes_are_harmless() {
    let mut rng = Rng(5);
    for kind in KINDS {
        let rows = Rows::random(&mut rng, 3_000, 60, 9, kind);
        let sections = rows.build(&KIND, &SparseSpec::default()).unwrap();
        let query = query(&mut rng, 60, kind);
        for round in 0..400 {
            let (damaged, at) = damage(&mut rng, &sections, round);
            let Ok(reader) = ListsReader::open(3_000, &MemorySections::new(&damaged)) else { continue };
            if damaged != sections {
                assert!(reader.verify().is_err(), "round {round}, section {at}");
            }
            for way in WAYS {
                let search = SparseSearch::new(&query);
                let (mut top, mut counters) = (TopK::new(10), Counters::default());
                _ = search_by(way, &reader, &search, &mut top, &mut counters);
                assert!(top.into_sorted().iter().all(|hit| hit.row < 3_000));
            }
            _ = reader.score(&query, 5);
            let maps = [RowMap((0..3_000).collect())];
            let inputs: [(&dyn SparseReader, &RowMap); 1] = [(&reader, &maps[0])];
            _ = (KIND.merge)(&SparseSpec::default(), &inputs, 3_000, &mut Sections::new(), &Work::inline());
        }
    }
}
