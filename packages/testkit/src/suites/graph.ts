/** Dense fields whose index is a graph: what they find, what they say of it, and recall that is asked for. */
import { type Collection, dense, flat, hnsw, integer, near, type Query, type Schema } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, ids, type Kit, random } from "../kit.js";

const DIMS = 12;
const COUNT = 1_600;

const schema = {
  v: dense({ dims: DIMS, metric: "cosine", index: hnsw({ M: 8, efConstruction: 60 }), optional: true }),
  n: integer(),
};

/** Vectors around a few centres. */
function vectors(count: number, seed: number): Float32Array[] {
  const next = random(7);
  const centres = Array.from({ length: 12 }, () => Array.from({ length: DIMS }, () => next() * 2 - 1));
  const noise = random(seed);
  return Array.from({ length: count }, () => {
    const centre = centres[Math.floor(noise() * centres.length)] as number[];
    return Float32Array.from(centre, (x) => x + noise() - 0.5);
  });
}

const rows = vectors(COUNT, 3);
const queries = vectors(25, 5);

async function filled(kit: Kit): Promise<Collection<typeof schema>> {
  const collection = await kit.open(schema);
  await collection.upsert(rows.map((v, id) => ({ id, v, n: id })));
  await collection.compact();
  return collection;
}

/** The paths that a page's `near` took. */
async function paths(
  collection: Collection<typeof schema>,
  query: Query<never, "v", never, never, never>,
  where = {},
) {
  const page = await collection.search({ query, where, explain: true });
  return { page, paths: page.explain?.plan[0]?.segments?.map((segment) => segment.path) };
}

