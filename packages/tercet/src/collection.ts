/**
 * Collections: documents in, documents out.
 *
 * The interface carries the types, the class behind it none: requests go to the core as JSON in the wire types, and
 * the core checks them against the schema.
 */
import type { Backend } from "./backend.js";
import type { Binding, Handle, Reply } from "./binding.js";
import { answer, type CallOptions, invoke, invokeSync, type LongCallOptions } from "./call.js";
import { Decoder } from "./decode.js";
import { checkedId, Encoder, integerArgument, textArgument } from "./encode.js";
import { type CallSite, callSite, located, type Site, shown, TercetError } from "./errors.js";
import { type Source, type UpsertOptions, upsertAll } from "./ingest.js";
import type { IntervalSync } from "./interval.js";
import { sampleRequest } from "./measure.js";
import type { FieldsOf, InferInput, Schema, Where } from "./schema.js";
import type {
  DefaultFields,
  GetOptions,
  Got,
  MeasureOptions,
  PageOf,
  SearchRequest,
  TuneOptions,
} from "./types.js";
import type {
  CommitReply,
  CompactReply,
  CountReply,
  Curve,
  ExportReply,
  FlushReply,
  GetReply,
  Id,
  MeasureReply,
  OpenReply,
  Recovered,
  RefreshReply,
  RemoveReply,
  SearchReply,
  StatsReply,
  TagReply,
  UntagReply,
  VerifyReply,
  VersionInfo,
  VersionsReply,
} from "./wire/index.js";

/**
 * An open collection. Made by {@link open}.
 *
 * Every verb fails with a {@link TercetError}: ERR_CLOSED after {@link close}, ERR_ABORTED when its signal was
 * aborted, and as its own comment says. A verb that fails has changed nothing (see {@link upsert} for streams). Damage
 * on the disk is ERR_CORRUPT with the file and the section, from the verb that met it; {@link verify} finds all of it.
 * What is open for reading refuses verbs that write with ERR_UNSUPPORTED.
 *
 * With `durability: { intervalMs }` a sync that runs between two verbs may fail. The next verb then rejects with its
 * error, once, and has done nothing; {@link flush} writes what that sync could not.
 */
export interface Collection<S extends Schema = Schema> extends AsyncDisposable, Disposable {
  /** The folder, the snapshot's file, or `:memory:`; empty for a snapshot opened from bytes. */
  readonly path: string;
  /** The fields, as they are stored. */
  readonly schema: S;
  /** Which core answers, and why that one. */
  readonly backend: Backend;
  /** Whether verbs that write are refused: opened with `readOnly` or a `version`, or a snapshot. */
  readonly readOnly: boolean;
  /** The version that was seen last: by `open`, {@link refresh}, {@link flush}, {@link tag} or {@link stats}. */
  readonly version: number;
  /**
   * What was replayed from the log of a writer that died or was cut off: every batch that had been resolved, and at most
   * one that had not. Absent when the last writer closed.
   */
  readonly recovered?: Recovered;
  /** Whether it was closed. */
  readonly closed: boolean;

  /**
   * Writes documents; one whose id is already there replaces the old one.
   *
   * An array is one atomic batch: all of it is written or nothing. Any other source (iterable, async iterable, web
   * stream) is cut into batches of `batchSize`, each atomic; when one fails, `error.committed` counts the documents of
   * those before. Errors of the source itself come through unchanged. Do not change documents while they are written.
   *
   * In a folder a batch is durable when it resolves: a process that is killed or a power cut at any moment afterwards
   * does not lose it. (With `durability: { intervalMs }` the power cut may, for that long.) It waits while merges have to
   * catch up, instead of growing without bound.
   * @returns how many documents were written, and how many of them replaced an older one
   * @throws TercetError with `position`, `id` and `field`: ERR_FIELD, ERR_REQUIRED, ERR_TYPE, ERR_NOT_FINITE,
   * ERR_DIMENSION, ERR_ZERO_VECTOR, ERR_ID, ERR_DUPLICATE_ID (twice in one batch), ERR_ENCODING; ERR_LIMIT, ERR_MEMORY
   */
  upsert(documents: Source<InferInput<S>>, options?: UpsertOptions): Promise<CommitReply>;

