//! Searches against the naive order, merges, and bytes that are not what they should be.

use crate::kit::{Random, maxsim};
use tercet_index::multi::{
    EachDocument, FdeParams, MultiInput, MultiQuery, MultiReader, MultiSearch, MultiSource, MultiSpec,
    MultiStream, Projection, QueryTokens, TokenCodec, build_multi, merge_multi,
};
use tercet_index::{
    Bitmap, Counters, DenseSpec, Effort, IndexError, MemorySections, Metric, Scored, Sections, TopK, Work,
    dense_kind,
};

const DIMS: usize = 12;
const CODECS: [TokenCodec; 3] = [TokenCodec::F32, TokenCodec::F16, TokenCodec::I8];

/// Documents of 1 to 9 tokens; their rows, where some rows have none.
struct Set {
    rows: u32,
    present: Vec<u32>,
    documents: Vec<Vec<f32>>,
    units: Vec<Vec<u32>>,
}

impl Set {
    fn new(seed: u64, rows: u32, sparse: bool) -> Self {
        let mut random = Random(seed);
        let present: Vec<u32> = (0..rows).filter(|row| !sparse || row % 3 != 1).collect();
        let counts: Vec<usize> = present.iter().map(|_| 1 + random.below(9)).collect();
        let documents = counts.iter().map(|count| random.tokens(*count, DIMS)).collect();
        let units = counts.iter().map(|count| (0..*count as u32).map(|at| at / 3).collect()).collect();
        Set { rows, present, documents, units }
    }

    fn build(&self, spec: &MultiSpec) -> Sections {
        let mut end = 0;
        let ends: Vec<u64> = self
            .documents
            .iter()
            .map(|d| {
                end += (d.len() / DIMS) as u64;
                end
            })
            .collect();
        let (tokens, units) = (self.documents.concat(), self.units.concat());
        let present = (self.present.len() < self.rows as usize).then_some(&self.present[..]);
        let input = MultiInput {
            rows: self.rows,
            present,
            ends: &ends,
            tokens: &tokens,
            units: Some(&units),
            plain: false,
        };
        build_multi(spec, &input, &Work::inline()).unwrap()
    }

    fn open(&self, spec: &MultiSpec) -> MultiReader {
        MultiReader::open(spec, self.rows, &MemorySections::new(&self.build(spec))).unwrap()
    }
}

fn with_fde(codec: TokenCodec, kind: &str) -> MultiSpec {
    let params = FdeParams {
        dims: DIMS,
        repetitions: 8,
        bits: 3,
        projection: Projection::Dense(4),
        fold: None,
        seed: 1,
    };
    let dense = DenseSpec::new(params.len(), Metric::Dot);
    MultiSpec::new(DIMS, codec).with_fde(params, dense_kind(kind).unwrap(), dense).unwrap()
}

fn search(
    reader: &MultiReader,
    query: &MultiQuery,
    k: usize,
    effort: Effort,
    allowed: Option<&Bitmap>,
) -> Vec<Scored> {
    let mut top = TopK::new(k);
    let search = MultiSearch { allowed, ..MultiSearch::new(effort) };
    let answered = reader.search(query, &search, &mut top, &mut Counters::default()).unwrap();
    assert!(answered.complete && (answered.exact || effort != Effort::Exact));
    top.into_sorted()
}

