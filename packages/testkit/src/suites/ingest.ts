/** Getting documents in: sources, progress, abort, many at once. */
import { integer, match, text } from "tercet";
import { describe, expect, test } from "vitest";
import { failure, type Kit } from "../kit.js";

const schema = { n: integer(), t: text({ optional: true }) };
const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, n: from + i }));

export function ingest(kit: Kit): void {
  describe("upsert", () => {
    test("takes arrays, iterables, async iterables and web streams", async () => {
      const collection = await kit.open(schema);
      await collection.upsert(numbered(10, 0));
      await collection.upsert(new Set(numbered(10, 10)));
      const generated = (function* () {
        yield* numbered(10, 20);
      })();
      await collection.upsert(generated, { batchSize: 3 });
      const awaited = (async function* () {
        for (const one of numbered(10, 30)) {
          await null;
          yield one;
        }
      })();
      await collection.upsert(awaited, { batchSize: 4 });
      const stream = new ReadableStream<{ id: number; n: number }>({
        start(to) {
          for (const one of numbered(10, 40)) to.enqueue(one);
          to.close();
        },
      });
      expect(await collection.upsert(stream)).toEqual({ written: 10, replaced: 0 });
      expect(await collection.count()).toBe(50);
      for (const id of [0, 19, 25, 39, 49]) expect(await collection.get(id)).toEqual({ id, n: id });
    });

    test("counts progress up to the number of documents", async () => {
      const collection = await kit.open(schema);
      const told: { done: number; total?: number }[] = [];
      await collection.upsert(numbered(5_000), { onProgress: (progress) => told.push(progress) });
      const done = told.map((progress) => progress.done);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(told.at(-1)).toEqual({ done: 5_000, total: 5_000 });
      expect(told.length).toBeGreaterThan(3);
    });

    test("aborted before or during leaves nothing", async () => {
      const collection = await kit.open(schema);
      await collection.upsert(numbered(3));
      const before = AbortSignal.abort("before");
      expect(await failure(collection.upsert(numbered(100, 10), { signal: before }))).toMatchObject({
        code: "ERR_ABORTED",
        cause: "before",
      });
      const stop = new AbortController();
      const onProgress = ({ done }: { done: number }) => {
        if (done >= 1_000) stop.abort("during");
      };
      const during = collection.upsert(numbered(20_000, 10), { signal: stop.signal, onProgress });
      expect(await failure(during)).toMatchObject({ code: "ERR_ABORTED", cause: "during" });
      expect(await collection.count()).toBe(3);
      expect(await collection.get(10)).toBeUndefined();
      await collection.upsert(numbered(100, 10));
      expect(await collection.count()).toBe(103);
    });

    test("aborted by a timer stops soon, also where there are no threads", async () => {
      const collection = await kit.open(schema);
      const stop = new AbortController();
      const started = performance.now();
      setTimeout(() => stop.abort(), 30);
      const long = collection.upsert(endless(), { signal: stop.signal, batchSize: 1_000_000 });
      expect(await failure(long)).toMatchObject({ code: "ERR_ABORTED", committed: 0 });
      expect(performance.now() - started).toBeLessThan(5_000);
      expect(await collection.count()).toBe(0);
    });

    test("lets the event loop turn while it works", async () => {
      const collection = await kit.open(schema);
      let turns = 0;
      const timer = setInterval(() => {
        turns += 1;
      }, 1);
      const t = "some words to be analysed ".repeat(20);
      await collection.upsert(numbered(20_000).map((one) => ({ ...one, t })));
      clearInterval(timer);
      expect(turns).toBeGreaterThan(3);
    });

    test("works side by side with others and with searches", async () => {
      const collection = await kit.open(schema);
      const writing = Array.from({ length: 6 }, (_, i) => collection.upsert(numbered(700, i * 700)));
      const reading = Array.from({ length: 20 }, () => collection.search({ query: match("x") }));
      const replies = await Promise.all(writing);
      await Promise.all(reading);
      expect(replies.map((reply) => reply.written)).toEqual([700, 700, 700, 700, 700, 700]);
      expect(await collection.count()).toBe(4_200);
    });

    test("shows a batch whole or not at all", async () => {
      const collection = await kit.open(schema);
      const seen = new Set<number>();
      let writing = true;
      const watch = (async () => {
        while (writing) {
          seen.add(await collection.count());
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      })();
      await collection.upsert(numbered(5_000));
      await collection.upsert(numbered(5_000).map((one) => ({ ...one, n: -1 })));
      writing = false;
      await watch;
      for (const count of seen) expect([0, 5_000]).toContain(count);
      expect(await collection.count({ n: -1 })).toBe(5_000);
    });
  });
}

function* endless() {
  for (let id = 0; ; id++) yield { id, n: id, t: "some words to be analysed" };
}
