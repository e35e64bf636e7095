//! The flat index over vectors of every type, by every metric, against a sort of scores from their definitions in f64.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Owned, Rng, Threads, subset};
use tercet_index::{
    Bitmap, Codec, Counters, DenseInput, DenseOptions, DenseReader, DenseSearch, DenseSpec, DenseStream,
    Distance, Dtype, EachVector, Effort, IndexError, MemorySections, Scored, Sections, Stored, TopK, Values,
    Work, dense_kind,
};

/// The components, of a query or a vector.
fn numbers(values: Values<'_>, dims: usize) -> Vec<f64> {
    values.to_f32().iter().take(dims).map(|&x| f64::from(x)).collect()
}

fn oracle(metric: Distance, a: &[f64], b: &[f64]) -> f64 {
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(&x, &y)| f(x, y)).sum::<f64>();
    match metric {
        Distance::Dot => sum(&|x, y| x * y),
        Distance::L2 => -sum(&|x, y| (x - y) * (x - y)),
        Distance::Cosine => sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt().max(1e-300),
        Distance::Hamming => -sum(&|x, y| (x - y).abs()),
        Distance::Jaccard => match sum(&f64::max) {
            0.0 => 1.0,
            either => sum(&f64::min) / either,
        },
    }
}

fn combinations() -> Vec<(Dtype, Distance)> {
    use Distance::{Cosine, Dot, Hamming, Jaccard, L2};
    let on_numbers = [Dtype::F32, Dtype::F16, Dtype::I8, Dtype::U8];
    let mut all: Vec<_> =
        on_numbers.iter().flat_map(|&dtype| [Dot, L2, Cosine].map(|metric| (dtype, metric))).collect();
    all.extend([(Dtype::Bits, Hamming), (Dtype::Bits, Jaccard)]);
    all
}

struct Case {
    spec: DenseSpec,
    rows: u32,
    present: Option<Vec<u32>>,
    owned: Owned,
    sections: Sections,
    reader: Box<dyn DenseReader>,
}

impl DenseStream for Case {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        self.vectors().try_for_each(|(row, vector)| each(row, vector))
    }
}

impl Case {
    fn new(rng: &mut Rng, spec: DenseSpec, rows: u32, share: f64) -> Case {
        let present = (share < 1.0).then(|| subset(rng, rows, share).iter().collect::<Vec<_>>());
        let count = present.as_ref().map_or(rows as usize, Vec::len);
        let owned = Owned::random(rng, spec.dtype, spec.dims, count);
        let input = DenseInput { queries: None, rows, present: present.as_deref(), values: owned.values() };
        let kind = dense_kind("flat").unwrap();
        let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
        let reader = (kind.open)(&spec, rows, &MemorySections::new(&sections)).unwrap();
        reader.verify().unwrap();
        Case { spec, rows, present, owned, sections, reader }
    }

    fn vectors(&self) -> impl Iterator<Item = (u32, Values<'_>)> {
        let elements = self.spec.dtype.elements(self.spec.dims);
        let count = self.owned.values().len() / elements;
        (0..count).map(move |slot| {
            let row = self.present.as_ref().map_or(slot as u32, |rows| rows[slot]);
            (row, self.owned.values().at(slot, elements).unwrap())
        })
    }

    /// A query of the index's own type, one of f32 with the same numbers, and one of fractions.
    fn queries(&self, rng: &mut Rng) -> Vec<Owned> {
        let own = Owned::random(rng, self.spec.dtype, self.spec.dims, 1);
        let mut same = own.values().to_f32();
        same.truncate(self.spec.dims);
        let fractions = (0..self.spec.dims).map(|_| rng.component() * 3.0).collect();
        vec![own, Owned::F32(same), Owned::F32(fractions)]
    }

    fn search(&self, search: &DenseSearch<'_>, mut top: TopK) -> Vec<Scored> {
        let mut counters = Counters::default();
        self.reader.search(search, &mut top, &mut counters).unwrap();
        assert!(counters.vectors_scored <= 2 * self.reader.len() as u64);
        top.into_sorted()
    }

