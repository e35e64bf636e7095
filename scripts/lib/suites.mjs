/** The test runners: what they print is let through, what they count is added up. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CommandError, ROOT, run } from "./run.mjs";
import { bin } from "./tools.mjs";

/** `cargo test` with the given arguments. */
export async function cargoTest(steps, args, env = {}) {
  const result = await run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", ...args], {
    env,
    fails: true,
  });
  let [passed, failed] = [0, 0];
  for (const [, ok, bad] of result.output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
    passed += Number(ok);
    failed += Number(bad);
  }
  return judged(steps, "cargo test", result, passed, failed);
}

/**
 * Vitest with the given Node.
 * @param {{ node?: string, types?: boolean, args?: string[], env?: Record<string, string> }} options
 */
export async function vitest(steps, { node = process.execPath, types = false, args = [], env = {} } = {}) {
  const folder = join(ROOT, ".cache/vitest");
  const report = join(folder, "report.json");
  mkdirSync(folder, { recursive: true });
  rmSync(report, { force: true });
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  const checked = types ? ["--typecheck"] : [];
  const command = [bin("vitest/vitest.mjs"), "run", ...reporters, ...checked, ...args];
  const result = await run(node, command, { env, fails: true });
  let counted = { numPassedTests: 0, numFailedTests: 0 };
  try {
    counted = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    // The runner ended before it could count; its exit code says so.
  }
  return judged(steps, "vitest", result, counted.numPassedTests, counted.numFailedTests);
}

function judged(steps, name, result, passed, failed) {
  if (result.code !== 0) {
    // The failed step itself counts as one; the runner may have counted more.
    steps.count(passed + 1, Math.max(failed - 1, 0));
    throw new CommandError(name, result);
  }
  if (passed === 0) throw new Error(`${name} ran no tests`);
  steps.count(passed, failed);
  return `${passed} passed`;
}
