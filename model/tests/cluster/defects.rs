//! Real defects of Patroni, found again from the rules alone: each is shown by a shortest behaviour, and is gone with
//! the rules of the release that fixed it. Releases, pull requests and issues are Patroni's.
//!
//! Every search has only the faults that the defect needs, and is complete: if a defect is said to be gone, no
//! behaviour shows it.

use pghaspec_model::cluster::{
    Action, At, Budget, Cluster, Health, Names, Node, NodeId, Rewind, Role, Server, Settings, StartTimeouts, State,
    difference,
};
use pghaspec_model::engine::{Graph, Inspect, Liveness, Options, Path, search};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::Task;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::rules::edition::Edition::*;
use pghaspec_model::verify::check::check;
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::fault::Fault::*;
use pghaspec_model::vocabulary::fault::Faults;
use pghaspec_model::vocabulary::property::Property;

/// A behaviour in words, with the changes of each step in brackets behind it.
struct Behaviour(Vec<String>);

impl Behaviour {
    fn new(cluster: &Cluster, init: &State, steps: &[(Action, State)]) -> Self {
        let names = Names::numbered();
        let mut before = init;
        let mut words = Vec::new();
        for (action, after) in steps {
            let changes = difference(&names, before, after).join("; ");
            words.push(format!("{} [{changes}]", cluster.step_text(&names, before, *action)));
            before = after;
        }
        Behaviour(words)
    }

    /// Asserts that it has this many steps, and that some of them, in this order and including the last one, match the
    /// story. `…` matches any words.
    #[track_caller]
    fn is(&self, steps: usize, story: &[&str]) {
        let all = self.0.join("\n");
        assert_eq!(self.0.len(), steps, "\n{all}");
        let told_by = |step: &String, told: &str| {
            let mut rest = step.as_str();
            told.split('…').all(|part| match rest.split_once(part.trim()) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            })
        };
        let (Some((end, story)), Some((last, others))) = (story.split_last(), self.0.split_last()) else {
            panic!("there is nothing to tell")
        };
        let mut left = others.iter();
        for told in story {
            assert!(left.any(|step| told_by(step, told)), "`{told}` is not told, or not in this order, by\n{all}");
        }
        assert!(told_by(last, end), "`{end}` is not the end of\n{all}");
    }
}

/// Two nodes, of which the first leads, `process` faults of processes, no commits, a positive start timeout.
fn settings(edition: Edition, process: u8, faults: &[Fault]) -> Settings {
    Settings {
        faults: Faults::of(faults),
        budget: Budget { process, ..Budget::NONE },
        start_timeouts: StartTimeouts::Positive,
        ..Settings::new(edition, 2)
    }
}

/// The same where only timelines are distinguished: timelines keep their numbers, and every decision of `recover` is a
/// step.
fn of_timelines(edition: Edition, process: u8, faults: &[Fault]) -> Settings {
    let Settings { faults, budget, start_timeouts, .. } = settings(edition, process, faults);
    Settings { faults, budget, start_timeouts, ..Settings::of_timelines(edition, 2) }
}

fn at_once(settings: Settings) -> Settings {
    Settings { start_timeouts: StartTimeouts::Zero, ..settings }
}

fn without_watchdog(settings: Settings) -> Settings {
    Settings { watchdog: false, ..settings }
}

/// One start, single-user recovery or rewind may fail, too.
fn with_failing_task(settings: Settings) -> Settings {
    Settings { budget: Budget { task: 1, ..settings.budget }, ..settings }
}

fn with_commit(settings: Settings) -> Settings {
    Settings { budget: Budget { commits: 1, ..settings.budget }, ..settings }
}

/// A shortest counterexample.
#[track_caller]
fn broken(settings: Settings, property: Property) -> Behaviour {
    let report = check(settings, &[property], Options::default(), &|_| (), None);
    let [(_, Some(path))] = &report.properties[..] else { panic!("{} is not broken", property.id()) };
    Behaviour::new(&report.cluster, &path.init, &path.steps)
}

