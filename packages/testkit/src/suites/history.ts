/** Random histories of a collection, compared with a plain Map after every step. */
import fc from "fast-check";
import { all, type Collection, dense, integer, keyword, match, near, open, text } from "tercet";
import { describe, expect, test } from "vitest";
import { ids, type Kit } from "../kit.js";
import { bm25, ranked, SCORES } from "../oracle.js";
import { KEPT_HISTORIES, runs, SEED } from "../seeds.js";

const schema = {
  t: text({ analyzer: "whitespace", optional: true }),
  tag: keyword({ many: true }),
  n: integer(),
  v: dense({ dims: 3, metric: "dot", optional: true }),
};
type History = Collection<typeof schema>;

interface Stored {
  readonly id: string | number;
  readonly t?: string;
  readonly tag: string[];
  readonly n: number;
  readonly v?: number[];
}
/** Insertion order is the Map's: a replaced document is deleted first, so that it comes last. */
type Model = Map<string | number, Stored>;

type Step =
  | { readonly do: "upsert"; readonly documents: readonly Stored[] }
  | { readonly do: "remove"; readonly ids: readonly (string | number)[] }
  | { readonly do: "removeWhere"; readonly below: number }
  | { readonly do: "flush" | "compact" | "reopen" | "read" | "snapshot" };

const anyId = fc.oneof(fc.integer({ min: 0, max: 14 }), fc.constantFrom("0", "1", "é", "id"));
const word = fc.constantFrom("a", "b", "c", "d", "rare");
const component = fc.integer({ min: -4, max: 4 });
const anyDocument: fc.Arbitrary<Stored> = fc.record(
  {
    id: anyId,
    t: fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(" ")),
    tag: fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 3 }),
    n: fc.integer({ min: 0, max: 9 }),
    v: fc.tuple(component, component, component).map((three) => [...three]),
  },
  { requiredKeys: ["id", "tag", "n"] },
);
const batch = fc.uniqueArray(anyDocument, {
  maxLength: 8,
  selector: (document) => `${typeof document.id}${document.id}`,
});

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: batch.map((documents) => ({ do: "upsert" as const, documents })) },
  {
    weight: 2,
    arbitrary: fc.array(anyId, { maxLength: 5 }).map((list) => ({ do: "remove" as const, ids: list })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 9 }).map((below) => ({ do: "removeWhere" as const, below })),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "flush" }, { do: "compact" }, { do: "reopen" }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: "read" }, { do: "snapshot" }) },
);

function apply(model: Model, step: Step): void {
  if (step.do === "upsert") {
    for (const document of step.documents) model.delete(document.id);
    for (const document of step.documents) model.set(document.id, document);
  } else if (step.do === "remove") {
    for (const id of step.ids) model.delete(id);
  } else if (step.do === "removeWhere") {
    for (const document of [...model.values()]) if (document.n < step.below) model.delete(document.id);
  }
}

async function compare(collection: History, model: Model): Promise<void> {
  const live = [...model.values()];
  expect(await collection.count()).toBe(live.length);
  const page = await collection.search({ query: all(), limit: 100, select: ["t", "tag", "n", "v"] });
  const plain = page.hits.map(({ document: { v, ...rest } }) =>
    v === undefined ? rest : { ...rest, v: [...v] },
  );
  expect(plain).toEqual(live);
  const where = { tag: "x", n: { gte: 3 } };
  const pass = (one: Stored) => one.tag.includes("x") && one.n >= 3;
  expect(await collection.count(where)).toBe(live.filter(pass).length);

  const scores = live.map((one) => one.v && SCORES.dot(one.v, [1, 2, -1]));
  const nearest = await collection.search({ query: near("v", [1, 2, -1]), limit: 5 });
  expect(ids(nearest)).toEqual(
    ranked(scores)
      .slice(0, 5)
      .map((at) => live[at]?.id),
  );

  const words = bm25(
    live.map((one) => one.t?.split(" ")),
    ["a", "rare"],
  );
  const filtered = words.map((score, at) => (pass(live[at] as Stored) ? score : undefined));
  await compareWords(collection, live, words, undefined);
  await compareWords(collection, live, filtered, where);
}

async function compareWords(
  collection: History,
  live: readonly Stored[],
  scores: readonly (number | undefined)[],
  where: object | undefined,
): Promise<void> {
  const page = await collection.search({ query: match("a rare"), limit: 100, where });
  const expected = new Map(live.map((one, at) => [one.id, scores[at]]));
  expect(page.hits.length).toBe(scores.filter((score) => score !== undefined).length);
  for (const [i, hit] of page.hits.entries()) {
    expect(Math.abs(hit.score - (expected.get(hit.id) ?? Number.NaN))).toBeLessThan(1e-4);
    expect(hit.score).toBeLessThanOrEqual(page.hits[i - 1]?.score ?? Number.POSITIVE_INFINITY);
  }
}

export function history(kit: Kit): void {
  describe("a random history", () => {
    /** What another reader sees: of the folder while it is written to, or of a snapshot. */
    const compareBeside = async (source: string | Uint8Array, model: Model) => {
      await using reader = await open(source, { schema, readOnly: true, backend: kit.binding });
      await compare(reader, model);
    };
    const play = async (steps: readonly Step[]) => {
      const path = kit.persist === undefined ? ":memory:" : `${await kit.folder()}/c`;
      const model: Model = new Map();
      let collection: History = await kit.open(schema, path);
      for (const step of steps) {
        if (step.do === "upsert") await collection.upsert(step.documents);
        else if (step.do === "remove") await collection.remove(step.ids);
        else if (step.do === "removeWhere") await collection.removeWhere({ n: { lt: step.below } });
        else if (step.do === "flush") await collection.flush();
        else if (step.do === "compact") await collection.compact();
        else if (step.do === "snapshot") await compareBeside(await collection.exportSnapshot(), model);
        else if (path !== ":memory:" && step.do === "read") await compareBeside(path, model);
        else if (path !== ":memory:") {
          await collection.close();
          collection = await kit.open(schema, path);
        }
        apply(model, step);
        await compare(collection, model);
      }
      await collection.close();
    };
    const property = fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 25 }), play);

    test("equals a Map's", { timeout: runs(60_000) }, async () => {
      for (const { seed, path } of KEPT_HISTORIES)
        await fc.assert(property, { seed, path, endOnFailure: true });
      await fc.assert(property, { seed: SEED, numRuns: runs(60) });
    });
  });
}
