/** Handles and controls as the API in front sees them. */
import type { BulkArray, Control, Handle, Reply } from "../../tercet/src/binding.js";
import { failed, Instance, type Search, wireError } from "./instance.js";
import type { Storage } from "./storage.js";

/** Calls run to their end here, so a control says before a call that it is cancelled, and after it how far it came. */
export class WasmControl implements Control {
  cancelled = false;
  /** What the last call with this control counted. */
  counted = { done: 0, total: 0 };

  cancel(): void {
    this.cancelled = true;
  }

  done(): number {
    return this.counted.done;
  }

  total(): number {
    return this.counted.total;
  }
}

const CLOSED = wireError("ERR_CLOSED", "the handle was closed");

/** Closes what was dropped without `close`, when its object is collected. */
const forgotten = new FinalizationRegistry<{ instance: Instance; handle: number }>(({ instance, handle }) =>
  instance.close(handle),
);

abstract class Base implements Handle {
  #lastError = "";

  /** The instance and the number in it, or nothing once closed. */
  protected abstract open(): { instance: Instance; handle: number } | undefined;

  abstract close(): void;

  call(verb: string, request: string, arrays: readonly BulkArray[], control?: Control): Reply {
    const open = this.open();
    if (open === undefined) return failed(CLOSED).reply;
    if (control !== undefined && control !== null && !(control instanceof WasmControl)) {
      return failed(wireError("ERR_ARGUMENT", "the control is not one of this backend")).reply;
    }
    const cancelled = control?.cancelled ?? false;
    const answer = open.instance.call(open.handle, verb, request, arrays, cancelled);
    if (control) control.counted = { done: answer.done, total: answer.total };
    if (answer.handle === 0) return answer.reply;
    return { ...answer.reply, handle: new WasmHandle(open.instance, answer.handle) };
  }

  callSync(verb: string, request: string, arrays: readonly BulkArray[]): Reply {
    return this.call(verb, request, arrays);
  }

  searchInto(
    query: Search["query"],
    k: number,
    rows: Uint32Array,
    scores: Float32Array,
    settings?: Float64Array,
    filter?: Uint32Array,
    exclude?: Uint32Array,
  ): number {
    const open = this.open();
    const search = { query, k, rows, scores, settings, filter, exclude };
    const found = open === undefined ? CLOSED : open.instance.search(open.handle, search);
    if (typeof found === "number") return found;
    this.#lastError = found;
    return -1;
  }

  lastError(): string {
    return this.#lastError;
  }
}

/** A handle of one instance; it ends with it. */
class WasmHandle extends Base {
  #open: { instance: Instance; handle: number } | undefined;

  constructor(instance: Instance, handle: number) {
    super();
    this.#open = { instance, handle };
    forgotten.register(this, { instance, handle }, this);
  }

  protected override open(): { instance: Instance; handle: number } | undefined {
    return this.#open;
  }

  override close(): void {
    const open = this.#open;
    this.#open = undefined;
    forgotten.unregister(this);
    open?.instance.close(open.handle);
  }
}

/** The root. It holds no data, so it outlives a discarded instance: the next call starts a fresh one. */
export class WasmRoot extends Base {
  readonly #module: WebAssembly.Module;
  readonly #storage: Storage | undefined;
  #instance: Instance | undefined;

  constructor(module: WebAssembly.Module, storage: Storage | undefined) {
    super();
    this.#module = module;
    this.#storage = storage;
    this.#instance = new Instance(module, storage);
  }

  get version(): string {
    return this.#instance?.version ?? "";
  }

  protected override open(): { instance: Instance; handle: number } | undefined {
    if (this.#instance?.dead !== undefined) this.#instance = new Instance(this.#module, this.#storage);
    return this.#instance && { instance: this.#instance, handle: this.#instance.root };
  }

  override close(): void {
    const open = this.#instance;
    this.#instance = undefined;
    open?.close(open.root);
  }
}
