//! From checked documents to the sections of a segment.

use tercet_index::multi::{MultiInput, NO_UNIT, build_multi};
use tercet_index::{
    Bitmap, DenseStream, EachVector, IndexError, InvertedBuilder, SectionSink, Sections, SparseInput, Values,
    Work, array_bytes, dense_kind,
};
use tercet_text::Analyzer;

use super::columns::KeywordBuilder;
use super::docs::DocsWriter;
use super::present::write_presence;
use super::{field_prefix, ids};
use crate::dense::field_spec;
use crate::document::{Document, FieldValue};
use crate::multi::{self, Tokens};
use crate::schema::{Field, Schema};
use crate::sections::Prefixed;
use crate::wire::{DenseSpec, FieldSpec, MultiSpec, SparseSpec};

/// The version of the layout inside a segment file.
pub(crate) const LAYOUT: u32 = 1;

/// Collects documents, row after row.
pub(crate) struct SegmentBuilder<'s> {
    schema: &'s Schema,
    rows: u32,
    ids: Vec<Vec<u8>>,
    docs: DocsWriter,
    docs_sections: Sections,
    fields: Vec<FieldBuilder>,
    /// Rows that have the field, a list a field.
    present: Vec<Vec<u32>>,
    error: Option<IndexError>,
}

/// One field of a segment in the making.
enum FieldBuilder {
    Text { builder: Box<InvertedBuilder>, analyzer: Option<Analyzer> },
    Keyword(KeywordBuilder),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Dense { spec: DenseSpec, values: Vec<f32> },
    Sparse { spec: SparseSpec, ends: Vec<u64>, terms: Vec<u32>, weights: Vec<f32> },
    Multi { spec: MultiSpec, tokens: TokensBuilder },
}

/// Tokens of documents one after another.
#[derive(Default)]
struct TokensBuilder {
    values: Vec<f32>,
    ends: Vec<u64>,
    /// As many as tokens once a document has some; 0 where one has none.
    units: Vec<u32>,
}

impl FieldBuilder {
    /// An empty one of the field's kind.
    fn new(field: &Field) -> Self {
        match &field.spec {
            FieldSpec::Text(spec) => FieldBuilder::Text {
                builder: Box::new(InvertedBuilder::new(spec.positions)),
                analyzer: field.analyzer,
            },
            FieldSpec::Keyword(_) => FieldBuilder::Keyword(KeywordBuilder::default()),
            FieldSpec::Integer(_) | FieldSpec::Boolean(_) | FieldSpec::Date(_) => {
                FieldBuilder::Integers(Vec::new())
            }
            FieldSpec::Float(_) => FieldBuilder::Floats(Vec::new()),
            FieldSpec::Dense(spec) => FieldBuilder::Dense { spec: spec.clone(), values: Vec::new() },
            FieldSpec::Multi(spec) => {
                FieldBuilder::Multi { spec: spec.clone(), tokens: TokensBuilder::default() }
            }
            FieldSpec::Sparse(spec) => FieldBuilder::Sparse {
                spec: spec.clone(),
                ends: Vec::new(),
                terms: Vec::new(),
                weights: Vec::new(),
            },
        }
    }

    /// Adds the next row.
    fn push(&mut self, row: u32, value: &FieldValue<'_>) {
        match (self, value) {
            (FieldBuilder::Text { builder, analyzer: Some(analyzer) }, FieldValue::Text(text)) => {
                builder.start_row(row);
                analyzer.analyze(text, &mut |token| builder.push(token.term, token.position));
            }
            (FieldBuilder::Keyword(builder), FieldValue::Keywords(values)) => builder.push(values),
            (FieldBuilder::Keyword(builder), _) => builder.push(&[]),
            (FieldBuilder::Integers(values), FieldValue::Integer(value)) => values.push(*value),
            (FieldBuilder::Integers(values), _) => values.push(0),
            (FieldBuilder::Floats(values), FieldValue::Float(value)) => values.push(*value),
            (FieldBuilder::Floats(values), _) => values.push(0.0),
            (FieldBuilder::Dense { values, .. }, FieldValue::Vector(vector)) => {
                values.extend_from_slice(vector)
            }
            (FieldBuilder::Multi { spec, tokens }, FieldValue::Tokens(given)) => {
                tokens.push(spec.dims as usize, given)
            }
            (FieldBuilder::Sparse { ends, terms, weights, .. }, FieldValue::Sparse(vector)) => {
                terms.extend(vector.iter().map(|pair| pair.0));
                weights.extend(vector.iter().map(|pair| pair.1));
                ends.push(terms.len() as u64);
            }
            (
                FieldBuilder::Text { .. }
                | FieldBuilder::Dense { .. }
                | FieldBuilder::Multi { .. }
                | FieldBuilder::Sparse { .. },
                _,
            ) => {}
        }
    }

