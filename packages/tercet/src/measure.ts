/** Requests that measure recall: the queries in one array beside the JSON. */
import { Encoder, integerArgument, textArgument, wrong } from "./encode.js";
import { shown } from "./errors.js";
import type { MeasureOptions, TuneOptions } from "./types.js";

/** The wire form of a measurement: its queries in one array beside. */
export function sampleRequest(field: unknown, options: TuneOptions & MeasureOptions) {
  const { signal: _, onProgress: __, queries, ...settings } = options;
  for (const name of ["k", "sample", "ef", "nprobe", "candidates"] as const)
    integerArgument(settings[name], name);
  const rest = new Encoder().value(settings, "options", 0) as Record<string, unknown>;
  const request = JSON.stringify({ ...rest, field: textArgument(field, "field", "a dense field") });
  return { request, arrays: queries === undefined ? [] : [joined(queries)] };
}

/** Vectors one after the other. */
function joined(queries: Float32Array | readonly (Float32Array | readonly number[])[]): Float32Array {
  if (queries instanceof Float32Array) return queries;
  if (!Array.isArray(queries)) throw wrong("ERR_ARGUMENT", "queries", "vectors", shown(queries));
  const length = queries[0]?.length ?? 0;
  const all = new Float32Array(length * queries.length);
  for (const [at, query] of queries.entries()) {
    if (!(query instanceof Float32Array || Array.isArray(query)))
      throw wrong("ERR_ARGUMENT", "queries", "vectors", shown(query), { position: at });
    if (query.length !== length) {
      const found = `${query.length} components`;
      throw wrong("ERR_DIMENSION", "queries", `vectors of ${length} components`, found, { position: at });
    }
    all.set(query, at * length);
  }
  return all;
}
