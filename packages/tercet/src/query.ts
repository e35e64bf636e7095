/**
 * Queries as plain data, and the functions that make them.
 *
 * A builder returns the wire type of the query; the names of the fields that it mentions are kept in its type, and a
 * collection's `search` compares them with its schema at compile time.
 */
import { portable } from "./portable.js";
import type { SparseInput, WordWeights } from "./schema.js";
import type { Id, Operator } from "./wire/index.js";

/** A query vector: numbers, or base64 of little-endian f32 as {@link toJSON} writes it. */
export type QueryVector = Float32Array | readonly number[] | { readonly $f32: string };

/** Words, ranked by BM25. Made by {@link match}. */
export interface MatchQuery<TextField extends string = string> {
  readonly kind: "match";
  /** The words, analysed as each field is. */
  readonly text: string;
  /** The fields, or the fields with weights that replace the schema's boosts; every text field when absent. */
  readonly fields?: readonly TextField[] | { readonly [F in TextField]?: number };
  /** Whether one or all of the words must match. Default `or`. */
  readonly operator?: Operator;
  /** How many of the distinct words a field must hold; see {@link MatchOptions}. */
  readonly minimumShouldMatch?: number;
  /** What scores are multiplied by. Default 1. */
  readonly boost?: number;
}

/** Words with weights. Made by {@link terms}. */
export interface TermsQuery<TextField extends string = string> extends TermsOptions {
  readonly kind: "terms";
  /** A text field. */
  readonly field: TextField;
  /** Terms as the index has them, each with a weight above 0. */
  readonly terms: { readonly [term: string]: number };
}

/** Words beside one another. Made by {@link phrase}. */
export interface PhraseQuery<PhraseField extends string = string> extends PhraseOptions {
  readonly kind: "phrase";
  /** A text field that keeps positions. */
  readonly field: PhraseField;
  /** The phrase, analysed as the field is. */
  readonly text: string;
}

/** All words with a beginning. Made by {@link prefix}. */
export interface PrefixQuery<TextField extends string = string> extends PrefixOptions {
  readonly kind: "prefix";
  /** A text field. */
  readonly field: TextField;
  /** The beginning. */
  readonly prefix: string;
}

/** Words that are spelled nearly so. Made by {@link fuzzy}. */
export interface FuzzyQuery<TextField extends string = string> extends FuzzyOptions {
  readonly kind: "fuzzy";
  /** A text field. */
  readonly field: TextField;
  /** The words, analysed as the field is. */
  readonly text: string;
}

/** Queries by words, combined. Made by {@link combine}. */
export interface BooleanQuery<TextField extends string = string, PhraseField extends string = TextField> {
  readonly kind: "boolean";
  /** All must match; their scores are summed. */
  readonly must?: readonly TextQuery<TextField, PhraseField>[];
  /** Those that match add their scores. */
  readonly should?: readonly TextQuery<TextField, PhraseField>[];
  /** None may match. */
  readonly mustNot?: readonly TextQuery<TextField, PhraseField>[];
  /** All must match; they add nothing to the score. */
  readonly filter?: readonly TextQuery<TextField, PhraseField>[];
  /** How many of `should` must match. Default: 1 where there is neither `must` nor `filter`, else 0. */
  readonly minimumShouldMatch?: number;
  /** What scores are multiplied by. Default 1. */
  readonly boost?: number;
}

/** A query by words alone: what {@link combine} takes. */
export type TextQuery<TextField extends string = string, PhraseField extends string = TextField> =
  | MatchQuery<TextField>
  | TermsQuery<TextField>
  | PhraseQuery<PhraseField>
  | PrefixQuery<TextField>
  | FuzzyQuery<TextField>
  | BooleanQuery<TextField, PhraseField>
  | AllQuery;

/** A stored document, whose vector is searched for and which is not found itself. */
export interface StoredVector {
  /** The document's id. */
  readonly id: Id;
}

/** Nearest vectors. Made by {@link near}. */
export interface NearQuery<DenseField extends string = string> extends NearOptions {
  readonly kind: "near";
  /** A dense field. */
  readonly field: DenseField;
  /** The query vector, of the field's dimension; or a document to search by. */
  readonly vector: QueryVector | StoredVector;
}

/** The largest inner products with a sparse vector. Made by {@link expand}. */
export interface ExpandQuery<SparseField extends string = string> extends ExpandOptions {
  readonly kind: "expand";
  /** A sparse field. */
  readonly field: SparseField;
  /** The query vector, of at most 4,096 terms. */
  readonly vector: SparseInput | WordWeights;
}

