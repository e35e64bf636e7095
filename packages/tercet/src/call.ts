/** Runs one verb of the core: abort, progress, errors with the caller's stack. */
import type { Binding, BulkArray, Control, Handle, Reply } from "./binding.js";
import { aborted, callSite, type ErrorDetails, fromWire, located, type Site, TercetError } from "./errors.js";

/** How far a long call is, in documents for `upsert` and in the call's own unit elsewhere. */
export interface Progress {
  /** Work done. */
  readonly done: number;
  /** Work in all; absent while it is not known. */
  readonly total?: number;
}

/** Every call takes a signal: aborted before, nothing is sent; aborted during, the call stops and changes nothing. */
export interface CallOptions {
  /** Aborts the call with ERR_ABORTED; the error's cause is the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of long calls. */
export interface LongCallOptions extends CallOptions {
  /** Told now and then how far the call is, and once at its end. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

const POLL_MS = 50;

/** One call and what belongs to it. */
export interface Call {
  readonly binding: Binding;
  readonly handle: Handle;
  readonly verb: string;
  readonly request: string;
  readonly arrays?: readonly BulkArray[];
  readonly options?: LongCallOptions | undefined;
  readonly site?: Site;
}

const NONE: readonly BulkArray[] = [];

/** Runs the call; throws what the core answered as an error. An answer that comes at once is not waited for. */
export async function invoke(call: Call): Promise<Reply> {
  const { handle, verb, request, options, site } = call;
  const arrays = call.arrays ?? NONE;
  const signal = options?.signal;
  if (signal?.aborted) throw located(aborted(signal), site);
  const watched = signal !== undefined || options?.onProgress !== undefined;
  const control = watched ? call.binding.control() : undefined;
  const reply = handle.call(verb, request, arrays, control);
  if (!(reply instanceof Promise)) {
    if (control !== undefined) poll(control, options?.onProgress)?.end();
    return settled(reply, site);
  }
  const noted = callSite(site);
  if (control === undefined) return settled(await reply, noted);
  return settled(await watch(reply, control, options ?? {}), noted, signal);
}

/** Waits for the reply; meanwhile passes on the abort and tells the progress. */
async function watch(reply: Promise<Reply>, control: Control, options: LongCallOptions): Promise<Reply> {
  const { signal, onProgress } = options;
  const cancel = () => control.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  const polling = poll(control, onProgress);
  try {
    return await reply;
  } finally {
    signal?.removeEventListener("abort", cancel);
    polling?.end();
  }
}

/** Runs the call on this thread. */
export function invokeSync(handle: Handle, verb: string, request: string, arrays = NONE, site?: Site): Reply {
  return settled(handle.callSync(verb, request, arrays), site);
}

/** A reply without an error, or the error thrown. */
export function settled(
  reply: Reply,
  site?: Site,
  signal?: AbortSignal,
  extra?: Partial<ErrorDetails>,
): Reply {
  if (!reply.error) return reply;
  const error = fromWire(reply.error, site, extra);
  if (error.code === "ERR_ABORTED" && signal?.aborted) throw located(aborted(signal, extra), site);
  throw error;
}

/** The answer of a verb. */
export function answer<T>(reply: Reply): T {
  return JSON.parse(reply.json) as T;
}

/** The handle that a verb opened. */
export function opened(reply: Reply, verb: string): Handle {
  if (reply.handle === undefined)
    throw new TercetError("ERR_INTERNAL", `the core opened nothing on \`${verb}\``);
  return reply.handle;
}

/** Asks the control now and then. A callback that throws ends the call, and `end` throws what it threw. */
function poll(
  control: Control,
  onProgress: ((progress: Progress) => void) | undefined,
): { end(): void } | undefined {
  if (onProgress === undefined) return undefined;
  let failure: { readonly error: unknown } | undefined;
  const tell = () => {
    const total = control.total();
    onProgress(total > 0 ? { done: control.done(), total } : { done: control.done() });
  };
  const timer = setInterval(() => {
    try {
      tell();
    } catch (error) {
      failure ??= { error };
      control.cancel();
      clearInterval(timer);
    }
  }, POLL_MS);
  return {
    end() {
      clearInterval(timer);
      if (failure !== undefined) throw failure.error;
      tell();
    },
  };
}
