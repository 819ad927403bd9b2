//! The packed form of the cluster's states, their symmetry and their dead variables, on every state that can be
//! reached.

use std::collections::HashSet;
use std::sync::Mutex;

use pghaspec_model::cluster::{Action, Agent, At, Budget, Cluster, Settings, StartTimeouts, State, Upstream};
use pghaspec_model::engine::{Inspect, Nothing, Options, Path, Spec, laws, search};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::Task;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::check::{Report, check};
use pghaspec_model::vocabulary::fault::{Fault, Faults};
use pghaspec_model::vocabulary::property::Property;

type Packed = <Cluster as Spec>::Packed;

const CRASHES: Faults =
    Faults::of(&[Fault::PostmasterKilled, Fault::AgentKilled, Fault::AgentRestarted, Fault::LeaseExpires]);
const NETWORK: Faults = Faults::of(&[
    Fault::RequestsLost,
    Fault::RepliesLost,
    Fault::DcsReached,
    Fault::DcsDown,
    Fault::DcsUp,
    Fault::NodesCut,
    Fault::NodesJoined,
    Fault::LeaseExpires,
]);

/// One crash and one commit.
fn small(edition: Edition, nodes: u8) -> Settings {
    let budget = Budget { process: 1, commits: 1, ..Budget::NONE };
    Settings { faults: CRASHES, budget, ..Settings::new(edition, nodes) }
}

fn synchronous_three() -> Settings {
    Settings { synchronous: true, start_timeouts: StartTimeouts::Zero, ..small(Edition::V4_1, 3) }
}

/// One commit, and at most one fault of each kind.
fn after(edition: Edition, faults: &[Fault]) -> Settings {
    let budget = Budget { process: 1, task: 1, network: 1, commits: 1, operator: 0 };
    Settings { budget, start_timeouts: StartTimeouts::Zero, ..Settings::new(edition, 2) }.with_faults(faults)
}

/// The DCS, or a node's connection to it, fails in one way only, so that no kind of failure is treated as harmless
/// because another one is missing. With the older lock, too.
fn one_network_fault_each() -> Vec<(&'static str, Settings)> {
    use Fault::*;
    vec![
        ("requests lost", after(Edition::V4_1, &[RequestsLost, DcsReached, LeaseExpires])),
        ("requests lost in 3.0.2", after(Edition::V3_0_2, &[RequestsLost, DcsReached, LeaseExpires])),
        ("replies lost", after(Edition::V4_1, &[RepliesLost, DcsReached, LeaseExpires])),
        ("DCS down", after(Edition::V4_1, &[DcsDown, DcsUp, LeaseExpires])),
        ("lease lost", after(Edition::V4_1, &[LeaseLost])),
        // Here the next leader is certain before it is promoted, and its data may be less than what was announced.
        ("lease lost and a crash", after(Edition::V4_1, &[LeaseLost, PostmasterKilled])),
    ]
}

/// Values that are read after they seem to be dead.
fn read_late() -> Vec<(&'static str, Settings)> {
    use Fault::*;
    let with = |edition, budget, faults: &[Fault]| Settings { budget, ..Settings::new(edition, 2) }.with_faults(faults);
    let (process, network) = (Budget { process: 1, ..Budget::NONE }, Budget { network: 1, ..Budget::NONE });
    let two_crashes = Budget { process: 2, ..Budget::NONE };
    vec![
        // A primary dies while it races for the lock, and loses the race.
        (
            "a race that a dead primary loses",
            Settings {
                watchdog: false,
                start_timeouts: StartTimeouts::Positive,
                ..with(
                    Edition::V4_1,
                    Budget { task: 1, network: 2, ..Budget::NONE },
                    &[DiskFull, RequestsLost, DcsReached, LeaseExpires],
                )
            },
        ),
        // A node is to be started as a primary, and dies with its agent.
        (
            "a start as a primary that ends early",
            Settings {
                start_timeouts: StartTimeouts::Positive,
                budget: two_crashes,
                ..Settings::of_timelines(Edition::V4_1, 2)
            }
            .with_faults(&[PostmasterKilled, AgentKilled, LeaseExpires]),
        ),
        // The watchdog is armed for a race in vain, and the DCS does not answer.
        (
            "a race in vain without the DCS",
            with(
                Edition::Ideal,
                Budget { process: process.process, ..network },
                &[AgentKilled, AgentRestarted, RequestsLost, LeaseExpires],
            ),
        ),
    ]
}