  /**
   * Reads a document by its id: every field, vectors too, unless `select` names some.
   * @returns the document; `undefined` where there is none
   */
  get<const Select extends FieldsOf<S> | "id" = never>(
    id: Id,
    options?: GetOptions<Select>,
  ): Promise<Got<S, Select>>;
  /** Reads several documents, in the order of the ids; `undefined` where there is none. */
  get<const Select extends FieldsOf<S> | "id" = never>(
    ids: readonly Id[],
    options?: GetOptions<Select>,
  ): Promise<Got<S, Select>[]>;

  /** Removes documents by id; ids that are not there are no error. Gives how many went. */
  remove(ids: Id | readonly Id[], options?: CallOptions): Promise<RemoveReply>;

  /**
   * Removes every document that matches; the filter is required, and `{}` removes all. Gives how many went.
   * @example await papers.removeWhere({ year: { lt: 1900 } });
   */
  removeWhere(where: Where<S>, options?: CallOptions): Promise<RemoveReply>;

  /**
   * Ranks documents by a query, best first.
   * @throws TercetError ERR_QUERY, ERR_FILTER, ERR_FIELD, ERR_LIMIT, ERR_DIMENSION, ERR_NOT_FINITE, ERR_ZERO_VECTOR
   * @example
   * const page = await papers.search({ query: match("boundary layer"), where: { year: { gte: 1960 } }, limit: 5 });
   * for (const { document, score } of page.hits) console.log(score, document.title);
   */
  search<
    const Select extends FieldsOf<S> | "id" = DefaultFields<S>,
    const Highlight extends FieldsOf<S, "text"> = never,
  >(request: SearchRequest<S, Select, Highlight>): Promise<PageOf<S, Select, Highlight>>;

  /** Counts the documents that match; all of them without a filter. */
  count(where?: Where<S>, options?: CallOptions): Promise<number>;

  /**
   * Writes everything as segments and empties the log, so that the next `open` has nothing to replay. Batches are durable
   * without it. Nothing to do for `:memory:`.
   * @returns the version that holds everything
   */
  flush(options?: LongCallOptions): Promise<FlushReply>;

  /**
   * Makes every commit so far durable now. Of use with `durability: { intervalMs }` only: with `"commit"` there is nothing
   * left to do. One sync of the log, no segment is written.
   */
  sync(options?: CallOptions): Promise<void>;

  /**
   * Merges the segments into one, drops versions without a tag or a reader, and frees the bytes of removed documents on
   * the disk. Needs free space for one more copy of what is live.
   */
  compact(options?: LongCallOptions): Promise<CompactReply>;

  /**
   * Reads every byte of every file again: checksums, and the structure behind them. Changes nothing; {@link repair} does.
   * @returns all that is wrong, with file and section; `problems` is empty when all is well
   */
  verify(options?: LongCallOptions): Promise<VerifyReply>;

  /**
   * Measures recall and cost of a field of vectors for a ladder of efforts, against exact searches, and keeps the curve with
   * the collection: `near(field, vector, { recall: 0.95 })`, `expand` and `maxsim` search by it, counting on the measured
   * recall less two standard errors (of few queries more). Without queries it searches for probes, which are farther from the
   * data than the data is from itself; queries unlike even these (other texts, another language) need to be given. Measure
   * again when queries have changed ({@link measure} tells), and when there are more than twice as many documents: a `recall`
   * is then refused (ERR_ARGUMENT). Also flushes. Takes an exact search a query and several others.
   * @example await papers.tune("vector", { queries: samples });
   */
  tune(field: FieldsOf<S, "dense" | "sparse" | "multi">, options?: TuneOptions): Promise<Curve>;

  /**
   * Measures the recall that searches of a field of vectors have now, against exact searches: the share of the true nearest
   * that is found, with its 95 % interval. Changes nothing. (`verify` is another thing: it checks checksums.)
   * @example const { recall, low, high } = await papers.measure("vector", { recall: 0.95 });
   */
  measure(field: FieldsOf<S, "dense" | "sparse" | "multi">, options?: MeasureOptions): Promise<MeasureReply>;

  /** Sizes on disk and in memory, by field and by segment. */
  stats(options?: CallOptions): Promise<StatsReply>;

