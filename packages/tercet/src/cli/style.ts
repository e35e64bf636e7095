/** Text for people: colours, highlighted words, numbers with their units, columns. */

/** Wraps text in a terminal's styles, or leaves it as it is. */
export interface Palette {
  bold(text: string): string;
  dim(text: string): string;
  /** A word that matched. */
  mark(text: string): string;
  bad(text: string): string;
}

const wrap = (open: number, close: number) => (text: string) => `\u001b[${open}m${text}\u001b[${close}m`;
const same = (text: string) => text;

/** The styles for a sink with or without colours. */
export function palette(colour: boolean): Palette {
  if (!colour) return { bold: same, dim: same, mark: same, bad: same };
  return { bold: wrap(1, 22), dim: wrap(2, 22), mark: wrap(33, 39), bad: wrap(31, 39) };
}

/** A range of UTF-16 code units, `[start, end)`. */
export type Range = readonly [number, number];

/** Text on one line and without control characters: what a document says must not steer the terminal. */
export function plain(text: string): string {
  // Every character becomes one character, so that ranges still fit.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ");
}

/** The text with its ranges marked. Ranges must be ascending and apart. */
export function highlight(text: string, ranges: readonly Range[], mark: (word: string) => string): string {
  const clean = plain(text);
  let out = "";
  let at = 0;
  for (const [start, end] of ranges) {
    out += clean.slice(at, start) + mark(clean.slice(start, end));
    at = end;
  }
  return out + clean.slice(at);
}

/** A piece of a text. */
export interface Snippet {
  readonly text: string;
  /** The ranges inside it, moved to its start. */
  readonly ranges: Range[];
}

/** The piece of at most `width` characters with the most marked words, cut between words and shown with "…". */
export function snippet(text: string, ranges: readonly Range[], width: number): Snippet {
  if (text.length <= width) return { text, ranges: [...ranges] };
  const first = densest(ranges, width);
  // A little of what stands before, and the rest after.
  const lead = Math.max(0, (ranges[first]?.[0] ?? 0) - Math.floor(width / 4));
  let start = Math.min(lead, text.length - width);
  if (start > 0) {
    const space = text.indexOf(" ", start);
    if (space !== -1 && space - start < 24) start = space + 1;
    else if (isLowSurrogate(text, start)) start += 1;
  }
  let end = Math.min(text.length, start + width);
  if (end < text.length) {
    const space = text.lastIndexOf(" ", end);
    if (space > start && end - space < 24) end = space;
    else if (isLowSurrogate(text, end)) end -= 1;
  }
  const before = start > 0 ? "… " : "";
  const after = end < text.length ? " …" : "";
  const move = before.length - start;
  const inside = ranges.filter(([from, to]) => from >= start && to <= end);
  return {
    text: before + text.slice(start, end) + after,
    ranges: inside.map(([from, to]) => [from + move, to + move] as const),
  };
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

// The range with which the fullest window begins.
function densest(ranges: readonly Range[], width: number): number {
  let best = 0;
  let bestCount = 0;
  let to = 0;
  for (let from = 0; from < ranges.length; from++) {
    const limit = (ranges[from] as Range)[0] + (width * 3) / 4;
    while (to < ranges.length && (ranges[to] as Range)[1] <= limit) to++;
    if (to - from > bestCount) [best, bestCount] = [from, to - from];
  }
  return best;
}

/** 1234567 as "1,234,567". */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 document", "2 documents". */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Bytes with a binary unit: "3.4 MiB". */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let scaled = value;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${count(value)} B` : `${scaled.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds with a unit that suits them: "850 µs", "12.3 ms", "4.1 s". */
export function duration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
  return ms < 120_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Rows in columns: the first one flush left, the others flush right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
  return rows.map((row) => line(row).join("  ").trimEnd()).join("\n");
}
