/**
 * The index of token vectors: several vectors a row, compared by MaxSim (late interaction, ColBERT, arXiv 2004.12832),
 * candidates found by fixed dimensional encodings (MUVERA, arXiv 2405.19504) or by the centroids of tokens.
 */
import { answer, invokeSync } from "./call.js";
import { callSite, type Site } from "./errors.js";
import {
  type AddedRows,
  type BatchOptions,
  type BatchResult,
  checkRecall,
  type IndexOpenOptions,
  type IndexWorkOptions,
  K_MAX,
  least,
  type MeasuredRecall,
  type MeasureSettings,
  type OpenedIndex,
  oneWay,
  openIndex,
  RowIndex,
  type SearchOptions,
  type SearchResult,
  type TuneOptions,
  type UpdatedRows,
} from "./row-index.js";
import * as at from "./settings.js";
import { wrongType } from "./sparse-rows.js";
import { type TokenMatrices, type TokenVectors, tokenArrays, tokenData } from "./token-rows.js";
import { argument, checkedRow, integer, outside, rowList } from "./vectors.js";
import type {
  BestUnit,
  Curve,
  IndexAddReply,
  IndexAlignReply,
  IndexEffort,
  IndexUpdateReply,
  MultiIndexInfo,
  MultiIndexSpec,
  MultiSpec,
  TokenCodecName,
  TokenMetric,
  TokenReading,
} from "./wire/index.js";

/** How to build an index of token vectors. */
export interface MultiVectorOptions extends IndexOpenOptions, IndexWorkOptions {
  /** Components of a token's vector, 1 to 65,535. */
  readonly dims: number;
  /** How two tokens are compared. Default `cosine`, which scales them to unit length; `dot` takes them as they are. */
  readonly metric?: TokenMetric | undefined;
  /**
   * How tokens are kept. Default `i8`: 8 bits a component and a scale a token. `residual1`, `residual2`, `residual4`: a centroid and
   * so many bits a component, where there are 8,192 tokens or more.
   */
  readonly codec?: TokenCodecName | undefined;
  /** The first components that are kept (Matryoshka embeddings). Default: all. */
  readonly prefix?: number | undefined;
  /** Tokens of a row that become one on average, by clustering, 1 to 8. Default 1: all are kept. */
  readonly pool?: number | undefined;
  /** How candidates are found: `muvera(...)`, `centroids()` or `scan()`. Default `centroids()`. */
  readonly index?: MultiIndexSpec | undefined;
}

/** How many rows are compared by MaxSim. At most one of them; the larger of 128 and 16 `k` without any. */
export interface CandidateOptions {
  /** Candidates of the encodings or the centroids, 1 to 100,000. */
  readonly candidates?: number | undefined;
  /** The recall wanted, above 0, up to 1: the fewest candidates that reached it when `tune` measured. Needs `tune`. */
  readonly recall?: number | undefined;
  /** Compare all rows. */
  readonly exact?: boolean | undefined;
}

/** How the tokens of a query are read. */
export interface TokenOptions {
  /** A weight for each token of the query, 0 to 1,000,000: 0 leaves it out. Default: all 1. Not for batches. */
  readonly weights?: Float32Array | readonly number[] | undefined;
  /** Tokens of the query that count: false leaves one out. Default: all. Not for batches. */
  readonly mask?: readonly boolean[] | undefined;
  /** The mean over the query's tokens and not the sum. Default false. */
  readonly mean?: boolean | undefined;
  /** Tokens of the query whose inner product is at least this (0.7, say) are added and compared as one. */
  readonly carve?: number | undefined;
  /** Score a row by the best of its units alone. Default false. */
  readonly units?: boolean | undefined;
}

/** Settings of a search of token vectors. */
export interface MultiSearchOptions extends SearchOptions, CandidateOptions, TokenOptions {}

/** Settings of {@link MultiVectorIndex.verify}. */
export type MultiVerifyOptions = MeasureSettings &
  CandidateOptions & {
    /** Queries to measure with, each its tokens. Default: probes, as in {@link MultiVectorIndex.tune}. */
    readonly queries?: TokenMatrices | undefined;
  };

/** Which token of a row each token of a query met: element by element. */
export interface Alignment {
  /** The score of the row. */
  readonly score: number;
  /** Tokens of the query that were compared. */
  readonly queryTokens: Uint32Array;
  /** The token of the row, as kept, that each of them is nearest to. */
  readonly tokens: Uint32Array;
  /** Their inner products, not weighted. */
  readonly scores: Float32Array;
  /** The unit of each of these tokens, where there are units. */
  readonly units?: Uint32Array;
  /** The unit that scores best by itself, where there are units. */
  readonly bestUnit?: BestUnit;
}

