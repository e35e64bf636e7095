//! Queries by words, spelled by bytes: every choice of a query is the next byte, so that any bytes are a query.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle};
use tercet_store::{Env, MemoryEnv};

use crate::world::{self, typed};

/// The next choices; zeros at the end.
struct Choices<'a>(&'a [u8]);

const WORDS: [&str; 12] = [
    "ant",
    "bee",
    "ants",
    "beetle",
    "a",
    "",
    "Ant-Bee",
    "ante",
    "élan",
    "漢字",
    "zzzzzzzzzzzzzzzzzzzzzzzz",
    "an",
];

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }

    /// A word of the list or, of what is here, some bytes.
    fn word(&mut self) -> String {
        let choice = usize::from(self.next());
        if let Some(word) = WORDS.get(choice % 16) {
            return (*word).to_owned();
        }
        let (bytes, rest) = self.0.split_at(self.0.len().min(choice / 16));
        self.0 = rest;
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn text(&mut self) -> String {
        let words: Vec<String> = (0..self.below(5)).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn field(&mut self) -> &'static str {
        ["text", "text", "words", "tags"][usize::from(self.below(4))]
    }

    fn query(&mut self, depth: u8) -> Value {
        let boost = [1.0, 0.5, 3.0, 1e6][usize::from(self.below(4))];
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => {
                let (text, operator) = (self.text(), ["or", "and"][usize::from(self.below(2))]);
                json!({ "kind": "match", "text": text, "operator": operator, "boost": boost })
            }
            1 => {
                let least = [1.0, 2.0, 0.5, 9.0][usize::from(self.below(4))];
                json!({ "kind": "match", "text": self.text(), "minimumShouldMatch": least, "fields": { "text": boost } })
            }
            2 => {
                json!({ "kind": "terms", "field": self.field(), "terms": { self.word(): boost, self.word(): 2 } })
            }
            3 => {
                json!({ "kind": "phrase", "field": self.field(), "text": self.text(), "slop": self.below(4) })
            }
            4 => json!({ "kind": "prefix", "field": self.field(), "prefix": self.word(), "boost": boost }),
            5 => {
                let (distance, fixed, swaps) = (self.below(3), self.below(4), self.below(2) == 0);
                json!({ "kind": "fuzzy", "field": self.field(), "text": self.text(), "distance": distance,
                    "prefixLength": fixed, "transpositions": swaps, "maxExpansions": 1 + u32::from(self.next()) })
            }
            6 => json!({ "kind": "all" }),
            _ => {
                let mut list = || (0..self.below(3)).map(|_| self.query(depth - 1)).collect::<Vec<_>>();
                json!({ "kind": "boolean", "must": list(), "should": list(), "mustNot": list(), "filter": list(),
                    "boost": boost })
            }
        }
    }
}

/// Some segments, some documents gone.
fn collection() -> Option<Arc<dyn Handle>> {
    let env: Arc<dyn Env> = Arc::new(MemoryEnv::new());
    let c = world::open(&env, &json!({ "path": ":memory:", "schema": world::schema() })).ok()?;
    for part in 0..3 {
        let documents: Vec<Value> = (0..40)
            .map(|n| {
                let word = |at: usize| WORDS[(part * 40 + n * at) % WORDS.len()];
                let words = format!("{} {} {} w{}", word(1), word(3), word(5), n % 7);
                json!({ "id": part * 40 + n, "f": n, "text": words, "words": words, "tags": ["a"] })
            })
            .collect();
        world::upsert(&c, &documents).ok()?;
    }
    world::ask(&c, "remove", &json!({ "ids": (0..120).step_by(7).collect::<Vec<_>>() })).ok()?;
    Some(c)
}

/// The ids and scores of a page, and what its hits say of their scores.
fn search(c: &Arc<dyn Handle>, request: &Value) -> Option<Vec<(Value, f32, Value)>> {
    let text = request.to_string();
    let _ = c.estimate_us("search", &text, &[]);
    let reply = typed(c.call("search", &text, Vec::new(), &Control::new()))?;
    let page: Value = serde_json::from_str(&reply.json).ok()?;
    let Some(Array::F32(scores)) = reply.arrays.first() else { panic!("no scores") };
    let hits = page["hits"].as_array()?.iter().zip(scores);
    Some(hits.map(|(hit, score)| (hit["id"].clone(), *score, hit["explain"]["score"].clone())).collect())
}

/// One query: the best are the head of all, scores fall, and what explains them adds up to them.
pub fn words(data: &[u8]) {
    static STAYS: OnceLock<Option<Arc<dyn Handle>>> = OnceLock::new();
    let Some(c) = STAYS.get_or_init(collection) else { return };
    let mut choices = Choices(data);
    let (limit, filtered) = (choices.below(12), choices.below(3) == 0);
    let mut request = json!({ "query": choices.query(2), "limit": 200, "select": [] });
    if filtered {
        request["where"] = json!({ "f": { "gte": 9, "lt": 33 } });
    }
    let Some(all) = search(c, &request) else { return };
    world::USED.fetch_add(1, Ordering::Relaxed);
    request["limit"] = json!(limit);
    request["explain"] = json!(true);
    let best = search(c, &request).unwrap_or_default();
    assert_eq!(best.len(), all.len().min(limit.into()), "{request}");
    for (hit, expected) in best.iter().zip(&all) {
        assert_eq!((&hit.0, hit.1.to_bits()), (&expected.0, expected.1.to_bits()), "{request}");
        let told = hit.2.as_f64().map(|score| (score as f32).to_bits());
        assert_eq!(told, Some(hit.1.to_bits()), "{request}");
    }
    assert!(all.iter().all(|hit| hit.1.is_finite() && hit.1 >= 0.0), "{request}");
    assert!(all.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{request}");
}