/// An agent reads old keys: those of a leader, of nobody, of a former synchronous standby. With the older lock, too.
fn old_keys() -> Vec<(&'static str, Settings)> {
    use Fault::*;
    let failover = after(Edition::V4_1, &[PostmasterKilled, WatchStalls, WatchResumes]);
    let restarted = [AgentKilled, AgentRestarted, LeaseExpires, WatchStalls, WatchResumes];
    let no_commit = Budget { commits: 0, ..failover.budget };
    vec![
        ("old keys", failover.clone()),
        ("old keys in ideal", Settings { edition: Edition::Ideal, ..failover.clone() }),
        ("old keys and a restarted agent", after(Edition::V4_1, &restarted)),
        ("old keys in 3.0.2", Settings { budget: no_commit, ..after(Edition::V3_0_2, &restarted) }),
        ("old keys, synchronous", Settings { synchronous: true, ..failover.clone() }),
        ("old keys, three nodes", Settings { nodes: 3, budget: no_commit, ..failover }),
    ]
}

/// Small clusters that together use every field of a state, and every condition for a dead variable.
fn clusters() -> Vec<(&'static str, Settings)> {
    let crashes = small(Edition::V4_1, 2);
    let every_fault =
        Settings { faults: Faults::of(&Fault::ALL), start_timeouts: StartTimeouts::Zero, ..crashes.clone() };
    let process_and_task = Budget { process: 1, task: 1, ..Budget::NONE };
    let mut clusters = vec![
        ("crashes", crashes.clone()),
        ("crashes in 2.1.2", small(Edition::V2_1_2, 2)),
        (
            "default faults",
            Settings { budget: Budget { task: 1, ..crashes.budget }, ..Settings::new(Edition::V4_1, 2) },
        ),
        ("every process and task fault", Settings { budget: process_and_task, ..every_fault.clone() }),
        ("every network fault", Settings { budget: Budget { task: 1, network: 1, ..Budget::NONE }, ..every_fault }),
        ("three nodes", Settings { nodes: 3, start_timeouts: StartTimeouts::Zero, ..crashes.clone() }),
        ("synchronous", Settings { synchronous: true, ..crashes.clone() }),
        ("synchronous, three nodes", synchronous_three()),
        (
            "standby cluster",
            Settings { standby_cluster: true, budget: Budget { operator: 1, ..crashes.budget }, ..crashes.clone() },
        ),
        ("maintenance", Settings { budget: Budget { operator: 1, ..crashes.budget }, ..crashes.clone() }),
        // Without an operator, whose actions would read otherwise dead variables.
        ("standby cluster on its own", Settings { standby_cluster: true, ..crashes.clone() }),
        ("copies instead of rewinds", Settings { remove_on_divergence: true, can_rewind: false, ..crashes.clone() }),
        // A former primary that was about to follow is replaced by a copy, which begins with that configuration.
        (
            "copies after a start that failed",
            Settings {
                remove_on_divergence: true,
                can_rewind: false,
                ..after(Edition::V4_1, &[Fault::PostmasterKilled, Fault::StartFails])
            },
        ),
        ("rewinds and copies", Settings { remove_on_divergence: true, ..crashes.clone() }),
        // Two mutants that read what the rules of editions do not: a primary's recovery configuration, and other
        // possible leaders.
        ("starts without signal", Settings { mutant: Some(Mutant::StartsWithoutSignal), ..crashes.clone() }),
        ("race ignores key", Settings { mutant: Some(Mutant::RaceIgnoresKey), ..crashes.clone() }),
        (
            "failsafe",
            Settings {
                failsafe: true,
                faults: NETWORK.and(CRASHES),
                budget: Budget { process: 1, network: 1, ..Budget::NONE },
                ..crashes
            },
        ),
        ("seen from outside", Settings { budget: process_and_task, ..Settings::of_timelines(Edition::V4_1, 2) }),
    ];
    clusters.extend(one_network_fault_each());
    clusters.extend(read_late());
    clusters.extend(old_keys());
    clusters
}

