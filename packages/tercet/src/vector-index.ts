/**
 * What all level-1 indexes of dense vectors do, whatever is inside. The classes in front add how they are built, and
 * approximate ones how hard a search tries.
 */
import type { Site } from "./errors.js";
import {
  type AddedRows,
  type BatchOptions,
  type BatchResult,
  checkRecall,
  checkThreads,
  type IndexOpenOptions,
  type IndexWorkOptions,
  K_MAX,
  type OpenedIndex,
  oneWay,
  RowIndex,
  type SearchOptions,
  type SearchResult,
  type UpdatedRows,
  WITHIN_LIMIT,
  type WithinOptions,
} from "./row-index.js";
import * as at from "./settings.js";
import {
  type Components,
  checkedRow,
  components,
  integer,
  leastScore,
  outside,
  queryComponents,
  rowList,
  type Vectors,
} from "./vectors.js";
import type {
  DenseIndexSpec,
  DtypeName,
  IndexAddReply,
  IndexEffort,
  IndexInfo,
  IndexUpdateReply,
  MetricName,
} from "./wire/index.js";

/** The most candidates a result. */
const OVERSAMPLE_MAX = 10_000;
const NO_OPTIONS = {};
const NO_QUERY = new Float32Array(0);

/** What every index is built with. */
export interface VectorIndexOptions extends IndexOpenOptions, IndexWorkOptions {
  /** Components a vector, 1 to 65,535; of bits their number, a multiple of 8. */
  readonly dims: number;
  /**
   * How vectors are compared; scores are higher for nearer ones. `cosine` (zero vectors are refused), `dot` and `l2` for
   * numbers, `hamming` and `jaccard` for bits. Default `cosine`; for bits `hamming`.
   */
  readonly metric?: MetricName | undefined;
  /** The type of the components. Default: that of the array of vectors; a `Uint8Array` is `u8` unless `bits` is said. */
  readonly dtype?: DtypeName | undefined;
}

/** How hard a search through a graph tries. At most one of `ef`, `recall` and `exact`. */
export interface EffortOptions {
  /** Candidates that are kept while the graph is walked, 1 to 100,000, at least `k`. Default: the larger of 64 and `k`. */
  readonly ef?: number | undefined;
  /** The recall wanted, above 0, up to 1: the least effort that reached it when `tune` measured. Needs `tune`. */
  readonly recall?: number | undefined;
  /** Compare all vectors instead of walking the graph. */
  readonly exact?: boolean | undefined;
  /** Stops the walk after so many nodes that did not change the best `k`. Default: none. */
  readonly patience?: number | undefined;
}

/**
 * How hard a search through lists tries: `nprobe` and `candidates` (or `oversample`), each as is usual where it is left out;
 * or one of `ef`, `recall` and `exact`.
 */
export interface ProbeOptions {
  /** Lists that are scanned, 1 to 100,000; more than there are is all of them. Default: a share of them. */
  readonly nprobe?: number | undefined;
  /** Candidates of the codes that are ranked again, 1 to 100,000, at least `k`. Default: some a result. */
  readonly candidates?: number | undefined;
  /** The same as a multiple of `k`, 1 to 10,000. */
  readonly oversample?: number | undefined;
  /** Both in one number, 1 to 100,000: candidates, and as many lists as go with them. */
  readonly ef?: number | undefined;
  /** The recall wanted, above 0, up to 1: the least effort that reached it when `tune` measured. Needs `tune`. */
  readonly recall?: number | undefined;
  /** Compare all vectors instead. */
  readonly exact?: boolean | undefined;
}

/** Settings of a search through a graph. */
export interface ApproximateSearchOptions extends SearchOptions, EffortOptions {}

/** The request that builds an index of a kind, its common options checked. */
export function buildRequest(
  dtype: DtypeName,
  index: DenseIndexSpec,
  options: VectorIndexOptions,
  site: Site,
  queries = false,
): object {
  const { dims, metric = dtype === "bits" ? "hamming" : "cosine", threads } = options;
  integer(dims, "dims", 1, 65_535, site);
  if (threads !== undefined) checkThreads(threads, site);
  const request = { dims, metric, dtype, index, ...(queries && { queries }) };
  return threads === undefined ? request : { ...request, threads };
}

