//! Behaviours of the model are explained by the model, those of mutants are not, and an exhaustive explainer agrees.

mod exhaustive;

use proptest::prelude::*;

use pghaspec_model::belief::{
    Behaviour, Belief, Channels, Choices, Divergence, Explanation, Limits, Observation, Refusal, Seen, Start,
};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Action, Budget, Cluster, Grain, NodeId, Settings, StartTimeouts, State, WalDetail};
use pghaspec_model::engine::Options;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::verify::check::check;
use pghaspec_model::vocabulary::event::{Process, ServerState, Source};
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::property::Property;
use stateright::Model;

const UNLIMITED: Budget =
    Budget { process: Budget::UNLIMITED, task: Budget::UNLIMITED, network: Budget::UNLIMITED, ..Budget::NONE };

const MILLISECOND: u64 = 1_000_000;

/// The settings of an assumption, as far as they can be observed from outside.
fn outside(settings: Settings) -> Settings {
    let start_timeouts = match settings.start_timeouts {
        StartTimeouts::Both => StartTimeouts::Positive,
        one => one,
    };
    Settings { wal: WalDetail::Timelines, grain: Grain::Observable, budget: UNLIMITED, start_timeouts, ..settings }
}

fn cluster(edition: Edition, mutant: Option<Mutant>) -> Cluster {
    Cluster::new(outside(Settings { mutant, ..Settings::of_timelines(edition, 2) }))
}

fn belief(cluster: &Cluster) -> Belief {
    Belief::new(cluster.clone(), Limits::default())
}

fn start(init: State) -> Start {
    Start { states: vec![init], timeline: 1, blind: Channels::NONE }
}

fn explain(belief: &mut Belief, init: State, seen: &[Observation]) -> Result<Explanation, Refusal> {
    let mut sorted = seen.to_vec();
    sorted.sort_by_key(|seen| seen.at[0]);
    belief.explain(&start(init), sorted)
}