#[test]
fn a_scan_gives_the_order_of_the_definition() {
    for (codec, sparse) in CODECS.into_iter().flat_map(|codec| [(codec, false), (codec, true)]) {
        let set = Set::new(3, 60, sparse);
        let spec = MultiSpec::new(DIMS, codec);
        let reader = set.open(&spec);
        reader.verify().unwrap();
        assert_eq!((reader.len(), reader.has_units()), (set.documents.len(), true));
        let tokens = Random(8).tokens(5, DIMS);
        let weights = [1.0, 0.0, 2.0, 0.5, 1.0];
        for (weights, mean) in [(None, false), (Some(&weights[..]), false), (Some(&weights[..]), true)] {
            let query =
                MultiQuery::new(&spec, QueryTokens { weights, mean, ..QueryTokens::new(&tokens) }).unwrap();
            // By what is kept: codes are what is compared.
            let truth = |row: u32| {
                let kept = reader.stored(row).unwrap()?;
                let each = tokens.chunks(DIMS).enumerate();
                let sum: f64 = each
                    .map(|(at, token)| maxsim(token, &kept, DIMS) * f64::from(weights.map_or(1.0, |w| w[at])))
                    .sum();
                let all: f64 = weights.map_or(5.0, |w| w.iter().map(|w| f64::from(*w)).sum());
                Some(if mean { sum / all } else { sum })
            };
            let found = search(&reader, &query, 60, Effort::Exact, None);
            assert_eq!(found.len(), set.documents.len());
            // A query's codes round it by half a step in 127.
            let near = if codec == TokenCodec::I8 { 0.1 } else { 1e-5 };
            for (place, hit) in found.iter().enumerate() {
                assert!(
                    (f64::from(hit.score) - truth(hit.row).unwrap()).abs() < near,
                    "{codec:?} row {}",
                    hit.row
                );
                assert_eq!(reader.score(&query, hit.row).unwrap(), Some(hit.score), "alone and in a scan");
                let ordered = place == 0
                    || found[place - 1].score > hit.score
                    || (found[place - 1].score == hit.score && found[place - 1].row < hit.row);
                assert!(ordered, "ties go to the lower row");
            }
            assert_eq!(reader.score(&query, if sparse { 1 } else { 60 }).unwrap(), None);
        }
    }
}

#[test]
fn codes_are_near_what_was_given() {
    let set = Set::new(5, 40, false);
    for (codec, near) in [(TokenCodec::F32, 1e-6), (TokenCodec::F16, 1e-3), (TokenCodec::I8, 5e-3)] {
        let reader = set.open(&MultiSpec::new(DIMS, codec));
        for (row, document) in set.documents.iter().enumerate() {
            let kept = reader.stored(row as u32).unwrap().unwrap();
            assert!(kept.iter().zip(document).all(|(a, b)| (a - b).abs() < near), "{codec:?}");
        }
    }
}

#[test]
fn filters_and_candidates_keep_scores() {
    for (codec, kind) in [(TokenCodec::I8, "flat"), (TokenCodec::F16, "hnsw"), (TokenCodec::F32, "ivf")] {
        let set = Set::new(7, 400, true);
        let spec = with_fde(codec, kind);
        let reader = set.open(&spec);
        reader.verify().unwrap();
        let mut allowed = Bitmap::new(400);
        (0..400).filter(|row| row % 2 == 0).for_each(|row| {
            allowed.set(row);
        });
        let (mut right, mut all) = (0, 0);
        for seed in 0..20 {
            let tokens = Random(100 + seed).tokens(4, DIMS);
            let query = MultiQuery::new(&spec, QueryTokens::new(&tokens)).unwrap();
            let exact = search(&reader, &query, 10, Effort::Exact, Some(&allowed));
            assert!(exact.iter().all(|hit| hit.row % 2 == 0 && hit.row % 3 != 1));
            assert_eq!(
                search(&reader, &query, 10, Effort::Ef(400), Some(&allowed)),
                exact,
                "all are candidates"
            );
            for hit in search(&reader, &query, 10, Effort::Ef(60), Some(&allowed)) {
                assert_eq!(reader.score(&query, hit.row).unwrap(), Some(hit.score));
                right += usize::from(exact.contains(&hit));
            }
            all += 10;
        }
        assert!(right * 100 >= all * 65, "{right} of {all} found among 60 candidates of 134");
    }
}

#[test]
fn alignment_and_units_say_where_a_score_comes_from() {
    for codec in CODECS {
        let set = Set::new(9, 30, false);
        let spec = MultiSpec::new(DIMS, codec);
        let reader = set.open(&spec);
        let tokens = Random(4).tokens(3, DIMS);
        let query = MultiQuery::new(&spec, QueryTokens::new(&tokens)).unwrap();
        for row in 0..30 {
            let aligned = reader.align(&query, row).unwrap();
            let sum = aligned.iter().fold(0.0, |sum, one| sum + one.score);
            assert_eq!(Some(sum), reader.score(&query, row).unwrap());
            let kept = reader.stored(row).unwrap().unwrap();
            for (at, one) in aligned.iter().enumerate() {
                let of = &kept[one.token as usize * DIMS..][..DIMS];
                let truth = maxsim(&tokens[at * DIMS..(at + 1) * DIMS], of, DIMS);
                assert!(one.query == at as u32 && (truth - f64::from(one.score)).abs() < 0.04);
            }
            let (unit, score) = reader.best_unit(&query, row).unwrap().unwrap();
            let units = &set.units[row as usize];
            let of = |unit: u32| {
                let tokens = units.iter().zip(kept.chunks(DIMS)).filter(|(of, _)| **of == unit);
                tokens.flat_map(|(_, token)| token.to_vec()).collect::<Vec<f32>>()
            };
            let best = (0..=*units.last().unwrap())
                .map(|unit| maxsim(&tokens, &of(unit), DIMS))
                .fold(f64::MIN, f64::max);
            assert!(
                (best - f64::from(score)).abs() < 0.1
                    && (maxsim(&tokens, &of(unit), DIMS) - best).abs() < 0.1
            );
            assert_eq!(reader.unit(row, 0).unwrap(), Some(0));
        }
    }
}

