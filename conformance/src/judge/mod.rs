//! The judge: reads a recorded history and says whether the agent did right. It knows no Docker, and does no I/O but reading.
//!
//! | file | what |
//! | --- | --- |
//! | `verdict.rs` | verdicts, and the checks that have them |
//! | `checks/` | the checks |
//! | `facts/` | what follows from the events, without a verdict |
//! | `model/` | some behaviour of the model explains the history, or a rule is broken |
//! | `starved.rs` | where the machine had no time for the nodes, nothing that went wrong is the agent's |
//! | `durations.rs` | how long things took; no verdict |
//! | `long.rs` | a long history, part by part |

pub(crate) mod checks;
pub mod durations;
pub(crate) mod facts;
mod long;
pub(crate) mod model;
mod starved;
pub mod verdict;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Kind, Phase};
use serde::{Deserialize, Serialize};
use starved::Starved;

use crate::history::History;
use checks::{
    crash_recovery, data_directory, demands, durability, evidence, leadership, liveness, needless_rewind,
    system_identifier,
};
pub use durations::Measure;
use facts::ledger::Ledger;
pub use long::{Long, judge_long};
pub use model::{allowed, explaining_editions};
pub use verdict::{Check, Verdict};

use crate::scenario::Expect;

/// The check that holds a history against the model.
pub(crate) const ALLOWED: &str = "allowed-by-the-model";

/// The judgement on one history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The worst of the checks.
    pub verdict: Verdict,
    /// Branches of `recover` that the agent said it took since the cluster was ready, in their order.
    pub branches: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// How long things took.
    #[serde(default)]
    pub measured: Vec<Measure>,
    /// Branches and times of a long history that are not listed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unlisted: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Judges a history against an edition, and against what its scenario demands if that is known.
pub fn judge(history: &History, edition: Edition, expect: Option<&Expect>) -> Judgement {
    let ledger = Ledger::of(history);
    let model = model::allowed(history, edition);
    let mut checks = of_the_end(history, edition, expect, &ledger, of_the_way(history), model);
    Starved::of(history).excuse(&mut checks, &history.run, |seq| history.over(seq));
    // How a cluster comes up is not judged: one that was prepared starts with a recovery of its own.
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    let mut branches: Vec<(u64, Branch)> = history
        .events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Recover { branch, .. } if event.at[1] >= ready => Some((event.at[1], branch)),
            _ => None,
        })
        .collect();
    branches.sort_unstable();
    Judgement {
        verdict: Verdict::worst(checks.iter().map(|check| check.verdict)),
        branches: branches.into_iter().map(|(_, branch)| branch.id().to_owned()).collect(),
        checks,
        measured: durations::measure(history),
        unlisted: 0,
    }
}

/// What is asked of each part of a history: nothing that must never happen did.
fn of_the_way(history: &History) -> Vec<Check> {
    let mut checks = vec![evidence::faults(history), evidence::strangers(history)];
    checks.extend(leadership::checks(history));
    checks.extend(crash_recovery::checks(history));
    checks.extend(data_directory::checks(history));
    checks.extend(system_identifier::one_system_identifier(history));
    checks.push(needless_rewind::diverged_before_rewind(history));
    checks
}

/// All checks in their order, with those that are asked when all was seen: the evidence is whole, and everything has come to a good end.
fn of_the_end(
    history: &History,
    edition: Edition,
    expect: Option<&Expect>,
    ledger: &Result<Ledger, String>,
    mut of_the_way: Vec<Check>,
    model: Check,
) -> Vec<Check> {
    let safety = of_the_way.split_off(2);
    let strangers = of_the_way.pop();
    let mut checks = vec![evidence::complete(history)];
    checks.extend(of_the_way);
    let observers = evidence::observers(history);
    checks.push(strangers.filter(|check| check.verdict > observers.verdict).unwrap_or(observers));
    checks.extend(safety);
    match expect {
        Some(expect) => checks.extend(demands::checks(history, &expect.of(&history.rules(edition)))),
        None => checks.push(Check::new(
            "scenario-demands",
            Verdict::Skipped,
            format!("there is no scenario `{}` here: nothing but the specification is asked", history.run.scenario),
        )),
    }
    checks.extend(durability::checks(history, ledger));
    checks.extend(liveness::checks(history, ledger));
    checks.push(model);
    checks
}
