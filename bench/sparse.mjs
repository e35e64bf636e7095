/**
 * Learned sparse vectors beside their peers: microseconds a query, recall, bytes a posting, seconds of building; one thread.
 *
 *   cargo build --release -p tercet-index --example sparse
 *   node bench/sparse.mjs OUT [--docs 100000,500000,1000000] [--queries 500] [--rounds 2] [--peers taat,seismic,qdrant]
 *   node bench/sparse.mjs OUT --real                     the vectors of ../shared/data: nDCG@10 of both kinds
 *
 * OUT is a scratch folder. The set is that of the harness beside the project (../shared/bench-peers/sparse, or the folder that
 * TERCET_BENCH_PEERS names): its generator and Seismic and Qdrant need `--python` with numpy, pyseismic-lsr, qdrant-edge-py;
 * `--baseline` is the binary of its `rs` (`cargo build --release` in a copy), which also writes the exact answers. Engines take
 * turns, `--rounds` times; of each the best round counts. Seismic is built once, in its first round.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    docs: { type: "string", default: "100000" },
    queries: { type: "string", default: "500" },
    rounds: { type: "string", default: "2" },
    peers: { type: "string", default: "taat,seismic,qdrant" },
    python: { type: "string", default: "python3" },
    baseline: { type: "string" },
    real: { type: "boolean", default: false },
    core: { type: "string" },
  },
});
const ROOT = join(import.meta.dirname, "..");
const OUT = resolve(positionals[0] ?? "sparse-bench");
const HARNESS = resolve(process.env.TERCET_BENCH_PEERS ?? join(ROOT, "../shared/bench-peers/sparse"));
const DATA = resolve(process.env.TERCET_DATA ?? join(ROOT, "../shared/data"));
const EXAMPLE = join(ROOT, "target/release/examples/sparse");
const BASELINE = values.baseline ?? join(HARNESS, "rs/target/release/sparse-peers");

/** Runs a command; the JSON lines that it printed. */
function run(command, ...args) {
  const pinned =
    values.core === undefined ? [command, ...args] : ["taskset", "-c", values.core, command, ...args];
  const env = { ...process.env, OUT };
  const result = spawnSync(pinned[0], pinned.slice(1), { encoding: "utf8", env, maxBuffer: 1 << 28 });
  if (result.status !== 0) throw new Error(`${command}: ${result.stderr}`);
  const lines = result.stdout.split("\n").filter((line) => line.startsWith('{"'));
  return lines.map((line) => JSON.parse(line));
}

/** What a round of an engine says: `{ build, bytes, rows: [{ name, k, us, recall }] }`. */
const ENGINES = {
  lists: (dir) => tercet("lists", dir),
  "tercet seismic": (dir) => tercet("seismic", dir),
  taat: (dir) => {
    const [found] = run(BASELINE, "taat", dir);
    const rows = [10, 1000].map((k) => ({ name: "exact", k, us: found[`k${k}`].mean_us, recall: 1 }));
    return { build: found.build_s, bytes: found.index_bytes, rows };
  },
  seismic: (dir) => python("sp_seismic.py", dir, (row) => `cut ${row.query_cut}, heap ${row.heap_factor}`),
  qdrant: (dir) => python("sp_qdrant.py", dir, () => "exact"),
};

function tercet(kind, dir) {
  const [head, ...rows] = run(EXAMPLE, dir, kind, "5");
  const found = rows.map((row) => {
    const recall = row.exact === row.of ? 1 : row.recall;
    return { name: row.effort, k: row.k, us: row.mean_us, recall };
  });
  return { build: head.build_s, bytes: head.bytes, rows: found };
}

function python(script, dir, name) {
  const rows = run(values.python, join(HARNESS, script), dir);
  const build = rows[0].build_s ?? rows[0].insert_s + rows[0].optimize_s;
  const found = rows.map((row) => ({ name: name(row), k: row.k, us: row.mean_us, recall: row.recall }));
  return { build, bytes: rows[0].index_bytes ?? rows[0].disk_bytes, rows: found };
}

function prepared(docs) {
  const dir = join(OUT, `d${docs}`);
  if (!existsSync(join(dir, "meta.json")))
    run(values.python, join(HARNESS, "gen_fast.py"), dir, docs, values.queries);
  if (!existsSync(join(dir, "gt_ids.u32"))) run(BASELINE, "exact", dir);
  return dir;
}

/** Microseconds at a recall, on the line between the two nearest efforts in recall. */
function atRecall(rows, k, recall) {
  const curve = rows.filter((row) => row.k === k).sort((a, b) => a.recall - b.recall || a.us - b.us);
  const above = curve.filter((row) => row.recall >= recall).sort((a, b) => a.us - b.us)[0];
  const below = curve.filter((row) => row.recall < recall).at(-1);
  if (above === undefined) return Number.NaN;
  if (below === undefined || below.us > above.us) return above.us;
  return below.us + ((recall - below.recall) / (above.recall - below.recall)) * (above.us - below.us);
}

