/**
 * Tercet's level-1 indexes as the benchmarks drive them. A name is a kind and the options of its build:
 * `flat`, `hnsw`, `hnsw:codec=i8:M=24`. Every adapter has
 *   sweep                             the values of the effort, least first
 *   build(vectors, dims, metric, threads), open(path), save(path), stats(), close()
 *   set(effort), one(query, k), batch(queries, k): rows
 *   filtered(query, k, rows of a bitmap), add(vectors), remove(rows)
 */
// One that this build does not have is undefined, and said to be missing.
const { FlatIndex, HnswIndex } = await import("tercet/index");

/** The sweep of the peers' harness. */
const EF = [10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 800];
/** Whatever is random in a build. */
const SEED = 7;

export class Missing extends Error {}

const KINDS = {
  flat: { Class: FlatIndex, sweep: [0] },
  hnsw: { Class: HnswIndex, sweep: EF, options: { M: 16, efConstruction: 200, seed: SEED } },
};

/** Names that have their class in this build, the quickest first. */
export function available() {
  return Object.keys(KINDS)
    .filter((kind) => KINDS[kind].Class !== undefined)
    .toReversed();
}

/** The adapter of a name. */
export function adapterOf(text) {
  const [kind, ...given] = text.split(":");
  const known = KINDS[kind];
  if (known === undefined) throw new Missing(`there is no index named ${kind}`);
  if (known.Class === undefined) throw new Missing(`tercet/index has no class for ${kind}`);
  const options = Object.fromEntries(
    given.map((one) => one.split("=")).map(([key, text]) => [key, value(text)]),
  );
  return new Adapter(known.Class, known.sweep, { ...known.options, ...options });
}

function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

class Adapter {
  #Class;
  #options;
  #index;
  #search = {};
  #batch = {};

  constructor(Class, sweep, options) {
    this.#Class = Class;
    this.#options = options;
    this.sweep = sweep;
  }

  async build(vectors, dims, metric, threads) {
    const options = { dims, metric, ...this.#options, threads };
    this.#index = await this.#Class.build(vectors, options);
  }

  async open(path) {
    this.#index = await this.#Class.open(path);
  }

  save(path) {
    return this.#index.save(path);
  }

  stats() {
    return this.#index.stats();
  }

  close() {
    this.#index.close();
  }

  set(effort) {
    const ef = this.sweep.length > 1 ? { ef: effort } : {};
    this.#search = ef;
    this.#batch = { ...ef, threads: 1 };
  }

  one(query, k) {
    return this.#index.search(query, k, this.#search).rows;
  }

  async batch(queries, k) {
    return (await this.#index.searchBatch(queries, k, this.#batch)).rows;
  }

  /** The call with these options, made ready outside of what is timed. */
  filtered(filter) {
    const options = { ...this.#search, filter };
    return (query, k) => this.#index.search(query, k, options).rows;
  }

  /** The number of the first row that was added. */
  async add(vectors) {
    return (await this.#index.add(vectors, { threads: 1 })).first;
  }

  remove(rows) {
    return this.#index.remove(rows);
  }

  /** Old row to new row, or undefined where rows keep their numbers. */
  compact() {
    return this.#index.compact?.();
  }
}
