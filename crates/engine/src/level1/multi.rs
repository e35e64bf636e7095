//! Token vectors as the values of an index: several vectors a row, compared by MaxSim.

use tercet_index::multi::{
    Candidates, EachDocument, MultiInput, MultiQuery, MultiReader, MultiSearch, MultiSource, MultiStream,
    NO_UNIT, QUERY_TOKENS_MAX, QueryTokens, TOKENS_MAX, build_multi, merge_multi,
};
use tercet_index::{
    Answered, Counters, Effort, IndexError, MemorySections, SectionSink, SectionSource, Sections, TopK, Work,
};

use super::content::{Asked, Content, Search};
use super::merge::{Lies, Merging};
use super::recall::side_by_side;
use super::samples::Samples;
use super::{Index, IndexPart, State, offsets_of};
use crate::api::{Array, Reply, View};
use crate::effort::Steps;
use crate::error::index_error;
use crate::multi;
use crate::offsets::{Offsets, at_row, floats, integers};
use crate::recall;
use crate::search::maxsim::check_weights;
use crate::verb::{parse, to_json};
use crate::wire::{
    BestUnit, Code, IndexAlignReply, IndexAlignRequest, IndexSizes, MultiAbout, MultiIndexInfo, MultiSpec,
    TercetError, TokenReading, TokensIndexSpec,
};

/// The most tokens of a probe: as many as a usual query has.
const PROBE_TOKENS: usize = 32;

/// Token vectors, checked.
#[derive(Clone)]
pub(crate) struct Multi {
    spec: MultiSpec,
    index: tercet_index::multi::MultiSpec,
}

/// Token vectors, row after row.
#[derive(Clone, Copy)]
pub(crate) struct TokenRows<'a> {
    offsets: Offsets<'a>,
    tokens: &'a [f32],
    /// Of rows that are stored, the unit of each token; none: no units.
    units: &'a [u32],
    /// Of queries, the weight of each token; none: all 1.
    weights: &'a [f32],
}

impl<'a> TokenRows<'a> {
    fn tokens(&self, row: u32, dims: usize) -> &'a [f32] {
        let range = self.offsets.range(row);
        &self.tokens[range.start * dims..range.end * dims]
    }
}

/// Whether all tokens of a row have a unit, or none: [`NO_UNIT`] stands for none of a whole row only, so that nothing that is
/// answered about a unit ever is it.
fn check_units(units: &[u32]) -> Result<(), TercetError> {
    let without = units.iter().filter(|unit| **unit == NO_UNIT).count();
    if without == 0 || without == units.len() {
        return Ok(());
    }
    let (expected, found) = ("numbers below 2^32 - 1", NO_UNIT.to_string());
    let message = format!("the units of a row's tokens must be {expected}, found {found}: no unit");
    Err(TercetError::new(Code::Argument, message).field("units").expected(expected, found))
}

/// How a search of token vectors goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MultiWay {
    effort: Effort,
    reading: TokenReading,
}

impl Multi {
    pub(super) fn new(spec: MultiSpec) -> Result<Self, TercetError> {
        multi::check(None, &spec)?;
        let index = multi::index_spec(&spec).map_err(|e| index_error(e, "(index)"))?;
        Ok(Multi { spec, index })
    }

    fn dims(&self) -> usize {
        self.spec.dims as usize
    }

