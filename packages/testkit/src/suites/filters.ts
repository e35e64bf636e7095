/** Filters: every operator on every kind of field, against a predicate in TypeScript. */
import fc from "fast-check";
import { all, boolean, date, dense, float, integer, keyword, match, near, text, type Where } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit, random } from "../kit.js";
import { type Plain, passes } from "../oracle.js";
import { runs, SEED } from "../seeds.js";

const schema = {
  word: text({ optional: true }),
  color: keyword({ optional: true }),
  tags: keyword({ many: true, optional: true }),
  n: integer({ optional: true }),
  x: float({ optional: true }),
  on: boolean({ optional: true }),
  day: date({ optional: true }),
  v: dense({ dims: 2, metric: "l2", optional: true }),
};
type S = typeof schema;

const COLORS = ["red", "green", "blue", "Green", "grün", "", "z😀"];
const DAY = 86_400_000;

function corpus(): (Plain & { id: number })[] {
  const next = random(7);
  const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T;
  const sometimes = <T>(make: () => T) => (next() < 0.75 ? make() : undefined);
  return Array.from({ length: 120 }, (_, id) => ({
    id,
    word: sometimes(() => "common"),
    color: sometimes(() => pick(COLORS)),
    tags: sometimes(() => Array.from({ length: Math.floor(next() * 4) }, () => pick(COLORS))),
    n: sometimes(() => Math.floor(next() * 20) - 10),
    x: sometimes(() => Math.round((next() - 0.5) * 40) / 4),
    on: sometimes(() => next() < 0.5),
    day: sometimes(() => new Date(Math.floor((next() - 0.5) * 20) * DAY)),
    v: sometimes(() => [id, 1]),
  }));
}

/** Every operator at least once on every kind of field that has it. */
const FILTERS: readonly Where<S>[] = [
  {},
  { color: "green" },
  { color: { eq: "grün" } },
  { color: "" },
  { color: "nowhere" },
  { color: { in: ["red", "blue", "nowhere"] } },
  { color: { in: [] } },
  { color: { gt: "g", lte: "green" } },
  { color: { gte: "green", lt: "z" } },
  { color: { exists: true } },
  { color: { exists: false } },
  { tags: "red" },
  { tags: { in: ["red", "z😀"] } },
  { tags: { gte: "green", lt: "red" } },
  { tags: { exists: false } },
  { tags: { exists: true, eq: "blue" } },
  { n: 3 },
  { n: { eq: -3 } },
  { n: { in: [1, 2, -5, 99] } },
  { n: { gt: 0 } },
  { n: { gte: 0, lt: 5 } },
  { n: { lte: -9_007_199_254_740_991 } },
  { n: { gt: 5, lt: 2 } },
  { n: { exists: false } },
  { x: 2.5 },
  { x: { in: [0.25, -1, 1e300] } },
  { x: { gt: -0.1, lte: 3.75 } },
  { x: { gte: 0 } },
  { x: { lt: 0 } },
  { x: { exists: true } },
  { on: true },
  { on: { eq: false } },
  { on: { in: [true, false] } },
  { on: { exists: false } },
  { day: new Date(0) },
  { day: { gte: new Date(-2 * DAY), lt: new Date(3 * DAY) } },
  { day: { gt: "1970-01-02", lte: "1970-01-05T00:00:00Z" } },
  { day: { in: [new Date(DAY), "1970-01-04", 4 * DAY] } },
  { day: { exists: false } },
  { word: { exists: true } },
  { v: { exists: false } },
  { not: { color: "red" } },
  { not: { tags: "red" } },
  { not: { not: { n: 1 } } },
  { and: [] },
  { or: [] },
  { and: [{ n: { gt: 0 } }, { on: true }] },
  { or: [{ n: { gt: 5 } }, { color: "red" }] },
  { n: { gte: 0 }, on: true, not: { color: { in: ["red", "green"] } } },
  { or: [{ and: [{ n: { lt: 0 } }, { not: { on: true } }] }, { x: { gt: 4 } }], color: { exists: true } },
];

/** The dates of a filter as Date, for the oracle. */
function dated(where: Plain): Plain {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(where)) {
    if (key === "and" || key === "or") out[key] = (value as Plain[]).map(dated);
    else if (key === "not") out[key] = dated(value as Plain);
    else out[key] = key === "day" ? revived(value) : value;
  }
  return out;
}

