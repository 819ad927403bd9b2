//! Recorded histories with one field changed: none passes, unless no check reads that field, or another behaviour of
//! the model explains what is there now. An explainer that tries everything says so, from a reading of the events of
//! its own.
//!
//! The full number: `cargo test --release -p pghaspec --test judge corruption -- --ignored --nocapture`

use std::collections::BTreeMap;
use std::path::PathBuf;

use pghaspec::history::History;
use pghaspec::judge::explaining_editions;
use pghaspec::judge::{Verdict, judge};
use pghaspec::scenario::Scenario;
use pghaspec_model::belief::{Channels, Choices, Observation, Seen};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Budget, Cluster, NodeId, Rewind, Settings, StartTimeouts, State};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Mechanism, Phase, Process, ServerState, WriteResult};
use pghaspec_model::vocabulary::fault::Fault;
use serde_json::{Value, json};

/// Recorded histories that pass.
const PASSING: [(&str, &str); 4] = [
    ("patroni-4.1.5", "leader-postmaster-killed"),
    ("patroni-4.1.5", "leader-postmaster-killed-start-timeout-0"),
    ("patroni-4.1.5-late-commit", "leader-postmaster-killed"),
    ("patroni-4.1.5-control", "leader-postmaster-killed-start-timeout-0"),
];

/// Fields that no check reads, by kind of event: what they say is for people, or says the same as another field.
const UNREAD: [(&str, &str); 25] = [
    ("run", "run"),
    ("run", "scenario"),
    ("run", "agent"),
    ("run", "version"),
    ("run", "edition"),
    ("run", "loop_wait_s"),
    ("run", "ttl_s"),
    ("run", "retry_timeout_s"),
    ("*", "source"),
    ("run", "at"),
    ("fault", "effect"),
    ("leader-key", "lease"),
    ("leader-key", "change"),
    ("process-started", "pid"),
    ("process-started", "argv"),
    ("process-exited", "pid"),
    ("process-exited", "code"),
    ("process-exited", "signal"),
    ("server", "lsn"),
    ("write", "error"),
    ("write", "session"),
    ("recover", "message"),
    ("said", "message"),
    ("said", "pattern"),
    ("said", "at"),
];

fn trace((agent, scenario): (&str, &str)) -> Vec<Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/traces/{agent}/{scenario}.jsonl"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn written(events: &[Value]) -> Vec<u8> {
    events.iter().map(|event| format!("{event}\n")).collect::<String>().into_bytes()
}

/// Changes one field of one event; says which.
fn corrupt(events: &mut [Value], choices: &mut Choices) -> (String, String) {
    loop {
        let place = choices.below(events.len() as u64) as usize;
        let fields: Vec<String> = events[place].as_object().unwrap().keys().cloned().collect();
        let field = fields[choices.below(fields.len() as u64) as usize].clone();
        let before = events[place][&field].clone();
        // What another event says there, or something near, or nothing.
        let others: Vec<Value> = events.iter().filter_map(|event| event.get(&field).cloned()).collect();
        let other = others[choices.below(others.len() as u64) as usize].clone();
        let after = match (&before, choices.below(4)) {
            (_, 0) => Value::Null,
            (Value::Number(number), 1 | 2) => {
                let moved = [1, 2, 1000, 1_000_000_000][choices.below(4) as usize];
                let number = number.as_i64().unwrap_or(0);
                json!(if choices.once_in(2) { number + moved } else { number - moved })
            }
            (Value::Bool(flag), _) => json!(!flag),
            (Value::Array(items), 1 | 2) if field == "at" => {
                let moved = [1_000, 10_000_000, 1_000_000_000, 5_000_000_000][choices.below(4) as usize];
                let back = choices.once_in(2);
                let shift = |at: &Value| {
                    let at = at.as_u64().unwrap();
                    if back { at.saturating_sub(moved) } else { at + moved }
                };
                let mut items = items.clone();
                match choices.below(3) {
                    0 => items[0] = json!(shift(&items[0])),
                    1 => items[1] = json!(shift(&items[1])),
                    _ => items = items.iter().map(|at| json!(shift(at))).collect(),
                }
                Value::Array(items)
            }
            (Value::String(_), 1) => json!("n3"),
            (Value::Object(control), 1 | 2) if control.contains_key("system") => {
                let mut control = control.clone();
                control.insert("system".to_owned(), json!("1"));
                Value::Object(control)
            }
            _ => other,
        };
        if after != before {
            let kind = events[place]["kind"].as_str().unwrap().to_owned();
            events[place][&field] = after;
            return (kind, field);
        }
    }
}

