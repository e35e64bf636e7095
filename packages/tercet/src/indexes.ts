/**
 * Level 1: indexes over vectors. Vectors in, row numbers and scores out; no documents.
 *
 * @packageDocumentation
 */
export { ApproximateIndex, type RetrainOptions, type VerifyOptions } from "./approximate-index.js";
export type { Backend, BackendChoice } from "./backend.js";
export type { CallOptions, LongCallOptions, Progress } from "./call.js";
export { TercetError } from "./errors.js";
export { FlatIndex, type FlatOptions } from "./flat-index.js";
export { HnswIndex, type HnswOptions } from "./hnsw-index.js";
export { type IvfOpenOptions, IvfPqIndex, type IvfPqOptions, type IvfSearchOptions } from "./ivf-index.js";
export {
  type Alignment,
  type CandidateOptions,
  type MultiSearchOptions,
  MultiVectorIndex,
  type MultiVectorOptions,
  type MultiVerifyOptions,
  type StoredTokens,
  type TokenOptions,
} from "./multi-vector-index.js";
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
  BatchOptions,
  BatchResult,
  IndexOpenOptions,
  IndexWorkOptions,
  MeasuredRecall,
  MeasureSettings,
  RemovedRows,
  RowIndex,
  RowOptions,
  SearchArrays,
  SearchCounters,
  SearchOptions,
  SearchResult,
  TuneOptions,
  UpdatedRows,
  WithinOptions,
} from "./row-index.js";
export {
  centroids,
  type ListsSettings,
  lists,
  type MuveraSettings,
  muvera,
  type SeismicSettings,
  type SparseVector,
  scan,
  seismic,
  type WordWeights,
} from "./schema.js";
export {
  type SparseEffortOptions,
  SparseIndex,
  type SparseIndexOptions,
  type SparseSearchOptions,
  type SparseVerifyOptions,
} from "./sparse-index.js";
export type { SparseRow, SparseRows, SparseVectors } from "./sparse-rows.js";
export {
  NO_UNIT,
  type TokenMatrices,
  type TokenRow,
  type TokenRows,
  type TokenVectors,
} from "./token-rows.js";
export type {
  ApproximateSearchOptions,
  EffortOptions,
  ProbeOptions,
  VectorIndex,
  VectorIndexOptions,
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
  BestUnit,
  Code,
  CodecName,
  Curve,
  CurvePoint,
  DenseIndexSpec,
  DtypeName,
  IndexInfo,
  IndexPartInfo,
  IndexSizes,
  IvfCodecName,
  MetricName,
  MultiIndexInfo,
  MultiIndexSpec,
  RecommendRow,
  RecommendSkipped,
  ReduceSpec,
  RerankName,
  RotateName,
  SearchPath,
  SparseIndexInfo,
  SparseWeights,
  TokenCodecName,
  TokenMetric,
} from "./wire/index.js";
