/** What the package needs from Node: both backends, the native one first. The web build swaps this file for `web.ts`. */
import type { Binding } from "../binding.js";

/** The backends in order of preference, each with its loader. */
export const BACKENDS: readonly { readonly name: "native" | "wasm"; load(): Promise<Binding> }[] = [
  { name: "native", load: async () => (await import("@tercet/native")).load() },
  {
    name: "wasm",
    load: async () => {
      const [wasm, files] = await Promise.all([import("@tercet/wasm"), import("@tercet/wasm/node-storage")]);
      return wasm.load({ storage: files.nodeStorage() });
    },
  },
];

/** The backend that the environment forces, if any. */
export function forcedBackend(): string | undefined {
  return process.env.TERCET_BACKEND || undefined;
}
