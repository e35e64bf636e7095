import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { open, TercetError, text } from "../src/main.js";
import { fake, refusal } from "./support/fake.js";

describe("TercetError", () => {
  test("shows its code and its place, and nothing that is not there", () => {
    const error = new TercetError("ERR_DIMENSION", "too short", { position: 3, field: "vector" });
    expect({ ...error }).toEqual({ code: "ERR_DIMENSION", position: 3, field: "vector" });
    expect(inspect(error)).toContain("code: 'ERR_DIMENSION'");
    expect(inspect(error)).not.toContain("committed");
    expect(error.name).toBe("TercetError");
    expect(error.stack).toContain("errors.test.ts");
    expect("cause" in error).toBe(false);
  });

  test("is plain data when asked", () => {
    const error = new TercetError("ERR_ID", "bad id", { id: 0, position: 0, committed: 0 });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: "TercetError",
      code: "ERR_ID",
      message: "bad id",
      id: 0,
      position: 0,
      committed: 0,
    });
  });

  test("is recognised by its brand, not by its class", () => {
    const other = class TercetError extends Error {};
    Object.defineProperty(other.prototype, Symbol.for("tercet.TercetError"), { value: true });
    expect(new other("x")).toBeInstanceOf(TercetError);
    expect(new Error("x")).not.toBeInstanceOf(TercetError);
    expect(null).not.toBeInstanceOf(TercetError);
    class Narrower extends TercetError {}
    expect(new TercetError("ERR_IO", "x")).not.toBeInstanceOf(Narrower);
    expect(new Narrower("ERR_IO", "x")).toBeInstanceOf(Narrower);
    expect(new Narrower("ERR_IO", "x")).toBeInstanceOf(TercetError);
  });

  test("of a reply has the caller's stack, also when nobody was waiting", async () => {
    const { binding } = fake({ title: { type: "text" } }, (call) =>
      call.verb === "count"
        ? Promise.resolve(refusal({ code: "ERR_FILTER", message: "no", field: "x" }))
        : undefined,
    );
    const collection = await open(":memory:", { schema: { title: text() }, backend: binding });
    function theCaller() {
      return collection.count();
    }
    const promise = theCaller();
    const error = await promise.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TercetError);
    expect(error).toMatchObject({ code: "ERR_FILTER", message: "no", field: "x" });
    expect((error as Error).stack).toMatch(/^TercetError: no\n/);
    expect((error as Error).stack).toContain("theCaller");
    expect((error as Error).stack).not.toContain("collection.ts");
  });

  test("says so when the core's own error cannot be read", async () => {
    const { binding } = fake({ title: { type: "text" } }, (call) =>
      call.verb === "count" ? { json: "", arrays: [], error: "not json" } : undefined,
    );
    const collection = await open(":memory:", { schema: { title: text() }, backend: binding });
    await expect(collection.count()).rejects.toMatchObject({ code: "ERR_INTERNAL" });
  });
});
