//! What holds of every approximate kind, as functions that the suites of each call with what differs.

use crate::common::{Owned, Rng};
use crate::index::{Index, Threads, at_random, clusters, floats, kind, normal, spec};
use crate::merge::Merge;
use std::sync::atomic::{AtomicUsize, Ordering};
use tercet_index::{
    Bitmap, Codec, Counters, DenseInput, DenseSearch, DenseSpec, Distance, Dtype, Effort, IndexError, Scored,
    TopK, Values, Work,
};

/// An index of clustered vectors, and 60 queries like them.
pub fn clustered(spec: &DenseSpec, count: usize) -> (Index, Owned) {
    let mut rng = Rng(11);
    let mut all = clusters(&mut rng, count + 60, spec.dims, 10);
    let queries = all.split_off(count * spec.dims);
    (Index::dense(spec, Owned::F32(all)), Owned::F32(queries))
}

/// A filter of no rows, of no length, of more rows than there are, of one row.
pub fn strange_filters(index: &Index, queries: &Owned) {
    let count = index.rows;
    let query = index.each_query(queries).next().unwrap();
    for allowed in [Bitmap::new(count), Bitmap::new(0)] {
        assert!(index.ten(query, 64, Some(&allowed)).0.is_empty());
    }
    let every = index.ten(query, 64, Some(&Bitmap::full(count))).0;
    let wider = index.ten(query, 64, Some(&Bitmap::full(6 * count))).0;
    assert!(every.len() == 10 && wider.iter().all(|hit| hit.row < count));
    let mut last = Bitmap::new(count);
    last.set(count - 1);
    assert_eq!(index.ten(query, 64, Some(&last)).0[0].row, count - 1);
}

/// A batch answers as single searches do, filtered or not, on any threads.
pub fn batches_are_single_searches(index: &Index, queries: &Owned) {
    let half = at_random(index, 0.5);
    for allowed in [None, Some(&half)] {
        let search = DenseSearch { effort: Effort::Ef(40), allowed, ..DenseSearch::new(queries.values()) };
        let single: Vec<Vec<Scored>> = index
            .each_query(queries)
            .map(|query| index.find(&DenseSearch { query, ..search }, TopK::new(7)).0)
            .collect();
        for threads in [1, 3] {
            let mut tops = vec![TopK::new(7); single.len()];
            let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
            let mut counters = Counters::default();
            let reader = &index.reader;
            let found =
                reader.search_batch(queries.values(), &search, &mut tops, &mut counters, &work).unwrap();
            assert!(found.complete && !found.exact && counters.vectors_scored > 0);
            assert_eq!(tops.into_iter().map(TopK::into_sorted).collect::<Vec<_>>(), single);
        }
    }
}

/// A query of another length finds nothing, and the next one of the right length does.
pub fn queries_of_another_length_find_nothing(index: &Index) {
    let dims = index.spec.dims;
    for length in [0, 1, dims - 1, dims + 1] {
        let query = vec![1.0; length];
        assert!(index.ten(Values::F32(&query), 64, None).0.is_empty());
        assert!(matches!(index.reader.score(Values::F32(&query), 0), Ok(None) | Err(_)));
    }
    assert_eq!(index.ten(Values::F32(&vec![1.0; dims]), 64, None).0.len(), 10);
}

/// A build that asks more than `steps_least` times whether to go on ends wherever that is denied.
pub fn builds_can_be_cancelled_anywhere(steps_least: usize) {
    let mut rng = Rng(13);
    let values = clusters(&mut rng, 1_200, 8, 4);
    let spec = floats(8, Distance::L2);
    let input = DenseInput { queries: None, rows: 1_200, present: None, values: Values::F32(&values) };
    let steps = AtomicUsize::new(0);
    let count =
        Work { progress: &|_, _| steps.fetch_add(1, Ordering::Relaxed) < usize::MAX, ..Work::inline() };
    (kind().build)(&spec, &input, &count).unwrap();
    let steps = steps.load(Ordering::Relaxed);
    assert!(steps > steps_least, "{steps}");
    for last in [0, 1, 2, steps / 2, steps - 1] {
        let seen = AtomicUsize::new(0);
        let work = Work { progress: &|_, _| seen.fetch_add(1, Ordering::Relaxed) < last, ..Work::inline() };
        let built = (kind().build)(&spec, &input, &work);
        assert!(matches!(built, Err(IndexError::Cancelled)), "after {last} of {steps}");
        assert_eq!(seen.load(Ordering::Relaxed), last + 1, "nothing is done after a refusal");
    }
}

