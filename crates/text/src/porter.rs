//! English stemming: the Snowball "English" algorithm, known as Porter2, in place and without allocation.
//!
//! Source: M. F. Porter, "The English (Porter2) stemming algorithm", snowballstem.org, in the form that the stemmers of
//! 2001 to 2019 have. Only words of ASCII letters and apostrophes come here (`stem`), so that a byte is a character.
//!
//! The word is changed in a copy on the stack. Suffixes are looked for in tables, the longest first; a look at the last
//! letter spares most words the look into them.

/// The longest word that is stemmed here; no term is longer.
pub(crate) const WORD_MAX: usize = 256;

/// The letters of a word on its way. `y` that is no vowel is written `Y`.
struct Word {
    letters: [u8; WORD_MAX],
    len: usize,
    r1: usize,
    r2: usize,
}

/// Stems `word` (`a` to `z` and apostrophes, at most [`WORD_MAX`] long) and returns the letters of its stem through `out`.
pub(crate) fn stem<T>(word: &[u8], out: impl FnOnce(&[u8]) -> T) -> T {
    if word.len() <= 2 || word.len() > WORD_MAX {
        return out(word);
    }
    if let Some(stem) = exception(word) {
        return out(stem);
    }
    let mut w = Word { letters: [0; WORD_MAX], len: word.len(), r1: 0, r2: 0 };
    w.letters[..word.len()].copy_from_slice(word);
    w.prelude();
    w.regions();
    w.possessive();
    w.plural();
    if !matches!(
        w.text(),
        b"inning" | b"outing" | b"canning" | b"herring" | b"earring" | b"proceed" | b"exceed" | b"succeed"
    ) {
        w.past();
        w.final_y();
        w.derived();
        w.adjective();
        w.residue();
        w.final_e();
    }
    w.letters[..w.len].iter_mut().filter(|letter| **letter == b'Y').for_each(|letter| *letter = b'y');
    out(w.text())
}

fn exception(word: &[u8]) -> Option<&'static [u8]> {
    Some(match word {
        b"skis" => b"ski",
        b"skies" | b"sky" => b"sky",
        b"dying" => b"die",
        b"lying" => b"lie",
        b"tying" => b"tie",
        b"idly" => b"idl",
        b"gently" => b"gentl",
        b"ugly" => b"ugli",
        b"early" => b"earli",
        b"only" => b"onli",
        b"singly" => b"singl",
        b"news" => b"news",
        b"howe" => b"howe",
        b"atlas" => b"atlas",
        b"cosmos" => b"cosmos",
        b"bias" => b"bias",
        b"andes" => b"andes",
        _ => return None,
    })
}

const fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

impl Word {
    fn text(&self) -> &[u8] {
        &self.letters[..self.len]
    }

    fn ends(&self, suffix: &[u8]) -> bool {
        self.text().ends_with(suffix)
    }

    /// The letter that is `back` before the end, from 1.
    fn back(&self, back: usize) -> u8 {
        if back <= self.len { self.letters[self.len - back] } else { 0 }
    }

    /// Puts `ending` in place of the last `cut` letters.
    fn replace(&mut self, cut: usize, ending: &[u8]) {
        let from = self.len - cut;
        // An ending is never longer than what it takes the place of, but for the `e` after a cut `ed` or `ing`.
        self.letters[from..from + ending.len()].copy_from_slice(ending);
        self.len = from + ending.len();
    }

    /// An initial apostrophe goes; `y` at the beginning or behind a vowel is a consonant.
    fn prelude(&mut self) {
        if self.letters[0] == b'\'' {
            self.letters.copy_within(1..self.len, 0);
            self.len -= 1;
        }
        let mut after_vowel = true;
        for letter in &mut self.letters[..self.len] {
            if *letter == b'y' && after_vowel {
                *letter = b'Y';
            }
            after_vowel = is_vowel(*letter);
        }
    }

    /// R1 begins behind the first consonant behind a vowel (some beginnings are fixed), R2 likewise within R1.
    fn regions(&mut self) {
        let text = self.text();
        let behind = |from: usize| {
            let vowel = text[from..].iter().position(|letter| is_vowel(*letter)).map(|at| from + at);
            let consonant =
                vowel.and_then(|at| Some(at + text[at..].iter().position(|letter| !is_vowel(*letter))?));
            consonant.map_or(text.len(), |at| at + 1)
        };
        let r1 = match text {
            [b'g', b'e', b'n', b'e', b'r', ..] | [b'a', b'r', b's', b'e', b'n', ..] => 5,
            [b'c', b'o', b'm', b'm', b'u', b'n', ..] => 6,
            _ => behind(0),
        };
        let r2 = behind(r1);
        (self.r1, self.r2) = (r1, r2);
    }

    fn in_r1(&self, suffix: usize) -> bool {
        self.len - suffix >= self.r1
    }

    fn in_r2(&self, suffix: usize) -> bool {
        self.len - suffix >= self.r2
    }

    /// Whether the first `len` letters end in a short syllable.
    fn short_syllable(&self, len: usize) -> bool {
        match &self.letters[..len] {
            [.., a, b, c] if !is_vowel(*a) && is_vowel(*b) && !is_vowel(*c) => {
                !matches!(c, b'w' | b'x' | b'Y')
            }
            [a, b] => is_vowel(*a) && !is_vowel(*b),
            _ => false,
        }
    }

    fn has_vowel(&self, before: usize) -> bool {
        self.letters[..self.len - before].iter().any(|letter| is_vowel(*letter))
    }

    /// Step 0.
    fn possessive(&mut self) {
        for suffix in [b"'s'".as_slice(), b"'s", b"'"] {
            if self.ends(suffix) {
                return self.replace(suffix.len(), b"");
            }
        }
    }

