//! Sparse vectors on their way in: `{ indices, values }`, each an array beside the JSON or plain numbers, or
//! `{ "17": 0.5 }`, or `{ word: 0.5 }` where the field has a vocabulary. Checked, and sorted by term.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tercet_index::{
    Effort, IndexError, QUERY_TERMS_MAX, SparseEffort, SparseKind, SparseReader, StoredWeights, sparse_kind,
};

use crate::api::Array;
use crate::recall;
use crate::wire::{
    Code, SparseIndexSpec, SparseListsSpec, SparseSpec, SparseWeights, TercetError, Vocabulary, shown,
};

/// What a block of `lists` may have.
const BLOCKS: [u32; 5] = [8, 16, 32, 64, 128];

/// The most terms of one vector of a document.
pub(crate) const VECTOR_TERMS_MAX: usize = 65_536;

/// A sparse vector: terms ascending, each once, weights finite and above zero.
pub(crate) type SparseVector = Vec<(u32, f32)>;

/// The index kind of a sparse field.
pub(crate) fn kind(index: &SparseIndexSpec) -> Result<&'static SparseKind, IndexError> {
    sparse_kind(index.kind()).ok_or(IndexError::Unsupported { what: "a sparse field" })
}

/// The index crate's view of a sparse field.
pub(crate) fn field_spec(spec: &SparseSpec) -> tercet_index::SparseSpec {
    let usual = tercet_index::SparseSpec::default();
    tercet_index::SparseSpec {
        weights: match spec.weights {
            SparseWeights::Exact => StoredWeights::Exact,
            SparseWeights::F16 => StoredWeights::F16,
            SparseWeights::Ones => StoredWeights::Ones,
        },
        block: match &spec.index {
            SparseIndexSpec::Lists(lists) => lists.block,
            SparseIndexSpec::Seismic(_) => usual.block,
        },
        listed: match &spec.index {
            SparseIndexSpec::Lists(_) => usual.listed,
            SparseIndexSpec::Seismic(seismic) => seismic.postings,
        },
        top: spec.top,
        mass: spec.mass,
    }
}

/// Checks the settings of a field.
pub(crate) fn check(name: &str, spec: &SparseSpec) -> Result<(), TercetError> {
    let wrong = |what: &str, expected: &str, found: String| {
        let message = format!("field `{name}`: {what} must be {expected}, found {found}");
        Err(TercetError::new(Code::Schema, message).field(name).expected(expected, found))
    };
    if spec.terms == 0 {
        return wrong("terms", "1 or more", String::from("0"));
    }
    if let Some(vocabulary) = &spec.vocabulary {
        vocabulary.check(name, spec.terms)?;
    }
    if !(spec.mass > 0.0 && spec.mass <= 1.0) {
        return wrong("mass", "above 0, at most 1", spec.mass.to_string());
    }
    if let SparseIndexSpec::Lists(SparseListsSpec { block }) = spec.index
        && !BLOCKS.contains(&block)
    {
        return wrong("block", "8, 16, 32, 64 or 128", block.to_string());
    }
    Ok(())
}

/// What becomes of a word that the vocabulary does not have.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unknown {
    /// It is an error: a document would lose it.
    Refused,
    /// It is passed over: a query finds nothing by it.
    Ignored,
}

/// A vector of a field. At most `most` terms.
pub(crate) fn vector(
    name: &str,
    spec: &SparseSpec,
    value: &Value,
    arrays: &[Array],
    most: usize,
    unknown: Unknown,
) -> Result<SparseVector, TercetError> {
    let wrong = || {
        let expected = match spec.vocabulary {
            Some(_) => "a sparse vector ({ indices, values } or { word: weight })",
            None => "a sparse vector ({ indices, values } or { term: weight })",
        };
        let message = format!("field `{name}` must be {expected}, found {}", shown(value));
        TercetError::new(Code::Type, message).field(name).expected(expected, shown(value))
    };
    let object = value.as_object().ok_or_else(wrong)?;
    let pairs = match (object.get("indices"), object.get("values")) {
        (Some(indices), Some(values))
            if object.len() == 2 && !(indices.is_number() && values.is_number()) =>
        {
            let indices = terms(indices, arrays).ok_or_else(wrong)?;
            let values = weights(values, arrays).ok_or_else(wrong)?;
            if indices.len() != values.len() {
                let message = format!(
                    "field `{name}`: {} indices of a sparse vector take as many values, found {}",
                    indices.len(),
                    values.len()
                );
                return Err(TercetError::new(Code::Dimension, message)
                    .field(name)
                    .expected(format!("{} values", indices.len()), values.len().to_string()));
            }
            indices.iter().copied().zip(values.iter().copied()).collect()
        }
        _ => match &spec.vocabulary {
            Some(words) => worded(name, words, object, unknown)?,
            None => keyed(object).ok_or_else(wrong)?,
        },
    };
    checked(name, spec, pairs, most)
}

