//! Vectors are replaced through merges: recall at the same effort stays that of a fresh build.

use crate::common::{Owned, Rng};
use crate::index::{Index, Threads, floats};
use crate::laws;
use crate::merge::{Merge, Source, without};
use tercet_index::{Bitmap, Codec, Distance, IndexError, Work};

const DIMS: usize = 24;
const COUNT: usize = 1_400;

fn fact(index: &Index, name: &str) -> f64 {
    index.reader.facts().iter().find(|fact| fact.0 == name).unwrap().1
}

/// The merged index beside one that is built of the same vectors.
fn compare(name: &str, merged: &Index, queries: &Owned, loss: f64) {
    let fresh = Index::dense(&merged.spec, merged.values.clone());
    let (of_merged, of_fresh) = (merged.recall(queries, 64, None), fresh.recall(queries, 64, None));
    assert!(of_merged >= of_fresh - loss, "{name}: {of_merged}, fresh {of_fresh}");
}

#[test]
fn a_fifth_is_replaced() {
    for (metric, codec, keep, spill) in [
        (Distance::L2, Codec::Auto, true, false),
        (Distance::L2, Codec::Auto, false, true),
        (Distance::Cosine, Codec::Pq { m: 6, bits: 8 }, true, false),
        (Distance::Cosine, Codec::Lvq8, false, false),
        (Distance::Dot, Codec::F32, true, true),
        (Distance::Dot, Codec::Lvq4x8, true, false),
        (Distance::Cosine, Codec::RaBitQ { bits: 2 }, true, false),
    ] {
        let mut source = Source::new(DIMS, 31);
        let mut spec = floats(DIMS, metric);
        (spec.options.codec, spec.options.keep, spec.options.ivf.spill) = (codec, keep, spill);
        let (old, new) = (source.vectors(COUNT), source.vectors(COUNT / 5));
        let (old, new) = (Index::sparse(&spec, old), Index::dense(&spec, new));
        let live = without(&old, |row| row % 5 == 0);
        let merge = Merge { parts: vec![(&old, live), (&new, Bitmap::full(new.rows))] };
        let merged = merge.run(&spec, &Work::inline()).unwrap();
        compare(&format!("{metric:?} {codec:?} {keep}"), &merged, &source.vectors(80), 0.02);
        assert!(old.section("centroids") == merged.section("centroids"));
        assert!(old.section("codebook") == merged.section("codebook"));
        let many = Work { parallel: &Threads(3), progress: &|_, _| true };
        assert!(merge.run(&spec, &many).unwrap().sections == merged.sections, "threads change a merge");
        let stop = Work { progress: &|done, total| total == 0 || done < total, ..Work::inline() };
        assert!(matches!(merge.run(&spec, &stop), Err(IndexError::Cancelled)));
    }
}

/// What is taken over is what coding anew would give.
#[test]
fn entries_are_taken_over_as_they_are() {
    for codec in [Codec::Auto, Codec::Pq { m: 6, bits: 8 }, Codec::Lvq4x8, Codec::RaBitQ { bits: 2 }] {
        let mut source = Source::new(DIMS, 36);
        let mut spec = floats(DIMS, Distance::L2);
        spec.options.codec = codec;
        let old = Index::dense(&spec, source.vectors(COUNT));
        let parts = vec![(&old, Bitmap::full(old.rows))];
        let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        for name in ["ids", "places", "list_ends", "list_codes", "points"] {
            assert!(old.section(name) == merged.section(name), "{codec:?} {name}");
        }
        assert_eq!(fact(&merged, "addedVectors"), 0.0);
    }
}

#[test]
fn everything_is_replaced_five_times() {
    let spec = floats(DIMS, Distance::L2);
    let mut source = Source::new(DIMS, 32);
    let mut index = Index::dense(&spec, source.vectors(COUNT));
    let queries = source.vectors(80);
    let mut chance = Rng(9);
    for _ in 0..25 {
        let new = Index::dense(&spec, source.vectors(COUNT / 5));
        let fifth = index.rows as usize / 5;
        let mut leaves = vec![false; index.rows as usize];
        while leaves.iter().filter(|leaves| **leaves).count() < fifth {
            leaves[chance.below(index.rows) as usize] = true;
        }
        let live = without(&index, |row| leaves[row as usize]);
        let parts = vec![(&index, live), (&new, Bitmap::full(new.rows))];
        index = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    }
    compare("by chance", &index, &queries, 0.03);
    assert!(fact(&index, "addedVectors") > COUNT as f64 * 4.0);
    let (trained, added) = (fact(&index, "trainedError"), fact(&index, "addedError"));
    assert!(added < trained * 1.5, "the same data: {trained} {added}");
}

/// Other data than it was trained for: the facts tell, and when it is too much everything is trained anew.
#[test]
fn what_comes_is_unlike_what_was() {
    let spec = floats(DIMS, Distance::L2);
    let mut source = Source::new(DIMS, 33);
    let old = Index::dense(&spec, source.vectors(COUNT));
    source.centres.iter_mut().for_each(|x| *x = -2.0 * *x + 3.0);
    for (moved, anew) in [(40, false), (COUNT / 2, true)] {
        let new = Index::dense(&spec, source.vectors(moved));
        let parts = vec![(&old, without(&old, |row| row % 7 == 0)), (&new, Bitmap::full(new.rows))];
        let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        let (trained, added) = (fact(&merged, "trainedError"), fact(&merged, "addedError"));
        if anew {
            compare("moved", &merged, &source.vectors(80), 0.02);
            assert_eq!((fact(&merged, "trainedVectors"), added), (1_900.0, 0.0));
        } else {
            assert!(added > trained * 2.0 && fact(&merged, "addedVectors") == 40.0, "{trained} {added}");
        }
    }
}

#[test]
fn lists_come_and_go_and_are_made_anew() {
    let spec = floats(DIMS, Distance::Cosine);
    let mut source = Source::new(DIMS, 34);
    let queries = source.vectors(30);
    let (a, b) = (Index::sparse(&spec, source.vectors(700)), Index::sparse(&spec, source.vectors(700)));
    let parts = vec![(&a, Bitmap::full(a.rows)), (&b, Bitmap::full(b.rows))];
    let grown = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(a.section("ivf").is_none() && grown.section("ivf").is_some());
    assert!(grown.recall(&queries, 128, None) > 0.94);
    let parts = vec![(&grown, without(&grown, |row| row % 3 > 0))];
    let shrunk = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert!(shrunk.section("ivf").is_none());
    assert_eq!(shrunk.recall(&queries, 64, None), 1.0);
    let parts = vec![(&grown, Bitmap::new(grown.rows))];
    assert_eq!(Merge { parts }.run(&spec, &Work::inline()).unwrap().slots.len(), 0);
    // Four times as many as it was trained for.
    let more = Index::dense(&spec, source.vectors(4_500));
    let plain = Index { sections: Vec::new(), reader: more.reader, ..more };
    let parts = vec![(&grown, Bitmap::full(grown.rows)), (&plain, Bitmap::full(plain.rows))];
    let anew = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert_eq!(fact(&anew, "lists"), fact(&plain, "lists"), "the largest stays");
    let parts =
        vec![(&grown, Bitmap::full(grown.rows)), (&a, Bitmap::full(a.rows)), (&b, Bitmap::full(b.rows))];
    let same = Merge { parts }.run(&spec, &Work::inline()).unwrap();
    assert_eq!(fact(&same, "trainedVectors"), 1_400.0);
}

#[test]
fn what_comes_is_longer() {
    laws::longer_vectors_are_found_after_a_merge(|metric| floats(DIMS, metric));
}
