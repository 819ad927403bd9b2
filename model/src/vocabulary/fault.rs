//! The fault vocabulary: one meaning in the model, the same one in the lab.

use serde::{Deserialize, Serialize};

/// A fault that the environment inflicts on a cluster, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL hits the postmaster. Its backends end with it; `postmaster.pid` and `pg_control` stay as they were.
    PostmasterKilled,
    /// SIGKILL hits the postmaster, and a backend that is busy goes on without it: it can still commit.
    OrphansLeft,
    /// A backend is killed: the postmaster ends all others and recovers, without the agent.
    BackendCrashed,
    /// SIGKILL hits the agent. Postgres goes on without it.
    AgentKilled,
    /// The agent's process is started again after it was killed.
    AgentRestarted,
    /// The agent is stopped (SIGSTOP, a virtual machine that is paused). Postgres goes on without it.
    AgentFrozen,
    /// A frozen agent goes on where it was.
    AgentThawed,
    /// The whole node loses its power; its disk survives.
    NodeKilled,
    /// A postmaster that has just been started ends with an error.
    StartFails,
    /// A postmaster that has just been started does not come up, and does not end.
    StartHangs,
    /// Crash recovery in single-user mode ends with an error and leaves the data directory as it was.
    SingleUserFails,
    /// Crash recovery in single-user mode does not end.
    SingleUserHangs,
    /// pg_rewind ends with an error.
    RewindFails,
    /// The disk is full: Postgres panics, and cannot start.
    DiskFull,
    /// There is room on the disk again.
    DiskFreed,
    /// What a node sends to the DCS does not arrive.
    RequestsLost,
    /// What the DCS answers a node does not arrive; what the node asked for is done all the same.
    RepliesLost,
    /// A node reaches the DCS again.
    DcsReached,
    /// The nodes do not reach each other; all of them reach the DCS.
    NodesCut,
    /// The nodes reach each other again.
    NodesJoined,
    /// The DCS answers nobody. No lease ends meanwhile: the next leader of etcd grants them their full time again.
    DcsDown,
    /// The DCS answers again.
    DcsUp,
    /// The DCS drops a lease whose owner keeps it alive.
    LeaseLost,
    /// The lease ends because nobody kept it alive for `ttl`; the leader key goes with it.
    LeaseExpires,
    /// What an agent watches in the DCS does not change any more for it: it reads the keys as they were, but for its own writes, which
    /// go through.
    WatchStalls,
    /// The agent's watch goes on, and shows the keys as they are.
    WatchResumes,
}

/// What a fault is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A process or a node ends or stops.
    Process,
    /// What the agent started does not succeed.
    Task,
    /// The DCS or the network.
    Network,
    /// The end of a fault, or its consequence: not charged.
    Free,
}

