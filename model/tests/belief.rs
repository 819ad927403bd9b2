//! Behaviours of the model are explained by the model, and those of mutants are not.

use proptest::prelude::*;

use pghaspec_model::belief::{Observation, Seen, explain};
use pghaspec_model::check::check;
use pghaspec_model::cluster::show::Sight;
use pghaspec_model::cluster::{Action, Budget, Cluster, NodeId, Settings, StartTimeouts, State};
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::Options;
use pghaspec_model::event::{Process, ServerState};
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;
use pghaspec_model::property::Property;
use stateright::Model;

fn cluster(edition: Edition, mutant: Option<Mutant>) -> Cluster {
    let unlimited = Budget { process: Budget::UNLIMITED, task: Budget::UNLIMITED, ..Budget::NONE };
    Cluster::new(Settings {
        mutant,
        budget: unlimited,
        start_timeouts: StartTimeouts::Positive,
        ..Settings::of_timelines(edition, 2)
    })
}

/// A random behaviour, as an observer sees it: `blur` widens the intervals beyond the moments.
fn behaviour(cluster: &Cluster, choices: &[u16], blur: u64) -> (State, Vec<Observation>) {
    let init = cluster.init_states().remove(0);
    let mut state = init;
    let mut seen = Vec::new();
    for (step, &choice) in choices.iter().enumerate() {
        let now = step as u64 * 10;
        let mut note = |what| {
            let at = [now.saturating_sub(blur * (u64::from(choice) % 3)), now + blur * (u64::from(choice) % 2)];
            seen.push(Observation { at, what, seq: step as u64 });
        };
        if choice % 7 == 0 {
            for id in cluster.node_ids() {
                note(looks(cluster, &state, id));
            }
        }
        let steps = cluster.steps(&state);
        let (action, after) = steps[usize::from(choice) % steps.len()];
        for sight in cluster.shows(&state, action, &after) {
            note(Seen::Change(sight));
        }
        state = after;
    }
    (init, seen)
}

fn everything(_: &Sight) -> bool {
    true
}

fn assert_explained(edition: Edition, choices: &[u16], blur: u64) -> Result<(), TestCaseError> {
    let cluster = cluster(edition, None);
    let (init, seen) = behaviour(&cluster, choices, blur);
    let explanation = explain(&cluster, vec![init], &seen, everything);
    prop_assert!(explanation.is_ok_and(|explanation| explanation.last > 0), "{}", edition.id());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_the_model_does_is_explained(choices in prop::collection::vec(any::<u16>(), 1..60), blur in 0_u64..12) {
        for edition in Edition::ALL {
            assert_explained(edition, &choices, blur)?;
        }
    }

    /// The less is known of the order of events, the more orders there are: only short behaviours.
    #[test]
    fn it_is_explained_if_the_order_is_hardly_known(choices in prop::collection::vec(any::<u16>(), 1..20), blur in 12_u64..30) {
        assert_explained(Edition::V4_1, &choices, blur)?;
    }

    #[test]
    fn it_is_explained_without_the_agents_words_too(choices in prop::collection::vec(any::<u16>(), 1..60)) {
        let cluster = cluster(Edition::V4_1, None);
        let (init, mut seen) = behaviour(&cluster, &choices, 5);
        let black_box = |sight: &Sight| !matches!(sight, Sight::Said(..));
        seen.retain(|observation| !matches!(observation.what, Seen::Change(sight) if !black_box(&sight)));
        prop_assert!(explain(&cluster, vec![init], &seen, black_box).is_ok());
    }

    /// Something that did not happen: an agent that was never killed starts again.
    #[test]
    fn an_invented_change_is_refuted(choices in prop::collection::vec(any::<u16>(), 1..60), place in any::<prop::sample::Index>()) {
        let faults = [Fault::PostmasterKilled, Fault::AgentRestarted, Fault::SingleUserFails, Fault::LeaseExpires];
        let cluster = Cluster::new(cluster(Edition::V4_1, None).settings.with_faults(&faults));
        let (init, mut seen) = behaviour(&cluster, &choices, 0);
        let at = place.index(choices.len()) as u64 * 10 + 5;
        seen.push(Observation { at: [at, at], what: Seen::Change(Sight::Fault(Fault::AgentRestarted, 1)), seq: 0 });
        prop_assert!(explain(&cluster, vec![init], &seen, everything).is_err());
    }

    /// Something that happened and was cut out of the record, though its observer was there.
    #[test]
    fn a_missing_change_is_refuted(choices in prop::collection::vec(any::<u16>(), 1..60)) {
        let cluster = cluster(Edition::V4_1, None);
        let (init, mut seen) = behaviour(&cluster, &choices, 0);
        let started = |observation: &Observation| {
            matches!(observation.what, Seen::Change(Sight::Started(Process::Postmaster | Process::SingleUser, _)))
        };
        let Some(position) = seen.iter().position(started) else { return Ok(()) };
        // Its process ends later, so it must have started.
        let Seen::Change(Sight::Started(process, id)) = seen.remove(position).what else { unreachable!() };
        prop_assume!(seen[position..].iter().any(|later| later.what == Seen::Change(Sight::Exited(process, id))));
        prop_assert!(explain(&cluster, vec![init], &seen, everything).is_err());
    }
}

