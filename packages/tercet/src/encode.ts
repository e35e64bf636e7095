/**
 * Values on their way into the core: JSON text, with vectors in typed arrays beside it.
 *
 * The core checks everything that JSON can carry. Checked here is only what JSON cannot: `JSON.stringify` would turn
 * NaN into null, drop functions, throw on a bigint or a cycle, and escape half a surrogate pair.
 */
import type { BulkArray } from "./binding.js";
import { type ErrorDetails, shown, TercetError } from "./errors.js";
import type { Code } from "./wire/index.js";

/** Deeper nesting than any request needs; it also ends cycles. */
const DEPTH_MAX = 64;

/** Keys of a filter that are no field names: what is wrong under them is said of the field above. */
const OPERATORS = new Set(["eq", "in", "gt", "gte", "lt", "lte", "exists", "and", "or", "not"]);

/** Builds the JSON side and the array side of one call. */
export class Encoder {
  /** The arrays so far; the JSON refers to them as `{ "$vector": position }`. */
  readonly arrays: BulkArray[];
  /** About how many bytes the values so far make. */
  bytes = 0;

  constructor(arrays: BulkArray[] = []) {
    this.arrays = arrays;
  }

  /** A document: its fields checked and copied, its vectors put beside. Errors name position, id and field. */
  document(source: unknown, position: number): Record<string, unknown> {
    if (
      typeof source !== "object" ||
      source === null ||
      Array.isArray(source) ||
      ArrayBuffer.isView(source)
    ) {
      throw new TercetError("ERR_TYPE", `document ${position} must be an object, found ${shown(source)}`, {
        position,
        expected: "an object",
        found: shown(source),
      });
    }
    const fields = source as Record<string, unknown>;
    const out: Record<string, unknown> = {};
    try {
      for (const key of Object.keys(fields)) {
        const value = fields[key];
        if (value === undefined) continue;
        put(out, key, key === "id" ? checkedId(value) : this.value(value, key, 0));
        this.bytes += key.length + 4;
      }
    } catch (error) {
      throw placed(error, position, fields.id);
    }
    return out;
  }

  /** Any value of a request. `field` names it in messages. */
  value(value: unknown, field: string, depth: number): unknown {
    switch (typeof value) {
      case "string":
        this.bytes += value.length + 3;
        return wellFormed(value, field);
      case "number":
        this.bytes += 8;
        if (Number.isFinite(value)) return value;
        throw wrong("ERR_NOT_FINITE", field, "a finite number", String(value));
      case "boolean":
        return value;
      case "object":
        return value === null ? null : this.object(value, field, depth);
      default:
        throw wrong("ERR_TYPE", field, "a string, number, boolean, date, array or vector", shown(value));
    }
  }

  private object(value: object, field: string, depth: number): unknown {
    if (value instanceof Float32Array || value instanceof Uint32Array) return this.vector(value);
    if (Array.isArray(value)) return this.array(value, field, depth);
    if (isDate(value)) {
      const ms = value.getTime();
      if (Number.isNaN(ms)) throw wrong("ERR_TYPE", field, "a valid date", "an invalid Date");
      this.bytes += 26;
      return value.toISOString();
    }
    const prototype: unknown = Object.getPrototypeOf(value);
    const plain = prototype === null || Object.getPrototypeOf(prototype) === null;
    if (!plain || ArrayBuffer.isView(value)) {
      throw wrong("ERR_TYPE", field, "plain data, a Date or a Float32Array", shown(value));
    }
    if (depth > DEPTH_MAX)
      throw wrong("ERR_TYPE", field, "plain data", "an object that is too deep or has a cycle");
    const out: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      const inner = OPERATORS.has(key) ? field : key;
      put(out, wellFormed(key, field), this.value(item, inner, depth + 1));
    }
    return out;
  }

  private array(value: readonly unknown[], field: string, depth: number): unknown {
    if (allNumbers(value)) return this.numbers(value, field);
    if (depth > DEPTH_MAX)
      throw wrong("ERR_TYPE", field, "plain data", "an array that is too deep or has a cycle");
    // Array.from visits holes too, and `value` refuses the undefined that they read as.
    return Array.from(value, (item) => this.value(item, field, depth + 1));
  }

  /** Plain numbers stay JSON numbers here; {@link Encoder.vector} is the fast way. */
  protected numbers(value: readonly number[], field: string): unknown {
    for (let i = 0; i < value.length; i++) {
      if (Number.isFinite(value[i])) continue;
      throw wrong("ERR_NOT_FINITE", field, "finite components", String(value[i]), { component: i });
    }
    this.bytes += value.length * 8;
    return value;
  }

  /** A query: its vectors put beside, its integers checked. Errors name the dense field. */
  query(query: unknown, depth = 0): unknown {
    // That it is missing is the core's to say.
    if (query === undefined) return undefined;
    if (typeof query !== "object" || query === null || depth > DEPTH_MAX)
      return this.value(query, "query", depth);
    const { vector, queries, ...rest } = query as Record<string, unknown>;
    const out = this.value(rest, "query", depth) as Record<string, unknown>;
    if (rest.kind === "near") {
      for (const name of ["k", "ef", "nprobe", "candidates", "patience", "timeLimitMs"])
        integerArgument(rest[name], name);
    }
    if (rest.kind === "maxsim") for (const name of ["k", "candidates"]) integerArgument(rest[name], name);
    if (rest.kind === "expand") for (const name of ["k", "cells"]) integerArgument(rest[name], name);
    integerArgument(rest.depth, "depth");
    if (vector !== undefined) {
      const field = typeof rest.field === "string" ? rest.field : "vector";
      out.vector = new DocumentEncoder(new Set([field]), this.arrays).value(vector, field, depth);
    }
    if (Array.isArray(queries)) out.queries = Array.from(queries, (item) => this.query(item, depth + 1));
    else if (queries !== undefined) out.queries = this.value(queries, "queries", depth);
    return out;
  }

  private vector(value: Float32Array | Uint32Array): unknown {
    this.bytes += value.byteLength + 16;
    return { $vector: this.arrays.push(value) - 1 };
  }
}

