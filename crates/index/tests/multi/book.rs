//! Residual codes and candidates by centroids: against the order of what is kept, through merges, over damaged bytes.

use crate::kit::{Random, maxsim};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tercet_index::multi::{
    Candidates, EachDocument, MultiInput, MultiQuery, MultiReader, MultiSearch, MultiSource, MultiSpec,
    MultiStream, QueryTokens, TRAIN_TOKENS, TokenCodec, build_multi, merge_multi,
};
use tercet_index::{Bitmap, Counters, Effort, IndexError, MemorySections, Scored, Sections, TopK, Work};

const DIMS: usize = 12;
const TOKENS: usize = 6;
const ROWS: u32 = 1_500;

/// Tokens near topics: a document has some of two.
fn documents(seed: u64, rows: u32) -> Vec<f32> {
    let mut random = Random(seed);
    let topics = Random(5).tokens(60, DIMS);
    let mut all = Vec::new();
    for _ in 0..rows {
        let picked = [random.below(60), random.below(60)];
        for at in 0..TOKENS {
            let topic = &topics[picked[at % 2] * DIMS..][..DIMS];
            let moved: Vec<f32> = topic.iter().map(|x| x + 0.25 * random.number()).collect();
            let length = moved.iter().map(|x| x * x).sum::<f32>().sqrt();
            all.extend(moved.iter().map(|x| x / length));
        }
    }
    all
}

fn build(spec: &MultiSpec, tokens: &[f32], plain: bool) -> (u32, Sections) {
    let rows = tokens.len() / DIMS / TOKENS;
    let ends: Vec<u64> = (1..=rows as u64).map(|row| row * TOKENS as u64).collect();
    let units: Vec<u32> = (0..rows * TOKENS).map(|at| (at % TOKENS / 3) as u32).collect();
    let rows = rows as u32;
    let input = MultiInput { rows, present: None, ends: &ends, tokens, units: Some(&units), plain };
    (rows, build_multi(spec, &input, &Work::inline()).unwrap())
}

fn open(spec: &MultiSpec, (rows, sections): &(u32, Sections)) -> MultiReader {
    let reader = MultiReader::open(spec, *rows, &MemorySections::new(sections)).unwrap();
    reader.verify().unwrap();
    reader
}

fn specs() -> Vec<MultiSpec> {
    let all =
        [(TokenCodec::Residual(1), false), (TokenCodec::Residual(2), true), (TokenCodec::Residual(4), false)];
    let more = [(TokenCodec::I8, true), (TokenCodec::F16, true), (TokenCodec::F32, true)];
    let spec = |(codec, lists)| MultiSpec {
        candidates: if lists { Candidates::Centroids } else { Candidates::None },
        ..MultiSpec::new(DIMS, codec)
    };
    all.into_iter().chain(more).map(spec).collect()
}

fn search(reader: &MultiReader, query: &MultiQuery, effort: Effort, allowed: Option<&Bitmap>) -> Vec<Scored> {
    let mut top = TopK::new(10);
    let search = MultiSearch { allowed, ..MultiSearch::new(effort) };
    reader.search(query, &search, &mut top, &mut Counters::default()).unwrap();
    top.into_sorted()
}

fn is_residual(spec: &MultiSpec) -> bool {
    matches!(spec.codec, TokenCodec::Residual(_))
}