function revived(value: unknown): unknown {
  if (typeof value === "string" || typeof value === "number") return new Date(value);
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revived(one)]));
}

export function filters(kit: Kit): void {
  describe("filters", () => {
    const rows = corpus();
    const expected = (where: Where<S>) =>
      rows.filter((row) => passes(row, dated(where as Plain))).map((row) => row.id);
    const filled = async () => {
      const collection = await kit.open(schema);
      // Several batches, so that several segments are filtered.
      for (let at = 0; at < rows.length; at += 50) await collection.upsert(rows.slice(at, at + 50) as never);
      return collection;
    };

    test("let through what a predicate lets through, in search and in count", async () => {
      const collection = await filled();
      for (const where of FILTERS) {
        const label = JSON.stringify(where);
        const page = await collection.search({ query: all(), where, limit: 1_000 });
        expect(ids(page), label).toEqual(expected(where));
        expect(await collection.count(where), label).toBe(page.hits.length);
      }
    });

    test("hold for every kind of query", async () => {
      const collection = await filled();
      const where: Where<S> = { n: { gte: 0 }, on: true };
      const words = await collection.search({ query: match("common"), where, limit: 1_000 });
      const withWord = rows.filter((row) => row.word !== undefined).map((row) => row.id);
      expect(ids(words).sort()).toEqual(
        expected(where)
          .filter((id) => withWord.includes(id))
          .sort(),
      );
      const nearest = await collection.search({ query: near("v", [60, 1]), where, limit: 5 });
      const byDistance = expected(where)
        .filter((id) => rows[id]?.v !== undefined)
        .sort((a, b) => Math.abs(a - 60) - Math.abs(b - 60) || a - b);
      expect(ids(nearest)).toEqual(byDistance.slice(0, 5));
    });

    test("remove exactly what they let through", async () => {
      for (const where of FILTERS.slice(10, 22)) {
        const collection = await filled();
        const gone = new Set(expected(where));
        expect(await collection.removeWhere(where)).toEqual({ removed: gone.size });
        const left = rows.map((row) => row.id).filter((id) => !gone.has(id));
        expect(ids(await collection.search({ query: all(), limit: 1_000 })), JSON.stringify(where)).toEqual(
          left,
        );
      }
    });

    test("agree with the predicate whatever they are", { timeout: runs(30_000) }, async () => {
      const collection = await filled();
      await fc.assert(
        fc.asyncProperty(anyFilter(3), async (where) => {
          const page = await collection.search({ query: all(), where: where as Where<S>, limit: 1_000 });
          expect(ids(page)).toEqual(rows.filter((row) => passes(row, where)).map((row) => row.id));
        }),
        { seed: SEED, numRuns: runs(300) },
      );
    });
  });
}

function anyFilter(depth: number): fc.Arbitrary<Plain> {
  const leaf = fc.oneof(
    field("color", fc.constantFrom(...COLORS), true),
    field("tags", fc.constantFrom(...COLORS), true),
    field("n", fc.integer({ min: -12, max: 12 }), true),
    field(
      "x",
      fc.integer({ min: -24, max: 24 }).map((quarters) => quarters / 4),
      true,
    ),
    field("on", fc.boolean(), false),
    field(
      "day",
      fc.integer({ min: -12, max: 12 }).map((days) => new Date(days * DAY)),
      true,
    ),
  );
  if (depth === 0) return leaf;
  const inner = anyFilter(depth - 1);
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    { weight: 1, arbitrary: fc.record({ and: fc.array(inner, { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ or: fc.array(inner, { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ not: inner }) },
    { weight: 1, arbitrary: fc.tuple(leaf, inner).map(([a, b]) => ({ ...a, ...b })) },
  );
}

function field(name: string, value: fc.Arbitrary<unknown>, ordered: boolean): fc.Arbitrary<Plain> {
  const range = ordered ? { gt: value, gte: value, lt: value, lte: value } : {};
  const tests = { eq: value, in: fc.array(value, { maxLength: 4 }), exists: fc.boolean(), ...range };
  const operators = fc.record(tests, { requiredKeys: [] }).filter((record) => Object.keys(record).length > 0);
  return fc.oneof(value, operators).map((condition) => ({ [name]: condition }));
}
