//! The times of the parts of a run: those that the protocol takes, and those that the lab takes.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Networks, etcd, the observer and the nodes' containers are started.
    Containers,
    /// The agents elect a leader, and the others stream.
    ComingUp,
    /// Writers begin, and the agents learn of one another.
    Steadying,
    /// Faults are injected, each at its event.
    Faults,
    /// The agents repair the cluster, and it stays healthy for a cycle.
    Settling,
    /// Rows are read back.
    ReadingBack,
    /// Containers and networks are removed.
    Removing,
}

/// The time that a part took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lap {
    /// The part.
    pub part: Part,
    /// Seconds.
    pub seconds: f64,
    /// True for the agents' time, which a run is made for; false for the lab's.
    pub protocol: bool,
}

/// Measures the parts of a run.
pub struct Stopwatch {
    laps: Mutex<(Instant, Vec<Lap>)>,
}

impl Part {
    /// The part in words.
    pub fn text(self) -> &'static str {
        match self {
            Part::Containers => "containers",
            Part::ComingUp => "coming up",
            Part::Steadying => "steadying",
            Part::Faults => "faults",
            Part::Settling => "settling",
            Part::ReadingBack => "reading back",
            Part::Removing => "removing",
        }
    }

    fn is_protocol(self) -> bool {
        matches!(self, Part::ComingUp | Part::Steadying | Part::Faults | Part::Settling)
    }
}

impl Stopwatch {
    /// A stopwatch that starts now.
    pub fn start() -> Stopwatch {
        Stopwatch { laps: Mutex::new((Instant::now(), Vec::new())) }
    }

    /// Ends a lap: the time since the lap before belongs to this part of the run.
    pub fn lap(&self, part: Part) {
        let mut laps = self.laps.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut laps.0, now)).as_secs_f64();
        laps.1.push(Lap { part, seconds, protocol: part.is_protocol() });
    }

    /// All laps so far.
    pub fn laps(&self) -> Vec<Lap> {
        self.laps.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
