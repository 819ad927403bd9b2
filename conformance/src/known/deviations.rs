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

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LIST_CHECKS, check_ids};
use crate::input::{self, InputError, Source, shown};
use crate::judge::checks;
use crate::judge::{Check, Verdict};
use crate::manifest::Release;
use crate::scenario;

/// Name of the file.
pub const FILE: &str = "deviations.toml";

/// Most pairs of a check and a scenario in a list: three hundred checks in three hundred scenarios.
const MOST: usize = 100_000;

/// All known deviations of an agent, by check and scenario; of each the releases are apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deviations(BTreeMap<Pair, Vec<Deviation>>);

/// A check, and the scenario in which it fails.
type Pair = (String, String);

/// The failure of a check in a scenario that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deviation {
    from: Option<Release>,
    to: Option<Release>,
    reason: String,
    link: String,
    sometimes: bool,
}

/// The known deviations of an agent: checks that are known to fail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "deviations.toml")]
pub struct Toml {
    /// Checks that fail in some scenarios, for one reason.
    #[serde(default)]
    deviation: Vec<TomlDeviation>,
}

/// Checks that fail in some scenarios, for one reason.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TomlDeviation {
    /// The checks: each of them fails in each of the scenarios (`pghaspec list checks`).
    #[schemars(schema_with = "check_ids")]
    checks: Vec<String>,
    /// The scenarios, each by its name (`pghaspec list scenarios`).
    #[schemars(length(min = 1), example = ["leader-postmaster-killed"])]
    scenarios: Vec<String>,
    /// The first and the last release that has the deviation; an end that is absent is open.
    #[serde(default)]
    releases: Range,
    /// The reason, in a sentence.
    #[schemars(length(min = 1), example = &"A backend that outlives its postmaster goes on committing.")]
    reason: String,
    /// The address where one reads about it.
    #[schemars(regex(pattern = "^https://."), example = &"https://example.org/issues/1")]
    link: String,
    /// It depends on a race, and on which, so that it may be absent.
    #[schemars(length(min = 1), example = &"Which of the standbys is asked first decides.")]
    sometimes: Option<String>,
}

/// The first and the last release that has a deviation.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Range {
    /// The first.
    #[schemars(regex(pattern = r"^\d+(\.\d+)*$"), example = &"2.1.2")]
    from: Option<String>,
    /// The last.
    #[schemars(regex(pattern = r"^\d+(\.\d+)*$"), example = &"4.1.5")]
    to: Option<String>,
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

/// Names of scenarios that a list may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenarios {
    /// Those of the fixtures, and drawn ones.
    Known,
    /// Any: a run may be older than the fixtures.
    Any,
}

impl Deviations {
    /// The deviations in a file; none if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, or an entry in it is wrong: without a reason, doubled, about a check or a scenario that
    /// there is not, or with a range that is empty.
    pub fn read(file: &Path) -> Result<Deviations, InputError> {
        Deviations::of_file(file, Scenarios::Known)
    }

    /// The deviations by which a run was compared, in the file that it keeps; none if there is no such file. It may
    /// name scenarios that there are no more.
    ///
    /// # Errors
    /// As of [`Deviations::read`], but for the names of scenarios.
    pub fn recorded(file: &Path) -> Result<Deviations, InputError> {
        Deviations::of_file(file, Scenarios::Any)
    }

