//! Results in words, for a terminal.

use std::path::Path;

use super::Results;
use crate::judge::{Judgement, Verdict};
use crate::lab::Lap;

/// A whole run.
pub fn results(results: &Results, folder: &Path) -> String {
    let mut text = format!(
        "\n{} {} against edition {} of the specification{}\n\n",
        results.agent.name,
        results.agent.version,
        results.spec.edition,
        if results.spec.rules.is_empty() { String::new() } else { format!(", with {}", results.spec.rules.join(", ")) }
    );
    for scenario in &results.scenarios {
        let judgement = Judgement {
            verdict: scenario.verdict,
            branches: scenario.branches.clone(),
            checks: scenario.checks.clone(),
            measured: scenario.measured.clone(),
        };
        text += &self::scenario(&scenario.id, &judgement, Some(scenario.seconds));
        text += &time(&scenario.time);
        text.push('\n');
    }
    text + &format!("verdict: {}\nevidence: {}\n", results.verdict.text(), folder.display())
}

/// Where the time went, and how much of it was not the agents'.
fn time(laps: &[Lap]) -> String {
    if laps.is_empty() {
        return String::new();
    }
    let parts: Vec<_> = laps.iter().map(|lap| format!("{} {:.1} s", lap.part.text(), lap.seconds)).collect();
    let sum = |laps: &mut dyn Iterator<Item = &Lap>| laps.map(|lap| lap.seconds).sum::<f64>();
    let (all, lab) = (sum(&mut laps.iter()), sum(&mut laps.iter().filter(|lap| !lap.protocol)));
    format!("  time: {}; {:.0} % was the lab's\n", parts.join(", "), 100.0 * lab / all)
}

/// One scenario: a line for each check, more for what is not a pass.
pub fn scenario(id: &str, judgement: &Judgement, seconds: Option<f64>) -> String {
    let seconds = seconds.map_or(String::new(), |seconds| format!("  ({seconds:.1} s)"));
    let mut text = format!("{:<12}  {id}{seconds}\n", judgement.verdict.text().to_uppercase());
    for check in &judgement.checks {
        let mut lines = check.why.lines();
        let mark = match check.verdict {
            Verdict::Pass => "ok".to_owned(),
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
