import { describe, expect, test } from "vitest";
import { type Collection, dense, integer, keyword, open, type TercetError, text } from "../src/main.js";
import { deferred, type Fake, fake, refusal, type Seen } from "./support/fake.js";

const schema = {
  title: text({ optional: true }),
  n: integer({ optional: true }),
  tags: keyword({ many: true, optional: true }),
  vector: dense({ dims: 2, optional: true }),
};

async function collect(
  answer?: (call: Seen) => unknown,
): Promise<Fake & { collection: Collection<typeof schema> }> {
  const made = fake(schema, (call) => (call.verb === "open" ? undefined : answer?.(call)));
  const collection = await open(":memory:", { schema, backend: made.binding });
  made.seen.length = 0;
  return { ...made, collection };
}

const numbered = (count: number) => Array.from({ length: count }, (_, id) => ({ id, n: id }));
const failure = async (call: Promise<unknown>) =>
  (await call.catch((error: unknown) => error)) as TercetError;

describe("an array", () => {
  test("is one batch, however many chunks it takes", async () => {
    const { collection, seen } = await collect();
    expect(await collection.upsert(numbered(1_200), { batchSize: 10 })).toEqual({
      written: 1_200,
      replaced: 0,
    });
    const stages = seen.filter((call) => call.verb === "stage");
    expect(
      stages.map((call) => [call.request.chunk, call.request.first, call.request.documents.length]),
    ).toEqual([
      [0, 0, 512],
      [1, 512, 512],
      [2, 1_024, 176],
    ]);
    expect(seen.map((call) => call.verb)).toEqual(["begin", "stage", "stage", "stage", "commit", "(close)"]);
  });

  test("of nothing sends nothing", async () => {
    const { collection, seen } = await collect();
    expect(await collection.upsert([])).toEqual({ written: 0, replaced: 0 });
    expect(seen).toEqual([]);
  });

  test("of long documents is cut by size", async () => {
    const { collection, seen } = await collect();
    const title = "x".repeat(100 << 10);
    await collection.upsert([1, 2, 3, 4, 5].map((id) => ({ id, title })));
    const sizes = seen.filter((call) => call.verb === "stage").map((call) => call.request.documents.length);
    expect(sizes).toEqual([3, 2]);
  });

  test("keeps at most three chunks on their way", async () => {
    let now = 0;
    let most = 0;
    const { collection } = await collect(async (call) => {
      if (call.verb !== "stage") return undefined;
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now -= 1;
      return {};
    });
    await collection.upsert(numbered(512 * 10));
    expect(most).toBe(3);
  });

  test("gives vectors, dates and absent fields the form of the wire", async () => {
    const { collection, seen } = await collect();
    const vector = new Float32Array([1, 2]);
    await collection.upsert([
      { id: 1, vector, n: undefined, tags: ["a"] },
      { id: "1", vector: [3, 4], title: null },
    ]);
    expect(seen[1]?.request.documents).toEqual([
      { id: 1, vector: { $vector: 0 }, tags: ["a"] },
      { id: "1", vector: { $vector: 1 }, title: null },
    ]);
    expect(seen[1]?.arrays).toEqual([vector, new Float32Array([3, 4])]);
  });

  test("does not let a document reach a prototype", async () => {
    const { collection, seen } = await collect();
    await collection.upsert([JSON.parse('{ "id": 1, "__proto__": { "n": 7 } }')]);
    expect(Object.keys(seen[1]?.request.documents[0])).toEqual(["id", "__proto__"]);
    expect(({} as { n?: number }).n).toBeUndefined();
  });
});

