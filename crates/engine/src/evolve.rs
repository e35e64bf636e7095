//! From the stored schema to another one: fields are dropped, renamed and added without touching a segment.
//!
//! Segments know fields by their keys, so a rename changes a name and nothing else. A dropped field's bytes go when its
//! segments are merged; until then its key is retired, and a new field of the same name gets another key. An added
//! field is absent in every document that is already there, so it must be optional.

use crate::schema::{Field, Schema};
use crate::wire::{Code, Evolve, TercetError};

/// Takes the steps; `None` when all of them were taken before. `given` says what the added fields are.
pub(crate) fn evolve(stored: &Schema, given: &Schema, steps: &Evolve) -> Result<Option<Schema>, TercetError> {
    let mut next = stored.clone();
    let mut changed = false;
    for name in &steps.drop {
        if let Some(at) = next.position(name) {
            let gone = next.fields.remove(at);
            next.retired.push(gone.key);
            changed = true;
        }
    }
    for (old, new) in &steps.rename {
        match (next.position(old), next.position(new)) {
            (Some(at), None) => {
                next.fields[at] = Field::named(new, next.fields[at].clone())?;
                changed = true;
            }
            // Taken before, perhaps with a later step behind it. What does not fit is named by the comparison.
            (None, _) => {}
            (Some(_), Some(_)) => {
                return Err(wrong(
                    old,
                    format!("field `{old}` cannot be renamed to `{new}`: there is one already"),
                ));
            }
        }
    }
    for name in &steps.add {
        if next.position(name).is_some() {
            continue;
        }
        let field = given.position(name).map(|at| &given.fields[at]).ok_or_else(|| {
            wrong(name, format!("field `{name}` is to be added, but the given schema does not have it"))
        })?;
        if !field.spec.optional() {
            return Err(wrong(
                name,
                format!(
                    "field `{name}` cannot be added: documents that are there lack it, so it must be optional"
                ),
            )
            .expected("an optional field", "a required one"));
        }
        let key = free_key(&next, name);
        next.fields.push(Field { key, ..field.clone() });
        changed = true;
    }
    if !changed {
        return Ok(None);
    }
    if next.fields.is_empty() {
        return Err(TercetError::new(Code::Schema, "a schema has at least one field; all would be dropped"));
    }
    Ok(Some(next))
}

/// The name itself, or the first number behind it that makes a key which no segment can hold.
fn free_key(schema: &Schema, name: &str) -> String {
    let taken = |key: &String| schema.retired.contains(key) || schema.with_key(key).is_some();
    let mut key = name.to_owned();
    let mut number = 2u32;
    while taken(&key) {
        key = format!("{name}~{number}");
        number += 1;
    }
    key
}

fn wrong(field: &str, message: String) -> TercetError {
    TercetError::new(Code::Schema, message).field(field)
}
