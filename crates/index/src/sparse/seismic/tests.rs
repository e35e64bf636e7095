#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::{KIND, SeismicReader};
use crate::dense::{Answered, Path, Work};
use crate::inverted::RowMap;
use crate::sparse::seam::{Slack, SparseEffort, SparseReader, SparseSearch, SparseSpec, StoredWeights};
use crate::sparse::tests::{
    KINDS, Kind, Rng, Rows, check_interleaved, check_merge, damage, opened, query, score,
};
use crate::{Bitmap, Counters, IndexError, MemorySections, Scored, Sections, TopK};

fn found(
    reader: &dyn SparseReader,
    search: &SparseSearch<'_>,
    k: usize,
) -> (Vec<Scored>, Answered, Counters) {
    let (mut top, mut counters) = (TopK::new(k), Counters::default());
    let answered = reader.search(search, &mut top, &mut counters).unwrap();
    (top.into_sorted(), answered, counters)
}

/// So short lists that most of them are pruned.
fn short() -> SparseSpec {
    SparseSpec { listed: 5, ..SparseSpec::default() }
}

#[test]
fn exact_is_the_truth_and_less_is_part_of_it() {
    let mut rng = Rng(1);
    for kind in KINDS {
        for (count, words, terms) in [(0, 5, 3), (1, 5, 3), (63, 9, 4), (3_000, 300, 20), (20_000, 400, 9)] {
            let rows = Rows::random(&mut rng, count, words, terms, kind);
            for spec in [SparseSpec::default(), short()] {
                let reader = opened(&KIND, &rows, &spec);
                reader.verify().unwrap();
                for _ in 0..3 {
                    check(&rows, reader.as_ref(), &mut rng, words, kind);
                }
            }
        }
    }
}

fn check(rows: &Rows, reader: &dyn SparseReader, rng: &mut Rng, words: u32, kind: Kind) {
    let (count, query) = (rows.0.len() as u32, query(rng, words, kind));
    let mut allowed = Bitmap::new(count);
    let share = 1 + rng.below(12);
    (0..count).filter(|_| rng.below(share) == 0).for_each(|row| _ = allowed.set(row));
    for allowed in [None, Some(&allowed)] {
        for k in [1, 10, 1_000, 100_000] {
            let truth = rows.best(&query, k, allowed);
            let search = SparseSearch { allowed, ..SparseSearch::new(&query) };
            let (hits, answered, _) = found(reader, &search, k);
            assert!(hits == truth && answered.exact && answered.complete);
            for effort in [SparseEffort::Usual, SparseEffort::Ef(1), SparseEffort::Ef(30)] {
                let search = SparseSearch { effort, ..search };
                let (hits, answered, _) = found(reader, &search, k);
                assert_eq!(hits.len(), truth.len(), "an answer is never short");
                assert!(!answered.exact || hits == truth);
                for hit in &hits {
                    assert!(allowed.is_none_or(|allowed| allowed.contains(hit.row)));
                    assert_eq!(Some(hit.score), score(&rows.0[hit.row as usize], &query));
                }
                assert_eq!(found(reader, &search, k).0, hits);
            }
        }
    }
    let mut row = Vec::new();
    for at in (0..count).step_by(17) {
        assert!(reader.row(at, &mut row).unwrap());
        assert_eq!(row, rows.0[at as usize]);
        assert_eq!(reader.score(&query, at).unwrap(), score(&row, &query));
    }
}

#[test]
fn postings_are_those_of_the_rows() {
    let rows = Rows::random(&mut Rng(2), 700, 40, 9, Kind::Floats);
    let reader = opened(&KIND, &rows, &short());
    for term in 0..42 {
        let mut postings = Vec::new();
        let mut each = |row, weight| {
            postings.push((row, weight));
            Ok(())
        };
        reader.for_each_posting(term, &mut each).unwrap();
        let holds = (0u32..)
            .zip(&rows.0)
            .filter_map(|(row, terms)| terms.iter().find(|pair| pair.0 == term).map(|pair| (row, pair.1)));
        assert_eq!(postings, holds.collect::<Vec<_>>());
        assert_eq!(reader.doc_freq(term).unwrap() as usize, postings.len());
        for (row, weight) in postings {
            assert_eq!(reader.weight(term, row).unwrap(), Some(weight));
        }
    }
    assert_eq!((reader.weight(1, 700).unwrap(), reader.score(&[(1, 1.0)], 700).unwrap()), (None, None));
}

