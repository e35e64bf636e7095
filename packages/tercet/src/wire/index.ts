// Generated from crates/engine/src/wire by `npm run generate`. Do not edit: change the Rust types.

/**
 * What went wrong, in a word that never changes.
 */
export type Code = "ERR_SCHEMA" | "ERR_FIELD" | "ERR_REQUIRED" | "ERR_TYPE" | "ERR_NOT_FINITE" | "ERR_DIMENSION" | "ERR_ZERO_VECTOR" | "ERR_ID" | "ERR_DUPLICATE_ID" | "ERR_QUERY" | "ERR_FILTER" | "ERR_LIMIT" | "ERR_PARSE" | "ERR_ENCODING" | "ERR_ARGUMENT" | "ERR_UNSUPPORTED" | "ERR_NOT_FOUND" | "ERR_EXISTS" | "ERR_LOCKED" | "ERR_CORRUPT" | "ERR_VERSION" | "ERR_IO" | "ERR_MEMORY" | "ERR_CLOSED" | "ERR_ABORTED" | "ERR_INTERNAL";

/**
 * An error as it crosses to JavaScript.
 */
export type WireError = { 
/**
 * The stable code.
 */
code: Code, 
/**
 * One sentence: what, where, expected and found.
 */
message: string, 
/**
 * The field of the schema or of the request.
 */
field?: string, 
/**
 * The document's position in the call, from 0.
 */
position?: number, 
/**
 * The document's id.
 */
id?: string | number, 
/**
 * The position inside a vector, from 0.
 */
component?: number, 
/**
 * What was expected.
 */
expected?: string, 
/**
 * What came instead.
 */
found?: string, 
/**
 * The file concerned.
 */
file?: string, 
/**
 * The line of that file, from 1.
 */
line?: number, };

/**
 * A document's id: 1 and "1" are different.
 */
export type Id = number | string;

/**
 * A schema: the fields of every document beside `id`, in the order in which they were declared.
 */
export type SchemaSpec = { 
/**
 * Field name (1 to 200 bytes; not `id`, `and`, `or`, `not`; not starting with `$` or `_`) to its kind.
 */
fields: Record<string, FieldSpec>, };

/**
 * One field's kind and settings.
 */
export type FieldSpec = { "type": "text" } & TextSpec | { "type": "keyword" } & KeywordSpec | { "type": "integer" } & ScalarSpec | { "type": "float" } & ScalarSpec | { "type": "boolean" } & ScalarSpec | { "type": "date" } & ScalarSpec | { "type": "dense" } & DenseSpec | { "type": "multi" } & MultiSpec | { "type": "sparse" } & SparseSpec;

/**
 * Settings of a `text` field.
 */
