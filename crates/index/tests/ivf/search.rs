//! Filters, radii, and searches that end early.

use crate::CODECS;
use crate::common::Owned;
use crate::index::{Index, at_random, farthest, floats};
use crate::laws;
use std::sync::atomic::{AtomicUsize, Ordering};
use tercet_index::{Codec, DenseSearch, Distance, Effort, Path, TopK};

const DIMS: usize = 20;

fn index(count: usize, codec: Codec, metric: Distance) -> (Index, Owned) {
    let mut spec = floats(DIMS, metric);
    spec.options.codec = codec;
    laws::clustered(&spec, count)
}

#[test]
fn filters_lose_little_recall() {
    for codec in [Codec::Auto, Codec::Pq { m: 6, bits: 8 }, Codec::Lvq8, Codec::RaBitQ { bits: 4 }] {
        let (index, queries) = index(3_000, codec, Distance::L2);
        let unfiltered = index.recall(&queries, 64, None);
        for share in [0.5, 0.1, 0.01, 0.001] {
            let recall = index.recall(&queries, 64, Some(&at_random(&index, share)));
            assert!(recall >= unfiltered - 0.02, "{codec:?} {share}: {recall} {unfiltered}");
            let mut correlated = 0.0;
            for query in index.each_query(&queries).take(20) {
                let allowed = farthest(&index, query, share);
                let one = Owned::F32(query.to_f32());
                correlated += index.recall(&one, 64, Some(&allowed)) / 20.0;
            }
            assert!(correlated >= unfiltered - 0.15, "{codec:?} far {share}: {correlated} {unfiltered}");
        }
    }
}

#[test]
fn a_filter_without_rows_or_with_strange_ones() {
    let (index, queries) = index(1_500, Codec::Auto, Distance::Cosine);
    laws::strange_filters(&index, &queries);
}

/// Lists without an allowed row cost no look at their codes.
#[test]
fn lists_and_blocks_without_an_allowed_row_are_skipped() {
    let (index, queries) = index(4_000, Codec::Auto, Distance::L2);
    let query = queries.values().at(0, DIMS).unwrap();
    let allowed = farthest(&index, query, 0.1);
    let search =
        DenseSearch { effort: Effort::Probes { lists: 12, candidates: 50 }, ..DenseSearch::new(query) };
    let (_, answered, all) = index.find(&search, TopK::new(10));
    assert_eq!((answered.path, all.hops), (Path::Lists, 12));
    let (hits, answered, some) =
        index.find(&DenseSearch { allowed: Some(&allowed), ..search }, TopK::new(10));
    assert!(hits.len() == 10 && answered.path == Path::Lists);
    // Wider, for a tenth: but only lists that hold some of them.
    assert!((12..=253).contains(&some.hops), "{}", some.hops);
    let near = index.truth(query, None);
    assert!(hits.iter().all(|hit| near[..3_000].iter().all(|(_, row)| *row != hit.row)));
}

#[test]
fn a_radius_finds_all_within_it() {
    for codec in [Codec::Auto, Codec::F32] {
        let (index, queries) = index(2_500, codec, Distance::L2);
        let half = at_random(&index, 0.5);
        for query in index.each_query(&queries).take(20) {
            for allowed in [None, Some(&half)] {
                let truth = index.truth(query, allowed);
                for place in [0, 7, 60, 400] {
                    let radius = (truth[place].0 + truth[place + 1].0) as f32 / 2.0;
                    let search = DenseSearch { allowed, ..DenseSearch::new(query) };
                    let (hits, _, _) = index.find(&search, TopK::within(100_000, radius));
                    assert_eq!(hits.len(), place + 1);
                    let (few, _, _) = index.find(&search, TopK::within(5, radius));
                    assert_eq!(few.len(), hits.len().min(5));
                }
            }
        }
    }
}

#[test]
fn a_stop_ends_a_search_and_is_told() {
    for codec in CODECS {
        let (index, queries) = index(2_500, codec, Distance::Cosine);
        let query = queries.values().at(3, DIMS).unwrap();
        let wide =
            DenseSearch { effort: Effort::Probes { lists: 60, candidates: 0 }, ..DenseSearch::new(query) };
        let (all, answered, whole) = index.find(&wide, TopK::new(10));
        assert!(answered.complete && whole.hops == 60 && all.len() == 10);
        let looks = AtomicUsize::new(0);
        let third = || looks.fetch_add(1, Ordering::Relaxed) >= 2;
        let (hits, answered, counters) =
            index.find(&DenseSearch { stop: Some(&third), ..wide }, TopK::new(10));
        assert!(!answered.complete && !answered.exact && !hits.is_empty());
        assert_eq!((counters.hops, looks.load(Ordering::Relaxed)), (3, 3));
        let never = DenseSearch { stop: Some(&|| false), ..wide };
        assert_eq!(index.find(&never, TopK::new(10)).0, all);
    }
}

/// What claims to be exact is.
#[test]
fn exact_answers_are_exact() {
    for codec in CODECS {
        let (index, queries) = index(1_500, codec, Distance::Dot);
        let query = queries.values().at(1, DIMS).unwrap();
        let filters = [0.003, 0.05, 0.3, 0.9].map(|share| at_random(&index, share));
        for allowed in [None].into_iter().chain(filters.iter().map(Some)) {
            for k in [1, 10, 1_499, 1_500, 5_000] {
                for effort in [Effort::Usual, Effort::Ef(10), Effort::Ef(100_000), Effort::Exact] {
                    let search = DenseSearch { effort, allowed, ..DenseSearch::new(query) };
                    let (hits, answered, _) = index.find(&search, TopK::new(k));
                    let exact = DenseSearch { effort: Effort::Exact, ..search };
                    let truth = index.find(&exact, TopK::new(k));
                    assert!(truth.1.exact && truth.1.complete && truth.1.path == Path::Scan);
                    assert!(hits.len() == truth.0.len() || !answered.exact, "{codec:?} k {k} {effort:?}");
                    assert!(!answered.exact || hits == truth.0, "{codec:?} k {k} {effort:?}");
                }
            }
        }
        assert!(!index.ten(query, 64, None).1.exact);
        assert!(index.ten(query, 64, Some(&filters[0])).1.exact);
    }
}

#[test]
fn a_batch_answers_as_single_searches_do() {
    for codec in CODECS {
        let (index, queries) = index(2_000, codec, Distance::Cosine);
        laws::batches_are_single_searches(&index, &queries);
    }
}

#[test]
fn a_query_of_another_length_finds_nothing() {
    laws::queries_of_another_length_find_nothing(&index(1_200, Codec::Auto, Distance::L2).0);
}

#[test]
fn a_build_can_be_cancelled_anywhere() {
    laws::builds_can_be_cancelled_anywhere(12);
}
