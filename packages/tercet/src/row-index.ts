/**
 * What all level-1 indexes do, whatever a row holds: they are searched, changed, saved and opened the same way. The
 * classes in front say what a value is, how an index is built, and how hard a search tries.
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
  integer,
  leastScore,
  outside,
  type RowSet,
  rowList,
} from "./vectors.js";
import type {
  Curve,
  IndexAddReply,
  IndexCompactReply,
  IndexEffort,
  IndexInfo,
  IndexNow,
  IndexRemoveReply,
  IndexSearchReply,
  IndexSizes,
  IndexUpdateReply,
  MeasureReply,
  SearchPath,
  TokenReading,
} from "./wire/index.js";

/** The most neighbours one search gives, the largest `ef`, and the most lists and candidates. */
export const K_MAX = 100_000;
/** Rows that a range search gives unless another limit is set. */
export const WITHIN_LIMIT = 1_000;
/** Up to here results are copied out of arrays that are used again and again: small fresh arrays are cheap, but not to hand over. */
const COPIED_MAX = 256;
/** The most neighbours that recall is measured for. */
const MEASURED_MAX = 10_000;
/** Probes that are made of stored rows where no queries are given. */
const SAMPLE = 256;

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

/** Arrays of a search's results. */
export interface SearchArrays {
  /** Row numbers. */
  readonly rows: Uint32Array;
  /**
   * Of dense vectors cosine, inner product, minus the squared Euclidean distance, minus the bits that differ, or Jaccard's
   * share; of sparse ones the inner product; of token vectors MaxSim.
   */
  readonly scores: Float32Array;
}

/** What a search cost: the same on every machine. */
export interface SearchCounters {
  /** Vectors (or their codes) that were compared with the query. */
  readonly distances: number;
  /** Nodes of a graph whose links were followed. */
  readonly hops: number;
  /** Postings of sparse vectors that were added to scores. */
  readonly postings: number;
  /** Blocks of rows whose bounds were summed. */
  readonly blocksBounded: number;
  /** Cells of rows that were scored because of their bounds. */
  readonly blocksScored: number;
}

/** Rows and their scores, best first. Equal scores: lower row first. */
export interface SearchResult extends SearchArrays {
  /** Whether these are the true best. */
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
   * Only results within it: under `l2` the Euclidean distance, under `hamming` the number of bits that differ, everywhere
   * else the least score. A finite number.
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
export type AddedRows = Omit<IndexAddReply, keyof IndexNow>;
/** What `remove` did. */
export type RemovedRows = Omit<IndexRemoveReply, keyof IndexNow>;
/** What `update` did. */
export type UpdatedRows = Omit<IndexUpdateReply, keyof IndexNow>;

/** Settings of `tune`. */
export interface TuneOptions extends IndexWorkOptions {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /** The measurement ends where this recall is reached, above 0, up to 1. Default 0.999. */
  readonly target?: number | undefined;
  /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
  readonly sample?: number | undefined;
}

/** What is measured by `verify`. */
export interface MeasureSettings extends IndexWorkOptions {
  /** Neighbours a query, 1 to 10,000. Default 10. */
  readonly k?: number | undefined;
  /** Probes that are made of stored rows where no queries are given, 1 to 100,000. Default 256. */
  readonly sample?: number | undefined;
}

/** What `verify` measured: the recall, and the 95 % interval that it lies in. */
export type MeasuredRecall = MeasureReply;

/** An index that was just opened. */
export interface OpenedIndex<Info extends IndexSizes = IndexInfo> {
  readonly loaded: LoadedBackend;
  readonly handle: Handle;
  readonly info: Info;
}

/** Builds or opens an index in the core. */
export async function openIndex<Info extends IndexSizes = IndexInfo>(
  verb: "index.build" | "index.buildSparse" | "index.buildMulti" | "index.open",
  request: object,
  arrays: readonly BulkArray[],
  options: IndexOpenOptions,
  site: CallSite,
): Promise<OpenedIndex<Info>> {
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
  return { loaded, handle: opened(reply, verb), info: answer<Info>(reply) };
}

/** ERR_LIMIT unless it is a number of threads. */
export function checkThreads(threads: unknown, site: Site): void {
  integer(threads, "threads", 1, 1_024, site);
}

/** ERR_ARGUMENT when how hard to try is said in more than one way; `said` are the names of what was given. */
export function oneWay(said: readonly (string | false)[], site: Site): void {
  const ways = said.filter((name) => name !== false);
  if (ways.length < 2) return;
  const message = `\`${ways.join("` and `")}\` say the same thing in two ways`;
  throw argument(ways[1] as string, "one of them", ways.join(" and "), site, message);
}

/** The least inner product of a result; NaN where there is none. */
export function least(radius: number | undefined, site: Site): number {
  return radius === undefined ? Number.NaN : leastScore("dot", radius, site);
}

/** What a search of many queries is asked beside them. */
export interface BatchSettings {
  readonly effort: IndexEffort;
  readonly reading?: TokenReading | undefined;
  readonly patience?: number | undefined;
  /** The least score of a result. */
  readonly leastScore?: number | undefined;
}

/** An index of rows, without documents: values in, row numbers and scores out. */
export abstract class RowIndex<Info extends IndexSizes> implements AsyncDisposable, Disposable {
  /** Which core answers, and why that one. */
  readonly backend: Backend;
  /** The core's side. */
  protected readonly handle: Handle;
  /** What `tune` measured. */
  protected measured: readonly Curve[];
  /** Settings of the next search, by the places in `settings.ts`. */
  protected readonly settings = new Float64Array(at.COUNT);
  readonly #loaded: LoadedBackend;
  #rows = new Uint32Array(0);
  #scores = new Float32Array(0);
  #now: IndexNow;
  #closed = false;

