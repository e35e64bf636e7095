//! The text formats of the field, on strings: TREC runs (`query Q0 document rank score tag`), TREC judgements
//! (`query 0 document grade`) and BEIR judgements (tab-separated `query document grade` under a header).
//!
//! Blank lines, a byte order mark and Windows line ends are accepted. What is written is read back the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use super::{Qrels, Run};

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: ParseProblem,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseProblem {
    /// Too few or too many fields.
    #[error("expected {expected} fields, found {found}")]
    Fields {
        /// What a line of this format has.
        expected: usize,
        /// What this line has.
        found: usize,
    },
    /// A score that is no finite number.
    #[error("the score {0:?} is not a finite number")]
    Score(String),
    /// A grade that is no 32-bit integer.
    #[error("the grade {0:?} is not an integer")]
    Grade(String),
    /// An empty query or document id.
    #[error("an id is empty")]
    EmptyId,
    /// The same document for the same query a second time.
    #[error("document {document:?} stands twice under query {query:?}")]
    Duplicate {
        /// Query id.
        query: String,
        /// Document id.
        document: String,
    },
}

/// An id that the format cannot hold: it is empty or contains white space (TREC) or a tab or line end (BEIR).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the id {id:?} cannot be written in this format")]
pub struct UnwritableId {
    /// The id.
    pub id: String,
}

/// The lines that hold something, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

/// Reads a TREC run. The documents of a query are ordered by score, descending; equal scores stay in file order. Ranks
/// and tags are not looked at.
///
/// # Errors
/// [`ParseError`] names the line that has fewer than six fields, a bad score or a repeated document.
pub fn parse_run(text: &str) -> Result<Run, ParseError> {
    let mut run = Run::new();
    let mut seen: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for (line, content) in lines(text) {
        let fail = |problem| ParseError { line, problem };
        let fields: Vec<&str> = content.split_ascii_whitespace().collect();
        let &[query, _, document, _, score, _, ..] = &fields[..] else {
            return Err(fail(ParseProblem::Fields { expected: 6, found: fields.len() }));
        };
        let value: f64 = score.parse().unwrap_or(f64::NAN);
        if !value.is_finite() {
            return Err(fail(ParseProblem::Score(score.to_owned())));
        }
        if !seen.entry(query).or_default().insert(document) {
            return Err(fail(duplicate(query, document)));
        }
        run.entry(query.to_owned()).or_default().push((document.to_owned(), value));
    }
    for ranking in run.values_mut() {
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
    Ok(run)
}

/// Reads TREC judgements.
///
/// # Errors
/// [`ParseError`] names the line that has not four fields, a bad grade or a repeated document.
pub fn parse_qrels(text: &str) -> Result<Qrels, ParseError> {
    let mut qrels = Qrels::new();
    for (line, content) in lines(text) {
        let fields: Vec<&str> = content.split_ascii_whitespace().collect();
        let &[query, _, document, grade] = &fields[..] else {
            let problem = ParseProblem::Fields { expected: 4, found: fields.len() };
            return Err(ParseError { line, problem });
        };
        judge(&mut qrels, query, document, grade).map_err(|problem| ParseError { line, problem })?;
    }
    Ok(qrels)
}

/// Reads BEIR judgements. The first line is a header if its third field is not an integer.
///
/// # Errors
/// [`ParseError`] names the line that has not three fields, a bad grade, an empty id or a repeated document.
pub fn parse_beir_qrels(text: &str) -> Result<Qrels, ParseError> {
    let mut qrels = Qrels::new();
    for (at, (line, content)) in lines(text).enumerate() {
        let fields: Vec<&str> = content.split('\t').map(str::trim).collect();
        let &[query, document, grade] = &fields[..] else {
            let problem = ParseProblem::Fields { expected: 3, found: fields.len() };
            return Err(ParseError { line, problem });
        };
        if at == 0 && grade.parse::<i32>().is_err() {
            continue;
        }
        judge(&mut qrels, query, document, grade).map_err(|problem| ParseError { line, problem })?;
    }
    Ok(qrels)
}

fn judge(qrels: &mut Qrels, query: &str, document: &str, grade: &str) -> Result<(), ParseProblem> {
    if query.is_empty() || document.is_empty() {
        return Err(ParseProblem::EmptyId);
    }
    let value = grade.parse().map_err(|_| ParseProblem::Grade(grade.to_owned()))?;
    match qrels.entry(query.to_owned()).or_default().insert(document.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(duplicate(query, document)),
    }
}

fn duplicate(query: &str, document: &str) -> ParseProblem {
    ParseProblem::Duplicate { query: query.to_owned(), document: document.to_owned() }
}

/// Writes a TREC run; ranks count from 1 in the order of the rankings.
///
/// # Errors
/// [`UnwritableId`] for the first id, or a `tag`, that is empty or contains white space.
pub fn write_run(run: &Run, tag: &str) -> Result<String, UnwritableId> {
    let mut out = String::new();
    let tag = word(tag)?;
    for (query, ranking) in run {
        let query = word(query)?;
        for (rank, (document, score)) in (1..).zip(ranking) {
            push(&mut out, format_args!("{query} Q0 {} {rank} {score} {tag}\n", word(document)?));
        }
    }
    Ok(out)
}

/// Writes TREC judgements.
///
/// # Errors
/// [`UnwritableId`] for the first id that is empty or contains white space.
pub fn write_qrels(qrels: &Qrels) -> Result<String, UnwritableId> {
    let mut out = String::new();
    for (query, judged) in qrels {
        let query = word(query)?;
        for (document, grade) in judged {
            push(&mut out, format_args!("{query} 0 {} {grade}\n", word(document)?));
        }
    }
    Ok(out)
}

/// Writes BEIR judgements with their header.
///
/// # Errors
/// [`UnwritableId`] for the first id that is empty, has white space at an end, or contains a tab or a line end.
pub fn write_beir_qrels(qrels: &Qrels) -> Result<String, UnwritableId> {
    let mut out = String::from("query-id\tcorpus-id\tscore\n");
    for (query, judged) in qrels {
        let query = cell(query)?;
        for (document, grade) in judged {
            push(&mut out, format_args!("{query}\t{}\t{grade}\n", cell(document)?));
        }
    }
    Ok(out)
}

/// Writing to a String cannot fail.
fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(line);
}

fn word(id: &str) -> Result<&str, UnwritableId> {
    let fits =
        !id.is_empty() && !id.contains(|c: char| c.is_ascii_whitespace()) && !id.starts_with('\u{feff}');
    if fits { Ok(id) } else { Err(UnwritableId { id: id.to_owned() }) }
}

fn cell(id: &str) -> Result<&str, UnwritableId> {
    let fits = !id.is_empty() && id.trim() == id && !id.contains(['\t', '\n', '\r']);
    if fits { Ok(id) } else { Err(UnwritableId { id: id.to_owned() }) }
}
