/** `tercet index`: files into a collection. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Collection } from "../../collection.js";
import { TercetError } from "../../errors.js";
import { open } from "../../open.js";
import type { Schema } from "../../schema.js";
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  names,
  positionals,
  string,
} from "../command.js";
import { inputError, ioError, UsageError } from "../errors.js";
import { ingest, type Tally } from "../ingest.js";
import { Progress } from "../progress.js";
import { Reading } from "../reading.js";
import { guessAnalyzer, guessSchema } from "../schema-guess.js";
import { printImports, printSchema } from "../schema-print.js";
import { FORMATS, type Format, findSource, type Source } from "../sources.js";
import { count, counted, duration, plain } from "../style.js";

export const indexSources: Command = {
  name: "index",
  summary: "put documents from files into a collection",
  usage: "<source...> --into <folder> [options]",
  about: `Reads documents and writes them into the collection in a folder, which is made when it is not there. A document
whose id is already in the collection replaces the old one.

Sources
  notes.jsonl    JSON Lines (.jsonl, .ndjson), one object a line; "-" reads them from standard input
  notes.csv      CSV after RFC 4180 with a header line (.csv, or .tsv with tabs); empty cells are absent fields;
                 several keywords in a cell stand apart by ";" or as a JSON array
  scifact/       a BEIR folder: corpus.jsonl with _id, title and text
  notes/         a folder of text and Markdown files: id and path, title, text, date of change

The schema of a new collection is guessed from the first documents and shown, unless one is given. The id is the field
"id" or "_id", else the file's name and the line.`,
  options: {
    into: { type: "string", value: "folder", help: "the collection (required)" },
    schema: {
      type: "string",
      value: "file",
      help: "schema as JSON: what this command prints with --json, or a part of it",
    },
    id: { type: "string", value: "field", help: "the field that is the id" },
    text: {
      type: "string",
      value: "a,b",
      multiple: true,
      help: "fields to be searched by words, whatever they look like",
    },
    analyzer: {
      type: "string",
      value: "name",
      help: "analyzer of guessed text fields: standard, english, german, ...",
    },
    format: { type: "string", value: FORMATS.join("|"), help: "the format, when the name does not say it" },
    "skip-bad": { type: "boolean", help: "leave out lines and documents that are wrong, and count them" },
  },
  examples: [
    ["tercet index notes.jsonl --into ./notes", "guesses the schema, shows it, indexes"],
    [
      "tercet index books.csv --into ./books --id isbn --text title,blurb --analyzer german",
      "says more about the fields",
    ],
    ["tercet index ./docs --into ./docs-index", "every .md and .txt file below ./docs"],
    [
      "zcat dump.jsonl.gz | tercet index - --into ./dump --skip-bad --json",
      "from a pipe, for another program",
    ],
  ],
  run,
};

interface Plan {
  readonly into: string;
  readonly sources: readonly Source[];
  readonly given: Schema | undefined;
  readonly text: readonly string[] | undefined;
  readonly analyzer: string | undefined;
  readonly idField: string | undefined;
  readonly skipBad: boolean;
}

async function run(args: Arguments, context: Context): Promise<Answer> {
  const plan = await readPlan(args);
  const progress = new Progress(context, "indexing");
  const reading = new Reading(plan.sources, {
    signal: context.signal,
    skipBad: plan.skipBad,
    ...(plan.idField === undefined ? {} : { idField: plan.idField }),
    complain: (message) => {
      progress.clear();
      context.stderr.write(`tercet: left out: ${plain(message)}\n`);
    },
  });
  const target = await openTarget(plan, reading, context);
  const tally: Tally = { indexed: 0, replaced: 0, skipped: 0 };
  try {
    await ingest(
      reading.groups(() => progress.update(tally.indexed, reading.share)),
      (documents) => target.collection.upsert(documents as never, { signal: context.signal }),
      {
        schema: target.collection.schema,
        left: new Set(target.left.keys()),
        tally,
        bytesRead: () => reading.bytesRead,
        onBatch: () => progress.update(tally.indexed, reading.share),
        ...(plan.skipBad ? { onBad: reading.onBad } : {}),
      },
    );
    progress.clear();
    const documents = await target.collection.count();
    await target.collection.close();
    return report(
      plan,
      target,
      { ...tally, skipped: reading.skipped, documents },
      reading,
      progress.elapsedMs,
    );
  } catch (error) {
    progress.clear();
    await target.abandon(tally.indexed).catch(() => {});
    throw withCommitted(error, tally.indexed);
  }
}

async function readPlan(args: Arguments): Promise<Plan> {
  const paths = positionals(args, indexSources, ["source"], true);
  const into = string(args.values, "into");
  if (into === undefined) throw new UsageError("--into <folder> is missing", indexSources.name);
  const format = string(args.values, "format");
  if (format !== undefined && !FORMATS.includes(format as Format)) {
    throw new UsageError(`--format takes ${FORMATS.join(", ")}, not "${format}"`, indexSources.name);
  }
  const schemaFile = string(args.values, "schema");
  return {
    into,
    sources: paths.map((path) => findSource(path, format as Format | undefined)),
    given: schemaFile === undefined ? undefined : await readSchema(schemaFile),
    text: names(args.values, "text"),
    analyzer: string(args.values, "analyzer"),
    idField: string(args.values, "id"),
    skipBad: args.values["skip-bad"] === true,
  };
}

/** A schema from a JSON file: the fields, or an object that has them as `schema` or `fields`. */
export async function readSchema(file: string): Promise<Schema> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw ioError(error, file, "read");
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw inputError("ERR_PARSE", `not JSON: ${(error as Error).message}`, { file });
  }
  for (const key of ["schema", "fields"]) {
    const inner = (value as Record<string, unknown> | null)?.[key];
    // A field may be called "schema" or "fields"; then it has a type.
    if (typeof inner === "object" && inner !== null && typeof (inner as { type?: unknown }).type !== "string")
      value = inner;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw inputError("ERR_SCHEMA", "not a schema: expected an object with a key for every field", { file });
  }
  return value as Schema;
}

