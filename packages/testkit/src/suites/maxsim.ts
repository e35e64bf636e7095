/** Several vectors a document: MaxSim against its definition, explained; encodings bit for bit. */
import {
  centroids,
  fdeDocument,
  fdeQuery,
  fuse,
  integer,
  match,
  maxsim,
  multi,
  muvera,
  scan,
  text,
  toJSON,
} from "tercet";
import { describe, expect, test } from "vitest";
import { failure, ids, type Kit, random } from "../kit.js";

const DIMS = 8;
type Token = readonly number[];

function tokens(next: () => number, count: number): number[][] {
  return Array.from({ length: count }, () => {
    const token = Array.from({ length: DIMS }, () => next() * 2 - 1);
    const length = Math.hypot(...token);
    return token.map((x) => x / length);
  });
}

function score(query: readonly Token[], document: readonly Token[]): number {
  const dot = (a: Token, b: Token) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
  return query.reduce((sum, q) => sum + Math.max(...document.map((d) => dot(q, d))), 0);
}

interface Golden {
  readonly dims: number;
  readonly tokens: number;
  readonly state: number;
  readonly muvera: Record<string, never>;
  readonly query: { readonly length: number; readonly fnv: string; readonly first: readonly number[] };
  readonly document: Golden["query"];
}

function numbers(count: number, state: number): Float32Array {
  let at = state;
  return Float32Array.from({ length: count }, () => {
    at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0;
    return (at >>> 8) / 2 ** 23 - 1;
  });
}

function hash(values: Float32Array): string {
  let found = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) {
    found = Math.imul(found ^ byte, 0x01000193) >>> 0;
  }
  return found.toString(16).padStart(8, "0");
}