/// Properties whose breach can be seen from outside, and that the rules of 4.1 keep: the watchdog and an agent's memory cannot be seen.
const VISIBLE: [Property; 4] =
    [Property::OneWritableLeader, Property::WritableNeedsLock, Property::CrashRecoveryOnce, Property::SingleLockOwner];

/// The shortest behaviour of an unsafe mutant that breaks a property is refused by the honest model, with a changed rule or
/// without, and explained by the mutant's own.
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
            assert!(explain(&report.cluster, vec![path.init], &seen, everything).is_ok(), "{}", mutant.id());
            assert!(explain(&honest, vec![path.init], &seen, everything).is_err(), "{}", mutant.id());
        }
    }
}

/// What a perfect observer sees of a path: every change, and every node between two steps.
fn record(cluster: &Cluster, init: &State, steps: &[(Action, State)]) -> Vec<Observation> {
    let mut seen = Vec::new();
    let mut before = init;
    for (step, (action, after)) in steps.iter().enumerate() {
        let at = [step as u64 * 10; 2];
        for sight in cluster.shows(before, *action, after) {
            seen.push(Observation { at, what: Seen::Change(sight), seq: 0 });
        }
        for id in cluster.node_ids() {
            let at = [at[0] + 5; 2];
            seen.push(Observation { at, what: looks(cluster, after, id), seq: 0 });
        }
        before = after;
    }
    seen
}

/// What a probe of a node finds, its timeline included.
fn looks(cluster: &Cluster, state: &State, id: NodeId) -> Seen {
    let timeline = Some(state.wal.timeline_at(state.nodes[usize::from(id)].data));
    let found = [ServerState::Primary, ServerState::Standby, ServerState::Starting, ServerState::Refused]
        .into_iter()
        .find(|&found| cluster.can_look_like(state, id, found, timeline))
        .expect("every node looks like something");
    Seen::Looks(id, found, timeline)
}

/// Each deviant shows something sooner or later that the honest model refuses, and that the deviant's own model explains.
#[test]
fn what_deviants_do_is_refused() {
    for mutant in Mutant::DEVIANT {
        let start_timeouts = match mutant {
            Mutant::KeepsLock | Mutant::FailsOverAnyway => StartTimeouts::Zero,
            _ => StartTimeouts::Positive,
        };
        let settings = Settings { start_timeouts, ..Settings::of_timelines(Edition::V4_1, 2) };
        let honest = Cluster::new(settings.clone());
        let deviant = Cluster::new(Settings { mutant: Some(mutant), ..settings });
        let mut random = 1_u64;
        let mut next = move || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as u16
        };
        let refused = (0..300).any(|_| {
            let choices: Vec<u16> = (0..60).map(|_| next()).collect();
            let (init, seen) = behaviour(&deviant, &choices, 0);
            let refused = explain(&honest, vec![init], &seen, everything).is_err();
            if refused {
                assert!(explain(&deviant, vec![init], &seen, everything).is_ok(), "{}", mutant.id());
            }
            refused
        });
        assert!(refused, "no behaviour of {} differs visibly", mutant.id());
    }
}
