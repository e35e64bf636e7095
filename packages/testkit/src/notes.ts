/** Documents for suites about files: what they hold matters less than that all of it comes back. */
import { all, type Collection, date, dense, integer, keyword, match, near, type Schema, text } from "tercet";

export const NOTES = {
  t: text({ analyzer: "english" }),
  tags: keyword({ many: true, optional: true }),
  n: integer(),
  day: date({ optional: true }),
  v: dense({ dims: 3, metric: "cosine", optional: true }),
};

/** `count` documents with the numbers from `first` on. */
export function notes(first: number, count: number) {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    return {
      id: n % 3 === 0 ? `s${n}` : n,
      t: `the stars number ${n} of ${n % 7} 北京 😀`,
      tags: n % 2 === 0 ? ["even", `t${n % 5}`] : undefined,
      n,
      day: n % 4 === 0 ? new Date(n * 1e9) : undefined,
      v: n % 5 === 0 ? undefined : [Math.sin(n), Math.cos(n), 1],
    };
  });
}

/** The numbers of all documents, in the order of insertion. */
export async function numbers<S extends Schema>(collection: Collection<S>): Promise<number[]> {
  const typed = collection as unknown as Collection<{ readonly n: typeof NOTES.n }>;
  const page = await typed.search({ query: all(), limit: 10_000, select: ["n"] });
  return page.hits.map((hit) => hit.document.n);
}

/** The numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Everything that a reader can see of notes. */
export async function seen<S extends Schema>(collection: Collection<S>) {
  const typed = collection as unknown as Collection<typeof NOTES>;
  return {
    count: await typed.count(),
    all: await typed.search({ query: all(), limit: 10_000, select: ["t", "tags", "n", "day", "v"] }),
    words: await typed.search({ query: match("star 北京 17"), limit: 20, highlight: ["t"] }),
    near: await typed.search({ query: near("v", [1, 1, 1]), limit: 20, where: { tags: "even" } }),
    one: await typed.get(["s33", 1]),
  };
}
