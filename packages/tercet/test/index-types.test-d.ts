/** What the compiler knows of level-1 indexes: every line under `@ts-expect-error` must fail to compile. */
import { describe, expectTypeOf, test } from "vitest";
import {
  buildIndex,
  type Components,
  type Curve,
  type DenseIndexSpec,
  FlatIndex,
  HnswIndex,
  IvfPqIndex,
  type MeasuredRecall,
  recommend,
  type SearchCounters,
  type SearchPath,
} from "../src/indexes.js";

declare const flat: FlatIndex;
declare const graph: HnswIndex;
declare const lists: IvfPqIndex;
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

  test("of lists take their own efforts", () => {
    lists.search(query, 10, { nprobe: 8, candidates: 100 });
    lists.search(query, 10, { nprobe: 8, oversample: 10, counters: true });
    void lists.searchBatch(query, 10, { recall: 0.95, threads: 1 });
    void lists.verify({ nprobe: 4, k: 5 });
    expectTypeOf(lists.retrain({ threads: 1 })).resolves.toEqualTypeOf<void>();
    expectTypeOf(IvfPqIndex.open("a")).resolves.toEqualTypeOf<IvfPqIndex>();
    void IvfPqIndex.build(query, { dims: 4, codec: "pq", m: 2, bits: 8, rotate: "opq", rerank: "lvq8" });
    void IvfPqIndex.build(query, { dims: 4, reduce: { kind: "leanvec", dims: 2, queries: query } });
    void FlatIndex.build(query, { dims: 4, reduce: { method: "pca", dims: 2 } });
    // @ts-expect-error a graph has no lists
    graph.search(query, 10, { nprobe: 8 });
    // @ts-expect-error lists are not walked
    lists.search(query, 10, { patience: 8 });
    // @ts-expect-error queries teach one reduction
    void HnswIndex.build(query, { dims: 4, reduce: { kind: "pca", dims: 2, queries: query } });
    // @ts-expect-error no such codec
    void IvfPqIndex.build(query, { dims: 4, codec: "pq8" });
  });

  test("are recommended as a schema takes them", async () => {
    const found = await recommend(query, { dims: 4, bytesPerVector: 48, recall: 0.9 });
    expectTypeOf(found.index).toEqualTypeOf<DenseIndexSpec>();
    expectTypeOf(found.choice.fits).toEqualTypeOf<boolean>();
    expectTypeOf(buildIndex(query, { dims: 4, index: found.index })).resolves.toEqualTypeOf<
      FlatIndex | HnswIndex | IvfPqIndex
    >();
    // @ts-expect-error bits are as small as they get
    void recommend(query, { dims: 8, metric: "hamming" });
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
