//! What is done to a cluster though it must change nothing: an agent that loses its leader over it does badly. The model knows none of it.

use serde::{Deserialize, Serialize};

/// Something that must change nothing, or its end; and what happens elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disturbance {
    /// Another member of etcd becomes its leader. Every lease is granted its full time again.
    EtcdLeaderMoved,
    /// etcd forgets all revisions but the newest: whoever watches from an older one must list anew.
    EtcdCompacted,
    /// What a node and the DCS say to each other takes longer, by less than the agent's patience.
    LinkSlowed,
    /// The link is as fast as ever.
    LinkRestored,
    /// The wall clock of a node's agent jumps. Leases are counted by clocks that do not.
    ClockSkewed,
    /// The wall clock is right again.
    ClockRestored,
    /// A backend that was stopped before its postmaster died goes on, if it still lives.
    OrphansContinued,
    /// The primary elsewhere that a standby cluster follows ends, and one takes over there that lacks what was written last. This one the model
    /// knows, as a step that nobody can see.
    RemoteFailover,
}

impl Disturbance {
    /// All of them, in the order of their declaration.
    pub const ALL: [Disturbance; 8] = [
        Disturbance::EtcdLeaderMoved,
        Disturbance::EtcdCompacted,
        Disturbance::LinkSlowed,
        Disturbance::LinkRestored,
        Disturbance::ClockSkewed,
        Disturbance::ClockRestored,
        Disturbance::OrphansContinued,
        Disturbance::RemoteFailover,
    ];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Disturbance::EtcdLeaderMoved => "etcd-leader-moved",
            Disturbance::EtcdCompacted => "etcd-compacted",
            Disturbance::LinkSlowed => "link-slowed",
            Disturbance::LinkRestored => "link-restored",
            Disturbance::ClockSkewed => "clock-skewed",
            Disturbance::ClockRestored => "clock-restored",
            Disturbance::OrphansContinued => "orphans-continued",
            Disturbance::RemoteFailover => "remote-failover",
        }
    }

    /// One sentence on what it does.
    pub fn describe(self) -> &'static str {
        match self {
            Disturbance::EtcdLeaderMoved => "another member of etcd becomes its leader",
            Disturbance::EtcdCompacted => "etcd forgets all revisions but the newest",
            Disturbance::LinkSlowed => "what a node and the DCS say to each other takes longer",
            Disturbance::LinkRestored => "the link is as fast as ever",
            Disturbance::ClockSkewed => "the wall clock of a node's agent jumps",
            Disturbance::ClockRestored => "the wall clock is right again",
            Disturbance::OrphansContinued => "a backend that was stopped before its postmaster died goes on",
            Disturbance::RemoteFailover => {
                "the primary that a standby cluster follows is replaced by one that lacks the last writes"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files_are_the_ids() {
        for one in Disturbance::ALL {
            assert_eq!(serde_json::to_value(one).unwrap(), one.id());
        }
    }
}
