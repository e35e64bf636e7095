/** Collections and indexes on disk. */
import {
  all,
  type Collection,
  date,
  dense,
  integer,
  keyword,
  match,
  near,
  open,
  type Schema,
  text,
} from "tercet";
import type { Binding } from "tercet/binding";
import { FlatIndex, HnswIndex } from "tercet/index";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Files, failure, type Kit } from "../kit.js";
import { snapshotsAcross } from "./snapshots.js";

const schema = {
  t: text({ analyzer: "english" }),
  tags: keyword({ many: true, optional: true }),
  n: integer(),
  day: date({ optional: true }),
  v: dense({ dims: 3, metric: "cosine", optional: true }),
};

const documents = Array.from({ length: 100 }, (_, id) => ({
  id: id % 3 === 0 ? `s${id}` : id,
  t: `the stars number ${id} 北京 😀`,
  tags: id % 2 === 0 ? ["even", `t${id % 5}`] : undefined,
  n: id,
  day: id % 4 === 0 ? new Date(id * 1e9) : undefined,
  v: id % 7 === 0 ? undefined : [Math.sin(id), Math.cos(id), 1],
}));

/** Everything that a reader can see. */
async function seen<S extends Schema>(collection: Collection<S>) {
  const typed = collection as unknown as Collection<typeof schema>;
  const stats = await typed.stats();
  return {
    count: await typed.count(),
    all: await typed.search({ query: all(), limit: 1_000, select: ["t", "tags", "n", "day", "v"] }),
    words: await typed.search({ query: match("star 北京 17"), limit: 20, highlight: ["t"] }),
    near: await typed.search({ query: near("v", [1, 1, 1]), limit: 20, where: { tags: "even" } }),
    one: await typed.get("s33"),
    documents: stats.documents,
  };
}
const openIt = (path: string, binding: Binding) => open(path, { schema, backend: binding });
const followIt = (path: string, binding: Binding) => open(path, { schema, backend: binding, readOnly: true });

