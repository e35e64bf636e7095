/**
 * The house rules that no other tool knows: sizes, dependency direction, what may stand where. An exception needs a
 * reason in scripts/tidy-exceptions.json, and one that is no longer needed must go.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./run.mjs";
import { codeOnly, functions, lineOf, withoutTests } from "./rust-code.mjs";

const FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
const GENERATED = new Set(["packages/tercet/src/wire/index.ts", "package-lock.json", "Cargo.lock"]);

/** Who may depend on whom, among the crates of the workspace. */
const MAY_USE = {
  kernels: [],
  text: [],
  store: [],
  index: ["kernels"],
  engine: ["kernels", "text", "index", "store"],
  node: ["engine", "store"],
  wasm: ["engine", "store"],
};

/** The only Rust files that may touch a disk, a clock or chance. */
const ENV_FILES = new Set(["crates/store/src/file.rs"]);

/** Runs all rules; throws a list of what is wrong. */
export async function checkTidy() {
  const listed = await run("git", ["ls-files", "-co", "--exclude-standard", "--deduplicate"]);
  const files = listed.stdout.split("\n").filter((file) => file !== "" && !GENERATED.has(file));
  const exceptions = JSON.parse(readFileSync(join(ROOT, "scripts/tidy-exceptions.json"), "utf8"));
  const problems = [];
  const used = new Set();
  const report = (key, text) => {
    if (key in exceptions) used.add(key);
    else problems.push(text);
  };
  const syntax = await typescript();
  for (const file of files) checkFile(file, report, syntax);
  checkDirection(files, report);
  for (const key of Object.keys(exceptions)) {
    if (!used.has(key)) problems.push(`scripts/tidy-exceptions.json: ${key} is no exception any more`);
  }
  if (problems.length > 0) throw new Untidy(problems);
  return `${files.length} files`;
}

class Untidy extends Error {
  constructor(problems) {
    super(problems.join("\n      "));
    this.stack = this.message;
  }
}

async function typescript() {
  return (await import("typescript")).default;
}

function checkFile(file, report, syntax) {
  let text;
  try {
    text = readFileSync(join(ROOT, file), "utf8");
  } catch {
    return; // Listed, but removed in the working tree.
  }
  checkNames(file, text, report);
  const rust = file.endsWith(".rs");
  if (!rust && !/\.(ts|mts|cts|js|mjs|cjs)$/.test(file)) return;
  const lines = text.split("\n").length - 1;
  if (lines > FILE_LINES_MAX) report(file, `${file}: ${lines} lines, at most ${FILE_LINES_MAX}`);
  const code = rust ? codeOnly(text) : text;
  for (const one of rust ? functions(code) : scriptFunctions(syntax, file, text)) {
    if (one.lines <= FUNCTION_LINES_MAX) continue;
    const most = `at most ${FUNCTION_LINES_MAX}`;
    report(
      `${file}#${one.name}`,
      `${file}:${one.line}: function ${one.name} has ${one.lines} lines, ${most}`,
    );
  }
  if (rust) checkRust(file, text, code, report);
}

/** No registry's host and no path of somebody's machine, in any file. */
function checkNames(file, text, report) {
  if (file === "scripts/lib/tidy.mjs") return;
  const wrong =
    /registry\.npmjs\.org|registry\.yarnpkg\.com|(static|index)\.crates\.io|(?<![\w.-])\/(root|home\/\w+|Users\/\w+|work)\/\w/g;
  for (const found of text.matchAll(wrong)) {
    report(
      `${file}#names`,
      `${file}:${lineOf(text, found.index)}: names a machine or a registry: ${found[0]}`,
    );
  }
}

function checkRust(file, text, code, report) {
  const test = /(^|\/)(tests|benches|examples)\//.test(file) || /(^|\/)(tests|build)\.rs$/.test(file);
  checkSafety(file, text, code, report);
  if (test) return;
  const live = withoutTests(code);
  const rules = [
    [/\.(unwrap|expect)\(/g, "unwrap and expect are for tests"],
    [/\b(e?println|e?print|dbg|todo|unimplemented)!/g, "not outside tests"],
  ];
  if (!ENV_FILES.has(file)) {
    rules.push([
      /\bstd::(fs|net)\b|\b(Instant|SystemTime)\b|\brand::/g,
      "disk, clock and chance stay behind Env",
    ]);
  }
  for (const [pattern, why] of rules) {
    for (const found of live.matchAll(pattern)) {
      report(`${file}#${found[0]}`, `${file}:${lineOf(live, found.index)}: ${found[0]}: ${why}`);
    }
  }
}

/** Every unsafe block and impl says why it is sound, in the lines above it or its statement. */
function checkSafety(file, text, code, report) {
  const lines = text.split("\n");
  for (const found of code.matchAll(/\bunsafe\s*(\{|impl\b)/g)) {
    const line = lineOf(code, found.index);
    const above = lines.slice(Math.max(0, line - 12), line).join("\n");
    if (!/SAFETY:/.test(above)) report(`${file}#unsafe`, `${file}:${line}: unsafe without its SAFETY line`);
  }
}

function checkDirection(files, report) {
  for (const file of files) {
    const crate = /^crates\/(\w+)\/Cargo\.toml$/.exec(file)?.[1];
    if (crate === undefined) continue;
    const allowed = MAY_USE[crate];
    if (allowed === undefined) {
      report(`${file}#direction`, `${file}: say in scripts/lib/tidy.mjs what ${crate} may use`);
      continue;
    }
    // Tests may use what they like; everything else keeps the direction.
    const text = readFileSync(join(ROOT, file), "utf8").replace(/\n\[dev-dependencies\][^[]*/g, "\n");
    for (const [, other] of text.matchAll(/^tercet-(\w+)\b/gm)) {
      if (!allowed.includes(other)) report(`${file}#${other}`, `${file}: ${crate} must not use ${other}`);
    }
  }
}

/** Functions of a script. Lists of tests, the callbacks of `describe`, are not counted, nor what stands around them. */
function scriptFunctions(ts, file, text) {
  const found = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const line = (at) => source.getLineAndCharacterOfPosition(at).line + 1;
  const span = (node) => line(node.end) - line(node.getStart()) + 1;
  const isList = (node) => ts.isCallExpression(node) && /^(describe|suite)\b/.test(node.getText());
  // Lines of the lists of tests inside a node.
  const lists = (node) =>
    isList(node) ? span(node) : node.getChildren().reduce((sum, child) => sum + lists(child), 0);
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined && !isList(node.parent)) {
      const name = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
      const lines = span(node) - lists(node.body);
      found.push({ name: name?.getText() ?? "(unnamed)", line: line(node.getStart()), lines });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
