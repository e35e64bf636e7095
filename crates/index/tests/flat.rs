//! The flat index against a sort of all scores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Rng, subset};
use tercet_index::{
    Bitmap, Counters, DENSE_KINDS, DenseInput, DenseReader, DenseSearch, DenseSpec, DenseStream, EachVector,
    IndexError, MemorySections, Metric, Scored, Sections, TopK, Values, Work, dense_kind,
};

const METRICS: [Metric; 3] = [Metric::Dot, Metric::L2, Metric::Cosine];
const DENSITIES: [f64; 9] = [0.0, 0.001, 0.02, 0.1, 0.5, 0.9, 0.95, 0.999, 1.0];

impl DenseStream for Case {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        self.vectors().try_for_each(|(row, vector)| each(row, Values::F32(vector)))
    }
}

struct Case {
    spec: DenseSpec,
    rows: u32,
    present: Option<Vec<u32>>,
    values: Vec<f32>,
    reader: Box<dyn DenseReader>,
}

impl Case {
    fn new(rng: &mut Rng, metric: Metric, rows: u32, dims: usize, share: f64, levels: Option<u32>) -> Case {
        let present = (share < 1.0).then(|| subset(rng, rows, share).iter().collect::<Vec<_>>());
        let count = present.as_ref().map_or(rows as usize, Vec::len);
        let mut values: Vec<f32> = (0..count * dims)
            .map(|_| match levels {
                Some(levels) => rng.below(levels) as f32 - 1.0,
                None => rng.component(),
            })
            .collect();
        for vector in values.chunks_exact_mut(dims) {
            vector[0] += 3.0;
        }
        let spec = DenseSpec::new(dims, metric);
        let kind = dense_kind("flat").unwrap();
        let input =
            DenseInput { queries: None, rows, present: present.as_deref(), values: Values::F32(&values) };
        let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
        let reader = (kind.open)(&spec, rows, &MemorySections::new(&sections)).unwrap();
        reader.verify().unwrap();
        assert_eq!(reader.len(), count);
        Case { spec, rows, present, values, reader }
    }

    fn vectors(&self) -> impl Iterator<Item = (u32, &[f32])> {
        let row = |slot: usize| self.present.as_ref().map_or(slot as u32, |rows| rows[slot]);
        self.values.chunks_exact(self.spec.dims).enumerate().map(move |(slot, vector)| (row(slot), vector))
    }

    fn search(&self, query: &[f32], allowed: Option<&Bitmap>, k: usize) -> (Vec<Scored>, Counters) {
        let (mut top, mut counters) = (TopK::new(k), Counters::default());
        self.reader
            .search(&DenseSearch { allowed, ..DenseSearch::new(Values::F32(query)) }, &mut top, &mut counters)
            .unwrap();
        (top.into_sorted(), counters)
    }

    /// All allowed rows by the reader's own score of each, sorted.
    fn sorted(&self, query: &[f32], allowed: Option<&Bitmap>) -> Vec<Scored> {
        let mut all: Vec<Scored> = self
            .vectors()
            .filter(|(row, _)| allowed.is_none_or(|allowed| allowed.contains(*row)))
            .map(|(row, _)| Scored {
                row,
                score: self.reader.score(Values::F32(query), row).unwrap().unwrap(),
            })
            .collect();
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
        all
    }
}

/// The score from its definition, in f64.
fn oracle(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum =
        |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x.into(), y.into())).sum::<f64>();
    match metric {
        Metric::Dot => sum(&|x, y| x * y),
        Metric::L2 => -sum(&|x, y| (x - y) * (x - y)),
        Metric::Cosine => sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt(),
    }
}

