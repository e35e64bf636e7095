//! Dense index kinds as the wire names them: their settings checked, and handed to the index crate.
//!
//! Nothing else here or above looks at which kind an index is of.

use tercet_index::{Codec, DenseKind, DenseOptions, Dtype, IvfOptions, Reduce, Rerank, Rotate, dense_kind};

use crate::id::SAFE_INTEGER_MAX;
use crate::wire::{
    Code, CodecName, DenseIndexSpec, DenseSpec, FlatSpec, IvfCodecName, IvfSpec, MetricName, ReduceSpec,
    RerankName, RotateName, TercetError,
};

/// The most components a vector may have.
pub(crate) const DIMS_MAX: u32 = 65_535;
/// The most parts of a product code.
pub(crate) const PARTS_MAX: u32 = 1_024;
const M_MIN: u32 = 4;
const M_MAX: u32 = 64;
const EF_CONSTRUCTION_MAX: u32 = 4_096;
const LISTS_MAX: u32 = 65_536;

/// The registry's entry of a kind.
pub(crate) fn kind(index: &DenseIndexSpec) -> Result<&'static DenseKind, TercetError> {
    let name = index.kind();
    dense_kind(name).ok_or_else(|| {
        TercetError::new(Code::Unsupported, format!("no dense index kind `{name}` in this build"))
    })
}

/// The index crate's view of a dense field.
pub(crate) fn field_spec(spec: &DenseSpec) -> tercet_index::DenseSpec {
    index_spec(spec.dims, spec.metric, &spec.index)
}

/// The index crate's view of an index over f32.
pub(crate) fn index_spec(dims: u32, metric: MetricName, index: &DenseIndexSpec) -> tercet_index::DenseSpec {
    tercet_index::DenseSpec {
        dims: dims as usize,
        metric: metric.distance(),
        dtype: Dtype::F32,
        options: options(index),
    }
}

/// The settings of a kind; what it does not have is as usual. Those of a checked index are in range.
pub(crate) fn options(index: &DenseIndexSpec) -> DenseOptions {
    let usual = DenseOptions::default();
    match index {
        DenseIndexSpec::Flat(flat) => DenseOptions {
            codec: codec(flat.codec),
            reduce: flat.reduce.map_or(Reduce::None, reduce),
            keep: flat.keep,
            ..usual
        },
        DenseIndexSpec::Hnsw(hnsw) => DenseOptions {
            codec: codec(hnsw.codec),
            reduce: hnsw.reduce.map_or(Reduce::Auto, reduce),
            keep: hnsw.keep,
            m: hnsw.m.min(M_MAX) as u16,
            ef_construction: hnsw.ef_construction.min(EF_CONSTRUCTION_MAX) as u16,
            seed: hnsw.seed,
            ..usual
        },
        DenseIndexSpec::Ivf(ivf) => DenseOptions {
            codec: ivf_codec(ivf),
            reduce: ivf.reduce.map_or(Reduce::Auto, reduce),
            keep: ivf.keep,
            seed: ivf.seed,
            ivf: IvfOptions {
                lists: ivf.lists.unwrap_or(0),
                residual: ivf.residual,
                rotate: match ivf.rotate {
                    RotateName::Auto => Rotate::Auto,
                    RotateName::None => Rotate::None,
                    RotateName::Random => Rotate::Random,
                    RotateName::Opq => Rotate::Opq,
                },
                spill: ivf.spill,
                balance: ivf.balance,
                rerank: match ivf.rerank {
                    RerankName::Auto => Rerank::Auto,
                    RerankName::None => Rerank::None,
                    RerankName::Lvq8 => Rerank::Lvq8,
                    RerankName::F16 => Rerank::F16,
                    RerankName::Vectors => Rerank::Vectors,
                },
            },
            ..usual
        },
    }
}

fn reduce(spec: ReduceSpec) -> Reduce {
    match spec {
        ReduceSpec::None {} => Reduce::None,
        ReduceSpec::Pca(to) => Reduce::Pca(to.dims),
        ReduceSpec::Prefix(to) => Reduce::Prefix(to.dims),
        ReduceSpec::LeanVec(to) => Reduce::LeanVec(to.dims),
        ReduceSpec::Random(to) => Reduce::Random(to.dims),
    }
}