/// Every type of number, by codes and by the vectors.
pub fn every_type(values: &[f32], queries: &[f32], dims: usize, (ef, least): (u32, f64)) {
    let bytes = |values: &[f32]| -> Vec<i8> { values.iter().map(|x| (x * 30.0) as i8).collect() };
    for metric in [Distance::Cosine, Distance::Dot, Distance::L2] {
        for dtype in [Dtype::F16, Dtype::I8, Dtype::U8] {
            let made = |values: &[f32]| match dtype {
                Dtype::F16 => Owned::F16(values.iter().map(|x| tercet_kernels::f32_to_f16(*x)).collect()),
                Dtype::I8 => Owned::I8(bytes(values)),
                _ => Owned::U8(bytes(values).iter().map(|x| (i16::from(*x) + 128) as u8).collect()),
            };
            for codec in [Codec::Auto, Codec::F32] {
                let mut spec = spec(dims, metric, dtype);
                spec.options.codec = codec;
                let index = Index::dense(&spec, made(values));
                let recall = index.recall(&made(queries), ef, None);
                assert!(recall >= least, "{metric:?} {dtype:?} {codec:?}: {recall}");
            }
        }
    }
}

/// Of an index that does not keep its vectors: how many of the true ten are found, and how many there are.
pub fn found_by_codes(index: &Index, queries: &Owned, ef: u32) -> (usize, usize) {
    let (mut found, mut wanted) = (0, 0);
    for query in index.each_query(queries) {
        let truth: Vec<u32> = index.truth(query, None).iter().take(10).map(|hit| hit.1).collect();
        let (hits, answered) = index.ten(query, ef, None);
        assert!(!answered.exact);
        wanted += truth.len();
        found += hits.iter().filter(|hit| truth.contains(&hit.row)).count();
    }
    (found, wanted)
}

/// Merges with vectors that the space of the first part has no point for: longer ones under the inner product, far larger
/// ones.
pub fn longer_vectors_are_found_after_a_merge(spec_of: impl Fn(Distance) -> DenseSpec) {
    for (metric, count, base, factor) in
        [(Distance::Dot, 8_000, 1.0, 3.0), (Distance::L2, 2_000, 1e-10, 1e22)]
    {
        let spec = spec_of(metric);
        let mut rng = Rng(38);
        let mut rows = |count: usize, length: f32| {
            let mut values: Vec<f32> = (0..count * spec.dims).map(|_| normal(&mut rng)).collect();
            for vector in values.chunks_exact_mut(spec.dims) {
                let factor = length / vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                vector.iter_mut().for_each(|x| *x *= factor);
            }
            Owned::F32(values)
        };
        let (old, new) = (rows(count, base), rows(count / 4, base * factor));
        let queries = rows(50, base * factor);
        let (old, new) = (Index::dense(&spec, old), Index::dense(&spec, new));
        let parts = vec![(&old, Bitmap::full(old.rows)), (&new, Bitmap::full(new.rows))];
        let merged = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        let recall = merged.recall(&queries, 64, None);
        assert!(recall >= 0.9, "{metric:?}: {recall}");
        // What fits leaves the space as it was.
        let same = Index::dense(&spec, rows(500, base));
        let parts = vec![(&old, Bitmap::full(old.rows)), (&same, Bitmap::full(same.rows))];
        let grown = Merge { parts }.run(&spec, &Work::inline()).unwrap();
        assert!(old.section("center") == grown.section("center"), "{metric:?}");
        assert!(old.section("center") != merged.section("center"), "{metric:?}");
    }
}
