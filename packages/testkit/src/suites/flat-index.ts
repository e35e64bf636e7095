/** Level 1: vectors in, rows and scores out. */
import { FlatIndex, NO_ROW, rowSet } from "tercet/index";
import { describe, expect, test } from "vitest";
import { failure, type Kit, random } from "../kit.js";
import { ranked, SCORES } from "../oracle.js";

const METRICS = ["cosine", "dot", "l2"] as const;
const DIMS = 17;

function vectors(count: number, seed: number): number[][] {
  const next = random(seed);
  return Array.from({ length: count }, () => Array.from({ length: DIMS }, () => Math.fround(next() * 2 - 1)));
}

const flat = (rows: readonly (readonly number[])[]) => Float32Array.from(rows.flat());

export function flatIndex(kit: Kit): void {
  describe("FlatIndex", () => {
    const rows = vectors(300, 11);
    const queries = vectors(20, 12);

    test.each(METRICS)("%s finds what brute force finds, one by one and in batches", async (metric) => {
      const index = await kit.index(rows, { dims: DIMS, metric });
      expect([index.size, index.dims, index.metric]).toEqual([300, DIMS, metric]);
      const batch = await index.searchBatch(flat(queries), 10);
      for (const [q, query] of queries.entries()) {
        const scores = rows.map((row) => SCORES[metric](row, query));
        const expected = ranked(scores).slice(0, 10);
        const found = index.search(new Float32Array(query), 10);
        expect([...found.rows]).toEqual(expected);
        expect([...batch.rows.subarray(q * 10, q * 10 + 10)]).toEqual(expected);
        for (const [i, row] of expected.entries()) {
          expect(Math.abs((found.scores[i] as number) - (scores[row] as number))).toBeLessThan(1e-5);
          expect(batch.scores[q * 10 + i]).toBe(found.scores[i]);
        }
      }
    });

    test("breaks ties by row", async () => {
      const index = await kit.index(
        Array.from({ length: 50 }, () => [1, 2]),
        { dims: 2, metric: "dot" },
      );
      expect([...index.search(new Float32Array([1, 1]), 5).rows]).toEqual([0, 1, 2, 3, 4]);
    });

    test("writes into arrays of the caller's, and gives views of them", async () => {
      const index = await kit.index(rows, { dims: DIMS });
      const query = new Float32Array(queries[0] as number[]);
      const into = { rows: new Uint32Array(16).fill(7), scores: new Float32Array(16).fill(7) };
      const found = index.search(query, 10, { into });
      expect(found.rows.buffer).toBe(into.rows.buffer);
      expect([...found.rows]).toEqual([...index.search(query, 10).rows]);
      expect([...into.rows.subarray(10)]).toEqual([7, 7, 7, 7, 7, 7]);
      const exact = { rows: new Uint32Array(10), scores: new Float32Array(10) };
      expect(index.search(query, 10, { into: exact }).rows).toBe(exact.rows);
    });

    test("gives fewer when there are fewer, and none when there is none", async () => {
      const index = await kit.index(rows.slice(0, 3), { dims: DIMS });
      const query = new Float32Array(queries[0] as number[]);
      expect(index.search(query, 10).rows.length).toBe(3);
      expect(index.search(query, 100_000).scores.length).toBe(3);
      const padded = await index.searchBatch(query, 5);
      expect([...padded.rows.subarray(3)]).toEqual([NO_ROW, NO_ROW]);
      expect([...padded.scores.subarray(3)]).toEqual([-Infinity, -Infinity]);
      const empty = await kit.index([], { dims: DIMS });
      expect(empty.size).toBe(0);
      expect(empty.search(query, 10).rows.length).toBe(0);
      expect((await empty.searchBatch(new Float32Array(0), 10)).rows.length).toBe(0);
      const into = { rows: new Uint32Array(10), scores: new Float32Array(10) };
      expect(empty.search(query, 10, { into }).rows.length).toBe(0);
    });

    test("searches among the rows of a filter only", async () => {
      const index = await kit.index(rows, { dims: DIMS, metric: "dot" });
      const query = queries[1] as number[];
      const allowed = [299, 3, 31, 32, 33, 64, 200];
      const scores = rows.map((row, at) => (allowed.includes(at) ? SCORES.dot(row, query) : undefined));
      const filter = rowSet(allowed);
      const found = index.search(new Float32Array(query), 5, { filter });
      expect([...found.rows]).toEqual(ranked(scores).slice(0, 5));
      expect([...index.search(new Float32Array(query), 50, { filter }).rows]).toEqual(ranked(scores));
      expect(index.search(new Float32Array(query), 5, { filter: rowSet([]) }).rows.length).toBe(0);
      const batch = await index.searchBatch(new Float32Array(query), 5, { filter });
      expect([...batch.rows]).toEqual([...found.rows]);
      const short = index.search(new Float32Array(query), 5, { filter: rowSet([3]) });
      expect([...short.rows]).toEqual([3]);
    });

    test("adds, removes and compacts, and never gives a row twice before that", async () => {
      const index = await kit.index(rows.slice(0, 10), { dims: DIMS, metric: "l2" });
      expect(await index.add(flat(rows.slice(10, 15)))).toEqual({ first: 10, count: 5 });
      expect(await index.remove([14, 0, 3, 3, 99])).toEqual({ removed: 3, missing: [3, 99] });
      expect(index.size).toBe(12);
      expect(await index.add(flat([rows[20] as number[]]))).toEqual({ first: 15, count: 1 });
      expect(await index.add(new Float32Array(0))).toMatchObject({ count: 0 });
      const find = (row: number) => index.search(new Float32Array(rows[row] as number[]), 1).rows[0];
      expect([find(12), find(20)]).toEqual([12, 15]);
      expect(find(3)).not.toBe(3);
      expect(await index.stats()).toMatchObject({ size: 13, rows: 16, dims: DIMS });
      const map = await index.compact();
      expect([...map]).toEqual([NO_ROW, 0, 1, NO_ROW, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, NO_ROW, 12]);
      expect([find(12), find(20), index.size]).toEqual([10, 12, 13]);
      expect(await index.remove(Uint32Array.of(...Array.from({ length: 13 }, (_, i) => i)))).toMatchObject({
        removed: 13,
      });
      expect(index.search(new Float32Array(rows[0] as number[]), 3).rows.length).toBe(0);
      await index.compact();
      expect(await index.add(flat(rows.slice(0, 2)))).toEqual({ first: 0, count: 2 });
    });

    test("agrees with brute force after many small changes", async () => {
      const next = random(5);
      const index = await kit.index([], { dims: DIMS, metric: "dot" });
      const live = new Map<number, number[]>();
      for (let step = 0; step < 60; step++) {
        const fresh = vectors(Math.floor(next() * 5), step + 100);
        const { first } = await index.add(flat(fresh));
        for (const [i, row] of fresh.entries()) live.set(first + i, row);
        const gone = [...live.keys()].filter(() => next() < 0.1);
        await index.remove(gone);
        for (const row of gone) live.delete(row);
      }
      const query = queries[2] as number[];
      const keys = [...live.keys()];
      const expected = ranked(keys.map((row) => SCORES.dot(live.get(row) as number[], query))).map(
        (at) => keys[at],
      );
      expect([...index.search(new Float32Array(query), 1_000).rows]).toEqual(expected);
      expect(index.size).toBe(live.size);
    });

    test("closes, also by `using`", async () => {
      const index = await FlatIndex.build(flat(rows), { dims: DIMS, backend: kit.binding });
      {
        using closing = index;
        expect(closing.closed).toBe(false);
      }
      expect(index.closed).toBe(true);
      index.close();
      const query = new Float32Array(DIMS).fill(1);
      expect(await failure(() => index.search(query, 1))).toMatchObject({ code: "ERR_CLOSED" });
      expect(await failure(index.searchBatch(query, 1))).toMatchObject({ code: "ERR_CLOSED" });
      expect(await failure(index.add(query))).toMatchObject({ code: "ERR_CLOSED" });
      expect(await failure(index.stats())).toMatchObject({ code: "ERR_CLOSED" });
    });
  });

  badIndexInput(kit);
}