/// Asserts that no behaviour breaks the property, in a complete search.
#[track_caller]
fn holds(settings: Settings, property: Property) {
    let report = check(settings, &[property], Options::default(), &|_| (), None);
    assert_eq!(report.incomplete, None);
    assert!(matches!(report.properties[..], [(_, None)]), "{} is broken: {:?}", property.id(), report.properties);
}

struct Look<F>(F);

impl<F: Fn(&Cluster, &State, Action, &State) -> bool + Sync> Inspect<Cluster> for Look<F> {
    fn step(&self, cluster: &Cluster, before: &State, action: Action, after: &State) -> u64 {
        u64::from((self.0)(cluster, before, action, after))
    }
}

/// A shortest behaviour that ends in such a step.
#[track_caller]
fn shortest(settings: Settings, is_it: impl Fn(&Cluster, &State, Action, &State) -> bool + Sync) -> Option<Behaviour> {
    let cluster = Cluster::new(settings);
    let exploration = search(&cluster, Options::default(), &Look(is_it));
    assert_eq!(exploration.incomplete, None);
    let Path { init, steps } = exploration.found[0].as_ref()?;
    Some(Behaviour::new(&cluster, init, steps))
}

#[track_caller]
fn some(behaviour: Option<Behaviour>) -> Behaviour {
    behaviour.expect("there should be such a behaviour")
}

#[track_caller]
fn none(behaviour: Option<Behaviour>) {
    assert!(behaviour.is_none(), "there should be no such behaviour:\n{}", behaviour.unwrap().0.join("\n"));
}

/// A shortest lasso on which a promise is given and never kept: its steps, and then those of the cycle, once.
#[track_caller]
fn unkept(
    settings: Settings,
    given: impl Fn(&Cluster, &State) -> bool,
    kept: impl Fn(&Cluster, &State) -> bool,
) -> Option<Behaviour> {
    let cluster = Cluster::new(settings);
    let graph = Graph::of(&cluster);
    assert!(graph.mark(&given).contains(&true), "nothing is promised");
    let lasso = Liveness::new(&graph).leads_to(&given, &kept)?;
    assert_eq!(lasso.verify_leads_to(&cluster, given, kept), Ok(()));
    assert!(lasso.shortest);
    let steps: Vec<_> = lasso.prefix.steps.iter().chain(&lasso.cycle).cloned().collect();
    Some(Behaviour::new(&cluster, &lasso.prefix.init, &steps))
}

/// The same for the promise of a property about a node.
#[track_caller]
fn unkept_promise(settings: Settings, property: Property, node: NodeId) -> Option<Behaviour> {
    let promise = Cluster::new(settings.clone()).promises(property)[usize::from(node)];
    let given = |cluster: &Cluster, state: &State| promise.is_given(cluster, state);
    unkept(settings, given, |cluster, state| promise.is_kept(cluster, state))
}

fn node(state: &State, id: NodeId) -> &Node {
    &state.nodes[usize::from(id)]
}

fn holds_lock(state: &State, id: NodeId) -> bool {
    state.leader.is_some_and(|key| key.holder == id)
}

/// True if an agent finds in this step that its data diverged from the leader's.
fn finds_divergence(before: &State, action: Action, after: &State) -> bool {
    let needs = |state| node(state, action.node()).agent.as_ref().is_some_and(|agent| agent.rewind == Rewind::Need);
    !needs(before) && needs(after)
}

fn promotes(_: &Cluster, _: &State, action: Action, _: &State) -> bool {
    matches!(action, Action::Promote(_))
}

/// True if `recover` decides for this branch.
fn decides(branch: Branch) -> impl Fn(&Cluster, &State, Action, &State) -> bool {
    move |cluster, before, action, _| cluster.branch_of(before, action) == Some(branch)
}

/// True if an agent requests an update of its lock while the key names another node.
fn refreshes_lost_lock(_: &Cluster, before: &State, action: Action, _: &State) -> bool {
    matches!(action, Action::Update(_)) && before.leader.is_some_and(|key| key.holder != action.node())
}