/** The tokens of a row as they are kept. */
export interface StoredTokens {
  /** Their components, one token after another. */
  readonly data: Float32Array;
  /** The unit of each, where there are units. */
  readonly units?: Uint32Array;
}

const NO_OPTIONS: MultiSearchOptions = {};
const NO_QUERY = new Float32Array(0);

/**
 * An index over token vectors, without documents: several vectors a row in, row numbers and MaxSim scores out.
 * @example
 * const index = await MultiVectorIndex.build(passages, { dims: 128 }); // each a Float32Array of n x 128 components
 * const { rows, scores } = index.search(question, 10, { candidates: 500 });
 * const { tokens } = index.explain(question, rows[0]);
 */
export class MultiVectorIndex extends RowIndex<MultiIndexInfo> {
  /** Components of a token's vector. */
  readonly dims: number;

  private constructor(opened: OpenedIndex<MultiIndexInfo>) {
    super(opened);
    this.dims = opened.info.index.dims;
  }

  /** What {@link tune} measured, a curve a `k`; `save` keeps them. */
  get curves(): readonly Curve[] {
    return this.measured;
  }

  /**
   * Builds an index over the token vectors of rows; their row numbers are their positions. An aborted build keeps nothing.
   * @param rows one by one, or all in a few arrays; may be none. Each has 1 to 65,536 tokens. They are copied.
   * @throws TercetError ERR_REQUIRED (a row without tokens), ERR_DIMENSION, ERR_NOT_FINITE, ERR_ZERO_VECTOR, ERR_LIMIT: these
   * name the row in `position`; ERR_ARGUMENT (offsets that do not fit), ERR_TYPE, ERR_ABORTED, ERR_MEMORY
   */
  static async build(rows: TokenMatrices, options: MultiVectorOptions): Promise<MultiVectorIndex> {
    const site = callSite(MultiVectorIndex.build);
    const { dims, metric, codec, prefix, pool, index, threads } = options;
    integer(dims, "dims", 1, 65_535, site);
    if (prefix !== undefined) integer(prefix, "prefix", 1, dims, site);
    if (pool !== undefined) integer(pool, "pool", 1, 8, site);
    const settings: { -readonly [K in keyof MultiSpec]: MultiSpec[K] } = { dims };
    if (metric !== undefined) settings.metric = metric;
    if (codec !== undefined) settings.codec = codec;
    if (prefix !== undefined) settings.prefix = prefix;
    if (pool !== undefined) settings.pool = pool;
    if (index !== undefined) settings.index = index;
    const request = { index: settings, ...(threads !== undefined && { threads }) };
    const arrays = tokenArrays(rows, dims, "tokens", site);
    return new MultiVectorIndex(await openIndex("index.buildMulti", request, arrays, options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<MultiVectorIndex> {
    const site = callSite(MultiVectorIndex.open);
    const request = { path, index: { kind: "multi" } };
    return new MultiVectorIndex(await openIndex("index.open", request, [], options, site));
  }

  /**
   * The `k` rows of the highest MaxSim, best first, found on the calling thread.
   * @param query 1 to 4,096 tokens: one after another in one array, or a list of vectors
   * @param k 1 to 100,000; fewer come back when fewer are there
   * @returns fresh arrays, or views of `into`
   * @throws TercetError as `build`; ERR_ARGUMENT (a `recall` without `tune` before it), ERR_QUERY (weights), ERR_CLOSED
   */
  search(query: TokenVectors, k: number, options: MultiSearchOptions = NO_OPTIONS): SearchResult {
    const site = this.search;
    const tokens = tokenData(query, this.dims, "query", site);
    const weights = weightsOf(options, tokens.length / this.dims, site);
    this.#set(options, weights !== undefined, site);
    return this.find(joined(tokens, weights), k, options, -1, least(options.radius, site), site);
  }

  /**
   * The `k` best rows by the tokens of a stored one (4,096 at most, at even distances), itself left out, found on the calling
   * thread.
   * @param row a row of the index
   * @throws TercetError as `search`; ERR_ARGUMENT when there is no such row, or for `weights` and `mask`
   */
  searchRow(row: number, k: number, options: MultiSearchOptions = NO_OPTIONS): SearchResult {
    const site = this.searchRow;
    checkedRow(row, site, "row");
    unweighted(options, site);
    this.#set(options, false, site);
    return this.find(NO_QUERY, k, options, row, least(options.radius, site), site);
  }

  /**
   * The `k` best rows of many queries, off the calling thread where there are threads.
   * @param queries the tokens of each: one by one, or all in a few arrays
   * @returns n x k rows and scores, row-major
   * @throws TercetError as `search`; `position` is the query
   */
  async searchBatch(
    queries: TokenMatrices,
    k: number,
    options: BatchOptions<MultiSearchOptions> = {},
  ): Promise<BatchResult> {
    const site = this.searchBatch;
    const given = this.#queries(queries, site);
    integer(k, "k", 1, K_MAX, site);
    unweighted(options, site);
    const { radius } = options;
    const asked = {
      effort: effortOf(options, site),
      reading: readingOf(options, site),
      leastScore: radius === undefined ? undefined : least(radius, site),
    };
    return this.batch(given, k, options, asked, site);
  }

  /**
   * Adds rows. They can be found when the promise resolves; searches go on meanwhile.
   * @param rows as for `build`
   * @returns their numbers, `first` to `first + count - 1`; stable, and never given again before `compact`
   * @throws TercetError as `build`; nothing is added then
   */
  async add(rows: TokenMatrices, options: IndexWorkOptions = {}): Promise<AddedRows> {
    const given = tokenArrays(rows, this.dims, "tokens", this.add);
    return this.seen<IndexAddReply>(await this.work("add", given, options, this.add));
  }

  /**
   * Gives rows new tokens; they keep their numbers.
   * @param rows rows of the index, each once, in any order
   * @param tokens the tokens of as many rows, in their order
   * @returns how many have new tokens, and which rows were not there
   * @throws TercetError as `build`; ERR_DIMENSION when there are not as many as rows; ERR_ARGUMENT when a row stands twice.
   * Nothing is changed then.
   */
  async update(
    rows: Uint32Array | Iterable<number>,
    tokens: TokenMatrices,
    options: IndexWorkOptions = {},
  ): Promise<UpdatedRows> {
    const site = this.update;
    const given = [rowList(rows, site), ...tokenArrays(tokens, this.dims, "tokens", site)];
    return this.seen<IndexUpdateReply>(await this.work("update", given, options, site));
  }

  /**
   * The tokens of a row as they are kept: cut, scaled, pooled and rounded, where the index does so.
   * @returns undefined when there is no such row
   */
  vector(row: number): StoredTokens | undefined {
    const [data, units] = this.stored(row, this.vector) as [Float32Array?, Uint32Array?];
    return data && { data, ...(units && { units }) };
  }

  /**
   * Which token of a row each token of a query meets: what a score is made of.
   * @param query as for `search`
   * @param row a row of the index
   * @throws TercetError as `search`; ERR_ARGUMENT when there is no such row
   */
  explain(query: TokenVectors, row: number, options: TokenOptions = {}): Alignment {
    const site = this.explain;
    checkedRow(row, site, "row");
    const tokens = tokenData(query, this.dims, "query", site);
    const count = tokens.length / this.dims;
    const weights = weightsOf(options, count, site) ?? new Float32Array(0);
    const request = JSON.stringify({ row, reading: readingOf(options, site) });
    const arrays = [Uint32Array.of(0, count), tokens, weights];
    const reply = invokeSync(this.handle, "align", request, arrays, site);
    const { score, bestUnit } = answer<IndexAlignReply>(reply);
    const [queryTokens, met, scores, units] = reply.arrays as [
      Uint32Array,
      Uint32Array,
      Float32Array,
      Uint32Array?,
    ];
    return {
      score,
      queryTokens,
      tokens: met,
      scores,
      ...(units && { units }),
      ...(bestUnit && { bestUnit }),
    };
  }

  /**
   * Measures recall and cost for rising numbers of candidates against exact MaxSim, and keeps the curve with the index:
   * `search` then takes a `recall`, for which it counts on the measured recall less two standard errors (of few queries
   * more). A curve says nothing of more than twice as many rows as it was measured with: a `recall` is then refused until the
   * next `tune`.
   * @param queries as they will be asked. Default: probes, which are 32 tokens of stored rows, at even distances, that must not
   * find themselves; queries are mostly less like what they look for: give real ones where there are some
   * @returns the curve of this `k`
   * @throws TercetError ERR_LIMIT, ERR_ABORTED, and as `search`
   */
  async tune(queries?: TokenMatrices, options: TuneOptions = {}): Promise<Curve> {
    return this.tuned(this.#given(queries, this.tune), options, this.tune);
  }

  /**
   * Measures the recall that searches reach now, against exact MaxSim.
   * @returns the recall and its 95 % interval (Wilson)
   * @throws TercetError as {@link tune}; ERR_ARGUMENT for a `recall` without a curve
   */
  async verify(options: MultiVerifyOptions = {}): Promise<MeasuredRecall> {
    const site = this.verify;
    return this.verified(this.#given(options.queries, site), options, () => effortOf(options, site), site);
  }

  /**
   * Trains everything anew on the rows of now: the centroids of tokens and of encodings, and makes one part of all. For when data
   * has moved away from what the index was built of; centroids that a growing index has too few of are found anew without it.
   * Rows keep their numbers, searches go on meanwhile, and what `tune` measured is forgotten. Residual codes are read as they
   * are kept and coded again: what is lost is a little more.
   * @throws TercetError ERR_ABORTED, ERR_MEMORY
   */
  async retrain(options: IndexWorkOptions = {}): Promise<void> {
    this.seen(await this.work("retrain", [], options, this.retrain));
    this.measured = [];
  }

  #given(queries: TokenMatrices | undefined, site: Site) {
    return queries === undefined ? [] : this.#queries(queries, site);
  }

  #queries(queries: TokenMatrices, site: Site) {
    const [offsets, data] = tokenArrays(queries, this.dims, "queries", site);
    return [offsets, data, new Float32Array(0)];
  }

  #set(options: MultiSearchOptions, weighted: boolean, site: Site): void {
    const { candidates, recall, exact } = effortOf(options, site);
    const { mean, carve, units } = readingOf(options, site);
    const settings = this.settings;
    settings[at.EF] = exact === true ? -1 : 0;
    settings[at.CANDIDATES] = candidates ?? 0;
    settings[at.RECALL] = recall ?? 0;
    settings[at.MEAN] = mean === true ? 1 : 0;
    settings[at.CARVE] = carve ?? Number.NaN;
    settings[at.UNITS] = units === true ? 1 : 0;
    settings[at.WEIGHTED] = weighted ? 1 : 0;
  }
}

function joined(tokens: Float32Array, weights: Float32Array | undefined): Float32Array {
  if (weights === undefined) return tokens;
  const both = new Float32Array(tokens.length + weights.length);
  both.set(tokens);
  both.set(weights, tokens.length);
  return both;
}

function unweighted({ weights, mask }: TokenOptions, site: Site): void {
  const named = weights !== undefined ? "weights" : mask !== undefined ? "mask" : undefined;
  if (named !== undefined) throw argument(named, "left out here", "given", site);
}

/** One weight a token, where weights or a mask are given. */
function weightsOf({ weights, mask }: TokenOptions, count: number, site: Site): Float32Array | undefined {
  if (weights === undefined && mask === undefined) return undefined;
  if (weights !== undefined && !(weights instanceof Float32Array || Array.isArray(weights))) {
    throw wrongType(weights, "weights", "one weight a token", site);
  }
  if (mask !== undefined && !Array.isArray(mask)) throw wrongType(mask, "mask", "booleans", site);
  const all = weights === undefined ? new Float32Array(count).fill(1) : Float32Array.from(weights);
  for (const [name, given] of [["weights", all] as const, ["mask", mask] as const]) {
    if (given === undefined || given.length === count) continue;
    throw argument(name, `${count} of them, one a token`, String(given.length), site);
  }
  return mask === undefined ? all : all.map((weight, token) => (mask[token] === false ? 0 : weight));
}

function readingOf({ mean, carve, units }: TokenOptions, site: Site): TokenReading {
  if (carve !== undefined && !Number.isFinite(carve)) throw outside(carve, "carve", "a finite number", site);
  return {
    ...(mean === true && { mean }),
    ...(carve !== undefined && { carve }),
    ...(units === true && { units }),
  };
}

/** How hard to try, as the core takes it; ERR_ARGUMENT when it is said in two ways. */
function effortOf({ candidates, recall, exact }: CandidateOptions, site: Site): IndexEffort {
  const said = [
    candidates !== undefined && "candidates",
    recall !== undefined && "recall",
    exact === true && "exact",
  ];
  oneWay(said, site);
  if (candidates !== undefined) integer(candidates, "candidates", 1, K_MAX, site);
  if (recall !== undefined) checkRecall(recall, site);
  return {
    ...(candidates !== undefined && { candidates }),
    ...(recall !== undefined && { recall }),
    ...(exact === true && { exact }),
  };
}
