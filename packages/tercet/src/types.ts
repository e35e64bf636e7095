/** What a collection's verbs take and give. */
import type { CallOptions, LongCallOptions } from "./call.js";
import type { Query } from "./query.js";
import type { FieldsOf, InferDocument, PhraseFields, Schema, Selected, Where } from "./schema.js";
import type { SparseVectors } from "./sparse-rows.js";
import type { TokenMatrices } from "./token-rows.js";
import type { FieldSpec, HitExplain, Id, PageExplain } from "./wire/index.js";

/** A range of UTF-16 code units in a text, `[start, end)`: `text.slice(start, end)` is the word. */
export type HighlightRange = readonly [start: number, end: number];

/** What a search asks for. */
export interface SearchRequest<
  S extends Schema = Schema,
  Select extends string = string,
  Highlight extends string = string,
> extends CallOptions {
  /** What to rank by. */
  readonly query: Query<
    FieldsOf<S, "text">,
    FieldsOf<S, "dense">,
    PhraseFields<S>,
    FieldsOf<S, "multi">,
    FieldsOf<S, "sparse">
  >;
  /** Which documents may come back. */
  readonly where?: Where<S> | undefined;
  /** Hits on the page, 0 to 10,000. Default 10. */
  readonly limit?: number | undefined;
  /** Hits to skip; offset + limit at most 100,000. Default 0. */
  readonly offset?: number | undefined;
  /** Fields to return, beside `id`. Default: every field but the vectors. */
  readonly select?: readonly Select[] | undefined;
  /** Text fields in which to mark the words that matched. */
  readonly highlight?: readonly Highlight[] | undefined;
  /** Say which path ran, what it cost, and what each part of the query gave each hit. Default false. */
  readonly explain?: boolean | undefined;
}

/** One hit. */
export interface Hit<Document, Highlight extends string = string> {
  /** The document's id. */
  readonly id: Id;
  /** Higher is better; comparable within one query only. */
  readonly score: number;
  /** `id` and the selected fields. */
  readonly document: Document;
  /** For each field of `highlight` the ranges of its matching words, ascending; {@link mark} shows them. */
  readonly highlights: { readonly [F in Highlight]: readonly HighlightRange[] };
  /** Where the score comes from; present when the request says `explain`. */
  readonly explain?: HitExplain;
}

/** A page of hits, best first. */
export interface Page<Document, Highlight extends string = string> {
  /** The hits, best first; equal scores in the order of insertion. */
  readonly hits: readonly Hit<Document, Highlight>[];
  /** True when every ranking is the true one: no approximate walk took part. */
  readonly exact: boolean;
  /** False when a time limit ended a search before its end. */
  readonly complete: boolean;
  /** How the page came about; present when the request says `explain`. */
  readonly explain?: PageExplain;
}

/** The page that a search with these selected and highlighted fields gives. */
export type PageOf<S extends Schema, Select extends string, Highlight extends string> = Page<
  Selected<S, Select>,
  Highlight
>;

/** The fields that a search returns without `select`: all but those of vectors. */
export type DefaultFields<S extends Schema> = FieldsOf<S> &
  FieldsOf<S, Exclude<FieldSpec["type"], "dense" | "multi" | "sparse">>;

/** Options of `tune` and `measure`: what is searched for. */
export interface SampleOptions extends LongCallOptions {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /**
   * What to search for: real queries, where there are some. Of a dense field vectors, one after the other in one array, or a
   * list; of a sparse field sparse vectors; of a multi field the token vectors of each query. Default: `sample` probes: stored
   * vectors, each moved in a random direction by 1.25 times the distance of its k-th neighbour; of a sparse field a quarter of
   * the terms of stored vectors, and of a multi field some tokens of stored documents, which then must not be found themselves.
   */
  readonly queries?:
    | Float32Array
    | readonly (Float32Array | readonly number[])[]
    | SparseVectors
    | TokenMatrices
    | undefined;
  /** How many probes are made of stored vectors, without `queries`: 1 to 100,000. Default 200. */
  readonly sample?: number | undefined;
}

/** Options of `tune`. */
export interface TuneOptions extends SampleOptions {
  /** The ladder of efforts ends where this recall is reached; above 0, up to 1. Default 0.999. */
  readonly target?: number | undefined;
}

/** Options of `measure`: how hard the searches try, said in one way. Default: as a search does. */
export interface MeasureOptions extends SampleOptions {
  /** Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again. */
  readonly ef?: number | undefined;
  /** Lists that are scanned. */
  readonly nprobe?: number | undefined;
  /** Candidates that are ranked again, with `nprobe` or alone; of a multi field those that are compared by MaxSim. */
  readonly candidates?: number | undefined;
  /** Of a sparse field: what upper bounds are multiplied by; above 0, at most 1. */
  readonly alpha?: number | undefined;
  /** Of a sparse field: the share of the query's terms that upper bounds leave out; 0 to below 1. */
  readonly beta?: number | undefined;
  /** Of a sparse field: cells of 256 documents that are scored in each segment. */
  readonly cells?: number | undefined;
  /** The recall that was asked for, by the curve that `tune` measured. */
  readonly recall?: number | undefined;
}

/** Options of `get`. */
export interface GetOptions<Select extends string = string> extends CallOptions {
  /** Fields to return, beside `id`. Default: every field, vectors too. */
  readonly select?: readonly Select[] | undefined;
}

/** What `get` gives for one id: `undefined` where there is no such document. */
export type Got<S extends Schema, Select extends string> =
  | ([Select] extends [never] ? InferDocument<S> : Selected<S, Select>)
  | undefined;
