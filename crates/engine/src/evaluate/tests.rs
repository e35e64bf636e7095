#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

const VECTORS: &str = include_str!("../../../../test/vectors/evaluate.json");

#[derive(Deserialize)]
struct Vectors {
    metrics: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    relevant_from: i32,
    run: Run,
    qrels: Qrels,
    expected: BTreeMap<String, Vec<f64>>,
}

fn metrics(names: &[&str]) -> Vec<Metric> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

/// One query: the documents in order with falling scores, and judgements "document:grade".
fn one(ranking: &[&str], judged: &[(&str, i32)]) -> (Run, Qrels) {
    let scores = (0..).map(|rank| f64::from(-rank));
    let ranking = ranking.iter().map(|id| id.to_string()).zip(scores).collect();
    let judged = judged.iter().map(|(id, grade)| (id.to_string(), *grade)).collect();
    (Run::from([("q".to_owned(), ranking)]), Qrels::from([("q".to_owned(), judged)]))
}

fn values(ranking: &[&str], judged: &[(&str, i32)], names: &[&str]) -> Vec<f64> {
    let (run, qrels) = one(ranking, judged);
    evaluate(&run, &qrels, &metrics(names), &Options::default()).means
}

#[test]
fn agrees_with_trec_eval() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let metrics: Vec<Metric> = vectors.metrics.iter().map(|name| name.parse().unwrap()).collect();
    for (at, case) in vectors.cases.iter().enumerate() {
        let options =
            Options { queries: Queries::Answered, relevant_from: case.relevant_from, ..Options::default() };
        let found = evaluate(&case.run, &case.qrels, &metrics, &options);
        assert_eq!(found.queries.len(), case.expected.len(), "case {at}");
        for (query, expected) in found.queries.iter().map(|found| (found, &case.expected[&found.query])) {
            for ((metric, value), want) in metrics.iter().zip(&query.values).zip(expected) {
                assert!(close(*value, *want), "case {at} {} {metric}: {value}, not {want}", query.query);
            }
        }
        check_means(case, &metrics, options);
    }
}

/// The three sets of queries, from the expected values: what is not answered is 0.
fn check_means(case: &Case, metrics: &[Metric], options: Options) {
    let relevant = |judged: &BTreeMap<String, i32>| judged.values().any(|&grade| grade >= case.relevant_from);
    let count = case.qrels.values().filter(|judged| relevant(judged)).count();
    let divisors = [
        (Queries::Answered, case.expected.len()),
        (Queries::Judged, case.qrels.len()),
        (Queries::Relevant, count),
    ];
    for (queries, divisor) in divisors {
        let found = evaluate(&case.run, &case.qrels, metrics, &Options { queries, ..options });
        assert_eq!(found.queries.len(), divisor);
        for (i, mean) in found.means.iter().enumerate() {
            // A query without a relevant document can still gain, if its grades lie below the level asked for.
            let counted = |query: &&String| queries != Queries::Relevant || relevant(&case.qrels[*query]);
            let sum: f64 = case.expected.keys().filter(counted).map(|query| case.expected[query][i]).sum();
            assert!(close(*mean, if divisor == 0 { 0.0 } else { sum / divisor as f64 }), "{queries:?}");
        }
    }
}

#[test]
fn by_hand() {
    let judged = [("a", 3), ("b", 1), ("c", 0), ("d", 2)];
    let ideal = 3.0 + 2.0 / 3_f64.log2() + 0.5;
    let found = values(
        &["x", "b", "c", "a"],
        &judged,
        &["ndcg@10", "mrr", "mrr@1", "judged@2", "judged@10", "bpref"],
    );
    let want = [(1.0 / 3_f64.log2() + 3.0 / 5_f64.log2()) / ideal, 0.5, 0.0, 0.5, 0.75, 1.0 / 3.0];
    for (value, want) in found.iter().zip(want) {
        assert!(close(*value, want), "{found:?} {want:?}");
    }
    assert_eq!(values(&["a"], &judged, &["precision@1", "precision@4", "success@1"]), [1.0, 0.25, 1.0]);
    assert_eq!(values(&[], &judged, &["ndcg", "map", "mrr", "judged@5", "bpref"]), [0.0; 5]);
    assert_eq!(values(&["c"], &[("c", 0)], &["ndcg", "map"]), [0.0; 2], "no query is measured");
}

#[test]
fn a_repeated_document_counts_once() {
    assert_eq!(values(&["a", "a", "b"], &[("a", 1), ("b", 1)], &["precision@2", "recall@2"]), [1.0, 1.0]);
}

#[test]
fn ties_fall_to_the_greater_id_or_stay() {
    let run =
        Run::from([("q".into(), vec![("a".into(), 1.000_000_01), ("b".into(), 1.0), ("c".into(), 0.5)])]);
    let qrels = Qrels::from([("q".into(), BTreeMap::from([("a".into(), 1)]))]);
    let mrr =
        |order| evaluate(&run, &qrels, &metrics(&["mrr"]), &Options { order, ..Options::default() }).means[0];
    assert_eq!(mrr(Order::TrecEval), 0.5);
    assert_eq!(mrr(Order::Given), 1.0);
}

#[test]
fn names_of_metrics() {
    for name in
        ["ndcg", "ndcg@10", "map", "map@1000", "mrr@10", "recall@5", "r_precision", "bpref", "success@1"]
    {
        assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
    }
    for name in
        ["", "@", "ndcg@", "ndcg@0", "ndcg@010", "ndcg@+1", "ndcg@99999999999", "NDCG@3", "recall", "bpref@5"]
    {
        assert_eq!(name.parse::<Metric>(), Err(UnknownMetric { name: name.to_owned() }));
    }
    for form in metric_names() {
        assert!(form.replace("@k", "@7").parse::<Metric>().is_ok(), "{form}");
    }
    let message = UnknownMetric { name: "f1".into() }.to_string();
    assert!(message.starts_with("unknown metric \"f1\"; known are ndcg, ndcg@k, map,"), "{message}");
}
