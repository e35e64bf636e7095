// The house's own rules, as a test: sizes, unsafe, printing, who may call whom, where the clock and the disk are.
// `node scripts/tidy.mjs` prints every finding as `file:line: what` and exits 1 when there is one.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
/** Files and functions that are longer for a reason: path (or path#function) to that reason. */
const EXCEPTIONS = JSON.parse(readFileSync(join(ROOT, "scripts/tidy-exceptions.json"), "utf8"));

/** Which crates each may depend on: the picture in ARCHITECTURE.md. */
const MAY_CALL = {
  kernels: [],
  text: [],
  index: ["kernels"],
  store: [],
  engine: ["kernels", "text", "index", "store"],
  node: ["engine", "store"],
  wasm: ["engine", "store"],
};
/** Where the disk, the clock and chance may be touched: the Env of real files and the thread pool's home. */
const OUTSIDE_WORLD = /^crates\/(store\/src\/file\.rs|store\/src\/file\/|node\/|.*\/(tests|benches|examples)\/)/;
const GENERATED = /^(packages\/tercet\/src\/wire\/|package-lock\.json|Cargo\.lock|LICENSE|test\/vectors\/)/;

const findings = [];
const used = new Set();
const report = (file, line, what) => findings.push(`${file}:${line}: ${what}`);
const excused = (key) => (key in EXCEPTIONS ? (used.add(key), true) : false);

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: ROOT })
  .toString("utf8")
  .split("\0")
  .filter((file) => file && existsSync(join(ROOT, file)));

for (const file of tracked) {
  if (GENERATED.test(file) || !/\.(rs|ts|mjs|js|cjs|md|json|toml|yml)$/.test(file)) continue;
  const text = readFileSync(join(ROOT, file), "utf8");
  const lines = text.split("\n");
  noTraces(file, lines);
  if (!/\.(rs|ts|mjs|js|cjs)$/.test(file)) continue;
  if (lines.length - 1 > FILE_LINES_MAX && !excused(file)) report(file, 1, `${lines.length - 1} lines, at most ${FILE_LINES_MAX}`);
  // A suite is one function of many short ones.
  if (!/^packages\/testkit\/|\/test\//.test(file)) longFunctions(file, lines);
  if (file.endsWith(".rs")) rust(file, lines);
}
dependencies();
for (const key of Object.keys(EXCEPTIONS)) if (!used.has(key)) report("scripts/tidy-exceptions.json", 1, `${key} needs no exception any more`);

if (findings.length > 0) {
  console.error(findings.join("\n"));
  console.error(`tidy: ${findings.length} findings`);
  process.exit(1);
}
console.log(`tidy: ${tracked.length} files, nothing to say`);

/** Nothing in the project names a machine or a package registry. */
function noTraces(file, lines) {
  const host = new RegExp(["registry\\.npm", "js\\.org|static\\.crates", "\\.io|index\\.crates", "\\.io"].join(""), "i");
  const home = new RegExp(["(?:^|[\\s\"'`(=])/(?:ro", "ot|ho", "me|wo", "rk)/"].join(""));
  lines.forEach((line, at) => {
    if (host.test(line)) report(file, at + 1, "names the host of a package registry");
    if (home.test(line)) report(file, at + 1, "names a path of one machine");
  });
}

/** A function's length, by the indentation that both formatters keep: from its first line to the closing brace below it. */
function longFunctions(file, lines) {
  const start = file.endsWith(".rs")
    ? /^(\s*)(?:pub(?:\([^)]*\))? )?(?:const )?(?:unsafe )?(?:extern "C" )?fn (\w+)/
    : /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\*? (\w+)|(?:static |private |#)?(?:async )?(\w+)\(.*\{$)/;
  const notFunctions = new Set(["if", "for", "while", "switch", "catch", "describe", "test", "it", "with"]);
  lines.forEach((line, at) => {
    const match = start.exec(line);
    const name = match?.[2] ?? match?.[3];
    if (!match || notFunctions.has(name)) return;
    if (file.endsWith(".rs") && line.trimEnd().endsWith(";")) return;
    const close = lines.findIndex((later, index) => index > at && later.startsWith(`${match[1]}}`));
    const length = close - at + 1;
    if (close > 0 && length > FUNCTION_LINES_MAX && !excused(`${file}#${name}`)) {
      report(file, at + 1, `function ${name} has ${length} lines, at most ${FUNCTION_LINES_MAX}`);
    }
  });
}

function rust(file, lines) {
  const outside = /(^|\/)(tests|benches|examples)(\/|\.rs)|build\.rs$/.test(file);
  const testsFrom = lines.findIndex((line) => /^#\[cfg\(test\)\]/.test(line));
  lines.forEach((line, at) => {
    const code = line.replace(/\/\/.*$/, "");
    const inTest = outside || (testsFrom >= 0 && at >= testsFrom);
    if (!inTest && /\.unwrap\(\)|\.expect\(|\bprintln!|\beprintln!|\bdbg!|\btodo!|\bpanic!\(/.test(code)) {
      report(file, at + 1, "unwrap, expect, panic or printing outside tests");
    }
    if (/\bunsafe( impl\b|\s*\{)/.test(code) && !safety(lines, at)) {
      report(file, at + 1, "unsafe without a SAFETY line above it");
    }
    if (!OUTSIDE_WORLD.test(file) && !inTest && /\bstd::fs\b|\bInstant::now|\bSystemTime\b|\brand::/.test(code)) {
      report(file, at + 1, "the disk, the clock or chance outside the Env");
    }
    if (!file.startsWith("crates/kernels/") && /cfg\(.*target_feature/.test(code)) {
      report(file, at + 1, "cfg(target_feature) above crates/kernels");
    }
  });
}

/** A SAFETY comment (or a `# Safety` section) in the comment block or the few lines above. */
function safety(lines, at) {
  for (let above = at; above >= 0 && above > at - 14; above--) {
    if (/SAFETY|# Safety/.test(lines[above])) return true;
    if (above < at && /^\s*(pub\s+)?(fn|impl|mod)\b/.test(lines[above]) && /[{;]\s*$/.test(lines[above])) return false;
  }
  return false;
}

function dependencies() {
  for (const [crate, allowed] of Object.entries(MAY_CALL)) {
    const file = `crates/${crate}/Cargo.toml`;
    const manifest = readFileSync(join(ROOT, file), "utf8").split(/^\[dev-dependencies\]/m)[0];
    for (const [, name] of manifest.matchAll(/^tercet-(\w+)/gm)) {
      if (!allowed.includes(name)) report(file, 1, `tercet-${crate} must not depend on tercet-${name}`);
    }
  }
}
