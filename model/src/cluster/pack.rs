//! A state of the cluster in 128 bits, and the one state that stands for all that differ only in the nodes' numbers.
//!
//! | bits | what |
//! | --- | --- |
//! | 38 for each of three nodes | Postgres 3, pg_control 3, timeline 4, signal 1, watchdog 1, single-user starts 2, agent 24 |
//! | 3 | leader key: holder 2, lease 1 |
//! | 1 | start timeout |
//! | 6 | budgets, 2 each |
//!
//! The agent: alive 1, place in its cycle 8, snapshot 2, role 2, health 2, two flags, rewind 3, background slot 4.

use crate::automaton::Position;
use crate::control::ControlState;
use crate::dialogue::Task;
use crate::engine::Spec;

use super::Cluster;
use super::state::*;

const SERVERS: [Server; 6] =
    [Server::Down, Server::Starting, Server::Standby, Server::Primary, Server::SingleUser, Server::Rewinding];
const ROLES: [Role; 3] = [Role::Primary, Role::Replica, Role::Demoted];
const HEALTHS: [Health; 3] = [Health::Running, Health::Crashed, Health::Stopped];
const REWINDS: [Rewind; 5] = [Rewind::Initial, Rewind::Check, Rewind::Need, Rewind::NotNeed, Rewind::Success];
/// What can be in the background slot of this model's agents.
const TASKS: [Task; 6] =
    [Task::CrashRecovery, Task::StartPrimary, Task::Follow, Task::Rewind, Task::Promote, Task::FollowAfterDemotion];
/// Places in a cycle before those inside of `recover()`.
const PLACES: [At; 5] = [At::Idle, At::Loaded, At::Compare, At::Rewinding, At::Race];

/// Writes fields of few bits one after the other.
struct Writer {
    bits: u128,
    used: u32,
}

impl Writer {
    #[inline]
    fn put(&mut self, value: usize, width: u32) {
        debug_assert!(value < 1 << width, "{value} does not fit into {width} bits");
        self.bits |= (value as u128) << self.used;
        self.used += width;
    }
}

/// Reads them again, in the same order.
struct Reader {
    bits: u128,
}

impl Reader {
    #[inline]
    fn take(&mut self, width: u32) -> usize {
        let value = (self.bits & ((1 << width) - 1)) as usize;
        self.bits >>= width;
        value
    }

    #[inline]
    fn flag(&mut self) -> bool {
        self.take(1) == 1
    }
}

/// Nobody, or a node.
fn who(id: Option<NodeId>) -> usize {
    id.map_or(3, usize::from)
}

fn whose(value: usize) -> Option<NodeId> {
    (value != 3).then_some(value as NodeId)
}

fn put_slot(out: &mut Writer, slot: Option<Slot>) {
    let place = |task| TASKS.iter().position(|known| *known == task).expect("agents of this model run no other task");
    out.put(slot.map_or(0, |slot| 1 + 2 * place(slot.task) + usize::from(slot.begun)), 4);
}

fn take_slot(bits: &mut Reader) -> Option<Slot> {
    let value = bits.take(4).checked_sub(1)?;
    Some(Slot { task: TASKS[value / 2], begun: value % 2 == 1 })
}

impl Cluster {
    fn put_node(&self, out: &mut Writer, node: &Node) {
        assert!(node.timeline < 16, "timelines of the model stay below 16");
        out.put(node.server as usize, 3);
        out.put(node.control as usize, 3);
        out.put(usize::from(node.timeline), 4);
        out.put(usize::from(node.signal), 1);
        out.put(usize::from(node.watchdog), 1);
        out.put(usize::from(node.single_user_starts), 2);
        let Some(agent) = &node.agent else {
            out.put(0, 24);
            return;
        };
        out.put(1, 1);
        // All positions of the automaton come twice: asked there, and on the way back from a demotion.
        let positions = self.automaton().len();
        let place = match agent.at {
            At::Recover(position) => PLACES.len() + usize::from(position),
            At::Released(position) => PLACES.len() + positions + usize::from(position),
            other => PLACES.iter().position(|place| *place == other).expect("all other places are listed"),
        };
        out.put(place, 8);
        out.put(who(agent.seen), 2);
        out.put(agent.role as usize, 2);
        out.put(agent.health as usize, 2);
        out.put(usize::from(agent.crash_recovery_started), 1);
        out.put(usize::from(agent.recovering), 1);
        out.put(agent.rewind as usize, 3);
        put_slot(out, agent.slot);
    }