    fn rows<'a>(&self, what: &str, arrays: &'a [Array], most: usize) -> Result<TokenRows<'a>, TercetError> {
        let nothing = TokenRows { offsets: Offsets::NONE, tokens: &[], units: &[], weights: &[] };
        if arrays.is_empty() {
            return Ok(nothing);
        }
        let offsets = integers(arrays.first(), "offsets")?;
        let tokens = floats(arrays.get(1), what)?;
        if !tokens.len().is_multiple_of(self.dims()) {
            let rule = format!("a multiple of {} components", self.dims());
            let found = tokens.len().to_string();
            let message = format!("{what} must come as {rule}, found {found}");
            return Err(TercetError::new(Code::Dimension, message).field(what).expected(rule, found));
        }
        let offsets = offsets_of(what, offsets, tokens.len() / self.dims(), "tokens")?;
        let rows = TokenRows { offsets, tokens, ..nothing };
        for row in 0..Self::count(&rows) {
            let tokens = rows.tokens(row, self.dims());
            multi::check_tokens(what, &self.spec, tokens, most).map_err(|e| at_row(e, row))?;
        }
        Ok(rows)
    }

    fn ready(
        &self,
        tokens: &[f32],
        weights: Option<&[f32]>,
        reading: &TokenReading,
    ) -> Result<MultiQuery, TercetError> {
        if let Some(weights) = weights {
            check_weights(weights, tokens.len() / self.dims())?;
        }
        let given = QueryTokens {
            tokens,
            weights,
            mean: reading.mean,
            carve: reading.carve.map(|least| least as f32),
        };
        MultiQuery::new(&self.index, given).map_err(multi::error)
    }

    fn build_rows(
        &self,
        values: &TokenRows<'_>,
        plain: bool,
        work: &Work<'_>,
    ) -> Result<Sections, IndexError> {
        let (tokens, ends) = values.offsets.ends();
        let input = MultiInput {
            rows: ends.len() as u32,
            present: None,
            ends: &ends,
            tokens: &values.tokens[tokens.start * self.dims()..tokens.end * self.dims()],
            units: values.units.get(tokens).filter(|units| !units.is_empty()),
            plain,
        };
        build_multi(&self.index, &input, work)
    }

    /// `align`: which token of a row each token of a query meets.
    fn align(index: &Index<Self>, json: &str, arrays: &[Array]) -> Result<Reply, TercetError> {
        let IndexAlignRequest { row, reading } = parse(json)?;
        let state = index.state()?;
        let spec = &index.spec;
        let queries = spec.queries("query", arrays)?;
        if Self::count(&queries) != 1 {
            let found = Self::count(&queries).to_string();
            let message = format!("a row is aligned with one query, found {found}");
            return Err(TercetError::new(Code::Argument, message)
                .field("query")
                .expected("one query", found));
        }
        let query = spec.query(&queries, 0, &MultiWay { effort: Effort::Usual, reading })?;
        let Some((part, own)) = state.find(row) else {
            return Err(super::search::no_row(row));
        };
        let reader = &part.stored.reader;
        let failed = |e| index_error(e, part.stored.file.label());
        let aligned = reader.align(&query, own).map_err(failed)?;
        let units = reader.units(own).map_err(failed)?;
        let unit = |token: u32| units.and_then(|units| units.get(token as usize).copied());
        let mut arrays = vec![
            Array::U32(aligned.iter().map(|aligned| aligned.query).collect()),
            Array::U32(aligned.iter().map(|aligned| aligned.token).collect()),
            Array::F32(aligned.iter().map(|aligned| aligned.score).collect()),
        ];
        arrays.extend(
            units.map(|_| Array::U32(aligned.iter().filter_map(|aligned| unit(aligned.token)).collect())),
        );
        let best = reader.best_unit(&query, own).map_err(failed)?;
        let whole = reader.score(&query, own).map_err(failed)?.unwrap_or(0.0);
        let score = if reading.units { best.map_or(whole, |(_, score)| score) } else { whole };
        let best_unit = best.map(|(unit, score)| BestUnit { unit, score });
        Ok(Reply { json: to_json(&IndexAlignReply { score, best_unit })?, arrays, handle: None })
    }
}

impl Content for Multi {
    type Values<'a> = TokenRows<'a>;
    type Query<'a> = MultiQuery;
    /// Tokens, one after another.
    type Probe = Vec<f32>;
    type Reader = MultiReader;
    type Way = MultiWay;
    type About = MultiAbout;
    type Info = MultiIndexInfo;

    const ARRAYS: usize = 3;
    const NAMED: &'static str = "tokens";

    fn about(&self) -> MultiAbout {
        MultiAbout { index: TokensIndexSpec::Multi(self.spec.clone()) }
    }

    fn info(&self, sizes: IndexSizes) -> MultiIndexInfo {
        MultiIndexInfo { about: self.about(), sizes }
    }

    fn from_about(
        MultiAbout { index: TokensIndexSpec::Multi(spec) }: MultiAbout,
    ) -> Result<Self, TercetError> {
        Multi::new(spec)
    }

    fn is_exact(&self) -> bool {
        matches!(self.index.candidates, Candidates::None)
    }

