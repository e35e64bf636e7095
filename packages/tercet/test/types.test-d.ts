/** What the compiler knows: every line under `@ts-expect-error` must fail to compile. */
import { describe, expectTypeOf, test } from "vitest";
import {
  all,
  boolean,
  type Collection,
  combine,
  date,
  dense,
  type ExportReply,
  flat,
  float,
  fuse,
  fuzzy,
  type HitExplain,
  type Id,
  type InferDocument,
  type InferInput,
  integer,
  keyword,
  type MatchQuery,
  match,
  type NearQuery,
  near,
  open,
  type Problem,
  phrase,
  prefix,
  type Query,
  type Schema,
  type SparseVector,
  sparse,
  TercetError,
  terms,
  text,
  toJSON,
  type VersionInfo,
  type Where,
} from "../src/main.js";

describe("words of a vocabulary", () => {
  test("are known where they are written down, and only there", () => {
    const some: readonly string[] = ["flow", "wing"];
    const schema = {
      known: sparse({ vocabulary: ["flow", "wing"], optional: true }),
      some: sparse({ vocabulary: some, optional: true }),
      none: sparse({ terms: 2, optional: true }),
    };
    expectTypeOf(schema.known.terms).toEqualTypeOf<number>();
    type In = InferInput<typeof schema>;
    const inputs: In[] = [
      { id: 1, known: { flow: 1 }, some: { anything: 1 }, none: { 0: 1, 1: 2 } },
      { id: 2, known: { indices: [0], values: [1] }, some: { indices: [], values: [] }, none: null },
    ];
    expectTypeOf(inputs).toEqualTypeOf<In[]>();
    // @ts-expect-error a word that is none
    const misspelled: In = { id: 1, known: { flwo: 1 } };
    // @ts-expect-error words need a vocabulary
    const words: In = { id: 1, none: { flow: 1 } };
    // @ts-expect-error numbers are no words
    const text: In = { id: 1, known: { flow: "1" } };
    expectTypeOf([misspelled, words, text]).toEqualTypeOf<In[]>();
    expectTypeOf<InferDocument<typeof schema>["known"]>().toEqualTypeOf<SparseVector | undefined>();
    // @ts-expect-error neither terms nor words
    sparse({ optional: true });
  });
});

const schema = {
  title: text({ analyzer: "english", boost: 2 }),
  abstract: text({ positions: true, optional: true }),
  language: keyword(),
  authors: keyword({ many: true }),
  tags: keyword({ many: true, optional: true }),
  year: integer(),
  rating: float({ optional: true }),
  open: boolean(),
  published: date(),
  vector: dense({ dims: 4, metric: "cosine", index: flat() }),
  image: dense({ dims: 2, optional: true }),
};
type S = typeof schema;
declare const papers: Collection<S>;
declare const untyped: Collection;

describe("documents", () => {
  test("come out as the schema says", () => {
    expectTypeOf<InferDocument<S>>().toEqualTypeOf<{
      id: string | number;
      title: string;
      abstract?: string;
      language: string;
      authors: string[];
      tags?: string[];
      year: number;
      rating?: number;
      open: boolean;
      published: Date;
      vector: Float32Array;
      image?: Float32Array;
    }>();
  });

  test("go in with more freedom", () => {
    expectTypeOf<InferInput<S>["published"]>().toEqualTypeOf<Date | string | number>();
    expectTypeOf<InferInput<S>["vector"]>().toEqualTypeOf<Float32Array | readonly number[]>();
    expectTypeOf<InferInput<S>["authors"]>().toEqualTypeOf<readonly string[]>();
    expectTypeOf<InferInput<S>["rating"]>().toEqualTypeOf<number | null | undefined>();
    expectTypeOf<InferDocument<S>>().toExtend<InferInput<S>>();
  });

  test("are checked by upsert", () => {
    const good = {
      id: 1,
      title: "a",
      language: "en",
      authors: ["x"],
      year: 1960,
      open: true,
      published: "1960-01-01",
      vector: [1, 2, 3, 4],
    };
    void papers.upsert([good]);
    void papers.upsert(new Set([good]));
    void papers.upsert(new ReadableStream<typeof good>());
    void papers.upsert((async function* () {})());
    // @ts-expect-error a field is missing
    void papers.upsert([{ ...good, year: undefined }]);
    // @ts-expect-error the wrong type
    void papers.upsert([{ ...good, year: "1960" }]);
    // @ts-expect-error no such field
    void papers.upsert([{ ...good, yaer: 1960 }]);
    // @ts-expect-error many keywords are an array
    void papers.upsert([{ ...good, authors: "x" }]);
    // @ts-expect-error ids are strings or numbers
    void papers.upsert([{ ...good, id: 1n }]);
    // @ts-expect-error a document alone is no source of documents
    void papers.upsert(good);
  });

  test("of a schema written as plain data are known too", () => {
    const plain = open(":memory:", {
      schema: { title: { type: "text" }, n: { type: "integer", optional: true } },
    });
    type Document = InferDocument<Awaited<typeof plain>["schema"]>;
    expectTypeOf<Document>().toEqualTypeOf<{ id: Id; title: string; n?: number }>();
  });

  test("of a setting that is known at run time only may lack the field", () => {
    const optional = Math.random() > 0.5;
    const field = integer({ optional });
    expectTypeOf<InferDocument<{ n: typeof field }>>().toEqualTypeOf<{ id: Id; n?: number }>();
  });
});

