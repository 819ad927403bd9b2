//! A benchmark of model checkers on two-phase commit, with the same actions in each: this crate's engine, stateright,
//! SPIN, TLC.
//!
//! ```text
//! cargo bench -p pghaspec-model --bench two_phase_commit [-- --quick | --runs N]
//! ```
//!
//! Every row runs in a process of its own and is measured by the CPU time that the system charges to it, because time
//! on the clock says little on a busy machine. All tools store every state exactly and check the same invariant. They
//! have to agree on the numbers of states and steps; otherwise the comparison is void, and the command ends with exit
//! code 1. Results are in `benches/README.md`.
//!
//! | option | |
//! | --- | --- |
//! | `--quick` | only seven resource managers |
//! | `--runs N` | runs of each row, of which the median is printed; 3 unless given. A row of 30 s is run once |
//!
//! SPIN is taken from `PATH` with gcc. TLC is run if `TLA2TOOLS_JAR` names its jar.

#[path = "two_phase_commit/checkers.rs"]
mod checkers;
#[path = "two_phase_commit/process.rs"]
mod process;
#[path = "two_phase_commit/report.rs"]
mod report;
#[path = "two_phase_commit/rust.rs"]
mod rust;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use checkers::{Checker, Missing};
use process::Cost;
use report::{Outcome, Row};

/// The states and steps of two-phase commit, by the number of resource managers. The step into the initial state is not
/// counted.
const FULL: [(u8, Counts); 3] = [
    (7, Counts { states: 296_448, transitions: 2_744_705 }),
    (8, Counts { states: 1_745_408, transitions: 18_507_777 }),
    (9, Counts { states: 10_340_352, transitions: 123_558_401 }),
];
/// The same up to renumbering the resource managers.
const ORBITS: [(u8, Counts); 3] = [
    (7, Counts { states: 920, transitions: 8_409 }),
    (8, Counts { states: 1_461, transitions: 15_286 }),
    (9, Counts { states: 2_232, transitions: 26_315 }),
];

/// The counts that all checkers have to agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    states: u64,
    transitions: u64,
}

/// The measurement of a row.
#[derive(Clone, Copy, Debug)]
struct Measurement {
    counts: Counts,
    cost: Cost,
    /// Bytes for each state, if the checker keeps account of them.
    bytes: Option<u64>,
}

/// A row that took this long is not repeated.
const LONG: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (sizes, runs) = match arguments[..] {
        ["--row", checker, n] => return rust::run(checker, n.parse().expect("a number of resource managers")),
        [] => (&FULL[..], 3),
        ["--quick"] => (&FULL[..1], 3),
        ["--runs", runs] => (&FULL[..], runs.parse().expect("--runs takes a number")),
        ["--quick", "--runs", runs] | ["--runs", runs, "--quick"] => {
            (&FULL[..1], runs.parse().expect("--runs takes a number"))
        }
        _ => {
            eprintln!("two_phase_commit [--quick] [--runs N]");
            return ExitCode::from(2);
        }
    };
    let machine = report::machine();
    let workshop = process::Workshop::new();
    let mut rows = Vec::new();
    for &(n, full) in sizes {
        for checker in Checker::ALL.into_iter().filter(|checker| n <= checker.most()) {
            let wanted = if checker == Checker::EngineSymmetry { orbits(n) } else { full };
            eprintln!("{} on {}, {n} resource managers …", checker.name(), checker.model());
            rows.push(Row { checker, n, outcome: row(checker, n, wanted, runs, &workshop) });
        }
    }
    report::print(&rows);
    let agree = rows.iter().all(|row| !matches!(row.outcome, Outcome::Wrong(_)));
    if sizes.len() > 1 {
        let duel = duel(&workshop);
        report::targets(&rows, &duel);
    }
    println!("\n{machine}\nafterwards: load {}", report::load());
    if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn orbits(n: u8) -> Counts {
    ORBITS.into_iter().find(|(size, _)| *size == n).expect("sizes are 7, 8 and 9").1
}

/// Runs a row several times: the median by CPU time.
fn row(checker: Checker, n: u8, wanted: Counts, runs: usize, workshop: &process::Workshop) -> Outcome {
    let started = Instant::now();
    let prepared = match checker.prepare(n, workshop) {
        Ok(prepared) => prepared,
        Err(Missing::Tool(hint)) => return Outcome::Absent(hint),
        Err(Missing::Error(error)) => return Outcome::Wrong(error),
    };
    let mut measured = Vec::new();
    for _ in 0..runs.max(1) {
        match prepared.run() {
            Ok(one) if one.counts != wanted => {
                return Outcome::Wrong(format!("{:?} instead of {wanted:?}", one.counts));
            }
            Ok(one) => measured.push(one),
            Err(error) => return Outcome::Wrong(error),
        }
        if started.elapsed() > LONG {
            break;
        }
    }
    measured.sort_by_key(|one| one.cost.cpu);
    Outcome::Measured(measured[measured.len() / 2], measured.len())
}

/// One thread and two in turn, ten times, with nine resource managers: time on the clock.
fn duel(workshop: &process::Workshop) -> Vec<(Duration, Duration)> {
    eprintln!("one thread against two, ten times …");
    let wall = |checker: Checker| {
        let prepared = checker.prepare(9, workshop).ok().expect("the engine is always there");
        prepared.run().expect("this row ran before").cost.wall
    };
    (0..10).map(|_| (wall(Checker::Engine), wall(Checker::EngineTwoThreads))).collect()
}
