//! A query checked against the schema and made ready: words analysed, statistics gathered, vectors fetched.

use super::expand::{self, Expand};
use super::lexical::{self, Clause};
use super::maxsim::{self, MaxSim};
use super::near::{self, Near};
use super::{DEPTH_MAX, bounded};
use crate::api::{Array, Control};
use crate::collection::Snapshot;
use crate::schema::Field;
use crate::wire::{Code, FuseQuery, Query, TercetError};

/// The most rankings in one fusion.
const RANKINGS_MAX: usize = 32;
/// The deepest nesting of fusions, and of booleans.
pub(super) const NESTING_MAX: usize = 8;

/// The largest boost of a field, in a query as in a schema, and the largest weight of a ranking: with it no score leaves
/// the range of f32.
pub(super) const WEIGHT_MAX: f32 = 1e6;

/// A compiled query.
pub(crate) enum Compiled<'a> {
    Words(Clause),
    Near(Box<Near<'a>>),
    MaxSim(Box<MaxSim>),
    Expand(Expand),
    All,
    Fuse { k: f32, weights: Vec<f32>, depth: usize, parts: Vec<Compiled<'a>> },
}

/// Compiles a query for a page that reaches `depth` hits.
pub(crate) fn compile<'a>(
    snapshot: &Snapshot,
    query: &Query,
    arrays: &'a [Array],
    depth: usize,
    control: &Control,
) -> Result<Compiled<'a>, TercetError> {
    compile_within(snapshot, query, arrays, (depth, NESTING_MAX), control)
}

fn compile_within<'a>(
    snapshot: &Snapshot,
    query: &Query,
    arrays: &'a [Array],
    (depth, nesting): (usize, usize),
    control: &Control,
) -> Result<Compiled<'a>, TercetError> {
    if let Some(clause) = lexical::compile(snapshot, query, control)? {
        return Ok(Compiled::Words(clause));
    }
    match query {
        Query::Near(query) => Ok(Compiled::Near(Box::new(near::compile(snapshot, query, arrays, depth)?))),
        Query::MaxSim(query) => {
            Ok(Compiled::MaxSim(Box::new(maxsim::compile(snapshot, query, arrays, depth)?)))
        }
        Query::Expand(query) => Ok(Compiled::Expand(expand::compile(snapshot, query, arrays, depth)?)),
        Query::Fuse(query) => fuse(snapshot, query, arrays, (depth, nesting), control),
        _ => Ok(Compiled::All),
    }
}

fn fuse<'a>(
    snapshot: &Snapshot,
    query: &FuseQuery,
    arrays: &'a [Array],
    (depth, nesting): (usize, usize),
    control: &Control,
) -> Result<Compiled<'a>, TercetError> {
    let nesting = nesting.checked_sub(1).ok_or_else(|| {
        TercetError::new(Code::Limit, format!("fusions nest at most {NESTING_MAX} deep"))
            .expected(format!("at most {NESTING_MAX}"), "more")
    })?;
    bounded("queries of a fusion", query.queries.len() as i64, 1, RANKINGS_MAX as i64)?;
    if !(query.k > 0.0 && query.k.is_finite()) {
        return Err(TercetError::new(
            Code::Limit,
            format!("k of a fusion must be above 0, found {}", query.k),
        )
        .field("k")
        .expected("above 0", query.k.to_string()));
    }
    let weights = query.weights.clone().unwrap_or_else(|| vec![1.0; query.queries.len()]);
    if weights.len() != query.queries.len() {
        return Err(TercetError::new(
            Code::Query,
            format!(
                "a fusion of {} queries takes as many weights, found {}",
                query.queries.len(),
                weights.len()
            ),
        )
        .field("weights")
        .expected(query.queries.len().to_string(), weights.len().to_string()));
    }
    if let Some(weight) = weights.iter().find(|w| !(0.0..=WEIGHT_MAX).contains(*w)) {
        return Err(TercetError::new(
            Code::Limit,
            format!("the weights of a fusion are 0 to {WEIGHT_MAX}, found {weight}"),
        )
        .field("weights")
        .expected(format!("0 to {WEIGHT_MAX}"), weight.to_string()));
    }
    let depth = match query.depth {
        Some(depth) => bounded("depth", depth, 1, DEPTH_MAX)?,
        None => depth.max(100),
    };
    let parts = query
        .queries
        .iter()
        .map(|part| compile_within(snapshot, part, arrays, (depth, nesting), control))
        .collect::<Result<_, _>>()?;
    Ok(Compiled::Fuse { k: query.k, weights, depth, parts })
}

pub(crate) fn kind_error(field: &Field, wanted: &str, there: String) -> TercetError {
    TercetError::new(
        Code::Query,
        format!(
            "field `{}` is a {} field; the {wanted} fields are {there}",
            field.name,
            field.spec.type_name()
        ),
    )
    .field(&field.name)
    .expected(format!("a {wanted} field"), format!("a {} field", field.spec.type_name()))
}