#[test]
fn a_row_of_common_terms_alone_is_found() {
    // Term 0 is in every row; in row 4,999 it is light and alone.
    let mut rows: Vec<Vec<(u32, f32)>> = (0..5_000).map(|row| vec![(0, 2.0), (1 + row % 50, 1.0)]).collect();
    rows[4_999] = vec![(0, 0.01)];
    let rows = Rows(rows);
    let reader = opened(&KIND, &rows, &SparseSpec { listed: 1, ..SparseSpec::default() });
    reader.verify().unwrap();
    let mut allowed = Bitmap::new(5_000);
    (0..5_000).filter(|row| row % 50 == 49).for_each(|row| _ = allowed.set(row));
    for k in [1, 100, 5_000] {
        let query = [(0, 1.0), (50, 0.5)];
        let search = SparseSearch { effort: SparseEffort::Ef(1), ..SparseSearch::new(&query) };
        for allowed in [None, Some(&allowed)] {
            let (hits, truth) = (
                found(reader.as_ref(), &SparseSearch { allowed, ..search }, k).0,
                rows.best(&query, k, allowed),
            );
            assert_eq!(hits.len(), truth.len());
            assert!(k < 5_000 || hits == truth);
        }
    }
}

#[test]
fn more_effort_finds_more() {
    let mut rng = Rng(3);
    let rows = Rows::random(&mut rng, 30_000, 500, 30, Kind::Floats);
    let reader = opened(&KIND, &rows, &SparseSpec::default());
    let queries: Vec<_> = (0..40).map(|_| query(&mut rng, 500, Kind::Floats)).collect();
    let mut before = (0, 0);
    for ef in [10, 40, 160, 640] {
        let (mut right, mut scored) = (0, 0);
        for query in &queries {
            let truth = rows.best(query, 10, None);
            let least = truth.last().map_or(0.0, |hit| hit.score);
            let search = SparseSearch { effort: SparseEffort::Ef(ef), ..SparseSearch::new(query) };
            let (hits, answered, counters) = found(reader.as_ref(), &search, 10);
            assert_eq!(answered.path, Path::Impacts);
            right += hits.iter().filter(|hit| hit.score >= least).count();
            scored += counters.vectors_scored;
            for (alpha, beta) in [(0.5, 0.0), (1.0, 0.5)] {
                let slack = SparseEffort::Slack(Slack { alpha, beta, cells: ef });
                let (hits, _, less) = found(reader.as_ref(), &SparseSearch { effort: slack, ..search }, 10);
                assert!(less.vectors_scored <= counters.vectors_scored);
                assert!(hits.iter().all(|hit| reader.score(query, hit.row).unwrap() == Some(hit.score)));
            }
        }
        assert!(right >= before.0 && scored > before.1, "{ef}: {right} {scored} after {before:?}");
        before = (right, scored);
    }
    assert!(before.0 >= 380, "{before:?}");
}

/// The least slack that is one: what it cuts can be only what the bounds rule out.
const HARDLY: f32 = 1.0 - f32::EPSILON / 2.0;

#[test]
fn what_ends_a_search_early_is_a_bound() {
    let mut rng = Rng(8);
    let mut saved = 0;
    for kind in KINDS {
        for (words, terms, listed) in
            [(40, 6, 5), (40, 6, 50_000), (300, 20, 40), (300, 20, 50_000), (5, 3, 20)]
        {
            let rows = Rows::random(&mut rng, 6_000, words, terms, kind);
            let reader = opened(&KIND, &rows, &SparseSpec { listed, ..SparseSpec::default() });
            for _ in 0..20 {
                let query = query(&mut rng, words, kind);
                for (cells, k) in [(40, 1), (400, 3), (2_000, 10)] {
                    let all = SparseSearch { effort: SparseEffort::Ef(cells), ..SparseSearch::new(&query) };
                    let slack = SparseEffort::Slack(Slack { alpha: HARDLY, beta: 0.0, cells });
                    let (hits, _, counted) = found(reader.as_ref(), &all, k);
                    let (same, _, less) = found(reader.as_ref(), &SparseSearch { effort: slack, ..all }, k);
                    let scores = |hits: &[Scored]| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
                    assert_eq!(scores(&same), scores(&hits), "{kind:?} {listed} {cells} {k} {query:?}");
                    saved += u32::from(less.vectors_scored < counted.vectors_scored);
                }
            }
        }
    }
    assert!(saved > 50, "{saved}");
}

