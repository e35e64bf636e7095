/**
 * The timer behind `durability: { intervalMs }`.
 *
 * A commit is in the log when its promise resolves, so a process that dies loses nothing. What a power cut could take is
 * made durable by one sync for all commits since the last one, at most the interval later. On the native backend it runs
 * on a thread of the core; on WebAssembly in the timer itself. The timer does not keep the process alive.
 *
 * Nobody waits for that sync, so its failure is kept until somebody can be told.
 */
import type { Binding, Handle } from "./binding.js";
import { invoke } from "./call.js";
import { TercetError } from "./errors.js";

/** Syncs a collection's log now and then. */
export class IntervalSync {
  readonly #binding: Binding;
  readonly #handle: Handle;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failure: TercetError | undefined;
  #stopped = false;

  constructor(binding: Binding, handle: Handle, intervalMs: number) {
    this.#binding = binding;
    this.#handle = handle;
    this.#intervalMs = intervalMs;
  }

  /** Something was committed: it is made durable within the interval, with what else comes until then. */
  committed(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    const timer = setTimeout(() => {
      // Forgotten before the sync begins: a commit beside it may come too late for it.
      this.#timer = undefined;
      void this.#sync();
    }, this.#intervalMs);
    (timer as { unref?: () => void }).unref?.();
    this.#timer = timer;
  }

  /** The failure that nobody was told of yet; forgotten with that. */
  takeFailure(): TercetError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** No more syncs: the collection is being closed, which writes everything. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #sync(): Promise<void> {
    try {
      await invoke({ binding: this.#binding, handle: this.#handle, verb: "sync", request: "{}" });
    } catch (cause) {
      this.#failure ??= failed(cause);
    }
  }
}

function failed(cause: unknown): TercetError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `an earlier commit could not be made durable: ${why}`;
  if (!(cause instanceof TercetError)) return new TercetError("ERR_INTERNAL", message, { cause });
  const { code, file } = cause;
  return new TercetError(code, message, { ...(file === undefined ? {} : { file }), cause });
}