/// The value of a field as a number below the given one; `None` if the state has no such field.
type Value = fn(&State, usize) -> Option<usize>;

/// All fields with the number of their values, and the value in a state, at a node. Of counters, only some values are
/// required.
fn fields() -> Vec<(&'static str, usize, Value)> {
    fn who(id: Option<u8>) -> Option<usize> {
        Some(id.map_or(0, |id| 1 + usize::from(id)))
    }
    fn flag(flag: bool) -> Option<usize> {
        Some(usize::from(flag))
    }
    fn up_to(most: u8, number: u8) -> Option<usize> {
        Some(usize::from(number.min(most)))
    }
    fn agent(state: &State, node: usize) -> Option<&Agent> {
        state.nodes[node].agent.as_ref()
    }
    vec![
        ("leader", 4, |state, _| who(state.leader.map(|key| key.holder))),
        ("lease", 2, |state, _| state.leader.map(|key| key.lease as usize)),
        ("sync's leader", 3, |state, _| who(state.sync.map(|key| key.leader))),
        ("sync's standby", 4, |state, _| who(state.sync?.standby)),
        ("status", 3, |state, _| up_to(2, state.status)),
        ("history", 3, |state, _| up_to(2, state.history - 1)),
        ("paused", 2, |state, _| flag(state.paused)),
        ("start_timeout_is_zero", 2, |state, _| flag(state.start_timeout_is_zero)),
        ("dcs_down", 2, |state, _| flag(state.dcs_down)),
        ("nodes_cut", 2, |state, _| flag(state.nodes_cut)),
        ("the WAL's timeline", 2, |state, _| up_to(1, state.wal.timeline - 1)),
        ("the first record", 5, |state, _| {
            Some(state.wal.records().next().map_or(0, |(_, record)| 1 + record as usize))
        }),
        ("what the second record follows", 2, |state, _| state.wal.records().nth(1).map(|(after, _)| after.into())),
        ("remote", 3, |state, _| up_to(2, state.remote)),
        ("budget of processes", 2, |state, _| flag(state.budget.process > 0)),
        ("budget of tasks", 2, |state, _| flag(state.budget.task > 0)),
        ("budget of the network", 2, |state, _| flag(state.budget.network > 0)),
        ("budget of commits", 2, |state, _| flag(state.budget.commits > 0)),
        ("budget of operators", 2, |state, _| flag(state.budget.operator > 0)),
        ("whose watch stalls", 2, |state, node| flag(state.stalled.is_some_and(|read| usize::from(read.node) == node))),
        ("leader as read", 4, |state, _| who(state.stalled?.leader)),
        ("session", 2, |state, _| flag(state.stalled?.session)),
        ("sync's leader as read", 3, |state, _| who(state.stalled?.sync.map(|key| key.leader))),
        ("sync's standby as read", 3, |state, _| who(state.stalled?.sync?.standby)),
        ("status as read", 2, |state, _| up_to(1, state.stalled?.status)),
        ("history as read", 2, |state, _| up_to(1, state.stalled?.history - 1)),
        ("server", 7, |state, node| Some(state.nodes[node].server as usize)),
        ("orphans", 2, |state, node| flag(state.nodes[node].orphans)),
        ("hung", 2, |state, node| flag(state.nodes[node].hung)),
        ("control", 8, |state, node| Some(state.nodes[node].control.map_or(7, |control| control as usize))),
        ("data", 4, |state, node| up_to(3, state.nodes[node].data)),
        ("signal", 2, |state, node| flag(state.nodes[node].signal)),
        ("backup_label", 2, |state, node| flag(state.nodes[node].backup_label)),
        ("upstream", 5, |state, node| match state.nodes[node].upstream {
            Upstream::Member(id) => who(Some(id)),
            Upstream::Nobody => Some(0),
            Upstream::Remote => Some(4),
        }),
        ("sync_names", 4, |state, node| who(state.nodes[node].sync_names)),
        ("disk_full", 2, |state, node| flag(state.nodes[node].disk_full)),
        ("dcs", 3, |state, node| Some(state.nodes[node].dcs as usize)),
        ("watchdog", 2, |state, node| flag(state.nodes[node].watchdog)),
        ("single_user_starts", 2, |state, node| up_to(1, state.nodes[node].single_user_starts)),
        ("agent", 2, |state, node| flag(state.nodes[node].agent.is_some())),
        ("at", 10, |state, node| {
            Some(match agent(state, node)?.at {
                At::Idle => 0,
                At::Lead => 1,
                At::Granted => 2,
                At::LongAction => 3,
                At::StartingUp => 4,
                At::Compare => 5,
                At::Rewinding => 6,
                At::Race => 7,
                At::Recover(_) => 8,
                At::Released(_) => 9,
            })
        }),
        ("frozen", 2, |state, node| flag(agent(state, node)?.frozen)),
        ("leased", 2, |state, node| flag(agent(state, node)?.leased)),
        ("seen", 4, |state, node| who(agent(state, node)?.seen)),
        ("role", 4, |state, node| Some(agent(state, node)?.role as usize)),
        ("health", 3, |state, node| Some(agent(state, node)?.health as usize)),
        ("crash_recovery_started", 2, |state, node| flag(agent(state, node)?.crash_recovery_started)),
        ("recovering", 2, |state, node| flag(agent(state, node)?.recovering)),
        ("rewind", 6, |state, node| Some(agent(state, node)?.rewind as usize)),
        ("slot", 9, |state, node| {
            Some(match agent(state, node)?.task() {
                None => 0,
                Some(Task::CrashRecovery) => 1,
                Some(Task::StartPrimary) => 2,
                Some(Task::Follow) => 3,
                Some(Task::Rewind) => 4,
                Some(Task::Reinitialize) => 5,
                Some(Task::Promote) => 6,
                Some(Task::FollowAfterDemotion) => 7,
                Some(Task::Requested) => 8,
            })
        }),
        ("begun", 2, |state, node| flag(agent(state, node)?.slot?.begun)),
        ("failsafe", 2, |state, node| flag(agent(state, node)?.failsafe)),
        ("warned", 2, |state, node| flag(agent(state, node)?.warned)),
    ]
}

