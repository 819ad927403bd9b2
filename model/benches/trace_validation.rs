//! A benchmark of trace validation: this crate's belief search, and TLC on a trace specification, on the same traces of
//! two-phase commit.
//!
//! ```text
//! TLA2TOOLS_JAR=…/tla2tools.jar cargo bench -p pghaspec-model --bench trace_validation [-- --traces N]
//! ```
//!
//! A trace is what an observer sees of a random behaviour: each change of a resource manager's state. The steps of the
//! transaction manager are not seen. In every second trace one field of one event was changed, so that most of those
//! are refused. The traces are a text file, one a line, which this crate's search reads; TLC gets them as a module, all
//! in one run, which is its fastest way. Time is CPU time; for TLC that of its process, with and without what the same
//! run takes for a single trace. Both have to accept the same traces; otherwise the comparison is void, and the command
//! ends with exit code 1. Results are in `benches/README.md`.

#[path = "two_phase_commit/process.rs"]
#[allow(dead_code, reason = "the comparison of checkers uses more of it")]
mod process;
#[path = "../tests/engine/models/two_phase_commit.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod two_phase_commit;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use pghaspec_model::belief::{Belief, Channels, Choices, Limits, Observable, Observation, Refusal, Seen, Start};
use pghaspec_model::vocabulary::event::Source;
use stateright::Model;
use two_phase_commit::{Action, Bits, Packed, Rm};

/// The number of resource managers.
const N: u8 = 5;

/// A resource manager, from 0, and the state that it has now.
type Event = (u8, Rm);

impl Observable for Packed {
    type Sight = Event;

    fn sights(&self, before: &Bits, action: Action, after: &Bits) -> Vec<Event> {
        let state = |bits: &Bits, rm: u8| self.spell(*bits).rm[usize::from(rm)];
        match action {
            Action::RmPrepare(rm)
            | Action::RmChooseToAbort(rm)
            | Action::RmRcvCommitMsg(rm)
            | Action::RmRcvAbortMsg(rm)
                if state(before, rm) != state(after, rm) =>
            {
                vec![(rm, state(after, rm))]
            }
            _ => Vec::new(),
        }
    }

    fn channels(_sight: Event) -> Channels {
        Channels::of(Source::Process, None)
    }
}

/// The trace of a random behaviour until nothing can be seen any more; every second one has a changed field.
fn trace(number: u64) -> Vec<Event> {
    let model = Packed(N);
    let mut choices = Choices::new(number);
    let mut state = Bits(0);
    let mut events = Vec::new();
    for _ in 0..60 {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        // Abort is possible all the time, and would end most behaviours early.
        let action = match actions[choices.below(actions.len() as u64) as usize] {
            Action::TmAbort | Action::RmChooseToAbort(_) if !choices.once_in(12) => continue,
            action => action,
        };
        let after = model.next_state(&state, action).expect("every action leads somewhere");
        events.extend(model.sights(&state, action, &after));
        state = after;
    }
    if number % 2 == 1 && !events.is_empty() {
        let place = choices.below(events.len() as u64) as usize;
        let (rm, to) = &mut events[place];
        match choices.once_in(2) {
            true => *rm = (*rm + 1 + choices.below(u64::from(N) - 1) as u8) % N,
            false => {
                let others = [Rm::Prepared, Rm::Committed, Rm::Aborted].into_iter().filter(|other| other != to);
                *to = others.collect::<Vec<_>>()[choices.below(2) as usize];
            }
        }
    }
    events
}

fn word(to: Rm) -> &'static str {
    match to {
        Rm::Working => "working",
        Rm::Prepared => "prepared",
        Rm::Committed => "committed",
        Rm::Aborted => "aborted",
    }
}

/// The traces as text, one a line: `1 prepared,2 aborted`.
fn written(traces: &[Vec<Event>]) -> String {
    let line = |trace: &Vec<Event>| {
        let events: Vec<String> = trace.iter().map(|(rm, to)| format!("{} {}", rm + 1, word(*to))).collect();
        events.join(",") + "\n"
    };
    traces.iter().map(line).collect()
}

fn read(line: &str) -> impl Iterator<Item = Event> {
    line.split(',').filter(|event| !event.is_empty()).map(|event| {
        let (rm, to) = event.split_once(' ').expect("an event is two words");
        let to = [Rm::Prepared, Rm::Committed, Rm::Aborted].into_iter().find(|state| word(*state) == to);
        (rm.parse::<u8>().expect("a number") - 1, to.expect("a state"))
    })
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|cpu| cpu.parse().ok()).unwrap_or(0))
}

