//! The schema of a collection, checked: names, settings and analyzers are known to be good.

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value;
use tercet_text::{Analyzer, analyzer_names};

use crate::wire::{Code, DenseSpec, FieldSpec, MultiSpec, SchemaSpec, SparseSpec, TercetError, shown};

/// The most fields a schema may have.
pub(crate) const FIELDS_MAX: usize = 1_000;
/// The longest field name, in bytes: names of sections begin with it, and those have at most 255.
const NAME_BYTES_MAX: usize = 200;
/// The longest key: a name with a number behind it.
const KEY_BYTES_MAX: usize = 220;

const RESERVED: [&str; 4] = ["id", "and", "or", "not"];

/// One field.
#[derive(Clone)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// What it is called in segments and stored documents: the first name it had, so that renaming rewrites nothing.
    pub(crate) key: String,
    /// Its kind and settings.
    pub(crate) spec: FieldSpec,
    /// The analyzer of a text field.
    pub(crate) analyzer: Option<Analyzer>,
    /// The index of a dense field was not said: that of the stored schema will do.
    pub(crate) any_index: bool,
}

/// All fields, in the order of declaration.
#[derive(Clone)]
pub(crate) struct Schema {
    /// The fields.
    pub(crate) fields: Vec<Field>,
    /// Keys of fields that were dropped: segments may still hold them, so no new field takes them.
    pub(crate) retired: Vec<String>,
}

impl Schema {
    /// Checks a schema as it came from the caller.
    pub(crate) fn parse(value: &Value) -> Result<Schema, TercetError> {
        let only_fields = value.as_object().filter(|object| object.keys().all(|key| key == "fields"));
        let fields = only_fields.and_then(|object| object.get("fields")?.as_object()).ok_or_else(|| {
            TercetError::new(
                Code::Schema,
                format!("the schema must be an object with `fields`, found {}", shown(value)),
            )
            .expected("{ fields: { name: field } }", shown(value))
        })?;
        if fields.is_empty() || fields.len() > FIELDS_MAX {
            return Err(TercetError::new(
                Code::Schema,
                format!("a schema has 1 to {FIELDS_MAX} fields, found {}", fields.len()),
            )
            .expected(format!("1 to {FIELDS_MAX} fields"), fields.len().to_string()));
        }
        let fields = fields.iter().map(|(name, spec)| Field::parse(name, spec)).collect::<Result<_, _>>()?;
        Ok(Schema { fields, retired: Vec::new() })
    }

    /// A schema as the manifest keeps it, with the keys that differ from the names.
    pub(crate) fn stored(
        value: &Value,
        keys: &BTreeMap<String, String>,
        retired: &[String],
    ) -> Result<Schema, TercetError> {
        let mut schema = Schema::parse(value)?;
        for field in &mut schema.fields {
            if let Some(key) = keys.get(&field.name) {
                field.key.clone_from(key);
            }
            if field.key.is_empty() || field.key.len() > KEY_BYTES_MAX {
                return Err(TercetError::new(Code::Corrupt, "a field's key cannot be one").field(&field.name));
            }
        }
        let mut seen = HashSet::new();
        if let Some(twice) = schema.fields.iter().find(|f| !seen.insert(&f.key)) {
            return Err(TercetError::new(Code::Corrupt, "two fields have one key").field(&twice.name));
        }
        schema.retired = retired.to_vec();
        Ok(schema)
    }

    /// Field names to keys, where they differ.
    pub(crate) fn keys(&self) -> BTreeMap<String, String> {
        let renamed = self.fields.iter().filter(|f| f.key != f.name);
        renamed.map(|f| (f.name.clone(), f.key.clone())).collect()
    }

    /// Whether stored documents have the names of the fields and no others.
    pub(crate) fn is_plain(&self) -> bool {
        self.retired.is_empty() && self.fields.iter().all(|f| f.key == f.name)
    }

