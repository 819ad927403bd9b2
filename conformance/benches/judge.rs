//! How fast histories are judged: recorded ones, repeated to a million events.
//!
//! ```text
//! cargo bench -p pghaspec --bench judge [-- --events N]
//! ```
//!
//! A recorded history ends with a healthy cluster, so it can go on: with the nodes renamed as the next leader demands, and the timelines that
//! there are by then. Each row is a trace, repeated; it is read from JSON lines, and the model is asked by each edition. The time is the CPU
//! time of one thread, the memory what the process grew by while the model was asked.

use std::path::PathBuf;

use pghaspec::judge::{History, Verdict, allowed, explaining_editions};
use pghaspec_model::edition::Edition;
use pghaspec_model::event::{Event, Kind, Phase, ServerState};

const TRACES: [(&str, &str); 2] =
    [("patroni-4.1.5", "leader-postmaster-killed"), ("patroni-4.1.5", "leader-postmaster-killed-start-timeout-0")];

fn trace((agent, scenario): (&str, &str)) -> History {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/traces/{agent}/{scenario}.jsonl"));
    History::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// Who holds the lock, and the highest timeline of a primary, at the end of these events.
fn leads(events: &[Event]) -> (Option<String>, u32) {
    let (mut holder, mut timeline) = (None, 0);
    for event in events {
        match &event.kind {
            Kind::LeaderKey { holder: now, .. } => holder = now.clone(),
            Kind::Server { state: ServerState::Primary, timeline: Some(now), .. } => timeline = timeline.max(*now),
            _ => {}
        }
    }
    (holder, timeline)
}

/// The history again and again, until it has so many events.
fn repeated(recorded: &History, events: usize) -> History {
    let is = |event: &Event, wanted: Phase| matches!(event.kind, Kind::Phase { phase } if phase == wanted);
    let ready = recorded.events.iter().position(|event| is(event, Phase::Ready)).expect("it was ready");
    let over = recorded.events.iter().position(|event| is(event, Phase::ReadBack)).expect("it was finished");
    let (before, rest) = recorded.events.split_at(ready + 1);
    let (period, after) = rest.split_at(over - ready - 1);
    let (first, timeline) = leads(before);
    let (last, later) = leads(&recorded.events[..over]);
    let (first, last) = (first.expect("somebody led"), last.expect("somebody led"));
    let raised = later - timeline;
    // What a leader did, the next leader does.
    let swapped = |name: &str| match name {
        name if name == first => last.clone(),
        name if name == last => first.clone(),
        name => name.to_owned(),
    };
    let length = recorded.events[over].at[0] - recorded.events[ready].at[1];
    let mut all: Vec<Event> = before.to_vec();
    let mut round = 0;
    let shift = |event: &Event, round: u64| {
        let mut event = event.clone();
        event.at = event.at.map(|at| at + round * length);
        let name = |name: &mut String| {
            if round % 2 == 1 {
                *name = swapped(name);
            }
        };
        event.node.as_mut().map(name);
        match &mut event.kind {
            Kind::LeaderKey { holder: Some(holder), .. } => name(holder),
            Kind::Server { timeline: Some(timeline), .. } => *timeline += round as u32 * raised,
            Kind::Write { id, .. } => *id += round * 1_000_000_000,
            _ => {}
        }
        event
    };
    let inner =
        |event: &&Event| !matches!(event.kind, Kind::Phase { .. }) && event.at[0] >= recorded.events[ready].at[1];
    while all.len() + after.len() < events {
        all.extend(period.iter().filter(inner).map(|event| shift(event, round)));
        round += 1;
    }
    all.extend(after.iter().map(|event| shift(event, round - 1)));
    for (seq, event) in all.iter_mut().enumerate() {
        event.seq = seq as u64;
    }
    History { run: recorded.run.clone(), events: all, cut_off: false }
}

/// CPU seconds of this thread, and bytes that the process holds in memory.
fn used() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let cpu = stat.split(' ').next().and_then(|cpu| cpu.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (cpu, pages * 4096.0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--events").and_then(|at| arguments.get(at + 1));
    let events = given.map_or(1_000_000, |given| given.parse().expect("--events is followed by a number"));
    println!("| history | events | what | CPU s | events per CPU s | MB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for which in TRACES {
        let recorded = trace(which);
        let explaining = explaining_editions(&recorded).expect("the model can be asked");
        let row = |what: &str, events: usize, from: (f64, f64)| {
            let (cpu, bytes) = used();
            let (cpu, megabytes) = (cpu - from.0, (bytes - from.1) / 1e6);
            println!("| {} | {events} | {what} | {cpu:.2} | {:.0} | {megabytes:.0} |", which.1, events as f64 / cpu);
        };
        let mut text = Vec::new();
        for event in &repeated(&recorded, events).events {
            serde_json::to_writer(&mut text, event).expect("events can be written");
            text.push(b'\n');
        }
        let from = used();
        let history = History::parse(&text).expect("what was written can be read");
        drop(text);
        row("read from JSON lines", history.events.len(), from);
        for edition in Edition::ALL {
            let from = used();
            let check = allowed(&history, edition);
            let explains = explaining.contains(&edition);
            assert_eq!(check.verdict == Verdict::Pass, explains, "{}: {check:#?}", edition.id());
            if explains {
                row(&format!("explained by edition {}", edition.id()), history.events.len(), from);
            }
        }
    }
}
