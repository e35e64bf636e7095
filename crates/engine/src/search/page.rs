//! Documents for the page: fetched, cut down to the selected fields, their vectors put beside them.

use indexmap::IndexSet;
use serde_json::{Map, Value};

use crate::api::Array;
use crate::collection::Snapshot;
use crate::error::index_error;
use crate::id;
use crate::segment::BlockCache;
use crate::wire::{Code, FieldSpec, Id, TercetError};

/// Fetches documents of one snapshot.
pub(crate) struct Projector<'a> {
    snapshot: &'a Snapshot,
    /// Whether every stored field goes out.
    everything: bool,
    /// Positions of the selected fields, each once.
    selected: Vec<usize>,
    /// Whether any of them is kept in the stored document.
    reads: bool,
    /// Whether stored documents have the names of the fields.
    plain: bool,
    cache: BlockCache,
    cached_part: usize,
}

impl<'a> Projector<'a> {
    /// `select` names fields (`id` always comes); without it every field comes, the dense ones only `with_vectors`.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        select: Option<&[String]>,
        with_vectors: bool,
    ) -> Result<Self, TercetError> {
        let schema = &snapshot.schema;
        let vectors = |spec: &FieldSpec| matches!(spec, FieldSpec::Dense(_) | FieldSpec::Multi(_));
        let stored = |at: &usize| !vectors(&schema.fields[*at].spec);
        let vector = |at: &usize| !stored(at) || matches!(schema.fields[*at].spec, FieldSpec::Sparse(_));
        let selected = match select {
            Some(names) => {
                let names = names.iter().filter(|name| *name != "id");
                let distinct = names.map(|name| schema.require(name)).collect::<Result<IndexSet<_>, _>>()?;
                distinct.into_iter().collect()
            }
            None => (0..schema.fields.len()).filter(|at| with_vectors || !vector(at)).collect::<Vec<_>>(),
        };
        Ok(Projector {
            snapshot,
            everything: select.is_none(),
            reads: select.is_none() || selected.iter().any(stored),
            selected,
            plain: schema.is_plain(),
            cache: BlockCache::default(),
            cached_part: usize::MAX,
        })
    }

    /// The stored fields of a document.
    pub(crate) fn stored(&mut self, part: usize, row: u32) -> Result<Map<String, Value>, TercetError> {
        if self.cached_part != part {
            self.cache = BlockCache::default();
            self.cached_part = part;
        }
        let segment = &self.snapshot.parts[part].segment;
        let bytes =
            segment.docs.read(row, &mut self.cache).map_err(|e| index_error(e, segment.file.label()))?;
        let stored = serde_json::from_slice(bytes).map_err(|e| {
            let file = segment.file.label();
            TercetError::new(Code::Corrupt, format!("{file}: the document of row {row} cannot be read: {e}"))
                .file(file)
        })?;
        Ok(if self.plain { stored } else { self.renamed(stored) })
    }

    /// Stored names are keys: renamed fields get their present names, dropped ones go.
    fn renamed(&self, stored: Map<String, Value>) -> Map<String, Value> {
        let schema = &self.snapshot.schema;
        let present = |(key, value): (String, Value)| match schema.with_key(&key) {
            Some(at) => Some((schema.fields[at].name.clone(), value)),
            None if key == "id" => Some((key, value)),
            None => None,
        };
        stored.into_iter().filter_map(present).collect()
    }

    /// The stored fields of a document, or nothing where none of them is selected.
    pub(crate) fn needed(&mut self, part: usize, row: u32) -> Result<Map<String, Value>, TercetError> {
        if self.reads { self.stored(part, row) } else { Ok(Map::new()) }
    }

    /// The selected fields of a document, out of the stored ones; vectors go to `arrays`.
    pub(crate) fn project(
        &self,
        part: usize,
        row: u32,
        mut stored: Map<String, Value>,
        arrays: &mut Vec<Array>,
    ) -> Result<Value, TercetError> {
        let schema = &self.snapshot.schema;
        let mut out = Map::new();
        if self.everything {
            out = std::mem::take(&mut stored);
            // They come where they are selected, as arrays.
            for field in schema.fields.iter().filter(|field| matches!(field.spec, FieldSpec::Sparse(_))) {
                if let Some(vector) = out.remove(&field.name) {
                    stored.insert(field.name.clone(), vector);
                }
            }
        } else {
            out.insert(String::from("id"), self.id(part, row)?.into());
        }
        for at in &self.selected {
            let field = &schema.fields[*at];
            if let FieldSpec::Dense(_) = field.spec {
                let segment = &self.snapshot.parts[part].segment;
                let vector = segment.dense(*at).map(|reader| reader.vector(row)).transpose();
                if let Some(vector) = vector.map_err(|e| segment.error(e))?.flatten() {
                    out.insert(field.name.clone(), serde_json::json!({ "$vector": arrays.len() }));
                    arrays.push(Array::F32(vector.into_owned()));
                }
            } else if let FieldSpec::Multi(spec) = &field.spec {
                let segment = &self.snapshot.parts[part].segment;
                let tokens = segment.multi(*at).map(|reader| reader.stored(row)).transpose();
                if let Some(tokens) = tokens.map_err(|e| segment.error(e))?.flatten() {
                    let data = serde_json::json!({ "$vector": arrays.len() });
                    let dims = spec.prefix.unwrap_or(spec.dims);
                    out.insert(field.name.clone(), serde_json::json!({ "data": data, "dims": dims }));
                    arrays.push(Array::F32(tokens));
                }
            } else if let (FieldSpec::Sparse(_), Some(vector)) = (&field.spec, stored.get(&field.name)) {
                if let Some(vector) = crate::sparse::to_arrays(vector, arrays) {
                    out.insert(field.name.clone(), vector);
                }
            } else if let Some(value) = stored.remove(&field.name) {
                out.insert(field.name.clone(), value);
            }
        }
        Ok(Value::Object(out))
    }

    /// A document's id.
    pub(crate) fn id(&self, part: usize, row: u32) -> Result<Id, TercetError> {
        let segment = &self.snapshot.parts[part].segment;
        id::decode(segment.id(row)?).ok_or_else(|| {
            let file = segment.file.label();
            TercetError::new(Code::Corrupt, format!("{file}: the id of row {row} cannot be read")).file(file)
        })
    }
}
