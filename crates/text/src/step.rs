//! The steps of a pipeline: each rewrites one word, or drops it.

use rust_stemmers::Algorithm;

use crate::elide::elided_prefix;
use crate::fold::{Mode, fold};
use crate::split::{Piece, Shape};
use crate::stem::stem;
use crate::stop::StopList;

/// A source word longer than this is dropped unread: no spelling of a term of 255 bytes needs so many marks.
const MAX_WORD_BYTES: usize = 4096;

/// One small step. What follows case folding in the table may rely on lower case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// Compatibility forms, case and, by mode, accents.
    Fold(Mode),
    /// I and İ lowered as Turkish does: to ı and i.
    TurkishCase,
    /// A trailing 's is cut.
    Possessive,
    /// An article before an apostrophe is cut: l'avion.
    Elide(&'static [&'static str]),
    /// These words are dropped.
    Stop(&'static StopList),
    /// Snowball stemming.
    Stem(Algorithm),
}

/// The word on its way through the pipeline: a range of the source until a step has to write, then of `buffer`.
#[derive(Debug)]
pub(crate) struct Word {
    buffer: String,
    spare: String,
    ending: String,
    in_source: bool,
    from: usize,
    to: usize,
    shape: Shape,
}

impl Default for Word {
    fn default() -> Self {
        let [buffer, spare, ending] = [const { String::new() }; 3];
        Word { buffer, spare, ending, in_source: true, from: 0, to: 0, shape: Shape::Any }
    }
}

impl Word {
    /// Takes up the next source word. Over-long ones become empty.
    pub(crate) fn load(&mut self, piece: &Piece<'_>) {
        self.in_source = true;
        self.from = 0;
        self.to = if piece.text.len() <= MAX_WORD_BYTES { piece.text.len() } else { 0 };
        self.shape = piece.shape;
    }

    /// The word as it is now; `source` is the text of the piece that was loaded.
    pub(crate) fn term<'a>(&'a self, source: &'a str) -> &'a str {
        let text = if self.in_source { source } else { &self.buffer };
        &text[self.from..self.to]
    }

    /// Writes a new form of the word, given the present one.
    fn rewrite(&mut self, source: &str, write: impl FnOnce(&str, &mut String)) {
        let mut next = std::mem::take(&mut self.spare);
        next.clear();
        write(self.term(source), &mut next);
        self.spare = std::mem::replace(&mut self.buffer, next);
        self.in_source = false;
        self.from = 0;
        self.to = self.buffer.len();
    }
}

impl Step {
    /// Changes `word`; false if the word is to be dropped.
    #[inline]
    pub(crate) fn apply(&self, word: &mut Word, source: &str) -> bool {
        match *self {
            Step::Fold(mode) => fold_word(mode, word, source),
            Step::TurkishCase => turkish_case(word, source),
            Step::Possessive => {
                if word.term(source).ends_with("'s") {
                    word.to -= 2;
                }
            }
            Step::Elide(articles) => word.from += elided_prefix(articles, word.term(source)),
            Step::Stop(words) => return !words.has(word.term(source)),
            Step::Stem(algorithm) => stem_word(algorithm, word, source),
        }
        true
    }
}

fn fold_word(mode: Mode, word: &mut Word, source: &str) {
    match word.shape {
        Shape::Folded => {}
        Shape::Ascii => {
            word.rewrite(source, |term, out| {
                out.push_str(term);
                out.make_ascii_lowercase();
            });
            word.shape = Shape::Folded;
        }
        Shape::Any => {
            word.rewrite(source, |term, out| fold(mode, term, out));
            if mode == Mode::Full || word.buffer.is_ascii() {
                word.shape = Shape::Folded;
            }
        }
    }
}

fn turkish_case(word: &mut Word, source: &str) {
    if word.term(source).contains(['I', 'İ']) {
        word.rewrite(source, |term, out| {
            let mut chars = term.chars().peekable();
            while let Some(c) = chars.next() {
                match c {
                    'I' if chars.next_if_eq(&'\u{307}').is_none() => out.push('ı'),
                    'I' | 'İ' => out.push('i'),
                    _ => out.push(c),
                }
            }
        });
        word.shape = Shape::Any;
    }
}

fn stem_word(algorithm: Algorithm, word: &mut Word, source: &str) {
    let mut ending = std::mem::take(&mut word.ending);
    let kept = stem(algorithm, word.term(source), &mut ending);
    if ending.is_empty() {
        word.to = word.from + kept;
    } else {
        word.rewrite(source, |term, out| {
            out.push_str(&term[..kept]);
            out.push_str(&ending);
        });
    }
    word.ending = ending;
}
