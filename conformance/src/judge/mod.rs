//! The judge: from a recorded history to a verdict on the agent.
//!
//! It knows no Docker, and does no I/O but reading the recording and, for a long one, keeping observations in a
//! temporary file.
//!
//! | file | content |
//! | --- | --- |
//! | `pass.rs` | the pass over the parts of a recording, the only way from a history to its judgement |
//! | `checks/` | the checks, and their registry |
//! | `facts/` | facts that follow from events, without verdicts |
//! | `model/` | the history against every behaviour of the cluster model |
//! | `excuses/` | troubles that make a failure inconclusive, and claims that are not made |
//! | `durations.rs` | how long things took; no verdict |
//! | `verdict.rs` | verdicts, and the outcomes of checks |

pub mod checks;
pub mod durations;
mod excuses;
pub(crate) mod facts;
pub(crate) mod model;
mod pass;
pub mod verdict;

use pghaspec_model::rules::edition::Edition;
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::history::parts::Recording;
use crate::history::reader::Problem;
use crate::scenario::Expect;

pub use checks::allowed_by_the_model::allowed;
pub use durations::Measure;
pub use model::explaining_editions;
pub use verdict::{Check, Refutation, Verdict};

/// The judgement on one history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The worst of the checks.
    pub verdict: Verdict,
    /// Branches of `recover` that the agent said it took since the cluster was ready, in their order.
    pub branches: Vec<String>,
    /// Every check that applies, in the order of the registry.
    pub checks: Vec<Check>,
    /// Times that were measured.
    #[serde(default)]
    pub measured: Vec<Measure>,
    /// Number of branches and times of a long history that are not listed.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unlisted: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A recording that was judged.
pub struct Judged {
    /// The judgement on it.
    pub judgement: Judgement,
    /// The history as the model's observations; the error says why the model cannot be asked.
    query: Result<model::query::Query, String>,
    /// Most events that were held at once.
    pub held: usize,
    /// Ranges of rows that were held at the end: clients number their writes in a row, so they are as many as
    /// interruptions.
    pub ranges: usize,
}

impl Judged {
    /// Those of these editions that explain the recording; `None` if the model cannot be asked, or a search comes to
    /// its limit.
    pub fn explained_by(&self, editions: &[Edition]) -> Option<Vec<Edition>> {
        model::which(self.query.as_ref().ok()?, editions)
    }
}

/// Judges a history that is held, against an edition, and against the demands of its scenario if that is known.
pub fn judge(history: &History, edition: Edition, expect: Option<&Expect>) -> Judgement {
    let judged = judge_recording(&Recording::held(history), edition, expect);
    judged.map(|judged| judged.judgement).unwrap_or_else(|(_, problem)| {
        let check = checks::evidence::COMPLETE.came_out(Verdict::Error, problem);
        let verdict = check.verdict;
        Judgement { verdict, branches: Vec::new(), checks: vec![check], measured: Vec::new(), unlisted: 0 }
    })
}

/// Judges a recording, part by part, against an edition, and against the demands of its scenario if that is known.
///
/// # Errors
/// It cannot be read again, or there is no room for the temporary file.
pub fn judge_recording(recording: &Recording, edition: Edition, expect: Option<&Expect>) -> Result<Judged, Problem> {
    pass::judge(recording, edition, expect)
}
