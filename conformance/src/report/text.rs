//! The results in words, for a terminal.

use std::path::{Path, PathBuf};

use super::{Results, coverage};
use crate::judge::{Judgement, Verdict};
use crate::known::deviations::Standing;
use crate::run::lap::Lap;

/// A whole run: its results, the folder that they are in, and the folders with the evidence.
pub fn results(results: &Results, folder: &Path, runs: &[PathBuf]) -> String {
    let mut text = format!(
        "\n{} {} against {}{}\n\n",
        results.agent.name,
        results.agent.version,
        match &results.spec.edition {
            Some(edition) => format!("edition {edition} of the specification"),
            None => "its claims".to_owned(),
        },
        if results.spec.rules.is_empty() { String::new() } else { format!(", with {}", results.spec.rules.join(", ")) }
    );
    if results.spec.edition.is_none() {
        text += &summary(results);
    }
    for scenario in &results.scenarios {
        let judgement = scenario.judgement();
        text += &self::scenario(&scenario.id, &judgement, Some(scenario.seconds), Some(&results.deviations));
        text += &time(&scenario.time);
        text.push('\n');
    }
    text += &deviations(&results.deviations);
    if results.spec.edition.is_some() {
        text += &coverage::text(&results.scenarios);
    }
    text += &coverage::traced_text(runs);
    let expected = match (results.verdict, results.as_expected) {
        (Verdict::Fail, true) => ", as is known of this release",
        (Verdict::Fail, false) => "",
        (_, true) => "",
        (_, false) if !results.deviations.gone.is_empty() => ", but a known deviation is gone",
        (_, false) => "",
    };
    text + &format!("verdict: {}{expected}\nevidence: {}\n", results.verdict.text(), folder.display())
}

/// The run in one line, and what the agent was not held to.
fn summary(results: &Results) -> String {
    let of = |verdict: Verdict| results.scenarios.iter().filter(|one| one.verdict == verdict).count();
    let (all, passed) = (results.scenarios.len(), of(Verdict::Pass));
    let others = [Verdict::Fail, Verdict::Inconclusive, Verdict::Error, Verdict::Skipped, Verdict::Unsupported];
    let others = others.into_iter().filter(|verdict| of(*verdict) > 0);
    let others: String = others.map(|verdict| format!("; {} {}", of(verdict), verdict.text())).collect();
    let mut unclaimed: Vec<&str> = Vec::new();
    for check in results.scenarios.iter().flat_map(|one| &one.checks) {
        if check.verdict == Verdict::Unsupported && !unclaimed.contains(&check.id.as_str()) {
            unclaimed.push(&check.id);
        }
    }
    let unclaimed = match unclaimed.is_empty() {
        true => String::new(),
        false => format!("; not claimed, somewhere at least: {}", unclaimed.join(", ")),
    };
    format!("{passed} of {all} scenarios pass{others}{unclaimed}\n\n")
}

/// The duration of each part, and the share that was not the agents'.
fn time(laps: &[Lap]) -> String {
    if laps.is_empty() {
        return String::new();
    }
    let parts: Vec<_> = laps.iter().map(|lap| format!("{} {:.1} s", lap.part.text(), lap.seconds)).collect();
    let sum = |laps: &mut dyn Iterator<Item = &Lap>| laps.map(|lap| lap.seconds).sum::<f64>();
    let (all, lab) = (sum(&mut laps.iter()), sum(&mut laps.iter().filter(|lap| !lap.protocol)));
    format!("  time: {}; {:.0} % was the lab's\n", parts.join(", "), 100.0 * lab / all)
}

/// The deviations that are known, new, and gone.
fn deviations(standing: &Standing) -> String {
    let mut text = String::new();
    for known in &standing.known {
        text +=
            &format!("known deviation    {} in {}: {} ({})\n", known.check, known.scenario, known.reason, known.link);
    }
    for unknown in &standing.unknown {
        text += &format!("unknown deviation  {} in {}\n", unknown.check, unknown.scenario);
    }
    for gone in &standing.gone {
        text += &format!(
            "deviation is gone  {} in {}: it is listed as known ({}), and did not fail; remove it from the list\n",
            gone.check, gone.scenario, gone.link
        );
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// One scenario: a line for each check, several for one that is no pass.
pub fn scenario(id: &str, judgement: &Judgement, seconds: Option<f64>, deviations: Option<&Standing>) -> String {
    let seconds = seconds.map_or(String::new(), |seconds| format!("  ({seconds:.1} s)"));
    let mut text = format!("{:<12}  {id}{seconds}\n", judgement.verdict.text().to_uppercase());
    for check in &judgement.checks {
        let mut lines = check.why.lines();
        let known = deviations.is_some_and(|standing| standing.known(id, &check.id).is_some());
        let mark = match check.verdict {
            Verdict::Pass => "ok".to_owned(),
            Verdict::Fail if known => "KNOWN FAIL".to_owned(),
            other => other.text().to_uppercase(),
        };
        text += &format!("  {mark:<12} {:<22} {}\n", check.id, lines.next().unwrap_or_default());
        for line in lines {
            text += &format!("  {:<12} {:<22} {line}\n", "", "");
        }
    }
    for measure in &judgement.measured {
        let [least, most] = measure.seconds;
        text += &format!("  {:<12} {:<22} {least:.3} s to {most:.3} s {}\n", "took", measure.id, measure.what);
    }
    text
}
