import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import binaryen from "binaryen";
import { afterAll, describe, expect, it } from "vitest";
import { load as loadNative } from "../../native/src/main.js";
import { bindingSuite, build, codeOf, DIMS, ROWS } from "../../native/test/suite.js";
import manifest from "../package.json" with { type: "json" };
import { load, loadSync } from "../src/main.js";
import { nodeStorage } from "../src/node-storage.js";

const FILE = new URL("../tercet.wasm", import.meta.url);
const bytes = () => readFileSync(FILE) as Uint8Array<ArrayBuffer>;

describe("wasm binding", () => {
  bindingSuite(() => load());

  it("has the version of its package", async () => {
    expect((await load()).version).toBe(manifest.version);
  });

  it("loads from bytes, a module, a URL and the disk, at once or not", async () => {
    const module = new WebAssembly.Module(bytes());
    const loaded = [
      await load({ bytes: bytes() }),
      await load({ module }),
      await load({ url: FILE }),
      await load({ url: FILE.href }),
      loadSync(),
      loadSync({ module }),
      loadSync({ bytes: bytes() }),
    ];
    for (const binding of loaded) {
      expect(binding.backend).toBe("wasm");
      expect(binding.root.callSync("info", "{}", []).error).toBeUndefined();
    }
    await expect(load({ url: new URL("no-such.wasm", FILE) })).rejects.toThrow();
    await expect(load({ bytes: new Uint8Array(4) })).rejects.toThrow();
  });

  it("answers at once, never by a promise", async () => {
    const { root } = await load();
    expect(root.call("info", "{}", [])).not.toBeInstanceOf(Promise);
  });

  it("keeps its views right when memory grows", async () => {
    const binding = await load();
    const index = build(binding);
    const large = new Float32Array(4_000_000 * DIMS).fill(0.5);
    const grown = build(binding, large);
    expect(index.searchInto(ROWS.subarray(4, 8), 1, new Uint32Array(1), new Float32Array(1))).toBe(1);
    grown.close();
  });

  it("opens memory without storage, and refuses folders", async () => {
    const { root } = await load();
    const schema = { fields: { title: { type: "text" } } };
    const memory = root.callSync("open", JSON.stringify({ path: ":memory:", schema }), []);
    expect(memory.error).toBeUndefined();
    memory.handle?.close();
    const folder = root.callSync("open", JSON.stringify({ path: "somewhere", schema }), []);
    expect(folder.error).toContain(":memory:");
    expect(codeOf(folder)).toBe("ERR_UNSUPPORTED");
  });
});

/** A module with the right exports whose call says something and traps. */
function trapping(said: string): Uint8Array<ArrayBuffer> {
  const text = `(module
    (import "tercet" "panicked" (func $panicked (param i32 i32)))
    (memory (export "memory") 2)
    (data (i32.const 8) "${said}")
    (data (i32.const 2048) "9.9.9")
    (func (export "tercet_root") (param i32) (result i32) (i32.const 1))
    (func (export "tercet_version") (result i32) (i32.const 2048))
    (func (export "tercet_version_len") (result i32) (i32.const 5))
    (func (export "tercet_alloc") (param i32 i32) (result i32) (i32.const 4096))
    (func (export "tercet_free") (param i32 i32 i32))
    (func (export "tercet_close") (param i32))
    (func (export "tercet_search_room") (param i32 i32) (result i32) (unreachable))
    (func (export "tercet_call") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (if (i32.eq (local.get 4) (i32.const 2))
        (then (call $panicked (i32.const 8) (i32.const ${said.length}))))
      (unreachable)))`;
  const module = binaryen.parseText(text);
  try {
    return module.emitBinary() as Uint8Array<ArrayBuffer>;
  } finally {
    module.dispose();
  }
}

describe("a trap", () => {
  it("becomes ERR_INTERNAL with the panic's message, and the root starts afresh", async () => {
    const { root } = await load({ bytes: trapping("a defect on purpose") });
    for (let round = 0; round < 2; round++) {
      const reply = await root.call("any", "{}", []);
      expect(codeOf(reply)).toBe("ERR_INTERNAL");
      expect(reply.error).toContain("a defect on purpose");
      expect(reply.error).toContain("discarded");
    }
  });

  it("without last words says what the runtime says", async () => {
    const { root } = await load({ bytes: trapping("") });
    const reply = await root.call("any", "{ }", []);
    expect(codeOf(reply)).toBe("ERR_INTERNAL");
    expect(reply.error).toMatch(/RuntimeError/);
    expect(root.searchInto(new Float32Array(1), 1, new Uint32Array(1), new Float32Array(1))).toBe(-1);
    expect(JSON.parse(root.lastError()).code).toBe("ERR_INTERNAL");
  });
});