    /// All allowed rows by the reader's own score of each, sorted.
    fn sorted(&self, query: Values<'_>, allowed: Option<&Bitmap>) -> Vec<Scored> {
        let mut all: Vec<Scored> = self
            .vectors()
            .filter(|(row, _)| allowed.is_none_or(|allowed| allowed.contains(*row)))
            .map(|(row, _)| Scored { row, score: self.reader.score(query, row).unwrap().unwrap() })
            .collect();
        let (rows, mut scores): (Vec<u32>, _) = (all.iter().map(|hit| hit.row).collect(), vec![1.0]);
        self.reader.scores(query, &rows, &mut scores).unwrap();
        assert!(scores.iter().eq(all.iter().map(|hit| &hit.score)));
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
        all
    }
}

fn spec(dtype: Dtype, metric: Distance, dims: usize) -> DenseSpec {
    DenseSpec { dims, metric, dtype, options: DenseOptions::default() }
}

/// Where sums of integers of this type are exact.
fn whole(dtype: Dtype, query: Values<'_>) -> bool {
    matches!(dtype, Dtype::I8 | Dtype::U8 | Dtype::Bits) && query.to_f32().iter().all(|x| x.fract() == 0.0)
}

#[test]
fn scores_are_those_of_the_definition() {
    let mut rng = Rng(1);
    for (dtype, metric) in combinations() {
        for (rows, dims) in [(1, 1), (70, 5), (130, 64), (90, 100), (40, 384)] {
            for share in [1.0, 0.5] {
                let case = Case::new(&mut rng, spec(dtype, metric, dims), rows, share);
                for query in case.queries(&mut rng) {
                    let query = query.values();
                    let mut wanted = numbers(query, dims);
                    if dtype == Dtype::Bits {
                        wanted.iter_mut().for_each(|x| *x = f64::from(*x > 0.0));
                    }
                    for (row, vector) in case.vectors() {
                        let score = f64::from(case.reader.score(query, row).unwrap().unwrap());
                        let true_score = oracle(metric, &wanted, &numbers(vector, dims));
                        let size = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
                        let magnitude = if metric == Distance::Dot {
                            (size(&wanted) * size(&numbers(vector, dims))).sqrt()
                        } else {
                            true_score.abs().max(1.0)
                        };
                        assert!(
                            (score - true_score).abs() <= 1e-6 * magnitude,
                            "{dtype:?} {metric:?} {score} {true_score}"
                        );
                        if whole(dtype, query) && metric != Distance::Cosine {
                            assert_eq!(score, f64::from(true_score as f32), "{dtype:?} {metric:?} are exact");
                        }
                        assert_eq!(case.reader.stored(row).unwrap(), Some(Stored::Kept(vector)));
                    }
                }
            }
        }
    }
}

#[test]
fn the_largest_sums_do_not_overflow() {
    let dims = 65_535;
    for (dtype, metric) in combinations() {
        let fill = |extreme: bool| match dtype {
            Dtype::F32 => Owned::F32(vec![if extreme { 9.0 } else { -9.0 }; dims]),
            Dtype::F16 => Owned::F16(vec![if extreme { 0x4800 } else { 0xc800 }; dims]),
            Dtype::I8 => Owned::I8(vec![if extreme { 127 } else { -128 }; dims]),
            Dtype::U8 => Owned::U8(vec![if extreme { 255 } else { 0 }; dims]),
            Dtype::Bits => {
                let mut bits = vec![if extreme { 255 } else { 0 }; dims.div_ceil(8)];
                *bits.last_mut().unwrap() &= 127;
                Owned::Bits(bits)
            }
        };
        let kind = dense_kind("flat").unwrap();
        let spec = spec(dtype, metric, dims);
        for (stored, asked) in [(false, false), (false, true), (true, false), (true, true)] {
            let (stored, asked) = (fill(stored), fill(asked));
            let input = DenseInput { queries: None, rows: 1, present: None, values: stored.values() };
            let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
            let reader = (kind.open)(&spec, 1, &MemorySections::new(&sections)).unwrap();
            let score = f64::from(reader.score(asked.values(), 0).unwrap().unwrap());
            let expected = oracle(metric, &numbers(asked.values(), dims), &numbers(stored.values(), dims));
            assert!(
                (score - expected).abs() <= 1e-4 * expected.abs(),
                "{dtype:?} {metric:?} {score} {expected}"
            );
            if whole(dtype, asked.values()) && metric != Distance::Cosine {
                assert_eq!(score, f64::from(expected as f32));
            }
        }
        let above = DenseSpec { dims: dims + 1, ..spec };
        let none = Owned::random(&mut Rng(1), dtype, 1, 0);
        let empty = DenseInput { queries: None, rows: 0, present: None, values: none.values() };
        let built = (kind.build)(&above, &empty, &Work::inline());
        assert_eq!(built.is_err(), !matches!(dtype, Dtype::F32 | Dtype::F16));
    }
}

