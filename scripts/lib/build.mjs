/** Everything that must be built before something can run, as steps. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildNative } from "./native.mjs";
import { Missing, ROOT } from "./run.mjs";
import { modules, rust } from "./tools.mjs";
import { buildTs } from "./ts.mjs";
import { buildWasm, WASM_FILE } from "./wasm.mjs";

/** Node's modules and Rust; without them nothing else makes sense. */
export async function prepare(steps) {
  return (await steps.step("node_modules", modules)) && (await steps.step("rust", rust));
}

/** The native addon. */
export const native = (steps) => steps.step("native addon", buildNative);

/** The TypeScript packages. */
export const ts = (steps) => steps.step("TypeScript packages", buildTs);

/** The WebAssembly core. Where the target cannot be had, that is said, and everything else goes on without. */
export function wasm(steps) {
  return steps.step("WebAssembly core", async () => {
    try {
      return await buildWasm();
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      // An older one would be tested as if it were this one.
      rmSync(join(ROOT, WASM_FILE), { force: true });
      steps.notice(`built without WebAssembly: ${error.message}`);
      return "skipped";
    }
  });
}