    fn of_file(file: &Path, scenarios: Scenarios) -> Result<Deviations, InputError> {
        if file.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(Deviations::default());
        }
        Deviations::of_text(file, &input::read(file)?, scenarios)
    }

    /// The deviations in the text of a file that somebody writes.
    ///
    /// # Errors
    /// As of [`Deviations::read`].
    pub fn written(file: &Path, text: &str) -> Result<Deviations, InputError> {
        Deviations::of_text(file, text, Scenarios::Known)
    }

    /// The deviations in the text of the file that a run keeps.
    ///
    /// # Errors
    /// As of [`Deviations::recorded`].
    pub fn parse(file: &Path, text: &str) -> Result<Deviations, InputError> {
        Deviations::of_text(file, text, Scenarios::Any)
    }

    fn of_text(file: &Path, text: &str, scenarios: Scenarios) -> Result<Deviations, InputError> {
        let written: Toml = input::parse(file, text)?;
        let source = Source { file, text };
        let mut known = Deviations::default();
        let mut count = 0;
        for (index, one) in written.deviation.iter().enumerate() {
            let key = |part: &str| format!("deviation[{index}].{part}");
            let deviation = checked(source, index, one, scenarios)?;
            count += one.checks.len() * one.scenarios.len();
            if count > MOST {
                let problem = format!("makes more than {MOST} pairs of a check and a scenario");
                return Err(source.wrong(&key("checks"), problem, "nobody reviews as many: name those that show"));
            }
            for (place, check) in one.checks.iter().enumerate() {
                for scenario in &one.scenarios {
                    if let Err(()) = known.add((check.clone(), scenario.clone()), deviation.clone()) {
                        let (check, scenario) = (shown(check), shown(scenario));
                        let problem =
                            format!("names {check}, which is known already for {scenario} and such a release");
                        let help = "keep one of the two, or let their releases not overlap";
                        return Err(source.wrong(&key(&format!("checks[{place}]")), problem, help));
                    }
                }
            }
        }
        Ok(known)
    }

    /// Adds one, unless it is known already for some of its releases.
    fn add(&mut self, pair: Pair, deviation: Deviation) -> Result<(), ()> {
        let all = self.0.entry(pair).or_default();
        // None stands before every release.
        let place = all.partition_point(|other| other.from <= deviation.from);
        let apart =
            |one: &Deviation, other: &Deviation| one.to.is_some() && other.from.is_some() && one.to < other.from;
        let after_before = place == 0 || apart(&all[place - 1], &deviation);
        let before_after = all.get(place).is_none_or(|after| apart(&deviation, after));
        if !after_before || !before_after {
            return Err(());
        }
        all.insert(place, deviation);
        Ok(())
    }

    /// The names of the scenarios in which something is known to fail.
    pub fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(_, scenario)| scenario.as_str())
    }

    /// Compares with the checks of a run of that release.
    pub fn compare<'r>(&self, version: &str, outcomes: impl IntoIterator<Item = ScenarioChecks<'r>>) -> Standing {
        let at = Release::parse(version);
        let mut here: BTreeMap<&str, BTreeMap<&str, &Deviation>> = BTreeMap::new();
        for ((check, scenario), all) in &self.0 {
            if let Some(one) = all.iter().find(|one| one.covers(at.as_ref())) {
                here.entry(scenario).or_default().insert(check, one);
            }
        }
        let mut standing = Standing::default();
        for ScenarioChecks { scenario, verdict, checks } in outcomes {
            let known = here.get(scenario);
            for check in checks.iter().filter(|check| check.verdict == Verdict::Fail) {
                match known.and_then(|known| known.get(check.id.as_str())) {
                    Some(known) => standing.known.push(known.told(scenario, &check.id)),
                    None => {
                        standing.unknown.push(Unknown { scenario: scenario.to_owned(), check: check.id.clone() });
                    }
                }
            }
            // A deviation that was not observed well enough may still be there.
            let observed = matches!(verdict, Verdict::Pass | Verdict::Fail);
            for (id, one) in known.into_iter().flatten().filter(|(_, one)| !one.sometimes) {
                let made = checks.iter().find(|check| check.id == *id).map(|check| check.verdict);
                if made == Some(Verdict::Pass) || made.is_none() && observed {
                    standing.gone.push(one.told(scenario, id));
                }
            }
        }
        standing
    }
}

/// An entry, if all that it says can be.
fn checked(
    source: Source<'_>,
    index: usize,
    one: &TomlDeviation,
    scenarios: Scenarios,
) -> Result<Deviation, InputError> {
    let told =
        |key: &str, problem: String, help: &str| source.wrong(&format!("deviation[{index}].{key}"), problem, help);
    let wrong = |key: &str, problem: String, help: &str| Err(told(key, problem, help));
    let sometimes = one.sometimes.as_ref().map(|why| ("sometimes", why));
    for (key, word) in [("reason", &one.reason), ("link", &one.link)].into_iter().chain(sometimes) {
        if word.trim().is_empty() {
            return wrong(key, "is empty".to_owned(), "a deviation that nobody explains is a defect");
        }
    }
    if !one.link.starts_with("https://") || one.link.len() == "https://".len() || one.link.contains(char::is_whitespace)
    {
        return wrong("link", "is no link".to_owned(), "write https://… where one reads about it");
    }
    let numbers = |key: &str, word: &Option<String>| match word {
        None => Ok(None),
        Some(word) => Release::parse(word)
            .map(Some)
            .ok_or_else(|| told(key, "is no release".to_owned(), "write numbers with dots between them, like 4.1.5")),
    };
    let (from, to) = (numbers("releases.from", &one.releases.from)?, numbers("releases.to", &one.releases.to)?);
    if from.is_some() && to.is_some() && from > to {
        return wrong("releases", "ends before it begins".to_owned(), "let `from` be the older one");
    }
    for (key, names) in [("checks", &one.checks), ("scenarios", &one.scenarios)] {
        if names.is_empty() {
            return wrong(key, "is empty".to_owned(), "name what is known to fail, and where");
        }
    }
    for (place, check) in one.checks.iter().enumerate() {
        if let Err(why) = checks::known(check) {
            return wrong(&format!("checks[{place}]"), why, LIST_CHECKS);
        }
    }
    for (place, scenario) in one.scenarios.iter().enumerate().filter(|_| scenarios == Scenarios::Known) {
        if let Some((problem, help)) = scenario::trouble(scenario) {
            return wrong(&format!("scenarios[{place}]"), problem, &help);
        }
    }
    let (reason, link) = (one.reason.clone(), one.link.clone());
    Ok(Deviation { from, to, reason, link, sometimes: one.sometimes.is_some() })
}