#[test]
fn a_search_is_a_sort_of_all_scores() {
    let mut rng = Rng(2);
    for (dtype, metric) in combinations() {
        for (rows, dims, share) in [(700, 7, 1.0), (700, 32, 0.3), (300, 40, 0.9), (5, 3, 0.0)] {
            let case = Case::new(&mut rng, spec(dtype, metric, dims), rows, share);
            for query in case.queries(&mut rng) {
                let query = query.values();
                let filters =
                    [0.001, 0.02, 0.3, 0.95, 1.0].map(|density| Some(subset(&mut rng, rows, density)));
                for allowed in std::iter::once(None).chain(filters) {
                    let sorted = case.sorted(query, allowed.as_ref());
                    let search = DenseSearch { allowed: allowed.as_ref(), ..DenseSearch::new(query) };
                    for k in [0, 1, 10, 1000] {
                        assert_eq!(case.search(&search, TopK::new(k)), sorted[..k.min(sorted.len())]);
                    }
                    let Some(middle) = sorted.get(sorted.len() / 2) else { continue };
                    let within: Vec<_> =
                        sorted.iter().copied().filter(|hit| hit.score >= middle.score).collect();
                    assert_eq!(case.search(&search, TopK::within(usize::MAX, middle.score)), within);
                }
            }
        }
    }
}

fn check_batch(
    case: &Case,
    queries: Values<'_>,
    count: usize,
    allowed: Option<&Bitmap>,
    k: usize,
    radius: f32,
) {
    let search = DenseSearch { allowed, ..DenseSearch::new(queries) };
    let elements = queries.len() / count;
    let singles: Vec<Vec<Scored>> = (0..count)
        .map(|at| {
            let search = DenseSearch { query: queries.at(at, elements).unwrap(), ..search };
            case.search(&search, TopK::within(k, radius))
        })
        .collect();
    for threads in [1, 2, 7] {
        let mut tops = vec![TopK::within(k, radius); count];
        let parallel = Threads(threads);
        let work = Work { parallel: &parallel, progress: &|_, _| true };
        let mut counters = Counters::default();
        let answered = case.reader.search_batch(queries, &search, &mut tops, &mut counters, &work).unwrap();
        assert!(answered.complete);
        let batch: Vec<_> = tops.into_iter().map(TopK::into_sorted).collect();
        for (batch, single) in batch.iter().zip(&singles) {
            let bits =
                |hits: &[Scored]| hits.iter().map(|hit| (hit.row, hit.score.to_bits())).collect::<Vec<_>>();
            assert_eq!(
                bits(batch),
                bits(single),
                "{:?} {:?} {}",
                case.spec.dtype,
                case.spec.metric,
                case.spec.dims
            );
        }
    }
}

