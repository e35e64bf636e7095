/**
 * The index of sparse vectors: inverted lists of weights, summed or bounded by blocks, whichever is less (Block-Max Pruning,
 * Mallia, Suel & Tonellotto, arXiv 2405.01117), exact unless told what may be missed; or pruned lists and a forward index
 * (after Seismic, arXiv 2404.18812), approximate unless told otherwise.
 */
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
  WITHIN_LIMIT,
  type WithinOptions,
} from "./row-index.js";
import type { SparseVector, WordWeights } from "./schema.js";
import * as at from "./settings.js";
import { type SparseRow, type SparseVectors, sparseArrays, sparseRow, Words } from "./sparse-rows.js";
import { checkedRow, integer, leastScore, outside, rowList } from "./vectors.js";
import type {
  Curve,
  IndexAddReply,
  IndexEffort,
  IndexUpdateReply,
  SparseIndexInfo,
  SparseIndexSpec,
  SparseSpec,
  SparseWeights,
} from "./wire/index.js";

/** How to build an index of sparse vectors. */
export interface SparseIndexOptions extends IndexOpenOptions, IndexWorkOptions {
  /** How many terms there are: indices are 0 to `terms` - 1. Default: as many as there are words. */
  readonly terms?: number | undefined;
  /**
   * The terms by name: word `i` is term `i`. Vectors may then be by words, `{ flow: 1.2, wing: 0.3 }`; a word that is none is
   * refused (ERR_ARGUMENT), and passed over in a query. Kept with the index. One of `terms` and `vocabulary` must be given.
   */
  readonly vocabulary?: readonly string[] | undefined;
  /** How weights are kept. Default `exact`: without loss, in 1, 2 or 4 bytes each. */
  readonly weights?: SparseWeights | undefined;
  /** Keep only the heaviest terms of a vector, so many. Default 0: all. */
  readonly top?: number | undefined;
  /** Keep only the heaviest terms, up to this share of the sum of a vector's weights, above 0. Default 1: all. */
  readonly mass?: number | undefined;
  /** How rows are found: `lists(...)`, exact, or `seismic(...)`, approximate. Default `lists()`. */
  readonly index?: SparseIndexSpec | undefined;
}

/**
 * What a search may miss: some of `alpha`, `beta` and `cells`; or one of `ef`, `recall` and `exact`. Default: nothing, or of
 * `seismic` what the larger of 96 and 4 `k` scored rows of each part miss.
 */
export interface SparseEffortOptions {
  /** What upper bounds are multiplied by before rows are passed over: above 0, at most 1. Less is faster. */
  readonly alpha?: number | undefined;
  /** The share of the query's terms, the lightest, that upper bounds leave out: 0 to below 1. */
  readonly beta?: number | undefined;
  /**
   * The most cells of 256 rows that are scored in each part, best bounds first: 1 to 16,777,216. Of `seismic` the rows, raised
   * to `k`.
   */
  readonly cells?: number | undefined;
  /** The effort as one number, 1 to 100,000, as the index reads it: what curves are measured over. */
  readonly ef?: number | undefined;
  /** The recall wanted, above 0, up to 1: the least effort that reached it when `tune` measured. Needs `tune`. */
  readonly recall?: number | undefined;
  /** The true best. */
  readonly exact?: boolean | undefined;
}

/** Settings of a search of sparse vectors. */
export interface SparseSearchOptions extends SearchOptions, SparseEffortOptions {}

/** Settings of {@link SparseIndex.verify}. */
export type SparseVerifyOptions = MeasureSettings &
  SparseEffortOptions & {
    /** Queries to measure with. Default: probes, as in {@link SparseIndex.tune}. */
    readonly queries?: SparseVectors | undefined;
  };

const NO_OPTIONS: SparseSearchOptions = {};
const NO_QUERY = new Float32Array(0);

/**
 * An index over sparse vectors, without documents: terms and weights in, row numbers and inner products out. Scores are sums
 * in f32 by ascending term: the same bits whatever way a search takes, on every backend.
 * @example
 * const index = await SparseIndex.build([{ indices: [3, 17], values: [0.5, 1.2] }], { terms: 30522 });
 * const { rows, scores } = index.search({ indices: Uint32Array.of(17), values: Float32Array.of(2) }, 10);
 */
export class SparseIndex extends RowIndex<SparseIndexInfo> {
  /** How many terms there are. */
  readonly terms: number;
  /** What the terms are called. */
  readonly vocabulary: readonly string[] | undefined;
  readonly #words: Words | undefined;
  #query = new Float32Array(0);

  private constructor(opened: OpenedIndex<SparseIndexInfo>) {
    super(opened);
    const { terms, vocabulary } = opened.info.index;
    this.terms = terms;
    this.vocabulary = vocabulary;
    this.#words = vocabulary && new Words(vocabulary);
  }

  /** What {@link tune} measured, a curve a `k`; `save` keeps them. */
  get curves(): readonly Curve[] {
    return this.measured;
  }