const RELEASES: [Edition; 6] = [V2_1_2, V3_0_2, V3_0_4, V3_1, V4_0, V4_1];
const FROZEN: [Fault; 3] = [AgentFrozen, AgentThawed, LeaseExpires];
const RESTARTED: [Fault; 3] = [AgentKilled, AgentRestarted, LeaseExpires];

/// 2.1.6 to 3.0.2, fixed by #2689: an agent was frozen between its snapshot and the update of the lock. It finds that
/// its lease has ended, takes a new one, and overwrites the leader key, though that names another node by now.
#[test]
fn the_lock_is_written_over_when_the_own_lease_has_ended() {
    let frozen = |edition| without_watchdog(settings(edition, 1, &FROZEN));
    broken(frozen(V3_0_2), Property::SingleLockOwner).is(
        7,
        &[
            "n1: agent reads the cluster",
            "n1: FAULT agent-frozen",
            "n1: lease expires … leader key: none",
            "n1: FAULT agent-thawed",
            "n2: agent tries to create the leader key … leader key: n2",
            "n1: agent refreshes the leader lock … leader key: n1; … lease: ended → alive",
        ],
    );
    // The lock is requested all the same, and refused.
    some(shortest(frozen(V3_0_4), refreshes_lost_lock))
        .is(7, &["n1: agent refreshes the leader lock … writable primary … → starting as a standby"]);
    holds(frozen(V3_0_4), Property::SingleLockOwner);
}

/// The same defect where the watchdog resets the node of a frozen agent: the agent's successor takes its predecessor's
/// lock for its own, and while it recovers the lease ends and another node gets the lock.
#[test]
fn the_lock_is_written_over_by_a_restarted_agent() {
    let restarted = |edition| settings(edition, 1, &RESTARTED);
    broken(restarted(V3_0_2), Property::SingleLockOwner).is(
        8,
        &[
            "n1: FAULT agent-killed … nobody keeps its lease alive",
            "n1: watchdog resets the node",
            "n1: FAULT agent-restarted",
            "n1: agent reads the cluster … sees the leader key name n1",
            "n1: lease expires",
            "n2: agent tries to create the leader key … leader key: n2",
            "n1: recover(): update_lock() → yes … leader key: n1",
        ],
    );
    holds(restarted(V3_0_4), Property::SingleLockOwner);
}

/// Up to 2.1.5, #2484: the end of the lease goes unnoticed, and the update claims success, so the agent continues as
/// the leader while the key names another node. The key itself is left alone, so no other property of the key is
/// broken.
#[test]
fn the_update_claims_success_although_the_lock_is_gone() {
    let frozen = |edition| without_watchdog(settings(edition, 1, &FROZEN));
    let believes = |_: &Cluster, _: &State, action: Action, after: &State| {
        let at = node(after, action.node()).agent.as_ref().map(|agent| agent.at);
        at == Some(At::Granted) && !holds_lock(after, action.node()) && matches!(action, Action::Update(_))
    };
    some(shortest(frozen(V2_1_2), |cluster, before, action, after| {
        refreshes_lost_lock(cluster, before, action, after) && believes(cluster, before, action, after)
    }))
    .is(
        7,
        &[
            "n1: FAULT agent-frozen",
            "n1: lease expires … leader key: none",
            "n1: FAULT agent-thawed",
            "n2: agent tries to create the leader key … leader key: n2",
            "n1: agent refreshes the leader lock []",
        ],
    );
    holds(frozen(V2_1_2), Property::SingleLockOwner);
    for edition in [V3_0_2, V3_0_4, V4_1] {
        some(shortest(frozen(edition), refreshes_lost_lock));
        none(shortest(frozen(edition), believes));
    }
}