function badIndexInput(kit: Kit): void {
  describe("FlatIndex, wrongly used", () => {
    const good = { dims: 2, metric: "cosine" } as const;
    const build = (values: readonly number[], options: object = good) =>
      FlatIndex.build(Float32Array.from(values), { backend: kit.binding, ...options } as never);

    test.each([
      ["a part of a vector", [1, 2, 3], good, { code: "ERR_DIMENSION" }],
      ["NaN", [1, 2, Number.NaN, 4], good, { code: "ERR_NOT_FINITE", position: 1, component: 0 }],
      ["a zero vector under cosine", [1, 2, 0, 0], good, { code: "ERR_ZERO_VECTOR", position: 1 }],
      ["no dims", [1, 2], {}, { code: "ERR_LIMIT", field: "dims" }],
      ["dims of nothing", [1, 2], { dims: 0 }, { code: "ERR_LIMIT", field: "dims" }],
      ["dims without end", [1, 2], { dims: 65_536 }, { code: "ERR_LIMIT", field: "dims" }],
      ["an unknown metric", [1, 2], { dims: 2, metric: "hamming" }, { code: "ERR_ARGUMENT" }],
    ])("is not built: %s", async (_, values, options, expected) => {
      expect(await failure(build(values, options))).toMatchObject(expected);
    });

    test("is not built from other arrays", async () => {
      const wrong = FlatIndex.build([1, 2] as never, { dims: 2, backend: kit.binding });
      expect(await failure(wrong)).toMatchObject({
        code: "ERR_TYPE",
        field: "vectors",
        found: "an array of 2",
      });
    });

    test("refuses queries that are wrong, and says where it was called", async () => {
      const index = await kit.index([[1, 0]], good);
      const query = new Float32Array([1, 1]);
      const search = (...given: unknown[]) =>
        failure(() => index.search(...(given as [Float32Array, number])));
      expect(await search(new Float32Array(3), 1)).toMatchObject({ code: "ERR_DIMENSION" });
      expect(await search(new Float32Array([1, Number.NaN]), 1)).toMatchObject({
        code: "ERR_NOT_FINITE",
        component: 1,
      });
      expect(await search(new Float32Array(2), 1)).toMatchObject({ code: "ERR_ZERO_VECTOR" });
      expect(await search([1, 1], 1)).toMatchObject({ code: "ERR_TYPE", field: "query" });
      for (const k of [0, -1, 1.5, Number.NaN, 100_001, "3", undefined]) {
        expect(await search(query, k)).toMatchObject({ code: "ERR_LIMIT", field: "k" });
        expect(await failure(index.searchBatch(query, k as never))).toMatchObject({ code: "ERR_LIMIT" });
      }
      const into = { rows: new Uint32Array(1), scores: new Float32Array(2) };
      expect(await search(query, 2, { into })).toMatchObject({ code: "ERR_ARGUMENT", field: "into" });
      expect(await search(query, 1, { into: { rows: [], scores: [] } })).toMatchObject({
        code: "ERR_ARGUMENT",
      });
      expect((await search(new Float32Array(3), 1)).stack).toContain("flat-index");
      expect(await failure(index.searchBatch(new Float32Array(3), 1))).toMatchObject({
        code: "ERR_DIMENSION",
      });
      const second = index.searchBatch(new Float32Array([1, 1, 0, 0]), 1);
      expect(await failure(second)).toMatchObject({ code: "ERR_ZERO_VECTOR", position: 1 });
      expect([...index.search(query, 1).rows]).toEqual([0]);
    });

    test("refuses what it cannot hold, and stays as it was", async () => {
      const index = await kit.index([[1, 0]], good);
      expect(await failure(index.add(new Float32Array([1, 2, 3])))).toMatchObject({ code: "ERR_DIMENSION" });
      expect(await failure(index.add(new Float32Array([1, 2, 0, 0])))).toMatchObject({
        code: "ERR_ZERO_VECTOR",
        position: 1,
      });
      for (const row of [-1, 0.5, Number.NaN, "0"]) {
        expect(await failure(index.remove([row as number]))).toMatchObject({
          code: "ERR_ARGUMENT",
          field: "rows",
        });
      }
      expect(await index.stats()).toMatchObject({ size: 1, rows: 1 });
      expect(await failure(() => rowSet([-1]))).toMatchObject({ code: "ERR_ARGUMENT" });
    });

    test("says when there is not enough memory for the answer", async () => {
      const index = await kit.index([[1]], { dims: 1, metric: "dot" });
      const huge = index.searchBatch(new Float32Array(1_000_000).fill(1), 100_000);
      expect(await failure(huge)).toMatchObject({ code: "ERR_MEMORY" });
      expect(index.search(new Float32Array([1]), 1).rows.length).toBe(1);
    });
  });
}
