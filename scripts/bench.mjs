/**
 * `npm run bench [-- name ...]`: the benchmarks whose name fits, or all. Rust's (criterion, by crate) come first, then
 * the TypeScript ones (tinybench, bench/*.mjs), which run against the built packages.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { native, prepare, ts, wasm } from "./lib/build.mjs";
import { hand, ROOT, Steps } from "./lib/run.mjs";

const wanted = process.argv.slice(2);
const fits = (name) => wanted.length === 0 || wanted.some((part) => name.includes(part));
const manifest = (crate) => readFileSync(join(ROOT, "crates", crate, "Cargo.toml"), "utf8");

const crates = readdirSync(join(ROOT, "crates"))
  .filter((crate) => /^\[\[bench\]\]/m.test(manifest(crate)))
  .filter((crate) => fits(crate));
const scripts = readdirSync(join(ROOT, "bench")).filter((name) => name.endsWith(".mjs") && fits(name));
if (crates.length + scripts.length === 0) {
  console.error(`no benchmark fits ${wanted.join(", ")}`);
  process.exit(2);
}

const steps = new Steps();
let ready = await prepare(steps);
if (ready && scripts.length > 0) ready = (await native(steps)) && (await wasm(steps)) && (await ts(steps));
if (!ready) steps.finish("setup");
const commands = [
  ...crates.map((crate) => ["cargo", ["bench", "-p", `tercet-${crate}`]]),
  ...scripts.sort().map((name) => [process.execPath, [`bench/${name}`]]),
];
for (const [command, args] of ready ? commands : []) {
  console.log(`\n${args.join(" ")}`);
  const code = await hand(command, args);
  if (code !== 0) process.exitCode = code;
}
