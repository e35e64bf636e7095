//! Evaluation of rankings against relevance judgements, by the definitions of trec_eval (version 9).
//!
//! - A document is relevant if its grade reaches [`Options::relevant_from`] (1, as in trec_eval); a grade below 0 says
//!   "seen, but not judged": no gain, not relevant, and not a judged non-relevant document for bpref.
//! - trec_eval ignores the ranks in a run. It orders by score, which it holds in 32 bits, and breaks ties by document
//!   id, descending by bytes: [`Order::TrecEval`]. [`Order::Given`] takes a ranking as it stands.
//! - A document that stands twice in a ranking counts once, at its better rank.
//!
//! Pure functions; checked against trec_eval itself in test/vectors/evaluate.json.

mod metric;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

pub use metric::{Metric, UnknownMetric, metric_names};

/// Judgements: query id to document id to grade.
pub type Qrels = BTreeMap<String, BTreeMap<String, i32>>;

/// Rankings: query id to (document id, score), best first.
pub type Run = BTreeMap<String, Vec<(String, f64)>>;

/// How the documents of a ranking are ordered before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By 32-bit score, descending; ties by document id, descending.
    #[default]
    TrecEval,
    /// As they stand; scores are not looked at.
    Given,
}

/// Which queries are measured and averaged over. A measured query that the run does not answer has the value 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queries {
    /// Those with at least one relevant document: the others are 0 whatever is retrieved.
    #[default]
    Relevant,
    /// All in the judgements: trec_eval -c.
    Judged,
    /// Those in the judgements and in the run: trec_eval without -c. Skipping hard queries raises this mean.
    Answered,
}

/// How to evaluate; the default is described at each type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Ties and order.
    pub order: Order,
    /// What is averaged over.
    pub queries: Queries,
    /// The lowest grade of a relevant document; values below 1 count as 1. Gains in nDCG do not depend on it.
    pub relevant_from: i32,
}

impl Default for Options {
    fn default() -> Self {
        Options { order: Order::default(), queries: Queries::default(), relevant_from: 1 }
    }
}

/// The values of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryValues {
    /// Query id.
    pub query: String,
    /// One value for each metric asked for, in that order.
    pub values: Vec<f64>,
}

/// What [`evaluate`] finds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// The measured queries, by id ascending.
    pub queries: Vec<QueryValues>,
    /// The mean of each metric over these queries; 0 if there are none.
    pub means: Vec<f64>,
}

/// Measures `run` against `qrels`. O(n log n) in the length of each ranking.
pub fn evaluate(run: &Run, qrels: &Qrels, metrics: &[Metric], options: &Options) -> Evaluation {
    let relevant_from = options.relevant_from.max(1);
    let mut evaluation = Evaluation { queries: Vec::new(), means: vec![0.0; metrics.len()] };
    for (query, judged) in qrels {
        let ranking = run.get(query);
        let measured = match options.queries {
            Queries::Relevant => judged.values().any(|&grade| grade >= relevant_from),
            Queries::Judged => true,
            Queries::Answered => ranking.is_some(),
        };
        if !measured {
            continue;
        }
        let ranking = ranking.map_or(&[][..], Vec::as_slice);
        let topic = Topic::new(ranking, judged, options.order, relevant_from);
        let values: Vec<f64> = metrics.iter().map(|metric| metric.value(&topic)).collect();
        for (sum, value) in evaluation.means.iter_mut().zip(&values) {
            *sum += value;
        }
        evaluation.queries.push(QueryValues { query: query.clone(), values });
    }
    let count = evaluation.queries.len().max(1) as f64;
    evaluation.means.iter_mut().for_each(|sum| *sum /= count);
    evaluation
}

/// A ranking in its order, a grade for each rank, beside what the judgements hold altogether.
#[derive(Debug)]
struct Topic {
    /// None: not in the judgements.
    grades: Vec<Option<i32>>,
    /// Positive grades in the judgements, descending.
    gains: Vec<i32>,
    relevant_from: i32,
    /// Relevant documents in the judgements.
    relevant: usize,
    /// Judged documents that are not relevant.
    nonrelevant: usize,
}

impl Topic {
    fn new(
        ranking: &[(String, f64)],
        judged: &BTreeMap<String, i32>,
        order: Order,
        relevant_from: i32,
    ) -> Topic {
        let mut ranked: Vec<(&str, f32)> =
            ranking.iter().map(|(id, score)| (id.as_str(), *score as f32)).collect();
        if order == Order::TrecEval {
            // Adding 0 makes -0 and 0 a tie.
            ranked.sort_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)).then_with(|| b.0.cmp(a.0)));
        }
        let mut seen = HashSet::with_capacity(ranked.len());
        ranked.retain(|(id, _)| seen.insert(*id));
        let mut gains: Vec<i32> = judged.values().copied().filter(|&grade| grade > 0).collect();
        gains.sort_unstable_by(|a, b| b.cmp(a));
        Topic {
            grades: ranked.iter().map(|(id, _)| judged.get(*id).copied()).collect(),
            gains,
            relevant_from,
            relevant: judged.values().filter(|&&grade| grade >= relevant_from).count(),
            nonrelevant: judged.values().filter(|&&grade| (0..relevant_from).contains(&grade)).count(),
        }
    }

    /// The grades of the first `k` ranks.
    fn top(&self, k: usize) -> &[Option<i32>] {
        &self.grades[..k.min(self.grades.len())]
    }

    fn is_relevant(&self, grade: Option<i32>) -> bool {
        grade.is_some_and(|grade| grade >= self.relevant_from)
    }

    /// Relevant documents among the first `k`.
    fn hits(&self, k: usize) -> usize {
        self.top(k).iter().filter(|&&grade| self.is_relevant(grade)).count()
    }
}
