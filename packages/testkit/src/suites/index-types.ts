/** Level-1 indexes over every type of component. */
import type { Vectors } from "tercet/index";
import { expect, test } from "vitest";
import { failure, random } from "../kit.js";
import { ranked } from "../oracle.js";
import { DIMS, type Given, list, nearest, type Options } from "./index-kit.js";

export function typed(build: Given["build"]): void {
  const count = 1_200;
  const next = random(31);
  const whole = Int8Array.from({ length: count * DIMS }, () => Math.floor(next() * 200) - 100);

  test.each([
    ["i8", whole, (x: number) => x],
    ["u8", Uint8Array.from(whole, (x) => x + 100), (x: number) => x],
    ["f16", Uint16Array.from(whole, (x) => half(x)), (_: number, i: number) => whole[i] as number],
  ] as const)("takes %s, and gives it back bit for bit", async (dtype, given, value) => {
    const index = await build(given, { metric: "l2" });
    expect(index.dtype).toBe(dtype);
    const numbers = Array.from(given, (x, i) => value(x, i));
    const live = new Map(
      Array.from({ length: count }, (_, row) => [
        row,
        Float32Array.from(numbers.slice(row * DIMS, (row + 1) * DIMS)),
      ]),
    );
    const own = given.slice(7 * DIMS, 8 * DIMS);
    expect(index.vector(7)).toEqual(own);
    for (const query of [own, live.get(7) as Float32Array]) {
      const found = index.search(query, 10, { exact: true } as never);
      expect(found.rows[0]).toBe(7);
      expect(Math.abs(found.scores[0] as number)).toBe(0);
      expect(list(found)).toEqual(nearest(live, live.get(7) as Float32Array, 10, "l2"));
    }
    expect(await index.add(own)).toEqual({ first: count, count: 1 });
    expect(index.vector(count)).toEqual(own);
  });
}

export function bits(build: Given["build"]): void {
  const count = 1_200;
  const next = random(32);

  test.for(["hamming", "jaccard"] as const)("compares bits by %s", async (metric, context) => {
    const bytes = Uint8Array.from({ length: count * 8 }, () => Math.floor(next() * 256));
    const built = build(bytes, { dims: 64, dtype: "bits", metric });
    const refused = await built.then(
      () => undefined,
      (error) => error.code,
    );
    if (refused === "ERR_UNSUPPORTED") context.skip("this kind compares no bits in this build");
    const index = await built;
    expect([index.dtype, index.metric]).toEqual(["bits", metric]);
    const query = bytes.slice(80, 88);
    const ones = (n: number) => n.toString(2).replaceAll("0", "").length;
    const scores = Array.from({ length: count }, (_, row) => {
      let [differ, both, either] = [0, 0, 0];
      for (let i = 0; i < 8; i++) {
        const [a, b] = [bytes[row * 8 + i] as number, query[i] as number];
        differ += ones(a ^ b);
        both += ones(a & b);
        either += ones(a | b);
      }
      return metric === "hamming" ? -differ : both / either;
    });
    const found = index.search(query, 10, { exact: true } as never);
    expect(list(found)).toEqual(ranked(scores).slice(0, 10));
    expect(index.vector(10)).toEqual(query);
    if (metric === "hamming") {
      const near = index.within(query, 20, { exact: true } as never);
      expect(list(near)).toEqual(ranked(scores.map((score) => (score >= -20 ? score : undefined))));
    }
  });
}

export function mistyped(build: Given["build"]): void {
  test("refuses metrics and arrays that do not fit the type", async () => {
    const bytes = new Uint8Array(16).fill(1);
    const refused = (given: Vectors, options: Partial<Options>) => failure(build(given, options));
    expect(await refused(bytes, { dims: 16, metric: "hamming" })).toMatchObject({
      code: "ERR_ARGUMENT",
      field: "metric",
    });
    expect(await refused(bytes, { dims: 16, dtype: "bits", metric: "l2" })).toMatchObject({
      code: "ERR_ARGUMENT",
    });
    const odd = await refused(bytes, { dims: 12, dtype: "bits" });
    expect(odd).toMatchObject({ code: "ERR_DIMENSION", field: "dims" });
    expect(await refused(bytes, { dims: 16, dtype: "i8" })).toMatchObject({
      code: "ERR_TYPE",
      field: "vectors",
    });
    expect(await refused(new Float64Array(16) as never, {})).toMatchObject({ code: "ERR_TYPE" });
    const infinite = Uint16Array.from({ length: 32 }, (_, i) => (i === 18 ? 0x7c00 : 0x3c00));
    expect(await refused(infinite, { metric: "dot" })).toMatchObject({
      code: "ERR_NOT_FINITE",
      position: 1,
      component: 2,
    });
    expect(await refused(new Int8Array(16), { metric: "cosine" })).toMatchObject({
      code: "ERR_ZERO_VECTOR",
      position: 0,
    });
    const index = await build(new Int8Array(16).fill(3), { metric: "dot" });
    expect(await failure(index.add(new Float32Array(16)))).toMatchObject({ code: "ERR_TYPE" });
    expect(await failure(() => index.search(new Uint8Array(16), 1))).toMatchObject({ code: "ERR_TYPE" });
    expect(list(index.search(new Float32Array(16).fill(1), 1))).toEqual([0]);
  });
}

/** A small whole number as the bits of a 16-bit float. */
function half(x: number): number {
  if (x === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  const fraction = Math.round((Math.abs(x) / 2 ** exponent - 1) * 1024);
  return (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}
