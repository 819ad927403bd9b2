//! Verdicts, from best to worst, and the tree that they form.

use serde::{Deserialize, Serialize};

/// How something turned out. A parent is the worst of its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It could have come out otherwise, and came out right.
    Pass,
    /// The agent's manifest does not claim it.
    Unsupported,
    /// Somebody asked to leave it out.
    Skipped,
    /// It was not observed well enough to tell.
    Inconclusive,
    /// The agent did wrong.
    Fail,
    /// The harness did wrong.
    Error,
}

impl Verdict {
    /// The worst of several; of none, nothing was observed.
    pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().max().unwrap_or(Verdict::Inconclusive)
    }

    /// As in reports.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Unsupported => "unsupported",
            Verdict::Skipped => "skipped",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
        }
    }

    /// The exit code of a command whose worst verdict this is.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass | Verdict::Unsupported | Verdict::Skipped => 0,
            Verdict::Fail => 1,
            Verdict::Inconclusive | Verdict::Error => 4,
        }
    }
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its stable name.
    pub id: String,
    /// How it turned out.
    pub verdict: Verdict,
    /// Why, in a sentence or several lines.
    pub why: String,
    /// `seq` of the event at which it shows, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

impl Check {
    /// A check's outcome.
    pub fn new(id: &str, verdict: Verdict, why: impl Into<String>) -> Check {
        Check { id: id.to_owned(), verdict, why: why.into(), event: None }
    }

    /// The same, with the event at which it shows.
    pub fn at(mut self, event: Option<u64>) -> Check {
        self.event = event;
        self
    }

    /// It came out right.
    pub fn pass(id: &str, why: impl Into<String>) -> Check {
        Check::new(id, Verdict::Pass, why)
    }

    /// The agent did wrong.
    pub fn fail(id: &str, why: impl Into<String>) -> Check {
        Check::new(id, Verdict::Fail, why)
    }

    /// It was not observed well enough.
    pub fn inconclusive(id: &str, why: impl Into<String>) -> Check {
        Check::new(id, Verdict::Inconclusive, why)
    }
}

/// Makes inconclusive what failed at or after a moment of the run, or at none that is known, and adds why; `moment` tells when an event, by its
/// `seq`, was over. What went wrong before went wrong.
pub fn excuse(checks: &mut [Check], from: u64, moment: impl Fn(u64) -> Option<u64>, why: &str) {
    let came_after = |check: &Check| check.event.and_then(&moment).is_none_or(|at| at >= from);
    for check in checks.iter_mut().filter(|check| check.verdict == Verdict::Fail && came_after(check)) {
        check.verdict = Verdict::Inconclusive;
        check.why = format!("{}\n{why}", check.why.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_nothing_is_not_a_pass() {
        assert_eq!(Verdict::worst([]), Verdict::Inconclusive);
        assert_eq!(Verdict::worst([Verdict::Pass, Verdict::Pass]), Verdict::Pass);
        assert_eq!(Verdict::worst([Verdict::Inconclusive, Verdict::Pass]), Verdict::Inconclusive);
        assert_eq!(Verdict::worst([Verdict::Inconclusive, Verdict::Fail]), Verdict::Fail);
        assert_eq!(Verdict::worst([Verdict::Error, Verdict::Fail]), Verdict::Error);
    }
}
