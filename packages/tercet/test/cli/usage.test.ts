import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/run.js";
import { tercet } from "./scratch.js";

describe("help", () => {
  it.each([[[]], [["--help"]], [["-h"]], [["help"]], [["--json", "--help"].reverse()]])(
    "of %j lists every command",
    async (argv) => {
      const { exit, out } = await tercet(argv as string[]);
      expect(exit).toBe(0);
      for (const command of COMMANDS) expect(out).toContain(`${command.name} `);
    },
  );

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    "of %s has its options and examples",
    async (name, command) => {
      const { exit, out, err } = await tercet([name, "--help"]);
      expect([exit, err]).toEqual([0, ""]);
      expect(out).toContain(`Usage: tercet ${name}`);
      for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`);
      for (const [line] of command.examples) expect(out).toContain(line);
      expect((await tercet(["help", name])).out).toBe(out);
    },
  );

  it("fits a terminal of 120 columns", async () => {
    for (const argv of [["--help"], ...COMMANDS.map((command) => [command.name, "--help"])]) {
      for (const line of (await tercet(argv)).out.split("\n"))
        expect(line.length, line).toBeLessThanOrEqual(120);
    }
  });
});

describe("wrong usage", () => {
  it.each([
    ["an unknown command", ["fnord"], 'no command "fnord"'],
    ["an unknown option", ["search", "x", "y", "--limt", "3"], "--limt"],
    ["an option before any command", ["--limit", "3"], "--limit"],
    ["no folder", ["search"], "folder is missing"],
    ["no words", ["search", "x"], "words"],
    ["no ids", ["get", "x"], "id is missing"],
    ["an argument too many", ["count", "x", "y"], "one argument too many"],
    ["a limit that is no number", ["search", "x", "y", "--limit", "many"], "--limit"],
    ["a negative limit", ["search", "x", "y", "--limit=-1"], "--limit"],
    ["a filter that is not JSON", ["search", "x", "y", "--where", "{"], "--where is not JSON"],
    ["a filter that is a list", ["count", "x", "--where", "[]"], "JSON object"],
    ["no source", ["index", "--into", "x"], "source is missing"],
    ["no target", ["index", "x.jsonl"], "--into"],
    ["an unknown format", ["index", "x", "--into", "y", "--format", "xml"], "--format"],
    ["an unknown backend", ["count", "x", "--backend", "abacus"], "--backend"],
    ["no queries", ["eval", "x"], "--queries"],
    ["no judgements", ["eval", "x", "--queries", "q"], "--qrels"],
  ])("%s ends with 2 and says where help is", async (_, argv, message) => {
    const { exit, out, err } = await tercet(argv);
    expect([exit, out]).toEqual([2, ""]);
    expect(err).toMatch(/^tercet: /);
    expect(err).toContain(message);
    expect(err).toContain("--help");
    expect(err).not.toContain("    at ");
    const json = await tercet([...argv, "--json"]);
    expect([json.exit, json.err]).toEqual([2, ""]);
    expect(json.json()).toMatchObject({ error: { code: "ERR_ARGUMENT" } });
  });
});
