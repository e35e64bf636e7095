import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };
import { load, NativeUnavailableError, platformName } from "../src/main.js";
import { BUILD, bindingSuite, build, codeOf, DIMS, ROWS } from "./suite.js";

describe("native binding", () => {
  bindingSuite(async () => load());

  it("has the version of its package", () => {
    expect(load().version).toBe(manifest.version);
    expect(load().backend).toBe("native");
  });

  it("gives every load a root of its own", () => {
    const [one, other] = [load(), load()];
    one.root.close();
    expect(other.root.callSync("info", "{}", []).error).toBeUndefined();
  });

  it("runs long calls off the event loop", async () => {
    const binding = load();
    const pending = binding.root.call("index.build", BUILD, [ROWS]);
    expect(pending).toBeInstanceOf(Promise);
    expect(binding.root.call("info", "{}", [])).not.toBeInstanceOf(Promise);
    expect((await pending).handle).toBeDefined();
  });

  it("shows progress of a running call and cancels it", async () => {
    const binding = load();
    const index = build(binding, new Float32Array(200_000 * DIMS).fill(1));
    const control = binding.control();
    const queries = new Float32Array(20_000 * DIMS).fill(1);
    const pending = index.call("searchBatch", '{"k":1}', [queries], control);
    while (control.done() === 0) await new Promise((wake) => setTimeout(wake, 1));
    expect(control.total()).toBeGreaterThan(control.done());
    control.cancel();
    expect(codeOf(await pending)).toBe("ERR_ABORTED");
    expect(index.callSync("stats", "{}", []).error).toBeUndefined();
  });

  it("cancels a running build, and keeps nothing of it", async () => {
    const binding = load();
    const control = binding.control();
    const rows = Float32Array.from({ length: 40_000 * 16 }, (_, i) => Math.sin(i * i));
    const request = JSON.stringify({ dims: 16, metric: "l2", index: { kind: "hnsw" } });
    const pending = binding.root.call("index.build", request, [rows], control);
    while (control.done() === 0) await new Promise((wake) => setTimeout(wake, 1));
    expect(control.total()).toBeGreaterThan(control.done());
    control.cancel();
    const reply = await pending;
    expect(codeOf(reply)).toBe("ERR_ABORTED");
    expect(reply.handle).toBeUndefined();
  });

  it("lets calls in flight finish when their handle is closed", async () => {
    const index = build(load());
    const pending = Array.from({ length: 16 }, () => index.call("searchBatch", '{"k":1}', [ROWS]));
    index.close();
    for (const reply of await Promise.all(pending)) {
      if (reply.error === undefined) expect(reply.arrays.length).toBe(2);
      else expect(JSON.parse(reply.error).code).toBe("ERR_CLOSED");
    }
  });

  it("gives a searchInto that needs no receiver", () => {
    const { searchInto } = build(load());
    const [rows, scores] = [new Uint32Array(1), new Float32Array(1)];
    expect(searchInto(Float32Array.of(0, 0, 1, 0), 1, rows, scores)).toBe(1);
    expect(rows[0]).toBe(2);
  });

  it("refuses a receiver of another class", () => {
    const binding = load();
    const { call } = binding.root;
    expect(() => call.call(binding.control() as never, "info", "{}", [])).toThrow();
  });

  it("says what was tried when nothing loads", () => {
    const error = new NativeUnavailableError("plan9-mips", [{ place: "a.node", reason: "no such file" }]);
    expect(error.message).toContain("a.node: no such file");
    expect(error.code).toBe("ERR_UNSUPPORTED");
    expect(new NativeUnavailableError("plan9-mips", []).message).toContain("no native core for plan9-mips");
  });
});

/** What each worker does: loads the addon, calls it both ways, and says what it found. */
const WORKER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const addon = require(workerData.file);
  const root = addon.root();
  const rows = new Float32Array(4000).fill(1);
  const request = '{"dims":4,"metric":"dot","index":{"kind":"flat"}}';
  (async () => {
    if (workerData.abandon) {
      for (let n = 0; n < 50; n++) root.call("index.build", request, [rows]);
      process.exit(0);
    }
    for (let n = 0; n < 20; n++) {
      const { handle, error } = await root.call("index.build", request, [rows]);
      if (error) throw new Error(error);
      const found = handle.searchInto(new Float32Array(4).fill(2), 3, new Uint32Array(3), new Float32Array(3));
      if (found !== 3) throw new Error("found " + found + ": " + handle.lastError());
      handle.close();
    }
    parentPort.postMessage(JSON.parse(root.callSync("info", "{}", []).json).version);
  })();
`;

describe("native binding in worker threads", () => {
  const file = createRequire(import.meta.url).resolve(`../tercet.${platformName()}.node`);
  const start = (abandon: boolean) => {
    const worker = new Worker(WORKER, { eval: true, workerData: { file, abandon } });
    return new Promise<unknown>((resolve, reject) => {
      let said: unknown;
      worker.on("message", (message) => {
        said = message;
      });
      worker.on("error", reject);
      worker.on("exit", (code) => (code === 0 ? resolve(said) : reject(new Error(`exit code ${code}`))));
    });
  };

  it("works in four at once, and in the main thread beside them", async () => {
    const workers = [1, 2, 3, 4].map(() => start(false));
    const mine = await load().root.call("index.build", BUILD, [ROWS]);
    expect(mine.error).toBeUndefined();
    expect(await Promise.all(workers)).toEqual([1, 2, 3, 4].map(() => manifest.version));
  });

  it("survives workers that end while calls are running", async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all([start(true), start(true)]);
    }
    expect(load().root.callSync("info", "{}", []).error).toBeUndefined();
  });
});
