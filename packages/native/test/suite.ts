/** What every binding promises at the seam, whatever the engine behind it does. */
import { describe, expect, it } from "vitest";
import type { Binding, Handle, Reply } from "../../tercet/src/binding.js";

export const DIMS = 4;

/** Three rows along the axes. */
export const ROWS = Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);

export const BUILD = JSON.stringify({ dims: DIMS, metric: "dot", index: { kind: "flat" } });

/** The error's code, or the answer that should have been one. */
export function codeOf(reply: Reply): string {
  return reply.error === undefined ? `no error: ${reply.json}` : JSON.parse(reply.error).code;
}

/** A level-1 index over {@link ROWS}. */
export function build(binding: Binding, rows = ROWS): Handle {
  const reply = binding.root.callSync("index.build", BUILD, [rows]);
  expect(reply.error).toBeUndefined();
  expect(reply.handle).toBeDefined();
  return reply.handle as Handle;
}

export function bindingSuite(load: () => Promise<Binding>): void {
  describe("at the seam", () => {
    it("answers with JSON and says its version", async () => {
      const binding = await load();
      const reply = await binding.root.call("info", "{}", []);
      expect(reply.error).toBeUndefined();
      expect(JSON.parse(reply.json).version).toBe(binding.version);
      expect(reply.arrays).toEqual([]);
      expect(binding.root.callSync("info", "{}", []).json).toBe(reply.json);
    });

    it("gives failures as data and never throws", async () => {
      const { root, control } = await load();
      const wrong = (...args: unknown[]) =>
        (root.call as (...args: unknown[]) => Reply | Promise<Reply>).apply(root, args);
      expect(codeOf(await wrong("no such verb", "{}", []))).toBe("ERR_UNSUPPORTED");
      expect(codeOf(await wrong("open", "not JSON", []))).toMatch(/^ERR_/);
      expect(codeOf(await wrong(7, "{}", []))).toBe("ERR_ARGUMENT");
      expect(codeOf(await wrong("info", undefined, []))).toBe("ERR_ARGUMENT");
      expect(codeOf(await wrong("info", "{}", "no array"))).toBe("ERR_ARGUMENT");
      expect(codeOf(await wrong("info", "{}", [new Float64Array(1)]))).toBe("ERR_ARGUMENT");
      expect(codeOf(await wrong("info", "{}", [], {}))).toBe("ERR_ARGUMENT");
      expect(codeOf(await wrong("info", "{}"))).toBe("ERR_ARGUMENT");
      expect(control().total()).toBe(0);
    });

    it("searches into the caller's arrays", async () => {
      const index = build(await load());
      const [rows, scores] = [new Uint32Array(2), new Float32Array(2)];
      expect(index.searchInto(Float32Array.of(0, 2, 1, 0), 2, rows, scores)).toBe(2);
      expect([...rows]).toEqual([1, 2]);
      expect([...scores]).toEqual([2, 1]);
      const roomy = [new Uint32Array(5).fill(9), new Float32Array(5).fill(9)] as const;
      expect(index.searchInto(Float32Array.of(0, 0, 0, 1), 5, ...roomy)).toBe(3);
      expect([...roomy[0]]).toEqual([0, 1, 2, 9, 9]);
      expect(index.searchInto(Float32Array.of(1, 0, 0, 0), 0, rows, scores)).toBeLessThanOrEqual(0);
    });

    it("refuses wrong arrays, and says why", async () => {
      const index = build(await load());
      const query = new Float32Array(DIMS).fill(1);
      const [rows, scores] = [new Uint32Array(3), new Float32Array(3)];
      const tries: [code: string, args: unknown[]][] = [
        ["ERR_DIMENSION", [new Float32Array(DIMS - 1).fill(1), 1, rows, scores]],
        ["ERR_ARGUMENT", [query, 4, rows, scores]],
        ["ERR_ARGUMENT", [query, 1.5, rows, scores]],
        ["ERR_ARGUMENT", [query, -1, rows, scores]],
        ["ERR_ARGUMENT", [query, Number.NaN, rows, scores]],
        ["ERR_ARGUMENT", [query, "2", rows, scores]],
        ["ERR_ARGUMENT", [query, 2, scores, scores]],
        ["ERR_ARGUMENT", [query, 2, rows, rows]],
        ["ERR_ARGUMENT", [[1, 2, 3, 4], 2, rows, scores]],
        ["ERR_ARGUMENT", [query, 2, new Uint32Array(scores.buffer), scores]],
        ["ERR_ARGUMENT", [new Float32Array(scores.buffer, 0, 3), 2, rows, scores]],
        ["ERR_ARGUMENT", []],
      ];
      for (const [code, args] of tries) {
        const search = index.searchInto as (...args: unknown[]) => number;
        expect(search.apply(index, args), JSON.stringify(args)).toBe(-1);
        expect(JSON.parse(index.lastError()).code, JSON.stringify(args)).toBe(code);
      }
      expect([...rows, ...scores]).toEqual([0, 0, 0, 0, 0, 0]);
    });

    it("copies what it is given before the call returns", async () => {
      const { root } = await load();
      const rows = ROWS.slice();
      const pending = root.call("index.build", BUILD, [rows]);
      rows.fill(0);
      const index = (await pending).handle as Handle;
      const [found, scores] = [new Uint32Array(1), new Float32Array(1)];
      expect(index.searchInto(Float32Array.of(0, 0, 3, 0), 1, found, scores)).toBe(1);
      expect([found[0], scores[0]]).toEqual([2, 3]);
    });

    it("takes and fills shared memory, and views into larger buffers", async () => {
      const shared = <T>(kind: new (buffer: SharedArrayBuffer) => T, length: number) =>
        new kind(new SharedArrayBuffer(length * 4));
      const rows = shared(Float32Array, ROWS.length);
      rows.set(ROWS);
      const index = build(await load(), rows as unknown as Float32Array<ArrayBuffer>);
      const query = shared(Float32Array, DIMS);
      query[1] = 5;
      const [found, scores] = [shared(Uint32Array, 1), shared(Float32Array, 1)];
      expect(index.searchInto(query, 1, found, scores)).toBe(1);
      expect([found[0], scores[0]]).toEqual([1, 5]);
      const buffer = new ArrayBuffer(64);
      const views = [new Uint32Array(buffer, 16, 2), new Float32Array(buffer, 24, 2)] as const;
      expect(index.searchInto(new Float32Array(buffer, 0, DIMS).fill(1), 2, ...views)).toBe(2);
    });

    it("brings arrays back", async () => {
      const index = build(await load());
      const queries = Float32Array.from([0, 1, 0, 0, 0, 0, 1, 0]);
      const reply = await index.call("searchBatch", JSON.stringify({ k: 2 }), [queries]);
      expect(reply.error).toBeUndefined();
      const [rows, scores] = reply.arrays;
      expect(rows).toBeInstanceOf(Uint32Array);
      expect(scores).toBeInstanceOf(Float32Array);
      expect([rows?.[0], rows?.[2]]).toEqual([1, 2]);
    });

    it("stays closed once closed", async () => {
      const binding = await load();
      const index = build(binding);
      index.close();
      index.close();
      expect(codeOf(await index.call("stats", "{}", []))).toBe("ERR_CLOSED");
      expect(codeOf(index.callSync("stats", "{}", []))).toBe("ERR_CLOSED");
      expect(index.searchInto(new Float32Array(DIMS), 1, new Uint32Array(1), new Float32Array(1))).toBe(-1);
      expect(JSON.parse(index.lastError()).code).toBe("ERR_CLOSED");
      expect(build(binding).lastError()).toBe("");
      binding.root.close();
      expect(codeOf(await binding.root.call("info", "{}", []))).toBe("ERR_CLOSED");
    });

    it("takes a control, also one that is cancelled already", async () => {
      const binding = await load();
      const control = binding.control();
      expect((await binding.root.call("info", "{}", [], control)).error).toBeUndefined();
      expect(control.done()).toBeGreaterThanOrEqual(0);
      control.cancel();
      const reply = await binding.root.call("index.build", BUILD, [ROWS], control);
      if (reply.error !== undefined) expect(codeOf(reply)).toBe("ERR_ABORTED");
    });
  });
}
