/** Token vectors without documents: every change against the definition, alignments, files, recall, and what is refused. */
import { centroids, MultiVectorIndex, muvera, NO_UNIT, rowSet, scan, type TokenMatrices } from "tercet/index";
import { describe, expect, test } from "vitest";
import { type Kit, random, refused } from "../kit.js";

const DIMS = 8;

function tokens(next: () => number, count: number): Float32Array {
  return Float32Array.from({ length: count * DIMS }, () => next() * 2 - 1);
}

function rowsOf(count: number, seed: number): Float32Array[] {
  const next = random(seed);
  return Array.from({ length: count }, () => tokens(next, 1 + Math.floor(next() * 6)));
}

const dot = (a: Float32Array, at: number, b: Float32Array, bt: number) => {
  let sum = 0;
  for (let i = 0; i < DIMS; i++) sum += (a[at * DIMS + i] as number) * (b[bt * DIMS + i] as number);
  return sum;
};

function score(query: Float32Array, row: Float32Array): number {
  let sum = 0;
  for (let q = 0; q < query.length / DIMS; q++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let t = 0; t < row.length / DIMS; t++) best = Math.max(best, dot(query, q, row, t));
    sum += best;
  }
  return sum;
}

export function multiVectorIndex(kit: Kit): void {
  describe("MultiVectorIndex", () => {
    const rows = rowsOf(260, 51);
    const queries = rowsOf(8, 52);
    const small = muvera({ repetitions: 6, bits: 3, projection: 4 });
    const build = async (given: TokenMatrices, options: object = {}) => {
      const settings = {
        dims: DIMS,
        metric: "dot",
        codec: "f32",
        index: small,
        backend: kit.binding,
      } as const;
      return kit.kept(await MultiVectorIndex.build(given, { ...settings, ...options }));
    };

    const check = async (
      index: MultiVectorIndex,
      live: ReadonlyMap<number, Float32Array>,
      allow?: (row: number) => boolean,
    ) => {
      const numbers = [...live.keys()].filter((row) => allow?.(row) ?? true);
      const filter = allow && rowSet(numbers);
      const batch = await index.searchBatch(queries, 5, { filter, exact: true });
      queries.forEach((query, at) => {
        const scores = new Map(numbers.map((row) => [row, score(query, live.get(row) as Float32Array)]));
        const best = [...scores.values()].sort((a, b) => b - a);
        const found = index.search(query, 12, { filter, exact: true });
        expect(found.rows.length).toBe(Math.min(12, numbers.length));
        found.rows.forEach((row, place) => {
          expect(found.scores[place]).toBeCloseTo(scores.get(row) as number, 3);
          expect(found.scores[place]).toBeCloseTo(best[place] as number, 3);
        });
        expect([...batch.rows.slice(at * 5, at * 5 + 5)]).toEqual([...found.rows.slice(0, 5)]);
      });
    };

    test.each([small, scan()])("%o finds what the definition says, whatever is changed", async (kind) => {
      const index = await build(rows.slice(0, 200), { index: kind });
      const live = new Map(rows.slice(0, 200).map((row, at) => [at, row]));
      await check(index, live);
      expect(await index.add(rows.slice(200))).toEqual({ first: 200, count: 60 });
      rows.slice(200).forEach((row, at) => {
        live.set(200 + at, row);
      });
      await check(index, live, (row) => row % 2 === 0);
      const fresh = rowsOf(3, 60);
      expect(await index.update([5, 199, 240], fresh)).toEqual({ updated: 3, missing: [] });
      [5, 199, 240].forEach((row, at) => {
        live.set(row, fresh[at] as Float32Array);
      });
      const gone = [...live.keys()].filter((row) => row % 7 === 1);
      expect(await index.remove(gone)).toEqual({ removed: gone.length, missing: [] });
      for (const row of gone) live.delete(row);
      await check(index, live);
      expect(index.vector(199)).toEqual({ data: fresh[1] });
      expect(index.vector(1)).toBeUndefined();
      const map = await index.compact();
      await check(index, new Map([...live].map(([row, value]) => [map[row] as number, value])));
      expect(index.size).toBe(live.size);
    });

    test("finds candidates, weighs, masks and explains", async () => {
      const index = await build(rows);
      const query = queries[0] as Float32Array;
      const found = index.search(query, 3, { candidates: 40, counters: true });
      expect(found).toMatchObject({ exact: false, complete: true });
      expect(found.counters?.distances).toBe(40);
      const row = found.rows[0] as number;
      const told = index.explain(query, row);
      expect(told.score).toBeCloseTo(found.scores[0] as number, 4);
      expect(told.scores.reduce((sum, x) => sum + x, 0)).toBeCloseTo(told.score, 3);
      told.queryTokens.forEach((q, at) => {
        expect(told.scores[at]).toBeCloseTo(
          dot(query, q, rows[row] as Float32Array, told.tokens[at] as number),
          3,
        );
      });
      const count = query.length / DIMS;
      const mask = Array.from({ length: count }, (_, at) => at === 0);
      const first = query.slice(0, DIMS);
      const masked = index.search(query, 5, { mask, exact: true });
      expect([...masked.rows]).toEqual([...index.search(first, 5, { exact: true }).rows]);
      const weights = mask.map(Number);
      expect(index.search(query, 5, { weights, exact: true })).toEqual(masked);
      expect(index.explain(query, row, { mask }).queryTokens).toEqual(Uint32Array.of(0));
      const mean = index.search(query, 1, { mean: true, exact: true });
      const sum = index.search(query, 1, { exact: true });
      expect(mean.scores[0]).toBeCloseTo((sum.scores[0] as number) / count, 4);
      expect(index.searchRow(row, 5, { exact: true }).rows).not.toContain(row);
    });

    test("keeps units, prefixes and codes, and says their bytes", async () => {
      const given = [
        {
          data: rows[0] as Float32Array,
          units: Array.from({ length: (rows[0] as Float32Array).length / DIMS }, (_, at) => at),
        },
        [[1, 0, 0, 0, 0, 0, 0, 0]],
      ];
      const index = await build(given);
      const told = index.explain(queries[0] as Float32Array, 0);
      expect(told.units).toEqual(told.tokens);
      expect(told.bestUnit?.score).toBeLessThanOrEqual(told.score + 1e-3);
      const bytes = async (options: object) => {
        const parts = (await (await build(rows, options)).stats()).parts;
        return parts?.[0]?.facts.bytesPerToken;
      };
      expect(await bytes({})).toBe(32);
      expect(await bytes({ codec: "f16" })).toBe(16);
      expect(await bytes({ codec: "i8", prefix: 4, index: scan() })).toBe(8);
    });

    test("a row without units has none beside rows that have some", async () => {
      const [first, second] = [rows[0] as Float32Array, rows[1] as Float32Array];
      const units = (row: Float32Array) => Array.from({ length: row.length / DIMS }, () => 0);
      const check = (index: MultiVectorIndex) => {
        const query = queries[0] as Float32Array;
        expect(index.vector(0)?.units).toEqual(Uint32Array.from(units(first)));
        expect(index.explain(query, 0)).toMatchObject({ bestUnit: { unit: 0 } });
        expect(index.vector(1)).toEqual({ data: second });
        expect(index.explain(query, 1)).not.toHaveProperty("units");
        expect(index.explain(query, 1)).not.toHaveProperty("bestUnit");
      };
      const given = { data: first, units: units(first) };
      check(await build([given, second]));
      const [a, b] = [first.length / DIMS, second.length / DIMS];
      const all = {
        offsets: Uint32Array.of(0, a, a + b),
        data: Float32Array.of(...first, ...second),
        units: Uint32Array.of(...units(first), ...units(second).fill(NO_UNIT)),
      };
      const index = await build(all);
      check(index);
      const last = { data: [first.slice(0, DIMS), first.slice(0, DIMS)], units: [1, NO_UNIT] };
      await expect(index.add([second, last])).rejects.toMatchObject({ code: "ERR_TYPE", position: 1 });
      const half = {
        offsets: Uint32Array.of(0, 1, 3),
        data: new Float32Array(3 * DIMS).fill(1),
        units: Uint32Array.of(4, 1, NO_UNIT),
      };
      await expect(index.add(half)).rejects.toMatchObject({ code: "ERR_ARGUMENT", position: 1 });
      expect(index.size).toBe(2);
    });

    test("finds centroids, keeps residual codes, and trains anew", async () => {
      const many = Array.from({ length: 10 }, (_, seed) => rowsOf(320, 200 + seed)).flat();
      for (const codec of ["residual2", "i8"] as const) {
        const index = await build(many.slice(0, 2_900), { codec, index: centroids() });
        const facts = async () => (await index.stats()).parts?.[0]?.facts;
        expect(await facts()).toMatchObject({ bytesPerToken: codec === "i8" ? 14 : 6, centroids: 256 });
        await index.add(many.slice(2_900));
        const scores = (row: number) => index.explain(many[row] as Float32Array, row);
        const before = scores(3_000).score;
        await index.tune(queries, { k: 5 });
        await index.retrain();
        expect(index.curves).toEqual([]);
        expect((await index.stats()).parts).toHaveLength(1);
        expect(index.size).toBe(3_200);
        const count = (many[3_000] as Float32Array).length / DIMS;
        expect(Math.abs(scores(3_000).score - before)).toBeLessThan(0.6 * count);
        const query = many[77] as Float32Array;
        const found = index.search(query, 10, { candidates: 600 });
        expect(found).toMatchObject({ exact: false, path: "lists" });
        const exact = new Set(index.search(query, 10, { exact: true }).rows);
        expect(found.rows.filter((row) => exact.has(row)).length).toBeGreaterThan(6);
      }
    });

    test("is measured, and searched by the recall wanted", async () => {
      const index = await build(rowsOf(1_500, 70));
      const query = queries[0] as Float32Array;
      expect(await refused(() => index.search(query, 10, { recall: 0.9 }))).toBe("ERR_ARGUMENT");
      const asked = rowsOf(80, 71);
      const curve = await index.tune(asked);
      expect(curve).toMatchObject({ k: 10, queries: 80, probes: false, size: 1_500 });
      expect((await index.verify({ queries: asked, recall: 0.9 })).recall).toBeGreaterThan(0.89);
      expect((await index.verify({ queries: asked, exact: true })).recall).toBe(1);
      expect((await index.tune(undefined, { sample: 40, k: 5 })).probes).toBe(true);
      expect(index.curves.map(({ k }) => k)).toEqual([5, 10]);
    });

    test("refuses what are no tokens, and changes nothing", async () => {
      const index = await build(rows.slice(0, 4), { metric: "cosine" });
      const bad: [unknown, string][] = [
        [new Float32Array(0), "ERR_REQUIRED"],
        [new Float32Array(DIMS + 1).fill(1), "ERR_DIMENSION"],
        [[[1, 2]], "ERR_DIMENSION"],
        [new Float32Array(DIMS).fill(Number.NaN), "ERR_NOT_FINITE"],
        [new Float32Array(DIMS), "ERR_ZERO_VECTOR"],
        [[7], "ERR_TYPE"],
        ["x", "ERR_TYPE"],
      ];
      for (const [row, code] of bad) {
        await expect(index.add([rows[0] as Float32Array, row as never])).rejects.toMatchObject({
          code,
          position: 1,
        });
        expect(await refused(() => index.search(row as never, 3))).toBe(code);
      }
      const units = { data: new Float32Array(DIMS).fill(1), units: [1, 2] };
      await expect(index.add([units])).rejects.toMatchObject({ code: "ERR_DIMENSION" });
      expect(index.size).toBe(4);
      const query = queries[0] as Float32Array;
      const count = query.length / DIMS;
      const options: [object, string][] = [
        [{ candidates: 0 }, "ERR_LIMIT"],
        [{ candidates: 5, exact: true }, "ERR_ARGUMENT"],
        [{ carve: Number.NaN }, "ERR_LIMIT"],
        [{ weights: new Array(count + 1).fill(1) }, "ERR_ARGUMENT"],
        [{ weights: new Array(count).fill(-1) }, "ERR_LIMIT"],
        [{ weights: new Array(count).fill(0) }, "ERR_QUERY"],
        [{ mask: "x" }, "ERR_TYPE"],
      ];
      for (const [option, code] of options)
        expect(await refused(() => index.search(query, 3, option))).toBe(code);
      expect(await refused(() => index.explain(query, 4))).toBe("ERR_ARGUMENT");
      await expect(index.searchBatch(queries, 2, { weights: [1] })).rejects.toMatchObject({
        code: "ERR_ARGUMENT",
      });
      await expect(build([], { pool: 9 })).rejects.toMatchObject({ code: "ERR_LIMIT" });
    });

    test.skipIf(kit.persist === undefined)("is saved and opened", async () => {
      const path = `${await (kit.persist as () => Promise<string>)()}/x.multi`;
      const index = await build(rows);
      await index.remove([1, 2, 3]);
      await index.tune(queries, { k: 5 });
      await index.save(path);
      const again = kit.kept(await MultiVectorIndex.open(path, { backend: kit.binding }));
      expect([again.size, again.dims, again.curves]).toEqual([257, DIMS, index.curves]);
      for (const query of queries) expect(again.search(query, 20)).toEqual(index.search(query, 20));
      expect(await again.add(rows.slice(0, 2))).toEqual({ first: 260, count: 2 });
    });
  });
}
