import { describe, expect, it } from "vitest";
import { BATCH_BYTES, BATCH_DOCUMENTS, ingest } from "../../src/cli/ingest.js";
import { Reading } from "../../src/cli/reading.js";
import type { Placed } from "../../src/cli/shape.js";
import { findSource } from "../../src/cli/sources.js";
import { TercetError } from "../../src/errors.js";
import { flatten, scratch } from "./scratch.js";

const placed = (n: number): Placed[] =>
  Array.from({ length: n }, (_, i) => ({
    document: { id: i, bad: i % 7 === 3 },
    file: "f.jsonl",
    line: i + 1,
  }));

async function* groups(all: readonly Placed[], size: number): AsyncGenerator<readonly Placed[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

// A collection that refuses documents that say they are bad.
function target(refuse = true) {
  const batches: unknown[][] = [];
  const write = async (documents: readonly Placed["document"][]) => {
    const position = refuse ? documents.findIndex((document) => document.bad === true) : -1;
    if (position !== -1) {
      const details = { position, id: documents[position]?.id as number, field: "bad" };
      throw new TercetError("ERR_TYPE", `document ${position} is bad`, details);
    }
    batches.push(documents.map((document) => document.id));
    return { replaced: 1 };
  };
  return { batches, write };
}

const options = () => ({
  schema: {},
  left: new Set<string>(),
  tally: { indexed: 0, replaced: 0, skipped: 0 },
});

describe("ingesting", () => {
  it("writes batches of a bounded number of documents, in order", async () => {
    const { batches, write } = target(false);
    const settings = options();
    await ingest(groups(placed(BATCH_DOCUMENTS * 2 + 5), 999), write, settings);
    expect(batches.map((batch) => batch.length)).toEqual([BATCH_DOCUMENTS, BATCH_DOCUMENTS, 5]);
    expect(batches.flat()).toEqual(placed(BATCH_DOCUMENTS * 2 + 5).map(({ document }) => document.id));
    expect(settings.tally).toEqual({ indexed: BATCH_DOCUMENTS * 2 + 5, replaced: 3, skipped: 0 });
  });

  it("ends a batch early when its documents are large", async () => {
    const { batches, write } = target(false);
    let bytes = 0;
    const bytesRead = () => (bytes += BATCH_BYTES / 4);
    await ingest(groups(placed(20), 1), write, { ...options(), bytesRead });
    expect(batches.length).toBeGreaterThan(2);
  });

  it("says in which file and line the refused document stands", async () => {
    const { write } = target();
    const refused = { code: "ERR_TYPE", file: "f.jsonl", line: 4, id: 3, field: "bad" };
    await expect(ingest(groups(placed(10), 4), write, options())).rejects.toMatchObject(refused);
  });

  it("leaves refused documents out when told to, and keeps the others in order", async () => {
    const { batches, write } = target();
    const lines: (number | undefined)[] = [];
    const settings = options();
    const onBad = (error: Error) => lines.push((error as TercetError).line);
    await ingest(groups(placed(20), 6), write, { ...settings, onBad });
    expect(lines).toEqual([4, 11, 18]);
    expect(batches.flat()).toEqual(placed(20).flatMap(({ document }) => (document.bad ? [] : [document.id])));
    expect(settings.tally.indexed).toBe(17);
  });

  it("does not take an error about something else for a bad document", async () => {
    const write = async () => {
      throw new TercetError("ERR_IO", "the disk is full");
    };
    const failing = ingest(groups(placed(3), 3), write, { ...options(), onBad: () => {} });
    await expect(failing).rejects.toMatchObject({ code: "ERR_IO" });
  });
});

describe("reading", () => {
  const reading = (folder: string, skipBad: boolean, complaints: string[] = []) =>
    new Reading([findSource(`${folder}/a.jsonl`), findSource(`${folder}/b.csv`)], {
      signal: new AbortController().signal,
      skipBad,
      complain: (message) => complaints.push(message),
    });
  const files = { "a.jsonl": '{"id":"1"}\nbad\n{"id":"2"}\n', "b.csv": "id,n\n3,4\n" };

  it("gives the sample again with everything else, and counts", async () => {
    const complaints: string[] = [];
    const all = reading(scratch(files), true, complaints);
    expect(all.share).toBe(0);
    const sample = await all.sample();
    expect(sample.complete).toBe(true);
    expect(sample.documents).toHaveLength(3);
    const documents = (await flatten(all.groups(() => {}))).map((item) => [item.document.id, item.strings]);
    expect(documents).toEqual([
      ["1", false],
      ["2", false],
      ["3", true],
    ]);
    expect(all.share).toBe(1);
    expect(all.skipped).toBe(1);
    expect(all.problems).toMatchObject([{ code: "ERR_PARSE", line: 2 }]);
    expect(complaints).toHaveLength(1);
  });

  it("samples only a part of what is large", async () => {
    const line = `${JSON.stringify({ id: "x", text: "y".repeat(2000) })}\n`;
    const all = reading(scratch({ ...files, "a.jsonl": line.repeat(10_000) }), false);
    const sample = await all.sample();
    expect(sample.complete).toBe(false);
    expect(sample.documents.length).toBeLessThan(10_000);
    expect(await flatten(all.groups(() => {}))).toHaveLength(10_001);
  });

  it("stops at the first bad line unless told otherwise", async () => {
    await expect(reading(scratch(files), false).sample()).rejects.toMatchObject({ code: "ERR_PARSE" });
  });

  it("complains about the first few only", async () => {
    const complaints: string[] = [];
    const all = reading(scratch({ ...files, "a.jsonl": "bad\n".repeat(200) }), true, complaints);
    await all.sample();
    expect(all.skipped).toBe(200);
    expect(complaints).toHaveLength(6);
    expect(all.problems).toHaveLength(100);
  });
});

describe("a source", () => {
  it.each([
    ["a.jsonl", "jsonl"],
    ["a.NDJSON", "jsonl"],
    ["a.csv", "csv"],
    ["a.tsv", "csv"],
    ["beir", "beir"],
    ["texts", "files"],
  ])("%s is %s", (name, format) => {
    const folder = scratch({
      "a.jsonl": "",
      "a.NDJSON": "",
      "a.csv": "",
      "a.tsv": "",
      "beir/corpus.jsonl": "",
      "texts/a.md": "",
    });
    expect(findSource(`${folder}/${name}`).format).toBe(format);
  });

  it("may be said to be something else", () => {
    const folder = scratch({ "a.data": "", "beir/corpus.jsonl": "" });
    expect(findSource(`${folder}/a.data`, "csv").format).toBe("csv");
    expect(findSource(`${folder}/beir`, "files").format).toBe("files");
    expect(findSource("-").format).toBe("jsonl");
  });

  it("that cannot be is refused", () => {
    const folder = scratch({ "a.data": "" });
    expect(() => findSource(`${folder}/a.data`)).toThrow("--format");
    expect(() => findSource(`${folder}/a.data`, "beir")).toThrow("needs a folder");
    expect(() => findSource(folder, "csv")).toThrow("needs a file");
    expect(() => findSource(`${folder}/none`)).toThrow(
      expect.objectContaining({ code: "ERR_NOT_FOUND" }) as Error,
    );
  });
});
