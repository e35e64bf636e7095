/** Older states of a collection: kept for a while, for good under a tag, and opened. */
import { open } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";
import { NOTES, notes, numbers, range } from "../notes.js";

export function versions(kit: Kit): void {
  const writing = async (options = {}) => {
    const path = `${await kit.folder()}/c`;
    return { path, writer: await kit.open(NOTES, path, options) };
  };

  describe.skipIf(kit.persist === undefined)("versions", () => {
    test("stay for a while after newer ones, and can be opened by number", async () => {
      const { path, writer } = await writing();
      const made: [version: number, last: number][] = [];
      for (let last = 9; last < 50; last += 10) {
        await writer.upsert(notes(last - 9, 10));
        made.push([(await writer.flush()).version, last]);
      }
      expect(made.map(([version]) => version)).toEqual([...new Set(made.map(([version]) => version))].sort());
      const list = await writer.versions();
      expect(list.map((one) => one.version)).toEqual(
        expect.arrayContaining(made.map(([version]) => version)),
      );
      expect(list.map((one) => one.current)).toEqual([...list.slice(1).map(() => false), true]);
      for (const [version, last] of made) {
        const old = await kit.opened(path, { version });
        expect([old.version, old.readOnly]).toEqual([version, true]);
        expect(await numbers(old)).toEqual(range(0, last));
        const told = list.find((one) => one.version === version);
        expect(told).toMatchObject({ documents: last + 1, tags: [] });
        expect(Math.abs((told?.createdMs ?? 0) - Date.now())).toBeLessThan(600_000);
      }
    });

    test("go when nobody needs them", async () => {
      const { path, writer } = await writing({ retainMs: 0 });
      await writer.upsert(notes(0, 5));
      const { version } = await writer.flush();
      await writer.upsert(notes(5, 5));
      await writer.flush();
      expect((await writer.versions()).map((one) => one.version)).not.toContain(version);
      expect(await failure(open(path, { version, backend: kit.binding }))).toMatchObject({
        code: "ERR_NOT_FOUND",
      });
    });

    test("go with compact and close, but not while somebody reads them", async () => {
      const { path, writer } = await writing();
      await writer.upsert(notes(0, 5));
      const { version } = await writer.flush();
      const reader = await kit.opened(path, { version });
      await writer.upsert(notes(5, 5));
      await writer.flush();
      await writer.compact();
      expect(await numbers(reader)).toEqual(range(0, 4));
      const held = await kit.opened(path, { version });
      expect(await numbers(held)).toEqual(range(0, 4));
      await reader.close();
      await held.close();
      await writer.compact();
      expect(await writer.versions()).toHaveLength(1);
      await writer.close();
      const again = await kit.open(NOTES, path);
      expect(await numbers(again)).toEqual(range(0, 9));
      expect(await again.versions()).toHaveLength(1);
    });
  });

  describe.skipIf(kit.persist === undefined)("a tag", () => {
    test("keeps a version through everything, and opens it", async () => {
      const { path, writer } = await writing({ retainMs: 0 });
      await writer.upsert(notes(0, 10));
      const { version } = await writer.tag("first");
      expect(writer.version).toBe(version);
      await writer.removeWhere({});
      await writer.upsert(notes(100, 3));
      await writer.flush();
      await writer.compact();
      await writer.close();
      const again = await kit.open(NOTES, path);
      expect(await numbers(again)).toEqual(range(100, 102));
      const first = await kit.opened(path, { version: "first" });
      expect([first.version, first.readOnly]).toEqual([version, true]);
      expect(await numbers(first)).toEqual(range(0, 9));
      expect(await first.verify()).toMatchObject({ problems: [] });
      expect(await failure(first.remove(1))).toMatchObject({ code: "ERR_UNSUPPORTED" });
      expect(await again.versions()).toContainEqual(
        expect.objectContaining({ version, tags: ["first"], documents: 10, current: false }),
      );
    });

    test("moves, and goes", async () => {
      const { path, writer } = await writing({ retainMs: 0 });
      await writer.upsert(notes(0, 1));
      const { version: one } = await writer.tag("good");
      await writer.tag("also");
      await writer.upsert(notes(1, 1));
      const { version: two } = await writer.tag("good");
      expect(two).toBeGreaterThan(one);
      const tags = async () => (await writer.versions()).map(({ version, tags }) => [version, tags]);
      expect(await tags()).toEqual([
        [one, ["also"]],
        [two, ["good"]],
      ]);
      expect(await writer.untag("also")).toEqual({ removed: true });
      expect(await writer.untag("also")).toEqual({ removed: false });
      await writer.compact();
      expect((await tags()).some(([version]) => version === one)).toBe(false);
      const good = await kit.opened(path, { version: "good" });
      expect(await numbers(good)).toEqual([0, 1]);
    });

    test("has a name, and is there", async () => {
      const { path, writer } = await writing();
      for (const name of ["7", "x".repeat(201)]) {
        expect(await failure(writer.tag(name))).toMatchObject({ code: "ERR_ARGUMENT", field: "name" });
      }
      await writer.tag("x".repeat(200));
      await writer.tag("日本 😀");
      expect((await kit.opened(path, { version: "日本 😀" })).readOnly).toBe(true);
      const missing = (version: string | number) => failure(open(path, { version, backend: kit.binding }));
      const error = await missing("none");
      expect(error).toMatchObject({ code: "ERR_NOT_FOUND" });
      expect(error.message).toContain("none");
      expect(await missing(999_999)).toMatchObject({ code: "ERR_NOT_FOUND" });
    });
  });
}
