/** Tables for people, JSON lines for programs. */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, release, totalmem } from "node:os";
import { dirname } from "node:path";

export class Report {
  #versions = new Set();

  constructor(file) {
    this.file = file;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
  }

  /** The machine, its load and the commit. */
  machine(more) {
    const cpu = /^model name\s*: (.*)/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1];
    const { version } = JSON.parse(
      said(more.node, ["-p", "JSON.stringify({version:process.version})"]) || "{}",
    );
    const commit = said("git", ["describe", "--always", "--dirty"]);
    const machine = {
      date: new Date().toISOString(),
      commit,
      cpu: cpu ?? "unknown",
      cores: availableParallelism(),
      memory: mebi(totalmem()),
      linux: release(),
      load: loadavg()[0].toFixed(2),
      ...more,
      node: version,
    };
    this.line({ part: "machine", ...machine });
    console.log(
      Object.entries(machine)
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n"),
    );
  }

  /** Says the version of an engine, once. */
  version(engine, version) {
    if (this.#versions.has(engine)) return;
    this.#versions.add(engine);
    this.line({ part: "version", engine, version });
    console.log(`${engine}: ${version}`);
  }

  /** One measurement. */
  line(value) {
    appendFileSync(this.file, `${JSON.stringify(value)}\n`);
  }

  /** Rows under their heads, the first columns to the left. */
  table(title, head, rows, left = 1) {
    const cells = [head, ...rows].map((row) => row.map((cell) => String(cell ?? "-")));
    const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at].length)));
    const line = (row) =>
      row.map((cell, at) => (at < left ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(" | ");
    const rule = widths.map((width, at) => (at < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
    console.log(`\n${title} (load ${loadavg()[0].toFixed(1)})\n`);
    for (const row of [line(cells[0]), rule.join(" | "), ...cells.slice(1).map(line)])
      console.log(`| ${row} |`);
  }
}

function said(command, args) {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Three digits that mean something, thousands parted. */
export function rounded(value) {
  if (value === undefined || Number.isNaN(value)) return undefined;
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

/** The median, and in brackets the least and the greatest of several. */
export function spread(values) {
  const known = values.filter((value) => value !== undefined);
  if (known.length < 2) return rounded(known[0]);
  return `${rounded(median(known))} (${rounded(Math.min(...known))}..${rounded(Math.max(...known))})`;
}

export function mebi(bytes) {
  return bytes === undefined ? undefined : `${rounded(bytes / 2 ** 20)} MiB`;
}