#[test]
fn a_batch_is_its_searches_bit_for_bit() {
    let mut rng = Rng(3);
    for (dtype, metric) in combinations() {
        for (rows, dims, share) in [(900, 33, 1.0), (900, 64, 0.5), (150, 384, 1.0), (3, 2, 1.0)] {
            let case = Case::new(&mut rng, spec(dtype, metric, dims), rows, share);
            for count in [1, 9, 45] {
                let own = Owned::random(&mut rng, dtype, dims, count);
                let fractions = Owned::F32((0..dims * count).map(|_| rng.component() * 3.0).collect());
                let allowed = subset(&mut rng, rows, 0.4);
                let few = subset(&mut rng, rows, 0.01);
                for queries in [own.values(), fractions.values()] {
                    let radius = case.reader.score(queries.at(0, queries.len() / count).unwrap(), 0).unwrap();
                    for filter in [None, Some(&allowed), Some(&few)] {
                        check_batch(&case, queries, count, filter, 10, f32::NEG_INFINITY);
                        check_batch(&case, queries, count, filter, 10_000, radius.unwrap_or(0.0));
                    }
                }
            }
        }
    }
}

#[test]
fn a_batch_of_odd_vectors_is_its_searches_too() {
    let mut rng = Rng(4);
    for metric in [Distance::Dot, Distance::L2, Distance::Cosine] {
        let (rows, dims, count) = (500usize, 48, 40);
        // Duplicates, zeros, lengths of every size, a component that outweighs all others, and what is not finite.
        let odd = |rng: &mut Rng, at: usize, vector: &mut [f32]| match at % 10 {
            0 => vector.fill(0.0),
            1 => vector.fill(0.25),
            2 => vector.iter_mut().for_each(|x| *x *= 1e-18),
            3 => vector.iter_mut().for_each(|x| *x *= 1e18),
            4 => vector[at % dims] = 1e6,
            5 if at % 50 == 5 => vector[0] = f32::NAN,
            5 if at % 50 == 15 => vector[1] = f32::INFINITY,
            6 => vector.iter_mut().for_each(|x| *x = 5.0 + *x * 1e-3),
            7 => vector.iter_mut().for_each(|x| *x *= 1e-42),
            _ => vector[0] += rng.component(),
        };
        let mut values: Vec<f32> = (0..rows * dims).map(|_| rng.component()).collect();
        values.chunks_exact_mut(dims).enumerate().for_each(|(at, vector)| odd(&mut rng, at, vector));
        let mut queries: Vec<f32> = (0..count * dims).map(|_| rng.component()).collect();
        queries.chunks_exact_mut(dims).enumerate().for_each(|(at, vector)| odd(&mut rng, at, vector));
        let spec = spec(Dtype::F32, metric, dims);
        let input =
            DenseInput { queries: None, rows: rows as u32, present: None, values: Values::F32(&values) };
        let kind = dense_kind("flat").unwrap();
        let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
        let reader = (kind.open)(&spec, rows as u32, &MemorySections::new(&sections)).unwrap();
        let case =
            Case { spec, rows: rows as u32, present: None, owned: Owned::F32(values), sections, reader };
        for k in [1, 10, 400] {
            check_batch(&case, Values::F32(&queries), count, None, k, f32::NEG_INFINITY);
        }
    }
}

#[test]
fn queries_of_another_length_find_nothing() {
    let mut rng = Rng(5);
    for (dtype, metric) in combinations() {
        let case = Case::new(&mut rng, spec(dtype, metric, 40), 20, 1.0);
        for dims in [16, 64] {
            let query = Owned::random(&mut rng, dtype, dims, 12);
            let one = query.values().at(0, dtype.elements(dims)).unwrap();
            assert!(case.search(&DenseSearch::new(one), TopK::new(5)).is_empty());
            assert_eq!(case.reader.score(one, 0).unwrap(), None);
            check_batch(&case, query.values(), 12, None, 5, f32::NEG_INFINITY);
        }
        let mut tops = vec![TopK::new(1); 3];
        let query = Owned::random(&mut rng, dtype, 40, 1);
        let search = DenseSearch::new(query.values());
        let batch = case.reader.search_batch(
            query.values(),
            &search,
            &mut tops,
            &mut Counters::default(),
            &Work::inline(),
        );
        assert_eq!(
            batch.is_err(),
            !dtype.elements(40).is_multiple_of(3),
            "queries that are not of one length"
        );
        let none = case.reader.search_batch(
            query.values().at(0, 0).unwrap(),
            &search,
            &mut [],
            &mut Counters::default(),
            &Work::inline(),
        );
        assert!(none.is_ok());
    }
}

