/** Shows the ranges that a search marked in a text. */
import type { HighlightRange } from "./types.js";

/** Settings of {@link mark}. */
export interface MarkOptions {
  /** Stands before every marked word. Default `<mark>`. */
  readonly before?: string;
  /** Stands after every marked word. Default `</mark>`. */
  readonly after?: string;
  /** What happens to the text itself: `html` escapes `& < > " '`; `none` leaves it. Default `html`. */
  readonly escape?: "html" | "none" | ((part: string) => string);
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const ESCAPES = {
  html: (part: string) => part.replace(/[&<>"']/g, (character) => ENTITIES[character] as string),
  none: (part: string) => part,
};

/**
 * Puts marks around the highlighted words of a text. Ranges that are empty, overlap or leave the text are cut to fit.
 * @param text the field's text, whole, as the document has it
 * @param ranges `hit.highlights[field]`; without any, the text comes back (escaped) as it is
 * @returns safe HTML with the default settings
 * @example mark(hit.document.title, hit.highlights.title)
 * @example mark(text, ranges, { before: "\u001b[1m", after: "\u001b[0m", escape: "none" }) // a terminal
 */
export function mark(
  text: string,
  ranges: readonly HighlightRange[] | undefined,
  options: MarkOptions = {},
): string {
  const { before = "<mark>", after = "</mark>", escape: how = "html" } = options;
  const escaped = typeof how === "function" ? how : ESCAPES[how];
  let out = "";
  let at = 0;
  for (const [start, end] of ranges ?? []) {
    const from = Math.max(start, at);
    const to = Math.min(end, text.length);
    if (to <= from) continue;
    out += escaped(text.slice(at, from)) + before + escaped(text.slice(from, to)) + after;
    at = to;
  }
  return out + escaped(text.slice(at));
}
