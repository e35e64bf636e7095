/**
 * Documents into a collection: cut into chunks, staged a few at a time, committed batch by batch.
 *
 * A batch is atomic: nothing of it shows before `commit`, and whatever fails before that leaves nothing behind. An
 * array is one batch, however large; any other source is a batch every `batchSize` documents. Of several chunks that
 * fail side by side, the first in the order of the documents gives the error, so that errors do not depend on timing.
 */
import type { Binding, Control, Handle, Reply } from "./binding.js";
import { answer, type LongCallOptions, opened, type Progress, settled } from "./call.js";
import { DocumentEncoder } from "./encode.js";
import { aborted, type CallSite, located, shown, TercetError } from "./errors.js";
import type { CommitReply } from "./wire/index.js";

/** What `upsert` takes: an array (one atomic batch), or anything that gives documents one after another. */
export type Source<T> = readonly T[] | Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

/** Options of `upsert`. */
export interface UpsertOptions extends LongCallOptions {
  /** Documents an atomic batch when the source is not an array, 1 to 1,000,000. Default 10,000. */
  readonly batchSize?: number | undefined;
}

const BATCH_DEFAULT = 10_000;
const BATCH_MAX = 1_000_000;
const CHUNK_DOCUMENTS = 512;
/** A chunk's bytes: an eighth of what the batch has so far, within these. Few chunks leave threads idle, many cost the commit. */
const CHUNK_BYTES = 256 << 10;
const CHUNK_BYTES_MAX = 1 << 20;
const CHUNKS_EVEN = 8;
const IN_FLIGHT_MAX = 3;
const YIELD_AFTER_MS = 20;

/** Where the documents go. */
export interface Target {
  readonly binding: Binding;
  readonly handle: Handle;
  readonly denseFields: ReadonlySet<string>;
  /** Fails with ERR_CLOSED once the collection is closed. */
  assertOpen(): void;
  /** Told after each batch that was committed. */
  committed(): void;
}

/** Runs an upsert. */
export async function upsertAll(
  target: Target,
  source: unknown,
  options: UpsertOptions,
  site: CallSite,
): Promise<CommitReply> {
  const ingest = new Ingest(target, options, site, Array.isArray(source) ? source.length : undefined);
  const iterator = iterate(source);
  try {
    return await ingest.run(iterator);
  } catch (error) {
    await ingest.abandon();
    // Not awaited: a source that hangs must not keep the error back.
    Promise.resolve(iterator.return?.()).catch(() => {});
    throw error instanceof TercetError ? located(ingest.counted(error), site) : error;
  }
}

interface Pull {
  next(): IteratorResult<unknown> | Promise<IteratorResult<unknown>>;
  return?(): unknown;
}

function iterate(source: unknown): Pull {
  if (typeof source === "object" && source !== null) {
    const candidate = source as Partial<Iterable<unknown> & AsyncIterable<unknown> & ReadableStream<unknown>>;
    const iterator = candidate[Symbol.asyncIterator]?.() ?? candidate[Symbol.iterator]?.();
    if (iterator !== undefined) return iterator as Pull;
    if (typeof candidate.getReader === "function") {
      const reader = candidate.getReader();
      return { next: () => reader.read() as Promise<IteratorResult<unknown>>, return: () => reader.cancel() };
    }
  }
  const expected = "an array, iterable, async iterable or ReadableStream of documents";
  throw new TercetError("ERR_ARGUMENT", `upsert takes ${expected}, found ${shown(source)}`, {
    expected,
    found: shown(source),
  });
}

/** One call of `upsert`. */
class Ingest {
  private readonly batchSize: number;
  private readonly signal: AbortSignal | undefined;
  private readonly tell: ((progress: Progress) => void) | undefined;
  private batch: Batch | undefined;
  private position = 0;
  private done = 0;
  private written = 0;
  private replaced = 0;
  private yieldedAt = performance.now();

  constructor(
    private readonly target: Target,
    options: UpsertOptions,
    private readonly site: CallSite,
    private readonly total: number | undefined,
  ) {
    const { batchSize = BATCH_DEFAULT, signal, onProgress } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > BATCH_MAX) {
      const expected = `an integer from 1 to ${BATCH_MAX}`;
      const found = shown(batchSize);
      const message = `\`batchSize\` must be ${expected}, found ${found}`;
      throw new TercetError("ERR_LIMIT", message, { field: "batchSize", expected, found });
    }
    this.batchSize = total === undefined ? batchSize : Number.POSITIVE_INFINITY;
    this.signal = signal;
    this.tell = onProgress;
  }

  async run(iterator: Pull): Promise<CommitReply> {
    for (;;) {
      if (this.signal?.aborted) throw aborted(this.signal);
      const pulled = iterator.next();
      const next = "then" in pulled ? await untilAborted(pulled, this.signal) : pulled;
      if (next.done) break;
      const batch = this.batch ?? (await this.begin());
      if (batch.add(next.value, this.position)) await this.send(batch);
      this.position += 1;
      if (batch.documents >= this.batchSize) await this.commit(batch);
    }
    if (this.batch !== undefined) await this.commit(this.batch);
    return { written: this.written, replaced: this.replaced };
  }

  /** Leaves no batch behind. */
  async abandon(): Promise<void> {
    await this.batch?.abandon();
    this.batch = undefined;
  }

  /** The error with the number of documents that are already there, where there can be any. */
  counted(error: TercetError): TercetError {
    if (this.total !== undefined) return error;
    return Object.assign(error, { committed: this.written });
  }

  private async begin(): Promise<Batch> {
    this.target.assertOpen();
    const reply = settled(await this.target.handle.call("begin", "{}", []), this.site);
    this.batch = new Batch(this.target, opened(reply, "begin"), this.signal, (documents) => {
      this.done += documents;
      this.tell?.(this.total === undefined ? { done: this.done } : { done: this.done, total: this.total });
    });
    return this.batch;
  }

  private async send(batch: Batch): Promise<void> {
    await batch.send();
    if (performance.now() - this.yieldedAt < YIELD_AFTER_MS) return;
    await turn();
    this.yieldedAt = performance.now();
    this.target.assertOpen();
  }

  private async commit(batch: Batch): Promise<void> {
    const { written, replaced } = await batch.commit();
    this.batch = undefined;
    this.target.committed();
    this.written += written;
    this.replaced += replaced;
  }
}

