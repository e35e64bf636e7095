//! A collection kept as a plain list, and what it would answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, unreachable_pub)]

use serde_json::{Value, json};

use super::{Client, Dice};

pub const WORDS: [&str; 12] =
    ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay", "kiwi", "lynx"];

/// A document as the oracle keeps it. `batch` tells two writes of the same id apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub id: Value,
    pub words: Vec<&'static str>,
    pub number: i8,
    pub batch: u32,
    pub vector: [f32; 2],
}

impl Kept {
    pub fn new(n: u8, words: &[u8], number: i8, batch: u32) -> Kept {
        let words: Vec<&'static str> = words.iter().map(|w| WORDS[*w as usize]).collect();
        Kept { id: id(n), words, number, batch, vector: [f32::from(number), f32::from(n % 5)] }
    }

    pub fn json(&self) -> Value {
        let text = self.words.join(" ");
        json!({ "id": self.id, "text": text, "number": self.number, "batch": self.batch, "vector": self.vector })
    }

    fn stored(&self) -> Value {
        json!({ "id": self.id, "text": self.words.join(" "), "number": self.number, "batch": self.batch })
    }
}

/// Numbers and the same digits as text live side by side.
pub fn id(n: u8) -> Value {
    if n.is_multiple_of(2) { json!(n / 2) } else { json!((n / 2).to_string()) }
}

pub fn schema() -> Value {
    json!({ "fields": {
        "text": { "type": "text", "analyzer": "whitespace" },
        "number": { "type": "integer" },
        "batch": { "type": "integer" },
        "vector": { "type": "dense", "dims": 2, "metric": "l2" },
    }})
}

/// Documents in their order of insertion.
pub type State = Vec<Kept>;

/// One call that writes.
#[derive(Clone, Debug)]
pub enum Step {
    /// The documents, in chunks of so many.
    Upsert(Vec<Kept>, usize),
    Remove(Vec<u8>),
    RemoveWhere(i8),
    Flush,
    Compact,
    Sync,
    Tag(&'static str),
    Untag(&'static str),
}

impl Step {
    pub fn upsert(documents: &[(u8, Vec<u8>, i8)], chunk: usize, batch: u32) -> Step {
        let mut seen = std::collections::HashSet::new();
        let distinct = documents.iter().filter(|(n, _, _)| seen.insert(*n));
        Step::Upsert(distinct.map(|(n, words, x)| Kept::new(*n, words, *x, batch)).collect(), chunk)
    }

    /// Documents and words by the dice; small batches are more common than large ones.
    pub fn random_upsert(dice: &mut Dice, batch: u32, most: usize) -> Step {
        let count = 1 + if dice.below(4) == 0 { dice.below(most) } else { dice.below(4) };
        let mut document = || {
            let words = (0..dice.below(9)).map(|_| dice.below(12) as u8).collect();
            (dice.below(most + 8) as u8, words, dice.below(7) as i8 - 3)
        };
        let documents: Vec<_> = (0..count).map(|_| document()).collect();
        Step::upsert(&documents, 1 + dice.below(8), batch)
    }

    /// What the step does to the documents.
    pub fn apply(&self, kept: &mut State) {
        match self {
            Step::Upsert(new, _) => {
                kept.retain(|old| !new.iter().any(|new| new.id == old.id));
                kept.extend(new.iter().cloned());
            }
            Step::Remove(ids) => kept.retain(|d| !ids.iter().any(|n| id(*n) == d.id)),
            Step::RemoveWhere(number) => kept.retain(|d| d.number != *number),
            Step::Flush | Step::Compact | Step::Sync | Step::Tag(_) | Step::Untag(_) => {}
        }
    }

    /// The step on a collection that holds `kept`. What it replies is checked.
    pub fn run(&self, client: &Client, kept: &[Kept]) -> Result<(), tercet_engine::wire::TercetError> {
        let count = |goes: &dyn Fn(&Kept) -> bool| kept.iter().filter(|d| goes(d)).count();
        match self {
            Step::Upsert(new, chunk) => {
                let values: Vec<Value> = new.iter().map(Kept::json).collect();
                let reply = client.upsert_chunks(&values, *chunk)?;
                let replaced = count(&|old| new.iter().any(|new| new.id == old.id));
                assert_eq!(reply, json!({ "written": new.len(), "replaced": replaced }));
            }
            Step::Remove(ids) => {
                let ids: Vec<Value> = ids.iter().map(|n| id(*n)).collect();
                let reply = client.call("remove", json!({ "ids": ids }))?;
                assert_eq!(reply["removed"], json!(count(&|d| ids.contains(&d.id))));
            }
            Step::RemoveWhere(number) => {
                let reply = client.call("removeWhere", json!({ "where": { "number": number } }))?;
                assert_eq!(reply["removed"], json!(count(&|d| d.number == *number)));
            }
            Step::Flush => drop(client.call("flush", json!({}))?),
            Step::Compact => drop(client.call("compact", json!({}))?),
            Step::Sync => drop(client.call("sync", json!({}))?),
            Step::Tag(name) => drop(client.call("tag", json!({ "name": name }))?),
            Step::Untag(name) => drop(client.call("untag", json!({ "name": name }))?),
        }
        Ok(())
    }
}

fn oracle_match(kept: &[Kept], query: &[&str], passes: impl Fn(&Kept) -> bool) -> Vec<(Value, f64)> {
    let n = kept.len() as f64;
    let average = kept.iter().map(|d| d.words.len()).sum::<usize>() as f64 / n;
    let mut scored: Vec<(Value, f64)> = Vec::new();
    for d in kept.iter().filter(|d| passes(d)) {
        let (mut score, mut matched) = (0.0, false);
        for word in query {
            let df = kept.iter().filter(|d| d.words.contains(word)).count() as f64;
            let tf = d.words.iter().filter(|w| *w == word).count() as f64;
            if tf > 0.0 {
                matched = true;
                let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
                score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * d.words.len() as f64 / average));
            }
        }
        if matched {
            scored.push((d.id.clone(), score));
        }
    }
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored
}

