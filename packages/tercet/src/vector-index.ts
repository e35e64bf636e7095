/**
 * What all level-1 indexes do: they are searched, changed, saved and opened the same way, whatever is inside. The
 * classes in front add how they are built, and approximate ones how hard a search tries.
 */
import { type Backend, type BackendChoice, type LoadedBackend, loadBackend } from "./backend.js";
import type { BulkArray, Handle, Reply } from "./binding.js";
import { answer, type CallOptions, invoke, invokeSync, type LongCallOptions, opened } from "./call.js";
import { type CallSite, fromWire, type Site, shown } from "./errors.js";
import * as at from "./settings.js";
import {
  argument,
  type Components,
  checkedRow,
  components,
  integer,
  leastScore,
  outside,
  queryComponents,
  type RowSet,
  rowList,
  type Vectors,
} from "./vectors.js";
import type {
  Curve,
  DenseIndexSpec,
  DtypeName,
  IndexAddReply,
  IndexCompactReply,
  IndexEffort,
  IndexInfo,
  IndexRemoveReply,
  IndexSearchReply,
  IndexUpdateReply,
  MetricName,
  SearchPath,
} from "./wire/index.js";

/** The most neighbours one search gives, the largest `ef`, and the most lists and candidates. */
export const K_MAX = 100_000;
/** The most candidates a result. */
const OVERSAMPLE_MAX = 10_000;
/** Up to here results are copied out of arrays that are used again and again: small fresh arrays are cheap, but not to hand over. */
const COPIED_MAX = 256;
/** Rows that `within` gives unless another limit is set. */
const WITHIN_LIMIT = 1_000;
const NO_OPTIONS = {};
const NO_QUERY = new Float32Array(0);

/** How to load the core. */
export interface IndexOpenOptions extends LongCallOptions {
  /** The core to use. Default: what TERCET_BACKEND says, else native where it loads, else wasm. */
  readonly backend?: BackendChoice | undefined;
}

/** How long work is done. */
export interface IndexWorkOptions extends LongCallOptions {
  /** Threads that may work on it, 1 or more; 1 is the one thread that the call has anyway. Default: all. */
  readonly threads?: number | undefined;
}

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

/** Arrays of a search's results. */
export interface SearchArrays {
  /** Row numbers. */
  readonly rows: Uint32Array;
  /** Cosine, inner product, minus the squared Euclidean distance, minus the bits that differ, or Jaccard's share. */
  readonly scores: Float32Array;
}

/** What a search cost: the same on every machine. */
export interface SearchCounters {
  /** Vectors (or their codes) that were compared with the query. */
  readonly distances: number;
  /** Nodes of a graph whose links were followed. */
  readonly hops: number;
}

/** Rows and their scores, best first. Equal scores: lower row first. */
export interface SearchResult extends SearchArrays {
  /** Whether these are the true best: all vectors that may be found were compared. */
  readonly exact: boolean;
  /** False when a time limit stopped the search before its end: what it had by then is here. */
  readonly complete: boolean;
  /** The way it took. */
  readonly path: SearchPath;
  /** What it cost, where `counters` was asked for. */
  readonly counters?: SearchCounters;
}

/** Which rows a search may find. */
export interface RowOptions {
  /** Rows that may be returned; others are not. Default: all. */
  readonly filter?: RowSet | undefined;
  /** Rows that are left out, also when the filter has them. */
  readonly exclude?: Uint32Array | Iterable<number> | undefined;
  /**
   * Only results within it: under `l2` the Euclidean distance, under `hamming` the number of bits that differ, under the
   * others the least score. A finite number.
   */
  readonly radius?: number | undefined;
}