    fn values<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<TokenRows<'a>, TercetError> {
        let mut rows = self.rows(what, arrays, TOKENS_MAX)?;
        for row in 0..Self::count(&rows) {
            multi::check_held(what, &self.spec, rows.tokens(row, self.dims())).map_err(|e| at_row(e, row))?;
        }
        if let Some(units) = arrays.get(2) {
            rows.units = integers(Some(units), "units")?;
        }
        let tokens = rows.tokens.len() / self.dims();
        if !rows.units.is_empty() && rows.units.len() != tokens {
            let (expected, found) = (format!("{tokens} units"), rows.units.len().to_string());
            let message = format!("{tokens} tokens have as many units, found {found}");
            return Err(TercetError::new(Code::Dimension, message).field("units").expected(expected, found));
        }
        for row in 0..Self::count(&rows) {
            check_units(rows.units.get(rows.offsets.range(row)).unwrap_or(&[]))
                .map_err(|e| at_row(e, row))?;
        }
        Ok(rows)
    }

    fn queries<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<TokenRows<'a>, TercetError> {
        let mut rows = self.rows(what, arrays, QUERY_TOKENS_MAX)?;
        if let Some(Array::F32(weights)) = arrays.get(2) {
            rows.weights = weights;
        }
        let tokens = rows.tokens.len() / self.dims();
        if !rows.weights.is_empty() && rows.weights.len() != tokens {
            check_weights(rows.weights, tokens)?;
        }
        Ok(rows)
    }

    fn count(values: &TokenRows<'_>) -> u32 {
        values.offsets.rows()
    }

    fn part<'a>(values: &Self::Values<'a>, place: u32, count: u32) -> Self::Values<'a> {
        TokenRows { offsets: values.offsets.part(place, count), ..*values }
    }

    fn query<'a>(
        &self,
        queries: &Self::Values<'a>,
        at: u32,
        way: &MultiWay,
    ) -> Result<Self::Query<'a>, TercetError> {
        let weights = queries.weights.get(queries.offsets.range(at)).filter(|weights| !weights.is_empty());
        self.ready(queries.tokens(at, self.dims()), weights, &way.reading)
    }

    /// A query in one array of f32: its tokens, and behind them their weights where there are some.
    fn query_of<'a>(&self, view: View<'a>, way: &MultiWay) -> Result<MultiQuery, TercetError> {
        let View::F32(all) = view else {
            return Err(TercetError::new(Code::Type, "the tokens of a query must come as a Float32Array")
                .field("query")
                .expected("a Float32Array", "another array"));
        };
        let each = self.dims() + usize::from(way.reading.weighted);
        let weights = if way.reading.weighted { all.len() / each } else { 0 };
        let (tokens, weights) = all.split_at(all.len() - weights);
        multi::check_tokens("query", &self.spec, tokens, QUERY_TOKENS_MAX)?;
        self.ready(tokens, way.reading.weighted.then_some(weights), &way.reading)
    }

    fn way(&self, asked: &Asked, k: usize) -> Result<MultiWay, TercetError> {
        asked.refuse_steps()?;
        asked.refuse_slack()?;
        let &Asked { effort, reading, .. } = asked;
        if let Some(least) = reading.carve.filter(|least| !(*least as f32).is_finite()) {
            return Err(TercetError::new(Code::Limit, format!("carve must be finite, found {least}"))
                .field("carve")
                .expected("a finite inner product", least.to_string()));
        }
        let steps = Steps { candidates: effort.candidates, ..Steps::default() };
        let effort = if effort.exact { Effort::Exact } else { steps.effort(k)?.unwrap_or_default() };
        Ok(MultiWay { effort, reading })
    }

    fn by_effort(&self, way: MultiWay, effort: Effort) -> MultiWay {
        MultiWay { effort, ..way }
    }

    fn rungs(&self, k: usize) -> Vec<u32> {
        recall::ladder(k).collect()
    }

    fn build(&self, values: &TokenRows<'_>, _: &Samples, work: &Work<'_>) -> Result<Sections, IndexError> {
        self.build_rows(values, false, work)
    }

    fn merge(
        &self,
        span: u32,
        merging: &Merging<'_, '_, Self>,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        let fresh = merging.fresh.map(|fresh| {
            // Its encodings are copied out again: a graph over them is for the merge to make.
            let sections = self.build_rows(&fresh.values, true, work)?;
            self.open(Self::count(&fresh.values), &MemorySections::new(&sections))
        });
        let stream = Stream { merging, fresh: fresh.transpose()? };
        merge_multi(&self.index, span, &stream, sink, work)
    }

    fn open(&self, span: u32, source: &dyn SectionSource) -> Result<MultiReader, IndexError> {
        MultiReader::open(&self.index, span, source)
    }

    fn len(reader: &MultiReader) -> Option<u64> {
        Some(reader.len() as u64)
    }

    fn facts(reader: &MultiReader) -> Vec<(&'static str, f64)> {
        let of_encodings = reader.encodings().map(|encodings| encodings.facts()).unwrap_or_default();
        let own = [
            ("tokens", reader.tokens() as f64),
            ("bytesPerToken", reader.bytes_per_token() as f64),
            ("centroids", reader.centroids() as f64),
        ];
        own.into_iter().chain(of_encodings).collect()
    }

    fn search(
        &self,
        reader: &MultiReader,
        query: &MultiQuery,
        search: &Search<'_, Self>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        let Search { way, allowed, stop } = *search;
        let search = MultiSearch { effort: way.effort, allowed, stop, by_unit: way.reading.units };
        reader.search(query, &search, top, counters)
    }

    /// Its tokens as they are kept, and their units where there are some.
    fn stored(&self, reader: &MultiReader, row: u32) -> Result<Option<Vec<Array>>, IndexError> {
        let Some(tokens) = reader.stored(row)? else { return Ok(None) };
        let units = reader.units(row)?.map(|units| Array::U32(units.to_vec()));
        Ok(Some(std::iter::once(Array::F32(tokens)).chain(units).collect()))
    }

    fn probe_of(&self, reader: &MultiReader, row: u32) -> Result<Option<Vec<f32>>, IndexError> {
        let Some(kept) = reader.stored(row)? else { return Ok(None) };
        Ok(Some(multi::padded(&kept, reader.dims(), self.dims(), QUERY_TOKENS_MAX)))
    }

    fn probe<'a>(&self, probe: &'a Vec<f32>, way: &MultiWay) -> Result<Self::Query<'a>, TercetError> {
        self.ready(probe, None, &way.reading)
    }

    /// Some tokens of stored rows, at even distances; the row must then not be found itself.
    fn probes(
        index: &Index<Self>,
        state: &State<Self>,
        rows: &[u32],
        _: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<(Vec<f32>, Option<u32>)>, TercetError> {
        let dims = index.spec.dims();
        let made = side_by_side(rows.len(), work, step, &|at| {
            let Some((part, own)) = state.find(rows[at]) else { return Ok(None) };
            let reader = &part.stored.reader;
            let kept = reader.stored(own).map_err(|e| index_error(e, part.stored.file.label()))?;
            Ok(kept.map(|kept| (multi::padded(&kept, reader.dims(), dims, PROBE_TOKENS), Some(rows[at]))))
        })?;
        Ok(made.into_iter().flatten().collect())
    }

    fn verb(
        index: &Index<Self>,
        verb: &str,
        json: &str,
        arrays: &[Array],
    ) -> Option<Result<Reply, TercetError>> {
        (verb == "align").then(|| Self::align(index, json, arrays))
    }
}

/// Parts and new rows, as the merge of token vectors takes them.
struct Stream<'m, 'a, 'v> {
    merging: &'m Merging<'a, 'v, Multi>,
    fresh: Option<MultiReader>,
}

impl MultiStream for Stream<'_, '_, '_> {
    fn for_each(&self, each: &mut EachDocument<'_>) -> Result<(), IndexError> {
        for (to, lies) in self.merging.rows() {
            match (lies, &self.fresh) {
                (Lies::Part(part, row), _) => each(to, &self.merging.parts[part].stored.reader, row)?,
                (Lies::Fresh(at), Some(fresh)) => each(to, fresh, at)?,
                (Lies::Fresh(at), None) => {
                    return Err(IndexError::corrupt("rows", format!("row {at} has no tokens")));
                }
            }
        }
        Ok(())
    }

    fn sources(&self) -> Vec<MultiSource<'_>> {
        if self.merging.is_anew() {
            return Vec::new();
        }
        let source = |part| {
            let part: &IndexPart<Multi> = part;
            MultiSource { reader: &part.stored.reader, kept: Box::new(self.merging.kept(part)) }
        };
        self.merging.parts.iter().copied().map(source).collect()
    }
}
