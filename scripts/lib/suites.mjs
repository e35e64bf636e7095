/** The test runners: what they print is let through, what they count is added up. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CommandError, ROOT, run } from "./run.mjs";
import { bin } from "./tools.mjs";

/** `cargo test` with the given arguments. */
export async function cargoTest(steps, args, env = {}) {
  const result = await run("cargo", ["test", "--locked", "--quiet", "--no-fail-fast", ...args], {
    env,
    fails: true,
  });
  const { passed, failed } = countRust(result.output);
  // A test that lacks its data passes and says so; that must not drown.
  for (const [line] of result.output.matchAll(/not run: .*/g)) steps.notice(line);
  return judged(steps, "cargo test", result, passed, failed);
}

function countRust(output) {
  let [passed, failed] = [0, 0];
  for (const [, ok, bad] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
    passed += Number(ok);
    failed += Number(bad);
  }
  return { passed, failed };
}

/**
 * The test programs of some crates once more, under other variables. They are run as `cargo test --workspace` built them:
 * naming packages would build them anew, with other features of their dependencies.
 */
export async function testPrograms(steps, crates, env) {
  const args = ["test", "--locked", "--workspace", "--no-run", "--message-format=json"];
  const { stdout } = await run("cargo", args);
  const messages = stdout.split("\n").filter((line) => line.startsWith("{"));
  const programs = messages
    .map((line) => JSON.parse(line))
    .filter(({ executable, profile, manifest_path: manifest = "" }) => {
      return executable && profile?.test && crates.some((crate) => manifest.includes(join("crates", crate)));
    });
  let [passed, failed, output, code] = [0, 0, "", 0];
  for (const { executable, manifest_path: manifest } of programs) {
    const result = await run(executable, ["--quiet"], { env, fails: true, cwd: dirname(manifest) });
    const counted = countRust(result.output);
    passed += counted.passed;
    failed += counted.failed;
    if (result.code !== 0) [output, code] = [output + result.output, result.code];
  }
  return judged(steps, "test programs", { code, output }, passed, failed);
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

/** Kills a writing process so many times; what it says names the seed. */
export async function crash(rounds) {
  const { stdout } = await run(process.execPath, ["test/crash/soak.mjs", "--rounds", String(rounds)]);
  return stdout.trim().replaceAll("\n", ", ");
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
