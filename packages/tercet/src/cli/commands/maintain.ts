/** `tercet stats`, `count`, `verify` and `compact`: what a collection holds, and keeping it in order. */
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  jsonObject,
  positionals,
} from "../command.js";
import { EXIT } from "../errors.js";
import { AT, versionAt, withFolder } from "../folder.js";
import { Progress } from "../progress.js";
import { printSchema } from "../schema-print.js";
import { bytes, counted, count as grouped, plain, table } from "../style.js";

export const stats: Command = {
  name: "stats",
  summary: "what a collection holds and what it costs",
  usage: "<folder> [--at version|tag]",
  about: `Shows the schema, how many documents there are, and the bytes of every field and segment. "in memory" is what no
segment file has yet: it stands in the log, and "tercet compact" writes it.`,
  options: { at: AT },
  examples: [
    ["tercet stats ./papers", "the schema and a table of fields and segments"],
    ["tercet stats papers.tercet", "of a snapshot"],
  ],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, stats, ["folder"]) as [string];
    return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
      const { schema } = collection;
      const reply = await collection.stats({ signal: context.signal });
      const fields = Object.entries(reply.fields).map(([name, field]) => [
        name,
        field.type,
        grouped(field.documents),
        bytes(field.bytes - field.memoryBytes),
        bytes(field.memoryBytes),
      ]);
      const segments = reply.segments.map((segment) => [
        segment.file ?? "(in memory)",
        grouped(segment.rows),
        grouped(segment.deleted),
        bytes(segment.bytes),
      ]);
      const text = [
        [
          `${counted(reply.documents, "document")}, version ${reply.version}`,
          `segments ${bytes(reply.bytes)}, of which stored documents and ids ${bytes(reply.documentBytes)}`,
          `all files ${bytes(reply.diskBytes)}, of which the log ${bytes(reply.logBytes)}; in memory ${bytes(reply.memoryBytes)}`,
        ].join("\n"),
        ...(reply.deleted > 0
          ? [`${counted(reply.deleted, "deleted row")} not yet freed (tercet compact)`]
          : []),
        `schema ${printSchema(schema)}`,
        table([["field", "type", "documents", "on disk", "in memory"], ...fields]),
        table([["segment", "rows", "deleted", "bytes"], ...segments]),
      ].join("\n\n");
      return { json: { ...reply, schema }, text };
    });
  },
};

export const count: Command = {
  name: "count",
  summary: "how many documents there are, or pass a filter",
  usage: "<folder> [--where json] [--at version|tag]",
  about: "Counts documents.",
  options: {
    at: AT,
    where: { type: "string", value: "json", help: "count only the documents that pass this filter" },
  },
  examples: [["tercet count ./papers --where '{\"year\": 1958}'", "the papers of one year"]],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, count, ["folder"]) as [string];
    const where = jsonObject(args.values, "where", count.name);
    return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
      const found = await collection.count(where, { signal: context.signal });
      return { json: { count: found }, text: String(found) };
    });
  },
};

export const verify: Command = {
  name: "verify",
  summary: "read every byte and say what is damaged",
  usage: "<folder> [--at version|tag]",
  about: `Reads all files of a collection, or a snapshot, and checks their checksums and the structure behind them. Changes
nothing ("tercet repair" does). Ends with exit code 1 when something is damaged.`,
  options: { at: AT },
  examples: [["tercet verify ./papers", "says how much was read, and everything that is damaged"]],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, verify, ["folder"]) as [string];
    return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
      const progress = new Progress(context, "verifying", "steps");
      const reply = await collection.verify(progress.watching(context.signal));
      const read = `${counted(reply.files, "file")}, ${bytes(reply.bytes)} read`;
      const sound = reply.problems.length === 0;
      const problems = reply.problems.map(
        ({ file, section, what }) =>
          `  ${plain(file)}${section == null ? "" : ` (${plain(section)})`}: ${plain(what)}`,
      );
      return {
        json: reply,
        text: sound ? `${read}: all is well` : [`${read}: damaged`, ...problems].join("\n"),
        exit: sound ? EXIT.ok : EXIT.failed,
      };
    });
  },
};

export const compact: Command = {
  name: "compact",
  summary: "free the bytes of deleted documents",
  usage: "<folder>",
  about: `Merges all segments into one, without the rows of deleted and replaced documents, and drops versions that no tag
and no reader holds. Needs free space for one more copy of what is live.`,
  options: {},
  examples: [["tercet compact ./papers", "says how many bytes were freed"]],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder] = positionals(args, compact, ["folder"]) as [string];
    return withFolder(folder, context, { write: true }, async (collection) => {
      const progress = new Progress(context, "compacting", "steps");
      const reply = await collection.compact(progress.watching(context.signal));
      const text = `${counted(reply.dropped, "row")} dropped, ${bytes(reply.bytesBefore)} before, ${bytes(reply.bytesAfter)} now`;
      return { json: reply, text };
    });
  },
};