type AnySearchOptions = ApproximateSearchOptions & ProbeOptions;

/** An index over vectors, without documents: vectors in, row numbers and scores out. */
export abstract class VectorIndex<O extends SearchOptions> extends RowIndex<IndexInfo> {
  /** Components a vector. */
  readonly dims: number;
  /** How vectors are compared. */
  readonly metric: MetricName;
  /** The type of the components. */
  readonly dtype: DtypeName;

  protected constructor(opened: OpenedIndex) {
    super(opened);
    const { dims, metric, dtype } = opened.info;
    this.dims = dims;
    this.metric = metric;
    this.dtype = dtype;
  }

  /**
   * The `k` nearest rows, best first, found on the calling thread.
   * @param query `dims` components, in the type of the index or (but for bits) as a `Float32Array`
   * @param k 1 to 100,000; fewer come back when fewer are there
   * @returns fresh arrays, or views of `into`
   * @throws TercetError ERR_DIMENSION, ERR_NOT_FINITE, ERR_ZERO_VECTOR, ERR_LIMIT, ERR_ARGUMENT (also a `recall` without
   * `tune` before it), ERR_TYPE, ERR_CLOSED
   */
  search(query: Vectors, k: number, options?: O): SearchResult {
    const checked =
      query instanceof Float32Array && this.dtype !== "bits"
        ? query
        : queryComponents(query, this.dtype, "query", this.search);
    return this.#find(checked, k, options ?? NO_OPTIONS, -1, undefined, this.search);
  }

  /**
   * The `k` nearest rows of a stored one, itself left out, found on the calling thread.
   * @param row a row of the index
   * @param k as for `search`
   * @throws TercetError as `search`; ERR_ARGUMENT when there is no such row
   */
  searchRow(row: number, k: number, options?: O): SearchResult {
    checkedRow(row, this.searchRow, "row");
    return this.#find(NO_QUERY, k, options ?? NO_OPTIONS, row, undefined, this.searchRow);
  }

  /**
   * All rows within a radius, nearest first, up to a limit. With a graph these are the ones that its walk meets.
   * @param query as for `search`
   * @param radius under `l2` a Euclidean distance, under `hamming` a number of bits, else the least score; finite
   * @returns at most `limit` rows; when there are as many there may be more
   * @throws TercetError as `search`
   */
  within(query: Vectors, radius: number, options?: WithinOptions<O>): SearchResult {
    const site = this.within;
    const { limit = WITHIN_LIMIT, ...rest } = (options ?? NO_OPTIONS) as WithinOptions<AnySearchOptions>;
    integer(limit, "limit", 1, K_MAX, site);
    const checked = queryComponents(query, this.dtype, "query", site);
    return this.#find(checked, Math.max(1, Math.min(limit, this.size)), rest, -1, radius, site);
  }

  /**
   * The `k` nearest rows of many queries, off the calling thread where there are threads.
   * @param queries n x dims components, row-major
   * @param k 1 to 100,000
   * @returns n x k rows and scores, row-major
   * @throws TercetError as `search`; `position` is the query
   */
  async searchBatch(queries: Vectors, k: number, options?: BatchOptions<O>): Promise<BatchResult> {
    const site = this.searchBatch;
    const given = queryComponents(queries, this.dtype, "queries", site);
    integer(k, "k", 1, K_MAX, site);
    const settings = (options ?? NO_OPTIONS) as BatchOptions<AnySearchOptions>;
    const { patience, radius } = settings;
    if (patience !== undefined) integer(patience, "patience", 1, 2 ** 32 - 1, site);
    const asked = {
      effort: effortOf(settings, k, site),
      leastScore: radius === undefined ? undefined : leastScore(this.metric, radius, site),
      patience,
    };
    return this.batch([given], k, settings, asked, site);
  }

