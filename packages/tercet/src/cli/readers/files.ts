/**
 * A folder of texts: every `.md`, `.markdown` and `.txt` file below it becomes a document. Its id is the path inside the
 * folder (with `/` on every system), its title the first Markdown heading, else the file name, its text the whole file.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Schema } from "../../schema.js";
import { ioError } from "../errors.js";
import { encodingError, LineSplitter } from "./lines.js";
import { type RecordOptions, type Records, reject, type SourceRecord } from "./records.js";

const EXTENSIONS = new Set([".md", ".markdown", ".txt"]);
const MARKDOWN = new Set([".md", ".markdown"]);
const GROUP = 64;

/** The schema that these documents have. */
export function filesSchema(analyzer: string): Schema {
  return {
    title: { type: "text", analyzer },
    text: { type: "text", analyzer },
    path: { type: "keyword" },
    modified: { type: "date" },
  };
}

/** The text files below a folder, as paths inside it, in order. Hidden ones and node_modules are passed over. */
export async function listTextFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (inside: string): Promise<void> => {
    const entries = await readdir(join(folder, inside), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      if (entry.isDirectory()) await visit(path);
      else if (entry.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase())) found.push(path);
    }
  };
  try {
    await visit("");
  } catch (error) {
    throw ioError(error, folder, "list");
  }
  return found;
}

/** The texts of a folder as documents. */
export async function* readTextFiles(folder: string, options: RecordOptions = {}): Records {
  let group: SourceRecord[] = [];
  for (const path of await listTextFiles(folder)) {
    options.signal?.throwIfAborted();
    try {
      group.push(await readTextFile(folder, path, options));
    } catch (error) {
      reject(error as Error, options);
    }
    if (group.length >= GROUP) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

async function readTextFile(folder: string, path: string, options: RecordOptions): Promise<SourceRecord> {
  const file = join(folder, path);
  let bytes: Uint8Array;
  let modified: Date;
  try {
    [bytes, { mtime: modified }] = await Promise.all([readFile(file), stat(file)]);
  } catch (error) {
    throw ioError(error, file, "read");
  }
  options.onBytes?.(bytes.length);
  const text = decode(bytes, file);
  const title =
    (MARKDOWN.has(extname(path).toLowerCase()) && firstHeading(text)) || basename(path, extname(path));
  return { value: { id: path, title, text, path, modified: modified.toISOString() }, file };
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const splitter = new LineSplitter(file);
    const wrong = [...splitter.push(bytes), ...splitter.end()].find((line) => line.text === undefined);
    throw encodingError(wrong ?? { text: undefined, number: 1, bytes }, file);
  }
}

/** The title in a Markdown text's front matter, else its first heading outside of code; undefined when there is none. */
export function firstHeading(markdown: string): string | undefined {
  const front = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(markdown);
  const named = /^title:[ \t]*(["']?)(.+?)\1[ \t]*$/m.exec(front?.[1] ?? "")?.[2];
  if (named !== undefined) return named;
  let fence: string | undefined;
  let previous = "";
  for (const line of markdown.slice(front?.[0].length ?? 0).split(/\r?\n/)) {
    const mark = /^ {0,3}(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || fence === mark))
      fence = fence === undefined ? mark : undefined;
    if (fence === undefined && mark === undefined) {
      const title = /^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$/.exec(line)?.[1];
      if (title) return title;
      if (/^ {0,3}(=+|-{2,})[ \t]*$/.test(line) && /^ {0,3}[^\s\->#*+|]/.test(previous))
        return previous.trim();
    }
    previous = fence === undefined ? line : "";
  }
  return undefined;
}
