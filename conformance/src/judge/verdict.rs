//! Verdicts, from best to worst, and the outcomes of checks.
//!
//! A parent is the worst of its children, so that what is not known never looks like a pass.

use serde::{Deserialize, Serialize};

/// An outcome, from best to worst.
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

    /// The verdict on a scenario by its checks: the worst, but for those that the manifest does not claim, unless it
    /// claims none of them.
    pub fn of_checks(verdicts: impl Iterator<Item = Verdict> + Clone) -> Verdict {
        let claimed = verdicts.clone().filter(|verdict| *verdict != Verdict::Unsupported);
        match claimed.clone().next() {
            Some(_) => Verdict::worst(claimed),
            None => Verdict::worst(verdicts),
        }
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
    /// Its outcome.
    pub verdict: Verdict,
    /// The reason, in a sentence or several lines.
    pub why: String,
    /// `seq` of the event at which it shows, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// The model's refutation, of which `why` is the text, where it refuses the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refutation: Option<Refutation>,
}

/// The reason why no behaviour of the specification explains a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refutation {
    /// The event that has no explanation, and the edition that it was held to.
    pub event: String,
    /// The alternatives that the specification allows there.
    pub allowed: String,
    /// The rules whose breach explains the event, and remarks about them, a line each.
    pub rules: Vec<String>,
    /// The events that came before, a line each.
    pub before: Vec<String>,
}

impl Refutation {
    /// All of it, in lines.
    pub fn text(&self) -> String {
        let mut lines = vec![self.event.clone(), self.allowed.clone()];
        lines.extend(self.rules.iter().cloned());
        lines.push("what came before:".to_owned());
        lines.extend(self.before.iter().map(|line| format!("  {line}")));
        lines.join("\n")
    }
}

impl Check {
    /// A check's outcome.
    pub fn new(id: &str, verdict: Verdict, why: impl Into<String>) -> Check {
        Check { id: id.to_owned(), verdict, why: why.into(), event: None, refutation: None }
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

/// The earliest failure of a check, by the order of recording: one history fails at the same event in one part and in
/// many.
#[derive(Default)]
pub struct Earliest(Option<Check>);

impl Earliest {
    /// A failure that shows at the event with this `seq`.
    pub fn offer(&mut self, seq: u64, failure: impl FnOnce() -> Check) {
        if self.0.as_ref().is_none_or(|known| known.event > Some(seq)) {
            self.0 = Some(failure().at(Some(seq)));
        }
    }

    /// The earliest of all that were offered.
    pub fn found(self) -> Option<Check> {
        self.0
    }
}

/// Makes those of these checks inconclusive that failed at or after a moment of the run, or at none that is known, and
/// adds the reason. `moment` is the end of the event with that `seq`, in nanoseconds. A check that failed before the
/// moment has another cause.
pub fn excuse<'c>(
    checks: impl IntoIterator<Item = &'c mut Check>,
    from: u64,
    moment: impl Fn(u64) -> Option<u64>,
    why: &str,
) {
    for check in checks {
        let came_after = check.event.and_then(&moment).is_none_or(|at| at >= from);
        if check.verdict == Verdict::Fail && came_after {
            check.verdict = Verdict::Inconclusive;
            check.why = format!("{}\n{why}", check.why.trim_end());
        }
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
