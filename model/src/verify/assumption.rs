//! Sets of assumptions under which properties are checked: which faults may happen, how many, and in which
//! configuration.
//!
//! A property that breaks when nodes lose their disks is not thereby worthless, and one that holds where nothing ever
//! fails is not worth much. So each is checked under each assumption by itself. All have two nodes, so that liveness
//! can be checked, too.

use crate::cluster::{Budget, Settings, StartTimeouts};
use crate::rules::edition::Edition;
use crate::vocabulary::fault::{Fault, Faults};

vocabulary! {
    /// One set of assumptions: which faults may happen, how many, and in which configuration.
    pub enum Assumption {
        OneCrash = "one-crash", "one postmaster or agent dies, agents are started again; two commits";
        TwoCrashes = "two-crashes", "two of them die; one commit";
        OtherCrashes = "other-crashes", "two die, of them backends and whole nodes as well";
        FailingTasks = "failing-tasks", "one dies, and one start, single-user recovery or rewind fails";
        HangingTasks = "hanging-tasks", "one dies, and one start or single-user recovery hangs";
        FullDisk = "full-disk", "a disk gets full and stays so, and one dies";
        FrozenAgents = "frozen-agents", "two die or are frozen, with watchdogs";
        NoWatchdog = "no-watchdog", "two die or are frozen, without watchdogs";
        CutOff = "cut-off", "one dies, and one node does not reach the DCS, or does not get its answers, for a while";
        NodesCut = "nodes-cut", "one dies, and the nodes do not reach each other for a while";
        DcsDown = "dcs-down", "one dies, and the DCS is down for a while";
        LeaseLost = "lease-lost", "one dies, and the DCS drops a lease that is kept alive";
        Orphans = "orphans", "two die, perhaps a postmaster of which a backend lives on";
        Synchronous = "synchronous", "synchronous mode; two die or are frozen; one commit";
        Failsafe = "failsafe", "failsafe mode; one dies, and the DCS or the nodes are out of reach for a while";
        StandbyCluster = "standby-cluster",
            "a standby cluster; one dies, and the remote primary may lose a commit in a failover";
        Replaced = "replaced", "no pg_rewind, diverged data is replaced by a copy; three die";
        Maintenance = "maintenance", "one dies, and an operator pauses the cluster or takes an agent's slot";
        StaleReads = "stale-reads",
            "two die, and an agent reads old keys of the DCS for a while; a start timeout of zero; one commit";
    }
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
    /// The edition `ideal` claims that every safety property holds under this assumption. It makes no such claim where
    /// nothing that an agent does can help: without a watchdog nobody stops a primary whose agent is dead or frozen,
    /// and maintenance switches the watchdog off; a lease that the DCS drops may be gone before its owner can know.
    pub fn claimed_by_ideal(self) -> bool {
        !matches!(self, Assumption::NoWatchdog | Assumption::Maintenance | Assumption::LeaseLost)
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
