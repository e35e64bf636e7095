import { afterEach, describe, expect, test, vi } from "vitest";
import { dense, evaluate, flat, keyword, open, text } from "../src/main.js";
import { fake } from "./support/fake.js";

const schema = { title: text(), tags: keyword({ many: true }), vector: dense({ dims: 2, index: flat() }) };

afterEach(() => vi.unstubAllEnvs());

describe("open", () => {
  test("sends path and schema as plain data", async () => {
    const { binding, seen } = fake(schema);
    const collection = await open("./papers", { schema, backend: binding });
    expect(seen[0]).toMatchObject({
      on: "root",
      verb: "open",
      request: { path: "./papers", schema: { fields: { title: { type: "text" }, tags: { many: true } } } },
    });
    expect(collection.path).toBe("./papers");
    expect(collection.schema).toEqual(schema);
    expect(collection.backend).toEqual({ name: "wasm", version: "0.1.0", reason: "given by the caller" });
    expect(collection.closed).toBe(false);
  });

  test("keeps the order of the fields", async () => {
    const { binding, seen } = fake(schema);
    await open("x", { schema: { b: text(), a: text() }, backend: binding });
    expect(Object.keys(seen[0]?.request.schema.fields)).toEqual(["b", "a"]);
  });

  test.each([
    ["a path that is no string", 7, {}, { code: "ERR_ARGUMENT", field: "path" }],
    ["an empty path", "", {}, { code: "ERR_ARGUMENT", field: "path" }],
    ["a schema that is a list", "x", { schema: [] }, { code: "ERR_SCHEMA" }],
    [
      "a setting that JSON cannot carry",
      "x",
      { schema: { t: text({ boost: Number.NaN }) } },
      { code: "ERR_SCHEMA", field: "t" },
    ],
    ["a function for a field", "x", { schema: { t: text } }, { code: "ERR_SCHEMA", field: "t" }],
    ["an unknown backend", "x", { backend: "gpu" }, { code: "ERR_ARGUMENT", field: "backend", found: "gpu" }],
  ])("refuses %s", async (_, path, options, expected) => {
    await expect(open(path as string, options as object)).rejects.toMatchObject(expected);
  });

  test("refuses a core of another version", async () => {
    const binding = { ...fake(schema).binding, version: "9.9.9" };
    await expect(open("x", { schema, backend: binding })).rejects.toMatchObject({
      code: "ERR_VERSION",
      expected: "0.1.0",
      found: "9.9.9",
    });
  });

  test("refuses a forced backend that there is not", async () => {
    vi.stubEnv("TERCET_BACKEND", "gpu");
    await expect(open("x", { schema })).rejects.toMatchObject({
      code: "ERR_ARGUMENT",
      field: "TERCET_BACKEND",
    });
  });

  test("sends nothing when its signal was aborted before", async () => {
    const { binding, seen } = fake(schema);
    const signal = AbortSignal.abort("enough");
    await expect(open("x", { schema, backend: binding, signal })).rejects.toMatchObject({
      code: "ERR_ABORTED",
      cause: "enough",
    });
    expect(seen).toEqual([]);
  });
});

describe("evaluate", () => {
  test("takes hits as they come, and pairs", async () => {
    const { binding, seen } = fake(schema, () => ({ queries: 2, means: { map: 1 }, perQuery: {} }));
    const reply = await evaluate({
      run: {
        a: [{ id: 7, score: 2 }],
        b: [
          ["x", 1],
          ["y", 0.5],
        ],
      },
      qrels: { a: { "7": 1 } },
      metrics: ["map"],
      backend: binding,
    });
    expect(reply.means).toEqual({ map: 1 });
    expect(seen[0]?.request).toEqual({
      run: {
        a: [["7", 2]],
        b: [
          ["x", 1],
          ["y", 0.5],
        ],
      },
      qrels: { a: { "7": 1 } },
      metrics: ["map"],
    });
  });

  test("refuses scores that are no numbers", async () => {
    const { binding } = fake(schema);
    const run = { a: [["x", Number.NaN] as const] };
    await expect(evaluate({ run, qrels: {}, metrics: ["map"], backend: binding })).rejects.toMatchObject({
      code: "ERR_NOT_FINITE",
    });
  });
});
