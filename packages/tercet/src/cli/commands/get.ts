/** `tercet get`: documents by their ids. */
import type { Id } from "../../wire/index.js";
import { type Answer, type Arguments, type Command, type Context, names, positionals } from "../command.js";
import { EXIT } from "../errors.js";
import { AT, versionAt, withFolder } from "../folder.js";
import { hasColour } from "../io.js";
import { plainJson, shortValue } from "../plain-json.js";
import { type Palette, palette, plain } from "../style.js";

export const get: Command = {
  name: "get",
  summary: "show documents by id",
  usage: "<folder> <id...> [options]",
  about: `Shows whole documents. An id that looks like a whole number is looked up as a string first, then as a number.
Ends with exit code 1 when one of them is not there.`,
  options: {
    select: { type: "string", value: "a,b", multiple: true, help: "fields to show (default: all)" },
    at: AT,
  },
  examples: [
    ["tercet get ./papers 1017", "one document"],
    ["tercet get ./papers 1017 1018 --json", "an array of two; null where there is none"],
  ],
  run,
};

type Found = Record<string, unknown> | null | undefined;

async function run(args: Arguments, context: Context): Promise<Answer> {
  const [folder, first, ...others] = positionals(args, get, ["folder", "id"], true) as [
    string,
    string,
    ...string[],
  ];
  const ids = [first, ...others];
  const select = names(args.values, "select");
  const options = { ...(select === undefined ? {} : { select }), signal: context.signal };
  return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
    const found: Found[] = await collection.get(ids, options);
    const numbers = ids.flatMap((id, i) => (found[i] == null && isWholeNumber(id) ? [i] : []));
    if (numbers.length > 0) {
      const again: Found[] = await collection.get(
        numbers.map((i): Id => Number(ids[i])),
        options,
      );
      for (const [n, i] of numbers.entries()) found[i] = again[n];
    }
    const style = palette(hasColour(context.stdout, context.env));
    const missing = found.some((document) => document == null);
    return {
      json: { documents: found.map((document) => plainJson(document ?? null)) },
      text: ids.map((id, i) => print(id, found[i], style)).join("\n\n"),
      exit: missing ? EXIT.failed : EXIT.ok,
    };
  });
}

function isWholeNumber(id: string): boolean {
  return /^-?\d+$/.test(id) && Number.isSafeInteger(Number(id));
}

function print(id: string, document: Found, style: Palette): string {
  if (document == null) return style.bad(`there is no document "${plain(id)}"`);
  const { id: _, ...fields } = document;
  const lines = Object.entries(fields).map(
    ([name, value]) => `  ${style.dim(`${name}:`)} ${printValue(value)}`,
  );
  return [style.bold(plain(id)), ...lines].join("\n");
}

// Keeps the lines of a text, so that it can be read as it was written.
function printValue(value: unknown): string {
  return shortValue(value).split("\n").map(plain).join("\n    ");
}