/// Only 2.1.2, fixed by #2221: the walk through the leader's timeline history does not stop, so a node that is one
/// timeline behind is taken for diverged. It is rewound although the leader has all of its data.
#[test]
fn a_standby_one_timeline_behind_is_taken_for_diverged() {
    let failover = |edition| at_once(with_commit(settings(edition, 1, &[PostmasterKilled])));
    let leader_has_all = |state: &State, id| {
        let leader = state.leader.filter(|key| key.holder != id).map(|key| node(state, key.holder));
        leader.is_some_and(|leader| state.wal.includes(leader.data, node(state, id).data))
    };
    let needless = |_: &Cluster, before: &State, action: Action, after: &State| {
        finds_divergence(before, action, after) && leader_has_all(before, action.node())
    };
    some(shortest(failover(V2_1_2), needless)).is(
        12,
        &[
            "n1: FAULT postmaster-killed",
            "n1: recover(): demote('immediate')",
            "n1: Postgres accepts connections … → standby on timeline 1, shared WAL only",
            "n2: Postgres is promoted … → writable primary on timeline 2",
            "n1: agent compares timelines with the leader: diverged … rewind state: check → need",
        ],
    );
    for edition in [V3_0_2, V3_0_4, V3_1, V4_0, V4_1, Ideal] {
        // Some standbys are behind, and are found to be only behind; others did diverge.
        let behind = |_: &Cluster, before: &State, action: Action, _: &State| {
            let timeline = |id| before.wal.timeline_at(node(before, id).data);
            action == Action::Compare(0, Some(false)) && timeline(0) < timeline(1)
        };
        some(shortest(failover(edition), behind));
        some(shortest(failover(edition), |_, before, action, after| finds_divergence(before, action, after)));
        none(shortest(failover(edition), needless));
    }
}

/// Every release, #1251: two promotions lead to the same timeline number, and an agent that compares only numbers does
/// not see that the data diverged. The standby keeps records that the leader lacks, and never streams.
#[test]
fn two_promotions_share_a_timeline_number() {
    let crashes = |edition| at_once(settings(edition, 2, &[PostmasterKilled]));
    broken(crashes(V4_1), Property::NoSilentDivergence).is(
        22,
        &[
            "n1: Postgres is promoted … writable primary on timeline 2, WAL P1",
            "n1: FAULT postmaster-killed",
            "n1: recover(): demote('immediate') … leader key: none",
            "n1: Postgres accepts connections … standby on timeline 2, WAL P1",
            "n2: agent tries to create the leader key … leader key: n2",
            "n2: Postgres is promoted … writable primary on timeline 2, WAL P2",
            "n1: agent compares timelines with the leader: not diverged … follows: nobody → n2",
        ],
    );
    for edition in RELEASES {
        broken(crashes(edition), Property::NoSilentDivergence);
    }
    holds(crashes(Ideal), Property::NoSilentDivergence);
    some(unkept_promise(crashes(V4_1), Property::CrashedNodeRejoins, 0))
        .is(27, &["n1: agent compares timelines with the leader: not diverged", "n2: agent refreshes the leader lock"]);
    none(unkept_promise(crashes(Ideal), Property::CrashedNodeRejoins, 0));
    none(unkept_promise(crashes(Ideal), Property::CrashedNodeRejoins, 1));
    // There the fork is found: the numbers are the same and the data is not.
    some(shortest(crashes(Ideal), |_, before, action, after| {
        let timeline = |id| before.wal.timeline_at(node(before, id).data);
        finds_divergence(before, action, after) && timeline(0) == timeline(1)
    }));
}

