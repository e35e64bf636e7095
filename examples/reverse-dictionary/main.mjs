/**
 * A reverse dictionary: describe a word, get the word.
 *
 *   node main.mjs [--fresh] [--queries n] [--backend native|wasm] [--json]
 *
 * The first start puts the 117,791 senses of WordNet 3.1 into a collection under ./data; later starts open it. Then it
 * answers a few questions, measures every ranking on usage examples, and, on a terminal, takes questions.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { info, keyword, mark, match, open, TercetError, text } from "tercet";
import { chooseQueries } from "./queries.mjs";
import { METRICS, measure, RANKINGS } from "./rankings.mjs";
import {
  bold,
  dim,
  highlighted,
  mebibytes,
  milliseconds,
  number,
  progress,
  seconds,
  table,
} from "./terminal.mjs";
import { readSenses, SENSES } from "./wordnet.mjs";

// Descriptions, and the word that they describe. The last one shows where words end: WordNet's astronomer is "a physicist
// who studies astronomy" and shares a single word with the question.
const QUESTIONS = [
  { question: "fear of closed spaces", expected: "claustrophobia" },
  { question: "words that are spelled the same backward and forward", expected: "palindrome" },
  { question: "an instrument for measuring atmospheric pressure", expected: "barometer" },
  { question: "a person who studies the stars", expected: "astronomer" },
];
const LOOKED_AT = 100;

const USAGE = "node main.mjs [--fresh] [--queries n] [--backend native|wasm] [--json]";
const options = readOptions();
const say = options.json ? () => {} : console.log;
const interruption = new AbortController();
process.once("SIGINT", () => interruption.abort());

try {
  await main();
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  console.error("interrupted; the next start goes on");
  process.exitCode = 130;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        fresh: { type: "boolean", default: false },
        queries: { type: "string", default: "1000" },
        backend: { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
    const queries = Number(values.queries);
    if (!Number.isInteger(queries) || queries < 1) throw new Error("--queries takes a whole number above 0");
    return { ...values, queries };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

async function main() {
  const senses = [];
  for await (const sense of readSenses()) senses.push(sense);
  const dictionary = await openDictionary();
  try {
    await present(dictionary, senses);
  } finally {
    await dictionary.close();
  }
}

async function present(dictionary, senses) {
  const { isa } = await info({ backend: options.backend });
  say(
    bold("Reverse dictionary"),
    `WordNet 3.1, ${number(SENSES)} senses; ${dictionary.backend.name}, ${isa}`,
  );

  const indexed = await fill(dictionary, senses);
  const { bytes } = await dictionary.stats();
  say(
    indexed === undefined ? "opened the stored index" : `indexed in ${seconds(indexed)}`,
    `(${mebibytes(bytes)})`,
  );

  const answers = [];
  for (const { question, expected } of QUESTIONS) {
    const hits = await ask(dictionary, question);
    const rank = hits.findIndex(({ lemmas }) => lemmas.split(", ").includes(expected)) + 1;
    say(
      dim(
        `  expected: ${expected}, ${rank > 0 ? `found at rank ${rank}` : `not among the first ${LOOKED_AT}`}`,
      ),
    );
    answers.push({ question, expected, rank: rank > 0 ? rank : null, hits: hits.slice(0, 3) });
  }

  const rankings = await compare(dictionary, senses);
  if (options.json)
    console.log(JSON.stringify({ senses: SENSES, indexedMs: indexed, bytes, isa, answers, rankings }));
  else if (process.stdin.isTTY && process.stdout.isTTY) await converse(dictionary);
}

async function openDictionary() {
  const folder = fileURLToPath(new URL("./data/wordnet", import.meta.url));
  if (options.fresh) rmSync(folder, { recursive: true, force: true });
  return open(folder, {
    schema: {
      lemmas: text({ analyzer: "english" }),
      gloss: text({ analyzer: "english" }),
      partOfSpeech: keyword(),
    },
    backend: options.backend,
    signal: interruption.signal,
  });
}

/** Indexes the senses unless all of them are there. Gives the milliseconds that it took. */
async function fill(dictionary, senses) {
  if ((await dictionary.count()) === SENSES) return undefined;
  const started = performance.now();
  const show = progress("indexing", senses.length);
  const documents = senses.map(({ document }) => document);
  // An iterator is written in batches, so that an interrupted start leaves whole batches behind.
  await dictionary.upsert(documents.values(), {
    signal: interruption.signal,
    onProgress: ({ done }) => show(done),
  });
  await dictionary.flush();
  return performance.now() - started;
}

/** Prints the three best senses for a description, and gives the best hundred. */
async function ask(dictionary, question) {
  // A description is worded like a definition, so the gloss is the field to ask.
  const query = match(question, { fields: ["gloss"] });
  const page = await dictionary.search({ query, limit: LOOKED_AT, highlight: ["gloss"] });
  say(`\n${bold(question)}`);
  for (const { document, score, highlights } of page.hits.slice(0, 3)) {
    say(`  ${bold(document.lemmas)} ${dim(`(${document.partOfSpeech}, ${score.toFixed(2)})`)}`);
    say(`    ${mark(document.gloss, highlights.gloss, highlighted)}`);
  }
  if (page.hits.length === 0) say("  nothing found");
  return page.hits.map(({ document, score }) => ({ ...document, score }));
}

/** Prints how each ranking does on usage examples, and gives the numbers. */
async function compare(dictionary, senses) {
  const queries = chooseQueries(senses, options.queries);
  say(`\n${number(queries.length)} usage examples as queries, their sense as the one right answer:\n`);
  const show = progress("measuring", queries.length * RANKINGS.length);
  const results = [];
  for (const [i, ranking] of RANKINGS.entries()) {
    const onProgress = (done) => show(i * queries.length + done);
    const measured = await measure(dictionary, ranking, queries, { signal: interruption.signal, onProgress });
    results.push({ ranking: ranking.name, ...measured });
  }
  const head = ["ranking", "MRR", "nDCG@10", "recall@100", "mean", "p50", "p99"];
  const rows = results.map(({ ranking, means, ms }) => [
    ranking,
    ...METRICS.map((metric) => means[metric].toFixed(3)),
    ...[ms.mean, ms.p50, ms.p99].map(milliseconds),
  ]);
  say(table([head, ...rows]));
  return results;
}

/** Takes descriptions from the terminal until an empty line or the end of input. */
async function converse(dictionary) {
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  prompt.on("SIGINT", () => prompt.close());
  say(dim("\nDescribe a word (an empty line ends)"));
  prompt.setPrompt("> ");
  prompt.prompt();
  for await (const line of prompt) {
    if (line.trim() === "") break;
    try {
      await ask(dictionary, line);
    } catch (error) {
      if (!(error instanceof TercetError)) throw error;
      say(`  ${error.code}: ${error.message}`);
    }
    prompt.prompt();
  }
  prompt.close();
}
