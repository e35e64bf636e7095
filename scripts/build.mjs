/** `npm run build [native|wasm|ts ...]`: builds what is named, or everything. */
import { native, prepare, ts, wasm } from "./lib/build.mjs";
import { Steps } from "./lib/run.mjs";

const parts = { native, wasm, ts };
const named = process.argv.slice(2);
const unknown = named.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`there is no part named ${unknown}; there are: ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}
const steps = new Steps();
if (await prepare(steps)) {
  for (const name of named.length > 0 ? named : Object.keys(parts)) await parts[name](steps);
}
steps.finish("build");
