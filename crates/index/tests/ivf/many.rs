//! Lists of bounded length, and more lists than are ranked one by one.

use crate::common::{Owned, Rng};
use crate::index::{Index, clusters, floats, normal};
use crate::merge::{Merge, Source};
use tercet_index::{Bitmap, Codec, DenseSearch, Distance, Effort, TopK, Work};

const DIMS: usize = 8;

fn lens(index: &Index) -> Vec<u32> {
    let ends: Vec<u32> =
        index.section("list_ends").unwrap().chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| end - start).collect()
}

/// Half of the vectors lie at one place, where no centroids can part them.
fn heavy(count: usize, seed: u64) -> Owned {
    let mut rng = Rng(seed);
    let mut values: Vec<f32> = (0..count * DIMS).map(|_| normal(&mut rng)).collect();
    values[..count / 2 * DIMS].fill(0.25);
    Owned::F32(values)
}

#[test]
fn no_list_is_longer_than_twice_the_mean() {
    for (spill, codec) in [(false, Codec::Auto), (true, Codec::Pq { m: 4, bits: 8 }), (false, Codec::F32)] {
        let mut spec = floats(DIMS, Distance::L2);
        spec.options.codec = codec;
        (spec.options.ivf.balance, spec.options.ivf.spill, spec.options.ivf.lists) = (true, spill, 40);
        let index = Index::dense(&spec, heavy(4_000, 60));
        let entries: u32 = lens(&index).iter().sum();
        let bound = (entries * 2).div_ceil(40);
        assert!(lens(&index).iter().all(|len| *len <= bound), "{codec:?}: {:?}", lens(&index));
        assert!(lens(&index).len() > 40);
        // A merge joins them, takes what they hold, and bounds them again.
        let new = Index::dense(&spec, heavy(1_200, 61));
        let parts = vec![(&index, Bitmap::full(index.rows)), (&new, Bitmap::full(new.rows))];
        let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        let entries: u32 = lens(&merged).iter().sum();
        assert!(lens(&merged).iter().all(|len| *len <= (entries * 2).div_ceil(40)), "{:?}", lens(&merged));
        let free = {
            spec.options.ivf.balance = false;
            Index::dense(&spec, merged.values.clone())
        };
        assert!(lens(&free).iter().any(|len| *len > bound));
        let mut rng = Rng(62);
        let queries = Owned::F32((0..30 * DIMS).map(|_| normal(&mut rng)).collect());
        let (of_merged, of_free) = (merged.recall(&queries, 64, None), free.recall(&queries, 64, None));
        assert!(of_merged >= of_free - 0.05, "{codec:?}: {of_merged}, without a bound {of_free}");
    }
}

#[test]
fn many_lists_are_ranked_by_groups() {
    let mut rng = Rng(63);
    let mut values = clusters(&mut rng, 17_040, DIMS, 300);
    let queries = Owned::F32(values.split_off(17_000 * DIMS));
    let mut spec = floats(DIMS, Distance::L2);
    spec.options.ivf.lists = 2_100;
    let index = Index::dense(&spec, Owned::F32(values));
    assert_eq!(lens(&index).len(), 2_100);
    let groups = index.section("group_ends").unwrap().len() / 4;
    assert!((30..=46).contains(&groups), "{groups}");
    let mut scored = 0;
    for query in index.each_query(&queries) {
        let search =
            DenseSearch { effort: Effort::Probes { lists: 16, candidates: 100 }, ..DenseSearch::new(query) };
        let (hits, answered, counters) = index.find(&search, TopK::new(10));
        assert!(hits.len() == 10 && answered.complete && counters.hops == 16);
        scored += counters.vectors_scored;
    }
    assert!(scored < 40 * 1_300, "{scored}: not all lists are ranked");
    let recall = index.recall(&queries, 40, None);
    assert!(recall >= 0.9, "{recall}");
    // Many lists of few vectors: all of them are gone through where that is needed.
    let query = queries.values().at(0, DIMS).unwrap();
    let search =
        DenseSearch { effort: Effort::Probes { lists: 1, candidates: 1 }, ..DenseSearch::new(query) };
    assert_eq!(index.find(&search, TopK::new(3_000)).0.len(), 3_000);
    let mut source = Source::new(DIMS, 64);
    let new = Index::dense(&spec, source.vectors(100));
    let parts = vec![(&index, Bitmap::full(index.rows)), (&new, Bitmap::full(new.rows))];
    let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(merged.section("group_ends").is_some() && merged.recall(&queries, 40, None) >= 0.9);
}