    fn take_node(&self, bits: &mut Reader) -> Node {
        let mut node = Node {
            server: SERVERS[bits.take(3)],
            control: ControlState::ALL[bits.take(3)],
            timeline: bits.take(4) as u8,
            signal: bits.flag(),
            watchdog: bits.flag(),
            single_user_starts: bits.take(2) as u8,
            agent: None,
        };
        if !bits.flag() {
            bits.take(23);
            return node;
        }
        let positions = self.automaton().len();
        let at = match bits.take(8) {
            place if place < PLACES.len() => PLACES[place],
            place if place < PLACES.len() + positions => At::Recover((place - PLACES.len()) as Position),
            place => At::Released((place - PLACES.len() - positions) as Position),
        };
        node.agent = Some(Agent {
            at,
            seen: whose(bits.take(2)),
            role: ROLES[bits.take(2)],
            health: HEALTHS[bits.take(2)],
            crash_recovery_started: bits.flag(),
            recovering: bits.flag(),
            rewind: REWINDS[bits.take(3)],
            slot: take_slot(bits),
        });
        node
    }

    /// The same state with other numbers: node `i` becomes node `to[i]`.
    pub fn renumbered(&self, state: &State, to: [NodeId; MAX_NODES]) -> State {
        let mut renumbered = state.clone();
        for (from, node) in state.nodes.iter().enumerate() {
            let mut node = node.clone();
            if let Some(agent) = node.agent.as_mut() {
                agent.seen = agent.seen.map(|seen| to[usize::from(seen)]);
            }
            renumbered.nodes[usize::from(to[from])] = node;
        }
        if let Some(key) = renumbered.leader.as_mut() {
            key.holder = to[usize::from(key.holder)];
        }
        renumbered
    }

    /// All renumberings of a cluster of this size.
    pub fn renumberings(&self) -> &'static [[NodeId; MAX_NODES]] {
        const ALL: [[NodeId; MAX_NODES]; 6] = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];
        if self.settings.nodes == 2 { &ALL[..2] } else { &ALL }
    }
}

impl Spec for Cluster {
    type Packed = u128;

    fn pack(&self, state: &State) -> u128 {
        let mut out = Writer { bits: 0, used: 0 };
        for node in &state.nodes {
            self.put_node(&mut out, node);
        }
        out.put(who(state.leader.map(|key| key.holder)), 2);
        out.put(usize::from(state.leader.is_some_and(|key| key.lease == Lease::Orphaned)), 1);
        out.put(usize::from(state.start_timeout_is_zero), 1);
        for left in [state.budget.postmaster_kills, state.budget.agent_kills, state.budget.single_user_failures] {
            assert!(left < 4, "budgets above 3 cannot be packed");
            out.put(usize::from(left), 2);
        }
        out.bits
    }

    fn unpack(&self, packed: u128) -> State {
        let mut bits = Reader { bits: packed };
        let nodes = std::array::from_fn(|_| self.take_node(&mut bits));
        let holder = whose(bits.take(2));
        let lease = if bits.flag() { Lease::Orphaned } else { Lease::Kept };
        State {
            nodes,
            leader: holder.map(|holder| LeaderKey { holder, lease }),
            start_timeout_is_zero: bits.flag(),
            budget: Budget {
                postmaster_kills: bits.take(2) as u8,
                agent_kills: bits.take(2) as u8,
                single_user_failures: bits.take(2) as u8,
            },
        }
    }

    /// Nodes are alike: of all renumberings, the one that packs to the smallest number.
    fn canonical(&self, state: &State) -> State {
        let renumbered = self.renumberings().iter().map(|to| self.renumbered(state, *to));
        renumbered.min_by_key(|state| self.pack(state)).expect("there is at least one renumbering")
    }
}
