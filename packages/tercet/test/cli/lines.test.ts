import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodingError,
  firstInvalidByte,
  LineSplitter,
  readLines,
  splitLines,
} from "../../src/cli/readers/lines.js";
import { TercetError } from "../../src/errors.js";
import { flatten, scratch, utf8 } from "./scratch.js";

async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

const texts = async (parts: readonly Uint8Array[]) =>
  (await flatten(splitLines(chunks(parts), "f"))).map((line) => line.text);

describe("lines", () => {
  it.each([
    ["LF", "a\nb\n", ["a", "b"]],
    ["CRLF", "a\r\nb\r\n", ["a", "b"]],
    ["no line end at the end", "a\nb", ["a", "b"]],
    ["CR at the very end", "a\nb\r", ["a", "b"]],
    ["empty lines", "\n\na\n\n", ["", "", "a", ""]],
    ["a byte order mark", "\uFEFFa\nb", ["a", "b"]],
    ["a byte order mark only once", "\uFEFF\uFEFFa\n\uFEFFb", ["\uFEFFa", "\uFEFFb"]],
    ["a CR inside", "a\rb\n", ["a\rb"]],
    ["nothing", "", []],
    ["other line separators", "a\u2028b\u0085c\n", ["a\u2028b\u0085c"]],
  ])("with %s", async (_, text, expected) => {
    expect(await texts([utf8(text)])).toEqual(expected);
  });

  it("are the same however the bytes are cut", async () => {
    const cut = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 12 });
    const source = fc.array(fc.constantFrom("a", "é", "日", "😀", "\n", "\r\n", "\uFEFF"), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(source, cut, async (pieces, cuts) => {
        const bytes = utf8(pieces.join(""));
        const at = [
          0,
          ...cuts.map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b),
          bytes.length,
        ];
        const parts = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(await texts(parts)).toEqual(await texts([bytes]));
      }),
    );
  });

  it("may be many megabytes long, over many chunks", async () => {
    const long = `${"x".repeat(3_000_000)}é`;
    const bytes = utf8(`${long}\n${long}\nend`);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += 65_537) parts.push(bytes.subarray(at, at + 65_537));
    expect((await texts(parts)).map((text) => text?.length)).toEqual([3_000_001, 3_000_001, 3]);
  });

  it("that are too long are refused, with the line's number", () => {
    const splitter = new LineSplitter("f", 8);
    splitter.push(utf8("12345678\n1234"));
    expect(() => splitter.push(utf8("56789"))).toThrow(
      expect.objectContaining({ code: "ERR_LIMIT", file: "f", line: 2 }) as Error,
    );
  });

  it("that are not UTF-8 are told by number and byte, and the others stay", () => {
    const splitter = new LineSplitter("f");
    const lines = [...splitter.push(new Uint8Array([97, 10, 98, 0xc3, 0x28, 10, 99])), ...splitter.end()];
    expect(lines.map((line) => line.text)).toEqual(["a", undefined, "c"]);
    const error = encodingError(lines[1] as (typeof lines)[1] & object, "f");
    expect(error).toMatchObject({ code: "ERR_ENCODING", file: "f", line: 2, found: "byte 0x28" });
    expect(error.message).toContain("byte 3");
  });

  it("finds the first byte that is not UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
        const good = utf8(text);
        const bytes = new Uint8Array([...good, 0xff, 97]);
        expect(firstInvalidByte(bytes)).toBe(good.length);
        expect(firstInvalidByte(good)).toBe(good.length);
      }),
      { numRuns: 30 },
    );
  });

  it("of a file that is not there are ERR_NOT_FOUND", async () => {
    const missing = `${scratch()}/missing.jsonl`;
    await expect(flatten(readLines(missing))).rejects.toMatchObject({ code: "ERR_NOT_FOUND", file: missing });
    await expect(flatten(readLines(scratch()))).rejects.toBeInstanceOf(TercetError);
  });

  it("end when the signal is aborted", async () => {
    const folder = scratch({ "f.txt": "a\nb\n" });
    const reading = flatten(readLines(`${folder}/f.txt`, { signal: AbortSignal.abort() }));
    await expect(reading).rejects.toMatchObject({ name: "AbortError" });
  });
});
