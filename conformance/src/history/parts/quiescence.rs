//! Quiescent points of a cluster: moments at which all nodes are up and nothing is under way.
//!
//! A long history is cut there, and no process, tool or change of the leader lock is cut in two.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::vocabulary::event::{Event, Kind, Process, Run, ServerState};

/// Nanoseconds before a quiescent point in which nothing happened but writes and probes. Checks look at no more than
/// this around the end of a server: it closes its sockets within a second before, and a watchdog's reset is over within
/// two seconds after.
const QUIET: u64 = 2_000_000_000;

/// The state of a cluster by the events so far, in the order of recording.
pub struct Quiescence {
    nodes: BTreeMap<String, Node>,
    holder: Option<String>,
    /// The lock holder follows a primary elsewhere.
    standby_cluster: bool,
    /// The latest end of all events.
    latest: u64,
    /// The latest end of the events that change something.
    changed: u64,
}

#[derive(Default)]
struct Node {
    found: Option<(ServerState, Option<bool>)>,
    servers: BTreeSet<u32>,
    tools: BTreeSet<u32>,
}

impl Quiescence {
    /// The state before the first event of a run.
    pub fn new(run: &Run) -> Quiescence {
        let nodes = run.nodes.iter().map(|node| (node.clone(), Node::default())).collect();
        Quiescence { nodes, holder: None, standby_cluster: run.configuration.standby_cluster, latest: 0, changed: 0 }
    }

    /// Takes the next event in.
    pub fn take(&mut self, event: &Event) {
        self.latest = self.latest.max(event.at[1]);
        let node = event.node.as_ref().and_then(|name| self.nodes.get_mut(name));
        let changes = match (&event.kind, node) {
            (Kind::Write { .. } | Kind::Batch { .. } | Kind::Starved { .. } | Kind::DiskStalled | Kind::NoSpace, _) => {
                false
            }
            (Kind::Server { state, streaming, .. }, Some(node)) => {
                let found = Some((*state, *streaming));
                std::mem::replace(&mut node.found, found) != found
            }
            (Kind::ProcessStarted { what, pid, .. }, Some(node)) => {
                match what {
                    Process::Postmaster => node.servers.insert(*pid),
                    Process::Agent => true,
                    _ => node.tools.insert(*pid),
                };
                true
            }
            (Kind::ProcessExited { pid, .. }, Some(node)) => {
                node.servers.remove(pid);
                node.tools.remove(pid);
                true
            }
            (Kind::LeaderKey { holder, .. }, _) => {
                self.holder.clone_from(holder);
                true
            }
            _ => true,
        };
        if changes {
            self.changed = self.changed.max(event.at[1]);
        }
    }

    /// The quiescent point here, if this is one: later events begin no earlier than `others`, and later writes no
    /// earlier than `writes`.
    pub fn here(&self, others: u64, writes: u64) -> Option<u64> {
        let apart = self.latest <= others && self.changed <= writes;
        let quiet = self.latest >= self.changed.saturating_add(QUIET);
        let well = self.nodes.iter().all(|(name, node)| {
            let leads = self.holder.as_ref() == Some(name);
            let up = match node.found {
                Some((ServerState::Primary, _)) => leads,
                Some((ServerState::Standby, streaming)) => (!leads || self.standby_cluster) && streaming == Some(true),
                _ => false,
            };
            up && node.tools.is_empty() && node.servers.len() <= 1
        });
        (apart && quiet && well && self.holder.is_some()).then_some(self.latest)
    }
}
