/** What every suite works with: one backend, and collections that are closed after each test. */
import { type Collection, open, type Schema, TercetError } from "tercet";
import type { Binding } from "tercet/binding";
import { FlatIndex, type FlatOptions } from "tercet/index";
import { afterEach, beforeAll, expect } from "vitest";

/** How a suite is run. */
export interface Options {
  /** Makes an empty folder that the backend can write to. Without it the tests of files are left out. */
  readonly persist?: (() => Promise<string>) | undefined;
}

/** One backend under test. */
export class Kit {
  #binding: Binding | undefined;
  readonly #open = new Set<{ close(): unknown }>();
  readonly persist: (() => Promise<string>) | undefined;

  constructor(load: () => Promise<Binding>, options: Options) {
    this.persist = options.persist;
    beforeAll(async () => {
      this.#binding = await load();
    });
    afterEach(async () => {
      for (const handle of this.#open) await handle.close();
      this.#open.clear();
    });
  }

  get binding(): Binding {
    if (this.#binding === undefined)
      throw new Error("the backend is loaded before the tests, not before the suites");
    return this.#binding;
  }

  /** A collection that is closed after the test. */
  async open<const S extends Schema>(
    schema: S,
    path = ":memory:",
    options: { readonly readOnly?: boolean; readonly create?: boolean } = {},
  ): Promise<Collection<S>> {
    return this.kept(await open(path, { schema, backend: this.binding, ...options }));
  }

  /** A flat index that is closed after the test. */
  async index(vectors: readonly (readonly number[])[], options: FlatOptions): Promise<FlatIndex> {
    const rows = Float32Array.from(vectors.flat());
    return this.kept(await FlatIndex.build(rows, { backend: this.binding, ...options }));
  }

  /** Closes it after the test. */
  kept<T extends { close(): unknown }>(handle: T): T {
    this.#open.add(handle);
    return handle;
  }

  /** An empty folder; only where the suite can write. */
  async folder(): Promise<string> {
    if (this.persist === undefined) throw new Error("this backend has no files");
    return this.persist();
  }
}

/** The error of a call that must fail. */
export async function failure(call: Promise<unknown> | (() => unknown)): Promise<TercetError> {
  let error: unknown;
  try {
    await (typeof call === "function" ? call() : call);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(TercetError);
  return error as TercetError;
}

/** The ids of a page, in its order. */
export function ids(page: {
  readonly hits: readonly { readonly id: string | number }[];
}): (string | number)[] {
  return page.hits.map((hit) => hit.id);
}

/** Numbers that look random and are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
