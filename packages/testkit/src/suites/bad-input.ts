/** Every wrong thing: its code, its place, what was expected and found, and nothing changed afterwards. */
import {
  all,
  boolean,
  type Collection,
  date,
  dense,
  float,
  fuse,
  integer,
  keyword,
  match,
  near,
  open,
  type Schema,
  text,
} from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";

const schema = {
  t: text(),
  k: keyword({ optional: true }),
  ks: keyword({ many: true, optional: true }),
  n: integer({ optional: true }),
  x: float({ optional: true }),
  on: boolean({ optional: true }),
  day: date({ optional: true }),
  v: dense({ dims: 3, metric: "cosine", optional: true }),
};

interface Expected {
  readonly code: string;
  readonly [key: string]: unknown;
}
type Case = readonly [name: string, input: unknown, expected: Expected];

const some = { id: 2, t: "t" };
const DOCUMENTS: readonly Case[] = [
  ["an unknown field", { ...some, titel: "x" }, { code: "ERR_FIELD", field: "titel" }],
  ["a missing field", { id: 2 }, { code: "ERR_REQUIRED", field: "t", expected: "text" }],
  ["null for a required field", { id: 2, t: null }, { code: "ERR_REQUIRED", field: "t", found: "null" }],
  ["a number for text", { id: 2, t: 7 }, { code: "ERR_TYPE", field: "t", expected: "a string", found: "7" }],
  ["a list for one keyword", { ...some, k: ["a"] }, { code: "ERR_TYPE", field: "k" }],
  ["a string for many keywords", { ...some, ks: "a" }, { code: "ERR_TYPE", field: "ks" }],
  ["a number among keywords", { ...some, ks: ["a", 1] }, { code: "ERR_TYPE", field: "ks" }],
  ["a string for an integer", { ...some, n: "7" }, { code: "ERR_TYPE", field: "n", found: '"7"' }],
  ["half an integer", { ...some, n: 0.5 }, { code: "ERR_TYPE", field: "n", found: "0.5" }],
  ["an integer that is not safe", { ...some, n: 2 ** 53 }, { code: "ERR_TYPE", field: "n" }],
  ["a boolean for a float", { ...some, x: true }, { code: "ERR_TYPE", field: "x", found: "true" }],
  ["a number for a boolean", { ...some, on: 1 }, { code: "ERR_TYPE", field: "on" }],
  ["no date", { ...some, day: "yesterday" }, { code: "ERR_TYPE", field: "day", found: '"yesterday"' }],
  ["a day that is none", { ...some, day: "2023-02-30" }, { code: "ERR_TYPE", field: "day" }],
  ["half a millisecond", { ...some, day: 0.5 }, { code: "ERR_TYPE", field: "day" }],
  ["a date past the last", { ...some, day: 8.7e15 }, { code: "ERR_TYPE", field: "day" }],
  ["a vector that is too short", { ...some, v: [1, 2] }, { code: "ERR_DIMENSION", field: "v" }],
  [
    "a vector that is too long",
    { ...some, v: new Float32Array(4) },
    { code: "ERR_DIMENSION", field: "v", expected: "3 components", found: "4 components" },
  ],
  ["no vector at all", { ...some, v: [] }, { code: "ERR_DIMENSION", field: "v" }],
  ["a string for a vector", { ...some, v: "123" }, { code: "ERR_TYPE", field: "v" }],
  ["strings in a vector", { ...some, v: ["1", "2", "3"] }, { code: "ERR_TYPE", field: "v" }],
  [
    "NaN in a vector",
    { ...some, v: new Float32Array([0, Number.NaN, 1]) },
    { code: "ERR_NOT_FINITE", field: "v", component: 1 },
  ],
  [
    "infinity in a vector",
    { ...some, v: [1, 2, Number.POSITIVE_INFINITY] },
    { code: "ERR_NOT_FINITE", field: "v", component: 2 },
  ],
  ["a zero vector under cosine", { ...some, v: [0, 0, 0] }, { code: "ERR_ZERO_VECTOR", field: "v" }],
  ["base64 that is none", { ...some, v: { $f32: "%%%" } }, { code: "ERR_TYPE", field: "v" }],
  ["a reference out of nowhere", { ...some, v: { $vector: 99 } }, { code: "ERR_TYPE", field: "v" }],
  ["a vector where text should be", { id: 2, t: new Float32Array(3) }, { code: "ERR_TYPE", field: "t" }],
  ["no id", { t: "t" }, { code: "ERR_ID", field: "id" }],
  ["an empty id", { id: "", t: "t" }, { code: "ERR_ID", field: "id", found: "an empty string" }],
  [
    "an id that is too long",
    { id: "é".repeat(257), t: "t" },
    { code: "ERR_ID", field: "id", found: "a string of 514 bytes" },
  ],
  ["half an id", { id: 1.5, t: "t" }, { code: "ERR_ID", field: "id", found: "1.5" }],
  ["an id that is not safe", { id: 2 ** 53, t: "t" }, { code: "ERR_ID", field: "id" }],
  ["a list for an id", { id: [1], t: "t" }, { code: "ERR_ID", field: "id" }],
  ["the same id twice", { id: 0, t: "t" }, { code: "ERR_DUPLICATE_ID", field: "id", id: 0 }],
  ["half a surrogate pair", { id: 2, t: "\ud800" }, { code: "ERR_ENCODING", field: "t" }],
  ["half a surrogate pair for an id", { id: "\udc00", t: "t" }, { code: "ERR_ENCODING", field: "id" }],
  ["a document that is too long", { id: 2, t: "x".repeat(17 << 20) }, { code: "ERR_LIMIT" }],
  ["null", null, { code: "ERR_TYPE" }],
  ["a list", [1], { code: "ERR_TYPE" }],
];