#[test]
fn residual_codes_score_what_they_keep() {
    let tokens = documents(1, ROWS);
    let mut errors = Vec::new();
    for spec in specs().iter().filter(|spec| is_residual(spec)) {
        let reader = open(spec, &build(spec, &tokens, false));
        let (mut error, mut all) = (0.0, 0.0);
        for seed in 0..4 {
            let given = Random(90 + seed).tokens(5, DIMS);
            let weights = [1.0, 2.0, 0.0, 0.5, 1.0];
            for weights in [None, Some(&weights[..])] {
                let query =
                    MultiQuery::new(spec, QueryTokens { weights, ..QueryTokens::new(&given) }).unwrap();
                let exact = search(&reader, &query, Effort::Exact, None);
                assert_eq!(exact.len(), 10);
                for row in exact.iter().map(|hit| hit.row).chain(0..40) {
                    let kept = reader.stored(row).unwrap().unwrap();
                    assert_eq!(kept.len(), TOKENS * DIMS);
                    let weight = |at: usize| f64::from(weights.map_or(1.0, |weights| weights[at]));
                    let each = given.chunks(DIMS).enumerate();
                    let truth: f64 = each.map(|(at, token)| weight(at) * maxsim(token, &kept, DIMS)).sum();
                    let score = reader.score(&query, row).unwrap().unwrap();
                    assert!(
                        (truth - f64::from(score)).abs() < 0.05,
                        "{:?} row {row}: {truth} {score}",
                        spec.codec
                    );
                    let aligned = reader.align(&query, row).unwrap();
                    let sum = aligned
                        .iter()
                        .fold(0.0, |sum, one| sum + one.score * weight(one.query as usize) as f32);
                    assert!((sum - score).abs() < 1e-5);
                    assert!(aligned.iter().all(|one| one.token < TOKENS as u32));
                    let (unit, best) = reader.best_unit(&query, row).unwrap().unwrap();
                    assert!(unit < 2 && best <= score + 1e-5);
                    let given = &tokens[row as usize * TOKENS * DIMS..][..TOKENS * DIMS];
                    error += kept.iter().zip(given).map(|(a, b)| f64::from((a - b) * (a - b))).sum::<f64>();
                    all += TOKENS as f64;
                }
                assert!(exact.iter().all(|hit| reader.score(&query, hit.row).unwrap() == Some(hit.score)));
            }
        }
        errors.push(error / all);
    }
    // Of a squared length of 1.
    assert!(errors[0] < 0.1 && errors[1] < 0.5 * errors[0] && errors[2] < 0.25 * errors[1], "{errors:?}");
}

#[test]
fn centroids_find_what_a_scan_finds() {
    let tokens = documents(1, ROWS);
    for spec in specs().iter().filter(|spec| matches!(spec.candidates, Candidates::Centroids)) {
        let reader = open(spec, &build(spec, &tokens, false));
        let mut allowed = Bitmap::new(ROWS);
        (0..ROWS).filter(|row| row % 3 == 0).for_each(|row| {
            allowed.set(row);
        });
        let (mut right, mut all) = (0, 0);
        for seed in 0..20 {
            let given = documents(500 + seed, 1);
            let query = MultiQuery::new(spec, QueryTokens::new(&given)).unwrap();
            for allowed in [None, Some(&allowed)] {
                let exact = search(&reader, &query, Effort::Exact, allowed);
                assert_eq!(search(&reader, &query, Effort::Ef(ROWS), allowed), exact);
                let found = search(&reader, &query, Effort::Ef(60), allowed);
                assert_eq!(found.len(), 10);
                assert!(allowed.is_none() || found.iter().all(|hit| hit.row % 3 == 0));
                right += found.iter().filter(|hit| exact.contains(hit)).count();
                all += 10;
            }
        }
        assert!(right * 10 > all * 9, "{:?}: {right} of {all}", spec.codec);
        let none = MultiQuery::new(spec, QueryTokens::new(&[])).unwrap();
        assert!(search(&reader, &none, Effort::Ef(60), None).iter().all(|hit| hit.score == 0.0));
    }
}

/// All rows of several segments one after the other.
struct Joined<'a>(Vec<&'a MultiReader>, bool);

impl MultiStream for Joined<'_> {
    fn for_each(&self, each: &mut EachDocument<'_>) -> Result<(), IndexError> {
        let mut new = 0;
        for reader in &self.0 {
            for old in 0..reader.len() as u32 {
                each(new, reader, old)?;
                new += 1;
            }
        }
        Ok(())
    }

    fn sources(&self) -> Vec<MultiSource<'_>> {
        let (mut new, mut sources) = (0, Vec::new());
        for reader in &self.0 {
            let (first, count) = (new, reader.len() as u32);
            new += count;
            sources
                .push(MultiSource { reader, kept: Box::new((0..count).map(move |old| (old, first + old))) });
        }
        sources
    }

    fn plain(&self) -> bool {
        self.1
    }
}

