/** The sources that `tercet index` reads: which format each one has, how big it is, and its documents. */
import { statSync } from "node:fs";
import { basename, extname } from "node:path";
import type { Schema } from "../schema.js";
import { ioError, UsageError } from "./errors.js";
import { beirSchema, isBeirFolder, readBeirCorpus } from "./readers/beir.js";
import { readCsv } from "./readers/csv.js";
import { filesSchema, readTextFiles } from "./readers/files.js";
import { readJsonl } from "./readers/jsonl.js";
import type { RecordOptions, Records } from "./readers/records.js";

/** The formats, by the names that `--format` takes. */
export const FORMATS = ["jsonl", "csv", "beir", "files"] as const;

/** The name of a format. */
export type Format = (typeof FORMATS)[number];

/** One source. */
export interface Source {
  readonly path: string;
  readonly format: Format;
  /** Its size in bytes, where that is known. */
  readonly bytes?: number;
  /** Whether every value is a string that may stand for something else. */
  readonly strings: boolean;
  /** The schema that the format prescribes. */
  readonly schema?: (analyzer: string) => Schema;
  read(options: RecordOptions): Records;
}

/** Finds out what a source is. */
export function findSource(path: string, format?: Format): Source {
  if (path === "-") return makeSource(path, format ?? "jsonl");
  let stats: ReturnType<typeof statSync>;
  try {
    stats = statSync(path);
  } catch (error) {
    throw ioError(error, path, "read");
  }
  const found = format ?? (stats?.isDirectory() ? folderFormat(path) : fileFormat(path));
  const inFile = stats?.isDirectory() === false && (found === "jsonl" || found === "csv");
  const inFolder = stats?.isDirectory() === true && (found === "beir" || found === "files");
  if (!inFile && !inFolder) {
    throw new UsageError(
      `--format ${found} needs a ${inFile || found === "jsonl" || found === "csv" ? "file" : "folder"}, and ${path} is none`,
      "index",
    );
  }
  return makeSource(path, found, inFile ? Number(stats?.size) : undefined);
}

function folderFormat(path: string): Format {
  return isBeirFolder(path) ? "beir" : "files";
}

function fileFormat(path: string): Format {
  const extension = extname(path).toLowerCase();
  if (extension === ".jsonl" || extension === ".ndjson") return "jsonl";
  if (extension === ".csv" || extension === ".tsv") return "csv";
  throw new UsageError(
    `${basename(path)}: the format is not clear from its name; say --format jsonl or csv`,
    "index",
  );
}

function makeSource(path: string, format: Format, bytes?: number): Source {
  const common = { path, format, ...(bytes === undefined ? {} : { bytes }) };
  switch (format) {
    case "jsonl":
      return { ...common, strings: false, read: (options) => readJsonl(path, options) };
    case "csv": {
      const delimiter = extname(path).toLowerCase() === ".tsv" ? "\t" : ",";
      return { ...common, strings: true, read: (options) => readCsv(path, { ...options, delimiter }) };
    }
    case "beir":
      return {
        ...common,
        ...corpusSize(path),
        strings: false,
        schema: beirSchema,
        read: (options) => readBeirCorpus(path, options),
      };
    case "files":
      return {
        ...common,
        strings: false,
        schema: filesSchema,
        read: (options) => readTextFiles(path, options),
      };
  }
}

function corpusSize(folder: string): { bytes?: number } {
  const bytes = statSync(`${folder}/corpus.jsonl`, { throwIfNoEntry: false })?.size;
  return bytes === undefined ? {} : { bytes };
}
