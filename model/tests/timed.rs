//! The cluster with clocks: the consequences of `loop_wait`, `retry_timeout`, `ttl` and `primary_start_timeout`.

use std::collections::HashMap;

use pghaspec_model::cluster::{Action, Budget, Names, Settings};
use pghaspec_model::engine::{Inspect, Nothing, Options, Spec, laws, search};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::timed::table::{Row, differences, questions};
use pghaspec_model::timed::{
    Moment, Timed, TimedAction, Timing, check_failover, check_one_leader, crash, fits, partition,
};
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::property::Property;
use stateright::Model;

const GRAPH: usize = 1 << 30;

fn cut_off(edition: Edition, timing: Timing) -> Timed {
    Timed::new(partition(edition), timing)
}

/// The documented rule is exactly what keeps two nodes from being writable at once: one tick less breaks it, and no
/// tick more is needed.
#[test]
fn the_rule_for_ttl_is_necessary_and_sufficient() {
    for (loop_wait, retry_timeout) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
        let least = loop_wait + 2 * retry_timeout;
        for ttl in [least - 1, least, least + 1] {
            let timing = Timing { loop_wait, retry_timeout, ttl, ..Timing::default() };
            let verdict = check_one_leader(&cut_off(Edition::V4_1, timing), 2, None);
            assert_eq!(verdict.broken.is_some(), !timing.keeps_the_rule(), "{timing:?}");
            assert!(verdict.broken.is_some() || verdict.cut_short == 0, "{timing:?}: not all was explored");
        }
    }
}

#[test]
fn what_clocks_lose_comes_on_top_of_the_rule() {
    for drift in [1, 2] {
        for (ttl, safe) in [(2 + drift, false), (3 + drift, true)] {
            let timing = Timing { drift, ttl, ..Timing::default() };
            assert_eq!(timing.keeps_the_rule(), safe);
            assert_eq!(check_one_leader(&cut_off(Edition::V4_1, timing), 2, None).broken.is_none(), safe, "{timing:?}");
        }
    }
}

/// A watchdog makes up for a ttl that is too short, down to a single tick.
#[test]
fn a_watchdog_makes_up_for_a_short_ttl() {
    for ttl in [1, 2] {
        let settings = Settings { watchdog: true, ..partition(Edition::V4_1) };
        let verdict = check_one_leader(&Timed::new(settings, Timing { ttl, ..Timing::default() }), 2, None);
        assert!(verdict.broken.is_none() && verdict.cut_short == 0, "ttl {ttl}");
    }
}

/// The rule relies on nothing but the clocks. If the other node still reaches the primary that is cut off from the DCS,
/// it does not race while it sees a primary, and a shorter ttl is enough, down to a single tick. These are the very
/// times with which two nodes lead if they are also cut off from each other.
#[test]
fn where_the_other_node_sees_the_primary_a_shorter_ttl_would_do() {
    let faults = [Fault::RequestsLost, Fault::DcsReached, Fault::LeaseExpires];
    for (loop_wait, retry_timeout, ttl) in [(1, 1, 1), (1, 1, 2), (1, 2, 4), (2, 1, 3)] {
        let timing = Timing { loop_wait, retry_timeout, ttl, ..Timing::default() };
        assert!(!timing.keeps_the_rule());
        let seen = check_one_leader(&Timed::new(partition(Edition::V4_1).with_faults(&faults), timing), 2, None);
        assert!(seen.broken.is_none() && seen.cut_short == 0, "{timing:?}");
        assert!(check_one_leader(&cut_off(Edition::V4_1, timing), 2, None).broken.is_some(), "{timing:?}");
    }
}

/// Before 3.0.4 an agent that is back takes the lock from the node that got it in the meantime: no ttl is long enough.
#[test]
fn no_ttl_keeps_one_leader_where_the_lock_is_overwritten() {
    for (edition, safe) in [(Edition::V3_0_2, false), (Edition::V3_0_4, true)] {
        let timing = Timing { ttl: 5, ..Timing::default() };
        assert_eq!(check_one_leader(&cut_off(edition, timing), 2, None).broken.is_none(), safe, "{}", edition.id());
    }
}

fn worst(edition: Edition, start_timeout: u8, slow_dcs: bool) -> (u8, Option<u8>) {
    let timing = Timing { loop_wait: 2, ttl: 4, start_timeout, slow_dcs, ..Timing::default() };
    let failover = check_failover(&Timed::new(crash(edition), timing), GRAPH).unwrap();
    assert_eq!(failover.broken.is_some(), failover.worst.is_none_or(|worst| worst > failover.bound));
    (failover.bound, failover.worst)
}

