/** Naive answers to compare with: written from the formulas, sharing nothing with the engine. */

/** BM25's two constants, and their defaults here. */
export interface Bm25 {
  readonly k1: number;
  readonly b: number;
}
export const BM25: Bm25 = { k1: 1.2, b: 0.75 };

/**
 * BM25 of one field: the sum over the words of the query of idf * tf*(k1+1)/(tf + k1*(1-b+b*len/avglen)), with
 * idf = ln(1 + (N - df + 0.5)/(df + 0.5)) over the N documents that have the field.
 * @param documents the words of each document; undefined where it lacks the field
 * @param query the words of the query; one that stands twice counts twice
 * @returns a score a document; undefined where no word matches
 */
export function bm25(
  documents: readonly (readonly string[] | undefined)[],
  query: readonly string[],
  { k1, b }: Bm25 = BM25,
): (number | undefined)[] {
  const present = documents.filter((words) => words !== undefined);
  const average = present.reduce((sum, words) => sum + words.length, 0) / present.length;
  const idf = (term: string) => {
    const df = present.filter((words) => words.includes(term)).length;
    return Math.log(1 + (present.length - df + 0.5) / (df + 0.5));
  };
  return documents.map((words) => {
    let score: number | undefined;
    for (const term of query) {
      const tf = words?.filter((word) => word === term).length ?? 0;
      if (words === undefined || tf === 0) continue;
      const saturated = (tf * (k1 + 1)) / (tf + k1 * (1 - b + (b * words.length) / average));
      score = (score ?? 0) + idf(term) * saturated;
    }
    return score;
  });
}

/** Scores of vectors as the metrics define them; higher is nearer. */
export const SCORES = {
  dot: (a: readonly number[], b: readonly number[]) => dot(a, b),
  l2: (a: readonly number[], b: readonly number[]) =>
    -a.reduce((sum, x, i) => sum + (x - (b[i] ?? 0)) ** 2, 0),
  cosine: (a: readonly number[], b: readonly number[]) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)),
} as const;

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}

/** Positions by falling score, equal ones in their order; those without a score left out. */
export function ranked(scores: readonly (number | undefined)[]): number[] {
  return scores
    .map((score, at) => ({ score, at }))
    .filter((one): one is { score: number; at: number } => one.score !== undefined)
    .sort((x, y) => y.score - x.score || x.at - y.at)
    .map((one) => one.at);
}

/** A document as filters see it. */
export type Plain = Readonly<Record<string, unknown>>;

/** Whether a document passes a filter. */
export function passes(document: Plain, where: Plain): boolean {
  return Object.entries(where).every(([key, condition]) => {
    if (key === "and") return (condition as Plain[]).every((one) => passes(document, one));
    if (key === "or") return (condition as Plain[]).some((one) => passes(document, one));
    if (key === "not") return !passes(document, condition as Plain);
    return meets(document[key], condition);
  });
}

function meets(value: unknown, condition: unknown): boolean {
  const plain = typeof condition !== "object" || condition === null || condition instanceof Date;
  const tests = plain ? { eq: condition } : (condition as Plain);
  const there = value !== undefined && value !== null;
  if (tests.exists !== undefined && tests.exists !== there) return false;
  const others = Object.entries(tests).filter(([operator]) => operator !== "exists");
  if (others.length === 0) return true;
  if (!there) return false;
  const values = Array.isArray(value) ? value : [value];
  return values.some((one) => others.every(([operator, operand]) => compare(one, operator, operand)));
}

function compare(value: unknown, operator: string, operand: unknown): boolean {
  const x = comparable(value);
  const y = comparable(operand);
  switch (operator) {
    case "eq":
      return x === y;
    case "in":
      return (operand as unknown[]).some((one) => comparable(one) === x);
    case "gt":
      return x > y;
    case "gte":
      return x >= y;
    case "lt":
      return x < y;
    case "lte":
      return x <= y;
    default:
      throw new Error(`no such operator: ${operator}`);
  }
}

function comparable(value: unknown): number | string {
  if (value instanceof Date) return value.getTime();
  if (typeof value === "boolean") return value ? 1 : 0;
  return value as number | string;
}
