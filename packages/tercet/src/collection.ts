/**
 * Collections: documents in, documents out.
 *
 * The interface carries the types, the class behind it none: requests go to the core as JSON in the wire types, and
 * the core checks them against the schema.
 */
import type { Backend } from "./backend.js";
import type { Binding, Handle } from "./binding.js";
import { answer, type CallOptions, invoke, invokeSync, type LongCallOptions } from "./call.js";
import { Decoder } from "./decode.js";
import { checkedId, Encoder, integerArgument } from "./encode.js";
import { type CallSite, callSite, located, type Site, shown, TercetError } from "./errors.js";
import { type Source, type UpsertOptions, upsertAll } from "./ingest.js";
import type { FieldsOf, InferInput, Schema, Where } from "./schema.js";
import type { DefaultFields, GetOptions, Got, PageOf, SearchRequest } from "./types.js";
import type {
  CommitReply,
  CompactReply,
  CountReply,
  GetReply,
  Id,
  RemoveReply,
  SearchReply,
  StatsReply,
  VerifyReply,
} from "./wire/index.js";

/**
 * An open collection. Made by {@link open}.
 *
 * Every verb fails with a {@link TercetError}: ERR_CLOSED after {@link close}, ERR_ABORTED when its signal was
 * aborted, and as its own comment says. A verb that fails has changed nothing (see {@link upsert} for streams).
 */
export interface Collection<S extends Schema = Schema> extends AsyncDisposable, Disposable {
  /** The folder, or `:memory:`. */
  readonly path: string;
  /** The fields, as they are stored. */
  readonly schema: S;
  /** Which core answers, and why that one. */
  readonly backend: Backend;
  /** Whether it was closed. */
  readonly closed: boolean;

  /**
   * Writes documents; one whose id is already there replaces the old one.
   *
   * An array is one atomic batch: all of it is written or nothing. Any other source (iterable, async iterable, web
   * stream) is cut into batches of `batchSize`, each atomic; when one fails, `error.committed` counts the documents of
   * those before. Errors of the source itself come through unchanged. Do not change documents while they are written.
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

  /** Writes everything to disk as segments. Nothing to do for `:memory:`. */
  flush(options?: LongCallOptions): Promise<void>;

  /** Merges the segments and frees the bytes of removed documents. */
  compact(options?: LongCallOptions): Promise<CompactReply>;

  /** Reads every checksum. `problems` is empty when all is well. */
  verify(options?: LongCallOptions): Promise<VerifyReply>;

  /** Sizes, by field and by segment. */
  stats(options?: CallOptions): Promise<StatsReply>;

  /** Flushes and closes. May be called twice; every other verb then fails with ERR_CLOSED. */
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
  readonly schema: Schema;
  readonly readOnly: boolean;
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
  readonly #binding: Binding;
  readonly #handle: Handle;
  readonly #readOnly: boolean;
  readonly #decoder: Decoder;
  readonly #denseFields: ReadonlySet<string>;
  #closing: Promise<void> | undefined;

  constructor(opened: Opened) {
    this.path = opened.path;
    this.schema = opened.schema;
    this.backend = opened.backend;
    this.#binding = opened.binding;
    this.#handle = opened.handle;
    this.#readOnly = opened.readOnly;
    this.#decoder = new Decoder(opened.schema);
    const names = Object.keys(opened.schema);
    this.#denseFields = new Set(names.filter((name) => opened.schema[name]?.type === "dense"));
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  async upsert(documents: unknown, options: UpsertOptions = {}): Promise<CommitReply> {
    const site = callSite(this.upsert);
    this.#assertOpen(site);
    const target = {
      binding: this.#binding,
      handle: this.#handle,
      denseFields: this.#denseFields,
      assertOpen: () => this.#assertOpen(site),
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
    return answer(await this.#call("remove", JSON.stringify(request), [], options, this.remove));
  }

  async removeWhere(where: unknown, options: CallOptions = {}): Promise<RemoveReply> {
    const request = encoded(this.removeWhere, () => filterRequest(where));
    return answer(await this.#call("removeWhere", JSON.stringify(request), [], options, this.removeWhere));
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
    return { ...page, hits };
  }

  async count(where?: unknown, options: CallOptions = {}): Promise<number> {
    const request = encoded(this.count, () => filterRequest(where));
    return answer<CountReply>(await this.#call("count", JSON.stringify(request), [], options, this.count))
      .count;
  }

  async flush(options: LongCallOptions = {}): Promise<void> {
    await this.#call("flush", "{}", [], options, this.flush);
  }

  async compact(options: LongCallOptions = {}): Promise<CompactReply> {
    return answer(await this.#call("compact", "{}", [], options, this.compact));
  }

  async verify(options: LongCallOptions = {}): Promise<VerifyReply> {
    return answer(await this.#call("verify", "{}", [], options, this.verify));
  }

  async stats(options: CallOptions = {}): Promise<StatsReply> {
    return answer(await this.#call("stats", "{}", [], options, this.stats));
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
    try {
      if (!this.#readOnly) invokeSync(this.#handle, "flush", "{}", [], callSite(this[Symbol.dispose]));
    } catch (error) {
      if (!isClosed(error)) throw error;
    } finally {
      this.#handle.close();
    }
  }

  async #close(site: CallSite): Promise<void> {
    const handle = this.#handle;
    try {
      if (!this.#readOnly)
        await invoke({ binding: this.#binding, handle, verb: "flush", request: "{}", site });
    } catch (error) {
      // The core closes a handle by itself after a defect; what was wrong has been said then.
      if (!isClosed(error)) throw error;
    } finally {
      handle.close();
    }
  }

  async #call(
    verb: string,
    request: string,
    arrays: Encoder["arrays"],
    options: LongCallOptions,
    site: Site,
  ) {
    this.#assertOpen(site);
    return invoke({ binding: this.#binding, handle: this.#handle, verb, request, arrays, options, site });
  }

  #assertOpen(site: Site): void {
    if (!this.closed) return;
    throw located(new TercetError("ERR_CLOSED", `the collection \`${this.path}\` is closed`), site);
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
