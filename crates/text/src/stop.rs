//! Stop words: short lists of the most frequent function words of a language, and their lookup.
//!
//! Words stand as folding with accents kept leaves them, sorted by bytes (a test checks both).

/// A list and, made at compile time, a hash table of it: most words are told apart without a comparison.
#[derive(Debug, PartialEq)]
pub(crate) struct StopList {
    words: &'static [&'static str],
    /// Open addressing: 0, or one more than the index of a word. Never full.
    slots: [u8; SLOTS],
}

const SLOTS: usize = 256;

impl StopList {
    const fn new(words: &'static [&'static str]) -> StopList {
        assert!(words.len() < SLOTS / 2);
        let mut slots = [0; SLOTS];
        let mut i = 0;
        while i < words.len() {
            let mut slot = hash(words[i].as_bytes());
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            i += 1;
            slots[slot] = i as u8;
        }
        StopList { words, slots }
    }

    /// Whether `word` is on the list.
    #[inline]
    pub(crate) fn has(&self, word: &str) -> bool {
        let mut slot = hash(word.as_bytes());
        while self.slots[slot] != 0 {
            if self.words[usize::from(self.slots[slot]) - 1] == word {
                return true;
            }
            slot = (slot + 1) % SLOTS;
        }
        false
    }
}

/// A slot from the length and the first, the middle and the last byte.
#[inline]
const fn hash(word: &[u8]) -> usize {
    if word.is_empty() {
        return 0;
    }
    let (first, middle, last) = (word[0] as u32, word[word.len() / 2] as u32, word[word.len() - 1] as u32);
    let mix = first ^ (middle << 8) ^ (last << 16) ^ ((word.len() as u32) << 24);
    (mix.wrapping_mul(0x9e37_79b1) >> 24) as usize
}

/// Danish.
#[rustfmt::skip]
pub(crate) static DANISH: StopList = StopList::new(&[
    "af", "at", "de", "den", "der", "det", "du", "efter", "eller", "en", "er", "et", "for", "fra", "han",
    "har", "hun", "i", "ikke", "jeg", "med", "men", "og", "om", "på", "sig", "som", "til", "var", "vi",
]);

/// Dutch.
#[rustfmt::skip]
pub(crate) static DUTCH: StopList = StopList::new(&[
    "aan", "als", "bij", "dat", "de", "die", "door", "een", "en", "er", "het", "hij", "ik", "in", "is",
    "maar", "met", "naar", "niet", "of", "om", "op", "te", "tot", "uit", "van", "voor", "was", "we", "wordt",
    "ze", "zijn",
]);

/// English: Lucene's 33 words.
#[rustfmt::skip]
pub(crate) static ENGLISH: StopList = StopList::new(&[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with",
]);

/// Finnish.
#[rustfmt::skip]
pub(crate) static FINNISH: StopList = StopList::new(&[
    "ei", "että", "hän", "ja", "joka", "jos", "kun", "me", "mutta", "myös", "ne", "niin", "nyt", "oli", "on",
    "ovat", "se", "tai", "tämä", "vai",
]);

/// French.
#[rustfmt::skip]
pub(crate) static FRENCH: StopList = StopList::new(&[
    "au", "aux", "avec", "ce", "ces", "dans", "de", "des", "du", "elle", "en", "est", "et", "il", "ils", "je",
    "la", "le", "les", "leur", "mais", "ne", "nous", "on", "ou", "par", "pas", "pour", "que", "qui", "sa",
    "se", "ses", "son", "sont", "sur", "un", "une", "vous", "à",
]);

/// German.
#[rustfmt::skip]
pub(crate) static GERMAN: StopList = StopList::new(&[
    "als", "am", "an", "auch", "auf", "aus", "bei", "das", "dass", "dem", "den", "der", "des", "die", "ein",
    "eine", "einem", "einen", "einer", "es", "für", "hat", "ich", "im", "in", "ist", "mit", "nicht", "oder",
    "sich", "sie", "sind", "und", "von", "war", "wie", "wird", "zu", "zum", "zur",
]);

/// Hungarian.
#[rustfmt::skip]
pub(crate) static HUNGARIAN: StopList = StopList::new(&[
    "a", "az", "egy", "ez", "ha", "hogy", "is", "meg", "mint", "nem", "van", "volt", "és",
]);

