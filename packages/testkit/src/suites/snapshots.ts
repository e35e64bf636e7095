/** A collection as one file: exported, opened from its path and from its bytes, and made a folder again. */
import { type Collection, importSnapshot, integer, open } from "tercet";
import type { Binding } from "tercet/binding";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";
import { NOTES, notes, seen } from "../notes.js";

/** Notes in several segments and in the log, some of them gone. */
async function fill(collection: Collection<typeof NOTES>): Promise<void> {
  await collection.upsert(notes(0, 80));
  await collection.flush();
  await collection.upsert(notes(60, 60));
  await collection.remove(["s3", 4, 119]);
}

export function snapshots(kit: Kit): void {
  describe("a snapshot in memory", () => {
    test("is the collection", async () => {
      const collection = await kit.open(NOTES);
      await fill(collection);
      const bytes = await collection.exportSnapshot();
      expect(bytes).toBeInstanceOf(Uint8Array);
      const copy = await kit.opened(bytes);
      expect([copy.path, copy.readOnly, copy.schema]).toEqual(["", true, collection.schema]);
      expect(await seen(copy)).toEqual(await seen(collection));
      expect(await copy.verify()).toMatchObject({ problems: [] });
      expect(await copy.stats()).toMatchObject({ documents: 117, deleted: 0 });
      await collection.removeWhere({});
      expect(await copy.count()).toBe(117);
    });

    test("of nothing holds nothing", async () => {
      const bytes = await (await kit.open(NOTES)).exportSnapshot();
      const copy = kit.kept(await open(bytes, { schema: NOTES, backend: kit.binding, verify: "full" }));
      expect(await copy.count()).toBe(0);
      expect((await seen(copy)).words.hits).toEqual([]);
    });

    test("is for reading, and typed by its schema or refused", async () => {
      const collection = await kit.open(NOTES);
      await fill(collection);
      const bytes = await collection.exportSnapshot();
      const copy = kit.kept(await open(bytes, { schema: NOTES, backend: kit.binding }));
      for (const call of [
        () => copy.upsert(notes(0, 1)),
        () => copy.remove(1),
        () => copy.removeWhere({}),
        () => copy.flush(),
        () => copy.compact(),
        () => copy.tag("x"),
      ]) {
        expect(await failure(call)).toMatchObject({ code: "ERR_UNSUPPORTED" });
      }
      const { n: _, ...other } = NOTES;
      const error = await failure(open(bytes, { schema: other, backend: kit.binding }));
      expect(error).toMatchObject({ code: "ERR_SCHEMA", field: "n" });
    });

    test("that is damaged anywhere is refused or right", async () => {
      const collection = await kit.open(NOTES);
      await collection.upsert(notes(0, 40));
      const bytes = await collection.exportSnapshot();
      const before = await seen(collection);
      const opened = async (damaged: Uint8Array) => {
        const copy = kit.kept(await open(damaged, { backend: kit.binding, verify: "full" }));
        expect(await seen(copy)).toEqual(before);
        await copy.close();
      };
      for (let at = 0; at < bytes.length; at += 257) {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ 0x41;
        await opened(damaged).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(CORRUPT|VERSION)$/) });
        });
      }
      for (const length of [0, 1, 63, 64, bytes.length >> 1, bytes.length - 1]) {
        expect(await failure(opened(bytes.slice(0, length)))).toMatchObject({ code: "ERR_CORRUPT" });
      }
      expect(await failure(opened(new Uint8Array([...bytes, 0])))).toMatchObject({ code: "ERR_CORRUPT" });
    });
  });

  describe.skipIf(kit.persist === undefined)("a snapshot in a file", () => {
    test("is opened, and becomes a folder that can be written to", async () => {
      const folder = await kit.folder();
      const collection = await kit.open(NOTES, `${folder}/c`);
      await fill(collection);
      const before = await seen(collection);
      const file = `${folder}/c.tercet`;
      const { bytes, documents, version } = await collection.exportSnapshot(file);
      expect([documents, version]).toEqual([117, (await collection.stats()).version]);
      expect(bytes).toBe((await collection.exportSnapshot()).length);
      const copy = await kit.opened(file);
      expect([copy.path, copy.readOnly]).toEqual([file, true]);
      expect(await seen(copy)).toEqual(before);
      expect(await copy.verify()).toMatchObject({ files: 1, problems: [] });
      expect(await copy.exportSnapshot(`${folder}/again.tercet`)).toMatchObject({ documents: 117 });

      const sources = [file, `${folder}/again.tercet`, await collection.exportSnapshot()];
      for (const [i, source] of sources.entries()) {
        const path = `${folder}/imported-${i}`;
        expect(await importSnapshot(source, path, { backend: kit.binding })).toMatchObject({
          documents: 117,
        });
        const imported = await kit.open(NOTES, path);
        expect(await seen(imported)).toEqual(before);
        await imported.upsert(notes(500, 3));
        await imported.compact();
        expect(await imported.count()).toBe(120);
        expect(await imported.verify()).toMatchObject({ problems: [] });
      }
      expect(await seen(copy)).toEqual(before);
    });

    test("is made of a version too", async () => {
      const folder = await kit.folder();
      const collection = await kit.open(NOTES, `${folder}/c`);
      await collection.upsert(notes(0, 10));
      await collection.tag("ten");
      await collection.upsert(notes(10, 10));
      const ten = await kit.opened(`${folder}/c`, { version: "ten" });
      expect(await ten.exportSnapshot(`${folder}/ten.tercet`)).toMatchObject({
        documents: 10,
        version: ten.version,
      });
      expect(await (await kit.opened(`${folder}/ten.tercet`)).count()).toBe(10);
    });

    test("of a schema that evolved has the fields that are there now", async () => {
      const path = `${await kit.folder()}/c`;
      await (await kit.open(NOTES, path)).close();
      const { day: _, n, ...others } = NOTES;
      const schema = { ...others, number: n, late: integer({ optional: true }) };
      const before = await kit.open(NOTES, path);
      await before.upsert(notes(0, 10));
      await before.close();
      const evolve = { drop: ["day"], rename: { n: "number" }, add: ["late"] } as const;
      const collection = await kit.open(schema, path, { evolve });
      await collection.upsert([{ id: "x", t: "planet", number: 7, late: 8 }]);
      const bytes = await collection.exportSnapshot();
      const copy = kit.kept(await open(bytes, { schema, backend: kit.binding }));
      expect(copy.schema).toEqual(collection.schema);
      expect(Object.keys(copy.schema).sort()).toEqual(Object.keys(schema).sort());
      expect(await copy.count({ number: 7 })).toBe(2);
      expect(await copy.count({ late: { exists: true } })).toBe(1);
      expect(await copy.get([8, "x"])).toEqual(await collection.get([8, "x"]));
      await importSnapshot(bytes, `${path}-imported`, { backend: kit.binding });
      const imported = await kit.open(schema, `${path}-imported`);
      await imported.upsert([{ id: "y", t: "moon", number: 1, late: 9 }]);
      await imported.compact();
      expect(await imported.count({ late: { gte: 8 } })).toBe(2);
    });

    test("takes the place of nothing", async () => {
      const folder = await kit.folder();
      const backend = kit.binding;
      const collection = await kit.open(NOTES, `${folder}/c`);
      await collection.upsert(notes(0, 5));
      const file = `${folder}/c.tercet`;
      await collection.exportSnapshot(file);
      expect(await failure(collection.exportSnapshot(file))).toMatchObject({ code: "ERR_EXISTS" });
      expect(await failure(importSnapshot(file, `${folder}/c`, { backend }))).toMatchObject({
        code: "ERR_EXISTS",
      });
      const none = failure(importSnapshot(`${folder}/none`, `${folder}/d`, { backend }));
      expect(await none).toMatchObject({ code: "ERR_NOT_FOUND" });
      const garbage = failure(importSnapshot(new Uint8Array(500), `${folder}/d`, { backend }));
      expect(await garbage).toMatchObject({ code: "ERR_CORRUPT" });
      expect(await failure(open(`${folder}/d`, { backend, create: false }))).toMatchObject({
        code: "ERR_NOT_FOUND",
      });
      expect(await collection.count()).toBe(5);
    });

    test("is aborted before it begins, and then is not there", async () => {
      const folder = await kit.folder();
      const collection = await kit.open(NOTES, `${folder}/c`);
      await collection.upsert(notes(0, 500));
      const signal = AbortSignal.abort("enough");
      const file = `${folder}/c.tercet`;
      expect(await failure(collection.exportSnapshot(file, { signal }))).toMatchObject({
        code: "ERR_ABORTED",
      });
      const told: { done: number; total?: number }[] = [];
      await collection.exportSnapshot(file, { onProgress: (progress) => told.push(progress) });
      expect(told.at(-1)?.done).toBe(told.at(-1)?.total);
      await importSnapshot(file, `${folder}/d`, {
        backend: kit.binding,
        onProgress: (one) => told.push(one),
      });
      const { done = 0, total } = told.at(-1) ?? {};
      expect(done).toBeGreaterThan(0);
      expect(done).toBeLessThanOrEqual(total ?? 0);
    });
  });
}

/** Snapshots that one backend makes and another one opens. */
export function snapshotsAcross(from: () => Binding, to: () => Binding, folder: () => Promise<string>): void {
  test("a snapshot", async () => {
    const path = await folder();
    await using written = await open(`${path}/c`, { schema: NOTES, backend: from() });
    await fill(written);
    const before = await seen(written);
    await written.exportSnapshot(`${path}/file.tercet`);
    const bytes = await written.exportSnapshot();
    await using mapped = await open(`${path}/file.tercet`, { backend: to() });
    expect(await seen(mapped)).toEqual(before);
    await using held = await open(bytes, { schema: NOTES, backend: to(), verify: "full" });
    expect(await seen(held)).toEqual(before);
    await importSnapshot(bytes, `${path}/imported`, { backend: to() });
    await using imported = await open(`${path}/imported`, { schema: NOTES, backend: from() });
    expect(await seen(imported)).toEqual(before);
  });
}
