import { describe, expect, test, vi } from "vitest";
import {
  all,
  boolean,
  type Collection,
  date,
  dense,
  fuse,
  integer,
  match,
  near,
  open,
  text,
} from "../src/main.js";
import { deferred, type Fake, fake, refusal, type Seen } from "./support/fake.js";

const schema = {
  title: text(),
  year: integer({ optional: true }),
  day: date({ optional: true }),
  open: boolean({ optional: true }),
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

describe("search", () => {
  test("sends the wire request, vectors beside it", async () => {
    const { collection, seen } = await collect(() => ({
      json: JSON.stringify({ hits: [], exact: true }),
      arrays: [new Float32Array(0)],
    }));
    const vector = new Float32Array([1, 2]);
    await collection.search({
      query: fuse.rrf([match("x"), near("vector", vector), near("vector", [3, 4])]),
      where: { day: { gte: new Date(0) }, year: 7 },
      limit: 3,
      select: ["title"],
    });
    expect(seen[0]?.request).toEqual({
      query: {
        kind: "fuse",
        method: "rrf",
        queries: [
          { kind: "match", text: "x" },
          { kind: "near", field: "vector", vector: { $vector: 0 } },
          { kind: "near", field: "vector", vector: { $vector: 1 } },
        ],
      },
      where: { day: { gte: "1970-01-01T00:00:00.000Z" }, year: 7 },
      limit: 3,
      select: ["title"],
    });
    expect(seen[0]?.arrays).toEqual([vector, new Float32Array([3, 4])]);
  });

  test("gives hits with scores, dates and vectors", async () => {
    const { collection } = await collect(() => ({
      json: JSON.stringify({
        hits: [
          {
            id: "a",
            document: { id: "a", title: "t", day: "2020-01-02T03:04:05.006Z", vector: { $vector: 1 } },
          },
          { id: 1, document: { title: "u", day: 5 }, highlights: { title: [[0, 1]] } },
        ],
        exact: true,
      }),
      arrays: [new Float32Array([0.5, 0.25]), new Float32Array([7, 8])],
    }));
    const page = await collection.search({ query: match("t"), highlight: ["title"] });
    expect(page).toEqual({
      hits: [
        {
          id: "a",
          score: 0.5,
          document: {
            id: "a",
            title: "t",
            day: new Date("2020-01-02T03:04:05.006Z"),
            vector: new Float32Array([7, 8]),
          },
          highlights: {},
        },
        {
          id: 1,
          score: 0.25,
          document: { id: 1, title: "u", day: new Date(5) },
          highlights: { title: [[0, 1]] },
        },
      ],
      exact: true,
      complete: true,
    });
  });

  test.each([
    ["a limit that is NaN", { query: all(), limit: Number.NaN }, { code: "ERR_LIMIT", field: "limit" }],
    ["half a hit", { query: all(), limit: 1.5 }, { code: "ERR_LIMIT", field: "limit", found: "1.5" }],
    ["a limit in words", { query: all(), limit: "ten" }, { code: "ERR_TYPE", field: "limit" }],
    [
      "an infinite offset",
      { query: all(), offset: Number.POSITIVE_INFINITY },
      { code: "ERR_LIMIT", field: "offset" },
    ],
    [
      "NaN in a filter",
      { query: all(), where: { year: { gte: Number.NaN } } },
      { code: "ERR_NOT_FINITE", field: "year" },
    ],
    [
      "NaN deep in a filter",
      { query: all(), where: { or: [{ not: { year: Number.NaN } }] } },
      { code: "ERR_NOT_FINITE", field: "year" },
    ],
    [
      "a bigint in a filter",
      { query: all(), where: { year: 7n } },
      { code: "ERR_TYPE", field: "year", found: "7n" },
    ],
    [
      "a date that is none",
      { query: all(), where: { day: new Date("x") } },
      { code: "ERR_TYPE", field: "day" },
    ],
    [
      "NaN in a vector",
      { query: near("vector", [1, Number.NaN]) },
      { code: "ERR_NOT_FINITE", field: "vector", component: 1 },
    ],
    [
      "a vector component that f32 cannot hold",
      { query: near("vector", [1e39, 0]) },
      { code: "ERR_NOT_FINITE", component: 0, found: "1e+39" },
    ],
    [
      "doubles for floats",
      { query: near("vector", new Float64Array(2) as never) },
      { code: "ERR_TYPE", field: "vector", found: "a Float64Array" },
    ],
    ["half a surrogate pair", { query: match("\ud83d") }, { code: "ERR_ENCODING" }],
    ["no request", undefined, { code: "ERR_ARGUMENT" }],
    ["half a neighbour", { query: near("vector", [1, 2], { k: 0.5 }) }, { code: "ERR_LIMIT", field: "k" }],
  ])("refuses %s before anything is sent", async (_, request, expected) => {
    const { collection, seen } = await collect();
    await expect(collection.search(request as never)).rejects.toMatchObject(expected);
    expect(seen).toEqual([]);
  });

  test("refuses a cycle instead of never ending", async () => {
    const { collection } = await collect();
    const where: Record<string, unknown> = {};
    where.not = where;
    await expect(collection.search({ query: all(), where: where as never })).rejects.toMatchObject({
      code: "ERR_TYPE",
    });
  });
});

describe("get, remove and count", () => {
  test("take one id or many", async () => {
    const { collection, seen } = await collect((call) =>
      call.verb === "get"
        ? { documents: call.request.ids.map((id: number) => (id === 1 ? { id: 1, title: "t" } : null)) }
        : { removed: 1 },
    );
    expect(await collection.get(1)).toEqual({ id: 1, title: "t" });
    expect(await collection.get(2)).toBeUndefined();
    expect(await collection.get([2, 1])).toEqual([undefined, { id: 1, title: "t" }]);
    await collection.get(1, { select: ["title"] });
    expect(seen.at(-1)?.request).toEqual({ ids: [1], select: ["title"] });
    expect(await collection.remove("x")).toEqual({ removed: 1 });
    expect(await collection.remove(["x", 3])).toEqual({ removed: 1 });
    expect(seen.at(-1)?.request).toEqual({ ids: ["x", 3] });
  });

  test("refuse what is no id", async () => {
    const { collection, seen } = await collect();
    for (const id of [Number.NaN, 1n, {}, null, undefined, Symbol("x")]) {
      await expect(collection.get(id as never)).rejects.toMatchObject({ code: "ERR_ID" });
      await expect(collection.remove([1, id as never])).rejects.toMatchObject({ code: "ERR_ID" });
    }
    await expect(collection.get("\udc00")).rejects.toMatchObject({ code: "ERR_ENCODING" });
    expect(seen).toEqual([]);
  });
});

describe("signals and progress", () => {
  test("abort before: nothing is sent", async () => {
    const { collection, seen } = await collect();
    const signal = AbortSignal.abort(new Error("why"));
    const calls = [
      collection.count({}, { signal }),
      collection.search({ query: all(), signal }),
      collection.upsert([{ id: 1, title: "x" }], { signal }),
      collection.flush({ signal }),
      collection.get(1, { signal }),
    ];
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: "ERR_ABORTED", cause: signal.reason });
    }
    expect(seen).toEqual([]);
  });

  test("abort during: the control is cancelled and the reason becomes the cause", async () => {
    const { collection, seen } = await collect((call) => {
      if (call.verb !== "compact") return undefined;
      const wait = deferred<unknown>();
      const timer = setInterval(() => {
        if (!call.control?.cancelled) return;
        clearInterval(timer);
        wait.resolve(refusal({ code: "ERR_ABORTED", message: "cancelled" }));
      }, 1);
      return wait.promise;
    });
    const stop = new AbortController();
    const call = collection.compact({ signal: stop.signal });
    setTimeout(() => stop.abort("enough"), 5);
    await expect(call).rejects.toMatchObject({ code: "ERR_ABORTED", cause: "enough" });
    expect(seen[0]?.control?.cancelled).toBe(true);
  });

  test("progress is polled, and told once more at the end", async () => {
    vi.useFakeTimers();
    const wait = deferred<unknown>();
    const { collection, seen } = await collect((call) => (call.verb === "verify" ? wait.promise : undefined));
    const told: unknown[] = [];
    const call = collection.verify({ onProgress: (progress) => told.push(progress) });
    Object.assign(seen[0]?.control ?? {}, { worked: 1 });
    vi.advanceTimersByTime(60);
    Object.assign(seen[0]?.control ?? {}, { worked: 3, all: 3 });
    wait.resolve({ files: 3, bytes: 1, problems: [] });
    await call;
    expect(told).toEqual([{ done: 1 }, { done: 3, total: 3 }]);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  test("a progress callback that throws ends the call with its error", async () => {
    const { collection } = await collect();
    const onProgress = () => {
      throw new RangeError("mine");
    };
    await expect(collection.flush({ onProgress })).rejects.toThrow("mine");
    await expect(collection.upsert([{ id: 1, title: "x" }], { onProgress })).rejects.toThrow("mine");
  });
});

