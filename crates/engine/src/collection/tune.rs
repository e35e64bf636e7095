//! Measures the recall of fields of vectors: `tune` keeps a curve from effort to recall, `measure` says what recall a search
//! has. Both search for queries (`measured.rs`), and compare with an exact search. A curve is part of the version that it was
//! measured on and of those that follow.

use std::sync::Arc;

use tercet_index::{Effort, SparseEffort};

use super::measured::{Measured, Trying};
use super::{Collection, FieldCurves, Snapshot};
use crate::api::{Array, Control};
use crate::effort::Steps;
use crate::recall::{self, Climb, Curves};
use crate::search::expand;
use crate::search::maxsim;
use crate::search::near::{self, Asked};
use crate::wire::{Code, Curve, FieldSpec, MeasureReply, MeasureRequest, TercetError, TuneRequest};

impl Collection {
    /// Measures a ladder of efforts and keeps the curve.
    pub(super) fn tune(
        &self,
        request: &TuneRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<Curve, TercetError> {
        self.writable()?;
        control.step(0)?;
        let snapshot = self.snapshot()?;
        if !(request.target > 0.0 && request.target <= 1.0) {
            let found = request.target.to_string();
            let message = format!("target must be above 0 and at most 1, found {found}");
            return Err(TercetError::new(Code::Limit, message)
                .field("target")
                .expected("above 0, at most 1", found));
        }
        let clock = || self.env.now_ms();
        let asked = (request.field.as_str(), request.k, request.sample);
        let mut measured = Measured::new(&snapshot, asked, arrays, &clock, control)?;
        let queries = measured.len();
        let mut climb = Climb::default();
        if !measured.is_exact()? && queries > 0 {
            let rungs = measured.rungs();
            // The ladder may end early: this is the most there is to do.
            control.begin((rungs.len() as u64 + 2) * queries as u64);
            measured.reach()?;
            let truth = measured.run(Trying::Effort(Effort::Exact))?;
            for rung in rungs {
                let found = measured.run(Trying::Effort(Effort::Ef(rung)))?;
                let (shares, cost) = (found.shares(&truth), found.cost(queries));
                if climb.push(rung, measured.k, &shares, cost, request.target) {
                    break;
                }
            }
        }
        let curve = Curve {
            k: measured.k as u32,
            queries: measured.len() as u32,
            probes: measured.are_probes(),
            size: snapshot.documents_with(measured.field)?,
            points: climb.points(),
        };
        self.keep_curve(&snapshot.schema.fields[measured.field].key, &curve)?;
        Ok(curve)
    }

    fn keep_curve(&self, key: &str, curve: &Curve) -> Result<(), TercetError> {
        let mut writer = self.idle_writer()?;
        let before = self.current();
        let mut curves = FieldCurves::clone(&before.curves);
        let of_field = curves.get(key).map_or_else(Curves::default, Curves::clone);
        curves.insert(key.to_owned(), of_field.with(curve.clone()));
        let show = |curves| {
            let now = self.current();
            let (schema, parts, version) = (now.schema.clone(), now.parts.clone(), now.version);
            self.show(Snapshot { schema, parts, version, curves });
        };
        show(Arc::new(curves));
        if self.dir.is_some()
            && let Err(error) = self.checkpoint_head(&mut writer)
        {
            show(before.curves.clone());
            return Err(error);
        }
        Ok(())
    }

    /// The recall of an effort.
    pub(super) fn measure(
        &self,
        request: &MeasureRequest,
        arrays: &[Array],
        control: &Control,
    ) -> Result<MeasureReply, TercetError> {
        let snapshot = self.snapshot()?;
        let clock = || self.env.now_ms();
        let asked = (request.field.as_str(), request.k, request.sample);
        let mut measured = Measured::new(&snapshot, asked, arrays, &clock, control)?;
        let trying = trying(&snapshot, &measured, request)?;
        let queries = measured.len();
        control.begin(3 * queries as u64);
        measured.reach()?;
        let truth = measured.run(Trying::Effort(Effort::Exact))?;
        let found = measured.run(trying)?;
        let shares = found.shares(&truth);
        let (low, high) = recall::interval(&shares, measured.k);
        Ok(MeasureReply {
            recall: recall::mean(&shares),
            low,
            high,
            queries: measured.len() as u32,
            distances: found.cost(queries),
        })
    }
}

/// How hard to try, as it was asked for: in one way, and one that the field has.
fn trying(
    snapshot: &Snapshot,
    measured: &Measured<'_>,
    request: &MeasureRequest,
) -> Result<Trying, TercetError> {
    let MeasureRequest { ef, nprobe, candidates, alpha, beta, cells, recall, .. } = *request;
    let (k, field) = (measured.k, measured.field);
    let graphs = [("ef", ef.is_some()), ("nprobe", nprobe.is_some())];
    let ranked = [("candidates", candidates.is_some())];
    let slack = [("alpha", alpha.is_some()), ("beta", beta.is_some()), ("cells", cells.is_some())];
    match measured.spec() {
        FieldSpec::Sparse(_) => {
            refuse(&request.field, graphs.iter().chain(&ranked))?;
            let asked = expand::slack(alpha, beta, cells.map(|cells| cells as f64))?;
            let effort: SparseEffort = expand::by_recall(snapshot, field, asked, recall, k)?;
            Ok(Trying::Slack(effort))
        }
        FieldSpec::Multi(spec) => {
            refuse(&request.field, graphs.iter().chain(&slack))?;
            let asked = (candidates, recall, false);
            maxsim::effort(snapshot, field, spec, asked, k).map(Trying::Effort)
        }
        _ => {
            refuse(&request.field, slack.iter())?;
            let steps = Steps {
                ef: ef.map(|ef| ef as f64),
                nprobe: nprobe.map(|lists| lists as f64),
                candidates: candidates.map(|candidates| candidates as f64),
                oversample: None,
            };
            let asked = Asked { steps, recall, exact: false };
            near::effort(snapshot, field, &asked, k).map(Trying::Effort)
        }
    }
}

fn refuse<'n>(
    field: &str,
    mut named: impl Iterator<Item = &'n (&'static str, bool)>,
) -> Result<(), TercetError> {
    match named.find(|(_, given)| *given) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("searches of `{field}` have no `{name}`");
            Err(TercetError::new(Code::Argument, message)
                .field(*name)
                .expected("an effort of such a field", *name))
        }
    }
}
