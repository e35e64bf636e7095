/** Phrases, beginnings, misspelled words, words with weights, and all of them combined: against answers written out by hand. */
import { combine, fuse, fuzzy, match, phrase, prefix, type Query, terms, text } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, ids, type Kit, random } from "../kit.js";

const VOCABULARY = ["flow", "flows", "wing", "wings", "wind", "layer", "layers", "lawyer", "heat", "hear"];
const schema = { a: text({ analyzer: "whitespace", positions: true }), b: text() };
const TOLERANCE = 1e-4;

type Words = readonly string[];
/** What a document holds of a computed word; 0: it does not match. */
type Frequency = (words: Words) => number;

function texts(count: number, seed: number): Words[] {
  const next = random(seed);
  const word = () => VOCABULARY[Math.floor(next() ** 2 * VOCABULARY.length)] as string;
  return Array.from({ length: count }, () => Array.from({ length: 1 + Math.floor(next() * 12) }, word));
}

/** BM25 of a word by its frequencies; the idf that of its documents, or given. */
function bm25(documents: readonly Words[], frequency: Frequency, idf?: number): (number | undefined)[] {
  const average = documents.reduce((sum, words) => sum + words.length, 0) / documents.length;
  const weight = idf ?? idfOf(documents, frequency);
  return documents.map((words) => {
    const tf = frequency(words);
    return tf > 0 ? (weight * (tf * 2.2)) / (tf + 1.2 * (0.25 + (0.75 * words.length) / average)) : undefined;
  });
}

function idfOf(documents: readonly Words[], frequency: Frequency): number {
  const df = documents.filter((words) => frequency(words) > 0).length;
  return Math.log(1 + (documents.length - df + 0.5) / (df + 0.5));
}

const count =
  (holds: (word: string) => boolean | number): Frequency =>
  (words) =>
    words.reduce((sum, word) => sum + Number(holds(word)), 0);

/** Levenshtein's distance by its definition. */
function edits(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [x, y] = [a.slice(1), b.slice(1)];
  return a[0] === b[0] ? edits(x, y) : 1 + Math.min(edits(x, y), edits(x, b), edits(a, y));
}

/** Exact occurrences, and pairs that are up to `slop` places from where they should be. */
const pair =
  (first: string, second: string, slop: number): Frequency =>
  (words) => {
    const starts = new Map<number, number>();
    for (const [i, one] of words.entries()) {
      for (const [j, two] of words.entries()) {
        if (one !== first || two !== second || i === j) continue;
        const width = Math.abs(j - 1 - i);
        const start = Math.min(i, j - 1);
        starts.set(start, Math.min(width, starts.get(start) ?? Number.POSITIVE_INFINITY));
      }
    }
    return [...starts.values()].reduce((sum, width) => sum + (width <= slop ? 1 / (1 + width) : 0), 0);
  };