/// The outcome of so many corruptions.
#[derive(Debug, Default)]
struct Counts {
    /// The file is refused.
    refused: u32,
    /// A check fails, or cannot tell.
    judged: u32,
    /// They pass, and no check reads the field.
    unread: u32,
    /// They pass, and the exhaustive explainer explains them.
    explained: u32,
}

fn corruptions(count: u64) -> Counts {
    let half = |from: u64| move || corruptions_of((from..count).step_by(2));
    let halves =
        std::thread::scope(|scope| [0, 1].map(|from| scope.spawn(half(from))).map(|half| half.join().unwrap()));
    let sum = |of: fn(&Counts) -> u32| halves.iter().map(of).sum();
    Counts {
        refused: sum(|counts| counts.refused),
        judged: sum(|counts| counts.judged),
        unread: sum(|counts| counts.unread),
        explained: sum(|counts| counts.explained),
    }
}

fn corruptions_of(seeds: impl Iterator<Item = u64>) -> Counts {
    let mut counts = Counts::default();
    let mut by_field: BTreeMap<(String, String), u32> = BTreeMap::new();
    for seed in seeds {
        let which = PASSING[(seed % PASSING.len() as u64) as usize];
        let mut choices = Choices::new(seed);
        let mut events = trace(which);
        let (kind, field) = corrupt(&mut events, &mut choices);
        let Ok(history) = History::parse(&written(&events)) else {
            counts.refused += 1;
            continue;
        };
        let explains = explaining_editions(&history).map(|editions| editions.contains(&Edition::V4_1));
        // Each verdict of the model is also the exhaustive explainer's.
        if let Some(explains) = explains.filter(|explains| !explains || seed % 8 == 0) {
            let all = is_explained(&history).expect("what the judge could ask, this can, too");
            assert_eq!(explains, all, "seed {seed} {kind}.{field}");
        }
        let verdict = if explains == Some(false) {
            Verdict::Fail
        } else {
            let scenario = Scenario::load(which.1).unwrap();
            judge(&history, Edition::V4_1, Some(&scenario.expect)).verdict
        };
        if verdict != Verdict::Pass {
            counts.judged += 1;
        } else if is_unread(&kind, &field) {
            counts.unread += 1;
        } else {
            *by_field.entry((kind.clone(), field.clone())).or_default() += 1;
            assert_eq!(is_explained(&history), Ok(true), "seed {seed}: {kind}.{field} passes and has no explanation");
            counts.explained += 1;
        }
    }
    println!("{counts:?}\naccepted, and explained by another behaviour: {by_field:?}");
    counts
}

fn is_unread(kind: &str, field: &str) -> bool {
    UNREAD.iter().any(|(of, unread)| (*of == kind || *of == "*") && *unread == field)
}

#[test]
fn no_corruption_passes_unexplained() {
    let counts = corruptions(300);
    assert!(counts.refused > 50 && counts.judged > 20, "{counts:?}");
}

/// A leader on timeline 0, which Postgres does not have.
#[test]
fn there_is_no_timeline_0() {
    let mut events = trace(PASSING[1]);
    let leads = |event: &&mut Value| event["state"] == "primary";
    events.iter_mut().find(leads).unwrap()["timeline"] = json!(0);
    assert!(History::parse(&written(&events)).is_err());
}

