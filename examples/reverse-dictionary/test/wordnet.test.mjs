import { beforeAll, describe, expect, it } from "vitest";
import { chooseQueries } from "../queries.mjs";
import { parseLine, readSenses, SENSES, splitGloss, standsIn } from "../wordnet.mjs";

describe("a line of the database", () => {
  it("gives offset, words and gloss", () => {
    const line =
      '00014377 00 s 02 abounding 0 galore(ip) 0 001 & 00013906 a 0000 | existing in abundance; "whiskey galore"  ';
    expect(parseLine(line)).toEqual({
      offset: "00014377",
      lemmas: ["abounding", "galore"],
      gloss: 'existing in abundance; "whiskey galore"',
    });
  });

  it("counts words in hexadecimal and reads underscores as spaces", () => {
    const words = Array.from({ length: 16 }, (_, i) => `word_${i} 0`).join(" ");
    expect(parseLine(`00000001 03 n 10 ${words} 000 | gloss`).lemmas).toHaveLength(16);
    expect(parseLine(`00000001 03 n 10 ${words} 000 | gloss`).lemmas[15]).toBe("word 15");
  });
});

describe("a gloss", () => {
  it.each([
    ["no example", "that which is perceived", "that which is perceived", []],
    ["examples after semicolons", 'briefly; "one"; "two"', "briefly", ["one", "two"]],
    ["two definitions", 'first; second; "one"', "first; second", ["one"]],
    ["a semicolon inside quotes", 'firm; "come; go"; "two"', "firm", ["come; go", "two"]],
    ["who said it", 'go; "to be or not"- Shakespeare', "go", ["to be or not"]],
    ["who said it, in brackets", 'go; "These things befell" (Santayana)', "go", ["These things befell"]],
    ["an unbalanced quote", 'go; "never closed; to the end', "go", ["never closed; to the end"]],
    [
      "two in a row",
      'living; "get a life!" "rebuild his life"',
      "living",
      ["get a life!", "rebuild his life"],
    ],
    ["after a colon", 'assail: "beset by leopards"', "assail", ["beset by leopards"]],
    ["after e.g.", 'fixed; e.g. "frozen prices"', "fixed", ["frozen prices"]],
    ["after as in", 'a list; as in e.g. "a news roundup"', "a list", ["a news roundup"]],
    ["a word spoken of", 'spread ("straw" is archaic)', 'spread ("straw" is archaic)', []],
    ["a word spoken of first", 'dull; "dirty" is often used', 'dull; "dirty" is often used', []],
    [
      "a note after examples",
      'so; "thus"; (`thusly\' is a variant)',
      "so; (`thusly' is a variant)",
      ["thus"],
    ],
    ["an empty part", 'block; "one"; ', "block", ["one"]],
  ])("with %s", (_, gloss, definition, examples) => {
    expect(splitGloss(gloss)).toEqual({ definition, examples });
  });
});

describe("WordNet 3.1", () => {
  const senses = [];
  beforeAll(async () => {
    for await (const sense of readSenses()) senses.push(sense);
  }, 60_000);

  it("has 117,791 senses, each with an id of its own, lemmas and a gloss", () => {
    expect(senses).toHaveLength(SENSES);
    expect(new Set(senses.map(({ document }) => document.id)).size).toBe(SENSES);
    const poor = senses.filter(({ document }) => document.lemmas === "" || document.gloss === "");
    expect(poor).toEqual([]);
    expect(new Set(senses.map(({ document }) => document.partOfSpeech)).size).toBe(4);
  });

  it("keeps no quoted example in a gloss", () => {
    // What is left in quotes are words spoken of: `("straw" is archaic)`.
    const quoted = senses.filter(({ document }) => document.gloss.includes('"'));
    expect(quoted.length).toBeLessThanOrEqual(10);
    expect(senses.reduce((sum, { examples }) => sum + examples.length, 0)).toBeGreaterThan(48_000);
  });

  it("asks no query that stands in its own document", () => {
    const byId = new Map(senses.map(({ document }) => [document.id, document]));
    const queries = chooseQueries(senses, Number.POSITIVE_INFINITY);
    expect(queries.length).toBeGreaterThan(48_000);
    for (const { text, answer } of queries) {
      const { lemmas, gloss } = byId.get(answer);
      const document = `${lemmas}\n${gloss}`.toLowerCase();
      if (document.includes(text.toLowerCase())) expect.fail(`"${text}" stands in ${answer}`);
    }
  });

  it("chooses the same queries every time, other ones for another seed", () => {
    const first = chooseQueries(senses, 1000);
    expect(first).toHaveLength(1000);
    expect(chooseQueries(senses, 1000)).toEqual(first);
    expect(chooseQueries(senses, 1000, 8)).not.toEqual(first);
  });

  it("sees through case and punctuation", () => {
    expect(standsIn("Shove off!", { lemmas: "shove off, blow", gloss: "leave" })).toBe(true);
    expect(standsIn("shove it off", { lemmas: "shove off, blow", gloss: "leave" })).toBe(false);
  });
});
