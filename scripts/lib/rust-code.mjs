/** Just enough of Rust's syntax for the tidy check: comments and literals out, tests out, functions found. */

/** The same text with comments, strings and characters blanked; lines and columns stay. */
export function codeOnly(text) {
  const out = text.split("");
  const blank = (from, to) => {
    for (let at = from; at < to; at++) if (out[at] !== "\n") out[at] = " ";
  };
  for (let at = 0; at < text.length; ) {
    const end = literalEnd(text, at);
    if (end > at) blank(at, end);
    at = Math.max(end, at + 1);
  }
  return out.join("");
}

/** Where the comment or literal that begins at `at` ends, or `at`. */
function literalEnd(text, at) {
  if (text.startsWith("//", at)) {
    const end = text.indexOf("\n", at);
    return end < 0 ? text.length : end;
  }
  if (text.startsWith("/*", at)) return blockEnd(text, at);
  const raw = /^b?r(#*)"/.exec(text.slice(at, at + 12));
  if (raw !== null && !/\w/.test(text[at - 1] ?? " ")) {
    const end = text.indexOf(`"${raw[1]}`, at + raw[0].length);
    return end < 0 ? text.length : end + 1 + raw[1].length;
  }
  if (text[at] === '"') return stringEnd(text, at);
  if (text[at] === "'") {
    const character = /^'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\\n])'/u.exec(text.slice(at, at + 16));
    if (character !== null) return at + character[0].length;
  }
  return at;
}

function blockEnd(text, at) {
  let depth = 0;
  for (let end = at; end < text.length; end++) {
    if (text.startsWith("/*", end)) depth += 1;
    else if (text.startsWith("*/", end)) depth -= 1;
    else continue;
    end += 1;
    if (depth === 0) return end + 1;
  }
  return text.length;
}

function stringEnd(text, at) {
  for (let end = at + 1; end < text.length; end++) {
    if (text[end] === "\\") end += 1;
    else if (text[end] === '"') return end + 1;
  }
  return text.length;
}

/** Where the block ends whose brace opens at `open`. */
function braceEnd(code, open) {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === "{") depth += 1;
    else if (code[at] === "}") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return code.length;
}

/** Blanks every item behind `#[cfg(test)]` and its kin. */
export function withoutTests(code) {
  let result = code;
  for (const found of code.matchAll(/#\[cfg\((?:test|any\(test\b[^\]]*|all\(test\b[^\]]*)\)\]|#\[test\]/g)) {
    const from = found.index;
    const rest = code.slice(from);
    const open = rest.search(/[{;]/);
    if (open < 0) continue;
    const end = rest[open] === ";" ? from + open + 1 : braceEnd(code, from + open);
    result = result.slice(0, from) + code.slice(from, end).replace(/[^\n]/g, " ") + result.slice(end);
  }
  return result;
}

/** Functions with a body: name, first line (from 1), lines. */
export function functions(code) {
  const found = [];
  for (const { 1: name, index } of code.matchAll(/\bfn\s+(\w+)/g)) {
    const open = bodyStart(code, index);
    if (open === undefined) continue;
    const lines = code.slice(index, braceEnd(code, open)).split("\n").length;
    found.push({ name, line: lineOf(code, index), lines });
  }
  return found;
}

/** The brace that opens a function's body; nothing for a declaration without one. */
function bodyStart(code, from) {
  let depth = 0;
  for (let at = from; at < code.length; at++) {
    if ("([".includes(code[at])) depth += 1;
    else if (")]".includes(code[at])) depth -= 1;
    else if (depth === 0 && code[at] === "{") return at;
    else if (depth === 0 && code[at] === ";") return undefined;
  }
  return undefined;
}

/** The line of a position, from 1. */
export function lineOf(text, index) {
  return text.slice(0, index).split("\n").length;
}
