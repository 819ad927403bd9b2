//! Channels: the ways in which changes reach an observer. During a gap of an observer, its channels may miss changes.

use crate::cluster::NodeId;
use crate::cluster::sight::Sight;
use crate::vocabulary::event::Source;

/// A set of channels. There is one for the leader key, and for each node one for its processes and one for its agent's
/// log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channels(u16);

const NODES: u16 = 0b111;
const FAULTS: Channels = Channels(1 << 15);

impl Channels {
    /// The empty set.
    pub const NONE: Channels = Channels(0);

    /// The channels of a source that concern a node, or all nodes. Probes and writers have none: they see states, not
    /// changes.
    pub fn of(source: Source, node: Option<NodeId>) -> Channels {
        let nodes = node.map_or(NODES, |id| 1 << id);
        match source {
            // No agent of an edition has another authority.
            Source::Etcd | Source::Authority => Channels(1),
            Source::Process => Channels(nodes << 1),
            Source::AgentLog => Channels(nodes << 4),
            Source::Harness | Source::Postgres | Source::Writer | Source::Watchdog => Channels::NONE,
        }
    }

    /// The channel that shows a change.
    pub(super) fn showing(sight: Sight) -> Channels {
        match sight {
            // Whoever injects faults records them.
            Sight::Fault(..) | Sight::RemoteFailover => FAULTS,
            Sight::LeaderKey(_) => Channels::of(Source::Etcd, None),
            Sight::Started(_, id) | Sight::Exited(_, id) => Channels::of(Source::Process, Some(id)),
            Sight::Said(_, id) => Channels::of(Source::AgentLog, Some(id)),
        }
    }

    /// The union of both sets.
    pub fn and(self, other: Channels) -> Channels {
        Channels(self.0 | other.0)
    }

    /// The channels of this set that are not in the other one.
    pub fn without(self, other: Channels) -> Channels {
        Channels(self.0 & !other.0)
    }

    /// True if all channels of this set are in the other one.
    pub fn within(self, other: Channels) -> bool {
        self.0 & !other.0 == 0
    }

    /// True for the empty set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members of the set, each as a set of its own.
    pub fn each(self) -> impl Iterator<Item = Channels> {
        (0..16).map(|bit| Channels(1 << bit)).filter(move |channel| channel.within(self))
    }
}
