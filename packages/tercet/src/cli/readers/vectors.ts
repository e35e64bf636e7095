/**
 * Vectors in files: numpy's `.npy` (versions 1 to 3; f4, f2, i1, u1), `.fvecs`, `.bvecs` and `.ivecs` (each row after its number of
 * components), and JSON Lines of arrays. Of a large file only the rows that are wanted are read.
 *
 * Nothing that a file says is believed: lengths are held against the file's own before anything is allocated.
 */
import { type FileHandle, open } from "node:fs/promises";
import { extname } from "node:path";
import type { Components } from "../../vectors.js";
import type { DtypeName } from "../../wire/index.js";
import { inputError, ioError } from "../errors.js";
import { encodingError, readLines } from "./lines.js";

/** Vectors out of a file. */
export interface VectorFile {
  readonly dims: number;
  readonly dtype: Exclude<DtypeName, "bits">;
  /** Row-major. */
  readonly values: Components;
  /** Rows that were read, and rows of the file. */
  readonly rows: number;
  readonly of: number;
}

/** How to read. */
export interface VectorOptions {
  /** The most rows: of more, some at even distances. */
  readonly rows: number;
  readonly signal?: AbortSignal;
}

const DIMS_MAX = 65_535;
/** numpy writes some hundred bytes; more is no header of an array of numbers. */
const HEADER_MAX = 65_536;
/** Bytes read at once. */
const CHUNK = 1 << 22;

type Dtype = VectorFile["dtype"];
const BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f16: 2, i8: 1, u8: 1 };

/** Reads the vectors of a file; its ending says how. */
export async function readVectors(file: string, options: VectorOptions): Promise<VectorFile> {
  const ending = extname(file).toLowerCase();
  if (ending === ".jsonl" || ending === ".ndjson") return readArrays(file, options);
  const layout = LAYOUTS[ending];
  if (layout === undefined) {
    const expected = ".npy, .fvecs, .bvecs, .ivecs or .jsonl";
    const found = ending === "" ? "none" : ending;
    throw inputError("ERR_ARGUMENT", `files of vectors end in ${expected}`, { file }, { expected, found });
  }
  let handle: FileHandle;
  try {
    handle = await open(file);
  } catch (error) {
    throw ioError(error, file, "read");
  }
  try {
    const { size } = await handle.stat();
    const source: Source = { file, handle, size };
    return await readRows(source, await layout(source), options);
  } catch (error) {
    throw ioError(error, file, "read");
  } finally {
    await handle.close();
  }
}

interface Source {
  readonly file: string;
  readonly handle: FileHandle;
  readonly size: number;
}

/** Where the rows of a file are. */
interface Layout {
  readonly dims: number;
  readonly dtype: Dtype;
  /** Bytes before the first row. */
  readonly start: number;
  /** Whether a row begins with its number of components. */
  readonly counted: boolean;
  /** Whether components are whole numbers of 32 bits. */
  readonly integers?: boolean;
}

const LAYOUTS: Readonly<Record<string, (source: Source) => Promise<Layout>>> = {
  ".npy": npy,
  ".fvecs": (source) => counted(source, "f32", false),
  ".bvecs": (source) => counted(source, "u8", false),
  ".ivecs": (source) => counted(source, "f32", true),
};

function parseError({ file }: Source, message: string, expected: string, found: string): Error {
  return inputError("ERR_PARSE", message, { file }, { expected, found });
}

