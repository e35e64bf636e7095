/**
 * The one seam between the TypeScript API and the Rust core.
 *
 * Both backends (N-API and WebAssembly) implement exactly this. Requests and replies are JSON text in the wire types
 * of `./wire`, bulk numbers travel beside it as typed arrays, and errors come back as data, so that the same
 * TypeScript turns them into the same {@link TercetError} on every backend. A verb is added in the Rust engine and in
 * the API in front; nothing changes here.
 */

/**
 * Bulk numbers beside the JSON: vectors and scores (f32), row numbers and bitmaps (u32), raw bytes, u8 and bits (u8),
 * f16 (u16), i8.
 */
export type BulkArray = Float32Array | Uint32Array | Uint8Array | Uint16Array | Int8Array;

/** What a call comes back with. When `error` is set, the rest is empty and nothing was changed. */
export interface Reply {
  /** The wire type of the verb's answer, as JSON. */
  readonly json: string;
  /** Bulk numbers that the JSON refers to by position. */
  readonly arrays: BulkArray[];
  /** A new handle, for verbs that open or begin something. */
  readonly handle?: Handle;
  /** A `WireError` as JSON. */
  readonly error?: string;
}

/** Cancels a running call and tells how far it is. Polled, never called back, so that no thread waits for JavaScript. */
export interface Control {
  /** Asks the call to stop; it then replies with ERR_ABORTED and has changed nothing. */
  cancel(): void;
  /** Work done so far, in the call's own unit. */
  done(): number;
  /** Work in all, in the same unit; 0 while it is not known. */
  total(): number;
}

/** Something open in the core: the root, a collection, a staged batch, or a level-1 index. */
export interface Handle {
  /**
   * Runs one verb. Short work comes back at once, long work as a promise (on a thread of the core's own pool where
   * there are threads). Never throws and never rejects: failures are in `Reply.error`. Arrays are copied before the
   * call returns, so the caller may reuse them at once.
   */
  call(
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    control?: Control,
  ): Reply | Promise<Reply>;
  /** Like {@link call}, but always on the calling thread. */
  callSync(verb: string, request: string, arrays: readonly BulkArray[]): Reply;
  /**
   * Level-1 search straight into arrays of the caller's, without a copy or an allocation per call.
   * @param query the query vector, in the type of the index or as f32; not looked at when the settings name a row
   * @param k how many neighbours; `rows` and `scores` hold at least `k`
   * @param settings how to search, and then how it was answered, by the places in `./settings`. Without them the search
   * is the usual one, and nothing is said
   * @param filter a bitmap of the rows that may be found, 32 a word
   * @param exclude rows that may not be found
   * @returns the number of results written, or -1 when {@link lastError} says why not
   */
  searchInto(
    query: Float32Array | Uint8Array | Uint16Array | Int8Array,
    k: number,
    rows: Uint32Array,
    scores: Float32Array,
    settings?: Float64Array,
    filter?: Uint32Array,
    exclude?: Uint32Array,
  ): number;
  /** The `WireError` (JSON) of the last failed {@link searchInto} on this handle, or an empty string. */
  lastError(): string;
  /** Frees it. Calls in flight finish; later ones reply with ERR_CLOSED. May be called twice. */
  close(): void;
}

/** A loaded core. */
export interface Binding {
  /** Which backend this is. */
  readonly backend: "native" | "wasm";
  /** The version of the core; must equal the version of this package. */
  readonly version: string;
  /** The handle that opens others. */
  readonly root: Handle;
  /** A fresh control for one call. */
  control(): Control;
}
