/** Queries with vectors that survive `JSON.stringify`. */
import { TercetError } from "./errors.js";
import type { Query, QueryVector } from "./query.js";
import type { SparseInput, WordWeights } from "./schema.js";

/** The same query, every dense vector as base64 of its bytes, every sparse one as plain numbers. */
export function portable(query: Query): Query {
  if (query.kind === "expand") return { ...query, vector: plain(query.vector) };
  if (query.kind === "fuse") return { ...query, queries: query.queries.map(portable) };
  if (query.kind === "maxsim") {
    const { tokens, field } = query;
    if ("data" in tokens) return { ...query, tokens: { ...tokens, data: floats(tokens.data, field) } };
    return { ...query, tokens: tokens.map((token) => floats(token, field)) };
  }
  if (query.kind !== "near" || "id" in query.vector || "$f32" in query.vector) return query;
  return { ...query, vector: floats(query.vector, query.field) };
}

function floats(vector: QueryVector, field: string): { readonly $f32: string } {
  if ("$f32" in vector) return vector;
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  for (let i = 0; i < vector.length; i++) {
    const value = Math.fround(vector[i] as number);
    if (!Number.isFinite(value)) {
      throw new TercetError("ERR_NOT_FINITE", `component ${i} of the query vector is not a finite number`, {
        field,
        component: i,
        expected: "a finite 32-bit float",
        found: String(vector[i]),
      });
    }
    bytes.setFloat32(i * 4, value, true);
  }
  return { $f32: base64(new Uint8Array(bytes.buffer)) };
}

function plain(vector: SparseInput | WordWeights): SparseInput | WordWeights {
  // A vocabulary may have these words.
  const { indices, values } = vector as Readonly<Record<"indices" | "values", number | ArrayLike<number>>>;
  if (typeof indices !== "object" || typeof values !== "object") return vector;
  return { indices: Array.from(indices), values: Array.from(values) };
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x2000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x2000));
  }
  return btoa(binary);
}