/** Settings of one search. */
export interface SearchOptions extends RowOptions {
  /**
   * Arrays to write into, each at least `k` long, to be used again and again. The result's arrays are views of them.
   * Default: fresh ones.
   */
  readonly into?: SearchArrays | undefined;
  /** Stops the search after so many milliseconds with what it has; the result is then not `complete`. */
  readonly timeLimitMs?: number | undefined;
  /** Whether the result says what it cost. Default false. */
  readonly counters?: boolean | undefined;
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

/** Settings of a range search. */
export type WithinOptions<O extends SearchOptions> = Omit<O, "radius" | "into"> & {
  /** The most rows that come back, the nearest ones: 1 to 100,000. Default 1,000. */
  readonly limit?: number | undefined;
};

/** Settings of a batch of searches. */
export type BatchOptions<O extends SearchOptions> = Omit<O, "into" | "counters"> & IndexWorkOptions;

/** Results of many queries: `k` rows and scores each, padded with `NO_ROW` and -Infinity where there are fewer. */
export interface BatchResult extends SearchArrays {
  /** Whether every query found the true best. */
  readonly exact: boolean;
  /** Whether no query was stopped by its time limit. */
  readonly complete: boolean;
  /** The least direct way that a query took. */
  readonly path: SearchPath;
  /** What all of them cost. */
  readonly counters: SearchCounters;
}

/** The rows that `add` gave out: `first`, `first + 1`, ..., `count` of them. */
export type AddedRows = IndexAddReply;
/** What `remove` did. */
export type RemovedRows = IndexRemoveReply;
/** What `update` did. */
export type UpdatedRows = IndexUpdateReply;

/** An index that was just opened. */
export interface OpenedIndex {
  readonly loaded: LoadedBackend;
  readonly handle: Handle;
  readonly info: IndexInfo;
}

/** Builds or opens an index in the core. */
export async function openIndex(
  verb: "index.build" | "index.open",
  request: object,
  arrays: readonly BulkArray[],
  options: IndexOpenOptions,
  site: CallSite,
): Promise<OpenedIndex> {
  const loaded = await loadBackend(options.backend);
  const { binding } = loaded;
  const call = {
    binding,
    handle: binding.root,
    verb,
    request: JSON.stringify(request),
    arrays,
    options,
    site,
  };
  const reply = await invoke(call);
  return { loaded, handle: opened(reply, verb), info: answer<IndexInfo>(reply) };
}

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

/** ERR_LIMIT unless it is a number of threads. */
export function checkThreads(threads: unknown, site: Site): void {
  integer(threads, "threads", 1, 1_024, site);
}

type AnySearchOptions = ApproximateSearchOptions & ProbeOptions;

/** An index over vectors, without documents: vectors in, row numbers and scores out. */
export abstract class VectorIndex<O extends SearchOptions> implements AsyncDisposable, Disposable {
  /** Components a vector. */
  readonly dims: number;
  /** How vectors are compared. */
  readonly metric: MetricName;
  /** The type of the components. */
  readonly dtype: DtypeName;
  /** Which core answers, and why that one. */
  readonly backend: Backend;
  /** The core's side. */
  protected readonly handle: Handle;
  /** What `tune` measured. */
  protected measured: readonly Curve[];
  readonly #loaded: LoadedBackend;
  readonly #settings = new Float64Array(at.COUNT);
  #rows = new Uint32Array(0);
  #scores = new Float32Array(0);
  #size: number;
  #closed = false;

  protected constructor({ loaded, handle, info }: OpenedIndex) {
    this.#loaded = loaded;
    this.handle = handle;
    this.backend = loaded.backend;
    this.dims = info.dims;
    this.metric = info.metric;
    this.dtype = info.dtype;
    this.measured = info.curves;
    this.#size = info.size;
  }

