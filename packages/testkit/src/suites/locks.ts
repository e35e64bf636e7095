/** One writer in all processes and threads; locks and logs of writers that died. */
import { open } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit, type Other } from "../kit.js";
import { NOTES, notes, numbers, range } from "../notes.js";

/** Opens the folder there; the error where it was refused. */
async function opened(other: Other, path: string, options = {}) {
  const request = { path, schema: { fields: NOTES }, ...options };
  return (await other.call("root", "open", request, "collection")).error;
}

async function upsert(other: Other, first: number, count: number): Promise<void> {
  await other.call("collection", "begin", {}, "batch");
  // Vectors travel beside the JSON; here they may be plain numbers.
  await other.call("batch", "stage", { chunk: 0, first: 0, documents: notes(first, count) });
  expect(await other.call("batch", "commit", {})).toMatchObject({ reply: { written: count } });
}

async function counted(other: Other): Promise<number> {
  return (await other.call("collection", "count", {})).reply.count;
}

/** What it gives once it no longer fails; its last error after two seconds. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 40; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function locks(kit: Kit): void {
  const WHERE = ["process", "thread"] as const;

  describe.skipIf(!kit.hasOthers)("a folder that is open elsewhere", () => {
    test.each(WHERE)(
      "for writing, in a %s, is locked, and the error has the number of its process",
      async (where) => {
        const path = `${await kit.folder()}/c`;
        const other = await kit.elsewhere[where]();
        expect(other.pid === process.pid).toBe(where === "thread");
        expect(await opened(other, path)).toBeUndefined();
        await upsert(other, 0, 5);
        const error = await failure(open(path, { schema: NOTES, backend: kit.binding }));
        expect(error).toMatchObject({ code: "ERR_LOCKED" });
        expect(error.message).toContain(`process ${other.pid}`);
        const reader = await kit.opened(path, { readOnly: true });
        expect(await numbers(reader)).toEqual(range(0, 4));
        await upsert(other, 5, 5);
        expect(await reader.refresh()).toMatchObject({ changed: true });
        expect(await numbers(reader)).toEqual(range(0, 9));
        await other.call("collection", "flush", {});
        await other.call("collection", "(close)", {});
        expect(await numbers(await kit.open(NOTES, path))).toEqual(range(0, 9));
        await other.kill();
      },
    );

    test.each(WHERE)("for writing, here, is locked for a %s too", async (where) => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 5));
      const other = await kit.elsewhere[where]();
      const error = await opened(other, path);
      expect(error).toMatchObject({ code: "ERR_LOCKED" });
      expect(error?.message).toContain(`process ${process.pid}`);
      expect(await opened(other, path, { readOnly: true, refreshMs: 0 })).toBeUndefined();
      expect(await counted(other)).toBe(5);
      await writer.upsert(notes(5, 5));
      expect(await counted(other)).toBe(10);
      await other.kill();
    });

    test.each(WHERE)("for reading, in a %s, keeps the files that it reads", async (where) => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path, { retainMs: 0 });
      await writer.upsert(notes(0, 100));
      await writer.flush();
      const other = await kit.elsewhere[where]();
      expect(await opened(other, path, { readOnly: true })).toBeUndefined();
      for (let round = 0; round < 3; round++) {
        await writer.upsert(notes(0, 100));
        await writer.compact();
      }
      const { reply } = await other.call("collection", "search", { query: { kind: "all" }, limit: 100 });
      expect(reply.hits).toHaveLength(100);
      expect((await other.call("collection", "verify", {})).reply.problems).toEqual([]);
      await other.kill();
    });
  });

  describe.skipIf(!kit.hasOthers)("a writer that was killed", () => {
    test("leaves no lock, and every batch that it was told of", async () => {
      const path = `${await kit.folder()}/c`;
      for (let round = 0; round < 3; round++) {
        const other = await kit.elsewhere.process();
        expect(await opened(other, path)).toBeUndefined();
        expect(await counted(other)).toBe(round * 20);
        await upsert(other, round * 20, 10);
        await upsert(other, round * 20 + 10, 10);
        await other.kill();
      }
      const reader = await kit.opened(path, { readOnly: true });
      expect(await numbers(reader)).toEqual(range(0, 59));
      await reader.close();
      const writer = await kit.open(NOTES, path);
      expect(writer.recovered).toMatchObject({ batches: 2, droppedBytes: 0 });
      expect(await numbers(writer)).toEqual(range(0, 59));
      expect(await writer.verify()).toMatchObject({ problems: [] });
    });

    test("as a thread leaves no lock either", async ({ skip }) => {
      // Its lock is a file that names the process, and that lives on.
      skip(kit.binding.backend === "wasm", "a lock of the WebAssembly core lasts as long as its process");
      const path = `${await kit.folder()}/c`;
      const other = await kit.elsewhere.thread();
      expect(await opened(other, path)).toBeUndefined();
      await upsert(other, 0, 10);
      await other.kill();
      // A call that was on its way when the thread ended is given the time to end too.
      const again = await eventually(() => kit.open(NOTES, path));
      expect(await numbers(again)).toEqual(range(0, 9));
    });

    test("as a reader leaves nothing that is kept for it", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path, { retainMs: 0 });
      await writer.upsert(notes(0, 10));
      const { version } = await writer.flush();
      const other = await kit.elsewhere.process();
      expect(await opened(other, path, { readOnly: true })).toBeUndefined();
      await writer.upsert(notes(10, 10));
      await writer.compact();
      expect((await writer.versions()).map((one) => one.version)).toContain(version);
      await other.kill();
      await writer.compact();
      expect((await writer.versions()).map((one) => one.version)).not.toContain(version);
    });
  });
}
