/** Files that were damaged: what notices, what it says, and what repair makes of them. */
import { open, repair } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";
import { NOTES, notes, numbers, range, seen } from "../notes.js";

/** Folders to be damaged, and how. */
function yard(kit: Kit) {
  /** A folder with two segments of `each` notes, one of each removed. */
  const made = async (each = 100) => {
    const path = `${await kit.folder()}/c`;
    const collection = await kit.open(NOTES, path);
    await collection.upsert(notes(0, each));
    await collection.flush();
    await collection.upsert(notes(each, each));
    await collection.remove([1, each + 1]);
    await collection.close();
    return path;
  };
  const named = async (path: string, ending: string) => {
    const names = (await kit.files.list(path)).filter((name) => name.endsWith(ending));
    return names.map((name) => `${path}/${name}`);
  };
  const flip = async (file: string, at: (length: number) => number) => {
    const bytes = await kit.files.read(file);
    const place = at(bytes.length);
    bytes[place] = (bytes[place] ?? 0) ^ 0xff;
    await kit.files.write(file, bytes);
  };
  const reading = (path: string, options = {}) => kit.opened(path, { readOnly: true, ...options });
  const refused = (path: string, options = {}) => failure(open(path, { backend: kit.binding, ...options }));
  const mended = (path: string) => repair(path, { backend: kit.binding });
  return { made, named, flip, reading, refused, mended };
}

/** What notices. */
export function damage(kit: Kit): void {
  const { made, named, flip, reading, refused } = yard(kit);

  describe.skipIf(!kit.hasFiles)("damage", () => {
    test("in the middle of segments is found by verify, every part of it", async () => {
      const path = await made(3_000);
      const files = await named(path, ".seg");
      expect(files).toHaveLength(2);
      // In what only a search looks at.
      for (const file of files) await flip(file, (length) => Math.floor(length * 0.8));
      const reader = await reading(path);
      const { problems } = await reader.verify();
      for (const file of files) {
        const problem = problems.find((one) => file.endsWith(one.file) || one.file.endsWith(file));
        expect(problem).toMatchObject({ section: expect.any(String), what: expect.any(String) });
      }
      const error = await refused(path, { verify: "full", readOnly: true });
      expect(error).toMatchObject({ code: "ERR_CORRUPT", file: expect.stringMatching(/\.seg$/) });
      expect(await refused(path, { verify: "full" })).toMatchObject({ code: "ERR_CORRUPT" });
    });

    test("anywhere is a typed error or a right answer, and never more", async () => {
      const path = await made();
      const [file = ""] = await named(path, ".seg");
      const whole = await kit.files.read(file);
      const before = await seen(await reading(path));
      let noticed = 0;
      for (let at = 0; at < whole.length; at += 997) {
        await kit.files.write(file, whole);
        await flip(file, () => at);
        try {
          const reader = await reading(path, { verify: at % 2 === 0 ? "lazy" : "full" });
          const after = await seen(reader);
          if (at % 2 === 1) expect(after).toEqual(before);
          await reader.close();
        } catch (error) {
          noticed += 1;
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(CORRUPT|VERSION)$/) });
        }
      }
      expect(noticed).toBeGreaterThan(0);
    });

    test("of the manifest is named when it is opened", async () => {
      for (const at of [0, 20, 40]) {
        const path = await made();
        await flip(`${path}/MANIFEST`, () => at);
        for (const readOnly of [true, false]) {
          const error = await refused(path, { readOnly });
          expect(error.code).toMatch(/^ERR_(CORRUPT|VERSION)$/);
          expect(error.file).toContain("MANIFEST");
        }
      }
    });

    test("of a log inside what was durable is no torn end", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(NOTES, path);
      for (let first = 0; first < 50; first += 10) await writer.upsert(notes(first, 10));
      const [log = ""] = await named(path, ".log");
      const bytes = await kit.files.read(log);
      const copy = await kit.folder();
      for (const name of await kit.files.list(path)) {
        if (name !== "LOCK")
          await kit.files.write(`${copy}/${name}`, await kit.files.read(`${path}/${name}`));
      }
      const other = `${copy}${log.slice(log.lastIndexOf("/"))}`;
      await kit.files.write(other, bytes.slice(0, bytes.length - 40));
      const cut = await reading(copy);
      expect(range(0, 49).slice(0, await cut.count())).toEqual(await numbers(cut));
      await cut.close();
      await kit.files.write(other, bytes);
      await flip(other, (length) => length >> 1);
      expect(await refused(copy, { readOnly: true })).toMatchObject({ code: "ERR_CORRUPT", file: other });
    });

    test("by a missing file is named", async () => {
      const path = await made();
      const [file = ""] = await named(path, ".seg");
      await kit.files.remove(file);
      const error = await refused(path);
      expect(error).toMatchObject({ code: "ERR_CORRUPT" });
      expect(error.message).toContain(file.slice(file.lastIndexOf("/") + 1));
    });
  });
}

/** What can be done about it. */
export function mending(kit: Kit): void {
  const { made, named, flip, reading, mended } = yard(kit);

  describe.skipIf(!kit.hasFiles)("repair", () => {
    test("leaves a sound folder as it is", async () => {
      const path = await made();
      const before = await seen(await reading(path));
      expect(await mended(path)).toEqual({ actions: [], documents: 198, lost: 0, ok: true });
      expect(await seen(await reading(path))).toEqual(before);
      const none = failure(repair(`${path}/none`, { backend: kit.binding }));
      expect(await none).toMatchObject({ code: "ERR_NOT_FOUND" });
      await kit.open(NOTES, path);
      expect(await failure(mended(path))).toMatchObject({ code: "ERR_LOCKED" });
    });

    test.each([
      ["a segment that is damaged", ".seg", (length: number) => length >> 1],
      ["a segment without an end", ".seg", (length: number) => length - 1],
      ["a manifest that is damaged", "MANIFEST", (length: number) => length >> 1],
      ["a manifest that is none", "MANIFEST", () => 0],
    ])("makes a sound folder of one with %s, and keeps the damaged file", async (_, ending, at) => {
      const path = await made();
      const [file = ""] = await named(path, ending);
      await flip(file, at);
      const { actions, documents, lost, ok } = await mended(path);
      expect(actions.length).toBeGreaterThan(0);
      expect(ok).toBe(true);
      // What was deleted may come back where only the manifest knew, but nothing is invented.
      expect(documents + lost).toBeGreaterThanOrEqual(198);
      expect(documents + lost).toBeLessThanOrEqual(200);
      const collection = await kit.open(NOTES, path, { verify: "full" });
      expect(await collection.count()).toBe(documents);
      expect(await collection.verify()).toMatchObject({ problems: [] });
      for (const n of await numbers(collection)) {
        expect(n).toBeGreaterThanOrEqual(0);
        expect(n).toBeLessThan(200);
      }
      await collection.upsert(notes(1_000, 5));
      await collection.compact();
      expect(await collection.count()).toBe(documents + 5);
      await collection.close();
      expect((await mended(path)).actions).toEqual([]);
    });

    test("gives up a segment that is gone, and says how many went with it", async () => {
      const path = await made();
      const [file = ""] = await named(path, ".seg");
      await kit.files.remove(file);
      expect(await mended(path)).toMatchObject({ documents: 99, lost: 99, ok: true });
      const collection = await kit.open(NOTES, path);
      expect(await numbers(collection)).toEqual([100, ...range(102, 199)]);
    });
  });
}
