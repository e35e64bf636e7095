/**
 * The BEIR layout of a test collection: a folder with `corpus.jsonl` ({_id, title, text}), `queries.jsonl` ({_id, text})
 * and `qrels/<split>.tsv`. Ids are strings, whatever they look like.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Schema } from "../../schema.js";
import { inputError } from "../errors.js";
import { readJsonl } from "./jsonl.js";
import type { RecordOptions, Records } from "./records.js";

/** Whether a folder has the layout. */
export function isBeirFolder(folder: string): boolean {
  return existsSync(join(folder, "corpus.jsonl"));
}

/**
 * The schema of a BEIR corpus. A document may lack a title. Titles count half: a word that stands in both fields is
 * counted in both, and titles are short. nDCG@10 on SciFact, Cranfield and CISI is 0.685, 0.496 and 0.376 with one half,
 * 0.666, 0.506 and 0.366 with one, and 0.682, 0.483 and 0.365 with both texts in a single field.
 */
export function beirSchema(analyzer: string): Schema {
  return {
    title: { type: "text", analyzer, boost: 0.5, optional: true },
    text: { type: "text", analyzer },
  };
}

/** The documents of `corpus.jsonl`: id, title and text; anything else is left out. */
export async function* readBeirCorpus(folder: string, options: RecordOptions = {}): Records {
  for await (const group of readJsonl(join(folder, "corpus.jsonl"), options)) {
    yield group.map(({ value, file, line }) => {
      const { _id, title, text } = value;
      const document: Record<string, unknown> = { id: stringId(_id) };
      if (title !== undefined && title !== null) document.title = title;
      if (text !== undefined) document.text = text;
      return { value: document, file, ...(line === undefined ? {} : { line }) };
    });
  }
}

/** One query of a test collection. */
export interface TestQuery {
  readonly id: string;
  readonly text: string;
}

/** The queries of a `queries.jsonl`; `_id` or `id`, and `text`. */
export async function readQueries(file: string, options: RecordOptions = {}): Promise<TestQuery[]> {
  const queries: TestQuery[] = [];
  const seen = new Set<string>();
  for await (const group of readJsonl(file, options)) {
    for (const { value, line } of group) {
      const id = stringId(value._id ?? value.id);
      const text = value.text;
      const wrong =
        typeof id !== "string"
          ? "a query without _id"
          : typeof text !== "string"
            ? "a query without text"
            : undefined;
      if (wrong !== undefined) throw inputError("ERR_PARSE", wrong, { file, line });
      if (seen.has(id as string))
        throw inputError("ERR_DUPLICATE_ID", `query "${id}" stands twice`, { file, line });
      seen.add(id as string);
      queries.push({ id: id as string, text: text as string });
    }
  }
  return queries;
}

// Numbers become strings; anything else is handed on for the core to refuse.
function stringId(id: unknown): unknown {
  return typeof id === "number" ? String(id) : id;
}
