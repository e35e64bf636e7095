//! Stop words: short lists of articles, particles, prepositions and conjunctions, no pronoun-heavy or verb-heavy ones.
//!
//! Words stand as folding with accents kept leaves them, sorted by bytes (a test checks both).

/// Danish.
#[rustfmt::skip]
pub(crate) const DANISH: &[&str] = &[
    "af", "at", "de", "den", "der", "det", "du", "efter", "eller", "en", "er", "et", "for", "fra", "han",
    "har", "hun", "i", "ikke", "jeg", "med", "men", "og", "om", "på", "sig", "som", "til", "var", "vi",
];

/// Dutch.
#[rustfmt::skip]
pub(crate) const DUTCH: &[&str] = &[
    "aan", "als", "bij", "dat", "de", "die", "door", "een", "en", "er", "het", "hij", "ik", "in", "is",
    "maar", "met", "naar", "niet", "of", "om", "op", "te", "tot", "uit", "van", "voor", "was", "we", "wordt",
    "ze", "zijn",
];

/// English: Lucene's 33 words.
#[rustfmt::skip]
pub(crate) const ENGLISH: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with",
];

/// Finnish.
#[rustfmt::skip]
pub(crate) const FINNISH: &[&str] = &[
    "ei", "että", "hän", "ja", "joka", "jos", "kun", "me", "mutta", "myös", "ne", "niin", "nyt", "oli", "on",
    "ovat", "se", "tai", "tämä", "vai",
];

/// French.
#[rustfmt::skip]
pub(crate) const FRENCH: &[&str] = &[
    "au", "aux", "avec", "ce", "ces", "dans", "de", "des", "du", "elle", "en", "est", "et", "il", "ils", "je",
    "la", "le", "les", "leur", "mais", "ne", "nous", "on", "ou", "par", "pas", "pour", "que", "qui", "sa",
    "se", "ses", "son", "sont", "sur", "un", "une", "vous", "à",
];

/// German.
#[rustfmt::skip]
pub(crate) const GERMAN: &[&str] = &[
    "als", "am", "an", "auch", "auf", "aus", "bei", "das", "dass", "dem", "den", "der", "des", "die", "ein",
    "eine", "einem", "einen", "einer", "es", "für", "hat", "ich", "im", "in", "ist", "mit", "nicht", "oder",
    "sich", "sie", "sind", "und", "von", "war", "wie", "wird", "zu", "zum", "zur",
];

/// Hungarian.
#[rustfmt::skip]
pub(crate) const HUNGARIAN: &[&str] = &[
    "a", "az", "egy", "ez", "ha", "hogy", "is", "meg", "mint", "nem", "van", "volt", "és",
];

/// Italian.
#[rustfmt::skip]
pub(crate) const ITALIAN: &[&str] = &[
    "a", "ai", "al", "alla", "anche", "che", "chi", "con", "da", "dal", "dalla", "degli", "dei", "del",
    "della", "delle", "di", "e", "ed", "gli", "i", "il", "in", "la", "le", "lo", "ma", "nel", "nella", "non",
    "o", "per", "più", "si", "sono", "su", "sul", "sulla", "un", "una", "uno", "è",
];

/// Norwegian.
#[rustfmt::skip]
pub(crate) const NORWEGIAN: &[&str] = &[
    "at", "av", "de", "den", "det", "du", "eller", "en", "er", "et", "for", "fra", "han", "har", "hun", "i",
    "ikke", "jeg", "med", "men", "og", "om", "på", "seg", "som", "til", "var", "vi",
];

/// Portuguese.
#[rustfmt::skip]
pub(crate) const PORTUGUESE: &[&str] = &[
    "ao", "aos", "as", "com", "como", "da", "das", "de", "do", "dos", "e", "em", "entre", "está", "foi",
    "mais", "mas", "na", "nas", "no", "nos", "não", "o", "os", "ou", "para", "pela", "pelo", "por", "que",
    "se", "sem", "ser", "seu", "sua", "um", "uma", "à", "é",
];

/// Romanian.
#[rustfmt::skip]
pub(crate) const ROMANIAN: &[&str] = &[
    "a", "al", "ale", "ca", "care", "cu", "de", "din", "este", "la", "mai", "nu", "o", "pe", "pentru", "prin",
    "sau", "se", "sunt", "să", "un", "unei", "unui", "în", "și",
];

/// Russian.
#[rustfmt::skip]
pub(crate) const RUSSIAN: &[&str] = &[
    "а", "без", "бы", "в", "во", "для", "до", "его", "ее", "за", "и", "из", "или", "их", "к", "как", "ко",
    "мы", "на", "не", "но", "о", "об", "от", "по", "при", "с", "со", "так", "то", "что", "это", "я",
];

/// Spanish.
#[rustfmt::skip]
pub(crate) const SPANISH: &[&str] = &[
    "a", "al", "como", "con", "de", "del", "el", "en", "entre", "es", "esta", "este", "fue", "la", "las",
    "lo", "los", "más", "no", "o", "para", "pero", "por", "que", "se", "si", "sin", "sobre", "son", "su",
    "sus", "un", "una", "y", "ya",
];

/// Swedish.
#[rustfmt::skip]
pub(crate) const SWEDISH: &[&str] = &[
    "att", "av", "de", "den", "det", "du", "efter", "eller", "en", "ett", "från", "för", "han", "har", "hon",
    "i", "inte", "jag", "med", "men", "och", "om", "på", "sig", "som", "till", "var", "vi", "är",
];

/// Turkish.
#[rustfmt::skip]
pub(crate) const TURKISH: &[&str] = &[
    "ama", "bir", "bu", "da", "daha", "de", "gibi", "ile", "ise", "için", "ki", "mi", "ne", "o", "ve", "veya",
    "ya",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::{Mode, fold};

    #[test]
    fn lists_are_sorted_and_folded() {
        let lists = [
            DANISH, DUTCH, ENGLISH, FINNISH, FRENCH, GERMAN, HUNGARIAN, ITALIAN, NORWEGIAN, PORTUGUESE,
            ROMANIAN, RUSSIAN, SPANISH, SWEDISH, TURKISH,
        ];
        for list in lists {
            assert!(list.is_sorted(), "{list:?}");
            for word in list {
                let mut folded = String::new();
                fold(Mode::KeepAccents, word, &mut folded);
                assert_eq!(&folded, word);
            }
        }
        assert_eq!(ENGLISH.len(), 33);
    }
}
