//! Queries by words against a naive oracle: every kind, nested, over segments, deletes and merges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;

use common::{Client, Dice, code, memory, runs};
use serde_json::{Value, json};
use tercet_engine::api::Control;
use tercet_engine::wire::Code;

const WORDS: [&str; 14] = [
    "flow", "flows", "flown", "floor", "wing", "wings", "wind", "window", "layer", "layers", "lawyer",
    "heat", "hear", "eth",
];
const FIELDS: [&str; 2] = ["a", "b"];

#[derive(Clone)]
struct Document {
    id: usize,
    year: i64,
    words: [Option<Vec<&'static str>>; 2],
}

impl Document {
    fn random(dice: &mut Dice, id: usize) -> Document {
        let mut words = || {
            (dice.below(8) > 0)
                .then(|| (0..dice.below(14)).map(|_| WORDS[dice.below(4) * dice.below(5)]).collect())
        };
        let words = [words(), words()];
        Document { id, year: dice.below(5) as i64, words }
    }

    fn json(&self) -> Value {
        let mut out = json!({ "id": self.id, "year": self.year });
        for (name, words) in FIELDS.iter().zip(&self.words) {
            if let Some(words) = words {
                out[*name] = json!(words.join(" "));
            }
        }
        out
    }
}

fn schema() -> Value {
    json!({ "fields": {
        "a": { "type": "text", "analyzer": "whitespace", "positions": true, "optional": true },
        "b": { "type": "text", "analyzer": "whitespace", "positions": true, "optional": true, "boost": 2.0, "k1": 0.9, "b": 0.4 },
        "year": { "type": "integer" },
        "tag": { "type": "keyword", "optional": true },
        "plain": { "type": "text", "optional": true },
        "vector": { "type": "dense", "dims": 2, "metric": "l2", "optional": true },
    }})
}

/// What each document scores: a number where it matches.
type Scores = Vec<Option<f64>>;

struct Oracle<'a> {
    documents: &'a [Document],
}