describe("node storage", () => {
  const folder = mkdtempSync(join(tmpdir(), "tercet-wasm-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const storage = nodeStorage();

  it("writes, reads, lists, moves and removes", () => {
    const deep = `${folder}/a/b/c`;
    storage.makeDirs(deep);
    storage.makeDirs(deep);
    const file = storage.create(`${deep}/one`);
    file.write(Uint8Array.of(1, 2, 3));
    file.write(Uint8Array.of(4));
    file.sync();
    file.close();
    expect(() => storage.create(`${deep}/one`)).toThrow(/EEXIST/);
    expect(storage.size(`${deep}/one`)).toBe(4);
    const into = new Uint8Array(6);
    expect(storage.read(`${deep}/one`, into, 0)).toBe(4);
    expect([...into]).toEqual([1, 2, 3, 4, 0, 0]);
    expect(storage.read(`${deep}/one`, into, 3)).toBe(1);
    expect([...into]).toEqual([4, 2, 3, 4, 0, 0]);
    expect(storage.read(`${deep}/one`, into, 9)).toBe(0);
    storage.rename(`${deep}/one`, `${deep}/two`);
    storage.syncDir(deep);
    expect(storage.list(deep)).toEqual(["two"]);
    expect([storage.exists(`${deep}/one`), storage.exists(`${deep}/two`), storage.exists(deep)]).toEqual([
      false,
      true,
      true,
    ]);
    storage.remove(`${deep}/two`);
    expect(() => storage.remove(`${deep}/two`)).toThrow(/ENOENT/);
    expect(() => storage.size(`${deep}/two`)).toThrow(/ENOENT/);
  });

  it("locks once, names the holder, and takes over what a dead process left", () => {
    const file = `${folder}/LOCK`;
    const lock = storage.lock(file);
    expect(() => nodeStorage().lock(file)).toThrow(
      expect.objectContaining({ code: "ELOCKED", holder: process.pid }),
    );
    lock.release();
    nodeStorage().lock(file).release();
    // No process has this number: it is above every system's limit.
    writeFileSync(`${file}.js`, "2147483646 1 boot");
    storage.lock(file).release();
    // This process's number, but started at another time: an older process of that number.
    writeFileSync(`${file}.js`, `${process.pid} 1 boot`);
    if (process.platform === "linux") storage.lock(file).release();
    expect(storage.list(folder).filter((name) => name.startsWith("LOCK."))).toEqual([]);
  });

  it("shows a lock as a file, which its holder may remove", () => {
    storage.makeDirs(`${folder}/leases`);
    const file = `${folder}/leases/LEASE.7.0123abcd`;
    const names = () => storage.list(`${folder}/leases`).filter((name) => !name.endsWith(".js"));
    const lease = storage.lock(file);
    expect(names()).toEqual(["LEASE.7.0123abcd"]);
    lease.release();
    expect(names()).toEqual(["LEASE.7.0123abcd"]);
    // Somebody else finds it free and sweeps it away.
    const stale = nodeStorage().lock(file);
    storage.remove(file);
    expect(names()).toEqual([]);
    stale.release();
    storage.lock(file).release();
    storage.remove(file);
    expect(storage.list(`${folder}/leases`)).toEqual([]);
    expect(() => storage.lock(`${folder}/none/LOCK`)).toThrow(/ENOENT/);
  });

  it.runIf(process.platform !== "win32")("keeps the native core out", async () => {
    const native = loadNative();
    const { root } = await load({ storage });
    const schema = { fields: { title: { type: "text" } } };
    const path = `${folder}/respected`;
    const request = JSON.stringify({ path, schema });
    const held = root.callSync("open", request, []);
    expect(held.error).toBeUndefined();
    const refused = native.root.callSync("open", request, []);
    expect(codeOf(refused)).toBe("ERR_LOCKED");
    expect(refused.error).toContain(`process ${process.pid}`);
    held.handle?.close();
    // What a dead process left is in nobody's way.
    writeFileSync(`${path}/LOCK.js`, "2147483646 1 boot");
    const free = native.root.callSync("open", request, []);
    expect(free.error).toBeUndefined();
    free.handle?.close();
  });

  it.runIf(process.platform === "linux")("sees the lock of the native core", async () => {
    const native = loadNative();
    const { root } = await load({ storage });
    const schema = { fields: { title: { type: "text" } } };
    const request = JSON.stringify({ path: `${folder}/native`, schema });
    const held = native.root.callSync("open", request, []);
    expect(held.error).toBeUndefined();
    expect(codeOf(root.callSync("open", request, []))).toBe("ERR_LOCKED");
    held.handle?.close();
    const free = root.callSync("open", request, []);
    expect(free.error).toBeUndefined();
    free.handle?.close();
  });

  it("lets the core open a folder, lock it, and open it again", async () => {
    const { root } = await load({ storage });
    const schema = { fields: { title: { type: "text" } } };
    const open = () => root.callSync("open", JSON.stringify({ path: `${folder}/collection`, schema }), []);
    const first = open();
    expect(first.error).toBeUndefined();
    const second = open();
    expect(codeOf(second)).toBe("ERR_LOCKED");
    expect(second.error).toContain(String(process.pid));
    first.handle?.close();
    const third = open();
    expect(third.error).toBeUndefined();
    expect(JSON.parse(third.json).created).toBe(false);
    third.handle?.close();
  });
});
