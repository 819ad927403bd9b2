//! Silence of an observer that lasted too long, recorded as a gap.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Source;

use super::recorder::Recorder;

/// Records each time between two observations that is longer than a limit as a gap. When dropped it does so for the
/// time since the last observation, so that an observer that is silent at the end of the run has a gap until then.
pub struct Silence {
    recorder: Recorder,
    node: Option<String>,
    of: Source,
    why: &'static str,
    limit: u64,
    last: u64,
}

impl Silence {
    /// An observation that is awaited from now on.
    pub fn new(recorder: Recorder, node: Option<&str>, of: Source, limit: Duration, why: &'static str) -> Silence {
        let last = recorder.clock().now();
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Silence { recorder, node: node.map(str::to_owned), of, why, limit, last }
    }

    /// Notes that observation goes on at that time of the run; the silence before it is no gap.
    pub fn resume(&mut self, at: u64) {
        self.last = self.last.max(at);
    }

    /// Notes an observation at that time of the run.
    pub fn heard(&mut self, at: u64) {
        if at.saturating_sub(self.last) > self.limit {
            self.recorder.gap_within(self.node.as_deref(), [self.last, at], self.of, self.why);
        }
        self.last = self.last.max(at);
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.heard(self.recorder.clock().now());
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::event::{Event, Kind};

    use super::*;
    use crate::observe::clock::RunClock;

    const SECOND: u64 = 1_000_000_000;

    fn gaps(limit: Duration, observe: impl FnOnce(&mut Silence)) -> Vec<[u64; 2]> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let recorder = Recorder::create(&path, RunClock::start(), &["n1".to_owned()]).unwrap();
        let mut silence = Silence::new(recorder, Some("n1"), Source::Etcd, limit, "silent");
        observe(&mut silence);
        drop(silence);
        let text = std::fs::read_to_string(path).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        let gap = |event: Event| {
            assert_eq!(event.node.as_deref(), Some("n1"));
            assert_eq!(event.kind, Kind::Gap { of: Source::Etcd, why: "silent".to_owned(), reason: None });
            event.at
        };
        events.map(gap).collect()
    }

    #[test]
    fn each_outage_is_one_gap() {
        let found = gaps(Duration::from_secs(1), |silence| {
            for at in [1, 2, 5, 6, 8].map(|second| second * SECOND) {
                silence.heard(at);
            }
        });
        assert_eq!(found, [[2 * SECOND, 5 * SECOND], [6 * SECOND, 8 * SECOND]]);
    }

    #[test]
    fn silence_at_the_end_is_a_gap() {
        let limit = Duration::from_millis(5);
        assert_eq!(gaps(limit, |_| std::thread::sleep(limit * 4)).len(), 1);
        assert_eq!(gaps(Duration::from_secs(60), |_| ()).len(), 0);
    }
}
