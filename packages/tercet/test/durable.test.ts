/** What a durable collection sends and when: versions, snapshots, repair, and the timer of `durability`. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Collection, importSnapshot, type OpenOptions, open, repair, text } from "../src/main.js";
import { deferred, type Fake, fake, refusal, type Seen } from "./support/fake.js";

const schema = { title: text() };
type Notes = Collection<typeof schema>;

async function collect(
  answer?: (call: Seen) => unknown,
  options: OpenOptions<typeof schema> = {},
): Promise<Fake & { collection: Notes }> {
  const made = fake(schema, (call) => (call.verb === "open" ? undefined : answer?.(call)));
  const collection = await open("notes", { schema, backend: made.binding, ...options });
  made.seen.length = 0;
  return { ...made, collection };
}

describe("versions", () => {
  test("are numbers that follow what was seen last", async () => {
    const versions: Record<string, number> = { refresh: 2, flush: 3, tag: 4, stats: 5 };
    const { collection } = await collect(({ verb }) => ({ version: versions[verb], changed: true }));
    expect(collection.version).toBe(1);
    expect(await collection.refresh()).toEqual({ version: 2, changed: true });
    expect(collection.version).toBe(2);
    expect((await collection.flush()).version).toBe(3);
    expect(collection.version).toBe(3);
    expect((await collection.tag("good")).version).toBe(4);
    expect(collection.version).toBe(4);
    await collection.stats();
    expect(collection.version).toBe(5);
  });

  test("are listed, tagged and untagged", async () => {
    const list = [{ version: 1, createdMs: 7, documents: 3, tags: ["good"], current: true }];
    const { collection, seen } = await collect(({ verb }) =>
      verb === "versions" ? { versions: list } : { version: 1, removed: true },
    );
    expect(await collection.versions()).toEqual(list);
    await collection.tag("good");
    expect(await collection.untag("good")).toMatchObject({ removed: true });
    expect(seen.slice(1).map(({ verb, request }) => [verb, request])).toEqual([
      ["tag", { name: "good" }],
      ["untag", { name: "good" }],
    ]);
  });

  test("have names that are text", async () => {
    const { collection, seen } = await collect();
    for (const name of ["", 7, null, undefined, {}, Symbol("x")]) {
      const refused = { code: "ERR_ARGUMENT", field: "name" };
      await expect(collection.tag(name as string)).rejects.toMatchObject(refused);
      await expect(collection.untag(name as string)).rejects.toMatchObject(refused);
    }
    await expect(collection.tag("\ud800")).rejects.toMatchObject({ code: "ERR_ENCODING" });
    expect(seen).toEqual([]);
  });
});

describe("snapshots", () => {
  const said = { bytes: 3, documents: 1, version: 1 };

  test("go to a file, or come back as bytes", async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const { collection, seen } = await collect(({ request }) =>
      request.path === undefined ? { json: JSON.stringify(said), arrays: [bytes] } : said,
    );
    expect(await collection.exportSnapshot("a.tercet")).toEqual(said);
    expect(await collection.exportSnapshot()).toBe(bytes);
    const told: unknown[] = [];
    const options = { onProgress: (progress: unknown) => told.push(progress) };
    expect(await collection.exportSnapshot(options)).toBe(bytes);
    expect(await collection.exportSnapshot("b.tercet", options)).toEqual(said);
    expect(told).toHaveLength(2);
    expect(seen.map(({ request }) => request)).toEqual([{ path: "a.tercet" }, {}, {}, { path: "b.tercet" }]);
    for (const path of ["", 7, null]) {
      const call = collection.exportSnapshot(path as string);
      await expect(call).rejects.toMatchObject({ code: "ERR_ARGUMENT", field: "path" });
    }
  });

  test("become folders, from a file or from bytes", async () => {
    const { binding, seen } = fake(schema, () => ({ documents: 1, bytes: 3 }));
    const backend = binding;
    expect(await importSnapshot("a.tercet", "notes", { backend })).toEqual({ documents: 1, bytes: 3 });
    await importSnapshot(new Uint8Array([7]), "notes", { backend });
    expect(seen).toMatchObject([
      { on: "root", verb: "import", request: { from: "a.tercet", path: "notes" }, arrays: [] },
      { on: "root", verb: "import", request: { path: "notes" }, arrays: [new Uint8Array([7])] },
    ]);
    expect(seen[1]?.request).not.toHaveProperty("from");
  });

  test("become nothing of what is none", async () => {
    const { binding: backend, seen } = fake(schema);
    const bad = (source: unknown, path: unknown) =>
      importSnapshot(source as string, path as string, { backend });
    await expect(bad([1, 2], "x")).rejects.toMatchObject({ code: "ERR_ARGUMENT", field: "source" });
    await expect(bad("", "x")).rejects.toMatchObject({ code: "ERR_ARGUMENT", field: "source" });
    await expect(bad("x", undefined)).rejects.toMatchObject({ code: "ERR_ARGUMENT", field: "path" });
    await expect(repair(7 as never, { backend })).rejects.toMatchObject({
      code: "ERR_ARGUMENT",
      field: "path",
    });
    const signal = AbortSignal.abort("enough");
    await expect(repair("x", { backend, signal })).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(seen).toEqual([]);
  });

  test("aborted on their way give the reason", async () => {
    const wait = deferred<unknown>();
    const { collection, seen } = await collect(() => wait.promise);
    const stop = new AbortController();
    const call = collection.exportSnapshot("a.tercet", { signal: stop.signal });
    stop.abort("enough");
    expect(seen[0]?.control?.cancelled).toBe(true);
    wait.resolve(refusal({ code: "ERR_ABORTED", message: "cancelled" }));
    await expect(call).rejects.toMatchObject({ code: "ERR_ABORTED", cause: "enough" });
  });
});

describe("repair", () => {
  test("says what was done", async () => {
    const reply = { actions: ["set 0000000002.seg aside"], documents: 5, lost: 1, ok: true };
    const { binding, seen } = fake(schema, () => reply);
    const told: unknown[] = [];
    const onProgress = (progress: unknown) => told.push(progress);
    expect(await repair("notes", { backend: binding, onProgress })).toEqual(reply);
    expect(seen[0]).toMatchObject({ on: "root", verb: "repair", request: { path: "notes" } });
    expect(told).toEqual([{ done: 0 }]);
  });
});

describe("durability with an interval", () => {
  const durability = { intervalMs: 1_000 };
  const note = [{ id: 1, title: "x" }];
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("syncs once for all commits of an interval, and not without one", async () => {
    const { collection, seen, verbs } = await collect(undefined, { durability });
    await vi.advanceTimersByTimeAsync(10_000);
    await collection.count();
    expect(vi.getTimerCount()).toBe(0);
    seen.length = 0;
    await collection.upsert(note);
    await vi.advanceTimersByTimeAsync(600);
    await collection.remove(1);
    await collection.removeWhere({});
    expect(verbs()).not.toContain("sync");
    await vi.advanceTimersByTimeAsync(400);
    expect(verbs().at(-1)).toBe("sync");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(verbs().filter((verb) => verb === "sync")).toHaveLength(1);
    await collection.close();
  });

  test("syncs again for what is committed beside a sync", async () => {
    const wait = deferred<unknown>();
    const { collection, verbs } = await collect(({ verb }) => (verb === "sync" ? wait.promise : undefined), {
      durability,
    });
    await collection.upsert(note);
    await vi.advanceTimersByTimeAsync(1_000);
    await collection.upsert(note);
    wait.resolve({});
    await vi.advanceTimersByTimeAsync(1_000);
    expect(verbs().filter((verb) => verb === "sync")).toHaveLength(2);
  });

  test("does not keep the process alive", async () => {
    vi.useRealTimers();
    const { collection } = await collect(undefined, { durability });
    const set = vi.spyOn(globalThis, "setTimeout");
    await collection.upsert(note);
    const timer = set.mock.results.at(-1)?.value as NodeJS.Timeout;
    expect(timer.hasRef()).toBe(false);
    set.mockRestore();
    await collection.close();
  });

  const failing = (call: Seen) =>
    call.verb === "sync" ? refusal({ code: "ERR_IO", message: "no space", file: "1.log" }) : undefined;

  test("a sync that fails is told by the next verb, once", async () => {
    const { collection, seen } = await collect(failing, { durability });
    await collection.upsert(note);
    await vi.advanceTimersByTimeAsync(1_000);
    seen.length = 0;
    const error = await collection.search({ query: { kind: "all" } }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "ERR_IO", file: "1.log", cause: { code: "ERR_IO" } });
    expect((error as Error).message).toBe("an earlier commit could not be made durable: no space");
    expect((error as Error).stack).toContain("durable.test.ts");
    expect(seen).toEqual([]);
    expect(await collection.count()).toBeUndefined();
    await collection.upsert(note);
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(collection.upsert(note)).rejects.toMatchObject({ code: "ERR_IO" });
  });

  test("a sync that fails is told by close, which closes all the same", async () => {
    for (const how of ["close", "dispose"] as const) {
      const { collection, verbs } = await collect(failing, { durability });
      await collection.upsert(note);
      await vi.advanceTimersByTimeAsync(1_000);
      if (how === "close") await expect(collection.close()).rejects.toMatchObject({ code: "ERR_IO" });
      else expect(() => collection[Symbol.dispose]()).toThrow("no space");
      expect(verbs().slice(-2)).toEqual(["close", "(close)"]);
    }
  });

  test("close leaves no timer", async () => {
    const { collection, verbs } = await collect(undefined, { durability });
    await collection.upsert(note);
    await collection.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(verbs()).not.toContain("sync");
  });
});

describe("a collection that is open for reading", () => {
  test("is closed without writing", async () => {
    const { collection, verbs } = await collect(undefined, { readOnly: true });
    expect(collection.readOnly).toBe(true);
    await collection.close();
    expect(verbs()).toEqual(["(close)"]);
  });
});
