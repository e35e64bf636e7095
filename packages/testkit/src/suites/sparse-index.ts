/** Sparse vectors without documents: every change against brute force, files, recall, and what is refused. */
import { lists, rowSet, SparseIndex, type SparseRow, type SparseVectors, seismic } from "tercet/index";
import { describe, expect, test } from "vitest";
import { type Kit, random, refused } from "../kit.js";
import { ranked } from "../oracle.js";

const TERMS = 60;

/** Vectors of up to 12 terms; small terms are frequent. */
function vectors(count: number, seed: number): SparseRow[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const weights = new Map<number, number>();
    for (let left = Math.floor(next() * 12) + 1; left > 0; left--) {
      weights.set(Math.floor(next() * next() * TERMS), Math.fround(next() * 3 + 0.01));
    }
    const pairs = [...weights].sort(([a], [b]) => a - b);
    return {
      indices: Uint32Array.from(pairs, ([term]) => term),
      values: Float32Array.from(pairs, ([, weight]) => weight),
    };
  });
}

/** The sum of the engine: by ascending term, product and sum each rounded to f32. */
function score(row: SparseRow, query: SparseRow): number | undefined {
  let sum: number | undefined;
  query.indices.forEach((term: number, at: number) => {
    const place = row.indices.indexOf(term);
    if (place < 0) return;
    const part = Math.fround((row.values[place] as number) * (query.values[at] as number));
    sum = Math.fround((sum ?? 0) + part);
  });
  return sum;
}

/** The same rows in three arrays. */
function csr(rows: readonly SparseRow[]): SparseVectors {
  const offsets = Uint32Array.from([
    0,
    ...rows.map((_, at) => rows.slice(0, at + 1).reduce((n, r) => n + r.indices.length, 0)),
  ]);
  return {
    offsets,
    indices: Uint32Array.from(rows.flatMap((row) => [...row.indices])),
    values: Float32Array.from(rows.flatMap((row) => [...row.values])),
  };
}

