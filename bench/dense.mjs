/**
 * Dense indexes beside their peers: queries a second at recall@10 of .90, .95 and .99, building, memory, filters.
 *
 *   npm run bench -- dense              a minute on the first 5,000 rows, to see that it runs
 *   node bench/dense.mjs --full         the whole sets, three rounds: the numbers of the records
 *   node bench/dense.mjs --from F.jsonl the tables of an earlier run again
 *
 * Parts (`--do build,search,node,filter,churn,cold,scaling,codes,resident`):
 *   build    CPU seconds on one thread, bytes of the file. The other parts open what was built: a peer's index stays in
 *            the data folder from run to run, tercet's is built anew in each unless `--keep` is given
 *   search   recall@10 against queries a second, batches and single calls, p50 and p99 of single calls
 *   node     single calls from Node beside the npm peers
 *   filter   recall and speed where 50, 10, 1 and 0.1 % of the rows match: at random, and far from the query
 *   churn    recall after a fifth was replaced, three times; for tercet also after everything was, five times
 *   cold     opening and the first answer, files out of the page cache
 *   scaling  building with two threads beside two processes with one
 *   codes    recall of product codes of some sizes alone, beside Faiss's with and without OPQ (not part of --full)
 *   resident what lies in memory of a mapped file while it is searched, as it comes and with vectors left on the disk; with
 *            --large n also of n rows of 128 components made of the set's (not part of --full)
 *
 * Each job is a process of its own on one pinned core, and the engines take turns. Peers come from the harness beside the
 * project, `../shared/bench-peers/dense` or the folder TERCET_SHARED; it names their packages. TERCET_BENCH_PYTHON is an
 * interpreter that has them (numpy too, which makes the data), TERCET_BENCH_PEERS a folder where the npm peers were
 * installed. With `--isa avx2` TERCET_BENCH_PYTHON_AVX2 is an interpreter whose hnswlib was built without AVX-512.
 *
 * Other options: --data FOLDER (prepared sets, and the indexes built from them); --sets minilm-50k,mnist-784;
 * --peers hnswlib,...; --node-peers usearch-i8,...; --tercet hnsw:codec=i8,flat (an index and the options of its build);
 * --filter-peers flat,...; --rounds n; --build-rounds n; --rows n (only the first); --isa avx2; --time wall; --core n; --ef n (of churn and cold); --out FILE.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { prepared, sharedFolder } from "./dense/data.mjs";
import { pinning } from "./dense/jobs.mjs";
import { PARTS } from "./dense/parts.mjs";
import { tables } from "./dense/tables.mjs";
import { Report } from "./durable/report.mjs";

const SETS = ["minilm-50k", "mnist-784"];
const SIZES = {
  short: {
    rows: 5000,
    rounds: 1,
    parts: ["build", "search", "filter", "node"],
    peers: ["hnswlib", "svs-lvq8"],
    nodePeers: ["usearch-i8"],
    filterPeers: ["flat", "hnswlib"],
  },
  full: {
    rows: 0,
    rounds: 3,
    parts: ["build", "search", "node", "filter", "churn", "cold", "scaling"],
    peers: ["hnswlib", "svs-lvq8", "svs-leanvec", "faiss-hnsw-sq8", "usearch-f16", "ivf-pqfs+refine"],
    nodePeers: ["usearch-i8", "usearch-f32", "zvec", "hnswlib-node", "hnswlib-wasm"],
    filterPeers: ["flat", "hnswlib", "faiss-hnsw", "ivf-pqfs+refine"],
  },
};

const settings = read();
if (settings.from === undefined) await measure();
else tables(linesOf(settings.from), settings.time);

async function measure() {
  const missing = missingPieces();
  if (missing !== undefined) {
    console.log(`not run: ${settings.parts.join(", ")}: ${missing}`);
    return;
  }
  const report = new Report(settings.out);
  if (settings.isa === "avx2") hold();
  report.machine({
    node: process.execPath,
    python: settings.python,
    isa: settings.isa ?? "the best",
    core: settings.core ?? "not pinned",
    sets: settings.sets.join(", "),
  });
  for (const name of settings.sets) {
    const set = await prepared(settings, name);
    report.line({ part: "data", set: set.name, ...set.meta });
    for (const part of settings.parts) await PARTS[part](settings, report, set);
  }
  tables(linesOf(report.file), settings.time);
  console.log(`\nJSON lines: ${report.file}`);
}

/** Leaves peers out that cannot be held to AVX2: Faiss can be told to, hnswlib is as it was built. */
function hold() {
  const held = (name) => /^(faiss|ivf|flat|hnswlib)/.test(name);
  const left = [...settings.peers.filter((name) => !held(name)), ...settings.nodePeers];
  settings.peers = settings.peers.filter(held);
  settings.nodePeers = [];
  if (left.length > 0) console.log(`not run: ${left.join(", ")}: they choose their instructions themselves`);
  if (settings.pythonAvx2 === undefined)
    console.log("hnswlib is as it was built (TERCET_BENCH_PYTHON_AVX2 is not set): twice its speed counts");
}

