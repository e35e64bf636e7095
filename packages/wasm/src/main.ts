/**
 * Loads the WebAssembly core.
 *
 * By default the module is the `tercet.wasm` beside this package: read from disk where there is one, fetched elsewhere.
 * Files on disk need a {@link Storage} (on Node: `nodeStorage()` of `@tercet/wasm/node-storage`); without one only
 * `:memory:` can be opened.
 */
import type { Binding } from "../../tercet/src/binding.js";
import { WasmControl, WasmRoot } from "./handle.js";
import type { Storage } from "./storage.js";

export type { Storage, StorageFile, StorageLock } from "./storage.js";

/** Where the module comes from, and where files go. Give at most one of `url`, `bytes` and `module`. */
export interface Source {
  /** Where to fetch or read the module. */
  readonly url?: string | URL | undefined;
  /** The module's bytes. */
  readonly bytes?: ArrayBuffer | ArrayBufferView<ArrayBuffer> | undefined;
  /** A compiled module: what edge runtimes import, and what can be sent to a worker. */
  readonly module?: WebAssembly.Module | undefined;
  /** Files that the core may use. */
  readonly storage?: Storage | undefined;
}

/** The module beside this package. */
const DEFAULT_URL = /* @__PURE__ */ new URL("../tercet.wasm", import.meta.url);

/**
 * Loads a fresh core.
 * @throws Error when the module cannot be found or compiled
 */
export async function load(source: Source = {}): Promise<Binding> {
  return bind(source.module ?? (await compile(source)), source.storage);
}

/**
 * Loads a fresh core at once: from bytes, from a compiled module, or from disk. Browsers refuse to compile large
 * modules so on their main thread; use {@link load} there.
 * @throws Error when the module cannot be found or compiled
 */
export function loadSync(source: Omit<Source, "url"> & { readonly url?: URL | undefined } = {}): Binding {
  if (source.module !== undefined) return bind(source.module, source.storage);
  const bytes = source.bytes ?? fromDisk(source.url ?? DEFAULT_URL)?.readSync();
  if (bytes === undefined)
    throw new Error("loadSync needs `bytes` or `module` where there is no file system");
  return bind(new WebAssembly.Module(bytes), source.storage);
}

function bind(module: WebAssembly.Module, storage: Storage | undefined): Binding {
  const root = new WasmRoot(module, storage);
  return { backend: "wasm", version: root.version, root, control: () => new WasmControl() };
}

async function compile(source: Source): Promise<WebAssembly.Module> {
  if (source.bytes !== undefined) return WebAssembly.compile(source.bytes);
  const url = typeof source.url === "string" ? absolute(source.url) : (source.url ?? DEFAULT_URL);
  const file = fromDisk(url);
  if (file !== undefined) return WebAssembly.compile(await file.read());
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  // Streaming needs the right content type, which not every server sends.
  if (response.headers.get("content-type")?.startsWith("application/wasm")) {
    return WebAssembly.compileStreaming(response);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}

function absolute(url: string): URL {
  const base = typeof location === "undefined" ? undefined : location.href;
  return new URL(url, base);
}

interface OnDisk {
  read(): Promise<Uint8Array<ArrayBuffer>>;
  readSync(): Uint8Array<ArrayBuffer>;
}

/** A file, where the URL names one and the runtime has files. No static import: browsers have no `node:fs`. */
function fromDisk(url: URL): OnDisk | undefined {
  if (url.protocol !== "file:" || typeof process === "undefined") return undefined;
  const fs = process.getBuiltinModule?.("node:fs");
  return fs && { read: () => fs.promises.readFile(url), readSync: () => fs.readFileSync(url) };
}
