/** What every reader hands on: one document to be, and where it came from. */
import type { ReadOptions } from "./lines.js";

/** One object read from a source. */
export interface SourceRecord {
  /** Its fields, as they stand in the source. */
  readonly value: Record<string, unknown>;
  /** The file it came from. */
  readonly file: string;
  /** The line where it starts, from 1; absent where the whole file is the document. */
  readonly line?: number;
}

/** Options of the readers of documents. */
export interface RecordOptions extends ReadOptions {
  /** Called for each piece that cannot be read, which is then left out. Without it, the first one is thrown. */
  readonly onBad?: (error: Error) => void;
}

/** A stream of documents in groups. */
export type Records = AsyncGenerator<SourceRecord[]>;

/** Hands the error to `onBad`, or throws it. */
export function reject(error: Error, options: RecordOptions): void {
  if (options.onBad === undefined) throw error;
  options.onBad(error);
}