describe("schemas", () => {
  test("refuse wrong settings", () => {
    // @ts-expect-error no such analyzer
    text({ analyzer: "klingon" });
    // @ts-expect-error no such metric
    dense({ dims: 3, metric: "hamming" });
    // @ts-expect-error dims are needed
    dense({ metric: "l2" });
    // @ts-expect-error no such setting
    keyword({ multiple: true });
    // @ts-expect-error not a field
    void open(":memory:", { schema: { title: "text" } });
  });
});

describe("search", () => {
  test("without select gives every field but the dense ones", async () => {
    const page = await papers.search({ query: all() });
    const hit = page.hits[0];
    if (hit === undefined) return;
    expectTypeOf(hit.document).toEqualTypeOf<Omit<InferDocument<S>, "vector" | "image">>();
    expectTypeOf(hit.id).toEqualTypeOf<string | number>();
    expectTypeOf(hit.score).toEqualTypeOf<number>();
    expectTypeOf(hit.explain).toEqualTypeOf<HitExplain | undefined>();
    // @ts-expect-error vectors come only when selected
    hit.document.vector;
  });

  test("with select narrows the document", async () => {
    const page = await papers.search({ query: all(), select: ["title", "vector", "rating"] });
    type Document = (typeof page.hits)[number]["document"];
    expectTypeOf<Document>().toEqualTypeOf<{
      id: Id;
      title: string;
      vector: Float32Array;
      rating?: number;
    }>();
    // @ts-expect-error no such field
    void papers.search({ query: all(), select: ["titel"] });
    const ids = await papers.search({ query: all(), select: ["id"] });
    expectTypeOf<(typeof ids.hits)[number]["document"]>().toEqualTypeOf<{ id: Id }>();
  });

  test("gives highlights of the fields asked for", async () => {
    const page = await papers.search({ query: match("x"), highlight: ["abstract"] });
    type Highlights = (typeof page.hits)[number]["highlights"];
    expectTypeOf<keyof Highlights>().toEqualTypeOf<"abstract">();
    // @ts-expect-error not a text field
    void papers.search({ query: match("x"), highlight: ["year"] });
  });

  test("refuses requests that are wrong", () => {
    // @ts-expect-error no query
    void papers.search({ limit: 3 });
    // @ts-expect-error no such setting
    void papers.search({ query: all(), limits: 3 });
    // @ts-expect-error the wrong type
    void papers.search({ query: all(), limit: "3" });
    // @ts-expect-error a string is no query
    void papers.search({ query: "boundary layer" });
  });
});

