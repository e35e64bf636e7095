/** A schema that changes under documents that stay: fields added, dropped and renamed. */
import { all, type Collection, dense, integer, keyword, match, near, open, type Schema, text } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";

const first = {
  title: text(),
  old: text({ analyzer: "english" }),
  kind: keyword({ many: true }),
  x: integer(),
  v: dense({ dims: 2, optional: true }),
};
const documents = Array.from({ length: 40 }, (_, id) => ({
  id,
  title: `title ${id % 4}`,
  old: `stars number ${id}`,
  kind: ["all", `k${id % 3}`],
  x: id,
  v: id % 2 === 0 ? [1, id + 1] : undefined,
}));

const next = {
  title: text(),
  name: text({ analyzer: "english" }),
  kinds: keyword({ many: true }),
  v: dense({ dims: 2, optional: true }),
  y: integer({ optional: true }),
  w: dense({ dims: 3, metric: "l2", optional: true }),
  more: text({ optional: true }),
};
const steps = { drop: ["x"], rename: { old: "name", kind: "kinds" }, add: ["y", "w", "more"] } as const;

export function evolution(kit: Kit): void {
  const made = async () => {
    const path = `${await kit.folder()}/c`;
    const collection = await kit.open(first, path);
    // In two segments, and the last ones in the log.
    await collection.upsert(documents.slice(0, 15));
    await collection.flush();
    await collection.upsert(documents.slice(15, 30));
    await collection.flush();
    await collection.upsert(documents.slice(30));
    await collection.close();
    return path;
  };
  const evolved = (path: string) => kit.open(next, path, { evolve: steps });

  /** What holds after the steps, whatever has been merged since. */
  const check = async (collection: Collection<typeof next>) => {
    expect(Object.keys(collection.schema)).toEqual(Object.keys(next));
    expect(await collection.get(7)).toEqual({
      id: 7,
      title: "title 3",
      name: "stars number 7",
      kinds: ["all", "k1"],
    });
    expect(await collection.get(2)).toMatchObject({ v: new Float32Array([1, 3]) });
    const page = await collection.search({
      query: match("star 7", { fields: ["name"] }),
      limit: 100,
      highlight: ["name"],
    });
    expect(page.hits).toHaveLength(40);
    expect(page.hits[0]).toMatchObject({
      id: 7,
      highlights: {
        name: [
          [0, 5],
          [13, 14],
        ],
      },
    });
    expect(await collection.count({ kinds: "k1" })).toBe(13);
    expect(await collection.count({ y: { exists: true } })).toBe(0);
    expect(await collection.count({ y: { gte: 0 } })).toBe(0);
    expect(await collection.count({ not: { y: 1 } })).toBe(40);
    expect((await collection.search({ query: near("w", [1, 2, 3]) })).hits).toEqual([]);
    expect((await collection.search({ query: near("v", [1, 9]), limit: 3 })).hits).toHaveLength(3);
    expect((await collection.search({ query: match("title", { fields: ["more"] }) })).hits).toEqual([]);
    expect((await collection.search({ query: all(), limit: 100 })).hits.map((hit) => hit.id)).toEqual(
      documents.map((document) => document.id),
    );
    const gone = failure(collection.search({ query: all(), where: { x: 1 } as never }));
    expect(await gone).toMatchObject({ code: "ERR_FIELD", field: "x" });
    expect(await failure(collection.count({ old: "x" } as never))).toMatchObject({ code: "ERR_FIELD" });
    expect(Object.keys((await collection.stats()).fields)).toEqual(Object.keys(next));
    expect(await collection.verify()).toMatchObject({ problems: [] });
  };

  describe.skipIf(kit.persist === undefined)("a schema that evolves", () => {
    test("adds, drops and renames, before and after merges", async () => {
      const path = await made();
      const collection = await evolved(path);
      await check(collection);
      await collection.close();
      await check(kit.kept(await open(path, { schema: next, backend: kit.binding })));
    });

    test("stays so through writing, compact and reopening with the same steps", async () => {
      const path = await made();
      const collection = await evolved(path);
      const added = { id: "new", title: "t", name: "planet", kinds: [], y: 5, w: [1, 2, 3], more: "moon" };
      await collection.upsert([added]);
      expect((await collection.search({ query: near("w", [1, 2, 3]) })).hits.map((hit) => hit.id)).toEqual([
        "new",
      ]);
      expect(await collection.count({ y: 5 })).toBe(1);
      expect(await failure(collection.upsert([{ ...added, x: 1 } as never]))).toMatchObject({
        code: "ERR_FIELD",
        field: "x",
      });
      await collection.remove("new");
      await collection.compact();
      await check(collection);
      await collection.close();
      await check(await evolved(path));
    });

    test("makes a new collection as if there were no steps", async () => {
      const path = `${await kit.folder()}/c`;
      const collection = await evolved(path);
      await collection.upsert([{ id: 1, title: "t", name: "n", kinds: [] }]);
      expect(await collection.count()).toBe(1);
    });

    test("may use a dropped name again, and swaps names", async () => {
      const path = await made();
      const { old, ...others } = first;
      const without = await kit.open(others, path, { evolve: { drop: ["old"] } });
      await without.close();
      const again = { ...others, old: integer({ optional: true }) };
      const collection = await kit.open(again, path, { evolve: { add: ["old"] } });
      expect(await collection.count({ old: { exists: true } })).toBe(0);
      await collection.upsert([{ id: 0, title: "t", kind: [], x: 0, old: 7 }]);
      await collection.compact();
      expect(await collection.count({ old: 7 })).toBe(1);
      await collection.close();
    });

    test("is refused with the difference named, and nothing is changed", async () => {
      const path = await made();
      const refused = (schema: Schema, evolve?: object) =>
        failure(open(path, { schema, backend: kit.binding, ...(evolve && { evolve: evolve as never }) }));
      const { x: _, ...withoutX } = first;
      const cases: [schema: Schema, evolve: object | undefined, field: string][] = [
        [withoutX, undefined, "x"],
        [first, { drop: ["title"] }, "title"],
        [withoutX, { drop: [] }, "x"],
        [{ ...first, y: integer({ optional: true }) }, undefined, "y"],
        [{ ...first, y: integer() }, { add: ["y"] }, "y"],
        [first, { drop: ["x"] }, "x"],
        [{ ...withoutX, z: integer() }, undefined, "x"],
        [{ ...withoutX, z: text() }, { rename: { x: "z" } }, "z"],
        [{ ...first, title: text({ analyzer: "german" }) }, { add: ["title"] }, "title"],
      ];
      for (const [schema, evolve, field] of cases) {
        const error = await refused(schema, evolve);
        expect([evolve, error.code, error.field]).toEqual([evolve, "ERR_SCHEMA", field]);
        expect(error.message).toContain(`\`${field}\``);
      }
      const same = await kit.open(first, path);
      expect(await same.get(7)).toEqual({ ...documents[7], v: undefined });
      expect(await same.count()).toBe(40);
    });

    test("needs a writer", async () => {
      const path = await made();
      const options = { schema: next, evolve: steps, readOnly: true, backend: kit.binding };
      expect(["ERR_ARGUMENT", "ERR_UNSUPPORTED"]).toContain((await failure(open(path, options))).code);
    });
  });
}