/// The documented claim, 2.1.2 `ha.py` 318-320. There single-user recovery comes first and has a start timeout of its
/// own.
#[test]
fn a_failover_takes_as_long_as_documented_only_since_3_0_4_and_with_a_prompt_dcs() {
    assert_eq!(worst(Edition::V2_1_2, 0, false), (2, Some(2)));
    assert_eq!(worst(Edition::V2_1_2, 2, false), (6, Some(9)));
    assert_eq!(worst(Edition::V3_0_4, 2, false), (6, Some(4)));
    assert_eq!(worst(Edition::V4_1, 0, false), (2, Some(2)));
    assert_eq!(worst(Edition::V4_1, 2, false), (6, Some(4)));
    let (bound, slow) = worst(Edition::V4_1, 0, true);
    assert!(slow.is_some_and(|slow| slow > bound));
}

fn committed() -> Vec<Row> {
    serde_json::from_str(include_str!("../timing.json")).unwrap()
}

/// A part of the questions; `pghaspec check --matrix` asks all of them.
#[test]
fn the_answers_about_time_are_as_committed() {
    let committed = committed();
    assert_eq!(committed.len(), questions().len());
    let small = |row: &Row| {
        let (Row::OneWritableLeader { states, .. } | Row::FailoverBound { states, .. }) = row;
        *states < 100_000
    };
    let mut asked = 0;
    for (question, row) in questions().into_iter().zip(&committed) {
        if small(row) {
            assert_eq!(&question.answer(), row);
            asked += 1;
        }
    }
    assert!(asked > committed.len() / 2, "most are small");
    let mut changed = committed.clone();
    changed.pop();
    assert_eq!(differences(&committed, &changed).len(), 1);
}

/// Clusters that together use all clocks.
fn clusters() -> Vec<Timed> {
    let faults = [Fault::PostmasterKilled, Fault::AgentFrozen, Fault::AgentThawed];
    let dies = Settings { budget: Budget { process: 1, ..Budget::NONE }, ..Settings::new(Edition::V4_1, 2) };
    let down = Settings { budget: Budget { network: 1, ..Budget::NONE }, ..dies.clone() };
    vec![
        Timed::new(dies.with_faults(&faults), Timing { safety_margin: 1, ..Timing::default() }),
        Timed::new(down.with_faults(&[Fault::DcsDown, Fault::DcsUp]), Timing { start_timeout: 0, ..Timing::default() }),
        Timed::new(partition(Edition::V4_1), Timing { drift: 1, ttl: 4, ..Timing::default() }),
    ]
}

/// The values that clocks had, over all moments.
#[derive(Default)]
struct Seen(std::sync::Mutex<(Vec<[u64; 6]>, [u8; 6])>);

impl Inspect<Timed> for Seen {
    fn state(&self, timed: &Timed, moment: &Moment) -> u64 {
        let (packed, most) = &mut *self.0.lock().unwrap();
        packed.push(timed.pack(moment));
        let clocks = &moment.clocks;
        let of_nodes =
            |value: fn(&pghaspec_model::timed::NodeClocks) -> u8| clocks.nodes.iter().map(value).max().unwrap();
        let values = [
            clocks.lease,
            clocks.drift,
            of_nodes(|node| node.next),
            of_nodes(|node| node.asking.map_or(0, |asking| 1 + asking)),
            of_nodes(|node| node.watchdog),
            of_nodes(|node| node.start),
        ];
        for (most, value) in most.iter_mut().zip(values) {
            *most = value.max(*most);
        }
        let late = moment.state.nodes.iter().any(|node| node.late);
        u64::from(late)
    }
}

#[test]
fn moments_are_packed_without_loss() {
    let mut late = false;
    let mut most = [0; 6];
    for timed in clusters() {
        let seen = Seen::default();
        late |= search(&timed, Options::default(), &seen).found[0].is_some();
        let (packed, clocks) = seen.0.into_inner().unwrap();
        assert!(packed.len() < 400_000, "{} moments are too many for a test", packed.len());
        laws::packing(&timed, packed.iter().map(|packed| timed.unpack(*packed))).unwrap();
        for (most, clock) in most.iter_mut().zip(clocks) {
            *most = clock.max(*most);
        }
    }
    assert!(late, "a start timeout is over somewhere");
    assert_eq!(most, [4, 1, 1, 2, 3, 2], "lease, drift, next, asking, watchdog, start");
}

/// Time never stands still for good: from every moment some path leads to another tick.
#[test]
fn time_can_always_pass() {
    for timed in clusters() {
        let seen = Seen::default();
        search(&timed, Options::default(), &seen);
        let (packed, _) = seen.0.into_inner().unwrap();
        let number: HashMap<[u64; 6], usize> = packed.iter().enumerate().map(|(place, word)| (*word, place)).collect();
        let mut before = vec![Vec::new(); packed.len()];
        let mut passes = Vec::new();
        let mut actions = Vec::new();
        for (place, word) in packed.iter().enumerate() {
            let moment = timed.unpack(*word);
            actions.clear();
            timed.actions(&moment, &mut actions);
            if actions.iter().any(|action| matches!(action, TimedAction::Tick(_))) {
                passes.push(place);
            }
            for action in &actions {
                before[number[&timed.pack(&timed.next_state(&moment, *action).unwrap())]].push(place);
            }
        }
        let mut known = vec![false; packed.len()];
        while let Some(place) = passes.pop() {
            if !std::mem::replace(&mut known[place], true) {
                passes.extend(&before[place]);
            }
        }
        assert!(known.iter().all(|known| *known));
    }
}

