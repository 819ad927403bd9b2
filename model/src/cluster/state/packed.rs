//! States packed into machine words: five, or four for a cluster of two nodes.
//!
//! | word | field | bits |
//! | --- | --- | --- |
//! | one for each node | server 3, and the flags orphans, hung, late | 6 |
//! | | pg_control | 3 |
//! | | data | 4 |
//! | | standby.signal, backup_label | 2 |
//! | | upstream | 3 |
//! | | synchronous standby | 2 |
//! | | disk 1, reach 2, watchdog 1, single-user starts 2 | 6 |
//! | | agent: alive 1, place 10, four flags, snapshot 2, role 2, health 2, two flags, rewind 3, slot 5 | 31 |
//! | last but one | leader key 3, `/sync` 5, `/status` 4, `/history` 5 | 17 |
//! | | paused, start timeout, DCS down, nodes cut | 4 |
//! | | remote 4, timeline 5, five budgets of 3 | 24 |
//! | | stalled watch | 19 |
//! | last | the WAL, 6 bits for each record | up to 60 |

use crate::recover::automaton::Position;
use crate::recover::control::ControlState;

use super::fields::*;
use super::wal::{Point, Wal};
use super::*;
use crate::cluster::Cluster;
use crate::cluster::action::Action;

impl Cluster {
    fn put_node(&self, node: &Node) -> u64 {
        let mut out = Writer { bits: 0, used: 0 };
        out.put(node.server as usize, 3);
        out.put(usize::from(node.orphans), 1);
        out.put(usize::from(node.hung), 1);
        out.put(usize::from(node.late), 1);
        out.put(node.control.map_or(7, |control| control as usize), 3);
        out.put(usize::from(node.data), 4);
        out.put(usize::from(node.signal), 1);
        out.put(usize::from(node.backup_label), 1);
        put_upstream(&mut out, node.upstream);
        out.put(node_bits(node.sync_names), 2);
        out.put(usize::from(node.disk_full), 1);
        out.put(node.dcs as usize, 2);
        out.put(usize::from(node.watchdog), 1);
        out.put(usize::from(node.single_user_starts), 2);
        let Some(agent) = &node.agent else {
            return out.bits;
        };
        out.put(1, 1);
        // Each position of the automaton occurs twice: as a question, and on the way back from a demotion.
        let positions = self.automaton().len();
        let place = match agent.at {
            At::Recover(position) => PLACES.len() + usize::from(position),
            At::Released(position) => PLACES.len() + positions + usize::from(position),
            at => outside_of_recover(at),
        };
        out.put(place, 10);
        out.put(usize::from(agent.frozen), 1);
        out.put(usize::from(agent.leased), 1);
        out.put(usize::from(agent.warned), 1);
        out.put(usize::from(agent.failsafe), 1);
        out.put(node_bits(agent.seen), 2);
        out.put(agent.role as usize, 2);
        out.put(agent.health as usize, 2);
        out.put(usize::from(agent.crash_recovery_started), 1);
        out.put(usize::from(agent.recovering), 1);
        out.put(agent.rewind as usize, 3);
        put_slot(&mut out, agent.slot);
        out.bits
    }

    fn take_node(&self, word: u64) -> Node {
        let bits = &mut Reader { bits: word };
        let mut node = Node {
            server: SERVERS[bits.take(3)],
            orphans: bits.flag(),
            hung: bits.flag(),
            late: bits.flag(),
            control: ControlState::ALL.get(bits.take(3)).copied(),
            data: bits.take(4) as Point,
            signal: bits.flag(),
            backup_label: bits.flag(),
            upstream: take_upstream(bits),
            sync_names: node_of(bits.take(2)),
            disk_full: bits.flag(),
            dcs: REACHES[bits.take(2)],
            watchdog: bits.flag(),
            single_user_starts: bits.take(2) as u8,
            agent: None,
        };
        if !bits.flag() {
            return node;
        }
        let positions = self.automaton().len();
        let at = match bits.take(10) {
            place if place < PLACES.len() => PLACES[place],
            place if place < PLACES.len() + positions => At::Recover((place - PLACES.len()) as Position),
            place => At::Released((place - PLACES.len() - positions) as Position),
        };
        node.agent = Some(Agent {
            at,
            frozen: bits.flag(),
            leased: bits.flag(),
            warned: bits.flag(),
            failsafe: bits.flag(),
            seen: node_of(bits.take(2)),
            role: ROLES[bits.take(2)],
            health: HEALTHS[bits.take(2)],
            crash_recovery_started: bits.flag(),
            recovering: bits.flag(),
            rewind: REWINDS[bits.take(3)],
            slot: take_slot(bits),
        });
        node
    }

