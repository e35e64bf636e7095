/** What a collection's verbs take and give. */
import type { CallOptions } from "./call.js";
import type { Query } from "./query.js";
import type { FieldsOf, InferDocument, Schema, Selected, Where } from "./schema.js";
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
  readonly query: Query<FieldsOf<S, "text">, FieldsOf<S, "dense">>;
  /** Which documents may come back. */
  readonly where?: Where<S> | undefined;
  /** Hits on the page, 0 to 10,000. Default 10. */
  readonly limit?: number | undefined;
  /** Hits to skip; offset + limit at most 100,000. Default 0. */
  readonly offset?: number | undefined;
  /** Fields to return, beside `id`. Default: every field but the dense ones. */
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
  /** True when no approximate index took part. */
  readonly exact: boolean;
  /** How the page came about; present when the request says `explain`. */
  readonly explain?: PageExplain;
}

/** The page that a search with these selected and highlighted fields gives. */
export type PageOf<S extends Schema, Select extends string, Highlight extends string> = Page<
  Selected<S, Select>,
  Highlight
>;

/** The fields that a search returns without `select`: all but the dense ones. */
export type DefaultFields<S extends Schema> = FieldsOf<S> & FieldsOf<S, Exclude<FieldSpec["type"], "dense">>;

/** Options of `get`. */
export interface GetOptions<Select extends string = string> extends CallOptions {
  /** Fields to return, beside `id`. Default: every field, vectors too. */
  readonly select?: readonly Select[] | undefined;
}

/** What `get` gives for one id: `undefined` where there is no such document. */
export type Got<S extends Schema, Select extends string> =
  | ([Select] extends [never] ? InferDocument<S> : Selected<S, Select>)
  | undefined;