fn terms<'a>(value: &Value, arrays: &'a [Array]) -> Option<Cow<'a, [u32]>> {
    if let Some(at) = value.get("$vector").and_then(Value::as_u64) {
        return match arrays.get(usize::try_from(at).ok()?)? {
            Array::U32(terms) => Some(Cow::Borrowed(terms)),
            _ => None,
        };
    }
    let number = |value: &Value| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
    };
    value.as_array()?.iter().map(number).collect::<Option<Vec<u32>>>().map(Cow::Owned)
}

fn weights<'a>(value: &Value, arrays: &'a [Array]) -> Option<Cow<'a, [f32]>> {
    if let Some(at) = value.get("$vector").and_then(Value::as_u64) {
        return match arrays.get(usize::try_from(at).ok()?)? {
            Array::F32(weights) => Some(Cow::Borrowed(weights)),
            _ => None,
        };
    }
    let numbers = value.as_array()?.iter().map(|x| x.as_f64().map(|x| x as f32));
    numbers.collect::<Option<Vec<f32>>>().map(Cow::Owned)
}

/// Terms as keys: their numbers in decimal, without zeros in front.
fn keyed(object: &Map<String, Value>) -> Option<SparseVector> {
    let pair = |(key, value): (&String, &Value)| {
        let term: u32 = key.parse().ok()?;
        (term.to_string() == *key).then_some(())?;
        Some((term, value.as_f64()? as f32))
    };
    object.iter().map(pair).collect()
}

/// Words as keys.
fn worded(
    name: &str,
    words: &Vocabulary,
    object: &Map<String, Value>,
    unknown: Unknown,
) -> Result<SparseVector, TercetError> {
    let mut pairs = Vec::with_capacity(object.len());
    for (word, weight) in object {
        let Some(weight) = weight.as_f64() else {
            let (expected, found) = (String::from("a number"), shown(weight));
            let message = format!("the weight of {word:?} must be a number, found {found}");
            return wrong(name, Code::Type, message, expected, found);
        };
        match words.term(word) {
            Some(term) => pairs.push((term, weight as f32)),
            None if unknown == Unknown::Ignored => {}
            None => {
                let message = format!("{word:?} is no word of its vocabulary");
                let expected = format!("one of {} words", words.len());
                return wrong(name, Code::Argument, message, expected, word.clone());
            }
        }
    }
    Ok(pairs)
}

/// What a term is called in explanations.
pub(crate) fn called(spec: &SparseSpec, term: u32) -> String {
    let word = spec.vocabulary.as_ref().and_then(|words| words.word(term));
    word.map_or_else(|| term.to_string(), str::to_owned)
}

/// Wrong in a vector of a field.
fn wrong<T>(
    name: &str,
    code: Code,
    message: String,
    expected: String,
    found: String,
) -> Result<T, TercetError> {
    Err(TercetError::new(code, format!("field `{name}`: {message}")).field(name).expected(expected, found))
}

/// The pairs sorted by term, each checked.
pub(crate) fn checked(
    name: &str,
    spec: &SparseSpec,
    mut pairs: SparseVector,
    most: usize,
) -> Result<SparseVector, TercetError> {
    check_pairs(name, spec, &pairs, most)?;
    if !pairs.is_sorted_by_key(|pair| pair.0) {
        pairs.sort_by_key(|pair| pair.0);
    }
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let found = twice[0].0.to_string();
        let message = format!("term {found} stands twice in the sparse vector");
        return wrong(name, Code::Argument, message, String::from("each term once"), found);
    }
    Ok(pairs)
}