    /// The position of the field with a key.
    pub(crate) fn with_key(&self, key: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.key == key)
    }

    /// The schema as JSON.
    pub(crate) fn to_json(&self) -> Result<Value, TercetError> {
        serde_json::to_value(self.spec()).map_err(|e| {
            TercetError::new(Code::Internal, format!("the schema could not be written as JSON: {e}"))
        })
    }

    /// The schema as it crosses and is stored.
    pub(crate) fn spec(&self) -> SchemaSpec {
        SchemaSpec {
            fields: self.fields.iter().map(|f| (f.name.clone(), f.spec.clone())).collect::<IndexMap<_, _>>(),
        }
    }

    /// The position of a field.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The position of a field, or ERR_FIELD naming those there are.
    pub(crate) fn require(&self, name: &str) -> Result<usize, TercetError> {
        self.position(name).ok_or_else(|| {
            TercetError::new(
                Code::Field,
                format!("there is no field `{name}`; the fields are {}", self.names(|_| true)),
            )
            .field(name)
            .expected(self.names(|_| true), name)
        })
    }

    /// The names of the fields that fit, for messages.
    pub(crate) fn names(&self, fits: impl Fn(&FieldSpec) -> bool) -> String {
        let names: Vec<&str> =
            self.fields.iter().filter(|f| fits(&f.spec)).map(|f| f.name.as_str()).collect();
        if names.is_empty() { String::from("(none)") } else { names.join(", ") }
    }

    /// What differs from the stored schema, in words; `None` when nothing does. The order of fields does not matter.
    pub(crate) fn difference(&self, stored: &Schema) -> Option<(String, String)> {
        for field in &stored.fields {
            match self.position(&field.name) {
                None => {
                    return Some((
                        field.name.clone(),
                        format!("the stored schema has a field `{}`, the given one has not", field.name),
                    ));
                }
                Some(at) if !self.fields[at].agrees(field) => {
                    let text = |spec: &FieldSpec| serde_json::to_string(spec).unwrap_or_default();
                    return Some((
                        field.name.clone(),
                        format!(
                            "field `{}` is stored as {}, given as {}",
                            field.name,
                            text(&field.spec),
                            text(&self.fields[at].spec)
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
        let extra = self.fields.iter().find(|f| stored.position(&f.name).is_none())?;
        Some((
            extra.name.clone(),
            format!("the given schema has a field `{}`, the stored one has not", extra.name),
        ))
    }
}

impl Field {
    /// The same field under another name.
    pub(crate) fn named(name: &str, field: Field) -> Result<Field, TercetError> {
        check_name(name)?;
        Ok(Field { name: name.to_owned(), ..field })
    }

    /// Whether documents of a stored field can be taken for those of this one.
    fn agrees(&self, stored: &Field) -> bool {
        match (&self.spec, &stored.spec) {
            (FieldSpec::Dense(given), FieldSpec::Dense(stored)) if self.any_index => {
                DenseSpec { index: stored.index.clone(), ..given.clone() } == *stored
            }
            (FieldSpec::Multi(given), FieldSpec::Multi(stored)) if self.any_index => {
                MultiSpec { index: stored.index.clone(), ..given.clone() } == *stored
            }
            (FieldSpec::Sparse(given), FieldSpec::Sparse(stored)) if self.any_index => {
                SparseSpec { index: stored.index.clone(), ..given.clone() } == *stored
            }
            (given, stored) => given == stored,
        }
    }

    fn parse(name: &str, value: &Value) -> Result<Field, TercetError> {
        let wrong = |message: String| TercetError::new(Code::Schema, message).field(name);
        check_name(name)?;
        let spec: FieldSpec = serde_json::from_value(value.clone()).map_err(|e| {
            wrong(format!("field `{name}`: {e}")).expected("a field of a known type", shown(value))
        })?;
        let mut analyzer = None;
        match &spec {
            FieldSpec::Text(text) => {
                let found = Analyzer::by_name(&text.analyzer).map_err(|_| {
                    wrong(format!(
                        "field `{name}`: there is no analyzer `{}`; there are {}",
                        text.analyzer,
                        analyzer_names().join(", ")
                    ))
                    .expected(analyzer_names().join(", "), text.analyzer.clone())
                })?;
                analyzer = Some(found);
                range(name, "boost", text.boost, f32::MIN_POSITIVE, 1e6)?;
                range(name, "k1", text.k1, 0.0, 10.0)?;
                range(name, "b", text.b, 0.0, 1.0)?;
            }
            FieldSpec::Dense(dense) if dense.metric.on_bits() => {
                let message = format!("field `{name}`: its metric compares bits, and fields hold numbers");
                return Err(wrong(message).expected("cosine, dot or l2", "a metric of bits"));
            }
            FieldSpec::Dense(dense) => crate::dense::check(Some(name), dense.dims, &dense.index)?,
            FieldSpec::Multi(multi) => crate::multi::check(Some(name), multi)?,
            FieldSpec::Sparse(sparse) => crate::sparse::check(name, sparse)?,
            _ => {}
        }
        let any_index = value.get("index").is_none();
        Ok(Field { name: name.to_owned(), key: name.to_owned(), spec, analyzer, any_index })
    }
}

fn check_name(name: &str) -> Result<(), TercetError> {
    if !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !RESERVED.contains(&name)
        && !name.starts_with(['$', '_'])
    {
        return Ok(());
    }
    let rule = format!("1 to {NAME_BYTES_MAX} bytes, not id, and, or, not, not starting with $ or _");
    Err(TercetError::new(Code::Schema, format!("`{name}` cannot be a field name: {rule}"))
        .field(name)
        .expected(rule, name))
}

fn range(field: &str, what: &str, value: f32, low: f32, high: f32) -> Result<(), TercetError> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(TercetError::new(
        Code::Schema,
        format!("field `{field}`: {what} must be {low} to {high}, found {value}"),
    )
    .field(field)
    .expected(format!("{low} to {high}"), value.to_string()))
}