interface Target {
  readonly collection: Collection<Schema>;
  readonly created: boolean;
  /** Fields of the source that are left out, and why. */
  readonly left: ReadonlyMap<string, string>;
  /** Closes after a failure; takes away what was only just made and is still empty. */
  abandon(indexed: number): Promise<void>;
}

async function openTarget(plan: Plan, reading: Reading, context: Context): Promise<Target> {
  const backend = context.backend === undefined ? {} : { backend: context.backend };
  const existing = await openExisting(plan, { ...backend, signal: context.signal });
  try {
    const sample = await reading.sample();
    const guess = guessSchema(sample.documents, {
      complete: sample.complete,
      strings: plan.sources.every((source) => source.strings),
      ...(plan.text === undefined ? {} : { text: plan.text }),
      ...(plan.analyzer === undefined ? {} : { analyzer: plan.analyzer }),
    });
    const schema = existing?.schema ?? plan.given ?? prescribed(plan, sample.documents) ?? guess.schema;
    const left = new Map([...guess.left].filter(([name]) => schema[name] === undefined));
    if (existing === undefined && Object.keys(schema).length === 0) throw nothingToIndex(plan, left);
    announce(plan, existing !== undefined, schema, left, context);
    if (existing !== undefined)
      return { collection: existing, created: false, left, abandon: () => existing.close() };
    const fresh = !existsSync(plan.into) || readdirSync(plan.into).length === 0;
    const collection = await open(plan.into, { schema, create: true, ...backend, signal: context.signal });
    const abandon = async (indexed: number): Promise<void> => {
      await collection.close();
      if (fresh && indexed === 0) rmSync(plan.into, { recursive: true, force: true });
    };
    return { collection, created: true, left, abandon };
  } catch (error) {
    await existing?.close().catch(() => {});
    throw error;
  }
}

async function openExisting(plan: Plan, options: object): Promise<Collection<Schema> | undefined> {
  try {
    return await open(plan.into, {
      create: false,
      ...(plan.given === undefined ? {} : { schema: plan.given }),
      ...options,
    });
  } catch (error) {
    if (error instanceof TercetError && error.code === "ERR_NOT_FOUND") return undefined;
    throw error;
  }
}

// The schema that the sources' format has by itself.
function prescribed(plan: Plan, documents: readonly Record<string, unknown>[]): Schema | undefined {
  const [first, ...others] = plan.sources;
  if (first?.schema === undefined || plan.text !== undefined) return undefined;
  if (others.some((source) => source.format !== first.format)) return undefined;
  return first.schema(plan.analyzer ?? guessAnalyzer(documents));
}

function nothingToIndex(plan: Plan, left: ReadonlyMap<string, string>): Error {
  const why =
    left.size === 0
      ? "there are no documents with fields in it"
      : `no field can be used: ${describeLeft(left)}`;
  return inputError("ERR_SCHEMA", why, { file: plan.sources.map((source) => source.path).join(", ") });
}

function describeLeft(left: ReadonlyMap<string, string>): string {
  return [...left].map(([name, why]) => `${name} (${why})`).join(", ");
}

function announce(
  plan: Plan,
  existing: boolean,
  schema: Schema,
  left: ReadonlyMap<string, string>,
  context: Context,
): void {
  if (!existing) {
    const how = plan.given === undefined ? "guessed; to be used as it is from a program" : "given";
    context.say(`schema (${how}):\n\n${printImports(schema)}\n\nconst schema = ${printSchema(schema)};\n`);
  }
  if (left.size > 0) context.say(`fields left out: ${plain(describeLeft(left))}\n`);
}

type Totals = Tally & { readonly documents: number };

function report(plan: Plan, target: Target, totals: Totals, reading: Reading, ms: number): Answer {
  const { indexed, replaced, skipped, documents } = totals;
  const rate = count(Math.round(indexed / (ms / 1000)));
  const notes = [
    ...(replaced > 0 ? [`${counted(replaced, "document")} replaced an older one`] : []),
    ...(skipped > 0 ? [`${count(skipped)} left out`] : []),
    ...(indexed === documents ? [] : [`${counted(documents, "document")} in all`]),
  ];
  const { created, collection, left } = target;
  return {
    json: {
      folder: plan.into,
      created,
      documents,
      indexed,
      replaced,
      skipped,
      problems: reading.problems,
      left: Object.fromEntries(left),
      schema: collection.schema,
      ms,
    },
    text: [
      `${counted(indexed, "document")} indexed into ${plan.into} in ${duration(ms)} (${rate}/s)`,
      ...notes,
    ].join("\n"),
  };
}

// A failure half-way says how much is already in the collection.
function withCommitted(error: unknown, committed: number): unknown {
  if (!(error instanceof TercetError) || committed === 0) return error;
  const { name: _, code, message, ...details } = error.toJSON();
  return new TercetError(code, message, { ...details, committed, cause: error });
}