/// Collects all states, and the values that each field has in one of them.
struct Collect {
    fields: Vec<(&'static str, usize, Value)>,
    seen: Mutex<(Vec<Packed>, Vec<u64>)>,
}

impl Inspect<Cluster> for Collect {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        let (states, values) = &mut *self.seen.lock().unwrap();
        states.push(cluster.pack(state));
        for ((_, _, value), values) in self.fields.iter().zip(values) {
            for node in cluster.node_ids() {
                *values |= value(state, node.into()).map_or(0, |value| 1 << value);
            }
        }
        0
    }
}

/// Values that no state of these clusters has: pg_control has them only in moments that are not modelled.
const NEVER: [(&str, usize); 2] =
    [("control", ControlState::StartingUp as usize), ("control", ControlState::ShuttingDown as usize)];

/// Every discovery that a check looks for.
struct Everything;

impl Inspect<Cluster> for Everything {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        bits(Property::ALL.iter().map(|property| !cluster.holds_in(*property, state)))
    }

    fn step(&self, cluster: &Cluster, before: &State, action: Action, after: &State) -> u64 {
        let branch = cluster.branch_of(before, action);
        let broken = Property::ALL.iter().map(|property| !cluster.holds_over(*property, before, action, after));
        bits(broken.chain(Branch::ALL.iter().map(|known| branch == Some(*known))))
    }
}

