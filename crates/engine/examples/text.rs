//! BM25 beside its peers: `cargo run --release -p tercet-engine --example text -- DIR OUT [k1 b]`.
//!
//! DIR is a folder in BEIR's layout. Two levels are measured on one thread: the index (analyzer, dictionary, scoring, top k),
//! and the engine's door (the request as JSON, the page with ids). A JSON line each on standard output; OUT gets the ranking
//! of every query in the format of TREC, so that quality stands beside speed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle, root};
use tercet_index::{
    Accumulators, Bm25, Counters, FieldWords, InvertedBuilder, InvertedReader, MemorySections, RowMap,
    Scored, Sections, TopK, WeightedTerm, best_rows, idf, merge_inverted,
};
use tercet_store::MemoryEnv;
use tercet_text::Analyzer;

/// Times a query is asked; the fastest counts.
const REPEATS: usize = 6;

struct Set {
    ids: Vec<String>,
    texts: Vec<String>,
    /// Where the title ends in each text.
    titles: Vec<usize>,
    queries: Vec<(String, String)>,
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn load(folder: &Path) -> Set {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let documents = lines(&folder.join("corpus.jsonl"));
    Set {
        ids: documents.iter().map(|d| text(d, "_id")).collect(),
        texts: documents.iter().map(|d| format!("{} {}", text(d, "title"), text(d, "text"))).collect(),
        titles: documents.iter().map(|d| text(d, "title").len()).collect(),
        queries: lines(&folder.join("queries.jsonl"))
            .iter()
            .map(|q| (text(q, "_id"), text(q, "text")))
            .collect(),
    }
}

fn build(texts: &[String], analyzer: Analyzer, positions: bool) -> Sections {
    let mut builder = InvertedBuilder::new(positions);
    for (row, text) in texts.iter().enumerate() {
        builder.start_row(row as u32);
        analyzer.analyze(text, &mut |token| builder.push(token.term, token.position));
    }
    builder.finish(texts.len() as u32).unwrap()
}

/// Halves on two threads, then merged.
fn build_on_two(texts: &[String], analyzer: Analyzer) -> Sections {
    let (left, right) = texts.split_at(texts.len() / 2);
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| build(right, analyzer, false));
        (build(left, analyzer, false), other.join().unwrap())
    });
    let open = |texts: &[String], sections: &Sections| {
        InvertedReader::open(texts.len() as u32, &MemorySections::new(sections)).unwrap()
    };
    let (a, b) = (open(left, &a), open(right, &b));
    let rows = |from: usize, to: usize| RowMap((from as u32..to as u32).collect());
    let maps = (rows(0, left.len()), rows(left.len(), texts.len()));
    let mut merged = Sections::new();
    merge_inverted(&[(&a, &maps.0), (&b, &maps.1)], texts.len() as u32, false, &mut merged).unwrap();
    merged
}