fn oracle_near(kept: &[Kept], query: [f32; 2]) -> Vec<(Value, f64)> {
    let distance = |d: &Kept| (d.vector[0] - query[0]).powi(2) + (d.vector[1] - query[1]).powi(2);
    let mut scored: Vec<(Value, f64)> =
        kept.iter().map(|d| (d.id.clone(), -f64::from(distance(d)))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored
}

/// Scores agree to 1e-4 position by position; ids agree wherever scores are told apart, and always where documents tie
/// in both. (Sums of the same numbers in another order tie for the oracle and may differ in the last bit here.)
fn agree(found: &[(Value, f32)], wanted: &[(Value, f64)]) {
    assert_eq!(found.len(), wanted.len());
    for ((id, score), (wanted_id, wanted_score)) in found.iter().zip(wanted) {
        assert!((f64::from(*score) - wanted_score).abs() < 1e-4, "{found:?}\n{wanted:?}");
        let close =
            wanted.iter().filter(|(_, s)| (s - wanted_score).abs() < 1e-4).any(|(_, s)| s != wanted_score);
        let rounded = || found.iter().any(|(id, s)| id == wanted_id && s != score);
        assert!(id == wanted_id || close || rounded(), "{found:?}\n{wanted:?}");
    }
    let ties = |at: usize| found[at].1 == found[at + 1].1 && wanted[at].1 == wanted[at + 1].1;
    for at in (1..found.len()).map(|at| at - 1).filter(|at| ties(*at)) {
        let place = |id: &Value| wanted.iter().position(|(other, _)| other == id);
        let (first, second) = (place(&found[at].0), place(&found[at + 1].0));
        let told_apart = wanted[first.unwrap()].1 != wanted[second.unwrap()].1;
        assert!(first < second || told_apart, "{found:?}\n{wanted:?}");
    }
}

/// Every document of a collection as stored, in the order of insertion.
pub fn stored(client: &Client) -> Vec<Value> {
    let page = client.call("search", json!({ "query": { "kind": "all" }, "limit": 1000 })).unwrap();
    let hits = page["hits"].as_array().unwrap();
    hits.iter()
        .map(|hit| {
            let d = &hit["document"];
            json!({ "id": hit["id"], "text": d["text"], "number": d["number"], "batch": d["batch"] })
        })
        .collect()
}

/// Whether documents as [`stored`] gives them are a state's.
pub fn is(stored: &[Value], kept: &[Kept]) -> bool {
    stored.len() == kept.len() && stored.iter().zip(kept).all(|(found, kept)| *found == kept.stored())
}

/// Asks everything that the oracle can answer too.
pub fn check(client: &Client, kept: &[Kept]) {
    let found = stored(client);
    assert!(is(&found, kept), "{found:?}\n{kept:?}");
    assert_eq!(client.call("count", json!({})).unwrap()["count"], json!(kept.len()));
    let passing = kept.iter().filter(|d| d.number >= 0).count();
    let filter = json!({ "number": { "gte": 0 } });
    assert_eq!(client.call("count", json!({ "where": filter })).unwrap()["count"], json!(passing));
    for words in [&["ant"][..], &["bee", "cat", "dog"], &["kiwi", "jay"]] {
        let query = json!({ "kind": "match", "text": words.join(" ") });
        let found = client.search(json!({ "query": query, "limit": 1000 })).unwrap();
        agree(&found, &oracle_match(kept, words, |_| true));
        let found = client.search(json!({ "query": query, "limit": 1000, "where": filter })).unwrap();
        agree(&found, &oracle_match(kept, words, |d| d.number >= 0));
    }
    let near = json!({ "kind": "near", "field": "vector", "vector": [0.5, 1.5] });
    agree(&client.search(json!({ "query": near, "limit": 1000 })).unwrap(), &oracle_near(kept, [0.5, 1.5]));
    let ids: Vec<&Value> = kept.iter().map(|d| &d.id).collect();
    let select = ["number", "text", "batch"];
    let got = client.call("get", json!({ "ids": ids, "select": select })).unwrap();
    assert!(is(got["documents"].as_array().unwrap(), kept), "{got}");
}

/// `verify` has nothing to say.
pub fn sound(client: &Client) {
    assert_eq!(client.call("verify", json!({})).unwrap()["problems"], json!([]));
}
