/** `tercet recommend`: which index to take for vectors, measured on a sample of them. */
import { recommend as measure, type Recommendation, type RecommendOptions } from "../../recommend.js";
import type { RecommendRow } from "../../wire/index.js";
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  positionals,
  string,
  wholeNumber,
} from "../command.js";
import { inputError, UsageError } from "../errors.js";
import { Progress } from "../progress.js";
import { readVectors, type VectorFile } from "../readers/vectors.js";
import { printIndex } from "../schema-print.js";
import { counted, count as grouped, table } from "../style.js";

const SAMPLE = 20_000;
const QUERIES = 500;
const METRICS = ["cosine", "dot", "l2"] as const;

export const recommend: Command = {
  name: "recommend",
  summary: "which index to take for these vectors",
  usage: "<vectors> [--bytes n] [--recall share] [--queries file] [options]",
  about: `Builds every kind of index with every compressor over a sample of the vectors, finds the effort with which each
reaches the recall wanted, and times it. "bytes" are what a search needs in memory for a vector; whole vectors that only
rank a few candidates again may stay on the disk, and are counted under "file" alone. An index fits when it reaches the
recall within the bytes; of those that fit the fastest is chosen. The last line is the field of a schema, or, for
vectors that are not f32, which fields do not hold, the index of their own.

Files are .npy (f4, f2, i1, u1), .fvecs, .bvecs, .ivecs, or JSON Lines with an array of numbers a line.`,
  options: {
    bytes: { type: "string", value: "n", help: "the most bytes a vector in memory (default: any)" },
    recall: { type: "string", value: "share", help: "the recall wanted, above 0 and up to 1 (default 0.95)" },
    queries: {
      type: "string",
      value: "file",
      help: `queries as they will be asked, up to ${QUERIES} (default: vectors taken out of the sample)`,
    },
    metric: { type: "string", value: "name", help: `${METRICS.join(", ")} (default cosine)` },
    k: { type: "string", value: "n", help: "neighbours a query (default 10)" },
    sample: { type: "string", value: "n", help: `vectors to measure on (default ${grouped(SAMPLE)})` },
    threads: { type: "string", value: "n", help: "threads that build (default: all)" },
  },
  examples: [
    [
      "tercet recommend vectors.npy --bytes 48 --recall 0.95",
      "the fastest index of 48 bytes a vector in memory",
    ],
    ["tercet recommend vectors.npy --queries q.npy --json", "measured with real queries, for programs"],
    ["tercet recommend sift.bvecs --metric l2 --sample 50000", "a larger sample"],
  ],
  run,
};

async function run(args: Arguments, context: Context): Promise<Answer> {
  const [file] = positionals(args, recommend, ["file of vectors"]) as [string];
  const { values } = args;
  const metric = string(values, "metric") ?? "cosine";
  if (!METRICS.some((one) => one === metric)) {
    throw new UsageError(`--metric takes ${METRICS.join(", ")}, not "${metric}"`, "recommend");
  }
  const wanted = {
    bytesPerVector: share(args, "bytes"),
    recall: share(args, "recall") ?? 0.95,
    k: wholeNumber(values, "k", "recommend") ?? 10,
    threads: wholeNumber(values, "threads", "recommend"),
  };
  const { signal } = context;
  const rows = wholeNumber(values, "sample", "recommend") ?? SAMPLE;
  const sample = await readVectors(file, { rows: Math.max(1, rows), signal });
  const queries = await queriesOf(string(values, "queries"), sample, signal);
  const progress = new Progress(context, "measuring", "steps");
  const options: RecommendOptions = {
    dims: sample.dims,
    metric: metric as (typeof METRICS)[number],
    dtype: sample.dtype,
    ...wanted,
    ...(queries === undefined ? {} : { queries: queries.values }),
    ...(context.backend === undefined ? {} : { backend: context.backend }),
    ...progress.watching(signal),
  };
  const found = await measure(sample.values, options);
  progress.clear();
  const line = printed(found, sample, metric);
  return {
    json: { ...found, dims: sample.dims, dtype: sample.dtype, metric, file, ...line },
    text: report(found, sample, wanted, line),
  };
}