/** One atomic batch. */
class Batch {
  documents = 0;
  private chunk = 0;
  private first = 0;
  /** What was staged, in bytes. */
  private bytes = 0;
  private encoder: DocumentEncoder;
  private pending: Record<string, unknown>[] = [];
  private readonly inFlight = new Set<Promise<void>>();
  private readonly controls = new Set<Control>();
  private failure: { readonly chunk: number; readonly error: unknown } | undefined;
  private readonly cancel = () => {
    for (const control of this.controls) control.cancel();
  };

  constructor(
    private readonly target: Target,
    private readonly handle: Handle,
    private readonly signal: AbortSignal | undefined,
    private readonly staged: (documents: number) => void,
  ) {
    this.encoder = new DocumentEncoder(target.denseFields);
    signal?.addEventListener("abort", this.cancel, { once: true });
  }

  /** Adds a document to the chunk; true when the chunk is full. */
  add(document: unknown, position: number): boolean {
    if (this.pending.length === 0) this.first = position;
    try {
      this.pending.push(this.encoder.document(document, position));
    } catch (error) {
      // What stands before it may be wrong too, and comes first.
      if (this.pending.length > 0) this.stage();
      this.fail(this.chunk, error);
      return true;
    }
    this.documents += 1;
    const share = Math.min(Math.max(this.bytes / CHUNKS_EVEN, CHUNK_BYTES), CHUNK_BYTES_MAX);
    return this.pending.length >= CHUNK_DOCUMENTS || this.encoder.bytes >= share;
  }

  /** Stages the chunk; waits only when enough others are on their way. */
  async send(): Promise<void> {
    if (this.failure === undefined && this.pending.length > 0) this.stage();
    while (this.inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.inFlight);
    if (this.failure !== undefined) await this.drained();
  }

  async commit(): Promise<CommitReply> {
    await this.send();
    await this.drained();
    if (this.signal?.aborted) throw aborted(this.signal);
    const reply = await this.run("commit", "{}", []);
    this.end();
    return answer<CommitReply>(settled(reply, undefined, this.signal));
  }

  async abandon(): Promise<void> {
    this.cancel();
    await Promise.allSettled(this.inFlight);
    await this.handle.call("abort", "{}", []);
    this.end();
  }

  private stage(): void {
    const { chunk, first, pending, encoder } = this;
    this.chunk += 1;
    this.pending = [];
    this.bytes += encoder.bytes;
    this.encoder = new DocumentEncoder(this.target.denseFields);
    const request = JSON.stringify({ chunk, first, documents: pending });
    const settle = (reply: Reply) => {
      try {
        settled(reply, undefined, this.signal);
        this.staged(pending.length);
      } catch (error) {
        this.fail(chunk, error);
      }
    };
    const reply = this.run("stage", request, encoder.arrays);
    if (!(reply instanceof Promise)) {
      settle(reply);
      return;
    }
    const flight: Promise<void> = reply.then(settle).finally(() => this.inFlight.delete(flight));
    this.inFlight.add(flight);
  }

  private run(verb: string, request: string, arrays: DocumentEncoder["arrays"]): Reply | Promise<Reply> {
    const control = this.target.binding.control();
    const reply = this.handle.call(verb, request, arrays, control);
    if (!(reply instanceof Promise)) return reply;
    this.controls.add(control);
    return reply.finally(() => this.controls.delete(control));
  }

  private fail(chunk: number, error: unknown): void {
    if (this.failure === undefined || chunk < this.failure.chunk) this.failure = { chunk, error };
  }

  private async drained(): Promise<void> {
    await Promise.all(this.inFlight);
    if (this.failure !== undefined) throw this.failure.error;
  }

  private end(): void {
    this.signal?.removeEventListener("abort", this.cancel);
    this.handle.close();
  }
}

/** The promise, or ERR_ABORTED as soon as the signal says so. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(aborted(signal));
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** One turn of the event loop: timers, input and abort signals get their chance. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => void };
    if (setImmediate !== undefined) return setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
