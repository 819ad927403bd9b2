//! The agent's own words, found in its log by the patterns of its manifest.

use pghaspec_model::vocabulary::event::{Kind, Source};

use super::clock::realtime_of;
use super::container_log::Line;
use super::recorder::Recorder;
use crate::manifest::{Manifest, Meaning, meaning_of};

const MILLISECOND: u64 = 1_000_000;

/// The most that is recorded of a node's words. Patroni says some hundred things that have a meaning in a long run.
const MOST: usize = 20_000;
/// The most characters of one message that are recorded.
const LENGTH: usize = 1000;

/// The words of a node's agent. When dropped, words that were too many to be recorded are a gap.
pub struct AgentLog {
    recorder: Recorder,
    manifest: Manifest,
    node: String,
    left: usize,
    /// Since when words are not recorded any more.
    full: Option<u64>,
}

impl AgentLog {
    /// Nothing was said yet.
    pub fn new(recorder: Recorder, manifest: Manifest, node: &str) -> AgentLog {
        AgentLog { recorder, manifest, node: node.to_owned(), left: MOST, full: None }
    }

    /// Records the meaning of a line of the node's log, if the manifest has a pattern for it.
    pub fn take(&mut self, line: &Line) {
        let Some((words, meaning)) = meaning_of(&self.manifest.says, &line.text) else { return };
        let Some(left) = self.left.checked_sub(1) else {
            self.full.get_or_insert(line.received[0]);
            return;
        };
        self.left = left;
        let message = words.chars().take(LENGTH).collect();
        let kind = match meaning {
            Meaning::Branch(branch) => Kind::Recover { branch, message },
            Meaning::Name(pattern) => Kind::Said { pattern, message },
        };
        self.recorder.record(Some(&self.node), Source::AgentLog, interval(&self.recorder, &self.manifest, line), kind);
    }
}

impl Drop for AgentLog {
    fn drop(&mut self) {
        if let Some(since) = self.full {
            let why =
                format!("the agent has said more than {MOST} things that have a meaning; the rest is not recorded");
            self.recorder.gap(Some(&self.node), since, Source::AgentLog, why);
        }
    }
}

/// The interval in which the line was written, nanoseconds of the run: the millisecond that the agent's own stamp
/// names, else the time between the line before it and its arrival.
fn interval(recorder: &Recorder, manifest: &Manifest, line: &Line) -> [u64; 2] {
    let stamp = manifest.log_time.as_ref().and_then(|pattern| pattern.find(&line.text));
    let Some(realtime) = stamp.and_then(|stamp| realtime_of(stamp.as_str())) else { return line.received };
    let clock = recorder.clock();
    // The stamp is cut, not rounded, to milliseconds.
    let not_before = clock.of_realtime(realtime)[0];
    let not_after = clock.of_realtime(realtime.saturating_add(MILLISECOND))[1].min(line.received[1]);
    [not_before.min(not_after), not_after]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::clock::RunClock;

    /// The lines of the history after the agent has said the same thing so often.
    fn recorded(times: usize, words: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let recorder = Recorder::create(&path, RunClock::start(), &["n1".to_owned()]).unwrap();
        let mut log = AgentLog::new(recorder, Manifest::load("patroni").unwrap(), "n1");
        let text = format!("2026-01-31T12:00:00.123Z INFO: {words}");
        for _ in 0..times {
            log.take(&Line { text: text.clone(), received: [1, 2] });
        }
        drop(log);
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_agent_that_repeats_itself_for_ever_does_not_fill_the_history() {
        let lines = recorded(MOST + 5, "starting primary after failure");
        assert_eq!(lines.len(), MOST + 1);
        let last = lines.last().unwrap();
        assert!(last.contains(r#""gap""#) && last.contains("agent-log") && last.contains("n1"), "{last}");
        assert!(!recorded(MOST, "starting primary after failure").last().unwrap().contains(r#""gap""#));
    }

    #[test]
    fn a_message_without_end_is_cut() {
        let [line] = &recorded(1, &format!("promoted self to leader {}", "x".repeat(1 << 20)))[..] else { panic!() };
        assert!(line.len() < 2 * LENGTH && line.contains("promoted self to leader xxx"), "{line}");
    }
}