export function graphs(kit: Kit): void {
  describe("a field with a graph", () => {
    test("finds what a scan finds, and says that it may not have", async () => {
      const collection = await filled(kit);
      let right = 0;
      for (const query of queries) {
        const walked = await paths(collection, near("v", query));
        expect(walked.paths).toEqual(["graph"]);
        expect([walked.page.exact, walked.page.complete]).toEqual([false, true]);
        expect(walked.page.explain?.counters.hops).toBeGreaterThan(0);
        const scanned = await paths(collection, near("v", query, { exact: true }));
        expect(scanned.paths).toEqual(["scan"]);
        expect(scanned.page.exact).toBe(true);
        const truth = new Set(ids(scanned.page));
        right += ids(walked.page).filter((id) => truth.has(id)).length;
      }
      expect(right / (10 * queries.length)).toBeGreaterThanOrEqual(0.95);
    });

    test("is filtered, narrowly and broadly", async () => {
      const collection = await filled(kit);
      let [right, wanted] = [0, 0];
      for (const most of [8, 80, 800]) {
        for (const query of queries) {
          const where = { n: { lt: most } };
          const found = await collection.search({ query: near("v", query), where });
          const truth = await collection.search({ query: near("v", query, { exact: true }), where });
          expect(found.hits.length).toBe(Math.min(10, most));
          right += ids(found).filter((id) => ids(truth).includes(id)).length;
          wanted += truth.hits.length;
        }
      }
      expect(right / wanted).toBeGreaterThanOrEqual(0.95);
    });

    test("searches by a recall once it was measured, here and in a snapshot", async () => {
      const collection = await filled(kit);
      const query = queries[0] as Float32Array;
      const failed = await failure(collection.search({ query: near("v", query, { recall: 0.9 }) }));
      expect(failed).toMatchObject({ code: "ERR_ARGUMENT", field: "recall" });
      expect(failed.message).toContain('tune("v")');
      const seen: number[] = [];
      const curve = await collection.tune("v", { sample: 30, onProgress: ({ done }) => seen.push(done) });
      expect([curve.k, curve.queries, curve.probes, curve.size]).toEqual([10, 30, true, COUNT]);
      expect(curve.points.at(-1)?.recall).toBeGreaterThan(0.97);
      expect(seen.at(-1)).toBeGreaterThan(30);
      expect((await collection.stats()).fields.v?.curves).toEqual([curve]);
      const given = await collection.tune("v", { k: 3, queries });
      expect([given.k, given.queries, given.probes]).toEqual([3, queries.length, false]);
      const reached = await collection.measure("v", { recall: 0.95, sample: 60 });
      expect(reached.high).toBeGreaterThanOrEqual(0.95);
      expect(reached.low).toBeLessThanOrEqual(reached.recall);
      expect(reached.distances).toBeLessThan(COUNT);
      const bytes = await collection.exportSnapshot();
      const copy = await kit.opened(bytes);
      const asked = near("v", query, { recall: 0.95 });
      expect(ids(await copy.search({ query: asked }))).toEqual(
        ids(await collection.search({ query: asked })),
      );
    });

    test("stays whole through removals and replacements", async () => {
      const collection = await filled(kit);
      await collection.remove(Array.from({ length: 300 }, (_, id) => id * 2));
      await collection.upsert(vectors(400, 11).map((v, at) => ({ id: at * 3, v, n: at * 3 })));
      for (const merged of [false, true]) {
        if (merged) await collection.compact();
        const reached = await collection.measure("v", { sample: 60 });
        expect(reached.recall).toBeGreaterThanOrEqual(0.95);
      }
      expect((await collection.verify()).problems).toEqual([]);
    });
  });

  describe("near, with settings", () => {
    const small = rows.slice(0, 120);

    test.each([flat(), hnsw()])("of %o searches by a document, without itself and others", async (index) => {
      const collection = await kit.open({ v: dense({ dims: DIMS, index }) } as Schema);
      await collection.upsert(small.map((v, id) => ({ id, v })));
      const all = ids(await collection.search({ query: near("v", small[7] as Float32Array), limit: 200 }));
      expect(all[0]).toBe(7);
      const others = await collection.search({ query: near("v", { id: 7 }), limit: 200 });
      expect(ids(others)).toEqual(all.slice(1));
      const left = all.slice(3, 100) as number[];
      const fewer = await collection.search({ query: near("v", { id: 7 }, { exclude: left }), limit: 200 });
      expect(ids(fewer)).toEqual(all.filter((id, at) => at > 0 && !left.includes(id as number)));
      const replayed = JSON.parse(JSON.stringify(near("v", { id: 7 }, { exclude: left })));
      expect(ids(await collection.search({ query: replayed, limit: 200 }))).toEqual(ids(fewer));
      const none = await failure(collection.search({ query: near("v", { id: "none" }) }));
      expect(none).toMatchObject({ code: "ERR_NOT_FOUND", id: "none" });
    });

    test("has a radius: a similarity, or a distance", async () => {
      const collection = await kit.open({ c: dense({ dims: 2 }), d: dense({ dims: 2, metric: "l2" }) });
      await collection.upsert([
        { id: "right", c: [1, 0], d: [3, 4] },
        { id: "between", c: [1, 1], d: [0, 1] },
        { id: "up", c: [0, 1], d: [0, 0] },
      ]);
      const within = async (field: "c" | "d", vector: number[], radius: number) =>
        ids(await collection.search({ query: near(field, vector, { radius }) }));
      expect(await within("c", [2, 0], 0.7)).toEqual(["right", "between"]);
      expect(await within("c", [2, 0], 0.71)).toEqual(["right"]);
      expect(await within("d", [0, 0], 5)).toEqual(["up", "between", "right"]);
      expect(await within("d", [0, 0], 4.99)).toEqual(["up", "between"]);
      expect(await within("d", [0, 0], 0)).toEqual(["up"]);
    });

    test.each<[string, object, string]>([
      ["ef of 0", { ef: 0 }, "ERR_LIMIT"],
      ["half an ef", { ef: 1.5 }, "ERR_LIMIT"],
      ["an ef that is text", { ef: "10" }, "ERR_TYPE"],
      ["a recall above 1", { recall: 1.5 }, "ERR_LIMIT"],
      ["a recall of NaN", { recall: Number.NaN }, "ERR_NOT_FINITE"],
      ["two efforts", { ef: 10, exact: true }, "ERR_QUERY"],
      ["a distance below 0", { radius: -1 }, "ERR_LIMIT"],
      ["no patience", { patience: 0 }, "ERR_LIMIT"],
      ["no time", { timeLimitMs: 0 }, "ERR_LIMIT"],
      ["an id that is none", { exclude: [1.5] }, "ERR_ID"],
      ["a setting that is none", { efSearch: 5 }, "ERR_QUERY"],
    ])("refuses %s", async (_, settings, code) => {
      const collection = await kit.open({ v: dense({ dims: 1, metric: "l2" }) });
      await collection.upsert([{ id: 1, v: [1] }]);
      expect(await failure(collection.search({ query: near("v", [1], settings) }))).toMatchObject({ code });
    });

    test.each<[string, object, string]>([
      ["M of 3", { M: 3 }, "m must be 4 to 64"],
      ["M of 65", { M: 65 }, "m must be 4 to 64"],
      ["efConstruction below M", { efConstruction: 8 }, "efConstruction must be 16 to 4096"],
      ["a codec that is none", { codec: "pq" }, "codec"],
      ["more axes than components", { reduce: { kind: "pca", dims: 9 } }, "reduce.dims must be 1 to 8"],
      ["a seed that is not safe", { seed: 2 ** 53 }, "seed"],
    ])("is not opened with %s", async (_, settings, message) => {
      const bad = kit.open({ v: dense({ dims: 8, index: hnsw(settings as Parameters<typeof hnsw>[0]) }) });
      const error = await failure(bad);
      expect(error.code).toBe("ERR_SCHEMA");
      expect(error.message).toContain(message === "codec" ? "pq" : message);
    });

    test("tunes and measures nothing that makes no sense", async () => {
      const collection = await kit.open({ v: dense({ dims: 2, index: hnsw() }), n: integer() });
      await collection.upsert([{ id: 1, v: [1, 2], n: 1 }]);
      const open = collection as unknown as Collection;
      const codes = await Promise.all([
        failure(open.tune("none")).then((e) => e.code),
        failure(open.tune("n")).then((e) => e.code),
        failure(open.tune("v", { k: 0 })).then((e) => e.code),
        failure(open.tune("v", { target: 2 })).then((e) => e.code),
        failure(open.measure("v", { sample: 0.5 })).then((e) => e.code),
        failure(open.measure("v", { queries: [[1, 2, 3]] })).then((e) => e.code),
        failure(open.measure("v", { queries: [[1, 2], [1]] })).then((e) => e.code),
        failure(open.measure("v", { queries: new Float32Array([1, Number.NaN]) })).then((e) => e.code),
        failure(open.measure("v", { queries: [[0, 0]] })).then((e) => e.code),
        failure(open.tune("v", { signal: AbortSignal.abort() })).then((e) => e.code),
      ]);
      expect(codes).toEqual([
        "ERR_FIELD",
        "ERR_QUERY",
        "ERR_LIMIT",
        "ERR_LIMIT",
        "ERR_LIMIT",
        "ERR_DIMENSION",
        "ERR_DIMENSION",
        "ERR_NOT_FINITE",
        "ERR_ZERO_VECTOR",
        "ERR_ABORTED",
      ]);
    });
  });
}
