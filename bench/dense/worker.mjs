/**
 * One job of tercet's in a process of its own: `worker.mjs JOB`, a JSON object; prints one line, as the peers' worker.py
 * does: `RESULT` and what it measured. Jobs (`do`): build, search, node, filter, churn, cold.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { adapterOf } from "./adapters.mjs";
import { SELECTIVITIES } from "./data.mjs";
import { cpuMs, curve, K, nodeCurve, recall, rowsOf, timed } from "./measure.mjs";
import { raw } from "./npy.mjs";

const job = JSON.parse(process.argv[2]);
const meta = JSON.parse(readFileSync(join(job.data, "meta.json"), "utf8"));
const dims = meta.dim;
const metric = meta.metric === "ip" ? "dot" : "l2";
const queries = raw(join(job.data, "query.f32"), Float32Array);
const truth = rowsOf(raw(join(job.data, "gt.i32"), Int32Array), meta.gtk);
const asked = { queries, dims, truth };
const JOBS = { build, search, node, filter, churn, cold };
const CHURN_QUERIES = 300;

let result;
try {
  result = await JOBS[job.do](adapterOf(job.index));
} catch (error) {
  result = { error: `${error.code ?? error.name}: ${error.message}` };
}
result.peak_mb = process.resourceUsage().maxRSS / 1000;
console.log(`\nRESULT ${JSON.stringify(result)}`);
process.exit(0);

async function build(adapter) {
  const vectors = raw(join(job.data, "base.f32"), Float32Array);
  const before = process.memoryUsage.rss();
  const { build_s, build_cpu_s } = await built(adapter, vectors);
  const rss_mb = (process.memoryUsage.rss() - before) / 1e6;
  const begin = performance.now();
  await adapter.save(job.save);
  const save_s = (performance.now() - begin) / 1000;
  const file_mb = statSync(job.save).size / 1e6;
  return { build_s, build_cpu_s, rss_mb, save_s, file_mb, stats: await adapter.stats() };
}

async function built(adapter, vectors) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await adapter.build(vectors, dims, metric, job.threads);
  return { build_s: (performance.now() - begin) / 1000, build_cpu_s: cpuMs(cpu) / 1000 };
}

async function search(adapter) {
  await adapter.open(job.save);
  return { curve: await curve(adapter, asked) };
}

async function node(adapter) {
  await adapter.open(job.save);
  return { curve: await nodeCurve(adapter, asked) };
}

/** As worker.py: single calls under `attr < s * n`; `wrong` counts rows that do not match. */
async function filter(adapter) {
  await adapter.open(job.save);
  const attr = raw(join(job.data, "attr.i32"), Int32Array);
  const each = rowsOf(queries, dims).slice(0, 200);
  const points = [];
  for (const sel of SELECTIVITIES) {
    const right = raw(join(job.data, `gt_f${sel}.i32`), Int32Array);
    const bound = Math.ceil(sel * meta.n);
    const bits = new Uint32Array(Math.ceil(meta.n / 32));
    attr.forEach((value, row) => {
      if (value < bound) bits[row >>> 5] |= 1 << (row & 31);
    });
    for (const effort of adapter.sweep.length > 1 ? job.efs : adapter.sweep) {
      adapter.set(effort);
      const one = adapter.filtered(bits);
      for (const query of each) one(query, K);
      const { out, qps, qps_cpu } = await timed(
        () => each.map((query) => one(query, K)),
        each.length,
        500,
        2,
      );
      const wrong = out.reduce((sum, rows) => sum + rows.filter((row) => attr[row] >= bound).length, 0);
      const found = recall(out, rowsOf(right, right.length / 200), each.length);
      points.push({ sel, p: effort, recall: found, qps, qps_cpu, wrong });
    }
  }
  return { filter: points };
}

/**
 * Replaces a fifth of the rows by themselves, three times, as worker.py does; then everything five times, a fifth at a
 * time, and says recall and bytes after each time.
 */
