//! The recorder: the one writer of `events.jsonl`, and of the view of the cluster that the lab waits on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pghaspec_model::vocabulary::event::{Event, FORMAT, Kind, Phase, Source};
use tokio::sync::watch;

use super::clock::RunClock;
use super::view::View;
use crate::run::error::RunDirError;

/// Records events in the order of their arrival. Clones write to the same file.
///
/// Each event is one `write` of a whole line, so that a killed harness leaves only whole events behind.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

struct Shared {
    clock: RunClock,
    path: PathBuf,
    out: Mutex<Out>,
    view: watch::Sender<View>,
    /// The first failure to write evidence; a run with incomplete evidence must end.
    trouble: watch::Sender<Option<String>>,
}

struct Out {
    file: Box<dyn Write + Send>,
    seq: u64,
}

impl Recorder {
    /// Starts a history in a new file.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path, clock: RunClock, nodes: &[String]) -> Result<Recorder, RunDirError> {
        let file = File::create(path).map_err(|error| RunDirError::new(format!("making {}", path.display()), error))?;
        Ok(Recorder::to(Box::new(file), path, clock, nodes))
    }

    /// A history that is kept in its view alone: of a recording that is made again.
    pub fn in_memory(clock: RunClock, nodes: &[String]) -> Recorder {
        Recorder::to(Box::new(std::io::sink()), Path::new(""), clock, nodes)
    }

    fn to(file: Box<dyn Write + Send>, path: &Path, clock: RunClock, nodes: &[String]) -> Recorder {
        let shared = Shared {
            clock,
            path: path.to_path_buf(),
            out: Mutex::new(Out { file, seq: 0 }),
            view: watch::Sender::new(View::of(nodes)),
            trouble: watch::Sender::new(None),
        };
        Recorder { shared: Arc::new(shared) }
    }

    /// The clock of the run.
    pub fn clock(&self) -> RunClock {
        self.shared.clock
    }

    /// Records an event, which may concern a node.
    pub fn record(&self, node: Option<&str>, source: Source, at: [u64; 2], kind: Kind) {
        let mut out = self.shared.out.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event { v: FORMAT, seq: out.seq, at, node: node.map(str::to_owned), source, kind };
        out.seq += 1;
        let written = serde_json::to_vec(&event).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            out.file.write_all(&line)
        });
        if let Err(error) = written {
            self.fail(RunDirError::new(format!("writing {}", self.shared.path.display()), error));
        }
        // Still under the lock: the view must take the events in by their order.
        self.shared.view.send_modify(|view| view.apply(&event));
    }

    /// Records an event of the present moment.
    pub fn record_now(&self, node: Option<&str>, source: Source, kind: Kind) {
        let now = self.clock().now();
        self.record(node, source, [now, now], kind);
    }

    /// Records that a phase begins now. Probes then report anew.
    pub fn phase(&self, phase: Phase) {
        self.record_now(None, Source::Harness, Kind::Phase { phase });
    }

    /// Records that something was not observed since `since`.
    pub fn gap(&self, node: Option<&str>, since: u64, of: Source, why: impl Into<String>) {
        self.gap_within(node, [since, self.clock().now()], of, why);
    }

    /// Records that something was not observed in that time.
    pub fn gap_within(&self, node: Option<&str>, at: [u64; 2], of: Source, why: impl Into<String>) {
        self.record(node, Source::Harness, at, Kind::Gap { of, why: why.into(), reason: None });
    }

    /// Changes the view without an event: for instance when a probe found nothing new, or a container ended.
    pub fn update(&self, change: impl FnOnce(&mut View)) {
        self.shared.view.send_modify(change);
    }

    /// The view of the cluster, and its changes.
    pub fn view(&self) -> watch::Receiver<View> {
        self.shared.view.subscribe()
    }

    /// Notes that evidence could not be written.
    pub fn fail(&self, error: RunDirError) {
        self.shared.trouble.send_if_modified(|trouble| {
            let first = trouble.is_none();
            if first {
                *trouble = Some(error.to_string());
            }
            first
        });
    }

    /// Waits for the first failure to write evidence; returns it in words.
    pub async fn failed(&self) -> String {
        let mut trouble = self.shared.trouble.subscribe();
        let found = trouble.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(message) => message,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_and_whole_lines_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let recorder = Recorder::create(&path, RunClock::start(), &["n1".to_owned()]).unwrap();
        recorder.phase(Phase::Bootstrap);
        recorder.gap(Some("n1"), 0, Source::Etcd, "test");
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(events[0].kind, Kind::Phase { phase: Phase::Bootstrap });
        assert_eq!(recorder.view().borrow().phases, 1);
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_once() {
        let path = Path::new("/dev/full");
        let recorder = Recorder::create(path, RunClock::start(), &[]).unwrap();
        recorder.phase(Phase::Bootstrap);
        recorder.phase(Phase::Ready);
        assert!(recorder.failed().await.contains("the disk is full"));
    }
}
