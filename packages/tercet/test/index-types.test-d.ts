/** What the compiler knows of level-1 indexes: every line under `@ts-expect-error` must fail to compile. */
import { describe, expectTypeOf, test } from "vitest";
import {
  type Components,
  type Curve,
  FlatIndex,
  HnswIndex,
  type MeasuredRecall,
  type SearchCounters,
  type SearchPath,
} from "../src/indexes.js";

declare const flat: FlatIndex;
declare const graph: HnswIndex;
const query = new Float32Array(4);

describe("level-1 indexes", () => {
  test("give typed arrays and say how they were found", () => {
    const found = graph.search(query, 10, { recall: 0.95, counters: true });
    expectTypeOf(found.rows).toEqualTypeOf<Uint32Array>();
    expectTypeOf(found.scores).toEqualTypeOf<Float32Array>();
    expectTypeOf(found.path).toEqualTypeOf<SearchPath>();
    expectTypeOf(found.counters).toEqualTypeOf<SearchCounters | undefined>();
    expectTypeOf(graph.vector(1)).toEqualTypeOf<Components | undefined>();
    expectTypeOf(graph.tune()).resolves.toEqualTypeOf<Curve>();
    expectTypeOf(graph.verify()).resolves.toEqualTypeOf<MeasuredRecall>();
    expectTypeOf(FlatIndex.open("a")).resolves.toEqualTypeOf<FlatIndex>();
    expectTypeOf(HnswIndex.open("a")).resolves.toEqualTypeOf<HnswIndex>();
  });

  test("take efforts only where there are any", () => {
    graph.search(query, 10, { ef: 64, patience: 20 });
    graph.within(query, 0.5, { ef: 64, limit: 5 });
    graph.searchRow(3, 10, { exact: true });
    void graph.searchBatch(query, 10, { ef: 64, threads: 1 });
    // @ts-expect-error a scan has no effort
    flat.search(query, 10, { ef: 64 });
    // @ts-expect-error nor a recall
    void flat.searchBatch(query, 10, { recall: 0.9 });
    // @ts-expect-error it is exact, there is nothing to tune
    void flat.tune();
  });

  test("take the arrays of their types", () => {
    void HnswIndex.build(new Int8Array(4), { dims: 4, metric: "l2" });
    void HnswIndex.build(new Uint8Array(4), { dims: 32, dtype: "bits", metric: "jaccard" });
    void FlatIndex.build(new Uint16Array(4), { dims: 4, dtype: "f16" });
    // @ts-expect-error 64-bit floats are no components
    void FlatIndex.build(new Float64Array(4), { dims: 4 });
    // @ts-expect-error dims are needed
    void HnswIndex.build(query, { M: 16 });
    // @ts-expect-error no such option
    void HnswIndex.build(query, { dims: 4, m: 16 });
    // @ts-expect-error a range has its limit, and no arrays to write into
    flat.within(query, 1, { into: { rows: new Uint32Array(1), scores: new Float32Array(1) } });
  });
});
