/**
 * Judgements: which document answers which query, and how well. Two layouts are read, told apart line by line:
 * BEIR (`query-id <tab> corpus-id <tab> score`, with a header line) and TREC (`query-id 0 document-id grade`).
 */
import { inputError } from "../errors.js";
import { encodingError, type Line, type ReadOptions, readLines } from "./lines.js";

/** Query id to document id to grade; above 0 is relevant. */
export type Qrels = Record<string, Record<string, number>>;

/** Reads a file of judgements. */
export async function readQrels(file: string, options: ReadOptions = {}): Promise<Qrels> {
  // Without a prototype, so that no id can be mistaken for an inherited name.
  const qrels: Qrels = Object.create(null);
  for await (const lines of readLines(file, options)) {
    for (const line of lines) addJudgement(qrels, line, file);
  }
  return qrels;
}

function addJudgement(qrels: Qrels, line: Line, file: string): void {
  if (line.text === undefined) throw encodingError(line, file);
  if (line.text.trim() === "") return;
  const columns = line.text.includes("\t") ? line.text.split("\t") : line.text.trim().split(/\s+/);
  const [query, document, grade] = columns.length === 4 ? [columns[0], columns[2], columns[3]] : columns;
  const value = grade === undefined || grade.trim() === "" ? Number.NaN : Number(grade);
  if (columns.length < 3 || columns.length > 4 || !Number.isFinite(value)) {
    if (line.number === 1 && columns.length >= 3) return; // the header of a BEIR file
    const expected = "query-id, corpus-id, score, or query-id, 0, document-id, grade";
    throw inputError(
      "ERR_PARSE",
      `not a judgement; expected ${expected}`,
      { file, line: line.number },
      { expected },
    );
  }
  qrels[query as string] ??= Object.create(null) as Record<string, number>;
  (qrels[query as string] as Record<string, number>)[document as string] = value;
}
