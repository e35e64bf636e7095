/** Versions, snapshots, damage and repair from the command line. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scratch, tercet } from "./scratch.js";

const line = (id: number) => `${JSON.stringify({ id, text: `document ${id} is about a wing`, n: id })}\n`;
const lines = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => line(first + i)).join("");

/** A folder with a collection of `count` documents in it. */
async function indexed(count = 20): Promise<{ readonly folder: string; readonly into: string }> {
  const folder = scratch({ "a.jsonl": lines(0, count) });
  const into = `${folder}/out`;
  expect(await tercet(["index", `${folder}/a.jsonl`, "--into", into])).toMatchObject({ exit: 0, err: "" });
  return { folder, into };
}

async function json(...argv: string[]): Promise<Record<string, unknown>> {
  const outcome = await tercet([...argv, "--json"]);
  return { exit: outcome.exit, ...outcome.json() };
}

function damage(folder: string, ending: string): void {
  const name = readdirSync(folder).find((one) => one.endsWith(ending)) as string;
  const bytes = readFileSync(`${folder}/${name}`);
  // In what only a search looks at.
  const at = Math.floor(bytes.length * 0.8);
  bytes[at] = (bytes[at] as number) ^ 0xff;
  writeFileSync(`${folder}/${name}`, bytes);
}

describe("tag and versions", () => {
  it("name a state, and every command that reads can go back to it", async () => {
    const { folder, into } = await indexed();
    const tagged = await json("tag", into, "before");
    expect(tagged).toMatchObject({ exit: 0, documents: 20, version: expect.any(Number) as number });
    writeFileSync(`${folder}/b.jsonl`, lines(20, 10));
    await tercet(["index", `${folder}/b.jsonl`, "--into", into]);
    expect(await json("count", into)).toMatchObject({ count: 30 });
    expect(await json("count", into, "--at", "before")).toMatchObject({ count: 20 });
    expect(await json("count", into, "--at", String(tagged.version))).toMatchObject({ count: 20 });
    expect((await tercet(["get", into, "25", "--at", "before"])).exit).toBe(1);
    expect(await json("search", into, "document", "25", "--and", "--at", "before")).toMatchObject({
      hits: [],
    });
    expect(await json("stats", into, "--at", "before")).toMatchObject({ documents: 20 });
    expect(await json("verify", into, "--at", "before")).toMatchObject({ problems: [] });
    const { versions } = await json("versions", into);
    expect(versions).toContainEqual(expect.objectContaining({ tags: ["before"], documents: 20 }));
    const { out } = await tercet(["versions", into]);
    expect(out).toMatch(/version +documents +written +tags\n/);
    expect(out).toMatch(/\n\d+ +20 +20\d\d-.*Z +before\n/);
    expect(out).toContain("(newest)");
  });

  it("take a tag away", async () => {
    const { into } = await indexed(1);
    expect((await tercet(["tag", into, "x"])).out).toMatch(/^version \d+, 1 document, is "x"\n$/);
    expect(await tercet(["tag", into, "x", "--remove"])).toMatchObject({
      exit: 0,
      out: 'the tag "x" is gone\n',
    });
    expect(await tercet(["tag", into, "x", "--remove"])).toMatchObject({
      exit: 1,
      out: 'there is no tag "x"\n',
    });
    expect((await tercet(["count", into, "--at", "x"])).err).toContain("ERR_NOT_FOUND");
    expect((await tercet(["tag", into])).err).toContain("the name is missing");
  });
});

describe("export and import", () => {
  it("make one file that is read like a folder, and a folder again", async () => {
    const { folder, into } = await indexed();
    const file = `${folder}/out.tercet`;
    expect(await json("export", into, file)).toMatchObject({ exit: 0, file, documents: 20 });
    expect((await tercet(["export", into, file])).err).toContain("ERR_EXISTS");
    expect(await json("search", file, "wing", "--limit", "3")).toMatchObject({ hits: [{}, {}, {}] });
    expect(await json("verify", file)).toMatchObject({ exit: 0, files: 1, problems: [] });
    const again = `${folder}/again`;
    const imported = await tercet(["import", file, again]);
    expect(imported).toMatchObject({ exit: 0, out: expect.stringMatching(/^20 documents in /) as string });
    expect(await json("count", again)).toMatchObject({ count: 20 });
    expect((await tercet(["import", file, again])).err).toContain("ERR_EXISTS");
    expect((await tercet(["compact", again])).exit).toBe(0);
    expect((await tercet(["compact", file])).err).toContain("ERR_UNSUPPORTED");
  });

  it("write an older version too", async () => {
    const { folder, into } = await indexed(5);
    await tercet(["tag", into, "five"]);
    writeFileSync(`${folder}/b.jsonl`, lines(5, 5));
    await tercet(["index", `${folder}/b.jsonl`, "--into", into]);
    const { out } = await tercet(["export", into, `${folder}/five.tercet`, "--at", "five"]);
    expect(out).toMatch(/^5 documents of version \d+ in /);
  });

  it("that are interrupted leave nothing", async () => {
    const { folder, into } = await indexed();
    const file = `${folder}/out.tercet`;
    const { exit } = await tercet(["export", into, file], { signal: AbortSignal.abort() });
    expect([exit, existsSync(file)]).toEqual([130, false]);
  });
});

describe("verify and repair", () => {
  it("say what is damaged, and make it sound", async () => {
    const { into } = await indexed(5_000);
    expect(await tercet(["repair", into])).toMatchObject({
      exit: 0,
      out: "nothing was wrong\n5,000 documents, none lost\n",
    });
    damage(into, ".seg");
    const found = await tercet(["verify", into]);
    expect(found.exit).toBe(1);
    // Opening may meet it first.
    expect(found.out + found.err).toMatch(/damaged\n {2}.*\.seg \(.+\): .|ERR_CORRUPT: .*\.seg: /);
    const mended = await tercet(["repair", into]);
    expect(mended.out).toMatch(/\n[\d,]+ documents?(, none lost|, [\d,]+ documents? lost)\n$/);
    expect(await tercet(["verify", into])).toMatchObject({
      exit: 0,
      out: expect.stringContaining("all is well") as string,
    });
    expect(await json("repair", into)).toMatchObject({ exit: 0, actions: [], ok: true });
  });

  it.each(["versions", "export", "repair", "tag"])("%s says when there is no collection", async (name) => {
    const none = `${scratch()}/none`;
    const argv = [name, none, ...(name === "export" || name === "tag" ? ["x"] : [])];
    const { exit, err } = await tercet(argv);
    expect([exit, err]).toEqual([1, expect.stringContaining("ERR_NOT_FOUND")]);
  });
});

describe("stats", () => {
  it("tell disk, log and memory", async () => {
    const { into } = await indexed();
    const { out } = await tercet(["stats", into]);
    expect(out).toMatch(
      /^20 documents, version \d+\nsegments .*\nall files .*, of which the log 0 B; in memory /,
    );
    expect(out).toMatch(/field +type +documents +on disk +in memory\n/);
    expect(await json("stats", into)).toMatchObject({ logBytes: 0, version: expect.any(Number) as number });
  });
});