/// Rows of several segments one after the other, some dropped.
struct Joined<'a>(Vec<(&'a MultiReader, Vec<(u32, u32)>)>);

impl MultiStream for Joined<'_> {
    fn for_each(&self, each: &mut EachDocument<'_>) -> Result<(), IndexError> {
        self.0
            .iter()
            .try_for_each(|(reader, kept)| kept.iter().try_for_each(|(old, new)| each(*new, reader, *old)))
    }

    fn sources(&self) -> Vec<MultiSource<'_>> {
        self.0
            .iter()
            .map(|(reader, kept)| MultiSource { reader, kept: Box::new(kept.iter().copied()) })
            .collect()
    }
}

#[test]
fn a_merge_is_what_would_have_been_built() {
    for spec in [
        MultiSpec::new(DIMS, TokenCodec::F16),
        with_fde(TokenCodec::I8, "flat"),
        with_fde(TokenCodec::F32, "flat"),
    ] {
        let (a, b) = (Set::new(1, 20, true), Set::new(2, 15, false));
        let readers = [a.open(&spec), b.open(&spec)];
        let (mut present, mut documents, mut units) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = [Vec::new(), Vec::new()];
        for (at, (set, first)) in [(&a, 0), (&b, 20)].into_iter().enumerate() {
            for (slot, row) in set.present.iter().enumerate().filter(|(_, row)| *row % 5 != 0) {
                kept[at].push((*row, first + row));
                present.push(first + row);
                documents.push(set.documents[slot].clone());
                units.push(set.units[slot].clone());
            }
        }
        let whole = Set { rows: 35, present, documents, units };
        let stream = Joined(readers.iter().zip(kept).collect());
        let mut merged = Sections::new();
        merge_multi(&spec, 35, &stream, &mut merged, &Work::inline()).unwrap();
        let sorted = |mut sections: Sections| {
            sections.sort();
            sections
        };
        assert_eq!(sorted(merged), sorted(whole.build(&spec)));
    }
}

