/** `npm start`: sets up what a fresh clone lacks, then runs the reverse dictionary over WordNet. */
import { native, prepare, ts, wasm } from "./lib/build.mjs";
import { hand, Steps } from "./lib/run.mjs";

const steps = new Steps();
const ready = (await prepare(steps)) && (await native(steps)) && (await wasm(steps)) && (await ts(steps));
if (!ready) {
  steps.finish("setup");
} else {
  for (const text of steps.notices) console.log(`note  ${text}`);
  process.exitCode = await hand(process.execPath, [
    "examples/reverse-dictionary/main.mjs",
    ...process.argv.slice(2),
  ]);
}
