/** Level 1, whatever the kind: every promise of the shared class, held by each class in front of it. */
import {
  ApproximateIndex,
  type HnswIndex,
  type IvfPqIndex,
  NO_ROW,
  rowSet,
  type Vectors,
} from "tercet/index";
import { describe, expect, test } from "vitest";
import { failure, type Kit, random } from "../kit.js";
import { SCORES } from "../oracle.js";
import {
  at,
  COUNT,
  DIMS,
  type Given,
  type Index,
  KINDS,
  type Kind,
  list,
  nearest,
  type Options,
  recall,
  vectors,
} from "./index-kit.js";
import { bits, mistyped, typed } from "./index-types.js";

const METRICS = ["cosine", "dot", "l2"] as const;

export function indexes(kit: Kit): void {
  describe.each(KINDS)("an index of kind $name", (kind) => {
    const build = async (given: Vectors, options: Partial<Options> = {}) =>
      kit.kept(await kind.build(given, { dims: DIMS, backend: kit.binding, ...options }));
    const rows = vectors(COUNT, 1);
    const live = new Map(Array.from({ length: COUNT }, (_, row) => [row, at(rows, row)]));
    const queries = vectors(20, 2);
    const query = at(queries, 0);

    searching(kind, { build, rows, live, queries, query });
    reaching({ build, rows, live, queries, query });
    changing({ build, rows, query });
    churning({ build, rows });
    if (kind.name !== "flat") measuring(build as never, rows, queries);
    typed(build);
    bits(build);
    mistyped(build);
    misused(kit, kind, build);
    refused(kit, kind, build);
    if (kit.hasFiles) files(kit, kind, build, rows);
  });
}

function searching(kind: Kind, { build, rows, live, queries, query }: Given): void {
  test.each(METRICS)("finds by %s what brute force finds, one by one and in batches", async (metric) => {
    const index = await build(rows, { metric });
    const batch = await index.searchBatch(queries, 10, { ef: 200 } as never);
    let mean = 0;
    for (let q = 0; q < 20; q++) {
      const one = at(queries, q);
      const found = index.search(one, 10, { ef: 200 } as never);
      expect(list(found)).toEqual([...batch.rows.subarray(q * 10, q * 10 + 10)]);
      expect([...found.scores]).toEqual([...batch.scores.subarray(q * 10, q * 10 + 10)]);
      const truth = nearest(live, one, 10, metric);
      mean += recall(list(found), truth) / 20;
      for (const [i, row] of found.rows.entries()) {
        const score = SCORES[metric]([...(live.get(row) as Float32Array)], [...one]);
        expect(Math.abs((found.scores[i] as number) - score)).toBeLessThan(1e-4);
      }
      if (found.exact) expect(list(found)).toEqual(truth);
    }
    const least = { flat: 0.9999, hnsw: 0.97, ivf: 0.94 }[kind.name] as number;
    expect(mean).toBeGreaterThan(least);
  });

  test("says how it was answered, and what it cost when asked", async () => {
    const index = await build(rows);
    const found = index.search(query, 10, { counters: true });
    expect(found.complete).toBe(true);
    expect(found.counters?.distances).toBeGreaterThan(9);
    expect(found.exact).toBe(found.path === "scan");
    expect(found.path).toBe(kind.path);
    expect(index.search(query, 10)).not.toHaveProperty("counters");
    const scanned = index.search(query, 10, { exact: true, counters: true } as never);
    expect(scanned).toMatchObject({ exact: true, path: "scan" });
    expect(scanned.counters?.distances).toBeGreaterThanOrEqual(COUNT);
    expect(list(scanned)).toEqual(nearest(live, query, 10));
    const batch = await index.searchBatch(queries, 10);
    expect(batch).toMatchObject({ exact: found.exact, complete: true, path: found.path });
  });

  test("searches among the rows of a filter, and leaves rows out", async () => {
    const index = await build(rows);
    for (const step of [2, 10, 100, 700]) {
      const allowed = [...live.keys()].filter((row) => row % step === 1);
      const filter = rowSet(allowed);
      const truth = nearest(new Map(allowed.map((row) => [row, live.get(row) as Float32Array])), query, 10);
      const found = index.search(query, 10, { filter, ef: 200 } as never);
      expect(list(found).every((row) => row % step === 1)).toBe(true);
      expect(recall(list(found), truth)).toBeGreaterThanOrEqual(0.9);
      const batch = await index.searchBatch(query, 10, { filter, ef: 200 } as never);
      expect(list(batch).filter((row) => row !== NO_ROW)).toEqual(list(found));
    }
    const best = list(index.search(query, 10, { exact: true } as never));
    const without = index.search(query, 5, { exclude: best.slice(0, 5), exact: true } as never);
    expect(list(without)).toEqual(best.slice(5));
    const many = index.search(query, 5, { exclude: nearest(live, query, 100), exact: true } as never);
    expect(list(many)).toEqual(nearest(live, query, 105).slice(100));
    const both = { filter: rowSet(best), exclude: Uint32Array.from(best.slice(0, 8)), exact: true };
    expect(list(index.search(query, 5, both as never))).toEqual(best.slice(8));
    expect(list(await index.searchBatch(query, 2, both as never))).toEqual(best.slice(8));
    expect(index.search(query, 5, { filter: new Uint32Array(0) }).rows.length).toBe(0);
  });
}

