//! Filters: read from plain data, checked against the schema, turned into a bitmap of rows a segment.
//!
//! `{ field: value | { eq, in, gt, gte, lt, lte, exists }, and: [...], or: [...], not: {...} }`; all keys of one
//! object must hold. A document that lacks a field passes no test of it but `exists: false`; `not` is the complement,
//! so it lets such documents through. A keyword field with many values passes when any one value passes every test.

use serde_json::{Map, Value};
use tercet_index::{Bitmap, IndexError};

use crate::document::{FieldValue, scalar};
use crate::schema::{Field, Schema};
use crate::segment::{FieldReader, Keywords, Numbers, Segment, passing};
use crate::wire::{Code, FieldSpec, TercetError, shown};

/// The most values in one `in`.
pub(crate) const IN_VALUES_MAX: usize = 100_000;
/// The deepest nesting of and, or and not.
pub(crate) const DEPTH_MAX: usize = 32;

/// A checked filter.
#[derive(Debug, PartialEq)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Exists { field: usize, there: bool },
    Keyword { field: usize, tests: Vec<Test<String>> },
    Integer { field: usize, tests: Vec<Test<i64>> },
    Float { field: usize, tests: Vec<Test<f64>> },
}

/// One operator and its operand.
#[derive(Debug, PartialEq)]
pub(crate) enum Test<T> {
    In(Vec<T>),
    Gt(T),
    Gte(T),
    Lt(T),
    Lte(T),
}

impl<T: PartialOrd + Copy> Test<T> {
    /// Whether a value passes; the list of `In` is sorted.
    fn passes(&self, value: T) -> bool {
        match self {
            Test::In(list) => {
                let at = list.partition_point(|x| *x < value);
                list.get(at).is_some_and(|x| *x == value)
            }
            Test::Gt(x) => value > *x,
            Test::Gte(x) => value >= *x,
            Test::Lt(x) => value < *x,
            Test::Lte(x) => value <= *x,
        }
    }
}

fn wrong(field: Option<&str>, expected: impl Into<String>, found: impl Into<String>) -> TercetError {
    let (expected, found) = (expected.into(), found.into());
    let place = field.map_or_else(|| String::from("where"), |name| format!("where: field `{name}`"));
    let error = TercetError::new(Code::Filter, format!("{place}: expected {expected}, found {found}"))
        .expected(expected, found);
    match field {
        Some(name) => error.field(name),
        None => error,
    }
}

impl Filter {
    /// Reads and checks a filter.
    pub(crate) fn parse(schema: &Schema, value: &Value) -> Result<Filter, TercetError> {
        Self::parse_within(schema, value, DEPTH_MAX)
    }

    fn parse_within(schema: &Schema, value: &Value, depth: usize) -> Result<Filter, TercetError> {
        let object = value.as_object().ok_or_else(|| wrong(None, "an object of conditions", shown(value)))?;
        let depth = depth.checked_sub(1).ok_or_else(|| {
            TercetError::new(Code::Limit, format!("where: and, or and not nest at most {DEPTH_MAX} deep"))
                .expected(format!("at most {DEPTH_MAX} levels"), "more")
        })?;
        let list = |key: &str, value: &Value| -> Result<Vec<Filter>, TercetError> {
            let items = value
                .as_array()
                .ok_or_else(|| wrong(None, format!("an array of filters under `{key}`"), shown(value)))?;
            items.iter().map(|item| Self::parse_within(schema, item, depth)).collect()
        };
        let mut all = Vec::with_capacity(object.len());
        for (key, value) in object {
            all.push(match key.as_str() {
                "and" => Filter::And(list(key, value)?),
                "or" => Filter::Or(list(key, value)?),
                "not" => Filter::Not(Box::new(Self::parse_within(schema, value, depth)?)),
                name => Self::parse_field(schema, name, value)?,
            });
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Filter::And(all) })
    }

    fn parse_field(schema: &Schema, name: &str, value: &Value) -> Result<Filter, TercetError> {
        let position = schema.require(name)?;
        let field = &schema.fields[position];
        let shorthand;
        let operators = match value {
            Value::Object(operators) => operators,
            plain => {
                shorthand = Map::from_iter([(String::from("eq"), plain.clone())]);
                &shorthand
            }
        };
        if operators.is_empty() {
            return Err(wrong(Some(name), "an operator: eq, in, gt, gte, lt, lte, exists", "none"));
        }
        let mut parts = Vec::new();
        if let Some(there) = operators.get("exists") {
            let there = there
                .as_bool()
                .ok_or_else(|| wrong(Some(name), "true or false for `exists`", shown(there)))?;
            parts.push(Filter::Exists { field: position, there });
        }
        if parts.len() < operators.len() {
            parts.push(match &field.spec {
                FieldSpec::Keyword(_) => {
                    Filter::Keyword { field: position, tests: tests(field, operators, keyword)? }
                }
                FieldSpec::Float(_) => {
                    Filter::Float { field: position, tests: tests(field, operators, float)? }
                }
                FieldSpec::Integer(_) | FieldSpec::Boolean(_) | FieldSpec::Date(_) => {
                    Filter::Integer { field: position, tests: tests(field, operators, integer)? }
                }
                FieldSpec::Text(_) | FieldSpec::Dense(_) | FieldSpec::Multi(_) | FieldSpec::Sparse(_) => {
                    return Err(wrong(
                        Some(name),
                        format!("only `exists` on a {} field", field.spec.type_name()),
                        shown(value),
                    ));
                }
            });
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Filter::And(parts) })
    }

    /// The rows of a segment that pass, deleted ones included. Fails where the segment's bytes are damaged.
    pub(crate) fn select(&self, segment: &Segment) -> Result<Bitmap, TercetError> {
        self.passing(segment).map_err(|e| segment.error(e))
    }

    fn passing(&self, segment: &Segment) -> Result<Bitmap, IndexError> {
        Ok(match self {
            Filter::And(parts) => {
                let mut rows = Bitmap::full(segment.rows);
                for part in parts {
                    rows.and(&part.passing(segment)?);
                }
                rows
            }
            Filter::Or(parts) => {
                let mut rows = Bitmap::new(segment.rows);
                for part in parts {
                    rows.or(&part.passing(segment)?);
                }
                rows
            }
            Filter::Not(part) => {
                let mut rows = part.passing(segment)?;
                rows.not();
                rows
            }
            Filter::Exists { field, there } => {
                let mut rows = Bitmap::full(segment.rows);
                segment.fields[*field].present.keep(&mut rows)?;
                if !there {
                    rows.not();
                }
                rows
            }
            Filter::Keyword { field, tests } => match &segment.fields[*field].reader {
                FieldReader::Keyword(column) => keyword_rows(column, tests)?,
                _ => Bitmap::new(segment.rows),
            },
            Filter::Integer { field, tests } => match &segment.fields[*field].reader {
                FieldReader::Numbers(Numbers::Integers(column)) => {
                    number_rows(segment, *field, column.all()?, tests)?
                }
                _ => Bitmap::new(segment.rows),
            },
            Filter::Float { field, tests } => match &segment.fields[*field].reader {
                FieldReader::Numbers(Numbers::Floats(column)) => {
                    number_rows(segment, *field, column.all()?, tests)?
                }
                _ => Bitmap::new(segment.rows),
            },
        })
    }
}

