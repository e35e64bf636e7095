import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`packages/${path}`, import.meta.url));

// Where the WebAssembly target cannot be had, the native half is tested alone; scripts/lib/build.mjs says so.
const withoutWasm = existsSync(source("wasm/tercet.wasm"))
  ? []
  : ["packages/wasm/test/**", "packages/*/test/**/{wasm,across}.test.ts"];

export default defineConfig({
  resolve: {
    // Tests run against the sources; what is built and packed is tested by `npm run test:all`.
    alias: [
      { find: /^tercet$/, replacement: source("tercet/src/main.ts") },
      { find: /^tercet\/index$/, replacement: source("tercet/src/indexes.ts") },
      { find: /^tercet\/binding$/, replacement: source("tercet/src/binding.ts") },
      { find: /^@tercet\/native$/, replacement: source("native/src/main.ts") },
      { find: /^@tercet\/wasm$/, replacement: source("wasm/src/main.ts") },
      { find: /^@tercet\/wasm\/node-storage$/, replacement: source("wasm/src/node-storage.ts") },
      { find: /^@tercet\/testkit$/, replacement: source("testkit/src/main.ts") },
    ],
  },
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/*/test/**/*.test.{ts,mjs}"],
    exclude: [...configDefaults.exclude, ...withoutWasm],
    typecheck: {
      include: ["packages/*/test/**/*.test-d.ts"],
      // Must include the type tests: otherwise they pass in silence.
      tsconfig: "./tsconfig.json",
    },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