describe("queries", () => {
  test("name fields of the right kind", () => {
    void papers.search({ query: match("x") });
    void papers.search({ query: match("x", { fields: ["title", "abstract"], operator: "and" }) });
    void papers.search({ query: match("x", { fields: { title: 2, abstract: 0.5 } }) });
    void papers.search({ query: near("vector", [1, 2, 3, 4], { k: 5 }) });
    void papers.search({ query: fuse.rrf([match("x"), near("image", new Float32Array(2)), all()]) });
    void papers.search({ query: { kind: "match", text: "x", fields: ["title"] } });
    // @ts-expect-error no such field
    void papers.search({ query: match("x", { fields: ["titel"] }) });
    // @ts-expect-error one of them is no field
    void papers.search({ query: match("x", { fields: ["title", "titel"] }) });
    // @ts-expect-error one of them is no field
    void papers.search({ query: match("x", { fields: { title: 2, titel: 1 } }) });
    // @ts-expect-error not a text field
    void papers.search({ query: match("x", { fields: ["year"] }) });
    // @ts-expect-error not a dense field
    void papers.search({ query: near("title", [1]) });
    // @ts-expect-error inside a fusion too
    void papers.search({ query: fuse.rrf([match("x"), near("vektor", [1])]) });
    // @ts-expect-error inside a fusion too
    void papers.search({ query: fuse.rrf([fuse.rrf([match("x", { fields: ["titel"] })]), all()]) });
    // @ts-expect-error plain data is checked as well
    void papers.search({ query: { kind: "match", text: "x", fields: ["titel"] } });
    // @ts-expect-error no such operator
    match("x", { operator: "xor" });
  });

  test("by words name text fields, and phrases those with positions", () => {
    void papers.search({ query: phrase("abstract", "boundary layer", { slop: 2 }) });
    void papers.search({ query: prefix("title", "boun") });
    void papers.search({ query: fuzzy("title", "bondary", { distance: 1, prefixLength: 1 }) });
    void papers.search({ query: terms("abstract", { layer: 1, boundari: 0.5 }) });
    const query = combine({
      must: [match("x"), combine({ should: [phrase("abstract", "x y"), prefix("title", "x")] })],
      mustNot: [fuzzy("title", "y")],
      filter: [all()],
      minimumShouldMatch: 0,
    });
    expectTypeOf(query).toExtend<Query<"title", never, "abstract">>();
    void papers.search({ query });
    void papers.search({ query: fuse.rrf([query, near("vector", [1])]) });
    void papers.search({ query: toJSON(query) });
    void papers.search({ query: { kind: "phrase", field: "abstract", text: "x y" } });
    // @ts-expect-error a phrase on a keyword field
    void papers.search({ query: phrase("authors", "M. J. Lighthill") });
    // @ts-expect-error a phrase on a field without positions
    void papers.search({ query: phrase("title", "boundary layer") });
    // @ts-expect-error the same in plain data
    void papers.search({ query: { kind: "phrase", field: "title", text: "x y" } });
    // @ts-expect-error inside a boolean too
    void papers.search({ query: combine({ must: [phrase("title", "boundary layer")] }) });
    // @ts-expect-error inside a fusion too
    void papers.search({ query: fuse.rrf([phrase("title", "x y"), all()]) });
    // @ts-expect-error not a text field
    void papers.search({ query: prefix("year", "19") });
    // @ts-expect-error no such field
    void papers.search({ query: combine({ should: [match("x"), fuzzy("titel", "x")] }) });
    // @ts-expect-error vectors are fused, not combined
    combine({ must: [near("vector", [1])] });
    // @ts-expect-error no such clause
    combine({ might: [all()] });
    // @ts-expect-error no such setting
    phrase("abstract", "x", { slope: 2 });
  });

  test("keep their names in their types", () => {
    expectTypeOf(match("x", { fields: ["a", "b"] })).toEqualTypeOf<MatchQuery<"a" | "b">>();
    expectTypeOf(near("v", [1])).toEqualTypeOf<NearQuery<"v">>();
    const fused = fuse.rrf([match("x", { fields: ["title"] }), near("vector", [1])]);
    expectTypeOf(fused).toExtend<Query<"title", "vector">>();
    void papers.search({ query: toJSON(fused) });
    // @ts-expect-error the names survive toJSON
    void papers.search({ query: toJSON(near("v", [1])) });
  });
});

describe("filters", () => {
  test("know fields, operators and values", () => {
    const good: Where<S>[] = [
      {},
      { year: 1960 },
      { year: { gte: 1960, lt: 1970 }, authors: { in: ["Lighthill"] } },
      { language: "en", open: false, published: { gt: new Date(0) } },
      { or: [{ year: 1 }, { not: { authors: "x" } }], and: [{ tags: { exists: true } }] },
    ];
    void good;
    // @ts-expect-error no such field
    void papers.count({ yaer: 1960 });
    // @ts-expect-error no such field, deeper
    void papers.count({ or: [{ not: { yaer: 1960 } }] });
    // @ts-expect-error no such operator
    void papers.count({ year: { above: 1960 } });
    // @ts-expect-error truth has no order
    void papers.count({ open: { gt: false } });
    // @ts-expect-error the wrong type
    void papers.count({ year: "1960" });
    // @ts-expect-error the wrong type, deeper
    void papers.count({ year: { in: ["1960"] } });
    // @ts-expect-error text is searched, not filtered
    void papers.count({ title: "x" });
    // @ts-expect-error vectors are not filtered
    void papers.removeWhere({ vector: [1] });
    void papers.count({ title: { exists: true }, image: { exists: false }, authors: { gte: "a" } });
  });
});