fn number_rows<T: PartialOrd + Copy>(
    segment: &Segment,
    field: usize,
    column: &[T],
    tests: &[Test<T>],
) -> Result<Bitmap, IndexError> {
    let mut rows = match tests {
        [one] => passing(column, |value| one.passes(value)),
        many => passing(column, |value| many.iter().all(|test| test.passes(value))),
    };
    segment.fields[field].present.keep(&mut rows)?;
    Ok(rows)
}

/// Strings become ordinals once a segment: after that a test is a comparison of numbers.
fn keyword_rows(column: &Keywords, tests: &[Test<String>]) -> Result<Bitmap, IndexError> {
    let mut by_ordinal: Vec<Test<u32>> = Vec::with_capacity(tests.len());
    for test in tests {
        by_ordinal.push(match test {
            Test::In(list) => {
                let mut known = Vec::new();
                for text in list {
                    let ord = column.bound(text, false)?;
                    if ord < column.distinct() && column.text(ord)? == text {
                        known.push(ord);
                    }
                }
                Test::In(known)
            }
            Test::Gt(text) => Test::Gte(column.bound(text, true)?),
            Test::Gte(text) => Test::Gte(column.bound(text, false)?),
            Test::Lt(text) => Test::Lt(column.bound(text, false)?),
            Test::Lte(text) => Test::Lt(column.bound(text, true)?),
        });
    }
    column.rows(|ord| by_ordinal.iter().all(|test| test.passes(ord)))
}

fn tests<T: PartialOrd>(
    field: &Field,
    operators: &Map<String, Value>,
    operand: fn(&Field, &Value) -> Result<T, TercetError>,
) -> Result<Vec<Test<T>>, TercetError> {
    let mut tests = Vec::with_capacity(operators.len());
    for (operator, value) in operators {
        tests.push(match operator.as_str() {
            "eq" => Test::In(vec![operand(field, value)?]),
            "in" => {
                let items = value
                    .as_array()
                    .ok_or_else(|| wrong(Some(&field.name), "an array for `in`", shown(value)))?;
                if items.len() > IN_VALUES_MAX {
                    return Err(TercetError::new(
                        Code::Limit,
                        format!(
                            "where: field `{}`: `in` takes at most {IN_VALUES_MAX} values, found {}",
                            field.name,
                            items.len()
                        ),
                    )
                    .field(&field.name)
                    .expected(format!("at most {IN_VALUES_MAX}"), items.len().to_string()));
                }
                let mut list =
                    items.iter().map(|item| operand(field, item)).collect::<Result<Vec<T>, _>>()?;
                list.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
                Test::In(list)
            }
            "gt" => Test::Gt(operand(field, value)?),
            "gte" => Test::Gte(operand(field, value)?),
            "lt" => Test::Lt(operand(field, value)?),
            "lte" => Test::Lte(operand(field, value)?),
            "exists" => continue,
            other => {
                return Err(wrong(
                    Some(&field.name),
                    "an operator: eq, in, gt, gte, lt, lte, exists",
                    format!("`{other}`"),
                ));
            }
        });
    }
    Ok(tests)
}

fn keyword(field: &Field, value: &Value) -> Result<String, TercetError> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(Some(&field.name), "a string", shown(value)))
}

fn integer(field: &Field, value: &Value) -> Result<i64, TercetError> {
    match number(field, value)? {
        FieldValue::Integer(integer) => Ok(integer),
        _ => Err(wrong(Some(&field.name), field.spec.type_name(), shown(value))),
    }
}

fn float(field: &Field, value: &Value) -> Result<f64, TercetError> {
    match number(field, value)? {
        FieldValue::Float(float) => Ok(float),
        _ => Err(wrong(Some(&field.name), field.spec.type_name(), shown(value))),
    }
}

fn number(field: &Field, value: &Value) -> Result<FieldValue<'static>, TercetError> {
    scalar(&field.name, &field.spec, value)
        .map_err(|e| wrong(Some(&field.name), e.0.expected.clone().unwrap_or_default(), shown(value)))
}
