//! The judge: reads a recorded history and says whether the agent did right. It knows no Docker, and does no I/O but reading.
//!
//! | file | checks |
//! | --- | --- |
//! | `evidence.rs` | the run is whole, and its faults took effect |
//! | `safety.rs` | safety properties, on the events alone |
//! | `durability.rs` | acknowledged, lost and ghost writes; the same rows everywhere |
//! | `expected.rs` | what the scenario demands |
//! | `allowed.rs` | some behaviour of the model explains the history: `question.rs` asks, `blame.rs` names the broken rule, `beliefs.rs` remembers |

mod allowed;
mod beliefs;
mod blame;
mod durability;
mod evidence;
mod expected;
mod history;
mod question;
mod safety;
mod verdict;
mod words;

use pghaspec_model::branch::Branch;
use pghaspec_model::edition::Edition;
use pghaspec_model::event::Kind;
use serde::{Deserialize, Serialize};

pub use allowed::{allowed, explaining_editions};
pub use history::{History, HistoryError, seconds};
pub use verdict::{Check, Verdict};
pub use words::line;

use crate::scenario::Expect;

/// The judgement on one history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The worst of the checks.
    pub verdict: Verdict,
    /// Branches of `recover` that the agent said it took, in their order.
    pub branches: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
}

/// Judges a history against an edition, and against what its scenario demands if that is known.
pub fn judge(history: &History, edition: Edition, expect: Option<&Expect>) -> Judgement {
    let mut checks = vec![
        evidence::complete(history),
        evidence::faults(history),
        evidence::observers(history),
        safety::one_writable_leader(history),
        safety::writable_needs_lock(history),
        safety::crash_recovery_once(history),
    ];
    match expect {
        Some(expect) => checks.extend(expected::checks(history, &expect.of(edition))),
        None => checks.push(Check::new(
            "scenario-demands",
            Verdict::Skipped,
            format!("there is no scenario `{}` here: nothing but the specification is asked", history.run.scenario),
        )),
    }
    checks.push(durability::acknowledged_writes(history));
    checks.push(durability::same_rows_everywhere(history));
    checks.push(allowed::allowed(history, edition));
    let mut branches: Vec<(u64, Branch)> = history
        .events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Recover { branch, .. } => Some((event.at[1], branch)),
            _ => None,
        })
        .collect();
    branches.sort_unstable();
    Judgement {
        verdict: Verdict::worst(checks.iter().map(|check| check.verdict)),
        branches: branches.into_iter().map(|(_, branch)| branch.id().to_owned()).collect(),
        checks,
    }
}
