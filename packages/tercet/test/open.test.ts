import { runInNewContext } from "node:vm";
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

  test("sends the options of durable collections, and nothing that was not given", async () => {
    const { binding, seen } = fake(schema);
    const given = {
      durability: { intervalMs: 250 },
      verify: "full",
      refreshMs: 0,
      retainMs: 5,
      memoryBytes: 33_554_432,
      logBytes: 4_096,
      evolve: { drop: ["x"], rename: { old: "title" }, add: ["tags"] },
    } as const;
    await open("x", { schema, backend: binding, ...given });
    expect(seen[0]?.request).toMatchObject(given);
    await open("x", { backend: binding, version: "before" });
    expect(seen[1]?.request).toEqual({ path: "x", version: "before" });
    await open("x", { backend: binding, version: 7, durability: "commit" });
    expect(seen[2]?.request).toEqual({ path: "x", version: 7, durability: "commit" });
  });

  test("sends the bytes of a snapshot beside an empty path", async () => {
    const { binding, seen } = fake(schema);
    const bytes = new Uint8Array([1, 2, 3]);
    const collection = await open(bytes, { backend: binding });
    expect(seen[0]).toMatchObject({ request: { path: "" }, arrays: [bytes] });
    expect([collection.path, collection.readOnly, collection.version]).toEqual(["", true, 1]);
    const foreign = runInNewContext("new Uint8Array([4])") as Uint8Array;
    await open(foreign, { backend: binding });
    expect(seen[1]?.arrays).toEqual([foreign]);
    await collection.close();
    await expect(collection.count()).rejects.toThrow("the collection is closed");
  });

  test("tells what was replayed", async () => {
    const recovered = { batches: 3, droppedBytes: 17 };
    const made = fake(schema, ({ verb }) =>
      verb === "open"
        ? {
            json: JSON.stringify({
              schema: { fields: schema },
              created: false,
              documents: 9,
              version: 4,
              readOnly: false,
              recovered,
            }),
            arrays: [],
            handle: fake(schema).binding.root,
          }
        : undefined,
    );
    const collection = await open("x", { backend: made.binding });
    expect(collection).toMatchObject({ recovered, version: 4, readOnly: false });
    expect("recovered" in (await open("x", { backend: fake(schema).binding }))).toBe(false);
  });

  test.each([
    ["doubles", new Float64Array(2), {}, { code: "ERR_ARGUMENT", field: "path", found: "a Float64Array" }],
    [
      "durability in other words",
      "x",
      { durability: "always" },
      { code: "ERR_ARGUMENT", field: "durability" },
    ],
    [
      "durability without an interval",
      "x",
      { durability: {} },
      { code: "ERR_ARGUMENT", field: "durability" },
    ],
    ["no durability", "x", { durability: null }, { code: "ERR_ARGUMENT", field: "durability" }],
    [
      "an interval in words",
      "x",
      { durability: { intervalMs: "1s" } },
      { code: "ERR_TYPE", field: "intervalMs", found: '"1s"' },
    ],
    [
      "half a millisecond",
      "x",
      { durability: { intervalMs: 0.5 } },
      { code: "ERR_LIMIT", field: "intervalMs" },
    ],
    ["other checks", "x", { verify: true }, { code: "ERR_ARGUMENT", field: "verify", found: "true" }],
    ["a version before the first", "x", { version: -1 }, { code: "ERR_LIMIT", field: "version" }],
    ["a version without a name", "x", { version: "" }, { code: "ERR_TYPE", field: "version" }],
    ["a version that is a date", "x", { version: new Date(0) }, { code: "ERR_TYPE", field: "version" }],
    ["no number of bytes", "x", { memoryBytes: Number.NaN }, { code: "ERR_LIMIT", field: "memoryBytes" }],
    ["bytes as bigint", "x", { logBytes: 7n }, { code: "ERR_TYPE", field: "logBytes", found: "7n" }],
    ["refreshing before now", "x", { refreshMs: -1 }, { code: "ERR_LIMIT", field: "refreshMs" }],
    ["keeping in words", "x", { retainMs: "long" }, { code: "ERR_TYPE", field: "retainMs" }],
    ["a truth in words", "x", { readOnly: "yes" }, { code: "ERR_TYPE", field: "readOnly" }],
    ["steps as a list", "x", { evolve: ["x"] }, { code: "ERR_ARGUMENT", field: "evolve" }],
    [
      "a step that there is not",
      "x",
      { evolve: { change: ["x"] } },
      { code: "ERR_ARGUMENT", field: "evolve" },
    ],
    ["one field to drop", "x", { evolve: { drop: "x" } }, { code: "ERR_TYPE", field: "evolve.drop" }],
    ["a number to add", "x", { evolve: { add: [1] } }, { code: "ERR_TYPE", field: "evolve.add" }],
    [
      "names in pairs",
      "x",
      { evolve: { rename: [["a", "b"]] } },
      { code: "ERR_TYPE", field: "evolve.rename" },
    ],
    [
      "a field to be renamed 1",
      "x",
      { evolve: { rename: { a: 1 } } },
      { code: "ERR_TYPE", field: "evolve.rename" },
    ],
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
  ])("refuses %s, and sends nothing", async (_, path, options, expected) => {
    const { binding, seen } = fake(schema);
    const call = open(path as string, { backend: binding, ...(options as object) });
    await expect(call).rejects.toMatchObject(expected);
    expect(seen).toEqual([]);
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
