/**
 * Schemas: what the fields of a collection's documents are, as plain data that also carries their types.
 *
 * A builder returns exactly the wire type of its field, so a schema survives JSON; the literal types of its settings
 * are kept, and `InferDocument` and `InferInput` read them.
 */
import type {
  CodecName,
  DenseIndexSpec,
  FieldSpec,
  Id,
  IvfCodecName,
  MatrixName,
  MetricName,
  MultiIndexSpec,
  ReduceSpec,
  RerankName,
  RotateName,
  SparseIndexSpec,
  SparseWeights,
  TokenCodecName,
  TokenMetric,
} from "./wire/index.js";

/** Analyzers that every build has. Any other name is refused with ERR_SCHEMA. */
export type AnalyzerName =
  | "standard"
  | "english"
  | "whitespace"
  | "cjk"
  | "arabic"
  | "danish"
  | "dutch"
  | "finnish"
  | "french"
  | "german"
  | "greek"
  | "hungarian"
  | "italian"
  | "norwegian"
  | "portuguese"
  | "romanian"
  | "russian"
  | "spanish"
  | "swedish"
  | "tamil"
  | "turkish";

/** A field that documents may lack. */
export interface OptionalSetting {
  /** Documents may lack the field (absent, `undefined` or `null`). Default false. */
  readonly optional?: boolean;
}

/** Settings of {@link text}. */
export interface TextOptions extends OptionalSetting {
  /** How text becomes terms. Default `standard`: Unicode words, lower case, accents folded, CJK bigrams. */
  readonly analyzer?: AnalyzerName;
  /** Weight of this field's BM25 when several fields are searched; above 0. Default 1. */
  readonly boost?: number;
  /** Keep word positions (phrases need them; the field's index grows by about a third). Default false. */
  readonly positions?: boolean;
  /** BM25's saturation of term frequency, 0 to 10. Default 1.2. */
  readonly k1?: number;
  /** BM25's length normalisation, 0 to 1. Default 0.75. */
  readonly b?: number;
}

/** Settings of {@link keyword}. */
export interface KeywordOptions extends OptionalSetting {
  /** An array of strings a document instead of one; a filter matches when any of them does. Default false. */
  readonly many?: boolean;
}

/** Settings of {@link dense}. */
export interface DenseOptions extends OptionalSetting {
  /** Components of every vector, 1 to 65,535. */
  readonly dims: number;
  /** How vectors are compared; scores are higher for nearer ones. Default `cosine` (zero vectors are refused). */
  readonly metric?: Exclude<MetricName, "hamming" | "jaccard">;
  /** The index kind. Default {@link hnsw}, which scans small segments exactly; or that of the stored schema. */
  readonly index?: DenseIndexSpec;
}

type Merge<T> = { readonly [K in keyof T]: T[K] } & {};
type FieldOf<Type extends FieldSpec["type"], Options> = Merge<{ readonly type: Type } & Options>;

/**
 * Text to be searched by words (BM25, `match`), highlighted, and returned.
 * @example title: text({ analyzer: "english", boost: 2 })
 */
export function text<const O extends TextOptions = Record<never, never>>(options?: O): FieldOf<"text", O> {
  return { type: "text", ...options } as FieldOf<"text", O>;
}

/**
 * An exact string (or several), to be filtered by: tags, authors, languages.
 * @example authors: keyword({ many: true })
 */
export function keyword<const O extends KeywordOptions = Record<never, never>>(
  options?: O,
): FieldOf<"keyword", O> {
  return { type: "keyword", ...options } as FieldOf<"keyword", O>;
}

/** A safe integer (at most 2^53 - 1 in magnitude), to be filtered by. */
export function integer<const O extends OptionalSetting = Record<never, never>>(
  options?: O,
): FieldOf<"integer", O> {
  return { type: "integer", ...options } as FieldOf<"integer", O>;
}

/** A finite 64-bit float, to be filtered by. */
export function float<const O extends OptionalSetting = Record<never, never>>(
  options?: O,
): FieldOf<"float", O> {
  return { type: "float", ...options } as FieldOf<"float", O>;
}

