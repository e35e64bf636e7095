//! BM25 on real collections, against published figures. Needs the data folder: `../shared/data` beside the project, or
//! TERCET_DATA; without it the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::PathBuf;

use common::{Client, memory};
use serde_json::{Value, json};

/// How far from the reference nDCG may be, up as well as down: what another stemmer does.
const SLACK: f64 = 0.003;
/// The same of recall, which moves by whole documents.
const RECALL_SLACK: f64 = 0.01;
/// References are given to three decimals.
const ROUNDING: f64 = 0.0005;

fn folder(set: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let path = PathBuf::from(std::env::var("TERCET_DATA").unwrap_or_else(|_| beside.to_owned())).join(set);
    if path.join("corpus.jsonl").exists() {
        return Some(path);
    }
    // Straight to standard error: what a passing test prints is swallowed, and this must be seen.
    let _ = writeln!(std::io::stderr(), "\nnot run: no data ({set})");
    None
}

fn jsonl(path: PathBuf) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn qrels(path: PathBuf) -> BTreeMap<String, HashMap<String, f64>> {
    let mut out: BTreeMap<String, HashMap<String, f64>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines().skip(1) {
        let parts: Vec<&str> = line.split('\t').collect();
        out.entry(parts[0].to_owned()).or_default().insert(parts[1].to_owned(), parts[2].parse().unwrap());
    }
    out
}

/// nDCG@10 and recall@100, written out so that this test stands on nothing of ours.
fn measures(ranked: &[String], judged: &HashMap<String, f64>) -> (f64, f64) {
    let gain = |at: usize, grade: f64| grade / ((at + 2) as f64).log2();
    let found = ranked
        .iter()
        .take(10)
        .enumerate()
        .map(|(at, id)| gain(at, judged.get(id).copied().unwrap_or(0.0)))
        .sum::<f64>();
    let mut ideal: Vec<f64> = judged.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = ideal.iter().take(10).enumerate().map(|(at, grade)| gain(at, *grade)).sum();
    let relevant = judged.values().filter(|grade| **grade > 0.0).count() as f64;
    let recalled =
        ranked.iter().take(100).filter(|id| judged.get(*id).is_some_and(|g| *g > 0.0)).count() as f64;
    (if ideal > 0.0 { found / ideal } else { 0.0 }, if relevant > 0.0 { recalled / relevant } else { 0.0 })
}

fn check(set: &str, ndcg_reference: f64, recall_reference: f64) {
    let Some(path) = folder(set) else { return };
    // One field of title and text, as the references have it.
    let schema =
        json!({ "fields": { "contents": { "type": "text", "analyzer": "english", "k1": 0.9, "b": 0.4 } } });
    let client = Client::open(&memory(), ":memory:", &schema);
    let documents: Vec<Value> = jsonl(path.join("corpus.jsonl"))
        .iter()
        .map(|d| {
            let text = format!(
                "{} {}",
                d["title"].as_str().unwrap_or_default(),
                d["text"].as_str().unwrap_or_default()
            );
            json!({ "id": d["_id"], "contents": text })
        })
        .collect();
    client.upsert_chunks(&documents, 700).unwrap();
    let judged = qrels(path.join("qrels/test.tsv"));
    let texts: HashMap<String, String> = jsonl(path.join("queries.jsonl"))
        .iter()
        .map(|q| (q["_id"].as_str().unwrap().to_owned(), q["text"].as_str().unwrap().to_owned()))
        .collect();
    let (mut ndcg, mut recall) = (0.0, 0.0);
    let total = judged.len() as f64;
    for (query, judged) in &judged {
        let request =
            json!({ "query": { "kind": "match", "text": texts[query] }, "limit": 100, "select": [] });
        let ranked: Vec<String> =
            client.ids(request).iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        let (n, r) = measures(&ranked, judged);
        ndcg += n / total;
        recall += r / total;
    }
    println!(
        "{set}: nDCG@10 {ndcg:.4} (reference {ndcg_reference}), recall@100 {recall:.4} (reference {recall_reference})"
    );
    let off = |found: f64, reference: f64| (found - reference).abs() - ROUNDING;
    assert!(off(ndcg, ndcg_reference) <= SLACK, "{set}: nDCG@10 {ndcg}");
    assert!(off(recall, recall_reference) <= RECALL_SLACK, "{set}: recall@100 {recall}");
}

#[test]
fn scifact() {
    check("scifact", 0.679, 0.925);
}

#[test]
fn cranfield() {
    check("cranfield", 0.484, 0.736);
}

#[test]
fn cisi() {
    check("cisi", 0.363, 0.430);
}
