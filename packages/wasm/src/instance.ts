/**
 * One instance of the core and the C ABI to it; the other half is crates/wasm/src/lib.rs.
 *
 * A trap ends an instance: what it was doing is half done and its memory cannot be trusted. It is then never entered
 * again, its files are closed and its locks let go.
 */
import type { BulkArray, Reply } from "../../tercet/src/binding.js";
import { Host } from "./host.js";
import type { Storage } from "./storage.js";

interface Exports {
  readonly memory: WebAssembly.Memory;
  tercet_root(storage: number): number;
  tercet_alloc(kind: number, length: number): number;
  tercet_free(kind: number, at: number, length: number): void;
  tercet_call(
    handle: number,
    verb: number,
    verbLength: number,
    json: number,
    jsonLength: number,
    arrays: number,
    arraysLength: number,
    cancelled: number,
  ): number;
  tercet_reply_free(block: number): void;
  tercet_search_room(words: number): number;
  tercet_search(
    handle: number,
    kind: number,
    length: number,
    k: number,
    filter: number,
    exclude: number,
  ): number;
  tercet_last_error(): number;
  tercet_close(handle: number): void;
  tercet_version(): number;
  tercet_version_len(): number;
}

/** What an answer brings, before its handle has an object. */
export interface Answer {
  readonly reply: Omit<Reply, "handle">;
  /** Number of the new handle, 0 when there is none. */
  readonly handle: number;
  readonly done: number;
  readonly total: number;
}

const F32 = 0;
const U32 = 1;
const U8 = 2;
const U16 = 3;
const I8 = 4;
/** Bytes of an element of each kind. */
const WIDTHS = [4, 4, 1, 2, 1] as const;
/** Settings of a search; their places are in packages/tercet/src/settings.ts. */
const SETTINGS = 23;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The kind of a typed array, by its tag: `instanceof` fails for arrays of another realm. */
function kindOf(array: unknown): number {
  switch ((array as { [Symbol.toStringTag]?: unknown } | null | undefined)?.[Symbol.toStringTag]) {
    case "Float32Array":
      return F32;
    case "Uint32Array":
      return U32;
    case "Uint8Array":
    case "Uint8ClampedArray":
      return U8;
    case "Uint16Array":
      return U16;
    case "Int8Array":
      return I8;
    default:
      return -1;
  }
}

/** A `WireError` as JSON. */
export function wireError(code: string, message: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ code, message, ...more });
}

/** An answer that only brings an error. */
export function failed(error: string): Answer {
  return { reply: { json: "", arrays: [], error }, handle: 0, done: 0, total: 0 };
}

/** A search, as `Handle.searchInto` takes it. */
export interface Search {
  readonly query: Float32Array | Uint8Array | Uint16Array | Int8Array;
  readonly k: number;
  readonly rows: Uint32Array;
  readonly scores: Float32Array;
  readonly settings: Float64Array | undefined;
  readonly filter: Uint32Array | undefined;
  readonly exclude: Uint32Array | undefined;
}

/** Words of 64 bits that so many bytes take. */
function wordsOf(bytes: number): number {
  return Math.ceil(bytes / 8);
}

/** Whether two views share bytes. */
function overlap(a: ArrayBufferView | undefined, b: ArrayBufferView | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a.buffer !== b.buffer) return false;
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** One instance. */
export class Instance {
  /** Why it was discarded. */
  dead: string | undefined;
  readonly version: string;
  readonly root: number;
  readonly #host: Host;
  readonly #exports: Exports;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #floats: Float32Array;
  #doubles: Float64Array;

