/** A schema as the TypeScript that one would write for it. */
import type { Schema } from "../schema.js";
import type { DenseIndexSpec, FieldSpec } from "../wire/index.js";

// What a setting is when it is not said; a stored schema says everything.
const DEFAULTS: Readonly<Record<string, unknown>> = {
  boost: 1,
  positions: false,
  k1: 1.2,
  b: 0.75,
  many: false,
  optional: false,
};

const INDEX_DEFAULTS: Readonly<Record<string, unknown>> = {
  M: 16,
  efConstruction: 200,
  codec: "auto",
  keep: true,
  seed: 0,
};

/** The builders of `tercet` for a schema, ready to paste: `{ title: text({ analyzer: "english" }), ... }`. */
export function printSchema(schema: Schema): string {
  const lines = Object.entries(schema).map(([name, spec]) => `  ${printKey(name)}: ${printField(spec)},`);
  return `{\n${lines.join("\n")}\n}`;
}

/** The import line for the builders that a schema needs. */
export function printImports(schema: Schema): string {
  const builders = new Set<string>(Object.values(schema).map((spec) => spec.type));
  for (const spec of Object.values(schema)) {
    if ((spec.type === "dense" || spec.type === "multi") && spec.index !== undefined)
      builders.add(spec.index.kind);
  }
  return `import { ${["open", ...[...builders].sort()].join(", ")} } from "tercet";`;
}

function printField(spec: FieldSpec): string {
  const { type, ...settings } = spec as { type: string } & Record<string, unknown>;
  const shown = Object.entries(settings).filter(
    ([key, value]) => value !== undefined && value !== null && value !== DEFAULTS[key],
  );
  if (shown.length === 0) return `${type}()`;
  return `${type}({ ${shown.map(([key, value]) => `${key}: ${printValue(key, value)}`).join(", ")} })`;
}

function printValue(key: string, value: unknown): string {
  const index = key === "index" && typeof value === "object" && value !== null && "kind" in value;
  return index ? printIndex(value as DenseIndexSpec) : JSON.stringify(value);
}

/** The builder of an index kind: `hnsw({"M":24})`. */
export function printIndex(index: DenseIndexSpec): string {
  const { kind, m, ...others } = index as { kind: string } & Record<string, unknown>;
  // A graph's links have the literature's name where people write.
  const settings = kind === "hnsw" ? { M: m, ...others } : { ...others, m };
  const rest = Object.fromEntries(
    Object.entries(settings).filter(
      ([name, it]) => it !== undefined && it !== null && it !== INDEX_DEFAULTS[name],
    ),
  );
  return Object.keys(rest).length === 0 ? `${kind}()` : `${kind}(${JSON.stringify(rest)})`;
}

function printKey(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
