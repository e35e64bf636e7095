/** What needs no collection: evaluation, and what the core says of itself. */
import { type AnalyzerName, all, evaluate, info, match, text, VERSION } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";

/** Every analyzer that the types know; the compiler checks that none is missing. */
const ANALYZERS: Record<AnalyzerName, true> = {
  standard: true,
  english: true,
  whitespace: true,
  cjk: true,
  arabic: true,
  danish: true,
  dutch: true,
  finnish: true,
  french: true,
  german: true,
  greek: true,
  hungarian: true,
  italian: true,
  norwegian: true,
  portuguese: true,
  romanian: true,
  russian: true,
  spanish: true,
  swedish: true,
  tamil: true,
  turkish: true,
};

export function root(kit: Kit): void {
  describe("info", () => {
    test("names the core, and everything that the types know", async () => {
      const reply = await info({ backend: kit.binding });
      expect(reply.version).toBe(VERSION);
      expect([...reply.analyzers].sort()).toEqual(Object.keys(ANALYZERS).sort());
      expect([...reply.metrics].sort()).toEqual(["cosine", "dot", "l2"]);
      expect(reply.denseKinds).toEqual(["flat", "hnsw", "ivf"]);
      expect(reply.available).toContain(reply.isa);
    });

    test.each(Object.keys(ANALYZERS) as AnalyzerName[])("analyzes with %s", async (analyzer) => {
      const collection = await kit.open({ t: text({ analyzer }) });
      await collection.upsert([{ id: 1, t: "tercet 東京都 дом Haus maison" }]);
      for (const word of ["tercet", "дом", "Haus"]) {
        expect((await collection.search({ query: match(word) })).hits.length).toBe(1);
      }
    });
  });

  describe("evaluate", () => {
    const log2 = Math.log2;
    const run = {
      // Relevant at ranks 1 and 3 of three relevant ones, with grades.
      a: [
        ["x", 3],
        ["n", 2],
        ["y", 1],
      ] as const,
      // Relevant at rank 2 of one.
      b: [
        { id: 9, score: 1 },
        { id: 7, score: 0.5 },
      ],
      // Not judged: does not count.
      c: [["x", 1]] as const,
    };
    const qrels = { a: { x: 2, y: 1, z: 1, n: 0 }, b: { "7": 1 }, nothing: { q: 1 } };

    test("averages over the judged queries, and a query without an answer is 0", async () => {
      const metrics = ["ndcg@10", "map", "mrr@10", "recall@2", "precision@2", "success@1"];
      const reply = await evaluate({ run, qrels, metrics, backend: kit.binding });
      const gains = [2, 0, 1];
      const dcg = gains.reduce((sum, gain, i) => sum + gain / log2(i + 2), 0);
      const ideal = 2 / log2(2) + 1 / log2(3) + 1 / log2(4);
      const expected = {
        a: {
          "ndcg@10": dcg / ideal,
          map: (1 + 2 / 3) / 3,
          "mrr@10": 1,
          "recall@2": 1 / 3,
          "precision@2": 0.5,
          "success@1": 1,
        },
        b: {
          "ndcg@10": 1 / log2(3),
          map: 0.5,
          "mrr@10": 0.5,
          "recall@2": 1,
          "precision@2": 0.5,
          "success@1": 0,
        },
      };
      expect(reply.queries).toBe(3);
      for (const metric of metrics as (keyof typeof expected.a)[]) {
        expect(reply.perQuery.a?.[metric]).toBeCloseTo(expected.a[metric], 9);
        expect(reply.perQuery.b?.[metric]).toBeCloseTo(expected.b[metric], 9);
        expect(reply.means[metric]).toBeCloseTo((expected.a[metric] + expected.b[metric]) / 3, 9);
      }
      expect(reply.perQuery).not.toHaveProperty("c");
    });

    test("takes the hits of a page", async () => {
      const collection = await kit.open({ t: text() });
      await collection.upsert([
        { id: 1, t: "a" },
        { id: 2, t: "b" },
      ]);
      const { hits } = await collection.search({ query: all() });
      const reply = await evaluate({
        run: { q: hits },
        qrels: { q: { "2": 1 } },
        metrics: ["mrr@10"],
        backend: kit.binding,
      });
      expect(reply.means["mrr@10"]).toBe(0.5);
    });

    test("refuses metrics that are none", async () => {
      for (const metric of ["ndgc@10", "ndcg@0", "ndcg@x", ""]) {
        const error = await failure(evaluate({ run, qrels, metrics: [metric], backend: kit.binding }));
        expect(error).toMatchObject({ code: "ERR_ARGUMENT", found: expect.stringContaining(metric) });
      }
    });
  });
}