/// Each term and each weight by itself, and how many there are.
pub(crate) fn check_pairs(
    name: &str,
    spec: &SparseSpec,
    pairs: &[(u32, f32)],
    most: usize,
) -> Result<(), TercetError> {
    let wrong = |code, message, expected, found| wrong(name, code, message, expected, found);
    if pairs.len() > most {
        let (expected, found) = (format!("at most {most} terms"), pairs.len().to_string());
        return wrong(Code::Limit, format!("a sparse vector has {expected}, found {found}"), expected, found);
    }
    for (at, &(term, weight)) in pairs.iter().enumerate() {
        check_weight(name, spec, at, weight)?;
        if term >= spec.terms {
            let (expected, found) = (format!("below {}", spec.terms), term.to_string());
            let message = format!("index {at} of the sparse vector must be {expected}, found {found}");
            return wrong(Code::Limit, message, expected, found);
        }
    }
    Ok(())
}

fn check_weight(name: &str, spec: &SparseSpec, at: usize, weight: f32) -> Result<(), TercetError> {
    let fits = weight.is_finite() && weight > 0.0;
    if fits && (spec.weights != SparseWeights::F16 || weight < 65_520.0) {
        return Ok(());
    }
    let found = weight.to_string();
    if !weight.is_finite() {
        let message = format!("value {at} of the sparse vector is {found}");
        return wrong(name, Code::NotFinite, message, String::from("finite values"), found);
    }
    if weight <= 0.0 {
        let message = format!("value {at} of the sparse vector must be above 0, found {found}");
        return wrong(name, Code::Limit, message, String::from("above 0"), found);
    }
    let message = format!("value {at} of the sparse vector is too large for f16: {found}");
    wrong(name, Code::Limit, message, String::from("below 65520"), found)
}

/// An effort of the ladder.
pub(crate) fn by_effort(effort: Effort) -> SparseEffort {
    match effort {
        Effort::Ef(number) => SparseEffort::Ef(number),
        _ => SparseEffort::Exact,
    }
}

/// The efforts to measure for `k`, rising.
pub(crate) fn rungs(index: &SparseIndexSpec, k: usize) -> Vec<u32> {
    match index {
        SparseIndexSpec::Lists(_) => recall::fine_ladder(k).collect(),
        // Fewer rows than `k` are as many as `k`.
        SparseIndexSpec::Seismic(_) => recall::ladder(k).collect(),
    }
}

/// Terms between two looks at whether to go on.
const TERMS_A_LOOK: u32 = 1_024;
/// ... and rows, where vectors are kept by row.
const ROWS_A_LOOK: u32 = 65_536;

