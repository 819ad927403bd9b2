//! The engine on two-phase commit: numbers that other checkers confirm, in both forms of the model, with any number of
//! threads.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use crate::models::two_phase_commit::{Action, Bits, Idiomatic, Packed, Rm, State, Tm};
use pghaspec_model::cluster::{
    Agent, At, Budget, Cluster, Health, LeaderKey, Lease, MAX_NODES, Node, Reach, Record, Rewind, Role, Server,
    Settings, Slot, Stalled, State as ClusterState, SyncKey, Upstream, Wal,
};
use pghaspec_model::engine::{Inspect, Nothing, Options, Path, Spec, search, second_opinion};
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::Task;
use pghaspec_model::rules::edition::Edition;
use stateright::{Checker, Model, Property};

fn threads(threads: usize) -> Options {
    Options { threads, ..Options::default() }
}

/// SPIN and TLC have the same numbers; `cargo bench --bench two_phase_commit` shows it.
#[test]
fn both_engines_count_the_same_on_both_forms_of_the_model() {
    for (n, states, transitions) in [(3, 288, 1_145), (5, 8_832, 58_145), (7, 296_448, 2_744_705)] {
        for threads in [1, 2].map(threads) {
            let ours = search(&Packed(n), threads, &Nothing);
            assert_eq!((ours.states, ours.transitions, ours.depth), (states, transitions, 3 * usize::from(n) + 1));
            assert_eq!((ours.deadlocks, ours.incomplete, ours.unexpanded), (0, None, 0));
        }
        for second in [second_opinion(Idiomatic(n)), second_opinion(Packed(n))] {
            assert_eq!((second.states, second.generated, second.violated), (states, transitions + 1, vec![]));
        }
    }
}

/// TLC has the same number with SYMMETRY.
#[test]
fn symmetry_counts_orbits() {
    for (n, orbits, transitions) in [(7, 920, 8_409), (8, 1_461, 15_286)] {
        for threads in [1, 2] {
            let ours = search(&Packed(n), Options { symmetry: true, threads, ..Options::default() }, &Nothing);
            assert_eq!((ours.states, ours.transitions), (orbits, transitions));
        }
    }
}

/// Collects all states.
struct Collect(Mutex<HashSet<State>>);

impl Inspect<Packed> for Collect {
    fn state(&self, model: &Packed, state: &Bits) -> u64 {
        let new = self.0.lock().unwrap().insert(model.spell(*state));
        assert!(new, "a state is asked about once, and no two are spelt alike");
        0
    }
}

#[test]
fn the_packed_states_are_the_idiomatic_ones() {
    let spelt = Collect(Mutex::new(HashSet::new()));
    search(&Packed(3), Options::default(), &spelt);
    let model = Idiomatic(3);
    let mut reached: HashSet<State> = model.init_states().into_iter().collect();
    let mut queue = model.init_states();
    while let Some(state) = queue.pop() {
        queue.extend(
            model.next_steps(&state).into_iter().map(|(_, next)| next).filter(|next| reached.insert(next.clone())),
        );
    }
    assert_eq!(spelt.0.into_inner().unwrap(), reached);
}

/// Two-phase commit whose transaction manager does not wait for the last resource manager.
#[derive(Clone)]
struct Impatient(Packed);

impl Impatient {
    fn commits_early(&self, state: &Bits) -> bool {
        let spelt = self.0.spell(*state);
        let last = usize::from(self.0.0) - 1;
        spelt.tm == Tm::Init && spelt.tm_prepared[..last].iter().all(|prepared| *prepared)
    }
}

impl Model for Impatient {
    type State = Bits;
    type Action = Action;

    fn init_states(&self) -> Vec<Bits> {
        self.0.init_states()
    }

    fn actions(&self, state: &Bits, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
        if !actions.contains(&Action::TmCommit) && self.commits_early(state) {
            actions.push(Action::TmCommit);
        }
    }

    fn next_state(&self, state: &Bits, action: Action) -> Option<Bits> {
        self.0.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("consistent", |model: &Impatient, state| model.0.consistent(*state))]
    }
}

impl Spec for Impatient {
    type Packed = u64;

    fn pack(&self, state: &Bits) -> u64 {
        state.0
    }

    fn unpack(&self, packed: u64) -> Bits {
        Bits(packed)
    }
}

/// Discoveries of all kinds: in states and in steps, early and late, and one that both can show.
struct Findings;