export function words(kit: Kit): void {
  describe("queries by words", () => {
    const documents = texts(120, 7);
    const filled = async () => {
      const collection = await kit.open(schema);
      const rows = documents.map((words, id) => ({ id, a: words.join(" "), b: "x" }));
      for (let at = 0; at < rows.length; at += 37) await collection.upsert(rows.slice(at, at + 37));
      return collection;
    };
    const check = async (
      query: Query<"a" | "b", never, "a", never, never>,
      scores: readonly (number | undefined)[],
    ) => {
      const collection = await filled();
      for (const compacted of [false, true]) {
        if (compacted) await collection.compact();
        const page = await collection.search({ query, limit: 1_000, explain: true });
        expect(page.hits.length).toBe(scores.filter((score) => score !== undefined).length);
        expect(page.hits.length).toBeGreaterThan(0);
        for (const { id, score, explain } of page.hits) {
          const wanted = scores[id as number] ?? Number.NaN;
          expect(Math.abs(score - wanted), `document ${id}`).toBeLessThan(TOLERANCE);
          expect(Math.fround(explain?.score ?? Number.NaN)).toBe(score);
        }
      }
    };
    const plus = (...lists: readonly (readonly (number | undefined)[])[]) =>
      documents.map((_, i) => {
        const found = lists.map((list) => list[i]).filter((score) => score !== undefined);
        return found.length === 0 ? undefined : found.reduce((sum, score) => sum + score, 0);
      });
    const word = (wanted: string) =>
      bm25(
        documents,
        count((one) => one === wanted),
      );
    const times = (scores: readonly (number | undefined)[], factor: number) =>
      scores.map((score) => score && score * factor);

    test.each([0, 1, 3])("a phrase with slop %i", async (slop) => {
      const idf = ["flow", "layer"]
        .map((wanted) =>
          idfOf(
            documents,
            count((one) => one === wanted),
          ),
        )
        .reduce((sum, one) => sum + one, 0);
      const scores = bm25(documents, pair("flow", "layer", slop), idf);
      await check(phrase("a", "flow layer", { slop, boost: 2 }), times(scores, 2));
    });

    test("a beginning", async () => {
      const scores = bm25(
        documents,
        count((one) => one.startsWith("win")),
      );
      await check(prefix("a", "win"), scores);
    });

    test("a misspelled word", async () => {
      const near = (one: string) => (edits("layr", one) <= 2 ? 1 / (1 + edits("layr", one)) : 0);
      await check(fuzzy("a", "layr", { distance: 2, transpositions: false }), bm25(documents, count(near)));
    });

    test("words with weights", async () => {
      await check(terms("a", { flow: 2, hear: 0.5 }), plus(times(word("flow"), 2), times(word("hear"), 0.5)));
    });

    test("so many of the words", async () => {
      const sum = plus(word("flow"), word("wing"), word("heat"));
      const two = documents.map((words, i) =>
        ["flow", "wing", "heat"].filter((one) => words.includes(one)).length >= 2 ? sum[i] : undefined,
      );
      await check(match("flow wing heat", { fields: ["a"], minimumShouldMatch: 2 }), two);
      await check(match("flow wing heat", { fields: ["a"], minimumShouldMatch: 0.7 }), two);
    });

    test("clauses combined", async () => {
      const layers = bm25(
        documents,
        count((one) => one.startsWith("layer")),
      );
      const scores = documents.map((words, i) => {
        const passes = words.includes("flow") && words.includes("wing") && !words.includes("hear");
        return passes ? (word("flow")[i] ?? 0) + (layers[i] ?? 0) : undefined;
      });
      const query = combine({
        must: [match("flow", { fields: ["a"] })],
        should: [prefix("a", "layer")],
        mustNot: [match("hear", { fields: ["a"] })],
        filter: [
          combine({ should: [match("wing", { fields: ["a"] }), match("nowhere", { fields: ["a"] })] }),
        ],
      });
      await check(query, scores);
      const collection = await filled();
      const rest = await collection.search({ query: combine({ mustNot: [prefix("a", "w")] }), limit: 1_000 });
      const without = documents.flatMap((words, id) => (words.some((one) => one[0] === "w") ? [] : [id]));
      expect(ids(rest)).toEqual(without);
    });

    test("are fused and marked", async () => {
      const collection = await kit.open(schema);
      const a = "flow of flow layer winds 😀 flow layer";
      await collection.upsert([{ id: 1, a, b: "y" }]);
      const query = fuse.rrf([phrase("a", "flow layer"), fuzzy("a", "wind", { distance: 1 })]);
      const page = await collection.search({ query, highlight: ["a"] });
      const marked = page.hits[0]?.highlights.a.map(([start, end]) => a.slice(start, end));
      expect(marked).toEqual(["flow", "layer", "winds", "flow", "layer"]);
    });

    test("that are wrong are refused", async () => {
      const collection = await kit.open(schema);
      const refused = async (query: unknown) =>
        (await failure(collection.search({ query: query as Query<"a", never, "a", never, never> }))).code;
      expect(await refused(phrase("b", "x y"))).toBe("ERR_QUERY");
      expect(await refused(phrase("c", "x y"))).toBe("ERR_FIELD");
      expect(await refused(phrase("a", "x y", { slop: -1 }))).toBe("ERR_LIMIT");
      expect(await refused(fuzzy("a", "x", { distance: 3 }))).toBe("ERR_LIMIT");
      expect(await refused(prefix("a", ""))).toBe("ERR_QUERY");
      expect(await refused(terms("a", {}))).toBe("ERR_LIMIT");
      expect(await refused({ kind: "boolean", must: [{ kind: "near", field: "v", vector: [1] }] })).toBe(
        "ERR_QUERY",
      );
    });
  });
}
