/** What the package needs where there is no Node: WebAssembly, fetched on first use. No `node:` module, no addon. */
import type { Binding } from "../binding.js";

/** The backends in order of preference, each with its loader. */
export const BACKENDS: readonly { readonly name: "native" | "wasm"; load(): Promise<Binding> }[] = [
  { name: "wasm", load: async () => (await import("@tercet/wasm")).load() },
];

/** There is no environment to force one. */
export function forcedBackend(): string | undefined {
  return undefined;
}