impl Inspect<Impatient> for Findings {
    fn state(&self, model: &Impatient, state: &Bits) -> u64 {
        let n = usize::from(model.0.0);
        bits([
            !model.0.consistent(*state),
            count(model, state, Rm::Committed) == n,
            count(model, state, Rm::Aborted) == n,
            count(model, state, Rm::Prepared) == 3 && count(model, state, Rm::Aborted) == 4,
        ])
    }

    fn step(&self, model: &Impatient, before: &Bits, action: Action, after: &Bits) -> u64 {
        let aborted = count(model, after, Rm::Aborted);
        bits([
            false,
            false,
            false,
            matches!(action, Action::RmRcvAbortMsg(3)) && aborted == 4,
            action == Action::TmCommit && aborted == 1,
            // A step without effect.
            before == after && aborted == 6,
        ])
    }
}

/// The number of resource managers in this state.
fn count(model: &Impatient, state: &Bits, wanted: Rm) -> usize {
    (0..model.0.0).filter(|rm| state.0 >> (4 * rm) & 0b11 == wanted as u64).count()
}

/// Packs flags into bits, the first one lowest.
fn bits<const N: usize>(findings: [bool; N]) -> u64 {
    findings.iter().rev().fold(0, |bits, found| bits << 1 | u64::from(*found))
}

/// Trap: results that depend on the run or on the number of threads. Ten runs each, and all discoveries.
#[test]
fn counts_and_counterexamples_do_not_depend_on_threads_nor_on_the_run() {
    let model = Impatient(Packed(7));
    let once = |options| {
        let ours = search(&model, options, &Findings);
        (ours.states, ours.transitions, ours.depth, ours.deadlocks, ours.found)
    };
    let first = once(threads(1));
    assert_eq!(first.4.iter().flatten().count(), 6);
    for run in 0..10 {
        for threads in [1, 2].map(threads).into_iter().chain((run == 0).then_some(threads(5))) {
            assert!(once(threads) == first, "run {run}, {threads:?}");
        }
    }
}

/// With one property stateright stops at the first violation, which is a shortest one: the same, step by step.
#[test]
fn the_counterexample_is_stateright_s() {
    for n in [2, 5, 7] {
        let model = Impatient(Packed(n));
        let theirs = model.clone().checker().spawn_bfs().join().discovery("consistent").unwrap();
        for threads in [1, 2].map(threads) {
            let ours = search(&model, threads, &Findings).found[0].clone().unwrap();
            // All but the last are prepared and known to be; commit; one aborts, one commits.
            assert_eq!(ours.steps.len(), 2 * (usize::from(n) - 1) + 3);
            let actions: Vec<Action> = ours.steps.iter().map(|(action, _)| *action).collect();
            assert_eq!(actions, theirs.clone().into_actions());
            assert_is_behaviour(&model, &ours);
        }
    }
}

/// Trap: a counterexample is evidence only if each of its steps is possible.
fn assert_is_behaviour<M: Model<State: PartialEq, Action: Copy + PartialEq>>(
    model: &M,
    path: &Path<M::State, M::Action>,
) {
    assert!(model.init_states().contains(&path.init));
    let mut state = &path.init;
    for (action, next) in &path.steps {
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        assert!(actions.contains(action) && model.next_state(state, *action).as_ref() == Some(next));
        state = next;
    }
}

/// Trap: a depth bound cuts off what lies beyond it and nothing else.
#[test]
fn a_bound_on_depth_is_exact() {
    let model = Packed(5);
    let mut reached: BTreeSet<u64> = [0].into();
    let mut level = reached.clone();
    for depth in 0..=17 {
        for threads in [1, 2] {
            let ours = search(&model, Options { depth: Some(depth), threads, ..Options::default() }, &Nothing);
            assert_eq!((ours.states, ours.unexpanded), (reached.len(), level.len()), "depth {depth}");
            assert_eq!(ours.incomplete.is_none(), level.is_empty());
        }
        let next = level.iter().flat_map(|word| model.next_steps(&Bits(*word))).map(|(_, next)| next.0);
        level = next.filter(|word| !reached.contains(word)).collect();
        reached.extend(&level);
    }
    assert_eq!(reached.len(), 8_832);
}

/// Changes a field of a state of the cluster, or of one of its nodes.
type Change = fn(&mut ClusterState, usize);

