//! The schema of a collection, checked: names, settings and analyzers are known to be good.

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;
use serde_json::Value;
use tercet_text::{Analyzer, analyzer_names};

use crate::wire::{
    Code, DenseSpec, FieldSpec, MultiSpec, SchemaSpec, SparseSpec, TercetError, Vocabularies, Vocabulary,
    shown,
};

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

impl Field {
    /// What its terms are called.
    fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.spec {
            FieldSpec::Sparse(sparse) => sparse.vocabulary.as_ref(),
            _ => None,
        }
    }

    /// Its settings, and the words of a sparse field beside them.
    fn without_words(&self) -> (FieldSpec, Option<&Vocabulary>) {
        let spec = match &self.spec {
            FieldSpec::Sparse(spec) => FieldSpec::Sparse(SparseSpec { vocabulary: None, ..spec.clone() }),
            spec => spec.clone(),
        };
        (spec, self.vocabulary())
    }

    /// Its settings in a message.
    fn in_words(&self) -> String {
        let (spec, words) = self.without_words();
        let text = serde_json::to_string(&spec).unwrap_or_default();
        match words {
            Some(words) => format!("{text} with a vocabulary of {} words", words.len()),
            None => text,
        }
    }
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

    /// A schema as the manifest keeps it, with the keys that differ from the names. `words` are the vocabularies beside it; `None`:
    /// they are lost, and terms are numbers.
    pub(crate) fn stored(
        value: &Value,
        keys: &BTreeMap<String, String>,
        retired: &[String],
        words: Option<&Vocabularies>,
    ) -> Result<Schema, TercetError> {
        let (value, mut beside) = taken_apart(value);
        let mut schema = Schema::parse(&value)?;
        for field in &mut schema.fields {
            if let Some(key) = keys.get(&field.name) {
                field.key.clone_from(key);
            }
            if let (Some(key), FieldSpec::Sparse(sparse), Some(words)) =
                (beside.remove(&field.name), &mut field.spec, words)
            {
                let lost = || {
                    let message = format!("field `{}`: its vocabulary is not there", field.name);
                    TercetError::new(Code::Corrupt, message).field(&field.name)
                };
                sparse.vocabulary = Some(words.get(&key).ok_or_else(lost)?.clone());
                crate::sparse::check(&field.name, sparse)?;
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

    /// The schema as JSON, without the words of vocabularies: in their place stands the key of the field, by which
    /// [`vocabularies`](Self::vocabularies) has them.
    pub(crate) fn to_json(&self) -> Result<Value, TercetError> {
        let fields = self.fields.iter().map(|field| (field.name.clone(), field.without_words().0)).collect();
        let mut value = serde_json::to_value(SchemaSpec { fields }).map_err(|e| {
            TercetError::new(Code::Internal, format!("the schema could not be written as JSON: {e}"))
        })?;
        for field in self.fields.iter().filter(|field| field.vocabulary().is_some()) {
            value["fields"][&field.name][VOCABULARY] = Value::from(field.key.as_str());
        }
        Ok(value)
    }

    /// The words of its fields, by key.
    pub(crate) fn vocabularies(&self) -> Vocabularies {
        self.fields
            .iter()
            .filter_map(|field| Some((field.key.clone(), field.vocabulary()?.clone())))
            .collect()
    }

    /// This schema with the vocabularies that `given` has for fields without one and of as many terms; `None` where it has none.
    pub(crate) fn with_words_of(&self, given: &Schema) -> Option<Schema> {
        let mut next = self.clone();
        let mut changed = false;
        for field in &mut next.fields {
            let words = given.position(&field.name).and_then(|at| given.fields[at].vocabulary());
            if let (FieldSpec::Sparse(spec), Some(words)) = (&mut field.spec, words)
                && spec.vocabulary.is_none()
                && words.len() == spec.terms as usize
            {
                spec.vocabulary = Some(words.clone());
                changed = true;
            }
        }
        changed.then_some(next)
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
                    return Some((
                        field.name.clone(),
                        format!(
                            "field `{}` is stored as {}, given as {}",
                            field.name,
                            field.in_words(),
                            self.fields[at].in_words()
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
            (FieldSpec::Sparse(given), FieldSpec::Sparse(stored)) => {
                let index = if self.any_index { stored.index.clone() } else { given.index.clone() };
                // Words that were not said: those of the stored schema will do.
                let vocabulary = given.vocabulary.clone().or_else(|| stored.vocabulary.clone());
                SparseSpec { index, vocabulary, ..given.clone() } == *stored
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

/// Where the words of a sparse field stand, or in a stored schema what names them.
const VOCABULARY: &str = "vocabulary";

/// The keys by which a stored schema names vocabularies.
pub(crate) fn vocabularies_of(value: &Value) -> impl Iterator<Item = &str> {
    let fields = value.get("fields").and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(_, spec)| spec.get(VOCABULARY)?.as_str())
}

/// A stored schema without the names of vocabularies, and these by field.
fn taken_apart(value: &Value) -> (Value, BTreeMap<String, String>) {
    let (mut value, mut names) = (value.clone(), BTreeMap::new());
    for (field, spec) in value.get_mut("fields").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(key) = spec.get(VOCABULARY).and_then(Value::as_str).map(str::to_owned) {
            spec.as_object_mut().map(|spec| spec.remove(VOCABULARY));
            names.insert(field.clone(), key);
        }
    }
    (value, names)
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