describe("what JSON cannot carry", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  test.each([
    ["NaN", { id: 5, n: Number.NaN }, { code: "ERR_NOT_FINITE", field: "n", found: "NaN" }],
    ["infinity", { id: 5, n: -Infinity }, { code: "ERR_NOT_FINITE", field: "n", found: "-Infinity" }],
    ["a bigint", { id: 5, n: 7n }, { code: "ERR_TYPE", field: "n", found: "7n" }],
    ["a function", { id: 5, n: () => 1 }, { code: "ERR_TYPE", field: "n" }],
    ["a symbol", { id: 5, n: Symbol("x") }, { code: "ERR_TYPE", field: "n" }],
    ["half a surrogate pair", { id: 5, title: "a\ud800b" }, { code: "ERR_ENCODING", field: "title" }],
    [
      "half a surrogate pair in a list",
      { id: 5, tags: ["ok", "\udfff"] },
      { code: "ERR_ENCODING", field: "tags" },
    ],
    [
      "a date that is none",
      { id: 5, n: new Date("x") },
      { code: "ERR_TYPE", field: "n", found: "an invalid Date" },
    ],
    ["a map", { id: 5, title: new Map() }, { code: "ERR_TYPE", field: "title", found: "a Map" }],
    ["a cycle", { id: 5, tags: cyclic }, { code: "ERR_TYPE", field: "tags" }],
    ["a hole in a list", { id: 5, tags: new Array(2) }, { code: "ERR_TYPE", field: "tags" }],
    [
      "a component that is NaN",
      { id: 5, vector: [0, Number.NaN] },
      { code: "ERR_NOT_FINITE", field: "vector", component: 1 },
    ],
    ["an id that is NaN", { id: Number.NaN }, { code: "ERR_ID", field: "id", position: 2 }],
    ["an id that is a bigint", { id: 1n }, { code: "ERR_ID", field: "id", found: "1n" }],
  ])("is refused: %s", async (_, document, expected) => {
    const { collection, seen } = await collect();
    const error = await failure(collection.upsert([{ id: 1 }, { id: 2 }, document as never]));
    expect(error).toMatchObject({ ...expected, position: 2 });
    if (document.id === 5) expect(error).toMatchObject({ id: 5 });
    expect(error.message).toMatch(/^document 2( \(id 5\))?: /);
    expect(error.stack).toContain("ingest.test.ts");
    expect(seen.map((call) => call.verb)).not.toContain("commit");
    expect(seen.at(-1)).toMatchObject({ verb: "(close)" });
  });

  test.each([
    ["a number", 7],
    ["nothing", undefined],
    ["a list", []],
    ["a string", "x"],
  ])("is no document: %s", async (_, document) => {
    const { collection } = await collect();
    const error = await failure(collection.upsert([{ id: 1 }, document as never]));
    expect(error).toMatchObject({ code: "ERR_TYPE", position: 1, expected: "an object" });
  });

  test.each([
    ["a document", { id: 1 }],
    ["a string", "abc"],
    ["a number", 7],
    ["nothing", undefined],
  ])("is no source: %s", async (_, source) => {
    const { collection, seen } = await collect();
    expect(await failure(collection.upsert(source as never))).toMatchObject({ code: "ERR_ARGUMENT" });
    expect(seen).toEqual([]);
  });

  test.each([0, -1, 1.5, Number.NaN, 1e9])("is no batch size: %s", async (batchSize) => {
    const { collection } = await collect();
    expect(await failure(collection.upsert(new Set(), { batchSize }))).toMatchObject({
      code: "ERR_LIMIT",
      field: "batchSize",
    });
  });
});

