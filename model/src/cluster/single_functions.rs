//! Single functions of the agent, each in a minimal world of its own, for the comparison with released code.
//!
//! The world is a cluster of this model, and the functions are those that the model calls. Node 0 is the agent's own.

use std::sync::OnceLock;

use crate::mutants::Mutant;
use crate::recover::control::ControlState;
use crate::recover::dialogue::Task;
use crate::rules::edition::{Edition, Rules};

use super::state::wal::{Point, Wal};
use super::state::*;
use super::{Cluster, Settings};

const ME: NodeId = 0;
const OTHER: NodeId = 1;

/// The functions by some rules.
pub struct SingleFunctions {
    two_nodes: Cluster,
    three_nodes: Cluster,
    synchronous: Cluster,
}

/// The effects of `post_recover()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterFailedStart {
    /// The watchdog is given up.
    pub watchdog_disabled: bool,
    /// The role is `demoted` now and was not.
    pub demoted: bool,
    /// The leader key is deleted.
    pub released: bool,
}

/// The effect on a primary, or on a server that starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demotion {
    /// No demotion.
    None,
    /// `demote('immediate')`: the leader key is deleted.
    WithLock,
    /// `demote('immediate-nolock')`: the key names another node by now, or nobody.
    WithoutLock,
}

/// The situation of an agent whose background slot is busy, or whose Postgres is starting.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The snapshot names this node, and the key could be refreshed.
    pub keeps_lock: bool,
    /// The start timeout has expired.
    pub time_is_over: bool,
    /// A healthy candidate answers.
    pub candidate: bool,
    /// The cluster is in maintenance.
    pub paused: bool,
    /// The role that the agent believes in.
    pub role: Role,
}

/// The lease of the agent's own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnLease {
    /// The lease exists.
    Alive,
    /// The lease has ended.
    Ended,
}

/// The leader key, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The key does not exist.
    Absent,
    /// It names this node and is under this process' lease.
    Mine,
    /// It names this node and is under the lease of an earlier process.
    OfPredecessor,
    /// It names another node.
    Others,
}

/// Another member as `is_failover_possible()` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// It answers, and its tags and its watchdog allow it to lead.
    pub answers: bool,
    /// It has fallen behind by more than `maximum_lag_on_failover`.
    pub lags: bool,
    /// `/sync` names it.
    pub synchronous: bool,
}

/// Another member as `is_healthiest_node()` sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It does not answer, or may not lead because of its tags or its watchdog.
    Excluded,
    /// A primary that answers.
    Primary,
    /// A standby that has more than this node.
    Ahead,
    /// A standby that has as much.
    Same,
    /// A standby that has less.
    Behind,
}

/// A race for the leader lock, which nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// This node's Postgres is a primary.
    pub primary: bool,
    /// It is no primary, and does not accept connections yet.
    pub starting: bool,
    /// Its timeline is older than the newest that a leader announced.
    pub outdated: bool,
    /// It has fallen behind by more than `maximum_lag_on_failover`.
    pub lags: bool,
    /// Its tags or its watchdog forbid it to lead.
    pub excluded: bool,
    /// The cluster is in maintenance.
    pub paused: bool,
    /// The other members, with the numbers 1 and 2.
    pub peers: [Peer; 2],
    /// The cluster is in synchronous mode.
    pub mode: bool,
    /// In synchronous mode, the leader and the standby that `/sync` names, by number. This node has the number 0.
    pub sync: Option<(NodeId, NodeId)>,
}

/// The effects of `follow()` on a node that runs without the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowOutcome {
    /// It was a primary and is one no longer.
    pub demoted: bool,
    /// It follows the leader now and did not before.
    pub followed: bool,
    /// Its timeline and the leader's are to be compared.
    pub compares: bool,
}

/// The state of the node that the leader key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderIs {
    /// A primary that answers.
    Primary,
    /// Its member key says so, but its Postgres is in recovery.
    InRecovery,
    /// Its member key says that it is a standby.
    Standby,
    /// It does not answer.
    Unreachable,
}

