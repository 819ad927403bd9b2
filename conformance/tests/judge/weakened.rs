//! Recorded histories that pass, and that say less than they did: an interval is wider, an event was missed and is
//! declared as a gap, the run was cut off. Whoever saw less accuses nobody: none of them fails.
//!
//! More of each kind: `PGHASPEC_WEAKENED=50 cargo test --release -p pghaspec --test judge weakened -- --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use pghaspec::fixtures;
use pghaspec::history::History;
use pghaspec::history::describe::line;
use pghaspec::judge::{Verdict, judge};
use pghaspec::scenario::Scenario;
use pghaspec_model::belief::Choices;
use pghaspec_model::vocabulary::event::{Event, Kind, Source};

/// Changes of each kind to each history, unless `PGHASPEC_WEAKENED` says otherwise.
const DEFAULT: u64 = 1;

const SECOND: u64 = 1_000_000_000;

/// A way to say less, with its name. What it changes is drawn.
type Weaken = (&'static str, fn(&mut Vec<Event>, &mut Choices));

const WAYS: [Weaken; 8] = [
    ("cut off", |events, choices| {
        let left = 2 + below(choices, events.len() - 2);
        events.truncate(left);
    }),
    ("one event of processes missed", |events, choices| miss(events, choices, Source::Process)),
    ("one change of the key missed", |events, choices| miss(events, choices, Source::Etcd)),
    ("one probe missed", |events, choices| miss(events, choices, Source::Postgres)),
    ("one word missed", |events, choices| miss(events, choices, Source::AgentLog)),
    ("one event seen earlier or later", |events, choices| {
        let place = below(choices, events.len());
        let amount = [SECOND / 10, SECOND, 3 * SECOND][below(choices, 3)];
        widen(events, amount, choices.once_in(2), |index, _| index == place);
    }),
    ("all of one kind seen earlier or later", |events, choices| {
        let kinds: Vec<_> = events.iter().map(|event| std::mem::discriminant(&event.kind)).collect();
        let kind = kinds[below(choices, kinds.len())];
        let amount = [SECOND / 10, SECOND][below(choices, 2)];
        widen(events, amount, choices.once_in(2), |_, event| std::mem::discriminant(&event.kind) == kind);
    }),
    ("words without a time", |events, _| {
        let mut last: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for event in events.iter_mut().filter(|event| event.source == Source::AgentLog) {
            let before = last.insert(event.node.clone(), event.at[1]).unwrap_or(0);
            event.at[0] = event.at[0].min(before);
        }
    }),
];

fn below(choices: &mut Choices, limit: usize) -> usize {
    usize::try_from(choices.below(limit as u64)).unwrap()
}

/// Leaves an event out, and declares the time in which it was as a gap.
fn miss(events: &mut [Event], choices: &mut Choices, of: Source) {
    let seen = |event: &&Event| event.source == of && !matches!(event.kind, Kind::ReadBack { .. });
    let all: Vec<u64> = events.iter().filter(seen).map(|event| event.seq).collect();
    if all.is_empty() {
        return;
    }
    let missed = all[below(choices, all.len())];
    let event = events.iter_mut().find(|event| event.seq == missed).unwrap();
    event.source = Source::Harness;
    event.kind = Kind::Gap { of, why: "was not heard".to_owned(), reason: None };
    if of == Source::Etcd {
        event.node = None;
    }
}

/// Widens the intervals of some events by nanoseconds, to the left or to the right, within the run.
fn widen(events: &mut [Event], amount: u64, left: bool, which: impl Fn(usize, &Event) -> bool) {
    let end = events.iter().map(|event| event.at[1]).max().unwrap_or(0);
    for (index, event) in events.iter_mut().enumerate() {
        let fixed = matches!(
            event.kind,
            Kind::Run(_)
                | Kind::Phase { .. }
                | Kind::ReadBack { .. }
                | Kind::Starved { .. }
                | Kind::DiskStalled
                | Kind::Gap { .. }
        );
        if fixed || !which(index, event) {
            continue;
        }
        match left {
            true => event.at[0] = event.at[0].saturating_sub(amount),
            false => event.at[1] = (event.at[1] + amount).min(end.max(event.at[1])),
        }
    }
}

/// The first events that say less, and what they say now.
fn changed(before: &[Event], after: &[Event]) -> String {
    let differ = before.iter().zip(after).filter(|(one, other)| one != other).take(3);
    differ.map(|(one, other)| format!("\n  {} {:?}\n  now {} {:?}", line(one), one.at, line(other), other.at)).collect()
}

#[test]
fn who_says_less_accuses_nobody() {
    let times = std::env::var("PGHASPEC_WEAKENED").map_or(DEFAULT, |text| text.parse().unwrap());
    let mut tried: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut accused = BTreeSet::new();
    let mut histories = 0_u64;
    for folder in fs::read_dir(fixtures::root().join("traces")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let Ok(history) = History::read(&file) else { continue };
            let Ok(scenario) = Scenario::load(&history.run.scenario) else { continue };
            let edition = history.edition(&file).unwrap();
            if judge(&history, edition, Some(&scenario.expect)).verdict != Verdict::Pass {
                continue;
            }
            histories += 1;
            for (name, weaken) in WAYS {
                for seed in 0..times {
                    let mut choices = Choices::new(seed * 1_000 + histories);
                    let mut events = history.events.clone();
                    weaken(&mut events, &mut choices);
                    let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
                    let counts = tried.entry(name).or_default();
                    // One that contradicts itself now is no history.
                    let Ok(weaker) = History::parse((lines.join("\n") + "\n").as_bytes()) else {
                        counts[2] += 1;
                        continue;
                    };
                    let judged = judge(&weaker, edition, Some(&scenario.expect));
                    counts[usize::from(judged.verdict != Verdict::Pass)] += 1;
                    for check in judged.checks.iter().filter(|check| check.verdict == Verdict::Fail) {
                        let place = format!("{}/{}", history.run.agent, history.run.scenario);
                        let how = changed(&history.events, &events);
                        accused.insert(format!("{name}, {place}, seed {seed}: {}: {}{how}", check.id, check.why));
                    }
                }
            }
        }
    }
    for (name, [pass, open, refused]) in &tried {
        println!("{name}: {pass} pass, {open} do not, {refused} are refused");
        assert!(pass + open > 0, "{name}");
    }
    assert!(histories > 40, "{histories}");
    let accused: Vec<String> = accused.into_iter().collect();
    assert!(accused.is_empty(), "{} accusations:\n{}", accused.len(), accused.join("\n\n"));
}