/// The leader key as it was known when the cluster got ready is a beginning, and no change.
#[test]
fn a_key_that_was_known_when_the_cluster_got_ready_counts_once() {
    let events = trace(PASSING[0]);
    let ready = events.iter().position(|event| event["phase"] == "ready").unwrap();
    let at = events[ready]["at"][0].as_u64().unwrap();
    let key = events[..ready].iter().rposition(|event| event["kind"] == "leader-key").unwrap();
    for begin in [at, at - 1_000] {
        let mut events = events.clone();
        events[key]["at"] = json!([begin, at]);
        let history = History::parse(&written(&events)).unwrap();
        assert!(explaining_editions(&history).unwrap().contains(&Edition::V4_1));
        assert_eq!(is_explained(&history), Ok(true));
    }
}

/// A cluster may have been promoted a million times: both explainers count on.
#[test]
fn timelines_may_be_high() {
    let mut events = trace(PASSING[1]);
    for event in events.iter_mut().filter(|event| event["timeline"].is_u64()) {
        event["timeline"] = json!(event["timeline"].as_u64().unwrap() + 1_000_000);
    }
    let history = History::parse(&written(&events)).unwrap();
    assert!(explaining_editions(&history).unwrap().contains(&Edition::V4_1));
    assert_eq!(is_explained(&history), Ok(true));
}

#[test]
#[ignore = "minutes"]
fn none_of_ten_thousand_corruptions_passes_unexplained() {
    let counts = corruptions(10_000);
    assert_eq!(counts.refused + counts.judged + counts.unread + counts.explained, 10_000);
}

/// Whatever stands in these fields, the judgement is the same, or the history is refused. Of `change` only `present`
/// matters, of `signal` only an agent's, of `effect` only whether there is one.
#[test]
fn unread_fields_are_unread() {
    for which in PASSING {
        let verdicts = |events: &[Value]| {
            let history = History::parse(&written(events)).ok()?;
            let scenario = Scenario::load(which.1).unwrap();
            let judgement = judge(&history, Edition::V4_1, Some(&scenario.expect));
            Some(judgement.checks.iter().map(|check| (check.id.clone(), check.verdict)).collect::<Vec<_>>())
        };
        let events = trace(which);
        let before = verdicts(&events);
        assert!(before.is_some());
        for (kind, field) in UNREAD {
            let mut events = events.clone();
            let values: Vec<Value> = events.iter().filter_map(|event| event.get(field).cloned()).collect();
            for (place, event) in events.iter_mut().enumerate() {
                if (kind == "*" || event["kind"] == kind) && event.get(field).is_some_and(|value| !value.is_null()) {
                    let same = |value: &&Value| std::mem::discriminant(*value) == std::mem::discriminant(&event[field]);
                    let others: Vec<&Value> = values.iter().filter(same).collect();
                    event[field] = others[place * 7 % others.len()].clone();
                }
            }
            let after = verdicts(&events);
            assert!(after.is_none() || after == before, "{kind}.{field}: {after:?}");
        }
    }
}

