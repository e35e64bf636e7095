#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::KIND;
use crate::dense::{
    DenseInput, DenseReader, DenseSearch, DenseSource, DenseSpec, DenseStream, EachVector, Effort, Work,
};
use crate::parallel::Threads;
use crate::{Bitmap, Counters, IndexError, MemorySections, Sections, TopK, Values};
use tercet_kernels::Metric;

/// Vectors in clusters, of a fixed sequence.
fn vectors(count: usize, dims: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut normal = move || next() + next() + next();
    let centres: Vec<f32> = (0..clusters * dims).map(|_| normal()).collect();
    (0..count)
        .flat_map(|at| (0..dims).map(move |d| (at * 7 % clusters) * dims + d))
        .map(|place| centres[place] + 0.7 * normal())
        .collect()
}

struct Index {
    spec: DenseSpec,
    values: Vec<f32>,
    sections: Sections,
    reader: Box<dyn DenseReader>,
}

fn open(spec: &DenseSpec, values: Vec<f32>, sections: Sections) -> Index {
    let rows = (values.len() / spec.dims) as u32;
    let reader = (KIND.open)(spec, rows, &MemorySections::new(&sections)).unwrap();
    reader.verify().unwrap();
    Index { spec: spec.clone(), values, sections, reader }
}

fn build(spec: &DenseSpec, values: Vec<f32>, work: &Work<'_>) -> Index {
    let rows = (values.len() / spec.dims) as u32;
    let input = DenseInput { queries: None, rows, present: None, values: Values::F32(&values) };
    let sections = (KIND.build)(spec, &input, work).unwrap();
    open(spec, values, sections)
}

fn small(metric: Metric, dims: usize) -> DenseSpec {
    let mut spec = DenseSpec::new(dims, metric);
    spec.options.ef_construction = 100;
    spec
}

impl Index {
    fn find(&self, query: &[f32], effort: Effort, allowed: Option<&Bitmap>) -> Vec<u32> {
        let mut top = TopK::new(10);
        let search = DenseSearch { effort, allowed, ..DenseSearch::new(Values::F32(query)) };
        self.reader.search(&search, &mut top, &mut Counters::default()).unwrap();
        top.into_sorted().iter().map(|hit| hit.row).collect()
    }

    fn recall(&self, queries: &[f32], ef: u32, allowed: Option<&Bitmap>) -> f64 {
        let (mut found, mut wanted) = (0, 0);
        for query in queries.chunks_exact(self.spec.dims) {
            let truth = self.find(query, Effort::Exact, allowed);
            let got = self.find(query, Effort::Ef(ef), allowed);
            assert!(got.iter().all(|row| allowed.is_none_or(|allowed| allowed.contains(*row))));
            assert_eq!(got.len(), truth.len());
            wanted += truth.len();
            found += got.iter().filter(|row| truth.contains(row)).count();
        }
        found as f64 / wanted as f64
    }
}

#[test]
fn finds_nearly_all_neighbours() {
    for (metric, dims) in [(Metric::Cosine, 24), (Metric::L2, 24), (Metric::Dot, 24), (Metric::Cosine, 160)] {
        let index = build(&small(metric, dims), vectors(4_000, dims, 20, 1), &Work::inline());
        let queries = vectors(100, dims, 20, 1);
        let recall = index.recall(&queries, 64, None);
        assert!(recall > 0.97, "{metric:?} {dims}: {recall}");
    }
}

