//! The known deviations of an agent: checks that are known to fail, each with its reason, in a file that people review.
//!
//! `deviations.toml` beside the agent's manifest:
//!
//! ```toml
//! [[deviation]]
//! checks = ["one-writable-leader"]               # each of them in each of the scenarios
//! scenarios = ["orphan-writer"]
//! releases = { from = "2.1.2", to = "4.1.5" }   # both included, both may be left out
//! reason = "A backend that outlives its postmaster goes on committing while another node leads."
//! link = "https://github.com/patroni/patroni/issues/1"
//! sometimes = "Which of the standbys is asked first decides."   # only where no scenario can make it show each time
//! ```
//!
//! A run ends as expected if each failure is known, and each known deviation shows. A deviation that is gone has to
//! leave the file, else nobody would notice its return. Only one that depends on a race may be absent, and then the
//! file says on which.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::LIST_CHECKS;
use crate::input;
use crate::input::InputError;
use crate::judge::checks;
use crate::judge::{Check, Verdict};
use crate::manifest::Release;

/// Name of the file.
pub const FILE: &str = "deviations.toml";

/// All known deviations of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deviations(Vec<Deviation>);

/// One check that is known to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deviation {
    check: String,
    scenario: String,
    from: Option<Release>,
    to: Option<Release>,
    reason: String,
    link: String,
    sometimes: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    #[serde(default)]
    deviation: Vec<TomlDeviation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlDeviation {
    checks: Spanned<Vec<Spanned<String>>>,
    scenarios: Spanned<Vec<String>>,
    #[serde(default)]
    releases: Range,
    reason: Spanned<String>,
    link: Spanned<String>,
    sometimes: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
}

/// The checks of one scenario of a run.
#[derive(Clone, Copy, Debug)]
pub struct ScenarioChecks<'r> {
    /// The scenario.
    pub scenario: &'r str,
    /// The worst of its checks.
    pub verdict: Verdict,
    /// All of its checks.
    pub checks: &'r [Check],
}

/// The failures of a run, compared with the known deviations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Checks that failed, as is known.
    pub known: Vec<Known>,
    /// Checks that failed, and are not known to.
    pub unknown: Vec<Unknown>,
    /// Checks that are known to fail, and passed.
    pub gone: Vec<Known>,
}

/// A check that is known to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The scenario.
    pub scenario: String,
    /// The check.
    pub check: String,
    /// The reason why it fails.
    pub reason: String,
    /// The address of more about it.
    pub link: String,
}

/// A check that failed unexpectedly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// The scenario.
    pub scenario: String,
    /// The check.
    pub check: String,
}

impl Deviations {
    /// The deviations in a file; none if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, or an entry in it is wrong: without a reason, doubled, or with a range that is empty.
    pub fn read(file: &Path) -> Result<Deviations, InputError> {
        if !file.exists() {
            return Ok(Deviations::default());
        }
        Deviations::parse(file, &input::read(file)?)
    }

