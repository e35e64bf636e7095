/**
 * What one call costs beside the work it asks for. `npm run bench -- overhead`
 *
 * A level-1 search over 100 rows of 384 components is a few microseconds of kernel; over one row it is nearly none. So the
 * time for one row bounds the binding's overhead from above (it still holds the checks of the query and one distance).
 * A plain JavaScript loop over the same rows stands beside it. Printed: median nanoseconds a call, of many short runs.
 */
import { FlatIndex } from "tercet/index";
import { Bench } from "tinybench";

const DIMS = 384;
const K = 10;

/** A repeatable stream of numbers in [-1, 1). */
function* numbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 31 - 1;
  }
}

function vectors(rows, seed) {
  const stream = numbers(seed);
  return Float32Array.from({ length: rows * DIMS }, () => stream.next().value);
}

/** The best K by a plain loop: what the same search costs without a core. */
function plain(values, query, rows, scores) {
  const found = [];
  for (let row = 0; row * DIMS < values.length; row++) {
    let sum = 0;
    for (let at = 0; at < DIMS; at++) sum += query[at] * values[row * DIMS + at];
    found.push([sum, row]);
  }
  found.sort((a, b) => b[0] - a[0]);
  found.slice(0, K).forEach(([score, row], at) => {
    rows[at] = row;
    scores[at] = score;
  });
}

const query = vectors(1, 7);
const into = { rows: new Uint32Array(K), scores: new Float32Array(K) };
const bench = new Bench({ time: 700, warmupTime: 200 });
const open = [];
for (const backend of ["native", "wasm"]) {
  for (const rows of [1, 100]) {
    const index = await FlatIndex.build(vectors(rows, 1), { dims: DIMS, metric: "dot", backend });
    open.push(index);
    bench.add(`${backend}: search, ${rows} rows`, () => index.search(query, K));
    bench.add(`${backend}: search into, ${rows} rows`, () => index.search(query, K, { into }));
  }
}
const hundred = vectors(100, 1);
bench.add("plain JavaScript, 100 rows", () => plain(hundred, query, into.rows, into.scores));
await bench.run();
for (const index of open) index.close();

const median = new Map(bench.tasks.map((task) => [task.name, task.result.latency.p50 * 1e6]));
for (const [name, ns] of median) console.log(`${name.padEnd(32)} ${ns.toFixed(0).padStart(9)} ns`);
const overhead = median.get("native: search, 1 rows");
console.log(`native overhead of one search: at most ${(overhead / 1000).toFixed(2)} us (target 3 us)`);
