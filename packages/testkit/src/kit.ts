/** What every suite works with: one backend, and collections that are closed after each test. */
import { type Code, type Collection, type OpenOptions, open, type Schema, TercetError } from "tercet";
import type { Binding } from "tercet/binding";
import { FlatIndex, type FlatOptions } from "tercet/index";
import { afterEach, beforeAll, expect } from "vitest";

/** How a suite is run. */
export interface Options {
  /** Makes an empty folder that the backend can write to. Without it the tests of files are left out. */
  readonly persist?: (() => Promise<string>) | undefined;
  /** The files in it, to be looked at and damaged. Without it the tests of damage are left out. */
  readonly files?: Files | undefined;
  /** The same backend in other processes and threads. Without it the tests of locks are left out. */
  readonly elsewhere?: Elsewhere | undefined;
}

/** Files behind a collection's back. */
export interface Files {
  read(path: string): Promise<Uint8Array>;
  write(path: string, bytes: Uint8Array): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names, sorted. */
  list(folder: string): Promise<string[]>;
}

/** Where other cores can be started. */
export interface Elsewhere {
  process(): Promise<Other>;
  thread(): Promise<Other>;
}

/** A core elsewhere. Its root is the handle `root`; verbs that open something keep it under a name. */
export interface Other {
  readonly pid: number;
  call(on: string, verb: string, request: object, keep?: string): Promise<Outcome>;
  /** Ends it without warning. */
  kill(): Promise<unknown>;
}

/** What came of a call elsewhere. */
export interface Outcome {
  // biome-ignore lint/suspicious/noExplicitAny: replies of every verb.
  readonly reply: any;
  readonly error: { readonly code: Code; readonly message: string } | undefined;
}

/** One backend under test. */
export class Kit {
  #binding: Binding | undefined;
  readonly #open = new Set<{ close(): unknown }>();
  readonly persist: (() => Promise<string>) | undefined;
  readonly #files: Files | undefined;
  readonly #elsewhere: Elsewhere | undefined;

  constructor(load: () => Promise<Binding>, options: Options) {
    this.persist = options.persist;
    this.#files = options.files;
    this.#elsewhere = options.elsewhere;
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
    options: OpenOptions<NoInfer<S>> = {},
  ): Promise<Collection<S>> {
    return this.kept(await open<S>(path, { schema, backend: this.binding, ...options }));
  }

  /** What is there already, by the schema that it has; closed after the test. */
  async opened(source: string | Uint8Array, options: OpenOptions = {}): Promise<Collection> {
    return this.kept(await open(source, { backend: this.binding, ...options }));
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

  /** Whether there are files to look at. */
  get hasFiles(): boolean {
    return this.persist !== undefined && this.#files !== undefined;
  }

  get files(): Files {
    if (this.#files === undefined) throw new Error("this backend's files cannot be looked at");
    return this.#files;
  }

  /** Whether there are other processes and threads. */
  get hasOthers(): boolean {
    return this.persist !== undefined && this.#elsewhere !== undefined;
  }

  get elsewhere(): Elsewhere {
    if (this.#elsewhere === undefined) throw new Error("there is nothing beside this backend");
    return this.#elsewhere;
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

/** The code of the error of a call that must fail. */
export async function refused(call: Promise<unknown> | (() => unknown)): Promise<Code> {
  return (await failure(call)).code;
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
