//! What is modelled: size, rules, configuration and the faults that may happen.

use crate::mutants::Mutant;
use crate::rules::edition::{Edition, Rules};
use crate::vocabulary::event::Configuration;
use crate::vocabulary::fault::{Class, Fault, Faults};

use super::state::Budget;

/// What is modelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of nodes, 2 or 3.
    pub nodes: u8,
    /// The edition.
    pub edition: Edition,
    /// The rules: those of the edition, or of a release that differs from it.
    pub rules: Rules,
    /// One rule broken on purpose.
    pub mutant: Option<Mutant>,
    /// `primary_start_timeout` zero, positive, or both.
    pub start_timeouts: StartTimeouts,
    /// The watchdog is required: armed whenever Postgres is writable under a live agent.
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
    /// How much of the WAL is told apart.
    pub wal: WalDetail,
    /// How finely what an agent does is cut into steps.
    pub grain: Grain,
    /// What takes time in a real cluster and only makes more states where nothing is held against an observation: an orderly shutdown waits
    /// for standbys that are not reached; a start that cannot succeed runs a process for a moment; a new leader's member key says only after
    /// its next cycle that it is a primary, and nobody compares timelines with it before; a lease also ends while the DCS stands still, or
    /// while its holder hears nothing any more, whose connections break before long; and members of a standby cluster that are up hear of the
    /// timeline of a new primary elsewhere, sooner or later.
    pub as_observed: bool,
    /// The watch of an agent that is cut off from the DCS may stall unseen, so that it goes on to read what it had read.
    pub stalls_unseen: bool,
    /// Faults that may happen.
    pub faults: Faults,
    /// How many.
    pub budget: Budget,
}

/// Which start timeouts are explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTimeouts {
    /// Only zero: fail over if anybody can take over.
    Zero,
    /// Only a positive one, which is over only if the start hangs.
    Positive,
    /// Both.
    Both,
}

/// How finely what an agent does is cut into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Whatever can be seen from outside is a step of its own: messages, processes that start, the slot that gets free.
    Observable,
    /// A decision, the start of its process, and the end of a task come together with the step that leads to them. Nobody but the agent itself
    /// could act on what is in between, and an agent that is killed there might as well be killed a moment earlier or later. A promotion
    /// still waits, since it can be called off.
    Coarse,
}

/// How much of the WAL is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalDetail {
    /// Only timelines: clients write all the time, nobody knows how much of it a standby has.
    Timelines,
    /// Each record; clients commit as often as [`Budget::commits`] says.
    Records,
}

impl WalDetail {
    pub(super) fn is_exact(self) -> bool {
        self == WalDetail::Records
    }
}

/// The faults that are explored if nothing else is asked for, and their ends: those under which the newest edition keeps every promise.
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
    /// The exploration that `check` runs if nothing else is asked for.
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
            // As many crashes as leave one node that was spared.
            budget: Budget { process: nodes - 1, task: 1, network: 1, commits: 2, operator: 0 },
        }
    }

    /// These in the words of an agent's configuration, as a history of such a cluster begins with it.
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

    /// What can be told from outside of a cluster that clients write to all the time: only timelines.
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

    /// The same with only these faults, and what follows from them.
    pub fn with_faults(self, faults: &[Fault]) -> Self {
        Settings { faults: Faults::of(faults), ..self }
    }

    /// The same without a budget for what cannot happen.
    pub(super) fn in_bounds(mut self) -> Self {
        let any = |class| self.faults.iter().any(|fault| fault.class() == class);
        self.budget.process *= u8::from(any(Class::Process));
        self.budget.task *= u8::from(any(Class::Task));
        self.budget.network *= u8::from(any(Class::Network));
        self.budget.commits *= u8::from(self.wal.is_exact());
        self
    }

    /// The DCS may fail to answer.
    pub(super) fn dcs_fails(&self) -> bool {
        self.budget.network > 0
            && [Fault::RequestsLost, Fault::RepliesLost, Fault::DcsDown]
                .iter()
                .any(|fault| self.faults.contains(*fault))
    }

    /// Data directories may be replaced by a copy, which brings a backup_label.
    pub(super) fn copies(&self) -> bool {
        self.remove_on_divergence || !self.rules.reinitialize_needs_setting
    }

    /// `can_rewind_or_reinitialize_allowed`: data that diverged can be mended, so it is looked for.
    pub(super) fn divergence_matters(&self) -> bool {
        self.can_rewind || self.remove_on_divergence
    }
}
