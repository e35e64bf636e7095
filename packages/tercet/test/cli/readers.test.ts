import { describe, expect, it } from "vitest";
import { readBeirCorpus, readQueries } from "../../src/cli/readers/beir.js";
import { firstHeading, readTextFiles } from "../../src/cli/readers/files.js";
import { readJsonl } from "../../src/cli/readers/jsonl.js";
import { readQrels } from "../../src/cli/readers/qrels.js";
import { flatten, scratch } from "./scratch.js";

describe("JSON Lines", () => {
  it("gives objects with their lines, and passes over empty ones", async () => {
    const folder = scratch({ "a.jsonl": '\uFEFF{"id":1}\r\n\r\n  \n{"id":2}' });
    const records = await flatten(readJsonl(`${folder}/a.jsonl`));
    expect(records.map(({ value, line }) => [value, line])).toEqual([
      [{ id: 1 }, 1],
      [{ id: 2 }, 4],
    ]);
  });

  it.each([
    ["not JSON", '{"id":1}\n{"id":', "ERR_PARSE", 2],
    ["an array", '{"id":1}\n\n[1]', "ERR_PARSE", 3],
    ["null", "null", "ERR_PARSE", 1],
    ["a number", "12", "ERR_PARSE", 1],
  ])("refuses %s, with file and line", async (_, content, code, line) => {
    const file = `${scratch({ "a.jsonl": content })}/a.jsonl`;
    await expect(flatten(readJsonl(file))).rejects.toMatchObject({ code, file, line });
    await expect(flatten(readJsonl(file))).rejects.toThrow(`${file}:${line}: `);
  });

  it("leaves bad lines out when told to", async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"id":1}\nx\n'),
      Buffer.from([0xff, 10]),
      Buffer.from('{"id":2}\n'),
    ]);
    const bad: unknown[] = [];
    const file = `${scratch({ "a.jsonl": bytes })}/a.jsonl`;
    const records = await flatten(readJsonl(file, { onBad: (error) => bad.push(error) }));
    expect(records.map(({ value }) => value)).toEqual([{ id: 1 }, { id: 2 }]);
    expect(bad).toMatchObject([
      { code: "ERR_PARSE", line: 2 },
      { code: "ERR_ENCODING", line: 3 },
    ]);
  });

  it("counts the bytes that it reads", async () => {
    const content = '{"id":1}\n'.repeat(100);
    let bytes = 0;
    const file = `${scratch({ "a.jsonl": content })}/a.jsonl`;
    await flatten(readJsonl(file, { onBytes: (more) => (bytes += more) }));
    expect(bytes).toBe(content.length);
  });
});

describe("a BEIR folder", () => {
  const folder = () =>
    scratch({
      "corpus.jsonl": '{"_id": 7, "title": "T", "text": "x", "metadata": {}}\n{"_id": "8", "text": "y"}\n',
      "queries.jsonl": '{"_id": "q1", "text": "one"}\n{"_id": 2, "text": "two"}\n',
    });

  it("has documents with string ids, titles and texts", async () => {
    const records = await flatten(readBeirCorpus(folder()));
    expect(records.map(({ value }) => value)).toEqual([
      { id: "7", title: "T", text: "x" },
      { id: "8", text: "y" },
    ]);
  });

  it("has queries", async () => {
    expect(await readQueries(`${folder()}/queries.jsonl`)).toEqual([
      { id: "q1", text: "one" },
      { id: "2", text: "two" },
    ]);
  });

  it.each([
    ["without an id", '{"text": "one"}', "ERR_PARSE"],
    ["without text", '{"_id": "1"}', "ERR_PARSE"],
    ["twice", '{"_id": "1", "text": "one"}\n{"_id": 1, "text": "two"}', "ERR_DUPLICATE_ID"],
  ])("refuses a query %s", async (_, content, code) => {
    const file = `${scratch({ "q.jsonl": content })}/q.jsonl`;
    await expect(readQueries(file)).rejects.toMatchObject({ code, file });
  });
});

describe("judgements", () => {
  it.each([
    ["BEIR", "query-id\tcorpus-id\tscore\r\n1\td 1\t1\r\n1\td2\t0\r\n2\td1\t3"],
    ["TREC", "1 0 d_1 1\n1 0 d2 0\n\n2 0 d1 3\n"],
    ["TREC with tabs", "1\t0\td 1\t1\n1\t0\td2\t0\n2\t0\td1\t3\n"],
  ])("are read in the %s layout", async (name, content) => {
    const qrels = await readQrels(`${scratch({ "q.tsv": content })}/q.tsv`);
    const first = name === "TREC" ? "d_1" : "d 1";
    expect(JSON.parse(JSON.stringify(qrels))).toEqual({ 1: { [first]: 1, d2: 0 }, 2: { d1: 3 } });
  });

  it.each([
    ["too few columns", "1\td1\t1\n2\td2"],
    ["no grade", "1\td1\t1\n2\td2\tx"],
    ["an empty grade", "1\td1\t1\n2\td2\t"],
  ])("with %s are refused", async (_, content) => {
    const file = `${scratch({ "q.tsv": content })}/q.tsv`;
    await expect(readQrels(file)).rejects.toMatchObject({ code: "ERR_PARSE", file, line: 2 });
  });
});

describe("a folder of texts", () => {
  it("gives path, title, text and date, in order, without hidden files", async () => {
    const folder = scratch({
      "b.txt": "plain\n",
      "a/deep.md": "intro\n\n## The *title* ##\n\ntext",
      "a/image.png": "x",
      ".hidden/c.md": "# no",
      "node_modules/d.md": "# no",
    });
    const records = await flatten(readTextFiles(folder));
    expect(records.map(({ value }) => value)).toMatchObject([
      { id: "a/deep.md", path: "a/deep.md", title: "The *title*" },
      { id: "b.txt", title: "b", text: "plain\n" },
    ]);
    expect(String(records[0]?.value.modified)).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("names the file and the line that is not UTF-8", async () => {
    const folder = scratch({ "a.txt": "fine", "b.txt": new Uint8Array([97, 10, 0xe9, 10]) });
    const wrong = { code: "ERR_ENCODING", file: `${folder}/b.txt`, line: 2 };
    await expect(flatten(readTextFiles(folder))).rejects.toMatchObject(wrong);
    const bad: unknown[] = [];
    const records = await flatten(readTextFiles(folder, { onBad: (error) => bad.push(error) }));
    expect(records).toHaveLength(1);
    expect(bad).toMatchObject([wrong]);
  });

  it.each([
    ["# One", "One"],
    ["text\n\nTitle\n=====\n", "Title"],
    ["```\n# code\n```\n# Real", "Real"],
    ['---\ntitle: "Front"\n---\n# Heading', "Front"],
    ["---\nauthor: x\n---\n# Heading", "Heading"],
    ["- item\n---\n# After", "After"],
    ["#hashtag\nno heading", undefined],
    ["", undefined],
  ])("finds the title of %j", (markdown, title) => {
    expect(firstHeading(markdown)).toBe(title);
  });
});
