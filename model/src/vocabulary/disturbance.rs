//! Benign faults: events of every day that an agent must bear without losing its leader.
//!
//! Scenarios inflict them as they inflict faults, and nothing may follow. The model knows none of them but the failover
//! elsewhere.

use serde::{Deserialize, Serialize};

vocabulary! {
    /// A benign fault, or its end, or what happens elsewhere.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Disturbance {
        /// Every lease is granted its full time again.
        EtcdLeaderMoved = "etcd-leader-moved", "another member of etcd becomes its leader";
        /// Whoever watches from an older one must list anew.
        EtcdCompacted = "etcd-compacted", "etcd forgets all revisions but the newest";
        /// Longer by less than the agent's patience.
        LinkSlowed = "link-slowed", "what a node and the DCS say to each other takes longer";
        LinkRestored = "link-restored", "the link is as fast as ever";
        /// Leases are counted by clocks that do not jump.
        ClockSkewed = "clock-skewed", "the wall clock of a node's agent jumps";
        ClockRestored = "clock-restored", "the wall clock is right again";
        /// If it still lives.
        OrphansContinued = "orphans-continued", "a backend that was stopped before its postmaster died goes on";
        /// The primary is elsewhere, and its place is taken over when it ends. This one the model knows, as a step that
        /// nobody can see.
        RemoteFailover = "remote-failover",
            "the primary that a standby cluster follows is replaced by one that lacks the last writes";
    }
}
