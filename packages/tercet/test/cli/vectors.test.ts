/** Vectors from the command line: `search --near` and `tune`. */
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scratch, tercet } from "./scratch.js";

/** Enough for a graph, on a circle: the neighbours of a point are those beside it. */
const COUNT = 1_200;

async function circle(count = COUNT): Promise<string> {
  const folder = scratch({
    "points.jsonl": Array.from({ length: count }, (_, at) => {
      const [x, y] = point(at / count);
      return `${JSON.stringify({ id: `p${at}`, side: at % 2 === 0 ? "even" : "odd", words: `${at % 2 === 0 ? "even" : "odd"} number`, vector: [x, y] })}\n`;
    }).join(""),
  });
  const argv = ["index", `${folder}/points.jsonl`, "--into", `${folder}/out`, "--text", "words"];
  expect((await tercet([...argv, "--json"])).json()).toMatchObject({
    indexed: count,
    schema: { vector: { type: "dense", dims: 2 } },
  });
  return folder;
}

const point = (turn: number) => [Math.cos(2 * Math.PI * turn), Math.sin(2 * Math.PI * turn)];

type Hits = { hits: { id: string; score: number }[]; exact: boolean };

async function ids(argv: readonly string[]): Promise<string[]> {
  const { json, exit, out } = await tercet([...argv, "--json"]);
  expect(exit, out).toBe(0);
  return (json() as Hits).hits.map(({ id }) => id);
}

describe("search --near", () => {
  it("takes a JSON array, a file and a stored document", async () => {
    const folder = await circle(60);
    const search = ["search", `${folder}/out`, "--limit", "3"];
    const vector = JSON.stringify(point(5.1 / 60));
    const wanted = ["p5", "p6", "p4"];
    expect(await ids([...search, "--near", `vector=${vector}`])).toEqual(wanted);
    writeFileSync(`${folder}/query.json`, `\n${vector}\n`);
    expect(await ids([...search, "--near", `vector=${folder}/query.json`])).toEqual(wanted);
    // A stored document is not found itself; of two that tie the earlier comes first.
    const near = await ids([...search.slice(0, 2), "--limit", "2", "--near", "vector=id:p30"]);
    expect(near.toSorted()).toEqual(["p29", "p31"]);
    const filtered = [...search, "--near", `vector=${vector}`, "--where", '{"side":"even"}'];
    expect(await ids(filtered)).toEqual(["p6", "p4", "p8"]);
    const said = await tercet([...search, "--near", `vector=${vector}`]);
    expect(said.out).toMatch(/^ 1\. p5 /);
  });

  it("goes together with words", async () => {
    const folder = await circle(60);
    const argv = ["search", `${folder}/out`, "odd", "--near", `vector=${JSON.stringify(point(4 / 60))}`];
    const found = await ids([...argv, "--limit", "60"]);
    expect(new Set(found).size).toBe(60);
    // Near and odd before what is only one of both.
    expect(found[0]).toMatch(/^p[135]$/);
  });

  it.each([
    ["no field", ["--near", "[1,2]"], "--near takes field=vector"],
    ["no vector", ["--near", "vector="], "--near takes field=vector"],
    ["bad JSON", ["--near", "vector=[1,"], "--near is not JSON"],
    ["a string in it", ["--near", 'vector=[1,"x"]'], 'component 1 is "x", not a number'],
    [
      "a recall of 2",
      ["--near", "vector=[1,0]", "--recall", "2"],
      "--recall takes a number above 0, up to 1",
    ],
    ["an effort alone", ["--ef", "10"], "--ef goes with --near"],
    ["a scan alone", ["wing", "--exact"], "--exact goes with --near"],
    ["nothing", [], "or --near, or --where"],
  ])("with %s is a wrong call", async (_, argv, message) => {
    const { exit, err } = await tercet(["search", "folder", ...argv]);
    expect([exit, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it.each([
    ["too few components", "vector=[1]", "ERR_DIMENSION"],
    ["an unknown id", "vector=id:none", "ERR_NOT_FOUND"],
    ["a field of words", "side=[1,0]", "ERR_QUERY"],
    ["a file that is not there", "vector=none.json", "ERR_IO"],
  ])("with %s ends with 1", async (_, near, code) => {
    const folder = await circle(3);
    const { exit, json } = await tercet(["search", `${folder}/out`, "--near", near, "--json"]);
    expect([exit, json()]).toMatchObject([1, { error: { code } }]);
  });

  it("with a file that holds something else is a wrong call", async () => {
    const folder = scratch({ "object.json": '{"x":1}' });
    const { exit, err } = await tercet(["search", folder, "--near", `vector=${folder}/object.json`]);
    expect([exit, err]).toEqual([2, expect.stringContaining("is no JSON array of numbers")]);
  });
});

describe("tune", () => {
  it("measures a curve that searches by recall then use", async () => {
    const folder = await circle();
    const out = `${folder}/out`;
    const near = ["search", out, "--near", "vector=id:p7", "--recall", "0.9", "--limit", "2", "--json"];
    expect((await tercet(near)).json()).toMatchObject({ error: { code: "ERR_ARGUMENT" } });
    const curve = (await tercet(["tune", out, "vector", "--sample", "20", "--k", "2", "--json"])).json();
    expect(curve).toMatchObject({ k: 2, queries: 20, size: COUNT });
    expect((curve as { points: { ef: number }[] }).points[0]).toMatchObject({ ef: 2 });
    expect((await ids(near.slice(0, -1))).toSorted()).toEqual(["p6", "p8"]);
    const said = await tercet(["tune", out, "vector", "--sample", "20", "--target", "0.5"]);
    expect(said.out).toContain(`recall at 10 of "vector", 20 probes, ${COUNT.toLocaleString("en")} vectors`);
    expect(said.out).toMatch(/ef +recall +at least +distances/);
    expect((await ids([...near.slice(0, 4), "--exact", "--limit", "2"])).toSorted()).toEqual(["p6", "p8"]);
  });

  it("says what is wrong", async () => {
    const folder = await circle(3);
    const tune = (...argv: string[]) => tercet(["tune", `${folder}/out`, ...argv]);
    expect(await tune()).toMatchObject({ exit: 2, err: expect.stringContaining("dense field is missing") });
    expect(await tune("vector", "--target", "2")).toMatchObject({ exit: 2 });
    expect(await tune("side")).toMatchObject({ exit: 1, err: expect.stringContaining("ERR_QUERY") });
    expect(await tune("vector", "--sample", "0")).toMatchObject({
      exit: 1,
      err: expect.stringContaining("ERR_LIMIT"),
    });
    expect((await tune("vector")).exit).toBe(0);
  });
});
