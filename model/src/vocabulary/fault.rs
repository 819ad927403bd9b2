//! The faults that hit a cluster: one meaning in the model, the same one in the lab.
//!
//! The model inflicts them on its states, scenarios ask for them by their ids, and events record them.

use serde::{Deserialize, Serialize};

/// The budget that a fault is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A process or a node ends or stops.
    Process,
    /// A task or process that the agent started does not succeed.
    Task,
    /// The DCS or the network.
    Network,
    /// The end of a fault, or its consequence: not charged.
    Free,
}

use Class::{Free, Network, Process, Task};

vocabulary! {
    /// A fault that the environment inflicts on a cluster, or its end.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Fault (
        /// The budget that it is charged to.
        pub class: Class,
    ) {
        /// `postmaster.pid` and `pg_control` stay as they were.
        PostmasterKilled = "postmaster-killed",
            "SIGKILL hits the postmaster; its backends end with it", class: Process;
        OrphansLeft = "orphans-left",
            "SIGKILL hits the postmaster; a busy backend outlives it and can still commit", class: Process;
        /// The agent has no part in it.
        BackendCrashed = "backend-crashed",
            "a backend is killed; the postmaster ends the others and recovers by itself", class: Process;
        AgentKilled = "agent-killed",
            "SIGKILL hits the agent; Postgres goes on without it", class: Process;
        AgentRestarted = "agent-restarted",
            "a killed agent is started again", class: Free;
        /// SIGSTOP, or a virtual machine that is paused. The model stops the agent between any two of its steps and
        /// lets it go on at any time: before its lease ends, or after.
        AgentFrozen = "agent-frozen",
            "the agent is stopped, for a moment or past the end of its lease; Postgres goes on without it",
            class: Process;
        AgentThawed = "agent-thawed",
            "a frozen agent goes on where it was", class: Free;
        NodeKilled = "node-killed",
            "the whole node loses its power; its disk survives", class: Process;
        StartFails = "start-fails",
            "a postmaster that has just been started ends with an error", class: Task;
        StartHangs = "start-hangs",
            "a postmaster that has just been started neither comes up nor ends", class: Task;
        /// The data directory stays as it was.
        SingleUserFails = "single-user-fails",
            "crash recovery in single-user mode ends with an error", class: Task;
        SingleUserHangs = "single-user-hangs",
            "crash recovery in single-user mode does not end", class: Task;
        RewindFails = "rewind-fails",
            "pg_rewind ends with an error", class: Task;
        DiskFull = "disk-full",
            "the disk is full: Postgres panics and cannot start", class: Task;
        DiskFreed = "disk-freed",
            "there is room on the disk again", class: Free;
        RequestsLost = "requests-lost",
            "what a node sends to the DCS does not arrive", class: Network;
        RepliesLost = "replies-lost",
            "what the DCS answers a node does not arrive, though what it asked for is done", class: Network;
        DcsReached = "dcs-reached",
            "a node reaches the DCS again", class: Free;
        NodesCut = "nodes-cut",
            "the nodes do not reach each other; all of them reach the DCS", class: Network;
        NodesJoined = "nodes-joined",
            "the nodes reach each other again", class: Free;
        /// The next leader of etcd grants all leases their full time again.
        DcsDown = "dcs-down",
            "the DCS answers nobody; no lease ends meanwhile", class: Network;
        DcsUp = "dcs-up",
            "the DCS answers again", class: Free;
        LeaseLost = "lease-lost",
            "the DCS drops a lease whose owner keeps it alive", class: Network;
        /// Nobody kept it alive for `ttl`.
        LeaseExpires = "lease-expires",
            "a lease that nobody keeps alive ends, and the leader key with it", class: Free;
        /// The agent's watch stays open, and nothing comes through it.
        WatchStalls = "watch-stalls",
            "an agent reads the DCS's keys as they were, but for its own writes, which go through", class: Network;
        WatchResumes = "watch-resumes",
            "an agent that read old keys reads those of the moment again", class: Free;
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults(u32);

impl Faults {
    /// The set of these.
    pub const fn of(faults: &[Fault]) -> Faults {
        let mut bits = 0;
        let mut index = 0;
        while index < faults.len() {
            bits |= 1 << faults[index] as u32;
            index += 1;
        }
        Faults(bits)
    }

    /// The fault belongs to the set.
    pub fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// The union of both sets.
    pub const fn and(self, other: Faults) -> Faults {
        Faults(self.0 | other.0)
    }

    /// The intersection of both sets.
    pub fn within(self, other: Faults) -> Faults {
        Faults(self.0 & other.0)
    }

    /// The difference: the faults of this set that do not belong to the other one.
    #[inline]
    pub(crate) const fn except(self, other: Faults) -> Faults {
        Faults(self.0 & !other.0)
    }

    /// The members, in the order of their declaration.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let fault = *Fault::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(fault)
        })
    }
}
