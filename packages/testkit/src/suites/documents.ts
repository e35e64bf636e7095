/** Documents come back as they went in, and the verbs do what they say. */
import { all, boolean, date, dense, float, integer, keyword, text } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit } from "../kit.js";

const everything = {
  title: text(),
  body: text({ analyzer: "english", boost: 2, positions: true, k1: 0.9, b: 0.4, optional: true }),
  language: keyword({ optional: true }),
  tags: keyword({ many: true, optional: true }),
  year: integer({ optional: true }),
  rating: float({ optional: true }),
  open: boolean({ optional: true }),
  published: date({ optional: true }),
  vector: dense({ dims: 3, metric: "cosine", optional: true }),
};

export function documents(kit: Kit): void {
  describe("documents", () => {
    test("come back as they went in, every field of them", async () => {
      const collection = await kit.open(everything);
      const whole = {
        id: "a",
        title: 'Ünïcödé 😀 \u0000 "quotes" \\ 北京',
        body: "stars",
        language: "en",
        tags: ["x", "y", "x"],
        year: -9_007_199_254_740_991,
        rating: 0.1,
        open: false,
        published: new Date("1969-07-20T20:17:40.123Z"),
        vector: new Float32Array([0.1, -2, 3e-20]),
      };
      await collection.upsert([whole, { id: 1, title: "" }]);
      expect(await collection.get("a")).toEqual(whole);
      expect(await collection.get(1)).toEqual({ id: 1, title: "" });
      expect(await collection.get("a", { select: ["year", "vector"] })).toEqual({
        id: "a",
        year: whole.year,
        vector: whole.vector,
      });
    });

    test("keep extreme values", async () => {
      const collection = await kit.open(everything);
      const ratings = [0, 5e-324, 1.7976931348623157e308, -1.5, 1 / 3, 123_456_789.123_456_79];
      await collection.upsert(ratings.map((rating, id) => ({ id, title: "x", rating })));
      const back = await collection.get(ratings.map((_, id) => id));
      expect(back.map((document) => document?.rating)).toEqual(ratings);
      await collection.upsert([
        { id: 0, title: "x".repeat(100_000), tags: [], vector: [1e-30, 3e38 / 1e20, 0] },
      ]);
      const long = await collection.get(0);
      expect(long?.title.length).toBe(100_000);
      expect(long?.tags).toEqual([]);
      expect(long?.vector).toEqual(new Float32Array([1e-30, 3e38 / 1e20, 0]));
    });

    test("take dates in every form, and give Date", async () => {
      const collection = await kit.open({ day: date() });
      const day = new Date("2001-09-09T01:46:40.000Z");
      const forms = [day, "2001-09-09T01:46:40Z", "2001-09-09T03:46:40+02:00", 1_000_000_000_000];
      await collection.upsert([
        ...forms.map((form, id) => ({ id, day: form })),
        { id: 9, day: "2001-09-09" },
      ]);
      for (const id of forms.keys()) expect((await collection.get(id))?.day).toEqual(day);
      expect((await collection.get(9))?.day).toEqual(new Date("2001-09-09T00:00:00.000Z"));
      const page = await collection.search({ query: all(), limit: 1 });
      expect(page.hits[0]?.document.day).toEqual(day);
    });

    test('have numbers and strings for ids, and 1 is not "1"', async () => {
      const collection = await kit.open({ n: integer() });
      const keys = [1, "1", 0, -1, 9_007_199_254_740_991, "é", "x".repeat(512)];
      await collection.upsert(keys.map((id, n) => ({ id, n })));
      expect(await collection.count()).toBe(keys.length);
      for (const [n, id] of keys.entries()) expect(await collection.get(id)).toEqual({ id, n });
      expect(await collection.get(-0)).toEqual({ id: 0, n: 2 });
      expect(await collection.remove([1, "nobody"])).toEqual({ removed: 1 });
      expect(await collection.get(1)).toBeUndefined();
      expect(await collection.get("1")).toEqual({ id: "1", n: 1 });
    });

    test("are replaced by upsert, and then stand last", async () => {
      const collection = await kit.open({ n: integer(), tag: keyword({ optional: true }) });
      expect(await collection.upsert([1, 2, 3].map((id) => ({ id, n: id, tag: "old" })))).toEqual({
        written: 3,
        replaced: 0,
      });
      expect(
        await collection.upsert([
          { id: 2, n: 20 },
          { id: 4, n: 4 },
        ]),
      ).toEqual({ written: 2, replaced: 1 });
      expect(await collection.get(2)).toEqual({ id: 2, n: 20 });
      expect(ids(await collection.search({ query: all() }))).toEqual([1, 3, 2, 4]);
      expect(await collection.count({ tag: "old" })).toBe(2);
      expect(await collection.count()).toBe(4);
    });

    test("are removed by id and by filter", async () => {
      const collection = await kit.open({ n: integer() });
      await collection.upsert(Array.from({ length: 20 }, (_, id) => ({ id, n: id % 5 })));
      expect(await collection.remove([0, 1, 1, 99])).toEqual({ removed: 2 });
      expect(await collection.remove([])).toEqual({ removed: 0 });
      expect(await collection.removeWhere({ n: { gte: 3 } })).toEqual({ removed: 8 });
      expect(await collection.removeWhere({ n: 4 })).toEqual({ removed: 0 });
      expect(await collection.count()).toBe(10);
      expect(await collection.get([0, 2, 3])).toEqual([undefined, { id: 2, n: 2 }, undefined]);
      expect(await collection.removeWhere({})).toEqual({ removed: 10 });
      expect(await collection.count()).toBe(0);
      expect(ids(await collection.search({ query: all() }))).toEqual([]);
    });

    test("survive compaction and merging of many small batches", async () => {
      const collection = await kit.open({ n: integer(), t: text() });
      for (let id = 0; id < 40; id++) await collection.upsert([{ id, n: id, t: `word${id}` }]);
      await collection.removeWhere({ n: { lt: 10 } });
      const before = ids(await collection.search({ query: all(), limit: 100 }));
      expect(before).toEqual(Array.from({ length: 30 }, (_, i) => i + 10));
      const compacted = await collection.compact();
      expect(compacted.bytesAfter).toBeGreaterThan(0);
      expect(ids(await collection.search({ query: all(), limit: 100 }))).toEqual(before);
      const stats = await collection.stats();
      expect(stats.documents).toBe(30);
      expect(stats.deleted).toBe(0);
      expect(stats.fields.n).toMatchObject({ type: "integer", documents: 30 });
      expect(await collection.verify()).toMatchObject({ problems: [] });
    });

    test("of an empty collection are none", async () => {
      const collection = await kit.open(everything);
      expect(await collection.count()).toBe(0);
      expect(await collection.get("x")).toBeUndefined();
      expect(await collection.get([])).toEqual([]);
      expect(await collection.search({ query: all() })).toEqual({ hits: [], exact: true, complete: true });
      expect(await collection.upsert([])).toEqual({ written: 0, replaced: 0 });
      await collection.flush();
      await collection.compact();
    });
  });
}