  constructor(module: WebAssembly.Module, storage: Storage | undefined) {
    this.#host = new Host(storage);
    this.#exports = new WebAssembly.Instance(module, this.#host.imports()).exports as unknown as Exports;
    const { memory } = this.#exports;
    this.#host.attach(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    const at = this.#exports.tercet_version();
    this.version = decoder.decode(this.#bytes.subarray(at, at + this.#exports.tercet_version_len()));
    this.root = this.#exports.tercet_root(storage === undefined ? 0 : 1);
    this.#refresh();
  }

  /** Runs one verb. */
  call(
    handle: number,
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    cancelled: boolean,
  ): Answer {
    if (this.dead !== undefined) return failed(this.#closed());
    const wrong = checkCall(verb, request, arrays);
    if (wrong !== undefined) return failed(wrong);
    try {
      return this.#call(handle, verb, request, arrays, cancelled);
    } catch (trap) {
      return failed(this.#discard(trap));
    }
  }

  /** Searches; the number of results, or the error as JSON. */
  search(handle: number, search: Search): number | string {
    if (this.dead !== undefined) return this.#closed();
    const wrong = checkSearch(search);
    if (wrong !== undefined) return wrong;
    try {
      return this.#search(handle, search);
    } catch (trap) {
      return this.#discard(trap);
    }
  }

  /** Closes a handle. */
  close(handle: number): void {
    if (this.dead !== undefined) return;
    try {
      this.#exports.tercet_close(handle);
    } catch (trap) {
      this.#discard(trap);
    }
  }

  #call(
    handle: number,
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    cancelled: boolean,
  ): Answer {
    // Memory that is not handed over yet, to be given back when there is not enough for the rest.
    const held: [kind: number, at: number, length: number][] = [];
    const take = (kind: number, length: number): number => {
      const at = this.#exports.tercet_alloc(kind, length) >>> 0;
      if (at === 0 && length > 0) throw new OutOfMemory(length * (WIDTHS[kind] ?? 1));
      held.push([kind, at, length]);
      return at;
    };
    try {
      const [verbAt, verbLength] = this.#hand(encoder.encode(verb), U8, take);
      const [jsonAt, jsonLength] = this.#hand(encoder.encode(request), U8, take);
      const entries = arrays.flatMap((array) => {
        const kind = kindOf(array);
        return [kind, ...this.#hand(array, kind, take)];
      });
      const [list] = this.#hand(Uint32Array.from(entries), U32, take);
      const given = held.splice(0, held.length - 1);
      const block = this.#exports.tercet_call(
        handle,
        verbAt,
        verbLength,
        jsonAt,
        jsonLength,
        list,
        given.length - 2,
        cancelled ? 1 : 0,
      );
      const answer = this.#read(block);
      this.#give(held);
      return answer;
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      this.#give(held);
      return failed(wireError("ERR_MEMORY", error.message));
    }
  }

  #give(held: [kind: number, at: number, length: number][]): void {
    for (const [kind, at, length] of held) this.#exports.tercet_free(kind, at, length);
  }

  #hand(
    array: BulkArray,
    kind: number,
    take: (kind: number, length: number) => number,
  ): [at: number, length: number] {
    const at = take(kind, array.length);
    this.#refresh();
    if (kind === U32) this.#words.set(array, at / 4);
    else if (kind === F32) this.#floats.set(array, at / 4);
    else this.#bytes.set(bytesOf(array), at);
    return [at, array.length];
  }

