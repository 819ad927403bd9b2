//! Under which assumptions a property is checked: which faults may happen, in which configuration.
//!
//! A property that breaks when nodes lose their disks is not thereby worthless, and one that holds where nothing ever fails is not worth much.
//! So each is checked under each assumption by itself. All have two nodes, so that liveness can be checked, too.

use crate::cluster::{Budget, Settings, StartTimeouts};
use crate::rules::edition::Edition;
use crate::vocabulary::fault::{Fault, Faults};

/// One set of assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumption {
    /// One process dies.
    OneCrash,
    /// Two processes die.
    TwoCrashes,
    /// A backend dies, or a whole node, and something else.
    OtherCrashes,
    /// What an agent starts fails.
    FailingTasks,
    /// What an agent starts hangs.
    HangingTasks,
    /// A disk gets full.
    FullDisk,
    /// Agents are frozen for longer than their leases last.
    FrozenAgents,
    /// The same without watchdogs.
    NoWatchdog,
    /// A node is cut off from the DCS.
    CutOff,
    /// The nodes are cut off from each other.
    NodesCut,
    /// The DCS is down for a while.
    DcsDown,
    /// The DCS loses a lease.
    LeaseLost,
    /// A backend outlives its postmaster.
    Orphans,
    /// Synchronous mode.
    Synchronous,
    /// Failsafe mode.
    Failsafe,
    /// A standby cluster, whose remote primary may fail over.
    StandbyCluster,
    /// Diverged data directories are replaced, not rewound.
    Replaced,
    /// Operators put the cluster into maintenance and send requests.
    Maintenance,
    /// An agent reads old keys.
    StaleReads,
}

/// The deaths that every agent has to live with.
const CRASHES: Faults =
    Faults::of(&[Fault::PostmasterKilled, Fault::AgentKilled, Fault::AgentRestarted, Fault::LeaseExpires]);
const FROZEN: Faults = Faults::of(&[Fault::AgentFrozen, Fault::AgentThawed]);
const CUT_OFF: Faults = Faults::of(&[Fault::RequestsLost, Fault::RepliesLost, Fault::DcsReached]);
const NODES_CUT: Faults = Faults::of(&[Fault::NodesCut, Fault::NodesJoined]);
const DCS_DOWN: Faults = Faults::of(&[Fault::DcsDown, Fault::DcsUp]);
const STALE: Faults = Faults::of(&[Fault::WatchStalls, Fault::WatchResumes]);
const FAILING: Faults = Faults::of(&[Fault::StartFails, Fault::SingleUserFails, Fault::RewindFails]);