#[test]
fn every_codec_and_type_finds_them() {
    use crate::dense::{Codec, Distance, Reduce};
    let dims = 160;
    let mut specs = Vec::new();
    for codec in [Codec::Auto, Codec::F32, Codec::F16, Codec::Lvq8, Codec::Lvq4x8] {
        for keep in [true, false] {
            for reduce in [Reduce::Auto, Reduce::Pca(96), Reduce::Prefix(128)] {
                let mut spec = small(Metric::Cosine, dims);
                (spec.options.codec, spec.options.keep, spec.options.reduce) = (codec, keep, reduce);
                specs.push(spec);
            }
        }
    }
    let values = vectors(2_500, dims, 12, 31);
    let queries = vectors(60, dims, 12, 31);
    for spec in specs {
        let index = build(&spec, values.clone(), &Work::inline());
        let recall = index.recall(&queries, 100, None);
        assert!(recall > 0.95, "{:?}: {recall}", spec.options);
        let merged = Merge { parts: vec![(&index, Bitmap::full(2_500))] }.run(&spec);
        let recall = merged.recall(&queries, 100, None);
        assert!(recall > 0.95, "{:?} merged: {recall}", spec.options);
    }
    let bits: Vec<u8> =
        values.chunks_exact(8).map(|x| (0..8).fold(0, |b, at| b | u8::from(x[at] > 0.0) << at)).collect();
    for metric in [Distance::Hamming, Distance::Jaccard] {
        let mut spec = DenseSpec { metric, dtype: crate::Dtype::Bits, ..small(Metric::L2, dims) };
        spec.options.ef_construction = 100;
        let input = DenseInput { queries: None, rows: 2_500, present: None, values: Values::Bits(&bits) };
        let sections = (KIND.build)(&spec, &input, &Work::inline()).unwrap();
        let reader = (KIND.open)(&spec, 2_500, &MemorySections::new(&sections)).unwrap();
        reader.verify().unwrap();
        let mut good = 0;
        for query in bits.chunks_exact(dims / 8).step_by(50) {
            let find = |effort| {
                let (mut top, mut counters) = (TopK::new(10), Counters::default());
                let search = DenseSearch { effort, ..DenseSearch::new(Values::Bits(query)) };
                reader.search(&search, &mut top, &mut counters).unwrap();
                (top.into_sorted(), counters.vectors_scored)
            };
            let ((truth, all), (found, some)) = (find(Effort::Exact), find(Effort::Ef(64)));
            assert!(some < all);
            good += found.iter().filter(|hit| hit.score >= truth[9].score).count();
        }
        assert!(good >= 475, "{metric:?}: {good} of 500");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let spec = small(Metric::Cosine, 150);
    let values = vectors(3_000, 150, 10, 5);
    let one = build(&spec, values.clone(), &Work::inline());
    for threads in [1, 2, 5] {
        let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
        assert!(one.sections == build(&spec, values.clone(), &work).sections, "{threads} threads");
    }
}

#[test]
fn a_cancelled_build_keeps_nothing() {
    let values = vectors(2_000, 8, 4, 2);
    let input = DenseInput { queries: None, rows: 2_000, present: None, values: Values::F32(&values) };
    let work = Work { progress: &|done, _| done < 500, ..Work::inline() };
    assert!(matches!((KIND.build)(&small(Metric::L2, 8), &input, &work), Err(IndexError::Cancelled)));
}

/// Some indexes, of whose rows some are left.
struct Merge<'a> {
    parts: Vec<(&'a Index, Bitmap)>,
}

impl Merge<'_> {
    fn rows(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let rows =
            self.parts.iter().enumerate().flat_map(|(at, (_, live))| live.iter().map(move |row| (at, row)));
        rows.enumerate().map(|(new, (part, old))| (part, old, new as u32))
    }

    fn run(&self, spec: &DenseSpec) -> Index {
        let values: Vec<f32> = self
            .rows()
            .flat_map(|(part, old, _)| {
                self.parts[part].0.values[old as usize * spec.dims..][..spec.dims].to_vec()
            })
            .collect();
        let mut sections = Sections::new();
        let rows = (values.len() / spec.dims) as u32;
        (KIND.merge)(spec, rows, self, &mut sections, &Work::inline()).unwrap();
        open(spec, values, sections)
    }
}

impl DenseStream for Merge<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        self.rows().try_for_each(|(part, old, new)| {
            let vector = self.parts[part].0.reader.vector(old)?.unwrap();
            each(new, Values::F32(&vector))
        })
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        let source = |at: usize| DenseSource {
            reader: self.parts[at].0.reader.as_ref(),
            kept: Box::new(self.rows().filter(move |row| row.0 == at).map(|(_, old, new)| (old, new))),
        };
        (0..self.parts.len()).map(source).collect()
    }
}

#[test]
fn a_merge_is_as_good_as_a_build() {
    let dims = 32;
    let spec = small(Metric::L2, dims);
    let queries = vectors(100, dims, 15, 77);
    let all = vectors(6_000, dims, 15, 77);
    let large = build(&spec, all[..4_000 * dims].to_vec(), &Work::inline());
    let other = build(&spec, all[4_000 * dims..].to_vec(), &Work::inline());
    let mut live = Bitmap::full(4_000);
    (0..4_000).filter(|row| row % 5 == 0).for_each(|row| {
        live.clear(row);
    });
    let merged = Merge { parts: vec![(&large, live), (&other, Bitmap::full(2_000))] }.run(&spec);
    let fresh = build(&spec, merged.values.clone(), &Work::inline());
    let (of_merged, of_fresh) = (merged.recall(&queries, 32, None), fresh.recall(&queries, 32, None));
    assert!(of_merged > of_fresh - 0.01, "{of_merged} {of_fresh}");
    let sizes = |index: &Index| index.sections.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(sizes(&merged) < sizes(&fresh) * 6 / 5);
}