#[test]
fn carving_groups_alike_whatever_the_weights_and_the_mean() {
    let (set, spec) = (Set::new(3, 60, false), MultiSpec::new(DIMS, TokenCodec::F32));
    let reader = set.open(&spec);
    let mut tokens = Random(8).tokens(4, DIMS);
    tokens.extend_from_within(..2 * DIMS);
    let scores = |weights: Option<&[f32]>, mean| {
        let given = QueryTokens { weights, mean, carve: Some(0.95), ..QueryTokens::new(&tokens) };
        let query = MultiQuery::new(&spec, given).unwrap();
        assert_eq!(query.len(), 4, "{weights:?} {mean}");
        (0..60).map(|row| reader.score(&query, row).unwrap().unwrap()).collect::<Vec<f32>>()
    };
    let (quarters, fours) = ([0.25; 6], [4.0; 6]);
    let plain = scores(None, false);
    let uncarved = MultiQuery::new(&spec, QueryTokens::new(&tokens)).unwrap();
    for (weights, mean, by) in [
        (None, true, 1.0 / 6.0),
        (Some(&quarters[..]), false, 0.25),
        (Some(&fours[..]), false, 4.0),
        (Some(&fours[..]), true, 1.0 / 6.0),
    ] {
        let near = |(a, b): (&f32, &f32)| (a - b * by).abs() < 1e-5;
        assert!(scores(weights, mean).iter().zip(&plain).all(near), "{weights:?} {mean}");
    }
    // Groups of equal tokens cost nothing.
    let whole = (0..60).map(|row| reader.score(&uncarved, row).unwrap().unwrap());
    assert!(whole.zip(&plain).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn pooling_and_prefixes_keep_less() {
    let set = Set::new(6, 50, false);
    let usual = MultiSpec::new(DIMS, TokenCodec::F32);
    let pooled = set.open(&MultiSpec { pool: 2, ..usual.clone() });
    let tokens = |reader: &MultiReader| reader.tokens() as usize;
    let plain = set.open(&usual);
    assert!(tokens(&pooled) < tokens(&plain) * 7 / 10, "{} of {}", tokens(&pooled), tokens(&plain));
    let short = set.open(&MultiSpec { keep: 5, ..usual });
    for (row, document) in set.documents.iter().enumerate() {
        let kept = short.stored(row as u32).unwrap().unwrap();
        let length = document[..5].iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((kept[0] - document[0] / length).abs() < 1e-6);
        assert_eq!(kept.len(), document.len() / DIMS * 5);
    }
}

#[test]
fn bad_input_is_named() {
    let spec = MultiSpec::new(2, TokenCodec::F32);
    let build = |ends: &[u64], tokens: &[f32]| {
        let input =
            MultiInput { rows: ends.len() as u32, present: None, ends, tokens, units: None, plain: false };
        build_multi(&spec, &input, &Work::inline())
    };
    build(&[1], &[1.0, 0.0]).unwrap();
    for (ends, tokens) in [
        (&[0u64][..], &[][..]),
        (&[1], &[1.0]),
        (&[2, 1], &[1.0; 4]),
        (&[1], &[0.0, 0.0]),
        (&[1], &[f32::NAN, 1.0]),
    ] {
        assert!(matches!(build(ends, tokens), Err(IndexError::Shape { .. })), "{ends:?} {tokens:?}");
    }
    assert!(build(&[65_537], &[1.0; 131_074]).is_err());
    assert!(MultiQuery::new(&spec, QueryTokens::new(&[1.0])).is_err());
    assert!(MultiQuery::new(&spec, QueryTokens::new(&[0.0, 0.0])).is_err());
    assert!(
        MultiQuery::new(&spec, QueryTokens { weights: Some(&[]), ..QueryTokens::new(&[1.0, 0.0]) }).is_err()
    );
    let query = MultiQuery::new(&spec, QueryTokens::new(&[])).unwrap();
    let set = Set::new(1, 3, false);
    assert!(
        search(&set.open(&MultiSpec::new(DIMS, TokenCodec::F32)), &query, 2, Effort::Exact, None).is_empty()
    );
}

#[test]
fn hostile_bytes_are_errors_or_wrong_scores() {
    for kind in ["flat", "ivf"] {
        hostile(&with_fde(TokenCodec::I8, kind), &Set::new(2, 40, true));
    }
}

fn hostile(spec: &MultiSpec, set: &Set) {
    let good = set.build(spec);
    let tokens = Random(1).tokens(3, DIMS);
    let query = MultiQuery::new(spec, QueryTokens::new(&tokens)).unwrap();
    let mut random = Random(77);
    let mut refused = 0;
    for round in 0..600 {
        let mut bad = good.clone();
        let at = random.below(bad.len());
        let bytes = &mut bad[at].1;
        match round % 3 {
            0 => bytes.truncate(random.below(bytes.len())),
            _ => {
                for _ in 0..1 + random.below(4) {
                    let place = random.below(bytes.len());
                    bytes[place] = random.word() as u8;
                }
            }
        }
        let Ok(reader) = MultiReader::open(spec, 40, &MemorySections::new(&bad)) else {
            refused += 1;
            continue;
        };
        let _ = reader.verify();
        for effort in [Effort::Exact, Effort::Ef(5)] {
            let mut top = TopK::new(10);
            let _ = reader.search(&query, &MultiSearch::new(effort), &mut top, &mut Counters::default());
            assert!(top.into_sorted().iter().all(|hit| hit.row < 40));
        }
        for row in [0, 1, 39, 40, u32::MAX] {
            let _ = (reader.align(&query, row), reader.best_unit(&query, row), reader.stored(row));
        }
    }
    assert!(refused > 100);
}