impl Fault {
    /// All of them, in the order of their declaration.
    pub const ALL: [Fault; 26] = [
        Fault::PostmasterKilled,
        Fault::OrphansLeft,
        Fault::BackendCrashed,
        Fault::AgentKilled,
        Fault::AgentRestarted,
        Fault::AgentFrozen,
        Fault::AgentThawed,
        Fault::NodeKilled,
        Fault::StartFails,
        Fault::StartHangs,
        Fault::SingleUserFails,
        Fault::SingleUserHangs,
        Fault::RewindFails,
        Fault::DiskFull,
        Fault::DiskFreed,
        Fault::RequestsLost,
        Fault::RepliesLost,
        Fault::DcsReached,
        Fault::NodesCut,
        Fault::NodesJoined,
        Fault::DcsDown,
        Fault::DcsUp,
        Fault::LeaseLost,
        Fault::LeaseExpires,
        Fault::WatchStalls,
        Fault::WatchResumes,
    ];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Fault::PostmasterKilled => "postmaster-killed",
            Fault::OrphansLeft => "orphans-left",
            Fault::BackendCrashed => "backend-crashed",
            Fault::AgentKilled => "agent-killed",
            Fault::AgentRestarted => "agent-restarted",
            Fault::AgentFrozen => "agent-frozen",
            Fault::AgentThawed => "agent-thawed",
            Fault::NodeKilled => "node-killed",
            Fault::StartFails => "start-fails",
            Fault::StartHangs => "start-hangs",
            Fault::SingleUserFails => "single-user-fails",
            Fault::SingleUserHangs => "single-user-hangs",
            Fault::RewindFails => "rewind-fails",
            Fault::DiskFull => "disk-full",
            Fault::DiskFreed => "disk-freed",
            Fault::RequestsLost => "requests-lost",
            Fault::RepliesLost => "replies-lost",
            Fault::DcsReached => "dcs-reached",
            Fault::NodesCut => "nodes-cut",
            Fault::NodesJoined => "nodes-joined",
            Fault::DcsDown => "dcs-down",
            Fault::DcsUp => "dcs-up",
            Fault::LeaseLost => "lease-lost",
            Fault::LeaseExpires => "lease-expires",
            Fault::WatchStalls => "watch-stalls",
            Fault::WatchResumes => "watch-resumes",
        }
    }

    /// The fault of that name.
    pub fn from_id(id: &str) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| fault.id() == id)
    }

    /// What it is charged to.
    pub fn class(self) -> Class {
        use Fault::*;
        match self {
            PostmasterKilled | OrphansLeft | BackendCrashed | AgentKilled | AgentFrozen | NodeKilled => Class::Process,
            StartFails | StartHangs | SingleUserFails | SingleUserHangs | RewindFails | DiskFull => Class::Task,
            RequestsLost | RepliesLost | NodesCut | DcsDown | LeaseLost | WatchStalls => Class::Network,
            AgentRestarted | AgentThawed | DiskFreed | DcsReached | NodesJoined | DcsUp | LeaseExpires
            | WatchResumes => Class::Free,
        }
    }

    /// One sentence on what it does.
    pub fn describe(self) -> &'static str {
        match self {
            Fault::PostmasterKilled => "SIGKILL hits the postmaster; its backends end with it",
            Fault::OrphansLeft => "SIGKILL hits the postmaster; a busy backend outlives it and can still commit",
            Fault::BackendCrashed => "a backend is killed; the postmaster ends the others and recovers by itself",
            Fault::AgentKilled => "SIGKILL hits the agent; Postgres goes on without it",
            Fault::AgentRestarted => "a killed agent is started again",
            Fault::AgentFrozen => "the agent is stopped for longer than its lease lasts; Postgres goes on without it",
            Fault::AgentThawed => "a frozen agent goes on where it was",
            Fault::NodeKilled => "the whole node loses its power; its disk survives",
            Fault::StartFails => "a postmaster that has just been started ends with an error",
            Fault::StartHangs => "a postmaster that has just been started neither comes up nor ends",
            Fault::SingleUserFails => "crash recovery in single-user mode ends with an error",
            Fault::SingleUserHangs => "crash recovery in single-user mode does not end",
            Fault::RewindFails => "pg_rewind ends with an error",
            Fault::DiskFull => "the disk is full: Postgres panics and cannot start",
            Fault::DiskFreed => "there is room on the disk again",
            Fault::RequestsLost => "what a node sends to the DCS does not arrive",
            Fault::RepliesLost => "what the DCS answers a node does not arrive, though what it asked for is done",
            Fault::DcsReached => "a node reaches the DCS again",
            Fault::NodesCut => "the nodes do not reach each other; all of them reach the DCS",
            Fault::NodesJoined => "the nodes reach each other again",
            Fault::DcsDown => "the DCS answers nobody; no lease ends meanwhile",
            Fault::DcsUp => "the DCS answers again",
            Fault::LeaseLost => "the DCS drops a lease whose owner keeps it alive",
            Fault::LeaseExpires => "a lease that nobody keeps alive ends, and the leader key with it",
            Fault::WatchStalls => {
                "an agent reads the DCS's keys as they were, but for its own writes, which go through"
            }
            Fault::WatchResumes => "an agent that read old keys reads those of the moment again",
        }
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

    /// It belongs to the set.
    pub fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// Both sets.
    pub const fn and(self, other: Faults) -> Faults {
        Faults(self.0 | other.0)
    }

    /// The faults of this set that belong to the other one, too.
    pub fn within(self, other: Faults) -> Faults {
        Faults(self.0 & other.0)
    }

    /// The faults of this set that do not belong to the other one.
    #[inline]
    pub(crate) const fn except(self, other: Faults) -> Faults {
        Faults(self.0 & !other.0)
    }

    /// Its members, in the order of their declaration.
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