fn merged(spec: &MultiSpec, readers: &[&MultiReader], plain: bool) -> MultiReader {
    let rows = readers.iter().map(|reader| reader.len() as u32).sum();
    let mut sections = Sections::new();
    merge_multi(spec, rows, &Joined(readers.to_vec(), plain), &mut sections, &Work::inline()).unwrap();
    open(spec, &(rows, sections))
}

#[test]
fn merges_keep_the_centroids_of_most_tokens_and_their_codes() {
    let (a, b, c) = (documents(1, ROWS), documents(2, ROWS + 200), documents(3, 100));
    for spec in &specs() {
        let (a, b, c) = (build(spec, &a, false), build(spec, &b, false), build(spec, &c, false));
        let readers = [open(spec, &a), open(spec, &b), open(spec, &c)];
        let whole = merged(spec, &[&readers[0], &readers[1], &readers[2]], false);
        assert_eq!(whole.tokens(), (TOKENS as u32 * (2 * ROWS + 300)).into());
        for row in (0..ROWS + 200).step_by(37) {
            assert_eq!(whole.stored(ROWS + row).unwrap(), readers[1].stored(row).unwrap(), "codes move");
        }
        for (first, reader) in [(0, &readers[0]), (2 * ROWS + 200, &readers[2])] {
            for row in (0..reader.len() as u32).step_by(17) {
                let (before, after) =
                    (reader.stored(row).unwrap().unwrap(), whole.stored(first + row).unwrap().unwrap());
                let lost: f32 = before.iter().zip(&after).map(|(a, b)| (a - b) * (a - b)).sum();
                assert!(
                    lost < 0.15 * TOKENS as f32 && (lost == 0.0 || is_residual(spec)),
                    "{:?}: {lost}",
                    spec.codec
                );
            }
        }
        // Once more with itself: nothing is coded again.
        let twice = merged(spec, &[&whole, &whole], false);
        for row in (0..whole.len() as u32).step_by(91) {
            assert_eq!(twice.stored(row).unwrap(), whole.stored(row).unwrap());
        }
        let given = documents(77, 1);
        let query = MultiQuery::new(spec, QueryTokens::new(&given)).unwrap();
        let exact = search(&whole, &query, Effort::Exact, None);
        let found = search(&whole, &query, Effort::Ef(200), None);
        assert!(found.iter().filter(|hit| exact.contains(hit)).count() >= 8);
    }
}

