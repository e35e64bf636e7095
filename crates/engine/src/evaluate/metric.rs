//! The metrics: names, and one small function each.
//!
//! To add one: a variant, a line in [`KINDS`] and an arm in [`Metric::value`].

use std::fmt;
use std::str::FromStr;

use super::Topic;

/// A metric with its cut-off: `k` ranks, None for the whole ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metric {
    kind: Kind,
    k: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Ndcg,
    Map,
    Mrr,
    Recall,
    Precision,
    RPrecision,
    Bpref,
    Judged,
    Success,
}

/// What a name may say of the cut-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Needed,
    Optional,
    None,
}

#[rustfmt::skip]
const KINDS: &[(&str, Kind, Cut)] = &[
    ("ndcg", Kind::Ndcg, Cut::Optional),
    ("map", Kind::Map, Cut::Optional),
    ("mrr", Kind::Mrr, Cut::Optional),
    ("recall", Kind::Recall, Cut::Needed),
    ("precision", Kind::Precision, Cut::Needed),
    ("r_precision", Kind::RPrecision, Cut::None),
    ("bpref", Kind::Bpref, Cut::None),
    ("judged", Kind::Judged, Cut::Needed),
    ("success", Kind::Success, Cut::Needed),
];

/// The forms of names that [`Metric`] is parsed from: `ndcg`, `ndcg@k`, `recall@k`, ...
pub fn metric_names() -> Vec<String> {
    let mut names = Vec::new();
    for (name, _, cut) in KINDS {
        if *cut != Cut::Needed {
            names.push((*name).to_owned());
        }
        if *cut != Cut::None {
            names.push(format!("{name}@k"));
        }
    }
    names
}

/// Not the name of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric {name:?}; known are {}, with k from 1", metric_names().join(", "))]
pub struct UnknownMetric {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(name: &str) -> Result<Metric, UnknownMetric> {
        let unknown = || UnknownMetric { name: name.to_owned() };
        let (base, k) = match name.split_once('@') {
            // No signs and no leading zeros: a metric has one name.
            Some((base, digits))
                if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') =>
            {
                (base, Some(digits.parse().map_err(|_| unknown())?))
            }
            Some(_) => return Err(unknown()),
            None => (name, None),
        };
        let &(_, kind, cut) = KINDS.iter().find(|(known, _, _)| *known == base).ok_or_else(unknown)?;
        let allowed = if k.is_some() { cut != Cut::None } else { cut != Cut::Needed };
        if allowed { Ok(Metric { kind, k }) } else { Err(unknown()) }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind, _)| *kind == self.kind).map_or("", |(name, _, _)| *name);
        match self.k {
            Some(k) => write!(f, "{name}@{k}"),
            None => f.write_str(name),
        }
    }
}

impl Metric {
    /// The value for one query: from 0 to 1.
    pub(super) fn value(&self, topic: &Topic) -> f64 {
        let k = self.k.map_or(usize::MAX, |k| k as usize);
        match self.kind {
            Kind::Ndcg => ndcg(topic, k),
            Kind::Map => average_precision(topic, k),
            Kind::Mrr => reciprocal_rank(topic, k),
            Kind::Recall => ratio(topic.hits(k), topic.relevant),
            Kind::Precision => ratio(topic.hits(k), k),
            Kind::RPrecision => ratio(topic.hits(topic.relevant), topic.relevant),
            Kind::Bpref => bpref(topic),
            Kind::Judged => judged(topic, k),
            Kind::Success => f64::from(u8::from(topic.hits(k) > 0)),
        }
    }
}

/// 0 of nothing is 0.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Gain of the grades in rank order: grade / log2(rank + 1), ranks from 1.
fn discounted(gains: impl Iterator<Item = i32>) -> f64 {
    (2_u64..).zip(gains).map(|(at, gain)| f64::from(gain) / (at as f64).log2()).sum()
}

/// Järvelin and Kekäläinen 2002, as trec_eval has it: the grade itself is the gain, and the ideal ranking is made of all
/// judged documents.
fn ndcg(topic: &Topic, k: usize) -> f64 {
    let ideal = discounted(topic.gains.iter().copied().take(k));
    let gains = topic.top(k).iter().map(|grade| grade.unwrap_or(0).max(0));
    if ideal > 0.0 { discounted(gains) / ideal } else { 0.0 }
}

/// The mean over all relevant documents of the precision at their rank; 0 for those not retrieved.
fn average_precision(topic: &Topic, k: usize) -> f64 {
    let mut hits = 0;
    let mut sum = 0.0;
    for (at, &grade) in topic.top(k).iter().enumerate() {
        if topic.is_relevant(grade) {
            hits += 1;
            sum += ratio(hits, at + 1);
        }
    }
    if topic.relevant == 0 { 0.0 } else { sum / topic.relevant as f64 }
}

fn reciprocal_rank(topic: &Topic, k: usize) -> f64 {
    topic.top(k).iter().position(|&grade| topic.is_relevant(grade)).map_or(0.0, |at| ratio(1, at + 1))
}

/// Buckley and Voorhees 2004: of each retrieved relevant document the share of judged non-relevant ones, counted up to
/// the number of relevant ones, that do not stand above it. Documents without a judgement are passed over.
fn bpref(topic: &Topic) -> f64 {
    let bound = topic.relevant.min(topic.nonrelevant);
    let mut above = 0;
    let mut sum = 0.0;
    for &grade in &topic.grades {
        if topic.is_relevant(grade) {
            sum += 1.0 - ratio(above.min(topic.relevant), bound);
        } else if grade.is_some_and(|grade| grade >= 0) {
            above += 1;
        }
    }
    if topic.relevant == 0 { 0.0 } else { sum / topic.relevant as f64 }
}

/// The share of the first `k` (or fewer, if the ranking is shorter) that the judgements name, whatever the grade.
fn judged(topic: &Topic, k: usize) -> f64 {
    let top = topic.top(k);
    ratio(top.iter().filter(|grade| grade.is_some()).count(), top.len())
}
