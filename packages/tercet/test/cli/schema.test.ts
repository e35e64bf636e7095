import { describe, expect, it } from "vitest";
import { guessAnalyzer, guessSchema, isFieldName } from "../../src/cli/schema-guess.js";
import { printImports, printSchema } from "../../src/cli/schema-print.js";
import { fromString, shaped, withId } from "../../src/cli/shape.js";
import { date, dense, integer, keyword, text } from "../../src/schema.js";

const guess = (values: unknown[], options = {}) => {
  const documents = values.map((value, i) => ({ id: i, field: value }));
  const { schema, left } = guessSchema(documents, { complete: true, analyzer: "standard", ...options });
  return schema.field ?? left.get("field");
};

describe("a guessed field", () => {
  it.each([
    ["booleans", [true, false], { type: "boolean" }],
    ["integers", [1, -2, 3e9], { type: "integer" }],
    ["integers and fractions", [1, 2.5], { type: "float" }],
    ["integers beyond 2^53", [1, 2 ** 60], { type: "float" }],
    ["days", ["2020-01-01", "1999-12-31"], { type: "date" }],
    ["instants", ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00.5+02:00"], { type: "date" }],
    ["no dates after all", ["2020-01-01", "soon"], { type: "keyword" }],
    ["a date that no calendar has", ["2020-13-45", "2020-01-01"], { type: "keyword" }],
    ["lists of strings", [["a"], ["b", "c"], []], { type: "keyword", many: true }],
    [
      "vectors",
      [
        [0.5, 1],
        [1, 2],
      ],
      { type: "dense", dims: 2 },
    ],
    ["labels that repeat", ["red", "dark blue", "red", "dark blue"], { type: "keyword" }],
    ["single words", ["kqed", "abba", "zzz"], { type: "keyword" }],
    [
      "names that never repeat",
      ["Ada Lovelace", "Alan Turing", "Grace Hopper"],
      { type: "text", analyzer: "standard" },
    ],
    [
      "sentences",
      ["a wing in a slip stream", "a wing in a slip stream"],
      { type: "text", analyzer: "standard" },
    ],
    ["long strings", ["x".repeat(300)], { type: "text", analyzer: "standard" }],
    ["numbers as strings", ["1", "2"], { type: "keyword" }],
    ["objects", [{ a: 1 }], "values that no field kind holds"],
    ["objects in lists", [[{ a: 1 }]], "values that no field kind holds"],
    ["strings and numbers", ["a", 1], "values of several kinds (integer, string)"],
    [
      "vectors of several lengths",
      [
        [1, 2],
        [1, 2, 3],
      ],
      "values of several kinds (vector)",
    ],
  ])("holds %s", (_, values, expected) => {
    expect(guess(values)).toEqual(expected);
  });

  it.each([
    ["integers", ["1", "-20"], { type: "integer" }],
    ["floats", ["1", "2.5", "1e3"], { type: "float" }],
    ["booleans", ["true", "false"], { type: "boolean" }],
    ["names that look like numbers", ["007", "12"], { type: "keyword" }],
    ["numbers and words", ["1", "x"], { type: "keyword" }],
    ["integers beyond 2^53", ["9007199254740993", "1"], { type: "float" }],
  ])("of strings that stand for %s", (_, values, expected) => {
    expect(guess(values, { strings: true })).toEqual(expected);
  });

  it("is optional where a document lacks it, or where there may be others that do", () => {
    expect(guess([1, null, undefined])).toEqual({ type: "integer", optional: true });
    expect(guess([1, 2], { complete: false })).toEqual({ type: "integer", optional: true });
  });

  it("is text when said so", () => {
    expect(guess(["a", "a"], { text: ["field"] })).toEqual({ type: "text", analyzer: "standard" });
  });

  it("does not appear when it is always null, and is left out when it cannot be called so", () => {
    const { schema, left } = guessSchema([{ id: 1, a: null, _b: 1, not: 2, c: 3 }], { complete: true });
    expect(schema).toEqual({ c: { type: "integer" } });
    expect([...left.keys()]).toEqual(["_b", "not"]);
  });

  it("has a name that a field can have", () => {
    for (const name of ["id", "and", "or", "not", "", "$a", "_a", "é".repeat(101)])
      expect(isFieldName(name)).toBe(false);
    for (const name of ["a", "a b", "Id", "é".repeat(100)]) expect(isFieldName(name)).toBe(true);
  });
});

describe("the language of a sample", () => {
  it("is English when it reads so", () => {
    expect(
      guessAnalyzer([{ id: "a", t: "The lift of a wing is increased by the slipstream of the propeller." }]),
    ).toBe("english");
    expect(
      guessAnalyzer([{ id: "a", t: "Der Auftrieb eines Flügels wächst im Nachstrom der Schraube." }]),
    ).toBe("standard");
    expect(guessAnalyzer([{ id: "a", n: 1 }])).toBe("standard");
  });
});

describe("a schema as code", () => {
  it("is what one would write", () => {
    const schema = {
      title: text({ analyzer: "english", boost: 2 }),
      "first author": keyword({ many: true }),
      year: integer({ optional: true }),
      open: integer({ optional: false }),
      vector: dense({ dims: 3, metric: "cosine", index: { kind: "flat" } }),
    };
    expect(printSchema(schema)).toBe(`{
  title: text({ analyzer: "english", boost: 2 }),
  "first author": keyword({ many: true }),
  year: integer({ optional: true }),
  open: integer(),
  vector: dense({ dims: 3, metric: "cosine", index: flat() }),
}`);
    expect(printImports(schema)).toBe('import { open, dense, flat, integer, keyword, text } from "tercet";');
  });
});

describe("a record", () => {
  const file = "f.jsonl";
  it.each([
    ["the field that was named", { isbn: "x", id: 1 }, "isbn", { id: "x" }],
    ["id", { id: 1, _id: 2 }, undefined, { id: 1, _id: 2 }],
    ["_id", { _id: 2, a: 1 }, undefined, { id: 2, a: 1 }],
    ["file and line", { a: 1 }, undefined, { id: "f.jsonl:9", a: 1 }],
  ])("gets its id from %s", (_, value, name, document) => {
    expect(withId({ value, file: `/x/${file}`, line: 9 }, name).document).toEqual(document);
  });

  it("without the field that was named is refused", () => {
    const missing = () => withId({ value: { a: 1 }, file, line: 3 }, "isbn");
    expect(missing).toThrow(expect.objectContaining({ code: "ERR_ID", file, line: 3 }) as Error);
  });

  it("loses what is to be left out, and strings of a table become values", () => {
    const schema = { n: integer(), when: date() };
    const placed = { document: { id: "7", n: "5", when: "2020-01-01", meta: {} }, file, strings: true };
    expect(shaped(placed, schema, new Set(["meta"])).document).toEqual({ id: "7", n: 5, when: "2020-01-01" });
    expect(shaped({ ...placed, strings: false }, schema, new Set()).document).toBe(placed.document);
  });

  it.each([
    ["5", { type: "integer" }, 5],
    ["x5", { type: "integer" }, "x5"],
    [" ", { type: "float" }, " "],
    ["-1.5e3", { type: "float" }, -1500],
    ["true", { type: "boolean" }, true],
    ["yes", { type: "boolean" }, "yes"],
    ["a; b;", { type: "keyword", many: true }, ["a", "b"]],
    ['["a;b"]', { type: "keyword", many: true }, ["a;b"]],
    ["a;b", { type: "keyword" }, "a;b"],
    ["[1, 2]", { type: "dense", dims: 2 }, [1, 2]],
    ["[1, 2", { type: "dense", dims: 2 }, "[1, 2"],
    ["5", { type: "text" }, "5"],
  ] as const)("has the string %j as %j", (value, spec, expected) => {
    expect(fromString(value, spec)).toEqual(expected);
  });
});