function reaching({ build, rows, live, query }: Given): void {
  test("searches by a stored row, and gives its vector back", async () => {
    const index = await build(rows);
    const found = index.searchRow(17, 5, { exact: true } as never);
    expect(list(found)).toEqual(nearest(live, at(rows, 17), 6).slice(1));
    expect(
      list(index.searchRow(17, 5, { exclude: [found.rows[0] as number], exact: true } as never)),
    ).toEqual(nearest(live, at(rows, 17), 7).slice(2));
    expect(index.vector(17)).toEqual(at(rows, 17));
    expect(index.vector(COUNT)).toBeUndefined();
    await index.remove([17]);
    expect(index.vector(17)).toBeUndefined();
    expect(await failure(() => index.searchRow(17, 5))).toMatchObject({ code: "ERR_ARGUMENT", field: "row" });
  });

  test("finds all within a radius, up to a limit", async () => {
    for (const [metric, radius, least] of [
      ["cosine", 0.5, 0.5],
      ["l2", 2, -4],
    ] as const) {
      const index = await build(rows, { metric });
      const inside = nearest(live, query, COUNT, metric).filter(
        (row) => SCORES[metric]([...(live.get(row) as Float32Array)], [...query]) >= least,
      );
      expect(inside.length).toBeGreaterThan(8);
      const found = index.within(query, radius, { exact: true } as never);
      expect(list(found)).toEqual(inside);
      expect(list(index.within(query, radius, { exact: true, limit: 5 } as never))).toEqual(
        inside.slice(0, 5),
      );
      expect(recall(list(index.within(query, radius)), inside)).toBeGreaterThan(0.9);
      const few = index.search(query, 3, { radius, exact: true } as never);
      expect(list(few)).toEqual(inside.slice(0, 3));
    }
    const index = await build(rows);
    expect(index.within(query, 1.01).rows.length).toBe(0);
    const batch = await index.searchBatch(query, 5, { radius: 1.01 });
    expect(list(batch)).toEqual(Array(5).fill(NO_ROW));
    // A distance whose square is no number lets everything through, one by one and in batches.
    const far = await build(rows, { metric: "l2" });
    const all = list(far.search(query, 5, { radius: 1e200, exact: true } as never));
    expect(all).toEqual(nearest(live, query, 5, "l2"));
    expect(list(await far.searchBatch(query, 5, { radius: 1e200, exact: true } as never))).toEqual(all);
  });

  test("answers from one vector and from none, and k may be more than there are", async () => {
    const one = await build(at(rows, 0));
    expect(list(one.search(query, 10))).toEqual([0]);
    expect(one.searchRow(0, 3).rows.length).toBe(0);
    const none = await build(new Float32Array(0));
    expect(none.search(query, 10).rows.length).toBe(0);
    expect(list(await none.searchBatch(query, 2))).toEqual([NO_ROW, NO_ROW]);
    expect(await none.add(at(rows, 3))).toEqual({ first: 0, count: 1 });
    expect(list(none.search(query, 10))).toEqual([0]);
    const same = await build(new Float32Array(1_200 * DIMS).fill(1));
    expect(list(same.search(new Float32Array(DIMS).fill(2), 3, { ef: 64 } as never)).length).toBe(3);
  });
}

