//! Data that graphs are said to fall over.

use crate::common::{Owned, Rng};
use crate::index::{Index, clusters, floats, normal};
use tercet_index::{Distance, Effort, TopK, Values};

/// Some of the stored vectors as queries: ten are found, all as near as the tenth; and of 300 vectors 297
/// find themselves or their equals.
fn check(name: &str, metric: Distance, dims: usize, values: Vec<f32>) {
    let mut spec = floats(dims, metric);
    if dims > 1_000 {
        (spec.options.m, spec.options.ef_construction) = (6, 16);
    }
    let count = values.len() / dims;
    let index = Index::dense(&spec, Owned::F32(values.clone()));
    let step = (count / 20).max(1);
    let mut some = Vec::new();
    values.chunks_exact(dims).step_by(step).for_each(|vector| some.extend_from_slice(vector));
    let recall = index.recall(&Owned::F32(some), 128, None);
    assert!(recall >= 0.98, "{name} {metric:?}: {recall}");
    if metric == Distance::L2 {
        let lost = values.chunks_exact(dims).step_by((count / 300).max(1)).filter(|vector| {
            let (hits, _) = index.ten(Values::F32(vector), 64, None);
            hits.first().is_none_or(|hit| hit.score < -1e-6 * vector.iter().map(|x| x * x).sum::<f32>())
        });
        assert!(lost.count() <= 3, "{name}: vectors that do not find themselves");
    }
}

#[test]
fn equal_vectors_and_duplicates() {
    let mut rng = Rng(21);
    for metric in [Distance::L2, Distance::Cosine, Distance::Dot] {
        check("equal", metric, 3, vec![1.5; 3 * 1_200]);
        let few = clusters(&mut rng, 7, 6, 7);
        check("seven", metric, 6, few.repeat(200));
    }
    let once = clusters(&mut rng, 600, 8, 5);
    check("twice", Distance::Cosine, 8, [once.clone(), once].concat());
}

#[test]
fn zero_vectors() {
    let mut rng = Rng(22);
    check("zeros", Distance::L2, 4, vec![0.0; 4 * 1_100]);
    let mut half = clusters(&mut rng, 1_200, 5, 3);
    half.chunks_exact_mut(5).step_by(2).for_each(|vector| vector.fill(0.0));
    for metric in [Distance::L2, Distance::Cosine, Distance::Dot] {
        check("half of them zero", metric, 5, half.clone());
    }
}

#[test]
fn islands_are_reached() {
    let mut rng = Rng(23);
    let mut far = clusters(&mut rng, 1_600, 6, 1);
    far.chunks_exact_mut(6).enumerate().for_each(|(at, vector)| vector[at % 6] += (at % 40) as f32 * 1e4);
    check("islands", Distance::L2, 6, far);
    let mut lonely = clusters(&mut rng, 1_300, 4, 1);
    lonely[..4].fill(1e6);
    lonely[4..8].fill(-1e6);
    check("two alone", Distance::L2, 4, lonely);
    // One island is put in after the other.
    let mut sorted: Vec<f32> =
        (0..1_400 * 4).map(|at| (at / 4 / 70) as f32 * 500.0 + normal(&mut rng)).collect();
    check("one after the other", Distance::L2, 4, sorted.clone());
    sorted.reverse();
    check("backwards", Distance::L2, 4, sorted);
}

#[test]
fn few_and_many_dimensions() {
    let mut rng = Rng(24);
    check("a line", Distance::L2, 1, (0..1_500).map(|x| x as f32).collect());
    check("one dimension", Distance::Cosine, 1, (0..1_100).map(|x| x as f32 - 550.0).collect());
    check("one dimension", Distance::Dot, 1, (0..1_100).map(|x| x as f32 - 550.0).collect());
    check("4,096 dimensions", Distance::L2, 4_096, clusters(&mut rng, 1_010, 4_096, 5));
}

#[test]
fn huge_and_tiny_numbers() {
    let mut rng = Rng(25);
    for factor in [1e18, 1e-18] {
        let values: Vec<f32> = clusters(&mut rng, 1_100, 4, 5).iter().map(|x| x * factor).collect();
        let index = Index::dense(&floats(4, Distance::L2), Owned::F32(values.clone()));
        for query in values.chunks_exact(4).step_by(111) {
            let (hits, _) = index.ten(Values::F32(query), 128, None);
            let exact = tercet_index::DenseSearch {
                effort: Effort::Exact,
                ..tercet_index::DenseSearch::new(Values::F32(query))
            };
            let truth = index.find(&exact, TopK::new(10)).0;
            let same = hits.iter().filter(|hit| hit.score >= truth[9].score).count();
            assert!(same >= 9, "{factor}: {same}");
        }
    }
}

/// A segment is scanned until it has a graph's worth of vectors, and nothing breaks on the way.
#[test]
fn few_vectors() {
    let mut rng = Rng(26);
    for count in [0, 1, 2, 9, 999, 1_000, 1_001] {
        let values = clusters(&mut rng, count, 5, 3);
        let index = Index::dense(&floats(5, Distance::Cosine), Owned::F32(values));
        let query = [1.0, 0.5, 0.0, -0.5, 0.25];
        let (hits, answered) = index.ten(Values::F32(&query), 32, None);
        assert_eq!(hits.len(), count.min(10));
        assert_eq!(answered.exact, count < 1_000, "{count}");
        let search = tercet_index::DenseSearch::new(Values::F32(&query));
        for k in [0, count, count + 1, 1 << 40] {
            assert_eq!(index.find(&search, TopK::new(k)).0.len(), k.min(count), "{k} of {count}");
        }
    }
}
