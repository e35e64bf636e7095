/** The ways to rank that the example compares, and the comparison. */
import { evaluate, fuse, match } from "tercet";

const onGloss = (text) => match(text, { fields: ["gloss"] });

// The headwords themselves. Usage examples nearly always hold one ("the dog barked all night"), so this ranking is strong
// on examples. That is legitimate: a user's sentence holds the word too, and the right sense still has to be told from
// the others of the same word. On descriptions ("an animal that barks") the gloss is the one.
const onLemmas = (text) => match(text, { fields: ["lemmas"] });

/** Every way to rank: a name, and how it makes a query of a text. One more is one more line. */
export const RANKINGS = [
  { name: "BM25 on the gloss", query: onGloss },
  { name: "BM25 on the lemmas", query: onLemmas },
  { name: "both, fused by rank (RRF)", query: (text) => fuse.rrf([onGloss(text), onLemmas(text)]) },
  { name: "both, lemmas count threefold", query: (text) => match(text, { fields: { lemmas: 3, gloss: 1 } }) },
];

/** What is measured: where the one right sense stands among the first hundred. */
export const METRICS = ["mrr", "ndcg@10", "recall@100"];
const DEPTH = 100;

/** Runs every query through one ranking. Returns the means of the metrics and the milliseconds a query took. */
export async function measure(collection, ranking, queries, { signal, onProgress } = {}) {
  const run = {};
  const times = [];
  for (const { id, text } of queries) {
    const started = performance.now();
    // `select: []`: ids and scores are enough to compare.
    const page = await collection.search({ query: ranking.query(text), limit: DEPTH, select: [], signal });
    times.push(performance.now() - started);
    run[id] = page.hits;
    onProgress?.(times.length);
  }
  const qrels = Object.fromEntries(queries.map(({ id, answer }) => [id, { [answer]: 1 }]));
  const { means } = await evaluate({ run, qrels, metrics: METRICS });
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.ceil(share * times.length) - 1];
  return {
    means,
    ms: { mean: times.reduce((sum, ms) => sum + ms, 0) / times.length, p50: at(0.5), p99: at(0.99) },
  };
}