  /**
   * Sees what a writer has committed since: in a collection that is open for reading. A search that began before is not
   * changed by it. With `refreshMs` it happens by itself.
   * @returns whether there was anything new, and the version that is seen now
   */
  refresh(options?: CallOptions): Promise<RefreshReply>;

  /**
   * The versions that can be opened (`open(path, { version })`), oldest first. A version is kept while it is tagged or a
   * reader has it open, and for `retainMs` after a newer one replaced it.
   */
  versions(options?: CallOptions): Promise<VersionInfo[]>;

  /**
   * Flushes, and gives that version a name: it stays until {@link untag}, with the bytes that it needs. A tag that is
   * there already moves.
   * @param name 1 to 200 bytes, not a number
   * @throws TercetError ERR_ARGUMENT, ERR_UNSUPPORTED
   * @example
   * await papers.tag("before-the-import");
   * const then = await open("./papers", { version: "before-the-import" });
   */
  tag(name: string, options?: LongCallOptions): Promise<TagReply>;

  /** Takes a tag away; `removed` is false when there was none. The bytes go with the next {@link compact} or `close`. */
  untag(name: string, options?: CallOptions): Promise<UntagReply>;

  /**
   * Writes the collection as it is now into ONE read-only file, which `open` takes as a path or as bytes, on every
   * backend, and `importSnapshot` makes a folder of. Also a consistent backup beside running writes.
   * @param path a file that is not there yet. A failure or an abort leaves none; one that a crash cut short is refused when
   * it is opened
   * @throws TercetError ERR_EXISTS, ERR_ARGUMENT, ERR_IO
   * @example await papers.exportSnapshot("papers.tercet");
   */
  exportSnapshot(path: string, options?: LongCallOptions): Promise<ExportReply>;
  /**
   * The same snapshot as bytes, held in memory: to be uploaded, or sent to a worker.
   * @example await bucket.put("papers.tercet", await papers.exportSnapshot());
   */
  exportSnapshot(options?: LongCallOptions): Promise<Uint8Array>;

  /**
   * Writes everything and closes: the next `open` has nothing to replay. Open for reading, it gives the version free that
   * it held. May be called twice; every other verb then fails with ERR_CLOSED.
   */
  close(): Promise<void>;

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** As {@link close}, for `using`; blocks until all is written. */
  [Symbol.dispose](): void;
}

/** What `open` found. */
export interface Opened {
  readonly binding: Binding;
  readonly backend: Backend;
  readonly handle: Handle;
  readonly path: string;
  readonly reply: OpenReply;
  /** What makes commits durable later; absent where they are when they resolve. */
  readonly interval?: IntervalSync | undefined;
}

/** A collection as `open` makes it. */
export function makeCollection<S extends Schema>(opened: Opened): Collection<S> {
  return new CoreCollection(opened) as unknown as Collection<S>;
}

type Untyped = Record<string, unknown>;
interface SearchArguments extends Untyped {
  readonly query?: Untyped;
  readonly signal?: AbortSignal;
}

class CoreCollection {
  readonly path: string;
  readonly schema: Schema;
  readonly backend: Backend;
  readonly readOnly: boolean;
  declare readonly recovered?: Recovered;
  readonly #binding: Binding;
  readonly #handle: Handle;
  readonly #interval: IntervalSync | undefined;
  readonly #decoder: Decoder;
  readonly #denseFields: ReadonlySet<string>;
  #version: number;
  #closing: Promise<void> | undefined;

