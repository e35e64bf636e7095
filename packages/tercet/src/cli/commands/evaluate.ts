/** `tercet eval`: how well a collection answers the queries of a test collection. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Collection } from "../../collection.js";
import { evaluate } from "../../evaluate.js";
import { match } from "../../query.js";
import type { Schema } from "../../schema.js";
import type { EvaluateReply } from "../../wire/index.js";
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  names,
  positionals,
  string,
  wholeNumber,
} from "../command.js";
import { inputError, ioError, UsageError } from "../errors.js";
import { AT, versionAt, withFolder } from "../folder.js";
import { Progress } from "../progress.js";
import { readQueries, type TestQuery } from "../readers/beir.js";
import { readQrels } from "../readers/qrels.js";
import { counted, duration, table } from "../style.js";
import { weighted } from "./search.js";

const METRICS = ["ndcg@10", "recall@100", "mrr@10"];
const K_DEFAULT = 100;

export const evaluateQueries: Command = {
  name: "eval",
  summary: "measure answers against judgements",
  usage: "<folder> <beir folder> | <folder> --queries <file> --qrels <file> [options]",
  about: `Runs every judged query (BM25) and compares the ranking with the judgements. Prints the mean of each metric over
the judged queries (a query without an answer counts as 0) and the time a query took.

Queries are JSON Lines with _id and text. Judgements are BEIR (query-id, corpus-id, score; tabs; a header line) or TREC
(query-id 0 document-id grade). A BEIR folder has both: queries.jsonl and qrels/test.tsv.`,
  options: {
    at: AT,
    queries: {
      type: "string",
      value: "file",
      help: "the queries (default: queries.jsonl of the BEIR folder)",
    },
    qrels: {
      type: "string",
      value: "file",
      help: "the judgements (default: qrels/test.tsv of the BEIR folder)",
    },
    fields: {
      type: "string",
      value: "a,b",
      multiple: true,
      help: "fields to search, with a weight if wished: title^2,text",
    },
    k: { type: "string", value: "n", help: `how many hits to ask for (default ${K_DEFAULT})` },
    metrics: {
      type: "string",
      value: "a,b",
      multiple: true,
      help: `default ${METRICS.join(",")}; also map, precision@k, success@k`,
    },
    run: { type: "string", value: "file", help: "write the rankings in TREC format" },
    "per-query": { type: "boolean", help: "every query's values too" },
  },
  examples: [
    ["tercet eval ./scifact ~/data/scifact", "nDCG@10, recall@100 and MRR@10 on the test queries"],
    [
      "tercet eval ./scifact ~/data/scifact --fields title^2,text --metrics ndcg@10,map --run bm25.trec",
      "other weights; keep the rankings",
    ],
    [
      "tercet eval ./notes --queries queries.jsonl --qrels judged.tsv --json",
      "a test collection of one's own",
    ],
  ],
  run,
};

async function run(args: Arguments, context: Context): Promise<Answer> {
  const [folder, beir] = positionals(args, evaluateQueries, ["folder"], true) as [string, string?];
  if (args.positionals.length > 2)
    throw new UsageError(`"${args.positionals[2]}" is one argument too many`, "eval");
  const queriesFile =
    string(args.values, "queries") ?? (beir === undefined ? undefined : join(beir, "queries.jsonl"));
  const qrelsFile =
    string(args.values, "qrels") ?? (beir === undefined ? undefined : join(beir, "qrels", "test.tsv"));
  if (queriesFile === undefined) throw new UsageError("--queries, or a BEIR folder, is missing", "eval");
  if (qrelsFile === undefined) throw new UsageError("--qrels, or a BEIR folder, is missing", "eval");
  const k = wholeNumber(args.values, "k", "eval") ?? K_DEFAULT;
  const metrics = names(args.values, "metrics") ?? METRICS;
  const fields = weighted(names(args.values, "fields"));
  const qrels = await readQrels(qrelsFile, { signal: context.signal });
  const queries = (await readQueries(queriesFile, { signal: context.signal })).filter(
    (query) => query.id in qrels,
  );
  if (queries.length === 0)
    throw inputError("ERR_NOT_FOUND", `no query of ${queriesFile} is judged`, { file: qrelsFile });
  return withFolder(folder, context, { version: versionAt(args.values) }, async (collection) => {
    const options = fields === undefined ? {} : { fields };
    const measured = await rank(collection, queries, k, options, context);
    const result = await evaluate({
      run: measured.run,
      qrels,
      metrics,
      signal: context.signal,
      ...(context.backend === undefined ? {} : { backend: context.backend }),
    });
    const runFile = string(args.values, "run");
    if (runFile !== undefined) await writeRun(runFile, measured.run);
    return report(result, measured, { k, perQuery: args.values["per-query"] === true });
  });
}

type Ranked = Record<string, [id: string, score: number][]>;

interface Measured {
  readonly run: Ranked;
  /** Milliseconds of each query, ascending. */
  readonly times: readonly number[];
}

