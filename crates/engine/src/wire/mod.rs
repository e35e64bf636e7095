//! The types that cross to JavaScript: requests, replies, schema and errors, as JSON.
//!
//! This is their one source. The TypeScript in `packages/tercet/src/wire/` is generated from these definitions by
//! `npm run generate` and compared with them in `npm test`. Numbers in bulk (vectors, scores) never stand in the JSON:
//! they travel beside it as arrays, and the JSON refers to them by position.

mod error;
mod evaluate;
mod index;
mod ivf;
mod multi;
mod open;
mod query;
mod recall;
mod recommend;
mod schema;
mod verbs;
mod versions;
mod vocabulary;

pub use error::{Code, TercetError, WireError, shown};
pub use evaluate::*;
pub use index::*;
pub use ivf::*;
pub use multi::*;
pub use open::*;
pub use query::*;
pub use recall::*;
pub use recommend::*;
pub use schema::*;
pub use verbs::*;
pub use versions::*;
pub(crate) use vocabulary::Vocabularies;
pub use vocabulary::Vocabulary;

use ts_rs::TS;

macro_rules! exported {
    ($($name:ty),+ $(,)?) => {
        /// The declarations of every exported type, in this fixed order.
        fn declarations(config: &ts_rs::Config) -> Vec<String> {
            vec![$({
                let docs = <$name as TS>::docs().unwrap_or_default();
                format!("\n{docs}export {}\n", <$name as TS>::decl(config))
            }),+]
        }
    };
}

#[rustfmt::skip]
exported!(
    Code, WireError, Id,
    SchemaSpec, FieldSpec, TextSpec, KeywordSpec, ScalarSpec, DenseSpec, SparseSpec, SparseIndexSpec, SparseListsSpec, SeismicSpec, SparseWeights, DenseIndexSpec, FlatSpec, HnswSpec, CodecName, IvfSpec, IvfCodecName, RotateName, RerankName, ReduceSpec, ReducedSpec, MetricName,
    MultiSpec, TokenMetric, TokenCodecName, MultiIndexSpec, MuveraSpec, MatrixName, TokensRef, MaxSimQuery, FdeSide, FdeRequest,
    VectorRef, FieldBoosts, Operator, MatchQuery, TermsQuery, PhraseQuery, PrefixQuery, FuzzyQuery, BooleanQuery, NearQuery, ExpandQuery, AllQuery, FuseMethod, FuseQuery, Query,
    SearchRequest, HitExplain, SegmentStep, PlanStep, PageExplain, WireHit, SearchReply,
    OnCommit, Interval, Durability, VerifyMode, VersionName, Evolve, OpenRequest, Recovered, OpenReply, StageRequest, CommitReply, IdsRequest, GetRequest, GetReply, RemoveReply, WhereRequest,
    CountReply, FieldStats, SegmentStats, StatsReply, Problem, VerifyReply, CompactReply, InfoReply,
    FlushReply, RefreshReply, VersionInfo, VersionsReply, TagRequest, TagReply, UntagReply,
    ExportRequest, ExportReply, ImportRequest, ImportReply, RepairRequest, RepairReply,
    DtypeName, IndexBuildRequest, SparseBuildRequest, MultiBuildRequest, IndexOpenRequest, IndexKind,
    TermsIndexSpec, TokensIndexSpec, VectorAbout, SparseAbout, MultiAbout, IndexInfo, SparseIndexInfo, MultiIndexInfo, IndexNow, IndexSizes, IndexPartInfo, TokenReading, IndexSearchRequest, IndexEffort, IndexSearchReply,
    SearchPath, IndexWorkRequest, IndexAddReply, IndexUpdateReply, IndexRemoveRequest, IndexRemoveReply, IndexVectorRequest,
    IndexCompactReply, IndexSaveRequest, IndexTuneRequest, IndexVerifyRequest, IndexAlignRequest, IndexAlignReply, BestUnit,
    Curve, CurvePoint, TuneRequest, MeasureRequest, MeasureReply,
    RecommendRequest, RecommendRow, RecommendSkipped, RecommendReply,
    EvaluateRequest, EvaluateReply,
);

/// Every exported wire type as TypeScript declarations, in one module's text; it changes only when a type does.
pub fn typescript() -> String {
    let header = "// Generated from crates/engine/src/wire by `npm run generate`. Do not edit: change the Rust types.\n";
    header.to_owned() + &declarations(&ts_rs::Config::default()).concat()
}