  /**
   * Adds vectors. They can be found when the promise resolves; searches go on meanwhile.
   * @param vectors n x dims components, row-major
   * @returns their rows, `first` to `first + count - 1`; stable, and never given again before {@link compact}
   * @throws TercetError as `build`; nothing is added then
   */
  async add(vectors: Vectors, options: IndexWorkOptions = {}): Promise<AddedRows> {
    const site = this.add;
    const given = components(vectors, this.dtype, "vectors", site);
    return this.seen<IndexAddReply>(await this.work("add", [given], options, site));
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
    vectors: Vectors,
    options: IndexWorkOptions = {},
  ): Promise<UpdatedRows> {
    const site = this.update;
    const given = [rowList(rows, site), components(vectors, this.dtype, "vectors", site)];
    return this.seen<IndexUpdateReply>(await this.work("update", given, options, site));
  }

  /**
   * The vector of a row: as it was given, bit for bit; or, where vectors are not kept, what the codes say, as a
   * `Float32Array`.
   * @returns undefined when there is no such row
   */
  vector(row: number): Components | undefined {
    return this.stored(row, this.vector)[0] as Components | undefined;
  }

  #find(
    query: Components,
    k: number,
    options: AnySearchOptions,
    row: number,
    radius: number | undefined,
    site: Site,
  ): SearchResult {
    const settings = this.settings;
    const { ef, nprobe, candidates, oversample, recall, exact, patience } = options;
    settings[at.NPROBE] = nprobe ?? 0;
    settings[at.CANDIDATES] = candidates ?? 0;
    if (recall !== undefined || exact !== undefined) effortOf(options, k, site);
    if (nprobe !== undefined || candidates !== undefined || oversample !== undefined) {
      settings[at.CANDIDATES] = effortOf(options, k, site).candidates ?? 0;
    }
    if (ef !== undefined && !(ef >= 1 && ef <= K_MAX && Number.isInteger(ef))) {
      integer(ef, "ef", 1, K_MAX, site);
    }
    if (patience !== undefined) integer(patience, "patience", 1, 2 ** 32 - 1, site);
    const reach = radius ?? options.radius;
    settings[at.EF] = exact === true ? -1 : (ef ?? 0);
    settings[at.RECALL] = recall ?? 0;
    settings[at.PATIENCE] = patience ?? 0;
    const least = reach === undefined ? Number.NaN : leastScore(this.metric, reach, site);
    return this.find(query, k, options, row, least, site);
  }
}

/** How hard to try, as the core takes it; ERR_ARGUMENT when it is said in two ways. */
export function effortOf(options: EffortOptions & ProbeOptions, k: number, site: Site): IndexEffort {
  const { ef, nprobe, candidates, oversample, recall, exact } = options;
  const probes = nprobe !== undefined || candidates !== undefined || oversample !== undefined;
  const said = [
    ef !== undefined && "ef",
    probes && (nprobe !== undefined ? "nprobe" : candidates !== undefined ? "candidates" : "oversample"),
    recall !== undefined && "recall",
    exact === true && "exact",
    candidates !== undefined && oversample !== undefined && "oversample",
  ];
  oneWay(said, site);
  if (ef !== undefined) integer(ef, "ef", 1, K_MAX, site);
  if (nprobe !== undefined) integer(nprobe, "nprobe", 1, K_MAX, site);
  if (candidates !== undefined) integer(candidates, "candidates", 1, K_MAX, site);
  if (oversample !== undefined && !(oversample >= 1 && oversample <= OVERSAMPLE_MAX)) {
    throw outside(oversample, "oversample", `a number from 1 to ${OVERSAMPLE_MAX}`, site);
  }
  if (recall !== undefined) checkRecall(recall, site);
  const ranked = oversample === undefined ? candidates : Math.min(K_MAX, Math.ceil(oversample * k));
  return {
    ...(exact === true && { exact }),
    ...(ef !== undefined && { ef }),
    ...(nprobe !== undefined && { nprobe }),
    ...(ranked !== undefined && { candidates: ranked }),
    ...(recall !== undefined && { recall }),
  };
}