    fn parse(file: &Path, text: &str) -> Result<Deviations, InputError> {
        let written: Toml = input::parse(file, text)?;
        let mut known: Vec<Deviation> = Vec::new();
        for (index, one) in written.deviation.into_iter().enumerate() {
            let wrong = |key: &str, span, problem: &str, help: &str| {
                InputError::of_file(file, problem, help).at_key(format!("deviation[{index}].{key}")).at_span(text, span)
            };
            let sometimes = one.sometimes.as_ref().map(|why| ("sometimes", why));
            for (key, word) in [("reason", &one.reason), ("link", &one.link)].into_iter().chain(sometimes) {
                if word.get_ref().trim().is_empty() {
                    return Err(wrong(key, word.span(), "is empty", "a deviation that nobody explains is a defect"));
                }
            }
            if !one.link.get_ref().starts_with("https://") {
                return Err(wrong("link", one.link.span(), "is no link", "write https://… where one reads about it"));
            }
            let numbers = |key: &str, word: &Option<Spanned<String>>| match word {
                None => Ok(None),
                Some(word) => Release::parse(word.get_ref()).map(Some).ok_or_else(|| {
                    wrong(key, word.span(), "is no release", "write numbers with dots between them, like 4.1.5")
                }),
            };
            let (from, to) = (numbers("releases.from", &one.releases.from)?, numbers("releases.to", &one.releases.to)?);
            if from.is_some() && to.is_some() && from > to {
                return Err(wrong(
                    "releases",
                    one.checks.span(),
                    "ends before it begins",
                    "let `from` be the older one",
                ));
            }
            for (key, span, nothing) in [
                ("checks", one.checks.span(), one.checks.get_ref().is_empty()),
                ("scenarios", one.scenarios.span(), one.scenarios.get_ref().is_empty()),
            ] {
                if nothing {
                    return Err(wrong(key, span, "is empty", "name what is known to fail, and where"));
                }
            }
            for check in one.checks.get_ref() {
                if let Err(why) = checks::known(check.get_ref()) {
                    return Err(wrong("checks", check.span(), &why, LIST_CHECKS));
                }
            }
            for (check, scenario) in one
                .checks
                .get_ref()
                .iter()
                .flat_map(|check| one.scenarios.get_ref().iter().map(move |scenario| (check, scenario)))
            {
                let deviation = Deviation {
                    check: check.get_ref().clone(),
                    scenario: scenario.clone(),
                    from: from.clone(),
                    to: to.clone(),
                    reason: one.reason.get_ref().clone(),
                    link: one.link.get_ref().clone(),
                    sometimes: one.sometimes.is_some(),
                };
                if known.iter().any(|other| other.overlaps(&deviation)) {
                    let problem =
                        format!("names {}, which is known already for {scenario} and such a release", check.get_ref());
                    let help = "keep one of the two, or let their releases not overlap";
                    return Err(wrong("checks", check.span(), &problem, help));
                }
                known.push(deviation);
            }
        }
        Ok(Deviations(known))
    }

    /// The names of the scenarios in which something is known to fail.
    pub fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|one| one.scenario.as_str())
    }

    /// Compares with the checks of a run of that release.
    pub fn compare<'r>(&self, version: &str, outcomes: impl IntoIterator<Item = ScenarioChecks<'r>>) -> Standing {
        let at = Release::parse(version);
        let here: Vec<&Deviation> = self.0.iter().filter(|one| one.covers(at.as_ref())).collect();
        let mut standing = Standing::default();
        for ScenarioChecks { scenario, verdict, checks } in outcomes {
            for check in checks.iter().filter(|check| check.verdict == Verdict::Fail) {
                match here.iter().find(|one| (one.scenario.as_str(), &one.check) == (scenario, &check.id)) {
                    Some(known) => standing.known.push(known.told()),
                    None => {
                        standing.unknown.push(Unknown { scenario: scenario.to_owned(), check: check.id.clone() });
                    }
                }
            }
            // A deviation that was not observed well enough may still be there.
            let gone = |one: &&&Deviation| {
                let made = checks.iter().find(|check| check.id == one.check).map(|check| check.verdict);
                let observed = matches!(verdict, Verdict::Pass | Verdict::Fail);
                !one.sometimes
                    && one.scenario == scenario
                    && (made == Some(Verdict::Pass) || made.is_none() && observed)
            };
            standing.gone.extend(here.iter().filter(gone).map(|one| one.told()));
        }
        standing
    }
}

impl Deviation {
    fn covers(&self, release: Option<&Release>) -> bool {
        let Some(release) = release else { return self.from.is_none() && self.to.is_none() };
        self.from.as_ref().is_none_or(|from| from <= release) && self.to.as_ref().is_none_or(|to| release <= to)
    }

    fn overlaps(&self, other: &Deviation) -> bool {
        let ends_before = |one: &Deviation, other: &Deviation| {
            one.to.as_ref().is_some_and(|to| other.from.as_ref().is_some_and(|from| to < from))
        };
        (&self.check, &self.scenario) == (&other.check, &other.scenario)
            && !ends_before(self, other)
            && !ends_before(other, self)
    }

    fn told(&self) -> Known {
        let Deviation { check, scenario, reason, link, .. } = self.clone();
        Known { scenario, check, reason, link }
    }
}

impl Standing {
    /// Each failure is known, and each known deviation shows.
    pub fn is_as_expected(&self) -> bool {
        self.unknown.is_empty() && self.gone.is_empty()
    }

