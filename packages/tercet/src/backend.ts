/** Chooses and loads a core, once per program. */
import type { Binding } from "./binding.js";
import { TercetError } from "./errors.js";
import { BACKENDS, forcedBackend } from "./platform/node.js";
import { VERSION } from "./version.js";

/** Which core to use: by name, or one that the caller loaded. */
export type BackendChoice = "native" | "wasm" | Binding;

/** Which core answers, and why that one. */
export interface Backend {
  /** `native` (N-API) or `wasm`. */
  readonly name: "native" | "wasm";
  /** The version of the core. */
  readonly version: string;
  /** Why: asked for by the caller or by TERCET_BACKEND, preferred, or fallen back to, and then from what. */
  readonly reason: string;
}

/** A core with what it is. */
export interface LoadedBackend {
  readonly binding: Binding;
  readonly backend: Backend;
}

const loading = new Map<string, Promise<Binding>>();

/**
 * The core to use: the choice of the caller, else TERCET_BACKEND, else native where it loads, else wasm.
 * @throws TercetError ERR_UNSUPPORTED when none loads; ERR_VERSION when a core is of another version; ERR_ARGUMENT
 */
export async function loadBackend(choice: BackendChoice | undefined): Promise<LoadedBackend> {
  if (typeof choice === "object" && choice !== null) return described(choice, "given by the caller");
  if (choice !== undefined) return described(await load(named(choice, "backend")), "asked for by the caller");
  const forced = forcedBackend();
  if (forced !== undefined) {
    return described(await load(named(forced, "TERCET_BACKEND")), `TERCET_BACKEND=${forced}`);
  }
  const failures: string[] = [];
  let cause: unknown;
  for (const candidate of BACKENDS) {
    let binding: Binding;
    try {
      binding = await load(candidate.name);
    } catch (error) {
      cause ??= error;
      failures.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    return described(binding, failures.length === 0 ? "preferred here" : `fallback: ${failures.join("; ")}`);
  }
  throw new TercetError("ERR_UNSUPPORTED", `no backend could be loaded: ${failures.join("; ")}`, { cause });
}

function named(name: unknown, field: string): "native" | "wasm" {
  const known = BACKENDS.map((backend) => backend.name);
  const found = known.find((candidate) => candidate === name);
  if (found !== undefined) return found;
  const other = name === "native" || name === "wasm";
  throw new TercetError(
    other ? "ERR_UNSUPPORTED" : "ERR_ARGUMENT",
    `\`${field}\` must be ${known.join(" or ")}${other ? " here" : " or a Binding"}, found ${JSON.stringify(name)}`,
    { field, expected: known.join(" or "), found: String(name) },
  );
}

/** Loads a core once; a load that failed may be tried again. */
function load(name: "native" | "wasm"): Promise<Binding> {
  let binding = loading.get(name);
  if (binding === undefined) {
    binding = loadFresh(name);
    loading.set(name, binding);
    binding.catch(() => loading.delete(name));
  }
  return binding;
}

async function loadFresh(name: "native" | "wasm"): Promise<Binding> {
  const candidate = BACKENDS.find((backend) => backend.name === name);
  try {
    if (candidate === undefined) throw new Error("it is not part of this build");
    return await candidate.load();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const why = text.replace(/:\s*\n\s*/g, ": ").replace(/\s*\n\s*/g, "; ");
    throw new TercetError("ERR_UNSUPPORTED", `the ${name} backend cannot be loaded: ${why}`, { cause });
  }
}

function described(binding: Binding, reason: string): LoadedBackend {
  if (binding.version !== VERSION) {
    const message = `the ${binding.backend} core is version ${binding.version}, tercet is ${VERSION}; install the same version of both`;
    throw new TercetError("ERR_VERSION", message, { expected: VERSION, found: String(binding.version) });
  }
  return { binding, backend: { name: binding.backend, version: binding.version, reason } };
}
