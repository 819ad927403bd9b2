//! The state of all clocks, and the passing of a tick.

use crate::cluster::{MAX_NODES, State};

use super::timing::Timing;

/// The state of all clocks, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clocks {
    /// Ticks until the lease under the leader key ends; 0 if there is no such key.
    pub lease: u8,
    /// Ticks that agents' clocks may still lose.
    pub drift: u8,
    /// The clocks of each node.
    pub nodes: [NodeClocks; MAX_NODES],
}

/// The clocks of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeClocks {
    /// Ticks until the agent's next cycle is due.
    pub next: u8,
    /// Ticks for which the agent has been waiting for a reply of the DCS; `None` if no request is open.
    pub asking: Option<u8>,
    /// Ticks until the armed watchdog resets the node; 0 if it is not armed.
    pub watchdog: u8,
    /// Ticks for which the server has been starting, or recovering in single-user mode; otherwise 0.
    pub start: u8,
}

impl Clocks {
    /// A tick passes. The clock of the agent on node `slow`, if any, misses it; the clocks of the kernels and of the
    /// DCS do not.
    pub(super) fn tick(&mut self, timing: &Timing, state: &State, slow: Option<usize>) {
        if !state.dcs_down {
            self.lease = self.lease.saturating_sub(1);
        }
        self.drift -= u8::from(slow.is_some());
        for (id, (clocks, node)) in self.nodes.iter_mut().zip(&state.nodes).enumerate() {
            clocks.watchdog = clocks.watchdog.saturating_sub(1);
            if node.agent.is_some() && slow != Some(id) {
                clocks.next = clocks.next.saturating_sub(1);
                clocks.asking = clocks.asking.map(|asking| (asking + 1).min(timing.retry_timeout));
            }
            if node.is_starting() && slow != Some(id) {
                clocks.start = (clocks.start + 1).min(timing.start_timeout);
            }
        }
    }
}
