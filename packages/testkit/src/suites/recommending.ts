/** Recommendations, and indexes that queries have taught. */
import { buildIndex, FlatIndex, HnswIndex, recommend } from "tercet/index";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";
import { at, DIMS, list, vectors } from "./index-kit.js";

/** Data with most of its energy in the first half, and queries that look at the second. */
function apart(count: number, seed: number, first: number, last: number): Float32Array {
  return vectors(count, seed).map((x, i) => x * (i % DIMS < DIMS / 2 ? first : last));
}

export function recommending(kit: Kit): void {
  describe("a recommendation", () => {
    test("is measured, chosen, and built", async () => {
      const sample = vectors(600, 41);
      const seen: number[] = [];
      const found = await recommend(sample, {
        dims: DIMS,
        recall: 0.9,
        bytesPerVector: 40,
        queries: vectors(20, 42),
        backend: kit.binding,
        onProgress: ({ done }) => seen.push(done),
      });
      expect([found.vectors, found.queries, found.heldOut]).toEqual([600, 20, false]);
      expect(found.choice.index).toEqual(found.index);
      expect(found.choice).toMatchObject({ fits: true });
      expect(found.choice.bytes).toBeLessThanOrEqual(40);
      expect(found.skipped.some(({ name }) => name === "flat f32")).toBe(true);
      expect(seen.length).toBeGreaterThan(0);
      const index = kit.kept(
        await buildIndex(sample, { dims: DIMS, index: found.index, backend: kit.binding }),
      );
      expect(index.size).toBe(600);
    });

    test("takes no fewer vectors than are searched for among the others", async () => {
      const found = await recommend(vectors(100, 43), { dims: DIMS, backend: kit.binding });
      expect([found.vectors, found.queries, found.heldOut]).toEqual([90, 10, true]);
    });

    test("is refused where it would say nothing", async () => {
      const fail = (given: Float32Array, options: object) =>
        failure(recommend(given, { dims: DIMS, backend: kit.binding, ...options }));
      for (const few of [20, 99])
        expect(await fail(vectors(few, 1), {})).toMatchObject({ code: "ERR_LIMIT", field: "vectors" });
      for (const [options, field] of [
        [{ recall: 0 }, "recall"],
        [{ bytesPerVector: Number.NaN }, "bytesPerVector"],
        [{ k: 0 }, "k"],
        [{ threads: 0 }, "threads"],
      ] as const) {
        expect(await fail(vectors(200, 1), options)).toMatchObject({ code: "ERR_LIMIT", field });
      }
      expect(await fail(vectors(200, 1).fill(0), {})).toMatchObject({ code: "ERR_ZERO_VECTOR" });
      const signal = AbortSignal.abort(new Error("enough"));
      expect(await fail(vectors(200, 1), { signal })).toMatchObject({ code: "ERR_ABORTED" });
    });
  });

  describe("axes that queries taught", () => {
    test.each([
      ["flat", FlatIndex],
      ["hnsw", HnswIndex],
    ] as const)("find in front of %s what those of the data miss", async (_, Class) => {
      const [data, sample] = [apart(1_200, 51, 3, 1), apart(300, 52, 0.01, 1)];
      const queries = apart(20, 53, 0.01, 1);
      const reached = async (reduce: object) => {
        const options = { dims: DIMS, metric: "dot", backend: kit.binding, reduce } as const;
        const index = kit.kept(await Class.build(data, options as never));
        let right = 0;
        for (let q = 0; q < 20; q++) {
          const truth = list(index.search(at(queries, q), 10, { exact: true } as never));
          const found = list(index.search(at(queries, q), 10, { ef: 40 } as never));
          right += found.filter((row) => truth.includes(row)).length / 200;
        }
        return right;
      };
      const blind = await reached({ kind: "pca", dims: 8 });
      const taught = await reached({ method: "leanvec", dims: 8, queries: sample });
      expect(taught).toBeGreaterThan(blind + 0.2);
    });

    test("are refused where they teach nothing", async () => {
      const given = vectors(20, 5);
      const fail = (reduce: unknown) =>
        failure(FlatIndex.build(given, { dims: DIMS, backend: kit.binding, reduce: reduce as never }));
      const pca = { kind: "pca", dims: 4, queries: given };
      expect(await fail(pca)).toMatchObject({ code: "ERR_ARGUMENT", field: "queries" });
      expect(await fail({ kind: "pca", method: "leanvec", dims: 4 })).toMatchObject({ code: "ERR_ARGUMENT" });
      expect(await fail({ dims: 4 })).toMatchObject({ code: "ERR_ARGUMENT", field: "reduce" });
      const odd = { kind: "leanvec", dims: 4, queries: given.subarray(1) };
      expect(await fail(odd)).toMatchObject({ code: "ERR_DIMENSION", field: "queries" });
      expect(await fail({ kind: "pca", dims: 17 })).toMatchObject({
        code: "ERR_LIMIT",
        field: "reduce.dims",
      });
    });
  });
}
