/**
 * Level 1: indexes over vectors. Vectors in, row numbers and scores out; no documents.
 *
 * @packageDocumentation
 */
export {
  ApproximateIndex,
  type MeasuredRecall,
  type RetrainOptions,
  type TuneOptions,
  type VerifyOptions,
} from "./approximate-index.js";
export type { Backend, BackendChoice } from "./backend.js";
export type { CallOptions, LongCallOptions, Progress } from "./call.js";
export { TercetError } from "./errors.js";
export { FlatIndex, type FlatOptions } from "./flat-index.js";
export { HnswIndex, type HnswOptions } from "./hnsw-index.js";
export { type IvfOpenOptions, IvfPqIndex, type IvfPqOptions, type IvfSearchOptions } from "./ivf-index.js";
export {
  type BuildIndexOptions,
  buildIndex,
  type Recommendation,
  type RecommendOptions,
  recommend,
} from "./recommend.js";
export type { ReduceOption } from "./reduce.js";
export type {
  AddedRows,
  ApproximateSearchOptions,
  BatchOptions,
  BatchResult,
  EffortOptions,
  IndexOpenOptions,
  IndexWorkOptions,
  ProbeOptions,
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
  DenseIndexSpec,
  DtypeName,
  IndexInfo,
  IndexPartInfo,
  IvfCodecName,
  MetricName,
  RecommendRow,
  RecommendSkipped,
  ReduceSpec,
  RerankName,
  RotateName,
  SearchPath,
} from "./wire/index.js";
