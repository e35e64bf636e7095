//! Codes that are all that is kept: what is scored, given back, and carried through merges.

use crate::common::{Owned, Rng};
use crate::index::{Index, at_random, clusters, floats, kind};
use crate::laws;
use crate::merge::{Merge, Source, without};
use tercet_index::{
    Bitmap, Codec, DenseSearch, DenseSource, DenseSpec, DenseStream, Distance, EachVector, Effort,
    IndexError, Path, Reduce, Rerank, Sections, TopK, Values, Work,
};

const DIMS: usize = 24;

fn spec(metric: Distance, codec: Codec) -> DenseSpec {
    let mut spec = floats(DIMS, metric);
    (spec.options.codec, spec.options.keep, spec.options.ivf.rerank) = (codec, false, Rerank::None);
    spec
}

const CODES: [Codec; 7] = [
    Codec::Auto,
    Codec::Pq { m: 24, bits: 4 },
    Codec::Pq { m: 12, bits: 8 },
    Codec::Lvq8,
    Codec::Lvq4x8,
    Codec::RaBitQ { bits: 4 },
    Codec::RaBitQ { bits: 8 },
];

#[test]
fn nothing_but_codes_is_kept_and_scores_are_theirs() {
    for metric in [Distance::Cosine, Distance::Dot, Distance::L2] {
        for (at, codec) in CODES.into_iter().enumerate() {
            let mut rng = Rng(50);
            let mut values = clusters(&mut rng, 1_540, DIMS, 12);
            let queries = Owned::F32(values.split_off(1_500 * DIMS));
            let build = if at % 2 == 0 { Index::sparse } else { Index::dense };
            let index = build(&spec(metric, codec), Owned::F32(values));
            for gone in ["values", "codes", "norms", "points", "meta"] {
                assert!(index.section(gone).is_none(), "{codec:?} {gone}");
            }
            assert!(!index.reader.capabilities().exact && !index.reader.capabilities().originals);
            let (found, wanted) = laws::found_by_codes(&index, &queries, 128);
            // Six parts of 4 bits are a byte for eight components.
            let least = if codec == Codec::Auto { 55 } else { 75 };
            assert!(found * 100 >= wanted * least, "{metric:?} {codec:?}: {found} of {wanted}");
            let half = at_random(&index, 0.5);
            let few = at_random(&index, 0.02);
            for query in index.each_query(&queries).take(10) {
                for (effort, allowed) in [
                    (Effort::Ef(64), None),
                    (Effort::Ef(64), Some(&half)),
                    (Effort::Ef(64), Some(&few)),
                    (Effort::Exact, None),
                    (Effort::Exact, Some(&half)),
                ] {
                    let search = DenseSearch { effort, allowed, ..DenseSearch::new(query) };
                    let (hits, answered, _) = index.find(&search, TopK::new(10));
                    assert!(hits.len() == 10 && !answered.exact && answered.complete);
                    let rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
                    let mut scores = Vec::new();
                    index.reader.scores(query, &rows, &mut scores).unwrap();
                    for (hit, score) in hits.iter().zip(scores) {
                        let one = index.reader.score(query, hit.row).unwrap().unwrap();
                        assert_eq!([one.to_bits(), score.to_bits()], [hit.score.to_bits(); 2], "{codec:?}");
                        assert!(allowed.is_none_or(|allowed| allowed.contains(hit.row)));
                    }
                }
            }
        }
    }
}

