//! The agent's own words, found in its log by the patterns of its manifest.

use pghaspec_model::vocabulary::event::{Kind, Source};

use super::clock::realtime_of;
use super::container_log::Line;
use super::recorder::Recorder;
use crate::manifest::{Manifest, Meaning, meaning_of};

const MILLISECOND: u64 = 1_000_000;

/// Records the meaning of a line of a node's log, if the manifest has a pattern for it.
pub fn take(recorder: &Recorder, manifest: &Manifest, node: &str, line: &Line) {
    let Some((words, meaning)) = meaning_of(&manifest.says, &line.text) else { return };
    let message = words.to_owned();
    let kind = match meaning {
        Meaning::Branch(branch) => Kind::Recover { branch, message },
        Meaning::Name(pattern) => Kind::Said { pattern, message },
    };
    recorder.record(Some(node), Source::AgentLog, interval(recorder, manifest, line), kind);
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
