/** What the loaders promise. Declared here so that this package type-checks before they are built. */
declare module "@tercet/native" {
  /** Loads the addon of this platform. Throws where there is none. */
  export function load(): import("../binding.js").Binding;
}
declare module "@tercet/wasm" {
  /** Loads the WebAssembly core. Rejects where it cannot be found or compiled. */
  export function load(source?: { readonly storage?: object }): Promise<import("../binding.js").Binding>;
}
declare module "@tercet/wasm/node-storage" {
  /** The real file system. */
  export function nodeStorage(): object;
}
