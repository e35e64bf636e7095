/** What the last runs counted, for a sum over several commands. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./run.mjs";

/** Writes `.cache/counts/<name>.json`. */
export function saveCounts(name, { passed, failed }) {
  const folder = join(ROOT, ".cache/counts");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ passed, failed }));
}