#[test]
fn a_search_stops_in_either_step_and_leaves_nothing_behind() {
    let rows = Rows((0..40_000).map(|row| vec![(0, 1.0), (1 + row % 7, 2.0)]).collect());
    let reader = opened(&KIND, &rows, &SparseSpec { listed: 50_000, ..SparseSpec::default() });
    let query = [(0, 1.0), (3, 1.0)];
    let search = SparseSearch { effort: SparseEffort::Ef(1_000), ..SparseSearch::new(&query) };
    let whole = found(reader.as_ref(), &search, 10);
    for (looks, scored) in [(0, 0), (1, 512)] {
        let asked = std::sync::atomic::AtomicU32::new(0);
        let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == looks;
        let (_, answered, counters) =
            found(reader.as_ref(), &SparseSearch { stop: Some(&stop), ..search }, 10);
        assert!(!answered.complete && !answered.exact);
        assert!(counters.vectors_scored <= scored, "{looks}: {counters:?}");
        assert_eq!(found(reader.as_ref(), &search, 10).0, whole.0);
    }
}

#[test]
fn building_and_merging_stop_wherever_they_are() {
    use std::sync::Mutex;
    let rows = Rows::random(&mut Rng(9), 700, 300, 9, Kind::Halves);
    let built = opened(&KIND, &rows, &short());
    let map = RowMap((0..700).collect());
    let merge = |progress: &(dyn Fn(u64, u64) -> bool + Sync)| {
        let (inputs, work) = ([(built.as_ref(), &map)], Work { progress, ..Work::inline() });
        (KIND.merge)(&short(), &inputs, 700, &mut Sections::new(), &work)
    };
    let steps = Mutex::new(Vec::new());
    merge(&|done, all| {
        steps.lock().unwrap().push(done as f64 / all as f64);
        true
    })
    .unwrap();
    let steps = steps.into_inner().unwrap();
    assert!(steps.is_sorted() && steps.iter().all(|done| (0.0..=1.0).contains(done)), "{steps:?}");
    // Lists are gathered in several passes, each of several steps.
    assert!(steps.iter().filter(|done| **done >= 0.5).count() > 20, "{steps:?}");
    for at in 0..steps.len() {
        let seen = Mutex::new(0);
        let stopped = merge(&|_, _| {
            *seen.lock().unwrap() += 1;
            *seen.lock().unwrap() <= at
        });
        assert!(matches!(stopped, Err(IndexError::Cancelled)), "step {at}");
    }
}

#[test]
fn odd_weights_are_scored_as_they_are() {
    for value in [f32::MIN_POSITIVE / 8.0, 1e-30, 65_504.0, 1e30, f32::MAX] {
        let rows = Rows((0..3_000).map(|row| vec![(row % 7, value), (9, 1.0)]).collect());
        let reader = opened(&KIND, &rows, &short());
        reader.verify().unwrap();
        for q in [1e-3f32, 1.0, 1e3, f32::MAX] {
            let query = [(3, q), (9, 0.5)];
            let search = SparseSearch { effort: SparseEffort::Usual, ..SparseSearch::new(&query) };
            for hit in found(reader.as_ref(), &search, 20).0 {
                assert_eq!(Some(hit.score), score(&rows.0[hit.row as usize], &query));
            }
            let truth = rows.best(&query, 20, None);
            assert_eq!(found(reader.as_ref(), &SparseSearch::new(&query), 20).0, truth);
        }
    }
}

#[test]
fn many_terms_and_far_ones_are_found() {
    let far = [0, 1, 70_000, 9_000_000, u32::MAX - 1, u32::MAX];
    let mut rows: Vec<Vec<(u32, f32)>> = far.iter().map(|&term| vec![(term, 1.5)]).collect();
    // More terms than a u16 counts.
    rows.extend((0..700).map(|row| (0..100).map(|at| (100 + row * 100 + at, 1.0)).collect::<Vec<_>>()));
    let rows = Rows(rows);
    let reader = opened(&KIND, &rows, &SparseSpec::default());
    reader.verify().unwrap();
    for term in far.into_iter().chain([100, 50_000, 70_099]) {
        let query = [(term, 2.0)];
        assert_eq!(found(reader.as_ref(), &SparseSearch::new(&query), 5).0, rows.best(&query, 5, None));
    }
    assert_eq!(reader.doc_freq(80_000).unwrap(), 0);
}

