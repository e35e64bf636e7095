/** Records of a source to documents of a collection: the id, the strings of a CSV as values, what must be left out. */
import { basename } from "node:path";
import type { Schema } from "../schema.js";
import type { FieldSpec } from "../wire/index.js";
import { inputError } from "./errors.js";
import type { SourceRecord } from "./readers/records.js";

/** A document, and where it came from. */
export interface Placed {
  readonly document: Record<string, unknown> & { id: unknown };
  readonly file: string;
  readonly line?: number;
  /** Whether its strings may stand for something else (CSV). */
  readonly strings?: boolean;
}

/** Gives a record its id: the field that was named, else `id`, else `_id`, else the file's name and the line. */
export function withId(record: SourceRecord, idField?: string, strings = false): Placed {
  const { value, file, line } = record;
  const place = { file, strings, ...(line === undefined ? {} : { line }) };
  const name = idField ?? (value.id !== undefined ? "id" : value._id !== undefined ? "_id" : undefined);
  if (name === undefined) return { document: { id: `${basename(file)}:${line ?? 1}`, ...value }, ...place };
  const { [name]: id, ...rest } = value;
  if (id === undefined || id === null) {
    const expected = `the field "${name}" as the id`;
    throw inputError("ERR_ID", `there is no field "${name}" to be the id`, { file, line }, { expected });
  }
  return { document: { ...rest, id }, ...place };
}

/** The document without the fields to be left out, and with its strings as values when they are to be read so. */
export function shaped(placed: Placed, schema: Schema, left: ReadonlySet<string>): Placed {
  const strings = placed.strings === true;
  if (left.size === 0 && !strings) return placed;
  const document: Record<string, unknown> & { id: unknown } = { id: placed.document.id };
  for (const [name, value] of Object.entries(placed.document)) {
    if (name === "id" || left.has(name)) continue;
    const spec = schema[name];
    document[name] =
      strings && spec !== undefined && typeof value === "string" ? fromString(value, spec) : value;
  }
  return { ...placed, document };
}

/** What a string in a table stands for in a field. What it cannot be stays a string, for the core to refuse. */
export function fromString(value: string, spec: FieldSpec): unknown {
  switch (spec.type) {
    case "integer":
    case "float": {
      const number = value.trim() === "" ? Number.NaN : Number(value);
      return Number.isNaN(number) ? value : number;
    }
    case "boolean":
      return value === "true" ? true : value === "false" ? false : value;
    case "keyword":
      return spec.many === true ? manyFromString(value) : value;
    case "dense":
    case "multi":
      return jsonArray(value) ?? value;
    default:
      return value;
  }
}

// A JSON array, or names with ";" between them.
function manyFromString(value: string): unknown {
  const items = jsonArray(value) ?? value.split(";").map((item) => (item as string).trim());
  return items.filter((item) => item !== "");
}

function jsonArray(value: string): unknown[] | undefined {
  if (!value.trimStart().startsWith("[")) return undefined;
  try {
    const array: unknown = JSON.parse(value);
    return Array.isArray(array) ? array : undefined;
  } catch {
    return undefined;
  }
}
