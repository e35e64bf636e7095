/**
 * tercet: embedded retrieval. Documents in, ranked documents out.
 *
 * @packageDocumentation
 */
export type { Backend, BackendChoice } from "./backend.js";
export type { CallOptions, LongCallOptions, Progress } from "./call.js";
export type { Collection } from "./collection.js";
export { type ErrorDetails, TercetError } from "./errors.js";
export { type EvaluateOptions, evaluate, info, type Ranking } from "./evaluate.js";
export type { Source, UpsertOptions } from "./ingest.js";
export { type MarkOptions, mark } from "./mark.js";
export { type Durability, type Evolution, type OpenOptions, open } from "./open.js";
export {
  type AllQuery,
  all,
  type BooleanClauses,
  type BooleanQuery,
  combine,
  type FuseOptions,
  type FuseQuery,
  type FuzzyOptions,
  type FuzzyQuery,
  fuse,
  fuzzy,
  type MatchOptions,
  type MatchQuery,
  match,
  type NearOptions,
  type NearQuery,
  near,
  type PhraseOptions,
  type PhraseQuery,
  type PrefixOptions,
  type PrefixQuery,
  phrase,
  prefix,
  type Query,
  type QueryVector,
  type StoredVector,
  type TermsOptions,
  type TermsQuery,
  type TextQuery,
  terms,
  toJSON,
} from "./query.js";
export {
  type AnalyzerName,
  boolean,
  type DenseOptions,
  date,
  dense,
  type FlatSettings,
  flat,
  float,
  type HnswSettings,
  hnsw,
  type InferDocument,
  type InferInput,
  integer,
  type KeywordOptions,
  keyword,
  type OptionalSetting,
  type Schema,
  type TextOptions,
  text,
  type Where,
} from "./schema.js";
export { type FolderOptions, importSnapshot, repair } from "./snapshot.js";
export type {
  GetOptions,
  HighlightRange,
  Hit,
  MeasureOptions,
  Page,
  SampleOptions,
  SearchRequest,
  TuneOptions,
} from "./types.js";
export { VERSION } from "./version.js";
export type {
  Code,
  CodecName,
  CommitReply,
  CompactReply,
  Curve,
  CurvePoint,
  DenseIndexSpec,
  EvaluateReply,
  ExportReply,
  FieldSpec,
  FieldStats,
  FlushReply,
  HitExplain,
  Id,
  ImportReply,
  InfoReply,
  MeasureReply,
  MetricName,
  PageExplain,
  PlanStep,
  Problem,
  Recovered,
  ReduceSpec,
  RefreshReply,
  RemoveReply,
  RepairReply,
  SegmentStats,
  SegmentStep,
  StatsReply,
  TagReply,
  UntagReply,
  VerifyReply,
  VersionInfo,
} from "./wire/index.js";
