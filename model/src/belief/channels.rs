//! Through which channels changes are seen, and which of them may have missed some.

use crate::cluster::NodeId;
use crate::cluster::sight::Sight;
use crate::vocabulary::event::Source;

/// A set of channels: the leader key, the processes of each node, what the agent of each node says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channels(u16);

const NODES: u16 = 0b111;
const FAULTS: Channels = Channels(1 << 15);

impl Channels {
    /// None.
    pub const NONE: Channels = Channels(0);

    /// Those of a source that concern a node, or all its nodes. Probes and writers have none: they see states and not changes.
    pub fn of(source: Source, node: Option<NodeId>) -> Channels {
        let nodes = node.map_or(NODES, |id| 1 << id);
        match source {
            Source::Etcd => Channels(1),
            Source::Process => Channels(nodes << 1),
            Source::AgentLog => Channels(nodes << 4),
            Source::Harness | Source::Postgres | Source::Writer | Source::Watchdog => Channels::NONE,
        }
    }

    /// The one that shows this.
    pub(super) fn showing(sight: Sight) -> Channels {
        match sight {
            // Whoever injects faults records them.
            Sight::Fault(..) | Sight::RemoteFailover => FAULTS,
            Sight::LeaderKey(_) => Channels::of(Source::Etcd, None),
            Sight::Started(_, id) | Sight::Exited(_, id) => Channels::of(Source::Process, Some(id)),
            Sight::Said(_, id) => Channels::of(Source::AgentLog, Some(id)),
        }
    }

    /// Both sets.
    pub fn and(self, other: Channels) -> Channels {
        Channels(self.0 | other.0)
    }

    /// The channels of this set that do not belong to the other one.
    pub fn without(self, other: Channels) -> Channels {
        Channels(self.0 & !other.0)
    }

    /// All of this set belong to the other one.
    pub fn within(self, other: Channels) -> bool {
        self.0 & !other.0 == 0
    }

    /// Nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, each alone.
    pub fn each(self) -> impl Iterator<Item = Channels> {
        (0..16).map(|bit| Channels(1 << bit)).filter(move |channel| channel.within(self))
    }
}
