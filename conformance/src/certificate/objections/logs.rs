//! The logs of a scenario: each is read once, and held to the history by what it is the log of.

use std::collections::BTreeMap;

use regex::bytes::Regex;

use super::processes::Observed;
use super::words::{Heard, Spoken};
use super::{Found, Recorded};
use crate::history::History;
use crate::manifest::Manifest;
use crate::run::contents::Contents;

/// The name of a container up to the run's digits.
const CONTAINER: &str = r"pghaspec-([0-9a-f]{12})-";

/// Holds the logs of a scenario to its history. `suite` is the agent's manifest, if it is one of the suite's.
///
/// The agents' logs name their DCS and one another by containers, so that those of another run are known by the run's
/// digits.
///
/// Returns the processes that are the nodes', by their number and the time of their start on the machine's clock.
pub(super) fn look(
    one: &Recorded<'_>,
    history: &History,
    suite: Option<&Manifest>,
    contents: &Contents,
    found: &mut Found,
) -> Vec<(u32, u64)> {
    let digits = history.run.run.rsplit('-').next().unwrap_or_default();
    let (folder, events) = (format!("{}/logs/", one.id), one.file("events.jsonl"));
    let Ok(container) = Regex::new(CONTAINER) else { return Vec::new() };
    let mut observed = match Observed::of(history, suite) {
        Ok(observed) => observed,
        Err(why) => {
            found.add(events, why);
            return Vec::new();
        }
    };
    let mut heard: BTreeMap<&str, Heard> = BTreeMap::new();
    for (node, spoken) in Spoken::of(history) {
        match Heard::of(node, spoken, suite) {
            Ok(one) => drop(heard.insert(node, one)),
            Err(why) => {
                found.add(&events, why);
                return Vec::new();
            }
        }
    }
    for log in contents.files.iter().filter_map(|file| file.strip_prefix(&folder)) {
        let file = format!("{folder}{log}");
        let part = log.strip_prefix(&format!("pghaspec-{digits}-")).and_then(|rest| rest.strip_suffix(".log"));
        let Some(part) = part.and_then(|rest| rest.rsplit('-').next()) else {
            found.add(file, format!("is no log of the run {}", history.run.run));
            continue;
        };
        let mut other = None;
        let read = contents.lines(&file, |line| {
            // The observer hears of all processes of the machine, those of other runs among them.
            if part != "observer"
                && other.is_none()
                && let Some(name) = container.captures_iter(line).find(|it| it[1] != *digits.as_bytes())
            {
                other = Some(String::from_utf8_lossy(&name[0]).into_owned());
            }
            let Ok(line) = std::str::from_utf8(line) else { return };
            if part == "observer" {
                observed.take(line);
            } else if let Some(node) = heard.get_mut(part) {
                node.take(line);
            }
        });
        if let Err(error) = read {
            found.add(&file, format!("cannot be read: {error}"));
        }
        if let Some(name) = other {
            found.add(&events, format!("{file} names the container {name}…, which is of another run"));
        }
    }
    let processes = observed.processes();
    let told = heard.into_values().filter_map(Heard::end).chain(observed.end());
    told.for_each(|why| found.add(&events, why));
    processes
}