export function lateInteraction(kit: Kit): void {
  describe("maxsim", () => {
    const next = random(11);
    const documents = Array.from({ length: 150 }, (_, id) => ({
      id,
      n: id,
      t: tokens(next, 1 + Math.floor(next() * 8)),
    }));
    const query = tokens(next, 5);
    const right = (from = 0) =>
      documents
        .slice(from)
        .map(({ id, t }) => ({ id, score: score(query, t) }))
        .sort((a, b) => b.score - a.score)
        .slice(0, 10);

    test("recall is measured and asked for", async () => {
      const index = muvera({ repetitions: 6, bits: 3, projection: 4 });
      const collection = await kit.open({ t: multi({ dims: DIMS, codec: "f32", index }) });
      await collection.upsert(documents.map(({ id, t }) => ({ id, t })));
      const some = random(17);
      const queries = Array.from({ length: 40 }, () => tokens(some, 3));
      const wanted = { query: maxsim("t", query, { recall: 0.8 }) };
      expect(await failure(collection.search(wanted))).toMatchObject({
        code: "ERR_ARGUMENT",
        field: "recall",
      });
      const curve = await collection.tune("t", { queries });
      expect(curve).toMatchObject({ k: 10, queries: 40, probes: false, size: 150 });
      expect((await collection.measure("t", { queries, recall: 0.8 })).recall).toBeGreaterThan(0.79);
      expect((await collection.measure("t", { queries, candidates: 149 })).recall).toBeGreaterThan(0.98);
      expect((await collection.search(wanted)).hits.length).toBe(10);
      expect((await collection.tune("t", { sample: 30, k: 5 })).probes).toBe(true);
      expect(await failure(collection.measure("t", { ef: 5 }))).toMatchObject({ code: "ERR_ARGUMENT" });
      // More than twice as many: what was measured says nothing of them.
      await collection.upsert(documents.map(({ id, t }) => ({ id: id + 1_000, t })));
      expect((await collection.search(wanted)).hits.length).toBe(10);
      await collection.upsert([{ id: "one more", t: documents[0]?.t as number[][] }]);
      expect(await failure(collection.search(wanted))).toMatchObject({
        code: "ERR_ARGUMENT",
        field: "recall",
      });
    });

    test.each([scan(), muvera({ repetitions: 6, bits: 3, projection: 4 }), centroids()])(
      "%o finds what the definition says",
      async (index) => {
        const collection = await kit.open({ t: multi({ dims: DIMS, codec: "f32", index }), n: integer() });
        for (let at = 0; at < 150; at += 64) await collection.upsert(documents.slice(at, at + 64));
        for (const from of [0, 60]) {
          const where = { n: { gte: from } };
          const page = await collection.search({ query: maxsim("t", query, { exact: true }), where });
          expect(ids(page)).toEqual(right(from).map(({ id }) => id));
          for (const [at, hit] of page.hits.entries())
            expect(hit.score).toBeCloseTo(right(from)[at]?.score ?? 0, 4);
          expect(page.exact).toBe(true);
        }
        await collection.remove([right()[0]?.id as number]);
        await collection.compact();
        const left = await collection.search({ query: maxsim("t", query, { exact: true }), limit: 9 });
        expect(ids(left)).toEqual(
          right()
            .slice(1)
            .map(({ id }) => id),
        );
      },
    );

    test.each(["residual1", "residual2", "residual4"] as const)(
      "%s ranks like the definition",
      async (codec) => {
        const collection = await kit.open({
          t: multi({ dims: DIMS, codec, index: centroids() }),
          n: integer(),
        });
        const many = Array.from({ length: 1_100 }, (_, id) => ({ id, n: id, t: tokens(next, 8) }));
        await collection.upsert(many);
        await collection.compact();
        const exact = ids(await collection.search({ query: maxsim("t", query, { exact: true }), limit: 20 }));
        const best = many
          .map(({ id, t }) => ({ id, score: score(query, t) }))
          .sort((a, b) => b.score - a.score)
          .slice(0, 20)
          .map(({ id }) => id);
        const least = { residual1: 4, residual2: 8, residual4: 14 }[codec];
        expect(best.filter((id) => exact.includes(id)).length).toBeGreaterThanOrEqual(least);
        const some = await collection.search({ query: maxsim("t", query, { candidates: 300 }), limit: 20 });
        expect(ids(some).filter((id) => exact.includes(id)).length).toBeGreaterThanOrEqual(12);
        expect(some.exact).toBe(false);
      },
    );

    test("takes lists, one array, base64 and fusion; gives back and explains", async () => {
      const collection = await kit.open({ t: multi({ dims: DIMS, optional: true }), words: text() });
      const flat = new Float32Array(documents[0]?.t.flat() ?? []);
      const units = Array.from({ length: flat.length / DIMS }, (_, at) => at >> 1);
      await collection.upsert([
        { id: "list", t: documents[1]?.t.map((token) => new Float32Array(token)) ?? [], words: "red" },
        { id: "flat", t: { data: flat, dims: DIMS, units }, words: "blue" },
        { id: "none", words: "red blue" },
      ]);
      const got = (await collection.get(["flat"]))[0];
      expect(got?.t?.dims).toBe(DIMS);
      got?.t?.data.forEach((x, at) => {
        expect(x).toBeCloseTo(flat[at] as number, 1);
      });
      const forms = [
        maxsim("t", query),
        maxsim("t", { data: new Float32Array(query.flat()), dims: DIMS }),
        toJSON(
          maxsim(
            "t",
            query.map((token) => new Float32Array(token)),
          ),
        ),
        JSON.parse(JSON.stringify(toJSON(maxsim("t", { data: query.flat(), dims: DIMS })))),
      ];
      const pages = await Promise.all(forms.map((form) => collection.search({ query: form })));
      for (const page of pages) expect(page).toEqual(pages[0]);
      expect(pages[0]?.hits.length).toBe(2);
      const fused = await collection.search({ query: fuse.rrf([match("red"), maxsim("t", query)]) });
      expect(ids(fused)[0]).toBe("list");
      const page = await collection.search({ query: maxsim("t", query), explain: true });
      const explained = page.hits.find((hit) => hit.id === "flat")?.explain;
      expect(explained?.parts?.map((part) => part.part)).toEqual(query.map(() => "token"));
      const sum = explained?.parts?.reduce((all, part) => all + (part.score ?? 0), 0) ?? 0;
      expect(sum).toBeCloseTo(explained?.score ?? 0, 4);
      expect(explained?.details).toHaveProperty("bestUnit");
    });

    test("is there after a snapshot", async () => {
      const collection = await kit.open({ t: multi({ dims: DIMS }), n: integer() });
      await collection.upsert(documents);
      const search = { query: maxsim("t", query, { candidates: 40 }) };
      const before = await collection.search(search);
      const bytes = await collection.exportSnapshot();
      const snapshot = await kit.opened(bytes as Uint8Array);
      const after = await snapshot.search(search);
      expect(after.hits.map((hit) => [hit.id, hit.score])).toEqual(
        before.hits.map((hit) => [hit.id, hit.score]),
      );
    });

    test("refuses what is no token vectors", async () => {
      const collection = await kit.open({ t: multi({ dims: 2 }) });
      const refused = async (t: unknown) =>
        (await failure(collection.upsert([{ id: 1, t: t as number[][] }]))).code;
      expect(await refused([])).toBe("ERR_REQUIRED");
      expect(await refused([[1, 2], [1]])).toBe("ERR_DIMENSION");
      expect(await refused([[1, Number.NaN]])).toBe("ERR_NOT_FINITE");
      expect(await refused([[0, 0]])).toBe("ERR_ZERO_VECTOR");
      expect(await refused({ data: new Float32Array([1, Number.POSITIVE_INFINITY]), dims: 2 })).toBe(
        "ERR_NOT_FINITE",
      );
      expect(await refused({ data: new Float32Array(4), dims: 4 })).toBe("ERR_DIMENSION");
      await collection.upsert([{ id: 1, t: [[1, 0]] }]);
      const search = async (form: readonly number[][], options = {}) =>
        (await failure(collection.search({ query: maxsim("t", form, options) }))).code;
      expect(await search([])).toBe("ERR_REQUIRED");
      expect(await search([[1, 0, 0]])).toBe("ERR_DIMENSION");
      expect(await search([[1, 0]], { recall: 0.9 })).toBe("ERR_ARGUMENT");
      expect(await search([[1, 0]], { candidates: 1.5 })).toBe("ERR_LIMIT");
    });

    test("encodings have the bits of the golden ones", async () => {
      const { readFile } = await import("node:fs/promises");
      const path = new URL("../../../../test/vectors/fde.json", import.meta.url);
      for (const golden of JSON.parse(await readFile(path, "utf8")) as Golden[]) {
        const given = numbers(golden.dims * golden.tokens, golden.state);
        const options = { dims: golden.dims, ...golden.muvera, backend: kit.binding };
        const found = { query: await fdeQuery(given, options), document: await fdeDocument(given, options) };
        for (const side of ["query", "document"] as const) {
          expect(found[side].length).toBe(golden[side].length);
          expect([...found[side].subarray(0, 4)]).toEqual(golden[side].first.map(Math.fround));
          expect(hash(found[side])).toBe(golden[side].fnv);
        }
      }
      expect((await failure(fdeQuery(new Float32Array(3), { dims: 2, backend: kit.binding }))).code).toBe(
        "ERR_DIMENSION",
      );
    });
  });
}