export function sparseIndex(kit: Kit): void {
  const kinds = [lists(), seismic({ postings: 100 })];
  describe.each(kinds)("SparseIndex of $kind", (kind) => {
    const approximate = kind.kind === "seismic";
    const rows = vectors(700, 21);
    const queries = vectors(12, 22);
    const build = async (given: SparseVectors, options: object = {}) =>
      kit.kept(
        await SparseIndex.build(given, { terms: TERMS, backend: kit.binding, index: kind, ...options }),
      );

    /** Searches equal brute force over what lives. */
    const check = async (
      index: SparseIndex,
      live: ReadonlyMap<number, SparseRow>,
      allow?: (row: number) => boolean,
    ) => {
      const numbers = [...live.keys()].sort((a, b) => a - b).filter((row) => allow?.(row) ?? true);
      const filter = allow && rowSet(numbers);
      const exact = approximate || undefined;
      const batch = await index.searchBatch(queries, 10, { filter, exact });
      queries.forEach((query, at) => {
        const scores = numbers.map((row) => score(live.get(row) as SparseRow, query));
        const wanted = ranked(scores).map((place) => numbers[place] as number);
        for (const k of [1, 10, 1_000]) {
          const found = index.search(query, k, { filter, exact });
          expect([...found.rows]).toEqual(wanted.slice(0, k));
          expect(found).toMatchObject({ exact: true, complete: true });
          found.rows.forEach((row, place) => {
            expect(found.scores[place]).toBe(scores[numbers.indexOf(row)]);
          });
        }
        // Less effort: never too few rows, each with its own score.
        for (const effort of approximate ? [{}, { ef: 1 }, { cells: 30, alpha: 0.9 }] : []) {
          const found = index.search(query, 10, { filter, ...effort });
          expect(found.rows.length).toBe(Math.min(10, wanted.length));
          found.rows.forEach((row, place) => {
            expect(found.scores[place]).toBe(scores[numbers.indexOf(row)]);
          });
          if (found.exact) expect([...found.rows]).toEqual(wanted.slice(0, 10));
        }
        expect([...batch.rows.slice(at * 10, at * 10 + Math.min(10, wanted.length))]).toEqual(
          wanted.slice(0, 10),
        );
      });
    };

    test("finds what brute force finds, whatever is added, changed, removed and compacted", async () => {
      const index = await build(rows.slice(0, 500));
      const live = new Map(rows.slice(0, 500).map((row, at) => [at, row]));
      await check(index, live);
      expect(await index.add(csr(rows.slice(500)))).toEqual({ first: 500, count: 200 });
      rows.slice(500).forEach((row, at) => {
        live.set(500 + at, row);
      });
      await check(index, live, (row) => row % 3 === 0);
      const changed = [3, 650, 77, 499];
      const fresh = vectors(4, 30);
      expect(await index.update([...changed, 9_000], [...fresh, rows[0] as SparseRow])).toEqual({
        updated: 4,
        missing: [9_000],
      });
      changed.forEach((row, at) => {
        live.set(row, fresh[at] as SparseRow);
      });
      const gone = [...live.keys()].filter((row) => row % 5 === 1);
      expect(await index.remove(gone)).toEqual({ removed: gone.length, missing: [] });
      for (const row of gone) live.delete(row);
      await check(index, live);
      expect(index.size).toBe(live.size);
      expect(index.vector(gone[0] as number)).toBeUndefined();
      expect(index.vector(77)).toEqual(live.get(77));
      const map = await index.compact();
      await check(index, new Map([...live].map(([row, value]) => [map[row] as number, value])));
      expect(index.size).toBe(live.size);
    });

    test("takes every form, rows and ranges, and says what it cost", async () => {
      const plain = [
        { indices: [3, 7], values: [0.5, 2] },
        { indices: [7], values: [1] },
        { indices: [1, 3], values: [4, 1] },
      ];
      for (const given of [plain, csr(plain), new Set(plain)]) {
        const index = await build(given);
        expect(index.search({ indices: [3, 7], values: [2, 1] }, 5)).toMatchObject({
          rows: Uint32Array.of(0, 2, 1),
          scores: Float32Array.of(3, 2, 1),
        });
      }
      const index = await build(plain);
      const query = { indices: [3, 7], values: [2, 1] };
      const found = index.search(query, 5, { counters: true, exclude: [2] });
      expect([...found.rows]).toEqual([0, 1]);
      if (approximate) expect(found.counters?.distances).toBe(3);
      else expect(found.counters?.postings).toBe(4);
      expect([...index.within(query, 2).rows]).toEqual([0, 2]);
      expect([...index.searchRow(0, 5).rows]).toEqual([1, 2]);
      expect([...index.search(query, 5, { radius: 1.5 }).rows]).toEqual([0, 2]);
      const into = { rows: new Uint32Array(4), scores: new Float32Array(4) };
      expect(index.search(query, 4, { into }).rows.buffer).toBe(into.rows.buffer);
      const stats = await index.stats();
      expect(stats).toMatchObject({ size: 3, rows: 3, index: { kind: "sparse", terms: TERMS } });
      if (approximate) expect(stats.index).toMatchObject({ index: { kind: "seismic", postings: 100 } });
      expect(stats.parts?.[0]?.facts).toEqual({ postings: 5, terms: 3 });
      const empty = await build([]);
      expect([...empty.search(query, 3).rows]).toEqual([]);
      expect(await empty.add(plain)).toEqual({ first: 0, count: 3 });
      const pruned = await build(plain, { top: 1 });
      expect(pruned.vector(0)).toEqual({ indices: Uint32Array.of(7), values: Float32Array.of(2) });
    });

    test("is measured, and searched by the recall wanted", async () => {
      const index = await build(vectors(3_000, 40));
      expect(await refused(() => index.search(queries[0] as SparseRow, 10, { recall: 0.9 }))).toBe(
        "ERR_ARGUMENT",
      );
      const asked = vectors(150, 41);
      const curve = await index.tune(asked);
      expect(curve).toMatchObject({ k: 10, queries: 150, probes: false, size: 3_000 });
      expect(index.curves).toEqual([curve]);
      const found = await index.verify({ queries: asked, recall: 0.9 });
      expect(found.recall).toBeGreaterThan(0.89);
      expect(found.low).toBeLessThanOrEqual(found.recall);
      const usual = (await index.verify({ queries: asked })).recall;
      if (approximate) expect(usual).toBeGreaterThan(0.7);
      else expect(usual).toBe(1);
      expect((await index.verify({ queries: asked, exact: true })).recall).toBe(1);
      expect((await index.tune(undefined, { sample: 50 })).probes).toBe(true);
      const some = index.search(queries[0] as SparseRow, 10, { cells: 1 });
      some.rows.forEach((row, at) => {
        expect(some.scores[at]).toBe(score(index.vector(row) as SparseRow, queries[0] as SparseRow));
      });
    });

    test("refuses what is no sparse vector, and changes nothing", async () => {
      const index = await build(rows.slice(0, 5));
      const bad: [unknown, string][] = [
        [{ indices: [1, 1], values: [1, 2] }, "ERR_ARGUMENT"],
        [{ indices: [2, 1], values: [1, 2] }, "ERR_ARGUMENT"],
        [{ indices: [1], values: [1, 2] }, "ERR_DIMENSION"],
        [{ indices: [TERMS], values: [1] }, "ERR_LIMIT"],
        [{ indices: [1], values: [0] }, "ERR_LIMIT"],
        [{ indices: [1], values: [-1] }, "ERR_LIMIT"],
        [{ indices: [1], values: [Number.NaN] }, "ERR_NOT_FINITE"],
        [{ indices: [1], values: [1e300] }, "ERR_NOT_FINITE"],
        [{ indices: [], values: [] }, "ERR_REQUIRED"],
        [{ indices: [1.5], values: [1] }, "ERR_TYPE"],
        [{ indices: [-1], values: [1] }, "ERR_TYPE"],
        [{ indices: [1], values: ["1"] }, "ERR_TYPE"],
        [null, "ERR_TYPE"],
        ["x", "ERR_TYPE"],
      ];
      for (const [row, code] of bad) {
        await expect(index.add([rows[0] as SparseRow, row as never])).rejects.toMatchObject({
          code,
          position: 1,
        });
        expect(await refused(() => index.search(row as never, 3))).toBe(code);
      }
      for (const given of [null, 7, { offsets: [0], indices: [], values: [] }]) {
        await expect(index.add(given as never)).rejects.toMatchObject({ code: "ERR_TYPE" });
      }
      const [offsets, indices, values] = [Uint32Array.of(0, 2), Uint32Array.of(1), Float32Array.of(1)];
      await expect(index.add({ offsets, indices, values })).rejects.toMatchObject({ code: "ERR_ARGUMENT" });
      expect(index.size).toBe(5);
      const query = queries[0] as SparseRow;
      const options: [object, string][] = [
        [{ alpha: 0 }, "ERR_LIMIT"],
        [{ beta: 1 }, "ERR_LIMIT"],
        [{ cells: 0 }, "ERR_LIMIT"],
        [{ recall: 2 }, "ERR_LIMIT"],
        [{ recall: 0.5, exact: true }, "ERR_ARGUMENT"],
        [{ alpha: 0.5, ef: 3 }, "ERR_ARGUMENT"],
        [{ filter: [1] }, "ERR_ARGUMENT"],
      ];
      for (const [option, code] of options)
        expect(await refused(() => index.search(query, 3, option))).toBe(code);
      expect(await refused(() => index.search(query, 0))).toBe("ERR_LIMIT");
      expect(await refused(() => index.searchRow(5, 1))).toBe("ERR_ARGUMENT");
      await expect(build([], { terms: 0 })).rejects.toMatchObject({ code: "ERR_LIMIT" });
      await expect(build([], { mass: 0 })).rejects.toMatchObject({ code: "ERR_LIMIT" });
      for (const wrong of [{ kind: "hnsw" }, { ...kind, postings: -1 }]) {
        const code = expect.stringMatching(/^ERR_(SCHEMA|ARGUMENT)$/);
        await expect(build([], { index: wrong })).rejects.toMatchObject({ code });
      }
      const aborted = AbortSignal.abort();
      await expect(index.searchBatch(queries, 3, { signal: aborted })).rejects.toMatchObject({
        code: "ERR_ABORTED",
      });
      index.close();
      expect(await refused(() => index.search(query, 1))).toBe("ERR_CLOSED");
    });

    test("takes vectors by the words of a vocabulary", async () => {
      const vocabulary = ["flow", "indices", "values", "wing"];
      const index = await build(
        [
          { wing: 2, flow: 0.5 },
          { indices: [3], values: [1] },
          { indices: 1, values: 4 },
        ],
        {
          terms: undefined,
          vocabulary,
        },
      );
      expect([index.terms, index.vocabulary]).toEqual([4, vocabulary]);
      const scores = (query: Parameters<typeof index.search>[0]) => Array.from(index.search(query, 5).scores);
      expect(scores({ wing: 3, nowhere: 1 })).toEqual([6, 3]);
      expect(scores({ values: 1, indices: 1 })).toEqual([5]);
      expect(index.vector(0)).toEqual({ indices: Uint32Array.of(0, 3), values: Float32Array.of(0.5, 2) });
      await index.update([1], [{ flow: 8 }]);
      expect(await index.add([{ wing: 5 }])).toEqual({ first: 3, count: 1 });
      const batch = await index.searchBatch([{ wing: 1 }, { nowhere: 2, flow: 1 }], 1);
      expect(Array.from(batch.scores)).toEqual([5, 8]);
      expect((await index.verify({ queries: [{ wing: 1 }], k: 1 })).recall).toBe(1);
      const unknown = { code: "ERR_ARGUMENT", field: "vectors.nowhere", found: "nowhere", position: 1 };
      await expect(index.add([{ wing: 1 }, { nowhere: 1 }])).rejects.toMatchObject(unknown);
      await expect(index.add([{ wing: "1" as never }])).rejects.toMatchObject({ code: "ERR_TYPE" });
      // Nothing is left of it.
      expect(await refused(() => index.search({ nowhere: 1 }, 1))).toBe("ERR_REQUIRED");
      if (kit.persist !== undefined) {
        const path = `${await kit.persist()}/words.sparse`;
        await index.save(path);
        const again = kit.kept(await SparseIndex.open(path, { backend: kit.binding }));
        expect(again.vocabulary).toEqual(vocabulary);
        expect(again.search({ wing: 1 }, 5)).toEqual(index.search({ wing: 1 }, 5));
      }
      const refusal = { code: "ERR_ARGUMENT", field: "vocabulary" };
      const twice = { terms: undefined, vocabulary: ["a", "a"] };
      await expect(build([{ a: 1 }], twice)).rejects.toMatchObject(refusal);
      await expect(build([{ wing: 1 }])).rejects.toMatchObject({ code: "ERR_TYPE" });
    });

    test.skipIf(kit.persist === undefined)("is saved and opened", async () => {
      const path = `${await (kit.persist as () => Promise<string>)()}/x.sparse`;
      const index = await build(rows);
      await index.remove([1, 2, 3]);
      await index.tune(queries, { k: 5 });
      await index.save(path);
      const again = kit.kept(await SparseIndex.open(path, { backend: kit.binding }));
      expect([again.size, again.terms, again.curves]).toEqual([697, TERMS, index.curves]);
      for (const query of queries) expect(again.search(query, 20)).toEqual(index.search(query, 20));
      expect(await again.add(rows.slice(0, 2))).toEqual({ first: 700, count: 2 });
    });
  });
}