/// The end of a lease that nobody keeps alive while the DCS goes down and comes back.
struct LeaseAndDcs;

impl Inspect<Timed> for LeaseAndDcs {
    fn state(&self, _: &Timed, moment: &Moment) -> u64 {
        let was_over = moment.state.leader.is_some() && moment.clocks.lease == 0 && moment.state.dcs_down;
        u64::from(was_over)
    }

    fn step(&self, timed: &Timed, before: &Moment, action: TimedAction, after: &Moment) -> u64 {
        let TimedAction::Step(Action::Fault(fault, _)) = action else { return 0 };
        let full = after.clocks.lease == timed.timing.ttl;
        match fault {
            Fault::LeaseExpires if before.state.dcs_down => 1 << 1,
            Fault::DcsUp if before.state.leader.is_some() && !full => 1 << 2,
            Fault::DcsUp if before.state.leader.is_some() && before.clocks.lease == 0 => 1 << 3,
            _ => 0,
        }
    }
}

/// This includes a lease that was due in the very moment in which the DCS went down: the next leader of etcd grants it
/// its full time again.
#[test]
fn no_lease_ends_while_the_dcs_is_down() {
    let budget = Budget { process: 1, network: 1, ..Budget::NONE };
    let settings = Settings { watchdog: false, budget, ..Settings::new(Edition::V4_1, 2) };
    let faults = [Fault::AgentKilled, Fault::DcsDown, Fault::DcsUp, Fault::LeaseExpires];
    let timed = Timed::new(settings.with_faults(&faults), Timing::default());
    let found = search(&timed, Options::default(), &LeaseAndDcs).found;
    let occurs: Vec<_> = (0..4).map(|bit| found.get(bit).is_some_and(Option::is_some)).collect();
    assert_eq!(occurs, [true, false, false, true], "over when the DCS is down, ends then, is not renewed, is renewed");
}

/// Neither the number of threads nor the second engine changes a result.
#[test]
fn stateright_counts_the_same_moments() {
    use stateright::Checker;
    let timed = Timed::new(crash(Edition::V4_1), Timing::default());
    let ours = search(&timed, Options { threads: 2, ..Options::default() }, &Nothing);
    let theirs = timed.clone().checker().spawn_bfs().join();
    assert_eq!(ours.states, theirs.unique_state_count());
    assert_eq!(ours.deadlocks, 0);
}

/// Without its ticks, every behaviour with clocks is one of the model without clocks: the properties that hold there
/// hold here.
#[test]
fn clocks_add_no_behaviour() {
    struct Untimed;
    impl Inspect<Timed> for Untimed {
        fn step(&self, timed: &Timed, before: &Moment, action: TimedAction, _: &Moment) -> u64 {
            let TimedAction::Step(step) = action else { return 0 };
            // The clocks decide the end of a lease and the watchdog's reset.
            if matches!(step, Action::Fault(Fault::LeaseExpires, _) | Action::WatchdogResets(_)) {
                return 0;
            }
            let mut possible = Vec::new();
            timed.cluster.actions(&before.state, &mut possible);
            u64::from(!possible.contains(&step))
        }
    }
    for timed in clusters() {
        assert!(search(&timed, Options::default(), &Untimed).found[0].is_none());
    }
}

#[test]
fn a_counterexample_says_when() {
    let timed = cut_off(Edition::V4_1, Timing { ttl: 2, ..Timing::default() });
    let path = check_one_leader(&timed, 1, None).broken.unwrap();
    let lines = timed.lines(&Names::numbered(), &path);
    assert!(lines.windows(2).all(|pair| pair[0].tick <= pair[1].tick));
    let expires = lines.iter().find(|line| line.step.contains("lease expires")).unwrap();
    assert!(expires.tick >= 2, "{lines:#?}");
    assert!(lines.last().unwrap().changes.iter().any(|change| change.contains("primary")), "{lines:#?}");
    assert!(!timed.holds_in(Property::OneWritableLeader, path.last()));
}

#[test]
fn settings_without_clocks_are_refused() {
    let settings = partition(Edition::V4_1);
    let timing = Timing::default();
    let why = |settings: Settings, timing: Timing| fits(&settings, &timing).unwrap_err();
    assert!(why(settings.clone(), Timing { ttl: 15, ..timing }).contains("ttl is 15 ticks"));
    assert!(why(settings.clone(), Timing { loop_wait: 0, ..timing }).contains("loop_wait is 0 ticks"));
    assert!(why(settings.clone(), Timing { safety_margin: 3, ..timing }).contains("safety_margin is 3 ticks"));
    assert!(why(Settings { failsafe: true, ..settings.clone() }, timing).contains("failsafe mode"));
    assert!(why(settings.with_faults(&[Fault::RepliesLost]), timing).contains("replies-lost"));
}