/// The sections of the fastest of five builds, and its documents a second.
fn fastest(set: &Set, build: impl Fn() -> Sections) -> (Sections, f64) {
    let (mut seconds, mut sections) = (f64::MAX, Sections::new());
    for _ in 0..5 {
        let start = Instant::now();
        sections = build();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    (sections, (set.texts.len() as f64 / seconds).round())
}

fn search(
    reader: &InvertedReader,
    analyzer: Analyzer,
    params: Bm25,
    acc: &mut Accumulators,
    text: &str,
    k: usize,
) -> Vec<Scored> {
    let documents = reader.rows_with_field(None).unwrap();
    let average = (reader.total_length(None).unwrap() as f64 / documents as f64) as f32;
    let mut terms: Vec<WeightedTerm> = Vec::new();
    analyzer.analyze(text, &mut |token| {
        let Some(term) = reader.term(token.term).unwrap() else { return };
        let weight = idf(documents, reader.doc_freq(term, None).unwrap());
        match terms.iter_mut().find(|known| known.term == term) {
            Some(known) => known.weight += weight,
            None => terms.push(WeightedTerm { term, weight }),
        }
    });
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut top = TopK::new(k);
    let field = FieldWords { reader, terms: &terms, average_length: average, params };
    best_rows(reader.rows(), &[field], None, None, acc, &mut top, &mut Counters::default()).unwrap();
    top.into_sorted()
}

/// Microseconds: mean and quantiles of the fastest of some runs.
fn timed(queries: usize, mut one: impl FnMut(usize)) -> Value {
    let mut best = vec![f64::MAX; queries];
    for _ in 0..REPEATS {
        for (at, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            one(at);
            *best = best.min(start.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    let mean = best.iter().sum::<f64>() / queries as f64;
    best.sort_by(f64::total_cmp);
    let round = |us: f64| (us * 10.0).round() / 10.0;
    json!({ "mean_us": round(mean), "p50_us": round(best[queries / 2]), "p99_us": round(best[queries * 99 / 100]) })
}

/// A collection with one field of title and text, or with two and a number to filter by.
fn engine(set: &Set, params: Bm25, two: bool) -> (Arc<dyn Handle>, f64) {
    let control = Control::new();
    let field = json!({ "type": "text", "analyzer": "english", "k1": params.k1, "b": params.b });
    let fields = match two {
        true => json!({ "title": field, "body": field, "n": { "type": "integer" } }),
        false => json!({ "contents": field }),
    };
    let open = json!({ "path": ":memory:", "schema": { "fields": fields } }).to_string();
    let collection =
        root(Arc::new(MemoryEnv::new())).call("open", &open, vec![], &control).unwrap().handle.unwrap();
    let document = |at: usize| match two {
        true => {
            let (title, body) = set.texts[at].split_at(set.titles[at]);
            json!({ "id": set.ids[at], "title": title, "body": body, "n": at % 10 })
        }
        false => json!({ "id": set.ids[at], "contents": set.texts[at] }),
    };
    let documents: Vec<Value> = (0..set.ids.len()).map(document).collect();
    let chunks: Vec<String> = documents
        .chunks(2_000)
        .enumerate()
        .map(|(at, part)| json!({ "chunk": at, "first": at * 2_000, "documents": part }).to_string())
        .collect();
    let start = Instant::now();
    let batch = collection.call("begin", "{}", vec![], &control).unwrap().handle.unwrap();
    for chunk in &chunks {
        batch.call("stage", chunk, vec![], &control).unwrap();
    }
    batch.call("commit", "{}", vec![], &control).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    collection.call("compact", "{}", vec![], &control).unwrap();
    (collection, seconds)
}

/// Searches through the engine's door: the top 10 without their documents.
fn at_the_door(collection: &dyn Handle, set: &Set, filter: bool) -> Value {
    let request = |text: &String| {
        let mut request = json!({ "query": { "kind": "match", "text": text }, "limit": 10, "select": [] });
        if filter {
            request["where"] = json!({ "n": { "gte": 5 } });
        }
        request.to_string()
    };
    let requests: Vec<String> = set.queries.iter().map(|(_, text)| request(text)).collect();
    let control = Control::new();
    timed(requests.len(), |at| {
        let reply = collection.call("search", &requests[at], vec![], &control).unwrap();
        let Array::F32(scores) = &reply.arrays[0] else { return };
        std::hint::black_box(scores.len());
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(&arguments[0]);
    let number = |at: usize, or: f32| arguments.get(at).map_or(or, |value| value.parse().unwrap());
    let params = Bm25 { k1: number(2, 1.2), b: number(3, 0.75) };
    let set = load(folder);
    let analyzer = Analyzer::by_name("english").unwrap();
    let (sections, docs_per_s) = fastest(&set, || build(&set.texts, analyzer, false));
    let (on_two, docs_per_s_2) = fastest(&set, || build_on_two(&set.texts, analyzer));
    assert_eq!(sections, on_two);
    let total = |sections: &Sections| sections.iter().map(|s| s.1.len()).sum::<usize>();
    let with_positions = total(&build(&set.texts, analyzer, true));
    let reader = InvertedReader::open(set.texts.len() as u32, &MemorySections::new(&sections)).unwrap();
    let postings: u64 =
        (0..reader.term_count()).map(|t| reader.doc_freq(tercet_index::TermId(t), None).unwrap()).sum();
    let mut acc = Accumulators::new();
    let mut run = String::new();
    for (query, text) in &set.queries {
        for (rank, hit) in search(&reader, analyzer, params, &mut acc, text, 1000).iter().enumerate() {
            writeln!(run, "{query} Q0 {} {} {} tercet", set.ids[hit.row as usize], rank + 1, hit.score)
                .unwrap();
        }
    }
    std::fs::write(&arguments[1], run).unwrap();
    let queries = &set.queries;
    let mut at_k = |k: usize| {
        timed(queries.len(), |at| {
            std::hint::black_box(search(&reader, analyzer, params, &mut acc, &queries[at].1, k));
        })
    };
    let (k10, k1000) = (at_k(10), at_k(1000));
    let size = |name: &str| sections.iter().filter(|s| s.0 == name).map(|s| s.1.len()).sum::<usize>();
    println!(
        "{}",
        json!({ "engine": "tercet index", "dir": arguments[0], "docs": set.ids.len(), "docs_per_s": docs_per_s,
            "docs_per_s_2_threads": docs_per_s_2, "postings": postings, "terms": reader.term_count(),
            "index_bytes": total(&sections), "index_bytes_with_positions": with_positions,
            "sections": sections.iter().map(|s| (s.0.clone(), size(&s.0))).collect::<std::collections::BTreeMap<_, _>>(),
            "k10": k10, "k1000": k1000 })
    );

    let (collection, seconds) = engine(&set, params, false);
    let (two, _) = engine(&set, params, true);
    println!(
        "{}",
        json!({ "engine": "tercet engine", "dir": arguments[0],
            "docs_per_s": (set.ids.len() as f64 / seconds).round(), "k10": at_the_door(&*collection, &set, false),
            "two_fields_filter": at_the_door(&*two, &set, true), "two_fields": at_the_door(&*two, &set, false) })
    );
}