export type TextSpec = { 
/**
 * Name of the analyzer: `standard`, `english`, `whitespace`, `cjk`, or a Snowball language.
 */
analyzer?: string, 
/**
 * Weight of this field's BM25 when several fields are searched: above 0, at most 1,000,000.
 */
boost?: number, 
/**
 * Keep word positions (phrases need them; the index grows by about a third).
 */
positions?: boolean, 
/**
 * BM25 saturation of term frequency, 0 to 10.
 */
k1?: number, 
/**
 * BM25 length normalisation, 0 to 1.
 */
b?: number, 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * Settings of a `keyword` field.
 */
export type KeywordSpec = { 
/**
 * An array of strings a document instead of one.
 */
many?: boolean, 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * Settings of a field with one plain value.
 */
export type ScalarSpec = { 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * Settings of a `dense` field.
 */
export type DenseSpec = { 
/**
 * Components a vector, 1 to 65,535.
 */
dims: number, 
/**
 * How two vectors are compared.
 */
metric?: MetricName, 
/**
 * The index kind and its settings; `hnsw` when absent, or that of the stored schema.
 */
index?: DenseIndexSpec, 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * Settings of a `sparse` field. Pruning counts at index time: what is pruned is not searched, and still given back.
 */
export type SparseSpec = { 
/**
 * How many terms there are: indices are 0 to `terms` - 1.
 */
terms: number, 
/**
 * What the terms are called, as many words: vectors may then be `{ word: weight }`, and word `i` is term `i`. That of the
 * stored schema when absent.
 */
vocabulary?: readonly string[], 
/**
 * How weights are kept.
 */
weights?: SparseWeights, 
/**
 * Index only the heaviest terms of a document, so many; 0: all.
 */
top?: number, 
/**
 * Index only the heaviest terms of a document, up to this share of the sum of its weights: above 0; 1: all.
 */
mass?: number, 
/**
 * The index kind and its settings; `lists` when absent, or that of the stored schema.
 */
index?: SparseIndexSpec, 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * A sparse index kind and its settings.
 */
export type SparseIndexSpec = { "kind": "lists" } & SparseListsSpec | { "kind": "seismic" } & SeismicSpec;

/**
 * Settings of a `lists` index.
 */
export type SparseListsSpec = { 
/**
 * Documents in a block that has a bound of its own: 8, 16, 32, 64 or 128.
 */
block?: number, };

/**
 * Settings of a `seismic` index.
 */
export type SeismicSpec = { 
/**
 * Postings of a term that candidates are found by, the heaviest; 0: by the number of documents. Fewer make the index
 * smaller, and rarer terms count more.
 */
postings?: number, };

/**
 * How the weights of sparse vectors are kept in the index.
 */
export type SparseWeights = "exact" | "f16" | "ones";

/**
 * A dense index kind and its settings.
 */
export type DenseIndexSpec = { "kind": "flat" } & FlatSpec | { "kind": "hnsw" } & HnswSpec | { "kind": "ivf" } & IvfSpec;

/**
 * Settings of a `flat` index.
 */
export type FlatSpec = { 
/**
 * The codes that are compared. With any but `auto` and `f32` answers are as exact as the codes.
 */
codec?: CodecName, 
/**
 * What makes vectors shorter before they are coded, in 8 bits a component; answers are re-ranked by whole vectors.
 */
reduce?: ReduceSpec, 
/**
 * Keep the vectors themselves beside codes, to re-rank by and to give back bit for bit.
 */
keep?: boolean, };

/**
 * Settings of an `hnsw` index.
 */
export type HnswSpec = { 
/**
 * Links of a node above the lowest level, and half of those on it: 4 to 64. More make the graph larger and recall
 * higher.
 */
m?: number, 
/**
 * Candidates that a new node's links are chosen from: `m` to 4,096. More make building slower and recall higher.
 */
efConstruction?: number, 
/**
 * The codes that the graph is walked by.
 */
codec?: CodecName, 
/**
 * What makes vectors shorter before they are coded; what the codec takes to be best when absent. Answers are
 * re-ranked by whole vectors.
 */
reduce?: ReduceSpec, 
/**
 * Keep the vectors themselves, to re-rank by and to give back bit for bit. Without them both come from the codes.
 */
keep?: boolean, 
/**
 * What decides levels and order, 0 to 2^53 - 1: the same vectors and seed give the same graph.
 */
seed?: number, };

/**
 * How vectors are coded.
 */
export type CodecName = "auto" | "f32" | "f16" | "lvq8" | "lvq4x8";

/**
 * Settings of an `ivf` index.
 */
export type IvfSpec = { 
/**
 * Lists, 1 to 65,536; chosen by the number of vectors when absent. A segment with few vectors has fewer, or none and is
 * scanned.
 */
lists?: number, 
/**
 * The codes that lists hold.
 */
codec?: IvfCodecName, 
/**
 * Parts of a vector, each with a codebook of its own: 1 to dims and at most 1,024, by default dims / 4. Only for `pq`. Dimensions that it
 * does not divide are dealt out, so that some parts are one longer.
 */
m?: number, 
/**
 * Bits a part (`pq`: 4 or 8, by default 4) or a component (`rabitq`: 1 to 8, by default 1). Not for other codecs.
 */
bits?: number, 
/**
 * Code the difference from a list's centroid instead of the vector; what suits the codec when absent.
 */
residual?: boolean, 
/**
 * What turns vectors before they are coded in parts.
 */
rotate?: RotateName, 
/**
 * What makes vectors shorter before they are coded; nothing when absent.
 */
reduce?: ReduceSpec, 
/**
 * Put every vector into a second list as well, across the border from the first (SOAR, arXiv 2404.00774).
 */
spill?: boolean, 
/**
 * Let no list hold more than twice the mean: even times, for up to half as many lists more.
 */
balance?: boolean, 
/**
 * What candidates of the codes are ranked by again.
 */
rerank?: RerankName, 
/**
 * Keep the vectors themselves, to re-rank by and to give back bit for bit. Without them both come from codes: 8-bit ones
 * that stand for the vectors, 16-bit floats with `f16`, or with `rerank: none` those of the lists alone.
 */
keep?: boolean, 
/**
 * What decides where training begins, 0 to 2^53 - 1: the same vectors and seed give the same bytes.
 */
seed?: number, };

/**
 * The codes of inverted lists.
 */
export type IvfCodecName = "auto" | "f32" | "f16" | "lvq8" | "lvq4x8" | "pq" | "rabitq" | "binary";

/**
 * What turns vectors before they are coded.
 */
export type RotateName = "auto" | "none" | "random" | "opq";

/**
 * What candidates are ranked by again.
 */
export type RerankName = "auto" | "none" | "lvq8" | "f16" | "vectors";

/**
 * What makes vectors shorter before they are coded.
 */
export type ReduceSpec = { "kind": "none", } | { "kind": "pca" } & ReducedSpec | { "kind": "prefix" } & ReducedSpec | { "kind": "leanvec" } & ReducedSpec | { "kind": "random" } & ReducedSpec;

/**
 * How short vectors become.
 */
export type ReducedSpec = { 
/**
 * Components that stay: 1 to those of a vector.
 */
dims: number, };

/**
 * How two vectors are compared. Scores are higher for nearer vectors under every metric.
 */
export type MetricName = "cosine" | "dot" | "l2" | "hamming" | "jaccard";

/**
 * Settings of a `multi` field.
 */
export type MultiSpec = { 
/**
 * Components of a token's vector, 1 to 65,535.
 */
dims: number, 
/**
 * How two tokens are compared. `cosine` scales them to unit length and refuses zero vectors; `dot` takes them as they
 * are, and a zero vector scores 0.
 */
metric?: TokenMetric, 
/**
 * How tokens are kept.
 */
codec?: TokenCodecName, 
/**
 * The first components that are kept, for embeddings that were trained so (Matryoshka, arXiv 2205.13147); all when
 * absent.
 */
prefix?: number, 
/**
 * Tokens of a document that become one on average, by clustering: 1 keeps all, at most 8 (arXiv 2409.14683).
 */
pool?: number, 
/**
 * How candidates are found; `centroids` when absent.
 */
index?: MultiIndexSpec, 
/**
 * May be absent.
 */
optional?: boolean, };

/**
 * How two tokens are compared.
 */
export type TokenMetric = "cosine" | "dot";

/**
 * How tokens are kept.
 */
export type TokenCodecName = "i8" | "f16" | "f32" | "residual1" | "residual2" | "residual4";

/**
 * How candidates are found before they are compared by MaxSim.
 */
export type MultiIndexSpec = { "kind": "scan", } | { "kind": "muvera" } & MuveraSpec | { "kind": "centroids", };

/**
 * Settings of fixed dimensional encodings (MUVERA, arXiv 2405.19504). An encoding has
 * `repetitions * 2^bits * projection` components, or `final`.
 */
export type MuveraSpec = { 
/**
 * How often tokens are put into buckets anew, 1 to 256.
 */
repetitions?: number, 
/**
 * Directions that decide a token's bucket, 0 to 10: there are `2^bits` buckets.
 */
bits?: number, 
/**
 * Components that a bucket's vector is projected to; not projected where that is 0 or no fewer than a token has.
 */
projection?: number, 
/**
 * The matrix that projects.
 */
matrix?: MatrixName, 
/**
 * Components that the whole is folded to, by a count sketch; all when absent.
 */
final?: number, 
/**
 * What decides directions and signs, 0 to 2^53 - 1.
 */
seed?: number, 
/**
 * The dense index that the encodings are in; `flat` with 8-bit codes when absent.
 */
index?: DenseIndexSpec, };

/**
 * A matrix that makes vectors shorter.
 */
export type MatrixName = "dense" | "sketch";

/**
 * Token vectors: a list of vectors, or all of them one after another.
 */
export type TokensRef = { 
/**
 * The components.
 */
data: VectorRef, 
/**
 * Components of each.
 */
dims: number, } | Array<VectorRef>;

/**
 * Documents by MaxSim: for each token of the query the best of the document's, added up.
 */
export type MaxSimQuery = { 
/**
 * A multi field.
 */
field: string, 
/**
 * The query's tokens, 1 to 4,096 of the field's dimension.
 */
tokens: TokensRef, 
/**
 * A weight for each token, 0 to 1,000,000: 0 leaves it out. All 1 when absent.
 */
weights?: Array<number>, 
/**
 * The mean over the query's tokens and not the sum.
 */
mean?: boolean, 
/**
 * How many documents to consider, 1 to 100,000; offset + limit when absent.
 */
k?: number, 
/**
 * Candidates that are compared by MaxSim, 1 to 100,000. At most one of `candidates`, `recall` and `exact`; the larger
 * of 128 and 16 k without any.
 */
candidates?: number, 
/**
 * The recall wanted, by the curve that `tune` measured; above 0, up to 1.
 */
recall?: number, 
/**
 * Compare all documents.
 */
exact?: boolean, 
/**
 * Query tokens whose inner product is at least this are added and compared as one: faster, a little less exact.
 */
carve?: number, 
/**
 * Rank a document by the best of its units alone.
 */
units?: boolean, };

/**
 * Whose encoding is made.
 */
export type FdeSide = "query" | "document";

/**
 * `fde`: the fixed dimensional encoding of tokens. `arrays[0]`: their components; the answer's `arrays[0]`: the encoding.
 */
export type FdeRequest = { 
/**
 * Components of a token.
 */
dims: number, 
/**
 * Whose it is.
 */
side: FdeSide, 
/**
 * How it is made; its `index` is not looked at.
 */
muvera?: MuveraSpec, };

/**
 * A vector: a reference into the arrays beside the JSON, base64 of little-endian f32, or plain numbers.
 */
export type VectorRef = { 
/**
 * Position in the arrays of the call.
 */
$vector: number, } | { 
/**
 * Base64 of little-endian f32.
 */
$f32: string, } | { 
/**
 * The document's id.
 */
id: string | number, } | Array<number>;

/**
 * Which fields to search: names, or names with weights that replace the schema's boosts.
 */
export type FieldBoosts = Array<string> | Record<string, number>;

/**
 * Whether one or all of a query's words must match.
 */
export type Operator = "or" | "and";

/**
 * Words, ranked by BM25.
 */
export type MatchQuery = { 
/**
 * The words, analysed as each field is. Must not be empty.
 */
text: string, 
/**
 * The fields; every text field when absent. Scores are summed over fields.
 */
fields?: FieldBoosts, 
/**
 * One or all words.
 */
operator?: Operator, 
/**
 * How many of the distinct words a field must hold to count: a whole number from 1 (more than there are words means
 * all), or a share of them below 1, rounded down, at least one word. Not beside `and`.
 */
minimumShouldMatch?: number, 
/**
 * What scores are multiplied by: above 0, at most 1,000,000; 1 when absent.
 */
boost?: number, };

/**
 * Words with weights, ranked by BM25: what feedback gives.
 */
export type TermsQuery = { 
/**
 * A text field.
 */
field: string, 
/**
 * Terms as the index has them (stemmed, folded; `explain` shows them), 1 to 1,024, each with a weight above 0 and at
 * most 1,000,000.
 */
terms: Record<string, number>, 
/**
 * How many of the terms a document must hold: as in a `match`.
 */
minimumShouldMatch?: number, 
/**
 * As in a `match`.
 */
boost?: number, };

/**
 * Words beside one another, ranked by BM25 as if the phrase were one word whose idf is the sum of theirs.
 */
export type PhraseQuery = { 
/**
 * A text field that keeps positions.
 */
field: string, 
/**
 * The phrase, at most 64 words, analysed as the field is; dropped words leave their places.
 */
text: string, 
/**
 * By how many places, in all, words may stand away from where the phrase has them: 0 to 10,000. A match of width w
 * counts 1 / (1 + w).
 */
slop?: number, 
/**
 * As in a `match`.
 */
boost?: number, };

/**
 * All words with a beginning, ranked by BM25 as if they were one word.
 */
export type PrefixQuery = { 
/**
 * A text field.
 */
field: string, 
/**
 * The beginning, folded as the field's words are but not stemmed. Must not be empty.
 */
prefix: string, 
/**
 * The most words that may begin like this, else ERR_LIMIT: 1 to 65,536; 1,024 when absent.
 */
maxExpansions?: number, 
/**
 * As in a `match`.
 */
boost?: number, };

/**
 * Words that are spelled nearly so: for each word of the text, all within an edit distance, ranked by BM25 as if they were
 * one word; one that is d edits away counts 1 / (1 + d).
 */
export type FuzzyQuery = { 
/**
 * A text field.
 */
field: string, 
/**
 * The words, at most 64, analysed as the field is.
 */
text: string, 
/**
 * The most edits, 0 to 2. When absent none for words of up to 2 characters, one up to 5, two beyond.
 */
distance?: number, 
/**
 * So many first characters must be right: 0 to 255.
 */
prefixLength?: number, 
/**
 * Two neighbours that changed places are one edit.
 */
transpositions?: boolean, 
/**
 * One or all words.
 */
operator?: Operator, 
/**
 * The most words that those of the text may stand for together, else ERR_LIMIT: 1 to 65,536; 1,024 when absent.
 */
maxExpansions?: number, 
/**
 * As in a `match`.
 */
boost?: number, };

/**
 * Queries by words, combined. They nest at most 8 deep; a query has at most 1,024 clauses in all. Without `must`, `filter`
 * and `should` it finds every document that `mustNot` leaves.
 */
export type BooleanQuery = { 
/**
 * All must match; their scores are summed.
 */
must?: Array<Query>, 
/**
 * Those that match add their scores.
 */
should?: Array<Query>, 
/**
 * None may match.
 */
mustNot?: Array<Query>, 
/**
 * All must match; they add nothing to the score.
 */
filter?: Array<Query>, 
/**
 * How many of `should` must match, 0 to as many as there are; when absent 1 where there is neither `must` nor `filter`,
 * else 0.
 */
minimumShouldMatch?: number, 
/**
 * As in a `match`.
 */
boost?: number, };

/**
 * Nearest vectors.
 */
export type NearQuery = { 
/**
 * A dense field.
 */
field: string, 
/**
 * The query vector, of the field's dimension; or a document's id.
 */
vector: VectorRef, 
/**
 * How many neighbours to consider, 1 to 100,000; offset + limit when absent.
 */
k?: number, 
/**
 * Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again; 1 to 100,000, and
 * at least k. More find more of the true nearest, and take longer. At most one of `ef`, `nprobe` (with `candidates` or
 * `oversample`), `recall` and `exact`; as is usual for the kind without any (a graph: the larger of 64 and k).
 */
ef?: number, 
/**
 * Lists that are scanned, 1 to 100,000. For an index without lists the candidates say it all.
 */
nprobe?: number, 
/**
 * Candidates that are ranked again, 1 to 100,000; with `nprobe` or alone.
 */
candidates?: number, 
/**
 * The same as a multiple of k, 1 to 10,000.
 */
oversample?: number, 
/**
 * The share of the true nearest that is to be found on average, above 0 and up to 1, by the curve that `tune`
 * measured.
 */
recall?: number, 
/**
 * Compare all vectors.
 */
exact?: boolean, 
/**
 * Only what is within: the least cosine or inner product, or the largest Euclidean distance (not squared).
 */
radius?: number, 
/**
 * Stops a walk after so many nodes that did not change the best, 1 or more.
 */
patience?: number, 
/**
 * Stops after about so many milliseconds with what was found by then; the page is then not `complete`.
 */
timeLimitMs?: number, 
/**
 * Ids of documents that are not to be found, at most 100,000. Those that are not there are no error.
 */
exclude?: (string | number)[], };

/**
 * The largest inner products with a sparse vector. Exact unless `alpha`, `beta`, `cells` or `recall` is given.
 */
export type ExpandQuery = { 
/**
 * A sparse field.
 */
field: string, 
/**
 * `{ indices, values }` (numbers, or references into the arrays of the call) or `{ term: weight }`; at most 4,096 terms
 * of the field's, each once, with weights above 0.
 */
vector: unknown, 
/**
 * How many documents to consider, 1 to 100,000; offset + limit when absent.
 */
k?: number, 
/**
 * What upper bounds are multiplied by before documents are passed over: above 0, at most 1. Less is faster and may miss
 * some.
 */
alpha?: number, 
/**
 * The share of the query's terms, the lightest, that upper bounds leave out: 0 to below 1.
 */
beta?: number, 
/**
 * The most cells of 256 documents that are scored in each segment, 1 to 16,777,216; best bounds first.
 */
cells?: number, 
/**
 * The recall wanted, by the curve that `tune` measured; above 0, up to 1. Instead of `alpha`, `beta` and `cells`.
 */
recall?: number, };

/**
 * Every document, score 0, in the order of insertion.
 */
export type AllQuery = Record<symbol, never>;

/**
 * How rankings become one.
 */
export type FuseMethod = "rrf";

/**
 * Several rankings made one.
 */
export type FuseQuery = { 
/**
 * The method.
 */
method: FuseMethod, 
/**
 * The rankings, 1 to 32.
 */
queries: Array<Query>, 
/**
 * The constant of the method, above 0.
 */
k?: number, 
/**
 * One weight a ranking, 0 to 1,000,000; all 1 when absent. A ranking of weight 0 adds nothing to a score, and what only
 * it found comes last.
 */
weights?: Array<number>, 
/**
 * Candidates taken from each ranking, 1 to 100,000; the larger of 100 and offset + limit when absent.
 */
depth?: number, };

/**
 * A query is plain data: it can be logged, replayed, sent to a worker or compiled for another engine.
 */
export type Query = { "kind": "match" } & MatchQuery | { "kind": "terms" } & TermsQuery | { "kind": "phrase" } & PhraseQuery | { "kind": "prefix" } & PrefixQuery | { "kind": "fuzzy" } & FuzzyQuery | { "kind": "boolean" } & BooleanQuery | { "kind": "near" } & NearQuery | { "kind": "maxsim" } & MaxSimQuery | { "kind": "expand" } & ExpandQuery | { "kind": "all" } & AllQuery | { "kind": "fuse" } & FuseQuery;

/**
 * A search.
 */
export type SearchRequest = { 
/**
 * What to rank by.
 */
query: Query, 
/**
 * Which documents may come back.
 */
where?: Record<string, unknown>, 
/**
 * Hits on the page, 0 to 10,000.
 */
limit?: number, 
/**
 * Hits to skip; offset + limit at most 100,000.
 */
offset?: number, 
/**
 * Fields to return; every field but the dense ones when absent.
 */
select?: Array<string>, 
/**
 * Text fields in which to mark the words that matched.
 */
highlight?: Array<string>, 
/**
 * Say which path ran, what it cost, and what each part gave each hit.
 */
explain?: boolean, };

/**
 * What one part of the query gave one hit. The tree has the query's shape.
 */
export type HitExplain = { 
/**
 * The part: the kind of query, `rrf`, `field`, `term`, `token`, or `word` for one that stands in a computed term's place.
 */
part: string, 
/**
 * What this part is about: the words, the field or the term.
 */
about: string, 
/**
 * The part's score for this hit; absent where it did not return the hit.
 */
score?: number, 
/**
 * The hit's rank in this part, from 1, where ranks count.
 */
rank?: number, 
/**
 * Named numbers behind the score: tf, idf, length, averageLength, impact, boost, weight.
 */
details?: Record<string, number>, 
/**
 * The parts of this part.
 */
parts?: Array<HitExplain>, };

/**
 * How one segment was searched for the nearest vectors.
 */
export type SegmentStep = { 
/**
 * Its position, the oldest first.
 */
segment: number, 
/**
 * `scan`, `graph`, `filtered graph` or `lists`.
 */
path: string, 
/**
 * Whether its answer is exact.
 */
exact: boolean, 
/**
 * Vectors compared with the query.
 */
vectorsScored: number, 
/**
 * Nodes of a graph whose links were followed.
 */
hops: number, };

/**
 * One step of the plan that ran.
 */
export type PlanStep = { 
/**
 * What ran, e.g. `match: term at a time over 2 segments`.
 */
step: string, 
/**
 * Whether the step's answer is exact.
 */
exact: boolean, 
/**
 * Candidates that came out.
 */
candidates: number, 
/**
 * How each segment was searched, where that is the index's choice.
 */
segments?: Array<SegmentStep>, };

/**
 * How the page came about.
 */
export type PageExplain = { 
/**
 * The steps, in order.
 */
plan: Array<PlanStep>, 
/**
 * Work done: `vectorsScored`, `hops`, `postingsScored`, `segments`, `documents`, `allowed`.
 */
counters: Record<string, number>, };

/**
 * One hit. Its score stands in the first array of the reply, at the same position.
 */
export type WireHit = { 
/**
 * The document's id.
 */
id: Id, 
/**
 * The selected fields; vectors as `{ "$vector": n }` into the reply's arrays.
 */
document: Record<string, unknown>, 
/**
 * For each highlighted field, ranges of UTF-16 code units in its text: `[start, end)`, ascending.
 */
highlights?: Record<string, [number, number][]>, 
/**
 * Where the score comes from.
 */
explain?: HitExplain, };

/**
 * A page of hits, best first. `arrays[0]` of the reply holds their scores (f32).
 */
export type SearchReply = { 
/**
 * The hits.
 */
hits: Array<WireHit>, 
/**
 * True when every ranking is the true one: no approximate walk took part.
 */
exact: boolean, 
/**
 * False when a time limit ended a search before its end; absent otherwise.
 */
complete?: boolean, 
/**
 * How the page came about, when asked for.
 */
explain?: PageExplain, };

/**
 * The word of [`Durability::Commit`].
 */
export type OnCommit = "commit";

/**
 * The interval of [`Durability::Interval`].
 */
export type Interval = { 
/**
 * Milliseconds, 1 to 2,147,483,647.
 */
intervalMs: number, };

/**
 * When a batch is durable.
 */
export type Durability = OnCommit | Interval;

/**
 * What opening checks.
 */
export type VerifyMode = "lazy" | "full";

/**
 * A version by its number or one of its tags.
 */
export type VersionName = number | string;

/**
 * Steps from the stored schema to the given one: fields are dropped, then renamed, then added. Steps that were taken
 * before are no error, so a program may keep them.
 */
export type Evolve = { 
/**
 * Fields of the given schema that the stored one lacks; they must be optional.
 */
add?: Array<string>, 
/**
 * Fields of the stored schema that go. Their bytes are freed by merges.
 */
drop?: Array<string>, 
/**
 * Old names to new ones.
 */
rename?: Record<string, string>, };

/**
 * `open` on the root handle; answers with a collection handle.
 */
export type OpenRequest = { 
/**
 * A folder, or `:memory:`.
 */
path: string, 
/**
 * The schema; needed to create, compared when the collection exists.
 */
schema?: SchemaSpec, 
/**
 * Make the collection when it is not there (needs a schema). Default true.
 */
create?: boolean, 
/**
 * Open without the writer's lock; verbs that write answer ERR_UNSUPPORTED.
 */
readOnly?: boolean, 
/**
 * When a batch is durable. Default `"commit"`.
 */
durability?: Durability, 
/**
 * What is checked before the first answer. Default `"lazy"`.
 */
verify?: VerifyMode, 
/**
 * A kept version by number or by tag, instead of the newest. Opens for reading only.
 */
version?: VersionName, 
/**
 * For reading only: look for newer commits before a read, at most this often (milliseconds; 0: before every read).
 * Absent: only when `refresh` is called.
 */
refreshMs?: number, 
/**
 * How long a version that a newer one replaced stays while the collection is open for writing, in milliseconds.
 * Default 60,000.
 */
retainMs?: number, 
/**
 * Memory for staged batches and merges, in bytes, 33,554,432 or more. Default 536,870,912.
 */
memoryBytes?: number, 
/**
 * The length at which the log is turned into a segment, in bytes, 4,096 to 1,073,741,824. Default 16,777,216.
 */
logBytes?: number, 
/**
 * Changes of the stored schema, to arrive at the given one.
 */
evolve?: Evolve, };

/**
 * What was replayed from the log of a writer that did not close.
 */
export type Recovered = { 
/**
 * Batches (upserts and removals) found whole.
 */
batches: number, 
/**
 * Bytes of a batch that was being written and never acknowledged.
 */
droppedBytes: number, };

/**
 * What was opened.
 */
export type OpenReply = { 
/**
 * The stored schema.
 */
schema: SchemaSpec, 
/**
 * Whether it was made now.
 */
created: boolean, 
/**
 * Live documents.
 */
documents: number, 
/**
 * The version that was opened.
 */
version: number, 
/**
 * Whether verbs that write are refused.
 */
readOnly: boolean, 
/**
 * What the log of an earlier writer gave back, where there was one.
 */
recovered?: Recovered, };

/**
 * `stage` on a batch: checks and indexes documents without showing them yet. Chunks may be staged side by side.
 */
export type StageRequest = { 
/**
 * The chunk's place in the batch, from 0; chunks are committed in this order.
 */
chunk: number, 
/**
 * Position of the chunk's first document in the call, for messages.
 */
first: number, 
/**
 * The documents.
 */
documents: Record<string, unknown>[], };

/**
 * `commit` on a batch: all of it becomes visible at once.
 */
export type CommitReply = { 
/**
 * Documents written.
 */
written: number, 
/**
 * How many of them replaced an older one.
 */
replaced: number, };

/**
 * `remove`: ids that are not there are not an error.
 */
export type IdsRequest = { 
/**
 * The ids.
 */
ids: (string | number)[], };

/**
 * `get`.
 */
export type GetRequest = { 
/**
 * The ids.
 */
ids: (string | number)[], 
/**
 * Fields to return; every field when absent, vectors too.
 */
select?: Array<string>, };

/**
 * Documents in the order of the ids; null where there is none. Vectors as `{ "$vector": n }` into the arrays.
 */
export type GetReply = { 
/**
 * One a requested id.
 */
documents: (Record<string, unknown> | null)[], };

/**
 * How many documents went.
 */
export type RemoveReply = { 
/**
 * Documents removed.
 */
removed: number, };

/**
 * `removeWhere` (filter required) and `count`.
 */
export type WhereRequest = { 
/**
 * The filter.
 */
where?: Record<string, unknown>, };

/**
 * `count`.
 */
export type CountReply = { 
/**
 * Live documents that match.
 */
count: number, };

/**
 * What one field costs.
 */
export type FieldStats = { 
/**
 * The kind of field.
 */
type: string, 
/**
 * Live documents that have it.
 */
documents: number, 
/**
 * Bytes of its sections over all segments, on disk or not.
 */
bytes: number, 
/**
 * How many of them are held in memory because no segment file has them yet.
 */
memoryBytes: number, 
/**
 * What `tune` measured, a curve a `k`.
 */
curves?: Array<Curve>, };

/**
 * One segment.
 */
export type SegmentStats = { 
/**
 * File name; absent while the segment is only in memory.
 */
file?: string, 
/**
 * Rows, deleted ones included.
 */
rows: number, 
/**
 * Deleted rows.
 */
deleted: number, 
/**
 * Bytes.
 */
bytes: number, };

/**
 * `stats`.
 */
export type StatsReply = { 
/**
 * Live documents.
 */
documents: number, 
/**
 * Deleted rows whose bytes are not yet freed.
 */
deleted: number, 
/**
 * Bytes of stored documents and ids.
 */
documentBytes: number, 
/**
 * Bytes of all segments, on disk or not.
 */
bytes: number, 
/**
 * Bytes held in memory: segments without a file, sets of rows, norms for words. Mapped files are not counted.
 */
memoryBytes: number, 
/**
 * Bytes of all files of the collection, those of kept versions too.
 */
diskBytes: number, 
/**
 * Bytes of the log.
 */
logBytes: number, 
/**
 * The version that is seen.
 */
version: number, 
/**
 * Whether there are changes that are in no segment file yet (in the log, with a folder).
 */
unflushed: boolean, 
/**
 * A field each.
 */
fields: Record<string, FieldStats>, 
/**
 * The segments, oldest first.
 */
segments: Array<SegmentStats>, };

/**
 * Damage that `verify` found.
 */
export type Problem = { 
/**
 * The file.
 */
file: string, 
/**
 * The section of it, where that is known.
 */
section?: string, 
/**
 * What is wrong.
 */
what: string, };

/**
 * `verify`: every checksum was read.
 */
export type VerifyReply = { 
/**
 * Files checked.
 */
files: number, 
/**
 * Bytes checked.
 */
bytes: number, 
/**
 * Everything that is wrong; empty when all is well.
 */
problems: Array<Problem>, };

/**
 * `compact`.
 */
export type CompactReply = { 
/**
 * Bytes before.
 */
bytesBefore: number, 
/**
 * Bytes after.
 */
bytesAfter: number, 
/**
 * Deleted rows dropped.
 */
dropped: number, };

/**
 * `info` on the root handle.
 */
export type InfoReply = { 
/**
 * The core's version.
 */
version: string, 
/**
 * The instruction set in use.
 */
isa: string, 
/**
 * All instruction sets that this machine has kernels for.
 */
available: Array<string>, 
/**
 * Why TERCET_ISA was not followed.
 */
isaError?: string, 
/**
 * Analyzer names.
 */
analyzers: Array<string>, 
/**
 * Metric names.
 */
metrics: Array<string>, 
/**
 * Dense index kinds.
 */
denseKinds: Array<string>, 
/**
 * Format version written.
 */
format: number, };

/**
 * `flush`.
 */
export type FlushReply = { 
/**
 * The version that holds everything now.
 */
version: number, };

/**
 * `refresh` on a collection that is open for reading.
 */
export type RefreshReply = { 
/**
 * Whether there was anything new.
 */
changed: boolean, 
/**
 * The version that is seen now.
 */
version: number, };

/**
 * One version that can be opened.
 */
export type VersionInfo = { 
/**
 * Its number.
 */
version: number, 
/**
 * When it was written, in milliseconds since 1970.
 */
createdMs: number, 
/**
 * Live documents.
 */
documents: number, 
/**
 * Its tags.
 */
tags: Array<string>, 
/**
 * Whether it is the newest.
 */
current: boolean, };

/**
 * `versions`.
 */
export type VersionsReply = { 
/**
 * Oldest first.
 */
versions: Array<VersionInfo>, };

/**
 * `tag` and `untag`.
 */
export type TagRequest = { 
/**
 * The tag: 1 to 200 bytes, not a number.
 */
name: string, };

/**
 * `tag`.
 */
export type TagReply = { 
/**
 * The version that has the tag now.
 */
version: number, };

/**
 * `untag`.
 */
export type UntagReply = { 
/**
 * Whether the tag was there.
 */
removed: boolean, };

/**
 * `export`: without a path the snapshot comes back in the arrays.
 */
export type ExportRequest = { 
/**
 * A new file; ERR_EXISTS if something stands there.
 */
path?: string, };

/**
 * `export`.
 */
export type ExportReply = { 
/**
 * The snapshot's length.
 */
bytes: number, 
/**
 * Documents in it.
 */
documents: number, 
/**
 * The version it was made of.
 */
version: number, };

/**
 * `import` on the root handle: makes a collection of a snapshot.
 */
export type ImportRequest = { 
/**
 * The snapshot's file; absent when its bytes are in the arrays.
 */
from?: string, 
/**
 * The new collection's folder; ERR_EXISTS if there is a collection.
 */
path: string, };

/**
 * `import`.
 */
export type ImportReply = { 
/**
 * Documents in the new collection.
 */
documents: number, 
/**
 * Bytes written.
 */
bytes: number, };

/**
 * `repair` on the root handle.
 */
export type RepairRequest = { 
/**
 * The folder.
 */
path: string, };

/**
 * `repair`: what was done. Damaged files stay beside the others under another name.
 */
export type RepairReply = { 
/**
 * What was done, in order; empty when nothing was wrong.
 */
actions: Array<string>, 
/**
 * Documents afterwards.
 */
documents: number, 
/**
 * Documents that could not be read.
 */
lost: number, 
/**
 * Whether the collection can be opened and verified now.
 */
ok: boolean, };

/**
 * The type of a vector's components, and the typed array that it travels in.
 */
export type DtypeName = "f32" | "f16" | "i8" | "u8" | "bits";

/**
 * `index.build` on the root handle. `arrays[0]`: the vectors, row-major, in the array of their dtype. Answers with an
 * index handle.
 */
export type IndexBuildRequest = { 
/**
 * Components a vector, 1 to 65,535; of bits a multiple of 8.
 */
dims: number, 
/**
 * How two vectors are compared.
 */
metric: MetricName, 
/**
 * The type of the components.
 */
dtype?: DtypeName, 
/**
 * The kind.
 */
index: DenseIndexSpec, 
/**
 * Whether sample queries come in `arrays[1]`, for axes that are taught by them.
 */
queries?: boolean, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * `index.buildSparse` on the root handle. `arrays`: where rows begin (u32, one more than rows: 0 first, the number of
 * indices last), indices (u32), values (f32); or none. Answers with an index handle.
 */
export type SparseBuildRequest = { 
/**
 * Its settings; `optional` says nothing here.
 */
index: SparseSpec, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * `index.buildMulti` on the root handle. `arrays`: where rows begin, in tokens (u32, one more than rows: 0 first, the number
 * of tokens last), tokens (f32, one after another), units (u32, one a token, or none at all); or none. Answers with an
 * index handle.
 */
export type MultiBuildRequest = { 
/**
 * Its settings; `optional` says nothing here.
 */
index: MultiSpec, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * `index.open` on the root handle. Answers with an index handle.
 */
export type IndexOpenRequest = { 
/**
 * The file.
 */
path: string, 
/**
 * The kind that the caller expects.
 */
index: IndexKind, 
/**
 * Whether whole vectors that only rank candidates again are let go of after they were looked at.
 */
spare?: boolean, };

/**
 * A kind of index by its name.
 */
export type IndexKind = { 
/**
 * That of a dense index, or `sparse` or `multi`.
 */
kind: string, };

/**
 * The settings of an index of sparse vectors.
 */
export type TermsIndexSpec = { "kind": "sparse" } & SparseSpec;

/**
 * The settings of an index of token vectors.
 */
export type TokensIndexSpec = { "kind": "multi" } & MultiSpec;

/**
 * What an index of dense vectors is.
 */
export type VectorAbout = { 
/**
 * Components a vector.
 */
dims: number, 
/**
 * The metric.
 */
metric: MetricName, 
/**
 * The type of the components.
 */
dtype: DtypeName, 
/**
 * The kind and its settings.
 */
index: DenseIndexSpec, };

/**
 * What an index of sparse vectors is.
 */
export type SparseAbout = { 
/**
 * The kind and its settings.
 */
index: TermsIndexSpec, };

/**
 * What an index of token vectors is.
 */
export type MultiAbout = { 
/**
 * The kind and its settings.
 */
index: TokensIndexSpec, };

/**
 * What an index is: answer of `index.build`, `index.open` and `stats`.
 */
export type IndexInfo = { 
/**
 * Components a vector.
 */
dims: number, 
/**
 * The metric.
 */
metric: MetricName, 
/**
 * The type of the components.
 */
dtype: DtypeName, 
/**
 * The kind and its settings.
 */
index: DenseIndexSpec, 
/**
 * Rows given out so far; removed ones included until `compact`.
 */
rows: number, 
/**
 * Bytes in memory, or of the mapped file.
 */
bytes: number, 
/**
 * What `tune` measured, a curve a `k`.
 */
curves: Array<Curve>, 
/**
 * What it is made of; only `stats` says it.
 */
parts?: Array<IndexPartInfo>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * The same of sparse vectors.
 */
export type SparseIndexInfo = { 
/**
 * The kind and its settings.
 */
index: TermsIndexSpec, 
/**
 * Rows given out so far; removed ones included until `compact`.
 */
rows: number, 
/**
 * Bytes in memory, or of the mapped file.
 */
bytes: number, 
/**
 * What `tune` measured, a curve a `k`.
 */
curves: Array<Curve>, 
/**
 * What it is made of; only `stats` says it.
 */
parts?: Array<IndexPartInfo>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * The same of token vectors.
 */
export type MultiIndexInfo = { 
/**
 * The kind and its settings.
 */
index: TokensIndexSpec, 
/**
 * Rows given out so far; removed ones included until `compact`.
 */
rows: number, 
/**
 * Bytes in memory, or of the mapped file.
 */
bytes: number, 
/**
 * What `tune` measured, a curve a `k`.
 */
curves: Array<Curve>, 
/**
 * What it is made of; only `stats` says it.
 */
parts?: Array<IndexPartInfo>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * How many rows there are, and since when.
 */
export type IndexNow = { 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * What an index takes, and what it is made of.
 */
export type IndexSizes = { 
/**
 * Rows given out so far; removed ones included until `compact`.
 */
rows: number, 
/**
 * Bytes in memory, or of the mapped file.
 */
bytes: number, 
/**
 * What `tune` measured, a curve a `k`.
 */
curves: Array<Curve>, 
/**
 * What it is made of; only `stats` says it.
 */
parts?: Array<IndexPartInfo>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * Values that lie together and are searched together.
 */
export type IndexPartInfo = { 
/**
 * The first row that may be here.
 */
first: number, 
/**
 * The values here, removed ones included.
 */
vectors: number, 
/**
 * Those that were removed; they are dropped when the part is written again.
 */
removed: number, 
/**
 * Bytes of each section.
 */
sections: Record<string, number>, 
/**
 * What the kind says of itself: of a graph its levels and links, of sparse vectors their postings, of tokens how many and
 * their bytes.
 */
facts: Record<string, number>, };

/**
 * How the tokens of a query are read.
 */
export type TokenReading = { 
/**
 * The mean over the query's tokens and not the sum.
 */
mean?: boolean, 
/**
 * Query tokens whose inner product is at least this are added and compared as one.
 */
carve?: number, 
/**
 * A row scores what the best of its units does by itself.
 */
units?: boolean, 
/**
 * Of a search into arrays: the weights of the tokens stand behind them.
 */
weighted?: boolean, };

/**
 * `searchBatch`. `arrays`: queries, as `add` takes values (of token vectors with the weight of each token, f32, for units; or
 * with no weight at all); with `filtered` a bitmap of the rows that may be found (u32 words, the
 * lowest bit first); with `excluded` rows that may not (u32). Reply arrays: rows (u32, n x k, padded with 2^32 - 1),
 * scores (f32, n x k, padded with -Infinity).
 */
export type IndexSearchRequest = { 
/**
 * Neighbours a query, 1 to 100,000.
 */
k: number, 
/**
 * Whether a filter comes with it.
 */
filtered?: boolean, 
/**
 * Whether rows to leave out come with it.
 */
excluded?: boolean, 
/**
 * How hard to try.
 */
effort?: IndexEffort, 
/**
 * How the tokens of queries are read.
 */
reading?: TokenReading, 
/**
 * The least score of a result.
 */
leastScore?: number, 
/**
 * Stops a query's walk after so many nodes without a better result.
 */
patience?: number, 
/**
 * Stops each query after so many milliseconds.
 */
timeLimitMs?: number, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * How hard an approximate search tries: `ef`, `nprobe` and `candidates`, `alpha`, `beta` and `cells`, `recall` or `exact`;
 * none: the kind's usual way.
 */
export type IndexEffort = { 
/**
 * Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again; 1 to 100,000.
 */
ef?: number, 
/**
 * Lists that are scanned, 1 to 100,000.
 */
nprobe?: number, 
/**
 * Candidates that are ranked again, 1 to 100,000; with `nprobe` or alone.
 */
candidates?: number, 
/**
 * The recall wanted, by the curve that `tune` measured; above 0, up to 1.
 */
recall?: number, 
/**
 * What upper bounds of sparse vectors are multiplied by, above 0, up to 1.
 */
alpha?: number, 
/**
 * The share of a sparse query's terms, the lightest, that upper bounds leave out: 0 to below 1.
 */
beta?: number, 
/**
 * The most cells of 256 rows that are scored in each part, best bounds first: 1 to 16,777,216.
 */
cells?: number, 
/**
 * All vectors are compared.
 */
exact?: boolean, };

/**
 * How a search was answered; of a batch, what holds of every query.
 */
export type IndexSearchReply = { 
/**
 * The true best were found.
 */
exact: boolean, 
/**
 * No search was stopped before its end.
 */
complete: boolean, 
/**
 * The way it took.
 */
path: SearchPath, 
/**
 * Distances computed.
 */
distances: number, 
/**
 * Nodes whose links were followed.
 */
hops: number, 
/**
 * Postings that were added to scores.
 */
postings: number, 
/**
 * Blocks of rows whose bounds were summed.
 */
blocksBounded: number, 
/**
 * Cells of rows that were scored because of their bounds.
 */
blocksScored: number, };

/**
 * The ways to answer a search.
 */
export type SearchPath = "scan" | "graph" | "filtered graph" | "lists" | "term at a time" | "blocks by bounds" | "heaviest postings";

/**
 * `add`: `arrays`: values, as when the index is built. `compact`. `retrain`: `arrays[0]`: sample queries, row-major, or no
 * array.
 */
export type IndexWorkRequest = { 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * What `add` did.
 */
export type IndexAddReply = { 
/**
 * The first new row; the others follow it.
 */
first: number, 
/**
 * How many.
 */
count: number, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * What `update` did. `arrays`: rows (u32), then values as for `add`.
 */
export type IndexUpdateReply = { 
/**
 * Rows that have a new vector.
 */
updated: number, 
/**
 * Rows that were not there.
 */
missing: Array<number>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * `remove`. `arrays[0]`: rows (u32).
 */
export type IndexRemoveRequest = Record<symbol, never>;

/**
 * What `remove` did.
 */
export type IndexRemoveReply = { 
/**
 * Rows removed.
 */
removed: number, 
/**
 * Rows that were not there.
 */
missing: Array<number>, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * `vector`: the value of a row, in the `arrays` of the reply: a vector; indices (u32) and values (f32); or tokens (f32) and,
 * where there are some, units (u32). No array when the row is not there.
 */
export type IndexVectorRequest = { 
/**
 * The row.
 */
row: number, };

/**
 * `compact`: renumbers. `arrays[0]` of the reply: old row to new row (u32), 2^32 - 1 where it was removed.
 */
export type IndexCompactReply = { 
/**
 * Rows now.
 */
rows: number, 
/**
 * Rows that can be found.
 */
size: number, 
/**
 * States before this one: of two answers the larger is the later.
 */
state: number, };

/**
 * `save`: writes the index as one file, replacing an older one at once or not at all.
 */
export type IndexSaveRequest = { 
/**
 * The file.
 */
path: string, };

/**
 * `tune`: measures recall and cost for a ladder of efforts and keeps the curve with the index. `arrays[0]`: queries,
 * row-major; without it stored rows are searched for, themselves excluded. Answers with the curve.
 */
export type IndexTuneRequest = { 
/**
 * Neighbours a query, 1 to 10,000.
 */
k: number, 
/**
 * The ladder ends where this recall is reached.
 */
target: number, 
/**
 * How many stored rows are searched for, where no queries are given.
 */
sample: number, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * `verify`: measures the recall of searches against exact ones. `arrays[0]`: queries, row-major; without it stored rows
 * are searched for, themselves excluded. Answers as `measure` of a collection does.
 */
export type IndexVerifyRequest = { 
/**
 * Neighbours a query, 1 to 10,000.
 */
k: number, 
/**
 * How many stored rows are searched for, where no queries are given.
 */
sample: number, 
/**
 * How hard to try.
 */
effort?: IndexEffort, 
/**
 * Threads that may work on it. Default: all.
 */
threads?: number, };

/**
 * `align` of token vectors: which token of a row each token of a query meets. `arrays`: a query, as for `searchBatch`. Reply
 * arrays: tokens of the query (u32), the token of the row that each is nearest to (u32), their inner product (f32), and where
 * there are units the unit of that token (u32).
 */
export type IndexAlignRequest = { 
/**
 * The row.
 */
row: number, 
/**
 * How the query is read.
 */
reading?: TokenReading, };

/**
 * What `align` found beside it.
 */
export type IndexAlignReply = { 
/**
 * The score of the row.
 */
score: number, 
/**
 * The unit that scores best by itself; absent where there are none.
 */
bestUnit?: BestUnit, };

/**
 * A unit of a row.
 */
export type BestUnit = { 
/**
 * Its number.
 */
unit: number, 
/**
 * Its score by itself.
 */
score: number, };

/**
 * What was measured: recall and cost for rising efforts.
 */
export type Curve = { 
/**
 * Neighbours a query.
 */
k: number, 
/**
 * Queries that were measured.
 */
queries: number, 
/**
 * Whether they were probes: made of stored vectors, because none were given.
 */
probes: boolean, 
/**
 * Values that could be found when it was measured. Of more than twice as many a curve says nothing.
 */
size: number, 
/**
 * By rising effort. Empty for an index that is exact.
 */
points: Array<CurvePoint>, };

/**
 * A point of a curve: means over the queries.
 */
export type CurvePoint = { 
/**
 * The effort as one number. Candidates: of a graph those that are kept while it is walked, of lists those that are ranked
 * again, of token vectors those that are compared by MaxSim; of sparse vectors what their kind says: cells.
 */
ef: number, 
/**
 * Of the true `k` nearest, the share that was found.
 */
recall: number, 
/**
 * The recall less two standard errors, more of few queries: what a search by `recall` counts on.
 */
low: number, 
/**
 * Distances computed, and postings added to scores, a query.
 */
distances: number, };

/**
 * `tune`: measures recall and cost of a field of vectors for a ladder of efforts, and keeps the curve with the collection.
 * `arrays`: queries. Of a dense field row-major f32; of a sparse one offsets (u32, one more than queries), indices (u32) and
 * values (f32); of a multi field offsets in tokens (u32) and tokens (f32). Without them probes are searched for: stored vectors,
 * each moved in a random direction by 1.25 times the distance of its k-th neighbour; of sparse vectors a share of the terms of
 * stored ones, and of token vectors some tokens of them, which must then not be found themselves.
 */
export type TuneRequest = { 
/**
 * A dense, sparse or multi field.
 */
field: string, 
/**
 * Neighbours a query, 1 to 10,000.
 */
k?: number, 
/**
 * The ladder ends where this recall is reached; above 0, up to 1.
 */
target?: number, 
/**
 * How many probes are made, where no queries are given: 1 to 100,000.
 */
sample?: number, };

/**
 * `measure`: the recall of searches of a field against exact ones. `arrays`: as for `tune`. How hard to try is said in one
 * way.
 */
export type MeasureRequest = { 
/**
 * A dense, sparse or multi field.
 */
field: string, 
/**
 * Neighbours a query, 1 to 10,000.
 */
k?: number, 
/**
 * How many probes are made, where no queries are given: 1 to 100,000.
 */
sample?: number, 
/**
 * Candidates kept while a graph is walked, 1 to 100,000.
 */
ef?: number, 
/**
 * Lists that are scanned, 1 to 100,000.
 */
nprobe?: number, 
/**
 * Candidates that are ranked again, 1 to 100,000.
 */
candidates?: number, 
/**
 * Of a sparse field: what upper bounds are multiplied by, above 0, up to 1.
 */
alpha?: number, 
/**
 * Of a sparse field: the share of the query's terms that upper bounds leave out, 0 to below 1.
 */
beta?: number, 
/**
 * Of a sparse field: cells that are scored in each segment, 1 to 16,777,216.
 */
cells?: number, 
/**
 * The recall that was asked for, by the curve that `tune` measured; above 0, up to 1.
 */
recall?: number, };

/**
 * What `measure` found.
 */
export type MeasureReply = { 
/**
 * Of the true `k` nearest, the share that was found.
 */
recall: number, 
/**
 * Lower end of the 95 % interval (Wilson).
 */
low: number, 
/**
 * Upper end of it.
 */
high: number, 
/**
 * Queries that were measured.
 */
queries: number, 
/**
 * Distances computed, and postings added to scores, a query.
 */
distances: number, };

/**
 * `recommend` on the root handle. `arrays[0]`: a sample of the vectors, row-major, in the array of their dtype;
 * `arrays[1]`, where `queries` says so: queries as they will be asked. Without them some vectors are taken out of the sample and
 * searched for.
 */
export type RecommendRequest = { 
/**
 * Components a vector.
 */
dims: number, 
/**
 * How two vectors are compared.
 */
metric: MetricName, 
/**
 * The type of the components; bits have nothing to be chosen from.
 */
dtype?: DtypeName, 
/**
 * Whether queries come with the sample.
 */
queries?: boolean, 
/**
 * Neighbours a query, 1 to 1,000.
 */
k?: number, 
/**
 * The recall wanted, above 0, up to 1.
 */
recall?: number, 
/**
 * The most bytes a vector that a search may need in memory, 1 or more; without it all are measured.
 */
bytesPerVector?: number, 
/**
 * Threads that may build and measure recall; speed is measured on one. Default: all.
 */
threads?: number, };

/**
 * An index that was measured.
 */
export type RecommendRow = { 
/**
 * What it is, in a few words.
 */
name: string, 
/**
 * The same as a schema takes it.
 */
index: DenseIndexSpec, 
/**
 * Bytes a vector that a search goes through: codes, links and lists, and the vectors where they are scanned. Vectors that
 * are only looked at to rank a few candidates again may stay on the disk and are not counted, nor is what all vectors
 * share (centroids, codebooks, axes).
 */
bytes: number, 
/**
 * Bytes a vector of the file, kept vectors too.
 */
fileBytes: number, 
/**
 * Of the true `k` nearest the share that was found.
 */
recall: number, 
/**
 * The effort that this took; absent for what has none.
 */
ef?: number, 
/**
 * Queries a second on one thread with that effort, one after the other.
 */
qps: number, 
/**
 * Milliseconds to train and build it over the sample.
 */
buildMs: number, 
/**
 * Whether it reaches the recall wanted within the bytes wanted.
 */
fits: boolean, };

/**
 * An index that was not measured.
 */
export type RecommendSkipped = { 
/**
 * What it is, in a few words.
 */
name: string, 
/**
 * Why not.
 */
why: string, };

/**
 * What was measured, and what to take.
 */
export type RecommendReply = { 
/**
 * What to take: of those that fit the fastest (of nearly as fast ones the smallest); where none fits, of those within
 * the bytes the one of the best recall. A place in `rows`; absent where nothing was measured.
 */
choice?: number, 
/**
 * What was measured, in the order of measuring.
 */
rows: Array<RecommendRow>, 
/**
 * What was not.
 */
skipped: Array<RecommendSkipped>, 
/**
 * Vectors that were searched among.
 */
vectors: number, 
/**
 * Queries that were measured.
 */
queries: number, 
/**
 * Whether they were taken out of the sample.
 */
heldOut: boolean, };

/**
 * Rankings and judgements.
 */
export type EvaluateRequest = { 
/**
 * Query id to (document id, score), best first.
 */
run: Record<string, [string, number][]>, 
/**
 * Query id to document id to grade; above 0 is relevant.
 */
qrels: Record<string, Record<string, number>>, 
/**
 * Names such as `ndcg@10`, `map`, `mrr@10`, `recall@100`, `precision@5`, `success@1`.
 */
metrics: Array<string>, 
/**
 * Break ties in score by document id, descending, as trec_eval does; otherwise the given order stands.
 */
trecTies?: boolean, };

/**
 * Means and values.
 */
export type EvaluateReply = { 
/**
 * Queries averaged over: those with at least one relevant document.
 */
queries: number, 
/**
 * Metric to its mean over these queries; one without an answer counts as 0.
 */
means: Record<string, number>, 
/**
 * Query id to metric to value.
 */
perQuery: Record<string, Record<string, number>>, };
