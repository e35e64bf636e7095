/**
 * BM25 beside its peers: microseconds a query (top 10, one thread) and nDCG@10, documents a second, bytes of the index.
 *
 *   npm run bench -- text                 tercet alone: from Rust and from Node
 *   node bench/text.mjs --peers FILE      and the peers that FILE names, in turns, `--rounds 3`; best round of each
 *
 * FILE is JSON: `{ "bm25s": ["v/bin/python", "text_py.py", "{dir}", "{out}", "numba"], "tantivy": [...], "lucene": [...] }`,
 * the commands of the harness beside the project (`../shared/bench-peers/sparse`), each of which prints a JSON line and
 * writes the ranking of every query to {out}. `--core n` pins every process to a core (taskset). `--sets scifact,...`.
 *
 * Collections: `../shared/data` or TERCET_DATA. nDCG@10 is taken from the rankings by trec_eval's definition.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { evaluate, integer, match, open, text } from "tercet";

const { values } = parseArgs({
  options: {
    peers: { type: "string" },
    rounds: { type: "string", default: "1" },
    sets: { type: "string", default: "scifact,cranfield,cisi" },
    core: { type: "string" },
    node: { type: "string" },
  },
});
const ROOT = join(import.meta.dirname, "..");
const DATA = resolve(process.env.TERCET_DATA ?? join(ROOT, "../shared/data"));
const REPEATS = 6;

const jsonl = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

function judged(folder) {
  const qrels = {};
  for (const line of readFileSync(join(folder, "qrels/test.tsv"), "utf8").split("\n").slice(1)) {
    const [query, document, grade] = line.trim().split("\t");
    if (grade === undefined) continue;
    qrels[query] ??= {};
    qrels[query][document] = Number(grade);
  }
  return qrels;
}

/** A ranking in the format of TREC, by query. */
function ranking(path) {
  const run = {};
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [query, , document, rank] = line.split(" ");
    if (rank === undefined || Number(rank) > 10) continue;
    run[query] ??= [];
    run[query].push([document, -Number(rank)]);
  }
  return run;
}

const ndcg = async (run, folder) =>
  (await evaluate({ run, qrels: judged(folder), metrics: ["ndcg@10"] })).means["ndcg@10"];

/** Mean of the fastest of some runs of every query, in microseconds. */
async function timed(queries, one) {
  const best = queries.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < REPEATS; round++) {
    for (const [i, query] of queries.entries()) {
      const start = performance.now();
      await one(query);
      best[i] = Math.min(best[i], (performance.now() - start) * 1000);
    }
  }
  return Math.round((best.reduce((sum, us) => sum + us, 0) / best.length) * 10) / 10;
}

/** What a process of this script prints for one set: the public API, one field, then two fields and a filter. */
async function fromNode(folder) {
  const documents = jsonl(join(folder, "corpus.jsonl"));
  const queries = jsonl(join(folder, "queries.jsonl"));
  const english = () => text({ analyzer: "english" });
  const one = await open(":memory:", { schema: { contents: english() } });
  const start = performance.now();
  await one.upsert(documents.map((d) => ({ id: d._id, contents: `${d.title ?? ""} ${d.text}` })));
  const seconds = (performance.now() - start) / 1000;
  await one.compact();
  const two = await open(":memory:", { schema: { title: english(), body: english(), n: integer() } });
  await two.upsert(documents.map((d, n) => ({ id: d._id, title: d.title ?? "", body: d.text, n: n % 10 })));
  await two.compact();
  const run = {};
  for (const query of queries) {
    const page = await one.search({ query: match(query.text), select: [] });
    run[query._id] = page.hits;
  }
  const plain = await timed(queries, (query) => one.search({ query: match(query.text), select: [] }));
  const where = { n: { gte: 5 } };
  const filtered = await timed(queries, (query) =>
    two.search({ query: match(query.text), where, select: [] }),
  );
  const measured = await ndcg(run, folder);
  console.log(
    JSON.stringify({
      engine: "tercet node",
      docs_per_s: Math.round(documents.length / seconds),
      k10: { mean_us: plain },
      two_fields_filter: { mean_us: filtered },
      ndcg: measured,
    }),
  );
  await one.close();
  await two.close();
}

/** Runs a command and gives its JSON lines. */
function lines(command) {
  const pinned = values.core === undefined ? command : ["taskset", "-c", values.core, ...command];
  const { stdout, stderr, status } = spawnSync(pinned[0], pinned.slice(1), { encoding: "utf8" });
  if (status !== 0) {
    console.log(`not run: ${command.slice(0, 2).join(" ")}: ${stderr.trim().split("\n").at(-1)}`);
    return [];
  }
  const json = stdout.split("\n").filter((line) => line.startsWith("{"));
  return json.map((line) => JSON.parse(line));
}

async function compare() {
  const scratch = mkdtempSync(join(tmpdir(), "tercet-text-"));
  const rust = join(ROOT, "target/release/examples/text");
  const engines = { "tercet node": [process.execPath, import.meta.filename, "--node", "{dir}"] };
  if (existsSync(rust)) engines.tercet = [rust, "{dir}", "{out}"];
  else console.log("not run: from Rust: cargo build --release -p tercet-engine --example text");
  if (values.peers !== undefined) Object.assign(engines, JSON.parse(readFileSync(values.peers, "utf8")));
  for (const set of values.sets.split(",")) {
    const folder = join(DATA, set);
    if (!existsSync(join(folder, "corpus.jsonl"))) {
      console.log(`not run: no data (${set})`);
      continue;
    }
    const best = new Map();
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, command] of Object.entries(engines)) {
        const out = join(scratch, `${name}.run`);
        const filled = command.map((part) => part.replace("{dir}", folder).replace("{out}", out));
        for (const line of lines(filled)) {
          if (existsSync(out) && line.ndcg === undefined) {
            line.ndcg = await ndcg(ranking(out), folder);
          }
          const engine = name.startsWith("tercet") ? line.engine : name;
          const before = best.get(engine);
          best.set(engine, before === undefined ? line : faster(before, line));
        }
      }
    }
    table(set, best);
  }
  rmSync(scratch, { recursive: true });
}

function faster(a, b) {
  const docs = Math.max(a.docs_per_s ?? 0, b.docs_per_s ?? 0);
  return { ...((b.k10?.mean_us ?? 1e9) < (a.k10?.mean_us ?? 1e9) ? b : a), docs_per_s: docs };
}

function table(set, best) {
  console.log(
    `\n${set}\n| engine | us a query | two fields + filter | nDCG@10 | documents/s | index bytes |`,
  );
  console.log("|---|---|---|---|---|---|");
  for (const [name, line] of best) {
    const cells = [
      line.k10?.mean_us,
      line.two_fields_filter?.mean_us,
      line.ndcg?.toFixed(4),
      line.docs_per_s,
      line.index_bytes,
    ];
    console.log(`| ${name} | ${cells.map((cell) => cell ?? "").join(" | ")} |`);
  }
}

if (values.node === undefined) await compare();
else await fromNode(values.node);