fn ivf_codec(ivf: &IvfSpec) -> Codec {
    let bits = |usual: u32| ivf.bits.unwrap_or(usual).min(8) as u8;
    match ivf.codec {
        IvfCodecName::Auto => Codec::Auto,
        IvfCodecName::F32 => Codec::F32,
        IvfCodecName::F16 => Codec::F16,
        IvfCodecName::Lvq8 => Codec::Lvq8,
        IvfCodecName::Lvq4x8 => Codec::Lvq4x8,
        IvfCodecName::Pq => Codec::Pq { m: ivf.m.unwrap_or(0).min(DIMS_MAX) as u16, bits: bits(4) },
        IvfCodecName::Rabitq => Codec::RaBitQ { bits: bits(1) },
        IvfCodecName::Binary => Codec::Binary,
    }
}

fn codec(name: CodecName) -> Codec {
    match name {
        CodecName::Auto => Codec::Auto,
        CodecName::F32 => Codec::F32,
        CodecName::F16 => Codec::F16,
        CodecName::Lvq8 => Codec::Lvq8,
        CodecName::Lvq4x8 => Codec::Lvq4x8,
    }
}

/// Checks the dimension and the settings of an index: of a field of a schema (ERR_SCHEMA) or of its own (ERR_LIMIT).
pub(crate) fn check(field: Option<&str>, dims: u32, index: &DenseIndexSpec) -> Result<(), TercetError> {
    kind(index).map_err(|error| match field {
        Some(name) => error.field(name),
        None => error,
    })?;
    within(field, "dims", dims, 1, DIMS_MAX)?;
    match index {
        DenseIndexSpec::Flat(flat) => check_flat(field, dims, flat),
        DenseIndexSpec::Hnsw(hnsw) => {
            within(field, "m", hnsw.m, M_MIN, M_MAX)?;
            within(field, "efConstruction", hnsw.ef_construction, hnsw.m, EF_CONSTRUCTION_MAX)?;
            within(field, "seed", hnsw.seed, 0, SAFE_INTEGER_MAX as u64)?;
            check_reduced(field, dims, hnsw.reduce)
        }
        DenseIndexSpec::Ivf(ivf) => check_ivf(field, dims, ivf),
    }
}

fn check_reduced(field: Option<&str>, dims: u32, reduce: Option<ReduceSpec>) -> Result<(), TercetError> {
    let to = reduce.and_then(ReduceSpec::dims);
    to.map_or(Ok(()), |to| within(field, "reduce.dims", to, 1, dims))
}

fn check_flat(field: Option<&str>, dims: u32, flat: &FlatSpec) -> Result<(), TercetError> {
    check_reduced(field, dims, flat.reduce)?;
    if flat.reduce.and_then(ReduceSpec::dims).is_none() {
        return Ok(());
    }
    if !flat.keep {
        return Err(unfit(
            field,
            "keep",
            "true beside `reduce`: shorter vectors only say which to look at",
            "false",
        ));
    }
    if !matches!(flat.codec, CodecName::Auto | CodecName::Lvq8) {
        return Err(unfit(field, "codec", "auto or lvq8 beside `reduce`", "another"));
    }
    Ok(())
}

fn check_ivf(field: Option<&str>, dims: u32, ivf: &IvfSpec) -> Result<(), TercetError> {
    let pq = ivf.codec == IvfCodecName::Pq;
    if let Some(lists) = ivf.lists {
        within(field, "lists", lists, 1, LISTS_MAX)?;
    }
    within(field, "seed", ivf.seed, 0, SAFE_INTEGER_MAX as u64)?;
    check_reduced(field, dims, ivf.reduce)?;
    if let Some(m) = ivf.m {
        if !pq {
            return Err(unfit(field, "m", "absent: only the codec `pq` has parts", m));
        }
        within(field, "m", m, 1, ivf.reduce.and_then(ReduceSpec::dims).unwrap_or(dims).min(PARTS_MAX))?;
    }
    match (ivf.codec, ivf.bits) {
        (_, None) | (IvfCodecName::Pq, Some(4 | 8)) | (IvfCodecName::Rabitq, Some(1..=8)) => {}
        (IvfCodecName::Pq, Some(bits)) => {
            return Err(unfit(field, "bits", "4 or 8 for the codec `pq`", bits));
        }
        (IvfCodecName::Rabitq, Some(bits)) => within(field, "bits", bits, 1, 8)?,
        (_, Some(bits)) => {
            return Err(unfit(
                field,
                "bits",
                "absent: only the codecs `pq` and `rabitq` have a number of bits",
                bits,
            ));
        }
    }
    if ivf.rotate == RotateName::Opq && !pq {
        return Err(unfit(field, "rotate", "another than `opq`, which is fitted to the codec `pq`", "opq"));
    }
    let floats = matches!(ivf.codec, IvfCodecName::F32 | IvfCodecName::F16);
    if ivf.spill && !ivf.keep && ivf.rerank == RerankName::None && !floats {
        let rule = "false where the codes of lists are all that is kept, of which each vector has one";
        return Err(unfit(field, "spill", rule, true));
    }
    if ivf.rerank == RerankName::Vectors && !ivf.keep {
        return Err(unfit(
            field,
            "rerank",
            "another than `vectors`, which `keep: false` leaves out",
            "vectors",
        ));
    }
    Ok(())
}

