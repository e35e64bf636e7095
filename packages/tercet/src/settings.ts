/**
 * Places in the array of settings that a level-1 search takes beside its query; the Rust beside them is `setting` in
 * crates/engine/src/api.rs. The first are read, the others are written: how the search was answered.
 */
import type { SearchPath } from "./wire/index.js";

/** Candidates kept while a graph is walked; 0: the usual number; below 0: an exact scan. */
export const EF = 0;
/** The recall wanted, by the measured curve; 0: by {@link EF}. */
export const RECALL = 1;
/** The least score of a result; NaN: any. */
export const LEAST_SCORE = 2;
/** Stops after so many nodes without a better result; 0: never. */
export const PATIENCE = 3;
/** Stops after so many milliseconds; 0: never. */
export const TIME_LIMIT_MS = 4;
/** Searches by this stored row, which is not found; below 0: by the query. */
export const ROW = 5;
/** Lists that are scanned; 0: the usual number. */
export const NPROBE = 6;
/** Candidates that are ranked again; 0: the usual number. */
export const CANDIDATES = 7;
/** Of sparse vectors: what bounds are multiplied by; 0: 1. */
export const ALPHA = 8;
/** Of sparse vectors: the share of the query's terms that bounds leave out. */
export const BETA = 9;
/** Of sparse vectors: the most cells that are scored; 0: any number. */
export const CELLS = 10;
/** Of token vectors: 1 for the mean over the query's tokens and not the sum. */
export const MEAN = 11;
/** Of token vectors: query tokens of at least this inner product are one; NaN: none are. */
export const CARVE = 12;
/** Of token vectors: 1 to rank by the best unit. */
export const UNITS = 13;
/** Of token vectors: 1 when the weights of the query's tokens stand behind them. */
export const WEIGHTED = 14;
/** 1 when the true best were found. */
export const EXACT = 15;
/** 1 when the search was not stopped. */
export const COMPLETE = 16;
/** Which way it took, a place in {@link PATHS}. */
export const PATH = 17;
/** Distances computed. */
export const DISTANCES = 18;
/** Nodes whose links were followed. */
export const HOPS = 19;
/** Postings added to scores. */
export const POSTINGS = 20;
/** Blocks whose bounds were summed. */
export const BLOCKS_BOUNDED = 21;
/** Cells scored because of their bounds. */
export const BLOCKS_SCORED = 22;
/** How many there are. */
export const COUNT = 23;

/** The ways to answer, by number. */
export const PATHS: readonly SearchPath[] = [
  "scan",
  "graph",
  "filtered graph",
  "lists",
  "term at a time",
  "blocks by bounds",
  "heaviest postings",
];
