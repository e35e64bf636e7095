/** Sparse vectors on their way into an index: checked and put one after the other. */
import { located, type Site, shown, TercetError } from "./errors.js";
import type { SparseVector, WordWeights } from "./schema.js";

/** A sparse vector: terms ascending, each once, and their weights, above 0. */
export interface SparseRow {
  /** Terms, ascending. */
  readonly indices: Uint32Array | readonly number[];
  /** The weight of each, finite and above 0. */
  readonly values: Float32Array | readonly number[];
}

/** Sparse vectors in three arrays (compressed sparse rows): row `r` has the terms from `offsets[r]` to `offsets[r + 1]`. */
export interface SparseRows {
  /** Where rows begin, and the end of the last: one more than rows, the first 0. */
  readonly offsets: Uint32Array;
  /** The terms of all rows. */
  readonly indices: Uint32Array;
  /** Their weights. */
  readonly values: Float32Array;
}

/** Sparse vectors: one by one (by words where there is a vocabulary), or all in three arrays. */
export type SparseVectors = SparseRows | Iterable<SparseRow | WordWeights>;

/** The terms that words stand for. */
export class Words {
  readonly #terms: ReadonlyMap<string, number>;

  constructor(vocabulary: readonly string[]) {
    this.#terms = new Map(vocabulary.map((word, term) => [word, term]));
  }

  /** A vector by words, its terms ascending. A word that is none is passed over in a query, and refused elsewhere. */
  vector(given: object, name: string, site: Site, at: Place, query: boolean): SparseVector {
    const pairs: [term: number, weight: number][] = [];
    for (const [word, weight] of Object.entries(given)) {
      if (weight === undefined) continue;
      const field = `${name}.${word}`;
      if (typeof weight !== "number") throw wrongType(weight, field, "a number", site, at);
      const term = this.#terms.get(word);
      if (term !== undefined) pairs.push([term, weight]);
      else if (!query) {
        const expected = `one of ${this.#terms.size} words`;
        const message = `${shown(word)} is no word of the vocabulary`;
        const details = { field, expected, found: word, ...at };
        throw located(new TercetError("ERR_ARGUMENT", message, details), site);
      }
    }
    pairs.sort(([a], [b]) => a - b);
    return {
      indices: Uint32Array.from(pairs, ([term]) => term),
      values: Float32Array.from(pairs, ([, weight]) => weight),
    };
  }
}

/** Offsets, indices and values, as the core takes them. */
export function sparseArrays(given: SparseVectors, name: string, site: Site, words?: Words, query = false) {
  if (typeof given === "object" && given !== null && "offsets" in given) {
    const { offsets, indices, values } = given;
    typed(offsets, Uint32Array, `${name}.offsets`, "a Uint32Array", site);
    typed(indices, Uint32Array, `${name}.indices`, "a Uint32Array", site);
    typed(values, Float32Array, `${name}.values`, "a Float32Array", site);
    return [offsets, indices, values] as const;
  }
  if (typeof given !== "object" || given === null || !(Symbol.iterator in given)) {
    throw wrongType(given, name, "sparse vectors, or { offsets, indices, values }", site);
  }
  const rows = Array.from(given, (row, position) => sparseRow(row, name, site, position, words, query));
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach(({ indices }, at) => {
    offsets[at + 1] = (offsets[at] as number) + indices.length;
  });
  const total = offsets[rows.length] as number;
  const [indices, values] = [new Uint32Array(total), new Float32Array(total)];
  rows.forEach((row, at) => {
    indices.set(row.indices, offsets[at]);
    values.set(row.values, offsets[at]);
  });
  return [offsets, indices, values] as const;
}

/** One vector as typed arrays of one length. What they hold is checked in the core. */
export function sparseRow(
  row: unknown,
  name: string,
  site: Site,
  position?: number,
  words?: Words,
  query = false,
): SparseVector {
  const at = position === undefined ? {} : { position };
  const expected = "a sparse vector ({ indices, values })";
  if (typeof row !== "object" || row === null) throw wrongType(row, name, expected, site, at);
  const { indices, values } = row as Partial<SparseRow>;
  // A vocabulary may have these two words.
  if (words !== undefined && typeof indices !== "object") return words.vector(row, name, site, at, query);
  const terms = indices instanceof Uint32Array ? indices : whole(indices, name, site, at);
  const weights = values instanceof Float32Array ? values : numbers(values, name, site, at);
  if (terms.length !== weights.length) {
    const found = String(weights.length);
    const message = `${terms.length} indices of a sparse vector take as many values, found ${found}`;
    const details = { field: name, expected: `${terms.length} values`, found, ...at };
    throw located(new TercetError("ERR_DIMENSION", message, details), site);
  }
  return { indices: terms, values: weights };
}

type Place = { readonly position?: number };

function whole(given: unknown, name: string, site: Site, at: Place): Uint32Array {
  if (!Array.isArray(given)) throw wrongType(given, `${name}.indices`, "an array of integers", site, at);
  const wrong = given.find((term) => !(Number.isInteger(term) && term >= 0 && term < 2 ** 32));
  if (wrong === undefined && !given.includes(undefined)) return Uint32Array.from(given as number[]);
  throw wrongType(wrong, `${name}.indices`, "integers from 0 to 2^32 - 1", site, at);
}

function numbers(given: unknown, name: string, site: Site, at: Place): Float32Array {
  if (!Array.isArray(given)) throw wrongType(given, `${name}.values`, "an array of numbers", site, at);
  const wrong = given.find((weight) => typeof weight !== "number");
  if (wrong === undefined && !given.includes(undefined)) return Float32Array.from(given as number[]);
  throw wrongType(wrong, `${name}.values`, "numbers", site, at);
}

function typed(
  given: unknown,
  array: typeof Uint32Array | typeof Float32Array,
  name: string,
  expected: string,
  site: Site,
): void {
  if (!(given instanceof array)) throw wrongType(given, name, expected, site);
}

/** ERR_TYPE: a value that is not what it should be. */
export function wrongType(
  given: unknown,
  field: string,
  expected: string,
  site: Site,
  at: Place = {},
): TercetError {
  const found = shown(given);
  const message = `\`${field}\` must be ${expected}, found ${found}`;
  return located(new TercetError("ERR_TYPE", message, { field, expected, found, ...at }), site);
}