fn bits(flags: impl Iterator<Item = bool>) -> u64 {
    flags.enumerate().fold(0, |bits, (place, flag)| bits | u64::from(flag) << place)
}

fn alike(cluster: &Cluster, packed: &[Packed]) -> Result<(), String> {
    let states = || packed.iter().map(|packed| cluster.unpack(*packed));
    laws::like_parts(cluster, states(), |state| {
        cluster.renumberings().iter().map(|to| cluster.renumbered(state, *to)).collect()
    })?;
    laws::representatives(cluster, states(), &Everything)?;
    let orbits: HashSet<Packed> = states().map(|state| cluster.pack(&cluster.canonical(&state))).collect();
    let reduced = search(cluster, Options { symmetry: true, ..Options::default() }, &Nothing);
    if reduced.states != orbits.len() {
        return Err(format!("{} orbits, but {} states under symmetry", orbits.len(), reduced.states));
    }
    Ok(())
}

/// Two nodes are explored in fewer words than three; the same states are found in the same order, by as many steps.
fn in_fewer_words(cluster: &Cluster, counts: (usize, usize, usize), packed: &[Packed]) -> Result<(), String> {
    let collect = Collect { fields: Vec::new(), seen: Mutex::default() };
    let found = cluster.search(Options::default(), &collect, None);
    let (states, _) = collect.seen.into_inner().unwrap();
    if (found.states, found.transitions, found.depth) != counts || states != packed {
        return Err(format!(
            "{} states instead of {} when they are explored in fewer words",
            states.len(),
            packed.len()
        ));
    }
    Ok(())
}

/// Checks every state of each of these clusters: it is packed without loss, as are the results of its steps; nodes are
/// alike, in their representative and in their next steps; and the search under symmetry counts true orbits. Together
/// these states have every value of every field.
#[test]
fn every_reachable_state_keeps_the_laws_and_symmetry_counts_true_orbits() {
    let mut values = vec![0; fields().len()];
    for (name, settings) in clusters() {
        let cluster = Cluster::new(settings);
        let collect = Collect { fields: fields(), seen: Mutex::new((Vec::new(), values)) };
        let all = search(&cluster, Options::default(), &collect);
        let packed;
        (packed, values) = collect.seen.into_inner().unwrap();
        in_fewer_words(&cluster, (all.states, all.transitions, all.depth), &packed)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(packed.len() < 300_000, "{name}: {} states are too many for a test", packed.len());
        let states = || packed.iter().map(|packed| cluster.unpack(*packed));
        laws::packing(&cluster, states()).unwrap_or_else(|why| panic!("{name}: {why}"));
        alike(&cluster, &packed).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    for ((field, number, _), values) in fields().into_iter().zip(values) {
        for value in (0..number).filter(|value| !NEVER.contains(&(field, *value))) {
            assert!(values >> value & 1 == 1, "no state has the value {value} of {field}");
        }
    }
}

/// Holds each state of a search to the law of representatives.
struct Law;

impl Inspect<Cluster> for Law {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        laws::representatives(cluster, [*state], &Everything).unwrap_or_else(|why| panic!("{why}"));
        0
    }
}

