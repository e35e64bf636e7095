/** The flat index: every vector is compared with the query, so its answers are exact. */
import { type Backend, type BackendChoice, type LoadedBackend, loadBackend } from "./backend.js";
import type { BulkArray, Handle, Reply } from "./binding.js";
import { answer, type CallOptions, invoke, invokeSync, type LongCallOptions, opened } from "./call.js";
import { type CallSite, callSite, fromWire, located, type Site, shown, TercetError } from "./errors.js";
import type {
  IndexAddReply,
  IndexCompactReply,
  IndexInfo,
  IndexRemoveReply,
  MetricName,
} from "./wire/index.js";

/** Stands where there is no row: in padded results, and for removed rows in the map of `compact`. */
export const NO_ROW = 0xffff_ffff;

/** The most neighbours one search gives. */
const K_MAX = 100_000;

/** How to load the core. */
export interface IndexOpenOptions extends LongCallOptions {
  /** The core to use. Default: what TERCET_BACKEND says, else native where it loads, else wasm. */
  readonly backend?: BackendChoice | undefined;
}

/** How to build an index. */
export interface FlatOptions extends IndexOpenOptions {
  /** Components a vector, 1 to 65,535. */
  readonly dims: number;
  /** How vectors are compared; scores are higher for nearer ones. Default `cosine` (zero vectors are refused). */
  readonly metric?: MetricName | undefined;
}

/** A set of rows as bits: bit `row % 32` of word `row / 32`. Made by {@link rowSet}. */
export type RowSet = Uint32Array;

/**
 * The set of these rows, to search among them only.
 * @param rows row numbers, in any order
 * @throws TercetError ERR_ARGUMENT for what is no row number
 */
export function rowSet(rows: Iterable<number>): RowSet {
  const list = Array.from(rows, (row) => checkedRow(row));
  let last = -1;
  for (const row of list) last = Math.max(last, row);
  const words = new Uint32Array((last + 32) >>> 5);
  for (const row of list) words[row >>> 5] = (words[row >>> 5] as number) | (1 << (row & 31));
  return words;
}

/** Rows and their scores, best first. Equal scores: lower row first. */
export interface SearchResult {
  /** Row numbers. */
  readonly rows: Uint32Array;
  /** Cosine, inner product, or minus the squared Euclidean distance. Higher is nearer. */
  readonly scores: Float32Array;
}

/** Settings of one search. */
export interface SearchOptions {
  /**
   * Arrays to write into, each at least `k` long, to be used again and again. The result's arrays are views of them.
   * Default: fresh ones.
   */
  readonly into?: SearchResult | undefined;
  /** Rows that may be returned; others are not scored. Default: all. */
  readonly filter?: RowSet | undefined;
}

/** The rows that `add` gave out: `first`, `first + 1`, ..., `count` of them. */
export type AddedRows = IndexAddReply;

/** What `remove` did. */
export type RemovedRows = IndexRemoveReply;

/** An exact index: search compares the query with every vector. O(n * dims) a query, no build time. */
export class FlatIndex implements AsyncDisposable, Disposable {
  /** Components a vector. */
  readonly dims: number;
  /** How vectors are compared. */
  readonly metric: MetricName;
  /** Which core answers, and why that one. */
  readonly backend: Backend;
  readonly #loaded: LoadedBackend;
  readonly #handle: Handle;
  #size: number;
  #closed = false;

  private constructor(loaded: LoadedBackend, handle: Handle, info: IndexInfo) {
    this.#loaded = loaded;
    this.#handle = handle;
    this.backend = loaded.backend;
    this.dims = info.dims;
    this.metric = info.metric;
    this.#size = info.size;
  }

  /**
   * Builds an index over vectors; their row numbers are their positions.
   * @param vectors n x dims components, row-major; may be empty. They are copied.
   * @throws TercetError ERR_DIMENSION (not a multiple of dims), ERR_NOT_FINITE, ERR_ZERO_VECTOR (both name the row in
   * `position`), ERR_LIMIT, ERR_MEMORY
   */
  static async build(vectors: Float32Array, options: FlatOptions): Promise<FlatIndex> {
    const site = callSite(FlatIndex.build);
    const { dims, metric = "cosine" } = options;
    floats(vectors, "vectors", site);
    integer(dims, "dims", 1, 65_535, site);
    const request = JSON.stringify({ dims, metric, index: { kind: "flat" } });
    return FlatIndex.#open("index.build", request, [vectors], options, site);
  }