/** The bytes of a range that lies in the file. */
async function bytesAt({ file, handle, size }: Source, at: number, length: number): Promise<Uint8Array> {
  if (at + length > size) {
    const [expected, found] = [`${at + length} bytes`, `${size} bytes`];
    throw inputError("ERR_PARSE", "the file ends too early", { file }, { expected, found });
  }
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) {
      const [expected, found] = [`${at + length} bytes`, `${at + done} bytes`];
      throw inputError("ERR_PARSE", "the file became shorter", { file }, { expected, found });
    }
    done += bytesRead;
  }
  return bytes;
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The header of numpy's format: magic, version, length, and a Python dict. */
async function npy(source: Source): Promise<Layout> {
  const head = await bytesAt(source, 0, Math.min(12, source.size));
  const magic = "\u0093NUMPY";
  const found = String.fromCharCode(...head.subarray(0, 6));
  if (found !== magic || head.length < 12) {
    throw parseError(source, "not an array of numpy", "\\x93NUMPY", JSON.stringify(found));
  }
  const major = head[6] as number;
  if (major < 1 || major > 3) {
    throw parseError(source, `numpy's format ${major} is not known`, "1, 2 or 3", String(major));
  }
  const before = major === 1 ? 10 : 12;
  const length = major === 1 ? view(head).getUint16(8, true) : view(head).getUint32(8, true);
  if (length > HEADER_MAX) {
    throw parseError(source, "the header is too long", `at most ${HEADER_MAX} bytes`, `${length} bytes`);
  }
  const text = new TextDecoder("latin1").decode(await bytesAt(source, before, length));
  return described(source, text, before + length);
}

const NPY_TYPES: Readonly<Record<string, Dtype>> = {
  "<f4": "f32",
  "<f2": "f16",
  "|i1": "i8",
  "<i1": "i8",
  "|u1": "u8",
  "<u1": "u8",
};

function described(source: Source, text: string, start: number): Layout {
  const value = (key: string, pattern: string) =>
    new RegExp(`['"]${key}['"]\\s*:\\s*${pattern}`).exec(text)?.[1];
  const descr = value("descr", "['\"]([^'\"]*)['\"]");
  const fortran = value("fortran_order", "(True|False)");
  const shape = value("shape", "\\(([^)]*)\\)");
  if (descr === undefined || fortran === undefined || shape === undefined) {
    const expected = "a type, an order and a shape";
    throw parseError(source, "the header does not say what the array is", expected, text.slice(0, 80));
  }
  const dtype = NPY_TYPES[descr];
  if (dtype === undefined) {
    const big = /^>/.test(descr) ? ": it is big-endian, save it with .astype('<f4')" : "";
    const expected = "<f4, <f2, |i1 or |u1";
    throw parseError(source, `components of type ${descr} are not read${big}`, expected, descr);
  }
  if (fortran === "True") {
    const message = "the array is in Fortran order: save it with numpy.ascontiguousarray";
    throw parseError(source, message, "C order", "Fortran order");
  }
  const sizes = shape.split(",").filter((size) => size.trim() !== "");
  const [count, dims] = sizes.map((size) => (/^\s*\d+\s*$/.test(size) ? Number(size) : Number.NaN));
  const plain = sizes.length === 2 && Number.isSafeInteger(count) && Number.isSafeInteger(dims);
  if (!plain || (dims as number) < 1 || (dims as number) > DIMS_MAX) {
    const expected = `(rows, components), components 1 to ${DIMS_MAX}`;
    throw parseError(source, "the array is not one of vectors", expected, `(${shape})`);
  }
  const bytes = start + (count as number) * (dims as number) * BYTES[dtype];
  if (bytes !== source.size) {
    throw parseError(
      source,
      `the array of (${shape}) does not fill the file`,
      `${bytes} bytes`,
      `${source.size} bytes`,
    );
  }
  return { dims: dims as number, dtype, start, counted: false };
}

/** Rows that begin with the number of their components. */
async function counted(source: Source, dtype: Dtype, integers: boolean): Promise<Layout> {
  if (source.size === 0) throw parseError(source, "the file is empty", "vectors", "0 bytes");
  const dims = view(await bytesAt(source, 0, 4)).getInt32(0, true);
  if (dims < 1 || dims > DIMS_MAX) {
    const message = "the first row does not begin with its number of components";
    throw parseError(source, message, `1 to ${DIMS_MAX}`, String(dims));
  }
  const row = 4 + dims * BYTES[dtype];
  if (source.size % row !== 0) {
    const expected = `a multiple of ${row} bytes`;
    throw parseError(
      source,
      `rows of ${dims} components do not fill the file`,
      expected,
      `${source.size} bytes`,
    );
  }
  return { dims, dtype, start: 0, counted: true, integers };
}

