//! Vectors are replaced through merges: recall at the same effort, and bytes, stay those of a fresh build.

use crate::common::{Owned, Rng};
use crate::index::{Index, Threads, floats, normal};
use crate::laws;
use crate::merge::{Merge, Source, without};
use tercet_index::{Bitmap, Codec, Distance, IndexError, Values, Work};

const DIMS: usize = 24;
const COUNT: usize = 1_400;

/// The merged index beside one that is built of the same vectors.
fn compare(name: &str, merged: &Index, queries: &Owned) {
    let fresh = Index::dense(&merged.spec, merged.values.clone());
    let ef = 24;
    let (of_merged, of_fresh) = (merged.recall(queries, ef, None), fresh.recall(queries, ef, None));
    assert!(of_merged >= of_fresh - 0.01, "{name}: {of_merged}, fresh {of_fresh}");
    assert!(merged.bytes() * 5 <= fresh.bytes() * 6, "{name}: {} {}", merged.bytes(), fresh.bytes());
}

#[test]
fn a_fifth_is_replaced() {
    for (metric, codec, keep) in [
        (Distance::L2, Codec::Auto, true),
        (Distance::L2, Codec::Auto, false),
        (Distance::Cosine, Codec::Lvq4x8, true),
        (Distance::Cosine, Codec::Lvq4x8, false),
        (Distance::Dot, Codec::F32, true),
        (Distance::Cosine, Codec::F16, true),
    ] {
        let mut source = Source::new(DIMS, 31);
        let mut spec = floats(DIMS, metric);
        (spec.options.codec, spec.options.keep) = (codec, keep);
        let (old, new) = (source.vectors(COUNT), source.vectors(COUNT / 5));
        let (old, new) = (Index::dense(&spec, old), Index::dense(&spec, new));
        let live = without(&old, |row| row % 5 == 0);
        let merge = Merge { parts: vec![(&old, live), (&new, Bitmap::full(new.rows))] };
        let merged = merge.run(&spec, &Work::inline()).unwrap();
        compare(&format!("{metric:?} {codec:?} {keep}"), &merged, &source.vectors(80));
        let many = Work { parallel: &Threads(3), progress: &|_, _| true };
        assert!(merge.run(&spec, &many).unwrap().sections == merged.sections, "threads change a merge");
        let stop = Work { progress: &|done, total| total == 0 || done * 20 < total * 19, ..Work::inline() };
        assert!(matches!(merge.run(&spec, &stop), Err(IndexError::Cancelled)));
    }
}

/// The oldest fifth leaves, again and again; and vectors leave by chance.
#[test]
fn everything_is_replaced_five_times() {
    let spec = floats(DIMS, Distance::L2);
    for oldest in [true, false] {
        let mut source = Source::new(DIMS, 32);
        let mut index = Index::dense(&spec, source.vectors(COUNT));
        let queries = source.vectors(80);
        let mut chance = Rng(9);
        for _ in 0..25 {
            let new = Index::dense(&spec, source.vectors(COUNT / 5));
            let fifth = index.rows / 5;
            let mut leaves = vec![false; index.rows as usize];
            while leaves.iter().filter(|leaves| **leaves).count() < fifth as usize {
                let row = if oldest {
                    leaves.iter().position(|l| !l).unwrap() as u32
                } else {
                    chance.below(index.rows)
                };
                leaves[row as usize] = true;
            }
            let live = without(&index, |row| leaves[row as usize]);
            let parts = vec![(&index, live), (&new, Bitmap::full(new.rows))];
            index = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        }
        compare(if oldest { "the oldest leave" } else { "by chance" }, &index, &queries);
    }
}

/// Other data than the plan was made for: the mean moved far away.
#[test]
fn what_comes_is_unlike_what_was() {
    let spec = floats(DIMS, Distance::L2);
    let mut source = Source::new(DIMS, 33);
    let old = Index::dense(&spec, source.vectors(COUNT));
    source.centres.iter_mut().for_each(|x| *x = -2.0 * *x + 3.0);
    let new = Index::dense(&spec, source.vectors(COUNT));
    let parts = vec![(&old, without(&old, |row| row % 7 == 0)), (&new, Bitmap::full(new.rows))];
    let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    compare("moved", &merged, &source.vectors(80));
}

#[test]
fn graphs_come_and_go() {
    let spec = floats(DIMS, Distance::Cosine);
    let mut source = Source::new(DIMS, 34);
    let queries = source.vectors(30);
    // Two without a graph make one with a graph; nearly all leave, and it has none.
    let (a, b) = (Index::sparse(&spec, source.vectors(700)), Index::sparse(&spec, source.vectors(700)));
    let parts = vec![(&a, Bitmap::full(a.rows)), (&b, Bitmap::full(b.rows))];
    let grown = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(a.section("graph").is_none() && grown.section("graph").is_some());
    assert!(grown.recall(&queries, 64, None) > 0.95);
    let parts = vec![(&grown, without(&grown, |row| row % 3 > 0))];
    let shrunk = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(shrunk.section("graph").is_none());
    assert_eq!(shrunk.recall(&queries, 64, None), 1.0);
    let parts = vec![(&grown, Bitmap::new(grown.rows))];
    let empty = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(empty.ten(Values::F32(&[1.0; DIMS]), 64, None).0.is_empty());
}

/// A node of a graph with many links has more of them while it is built.
#[test]
fn graphs_as_wide_as_they_come() {
    for m in [52, 64] {
        let mut rng = Rng(37);
        let mut vectors = |count: usize| Owned::F32((0..count * DIMS).map(|_| normal(&mut rng)).collect());
        let mut spec = floats(DIMS, Distance::L2);
        (spec.options.m, spec.options.ef_construction) = (m, 200);
        let (old, new, queries) = (vectors(3_000), vectors(700), vectors(30));
        let (old, new) = (Index::dense(&spec, old), Index::dense(&spec, new));
        assert!(old.recall(&queries, 64, None) > 0.95, "m {m}");
        let parts = vec![(&old, without(&old, |row| row % 9 == 0)), (&new, Bitmap::full(new.rows))];
        let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        assert!(merged.recall(&queries, 64, None) > 0.95, "m {m}, merged");
    }
}

#[test]
fn what_comes_is_longer() {
    laws::longer_vectors_are_found_after_a_merge(|metric| {
        let mut spec = floats(DIMS, metric);
        (spec.options.m, spec.options.ef_construction) = (16, 200);
        spec
    });
}
