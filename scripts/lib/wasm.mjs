/** The WebAssembly core: cargo builds it, binaryen makes it smaller. */
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CORE_INPUTS } from "./native.mjs";
import { ROOT, run } from "./run.mjs";
import { hashOf, unlessStamped } from "./stamps.mjs";
import { bin } from "./tools.mjs";
import { wasmTarget } from "./wasm-target.mjs";

/** Where the loader looks for the module. */
export const WASM_FILE = "packages/wasm/tercet.wasm";
/** Speed before size: the scans are what the module is for. */
const OPTIONS = ["-O3", "--strip-debug", "--strip-producers"];
const INPUTS = [...CORE_INPUTS, "crates/wasm", "scripts/lib/wasm.mjs", "scripts/lib/wasm-target.mjs"];

/** Builds the module unless it is up to date. */
export function buildWasm() {
  // The compiler is not part of the stamp: looking for it is what takes long when nothing is to be done.
  return unlessStamped("wasm", hashOf(INPUTS, optimizerVersion()), [WASM_FILE], async () => {
    const { cargo, env } = await wasmTarget();
    // A folder of its own: the compiler for this target may be another one.
    const target = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "wasm");
    const args = [
      "build",
      "--release",
      "--locked",
      "--target",
      "wasm32-unknown-unknown",
      "-p",
      "tercet-wasm",
    ];
    await run(cargo, args, { env: { ...env, CARGO_TARGET_DIR: target } });
    const built = join(target, "wasm32-unknown-unknown/release/tercet_wasm.wasm");
    await optimize(built, join(ROOT, WASM_FILE));
    return sizes(built);
  });
}

function optimizer() {
  return bin("binaryen/bin/wasm-opt");
}

function optimizerVersion() {
  const manifest = bin("binaryen/package.json");
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).version : "none";
}

async function optimize(from, to) {
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const fresh = join(ROOT, ".cache/tercet.wasm");
  if (existsSync(optimizer())) await run("node", [optimizer(), ...OPTIONS, from, "-o", fresh]);
  else
    await run("node", [
      "-e",
      `require("node:fs").copyFileSync(${JSON.stringify(from)}, ${JSON.stringify(fresh)})`,
    ]);
  renameSync(fresh, to);
}

function sizes(built) {
  const kilobytes = (bytes) => `${(bytes.length / 1e3).toFixed(0)} kB`;
  const bytes = readFileSync(join(ROOT, WASM_FILE));
  return `${kilobytes(bytes)}, ${kilobytes(gzipSync(bytes, { level: 9 }))} gzipped, ${kilobytes(readFileSync(built))} before binaryen`;
}
