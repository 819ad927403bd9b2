//! The end of a node's server, by all observers.
//!
//! A postmaster ends in several moments, and each observer sees another one. The model has one moment for it, so the
//! observations are put into an order that it can have.

use pghaspec_model::vocabulary::event::{Kind, Process, ServerState, Watchdog};
use pghaspec_model::vocabulary::fault::Fault;

use crate::history::History;

/// All that was seen of one node's server, by time. Nanoseconds of the run; all lists are sorted.
#[derive(Default)]
pub struct Server {
    /// Of each probe its begin, whether nothing listened, its end, and the latest begin of a probe up to this one that
    /// found something listening.
    looks: Vec<(u64, bool, u64, u64)>,
    /// Moments at which a postmaster may have ended.
    ends: Vec<u64>,
    /// Starts of postmasters.
    starts: Vec<u64>,
    /// Ends of postmasters, each at the latest.
    exits: Vec<u64>,
    /// Moments at which the whole node was killed, or reset by its watchdog.
    node_ends: Vec<u64>,
    /// Starts of any process.
    any_starts: Vec<u64>,
}

/// A process closes its sockets before it is gone, and is reported gone later still: on a busy machine a probe may find
/// that nothing listens in between.
const CLOSING: u64 = 1_000_000_000;

/// No probe takes longer.
const LONGEST_PROBE: u64 = 30_000_000_000;

impl Server {
    /// All that this history says of the node.
    pub fn of(history: &History, node: &str) -> Server {
        let mut server = Server::default();
        for event in history.events.iter().filter(|event| event.node.as_deref() == Some(node)) {
            match &event.kind {
                Kind::ProcessExited { what: Process::Postmaster, .. } => server.exits.push(event.at[1]),
                Kind::Fault { fault: Fault::NodeKilled, .. } | Kind::Watchdog { change: Watchdog::Fired, .. } => {
                    server.node_ends.push(event.at[0]);
                }
                Kind::ProcessStarted { .. } => server.any_starts.push(event.at[0]),
                _ => {}
            }
            // Backends go on for a moment where a killed one takes their postmaster with it.
            let takes_all = !history.run.configuration.restart_after_crash;
            match &event.kind {
                Kind::Fault { fault: Fault::BackendCrashed, .. } if takes_all => server.ends.push(event.at[0]),
                Kind::Server { state, .. } => {
                    server.looks.push((event.at[0], *state == ServerState::Refused, event.at[1], 0));
                }
                Kind::Fault { fault: Fault::PostmasterKilled | Fault::OrphansLeft | Fault::NodeKilled, .. }
                | Kind::ProcessExited { what: Process::Postmaster, .. } => server.ends.push(event.at[0]),
                Kind::ProcessStarted { what: Process::Postmaster, .. } => server.starts.push(event.at[0]),
                _ => {}
            }
        }
        server.looks.sort_unstable();
        server.ends.sort_unstable();
        server.starts.sort_unstable();
        server.exits.sort_unstable();
        server.node_ends.sort_unstable();
        server.any_starts.sort_unstable();
        let mut listened = 0;
        for (begin, refused, _, before) in &mut server.looks {
            if !*refused {
                listened = listened.max(*begin);
            }
            *before = listened;
        }
        server
    }

    /// The end of the next postmaster, at the latest.
    pub fn next_exit(&self, from: u64) -> Option<u64> {
        self.exits.get(self.exits.partition_point(|exit| *exit < from)).copied()
    }

    /// The earliest moment at which a process that exited then may have begun to do so.
    pub fn began_to_end(&self, what: Process, exit: u64) -> u64 {
        let closed = if what == Process::Postmaster { self.stopped_listening(exit) } else { exit };
        closed.min(self.ended_with_node(exit))
    }

    /// The end of the whole node, if a process exited then because of that: a busy machine may be slow to end all that
    /// was on it.
    fn ended_with_node(&self, exit: u64) -> u64 {
        let ended = self.node_ends[..self.node_ends.partition_point(|end| *end <= exit)].last();
        let started = self.any_starts[..self.any_starts.partition_point(|start| *start <= exit)].last();
        ended.filter(|end| started.is_none_or(|start| start < *end)).copied().unwrap_or(exit)
    }