  /** Rows that can be found. */
  get size(): number {
    return this.#size;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
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
    return this.#find(checked, Math.max(1, Math.min(limit, this.#size)), rest, -1, radius, site);
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
    const arrays: BulkArray[] = [given];
    if (settings.filter !== undefined) arrays.push(checkedFilter(settings.filter, site));
    if (settings.exclude !== undefined) arrays.push(rowList(settings.exclude, site, "exclude"));
    const { patience, timeLimitMs, radius, threads } = settings;
    if (patience !== undefined) integer(patience, "patience", 1, 2 ** 32 - 1, site);
    if (timeLimitMs !== undefined) checkLimit(timeLimitMs, site);
    if (threads !== undefined) checkThreads(threads, site);
    const request = JSON.stringify({
      k,
      filtered: settings.filter !== undefined,
      excluded: settings.exclude !== undefined,
      effort: effortOf(settings, k, site),
      leastScore: radius === undefined ? undefined : leastScore(this.metric, radius, site),
      patience,
      timeLimitMs: timeLimitMs === undefined ? undefined : Math.ceil(timeLimitMs),
      threads,
    });
    const reply = await this.call("searchBatch", request, arrays, settings, site);
    const { distances, hops, ...how } = answer<IndexSearchReply>(reply);
    const [rows, scores] = reply.arrays as [Uint32Array, Float32Array];
    return { rows, scores, ...how, counters: { distances, hops } };
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
    const added = answer<IndexAddReply>(await this.#work("add", [given], options, site));
    this.#size += added.count;
    return added;
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
    return answer(await this.#work("update", given, options, site));
  }

  /**
   * Removes rows; they are found no more. Their bytes are freed when a later `add` or `update` finds that a fifth of a
   * part is gone, or by {@link compact}.
   * @returns how many went, and which were not there
   */
  async remove(rows: Uint32Array | Iterable<number>, options: CallOptions = {}): Promise<RemovedRows> {
    const site = this.remove;
    const list = rowList(rows, site);
    const removed = answer<IndexRemoveReply>(await this.call("remove", "{}", [list], options, site));
    this.#size -= removed.removed;
    return removed;
  }

  /**
   * The vector of a row: as it was given, bit for bit; or, where vectors are not kept, what the codes say, as a
   * `Float32Array`.
   * @returns undefined when there is no such row
   */
  vector(row: number): Components | undefined {
    checkedRow(row, this.vector, "row");
    const reply = invokeSync(this.handle, "vector", JSON.stringify({ row }), [], this.vector);
    return reply.arrays[0] as Components | undefined;
  }

  /**
   * Frees the bytes of removed rows, makes one part of all, and numbers the rows anew, in their order.
   * @returns old row to new row; `NO_ROW` where it was removed
   */
  async compact(options: IndexWorkOptions = {}): Promise<Uint32Array> {
    const reply = await this.#work("compact", [], options, this.compact);
    this.#size = answer<IndexCompactReply>(reply).rows;
    return reply.arrays[0] as Uint32Array;
  }

  /**
   * Writes the index as one file; an older one is replaced at once or not at all.
   * @throws TercetError ERR_IO, ERR_UNSUPPORTED where there are no files
   */
  async save(path: string, options: LongCallOptions = {}): Promise<void> {
    await this.call("save", JSON.stringify({ path }), [], options, this.save);
  }

  /** Sizes in rows and bytes, what it is made of, and what `tune` measured. */
  async stats(options: CallOptions = {}): Promise<IndexInfo> {
    return answer(await this.call("stats", "{}", [], options, this.stats));
  }

  /** Frees it. May be called twice; everything else then fails with ERR_CLOSED. Nothing is saved. */
  close(): void {
    this.#closed = true;
    this.handle.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Runs a verb of the core. */
  protected call(
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    options: LongCallOptions,
    site: Site,
  ): Promise<Reply> {
    const { binding } = this.#loaded;
    return invoke({ binding, handle: this.handle, verb, request, arrays, options, site });
  }

  #work(verb: string, arrays: readonly BulkArray[], options: IndexWorkOptions, site: Site): Promise<Reply> {
    const { threads } = options;
    if (threads !== undefined) checkThreads(threads, site);
    return this.call(verb, JSON.stringify({ threads }), arrays, options, site);
  }

  /** One search: settings in, results out, and no allocation but for the results. */
  #find(
    query: Components,
    k: number,
    options: AnySearchOptions,
    row: number,
    radius: number | undefined,
    site: Site,
  ): SearchResult {
    if (!(k >= 1 && k <= K_MAX && Number.isInteger(k))) integer(k, "k", 1, K_MAX, site);
    this.#set(options, k, row, radius, site);
    const { into, filter, exclude } = options;
    if (filter !== undefined) checkedFilter(filter, site);
    const left = exclude === undefined ? undefined : rowList(exclude, site, "exclude");
    const length = into === undefined ? Math.max(1, Math.min(k, this.#size)) : k;
    if (into !== undefined) checkInto(into, k, site);
    const copied = into === undefined && length <= COPIED_MAX;
    if (copied && this.#rows.length < length) this.#grow(length);
    const rows = copied ? this.#rows : (into?.rows ?? new Uint32Array(length));
    const scores = copied ? this.#scores : (into?.scores ?? new Float32Array(length));
    const settings = this.#settings;
    const found =
      filter === undefined && left === undefined
        ? this.handle.searchInto(query, length, rows, scores, settings)
        : this.handle.searchInto(query, length, rows, scores, settings, filter, left);
    if (found < 0) throw fromWire(this.handle.lastError(), site);
    const whole = found === rows.length && found === scores.length;
    const exact = settings[at.EXACT] === 1;
    const complete = settings[at.COMPLETE] === 1;
    const path = at.PATHS[settings[at.PATH] as number] as SearchPath;
    const result: SearchResult = copied
      ? { rows: rows.slice(0, found), scores: scores.slice(0, found), exact, complete, path }
      : whole
        ? { rows, scores, exact, complete, path }
        : { rows: rows.subarray(0, found), scores: scores.subarray(0, found), exact, complete, path };
    if (options.counters !== true) return result;
    const [distances, hops] = [settings[at.DISTANCES] as number, settings[at.HOPS] as number];
    return { ...result, counters: { distances, hops } };
  }

  #set(options: AnySearchOptions, k: number, row: number, radius: number | undefined, site: Site): void {
    const settings = this.#settings;
    const { ef, nprobe, candidates, oversample, recall, exact, patience, timeLimitMs } = options;
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
    if (timeLimitMs !== undefined) checkLimit(timeLimitMs, site);
    const reach = radius ?? options.radius;
    settings[at.EF] = exact === true ? -1 : (ef ?? 0);
    settings[at.RECALL] = recall ?? 0;
    settings[at.LEAST_SCORE] = reach === undefined ? Number.NaN : leastScore(this.metric, reach, site);
    settings[at.PATIENCE] = patience ?? 0;
    settings[at.TIME_LIMIT_MS] = timeLimitMs === undefined ? 0 : Math.ceil(timeLimitMs);
    settings[at.ROW] = row;
  }

  #grow(length: number): void {
    const room = Math.min(COPIED_MAX, Math.max(16, length * 2));
    this.#rows = new Uint32Array(room);
    this.#scores = new Float32Array(room);
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
  ].filter((name) => name !== false);
  if (said.length > 1) {
    const message = `\`${said.join("` and `")}\` say the same thing in two ways`;
    throw argument(said[1] as string, "one of them", said.join(" and "), site, message);
  }
  if (ef !== undefined) integer(ef, "ef", 1, K_MAX, site);
  if (nprobe !== undefined) integer(nprobe, "nprobe", 1, K_MAX, site);
  if (candidates !== undefined) integer(candidates, "candidates", 1, K_MAX, site);
  if (oversample !== undefined && !(oversample >= 1 && oversample <= OVERSAMPLE_MAX)) {
    throw outside(oversample, "oversample", `a number from 1 to ${OVERSAMPLE_MAX}`, site);
  }
  if (recall !== undefined && !(typeof recall === "number" && recall > 0 && recall <= 1)) {
    throw outside(recall, "recall", "a number above 0, up to 1", site);
  }
  const ranked = oversample === undefined ? candidates : Math.min(K_MAX, Math.ceil(oversample * k));
  return {
    ...(exact === true && { exact }),
    ...(ef !== undefined && { ef }),
    ...(nprobe !== undefined && { nprobe }),
    ...(ranked !== undefined && { candidates: ranked }),
    ...(recall !== undefined && { recall }),
  };
}

function checkLimit(ms: unknown, site: Site): void {
  if (typeof ms === "number" && ms > 0 && ms < 2 ** 40) return;
  throw outside(ms, "timeLimitMs", "a number of milliseconds above 0", site);
}

function checkedFilter(filter: unknown, site: Site): RowSet {
  if (filter instanceof Uint32Array) return filter;
  throw argument("filter", "a set of rows made by rowSet() (a Uint32Array)", shown(filter), site);
}

function checkInto(into: SearchArrays, k: number, site: Site): void {
  const { rows, scores } = into;
  const fits = rows instanceof Uint32Array && scores instanceof Float32Array;
  if (fits && rows.length >= k && scores.length >= k) return;
  const expected = `a Uint32Array and a Float32Array of at least ${k} elements`;
  const found = fits ? `${rows.length} and ${scores.length} elements` : `${shown(rows)} and ${shown(scores)}`;
  throw argument("into", expected, found, site);
}
