//! Fencing by time alone: the check that a primary that is cut off stops before another node leads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cluster::{Budget, Settings};
use crate::engine::{Inspect, Options, Path, search};
use crate::rules::edition::Edition;
use crate::vocabulary::fault::Fault;
use crate::vocabulary::property::Property;

use super::Timed;
use super::steps::{Moment, TimedAction};

/// The settings of a partition: one node is cut off from the DCS and from the other node, or both nodes from the DCS,
/// each for a while. There is no watchdog, so that the times alone have to be enough.
pub fn partition(edition: Edition) -> Settings {
    let faults = [Fault::RequestsLost, Fault::DcsReached, Fault::NodesCut, Fault::NodesJoined, Fault::LeaseExpires];
    let budget = Budget { network: 2, ..Budget::NONE };
    Settings { watchdog: false, budget, ..Settings::new(edition, 2) }.with_faults(&faults)
}

/// The outcome of a check of [`Property::OneWritableLeader`].
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Distinct states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// The number of states after which behaviours were not explored further, because too many WAL records differ.
    pub cut_short: usize,
    /// The search ended at the limit of its memory.
    pub out_of_memory: bool,
    /// A shortest behaviour in which two nodes are writable.
    pub broken: Option<Path<Moment, TimedAction>>,
}

/// Searches for two writable nodes, within so many bytes of memory if there is a limit. Behaviours end where there are
/// two.
pub fn check_one_leader(timed: &Timed, threads: usize, memory: Option<usize>) -> Verdict {
    let looks = TwoLeaders::default();
    let found = search(timed, Options { threads, memory, ..Options::default() }, &looks);
    Verdict {
        states: found.states,
        transitions: found.transitions,
        cut_short: looks.cut_short.into_inner(),
        out_of_memory: found.incomplete.is_some(),
        broken: found.found.into_iter().next().flatten(),
    }
}

#[derive(Default)]
struct TwoLeaders {
    cut_short: AtomicUsize,
}

impl Inspect<Timed> for TwoLeaders {
    fn state(&self, timed: &Timed, moment: &Moment) -> u64 {
        let two = !timed.holds_in(Property::OneWritableLeader, moment);
        if !two && timed.is_cut_short(moment) {
            self.cut_short.fetch_add(1, Ordering::Relaxed);
        }
        u64::from(two)
    }
}
