/** The tables of dense.mjs, from its JSON lines. Speeds are medians over rounds; a ratio is taken within each round. */
import { median, rounded } from "../durable/report.mjs";
import { bar } from "./bar.mjs";
import { byEngine, effortAt, filtered, pointNear, speed } from "./curves.mjs";
import { markdown } from "./markdown.mjs";

const RECALLS = [0.9, 0.95, 0.99];
const EFFORTS = [10, 16, 32, 64, 128, 256];

export function tables(lines, time) {
  const good = lines.filter((line) => line.error === undefined);
  const keys = time === "cpu" ? { batch: "qps_cpu", single: "qps1_cpu" } : { batch: "qps", single: "qps1" };
  for (const set of new Set(good.flatMap((line) => line.set ?? []))) {
    const of = (part) => good.filter((line) => line.set === set && line.part === part);
    const here = { set, time, keys, of };
    for (const table of [builds, speeds, recalls, nodes, filters, churns, colds]) table(here);
    bar(here);
  }
  for (const line of lines.filter((one) => one.error !== undefined))
    console.log(`not run: ${line.set}: ${line.engine}, ${line.part}: ${line.error}`);
}

const shown = ({ value, least }) => (value === undefined ? "never" : `${least ? ">=" : ""}${rounded(value)}`);

function builds({ set, of }) {
  const groups = byEngine(of("build"));
  if (groups.size === 0) return;
  const cpu = (lines) => median(lines.map((line) => line.build_cpu_s));
  const size = (lines) => median(lines.map((line) => line.file_mb));
  const reference = groups.get("hnswlib");
  const count = of("data")[0]?.n;
  const rows = [...groups].map(([engine, lines]) => [
    engine,
    rounded(cpu(lines)),
    rounded(median(lines.map((line) => line.build_s))),
    ratio(cpu(lines), reference && cpu(reference)),
    rounded(size(lines)),
    count && size(lines) && rounded((size(lines) * 1e6) / count),
    ratio(size(lines), reference && size(reference)),
    rounded(median(lines.map((line) => line.rss_mb))),
  ]);
  markdown(
    `${set}: building on one thread`,
    ["engine", "CPU s", "wall s", "CPU / hnswlib", "file MB", "bytes/vector", "file / hnswlib", "RSS MB"],
    rows,
  );
}

function ratio(value, reference) {
  return value === undefined || !reference ? undefined : (value / reference).toFixed(2);
}

function speeds({ set, keys, time, of }) {
  const groups = byEngine(of("search"));
  if (groups.size === 0) return;
  const rows = [...groups].map(([engine, lines]) => {
    const near = lines.map((line) => pointNear(line.curve, 0.95));
    const middle = median(near.map((point) => point.p50_us));
    const late = median(near.map((point) => point.p99_us));
    return [
      engine,
      ...RECALLS.map((recall) => shown(speed(lines, recall, keys.batch))),
      ...RECALLS.map((recall) => shown(speed(lines, recall, keys.single))),
      rounded(effortAt(lines[0].curve, 0.95)),
      Math.max(...lines[0].curve.map((point) => point.recall)).toFixed(4),
      `${rounded(middle)} / ${rounded(late)} @${near[0].recall.toFixed(3)}`,
    ];
  });
  const head = RECALLS.map((recall) => `batch @${recall}`);
  const single = RECALLS.map((recall) => `single @${recall}`);
  markdown(
    `${set}: queries a second at recall@10, one thread, ${time} time (>= where the least effort gives more recall)`,
    ["engine", ...head, ...single, "effort @0.95", "most recall", "p50 / p99 us"],
    rows,
  );
}

/** Recall by effort: what the graph is worth, without a clock. */
function recalls({ set, of }) {
  const groups = byEngine(of("search"));
  if (groups.size === 0) return;
  const rows = [...groups].map(([engine, [{ curve }]]) => [
    engine,
    ...EFFORTS.map((effort) => curve.find((point) => point.p === effort)?.recall.toFixed(4)),
  ]);
  markdown(`${set}: recall@10 by effort`, ["engine", ...EFFORTS.map((effort) => `ef ${effort}`)], rows);
}