/** `true` or `false`, to be filtered by. */
export function boolean<const O extends OptionalSetting = Record<never, never>>(
  options?: O,
): FieldOf<"boolean", O> {
  return { type: "boolean", ...options } as FieldOf<"boolean", O>;
}

/**
 * An instant with milliseconds, to be filtered by. Takes a `Date`, an RFC 3339 string, `YYYY-MM-DD` (midnight UTC) or
 * milliseconds since 1970; gives a `Date`.
 */
export function date<const O extends OptionalSetting = Record<never, never>>(
  options?: O,
): FieldOf<"date", O> {
  return { type: "date", ...options } as FieldOf<"date", O>;
}

/**
 * One dense vector a document, searched by `near`. Takes a `Float32Array` or numbers; gives a `Float32Array`, bit for
 * bit what was stored.
 * @example vector: dense({ dims: 384, metric: "cosine", index: flat() })
 */
export function dense<const O extends DenseOptions>(options: O): FieldOf<"dense", O> {
  return { type: "dense", ...options } as FieldOf<"dense", O>;
}

/** Settings of {@link multi}. */
export interface MultiOptions extends OptionalSetting {
  /** Components of every token's vector, 1 to 65,535. */
  readonly dims: number;
  /** Default `cosine`: tokens are scaled to unit length, zero vectors are refused. `dot` takes them as they are. */
  readonly metric?: TokenMetric;
  /**
   * How tokens are kept. Default `i8`: 8 bits a component and a scale a token. `residual2`: a centroid and two bits a
   * component, 4 bytes more than a quarter of `dims`.
   */
  readonly codec?: TokenCodecName;
  /** The first components that are kept, for embeddings that were trained so (Matryoshka). Default: all. */
  readonly prefix?: number;
  /** Tokens of a document that become one on average, 1 to 8, by clustering. 2 is nearly free. Default 1. */
  readonly pool?: number;
  /** How candidates are found. Default {@link centroids}; or that of the stored schema. */
  readonly index?: MultiIndexSpec;
}

/** Token vectors as they come out: one after another, as far as the codec keeps them. */
export interface TokenVectors {
  /** The components. */
  readonly data: Float32Array;
  /** Components of each. */
  readonly dims: number;
}

/** Token vectors as they go in, one after another, each with the unit (sentence, proposition) that it belongs to. */
export interface TokenInput {
  /** The components. */
  readonly data: Float32Array | readonly number[];
  /** Components of each: those of the field. */
  readonly dims: number;
  /** A number for each token. Default: no units. */
  readonly units?: readonly number[];
}

/**
 * Several vectors a document (its tokens), searched by `maxsim`. Takes a list of vectors or {@link TokenInput}; gives
 * {@link TokenVectors}.
 * @example tokens: multi({ dims: 128, codec: "i8", index: muvera({ repetitions: 20, bits: 5, projection: 16 }) })
 */
export function multi<const O extends MultiOptions>(options: O): FieldOf<"multi", O> {
  return { type: "multi", ...options } as FieldOf<"multi", O>;
}

/** Settings of {@link muvera}. */
export interface MuveraSettings {
  /** How often tokens are put into buckets anew, 1 to 256. Default 20. */
  readonly repetitions?: number;
  /** Directions that decide a token's bucket, 0 to 10. Default 5: 32 buckets. */
  readonly bits?: number;
  /** Components that a bucket's vector is projected to; not projected where that is 0 or no fewer than a token has. Default 16. */
  readonly projection?: number;
  /** The matrix that projects. Default `dense`. */
  readonly matrix?: MatrixName;
  /** Components that the whole encoding is folded to. Default: not folded. */
  readonly final?: number;
  /** What decides directions and signs, 0 to 2^53 - 1. Default 0. */
  readonly seed?: number;
  /** The dense index that the encodings are in. Default `flat` with 8-bit codes. */
  readonly index?: DenseIndexSpec;
}

