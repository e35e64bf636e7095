/** A Markdown table, aligned so that a terminal shows it well too. */
export function markdown(title, head, rows) {
  const cells = [head, ...rows].map((row) => row.map((cell) => String(cell ?? "-")));
  const widths = head.map((_, at) => Math.max(...cells.map((row) => row[at].length)));
  const line = (row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  console.log(`\n${title}\n`);
  for (const row of [line(cells[0]), rule, ...cells.slice(1).map(line)])
    console.log(`| ${row.join(" | ")} |`);
}
