/** Vectors as typed arrays, row numbers, and the checks of both. */
import { located, type Site, shown, TercetError } from "./errors.js";
import type { DtypeName, MetricName } from "./wire/index.js";

/** Stands where there is no row: in padded results, and for removed rows in the map of `compact`. */
export const NO_ROW = 0xffff_ffff;

/** Components in the typed array of their type, as the core takes them. */
export type Components = Float32Array | Uint16Array | Int8Array | Uint8Array;

/** 16-bit floats where the runtime has an array for them (its declaration is newer than this package's). */
export interface Float16Components {
  readonly [Symbol.toStringTag]: "Float16Array";
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly length: number;
}

/**
 * Vectors one after the other (row-major): `Float32Array` f32, `Uint16Array` (or `Float16Array`) f16, `Int8Array` i8,
 * `Uint8Array` u8 or, where the index is one of `bits`, eight bits a byte, the lowest first.
 */
export type Vectors = Components | Float16Components;

/** A set of rows as bits: bit `row % 32` of word `row / 32`. Made by {@link rowSet}. */
export type RowSet = Uint32Array;

/**
 * The set of these rows, to search among them only.
 * @param rows row numbers, in any order
 * @throws TercetError ERR_ARGUMENT for what is no row number
 */
export function rowSet(rows: Iterable<number>): RowSet {
  const list = Array.from(rows, (row) => checkedRow(row));
  let last = -1;
  for (const row of list) last = Math.max(last, row);
  const words = new Uint32Array((last + 32) >>> 5);
  for (const row of list) words[row >>> 5] = (words[row >>> 5] as number) | (1 << (row & 31));
  return words;
}

/** The array of each type, and how it is named. */
const ARRAYS: Readonly<Record<DtypeName, readonly [tag: string, name: string]>> = {
  f32: ["Float32Array", "a Float32Array"],
  f16: ["Uint16Array", "a Uint16Array or Float16Array"],
  i8: ["Int8Array", "an Int8Array"],
  u8: ["Uint8Array", "a Uint8Array"],
  bits: ["Uint8Array", "a Uint8Array"],
};

function tagOf(value: unknown): string | undefined {
  return (value as { [Symbol.toStringTag]?: string } | null | undefined)?.[Symbol.toStringTag];
}

/** The type that an array holds, unless the caller says bits. */
export function dtypeOf(value: unknown, name: string, site: Site): DtypeName {
  const tag = tagOf(value);
  if (tag === "Float16Array") return "f16";
  for (const [dtype, [known]] of Object.entries(ARRAYS)) if (known === tag) return dtype as DtypeName;
  throw wrongArray(value, name, "a Float32Array, or the array of another type", site);
}

/** The array of this type; ERR_TYPE where it is another. */
export function components(value: unknown, dtype: DtypeName, name: string, site: Site): Components {
  const [tag, expected] = ARRAYS[dtype];
  const found = tagOf(value);
  if (found === tag) return value as Components;
  if (found === "Float16Array" && dtype === "f16") {
    const { buffer, byteOffset, length } = value as Float16Components;
    return new Uint16Array(buffer, byteOffset, length);
  }
  throw wrongArray(value, name, expected, site);
}

/** A query comes in the type of the index, or as f32 where that is a type of numbers. */
export function queryComponents(value: unknown, dtype: DtypeName, name: string, site: Site): Components {
  if (dtype !== "bits" && tagOf(value) === "Float32Array") return value as Float32Array;
  return components(value, dtype, name, site);
}

function wrongArray(value: unknown, name: string, expected: string, site: Site): TercetError {
  const found = shown(value);
  const message = `\`${name}\` must be ${expected}, found ${found}`;
  return located(new TercetError("ERR_TYPE", message, { field: name, expected, found }), site);
}

/** ERR_LIMIT unless it is a whole number in its range. */
export function integer(value: unknown, name: string, low: number, high: number, site: Site): void {
  if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return;
  throw outside(value, name, `an integer from ${low} to ${high}`, site);
}

/** ERR_LIMIT: a number outside its range. */
export function outside(value: unknown, field: string, expected: string, site: Site): TercetError {
  const found = shown(value);
  const message = `\`${field}\` must be ${expected}, found ${found}`;
  return located(new TercetError("ERR_LIMIT", message, { field, expected, found }), site);
}

/** ERR_ARGUMENT about a field. */
export function argument(
  field: string,
  expected: string,
  found: string,
  site: Site,
  message = `\`${field}\` must be ${expected}, found ${found}`,
): TercetError {
  return located(new TercetError("ERR_ARGUMENT", message, { field, expected, found }), site);
}

/** A row number, or ERR_ARGUMENT. */
export function checkedRow(row: unknown, site?: Site, field = "rows"): number {
  if (Number.isInteger(row) && (row as number) >= 0 && (row as number) < NO_ROW) return row as number;
  const message = `\`${field}\` must ${field === "rows" ? "hold row numbers" : "be a row number"}, found ${shown(row)}`;
  throw argument(field, "a row number", shown(row), site, message);
}

/** Row numbers as the core takes them. */
export function rowList(rows: Uint32Array | Iterable<number>, site: Site, field = "rows"): Uint32Array {
  if (rows instanceof Uint32Array) return rows;
  if (typeof rows !== "object" || rows === null || !(Symbol.iterator in rows)) {
    throw argument(field, "row numbers", shown(rows), site);
  }
  return Uint32Array.from(rows, (row) => checkedRow(row, site));
}

/** The least score within a radius, in the metric's own measure. */
export function leastScore(metric: MetricName, given: unknown, site: Site): number {
  // JSON has no infinity: a batch would take it for none.
  if (!Number.isFinite(given)) throw outside(given, "radius", "a finite number", site);
  const radius = given as number;
  if (metric !== "l2" && metric !== "hamming") return radius;
  if (radius < 0) throw outside(radius, "radius", "a distance of 0 or more", site);
  return metric === "l2" ? -Math.min(radius * radius, Number.MAX_VALUE) : -radius;
}