describe("get", () => {
  test("gives one or many, whole or selected", () => {
    expectTypeOf(papers.get(1)).resolves.toEqualTypeOf<InferDocument<S> | undefined>();
    expectTypeOf(papers.get(["a", 2])).resolves.toEqualTypeOf<(InferDocument<S> | undefined)[]>();
    expectTypeOf(papers.get(1, { select: ["year"] })).resolves.toEqualTypeOf<
      { id: Id; year: number } | undefined
    >();
    // @ts-expect-error no such field
    void papers.get(1, { select: ["yaer"] });
  });
});

describe("a schema that evolves", () => {
  test("types the result by the next one, and the steps by its fields", async () => {
    const next = { name: text(), y: integer({ optional: true }) };
    const evolved = open("somewhere", {
      schema: next,
      evolve: { drop: ["x"], rename: { title: "name" }, add: ["y"] },
    });
    type Document = InferDocument<Awaited<typeof evolved>["schema"]>;
    expectTypeOf<Document>().toEqualTypeOf<{ id: Id; name: string; y?: number }>();
    // @ts-expect-error what is added stands in the schema
    void open("somewhere", { schema: next, evolve: { add: ["z"] } });
    // @ts-expect-error the new name stands in the schema
    void open("somewhere", { schema: next, evolve: { rename: { title: "nom" } } });
    // @ts-expect-error no such step
    void open("somewhere", { schema: next, evolve: { change: ["y"] } });
    void open("somewhere", { evolve: { drop: ["x"], rename: { a: "b" } } });
  });
});

describe("durable collections", () => {
  test("are opened from bytes, and say what they give", async () => {
    expectTypeOf(open(new Uint8Array(1))).resolves.toEqualTypeOf<Collection>();
    expectTypeOf(papers.exportSnapshot("file")).resolves.toEqualTypeOf<ExportReply>();
    expectTypeOf(papers.exportSnapshot()).resolves.toEqualTypeOf<Uint8Array>();
    expectTypeOf(papers.exportSnapshot({ onProgress() {} })).resolves.toEqualTypeOf<Uint8Array>();
    expectTypeOf(papers.versions()).resolves.toEqualTypeOf<VersionInfo[]>();
    expectTypeOf(papers.version).toEqualTypeOf<number>();
    expectTypeOf((await papers.verify()).problems).toEqualTypeOf<Problem[]>();
    // @ts-expect-error there is no version to set
    papers.version = 3;
    // @ts-expect-error doubles are no bytes
    void open(new Float64Array(1));
    // @ts-expect-error no such durability
    void open("somewhere", { durability: "always" });
    // @ts-expect-error in milliseconds
    void open("somewhere", { durability: { interval: 5 } });
  });
});

describe("a collection without a schema", () => {
  test("holds records", async () => {
    const collection = await open("somewhere");
    expectTypeOf(collection).toEqualTypeOf<Collection>();
    const page = await collection.search({
      query: match("x", { fields: ["anything"] }),
      select: ["a"],
      where: { any: { gte: 1 } },
      highlight: ["anything"],
    });
    expectTypeOf(page.hits[0]?.document).toEqualTypeOf<Record<string, unknown> | undefined>();
    expectTypeOf(await collection.get("x")).toEqualTypeOf<Record<string, unknown> | undefined>();
    void collection.upsert([{ id: 1, whatever: true }]);
    // @ts-expect-error every document has an id
    void collection.upsert([{ whatever: true }]);
  });

  test("is not what a typed one can be seen as: it would take any document", () => {
    // @ts-expect-error its documents have fields of their own
    const seen: Collection = papers;
    void seen;
  });

  test("is helped by functions that work on every collection", () => {
    const first = async <Any extends Schema>(collection: Collection<Any>) =>
      (await collection.search({ query: all(), limit: 1 })).hits[0];
    void first(papers);
    void first(untyped);
  });
});

describe("errors", () => {
  test("carry typed places", () => {
    const error: unknown = new TercetError("ERR_LOCKED", "x");
    if (!(error instanceof TercetError)) return;
    expectTypeOf(error.code).toExtend<string>();
    expectTypeOf(error.position).toEqualTypeOf<number | undefined>();
    // @ts-expect-error no such code
    error.code === "ERR_NONE";
  });
});