  /**
   * Opens an index that {@link save} wrote, on either backend.
   * @throws TercetError ERR_NOT_FOUND, ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<FlatIndex> {
    const site = callSite(FlatIndex.open);
    const request = JSON.stringify({ path, index: { kind: "flat" } });
    return FlatIndex.#open("index.open", request, [], options, site);
  }

  static async #open(
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    options: IndexOpenOptions,
    site: CallSite,
  ): Promise<FlatIndex> {
    const loaded = await loadBackend(options.backend);
    const { binding } = loaded;
    const reply = await invoke({ binding, handle: binding.root, verb, request, arrays, options, site });
    return new FlatIndex(loaded, opened(reply, verb), answer<IndexInfo>(reply));
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
   * @param query `dims` components
   * @param k 1 to 100,000; fewer come back when the index has fewer
   * @returns fresh arrays, or views of `into`
   * @throws TercetError ERR_DIMENSION, ERR_NOT_FINITE, ERR_ZERO_VECTOR, ERR_LIMIT, ERR_ARGUMENT, ERR_CLOSED
   */
  search(query: Float32Array, k: number, options?: SearchOptions): SearchResult {
    if (!(query instanceof Float32Array)) floats(query, "query", this.search);
    if (!(k >= 1 && k <= K_MAX && Number.isInteger(k))) integer(k, "k", 1, K_MAX, this.search);
    if (options?.filter !== undefined) return this.#filtered(query, k, options.filter, options.into);
    const into = options?.into;
    const length = into === undefined ? Math.max(1, Math.min(k, this.#size)) : k;
    const rows = into?.rows ?? new Uint32Array(length);
    const scores = into?.scores ?? new Float32Array(length);
    if (into !== undefined) this.#checkInto(into, k);
    const found = this.#handle.searchInto(query, length, rows, scores);
    if (found < 0) throw fromWire(this.#handle.lastError(), this.search);
    if (found === rows.length && found === scores.length) return { rows, scores };
    return { rows: rows.subarray(0, found), scores: scores.subarray(0, found) };
  }

  /**
   * The `k` nearest rows of many queries, off the calling thread where there are threads.
   * @param queries n x dims components, row-major
   * @param k 1 to 100,000
   * @returns n x k rows and scores, row-major; padded with {@link NO_ROW} and -Infinity where there are fewer
   * @throws TercetError as `search`; `position` is the query
   */
  async searchBatch(
    queries: Float32Array,
    k: number,
    options: LongCallOptions & { readonly filter?: RowSet | undefined } = {},
  ): Promise<SearchResult> {
    const site = this.searchBatch;
    floats(queries, "queries", site);
    integer(k, "k", 1, K_MAX, site);
    const { filter } = options;
    const arrays = filter === undefined ? [queries] : [queries, filter];
    const request = JSON.stringify({ k, filtered: filter !== undefined });
    return pairOf(await this.#call("searchBatch", request, arrays, options, site));
  }

  /**
   * Adds vectors.
   * @param vectors n x dims components, row-major
   * @returns their rows, `first` to `first + count - 1`; stable, and never given again before {@link compact}
   * @throws TercetError as `build`; nothing is added then
   */
  async add(vectors: Float32Array, options: LongCallOptions = {}): Promise<AddedRows> {
    const site = this.add;
    floats(vectors, "vectors", site);
    const added = answer<IndexAddReply>(await this.#call("add", "{}", [vectors], options, site));
    this.#size += added.count;
    return added;
  }

  /**
   * Removes rows; they are found no more, and their bytes are freed by {@link compact}.
   * @returns how many went, and which were not there
   */
  async remove(rows: Uint32Array | Iterable<number>, options: CallOptions = {}): Promise<RemovedRows> {
    const site = this.remove;
    const list = rows instanceof Uint32Array ? rows : Uint32Array.from(rows, (row) => checkedRow(row, site));
    const removed = answer<IndexRemoveReply>(await this.#call("remove", "{}", [list], options, site));
    this.#size -= removed.removed;
    return removed;
  }

  /**
   * Frees the bytes of removed rows and numbers the others anew, in their order.
   * @returns old row to new row; {@link NO_ROW} where it was removed
   */
  async compact(options: LongCallOptions = {}): Promise<Uint32Array> {
    const reply = await this.#call("compact", "{}", [], options, this.compact);
    this.#size = answer<IndexCompactReply>(reply).rows;
    return reply.arrays[0] as Uint32Array;
  }

  /**
   * Writes the index as one file; an older one is replaced at once or not at all.
   * @throws TercetError ERR_IO, ERR_UNSUPPORTED where there are no files
   */
  async save(path: string, options: LongCallOptions = {}): Promise<void> {
    await this.#call("save", JSON.stringify({ path }), [], options, this.save);
  }

  /** Sizes in rows and bytes. */
  async stats(options: CallOptions = {}): Promise<IndexInfo> {
    return answer(await this.#call("stats", "{}", [], options, this.stats));
  }

  /** Frees it. May be called twice; everything else then fails with ERR_CLOSED. Nothing is saved. */
  close(): void {
    this.#closed = true;
    this.#handle.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #filtered(query: Float32Array, k: number, filter: RowSet, into: SearchResult | undefined): SearchResult {
    const site = this.search;
    if (into !== undefined) this.#checkInto(into, k);
    const request = JSON.stringify({ k, filtered: true });
    const padded = pairOf(invokeSync(this.#handle, "searchBatch", request, [query, filter], site));
    const end = padded.rows.indexOf(NO_ROW);
    const found = end < 0 ? padded.rows.length : end;
    const rows = padded.rows.subarray(0, found);
    const scores = padded.scores.subarray(0, found);
    if (into === undefined) return { rows, scores };
    into.rows.set(rows);
    into.scores.set(scores);
    return { rows: into.rows.subarray(0, found), scores: into.scores.subarray(0, found) };
  }

  #checkInto(into: SearchResult, k: number): void {
    const { rows, scores } = into;
    const fits = rows instanceof Uint32Array && scores instanceof Float32Array;
    if (fits && rows.length >= k && scores.length >= k) return;
    const expected = `a Uint32Array and a Float32Array of at least ${k} elements`;
    const found = fits
      ? `${rows.length} and ${scores.length} elements`
      : `${shown(rows)} and ${shown(scores)}`;
    const error = new TercetError("ERR_ARGUMENT", `\`into\` must be ${expected}, found ${found}`, {
      field: "into",
      expected,
      found,
    });
    throw located(error, this.search);
  }

  #call(verb: string, request: string, arrays: readonly BulkArray[], options: LongCallOptions, site: Site) {
    const { binding } = this.#loaded;
    return invoke({ binding, handle: this.#handle, verb, request, arrays, options, site });
  }
}

function pairOf(reply: Reply): SearchResult {
  return { rows: reply.arrays[0] as Uint32Array, scores: reply.arrays[1] as Float32Array };
}

function floats(value: unknown, name: string, site: Site): void {
  if (value instanceof Float32Array) return;
  const error = new TercetError("ERR_TYPE", `\`${name}\` must be a Float32Array, found ${shown(value)}`, {
    field: name,
    expected: "a Float32Array",
    found: shown(value),
  });
  throw located(error, site);
}

function integer(value: unknown, name: string, low: number, high: number, site: Site): void {
  if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return;
  const expected = `an integer from ${low} to ${high}`;
  const error = new TercetError("ERR_LIMIT", `\`${name}\` must be ${expected}, found ${shown(value)}`, {
    field: name,
    expected,
    found: shown(value),
  });
  throw located(error, site);
}

function checkedRow(row: unknown, site?: Site): number {
  if (Number.isInteger(row) && (row as number) >= 0 && (row as number) < NO_ROW) return row as number;
  const expected = "a row number";
  const error = new TercetError("ERR_ARGUMENT", `\`rows\` must hold row numbers, found ${shown(row)}`, {
    field: "rows",
    expected,
    found: shown(row),
  });
  throw located(error, site);
}