  constructor(opened: Opened) {
    const { schema, readOnly, version, recovered } = opened.reply;
    this.path = opened.path;
    this.schema = schema.fields;
    this.backend = opened.backend;
    this.readOnly = readOnly;
    if (recovered != null) this.recovered = recovered;
    this.#binding = opened.binding;
    this.#handle = opened.handle;
    this.#interval = opened.interval;
    this.#version = version;
    this.#decoder = new Decoder(this.schema);
    const names = Object.keys(this.schema);
    this.#denseFields = new Set(
      names.filter((name) => ["dense", "multi"].includes(this.schema[name]?.type ?? "")),
    );
  }

  get version(): number {
    return this.#version;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  async upsert(documents: unknown, options: UpsertOptions = {}): Promise<CommitReply> {
    const site = callSite(this.upsert);
    this.#assertReady(site);
    const target = {
      binding: this.#binding,
      handle: this.#handle,
      denseFields: this.#denseFields,
      assertOpen: () => this.#assertOpen(site),
      committed: () => this.#interval?.committed(),
    };
    return upsertAll(target, documents, options, site);
  }

  async get(ids: unknown, options: GetOptions = {}): Promise<unknown> {
    const many = Array.isArray(ids);
    const request = encoded(this.get, () => ({ ids: idList(ids), select: options.select }));
    const reply = await this.#call("get", JSON.stringify(request), [], options, this.get);
    const documents = answer<GetReply>(reply).documents.map((document) =>
      document === null ? undefined : this.#decoder.document(document, reply.arrays),
    );
    return many ? documents : documents[0];
  }

  async remove(ids: unknown, options: CallOptions = {}): Promise<RemoveReply> {
    const request = encoded(this.remove, () => ({ ids: idList(ids) }));
    const reply = await this.#call("remove", JSON.stringify(request), [], options, this.remove);
    this.#interval?.committed();
    return answer(reply);
  }

  async removeWhere(where: unknown, options: CallOptions = {}): Promise<RemoveReply> {
    const request = encoded(this.removeWhere, () => filterRequest(where));
    const reply = await this.#call("removeWhere", JSON.stringify(request), [], options, this.removeWhere);
    this.#interval?.committed();
    return answer(reply);
  }

  async search(request: SearchArguments): Promise<unknown> {
    const encoder = new Encoder();
    const wire = encoded(this.search, () => searchRequest(request, encoder));
    const options = { signal: request.signal };
    const reply = await this.#call("search", JSON.stringify(wire), encoder.arrays, options, this.search);
    const page = answer<SearchReply>(reply);
    const scores = reply.arrays[0] as Float32Array;
    const hits = page.hits.map((hit, i) => ({
      id: hit.id,
      score: scores[i] as number,
      document: this.#decoder.document(withId(hit.document, hit.id), reply.arrays),
      highlights: hit.highlights ?? {},
      ...(hit.explain === undefined ? undefined : { explain: hit.explain }),
    }));
    return { ...page, complete: page.complete ?? true, hits };
  }

  async count(where?: unknown, options: CallOptions = {}): Promise<number> {
    const request = encoded(this.count, () => filterRequest(where));
    return answer<CountReply>(await this.#call("count", JSON.stringify(request), [], options, this.count))
      .count;
  }

  async flush(options: LongCallOptions = {}): Promise<FlushReply> {
    return this.#seen(await this.#call("flush", "{}", [], options, this.flush));
  }

  async sync(options: CallOptions = {}): Promise<void> {
    await this.#call("sync", "{}", [], options, this.sync);
  }

  async compact(options: LongCallOptions = {}): Promise<CompactReply> {
    return answer(await this.#call("compact", "{}", [], options, this.compact));
  }

  async verify(options: LongCallOptions = {}): Promise<VerifyReply> {
    return answer(await this.#call("verify", "{}", [], options, this.verify));
  }

  async tune(field: unknown, options: TuneOptions = {}): Promise<Curve> {
    const { request, arrays } = encoded(this.tune, () =>
      sampleRequest(field, this.schema[field as string], options),
    );
    return answer(await this.#call("tune", request, arrays, options, this.tune));
  }

  async measure(field: unknown, options: MeasureOptions = {}): Promise<MeasureReply> {
    const { request, arrays } = encoded(this.measure, () =>
      sampleRequest(field, this.schema[field as string], options),
    );
    return answer(await this.#call("measure", request, arrays, options, this.measure));
  }

  async stats(options: CallOptions = {}): Promise<StatsReply> {
    return this.#seen(await this.#call("stats", "{}", [], options, this.stats));
  }

  async refresh(options: CallOptions = {}): Promise<RefreshReply> {
    return this.#seen(await this.#call("refresh", "{}", [], options, this.refresh));
  }

  async versions(options: CallOptions = {}): Promise<VersionInfo[]> {
    return answer<VersionsReply>(await this.#call("versions", "{}", [], options, this.versions)).versions;
  }

  async tag(name: unknown, options: LongCallOptions = {}): Promise<TagReply> {
    const request = encoded(this.tag, () => ({ name: textArgument(name, "name", "a tag") }));
    return this.#seen(await this.#call("tag", JSON.stringify(request), [], options, this.tag));
  }

  async untag(name: unknown, options: CallOptions = {}): Promise<UntagReply> {
    const request = encoded(this.untag, () => ({ name: textArgument(name, "name", "a tag") }));
    return answer(await this.#call("untag", JSON.stringify(request), [], options, this.untag));
  }

  async exportSnapshot(to?: unknown, options?: LongCallOptions): Promise<ExportReply | Uint8Array> {
    const site = this.exportSnapshot;
    const toMemory = to === undefined || (typeof to === "object" && to !== null);
    const request = toMemory ? {} : encoded(site, () => ({ path: textArgument(to, "path", "a file") }));
    const given = toMemory ? ((to ?? options) as LongCallOptions | undefined) : options;
    const reply = await this.#call("export", JSON.stringify(request), [], given ?? {}, site);
    return toMemory ? (reply.arrays[0] as Uint8Array) : answer<ExportReply>(reply);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(callSite(this.close));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.dispose](): void {
    if (this.closed) return;
    this.#closing = Promise.resolve();
    this.#interval?.stop();
    const site = callSite(this[Symbol.dispose]);
    try {
      if (!this.readOnly) invokeSync(this.#handle, "close", "{}", [], site);
    } catch (error) {
      if (!isClosed(error)) throw error;
    } finally {
      this.#handle.close();
    }
    this.#assertSynced(site);
  }

  async #close(site: CallSite): Promise<void> {
    const handle = this.#handle;
    this.#interval?.stop();
    try {
      if (!this.readOnly)
        await invoke({ binding: this.#binding, handle, verb: "close", request: "{}", site });
    } catch (error) {
      // The core closes a handle by itself after a defect; what was wrong has been said then.
      if (!isClosed(error)) throw error;
    } finally {
      handle.close();
    }
    this.#assertSynced(site);
  }

  async #call(
    verb: string,
    request: string,
    arrays: Encoder["arrays"],
    options: LongCallOptions,
    site: Site,
  ) {
    this.#assertReady(site);
    return invoke({ binding: this.#binding, handle: this.#handle, verb, request, arrays, options, site });
  }

  /** The answer of a verb that says which version it saw. */
  #seen<T extends { readonly version: number }>(reply: Reply): T {
    const said = answer<T>(reply);
    this.#version = said.version;
    return said;
  }

  #assertReady(site: Site): void {
    this.#assertOpen(site);
    this.#assertSynced(site);
  }

  /** Fails when a sync between two verbs has failed. */
  #assertSynced(site: Site): void {
    const failure = this.#interval?.takeFailure();
    if (failure !== undefined) throw located(failure, site);
  }

  #assertOpen(site: Site): void {
    if (!this.closed) return;
    const name = this.path === "" ? "" : ` \`${this.path}\``;
    throw located(new TercetError("ERR_CLOSED", `the collection${name} is closed`), site);
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof TercetError && error.code === "ERR_CLOSED";
}

/** Runs an encoding step; its errors get the caller's stack. */
function encoded<T>(site: Site, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}

function idList(ids: unknown): unknown[] {
  return Array.isArray(ids) ? Array.from(ids, checkedId) : [checkedId(ids)];
}

function filterRequest(where: unknown): Untyped {
  return where === undefined ? {} : { where: new Encoder().value(where, "where", 0) };
}

function withId(document: Record<string, unknown>, id: Id): Record<string, unknown> {
  return "id" in document ? document : { id, ...document };
}

/** The wire form of a search request: everything but the signal, vectors in the encoder's arrays. */
function searchRequest(request: SearchArguments, encoder: Encoder): Untyped {
  if (typeof request !== "object" || request === null) {
    const found = shown(request);
    throw new TercetError("ERR_ARGUMENT", `search takes a request, found ${found}`, { found });
  }
  const { signal: _, query, ...rest } = request;
  integerArgument(rest.limit, "limit");
  integerArgument(rest.offset, "offset");
  return { ...(encoder.value(rest, "request", 0) as Untyped), query: encoder.query(query) };
}