#[test]
fn filters_lose_no_recall() {
    let dims = 32;
    let index = build(&small(Metric::L2, dims), vectors(8_000, dims, 10, 9), &Work::inline());
    let queries = vectors(50, dims, 10, 9);
    // By chance, and one cluster after the other, most of them far from any query.
    for (name, row_of) in [("random", 7_919usize), ("clusters", 1)] {
        for share in [2, 10, 100, 1_000] {
            let mut allowed = Bitmap::new(8_000);
            for at in 0..8_000 / share {
                let row = if row_of == 1 { at * 10 % 8_000 + at * 10 / 8_000 } else { at * row_of % 8_000 };
                allowed.set(row as u32);
            }
            let recall = index.recall(&queries, 64, Some(&allowed));
            assert!(recall > 0.95, "{name} 1/{share}: {recall}");
        }
    }
}

#[test]
fn degenerate_vectors_are_all_found() {
    let equal = |count: usize, dims: usize| vec![1.5f32; count * dims];
    let mut twice = vectors(1_500, 12, 3, 4);
    twice.extend(twice.clone());
    let line: Vec<f32> = (0..2_000).map(|x| x as f32).collect();
    let mut islands = vectors(2_000, 6, 1, 8);
    islands.chunks_exact_mut(6).enumerate().for_each(|(at, v)| v[0] += (at % 40) as f32 * 1e4);
    let mut zeros = vectors(1_200, 5, 2, 6);
    zeros[..5 * 600].fill(0.0);
    for (name, metric, dims, values) in [
        ("equal", Metric::L2, 4, equal(3_000, 4)),
        ("equal", Metric::Cosine, 4, equal(1_200, 4)),
        ("equal", Metric::Dot, 1, equal(1_200, 1)),
        ("twice", Metric::Cosine, 12, twice),
        ("a line", Metric::L2, 1, line),
        ("islands", Metric::L2, 6, islands),
        ("zeros", Metric::L2, 5, zeros),
        ("wide", Metric::Dot, 2_500, vectors(1_010, 2_500, 5, 3)),
        ("huge", Metric::L2, 3, vectors(1_100, 3, 5, 3).iter().map(|x| x * 1e18).collect()),
        ("tiny", Metric::L2, 3, vectors(1_100, 3, 5, 3).iter().map(|x| x * 1e-18).collect()),
    ] {
        let index = build(&small(metric, dims), values.clone(), &Work::inline());
        for query in values.chunks_exact(dims).step_by(97) {
            let truth = {
                let mut top = TopK::new(10);
                let search = DenseSearch { effort: Effort::Exact, ..DenseSearch::new(Values::F32(query)) };
                index.reader.search(&search, &mut top, &mut Counters::default()).unwrap();
                top.into_sorted()
            };
            let found = index.find(query, Effort::Ef(128), None);
            assert_eq!(found.len(), 10, "{name}");
            let score = |row: u32| index.reader.score(Values::F32(query), row).unwrap().unwrap();
            // Ties may be others, but as near as the tenth.
            let tenth = truth.last().unwrap().score;
            let same = found.iter().filter(|row| score(**row) >= tenth).count();
            assert!(same >= 9, "{name}: {same}");
        }
        let section = |name: &str| -> Vec<u32> {
            let found = index.sections.iter().find(|section| section.0 == name);
            found.unwrap().1.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        let (head, slots) = (section("graph"), section("level_slots"));
        let entry = match head.len() {
            15 => head[5],
            16 => slots[head[5] as usize],
            levels => slots[(head[levels - 2] + head[5]) as usize],
        };
        let reached = reachable(&section("links"), 32, entry);
        assert_eq!(reached, index.reader.len(), "{name}: some nodes cannot be reached");
    }
}

/// Nodes that can be reached from one.
fn reachable(links: &[u32], width: usize, from: u32) -> usize {
    let mut seen = vec![false; links.len() / width];
    let mut waiting = vec![from];
    let mut count = 0;
    while let Some(node) = waiting.pop() {
        if !std::mem::replace(&mut seen[node as usize], true) {
            count += 1;
            let out = &links[node as usize * width..][..width];
            waiting.extend(out.iter().filter(|link| **link != u32::MAX));
        }
    }
    count
}