  protected constructor({ loaded, handle, info }: OpenedIndex<Info>) {
    this.#loaded = loaded;
    this.handle = handle;
    this.backend = loaded.backend;
    this.measured = info.curves;
    this.#now = { size: info.size, state: info.state };
    this.settings[at.CARVE] = Number.NaN;
  }

  /** Rows that can be found. */
  get size(): number {
    return this.#now.size;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Removes rows; they are found no more. Their bytes are freed when a later `add` or `update` finds that a fifth of a
   * part is gone, or by {@link compact}.
   * @returns how many went, and which were not there
   */
  async remove(rows: Uint32Array | Iterable<number>, options: CallOptions = {}): Promise<RemovedRows> {
    const site = this.remove;
    const list = rowList(rows, site);
    return this.seen<IndexRemoveReply>(await this.call("remove", "{}", [list], options, site));
  }

  /**
   * Frees the bytes of removed rows, makes one part of all, and numbers the rows anew, in their order.
   * @returns old row to new row; `NO_ROW` where it was removed
   */
  async compact(options: IndexWorkOptions = {}): Promise<Uint32Array> {
    const reply = await this.work("compact", [], options, this.compact);
    this.seen<IndexCompactReply>(reply);
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
  async stats(options: CallOptions = {}): Promise<Info> {
    const info = answer<Info>(await this.call("stats", "{}", [], options, this.stats));
    this.#see(info);
    return info;
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

  /** Runs a verb that takes threads. */
  protected work(
    verb: string,
    arrays: readonly BulkArray[],
    options: IndexWorkOptions,
    site: Site,
  ): Promise<Reply> {
    const { threads } = options;
    if (threads !== undefined) checkThreads(threads, site);
    return this.call(verb, JSON.stringify({ threads }), arrays, options, site);
  }

  /** The answer of a verb that changes rows, without what it says of the index. */
  protected seen<T extends IndexNow>(reply: Reply): Omit<T, keyof IndexNow> {
    const { size, state, ...rest } = answer<T>(reply);
    this.#see({ size, state });
    return rest;
  }

  /** Answers may come in another order than what they tell of: the latest counts. */
  #see({ size, state }: IndexNow): void {
    if (state > this.#now.state) this.#now = { size, state };
  }

  /** What is stored of a row, as the core gives it; nothing where there is no such row. */
  protected stored(row: number, site: Site): readonly BulkArray[] {
    checkedRow(row, site, "row");
    return invokeSync(this.handle, "vector", JSON.stringify({ row }), [], site).arrays;
  }

  /** Many queries, off the calling thread where there are threads. */
  protected async batch(
    queries: readonly BulkArray[],
    k: number,
    options: BatchOptions<SearchOptions>,
    settings: BatchSettings,
    site: Site,
  ): Promise<BatchResult> {
    const { filter, exclude, timeLimitMs, threads } = options;
    const arrays = [...queries];
    if (filter !== undefined) arrays.push(checkedFilter(filter, site));
    if (exclude !== undefined) arrays.push(rowList(exclude, site, "exclude"));
    if (timeLimitMs !== undefined) checkLimit(timeLimitMs, site);
    if (threads !== undefined) checkThreads(threads, site);
    const request = JSON.stringify({
      k,
      filtered: filter !== undefined,
      excluded: exclude !== undefined,
      ...settings,
      timeLimitMs: timeLimitMs === undefined ? undefined : Math.ceil(timeLimitMs),
      threads,
    });
    const reply = await this.call("searchBatch", request, arrays, options, site);
    const { exact, complete, path, ...counters } = answer<IndexSearchReply>(reply);
    const [rows, scores] = reply.arrays as [Uint32Array, Float32Array];
    return { rows, scores, exact, complete, path, counters };
  }

  /**
   * One search: settings in, results out, and no allocation but for the results. What only some indexes have stands in
   * the settings already.
   */
  protected find(
    query: Components,
    k: number,
    options: SearchOptions,
    row: number,
    least: number,
    site: Site,
  ): SearchResult {
    if (!(k >= 1 && k <= K_MAX && Number.isInteger(k))) integer(k, "k", 1, K_MAX, site);
    const { into, filter, exclude, timeLimitMs } = options;
    const settings = this.settings;
    if (timeLimitMs !== undefined) checkLimit(timeLimitMs, site);
    settings[at.LEAST_SCORE] = least;
    settings[at.TIME_LIMIT_MS] = timeLimitMs === undefined ? 0 : Math.ceil(timeLimitMs);
    settings[at.ROW] = row;
    if (filter !== undefined) checkedFilter(filter, site);
    const left = exclude === undefined ? undefined : rowList(exclude, site, "exclude");
    const length = into === undefined ? Math.max(1, Math.min(k, this.#now.size)) : k;
    if (into !== undefined) checkInto(into, k, site);
    const copied = into === undefined && length <= COPIED_MAX;
    if (copied && this.#rows.length < length) this.#grow(length);
    const rows = copied ? this.#rows : (into?.rows ?? new Uint32Array(length));
    const scores = copied ? this.#scores : (into?.scores ?? new Float32Array(length));
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
    return options.counters === true ? { ...result, counters: this.#counters() } : result;
  }

  #counters(): SearchCounters {
    const of = (place: number) => this.settings[place] as number;
    return {
      distances: of(at.DISTANCES),
      hops: of(at.HOPS),
      postings: of(at.POSTINGS),
      blocksBounded: of(at.BLOCKS_BOUNDED),
      blocksScored: of(at.BLOCKS_SCORED),
    };
  }

  /** Measures a curve and keeps it. */
  protected async tuned(queries: readonly BulkArray[], options: TuneOptions, site: Site): Promise<Curve> {
    const { k = 10, target = 0.999, sample = SAMPLE, threads } = options;
    if (!(typeof target === "number" && target > 0 && target <= 1)) {
      throw outside(target, "target", "a number above 0, up to 1", site);
    }
    checkMeasure(k, sample, threads, site);
    const request = JSON.stringify({ k, target, sample, threads });
    const curve = answer<Curve>(await this.call("tune", request, queries, options, site));
    this.measured = [...this.measured.filter((one) => one.k !== k), curve].sort((a, b) => a.k - b.k);
    return curve;
  }

  /** Measures the recall of an effort, of which is said what it is for a `k`. */
  protected async verified(
    queries: readonly BulkArray[],
    options: MeasureSettings,
    effortFor: (k: number) => IndexEffort,
    site: Site,
  ): Promise<MeasuredRecall> {
    const { k = 10, sample = SAMPLE, threads } = options;
    checkMeasure(k, sample, threads, site);
    const request = JSON.stringify({ k, sample, effort: effortFor(k), threads });
    return answer(await this.call("verify", request, queries, options, site));
  }

  #grow(length: number): void {
    const room = Math.min(COPIED_MAX, Math.max(16, length * 2));
    this.#rows = new Uint32Array(room);
    this.#scores = new Float32Array(room);
  }
}

function checkMeasure(k: unknown, sample: unknown, threads: unknown, site: Site): void {
  integer(k, "k", 1, MEASURED_MAX, site);
  integer(sample, "sample", 1, 100_000, site);
  if (threads !== undefined) checkThreads(threads, site);
}

/** ERR_LIMIT unless it is a recall. */
export function checkRecall(recall: unknown, site: Site): void {
  if (typeof recall === "number" && recall > 0 && recall <= 1) return;
  throw outside(recall, "recall", "a number above 0, up to 1", site);
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
