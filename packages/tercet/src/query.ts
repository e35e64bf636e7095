/**
 * Queries as plain data, and the functions that make them.
 *
 * A builder returns the wire type of the query; the names of the fields that it mentions are kept in its type, and a
 * collection's `search` compares them with its schema at compile time.
 */
import { TercetError } from "./errors.js";
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
}

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

/** Every document, score 0, in the order of insertion. Made by {@link all}. */
export interface AllQuery {
  readonly kind: "all";
}

/** Several rankings made one. Made by {@link fuse}. */
export interface FuseQuery<TextField extends string = string, DenseField extends string = string> {
  readonly kind: "fuse";
  readonly method: "rrf";
  /** The rankings, 1 to 32. */
  readonly queries: readonly Query<TextField, DenseField>[];
  /** The constant of the method, above 0. Default 60. */
  readonly k?: number;
  /** One weight a ranking, 0 or more. Default: all 1. */
  readonly weights?: readonly number[];
  /** Candidates taken from each ranking, 1 to 100,000. Default: the larger of 100 and offset + limit. */
  readonly depth?: number;
}

/** A query: plain data that can be logged, replayed, or sent to a worker. */
export type Query<TextField extends string = string, DenseField extends string = string> =
  | MatchQuery<TextField>
  | NearQuery<DenseField>
  | AllQuery
  | FuseQuery<TextField, DenseField>;

/** The text fields that a query names. */
export type TextFieldsOf<Q> =
  Q extends MatchQuery<infer F> ? F : Q extends FuseQuery<infer F, infer _> ? F : never;

/** The dense fields that a query names. */
export type DenseFieldsOf<Q> =
  Q extends NearQuery<infer F> ? F : Q extends FuseQuery<infer _, infer F> ? F : never;

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

/** Settings of {@link near}. */
export interface NearOptions {
  /** Neighbours to consider, 1 to 100,000. Default: what the page needs, offset + limit. */
  readonly k?: number;
  /**
   * Candidates kept while a graph is walked, 1 to 100,000, and at least `k`: more find more of the true nearest and take
   * longer. Default: the larger of 64 and `k`. At most one of `ef`, `recall` and `exact`.
   */
  readonly ef?: number;
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
  ): FuseQuery<TextFieldsOf<Q[number]>, DenseFieldsOf<Q[number]>> {
    const query: FuseQuery = { kind: "fuse", method: "rrf", queries, ...options };
    return query as FuseQuery<TextFieldsOf<Q[number]>, DenseFieldsOf<Q[number]>>;
  },
} as const;

/**
 * The same query with every vector as `{ "$f32": base64 }`, so that `JSON.stringify` keeps it bit for bit. `search`
 * accepts it as it is.
 * @throws TercetError ERR_NOT_FINITE where a number is NaN or infinite
 */
export function toJSON<const Q extends Query>(query: Q): Query<TextFieldsOf<Q>, DenseFieldsOf<Q>> {
  return portable(query) as Query<TextFieldsOf<Q>, DenseFieldsOf<Q>>;
}

function portable(query: Query): Query {
  if (query.kind === "fuse") return { ...query, queries: query.queries.map(portable) };
  if (query.kind !== "near") return query;
  const { vector } = query;
  if ("$f32" in vector || "id" in vector) return query;
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (let i = 0; i < vector.length; i++) {
    const value = Math.fround(vector[i] as number);
    if (!Number.isFinite(value)) {
      throw new TercetError("ERR_NOT_FINITE", `component ${i} of the query vector is not a finite number`, {
        field: query.field,
        component: i,
        expected: "a finite 32-bit float",
        found: String(vector[i]),
      });
    }
    bytes.setFloat32(i * 4, value, true);
  }
  return { ...query, vector: { $f32: base64(new Uint8Array(bytes.buffer)) } };
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x2000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  }
  return btoa(binary);
}
