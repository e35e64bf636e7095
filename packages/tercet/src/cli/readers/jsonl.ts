/** JSON Lines: one JSON object a line. Empty lines are passed over. */
import { inputError } from "../errors.js";
import { encodingError, type Line, readLines } from "./lines.js";
import { type RecordOptions, type Records, reject, type SourceRecord } from "./records.js";

/** The objects of a JSON Lines file. */
export async function* readJsonl(file: string, options: RecordOptions = {}): Records {
  for await (const lines of readLines(file, options)) {
    const records: SourceRecord[] = [];
    for (const line of lines) {
      try {
        const value = parseJsonLine(line, file);
        if (value !== undefined) records.push({ value, file, line: line.number });
      } catch (error) {
        reject(error as Error, options);
      }
    }
    if (records.length > 0) yield records;
  }
}

/** The object on one line; undefined when the line is empty. */
export function parseJsonLine(line: Line, file: string): Record<string, unknown> | undefined {
  if (line.text === undefined) throw encodingError(line, file);
  if (line.text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line.text);
  } catch (error) {
    throw inputError("ERR_PARSE", `not JSON: ${(error as Error).message}`, { file, line: line.number });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
    throw inputError(
      "ERR_PARSE",
      `expected a JSON object, found ${found}`,
      { file, line: line.number },
      { expected: "a JSON object", found },
    );
  }
  return value as Record<string, unknown>;
}