/// A change of each field, by its name.
///
/// The patterns name every field, so a new field does not compile here until it has a change. The fields of the WAL are
/// private to it: it is changed by writing to it.
fn changes() -> Vec<(&'static str, Change)> {
    let every_field = |state: ClusterState| {
        let ClusterState {
            leader,
            sync,
            status: _,
            history: _,
            paused: _,
            start_timeout_is_zero: _,
            dcs_down: _,
            nodes_cut: _,
            wal: Wal { timeline: _, .. },
            remote: _,
            nodes: [first, ..],
            budget,
            stalled,
        } = state;
        let Some(Stalled { node: _, leader: _, session: _, sync: _, status: _, history: _ }) = stalled else { return };
        let Budget { process: _, task: _, network: _, commits: _, operator: _ } = budget;
        let Some(LeaderKey { holder: _, lease: _ }) = leader else { return };
        let Some(SyncKey { leader: _, standby: _ }) = sync else { return };
        let Node {
            server: _,
            orphans: _,
            hung: _,
            late: _,
            control: _,
            data: _,
            signal: _,
            backup_label: _,
            upstream: _,
            sync_names: _,
            disk_full: _,
            dcs: _,
            watchdog: _,
            agent,
            single_user_starts: _,
        } = first;
        let Some(agent) = agent else { return };
        let Agent {
            at: _,
            frozen: _,
            leased: _,
            seen: _,
            role: _,
            health: _,
            crash_recovery_started: _,
            recovering: _,
            rewind: _,
            slot,
            failsafe: _,
            warned: _,
        } = agent;
        let Some(Slot { task: _, begun: _ }) = slot else { return };
    };
    let _ = every_field;
    fn agent(state: &mut ClusterState, node: usize) -> &mut Agent {
        state.nodes[node].agent.as_mut().unwrap()
    }
    fn read(state: &mut ClusterState) -> &mut Stalled {
        state.stalled.as_mut().unwrap()
    }
    vec![
        ("leader", |state, _| state.leader = None),
        ("holder", |state, _| state.leader.as_mut().unwrap().holder = 1),
        ("lease", |state, _| state.leader.as_mut().unwrap().lease = Lease::Orphaned),
        ("sync", |state, _| state.sync = None),
        ("sync's leader", |state, _| state.sync.as_mut().unwrap().leader = 1),
        ("sync's standby", |state, _| state.sync.as_mut().unwrap().standby = Some(2)),
        ("status", |state, _| state.status += 1),
        ("history", |state, _| state.history += 1),
        ("paused", |state, _| state.paused ^= true),
        ("start_timeout_is_zero", |state, _| state.start_timeout_is_zero ^= true),
        ("dcs_down", |state, _| state.dcs_down ^= true),
        ("nodes_cut", |state, _| state.nodes_cut ^= true),
        ("the WAL's timeline", |state, _| state.wal.timeline += 1),
        // Every kind of record, at every kind of place: after the shared past, and after another record.
        ("a record more", |state, _| _ = state.wal.append(1, Record::Commit)),
        ("a record more, elsewhere", |state, _| _ = state.wal.append(0, Record::Commit)),
        ("an acknowledged record more", |state, _| _ = state.wal.append(1, Record::Acknowledged)),
        ("a promotion more", |state, _| _ = state.wal.append(1, Record::Promotion)),
        ("a checkpoint more", |state, _| _ = state.wal.append(1, Record::Checkpoint)),
        ("no record", |state, _| state.wal = Wal::new(state.wal.timeline)),
        ("remote", |state, _| state.remote += 1),
        ("process", |state, _| state.budget.process ^= 1),
        ("task", |state, _| state.budget.task ^= 1),
        ("network", |state, _| state.budget.network ^= 1),
        ("commits", |state, _| state.budget.commits ^= 1),
        ("operator", |state, _| state.budget.operator ^= 1),
        ("stalled", |state, _| state.stalled = None),
        ("whose watch stalls", |state, _| read(state).node = 2),
        ("leader as read", |state, _| read(state).leader = None),
        ("session", |state, _| read(state).session ^= true),
        ("sync as read", |state, _| read(state).sync = None),
        ("sync's standby as read", |state, _| read(state).sync.as_mut().unwrap().standby = Some(2)),
        ("status as read", |state, _| read(state).status += 1),
        ("history as read", |state, _| read(state).history += 1),
        ("server", |state, node| state.nodes[node].server = Server::SingleUser),
        ("orphans", |state, node| state.nodes[node].orphans ^= true),
        ("hung", |state, node| state.nodes[node].hung ^= true),
        ("control", |state, node| state.nodes[node].control = Some(ControlState::InCrashRecovery)),
        ("no control", |state, node| state.nodes[node].control = None),
        ("data", |state, node| state.nodes[node].data += 1),
        ("signal", |state, node| state.nodes[node].signal ^= true),
        ("backup_label", |state, node| state.nodes[node].backup_label ^= true),
        ("upstream", |state, node| state.nodes[node].upstream = Upstream::Member(1)),
        ("upstream, elsewhere", |state, node| state.nodes[node].upstream = Upstream::Remote),
        ("sync_names", |state, node| state.nodes[node].sync_names = Some(2)),
        ("disk_full", |state, node| state.nodes[node].disk_full ^= true),
        ("dcs", |state, node| state.nodes[node].dcs = Reach::NoReplies),
        ("dcs, not at all", |state, node| state.nodes[node].dcs = Reach::Nothing),
        ("watchdog", |state, node| state.nodes[node].watchdog ^= true),
        ("agent", |state, node| state.nodes[node].agent = None),
        ("single_user_starts", |state, node| state.nodes[node].single_user_starts += 1),
        ("at", |state, node| agent(state, node).at = At::Race),
        ("at, in recover()", |state, node| agent(state, node).at = At::Recover(2)),
        ("at, on the way back", |state, node| agent(state, node).at = At::Released(2)),
        ("frozen", |state, node| agent(state, node).frozen ^= true),
        ("leased", |state, node| agent(state, node).leased ^= true),
        ("seen", |state, node| agent(state, node).seen = Some(2)),
        ("role", |state, node| agent(state, node).role = Role::Demoted),
        ("health", |state, node| agent(state, node).health = Health::Crashed),
        ("crash_recovery_started", |state, node| agent(state, node).crash_recovery_started ^= true),
        ("recovering", |state, node| agent(state, node).recovering ^= true),
        ("rewind", |state, node| agent(state, node).rewind = Rewind::Need),
        ("slot", |state, node| agent(state, node).slot = None),
        ("task in the slot", |state, node| agent(state, node).slot.as_mut().unwrap().task = Task::Promote),
        ("begun", |state, node| agent(state, node).slot.as_mut().unwrap().begun ^= true),
        ("failsafe", |state, node| agent(state, node).failsafe ^= true),
        ("warned", |state, node| agent(state, node).warned ^= true),
    ]
}