function nodes({ set, keys, time, of }) {
  const groups = byEngine(of("node").filter((line) => line.where === undefined));
  if (groups.size === 0) return;
  const rows = [...groups].map(([engine, lines]) => {
    const near = pointNear(lines[0].curve, 0.95);
    return [
      engine,
      ...RECALLS.map((recall) => shown(speed(lines, recall, keys.single))),
      Math.max(...lines[0].curve.map((point) => point.recall)).toFixed(4),
      `${rounded(near.p50_us)} / ${rounded(near.p99_us)} @${near.recall.toFixed(3)}`,
      rounded(lines[0].build_cpu_s),
    ];
  });
  const head = RECALLS.map((recall) => `@${recall}`);
  markdown(
    `${set}: from Node, one call a query, queries a second (${time} time)`,
    ["engine", ...head, "most recall", "p50 / p99 us", "build CPU s"],
    rows,
  );
}

function filters({ set, time, of }) {
  const key = time === "cpu" ? "qps_cpu" : "qps";
  for (const where of ["random", "far"]) {
    const lines = filtered(of, where);
    if (lines.length === 0) continue;
    const parts = [...new Set(lines.flatMap((line) => line.filter.map((point) => point.sel)))];
    const rows = lines.flatMap((line) =>
      [...new Set(line.filter.map((point) => point.p))].map((effort) => [
        line.engine,
        effort,
        ...parts.map((sel) => {
          const point = line.filter.find((one) => one.sel === sel && one.p === effort);
          const wrong = point?.wrong > 0 ? ` (${point.wrong} wrong)` : "";
          return point && `${point.recall.toFixed(3)} / ${rounded(point[key])}${wrong}`;
        }),
      ]),
    );
    const title = where === "far" ? "matches far from the query" : "matches at random";
    markdown(
      `${set}: filtered, ${title}: recall@10 / queries a second`,
      ["engine", "effort", ...parts.map((sel) => `${sel * 100} %`)],
      rows,
    );
  }
}

function churns({ set, of }) {
  const lines = of("churn");
  if (lines.length === 0) return;
  const fixed = (value) => value?.toFixed(4);
  const rows = lines.map(({ engine, churn }) => {
    const last = churn.replaced?.at(-1);
    return [
      engine,
      churn.ef,
      fixed(churn.before),
      fixed(churn.after_delete),
      churn.deleted_returned,
      fixed(churn.after_reinsert),
      fixed(churn.after_3_rounds),
      rounded(churn.delete_s),
      rounded(churn.insert_s),
      last && `${fixed(last.recall)}, ${ratio(last.bytes, churn.bytes)} x bytes`,
      churn.compacted &&
        `${fixed(churn.compacted.recall)}, ${ratio(churn.compacted.bytes, churn.bytes)} x bytes`,
    ];
  });
  markdown(
    `${set}: recall@10 as rows are replaced`,
    [
      ...["engine", "ef", "before", "a fifth removed", "removed but found", "put back", "three times"],
      ...["remove s", "add s", "all replaced 5 times", "then compacted"],
    ],
    rows,
  );
}

function colds({ set, of }) {
  const groups = byEngine(of("cold"));
  if (groups.size === 0) return;
  const rows = [...groups].map(([engine, lines]) => [
    engine,
    ...["load_ms", "first_query_ms", "open_ms", "warm_ms"].map((key) =>
      rounded(median(lines.map(({ cold }) => cold[key]))),
    ),
  ]);
  markdown(
    `${set}: opening, ms`,
    ["engine", "cold: open", "cold: open + first answer", "warm: open", "warm: open + first answer"],
    rows,
  );
}
