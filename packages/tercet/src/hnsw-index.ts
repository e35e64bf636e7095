/**
 * The graph index: approximate nearest neighbours by a hierarchical navigable small world (Malkov & Yashunin, arXiv
 * 1603.09320), walked over short codes and re-ranked by whole vectors.
 */
import { ApproximateIndex } from "./approximate-index.js";
import { callSite } from "./errors.js";
import { type ReduceOption, reduction } from "./reduce.js";
import { type IndexOpenOptions, type OpenedIndex, openIndex } from "./row-index.js";
import { type ApproximateSearchOptions, buildRequest, type VectorIndexOptions } from "./vector-index.js";
import { components, dtypeOf, integer, type Vectors } from "./vectors.js";
import type { CodecName, HnswSpec } from "./wire/index.js";

/** How to build a graph index. */
export interface HnswOptions extends VectorIndexOptions {
  /** Links of a node above the lowest level, and half of those on it: 4 to 64. Default 16. */
  readonly M?: number | undefined;
  /** Candidates that a new node's links are chosen from: `M` to 4,096. Default 200. */
  readonly efConstruction?: number | undefined;
  /** The codes that the graph is walked by. Default `auto`: what suits the vectors. */
  readonly codec?: CodecName | undefined;
  /** What makes vectors shorter before they are coded; answers are re-ranked by whole vectors. Default: what suits the codec. */
  readonly reduce?: ReduceOption | undefined;
  /** Keep the vectors, to re-rank by and to give back; without them scores come from the codes. Default true. */
  readonly keep?: boolean | undefined;
  /** What decides levels and order, 0 to 2^53 - 1: the same vectors and seed give the same bytes. Default 0. */
  readonly seed?: number | undefined;
}

/**
 * An approximate index. What is added is searched at once and becomes part of the graph with time; what is removed leaves
 * it, and its neighbours are linked anew. Built with one seed its bytes are the same for any number of threads and on
 * either backend.
 * @example
 * const index = await HnswIndex.build(vectors, { dims: 384, metric: "cosine", M: 16, seed: 7 });
 * await index.tune();
 * const { rows, scores, exact } = index.search(query, 10, { recall: 0.95 });
 */
export class HnswIndex extends ApproximateIndex<ApproximateSearchOptions> {
  private constructor(opened: OpenedIndex) {
    super(opened);
  }

  /**
   * Builds an index over vectors; their row numbers are their positions. An aborted build keeps nothing.
   * @param vectors n x dims components, row-major; may be empty. They are copied.
   * @throws TercetError ERR_DIMENSION (not a multiple of dims), ERR_NOT_FINITE, ERR_ZERO_VECTOR (both name the row in
   * `position`), ERR_LIMIT, ERR_ARGUMENT (a metric that does not compare this type), ERR_TYPE, ERR_ABORTED, ERR_MEMORY
   */
  static async build(vectors: Vectors, options: HnswOptions): Promise<HnswIndex> {
    const site = callSite(HnswIndex.build);
    const { M, efConstruction, codec, reduce, keep, seed } = options;
    const { dtype = dtypeOf(vectors, "vectors", site) } = options;
    if (M !== undefined) integer(M, "M", 4, 64, site);
    if (efConstruction !== undefined) integer(efConstruction, "efConstruction", M ?? 16, 4_096, site);
    if (seed !== undefined) integer(seed, "seed", 0, Number.MAX_SAFE_INTEGER, site);
    const settings: { -readonly [K in keyof HnswSpec]: HnswSpec[K] } = {};
    if (M !== undefined) settings.m = M;
    if (efConstruction !== undefined) settings.efConstruction = efConstruction;
    if (codec !== undefined) settings.codec = codec;
    const taught = reduce === undefined ? undefined : reduction(reduce, dtype, site);
    if (taught !== undefined) settings.reduce = taught.spec;
    if (keep !== undefined) settings.keep = keep;
    if (seed !== undefined) settings.seed = seed;
    const queries = taught?.queries ?? [];
    const request = buildRequest(dtype, { kind: "hnsw", ...settings }, options, site, queries.length > 0);
    const given = [components(vectors, dtype, "vectors", site), ...queries];
    return new HnswIndex(await openIndex("index.build", request, given, options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<HnswIndex> {
    const site = callSite(HnswIndex.open);
    return new HnswIndex(await openIndex("index.open", { path, index: { kind: "hnsw" } }, [], options, site));
  }
}
