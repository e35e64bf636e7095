/**
 * Level 1: indexes over vectors. Vectors in, row numbers and scores out; no documents.
 *
 * @packageDocumentation
 */
export type { Backend, BackendChoice } from "./backend.js";
export type { CallOptions, LongCallOptions, Progress } from "./call.js";
export { TercetError } from "./errors.js";
export {
  type AddedRows,
  FlatIndex,
  type FlatOptions,
  type IndexOpenOptions,
  NO_ROW,
  type RemovedRows,
  type RowSet,
  rowSet,
  type SearchOptions,
  type SearchResult,
} from "./flat-index.js";
export type { Code, IndexInfo, MetricName } from "./wire/index.js";
