/** Vectors: exact against brute force, and fusion against a hand-made one. */
import { all, dense, fuse, integer, match, near, text, toJSON } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit, random } from "../kit.js";
import { ranked, SCORES } from "../oracle.js";

const METRICS = ["cosine", "dot", "l2"] as const;
const DIMS = 19;

function vectors(count: number, seed: number): number[][] {
  const next = random(seed);
  return Array.from({ length: count }, () => Array.from({ length: DIMS }, () => Math.fround(next() * 2 - 1)));
}

export function nearest(kit: Kit): void {
  describe("near", () => {
    const rows = vectors(200, 3);
    const query = vectors(1, 4)[0] as number[];

    test.each(METRICS)("%s finds what brute force finds", async (metric) => {
      const collection = await kit.open({ v: dense({ dims: DIMS, metric, optional: true }), n: integer() });
      const documents = rows.map((v, id) => (id % 7 === 3 ? { id, n: id } : { id, n: id, v }));
      for (let at = 0; at < documents.length; at += 64) await collection.upsert(documents.slice(at, at + 64));
      const scores = rows.map((v, id) => (id % 7 === 3 ? undefined : SCORES[metric](v, query)));
      const check = async (limit: number, offset: number, n?: number) => {
        const page = await collection.search({
          query: near("v", query),
          limit,
          offset,
          where: n === undefined ? {} : { n: { gte: n } },
        });
        const allowed = scores.map((score, id) => (n === undefined || id >= n ? score : undefined));
        expect(ids(page)).toEqual(ranked(allowed).slice(offset, offset + limit));
        for (const { id, score } of page.hits) {
          expect(Math.abs(score - (scores[id as number] as number))).toBeLessThan(1e-5);
        }
        expect(page.exact).toBe(true);
      };
      await check(10, 0);
      await check(7, 23);
      await check(1_000, 0);
      await check(10, 0, 150);
      await collection.compact();
      await check(10, 5);
    });

    test.each(METRICS)("%s breaks ties by insertion", async (metric) => {
      const collection = await kit.open({ v: dense({ dims: 2, metric }) });
      await collection.upsert([5, 3, 9, 1].map((id) => ({ id, v: [1, 1] })));
      await collection.upsert([3, 7].map((id) => ({ id, v: [1, 1] })));
      expect(ids(await collection.search({ query: near("v", [1, 1]) }))).toEqual([5, 9, 1, 3, 7]);
    });

    test("takes vectors as numbers, as floats and as base64, from arrays and from JSON", async () => {
      const collection = await kit.open({ v: dense({ dims: DIMS }) });
      await collection.upsert(rows.slice(0, 20).map((v, id) => ({ id, v: new Float32Array(v) })));
      const forms = [near("v", query), near("v", new Float32Array(query)), toJSON(near("v", query))];
      const pages = await Promise.all(forms.map((form) => collection.search({ query: form })));
      expect(pages[1]).toEqual(pages[0]);
      expect(pages[2]).toEqual(pages[0]);
      const replayed = JSON.parse(JSON.stringify(toJSON(near("v", query))));
      expect(await collection.search({ query: replayed })).toEqual(pages[0]);
    });

    test("considers k neighbours when k is given", async () => {
      const collection = await kit.open({ v: dense({ dims: DIMS }) });
      await collection.upsert(rows.map((v, id) => ({ id, v })));
      expect((await collection.search({ query: near("v", query, { k: 3 }), limit: 10 })).hits.length).toBe(3);
    });
  });

  describe("fuse.rrf", () => {
    const schema = {
      t: text({ analyzer: "whitespace", optional: true }),
      v: dense({ dims: 1, metric: "l2", optional: true }),
    };
    const filled = async () => {
      const collection = await kit.open(schema);
      await collection.upsert([
        { id: "a", t: "x x x x", v: [4] },
        { id: "b", t: "x x x y", v: [1] },
        { id: "c", t: "x x y y", v: [3] },
        { id: "d", t: "x y y y" },
        { id: "e", v: [2] },
      ]);
      return collection;
    };
    // By words: a b c d. By nearness to 0: b e c a.
    const words = match("x");
    const nearness = near("v", [0]);

    test("sums weight / (k + rank), with 60 and 1 for defaults", async () => {
      const collection = await filled();
      const page = await collection.search({ query: fuse.rrf([words, nearness]) });
      const expected = {
        b: 1 / 62 + 1 / 61,
        a: 1 / 61 + 1 / 64,
        c: 1 / 63 + 1 / 63,
        e: 1 / 62,
        d: 1 / 64,
      };
      expect(ids(page)).toEqual(["b", "a", "c", "e", "d"]);
      for (const { id, score } of page.hits) expect(score).toBeCloseTo(expected[id as "a"], 6);
    });

    test("takes weights, another constant and a depth", async () => {
      const collection = await filled();
      const query = fuse.rrf([words, nearness], { k: 1, weights: [1, 3], depth: 2 });
      const page = await collection.search({ query });
      const expected = { b: 1 / 3 + 3 / 2, e: 3 / 3, a: 1 / 2 };
      expect(ids(page)).toEqual(["b", "e", "a"]);
      for (const { id, score } of page.hits) expect(score).toBeCloseTo(expected[id as "a"], 6);
    });

    test("nests, keeps ties in the order of insertion, and pages", async () => {
      const collection = await filled();
      const query = fuse.rrf([fuse.rrf([words, nearness]), all()], { weights: [0, 1] });
      expect(ids(await collection.search({ query }))).toEqual(["a", "b", "c", "d", "e"]);
      const tied = fuse.rrf([words, nearness], { weights: [0, 0] });
      expect(ids(await collection.search({ query: tied }))).toEqual(["a", "b", "c", "d", "e"]);
      const paged = fuse.rrf([words, nearness]);
      expect(ids(await collection.search({ query: paged, offset: 1, limit: 2 }))).toEqual(["a", "c"]);
    });

    test("explains what each ranking gave", async () => {
      const collection = await filled();
      const page = await collection.search({ query: fuse.rrf([words, nearness]), explain: true });
      const b = page.hits[0]?.explain;
      expect(b).toMatchObject({ part: "rrf", rank: 1, details: { k: 60 } });
      expect(b?.parts?.map((part) => [part.part, part.rank])).toEqual([
        ["match", 2],
        ["near", 1],
      ]);
      const e = page.hits.find((hit) => hit.id === "e")?.explain;
      expect(e?.parts?.map((part) => part.rank)).toEqual([undefined, 2]);
    });
  });

  describe("pages", () => {
    const filled = async () => {
      const collection = await kit.open({
        n: integer(),
        t: text({ optional: true }),
        v: dense({ dims: 1, metric: "dot" }),
      });
      await collection.upsert(Array.from({ length: 25 }, (_, id) => ({ id, n: id, t: `t${id}`, v: [id] })));
      return collection;
    };

    test("are cut by limit and offset", async () => {
      const collection = await filled();
      const from = async (offset?: number, limit?: number) =>
        ids(await collection.search({ query: near("v", [1]), offset, limit }));
      expect(await from()).toEqual([24, 23, 22, 21, 20, 19, 18, 17, 16, 15]);
      expect(await from(0, 0)).toEqual([]);
      expect(await from(23, 10)).toEqual([1, 0]);
      expect(await from(25)).toEqual([]);
      expect(await from(90_000, 10_000)).toEqual([]);
      expect((await from(0, 10_000)).length).toBe(25);
    });

    test("hold the selected fields, and `id` always", async () => {
      const collection = await filled();
      const first = async (select?: ("n" | "t" | "v" | "id")[]) =>
        (await collection.search({ query: near("v", [1]), limit: 1, select })).hits[0]?.document;
      expect(await first()).toEqual({ id: 24, n: 24, t: "t24" });
      expect(await first([])).toEqual({ id: 24 });
      expect(await first(["id"])).toEqual({ id: 24 });
      expect(await first(["v", "t"])).toEqual({ id: 24, t: "t24", v: new Float32Array([24]) });
    });

    test("do not change when the collection does", async () => {
      const collection = await filled();
      const before = collection.search({ query: near("v", [1]), limit: 25 });
      const removing = collection.removeWhere({ n: { lt: 20 } });
      expect((await before).hits.length).toBe(25);
      await removing;
      expect((await collection.search({ query: near("v", [1]), limit: 25 })).hits.length).toBe(5);
    });
  });
}