describe("errors of several chunks", () => {
  test("the first in the order of the documents is thrown, whichever comes first in time", async () => {
    const waits = [deferred<unknown>(), deferred<unknown>()];
    const { collection, verbs } = await collect((call) =>
      call.verb === "stage" ? waits[call.request.chunk]?.promise : undefined,
    );
    const call = failure(collection.upsert(numbered(1_000)));
    waits[1]?.resolve(refusal({ code: "ERR_TYPE", message: "later", position: 600 }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    waits[0]?.resolve(refusal({ code: "ERR_FIELD", message: "earlier", position: 3 }));
    expect(await call).toMatchObject({ code: "ERR_FIELD", position: 3 });
    expect(verbs().slice(-2)).toEqual(["abort", "(close)"]);
  });

  test("what the core finds in an earlier document of the same chunk comes first too", async () => {
    const { collection } = await collect((call) =>
      call.verb === "stage" ? refusal({ code: "ERR_FIELD", message: "earlier", position: 0 }) : undefined,
    );
    const error = await failure(collection.upsert([{ id: 1 }, { id: 2, n: Number.NaN }]));
    expect(error).toMatchObject({ code: "ERR_FIELD", position: 0 });
  });
});

describe("other sources", () => {
  test("are cut into batches, each committed on its own", async () => {
    const { collection, verbs, seen } = await collect();
    const reply = await collection.upsert(new Set(numbered(5)), { batchSize: 2 });
    expect(reply).toEqual({ written: 5, replaced: 0 });
    expect(verbs().filter((verb) => verb !== "(close)")).toEqual(
      Array.from({ length: 3 }, () => ["begin", "stage", "commit"]).flat(),
    );
    expect(seen.filter((call) => call.verb === "stage").map((call) => call.request.first)).toEqual([0, 2, 4]);
  });

  test.each([
    [
      "a generator",
      () =>
        (function* () {
          yield* numbered(3);
        })(),
    ],
    [
      "an async generator",
      () =>
        (async function* () {
          yield* numbered(3);
        })(),
    ],
    [
      "a web stream",
      () =>
        new ReadableStream({
          start(to) {
            for (const one of numbered(3)) to.enqueue(one);
            to.close();
          },
        }),
    ],
    [
      "a stream without an async iterator",
      () => {
        const stream =
          new Response("").body &&
          new ReadableStream({
            start(to) {
              for (const one of numbered(3)) to.enqueue(one);
              to.close();
            },
          });
        return { getReader: () => (stream as ReadableStream).getReader() };
      },
    ],
  ])("may be %s", async (_, make) => {
    const { collection } = await collect();
    expect(await collection.upsert(make() as never)).toEqual({ written: 3, replaced: 0 });
  });

  test("say how many documents were committed before the failure", async () => {
    const { collection } = await collect();
    const documents = new Set<object>([...numbered(4), { id: 9, n: Number.NaN }]);
    const error = await failure(collection.upsert(documents as never, { batchSize: 2 }));
    expect(error).toMatchObject({ code: "ERR_NOT_FINITE", position: 4, committed: 4 });
    const first = await failure(collection.upsert(new Set([{ id: 1, n: 1n }]) as never));
    expect(first).toMatchObject({ committed: 0 });
  });

  test("are told to stop when something fails, and their own errors come through", async () => {
    let stopped = 0;
    async function* endless() {
      try {
        for (let id = 0; ; id++) yield { id, n: id === 3 ? Number.NaN : id };
      } finally {
        stopped += 1;
      }
    }
    const { collection, verbs } = await collect();
    expect(await failure(collection.upsert(endless()))).toMatchObject({ position: 3 });
    expect(stopped).toBe(1);
    async function* broken() {
      yield { id: 1 };
      throw new RangeError("the source is broken");
    }
    expect(await failure(collection.upsert(broken()))).toBeInstanceOf(RangeError);
    expect(verbs()).not.toContain("commit");
  });

  test("that hang are left when the signal says so", async () => {
    const stop = new AbortController();
    const hanging = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
    const { collection } = await collect();
    const call = failure(collection.upsert(hanging, { signal: stop.signal }));
    setTimeout(() => stop.abort("enough"), 5);
    expect(await call).toMatchObject({ code: "ERR_ABORTED", cause: "enough", committed: 0 });
  });
});

describe("abort and progress", () => {
  test("an abort between chunks leaves the batch uncommitted", async () => {
    const stop = new AbortController();
    const { collection, verbs } = await collect();
    const onProgress = () => stop.abort("enough");
    const error = await failure(collection.upsert(numbered(2_000), { signal: stop.signal, onProgress }));
    expect(error).toMatchObject({ code: "ERR_ABORTED", cause: "enough" });
    expect(error).not.toHaveProperty("committed");
    expect(verbs()).toEqual(["begin", "stage", "abort", "(close)"]);
  });

  test("an abort cancels the chunks on their way", async () => {
    const stop = new AbortController();
    const { collection, seen } = await collect((call) => {
      if (call.verb !== "stage") return undefined;
      const wait = deferred<unknown>();
      stop.signal.addEventListener("abort", () =>
        setTimeout(() => wait.resolve(refusal({ code: "ERR_ABORTED", message: "cancelled" }))),
      );
      return wait.promise;
    });
    const call = failure(collection.upsert(numbered(600), { signal: stop.signal }));
    setTimeout(() => stop.abort("enough"), 5);
    expect(await call).toMatchObject({ code: "ERR_ABORTED", cause: "enough" });
    const stages = seen.filter((one) => one.verb === "stage");
    expect(stages.map((one) => one.control?.cancelled)).toEqual([true, true]);
  });

  test("progress counts documents, with a total where it is known", async () => {
    const { collection } = await collect();
    const told: unknown[] = [];
    const onProgress = (progress: unknown) => told.push(progress);
    await collection.upsert(numbered(600), { onProgress });
    await collection.upsert(new Set(numbered(3)), { onProgress, batchSize: 2 });
    expect(told).toEqual([{ done: 512, total: 600 }, { done: 600, total: 600 }, { done: 2 }, { done: 3 }]);
  });

  test("a core that answers at once still lets timers run", async () => {
    const { collection } = await collect((call) => {
      if (call.verb !== "stage") return undefined;
      const until = performance.now() + 15;
      while (performance.now() < until);
      return {};
    });
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 30);
    expect(await failure(collection.upsert(numbered(512 * 20), { signal: stop.signal }))).toMatchObject({
      code: "ERR_ABORTED",
    });
  });

  test("closing the collection stops an upsert that is under way", async () => {
    const { collection } = await collect(
      () => new Promise((resolve) => setTimeout(() => resolve(undefined), 25)),
    );
    const call = failure(collection.upsert(numbered(512 * 8)));
    await new Promise((resolve) => setTimeout(resolve, 60));
    await collection.close();
    expect(await call).toMatchObject({ code: "ERR_CLOSED" });
  });
});
