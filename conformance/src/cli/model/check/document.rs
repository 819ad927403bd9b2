//! The JSON document of `pghaspec check`.

use pghaspec_model::cluster::{Action, Cluster, Names, State, difference};
use pghaspec_model::engine::{Limit, Path};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::verify::check::Report;
use pghaspec_model::verify::liveness::Kept;
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::property::Property;
use serde::Serialize;

use crate::run::spec::SPEC_SHA256;

#[derive(Serialize)]
pub(super) struct Document {
    /// Version of this program.
    pub(super) version: &'static str,
    /// Digest of the specification's sources.
    pub(super) spec_sha256: &'static str,
    pub(super) edition: &'static str,
    pub(super) mutant: Option<&'static str>,
    pub(super) nodes: u8,
    pub(super) watchdog: bool,
    pub(super) faults: Vec<&'static str>,
    pub(super) states: usize,
    pub(super) transitions: usize,
    pub(super) depth: usize,
    pub(super) deadlocks: usize,
    /// A shortest behaviour that ends in a deadlock.
    pub(super) deadlock: Option<Vec<Step>>,
    pub(super) complete: bool,
    /// States with so many WAL records that some of their steps were left out.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) cut_short: usize,
    /// The limit that ended an incomplete search: `depth`, `time`, `memory` or `spill`.
    pub(super) limit: Option<&'static str>,
    pub(super) unexpanded: usize,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// The form in which states are stored.
    pub(super) storage: &'static str,
    /// Bytes per state in memory.
    pub(super) bytes_per_state: usize,
    /// Bytes that were moved to the folder of `--spill`.
    pub(super) spilled: usize,
    pub(super) symmetry: bool,
    pub(super) threads: usize,
    /// The second opinion; `null` if it was left out, or cannot answer: under symmetry, or when a limit was reached.
    pub(super) second_engine: Option<SecondEngine>,
    pub(super) properties: Vec<PropertyResult>,
    pub(super) branches: Vec<BranchResult>,
    pub(super) actions: Vec<ActionResult>,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

#[derive(Serialize)]
pub(super) struct SecondEngine {
    pub(super) name: &'static str,
    pub(super) states: usize,
    pub(super) agrees: bool,
}

#[derive(Serialize)]
pub(super) struct PropertyResult {
    pub(super) id: &'static str,
    pub(super) kind: &'static str,
    pub(super) result: &'static str,
    pub(super) counterexample: Option<Vec<Step>>,
    /// The step from which on the counterexample to a liveness property, a lasso, repeats itself.
    pub(super) repeats_from: Option<usize>,
}

/// One step of a counterexample.
#[derive(Serialize)]
pub(super) struct Step {
    pub(super) step: usize,
    pub(super) action: String,
    pub(super) changes: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct BranchResult {
    pub(super) id: &'static str,
    pub(super) row: &'static str,
    pub(super) message: String,
    pub(super) witnessed: bool,
}

#[derive(Serialize)]
pub(super) struct ActionResult {
    pub(super) id: &'static str,
    pub(super) witnessed: bool,
}

pub(super) fn document(report: &Report, promises: &[(Property, Option<Kept>)]) -> Document {
    let settings = &report.cluster.settings;
    let rules = report.cluster.rules();
    Document {
        version: env!("CARGO_PKG_VERSION"),
        spec_sha256: SPEC_SHA256,
        edition: settings.edition.id(),
        mutant: settings.mutant.map(Mutant::id),
        nodes: settings.nodes,
        watchdog: settings.watchdog,
        faults: settings.faults.iter().map(Fault::id).collect(),
        states: report.states,
        transitions: report.transitions,
        depth: report.depth,
        deadlocks: report.deadlocks,
        deadlock: report.deadlock.as_ref().map(|path| steps(&report.cluster, path)),
        complete: report.incomplete.is_none() && report.cut_short == 0,
        cut_short: report.cut_short,
        limit: report.incomplete.map(|limit| match limit {
            Limit::Depth => "depth",
            Limit::Time => "time",
            Limit::Memory => "memory",
            Limit::Spill => "spill",
        }),
        unexpanded: report.unexpanded,
        seconds: 0.0,
        cpu_seconds: 0.0,
        storage: "whole states, no fingerprints",
        bytes_per_state: report.bytes_per_state,
        spilled: report.spilled,
        symmetry: report.options.symmetry,
        threads: report.options.threads,
        second_engine: None,
        properties: report
            .properties
            .iter()
            .filter(|(property, _)| !property.is_liveness())
            .map(|(property, counterexample)| PropertyResult {
                id: property.id(),
                kind: "safety",
                result: match (counterexample, report.incomplete) {
                    (Some(_), _) => "violated",
                    (None, None) if report.cut_short == 0 => "holds",
                    (None, _) => "not-violated-so-far",
                },
                counterexample: counterexample.as_ref().map(|path| steps(&report.cluster, path)),
                repeats_from: None,
            })
            .chain(promises.iter().map(|(property, kept)| promise(&report.cluster, *property, kept.as_ref())))
            .collect(),
        branches: report
            .branches
            .iter()
            .map(|(branch, witness)| BranchResult {
                id: branch.id(),
                row: branch.row(),
                message: branch.message(rules.words),
                witnessed: witness.is_some(),
            })
            .collect(),
        actions: report.actions.iter().map(|&(id, witnessed)| ActionResult { id, witnessed }).collect(),
    }
}

fn promise(cluster: &Cluster, property: Property, kept: Option<&Kept>) -> PropertyResult {
    let lasso = kept.and_then(|kept| kept.broken.as_ref());
    PropertyResult {
        id: property.id(),
        kind: "liveness",
        result: match kept {
            None => "not-checked",
            Some(Kept { broken: Some(_), .. }) => "violated",
            Some(Kept { given: 0, .. }) => "no-occasion",
            Some(_) => "holds",
        },
        counterexample: lasso.map(|lasso| {
            let mut whole = lasso.prefix.clone();
            whole.steps.extend(lasso.cycle.iter().cloned());
            steps(cluster, &whole)
        }),
        repeats_from: lasso.filter(|lasso| !lasso.cycle.is_empty()).map(|lasso| lasso.prefix.steps.len() + 1),
    }
}

fn steps(cluster: &Cluster, path: &Path<State, Action>) -> Vec<Step> {
    let names = Names::numbered();
    let mut before = &path.init;
    let timeout = if before.start_timeout_is_zero { "zero" } else { "positive" };
    let mut steps = vec![Step {
        step: 0,
        action: format!("n1 leads, the others follow; primary_start_timeout is {timeout}"),
        changes: Vec::new(),
    }];
    for (index, (action, after)) in path.steps.iter().enumerate() {
        steps.push(Step {
            step: index + 1,
            action: cluster.step_text(&names, before, *action),
            changes: difference(&names, before, after),
        });
        before = after;
    }
    steps
}