/// Trap: a field that is left out of equality, of the hash or of the packed form merges states that a property may
/// distinguish, and nothing else in a passing run would show it.
#[test]
fn every_field_of_the_cluster_s_state_counts() {
    let cluster = Cluster::new(Settings { synchronous: true, ..Settings::new(Edition::V4_1, 3) });
    let mut state = cluster.healthy(0, 1, false);
    state.wal.append(0, Record::Commit);
    let sync = state.sync;
    state.stalled = Some(Stalled { node: 1, leader: Some(0), session: false, sync, status: 0, history: 1 });
    for node in &mut state.nodes {
        node.agent.as_mut().unwrap().slot = Some(Task::Follow.into());
    }
    let hasher = RandomState::new();
    let mut seen = vec![("nothing", 0, state)];
    for node in 0..MAX_NODES {
        for (field, change) in changes() {
            let mut changed = state;
            change(&mut changed, node);
            // The fields of the cluster itself are changed in the same way each time.
            if node > 0 && seen.iter().any(|(other, _, same)| *other == field && *same == changed) {
                continue;
            }
            assert_eq!(cluster.unpack(cluster.pack(&changed)), changed, "{field} of node {node}");
            for (other, other_node, before) in &seen {
                let names = format!("{field} of node {node} and {other} of node {other_node}");
                assert_ne!(&changed, before, "{names}");
                assert_ne!(cluster.pack(&changed), cluster.pack(before), "{names}");
                assert_ne!(hasher.hash_one(changed), hasher.hash_one(before), "{names}");
            }
            seen.push((field, node, changed));
        }
    }
    let of_the_cluster = changes().iter().position(|(field, _)| *field == "server").unwrap();
    let of_a_node = changes().len() - of_the_cluster;
    assert_eq!(seen.len(), 1 + of_the_cluster + of_a_node * MAX_NODES);
}
