/**
 * Skips work whose inputs did not change: a stamp is a hash of file names, contents and whatever else decides the
 * result. It stands in .cache/stamps and is written after the work succeeded.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./run.mjs";

const SKIPPED = new Set(["node_modules", "target", "dist", ".git", ".cache"]);

/** All files under a path of the repository, sorted; a path that is not there has none. */
export function filesUnder(path) {
  const full = join(ROOT, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .filter((name) => !SKIPPED.has(name) && !/\.(node|wasm|tsbuildinfo|tgz)$/.test(name))
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`));
}

/** A hash of files and texts. */
export function hashOf(paths, ...texts) {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(filesUnder)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update("\0");
  }
  for (const text of texts) hash.update(`${text}\0`);
  return hash.digest("hex");
}

/** Runs `work` unless the stamp says that it would give the same outputs again. */
export async function unlessStamped(name, hash, outputs, work) {
  const stamp = join(ROOT, ".cache/stamps", name);
  const there = outputs.every((path) => existsSync(join(ROOT, path)));
  if (there && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return "unchanged";
  rmSync(stamp, { force: true });
  const note = await work();
  mkdirSync(join(ROOT, ".cache/stamps"), { recursive: true });
  writeFileSync(stamp, hash);
  return note;
}