/// Every release, #3121: with a start timeout of zero and nobody to fail over to, a crashed primary that holds the lock
/// is not simply started again. It goes through single-user mode and comes up on a new timeline.
#[test]
fn a_primary_that_cannot_fail_over_comes_up_on_a_new_timeline() {
    let alone = |edition| at_once(of_timelines(edition, 2, &[PostmasterKilled, NodeKilled]));
    // The other node is gone for good, and the lease holder has not noticed its own crash yet.
    let crashed = |_: &Cluster, state: &State| {
        let (primary, other) = (node(state, 0), node(state, 1));
        holds_lock(state, 0)
            && (primary.server, primary.control) == (Server::Down, Some(ControlState::InProduction))
            && primary
                .agent
                .as_ref()
                .is_some_and(|agent| (agent.role, agent.health) == (Role::Primary, Health::Running))
            && other.agent.is_none()
            && state.budget.process == 0
    };
    let same_timeline = |_: &Cluster, state: &State| {
        let primary = node(state, 0);
        primary.server == Server::Primary && state.wal.timeline_at(primary.data) == 1
    };
    some(unkept(alone(V4_1), crashed, same_timeline)).is(
        25,
        &[
            "n1: recover(): is_failover_possible() → no",
            "n1: recover() returns 'doing crash recovery in a single user mode'",
            "n1: postgres --single ends well",
            "n1: recover() returns 'starting as readonly because i had the session lock'",
            "n1: Postgres is promoted … writable primary on timeline 2",
            "n1: agent refreshes the leader lock",
        ],
    );
    for edition in RELEASES {
        some(unkept(alone(edition), crashed, same_timeline));
        none(shortest(alone(edition), decides(Branch::StartPrimary)));
    }
    none(unkept(alone(Ideal), crashed, same_timeline));
    some(shortest(alone(Ideal), decides(Branch::StartPrimary))).is(
        7,
        &["n1: recover(): is_failover_possible() → no", "n1: recover() returns 'starting primary after failure'"],
    );
    none(shortest(alone(Ideal), decides(Branch::CrashRecovery)));
}

/// Up to 3.0.3, #2720, fixed by #2726: every crash of a primary leads through single-user mode to a new timeline,
/// although the node holds the lock all the time.
#[test]
fn every_crash_of_a_primary_raises_the_timeline() {
    let crash = |edition| of_timelines(edition, 1, &[PostmasterKilled]);
    for edition in [V2_1_2, V3_0_2] {
        some(shortest(crash(edition), promotes)).is(
            18,
            &[
                "n1: FAULT postmaster-killed",
                "n1: recover(): update_lock() → yes",
                "n1: recover() returns 'doing crash recovery in a single user mode'",
                "n1: recover() returns 'starting as readonly because i had the session lock'",
                "n1: agent refreshes the leader lock",
                "n1: Postgres is promoted … writable primary on timeline 2",
            ],
        );
        none(shortest(crash(edition), decides(Branch::StartPrimary)));
    }
    for edition in [V3_0_4, V3_1, V4_0, V4_1, Ideal] {
        some(shortest(crash(edition), decides(Branch::StartPrimary)))
            .is(5, &["n1: recover(): update_lock() → yes", "n1: recover() returns 'starting primary after failure'"]);
        none(shortest(crash(edition), decides(Branch::CrashRecovery)));
        none(shortest(crash(edition), promotes));
    }
}

/// Only 3.0.4, fixed by #2763: a primary that is hit again while it recovers from a crash is not started as a primary,
/// because pg_control says `in crash recovery`.
#[test]
fn a_primary_that_crashed_in_crash_recovery_goes_through_single_user_mode() {
    let twice = |edition| of_timelines(edition, 2, &[BackendCrashed, PostmasterKilled]);
    let by_holder = |cluster: &Cluster, before: &State, action: Action, after: &State| {
        decides(Branch::CrashRecovery)(cluster, before, action, after) && holds_lock(before, action.node())
    };
    some(shortest(twice(V3_0_4), by_holder)).is(
        6,
        &[
            "n1: FAULT backend-crashed … in production → in crash recovery",
            "n1: FAULT postmaster-killed",
            "n1: recover(): update_lock() → yes",
            "n1: recover() returns 'doing crash recovery in a single user mode'",
        ],
    );
    let starts = |state: &State, id| {
        node(state, id).agent.as_ref().is_some_and(|agent| agent.task() == Some(Task::StartPrimary))
    };
    let from_crash_recovery = |_: &Cluster, before: &State, action: Action, after: &State| {
        let id = action.node();
        let crashed = node(before, id).control == Some(ControlState::InCrashRecovery);
        crashed && !starts(before, id) && starts(after, id)
    };
    none(shortest(twice(V3_0_4), from_crash_recovery));
    for edition in [V3_1, V4_0, V4_1, Ideal] {
        none(shortest(twice(edition), by_holder));
        some(shortest(twice(edition), from_crash_recovery)).is(
            5,
            &[
                "n1: FAULT backend-crashed",
                "n1: FAULT postmaster-killed",
                "n1: recover(): run 'starting primary after failure' in the background",
            ],
        );
    }
}

