/** What approximate level-1 indexes do beside the others: they are measured, searched by the recall wanted, and trained anew. */
import type { Site } from "./errors.js";
import type {
  IndexWorkOptions,
  MeasuredRecall,
  MeasureSettings,
  SearchOptions,
  TuneOptions,
} from "./row-index.js";
import { type EffortOptions, effortOf, VectorIndex } from "./vector-index.js";
import { queryComponents, type Vectors } from "./vectors.js";
import type { Curve } from "./wire/index.js";

/** Settings of {@link ApproximateIndex.verify}: what is measured, and with which effort. */
export type VerifyOptions<O> = MeasureSettings &
  Omit<O, keyof SearchOptions | "patience"> & {
    /** Queries to measure with, row-major. Default: probes, as in {@link ApproximateIndex.tune}. */
    readonly queries?: Vectors | undefined;
  };

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
   * takes a `recall`, for which it counts on the measured recall less two standard errors (of few queries more). A curve says
   * nothing of more than twice as many rows as it was measured with: a `recall` is then refused until the next `tune`. Cost: one exact search and some
   * approximate ones a query.
   * @param queries n x dims components, row-major, as they will be asked. Default: probes, which are stored rows moved in a
   * random direction, by 1.25 times the distance of their k-th neighbour: queries are rarely as near to the data as the data
   * is to itself. Queries unlike even these (other texts, another language) need to be given
   * @returns the curve of this `k`
   * @throws TercetError ERR_LIMIT, ERR_DIMENSION, ERR_NOT_FINITE, ERR_ABORTED
   */
  async tune(queries?: Vectors, options: TuneOptions = {}): Promise<Curve> {
    return this.tuned(this.#queries(queries, this.tune), options, this.tune);
  }

  /**
   * Measures the recall that searches reach now, against exact ones.
   * @returns the recall and its 95 % interval (Wilson)
   * @throws TercetError as {@link tune}; ERR_ARGUMENT for a `recall` without a curve
   */
  async verify(options: VerifyOptions<O> = {} as VerifyOptions<O>): Promise<MeasuredRecall> {
    const site = this.verify;
    const effort = (k: number) => effortOf(options as EffortOptions, k, site);
    return this.verified(this.#queries(options.queries, site), options, effort, site);
  }

  /**
   * Trains everything anew on the rows of now: centroids, codebooks, axes, links. For when data has moved away from what
   * the index was trained on, which `stats` says of lists (`addedError` beside `trainedError` in the facts of a part). Rows keep
   * their numbers, searches go on meanwhile, and what `tune` measured is forgotten.
   * @throws TercetError ERR_ABORTED, ERR_MEMORY, ERR_DIMENSION, ERR_ARGUMENT for queries that teach nothing
   */
  async retrain(options: RetrainOptions = {}): Promise<void> {
    const site = this.retrain;
    const arrays = this.#queries(options.queries, site);
    this.seen(await this.work("retrain", arrays, options, site));
    this.measured = [];
  }

  #queries(queries: Vectors | undefined, site: Site) {
    return queries === undefined ? [] : [queryComponents(queries, this.dtype, "queries", site)];
  }
}
