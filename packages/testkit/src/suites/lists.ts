/** Inverted lists: in a collection, and every codec, effort and refusal of the level-1 index. */
import { dense, integer, ivf, near, open, type Schema } from "tercet";
import { IvfPqIndex, type IvfPqOptions } from "tercet/index";
import { describe, expect, test } from "vitest";
import { failure, ids, type Kit } from "../kit.js";
import { at, DIMS, list, recall, vectors } from "./index-kit.js";

const COUNT = 1_600;
const schema = {
  v: dense({ dims: DIMS, index: ivf({ lists: 24, codec: "pq", m: 8, bits: 4 }), optional: true }),
  n: integer(),
};
const rows = vectors(COUNT, 21);
const queries = Array.from({ length: 25 }, (_, q) => at(vectors(25, 22), q));

export function lists(kit: Kit): void {
  describe("a field with lists", () => {
    const filled = async () => {
      const collection = await kit.open(schema);
      await collection.upsert(Array.from({ length: COUNT }, (_, id) => ({ id, v: at(rows, id), n: id })));
      await collection.compact();
      return collection;
    };

    test("finds more with more lists and candidates, and says how", async () => {
      const collection = await filled();
      const means = [];
      for (const effort of [{ nprobe: 1 }, { nprobe: 8, candidates: 100 }, { nprobe: 24, oversample: 100 }]) {
        let right = 0;
        for (const v of queries) {
          const page = await collection.search({ query: near("v", v, effort), explain: true });
          expect(page.explain?.plan[0]?.segments?.map(({ path }) => path)).toEqual(["lists"]);
          const truth = ids(await collection.search({ query: near("v", v, { exact: true }) }));
          right += ids(page).filter((id) => truth.includes(id)).length / truth.length;
        }
        means.push(right / queries.length);
      }
      const [one, some, all] = means as [number, number, number];
      expect(one).toBeLessThan(some);
      expect(some).toBeLessThanOrEqual(all);
      expect(all).toBeGreaterThan(0.97);
      const query = near("v", queries[0] as Float32Array, { nprobe: 3, candidates: 50 });
      const { explain } = await collection.search({ query, explain: true });
      expect(explain?.plan[0]?.step).toContain("3 lists, 50 candidates");
    });

    test("is searched by a recall, filtered, changed and carried away", async () => {
      const collection = await filled();
      const query = queries[1] as Float32Array;
      const asked = near("v", query, { recall: 0.9 });
      expect(await failure(collection.search({ query: asked }))).toMatchObject({ field: "recall" });
      const curve = await collection.tune("v", { sample: 40 });
      expect(curve.points.at(-1)?.recall).toBeGreaterThan(0.95);
      const reached = await collection.measure("v", { recall: 0.9, sample: 80 });
      expect(reached.high).toBeGreaterThanOrEqual(0.9);
      expect((await collection.measure("v", { nprobe: 24, candidates: 1_000 })).recall).toBeGreaterThan(0.97);
      for (const most of [5, 60, 700]) {
        const where = { n: { lt: most } };
        const found = await collection.search({ query: near("v", query, { ef: 200 }), where });
        const truth = await collection.search({ query: near("v", query, { exact: true }), where });
        expect(found.hits.length).toBe(Math.min(10, most));
        expect(recall(ids(found) as number[], ids(truth) as number[])).toBeGreaterThanOrEqual(0.8);
      }
      const copy = await kit.opened(await collection.exportSnapshot());
      expect(ids(await copy.search({ query: asked }))).toEqual(
        ids(await collection.search({ query: asked })),
      );
      await collection.remove(Array.from({ length: 200 }, (_, id) => id * 3));
      await collection.compact();
      expect((await collection.measure("v", { nprobe: 24, candidates: 1_000 })).recall).toBeGreaterThan(0.97);
      expect((await collection.verify()).problems).toEqual([]);
    });

    test("may keep codes alone", async () => {
      const index = ivf({ codec: "lvq8", keep: false, rerank: "none" });
      const collection = await kit.open({ v: dense({ dims: DIMS, index }) });
      const documents = Array.from({ length: COUNT }, (_, id) => ({ id, v: at(rows, id) }));
      for (let from = 0; from < COUNT; from += 400)
        await collection.upsert(documents.slice(from, from + 400));
      await collection.compact();
      for (const id of [0, 400, COUNT - 1]) {
        const page = await collection.search({ query: near("v", at(rows, id), { nprobe: 24 }), limit: 1 });
        expect(ids(page)).toEqual([id]);
      }
      expect((await collection.verify()).problems).toEqual([]);
    });

    test.each([
      [{ lists: 0 }, "lists"],
      [{ codec: "pq", m: 17 }, "m"],
      [{ codec: "pq", bits: 5 }, "bits"],
      [{ codec: "lvq8", m: 4 }, "m"],
      [{ rotate: "opq", codec: "lvq8" }, "rotate"],
      [{ rerank: "vectors", keep: false }, "rerank"],
      [{ rerank: "none", keep: false, spill: true }, "spill"],
      [{ reduce: { kind: "leanvec", dims: 17 } }, "reduce.dims"],
      [{ seed: -1 }, undefined],
      [{ codec: "pq16" }, undefined],
    ])("is refused in a schema: %o", async (settings, named) => {
      const wrong = { v: dense({ dims: DIMS, index: ivf(settings as never) }) } as Schema;
      const refused = await failure(open(":memory:", { schema: wrong, backend: kit.binding }));
      expect(refused.code).toMatch(/^ERR_(SCHEMA|ARGUMENT)$/);
      if (named !== undefined) expect(refused.message).toContain(named);
    });

    test("refuses efforts that say what cannot be", async () => {
      const collection = await kit.open(schema);
      const query = queries[0] as Float32Array;
      for (const [effort, code] of [
        [{ nprobe: 0 }, "ERR_LIMIT"],
        [{ nprobe: 100_001 }, "ERR_LIMIT"],
        [{ candidates: 0 }, "ERR_LIMIT"],
        [{ oversample: 0.5 }, "ERR_LIMIT"],
        [{ nprobe: 3, ef: 10 }, "ERR_ARGUMENT"],
        [{ nprobe: 3, exact: true }, "ERR_QUERY"],
        [{ candidates: 30, oversample: 2 }, "ERR_ARGUMENT"],
        [{ nprobe: 1.5 }, "ERR_LIMIT"],
      ] as const) {
        expect(await failure(collection.search({ query: near("v", query, effort) }))).toMatchObject({ code });
      }
    });
  });

  describe("an index of lists", () => {
    const build = async (options: Partial<IvfPqOptions> = {}, given = rows) =>
      kit.kept(await IvfPqIndex.build(given, { dims: DIMS, backend: kit.binding, ...options }));
    const truth = async () => {
      const index = await build({ codec: "f32" });
      return queries.map((query) => list(index.search(query, 10, { exact: true })));
    };

    test.each([
      [{ codec: "f32" }, 0.99],
      [{ codec: "f16" }, 0.99],
      [{ codec: "lvq8" }, 0.99],
      [{ codec: "lvq4x8" }, 0.97],
      [{ codec: "pq", m: 8, bits: 8 }, 0.97],
      [{ codec: "pq", m: 5, bits: 4 }, 0.9],
      [{ codec: "pq", m: 8, bits: 4, rotate: "opq", rerank: "lvq8" }, 0.95],
      [{ codec: "lvq8", keep: false }, 0.93],
      [{ codec: "lvq8", keep: false, rerank: "none" }, 0.93],
      [{ codec: "pq", m: 16, bits: 8, keep: false, rerank: "none", balance: true }, 0.85],
      [{ codec: "lvq8", spill: true, balance: true }, 0.97],
    ] as const)("of %o finds nearly all, and the same when it was saved", async (options, least) => {
      const wanted = await truth();
      const index = await build({ lists: 20, ...options } as Partial<IvfPqOptions>);
      const found = queries.map((query) => index.search(query, 10, { nprobe: 20, candidates: 400 }));
      expect(found.every(({ path }) => path === "lists")).toBe(true);
      const mean = found.reduce((sum, one, q) => sum + recall(list(one), wanted[q] as number[]), 0) / 25;
      expect(mean).toBeGreaterThanOrEqual(least);
      if (!kit.hasFiles) return;
      const path = `${await kit.folder()}/lists.index`;
      await index.save(path);
      const again = kit.kept(await IvfPqIndex.open(path, { backend: kit.binding }));
      const answer = index.search(queries[2] as Float32Array, 10, { nprobe: 4 });
      expect(again.search(queries[2] as Float32Array, 10, { nprobe: 4 })).toEqual(answer);
      // Vectors that are let go of are there when they are wanted.
      const disk = kit.kept(await IvfPqIndex.open(path, { backend: kit.binding, vectors: "disk" }));
      for (const effort of [{ nprobe: 4 }, { exact: true }, { nprobe: 20, candidates: 900 }]) {
        for (const query of queries)
          expect(disk.search(query, 10, effort)).toEqual(index.search(query, 10, effort));
      }
      const wrong = IvfPqIndex.open(path, { backend: kit.binding, vectors: "tape" as never });
      expect(await failure(wrong)).toMatchObject({ code: "ERR_ARGUMENT", field: "vectors" });
    });

    test("of codes alone keeps a tenth, says so, and takes codes through merges", async () => {
      const options = { codec: "pq", m: 8, bits: 4, keep: false, rerank: "none", lists: 20 } as const;
      const [index, whole] = await Promise.all([build(options), build({ ...options, keep: true })]);
      expect((await index.stats()).bytes).toBeLessThan((await whole.stats()).bytes / 2);
      const query = queries[0] as Float32Array;
      for (const effort of [{ nprobe: 20 }, { exact: true }]) {
        const found = index.search(query, 10, effort);
        expect([found.exact, found.rows.length]).toEqual([false, 10]);
      }
      const before = index.vector(7);
      await index.add(vectors(200, 33));
      await index.compact();
      const near = index.vector(7)?.every((x, i) => Math.abs(x - (before?.[i] as number)) < 1e-3);
      expect(near).toBe(true);
      expect(index.search(query, 5, { nprobe: 20 }).rows.length).toBe(5);
      expect(await failure(build({ ...options, spill: true }))).toMatchObject({
        code: "ERR_ARGUMENT",
        field: "spill",
      });
    });

    test("is trained anew when data has moved, and says before that it has", async () => {
      const index = await build({ lists: 20, codec: "pq", m: 8, bits: 4 });
      const far = vectors(400, 31).map((x, i) => x * 0.2 + (i % DIMS === 3 ? 4 : 0));
      await index.add(far);
      const facts = async () => ((await index.stats()).parts ?? []).map((part) => part.facts);
      const moved = await facts();
      expect(moved.length).toBeGreaterThan(0);
      await index.retrain();
      const [after] = await facts();
      expect((await index.stats()).parts?.length).toBe(1);
      expect(after?.trainedVectors).toBeGreaterThanOrEqual(COUNT);
      const found = index.search(at(far, 7), 5, { nprobe: 20, candidates: 300 });
      expect(found.rows[0]).toBe(COUNT + 7);
      expect(index.curves).toEqual([]);
    });

    test("is the same whatever built it", async () => {
      const [one, other] = await Promise.all([build({ threads: 1, seed: 3 }), build({ seed: 3 })]);
      for (const query of queries) expect(one.search(query, 10)).toEqual(other.search(query, 10));
    });

    test("is refused where it could not be trained, and takes what is degenerate", async () => {
      const ten = rows.subarray(0, 10 * DIMS);
      const few = await failure(build({ lists: 64 }, ten));
      expect(few).toMatchObject({ code: "ERR_LIMIT", field: "lists", expected: "1 to 10" });
      expect(few.message).toContain("flat or hnsw");
      expect(await failure(build({ lists: Number.NaN }))).toMatchObject({
        code: "ERR_LIMIT",
        field: "lists",
      });
      expect(await failure(build({ codec: "pq", m: 17 }))).toMatchObject({ code: "ERR_LIMIT", field: "m" });
      expect(await failure(build({ m: 4, codec: "lvq8" }))).toMatchObject({
        code: "ERR_ARGUMENT",
        field: "m",
      });
      const nan = rows.slice();
      nan[3 * DIMS + 1] = Number.NaN;
      expect(await failure(build({}, nan))).toMatchObject({
        code: "ERR_NOT_FINITE",
        position: 3,
        component: 1,
      });
      const untrained = await build({ lists: 8 }, new Float32Array(0));
      expect(untrained.search(queries[0] as Float32Array, 3).rows.length).toBe(0);
      const same = await build({ lists: 8 }, new Float32Array(1_300 * DIMS).fill(1));
      expect(same.search(queries[0] as Float32Array, 3, { nprobe: 8 }).rows.length).toBe(3);
      const index = await build({ lists: 8 });
      const query = queries[0] as Float32Array;
      for (const [effort, code] of [
        [{ nprobe: 0 }, "ERR_LIMIT"],
        [{ nprobe: Number.NaN }, "ERR_LIMIT"],
        [{ candidates: 1e6 }, "ERR_LIMIT"],
        [{ oversample: 0 }, "ERR_LIMIT"],
        [{ nprobe: 2, ef: 2 }, "ERR_ARGUMENT"],
        [{ oversample: 2, candidates: 2 }, "ERR_ARGUMENT"],
      ] as const) {
        expect(await failure(() => index.search(query, 3, effort))).toMatchObject({ code });
        expect(await failure(index.searchBatch(query, 3, effort))).toMatchObject({ code });
        expect(await failure(index.verify(effort))).toMatchObject({ code });
      }
      expect(list(index.search(query, 3, { nprobe: 100_000, candidates: 500 }))).toEqual(
        list(index.search(query, 3, { exact: true })),
      );
    });
  });
}
