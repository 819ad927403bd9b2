//! The engine on two-phase commit: numbers that other checkers confirm, in both forms of the model, for any number of threads.

mod models;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use models::two_phase_commit::{Action, Bits, Idiomatic, Packed, Rm, State, Tm};
use pghaspec_model::cluster::{
    Agent, At, Budget, Cluster, Health, LeaderKey, Lease, MAX_NODES, Node, Rewind, Role, Server, Settings, Slot,
    State as ClusterState,
};
use pghaspec_model::control::ControlState;
use pghaspec_model::dialogue::Task;
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::{Inspect, Nothing, Options, Path, Spec, search, second_opinion};
use stateright::{Checker, Model, Property};

fn threads(threads: usize) -> Options {
    Options { threads, ..Options::default() }
}

/// The same numbers come out of SPIN and TLC; `cargo bench --bench two_phase_commit` shows it.
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

/// TLC finds as many with SYMMETRY.
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

/// Findings of all kinds: in states and in steps, early and late, and one that both kinds can show.
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
            // A step that leads nowhere.
            before == after && aborted == 6,
        ])
    }
}

/// So many resource managers are in this state.
fn count(model: &Impatient, state: &Bits, wanted: Rm) -> usize {
    (0..model.0.0).filter(|rm| state.0 >> (4 * rm) & 0b11 == wanted as u64).count()
}

/// The first finding is the lowest bit.
fn bits<const N: usize>(findings: [bool; N]) -> u64 {
    findings.iter().rev().fold(0, |bits, found| bits << 1 | u64::from(*found))
}

/// Trap: whatever is printed has to come out again, whoever runs it and on however many cores. Ten times each, and all that is found.
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

/// On a model with one property stateright stops at the first violation, and that is a shortest one: the same, step by step.
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

/// Trap: a counterexample is evidence only if it can be walked.
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
/// The patterns name every field: a new one does not compile here until it is changed, too.
fn changes() -> Vec<(&'static str, Change)> {
    let every_field = |state: ClusterState| {
        let ClusterState { leader, start_timeout_is_zero: _, nodes: [first, ..], budget } = state;
        let Some(LeaderKey { holder: _, lease: _ }) = leader else { return };
        let Budget { postmaster_kills: _, agent_kills: _, single_user_failures: _ } = budget;
        let Node { server: _, control: _, timeline: _, signal: _, watchdog: _, agent, single_user_starts: _ } = first;
        let Some(agent) = agent else { return };
        let Agent { at: _, seen: _, role: _, health: _, crash_recovery_started: _, recovering: _, rewind: _, slot } =
            agent;
        let Some(Slot { task: _, begun: _ }) = slot else { return };
    };
    let _ = every_field;
    fn agent(state: &mut ClusterState, node: usize) -> &mut Agent {
        state.nodes[node].agent.as_mut().unwrap()
    }
    vec![
        ("leader", |state, _| state.leader = None),
        ("holder", |state, _| state.leader.as_mut().unwrap().holder = 1),
        ("lease", |state, _| state.leader.as_mut().unwrap().lease = Lease::Orphaned),
        ("start_timeout_is_zero", |state, _| state.start_timeout_is_zero ^= true),
        ("postmaster_kills", |state, _| state.budget.postmaster_kills ^= 1),
        ("agent_kills", |state, _| state.budget.agent_kills ^= 1),
        ("single_user_failures", |state, _| state.budget.single_user_failures ^= 1),
        ("server", |state, node| state.nodes[node].server = Server::SingleUser),
        ("control", |state, node| state.nodes[node].control = ControlState::InCrashRecovery),
        ("timeline", |state, node| state.nodes[node].timeline += 1),
        ("signal", |state, node| state.nodes[node].signal ^= true),
        ("watchdog", |state, node| state.nodes[node].watchdog ^= true),
        ("agent", |state, node| state.nodes[node].agent = None),
        ("single_user_starts", |state, node| state.nodes[node].single_user_starts += 1),
        ("at", |state, node| agent(state, node).at = At::Race),
        ("at, in recover()", |state, node| agent(state, node).at = At::Recover(2)),
        ("at, on the way back", |state, node| agent(state, node).at = At::Released(2)),
        ("seen", |state, node| agent(state, node).seen = Some(2)),
        ("role", |state, node| agent(state, node).role = Role::Demoted),
        ("health", |state, node| agent(state, node).health = Health::Crashed),
        ("crash_recovery_started", |state, node| agent(state, node).crash_recovery_started ^= true),
        ("recovering", |state, node| agent(state, node).recovering ^= true),
        ("rewind", |state, node| agent(state, node).rewind = Rewind::Need),
        ("slot", |state, node| agent(state, node).slot = None),
        ("task", |state, node| agent(state, node).slot.as_mut().unwrap().task = Task::Promote),
        ("begun", |state, node| agent(state, node).slot.as_mut().unwrap().begun ^= true),
    ]
}

/// Trap: a field that is left out of equality, of the hash or of the packed form merges states that a property may tell apart, and
/// nothing else in a green run would show it.
#[test]
fn every_field_of_the_cluster_s_state_counts() {
    let cluster = Cluster::new(Settings::new(Edition::V4_1, 3));
    let mut state = cluster.healthy(0, 1, false);
    for node in &mut state.nodes {
        node.agent.as_mut().unwrap().slot = Some(Task::Follow.into());
    }
    let hasher = RandomState::new();
    let mut seen = vec![("nothing", 0, state.clone())];
    for node in 0..MAX_NODES {
        for (field, change) in changes() {
            let mut changed = state.clone();
            change(&mut changed, node);
            // The fields of the cluster itself are changed the same way each time.
            if node > 0 && seen.iter().any(|(other, _, same)| *other == field && *same == changed) {
                continue;
            }
            assert_eq!(cluster.unpack(cluster.pack(&changed)), changed, "{field} of node {node}");
            for (other, other_node, before) in &seen {
                let names = format!("{field} of node {node} and {other} of node {other_node}");
                assert_ne!(&changed, before, "{names}");
                assert_ne!(cluster.pack(&changed), cluster.pack(before), "{names}");
                assert_ne!(hasher.hash_one(&changed), hasher.hash_one(before), "{names}");
            }
            seen.push((field, node, changed));
        }
    }
    assert_eq!(seen.len(), 1 + 7 + 19 * MAX_NODES);
}