/// The exhaustive explainer's answer; an error where the history does not say enough to be asked.
fn is_explained(history: &History) -> Result<bool, &'static str> {
    let phase = |wanted: Phase| {
        let is = |event: &&Event| matches!(event.kind, Kind::Phase { phase } if phase == wanted);
        history.events.iter().find(is).map(|event| event.at[0])
    };
    let from = phase(Phase::Ready).ok_or("never ready")?;
    let to = phase(Phase::ReadBack).ok_or("not finished")?;
    let run = &history.run;
    let id = |name: &String| run.nodes.iter().position(|node| node == name).map(|place| place as NodeId);
    let mut holder = None;
    for event in history.events.iter().filter(|event| event.at[1] <= from) {
        if let Kind::LeaderKey { holder: now, .. } = &event.kind {
            holder = now.clone();
        }
    }
    let holder = holder.ok_or("nobody leads")?;
    let leader = id(&holder).ok_or("an unknown leader")?;
    let mut timeline = None;
    for event in history.events.iter().filter(|event| event.at[1] <= from && event.node.as_ref() == Some(&holder)) {
        if let Kind::Server { timeline: Some(now), .. } = &event.kind {
            timeline = Some(*now);
        }
    }
    let timeline = timeline.ok_or("no timeline")?;
    // Of a cluster that was promoted so often, nobody asks how often: its timelines are counted from its beginning.
    let earlier = if timeline > 200 { timeline - 1 } else { 0 };
    let timeline = (timeline - earlier) as u8;
    let configuration = &run.configuration;
    let zero = run.primary_start_timeout_s == 0;
    let unlimited = Budget::UNLIMITED;
    let settings = Settings {
        start_timeouts: if zero { StartTimeouts::Zero } else { StartTimeouts::Positive },
        watchdog: configuration.watchdog_present
            && (configuration.watchdog_required || configuration.watchdog_automatic),
        can_rewind: configuration.use_pg_rewind,
        remove_on_divergence: configuration.remove_data_directory_on_diverged_timelines,
        standby_cluster: configuration.standby_cluster,
        synchronous: configuration.synchronous_mode,
        failsafe: configuration.failsafe_mode,
        as_observed: true,
        budget: Budget { process: unlimited, task: unlimited, network: unlimited, ..Budget::NONE },
        ..Settings::of_timelines(Edition::V4_1, run.nodes.len() as u8)
    };
    let mut faults = vec![Fault::LeaseExpires];
    for event in &history.events {
        if let Kind::Fault { fault, .. } = event.kind {
            faults.push(fault);
        }
    }
    let cluster = Cluster::new(settings.with_faults(&faults));
    let mut init: Vec<State> = vec![cluster.healthy(leader, timeline, zero)];
    for node in 0..run.nodes.len() {
        for mut state in init.clone() {
            state.nodes[node].agent.as_mut().ok_or("no agent")?.rewind = Rewind::Check;
            init.push(state);
        }
    }
    let mut blind = Channels::NONE;
    if run.process_observation != Mechanism::ProcConnector {
        blind = Channels::of(pghaspec_model::vocabulary::event::Source::Process, None);
    }
    for source in
        [pghaspec_model::vocabulary::event::Source::Process, pghaspec_model::vocabulary::event::Source::AgentLog]
    {
        if !run.observed.contains(&source) {
            blind = blind.and(Channels::of(source, None));
        }
    }
    let mut observations = read(history, leader, from, to)?;
    for observation in &mut observations {
        if let Seen::Looks(_, _, Some(timeline)) = &mut observation.what {
            *timeline = timeline.saturating_sub(earlier);
        }
    }
    Ok(crate::exhaustive::is_explained(&cluster, &init, &observations, blind))
}