impl Deviation {
    fn covers(&self, release: Option<&Release>) -> bool {
        let Some(release) = release else { return self.from.is_none() && self.to.is_none() };
        self.from.as_ref().is_none_or(|from| from <= release) && self.to.as_ref().is_none_or(|to| release <= to)
    }

    fn told(&self, scenario: &str, check: &str) -> Known {
        let Deviation { reason, link, .. } = self.clone();
        Known { scenario: scenario.to_owned(), check: check.to_owned(), reason, link }
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
scenarios = ["orphan-writer"]
releases = { from = "2.1.2", to = "4.1.5" }
reason = "a backend outlives its postmaster"
link = "https://example.org/1"
"#;

    fn parse(text: &str) -> Result<Deviations, InputError> {
        Deviations::written(Path::new("deviations.toml"), text)
    }

    /// The standing of a run of that release, whose check came out so.
    fn compared(deviations: &Deviations, version: &str, verdict: Verdict) -> Standing {
        let checks = [Check::new("one-writable-leader", verdict, "why"), Check::pass("leader", "why")];
        deviations.compare(version, [ScenarioChecks { scenario: "orphan-writer", verdict, checks: &checks }])
    }

    #[test]
    fn what_fails_is_known_unknown_or_gone() {
        let deviations = parse(TEXT).unwrap();
        let standing = compared(&deviations, "4.1.5", Verdict::Fail);
        assert!(standing.is_as_expected());
        assert_eq!(standing.known("orphan-writer", "one-writable-leader").unwrap().link, "https://example.org/1");

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
            ("[\"orphan-writer\"]", "[]", "deviation[0].scenarios: is empty", Some(4)),
            ("\"a backend outlives its postmaster\"", "\" \"", "deviation[0].reason: is empty", Some(6)),
            ("https://example.org/1", "somewhere", "deviation[0].link: is no link", Some(7)),
            ("4.1.5", "newest", "deviation[0].releases.to: is no release", Some(5)),
            ("4.1.5", "2.0.0", "ends before it begins", Some(5)),
            ("one-writable", "one-writeable", "there is no check `one-writeable-leader`; the nearest is", Some(3)),
            (
                "orphan-writer",
                "orphan-writers",
                "there is no scenario `orphan-writers`; the nearest is `orphan",
                Some(4),
            ),
            ("orphan-writer", "*", "scenarios[0]: `*`: a `*` stands for nothing here", Some(4)),
            ("orphan-writer", "../scenarios/orphan-writer", "there is no scenario `../scenarios/", Some(4)),
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

    #[test]
    fn a_run_may_be_older_than_the_scenarios() {
        let text = TEXT.replace("orphan-writer", "of-former-days");
        assert!(parse(&text).is_err());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), &text).unwrap();
        assert_eq!(Deviations::recorded(&folder.path().join(FILE)).unwrap().scenarios().count(), 1);
    }

    #[test]
    fn many_deviations_are_read_in_a_moment() {
        let checks: Vec<String> = checks::ALL.iter().map(|check| format!("{:?}", check.id())).collect();
        let scenarios: Vec<String> = (0..2600).map(|index| format!("\"stress-1-{index}\"")).collect();
        let text = |checks: &str, scenarios: &str, release: &str| {
            format!(
                "[[deviation]]\nchecks = [{checks}]\nscenarios = [{scenarios}]\nreleases = {{ {release} }}\n\
                 reason = \"r\"\nlink = \"https://example.org/1\"\n"
            )
        };
        let begun = std::time::Instant::now();
        // As many as three hundred checks in three hundred scenarios would be.
        let all = parse(&text(&checks.join(", "), &scenarios.join(", "), "")).unwrap();
        assert_eq!(all.scenarios().count(), 2600 * checks.len());
        let made = [Check::new("one-writable-leader", Verdict::Fail, "why")];
        let of = |scenario| ScenarioChecks { scenario, verdict: Verdict::Fail, checks: &made };
        let standing = all.compare("1.0", ["stress-1-1"; 300].map(of));
        assert_eq!((standing.known.len(), standing.unknown.len()), (300, 0));
        let many: String = (0..300)
            .map(|number| {
                text(&checks[0], &scenarios[..300].join(", "), &format!("from = \"{number}\", to = \"{number}\""))
            })
            .collect();
        parse(&many).unwrap();
        assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
        let scenarios: Vec<String> = (0..3000).map(|index| format!("\"stress-1-{index}\"")).collect();
        let error = parse(&text(&checks.join(", "), &scenarios.join(", "), "")).unwrap_err();
        assert!(error.problem.contains("more than 100000 pairs"), "{error}");
    }
}