impl Oracle<'_> {
    fn texts(&self, field: usize) -> Vec<Option<&[&'static str]>> {
        self.documents.iter().map(|d| d.words[field].as_deref()).collect()
    }

    fn idf(&self, field: usize, df: usize) -> f64 {
        let n = self.texts(field).iter().flatten().count() as f64;
        (1.0 + (n - df as f64 + 0.5) / (df as f64 + 0.5)).ln()
    }

    /// BM25 of one word that each document holds so often; `idf` of the documents that hold it unless given.
    fn word(&self, field: usize, tfs: &[f64], weight: f64, idf: Option<f64>) -> Scores {
        let texts = self.texts(field);
        let lengths: Vec<f64> = texts.iter().flatten().map(|words| words.len() as f64).collect();
        let average = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let idf = idf.unwrap_or_else(|| self.idf(field, tfs.iter().filter(|tf| **tf > 0.0).count()));
        let (k1, b) = if field == 0 { (1.2, 0.75) } else { (0.9, 0.4) };
        let score = |(text, tf): (&Option<&[&str]>, &f64)| {
            let length = (*text)?.len() as f64;
            (*tf > 0.0).then(|| weight * idf * tf * (k1 + 1.0) / (tf + k1 * (1.0 - b + b * length / average)))
        };
        texts.iter().zip(tfs).map(score).collect()
    }

    fn tfs(&self, field: usize, count: impl Fn(&str) -> f64) -> Vec<f64> {
        let of =
            |words: Option<&[&'static str]>| words.map_or(0.0, |words| words.iter().map(|w| count(w)).sum());
        self.texts(field).into_iter().map(of).collect()
    }

    /// The sum over words, where at least so many match.
    fn sum(&self, words: Vec<Scores>, least: usize) -> Scores {
        (0..self.documents.len())
            .map(|at| {
                let found: Vec<f64> = words.iter().filter_map(|scores| scores[at]).collect();
                (found.len() >= least).then(|| found.iter().sum())
            })
            .collect()
    }

    fn either(a: Scores, b: Scores) -> Scores {
        let both = |(a, b): (Option<f64>, Option<f64>)| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
        };
        a.into_iter().zip(b).map(both).collect()
    }

    fn phrase(&self, field: usize, words: &[&str], slop: i64, weight: f64) -> Scores {
        let tf = |text: Option<&[&str]>| text.map_or(0.0, |text| phrase_tf(text, words, slop));
        let tfs: Vec<f64> = self.texts(field).into_iter().map(tf).collect();
        let df = |word: &str| {
            self.tfs(field, |w| f64::from(u8::from(w == word))).iter().filter(|tf| **tf > 0.0).count()
        };
        let idf = words
            .iter()
            .map(|word| match df(word) {
                0 => 0.0,
                df => self.idf(field, df),
            })
            .sum();
        self.word(field, &tfs, weight, Some(idf))
    }

    fn score(&self, query: &Value, scale: f64) -> Scores {
        let scale = scale * query["boost"].as_f64().unwrap_or(1.0);
        let field = FIELDS.iter().position(|name| query["field"] == *name).unwrap_or(0);
        let own = if field == 0 { 1.0 } else { 2.0 };
        let text: Vec<&str> = query["text"].as_str().unwrap_or_default().split(' ').collect();
        let is = |a: &str, b: &str| f64::from(u8::from(a == b));
        match query["kind"].as_str().unwrap() {
            "all" => vec![Some(0.0); self.documents.len()],
            "match" => {
                let boosts = query["fields"].as_object();
                let of_field = |field: usize| {
                    let own = if field == 0 { 1.0 } else { 2.0 };
                    let boost = match boosts {
                        Some(boosts) => boosts.get(FIELDS[field])?.as_f64().unwrap(),
                        None => own,
                    };
                    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
                    text.iter().for_each(|word| *times.entry(word).or_default() += 1.0);
                    let words = times.iter().map(|(word, times)| {
                        self.word(field, &self.tfs(field, |w| is(w, word)), boost * scale * times, None)
                    });
                    let least = match query["minimumShouldMatch"].as_f64() {
                        _ if query["operator"] == "and" => times.len(),
                        Some(share) if share < 1.0 => (times.len() as f64 * share) as usize,
                        Some(least) => (least as usize).min(times.len()),
                        None => 1,
                    };
                    Some(self.sum(words.collect(), least.max(1)))
                };
                let fields: Vec<Scores> = (0..2).filter_map(of_field).collect();
                fields.into_iter().reduce(Oracle::either).unwrap()
            }
            "terms" => {
                let terms = query["terms"].as_object().unwrap().iter();
                let words = terms.map(|(term, weight)| {
                    let weight = weight.as_f64().unwrap() * scale * own;
                    self.word(field, &self.tfs(field, |w| is(w, term)), weight, None)
                });
                self.sum(words.collect(), query["minimumShouldMatch"].as_u64().unwrap_or(1) as usize)
            }
            "phrase" => self.phrase(field, &text, query["slop"].as_i64().unwrap_or(0), scale * own),
            "prefix" => {
                let prefix = query["prefix"].as_str().unwrap();
                let tfs = self.tfs(field, |word| f64::from(u8::from(word.starts_with(prefix))));
                self.word(field, &tfs, scale * own, None)
            }
            "fuzzy" => {
                let fixed = query["prefixLength"].as_u64().unwrap_or(0) as usize;
                let swaps = query["transpositions"] != false;
                let near = |word: &&str| {
                    let most = query["distance"].as_u64().unwrap_or(match word.len() {
                        0..=2 => 0,
                        3..=5 => 1,
                        _ => 2,
                    });
                    let tfs = self.tfs(field, |other| match edits(word, other, swaps) {
                        edits if edits <= most && other.starts_with(&word[..fixed.min(word.len())]) => {
                            1.0 / (1.0 + edits as f64)
                        }
                        _ => 0.0,
                    });
                    self.word(field, &tfs, scale * own, None)
                };
                let least = if query["operator"] == "and" { text.len() } else { 1 };
                self.sum(text.iter().map(near).collect(), least)
            }
            "boolean" => self.boolean(query, scale),
            other => panic!("{other}"),
        }
    }

    fn boolean(&self, query: &Value, scale: f64) -> Scores {
        let clauses = |name: &str| -> Vec<Scores> {
            let list = query[name].as_array().cloned().unwrap_or_default();
            list.iter().map(|clause| self.score(clause, scale)).collect()
        };
        let (must, should) = (clauses("must"), clauses("should"));
        let (filter, not) = (clauses("filter"), clauses("mustNot"));
        let alone = must.is_empty() && filter.is_empty() && !should.is_empty();
        let least = query["minimumShouldMatch"].as_u64().map_or(usize::from(alone), |n| n as usize);
        (0..self.documents.len())
            .map(|at| {
                let hits = should.iter().filter(|s| s[at].is_some()).count();
                let passes = must.iter().chain(&filter).all(|s| s[at].is_some())
                    && not.iter().all(|s| s[at].is_none())
                    && hits >= least;
                passes.then(|| must.iter().chain(&should).filter_map(|s| s[at]).sum())
            })
            .collect()
    }
}

