/**
 * One job of tercet's in a process of its own: `worker.mjs JOB`, a JSON object; prints one line, as the peers' worker.py
 * does: `RESULT` and what it measured. Jobs (`do`): build, search, node, filter, churn, cold, codes, resident, enlarge.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adapterOf } from "./adapters.mjs";
import { replaceRows } from "./churn.mjs";
import { SELECTIVITIES } from "./data.mjs";
import { cut, enlarged } from "./large.mjs";
import { cpuMs, curve, K, nodeCurve, recall, rowsOf, timed } from "./measure.mjs";
import { raw } from "./npy.mjs";

const job = JSON.parse(process.argv[2]);
const meta = JSON.parse(readFileSync(join(job.data, "meta.json"), "utf8"));
const dims = meta.dim;
const metric = meta.metric === "ip" ? "dot" : "l2";
const queries = raw(join(job.data, "query.f32"), Float32Array);
const truth = rowsOf(raw(join(job.data, "gt.i32"), Int32Array), meta.gtk);
const asked = { queries, dims, truth };
/** Queries whose true neighbours are found in an enlarged set. */
const TRUE = 50;
const JOBS = { build, search, node, filter, churn, cold, codes, resident, enlarge };

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

async function churn(adapter) {
  const vectors = raw(join(job.data, "base.f32"), Float32Array);
  const timing = await built(adapter, vectors);
  adapter.set(job.ef);
  const bytes = async () => {
    await adapter.save(job.save);
    return statSync(job.save).size;
  };
  return { ...timing, churn: { ef: job.ef, ...(await replaceRows(adapter, { ...asked, vectors }, bytes)) } };
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

/** Recall of codes of some sizes alone, every list scanned: product quantization of 8 and 4 bits, rotated and not. */
async function codes() {
  const vectors = raw(join(job.data, "base.f32"), Float32Array);
  const found = [];
  for (const bytes of job.budgets)
    for (const bits of [8, 4])
      for (const rotate of ["opq", "none"]) {
        const name = `ivf:codec=pq:m=${(bytes * 8) / bits}:bits=${bits}:rotate=${rotate}:rerank=none:keep=false`;
        const adapter = adapterOf(name);
        await adapter.build(vectors, dims, metric, 1);
        adapter.set(100_000);
        const out = await adapter.batch(queries, K);
        const reached = recall(rowsOf(out, K), truth, truth.length);
        found.push({ name: `pq ${(bytes * 8) / bits}x${bits} ${rotate}`, bytes, recall: reached });
        adapter.close();
      }
  return { codes: found };
}

/** An index of more rows than the set has, made of them, and what its exact search finds. */
async function enlarge(adapter) {
  const { rows, dims: width } = job.large;
  const vectors = enlarged(raw(join(job.data, "base.f32"), Float32Array), dims, rows, width);
  const cpu = process.cpuUsage();
  await adapter.build(vectors, width, metric, job.threads);
  const build_cpu_s = cpuMs(cpu) / 1000;
  await adapter.save(job.save);
  const some = rowsOf(cut(queries, dims, width), width).slice(0, TRUE);
  const found = some.map((query) => [...adapter.exact(query, K)]);
  writeFileSync(`${job.save}.truth.json`, JSON.stringify(found));
  return { build_cpu_s, file_mb: statSync(job.save).size / 1e6, rows };
}

function truthOf(save) {
  return JSON.parse(readFileSync(`${save}.truth.json`, "utf8")).map((rows) => Int32Array.from(rows));
}

/** The parent has taken the file out of the page cache; the searches map what they need of it. */
async function resident(adapter) {
  const width = job.large?.dims ?? dims;
  const right = job.large === undefined ? truth : truthOf(job.save);
  const anonymous = () => Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1e3;
  const before = anonymous();
  await adapter.open(job.save, { vectors: job.vectors });
  adapter.set(job.ef);
  const found = [];
  let [file_mb, ms] = [0, 0];
  for (const query of rowsOf(cut(queries, dims, width), width)) {
    const cpu = process.cpuUsage();
    found.push(adapter.one(query, K));
    ms += cpuMs(cpu);
    if (found.length % 25 === 0) file_mb = Math.max(file_mb, mappedOf(job.save));
  }
  const anon_mb = anonymous() - before;
  const { parts } = await adapter.stats();
  const sections = Object.entries(parts[0].sections);
  const sum = (some) => some.reduce((all, [, bytes]) => all + bytes, 0) / 1e6;
  return {
    resident: {
      vectors: job.vectors,
      rows: parts[0].vectors,
      recall: recall(found, right, right.length),
      qps: (found.length / ms) * 1000,
      file_mb,
      anon_mb,
      codes_mb: sum(sections.filter(([name]) => name !== "values")),
      whole_mb: sum(sections),
    },
  };
}

/** Megabytes of a mapped file that are in memory. */
function mappedOf(path) {
  let [here, kb] = [false, 0];
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    // A map whose pages were advised about is several to the system.
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) here = line.endsWith(path);
    else if (here && line.startsWith("Rss:")) kb += Number(/\d+/.exec(line)[0]);
  }
  return (kb * 1024) / 1e6;
}