#[test]
fn a_merge_equals_building_in_one_go_and_knows_its_rows() {
    check_merge(&KIND, &SparseSpec::default());
    check_merge(&KIND, &short());
    check_interleaved(&KIND, &short());
    let rows = Rows::random(&mut Rng(5), 50, 9, 4, Kind::Whole);
    let lists = opened(&crate::sparse::lists::KIND, &rows, &short());
    let map = RowMap((0..50).collect());
    let inputs = [(lists.as_ref(), &map)];
    let merged = (KIND.merge)(&short(), &inputs, 50, &mut Sections::new(), &Work::inline());
    assert!(matches!(merged, Err(IndexError::Unsupported { .. })));
}

#[test]
fn pruned_and_rounded_rows_are_what_is_kept() {
    let rows = Rows(vec![vec![(1, 1.0), (2, 4.0), (3, 3.0), (4, 2.0)], vec![], vec![(3, 0.1)]]);
    let kept = |spec: SparseSpec| {
        let reader = opened(&KIND, &rows, &spec);
        reader.verify().unwrap();
        let mut row = Vec::new();
        reader.row(0, &mut row).unwrap();
        row
    };
    let all = SparseSpec::default();
    assert_eq!(kept(SparseSpec { top: 2, ..all }), [(2, 4.0), (3, 3.0)]);
    assert_eq!(kept(SparseSpec { mass: 0.375, ..all }), [(2, 4.0)]);
    let ones = kept(SparseSpec { weights: StoredWeights::Ones, ..all });
    assert_eq!(ones, [(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)]);
}

#[test]
fn wrong_queries_are_refused() {
    let rows = Rows::random(&mut Rng(6), 50, 9, 4, Kind::Whole);
    let reader = opened(&KIND, &rows, &SparseSpec::default());
    let (mut top, mut counters) = (TopK::new(1), Counters::default());
    for bad in [&[(2, 1.0), (1, 1.0)][..], &[(1, 1.0), (1, 1.0)], &[(1, 0.0)], &[(1, f32::NAN)]] {
        assert!(reader.search(&SparseSearch::new(bad), &mut top, &mut counters).is_err());
    }
}

#[test]
fn hostile_bytes_are_harmless() {
    let mut rng = Rng(7);
    for kind in KINDS {
        let rows = Rows::random(&mut rng, 3_000, 60, 9, kind);
        let whole = SparseSpec { listed: 5_000, ..SparseSpec::default() };
        let built = [short(), whole].map(|spec| rows.build(&KIND, &spec).unwrap());
        let query = query(&mut rng, 60, kind);
        for round in 0..600 {
            let sections = &built[round as usize / 4 % 2];
            let (damaged, at) = damage(&mut rng, sections, round);
            let Ok(reader) = SeismicReader::open(3_000, &MemorySections::new(&damaged)) else { continue };
            // What is not listed follows from nothing else, and one weight or term is as good as another near it: checksums of
            // the file hold those.
            let given = ["weights", "terms", "meta"].contains(&sections[at].0.as_str());
            let follows = round / 4 % 2 == 1 && !given;
            if reader.verify().is_ok() {
                assert!(!follows || damaged == *sections, "round {round}, section {}", sections[at].0);
            }
            for effort in [SparseEffort::Usual, SparseEffort::Ef(3), SparseEffort::Exact] {
                let search = SparseSearch { effort, ..SparseSearch::new(&query) };
                let (mut top, mut counters) = (TopK::new(10), Counters::default());
                _ = reader.search(&search, &mut top, &mut counters);
                assert!(top.into_sorted().iter().all(|hit| hit.row < 3_000));
            }
            _ = reader.score(&query, 5);
            let map = RowMap((0..3_000).collect());
            let inputs: [(&dyn SparseReader, &RowMap); 1] = [(&reader, &map)];
            _ = (KIND.merge)(&SparseSpec::default(), &inputs, 3_000, &mut Sections::new(), &Work::inline());
        }
        // What was damaged left nothing behind.
        let reader = opened(&KIND, &rows, &short());
        for effort in [SparseEffort::Ef(3_000), SparseEffort::Exact] {
            let search = SparseSearch { effort, ..SparseSearch::new(&query) };
            assert_eq!(found(reader.as_ref(), &search, 10).0, rows.best(&query, 10, None));
        }
    }
}