/** A row of the index, and the vector that it stands for, as both change. */
class Mirror {
  readonly live = new Map<number, Float32Array>();
  constructor(readonly index: Index) {}

  async add(given: Float32Array): Promise<void> {
    const { first, count } = await this.index.add(given);
    for (let n = 0; n < count; n++) this.live.set(first + n, at(given, n));
  }

  async remove(gone: readonly number[]): Promise<void> {
    expect(await this.index.remove(gone)).toEqual({ removed: gone.length, missing: [] });
    for (const row of gone) this.live.delete(row);
  }

  /** Mean recall at 10; and an exact search must be brute force. */
  recall(queries: Float32Array): number {
    expect(this.index.size).toBe(this.live.size);
    const count = queries.length / DIMS;
    let mean = 0;
    for (let q = 0; q < count; q++) {
      const one = at(queries, q);
      const truth = nearest(this.live, one, 10);
      expect(list(this.index.search(one, 10, { exact: true } as never))).toEqual(truth);
      mean += recall(list(this.index.search(one, 10, { ef: 100 } as never)), truth) / count;
    }
    return mean;
  }
}

function changing({ build, rows, query }: Omit<Given, "live" | "queries">): void {
  test("keeps rows through adds, updates, removals and compaction", async () => {
    const index = await build(rows.subarray(0, 1_100 * DIMS));
    expect(await index.add(rows.subarray(1_100 * DIMS, 1_110 * DIMS))).toEqual({ first: 1_100, count: 10 });
    expect(await index.remove([5, 5, 9_999, 1_105])).toEqual({ removed: 2, missing: [5, 9_999] });
    const fresh = vectors(3, 9);
    expect(await index.update([700, 5, 3], fresh)).toEqual({ updated: 2, missing: [5] });
    expect(index.size).toBe(1_108);
    expect([index.vector(700), index.vector(3)]).toEqual([at(fresh, 0), at(fresh, 2)]);
    expect(list(index.search(at(fresh, 0), 1))).toEqual([700]);
    expect(list(index.search(at(fresh, 2), 1))).toEqual([3]);
    expect(list(index.search(at(rows, 1_103), 1))).toEqual([1_103]);
    expect(await index.stats()).toMatchObject({ size: 1_108, rows: 1_110 });
    const before = list(index.search(query, 20, { exact: true } as never));
    const map = await index.compact();
    expect([map.length, map[4], map[5], map[6], map[1_105], map[1_109]]).toEqual([
      1_110,
      4,
      NO_ROW,
      5,
      NO_ROW,
      1_107,
    ]);
    const after = list(index.search(query, 20, { exact: true } as never));
    expect(after).toEqual(before.map((row) => map[row]));
    expect(index.vector(map[700] as number)).toEqual(at(fresh, 0));
    const stats = await index.stats();
    expect(stats).toMatchObject({ size: 1_108, rows: 1_108 });
    expect(stats.parts).toMatchObject([{ first: 0, vectors: 1_108, removed: 0 }]);
  });

  test("refuses updates that are not clear, and changes nothing then", async () => {
    const index = await build(rows.subarray(0, 3 * DIMS));
    const two = vectors(2, 4);
    expect(await failure(index.update([1, 1], two))).toMatchObject({ code: "ERR_ARGUMENT", field: "rows" });
    expect(await failure(index.update([1], two))).toMatchObject({ code: "ERR_DIMENSION" });
    const bad = two.slice();
    bad[DIMS + 2] = Number.NaN;
    const refused = { code: "ERR_NOT_FINITE", position: 1, component: 2 };
    expect(await failure(index.update([0, 1], bad))).toMatchObject(refused);
    expect(index.vector(1)).toEqual(at(rows, 1));
  });
}