fn behaviour(cluster: &Cluster, seed: u64, steps: usize, blur: u64) -> Behaviour {
    let init = cluster.init_states().remove(0);
    Behaviour::random(cluster, init, &mut Choices::new(seed), steps, MILLISECOND, blur, |_, _, _| true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Every edition, every configuration, every fault.
    #[test]
    fn what_the_model_does_is_explained(seed in any::<u64>(), steps in 1_usize..60, blur in 0..80 * MILLISECOND) {
        for edition in Edition::ALL {
            let assumption = Assumption::ALL[(seed % Assumption::ALL.len() as u64) as usize];
            let cluster = Cluster::new(outside(assumption.settings(edition)));
            let Behaviour { init, observations, .. } = behaviour(&cluster, seed, steps, blur);
            let explanation = explain(&mut belief(&cluster), init, &observations);
            prop_assert!(explanation.is_ok(), "{} {}: {explanation:?}", edition.id(), assumption.id());
        }
    }

    /// Blurred intervals leave many orders open, so the behaviours are short.
    #[test]
    fn blurred_intervals_are_explained(seed in any::<u64>(), steps in 1_usize..15) {
        let cluster = cluster(Edition::V4_1, None);
        let Behaviour { init, observations, .. } = behaviour(&cluster, seed, steps, 500 * MILLISECOND);
        prop_assert!(explain(&mut belief(&cluster), init, &observations).is_ok());
    }

    #[test]
    fn a_history_without_the_agents_log_is_explained(seed in any::<u64>(), steps in 1_usize..60) {
        let cluster = cluster(Edition::V4_1, None);
        let Behaviour { init, mut observations, .. } = behaviour(&cluster, seed, steps, 5 * MILLISECOND);
        observations.retain(|seen| !matches!(seen.what, Seen::Change(Sight::Said(..))));
        let start = Start { blind: Channels::of(Source::AgentLog, None), ..start(init) };
        prop_assert!(belief(&cluster).explain(&start, observations).is_ok());
    }

    /// During a gap, any change that its observer would have seen may be missing.
    #[test]
    fn what_hides_in_a_gap_is_explained(
        seed in any::<u64>(),
        steps in 10_usize..60,
        begin in 0_u64..8,
        drop in any::<u64>(),
    ) {
        let cluster = cluster(Edition::V4_1, None);
        let Behaviour { init, mut observations, .. } = behaviour(&cluster, seed, steps, 5 * MILLISECOND);
        let gap = [begin * 1000 * MILLISECOND, (begin + 3) * 1000 * MILLISECOND];
        let mut choices = Choices::new(drop);
        observations.retain(|seen| {
            let inside = gap[0] <= seen.at[0] && seen.at[1] <= gap[1];
            let hides = matches!(seen.what, Seen::Change(Sight::Started(..) | Sight::Exited(..)));
            !(inside && hides && choices.once_in(2))
        });
        let processes = Channels::of(Source::Process, None);
        observations.push(Observation { at: [gap[0]; 2], what: Seen::Blind(processes), seq: 0, chain: 0 });
        observations.push(Observation { at: [gap[1]; 2], what: Seen::Sighted(processes), seq: 0, chain: 0 });
        prop_assert!(explain(&mut belief(&cluster), init, &observations).is_ok());
    }

    /// A change that did not happen: an agent that was never killed starts again.
    #[test]
    fn an_invented_change_is_refuted(
        seed in any::<u64>(),
        steps in 1_usize..60,
        place in any::<prop::sample::Index>(),
    ) {
        let faults = [Fault::PostmasterKilled, Fault::AgentRestarted, Fault::SingleUserFails, Fault::LeaseExpires];
        let cluster = Cluster::new(cluster(Edition::V4_1, None).settings.with_faults(&faults));
        let Behaviour { init, mut observations, .. } = behaviour(&cluster, seed, steps, 0);
        let at = observations[place.index(observations.len())].at;
        let what = Seen::Change(Sight::Fault(Fault::AgentRestarted, 1));
        observations.push(Observation { at, what, seq: 0, chain: 0 });
        prop_assert!(explain(&mut belief(&cluster), init, &observations).is_err());
    }

    /// A change that happened and was removed from the record, though there was no gap.
    #[test]
    fn a_missing_change_is_refuted(seed in any::<u64>(), steps in 1_usize..60) {
        let cluster = cluster(Edition::V4_1, None);
        let Behaviour { init, mut observations, .. } = behaviour(&cluster, seed, steps, 0);
        let started = |seen: &Observation| {
            matches!(seen.what, Seen::Change(Sight::Started(Process::Postmaster | Process::SingleUser, _)))
        };
        let Some(position) = observations.iter().position(started) else { return Ok(()) };
        // The process ends later, so it must have started.
        let Seen::Change(Sight::Started(process, id)) = observations.remove(position).what else { unreachable!() };
        let end = Seen::Change(Sight::Exited(process, id));
        prop_assume!(observations[position..].iter().any(|later| later.what == end));
        prop_assert!(explain(&mut belief(&cluster), init, &observations).is_err());
    }

    /// The number of earlier promotions makes no difference, also where it does not fit into the model's bits.
    #[test]
    fn timelines_are_relative(seed in any::<u64>(), base in 0_u32..4_000_000_000) {
        let cluster = cluster(Edition::V4_1, None);
        let Behaviour { init, mut observations, .. } = behaviour(&cluster, seed, 40, 0);
        for seen in &mut observations {
            if let Seen::Looks(_, _, Some(timeline)) = &mut seen.what {
                *timeline += base;
            }
        }
        let mut belief = belief(&cluster);
        let start = Start { timeline: base + 1, ..start(init) };
        prop_assert!(belief.explain(&start, observations.clone()).is_ok());
        if observations.iter().any(|seen| matches!(seen.what, Seen::Looks(_, ServerState::Primary, Some(_)))) {
            let other = Start { timeline: base + 2, ..start };
            prop_assert!(belief.explain(&other, observations).is_err());
        }
    }
}

/// Changes one field of one observation.
fn corrupted(cluster: &Cluster, observations: &mut [Observation], choices: &mut Choices) {
    let place = choices.below(observations.len() as u64) as usize;
    let other = observations[choices.below(observations.len() as u64) as usize];
    let id = choices.below(u64::from(cluster.settings.nodes)) as NodeId;
    let seen = &mut observations[place];
    match choices.below(3) {
        0 => seen.at = other.at,
        1 => {
            let moved = [300, 1000, 3000][choices.below(3) as usize] * MILLISECOND;
            seen.at = if choices.once_in(2) {
                seen.at.map(|at| at + moved)
            } else {
                seen.at.map(|at| at.saturating_sub(moved))
            };
        }
        _ => match &mut seen.what {
            Seen::Change(Sight::LeaderKey(holder)) => *holder = (!choices.once_in(3)).then_some(id),
            Seen::Change(Sight::Fault(_, node) | Sight::Said(_, node)) if choices.once_in(2) => *node = id,
            Seen::Change(Sight::Started(process, node) | Sight::Exited(process, node)) => {
                let processes = [
                    Process::Postmaster,
                    Process::SingleUser,
                    Process::PgRewind,
                    Process::PgBasebackup,
                    Process::Agent,
                ];
                if choices.once_in(2) {
                    *node = id;
                } else {
                    *process = processes[choices.below(5) as usize];
                }
            }
            Seen::Looks(_, found, timeline) => {
                let states = [ServerState::Primary, ServerState::Standby, ServerState::Starting, ServerState::Refused];
                match timeline {
                    Some(timeline) if choices.once_in(2) => *timeline = choices.below(4) as u32,
                    _ => *found = states[choices.below(4) as usize],
                }
            }
            what => *what = other.what,
        },
    }
}

/// Checks that the belief search and the exhaustive one agree, on unchanged histories and with one field corrupted.
/// Returns the numbers of histories that were explained and refused.
fn agree(histories: u64) -> (u64, u64) {
    let (mut explained, mut refused) = (0, 0);
    let mut clusters = Vec::new();
    for assumption in Assumption::ALL {
        let edition = Edition::ALL[clusters.len() % Edition::ALL.len()];
        let cluster = Cluster::new(outside(assumption.settings(edition)));
        let belief = belief(&cluster);
        clusters.push((cluster, belief));
    }
    for seed in 0..histories {
        let (cluster, belief) = &mut clusters[(seed % Assumption::ALL.len() as u64) as usize];
        let mut choices = Choices::new(seed);
        let steps = 2 + choices.below(24) as usize;
        let blur = [0, 5, 150][choices.below(3) as usize] * MILLISECOND;
        let init = cluster.init_states().remove(0);
        let Behaviour { mut observations, .. } =
            Behaviour::random(cluster, init, &mut choices, steps, MILLISECOND, blur, |_, _, _| true);
        if !choices.once_in(4) {
            corrupted(cluster, &mut observations, &mut choices);
            observations.sort_by_key(|seen| seen.at[0]);
        }
        let found = belief.explain(&start(init), observations.clone());
        assert!(!matches!(found, Err(Refusal::Limit { .. })), "seed {seed}: {found:?}");
        let all = exhaustive::is_explained(cluster, &[init], &observations, Channels::NONE);
        assert_eq!(found.is_ok(), all, "seed {seed}: {found:?} {observations:#?}");
        *(if all { &mut explained } else { &mut refused }) += 1;
    }
    (explained, refused)
}

#[test]
fn an_exhaustive_explainer_agrees() {
    let (explained, refused) = agree(800);
    assert!(explained > 150 && refused > 150, "{explained} explained, {refused} refused");
}

/// Run it with `cargo test --release --test belief -- --ignored`.
#[test]
#[ignore = "minutes"]
fn an_exhaustive_explainer_agrees_on_thousands() {
    let (explained, refused) = agree(20_000);
    println!("{explained} explained, {refused} refused, by both");
    assert!(explained > 4_000 && refused > 4_000, "{explained} explained, {refused} refused");
}

/// A search that may remember next to nothing has the same result.
#[test]
fn forgetting_changes_nothing() {
    let cluster = cluster(Edition::V4_1, None);
    let mut forgetful = Belief::new(cluster.clone(), Limits { bytes: 1 << 20, ..Limits::default() });
    let mut belief = belief(&cluster);
    for seed in 0..20 {
        let Behaviour { init, observations, .. } = behaviour(&cluster, seed, 120, 5 * MILLISECOND);
        assert_eq!(explain(&mut belief, init, &observations), explain(&mut forgetful, init, &observations));
    }
    assert!(belief.bytes() > 2 << 20 && forgetful.bytes() < 2 << 20, "{} {}", belief.bytes(), forgetful.bytes());
}

/// A search that comes to a limit neither explains nor refutes.
#[test]
fn limits_are_no_refutation() {
    let cluster = cluster(Edition::V4_1, None);
    let Behaviour { init, observations, .. } = behaviour(&cluster, 1, 40, 600 * MILLISECOND);
    let usual = Limits::default();
    for limits in [
        Limits { states: 10, ..usual },
        Limits { orders: 3, ..usual },
        Limits { bytes: 1_000, ..usual },
        Limits { work: 100, ..usual },
    ] {
        let found = Belief::new(cluster.clone(), limits).explain(&start(init), observations.clone());
        assert!(matches!(found, Err(Refusal::Limit { .. })), "{found:?}");
    }
    let mut disordered = observations;
    disordered.reverse();
    let found = belief(&cluster).explain(&start(init), disordered);
    assert!(matches!(found, Err(Refusal::Limit { .. })), "{found:?}");
}

/// The search for an explanation of observations that say nothing of when they were made neither hangs nor takes all
/// memory: it ends, and says that it ended early.
#[test]
fn observations_in_no_order_come_to_a_limit() {
    let cluster = cluster(Edition::V4_1, None);
    for steps in [200, 2_000] {
        let Behaviour { init, mut observations, end, .. } = behaviour(&cluster, 1, steps, 0);
        observations.iter_mut().for_each(|seen| (seen.at, seen.chain) = ([0, end], 0));
        let mut belief = belief(&cluster);
        let found = belief.explain(&start(init), observations);
        assert!(matches!(found, Err(Refusal::Limit { .. })), "{found:?}");
        assert!(belief.bytes() < 200 << 20, "{} bytes", belief.bytes());
    }
}

/// Nobody is told by one observer of a later change first, however wide the intervals are.
#[test]
fn each_observer_tells_what_it_sees_in_order() {
    let cluster = cluster(Edition::V4_1, None);
    for seed in 0..20 {
        let Behaviour { mut observations, .. } = behaviour(&cluster, seed, 100, 400 * MILLISECOND);
        observations.sort_by_key(|seen| (seen.at[1], seen.seq));
        for id in cluster.node_ids() {
            let of_processes = observations.iter().filter(|seen| {
                matches!(seen.what, Seen::Change(Sight::Started(_, node) | Sight::Exited(_, node)) if node == id)
            });
            assert!(of_processes.is_sorted_by_key(|seen| seen.seq), "seed {seed}");
        }
    }
}

/// Properties whose breach can be seen from outside, and that hold by the rules of 4.1. The watchdog and an agent's
/// memory cannot be seen.
const VISIBLE: [Property; 4] =
    [Property::OneWritableLeader, Property::WritableNeedsLock, Property::CrashRecoveryOnce, Property::SingleLockOwner];

/// The shortest behaviour of an unsafe mutant that breaks a property is refused by the honest model and explained by
/// the mutant's own, for mutants that change a rule and others.
#[test]
fn what_unsafe_mutants_do_is_refused() {
    for mutant in Mutant::UNSAFE {
        let settings = Settings { mutant: Some(mutant), ..Settings::of_timelines(Edition::V4_1, 2) };
        let report = check(settings, &VISIBLE, Options { threads: 2, ..Options::default() }, &|_| (), None);
        let honest = Cluster::new(Settings { mutant: None, ..report.cluster.settings.clone() });
        let paths: Vec<_> = report.properties.iter().filter_map(|(_, path)| path.as_ref()).collect();
        assert!(!paths.is_empty(), "{}", mutant.id());
        for path in paths {
            let seen = record(&report.cluster, &path.init, &path.steps);
            assert!(explain(&mut belief(&report.cluster), path.init, &seen).is_ok(), "{}", mutant.id());
            assert!(explain(&mut belief(&honest), path.init, &seen).is_err(), "{}", mutant.id());
        }
    }
}

/// The observations of a perfect observer on a path: every change, and a probe of every node after each step.
fn record(cluster: &Cluster, init: &State, steps: &[(Action, State)]) -> Vec<Observation> {
    let mut seen = Vec::new();
    let mut before = init;
    for (step, (action, after)) in steps.iter().enumerate() {
        let at = [step as u64 * 10; 2];
        for sight in cluster.shows(before, *action, after) {
            seen.push(Observation { at, what: Seen::Change(sight), seq: 0, chain: 0 });
        }
        for id in cluster.node_ids() {
            let at = [at[0] + 5; 2];
            seen.push(Observation { at, what: looks(cluster, after, id), seq: 0, chain: 0 });
        }
        before = after;
    }
    seen
}

/// The result of a probe of a node, its timeline included.
fn looks(cluster: &Cluster, state: &State, id: NodeId) -> Seen {
    let timeline = state.wal.timeline_at(state.nodes[usize::from(id)].data);
    let found = [ServerState::Primary, ServerState::Standby, ServerState::Starting, ServerState::Refused]
        .into_iter()
        .find(|&found| cluster.can_look_like(state, id, found, Some(timeline)))
        .expect("every node looks like something");
    Seen::Looks(id, found, Some(u32::from(timeline)))
}

/// Each deviant finally shows something that the honest model refuses and that the deviant's own model explains.
#[test]
fn what_deviants_do_is_refused() {
    for mutant in Mutant::DEVIANT {
        let start_timeouts = match mutant {
            Mutant::KeepsLock | Mutant::FailsOverAnyway => StartTimeouts::Zero,
            _ => StartTimeouts::Positive,
        };
        let settings = Settings { start_timeouts, ..Settings::of_timelines(Edition::V4_1, 2) };
        let honest = Cluster::new(outside(settings.clone()));
        let deviant = Cluster::new(outside(Settings { mutant: Some(mutant), ..settings }));
        let (mut by_honest, mut by_deviant) = (belief(&honest), belief(&deviant));
        let refused = (0..300).any(|seed| {
            let Behaviour { init, observations, .. } = behaviour(&deviant, seed, 60, 0);
            let refusal = explain(&mut by_honest, init, &observations);
            if let Err(Refusal::Diverged(divergence)) = &refusal {
                let Divergence { observation, unseen, .. } = &**divergence;
                assert!(observation.is_some() || !unseen.is_empty(), "{divergence:?}");
                assert!(explain(&mut by_deviant, init, &observations).is_ok(), "{}", mutant.id());
            }
            refusal.is_err()
        });
        assert!(refused, "no behaviour of {} differs visibly", mutant.id());
    }
}
