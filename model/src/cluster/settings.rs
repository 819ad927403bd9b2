//! The settings of a cluster model: size, rules, configuration, and the faults that may happen.
//!
//! An exploration, a check and a belief each take one value of [`Settings`]; nothing else chooses what is modelled.

use crate::mutants::Mutant;
use crate::rules::edition::{Edition, Rules};
use crate::vocabulary::event::Configuration;
use crate::vocabulary::fault::{Class, Fault, Faults};

use super::state::Budget;

/// The settings of a cluster model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of nodes, 2 or 3.
    pub nodes: u8,
    /// The edition.
    pub edition: Edition,
    /// The rules: those of the edition, or those of a release that differs from it.
    pub rules: Rules,
    /// A rule that is broken on purpose, if any.
    pub mutant: Option<Mutant>,
    /// The values of `primary_start_timeout` that are explored.
    pub start_timeouts: StartTimeouts,
    /// The watchdog is required: it is armed whenever Postgres is writable under a live agent.
    pub watchdog: bool,
    /// pg_rewind can be used.
    pub can_rewind: bool,
    /// `remove_data_directory_on_diverged_timelines`
    pub remove_on_divergence: bool,
    /// The cluster follows a primary elsewhere.
    pub standby_cluster: bool,
    /// `synchronous_mode`
    pub synchronous: bool,
    /// `failsafe_mode`
    pub failsafe: bool,
    /// `maximum_lag_on_failover`, in records.
    pub maximum_lag: u8,
    /// The detail of the WAL.
    pub wal: WalDetail,
    /// The granularity of an agent's steps.
    pub grain: Grain,
    /// Adds behaviour that takes time in a real cluster. Without observations it only adds states, so it is on where
    /// recorded histories are explained:
    /// * an orderly shutdown waits for standbys that are not reached;
    /// * a start that cannot succeed runs a process for a moment;
    /// * the member key of a new leader says that it is a primary only after its next cycle, and nobody compares
    ///   timelines with it before;
    /// * a lease also ends while the DCS stands still, and while its holder receives no replies, because its
    ///   connections soon break;
    /// * running members of a standby cluster learn, sooner or later, of the timeline of a new remote primary.
    pub as_observed: bool,
    /// The watch of an agent that is cut off from the DCS may stall unseen, so that the agent continues to read old
    /// keys.
    pub stalls_unseen: bool,
    /// Faults that may happen.
    pub faults: Faults,
    /// The budgets: how many faults, commits and operator's actions may happen.
    pub budget: Budget,
}

/// The start timeouts that are explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTimeouts {
    /// Only zero: fail over if another node can take over.
    Zero,
    /// Only a positive one, which expires only if the start hangs.
    Positive,
    /// Both.
    Both,
}

/// The granularity of an agent's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Whatever is visible from outside is a step of its own: messages, process starts, the slot that becomes free.
    Observable,
    /// A decision, the start of its process, and the end of a task happen in the step that leads to them. Only the
    /// agent itself could act in between, and an agent that is killed there might as well be killed a moment earlier or
    /// later. A promotion still is a step of its own, because it can be called off.
    Coarse,
}

/// The detail of the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalDetail {
    /// Only timelines: clients write all the time, and it is unknown how much of it a standby has.
    Timelines,
    /// Each record; clients commit at most [`Budget::commits`] times.
    Records,
}

impl WalDetail {
    pub(super) fn is_exact(self) -> bool {
        self == WalDetail::Records
    }
}

/// The default faults and their ends: those under which the newest edition keeps every promise.
const USUAL: Faults = Faults::of(&[
    Fault::PostmasterKilled,
    Fault::AgentKilled,
    Fault::AgentRestarted,
    Fault::AgentFrozen,
    Fault::AgentThawed,
    Fault::SingleUserFails,
    Fault::NodesCut,
    Fault::NodesJoined,
    Fault::LeaseExpires,
]);

impl Settings {
    /// The default settings of `pghaspec check`.
    pub fn new(edition: Edition, nodes: u8) -> Self {
        Settings {
            nodes,
            edition,
            rules: edition.rules(),
            mutant: None,
            start_timeouts: StartTimeouts::Both,
            watchdog: true,
            can_rewind: true,
            remove_on_divergence: false,
            standby_cluster: false,
            synchronous: false,
            failsafe: false,
            maximum_lag: 0,
            wal: WalDetail::Records,
            grain: Grain::Coarse,
            as_observed: false,
            stalls_unseen: false,
            faults: USUAL,
            // One node fewer can crash than there are, so that one is always spared.
            budget: Budget { process: nodes - 1, task: 1, network: 1, commits: 2, operator: 0 },
        }
    }

    /// These settings in the words of an agent's configuration, as the history of such a cluster begins with it.
    pub fn configuration(&self) -> Configuration {
        Configuration {
            synchronous_mode: self.synchronous,
            failsafe_mode: self.failsafe,
            standby_cluster: self.standby_cluster,
            watchdog_required: self.watchdog,
            watchdog_present: self.watchdog,
            use_pg_rewind: self.can_rewind,
            remove_data_directory_on_diverged_timelines: self.remove_on_divergence,
            ..Configuration::default()
        }
    }

    /// The settings for a cluster that clients write to all the time, seen from outside: only timelines are
    /// distinguished.
    pub fn of_timelines(edition: Edition, nodes: u8) -> Self {
        Settings {
            wal: WalDetail::Timelines,
            grain: Grain::Observable,
            faults: Faults::of(&[
                Fault::PostmasterKilled,
                Fault::AgentKilled,
                Fault::AgentRestarted,
                Fault::SingleUserFails,
                Fault::LeaseExpires,
            ]),
            budget: Budget { process: 2, task: 1, ..Budget::NONE },
            ..Settings::new(edition, nodes)
        }
    }

    /// The same settings with only these faults.
    pub fn with_faults(self, faults: &[Fault]) -> Self {
        Settings { faults: Faults::of(faults), ..self }
    }

    /// The same settings without a budget for what cannot happen.
    pub(super) fn in_bounds(mut self) -> Self {
        let any = |class| self.faults.iter().any(|fault| fault.class() == class);
        self.budget.process *= u8::from(any(Class::Process));
        self.budget.task *= u8::from(any(Class::Task));
        self.budget.network *= u8::from(any(Class::Network));
        self.budget.commits *= u8::from(self.wal.is_exact());
        self
    }

    /// True if the DCS may fail to answer.
    pub(super) fn dcs_fails(&self) -> bool {
        self.budget.network > 0
            && [Fault::RequestsLost, Fault::RepliesLost, Fault::DcsDown]
                .iter()
                .any(|fault| self.faults.contains(*fault))
    }

    /// True if a data directory may be replaced by a copy, which brings a backup_label.
    pub(super) fn copies(&self) -> bool {
        self.remove_on_divergence || !self.rules.reinitialize_needs_setting
    }

    /// `can_rewind_or_reinitialize_allowed`: true if diverged data can be repaired, so that agents look for it.
    pub(super) fn divergence_matters(&self) -> bool {
        self.can_rewind || self.remove_on_divergence
    }
}
