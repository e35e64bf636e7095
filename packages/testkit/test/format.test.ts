/** Folders and snapshots that earlier versions wrote, opened by this one: test/format, on every backend. */
import { cp, mkdir, readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { load as loadNative } from "@tercet/native";
import { load as loadWasm } from "@tercet/wasm";
import { nodeStorage } from "@tercet/wasm/node-storage";
import type { Binding, BulkArray, Handle } from "tercet/binding";
import { describe, expect, test } from "vitest";
import { temporaryFolders } from "./folders.js";

const FORMATS = fileURLToPath(new URL("../../../test/format", import.meta.url));

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

const backends: readonly (readonly [string, () => Promise<Binding>])[] = [
  ["native", async () => loadNative()],
  ["wasm", () => loadWasm({ storage: nodeStorage() })],
];
const folder = temporaryFolders();
const versions = await readdir(FORMATS);

describe.each(backends)("what was written before, opened by %s", (_, load) => {
  test.each(versions)("%s", async (version) => {
    const binding = await load();
    const expected: Expected[] = JSON.parse(await readFile(`${FORMATS}/${version}/expected.json`, "utf8"));
    const bytes = new Uint8Array(await readFile(`${FORMATS}/${version}/snapshot`));
    for (const one of expected) {
      const path = `${await folder()}/c`;
      await mkdir(path);
      await cp(`${FORMATS}/${version}/folder`, path, { recursive: true });
      await cp(`${FORMATS}/${version}/snapshot`, `${path}.snapshot`);
      const ways =
        one.of === "folder"
          ? [opened(binding, { ...one.open, path })]
          : [
              opened(binding, { ...one.open, path: `${path}.snapshot` }),
              opened(binding, { ...one.open, path: "" }, [bytes]),
            ];
      for (const { json, handle } of await Promise.all(ways)) {
        expect(json.documents).toBe(one.documents);
        await asked(handle, one);
        expect((await call(handle, "verify", {})).json.problems).toEqual([]);
        handle.close();
      }
    }
  });
});