    /// Unpacks everything but the nodes and the WAL records.
    fn take_cluster(word: u64, state: &mut State) {
        let bits = &mut Reader { bits: word };
        let holder = node_of(bits.take(2));
        let lease = if bits.flag() { Lease::Orphaned } else { Lease::Kept };
        state.leader = holder.map(|holder| LeaderKey { holder, lease });
        state.sync = take_sync(bits);
        state.status = bits.take(4) as u8;
        state.history = bits.take(5) as u8;
        state.paused = bits.flag();
        state.start_timeout_is_zero = bits.flag();
        state.dcs_down = bits.flag();
        state.nodes_cut = bits.flag();
        state.remote = bits.take(4) as Point;
        state.wal.timeline = bits.take(5) as u8;
        let Budget { process, task, network, commits, operator } = &mut state.budget;
        for left in [process, task, network, commits, operator] {
            *left = bits.take(3) as u8;
        }
        state.stalled = take_stalled(bits);
    }

    fn put_cluster(&self, state: &State) -> u64 {
        let mut out = Writer { bits: 0, used: 0 };
        out.put(node_bits(state.leader.map(|key| key.holder)), 2);
        out.put(usize::from(state.leader.is_some_and(|key| key.lease == Lease::Orphaned)), 1);
        put_sync(&mut out, state.sync);
        out.put(usize::from(state.status), 4);
        out.put(usize::from(state.history), 5);
        out.put(usize::from(state.paused), 1);
        out.put(usize::from(state.start_timeout_is_zero), 1);
        out.put(usize::from(state.dcs_down), 1);
        out.put(usize::from(state.nodes_cut), 1);
        out.put(usize::from(state.remote), 4);
        out.put(usize::from(state.wal.timeline), 5);
        let Budget { process, task, network, commits, operator } = state.budget;
        for left in [process, task, network, commits, operator] {
            assert!(left < 8, "budgets above 7 cannot be packed");
            out.put(usize::from(left), 3);
        }
        if let Some(read) = &state.stalled {
            out.put(1 + usize::from(read.node), 2);
            out.put(node_bits(read.leader), 2);
            out.put(usize::from(read.session), 1);
            put_sync(&mut out, read.sync);
            out.put(usize::from(read.status), 4);
            out.put(usize::from(read.history), 5);
        }
        out.bits
    }

    fn put_wal(wal: &Wal) -> u64 {
        let mut out = Writer { bits: 0, used: 0 };
        assert!(
            wal.records().count() <= PACKED_RECORDS,
            "more than {PACKED_RECORDS} WAL records differ between the nodes: give the model fewer faults or commits"
        );
        for (after, record) in wal.records() {
            // Never zero, because a record follows an earlier one.
            out.put(usize::from(after) + 1, 4);
            out.put(record as usize, 2);
        }
        out.bits
    }

    fn take_wal(word: u64, timeline: u8) -> Wal {
        let mut bits = Reader { bits: word };
        let mut wal = Wal::new(timeline);
        while bits.bits != 0 {
            let after = bits.take(4) as Point - 1;
            wal.append(after, RECORDS[bits.take(2)]);
        }
        wal
    }

