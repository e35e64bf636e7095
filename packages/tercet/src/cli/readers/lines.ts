/**
 * Bytes to lines, without ever holding a whole file.
 *
 * The splitter works on bytes and decodes one line at a time, so that a character cut by a chunk border is never seen
 * in halves and a line that is not UTF-8 is known by its number. Lines end with LF or CRLF; a byte order mark at the
 * start is dropped; the last line needs no line end.
 */
import { createReadStream } from "node:fs";
import { addAbortSignal } from "node:stream";
import { inputError, ioError } from "../errors.js";

/** One line of a file. */
export interface Line {
  /** The text without its line end; undefined when the bytes are not UTF-8. */
  readonly text: string | undefined;
  /** From 1. */
  readonly number: number;
  /** The raw bytes, kept only when they are not UTF-8. */
  readonly bytes?: Uint8Array;
}

/** Longest line in bytes: V8 cannot hold a string twice this long. */
export const LINE_BYTES_MAX = 256 * 1024 * 1024;

const LF = 10;
const CR = 13;
const CHUNK_BYTES = 256 * 1024;

/** Cuts pushed chunks into lines. */
export class LineSplitter {
  readonly #file: string;
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #count = 0;

  constructor(file: string, bytesMax: number = LINE_BYTES_MAX) {
    this.#file = file;
    this.#bytesMax = bytesMax;
  }

  /** The lines that this chunk completes. The chunk must not be changed afterwards. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      this.#hold(chunk.subarray(from, at));
      lines.push(this.#release());
      from = at + 1;
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
    return lines;
  }

  /** The last line, when the file does not end with a line end. */
  end(): Line[] {
    return this.#heldBytes > 0 ? [this.#release()] : [];
  }

  #hold(bytes: Uint8Array): void {
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#bytesMax) {
      throw inputError(
        "ERR_LIMIT",
        `a line of more than ${this.#bytesMax} bytes`,
        { file: this.#file, line: this.#count + 1 },
        { expected: `at most ${this.#bytesMax} bytes a line` },
      );
    }
    if (bytes.length > 0) this.#held.push(bytes);
  }

  #release(): Line {
    let bytes = this.#held.length === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    this.#count += 1;
    if (this.#count === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
      bytes = bytes.subarray(3);
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
    try {
      return { text: this.#decoder.decode(bytes), number: this.#count };
    } catch {
      return { text: undefined, number: this.#count, bytes };
    }
  }
}

/** What every reader needs besides its source. */
export interface ReadOptions {
  /** Called with the number of bytes of each chunk read, for progress. */
  readonly onBytes?: (bytes: number) => void;
  /** Stops reading. */
  readonly signal?: AbortSignal;
}

/** Reads a file ("-" is standard input) in chunks; a failure is ERR_NOT_FOUND or ERR_IO with the file's name. */
export async function* readChunks(file: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
  const stream = file === "-" ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
  // A stream that waits for more (a pipe that stays open) is ended by the signal too.
  if (options.signal !== undefined) addAbortSignal(options.signal, stream);
  try {
    for await (const chunk of stream) {
      options.signal?.throwIfAborted();
      const bytes = chunk as Uint8Array;
      options.onBytes?.(bytes.length);
      yield bytes;
    }
  } catch (error) {
    throw ioError(error, file, "read");
  }
}

/** The lines of a file, in groups as they arrive (an awaited step a line would cost more than the line). */
export async function* readLines(file: string, options: ReadOptions = {}): AsyncGenerator<Line[]> {
  yield* splitLines(readChunks(file, options), file);
}

/** The lines in a stream of chunks; `file` is for messages. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(file);
  for await (const chunk of chunks) {
    const lines = splitter.push(chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last.length > 0) yield last;
}

/** The error of a line that is not UTF-8: says which byte is the first wrong one. */
export function encodingError(line: Line, file: string): Error {
  const offset = firstInvalidByte(line.bytes ?? new Uint8Array());
  const byte = line.bytes?.[offset];
  return inputError(
    "ERR_ENCODING",
    `not UTF-8 at byte ${offset + 1} of the line`,
    { file, line: line.number },
    {
      expected: "UTF-8",
      ...(byte === undefined ? {} : { found: `byte 0x${byte.toString(16).padStart(2, "0")}` }),
    },
  );
}

/** Position of the byte with which the bytes stop being UTF-8; their length when nothing or only the end is wrong. */
export function firstInvalidByte(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  // The shortest prefix that cannot be continued to UTF-8 ends with the offending byte.
  if (startsUtf8(bytes)) return bytes.length;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (startsUtf8(bytes.subarray(0, middle))) low = middle;
    else high = middle;
  }
  return high - 1;
}

function startsUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