/// The numbers of the traces that this crate's search accepts, from 1, and the time that it took.
fn ours(file: &Path) -> (BTreeSet<usize>, Duration) {
    let started = cpu();
    let text = fs::read_to_string(file).expect("it was just written");
    let mut belief = Belief::new(Packed(N), Limits::default());
    let start = Start { states: vec![Bits(0)], timeline: 1, blind: Channels::NONE };
    let mut accepted = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let observations = read(line).enumerate().map(|(place, event)| {
            let (seq, what) = (place as u64, Seen::Change(event));
            Observation { at: [seq; 2], what, seq, chain: 0 }
        });
        match belief.explain(&start, observations) {
            Ok(_) => drop(accepted.insert(index + 1)),
            Err(Refusal::Diverged(_)) => {}
            Err(Refusal::Limit { why, .. }) => panic!("{why}"),
        }
    }
    (accepted, cpu() - started)
}

/// The same by TLC, in one run.
fn tlc(jar: &Path, room: &Path, traces: &[Vec<Event>]) -> Result<(BTreeSet<usize>, Duration), String> {
    let mut module = String::from("---- MODULE Traces ----\nTraces == <<\n");
    for (index, trace) in traces.iter().enumerate() {
        let events: Vec<String> =
            trace.iter().map(|(rm, to)| format!("[rm |-> {}, to |-> \"{}\"]", rm + 1, word(*to))).collect();
        let comma = if index + 1 < traces.len() { "," } else { "" };
        let _ = writeln!(module, "<<{}>>{comma}", events.join(", "));
    }
    module += ">>\n====\n";
    let settings = format!("CONSTANT N = {N}\nSPECIFICATION TraceSpec\nINVARIANT Accepted\n");
    for (name, text) in [
        ("TwoPhase.tla", include_str!("TwoPhase.tla")),
        ("TwoPhaseTrace.tla", include_str!("TwoPhaseTrace.tla")),
        ("Traces.tla", &module),
        ("TwoPhaseTrace.cfg", &settings),
    ] {
        fs::write(room.join(name), text).map_err(|error| error.to_string())?;
    }
    let command = &mut Command::new("java");
    command.current_dir(room).args(["-Xss64m", "-XX:+UseParallelGC", "-cp"]).arg(jar);
    let (text, cost) = process::run(command.args(["tlc2.TLC", "-workers", "1", "-deadlock", "TwoPhaseTrace.tla"]))?;
    if !text.contains("No error has been found") {
        return Err(format!("TLC: {text}"));
    }
    let accepted =
        text.lines().filter_map(|line| line.strip_prefix("<<\"accepted\", ")?.strip_suffix(">>")?.parse().ok());
    Ok((accepted.collect(), cost.cpu))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--traces").and_then(|at| arguments.get(at + 1));
    let count: u64 = given.map_or(2000, |given| given.parse().expect("--traces is followed by a number"));
    let workshop = process::Workshop::new();
    let room = workshop.room("traces");
    let traces: Vec<Vec<Event>> = (0..count).map(trace).collect();
    let events: usize = traces.iter().map(Vec::len).sum();
    let file = room.join("traces.txt");
    fs::write(&file, written(&traces)).expect("there is room for a file");
    println!(
        "{count} traces of two-phase commit with {N} resource managers, {events} events, \
         every second one with a field changed\n"
    );
    println!("| judge | accepted | CPU s | events per CPU s |");
    println!("| --- | --- | --- | --- |");
    let row = |judge: &str, accepted: usize, took: Duration| {
        let speed = events as f64 / took.as_secs_f64();
        println!("| {judge} | {accepted} | {:.3} | {speed:.0} |", took.as_secs_f64());
        speed
    };
    let (accepted, took) = ours(&file);
    let speed = row("pghaspec", accepted.len(), took);
    let Some(jar) = std::env::var_os("TLA2TOOLS_JAR").map(PathBuf::from) else {
        println!(
            "| TLC | not at hand: set TLA2TOOLS_JAR to a tla2tools.jar (github.com/tlaplus/tlaplus/releases) | | |"
        );
        return ExitCode::SUCCESS;
    };
    let judged = tlc(&jar, &room, &traces).and_then(|whole| Ok((whole, tlc(&jar, &room, &traces[..1])?.1)));
    let ((theirs, took), start) = match judged {
        Ok(judged) => judged,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let whole = row("TLC", theirs.len(), took);
    let running = row("TLC, without what one trace takes", theirs.len(), took.saturating_sub(start));
    println!("\nours is {:.0} times as fast, {:.0} times without the start of TLC", speed / whole, speed / running);
    if accepted != theirs {
        let differ: Vec<_> = accepted.symmetric_difference(&theirs).collect();
        eprintln!("they do not agree on the traces {differ:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