fn check(case: &Case, rng: &mut Rng) {
    let query: Vec<f32> = (0..case.spec.dims).map(|_| rng.component()).collect();
    for (row, vector) in case.vectors() {
        let (found, expected) = (
            case.reader.score(Values::F32(&query), row).unwrap().unwrap(),
            oracle(case.spec.metric.on_numbers().unwrap(), &query, vector),
        );
        assert!((f64::from(found) - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{found} {expected}");
        let found = case.reader.vector(row).unwrap().unwrap();
        let same = found.iter().zip(vector).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "row {row} comes back changed");
    }
    let filters = DENSITIES.map(|density| Some(subset(rng, case.rows, density)));
    for allowed in std::iter::once(None).chain(filters) {
        let sorted = case.sorted(&query, allowed.as_ref());
        for k in [0, 1, 10, 1000, u32::MAX as usize] {
            let (hits, counters) = case.search(&query, allowed.as_ref(), k);
            assert_eq!(
                hits,
                sorted[..k.min(sorted.len())],
                "k {k}, {:?}",
                allowed.as_ref().map(Bitmap::count)
            );
            assert!(counters.vectors_scored >= hits.len() as u64);
            assert!(counters.vectors_scored <= case.reader.len() as u64);
        }
    }
}

#[test]
fn equals_a_sort_of_all_scores() {
    let mut rng = Rng(1);
    for metric in METRICS {
        for (rows, dims) in [(0, 3), (1, 1), (63, 5), (64, 16), (700, 7), (1500, 33)] {
            for share in [1.0, 0.9, 0.3, 0.0] {
                check(&Case::new(&mut rng, metric, rows, dims, share, None), &mut rng);
            }
        }
    }
}

#[test]
fn ties_go_to_the_lower_row() {
    let mut rng = Rng(2);
    for metric in METRICS {
        for share in [1.0, 0.5] {
            // Two levels in two dimensions: hundreds of equal scores.
            check(&Case::new(&mut rng, metric, 1000, 2, share, Some(2)), &mut rng);
        }
    }
}

#[test]
fn long_and_short_vectors_keep_their_cosine() {
    let spec = DenseSpec::new(2, Metric::Cosine);
    let values = [1e38, 1e38, 1e-30, 1e-30, 1e-42, 1e-42, 0.0, 0.0, f32::NAN, 1.0];
    let kind = dense_kind("flat").unwrap();
    let sections = (kind.build)(
        &spec,
        &DenseInput { queries: None, rows: 5, present: None, values: Values::F32(&values) },
        &Work::inline(),
    )
    .unwrap();
    let reader = (kind.open)(&spec, 5, &MemorySections::new(&sections)).unwrap();
    let score = |query: &[f32], row| reader.score(Values::F32(query), row).unwrap().unwrap();
    for query in [[1.0, 1.0], [1e-30, 1e-30], [1e-44, 1e-44], [2e38, 2e38]] {
        assert!((score(&query, 0) - 1.0).abs() < 1e-5, "{query:?}");
        assert!((score(&query, 1) - 1.0).abs() < 1e-5, "{query:?}");
        assert_eq!(score(&query, 3), 0.0);
    }
    assert!(score(&[1.0, 1.0], 2).is_finite());
    let mut top = TopK::new(10);
    reader.search(&DenseSearch::new(Values::F32(&[1.0, 1.0])), &mut top, &mut Counters::default()).unwrap();
    assert!(top.into_sorted().iter().all(|hit| hit.row != 4), "NaN never enters");
    assert_eq!(reader.score(Values::F32(&[0.0, 0.0]), 0).unwrap(), Some(0.0));
}

#[test]
fn a_merge_equals_building_in_one_go() {
    let mut rng = Rng(4);
    for (kind, metric) in DENSE_KINDS.iter().flat_map(|kind| METRICS.map(|metric| (kind, metric))) {
        for share in [1.0, 0.6, 0.0] {
            let case = Case::new(&mut rng, metric, 300, 5, share, None);
            let input = DenseInput {
                queries: None,
                rows: case.rows,
                present: case.present.as_deref(),
                values: Values::F32(&case.values),
            };
            let built = (kind.build)(&case.spec, &input, &Work::inline()).unwrap();
            let mut merged = Sections::new();
            (kind.merge)(&case.spec, case.rows, &case, &mut merged, &Work::inline()).unwrap();
            assert_eq!(merged, built);
            let few = (kind.merge)(&case.spec, 2, &case, &mut Sections::new(), &Work::inline());
            assert_eq!(few.is_err(), share > 0.0);
        }
    }
}

#[test]
fn a_query_of_another_length_finds_nothing() {
    let case = Case::new(&mut Rng(3), Metric::Dot, 10, 4, 1.0, None);
    assert!(case.search(&[1.0; 3], None, 5).0.is_empty());
    assert_eq!(case.reader.score(Values::F32(&[1.0; 5]), 0).unwrap(), None);
    assert_eq!(case.reader.score(Values::F32(&[1.0; 4]), 10).unwrap(), None);
    assert!(case.reader.vector(10).unwrap().is_none());
    // A filter over another number of rows is read as far as both go.
    assert_eq!(case.search(&[1.0; 4], Some(&Bitmap::full(1000)), 50).0.len(), 10);
    assert_eq!(case.search(&[1.0; 4], Some(&Bitmap::full(3)), 50).0.len(), 3);
}

#[test]
fn wrong_input_is_refused() {
    for kind in DENSE_KINDS {
        let build = |dims, rows, present: Option<&[u32]>, values: &[f32]| {
            (kind.build)(
                &DenseSpec::new(dims, Metric::Dot),
                &DenseInput { queries: None, rows, present, values: Values::F32(values) },
                &Work::inline(),
            )
        };
        assert!(matches!(build(0, 1, None, &[]), Err(IndexError::Shape { .. })));
        assert!(matches!(build(2, 2, None, &[0.0; 3]), Err(IndexError::Shape { expected: 4, found: 3, .. })));
        assert!(matches!(build(1, 3, Some(&[1, 1]), &[0.0; 2]), Err(IndexError::Order { .. })));
        assert!(matches!(build(1, 3, Some(&[1, 3]), &[0.0; 2]), Err(IndexError::Shape { .. })));
        let sections = build(2, 3, Some(&[0, 2]), &[0.0; 4]).unwrap();
        let source = MemorySections::new(&sections);
        let open = |dims, metric, rows| (kind.open)(&DenseSpec::new(dims, metric), rows, &source).err();
        assert!(open(2, Metric::Dot, 3).is_none());
        assert!(matches!(open(3, Metric::Dot, 3), Some(IndexError::Corrupt { .. })));
        assert!(matches!(open(2, Metric::Cosine, 3), Some(IndexError::Corrupt { .. })));
        assert!(matches!(open(2, Metric::Dot, 1), Some(IndexError::Corrupt { .. })));
    }
}
