/** Requests that measure recall: the queries in a few arrays beside the JSON. */
import type { BulkArray } from "./binding.js";
import { Encoder, integerArgument, textArgument, wrong } from "./encode.js";
import { shown } from "./errors.js";
import { type SparseVectors, sparseArrays, Words } from "./sparse-rows.js";
import { type TokenMatrices, tokenArrays } from "./token-rows.js";
import type { MeasureOptions, TuneOptions } from "./types.js";
import type { FieldSpec } from "./wire/index.js";

/** The wire form of a measurement of a field: its queries in arrays beside. What the field is, the core says. */
export function sampleRequest(
  field: unknown,
  spec: FieldSpec | undefined,
  options: TuneOptions & MeasureOptions,
) {
  const { signal: _, onProgress: __, queries, ...settings } = options;
  for (const name of ["k", "sample", "ef", "nprobe", "candidates", "cells"] as const)
    integerArgument(settings[name], name);
  const rest = new Encoder().value(settings, "options", 0) as Record<string, unknown>;
  const request = JSON.stringify({ ...rest, field: textArgument(field, "field", "a field of vectors") });
  return { request, arrays: queries === undefined ? [] : arraysOf(queries, spec) };
}

function arraysOf(queries: NonNullable<TuneOptions["queries"]>, spec: FieldSpec | undefined): BulkArray[] {
  if (spec?.type === "sparse") {
    const words = spec.vocabulary && new Words(spec.vocabulary);
    return [...sparseArrays(queries as SparseVectors, "queries", undefined, words, true)];
  }
  if (spec?.type !== "multi") return [joined(queries as DenseQueries)];
  const [offsets, data] = tokenArrays(queries as TokenMatrices, spec.dims, "queries", undefined);
  return [offsets, data];
}

type DenseQueries = Float32Array | readonly (Float32Array | readonly number[])[];

/** Vectors one after the other. */
function joined(queries: DenseQueries): Float32Array {
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