    /// The sections of a segment of `rows` rows, of which `present` have the field.
    fn finish(self, rows: u32, present: &[u32]) -> Result<Sections, IndexError> {
        match self {
            FieldBuilder::Text { builder, .. } => builder.finish(rows),
            FieldBuilder::Keyword(builder) => builder.finish(),
            FieldBuilder::Integers(values) => Ok(vec![(String::from("values"), array_bytes(&values)?)]),
            FieldBuilder::Floats(values) => Ok(vec![(String::from("values"), array_bytes(&values)?)]),
            FieldBuilder::Sparse { spec, ends, terms, weights } => {
                let kind = crate::sparse::kind(&spec.index)?;
                let (ends, terms, weights) = (ends.as_slice(), terms.as_slice(), weights.as_slice());
                let input = SparseInput { rows, present: Some(present), ends, terms, weights };
                (kind.build)(&crate::sparse::field_spec(&spec), &input, &Work::inline())
            }
            FieldBuilder::Dense { spec, values } => {
                let kind = dense_kind(spec.index.kind())
                    .ok_or_else(|| IndexError::Missing { section: spec.index.kind().to_owned() })?;
                let mut sections = Sections::new();
                let fresh = Fresh { present, values: &values, dims: spec.dims as usize };
                (kind.merge)(&field_spec(&spec), rows, &fresh, &mut sections, &Work::inline())?;
                Ok(sections)
            }
            FieldBuilder::Multi { spec, tokens } => tokens.finish(&spec, rows, present),
        }
    }
}

impl TokensBuilder {
    fn push(&mut self, dims: usize, tokens: &Tokens<'_>) {
        self.values.extend_from_slice(&tokens.values);
        let count = self.values.len() / dims;
        self.ends.push(count as u64);
        if let Some(units) = &tokens.units {
            self.units.resize(count - units.len(), NO_UNIT);
            self.units.extend_from_slice(units);
        } else if !self.units.is_empty() {
            self.units.resize(count, NO_UNIT);
        }
    }

    fn finish(self, spec: &MultiSpec, rows: u32, present: &[u32]) -> Result<Sections, IndexError> {
        let input = MultiInput {
            rows,
            present: Some(present),
            ends: &self.ends,
            tokens: &self.values,
            units: (!self.units.is_empty()).then_some(&self.units),
            plain: true,
        };
        build_multi(&multi::index_spec(spec)?, &input, &Work::inline())
    }
}

/// Vectors of a segment that is soon merged with others.
struct Fresh<'a> {
    present: &'a [u32],
    values: &'a [f32],
    dims: usize,
}

impl DenseStream for Fresh<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        let mut vectors = self.present.iter().zip(self.values.chunks_exact(self.dims));
        vectors.try_for_each(|(row, vector)| each(*row, Values::F32(vector)))
    }

    fn plain(&self) -> bool {
        true
    }
}

impl<'s> SegmentBuilder<'s> {
    /// An empty segment of a schema.
    pub(crate) fn new(schema: &'s Schema) -> Self {
        SegmentBuilder {
            schema,
            rows: 0,
            ids: Vec::new(),
            docs: DocsWriter::default(),
            docs_sections: Sections::new(),
            fields: schema.fields.iter().map(FieldBuilder::new).collect(),
            present: vec![Vec::new(); schema.fields.len()],
            error: None,
        }
    }

    /// Adds a document as the next row. What goes wrong is reported by [`finish`](Self::finish).
    pub(crate) fn push(&mut self, document: Document<'_>) {
        let row = self.rows;
        for ((field, present), value) in self.fields.iter_mut().zip(&mut self.present).zip(&document.values) {
            field.push(row, value);
            if *value != FieldValue::Absent {
                present.push(row);
            }
        }
        if let Err(error) = self.docs.push(&document.stored, &mut self.docs_sections) {
            self.error.get_or_insert(error);
        }
        self.ids.push(document.id);
        self.rows += 1;
    }

    /// All sections.
    pub(crate) fn finish(mut self) -> Result<Sections, IndexError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.docs.finish(&mut self.docs_sections)?;
        let mut sections = vec![(String::from("meta"), array_bytes(&[LAYOUT, self.rows])?)];
        let ids: Vec<&[u8]> = self.ids.iter().map(Vec::as_slice).collect();
        sections.extend(ids::build(&ids)?);
        sections.extend(self.docs_sections);
        for ((field, builder), present) in self.schema.fields.iter().zip(self.fields).zip(&self.present) {
            let mut sink = Prefixed { sink: &mut sections, prefix: field_prefix(&field.key) };
            for (name, bytes) in builder.finish(self.rows, present)? {
                sink.begin(&name)?;
                sink.write(&bytes)?;
            }
            let mut bitmap = Bitmap::new(self.rows);
            for row in present {
                bitmap.set(*row);
            }
            write_presence(&bitmap, &mut sink)?;
        }
        Ok(sections)
    }
}
