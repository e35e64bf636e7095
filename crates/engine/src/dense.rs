//! Dense index kinds as the wire names them: their settings checked, and handed to the index crate.
//!
//! Nothing else here or above looks at which kind an index is of.

use tercet_index::{Codec, DenseKind, DenseOptions, Dtype, Reduce, dense_kind};

use crate::id::SAFE_INTEGER_MAX;
use crate::wire::{Code, CodecName, DenseIndexSpec, DenseSpec, MetricName, ReduceSpec, TercetError};

/// The most components a vector may have.
pub(crate) const DIMS_MAX: u32 = 65_535;
const M_MIN: u32 = 4;
const M_MAX: u32 = 64;
const EF_CONSTRUCTION_MAX: u32 = 4_096;

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
        DenseIndexSpec::Flat(flat) => {
            DenseOptions { codec: codec(flat.codec), reduce: Reduce::None, keep: flat.keep, ..usual }
        }
        DenseIndexSpec::Hnsw(hnsw) => DenseOptions {
            codec: codec(hnsw.codec),
            reduce: match hnsw.reduce {
                None => Reduce::Auto,
                Some(ReduceSpec::None {}) => Reduce::None,
                Some(ReduceSpec::Pca(to)) => Reduce::Pca(to.dims),
                Some(ReduceSpec::Prefix(to)) => Reduce::Prefix(to.dims),
            },
            keep: hnsw.keep,
            m: hnsw.m.min(M_MAX) as u16,
            ef_construction: hnsw.ef_construction.min(EF_CONSTRUCTION_MAX) as u16,
            seed: hnsw.seed,
            ..usual
        },
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
    let DenseIndexSpec::Hnsw(hnsw) = index else {
        return Ok(());
    };
    within(field, "m", hnsw.m, M_MIN, M_MAX)?;
    within(field, "efConstruction", hnsw.ef_construction, hnsw.m, EF_CONSTRUCTION_MAX)?;
    within(field, "seed", hnsw.seed, 0, SAFE_INTEGER_MAX as u64)?;
    match hnsw.reduce {
        Some(ReduceSpec::Pca(to) | ReduceSpec::Prefix(to)) => within(field, "reduce.dims", to.dims, 1, dims),
        Some(ReduceSpec::None {}) | None => Ok(()),
    }
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
    #![allow(clippy::unwrap_used)]
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
            json!({"kind": "ivf"}),
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
}