impl Assumption {
    /// All of them.
    pub const ALL: [Assumption; 19] = [
        Assumption::OneCrash,
        Assumption::TwoCrashes,
        Assumption::OtherCrashes,
        Assumption::FailingTasks,
        Assumption::HangingTasks,
        Assumption::FullDisk,
        Assumption::FrozenAgents,
        Assumption::NoWatchdog,
        Assumption::CutOff,
        Assumption::NodesCut,
        Assumption::DcsDown,
        Assumption::LeaseLost,
        Assumption::Orphans,
        Assumption::Synchronous,
        Assumption::Failsafe,
        Assumption::StandbyCluster,
        Assumption::Replaced,
        Assumption::Maintenance,
        Assumption::StaleReads,
    ];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Assumption::OneCrash => "one-crash",
            Assumption::TwoCrashes => "two-crashes",
            Assumption::OtherCrashes => "other-crashes",
            Assumption::FailingTasks => "failing-tasks",
            Assumption::HangingTasks => "hanging-tasks",
            Assumption::FullDisk => "full-disk",
            Assumption::FrozenAgents => "frozen-agents",
            Assumption::NoWatchdog => "no-watchdog",
            Assumption::CutOff => "cut-off",
            Assumption::NodesCut => "nodes-cut",
            Assumption::DcsDown => "dcs-down",
            Assumption::LeaseLost => "lease-lost",
            Assumption::Orphans => "orphans",
            Assumption::Synchronous => "synchronous",
            Assumption::Failsafe => "failsafe",
            Assumption::StandbyCluster => "standby-cluster",
            Assumption::Replaced => "replaced",
            Assumption::Maintenance => "maintenance",
            Assumption::StaleReads => "stale-reads",
        }
    }

    /// The assumption of that name.
    pub fn from_id(id: &str) -> Option<Assumption> {
        Assumption::ALL.into_iter().find(|assumption| assumption.id() == id)
    }

    /// The edition `ideal` claims that every safety property holds. It does not where nothing that an agent does can help: without a watchdog
    /// nobody stops a primary whose agent is dead or frozen, and maintenance switches the watchdog off; a lease that the DCS drops may be gone
    /// before its owner can know.
    pub fn claimed_by_ideal(self) -> bool {
        !matches!(self, Assumption::NoWatchdog | Assumption::Maintenance | Assumption::LeaseLost)
    }

    /// One sentence on what is assumed.
    pub fn describe(self) -> &'static str {
        match self {
            Assumption::OneCrash => "one postmaster or agent dies, agents are started again; two commits",
            Assumption::TwoCrashes => "two of them die; one commit",
            Assumption::OtherCrashes => "two die, of them backends and whole nodes as well",
            Assumption::FailingTasks => "one dies, and one start, single-user recovery or rewind fails",
            Assumption::HangingTasks => "one dies, and one start or single-user recovery hangs",
            Assumption::FullDisk => "a disk gets full and stays so, and one dies",
            Assumption::FrozenAgents => "two die or are frozen for longer than a lease lasts, with watchdogs",
            Assumption::NoWatchdog => "two die or are frozen, without watchdogs",
            Assumption::CutOff => {
                "one dies, and one node does not reach the DCS, or does not get its answers, for a while"
            }
            Assumption::NodesCut => "one dies, and the nodes do not reach each other for a while",
            Assumption::DcsDown => "one dies, and the DCS is down for a while",
            Assumption::LeaseLost => "one dies, and the DCS drops a lease that is kept alive",
            Assumption::Orphans => "two die, perhaps a postmaster of which a backend lives on",
            Assumption::Synchronous => "synchronous mode; two die or are frozen; one commit",
            Assumption::Failsafe => "failsafe mode; one dies, and the DCS or the nodes are out of reach for a while",
            Assumption::StandbyCluster => {
                "a standby cluster; one dies, and the remote primary may lose a commit in a failover"
            }
            Assumption::Replaced => "no pg_rewind, diverged data is replaced by a copy; three die",
            Assumption::Maintenance => "one dies, and an operator pauses the cluster or takes an agent's slot",
            Assumption::StaleReads => {
                "two die, and an agent reads old keys of the DCS for a while; a start timeout of zero; one commit"
            }
        }
    }

    /// The settings to check.
    pub fn settings(self, edition: Edition) -> Settings {
        let none = Budget { process: 1, task: 1, network: 1, commits: 1, operator: 0 };
        let base = Settings { faults: CRASHES, budget: none, maximum_lag: 0, ..Settings::new(edition, 2) };
        let with = |faults: Faults| Settings { faults: CRASHES.and(faults), ..base.clone() };
        let of = |faults: &[Fault]| with(Faults::of(faults));
        let budget = |process, commits| Budget { process, commits, ..none };
        match self {
            Assumption::OneCrash => Settings { budget: budget(1, 2), ..base },
            Assumption::TwoCrashes => Settings { budget: budget(2, 1), ..base },
            Assumption::OtherCrashes => {
                Settings { budget: budget(2, 0), ..of(&[Fault::BackendCrashed, Fault::NodeKilled]) }
            }
            Assumption::FailingTasks => with(FAILING),
            Assumption::HangingTasks => of(&[Fault::StartHangs, Fault::SingleUserHangs]),
            Assumption::FullDisk => Settings { budget: budget(1, 0), ..of(&[Fault::DiskFull]) },
            Assumption::FrozenAgents => Settings { budget: budget(2, 0), ..with(FROZEN) },
            Assumption::NoWatchdog => Settings { watchdog: false, budget: budget(2, 1), ..with(FROZEN) },
            Assumption::CutOff => with(CUT_OFF),
            Assumption::NodesCut => with(NODES_CUT),
            Assumption::DcsDown => with(DCS_DOWN),
            Assumption::LeaseLost => of(&[Fault::LeaseLost]),
            Assumption::Orphans => Settings { budget: budget(2, 0), ..of(&[Fault::OrphansLeft]) },
            Assumption::Synchronous => Settings { synchronous: true, budget: budget(2, 1), ..with(FROZEN) },
            Assumption::Failsafe => {
                Settings { failsafe: true, budget: budget(1, 0), ..with(CUT_OFF.and(NODES_CUT).and(DCS_DOWN)) }
            }
            Assumption::StandbyCluster => {
                Settings { standby_cluster: true, budget: Budget { operator: 1, ..budget(1, 1) }, ..base }
            }
            Assumption::Replaced => {
                let budget = Budget { task: 0, ..budget(3, 0) };
                Settings { remove_on_divergence: true, can_rewind: false, budget, ..base }
            }
            Assumption::Maintenance => Settings { budget: Budget { operator: 1, ..budget(1, 0) }, ..base },
            Assumption::StaleReads => {
                Settings { start_timeouts: StartTimeouts::Zero, budget: budget(2, 1), ..with(STALE) }
            }
        }
    }
}
