/** What the example prints with: numbers for people, a table, and progress as a bar on a terminal, else as plain lines. */
import { stderr, stdout } from "node:process";

const colour = stdout.isTTY === true && !process.env.NO_COLOR;
const style = (open, close) => (text) => (colour ? `\u001b[${open}m${text}\u001b[${close}m` : text);

export const bold = style(1, 22);
export const dim = style(2, 22);
/** For `mark`: matched words in yellow, or as they are. */
export const highlighted = colour
  ? { before: "\u001b[33m", after: "\u001b[39m", escape: "none" }
  : { before: "", after: "", escape: "none" };

export const number = (value) => value.toLocaleString("en-US");
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
export const milliseconds = (ms) => `${ms.toFixed(2)} ms`;
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Rows in columns, the first one flush left. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]));
  return rows.map((row) => `  ${row.map(cell).join("  ")}`).join("\n");
}

/** A function to call with how much of `total` is done. Writes to stderr, so that stdout holds results only. */
export function progress(label, total) {
  const started = performance.now();
  let tenths = 0;
  let lastMs = 0;
  return (done) => {
    const share = Math.min(1, done / total);
    const now = performance.now();
    if (stderr.isTTY) {
      if (share < 1 && now - lastMs < 100) return;
      lastMs = now;
      const full = Math.round(share * 30);
      const bar = "█".repeat(full) + "░".repeat(30 - full);
      const rate = number(Math.round(done / ((now - started) / 1000)));
      stderr.write(
        `\r\u001b[K${label} ${bar} ${Math.floor(share * 100)}%  ${number(done)} of ${number(total)}, ${rate}/s`,
      );
      if (share === 1) stderr.write("\r\u001b[K");
    } else if (Math.floor(share * 10) > tenths) {
      tenths = Math.floor(share * 10);
      stderr.write(`${label}: ${tenths * 10}%, ${number(done)} of ${number(total)}\n`);
    }
  };
}