/**
 * Candidates by fixed dimensional encodings (MUVERA, arXiv 2405.19504): one vector a document, of
 * `repetitions * 2^bits * projection` components, in a dense index; the best of them are compared token by token.
 * @example multi({ dims: 128, index: muvera({ index: hnsw() }) })
 */
export function muvera<const O extends MuveraSettings = Record<never, never>>(
  settings?: O,
): Merge<{ readonly kind: "muvera" } & O> {
  return { kind: "muvera", ...settings } as Merge<{ readonly kind: "muvera" } & O>;
}

/**
 * Candidates by centroids (PLAID, arXiv 2205.09707; WARP, arXiv 2501.17788): each token is near one of some centroids, and
 * documents are first compared as if their tokens were there. Takes 2 bytes a token and a list, or none beside residual codes.
 * @example multi({ dims: 128, codec: "residual2", index: centroids() })
 */
export function centroids(): { readonly kind: "centroids" } {
  return { kind: "centroids" };
}

/** All documents are compared token by token: exact, cost linear in the number of tokens. */
export function scan(): { readonly kind: "scan" } {
  return { kind: "scan" };
}

/** Settings of {@link sparse} beside its terms. What pruning leaves out of the index is still given back. */
export interface SparseSettings extends OptionalSetting {
  /** How the index keeps weights. Default `exact`: without loss, in 1, 2 or 4 bytes each. */
  readonly weights?: SparseWeights;
  /** Index only the heaviest terms of a document, so many. Default 0: all. */
  readonly top?: number;
  /** Index only the heaviest terms, up to this share of the sum of a document's weights, above 0. Default 1: all. */
  readonly mass?: number;
  /** The index kind. Default {@link lists}; or that of the stored schema. */
  readonly index?: SparseIndexSpec;
}

/** Settings of {@link sparse} where terms are numbers. */
export interface SparseOptions extends SparseSettings {
  /** How many terms there are: indices are 0 to `terms` - 1. */
  readonly terms: number;
  readonly vocabulary?: undefined;
}

/** Settings of {@link sparse} where terms have names. */
export interface VocabularyOptions extends SparseSettings {
  /**
   * The terms by name: word `i` is term `i`. 1 to 1,048,576 words, each once and of 1 to 255 bytes of UTF-8, taken as they are
   * (upper case stays upper case), 16 MiB together. They are kept with the collection: opening it again needs no words.
   */
  readonly vocabulary: readonly string[];
  /** As many as there are words. */
  readonly terms?: number;
}

/** Settings of {@link lists}. */
export interface ListsSettings {
  /** Documents in a block that has a bound of its own: 8, 16, 32, 64 or 128. Fewer prune more and take more bytes. Default 32. */
  readonly block?: 8 | 16 | 32 | 64 | 128;
}

/**
 * The index kind of inverted lists with block maxima (Block-Max Pruning, arXiv 2405.01117): exact.
 * @example splade: sparse({ terms: 30522, index: lists({ block: 64 }) })
 */
export function lists<const O extends ListsSettings = Record<never, never>>(
  settings?: O,
): Merge<{ readonly kind: "lists" } & O> {
  return { kind: "lists", ...settings } as Merge<{ readonly kind: "lists" } & O>;
}

/** Settings of {@link seismic}. */
export interface SeismicSettings {
  /**
   * Postings of a term that candidates are found by, the heaviest. Fewer make the index smaller, and rarer terms count more.
   * Default 0: 1,000, or three times the square root of a segment's documents.
   */
  readonly postings?: number;
}

/**
 * The index kind of pruned lists and a forward index, after Seismic (arXiv 2404.18812): approximate. The documents with the
 * largest partial sums over the heaviest postings are scored whole. Few allowed documents are scored one by one all the same.
 * @example splade: sparse({ terms: 30522, index: seismic() })
 */
export function seismic<const O extends SeismicSettings = Record<never, never>>(
  settings?: O,
): Merge<{ readonly kind: "seismic" } & O> {
  return { kind: "seismic", ...settings } as Merge<{ readonly kind: "seismic" } & O>;
}