fn read(history: &History, leader: NodeId, from: u64, to: u64) -> Result<Vec<Observation>, &'static str> {
    let mut observations: Vec<Observation> = Vec::new();
    let mut key = Some(leader);
    let mut revised = 0;
    let mut known_writable = [false; 3];
    for event in &history.events {
        let of_the_key = matches!(event.kind, Kind::LeaderKey { .. });
        let before = if of_the_key { event.at[1] <= from } else { event.at[0] < from };
        if before || event.at[1] > to {
            continue;
        }
        let name = |name: &str| history.run.nodes.iter().position(|node| node == name).map(|place| place as NodeId);
        let node = event.node.as_deref().and_then(name);
        let mut note = |at: [u64; 2], what, chain| observations.push(Observation { at, what, seq: event.seq, chain });
        let mut changes = true;
        match &event.kind {
            Kind::Fault { fault: Fault::LeaseExpires, .. } => changes = false,
            Kind::Fault { fault, .. } => {
                let whole = matches!(fault, Fault::NodesCut | Fault::NodesJoined | Fault::DcsDown | Fault::DcsUp);
                let id = if whole { 0 } else { node.ok_or("a fault without a node")? };
                note(event.at, Seen::Change(Sight::Fault(*fault, id)), 0);
            }
            Kind::LeaderKey { change, holder, .. } => {
                let holder = holder.as_deref().map(|holder| name(holder).ok_or("an unknown holder")).transpose()?;
                revised = event.at[0].max(from).max(revised).min(event.at[1]);
                let at = [revised, event.at[1]];
                match change {
                    KeyChange::Present => note(at, Seen::Holder(holder), 1),
                    KeyChange::Overwritten if key == holder => {}
                    _ => note(at, Seen::Change(Sight::LeaderKey(holder)), 1),
                }
                key = holder;
            }
            Kind::ProcessStarted { what, .. } => {
                note(event.at, Seen::Change(Sight::Started(*what, node.ok_or("no node")?)), 0);
            }
            Kind::ProcessExited { what, .. } => {
                let begin = if *what == Process::Postmaster { began_to_end(history, event) } else { event.at[0] };
                note([begin, event.at[1]], Seen::Change(Sight::Exited(*what, node.ok_or("no node")?)), 0);
            }
            Kind::Recover { branch, .. } => {
                note(event.at, Seen::Change(Sight::Said(*branch, node.ok_or("no node")?)), 0);
            }
            Kind::Server { state, timeline, .. } => {
                let id = node.ok_or("no node")?;
                changes = false;
                known_writable[usize::from(id)] = *state == ServerState::Primary;
                if *state != ServerState::Unknown {
                    note(event.at, Seen::Looks(id, *state, *timeline), 0);
                }
            }
            Kind::Write { result: WriteResult::Ok, .. } => {
                let id = node.ok_or("no node")?;
                changes = false;
                if !outlives_its_postmaster(history, event) && !known_writable[usize::from(id)] {
                    known_writable[usize::from(id)] = true;
                    note(event.at, Seen::Looks(id, ServerState::Primary, None), 0);
                }
            }
            _ => changes = false,
        }
        if let (true, Some(id)) = (changes, node) {
            known_writable[usize::from(id)] = false;
        }
    }
    observations.sort_by_key(|seen| seen.at[0]);
    Ok(observations)
}

/// A server may have stopped listening up to a second before it is reported gone, if nothing listened from then on.
fn began_to_end(history: &History, exit: &Event) -> u64 {
    let looks = || {
        history.events.iter().filter_map(|event| match &event.kind {
            Kind::Server { state, .. } if event.node == exit.node && event.at[0] < exit.at[0] => {
                Some((event.at, *state))
            }
            _ => None,
        })
    };
    let listened = looks().filter(|(_, state)| *state != ServerState::Refused).map(|(at, _)| at[1]).max().unwrap_or(0);
    let refused = looks().filter(|(at, state)| {
        *state == ServerState::Refused && at[0] >= listened && at[0] + 1_000_000_000 >= exit.at[0]
    });
    refused.map(|(at, _)| at[0]).min().unwrap_or(exit.at[0])
}

/// A write may have been carried out by a backend whose postmaster was killed or gone already.
fn outlives_its_postmaster(history: &History, write: &Event) -> bool {
    let of_node = || history.events.iter().filter(|event| event.node == write.node);
    let started = |from: u64| {
        let starts =
            of_node().filter(|event| matches!(event.kind, Kind::ProcessStarted { what: Process::Postmaster, .. }));
        starts.map(|event| event.at[0]).filter(|&at| at >= from).min().unwrap_or(u64::MAX)
    };
    let ends = of_node().filter(|event| match event.kind {
        Kind::Fault { fault, .. } => matches!(fault, Fault::PostmasterKilled | Fault::OrphansLeft | Fault::NodeKilled),
        Kind::ProcessExited { what, .. } => what == Process::Postmaster,
        _ => false,
    });
    ends.into_iter().any(|end| write.at[1] >= end.at[0] && write.at[0] < started(end.at[0]))
}