/// Up to 2.1.3, #2242, fixed by #2252: while a standby that was killed is down (pg_control says `in archive recovery`),
/// it is never found that its data diverged. It is started as it is, and Postgres then refuses to start, for ever. That
/// refusal is not modelled: here the standby starts, and is rewound later.
#[test]
fn a_killed_standby_is_not_known_to_have_diverged() {
    let killed = |edition| at_once(with_commit(settings(edition, 2, &[PostmasterKilled])));
    let found_while_down = |_: &Cluster, before: &State, action: Action, after: &State| {
        let standby = node(before, action.node());
        finds_divergence(before, action, after)
            && (standby.server, standby.control) == (Server::Down, Some(ControlState::InArchiveRecovery))
    };
    none(shortest(killed(V2_1_2), found_while_down));
    none(shortest(killed(V2_1_2), decides(Branch::CrashRecoveryBeforeRewind)));
    for edition in [V3_0_2, V4_1, Ideal] {
        let before_rewind = some(shortest(killed(edition), decides(Branch::CrashRecoveryBeforeRewind)));
        for behaviour in [before_rewind, some(shortest(killed(edition), found_while_down))] {
            behaviour.is(
                14,
                &[
                    "n1: a client commits",
                    "n1: demotion goes on … in production → in archive recovery",
                    "n1: FAULT postmaster-killed … starting as a standby … → down",
                    "n2: Postgres is promoted … writable primary on timeline 2",
                    "n1: recover(): rewind_or_reinitialize_needed_and_possible() → yes … → single-user mode",
                ],
            );
        }
    }
}

/// Up to 2.0.7, #1720: single-user recovery that does not end keeps the lock for ever, although another node could take
/// over.
#[test]
fn crash_recovery_without_an_end_keeps_the_lock() {
    let faults = [AgentKilled, AgentRestarted, SingleUserHangs];
    let honest = with_failing_task(settings(V4_1, 1, &faults));
    let mutated = Settings { mutant: Some(Mutant::NeverEndsCrashRecovery), ..honest.clone() };
    some(unkept_promise(mutated, Property::UnstartableLeaderYields, 0)).is(
        9,
        &[
            "n1: recover(): update_lock() → yes … → single-user mode",
            "n1: FAULT single-user-hangs",
            "n1: agent reads the cluster",
            "n1: agent refreshes the leader lock",
        ],
    );
    none(unkept_promise(honest, Property::UnstartableLeaderYields, 0));
}

/// Every release: a backend outlives its postmaster and can still commit while another node is promoted. The agent sees
/// only that the postmaster is dead; with or without a watchdog, the lock is released.
#[test]
fn a_backend_outlives_its_postmaster() {
    for watchdog in [false, true] {
        let orphans = |edition| Settings { watchdog, ..settings(edition, 1, &[OrphansLeft]) };
        broken(orphans(V4_1), Property::OneWritableLeader).is(
            7,
            &[
                "n1: FAULT orphans-left … → down, and a backend of a dead postmaster",
                "n1: recover(): update_lock() → yes",
                "n1: agent reads the cluster … leader key: none",
                "n2: agent tries to create the leader key … leader key: n2",
                "n2: Postgres is promoted … writable primary on timeline 2",
            ],
        );
        broken(at_once(orphans(V4_1)), Property::OneWritableLeader).is(
            8,
            &[
                "n1: FAULT orphans-left",
                "n1: recover(): is_failover_possible() → yes",
                "n1: recover(): demote('immediate') → done … leader key: none",
                "n2: Postgres is promoted … writable primary on timeline 2",
            ],
        );
        for edition in RELEASES {
            broken(orphans(edition), Property::OneWritableLeader);
        }
        for orphans in [orphans(Ideal), at_once(orphans(Ideal))] {
            holds(orphans.clone(), Property::OneWritableLeader);
            // Another node takes over, but later.
            some(shortest(orphans, |_, _, action, _| action == Action::Promote(1)));
        }
    }
}

