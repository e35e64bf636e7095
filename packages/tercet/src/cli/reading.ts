/** The documents of several sources one after another: a sample first, then everything; what was bad on the way. */
import { TercetError } from "../errors.js";
import type { SourceRecord } from "./readers/records.js";
import { type Placed, withId } from "./shape.js";
import type { Source } from "./sources.js";

const SAMPLE_DOCUMENTS = 5_000;
const SAMPLE_BYTES = 8 * 1024 * 1024;
const COMPLAINTS_MAX = 5;
const PROBLEMS_MAX = 100;

/** How to read. */
export interface ReadingOptions {
  readonly signal: AbortSignal;
  /** Leave out what cannot be read. */
  readonly skipBad: boolean;
  /** The field that is the id. */
  readonly idField?: string;
  /** Told about the first few things that were left out. */
  complain(message: string): void;
}

/** What was left out, as plain data. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
}

/** The first documents. */
export interface Sample {
  readonly documents: readonly Record<string, unknown>[];
  /** Whether there are no others. */
  readonly complete: boolean;
}

/** Reads sources. */
export class Reading {
  /** Bytes of source read so far. */
  bytesRead = 0;
  /** Lines and documents left out. */
  skipped = 0;
  /** The first of them. */
  readonly problems: Problem[] = [];
  readonly #options: ReadingOptions;
  readonly #bytes: number | undefined;
  readonly #stream: AsyncGenerator<Placed[]>;
  readonly #sampled: Placed[][] = [];

  constructor(sources: readonly Source[], options: ReadingOptions) {
    this.#options = options;
    const known = sources.every((source) => source.bytes !== undefined);
    this.#bytes = known ? sources.reduce((sum, source) => sum + (source.bytes ?? 0), 0) : undefined;
    this.#stream = this.#read(sources);
  }

  /** How much of the sources was read, 0 to 1; undefined where their size is not known. */
  get share(): number | undefined {
    return this.#bytes === undefined ? undefined : this.bytesRead / Math.max(1, this.#bytes);
  }

  /** Counts something bad that was left out. */
  readonly onBad = (error: Error): void => {
    this.skipped += 1;
    if (this.problems.length < PROBLEMS_MAX) {
      const { code = "ERR_INTERNAL", file, line } = error instanceof TercetError ? error : {};
      const place = { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
      this.problems.push({ code, message: error.message, ...place });
    }
    if (this.skipped <= COMPLAINTS_MAX) this.#options.complain(error.message);
    if (this.skipped === COMPLAINTS_MAX + 1)
      this.#options.complain("more, which are only counted from here on");
  };

  /** The first documents; {@link groups} gives them again. Called once. */
  async sample(): Promise<Sample> {
    let documents = 0;
    let complete = false;
    while (documents < SAMPLE_DOCUMENTS && this.bytesRead < SAMPLE_BYTES && !complete) {
      const next = await this.#stream.next();
      if (next.done === true) complete = true;
      else {
        this.#sampled.push(next.value);
        documents += next.value.length;
      }
    }
    return { documents: this.#sampled.flat().map((placed) => placed.document), complete };
  }

  /** All documents. */
  async *groups(onGroup: () => void): AsyncGenerator<Placed[]> {
    for (let group = this.#sampled.shift(); group !== undefined; group = this.#sampled.shift()) yield group;
    for await (const group of this.#stream) {
      onGroup();
      yield group;
    }
  }

  async *#read(sources: readonly Source[]): AsyncGenerator<Placed[]> {
    const { signal, skipBad } = this.#options;
    const onBytes = (bytes: number): void => {
      this.bytesRead += bytes;
    };
    for (const source of sources) {
      const options = { signal, onBytes, ...(skipBad ? { onBad: this.onBad } : {}) };
      for await (const records of source.read(options)) {
        const group = this.#place(records, source.strings);
        if (group.length > 0) yield group;
      }
    }
  }

  #place(records: readonly SourceRecord[], strings: boolean): Placed[] {
    const group: Placed[] = [];
    for (const record of records) {
      try {
        group.push(withId(record, this.#options.idField, strings));
      } catch (error) {
        if (!this.#options.skipBad) throw error;
        this.onBad(error as Error);
      }
    }
    return group;
  }
}
