/** Sparse vectors: exact against brute force, given back, fused, filtered, explained, and what is refused. */
import { all, expand, fuse, integer, lists, match, seismic, sparse, text, toJSON } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit, random } from "../kit.js";
import { ranked } from "../oracle.js";

const TERMS = 60;

type Vector = { indices: number[]; values: number[] };

/** Vectors of up to 12 terms; small terms are frequent. */
function vectors(count: number, seed: number): Vector[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const weights = new Map<number, number>();
    for (let left = Math.floor(next() * 12) + 1; left > 0; left--) {
      weights.set(Math.floor(next() * next() * TERMS), Math.fround(next() * 3 + 0.01));
    }
    const pairs = [...weights].sort(([a], [b]) => a - b);
    return { indices: pairs.map(([term]) => term), values: pairs.map(([, weight]) => weight) };
  });
}

/** The sum of the engine: by ascending term, product and sum each rounded to f32. */
function score(document: Vector, query: Vector): number | undefined {
  let sum: number | undefined;
  query.indices.forEach((term, at) => {
    const place = document.indices.indexOf(term);
    if (place < 0) return;
    const part = Math.fround((document.values[place] as number) * (query.values[at] as number));
    sum = Math.fround((sum ?? 0) + part);
  });
  return sum;
}

export function sparseVectors(kit: Kit): void {
  describe("expand", () => {
    const rows = vectors(700, 11);
    const queries = vectors(12, 12);
    const schema = { s: sparse({ terms: TERMS, optional: true }), n: integer() };
    const filled = async () => {
      const collection = await kit.open(schema);
      const documents = rows.map((s, n) => (n % 9 === 4 ? { id: n, n } : { id: n, n, s }));
      for (let at = 0; at < documents.length; at += 150)
        await collection.upsert(documents.slice(at, at + 150));
      return collection;
    };
    const truth = (query: Vector, from = 0) =>
      rows.map((row, n) => (n % 9 === 4 || n < from ? undefined : score(row, query)));

    test("finds what brute force finds, with a filter, after deletes and merges", async () => {
      const collection = await filled();
      const check = async (from: number, gone: (n: number) => boolean) => {
        for (const query of queries) {
          const where = from === 0 ? {} : { n: { gte: from } };
          const scores = truth(query, from).map((value, n) => (gone(n) ? undefined : value));
          for (const limit of [1, 10, 1_000]) {
            const page = await collection.search({ query: expand("s", query), limit, where });
            expect(ids(page)).toEqual(ranked(scores).slice(0, limit));
            for (const hit of page.hits) expect(hit.score).toBe(scores[hit.id as number]);
            expect(page.exact).toBe(true);
          }
        }
      };
      await check(0, () => false);
      await check(500, () => false);
      await collection.remove(rows.map((_, n) => n).filter((n) => n % 5 === 0));
      await check(0, (n) => n % 5 === 0);
      await collection.compact();
      await check(300, (n) => n % 5 === 0);
    });

    test("takes vectors in every form, and gives typed arrays back", async () => {
      const collection = await kit.open({ s: sparse({ terms: TERMS }) });
      const vector = { indices: [3, 7, 40], values: [0.5, 2, 0.25] };
      await collection.upsert([
        { id: 0, s: vector },
        { id: 1, s: { indices: Uint32Array.of(40, 3, 7), values: Float32Array.of(0.25, 0.5, 2) } },
        { id: 2, s: { 7: 2, 40: 0.25, 3: 0.5 } },
        { id: 3, s: { indices: [], values: [] } },
      ]);
      for (const id of [0, 1, 2]) {
        const got = await collection.get(id);
        expect(got?.s.indices).toEqual(Uint32Array.from(vector.indices));
        expect(got?.s.values).toEqual(Float32Array.from(vector.values));
      }
      const forms = [
        expand("s", vector),
        expand("s", { indices: Uint32Array.of(40, 3, 7), values: Float32Array.of(0.25, 0.5, 2) }),
        expand("s", { 7: 2, 40: 0.25, 3: 0.5 }),
      ];
      for (const form of [...forms, ...forms.map((form) => JSON.parse(JSON.stringify(toJSON(form))))]) {
        const page = await collection.search({ query: form });
        expect(page.hits.map(({ id, score }) => [id, score])).toEqual([0, 1, 2].map((id) => [id, 4.3125]));
        expect(page.hits[0]?.document).toEqual({ id: 0 });
      }
      const page = await collection.search({ query: all(), select: ["s"], limit: 1 });
      expect(page.hits[0]?.document.s.values).toEqual(Float32Array.from(vector.values));
    });

    test("takes vectors by the words of a vocabulary, and keeps them", async () => {
      const vocabulary = ["flow", "##s", "17", "indices", "values", "__proto__", "Ärmel"];
      const path = kit.persist === undefined ? undefined : `${await kit.folder()}/words`;
      const fields = { s: sparse({ vocabulary, top: 2 }), n: integer() };
      const collection = await kit.open(fields, path);
      await collection.upsert([
        { id: 0, n: 0, s: { flow: 2, "##s": 0.5 } },
        { id: 1, n: 1, s: { indices: [0, 6], values: [1, 3] } },
        { id: 2, n: 2, s: { indices: 2, values: 1, 17: 0.5 } },
        // Own, as JSON.parse makes it.
        { id: 3, n: 3, s: JSON.parse('{ "__proto__": 4 }') },
      ]);
      const check = async (from: typeof collection) => {
        const scores = async (vector: Parameters<typeof expand>[1]) => {
          const query = expand("s", vector);
          const page = await from.search({ query });
          expect(await from.search({ query: JSON.parse(JSON.stringify(toJSON(query))) })).toEqual(page);
          return page.hits.map(({ id, score }) => [id, score]);
        };
        expect(await scores({ flow: 3, Ärmel: 1 })).toEqual([
          [0, 6],
          [1, 6],
        ]);
        expect(await scores({ indices: 2, values: 1 })).toEqual([[2, 5]]);
        expect(await scores(JSON.parse('{ "__proto__": 2, "nowhere": 9 }'))).toEqual([[3, 8]]);
        expect(await scores({ nowhere: 9 })).toEqual([]);
        const page = await from.search({ query: expand("s", { flow: 1 }), explain: true });
        expect(page.hits[0]?.explain?.parts?.[0]?.about).toBe("flow");
        expect((await from.get(0))?.s).toEqual({
          indices: Uint32Array.of(0, 1),
          values: Float32Array.of(2, 0.5),
        });
        expect(from.schema.s.vocabulary).toEqual(vocabulary);
        const measured = await from.measure("s", { queries: [{ flow: 1, nowhere: 2 }], k: 1 });
        expect(measured.recall).toBe(1);
      };
      await check(collection);
      for (const [s, code] of [
        [{ nowhere: 1 }, "ERR_ARGUMENT"],
        [{ 3: 1 }, "ERR_ARGUMENT"],
        [{ flow: 0 }, "ERR_LIMIT"],
        [{ flow: "1" }, "ERR_TYPE"],
      ] as const) {
        await expect(collection.upsert([{ id: 9, n: 9, s: s as never }])).rejects.toMatchObject({
          code,
          field: "s",
        });
      }
      if (path !== undefined) {
        await collection.close();
        await check((await kit.opened(path)) as never);
      }
      for (const wrong of [[], ["a", "a"], [""], ["x".repeat(256)]]) {
        await expect(kit.open({ s: sparse({ vocabulary: wrong }) })).rejects.toMatchObject({
          code: "ERR_SCHEMA",
          field: "s",
        });
      }
      await expect(kit.open({ s: sparse({ vocabulary, terms: 3 }) })).rejects.toMatchObject({
        code: "ERR_SCHEMA",
      });
    });

    test("is fused and explained", async () => {
      const collection = await kit.open({ s: sparse({ terms: 9 }), t: text({ analyzer: "whitespace" }) });
      await collection.upsert([
        { id: "a", s: { 1: 2, 5: 0.5 }, t: "x" },
        { id: "b", s: { 1: 1 }, t: "y y" },
      ]);
      const query = expand("s", { 1: 3, 5: 4, 8: 1 });
      const page = await collection.search({ query, explain: true });
      expect(page.hits.map(({ id, score }) => [id, score])).toEqual([
        ["a", 8],
        ["b", 3],
      ]);
      expect(page.hits[0]?.explain?.parts?.map(({ about, score }) => [about, score])).toEqual([
        ["1", 6],
        ["5", 2],
      ]);
      expect(page.explain?.counters.postingsScored).toBe(3);
      expect(page.explain?.plan[0]?.step).toContain("expand: 3 terms in `s`");
      const fused = await collection.search({ query: fuse.rrf([query, match("y")]) });
      expect(ids(fused)).toEqual(["b", "a"]);
    });

    test("prunes and binarises the index, not the documents", async () => {
      const open = async (settings: { top?: number; mass?: number; weights?: "ones" }) => {
        const collection = await kit.open({ s: sparse({ terms: 9, ...settings }) });
        await collection.upsert([{ id: 1, s: { 1: 4, 2: 3, 3: 1 } }]);
        expect((await collection.get(1))?.s.indices.length).toBe(3);
        const page = await collection.search({ query: expand("s", { 1: 1, 2: 1, 3: 1 }) });
        return page.hits[0]?.score;
      };
      expect(await open({})).toBe(8);
      expect(await open({ top: 2 })).toBe(7);
      expect(await open({ mass: 0.5 })).toBe(4);
      expect(await open({ weights: "ones" })).toBe(3);
    });

    test("approximate answers say so", async () => {
      const collection = await filled();
      const query = queries[0] as Vector;
      for (const slack of [{ alpha: 0.5 }, { beta: 0.5 }, { cells: 1 }]) {
        const page = await collection.search({ query: expand("s", query, slack) });
        const scores = truth(query);
        for (const hit of page.hits) expect(hit.score).toBe(scores[hit.id as number]);
      }
    });

    test("a seismic index finds nearly all, never too few, and is exact where little is allowed", async () => {
      const collection = await kit.open({
        s: sparse({ terms: TERMS, optional: true, index: seismic({ postings: 40 }) }),
        n: integer(),
      });
      const documents = rows.map((s, n) => (n % 9 === 4 ? { id: n, n } : { id: n, n, s }));
      for (let at = 0; at < documents.length; at += 150)
        await collection.upsert(documents.slice(at, at + 150));
      const check = async (gone: (n: number) => boolean) => {
        for (const query of queries) {
          const scores = truth(query).map((value, n) => (gone(n) ? undefined : value));
          for (const limit of [1, 10, 1_000]) {
            const page = await collection.search({ query: expand("s", query, { cells: 5 }), limit });
            expect(page.hits.length).toBe(Math.min(limit, ranked(scores).length));
            for (const hit of page.hits) expect(hit.score).toBe(scores[hit.id as number]);
            const few = await collection.search({
              query: expand("s", query),
              limit,
              where: { n: { gte: 690 } },
            });
            expect(few.exact).toBe(true);
            expect(ids(few)).toEqual(
              ranked(scores)
                .filter((n) => n >= 690)
                .slice(0, limit),
            );
          }
        }
      };
      await check(() => false);
      await collection.remove(rows.map((_, n) => n).filter((n) => n % 5 === 0));
      await check((n) => n % 5 === 0);
      await collection.compact();
      await check((n) => n % 5 === 0);
      const got = await collection.get(1);
      expect(got?.s?.indices).toEqual(Uint32Array.from(rows[1]?.indices ?? []));
    });

    test("blocks of every size give the same answers", async () => {
      for (const block of [8, 16, 32, 64, 128] as const) {
        const collection = await kit.open({
          s: sparse({ terms: TERMS, index: lists({ block }) }),
          n: integer(),
        });
        await collection.upsert(rows.map((s, n) => ({ id: n, n, s })));
        for (const query of queries.slice(0, 3)) {
          const page = await collection.search({ query: expand("s", query) });
          expect(ids(page)).toEqual(ranked(rows.map((row) => score(row, query))).slice(0, 10));
        }
      }
      const wrong = sparse({ terms: 9, index: { kind: "lists", block: 48 } });
      await expect(kit.open({ s: wrong })).rejects.toMatchObject({ code: "ERR_SCHEMA" });
    });

    test("is measured, and searched by the recall wanted", async () => {
      const collection = await filled();
      const query = queries[0] as Vector;
      const asked = vectors(60, 13);
      const wanted = { query: expand("s", query, { recall: 0.9 }) };
      await expect(collection.search(wanted)).rejects.toMatchObject({
        code: "ERR_ARGUMENT",
        field: "recall",
      });
      const curve = await collection.tune("s", { queries: asked });
      expect(curve).toMatchObject({ k: 10, queries: 60, probes: false });
      expect((await collection.measure("s", { queries: asked, recall: 0.9 })).recall).toBeGreaterThan(0.89);
      expect((await collection.measure("s", { queries: asked })).recall).toBe(1);
      expect((await collection.search(wanted)).hits.length).toBe(10);
      expect((await collection.tune("s", { sample: 30, k: 5 })).probes).toBe(true);
      for (const bad of [{ ef: 5 }, { nprobe: 5 }, { recall: 0.5, cells: 3 }]) {
        await expect(collection.measure("s", bad)).rejects.toMatchObject({
          code: bad.cells === undefined ? "ERR_ARGUMENT" : "ERR_QUERY",
        });
      }
      await expect(collection.measure("s", { alpha: 2 })).rejects.toMatchObject({ code: "ERR_LIMIT" });
      await expect(collection.tune("n" as never)).rejects.toMatchObject({ code: "ERR_QUERY" });
    });

    test("refuses what is no sparse vector, and changes nothing", async () => {
      const collection = await kit.open({ s: sparse({ terms: 9 }), t: text({ optional: true }) });
      const bad: [unknown, string][] = [
        [{ indices: [1, 1], values: [1, 2] }, "ERR_ARGUMENT"],
        [{ indices: [1], values: [1, 2] }, "ERR_DIMENSION"],
        [{ indices: [9], values: [1] }, "ERR_LIMIT"],
        [{ indices: [1], values: [0] }, "ERR_LIMIT"],
        [{ indices: [1], values: [-1] }, "ERR_LIMIT"],
        [{ indices: Uint32Array.of(1), values: Float32Array.of(Number.NaN) }, "ERR_NOT_FINITE"],
        [{ indices: [1], values: [1e300] }, "ERR_NOT_FINITE"],
        [{ indices: [1.5], values: [1] }, "ERR_TYPE"],
        [{ indices: Float32Array.of(1), values: Float32Array.of(1) }, "ERR_TYPE"],
        [{ "01": 1 }, "ERR_TYPE"],
        [{ word: 1 }, "ERR_TYPE"],
        ["x", "ERR_TYPE"],
        [[1, 2], "ERR_TYPE"],
      ];
      for (const [s, code] of bad) {
        await expect(collection.upsert([{ id: 1, s: s as never }])).rejects.toMatchObject({
          code,
          field: "s",
        });
        await expect(collection.search({ query: expand("s", s as never) })).rejects.toMatchObject({ code });
      }
      expect(await collection.count()).toBe(0);
      const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, term) => [term, 1]));
      const wide = await kit.open({ s: sparse({ terms: 10_000 }) });
      await wide.upsert([{ id: 1, s: many }]);
      await expect(wide.search({ query: expand("s", many) })).rejects.toMatchObject({ code: "ERR_LIMIT" });
      // @ts-expect-error a text field is no sparse one
      await expect(collection.search({ query: expand("t", { 1: 1 }) })).rejects.toMatchObject({
        code: "ERR_QUERY",
      });
      for (const slack of [{ alpha: 0 }, { beta: 1 }, { cells: 0 }, { k: 0 }]) {
        const query = expand("s", { 1: 1 }, slack);
        await expect(collection.search({ query })).rejects.toMatchObject({ code: "ERR_LIMIT" });
      }
      await expect(kit.open({ s: sparse({ terms: 0 }) })).rejects.toMatchObject({ code: "ERR_SCHEMA" });
      await expect(kit.open({ s: sparse({ terms: 9, mass: 0 }) })).rejects.toMatchObject({
        code: "ERR_SCHEMA",
      });
    });
  });
}