/// More lists than vectors to train them with: said before an index is built of them. What is built little by little has
/// as many lists as its vectors allow.
pub(crate) fn check_trained(index: &DenseIndexSpec, vectors: u32) -> Result<(), TercetError> {
    let DenseIndexSpec::Ivf(IvfSpec { lists: Some(lists), .. }) = index else { return Ok(()) };
    if vectors == 0 || *lists <= vectors {
        return Ok(());
    }
    let message = format!(
        "{lists} lists need at least as many vectors to be trained with, found {vectors}: leave `lists` out to have them \
         chosen, or take a flat or hnsw index for so few"
    );
    let (expected, found) = (format!("1 to {vectors}"), lists.to_string());
    Err(TercetError::new(Code::Limit, message).field("lists").expected(expected, found))
}

/// A setting that does not go with the others.
fn unfit(field: Option<&str>, what: &str, rule: &str, found: impl std::fmt::Display) -> TercetError {
    let found = found.to_string();
    let error = match field {
        Some(name) => {
            TercetError::new(Code::Schema, format!("field `{name}`: {what} must be {rule}, found {found}"))
                .field(name)
        }
        None => TercetError::new(Code::Argument, format!("{what} must be {rule}, found {found}")).field(what),
    };
    error.expected(rule, found)
}

