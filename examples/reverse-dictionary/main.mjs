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
import { info, keyword, mark, open, TercetError, text } from "tercet";
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

const QUESTIONS = [
  "a person who studies the stars",
  "fear of closed spaces",
  "to walk in a slow and relaxed way",
  "instrument that measures the pressure of the air",
];

const { values: options } = parseArgs({
  options: {
    fresh: { type: "boolean", default: false },
    queries: { type: "string", default: "1000" },
    backend: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
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
  for (const question of QUESTIONS) answers.push({ question, hits: await ask(dictionary, question) });

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

/** Prints the best senses for a description, and gives them. */
async function ask(dictionary, question) {
  const { query } = RANKINGS.at(-1);
  const page = await dictionary.search({ query: query(question), limit: 3, highlight: ["gloss", "lemmas"] });
  say(`\n${bold(question)}`);
  for (const { document, score, highlights } of page.hits) {
    const show = (field) => mark(document[field], highlights[field], highlighted);
    say(
      `  ${show("lemmas")} ${dim(`(${document.partOfSpeech}, ${score.toFixed(2)})`)}\n    ${show("gloss")}`,
    );
  }
  if (page.hits.length === 0) say("  nothing found");
  return page.hits.map(({ document, score }) => ({ ...document, score }));
}

/** Prints how each ranking does on usage examples, and gives the numbers. */
async function compare(dictionary, senses) {
  const queries = chooseQueries(senses, Number(options.queries));
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