#[test]
fn a_merge_equals_building_in_one_go() {
    let mut rng = Rng(6);
    let options = [
        (Codec::Auto, true),
        (Codec::F16, true),
        (Codec::F16, false),
        (Codec::Lvq8, true),
        (Codec::Lvq8, false),
    ];
    for (dtype, metric) in combinations() {
        for (codec, keep) in options {
            for share in [1.0, 0.6, 0.0] {
                let mut spec = spec(dtype, metric, 13);
                spec.options = DenseOptions { codec, keep, ..spec.options };
                let case = Case::new(&mut rng, spec, 60, share);
                let mut merged = Sections::new();
                let kind = dense_kind("flat").unwrap();
                (kind.merge)(&case.spec, case.rows, &case, &mut merged, &Work::inline()).unwrap();
                assert_eq!(merged, case.sections);
            }
        }
    }
}

#[test]
fn vectors_rounded_to_f16_are_searched_as_they_are_kept() {
    let mut rng = Rng(7);
    for metric in [Distance::Dot, Distance::L2, Distance::Cosine] {
        let mut spec = spec(Dtype::F32, metric, 24);
        spec.options = DenseOptions { codec: Codec::F16, keep: false, ..spec.options };
        let case = Case::new(&mut rng, spec, 300, 0.8);
        assert!(!case.reader.capabilities().originals && case.reader.capabilities().exact);
        let query = Owned::random(&mut rng, Dtype::F32, 24, 1);
        for (row, vector) in case.vectors() {
            let Some(Stored::Decoded(decoded)) = case.reader.stored(row).unwrap() else {
                panic!("not rounded")
            };
            for (rounded, given) in decoded.iter().zip(vector.to_f32()) {
                assert!((rounded - given).abs() <= given.abs() / 2048.0 + 1e-7, "{rounded} {given}");
            }
        }
        let hits = case.search(&DenseSearch::new(query.values()), TopK::new(20));
        assert_eq!(hits, case.sorted(query.values(), None)[..20]);
    }
}

#[test]
fn codes_find_candidates_and_vectors_decide() {
    let mut rng = Rng(8);
    let numbers = [Distance::Dot, Distance::L2, Distance::Cosine];
    for (metric, codec, dtype) in numbers.into_iter().flat_map(|metric| {
        let lvq = |dtype| (metric, Codec::Lvq8, dtype);
        [(metric, Codec::F16, Dtype::F32), lvq(Dtype::F32), lvq(Dtype::F16)]
    }) {
        let mut spec = spec(dtype, metric, 24);
        spec.options = DenseOptions { codec, ..spec.options };
        let case = Case::new(&mut rng, spec, 1500, 0.8);
        assert!(case.reader.capabilities().originals && !case.reader.capabilities().exact);
        let (query, allowed) = (Owned::random(&mut rng, Dtype::F32, 24, 1), subset(&mut rng, 1500, 0.5));
        for filter in [None, Some(&allowed)] {
            let sorted = case.sorted(query.values(), filter);
            let search = DenseSearch { allowed: filter, ..DenseSearch::new(query.values()) };
            // Four times as many candidates as results: rounding does not lose one of the ten.
            assert_eq!(case.search(&search, TopK::new(10)), sorted[..10]);
            let (mut top, mut counters) = (TopK::new(10), Counters::default());
            let answered = case.reader.search(&search, &mut top, &mut counters).unwrap();
            assert!(!answered.exact && answered.complete);
            let exact = DenseSearch { effort: Effort::Exact, ..search };
            assert!(case.reader.search(&exact, &mut TopK::new(10), &mut counters).unwrap().exact);
            let radius = TopK::within(usize::MAX, sorted[30].score);
            assert_eq!(case.search(&search, radius).len(), 31, "a radius is exact");
            assert_eq!(
                case.search(&search, TopK::new(1000)),
                sorted[..1000.min(sorted.len())],
                "so is a large k"
            );
        }
        check_batch(&case, query.values(), 1, Some(&allowed), 10, f32::NEG_INFINITY);
    }
}

