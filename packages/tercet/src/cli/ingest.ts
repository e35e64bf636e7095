/**
 * Documents from a source into a collection, batch by batch.
 *
 * Each batch is atomic. When the collection refuses one, the error names the document by its position in the call; here
 * it becomes a file and a line. With `--skip-bad` the documents before the refused one are written, it is left out, and
 * the rest goes on.
 */
import { TercetError } from "../errors.js";
import type { Schema } from "../schema.js";
import { inputError } from "./errors.js";
import { type Placed, shaped } from "./shape.js";

/** Documents a batch: enough to make a commit cheap, few enough to hold in memory. */
export const BATCH_DOCUMENTS = 10_000;
/** Bytes of source a batch. */
export const BATCH_BYTES = 16 * 1024 * 1024;

/** What a batch is written to: the `upsert` of a collection. */
export type Write = (documents: readonly Placed["document"][]) => Promise<{ readonly replaced: number }>;

/** What went in and what did not. */
export interface Tally {
  indexed: number;
  /** How many of the indexed ones replaced an older document. */
  replaced: number;
  skipped: number;
}

/** How to ingest. */
export interface IngestOptions {
  readonly schema: Schema;
  /** Fields to leave out. */
  readonly left: ReadonlySet<string>;
  readonly tally: Tally;
  /** Called for each document that is left out; without it, the first refused document is an error. */
  readonly onBad?: (error: Error) => void;
  /** Bytes of source read so far; a batch ends early when they grow by {@link BATCH_BYTES}. */
  readonly bytesRead?: () => number;
  /** Called after each batch. */
  readonly onBatch?: () => void | Promise<void>;
}

/** Writes all documents. */
export async function ingest(
  groups: AsyncIterable<readonly Placed[]>,
  write: Write,
  options: IngestOptions,
): Promise<void> {
  let batch: Placed[] = [];
  let bytesAtStart = options.bytesRead?.() ?? 0;
  const send = async (): Promise<void> => {
    const full = batch;
    batch = [];
    await writeBatch(full, write, options);
    bytesAtStart = options.bytesRead?.() ?? 0;
    await options.onBatch?.();
  };
  for await (const group of groups) {
    for (const placed of group) {
      batch.push(shaped(placed, options.schema, options.left));
      if (batch.length >= BATCH_DOCUMENTS) await send();
    }
    if ((options.bytesRead?.() ?? 0) - bytesAtStart >= BATCH_BYTES) await send();
  }
  if (batch.length > 0) await send();
}

async function writeBatch(batch: readonly Placed[], write: Write, options: IngestOptions): Promise<void> {
  let rest = batch;
  while (rest.length > 0) {
    try {
      const { replaced } = await write(rest.map((placed) => placed.document));
      options.tally.replaced += replaced;
      options.tally.indexed += rest.length;
      return;
    } catch (error) {
      const at = error instanceof TercetError ? error.position : undefined;
      const placed = at === undefined ? undefined : rest[at];
      if (at === undefined || placed === undefined) throw error;
      const refused = relocate(error as TercetError, placed);
      if (options.onBad === undefined) throw refused;
      // What stands before it may hold another refused one when chunks were checked side by side.
      await writeBatch(rest.slice(0, at), write, options);
      options.onBad(refused);
      rest = rest.slice(at + 1);
    }
  }
}

/** The error of a refused document with the place where the document stands. */
export function relocate(error: TercetError, placed: Placed): TercetError {
  const { code, message, field, id, component, expected, found } = error;
  const details = { field, id, component, expected, found, cause: error };
  const known = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
  // The position in the call says nothing here: the line does.
  return inputError(
    code,
    message.replace(/^document \d+(?=[: ])/, "document"),
    { file: placed.file, line: placed.line },
    known,
  );
}
