/** Whole commands against a real collection, on the backend that loads. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scratch, tercet } from "./scratch.js";

const NOTES = [
  {
    id: "a",
    title: "Boundary layers",
    body: "The flow of air over a wing is slow near its surface.",
    year: 1958,
    tags: ["air"],
  },
  {
    id: "b",
    title: "Slipstreams",
    body: "A propeller speeds the air that flows over the wing behind it.",
    year: 1960,
    tags: ["air", "wing"],
  },
  {
    id: "c",
    title: "Heat in solids",
    body: "How heat is carried through a body that is at rest.",
    year: 1961,
    tags: [],
  },
];
const jsonl = (documents: readonly unknown[]) =>
  documents.map((document) => `${JSON.stringify(document)}\n`).join("");

async function indexed(documents: readonly unknown[] = NOTES, ...options: string[]): Promise<string> {
  const folder = scratch({ "notes.jsonl": jsonl(documents) });
  const outcome = await tercet(["index", `${folder}/notes.jsonl`, "--into", `${folder}/out`, ...options]);
  expect(outcome.err).toBe("");
  expect(outcome.exit).toBe(0);
  return folder;
}

describe("index", () => {
  it("guesses a schema, shows it, and says what it did", async () => {
    const folder = scratch({ "notes.jsonl": jsonl(NOTES) });
    const { exit, out, err } = await tercet(["index", `${folder}/notes.jsonl`, "--into", `${folder}/out`]);
    expect([exit, err]).toEqual([0, ""]);
    expect(out).toContain('body: text({ analyzer: "english" }),');
    expect(out).toContain("year: integer(),");
    expect(out).toContain("tags: keyword({ many: true }),");
    expect(out).toContain("3 documents indexed into");
  });

  it("has one JSON document for programs", async () => {
    const folder = scratch({ "notes.jsonl": jsonl([...NOTES, { ...NOTES[0], meta: { x: 1 } }].slice(1)) });
    const { json } = await tercet(["index", `${folder}/notes.jsonl`, "--into", `${folder}/out`, "--json"]);
    expect(json()).toMatchObject({
      created: true,
      documents: 3,
      indexed: 3,
      replaced: 0,
      skipped: 0,
      left: { meta: "values that no field kind holds" },
      schema: { year: { type: "integer" } },
    });
  });

  it("takes the schema that it printed", async () => {
    const folder = scratch({ "notes.jsonl": jsonl(NOTES) });
    const first = await tercet(["index", `${folder}/notes.jsonl`, "--into", `${folder}/one`, "--json"]);
    writeFileSync(`${folder}/schema.json`, first.out);
    const argv = [
      "index",
      `${folder}/notes.jsonl`,
      "--into",
      `${folder}/two`,
      "--schema",
      `${folder}/schema.json`,
      "--json",
    ];
    const second = await tercet(argv);
    expect(second.json().schema).toEqual(first.json().schema);
  });

  it("adds to a collection under the schema that is there", async () => {
    const folder = await indexed();
    writeFileSync(
      `${folder}/more.jsonl`,
      jsonl([
        { ...NOTES[0], year: 1999 },
        { ...NOTES[1], id: "d" },
      ]),
    );
    const { json } = await tercet(["index", `${folder}/more.jsonl`, "--into", `${folder}/out`, "--json"]);
    expect(json()).toMatchObject({ created: false, indexed: 2, replaced: 1, documents: 4 });
  });

  it("reads CSV with numbers and dates", async () => {
    const csv =
      'isbn,title,pages,out\n1,"Sea, the ""wide"" one",20,2020-01-01\n2,"Two\nlines here",,1999-05-06\n';
    const folder = scratch({ "books.csv": csv });
    const argv = [
      "index",
      `${folder}/books.csv`,
      "--into",
      `${folder}/out`,
      "--id",
      "isbn",
      "--text",
      "title",
      "--json",
    ];
    expect((await tercet(argv)).json()).toMatchObject({
      indexed: 2,
      schema: { title: { type: "text" }, pages: { type: "integer", optional: true }, out: { type: "date" } },
    });
    const got = await tercet(["get", `${folder}/out`, "1", "--json"]);
    expect(got.json()).toMatchObject({ documents: [{ id: "1", title: 'Sea, the "wide" one', pages: 20 }] });
  });

  it("reads a BEIR folder and a folder of texts", async () => {
    const folder = scratch({
      "beir/corpus.jsonl": jsonl([
        { _id: "1", title: "A wing", text: "in a slipstream" },
        { _id: "2", text: "heat" },
      ]),
      "texts/a.md": "# A wing\n\nin a slipstream",
      "texts/deep/b.txt": "heat in a solid body",
    });
    for (const [source, id] of [
      ["beir", "1"],
      ["texts", "a.md"],
    ] as const) {
      const into = `${folder}/${source}-out`;
      expect((await tercet(["index", `${folder}/${source}`, "--into", into, "--json"])).json()).toMatchObject(
        { indexed: 2 },
      );
      const found = (await tercet(["search", into, "slipstream", "--json"])).json();
      expect(found).toMatchObject({ hits: [{ id, document: { title: "A wing" } }] });
    }
  });

  it("with a bad line ends with 1, with code, file and line, without a stack and without a collection", async () => {
    const folder = scratch({ "a.jsonl": '{"id":1}\noops\n' });
    const argv = ["index", `${folder}/a.jsonl`, "--into", `${folder}/out`];
    const { exit, out, err } = await tercet(argv);
    expect([exit, out]).toEqual([1, ""]);
    expect(err).toMatch(/^tercet: ERR_PARSE: .*a\.jsonl:2: not JSON: .*\n$/);
    const { json } = await tercet([...argv, "--json"]);
    expect(json()).toMatchObject({ error: { code: "ERR_PARSE", file: `${folder}/a.jsonl`, line: 2 } });
    expect((await tercet(argv, { env: { TERCET_DEBUG: "1" } })).err).toContain("    at ");
    expect(existsSync(`${folder}/out`)).toBe(false);
  });

  it("says where a refused document stands, and leaves no empty collection behind", async () => {
    const folder = scratch({
      "notes.jsonl": jsonl([NOTES[0], { ...NOTES[1], year: "soon" }, NOTES[2]]),
      "schema.json":
        '{"title":{"type":"text"},"body":{"type":"text"},"year":{"type":"integer"},"tags":{"type":"keyword","many":true}}',
    });
    const argv = [
      "index",
      `${folder}/notes.jsonl`,
      "--into",
      `${folder}/out`,
      "--schema",
      `${folder}/schema.json`,
    ];
    const { exit, json } = await tercet([...argv, "--json"]);
    expect(exit).toBe(1);
    expect(json()).toMatchObject({ error: { code: "ERR_TYPE", field: "year", id: "b", line: 2 } });
    expect(existsSync(`${folder}/out`)).toBe(false);
    const skipped = await tercet([...argv, "--skip-bad", "--json"]);
    expect(skipped.json()).toMatchObject({
      indexed: 2,
      skipped: 1,
      problems: [{ code: "ERR_TYPE", line: 2 }],
    });
    expect(skipped.err).toContain("left out");
  });

  it("leaves out duplicates within a batch when told to", async () => {
    const folder = scratch({ "notes.jsonl": jsonl([...NOTES, NOTES[0]]) });
    const argv = ["index", `${folder}/notes.jsonl`, "--into", `${folder}/out`, "--json"];
    expect((await tercet(argv)).json()).toMatchObject({
      error: { code: "ERR_DUPLICATE_ID", id: "a", line: 4 },
    });
    expect((await tercet([...argv, "--skip-bad"])).json()).toMatchObject({ indexed: 3, skipped: 1 });
  });

  it("that is interrupted ends with 130", async () => {
    const folder = scratch({ "notes.jsonl": jsonl(NOTES) });
    const argv = ["index", `${folder}/notes.jsonl`, "--into", `${folder}/out`];
    const { exit, err } = await tercet(argv, { signal: AbortSignal.abort() });
    expect([exit, err]).toEqual([130, "tercet: interrupted\n"]);
  });

  it("of nothing says so", async () => {
    const folder = scratch({ "empty.jsonl": "\n", "texts/.keep": "" });
    for (const source of ["empty.jsonl"]) {
      const { exit, err } = await tercet(["index", `${folder}/${source}`, "--into", `${folder}/out`]);
      expect([exit, err]).toEqual([1, expect.stringContaining("ERR_SCHEMA")]);
    }
  });
});

describe("search", () => {
  it("ranks, and marks the words on a terminal only", async () => {
    const folder = await indexed();
    const argv = ["search", `${folder}/out`, "wings", "in", "the", "air"];
    const terminal = await tercet(argv, { tty: true });
    expect(terminal.out).toContain("\u001b[33mwing\u001b[39m");
    const pipe = await tercet(argv);
    expect(pipe.out).not.toContain("\u001b");
    expect(pipe.out).toMatch(/^ 1\. [ab] /);
    expect((await tercet(argv, { tty: true, env: { NO_COLOR: "1" } })).out).not.toContain("\u001b[33m");
  });

  it("filters, selects, pages and explains", async () => {
    const folder = await indexed();
    const search = async (...argv: string[]) =>
      (await tercet(["search", `${folder}/out`, ...argv, "--json"])).json();
    expect(await search("wing", "--where", '{"year":{"gte":1960}}', "--select", "title")).toMatchObject({
      hits: [{ id: "b", document: { id: "b", title: "Slipstreams" } }],
      exact: true,
    });
    expect(await search("wing", "heat", "--and")).toMatchObject({ hits: [] });
    expect(await search("air", "--limit", "1", "--offset", "1")).toMatchObject({ hits: [{}] });
    expect(await search("heat", "--fields", "title")).toMatchObject({
      hits: [{ id: "c", highlights: { title: [[0, 4]] } }],
    });
    expect(await search("--where", '{"tags":"wing"}')).toMatchObject({ hits: [{ id: "b", score: 0 }] });
    const explained = await search("wing", "--explain");
    expect(explained).toMatchObject({ explain: { plan: [{}] }, hits: [{ explain: { part: "match" } }, {}] });
    expect((await tercet(["search", `${folder}/out`, "wing", "--explain"])).out).toContain("postingsScored");
    expect((await tercet(["search", `${folder}/out`, "fnord"])).out).toContain("no document matches");
  });

  it.each([
    ["a field that is not there", ["wing", "--fields", "nope"], "ERR_FIELD"],
    ["a filter on text", ["wing", "--where", '{"title":"x"}'], "ERR_FILTER"],
    ["a limit too high", ["wing", "--limit", "1000000"], "ERR_LIMIT"],
    ["no words in the words", [" "], "ERR_QUERY"],
  ])("with %s ends with 1", async (_, argv, code) => {
    const folder = await indexed();
    const { exit, json } = await tercet(["search", `${folder}/out`, ...argv, "--json"]);
    expect(exit).toBe(1);
    expect(json()).toMatchObject({ error: { code } });
  });
});

describe("the other commands", () => {
  it("get documents by strings and by numbers", async () => {
    const folder = await indexed([
      { id: 1, n: 5 },
      { id: "x", n: 6 },
    ]);
    const got = await tercet(["get", `${folder}/out`, "1", "x", "none", "--json"]);
    expect(got.exit).toBe(1);
    expect(got.json()).toEqual({ documents: [{ id: 1, n: 5 }, { id: "x", n: 6 }, null] });
    expect((await tercet(["get", `${folder}/out`, "none"])).out).toContain('there is no document "none"');
    expect((await tercet(["get", `${folder}/out`, "x"])).exit).toBe(0);
  });

  it("count, show, check and compact", async () => {
    const folder = await indexed();
    const out = `${folder}/out`;
    expect((await tercet(["count", out])).out).toBe("3\n");
    expect((await tercet(["count", out, "--where", '{"year":{"lt":1960}}', "--json"])).json()).toEqual({
      count: 1,
    });
    const stats = await tercet(["stats", out]);
    expect(stats.out).toContain("3 documents");
    expect(stats.out).toContain('title: text({ analyzer: "english"');
    expect((await tercet(["stats", out, "--json"])).json()).toMatchObject({
      documents: 3,
      schema: { year: { type: "integer" } },
    });
    expect((await tercet(["verify", out])).out).toContain("all is well");
    writeFileSync(`${folder}/one.jsonl`, jsonl(NOTES.slice(0, 1)));
    await tercet(["index", `${folder}/one.jsonl`, "--into", out]);
    expect((await tercet(["compact", out, "--json"])).json()).toMatchObject({ dropped: 1 });
    expect((await tercet(["count", out])).out).toBe("3\n");
  });

  it("find damage", async () => {
    const folder = await indexed();
    const files = readdirSync(`${folder}/out`).filter((name) => !/lock|manifest/i.test(name));
    const file = `${folder}/out/${files[0]}`;
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0xff;
    writeFileSync(file, bytes);
    const { exit, json } = await tercet(["verify", `${folder}/out`, "--json"]);
    expect(exit).toBe(1);
    expect(json()).not.toMatchObject({ problems: [] });
  });

  it.each(["search", "get", "count", "stats", "verify", "compact"])(
    "%s says when there is no collection",
    async (name) => {
      const argv = [name, `${scratch()}/none`, ...(name === "search" || name === "get" ? ["x"] : [])];
      const { exit, err } = await tercet(argv);
      expect([exit, err]).toEqual([1, expect.stringContaining("ERR_NOT_FOUND")]);
    },
  );

  it("measure", async () => {
    const folder = await indexed();
    writeFileSync(
      `${folder}/queries.jsonl`,
      jsonl([
        { _id: "1", text: "wing in the air" },
        { _id: "2", text: "heat" },
        { _id: "3", text: "unjudged" },
      ]),
    );
    writeFileSync(`${folder}/judged.tsv`, "query-id\tcorpus-id\tscore\n1\tb\t1\n2\tc\t1\n2\ta\t0\n");
    const argv = [
      "eval",
      `${folder}/out`,
      "--queries",
      `${folder}/queries.jsonl`,
      "--qrels",
      `${folder}/judged.tsv`,
    ];
    const run = `${folder}/run.trec`;
    const { exit, json } = await tercet([
      ...argv,
      "--metrics",
      "recall@10,mrr@10",
      "--run",
      run,
      "--per-query",
      "--json",
    ]);
    expect(exit).toBe(0);
    expect(json()).toMatchObject({ queries: 2, means: { "recall@10": 1 }, perQuery: { 2: { "mrr@10": 1 } } });
    expect(readFileSync(run, "utf8")).toMatch(/^1 Q0 [ab] 1 [\d.]+ tercet\n/);
    const { out } = await tercet([...argv, "--per-query"]);
    expect(out).toContain("2 judged queries, 100 hits each");
    expect(out).toContain("time a query");
    expect((await tercet([...argv, "--metrics", "fnord@3"])).err).toContain("ERR_ARGUMENT");
  });

  it("say their versions", async () => {
    const { exit, out } = await tercet(["--version"]);
    expect(exit).toBe(0);
    expect(out).toMatch(
      /^tercet \d+\.\d+\.\d+\ncore \d+\.\d+\.\d+, (native|wasm) \(.*\), instruction set \w+/,
    );
    expect((await tercet(["--version", "--json"])).json()).toMatchObject({
      core: { isa: expect.any(String) as string },
    });
  });
});