/** A sparse vector: terms, each once, in any order, and their weights, above 0. */
export interface SparseVector {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** A sparse vector as it may come in, in arrays of either kind. */
export interface SparseArrays {
  readonly indices: Uint32Array | readonly number[];
  readonly values: Float32Array | readonly number[];
}

/** A sparse vector as it may come in: in arrays, or term to weight. */
export type SparseInput = SparseArrays | { readonly [term: number]: number };

/** A sparse vector by words: each a word of the field's vocabulary, with its weight, above 0. */
export type WordWeights<Word extends string = string> = { readonly [W in Word]?: number };

/**
 * One sparse vector a document (learned sparse vectors, as SPLADE gives), searched by `expand`, by the inner product in f32:
 * exactly, unless the index is {@link seismic}. Gives back a {@link SparseVector}, by ascending term. With a `vocabulary` documents
 * and queries may be {@link WordWeights}; a document's word that is none of it is refused (ERR_ARGUMENT), a query's is passed over.
 * @example splade: sparse({ terms: 30522 })
 * @example splade: sparse({ vocabulary: tokenizer.words }) // then { splade: { flow: 1.2, "##s": 0.3 } }
 */
export function sparse<const O extends SparseOptions | VocabularyOptions>(
  options: O,
): FieldOf<"sparse", O & { readonly terms: number }> {
  // Without a number it is the core's to say what is wrong.
  const terms = options.terms ?? options.vocabulary?.length;
  return { type: "sparse", ...options, terms } as unknown as FieldOf<
    "sparse",
    O & { readonly terms: number }
  >;
}

/** Settings of {@link flat}. */
export interface FlatSettings {
  /** The codes that are compared. Default `auto`: the vectors themselves. */
  readonly codec?: CodecName;
  /** What makes vectors shorter before they are coded, in 8 bits a component; the best are ranked again by the vectors. */
  readonly reduce?: ReduceSpec;
  /** Keep the vectors beside codes, to re-rank by and to give back bit for bit. Default true. */
  readonly keep?: boolean;
}

/** Settings of {@link hnsw}. */
export interface HnswSettings {
  /** Links of a node above the lowest level, and half of those on it: 4 to 64. Default 16. */
  readonly M?: number;
  /** Candidates that a new node's links are chosen from: `M` to 4,096. Default 200. */
  readonly efConstruction?: number;
  /** The codes that the graph is walked by. Default `auto`. */
  readonly codec?: CodecName;
  /** What makes vectors shorter before they are coded; answers are re-ranked by whole vectors. Default: what suits the codec. */
  readonly reduce?: ReduceSpec;
  /** Keep the vectors, to re-rank by and to give back bit for bit; without them both come from the codes. Default true. */
  readonly keep?: boolean;
  /** What decides levels and order, 0 to 2^53 - 1: the same vectors and seed give the same graph. Default 0. */
  readonly seed?: number;
}

/** Settings of {@link ivf}. */
export interface IvfSettings {
  /** Lists, 1 to 65,536. Default: by the number of vectors. A segment with few vectors has fewer, or none and is scanned. */
  readonly lists?: number;
  /** The codes that lists hold. Default `auto`: what suits the vectors. */
  readonly codec?: IvfCodecName;
  /** Parts of a vector, 1 to dims, at most 1,024; only for `pq`. Default: dims / 4. */
  readonly m?: number;
  /** Bits a part (`pq`: 4 or 8, default 4) or a component (`rabitq`: 1 to 8, default 1). */
  readonly bits?: number;
  /** Code the difference from a list's centroid instead of the vector. Default: what suits the codec. */
  readonly residual?: boolean;
  /** What turns vectors before they are coded. Default: what suits the codec. */
  readonly rotate?: RotateName;
  /** What makes vectors shorter before they are coded. Default: nothing. */
  readonly reduce?: ReduceSpec;
  /** Put every vector into a second list as well (SOAR). Default false. */
  readonly spill?: boolean;
  /** Let no list become much longer than the mean. Default false. */
  readonly balance?: boolean;
  /** What candidates are ranked by again. Default: what suits the codec. */
  readonly rerank?: RerankName;
  /** Keep the vectors, to re-rank by and to give back bit for bit; without them both come from the codes. Default true. */
  readonly keep?: boolean;
  /** What decides where training begins, 0 to 2^53 - 1: the same vectors and seed give the same bytes. Default 0. */
  readonly seed?: number;
}

type HnswOf<O> = Merge<
  { readonly kind: "hnsw" } & { readonly [K in keyof O as K extends "M" ? "m" : K]: O[K] }
>;

/**
 * The index kind that compares every vector: exact, no build time, cost linear in the number of vectors.
 * @example vector: dense({ dims: 384, index: flat() })
 */
export function flat<const O extends FlatSettings = Record<never, never>>(
  settings?: O,
): Merge<{ readonly kind: "flat" } & O> {
  return { kind: "flat", ...settings } as Merge<{ readonly kind: "flat" } & O>;
}

/**
 * The index kind that walks a graph (HNSW, Malkov & Yashunin): approximate, with cost that grows like the logarithm of
 * the number of vectors. Small sets and narrow filters are compared vector by vector all the same, and a search says
 * whether its answer is `exact`.
 * @example vector: dense({ dims: 384, metric: "cosine", index: hnsw({ M: 16 }) })
 */
export function hnsw<const O extends HnswSettings = Record<never, never>>(settings?: O): HnswOf<O> {
  const { M, ...rest } = (settings ?? {}) as HnswSettings;
  return { kind: "hnsw", ...(M === undefined ? undefined : { m: M }), ...rest } as unknown as HnswOf<O>;
}

/**
 * The index kind of inverted lists (Jegou, Douze & Schmid): approximate, with codes of some tens of bytes a vector, quick to
 * build. For collections whose graph would not fit in memory. Small segments are scanned all the same.
 * @example vector: dense({ dims: 384, metric: "cosine", index: ivf({ codec: "pq", m: 96, bits: 4 }) })
 */
export function ivf<const O extends IvfSettings = Record<never, never>>(
  settings?: O,
): Merge<{ readonly kind: "ivf" } & O> {
  return { kind: "ivf", ...settings } as Merge<{ readonly kind: "ivf" } & O>;
}

/** The fields of a collection's documents beside `id`: name to kind. Made with {@link text} and its sisters. */
export type Schema = { readonly [name: string]: Readonly<FieldSpec> };

/** Whether a schema is known only at run time, as when an existing collection is opened without one. */
export type IsOpen<S extends Schema> = string extends keyof S ? true : false;

/** The fields of a schema that have one of the given types. */
export type FieldsOf<S extends Schema, Type extends FieldSpec["type"] = FieldSpec["type"]> =
  IsOpen<S> extends true
    ? string
    : { [K in keyof S & string]: S[K]["type"] extends Type ? K : never }[keyof S & string];

/** The text fields of a schema that keep positions: those in which phrases can be looked for. */
export type PhraseFields<S extends Schema> =
  IsOpen<S> extends true
    ? string
    : {
        [K in keyof S & string]: S[K] extends { readonly type: "text"; readonly positions: infer P }
          ? true extends P
            ? K
            : never
          : never;
      }[keyof S & string];

type Flatten<T> = { [K in keyof T]: T[K] } & {};
type MayLack<F> = F extends { readonly optional: infer O } ? (true extends O ? true : false) : false;
type Lacking<S extends Schema> = { [K in keyof S]: MayLack<S[K]> extends true ? K : never }[keyof S];

type OutputOf<F> = F extends { readonly type: "text" }
  ? string
  : F extends { readonly type: "keyword" }
    ? F extends { readonly many: true }
      ? string[]
      : string
    : F extends { readonly type: "integer" | "float" }
      ? number
      : F extends { readonly type: "boolean" }
        ? boolean
        : F extends { readonly type: "date" }
          ? Date
          : F extends { readonly type: "dense" }
            ? Float32Array
            : F extends { readonly type: "multi" }
              ? TokenVectors
              : F extends { readonly type: "sparse" }
                ? SparseVector
                : unknown;

type InputOf<F> = F extends { readonly type: "keyword"; readonly many: true }
  ? readonly string[]
  : F extends { readonly type: "date" }
    ? Date | string | number
    : F extends { readonly type: "dense" }
      ? Float32Array | readonly number[]
      : F extends { readonly type: "multi" }
        ? readonly (Float32Array | readonly number[])[] | TokenInput
        : F extends { readonly type: "sparse" }
          ? F extends { readonly vocabulary: readonly (infer Word extends string)[] }
            ? SparseArrays | WordWeights<Word>
            : SparseInput
          : OutputOf<F>;

/**
 * The documents that come out of a collection with this schema: every field, and `id`.
 * @example type Paper = InferDocument<typeof schema>;
 */
export type InferDocument<S extends Schema> =
  IsOpen<S> extends true
    ? Record<string, unknown>
    : Flatten<
        { id: Id } & { [K in Exclude<keyof S, Lacking<S>>]: OutputOf<S[K]> } & {
          [K in Lacking<S>]?: OutputOf<S[K]>;
        }
      >;

/**
 * The documents that go into a collection with this schema: as {@link InferDocument}, but optional fields may be
 * `undefined` or `null`, dates may be strings or milliseconds, and vectors plain arrays of numbers.
 */
export type InferInput<S extends Schema> =
  IsOpen<S> extends true
    ? { readonly id: Id; readonly [field: string]: unknown }
    : Flatten<
        { readonly id: Id } & { readonly [K in Exclude<keyof S, Lacking<S>>]: InputOf<S[K]> } & {
          readonly [K in Lacking<S>]?: InputOf<S[K]> | null | undefined;
        }
      >;

/** The document of a hit: `id` and the selected fields; without `select`, every field but the vectors. */
export type Selected<S extends Schema, Select extends string> =
  IsOpen<S> extends true
    ? Record<string, unknown>
    : Flatten<Pick<InferDocument<S>, ("id" | Select) & keyof InferDocument<S>>>;

interface Presence {
  /** `true`: the document has the field. `false`: it lacks it. */
  readonly exists?: boolean;
}

interface Equality<T> extends Presence {
  /** Equal to this value. */
  readonly eq?: T;
  /** Equal to one of these values; an empty list matches nothing. */
  readonly in?: readonly T[];
}

interface Range<T> extends Equality<T> {
  /** Greater than. */
  readonly gt?: T;
  /** Greater than or equal to. */
  readonly gte?: T;
  /** Less than. */
  readonly lt?: T;
  /** Less than or equal to. */
  readonly lte?: T;
}

type ConditionOf<F> = F extends { readonly type: "keyword" }
  ? string | Range<string>
  : F extends { readonly type: "boolean" }
    ? boolean | Equality<boolean>
    : F extends { readonly type: "integer" | "float" }
      ? number | Range<number>
      : F extends { readonly type: "date" }
        ? Date | string | number | Range<Date | string | number>
        : Presence;

/**
 * A filter: every key must hold. A field's value alone means `eq`; `and`, `or` and `not` take filters. A document
 * that lacks a field passes no test of it but `exists: false` (and `not` lets it through). A field of many keywords
 * passes when one of them passes every test; keywords are ordered by their UTF-8 bytes. Text and dense fields have
 * `exists` only.
 * @example { year: { gte: 1960, lt: 1970 }, or: [{ authors: "Lighthill" }, { not: { open: true } }] }
 */
export type Where<S extends Schema = Schema> = (IsOpen<S> extends true
  ? { readonly [field: string]: unknown }
  : { readonly [K in FieldsOf<S>]?: ConditionOf<S[K]> }) & {
  /** Every one of these filters. */
  readonly and?: readonly Where<S>[];
  /** At least one of these filters. */
  readonly or?: readonly Where<S>[];
  /** Not this filter. */
  readonly not?: Where<S>;
};