function churning({ build, rows }: Pick<Given, "build" | "rows">): void {
  const probes = vectors(10, 3);

  test("finds as well after a fifth was replaced, and after everything was, five times", async () => {
    const index = await build(rows);
    const mirror = new Mirror(index);
    for (let row = 0; row < COUNT; row++) mirror.live.set(row, at(rows, row));
    const fresh = mirror.recall(probes);
    const { bytes } = await index.stats();
    let seed = 100;
    for (let round = 0; round < 25; round++) {
      const oldest = [...mirror.live.keys()].sort((a, b) => a - b).slice(0, COUNT / 5);
      await mirror.remove(oldest);
      await mirror.add(vectors(COUNT / 5, seed++));
      if (round === 0 || round === 24) expect(mirror.recall(probes)).toBeGreaterThan(fresh - 0.05);
    }
    expect((await index.stats()).bytes).toBeLessThan(bytes * 1.2);
  });

  test("agrees with brute force through many small changes", async () => {
    const next = random(6);
    const mirror = new Mirror(await build(new Float32Array(0)));
    for (let step = 0; step < 40; step++) {
      await mirror.add(vectors(Math.floor(next() * 6), 500 + step));
      await mirror.remove([...mirror.live.keys()].filter(() => next() < 0.08));
      const renewed = [...mirror.live.keys()].filter(() => next() < 0.05);
      const given = vectors(renewed.length, 900 + step);
      expect(await mirror.index.update(renewed, given)).toEqual({ updated: renewed.length, missing: [] });
      for (const [n, row] of renewed.entries()) mirror.live.set(row, at(given, n));
    }
    expect(mirror.recall(probes)).toBeCloseTo(1, 9);
  });
}

function measuring(
  build: (given: Vectors) => Promise<HnswIndex | IvfPqIndex>,
  rows: Float32Array,
  queries: Float32Array,
): void {
  test("searches by a recall once it was measured, and says how sure it is", async () => {
    const index = await build(rows);
    const query = at(queries, 0);
    const untuned = await failure(() => index.search(query, 10, { recall: 0.9 }));
    expect(untuned).toMatchObject({ code: "ERR_ARGUMENT", field: "recall" });
    expect(untuned.message).toContain("tune()");
    expect(await failure(index.verify({ recall: 0.9 }))).toMatchObject({ code: "ERR_ARGUMENT" });
    const curve = await index.tune(undefined, { k: 10, sample: 60 });
    expect(curve).toMatchObject({ k: 10, queries: 60, probes: true, size: COUNT });
    expect(curve.points.length).toBeGreaterThan(0);
    for (const [n, point] of curve.points.slice(1).entries()) {
      expect(point.ef).toBeGreaterThan(curve.points[n]?.ef as number);
      expect(point.recall).toBeGreaterThanOrEqual(curve.points[n]?.recall as number);
    }
    expect(index.curves).toEqual([curve]);
    expect((await index.stats()).curves).toEqual([curve]);
    const given = await index.tune(queries, { k: 5, target: 0.5 });
    expect(given).toMatchObject({ k: 5, queries: 20, probes: false });
    expect(index.curves.map((one) => one.k)).toEqual([5, 10]);
    const low = index.search(query, 10, { recall: 0.5, counters: true });
    const high = index.search(query, 10, { recall: 0.999, counters: true });
    expect(low.counters?.distances).toBeLessThanOrEqual(high.counters?.distances as number);
    const found = await index.verify({ recall: 0.95, sample: 60 });
    expect(found.recall).toBeGreaterThan(0.9);
    expect(found.low).toBeLessThanOrEqual(found.recall);
    expect(found.high).toBeGreaterThanOrEqual(found.recall);
    expect(found.queries).toBe(60);
    expect((await index.verify({ exact: true, queries })).recall).toBe(1);
  });

  test("is the same whatever computed it", async () => {
    const [one, other] = [await build(rows), await build(rows)];
    const answers = [one, other].map((index) => index.search(at(queries, 3), 10, { ef: 20 }));
    expect(answers[0]).toEqual(answers[1]);
  });
}