#[test]
fn codes_alone_are_near_the_vectors() {
    let mut rng = Rng(12);
    for (dtype, metric) in
        combinations().into_iter().filter(|(dtype, _)| matches!(dtype, Dtype::F32 | Dtype::F16))
    {
        let mut spec = spec(dtype, metric, 40);
        spec.options = DenseOptions { codec: Codec::Lvq8, keep: false, ..spec.options };
        let case = Case::new(&mut rng, spec, 400, 0.8);
        assert!(case.sections.iter().all(|(name, _)| name != "values" && name != "norms"));
        assert_eq!((case.reader.capabilities().originals, case.reader.capabilities().exact), (false, false));
        let query = Owned::random(&mut rng, Dtype::F32, 40, 1);
        let wanted = numbers(query.values(), 40);
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let longest = case.vectors().map(|(_, vector)| length(&numbers(vector, 40))).fold(0.0, f64::max);
        for (row, vector) in case.vectors() {
            let Some(Stored::Decoded(decoded)) = case.reader.stored(row).unwrap() else { panic!("kept") };
            let (decoded, vector) = (numbers(Values::F32(&decoded), 40), numbers(vector, 40));
            assert!(oracle(Distance::Cosine, &decoded, &vector) > 0.9995, "{dtype:?} {metric:?}");
            let score = f64::from(case.reader.score(query.values(), row).unwrap().unwrap());
            // Codes know points whose distance stands for the score: it is off by a share of the longest.
            let scale = if metric == Distance::Cosine { 1.0 } else { (length(&wanted) + longest).powi(2) };
            let true_score = oracle(metric, &wanted, &vector);
            assert!((score - true_score).abs() < 0.01 * scale, "{dtype:?} {metric:?} {score} {true_score}");
        }
        for k in [1, 10, 1000] {
            let sorted = case.sorted(query.values(), None);
            assert_eq!(
                case.search(&DenseSearch::new(query.values()), TopK::new(k)),
                sorted[..k.min(sorted.len())]
            );
        }
        check_batch(&case, query.values(), 1, None, 10, f32::NEG_INFINITY);
        // What comes back from the codes can be coded again.
        struct Stream<'a>(&'a Case);
        impl DenseStream for Stream<'_> {
            fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
                self.0
                    .vectors()
                    .try_for_each(|(row, _)| each(row, self.0.reader.stored(row)?.unwrap().values()))
            }
        }
        let mut merged = Sections::new();
        let kind = dense_kind("flat").unwrap();
        (kind.merge)(&case.spec, 400, &Stream(&case), &mut merged, &Work::inline()).unwrap();
        let again = (kind.open)(&case.spec, 400, &MemorySections::new(&merged)).unwrap();
        again.verify().unwrap();
        assert_eq!(again.len(), case.reader.len());
    }
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let mut rng = Rng(9);
    let case = Case::new(&mut rng, spec(Dtype::F32, Distance::Dot, 4), 5000, 1.0);
    let query = Owned::random(&mut rng, Dtype::F32, 4, 1);
    let full = Bitmap::full(5000);
    let half = subset(&mut rng, 5000, 0.5);
    for allowed in [None, Some(&full), Some(&half)] {
        let asked = std::sync::atomic::AtomicU32::new(0);
        let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2;
        let search = DenseSearch { allowed, stop: Some(&stop), ..DenseSearch::new(query.values()) };
        let (mut top, mut counters) = (TopK::new(5), Counters::default());
        let answered = case.reader.search(&search, &mut top, &mut counters).unwrap();
        assert!(!answered.complete && !answered.exact);
        assert_eq!((top.len(), counters.vectors_scored), (5, 512));
    }
}

