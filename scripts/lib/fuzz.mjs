/** Every reader of bytes under a fuzzer: cargo-fuzz where it is, else the plain loop of `npm test` for longer. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { has, ROOT, run } from "./run.mjs";
import { cargoTest } from "./suites.mjs";

const SECONDS_IN_ALL = 60;
/** What a target may use; an input that needs more has found something. */
const LIMITS = ["-rss_limit_mb=2048", "-malloc_limit_mb=512", "-timeout=20", "-max_len=65536"];

/** Runs all targets for about a minute; what they find is kept in fuzz/artifacts. */
export async function fuzz(steps) {
  const programs = readdirSync(join(ROOT, "fuzz/fuzz_targets"));
  const targets = programs.map((file) => file.replace(/\.rs$/, "")).sort();
  const each = Math.max(1, Math.round(SECONDS_IN_ALL / targets.length));
  const missing = await whatIsMissing();
  if (missing !== undefined) {
    steps.notice(`not run: ${missing}; the plain loop ran instead`);
    const args = ["-p", "tercet-engine", "--test", "fuzz"];
    return cargoTest(steps, args, { TERCET_FUZZ_SECONDS: String(each * 2) });
  }
  const cargo = ["+nightly", "fuzz"];
  await run("cargo", [...cargo, "build"]);
  for (const target of targets) {
    // What it learns stays out of the repository; the corpus there is only read.
    const found = join(ROOT, ".cache/fuzz", target);
    mkdirSync(found, { recursive: true });
    const corpora = [found, `fuzz/corpus/${target}`];
    await run("cargo", [...cargo, "run", target, ...corpora, "--", `-max_total_time=${each}`, ...LIMITS]);
  }
  return `${targets.length} targets, ${each} s each`;
}

async function whatIsMissing() {
  if (!(await has("cargo", ["fuzz", "--version"])))
    return "cargo-fuzz is missing; type: cargo install cargo-fuzz";
  if (!(await has("cargo", ["+nightly", "--version"])))
    return "nightly Rust is missing; type: rustup toolchain install nightly";
  return undefined;
}