async function churn(adapter) {
  const vectors = raw(join(job.data, "base.f32"), Float32Array);
  const timing = await built(adapter, vectors);
  const rows = new Rows(adapter, vectors);
  adapter.set(job.ef);
  const bytes = async () => {
    await adapter.save(job.save);
    return statSync(job.save).size;
  };
  const gone = [...Array(meta.n).keys()].filter((at) => (Math.imul(at, 0x9e3779b1) >>> 0) % 5 === 0);
  const out = { ef: job.ef, before: await rows.recall(new Set()), bytes: await bytes() };
  let begin = performance.now();
  await rows.remove(gone);
  out.delete_s = (performance.now() - begin) / 1000;
  out.after_delete = await rows.recall(new Set(gone));
  out.deleted_returned = rows.unknown;
  begin = performance.now();
  await rows.add(gone);
  out.insert_s = (performance.now() - begin) / 1000;
  out.after_reinsert = await rows.recall(new Set());
  for (let round = 0; round < 2; round++) {
    await rows.remove(gone);
    await rows.add(gone);
  }
  out.after_3_rounds = await rows.recall(new Set());
  out.replaced = [];
  for (let round = 1; round <= 5; round++) {
    for (let part = 0; part < 5; part++) {
      const some = [...Array(meta.n).keys()].filter((at) => at % 5 === part);
      await rows.remove(some);
      await rows.add(some);
    }
    out.replaced.push({ round, recall: await rows.recall(new Set()), bytes: await bytes() });
  }
  rows.renumber(await adapter.compact());
  out.compacted = { recall: await rows.recall(new Set()), bytes: await bytes() };
  return { ...timing, churn: out };
}

/** Which row of the index holds which vector of the set, as rows come and go. */
class Rows {
  constructor(adapter, vectors) {
    this.adapter = adapter;
    this.vectors = vectors;
    this.rowOf = Uint32Array.from({ length: meta.n }, (_, at) => at);
    this.vectorOf = new Map(this.rowOf.entries());
    this.unknown = 0;
  }

  async remove(some) {
    const rows = Uint32Array.from(some, (at) => this.rowOf[at]);
    for (const row of rows) this.vectorOf.delete(row);
    await this.adapter.remove(rows);
  }

  async add(some) {
    const values = new Float32Array(some.length * dims);
    some.forEach((at, to) => {
      values.set(this.vectors.subarray(at * dims, (at + 1) * dims), to * dims);
    });
    const first = await this.adapter.add(values);
    some.forEach((at, to) => {
      this.rowOf[at] = first + to;
      this.vectorOf.set(first + to, at);
    });
  }

  renumber(moved) {
    if (moved === undefined) return;
    this.rowOf = this.rowOf.map((row) => moved[row]);
    this.vectorOf = new Map(Array.from(this.rowOf, (row, at) => [row, at]));
  }

  /** Of the true neighbours that are still there: the top 100 are known, so ten of them nearly always are. */
  async recall(gone) {
    const count = Math.min(CHURN_QUERIES, meta.nq);
    const found = rowsOf(await this.adapter.batch(queries.subarray(0, count * dims), K), K);
    const right = truth.slice(0, count).map((rows) => rows.filter((row) => !gone.has(row)).subarray(0, K));
    const named = found.map((rows) => Array.from(rows, (row) => this.vectorOf.get(row)));
    this.unknown = named.flat().filter((at) => at === undefined).length;
    return recall(named, right, count);
  }
}

/** The parent has taken the file out of the page cache. */
async function cold(adapter) {
  const query = queries.subarray(0, dims);
  adapter.set(job.ef);
  const begin = performance.now();
  await adapter.open(job.save);
  const load_ms = performance.now() - begin;
  adapter.one(query, K);
  const first_query_ms = performance.now() - begin;
  adapter.close();
  const again = performance.now();
  await adapter.open(job.save);
  const open_ms = performance.now() - again;
  adapter.one(query, K);
  return { cold: { load_ms, first_query_ms, open_ms, warm_ms: performance.now() - again } };
}
