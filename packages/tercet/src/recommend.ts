/** Which index to take: measured on a sample of one's own vectors, under a budget of bytes. */
import { type BackendChoice, loadBackend } from "./backend.js";
import type { BulkArray } from "./binding.js";
import { answer, invoke } from "./call.js";
import { callSite, type Site } from "./errors.js";
import { FlatIndex } from "./flat-index.js";
import { HnswIndex } from "./hnsw-index.js";
import { IvfPqIndex } from "./ivf-index.js";
import { checkThreads, type IndexWorkOptions } from "./row-index.js";
import type { VectorIndexOptions } from "./vector-index.js";
import { argument, components, dtypeOf, integer, outside, queryComponents, type Vectors } from "./vectors.js";
import type { DenseIndexSpec, DtypeName, MetricName, RecommendReply, RecommendRow } from "./wire/index.js";

/** What is wanted of an index, for {@link recommend}. */
export interface RecommendOptions extends IndexWorkOptions {
  /** Components a vector. */
  readonly dims: number;
  /** How vectors are compared. Default `cosine`. */
  readonly metric?: Exclude<MetricName, "hamming" | "jaccard"> | undefined;
  /** The type of the components. Default: that of the array. */
  readonly dtype?: Exclude<DtypeName, "bits"> | undefined;
  /** Queries as they will be asked, row-major; up to 500 are used. Default: vectors that are taken out of the sample. */
  readonly queries?: Vectors | undefined;
  /**
   * The most bytes a vector that a search may need in memory: codes, links and lists. Whole vectors that only rank a few candidates
   * again may stay on the disk and do not count. Default: no limit.
   */
  readonly bytesPerVector?: number | undefined;
  /** The recall wanted, above 0, up to 1. Default 0.95. */
  readonly recall?: number | undefined;
  /** Neighbours a query, 1 to 1,000. Default 10. */
  readonly k?: number | undefined;
  /** The core to use. Default: as everywhere. */
  readonly backend?: BackendChoice | undefined;
}

/** What {@link recommend} found. */
export interface Recommendation extends Omit<RecommendReply, "choice"> {
  /**
   * The index to take, as `dense({ index })` and {@link buildIndex} take it: of those that fit the fastest, and where none fits the
   * one of the best recall within the bytes.
   */
  readonly index: DenseIndexSpec;
  /** What was measured of it. Look at `fits`. */
  readonly choice: RecommendRow;
}

/**
 * Builds every kind of index with every compressor over a sample, finds the effort with which each reaches the recall wanted, times
 * it, and says which to take. Recall and speed of a sample are those of a collection of its size: take as many vectors as
 * there is time for (some ten thousand are a minute or two).
 * @param sample n x dims components, row-major; at least 100 vectors, chosen at random
 * @throws TercetError ERR_LIMIT (too few vectors, numbers out of range), ERR_DIMENSION, ERR_NOT_FINITE, ERR_ZERO_VECTOR,
 * ERR_TYPE, ERR_ARGUMENT, ERR_ABORTED, ERR_MEMORY
 * @example
 * const { index, choice, rows } = await recommend(sample, { dims: 384, bytesPerVector: 48, recall: 0.95 });
 * const schema = { vector: dense({ dims: 384, index }) };
 */
export async function recommend(sample: Vectors, options: RecommendOptions): Promise<Recommendation> {
  const site = callSite(recommend);
  const { dims, metric = "cosine", queries, bytesPerVector, recall = 0.95, k = 10, threads } = options;
  const { dtype = dtypeOf(sample, "sample", site) } = options;
  integer(dims, "dims", 1, 65_535, site);
  integer(k, "k", 1, 1_000, site);
  if (threads !== undefined) checkThreads(threads, site);
  checkRange(recall, "recall", recall > 0 && recall <= 1, "a number above 0, up to 1", site);
  if (bytesPerVector !== undefined) {
    const sound = bytesPerVector >= 1 && Number.isFinite(bytesPerVector);
    checkRange(bytesPerVector, "bytesPerVector", sound, "a number from 1 on", site);
  }
  const arrays: BulkArray[] = [components(sample, dtype, "sample", site)];
  if (queries !== undefined) arrays.push(queryComponents(queries, dtype, "queries", site));
  const request = JSON.stringify({
    ...{ dims, metric, dtype, queries: queries !== undefined },
    ...{ k, recall, bytesPerVector, threads },
  });
  const { binding } = await loadBackend(options.backend);
  const call = { binding, handle: binding.root, verb: "recommend", request, arrays, options, site };
  const { choice, ...found } = answer<RecommendReply>(await invoke(call));
  const chosen = choice === undefined ? undefined : found.rows[choice];
  if (chosen === undefined) {
    throw argument("bytesPerVector", "room for an index", `${bytesPerVector} bytes`, site);
  }
  return { ...found, index: chosen.index, choice: chosen };
}

function checkRange(value: unknown, name: string, sound: boolean, expected: string, site: Site): void {
  if (typeof value !== "number" || !sound) throw outside(value, name, expected, site);
}

/** How to build an index of a kind that is known only at run time. */
export interface BuildIndexOptions extends VectorIndexOptions {
  /** The kind and its settings, as a schema has them. */
  readonly index: DenseIndexSpec;
}

/**
 * Builds the index that a setting of a schema describes: what {@link recommend} chose, for one.
 * @throws TercetError as the `build` of its class
 * @example const index = await buildIndex(vectors, { dims: 384, index: (await recommend(sample, { dims: 384 })).index });
 */
export function buildIndex(
  vectors: Vectors,
  options: BuildIndexOptions,
): Promise<FlatIndex | HnswIndex | IvfPqIndex> {
  const { index, ...common } = options;
  switch (index.kind) {
    case "flat": {
      const { kind: _, ...settings } = index;
      return FlatIndex.build(vectors, { ...common, ...settings });
    }
    case "hnsw": {
      const { kind: _, m: M, ...settings } = index;
      return HnswIndex.build(vectors, { ...common, ...settings, M });
    }
    case "ivf": {
      const { kind: _, ...settings } = index;
      return IvfPqIndex.build(vectors, { ...common, ...settings });
    }
    default:
      throw argument("index", "a kind of index", JSON.stringify(index), callSite(buildIndex));
  }
}
