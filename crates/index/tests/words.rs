//! Computed words against what is written out by hand: edit distances, phrases, beginnings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Rng, subset};
use proptest::prelude::*;
use tercet_index::{
    Bitmap, IndexError, InvertedBuilder, InvertedReader, Levenshtein, MemorySections, PhraseWord, TermId,
    phrase_matches, twins,
};

/// The whole table of the dynamic programme; `swaps`: optimal string alignment.
fn edits(a: &str, b: &str, swaps: bool) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let kept = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = kept.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if swaps && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(table[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    table[a.len()][b.len()]
}

fn dictionary(words: &BTreeSet<String>) -> InvertedReader {
    let mut builder = InvertedBuilder::new(false);
    builder.start_row(0);
    words.iter().for_each(|word| builder.push(word, 0));
    InvertedReader::open(1, &MemorySections::new(&builder.finish(1).unwrap())).unwrap()
}

/// The walk through a dictionary and the pass over the lists look now and then whether to stop.
#[test]
fn a_walk_can_be_stopped() {
    let words: BTreeSet<String> = (0..3_000).map(|n| format!("{}{n:04}", "x".repeat(40))).collect();
    let reader = dictionary(&words);
    let near = Levenshtein::new(&format!("{}1234", "x".repeat(40)), 2, 0, true);
    let looks = std::cell::Cell::new(0);
    let after = |most: i32| {
        looks.set(0);
        let stop = || {
            looks.set(looks.get() + 1);
            looks.get() > most
        };
        reader.terms_near(&near, &stop, &mut |_, _, _| true)
    };
    assert!(after(i32::MAX).is_ok());
    assert!(looks.get() > 1, "{} looks", looks.get());
    assert!(matches!(after(1), Err(IndexError::Cancelled)));
    let terms: Vec<_> = (0..10).map(|term| (TermId(term), 1.0)).collect();
    assert!(matches!(reader.frequencies(&terms, None, &|| true), Err(IndexError::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Long words, of which only what is near the diagonal is looked at.
    #[test]
    fn long_words_are_near_their_likes(word in "[abc]{60,255}", changes in prop::collection::vec((0usize..255, 0u8..4), 0..4)) {
        let mut other: Vec<char> = word.chars().collect();
        for (at, change) in changes {
            let at = at % (other.len() - 1);
            match change {
                0 => other[at] = 'z',
                1 => _ = other.remove(at),
                2 => other.insert(at, 'z'),
                _ => other.swap(at, at + 1),
            }
        }
        let other: String = other.into_iter().collect();
        for (distance, swaps) in [(1, false), (2, true), (2, false)] {
            let expected = edits(&word, &other, swaps);
            let found = Levenshtein::new(&word, distance, 0, swaps).distance(&other);
            prop_assert_eq!(found.map(usize::from), Some(expected).filter(|edits| *edits <= usize::from(distance)));
        }
    }

    #[test]
    fn near_words_are_those_within_the_distance(
        words in prop::collection::btree_set("[ab]{1,5}|[a-cäß漢]{1,4}|abc[a-c]{0,9}", 0..60),
        word in "[ab]{0,5}|[a-cäß漢]{1,4}|abc[a-c]{0,6}",
        distance in 0u8..3, prefix in 0usize..4, swaps in any::<bool>(),
    ) {
        let near = Levenshtein::new(&word, distance, prefix, swaps);
        let start: String = word.chars().take(prefix).collect();
        let expected: Vec<(String, u8)> = words
            .iter()
            .map(|other| (other.clone(), edits(&word, other, swaps)))
            .filter(|(other, edits)| *edits <= usize::from(distance) && other.starts_with(&start))
            .map(|(other, edits)| (other, edits as u8))
            .collect();
        let reader = dictionary(&words);
        let mut found = vec![];
        reader.terms_near(&near, &|| false, &mut |id, term, edits| {
            assert_eq!(reader.term_bytes(id).unwrap(), Some(term.as_bytes()));
            found.push((term.to_owned(), edits));
            true
        }).unwrap();
        prop_assert_eq!(&found, &expected);
        for other in &words {
            let alone = expected.iter().find(|(word, _)| word == other).map(|(_, edits)| *edits);
            prop_assert_eq!(near.distance(other), alone);
        }
        let mut some = 0;
        reader.terms_near(&near, &|| false, &mut |_, _, _| { some += 1; some < 2 }).unwrap();
        prop_assert_eq!(some, expected.len().min(2));
    }

    #[test]
    fn beginnings_are_ranges(words in prop::collection::btree_set("[abä]{1,4}", 0..50), prefix in "[abä]{0,3}") {
        let reader = dictionary(&words);
        let found: Vec<String> = reader
            .terms_with_prefix(&prefix)
            .unwrap()
            .map(|term| String::from_utf8(reader.term_bytes(TermId(term)).unwrap().unwrap().to_vec()).unwrap())
            .collect();
        let expected: Vec<String> = words.iter().filter(|word| word.starts_with(&prefix)).cloned().collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn phrases_match_where_their_words_stand(
        text in prop::collection::vec((0u8..4, 1u32..3), 0..14),
        phrase in prop::collection::vec((0u8..4, 1u32..3), 1..4),
        slop in 0u32..5,
    ) {
        let text = placed(&text);
        let phrase = placed(&phrase);
        let words: Vec<u8> = phrase.iter().map(|word| word.0).collect();
        let places: Vec<Vec<u32>> = words.iter().map(|word| {
            text.iter().filter(|token| token.0 == *word).map(|token| token.1).collect()
        }).collect();
        let same = twins(&words);
        let slots: Vec<PhraseWord<'_>> = phrase.iter().zip(&same).zip(&places).map(|((word, same), positions)| {
            PhraseWord { offset: word.1, same: *same, positions }
        }).collect();
        let mut found = BTreeMap::new();
        phrase_matches(&slots, slop, &mut |width, positions| {
            let start = positions.iter().zip(&phrase).map(|(p, w)| i64::from(*p) - i64::from(w.1)).min().unwrap();
            assert!(found.insert(start, width).is_none());
        });
        prop_assert_eq!(found, every_match(&phrase, &places, &same, slop));
    }
}

/// Words with positions that rise by their second number.
fn placed(words: &[(u8, u32)]) -> Vec<(u8, u32)> {
    let mut position = 0;
    words
        .iter()
        .map(|&(word, step)| {
            position += step;
            (word, position)
        })
        .collect()
}

/// The least width at each least shifted position, over every choice of positions.
fn every_match(
    phrase: &[(u8, u32)],
    places: &[Vec<u32>],
    same: &[Option<usize>],
    slop: u32,
) -> BTreeMap<i64, u32> {
    let mut out: BTreeMap<i64, u32> = BTreeMap::new();
    let mut choices: Vec<Vec<u32>> = vec![vec![]];
    for (at, places) in places.iter().enumerate() {
        choices = choices
            .iter()
            .flat_map(|choice| {
                places
                    .iter()
                    .filter(|place| same[at].is_none_or(|same| choice[same] < **place))
                    .map(|place| [choice.as_slice(), &[*place]].concat())
            })
            .collect();
    }
    for choice in choices {
        let shifted: Vec<i64> =
            choice.iter().zip(phrase).map(|(place, word)| i64::from(*place) - i64::from(word.1)).collect();
        let (least, most) = (*shifted.iter().min().unwrap(), *shifted.iter().max().unwrap());
        let width = (most - least) as u32;
        if width <= slop {
            out.entry(least).and_modify(|before| *before = width.min(*before)).or_insert(width);
        }
    }
    out
}

#[test]
fn phrases_and_sums_over_segments_of_rows() {
    let mut rng = Rng(31);
    for rows in [1, 60, 700] {
        let texts: Vec<Vec<u32>> =
            (0..rows).map(|_| (0..rng.below(30)).map(|_| rng.below(6)).collect()).collect();
        let mut builder = InvertedBuilder::new(true);
        for (row, text) in texts.iter().enumerate() {
            builder.start_row(row as u32);
            for (at, word) in text.iter().enumerate() {
                builder.push(&format!("w{word}"), at as u32);
            }
        }
        let sections = MemorySections::new(&builder.finish(rows).unwrap());
        let reader = InvertedReader::open(rows, &sections).unwrap();
        let live = subset(&mut rng, rows, 0.7);
        for live in [None, Some(&live)] {
            let lives = |row: u32| live.is_none_or(|live: &Bitmap| live.contains(row));
            let terms: Vec<TermId> = (0..6).filter_map(|w| reader.term(&format!("w{w}")).unwrap()).collect();
            let words = [(1, 0), (3, 1), (1, 2)];
            let ids: Option<Vec<_>> =
                words.iter().map(|(w, at)| Some((reader.term(&format!("w{w}")).unwrap()?, *at))).collect();
            let Some(ids) = ids else { continue };
            let expected: Vec<(u32, f32)> = (0..rows)
                .filter(|row| lives(*row))
                .map(|row| {
                    let windows = texts[row as usize].windows(3);
                    (row, windows.filter(|window| *window == [1, 3, 1]).count() as f32)
                })
                .filter(|(_, count)| *count > 0.0)
                .collect();
            assert_eq!(reader.phrase(&ids, 0, live, &|| false).unwrap(), expected);
            for few in [1, terms.len()] {
                let factors: Vec<(TermId, f32)> =
                    terms[..few].iter().map(|&id| (id, 0.25 * (id.0 + 1) as f32)).collect();
                let expected: Vec<(u32, f32)> = (0..rows)
                    .filter(|row| lives(*row))
                    .map(|row| {
                        let of = |(id, factor): &(TermId, f32)| {
                            reader.explain(*id, row).unwrap().map_or(0.0, |(tf, _)| tf as f32 * factor)
                        };
                        (row, factors.iter().map(of).sum())
                    })
                    .filter(|(_, sum)| *sum > 0.0)
                    .collect();
                assert_eq!(reader.frequencies(&factors, live, &|| false).unwrap(), expected);
            }
        }
    }
    let plain = dictionary(&BTreeSet::from([String::from("a")]));
    let phrase = plain.phrase(&[(TermId(0), 0)], 0, None, &|| false);
    assert!(matches!(phrase, Err(IndexError::Unsupported { .. })));
}