const request = (query: unknown, rest: object = {}) => ({ query, ...rest });
const where = (filter: unknown) => request(all(), { where: filter });
const deep = (levels: number): unknown => (levels === 0 ? { n: 1 } : { not: deep(levels - 1) });
const SEARCHES: readonly Case[] = [
  ["no words", request(match("")), { code: "ERR_QUERY", field: "text" }],
  ["white space for words", request(match(" \t\n ")), { code: "ERR_QUERY" }],
  ["words without end", request(match("x ".repeat(40_000))), { code: "ERR_LIMIT" }],
  [
    "an unknown field to match",
    request(match("x", { fields: ["titel"] })),
    { code: "ERR_FIELD", field: "titel" },
  ],
  ["a keyword field to match", request(match("x", { fields: ["k"] })), { code: "ERR_QUERY", field: "k" }],
  ["no field to match", request(match("x", { fields: [] })), { code: "ERR_QUERY" }],
  ["a boost of nothing", request(match("x", { fields: { t: 0 } })), { code: "ERR_LIMIT", field: "t" }],
  ["an unknown operator", request({ kind: "match", text: "x", operator: "xor" }), { code: "ERR_QUERY" }],
  ["an unknown kind", request({ kind: "guess" }), { code: "ERR_QUERY" }],
  ["a string for a query", request("x"), { code: "ERR_QUERY" }],
  ["no query", {}, { code: "ERR_QUERY" }],
  ["an unknown setting of a query", request({ kind: "all", fast: true }), { code: "ERR_QUERY" }],
  ["an unknown setting of a search", request(all(), { limits: 3 }), { code: "ERR_QUERY" }],
  ["an unknown dense field", request(near("w", [1, 2, 3])), { code: "ERR_FIELD", field: "w" }],
  ["a text field to be near in", request(near("t", [1, 2, 3])), { code: "ERR_QUERY", field: "t" }],
  ["a query vector that is too short", request(near("v", [1])), { code: "ERR_DIMENSION", field: "v" }],
  [
    "NaN in a query vector",
    request(near("v", new Float32Array([0, 1, Number.NaN]))),
    { code: "ERR_NOT_FINITE", field: "v", component: 2 },
  ],
  ["a zero query vector", request(near("v", [0, 0, 0])), { code: "ERR_ZERO_VECTOR", field: "v" }],
  ["no neighbours", request(near("v", [1, 2, 3], { k: 0 })), { code: "ERR_LIMIT", field: "k" }],
  [
    "neighbours without end",
    request(near("v", [1, 2, 3], { k: 100_001 })),
    { code: "ERR_LIMIT", field: "k" },
  ],
  [
    "a negative limit",
    request(all(), { limit: -1 }),
    { code: "ERR_LIMIT", field: "limit", expected: "0 to 10000", found: "-1" },
  ],
  ["a huge limit", request(all(), { limit: 10_001 }), { code: "ERR_LIMIT", field: "limit" }],
  ["a limit past all integers", request(all(), { limit: 1e300 }), { code: "ERR_LIMIT", field: "limit" }],
  ["a negative offset", request(all(), { offset: -1 }), { code: "ERR_LIMIT", field: "offset" }],
  ["an offset too far", request(all(), { offset: 99_991 }), { code: "ERR_LIMIT" }],
  ["a fusion of nothing", request(fuse.rrf([])), { code: "ERR_LIMIT" }],
  ["a fusion of too much", request(fuse.rrf(Array.from({ length: 33 }, () => all()))), { code: "ERR_LIMIT" }],
  [
    "too few weights",
    request(fuse.rrf([all(), all()], { weights: [1] })),
    { code: "ERR_QUERY", field: "weights" },
  ],
  [
    "a negative weight",
    request(fuse.rrf([all()], { weights: [-1] })),
    { code: "ERR_LIMIT", field: "weights" },
  ],
  ["a constant of nothing", request(fuse.rrf([all()], { k: 0 })), { code: "ERR_LIMIT", field: "k" }],
  ["an error inside a fusion", request(fuse.rrf([all(), match("")])), { code: "ERR_QUERY" }],
  ["an unknown field to select", request(all(), { select: ["t", "u"] }), { code: "ERR_FIELD", field: "u" }],
  ["a keyword to highlight", request(match("x"), { highlight: ["k"] }), { code: "ERR_QUERY", field: "k" }],
  [
    "an unknown field to highlight",
    request(match("x"), { highlight: ["u"] }),
    { code: "ERR_FIELD", field: "u" },
  ],
  ["a filter on text", where({ t: "x" }), { code: "ERR_FILTER", field: "t" }],
  ["a filter on a vector", where({ v: { gt: 1 } }), { code: "ERR_FILTER", field: "v" }],
  ["a filter on an unknown field", where({ u: 1 }), { code: "ERR_FIELD", field: "u" }],
  [
    "an unknown operator of a filter",
    where({ n: { above: 1 } }),
    { code: "ERR_FILTER", field: "n", found: "`above`" },
  ],
  ["an operator that is not there", where({ n: {} }), { code: "ERR_FILTER", field: "n" }],
  ["the wrong type in a filter", where({ n: "1" }), { code: "ERR_FILTER", field: "n", found: '"1"' }],
  ["null in a filter", where({ n: null }), { code: "ERR_FILTER", field: "n" }],
  ["a list without `in`", where({ n: [1, 2] }), { code: "ERR_FILTER", field: "n" }],
  ["`in` without a list", where({ n: { in: 1 } }), { code: "ERR_FILTER", field: "n" }],
  ["`exists` without a truth", where({ n: { exists: 1 } }), { code: "ERR_FILTER", field: "n" }],
  ["a date that is none in a filter", where({ day: { gt: "soon" } }), { code: "ERR_FILTER", field: "day" }],
  ["a list for a filter", where([]), { code: "ERR_FILTER" }],
  ["a filter for a list", where({ and: { n: 1 } }), { code: "ERR_FILTER" }],
  ["a filter that is too deep", where(deep(50)), { code: "ERR_LIMIT" }],
];

