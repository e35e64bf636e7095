import { describe, expect, it } from "vitest";
import { readVectors } from "../../src/cli/readers/vectors.js";
import { buildIndex, type DenseIndexSpec } from "../../src/indexes.js";
import { scratch, tercet } from "./scratch.js";

const bytesOf = (values: ArrayBufferView) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A file as numpy writes it. */
function npy(descr: string, shape: string, body: Uint8Array, { fortran = "False", version = 1 } = {}) {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }`;
  const before = version === 1 ? 10 : 12;
  const length = Math.ceil((before + text.length + 1) / 64) * 64 - before;
  const head = Buffer.alloc(before + length, " ");
  head.write("\u0093NUMPY", 0, "latin1");
  head[6] = version;
  head[7] = 0;
  if (version === 1) head.writeUInt16LE(length, 8);
  else head.writeUInt32LE(length, 8);
  head.write(`${text.padEnd(length - 1)}\n`, before, "latin1");
  return Buffer.concat([head, body]);
}

/** Rows after the number of their components. */
function counted(rows: readonly ArrayBufferView[], dims: readonly number[]) {
  return Buffer.concat(rows.flatMap((row, at) => [bytesOf(Int32Array.of(dims[at] as number)), bytesOf(row)]));
}

const SIX = Float32Array.from([1, 2, 3, 4, 5, 6]);

describe("files of vectors", () => {
  it.each([
    ["<f4", SIX, "f32"],
    ["<f2", Uint16Array.from([0x3c00, 0x4000, 1, 2, 3, 4]), "f16"],
    ["|u1", Uint8Array.from([0, 1, 2, 253, 254, 255]), "u8"],
    ["|i1", Int8Array.from([0, 1, -128, 127, -1, 5]), "i8"],
  ] as const)("of numpy, %s", async (descr, values, dtype) => {
    for (const version of [1, 2]) {
      const folder = scratch({ "a.npy": npy(descr, "3, 2", bytesOf(values), { version }) });
      const found = await readVectors(`${folder}/a.npy`, { rows: 100 });
      expect(found).toEqual({ dims: 2, dtype, values, rows: 3, of: 3 });
    }
  });

  it("of counted rows", async () => {
    const ints = Int32Array.from([7, -8]);
    const folder = scratch({
      "a.fvecs": counted([SIX.subarray(0, 3), SIX.subarray(3)], [3, 3]),
      "a.bvecs": counted([Uint8Array.of(1, 2), Uint8Array.of(3, 255)], [2, 2]),
      "a.ivecs": counted([ints], [2]),
    });
    const read = (name: string) => readVectors(`${folder}/${name}`, { rows: 100 });
    expect(await read("a.fvecs")).toEqual({ dims: 3, dtype: "f32", values: SIX, rows: 2, of: 2 });
    expect((await read("a.bvecs")).values).toEqual(Uint8Array.of(1, 2, 3, 255));
    expect((await read("a.ivecs")).values).toEqual(Float32Array.of(7, -8));
  });

  it("of JSON Lines, and only some rows of a large one", async () => {
    const rows = Array.from({ length: 100 }, (_, at) => [at, 1]);
    const floats = Float32Array.from(rows.flat());
    const folder = scratch({
      "a.jsonl": `\n${rows.map((row) => JSON.stringify(row)).join("\n")}\n`,
      "a.npy": npy("<f4", "100, 2", bytesOf(floats)),
    });
    for (const name of ["a.jsonl", "a.npy"]) {
      const found = await readVectors(`${folder}/${name}`, { rows: 10 });
      expect([found.rows, found.of, found.dims]).toEqual([10, 100, 2]);
      const kept = [...found.values].filter((_, at) => at % 2 === 0);
      expect(kept[0]).toBe(0);
      expect(kept.every((value, at) => at === 0 || value > (kept[at - 1] as number))).toBe(true);
      expect(kept.at(-1)).toBeGreaterThan(75);
    }
    expect((await readVectors(`${folder}/a.jsonl`, { rows: 100 })).values).toEqual(floats);
  });

  const body = bytesOf(SIX);
  it.each([
    ["a truncated array", "a.npy", npy("<f4", "3, 2", body.subarray(1)), "ERR_PARSE"],
    ["a longer one", "a.npy", npy("<f4", "2, 2", body), "ERR_PARSE"],
    ["one that says it is huge", "a.npy", npy("<f4", "99999999999, 60000", body), "ERR_PARSE"],
    ["big-endian numbers", "a.npy", npy(">f4", "3, 2", body), "ERR_PARSE"],
    ["doubles", "a.npy", npy("<f8", "3, 1", body), "ERR_PARSE"],
    ["Fortran order", "a.npy", npy("<f4", "3, 2", body, { fortran: "True" }), "ERR_PARSE"],
    ["one dimension", "a.npy", npy("<f4", "6,", body), "ERR_PARSE"],
    ["three dimensions", "a.npy", npy("<f4", "1, 3, 2", body), "ERR_PARSE"],
    ["no components", "a.npy", npy("<f4", "3, 0", body.subarray(24)), "ERR_PARSE"],
    ["a version of the future", "a.npy", npy("<f4", "3, 2", body, { version: 9 }), "ERR_PARSE"],
    ["a header past the end", "a.npy", npy("<f4", "3, 2", body).subarray(0, 40), "ERR_PARSE"],
    ["no header", "a.npy", Buffer.from("\u0093NUM", "latin1"), "ERR_PARSE"],
    ["nothing", "a.npy", Buffer.alloc(0), "ERR_PARSE"],
    ["something else", "a.npy", Buffer.from("PK\u0003\u0004 a zip of arrays"), "ERR_PARSE"],
    ["rows of different lengths", "a.fvecs", counted([SIX, SIX], [6, 5]), "ERR_DIMENSION"],
    ["rows that do not fill it", "a.fvecs", counted([SIX], [6]).subarray(1), "ERR_PARSE"],
    ["a negative length", "a.bvecs", counted([SIX], [-1]), "ERR_PARSE"],
    ["a huge length", "a.ivecs", counted([SIX], [2 ** 30]), "ERR_PARSE"],
    ["an empty file", "a.fvecs", Buffer.alloc(0), "ERR_PARSE"],
    ["another ending", "a.csv", Buffer.from("1,2"), "ERR_ARGUMENT"],
    ["lines of different lengths", "a.jsonl", Buffer.from("[1,2]\n[1]"), "ERR_DIMENSION"],
    ["objects", "a.jsonl", Buffer.from('{"v":[1]}'), "ERR_PARSE"],
    ["words", "a.jsonl", Buffer.from('[1,"2"]'), "ERR_PARSE"],
    ["half an array", "a.jsonl", Buffer.from("[1,2"), "ERR_PARSE"],
    ["no line", "a.jsonl", Buffer.from("\n\n"), "ERR_PARSE"],
    ["an empty array", "a.jsonl", Buffer.from("[]"), "ERR_DIMENSION"],
  ])("refuses %s", async (_, name, content, code) => {
    const file = `${scratch({ [name]: content })}/${name}`;
    await expect(readVectors(file, { rows: 10 })).rejects.toMatchObject({ code, file });
  });

  it("says where there is no file", async () => {
    await expect(readVectors("/nowhere/a.npy", { rows: 1 })).rejects.toMatchObject({ code: "ERR_NOT_FOUND" });
  });
});

describe("recommend", () => {
  const random = () => Float32Array.from({ length: 400 * 8 }, (_, at) => (Math.sin(at * 12.9898) * 43.7) % 1);

  it("prints a table, what is chosen, and the field of a schema", async () => {
    const folder = scratch({ "v.npy": npy("<f4", "400, 8", bytesOf(random())) });
    const { exit, out, err } = await tercet(["recommend", `${folder}/v.npy`, "--recall", "0.9", "--k", "5"]);
    expect([exit, err]).toEqual([0, ""]);
    expect(out).toContain("recall@5");
    expect(out).toMatch(/^\* (flat|hnsw|ivf) /m);
    expect(out).toMatch(/^vector: dense\(\{ dims: 8, metric: "cosine", index: (flat|hnsw|ivf)\(.*\) \}\)$/m);
  });

  it("keeps to a budget, with queries of one's own, for programs", async () => {
    const queries = npy("<f4", "20, 8", bytesOf(random().subarray(0, 160)));
    const folder = scratch({ "v.npy": npy("<f4", "400, 8", bytesOf(random())), "q.npy": queries });
    const { exit, json } = await tercet([
      ...["recommend", `${folder}/v.npy`, "--bytes", "20", "--queries", `${folder}/q.npy`],
      ...["--metric", "l2", "--json"],
    ]);
    expect(exit).toBe(0);
    const found = json() as { choice: { bytes: number }; skipped: { name: string }[]; field: string };
    expect(found).toMatchObject({ dims: 8, metric: "l2", queries: 20, heldOut: false });
    expect(found.choice.bytes).toBeLessThanOrEqual(20);
    expect(found.skipped.map(({ name }) => name)).toContain("flat f32");
    expect(found.field).toContain('metric: "l2"');
  });

  it("names the type of vectors of bytes", async () => {
    const bytes = Uint8Array.from(random(), (x) => 128 + x * 100);
    const folder = scratch({ "v.npy": npy("|u1", "400, 8", bytes) });
    const { exit, json } = await tercet(["recommend", `${folder}/v.npy`, "--metric", "l2", "--json"]);
    expect(exit).toBe(0);
    const { build, index } = json() as { build: string; index: DenseIndexSpec };
    expect(build).toBe(
      `buildIndex(vectors, { dims: 8, metric: "l2", dtype: "u8", index: ${JSON.stringify(index)} })`,
    );
    const built = await buildIndex(bytes, { dims: 8, metric: "l2", dtype: "u8", index });
    expect(built.size).toBe(400);
    built.close();
  });

  it("says what is wrong", async () => {
    const folder = scratch({
      "v.npy": npy("<f4", "400, 8", bytesOf(random())),
      "q.npy": npy("<f4", "3, 2", bytesOf(SIX)),
      "few.npy": npy("<f4", "3, 2", bytesOf(SIX)),
    });
    const fail = async (...rest: string[]) => {
      const { exit, err } = await tercet(["recommend", ...rest]);
      return `${exit} ${err}`;
    };
    expect(await fail(`${folder}/v.npy`, "--metric", "hamming")).toMatch(/^2 .*--metric takes/);
    expect(await fail(`${folder}/v.npy`, "--bytes", "many")).toMatch(/^2 .*--bytes takes a number/);
    expect(await fail(`${folder}/v.npy`, "--queries", `${folder}/q.npy`)).toMatch(/^1 .*ERR_DIMENSION/);
    expect(await fail(`${folder}/few.npy`)).toMatch(/^1 .*ERR_LIMIT/);
    expect(await fail()).toMatch(/^2 .*file of vectors is missing/);
  });
});