    /// The known deviation that explains this failed check.
    pub fn known(&self, scenario: &str, check: &str) -> Option<&Known> {
        self.known.iter().find(|known| (known.scenario.as_str(), known.check.as_str()) == (scenario, check))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[deviation]]
checks = ["one-writable-leader"]
scenarios = ["orphan"]
releases = { from = "2.1.2", to = "4.1.5" }
reason = "a backend outlives its postmaster"
link = "https://example.org/1"
"#;

    fn parse(text: &str) -> Result<Deviations, InputError> {
        Deviations::parse(Path::new("deviations.toml"), text)
    }

    /// The standing of a run of that release, whose check came out so.
    fn compared(deviations: &Deviations, version: &str, verdict: Verdict) -> Standing {
        let checks = [Check::new("one-writable-leader", verdict, "why"), Check::pass("leader", "why")];
        deviations.compare(version, [ScenarioChecks { scenario: "orphan", verdict, checks: &checks }])
    }

    #[test]
    fn what_fails_is_known_unknown_or_gone() {
        let deviations = parse(TEXT).unwrap();
        let standing = compared(&deviations, "4.1.5", Verdict::Fail);
        assert!(standing.is_as_expected());
        assert_eq!(standing.known("orphan", "one-writable-leader").unwrap().link, "https://example.org/1");

        let standing = compared(&deviations, "4.1.5", Verdict::Pass);
        assert_eq!((standing.known.len(), standing.unknown.len(), standing.gone.len()), (0, 0, 1));
        assert!(!standing.is_as_expected());

        // Of another release it is not known, and not missed.
        let standing = compared(&deviations, "4.2.0", Verdict::Fail);
        assert_eq!((standing.known.len(), standing.unknown.len(), standing.gone.len()), (0, 1, 0));
        assert!(compared(&deviations, "4.2.0", Verdict::Pass).is_as_expected());
        assert!(compared(&deviations, "2.1.10", Verdict::Fail).is_as_expected());
    }

    #[test]
    fn what_hangs_on_a_race_may_be_absent() {
        let deviations = parse(&format!("{TEXT}sometimes = \"who is asked first decides\"\n")).unwrap();
        assert!(compared(&deviations, "4.1.5", Verdict::Pass).is_as_expected());
        assert_eq!(compared(&deviations, "4.1.5", Verdict::Fail).known.len(), 1);
        let error = parse(&format!("{TEXT}sometimes = \"\"\n")).unwrap_err();
        assert!(error.to_string().contains("deviation[0].sometimes: is empty"), "{error}");
    }

    #[test]
    fn what_was_not_observed_is_not_gone() {
        let deviations = parse(TEXT).unwrap();
        for verdict in [Verdict::Inconclusive, Verdict::Error] {
            assert!(compared(&deviations, "4.1.5", verdict).is_as_expected());
        }
        assert!(deviations.compare("4.1.5", []).is_as_expected());
        // A check that was not made, though all was observed, is gone.
        let other = parse(&TEXT.replace("one-writable-leader", "single-user")).unwrap();
        assert_eq!(compared(&other, "4.1.5", Verdict::Pass).gone.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (from, to, words, line) in [
            ("scenarios =", "scenario =", "scenario", Some(4)),
            ("[\"orphan\"]", "[]", "deviation[0].scenarios: is empty", Some(4)),
            ("\"a backend outlives its postmaster\"", "\" \"", "deviation[0].reason: is empty", Some(6)),
            ("https://example.org/1", "somewhere", "deviation[0].link: is no link", Some(7)),
            ("4.1.5", "newest", "deviation[0].releases.to: is no release", Some(5)),
            ("4.1.5", "2.0.0", "ends before it begins", Some(3)),
            ("one-writable", "one-writeable", "there is no check `one-writeable-leader`; the nearest is", Some(3)),
        ] {
            let error = parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.line, line, "{error}");
        }
        let error = parse(&format!("{TEXT}{}", TEXT.replace("to = \"4.1.5\"", "to = \"3.0.0\""))).unwrap_err();
        assert!(error.to_string().contains("known already"), "{error}");
        parse(&format!("{TEXT}{}", TEXT.replace("from = \"2.1.2\", to = \"4.1.5\"", "from = \"4.1.6\""))).unwrap();
        assert_eq!(parse("").unwrap(), Deviations::default());
    }
}
