/**
 * CSV after RFC 4180: fields apart by commas (or tabs), quoted with `"`, a quote inside doubled, line ends allowed
 * inside quotes; the first record names the fields. Values are strings; an empty one means that the field is absent.
 *
 * Built on the line splitter, so that every complaint knows its line. When a record is given up, reading goes on with
 * the line after the record's first one: a stray quote costs one line, not the rest of the file.
 */
import { inputError } from "../errors.js";
import { encodingError, type Line, readLines } from "./lines.js";
import { type RecordOptions, type Records, reject, type SourceRecord } from "./records.js";

/** Lines a quoted field may run over before its opening quote is taken for a mistake. */
export const CSV_RECORD_LINES_MAX = 10_000;

/** Settings of the reader. */
export interface CsvOptions extends RecordOptions {
  /** What stands between two fields; "," when absent. */
  readonly delimiter?: string;
}

/** One record and the line on which it starts. */
export interface CsvRow {
  readonly fields: string[];
  readonly line: number;
}

/** Puts records together from lines. */
export class CsvAssembler {
  readonly #delimiter: string;
  #fields: string[] = [];
  #open = false;
  #field = "";
  // True between the closing quote of a field and its delimiter.
  #closed = false;
  #started: number | undefined;

  constructor(delimiter = ",") {
    this.#delimiter = delimiter;
  }

  /** Whether a quoted field waits for its end. */
  get open(): boolean {
    return this.#open;
  }

  /** Takes one line; returns the record when it is complete. Throws a plain Error that says what is wrong. */
  push(text: string, number: number): CsvRow | undefined {
    this.#started ??= number;
    let at = 0;
    if (this.#open) {
      this.#field += "\n";
      at = this.#quoted(text, 0);
      if (at === -1) return undefined;
    }
    for (;;) {
      if (this.#field === "" && !this.#closed && text[at] === '"') {
        this.#open = true;
        at = this.#quoted(text, at + 1);
        if (at === -1) return undefined;
      }
      at = this.#afterField(text, at);
      if (at === -1) break;
    }
    const row = { fields: this.#fields, line: this.#started };
    this.reset();
    return row;
  }

  /** Forgets the record in the making. */
  reset(): void {
    this.#fields = [];
    this.#open = false;
    this.#closed = false;
    this.#field = "";
    this.#started = undefined;
  }

  // Reads on inside quotes; returns the position after the closing quote, or -1 when the line ends first.
  #quoted(text: string, from: number): number {
    for (let at = from; ; at += 2) {
      const quote = text.indexOf('"', at);
      if (quote === -1) {
        this.#field += text.slice(from).replaceAll('""', '"');
        return -1;
      }
      if (text[quote + 1] !== '"') {
        this.#field += text.slice(from, quote).replaceAll('""', '"');
        this.#open = false;
        this.#closed = true;
        return quote + 1;
      }
      at = quote;
    }
  }

  // Ends the field at `at` (after a closing quote) or reads an unquoted one; returns where the next starts, or -1.
  #afterField(text: string, at: number): number {
    const found = text.indexOf(this.#delimiter, at);
    const end = found === -1 ? text.length : found;
    const rest = text.slice(at, end);
    if (this.#closed && rest !== "") throw new Error("text after a closing quote");
    if (!this.#closed && rest.includes('"'))
      throw new Error('a quote inside an unquoted field (write it as """")');
    this.#fields.push(this.#closed ? this.#field : rest);
    this.#field = "";
    this.#closed = false;
    return found === -1 ? -1 : found + this.#delimiter.length;
  }
}

/** The records of a CSV file as objects named by its first record. */
export async function* readCsv(file: string, options: CsvOptions = {}): Records {
  let header: string[] | undefined;
  for await (const rows of readCsvRows(file, options)) {
    const records: SourceRecord[] = [];
    for (const row of rows) {
      if (header === undefined) {
        header = checkHeader(row, file);
        continue;
      }
      if (row.fields.length !== header.length) {
        const found = `${row.fields.length} fields`;
        const expected = `${header.length}, as in the first line`;
        const place = { file, line: row.line };
        reject(inputError("ERR_PARSE", `${found} where ${expected}`, place, { expected, found }), options);
        continue;
      }
      records.push({ value: toObject(header, row.fields), file, line: row.line });
    }
    if (records.length > 0) yield records;
  }
}

/** The records of a CSV file as they stand, the first one included. Empty lines are passed over. */
export async function* readCsvRows(file: string, options: CsvOptions = {}): AsyncGenerator<CsvRow[]> {
  const reader = new RowReader(file, options);
  for await (const lines of readLines(file, options)) {
    const rows = reader.push(lines);
    if (rows.length > 0) yield rows;
  }
  const rows = reader.end();
  if (rows.length > 0) yield rows;
}

// Lines to records, with a way back: the lines of an unfinished record are held until it is whole.
class RowReader {
  readonly #file: string;
  readonly #options: CsvOptions;
  readonly #assembler: CsvAssembler;
  #held: Line[] = [];

  constructor(file: string, options: CsvOptions) {
    this.#file = file;
    this.#options = options;
    this.#assembler = new CsvAssembler(options.delimiter);
  }

  push(lines: readonly Line[]): CsvRow[] {
    const rows: CsvRow[] = [];
    // A stack with the next line on top; given-up records put their other lines back on it.
    const waiting = lines.toReversed();
    for (let line = waiting.pop(); line !== undefined; line = waiting.pop()) {
      if (line.text === "" && !this.#assembler.open) continue;
      this.#held.push(line);
      if (line.text === undefined) {
        this.#giveUp(encodingError(line, this.#file));
        continue;
      }
      const row = this.#assemble(line.text, line.number);
      if (typeof row === "string") {
        const again = this.#held.slice(1);
        this.#giveUp(this.#error(row));
        waiting.push(...again.reverse());
      } else if (row !== undefined) {
        rows.push(row);
        this.#held = [];
      }
    }
    return rows;
  }

  end(): CsvRow[] {
    const rows: CsvRow[] = [];
    while (this.#assembler.open) {
      const again = this.#held.slice(1);
      this.#giveUp(this.#error("a quoted field is never closed"));
      rows.push(...this.push(again));
    }
    return rows;
  }

  // The record, undefined while it is unfinished, or what is wrong with it.
  #assemble(text: string, number: number): CsvRow | string | undefined {
    try {
      const row = this.#assembler.push(text, number);
      const long = row === undefined && this.#held.length >= CSV_RECORD_LINES_MAX;
      return long ? `a quoted field of more than ${CSV_RECORD_LINES_MAX} lines` : row;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #giveUp(error: Error): void {
    if (this.#held[0]?.number === 1) throw error; // without the header nothing can be read
    reject(error, this.#options);
    this.#assembler.reset();
    this.#held = [];
  }

  #error(what: string): Error {
    return inputError("ERR_PARSE", what, { file: this.#file, line: this.#held[0]?.number });
  }
}

function checkHeader(row: CsvRow, file: string): string[] {
  const names = row.fields.map((name) => name.trim());
  const seen = new Set<string>();
  for (const [column, name] of names.entries()) {
    const wrong = name === "" ? "has no name" : seen.has(name) ? `has the name "${name}" again` : undefined;
    if (wrong !== undefined) {
      throw inputError("ERR_PARSE", `column ${column + 1} of the first line ${wrong}`, {
        file,
        line: row.line,
      });
    }
    seen.add(name);
  }
  return names;
}

function toObject(header: readonly string[], fields: readonly string[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [column, name] of header.entries()) {
    if (fields[column] !== "") object[name] = fields[column];
  }
  return object;
}
