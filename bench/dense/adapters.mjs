/**
 * Tercet's level-1 indexes as the benchmarks drive them. A name is a kind and the options of its build:
 * `flat`, `hnsw`, `hnsw:codec=i8:M=24`, `ivf:codec=pq:m=96:bits=4:candidates=100` (`candidates` and
 * `oversample` are of the searches; `by=ef` sweeps that instead of `nprobe`). Every adapter has
 *   sweep                             the values of the effort, least first
 *   build(vectors, dims, metric, threads), open(path), save(path), stats(), close()
 *   set(effort), one(query, k), batch(queries, k): rows
 *   filtered(query, k, rows of a bitmap), add(vectors), remove(rows)
 */
// One that this build does not have is undefined, and said to be missing.
const { FlatIndex, HnswIndex, IvfPqIndex } = await import("tercet/index");

/** The sweep of the peers' harness. */
const EF = [10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 800];
const NPROBE = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/** Whatever is random in a build. */
const SEED = 7;

export class Missing extends Error {}

const KINDS = {
  flat: { Class: FlatIndex, sweep: [0], effort: () => ({}) },
  hnsw: {
    Class: HnswIndex,
    sweep: EF,
    effort: (ef) => ({ ef }),
    options: { M: 16, efConstruction: 200, seed: SEED },
  },
  ivf: { Class: IvfPqIndex, sweep: NPROBE, effort: (nprobe) => ({ nprobe }), options: { seed: SEED } },
};
/** What a benchmark without a name of its own measures. */
const USUAL = ["hnsw", "flat"];
/** Options of a name that belong to its searches. */
const OF_SEARCHES = ["candidates", "oversample"];

/** Names that have their class in this build, the quickest first. */
export function available() {
  return USUAL.filter((kind) => KINDS[kind].Class !== undefined);
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
  const search = Object.fromEntries(
    OF_SEARCHES.flatMap((key) => (key in options ? [[key, options[key]]] : [])),
  );
  const { by, ...build } = Object.fromEntries(
    Object.entries(options).filter(([key]) => !OF_SEARCHES.includes(key)),
  );
  const swept = by === "ef" ? { ...known, sweep: EF, effort: (ef) => ({ ef }) } : known;
  return new Adapter(swept, { ...known.options, ...build }, search);
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
  #effort;
  #fixed;
  #index;
  #search = {};
  #batch = {};

  constructor({ Class, sweep, effort }, options, search) {
    this.#Class = Class;
    this.#options = options;
    this.#effort = effort;
    this.#fixed = search;
    this.sweep = sweep;
  }

  async build(vectors, dims, metric, threads) {
    const options = { dims, metric, ...this.#options, threads };
    this.#index = await this.#Class.build(vectors, options);
  }

  async open(path, options = {}) {
    this.#index = await this.#Class.open(path, options);
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
    this.#search = { ...this.#fixed, ...this.#effort(effort) };
    this.#batch = { ...this.#search, threads: 1 };
  }

  one(query, k) {
    return this.#index.search(query, k, this.#search).rows;
  }

  exact(query, k) {
    return this.#index.search(query, k, { exact: true }).rows;
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