/** What must be there for anything to run. */
function missingPieces() {
  if (sharedFolder() === undefined)
    return "the harness of the peers and the data are not there (../shared, or TERCET_SHARED)";
  if (spawnSync(settings.python, ["-c", "import numpy"]).status !== 0)
    return `${settings.python} has no numpy (TERCET_BENCH_PYTHON names an interpreter that has)`;
  return undefined;
}

function linesOf(file) {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function read() {
  const text = { type: "string" };
  const { values } = parseArgs({
    options: {
      full: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      ...{ data: text, sets: text, do: text, peers: text, "node-peers": text, "filter-peers": text },
      ...{ tercet: text, rounds: text, rows: text, isa: text, time: text, core: text, ef: text },
      ...{ out: text, from: text, "build-rounds": text, large: text },
    },
  });
  const list = (name, all) => values[name]?.split(",").filter((one) => one !== "") ?? all;
  const number = (name, fallback) => {
    const given = values[name] === undefined ? fallback : Number(values[name]);
    if (!Number.isInteger(given) || given < 0) throw new Error(`--${name} takes a whole number`);
    return given;
  };
  const one = (name, all, fallback) => {
    const given = values[name] ?? fallback;
    if (given !== undefined && !all.includes(given)) throw new Error(`--${name} is one of ${all.join(", ")}`);
    return given;
  };
  const size = SIZES[values.full ? "full" : "short"];
  const parts = list("do", size.parts);
  for (const part of parts) if (!(part in PARTS)) throw new Error(`there is no part named ${part}`);
  const day = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  const isa = one("isa", ["scalar", "avx2", "avx512"]);
  const python = process.env.TERCET_BENCH_PYTHON ?? "python3";
  return {
    parts: Object.keys(PARTS).filter((part) => parts.includes(part)),
    keep: values.keep,
    buildRounds: number("build-rounds", 1),
    sets: list("sets", SETS),
    peers: list("peers", size.peers),
    nodePeers: list("node-peers", size.nodePeers),
    filterPeers: list("filter-peers", size.filterPeers),
    tercet: list("tercet", undefined),
    rounds: number("rounds", size.rounds),
    rows: number("rows", size.rows),
    ef: number("ef", 64),
    large: number("large", 0),
    time: one("time", ["cpu", "wall"], "cpu"),
    isa,
    python,
    pythonAvx2: isa === "avx2" ? process.env.TERCET_BENCH_PYTHON_AVX2 : undefined,
    nodeFolder: process.env.TERCET_BENCH_PEERS && resolve(process.env.TERCET_BENCH_PEERS),
    core: pinning(values.core, availableParallelism()),
    data: resolve(values.data ?? join(import.meta.dirname, "out/dense")),
    out: values.out ?? join(import.meta.dirname, `out/dense-${day}.jsonl`),
    from: values.from,
  };
}