    /// The signature of a node: its packed form without node numbers, and its relations to the lease holder and to
    /// itself. Nodes with the same signature may still differ in the nodes that they refer to.
    pub(in crate::cluster) fn signature(&self, state: &State, id: NodeId) -> (u64, u64) {
        let mut node = state.nodes[usize::from(id)];
        let holder = state.leader.map(|key| key.holder);
        let known = |other: Option<NodeId>| match other {
            None => 0,
            Some(other) if other == id => 1,
            other if other == holder => 2,
            Some(_) => 3,
        };
        let mut relations = Writer { bits: 0, used: 0 };
        relations.put(usize::from(holder == Some(id)), 1);
        relations.put(known(state.sync.map(|key| key.leader)), 2);
        relations.put(known(state.sync.and_then(|key| key.standby)), 2);
        relations.put(known(node.sync_names.take()), 2);
        if let Some(agent) = node.agent.as_mut() {
            relations.put(known(agent.seen.take()), 2);
        }
        if let Upstream::Member(other) = node.upstream {
            node.upstream = Upstream::Nobody;
            relations.put(known(Some(other)), 2);
        }
        relations.put(usize::from(state.wal.position(node.data)), 8);
        relations.put(usize::from(state.wal.timeline_at(node.data)), 8);
        node.data = 0;
        (self.put_node(&node), relations.bits)
    }

    /// Packs a state: a word for each node, one for the keys and all that is not said elsewhere, one for the WAL.
    pub(in crate::cluster) fn in_words<const N: usize>(&self, state: &State) -> [u64; N] {
        let mut words = [0; N];
        // Two nodes are always written, the third only if it belongs to the cluster.
        let nodes = if self.settings.nodes > 2 { 3 } else { 2 };
        for (word, node) in words[..N - 2].iter_mut().zip(&state.nodes[..nodes]) {
            *word = self.put_node(node);
        }
        words[N - 2] = self.put_cluster(state);
        words[N - 1] = Self::put_wal(&state.wal);
        words
    }

    /// Unpacks a state.
    pub(in crate::cluster) fn of_words<const N: usize>(&self, words: [u64; N]) -> State {
        let mut state = State {
            leader: None,
            sync: None,
            status: 0,
            history: 0,
            paused: false,
            start_timeout_is_zero: false,
            dcs_down: false,
            nodes_cut: false,
            remote: 0,
            wal: Wal::new(0),
            nodes: [
                self.take_node(words[0]),
                self.take_node(words[1]),
                if self.settings.nodes > 2 { self.take_node(words[2]) } else { Node::absent() },
            ],
            budget: Budget::NONE,
            stalled: None,
        };
        Self::take_cluster(words[N - 2], &mut state);
        state.wal = Self::take_wal(words[N - 1], state.wal.timeline);
        state
    }

    /// Unpacks a state over another one, whose packed form is `old`.
    pub(in crate::cluster) fn of_words_over<const N: usize>(&self, words: [u64; N], old: [u64; N], state: &mut State) {
        for (place, node) in state.nodes[..usize::from(self.settings.nodes)].iter_mut().enumerate() {
            if words[place] != old[place] {
                *node = self.take_node(words[place]);
            }
        }
        if words[N - 2] != old[N - 2] {
            Self::take_cluster(words[N - 2], state);
        }
        if words[N - 1] != old[N - 1] {
            state.wal = Self::take_wal(words[N - 1], state.wal.timeline);
        }
    }

    /// Takes a step from the state packed in `words`, and packs again what it changed.
    #[inline]
    pub(in crate::cluster) fn step_in_words<const N: usize>(
        &self,
        state: &State,
        words: [u64; N],
        action: Action,
        next: &mut State,
    ) -> [u64; N] {
        let changes = self.step_to(state, action, next);
        let mut after = words;
        // Nearly always one node acts, and nothing else changes.
        let id = action.node();
        after[usize::from(id)] = self.put_node(&next.nodes[usize::from(id)]);
        let others = changes.nodes & !(1 << id);
        if others != 0 {
            for other in self.node_ids().filter(|other| others >> other & 1 == 1) {
                after[usize::from(other)] = self.put_node(&next.nodes[usize::from(other)]);
            }
        }
        after[N - 2] = self.put_cluster(next);
        if changes.wal {
            after[N - 1] = Self::put_wal(&next.wal);
        }
        after
    }

    pub(in crate::cluster) fn packed(&self, state: &State) -> [u64; 5] {
        self.in_words(state)
    }
}