async function rank(
  collection: Collection<Schema>,
  queries: readonly TestQuery[],
  k: number,
  options: object,
  context: Context,
): Promise<Measured> {
  const progress = new Progress(context, "evaluating", "queries");
  const run: Ranked = Object.create(null);
  const times: number[] = [];
  for (const query of queries) {
    const started = performance.now();
    // No fields: only ids and scores are compared.
    const request = { query: match(query.text, options), limit: k, select: [], signal: context.signal };
    const page = await collection.search(request);
    times.push(performance.now() - started);
    run[query.id] = page.hits.map((hit) => [String(hit.id), hit.score]);
    progress.update(times.length, times.length / queries.length);
  }
  progress.clear();
  return { run, times: times.sort((a, b) => a - b) };
}

/** Rankings in the format of trec_eval: query, Q0, document, rank, score, name of the run. */
export function trecRun(run: Ranked): string {
  const lines = Object.entries(run).flatMap(([query, hits]) =>
    hits.map(([id, score], i) => `${query} Q0 ${id} ${i + 1} ${score} tercet\n`),
  );
  return lines.join("");
}

async function writeRun(file: string, run: Ranked): Promise<void> {
  try {
    await writeFile(file, trecRun(run));
  } catch (error) {
    throw ioError(error, file, "write");
  }
}

/** The value below which this share of the ascending values lies. */
export function percentile(ascending: readonly number[], share: number): number {
  const at = Math.ceil(share * ascending.length) - 1;
  return ascending[Math.max(0, at)] ?? 0;
}

function report(
  result: EvaluateReply,
  { times }: Measured,
  options: { k: number; perQuery: boolean },
): Answer {
  const ms = {
    mean: times.reduce((sum, time) => sum + time, 0) / Math.max(1, times.length),
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
  };
  const means = Object.entries(result.means).map(([metric, value]) => [metric, value.toFixed(4)]);
  const text = [
    `${counted(result.queries, "judged query").replace(/ys$/, "ies")}, ${options.k} hits each`,
    table(means),
    `time a query: mean ${duration(ms.mean)}, p50 ${duration(ms.p50)}, p99 ${duration(ms.p99)}`,
    ...(options.perQuery ? [perQueryTable(result)] : []),
  ].join("\n\n");
  const { perQuery, ...rest } = result;
  return { json: { ...rest, k: options.k, ms, ...(options.perQuery ? { perQuery } : {}) }, text };
}

function perQueryTable(result: EvaluateReply): string {
  const metrics = Object.keys(result.means);
  const rows = Object.entries(result.perQuery).map(([query, values]) => [
    query,
    ...metrics.map((metric) => (values[metric] ?? 0).toFixed(4)),
  ]);
  return table([["query", ...metrics], ...rows]);
}