export function files(kit: Kit): void {
  describe.skipIf(kit.persist === undefined)("a collection on disk", () => {
    test("is the same after flush and reopening", async () => {
      const path = `${await kit.folder()}/c`;
      const collection = await kit.open(schema, path);
      await collection.upsert(documents.slice(0, 60));
      await collection.flush();
      await collection.upsert(documents.slice(40));
      await collection.remove([1, "s3"]);
      const before = await seen(collection);
      expect((await collection.stats()).unflushed).toBe(true);
      await collection.flush();
      expect((await collection.stats()).unflushed).toBe(false);
      expect(await seen(collection)).toEqual(before);
      await collection.close();
      const again = await kit.open(schema, path);
      expect(await seen(again)).toEqual(before);
      await again.compact();
      expect(await seen(again)).toEqual(before);
      await again.close();
      const untyped = kit.kept(await open(path, { backend: kit.binding }));
      expect(await seen(untyped)).toEqual(before);
      expect(Object.keys(untyped.schema)).toEqual(Object.keys(schema));
      expect(await untyped.verify()).toMatchObject({ problems: [] });
    });

    test("is flushed by close and by `using`", async () => {
      const path = `${await kit.folder()}/c`;
      {
        await using collection = await openIt(path, kit.binding);
        await collection.upsert(documents.slice(0, 10));
      }
      {
        using collection = await openIt(path, kit.binding);
        expect(await collection.count()).toBe(10);
        await collection.remove(1);
      }
      const last = await kit.open(schema, path);
      expect(await last.count()).toBe(9);
    });

    test("is opened by a differing schema never, and the difference is named", async () => {
      const path = `${await kit.folder()}/c`;
      await (await kit.open(schema, path)).close();
      const { day: _, ...without } = schema;
      const cases = [
        [{ ...schema, n: keyword() }, "n"],
        [{ ...schema, t: text() }, "t"],
        [{ ...schema, v: dense({ dims: 4, metric: "cosine", optional: true }) }, "v"],
        [{ ...schema, more: text() }, "more"],
        [without, "day"],
      ] as const;
      for (const [other, field] of cases) {
        const error = await failure(open(path, { schema: other, backend: kit.binding }));
        expect(error).toMatchObject({ code: "ERR_SCHEMA", field });
        expect(error.message).toContain(`\`${field}\``);
      }
      const { t, tags, n, day, v } = schema;
      const reordered = await kit.open({ v, day, n, tags, t }, path);
      expect(reordered.schema).toEqual(
        expect.objectContaining({ n: expect.objectContaining({ type: "integer" }) }),
      );
    });

    test("is not made where it should not be", async () => {
      const path = `${await kit.folder()}/nothing`;
      const no = (options: object) => failure(open(path, { backend: kit.binding, ...options }));
      expect(await no({ schema, create: false })).toMatchObject({ code: "ERR_NOT_FOUND" });
      expect(await no({ schema, readOnly: true })).toMatchObject({ code: "ERR_NOT_FOUND" });
      expect(await no({})).toMatchObject({ code: "ERR_SCHEMA" });
      expect(await no({ schema: { a: { type: "blob" } } })).toMatchObject({ code: "ERR_SCHEMA" });
    });

    test("has one writer and any number of readers", async () => {
      const path = `${await kit.folder()}/c`;
      const writer = await kit.open(schema, path);
      await writer.upsert(documents.slice(0, 5));
      await writer.flush();
      expect(await failure(openIt(path, kit.binding))).toMatchObject({
        code: "ERR_LOCKED",
        found: expect.stringContaining(String(process.pid)),
      });
      const readers = await Promise.all([0, 1].map(() => kit.open(schema, path, { readOnly: true })));
      for (const reader of readers) {
        expect(await reader.count()).toBe(5);
        expect(await failure(reader.upsert([documents[9] as never]))).toMatchObject({
          code: "ERR_UNSUPPORTED",
        });
        expect(await failure(reader.remove(1))).toMatchObject({ code: "ERR_UNSUPPORTED" });
      }
      await writer.close();
      expect(await (await kit.open(schema, path)).count()).toBe(5);
    });

    test("is left as it was by a batch that fails", async () => {
      const path = `${await kit.folder()}/c`;
      const collection = await kit.open(schema, path);
      await collection.upsert(documents.slice(0, 50));
      const before = await seen(collection);
      await failure(collection.upsert([...documents.slice(50), { id: 7 } as never]));
      await collection.close();
      expect(await seen(await kit.open(schema, path))).toEqual(before);
    });
  });

  describe.skipIf(kit.persist === undefined)("an index on disk", () => {
    test("is the same after save and open", async () => {
      const path = `${await kit.folder()}/v.flat`;
      const index = await kit.index(
        documents.map((_, i) => [Math.sin(i), Math.cos(i), i % 5]),
        { dims: 3, metric: "l2" },
      );
      await index.remove([5, 6]);
      await index.add(new Float32Array([1, 2, 3]));
      await index.save(path);
      await index.remove([7]);
      await index.save(path);
      const again = kit.kept(await FlatIndex.open(path, { backend: kit.binding }));
      expect([again.size, again.dims, again.metric]).toEqual([98, 3, "l2"]);
      const query = new Float32Array([0.3, 0.2, 2]);
      expect(again.search(query, 200)).toEqual(index.search(query, 200));
      expect(await again.add(new Float32Array([1, 1, 1]))).toEqual({ first: 101, count: 1 });
    });

    test("is not there, or is something else", async () => {
      const folder = await kit.folder();
      const opened = (path: string) => failure(FlatIndex.open(path, { backend: kit.binding }));
      expect(await opened(`${folder}/none`)).toMatchObject({ code: "ERR_NOT_FOUND" });
      const collection = await kit.open(schema, `${folder}/c`);
      await collection.upsert(documents.slice(0, 5));
      await collection.flush();
      const file = (await collection.stats()).segments[0]?.file as string;
      expect(await opened(`${folder}/c/${file}`)).toMatchObject({ code: "ERR_CORRUPT" });
    });
  });
}

