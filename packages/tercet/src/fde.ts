/** Fixed dimensional encodings (MUVERA) as plain functions, for any engine that finds inner products. */
import { type BackendChoice, loadBackend } from "./backend.js";
import { type CallOptions, invoke } from "./call.js";
import { Encoder } from "./encode.js";
import { callSite, located, TercetError } from "./errors.js";
import type { MuveraSettings } from "./schema.js";
import type { FdeSide } from "./wire/index.js";

/** How an encoding is made: the same settings for queries and documents. */
export interface FdeOptions extends Omit<MuveraSettings, "index">, CallOptions {
  /** Components of a token. */
  readonly dims: number;
  /** The core to use; as in `open`. Every core gives the same bits. */
  readonly backend?: BackendChoice | undefined;
}

/**
 * The encoding of a query: its inner product with that of a document is near the document's MaxSim.
 * @param tokens the query's tokens of `dims` components, one after another, at least one
 * @returns `repetitions * 2^bits * projection` components, or `final`
 * @throws TercetError ERR_DIMENSION, ERR_NOT_FINITE, ERR_REQUIRED (no token), ERR_LIMIT (a setting out of range)
 * @example const encoding = await fdeQuery(tokens, { dims: 128, repetitions: 20, bits: 5, projection: 16 });
 */
export async function fdeQuery(tokens: Float32Array, options: FdeOptions): Promise<Float32Array> {
  return encoded("query", tokens, options, callSite(fdeQuery));
}

/**
 * The encoding of a document.
 * @param tokens the document's tokens of `dims` components, one after another, at least one
 * @returns as many components as {@link fdeQuery} gives for the same options
 * @throws TercetError as {@link fdeQuery}
 */
export async function fdeDocument(tokens: Float32Array, options: FdeOptions): Promise<Float32Array> {
  return encoded("document", tokens, options, callSite(fdeDocument));
}

async function encoded(
  side: FdeSide,
  tokens: Float32Array,
  options: FdeOptions,
  site: ReturnType<typeof callSite>,
): Promise<Float32Array> {
  const { dims, backend, signal, ...muvera } = options;
  try {
    const wire = new Encoder().value({ dims, side, muvera }, "options", 0);
    const { binding } = await loadBackend(backend);
    const request = JSON.stringify(wire);
    const call = { binding, handle: binding.root, verb: "fde", request, options: { signal }, site };
    const reply = await invoke({ ...call, arrays: [tokens] });
    return reply.arrays[0] as Float32Array;
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}
