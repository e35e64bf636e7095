/**
 * How an index is timed: the rules of the peers' worker.py and node.mjs, so that both sides are measured alike.
 *
 * A batch is timed up to three times and a loop of single calls twice, a repeat being left out once they have taken
 * 0.3 s; the best counts, by the clock and by the CPU time of the process. Slow indexes see fewer queries. Recall is that
 * of the batch. The sweep ends at a recall of 0.997, or where more effort finds no more.
 */
export const K = 10;

const WARM_UP = 200;

export async function timed(run, count, budgetMs, repeats) {
  const best = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY };
  const begin = performance.now();
  let out;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const cpu = process.cpuUsage();
    const wall = performance.now();
    out = await run();
    best.wall = Math.min(best.wall, performance.now() - wall);
    best.cpu = Math.min(best.cpu, cpuMs(cpu));
    if (repeat >= 1 && performance.now() - begin > budgetMs) break;
  }
  return { qps: (count / best.wall) * 1000, qps_cpu: (count / best.cpu) * 1000, out };
}

export function cpuMs(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** The part of the true neighbours that was found; `found` and `truth` have a list a query. */
export function recall(found, truth, count) {
  let hits = 0;
  const width = Math.min(K, truth[0].length);
  for (let at = 0; at < count; at++) {
    const right = new Set(truth[at].subarray(0, K));
    for (const row of found[at]) if (right.has(row)) hits++;
  }
  return hits / (count * width);
}

/** A matrix as views of its rows. */
export function rowsOf(values, width) {
  return Array.from({ length: values.length / width }, (_, at) =>
    values.subarray(at * width, (at + 1) * width),
  );
}

/** The sweep of worker.py: batches, single calls, latencies. */
export async function curve(adapter, { queries, dims, truth }) {
  const each = rowsOf(queries, dims);
  const points = [];
  for (const effort of adapter.sweep) {
    adapter.set(effort);
    if (points.length === 0) for (let at = 0; at < WARM_UP; at++) adapter.one(each[at % each.length], K);
    const probe = performance.now();
    await adapter.batch(queries.subarray(0, 20 * dims), K);
    const ms = (performance.now() - probe) / 20;
    const count = Math.min(each.length, Math.max(100, Math.floor(400 / ms)));
    const asked = queries.subarray(0, count * dims);
    const batch = await timed(() => adapter.batch(asked, K), count, 300, 3);
    const ones = Math.min(count, Math.max(50, Math.floor(batch.qps * 0.2)));
    const some = each.slice(0, ones);
    const single = await timed(() => some.map((query) => adapter.one(query, K)), ones, 300, 2);
    const latencies = some.slice(0, 300).map((query) => {
      const from = performance.now();
      adapter.one(query, K);
      return performance.now() - from;
    });
    points.push({
      p: effort,
      recall: recall(rowsOf(batch.out, K), truth, count),
      qps: batch.qps,
      qps_cpu: batch.qps_cpu,
      qps1: single.qps,
      qps1_cpu: single.qps_cpu,
      p50_us: quantile(latencies, 0.5) * 1000,
      p99_us: quantile(latencies, 0.99) * 1000,
    });
    if (ended(points) || batch.qps < 40) break;
  }
  return points;
}

/** The sweep of node.mjs: single calls alone, each of them timed; the pass with the least CPU time of three. */
export async function nodeCurve(adapter, { queries, dims, truth }) {
  const each = rowsOf(queries, dims);
  const points = [];
  for (const effort of adapter.sweep) {
    adapter.set(effort);
    points.push({ p: effort, ...nodePoint(each, truth, (query) => adapter.one(query, K)) });
    if (ended(points)) break;
  }
  return points;
}

function nodePoint(queries, truth, one) {
  const probe = now();
  for (let at = 0; at < 10; at++) one(queries[at]);
  const ms = (now() - probe) / 10;
  const count = Math.min(queries.length, Math.max(30, Math.floor(300 / ms)));
  let best;
  for (let repeat = 0; repeat < 3; repeat++) {
    const pass = nodePass(queries, count, one);
    if (best === undefined || pass.qps_cpu > best.qps_cpu) best = pass;
  }
  const { found, latencies, qps, qps_cpu } = best;
  return {
    recall: recall(found, truth, count),
    qps,
    qps_cpu,
    qps1: qps,
    qps1_cpu: qps_cpu,
    p50_us: latencies[count >> 1] * 1000,
    p99_us: latencies[Math.floor(count * 0.99)] * 1000,
  };
}

function nodePass(queries, count, one) {
  const found = [];
  const latencies = [];
  const cpu = process.cpuUsage();
  const wall = now();
  for (let at = 0; at < count; at++) {
    const from = now();
    found.push(one(queries[at]));
    latencies.push(now() - from);
  }
  const qps = (count / (now() - wall)) * 1000;
  const qps_cpu = (count / cpuMs(cpu)) * 1000;
  return { qps, qps_cpu, found, latencies: latencies.sort((a, b) => a - b) };
}

const now = () => Number(process.hrtime.bigint()) / 1e6;

function ended(points) {
  const last = points.at(-1).recall;
  return last >= 0.997 || (points.length > 4 && last - points.at(-4).recall < 0.001);
}

function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
