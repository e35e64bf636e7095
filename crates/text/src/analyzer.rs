//! The table of analyzers, and the loop that runs one.
//!
//! To add an analyzer, add a line to [`ANALYZERS`]. Stemmed languages normalise first (compatibility forms and case,
//! accents kept: the stemmers and stop lists need them), then elide, stop and stem, and fold accents last, so that
//! "Bücher" and "Bucher" meet in the index. English folds first: its stemmer knows plain letters only.

use std::cell::Cell;

use rust_stemmers::Algorithm;

use crate::MAX_TERM_BYTES;
use crate::cjk::Bigrams;
use crate::elide::{FRENCH_ELISIONS, ITALIAN_ELISIONS};
use crate::fold::Mode;
use crate::known::{Known, Short, Words as Met};
use crate::offsets::floor_boundary;
use crate::split::{Piece, Shape, Splitter, split};
use crate::step::{Step, Word};
use crate::stop;

use Splitter::{Whitespace, Words};
use Step::{Elide, Fold, Possessive, Stem, Stop, TurkishCase};

/// One term of an analysed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// What is indexed: never empty, at most [`MAX_TERM_BYTES`] bytes.
    pub term: &'a str,
    /// Place in the sequence of words, from 0; dropped words leave gaps.
    pub position: u32,
    /// Byte offset in the text where the source word begins.
    pub start: u32,
    /// Byte offset in the text just after the source word.
    pub end: u32,
}

/// No analyzer has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown analyzer {name:?}; known are {}", analyzer_names().join(", "))]
pub struct UnknownAnalyzer {
    /// The name that was asked for.
    pub name: String,
}

/// A named pipeline; a pointer to a line of the table, so copying it costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Analyzer {
    spec: &'static Spec,
}

/// One line of the table.
#[derive(Debug)]
struct Spec {
    name: &'static str,
    splitter: Splitter,
    steps: &'static [Step],
}

const fn row(name: &'static str, splitter: Splitter, steps: &'static [Step]) -> Spec {
    Spec { name, splitter, steps }
}

const WORDS: Splitter = Words(Bigrams::HanKana);
const KEEP: Step = Fold(Mode::KeepAccents);
const FOLD: Step = Fold(Mode::Full);

#[rustfmt::skip]
static ANALYZERS: &[Spec] = &[
    row("standard", WORDS, &[FOLD]),
    row("english", WORDS, &[FOLD, Possessive, Stop(&stop::ENGLISH), Stem(Algorithm::English)]),
    row("whitespace", Whitespace, &[]),
    row("cjk", Words(Bigrams::HanKanaHangul), &[FOLD]),
    row("arabic", WORDS, &[KEEP, Stem(Algorithm::Arabic), FOLD]),
    row("danish", WORDS, &[KEEP, Stop(&stop::DANISH), Stem(Algorithm::Danish), FOLD]),
    row("dutch", WORDS, &[KEEP, Stop(&stop::DUTCH), Stem(Algorithm::Dutch), FOLD]),
    row("finnish", WORDS, &[KEEP, Stop(&stop::FINNISH), Stem(Algorithm::Finnish), FOLD]),
    row("french", WORDS, &[KEEP, Elide(FRENCH_ELISIONS), Stop(&stop::FRENCH), Stem(Algorithm::French), FOLD]),
    row("german", WORDS, &[KEEP, Stop(&stop::GERMAN), Stem(Algorithm::German), FOLD]),
    row("greek", WORDS, &[KEEP, Stem(Algorithm::Greek), FOLD]),
    row("hungarian", WORDS, &[KEEP, Stop(&stop::HUNGARIAN), Stem(Algorithm::Hungarian), FOLD]),
    row("italian", WORDS, &[KEEP, Elide(ITALIAN_ELISIONS), Stop(&stop::ITALIAN), Stem(Algorithm::Italian), FOLD]),
    row("norwegian", WORDS, &[KEEP, Stop(&stop::NORWEGIAN), Stem(Algorithm::Norwegian), FOLD]),
    row("portuguese", WORDS, &[KEEP, Stop(&stop::PORTUGUESE), Stem(Algorithm::Portuguese), FOLD]),
    row("romanian", WORDS, &[KEEP, Stop(&stop::ROMANIAN), Stem(Algorithm::Romanian), FOLD]),
    row("russian", WORDS, &[KEEP, Stop(&stop::RUSSIAN), Stem(Algorithm::Russian), FOLD]),
    row("spanish", WORDS, &[KEEP, Stop(&stop::SPANISH), Stem(Algorithm::Spanish), FOLD]),
    row("swedish", WORDS, &[KEEP, Stop(&stop::SWEDISH), Stem(Algorithm::Swedish), FOLD]),
    row("tamil", WORDS, &[KEEP, Stem(Algorithm::Tamil), FOLD]),
    row("turkish", WORDS, &[TurkishCase, KEEP, Stop(&stop::TURKISH), Stem(Algorithm::Turkish), FOLD]),
];