const SCHEMAS: readonly Case[] = [
  ["no fields", {}, { code: "ERR_SCHEMA" }],
  ["an unknown type", { a: { type: "blob" } }, { code: "ERR_SCHEMA", field: "a" }],
  ["an unknown setting", { a: { type: "text", stemmer: "x" } }, { code: "ERR_SCHEMA", field: "a" }],
  [
    "an unknown analyzer",
    { a: { type: "text", analyzer: "klingon" } },
    { code: "ERR_SCHEMA", field: "a", found: "klingon" },
  ],
  ["a boost of nothing", { a: { type: "text", boost: 0 } }, { code: "ERR_SCHEMA", field: "a" }],
  ["a negative k1", { a: { type: "text", k1: -1 } }, { code: "ERR_SCHEMA", field: "a" }],
  ["a b above 1", { a: { type: "text", b: 1.5 } }, { code: "ERR_SCHEMA", field: "a" }],
  ["no dims", { a: { type: "dense" } }, { code: "ERR_SCHEMA", field: "a" }],
  ["dims of nothing", { a: { type: "dense", dims: 0 } }, { code: "ERR_SCHEMA", field: "a" }],
  ["dims without end", { a: { type: "dense", dims: 65_536 } }, { code: "ERR_SCHEMA", field: "a" }],
  [
    "an unknown metric",
    { a: { type: "dense", dims: 1, metric: "hamming" } },
    { code: "ERR_SCHEMA", field: "a" },
  ],
  [
    "an unknown index",
    { a: { type: "dense", dims: 1, index: { kind: "tree" } } },
    { code: "ERR_SCHEMA", field: "a" },
  ],
  ["the name id", { id: { type: "text" } }, { code: "ERR_SCHEMA", field: "id" }],
  ["the name and", { and: { type: "text" } }, { code: "ERR_SCHEMA", field: "and" }],
  ["a name with $", { $a: { type: "text" } }, { code: "ERR_SCHEMA", field: "$a" }],
  ["a name with _", { _a: { type: "text" } }, { code: "ERR_SCHEMA", field: "_a" }],
  ["an empty name", { "": { type: "text" } }, { code: "ERR_SCHEMA" }],
  ["a long name", { ["é".repeat(128)]: { type: "text" } }, { code: "ERR_SCHEMA" }],
];

