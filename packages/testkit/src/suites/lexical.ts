/** Words: BM25 against the formula, and highlights. */
import { all, fuse, integer, type MatchQuery, match, text } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit, random } from "../kit.js";
import { BM25, bm25, ranked } from "../oracle.js";

const TOLERANCE = 1e-4;
const VOCABULARY = Array.from({ length: 40 }, (_, i) => `w${i}`);

/** Texts in which low words are frequent and high ones rare; some lack the field. */
function texts(count: number, seed: number): (string[] | undefined)[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    if (next() < 0.1) return undefined;
    const length = 1 + Math.floor(next() * 30);
    return Array.from({ length }, () => VOCABULARY[Math.floor(next() ** 3 * VOCABULARY.length)] as string);
  });
}

export function lexical(kit: Kit): void {
  describe("match", () => {
    const schema = {
      a: text({ analyzer: "whitespace", optional: true }),
      b: text({ analyzer: "whitespace", boost: 2.5, k1: 0.9, b: 0.4, optional: true }),
    };
    const left = texts(150, 1);
    const right = texts(150, 2);
    const filled = async () => {
      const collection = await kit.open(schema);
      const documents = left.map((words, id) => ({ id, a: words?.join(" "), b: right[id]?.join("  ") }));
      // In pieces: statistics are the collection's, not the segment's.
      for (let at = 0; at < documents.length; at += 37) await collection.upsert(documents.slice(at, at + 37));
      return collection;
    };
    const check = (
      page: { readonly hits: readonly { readonly id: string | number; readonly score: number }[] },
      scores: readonly (number | undefined)[],
    ) => {
      expect(page.hits.length).toBe(scores.filter((score) => score !== undefined).length);
      for (const { id, score } of page.hits) {
        expect(Math.abs(score - (scores[id as number] ?? Number.NaN)), `document ${id}`).toBeLessThan(
          TOLERANCE,
        );
      }
      const given = page.hits.map((hit) => hit.score);
      expect(given).toEqual([...given].sort((x, y) => y - x));
    };

    test.each([["w0"], ["w1 w5"], ["w30 w3 w39 w12"], ["w2 w2 w7"], ["nowhere w4"]])(
      "scores one field by BM25: %s",
      async (query) => {
        const collection = await filled();
        const page = await collection.search({ query: match(query, { fields: ["a"] }), limit: 1_000 });
        const scores = bm25(left, query.split(" "));
        check(page, scores);
        expect(ids(page).slice(0, 3)).toEqual(ranked(scores).slice(0, 3));
      },
    );

    test("sums fields by their boosts, and by the query's when it has its own", async () => {
      const collection = await filled();
      const query = "w1 w9";
      const a = bm25(left, query.split(" "));
      const b = bm25(right, query.split(" "), { k1: 0.9, b: 0.4 });
      const sum = (x: number, y: number) =>
        a.map((score, i) =>
          score === undefined && b[i] === undefined ? undefined : x * (score ?? 0) + y * (b[i] ?? 0),
        );
      check(await collection.search({ query: match(query), limit: 1_000 }), sum(1, 2.5));
      const fields = { a: 3, b: 0.5 };
      check(await collection.search({ query: match(query, { fields }), limit: 1_000 }), sum(3, 0.5));
    });

    test("with `and` wants every word in one field", async () => {
      const collection = await filled();
      const words = ["w1", "w3"];
      const page = await collection.search({
        query: match(words.join(" "), { operator: "and" }),
        limit: 1_000,
      });
      const both = (list: readonly string[] | undefined) => words.every((word) => list?.includes(word));
      const expected = [...left.keys()].filter((id) => both(left[id]) || both(right[id]));
      expect(ids(page).sort()).toEqual(expected.sort());
      const none = await collection.search({ query: match("w1 nowhere", { operator: "and" }) });
      expect(none.hits).toEqual([]);
    });

    test("counts live documents only, before and after compaction", async () => {
      const collection = await filled();
      await collection.removeWhere({ a: { exists: false } });
      await collection.remove(Array.from({ length: 50 }, (_, id) => id));
      await collection.upsert([{ id: 60, a: "w1 w1 w1", b: "w0" }]);
      const live = left.map((words, id) => (id === 60 ? ["w1", "w1", "w1"] : id < 50 ? undefined : words));
      const scores = bm25(live, ["w1", "w8"]);
      const search = () => collection.search({ query: match("w1 w8", { fields: ["a"] }), limit: 1_000 });
      check(await search(), scores);
      await collection.compact();
      check(await search(), scores);
    });

    test("breaks ties by insertion", async () => {
      const collection = await kit.open(schema);
      await collection.upsert(Array.from({ length: 30 }, (_, id) => ({ id: 29 - id, a: "same words" })));
      await collection.upsert([{ id: 15, a: "same words" }]);
      const page = await collection.search({ query: match("same"), limit: 40 });
      const order = Array.from({ length: 30 }, (_, i) => 29 - i).filter((id) => id !== 15);
      expect(ids(page)).toEqual([...order, 15]);
    });

    test("explains its scores", async () => {
      const collection = await filled();
      const page = await collection.search({ query: match("w1 w9"), explain: true, limit: 3 });
      expect(page.explain?.counters.postingsScored).toBeGreaterThan(0);
      expect(page.explain?.plan.length).toBeGreaterThan(0);
      for (const { score, explain } of page.hits) {
        expect(explain?.part).toBe("match");
        expect(Math.fround(explain?.score ?? Number.NaN)).toBe(score);
        const fields = explain?.parts ?? [];
        const terms = fields.flatMap((field) => field.parts ?? []);
        const sum = terms.reduce((total, term) => total + (term.score ?? 0), 0);
        expect(Math.abs(sum - score)).toBeLessThan(TOLERANCE);
        const { tf = 0, length = 0, weight = 0 } = terms[0]?.details ?? {};
        const {
          averageLength = 1,
          k1 = BM25.k1,
          b = BM25.b,
        } = fields.find((field) => field.parts?.length)?.details ?? {};
        const saturated = (tf * (k1 + 1)) / (tf + k1 * (1 - b + (b * length) / averageLength));
        expect(Math.abs(weight * saturated - (terms[0]?.score ?? 0))).toBeLessThan(TOLERANCE);
      }
      const plain = await collection.search({ query: match("w1") });
      expect(plain).not.toHaveProperty("explain");
      expect(plain.hits[0]).not.toHaveProperty("explain");
    });

    test("folds, stems and drops words as the analyzer says", async () => {
      const collection = await kit.open({
        plain: text(),
        english: text({ analyzer: "english" }),
        german: text({ analyzer: "german" }),
      });
      await collection.upsert([
        { id: 1, plain: "Crème Brûlée", english: "the stars are running", german: "die schönen Häuser" },
        { id: 2, plain: "北京大学", english: "nothing", german: "nichts" },
      ]);
      const found = async (query: MatchQuery<"plain" | "english" | "german">) =>
        ids(await collection.search({ query }));
      expect(await found(match("creme BRULEE", { fields: ["plain"], operator: "and" }))).toEqual([1]);
      expect(await found(match("star run", { fields: ["english"], operator: "and" }))).toEqual([1]);
      expect(await found(match("the", { fields: ["english"] }))).toEqual([]);
      expect(await found(match("schöne Haus", { fields: ["german"] }))).toEqual([1]);
      expect(await found(match("京大"))).toEqual([2]);
    });
  });

  describe("highlights", () => {
    const schema = {
      title: text(),
      body: text({ analyzer: "english", optional: true }),
      n: integer({ optional: true }),
    };

    test("are ranges of UTF-16 code units", async () => {
      const collection = await kit.open(schema);
      const title = "😀 Café 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 café—CAFE! naïve 𠮷 cafés";
      await collection.upsert([{ id: 1, title, body: "One star, two stars; starred? Starfish." }]);
      const page = await collection.search({
        query: match("cafe naive star"),
        highlight: ["title", "body"],
        select: [],
      });
      const hit = page.hits[0];
      const words = (text: string, ranges: readonly (readonly [number, number])[] = []) =>
        ranges.map(([start, end]) => text.slice(start, end));
      expect(hit?.document).toEqual({ id: 1 });
      expect(words(title, hit?.highlights.title)).toEqual(["Café", "café", "CAFE", "naïve"]);
      expect(words("One star, two stars; starred? Starfish.", hit?.highlights.body)).toEqual([
        "star",
        "stars",
        "starred",
      ]);
    });

    test("join what touches in texts without spaces", async () => {
      const collection = await kit.open(schema);
      const title = "我住在北京大学的东门。北京很大";
      await collection.upsert([{ id: 1, title }]);
      const page = await collection.search({ query: match("北京大学"), highlight: ["title"] });
      const ranges = page.hits[0]?.highlights.title ?? [];
      expect(ranges.map(([start, end]) => title.slice(start, end))).toEqual(["北京大学", "北京"]);
      for (const [i, [start]] of ranges.entries())
        expect(start).toBeGreaterThanOrEqual(ranges[i - 1]?.[1] ?? 0);
    });

    test("come for the fields of the query only, through fusions too, and are empty where nothing matched", async () => {
      const collection = await kit.open(schema);
      await collection.upsert([
        { id: 1, title: "alpha beta", body: "alpha" },
        { id: 2, title: "beta" },
      ]);
      const one = await collection.search({
        query: match("alpha", { fields: ["title"] }),
        highlight: ["title", "body"],
      });
      expect(one.hits[0]?.highlights).toEqual({ title: [[0, 5]], body: [] });
      const fused = await collection.search({
        query: fuse.rrf([match("beta"), all()]),
        highlight: ["title"],
      });
      expect(fused.hits.map((hit) => hit.highlights.title)).toEqual([[[6, 10]], [[0, 4]]]);
      const none = await collection.search({ query: match("alpha") });
      expect(none.hits[0]?.highlights).toEqual({});
    });
  });
}
