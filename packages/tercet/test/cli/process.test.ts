/** The built command in a process of its own: pipes, exit codes, interruption. Not run before `npm run build:ts`. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { scratch } from "./scratch.js";

const CLI = fileURLToPath(new URL("../../dist/cli.mjs", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function tercet(
  argv: readonly string[],
  drive: (child: ReturnType<typeof spawn>) => void = () => {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...argv], { stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
    drive(child);
  });
}

const line = (id: number) =>
  `${JSON.stringify({ id, text: `the text of document number ${id} is about a wing` })}\n`;

describe.skipIf(!existsSync(CLI))("the built command in a process", () => {
  it("reads standard input, prints no progress into a pipe, and ends with 0", async () => {
    const into = `${scratch()}/out`;
    const indexed = await tercet(["index", "-", "--into", into, "--json"], (child) => {
      for (let id = 0; id < 500; id++) child.stdin?.write(line(id));
      child.stdin?.end();
    });
    expect(indexed).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(indexed.out)).toMatchObject({ indexed: 500 });
    const found = await tercet(["search", into, "wing", "--limit", "3", "--json"]);
    expect(JSON.parse(found.out).hits).toHaveLength(3);
  });

  it("ends with 130 when it is interrupted, and keeps the collection sound", async () => {
    const into = `${scratch()}/out`;
    const { code, err } = await tercet(["index", "-", "--into", into], (child) => {
      for (let id = 0; id < 20_000; id++) child.stdin?.write(line(id));
      // Standard input stays open: only the signal can end it.
      setTimeout(() => child.kill("SIGINT"), 2_000);
    });
    expect(err).toContain("tercet: interrupted");
    expect(code).toBe(130);
    const checked = await tercet(["verify", into, "--json"]);
    if (checked.code === 0) expect(JSON.parse(checked.out).problems).toEqual([]);
    else expect(JSON.parse(checked.out).error.code).toBe("ERR_NOT_FOUND");
  }, 20_000);

  it("ends quietly when its reader goes away", async () => {
    const { code, err } = await tercet(["--help"], (child) => child.stdout?.destroy());
    expect([code, err]).toEqual([0, ""]);
  });
});