/// Two data directories to be compared, and what is known of them.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The WAL of both.
    pub wal: Wal,
    /// The end of this node's WAL.
    pub local: Point,
    /// The end of the leader's WAL.
    pub leader: Point,
    /// This node's Postgres runs, as a standby.
    pub running: bool,
    /// This node's pg_control.
    pub control: Option<ControlState>,
    /// The leader key names another node.
    pub locked: bool,
    /// The state of that node.
    pub leader_is: LeaderIs,
    /// The agent's state of the rewind before.
    pub rewind: Rewind,
}

impl SingleFunctions {
    /// The functions by these rules.
    pub fn new(rules: Rules, mutant: Option<Mutant>) -> Self {
        // None of these functions is `recover()`, so its automaton does not matter; unfolding it takes long.
        static ANY: OnceLock<Cluster> = OnceLock::new();
        let any = ANY.get_or_init(|| Cluster::new(Settings::new(Edition::V4_1, 2)));
        let world = |nodes, synchronous| {
            let settings = Settings { mutant, watchdog: true, synchronous, ..Settings::new(Edition::V4_1, nodes) };
            Cluster { settings, rules, mutant, ..any.clone() }
        };
        SingleFunctions { two_nodes: world(2, false), three_nodes: world(3, false), synchronous: world(3, true) }
    }

    fn two_nodes(&self) -> (&Cluster, State) {
        (&self.two_nodes, self.two_nodes.healthy(ME, 1, false))
    }

    /// `Ha.post_recover()` when Postgres does not run.
    pub fn post_recover(&self, has_lock: bool, role: Role) -> AfterFailedStart {
        let (cluster, mut state) = self.two_nodes();
        state.leader = Some(LeaderKey { holder: if has_lock { ME } else { OTHER }, lease: Lease::Kept });
        state.nodes[0].server = Server::Down;
        let agent = cluster.agent_mut(&mut state, ME);
        (agent.role, agent.health, agent.seen) = (role, Health::Crashed, has_lock.then_some(ME).or(Some(OTHER)));
        cluster.post_recover(&mut state, ME);
        AfterFailedStart {
            watchdog_disabled: !state.nodes[0].watchdog,
            demoted: role != Role::Demoted && cluster.agent(&state, ME).role == Role::Demoted,
            released: has_lock && state.leader.is_none(),
        }
    }

    fn situation(&self, situation: Situation, server: Server, task: Option<Task>) -> (&Cluster, State) {
        let (cluster, mut state) = self.two_nodes();
        state.paused = situation.paused;
        if !situation.keeps_lock {
            state.leader = None;
        }
        if !situation.candidate {
            state.nodes[1].agent = None;
        }
        let node = &mut state.nodes[0];
        node.server = server;
        node.late = situation.time_is_over;
        let agent = cluster.agent_mut(&mut state, ME);
        agent.role = situation.role;
        agent.seen = situation.keeps_lock.then_some(ME);
        agent.slot = task.map(|task| Slot { task, begun: task != Task::Promote });
        (cluster, state)
    }

    fn demotion(cluster: &Cluster, state: &State, situation: Situation) -> Demotion {
        // A demotion can also be recognised if the role was `demoted` before: the watchdog is disarmed.
        match (state.nodes[0].watchdog, state.leader.is_some()) {
            (true, _) => Demotion::None,
            (false, false) if situation.keeps_lock => Demotion::WithLock,
            _ => {
                debug_assert!(cluster.agent(state, ME).role == Role::Demoted, "a demotion demotes");
                Demotion::WithoutLock
            }
        }
    }

