/**
 * A schema from a sample of documents.
 *
 * Every value votes for the kinds that could hold it; the narrowest kind that holds all of a field's values wins:
 * boolean, integer, float, date, a list of keywords, a dense vector, and for other strings keyword or text. Strings are
 * text when they read like sentences (several words, or long, or hardly ever the same), else keyword. A field whose
 * values nothing can hold (objects, mixed kinds) is left out and named, so that the caller can say so.
 */
import type { Schema } from "../schema.js";
import type { FieldSpec } from "../wire/index.js";

/** How to guess. */
export interface GuessOptions {
  /** Fields that are text whatever they look like. */
  readonly text?: readonly string[];
  /** Analyzer of the text fields; when absent, `english` where the sample reads as English, else `standard`. */
  readonly analyzer?: string;
  /** Whether the sample is all there is: only then is a field that no document lacks a required one. */
  readonly complete?: boolean;
  /** Whether every value came as a string (CSV), so that strings may stand for numbers and booleans. */
  readonly strings?: boolean;
}

/** What was guessed. */
export interface Guess {
  readonly schema: Schema;
  /** Fields that no kind can hold, with what was found in them. */
  readonly left: ReadonlyMap<string, string>;
}

type Kind = "boolean" | "integer" | "float" | "date" | "string" | "strings" | "vector" | "object";

interface Seen {
  documents: number;
  kinds: Map<Kind, number>;
  distinct: Set<string>;
  strings: number;
  words: number;
  spaced: number;
  charactersMax: number;
  dims: Set<number>;
}

const DISTINCT_MAX = 10_000;
const KEYWORD_CHARACTERS_MAX = 256;
// What the core reads as a date: a day, or RFC 3339 with its zone.
const DATE = /^\d{4}-\d{2}-\d{2}(?:[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2}))?$/;
// Without a leading zero or plus: "007" is a name, not a number.
const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const FLOAT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const ENGLISH = new Set(
  "a an and are as at be by for from has he in is it its of on or that the this to was were which with".split(
    " ",
  ),
);
const ENGLISH_SHARE_MIN = 0.15;

/** Guesses the schema of documents like these. The key `id` is no field. */
export function guessSchema(
  documents: readonly Record<string, unknown>[],
  options: GuessOptions = {},
): Guess {
  const seen = new Map<string, Seen>();
  for (const document of documents) {
    for (const [name, value] of Object.entries(document)) {
      if (name === "id" || value === null || value === undefined) continue;
      let field = seen.get(name);
      if (field === undefined) {
        field = emptySeen();
        seen.set(name, field);
      }
      look(field, value, options.strings === true);
    }
  }
  const analyzer = options.analyzer ?? guessAnalyzer(documents);
  const fields: Record<string, FieldSpec> = {};
  const left = new Map<string, string>();
  for (const [name, field] of seen) {
    const spec = options.text?.includes(name)
      ? ({ type: "text", analyzer } as FieldSpec)
      : decide(field, analyzer);
    if (typeof spec === "string") left.set(name, spec);
    else if (!isFieldName(name)) left.set(name, "a name that a field cannot have");
    else fields[name] = isAlways(field, documents, options) ? spec : { ...spec, optional: true };
  }
  return { schema: fields, left };
}

/** Whether a field may be called so. */
export function isFieldName(name: string): boolean {
  const reserved = ["id", "and", "or", "not"].includes(name);
  return !reserved && !/^[$_]/.test(name) && name !== "" && Buffer.byteLength(name) <= 200;
}

function isAlways(field: Seen, documents: readonly unknown[], options: GuessOptions): boolean {
  return options.complete === true && field.documents === documents.length;
}

function emptySeen(): Seen {
  return {
    documents: 0,
    kinds: new Map(),
    distinct: new Set(),
    strings: 0,
    words: 0,
    spaced: 0,
    charactersMax: 0,
    dims: new Set(),
  };
}

function look(field: Seen, value: unknown, strings: boolean): void {
  field.documents += 1;
  const kind = kindOf(value, strings);
  field.kinds.set(kind, (field.kinds.get(kind) ?? 0) + 1);
  if (kind === "vector") field.dims.add((value as unknown[]).length);
  if (typeof value === "string") {
    field.strings += 1;
    field.charactersMax = Math.max(field.charactersMax, value.length);
    const words = value.trim().split(/\s+/).length;
    field.words += words;
    if (words > 1) field.spaced += 1;
    if (field.distinct.size < DISTINCT_MAX) field.distinct.add(value);
  }
}

function kindOf(value: unknown, strings: boolean): Kind {
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "float";
  if (typeof value === "string") {
    if (DATE.test(value) && !Number.isNaN(Date.parse(value))) return "date";
    if (!strings) return "string";
    if (value === "true" || value === "false") return "boolean";
    if (INTEGER.test(value) && Number.isSafeInteger(Number(value))) return "integer";
    return FLOAT.test(value) && Number.isFinite(Number(value)) ? "float" : "string";
  }
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === "string")) return "strings";
    if (value.length > 1 && value.every((item) => typeof item === "number")) return "vector";
  }
  return "object";
}

// The kind that holds all values, or what stands in the way.
function decide(field: Seen, analyzer: string): FieldSpec | string {
  const kinds = new Set(field.kinds.keys());
  const only = (...allowed: Kind[]): boolean => [...kinds].every((kind) => allowed.includes(kind));
  if (only("boolean")) return { type: "boolean" };
  if (only("integer")) return { type: "integer" };
  if (only("integer", "float")) return { type: "float" };
  if (only("date")) return { type: "date" };
  if (only("strings")) return { type: "keyword", many: true };
  if (only("vector") && field.dims.size === 1) return { type: "dense", dims: [...field.dims][0] as number };
  // Values that were all strings in the source fall back to strings when they do not agree.
  const asStrings = field.strings === field.documents;
  if (asStrings) return isText(field) ? { type: "text", analyzer } : { type: "keyword" };
  if (kinds.has("object")) return "values that no field kind holds";
  return `values of several kinds (${[...kinds].sort().join(", ")})`;
}

function isText(field: Seen): boolean {
  if (field.charactersMax > KEYWORD_CHARACTERS_MAX) return true;
  if (field.words / field.strings > 4) return true;
  // Names and labels: a few words at most. What repeats is a label; what never does is worth searching by word.
  const repeats = field.distinct.size <= field.strings / 2;
  return !repeats && field.spaced > field.strings / 2;
}

/** `english` for documents that read as English by their share of function words, else `standard`. */
export function guessAnalyzer(documents: readonly Record<string, unknown>[]): "english" | "standard" {
  let words = 0;
  let english = 0;
  for (const document of documents.slice(0, 200)) {
    for (const value of Object.values(document)) {
      if (typeof value !== "string" || !value.includes(" ")) continue;
      for (const word of value
        .slice(0, 2_000)
        .toLowerCase()
        .split(/[^\p{L}\p{N}]+/u)) {
        if (word === "") continue;
        words += 1;
        if (ENGLISH.has(word)) english += 1;
      }
    }
  }
  return words > 0 && english / words >= ENGLISH_SHARE_MIN ? "english" : "standard";
}