/** What to write to have it. Fields hold f32; vectors of another type are for an index of their own. */
function printed(
  found: Recommendation,
  { dims, dtype }: VectorFile,
  metric: string,
): { readonly field: string } | { readonly build: string } {
  const settings = `dims: ${dims}, metric: ${JSON.stringify(metric)}`;
  if (dtype === "f32") return { field: `dense({ ${settings}, index: ${printIndex(found.index)} })` };
  const index = JSON.stringify(found.index);
  return { build: `buildIndex(vectors, { ${settings}, dtype: ${JSON.stringify(dtype)}, index: ${index} })` };
}

function share(args: Arguments, name: string): number | undefined {
  const given = string(args.values, name);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (given.trim() === "" || !Number.isFinite(value)) {
    throw new UsageError(`--${name} takes a number, not "${given}"`, "recommend");
  }
  return value;
}

/** Queries in the type of the vectors, or as f32. */
async function queriesOf(
  file: string | undefined,
  sample: VectorFile,
  signal: AbortSignal,
): Promise<VectorFile | undefined> {
  if (file === undefined) return undefined;
  const queries = await readVectors(file, { rows: QUERIES, signal });
  const [expected, found] = [`${sample.dims} components`, `${queries.dims} components`];
  if (queries.dims !== sample.dims) {
    const message = `queries have ${found}, the vectors ${expected}`;
    throw inputError("ERR_DIMENSION", message, { file }, { expected, found });
  }
  if (queries.dtype !== sample.dtype && queries.dtype !== "f32") {
    const message = `queries of ${queries.dtype} for vectors of ${sample.dtype}`;
    throw inputError(
      "ERR_TYPE",
      message,
      { file },
      { expected: `${sample.dtype} or f32`, found: queries.dtype },
    );
  }
  return queries;
}

function report(
  found: Recommendation,
  sample: VectorFile,
  wanted: { readonly bytesPerVector: number | undefined; readonly recall: number; readonly k: number },
  line: { readonly field: string } | { readonly build: string },
): string {
  const cells = (row: RecommendRow) => [
    `${row === found.choice ? "*" : row.fits ? "+" : " "} ${row.name}`,
    row.recall.toFixed(3),
    row.bytes.toFixed(0),
    row.fileBytes.toFixed(0),
    row.ef === undefined ? "-" : String(row.ef),
    grouped(Math.round(row.qps)),
    `${(row.buildMs / 1000).toFixed(1)} s`,
  ];
  const rows = [...found.rows].sort((a, b) => Number(b.fits) - Number(a.fits) || b.qps - a.qps);
  const room = wanted.bytesPerVector === undefined ? "" : ` within ${wanted.bytesPerVector} bytes a vector`;
  const none = `nothing reached a recall of ${wanted.recall}${room}: this comes nearest`;
  return [
    `${counted(sample.rows, "vector")} of ${grouped(sample.of)}, ${sample.dims} x ${sample.dtype}; ` +
      `${grouped(found.queries)} queries${found.heldOut ? ", taken out of them" : ""}, ${wanted.k} neighbours each, one thread`,
    table([
      ["  index", `recall@${wanted.k}`, "bytes", "file", "ef", "queries/s", "build"],
      ...rows.map(cells),
    ]),
    ...(found.skipped.length === 0
      ? []
      : [`not measured:\n${found.skipped.map(({ name, why }) => `  ${name}: ${why}`).join("\n")}`]),
    found.choice.fits ? `* is chosen, + would do as well` : none,
    "field" in line ? `vector: ${line.field}` : `const index = await ${line.build};`,
  ].join("\n\n");
}