/// Puts together what is stored of some rows: those that `place` gives one of the keys of `made`. Cost: a pass over
/// all postings, or over the rows where vectors are kept by row.
pub(crate) fn gather<K: Ord>(
    reader: &dyn SparseReader,
    place: &dyn Fn(u32) -> Option<K>,
    made: &mut BTreeMap<K, SparseVector>,
    step: &mut dyn FnMut() -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    if reader.capabilities().originals {
        let mut pairs = Vec::new();
        for row in 0..reader.rows() {
            if row % ROWS_A_LOOK == 0 {
                step()?;
            }
            let Some(vector) = place(row).and_then(|place| made.get_mut(&place)) else { continue };
            pairs.clear();
            if reader.row(row, &mut pairs)? {
                vector.extend(pairs.iter().copied());
            }
        }
        return Ok(());
    }
    for at in 0..reader.term_count() {
        if at % TERMS_A_LOOK == 0 {
            step()?;
        }
        let Some(term) = reader.term(at)? else { break };
        reader.for_each_posting(term, &mut |row, weight| {
            if let Some(pairs) = place(row).and_then(|place| made.get_mut(&place)) {
                pairs.push((term, weight));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Of the terms of a stored vector about one in so many is in a probe: queries are shorter than what they look for.
const PROBE_TERMS: u64 = 4;
/// Vectors of no more terms are probes as they are.
const PROBE_WHOLE: usize = 8;

/// Makes a probe of a stored vector: a share of its terms, the same on every machine. `chance` decides which.
pub(crate) fn shorten(pairs: &mut SparseVector, chance: u64) {
    let picked = |term: u32| {
        // SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
        let mut z = (chance << 32 ^ u64::from(term)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).is_multiple_of(PROBE_TERMS)
    };
    if pairs.len() > PROBE_WHOLE && pairs.iter().any(|pair| picked(pair.0)) {
        pairs.retain(|pair| picked(pair.0));
    }
    pairs.truncate(QUERY_TERMS_MAX);
}

/// A vector as stored documents keep it.
pub(crate) fn to_stored(vector: &SparseVector) -> Value {
    let (indices, values): (Vec<u32>, Vec<f64>) =
        vector.iter().map(|&(term, weight)| (term, f64::from(weight))).unzip();
    json!({ "indices": indices, "values": values })
}

/// A stored vector with its numbers put into arrays.
pub(crate) fn to_arrays(stored: &Value, arrays: &mut Vec<Array>) -> Option<Value> {
    let indices = terms(stored.get("indices")?, &[])?.into_owned();
    let values = weights(stored.get("values")?, &[])?.into_owned();
    let at = arrays.len();
    arrays.push(Array::U32(indices));
    arrays.push(Array::F32(values));
    Some(json!({ "indices": { "$vector": at }, "values": { "$vector": at + 1 } }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use tercet_index::{MemorySections, SparseInput, Work};

    /// Rows of up to 8 of 30 terms, some of none.
    fn rows(count: u32) -> Vec<SparseVector> {
        let term = |row: u32, at: u32| (row * 7 + at * at * 3) % 30;
        let pairs = |row: u32| (0..row % 9).map(move |at| (term(row, at), 0.5 + (row % 5 + at) as f32));
        let sorted = |row| pairs(row).collect::<BTreeMap<u32, f32>>().into_iter().collect();
        (0..count).map(sorted).collect()
    }

    fn reader(kind: &str, rows: &[SparseVector]) -> Box<dyn SparseReader> {
        let kind = sparse_kind(kind).unwrap();
        let spec = tercet_index::SparseSpec { listed: 3, ..tercet_index::SparseSpec::default() };
        let (terms, weights): (Vec<u32>, Vec<f32>) = rows.iter().flatten().copied().unzip();
        let ends: Vec<u64> = rows
            .iter()
            .scan(0, |end, row| {
                *end += row.len() as u64;
                Some(*end)
            })
            .collect();
        let count = rows.len() as u32;
        let input = SparseInput { rows: count, present: None, ends: &ends, terms: &terms, weights: &weights };
        let sections = (kind.build)(&spec, &input, &Work::inline()).unwrap();
        (kind.open)(&spec, count, &MemorySections::new(&sections)).unwrap()
    }

    #[test]
    fn stored_vectors_are_put_together_by_term_and_by_row() {
        let rows = rows(500);
        // Keys run against the rows, some rows have none, and some keys are not asked for.
        let place = |row: u32| (row % 3 != 1).then(|| 1_000 - row);
        let asked = || (400..=1_000).filter(|key| key % 2 == 0).map(|key| (key, Vec::new())).collect();
        for kind in ["lists", "seismic"] {
            let reader = reader(kind, &rows);
            assert_eq!(reader.capabilities().originals, kind == "seismic");
            let (mut made, mut steps): (BTreeMap<u32, SparseVector>, u32) = (asked(), 0);
            let mut step = || {
                steps += 1;
                Ok(())
            };
            gather(reader.as_ref(), &place, &mut made, &mut step).unwrap();
            assert!(steps > 0 && made.len() == 301);
            for (key, vector) in &made {
                let row = 1_000 - key;
                let wanted = rows.get(row as usize).filter(|_| place(row).is_some()).cloned();
                assert_eq!(*vector, wanted.unwrap_or_default(), "{kind}, row {row}");
            }
            let mut stop = || Err(IndexError::Cancelled);
            let stopped = gather(reader.as_ref(), &place, &mut asked(), &mut stop);
            assert!(matches!(stopped, Err(IndexError::Cancelled)));
        }
    }
}
