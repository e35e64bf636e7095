/** Explanations as indented text. */
import type { HitExplain, PageExplain } from "../../wire/index.js";
import { plain } from "../style.js";

/** Where a hit's score comes from, part by part. */
export function explainHit(explain: HitExplain, depth = 2): string {
  const indent = "  ".repeat(depth);
  const score = explain.score === undefined || explain.score === null ? "-" : explain.score.toFixed(4);
  const rank = explain.rank === undefined || explain.rank === null ? "" : `  rank ${explain.rank}`;
  const details = Object.entries(explain.details ?? {}).map(([name, value]) => `${name} ${number(value)}`);
  const line = `${indent}${score}  ${explain.part} ${plain(explain.about)}${rank}${details.length > 0 ? `  (${details.join(", ")})` : ""}`;
  return [line.trimEnd(), ...(explain.parts ?? []).map((part) => explainHit(part, depth + 1))].join("\n");
}

/** The steps that ran and the work that they did. */
export function explainPage(explain: PageExplain): string {
  const steps = explain.plan.map(
    (step) => `  ${step.step}: ${step.candidates} candidates${step.exact ? "" : ", approximate"}`,
  );
  const counters = Object.entries(explain.counters).map(([name, value]) => `${name} ${value}`);
  return ["plan", ...steps, `work: ${counters.join(", ")}`].join("\n");
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