/** Every document, score 0, in the order of insertion. Made by {@link all}. */
export interface AllQuery {
  readonly kind: "all";
}

/** Token vectors: a list of vectors, or all of them one after another. */
export type QueryTokens = readonly QueryVector[] | { readonly data: QueryVector; readonly dims: number };

/** Documents by MaxSim. Made by {@link maxsim}. */
export interface MaxSimQuery<MultiField extends string = string> extends MaxSimOptions {
  readonly kind: "maxsim";
  /** A multi field. */
  readonly field: MultiField;
  /** The query's tokens, of the field's dimension. */
  readonly tokens: QueryTokens;
}

/** Several rankings made one. Made by {@link fuse}. */
export interface FuseQuery<
  TextField extends string = string,
  DenseField extends string = string,
  PhraseField extends string = TextField,
  MultiField extends string = string,
  SparseField extends string = string,
> {
  readonly kind: "fuse";
  readonly method: "rrf";
  /** The rankings, 1 to 32. */
  readonly queries: readonly Query<TextField, DenseField, PhraseField, MultiField, SparseField>[];
  /** The constant of the method, above 0. Default 60. */
  readonly k?: number;
  /** One weight a ranking, 0 or more. Default: all 1. */
  readonly weights?: readonly number[];
  /** Candidates taken from each ranking, 1 to 100,000. Default: the larger of 100 and offset + limit. */
  readonly depth?: number;
}

/**
 * A query: plain data that can be logged, replayed, or sent to a worker. `PhraseField` are the text fields that keep
 * positions.
 */
export type Query<
  TextField extends string = string,
  DenseField extends string = string,
  PhraseField extends string = TextField,
  MultiField extends string = string,
  SparseField extends string = string,
> =
  | TextQuery<TextField, PhraseField>
  | NearQuery<DenseField>
  | ExpandQuery<SparseField>
  | MaxSimQuery<MultiField>
  | FuseQuery<TextField, DenseField, PhraseField, MultiField, SparseField>;

/** The text fields that a query names, but for those of its phrases. */
export type TextFieldsOf<Q> =
  Q extends MatchQuery<infer F>
    ? F
    : Q extends TermsQuery<infer F> | PrefixQuery<infer F> | FuzzyQuery<infer F>
      ? F
      : Q extends BooleanQuery<infer F, infer _>
        ? F
        : Q extends FuseQuery<infer F, infer _, infer _, infer _, infer _>
          ? F
          : never;

/** The text fields that a query's phrases name. */
export type PhraseFieldsOf<Q> =
  Q extends PhraseQuery<infer F>
    ? F
    : Q extends BooleanQuery<infer _, infer F>
      ? F
      : Q extends FuseQuery<infer _, infer _, infer F, infer _, infer _>
        ? F
        : never;

/** The dense fields that a query names. */
export type DenseFieldsOf<Q> =
  Q extends NearQuery<infer F>
    ? F
    : Q extends FuseQuery<infer _, infer F, infer _, infer _, infer _>
      ? F
      : never;

/** The multi fields that a query names. */
export type MultiFieldsOf<Q> =
  Q extends MaxSimQuery<infer F>
    ? F
    : Q extends FuseQuery<infer _, infer _, infer _, infer F, infer _>
      ? F
      : never;

/** The sparse fields that a query names. */
export type SparseFieldsOf<Q> =
  Q extends ExpandQuery<infer F>
    ? F
    : Q extends FuseQuery<infer _, infer _, infer _, infer _, infer F>
      ? F
      : never;

type MatchFields = readonly string[] | { readonly [field: string]: number };
type NameOf<F> = F extends readonly unknown[] ? F[number] & string : keyof F & string;