/// Every release; found by this model: an agent takes the lock and is frozen before it arms the watchdog. The lease
/// ends, nothing resets the node, and the thawed agent promotes because of a lock that it no longer has, while another
/// node does the same.
#[test]
fn an_agent_is_frozen_between_taking_the_lock_and_arming_the_watchdog() {
    let frozen = |edition| at_once(settings(edition, 2, &[PostmasterKilled, AgentFrozen, AgentThawed, LeaseExpires]));
    broken(frozen(V4_1), Property::OneWritableLeader).is(
        18,
        &[
            "n1: agent tries to create the leader key … leader key: n1",
            "n1: FAULT agent-frozen",
            "n1: lease expires … leader key: none",
            "n1: FAULT agent-thawed",
            "n1: agent, which has the lock, sees to it that its node leads … watchdog: off → armed; … → 'promote'",
            "n1: Postgres is promoted",
            "n2: agent tries to create the leader key … leader key: n2",
            "n2: Postgres is promoted … writable primary on timeline 2",
        ],
    );
    for edition in RELEASES {
        broken(frozen(edition), Property::OneWritableLeader);
    }
    holds(frozen(Ideal), Property::OneWritableLeader);
    some(shortest(frozen(Ideal), |_, before, action, _| {
        action == Action::Fault(AgentFrozen, 0)
            && node(before, 0).agent.as_ref().is_some_and(|agent| agent.at == At::Granted)
            && node(before, 0).server == Server::Standby
    }));
}

const STALLS: [Fault; 5] = [PostmasterKilled, AgentKilled, LeaseExpires, WatchStalls, WatchResumes];

/// Two nodes that crash one after the other, one commit, and an agent that reads old keys meanwhile.
fn with_old_keys(edition: Edition) -> Settings {
    let settings = at_once(with_commit(settings(edition, 2, &STALLS)));
    Settings { budget: Budget { network: 1, ..settings.budget }, ..settings }
}

/// Every release; found by this model: the watch of an agent stalled while nobody had the lock, and it uses the
/// `/status` of that time. When the next leader is gone as well, it takes itself for close enough, and creating the
/// leader key, which is correct in itself, makes it the leader. Whatever it reads, two nodes never lead.
#[test]
fn old_keys_let_a_node_lead_that_has_fallen_behind() {
    broken(with_old_keys(V4_1), Property::BoundedAsyncLoss).is(
        20,
        &[
            "n1: FAULT watch-stalls",
            "n1: recover(): demote('immediate') … leader key: none; n1 reads old keys: leader nobody … position 0",
            "n2: agent tries to create the leader key … leader key: n2",
            "n2: a client commits",
            "n2: agent refreshes the leader lock",
            "n2: lease expires",
            "n1: agent tries to create the leader key … leader key: n1",
            "n1: Postgres is promoted",
        ],
    );
    for edition in [V3_1, V4_0, V4_1] {
        broken(with_old_keys(edition), Property::BoundedAsyncLoss);
        holds(with_old_keys(edition), Property::OneWritableLeader);
        holds(with_old_keys(edition), Property::WritableNeedsLock);
    }
    holds(with_old_keys(Ideal), Property::BoundedAsyncLoss);
    // Its turn comes when its watch continues.
    some(shortest(with_old_keys(Ideal), |_, before, action, after| {
        let reads_old = before.stalled.is_some_and(|read| read.status != before.status);
        action == Action::Acquire(0) && reads_old && !holds_lock(after, 0)
    }));
}

