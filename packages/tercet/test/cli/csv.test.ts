import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CsvAssembler, readCsv, readCsvRows } from "../../src/cli/readers/csv.js";
import { flatten, scratch } from "./scratch.js";

const file = (content: string | Uint8Array) => `${scratch({ "a.csv": content })}/a.csv`;
const rows = async (content: string) => (await flatten(readCsvRows(file(content)))).map((row) => row.fields);

describe("CSV", () => {
  it.each([
    [
      "plain fields",
      "a,b\n1,2\n",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "CRLF and no end",
      "a,b\r\n1,2",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    [
      "empty fields",
      "a,,\n,,",
      [
        ["a", "", ""],
        ["", "", ""],
      ],
    ],
    ["quotes", '"a","b,c"\n', [["a", "b,c"]]],
    ["doubled quotes", '"a ""b""",""""\n', [['a "b"', '"']]],
    ["an empty quoted field", '"",x\n', [["", "x"]]],
    [
      "a quoted field over lines",
      '"a\nb\r\n\nc",d\ne,f',
      [
        ["a\nb\n\nc", "d"],
        ["e", "f"],
      ],
    ],
    ["a doubled quote at a line's end", '"a""\nb",c', [['a"\nb', "c"]]],
    [
      "empty lines",
      "a,b\n\n1,2\n\n",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    ["spaces kept", " a , b \n", [[" a ", " b "]]],
    ["one column", "a\n1\n", [["a"], ["1"]]],
    [
      "other scripts",
      "名,é\n😀,ß\n",
      [
        ["名", "é"],
        ["😀", "ß"],
      ],
    ],
  ])("has %s", async (_, content, expected) => {
    expect(await rows(content)).toEqual(expected);
  });

  it("comes back as it was written", async () => {
    const field = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", " ", "é", ";"), maxLength: 6 });
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(table, async (records) => {
        const quote = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
        const lines = records
          .map((record) => record.map(quote).join(","))
          .join("\n")
          .split("\n");
        const assembler = new CsvAssembler();
        const found = lines.flatMap((line, i) => assembler.push(line, i + 1)?.fields ?? []);
        expect(found).toEqual(records.flat());
        expect(assembler.open).toBe(false);
      }),
    );
  });

  it("names the values by its first record; empty ones are absent", async () => {
    const records = await flatten(readCsv(file('id,"ti tle",n\n1,x,\n2,"y\nz",3\n')));
    expect(records.map(({ value, line }) => [value, line])).toEqual([
      [{ id: "1", "ti tle": "x" }, 2],
      [{ id: "2", "ti tle": "y\nz", n: "3" }, 3],
    ]);
  });

  it("may be separated by tabs", async () => {
    const records = await flatten(readCsv(file('a\tb\n1,5\t"x\ty"\n'), { delimiter: "\t" }));
    expect(records[0]?.value).toEqual({ a: "1,5", b: "x\ty" });
  });

  it.each([
    ["a quote that is never closed", 'a,b\n1,"x\n2,y\n3,z\n', 2],
    ["text after a quote", 'a,b\n1,"x"y\n', 2],
    ["a quote inside a field", 'a,b\n1,2\n1,x"y\n', 3],
    ["a field too many", "a,b\n1,2,3\n", 2],
    ["a field too few", "a,b\n1,2\n\n1\n", 4],
    ["a nameless column", "a,\n1,2\n", 1],
    ["a column twice", "a,a\n1,2\n", 1],
  ])("with %s is refused, with file and line", async (_, content, line) => {
    await expect(flatten(readCsv(file(content)))).rejects.toMatchObject({ code: "ERR_PARSE", line });
  });

  it("goes on after the first line of a bad record", async () => {
    const bad: unknown[] = [];
    const content = 'id,b\n1,"never closed\n2,x\n3,"y"z\n4,"1\n2"\n5,q\n';
    const records = await flatten(readCsv(file(content), { onBad: (error) => bad.push(error) }));
    expect(records.map(({ value }) => value)).toEqual([
      { id: "2", b: "x" },
      { id: "4", b: "1\n2" },
      { id: "5", b: "q" },
    ]);
    expect(bad).toMatchObject([
      { code: "ERR_PARSE", line: 2 },
      { code: "ERR_PARSE", line: 4 },
    ]);
  });

  it("leaves out a line that is not UTF-8, and says so once", async () => {
    const bytes = Buffer.concat([Buffer.from("id,b\n1,"), Buffer.from([0xe9, 10]), Buffer.from("2,x\n")]);
    await expect(flatten(readCsv(file(bytes)))).rejects.toMatchObject({ code: "ERR_ENCODING", line: 2 });
    const bad: unknown[] = [];
    const records = await flatten(readCsv(file(bytes), { onBad: (error) => bad.push(error) }));
    expect(records.map(({ value }) => value)).toEqual([{ id: "2", b: "x" }]);
    expect(bad).toMatchObject([{ code: "ERR_ENCODING", line: 2 }]);
  });
});