  #read(pointer: number): Answer {
    this.#refresh();
    const block = pointer >>> 0;
    const [json = 0, jsonLength = 0, error = 0, errorLength = 0, list = 0, count = 0, handle = 0] =
      this.#words.subarray(block / 4, block / 4 + 7);
    const [done = 0, total = 0] = new Float64Array(this.#words.buffer, block + 32, 2);
    const arrays: BulkArray[] = [];
    for (let n = 0; n < count; n++) {
      const [kind, at = 0, length = 0] = this.#words.subarray(list / 4 + n * 3, list / 4 + n * 3 + 3);
      if (kind === U8) arrays.push(this.#bytes.slice(at, at + length));
      else if (kind === U16) arrays.push(new Uint16Array(this.#bytes.slice(at, at + length * 2).buffer));
      else if (kind === I8) arrays.push(new Int8Array(this.#bytes.slice(at, at + length).buffer));
      else if (kind === U32) arrays.push(this.#words.slice(at / 4, at / 4 + length));
      else arrays.push(this.#floats.slice(at / 4, at / 4 + length));
    }
    const text = (at: number, length: number) => decoder.decode(this.#bytes.subarray(at, at + length));
    const reply = { json: text(json, jsonLength), arrays };
    const answer = {
      reply: errorLength === 0 ? reply : { ...reply, error: text(error, errorLength) },
      handle,
      done,
      total,
    };
    this.#exports.tercet_reply_free(pointer);
    return answer;
  }

  #search(handle: number, { query, k, rows, scores, settings, filter, exclude }: Search): number | string {
    const kind = kindOf(query);
    const queryWords = wordsOf(query.byteLength);
    const resultWords = wordsOf(k * 4);
    const filterWords = wordsOf((filter?.length ?? 0) * 4);
    const excludeWords = wordsOf((exclude?.length ?? 0) * 4);
    const words = SETTINGS + queryWords + 2 * resultWords + filterWords + excludeWords;
    const room = words < 2 ** 29 ? this.#exports.tercet_search_room(words) >>> 0 : 0;
    if (room === 0) return wireError("ERR_MEMORY", `no memory to search for ${k} neighbours`);
    this.#refresh();
    // In words of 64 bits.
    const start = room / 8;
    const queryAt = start + SETTINGS;
    const rowsAt = queryAt + queryWords;
    const scoresAt = rowsAt + resultWords;
    const filterAt = scoresAt + resultWords;
    this.#doubles.fill(0, start, queryAt);
    // Without settings: no least score and no row.
    if (settings === undefined)
      this.#doubles.fill(Number.NaN, start + 2, start + 3).fill(-1, start + 5, start + 6);
    else this.#doubles.set(settings.length > SETTINGS ? settings.subarray(0, SETTINGS) : settings, start);
    if (kind === F32) this.#floats.set(query, queryAt * 2);
    else this.#bytes.set(bytesOf(query), queryAt * 8);
    if (filter !== undefined) this.#words.set(filter, filterAt * 2);
    if (exclude !== undefined) this.#words.set(exclude, (filterAt + filterWords) * 2);
    const filterLength = filter === undefined ? -1 : filter.length;
    const excluded = exclude?.length ?? 0;
    const found = this.#exports.tercet_search(handle, kind, query.length, k, filterLength, excluded);
    if (found < 0) {
      return (
        this.#read(this.#exports.tercet_last_error()).reply.error ?? wireError("ERR_INTERNAL", "no error")
      );
    }
    this.#refresh();
    // A view for each array would cost more than these few elements do.
    for (let n = 0; n < found; n++) {
      rows[n] = this.#words[rowsAt * 2 + n] as number;
      scores[n] = this.#floats[scoresAt * 2 + n] as number;
    }
    if (settings !== undefined) {
      const end = Math.min(settings.length, SETTINGS);
      for (let n = 0; n < end; n++) settings[n] = this.#doubles[start + n] as number;
    }
    return found;
  }

  /** Views of the memory: it moves when it grows. */
  #refresh(): void {
    const { buffer } = this.#exports.memory;
    if (this.#words.buffer === buffer) return;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#floats = new Float32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  #closed(): string {
    return wireError(
      "ERR_CLOSED",
      `the handle was closed with its WebAssembly instance, after: ${this.dead}`,
    );
  }

  #discard(trap: unknown): string {
    const why = this.#host.panic ?? (trap instanceof Error ? `${trap.name}: ${trap.message}` : String(trap));
    this.dead = why;
    this.#host.release();
    return wireError(
      "ERR_INTERNAL",
      `a defect in tercet; the WebAssembly instance is discarded and its handles are closed: ${why}`,
    );
  }
}

class OutOfMemory extends Error {
  constructor(bytes: number) {
    super(`cannot allocate ${bytes} bytes for the call`);
  }
}

function checkCall(verb: unknown, request: unknown, arrays: unknown): string | undefined {
  if (typeof verb !== "string") return wireError("ERR_ARGUMENT", "the verb must be a string");
  if (typeof request !== "string") return wireError("ERR_ARGUMENT", "the request must be a string");
  if (!Array.isArray(arrays)) {
    return wireError("ERR_ARGUMENT", "the arrays of a call must stand in an array");
  }
  const at = arrays.findIndex((array) => kindOf(array) < 0);
  if (at < 0) return undefined;
  const kinds = "Float32Array, Uint32Array, Uint8Array, Uint16Array or Int8Array";
  return wireError("ERR_ARGUMENT", `array ${at} of the call is not a ${kinds}`, {
    expected: kinds,
    found: "something else",
  });
}

/** The bytes of an array. */
function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function checkSearch({ query, k, rows, scores, settings, filter, exclude }: Search): string | undefined {
  const wrong = (what: string, more?: Record<string, unknown>) =>
    wireError("ERR_ARGUMENT", `searchInto: ${what}`, more);
  const kind = kindOf(query);
  if (kind < 0 || kind === U32) return wrong("the query must be an array of f32, f16, i8, u8 or bits");
  if (!Number.isInteger(k) || k < 0 || k > 0xffffffff) {
    return wrong("k must be a whole number from 0 to 2^32 - 1");
  }
  if (kindOf(rows) !== U32) return wrong("rows must be a Uint32Array");
  if (kindOf(scores) !== F32) return wrong("scores must be a Float32Array");
  if (settings !== undefined && settings[Symbol.toStringTag] !== "Float64Array") {
    return wrong("the settings must be a Float64Array");
  }
  if (filter !== undefined && kindOf(filter) !== U32) return wrong("the filter must be a Uint32Array");
  if (exclude !== undefined && kindOf(exclude) !== U32) {
    return wrong("the rows to leave out must be a Uint32Array");
  }
  if (rows.length < k || scores.length < k) {
    const found = `${rows.length} and ${scores.length}`;
    return wrong("rows and scores must hold k elements", { expected: String(k), found });
  }
  if (overlap(rows, scores) || overlap(rows, settings) || overlap(scores, settings)) {
    return wrong("what is read and what is written must not share memory");
  }
  for (const read of [query, filter, exclude]) {
    if (overlap(rows, read) || overlap(scores, read) || overlap(settings, read)) {
      return wrong("what is read and what is written must not share memory");
    }
  }
  return undefined;
}