function misused(kit: Kit, kind: Kind, build: Given["build"]): void {
  test.each([
    ["a part of a vector", new Float32Array(17), {}, { code: "ERR_DIMENSION" }],
    [
      "infinity",
      Float32Array.from({ length: 32 }, (_, i) => (i === 20 ? Infinity : 1)),
      {},
      { code: "ERR_NOT_FINITE", position: 1, component: 4 },
    ],
    ["dims of 0", new Float32Array(16), { dims: 0 }, { code: "ERR_LIMIT", field: "dims" }],
    ["dims of 65,536", new Float32Array(16), { dims: 65_536 }, { code: "ERR_LIMIT", field: "dims" }],
    ["no thread", new Float32Array(16), { threads: 0 }, { code: "ERR_LIMIT", field: "threads" }],
  ])("is not built: %s", async (_, given, options, expected) => {
    expect(await failure(build(given, options))).toMatchObject(expected);
  });

  if (kind.name === "hnsw") {
    test.each([
      ["M", 3],
      ["M", 65],
      ["efConstruction", 15],
      ["efConstruction", 4_097],
      ["seed", -1],
    ])("is not built: %s of %d", async (field, value) => {
      const refused = failure(build(new Float32Array(16).fill(1), { [field]: value }));
      expect(await refused).toMatchObject({ code: "ERR_LIMIT", field });
      const wire = { kind: "hnsw", [field === "M" ? "m" : field]: value };
      const request = JSON.stringify({ dims: 16, metric: "dot", index: wire });
      const reply = kit.binding.root.callSync("index.build", request, [new Float32Array(16)]);
      expect(reply.error).toMatch(/ERR_(LIMIT|ARGUMENT)/);
    });
  }
}

function refused(kit: Kit, kind: Kind, build: Given["build"]): void {
  const good = () => build(vectors(3, 5));
  const query = vectors(1, 6);

  test("refuses searches that say what cannot be", async () => {
    const index = await good();
    const search = (k: number, options: object) => failure(() => index.search(query, k, options as never));
    for (const [options, field] of [
      [{ ef: 0 }, "ef"],
      [{ ef: 1.5 }, "ef"],
      [{ ef: 100_001 }, "ef"],
      [{ ef: Number.NaN }, "ef"],
      [{ recall: 0 }, "recall"],
      [{ recall: 1.1 }, "recall"],
      [{ patience: 0 }, "patience"],
      [{ timeLimitMs: 0 }, "timeLimitMs"],
      [{ radius: Number.NaN }, "radius"],
      [{ radius: Number.POSITIVE_INFINITY }, "radius"],
      [{ radius: Number.NEGATIVE_INFINITY }, "radius"],
    ] as const) {
      expect(await search(1, options)).toMatchObject({ code: "ERR_LIMIT", field });
      const batch = failure(index.searchBatch(query, 1, options as never));
      expect(await batch).toMatchObject({ code: "ERR_LIMIT", field });
    }
    expect(await search(0, {})).toMatchObject({ code: "ERR_LIMIT", field: "k" });
    expect(await search(1, { ef: 10, exact: true })).toMatchObject({ code: "ERR_ARGUMENT" });
    expect(await search(1, { filter: [1] })).toMatchObject({ code: "ERR_ARGUMENT", field: "filter" });
    expect(await search(1, { exclude: 3 })).toMatchObject({ code: "ERR_ARGUMENT", field: "exclude" });
    expect(await failure(() => index.within(query, 1, { limit: 0 }))).toMatchObject({ code: "ERR_LIMIT" });
    for (const radius of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(await failure(() => index.within(query, radius))).toMatchObject({ code: "ERR_LIMIT" });
    }
    expect(await failure(() => index.searchRow(-1, 1))).toMatchObject({ code: "ERR_ARGUMENT" });
    expect(await failure(() => index.vector(0.5))).toMatchObject({ code: "ERR_ARGUMENT", field: "row" });
    // Also what comes past the TypeScript in front.
    const settings = new Float64Array(13);
    const [rows, scores] = [new Uint32Array(1), new Float32Array(1)];
    const handle = (index as unknown as { handle: typeof kit.binding.root }).handle;
    for (const [place, value] of [
      [0, 0.5],
      [0, 1e6],
      [1, 2],
      [1, -1],
      [5, 77],
      [6, 0.5],
      [7, -1],
    ] as const) {
      settings.fill(0).fill(-1, 5, 6)[place] = value;
      expect(handle.searchInto(query, 1, rows, scores, settings)).toBe(-1);
      expect(handle.lastError()).toMatch(/ERR_(LIMIT|ARGUMENT)/);
    }
  });

  test("is not built once its signal is aborted, and stays as it was", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    expect(await failure(build(query, { signal }))).toMatchObject({ code: "ERR_ABORTED" });
    const index = await good();
    expect(await failure(index.add(query, { signal }))).toMatchObject({ code: "ERR_ABORTED" });
    expect(await failure(index.compact({ signal }))).toMatchObject({ code: "ERR_ABORTED" });
    expect(index.size).toBe(3);
    const control = kit.binding.control();
    control.cancel();
    const request = JSON.stringify({ dims: DIMS, metric: "dot", index: { kind: kind.name } });
    const reply = await kit.binding.root.call("index.build", request, [query], control);
    expect(reply.error).toContain("ERR_ABORTED");
    expect(reply.handle).toBeUndefined();
  });
}