function synthetic() {
  const engines = ["lists", "tercet seismic", ...values.peers.split(",").filter((name) => name !== "")];
  const exact = [];
  for (const docs of values.docs.split(",").map(Number)) {
    const dir = prepared(docs);
    const best = new Map();
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const engine of engines) {
        if (round > 0 && (engine === "seismic" || engine === "qdrant")) continue;
        const found = ENGINES[engine](dir);
        const before = best.get(engine);
        found.rows.forEach((row, at) => {
          if (before !== undefined) row.us = Math.min(row.us, before.rows[at].us);
        });
        best.set(engine, found);
        console.log(JSON.stringify({ docs, engine, round, ...found }));
      }
    }
    const us = (engine, k) => best.get(engine)?.rows.find((row) => row.k === k && row.recall === 1)?.us;
    console.log(`\n| ${docs} documents | top 10 us | top 1000 us | .95 | .99 | build s | bytes |`);
    console.log("|---|---|---|---|---|---|---|");
    for (const [engine, { build, bytes, rows }] of best) {
      const at = (recall) => atRecall(rows, 10, recall).toFixed(1);
      const approximate = engine.includes("seismic");
      const cells = approximate ? ["", "", at(0.95), at(0.99)] : [us(engine, 10), us(engine, 1000), "", ""];
      console.log(`| ${engine} | ${cells.join(" | ")} | ${build.toFixed(1)} | ${bytes} |`);
    }
    exact.push({ docs, us: us("lists", 10) });
  }
  const [first, last] = [exact[0], exact.at(-1)];
  if (first !== last) {
    const exponent = Math.log(last.us / first.us) / Math.log(last.docs / first.docs);
    console.log(`\ncost of exact top 10 grows as documents to the ${exponent.toFixed(2)}`);
  }
}

/** The array of a .npy file of format 1.0. */
function npy(path) {
  const bytes = readFileSync(path);
  const head = bytes.subarray(10, 10 + bytes.readUInt16LE(8)).toString("latin1");
  const Type = { "<i8": BigInt64Array, "<u4": Uint32Array, "<i4": Int32Array, "|u1": Uint8Array }[
    /'descr': '([^']+)'/.exec(head)[1]
  ];
  const start = bytes.byteOffset + 10 + bytes.readUInt16LE(8);
  return new Type(bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength));
}

/** nDCG@10 by trec_eval's definition, gains as judged. */
function ndcg(rows, grades, ids) {
  const gain = (list) => list.reduce((sum, grade, at) => sum + grade / Math.log2(at + 2), 0);
  const found = gain(rows.slice(0, 10).map((row) => Math.max(0, grades.get(ids[row]) ?? 0)));
  const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a);
  return ideal.length === 0 ? undefined : found / gain(ideal.slice(0, 10));
}

function real() {
  const jsonl = (path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line)._id);
  for (const set of ["scifact", "cranfield", "cisi"]) {
    const dir = join(OUT, set);
    mkdirSync(dir, { recursive: true });
    for (const part of ["docs", "queries"]) {
      for (const [name, file] of [
        ["indptr", "indptr.i64"],
        ["indices", "indices.i32"],
        ["values", "data.u8"],
      ]) {
        const array = npy(join(DATA, set, "sparse", `${part}.${name}.npy`));
        writeFileSync(join(dir, `${part}.${file}`), new Uint8Array(array.buffer));
      }
    }
    const [ids, queries] = ["corpus", "queries"].map((name) => jsonl(join(DATA, set, `${name}.jsonl`)));
    const judged = new Map();
    for (const line of readFileSync(join(DATA, set, "qrels/test.tsv"), "utf8")
      .split("\n")
      .slice(1)) {
      const [query, document, grade] = line.trim().split("\t");
      if (grade === undefined) continue;
      if (!judged.has(query)) judged.set(query, new Map());
      judged.get(query).set(document, Number(grade));
    }
    run(BASELINE, "exact", dir);
    for (const kind of ["lists", "seismic"]) {
      const hits = join(dir, `hits.${kind}.u32`);
      const [head, ...rows] = run(EXAMPLE, dir, kind, "3", "0", hits);
      const found = new Uint32Array(new Uint8Array(readFileSync(hits)).buffer);
      const scores = queries.map((query, at) => {
        const grades = judged.get(query);
        if (grades === undefined) return undefined;
        return ndcg([...found.subarray(at * 10, at * 10 + 10)], grades, ids);
      });
      const known = scores.filter((score) => score !== undefined);
      const mean = known.reduce((sum, score) => sum + score, 0) / known.length;
      const first = rows.find((row) => row.k === 10);
      const line = {
        set,
        kind,
        ndcg: mean.toFixed(4),
        queries: known.length,
        us: first.mean_us,
        build: head.build_s,
      };
      console.log(
        JSON.stringify({
          ...line,
          effort: first.effort,
          recall: first.recall,
          bytes: head.bytes_per_posting,
        }),
      );
    }
  }
}

if (values.real) real();
else synthetic();