/// Of eight to sixteen times the tokens there are new centroids, as many as a segment that is built of all would have; of less, and in a
/// merge that is soon merged again, those of before.
#[test]
fn segments_that_grow_find_more_centroids() {
    let seeds = documents(1, ROWS);
    let more: Vec<Vec<f32>> = (2..18).map(|seed| documents(seed, ROWS)).collect();
    for spec in &specs()[1..2] {
        let first = open(spec, &build(spec, &seeds, false));
        assert_eq!((first.centroids(), first.unfinished()), (256, false));
        let plain: Vec<MultiReader> =
            more.iter().map(|tokens| open(spec, &build(spec, tokens, true))).collect();
        let some: Vec<&MultiReader> = std::iter::once(&first).chain(&plain[..6]).collect();
        assert_eq!(merged(spec, &some, false).centroids(), 256, "kept");
        let all: Vec<&MultiReader> = std::iter::once(&first).chain(&plain).collect();
        let still = merged(spec, &all, true);
        assert_eq!((still.centroids(), still.unfinished()), (256, true), "{:?}", spec.codec);
        let grown = merged(spec, &all, false);
        assert_eq!((grown.centroids(), grown.unfinished()), (1_024, false), "{:?}", spec.codec);
        let finished = merged(spec, &[&still], false);
        assert_eq!((finished.centroids(), finished.unfinished()), (1_024, false));
        let lost = |reader: &MultiReader| -> f32 {
            let kept = (0..ROWS * 17).step_by(89).flat_map(|row| reader.stored(row).unwrap().unwrap());
            let given =
                seeds.chunks(TOKENS * DIMS).chain(more.iter().flat_map(|all| all.chunks(TOKENS * DIMS)));
            kept.zip(given.step_by(89).flatten()).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        assert!(
            !is_residual(spec) || lost(&grown) < 0.97 * lost(&still),
            "{} {}",
            lost(&grown),
            lost(&still)
        );
    }
}

#[test]
fn centroids_come_with_enough_tokens() {
    let tokens = documents(1, ROWS);
    assert!(tokens.len() / DIMS > TRAIN_TOKENS);
    for spec in &specs() {
        let (first, second) = tokens.split_at(tokens.len() / 2 / (DIMS * TOKENS) * DIMS * TOKENS);
        let parts = [build(spec, first, false), build(spec, second, true)];
        let readers = [open(spec, &parts[0]), open(spec, &parts[1])];
        let few = |reader: &MultiReader| reader.bytes_per_token() == DIMS + 4;
        assert!(!is_residual(spec) || readers.iter().all(few), "8-bit codes until then");
        let still = merged(spec, &[&readers[0], &readers[1]], true);
        assert!(!is_residual(spec) || few(&still), "a plain merge finds none");
        let whole = merged(spec, &[&still], false);
        assert!(!is_residual(spec) || !few(&whole));
        for row in (0..whole.len() as u32).step_by(53) {
            let (before, after) = (still.stored(row).unwrap().unwrap(), whole.stored(row).unwrap().unwrap());
            let lost: f32 = before.iter().zip(&after).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!(lost < 0.15 * TOKENS as f32, "{:?}: {lost}", spec.codec);
        }
    }
}

#[test]
fn tokens_that_are_not_unit_and_zero_vectors_keep_their_length() {
    let mut tokens = documents(1, ROWS);
    tokens.chunks_mut(DIMS).enumerate().for_each(|(at, token)| {
        let by = if at == 7 { 0.0 } else { 0.5 + (at % 5) as f32 };
        token.iter_mut().for_each(|x| *x *= by);
    });
    for spec in specs() {
        let spec = MultiSpec { unit: false, ..spec };
        let reader = open(&spec, &build(&spec, &tokens, false));
        let kept: Vec<f32> = (0..20).flat_map(|row| reader.stored(row).unwrap().unwrap()).collect();
        for (at, (kept, given)) in kept.chunks(DIMS).zip(tokens.chunks(DIMS)).enumerate() {
            let length = |token: &[f32]| token.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((length(kept) - length(given)).abs() <= 0.02 * length(given), "token {at}");
        }
    }
}

/// A query that hundreds of centroids are equally near to: their documents are the candidates, not the first rows.
#[test]
fn centroids_that_tie_are_all_looked_at() {
    let topics = Random(5).tokens(6, DIMS);
    let rare = Random(6).tokens(1, DIMS);
    let mut random = Random(7);
    let mut tokens = Vec::new();
    for row in 0..ROWS {
        for _ in 0..TOKENS {
            match row < 1_000 {
                true => tokens.extend_from_slice(&topics[random.below(6) * DIMS..][..DIMS]),
                false => tokens.extend(rare.iter().map(|x| x + 1e-4 * random.number())),
            }
        }
    }
    let spec = &specs()[3];
    let reader = open(spec, &build(spec, &tokens, false));
    let query = MultiQuery::new(spec, QueryTokens::new(&rare)).unwrap();
    let found = search(&reader, &query, Effort::Ef(20), None);
    assert!(found.len() == 10 && found.iter().all(|hit| hit.row >= 1_000), "{found:?}");
}

/// Tokens that are their centroids: what is left is nothing, and the products are not cut.
#[test]
fn tokens_that_leave_nothing_beside_their_centroids_score_right() {
    // As many as there are centroids, and of signs: 8 bits hold them as they are.
    let sign = |at: usize| if ((at / DIMS) >> (at % DIMS)) & 1 == 1 { 1.0 } else { -1.0 };
    let topics: Vec<f32> = (0..256 * DIMS).map(sign).collect();
    for (bits, long) in [(1, 1.0), (2, 1.0), (4, 1.0), (2, 1e4), (2, 1e-4)] {
        let mut random = Random(9);
        let mut tokens = Vec::new();
        for _ in 0..ROWS as usize * TOKENS {
            tokens.extend(topics[random.below(256) * DIMS..][..DIMS].iter().map(|x| x * long));
        }
        let spec = &MultiSpec { unit: false, ..MultiSpec::new(DIMS, TokenCodec::Residual(bits)) };
        let reader = open(spec, &build(spec, &tokens, false));
        let given = Random(90).tokens(5, DIMS);
        let query = MultiQuery::new(spec, QueryTokens::new(&given)).unwrap();
        for hit in search(&reader, &query, Effort::Exact, None) {
            let document = &tokens[hit.row as usize * TOKENS * DIMS..][..TOKENS * DIMS];
            let truth = maxsim(&given, document, DIMS);
            assert!(
                (truth - f64::from(hit.score)).abs() < 0.02 * f64::from(long),
                "{bits} bits: {truth} {hit:?}"
            );
        }
    }
}

#[test]
fn searches_stop_where_they_are() {
    let tokens = documents(1, ROWS);
    let given = Random(4).tokens(200, DIMS);
    for spec in &specs() {
        let reader = open(spec, &build(spec, &tokens, false));
        let query = MultiQuery::new(spec, QueryTokens::new(&given)).unwrap();
        for effort in [Effort::Ef(60), Effort::Exact] {
            let (mut most, mut looks) = (0, 0);
            loop {
                let left = AtomicUsize::new(looks);
                let stop = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err();
                let (mut top, mut counters) = (TopK::new(10), Counters::default());
                let asked = MultiSearch { stop: Some(&stop), ..MultiSearch::new(effort) };
                let answered = reader.search(&query, &asked, &mut top, &mut counters).unwrap();
                let done = counters.postings_scored + counters.vectors_scored;
                assert!(done >= most && (looks > 0 || done == 0), "{counters:?} after {looks}");
                most = done;
                if answered.complete {
                    break;
                }
                assert!(!answered.exact && looks < 10_000);
                looks += 1;
            }
            // The products of so many tokens take long, and so do their lists.
            let lists = matches!((&spec.candidates, effort), (Candidates::Centroids, Effort::Ef(_)));
            assert!(!lists || looks > 7 + 200, "{:?}: {looks}", spec.codec);
        }
    }
}

#[test]
fn hostile_bytes_are_errors_or_wrong_scores() {
    let tokens = documents(1, ROWS);
    let given = documents(9, 1);
    for spec in specs().iter().filter(|spec| spec.codec != TokenCodec::F32) {
        let (rows, good) = build(spec, &tokens, false);
        let query = MultiQuery::new(spec, QueryTokens::new(&given)).unwrap();
        let mut random = Random(77);
        for round in 0..160 {
            let mut bad = good.clone();
            let at = if round % 4 == 0 { 0 } else { random.below(bad.len()) };
            let bytes = &mut bad[at].1;
            if round % 5 == 0 {
                bytes.truncate(random.below(bytes.len()));
            } else {
                for _ in 0..1 + random.below(40) {
                    let place = random.below(bytes.len());
                    bytes[place] = random.word() as u8;
                }
            }
            let Ok(reader) = MultiReader::open(spec, rows, &MemorySections::new(&bad)) else { continue };
            let _ = reader.verify();
            for effort in [Effort::Exact, Effort::Ef(25)] {
                let mut top = TopK::new(10);
                let _ = reader.search(&query, &MultiSearch::new(effort), &mut top, &mut Counters::default());
                assert!(top.into_sorted().iter().all(|hit| hit.row < rows));
            }
            for row in [0, 1, rows - 1, rows] {
                let _ = (reader.align(&query, row), reader.best_unit(&query, row), reader.stored(row));
            }
            let sound = open(spec, &(rows, good.clone()));
            let mut out = Sections::new();
            let stream = Joined(vec![&sound, &reader], false);
            let _ = merge_multi(spec, 2 * rows, &stream, &mut out, &Work::inline());
        }
    }
}