describe("closing", () => {
  test("flushes, frees the handle once, and refuses everything afterwards", async () => {
    const { collection, seen, verbs } = await collect();
    await Promise.all([collection.close(), collection.close()]);
    await collection[Symbol.asyncDispose]();
    collection[Symbol.dispose]();
    expect(verbs()).toEqual(["close", "(close)"]);
    expect(collection.closed).toBe(true);
    seen.length = 0;
    const calls = [
      collection.upsert([]),
      collection.get(1),
      collection.remove(1),
      collection.removeWhere({}),
      collection.search({ query: all() }),
      collection.count(),
      collection.flush(),
      collection.compact(),
      collection.verify(),
      collection.stats(),
      collection.sync(),
      collection.refresh(),
      collection.versions(),
      collection.tag("x"),
      collection.untag("x"),
      collection.exportSnapshot(),
      collection.exportSnapshot("x"),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(seen).toEqual([]);
  });

  test("works with `using` and `await using`", async () => {
    const one = await collect();
    {
      using collection = one.collection;
      expect(collection.closed).toBe(false);
    }
    expect(one.verbs()).toEqual(["close", "(close)"]);
    const two = await collect();
    {
      await using collection = two.collection;
      expect(collection.closed).toBe(false);
    }
    expect(two.verbs()).toEqual(["close", "(close)"]);
  });

  test("says when the last flush failed, and closes all the same", async () => {
    const { collection, verbs } = await collect((call) =>
      call.verb === "close" ? refusal({ code: "ERR_IO", message: "disk" }) : undefined,
    );
    await expect(collection.close()).rejects.toMatchObject({ code: "ERR_IO" });
    expect(verbs()).toEqual(["close", "(close)"]);
  });

  test("is quiet when the core closed the handle itself", async () => {
    const { collection } = await collect((call) =>
      call.verb === "close" ? refusal({ code: "ERR_CLOSED", message: "closed after a defect" }) : undefined,
    );
    await collection.close();
  });
});
