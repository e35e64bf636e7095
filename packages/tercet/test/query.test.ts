import { describe, expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };
import {
  all,
  boolean,
  date,
  dense,
  flat,
  float,
  fuse,
  integer,
  keyword,
  mark,
  match,
  near,
  text,
  toJSON,
  VERSION,
} from "../src/main.js";

describe("builders", () => {
  test("make plain data", () => {
    expect(match("a b")).toEqual({ kind: "match", text: "a b" });
    expect(match("a", { fields: { title: 2 }, operator: "and" })).toEqual({
      kind: "match",
      text: "a",
      fields: { title: 2 },
      operator: "and",
    });
    expect(near("v", [1, 2], { k: 3 })).toEqual({ kind: "near", field: "v", vector: [1, 2], k: 3 });
    expect(all()).toEqual({ kind: "all" });
    expect(fuse.rrf([all()], { k: 10, weights: [2], depth: 50 })).toEqual({
      kind: "fuse",
      method: "rrf",
      queries: [{ kind: "all" }],
      k: 10,
      weights: [2],
      depth: 50,
    });
    expect([text({ boost: 2 }), keyword({ many: true }), integer(), float(), boolean(), date()]).toEqual([
      { type: "text", boost: 2 },
      { type: "keyword", many: true },
      { type: "integer" },
      { type: "float" },
      { type: "boolean" },
      { type: "date" },
    ]);
    expect(dense({ dims: 3, index: flat() })).toEqual({ type: "dense", dims: 3, index: { kind: "flat" } });
  });
});

describe("toJSON", () => {
  test("keeps vectors bit for bit", () => {
    const vector = new Float32Array([1, -0, 1e-45, 3.4028235e38]);
    const query = toJSON(fuse.rrf([near("v", vector), match("x")]));
    expect(JSON.parse(JSON.stringify(query))).toEqual(query);
    const part = query.kind === "fuse" ? query.queries[0] : undefined;
    const { $f32 } = (part as { vector: { $f32: string } }).vector;
    const bytes = Uint8Array.from(atob($f32), (character) => character.charCodeAt(0));
    expect(new Float32Array(bytes.buffer)).toEqual(vector);
  });

  test("leaves what is portable already, and takes long vectors", () => {
    const portable = near("v", { $f32: "AACAPw==" });
    expect(toJSON(portable)).toBe(portable);
    expect(toJSON(near("v", [1]))).toEqual(portable);
    expect(JSON.stringify(toJSON(near("v", new Float32Array(65_535)))).length).toBeGreaterThan(340_000);
  });

  test("refuses what is not finite", () => {
    expect(() => toJSON(near("v", [0, Number.NaN]))).toThrow(
      expect.objectContaining({ code: "ERR_NOT_FINITE", field: "v", component: 1 }),
    );
  });
});

describe("mark", () => {
  test("marks words and escapes HTML", () => {
    expect(mark("a <b> & c", [[3, 4]])).toBe("a &lt;<mark>b</mark>&gt; &amp; c");
    expect(mark("x", undefined)).toBe("x");
    expect(mark(`"'`, [])).toBe("&quot;&#39;");
  });

  test("takes other marks and another escape", () => {
    expect(mark("a b", [[2, 3]], { before: "[", after: "]", escape: "none" })).toBe("a [b]");
    expect(mark("a b", [[0, 1]], { escape: (part) => part.toUpperCase() })).toBe("<mark>A</mark> B");
  });

  test("cuts ranges that overlap, are empty or leave the text", () => {
    const options = { before: "[", after: "]", escape: "none" } as const;
    const ranges = [
      [0, 2],
      [1, 3],
      [3, 3],
      [4, 99],
      [200, 300],
    ] as const;
    expect(mark("abcdef", ranges, options)).toBe("[ab][c]d[ef]");
  });
});

test("the version is the package's", () => {
  expect(VERSION).toBe(manifest.version);
});