/// Italian.
#[rustfmt::skip]
pub(crate) static ITALIAN: StopList = StopList::new(&[
    "a", "ai", "al", "alla", "anche", "che", "chi", "con", "da", "dal", "dalla", "degli", "dei", "del",
    "della", "delle", "di", "e", "ed", "gli", "i", "il", "in", "la", "le", "lo", "ma", "nel", "nella", "non",
    "o", "per", "più", "si", "sono", "su", "sul", "sulla", "un", "una", "uno", "è",
]);

/// Norwegian.
#[rustfmt::skip]
pub(crate) static NORWEGIAN: StopList = StopList::new(&[
    "at", "av", "de", "den", "det", "du", "eller", "en", "er", "et", "for", "fra", "han", "har", "hun", "i",
    "ikke", "jeg", "med", "men", "og", "om", "på", "seg", "som", "til", "var", "vi",
]);

/// Portuguese.
#[rustfmt::skip]
pub(crate) static PORTUGUESE: StopList = StopList::new(&[
    "ao", "aos", "as", "com", "como", "da", "das", "de", "do", "dos", "e", "em", "entre", "está", "foi",
    "mais", "mas", "na", "nas", "no", "nos", "não", "o", "os", "ou", "para", "pela", "pelo", "por", "que",
    "se", "sem", "ser", "seu", "sua", "um", "uma", "à", "é",
]);

/// Romanian.
#[rustfmt::skip]
pub(crate) static ROMANIAN: StopList = StopList::new(&[
    "a", "al", "ale", "ca", "care", "cu", "de", "din", "este", "la", "mai", "nu", "o", "pe", "pentru", "prin",
    "sau", "se", "sunt", "să", "un", "unei", "unui", "în", "și",
]);

/// Russian.
#[rustfmt::skip]
pub(crate) static RUSSIAN: StopList = StopList::new(&[
    "а", "без", "бы", "в", "во", "для", "до", "его", "ее", "за", "и", "из", "или", "их", "к", "как", "ко",
    "мы", "на", "не", "но", "о", "об", "от", "по", "при", "с", "со", "так", "то", "что", "это", "я",
]);

/// Spanish.
#[rustfmt::skip]
pub(crate) static SPANISH: StopList = StopList::new(&[
    "a", "al", "como", "con", "de", "del", "el", "en", "entre", "es", "esta", "este", "fue", "la", "las",
    "lo", "los", "más", "no", "o", "para", "pero", "por", "que", "se", "si", "sin", "sobre", "son", "su",
    "sus", "un", "una", "y", "ya",
]);

/// Swedish.
#[rustfmt::skip]
pub(crate) static SWEDISH: StopList = StopList::new(&[
    "att", "av", "de", "den", "det", "du", "efter", "eller", "en", "ett", "från", "för", "han", "har", "hon",
    "i", "inte", "jag", "med", "men", "och", "om", "på", "sig", "som", "till", "var", "vi", "är",
]);

/// Turkish.
#[rustfmt::skip]
pub(crate) static TURKISH: StopList = StopList::new(&[
    "ama", "bir", "bu", "da", "daha", "de", "gibi", "ile", "ise", "için", "ki", "mi", "ne", "o", "ve", "veya",
    "ya",
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{Mode, fold};

    #[test]
    fn lists_are_sorted_and_folded() {
        let lists = [
            &DANISH,
            &DUTCH,
            &ENGLISH,
            &FINNISH,
            &FRENCH,
            &GERMAN,
            &HUNGARIAN,
            &ITALIAN,
            &NORWEGIAN,
            &PORTUGUESE,
            &ROMANIAN,
            &RUSSIAN,
            &SPANISH,
            &SWEDISH,
            &TURKISH,
        ];
        for list in lists {
            assert!(list.words.is_sorted(), "{list:?}");
            assert!(!list.has("") && !list.has("zeppelin"));
            for word in list.words {
                assert!(list.has(word));
                let mut folded = String::new();
                fold(Mode::KeepAccents, word, &mut folded);
                assert_eq!(&folded, word);
            }
        }
        assert_eq!(ENGLISH.words.len(), 33);
    }
}