    /// Step 1a.
    fn plural(&mut self) {
        if self.ends(b"sses") {
            self.replace(2, b"");
        } else if self.ends(b"ied") || self.ends(b"ies") {
            self.replace(if self.len > 4 { 2 } else { 1 }, b"");
        } else if self.ends(b"us") || self.ends(b"ss") {
            // They stay.
        } else if self.back(1) == b's' && self.len >= 3 && self.has_vowel(2) {
            self.replace(1, b"");
        }
    }

    /// Step 1b.
    fn past(&mut self) {
        for suffix in [b"eedly".as_slice(), b"eed"] {
            if self.ends(suffix) {
                if self.in_r1(suffix.len()) {
                    self.replace(suffix.len(), b"ee");
                }
                return;
            }
        }
        let suffixes = [b"ingly".as_slice(), b"edly", b"ing", b"ed"];
        let Some(suffix) = suffixes.into_iter().find(|suffix| self.ends(suffix)) else { return };
        if !self.has_vowel(suffix.len()) {
            return;
        }
        self.replace(suffix.len(), b"");
        match (self.back(2), self.back(1)) {
            (b'a', b't') | (b'b', b'l') | (b'i', b'z') => self.replace(0, b"e"),
            (a, b) if a == b && matches!(b, b'b' | b'd' | b'f' | b'g' | b'm' | b'n' | b'p' | b'r' | b't') => {
                self.replace(1, b"");
            }
            _ if self.r1 == self.len && self.short_syllable(self.len) => self.replace(0, b"e"),
            _ => {}
        }
    }

    /// Step 1c.
    fn final_y(&mut self) {
        if matches!(self.back(1), b'y' | b'Y') && self.len > 2 && !is_vowel(self.back(2)) {
            self.replace(1, b"i");
        }
    }

    /// The longest suffix of a table, its length and what takes its place.
    fn longest(
        &self,
        table: &'static [(&'static [u8], &'static [u8])],
    ) -> Option<&'static (&'static [u8], &'static [u8])> {
        table.iter().find(|(suffix, _)| self.ends(suffix))
    }

    /// Step 2.
    fn derived(&mut self) {
        #[rustfmt::skip]
        static TABLE: &[(&[u8], &[u8])] = &[
            (b"ization", b"ize"), (b"ational", b"ate"), (b"fulness", b"ful"), (b"ousness", b"ous"), (b"iveness", b"ive"),
            (b"tional", b"tion"), (b"biliti", b"ble"), (b"lessli", b"less"), (b"entli", b"ent"), (b"ation", b"ate"),
            (b"alism", b"al"), (b"aliti", b"al"), (b"ousli", b"ous"), (b"iviti", b"ive"), (b"fulli", b"ful"),
            (b"enci", b"ence"), (b"anci", b"ance"), (b"abli", b"able"), (b"izer", b"ize"), (b"ator", b"ate"),
            (b"alli", b"al"), (b"bli", b"ble"), (b"ogi", b"og"), (b"li", b""),
        ];
        // Each ends in one of these letters.
        if !matches!(self.back(1), b'i' | b'l' | b'm' | b'n' | b'r' | b's') {
            return;
        }
        let Some((suffix, ending)) = self.longest(TABLE) else { return };
        if !self.in_r1(suffix.len()) {
            return;
        }
        let fits = match *suffix {
            b"ogi" => self.back(4) == b'l',
            b"li" => {
                matches!(self.back(3), b'c' | b'd' | b'e' | b'g' | b'h' | b'k' | b'm' | b'n' | b'r' | b't')
            }
            _ => true,
        };
        if fits {
            self.replace(suffix.len(), ending);
        }
    }

    /// Step 3.
    fn adjective(&mut self) {
        static TABLE: &[(&[u8], &[u8])] = &[
            (b"ational", b"ate"),
            (b"tional", b"tion"),
            (b"alize", b"al"),
            (b"icate", b"ic"),
            (b"iciti", b"ic"),
            (b"ative", b""),
            (b"ical", b"ic"),
            (b"ness", b""),
            (b"ful", b""),
        ];
        if !matches!(self.back(1), b'e' | b'i' | b'l' | b's') {
            return;
        }
        let Some((suffix, ending)) = self.longest(TABLE) else { return };
        if self.in_r1(suffix.len()) && (*suffix != b"ative" || self.in_r2(suffix.len())) {
            self.replace(suffix.len(), ending);
        }
    }

    /// Step 4.
    fn residue(&mut self) {
        #[rustfmt::skip]
        static TABLE: &[(&[u8], &[u8])] = &[
            (b"ement", b""), (b"ance", b""), (b"ence", b""), (b"able", b""), (b"ible", b""), (b"ment", b""), (b"ant", b""),
            (b"ent", b""), (b"ism", b""), (b"ate", b""), (b"iti", b""), (b"ous", b""), (b"ive", b""), (b"ize", b""),
            (b"ion", b""), (b"al", b""), (b"er", b""), (b"ic", b""),
        ];
        if !matches!(self.back(1), b'c' | b'e' | b'i' | b'l' | b'm' | b'n' | b'r' | b's' | b't') {
            return;
        }
        let Some((suffix, _)) = self.longest(TABLE) else { return };
        if self.in_r2(suffix.len()) && (*suffix != b"ion" || matches!(self.back(4), b's' | b't')) {
            self.replace(suffix.len(), b"");
        }
    }

    /// Step 5.
    fn final_e(&mut self) {
        let cut = match self.back(1) {
            b'e' => self.in_r2(1) || (self.in_r1(1) && !self.short_syllable(self.len - 1)),
            b'l' => self.in_r2(1) && self.back(2) == b'l',
            _ => false,
        };
        if cut {
            self.replace(1, b"");
        }
    }
}