/// A score is that of the vector which is given back, but for what its codes lose.
#[test]
fn vectors_come_back_as_codes_say() {
    for (metric, reduce) in [
        (Distance::Cosine, Reduce::None),
        (Distance::L2, Reduce::Pca(20)),
        (Distance::Dot, Reduce::Random(DIMS as u32 + 1)),
        (Distance::Cosine, Reduce::Prefix(18)),
    ] {
        for codec in [Codec::Pq { m: 16, bits: 8 }, Codec::RaBitQ { bits: 8 }, Codec::Lvq8] {
            let mut rng = Rng(51);
            let values = clusters(&mut rng, 1_200, DIMS, 12);
            let mut spec = spec(metric, codec);
            spec.options.reduce = reduce;
            let index = Index::sparse(&spec, Owned::F32(values.clone()));
            let (mut lost, mut all) = (0.0f64, 0.0f64);
            for (slot, vector) in values.chunks_exact(DIMS).enumerate() {
                let back = index.reader.vector(index.slots[slot]).unwrap().unwrap();
                let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
                // The cosine keeps directions.
                let factor = if metric == Distance::Cosine { 1.0 / length } else { 1.0 };
                lost += back.iter().zip(vector).map(|(b, x)| f64::from(b - x * factor).powi(2)).sum::<f64>();
                all += f64::from(length * factor).powi(2);
            }
            // A prefix says nothing of the rest.
            let most = if matches!(reduce, Reduce::Prefix(_)) { 0.2 } else { 0.06 };
            assert!(lost / all < most, "{metric:?} {codec:?} {reduce:?}: {}", lost / all);
            assert!(index.slots.binary_search(&0).is_ok() || index.reader.vector(0).unwrap().is_none());
            assert!(index.reader.vector(index.rows).unwrap().is_none());
        }
    }
}

#[test]
fn every_way_of_a_search() {
    let (index, queries) = laws::clustered(&spec(Distance::L2, Codec::Pq { m: 12, bits: 4 }), 2_000);
    laws::batches_are_single_searches(&index, &queries);
    laws::queries_of_another_length_find_nothing(&index);
    let query = queries.values().at(0, DIMS).unwrap();
    let whole = DenseSearch { effort: Effort::Exact, ..DenseSearch::new(query) };
    let (all, answered, _) = index.find(&whole, TopK::new(5_000));
    assert_eq!((all.len(), answered.path), (2_000, Path::Scan));
    let radius = (all[6].score + all[7].score) / 2.0;
    let (within, _, _) = index.find(&DenseSearch::new(query), TopK::within(500, radius));
    assert_eq!(within, all[..7]);
    let stop = || true;
    let (_, answered, _) = index.find(&DenseSearch { stop: Some(&stop), ..whole }, TopK::new(5_000));
    assert!(!answered.complete);
    // Few vectors have no lists; 8-bit codes stand for them until a merge makes some.
    let (few, queries) = laws::clustered(&spec(Distance::Cosine, Codec::Auto), 300);
    assert!(few.section("ivf").is_none() && few.section("codes").is_some());
    let (found, wanted) = laws::found_by_codes(&few, &queries, 64);
    assert!(found * 100 >= wanted * 95);
}

/// A merge as it is where vectors come from codes.
struct Decoded<'a>(Merge<'a>);

impl DenseStream for Decoded<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        for source in self.0.sources() {
            for (old, new) in source.kept {
                if let Some(vector) = source.reader.vector(old)? {
                    each(new, Values::F32(&vector))?;
                }
            }
        }
        Ok(())
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        self.0.sources()
    }
}

#[test]
fn codes_go_through_merges_as_they_are() {
    for codec in [Codec::Auto, Codec::Pq { m: 12, bits: 8 }, Codec::Lvq4x8, Codec::RaBitQ { bits: 3 }] {
        let mut source = Source::new(DIMS, 52);
        let spec = spec(Distance::L2, codec);
        let mut index = Index::sparse(&spec, source.vectors(1_400));
        let queries = source.vectors(40);
        let before = |index: &Index, row| index.reader.vector(row).unwrap().map(|vector| vector.into_owned());
        for round in 0..4 {
            // Once lists of their own, else codes that stand for few vectors.
            let new = Index::dense(&spec, source.vectors(if round == 0 { 1_100 } else { 150 }));
            let live = without(&index, |row| row % 6 == round);
            let merge =
                Decoded(Merge { parts: vec![(&index, live.clone()), (&new, Bitmap::full(new.rows))] });
            let (rows, mut sections) = (live.count() + new.rows, Sections::new());
            (kind().merge)(&spec, rows, &merge, &mut sections, &Work::inline()).unwrap();
            let places: Vec<u32> = live.iter().collect();
            let old = |row: &u32| places.binary_search(row).ok().map(|place| place as u32);
            let kept: Vec<(usize, u32)> =
                index.slots.iter().enumerate().filter_map(|(slot, row)| Some((slot, old(row)?))).collect();
            let mut values: Vec<f32> =
                kept.iter().flat_map(|(slot, _)| index.vector(*slot).to_f32()).collect();
            values.extend(new.values.values().to_f32());
            let slots = kept.iter().map(|(_, row)| *row);
            let slots: Vec<u32> = slots.chain((0..new.rows).map(|row| live.count() + row)).collect();
            let merged = Index::open(&spec, rows, slots, Owned::F32(values), sections);
            assert!(merged.section("values").is_none() && merged.section("codes").is_none());
            for (slot, row) in &kept {
                let (was, is) = (before(&index, index.slots[*slot]), before(&merged, *row));
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
                let same = was.iter().flatten().zip(is.iter().flatten()).all(near);
                assert!(same, "{codec:?} round {round}, row {row}: decoded and coded again");
            }
            index = merged;
        }
        let fresh = Index::dense(&spec, index.values.clone());
        let (found, wanted) = laws::found_by_codes(&index, &queries, 128);
        let (of_fresh, _) = laws::found_by_codes(&fresh, &queries, 128);
        assert!(found + wanted / 10 >= of_fresh, "{codec:?}: {found}, fresh {of_fresh} of {wanted}");
    }
}

