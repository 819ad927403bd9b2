//! The agents' words in a history, held to the logs of their nodes.
//!
//! The meaning of the words of an agent of the suite is known, so its log is read once more, and has to give the same
//! words in the same order. Of any other agent each word has to be in the log of its node.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use pghaspec_model::vocabulary::event::{Kind, Source};

use crate::history::History;
use crate::manifest::Manifest;
use crate::observe::agent_log::AgentLog;
use crate::observe::clock::RunClock;
use crate::observe::container_log::Line;
use crate::observe::recorder::Recorder;

/// Most bytes of words that are recorded at once: a thousand characters.
const LONGEST: usize = 4_000;

/// Most places of a node's logs in which quoted words are found. An agent says some thousand things in a run.
const MOST_HITS: usize = 10_000_000;

/// Characters of words that are shown.
const SHOWN: usize = 100;

/// The words of a node's agent in a history, in their order.
pub(super) struct Spoken<'h>(Vec<&'h Kind>);

impl<'h> Spoken<'h> {
    /// Of each node of a history, whether or not it has said something.
    pub(super) fn of(history: &'h History) -> BTreeMap<&'h str, Spoken<'h>> {
        let mut all: BTreeMap<&str, Spoken> =
            history.run.nodes.iter().map(|node| (node.as_str(), Spoken(Vec::new()))).collect();
        for event in &history.events {
            if event.source == Source::AgentLog
                && let Some(node) = event.node.as_deref()
                && let Some(words) = all.get_mut(node)
            {
                words.0.push(&event.kind);
            }
        }
        all
    }
}

/// The words of a node's agent that are heard in its log.
pub(super) struct Heard<'h> {
    node: &'h str,
    spoken: Spoken<'h>,
    by: By,
}

/// The way in which words are heard.
enum By {
    /// By their meaning: the log is recorded anew.
    Meaning { log: Box<AgentLog>, recorder: Recorder },
    /// By their letters: those of the words that were heard, and the places that may still be found.
    Letters { search: Box<AhoCorasick>, heard: BTreeSet<usize>, left: usize, words: Vec<String> },
}

impl<'h> Heard<'h> {
    /// Nothing was heard yet of a node that has spoken so. `suite` is the agent's manifest, if it is one of the
    /// suite's.
    ///
    /// # Errors
    /// There is more than can be looked for.
    pub(super) fn of(node: &'h str, spoken: Spoken<'h>, suite: Option<&Manifest>) -> Result<Heard<'h>, String> {
        if let Some(manifest) = suite {
            let recorder = Recorder::in_memory(RunClock::of_zero(0), &[node.to_owned()]);
            let log = Box::new(AgentLog::new(recorder.clone(), manifest.clone(), node));
            return Ok(Heard { node, spoken, by: By::Meaning { log, recorder } });
        }
        let words: BTreeSet<&str> = spoken.0.iter().filter_map(|kind| message(kind)).collect();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if words.iter().any(|words| words.len() > LONGEST) {
            return Err(format!("quotes {node} with more words than are ever recorded at once"));
        }
        // Each of them in one pass, however many there are.
        let search = AhoCorasick::new(&words).map_err(|_| format!("quotes more of {node} than can be looked for"))?;
        let by = By::Letters { search: Box::new(search), heard: BTreeSet::new(), left: MOST_HITS, words };
        Ok(Heard { node, spoken, by })
    }

    /// A line of the node's log, Docker's time before it.
    pub(super) fn take(&mut self, line: &str) {
        match &mut self.by {
            By::Meaning { log, .. } => {
                let text = line.split_once(' ').map_or(line, |(_, text)| text).to_owned();
                log.take(&Line { text, received: [0, 0] });
            }
            By::Letters { search, heard, left, .. } => {
                let found = search.find_overlapping_iter(line).take(*left);
                heard.extend(found.inspect(|_| *left -= 1).map(|hit| hit.pattern().as_usize()));
            }
        }
    }

    /// The log is at its end: what the history tells otherwise.
    pub(super) fn end(self) -> Option<String> {
        let Heard { node, spoken, by } = self;
        match by {
            By::Meaning { log, recorder } => {
                drop(log);
                let view = recorder.view();
                let view = view.borrow();
                let heard =
                    view.events.iter().filter(|event| event.source == Source::AgentLog).map(|event| &event.kind);
                let (mut heard, mut spoken) = (heard, spoken.0.iter().copied());
                loop {
                    match (spoken.next(), heard.next()) {
                        (None, None) => return None,
                        (Some(said), heard) if heard != Some(said) => {
                            let said = shown(said);
                            return Some(format!("quotes {node} with words that are not in its log there: {said}"));
                        }
                        (None, Some(heard)) => {
                            return Some(format!("lacks words that are in the log of {node}: {}", shown(heard)));
                        }
                        (Some(_), _) => {}
                    }
                }
            }
            By::Letters { heard, words, .. } => {
                let missing = (0..words.len()).find(|index| !heard.contains(index))?;
                let words: String = words[missing].chars().take(SHOWN).collect();
                Some(format!("quotes {node} with words that are not in its log: {words}"))
            }
        }
    }
}

fn message(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Recover { message, .. } | Kind::Said { message, .. } => Some(message),
        _ => None,
    }
}

fn shown(kind: &Kind) -> String {
    let words: String = message(kind).unwrap_or_default().chars().take(SHOWN).collect();
    match kind {
        Kind::Recover { branch, .. } => format!("{words} ({})", branch.id()),
        Kind::Said { pattern, .. } => format!("{words} ({pattern})"),
        _ => words,
    }
}
