//! The handle that opens others.

use std::sync::Arc;

use tercet_kernels::{METRICS, available, isa_override_error, kernels};
use tercet_store::Env;

use crate::api::{Array, Control, Handle, Reply};
use crate::collection::{CollectionHandle, open};
use crate::level1::IndexHandle;
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{InfoReply, OpenRequest, TercetError};

struct Root {
    env: Arc<dyn Env>,
}

/// A root over an environment.
pub(crate) fn root(env: Arc<dyn Env>) -> Arc<dyn Handle> {
    Arc::new(Root { env })
}

fn info() -> InfoReply {
    InfoReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        isa: kernels().isa.name().to_owned(),
        available: available().into_iter().map(|isa| isa.name().to_owned()).collect(),
        isa_error: isa_override_error().map(|e| e.to_string()),
        analyzers: tercet_text::analyzer_names().into_iter().map(str::to_owned).collect(),
        metrics: METRICS.iter().map(|metric| metric.name().to_owned()).collect(),
        dense_kinds: tercet_index::DENSE_KINDS.iter().map(|kind| kind.name.to_owned()).collect(),
        format: tercet_store::SECTION_FILE_VERSION,
    }
}

impl Handle for Root {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        _control: &Control,
    ) -> Result<Reply, TercetError> {
        match verb {
            "info" => reply(&info()),
            "open" => {
                let request: OpenRequest = parse(json)?;
                let (collection, opened) = open(&self.env, &request)?;
                let handle: Arc<dyn Handle> = Arc::new(CollectionHandle(collection));
                Ok(Reply { json: to_json(&opened)?, arrays: Vec::new(), handle: Some(handle) })
            }
            "index.build" => IndexHandle::build(&self.env, json, &arrays),
            "index.open" => IndexHandle::open(&self.env, json),
            other => Err(unknown_verb(other, "the root")),
        }
    }

    fn estimate_us(&self, verb: &str, _json: &str, _arrays: &[Array]) -> u64 {
        if verb == "info" { 1 } else { u64::MAX }
    }

    fn close(&self) {}
}