/// The names of all analyzers, in the order of the table.
pub fn analyzer_names() -> Vec<&'static str> {
    ANALYZERS.iter().map(|spec| spec.name).collect()
}

impl Analyzer {
    /// The analyzer of this name (see [`analyzer_names`]).
    ///
    /// # Errors
    /// [`UnknownAnalyzer`] if the table has no such line.
    pub fn by_name(name: &str) -> Result<Analyzer, UnknownAnalyzer> {
        match ANALYZERS.iter().find(|spec| spec.name == name) {
            Some(spec) => Ok(Analyzer { spec }),
            None => Err(UnknownAnalyzer { name: name.to_owned() }),
        }
    }

    /// The name of the line in the table.
    pub fn name(&self) -> &str {
        self.spec.name
    }

    /// A text as this analyzer writes the characters of words (case, accents, compatibility forms), but neither cut nor
    /// stemmed, and no word dropped: what the beginning of a word is compared with. Empty where the text is longer than
    /// any word may be.
    pub fn normalize(&self, text: &str) -> String {
        let mut word = Word::default();
        word.load(&Piece { text, start: 0, end: text.len(), shape: Shape::Any });
        for step in self.spec.steps.iter().filter(|step| matches!(step, Fold(_) | TurkishCase)) {
            step.apply(&mut word, text);
        }
        word.term(text).to_owned()
    }

    /// Hands every token of `text` to `emit`, in the order of the text. Linear in the length of the text.
    ///
    /// Offsets are 32-bit: of a text longer than 4 GiB only the first 4 GiB are read.
    pub fn analyze(&self, text: &str, emit: &mut dyn FnMut(Token<'_>)) {
        let text = within_u32(text);
        let mut position = 0_u32;
        let mut word = Word::default();
        // Taken out, because `emit` may analyse another text.
        let mut known = WORDS_MET.take();
        let (pipeline, folds) = (std::ptr::from_ref(self.spec).addr(), self.folds_first());
        split(self.spec.splitter, text, &mut |piece: Piece<'_>| {
            let upper = piece.shape == Shape::Ascii;
            let plain = folds && piece.shape != Shape::Any;
            let short = if plain { Short::of(text.as_bytes(), piece.start, piece.end, upper) } else { None };
            let (start, end) = (piece.start as u32, piece.end as u32);
            match short.and_then(|short| known.get(pipeline, short, upper)) {
                Some(Known::Dropped) => {}
                Some(Known::Kept(kept)) => {
                    emit(Token { term: piece.text.get(..kept).unwrap_or_default(), position, start, end });
                }
                Some(Known::Term(term)) => emit(Token { term, position, start, end }),
                None => {
                    word.load(&piece);
                    let kept = self.spec.steps.iter().all(|step| step.apply(&mut word, piece.text));
                    let term = word.term(piece.text);
                    let kept = kept && !term.is_empty() && term.len() <= MAX_TERM_BYTES;
                    if let Some(short) = short {
                        known.put(pipeline, short, kept.then_some(term));
                    }
                    if kept {
                        emit(Token { term, position, start, end });
                    }
                }
            }
            position += 1;
        });
        WORDS_MET.set(known);
    }

    /// Whether upper and lower case are the same to the pipeline.
    fn folds_first(&self) -> bool {
        matches!(self.spec.steps.first(), Some(Fold(_)))
    }
}

thread_local! {
    static WORDS_MET: Cell<Met> = Cell::default();
}

/// The longest prefix of `text` whose offsets fit in 32 bits.
fn within_u32(text: &str) -> &str {
    let limit = u32::MAX as usize;
    if text.len() <= limit { text } else { &text[..floor_boundary(text, limit)] }
}
