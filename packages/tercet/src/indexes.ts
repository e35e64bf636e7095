/**
 * Level 1: indexes over vectors. Vectors in, row numbers and scores out; no documents.
 *
 * @packageDocumentation
 */
export type { Backend, BackendChoice } from "./backend.js";
export type { CallOptions, LongCallOptions, Progress } from "./call.js";
export { TercetError } from "./errors.js";
export { FlatIndex, type FlatOptions } from "./flat-index.js";
export {
  HnswIndex,
  type HnswOptions,
  type MeasuredRecall,
  type TuneOptions,
  type VerifyRecallOptions,
} from "./hnsw-index.js";
export type {
  AddedRows,
  ApproximateSearchOptions,
  BatchOptions,
  BatchResult,
  EffortOptions,
  IndexOpenOptions,
  IndexWorkOptions,
  RemovedRows,
  RowOptions,
  SearchArrays,
  SearchCounters,
  SearchOptions,
  SearchResult,
  UpdatedRows,
  VectorIndex,
  VectorIndexOptions,
  WithinOptions,
} from "./vector-index.js";
export {
  type Components,
  type Float16Components,
  NO_ROW,
  type RowSet,
  rowSet,
  type Vectors,
} from "./vectors.js";
export type {
  Code,
  CodecName,
  Curve,
  CurvePoint,
  DtypeName,
  IndexInfo,
  IndexPartInfo,
  MetricName,
  ReduceSpec,
  SearchPath,
} from "./wire/index.js";
