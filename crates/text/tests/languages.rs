//! Real text in several languages through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tercet_text::{Analyzer, analyzer_names};

/// Tokens as "term@position".
fn terms(analyzer: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    Analyzer::by_name(analyzer)
        .unwrap()
        .analyze(text, &mut |t| out.push(format!("{}@{}", t.term, t.position)));
    out
}

/// The terms alone, joined by spaces.
fn words(analyzer: &str, text: &str) -> String {
    let mut out = Vec::new();
    Analyzer::by_name(analyzer).unwrap().analyze(text, &mut |t| out.push(t.term.to_owned()));
    out.join(" ")
}

/// Source slices, joined by "|".
fn sources(analyzer: &str, text: &str) -> String {
    let mut out = Vec::new();
    Analyzer::by_name(analyzer)
        .unwrap()
        .analyze(text, &mut |t| out.push(&text[t.start as usize..t.end as usize]));
    out.join("|")
}

#[test]
fn the_table() {
    let names = analyzer_names();
    for name in
        ["standard", "english", "whitespace", "cjk", "german", "french", "russian", "turkish", "tamil"]
    {
        assert!(names.contains(&name), "{name}");
    }
    for name in &names {
        assert_eq!(Analyzer::by_name(name).unwrap().name(), *name);
    }
    let message = Analyzer::by_name("klingon").unwrap_err().to_string();
    assert!(message.contains("\"klingon\"") && message.contains("standard, english"), "{message}");
}

#[test]
fn standard_words_and_numbers() {
    assert_eq!(
        words("standard", "Don't panic: it's 3.14, 1,024 or covid-19!"),
        "don't panic it's 3.14 1,024 or covid 19"
    );
    assert_eq!(
        words("standard", "user_name e.g. a:b 10:30 U.S.A. 3.x _ __ _1"),
        "user_name e.g a:b 10 30 u.s.a 3 x _1"
    );
    assert_eq!(words("standard", ""), "");
    assert_eq!(words("standard", " \t\n— … !? "), "");
    assert_eq!(
        sources("standard", "10\u{202f}000 km, oui\u{202f}! à\u{202f}20"),
        "10\u{202f}000|km|oui|à|20"
    );
    assert_eq!(words("standard", "10\u{202f}000"), "10000");
    assert_eq!(terms("standard", "to be or"), ["to@0", "be@1", "or@2"]);
}

#[test]
fn standard_folds() {
    assert_eq!(words("standard", "Café CAFÉ Cafe\u{301}"), "cafe cafe cafe");
    assert_eq!(
        words("standard", "Straße STRASSE Øresund Ærø œuvre Łódź Đà Þór İstanbul ıssız"),
        "strasse strasse oresund aero oeuvre lodz da thor istanbul issiz"
    );
    assert_eq!(words("standard", "Ὀδυσσεύς ΟΔΥΣΣΕΥΣ Ёлка Đặng"), "οδυσσευσ οδυσσευσ елка dang");
    assert_eq!(words("standard", "ＡＢＣ １２３ ﬁne Ⅳ ①"), "abc 123 fine iv 1");
    assert_eq!(words("standard", "don’t co\u{ad}op naïve שָׁלוֹם مُحَمَّد ٣٤"), "don't coop naive שלום محمد 34");
    assert_eq!(sources("standard", "Die Straße — ﬁne"), "Die|Straße|ﬁne");
}

#[test]
fn english() {
    assert_eq!(
        terms("english", "The cats' and the dog’s running relations, NASA's"),
        ["cat@1", "dog@4", "run@5", "relat@6", "nasa@7"]
    );
    assert_eq!(words("english", "nationally generously skies dying Café's"), "nation generous sky die cafe");
    assert_eq!(sources("english", "dog’s running"), "dog’s|running");
}

#[test]
fn whitespace_changes_nothing() {
    assert_eq!(words("whitespace", " Foo-Bar\u{3000}C++  é\u{301}\n"), "Foo-Bar C++ é\u{301}");
}

#[test]
fn cjk_bigrams() {
    assert_eq!(terms("standard", "東京都 a"), ["東京@0", "京都@1", "a@2"]);
    assert_eq!(sources("standard", "我是中国人。你"), "我是|是中|中国|国人|你");
    assert_eq!(words("standard", "東京タワーのABC"), "東京 京タ タワ ワー ーの abc");
    assert_eq!(words("standard", "ｶﾞﾗｽ か\u{3099} 葛\u{e0100}城"), "ガラ ラス が 葛城");
    assert_eq!(sources("standard", "ｶﾞﾗｽ 葛\u{e0100}城"), "ｶﾞﾗ|ﾗｽ|葛\u{e0100}城");
    assert_eq!(words("standard", "한국어 문서"), "한국어 문서");
    assert_eq!(words("cjk", "한국어 문서 값"), "한국 국어 문서 값");
    assert_eq!(words("cjk", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}\u{110b}\u{1165}"), "한국 국어");
    assert_eq!(words("cjk", "The 日 2024年"), "the 日 2024 年");
}

#[test]
fn languages() {
    assert_eq!(words("german", "Die Bücher der Häuser und Straßen"), "buch haus strass");
    assert_eq!(words("german", "Bücher Bu\u{308}cher BÜCHER"), "buch buch buch");
    assert_eq!(words("french", "L’avion et l'école qu'il aime continuellement"), "avion ecol aim continuel");
    assert_eq!(words("italian", "L'arte dell'opera è nell'anima"), "arte oper anim");
    assert_eq!(words("spanish", "Las canciones más torpedeadas"), "cancion torped");
    assert_eq!(words("russian", "В вавиловке красивые книги и ёлки"), "вавиловк красив книг елк");
    assert_eq!(words("turkish", "KIRIK İzmir ışıklar"), "kirik izmir isik");
    assert_eq!(words("swedish", "Jaktkarlarne på fjällen"), "jaktkarl fjall");
    assert_eq!(words("finnish", "taloissa ja kaupungeissa"), "talo kaupung");
    assert_eq!(words("portuguese", "As nações são boas"), "naco sa boas");
    assert_eq!(words("dutch", "De lichamelijke opheffingen"), "licham opheff");
    assert_eq!(words("greek", "Οι θάλασσες"), "οι θαλασσ");
    assert_eq!(words("arabic", "الكتاب الكتب"), "كتاب كتب");
}

#[test]
fn long_terms_are_dropped_and_keep_their_position() {
    let long = "x".repeat(256);
    assert_eq!(terms("standard", &format!("a {long} b")), ["a@0", "b@2"]);
    assert_eq!(terms("whitespace", &format!("a {long} b")), ["a@0", "b@2"]);
    let fits = "x".repeat(255);
    assert_eq!(words("standard", &fits), fits);
    let marked = format!("e{}", "\u{301}".repeat(300));
    assert_eq!(words("standard", &marked), "e");
    assert_eq!(terms("standard", &format!("{} b", "é".repeat(5000))), ["b@1"]);
}
