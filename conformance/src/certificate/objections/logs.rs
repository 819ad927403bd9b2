//! A history held to the logs beside it: the agents' words that it quotes, and the processes that the observer saw.
//!
//! Both are written by the same run from the same sources, so whoever changes one of the two has to change the other as
//! well.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use pghaspec_model::vocabulary::event::{Kind, Mechanism, Phase, Process};
use regex::Regex;
use regex::bytes::Regex as BytesRegex;

use crate::history::History;
use crate::observe::processes::kind::classify;
use crate::observe::processes::report::Report;
use crate::run::contents::{Contents, MOST_BYTES};

/// Most places of a log in which quoted words are found. An agent says some thousand things in a run.
const MOST_HITS: usize = 10_000_000;

/// Most bytes of words that are recorded at once: a thousand characters.
const LONGEST: usize = 4_000;

/// The logs of a container of a scenario.
fn of(contents: &Contents, id: &str, part: &str) -> impl Iterator<Item = Vec<u8>> {
    let (folder, suffix) = (format!("{id}/logs/"), format!("-{part}.log"));
    let own = contents.files.iter().filter(move |file| file.starts_with(&folder) && file.ends_with(&suffix));
    own.filter_map(|file| contents.read(file, MOST_BYTES).ok())
}

/// The agents' words in a history that the log of their node does not have.
pub(super) fn quoted(history: &History, id: &str, contents: &Contents) -> Vec<String> {
    let mut words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for event in &history.events {
        if let (Some(node), Kind::Recover { message, .. } | Kind::Said { message, .. }) = (&event.node, &event.kind) {
            words.entry(node).or_default().insert(message);
        }
    }
    let mut why = Vec::new();
    for (node, words) in words {
        let words: Vec<&str> = words.into_iter().collect();
        if words.iter().any(|words| words.len() > LONGEST) {
            why.push(format!("quotes {node} with more words than are ever recorded at once"));
            continue;
        }
        // Each of them in one pass, however many there are.
        let Ok(search) = AhoCorasick::new(&words) else {
            why.push(format!("quotes more of {node} than can be looked for"));
            continue;
        };
        let (mut heard, mut hits) = (BTreeSet::new(), MOST_HITS);
        for log in of(contents, id, node) {
            let found = search.find_overlapping_iter(&log).take(hits);
            heard.extend(found.inspect(|_| hits -= 1).map(|hit| hit.pattern().as_usize()));
        }
        if let Some(missing) = (0..words.len()).find(|index| !heard.contains(index)) {
            let shown: String = words[missing].chars().take(100).collect();
            why.push(format!("quotes {node} with words that are not in its log: {shown}"));
        }
    }
    why
}

/// Names of containers of other runs in the logs of a scenario: what the agents call their DCS and one another has the
/// run in it. `digits` are those of the run.
pub(super) fn of_another_run(digits: &str, id: &str, contents: &Contents) -> Option<String> {
    let name = BytesRegex::new(r"pghaspec-([0-9a-f]{12})-").ok()?;
    let folder = format!("{id}/logs/");
    contents.files.iter().filter(|file| file.starts_with(&folder)).find_map(|file| {
        let log = contents.read(file, MOST_BYTES).ok()?;
        let other = name.captures_iter(&log).find(|found| found[1] != *digits.as_bytes())?;
        Some(format!("{file} names the container {}…, which is of another run", String::from_utf8_lossy(&other[0])))
    })
}

/// The start of a program, as the observer's log has it.
struct Started {
    /// Nanoseconds of the machine's clock.
    at: u64,
    pidns: Option<u64>,
    kind: Option<Process>,
    argv: Vec<String>,
}

/// Processes of a history that the observer's log does not have, and servers and tools of that log that the history
/// does not have.
pub(super) fn processes(history: &History, id: &str, contents: &Contents) -> Vec<String> {
    if history.run.process_observation != Mechanism::ProcConnector {
        return Vec::new();
    }
    // Agents are known by the pattern of a manifest, which need not be at hand.
    let Ok(nobody) = Regex::new("$.") else { return Vec::new() };
    let mut started: BTreeMap<u32, Vec<Started>> = BTreeMap::new();
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for log in of(contents, id, "observer") {
        for line in log.split(|byte| *byte == b'\n') {
            let Some(at) = line.iter().position(|byte| *byte == b' ') else { continue };
            match serde_json::from_slice(&line[at + 1..]) {
                Ok(Report::Exec { at, pid, pidns, exe, argv }) => {
                    seen.insert(pid);
                    let kind = classify(exe.as_deref(), &argv, &nobody);
                    started.entry(pid).or_default().push(Started { at: at[0], pidns, kind, argv });
                }
                Ok(Report::Exit { pid, .. } | Report::Unread { pid, .. } | Report::Starved { pid, .. }) => {
                    seen.insert(pid);
                }
                _ => {}
            }
        }
    }
    let mut why = Vec::new();
    // What the two clocks differ by, and the namespaces of the nodes' processes.
    let (mut zero, mut ours, mut told) = (None, BTreeSet::new(), BTreeSet::new());
    for event in &history.events {
        match &event.kind {
            Kind::ProcessStarted { pid, argv, .. } => {
                told.insert(*pid);
                match started.get(pid).and_then(|all| all.iter().find(|one| one.argv == *argv)) {
                    Some(one) => {
                        ours.extend(one.pidns);
                        zero = zero.or_else(|| one.at.checked_sub(event.at[0]));
                    }
                    None => why.push(format!("has the start of process {pid}, and the observer's log has not")),
                }
            }
            Kind::ProcessExited { pid, .. } if !seen.contains(pid) => {
                why.push(format!("has the end of process {pid}, of which the observer's log has nothing"));
            }
            _ => {}
        }
    }
    let (Some(zero), Some(over)) = (zero, history.phase(Phase::ReadBack)) else { return why };
    for (pid, all) in &started {
        let counts = |one: &&Started| {
            one.kind.is_some()
                && one.pidns.is_some_and(|pidns| ours.contains(&pidns))
                && one.at < zero.saturating_add(over)
        };
        if let Some(one) = all.iter().find(counts).filter(|_| !told.contains(pid)) {
            let words: String = one.argv.join(" ").chars().take(60).collect();
            why.push(format!("lacks the start of process {pid} ({words}), which the observer's log has"));
        }
    }
    why.truncate(5);
    why
}
