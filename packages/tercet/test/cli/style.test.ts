import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { percentile, trecRun } from "../../src/cli/commands/evaluate.js";
import { explainHit, explainPage } from "../../src/cli/commands/explain.js";
import { weighted } from "../../src/cli/commands/search.js";
import { hasColour } from "../../src/cli/io.js";
import { plainJson, shortValue } from "../../src/cli/plain-json.js";
import { Progress } from "../../src/cli/progress.js";
import {
  bytes,
  count,
  counted,
  duration,
  highlight,
  plain,
  type Range,
  snippet,
  table,
} from "../../src/cli/style.js";

const mark = (word: string) => `<${word}>`;

describe("highlighting", () => {
  it("marks ranges", () => {
    expect(
      highlight(
        "the wing of a bird",
        [
          [4, 8],
          [14, 18],
        ],
        mark,
      ),
    ).toBe("the <wing> of a <bird>");
    expect(highlight("none", [], mark)).toBe("none");
  });

  it("lets no control character through, and keeps every position", () => {
    expect(plain("a\u001b[31mb\nc\u009bd\u202ee")).toBe("a [31mb c d e");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => plain(text).length === text.length),
      { numRuns: 50 },
    );
  });

  it("cuts a snippet around the most words, between words", () => {
    const filler = "lorem ipsum dolor ".repeat(20);
    const text = `${filler}the wing of the bird ${filler}`;
    const at = text.indexOf("wing");
    const piece = snippet(
      text,
      [
        [0, 5],
        [at, at + 4],
        [at + 12, at + 16],
      ],
      80,
    );
    expect(piece.text).toMatch(/^… .*the wing of the bird.* …$/);
    expect(piece.ranges.map(([from, to]) => piece.text.slice(from, to))).toEqual(["wing", "bird"]);
  });

  it("never leaves its piece, whatever the ranges", () => {
    const cuts = fc.uniqueArray(fc.nat(400), { maxLength: 20 });
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 400 }),
        cuts,
        fc.integer({ min: 10, max: 120 }),
        (text, at, width) => {
          const sorted = at.filter((place) => place <= text.length).sort((a, b) => a - b);
          const ranges: Range[] = [];
          for (let i = 0; i + 1 < sorted.length; i += 2)
            ranges.push([sorted[i] as number, sorted[i + 1] as number]);
          const piece = snippet(text, ranges, width);
          expect(piece.text.length).toBeLessThanOrEqual(width + 4);
          for (const [from, to] of piece.ranges)
            expect(from >= 0 && to <= piece.text.length && from < to).toBe(true);
        },
      ),
    );
  });
});

describe("numbers for people", () => {
  it("have separators and units", () => {
    expect([0, 999, 1000, 1234567].map(count)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect([counted(1, "row"), counted(2000, "row")]).toEqual(["1 row", "2,000 rows"]);
    expect([0, 1023, 1536, 5 * 2 ** 30].map(bytes)).toEqual(["0 B", "1,023 B", "1.5 KiB", "5.0 GiB"]);
    expect([0.85, 12.34, 123.4, 4100, 185_000].map(duration)).toEqual([
      "850 µs",
      "12.3 ms",
      "123 ms",
      "4.1 s",
      "3 min 5 s",
    ]);
  });

  it("stand in columns", () => {
    expect(
      table([
        ["name", "n"],
        ["a", "10"],
        ["longer", "2"],
      ]),
    ).toBe("name     n\na       10\nlonger   2");
  });

  it("have percentiles", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0.5, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 99, 100]);
    expect(percentile([], 0.5)).toBe(0);
  });
});

describe("values", () => {
  const document = { id: 1, when: new Date(0), vector: new Float32Array([1, 0.5]), tags: ["a", "b"] };
  it("are plain JSON for programs", () => {
    expect(JSON.stringify(plainJson(document))).toBe(
      '{"id":1,"when":"1970-01-01T00:00:00.000Z","vector":[1,0.5],"tags":["a","b"]}',
    );
  });
  it("are short for people", () => {
    expect(Object.values(document).map(shortValue)).toEqual([
      "1",
      "1970-01-01",
      "[1.0000, 0.5000] (2)",
      "a, b",
    ]);
    expect(shortValue(new Float32Array(9))).toBe("[0.0000, 0.0000, 0.0000, 0.0000, …] (9)");
  });
});

describe("a terminal", () => {
  it("has colours unless NO_COLOR says otherwise", () => {
    const terminal = { write: () => true, isTTY: true };
    expect(hasColour(terminal, {})).toBe(true);
    expect(hasColour(terminal, { NO_COLOR: "1" })).toBe(false);
    expect(hasColour(terminal, { NO_COLOR: "" })).toBe(true);
    expect(hasColour(terminal, { TERM: "dumb" })).toBe(false);
    expect(hasColour({ write: () => true }, {})).toBe(false);
  });

  it("shows progress in one line that goes away; a pipe shows none", () => {
    const show = (isTTY: boolean) => {
      let out = "";
      const sink = { write: (text: string) => (out += text), isTTY, columns: 60 };
      const progress = new Progress(
        { stdout: sink, stderr: sink, env: {}, signal: new AbortController().signal },
        "indexing",
      );
      progress.update(50, 0.5);
      progress.update(51, 0.51);
      progress.clear();
      return out;
    };
    expect(show(false)).toBe("");
    const erase = "\r\u001b[K";
    const [before, line, after] = show(true).split(erase);
    expect([before, after]).toEqual(["", ""]);
    expect(line).toMatch(/^indexing █{12}░{12} {2}50% /);
    expect(line?.length).toBeLessThan(60);
  });
});

describe("arguments", () => {
  it("may give fields weights", () => {
    expect(weighted(undefined)).toBeUndefined();
    expect(weighted(["a", "b"])).toEqual(["a", "b"]);
    expect(weighted(["a^2", "b"])).toEqual({ a: 2, b: 1 });
    expect(() => weighted(["a^x"])).toThrow("not a number");
    expect(() => weighted(["a^"])).toThrow("not a number");
  });
});

describe("what is written", () => {
  it("is a run in TREC format", () => {
    expect(
      trecRun({
        q1: [
          ["d1", 2.5],
          ["d2", 1],
        ],
        q2: [],
      }),
    ).toBe("q1 Q0 d1 1 2.5 tercet\nq1 Q0 d2 2 1 tercet\n");
  });

  it("explains scores as a tree", () => {
    const term = { part: "term", about: "wing", score: 1.25, details: { tf: 2, idf: 2.34567 } };
    expect(explainHit({ part: "match", about: "wing", score: 1.25, rank: 1, parts: [term] })).toBe(
      "    1.2500  match wing  rank 1\n      1.2500  term wing  (tf 2, idf 2.3457)",
    );
    expect(
      explainPage({ plan: [{ step: "match", exact: true, candidates: 3 }], counters: { postingsScored: 9 } }),
    ).toBe("plan\n  match: 3 candidates\nwork: postingsScored 9");
  });
});
