/** Folders and snapshots that earlier versions wrote: test/format, with the answers that they must give for ever. */
import type { Binding, BulkArray, Handle } from "tercet/binding";
import { describe, expect, test } from "vitest";
import type { Kit } from "../kit.js";

interface Expected {
  readonly of: "folder" | "snapshot";
  readonly open: object;
  readonly documents: number;
  readonly ask: readonly {
    readonly verb: string;
    readonly request: object;
    readonly reply: { readonly json: unknown; readonly arrays: readonly (readonly number[])[] };
  }[];
}

async function call(handle: Handle, verb: string, request: object, arrays: readonly BulkArray[] = []) {
  const reply = await handle.call(verb, JSON.stringify(request), arrays);
  if (reply.error !== undefined) throw new Error(`${verb} ${JSON.stringify(request)}: ${reply.error}`);
  return { json: JSON.parse(reply.json), arrays: reply.arrays, handle: reply.handle };
}

async function opened(binding: Binding, request: object, arrays?: readonly BulkArray[]) {
  const { json, handle } = await call(binding.root, "open", request, arrays);
  if (handle === undefined) throw new Error("no handle");
  return { json, handle };
}

async function asked(handle: Handle, { ask }: Expected) {
  for (const { verb, request, reply } of ask) {
    const found = await call(handle, verb, request);
    const what = `${verb} ${JSON.stringify(request)}`;
    expect(found.json, what).toEqual(reply.json);
    expect(found.arrays.length, what).toBe(reply.arrays.length);
    for (const [at, wanted] of reply.arrays.entries()) {
      const numbers = [...(found.arrays[at] ?? [])];
      expect(numbers.length, what).toBe(wanted.length);
      // The last bits may differ: kernels of another width round otherwise.
      for (const [i, number] of wanted.entries()) expect(numbers[i], what).toBeCloseTo(number, 4);
    }
  }
}

/** Opens one of them in each way that there is, on copies. */
async function read(kit: Kit, from: string, one: Expected) {
  const { cp, mkdir, readFile } = await import("node:fs/promises");
  const path = `${await kit.folder()}/c`;
  await mkdir(path);
  await cp(`${from}/folder`, path, { recursive: true });
  await cp(`${from}/snapshot`, `${path}.snapshot`);
  const bytes = new Uint8Array(await readFile(`${from}/snapshot`));
  const ways =
    one.of === "folder"
      ? [opened(kit.binding, { ...one.open, path })]
      : [
          opened(kit.binding, { ...one.open, path: `${path}.snapshot` }),
          opened(kit.binding, { ...one.open, path: "" }, [bytes]),
        ];
  for (const { json, handle } of await Promise.all(ways)) {
    kit.kept(handle);
    expect(json.documents).toBe(one.documents);
    await asked(handle, one);
    expect((await call(handle, "verify", {})).json.problems).toEqual([]);
  }
}

export function format(kit: Kit): void {
  describe.skipIf(kit.persist === undefined)("what earlier versions wrote", () => {
    test("is read as they read it", async () => {
      const { readdir, readFile } = await import("node:fs/promises");
      const { fileURLToPath } = await import("node:url");
      const formats = fileURLToPath(new URL("../../../../test/format", import.meta.url));
      const versions = await readdir(formats);
      expect(versions.length).toBeGreaterThan(0);
      for (const version of versions) {
        const from = `${formats}/${version}`;
        const expected: Expected[] = JSON.parse(await readFile(`${from}/expected.json`, "utf8"));
        for (const one of expected) await read(kit, from, one);
      }
    });
  });
}