  /**
   * Builds an index over sparse vectors; their row numbers are their positions. An aborted build keeps nothing.
   * @param vectors one by one, or all in three arrays; may be none. Each has 1 to 65,536 terms, ascending. They are copied.
   * @throws TercetError ERR_REQUIRED (a vector without terms), ERR_ARGUMENT (terms that do not ascend, or one twice; offsets
   * that do not fit), ERR_LIMIT (a term or an option out of range; a weight that is not above 0), ERR_NOT_FINITE: these name
   * the row in `position`; ERR_DIMENSION (not as many values as indices), ERR_TYPE, ERR_ABORTED, ERR_MEMORY
   */
  static async build(vectors: SparseVectors, options: SparseIndexOptions): Promise<SparseIndex> {
    const site = callSite(SparseIndex.build);
    const { vocabulary, weights, top, mass, index, threads } = options;
    const { terms = vocabulary?.length } = options;
    integer(terms as number, "terms", 1, 2 ** 32 - 1, site);
    if (top !== undefined) integer(top, "top", 0, 2 ** 32 - 1, site);
    if (mass !== undefined && !(mass > 0 && mass <= 1)) {
      throw outside(mass, "mass", "a number above 0, at most 1", site);
    }
    const settings: { -readonly [K in keyof SparseSpec]: SparseSpec[K] } = { terms: terms as number };
    if (vocabulary !== undefined) settings.vocabulary = vocabulary;
    if (weights !== undefined) settings.weights = weights;
    if (top !== undefined) settings.top = top;
    if (mass !== undefined) settings.mass = mass;
    if (index !== undefined) settings.index = index;
    const request = { index: settings, ...(threads !== undefined && { threads }) };
    const words = vocabulary && new Words(vocabulary);
    const arrays = sparseArrays(vectors, "vectors", site, words);
    return new SparseIndex(await openIndex("index.buildSparse", request, arrays, options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<SparseIndex> {
    const site = callSite(SparseIndex.open);
    const request = { path, index: { kind: "sparse" } };
    return new SparseIndex(await openIndex("index.open", request, [], options, site));
  }

  /**
   * The `k` rows of the largest inner products, best first, found on the calling thread. A row without a term of the query
   * is not found.
   * @param query 1 to 4,096 terms, ascending; or by words
   * @param k 1 to 100,000; fewer come back when fewer are there
   * @returns fresh arrays, or views of `into`
   * @throws TercetError as `build`; ERR_ARGUMENT (also a `recall` without `tune` before it), ERR_CLOSED
   */
  search(query: SparseRow | WordWeights, k: number, options: SparseSearchOptions = NO_OPTIONS): SearchResult {
    const site = this.search;
    this.#set(options, site);
    return this.find(this.#bits(query, site), k, options, -1, least(options.radius, site), site);
  }

  /**
   * The `k` best rows by the vector of a stored one, itself left out, found on the calling thread. Finding that vector costs
   * a look into the list of every term; of `seismic` next to nothing.
   * @param row a row of the index
   * @throws TercetError as `search`; ERR_ARGUMENT when there is no such row
   */
  searchRow(row: number, k: number, options: SparseSearchOptions = NO_OPTIONS): SearchResult {
    const site = this.searchRow;
    checkedRow(row, site, "row");
    this.#set(options, site);
    return this.find(NO_QUERY, k, options, row, least(options.radius, site), site);
  }

  /**
   * All rows whose inner product is at least so much, best first, up to a limit.
   * @param radius the least score; finite
   * @returns at most `limit` rows; when there are as many there may be more
   * @throws TercetError as `search`
   */
  within(
    query: SparseRow | WordWeights,
    radius: number,
    options: WithinOptions<SparseSearchOptions> = {},
  ): SearchResult {
    const site = this.within;
    const { limit = WITHIN_LIMIT } = options;
    integer(limit, "limit", 1, K_MAX, site);
    this.#set(options, site);
    const k = Math.max(1, Math.min(limit, this.size));
    return this.find(this.#bits(query, site), k, options, -1, leastScore("dot", radius, site), site);
  }

  /**
   * The `k` best rows of many queries, off the calling thread where there are threads.
   * @param queries one by one, or all in three arrays
   * @returns n x k rows and scores, row-major
   * @throws TercetError as `search`; `position` is the query
   */
  async searchBatch(
    queries: SparseVectors,
    k: number,
    options: BatchOptions<SparseSearchOptions> = {},
  ): Promise<BatchResult> {
    const site = this.searchBatch;
    const given = sparseArrays(queries, "queries", site, this.#words, true);
    integer(k, "k", 1, K_MAX, site);
    const { radius } = options;
    const leastScore = radius === undefined ? undefined : least(radius, site);
    return this.batch(given, k, options, { effort: effortOf(options, site), leastScore }, site);
  }

  /**
   * Adds vectors. They can be found when the promise resolves; searches go on meanwhile.
   * @param vectors as for `build`
   * @returns their rows, `first` to `first + count - 1`; stable, and never given again before `compact`
   * @throws TercetError as `build`; nothing is added then
   */
  async add(vectors: SparseVectors, options: IndexWorkOptions = {}): Promise<AddedRows> {
    const given = sparseArrays(vectors, "vectors", this.add, this.#words);
    return this.seen<IndexAddReply>(await this.work("add", given, options, this.add));
  }

  /**
   * Gives rows new vectors; they keep their numbers.
   * @param rows rows of the index, each once, in any order
   * @param vectors as many vectors as rows, in their order
   * @returns how many have a new vector, and which rows were not there
   * @throws TercetError as `build`; ERR_DIMENSION when there are not as many vectors as rows; ERR_ARGUMENT when a row
   * stands twice. Nothing is changed then.
   */
  async update(
    rows: Uint32Array | Iterable<number>,
    vectors: SparseVectors,
    options: IndexWorkOptions = {},
  ): Promise<UpdatedRows> {
    const site = this.update;
    const given = [rowList(rows, site), ...sparseArrays(vectors, "vectors", site, this.#words)];
    return this.seen<IndexUpdateReply>(await this.work("update", given, options, site));
  }

  /**
   * The vector of a row as the index keeps it: pruned and rounded, where it was built so. Cost: a look into the list of every
   * term; of `seismic` next to nothing.
   * @returns undefined when there is no such row
   */
  vector(row: number): SparseVector | undefined {
    const [indices, values] = this.stored(row, this.vector) as [Uint32Array?, Float32Array?];
    return indices === undefined || values === undefined ? undefined : { indices, values };
  }

  /**
   * Measures recall and cost for rising efforts against exact searches, and keeps the curve with the index: `search` then
   * takes a `recall`, for which it counts on the measured recall less two standard errors (of few queries more). A curve
   * says nothing of more than twice as many rows as it was measured with: a `recall` is then refused until the next `tune`.
   * @param queries as they will be asked. Default: probes, which are stored vectors with a quarter of their terms, chosen by
   * chance, that must not find themselves; queries unlike them (of another encoder, much shorter) need to be given
   * @returns the curve of this `k`
   * @throws TercetError ERR_LIMIT, ERR_ABORTED, and as `search`
   */
  async tune(queries?: SparseVectors, options: TuneOptions = {}): Promise<Curve> {
    return this.tuned(this.#given(queries, this.tune), options, this.tune);
  }

  /**
   * Measures the recall that searches reach now, against exact ones.
   * @returns the recall and its 95 % interval (Wilson)
   * @throws TercetError as {@link tune}; ERR_ARGUMENT for a `recall` without a curve
   */
  async verify(options: SparseVerifyOptions = {}): Promise<MeasuredRecall> {
    const site = this.verify;
    return this.verified(this.#given(options.queries, site), options, () => effortOf(options, site), site);
  }

  #set(options: SparseEffortOptions, site: Site): void {
    const { alpha, beta, cells, ef, recall, exact } = effortOf(options, site);
    const settings = this.settings;
    settings[at.EF] = exact === true ? -1 : (ef ?? 0);
    settings[at.RECALL] = recall ?? 0;
    settings[at.ALPHA] = alpha ?? 0;
    settings[at.BETA] = beta ?? 0;
    settings[at.CELLS] = cells ?? 0;
  }

  #given(queries: SparseVectors | undefined, site: Site) {
    return queries === undefined ? [] : sparseArrays(queries, "queries", site, this.#words, true);
  }

  /** A query in one array: its values, then the bits of its indices. */
  #bits(query: SparseRow | WordWeights, site: Site): Float32Array {
    const { indices, values } = sparseRow(query, "query", site, undefined, this.#words, true);
    const length = indices.length;
    if (this.#query.length < length * 2) this.#query = new Float32Array(length * 4);
    const both = this.#query.subarray(0, length * 2);
    both.set(values);
    new Uint32Array(both.buffer, both.byteOffset + length * 4, length).set(indices);
    return both;
  }
}

/** How hard to try, as the core takes it; ERR_ARGUMENT when it is said in two ways. */
function effortOf(options: SparseEffortOptions, site: Site): IndexEffort {
  const { alpha, beta, cells, ef, recall, exact } = options;
  const slack = alpha !== undefined ? "alpha" : beta !== undefined ? "beta" : cells !== undefined && "cells";
  const said = [slack, ef !== undefined && "ef", recall !== undefined && "recall", exact === true && "exact"];
  oneWay(said, site);
  if (alpha !== undefined && !(alpha > 0 && alpha <= 1)) {
    throw outside(alpha, "alpha", "a number above 0, at most 1", site);
  }
  if (beta !== undefined && !(beta >= 0 && beta < 1)) {
    throw outside(beta, "beta", "a number from 0 to below 1", site);
  }
  if (cells !== undefined) integer(cells, "cells", 1, 2 ** 24, site);
  if (ef !== undefined) integer(ef, "ef", 1, K_MAX, site);
  if (recall !== undefined) checkRecall(recall, site);
  return {
    ...(alpha !== undefined && { alpha }),
    ...(beta !== undefined && { beta }),
    ...(cells !== undefined && { cells }),
    ...(ef !== undefined && { ef }),
    ...(recall !== undefined && { recall }),
    ...(exact === true && { exact }),
  };
}
