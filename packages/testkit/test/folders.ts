/** Temporary folders on Node, gone when the tests are over. */
import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Files } from "../src/kit.js";

/** Makes empty folders, and removes them after the file's tests. */
export function temporaryFolders(): () => Promise<string> {
  const made: string[] = [];
  afterAll(async () => {
    await Promise.all(made.map((folder) => rm(folder, { recursive: true, force: true })));
  });
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), "tercet-"));
    made.push(folder);
    return folder;
  };
}

/** The files themselves. */
export const nodeFiles: Files = {
  read: async (path) => new Uint8Array(await readFile(path)),
  write: (path, bytes) => writeFile(path, bytes),
  remove: (path) => unlink(path),
  list: async (folder) => (await readdir(folder)).sort(),
};