pub(crate) fn within<T: PartialOrd + std::fmt::Display>(
    field: Option<&str>,
    what: &str,
    found: T,
    low: T,
    high: T,
) -> Result<(), TercetError> {
    if low <= found && found <= high {
        return Ok(());
    }
    let (rule, found) = (format!("{low} to {high}"), found.to_string());
    let error = match field {
        Some(name) => {
            let message = format!("field `{name}`: {what} must be {rule}, found {found}");
            TercetError::new(Code::Schema, message).field(name)
        }
        None => TercetError::new(Code::Limit, format!("{what} must be {rule}, found {found}")).field(what),
    };
    Err(error.expected(rule, found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::wire::{HnswSpec, ReducedSpec};

    fn read(value: serde_json::Value) -> DenseIndexSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn absent_settings_are_the_usual_ones() {
        assert_eq!(options(&read(json!({"kind": "hnsw"}))), DenseOptions::default());
        assert_eq!(options(&read(json!({"kind": "flat"}))).codec, Codec::Auto);
        assert_eq!(serde_json::to_value(read(json!({"kind": "flat"}))).unwrap(), json!({"kind": "flat"}));
        assert_eq!(serde_json::to_value(read(json!({"kind": "ivf"}))).unwrap(), json!({"kind": "ivf"}));
        let pca = options(&read(json!({"kind": "hnsw", "reduce": {"kind": "pca", "dims": 7}})));
        assert_eq!(pca.reduce, Reduce::Pca(7));
    }

    #[test]
    fn unknown_settings_are_refused() {
        for value in [
            json!({"kind": "hnsw", "M": 16}),
            json!({"kind": "flat", "m": 16}),
            json!({"kind": "hnsw", "codec": "pq"}),
            json!({"kind": "hnsw", "reduce": {"kind": "pca", "dims": 3, "seed": 1}}),
            json!({"kind": "hnsw", "m": -1}),
            json!({"kind": "ivf", "nlist": 16}),
            json!({"kind": "ivf", "codec": "pq8"}),
            json!({"kind": "ivf", "rerank": "f32"}),
            json!({"kind": "none"}),
        ] {
            assert!(serde_json::from_value::<DenseIndexSpec>(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let of = |hnsw| check(None, 8, &DenseIndexSpec::Hnsw(hnsw));
        if dense_kind("hnsw").is_none() {
            assert_eq!(of(HnswSpec::default()).unwrap_err().code(), Code::Unsupported);
            return;
        }
        let usual = HnswSpec::default;
        assert_eq!(of(usual()), Ok(()));
        for (spec, name) in [
            (HnswSpec { m: 3, ..usual() }, "m"),
            (HnswSpec { m: 65, ..usual() }, "m"),
            (HnswSpec { ef_construction: 15, ..usual() }, "efConstruction"),
            (HnswSpec { ef_construction: 4_097, ..usual() }, "efConstruction"),
            (HnswSpec { seed: 1 << 53, ..usual() }, "seed"),
            (HnswSpec { reduce: Some(ReduceSpec::Pca(ReducedSpec { dims: 9 })), ..usual() }, "reduce.dims"),
            (
                HnswSpec { reduce: Some(ReduceSpec::Prefix(ReducedSpec { dims: 0 })), ..usual() },
                "reduce.dims",
            ),
        ] {
            let error = of(spec).unwrap_err();
            assert_eq!((error.code(), error.0.field.as_deref()), (Code::Limit, Some(name)));
        }
    }

    #[test]
    fn settings_of_lists_are_read_and_those_that_do_not_fit_are_named() {
        let given = json!({"kind": "ivf", "lists": 64, "codec": "pq", "m": 3, "bits": 8, "residual": false, "rotate": "opq",
            "reduce": {"kind": "leanvec", "dims": 6}, "spill": true, "balance": true, "rerank": "f16", "seed": 5});
        let found = options(&read(given.clone()));
        assert_eq!(serde_json::to_value(read(given)).unwrap()["lists"], 64);
        assert_eq!(
            (found.codec, found.reduce, found.seed),
            (Codec::Pq { m: 3, bits: 8 }, Reduce::LeanVec(6), 5)
        );
        let ivf = IvfOptions {
            lists: 64,
            residual: Some(false),
            rotate: Rotate::Opq,
            spill: true,
            balance: true,
            rerank: Rerank::F16,
        };
        assert_eq!(found.ivf, ivf);
        assert_eq!(options(&read(json!({"kind": "ivf", "codec": "pq"}))).codec, Codec::Pq { m: 0, bits: 4 });
        assert_eq!(
            options(&read(json!({"kind": "ivf", "codec": "rabitq"}))).codec,
            Codec::RaBitQ { bits: 1 }
        );
        let DenseIndexSpec::Ivf(usual) = read(json!({"kind": "ivf"})) else { panic!("not ivf") };
        assert_eq!(check_ivf(None, 8, &usual), Ok(()));
        for (given, code, name) in [
            (json!({"lists": 0}), Code::Limit, "lists"),
            (json!({"lists": 65_537}), Code::Limit, "lists"),
            (json!({"codec": "pq", "m": 9}), Code::Limit, "m"),
            (json!({"codec": "pq", "m": 0}), Code::Limit, "m"),
            (json!({"codec": "pq", "m": 5, "reduce": {"kind": "pca", "dims": 4}}), Code::Limit, "m"),
            (json!({"m": 4}), Code::Argument, "m"),
            (json!({"codec": "pq", "bits": 6}), Code::Argument, "bits"),
            (json!({"codec": "rabitq", "bits": 9}), Code::Limit, "bits"),
            (json!({"codec": "lvq8", "bits": 8}), Code::Argument, "bits"),
            (json!({"codec": "rabitq", "rotate": "opq"}), Code::Argument, "rotate"),
            (json!({"rerank": "vectors", "keep": false}), Code::Argument, "rerank"),
            (json!({"reduce": {"kind": "random", "dims": 9}}), Code::Limit, "reduce.dims"),
            (json!({"seed": 1u64 << 53}), Code::Limit, "seed"),
        ] {
            let mut whole = given.clone();
            whole["kind"] = json!("ivf");
            let DenseIndexSpec::Ivf(spec) = read(whole) else { panic!("not ivf") };
            let error = check_ivf(None, 8, &spec).unwrap_err();
            assert_eq!((error.code(), error.0.field.as_deref()), (code, Some(name)), "{given}");
            assert_eq!(check_ivf(Some("vector"), 8, &spec).unwrap_err().code(), Code::Schema);
        }
        let lists = |lists| DenseIndexSpec::Ivf(IvfSpec { lists, ..IvfSpec::default() });
        assert_eq!(check_trained(&lists(Some(64)), 63).unwrap_err().code(), Code::Limit);
        for (lists, vectors) in [(lists(Some(64)), 64), (lists(Some(64)), 0), (lists(None), 3)] {
            assert_eq!(check_trained(&lists, vectors), Ok(()));
        }
    }

    #[test]
    fn reduced_scans_keep_their_vectors() {
        let pca = Some(ReduceSpec::Pca(ReducedSpec { dims: 4 }));
        let of = |flat: FlatSpec| check(None, 8, &DenseIndexSpec::Flat(flat)).map_err(|e| e.0.field);
        let usual = FlatSpec { reduce: pca, ..FlatSpec::default() };
        assert_eq!(of(usual.clone()), Ok(()));
        assert_eq!(of(FlatSpec { keep: false, ..usual.clone() }), Err(Some("keep".into())));
        assert_eq!(of(FlatSpec { codec: CodecName::F16, ..usual }), Err(Some("codec".into())));
    }
}
