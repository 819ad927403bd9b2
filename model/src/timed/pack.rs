//! Packed moments: a cluster with clocks in six machine words, five for the cluster and one for the clocks.

use crate::cluster::{Cluster, MAX_NODES};
use crate::engine::{Fairness, Spec};

use super::Timed;
use super::clocks::{Clocks, NodeClocks};
use super::steps::{Moment, TimedAction};

/// The bits of a number of ticks.
const WIDTH: u32 = 4;
const MASK: u64 = (1 << WIDTH) - 1;

fn put(clocks: &Clocks) -> u64 {
    let of_node = |node: &NodeClocks| {
        let NodeClocks { next, asking, watchdog, start } = *node;
        [next, asking.map_or(0, |asking| asking + 1), watchdog, start]
    };
    let ticks = [clocks.lease, clocks.drift].into_iter().chain(clocks.nodes.iter().flat_map(of_node));
    ticks.enumerate().fold(0, |word, (place, ticks)| word | u64::from(ticks) << (WIDTH * place as u32))
}

fn take(word: u64) -> Clocks {
    let ticks = |place: usize| (word >> (WIDTH * place as u32) & MASK) as u8;
    let nodes: [NodeClocks; MAX_NODES] = std::array::from_fn(|id| {
        let first = 2 + 4 * id;
        NodeClocks {
            next: ticks(first),
            asking: ticks(first + 1).checked_sub(1),
            watchdog: ticks(first + 2),
            start: ticks(first + 3),
        }
    });
    Clocks { lease: ticks(0), drift: ticks(1), nodes }
}

impl Spec for Timed {
    type Packed = [u64; 6];

    fn pack(&self, moment: &Moment) -> [u64; 6] {
        let [first, second, third, cluster, wal] = self.cluster.pack(&moment.state);
        [first, second, third, cluster, wal, put(&moment.clocks)]
    }

    fn unpack(&self, [first, second, third, cluster, wal, clocks]: [u64; 6]) -> Moment {
        Moment { state: self.cluster.unpack([first, second, third, cluster, wal]), clocks: take(clocks) }
    }

    fn fairness(&self, action: &TimedAction) -> Fairness {
        match action {
            TimedAction::Step(step) => <Cluster as Spec>::fairness(&self.cluster, step),
            // Time has no fairness: what has to happen in time is asked in ticks.
            TimedAction::Tick(_) | TimedAction::Begin(_) => Fairness::None,
        }
    }
}