#[test]
fn damaged_bytes_are_an_error_or_a_wrong_score() {
    let mut rng = Rng(10);
    let kind = dense_kind("flat").unwrap();
    let with = |codec, keep| DenseOptions { codec, keep, ..DenseOptions::default() };
    for (dtype, metric) in combinations() {
        let lvq = [with(Codec::Lvq8, true), with(Codec::Lvq8, false)];
        for options in
            lvq.into_iter().chain([with(Codec::Auto, true), with(Codec::F16, true), with(Codec::F16, false)])
        {
            let spec = DenseSpec { options, ..spec(dtype, metric, 9) };
            let case = Case::new(&mut rng, spec.clone(), 90, 0.7);
            let queries = case.queries(&mut rng);
            let allowed = subset(&mut rng, 90, 0.5);
            for round in 0..300 {
                let mut sections = case.sections.clone();
                let at = rng.below(sections.len() as u32) as usize;
                let bytes = &mut sections[at].1;
                if round % 3 == 0 {
                    bytes.truncate(rng.below(bytes.len() as u32) as usize);
                } else {
                    let place = rng.below(bytes.len() as u32) as usize;
                    bytes[place] ^= 1 << rng.below(8);
                }
                let Ok(reader) = (kind.open)(&spec, 90, &MemorySections::new(&sections)) else { continue };
                let _ = reader.verify();
                for query in &queries {
                    for filter in [None, Some(&allowed)] {
                        let search = DenseSearch { allowed: filter, ..DenseSearch::new(query.values()) };
                        let mut top = TopK::new(7);
                        if reader.search(&search, &mut top, &mut Counters::default()).is_ok() {
                            assert!(top.into_sorted().iter().all(|hit| hit.row < 90));
                        }
                        let mut tops = vec![TopK::new(7)];
                        let _ = reader.search_batch(
                            query.values(),
                            &search,
                            &mut tops,
                            &mut Counters::default(),
                            &Work::inline(),
                        );
                    }
                    for row in [0, 50, 89, 90, u32::MAX] {
                        let _ = (reader.score(query.values(), row), reader.stored(row));
                    }
                }
            }
        }
    }
}

#[test]
fn verify_finds_what_does_not_fit_the_vectors() {
    let kind = dense_kind("flat").unwrap();
    for (dtype, metric) in combinations() {
        let case = Case::new(&mut Rng(11), spec(dtype, metric, 9), 20, 1.0);
        for (at, (name, _)) in
            case.sections.iter().enumerate().filter(|(_, (name, _))| name == "norms" || name == "terms")
        {
            let mut sections = case.sections.clone();
            sections[at].1[5] ^= 1;
            let reader = (kind.open)(&case.spec, 20, &MemorySections::new(&sections)).unwrap();
            assert!(matches!(reader.verify(), Err(IndexError::Corrupt { section, .. }) if section == *name));
        }
    }
}

#[test]
fn types_and_metrics_that_do_not_fit_are_refused() {
    let kind = dense_kind("flat").unwrap();
    let build = |dtype, metric, values| {
        let input = DenseInput { queries: None, rows: 1, present: None, values };
        (kind.build)(&spec(dtype, metric, 4), &input, &Work::inline())
    };
    let unsupported =
        |built: Result<Sections, IndexError>| matches!(built, Err(IndexError::Unsupported { .. }));
    assert!(unsupported(build(Dtype::Bits, Distance::L2, Values::Bits(&[1]))));
    assert!(unsupported(build(Dtype::U8, Distance::Hamming, Values::U8(&[1; 4]))));
    assert!(unsupported(build(Dtype::U8, Distance::Dot, Values::I8(&[1; 4]))));
    assert!(matches!(
        build(Dtype::Bits, Distance::Hamming, Values::Bits(&[16])),
        Err(IndexError::Shape { .. })
    ));
    let mut rounded = spec(Dtype::F32, Distance::Dot, 2);
    rounded.options.codec = Codec::F16;
    let huge = DenseInput { queries: None, rows: 1, present: None, values: Values::F32(&[1.0, 65_520.0]) };
    assert!(matches!((kind.build)(&rounded, &huge, &Work::inline()), Err(IndexError::TooLarge { .. })));
    let sections = build(Dtype::U8, Distance::Dot, Values::U8(&[1; 4])).unwrap();
    let other = (kind.open)(&spec(Dtype::I8, Distance::Dot, 4), 1, &MemorySections::new(&sections)).err();
    assert!(matches!(other, Some(IndexError::Corrupt { .. })));
}