/// One vector a hundred times longer than all others, coded as a difference from a centroid that is not its own or as it is:
/// scores and searches have its whole length, before and after it goes through a merge.
#[test]
fn long_vectors_keep_their_length() {
    for (metric, codec, residual) in [
        (Distance::Dot, Codec::RaBitQ { bits: 4 }, false),
        (Distance::Dot, Codec::RaBitQ { bits: 8 }, false),
        (Distance::Dot, Codec::Binary, false),
        (Distance::Dot, Codec::RaBitQ { bits: 4 }, true),
        (Distance::L2, Codec::RaBitQ { bits: 4 }, false),
        (Distance::L2, Codec::Pq { m: 12, bits: 4 }, true),
        (Distance::L2, Codec::Pq { m: 12, bits: 8 }, true),
    ] {
        let mut rng = Rng(54);
        let mut vector = |length: f32| {
            let mut vector: Vec<f32> = (0..DIMS).map(|_| rng.component()).collect();
            let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|x| *x *= length / norm);
            vector
        };
        let mut values: Vec<f32> = (0..5_000).flat_map(|_| vector(1.0)).collect();
        let long = vector(100.0);
        values[1_234 * DIMS..1_235 * DIMS].copy_from_slice(&long);
        let mut spec = spec(metric, codec);
        (spec.options.ivf.residual, spec.options.ivf.lists) = (Some(residual), 16);
        let index = Index::dense(&spec, Owned::F32(values));
        let rest = Index::dense(&spec, Owned::F32((0..1_200).flat_map(|_| vector(1.0)).collect()));
        let merge = Decoded(Merge {
            parts: vec![(&index, without(&index, |row| row == 7)), (&rest, Bitmap::full(rest.rows))],
        });
        let (rows, mut sections) = (6_199, Sections::new());
        (kind().merge)(&spec, rows, &merge, &mut sections, &Work::inline()).unwrap();
        let merged = Index::open(
            &spec,
            rows,
            (0..rows).collect(),
            Owned::F32(vec![0.0; rows as usize * DIMS]),
            sections,
        );
        let direction: Vec<f32> = long.iter().map(|x| x / 100.0).collect();
        for (index, row) in [(&index, 1_234), (&merged, 1_233)] {
            index.reader.verify().unwrap();
            // L2: a query near it, so that its distance is seen.
            let at = if metric == Distance::Dot { &direction } else { &long };
            let query = Values::F32(at);
            for effort in [Effort::Exact, Effort::Usual, Effort::Ef(64)] {
                let (hits, _, _) =
                    index.find(&DenseSearch { effort, ..DenseSearch::new(query) }, TopK::new(3));
                assert_eq!(hits[0].row, row, "{metric:?} {codec:?} {residual} {effort:?}");
            }
            let score = index.reader.score(query, row).unwrap().unwrap();
            let origin = index.reader.score(Values::F32(&[0.0; DIMS]), row).unwrap().unwrap();
            match metric {
                // One bit of 25 components says that it is long, not how long.
                Distance::Dot if codec == Codec::Binary => assert!(score > 50.0, "{score}"),
                Distance::Dot => assert!((90.0..110.0).contains(&score), "{codec:?} {residual}: {score}"),
                _ => assert!((-10_500.0..-9_500.0).contains(&origin), "{codec:?} {residual}: {origin}"),
            }
        }
    }
}
