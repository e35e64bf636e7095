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
/** 1 when the true best were found. */
export const EXACT = 8;
/** 1 when the search was not stopped. */
export const COMPLETE = 9;
/** Which way it took, a place in {@link PATHS}. */
export const PATH = 10;
/** Distances computed. */
export const DISTANCES = 11;
/** Nodes whose links were followed. */
export const HOPS = 12;
/** How many there are. */
export const COUNT = 13;

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
