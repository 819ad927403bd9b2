//! The catalogue of faults: for each entry of the vocabulary, what a step of a scenario may say about it.
//!
//! There is no `_` in it, so a fault that is missing here does not compile. How the lab makes each of them is said in
//! `lab/faults/kinds/mod.rs`; a test holds the two to each other.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;

use super::how::{How, Key};

/// The terms of a fault in a step: what it hits, when it strikes, and its particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The part of the testbed that it hits.
    pub hits: Hits,
    /// The moment at which it strikes.
    pub strikes: Strikes,
    /// Particulars that a step may give.
    pub takes: &'static [Key],
    /// Particulars that a step must give.
    pub needs: &'static [Key],
}

/// The part of the testbed that a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hits {
    /// Nodes.
    Nodes,
    /// The DCS; the target is `etcd`.
    Dcs,
    /// The remote primary of a standby cluster; the target is `remote`.
    Remote,
}

/// The moment at which a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strikes {
    /// At once.
    AtOnce,
    /// As a trap, when the process starts that it lies in wait for.
    InWait,
    /// At once; with `during`, as a trap.
    AtOnceOrInWait,
}

/// The reason why no scenario can name a fault of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotMade {
    /// The reason.
    pub why: &'static str,
    /// The remedy: what a scenario can do instead.
    pub instead: &'static str,
}

/// The reason for `lease-expires`.
pub const LEASE_EXPIRES: NotMade = NotMade {
    why: "a lease expires by itself when nobody keeps it alive",
    instead: "freeze or kill its owner, then wait with when = \"leader-key-gone\"",
};

/// The reason for `watch-stalls`.
pub const WATCH_STALLS: NotMade = NotMade {
    why: "watch-stalls is a fault of the model: from outside nobody can stall a watch alone",
    instead: "cut the node off with `requests-lost` or `replies-lost`",
};

/// The reason for `watch-resumes`.
pub const WATCH_RESUMES: NotMade = NotMade {
    why: "watch-resumes is a fault of the model: from outside nobody can stall a watch alone",
    instead: "cut the node off with `requests-lost` or `replies-lost`",
};

impl Entry {
    /// A step that names no fault: it has no particulars.
    pub(super) const NOTHING: Entry = Entry::NODES;
    /// A fault of nodes that strikes at once and has no particulars.
    const NODES: Entry = Entry { hits: Hits::Nodes, strikes: Strikes::AtOnce, takes: &[], needs: &[] };
    /// A fault of the DCS that has no particulars.
    const DCS: Entry = Entry { hits: Hits::Dcs, ..Entry::NODES };
    /// A fault that lies in wait.
    const TRAP: Entry = Entry { strikes: Strikes::InWait, takes: &[Key::Every], ..Entry::NODES };
}

/// The terms of a fault in a step.
///
/// # Errors
/// No scenario can name it; the reason why.
pub fn of_fault(fault: Fault) -> Result<Entry, &'static NotMade> {
    use Fault::*;
    use Strikes::AtOnceOrInWait;
    Ok(match fault {
        PostmasterKilled => Entry { strikes: AtOnceOrInWait, takes: &[Key::Every, Key::During], ..Entry::NODES },
        OrphansLeft => Entry { takes: &[Key::LastsS, Key::Stopped], ..Entry::NODES },
        BackendCrashed => Entry { takes: &[Key::Process], ..Entry::NODES },
        AgentKilled => Entry { strikes: AtOnceOrInWait, takes: &[Key::During], ..Entry::NODES },
        AgentRestarted | AgentFrozen | AgentThawed | NodeKilled => Entry::NODES,
        StartFails | StartHangs | SingleUserFails | RewindFails => Entry::TRAP,
        SingleUserHangs => Entry { takes: &[Key::Every, Key::During], ..Entry::TRAP },
        DiskFull | DiskFreed => Entry::NODES,
        RequestsLost | RepliesLost | DcsReached => Entry::NODES,
        NodesCut => Entry { takes: &[Key::Direction], ..Entry::NODES },
        NodesJoined => Entry::NODES,
        DcsDown => Entry { takes: &[Key::Outage], ..Entry::DCS },
        DcsUp => Entry::DCS,
        LeaseLost => Entry::NODES,
        LeaseExpires => return Err(&LEASE_EXPIRES),
        WatchStalls => return Err(&WATCH_STALLS),
        WatchResumes => return Err(&WATCH_RESUMES),
    })
}

/// The terms of a benign fault in a step.
pub fn of_disturbance(disturbance: Disturbance) -> Entry {
    use Disturbance::*;
    match disturbance {
        EtcdLeaderMoved | EtcdCompacted => Entry::DCS,
        LinkSlowed => Entry { takes: &[Key::DelayMs], needs: &[Key::DelayMs], ..Entry::NODES },
        ClockSkewed => Entry { takes: &[Key::SkewS], needs: &[Key::SkewS], ..Entry::NODES },
        LinkRestored | ClockRestored | OrphansContinued => Entry::NODES,
        RemoteFailover => Entry { hits: Hits::Remote, ..Entry::NODES },
    }
}

/// Says whether a fault lies in wait for a process that starts, and strikes then. The others strike at once.
pub fn is_trap(fault: Fault, how: &How) -> bool {
    match of_fault(fault).map(|entry| entry.strikes) {
        Ok(Strikes::InWait) => true,
        Ok(Strikes::AtOnceOrInWait) => how.during.is_some(),
        Ok(Strikes::AtOnce) | Err(_) => false,
    }
}

/// Says whether the random walks of the profile `stress` draw a fault.
pub fn is_drawn(fault: Fault) -> bool {
    use Fault::*;
    match fault {
        // The consequences of a backend that outlives its postmaster are known, and would hide all else.
        OrphansLeft => false,
        // What hangs, or stands still until the disk is freed, takes longer than a walk.
        StartHangs | SingleUserHangs | DiskFull | DiskFreed => false,
        // From outside nobody can stall an agent's watch and nothing else of it.
        WatchStalls | WatchResumes => false,
        PostmasterKilled | BackendCrashed | AgentKilled | AgentRestarted | AgentFrozen | AgentThawed | NodeKilled
        | StartFails | SingleUserFails | RewindFails | RequestsLost | RepliesLost | DcsReached | NodesCut
        | NodesJoined | DcsDown | DcsUp | LeaseLost | LeaseExpires => true,
    }
}