    /// `Ha.handle_long_action_in_progress()`: the effect on the primary, and whether a promotion was called off.
    pub fn long_action(&self, situation: Situation, task: Task) -> (Demotion, bool) {
        let server = match task {
            Task::CrashRecovery => Server::SingleUser,
            Task::Rewind => Server::Rewinding,
            Task::Reinitialize => Server::Copying,
            Task::Promote => Server::Standby,
            _ => Server::Starting,
        };
        let (cluster, mut state) = self.situation(situation, server, Some(task));
        if situation.keeps_lock {
            cluster.long_action_with_lock(&mut state, ME);
        } else {
            cluster.long_action_without_lock(&mut state, ME);
        }
        let demotion = Self::demotion(cluster, &state, situation);
        let slot = cluster.agent(&state, ME).slot;
        (demotion, demotion == Demotion::None && task == Task::Promote && slot.is_none())
    }

    /// `Ha.handle_starting_instance()` when the snapshot names this node.
    pub fn starting_instance(&self, situation: Situation) -> Demotion {
        let (cluster, mut state) = self.situation(situation, Server::Starting, None);
        match situation.keeps_lock {
            true => cluster.still_starting(&mut state, ME),
            false => cluster.demote_without_lock(&mut state, ME),
        }
        Self::demotion(cluster, &state, situation)
    }

    /// `Etcd3.update_leader()`: its answer (`None` if it raises), and the key afterwards.
    pub fn update_leader(&self, lease: OwnLease, key: Key, reach: Reach) -> (Option<bool>, Key) {
        let (cluster, mut state) = self.two_nodes();
        state.leader = match key {
            Key::Absent => None,
            Key::Mine => Some(LeaderKey { holder: ME, lease: Lease::Kept }),
            Key::OfPredecessor => Some(LeaderKey { holder: ME, lease: Lease::Orphaned }),
            Key::Others => Some(LeaderKey { holder: OTHER, lease: Lease::Kept }),
        };
        state.nodes[0].dcs = reach;
        cluster.agent_mut(&mut state, ME).leased = lease == OwnLease::Alive;
        let answer = cluster.update_lock(&mut state, ME).ok();
        let after = match state.leader {
            None => Key::Absent,
            Some(LeaderKey { holder: ME, lease: Lease::Kept }) => Key::Mine,
            Some(LeaderKey { holder: ME, lease: Lease::Orphaned }) => Key::OfPredecessor,
            Some(_) => Key::Others,
        };
        (answer, after)
    }

    /// `Ha.is_failover_possible()` with two other members. At most one of them can be synchronous.
    pub fn is_failover_possible(&self, members: [Candidate; 2], synchronous: bool) -> bool {
        let cluster = if synchronous { &self.synchronous } else { &self.three_nodes };
        let mut state = cluster.healthy(ME, 1, false);
        // All members but those that lag have the leader's record.
        let newest = state.wal.append(0, crate::cluster::state::wal::Record::Acknowledged);
        state.status = state.wal.position(newest);
        state.nodes[0].data = newest;
        state.nodes[0].server = Server::Down;
        let named = members.iter().position(|member| member.synchronous).map(|place| place as NodeId + 1);
        if let Some(sync) = state.sync.as_mut() {
            sync.standby = named;
        }
        for (member, node) in members.iter().zip(&mut state.nodes[1..]) {
            node.data = if member.lags { 0 } else { newest };
            if !member.answers {
                node.agent = None;
            }
        }
        cluster.is_failover_possible(&state, ME)
    }

