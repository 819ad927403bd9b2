//! The duration of a failover, checked against its documented bound.

use crate::cluster::{Budget, Settings};
use crate::engine::{Graph, Path, within};
use crate::rules::edition::Edition;
use crate::vocabulary::fault::Fault;

use super::Timed;
use super::steps::{Moment, TimedAction};

/// The settings of a crash: the postmaster of the leader or of the other node dies, and nothing else goes wrong.
pub fn crash(edition: Edition) -> Settings {
    let budget = Budget { process: 1, ..Budget::NONE };
    Settings { budget, ..Settings::new(edition, 2) }.with_faults(&[Fault::PostmasterKilled, Fault::LeaseExpires])
}

/// The duration of a failover, in ticks.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The bound: ticks from the moment when no node leads, and another could, until one leads.
    pub bound: u8,
    /// The ticks that it takes at most; `None` if it may take more than [`MOST`].
    pub worst: Option<u8>,
    /// Distinct states.
    pub states: usize,
    /// A shortest behaviour in which it takes longer than the bound; `None` if there is none.
    pub broken: Option<Path<Moment, TimedAction>>,
}

/// The largest number of ticks that is tried.
pub const MOST: u8 = 40;

/// Checks [`Timing::failover_bound`](super::Timing::failover_bound): when no node leads, no fault is still to come, and
/// another node could take over, then a node leads before the time is up. `None` if the graph takes more than `memory`
/// bytes.
pub fn check_failover(timed: &Timed, memory: usize) -> Option<Failover> {
    let graph = Graph::of_at_most(timed, memory)?;
    let late = |ticks: u8| {
        let is_tick = |action: &TimedAction| matches!(action, TimedAction::Tick(_));
        let asked = |timed: &Timed, moment: &Moment| timed.cluster.waits_for_leader(&moment.state);
        let leads = |timed: &Timed, moment: &Moment| timed.cluster.anybody_leads(&moment.state);
        within(&graph, ticks.into(), is_tick, asked, leads)
    };
    let bound = timed.timing.failover_bound();
    let worst = (0..=MOST).find(|ticks| late(*ticks).is_none());
    Some(Failover { bound, worst, states: graph.states(), broken: late(bound) })
}
