/** What the suites of level-1 indexes share. */
import {
  FlatIndex,
  type FlatOptions,
  HnswIndex,
  type HnswOptions,
  IvfPqIndex,
  type IvfPqOptions,
  type SearchPath,
  type Vectors,
} from "tercet/index";
import { random } from "../kit.js";
import { ranked, SCORES } from "../oracle.js";
export const DIMS = 16;
/** Enough for a graph or lists: up to about a thousand vectors are scanned whatever the kind. */
export const COUNT = 1_500;

export type Index = FlatIndex | HnswIndex | IvfPqIndex;
export type Options = FlatOptions & HnswOptions & IvfPqOptions;

export interface Kind {
  readonly name: string;
  /** The way that its searches take where there are many vectors. */
  readonly path: SearchPath;
  build(vectors: Vectors, options: Options): Promise<Index>;
  open(path: string, options: { backend: Options["backend"] }): Promise<Index>;
}

export const KINDS: readonly Kind[] = [
  { name: "flat", path: "scan", build: FlatIndex.build, open: FlatIndex.open },
  { name: "hnsw", path: "graph", build: HnswIndex.build, open: HnswIndex.open },
  { name: "ivf", path: "lists", build: IvfPqIndex.build, open: IvfPqIndex.open },
];

export function vectors(count: number, seed: number, dims = DIMS): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: count * dims }, () => next() * 2 - 1);
}

export const at = (all: Float32Array, row: number) => all.slice(row * DIMS, (row + 1) * DIMS);
export const list = (found: { readonly rows: Uint32Array }) => [...found.rows];

/** Of the true rows, the share that was found. */
export function recall(found: readonly number[], truth: readonly number[]): number {
  return truth.filter((row) => found.includes(row)).length / truth.length;
}

/** The rows of a map of vectors by falling score. */
export function nearest(
  live: ReadonlyMap<number, Float32Array>,
  query: Float32Array,
  k: number,
  metric: keyof typeof SCORES = "cosine",
) {
  const rows = [...live.keys()].sort((a, b) => a - b);
  const scores = rows.map((row) => SCORES[metric]([...(live.get(row) as Float32Array)], [...query]));
  return ranked(scores)
    .slice(0, k)
    .map((place) => rows[place] as number);
}

export interface Given {
  readonly build: (given: Vectors, options?: Partial<Options>) => Promise<Index>;
  readonly rows: Float32Array;
  readonly live: ReadonlyMap<number, Float32Array>;
  readonly queries: Float32Array;
  readonly query: Float32Array;
}
