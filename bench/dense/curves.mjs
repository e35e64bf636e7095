/** Reading curves, points of recall and speed by rising effort. Both sides of a ratio are read by the same rule. */
import { median } from "../durable/report.mjs";

/** What is tercet's own. */
export const own = (engine) => engine.startsWith("tercet");

/** Tercet's graph index, which the bar is about. */
export const graph = (engine) => engine.startsWith("tercet hnsw");

/** Tercet's index of inverted lists. */
export const lists = (engine) => engine.startsWith("tercet ivf");

/**
 * The speed at a recall: between the points around it on a logarithmic scale of the speed, or that of a later point with
 * more recall where that is faster. `least` says that the least effort has more recall already.
 */
export function speedAt(curve, recall, key) {
  const points = [...curve].sort((a, b) => a.recall - b.recall);
  const enough = points.filter((point) => point.recall >= recall);
  if (enough.length === 0) return undefined;
  const best = Math.max(...enough.map((point) => point[key]));
  if (enough.length === points.length) return { value: best, least: true };
  const below = points[points.length - enough.length - 1];
  const above = enough[0];
  if (below[key] < above[key]) return { value: best, least: false };
  const part = (recall - below.recall) / (above.recall - below.recall);
  const between = Math.exp(Math.log(below[key]) + part * (Math.log(above[key]) - Math.log(below[key])));
  return { value: Math.max(best, between), least: false };
}

/** The effort that reaches a recall, between the points around it. */
export function effortAt(curve, recall) {
  const at = curve.findIndex((point) => point.recall >= recall);
  if (at <= 0) return curve[at]?.p;
  const [below, above] = [curve[at - 1], curve[at]];
  return below.p + ((recall - below.recall) / (above.recall - below.recall)) * (above.p - below.p);
}

/** The point whose recall is nearest. */
export function pointNear(curve, recall) {
  return curve.reduce((best, point) =>
    Math.abs(point.recall - recall) < Math.abs(best.recall - recall) ? point : best,
  );
}

/** Lines by engine, in the order in which engines first came. */
export function byEngine(lines) {
  const groups = new Map();
  for (const line of lines) groups.set(line.engine, [...(groups.get(line.engine) ?? []), line]);
  return groups;
}

/** The median over rounds of the speed at a recall. */
export function speed(lines, recall, key) {
  const found = lines.map((line) => speedAt(line.curve, recall, key));
  const value = median(found.map((one) => one?.value));
  return { value, least: found.some((one) => one?.least) };
}

/** The filter lines of one placement of the matches: of the filter part, and of npm peers that did both in one job. */
export function filtered(of, where) {
  return [...of("filter"), ...of("node")].filter(
    (line) => line.filter !== undefined && (line.where ?? "random") === where,
  );
}