    /// `Ha.is_healthiest_node()` with two other members.
    pub fn is_healthiest(&self, race: &Race) -> bool {
        let cluster = if race.mode { &self.synchronous } else { &self.three_nodes };
        let mut state = cluster.healthy(ME, 1, false);
        let less = state.wal.append(0, crate::cluster::state::wal::Record::Acknowledged);
        let mine = state.wal.append(less, crate::cluster::state::wal::Record::Acknowledged);
        let more = state.wal.append(mine, crate::cluster::state::wal::Record::Acknowledged);
        state.leader = None;
        state.paused = race.paused;
        state.history = if race.outdated { 2 } else { 1 };
        state.status = state.wal.position(if race.lags { more } else { mine });
        state.sync = race.sync.map(|(leader, standby)| SyncKey { leader, standby: Some(standby) });
        state.nodes[0].data = mine;
        state.nodes[0].server = match race {
            Race { primary: true, .. } => Server::Primary,
            Race { starting: true, .. } => Server::Starting,
            _ => Server::Standby,
        };
        for (peer, node) in race.peers.iter().zip(&mut state.nodes[1..]) {
            node.server = if *peer == Peer::Primary { Server::Primary } else { Server::Standby };
            node.data = match peer {
                Peer::Ahead => more,
                Peer::Behind => less,
                _ => mine,
            };
            if *peer == Peer::Excluded {
                node.agent = None;
            }
        }
        // In the model, tags and watchdogs allow all nodes to lead.
        (!race.excluded || race.primary) && cluster.is_healthiest(&state, ME)
    }

    /// `Ha.follow()` without knowledge about a rewind. `change`: the node does not follow the leader yet; `older`: its
    /// timeline is older.
    pub fn follow(&self, primary: bool, paused: bool, change: bool, older: bool) -> FollowOutcome {
        let (cluster, mut state) = self.two_nodes();
        state.leader = Some(LeaderKey { holder: OTHER, lease: Lease::Kept });
        state.paused = paused;
        // A record that only the older timeline has keeps the node from receiving the newer one.
        let mine = state.wal.append(0, crate::cluster::state::wal::Record::Acknowledged);
        let theirs = state.wal.append(0, crate::cluster::state::wal::Record::Promotion);
        state.nodes[1].server = Server::Primary;
        state.nodes[1].data = theirs;
        let node = &mut state.nodes[0];
        node.data = if older { mine } else { theirs };
        node.server = if primary { Server::Primary } else { Server::Standby };
        node.upstream = if change { Upstream::Nobody } else { Upstream::Member(OTHER) };
        let agent = cluster.agent_mut(&mut state, ME);
        (agent.seen, agent.role) = (Some(OTHER), if primary { Role::Primary } else { Role::Replica });
        cluster.keep_following(&mut state, ME);
        let demoted = primary && cluster.agent(&state, ME).role == Role::Demoted;
        FollowOutcome {
            demoted,
            // A demotion does both by itself.
            followed: !demoted && change && state.nodes[0].upstream == Upstream::Member(OTHER),
            compares: !demoted && cluster.agent(&state, ME).rewind == Rewind::Check,
        }
    }

    /// `Rewind.rewind_or_reinitialize_needed_and_possible()`: its answer, and the agent's state of the rewind
    /// afterwards.
    pub fn rewind_needed(&self, comparison: &Comparison) -> (bool, Rewind) {
        let (cluster, mut state) = self.two_nodes();
        state.wal = comparison.wal;
        state.leader = comparison.locked.then_some(LeaderKey { holder: OTHER, lease: Lease::Kept });
        let node = &mut state.nodes[0];
        node.server = if comparison.running { Server::Standby } else { Server::Down };
        (node.control, node.data) = (comparison.control, comparison.local);
        let agent = cluster.agent_mut(&mut state, ME);
        (agent.seen, agent.rewind) = (comparison.locked.then_some(OTHER), comparison.rewind);
        state.nodes[1].data = comparison.leader;
        (state.nodes[1].server, cluster.agent_mut(&mut state, OTHER).role) = match comparison.leader_is {
            LeaderIs::Primary => (Server::Primary, Role::Primary),
            LeaderIs::InRecovery => (Server::Standby, Role::Primary),
            LeaderIs::Standby => (Server::Standby, Role::Replica),
            LeaderIs::Unreachable => (Server::Down, Role::Primary),
        };
        let &[diverged] = cluster.divergence(&state, ME) else { unreachable!("with exact WAL there is one answer") };
        cluster.note_divergence(&mut state, ME, diverged);
        (diverged == Some(true), cluster.agent(&state, ME).rewind)
    }
}