/// Alive in 4.1; found by this model: the same in synchronous mode. With the old `/sync` the node takes itself for the
/// synchronous standby, and gets the lock. Its promotion is postponed, because `/sync` is not the one that it read; but
/// the next cycle checks only that it has the lock.
#[test]
fn a_promotion_that_was_postponed_is_not_reconsidered() {
    let synchronous = |edition| Settings { synchronous: true, ..with_old_keys(edition) };
    broken(synchronous(V4_1), Property::NoLostSyncCommit).is(
        25,
        &[
            "n1 reads old keys: leader nobody, /sync leader n1 and standby n2",
            "n2: Postgres is promoted",
            "n2: a client commits",
            "n2: lease expires",
            "n1: agent tries to create the leader key … leader key: n1",
            "n1: FAULT watch-resumes",
            "n1: agent refreshes the leader lock … /sync: leader n1, standby none",
            "n1: Postgres is promoted",
        ],
    );
    holds(synchronous(Ideal), Property::NoLostSyncCommit);
}

/// Alive in 4.1: `recover()` starts Postgres `because i had the session lock` although the key names another node, as
/// its own update of the key was told moments before: the reload shows the old key. It has no consequence: the next
/// update is refused again.
#[test]
fn old_keys_say_that_the_session_lock_is_still_there() {
    let restarted = |edition| {
        let faults = [AgentKilled, AgentRestarted, LeaseExpires, WatchStalls, WatchResumes];
        let settings = settings(edition, 1, &faults);
        Settings { budget: Budget { network: 1, ..settings.budget }, ..settings }
    };
    let by_nobodys_lock = |cluster: &Cluster, before: &State, action: Action, after: &State| {
        decides(Branch::StartReadOnly)(cluster, before, action, after)
            && before.leader.is_some_and(|key| key.holder != action.node())
    };
    some(shortest(restarted(V4_1), by_nobodys_lock)).is(
        13,
        &[
            "n1: FAULT agent-restarted",
            "n1: FAULT watch-stalls … n1 reads old keys: leader n1",
            "n1: lease expires",
            "n2: agent tries to create the leader key … leader key: n2",
            "n1: recover(): update_lock() → no",
            "n1: recover(): load_cluster_from_dcs() → done",
        ],
    );
    holds(restarted(V4_1), Property::OneWritableLeader);
}

/// Every release since 2.1.4, which runs crash recovery before pg_rewind (#2252); found by this model: while a rewind
/// is pending, a failed start is not looked at, and `recover` forgets that it already ran single-user recovery. So it
/// runs it again.
#[test]
fn a_failed_start_with_a_rewind_pending_forgets_crash_recovery() {
    let fails = |edition| {
        let faults = [AgentKilled, AgentRestarted, LeaseExpires, StartFails];
        with_failing_task(settings(edition, 1, &faults))
    };
    broken(fails(V4_1), Property::CrashRecoveryOnce).is(
        16,
        &[
            "n1: postgres --single ends well",
            "n1: recover(): load_cluster_from_dcs() → done … rewind state: initial → check",
            "n1: FAULT start-fails",
            "n1: agent reads the cluster … crash recovery started: true → false",
            "n2: Postgres is promoted … writable primary on timeline 2",
            "n1: recover(): rewind_or_reinitialize_needed_and_possible() → yes … → single-user mode",
        ],
    );
    for edition in RELEASES.into_iter().filter(|edition| edition.rules().crash_recovery_before_rewind) {
        broken(fails(edition), Property::CrashRecoveryOnce);
    }
    holds(fails(V2_1_2), Property::CrashRecoveryOnce);
    holds(fails(Ideal), Property::CrashRecoveryOnce);
    some(shortest(fails(Ideal), |_, before, action, _| {
        let agent = node(before, 0).agent.as_ref();
        action == Action::Fault(StartFails, 0)
            && agent.is_some_and(|agent| agent.rewind == Rewind::Check && agent.crash_recovery_started)
    }));
}
