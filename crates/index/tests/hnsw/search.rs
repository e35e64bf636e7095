//! Filters, radii, and searches that end early.

use crate::common::Owned;
use crate::index::{Index, at_random, farthest, floats};
use crate::laws;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use tercet_index::{Codec, DenseSearch, Distance, Effort, Path, TopK};

const DIMS: usize = 20;

fn index(count: usize, m: u16, codec: Codec, metric: Distance) -> (Index, Owned) {
    let mut spec = floats(DIMS, metric);
    (spec.options.m, spec.options.codec) = (m, codec);
    laws::clustered(&spec, count)
}

#[test]
fn filters_lose_no_recall() {
    for (m, ef, codec) in [(8, 64, Codec::Auto), (6, 16, Codec::Auto), (6, 16, Codec::F32)] {
        let (index, queries) = index(3_000, m, codec, Distance::L2);
        let unfiltered = index.recall(&queries, ef, None);
        for share in [0.5, 0.1, 0.01, 0.001] {
            let recall = index.recall(&queries, ef, Some(&at_random(&index, share)));
            assert!(recall >= unfiltered - 0.01, "m {m} {codec:?} {share}: {recall} {unfiltered}");
            let mut correlated = 0.0;
            for query in index.each_query(&queries).take(20) {
                let allowed = farthest(&index, query, share);
                let one = Owned::F32(query.to_f32());
                correlated += index.recall(&one, ef, Some(&allowed)) / 20.0;
            }
            assert!(
                correlated >= unfiltered - 0.01,
                "m {m} {codec:?} far {share}: {correlated} {unfiltered}"
            );
        }
    }
}

#[test]
fn a_filter_without_rows_or_with_strange_ones() {
    let (index, queries) = index(1_500, 8, Codec::Auto, Distance::Cosine);
    laws::strange_filters(&index, &queries);
}

#[test]
fn a_radius_finds_all_within_it() {
    for codec in [Codec::Auto, Codec::F32] {
        let (index, queries) = index(2_500, 8, codec, Distance::L2);
        let half = at_random(&index, 0.5);
        let (mut found, mut wanted) = (0, 0);
        for query in index.each_query(&queries).take(20) {
            for allowed in [None, Some(&half)] {
                let truth = index.truth(query, allowed);
                for place in [0, 7, 60, 400] {
                    let radius = (truth[place].0 + truth[place + 1].0) as f32 / 2.0;
                    let search = DenseSearch { allowed, ..DenseSearch::new(query) };
                    let (hits, _, _) = index.find(&search, TopK::within(100_000, radius));
                    assert!(hits.iter().all(|hit| hit.score >= radius));
                    wanted += truth.iter().filter(|(score, _)| *score >= f64::from(radius)).count();
                    found += hits.len();
                    // Of more than fit, the best.
                    let (few, _, _) = index.find(&search, TopK::within(5, radius));
                    assert_eq!(few.len(), hits.len().min(5));
                }
            }
        }
        assert!(found <= wanted && found as f64 >= wanted as f64 * 0.995, "{codec:?}: {found} of {wanted}");
    }
}

#[test]
fn a_stop_ends_a_search_and_is_told() {
    for codec in [Codec::Auto, Codec::F32] {
        let (index, queries) = index(2_500, 8, codec, Distance::Cosine);
        let query = queries.values().at(3, DIMS).unwrap();
        let half = at_random(&index, 0.5);
        let wide = DenseSearch { effort: Effort::Ef(2_000), ..DenseSearch::new(query) };
        let (all, answered, whole) = index.find(&wide, TopK::new(10));
        assert!(answered.complete && whole.hops > 1_000 && all.len() == 10);
        let looks = AtomicUsize::new(0);
        let third = || looks.fetch_add(1, Ordering::Relaxed) >= 2;
        let (hits, answered, counters) =
            index.find(&DenseSearch { stop: Some(&third), ..wide }, TopK::new(10));
        assert!(!answered.complete && !answered.exact, "{answered:?}");
        assert!(counters.hops < whole.hops / 2 && !hits.is_empty());
        assert_eq!(looks.load(Ordering::Relaxed), 3);
        let stopped = DenseSearch { stop: Some(&|| true), allowed: Some(&half), ..wide };
        let (hits, answered, _) = index.find(&stopped, TopK::new(10));
        assert!(answered.complete || !answered.exact);
        assert!(hits.iter().all(|hit| half.contains(hit.row)));
        let never = DenseSearch { stop: Some(&|| false), ..wide };
        assert_eq!(index.find(&never, TopK::new(10)).0, all);
    }
}