function files(kit: Kit, kind: Kind, build: Given["build"], rows: Float32Array): void {
  test("is saved and opened, whole and changed", async () => {
    const path = `${await kit.folder()}/an.index`;
    const query = vectors(1, 8);
    const index = await build(rows.subarray(0, 1_200 * DIMS));
    await index.add(vectors(20, 12));
    await index.remove([3, 1_219]);
    await index.update([1_100], query);
    await index.save(path);
    const again = kit.kept(await kind.open(path, { backend: kit.binding }));
    expect([again.size, again.dims, again.metric, again.dtype]).toEqual([1_218, DIMS, "cosine", "f32"]);
    expect(again.search(query, 20)).toEqual(index.search(query, 20));
    expect(again.search(query, 1).rows[0]).toBe(1_100);
    expect(await again.add(query)).toEqual({ first: 1_220, count: 1 });
    const empty = await build(new Float32Array(0));
    await empty.add(query);
    await empty.remove([0]);
    await empty.save(path);
    const opened = kit.kept(await kind.open(path, { backend: kit.binding }));
    expect(await opened.add(query)).toEqual({ first: 1, count: 1 });
  });

  test("keeps what was measured", async () => {
    const index = await build(rows);
    if (!(index instanceof ApproximateIndex)) return;
    const curve = await index.tune(undefined, { sample: 20 });
    const path = `${await kit.folder()}/tuned`;
    await index.save(path);
    const again = kit.kept(await kind.open(path, { backend: kit.binding })) as HnswIndex;
    expect(again.curves).toEqual([curve]);
    expect(again.search(at(rows, 4), 10, { recall: 0.9 }).rows[0]).toBe(4);
  });

  test("is not opened when it is of another kind, or cut short", async () => {
    const path = `${await kit.folder()}/an.index`;
    await (await build(rows.subarray(0, 50 * DIMS))).save(path);
    const other = KINDS.find(({ name }) => name !== kind.name) as Kind;
    const opened = (how: Kind) => failure(how.open(path, { backend: kit.binding }));
    expect(await opened(other)).toMatchObject({ code: "ERR_TYPE", file: path });
    const bytes = await kit.files.read(path);
    for (const length of [0, 10, bytes.length >> 1, bytes.length - 1]) {
      await kit.files.write(path, bytes.slice(0, length));
      expect((await opened(kind)).code).toMatch(/^ERR_(CORRUPT|VERSION)$/);
    }
  });
}
