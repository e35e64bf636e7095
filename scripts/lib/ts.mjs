/** The TypeScript packages: tsdown in each, those that others build on first. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "./run.mjs";
import { hashOf, unlessStamped } from "./stamps.mjs";

/** The packages that have a build script, dependencies before dependents. */
export function packagesToBuild() {
  const found = new Map();
  for (const folder of readdirSync(join(ROOT, "packages")).sort()) {
    const file = join(ROOT, "packages", folder, "package.json");
    if (!existsSync(file)) continue;
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    if (manifest.scripts?.build !== undefined)
      found.set(manifest.name, { folder: `packages/${folder}`, manifest });
  }
  const ordered = [];
  const visit = (name) => {
    const one = found.get(name);
    if (one === undefined || ordered.includes(one)) return;
    const { dependencies = {}, optionalDependencies = {} } = one.manifest;
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies })) visit(other);
    ordered.push(one);
  };
  for (const name of found.keys()) visit(name);
  return ordered;
}

/** Builds all packages unless nothing changed in any of them. */
export function buildTs() {
  const packages = packagesToBuild();
  const inputs = packages.flatMap(({ folder }) => [
    `${folder}/src`,
    `${folder}/package.json`,
    `${folder}/tsconfig.json`,
    `${folder}/tsdown.config.ts`,
  ]);
  const hash = hashOf([...inputs, "tsconfig.base.json", "package-lock.json"]);
  const outputs = packages.map(({ folder }) => `${folder}/dist`);
  return unlessStamped("ts", hash, outputs, async () => {
    for (const { manifest } of packages) await run("npm", ["run", "build", "-w", manifest.name, "--silent"]);
    return packages.map(({ manifest }) => manifest.name).join(", ");
  });
}