const ARRAYS = { f32: Float32Array, f16: Uint16Array, i8: Int8Array, u8: Uint8Array } as const;

/** The rows that are wanted, in one array. */
async function readRows(source: Source, layout: Layout, options: VectorOptions): Promise<VectorFile> {
  const { dims, dtype, start } = layout;
  const [head, body] = [layout.counted ? 4 : 0, dims * BYTES[dtype]];
  const of = (source.size - start) / (head + body);
  const rows = Math.min(of, options.rows);
  const out = new Uint8Array(rows * body);
  // Neighbouring rows come in one read where all are wanted.
  const together = rows === of ? Math.max(1, Math.floor(CHUNK / (head + body))) : 1;
  for (let first = 0; first < rows; first += together) {
    options.signal?.throwIfAborted();
    const some = Math.min(together, rows - first);
    const from = Math.floor((first * of) / rows);
    const bytes = await bytesAt(source, start + from * (head + body), some * (head + body));
    for (let row = 0; row < some; row++) {
      const at = row * (head + body);
      if (layout.counted) checkCount(source, layout, view(bytes).getInt32(at, true), from + row);
      out.set(bytes.subarray(at + head, at + head + body), (first + row) * body);
    }
  }
  const values = new ARRAYS[dtype](out.buffer) as Components;
  return { dims, dtype, values: layout.integers === true ? whole(out) : values, rows, of };
}

function checkCount(source: Source, { dims }: Layout, found: number, row: number): void {
  if (found === dims) return;
  const message = `row ${row} says that it has ${found} components`;
  throw inputError("ERR_DIMENSION", message, source, {
    position: row,
    expected: String(dims),
    found: String(found),
  });
}

/** Whole numbers of 32 bits as floats. */
function whole(bytes: Uint8Array): Float32Array {
  return Float32Array.from(new Int32Array(bytes.buffer));
}

/** JSON Lines, an array of numbers each. While there are too many rows, every second is given up. */
async function readArrays(file: string, options: VectorOptions): Promise<VectorFile> {
  let [kept, step, of] = [[] as number[][], 1, 0];
  let dims = 0;
  for await (const lines of readLines(file, options)) {
    for (const line of lines) {
      if (line.text === undefined) throw encodingError(line, file);
      if (line.text.trim() === "") continue;
      const row = arrayOf(line.text, { file, line: line.number });
      if (of === 0) dims = row.length;
      if (row.length !== dims || dims === 0 || dims > DIMS_MAX) {
        const expected = of === 0 ? `1 to ${DIMS_MAX} numbers` : `${dims} numbers, as on the first line`;
        const found = `${row.length} numbers`;
        throw inputError(
          "ERR_DIMENSION",
          `expected ${expected}, found ${found}`,
          { file, line: line.number },
          { expected, found },
        );
      }
      if (of % step === 0) kept.push(row);
      of += 1;
      if (kept.length > 2 * options.rows) {
        kept = kept.filter((_, at) => at % 2 === 0);
        step *= 2;
      }
    }
  }
  if (of === 0) throw inputError("ERR_PARSE", "there is no vector", { file });
  const rows = Math.min(kept.length, options.rows);
  const values = new Float32Array(rows * dims);
  for (let row = 0; row < rows; row++) {
    values.set(kept[Math.floor((row * kept.length) / rows)] as number[], row * dims);
  }
  return { dims, dtype: "f32", values, rows, of };
}

function arrayOf(text: string, place: { file: string; line: number }): number[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw inputError("ERR_PARSE", `not JSON: ${(error as Error).message}`, place);
  }
  if (Array.isArray(value) && value.every((one) => typeof one === "number")) return value as number[];
  throw inputError("ERR_PARSE", "expected an array of numbers", place, { expected: "an array of numbers" });
}