export function badInput(kit: Kit): void {
  const filled = async () => {
    const collection = await kit.open(schema);
    await collection.upsert([
      { id: 0, t: "zero", n: 0, v: [1, 0, 0] },
      { id: "kept", t: "kept", n: 1 },
    ]);
    return collection;
  };
  const state = async (collection: Collection<typeof schema>) => ({
    count: await collection.count(),
    documents: await collection.search({ query: all(), limit: 100, select: ["t", "n", "v"] }),
    words: await collection.search({ query: match("zero kept t") }),
  });

  describe("a bad document", () => {
    test.each(DOCUMENTS)("is refused, and nothing is written: %s", async (_, document, expected) => {
      const collection = await filled();
      const before = await state(collection);
      const good = { id: 0, t: "replaced" };
      const error = await failure(collection.upsert([good, { id: 1, t: "new" }, document as never]));
      expect(error).toMatchObject({ ...expected, position: 2 });
      expect(error.message).toMatch(/document 2|position 2/);
      expect(await state(collection)).toEqual(before);
      await collection.upsert([good]);
      expect((await collection.get(0))?.t).toBe("replaced");
    });

    test("is named by its position in the call, in whatever chunk it is", async () => {
      const collection = await filled();
      const before = await state(collection);
      const many = Array.from({ length: 3_000 }, (_, id) => ({ id: id + 10, t: "t" }));
      const wrong = (at: number, document: object) => many.with(at, document as never);
      const bad = await failure(collection.upsert(wrong(2_500, { id: "bad", t: "t", n: "x" })));
      expect(bad).toMatchObject({ code: "ERR_TYPE", position: 2_500, id: "bad", field: "n" });
      const twice = await failure(collection.upsert(wrong(2_500, { id: 17, t: "t" })));
      expect(twice).toMatchObject({ code: "ERR_DUPLICATE_ID", position: 2_500, id: 17 });
      expect(await state(collection)).toEqual(before);
    });

    test("keeps the other batches of a stream, and says how many documents they were", async () => {
      const collection = await filled();
      function* documents() {
        for (let id = 10; id < 18; id++) yield { id, t: "t", n: id === 17 ? ("x" as never) : id };
      }
      const error = await failure(collection.upsert(documents(), { batchSize: 3 }));
      expect(error).toMatchObject({ code: "ERR_TYPE", position: 7, committed: 6 });
      expect(await collection.count()).toBe(8);
    });
  });

  describe("a bad search", () => {
    test.each(SEARCHES)("is refused: %s", async (_, bad, expected) => {
      const collection = await filled();
      const error = await failure(collection.search(bad as never));
      expect(error).toMatchObject(expected);
      if (expected.code === "ERR_LIMIT" || expected.code === "ERR_FILTER") {
        expect(error).toMatchObject({ expected: expect.any(String), found: expect.any(String) });
      }
    });

    test("is refused by count and removeWhere too, and removes nothing", async () => {
      const collection = await filled();
      for (const [, bad, expected] of SEARCHES) {
        const { where } = bad as { where?: never };
        if (where === undefined) continue;
        expect(await failure(collection.count(where))).toMatchObject(expected);
        expect(await failure(collection.removeWhere(where))).toMatchObject(expected);
      }
      expect(await failure(collection.removeWhere(undefined as never))).toMatchObject({ code: "ERR_FILTER" });
      expect(await failure(collection.get(1, { select: ["u"] as never }))).toMatchObject({
        code: "ERR_FIELD",
      });
      expect(await collection.count()).toBe(2);
    });
  });

  describe("a bad schema", () => {
    test.each(SCHEMAS)("is refused: %s", async (_, bad, expected) => {
      const error = await failure(open(":memory:", { schema: bad as Schema, backend: kit.binding }));
      expect(error).toMatchObject(expected);
    });

    test("is one that is not there", async () => {
      expect(await failure(open(":memory:", { backend: kit.binding }))).toMatchObject({ code: "ERR_SCHEMA" });
    });
  });

  describe("a closed collection", () => {
    test("refuses everything", async () => {
      const collection = await filled();
      await collection.close();
      for (const call of [collection.count(), collection.get(0), collection.upsert([]), collection.flush()]) {
        expect(await failure(call)).toMatchObject({ code: "ERR_CLOSED" });
      }
    });
  });
}