/** What one backend writes, the other opens: collections and indexes. */
export function across(
  writer: readonly [name: string, load: () => Promise<Binding>],
  reader: readonly [name: string, load: () => Promise<Binding>],
  folder: () => Promise<string>,
  files: Pick<Files, "read">,
): void {
  describe(`written by ${writer[0]}, opened by ${reader[0]}`, () => {
    let from: Binding;
    let to: Binding;
    const open: { close(): unknown }[] = [];
    beforeAll(async () => {
      [from, to] = await Promise.all([writer[1](), reader[1]()]);
    });
    afterAll(async () => {
      for (const handle of open) await handle.close();
    });

    test("a collection", async () => {
      const path = `${await folder()}/c`;
      const written = await openIt(path, from);
      await written.upsert(documents);
      await written.remove([1, "s3"]);
      const before = await seen(written);
      await written.close();
      const read = await openIt(path, to);
      open.push(read);
      expect(await seen(read)).toEqual(before);
      await read.upsert([{ id: "new", t: "new", n: 1 }]);
      await read.compact();
      const after = await seen(read);
      await read.close();
      const back = await openIt(path, from);
      open.push(back);
      expect(await seen(back)).toEqual(after);
    });

    // Elsewhere the WebAssembly core cannot see the native core's locks.
    test.runIf(process.platform === "linux")("one writes, the other follows", async () => {
      const path = `${await folder()}/c`;
      const writer = await openIt(path, from);
      await writer.upsert(documents.slice(0, 50));
      await writer.flush();
      expect(await failure(openIt(path, to))).toMatchObject({ code: "ERR_LOCKED" });
      const reader = await followIt(path, to);
      open.push(writer, reader);
      const versions = async () => (await writer.versions()).map(({ version }) => version);
      const held = (await versions()).at(-1);
      expect(await reader.count()).toBe(50);
      await writer.upsert(documents.slice(50));
      expect(await reader.count()).toBe(50);
      expect(await reader.refresh()).toMatchObject({ changed: true });
      expect(await reader.count()).toBe(100);
      // What the reader holds stays for it, also through what drops everything that nobody needs.
      await writer.remove(["s0"]);
      await writer.compact();
      expect(await versions()).toContain(held);
      expect(await reader.count()).toBe(100);
      await reader.refresh();
      expect(await seen(reader)).toEqual(await seen(writer));
      await writer.compact();
      expect(await versions()).not.toContain(held);
    });

    snapshotsAcross(
      () => from,
      () => to,
      folder,
    );

    test("an index", async () => {
      const path = `${await folder()}/v.flat`;
      const rows = Float32Array.from({ length: 300 }, (_, i) => Math.sin(i * i));
      const written = await FlatIndex.build(rows, { dims: 3, backend: from });
      await written.remove([3]);
      await written.save(path);
      const read = await FlatIndex.open(path, { backend: to });
      open.push(written, read);
      const query = new Float32Array([1, 2, 3]);
      const [a, b] = [written.search(query, 100), read.search(query, 100)];
      expect([...b.rows]).toEqual([...a.rows]);
      for (const [i, score] of a.scores.entries()) expect(b.scores[i]).toBeCloseTo(score, 5);
    });

    test("a graph: both build the same bytes, and either goes on with what the other wrote", async () => {
      const at = await folder();
      const rows = Float32Array.from({ length: 1_300 * 24 }, (_, i) => Math.sin(i * i));
      const options = { dims: 24, metric: "l2", seed: 7 } as const;
      const build = async (backend: Binding, threads: number) => {
        const index = await HnswIndex.build(rows, { ...options, backend, threads });
        open.push(index);
        return index;
      };
      const [one, two] = [await build(from, 1), await build(to, 2)];
      const change = async (index: HnswIndex) => {
        await index.remove([3, 500]);
        await index.add(rows.slice(0, 24 * 300).reverse());
      };
      await Promise.all([change(one), change(two)]);
      await Promise.all([one.save(`${at}/one`), two.save(`${at}/two`)]);
      const [a, b] = [await files.read(`${at}/one`), await files.read(`${at}/two`)];
      expect(a.length).toBe(b.length);
      expect(a.findIndex((byte, i) => byte !== b[i])).toBe(-1);
      const read = await HnswIndex.open(`${at}/one`, { backend: to });
      open.push(read);
      const query = rows.slice(2_400, 2_424);
      expect([...read.search(query, 50).rows]).toEqual([...one.search(query, 50).rows]);
      expect(await read.add(query)).toEqual({ first: 1_600, count: 1 });
    });
  });
}
