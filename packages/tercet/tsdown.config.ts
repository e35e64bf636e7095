/**
 * Three builds from one source.
 *
 * - Node: CommonJS with the real code, and ES modules that re-export it, so that `import` and `require` share one
 *   instance (one class per error, one loaded core). The declarations are written once, for CommonJS, and re-exported.
 * - Web: ES modules whose platform is `platform/web.ts`: no `node:` module, no addon.
 * - The command line: an ES module on top of the Node build.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { defineConfig, type UserConfig } from "tsdown";

const ENTRIES = { main: "src/main.ts", index: "src/indexes.ts", binding: "src/binding.ts" };
const CLI = "src/cli/main.ts";
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const common = {
  target: "es2023",
  sourcemap: true,
  outDir: "dist",
  tsconfig: "tsconfig.json",
  deps: { neverBundle: [/^@tercet\//, /^tercet(\/|$)/] },
} satisfies UserConfig;

/** Writes `name.mjs` and `name.d.mts` beside each CommonJS entry: the same exports, the same instance. */
async function writeWrappers(): Promise<void> {
  for (const name of Object.keys(ENTRIES)) {
    const code = await readFile(here(`dist/${name}.cjs`), "utf8");
    const names = [...code.matchAll(/^exports\.(\w+) = /gm)].map((found) => found[1] as string);
    const list = [...new Set(names)].sort().join(", ");
    const wrapper = list === "" ? "export {};\n" : `export { ${list} } from "./${name}.cjs";\n`;
    await writeFile(here(`dist/${name}.mjs`), wrapper);
    await writeFile(here(`dist/${name}.d.mts`), `export * from "./${name}.cjs";\n`);
  }
}

const node: UserConfig = {
  ...common,
  name: "node",
  entry: ENTRIES,
  format: "cjs",
  platform: "node",
  clean: true,
  dts: true,
  outExtensions: () => ({ js: ".cjs", dts: ".d.cts" }),
  hooks: { "build:done": writeWrappers },
};

const web: UserConfig = {
  ...common,
  name: "web",
  entry: { main: ENTRIES.main, index: ENTRIES.index },
  outDir: "dist/web",
  format: "esm",
  platform: "browser",
  clean: false,
  dts: false,
  outExtensions: () => ({ js: ".mjs" }),
  plugins: [
    {
      name: "platform-web",
      resolveId: (id: string) => (id.endsWith("/platform/node.js") ? here("src/platform/web.ts") : null),
    },
  ],
};

const cli: UserConfig = {
  ...common,
  name: "cli",
  entry: { cli: CLI },
  format: "esm",
  platform: "node",
  clean: false,
  dts: false,
  outExtensions: () => ({ js: ".mjs" }),
};

export default defineConfig(existsSync(here(CLI)) ? [node, web, cli] : [node, web]);
