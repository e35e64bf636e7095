//! The handle that opens others.

use std::sync::Arc;

use indexmap::IndexMap;
use tercet_kernels::{METRICS, available, isa_override_error, kernels};
use tercet_store::Env;

use crate::api::{Array, Control, Executor, Handle, Reply, components};
use crate::collection::{CollectionHandle, open};
use crate::evaluate::{Metric, Options, Order, evaluate};
use crate::level1::{self, recommend};
use crate::multi;
use crate::repair::repair;
use crate::snapshot;
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{Code, EvaluateReply, EvaluateRequest, InfoReply, OpenRequest, TercetError};

struct Root {
    env: Arc<dyn Env>,
    executor: Option<Arc<dyn Executor>>,
}

/// A root over an environment.
pub(crate) fn root(env: Arc<dyn Env>, executor: Option<Arc<dyn Executor>>) -> Arc<dyn Handle> {
    Arc::new(Root { env, executor })
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

/// Measures a run; the metrics' names are checked first.
fn evaluated(request: EvaluateRequest) -> Result<EvaluateReply, TercetError> {
    let metric = |name: &String| {
        name.parse::<Metric>().map_err(|e| {
            let known = crate::evaluate::metric_names().join(", ");
            TercetError::new(Code::Argument, format!("{e}; the metrics are {known}"))
                .field("metrics")
                .expected(known, name.clone())
        })
    };
    let metrics = request.metrics.iter().map(metric).collect::<Result<Vec<_>, _>>()?;
    let order = if request.trec_ties { Order::TrecEval } else { Order::Given };
    let run = request.run.into_iter().collect();
    let qrels =
        request.qrels.into_iter().map(|(query, judged)| (query, judged.into_iter().collect())).collect();
    let found = evaluate(&run, &qrels, &metrics, &Options { order, ..Options::default() });
    let named = |values: &[f64]| -> IndexMap<String, f64> {
        request.metrics.iter().cloned().zip(values.iter().copied()).collect()
    };
    Ok(EvaluateReply {
        queries: found.queries.len() as u64,
        means: named(&found.means),
        per_query: found.queries.iter().map(|q| (q.query.clone(), named(&q.values))).collect(),
    })
}

impl Handle for Root {
    fn call(
        &self,
        verb: &str,
        json: &str,
        mut arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        match verb {
            "info" => reply(&info()),
            "open" => {
                let request: OpenRequest = parse(json)?;
                let (collection, opened) = match snapshot::open(&self.env, &request, &mut arrays)? {
                    Some(opened) => opened,
                    None => open(&self.env, self.executor.clone(), &request)?,
                };
                let handle: Arc<dyn Handle> = Arc::new(CollectionHandle(collection));
                Ok(Reply { json: to_json(&opened)?, arrays: Vec::new(), handle: Some(handle) })
            }
            "import" => reply(&snapshot::import(&self.env, &parse(json)?, arrays, control)?),
            "repair" => reply(&repair(&self.env, &parse(json)?, control)?),
            "fde" => multi::encoding(&parse(json)?, &arrays),
            "evaluate" => reply(&evaluated(parse(json)?)?),
            "recommend" => recommend(&self.env, self.executor.as_ref(), json, &arrays, control),
            "index.open" => level1::open(&self.env, self.executor.as_ref(), json),
            other => level1::build(other, &self.env, self.executor.as_ref(), json, &arrays, control)
                .unwrap_or_else(|| Err(unknown_verb(other, "the root"))),
        }
    }

    fn estimate_us(&self, verb: &str, _json: &str, arrays: &[Array]) -> u64 {
        match verb {
            "info" => 1,
            "fde" => components(arrays) / 100,
            // It computes, and waits for nothing.
            "index.build" | "index.buildSparse" | "index.buildMulti" | "recommend" => u64::MAX - 1,
            _ => u64::MAX,
        }
    }

    fn close(&self) {}
}
