/**
 * What a user gets: the packages are packed, installed from the tarballs alone, without a registry and without install
 * scripts, and then used by `import`, by `require` and by README's first example.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "./run.mjs";
import { bin } from "./tools.mjs";
import { packagesToBuild } from "./ts.mjs";

/** Packs every package that is built; gives name and tarball. */
async function pack(folder) {
  const packed = [];
  for (const { folder: source, manifest } of packagesToBuild()) {
    if (manifest.private === true) continue;
    const args = ["pack", "--silent", "--pack-destination", folder];
    await run("npm", args, { cwd: join(ROOT, source) });
    const stem = manifest.name.replace("@", "").replace("/", "-");
    const tarball = readdirSync(folder).find((file) => file === `${stem}-${manifest.version}.tgz`);
    if (tarball === undefined) throw new Error(`npm pack left no tarball for ${manifest.name}`);
    packed.push({ name: manifest.name, folder: source, manifest, tarball: join(folder, tarball) });
  }
  return packed;
}

/** publint and attw over each package. */
async function lint({ folder, manifest, tarball }) {
  await run("node", [bin("publint/src/cli.js"), "--strict", "--pack", "npm", join(ROOT, folder)]);
  // Entries that are no code have no types.
  const files = Object.keys(manifest.exports ?? {}).filter((entry) => /\.(wasm|json)$/.test(entry));
  const excluded = files.length > 0 ? ["--exclude-entrypoints", ...files] : [];
  const attw = bin("@arethetypeswrong/cli/dist/index.js");
  await run("node", [attw, tarball, "--profile", "node16", "--no-color", ...excluded]);
}

/** README's first TypeScript block, as JavaScript that every supported Node runs. */
async function example() {
  const block = /^```ts\n(.*?)^```/ms.exec(readFileSync(join(ROOT, "README.md"), "utf8"));
  if (block === null) throw new Error("README.md has no ```ts example");
  const ts = (await import("typescript")).default;
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(block[1], { compilerOptions: options }).outputText;
}

const USE = `
const schema = { title: text() };
const collection = await open(":memory:", { schema });
await collection.upsert([{ id: 1, title: "an apple" }, { id: 2, title: "a pear" }]);
const page = await collection.search({ query: match("pear") });
if (page.hits.length !== 1 || page.hits[0].id !== 2) throw new Error(JSON.stringify(page));
await collection.close();
`;

/** Runs everything in a fresh folder; gives what was packed. */
export async function packaging() {
  const home = mkdtempSync(join(tmpdir(), "tercet-packaging-"));
  try {
    const tarballs = join(home, "tarballs");
    mkdirSync(tarballs);
    const packed = await pack(tarballs);
    for (const one of packed) await lint(one);
    const user = join(home, "user");
    mkdirSync(user);
    writeFileSync(join(user, "package.json"), '{ "name": "user", "version": "1.0.0", "private": true }\n');
    const install = ["install", "--ignore-scripts", "--offline", "--no-audit", "--no-fund"];
    await run("npm", [...install, ...packed.map(({ tarball }) => tarball)], { cwd: user });
    const imports = 'import { match, open, text } from "tercet";';
    writeFileSync(join(user, "esm.mjs"), `${imports}\n${USE}`);
    const required = 'const { match, open, text } = require("tercet");';
    const main = `(async () => {${USE}})().catch((error) => { console.error(error); process.exit(1); });`;
    writeFileSync(join(user, "cjs.cjs"), `${required}\n${main}`);
    writeFileSync(join(user, "example.mjs"), await example());
    for (const file of ["esm.mjs", "cjs.cjs", "example.mjs"]) {
      for (const backend of ["native", "wasm"]) {
        await run("node", [file], { cwd: user, env: { TERCET_BACKEND: backend } });
      }
    }
    await run(join(user, "node_modules/.bin/tercet"), ["--help"], { cwd: user });
    return packed.map(({ name }) => name).join(", ");
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
