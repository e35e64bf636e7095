/** Checks that read the code without running it, as steps. */

import { run } from "./run.mjs";
import { checkTidy } from "./tidy.mjs";
import { bin, component } from "./tools.mjs";

/** Rust and TypeScript are formatted, and biome has no complaint. */
export async function format(steps) {
  await steps.step("cargo fmt", async () => {
    await component("rustfmt", ["fmt", "--version"]);
    await run("cargo", ["fmt", "--all", "--check"]);
  });
  const colors = `--colors=${process.stdout.isTTY ? "force" : "off"}`;
  await steps.step("biome", async () => {
    await run("node", [bin("@biomejs/biome/bin/biome"), "ci", "--error-on-warnings", colors, "."]);
  });
}

/** The house rules that no other tool knows. */
export const tidy = (steps) => steps.step("tidy", checkTidy);

/** Clippy over everything, tests and benchmarks too. */
export function clippy(steps) {
  return steps.step("clippy", async () => {
    await component("clippy", ["clippy", "--version"]);
    await run("cargo", [
      "clippy",
      "--workspace",
      "--all-targets",
      "--locked",
      "--quiet",
      "--",
      "-D",
      "warnings",
    ]);
  });
}

/** TypeScript's types over all packages and tests. */
export function types(steps) {
  return steps.step("types", async () => {
    await run("node", [bin("typescript/bin/tsc"), "-p", "tsconfig.json"]);
  });
}