#[test]
fn a_stop_ends_a_scan_and_is_told() {
    for codec in [Codec::Auto, Codec::F32] {
        let (index, queries) = index(4_000, 8, codec, Distance::L2);
        let query = queries.values().at(3, DIMS).unwrap();
        let wide = at_random(&index, 0.9);
        let scan = DenseSearch { effort: Effort::Ef(3_000), allowed: Some(&wide), ..DenseSearch::new(query) };
        let (all, answered, whole) = index.find(&scan, TopK::new(10));
        assert!(answered.complete && answered.path == Path::Scan && all.len() == 10, "{answered:?}");
        let stopped = DenseSearch { stop: Some(&|| true), ..scan };
        let (hits, answered, counters) = index.find(&stopped, TopK::new(10));
        assert!(!answered.complete && !answered.exact, "{codec:?} {answered:?}");
        assert!(counters.vectors_scored < whole.vectors_scored * 3 / 4, "{counters:?} {whole:?}");
        assert!(!hits.is_empty() && hits.iter().all(|hit| wide.contains(hit.row)));
        let never = DenseSearch { stop: Some(&|| false), ..scan };
        assert_eq!(index.find(&never, TopK::new(10)).0, all);
    }
}

#[test]
fn patience_spares_hops() {
    let (index, queries) = index(2_500, 8, Codec::Auto, Distance::L2);
    let (mut with, mut without, mut same) = (0, 0, 0);
    for query in index.each_query(&queries) {
        let wide = DenseSearch { effort: Effort::Ef(400), ..DenseSearch::new(query) };
        let (all, _, counters) = index.find(&wide, TopK::new(10));
        without += counters.hops;
        let (hits, answered, counters) =
            index.find(&DenseSearch { patience: Some(40), ..wide }, TopK::new(10));
        with += counters.hops;
        assert!(!answered.exact && hits.len() == 10);
        same += hits.iter().filter(|hit| all.contains(hit)).count();
    }
    assert!(with * 2 < without && same >= 580, "{with} of {without} hops, {same} of 600");
}

/// What claims to be exact is.
#[test]
fn exact_answers_are_exact() {
    for codec in [Codec::Auto, Codec::F32, Codec::Lvq4x8] {
        let (index, queries) = index(1_500, 8, codec, Distance::Dot);
        let query = queries.values().at(1, DIMS).unwrap();
        let filters = [0.003, 0.05, 0.3, 0.9].map(|share| at_random(&index, share));
        let exact = |search: &DenseSearch<'_>, top: TopK| {
            index.find(&DenseSearch { effort: Effort::Exact, stop: None, ..*search }, top)
        };
        let mut claimed = BTreeSet::new();
        for (at, allowed) in [None].into_iter().chain(filters.iter().map(Some)).enumerate() {
            for k in [1, 10, 1_499, 1_500, 5_000] {
                for effort in [Effort::Usual, Effort::Ef(10), Effort::Ef(100_000), Effort::Exact] {
                    let search = DenseSearch { effort, allowed, ..DenseSearch::new(query) };
                    let (hits, answered, _) = index.find(&search, TopK::new(k));
                    let truth = exact(&search, TopK::new(k));
                    assert!(truth.1.exact && truth.1.complete && truth.1.path == Path::Scan);
                    assert_eq!(hits.len(), truth.0.len(), "{codec:?} k {k} {effort:?} {at}");
                    if answered.exact {
                        assert_eq!(hits, truth.0, "{codec:?} k {k} {effort:?} {at}");
                        claimed.insert((at, k));
                    }
                }
            }
        }
        // The few of a strict filter, and everything, are no approximation.
        assert!(
            claimed.contains(&(1, 10))
                && claimed.contains(&(0, 5_000))
                && !index.ten(query, 64, None).1.exact
        );
    }
}

#[test]
fn a_batch_answers_as_single_searches_do() {
    let (index, queries) = index(2_000, 8, Codec::Auto, Distance::Cosine);
    laws::batches_are_single_searches(&index, &queries);
}

#[test]
fn a_query_of_another_length_finds_nothing() {
    laws::queries_of_another_length_find_nothing(&index(1_200, 8, Codec::Auto, Distance::L2).0);
}

#[test]
fn a_build_can_be_cancelled_anywhere() {
    laws::builds_can_be_cancelled_anywhere(20);
}
