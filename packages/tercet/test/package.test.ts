/** The built package: one instance for `import` and `require`, and nothing of Node in the web build. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { scratch } from "./cli/scratch.js";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const built = existsSync(`${dist}main.cjs`);

describe.skipIf(!built)("the build (made by `npm run build:ts`)", () => {
  /** Plain Node, without the test runner's own module loader. */
  const run = (code: string) => {
    const prelude = `
      import assert from "node:assert/strict";
      import { createRequire } from "node:module";
      const require = createRequire(import.meta.url);`;
    const child = ["--input-type=module", "-e", prelude + code];
    return execFileSync(process.execPath, child, { cwd: dist, stdio: "pipe", encoding: "utf8" });
  };

  test.each(["tercet", "tercet/index"])("%s: import and require give the same things", (entry) => {
    run(`
      const esm = await import("${entry}");
      const cjs = require("${entry}");
      assert.deepEqual(Object.keys(esm).sort(), Object.keys(cjs).sort());
      assert(Object.keys(esm).length > 3);
      for (const name of Object.keys(esm)) assert.equal(esm[name], cjs[name]);`);
  });

  test("both entries throw the same class, and so do both builds", () => {
    run(`
      const { TercetError } = require("tercet");
      assert.equal(TercetError, require("tercet/index").TercetError);
      const web = await import("${pathToFileURL(dist)}web/main.mjs");
      assert.notEqual(web.TercetError, TercetError);
      assert(new web.TercetError("ERR_IO", "x") instanceof TercetError);`);
  });

  test("the web build imports nothing of Node", () => {
    for (const file of readdirSync(`${dist}web`).filter((name) => name.endsWith(".mjs"))) {
      const code = readFileSync(`${dist}web/${file}`, "utf8");
      expect(code).not.toMatch(/from\s*"(?!\.)|(?<!")import\s*"|node:|@tercet\/native|process\./);
    }
  });

  /** The examples of a page. */
  const examples = (page: string) => {
    const text = readFileSync(fileURLToPath(new URL(page, import.meta.url)), "utf8");
    return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((found) => found[1] as string);
  };
  const plain = (example: string) => {
    const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
    return ts.transpileModule(example, { compilerOptions }).outputText;
  };

  test("the readme's example runs", () => {
    const example = examples("../README.md")[0]?.replace("./papers", ":memory:") ?? "";
    expect(run(plain(example))).toContain("Flow in the boundary layer [ [ 12, 20 ], [ 21, 26 ] ]");
  });

  test("the guide's examples run, one after the other", () => {
    const local = examples("../../../docs/guides/durability.md").filter((code) => !code.includes("fetch("));
    const folder = scratch();
    const code = local.join("").replaceAll(/"(\.\/\w+|\w+\.tercet)"/g, `"${folder}/$1"`);
    expect(run(plain(code)).split("\n")).toMatchObject({ 0: "1", 1: "2" });
  });
});