    /// The first probe shortly before a postmaster exited then from which on nothing may have listened: none that found
    /// something is later for certain.
    fn stopped_listening(&self, exit: u64) -> u64 {
        let before = &self.looks[..self.looks.partition_point(|(begin, ..)| *begin < exit)];
        let listened = before.last().map_or(0, |(.., listened)| *listened);
        let near = before.iter().rev().take_while(|(begin, ..)| begin + LONGEST_PROBE + CLOSING >= exit);
        let shortly = near.filter(|(_, _, end, _)| end + CLOSING >= exit);
        let refused = shortly.filter(|(_, refused, end, _)| *refused && *end >= listened);
        refused.map(|(begin, ..)| *begin).min().unwrap_or(exit)
    }

    /// A write in this interval may have been carried out by a backend whose postmaster was killed or gone already.
    pub fn is_outlived_by(&self, [begin, end]: [u64; 2]) -> bool {
        let Some(gone) = self.ends[..self.ends.partition_point(|gone| *gone <= end)].last() else { return false };
        let next = self.starts.partition_point(|start| start < gone);
        self.starts.get(next).is_none_or(|start| begin < *start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nanoseconds between the moment at which a postmaster began to end and its exit, by findings (nothing listened,
    /// so long before).
    fn begins(findings: &[(bool, u64)]) -> u64 {
        let exit = 10_000_000_000;
        let mut server = Server::default();
        let mut listened = 0;
        let mut sorted: Vec<_> = findings.iter().map(|(refused, before)| (exit - before, *refused)).collect();
        sorted.sort_unstable();
        for (at, refused) in sorted {
            if !refused {
                listened = at;
            }
            server.looks.push((at, refused, at + 100, listened));
        }
        exit - server.began_to_end(Process::Postmaster, exit)
    }

    #[test]
    fn a_server_that_ends_stops_listening_before_it_is_gone() {
        assert_eq!(begins(&[]), 0);
        assert_eq!(begins(&[(true, 3_000_000)]), 3_000_000);
        assert_eq!(begins(&[(true, 3_000_000), (true, 9_000_000)]), 9_000_000);
        // It listened again, or it was long ago.
        assert_eq!(begins(&[(false, 2_000_000), (true, 3_000_000)]), 0);
        assert_eq!(begins(&[(false, 3_000_000), (true, 2_000_000)]), 2_000_000);
        assert_eq!(begins(&[(true, CLOSING + 1_000)]), 0);
        // A probe may have found it at its end.
        assert_eq!(begins(&[(true, CLOSING + 50)]), CLOSING + 50);
        // Which of two probes that overlap was first, nobody knows.
        assert_eq!(begins(&[(true, 3_000_050), (false, 3_000_000)]), 3_000_050);
    }

    #[test]
    fn what_is_on_a_node_that_is_killed_ends_with_it() {
        let server = Server { node_ends: vec![10, 30], any_starts: vec![5, 20], ..Server::default() };
        for (exit, began) in [(9, 9), (10, 10), (15, 10), (21, 21), (31, 30), (99, 30)] {
            for what in [Process::Postmaster, Process::Agent] {
                assert_eq!(server.began_to_end(what, exit), began, "{exit}");
            }
        }
        assert_eq!(Server::default().began_to_end(Process::Agent, 7), 7);
    }

    #[test]
    fn a_write_may_outlive_its_postmaster_until_the_next_one_starts() {
        let server = Server { ends: vec![10, 11, 30], starts: vec![20], ..Server::default() };
        for (write, outlives) in
            [([5, 9], false), ([5, 10], true), ([12, 13], true), ([19, 25], true), ([20, 25], false), ([31, 32], true)]
        {
            assert_eq!(server.is_outlived_by(write), outlives, "{write:?}");
        }
    }
}
