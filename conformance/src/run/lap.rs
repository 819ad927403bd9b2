//! The parts of a run and how long each took, as kept in `outcome.json`. Reports tell the agents' time from the lab's
//! by them.

use serde::{Deserialize, Serialize};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Networks, etcd, the observer and the nodes' containers are started.
    Containers,
    /// The agents make one of them the leader, and the others stream.
    ComingUp,
    /// Writers begin, and the agents learn of one another.
    Steadying,
    /// Faults are injected, each when it is time.
    Faults,
    /// The agents mend what was broken, and all stays well for a cycle.
    Settling,
    /// Rows are read back.
    ReadingBack,
    /// Containers and networks are removed.
    Removing,
}

/// The duration of a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lap {
    /// The part.
    pub part: Part,
    /// Seconds.
    pub seconds: f64,
    /// True if the time was the agents': what a run is made for.
    pub protocol: bool,
}

impl Part {
    /// All of them, in their order.
    pub const ALL: [Part; 7] = [
        Part::Containers,
        Part::ComingUp,
        Part::Steadying,
        Part::Faults,
        Part::Settling,
        Part::ReadingBack,
        Part::Removing,
    ];

    /// In words.
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

impl Lap {
    /// So many seconds of this part.
    pub fn new(part: Part, seconds: f64) -> Lap {
        Lap { part, seconds, protocol: part.is_protocol() }
    }
}
