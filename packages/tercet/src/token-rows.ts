/** Token vectors on their way into an index: checked and put one after the other. */
import { located, type Site, TercetError } from "./errors.js";
import { wrongType } from "./sparse-rows.js";

/** The token vectors of a row: one after another in one array, a list of vectors, or either with the unit of each token. */
export type TokenRow =
  | TokenVectors
  | { readonly data: TokenVectors; readonly units?: Uint32Array | readonly number[] };

/** Token vectors: one after another, or a list. */
export type TokenVectors = Float32Array | readonly (Float32Array | readonly number[])[];

/** The token vectors of many rows in a few arrays: row `r` has those from `offsets[r]` to `offsets[r + 1]`. */
export interface TokenRows {
  /** Where rows begin, in tokens, and the end of the last: one more than rows, the first 0. */
  readonly offsets: Uint32Array;
  /** The components of all tokens, one after another. */
  readonly data: Float32Array;
  /**
   * The unit (sentence, proposition) of each token, in runs; {@link NO_UNIT} for every token of a row without units. Default:
   * no units.
   */
  readonly units?: Uint32Array;
}

/** Rows of token vectors: one by one, or all in a few arrays. */
export type TokenMatrices = TokenRows | Iterable<TokenRow>;

/** Stands for the unit of each token of a row without units, where other rows have some. */
export const NO_UNIT = 0xffff_ffff;

const NO_UNITS = new Uint32Array(0);

/** Offsets, components and units, as the core takes them. */
export function tokenArrays(given: TokenMatrices, dims: number, name: string, site: Site) {
  if (typeof given !== "object" || given === null || given instanceof Float32Array) {
    throw wrongType(given, name, "rows of token vectors, or { offsets, data }", site);
  }
  if ("offsets" in given) {
    const { offsets, data, units = NO_UNITS } = given;
    if (!(offsets instanceof Uint32Array)) throw wrongType(offsets, `${name}.offsets`, "a Uint32Array", site);
    if (!(data instanceof Float32Array)) throw wrongType(data, `${name}.data`, "a Float32Array", site);
    if (!(units instanceof Uint32Array)) throw wrongType(units, `${name}.units`, "a Uint32Array", site);
    return [offsets, data, units] as const;
  }
  if (!(Symbol.iterator in given)) throw wrongType(given, name, "rows, or { offsets, data }", site);
  const rows = Array.from(given, (row, position) => tokenRow(row, dims, name, site, position));
  const offsets = new Uint32Array(rows.length + 1);
  rows.forEach(({ data }, at) => {
    offsets[at + 1] = (offsets[at] as number) + data.length / dims;
  });
  const total = offsets[rows.length] as number;
  const data = new Float32Array(total * dims);
  const units = rows.some((row) => row.units !== undefined) ? new Uint32Array(total).fill(NO_UNIT) : NO_UNITS;
  rows.forEach((row, at) => {
    const from = offsets[at] as number;
    data.set(row.data, from * dims);
    if (row.units !== undefined) units.set(row.units, from);
  });
  return [offsets, data, units] as const;
}

interface Row {
  readonly data: Float32Array;
  readonly units?: ArrayLike<number>;
}

function tokenRow(row: unknown, dims: number, name: string, site: Site, position: number): Row {
  const both = typeof row === "object" && row !== null && "data" in row;
  const { data: vectors, units } = both ? (row as { data: unknown; units?: unknown }) : { data: row };
  const data = tokenData(vectors, dims, name, site, position);
  if (units === undefined) return { data };
  if (!(units instanceof Uint32Array || Array.isArray(units))) {
    throw wrongType(units, `${name}.units`, "a unit of each token", site, { position });
  }
  const numbers: ArrayLike<unknown> = units;
  const wrong = Array.from(numbers).find(
    (unit) => !(Number.isInteger(unit) && (unit as number) >= 0 && (unit as number) < NO_UNIT),
  );
  if (wrong !== undefined)
    throw wrongType(wrong, `${name}.units`, "integers from 0 to 2^32 - 2", site, { position });
  if (units.length * dims !== data.length) {
    const expected = `${data.length / dims} units`;
    throw mismatch(`${name}.units`, expected, String(units.length), site, position);
  }
  return { data, units: units as ArrayLike<number> };
}

/** Token vectors in one array. What they hold is checked in the core, and their dimension where it cannot be there. */
export function tokenData(
  vectors: unknown,
  dims: number,
  name: string,
  site: Site,
  position?: number,
): Float32Array {
  const place = position === undefined ? {} : { position };
  if (vectors instanceof Float32Array) {
    if (vectors.length % dims === 0) return vectors;
    const expected = `a multiple of ${dims} components`;
    throw mismatch(name, expected, `${vectors.length} components`, site, position);
  }
  if (!Array.isArray(vectors)) throw wrongType(vectors, name, "token vectors", site, place);
  const data = new Float32Array(vectors.length * dims);
  for (let at = 0; at < vectors.length; at++) {
    const vector: unknown = vectors[at];
    if (!(vector instanceof Float32Array || Array.isArray(vector))) {
      throw wrongType(vector, name, "token vectors", site, place);
    }
    if (vector.length !== dims) {
      throw mismatch(name, `tokens of ${dims} components`, `${vector.length} components`, site, position);
    }
    data.set(vector as ArrayLike<number>, at * dims);
  }
  return data;
}

function mismatch(
  field: string,
  expected: string,
  found: string,
  site: Site,
  position?: number,
): TercetError {
  const message = `\`${field}\` must be ${expected}, found ${found}`;
  const details = { field, expected, found, ...(position !== undefined && { position }) };
  return located(new TercetError("ERR_DIMENSION", message, details), site);
}
