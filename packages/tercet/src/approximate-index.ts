/** What approximate level-1 indexes do beside the others: they are measured, searched by the recall wanted, and trained anew. */
import { answer } from "./call.js";
import type { Site } from "./errors.js";
import {
  checkThreads,
  type EffortOptions,
  effortOf,
  type IndexWorkOptions,
  type SearchOptions,
  VectorIndex,
} from "./vector-index.js";
import { integer, outside, queryComponents, type Vectors } from "./vectors.js";
import type { Curve, MeasureReply } from "./wire/index.js";

/** The most neighbours that recall is measured for. */
const MEASURED_MAX = 10_000;
/** Probes that are made of stored rows where no queries are given. */
const SAMPLE = 256;

/** Settings of {@link ApproximateIndex.tune}. */
export interface TuneOptions extends IndexWorkOptions {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /** The measurement ends where this recall is reached, above 0, up to 1. Default 0.999. */
  readonly target?: number | undefined;
  /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
  readonly sample?: number | undefined;
}

/** Settings of {@link ApproximateIndex.verify}: what is measured, and with which effort. */
export type VerifyOptions<O> = IndexWorkOptions &
  Omit<O, keyof SearchOptions | "patience"> & {
    /** Neighbours a query, 1 to 10,000. Default 10. */
    readonly k?: number | undefined;
    /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
    readonly sample?: number | undefined;
    /** Queries to measure with, row-major. Default: probes, as in {@link ApproximateIndex.tune}. */
    readonly queries?: Vectors | undefined;
  };

/** What {@link ApproximateIndex.verify} measured: the recall, and the 95 % interval that it lies in. */
export type MeasuredRecall = MeasureReply;

/** Settings of {@link ApproximateIndex.retrain}. */
export interface RetrainOptions extends IndexWorkOptions {
  /** Sample queries that axes of `reduce: { kind: "leanvec" }` are taught by from now on. Default: those of before. */
  readonly queries?: Vectors | undefined;
}

/** An index whose answers are approximate: how near to the truth can be measured, and asked for. */
export abstract class ApproximateIndex<O extends SearchOptions> extends VectorIndex<O> {
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
    checkMeasure(k, sample, threads, site);
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
  async verify(options: VerifyOptions<O> = {} as VerifyOptions<O>): Promise<MeasuredRecall> {
    const site = this.verify;
    const { k = 10, sample = SAMPLE, queries, threads } = options;
    checkMeasure(k, sample, threads, site);
    const arrays = queries === undefined ? [] : [queryComponents(queries, this.dtype, "queries", site)];
    const effort = effortOf(options as EffortOptions, k, site);
    const request = JSON.stringify({ k, sample, effort, threads });
    return answer(await this.call("verify", request, arrays, options, site));
  }

  /**
   * Trains everything anew on the rows of now: centroids, codebooks, axes, links. For when data has moved away from what
   * the index was trained on, which `stats` says of lists (`addedError` beside `trainedError` in the facts of a part). Rows keep
   * their numbers, searches go on meanwhile, and what `tune` measured is forgotten.
   * @throws TercetError ERR_ABORTED, ERR_MEMORY, ERR_DIMENSION, ERR_ARGUMENT for queries that teach nothing
   */
  async retrain(options: RetrainOptions = {}): Promise<void> {
    const site = this.retrain;
    const { queries, threads } = options;
    if (threads !== undefined) checkThreads(threads, site);
    const arrays = queries === undefined ? [] : [queryComponents(queries, this.dtype, "queries", site)];
    await this.call("retrain", JSON.stringify({ threads }), arrays, options, site);
    this.measured = [];
  }
}

function checkMeasure(k: unknown, sample: unknown, threads: unknown, site: Site): void {
  integer(k, "k", 1, MEASURED_MAX, site);
  integer(sample, "sample", 1, 100_000, site);
  if (threads !== undefined) checkThreads(threads, site);
}
