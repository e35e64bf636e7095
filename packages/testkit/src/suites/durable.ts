/** What a folder holds and when: batches outlive their writer, readers follow, and the disk is given back. */
import { all, open } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";
import { NOTES, notes, numbers, range, seen } from "../notes.js";

export function durable(kit: Kit): void {
  const reading = (path: string, options = {}) => kit.opened(path, { readOnly: true, ...options });

  describe.skipIf(kit.persist === undefined)("a batch in a folder", () => {
    test("is seen by whoever opens it next, without flush or close", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      for (let first = 0; first < 60; first += 5) {
        await writer.upsert(notes(first, 5));
        const reader = await reading(path);
        expect(await numbers(reader)).toEqual(range(0, first + 4));
        expect(await seen(reader)).toEqual(await seen(writer));
        await reader.close();
      }
      await writer.remove(["s0", 1]);
      await writer.removeWhere({ n: { gte: 50 } });
      await writer.upsert(notes(20, 1));
      const reader = await reading(path);
      expect(await numbers(reader)).toEqual([...range(2, 19), ...range(21, 49), 20]);
      expect(await seen(reader)).toEqual(await seen(writer));
    });

    test("is not replayed when its writer closed", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 10));
      await writer.close();
      const again = await kit.open(NOTES, path);
      expect("recovered" in again).toBe(false);
      expect(await numbers(again)).toEqual(range(0, 9));
    });

    test("may be made durable later, and is seen at once all the same", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path, { durability: { intervalMs: 20 } });
      await writer.upsert(notes(0, 10));
      expect(await numbers(await reading(path))).toEqual(range(0, 9));
      await new Promise((resolve) => setTimeout(resolve, 60));
      await writer.upsert(notes(10, 10));
      await writer.sync();
      await writer.sync();
      await writer.remove(1);
      await writer.close();
      expect(await numbers(await reading(path))).toEqual([0, ...range(2, 19)]);
    });

    test("goes from the log into segments at flush, and when the log is full", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path, { logBytes: 65_536 });
      await writer.upsert(notes(0, 5));
      const before = await writer.stats();
      expect(before).toMatchObject({ unflushed: true, documents: 5 });
      expect(before.logBytes).toBeGreaterThan(0);
      expect(before.memoryBytes).toBeGreaterThan(0);
      const { version } = await writer.flush();
      const after = await writer.stats();
      expect(after).toMatchObject({ unflushed: false, logBytes: 0, version });
      expect(after.segments.every((segment) => segment.file !== undefined)).toBe(true);
      expect(writer.version).toBe(version);
      let longest = 0;
      for (let first = 5; first < 205; first += 5) {
        await writer.upsert(notes(first, 5));
        longest = Math.max(longest, (await writer.stats()).logBytes);
      }
      expect(longest).toBeLessThan(2 * 65_536);
      expect((await writer.stats()).version).toBeGreaterThan(version);
      expect(await numbers(writer)).toEqual(range(0, 204));
    });

    test("is refused with options that are none, and nothing is made", async () => {
      const path = `${await kit.folder()}/c`;
      const cases = [
        [{ durability: { intervalMs: 0 } }, "ERR_LIMIT"],
        [{ durability: { intervalMs: 2 ** 31 } }, "ERR_LIMIT"],
        [{ durability: "never" }, "ERR_ARGUMENT"],
        [{ verify: "some" }, "ERR_ARGUMENT"],
        [{ memoryBytes: 1_000_000 }, "ERR_LIMIT"],
        [{ logBytes: 4_095 }, "ERR_LIMIT"],
        [{ logBytes: 2 ** 30 + 1 }, "ERR_LIMIT"],
      ] as const;
      for (const [options, code] of cases) {
        const error = await failure(
          open(path, { schema: NOTES, backend: kit.binding, ...(options as object) }),
        );
        expect([options, error.code]).toEqual([options, code]);
        const [option] = Object.keys(options);
        expect(error.field).toBe(code === "ERR_LIMIT" && option === "durability" ? "intervalMs" : option);
      }
      expect(await failure(open(path, { backend: kit.binding, create: false }))).toMatchObject({
        code: "ERR_NOT_FOUND",
      });
    });
  });

  describe.skipIf(kit.persist === undefined)("a reader", () => {
    test("sees what it opened until it refreshes", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 10));
      const reader = await reading(path);
      expect(await reader.refresh()).toEqual({ changed: false, version: reader.version });
      await writer.upsert(notes(10, 10));
      await writer.remove(1);
      expect(await numbers(reader)).toEqual(range(0, 9));
      expect(await reader.refresh()).toEqual({ changed: true, version: expect.any(Number) });
      expect(await seen(reader)).toEqual(await seen(writer));
      const { version } = await writer.flush();
      await writer.upsert(notes(20, 1));
      expect(await reader.refresh()).toEqual({ changed: true, version });
      expect(reader.version).toBe(version);
      expect(await seen(reader)).toEqual(await seen(writer));
      expect(await reader.refresh()).toEqual({ changed: false, version });
    });

    test("refreshes by itself when told to", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 1));
      const always = await reading(path, { refreshMs: 0 });
      const seldom = await reading(path, { refreshMs: 3_600_000 });
      const soon = await reading(path, { refreshMs: 20 });
      expect([await always.count(), await seldom.count(), await soon.count()]).toEqual([1, 1, 1]);
      await writer.upsert(notes(1, 1));
      expect([await always.count(), await seldom.count()]).toEqual([2, 1]);
      await writer.upsert(notes(2, 1));
      await writer.compact();
      expect((await always.search({ query: all() })).hits).toHaveLength(3);
      expect(await always.get(2)).toMatchObject({ n: 2 });
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(await soon.count()).toBe(3);
      await seldom.refresh();
      expect(await seldom.count()).toBe(3);
    });

    test("keeps the files that it uses, however much is merged and removed", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path, { retainMs: 0 });
      await writer.upsert(notes(0, 200));
      await writer.flush();
      const reader = await reading(path);
      const before = await seen(reader);
      for (let round = 0; round < 4; round++) {
        await writer.removeWhere({ n: { gte: 100 } });
        await writer.upsert(notes(100, 100));
        await writer.flush();
        await writer.compact();
      }
      expect(await seen(reader)).toEqual(before);
      expect(await reader.verify()).toMatchObject({ problems: [] });
    });

    test("writes nothing", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 3));
      const reader = await kit.open(NOTES, path, { readOnly: true });
      expect([writer.readOnly, reader.readOnly]).toEqual([false, true]);
      const before = await seen(reader);
      for (const call of [
        () => reader.upsert(notes(5, 1)),
        () => reader.remove(1),
        () => reader.removeWhere({}),
        () => reader.flush(),
        () => reader.compact(),
        () => reader.tag("x"),
        () => reader.untag("x"),
      ]) {
        expect(await failure(call)).toMatchObject({ code: "ERR_UNSUPPORTED" });
      }
      expect(await seen(reader)).toEqual(before);
      expect(await seen(writer)).toEqual(before);
    });
  });

  describe.skipIf(!kit.hasFiles)("the disk", () => {
    const bytesIn = async (path: string) => {
      const names = await kit.files.list(path);
      const files = await Promise.all(names.map((name) => kit.files.read(`${path}/${name}`)));
      return files.reduce((sum, file) => sum + file.length, 0);
    };

    test("is given back by compact", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      for (let round = 0; round < 3; round++) {
        await writer.upsert(notes(0, 1_000));
        await writer.flush();
      }
      await writer.removeWhere({ n: { gte: 10 } });
      await writer.flush();
      const full = await bytesIn(path);
      const { bytesBefore, bytesAfter, dropped } = await writer.compact();
      const left = await bytesIn(path);
      expect(left).toBeLessThan(full / 10);
      expect(bytesAfter).toBeLessThan(bytesBefore);
      expect(dropped).toBeGreaterThan(0);
      const { diskBytes } = await writer.stats();
      expect(Math.abs(diskBytes - left)).toBeLessThan(1_000);
      expect(await numbers(writer)).toEqual(range(0, 9));
      await writer.close();
      expect(await kit.files.list(path)).not.toContainEqual(expect.stringMatching(/\.(del|log)$|^LEASE/));
    });

    test("is told by field", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      await writer.upsert(notes(0, 100));
      const inMemory = await writer.stats();
      expect(Object.keys(inMemory.fields)).toEqual(Object.keys(NOTES));
      for (const field of Object.values(inMemory.fields)) {
        expect(field.bytes).toBeGreaterThan(0);
        expect(field.memoryBytes).toBe(field.bytes);
      }
      await writer.flush();
      const onDisk = await writer.stats();
      for (const field of Object.values(onDisk.fields)) expect(field.memoryBytes).toBe(0);
      expect(onDisk.fields).toMatchObject({ t: { type: "text", documents: 100 }, v: { documents: 80 } });
      expect(onDisk.memoryBytes).toBeLessThan(inMemory.memoryBytes);
      expect(onDisk.diskBytes).toBeGreaterThanOrEqual(onDisk.bytes);
      expect(onDisk.bytes).toBeGreaterThan(onDisk.documentBytes);
    });
  });
}
