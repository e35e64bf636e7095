/** What is wanted of the indexes, beside what this run measured: each ratio to the best peer of the same run. */
import { median, rounded } from "../durable/report.mjs";
import { byEngine, filtered, graph, own, speed, speedAt } from "./curves.mjs";
import { listRows } from "./lists.mjs";
import { markdown } from "./markdown.mjs";

export function bar(here) {
  const rows = [...searching(here), ...nodes(here), ...building(here), ...filtering(here), ...late(here)];
  rows.push(...listRows(here));
  if (rows.length > 0) markdown(`${here.set}: the bar`, ["", "wanted", "measured", "against", "met"], rows);
}

export const row = (what, wanted, met, measured, against) => [
  what,
  wanted,
  measured,
  against,
  met ? "yes" : "no",
];

/** Tercet's best index (of those that are `ours`) against the best peer, within each round; the median of the ratios. */
export function best(lines, recall, key, ours = graph) {
  const top = (some) => {
    const all = [...byEngine(some)].map(([engine, of]) => [engine, speed(of, recall, key).value ?? 0]);
    return all.sort((a, b) => b[1] - a[1])[0];
  };
  const mine = top(lines.filter((line) => ours(line.engine)));
  const theirs = top(lines.filter((line) => !own(line.engine)));
  if (mine === undefined || theirs === undefined || theirs[1] === 0) return undefined;
  const rounds = new Map();
  for (const line of lines) {
    const value = speedAt(line.curve, recall, key)?.value;
    const round = rounds.get(line.round) ?? rounds.set(line.round, {}).get(line.round);
    if (line.engine === mine[0]) round.mine = value ?? 0;
    if (line.engine === theirs[0]) round.theirs = value;
  }
  const ratios = [...rounds.values()].filter((one) => one.mine !== undefined && one.theirs);
  return {
    ratio: median(ratios.map((one) => one.mine / one.theirs)) ?? mine[1] / theirs[1],
    from: Math.min(...ratios.map((one) => one.mine / one.theirs)),
    to: Math.max(...ratios.map((one) => one.mine / one.theirs)),
    against: `${mine[0]} ${rounded(mine[1])}, ${theirs[0]} ${rounded(theirs[1])}`,
  };
}

export function shown({ ratio, from, to }) {
  return from < to ? `${ratio.toFixed(2)} (${from.toFixed(2)}..${to.toFixed(2)})` : ratio.toFixed(2);
}

function searching({ keys, of }) {
  return [0.95, 0.99].flatMap((recall) =>
    ["batch", "single"].flatMap((kind) => {
      const found = best(of("search"), recall, keys[kind]);
      if (found === undefined) return [];
      return [row(`QPS ${kind} @${recall}`, ">= 1.20", found.ratio >= 1.2, shown(found), found.against)];
    }),
  );
}

function nodes({ keys, of }) {
  const lines = of("node").filter((line) => line.where === undefined && line.curve?.length > 0);
  return [0.95, 0.99].flatMap((recall) => {
    const found = best(lines, recall, keys.single);
    if (found === undefined) return [];
    return [row(`QPS from Node @${recall}`, ">= 2.00", found.ratio >= 2, shown(found), found.against)];
  });
}

function building({ of }) {
  const groups = byEngine(of("build"));
  const value = (lines, key) => median(lines.map((line) => line[key]));
  const reference = groups.get("hnswlib");
  const rows = [...groups]
    .filter(([engine]) => graph(engine) && reference !== undefined)
    .flatMap(([engine, lines]) => {
      const cpu = value(lines, "build_cpu_s") / value(reference, "build_cpu_s");
      const file = value(lines, "file_mb") / value(reference, "file_mb");
      return [
        row("build CPU", "<= 0.70", cpu <= 0.7, cpu.toFixed(2), `${engine}, hnswlib`),
        row("file, without kept vectors", "<= 0.45", file <= 0.45, file.toFixed(2), `${engine}, hnswlib`),
      ];
    });
  const scaling = [...byEngine(of("scaling"))].flatMap(([engine, lines]) => {
    if (!graph(engine)) return [];
    const two = lines.find((line) => line.processes === 1)?.build_s;
    const apart = lines.filter((line) => line.processes === 2).map((line) => line.build_s);
    if (two === undefined || apart.length < 2) return [];
    const part = Math.max(...apart) / 2 / two;
    return [row("2 threads / 2 processes", ">= 0.90", part >= 0.9, part.toFixed(2), engine)];
  });
  return [...rows, ...scaling];
}

/** Recall at the effort that gives 0.95 without a filter, and speed against the fastest peer that reaches 0.95. */
function filtering({ time, of }) {
  const key = time === "cpu" ? "qps_cpu" : "qps";
  return ["random", "far"].flatMap((where) => {
    const lines = filtered(of, where);
    const points = lines.flatMap(({ engine, effort, filter }) =>
      filter.map((point) => ({
        engine,
        least: effort === undefined || point.p === Math.ceil(effort),
        ...point,
      })),
    );
    return [...new Set(points.map((point) => point.sel))].flatMap((sel) => {
      const here = points.filter((point) => point.sel === sel);
      const mine = here
        .filter((point) => graph(point.engine) && point.least)
        .sort((a, b) => b[key] - a[key])[0];
      const theirs = here
        .filter((point) => !own(point.engine) && point.recall >= 0.95)
        .sort((a, b) => b[key] - a[key])[0];
      if (mine === undefined || theirs === undefined) return [];
      const ratio = mine[key] / theirs[key];
      const against = `${mine.engine} ${rounded(mine[key])}, ${theirs.engine} ${rounded(theirs[key])}`;
      const what = `filter ${sel * 100} % ${where}`;
      return [
        row(`${what}: recall`, ">= 0.95", mine.recall >= 0.95, mine.recall.toFixed(3), mine.engine),
        row(`${what}: QPS`, ">= 1.00", ratio >= 1, ratio.toFixed(2), against),
      ];
    });
  });
}

function late({ of }) {
  return [...byEngine(of("search"))]
    .filter(([engine]) => graph(engine))
    .map(([engine, lines]) => {
      const parts = lines.flatMap((line) =>
        line.curve.filter((point) => point.recall >= 0.9).map((point) => point.p99_us / point.p50_us),
      );
      const part = median(parts);
      return row("p99 / p50 of single calls", "<= 3.00", part <= 3, part?.toFixed(2), engine);
    });
}