/// The same for the check of three nodes, as far as minutes reach: all but failing tasks with two nodes, and parts of
/// it with three.
#[test]
#[ignore = "takes minutes: cargo test --release --test cluster packed -- --ignored"]
fn every_state_of_the_default_check_behaves_like_the_one_that_stands_for_it() {
    let budget = |process, network, commits| Budget { process, network, commits, ..Budget::NONE };
    for (nodes, budget, states) in
        [(2, budget(2, 1, 2), 4_595_269), (3, budget(1, 1, 1), 519_109), (3, budget(2, 0, 0), 4_406_097)]
    {
        let cluster = Cluster::new(Settings { budget, ..Settings::new(Edition::V4_1, nodes) });
        let searched = search(&cluster, Options { threads: 2, ..Options::default() }, &Law);
        assert_eq!(searched.states, states, "{nodes} nodes, {budget:?}");
    }
}

/// All nodes of a standby cluster may be ahead of the primary that they follow, each by the checkpoint of its own
/// recovery, and may be set back to that primary's data. A position that was announced before is then beyond the data
/// of every node.
#[test]
fn what_a_standby_cluster_may_be_set_back_to_is_not_forgotten() {
    let budget = Budget { process: 2, commits: 1, operator: 1, ..Budget::NONE };
    let settings = Settings {
        standby_cluster: true,
        start_timeouts: StartTimeouts::Zero,
        budget,
        ..Settings::new(Edition::V4_1, 2)
    }
    .with_faults(&[Fault::PostmasterKilled]);
    // Deep enough for both to recover and for the remote primary to be replaced.
    let searched = search(&Cluster::new(settings), Options { depth: Some(30), ..Options::default() }, &Law);
    assert!(searched.states > 100_000, "only {} states", searched.states);
}

#[test]
fn threads_and_symmetry_change_no_verdict() {
    for mutant in [None, Some(Mutant::OverwritesLock), Some(Mutant::ForgetsCrashRecovery)] {
        let run = |threads, symmetry| {
            let settings = Settings { mutant, ..Settings::of_timelines(Edition::V4_1, 2) };
            check(settings, &Property::ALL, Options { threads, symmetry, ..Options::default() }, &|_| (), None)
        };
        let one = run(1, false);
        for threads in [2, 3] {
            let more = run(threads, false);
            assert_eq!((more.states, more.transitions, more.depth), (one.states, one.transitions, one.depth));
            assert_eq!(more.properties, one.properties, "the very same counterexamples");
            assert_eq!(more.branches, one.branches, "the very same witnesses");
        }
        agrees(&one, &run(1, true));
    }
}

/// With single records and coarse steps: the default check, which finds nothing, and one that finds much.
#[test]
fn symmetry_changes_no_verdict_where_every_record_is_told_apart() {
    for (edition, commits, violated) in [(Edition::V4_1, 2, 0), (Edition::V3_0_2, 1, 5)] {
        let usual = Settings::new(edition, 2);
        let settings = Settings { budget: Budget { commits, ..usual.budget }, ..usual };
        let run = |symmetry| {
            check(settings.clone(), &Property::ALL, Options { symmetry, ..Options::default() }, &|_| (), None)
        };
        let full = run(false);
        let counterexamples = full.properties.iter().filter(|(_, counterexample)| counterexample.is_some());
        assert_eq!(counterexamples.count(), violated, "{}", edition.id());
        agrees(&full, &run(true));
    }
}

/// Compares the results under symmetry with those without it: the verdicts, the branches, the kinds of step, and
/// whether there is a deadlock. Under symmetry steps without effect are left out, so a counterexample may become
/// shorter; with these clusters none does.
fn agrees(full: &Report, reduced: &Report) {
    fn lengths<T: Copy>(paths: &[(T, Option<Path<State, Action>>)]) -> Vec<(T, Option<usize>)> {
        paths.iter().map(|(of, path)| (*of, path.as_ref().map(|path| path.steps.len()))).collect()
    }
    assert_eq!(lengths(&reduced.properties), lengths(&full.properties));
    assert_eq!(lengths(&reduced.branches), lengths(&full.branches));
    assert_eq!(reduced.actions, full.actions);
    assert_eq!(reduced.deadlocks > 0, full.deadlocks > 0);
    assert!(reduced.states < full.states);
}
