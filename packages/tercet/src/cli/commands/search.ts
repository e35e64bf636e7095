/** `tercet search`: words or a vector in, a page of hits out. */
import { all, fuse, match, type Query } from "../../query.js";
import type { Schema } from "../../schema.js";
import type { Hit, Page } from "../../types.js";
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  jsonObject,
  names,
  positionals,
  wholeNumber,
} from "../command.js";
import { UsageError } from "../errors.js";
import { AT, versionAt, withFolder } from "../folder.js";
import { hasColour } from "../io.js";
import { plainJson, shortValue } from "../plain-json.js";
import { duration, highlight, type Palette, palette, plain, snippet } from "../style.js";
import { explainHit, explainPage } from "./explain.js";
import { NEAR_OPTIONS, nearQuery } from "./near.js";

type Fields = Record<string, unknown>;

const SNIPPET_CHARACTERS = 240;

export const search: Command = {
  name: "search",
  summary: "find documents by words or by a vector",
  usage: "<folder> [words...] [options]",
  about: `Ranks the documents of a collection by the words (BM25), with --near by the nearness of their vectors, with both by
the two rankings together (reciprocal rank fusion). With --where alone, lists the documents that pass the filter in the
order in which they were added.`,
  options: {
    where: { type: "string", value: "json", help: 'filter, for example \'{"year": {"gte": 1960}}\'' },
    limit: { type: "string", value: "n", help: "hits to show (default 10)" },
    offset: { type: "string", value: "n", help: "hits to pass over (default 0)" },
    fields: {
      type: "string",
      value: "a,b",
      multiple: true,
      help: "fields to search, with a weight if wished: title^2,text",
    },
    select: {
      type: "string",
      value: "a,b",
      multiple: true,
      help: "fields to show (default: all but vectors)",
    },
    and: { type: "boolean", help: "every word must stand in the document" },
    ...NEAR_OPTIONS,
    at: AT,
    explain: { type: "boolean", help: "say where the scores come from and what ran" },
  },
  examples: [
    ["tercet search ./papers boundary layer", "the ten best documents, matched words highlighted"],
    [
      'tercet search ./papers wing --and --where \'{"year": {"lt": 1960}}\' --limit 3',
      "all words, older papers only",
    ],
    ["tercet search ./papers wing --fields title^2,abstract --select title --json", "for another program"],
    ["tercet search ./papers --near vector=id:paper-7", "what is near to a stored document"],
    ["tercet search ./papers wing --near vector=query.json --recall 0.95", "words and a vector together"],
  ],
  run,
};

async function run(args: Arguments, context: Context): Promise<Answer> {
  const [folder, ...words] = positionals(args, search, ["folder"], true) as [string, ...string[]];
  const where = jsonObject(args.values, "where", search.name);
  const nearest = await nearQuery(args.values);
  if (words.length === 0 && nearest === undefined && where === undefined)
    throw new UsageError("the words to search for are missing, or --near, or --where", search.name);
  const fields = weighted(names(args.values, "fields"));
  const select = names(args.values, "select");
  const limit = wholeNumber(args.values, "limit", search.name);
  const offset = wholeNumber(args.values, "offset", search.name);
  const explain = args.values.explain === true;
  return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
    const wanted: Query[] = nearest === undefined ? [] : [nearest];
    if (words.length > 0) {
      const operator = args.values.and === true ? "and" : "or";
      wanted.unshift(match(words.join(" "), { ...(fields === undefined ? {} : { fields }), operator }));
    }
    const query = wanted.length > 1 ? fuse.rrf(wanted) : (wanted[0] ?? all());
    const marked = words.length === 0 ? [] : highlighted(collection.schema, select, fields);
    const started = performance.now();
    const page: Page<Fields> = await collection.search({
      query,
      ...(where === undefined ? {} : { where }),
      ...(limit === undefined ? {} : { limit }),
      ...(offset === undefined ? {} : { offset }),
      ...(select === undefined ? {} : { select }),
      ...(marked.length === 0 ? {} : { highlight: marked }),
      explain,
      signal: context.signal,
    });
    const ms = performance.now() - started;
    const colours = palette(hasColour(context.stdout, context.env));
    return {
      json: plainJson({
        hits: page.hits,
        exact: page.exact,
        ...(page.explain === undefined ? {} : { explain: page.explain }),
        ms,
      }),
      text: print(page, offset ?? 0, ms, colours),
    };
  });
}

/** `title^2,text` as names with weights; plain names stay a list. */
export function weighted(
  given: readonly string[] | undefined,
): readonly string[] | Record<string, number> | undefined {
  if (given === undefined || !given.some((name) => name.includes("^"))) return given;
  return Object.fromEntries(
    given.map((item) => {
      const [name, weight = "1"] = item.split("^") as [string, string?];
      if (!Number.isFinite(Number(weight)) || weight.trim() === "") {
        throw new UsageError(`--fields: the weight of ${name} is not a number: "${weight}"`, search.name);
      }
      return [name, Number(weight)];
    }),
  );
}

// The text fields that are both searched and shown.
function highlighted(
  schema: Schema,
  select: readonly string[] | undefined,
  fields: readonly string[] | Record<string, number> | undefined,
): string[] {
  const searched =
    fields === undefined ? undefined : Array.isArray(fields) ? (fields as string[]) : Object.keys(fields);
  const shown = Object.keys(schema).filter((name) => schema[name]?.type === "text");
  return shown.filter((name) => (select?.includes(name) ?? true) && (searched?.includes(name) ?? true));
}

function print(page: Page<Fields>, offset: number, ms: number, style: Palette): string {
  const blocks = page.hits.map((hit, i) => printHit(hit, offset + i + 1, style));
  if (page.hits.length === 0) blocks.push("no document matches");
  if (page.explain !== undefined) blocks.push(explainPage(page.explain));
  const kind = page.exact ? "exact" : "approximate";
  blocks.push(style.dim(`${page.hits.length} shown, ${kind}, ${duration(ms)}`));
  return blocks.join("\n\n");
}

function printHit(hit: Hit<Fields>, rank: number, style: Palette): string {
  const lines = [
    `${String(rank).padStart(2)}. ${style.bold(plain(String(hit.id)))}  ${style.dim(hit.score.toFixed(4))}`,
  ];
  const short: string[] = [];
  for (const [name, value] of Object.entries(hit.document)) {
    if (name === "id" || value === undefined || value === null) continue;
    const ranges = hit.highlights[name];
    if (typeof value === "string" && (ranges !== undefined || value.length > 60)) {
      const piece = snippet(value, ranges ?? [], SNIPPET_CHARACTERS);
      lines.push(`    ${style.dim(`${name}:`)} ${highlight(piece.text, piece.ranges, style.mark)}`);
    } else {
      short.push(`${style.dim(`${name}:`)} ${plain(shortValue(value))}`);
    }
  }
  if (short.length > 0) lines.push(`    ${short.join("  ")}`);
  if (hit.explain !== undefined) lines.push(explainHit(hit.explain));
  return lines.join("\n");
}