/** Settings of {@link match}. */
export interface MatchOptions<F extends MatchFields = MatchFields> {
  /**
   * The text fields to search, as names or as name to weight (weights replace the schema's boosts). A document's score
   * is the sum over its fields. Default: every text field.
   */
  readonly fields?: F;
  /** `or`: at least one word. `and`: every word, all in one field. Default `or`. */
  readonly operator?: Operator;
  /**
   * How many of the distinct words a field must hold to count: a whole number from 1 (more than there are means all), or
   * a share of them below 1, rounded down. Not beside `and` (ERR_QUERY).
   */
  readonly minimumShouldMatch?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Ranks by words (BM25). The text is analysed as each field is; it must not be empty (ERR_QUERY).
 * @example match("boundary layer", { fields: { title: 3, abstract: 1 } })
 */
export function match<const F extends MatchFields = readonly never[]>(
  text: string,
  options?: MatchOptions<F>,
): MatchQuery<NameOf<NoInfer<F>>> {
  return { kind: "match", text, ...options } as MatchQuery<NameOf<F>>;
}

/** Settings of {@link terms}. */
export interface TermsOptions {
  /** How many of the terms a document must hold: as in a {@link match}. */
  readonly minimumShouldMatch?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Ranks by words with weights (BM25): what feedback gives. The terms are looked up as they are, neither folded nor
 * stemmed: take them from `explain`.
 * @param field a text field
 * @param weights 1 to 1,024 terms, each with a weight above 0
 * @example terms("abstract", { layer: 1, boundari: 0.6, turbul: 0.2 })
 */
export function terms<const F extends string>(
  field: F,
  weights: { readonly [term: string]: number },
  options?: TermsOptions,
): TermsQuery<F> {
  return { kind: "terms", field, terms: weights, ...options };
}

/** Settings of {@link phrase}. */
export interface PhraseOptions {
  /**
   * By how many places, in all, words may stand away from where the phrase has them: 0 to 10,000. A match of width w
   * counts 1 / (1 + w). Default 0: the exact phrase.
   */
  readonly slop?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Ranks by a phrase, as if it were one word whose idf is the sum of its words'. Words that the analyzer drops leave their
 * places open.
 * @param field a text field with `positions: true` (else ERR_QUERY)
 * @param text at most 64 words
 * @example phrase("abstract", "boundary layer", { slop: 2 })
 */
export function phrase<const F extends string>(
  field: F,
  text: string,
  options?: PhraseOptions,
): PhraseQuery<F> {
  return { kind: "phrase", field, text, ...options };
}

/** Settings of {@link prefix}. */
export interface PrefixOptions {
  /** The most words that may begin like this, else ERR_LIMIT: 1 to 65,536. Default 1,024. */
  readonly maxExpansions?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Ranks by all words with a beginning, as if they were one word: what is asked while somebody types. The beginning is
 * folded as the field's words are, and compared with them as the index has them, stemmed if the analyzer stems.
 * @param field a text field
 * @example prefix("title", "aerod")
 */
export function prefix<const F extends string>(
  field: F,
  beginning: string,
  options?: PrefixOptions,
): PrefixQuery<F> {
  return { kind: "prefix", field, prefix: beginning, ...options };
}

/** Settings of {@link fuzzy}. */
export interface FuzzyOptions {
  /** The most edits, 0 to 2. Default: none for words of up to 2 characters, one up to 5, two beyond. */
  readonly distance?: number;
  /** So many first characters must be right: 0 to 255. Default 0. */
  readonly prefixLength?: number;
  /** Whether two neighbours that changed places are one edit. Default true. */
  readonly transpositions?: boolean;
  /** `or`: at least one word. `and`: every word. Default `or`. */
  readonly operator?: Operator;
  /** The most words that those of the text may stand for together, else ERR_LIMIT: 1 to 65,536. Default 1,024. */
  readonly maxExpansions?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Ranks by words that may be misspelled: for each word of the text all words within an edit distance count as if they were
 * one; one that is d edits away counts 1 / (1 + d).
 * @param field a text field
 * @param text at most 64 words, analysed as the field is
 * @example fuzzy("title", "bondary leyer", { prefixLength: 1 })
 */
export function fuzzy<const F extends string>(field: F, text: string, options?: FuzzyOptions): FuzzyQuery<F> {
  return { kind: "fuzzy", field, text, ...options };
}

type Clauses = readonly TextQuery[];

/** Clauses of {@link combine}, and its settings. */
export interface BooleanClauses<
  Must extends Clauses = Clauses,
  Should extends Clauses = Clauses,
  MustNot extends Clauses = Clauses,
  Filter extends Clauses = Clauses,
> {
  /** All must match; their scores are summed. */
  readonly must?: Must;
  /** Those that match add their scores. */
  readonly should?: Should;
  /** None may match. */
  readonly mustNot?: MustNot;
  /** All must match; they add nothing to the score. */
  readonly filter?: Filter;
  /** How many of `should` must match. Default: 1 where there is neither `must` nor `filter`, else 0. */
  readonly minimumShouldMatch?: number;
  /** What scores are multiplied by: above 0, at most 1,000,000. Default 1. */
  readonly boost?: number;
}

/**
 * Combines queries by words; as plain data its kind is `boolean`. Booleans nest at most 8 deep, with at most 1,024 clauses
 * in all (ERR_LIMIT). Without `must`, `should` and `filter` it finds every document that `mustNot` leaves.
 * @example combine({ must: [match("flow")], should: [phrase("abstract", "boundary layer")], mustNot: [prefix("title", "hyperson")] })
 */
export function combine<
  const Must extends Clauses = readonly never[],
  const Should extends Clauses = readonly never[],
  const MustNot extends Clauses = readonly never[],
  const Filter extends Clauses = readonly never[],
>(
  clauses: BooleanClauses<Must, Should, MustNot, Filter>,
): BooleanQuery<
  TextFieldsOf<(Must | Should | MustNot | Filter)[number]>,
  PhraseFieldsOf<(Must | Should | MustNot | Filter)[number]>
> {
  const query: object = { kind: "boolean", ...clauses };
  return query as ReturnType<typeof combine<Must, Should, MustNot, Filter>>;
}

/** Settings of {@link near}. */
export interface NearOptions {
  /** Neighbours to consider, 1 to 100,000. Default: what the page needs, offset + limit. */
  readonly k?: number;
  /**
   * Candidates kept while a graph is walked, 1 to 100,000, and at least `k`: more find more of the true nearest and take
   * longer. Default: the larger of 64 and `k`. Of lists: candidates that are ranked again, and as many lists as go with
   * them. At most one of `ef`, `nprobe` (with `candidates` or `oversample`), `recall` and `exact`.
   */
  readonly ef?: number;
  /** Lists that are scanned, 1 to 100,000; more than there are is all of them. Default: a share of them. */
  readonly nprobe?: number;
  /** Candidates of the codes that are ranked again, 1 to 100,000; with `nprobe` or alone. Default: some a result. */
  readonly candidates?: number;
  /** The same as a multiple of `k`, 1 to 10,000. */
  readonly oversample?: number;
  /**
   * The share of the true nearest that is to be found on average, above 0 and up to 1. Needs a curve that the collection's
   * `tune` has measured (else ERR_ARGUMENT); what no effort reached is searched exactly.
   */
  readonly recall?: number;
  /** Compare all vectors: the true nearest, at the price of a scan. */
  readonly exact?: boolean;
  /** Only what is within: the least cosine or inner product, or the largest Euclidean distance (not squared). */
  readonly radius?: number;
  /** Stops a walk after so many nodes that did not change the best, 1 or more. */
  readonly patience?: number;
  /** Stops after about so many milliseconds with what was found by then; the page is then not `complete`. */
  readonly timeLimitMs?: number;
  /** Documents that are not to be found, at most 100,000. Ids that are not there are no error. */
  readonly exclude?: readonly Id[];
}

/**
 * Ranks by nearness to a vector, under the metric of the field. The score is the cosine, the inner product, or minus
 * the squared Euclidean distance.
 * @param field a dense field
 * @param vector as many components as the field has (else ERR_DIMENSION), all finite (else ERR_NOT_FINITE); or `{ id }`
 * of a document, which is not found itself
 * @example near("vector", v, { recall: 0.95 })
 * @example near("vector", { id: "paper-7" }, { exclude: ["paper-8"] })
 */
export function near<const F extends string>(
  field: F,
  vector: QueryVector | StoredVector,
  options?: NearOptions,
): NearQuery<F> {
  return { kind: "near", field, vector, ...options };
}

/** Settings of {@link maxsim}. */
export interface MaxSimOptions {
  /** A weight for each token of the query, 0 to 1,000,000: 0 leaves it out. Default: all 1. */
  readonly weights?: readonly number[];
  /** The mean over the query's tokens and not the sum. Default false. */
  readonly mean?: boolean;
  /** Documents to consider, 1 to 100,000. Default: what the page needs, offset + limit. */
  readonly k?: number;
  /**
   * Candidates that are compared token by token, 1 to 100,000. Default: the larger of 128 and 16 `k`. At most one of
   * `candidates`, `recall` and `exact`.
   */
  readonly candidates?: number;
  /** The recall wanted, above 0, up to 1: as many candidates as reached it when `tune` measured. Needs `tune`. */
  readonly recall?: number;
  /** Compare all documents. */
  readonly exact?: boolean;
  /** Tokens of the query whose inner product is at least this (0.7, say) are added and compared as one: faster, and a little less exact. */
  readonly carve?: number;
  /** Rank a document by the best of its units (sentences, propositions) alone. Default false. */
  readonly units?: boolean;
}

/**
 * Ranks by late interaction (MaxSim): for each token of the query the best inner product with a token of the document,
 * added up. With `explain`, every hit says which of its tokens each token of the query met.
 * @param field a multi field
 * @param tokens the query's token vectors, 1 to 4,096 of the field's dimension
 * @example maxsim("tokens", Q, { candidates: 500 })
 */
export function maxsim<const F extends string>(
  field: F,
  tokens: QueryTokens,
  options?: MaxSimOptions,
): MaxSimQuery<F> {
  return { kind: "maxsim", field, tokens, ...options };
}

/** Returns every document, with score 0, in the order of insertion: a filter alone, or an export page by page. */
export function all(): AllQuery {
  return { kind: "all" };
}

/** Settings of {@link fuse}. */
export interface FuseOptions {
  /** The constant of the method, above 0: the larger, the less the first ranks stand out. Default 60. */
  readonly k?: number;
  /** One weight a query, 0 or more. Default: all 1. */
  readonly weights?: readonly number[];
  /** Candidates taken from each ranking, 1 to 100,000. Default: the larger of 100 and offset + limit. */
  readonly depth?: number;
}

/** Ways to make one ranking of several. */
export const fuse = {
  /**
   * Reciprocal rank fusion: the sum over the rankings of weight / (k + rank), rank from 1. Needs no calibration of
   * scores (Cormack, Clarke and Buettcher, SIGIR 2009).
   * @param queries 1 to 32 queries
   * @example fuse.rrf([match("boundary layer"), near("vector", v)], { weights: [1, 2] })
   */
  rrf<const Q extends readonly Query[]>(
    queries: Q,
    options?: FuseOptions,
  ): FuseQuery<
    TextFieldsOf<Q[number]>,
    DenseFieldsOf<Q[number]>,
    PhraseFieldsOf<Q[number]>,
    MultiFieldsOf<Q[number]>,
    SparseFieldsOf<Q[number]>
  > {
    const query: object = { kind: "fuse", method: "rrf", queries, ...options };
    return query as FuseQuery<
      TextFieldsOf<Q[number]>,
      DenseFieldsOf<Q[number]>,
      PhraseFieldsOf<Q[number]>,
      MultiFieldsOf<Q[number]>,
      SparseFieldsOf<Q[number]>
    >;
  },
} as const;

/** Settings of {@link expand}. With any of `alpha`, `beta`, `cells` and `recall` the answer is approximate. */
export interface ExpandOptions {
  /** How many documents to consider, 1 to 100,000. Default: offset + limit. */
  readonly k?: number;
  /** What upper bounds are multiplied by before documents are passed over: above 0, at most 1. Less is faster. */
  readonly alpha?: number;
  /** The share of the query's terms, the lightest, that upper bounds leave out: 0 to below 1. */
  readonly beta?: number;
  /**
   * The most cells of 256 documents that are scored in each segment, best bounds first; of a {@link seismic} index the documents
   * that are scored whole.
   */
  readonly cells?: number;
  /** The recall wanted, above 0, up to 1, instead of these: the least effort that reached it when `tune` measured. */
  readonly recall?: number;
}

/**
 * Ranks by the inner product with a sparse vector (SPLADE and its like): exactly, unless told what may be missed or the index
 * is approximate.
 * @param vector terms and weights; by words where the field has a vocabulary, those that it does not have are passed over
 * @example expand("splade", { indices: Uint32Array.of(7, 1012), values: Float32Array.of(0.4, 1.9) })
 */
export function expand<const F extends string>(
  field: F,
  vector: SparseInput | WordWeights,
  options?: ExpandOptions,
): ExpandQuery<F> {
  return { kind: "expand", field, vector, ...options };
}

/**
 * The same query with every vector as `{ "$f32": base64 }`, so that `JSON.stringify` keeps it bit for bit. `search`
 * accepts it as it is.
 * @throws TercetError ERR_NOT_FINITE where a number is NaN or infinite
 */
export function toJSON<const Q extends Query>(
  query: Q,
): Query<TextFieldsOf<Q>, DenseFieldsOf<Q>, PhraseFieldsOf<Q>, MultiFieldsOf<Q>, SparseFieldsOf<Q>> {
  return portable(query) as Query<
    TextFieldsOf<Q>,
    DenseFieldsOf<Q>,
    PhraseFieldsOf<Q>,
    MultiFieldsOf<Q>,
    SparseFieldsOf<Q>
  >;
}
