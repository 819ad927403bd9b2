//! The agent that fails each scenario, and the check by which it does, `fixtures/failed_by.toml`. A scenario that
//! nobody can fail proves nothing.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LIST_CHECKS, check_id};
use crate::fixtures;
use crate::input::{self, InputError, Source, shown};
use crate::judge::checks;
use crate::judge::{Check, Verdict};
use crate::manifest;
use crate::scenario;

/// A scenario, an agent that fails it, and the check by which it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedBy {
    /// The scenario.
    pub scenario: String,
    /// The agent, as on the command line.
    pub agent: String,
    /// The check by which it fails.
    pub check: String,
}

/// The agents that fail the scenarios, by the names of these.
pub type Toml = BTreeMap<String, Entry>;

/// The agent that fails a scenario, and the check by which it does.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The agent, with a release if wanted (`pghaspec list agents`).
    #[schemars(length(min = 1), example = &"patroni-defects/keeps-lock")]
    agent: String,
    /// The check (`pghaspec list checks`).
    #[schemars(schema_with = "check_id")]
    check: String,
}

/// The outcome of a failure that was foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The check failed.
    Caught,
    /// The run does not tell: it was not observed well enough, the harness failed, or there is no such check.
    Unknown,
    /// The check passed: the defect got through.
    Escaped,
}

impl FailedBy {
    /// All committed pairs, in the order of their scenarios' names.
    ///
    /// # Errors
    /// The file cannot be read, or a key or value in it is wrong.
    pub fn committed() -> Result<Vec<FailedBy>, InputError> {
        let file = fixtures::failed_by();
        FailedBy::parse(&file, &input::read(&file)?)
    }

    /// The pairs in the text of a file.
    ///
    /// # Errors
    /// A key or value in it is wrong.
    pub fn parse(file: &Path, text: &str) -> Result<Vec<FailedBy>, InputError> {
        let entries: Toml = input::parse(file, text)?;
        let source = Source { file, text };
        let mut all = Vec::new();
        for (scenario, Entry { agent, check }) in entries {
            let bare = scenario.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            let table = if bare { scenario.clone() } else { format!("\"{}\"", shown(&scenario)) };
            if let Some((problem, help)) = scenario::trouble(&scenario) {
                return Err(source.wrong(&table, problem, help));
            }
            if let Some((problem, help)) = manifest::trouble(&agent) {
                return Err(source.wrong(&format!("{table}.agent"), problem, help));
            }
            if let Err(why) = checks::known(&check) {
                return Err(source.wrong(&format!("{table}.check"), why, LIST_CHECKS));
            }
            all.push(FailedBy { scenario, agent, check });
        }
        Ok(all)
    }

    /// The outcome by the checks of a run of the scenario, and the words of the check that decided it. An error of the
    /// harness decides before all others.
    pub fn standing<'c>(&self, checks: &'c [Check]) -> (Standing, &'c str) {
        if let Some(error) = checks.iter().find(|check| check.verdict == Verdict::Error) {
            return (Standing::Unknown, &error.why);
        }
        match checks.iter().find(|check| check.id == self.check) {
            None => (Standing::Unknown, checks.first().map_or("nothing was judged", |check| check.why.as_str())),
            Some(check) => match check.verdict {
                Verdict::Fail => (Standing::Caught, &check.why),
                Verdict::Pass => (Standing::Escaped, &check.why),
                _ => (Standing::Unknown, &check.why),
            },
        }
    }
}

impl Standing {
    /// The word for it in reports.
    pub fn text(self) -> &'static str {
        match self {
            Standing::Caught => "caught",
            Standing::Unknown => "unknown",
            Standing::Escaped => "escaped",
        }
    }

    /// The exit code of a command that found this.
    pub fn exit_code(self) -> u8 {
        match self {
            Standing::Caught => 0,
            Standing::Unknown => 4,
            Standing::Escaped => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_failure_of_that_check_counts() {
        let file = Path::new("failed_by.toml");
        let all = FailedBy::parse(file, "[orphan-writer]\nagent = \"patroni\"\ncheck = \"leader\"\n").unwrap();
        let of = |leader: Verdict, other: Verdict| {
            let checks = [Check::new("leader", leader, "l"), Check::new("timeline", other, "t")];
            all[0].standing(&checks).0
        };
        assert_eq!(of(Verdict::Fail, Verdict::Inconclusive), Standing::Caught);
        assert_eq!(of(Verdict::Fail, Verdict::Error), Standing::Unknown);
        assert_eq!(of(Verdict::Inconclusive, Verdict::Fail), Standing::Unknown);
        assert_eq!(of(Verdict::Pass, Verdict::Fail), Standing::Escaped);
        assert_eq!(all[0].standing(&[]).0, Standing::Unknown);
        assert!(Standing::Caught < Standing::Unknown && Standing::Unknown < Standing::Escaped);
        let error = FailedBy::parse(file, "[orphan-writer]\nagent = \"patroni\"\nchecks = \"leader\"\n").unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
        let error = FailedBy::parse(file, "[orphan-writer]\nagent = \"patroni\"\ncheck = \"leeder\"\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed_by.toml:3: orphan-writer.check: there is no check `leeder`; the nearest is `leader`; help: \
             `pghaspec list checks` names them all"
        );
        for (from, to, words) in [
            ("orphan-writer", "orphan-writers", "failed_by.toml:1: orphan-writers: there is no scenario"),
            ("orphan-writer", "\"*\"", "failed_by.toml:1: \"*\": `*`: a `*` stands for nothing here"),
            (
                "\"patroni\"",
                "\"patrony\"",
                "failed_by.toml:2: orphan-writer.agent: there is no agent `patrony`; the nearest",
            ),
        ] {
            let text = "[orphan-writer]\nagent = \"patroni\"\ncheck = \"leader\"\n".replace(from, to);
            let error = FailedBy::parse(file, &text).unwrap_err();
            assert!(error.to_string().starts_with(words), "{error}");
        }
    }
}