/// By every choice of positions: at each least shifted position the tightest counts.
fn phrase_tf(text: &[&str], words: &[&str], slop: i64) -> f64 {
    let mut choices: Vec<Vec<usize>> = vec![vec![]];
    for (slot, word) in words.iter().enumerate() {
        let twin = words[..slot].iter().rposition(|before| before == word);
        choices = choices
            .iter()
            .flat_map(|choice| {
                let places = text.iter().enumerate().filter(|(_, w)| *w == word).map(|(at, _)| at);
                places
                    .filter(|at| twin.is_none_or(|twin| choice[twin] < *at))
                    .map(|at| [choice.as_slice(), &[at]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    let mut tightest: BTreeMap<i64, i64> = BTreeMap::new();
    for choice in choices {
        let shifted: Vec<i64> =
            choice.iter().enumerate().map(|(slot, at)| *at as i64 - slot as i64).collect();
        let (least, most) = (*shifted.iter().min().unwrap(), *shifted.iter().max().unwrap());
        let width = tightest.entry(least).or_insert(i64::MAX);
        *width = (*width).min(most - least);
    }
    tightest.values().filter(|width| **width <= slop).map(|width| 1.0 / (1.0 + *width as f64)).sum()
}

fn edits(a: &str, b: &str, swaps: bool) -> u64 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = (i + j) as u64;
                continue;
            }
            let kept = table[i - 1][j - 1] + u64::from(a[i - 1] != b[j - 1]);
            table[i][j] = kept.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if swaps && i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[a.len()][b.len()]
}

fn leaf(dice: &mut Dice) -> Value {
    let mut some = |most: usize| {
        let count = 1 + dice.below(most);
        (0..count).map(|_| WORDS[dice.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
    };
    let (text, phrase) = (some(4), some(3));
    let word = some(1);
    let field = FIELDS[dice.below(2)];
    match dice.below(8) {
        0 => json!({ "kind": "match", "text": text }),
        1 => json!({ "kind": "match", "text": text, "operator": "and", "boost": 0.5 }),
        2 => json!({ "kind": "match", "text": text, "fields": { field: 3.0 }, "minimumShouldMatch": 2 }),
        3 => json!({ "kind": "match", "text": text, "minimumShouldMatch": 0.6 }),
        4 => {
            json!({ "kind": "terms", "field": field, "terms": { WORDS[dice.below(7)]: 0.5, WORDS[7 + dice.below(7)]: 2.0 },
                "minimumShouldMatch": 1 + dice.below(2) })
        }
        5 => json!({ "kind": "phrase", "field": field, "text": phrase, "slop": dice.below(4), "boost": 1.5 }),
        6 => json!({ "kind": "prefix", "field": field, "prefix": word[..1 + dice.below(word.len() - 1)] }),
        _ => {
            let mut query = json!({ "kind": "fuzzy", "field": field, "text": word, "prefixLength": dice.below(3),
                "transpositions": dice.below(2) == 0, "operator": "and" });
            if dice.below(2) == 0 {
                query["distance"] = json!(dice.below(3));
            }
            query
        }
    }
}

fn query(dice: &mut Dice, depth: usize) -> Value {
    if depth == 0 || dice.below(3) == 0 {
        return if dice.below(12) == 0 { json!({ "kind": "all" }) } else { leaf(dice) };
    }
    let mut out = json!({ "kind": "boolean" });
    for (name, most) in [("must", 2), ("should", 3), ("mustNot", 2), ("filter", 2)] {
        let count = dice.below(most + 1);
        if count > 0 {
            out[name] = (0..count).map(|_| query(dice, depth - 1)).collect();
        }
        if name == "should" && dice.below(2) == 0 {
            out["minimumShouldMatch"] = json!(dice.below(count + 1));
        }
    }
    if dice.below(3) == 0 {
        out["boost"] = json!(2.5);
    }
    out
}

fn check(client: &Client, documents: &[Document], query: &Value, explain: bool) {
    let oracle = Oracle { documents };
    for year in [None, Some(2)] {
        let passes = |d: &Document| year.is_none_or(|year| d.year >= year);
        let scores = oracle.score(query, 1.0);
        let expected: BTreeMap<usize, f64> = documents
            .iter()
            .zip(&scores)
            .filter(|(d, _)| passes(d))
            .filter_map(|(d, score)| Some((d.id, (*score)?)))
            .collect();
        let mut request = json!({ "query": query, "limit": 1000, "select": [] });
        if let Some(year) = year {
            request["where"] = json!({ "year": { "gte": year } });
        }
        let found = client.search(request.clone()).unwrap();
        let ids: Vec<usize> = found.iter().map(|(id, _)| id.as_u64().unwrap() as usize).collect();
        assert_eq!(ids.len(), expected.len(), "{query}\n{found:?}\n{expected:?}");
        for ((_, score), id) in found.iter().zip(&ids) {
            let wanted = expected.get(id).unwrap_or_else(|| panic!("{id} of {query}"));
            let error = (f64::from(*score) - wanted).abs();
            assert!(error < 1e-4 * wanted.max(1.0), "{id}: {score} {wanted} of {query}");
        }
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1), "{query}");
        request["limit"] = json!(3);
        assert_eq!(client.search(request.clone()).unwrap(), found[..found.len().min(3)], "{query}");
        if explain {
            request["explain"] = json!(true);
            let page = client.call("search", request).unwrap();
            for (hit, (_, score)) in page["hits"].as_array().unwrap().iter().zip(&found) {
                let told = hit["explain"]["score"].as_f64().unwrap() as f32;
                assert_eq!(told.to_bits(), score.to_bits());
                check_sum(&hit["explain"], query);
            }
        }
    }
}

/// The parts of a boolean and of words add up.
fn check_sum(explain: &Value, query: &Value) {
    let parts = explain["parts"].as_array().cloned().unwrap_or_default();
    // A filter has no score.
    let Some(whole) = explain["score"].as_f64() else { return };
    if explain["part"] == "boolean" {
        let sum: f64 = parts.iter().filter_map(|part| part["score"].as_f64()).sum();
        assert!((sum - whole).abs() < 1e-4 * whole.max(1.0), "{query}\n{explain:#}");
    }
    if explain["part"] == "term" {
        let number = |name: &str| explain["details"][name].as_f64().unwrap();
        let score = number("weight") * number("impact");
        assert!((score - whole).abs() < 1e-4 * whole.max(1.0), "{explain:#}");
    } else {
        parts.iter().for_each(|part| check_sum(part, query));
    }
}

#[test]
fn every_query_agrees_with_the_oracle() {
    for seed in 0..runs(6) {
        let mut dice = Dice::new(seed * 977 + 5);
        let client = Client::open(&memory(), ":memory:", &schema());
        let mut documents: Vec<Document> = (0..60).map(|id| Document::random(&mut dice, id)).collect();
        for chunk in documents.chunks(17) {
            client.upsert(&chunk.iter().map(Document::json).collect::<Vec<_>>()).unwrap();
        }
        for round in 0..3 {
            for _ in 0..60 {
                check(&client, &documents, &query(&mut dice, 2), round == 1);
            }
            match round {
                0 => {
                    let gone: Vec<usize> = (0..8).map(|_| dice.below(60)).collect();
                    client.call("remove", json!({ "ids": gone })).unwrap();
                    documents.retain(|d| !gone.contains(&d.id));
                    let changed = Document::random(&mut dice, 61);
                    client.upsert(&[changed.json()]).unwrap();
                    documents.push(changed);
                }
                _ => drop(client.call("compact", json!({})).unwrap()),
            }
        }
    }
}

#[test]
fn highlights_are_the_words_that_matched() {
    let client = Client::open(&memory(), ":memory:", &schema());
    let text = "layer flow layer wing flow ëxtra layers 😀 flow layer heat";
    client.upsert(&[json!({ "id": 1, "a": text, "year": 1 })]).unwrap();
    let marked = |query: Value| -> Vec<String> {
        let page = client.call("search", json!({ "query": query, "highlight": ["a"] })).unwrap();
        let units: Vec<u16> = text.encode_utf16().collect();
        let ranges = page["hits"][0]["highlights"]["a"].as_array().unwrap();
        let cut = |range: &Value| {
            let (start, end) = (range[0].as_u64().unwrap() as usize, range[1].as_u64().unwrap() as usize);
            format!("{start}:{}", String::from_utf16(&units[start..end]).unwrap())
        };
        ranges.iter().map(cut).collect()
    };
    let phrase = |slop| json!({ "kind": "phrase", "field": "a", "text": "flow layer", "slop": slop });
    assert_eq!(marked(phrase(0)), ["6:flow", "11:layer", "43:flow", "48:layer"]);
    assert_eq!(marked(phrase(3)), ["0:layer", "6:flow", "11:layer", "43:flow", "48:layer"]);
    let prefix = json!({ "kind": "prefix", "field": "a", "prefix": "lay" });
    assert_eq!(marked(prefix), ["0:layer", "11:layer", "33:layers", "48:layer"]);
    let fuzzy = json!({ "kind": "fuzzy", "field": "a", "text": "hæat folw", "distance": 1 });
    assert_eq!(marked(fuzzy.clone()), ["6:flow", "22:flow", "43:flow", "54:heat"]);
    let both = json!({ "kind": "boolean", "must": [phrase(0)], "should": [{ "kind": "match", "text": "wing" }], "mustNot": [{ "kind": "match", "text": "floor" }] });
    assert_eq!(marked(both), ["6:flow", "11:layer", "17:wing", "43:flow", "48:layer"]);
    let fused = json!({ "kind": "fuse", "method": "rrf", "queries": [fuzzy, phrase(0)] });
    assert_eq!(marked(fused), ["6:flow", "11:layer", "22:flow", "43:flow", "48:layer", "54:heat"]);
}

#[test]
fn bad_queries_are_refused() {
    let client = Client::open(&memory(), ":memory:", &schema());
    let words: Vec<Value> =
        (0..1_200).map(|n| json!({ "id": n, "year": 1, "a": format!("word{n}") })).collect();
    client.upsert(&words).unwrap();
    let refused = |query: Value| code(client.search(json!({ "query": query })));
    let nested = |depth: usize| {
        (0..depth).fold(json!({ "kind": "all" }), |inner, _| json!({ "kind": "boolean", "must": [inner] }))
    };
    assert!(client.search(json!({ "query": nested(8) })).is_ok());
    let phrase = |field: &str, text: &str| json!({ "kind": "phrase", "field": field, "text": text });
    for (query, wanted) in [
        (phrase("plain", "a b"), Code::Query),
        (phrase("year", "a b"), Code::Query),
        (phrase("tag", "a b"), Code::Query),
        (phrase("nowhere", "a b"), Code::Field),
        (phrase("a", "  "), Code::Query),
        (phrase("a", &"x ".repeat(65)), Code::Limit),
        (json!({ "kind": "phrase", "field": "a", "text": "x", "slop": -1 }), Code::Limit),
        (json!({ "kind": "prefix", "field": "a", "prefix": " " }), Code::Query),
        (json!({ "kind": "prefix", "field": "a", "prefix": "w" }), Code::Limit),
        (json!({ "kind": "prefix", "field": "a", "prefix": "w", "maxExpansions": 70_000 }), Code::Limit),
        (json!({ "kind": "fuzzy", "field": "a", "text": "word1", "distance": 3 }), Code::Limit),
        (json!({ "kind": "fuzzy", "field": "a", "text": "word11", "maxExpansions": 5 }), Code::Limit),
        (json!({ "kind": "terms", "field": "a", "terms": {} }), Code::Limit),
        (json!({ "kind": "terms", "field": "a", "terms": { "x": 0 } }), Code::Limit),
        (json!({ "kind": "match", "text": "x", "boost": 0 }), Code::Limit),
        (json!({ "kind": "match", "text": "x", "minimumShouldMatch": 1.5 }), Code::Query),
        (json!({ "kind": "match", "text": "x", "minimumShouldMatch": 2, "operator": "and" }), Code::Query),
        (json!({ "kind": "boolean", "should": [{ "kind": "all" }], "minimumShouldMatch": 2 }), Code::Limit),
        (
            json!({ "kind": "boolean", "must": [{ "kind": "near", "field": "vector", "vector": [1, 2] }] }),
            Code::Query,
        ),
        (json!({ "kind": "boolean", "must": vec![json!({ "kind": "all" }); 1_024] }), Code::Limit),
        (
            json!({ "kind": "boolean", "boost": 1e6, "must": [{ "kind": "boolean", "boost": 1e6, "must": [{ "kind": "match", "text": "x", "boost": 2 }] }] }),
            Code::Limit,
        ),
        (nested(9), Code::Limit),
    ] {
        assert_eq!(refused(query.clone()), wanted, "{query}");
    }
    let error = client.search(json!({ "query": phrase("plain", "a b") })).unwrap_err();
    assert!(error.to_string().contains("positions: true"), "{error}");
    let raised = json!({ "kind": "prefix", "field": "a", "prefix": "w", "maxExpansions": 1_200 });
    assert_eq!(client.ids(json!({ "query": raised })).len(), 10);
    let odd = json!({ "kind": "match", "text": "x", "fields": ["a"], "slop": 3 });
    assert_eq!(refused(odd), Code::Query);
}

#[test]
fn stemmed_and_folded_fields_are_asked_as_they_are_indexed() {
    let schema = json!({ "fields": { "t": { "type": "text", "analyzer": "english", "positions": true } } });
    let client = Client::open(&memory(), ":memory:", &schema);
    let texts = ["The Flow of Air over a Wing", "Café layers were flowing", "flow air"];
    let documents: Vec<Value> = texts.iter().enumerate().map(|(id, t)| json!({ "id": id, "t": t })).collect();
    client.upsert(&documents).unwrap();
    let ids = |query: Value| client.ids(json!({ "query": query }));
    let phrase = |text: &str| ids(json!({ "kind": "phrase", "field": "t", "text": text }));
    assert_eq!(phrase("flows of the airs"), Vec::<Value>::new(), "a dropped word keeps its place");
    assert_eq!(phrase("flows the air"), [json!(0)]);
    assert_eq!(phrase("flowing air"), [json!(2)]);
    assert_eq!(phrase("the of"), Vec::<Value>::new());
    assert_eq!(ids(json!({ "kind": "prefix", "field": "t", "prefix": "CAF" })), [json!(1)]);
    assert_eq!(
        ids(json!({ "kind": "fuzzy", "field": "t", "text": "layrs cafe", "operator": "and" })),
        [json!(1)]
    );
}

/// The cap counts the words of all clauses that share it, not each alone.
#[test]
fn expansions_are_capped_for_the_whole_query() {
    let client = Client::open(&memory(), ":memory:", &schema());
    let words: Vec<Value> =
        (0..400).map(|n| json!({ "id": n, "year": 1, "a": format!("cart{n:03} bolt{n:03}") })).collect();
    client.upsert_chunks(&words, 150).unwrap();
    let found =
        |query: &Value| client.search(json!({ "query": query, "limit": 1_000 })).map(|hits| hits.len());
    let fuzzy = |text: &str, most: i64| json!({ "kind": "fuzzy", "field": "a", "text": text, "distance": 1, "maxExpansions": most });
    // Each stands for 22 words: one digit of three is another (the first up to 3), or none.
    assert_eq!(found(&fuzzy("cart111", 22)).unwrap(), 22);
    assert_eq!(found(&fuzzy("cart111 bolt222", 44)).unwrap(), 44);
    assert_eq!(code(found(&fuzzy("cart111 bolt222", 43))), Code::Limit);
    // Of their own each may have so many, together they may not.
    let many: Vec<Value> =
        (0..1_000).map(|_| json!({ "kind": "prefix", "field": "a", "prefix": "c" })).collect();
    assert!(found(&json!({ "kind": "boolean", "should": many[..160] })).is_ok());
    let error = found(&json!({ "kind": "boolean", "should": many[..170] })).unwrap_err();
    assert_eq!(error.code(), Code::Limit);
    assert!(error.to_string().contains("65536"), "{error}");
}

/// 8 bytes for each row of each list: without a cap a thousand clauses would take what memory there is.
#[test]
fn lists_of_computed_words_are_capped_for_the_whole_query() {
    let client = Client::open(&memory(), ":memory:", &schema());
    let words: Vec<Value> = (0..40_000).map(|n| json!({ "id": n, "year": 1, "a": "carts bolts" })).collect();
    client.upsert_chunks(&words, 40_000).unwrap();
    let beginning = json!({ "kind": "prefix", "field": "a", "prefix": "c" });
    let phrase = json!({ "kind": "phrase", "field": "a", "text": "carts bolts" });
    let near = json!({ "kind": "fuzzy", "field": "a", "text": "bolds", "distance": 1 });
    let mut clauses = vec![phrase, near];
    clauses.extend((0..900).map(|_| beginning.clone()));
    let error =
        client.search(json!({ "query": { "kind": "boolean", "should": clauses }, "limit": 1 })).unwrap_err();
    assert_eq!((error.code(), error.0.expected.as_deref()), (Code::Limit, Some("at most 33554432")));
    clauses.truncate(5);
    assert_eq!(
        client.ids(json!({ "query": { "kind": "boolean", "should": clauses }, "limit": 1 })),
        [json!(0)]
    );
}

#[test]
fn a_cancelled_search_by_words_stops() {
    let client = Client::open(&memory(), ":memory:", &schema());
    client.upsert(&[json!({ "id": 1, "year": 1, "a": "some words" })]).unwrap();
    let control = Control::new();
    control.cancel();
    let word = json!({ "kind": "match", "text": "some" });
    for query in [
        json!({ "kind": "prefix", "field": "a", "prefix": "w" }),
        json!({ "kind": "fuzzy", "field": "a", "text": "sone" }),
        json!({ "kind": "phrase", "field": "a", "text": "some words" }),
        json!({ "kind": "boolean", "must": [word], "should": [word] }),
        word.clone(),
        json!({ "kind": "terms", "field": "a", "terms": { "some": 1 } }),
    ] {
        let request = json!({ "query": query, "limit": 3 }).to_string();
        let stopped = client.0.call("search", &request, Vec::new(), &control);
        assert_eq!(stopped.map(drop).unwrap_err().code(), Code::Aborted, "{query}");
    }
    assert_eq!(client.ids(json!({ "query": word })), [json!(1)], "the next search is not stopped");
}
