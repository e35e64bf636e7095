/**
 * `npm run test:ts -- name`: the inner loop. Runs the TypeScript tests whose file or title fits, against the sources;
 * the addon and the module are rebuilt only when Rust changed.
 */
import { native, prepare, wasm } from "./lib/build.mjs";
import { hand, Steps } from "./lib/run.mjs";
import { bin } from "./lib/tools.mjs";

const steps = new Steps();
if ((await prepare(steps)) && (await native(steps)) && (await wasm(steps))) {
  process.exitCode = await hand(process.execPath, [
    bin("vitest/vitest.mjs"),
    "run",
    ...process.argv.slice(2),
  ]);
} else {
  steps.finish("setup");
}