/** An encoder that knows which fields are dense: their plain numbers travel as Float32Array. */
export class DocumentEncoder extends Encoder {
  readonly #denseFields: ReadonlySet<string>;

  constructor(denseFields: ReadonlySet<string>, arrays?: BulkArray[]) {
    super(arrays);
    this.#denseFields = denseFields;
  }

  protected override numbers(value: readonly number[], field: string): unknown {
    if (!this.#denseFields.has(field)) return super.numbers(value, field);
    const vector = Float32Array.from(value);
    for (let i = 0; i < vector.length; i++) {
      if (Number.isFinite(vector[i])) continue;
      const found = String(value[i]);
      throw wrong("ERR_NOT_FINITE", field, "finite 32-bit components", found, { component: i });
    }
    return this.value(vector, field, 0);
  }
}

/** A number that the core reads as an integer; anything else would only be called bad JSON there. */
export function integerArgument(value: unknown, name: string): void {
  if (value === undefined || Number.isSafeInteger(value)) return;
  const code = typeof value === "number" ? "ERR_LIMIT" : "ERR_TYPE";
  throw wrong(code, name, "an integer", shown(value));
}

/** A count of bytes or milliseconds: what the core reads as an unsigned integer. Its range is checked there. */
export function wholeArgument(value: unknown, name: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return;
  const code = typeof value === "number" ? "ERR_LIMIT" : "ERR_TYPE";
  throw wrong(code, name, "a whole number", shown(value));
}

/** A name or a path: a string that is not empty. `what` says what it names. */
export function textArgument(value: unknown, name: string, what: string): string {
  if (typeof value !== "string" || value === "") throw wrong("ERR_ARGUMENT", name, what, shown(value));
  return wellFormed(value, name);
}

/** An id that JSON can carry; its range is checked in the core. */
export function checkedId(value: unknown): unknown {
  if (typeof value === "string") return wellFormed(value, "id");
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong("ERR_ID", "id", "a string of 1 to 512 bytes or a safe integer", shown(value));
}

/** By position: `every` would pass over holes. */
function allNumbers(value: readonly unknown[]): value is readonly number[] {
  for (let i = 0; i < value.length; i++) if (typeof value[i] !== "number") return false;
  return value.length > 0;
}

function isDate(value: object): value is Date {
  // A Date of another realm (a vm context, a frame) is a Date too.
  return value instanceof Date || Object.prototype.toString.call(value) === "[object Date]";
}

function put(out: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") out[key] = value;
  else Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function wellFormed(text: string, field: string): string {
  // Not every runtime has `isWellFormed` yet.
  const known = (text as { isWellFormed?: () => boolean }).isWellFormed?.();
  if (known ?? !LONE_SURROGATE.test(text)) return text;
  throw wrong("ERR_ENCODING", field, "valid Unicode", "a lone surrogate");
}

/** The error of a value that is not what its field or option takes. */
export function wrong(
  code: Code,
  field: string,
  expected: string,
  found: string,
  details: ErrorDetails = {},
): TercetError {
  const at = details.component === undefined ? "" : `component ${details.component} of `;
  return new TercetError(code, `${at}\`${field}\` must be ${expected}, found ${found}`, {
    field,
    expected,
    found,
    ...details,
  });
}

function placed(error: unknown, position: number, id: unknown): unknown {
  if (!(error instanceof TercetError)) return error;
  const known = typeof id === "string" || (typeof id === "number" && Number.isFinite(id));
  const name = known ? ` (id ${shown(id)})` : "";
  const { code, message, field, component, expected, found } = error;
  const details: Record<string, unknown> = { position, field, component, expected, found };
  if (known) details.id = id;
  return new TercetError(code, `document ${position}${name}: ${message}`, details);
}
