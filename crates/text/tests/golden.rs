//! Golden tokens in test/vectors/analysis.json, one case a line, shared with the other backends.
//!
//! A token is [term, position, start, end]. TERCET_BLESS=1 writes the file anew; read the difference before keeping it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use serde_json::{Value, json};
use tercet_text::{Analyzer, analyzer_names};

/// Texts for the plain pipelines, each with the languages that are shown on it.
const TEXTS: &[(&str, &str)] = &[
    ("", ""),
    (
        "The quick brown foxes weren't jumping; they'd 3.14 covid-19 dogs' tails. It's NASA's U.S.A. user_name a:b 1,024.",
        "",
    ),
    (
        "“Don’t” — the dog’s naïve café, Œuvre, Ærø, Straße, Łódź, Þór, ﬁne Ⅳ ½ co\u{ad}op 10\u{202f}000 km",
        "",
    ),
    ("Die Bücher der größten Häuser und Bu\u{308}cher, mußte DIE STRASSE", "german"),
    (
        "L’avion et l'école qu'il aime continuellement. Dell'arte è nell'anima. Las canciones más torpedeadas, não as nações",
        "french italian portuguese spanish",
    ),
    (
        "В красивые книги и ёлки мой. Ὀδυσσεύς ΟΔΥΣΣΕΥΣ θάλασσες. שָׁלוֹם צה\"ל مُحَمَّد الكتاب ٣٤",
        "arabic greek russian",
    ),
    ("東京タワーの高さ、333メートル。我是中国人。ｶﾞﾗｽ か\u{3099} 葛\u{e0100}城 ＡＢＣ１２３", ""),
    ("한국어 문서 값 \u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}. ภาษาไทย हिन्दी தமிழ்மொழி नमस्ते", "tamil"),
    (
        "KIRIK İzmir ışıklar I\u{307}stanbul. På fjällen; af rødgrøden, de lichamelijke opheffingen; taloissa ja kaupungeissa; az emberek; și oameni",
        "danish dutch finnish hungarian norwegian romanian swedish turkish",
    ),
    ("😀👍🏽 🇩🇪a 1️⃣ a😀b \u{feff}x\u{200b}y z\u{200d}w", ""),
];

/// The pipelines that every text goes through.
const PLAIN: &str = "standard english whitespace cjk";

fn tokens(name: &str, text: &str) -> Value {
    let mut tokens = Vec::new();
    Analyzer::by_name(name).unwrap().analyze(text, &mut |t| {
        tokens.push(json!([t.term, t.position, t.start, t.end]));
    });
    Value::Array(tokens)
}

fn cases() -> String {
    let mut lines = Vec::new();
    for (text, languages) in TEXTS {
        for name in PLAIN.split(' ').chain(languages.split_whitespace()) {
            lines.push(json!({ "analyzer": name, "text": text, "tokens": tokens(name, text) }).to_string());
        }
    }
    format!("[\n{}\n]\n", lines.join(",\n"))
}

#[test]
fn tokens_are_those_of_the_golden_file() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../test/vectors/analysis.json");
    if std::env::var("TERCET_BLESS").is_ok_and(|value| value == "1") {
        std::fs::write(&path, cases()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).expect("golden file; TERCET_BLESS=1 writes it");
    for (have, want) in cases().lines().zip(golden.lines()) {
        assert_eq!(have, want);
    }
    assert_eq!(cases().len(), golden.len());
}

#[test]
fn every_analyzer_is_shown() {
    let shown: Vec<&str> =
        TEXTS.iter().flat_map(|(_, languages)| languages.split(' ')).chain(PLAIN.split(' ')).collect();
    for name in analyzer_names() {
        assert!(shown.contains(&name), "add a text for {name}");
    }
}
