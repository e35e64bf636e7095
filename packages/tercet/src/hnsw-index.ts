/**
 * The graph index: approximate nearest neighbours by a hierarchical navigable small world (Malkov & Yashunin, arXiv
 * 1603.09320), walked over short codes and re-ranked by whole vectors.
 */
import { answer } from "./call.js";
import { callSite } from "./errors.js";
import {
  type ApproximateSearchOptions,
  buildRequest,
  checkThreads,
  type EffortOptions,
  effortOf,
  type IndexOpenOptions,
  type IndexWorkOptions,
  type OpenedIndex,
  openIndex,
  VectorIndex,
  type VectorIndexOptions,
} from "./vector-index.js";
import { components, dtypeOf, integer, outside, queryComponents, type Vectors } from "./vectors.js";
import type { CodecName, Curve, HnswSpec, MeasureReply, ReduceSpec } from "./wire/index.js";

/** The most neighbours that recall is measured for. */
const MEASURED_MAX = 10_000;
/** Stored rows that are searched for where no queries are given. */
const SAMPLE = 256;

/** How to build a graph index. */
export interface HnswOptions extends VectorIndexOptions {
  /** Links of a node above the lowest level, and half of those on it: 4 to 64. Default 16. */
  readonly M?: number | undefined;
  /** Candidates that a new node's links are chosen from: `M` to 4,096. Default 200. */
  readonly efConstruction?: number | undefined;
  /** The codes that the graph is walked by. Default `auto`: what suits the vectors. */
  readonly codec?: CodecName | undefined;
  /** What makes vectors shorter before they are coded; answers are re-ranked by whole vectors. Default: what suits the codec. */
  readonly reduce?: ReduceSpec | undefined;
  /** Keep the vectors, to re-rank by and to give back; without them scores come from the codes. Default true. */
  readonly keep?: boolean | undefined;
  /** What decides levels and order, 0 to 2^53 - 1: the same vectors and seed give the same bytes. Default 0. */
  readonly seed?: number | undefined;
}

/** Settings of {@link HnswIndex.tune}. */
export interface TuneOptions extends IndexWorkOptions {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /** The measurement ends where this recall is reached, above 0, up to 1. Default 0.999. */
  readonly target?: number | undefined;
  /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
  readonly sample?: number | undefined;
}

/** Settings of {@link HnswIndex.verify}. */
export interface VerifyRecallOptions extends IndexWorkOptions, Omit<EffortOptions, "patience"> {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
  readonly sample?: number | undefined;
  /** Queries to measure with, row-major. Default: probes, as in {@link HnswIndex.tune}. */
  readonly queries?: Vectors | undefined;
}

/** What {@link HnswIndex.verify} measured: the recall, and the 95 % interval that it lies in. */
export type MeasuredRecall = MeasureReply;

/**
 * An approximate index. What is added is searched at once and becomes part of the graph with time; what is removed leaves
 * it, and its neighbours are linked anew. Built with one seed its bytes are the same for any number of threads and on
 * either backend.
 * @example
 * const index = await HnswIndex.build(vectors, { dims: 384, metric: "cosine", M: 16, seed: 7 });
 * await index.tune();
 * const { rows, scores, exact } = index.search(query, 10, { recall: 0.95 });
 */
export class HnswIndex extends VectorIndex<ApproximateSearchOptions> {
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
    if (reduce !== undefined) settings.reduce = reduce;
    if (keep !== undefined) settings.keep = keep;
    if (seed !== undefined) settings.seed = seed;
    const request = buildRequest(dtype, { kind: "hnsw", ...settings }, options, site);
    const given = components(vectors, dtype, "vectors", site);
    return new HnswIndex(await openIndex("index.build", request, [given], options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<HnswIndex> {
    const site = callSite(HnswIndex.open);
    return new HnswIndex(await openIndex("index.open", { path, index: { kind: "hnsw" } }, [], options, site));
  }

  /** What {@link tune} measured, a curve a `k`; `save` keeps them. */
  get curves(): readonly Curve[] {
    return this.measured;
  }

  /**
   * Measures recall and cost for rising efforts against exact searches, and keeps the curve with the index: `search` then
   * takes a `recall`, for which it counts on the measured recall less two standard errors. Cost: one exact search and some
   * approximate ones a query.
   * @param queries n x dims components, row-major, as they will be asked. Default: probes, which are stored rows moved in a
   * random direction, by 1.25 times the distance of their k-th neighbour: queries are rarely as near to the data as the data
   * is to itself. Queries unlike even these (other texts, another language) need to be given
   * @returns the curve of this `k`
   * @throws TercetError ERR_LIMIT, ERR_DIMENSION, ERR_NOT_FINITE, ERR_ABORTED
   */
  async tune(queries?: Vectors, options: TuneOptions = {}): Promise<Curve> {
    const site = this.tune;
    const { k = 10, target = 0.999, sample = SAMPLE, threads } = options;
    if (!(typeof target === "number" && target > 0 && target <= 1)) {
      throw outside(target, "target", "a number above 0, up to 1", site);
    }
    this.#checkMeasure(k, sample, threads, site);
    const arrays = queries === undefined ? [] : [queryComponents(queries, this.dtype, "queries", site)];
    const request = JSON.stringify({ k, target, sample, threads });
    const curve = answer<Curve>(await this.call("tune", request, arrays, options, site));
    this.measured = [...this.measured.filter((one) => one.k !== k), curve].sort((a, b) => a.k - b.k);
    return curve;
  }

  /**
   * Measures the recall that searches reach now, against exact ones.
   * @returns the recall and its 95 % interval (Wilson)
   * @throws TercetError as {@link tune}; ERR_ARGUMENT for a `recall` without a curve
   */
  async verify(options: VerifyRecallOptions = {}): Promise<MeasuredRecall> {
    const site = this.verify;
    const { k = 10, sample = SAMPLE, queries, threads } = options;
    this.#checkMeasure(k, sample, threads, site);
    const arrays = queries === undefined ? [] : [queryComponents(queries, this.dtype, "queries", site)];
    const request = JSON.stringify({ k, sample, effort: effortOf(options, site), threads });
    return answer(await this.call("verify", request, arrays, options, site));
  }

  #checkMeasure(k: unknown, sample: unknown, threads: unknown, site: typeof this.tune | typeof this.verify) {
    integer(k, "k", 1, MEASURED_MAX, site);
    integer(sample, "sample", 1, 100_000, site);
    if (threads !== undefined) checkThreads(threads, site);
  }
}
