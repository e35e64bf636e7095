/** The wire types as TypeScript: written, or compared with what is written. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, run } from "./run.mjs";

const FILE = "packages/tercet/src/wire/index.ts";

/** @param {boolean} check compare instead of write */
export async function generated(check) {
  // The test profile, because the tests are built with it anyway.
  const args = ["run", "--quiet", "--profile", "test", "-p", "tercet-engine", "--example", "wire"];
  const { stdout: fresh } = await run("cargo", args);
  const file = join(ROOT, FILE);
  const old = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (old === fresh) return "unchanged";
  if (check) {
    const line = fresh.split("\n").findIndex((text, at) => text !== old.split("\n")[at]) + 1;
    throw new Error(`${FILE} differs from the Rust types, first in line ${line}; type: npm run generate`);
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, fresh);
  return "written";
}
